//! The master side inside a node: serves SYNC and PSYNC from one log.
//!
//! The host hands over connections that said REPLCONF, SYNC or PSYNC; from PSYNC on everything written to such a
//! connection comes from here. The stream exists once, in the [`Log`]; a replica is a cursor into it, so lag, limits
//! and memory are subtractions and a slow replica costs nothing.
//!
//! The host calls [`Source::settle`] at the end of every input.

mod acks;
mod channel;
mod conf;
mod config;
mod event;
mod handover;
mod history;
mod lag;
mod peer;
mod snapshot;
mod watch;

use alloc::collections::BTreeMap;

use bytes::Bytes;

pub use acks::{ReplicaInfo, ReplicaState};
pub use conf::Answer;
pub use config::SourceConfig;
pub use event::{Dropped, Event, Limit, Refusal, ReplicaName};
pub use handover::{SyncError, TWO_CHANNEL, Taken};
pub use peer::Content;
pub use snapshot::{SnapshotKind, SnapshotWanted};

use crate::blocks::BLOCK;
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Chunks, Path, Turn};
use crate::resp::{Args, Command, decimal};

use super::{Log, ReplId};
use peer::{Peer, Said, State};
use snapshot::Snapshots;

/// What a machine's timer keys must be to host a [`Source`].
pub trait Key: From<Timer> + Copy + Ord {}
impl<K: From<Timer> + Copy + Ord> Key for K {}

/// What a machine's events must be to host a [`Source`].
pub trait Emit: From<super::Event> {}
impl<E: From<super::Event>> Emit for E {}

/// The deadlines of the master side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Timer {
    /// A PING into the stream.
    Ping,
    /// Newlines to replicas that wait.
    Newlines,
    /// The first replica that may be silent too long.
    Silence,
    /// The first replica that may be over the soft limit too long.
    SoftLimit,
    /// The history may be freed.
    BacklogTtl,
    /// A diskless snapshot has waited long enough.
    Delay,
}

/// The node's role, as far as the master side must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A master: writes come by [`Source::append`]; it pings.
    Master,
    /// A replica: the stream comes by [`Source::upstream`].
    Replica {
        /// Whether its link stands; if not, SYNC and PSYNC are refused with `NOMASTERLINK`.
        linked: bool,
    },
}

/// How often replicas synchronized, for INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// Full resyncs that were asked for by SYNC,
    pub by_sync: u64,
    /// by a PSYNC that named no place,
    pub placeless: u64,
    /// by one that named a place in another history,
    pub other_id: u64,
    /// in our former one, behind the offset where we left it,
    pub beyond_second_id: u64,
    /// or in ours, where it is no longer (or not yet) in the log.
    pub not_held: u64,
    /// Full resyncs that were put off since enough others were under way.
    pub put_off: u64,
}

impl Counters {
    /// `sync_partial_err`: partial resyncs that were refused.
    pub fn partial_err(&self) -> u64 {
        self.other_id + self.beyond_second_id + self.not_held
    }

    fn refused(&mut self, why: &Refusal) {
        *match why {
            Refusal::OtherId { .. } => &mut self.other_id,
            Refusal::BeyondSecondId { .. } => &mut self.beyond_second_id,
            Refusal::NotHeld { .. } => &mut self.not_held,
        } += 1;
    }
}

/// `REPLCONF GETACK *`: 37 bytes of the stream.
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
/// As Redis 7 writes it, in lower case: 14 bytes of the stream.
const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";

/// The master side of a node. See the [module](self).
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
    log: Log,
    id: ReplId,
    /// The former id, and the first offset that may not be asked for under it.
    id2: Option<(ReplId, u64)>,
    /// Whether the log is kept; a master without replicas keeps none.
    active: bool,
    role: Role,
    /// The database that the stream has selected.
    selected: Option<u32>,
    /// What connections said by REPLCONF that are no replicas yet.
    said: BTreeMap<ConnId, Said>,
    peers: BTreeMap<ConnId, Peer>,
    /// How many of them wait for a snapshot: asked at every input, so counted.
    waiting: usize,
    snapshots: Snapshots,
    /// File reads under way.
    reads: BTreeMap<OpId, (ConnId, Path)>,
    counters: Counters,
    /// Whether an acknowledged offset moved since the host looked.
    acks: bool,
    /// Whether anything changed since the last [`Source::settle`] besides the log.
    dirty: bool,
    /// `log.visible()` at the last [`Source::settle`].
    settled: u64,
    /// How often the log began anew over other data.
    generation: u64,
    /// When which part of the log was written.
    marks: lag::Marks,
}

