//! One sentinel, and around it servers and sentinels that answer as they are told to.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;
use std::format;

use crate::config::sentinel::{KnownSentinel, MasterSettings, SentinelConfig};
use crate::ids::{ConnId, OpId, RunId};
use crate::machine::{
    Action, Actions, Chunks, Closed, Endpoint, Input, Job, JobError, JobErrorKind, Machine, NoMeter, Outcome,
};
use crate::resp::{Args, RequestLimits, Requests};
use crate::sentinel::{About, Event, Files, Sentinel};
use crate::time::{Instant, Now};

/// How long a byte is on its way.
pub(super) const WAY: Duration = Duration::from_millis(1);
/// How long a full disk thinks before it says so.
const DISK: Duration = Duration::from_millis(80);

/// A process that the sentinel talks to.
#[derive(Clone, Debug)]
pub(super) struct Fake {
    pub(super) run_id: RunId,
    /// Nobody listens there.
    pub(super) dead: bool,
    /// It takes bytes and says nothing.
    pub(super) frozen: bool,
    /// Its connections take no bytes.
    pub(super) blocked: bool,
    /// What it answers to PING.
    pub(super) ping: String,
    /// `None` for a master.
    pub(super) master: Option<u16>,
    pub(super) link_up: bool,
    pub(super) offset: u64,
    pub(super) priority: u32,
    pub(super) replicas: Vec<u16>,
    /// A sentinel: whether it says that the master is down, and how it votes.
    pub(super) says_down: bool,
    /// Its vote, by epoch; votes for whom asks first unless it is there already.
    pub(super) votes: BTreeMap<u64, RunId>,
    /// It does not give votes at all.
    pub(super) abstains: bool,
    /// It takes no SLAVEOF, for the reason that Redis gives to a user who may not, or within EXEC.
    pub(super) refuses: Option<Refuses>,
    /// Frames that it got, as words with spaces.
    pub(super) heard: Vec<String>,
    held: Vec<(ConnId, Vec<String>)>,
}

/// When a fake refuses what a sentinel tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refuses {
    Queueing,
    Running,
}

pub(super) fn run_id(n: u16) -> RunId {
    RunId::parse(format!("{n:040}").as_bytes()).unwrap()
}

impl Fake {
    pub(super) fn server(port: u16, master: Option<u16>) -> Self {
        Self {
            run_id: run_id(port),
            dead: false,
            frozen: false,
            blocked: false,
            ping: "+PONG".into(),
            master,
            link_up: true,
            offset: 100,
            priority: 100,
            replicas: Vec::new(),
            says_down: false,
            votes: BTreeMap::new(),
            abstains: false,
            refuses: None,
            heard: Vec::new(),
            held: Vec::new(),
        }
    }

    /// What it answers to a command.
    pub(super) fn answer(&mut self, port: u16, words: &[String]) -> Vec<u8> {
        let w: Vec<&str> = words.iter().map(String::as_str).collect();
        match w[..] {
            ["PING"] => format!("{}\r\n", self.ping).into_bytes(),
            ["INFO"] => {
                let text = self.info(port);
                format!("${}\r\n{text}\r\n", text.len()).into_bytes()
            }
            ["SUBSCRIBE", name] => format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{name}\r\n:1\r\n", name.len()).into_bytes(),
            ["SLAVEOF", ..] if self.refuses == Some(Refuses::Queueing) => {
                b"-NOPERM this user has no permissions to run the 'slaveof' command\r\n".into()
            }
            ["SLAVEOF", ..] if self.refuses.is_some() => b"+QUEUED\r\n".into(),
            ["EXEC"] => match self.refuses {
                Some(Refuses::Queueing) => b"-EXECABORT Transaction discarded because of previous errors.\r\n".into(),
                Some(Refuses::Running) => b"*4\r\n-ERR not now\r\n+OK\r\n:0\r\n:0\r\n".into(),
                None => b"*4\r\n+OK\r\n-ERR The server is running without a config file\r\n:0\r\n:0\r\n".into(),
            },
            ["SLAVEOF", "NO", "ONE"] => {
                self.master = None;
                b"+QUEUED\r\n".into()
            }
            ["SLAVEOF", _, port] => {
                self.master = port.parse().ok();
                b"+QUEUED\r\n".into()
            }
            ["SENTINEL", "is-master-down-by-addr", _, _, epoch, id] => {
                let epoch: u64 = epoch.parse().unwrap();
                if let Ok(id) = id.parse::<RunId>()
                    && !self.abstains
                {
                    self.votes.entry(epoch).or_insert(id);
                }
                let vote = self.votes.last_key_value().filter(|_| id != "*");
                let (leader, at) = vote.map_or(("*".to_string(), 0), |(e, l)| (l.to_string(), *e));
                format!("*3\r\n:{}\r\n${}\r\n{leader}\r\n:{at}\r\n", i32::from(self.says_down), leader.len())
                    .into_bytes()
            }
            _ => b"+OK\r\n".into(),
        }
    }

