//! Limits of what a peer leaves unread (`client-output-buffer-limit`).

use core::time::Duration;

use crate::time::Instant;

/// `client-output-buffer-limit` of one class: hard limit in bytes, soft limit in bytes held for so long. 0 disables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// More unsent bytes than this close the connection at once.
    pub hard: u64,
    /// More unsent bytes than this close it after `soft_for`.
    pub soft: u64,
    /// How long the soft limit may be exceeded without a break.
    pub soft_for: Duration,
}

/// Which limit was exceeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverLimit {
    /// The hard one.
    Hard,
    /// The soft one, for too long.
    Soft,
}

/// Since when one connection has been over its soft limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SoftClock(Option<Instant>);

impl SoftClock {
    /// Judges `unsent` bytes at `now`.
    pub fn check(&mut self, now: Instant, unsent: u64, limit: OutputLimit) -> Option<OverLimit> {
        if limit.hard > 0 && unsent > limit.hard {
            return Some(OverLimit::Hard);
        }
        if limit.soft == 0 || unsent <= limit.soft {
            self.0 = None;
            return None;
        }
        let since = *self.0.get_or_insert(now);
        (now - since >= limit.soft_for).then_some(OverLimit::Soft)
    }

    /// When [`SoftClock::check`] is to be called again though nothing changed.
    pub fn deadline(&self, limit: OutputLimit) -> Option<Instant> {
        self.0.map(|since| since + limit.soft_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_at_once_soft_after_a_while() {
        let limit = OutputLimit { hard: 100, soft: 10, soft_for: Duration::from_secs(60) };
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let mut c = SoftClock::default();
        assert_eq!(c.check(at(0), 101, limit), Some(OverLimit::Hard));
        assert_eq!(c.check(at(0), 11, limit), None);
        assert_eq!(c.deadline(limit), Some(at(60)));
        assert_eq!(c.check(at(59), 11, limit), None);
        assert_eq!(c.check(at(59), 10, limit), None, "a break begins the time anew");
        assert_eq!(c.check(at(60), 11, limit), None);
        assert_eq!(c.check(at(120), 11, limit), Some(OverLimit::Soft));
        assert_eq!(c.check(at(999), u64::MAX, OutputLimit::default()), None, "zero disables");
    }
}
