//! A workload client: a machine of its own that connects, pipelines operations, and keeps what it asked and heard.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::collections;
use super::ops::{Key, Kind, Mark, Op};
use crate::ids::{ConnId, Ids};
use crate::link::Link;
use crate::machine::{Action, Actions, Chunks, Endpoint, Input, SocketOptions};
use crate::resp::{Command, ReplyLimits, Value};
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use crate::timers::Timers;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its number: part of its marks.
    pub number: u32,
    /// The nodes it may speak to.
    pub nodes: Vec<SocketAddr>,
    /// Databases it chooses from.
    pub databases: u32,
    /// Keys of each kind.
    pub keys: u8,
    /// Operations of one batch, at most.
    pub pipeline: u64,
    /// The longest time between two batches, ms.
    pub think_ms: u64,
    /// No answer for so long: it connects anew.
    pub patience: Duration,
    /// Per mille of connections that go to the node it takes for the master.
    pub to_master: u64,
    /// Per mille of operations that read.
    pub reads: u64,
    /// Per mille of values that are large, and their length in bytes.
    pub large: (u64, u64),
    /// Per mille of batches that end with a WAIT.
    pub waits: u64,
    /// Per mille of writes that go to collections.
    pub collections: u64,
}

/// What a client is told by the program of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCall {
    /// This node is taken for the master from now on.
    Master(usize),
    /// It asks nothing new, and closes once it is answered.
    Quiet,
    /// It works (as it does from the beginning).
    Work,
    /// It reads every key of every database at this node, once.
    ReadAll(usize),
}

/// What a client did and saw, in order: what the checkers read.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It has a connection to this node, with this database.
    Connected {
        /// Index of the node.
        node: usize,
        /// The database that will be selected.
        db: u32,
    },
    /// It asked.
    Asked(Op),
    /// The oldest operation that has no answer is answered.
    Answered(Value),
    /// The connection ended: what has no answer may or may not have happened.
    Lost,
}

/// What a deadline of a client is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    Connect,
    Batch,
    Patience,
}

/// What a command on the wire is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Select,
    /// An answer that the operation does not report (MULTI, QUEUED).
    Inner,
    /// The answer of the operation.
    Whole,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Work,
    Quiet,
    /// All keys are to be asked for as soon as there is a connection.
    Reading,
}

/// A workload client. See the [module](self).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    ids: Ids,
    timers: Timers<Timer>,
    link: Option<Link<Part>>,
    /// The node of the connection, or of the next one.
    node: usize,
    db: u32,
    selected: bool,
    mode: Mode,
    master: usize,
    writes: u32,
    entries: Vec<Entry>,
    /// Databases that a reading of everything has not asked for yet.
    to_read: VecDeque<u32>,
    /// What was asked and not answered.
    open: usize,
}

/// An event of a client: it has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nothing {}

impl Client {
    /// A client that begins to work at its first tick, after a random part of a second.
    pub fn new(config: ClientConfig, seed: Seed) -> Self {
        let mut timers = Timers::new();
        timers.set(Timer::Connect, Instant::from_micros(1));
        Self {
            config,
            rng: Rng::new(seed),
            ids: Ids::default(),
            timers,
            link: None,
            node: 0,
            db: 0,
            selected: false,
            mode: Mode::Work,
            master: 0,
            writes: 0,
            entries: Vec::new(),
            to_read: VecDeque::new(),
            open: 0,
        }
    }

    /// What it did and saw so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether it has nothing open and nothing to do.
    pub fn is_idle(&self) -> bool {
        self.mode == Mode::Quiet && self.link.is_none()
    }

    /// Takes one thing that happened.
    pub fn handle<E>(&mut self, now: Instant, input: Input<'_, ClientCall>, out: &mut Actions<E>) {
        match input {
            Input::Tick => self.tick(now, out),
            Input::Connected { conn, .. } if self.is_ours(conn) => self.connected(now, out),
            Input::Received { conn, bytes } if self.is_ours(conn) => self.received(now, bytes, out),
            Input::Sent { conn, len } if self.is_ours(conn) => {
                if let Some(link) = &mut self.link {
                    link.sent(len, out);
                }
            }
            Input::Eof { conn } if self.is_ours(conn) => {
                out.push(Action::Close { conn });
                self.lost(now);
            }
            Input::Closed { conn, .. } if self.is_ours(conn) => self.lost(now),
            Input::Call(call) => self.called(now, &call, out),
            _ => {}
        }
    }

