//! A runtime in memory for one node or several: virtual time, files and pipes, all in an order that a seed decides.
//!
//! After every input it checks the laws of the one door: a deadline lies behind the input, no action names a
//! connection that is closed, a job starts once and ends once, what has no `write` interest has no bytes to send.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};

use primacy_core::config::Config;
use primacy_core::dataset::Dataset;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{
    Action, Actions, Chunks, Closed, Endpoint, Input, Job, JobError, JobErrorKind, Machine, Meter, Outcome, Signal,
    Usage,
};
use primacy_core::node::{About, Call, Event, Node};
use primacy_core::resp::Replies;
use primacy_core::rng::Rng;
use primacy_core::time::{Instant, Now};
use primacy_core::tls::Tls;

use super::store::Store;

/// The wall clock when a world begins, ms.
pub const EPOCH_MS: u64 = 1_700_000_000_000;
/// Steps of one `run`: more are a machine that spins.
const STEPS_MAX: usize = 2_000_000;

/// A dataset that a world can make.
pub trait Make: Dataset + Sized {
    fn make(databases: u32) -> Self;
}

impl Make for Keyspace {
    fn make(databases: u32) -> Self {
        Self::new(databases, [9; 32])
    }
}

impl Make for Store {
    fn make(databases: u32) -> Self {
        Self::new(databases)
    }
}

/// Every reading is so many µs later than the one before.
struct Steps(u64, u64);

impl Meter for Steps {
    fn now_us(&mut self) -> u64 {
        self.0 += self.1;
        self.0
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Peer {
    Node(usize, ConnId),
    Client(usize),
    Gone,
}

pub(super) struct Conn {
    pub(super) peer: Peer,
    /// Told to the machine.
    pub(super) up: bool,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) inbox: Vec<u8>,
    /// The peer has closed; told behind the inbox.
    pub(super) ended: bool,
    pub(super) eof_told: bool,
}

/// What happens to a machine in its order.
pub(super) enum Coming {
    Accepted(ConnId, OpId, Endpoint),
    Connected(ConnId),
    Refused(ConnId),
}

/// One node with what is around it.
pub struct Host<D: Make> {
    pub node: Node<D>,
    pub args: Vec<String>,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Writes fail.
    pub disk_full: bool,
    /// Jobs wait.
    pub disk_slow: bool,
    /// Nobody can connect to it.
    pub unreachable: bool,
    pub events: Vec<Event>,
    pub exit: Option<i32>,
    pub connects: usize,
    /// Addresses that this machine does not have, and ports that others hold.
    pub absent: Vec<IpAddr>,
    pub taken: Vec<u16>,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) listeners: BTreeMap<OpId, SocketAddr>,
    /// Ports of encrypted listeners.
    pub tls_ports: BTreeSet<u16>,
    /// The certificates in force.
    pub tls: Option<Box<Tls>>,
    pub(super) coming: VecDeque<Coming>,
    pub(super) jobs: VecDeque<(OpId, Job)>,
    pub(super) started: BTreeSet<OpId>,
    pub(super) yields: usize,
    pub(super) accepted: u64,
}

/// A client's end.
pub(super) struct Client {
    pub(super) node: usize,
    pub(super) conn: ConnId,
    pub(super) bytes: Vec<u8>,
    pub(super) parser: Replies,
    pub(super) closed: bool,
    /// Bytes it still takes.
    pub(super) window: usize,
}

/// Who speaks to a node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Who(pub(super) usize);

/// Nodes, clients, and the time.
pub struct World<D: Make> {
    pub hosts: Vec<Host<D>>,
    pub(super) clients: Vec<Client>,
    pub(super) now_us: u64,
    pub(super) rng: Rng,
    /// The most that one read or write carries.
    pub chop: u64,
    /// Bytes on their way to a node that does not read, beyond which its peer cannot write.
    pub pipe: usize,
    /// What a reading of the meter costs, µs.
    pub(super) meter_us: u64,
}

fn port_of(i: usize) -> u16 {
    7000 + i as u16
}

