//! A master as a machine of its own: your data, followed by real Redis replicas.
//!
//! The host appends the commands that change its data ([`Call::Append`]) and supplies snapshots when they are
//! wanted; the machine serves PING, AUTH, REPLCONF, SYNC, PSYNC and QUIT, and nothing else.

mod session;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::ids::{ConnId, Ids, OpId};
use crate::machine::{
    Action, Actions, Chunks, Endpoint, Input, Job, Level, LogLine, Machine, Outcome, Path, SocketOptions, Turn,
};
use crate::resp::Command;
use crate::rng::{Rng, Seed};
use crate::time::{Instant, Now};
use crate::timers::Timers;

use super::ReplId;
use super::source::{SnapshotKind, SnapshotWanted, Source, SourceConfig, Timer};
use session::{Next, Session};

/// What a [`Master`] needs to know.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// Where it listens.
    pub listen: Endpoint,
    /// The password that AUTH must give, if any (`requirepass`).
    pub password: Option<Box<str>>,
    /// More connections are closed as they come (`maxclients`).
    pub connections: usize,
    /// Socket options of its connections.
    pub options: SocketOptions,
    /// Settings of replication.
    pub source: SourceConfig,
}

/// What the host asks of a [`Master`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// Replicates a command that was executed in database `db` (`None`: it has none, as MULTI).
    Append {
        /// The database.
        db: Option<u32>,
        /// The command.
        command: Command,
    },
    /// Answers [`Event::SnapshotWanted`]: the data are captured now.
    SnapshotBegin(SnapshotWanted),
    /// Bytes of the snapshot, in the snapshot format; see [`Master::snapshot_room`].
    Snapshot(Vec<Bytes>),
    /// All of it was given.
    SnapshotEnd,
    /// It is in this file, of this length (for [`SnapshotKind::File`]).
    SnapshotFile {
        /// The file.
        file: Path,
        /// Its length in bytes.
        len: u64,
    },
    /// It cannot be had.
    SnapshotFailed(String),
    /// Asks the replicas to acknowledge.
    RequestAcks,
    /// Changes the settings.
    Configure(SourceConfig),
}

/// What happened in a [`Master`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// For the log.
    Log(super::Event),
    /// It listens here.
    Listening(Endpoint),
    /// It cannot listen, in words for people.
    CannotListen(Box<str>),
    /// Replicas wait for a snapshot: answer with [`Call::SnapshotBegin`].
    SnapshotWanted(SnapshotWanted),
    /// So many further bytes of the snapshot may be given.
    SnapshotRoom(usize),
    /// Nobody wants the snapshot under production any more; it was ended.
    SnapshotUnwanted,
    /// Replicas acknowledged: see [`Source::acked`].
    Acked,
}

impl From<super::Event> for Event {
    fn from(e: super::Event) -> Self {
        Self::Log(e)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(e) => fmt::Display::fmt(e, f),
            Self::Listening(at) => write!(f, "Ready to accept connections on {at}"),
            Self::CannotListen(why) => write!(f, "Failed listening on port: {why}"),
            Self::SnapshotWanted(w) => write!(f, "A snapshot is wanted: {:?}", w.kind),
            Self::SnapshotRoom(n) => write!(f, "Room for {n} bytes of the snapshot"),
            Self::SnapshotUnwanted => f.write_str("Nobody wants the snapshot any more"),
            Self::Acked => f.write_str("Replicas acknowledged"),
        }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match self {
            Self::Log(e) => e.level(),
            Self::Listening(_) => Level::Notice,
            Self::CannotListen(_) => Level::Warning,
            _ => Level::Debug,
        }
    }
    fn role(&self) -> char {
        'M'
    }
}

/// A master as a machine of its own. See the [module](self).
#[derive(Debug)]
pub struct Master {
    config: MasterConfig,
    source: Source,
    sessions: BTreeMap<ConnId, Session>,
    timers: Timers<Timer>,
    ids: Ids,
    rng: Rng,
    started: bool,
    listener: Option<OpId>,
    /// Whether the host knows that a snapshot is wanted.
    asked: bool,
    /// Whether the host knows that there is room.
    roomy: bool,
}

impl Master {
    /// A master of a new history, at offset 0.
    pub fn new(config: MasterConfig, seed: Seed) -> Self {
        let mut rng = Rng::new(seed);
        let source = Source::new(ReplId::random(&mut rng), 0, config.source);
        Self {
            config,
            source,
            sessions: BTreeMap::new(),
            timers: Timers::new(),
            ids: Ids::default(),
            rng,
            started: false,
            listener: None,
            asked: false,
            roomy: false,
        }
    }

    /// The replication state: offsets, replicas, acknowledgements.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How many bytes of the snapshot may be given now.
    pub fn snapshot_room(&self) -> usize {
        self.source.snapshot_room()
    }

    fn call(&mut self, call: Call, cx: &mut Turn<'_, Timer, Event>) {
        match call {
            Call::Append { db, command } => self.source.append_command(db, &command),
            Call::SnapshotBegin(wanted) => {
                // One that asked in the meantime for another kind stays waiting; a late answer begins nothing.
                if core::mem::take(&mut self.asked) && self.source.snapshot_under_way().is_none() {
                    let db = self.source.selected().unwrap_or(0);
                    self.source.snapshot_begin(wanted, db, cx);
                    self.roomy = false;
                }
            }
            Call::Snapshot(pieces) => {
                self.roomy = false;
                let out = self.source.snapshot_out();
                for piece in pieces {
                    out.append_shared(piece);
                }
            }
            Call::SnapshotEnd => self.source.snapshot_finish(cx),
            Call::SnapshotFile { file, len } => self.source.snapshot_file(&file, len, cx),
            Call::SnapshotFailed(reason) => {
                self.asked = false;
                self.source.snapshot_failed(&reason, cx);
            }
            Call::RequestAcks => self.source.request_acks(),
            Call::Configure(config) => self.source.configure(config, cx),
        }
    }