    fn info(&self, port: u16) -> String {
        let Self { run_id, offset, priority, .. } = self;
        let id = format!("{:040x}", 7);
        let mut text =
            format!("run_id:{run_id}\r\nmaster_replid:{id}\r\nmaster_repl_offset:{offset}\r\ntcp_port:{port}\r\n");
        match self.master {
            None => {
                text += "role:master\r\n";
                for (i, p) in self.replicas.iter().enumerate() {
                    let _ = write!(text, "slave{i}:ip=127.0.0.1,port={p},state=online,offset=1,lag=0\r\n");
                }
            }
            Some(master) => {
                let status = if self.link_up { "up" } else { "down" };
                let _ = write!(
                    text,
                    "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:{master}\r\nmaster_link_status:{status}\r\n\
                     slave_priority:{priority}\r\nslave_repl_offset:{offset}\r\n"
                );
            }
        }
        text
    }
}

/// A sentinel among fakes.
pub(super) struct Rig {
    pub(super) sentinel: Sentinel,
    pub(super) now: Instant,
    pub(super) fakes: BTreeMap<u16, Fake>,
    pub(super) events: Vec<(Instant, Event)>,
    conns: BTreeMap<ConnId, (u16, Requests)>,
    /// What arrives when: bytes of a fake, a connection that stands or not.
    coming: BTreeMap<(Instant, u64), Coming>,
    number: u64,
    actions: Actions<Event>,
    /// Nothing can be written.
    pub(super) disk_full: bool,
    /// What was listened on, and connections that the sentinel closed.
    listeners: Vec<(OpId, Endpoint)>,
    closed: Vec<ConnId>,
    scrapes: u64,
}

enum Coming {
    Bytes(ConnId, Vec<u8>),
    Stands(ConnId),
    Refused(ConnId),
    Question(ConnId, Vec<u8>),
    Failed(OpId, JobErrorKind),
}

pub(super) const MASTER: u16 = 6379;

/// A master `mymaster` at [`MASTER`] with `replicas` behind it and `peers` other sentinels from 26380 on.
pub(super) fn rig(replicas: &[u16], peers: u16, quorum: u32, down_after_ms: u64) -> Rig {
    rig_with(replicas, peers, quorum, down_after_ms, Files::default())
}

/// The same with files.
pub(super) fn rig_with(replicas: &[u16], peers: u16, quorum: u32, down_after_ms: u64, files: Files) -> Rig {
    made(replicas, peers, quorum, down_after_ms, files, |_| {})
}

/// One whose configuration is changed before it begins.
pub(super) fn rig_that(
    replicas: &[u16],
    peers: u16,
    quorum: u32,
    down_after_ms: u64,
    change: impl FnOnce(&mut SentinelConfig),
) -> Rig {
    made(replicas, peers, quorum, down_after_ms, Files::default(), change)
}

fn made(
    replicas: &[u16],
    peers: u16,
    quorum: u32,
    down_after_ms: u64,
    files: Files,
    change: impl FnOnce(&mut SentinelConfig),
) -> Rig {
    let mut config = SentinelConfig::new();
    let mut set = MasterSettings::new("mymaster", "127.0.0.1", MASTER, quorum);
    set.down_after_ms = down_after_ms;
    set.failover_timeout_ms = 10_000;
    let mut fakes = BTreeMap::new();
    let mut master = Fake::server(MASTER, None);
    master.replicas = replicas.to_vec();
    fakes.insert(MASTER, master);
    for &r in replicas {
        fakes.insert(r, Fake::server(r, Some(MASTER)));
    }
    for port in (26380..).take(peers.into()) {
        fakes.insert(port, Fake::server(port, None));
        set.sentinels.push(KnownSentinel { host: "127.0.0.1".into(), port, run_id: Some(run_id(port)) });
    }
    config.masters.push(set);
    config.global.myid = Some(run_id(1));
    change(&mut config);
    let sentinel = Sentinel::new(config, files, [7; 32], Box::new(NoMeter), About::default());
    let mut rig = Rig {
        sentinel,
        now: Instant::from_micros(1),
        fakes,
        events: Vec::new(),
        conns: BTreeMap::new(),
        coming: BTreeMap::new(),
        number: 0,
        actions: Actions::new(),
        disk_full: false,
        listeners: Vec::new(),
        closed: Vec::new(),
        scrapes: 0,
    };
    rig.feed(Input::Tick);
    rig
}

