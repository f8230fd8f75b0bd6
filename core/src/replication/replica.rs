//! A replica as a machine of its own: a typed stream of every change of a Redis server.
//!
//! It follows a master and gives out what comes: the entries of a snapshot, then commands with their database and
//! the offset behind each. Keep the [`Position`] of the last command you are done with, and a later run goes on there.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;

use crate::ids::{ConnId, Ids};
use crate::machine::{Action, Actions, Chunks, Closed, Input, Level, LogLine, Machine, Turn};
use crate::rdb::{self, Item, ModuleId, Reader, ReaderLimits};
use crate::resp::{Args, Command, parse_u64};
use crate::rng::{Rng, Seed};
use crate::time::{Instant, Now};
use crate::timers::Timers;

use super::ReplId;
use super::follower::{Delivery, Follower, FollowerConfig, LinkError, Resume, Timer};

mod entry;

pub use entry::{Key, KeyValue, ModuleData, Part, StreamData};

/// Where a reader of changes stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The history.
    pub id: ReplId,
    /// Bytes of it that were taken.
    pub offset: u64,
    /// The database that is selected there.
    pub db: u32,
}

/// What the host asks of a [`Replica`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// Follow this master, from `resume` on if it still can.
    Follow {
        /// A name or an address.
        host: Box<str>,
        /// Its port.
        port: u16,
        /// Where to go on.
        resume: Option<Position>,
    },
    /// Follow nobody.
    Stop,
    /// Everything up to this offset is done with: the master is told so. Not needed with
    /// [`ReplicaConfig::acknowledge_at_once`].
    Applied(u64),
    /// Stop or resume reading: back-pressure.
    Reading(bool),
}

/// What happened in a [`Replica`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// For the log.
    Log(super::Event),
    /// A snapshot begins; what was known of the data is void once it is complete.
    SnapshotBegin {
        /// The history.
        id: ReplId,
        /// The offset of the snapshot.
        offset: u64,
    },
    /// A field about the snapshot.
    Aux {
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// A function library.
    Function(Bytes),
    /// What a module wrote beside the keys: [`Part::Module`]s follow, then [`Event::ModuleAuxEnd`].
    ModuleAux {
        /// The module.
        module: ModuleId,
        /// Whether it stands before the keys (1) or behind them (2).
        when: u64,
    },
    /// What followed [`Event::ModuleAux`] is complete.
    ModuleAuxEnd,
    /// Metadata of the next key, of one class: [`Part::Module`]s follow.
    KeyMeta {
        /// The class as it is stored: flags, version and four characters.
        class: u32,
    },
    /// A key. If its value is not [whole](KeyValue::is_whole), parts or pieces follow, then [`Event::KeyEnd`].
    Key(Key),
    /// The next bytes of a [`KeyValue::Pieces`], [`Part::LongMember`] or [`Part::LongField`].
    Piece(Bytes),
    /// The next part of the value.
    Part(Part),
    /// The value that came in parts or pieces is complete.
    KeyEnd,
    /// The snapshot is complete; the stream follows.
    SnapshotEnd {
        /// Where that is.
        position: Position,
    },
    /// The stream goes on where it was, perhaps under a new id.
    Continued {
        /// The history.
        id: ReplId,
    },
    /// A command of the stream; SELECT is not among them. MULTI, what it holds and EXEC come one by one.
    Command {
        /// Its database.
        db: u32,
        /// The command.
        command: Box<Change>,
    },
    /// The link ended; it is made anew by itself.
    Lost(LinkError),
}

/// One command of the stream.
#[derive(Clone, Debug)]
pub struct Change {
    /// The command.
    pub command: Command,
    /// Where it ends, and where a later run goes on if it was the last one done with. Inside of a MULTI block: the
    /// place before the block.
    pub position: Position,
}

impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position && self.command.frame() == other.command.frame()
    }
}

impl Eq for Change {}

impl From<super::Event> for Event {
    fn from(e: super::Event) -> Self {
        Self::Log(e)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(e) => fmt::Display::fmt(e, f),
            Self::Lost(e) => fmt::Display::fmt(e, f),
            other => write!(f, "{other:?}"),
        }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match self {
            Self::Log(e) => e.level(),
            _ => Level::Debug,
        }
    }
    fn role(&self) -> char {
        'S'
    }
}

/// What a [`Replica`] needs to know.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// Settings of the link.
    pub follower: FollowerConfig,
    /// Acknowledge what was given out, at once (a MULTI block at its EXEC), instead of by [`Call::Applied`].
    pub acknowledge_at_once: bool,
    /// Bounds of the snapshot's reader.
    pub limits: ReaderLimits,
}

