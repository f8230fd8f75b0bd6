//! The laws of the one door, asserted around any machine: what a runtime may rely on, whatever comes in.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Actions, Chunks, Closed, Endpoint, Input, Job, LogLine, Machine, Outcome};
use crate::time::{Instant, Now};

/// Wall clock when a run begins, ms.
const EPOCH_MS: u64 = 1_700_000_000_000;
/// Inputs in a row, at one moment, that a machine may ask for by itself: more are one that spins.
const SPIN_MAX: usize = 20_000;

/// Deadlines that are kept in one go: an hour of PINGs is not what a run is for.
const DEADLINES: usize = 50;

/// A connection as the runtime sees it.
pub(super) struct Line {
    /// The machine was told that it stands.
    pub(super) up: bool,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) eof: bool,
}

/// A machine, and around it a runtime that believes nothing.
pub(super) struct Door<M: Machine> {
    pub(super) machine: M,
    pub(super) now_us: u64,
    wall_ms: i64,
    pub(super) conns: BTreeMap<ConnId, Line>,
    gone: BTreeSet<ConnId>,
    /// Jobs in the order they were started.
    pub(super) jobs: VecDeque<(OpId, Job)>,
    started: BTreeSet<OpId>,
    pub(super) listeners: BTreeMap<OpId, Endpoint>,
    pub(super) yields: usize,
    pub(super) exit: Option<i32>,
    /// Time passed over deadlines: more of them were due than are kept in one go.
    pub(super) hurried: bool,
    pub(super) events: Vec<M::Event>,
    /// All that was done, in one number: the same inputs give the same.
    pub(super) trace: u64,
    out: Actions<M::Event>,
    accepted: u64,
    row: usize,
}

/// Where everybody is.
pub(super) fn somewhere() -> Endpoint {
    Endpoint::Tcp(([10, 0, 0, 1], 6379).into())
}