impl<D: Make> World<D> {
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            hosts: vec![],
            clients: vec![],
            now_us: 1,
            rng: Rng::new(key),
            chop: 1 << 16,
            pipe: usize::MAX,
            meter_us: 0,
        }
    }

    /// A world of one node that serves.
    pub fn one(args: &str) -> (Self, Who) {
        let mut w = Self::new(1);
        w.add(args);
        w.run();
        let c = w.client(0);
        (w, c)
    }

    /// The same whose every command takes time.
    pub fn slow(args: &str, us: u64) -> (Self, Who) {
        let mut w = Self::new(1);
        w.meter_us = us;
        w.add(args);
        w.run();
        let c = w.client(0);
        (w, c)
    }

    /// One node for each, the first a master, each other one a replica of the one before or of the one it names.
    pub fn family(seed: u64, args: &[&str]) -> Self {
        let mut w = Self::new(seed);
        for a in args {
            w.add(a);
        }
        w.run();
        w.advance(3_000);
        w
    }

    /// Adds a node with these arguments (`--name value …`) beside the usual ones; it listens on port 7000 and up.
    pub fn add(&mut self, args: &str) -> usize {
        self.add_with(args, BTreeMap::new())
    }

    /// The same with a file that is there already; it is run.
    pub fn add_with_file(&mut self, args: &str, file: &str, content: &[u8]) -> usize {
        let i = self.add_with(args, [(file.into(), content.into())].into());
        self.run();
        i
    }

    fn add_with(&mut self, args: &str, files: BTreeMap<String, Vec<u8>>) -> usize {
        let i = self.hosts.len();
        let args: Vec<String> = args.split(' ').filter(|a| !a.is_empty()).map(|a| a.replace('_', " ")).collect();
        let node = self.build(i, &args);
        self.hosts.push(Host {
            node,
            args,
            files,
            disk_full: false,
            disk_slow: false,
            unreachable: false,
            events: vec![],
            exit: None,
            connects: 0,
            absent: vec![],
            taken: vec![],
            conns: BTreeMap::new(),
            listeners: BTreeMap::new(),
            tls_ports: BTreeSet::new(),
            tls: None,
            coming: VecDeque::new(),
            jobs: VecDeque::new(),
            started: BTreeSet::new(),
            yields: 0,
            accepted: 0,
        });
        self.feed(i, Input::Tick);
        i
    }

    fn build(&mut self, i: usize, args: &[String]) -> Node<D> {
        let mut config = Config::new();
        let port = port_of(i).to_string();
        let usual = ["--bind", "127.0.0.1", "--port", &port, "--save", "--repl-diskless-sync-delay", "0"];
        config.apply_args(&usual).unwrap();
        config.apply_args(&["--enable-debug-command", "yes"]).unwrap();
        config.apply_args(args).unwrap();
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        let about = About { pid: 1, config_file: "redis.conf".into(), ..About::default() };
        let data = D::make(config.settings.databases);
        Node::new(config, data, seed, Box::new(Steps(0, self.meter_us)), about)
    }

    /// Ends a node at once, as a power cut does, and starts it anew over the files it has.
    pub fn restart(&mut self, i: usize) {
        self.kill(i);
        let args = self.hosts[i].args.clone();
        let node = self.build(i, &args);
        let host = &mut self.hosts[i];
        host.node = node;
        host.exit = None;
        host.events.clear();
        host.jobs.clear();
        host.coming.clear();
        host.started.clear();
        host.listeners.clear();
        host.tls_ports.clear();
        host.tls = None;
        host.yields = 0;
        self.feed(i, Input::Tick);
        self.run();
    }

    /// Ends a node at once.
    pub fn kill(&mut self, i: usize) {
        self.hosts[i].exit.get_or_insert(-9);
        self.hosts[i].listeners.clear();
        let conns = core::mem::take(&mut self.hosts[i].conns);
        for (_, conn) in conns {
            self.end_peer(conn.peer);
        }
    }

    pub fn now(&self) -> Now {
        Now::new(Instant::from_micros(self.now_us), EPOCH_MS + self.now_us / 1000)
    }

    fn end_peer(&mut self, peer: Peer) {
        match peer {
            Peer::Node(j, conn) => {
                if let Some(c) = self.hosts[j].conns.get_mut(&conn) {
                    c.ended = true;
                    c.peer = Peer::Gone;
                }
            }
            Peer::Client(k) => self.clients[k].closed = true,
            Peer::Gone => {}
        }
    }

    /// Feeds one input, carries out what is told at once, and checks the laws.
    pub fn feed(&mut self, i: usize, input: Input<'_, Call>) {
        if self.hosts[i].exit.is_some() {
            return;
        }
        let now = self.now();
        let mut out = Actions::new();
        let early = self.hosts[i].node.deadline().is_none_or(|d| d > now.mono);
        let ticked = early || matches!(input, Input::Tick);
        self.hosts[i].node.handle(now, input, &mut out);
        let deadline = self.hosts[i].node.deadline();
        assert!(!ticked || deadline.is_none_or(|d| d > now.mono), "law 1: deadline {deadline:?} at {:?}", now.mono);
        for action in out.drain() {
            self.carry_out(i, action);
            if self.hosts[i].exit.is_some() {
                return self.kill(i);
            }
        }
    }

    fn carry_out(&mut self, i: usize, action: Action<Event>) {
        match action {
            Action::Connect { conn, to, from, tls, .. } => self.connect(i, conn, &to, from, tls),
            Action::Close { conn } => {
                let gone = self.hosts[i].conns.remove(&conn);
                let gone = gone.unwrap_or_else(|| panic!("law 2: Close names {conn:?}, which is closed"));
                self.end_peer(gone.peer);
            }
            Action::Interest { conn, read, write } => {
                let c = self.hosts[i].conns.get_mut(&conn);
                let c = c.unwrap_or_else(|| panic!("law 2: Interest names {conn:?}, which is closed"));
                assert!((c.read, c.write) != (read, write), "an Interest that changes nothing: {conn:?}");
                (c.read, c.write) = (read, write);
            }
            Action::Options { conn, .. } => assert!(self.hosts[i].conns.contains_key(&conn), "law 2: Options"),
            Action::Start { op, job } => {
                assert!(self.hosts[i].started.insert(op), "law 3: {op:?} starts twice");
                self.hosts[i].jobs.push_back((op, job));
            }
            Action::Unlisten { op } => drop(self.hosts[i].listeners.remove(&op).expect("a listener")),
            Action::Yield => self.hosts[i].yields += 1,
            Action::Event(e) => self.hosts[i].events.push(e),
            Action::Exit { code } => self.hosts[i].exit = Some(code),
            _ => {}
        }
    }

    fn connect(&mut self, i: usize, conn: ConnId, to: &Endpoint, from: Option<IpAddr>, tls: bool) {
        assert!(conn.is_opened() && !self.hosts[i].conns.contains_key(&conn));
        self.hosts[i].connects += 1;
        let port = to.tcp().map_or(0, |a| a.port());
        let found = self.hosts.iter().enumerate().find_map(|(j, h)| {
            let op = h.listeners.iter().find(|(_, a)| a.port() == port)?.0;
            // One who speaks TLS is not understood by one who does not, nor the other way round.
            (!h.unreachable && h.exit.is_none() && h.tls_ports.contains(&port) == tls).then_some((j, *op))
        });
        let fresh =
            |peer| Conn { peer, up: false, read: true, write: false, inbox: vec![], ended: false, eof_told: false };
        let Some((j, listener)) = found else {
            self.hosts[i].conns.insert(conn, fresh(Peer::Gone));
            return self.hosts[i].coming.push_back(Coming::Refused(conn));
        };
        self.hosts[j].accepted += 1;
        let theirs = ConnId::accepted(self.hosts[j].accepted);
        self.hosts[i].conns.insert(conn, fresh(Peer::Node(j, theirs)));
        self.hosts[j].conns.insert(theirs, fresh(Peer::Node(i, conn)));
        self.hosts[i].coming.push_back(Coming::Connected(conn));
        let from = from.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let from = Endpoint::Tcp(SocketAddr::new(from, 40_000 + self.hosts[j].accepted as u16));
        self.hosts[j].coming.push_back(Coming::Accepted(theirs, listener, from));
    }

    /// Does one thing that is ready, chosen by the seed; false if there is none.
    fn step(&mut self) -> bool {
        let mut ready: Vec<(usize, u8, Option<ConnId>)> = vec![];
        for (i, h) in self.hosts.iter().enumerate().filter(|(_, h)| h.exit.is_none()) {
            if !h.coming.is_empty() {
                ready.push((i, 0, None));
            }
            if !h.jobs.is_empty() && !h.disk_slow {
                ready.push((i, 1, None));
            }
            if h.yields > 0 {
                ready.push((i, 2, None));
            }
            for (conn, c) in h.conns.iter().filter(|(_, c)| c.up) {
                if c.read && !c.inbox.is_empty() {
                    ready.push((i, 3, Some(*conn)));
                }
                if c.ended && (c.inbox.is_empty() || !c.read) {
                    ready.push((i, 4, Some(*conn)));
                }
                let room = match c.peer {
                    Peer::Client(k) => self.clients[k].window > 0,
                    Peer::Node(j, theirs) => self.hosts[j].conns.get(&theirs).is_none_or(|c| c.inbox.len() < self.pipe),
                    Peer::Gone => true,
                };
                if c.write && room && !c.ended {
                    ready.push((i, 5, Some(*conn)));
                }
            }
        }
        if ready.is_empty() {
            return false;
        }
        let (i, what, conn) = ready[self.rng.below(ready.len() as u64) as usize];
        match (what, conn) {
            (0, _) => self.next_coming(i),
            (1, _) => self.next_job(i),
            (2, _) => {
                self.hosts[i].yields -= 1;
                self.feed(i, Input::Resume);
            }
            (3, Some(conn)) => self.receive(i, conn),
            (4, Some(conn)) => self.hear_end(i, conn),
            (5, Some(conn)) => self.send_out(i, conn),
            _ => {}
        }
        true
    }

    fn next_coming(&mut self, i: usize) {
        let Some(coming) = self.hosts[i].coming.pop_front() else { return };
        let local = Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port_of(i))));
        let up = |h: &mut Host<D>, conn: ConnId| h.conns.get_mut(&conn).map(|c| c.up = true).is_some();
        match coming {
            Coming::Accepted(conn, listener, peer) => {
                if up(&mut self.hosts[i], conn) {
                    self.feed(i, Input::Accepted { conn, listener, local, peer, tls: false });
                }
            }
            Coming::Connected(conn) => {
                if up(&mut self.hosts[i], conn) {
                    self.feed(i, Input::Connected { conn, local: local.clone(), peer: local, tls: false });
                }
            }
            Coming::Refused(conn) => {
                if self.hosts[i].conns.remove(&conn).is_some() {
                    self.feed(i, Input::Closed { conn, reason: Closed::Refused });
                }
            }
        }
    }

    fn receive(&mut self, i: usize, conn: ConnId) {
        let most = self.chop;
        let Some(c) = self.hosts[i].conns.get_mut(&conn) else { return };
        let n = (1 + self.rng.below(most.min(c.inbox.len() as u64))).min(c.inbox.len() as u64) as usize;
        let n = if most >= 1 << 16 { c.inbox.len().min(most as usize) } else { n };
        let bytes: Vec<u8> = c.inbox.drain(..n).collect();
        self.feed(i, Input::Received { conn, bytes: &bytes });
    }

    fn hear_end(&mut self, i: usize, conn: ConnId) {
        let coin = self.rng.below(2) == 0;
        let Some(c) = self.hosts[i].conns.get_mut(&conn) else { return };
        if coin && !c.eof_told && c.inbox.is_empty() {
            c.eof_told = true;
            return self.feed(i, Input::Eof { conn });
        }
        self.hosts[i].conns.remove(&conn);
        self.feed(i, Input::Closed { conn, reason: Closed::Reset });
        // Late inputs for a closed connection are harmless.
        self.feed(i, Input::Received { conn, bytes: b"PING\r\n" });
        self.feed(i, Input::Sent { conn, len: 0 });
        self.feed(i, Input::Eof { conn });
    }

    fn send_out(&mut self, i: usize, conn: ConnId) {
        let peer = self.hosts[i].conns[&conn].peer;
        let mut budget = 1 + self.rng.below(self.chop) as usize;
        if self.chop >= 1 << 16 {
            budget = self.chop as usize;
        }
        if let Peer::Client(k) = peer {
            budget = budget.min(self.clients[k].window);
        }
        let mut chunks = Chunks::new();
        self.hosts[i].node.transmit(conn, budget, &mut chunks);
        let bytes = chunks.concat();
        assert!(!bytes.is_empty() && bytes.len() <= budget, "{conn:?}: write interest and {} bytes", bytes.len());
        match peer {
            Peer::Node(j, theirs) => {
                if let Some(c) = self.hosts[j].conns.get_mut(&theirs) {
                    c.inbox.extend_from_slice(&bytes);
                }
            }
            Peer::Client(k) => {
                self.clients[k].window -= bytes.len();
                self.clients[k].bytes.extend_from_slice(&bytes);
            }
            Peer::Gone => {}
        }
        self.feed(i, Input::Sent { conn, len: bytes.len() });
    }

    fn next_job(&mut self, i: usize) {
        let Some((op, job)) = self.hosts[i].jobs.pop_front() else { return };
        let result = self.do_job(i, op, job);
        self.feed(i, Input::Done { op, result });
    }

    fn do_job(&mut self, i: usize, op: OpId, job: Job) -> Outcome {
        let h = &mut self.hosts[i];
        let fail = |kind, message: &str| Outcome::Failed(JobError { kind, message: message.into() });
        let no_file = || fail(JobErrorKind::NotFound, "no such file");
        if h.disk_full && matches!(job, Job::Append { .. } | Job::Commit { .. } | Job::Replace { .. }) {
            return fail(JobErrorKind::NoSpace, "no space left on the device");
        }
        match job {
            Job::LoadTls { tls } if tls.cert_file != "good.pem" => {
                fail(JobErrorKind::NotFound, &format!("{}: no such file", tls.cert_file))
            }
            Job::LoadTls { tls } => {
                h.tls = Some(tls);
                Outcome::Loaded
            }
            Job::Listen { at, tls, .. } => {
                let a = at.tcp().expect("the hosts of a world have no unix sockets");
                // As Linux has it: all addresses of a family, or each one by itself.
                let all = |b: &SocketAddr| a.ip().is_unspecified() || b.ip().is_unspecified();
                let meets = |b: &SocketAddr| a.port() == b.port() && a.is_ipv4() == b.is_ipv4();
                if h.absent.contains(&a.ip()) {
                    return fail(JobErrorKind::NotAvailable, "cannot assign requested address");
                }
                if h.taken.contains(&a.port()) || h.listeners.values().any(|b| a == *b || meets(b) && all(b)) {
                    return fail(JobErrorKind::InUse, "address in use");
                }
                assert!(!tls || h.tls.is_some(), "certificates come before a listener that needs them");
                h.listeners.insert(op, a);
                if tls {
                    h.tls_ports.insert(a.port())
                } else {
                    h.tls_ports.remove(&a.port())
                };
                Outcome::Listening(at)
            }
            Job::Resolve { host } => match host.parse::<IpAddr>() {
                Ok(ip) => Outcome::Resolved(vec![ip]),
                Err(_) if &*host == "localhost" => Outcome::Resolved(vec![IpAddr::from([127, 0, 0, 1])]),
                Err(_) => fail(JobErrorKind::NoSuchHost, "no such name"),
            },
            Job::Read { file, at, len } => match h.files.get(&*file) {
                Some(f) => {
                    let from = f.len().min(at as usize);
                    Outcome::Read(f[from..f.len().min(from + len)].to_vec().into())
                }
                None => no_file(),
            },
            Job::Append { file, at, bytes, .. } => {
                let f = h.files.entry(file.to_string()).or_default();
                if at == 0 {
                    f.clear();
                }
                assert_eq!(at, f.len() as u64, "an append goes to the end of {file}");
                f.extend(bytes.concat());
                Outcome::Written
            }
            Job::Commit { file, to } => match h.files.remove(&*file) {
                Some(f) => {
                    h.files.insert(to.to_string(), f);
                    Outcome::Written
                }
                None => no_file(),
            },
            Job::Replace { file, bytes } => {
                h.files.insert(file.to_string(), bytes.to_vec());
                Outcome::Written
            }
            Job::Remove { file } => {
                h.files.remove(&*file);
                Outcome::Written
            }
            Job::Stat { file } => Outcome::Stat(h.files.get(&*file).map(|f| f.len() as u64)),
            Job::Usage => Outcome::Usage(Usage::default()),
            _ => fail(JobErrorKind::Other, "not in this world"),
        }
    }

    /// Does all that is ready, at this moment of time.
    pub fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return self.check_quiet();
            }
        }
        panic!("the world does not come to rest");
    }

    /// Does `n` things that are ready.
    pub fn steps(&mut self, n: usize) {
        for _ in 0..n {
            self.step();
        }
    }

    /// A number below `n`, by the seed.
    pub fn pick(&mut self, n: u64) -> u64 {
        self.rng.below(n)
    }

    /// Nothing is forgotten: who has bytes to send has said so.
    fn check_quiet(&mut self) {
        for h in self.hosts.iter_mut().filter(|h| h.exit.is_none()) {
            for (conn, c) in &h.conns {
                if !c.write {
                    let mut chunks = Chunks::new();
                    h.node.transmit(*conn, 1, &mut chunks);
                    assert_eq!(chunks.bytes(), 0, "{conn:?} owes bytes and says nothing");
                }
            }
        }
    }

    /// Lets `ms` pass, with every deadline in its turn.
    pub fn advance(&mut self, ms: u64) {
        let to = self.now_us + ms * 1000;
        loop {
            self.run();
            let alive = self.hosts.iter().enumerate().filter(|(_, h)| h.exit.is_none());
            let next = alive.filter_map(|(i, h)| Some((h.node.deadline()?, i))).min();
            match next.filter(|(at, _)| at.as_micros() <= to) {
                Some((at, i)) => {
                    self.now_us = self.now_us.max(at.as_micros());
                    self.feed(i, Input::Tick);
                }
                None => break,
            }
        }
        self.now_us = to;
    }

    /// Lets time pass without a tick, as when the process was stopped.
    pub fn freeze(&mut self, ms: u64) {
        self.now_us += ms * 1000;
    }

    /// What a node listens on, in order.
    pub fn listening(&self, i: usize) -> Vec<String> {
        let mut list: Vec<String> = self.hosts[i].listeners.values().map(ToString::to_string).collect();
        list.sort();
        list
    }

    pub fn signal(&mut self, i: usize) {
        self.feed(i, Input::Shutdown { signal: Signal::Term });
        self.run();
    }

    pub fn call(&mut self, i: usize, call: Call) {
        self.feed(i, Input::Call(call));
        self.run();
    }

    /// Cuts every connection between two nodes, where it stands.
    pub fn cut(&mut self, a: usize, b: usize) {
        let between = |h: &Host<D>, other: usize| -> Vec<ConnId> {
            let of = |p: Peer| matches!(p, Peer::Node(j, _) if j == other);
            h.conns.iter().filter(|(_, c)| of(c.peer)).map(|(id, _)| *id).collect()
        };
        for (i, j) in [(a, b), (b, a)] {
            for conn in between(&self.hosts[i], j) {
                if let Some(c) = self.hosts[i].conns.get_mut(&conn) {
                    c.ended = true;
                    c.peer = Peer::Gone;
                    c.inbox.clear();
                }
            }
        }
    }

    /// Changes what is on its way from node `a` to node `b`; whether there was anything.
    pub fn tamper(&mut self, a: usize, b: usize, change: impl Fn(&mut Vec<u8>)) -> bool {
        let mut any = false;
        for c in self.hosts[b].conns.values_mut() {
            if matches!(c.peer, Peer::Node(j, _) if j == a) && !c.inbox.is_empty() {
                change(&mut c.inbox);
                any = true;
            }
        }
        any
    }

    /// Bytes that a node's disk was given to write and has not written.
    pub fn unwritten(&self, i: usize) -> usize {
        let bytes = |job: &Job| match job {
            Job::Append { bytes, .. } => bytes.iter().map(bytes::Bytes::len).sum(),
            _ => 0,
        };
        self.hosts[i].jobs.iter().map(|(_, job)| bytes(job)).sum()
    }

    /// What is on its way from node `a` to node `b`.
    pub fn in_flight(&self, a: usize, b: usize) -> Vec<u8> {
        let from = |c: &&Conn| matches!(c.peer, Peer::Node(j, _) if j == a);
        self.hosts[b].conns.values().filter(from).flat_map(|c| c.inbox.clone()).collect()
    }
}

/// Runs each of these tests over both datasets.
#[macro_export]
macro_rules! over_both {
    ($($name:ident)*) => {
        mod keyspace {
            $(#[test] fn $name() { super::$name::<primacy_core::keyspace::Keyspace>(); })*
        }
        mod store {
            $(#[test] fn $name() { super::$name::<$crate::support::store::Store>(); })*
        }
    };
}
