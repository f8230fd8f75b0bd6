//! What a campaign shows: a line that moves, and a summary.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use primacy_core::sim::campaign::{Campaign, ENOUGH, Figure, Plan, Report, Short, Shrunk, Summary};

use super::Amount;

/// The line moves so often.
const EVERY: Duration = Duration::from_millis(200);

/// The line that moves, on standard error if that is a terminal.
pub(super) struct Screen {
    live: bool,
    began: Instant,
    shown: Option<Instant>,
    goal: Option<u64>,
}

impl Screen {
    pub(super) fn new(scenario: &dyn Campaign, amount: Amount) -> Self {
        let goal = match amount {
            Amount::Runs(runs) => Some(runs),
            Amount::For(_) => None,
        };
        let screen = Self { live: std::io::stderr().is_terminal(), began: Instant::now(), shown: None, goal };
        println!("scenario {}: {}", scenario.name(), scenario.about());
        screen
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line that stays.
    pub(super) fn line(&mut self, text: &str) {
        self.wipe();
        println!("{text}");
    }

    pub(super) fn progress(&mut self, summary: &Summary) {
        if !self.live || self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let goal = self.goal.map(|g| format!("/{g}")).unwrap_or_default();
        eprint!(
            "\r\x1b[K{}{goal} runs  {:.1} seeds/s  {:.0} s simulated/s  {} faults  {} checks  {} failed",
            summary.runs,
            summary.runs as f64 / seconds,
            summary.lasted.as_secs_f64() / seconds,
            Short(summary.deeds),
            Short(summary.checks),
            summary.failed.len()
        );
        // A line that cannot be shown is none.
        drop(std::io::stderr().flush());
    }

    pub(super) fn done(&mut self) {
        self.wipe();
    }

    fn wipe(&mut self) {
        if self.live && self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// What a run is made of.
pub(super) fn plan(plan: &dyn Plan, only: Option<&[usize]>) {
    for line in plan.lines() {
        println!("{line}");
    }
    for (i, (_, deed)) in plan.deeds().iter().enumerate() {
        if only.is_none_or(|only| only.contains(&i)) {
            println!("{i:>4}  {deed}");
        }
    }
}

/// What else was counted.
fn figures(figures: &[Figure]) -> String {
    let list: Vec<String> = figures.iter().map(ToString::to_string).collect();
    list.join(", ")
}

/// What came of one run.
pub(super) fn run(report: &Report) {
    for (situation, n) in report.situations.iter().filter(|(_, n)| *n > 0) {
        println!("{n:>8}  {situation}");
    }
    println!("{}", figures(&report.figures));
    println!(
        "{:.3} s simulated, {} steps, {} things went wrong, {} checks, in order {:.1} s after the healing, hash {:016x}",
        report.lasted.as_secs_f64(),
        report.steps,
        report.deeds,
        report.checks,
        report.healing.as_secs_f64(),
        report.hash
    );
    match &report.violation {
        Some(violation) => println!("VIOLATION {violation}"),
        None => println!("no violation"),
    }
}

/// What a failing run comes down to.
pub(super) fn shrunk(plan: &dyn Plan, shrunk: &Shrunk<Report>, command: &str) {
    let deeds = plan.deeds();
    println!(
        "seed {}, shrunk from {} to {} entries in {} runs:",
        plan.seed(),
        deeds.len(),
        shrunk.deeds.len(),
        shrunk.runs
    );
    for &i in &shrunk.deeds {
        println!("{i:>4}  {}", deeds[i].1);
    }
    if let Some(violation) = &shrunk.report.violation {
        println!("  {violation}");
    }
    println!("repeat it with\n  {command}");
}

/// What a campaign came to.
pub(super) fn summary(summary: &Summary, scenario: &dyn Campaign, elapsed: Duration, too_little: bool) {
    let seconds = elapsed.as_secs_f64().max(0.001);
    println!("\nhow often each situation occurred:");
    for (situation, n) in summary.situations.iter() {
        println!("{n:>10}  {situation}");
    }
    println!(
        "\n{} runs in {seconds:.1} s: {:.0} s simulated ({:.0} a second), {} steps ({:.0} a second), {} faults, {} checks",
        summary.runs,
        summary.lasted.as_secs_f64(),
        summary.lasted.as_secs_f64() / seconds,
        Short(summary.steps),
        summary.steps as f64 / seconds,
        summary.deeds,
        Short(summary.checks),
    );
    println!(
        "{}; in order {:.1} s after the healing at the latest",
        figures(&summary.figures),
        summary.healing.as_secs_f64()
    );
    if too_little {
        println!("NOTHING PROVED: in {} runs these never occurred:", summary.runs);
        for situation in summary.unseen() {
            println!("  {situation}");
        }
    } else if scenario.complete() && summary.runs < ENOUGH {
        println!("(from {ENOUGH} runs on every situation has to occur)");
    }
    match summary.failed.len() {
        0 => println!("no violation"),
        n => println!("{n} runs with a VIOLATION"),
    }
}