/// A replica as a machine of its own. See the [module](self).
#[derive(Debug)]
pub struct Replica {
    config: ReplicaConfig,
    follower: Follower,
    reader: Reader,
    timers: Timers<Timer>,
    ids: Ids,
    rng: Rng,
    /// The history that is read.
    id: ReplId,
    /// The stream's database, and the one behind the last command outside of MULTI.
    db: u32,
    /// The same at the snapshot's offset, if the master told it before the snapshot.
    told_db: Option<u32>,
    /// Where the last command that stood alone, or the last EXEC, ended.
    safe: Option<Position>,
    in_multi: bool,
}

impl Replica {
    /// A replica that follows nobody.
    pub fn new(config: ReplicaConfig, seed: Seed) -> Self {
        Self {
            follower: Follower::new(config.follower.clone()),
            reader: Reader::new(config.limits),
            config,
            timers: Timers::new(),
            ids: Ids::default(),
            rng: Rng::new(seed),
            id: ReplId::ZERO,
            db: 0,
            told_db: None,
            safe: None,
            in_multi: false,
        }
    }

    /// The state of the link.
    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Where a later run would go on.
    pub fn position(&self) -> Option<Position> {
        self.safe
    }

    fn call(&mut self, call: Call, cx: &mut Turn<'_, Timer, Event>) {
        match call {
            Call::Follow { host, port, resume } => {
                self.safe = resume;
                self.rewind();
                let resume = resume.map(|p| Resume { id: p.id, offset: p.offset });
                self.follower.follow(&host, port, resume, cx);
            }
            Call::Stop => self.follower.stop(cx),
            Call::Applied(offset) => self.follower.applied(offset),
            Call::Reading(on) => self.follower.set_reading(on, cx),
        }
    }

    /// Back to the last safe place: what came behind it comes again.
    fn rewind(&mut self) {
        self.in_multi = false;
        if let Some(safe) = self.safe {
            self.db = safe.db;
        }
    }

    fn received(&mut self, mut conn: ConnId, mut input: &[u8], cx: &mut Turn<'_, Timer, Event>) {
        if !self.follower.owns(conn) {
            return;
        }
        loop {
            let mut loaded = false;
            let mut applied = None;
            let mut failed = None;
            match self.follower.next(conn, &mut input, cx) {
                None => return,
                Some(Delivery::FullResync { id, offset, db }) => {
                    self.id = id;
                    self.told_db = db;
                    self.db = db.unwrap_or(0);
                    self.safe = None;
                    self.reader = Reader::new(self.config.limits);
                    cx.out.event(Event::SnapshotBegin { id, offset });
                }
                Some(Delivery::SnapshotBegin { .. } | Delivery::Stream(_)) => {}
                Some(Delivery::Snapshot(bytes)) => failed = snapshot(&mut self.reader, bytes, &mut self.db, cx).err(),
                Some(Delivery::SnapshotEnd) => match self.reader.finish() {
                    Ok(()) => loaded = true,
                    Err(e) => failed = Some(e),
                },
                Some(Delivery::Continue { new_id }) => {
                    if let Some(safe) = &mut self.safe {
                        safe.id = new_id.unwrap_or(safe.id);
                        self.id = safe.id;
                    }
                    (self.in_multi, self.db) = (false, self.safe.map_or(self.db, |safe| safe.db));
                    cx.out.event(Event::Continued { id: self.id });
                }
                Some(Delivery::Skip { end }) => applied = safe_until(self.in_multi, &mut self.safe, end),
                Some(Delivery::Command { args, end }) => {
                    applied = command(&mut self.in_multi, &mut self.db, self.id, &mut self.safe, args, end, cx);
                }
                Some(Delivery::Lost(error)) => {
                    (self.in_multi, self.db) = (false, self.safe.map_or(self.db, |safe| safe.db));
                    cx.out.event(Event::Lost(error));
                }
            }
            if let Some(e) = failed {
                let error = self.follower.fail(&alloc::format!("Internal error in RDB reading: {e}"), cx);
                cx.out.event(Event::Lost(error));
                return;
            }
            if loaded {
                self.db = self.told_db.unwrap_or(self.db);
                let position = Position { id: self.id, offset: self.follower.offsets().0, db: self.db };
                self.safe = Some(position);
                cx.out.event(Event::SnapshotEnd { position });
                self.follower.snapshot_loaded(cx);
                // What was kept of the stream goes on, by whichever connection the snapshot came.
                let Some(main) = self.follower.conn() else { return };
                if conn != main {
                    (conn, input) = (main, &[]);
                }
            }
            if let Some(end) = applied.filter(|_| self.config.acknowledge_at_once) {
                self.follower.applied(end);
            }
        }
    }

    fn lost(&mut self, error: Option<LinkError>, cx: &mut Turn<'_, Timer, Event>) {
        if let Some(error) = error {
            self.rewind();
            cx.out.event(Event::Lost(error));
        }
    }
}

