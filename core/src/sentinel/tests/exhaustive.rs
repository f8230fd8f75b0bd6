//! Every order of messages of a small election: three sentinels, one master that died, one crash anywhere.
//!
//! The shipped machines are driven by their door. From the moment that all see the master down, everything that may
//! happen next is tried: a message between two sentinels arrives, a deadline passes, a write reaches the disk, one of
//! them crashes (its last write made it or not) and comes back from its file. What was told to anybody is remembered:
//! a sentinel has one vote per epoch, and an epoch has one leader. States that were seen are not gone into again.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use std::format;

use super::rig::{Fake, MASTER, ms, run_id};
use crate::config::sentinel::{KnownSentinel, MasterSettings, SentinelConfig};
use crate::ids::{ConnId, OpId, RunId};
use crate::machine::{
    Action, Actions, Chunks, Closed, Endpoint, Input, Job, JobError, JobErrorKind, Machine, NoMeter, Outcome, Usage,
};
use crate::resp::{Replies, ReplyLimits, RequestLimits, Requests, Value};
use crate::rng::Rng;
use crate::sentinel::{Call, Event, Files, Plain, Sentinel, What};
use crate::time::{Instant, Now};

const N: usize = 3;
const REPLICA: u16 = 6380;
const PORT: u16 = 26379;
/// Half a period of PINGs beside a multiple of it, so that few of those lie in the window.
const DOWN_AFTER: u64 = 8_500;
/// How far beyond the beginning of the exploration the clock of a sentinel may go.
const WINDOW: Duration = ms(250);

/// One end of a connection between sentinels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct End {
    node: usize,
    conn: ConnId,
}

struct Node {
    sentinel: Sentinel,
    now: Instant,
    /// The state file.
    file: Vec<u8>,
    /// Writes that did not reach it yet.
    jobs: VecDeque<(OpId, Job)>,
    /// Connections to fakes.
    servers: BTreeMap<ConnId, (u16, Requests)>,
    accepted: u64,
    crashes: u32,
}

/// What one of the next things is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    /// What waits first on the way to this end arrives.
    Deliver(End),
    Tick(usize),
    Disk(usize),
    /// Whether the write that was under way made it.
    Crash(usize, bool),
}

struct World {
    nodes: Vec<Node>,
    fakes: BTreeMap<u16, Fake>,
    /// Both ends of every connection between sentinels.
    ends: BTreeMap<End, End>,
    /// What is on its way to an end.
    pipes: BTreeMap<End, VecDeque<Vec<u8>>>,
    /// To read what is told: the requests that come to an end, and the answers that come to it.
    readers: BTreeMap<End, (Requests, Replies)>,
    /// Told votes: whose, in which epoch, for whom.
    votes: BTreeMap<(usize, u64), RunId>,
    /// Leaders by epoch.
    leaders: BTreeMap<u64, usize>,
    exploring: Option<Instant>,
    master_dead: bool,
    crashed: bool,
}

fn config(i: usize) -> SentinelConfig {
    let mut config = SentinelConfig::new();
    let mut set = MasterSettings::new("m", "127.0.0.1", MASTER, 2);
    set.down_after_ms = DOWN_AFTER;
    set.replicas.push(("127.0.0.1".into(), REPLICA));
    set.sentinels = (0..N)
        .filter(|k| *k != i)
        .map(|k| KnownSentinel { host: "127.0.0.1".into(), port: PORT + k as u16, run_id: Some(id(k)) })
        .collect();
    config.masters.push(set);
    config.settings.port = PORT + i as u16;
    config.global.myid = Some(id(i));
    config
}

fn id(i: usize) -> RunId {
    run_id(PORT + i as u16)
}

fn sentinel(i: usize) -> Sentinel {
    let files = Files { config: None, state: Some("state".into()) };
    Sentinel::new(config(i), files, [i as u8 + 1; 32], Box::new(NoMeter), crate::client::About::default())
}

impl World {
    /// Three sentinels that know each other and have just lost their master: about to decide.
    fn new() -> Self {
        let mut master = Fake::server(MASTER, None);
        master.replicas = vec![REPLICA];
        let mut world = Self {
            nodes: (0..N).map(|i| Node::new(sentinel(i), Instant::from_micros(1))).collect(),
            fakes: [(MASTER, master), (REPLICA, Fake::server(REPLICA, Some(MASTER)))].into(),
            ends: BTreeMap::new(),
            pipes: BTreeMap::new(),
            readers: BTreeMap::new(),
            votes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            exploring: None,
            master_dead: false,
            crashed: false,
        };
        for i in 0..N {
            world.feed(i, Input::Tick);
        }
        world.pass(ms(3_500));
        world.kill_master();
        // Just before the first one sees it down.
        let good = |i: usize| world.nodes[i].sentinel.links.get(world.group(i).master.link).map(|l| l.good);
        let first = (0..N).filter_map(good).min().expect("all have a link") + ms(DOWN_AFTER);
        world.pass(first.since(world.nodes[0].now).saturating_sub(Duration::from_micros(1)));
        world.exploring = Some(world.nodes[0].now);
        world
    }

