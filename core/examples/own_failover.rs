//! Failover without sentinels, by a rule of your own: three nodes in one process, and whoever embeds them decides.
//!
//! `cargo run -p primacy-core --example own_failover` starts a master and two replicas (any Redis client can look at them),
//! kills the master under a client that counts, promotes by the rule below, and checks that no acknowledged write is lost.
//! The rule here: a master that misses three beats is dead, and the replica that has most of its stream follows it. A rule
//! for several machines needs what this one process has for free: only one that decides.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "an example lives on std")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use primacy_core::config::Config;
use primacy_core::keyspace::Keyspace;
use primacy_core::node::{About, Call, Node};
use primacy_core::resp::{Command, Replies, ReplyLimits, Value};
use primacy_host::{Clock, TurnMeter};
use primacy_mio::{Drive as _, Driver, Handle};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Time between two looks at the master, and how many it may miss.
const BEAT: Duration = Duration::from_millis(100);
const MISSES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(20);

/// A node on a thread of its own.
struct Member {
    port: u16,
    handle: Handle<Call>,
    /// Set, its thread leaves as if the process had been killed.
    killed: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Member {
    fn start(port: u16, seed: u8) -> Result<Self> {
        let mut config = Config::new();
        let port_text = port.to_string();
        config.apply_args(&["--port", &port_text, "--bind", "127.0.0.1", "--save", ""])?;
        config.apply_args(&["--repl-diskless-sync-delay", "0"])?;
        let killed = Arc::new(AtomicBool::new(false));
        let (teller, told) = channel();
        let stop = Arc::clone(&killed);
        let thread = spawn(move || {
            let meter = TurnMeter::new(Clock::new());
            let data = Keyspace::new(config.settings.databases, [seed; 32]);
            let node = Node::new(config, data, [seed + 100; 32], Box::new(meter.clone()), About::default());
            let mut driver = match Driver::new(node, &meter, |_| {}) {
                Ok(driver) => driver,
                Err(e) => return drop(teller.send(Err(e))),
            };
            let _ = teller.send(Ok(driver.handle()));
            while !stop.load(Ordering::SeqCst) && matches!(driver.turn(Some(Duration::from_millis(10))), Ok(None)) {}
        });
        let member = Self { port, handle: told.recv()??, killed, thread };
        until("the node answers", || Client::to(port).and_then(|mut c| c.ask(&["PING"])).is_ok())?;
        Ok(member)
    }

    /// A field of INFO.
    fn info(&self, field: &str) -> Result<String> {
        let Value::Bulk(text) = Client::to(self.port)?.ask(&["INFO", "replication"])? else {
            return Err("no INFO".into());
        };
        let text = String::from_utf8(text)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(line.ok_or_else(|| format!("INFO has no {field}"))?.into())
    }

    fn follow(&self, master: u16) {
        self.handle.call(Call::Follow { host: "127.0.0.1".into(), port: master });
    }

    /// The end without a goodbye: its sockets close with the thread.
    fn kill(self) -> Result<()> {
        self.killed.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| "the node's thread has panicked".into())
    }
}

/// A connection that asks one thing at a time.
struct Client {
    socket: TcpStream,
    replies: Replies,
}

impl Client {
    fn to(port: u16) -> Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, replies: Replies::new(ReplyLimits::default()) })
    }

    fn ask(&mut self, words: &[&str]) -> Result<Value> {
        self.socket.write_all(Command::new(words).frame())?;
        let mut buffer = [0; 4096];
        loop {
            let n = self.socket.read(&mut buffer)?;
            if n == 0 {
                return Err("the server has closed the connection".into());
            }
            if let Some(value) = self.replies.next(&mut &buffer[..n])? {
                return Ok(value);
            }
        }
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{what}: not within {PATIENCE:?}").into());
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Counts up on whoever is the master. A write counts once it is on a replica, and the rule promotes the one that has most.
fn count(master: &AtomicUsize, acknowledged: &Mutex<i64>, ended: &AtomicBool) {
    while !ended.load(Ordering::SeqCst) {
        let Ok(mut c) = Client::to(master.load(Ordering::SeqCst) as u16) else {
            sleep(Duration::from_millis(10));
            continue;
        };
        while let Ok(Value::Integer(n)) = c.ask(&["INCR", "counter"]) {
            if !matches!(c.ask(&["WAIT", "1", "500"]), Ok(Value::Integer(1..))) || ended.load(Ordering::SeqCst) {
                break;
            }
            *acknowledged.lock().expect("nobody panics with it") = n;
        }
    }
}

/// The rule. Gives the port of the new master.
fn fail_over(alive: &[Member]) -> Result<u16> {
    let offset = |member: &Member| member.info("slave_repl_offset").ok().and_then(|text| text.parse::<u64>().ok());
    let best = alive.iter().max_by_key(|member| offset(member)).ok_or("nobody is left")?;
    best.handle.call(Call::Promote);
    alive.iter().filter(|member| member.port != best.port).for_each(|member| member.follow(best.port));
    Ok(best.port)
}

fn main() -> Result<()> {
    let base: u16 = std::env::args().nth(1).map_or(Ok(7100), |port| port.parse())?;
    let mut members: Vec<Member> = (0..3).map(|n| Member::start(base + n, n as u8)).collect::<Result<_>>()?;
    let master = Arc::new(AtomicUsize::new(base.into()));
    members[1..].iter().for_each(|member| member.follow(base));
    let up = |member: &Member| member.info("master_link_status").is_ok_and(|state| state == "up");
    until("the replicas are in sync", || members[1..].iter().all(up))?;
    println!("127.0.0.1:{base} is the master of {} and {}", base + 1, base + 2);

    let (acknowledged, ended) = (Arc::new(Mutex::new(0)), Arc::new(AtomicBool::new(false)));
    let so_far = || *acknowledged.lock().expect("nobody panics with it");
    let (to, acks, stop) = (Arc::clone(&master), Arc::clone(&acknowledged), Arc::clone(&ended));
    let counter = spawn(move || count(&to, &acks, &stop));
    until("the client counts", || so_far() > 100)?;

    let (died, before) = (Instant::now(), so_far());
    members.remove(0).kill()?;
    println!("killed it after {before} acknowledged writes");
    let mut missed = 0;
    while missed < MISSES {
        sleep(BEAT);
        let alive = Client::to(master.load(Ordering::SeqCst) as u16).and_then(|mut c| c.ask(&["PING"]));
        missed = if alive.is_ok() { 0 } else { missed + 1 };
    }
    let new = fail_over(&members)?;
    master.store(new.into(), Ordering::SeqCst);
    until("the client goes on", || so_far() > before + 100)?;
    println!("{new} is the master since {} ms after it; the client goes on", died.elapsed().as_millis());

    ended.store(true, Ordering::SeqCst);
    counter.join().map_err(|_| "the client has panicked")?;
    let Value::Bulk(text) = Client::to(new)?.ask(&["GET", "counter"])? else {
        return Err("the counter is gone".into());
    };
    let has: i64 = String::from_utf8(text)?.parse()?;
    println!("{} acknowledged, the new master has {has}", so_far());
    if has < so_far() { Err("an acknowledged write is lost".into()) } else { Ok(()) }
}