impl Source {
    /// A master side whose history is `id` and stands at offset `at`. It keeps no log before the first replica comes
    /// (see [`Source::keep_log`]); a master takes a new id then, as Redis does, since writes were not counted.
    pub fn new(id: ReplId, at: u64, config: SourceConfig) -> Self {
        Self {
            config,
            log: Log::starting_at(at),
            id,
            id2: None,
            active: false,
            role: Role::Master,
            selected: None,
            said: BTreeMap::new(),
            peers: BTreeMap::new(),
            waiting: 0,
            snapshots: Snapshots::default(),
            reads: BTreeMap::new(),
            counters: Counters::default(),
            acks: false,
            dirty: false,
            settled: at,
            generation: 0,
            marks: lag::Marks::default(),
        }
    }

    /// Changes the settings; they act from now on.
    pub fn configure<K: Key, E: Emit>(&mut self, config: SourceConfig, cx: &mut Turn<'_, K, E>) {
        self.config = config;
        self.dirty = true;
        cx.timers.clear(Timer::Ping.into());
        cx.timers.clear(Timer::Delay.into());
        cx.timers.clear(Timer::BacklogTtl.into());
        self.arm_ping(cx);
        self.arm_delay(cx);
        self.arm_silence(cx);
        self.arm_backlog_ttl(cx);
    }

    /// The settings.
    pub fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// The replication id.
    pub fn id(&self) -> ReplId {
        self.id
    }

    /// The former id and the first offset that may not be asked for under it (`second_repl_offset`).
    pub fn id2(&self) -> Option<(ReplId, u64)> {
        self.id2
    }

    /// The replication offset: `master_repl_offset`.
    pub fn offset(&self) -> u64 {
        self.log.visible()
    }

    /// The log: for INFO (`start() + 1` is `repl_backlog_first_byte_offset`, `history()` is `repl_backlog_histlen`).
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How often the log began anew over other data (a full resync, a restart, a freed history): between two looks with
    /// the same answer the stream went on without a gap.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the log is kept: `repl_backlog_active`.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// The database that the stream has selected, if it is known: `repl-stream-db` of a snapshot.
    pub fn selected(&self) -> Option<u32> {
        self.selected
    }

    /// How often replicas synchronized.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Begins the counters anew.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Memory in bytes of the log, and of snapshots held for slow replicas.
    pub fn memory(&self) -> (usize, usize) {
        let files = self.peers.values().map(|p| p.out.memory()).sum::<usize>();
        (self.log.memory(), self.snapshots.memory() + files)
    }

    /// Whether bytes of ours may enter the stream: a replica's stream is its master's, and with bytes of its own one
    /// offset would name two contents.
    #[inline]
    fn writes(&self) -> bool {
        self.active && self.role == Role::Master
    }

    /// Appends a command in wire form that was executed in database `db`; `None` for those that have none (MULTI,
    /// EXEC, PING). SELECT is put before it when the stream has another database selected. Does nothing unless the
    /// role is [`Role::Master`] and the log is kept.
    #[inline]
    pub fn append(&mut self, db: Option<u32>, frame: &[u8]) {
        if self.writes() {
            self.select(db);
            self.log.append(frame);
        }
    }

    /// The same for a command that owns its bytes; large ones are shared, not copied.
    pub fn append_command(&mut self, db: Option<u32>, command: &Command) {
        if command.frame().len() < BLOCK {
            self.append(db, command.frame());
        } else if self.writes() {
            self.select(db);
            self.log.append_shared(command.frame().clone());
        }
    }

