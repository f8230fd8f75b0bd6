//! The ways between hosts: one for each direction, with its outages.

use alloc::vec::Vec;

use crate::sim::choices::Choices;
use crate::sim::config::NetConfig;
use crate::time::Instant;
use core::time::Duration;

/// One direction between two hosts.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Packets are lost until then.
    cut_until: Instant,
    /// Bytes of connections stand still until then.
    stalled_until: Instant,
    slow_until: Instant,
    factor: u32,
    /// What was sent so far has left by then.
    free_at: Instant,
}

/// All directions: those of each host to and from the earlier ones lie together, so that a host is added behind the others.
#[derive(Debug, Default)]
pub(in crate::sim) struct Links {
    hosts: usize,
    list: Vec<Link>,
}

/// Where the way from `a` to `b` lies.
#[inline]
fn place(a: u32, b: u32) -> usize {
    let (a, b) = (a as usize, b as usize);
    if a >= b { a * a + b } else { b * b + b + 1 + a }
}

impl Links {
    pub(in crate::sim) fn add_host(&mut self) {
        self.hosts += 1;
        self.list.resize(self.hosts * self.hosts, Link::default());
    }

    #[inline]
    fn get(&self, a: u32, b: u32) -> Option<&Link> {
        self.list.get(place(a, b))
    }

    #[inline]
    fn get_mut(&mut self, a: u32, b: u32) -> Option<&mut Link> {
        self.list.get_mut(place(a, b))
    }

    pub(in crate::sim) fn cut(&mut self, a: u32, b: u32, until: Instant) {
        if let Some(link) = self.get_mut(a, b) {
            link.cut_until = link.cut_until.max(until);
        }
    }

    pub(in crate::sim) fn stall(&mut self, a: u32, b: u32, until: Instant) {
        if let Some(link) = self.get_mut(a, b) {
            link.stalled_until = link.stalled_until.max(until);
        }
    }

    pub(in crate::sim) fn slow(&mut self, a: u32, b: u32, factor: u32, until: Instant) {
        if let Some(link) = self.get_mut(a, b) {
            (link.factor, link.slow_until) = (factor.max(1), link.slow_until.max(until));
        }
    }

    /// Whether packets from `a` to `b` are lost.
    #[inline]
    pub(in crate::sim) fn is_cut(&self, a: u32, b: u32, now: Instant) -> bool {
        self.get(a, b).is_some_and(|l| l.cut_until > now)
    }

    /// Whether bytes of a connection from `a` to `b` do not pass.
    #[inline]
    pub(in crate::sim) fn is_held(&self, a: u32, b: u32, now: Instant) -> bool {
        self.get(a, b).is_some_and(|l| l.cut_until > now || l.stalled_until > now)
    }

    pub(in crate::sim) fn heal(&mut self, now: Instant) {
        for link in &mut self.list {
            *link = Link { free_at: link.free_at.min(now), ..Link::default() };
        }
    }

    /// When `len` bytes that leave `a` now reach `b`.
    #[inline]
    pub(in crate::sim) fn arrival(
        &mut self,
        (a, b): (u32, u32),
        len: usize,
        now: Instant,
        net: &NetConfig,
        choices: &mut Choices,
    ) -> Instant {
        let (lo, hi) = if a == b { net.loopback_us } else { net.latency_us };
        let latency = choices.between(lo, hi).max(1);
        let Some(link) = self.get_mut(a, b) else { return now + Duration::from_micros(latency) };
        let factor = if link.slow_until > now { u64::from(link.factor) } else { 1 };
        let mut left = now;
        if a != b && net.bandwidth > 0 {
            let takes = (len as u64).saturating_mul(1_000_000).saturating_mul(factor) / net.bandwidth;
            left = link.free_at.max(now) + Duration::from_micros(takes);
            link.free_at = left;
        }
        left + Duration::from_micros(latency.saturating_mul(factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Instant {
        Instant::from_micros(n * 1000)
    }

    #[test]
    fn every_direction_has_a_place_of_its_own() {
        let mut places: Vec<usize> = (0..9).flat_map(|a| (0..9).map(move |b| place(a, b))).collect();
        places.sort_unstable();
        assert_eq!(places, (0..81).collect::<Vec<_>>());
        assert!(
            (0..8).all(|a| place(a, 8) >= 64 && place(8, a) >= 64 && place(a, 7) < 64),
            "the last host is the last shell"
        );
    }

    #[test]
    fn outages_have_a_direction_and_an_end() {
        let mut links = Links::default();
        links.add_host();
        links.add_host();
        links.cut(0, 1, ms(5));
        links.add_host();
        links.cut(0, 1, ms(3));
        links.stall(2, 0, ms(5));
        assert!(links.is_cut(0, 1, ms(4)) && !links.is_cut(0, 1, ms(5)) && !links.is_cut(1, 0, ms(4)));
        assert!(links.is_held(2, 0, ms(4)) && !links.is_cut(2, 0, ms(4)));
        links.heal(ms(4));
        assert!(!links.is_held(0, 1, ms(4)) && !links.is_held(2, 0, ms(4)));
    }

    #[test]
    fn bandwidth_is_shared_and_slowness_multiplies() {
        let net =
            NetConfig { latency_us: (100, 100), loopback_us: (7, 7), bandwidth: 1_000_000, ..NetConfig::default() };
        let mut choices = Choices::seeded(1);
        let mut links = Links::default();
        links.add_host();
        links.add_host();
        let mut send = |links: &mut Links, way, len| links.arrival(way, len, ms(0), &net, &mut choices).as_micros();
        assert_eq!(send(&mut links, (0, 1), 1_000), 1_100);
        assert_eq!(send(&mut links, (0, 1), 1_000), 2_100);
        assert_eq!(send(&mut links, (1, 0), 1_000), 1_100);
        assert_eq!(send(&mut links, (1, 1), 1_000), 7);
        links.slow(1, 0, 10, ms(1));
        assert_eq!(send(&mut links, (1, 0), 1_000), 1_000 + 10_000 + 1_000);
    }
}
