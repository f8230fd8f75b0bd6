//! `primacy sim`: many runs of a whole group in a simulated world, each from one seed.

mod show;
mod work;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use primacy_core::sim::campaign::{self, Campaign, Plan, Report, shrink};
use primacy_core::sim::page;
use primacy_core::sim::replication::NODES;
use primacy_core::sim::story::{Limits, Story};

use show::Screen;

/// Runs that shrinking a failing list may take.
const SHRINK_RUNS: usize = 300;
/// Of failing seeds, so many are shrunk and shown in full.
const SHOWN_FAILURES: usize = 3;

/// How much is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Runs(u64),
    For(Duration),
}

/// What the arguments ask for.
struct Wish {
    seed: u64,
    amount: Amount,
    scenario: &'static dyn Campaign,
    nodes: usize,
    faults: Option<Vec<usize>>,
    trace: Option<PathBuf>,
    html: Option<PathBuf>,
    hash: bool,
}

pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let wish = match parse(args) {
        Ok(Some(wish)) => wish,
        Ok(None) => {
            print!("{}", super::help::SIM);
            println!("\nScenarios:\n{}", scenarios());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("primacy sim: {error}; `primacy sim --help` shows what it takes");
            return ExitCode::from(2);
        }
    };
    let single = wish.faults.is_some() || wish.trace.is_some() || wish.html.is_some() || wish.amount == Amount::Runs(1);
    let result = if single { one(&wish) } else { Ok(many(&wish)) };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("primacy sim: {error}");
            ExitCode::from(2)
        }
    }
}

/// The scenarios, one a line.
fn scenarios() -> String {
    let lines: Vec<String> = campaign::all().map(|s| format!("  {:<12} {}", s.name(), s.about())).collect();
    lines.join("\n")
}

fn parse(args: Vec<OsString>) -> Result<Option<Wish>, lexopt::Error> {
    // The first scenario is the usual one.
    let mut wish = Wish {
        seed: 1,
        amount: Amount::Runs(100),
        scenario: campaign::all().next().ok_or("there is no scenario")?,
        nodes: 4,
        faults: None,
        trace: None,
        html: None,
        hash: false,
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(None),
            Long("seed") => wish.seed = number(&mut parser, "--seed", 0, u64::MAX)?,
            Long("runs") => wish.amount = Amount::Runs(number(&mut parser, "--runs", 1, u64::MAX)?),
            Long("for") => wish.amount = Amount::For(time(&mut parser)?),
            Long("scenario") => wish.scenario = scenario(&parser.value()?)?,
            Long("nodes") => {
                let (least, most) = NODES;
                wish.nodes = number(&mut parser, "--nodes", least as u64, most as u64)? as usize;
            }
            Long("faults") => wish.faults = Some(faults(&parser.value()?)?),
            Long("trace") => wish.trace = Some(parser.value()?.into()),
            Long("html") => wish.html = Some(parser.value()?.into()),
            Long("hash") => wish.hash = true,
            other => return Err(other.unexpected()),
        }
    }
    if wish.faults.is_some() || wish.trace.is_some() || wish.html.is_some() {
        if !matches!(wish.amount, Amount::Runs(1 | 100)) {
            return Err("--faults, --trace and --html are about one run: leave --runs and --for out".into());
        }
        wish.amount = Amount::Runs(1);
    }
    Ok(Some(wish))
}

fn number(parser: &mut lexopt::Parser, name: &str, least: u64, most: u64) -> Result<u64, lexopt::Error> {
    let value = parser.value()?;
    match value.to_str().and_then(|v| v.parse().ok()) {
        Some(n) if (least..=most).contains(&n) => Ok(n),
        _ => Err(format!("{name} takes a number from {least} to {most}, not '{}'", value.display()).into()),
    }
}

/// `90`, `90s`, `5m`, `2h`.
fn time(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let value = parser.value()?;
    let text = value.to_str().unwrap_or_default();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    match seconds {
        Some(s) if s > 0 => Ok(Duration::from_secs(s)),
        _ => Err(format!("--for takes a time such as 60s, 5m or 2h, not '{}'", value.display()).into()),
    }
}

fn scenario(name: &OsString) -> Result<&'static dyn Campaign, lexopt::Error> {
    let found = campaign::all().find(|s| Some(s.name()) == name.to_str());
    found.ok_or_else(|| {
        let all: Vec<&str> = campaign::all().map(Campaign::name).collect();
        format!("there is no scenario '{}'; there are {}", name.display(), all.join(", ")).into()
    })
}

/// `3,17`; an empty list is a run in which nothing goes wrong.
fn faults(list: &OsString) -> Result<Vec<usize>, lexopt::Error> {
    let text = list.to_str().unwrap_or("?");
    let numbers: Result<Vec<usize>, _> = text.split(',').filter(|n| !n.is_empty()).map(str::parse).collect();
    numbers.map_err(|_| format!("--faults takes numbers of the run's list, such as 3,17, not '{text}'").into())
}

