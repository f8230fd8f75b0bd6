//! Many runs: what they came to together, and what they did not see.

use alloc::vec::Vec;
use core::time::Duration;

use super::run::Report;
use super::scenario::Scenario;
use super::situations::{Situation, Situations};

/// From so many runs on a campaign that is to be complete must have seen every situation.
pub const ENOUGH: u64 = 300;

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many.
    pub runs: u64,
    /// Those with a violation, by seed.
    pub failed: Vec<Report>,
    /// How often each situation occurred.
    pub situations: Situations,
    /// Inputs of machines.
    pub steps: u64,
    /// Virtual time.
    pub lasted: Duration,
    /// The longest healing.
    pub healing: Duration,
    /// What went wrong on purpose.
    pub deeds: u64,
    /// Checks of invariants and laws.
    pub checks: u64,
    /// Answers of operations that were checked.
    pub answers: u64,
    /// Acknowledged writes, and those that were lost by a promotion or a restart.
    pub acknowledged: (u64, u64),
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: Report) {
        self.runs += 1;
        self.situations.add(&report.situations);
        self.steps += report.steps;
        self.lasted += report.lasted;
        self.healing = self.healing.max(report.healing);
        self.deeds += report.deeds;
        self.checks += report.checks;
        self.answers += report.answers;
        self.acknowledged.0 += report.acknowledged.0;
        self.acknowledged.1 += report.acknowledged.1;
        if report.violation.is_some() {
            self.failed.push(report);
        }
    }

    /// What never occurred.
    pub fn unseen(&self) -> Vec<Situation> {
        self.situations.iter().filter(|(_, n)| *n == 0).map(|(s, _)| s).collect()
    }

    /// Whether there were enough runs of a scenario to have seen every situation, and some are missing: it proved
    /// nothing there.
    pub fn proved_too_little(&self, scenario: &Scenario) -> bool {
        scenario.complete && self.runs >= ENOUGH && !self.unseen().is_empty()
    }
}
