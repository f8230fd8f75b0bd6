//! kill -9 at random moments, with snapshots saved on the way: it always converges, what comes up again is a prefix of
//! the recorded history, and never shorter than the last snapshot that was reported as saved.

use crate::interop::CONTINUED;
use libtest_mimic::Trial;
use primacy_tests::history::{self, History, Writer};
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::proxy::Proxy;
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, full, scaled};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Log words of a full resync on the replica.
const BEGAN_FULL: [&str; 2] = ["Full resync from master: ", "Full resync from primary: "];
/// Bytes a second that stretch a resync, so that a kill falls into it.
const SLOW: u64 = 2_000_000;

pub(crate) fn all() -> Vec<Trial> {
    let limit = Duration::from_secs(if full() { 1800 } else { 240 });
    vec![
        scenario("crash::replica_killed", limit, || Peer::Redis70.find(), |w, redis| replica_killed(w, &redis)),
        scenario("crash::master_killed", limit, || Peer::Redis70.find(), |w, redis| master_killed(w, &redis)),
        scenario("crash::both_are_primacy", limit, || Ok(()), |w, ()| master_killed(w, &w.primacy()?)),
    ]
}

type Shared = Arc<Mutex<History>>;

fn with<T>(h: &Shared, f: impl FnOnce(&mut History) -> T) -> Result<T> {
    Ok(f(&mut *h.lock().map_err(|_| "lock")?))
}

fn sleep_up_to(rng: &mut Rng, ms: u64) {
    std::thread::sleep(Duration::from_millis(rng.below(ms)));
}

/// A dataset that is worth a transfer: fat keys beside the history, in a database of their own.
fn ballast(s: &Server, rng: &mut Rng) -> Result<()> {
    let mut c = s.client()?;
    c.run("SELECT 5")?;
    for i in 0..300 {
        c.ask(&[b"SET".to_vec(), format!("fat:{i}").into_bytes(), rng.bytes(5_000)])?;
    }
    Ok(())
}

/// Starts the server under test alone on a copy of a snapshot and says which prefix it holds.
fn prefix_of_file(w: &World, server: &Server, name: &str, history: &Shared) -> Result<u64> {
    let look = w.prepare(name, &server.program, &[])?;
    if server.snapshot().exists() {
        std::fs::copy(server.snapshot(), look.snapshot())?;
    }
    look.start()?;
    let last = history.lock().map_err(|_| "lock")?.prefix(look.port)?;
    look.kill();
    std::fs::remove_dir_all(&look.folder)?;
    Ok(last)
}

/// Waits until both hold the same, then holds both against the whole history.
fn converged(servers: &[&Server], history: &Shared) -> Result<()> {
    for s in &servers[1..] {
        wait::link_up(s)?;
    }
    wait::same(servers)?;
    let (sent, held) = with(history, |h| Ok::<_, primacy_tests::Error>((h.sent, h.prefix(servers[0].port)?)))??;
    ensure!(held == sent, "the master holds {held} of {sent} operations");
    Ok(())
}

