//! `primacy demo`: a group of real processes, written to and watched.

mod client;
mod group;
mod show;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use primacy_host::signals;

use client::Reply;
use group::Group;
use show::{Screen, Status};

/// Writes are sent in batches, so often.
const BEAT: Duration = Duration::from_millis(50);
/// The status is shown so often.
const SHOW: Duration = Duration::from_millis(500);
/// How long nodes may take to start, to link, and to catch up at the end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys that are written again and again; values tell the how-manyth write it was.
const KEYS: u64 = 10_000;

/// What the arguments ask for.
#[derive(Debug)]
struct Wish {
    keep: bool,
    replicas: u64,
    seconds: u64,
    rate: u64,
    program: Option<PathBuf>,
}

pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let wish = match parse(args) {
        Ok(Some(wish)) => wish,
        Ok(None) => {
            print!("{}", crate::help::DEMO);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("primacy demo: {error}; `primacy demo --help` shows what it takes");
            return ExitCode::from(2);
        }
    };
    match play(&wish) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("primacy demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: Vec<OsString>) -> Result<Option<Wish>, lexopt::Error> {
    let mut wish = Wish { keep: false, replicas: 2, seconds: 10, rate: 2000, program: None };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(None),
            Long("keep") => wish.keep = true,
            Long("replicas") => wish.replicas = number(&mut parser, "--replicas", 16)?,
            Long("seconds") => wish.seconds = number(&mut parser, "--seconds", 86_400)?,
            Long("rate") => wish.rate = number(&mut parser, "--rate", 100_000)?,
            Long("server-program") => wish.program = Some(parser.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(wish))
}

fn number(parser: &mut lexopt::Parser, name: &str, most: u64) -> Result<u64, lexopt::Error> {
    let value = parser.value()?;
    match value.to_str().and_then(|v| v.parse().ok()) {
        Some(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("{name} takes a number from 1 to {most}, not '{}'", value.display()).into()),
    }
}

fn play(wish: &Wish) -> io::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let _signals = signals::watch(Arc::new(move |_| flag.store(true, Ordering::Relaxed)))?;
    let mut group = Group::start(wish.replicas, wish.program.as_deref())?;
    let result = act(wish, &mut group, &stop);
    let stopped = stop.load(Ordering::Relaxed);
    match result {
        _ if stopped => {
            println!("stopped: all nodes are ended");
            group.end(true);
            Ok(ExitCode::from(130))
        }
        Ok(equal) => {
            if wish.keep {
                group.keep();
            } else {
                group.end(equal);
            }
            Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            group.end(false);
            Err(error)
        }
    }
}

/// The run itself. `true`: at the end every replica had everything.
fn act(wish: &Wish, group: &mut Group, stop: &AtomicBool) -> io::Result<bool> {
    group.wait_until_linked(PATIENCE, stop)?;
    if stop.load(Ordering::Relaxed) {
        return Ok(false);
    }
    println!("{} processes in {}, linked; writing for {} s", group.nodes.len(), group.folder.display(), wish.seconds);
    let mut screen = Screen::new();
    let began = Instant::now();
    let end = Duration::from_secs(wish.seconds);
    let (mut written, mut shown, mut cut) = (0, began, false);
    while began.elapsed() < end && !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * wish.rate as f64) as u64;
        written += write(group, written, due)?;
        if !cut && began.elapsed() > end / 2 {
            cut = true;
            cut_links(group, &mut screen)?;
        }
        if shown.elapsed() >= SHOW {
            shown = Instant::now();
            screen.show(&statuses(group), written);
        }
        std::thread::sleep(BEAT);
    }
    if stop.load(Ordering::Relaxed) {
        return Ok(false);
    }
    finish(group, &mut screen, written, stop)
}

/// Sends the writes from number `done` on up to `due` as one pipeline; answers how many were acknowledged.
fn write(group: &mut Group, done: u64, due: u64) -> io::Result<u64> {
    let commands: Vec<Vec<Vec<u8>>> = (done..due)
        .map(|n| {
            let key = format!("demo:{}", n % KEYS).into_bytes();
            vec![b"SET".to_vec(), key, n.to_string().into_bytes()]
        })
        .collect();
    let answers = group.master().client.pipeline(&commands)?;
    match answers.iter().find_map(|a| if let Reply::Error(e) = a { Some(e) } else { None }) {
        Some(error) => Err(io::Error::other(format!("the master refused a write: {error}"))),
        None => Ok(answers.len() as u64),
    }
}

fn cut_links(group: &mut Group, screen: &mut Screen) -> io::Result<()> {
    match group.master().client.command(&["CLIENT", "KILL", "TYPE", "replica"])? {
        Reply::Error(e) => screen.note(&format!("the links could not be cut: {e}")),
        _ => screen.note("the master cut its links: replicas resume where they were (a partial resync)"),
    }
    Ok(())
}

fn statuses(group: &mut Group) -> Vec<Status> {
    let mut all: Vec<Status> = group.nodes.iter_mut().map(group::Node::status).collect();
    let head = all.first().map_or(0, |s| s.offset);
    for status in &mut all {
        status.lag = head.saturating_sub(status.offset);
    }
    all
}

/// Waits until the replicas have what the master has, and sums up.
fn finish(group: &mut Group, screen: &mut Screen, written: u64, stop: &AtomicBool) -> io::Result<bool> {
    let patience = Instant::now();
    let all = loop {
        let all = statuses(group);
        let equal = all.iter().skip(1).all(|s| s.up && s.offset == all[0].offset && s.keys == all[0].keys);
        if equal || patience.elapsed() > PATIENCE || stop.load(Ordering::Relaxed) {
            break all;
        }
        std::thread::sleep(BEAT);
    };
    screen.show(&all, written);
    let stats = group.master().client.info("stats")?;
    let count = |name| stats.get(name).map_or("?", String::as_str);
    let last = written.checked_sub(1).map(|n| (format!("demo:{}", n % KEYS), n.to_string()));
    let mut equal = true;
    for (n, status) in all.iter().enumerate().skip(1) {
        let same = status.offset == all[0].offset && status.keys == all[0].keys;
        let read = match &last {
            Some((key, value)) => group.nodes[n].client.command(&["GET", key])?.is(value),
            None => true,
        };
        if !(same && read) {
            equal = false;
            println!(
                "{} differs: offset {} of {}, keys {} of {}, last write {}",
                status.name,
                status.offset,
                all[0].offset,
                status.keys,
                all[0].keys,
                if read { "there" } else { "missing" }
            );
        }
    }
    println!(
        "\n{written} writes, {} keys; offsets {}; resyncs: {} full, {} partial",
        all[0].keys,
        if equal { format!("all {}", all[0].offset) } else { "NOT equal".into() },
        count("sync_full"),
        count("sync_partial_ok"),
    );
    Ok(equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked() {
        let parse = |args: &[&str]| super::parse(args.iter().map(OsString::from).collect());
        let wish = parse(&["--replicas", "3", "--keep", "--seconds=5"]).unwrap().unwrap();
        assert_eq!((wish.replicas, wish.seconds, wish.keep), (3, 5, true));
        assert!(parse(&["--help"]).unwrap().is_none());
        for bad in [&["--replicas", "0"][..], &["--seconds", "x"], &["--replicas", "17"], &["here"], &["--rate"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
