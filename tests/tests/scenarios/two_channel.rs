//! Full resyncs over two connections: Primacy and Valkey in each part, Primacy with itself, and whoever does not know it.

use crate::interop::{CONTINUED, ids_equal};
use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::proxy::Proxy;
use primacy_tests::resp::find_info;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);
const KEYS: usize = 60_000;
const WRITES: usize = 60_000;
/// A replica's log tells of the second connection in these words, Redis's, Valkey's and Primacy's.
const OPENED: [&str; 1] = ["PSYNC is not possible, initialize RDB channel"];
/// What a master's INFO calls a replica that gets the stream beside its snapshot.
const BESIDE: [&str; 2] = ["state=bg_transfer", "state=send_bulk_and_stream"];

const VALKEY: &str = "dual-channel-replication-enabled yes";
const OURS: &str = "repl-rdb-channel yes";
/// A snapshot takes some seconds.
const MASTER: [&str; 4] =
    ["repl-diskless-sync yes", "repl-diskless-sync-delay 0", "repl-backlog-size 1mb", "rdb-key-save-delay 40"];

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for peer in [Peer::Valkey90, Peer::Valkey91] {
        let name = format!("two_channel::replica_of_primacy::{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), |w, valkey| pair(w, &w.primacy()?, &valkey, &[])));
        let name = format!("two_channel::master_of_primacy::{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), |w, valkey| pair(w, &valkey, &w.primacy()?, &[])));
    }
    for load in ["disabled", "swapdb", "on-empty-db"] {
        let name = format!("two_channel::primacy_to_primacy::{load}");
        let line = format!("repl-diskless-load {load}");
        // The buffer is full at once: the master keeps what does not fit.
        let run = move |w: &World, ()| {
            pair(w, &w.primacy()?, &w.primacy()?, &[&*line, "replica-full-sync-buffer-limit 64kb"])
        };
        all.push(scenario(&name, LIMIT, || Ok(()), run));
    }
    for (peer, of_primacy) in
        [(Peer::Redis62, true), (Peer::Redis62, false), (Peer::Redis70, true), (Peer::Redis70, false)]
    {
        let side = if of_primacy { "replica" } else { "master" };
        let name = format!("two_channel::unknown_to_the_{side}::{}", peer.name());
        all.push(scenario(
            &name,
            LIMIT,
            move || peer.find(),
            move |w, redis| {
                let primacy = w.primacy()?;
                if of_primacy { unknown(w, &primacy, &redis) } else { unknown(w, &redis, &primacy) }
            },
        ));
    }
    for of_primacy in [true, false] {
        let side = if of_primacy { "replica" } else { "master" };
        let name = format!("two_channel::broken_amid::valkey-9.1_as_{side}");
        all.push(scenario(
            &name,
            LIMIT,
            || Peer::Valkey91.find(),
            move |w, valkey| {
                let primacy = w.primacy()?;
                if of_primacy { broken(w, &primacy, &valkey) } else { broken(w, &valkey, &primacy) }
            },
        ));
    }
    all
}

/// The line that turns it on.
fn on(program: &Program) -> &'static str {
    if program.is_primacy() { OURS } else { VALKEY }
}

/// The master's rows of replicas in INFO. One of Primacy's shows each replica once, at its announced port.
fn rows(m: &Server, r: &Server, once: bool) -> Result<Vec<String>> {
    let all = m.client()?.text("INFO replication")?;
    let rows: Vec<String> = (0..4).filter_map(|i| find_info(&all, &format!("slave{i}"))).collect();
    if once {
        let count = find_info(&all, "connected_slaves").unwrap_or_default();
        ensure!(rows.len() <= 1 && count == rows.len().to_string(), "connected_slaves:{count}, {rows:?}");
        let port = format!("port={},", r.port);
        ensure!(rows.iter().all(|row| row.contains(&port)), "a replica that there is not: {rows:?}");
    }
    Ok(rows)
}