fn replica_killed(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let history: Shared = Arc::new(Mutex::new(History::new(w.seed)));
    // A backlog that a short absence fits in and a long one does not.
    let m = w.server("master", redis, &["repl-backlog-size 2mb", "repl-diskless-sync yes"])?;
    ballast(&m, &mut rng)?;
    let link = Proxy::to(m.port)?;
    let r = w.server("replica", &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", link.port), "save 1 50"])?;
    let rounds = scaled(5, 50);
    let mut saved = 0;
    let (mut full0, mut partial0) = (0, 0);
    for round in 0..rounds * 4 {
        // Which kind of resync follows is chance: a few rounds may all meet the same one.
        if round >= rounds && full0 > 1 && partial0 > 0 {
            break;
        }
        let writer = Writer::start(m.port, &history, Duration::from_millis(2));
        sleep_up_to(&mut rng, 400);
        if !rng.one_in(3) {
            wait::link_up(&r)?;
            let at_least = history::counter(r.port)?;
            wait::saved(&r)?;
            saved = at_least;
        }
        sleep_up_to(&mut rng, 300);
        r.kill();
        let held = prefix_of_file(w, &r, "look", &history)?;
        ensure!(held >= saved, "round {round}: the snapshot holds {held} operations, {saved} were saved");
        // Now and then away for longer than the backlog reaches.
        if round % 3 == 2 {
            let from = with(&history, |h| h.sent)?;
            wait::until(Duration::from_secs(30), "the backlog is past", || {
                Ok(with(&history, |h| h.sent)? > from + 12_000)
            })?;
        }
        // And killed again inside the resync: at a random number of bytes.
        link.limit(SLOW);
        r.launch()?;
        let upto = link.passed() + rng.below(1_500_000);
        wait::until(Duration::from_secs(1), "bytes of a resync", || Ok(link.passed() > upto)).unwrap_or_default();
        r.kill();
        let held = prefix_of_file(w, &r, "look", &history)?;
        ensure!(held >= saved, "round {round}: the snapshot holds {held} operations, {saved} were saved");
        link.limit(0);
        r.start()?;
        wait::link_up(&r)?;
        writer.stop()?;
        converged(&[&m, &r], &history)?;
        let (all, part) = wait::served(&m)?;
        w.note(&format!(
            "round {round}: {} operations, snapshot at {saved}, held {held}, full +{} partial +{}",
            with(&history, |h| h.sent)?,
            all - full0,
            part - partial0
        ));
        (full0, partial0) = (all, part);
    }
    w.note(&format!("{rounds} rounds or more, {full0} full and {partial0} partial resyncs"));
    ensure!(full0 > 1 && partial0 > 0, "{full0} full and {partial0} partial resyncs: one kind was not met");
    Ok(())
}

fn master_killed(w: &World, replica: &Program) -> Result<()> {
    let mut rng = w.rng();
    let history: Shared = Arc::new(Mutex::new(History::new(w.seed)));
    let m = w.server("master", &w.primacy()?, &["save 1 50", "repl-backlog-size 16mb"])?;
    ballast(&m, &mut rng)?;
    wait::saved(&m)?;
    let link = Proxy::to(m.port)?;
    let follow = format!("replicaof 127.0.0.1 {}", link.port);
    let a = w.server("replica-a", replica, &[&follow])?;
    let b = w.server("replica-b", replica, &[&follow])?;
    let rounds = scaled(5, 50);
    for round in 0..rounds {
        let calm = round % 2 == 1;
        let saved = disturb(&mut rng, &m, &link, &[&a, &b], &history, calm)?;
        m.kill();
        let sent = with(&history, |h| h.sent)?;
        m.start()?;
        let held = history.lock().map_err(|_| "lock")?.prefix(m.port)?;
        ensure!(held >= saved, "round {round}: came up with {held} operations, {saved} were saved");
        with(&history, |h| h.lose_after(held))?;
        // The replicas are ahead of what came up: they must end as the master is, not as they were.
        let writer = Writer::start(m.port, &history, Duration::from_millis(2));
        sleep_up_to(&mut rng, 300);
        link.limit(0);
        writer.stop()?;
        converged(&[&m, &a, &b], &history)?;
        w.note(&format!("round {round}: {sent} operations, snapshot at {saved}, came up with {held}"));
    }
    let all: usize = [&a, &b].iter().map(|r| r.logged(&BEGAN_FULL)).sum();
    let part: usize = [&a, &b].iter().map(|r| r.logged(&CONTINUED)).sum();
    w.note(&format!("{rounds} rounds, {all} full and {part} partial resyncs"));
    ensure!(all > 2 && part > 0, "{all} full and {part} partial resyncs: one kind was not met");
    Ok(())
}

/// Brings the group to the moment of the kill; gives the operation that the last snapshot holds at least. A calm one is
/// killed when all was saved and everybody has it: the restart must then be a partial resync.
fn disturb(
    rng: &mut Rng,
    m: &Server,
    link: &Proxy,
    replicas: &[&Server; 2],
    history: &Shared,
    calm: bool,
) -> Result<u64> {
    let writer = Writer::start(m.port, history, Duration::from_millis(2));
    sleep_up_to(rng, 400);
    let mut saved = with(history, |h| h.answered)?;
    wait::saved(m)?;
    if calm {
        writer.stop()?;
        wait::same(&[m, replicas[0], replicas[1]])?;
        saved = with(history, |h| h.answered)?;
        wait::saved(m)?;
        return Ok(saved);
    }
    // The kill falls into the stream, into a partial or into a full resync of one replica.
    link.limit(SLOW);
    match rng.below(3) {
        0 => {}
        1 => link.blink(),
        _ => {
            replicas[0].kill();
            std::fs::remove_file(replicas[0].snapshot()).ok();
            replicas[0].start()?;
        }
    }
    sleep_up_to(rng, 1_000);
    writer.stop()?;
    Ok(saved)
}
