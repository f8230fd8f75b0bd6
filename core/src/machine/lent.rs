//! What a host lends to a machine beside the door: a clock for statistics, and a second thread. Neither decides anything.

use alloc::boxed::Box;
use core::any::Any;

/// Time spent inside the machine and turns of the loop, for statistics only (SLOWLOG, INFO): never a decision.
///
/// A simulation answers zeros; a recording journals the answers.
pub trait Meter: Send {
    /// Microseconds of some monotonic clock.
    fn now_us(&mut self) -> u64;
    /// Turns of the event loop as the runtime measured them.
    fn turns(&mut self) -> Turns {
        Turns::default()
    }
    /// Begins the turn statistics anew (`CONFIG RESETSTAT`).
    fn reset(&mut self) {}
}

/// Work for another thread. It owns what it needs, and returns what it made.
pub type Work = Box<dyn FnOnce() -> Made + Send>;

/// What [`Work`] made.
pub type Made = Box<dyn Any + Send>;

/// Who does two things at the same time, within one step of a machine.
///
/// What is split so gives the same result whoever does it, in whatever order: it is there for speed alone.
pub trait Workers: Send {
    /// Whether two things are done sooner than one after the other. If not, nothing is split.
    fn several(&self) -> bool;

    /// Does both, in any order or at once, `here` by the caller's thread, and returns what `there` made once both are
    /// done. `None`: `there` was not done.
    fn both(&mut self, here: &mut dyn FnMut(), there: Work) -> Option<Made>;
}

/// Nobody but the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWorkers;

impl Workers for NoWorkers {
    fn several(&self) -> bool {
        false
    }

    fn both(&mut self, here: &mut dyn FnMut(), there: Work) -> Option<Made> {
        here();
        Some(there())
    }
}

/// A meter that always reads zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn now_us(&mut self) -> u64 {
        0
    }
}

/// How long the turns of an event loop took, from wake-up to the next wait.
///
/// The time on the clock counts what others did meanwhile on the loop's processor; the processor time is the loop's own
/// work. A long turn with little of its own wants a less crowded machine, not a smaller command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns {
    /// How many.
    pub count: u64,
    /// All together, µs.
    pub total_us: u64,
    /// The longest, µs.
    pub longest_us: u64,
    /// The most processor time that one took, µs; 0 where the system does not tell.
    pub longest_cpu_us: u64,
}
