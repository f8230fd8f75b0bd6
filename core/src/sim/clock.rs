//! A host's clocks: computed from the world's true time, never read.

use crate::time::{Instant, Now};

/// The wall clock of every host when a world begins: a day in November 2023, ms since 1970.
pub const EPOCH_MS: u64 = 1_700_000_000_000;
/// A clock may be wrong by so much, parts in a million.
const PPM_MAX: i32 = 500_000;
const MILLION: i128 = 1_000_000;

/// A clock that shows `shown` at the true time `at` and goes on from there at its own rate. All in µs.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: u64,
    shown: u64,
    ppm: i32,
}

impl Line {
    fn read(&self, t: u64) -> u64 {
        let passed = t.saturating_sub(self.at);
        if self.ppm == 0 {
            return self.shown.saturating_add(passed);
        }
        let passed = i128::from(passed) * (MILLION + i128::from(self.ppm)) / MILLION;
        self.shown.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The first true moment at which the clock shows `wanted` or later; `MAX` if it is past all time.
    fn when(&self, wanted: u64) -> u64 {
        let left = wanted.saturating_sub(self.shown);
        if self.ppm == 0 {
            return self.at.saturating_add(left);
        }
        let rate = MILLION + i128::from(self.ppm);
        let true_left = (i128::from(left) * MILLION + rate - 1) / rate;
        self.at.saturating_add(u64::try_from(true_left).unwrap_or(u64::MAX))
    }

    fn set_rate(&mut self, t: u64, ppm: i32) {
        *self = Self { at: t, shown: self.read(t), ppm: ppm.clamp(-PPM_MAX, PPM_MAX) };
    }
}

/// Both clocks of one host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    mono: Line,
    wall: Line,
    /// How far the wall clock was set, ms.
    jumped_ms: i64,
}

impl Clock {
    /// Clocks of a host that boots at `t`: monotonic time begins there, at one of its own.
    pub(super) fn new(t: Instant) -> Self {
        let t = t.as_micros();
        Self { mono: Line { at: t, shown: 1, ppm: 0 }, wall: Line { at: 0, shown: 0, ppm: 0 }, jumped_ms: 0 }
    }

    /// The same clocks after another boot: the wall clock went on, monotonic time begins anew.
    pub(super) fn boot(&mut self, t: Instant) {
        self.mono = Line { at: t.as_micros(), shown: 1, ..self.mono };
    }

    pub(super) fn read(&self, t: Instant) -> Now {
        let t = t.as_micros();
        let wall_ms = (EPOCH_MS + self.wall.read(t) / 1000).saturating_add_signed(self.jumped_ms);
        Now::new(Instant::from_micros(self.mono.read(t)), wall_ms)
    }

    /// The first true moment at which the monotonic clock shows `deadline` or later.
    pub(super) fn when(&self, deadline: Instant) -> Instant {
        Instant::from_micros(self.mono.when(deadline.as_micros()))
    }

    pub(super) fn jump_wall(&mut self, by_ms: i64) {
        self.jumped_ms = self.jumped_ms.saturating_add(by_ms);
    }

    pub(super) fn drift_mono(&mut self, t: Instant, ppm: i32) {
        self.mono.set_rate(t.as_micros(), ppm);
    }

    pub(super) fn drift_wall(&mut self, t: Instant, ppm: i32) {
        self.wall.set_rate(t.as_micros(), ppm);
    }

    /// Both run true from now on, and the wall clock is right again; monotonic time never goes back.
    pub(super) fn heal(&mut self, t: Instant) {
        self.drift_mono(t, 0);
        self.wall = Line { at: 0, shown: 0, ppm: 0 };
        self.jumped_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Instant {
        Instant::from_micros(n * 1_000_000)
    }

    #[test]
    fn clocks_drift_and_jump_apart() {
        let mut c = Clock::new(s(10));
        assert_eq!(c.read(s(12)), Now::new(Instant::from_micros(2_000_001), EPOCH_MS + 12_000));
        c.drift_mono(s(12), 100_000);
        assert_eq!(c.read(s(22)), Now::new(Instant::from_micros(13_000_001), EPOCH_MS + 22_000));
        c.jump_wall(-5_000);
        c.drift_wall(s(22), -500_000);
        assert_eq!(c.read(s(32)).unix_ms, EPOCH_MS + 22_000);
        c.heal(s(32));
        assert_eq!(c.read(s(33)), Now::new(Instant::from_micros(25_000_001), EPOCH_MS + 33_000));
        c.boot(s(40));
        assert_eq!(c.read(s(41)).mono, Instant::from_micros(1_000_001));
    }

    #[test]
    fn a_deadline_is_reached_when_the_clock_shows_it_and_not_before() {
        for ppm in [-499_999, -7, 0, 3, 250_000] {
            let mut c = Clock::new(s(1));
            c.drift_mono(s(2), ppm);
            for us in [1_000_001, 1_000_002, 1_234_567, 77_777_777] {
                let wanted = Instant::from_micros(us);
                let at = c.when(wanted);
                assert!(c.read(at).mono >= wanted, "{ppm} {us}");
                let before = Instant::from_micros(at.as_micros() - 1);
                assert!(at == s(2) || c.read(before).mono < wanted, "{ppm} {us}");
            }
        }
        assert_eq!(Clock::new(s(1)).when(Instant::MAX), Instant::MAX);
    }
}