impl Rig {
    fn feed(&mut self, input: Input<'_, crate::sentinel::Call>) {
        let now = Now::new(self.now, 1_700_000_000_000 + self.now.as_micros() / 1000);
        let mut actions = core::mem::take(&mut self.actions);
        self.sentinel.handle(now, input, &mut actions);
        let list: Vec<_> = actions.drain().collect();
        self.actions = actions;
        for action in list {
            self.act(action);
        }
    }

    fn later(&mut self, what: Coming) {
        self.later_by(WAY, what);
    }

    fn later_by(&mut self, time: Duration, what: Coming) {
        self.number += 1;
        self.coming.insert((self.now + time, self.number), what);
    }

    fn act(&mut self, action: Action<Event>) {
        match action {
            Action::Connect { conn, to, .. } => {
                let port = to.tcp().unwrap().port();
                self.conns.insert(conn, (port, Requests::new()));
                let dead = self.fakes.get(&port).is_none_or(|f| f.dead);
                self.later(if dead { Coming::Refused(conn) } else { Coming::Stands(conn) });
            }
            Action::Close { conn } => {
                self.conns.remove(&conn);
                self.closed.push(conn);
            }
            Action::Interest { conn, write: true, .. } if self.is_blocked(conn) => {}
            Action::Interest { conn, write: true, .. } if conn.is_opened() => {
                let mut chunks = Chunks::new();
                self.sentinel.transmit(conn, usize::MAX, &mut chunks);
                let bytes = chunks.concat();
                let len = bytes.len();
                self.later(Coming::Question(conn, bytes));
                self.feed(Input::Sent { conn, len });
            }
            Action::Event(event) => self.events.push((self.now, event)),
            Action::Start { op, job: Job::Listen { at, .. } } => {
                self.listeners.push((op, at.clone()));
                self.feed(Input::Done { op, result: Outcome::Listening(at) });
            }
            Action::Start { op, job: Job::Read { .. } } => self.fail(op, JobErrorKind::NotFound),
            Action::Start { op, .. } if self.disk_full => {
                self.later_by(DISK, Coming::Failed(op, JobErrorKind::NoSpace));
            }
            Action::Start { op, .. } => self.feed(Input::Done { op, result: Outcome::Written }),
            _ => {}
        }
    }

    /// What the metrics port answers to these bytes, before any time passes.
    pub(super) fn scrape(&mut self, says: core::fmt::Arguments<'_>) -> Vec<u8> {
        let port = |at: &Endpoint| at.tcp().is_some_and(|a| a.port() == 9121);
        let listener = self.listeners.iter().find(|(_, at)| port(at)).map(|(op, _)| *op).unwrap();
        self.scrapes += 1;
        let (conn, here) = (ConnId::accepted(1_000 + self.scrapes), Endpoint::Unix("".into()));
        self.feed(Input::Accepted { conn, listener, local: here.clone(), peer: here, tls: false });
        self.feed(Input::Received { conn, bytes: says.to_string().as_bytes() });
        let (mut heard, mut chunks) = (Vec::new(), Chunks::new());
        while !self.closed.contains(&conn) {
            chunks.clear();
            self.sentinel.transmit(conn, 10_000, &mut chunks);
            let bytes = chunks.concat();
            assert!(!bytes.is_empty(), "neither closed nor anything to send");
            heard.extend_from_slice(&bytes);
            self.feed(Input::Sent { conn, len: bytes.len() });
        }
        heard
    }

