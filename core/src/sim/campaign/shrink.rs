//! Makes a failing list short: the same seed with a part of its list, as long as it still fails in the same way.

use alloc::vec::Vec;

use crate::sim::Violation;
use crate::time::Instant;

/// A report that says whether its run failed.
pub trait Failing {
    /// What must not be and was.
    fn violation(&self) -> Option<&Violation>;
}

/// A short list that still fails.
#[derive(Clone, Debug)]
pub struct Shrunk<R> {
    /// Entries of the run's list.
    pub deeds: Vec<usize>,
    /// What the run with these alone comes to.
    pub report: R,
    /// Runs that it took.
    pub runs: usize,
}

/// Leaves out of a list whatever its run fails without: ever smaller pieces of it, until no single entry can go, or
/// `budget` runs are used up. `deeds` are the times of the entries, `report` is what the run of all of them came to, and
/// `run` runs it with some.
pub fn shrink<R: Failing + Clone>(
    deeds: &[Instant],
    report: &R,
    budget: usize,
    mut run: impl FnMut(&[usize]) -> R,
) -> Shrunk<R> {
    let name = report.violation().map(|v| v.name);
    // What comes behind the violation is not to blame.
    let end = report.violation().map_or(deeds.len(), |v| deeds.iter().take_while(|at| **at <= v.at).count());
    let mut best = Shrunk { deeds: (0..deeds.len()).collect(), report: report.clone(), runs: 0 };
    let mut attempt = |list: Vec<usize>, best: &mut Shrunk<R>| {
        if list.len() >= best.deeds.len() {
            return false;
        }
        let report = run(&list);
        best.runs += 1;
        let same = report.violation().map(|v| v.name) == name;
        if same {
            (best.deeds, best.report) = (list, report);
        }
        same
    };
    attempt((0..end).collect(), &mut best);
    let mut pieces = 2;
    while best.deeds.len() > 1 && best.runs < budget {
        let size = best.deeds.len().div_ceil(pieces);
        let mut shorter = false;
        let mut at = 0;
        while at < best.deeds.len() && best.runs < budget {
            let rest: Vec<usize> =
                best.deeds.iter().enumerate().filter(|(i, _)| *i < at || *i >= at + size).map(|(_, d)| *d).collect();
            if attempt(rest, &mut best) {
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
        attempt(Vec::new(), &mut best);
    }
    best
}
