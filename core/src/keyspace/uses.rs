//! When and how often keys are used, in the 32 bits of a stamp; what a stamp means depends on `maxmemory-policy`.
//!
//! | policy | stamp |
//! |---|---|
//! | `*-lru` | the moment of the last use, in units of 2^14 microseconds (16 ms) since the node's clock began; wraps after a year |
//! | `*-lfu` | bit 31 set; bits 8 to 23 the minute of the last decay; bits 0 to 7 the counter, by Redis's scale |
//! | others | none are kept |

use crate::config::{EvictionPolicy, Settings};
use crate::rng::Rng;
use crate::time::{Instant, Now};

/// Microseconds of one unit of the LRU clock, as a shift.
const UNIT: u32 = 14;
/// The counter of a new key: it is not evicted before it had a chance.
const FRESH: u8 = 5;
/// Minutes that a stamp may lie in the future.
const LATER: u16 = 24 * 60;
/// Tells a stamp of an LFU policy from none.
const COUNTED: u32 = 1 << 31;

/// What is kept of a key's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Kept {
    /// Nothing.
    #[default]
    Nothing,
    /// When it was used last.
    Time,
    /// How often it is used.
    Count,
}

/// What a key's stamp says, for snapshots and `OBJECT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Seconds since it was used.
    Idle(u64),
    /// Its counter.
    Freq(u8),
}

/// How uses are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Uses {
    pub(super) kept: Kept,
    log_factor: u32,
    decay_minutes: u32,
    /// The LRU clock when stamps began to be kept: what no use is known of counts from there.
    since: u32,
}

fn clock(now: Instant) -> u32 {
    (now.as_micros() >> UNIT) as u32
}

fn minute(now: Instant) -> u16 {
    (now.as_micros() / 60_000_000) as u16
}

fn counted(minute: u16, counter: u8) -> u32 {
    COUNTED | u32::from(minute) << 8 | u32::from(counter)
}

impl Uses {
    /// What the directives ask for; `now` is the moment from which on it is kept.
    pub(super) fn of(settings: &Settings, now: Instant) -> Self {
        let kept = match settings.maxmemory_policy {
            EvictionPolicy::AllkeysLru | EvictionPolicy::VolatileLru => Kept::Time,
            EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu => Kept::Count,
            _ => Kept::Nothing,
        };
        let (log_factor, decay_minutes) = (settings.lfu_log_factor, settings.lfu_decay_time);
        Self { kept, log_factor, decay_minutes, since: clock(now) }
    }

    /// The same, but stamps go back as far as those of `other`.
    pub(super) fn since(self, other: Self) -> Self {
        Self { since: other.since, ..self }
    }

    /// The stamp of a key that is new.
    pub(super) fn fresh(self, now: Now) -> u32 {
        match self.kept {
            Kept::Nothing => 0,
            Kept::Time => clock(now.mono).max(1),
            Kept::Count => counted(minute(now.mono), FRESH),
        }
    }

    /// The stamp of a key that is used once more.
    pub(super) fn used(self, stamp: u32, now: Now, rng: &mut Rng) -> u32 {
        if self.kept != Kept::Count {
            return self.fresh(now);
        }
        let counter = self.counter(stamp, now.mono);
        // The higher it stands, the less likely it grows: 255 is about a million uses with a factor of 10.
        let odds = u64::from(counter.saturating_sub(FRESH)) * u64::from(self.log_factor) + 1;
        let grown = if counter < u8::MAX && rng.below(odds) == 0 { counter + 1 } else { counter };
        counted(minute(now.mono), grown)
    }