    fn group(&self, i: usize) -> &crate::sentinel::Group {
        self.nodes[i].sentinel.group("m").expect("it is watched")
    }

    fn kill_master(&mut self) {
        self.master_dead = true;
        for i in 0..N {
            let gone: Vec<ConnId> =
                self.nodes[i].servers.iter().filter(|(_, s)| s.0 == MASTER).map(|(&c, _)| c).collect();
            for conn in gone {
                self.nodes[i].servers.remove(&conn);
                self.feed(i, Input::Closed { conn, reason: Closed::Reset });
            }
        }
    }

    /// Time passes for all alike, and messages arrive at once.
    fn pass(&mut self, time: Duration) {
        let end = self.nodes[0].now + time;
        loop {
            while let Some(step) = self.next_message() {
                self.step(step);
            }
            let next = (0..N).filter_map(|i| Some((self.nodes[i].sentinel.deadline()?, i))).min();
            let Some((at, i)) = next.filter(|(at, _)| *at <= end) else { break };
            for node in &mut self.nodes {
                node.now = node.now.max(at);
            }
            self.feed(i, Input::Tick);
        }
        for node in &mut self.nodes {
            node.now = end;
        }
    }

    fn next_message(&self) -> Option<Step> {
        let disk = (0..N).find(|&i| !self.nodes[i].jobs.is_empty()).map(Step::Disk);
        disk.or_else(|| self.pipes.iter().find(|(_, p)| !p.is_empty()).map(|(&end, _)| Step::Deliver(end)))
    }