    fn is_blocked(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).and_then(|(port, _)| self.fakes.get(port)).is_some_and(|f| f.blocked)
    }

    fn fail(&mut self, op: OpId, kind: JobErrorKind) {
        let error = JobError { kind, message: "said the disk".into() };
        self.feed(Input::Done { op, result: Outcome::Failed(error) });
    }

    /// Lets so much time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let event = self.coming.keys().next().map(|k| k.0);
            let deadline = self.sentinel.deadline();
            let next = [event, deadline].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if event == Some(at) {
                let (_, what) = self.coming.pop_first().unwrap();
                self.arrive(what);
            } else {
                self.feed(Input::Tick);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, what: Coming) {
        match what {
            Coming::Stands(conn) if self.conns.contains_key(&conn) => {
                let at = Endpoint::Tcp("127.0.0.1:50000".parse().unwrap());
                self.feed(Input::Connected { conn, local: at.clone(), peer: at, tls: false });
            }
            Coming::Refused(conn) if self.conns.remove(&conn).is_some() => {
                self.feed(Input::Closed { conn, reason: Closed::Refused });
            }
            Coming::Bytes(conn, bytes) if self.conns.contains_key(&conn) => {
                self.feed(Input::Received { conn, bytes: &bytes });
            }
            Coming::Question(conn, bytes) => self.question(conn, &bytes),
            Coming::Failed(op, kind) => self.fail(op, kind),
            _ => {}
        }
    }

    fn question(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some((port, mut requests)) = self.conns.remove(&conn) else { return };
        let mut input = bytes;
        let mut answer = Vec::new();
        while let Ok(Some(args)) = requests.next(&mut input, &RequestLimits::default()) {
            let words = words(args);
            let Some(fake) = self.fakes.get_mut(&port) else { continue };
            fake.heard.push(words.join(" "));
            if fake.frozen {
                fake.held.push((conn, words));
            } else {
                answer.extend(self.answer(port, &words));
            }
        }
        self.conns.insert(conn, (port, requests));
        if !answer.is_empty() {
            self.later(Coming::Bytes(conn, answer));
        }
    }

    fn answer(&mut self, port: u16, words: &[String]) -> Vec<u8> {
        self.fakes.get_mut(&port).map(|fake| fake.answer(port, words)).unwrap_or_default()
    }

    /// A process dies: its connections are reset.
    pub(super) fn kill(&mut self, port: u16) {
        self.fakes.get_mut(&port).unwrap().dead = true;
        let gone: Vec<ConnId> = self.conns.iter().filter(|(_, (p, _))| *p == port).map(|(&c, _)| c).collect();
        for conn in gone {
            self.conns.remove(&conn);
            self.feed(Input::Closed { conn, reason: Closed::Reset });
        }
    }

    /// A frozen process answers the first thing that waits, and stays frozen.
    pub(super) fn answer_one(&mut self, port: u16) {
        let (conn, words) = self.fakes.get_mut(&port).unwrap().held.remove(0);
        let bytes = self.answer(port, &words);
        self.later(Coming::Bytes(conn, bytes));
    }

    /// Lets time pass until a process was sent `n` more PINGs; when the last one arrived.
    pub(super) fn pings(&mut self, port: u16, n: usize) -> Instant {
        let count = |r: &Self| r.fakes[&port].heard.iter().filter(|h| *h == "PING").count();
        let before = count(self);
        while count(self) < before + n {
            self.pass(Duration::from_micros(1));
        }
        self.now
    }

    /// A frozen process goes on: what waited is answered.
    pub(super) fn thaw(&mut self, port: u16) {
        let fake = self.fakes.get_mut(&port).unwrap();
        fake.frozen = false;
        for (conn, words) in core::mem::take(&mut fake.held) {
            let bytes = self.answer(port, &words);
            self.later(Coming::Bytes(conn, bytes));
        }
    }

    /// The sentinel stands still for so long, while a frozen process goes on; then it reads all the answers in one piece.
    pub(super) fn sleep_and_read(&mut self, time: Duration, port: u16) {
        self.now += time;
        let fake = self.fakes.get_mut(&port).unwrap();
        fake.frozen = false;
        let mut answers = BTreeMap::<ConnId, Vec<u8>>::new();
        for (conn, words) in core::mem::take(&mut fake.held) {
            let bytes = self.answer(port, &words);
            answers.entry(conn).or_default().extend(bytes);
        }
        for (conn, bytes) in answers {
            self.feed(Input::Received { conn, bytes: &bytes });
        }
        self.feed(Input::Tick);
    }

    /// A hello about `mymaster` by the master's channel, from the sentinel at `port`.
    pub(super) fn hello(&mut self, port: u16, epoch: u64, master: u16, config_epoch: u64) {
        let text = format!("127.0.0.1,{port},{},{epoch},mymaster,127.0.0.1,{master},{config_epoch}", run_id(port));
        let now = Now::new(self.now, 0);
        let mut actions = core::mem::take(&mut self.actions);
        self.sentinel.heard_hello(text.as_bytes(), &mut crate::sentinel::Cx { now, out: &mut actions });
        self.sentinel.settle(&mut crate::sentinel::Cx { now, out: &mut actions });
        let list: Vec<_> = actions.drain().collect();
        self.actions = actions;
        for action in list {
            self.act(action);
        }
    }

    /// When the first event of a name was told, and its payload.
    pub(super) fn first(&self, name: &str) -> Option<(Instant, String)> {
        self.events.iter().find(|(_, e)| e.what.name() == Some(name)).map(|(at, e)| (*at, e.payload()))
    }

    /// The lines of the log that belong to no event.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = self.events.iter().filter(|(_, e)| e.what.name().is_none());
        notes.map(|(_, e)| e.payload()).collect()
    }

    /// How often an event of a name was told.
    pub(super) fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|(_, e)| e.what.name() == Some(name)).count()
    }

    /// The names of all events since the start.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.events.iter().filter_map(|(_, e)| e.what.name()).collect()
    }
}

fn words(args: Args<'_>) -> Vec<String> {
    args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect()
}

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
