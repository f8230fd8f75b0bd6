//! `SENTINEL SIMULATE-FAILURE`: a crash at the moments that tests want.

use super::{Cx, Sentinel};
use crate::machine::Action;

/// When to crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Once elected.
    AfterElection,
    /// Once the chosen replica is a master.
    AfterPromotion,
}

/// The exit code of a crash that was asked for, as in Redis.
pub const EXIT_CODE: i32 = 99;

impl Crash {
    /// Its bit in `sentinel_simulate_failure_flags`.
    pub const fn bit(self) -> u32 {
        match self {
            Self::AfterElection => 1,
            Self::AfterPromotion => 2,
        }
    }
}

impl Sentinel {
    /// Ends the process if a crash at this moment was asked for.
    pub(super) fn crash_if(&mut self, at: Crash, cx: &mut Cx<'_>) {
        if self.crashes & at.bit() != 0 {
            self.note(
                crate::machine::Level::Warning,
                "Sentinel simulated a crash as SENTINEL SIMULATE-FAILURE asked.",
                cx,
            );
            cx.out.push(Action::Exit { code: EXIT_CODE });
        }
    }
}
