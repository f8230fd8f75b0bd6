//! Many runs: what they came to together, and what they did not see.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Campaign, Counts, Figure, Report, figures};

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
    pub situations: Counts,
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
    /// What else was counted.
    pub figures: Vec<Figure>,
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
        figures::add(&mut self.figures, &report.figures);
        if report.violation.is_some() {
            self.failed.push(report);
        }
    }

    /// What never occurred.
    pub fn unseen(&self) -> Vec<&'static str> {
        self.situations.iter().filter(|(_, n)| *n == 0).map(|(text, _)| text).collect()
    }

    /// Whether there were enough runs of a campaign to have seen every situation, and some are missing: it proved
    /// nothing there.
    pub fn proved_too_little(&self, campaign: &dyn Campaign) -> bool {
        campaign.complete() && self.runs >= ENOUGH && !self.unseen().is_empty()
    }
}