    /// Everything that may happen next, crashes last.
    fn choices(&self) -> Vec<Step> {
        let mut list: Vec<Step> =
            self.pipes.iter().filter(|(_, p)| !p.is_empty()).map(|(&end, _)| Step::Deliver(end)).collect();
        let last = self.exploring.unwrap_or_default() + WINDOW;
        for (i, node) in self.nodes.iter().enumerate() {
            if node.sentinel.deadline().is_some_and(|at| at <= last) {
                list.push(Step::Tick(i));
            }
            if !node.jobs.is_empty() {
                list.push(Step::Disk(i));
            }
        }
        for (i, node) in self.nodes.iter().enumerate().filter(|_| !self.crashed) {
            list.push(Step::Crash(i, false));
            if !node.jobs.is_empty() {
                list.push(Step::Crash(i, true));
            }
        }
        list
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Deliver(end) => {
                let Some(bytes) = self.pipes.get_mut(&end).and_then(VecDeque::pop_front) else { return };
                self.read(end, &bytes);
                self.feed(end.node, Input::Received { conn: end.conn, bytes: &bytes });
            }
            Step::Tick(i) => {
                let Some(at) = self.nodes[i].sentinel.deadline() else { return };
                self.nodes[i].now = self.nodes[i].now.max(at);
                self.feed(i, Input::Tick);
            }
            Step::Disk(i) => {
                if let Some((op, job)) = self.nodes[i].jobs.pop_front() {
                    let result = self.nodes[i].disk(&job);
                    self.feed(i, Input::Done { op, result });
                }
            }
            Step::Crash(i, written) => self.crash(i, written),
        }
    }

    fn crash(&mut self, i: usize, written: bool) {
        self.crashed = true;
        if written && let Some((_, job)) = self.nodes[i].jobs.pop_front() {
            let _ = self.nodes[i].disk(&job);
        }
        let gone: Vec<(End, End)> = self.ends.iter().filter(|(a, _)| a.node == i).map(|(&a, &b)| (a, b)).collect();
        let node = &mut self.nodes[i];
        let (now, file, accepted) = (node.now, core::mem::take(&mut node.file), node.accepted);
        let crashes = node.crashes + 1;
        *node = Node { file, accepted, crashes, ..Node::new(sentinel(i), now) };
        for (a, b) in gone {
            for end in [a, b] {
                self.ends.remove(&end);
                self.pipes.remove(&end);
                self.readers.remove(&end);
            }
            self.feed(b.node, Input::Closed { conn: b.conn, reason: Closed::Reset });
        }
        // Its file is read before anything else happens to it.
        self.feed(i, Input::Tick);
        while let Some((op, job)) = self.nodes[i].jobs.pop_front() {
            let result = self.nodes[i].disk(&job);
            self.feed(i, Input::Done { op, result });
        }
    }

    fn feed(&mut self, i: usize, input: Input<'_, Call>) {
        let now = Now::new(self.nodes[i].now, 1_700_000_000_000);
        let mut out = Actions::new();
        self.nodes[i].sentinel.handle(now, input, &mut out);
        let list: Vec<_> = out.drain().collect();
        for action in list {
            self.act(i, action);
        }
    }

    fn act(&mut self, i: usize, action: Action<Event>) {
        match action {
            Action::Connect { conn, to, .. } => self.connect(i, conn, to.tcp().map_or(0, |a| a.port())),
            Action::Close { conn } => self.close(End { node: i, conn }),
            Action::Interest { conn, write: true, .. } => self.sends(i, conn),
            Action::Start { op, job: Job::Listen { at, .. } } => {
                self.feed(i, Input::Done { op, result: Outcome::Listening(at) });
            }
            Action::Start { op, job: Job::Usage } => {
                self.feed(i, Input::Done { op, result: Outcome::Usage(Usage::default()) });
            }
            Action::Start { op, job } => self.nodes[i].jobs.push_back((op, job)),
            Action::Event(Event { what: What::Plain(Plain::Elected), .. }) => {
                let epoch = self.group(i).failover.epoch;
                let other = self.leaders.insert(epoch, i);
                assert!(other.is_none_or(|o| o == i), "epoch {epoch} has two leaders: {other:?} and {i}");
            }
            _ => {}
        }
    }

    fn connect(&mut self, i: usize, conn: ConnId, port: u16) {
        let at = |port: u16| Endpoint::Tcp(SocketAddr::new([127, 0, 0, 1].into(), port));
        let peer = usize::from(port.wrapping_sub(PORT));
        if peer < N {
            self.nodes[peer].accepted += 1;
            let there = ConnId::accepted(self.nodes[peer].accepted);
            let (a, b) = (End { node: i, conn }, End { node: peer, conn: there });
            for (x, y) in [(a, b), (b, a)] {
                self.ends.insert(x, y);
                self.pipes.insert(x, VecDeque::new());
                self.readers.insert(x, (Requests::new(), Replies::new(ReplyLimits::default())));
            }
            let listener = OpId::from_u64(1);
            self.feed(peer, Input::Accepted { conn: there, listener, local: at(port), peer: at(50_000), tls: false });
        } else if port == MASTER && self.master_dead {
            self.feed(i, Input::Closed { conn, reason: Closed::Refused });
            return;
        } else {
            self.nodes[i].servers.insert(conn, (port, Requests::new()));
        }
        self.feed(i, Input::Connected { conn, local: at(50_000), peer: at(port), tls: false });
    }

    fn close(&mut self, end: End) {
        self.nodes[end.node].servers.remove(&end.conn);
        let Some(other) = self.ends.remove(&end) else { return };
        for end in [end, other] {
            self.ends.remove(&end);
            self.pipes.remove(&end);
            self.readers.remove(&end);
        }
        self.feed(other.node, Input::Closed { conn: other.conn, reason: Closed::Clean });
    }

    fn sends(&mut self, i: usize, conn: ConnId) {
        let mut chunks = Chunks::new();
        self.nodes[i].sentinel.transmit(conn, usize::MAX, &mut chunks);
        let bytes = chunks.concat();
        self.feed(i, Input::Sent { conn, len: bytes.len() });
        if let Some(&other) = self.ends.get(&End { node: i, conn }) {
            self.pipes.entry(other).or_default().push_back(bytes);
        } else if let Some((port, mut requests)) = self.nodes[i].servers.remove(&conn) {
            // Servers answer at once: what they say is no matter of order here.
            let mut answer = Vec::new();
            let mut input = &bytes[..];
            while let Ok(Some(args)) = requests.next(&mut input, &RequestLimits::default()) {
                let words: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
                if let Some(fake) = self.fakes.get_mut(&port) {
                    answer.extend(fake.answer(port, &words));
                }
            }
            self.nodes[i].servers.insert(conn, (port, requests));
            self.feed(i, Input::Received { conn, bytes: &answer });
        }
    }

    /// What is told by these bytes: a request for votes is a vote for oneself, an answer is a vote.
    fn read(&mut self, to: End, bytes: &[u8]) {
        let Some(&from) = self.ends.get(&to) else { return };
        let Some((requests, replies)) = self.readers.get_mut(&to) else { return };
        let mut told = Vec::new();
        let mut input = bytes;
        if to.conn.is_opened() {
            while let Ok(Some(value)) = replies.next(&mut input) {
                if let Some([Value::Integer(_), leader, Value::Integer(epoch)]) = value.as_array()
                    && let Some(leader) = leader.as_bytes().and_then(|b| RunId::parse(b).ok())
                {
                    told.push((*epoch as u64, leader));
                }
            }
        } else {
            while let Ok(Some(args)) = requests.next(&mut input, &RequestLimits::default()) {
                if args.is(1, "is-master-down-by-addr")
                    && let Ok(leader) = RunId::parse(args.at(5))
                {
                    let epoch = str::from_utf8(args.at(4)).ok().and_then(|e| e.parse().ok()).unwrap_or_default();
                    told.push((epoch, leader));
                }
            }
        }
        for (epoch, leader) in told {
            let old = *self.votes.entry((from.node, epoch)).or_insert(leader);
            assert_eq!(old, leader, "sentinel {} has two votes in epoch {epoch}", from.node);
        }
    }

    /// All that may make a difference to what comes.
    fn digest(&self) -> String {
        let nodes = self.nodes.iter().map(|n| {
            let s = &n.sentinel;
            let group = s.group("m").map(|g| {
                let peers: Vec<_> = g.peers.values().map(|p| (p.answer, p.vote, p.down.is_some())).collect();
                format!("{:?} {:?} {:?} {} {:?}", g.vote, g.failover, peers, g.config_epoch, g.master.addr)
            });
            format!("{:?} {:?} {:?} {:?} {:?} {:?} {}", n.now, s.epoch(), group, n.file, n.jobs, s.timers, n.crashes)
        });
        let nodes: Vec<String> = nodes.collect();
        format!("{nodes:?} {:?} {}", self.pipes, self.crashed)
    }
}

