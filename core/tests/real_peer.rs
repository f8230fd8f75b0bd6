//! The two machines against a real redis-server, over loopback sockets. Skipped, and said so, where there is none.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command as Process, Stdio};
use std::time::Instant as Clock;

use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Action, Actions, Chunks, Closed, Endpoint, Input, Job, Machine, Outcome, SocketOptions};
use primacy_core::rdb::{Body, Options, ReaderLimits, Writer};
use primacy_core::replication::follower::FollowerConfig;
use primacy_core::replication::master::{self, Master, MasterConfig};
use primacy_core::replication::replica::{self, KeyValue, Replica, ReplicaConfig};
use primacy_core::replication::source::SourceConfig;
use primacy_core::resp::Command;
use primacy_core::time::{Instant, Now};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A real server, ended with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(more: &[&str]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Process::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"])
            .args(["--dir", env!("CARGO_TARGET_TMPDIR"), "--dbfilename", &format!("{port}.rdb")])
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        let begun = Clock::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    /// Says a line and takes one read of the answer.
    fn ask(&self, line: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut buf = [0; 4096];
        let n = socket.read(&mut buf).unwrap();
        String::from_utf8_lossy(&buf[..n]).into_owned()
    }

    fn info(&self, field: &str) -> String {
        let text = self.ask("INFO replication");
        let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().to_string()
    }
}

/// The smallest runtime: sockets that do not block, tried in turn.
struct Runtime<M: Machine> {
    machine: M,
    begun: Clock,
    sockets: BTreeMap<ConnId, TcpStream>,
    listener: Option<TcpListener>,
    accepted: u64,
    events: Vec<M::Event>,
}

impl<M: Machine> Runtime<M> {
    fn new(machine: M) -> Self {
        let (sockets, events) = (BTreeMap::new(), Vec::new());
        Self { machine, begun: Clock::now(), sockets, listener: None, accepted: 0, events }
    }