    /// The counter of a stamp now: it falls with the time without a use.
    fn counter(self, stamp: u32, now: Instant) -> u8 {
        if stamp & COUNTED == 0 {
            return FRESH;
        }
        // One that is a little later than now is of a key that was used since a snapshot began.
        let passed = minute(now).wrapping_sub((stamp >> 8) as u16);
        let passed = if passed > u16::MAX - LATER { 0 } else { u32::from(passed) };
        let periods = passed.checked_div(self.decay_minutes).unwrap_or(0);
        (stamp as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// Units of the LRU clock since a key was used.
    fn idle(self, stamp: u32, now: Instant) -> u32 {
        let at = if stamp == 0 { self.since } else { stamp };
        // One that is later than now is of a key that was used since a snapshot began.
        (clock(now).wrapping_sub(at) as i32).max(0) as u32
    }

    /// How gladly a key is evicted: the greater, the sooner.
    pub(super) fn rank(self, stamp: u32, now: Instant) -> u64 {
        match self.kept {
            Kept::Nothing => 0,
            Kept::Time => self.idle(stamp, now).into(),
            Kept::Count => (u8::MAX - self.counter(stamp, now)).into(),
        }
    }

    /// What a stamp says; `None` if the policy keeps nothing.
    pub(super) fn said(self, stamp: u32, now: Instant) -> Option<Use> {
        match self.kept {
            Kept::Nothing => None,
            Kept::Time => Some(Use::Idle((u64::from(self.idle(stamp, now)) << UNIT) / 1_000_000)),
            Kept::Count => Some(Use::Freq(self.counter(stamp, now))),
        }
    }

    /// The stamp of a key of which this is said; 0 if the policy keeps something else.
    pub(super) fn stamp(self, said: Use, now: Instant) -> u32 {
        match (self.kept, said) {
            (Kept::Time, Use::Idle(seconds)) => {
                let units =
                    u32::try_from(seconds.saturating_mul(1_000_000) >> UNIT).unwrap_or(u32::MAX).min(i32::MAX as u32);
                clock(now).wrapping_sub(units).max(1)
            }
            (Kept::Count, Use::Freq(counter)) => counted(minute(now), counter),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(policy: EvictionPolicy) -> Uses {
        Uses::of(&Settings { maxmemory_policy: policy, ..Settings::default() }, Instant::ZERO)
    }

    fn at(s: u64) -> Now {
        Now::new(Instant::from_micros(s * 1_000_000), s * 1000)
    }

    #[test]
    fn the_counter_grows_slower_and_slower_and_falls_each_minute() {
        let (rules, mut rng) = (rules(EvictionPolicy::AllkeysLfu), Rng::new([1; 32]));
        let mut stamp = rules.fresh(at(0));
        let mut counters = alloc::vec::Vec::new();
        for n in 1..=100_000u32 {
            stamp = rules.used(stamp, at(1), &mut rng);
            if n.is_power_of_two() || n.is_multiple_of(10_000) {
                counters.push(rules.counter(stamp, Instant::ZERO));
            }
        }
        // Redis's own table for a factor of 10: about 10 after 100 uses, 18 after 1000, 142 after 100,000.
        let last = rules.counter(stamp, Instant::ZERO);
        assert!((125..160).contains(&last), "{counters:?}");
        assert_eq!(rules.counter(stamp, at(121).mono), last - 2);
        assert_eq!(rules.counter(stamp, at(60 * 1000).mono), 0);
        assert_eq!(rules.counter(0, at(60 * 1000).mono), FRESH, "nothing is known of it");
    }

    #[test]
    fn idle_times_go_through_a_stamp() {
        let rules = rules(EvictionPolicy::VolatileLru);
        for idle in [0, 1, 59, 86_400, 30_000_000] {
            let stamp = rules.stamp(Use::Idle(idle), at(100_000).mono);
            let Some(Use::Idle(said)) = rules.said(stamp, at(100_000).mono) else { panic!("no idle time") };
            assert!(said == idle || said + 1 == idle, "{idle}: {said}");
        }
        assert_eq!(rules.stamp(Use::Freq(7), at(1).mono), 0);
        assert!(rules.rank(rules.fresh(at(5)), at(9).mono) > rules.rank(rules.fresh(at(8)), at(9).mono));
        assert_eq!(rules.said(rules.fresh(at(9)), at(8).mono), Some(Use::Idle(0)), "used since the snapshot began");
        assert_eq!(rules.said(0, at(7).mono), Some(Use::Idle(6)), "counts from when stamps are kept");
    }
}
