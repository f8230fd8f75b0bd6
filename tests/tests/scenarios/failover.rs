//! FAILOVER between Primacy and each real server, to and fro, while clients count: no acknowledged write is lost, there is
//! one master after it, and it costs a partial resync.

use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, full, scaled};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
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
    for peer in [Peer::Redis70, Peer::Redis62, Peer::Valkey91] {
        let name = format!("failover::primacy_and_{}", peer.name());
        all.push(scenario(&name, limit, move || peer.find(), |w, peer| to_and_fro(w, &peer)));
        let name = format!("failover::what_is_given_up_to_{}", peer.name());
        all.push(scenario(&name, limit, move || peer.find(), |w, peer| given_up(w, &peer)));
    }
    all
}

/// A client that counts at whichever of the two is the master.
struct Counter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(i64, i64)>>,
}

impl Counter {
    fn start(key: String, ports: [u16; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || count(&key, ports, &flag));
        Self { stop, thread }
    }

    /// What was acknowledged, and what nobody answered.
    fn end(self) -> Result<(i64, i64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "a counter panicked")?
    }
}

fn count(key: &str, ports: [u16; 2], stop: &AtomicBool) -> Result<(i64, i64)> {
    let (mut acknowledged, mut unsure, mut at) = (0, 0, 0);
    let mut client = Client::connect(ports[at])?;
    while !stop.load(Ordering::Relaxed) {
        match client.ask(&["INCR", key]) {
            Ok(Value::Int(_)) => acknowledged += 1,
            Ok(Value::Error(e)) if e.starts_with("READONLY") => {
                at = 1 - at;
                client = Client::connect(ports[at])?;
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(other) => return Err(format!("INCR is answered {other:?}").into()),
            Err(_) => {
                unsure += 1;
                client = Client::connect(ports[at])?;
            }
        }
    }
    Ok((acknowledged, unsure))
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
    let counters: Vec<Counter> = (0..COUNTERS).map(|n| Counter::start(format!("counter:{n}"), ports)).collect();
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
    let mut all = 0;
    for (n, (acknowledged, unsure)) in ended.into_iter().enumerate() {
        let value: i64 = master.text(&format!("GET counter:{n}"))?.parse()?;
        let sound = (acknowledged..=acknowledged + unsure).contains(&value);
        ensure!(sound, "counter:{n} is {value}; {acknowledged} were acknowledged, {unsure} not answered");
        ensure!(acknowledged > 0, "counter:{n} counted nothing");
        all += acknowledged;
    }
    w.note(&format!("{rounds} failovers, {all} acknowledged writes, none lost"));
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
