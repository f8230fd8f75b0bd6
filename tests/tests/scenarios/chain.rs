//! A chain real → Primacy → real: one stream, shared by all; then the middle is promoted and the others go on from
//! where they stand.

use crate::interop::ids_equal;
use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

pub(crate) fn all() -> Vec<Trial> {
    let pairs = [(Peer::Redis70, Peer::Redis70), (Peer::Redis62, Peer::Valkey91), (Peer::Valkey91, Peer::Redis70)];
    let mut all: Vec<Trial> = pairs
        .into_iter()
        .map(|(top, end)| {
            let name = format!("chain::{}::primacy::{}", top.name(), end.name());
            scenario(&name, LIMIT, move || Ok((top.find()?, end.find()?)), |w, (top, end)| run(w, &top, &end))
        })
        .collect();
    all.push(scenario("chain::switched_at_run_time", LIMIT, || Peer::Redis70.find(), |w, redis| switched(w, &redis)));
    all
}

/// Without its own PING nothing moves the offset between the last write and the promotion.
const QUIET: &str = "repl-ping-replica-period 3600";

fn run(w: &World, top: &Program, end: &Program) -> Result<()> {
    let mut rng = w.rng();
    let a = w.server("top", top, &[QUIET])?;
    fill::keys(a.port, 20_000, &mut rng)?;
    let p = w.server("middle", &w.primacy()?, &[QUIET, &format!("replicaof 127.0.0.1 {}", a.port)])?;
    let c = w.server("end", end, &[QUIET, &format!("replicaof 127.0.0.1 {}", p.port)])?;
    wait::link_up(&p)?;
    wait::link_up(&c)?;
    fill::writes(a.port, 20_000, &mut rng)?;
    wait::same(&[&a, &p, &c])?;
    ids_equal(&a, &p)?;
    ids_equal(&p, &c)?;
    promote(&a, &p, &c)?;
    fill::writes(p.port, 5_000, &mut rng)?;
    wait::same(&[&a, &p, &c])?;
    ids_equal(&p, &a)?;
    ids_equal(&p, &c)
}

/// A key that the old master deletes between the promotion and its own REPLICAOF would put it ahead of the new one.
fn stop_expiring(old: &Server, new: &Server) -> Result<()> {
    old.client()?.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    wait::offsets_equal(&[old, new])
}

fn promote(a: &Server, p: &Server, c: &Server) -> Result<()> {
    stop_expiring(a, p)?;
    let old = p.client()?.info("replication", "master_replid")?;
    let at = wait::offset(p)?;
    let (full, partial) = wait::served(p)?;
    p.client()?.run("REPLICAOF NO ONE")?;
    ensure!(p.client()?.info("replication", "role")? == "master", "the middle is not master");
    let (new, second) = {
        let mut c = p.client()?;
        (c.info("replication", "master_replid")?, c.info("replication", "master_replid2")?)
    };
    ensure!(new != old, "the promoted one kept its replication id");
    ensure!(second == old, "the second replication id is {second}, not {old}");
    let upto = p.client()?.info_num("replication", "second_repl_offset")?;
    ensure!(upto == at + 1, "second_repl_offset is {upto}, not {}", at + 1);
    a.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", p.port))?;
    // The end of the chain keeps its link or comes back; in both cases it must learn the new id.
    for r in [a, c] {
        wait::link_up(r)?;
        wait::until(wait::CONVERGE, "the new replication id", || {
            Ok(r.client()?.info("replication", "master_replid")? == new)
        })?;
    }
    let (full, partial) = (wait::served(p)?.0 - full, wait::served(p)?.1 - partial);
    ensure!(full == 0, "{full} full resyncs after the promotion");
    ensure!(partial >= 1, "no partial resync after the promotion");
    Ok(())
}

/// Two masters change places again and again by REPLICAOF alone, each time without a full resync.
fn switched(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let a = w.server("redis", redis, &[QUIET])?;
    let b = w.server("primacy", &w.primacy()?, &[QUIET])?;
    fill::keys(a.port, 2_000, &mut rng)?;
    b.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", a.port))?;
    wait::link_up(&b)?;
    wait::same(&[&a, &b])?;
    let begun = wait::served(&a)?.0 + wait::served(&b)?.0;
    let (mut master, mut replica) = (&a, &b);
    for _ in 0..6 {
        fill::writes(master.port, 300, &mut rng)?;
        wait::same(&[master, replica])?;
        stop_expiring(master, replica)?;
        // As a sentinel does: promote first, then turn the old master.
        replica.client()?.run("REPLICAOF NO ONE")?;
        master.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", replica.port))?;
        (master, replica) = (replica, master);
        wait::link_up(replica)?;
    }
    fill::writes(master.port, 300, &mut rng)?;
    wait::same(&[master, replica])?;
    let full = wait::served(&a)?.0 + wait::served(&b)?.0 - begun;
    ensure!(full == 0, "{full} full resyncs in six switches");
    Ok(())
}
