//! Full resyncs within bounds, beside real servers: who is slow, who is put off, who is refused, who is waited for.

use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);

type Run = fn(&World, &Program) -> Result<()>;

pub(crate) fn all() -> Vec<Trial> {
    let runs: [(&str, &[Peer], Run); 7] = [
        ("slow_load", &[Peer::Redis70, Peer::Valkey91], slow_load),
        ("put_off", &[Peer::Redis70, Peer::Redis62, Peer::Valkey91], put_off),
        ("refused", &[Peer::Redis70, Peer::Valkey91], refused),
        ("throttled", &[Peer::Redis70], throttled),
        ("load_modes", &[Peer::Redis70], load_modes),
        ("unix_socket", &[Peer::Redis70, Peer::Valkey91], unix_socket),
        ("waitaof", &[Peer::Valkey91], waitaof),
    ];
    let mut all = Vec::new();
    for (name, peers, run) in runs {
        for &peer in peers {
            let name = format!("guards::{name}::{}", peer.name());
            all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| run(w, &found)));
        }
    }
    all
}

/// Sets `count` keys of `len` bytes each.
fn large(server: &Server, count: usize, len: usize) -> Result<()> {
    let mut c = server.client()?;
    c.set_patience(Duration::from_secs(60))?;
    let value = "x".repeat(len);
    for first in (0..count).step_by(50) {
        let n = 50.min(count - first);
        (first..first + n).for_each(|i| c.push(&["SET", &format!("large:{i}"), &value]));
        c.flush()?;
        for _ in 0..n {
            ensure!(c.read()?.text() == "OK", "a write was refused");
        }
    }
    Ok(())
}

/// A directive as `CONFIG GET` shows it.
fn directive(c: &mut Client, name: &str) -> Result<String> {
    Ok(c.ask(&["CONFIG", "GET", name])?.items().get(1).map(Value::text).unwrap_or_default())
}

fn own(server: &Server, field: &str) -> Result<i64> {
    server.client()?.info_num("primacy", field)
}

/// The master sends more than fits into the sockets, and counts only what is taken: one read in four seconds would be too
/// few for its repl-timeout of three.
fn slow_load(w: &World, peer: &Program) -> Result<()> {
    let m = w.server("master", peer, &["repl-timeout 3", "repl-diskless-sync yes", "rdbcompression no"])?;
    large(&m, 1_600, 16_000)?;
    let r = w.server("replica", &w.primacy()?, &["key-load-delay 1000000"])?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    std::thread::sleep(Duration::from_secs(15));
    let loading = r.client()?.info_num("persistence", "loading")?;
    ensure!(loading == 1, "it is not loading: the delay is no test of it");
    r.client()?.run("CONFIG SET key-load-delay 0")?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    let (full, _) = wait::served(&m)?;
    ensure!(full == 1, "{full} full resyncs: it was let go");
    Ok(())
}

fn put_off(w: &World, peer: &Program) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &["repl-max-full-syncs 1", "rdb-key-save-delay 1000"])?;
    fill::keys(m.port, 3_000, &mut w.rng())?;
    let follows = format!("replicaof 127.0.0.1 {}", m.port);
    let a = w.prepare("a", peer, &[&follows])?;
    let b = w.prepare("b", peer, &[&follows])?;
    a.launch()?;
    b.launch()?;
    a.wait_ready()?;
    b.wait_ready()?;
    wait::until(wait::CONVERGE, "one is put off", || Ok(own(&m, "full_syncs_put_off")? > 0))?;
    ensure!(own(&m, "full_syncs_under_way")? == 1, "one at a time");
    m.client()?.run("CONFIG SET rdb-key-save-delay 0")?;
    wait::link_up(&a)?;
    wait::link_up(&b)?;
    wait::same(&[&m, &a, &b])?;
    let words = ["unable to PSYNC but should be in the future"];
    ensure!(a.logged(&words) + b.logged(&words) > 0, "nobody says that it was put off");
    let (full, _) = wait::served(&m)?;
    ensure!(full == 2, "{full} full resyncs for two replicas");
    Ok(())
}

/// A master comes back without its data: the replica keeps its own until it is told otherwise.
fn refused(w: &World, peer: &Program) -> Result<()> {
    let m = w.server("master", peer, &[])?;
    fill::keys(m.port, 2_000, &mut w.rng())?;
    let follows = format!("replicaof 127.0.0.1 {}", m.port);
    let r = w.server("replica", &w.primacy()?, &[&follows, "replica-resync-guard yes"])?;
    wait::link_up(&r)?;
    // So that there is a place in the history to be behind of.
    large(&m, 100, 100)?;
    wait::same(&[&m, &r])?;
    m.kill();
    m.start()?;
    wait::until(wait::CONVERGE, "it refuses", || Ok(own(&r, "resyncs_refused")? > 0))?;
    let mut c = r.client()?;
    let reason = c.info("primacy", "resync_refused_reason")?;
    ensure!(reason.contains("another history"), "the reason is: {reason}");
    ensure!(c.info("replication", "master_link_status")? == "down", "the link is up");
    ensure!(c.text("DBSIZE")? != "0", "the data are gone");
    ensure!(r.logged(&["Full resync from MASTER refused"]) == 1, "the log does not tell of it");
    c.run("CONFIG SET replica-resync-guard no")?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    ensure!(c.text("DBSIZE")? == "0", "it took the master as it is");
    Ok(())
}

