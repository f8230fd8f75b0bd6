//! How long the calls of one command took: a histogram in fixed memory, and what INFO and LATENCY tell of it.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::Clients;
use super::info::Fields;
use crate::resp::Reply;

/// Steps between two powers of two: a percentile is at most 1/32 above what it was.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 5;
/// What took 2^24 us (16.8 s) or longer counts as that.
const TOP_BITS: u32 = 24;
const BUCKETS: usize = STEPS * (TOP_BITS - STEP_BITS + 1) as usize;

/// Calls by their microseconds, 5 KB: below 32 us each has a count of its own, and each power of two from there on has 32.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]) }
    }
}

/// Where calls of `us` are counted.
#[inline]
fn bucket(us: u64) -> usize {
    let us = us.min((1 << TOP_BITS) - 1);
    let power = (us | (STEPS as u64 - 1)).ilog2() - (STEP_BITS - 1);
    // Below 2^24 this is below 20 * 32.
    match power {
        0 => us as usize,
        _ => ((power as usize) << STEP_BITS) + ((us >> (power - 1)) as usize & (STEPS - 1)),
    }
}

/// The largest of the microseconds that are counted in bucket `i`.
fn top(i: usize) -> u64 {
    let (power, step) = ((i >> STEP_BITS) as u32, (i & (STEPS - 1)) as u64);
    if power == 0 { step } else { ((STEPS as u64 + step + 1) << (power - 1)) - 1 }
}

impl Histogram {
    #[inline]
    pub(crate) fn count(&mut self, us: u64) {
        if let Some(n) = self.counts.get_mut(bucket(us)) {
            *n += 1;
        }
    }

    /// Microseconds that `percent` of all calls did not exceed, by the upper end of where they are counted.
    fn percentile(&self, percent: f64) -> u64 {
        let all: u64 = self.counts.iter().sum();
        // Of the first one there is always one; calls are far below 2^52.
        let wanted = (percent / 100.0 * all as f64 + 0.5) as u64;
        let mut sum = 0;
        let reached = self.counts.iter().position(|n| {
            sum += n;
            sum >= wanted.max(1)
        });
        reached.map_or(0, top)
    }

    /// Bounds as Redis has them (1.032 us times powers of two, in whole us), each with the number of calls that took no more;
    /// those alone at which that grows.
    fn doublings(&self) -> Vec<(u64, u64)> {
        let mut list: Vec<(u64, u64)> = Vec::new();
        let mut sum = 0;
        for (i, n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            sum += n;
            // Tops are below 2^24: some 24 doublings at most.
            let bound =
                (0..=TOP_BITS).map(|k| ((1032 << k) - 1) / 1000).find(|bound| *bound >= top(i)).unwrap_or_default();
            match list.last_mut() {
                Some((last, so_far)) if *last == bound => *so_far = sum,
                _ => list.push((bound, sum)),
            }
        }
        list
    }

    /// For each power of two of microseconds, how many calls took less.
    pub(crate) fn below_powers(&self) -> impl Iterator<Item = (u64, u64)> {
        let (mut at, mut below) = (0, 0);
        (0..TOP_BITS).map(move |power| {
            let end = bucket(1 << power);
            below += self.counts.iter().take(end).skip(at).sum::<u64>();
            at = end;
            (1 << power, below)
        })
    }

    /// One command's part of the answer of LATENCY HISTOGRAM.
    pub(crate) fn write(&self, name: &str, calls: u64, r: &mut Reply<'_>) {
        r.bulk(name.as_bytes());
        r.map(2);
        r.bulk(b"calls");
        r.int(calls as i64);
        r.bulk(b"histogram_usec");
        let all = self.doublings();
        r.map(all.len());
        for (us, n) in all {
            r.int(us as i64);
            r.int(n as i64);
        }
    }
}

impl<R> Clients<R> {
    /// The section `latencystats`: of each command that was called, these percentiles (as the directive has them), us.
    pub(crate) fn latency_section(&self, f: &mut Fields, percentiles: &[alloc::string::String]) {
        f.section("Latencystats");
        for (spec, c) in self.table.iter().zip(&self.stats.commands) {
            let Some(times) = &c.times else { continue };
            let figures: Vec<_> = percentiles
                .iter()
                .map(|p| format!("p{p}={:.3}", times.percentile(p.parse().unwrap_or_default()) as f64))
                .collect();
            f.put(&format!("latency_percentiles_usec_{}", spec.name), figures.join(","));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        assert_eq!(bucket(0), 0);
        for i in 0..BUCKETS {
            assert_eq!(bucket(top(i)), i, "the last of bucket {i}");
            if i + 1 < BUCKETS {
                assert_eq!(bucket(top(i) + 1), i + 1, "the one behind bucket {i}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_close_above() {
        let mut h = Histogram::default();
        for us in 1..=10_000 {
            h.count(us);
        }
        for (percent, truth) in [(0.0, 1), (50.0, 5000), (99.0, 9900), (99.9, 9990), (100.0, 10_000)] {
            let told = h.percentile(percent);
            assert!(told >= truth && told <= truth + truth / 32 + 1, "p{percent} is {truth}, told {told}");
        }
        assert_eq!(Histogram::default().percentile(50.0), 0);
    }

    #[test]
    fn doublings_sum_up() {
        let mut h = Histogram::default();
        [0, 1, 2, 3, 5, 900, 1 << 40].into_iter().for_each(|us| h.count(us));
        let want = [(1, 2), (2, 3), (4, 4), (8, 5), (1056, 6), (17_314_086, 7)];
        assert_eq!(h.doublings(), want);
    }
}
