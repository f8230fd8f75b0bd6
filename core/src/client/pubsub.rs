//! Who listens to which channel and pattern.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};

use super::Session;
use crate::glob;
use crate::ids::ConnId;

/// What a subscription is by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A channel's exact name.
    Channel,
    /// A glob pattern.
    Pattern,
}

/// All subscriptions of a server. What one client may hold is bounded by its output limit and the query limits.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: BTreeMap<Box<[u8]>, BTreeSet<ConnId>>,
    patterns: BTreeMap<Box<[u8]>, BTreeSet<ConnId>>,
}

impl PubSub {
    fn of(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, BTreeSet<ConnId>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    /// Subscribes; false if it was subscribed already.
    pub fn subscribe(&mut self, conn: ConnId, kind: Kind, name: &[u8]) -> bool {
        self.of(kind).entry(name.into()).or_default().insert(conn)
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&mut self, conn: ConnId, kind: Kind, name: &[u8]) -> bool {
        let map = self.of(kind);
        let Some(set) = map.get_mut(name) else { return false };
        let was = set.remove(&conn);
        if set.is_empty() {
            map.remove(name);
        }
        was
    }

    /// Ends all subscriptions of a client.
    pub fn forget(&mut self, s: &Session) {
        for c in &s.channels {
            self.unsubscribe(s.conn, Kind::Channel, c);
        }
        for p in &s.patterns {
            self.unsubscribe(s.conn, Kind::Pattern, p);
        }
    }

    /// Everybody whom a message on `channel` reaches: those who listen to it, then for each pattern that matches those
    /// who listen by it. Whoever is in several of these gets it several times.
    pub fn receivers<'a>(
        &'a self,
        channel: &'a [u8],
    ) -> impl Iterator<Item = (Option<&'a [u8]>, &'a BTreeSet<ConnId>)> + use<'a> {
        let direct = self.channels.get(channel).map(|set| (None, set));
        let matches = self.patterns.iter().filter(|(p, _)| glob::matches(p, channel));
        direct.into_iter().chain(matches.map(|(p, set)| (Some(&**p), set)))
    }

    /// Whether anybody listens to anything.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Channels with a subscriber, those that match `pattern` if one is given.
    pub fn channels<'a>(&'a self, pattern: Option<&'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
        self.channels.keys().map(|c| &**c).filter(move |c| pattern.is_none_or(|p| glob::matches(p, c)))
    }

    /// How many channels have a subscriber.
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Subscribers of a channel by its name.
    pub fn subscribers(&self, channel: &[u8]) -> usize {
        self.channels.get(channel).map_or(0, BTreeSet::len)
    }

    /// How many different patterns are subscribed to.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn channels_and_patterns() {
        let (a, b) = (ConnId::accepted(1), ConnId::accepted(2));
        let mut p = PubSub::default();
        assert!(p.subscribe(a, Kind::Channel, b"news") && !p.subscribe(a, Kind::Channel, b"news"));
        assert!(p.subscribe(b, Kind::Pattern, b"n*"));
        let reached: Vec<_> = p.receivers(b"news").collect();
        assert_eq!(reached, [(None, &BTreeSet::from([a])), (Some(&b"n*"[..]), &BTreeSet::from([b]))]);
        assert_eq!(p.receivers(b"x").count(), 0);
        assert_eq!((p.subscribers(b"news"), p.pattern_count(), p.channel_count()), (1, 1, 1));
        assert!(p.unsubscribe(a, Kind::Channel, b"news") && !p.unsubscribe(a, Kind::Channel, b"news"));
        assert_eq!(p.channels(None).count(), 0);
    }
}