/// The replica stands still while 40 MB come, five times what it may be behind.
fn throttled(w: &World, peer: &Program) -> Result<()> {
    let lines = ["repl-backlog-size 1mb", "client-output-buffer-limit replica 8mb 0 0", "repl-write-throttle 1mb"];
    let m = w.server("master", &w.primacy()?, &lines)?;
    let r = w.server("replica", peer, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    wait::until(wait::CONVERGE, "online", || Ok(own(&m, "full_syncs_under_way")? == 0))?;
    r.freeze();
    let begun = Instant::now();
    let writes = std::thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(|| large(&m, 4_000, 10_000));
        wait::until(wait::CONVERGE, "writers are slowed down", || Ok(own(&m, "write_throttle_active")? == 1))?;
        std::thread::sleep(Duration::from_secs(5));
        ensure!(!writer.is_finished(), "all was written while the replica stood still");
        // Readers are not.
        ensure!(m.client()?.text("EXISTS large:1")? == "1", "a reader waits");
        r.thaw();
        writer.join().map_err(|_| "the writer failed")?
    });
    writes?;
    w.note(&format!("40 MB in {:.1} s", begun.elapsed().as_secs_f32()));
    wait::same(&[&m, &r])?;
    wait::until(wait::CONVERGE, "writers are free", || Ok(own(&m, "write_throttle_active")? == 0))?;
    let (full, partial) = wait::served(&m)?;
    ensure!((full, partial) == (1, 0), "{full} full and {partial} partial resyncs: it was dropped");
    Ok(())
}

/// A replica with data of its own takes its master's, each way.
fn load_modes(w: &World, peer: &Program) -> Result<()> {
    let m = w.server("master", peer, &[])?;
    fill::keys(m.port, 5_000, &mut w.rng())?;
    for mode in ["disabled", "on-empty-db", "swapdb", "flush-before-load", "flushdb"] {
        let r = w.server(mode, &w.primacy()?, &[&format!("repl-diskless-load {mode}")])?;
        large(&r, 100, 100)?;
        let mut c = r.client()?;
        ensure!(directive(&mut c, "repl-diskless-load")? == mode, "{mode} is not kept");
        c.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
        wait::link_up(&r)?;
        wait::same(&[&m, &r])?;
        ensure!(c.text("EXISTS large:1")? == "0", "{mode}: old keys are left");
    }
    Ok(())
}

fn unix_socket(w: &World, peer: &Program) -> Result<()> {
    let path = w.folder.join("m.sock");
    let m = w.server("master", peer, &[&format!("unixsocket {}", path.display())])?;
    fill::keys(m.port, 2_000, &mut w.rng())?;
    let follows = format!("replicaof {} 0", path.display());
    let r = w.server("replica", &w.primacy()?, &[&follows])?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    let mut c = r.client()?;
    ensure!(c.info("replication", "master_host")? == path.display().to_string(), "INFO names another master");
    ensure!(directive(&mut c, "replicaof")? == format!("{} 0", path.display()), "CONFIG GET names another master");
    // At run time, and from one of ours to another.
    let own = w.folder.join("r.sock");
    let mine = w.server("mine", &w.primacy()?, &[&format!("unixsocket {}", own.display())])?;
    mine.client()?.run(&format!("REPLICAOF {} 0", path.display()))?;
    let last = w.server("last", &w.primacy()?, &[])?;
    last.client()?.run(&format!("REPLICAOF {} 0", own.display()))?;
    wait::link_up(&mine)?;
    wait::link_up(&last)?;
    wait::same(&[&m, &mine, &last])?;
    ensure!(mine.client()?.text("INFO replication")?.contains("slave0:ip=unix,"), "INFO does not show the replica");
    Ok(())
}

/// A replica with an append-only file tells how far that is.
fn waitaof(w: &World, peer: &Program) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &[])?;
    let follows = format!("replicaof 127.0.0.1 {}", m.port);
    let r = w.server("replica", peer, &[&follows, "appendonly yes", "appendfsync everysec"])?;
    wait::link_up(&r)?;
    let mut c: Client = m.client()?;
    c.set_patience(Duration::from_secs(30))?;
    c.run("SET a 1")?;
    let answer = c.run("WAITAOF 0 1 20000")?;
    let numbers: Vec<String> = answer.items().iter().map(Value::text).collect();
    ensure!(numbers == ["0", "1"], "WAITAOF says {numbers:?}");
    Ok(())
}
