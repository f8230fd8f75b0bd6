//! What a master owes its replicas and its writers, the same of Primacy as of a real server: each is the master of the
//! other, and both runs have to read alike.

use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, find_info, words};
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::thread::sleep;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
/// Long enough that whatever is not held back shows.
const WHILE: Duration = Duration::from_millis(1500);

/// One run: the master's program, the replicas', and what was seen.
type Run = fn(&World, &Program, &Program, &mut Vec<String>) -> Result<()>;

pub(crate) fn all() -> Vec<Trial> {
    let runs: [(&str, Run); 5] = [
        ("late_joiners", late_joiners),
        ("late_joiners_by_file", late_joiners_by_file),
        ("pause_write", pause_write),
        ("min_replicas", min_replicas),
        ("bind_source", bind_source),
    ];
    let both = |(name, run): (&str, Run)| {
        scenario(&format!("alike::{name}"), LIMIT, || Peer::Redis70.find(), move |w, redis| alike(w, &redis, run))
    };
    runs.into_iter().map(both).collect()
}

fn alike(w: &World, redis: &Program, run: Run) -> Result<()> {
    let (mut ours, mut theirs) = (vec![], vec![]);
    run(w, redis, &w.primacy()?, &mut theirs)?;
    run(w, &w.primacy()?, redis, &mut ours)?;
    ensure!(ours == theirs, "a Primacy master:\n{}\na Redis master:\n{}", ours.join("\n"), theirs.join("\n"));
    Ok(())
}

/// Says a command, and writes down the answer, an error too; gives it.
fn ask(c: &mut Client, line: &str, seen: &mut Vec<String>) -> Result<String> {
    let answer = c.ask(&words(line))?;
    let text = if answer.is_error() { format!("-{}", answer.text()) } else { answer.text() };
    let parts: Vec<String> = answer.items().iter().map(Value::text).collect();
    seen.push(format!("{line}: {text}{}", parts.join(" ")));
    Ok(text)
}

/// The replicas in the order in which they came, a field of each.
fn replicas(m: &Server, field: &str) -> Result<Vec<String>> {
    let all = m.client()?.text("INFO replication")?;
    let lines = (0..).map_while(|i| find_info(&all, &format!("slave{i}")));
    let of = |line: String| line.split(',').find_map(|part| Some(part.strip_prefix(field)?.strip_prefix('=')?.into()));
    Ok(lines.filter_map(of).collect())
}

fn follow(r: &Server, m: &Server) -> Result<()> {
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port)).map(drop)
}

fn until_replicas(m: &Server, n: usize) -> Result<()> {
    wait::until(wait::CONVERGE, "the replica is there", || Ok(replicas(m, "state")?.len() == n))
}

/// Snapshots that were begun for replicas.
fn begun(m: &Server) -> usize {
    m.logged(&["Starting BGSAVE for SYNC with target", "Background RDB transfer started for"])
}

/// Two share the snapshot that waits for them; one that comes when it is on its way gets the next.
fn late_joiners(w: &World, master: &Program, replica: &Program, seen: &mut Vec<String>) -> Result<()> {
    let lines = ["repl-diskless-sync yes", "repl-diskless-sync-delay 4", "rdb-key-save-delay 2000"];
    let m = w.server("master", master, &lines)?;
    fill::keys(m.port, 1_000, &mut w.rng())?;
    let [a, b, c] = ["a", "b", "c"].map(|name| w.server(name, replica, &[]));
    let (a, b, c) = (a?, b?, c?);
    follow(&a, &m)?;
    until_replicas(&m, 1)?;
    sleep(Duration::from_secs(1));
    follow(&b, &m)?;
    until_replicas(&m, 2)?;
    seen.push(format!("within the delay: {:?}, {} begun", replicas(&m, "state")?, begun(&m)));
    wait::until(wait::CONVERGE, "a snapshot begins", || Ok(begun(&m) == 1))?;
    follow(&c, &m)?;
    until_replicas(&m, 3)?;
    seen.push(format!("while it goes: {:?}, {} begun", replicas(&m, "state")?, begun(&m)));
    m.client()?.run("SET meanwhile 1")?;
    for r in [&a, &b, &c] {
        wait::link_up(r)?;
    }
    wait::same(&[&m, &a, &b, &c])?;
    seen.push(format!("{} snapshots for {:?} resyncs", begun(&m), wait::served(&m)?));
    ensure!(seen.last().is_some_and(|s| s == "2 snapshots for (3, 0) resyncs"), "{}", seen.join("\n"));
    Ok(())
}