    fn feed(&mut self, input: Input<'_, M::Call>) {
        let now = Now::new(Instant::from_micros(self.begun.elapsed().as_micros() as u64), 0);
        let mut out = Actions::new();
        self.machine.handle(now, input, &mut out);
        for action in out.drain() {
            match action {
                Action::Connect { conn, to, .. } => match TcpStream::connect(to.tcp().unwrap()) {
                    Ok(socket) => {
                        socket.set_nonblocking(true).unwrap();
                        let at = || Endpoint::Tcp(socket.local_addr().unwrap());
                        let input = Input::Connected { conn, local: at(), peer: at(), tls: false };
                        self.sockets.insert(conn, socket.try_clone().unwrap());
                        self.feed(input);
                    }
                    Err(_) => self.feed(Input::Closed { conn, reason: Closed::Refused }),
                },
                Action::Close { conn } => drop(self.sockets.remove(&conn)),
                Action::Start { op, job: Job::Listen { at, .. } } => self.listen(op, &at),
                Action::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn listen(&mut self, op: OpId, at: &Endpoint) {
        let listener = TcpListener::bind(at.tcp().unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = Endpoint::Tcp(listener.local_addr().unwrap());
        self.listener = Some(listener);
        self.feed(Input::Done { op, result: Outcome::Listening(at) });
    }

    fn turn(&mut self) {
        if let Some((socket, peer)) = self.listener.as_ref().and_then(|l| l.accept().ok()) {
            socket.set_nonblocking(true).unwrap();
            self.accepted += 1;
            let conn = ConnId::accepted(self.accepted);
            self.sockets.insert(conn, socket);
            let at = || Endpoint::Tcp(peer);
            self.feed(Input::Accepted { conn, listener: OpId::from_u64(1), local: at(), peer: at(), tls: false });
        }
        let mut buf = [0; 16384];
        for conn in self.sockets.keys().copied().collect::<Vec<_>>() {
            let Some(socket) = self.sockets.get_mut(&conn) else { continue };
            match socket.read(&mut buf) {
                Ok(n) if n > 0 => self.feed(Input::Received { conn, bytes: &buf[..n] }),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                _ => {
                    self.sockets.remove(&conn);
                    self.feed(Input::Closed { conn, reason: Closed::Reset });
                }
            }
        }
        let now = Instant::from_micros(self.begun.elapsed().as_micros() as u64);
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.feed(Input::Tick);
        }
        for conn in self.sockets.keys().copied().collect::<Vec<_>>() {
            let mut chunks = Chunks::new();
            self.machine.transmit(conn, 65536, &mut chunks);
            let Some(socket) = self.sockets.get_mut(&conn).filter(|_| chunks.bytes() > 0) else { continue };
            if let Ok(len) = socket.write(&chunks.concat()) {
                self.feed(Input::Sent { conn, len });
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Clock::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
            self.turn();
        }
    }

    /// Breaks all connections.
    fn cut(&mut self) {
        for (conn, _) in core::mem::take(&mut self.sockets) {
            self.feed(Input::Closed { conn, reason: Closed::Reset });
        }
    }
}

#[test]
fn a_real_master_is_followed() {
    let Some(server) = Server::start(&[]) else {
        eprintln!("SKIPPED: there is no redis-server");
        return;
    };
    server.ask("SET before 1");
    let config = ReplicaConfig {
        follower: FollowerConfig { port: 7777, ..FollowerConfig::default() },
        acknowledge_at_once: true,
        limits: ReaderLimits::default(),
    };
    let mut r = Runtime::new(Replica::new(config, [1; 32]));
    r.feed(Input::Call(replica::Call::Follow { host: "127.0.0.1".into(), port: server.port, resume: None }));
    let caught_up = |r: &mut Runtime<Replica>| {
        server
            .info("slave0")
            .contains(&format!("port=7777,state=online,offset={},", r.machine.position().map_or(0, |p| p.offset)))
            && server.info("master_repl_offset") == r.machine.position().map_or(0, |p| p.offset).to_string()
    };
    r.until("full resync", caught_up);
    let key = |e: &replica::Event| matches!(e, replica::Event::Key(k) if &k.key[..] == b"before" && matches!(&k.value, KeyValue::String(v) if &v[..] == b"1"));
    assert!(r.events.iter().any(key), "{:?}", r.events);
    for n in 0..50 {
        server.ask(&format!("SET key{n} {n}"));
    }
    r.until("stream", caught_up);
    r.cut();
    server.ask("SET after 1");
    r.until("partial resync", caught_up);
    assert!(r.events.iter().any(|e| matches!(e, replica::Event::Continued { .. })), "{:?}", r.events);
    let sets = r
        .events
        .iter()
        .filter(|e| matches!(e, replica::Event::Command { command, .. } if command.command.args().is(0, "set")));
    assert_eq!(sets.count(), 51);
}

#[test]
fn a_real_replica_follows() {
    let Some(server) = Server::start(&["--repl-diskless-load", "on-empty-db"]) else {
        eprintln!("SKIPPED: there is no redis-server");
        return;
    };
    let source = SourceConfig { diskless_delay: Duration::ZERO, ..SourceConfig::default() };
    let config = MasterConfig {
        listen: Endpoint::Tcp(([127, 0, 0, 1], 0).into()),
        password: Some("secret".into()),
        connections: 10,
        options: SocketOptions::default(),
        source,
    };
    let mut m = Runtime::new(Master::new(config, [1; 32]));
    m.feed(Input::Tick);
    let port = m.listener.as_ref().unwrap().local_addr().unwrap().port();
    server.ask("CONFIG SET masterauth secret");
    server.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    let mut wanted = None;
    m.until("a snapshot is wanted", |m| {
        wanted = m.events.iter().find_map(|e| if let master::Event::SnapshotWanted(w) = e { Some(*w) } else { None });
        wanted.is_some()
    });
    m.feed(Input::Call(master::Call::SnapshotBegin(wanted.unwrap())));
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
    let mut body = Body::new(Options::default());
    for n in 0..10_000 {
        body.string(0, format!("key{n}").as_bytes(), None, b"value");
    }
    writer.absorb(&mut body);
    writer.finish();
    for piece in writer.out().drain() {
        m.feed(Input::Call(master::Call::Snapshot(vec![piece])));
        m.until("room", |m| m.machine.snapshot_room() > 0);
    }
    let set = |m: &mut Runtime<Master>, db: u32, key: &str| {
        let command = Command::new(&["SET", key, "x"]);
        m.feed(Input::Call(master::Call::Append { db: Some(db), command }));
    };
    set(&mut m, 3, "during");
    m.feed(Input::Call(master::Call::SnapshotEnd));
    let same = |m: &mut Runtime<Master>| {
        let source = m.machine.source();
        // A replica that reads its snapshot answers nobody, so it is asked only when it has all.
        source.acked(source.offset()) == 1
            && server.info("master_link_status") == "up"
            && server.info("master_repl_offset") == source.offset().to_string()
            && server.info("master_replid") == source.id().to_string()
    };
    m.until("full resync", same);
    assert_eq!(server.ask("DBSIZE"), ":10000\r\n");
    set(&mut m, 3, "stream");
    m.until("stream", same);
    m.cut();
    set(&mut m, 3, "while cut");
    m.until("partial resync", same);
    assert!(server.ask("INFO keyspace").contains("db3:keys=3,expires=0"));
    let counters = m.machine.source().counters();
    assert_eq!((counters.full, counters.partial_ok), (1, 1));
    m.feed(Input::Call(master::Call::RequestAcks));
    m.until("an acknowledgement", |m| m.machine.source().acked(m.machine.source().offset() - 37) == 1);
}
