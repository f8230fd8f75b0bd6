//! FAILOVER between Primacy and each real server, to and fro, while clients count: no acknowledged write is lost, there is
//! one master after it, and it costs a partial resync.

use libtest_mimic::Trial;
use primacy_tests::count::Counter;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, full, scaled};
use std::sync::Arc;
use std::time::Duration;

/// Clients that count.
const COUNTERS: usize = 4;
const KEYS: usize = 5_000;
/// How long a failover may take. A real master waits for the acknowledgement that comes once a second.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn all() -> Vec<Trial> {
    let limit = Duration::from_secs(if full() { 900 } else { 180 });
    let mut all = vec![
        scenario("failover::primacy_to_primacy", limit, || Ok(()), |w, ()| to_and_fro(w, &w.primacy()?)),
        scenario("failover::what_is_given_up", limit, || Ok(()), |w, ()| given_up(w, &w.primacy()?)),
    ];
    let both = || Ok([Peer::Redis70.find()?, Peer::Valkey91.find()?]);
    all.push(scenario("failover::in_a_group_of_three", limit, both, |w, peers| group_of_three(w, &peers)));
    for peer in [Peer::Redis70, Peer::Redis62, Peer::Valkey91] {
        let name = format!("failover::primacy_and_{}", peer.name());
        all.push(scenario(&name, limit, move || peer.find(), |w, peer| to_and_fro(w, &peer)));
        let name = format!("failover::what_is_given_up_to_{}", peer.name());
        all.push(scenario(&name, limit, move || peer.find(), |w, peer| given_up(w, &peer)));
    }
    all
}

fn field(s: &Server, name: &str) -> Result<String> {
    s.client()?.info("replication", name)
}

/// A master and its replica.
fn group(w: &World, other: &Program) -> Result<[Arc<Server>; 2]> {
    let mut rng = w.rng();
    let a = w.server("primacy", &w.primacy()?, &["repl-diskless-sync-delay 0", "repl-backlog-size 16mb"])?;
    let b = w.server("other", other, &["repl-diskless-sync-delay 0", "repl-backlog-size 16mb"])?;
    fill::keys(a.port, KEYS, &mut rng)?;
    b.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", a.port))?;
    wait::link_up(&b)?;
    Ok([a, b])
}

fn to_and_fro(w: &World, other: &Program) -> Result<()> {
    let mut rng = w.rng();
    let group = group(w, other)?;
    let ports = [group[0].port, group[1].port];
    let counters = (0..COUNTERS).map(|n| Counter::start(format!("counter:{n}"), &ports, 0)).collect::<Vec<_>>();
    let rounds = scaled(10, 200);
    for round in 0..rounds {
        let (old, new) = (&group[round % 2], &group[1 - round % 2]);
        std::thread::sleep(Duration::from_millis(rng.below(100)));
        let before = wait::served(new)?;
        let ask =
            if rng.one_in(2) { "FAILOVER".into() } else { format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 15000", new.port) };
        old.client()?.run(&ask)?;
        wait::until(PATIENCE, &format!("round {round}: {} hands over to {}", old.name, new.name), || {
            Ok(field(old, "role")? == "slave" && field(old, "master_failover_state")? == "no-failover")
        })?;
        ensure!(field(new, "role")? == "master", "round {round}: {} is no master", new.name);
        wait::link_up(old)?;
        let after = wait::served(new)?;
        let (full, partial) = (after.0 - before.0, after.1 - before.1);
        ensure!((full, partial) == (0, 1), "round {round}: {full} full and {partial} partial resyncs");
    }
    let ended = counters.into_iter().map(Counter::end).collect::<Result<Vec<_>>>()?;
    wait::same(&[&group[0], &group[1]])?;
    let mut master = group[rounds % 2].client()?;
    for counted in &ended {
        counted.check(&mut master)?;
        ensure!(counted.acknowledged > 0, "{} counted nothing", counted.key);
    }
    let all: i64 = ended.iter().map(|c| c.acknowledged).sum();
    w.note(&format!("{rounds} failovers, {all} acknowledged writes, none lost"));
    Ok(())
}

/// Primacy hands over to one of two replicas of other kinds and gets the role back; the third follows whoever has it.
fn group_of_three(w: &World, peers: &[Program; 2]) -> Result<()> {
    let mut rng = w.rng();
    let [a, b] = group(w, &peers[0])?;
    let c = w.server("third", &peers[1], &["repl-backlog-size 16mb", &format!("replicaof 127.0.0.1 {}", a.port)])?;
    wait::link_up(&c)?;
    let ports = [a.port, b.port, c.port];
    let counters = (0..COUNTERS).map(|n| Counter::start(format!("counter:{n}"), &ports, 0)).collect::<Vec<_>>();
    let before = [&a, &b, &c].map(|s| wait::served(s).map(|(full, _)| full));
    let rounds = scaled(3, 200);
    for round in 0..rounds {
        let (new, third) = if rng.one_in(2) { (&b, &c) } else { (&c, &b) };
        for (old, new) in [(&a, new), (new, &a)] {
            std::thread::sleep(Duration::from_millis(rng.below(100)));
            old.client()?.run(&format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 15000", new.port))?;
            wait::until(PATIENCE, &format!("round {round}: {} hands over to {}", old.name, new.name), || {
                Ok(field(new, "role")? == "master" && field(old, "master_failover_state")? == "no-failover")
            })?;
            third.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", new.port))?;
            wait::link_up(old)?;
            wait::link_up(third)?;
        }
    }
    let ended = counters.into_iter().map(Counter::end).collect::<Result<Vec<_>>>()?;
    wait::same(&[&a, &b, &c])?;
    let mut master = a.client()?;
    ended.iter().try_for_each(|counted| counted.check(&mut master))?;
    for (s, before) in [&a, &b, &c].into_iter().zip(before) {
        let full = wait::served(s)?.0 - before?;
        ensure!(full == 0, "{} served {full} full resyncs", s.name);
    }
    let all: i64 = ended.iter().map(|c| c.acknowledged).sum();
    w.note(&format!("{} failovers, {all} acknowledged writes, none lost", 2 * rounds));
    Ok(())
}

/// A replica that stands still: writers wait for the time that was given, and go on. With FORCE it is asked all the same, until
/// the failover is given up or it goes on.
fn given_up(w: &World, other: &Program) -> Result<()> {
    let [a, b] = group(w, other)?;
    let (mut c, mut person) = (a.client()?, a.client()?);
    c.run("SET n 1")?;
    wait::same(&[&a, &b])?;
    b.freeze();
    c.run("INCR n")?;
    person.run("FAILOVER TIMEOUT 300")?;
    ensure!(person.info("replication", "master_failover_state")? == "waiting-for-sync", "it does not wait");
    ensure!(c.text("INCR n")? == "3", "a write that waited did not go on");
    ensure!(a.logged(&["aborted: Replica never caught up before timeout"]) == 1, "the log does not tell");
    person.run(&format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 100", b.port))?;
    wait::until(PATIENCE, "it goes on by force", || {
        Ok(field(&a, "master_failover_state")? == "failover-in-progress" && field(&a, "role")? == "slave")
    })?;
    person.run("FAILOVER ABORT")?;
    ensure!(field(&a, "role")? == "master", "the abort does not give the role back");
    ensure!(c.text("INCR n")? == "4", "the master does not go on");
    b.thaw();
    wait::link_up(&b)?;
    wait::same(&[&a, &b])?;
    ensure!(field(&b, "role")? == "slave", "there are two masters");
    Ok(())
}
