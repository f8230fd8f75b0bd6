//! The laws of the one door, by name, and the watch over a machine that goes round without getting anywhere.

use crate::time::Instant;

/// After a `Tick` the deadline is none or later.
pub const DEADLINE: &str = "law: deadline";
/// No action names a connection that is closed or was never there.
pub const CLOSED: &str = "law: closed connection";
/// No id is used twice, and the machine's connections are odd.
pub const ID: &str = "law: id";
/// `Cancel` and `Unlisten` name what runs and what stands.
pub const JOB: &str = "law: job";
/// `Interest` says what changed.
pub const INTEREST: &str = "law: interest";
/// `transmit` shows bytes if and only if there is interest to write, never more than asked for.
pub const TRANSMIT: &str = "law: transmit";
/// `transmit` moves nothing, and `Sent` moves as many bytes as it says.
pub const CURSOR: &str = "law: cursor";
/// A machine that is at work gets somewhere.
pub const SPIN: &str = "law: spin";

/// Every law, in the order above.
pub const LAWS: [&str; 8] = [DEADLINE, CLOSED, ID, JOB, INTEREST, TRANSMIT, CURSOR, SPIN];

/// `Resume`s in a row with nothing else between them.
const RESUMES_MAX: u32 = 200_000;
/// Ticks are counted over so long, µs.
const WINDOW_US: u64 = 100_000;
/// Ticks in one such window: in more than every second turn, and no more than this.
const TICKS_MAX: u64 = 10_000;

/// Watches for a machine that spins.
#[derive(Debug, Default)]
pub(super) struct Watch {
    resumes: u32,
    ticks: u64,
    window: Instant,
}

impl Watch {
    /// Something other than `Tick` and `Resume` happened.
    #[inline]
    pub(super) fn moved(&mut self) {
        self.resumes = 0;
    }

    /// A `Resume`; false if there were too many.
    pub(super) fn resumed(&mut self) -> bool {
        self.resumes += 1;
        self.resumes <= RESUMES_MAX
    }

    /// A `Tick` at a true time, in a loop whose turns are `turn_us` apart; false if there were too many.
    pub(super) fn ticked(&mut self, now: Instant, turn_us: u64) -> bool {
        if now.since(self.window).as_micros() >= u128::from(WINDOW_US) {
            (self.window, self.ticks) = (now, 0);
        }
        self.ticks += 1;
        self.ticks <= (WINDOW_US / turn_us.max(1) / 2).clamp(1, TICKS_MAX)
    }
}