impl<M: Machine> Door<M>
where
    M::Event: LogLine,
{
    pub(super) fn new(machine: M) -> Self {
        Self {
            machine,
            now_us: 1,
            wall_ms: 0,
            conns: BTreeMap::new(),
            gone: BTreeSet::new(),
            jobs: VecDeque::new(),
            started: BTreeSet::new(),
            listeners: BTreeMap::new(),
            yields: 0,
            exit: None,
            hurried: false,
            events: Vec::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            out: Actions::new(),
            accepted: 0,
            row: 0,
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = (EPOCH_MS + self.now_us / 1000).saturating_add_signed(self.wall_ms);
        Now::new(Instant::from_micros(self.now_us), wall)
    }

    /// The wall clock jumps.
    pub(super) fn jump(&mut self, ms: i64) {
        self.wall_ms = self.wall_ms.saturating_add(ms).clamp(-1_000_000_000_000, 1_000_000_000_000);
    }

    fn note(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.trace = (self.trace ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Feeds one input, does what is done at once, and holds all laws against it.
    pub(super) fn feed(&mut self, input: Input<'_, M::Call>) {
        if self.exit.is_some() {
            return;
        }
        self.row += 1;
        assert!(self.row < SPIN_MAX, "the machine spins: it asks for inputs and makes no progress");
        let now = self.now();
        let ticked = matches!(input, Input::Tick);
        let mut out = core::mem::take(&mut self.out);
        self.machine.handle(now, input, &mut out);
        let deadline = self.machine.deadline();
        assert!(!ticked || deadline.is_none_or(|d| d > now.mono), "law 1: deadline {deadline:?} at {:?}", now.mono);
        for action in out.drain() {
            self.carry_out(action);
        }
        self.out = out;
        if self.exit.is_none() {
            self.interests();
        }
    }

    /// Who has bytes to send has said so, and nobody else.
    fn interests(&mut self) {
        let mut chunks = Chunks::new();
        for (conn, line) in self.conns.iter().filter(|(_, line)| line.up) {
            chunks.clear();
            self.machine.transmit(*conn, 1, &mut chunks);
            assert_eq!(line.write, chunks.bytes() > 0, "{conn:?}: write interest, and bytes to send");
        }
    }

    fn carry_out(&mut self, action: Action<M::Event>) {
        if self.exit.is_some() {
            // Nothing behind an exit is carried out.
            return;
        }
        match action {
            Action::Connect { conn, .. } => {
                assert!(conn.is_opened() && !self.gone.contains(&conn), "law 2: {conn:?} is no fresh id");
                let line = Line { up: false, read: true, write: false, eof: false };
                assert!(self.conns.insert(conn, line).is_none(), "law 2: {conn:?} is in use");
                self.note(&[1]);
            }
            Action::Close { conn } => {
                assert!(self.conns.remove(&conn).is_some(), "law 2: Close names {conn:?}, which is closed");
                self.gone.insert(conn);
                self.note(&[2, conn.as_u64() as u8]);
            }
            Action::Interest { conn, read, write } => {
                let line = self.conns.get_mut(&conn);
                let line = line.unwrap_or_else(|| panic!("law 2: Interest names {conn:?}, which is closed"));
                assert_ne!((line.read, line.write), (read, write), "an Interest of {conn:?} that changes nothing");
                (line.read, line.write) = (read, write);
                self.note(&[3, u8::from(read), u8::from(write)]);
            }
            Action::Options { conn, .. } => {
                assert!(self.conns.contains_key(&conn), "law 2: Options names {conn:?}, which is closed");
            }
            Action::Start { op, job } => {
                assert!(self.started.insert(op), "law 3: {op:?} starts twice");
                self.note(alloc::format!("{job:?}").as_bytes());
                self.jobs.push_back((op, job));
            }
            Action::Cancel { op } => assert!(self.started.contains(&op), "law 3: Cancel names {op:?}, never started"),
            Action::Unlisten { op } => {
                assert!(self.listeners.remove(&op).is_some(), "Unlisten names {op:?}, which does not listen");
            }
            Action::Yield => self.yields += 1,
            Action::Sleep(d) => self.now_us += d.as_micros().min(10_000_000) as u64,
            Action::Event(e) => {
                let text = alloc::format!("{e}");
                assert!(!text.chars().any(char::is_control), "an event is no line of a log: {text:?}");
                self.note(text.as_bytes());
                self.events.push(e);
            }
            Action::Exit { code } => {
                self.exit = Some(code);
                self.conns.clear();
            }
        }
    }

    /// A new connection, if anybody listens.
    pub(super) fn accept(&mut self) -> Option<ConnId> {
        self.accept_by(*self.listeners.keys().next()?)
    }

    /// The same by this listener.
    pub(super) fn accept_by(&mut self, listener: OpId) -> Option<ConnId> {
        if self.exit.is_some() {
            return None;
        }
        self.accepted += 1;
        let conn = ConnId::accepted(self.accepted);
        self.conns.insert(conn, Line { up: true, read: true, write: false, eof: false });
        let peer = Endpoint::Tcp(([127, 0, 0, 1], 40_000 + (self.accepted % 1000) as u16).into());
        self.feed(Input::Accepted { conn, listener, local: somewhere(), peer, tls: false });
        self.conns.contains_key(&conn).then_some(conn)
    }

    /// A connection that the machine asked for stands, or does not.
    pub(super) fn connected(&mut self, conn: ConnId, ok: bool) {
        match self.conns.get_mut(&conn) {
            Some(line) if !line.up && ok => line.up = true,
            Some(line) if !line.up => {
                self.forget(conn);
                return self.feed(Input::Closed { conn, reason: Closed::Refused });
            }
            _ => return,
        }
        self.feed(Input::Connected { conn, local: somewhere(), peer: somewhere(), tls: false });
    }

    fn forget(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.gone.insert(conn);
    }

    /// Bytes come in, if the machine reads: how many were taken.
    pub(super) fn receive(&mut self, conn: ConnId, bytes: &[u8]) -> bool {
        let open = self.conns.get(&conn).is_some_and(|line| line.up && line.read && !line.eof);
        if open && !bytes.is_empty() {
            self.row = 0;
            self.feed(Input::Received { conn, bytes });
        }
        open
    }

    /// The peer ends its side, or both.
    pub(super) fn end(&mut self, conn: ConnId, both: bool) {
        let Some(line) = self.conns.get_mut(&conn).filter(|line| line.up) else { return };
        if both {
            self.forget(conn);
            self.feed(Input::Closed { conn, reason: Closed::Reset });
        } else if !line.eof {
            line.eof = true;
            self.feed(Input::Eof { conn });
        }
    }

    /// What is late for a connection that is gone is ignored.
    pub(super) fn late(&mut self) {
        let Some(&conn) = self.gone.last() else { return };
        self.feed(Input::Received { conn, bytes: b"PING\r\n" });
        self.feed(Input::Sent { conn, len: 1 });
        self.feed(Input::Eof { conn });
        self.feed(Input::Closed { conn, reason: Closed::Clean });
    }

    /// Takes up to `budget` bytes of what a connection has to send; a second look shows the same.
    pub(super) fn send(&mut self, conn: ConnId, budget: usize) -> Vec<u8> {
        if !self.conns.get(&conn).is_some_and(|line| line.up && line.write) {
            return Vec::new();
        }
        let (mut chunks, mut again) = (Chunks::new(), Chunks::new());
        self.machine.transmit(conn, budget, &mut chunks);
        self.machine.transmit(conn, budget, &mut again);
        let bytes = chunks.concat();
        assert_eq!(bytes, again.concat(), "transmit moved a cursor");
        assert!(!bytes.is_empty() && bytes.len() <= budget, "{} bytes shown of {budget}", bytes.len());
        self.note(&bytes);
        self.row = 0;
        self.feed(Input::Sent { conn, len: bytes.len() });
        bytes
    }

    /// A job ends.
    pub(super) fn done(&mut self, op: OpId, job: &Job, result: Outcome) {
        if let (Job::Listen { .. }, Outcome::Listening(at)) = (job, &result) {
            self.listeners.insert(op, at.clone());
        }
        self.feed(Input::Done { op, result });
    }

    /// `us` pass, with every deadline in its turn, 50 at most.
    pub(super) fn pass(&mut self, us: u64) {
        let to = self.now_us.saturating_add(us);
        let mut left = DEADLINES;
        while let Some(at) = self.machine.deadline().map(Instant::as_micros).filter(|&at| at <= to) {
            if left == 0 {
                self.hurried = true;
                break;
            }
            left -= 1;
            self.now_us = self.now_us.max(at);
            self.row = 0;
            self.feed(Input::Tick);
            if self.exit.is_some() {
                return;
            }
        }
        self.now_us = to;
        self.row = 0;
        self.feed(Input::Tick);
    }

    /// Answers a `Yield`.
    pub(super) fn resume(&mut self) -> bool {
        let due = self.yields > 0;
        if due {
            self.yields -= 1;
            self.feed(Input::Resume);
        }
        due
    }
}