    /// Its next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Shows unsent bytes.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(link) = self.link.as_mut().filter(|l| l.conn() == conn) {
            link.transmit(budget, out);
        }
    }

    fn is_ours(&self, conn: ConnId) -> bool {
        self.link.as_ref().is_some_and(|l| l.conn() == conn)
    }

    fn called<E>(&mut self, now: Instant, call: &ClientCall, out: &mut Actions<E>) {
        match call {
            ClientCall::Master(node) => self.master = *node,
            ClientCall::Quiet => {
                self.mode = Mode::Quiet;
                self.timers.clear(Timer::Batch);
                self.timers.clear(Timer::Connect);
                if self.open == 0 {
                    self.hang_up(out);
                }
            }
            ClientCall::Work => {
                self.mode = Mode::Work;
                self.timers.set(Timer::Connect, now + Duration::from_micros(1));
            }
            ClientCall::ReadAll(node) => {
                self.hang_up(out);
                (self.mode, self.node) = (Mode::Reading, *node);
                self.to_read = (0..self.config.databases).collect();
                self.timers.set(Timer::Connect, now + Duration::from_micros(1));
            }
        }
    }

    fn tick<E>(&mut self, now: Instant, out: &mut Actions<E>) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Connect if self.link.is_none() => self.connect(now, out),
                Timer::Connect => {}
                Timer::Batch => self.batch(now, out),
                Timer::Patience => {
                    self.hang_up(out);
                    self.again(now);
                }
            }
        }
    }

    fn connect<E>(&mut self, now: Instant, out: &mut Actions<E>) {
        match self.mode {
            Mode::Quiet => return,
            Mode::Reading => self.db = self.to_read.front().copied().unwrap_or(0),
            Mode::Work => {
                let any = self.rng.below(self.config.nodes.len() as u64) as usize;
                self.node = if self.chance(self.config.to_master) { self.master } else { any };
                self.db = self.rng.below(u64::from(self.config.databases)) as u32;
            }
        }
        let Some(&to) = self.config.nodes.get(self.node) else { return };
        let conn = self.ids.conn();
        self.link = Some(Link::new(conn, ReplyLimits::default()));
        self.selected = false;
        let options = SocketOptions::default();
        out.push(Action::Connect { conn, to: Endpoint::Tcp(to), from: None, tls: false, options });
        self.timers.set(Timer::Patience, now + self.config.patience);
    }

    fn connected<E>(&mut self, now: Instant, out: &mut Actions<E>) {
        self.entries.push(Entry::Connected { node: self.node, db: self.db });
        let db = alloc::format!("{}", self.db);
        if let Some(link) = &mut self.link {
            link.connected(out);
            link.ask(&Command::new(&["SELECT", &db]), Part::Select, out);
        }
        self.timers.set(Timer::Patience, now + self.config.patience);
    }

    fn received<E>(&mut self, now: Instant, bytes: &[u8], out: &mut Actions<E>) {
        let mut input = bytes;
        while let Some(link) = &mut self.link {
            let Ok(answer) = link.next(&mut input) else {
                // What is no answer at all is for the checker to see.
                self.entries.push(Entry::Answered(Value::Error(b"PROTOCOL what came is no RESP".to_vec())));
                self.hang_up(out);
                return self.again(now);
            };
            let Some((part, value)) = answer else { break };
            match part {
                Some(Part::Select) if value.is("OK") => {
                    self.selected = true;
                    self.timers.clear(Timer::Patience);
                    self.timers.set(Timer::Batch, now + Duration::from_micros(1));
                }
                Some(Part::Select) | None => {
                    self.hang_up(out);
                    return self.again(now);
                }
                Some(Part::Inner) => {}
                Some(Part::Whole) => self.answered(now, value, out),
            }
        }
    }

    fn answered<E>(&mut self, now: Instant, value: Value, out: &mut Actions<E>) {
        let refused = value.as_error().is_some();
        self.entries.push(Entry::Answered(value));
        self.open = self.open.saturating_sub(1);
        self.timers.set(Timer::Patience, now + self.config.patience);
        if self.open > 0 {
            return;
        }
        self.timers.clear(Timer::Patience);
        // A client that is refused looks elsewhere now and then.
        let leaves = self.chance(if refused { 300 } else { 20 });
        match self.mode {
            Mode::Quiet => self.hang_up(out),
            Mode::Reading => {
                self.to_read.pop_front();
                self.hang_up(out);
                if self.to_read.is_empty() {
                    self.mode = Mode::Quiet;
                } else {
                    self.timers.set(Timer::Connect, now + Duration::from_micros(1));
                }
            }
            Mode::Work if leaves => {
                self.hang_up(out);
                self.again(now);
            }
            Mode::Work => {
                let think = self.rng.below(self.config.think_ms.max(1) * 1000) + 1;
                self.timers.set(Timer::Batch, now + Duration::from_micros(think));
            }
        }
    }

    fn batch<E>(&mut self, now: Instant, out: &mut Actions<E>) {
        if !self.selected || self.link.is_none() || self.open > 0 {
            return;
        }
        if self.mode == Mode::Reading {
            for kind in [Kind::Text, Kind::Counter, Kind::Mortal] {
                for number in 0..self.config.keys {
                    self.ask(Op::Get(Key { kind, number }), out);
                }
            }
        } else {
            for _ in 0..=self.rng.below(self.config.pipeline) {
                let op = self.draw();
                self.ask(op, out);
            }
            if self.chance(self.config.waits) {
                let replicas = 1 + self.rng.below(3) as u32;
                let ms = 1 + self.rng.below(400);
                self.ask(Op::Wait(replicas, ms), out);
            }
        }
        self.timers.set(Timer::Patience, now + self.config.patience);
    }

    fn draw(&mut self) -> Op {
        if self.chance(self.config.reads) {
            return Op::Get(self.key(None));
        }
        if self.chance(120) {
            let n = 1 + self.rng.below(4);
            return Op::Multi((0..n).map(|_| self.draw_write()).collect());
        }
        self.draw_write()
    }

    fn draw_write(&mut self) -> Op {
        if self.chance(self.config.collections) {
            let (number, writes) = (self.config.number, &mut self.writes);
            let (often, len) = self.config.large;
            let (words, mark) = collections::draw(&mut self.rng, self.config.keys, &mut |rng| {
                *writes += 1;
                let mark = Mark { client: number, n: *writes };
                let len = if rng.below(1000) < often { rng.below(len) } else { rng.below(40) };
                (mark, mark.value(len as usize))
            });
            return Op::Collect(words, mark);
        }
        let key = self.key(None);
        match (key.kind, self.rng.below(10)) {
            (_, 0) => Op::Del(key),
            (Kind::Counter, _) => Op::Incr(key, self.mark()),
            (Kind::Text, 1..5) => {
                let (mark, value) = self.value();
                Op::Append(key, mark, value)
            }
            // No key of these is drawn here.
            (Kind::Collection(_), _) => Op::Get(key),
            (Kind::Mortal, 1..4) => Op::Expire(key, 1 + self.rng.below(3000)),
            (kind, _) => {
                let (mark, value) = self.value();
                let px = (kind == Kind::Mortal).then(|| 1 + self.rng.below(3000));
                Op::Set(key, mark, value, px)
            }
        }
    }

    fn key(&mut self, kind: Option<Kind>) -> Key {
        let kind = kind.unwrap_or_else(|| match self.rng.below(5) {
            0 | 1 => Kind::Text,
            2 | 3 => Kind::Counter,
            _ => Kind::Mortal,
        });
        Key { kind, number: self.rng.below(u64::from(self.config.keys)) as u8 }
    }

    fn mark(&mut self) -> Mark {
        self.writes += 1;
        Mark { client: self.config.number, n: self.writes }
    }

    fn value(&mut self) -> (Mark, Vec<u8>) {
        let (often, len) = self.config.large;
        let len = if self.chance(often) { self.rng.below(len) } else { self.rng.below(40) };
        let mark = self.mark();
        (mark, mark.value(len as usize))
    }

    fn ask<E>(&mut self, op: Op, out: &mut Actions<E>) {
        let Some(link) = &mut self.link else { return };
        let mut commands = Vec::new();
        op.commands(&mut commands);
        let last = commands.len() - 1;
        for (i, command) in commands.iter().enumerate() {
            link.ask(command, if i == last { Part::Whole } else { Part::Inner }, out);
        }
        self.open += 1;
        self.entries.push(Entry::Asked(op));
    }

    fn hang_up<E>(&mut self, out: &mut Actions<E>) {
        if let Some(link) = self.link.take() {
            out.push(Action::Close { conn: link.conn() });
            self.entries.push(Entry::Lost);
        }
        self.forget();
    }

    fn lost(&mut self, now: Instant) {
        self.link = None;
        self.entries.push(Entry::Lost);
        self.forget();
        self.again(now);
    }

    fn forget(&mut self) {
        self.open = 0;
        self.selected = false;
        self.timers.clear(Timer::Patience);
        self.timers.clear(Timer::Batch);
    }

    fn again(&mut self, now: Instant) {
        if self.mode != Mode::Quiet {
            let wait = 1 + self.rng.below(200_000);
            self.timers.set(Timer::Connect, now + Duration::from_micros(wait));
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.rng.below(1000) < per_mille
    }
}
