//! Many and big: idle connections beside a full resync, and one huge value on its way to a replica.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, full, scaled, wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

pub(crate) fn all() -> Vec<Trial> {
    let limit = Duration::from_secs(if full() { 600 } else { 120 });
    vec![
        scenario("scale::idle_connections", limit, idle_needs, |w, redis| idle(w, &redis)),
        scenario("scale::big_value", limit, || Peer::Redis70.find(), |w, redis| big_value(w, &redis)),
    ]
}

fn connections() -> usize {
    scaled(2_000, 10_000)
}

/// This process and the server each need a file per connection.
fn idle_needs() -> Result<Program, String> {
    let found = Peer::Redis70.find()?;
    let need = connections() as u64 + 500;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|n| n < need) {
        let more = Rlimit { current: Some(need), maximum: now.maximum };
        setrlimit(Resource::Nofile, more).map_err(|_| format!("needs {need} open files: raise `ulimit -Hn`"))?;
    }
    Ok(found)
}

fn idle(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let m = w.server("master", &w.primacy()?, &["maxclients 20000", "tcp-backlog 4096"])?;
    fill::keys(m.port, scaled(50_000, 1_000_000), &mut rng)?;
    let mut idle = Vec::new();
    for _ in 0..connections() {
        idle.push(m.client()?);
    }
    let mut prober = m.client()?;
    wait::until(Duration::from_secs(10), "every connection counts", || {
        Ok(prober.info_num("clients", "connected_clients")? > connections() as i64)
    })?;
    let r = w.server("replica", redis, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    fill::writes(m.port, 10_000, &mut rng)?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    // Each of them is still served.
    for c in &mut idle {
        c.push(&["PING"]);
        c.flush()?;
    }
    for c in &mut idle {
        let reply = c.read()?;
        ensure!(reply == Value::Simple("PONG".into()), "an idle connection says {reply:?}");
    }
    drop(idle);
    wait::until(Duration::from_secs(20), "closed connections are forgotten", || {
        Ok(prober.info_num("clients", "connected_clients")? < 20)
    })
}

/// A value as large as the protocol allows: through a client, the stream, a snapshot and a file.
fn big_value(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let len = scaled(64 << 20, 512 << 20);
    let m = w.server("master", &w.primacy()?, &[])?;
    let r = w.server("replica", redis, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let piece = rng.bytes(1 << 20);
    let mut value = Vec::with_capacity(len);
    while value.len() < len {
        value.extend_from_slice(&piece[..piece.len().min(len - value.len())]);
    }
    let mut c = m.client()?;
    c.set_patience(Duration::from_secs(120))?;
    let reply = c.ask(&[b"SET".as_slice(), b"big", &value])?;
    ensure!(!reply.is_error(), "SET of {len} bytes: {reply:?}");
    wait::same(&[&m, &r])?;
    ensure!(r.client()?.text("STRLEN big")? == len.to_string(), "the replica's value has another length");
    ensure!(back(&mut c)? == value, "GET gives another value");
    // Now by snapshot: a real replica, one of ours, and our own file.
    let second = w.server("second", redis, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    let third = w.server("third", &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    for s in [&second, &third] {
        wait::link_up(s)?;
    }
    c.run("SETRANGE big 1000000 changed")?;
    c.run("APPEND small x")?;
    wait::same(&[&m, &r, &second, &third])?;
    let one_more = c.ask(&["APPEND", "big", "x"])?;
    ensure!(one_more.is_error() == full(), "APPEND past proto-max-bulk-len: {one_more:?}");
    c.run("SAVE")?;
    let before = wait::digest(&m)?;
    m.kill();
    m.start()?;
    ensure!(wait::digest(&m)? == before, "the file gives another dataset");
    Ok(())
}

fn back(c: &mut Client) -> Result<Vec<u8>> {
    match c.run("GET big")? {
        Value::Bulk(b) => Ok(b),
        other => Err(format!("GET big: {other:?}").into()),
    }
}