    fn accept(&mut self, conn: ConnId, peer: Endpoint, cx: &mut Turn<'_, Timer, Event>) {
        if self.sessions.len() >= self.config.connections {
            cx.out.push(Action::Close { conn });
            return;
        }
        cx.out.push(Action::Options { conn, options: self.config.options });
        let authenticated = self.config.password.is_none();
        self.sessions.insert(conn, Session::new(conn, peer, authenticated));
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Turn<'_, Timer, Event>) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        match session.received(bytes, &mut self.source, self.config.password.as_deref(), cx) {
            Next::Stay | Next::Leave => {}
            Next::Close => self.close(conn, cx),
            Next::Gone => drop(self.sessions.remove(&conn)),
        }
    }

    /// Closes a connection, unless the source did.
    fn close(&mut self, conn: ConnId, cx: &mut Turn<'_, Timer, Event>) {
        self.source.closed(conn, cx);
        if self.sessions.remove(&conn).is_some() {
            cx.out.push(Action::Close { conn });
        }
    }

    fn sent(&mut self, conn: ConnId, len: usize, cx: &mut Turn<'_, Timer, Event>) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if self.source.is_replica(conn) {
            self.source.sent(conn, len, cx);
        } else if !session.sent(len, cx.out) {
            self.close(conn, cx);
        }
    }

    fn done(&mut self, op: OpId, outcome: Outcome, cx: &mut Turn<'_, Timer, Event>) {
        if self.listener == Some(op) {
            match outcome {
                Outcome::Listening(at) => cx.out.event(Event::Listening(at)),
                Outcome::Failed(e) => cx.out.event(Event::CannotListen(e.message)),
                _ => {}
            }
        } else {
            self.source.done(op, outcome, cx);
        }
    }

    /// Ends an input: tells the host what it wants to know, the runtime what to write.
    fn settle(&mut self, cx: &mut Turn<'_, Timer, Event>) {
        self.source.settle(cx);
        if self.source.snapshot_under_way().is_some() && !self.source.snapshot_alive() {
            self.source.snapshot_failed("nobody wants it", cx);
            cx.out.event(Event::SnapshotUnwanted);
        }
        if !self.asked
            && let Some(wanted) = self.source.snapshot_wanted(cx.now.mono)
        {
            self.asked = true;
            cx.out.event(Event::SnapshotWanted(wanted));
        }
        if !self.roomy && self.source.snapshot_under_way() == Some(SnapshotKind::Socket) {
            let room = self.source.snapshot_room();
            if room > 0 {
                self.roomy = true;
                cx.out.event(Event::SnapshotRoom(room));
            }
        }
        if self.source.took_acks() {
            cx.out.event(Event::Acked);
        }
    }

    /// Forgets sessions whose connection the source closed.
    fn sweep(&mut self, out: &Actions<Event>, from: usize) {
        for action in &out[from..] {
            if let Action::Close { conn } = action {
                self.sessions.remove(conn);
            }
        }
    }
}

impl Machine for Master {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        let from = out.len();
        // The parts of the turn live outside of `self` while it runs.
        let mut timers = core::mem::take(&mut self.timers);
        let mut ids = core::mem::take(&mut self.ids);
        let mut rng = core::mem::replace(&mut self.rng, Rng::new([0; 32]));
        let mut cx = Turn { now, timers: &mut timers, out, ids: &mut ids, rng: &mut rng };
        if !self.started {
            self.started = true;
            let op = cx.ids.op();
            self.listener = Some(op);
            cx.out.push(Action::Start {
                op,
                job: Job::Listen { at: self.config.listen.clone(), backlog: 511, mode: None, tls: false },
            });
        }
        match input {
            Input::Tick => {}
            Input::Accepted { conn, peer, .. } => self.accept(conn, peer, &mut cx),
            Input::Received { conn, bytes } => self.received(conn, bytes, &mut cx),
            Input::Sent { conn, len } => self.sent(conn, len, &mut cx),
            Input::Eof { conn } => self.close(conn, &mut cx),
            Input::Closed { conn, .. } => {
                self.sessions.remove(&conn);
                self.source.closed(conn, &mut cx);
            }
            Input::Done { op, result } => self.done(op, result, &mut cx),
            Input::Call(call) => self.call(call, &mut cx),
            Input::Shutdown { .. } => cx.out.push(Action::Exit { code: 0 }),
            _ => {}
        }
        while let Some(timer) = cx.timers.pop_due(now.mono) {
            self.source.tick(timer, &mut cx);
        }
        self.settle(&mut cx);
        self.sweep(out, from);
        (self.timers, self.ids, self.rng) = (timers, ids, rng);
    }

    fn deadline(&self) -> Option<Instant> {
        if self.started { self.timers.next() } else { Some(Instant::ZERO) }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if self.source.is_replica(conn) {
            self.source.transmit(conn, budget, out);
        } else if let Some(session) = self.sessions.get_mut(&conn) {
            session.transmit(budget, out);
        }
    }
}
