//! Makes a failing list short: the same seed with a part of its list, as long as it still fails in the same way.

use alloc::vec::Vec;

use super::run::{Report, run};
use super::swarm::Setup;

/// A short list that still fails.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// Entries of the setup's list.
    pub deeds: Vec<usize>,
    /// What the run with these alone comes to.
    pub report: Report,
    /// Runs that it took.
    pub runs: usize,
}

/// Leaves out of the list of `setup`, which fails as `report` says, whatever it fails without: ever smaller pieces of it,
/// until no single entry can go, or `budget` runs are used up.
pub fn shrink(setup: &Setup, report: &Report, budget: usize) -> Shrunk {
    let name = report.violation.as_ref().map(|v| v.name);
    // What comes behind the violation is not to blame.
    let end = report
        .violation
        .as_ref()
        .map_or(setup.deeds.len(), |v| setup.deeds.iter().take_while(|d| d.at <= v.at).count());
    let mut best = Shrunk { deeds: (0..setup.deeds.len()).collect(), report: report.clone(), runs: 0 };
    attempt(setup, (0..end).collect(), name, &mut best);
    let mut pieces = 2;
    while best.deeds.len() > 1 && best.runs < budget {
        let size = best.deeds.len().div_ceil(pieces);
        let mut shorter = false;
        let mut at = 0;
        while at < best.deeds.len() && best.runs < budget {
            let rest: Vec<usize> =
                best.deeds.iter().enumerate().filter(|(i, _)| *i < at || *i >= at + size).map(|(_, d)| *d).collect();
            if attempt(setup, rest, name, &mut best) {
                shorter = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !shorter {
            break;
        }
        pieces = if shorter { pieces.saturating_sub(1).max(2) } else { (pieces * 2).min(best.deeds.len().max(2)) };
    }
    if !best.deeds.is_empty() && best.runs < budget {
        attempt(setup, Vec::new(), name, &mut best);
    }
    best
}

/// Whether it fails in the same way with these entries alone.
fn attempt(setup: &Setup, deeds: Vec<usize>, name: Option<&'static str>, best: &mut Shrunk) -> bool {
    if deeds.len() >= best.deeds.len() {
        return false;
    }
    let report = run(setup, Some(&deeds));
    best.runs += 1;
    let same = report.violation.as_ref().map(|v| v.name) == name;
    if same {
        (best.deeds, best.report) = (deeds, report);
    }
    same
}