    /// The same for arguments: their raw frame if there is one; pieces are shared, not copied.
    pub fn append_args(&mut self, db: Option<u32>, args: Args<'_>) {
        if !self.writes() {
            return;
        }
        if let Some(frame) = args.raw().filter(|_| !args.has_pieces()) {
            return self.append(db, frame);
        }
        self.select(db);
        self.header(b'*', args.len());
        for i in 0..args.len() {
            if let Some(pieces) = args.pieces(i) {
                self.header(b'$', pieces.iter().map(Bytes::len).sum());
                for piece in pieces {
                    self.log.append_shared(piece.clone());
                }
            } else {
                self.header(b'$', args.at(i).len());
                self.log.append(args.at(i));
            }
            self.log.append(b"\r\n");
        }
    }

    #[inline]
    fn select(&mut self, db: Option<u32>) {
        if db.is_some() && db != self.selected {
            self.select_now(db.unwrap_or(0));
        }
    }

    #[cold]
    fn select_now(&mut self, db: u32) {
        let mut buf = [0; 20];
        let digits = decimal(&mut buf, false, u64::from(db));
        self.log.append(b"*2\r\n$6\r\nSELECT\r\n");
        self.header(b'$', digits.len());
        self.log.append(digits);
        self.log.append(b"\r\n");
        self.selected = Some(db);
    }

    fn header(&mut self, mark: u8, n: usize) {
        let mut line = [mark; 23];
        let mut buf = [0; 20];
        let digits = decimal(&mut buf, false, n as u64);
        line[1..=digits.len()].copy_from_slice(digits);
        line[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
        self.log.append(&line[..digits.len() + 3]);
    }

    /// Shows up to `budget` unsent bytes of a replica's connection.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.transmit(&mut self.log, &mut self.snapshots, budget, out);
        }
    }

    /// The kernel took `len` bytes.
    pub fn sent<K: Key, E: Emit>(&mut self, conn: ConnId, len: usize, cx: &mut Turn<'_, K, E>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.advance(len, cx.now.mono);
        if peer.is_online() && peer.cursor < self.log.visible() {
            peer.delay.queues(self.log.visible());
        }
        match peer.state {
            State::Sending(_) => {
                self.pump(conn, cx);
                self.check_sent(conn, cx);
                self.dirty = true;
            }
            State::Leaving if peer.out.is_empty() => return self.remove_and_close(conn, cx),
            _ => {}
        }
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.writing && peer.unsent(&self.log, &self.snapshots) == 0 {
            peer.writing = false;
            cx.out.push(Action::Interest { conn, read: true, write: false });
        }
    }

    /// The connection is gone; call it for every connection that ever said REPLCONF.
    pub fn closed<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        if self.said.remove(&conn).is_some_and(|said| said.parked.is_some()) {
            self.client_gone(conn, cx);
        }
        if let Some(peer) = self.remove(conn, cx) {
            cx.out.event(super::Event::from(Event::Lost(peer.name())));
            self.part(&peer, cx);
        }
    }

    fn remove<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) -> Option<Peer> {
        let peer = self.peers.remove(&conn)?;
        self.waiting -= usize::from(peer.is_waiting());
        self.dirty = true;
        if self.peers.is_empty() {
            cx.timers.clear(Timer::Ping.into());
            self.arm_backlog_ttl(cx);
        }
        Some(peer)
    }

    fn remove_and_close<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        if let Some(peer) = self.remove(conn, cx) {
            cx.out.push(Action::Close { conn });
            self.part(&peer, cx);
        }
    }

    fn drop_peer<K: Key, E: Emit>(&mut self, conn: ConnId, why: Dropped, cx: &mut Turn<'_, K, E>) {
        if let Some(peer) = self.peers.get(&conn) {
            cx.out.event(super::Event::from(Event::Dropped { replica: peer.name(), why }));
            self.remove_and_close(conn, cx);
        }
    }

    /// Lets all replicas go; they come back by themselves.
    pub fn drop_replicas<K: Key, E: Emit>(&mut self, why: Dropped, cx: &mut Turn<'_, K, E>) {
        while let Some(&conn) = self.peers.keys().next() {
            self.drop_peer(conn, why, cx);
        }
    }
}