impl Node {
    fn new(sentinel: Sentinel, now: Instant) -> Self {
        let (jobs, servers) = (VecDeque::new(), BTreeMap::new());
        Self { sentinel, now, file: Vec::new(), jobs, servers, accepted: 0, crashes: 0 }
    }

    /// Does a job on the one file that there is.
    fn disk(&mut self, job: &Job) -> Outcome {
        match job {
            Job::Read { at, .. } if self.file.is_empty() && *at == 0 => {
                Outcome::Failed(JobError { kind: JobErrorKind::NotFound, message: "not there".into() })
            }
            Job::Read { at, len, .. } => {
                let from = (*at as usize).min(self.file.len());
                let to = from.saturating_add(*len).min(self.file.len());
                Outcome::Read(self.file[from..to].to_vec().into())
            }
            Job::Append { at, bytes, .. } => {
                self.file.truncate(*at as usize);
                self.file.extend(bytes.concat());
                Outcome::Written
            }
            Job::Replace { bytes, .. } => {
                self.file = bytes.to_vec();
                Outcome::Written
            }
            other => panic!("no sentinel asks its disk for {other:?}"),
        }
    }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// What an exploration saw.
#[derive(Default, Debug)]
struct Seen {
    states: BTreeSet<u64>,
    runs: u64,
    leaders: u64,
    later_epochs: u64,
}

/// Goes through the states until `most` were seen, or all. A path is run again from its beginning where it forks; which
/// fork comes next is drawn, so that a part of the states is a sample of all.
fn explore(most: usize, depth: usize) -> Seen {
    let mut seen = Seen::default();
    let mut rng = Rng::new([5; 32]);
    let mut paths: Vec<Vec<Step>> = vec![Vec::new()];
    while !paths.is_empty() {
        let mut path = paths.swap_remove(rng.below(paths.len() as u64) as usize);
        let mut world = World::new();
        seen.runs += 1;
        for &step in &path {
            world.step(step);
        }
        loop {
            if !seen.states.insert(hash(&world.digest())) || path.len() >= depth || seen.states.len() >= most {
                break;
            }
            let mut choices = world.choices();
            if choices.is_empty() {
                break;
            }
            // A crash is a fork of every path, and goes on as one: else all crash before anything has happened.
            let calm = choices.iter().filter(|c| !matches!(c, Step::Crash(..))).count().max(1);
            let first = choices.swap_remove(rng.below(calm as u64) as usize);
            paths.extend(choices.into_iter().map(|c| path.iter().copied().chain([c]).collect()));
            path.push(first);
            world.step(first);
        }
        seen.leaders += u64::from(!world.leaders.is_empty());
        seen.later_epochs += u64::from(world.leaders.keys().any(|e| *e > 1));
        if seen.states.len() >= most {
            break;
        }
    }
    seen
}

#[test]
fn no_order_of_messages_and_no_crash_makes_two_leaders_or_two_votes() {
    let most = std::env::var("PRIMACY_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    let seen = explore(most, 60);
    std::println!(
        "{} states, {} runs, {} with a leader, {} of a later epoch",
        seen.states.len(),
        seen.runs,
        seen.leaders,
        seen.later_epochs
    );
    assert!(seen.leaders > 0, "nobody was ever elected: this showed nothing");
}
