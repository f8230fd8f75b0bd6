//! Time as the machines know it: it comes in through the door and is never read from a clock.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point of monotonic time in microseconds since an epoch that the runtime chooses (its own start, usually).
///
/// Arithmetic saturates: a deadline too far away is [`Instant::MAX`], never a wrap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The runtime's epoch.
    pub const ZERO: Self = Self(0);
    /// The last representable instant.
    pub const MAX: Self = Self(u64::MAX);

    /// An instant `us` microseconds after the epoch.
    #[inline]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the epoch.
    #[inline]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    #[inline]
    fn add(self, d: Duration) -> Self {
        let us = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(us))
    }
}

impl AddAssign<Duration> for Instant {
    #[inline]
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The time of one input: both clocks, read once by the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic time: deadlines and ages are made of it.
    pub mono: Instant,
    /// Wall-clock time in milliseconds since 1970 (UTC): expiry times of keys and log lines are made of it. May jump.
    pub unix_ms: u64,
}

impl Now {
    /// `mono` µs after the runtime's epoch, `unix_ms` ms after 1970.
    pub const fn new(mono: Instant, unix_ms: u64) -> Self {
        Self { mono, unix_ms }
    }

    /// Wall-clock seconds since 1970.
    pub const fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::ZERO.since(Instant::from_micros(5)), Duration::ZERO);
        assert_eq!(Instant::from_micros(7) - Instant::from_micros(5), Duration::from_micros(2));
    }
}
