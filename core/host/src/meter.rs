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
    longest_cpu_us: AtomicU64,
    /// Processor time of the loop's thread at the end of the last turn, µs.
    cpu_us: AtomicU64,
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
        let cpu_now = thread_cpu_us();
        // A wait costs next to nothing, and a loop that moved to another thread began a new count there: a turn cannot
        // have worked for longer than it took.
        let cpu = cpu_now.saturating_sub(counters.cpu_us.load(Relaxed)).min(us);
        counters.cpu_us.store(cpu_now, Relaxed);
        counters.count.store(counters.count.load(Relaxed) + 1, Relaxed);
        counters.total_us.store(counters.total_us.load(Relaxed).saturating_add(us), Relaxed);
        if us > counters.longest_us.load(Relaxed) {
            counters.longest_us.store(us, Relaxed);
        }
        if cpu > counters.longest_cpu_us.load(Relaxed) {
            counters.longest_cpu_us.store(cpu, Relaxed);
        }
    }
}

/// Processor time of this thread, µs; 0 where the system does not tell.
fn thread_cpu_us() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        u64::try_from(t.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_nsec).unwrap_or(0) / 1000
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
    0
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
            longest_cpu_us: self.counters.longest_cpu_us.load(Relaxed),
        }
    }

    fn reset(&mut self) {
        self.counters.count.store(0, Relaxed);
        self.counters.total_us.store(0, Relaxed);
        self.counters.longest_us.store(0, Relaxed);
        self.counters.longest_cpu_us.store(0, Relaxed);
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
        let turns = machine.turns();
        assert_eq!((turns.count, turns.total_us, turns.longest_us), (2, 9, 7));
        assert!(turns.longest_cpu_us <= 7, "no turn worked for longer than it took");
        machine.reset();
        assert_eq!(machine.turns(), Turns::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sleep_is_no_work() {
        let clock = Clock::new();
        let mut meter = TurnMeter::new(clock);
        meter.turn(clock.mono(), clock.mono());
        let woke = clock.mono();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let worked = clock.mono();
        while thread_cpu_us() - meter.counters.cpu_us.load(Relaxed) < 3_000 {}
        meter.turn(woke, clock.mono());
        let turns = meter.turns();
        assert!(turns.longest_us >= worked.since(woke).as_micros() as u64, "{turns:?}");
        // What it slept is on the clock only.
        assert!((3_000..turns.longest_us - 20_000).contains(&turns.longest_cpu_us), "{turns:?}");
    }
}
