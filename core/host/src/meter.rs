//! Statistics of the loop: written by the driver, read by the machine through its [`Meter`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use primacy_core::machine::{Meter, Turns};
use primacy_core::time::Instant;

use crate::Clock;

#[derive(Debug, Default)]
struct Counters {
    count: AtomicU64,
    total_us: AtomicU64,
    longest_us: AtomicU64,
}

/// A meter over a real clock; clones share the turn statistics, so one goes into the machine and one to the driver.
#[derive(Clone, Debug)]
pub struct TurnMeter {
    clock: Clock,
    counters: Arc<Counters>,
}

impl TurnMeter {
    /// A meter that reads `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, counters: Arc::default() }
    }

    /// The clock it reads: a driver has to run on the same one.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Counts one turn, from the wake-up to the next wait. For the one thread that drives the loop.
    pub fn turn(&self, woke: Instant, done: Instant) {
        // One writer but for a rare reset: plain loads and stores, no locked instructions on the way of every turn.
        let us = done.since(woke).as_micros() as u64;
        let counters = &*self.counters;
        counters.count.store(counters.count.load(Relaxed) + 1, Relaxed);
        counters.total_us.store(counters.total_us.load(Relaxed).saturating_add(us), Relaxed);
        if us > counters.longest_us.load(Relaxed) {
            counters.longest_us.store(us, Relaxed);
        }
    }
}

impl Meter for TurnMeter {
    fn now_us(&mut self) -> u64 {
        self.clock.mono().as_micros()
    }

    fn turns(&mut self) -> Turns {
        Turns {
            count: self.counters.count.load(Relaxed),
            total_us: self.counters.total_us.load(Relaxed),
            longest_us: self.counters.longest_us.load(Relaxed),
        }
    }

    fn reset(&mut self) {
        self.counters.count.store(0, Relaxed);
        self.counters.total_us.store(0, Relaxed);
        self.counters.longest_us.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_statistics() {
        let driver = TurnMeter::new(Clock::new());
        let mut machine = driver.clone();
        driver.turn(Instant::from_micros(10), Instant::from_micros(17));
        driver.turn(Instant::from_micros(20), Instant::from_micros(22));
        assert_eq!(machine.turns(), Turns { count: 2, total_us: 9, longest_us: 7 });
        machine.reset();
        assert_eq!(machine.turns(), Turns::default());
    }
}