/// Gives out the items of a snapshot.
fn snapshot(
    reader: &mut Reader,
    bytes: &[u8],
    db: &mut u32,
    cx: &mut Turn<'_, Timer, Event>,
) -> Result<(), rdb::RdbError> {
    let mut at = 0;
    loop {
        let mut rest = bytes.get(at..).unwrap_or_default();
        let Some(item) = reader.next(&mut rest)? else { return Ok(()) };
        at = bytes.len() - rest.len();
        let copy = Bytes::copy_from_slice;
        cx.out.event(match item {
            Item::Aux { name, value } => {
                if name == rdb::aux::REPL_STREAM_DB {
                    *db = parse_u64(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
                }
                Event::Aux { name: copy(name), value: copy(value) }
            }
            Item::Function(code) => Event::Function(copy(code)),
            Item::ModuleAux { module, when } => Event::ModuleAux { module, when },
            Item::ModuleAuxEnd => Event::ModuleAuxEnd,
            Item::KeyMeta { class } => Event::KeyMeta { class },
            Item::Entry(entry) => Event::Key(entry.into()),
            Item::Piece(piece) => Event::Piece(copy(piece)),
            Item::Element(element) => Event::Part(element.into()),
            Item::ElementEnd { expire_at_ms } => Event::Part(Part::ElementEnd { expire_at_ms }),
            Item::Block(block) => Event::Part(Part::Block(block.into())),
            Item::Stream(part) => Event::Part(Part::Stream(part.into())),
            Item::ArrayItem { index, value } => Event::Part(Part::ArrayItem { index, value: copy(value) }),
            Item::Module(value) => Event::Part(Part::Module(value.into())),
            Item::EntryEnd => Event::KeyEnd,
            // What they say is said by other events, or is a hint.
            Item::Header { .. } | Item::Resize { .. } | Item::SlotInfo { .. } | Item::End { .. } => continue,
        });
    }
}

/// What stands before `end` needs nothing done: it is safe unless a MULTI block is open.
fn safe_until(in_multi: bool, safe: &mut Option<Position>, end: u64) -> Option<u64> {
    if in_multi {
        return None;
    }
    if let Some(safe) = safe {
        safe.offset = end;
    }
    Some(end)
}

/// Gives out a command; the offset that is safe now, if any.
fn command(
    in_multi: &mut bool,
    db: &mut u32,
    id: ReplId,
    safe: &mut Option<Position>,
    args: Args<'_>,
    end: u64,
    cx: &mut Turn<'_, Timer, Event>,
) -> Option<u64> {
    let select = args.is(0, "select");
    if select {
        // A database that is no number cannot come from a Redis; what follows would go to the wrong place.
        *db = parse_u64(args.at(1)).and_then(|n| u32::try_from(n).ok()).unwrap_or(*db);
    } else if args.is(0, "multi") {
        *in_multi = true;
    } else if args.is(0, "exec") {
        *in_multi = false;
    }
    let here = Position { id, offset: end, db: *db };
    if !*in_multi {
        *safe = Some(here);
    }
    if !select {
        let change = Change { command: Command::from_args(args), position: safe.unwrap_or(here) };
        cx.out.event(Event::Command { db: *db, command: Box::new(change) });
    }
    (!*in_multi).then_some(end)
}

impl Machine for Replica {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        let mut timers = core::mem::take(&mut self.timers);
        let mut ids = core::mem::take(&mut self.ids);
        let mut rng = core::mem::replace(&mut self.rng, Rng::new([0; 32]));
        let mut cx = Turn { now, timers: &mut timers, out, ids: &mut ids, rng: &mut rng };
        match input {
            Input::Connected { conn, .. } => self.follower.connected(conn, &mut cx),
            Input::Received { conn, bytes } => self.received(conn, bytes, &mut cx),
            Input::Sent { conn, len } => self.follower.sent(conn, len, &mut cx),
            Input::Eof { conn } => {
                let ours = self.follower.owns(conn);
                let lost = self.follower.closed(conn, Closed::Clean, &mut cx);
                if ours {
                    cx.out.push(Action::Close { conn });
                }
                self.lost(lost, &mut cx);
            }
            Input::Closed { conn, reason } => {
                let lost = self.follower.closed(conn, reason, &mut cx);
                self.lost(lost, &mut cx);
            }
            Input::Done { op, result } => drop(self.follower.done(op, result, &mut cx)),
            Input::Call(call) => self.call(call, &mut cx),
            Input::Shutdown { .. } => {
                self.follower.stop(&mut cx);
                cx.out.push(Action::Exit { code: 0 });
            }
            _ => {}
        }
        while let Some(timer) = cx.timers.pop_due(now.mono) {
            let lost = self.follower.tick(timer, &mut cx);
            self.lost(lost, &mut cx);
        }
        (self.timers, self.ids, self.rng) = (timers, ids, rng);
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        self.follower.transmit(conn, budget, out);
    }
}
