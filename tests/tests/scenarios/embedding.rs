//! The examples of embedding, run as a reader of them would, against real servers.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::{self, Program};
use primacy_tests::resp::Client;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, ports, wait};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Building the examples is in it, where nobody has yet.
const LIMIT: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn all() -> Vec<Trial> {
    let peers = || Ok([Peer::Redis70.find()?, Peer::Valkey91.find()?]);
    vec![
        scenario("embedding::kv_master", LIMIT, peers, |w, peers| kv_master(w, &peers)),
        scenario("embedding::change_stream", LIMIT, peers, |w, peers| change_stream(w, &peers)),
        scenario("embedding::foreign_loop", LIMIT, peers, |w, peers| foreign_loop(w, &peers)),
        scenario("embedding::own_failover", LIMIT, || Ok(()), |w, ()| own_failover(w)),
    ]
}

/// An example that runs. Ended when dropped.
struct Example {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, args: &[String]) -> Result<Self> {
        let program = program::example(name)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let (teller, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| teller.send(line))
        });
        Ok(Self { input: child.stdin.take(), child, lines })
    }

    fn says(&mut self, line: &str) -> Result<String> {
        writeln!(self.input.as_mut().ok_or("no input")?, "{line}")?;
        Ok(self.lines.recv_timeout(PATIENCE)?)
    }

    /// The next line that has this in it.
    fn line_with(&self, part: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|e| format!("no line with '{part}': {e}"))?;
            if line.contains(part) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Until a server has this value at a key.
fn has(s: &Server, key: &str, value: &str) -> Result<()> {
    let what = format!("{} has {value} at {key}", s.name);
    wait::until(PATIENCE, &what, || Ok(s.client()?.text(&format!("GET {key}"))? == value))
}

fn kv_master(w: &World, peers: &[Program]) -> Result<()> {
    let port = ports::free();
    let mut store = Example::start("kv_master", &[port.to_string()])?;
    ensure!(store.says("set before snapshot")? == "ok", "a line is answered");
    ensure!(store.says("add sum 40")? == "40", "sums are answered");
    let mut replicas = Vec::new();
    for peer in peers {
        let r = w.server(&peer.name, peer, &[&format!("replicaof 127.0.0.1 {port}")])?;
        wait::link_up(&r)?;
        has(&r, "before", "snapshot")?;
        ensure!(store.says("add sum 1")?.parse::<i64>()? > 40, "the sum goes on");
        replicas.push(r);
    }
    store.says("del before")?;
    store.says("set last one")?;
    for r in &replicas {
        has(r, "last", "one")?;
        has(r, "sum", "42")?;
        ensure!(r.client()?.text("EXISTS before")? == "0", "{} has what was deleted", r.name);
    }
    Ok(())
}

fn change_stream(w: &World, peers: &[Program]) -> Result<()> {
    for peer in peers {
        let m = w.server(&peer.name, peer, &[])?;
        let mut c = m.client()?;
        c.run("SET there before")?;
        c.run("RPUSH list a b c")?;
        let args = ["127.0.0.1".into(), m.port.to_string()];
        let follows = Example::start("change_stream", &args)?;
        follows.line_with("all of it anew")?;
        let mut seen = [follows.line_with("db 0: ")?, follows.line_with("db 0: ")?];
        seen.sort();
        ensure!(seen == ["db 0: list a list", "db 0: there = before"], "of the snapshot: {seen:?}");
        follows.line_with("at ")?;
        c.run("INCRBY n 5")?;
        follows.line_with("n +5 at ")?;
        c.run("SELECT 3")?;
        c.run("SET temp v PX 100000")?;
        let line = follows.line_with("db 3: temp = v until ")?;
        let place = line.rsplit(' ').next().unwrap_or_default().to_owned();
        drop(follows);
        c.run("DEL temp")?;
        let again = Example::start("change_stream", &[args.to_vec(), vec![place]].concat())?;
        let first = again.line_with("")?;
        ensure!(first.starts_with("db 3: temp deleted at "), "it does not go on where it was: '{first}'");
        ensure!(wait::served(&m)? == (1, 1), "a partial resync was due: {:?}", wait::served(&m)?);
    }
    Ok(())
}

fn foreign_loop(w: &World, peers: &[Program]) -> Result<()> {
    let port = ports::free();
    let args = ["--port", &port.to_string(), "--repl-diskless-sync-delay", "0"].map(String::from);
    let _loop = Example::start("foreign_loop", &args)?;
    wait::until(PATIENCE, "the loop listens", || Ok(Client::connect(port).is_ok()))?;
    let mut c = Client::connect(port)?;
    let big = "x".repeat(1 << 20);
    c.ask(&["SET", "big", &big])?;
    let mut replicas = Vec::new();
    for peer in peers {
        let r = w.server(&peer.name, peer, &[&format!("replicaof 127.0.0.1 {port}")])?;
        wait::link_up(&r)?;
        replicas.push(r);
    }
    c.ask(&["SET", "late", "1"])?;
    for r in &replicas {
        has(r, "late", "1")?;
        ensure!(r.client()?.text("STRLEN big")? == big.len().to_string(), "{} lacks the value", r.name);
    }
    // And the other way: it follows a real one.
    let m = &replicas[0];
    let mut mc = m.client()?;
    mc.run("REPLICAOF NO ONE")?;
    c.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    mc.run("SET back 2")?;
    wait::until(PATIENCE, "it follows", || Ok(c.text("GET back")? == "2"))
}

fn own_failover(_: &World) -> Result<()> {
    let mut group = Example::start("own_failover", &[ports::row(3).to_string()])?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match group.child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > end => {
                return Err(
                    format!("it does not end, and said {:?}", group.lines.try_iter().collect::<Vec<_>>()).into()
                );
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let all: Vec<String> = group.lines.iter().collect();
    ensure!(status.success(), "it ended with {status}: {all:?}");
    ensure!(all.iter().any(|line| line.contains("acknowledged, the new master has")), "it said {all:?}");
    Ok(())
}