/// One run, told in full.
fn one(wish: &Wish) -> io::Result<bool> {
    let plan = wish.scenario.draw(wish.seed, wish.nodes);
    let deeds = plan.deeds().len();
    if let Some(unknown) = wish.faults.iter().flatten().find(|&&i| i >= deeds) {
        let text = format!("--faults names entry {unknown}, and the list of this run has {deeds}");
        return Err(io::Error::other(text));
    }
    show::plan(&*plan, wish.faults.as_deref());
    let trace = match &wish.trace {
        Some(path) => {
            let file = File::create(path).map_err(|e| io::Error::other(format!("--trace {}: {e}", path.display())))?;
            let mut file = BufWriter::new(file);
            // A trace that cannot be written is cut short; the run itself goes on.
            Some(Box::new(move |line: &str| drop(writeln!(file, "{line}"))) as Box<dyn FnMut(&str)>)
        }
        None => None,
    };
    let all: Vec<usize> = (0..deeds).collect();
    let command = command(wish, plan.seed(), wish.faults.as_deref().unwrap_or(&all));
    let title = format!("{}, seed {}", wish.scenario.name(), plan.seed());
    let story = wish.html.as_ref().map(|_| Story::new(title, command, Limits::default()));
    let (report, story) = plan.run(wish.faults.as_deref(), trace, story);
    show::run(&report);
    if let (Some(path), Some(story)) = (&wish.html, story) {
        let wrong = |e: io::Error| io::Error::other(format!("--html {}: {e}", path.display()));
        std::fs::write(path, page::render(&story)).map_err(wrong)?;
        println!("the page is {}", path.display());
    }
    if report.violation.is_some() && wish.faults.is_none() {
        show_shrunk(wish, &*plan, &report);
    }
    Ok(report.violation.is_none())
}

fn show_shrunk(wish: &Wish, plan: &dyn Plan, report: &Report) {
    let times: Vec<_> = plan.deeds().into_iter().map(|(at, _)| at).collect();
    let shrunk = shrink(&times, report, SHRINK_RUNS, |only| plan.run(Some(only), None, None).0);
    show::shrunk(plan, &shrunk, &command(wish, plan.seed(), &shrunk.deeds));
}

/// What repeats a run.
fn command(wish: &Wish, seed: u64, deeds: &[usize]) -> String {
    let list: Vec<String> = deeds.iter().map(ToString::to_string).collect();
    let nodes = if wish.nodes == 4 { String::new() } else { format!(" --nodes {}", wish.nodes) };
    format!("primacy sim --scenario {} --seed {seed}{nodes} --faults '{}'", wish.scenario.name(), list.join(","))
}

/// A campaign. `true`: nothing was violated, and everything that was to be seen was seen.
fn many(wish: &Wish) -> bool {
    let mut screen = Screen::new(wish.scenario, wish.amount);
    let hash = wish.hash;
    let summary = work::all(wish, |report, summary| {
        if hash {
            println!("seed {} hash {:016x}", report.seed, report.hash);
        }
        if let Some(violation) = &report.violation {
            screen.line(&format!("seed {}: {violation}", report.seed));
        }
        screen.progress(summary);
    });
    screen.done();
    for report in summary.failed.iter().take(SHOWN_FAILURES) {
        show_shrunk(wish, &*wish.scenario.draw(report.seed, wish.nodes), report);
    }
    let too_little = summary.proved_too_little(wish.scenario);
    show::summary(&summary, wish.scenario, screen.elapsed(), too_little);
    summary.failed.is_empty() && !too_little
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(args: &[&str]) -> Result<Wish, String> {
        let args = args.iter().map(OsString::from).collect();
        parse(args).map(|wish| wish.expect("it asks for no help")).map_err(|e| e.to_string())
    }

    fn refused(args: &[&str]) -> String {
        wish(args).err().expect("it is refused")
    }

    #[test]
    fn arguments_are_understood_or_named() {
        let w = wish(&["--seed", "7", "--for", "5m", "--scenario", "calm", "--nodes", "3"]).unwrap();
        assert_eq!(
            (w.seed, w.amount, w.scenario.name(), w.nodes),
            (7, Amount::For(Duration::from_secs(300)), "calm", 3)
        );
        let w = wish(&["--faults", "3,17"]).unwrap();
        assert_eq!((w.faults, w.amount), (Some(vec![3, 17]), Amount::Runs(1)));
        assert_eq!(wish(&["--scenario", "sentinels"]).unwrap().scenario.name(), "sentinels");
        assert!(refused(&["--scenario", "storm"]).contains("there are all, calm"));
        assert!(refused(&["--faults", "3;17"]).contains("such as 3,17"));
        assert!(refused(&["--for", "soon"]).contains("60s"));
        assert!(refused(&["--nodes", "1"]).contains("from 2 to 16"));
        assert!(refused(&["--faults", "1", "--runs", "9"]).contains("one run"));
    }
}