/// A file that is being written serves one that comes now, too.
fn late_joiners_by_file(w: &World, master: &Program, replica: &Program, seen: &mut Vec<String>) -> Result<()> {
    let m = w.server("master", master, &["repl-diskless-sync no", "rdb-key-save-delay 3000"])?;
    fill::keys(m.port, 1_000, &mut w.rng())?;
    let (a, b) = (w.server("a", replica, &[])?, w.server("b", replica, &[])?);
    follow(&a, &m)?;
    wait::until(wait::CONVERGE, "a snapshot begins", || Ok(begun(&m) == 1))?;
    m.client()?.run("SET meanwhile 1")?;
    follow(&b, &m)?;
    until_replicas(&m, 2)?;
    seen.push(format!("while it is written: {:?}, {} begun", replicas(&m, "state")?, begun(&m)));
    wait::link_up(&a)?;
    wait::link_up(&b)?;
    wait::same(&[&m, &a, &b])?;
    seen.push(format!("{} snapshots for {:?} resyncs", begun(&m), wait::served(&m)?));
    ensure!(seen.last().is_some_and(|s| s == "1 snapshots for (2, 0) resyncs"), "{}", seen.join("\n"));
    Ok(())
}

/// In `CLIENT PAUSE WRITE` nothing changes the data, by whatever way, and all else goes on.
fn pause_write(w: &World, master: &Program, replica: &Program, seen: &mut Vec<String>) -> Result<()> {
    // Its own PING would move the stream on.
    let m = w.server("master", master, &["repl-ping-replica-period 3600"])?;
    let r = w.server("replica", replica, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let (mut admin, mut reader) = (m.client()?, m.client()?);
    let (mut held, mut whole) = ([m.client()?, m.client()?, m.client()?], m.client()?);
    admin.run("SET a 1")?;
    // Expiry and pause are one step: nothing expires between them.
    for line in ["MULTI", "SET gone 1 PX 100", "CLIENT PAUSE 60000 WRITE", "EXEC"] {
        admin.run(line)?;
    }
    wait::offsets_equal(&[&m, &r])?;
    let at = wait::offset(&m)?;
    for (c, line) in held.iter_mut().zip(["SET b 1", "PUBLISH channel x", "PFCOUNT none"]) {
        c.push(&words(line));
        c.flush()?;
    }
    // A transaction: its first write is held back, and what stands before that is not.
    for line in ["MULTI", "GET a", "INCR b", "GET a", "EXEC"] {
        whole.push(&words(line));
    }
    whole.flush()?;
    for line in ["CONFIG SET maxmemory-policy allkeys-random", "CONFIG SET maxmemory 1"] {
        ask(&mut admin, line, seen)?;
    }
    sleep(WHILE);
    for line in ["GET a", "GET gone", "EXISTS gone", "DBSIZE", "MULTI", "GET a", "EXEC"] {
        ask(&mut reader, line, seen)?;
    }
    ask(&mut admin, "CONFIG SET maxmemory 0", seen)?;
    sleep(WHILE);
    for c in held.iter_mut().chain([&mut whole]) {
        let heard: Vec<String> = c.arrived()?.iter().map(Value::text).collect();
        seen.push(format!("held back: {heard:?}"));
    }
    seen.push(format!("moved by {}, evicted {}", wait::offset(&m)? - at, admin.info("stats", "evicted_keys")?));
    ensure!(seen.last().is_some_and(|s| s == "moved by 0, evicted 0"), "{}", seen.join("\n"));
    // It is still heard: one that is not would show three seconds by now.
    let lag: u64 = replicas(&m, "lag")?.concat().parse()?;
    ensure!(lag <= 1, "the replica was last heard {lag} s ago");
    ask(&mut admin, "CLIENT UNPAUSE", seen)?;
    for c in &mut held {
        let answer = c.read()?;
        seen.push(format!("then: {}", answer.text()));
    }
    for _ in 0..3 {
        seen.push(format!("then: {:?}", whole.read()?));
    }
    wait::until(wait::CONVERGE, "what expired is gone", || Ok(r.client()?.text("DBSIZE")? == "2"))?;
    wait::same(&[&m, &r])?;
    ask(&mut reader, "GET b", seen)?;
    Ok(())
}

/// Writes are refused while too few replicas were heard lately.
fn min_replicas(w: &World, master: &Program, replica: &Program, seen: &mut Vec<String>) -> Result<()> {
    let m = w.server("master", master, &["min-replicas-to-write 1", "min-replicas-max-lag 2"])?;
    let r = w.server("replica", replica, &[])?;
    let mut c = m.client()?;
    let all = ["SET a 1", "GET a", "DEL none", "PUBLISH channel x", "MULTI", "SET a 1", "GET a", "EXEC"];
    let good = || m.client()?.info("replication", "min_slaves_good_slaves");
    let until_good = |n: &str| wait::until(wait::CONVERGE, "good replicas", || Ok(good()? == n));
    until_good("0")?;
    for line in all {
        ask(&mut c, line, seen)?;
    }
    ensure!(seen[0] == "SET a 1: -NOREPLICAS Not enough good replicas to write.", "{}", seen.join("\n"));
    follow(&r, &m)?;
    until_good("1")?;
    for line in all.iter().chain(&["MULTI", "SET a 2"]) {
        ask(&mut c, line, seen)?;
    }
    r.freeze();
    until_good("0")?;
    for line in ["EXEC", "SET a 3", "GET a"] {
        ask(&mut c, line, seen)?;
    }
    r.thaw();
    until_good("1")?;
    for line in
        ["SET a 4", "CONFIG SET min-replicas-to-write 2", "SET a 5", "CONFIG SET min-replicas-max-lag 0", "SET a 6"]
    {
        ask(&mut c, line, seen)?;
    }
    // Without one of the two there is no such rule, and no such field.
    ensure!(good().is_err(), "INFO counts good replicas for no rule");
    wait::same(&[&m, &r])?;
    Ok(())
}

/// A link comes from the address that it is told to come from; another one with the next link.
fn bind_source(w: &World, master: &Program, replica: &Program, seen: &mut Vec<String>) -> Result<()> {
    // Redis takes 127.0.0.1 alone for its own machine.
    let m = w.server("master", master, &["protected-mode no"])?;
    let lines = [&*format!("replicaof 127.0.0.1 {}", m.port), "bind-source-addr 127.0.0.2"];
    let r = w.server("replica", replica, &lines)?;
    wait::link_up(&r)?;
    let mut c = m.client()?;
    c.run("SET a 1")?;
    wait::same(&[&m, &r])?;
    seen.push(format!("{:?}", replicas(&m, "ip")?));
    ask(&mut r.client()?, "CONFIG SET bind-source-addr 127.0.0.3", seen)?;
    ask(&mut c, "CLIENT KILL TYPE replica", seen)?;
    wait::until(wait::CONVERGE, "it comes back", || Ok(replicas(&m, "ip")? == ["127.0.0.3"]))?;
    wait::link_up(&r)?;
    let list = c.text("CLIENT LIST TYPE replica")?;
    ensure!(list.contains(" addr=127.0.0.3:"), "{list}");
    wait::same(&[&m, &r])?;
    seen.push(format!("{:?} resyncs", wait::served(&m)?));
    ensure!(seen[0] == "[\"127.0.0.2\"]", "{}", seen.join("\n"));
    ensure!(seen[3] == "(1, 1) resyncs", "{}", seen.join("\n"));
    Ok(())
}
