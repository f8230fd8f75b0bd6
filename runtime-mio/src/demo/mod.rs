//! `primacy demo`: a failover from its fault to its end, with real processes and a client that writes all the time.

mod client;
mod group;
mod proxy;
mod story;
mod watch;
mod wish;
mod writer;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use primacy_host::signals;

use group::Group;
use story::Outcome;
use watch::Watch;
use wish::Wish;
use writer::Writer;

/// How long the group may take until everybody knows everybody.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);
/// Writes before each fault.
const WARM: u64 = 500;

pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let wish = match Wish::parse(args) {
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

fn play(wish: &Wish) -> io::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let _signals = signals::watch(Arc::new(move |_| flag.store(true, Ordering::Relaxed)))?;
    let stopped = move || stop.load(Ordering::Relaxed);
    let began = Instant::now();
    let mut group = Group::start(wish)?;
    match act(wish, &mut group, began, &stopped) {
        _ if stopped() => {
            println!("stopped: all processes are ended");
            group.end(true);
            Ok(ExitCode::from(130))
        }
        Ok(outcomes) => {
            let sound = outcomes.len() as u64 == wish.rounds && outcomes.iter().all(|o| o.lost == 0);
            if outcomes.len() > 1 {
                print!("\n{}", story::summary(&outcomes));
            }
            if wish.keep {
                group.keep();
            } else {
                group.end(sound);
            }
            Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            group.end(false);
            Err(error)
        }
    }
}

/// All rounds, or those before it was stopped.
fn act(wish: &Wish, group: &mut Group, began: Instant, stop: &dyn Fn() -> bool) -> io::Result<Vec<Outcome>> {
    let known = |group: &Group| {
        let linked = (1..group.servers.len()).all(|n| group.follows(n, 0));
        linked && group.is_watched(0)
    };
    if !wait(stop, "the servers and sentinels find one another", || known(group))? {
        return Ok(Vec::new());
    }
    println!(
        "a master, {} replicas and {} sentinels know one another after {} ms\n\
         down-after-milliseconds is {}, from the first PING without an answer, or from the last answer if the link is lost",
        group.servers.len() - 1,
        group.sentinels.len(),
        began.elapsed().as_millis(),
        wish.down_after.as_millis()
    );
    let (sender, seen) = channel();
    let sentinels: Vec<_> = group.sentinels.iter().map(|s| s.at).collect();
    let watches = sentinels.iter().enumerate().map(|(n, at)| Watch::start(n + 1, *at, sender.clone()));
    let _watches = watches.collect::<io::Result<Vec<_>>>()?;
    let writer = Writer::start(sentinels.clone(), sender)?;
    let mut outcomes = Vec::new();
    for _ in 0..wish.rounds {
        let enough = writer.taken() + WARM;
        if !wait(stop, "writes are acknowledged", || writer.taken() >= enough)? {
            break;
        }
        let Some(outcome) = story::round(group, wish.fault, &writer, &seen, stop)? else { break };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Waits until this is so; `false` if the demonstration is to stop.
fn wait(stop: &dyn Fn() -> bool, what: &str, so: impl Fn() -> bool) -> io::Result<bool> {
    let began = Instant::now();
    while !so() {
        if stop() {
            return Ok(false);
        }
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{what}: not within {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(STEP);
    }
    Ok(true)
}
