//! How many milliseconds behind a replica is, beside what a client sees who writes to the master and reads from the replica.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::proxy::Proxy;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
/// The way of a byte in each direction, ms.
const DELAYS: [u64; 3] = [0, 50, 500];
/// How often the truth is looked for.
const PROBES: usize = 21;

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for delay in DELAYS {
        let name = format!("lag::prompt::{delay}ms");
        all.push(scenario(&name, LIMIT, || Ok(()), move |w, ()| prompt(w, delay)));
        for peer in [Peer::Redis70, Peer::Valkey91] {
            let name = format!("lag::once_a_second::{}::{delay}ms", peer.name());
            all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| once_a_second(w, &found, delay)));
        }
    }
    all
}

/// Medians, ms: from a write to its being seen; INFO's figure; and the one as of the last acknowledgement.
struct Seen {
    truth: f64,
    lag: f64,
    acked: f64,
    /// The smallest and the largest figure.
    range: (f64, f64),
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

/// A field of the one replica's line in INFO.
fn field(line: &str, name: &str) -> Result<f64> {
    let value = line.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
    Ok(value.ok_or_else(|| format!("no {name} in {line}"))?.parse()?)
}

fn measure(w: &World, replica: &Program, delay: u64) -> Result<Seen> {
    let m = w.server("master", &w.primacy()?, &["repl-diskless-sync-delay 0"])?;
    let link = Proxy::to(m.port)?;
    link.delay(Duration::from_millis(delay));
    let r = w.server("replica", replica, &[&format!("replicaof 127.0.0.1 {}", link.port)])?;
    wait::link_up(&r)?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| steady(&m, &ended));
        let seen = probes(&m, &r);
        ended.store(true, Ordering::SeqCst);
        writer.join().map_err(|_| "the writer panicked")??;
        seen
    })
}

/// A write every few milliseconds.
fn steady(m: &Server, ended: &AtomicBool) -> Result<()> {
    let mut c = m.client()?;
    while !ended.load(Ordering::SeqCst) {
        c.run("INCR steady")?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn probes(m: &Server, r: &Server) -> Result<Seen> {
    let (mut master, mut replica) = (m.client()?, r.client()?);
    // What the replica says first, and some more.
    thread::sleep(Duration::from_secs(3));
    let (mut truth, mut lag, mut acked) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..PROBES {
        let value = i.to_string();
        let began = Instant::now();
        master.ask(&["SET", "probe", &value])?;
        while replica.ask(&["GET", "probe"])?.text() != value {
            ensure!(began.elapsed() < Duration::from_secs(20), "a write does not arrive");
            thread::sleep(Duration::from_micros(500));
        }
        truth.push(began.elapsed().as_secs_f64() * 1000.0);
        let line = master.info("primacy", "replica0")?;
        lag.push(field(&line, "lag_ms")?);
        acked.push(field(&line, "acknowledged_lag_ms")?);
        // Not in step with those who speak once a second.
        thread::sleep(Duration::from_millis(70));
    }
    let range = lag.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    let seen = Seen { truth: median(&mut truth), lag: median(&mut lag), acked: median(&mut acked), range };
    eprintln!(
        "seen after {:.1} ms; lag_ms {} ({} to {}), as of the last acknowledgement {}",
        seen.truth, seen.lag, seen.range.0, seen.range.1, seen.acked
    );
    Ok(seen)
}

/// How far a figure may be from the truth, ms.
fn allowed(truth: f64) -> f64 {
    (truth * 0.2).max(5.0)
}

fn prompt(w: &World, delay: u64) -> Result<()> {
    let seen = measure(w, &w.primacy()?, delay)?;
    let off = (seen.lag - seen.truth).abs();
    ensure!(off <= allowed(seen.truth), "lag_ms is {}, and a write is seen after {:.1} ms", seen.lag, seen.truth);
    Ok(())
}

/// A replica of Redis speaks once a second: the figure grows until it does, and falls back to what it said.
fn once_a_second(w: &World, peer: &Program, delay: u64) -> Result<()> {
    let seen = measure(w, peer, delay)?;
    let (truth, allowed) = (seen.truth, allowed(seen.truth));
    ensure!((seen.acked - truth).abs() <= allowed + 5.0, "acknowledged_lag_ms is {}, truth {truth:.1}", seen.acked);
    ensure!(seen.range.0 >= truth - allowed - 5.0, "lag_ms was {}, truth {truth:.1}", seen.range.0);
    ensure!(seen.range.1 <= truth + allowed + 1200.0, "lag_ms was {}, truth {truth:.1}", seen.range.1);
    Ok(())
}
