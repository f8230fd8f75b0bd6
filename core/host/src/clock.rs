//! The clocks: one monotonic epoch for a whole process, and the wall clock beside it.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use primacy_core::rng::Seed;
use primacy_core::time::{Instant, Now};

/// Reads both clocks; copies share one epoch.
///
/// The wall clock is read once per turn ([`Clock::turn`]) and carried on by the monotonic one within it, so that an
/// input costs one clock reading, and a jump of the wall clock shows at the next turn.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: StdInstant,
    /// Wall-clock µs at the epoch, as of the last turn.
    unix_at_epoch_us: u64,
}

impl Clock {
    /// A clock whose epoch is now.
    pub fn new() -> Self {
        let mut clock = Self { epoch: StdInstant::now(), unix_at_epoch_us: 0 };
        clock.turn();
        clock
    }

    /// Monotonic time, µs since the epoch, rounded down.
    #[inline]
    pub fn mono(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Both clocks: the wall clock as the last [`Clock::turn`] saw it, carried on.
    #[inline]
    pub fn now(&self) -> Now {
        let mono = self.mono();
        Now::new(mono, self.unix_at_epoch_us.saturating_add(mono.as_micros()) / 1000)
    }

    /// Reads the wall clock anew; call it once per turn of the loop.
    pub fn turn(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let unix = u64::try_from(unix).unwrap_or(u64::MAX);
        self.unix_at_epoch_us = unix.saturating_sub(self.mono().as_micros());
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// A fresh 256-bit seed from the operating system.
///
/// # Errors
/// When the system has no randomness to give.
pub fn seed() -> std::io::Result<Seed> {
    let mut seed = Seed::default();
    random(&mut seed)?;
    Ok(seed)
}

/// Fills `bytes`, at most 256, from the operating system. By the system call itself: a static program does not find the
/// function in its C library, and a container without files has no `/dev/urandom`.
#[cfg(target_os = "linux")]
pub(crate) fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    use rustix::io::Errno;
    use rustix::rand::{GetRandomFlags, getrandom};
    loop {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(len) if len == bytes.len() => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward_together() {
        let mut clock = Clock::new();
        let first = clock.now();
        clock.turn();
        let second = clock.now();
        assert!(second.mono >= first.mono);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        assert!(wall.abs_diff(second.unix_ms) < 60_000, "{wall} and {}", second.unix_ms);
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(seed().unwrap(), seed().unwrap());
    }
}