/// Both sides know it: one full resync under writes, by two connections, then a cut that costs a partial one.
fn pair(w: &World, master: &Program, replica: &Program, as_replica: &[&str]) -> Result<()> {
    let mut rng = w.rng();
    let ours = master.is_primacy();
    let m = w.server("master", master, &[&MASTER[..], &[on(master)]].concat())?;
    fill::keys(m.port, KEYS, &mut rng)?;
    let link = Proxy::to(m.port)?;
    let r = w.server("replica", replica, &[as_replica, &[on(replica)]].concat())?;
    // It holds something, which goes with the snapshot.
    if !as_replica.iter().any(|line| line.contains("on-empty-db")) {
        fill::keys(r.port, 1_000, &mut rng)?;
    }
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", link.port))?;
    let (mut beside, mut kept) = (0, 0);
    let held = |r: &Server| -> Result<u64> { Ok(r.client()?.info("primacy", "stream_held_bytes")?.parse()?) };
    for _ in 0..30 {
        fill::writes(m.port, WRITES / 30, &mut rng)?;
        kept += if replica.is_primacy() { held(&r)? } else { 0 };
        let rows = rows(&m, &r, ours)?;
        beside += rows.iter().filter(|row| BESIDE.iter().any(|word| row.contains(word))).count();
    }
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    ids_equal(&m, &r)?;
    let opened = r.logged(&OPENED);
    ensure!(opened == 1, "{opened} RDB channels were opened for one full resync");
    ensure!(beside > 0, "the stream was not seen beside the snapshot");
    if replica.is_primacy() {
        ensure!(kept > 0 && held(&r)? == 0, "INFO told of {kept} bytes of stream kept, and {} at the end", held(&r)?);
    }
    let (full, partial) = wait::served(&m)?;
    ensure!(full == 1, "one full resync was due, {full} were served");
    // Valkey's dialect asks for the stream as for a partial resync.
    let asked = i64::from(!ours || !replica.is_primacy());
    ensure!(partial == asked, "{partial} partial resyncs, {asked} were due");
    let online = rows(&m, &r, true)?;
    ensure!(online.len() == 1 && online[0].contains("state=online"), "at the end: {online:?}");
    let before = r.logged(&CONTINUED);
    link.blink();
    fill::writes(m.port, 500, &mut rng)?;
    wait::until(Duration::from_secs(30), "the link goes on", || Ok(r.logged(&CONTINUED) > before))?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    ensure!(wait::served(&m)?.0 == 1, "a cut cost a full resync");
    Ok(())
}

/// One side does not know it: a full resync as ever.
fn unknown(w: &World, master: &Program, replica: &Program) -> Result<()> {
    let mut rng = w.rng();
    let switch = |p: &Program| if p.is_primacy() { vec![OURS] } else { vec![] };
    let m = w.server("master", master, &switch(master))?;
    let r = w.server("replica", replica, &switch(replica))?;
    let mut c = m.client()?;
    for i in 0..500 {
        c.run(&format!("SET k{i} {}", rng.below(1_000_000)))?;
    }
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r)?;
    c.run("SET last 1")?;
    wait::same(&[&m, &r])?;
    ensure!(r.logged(&OPENED) == 0, "a second connection was opened");
    ensure!(wait::served(&m)? == (1, 0), "one full resync was due: {:?}", wait::served(&m)?);
    Ok(())
}

/// Both connections break while the snapshot comes: the next attempt gets there, and nothing of the first is left.
fn broken(w: &World, master: &Program, replica: &Program) -> Result<()> {
    let mut rng = w.rng();
    let ours = master.is_primacy();
    let m = w.server("master", master, &[&MASTER[..], &[on(master)]].concat())?;
    fill::keys(m.port, KEYS, &mut rng)?;
    let link = Proxy::to(m.port)?;
    let r = w.server("replica", replica, &[on(replica)])?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", link.port))?;
    wait::until(Duration::from_secs(30), "the stream comes beside the snapshot", || {
        let rows = rows(&m, &r, ours)?;
        Ok(rows.iter().any(|row| BESIDE.iter().any(|word| row.contains(word))))
    })?;
    fill::writes(m.port, 1_000, &mut rng)?;
    link.cut();
    if ours {
        wait::until(Duration::from_secs(10), "nothing is left of the attempt", || Ok(rows(&m, &r, true)?.is_empty()))?;
    }
    fill::writes(m.port, 1_000, &mut rng)?;
    link.heal();
    wait::link_up(&r)?;
    fill::writes(m.port, 1_000, &mut rng)?;
    wait::same(&[&m, &r])?;
    ids_equal(&m, &r)?;
    ensure!(r.logged(&OPENED) >= 2, "a second attempt was due");
    Ok(())
}
