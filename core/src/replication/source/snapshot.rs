//! Snapshots on their way to replicas: shared blocks for the sockets, files by jobs.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::blocks::Blocks;
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Chunks, Job, Outcome, Path, Turn};
use crate::replication::ReplId;
use crate::resp::decimal;

use super::event::{Dropped, Event, Limit};
use super::peer::{Content, FileTransfer, Peer, State, Transfer};
use super::{Emit, Key, Source};

/// How much of a file is read at once, in bytes.
const FILE_READ: usize = 128 * 1024;
/// The next piece of a file is read once no more than so many bytes wait to be sent.
const FILE_LOW: u64 = 64 * 1024;

/// Which way a snapshot goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotKind {
    /// Straight to the sockets, in `$EOF:` framing.
    Socket,
    /// Into a file first, then in `$<len>` framing.
    File,
}

/// A snapshot that replicas wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotWanted {
    /// Which way it shall go.
    pub kind: SnapshotKind,
    /// What it shall hold.
    pub content: Content,
    /// The version of the format to write it in: `None` for the lowest that has all that the data need. Data that need more
    /// than this get what they need. Whoever begins it gives back the one that is written, if that is known.
    pub version: Option<u16>,
}

/// One snapshot over the sockets.
#[derive(Debug)]
struct Shared {
    blocks: Blocks,
    finished: bool,
}

/// The snapshot under production.
#[derive(Debug)]
struct Production {
    number: u64,
    kind: SnapshotKind,
    content: Content,
    /// The version that is written.
    version: Option<u16>,
    /// Whether some replica takes it that did not say what it reads.
    for_all: bool,
    /// The history that the data belong to.
    id: ReplId,
    /// The log's position that the data have.
    offset: u64,
    mark: [u8; 40],
    /// Bytes that the dataset holds for it; see [`Source::handed_over`].
    handed: u64,
}

/// All snapshots that anyone still reads over the sockets, and the one under production.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    shared: BTreeMap<u64, Shared>,
    production: Option<Production>,
    last: u64,
    /// Where bytes go that nobody waits for.
    sink: Blocks,
}

impl Snapshots {
    pub(super) fn end_of(&self, number: u64) -> u64 {
        self.shared.get(&number).map_or(0, |s| s.blocks.end())
    }

    pub(super) fn read(&mut self, number: u64, at: u64, budget: usize, out: &mut Chunks) {
        if let Some(s) = self.shared.get_mut(&number) {
            s.blocks.read(at, budget, out);
        }
    }

    /// Whether a reader at `at` has all of it.
    fn is_through(&self, number: u64, at: u64) -> bool {
        self.shared.get(&number).is_none_or(|s| s.finished && at >= s.blocks.end())
    }

    pub(super) fn memory(&self) -> usize {
        self.shared.values().map(|s| s.blocks.memory()).sum()
    }

    /// Bytes held for readers.
    fn held(&self) -> u64 {
        self.shared.values().map(|s| s.blocks.len()).sum()
    }

    /// Bytes that the dataset holds for the one under production.
    fn handed(&self) -> u64 {
        self.production.as_ref().map_or(0, |p| p.handed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.production.is_none()
    }

    /// The log's position that must stay for replicas that may still join the file under production.
    pub(super) fn pin(&self) -> Option<u64> {
        self.production.as_ref().filter(|p| p.kind == SnapshotKind::File).map(|p| p.offset)
    }
}

impl Source {
    /// The snapshot that replicas wait for, if it shall begin now: not while another one is under production, and a
    /// diskless one only after `diskless_delay`. Ask at the end of each input that may have changed the answer; a
    /// timer sees to it that there is one when the delay ends.
    pub fn snapshot_wanted(&self, now: crate::time::Instant) -> Option<SnapshotWanted> {
        if self.snapshots.production.is_some() {
            return None;
        }
        let (since, content, channel) = self.oldest_waiting()?;
        let waits = |p: &&Peer| p.is_waiting() && p.said.content == content;
        // By an RDB channel no file goes; the others may have to wait for one then.
        let file = !channel
            && (!self.config.diskless || self.peers.values().filter(waits).any(|p| !p.said.eof && !p.is_channel()));
        // A filtered snapshot never gets here without `capa eof`: PSYNC was refused.
        let kind = if file && content == Content::All { SnapshotKind::File } else { SnapshotKind::Socket };
        let group = || self.peers.values().filter(|p| self.takes_part(p, kind, content));
        let version = self.config.snapshot_version.or_else(|| lowest(group()));
        let enough = self.config.diskless_max_replicas > 0 && group().count() >= self.config.diskless_max_replicas;
        let due = file || enough || now >= since + self.config.diskless_delay;
        due.then_some(SnapshotWanted { kind, content, version })
    }

    /// Whether a replica waits for a snapshot that goes this way.
    fn takes_part(&self, peer: &Peer, kind: SnapshotKind, content: Content) -> bool {
        let way = match kind {
            SnapshotKind::Socket => {
                peer.said.eof && (self.config.diskless || peer.is_channel() || content != Content::All)
            }
            SnapshotKind::File => !peer.is_channel(),
        };
        way && peer.is_waiting() && peer.said.content == content
    }

    /// Whether any replica waits for a snapshot to begin.
    pub fn is_awaited(&self) -> bool {
        self.waiting > 0
    }

    /// Refuses the replicas that wait for all the data and are known not to read version `needs`, the lowest that holds
    /// them: they are told so in place of a snapshot, and let go. Ask before each [`Source::snapshot_wanted`].
    pub fn refuse_unreadable<K: Key, E: Emit>(&mut self, needs: u16, cx: &mut Turn<'_, K, E>) {
        let else_reads = self.config.snapshot_version;
        let unable = |p: &Peer| p.said.reads.or(else_reads).filter(|&reads| reads < needs);
        let all = |p: &Peer| p.is_waiting() && p.said.content == Content::All;
        let refused: Vec<_> =
            self.peers.iter().filter(|(_, p)| all(p)).filter_map(|(&conn, p)| Some((conn, unable(p)?))).collect();
        for (conn, reads) in refused {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            announce(&mut peer.out, peer.pre_psync, &self.id, self.log.visible());
            let text =
                alloc::format!("-ERR the data need snapshot version {needs}, and this replica reads {reads}\r\n");
            peer.out.append(text.as_bytes());
            peer.become_leaving();
            self.waiting -= 1;
            self.dirty = true;
            let event = Event::Unreadable { replica: peer.name(), reads, needs };
            cx.out.event(crate::replication::Event::from(event));
        }
    }

    /// Since when the oldest waiting replica waits, what it wants, and whether by an RDB channel. Costs nothing when none waits.
    pub(super) fn oldest_waiting(&self) -> Option<(crate::time::Instant, Content, bool)> {
        debug_assert_eq!(self.waiting, self.peers.values().filter(|p| p.is_waiting()).count());
        if self.waiting == 0 {
            return None;
        }
        self.peers
            .values()
            .filter_map(|p| match p.state {
                State::Waiting { since } => Some((since, p.said.content, p.is_channel())),
                _ => None,
            })
            .min_by_key(|&(since, ..)| since)
    }

    /// The data are being captured at this very moment, which is the log's `offset()`: all replicas that wait for
    /// such a snapshot are told (`+FULLRESYNC`), and the log stays from here on until they have it. The next write
    /// into the stream is preceded by SELECT; `db` is the database that is selected in it now. Call nothing else of the source
    /// between the capture and this.
    pub fn snapshot_begin<K: Key, E: Emit>(&mut self, wanted: SnapshotWanted, db: u32, cx: &mut Turn<'_, K, E>) {
        let SnapshotWanted { kind, content, version } = wanted;
        self.snapshots.last += 1;
        let number = self.snapshots.last;
        let offset = self.log.visible();
        let mark = cx.rng.hex();
        self.selected = None;
        let id = self.id;
        let production = Production { number, kind, content, version, for_all: false, id, offset, mark, handed: 0 };
        if kind == SnapshotKind::Socket {
            let mut blocks = Blocks::new();
            blocks.append(b"$EOF:");
            blocks.append(&mark);
            blocks.append(b"\r\n");
            self.snapshots.shared.insert(number, Shared { blocks, finished: false });
        }
        let group: Vec<ConnId> =
            self.peers.iter().filter(|(_, p)| self.takes_part(p, kind, content)).map(|(&conn, _)| conn).collect();
        let (replicas, mut for_all) = (group.len(), false);
        for conn in group {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            announce(&mut peer.out, peer.pre_psync, &self.id, offset);
            peer.become_sending(Self::transfer(kind, number), offset);
            for_all |= peer.said.reads.is_none();
            self.channel_begins(conn, offset, db, cx);
        }
        self.snapshots.production = Some(Production { for_all, ..production });
        self.waiting -= replicas;
        self.dirty = true;
        cx.out.event(crate::replication::Event::from(match kind {
            SnapshotKind::Socket => Event::TransferStarted { replicas },
            SnapshotKind::File => Event::FileStarted,
        }));
    }

    fn transfer(kind: SnapshotKind, number: u64) -> Transfer {
        match kind {
            SnapshotKind::Socket => Transfer::Socket { snapshot: number, at: 0 },
            SnapshotKind::File => Transfer::Unwritten { snapshot: number },
        }
    }

    /// Whether the file under production serves a replica that comes now too; true if `conn` joined it. It gets the
    /// stream from the snapshot's offset on, as those that came before.
    pub(super) fn join_snapshot(&mut self, conn: ConnId) -> bool {
        let Some(p) = &self.snapshots.production else { return false };
        let Some(peer) = self.peers.get_mut(&conn) else { return false };
        // Under another id the offset would name other data than the file's.
        let ours = p.id == self.id && self.log.holds(p.offset);
        let readable = match peer.said.reads.or(self.config.snapshot_version) {
            Some(reads) => p.version.is_none_or(|version| version <= reads),
            None => p.for_all,
        };
        if p.kind != SnapshotKind::File || peer.is_channel() || p.content != peer.said.content || !ours || !readable {
            return false;
        }
        announce(&mut peer.out, peer.pre_psync, &self.id, p.offset);
        self.waiting -= usize::from(peer.is_waiting());
        peer.become_sending(Transfer::Unwritten { snapshot: p.number }, p.offset);
        self.dirty = true;
        true
    }

    /// Where the bytes of a socket snapshot go, the format's own end mark included; the transfer's frame is written
    /// here. Fill it up to [`Source::snapshot_room`] and call [`Source::settle`] then. Without such a snapshot under
    /// production the bytes are dropped.
    pub fn snapshot_out(&mut self) -> &mut Blocks {
        self.dirty = true;
        let number = self.snapshots.production.as_ref().map(|p| p.number);
        if let Some(s) = number.and_then(|n| self.snapshots.shared.get_mut(&n)) {
            return &mut s.blocks;
        }
        self.snapshots.sink = Blocks::new();
        &mut self.snapshots.sink
    }

    /// How many bytes of a socket snapshot may be produced now: the fastest reader sets the pace. Zero as well when
    /// nobody reads any more; see [`Source::snapshot_alive`]. Ask again after each `sent`.
    pub fn snapshot_room(&self) -> usize {
        let Some(p) = self.snapshots.production.as_ref().filter(|p| p.kind == SnapshotKind::Socket) else { return 0 };
        let fastest = self.readers(p.number).map(|(_, at)| at).max();
        let Some(fastest) = fastest else { return 0 };
        let ahead = self.snapshots.end_of(p.number).saturating_sub(fastest);
        usize::try_from(self.config.snapshot_ahead.saturating_sub(ahead)).unwrap_or(usize::MAX)
    }

    /// The dataset holds `bytes` now for the snapshot under production: old values that writes replaced and that it
    /// has not taken yet. They count against [`SourceConfig::snapshot_buffer`](super::SourceConfig) at the next
    /// [`Source::settle`]; if they alone exceed it, all readers of this snapshot are dropped
    /// ([`Dropped::Outrun`]), and [`Source::snapshot_alive`] is false. Tell it after each input that may have changed
    /// it; without a snapshot under production it is ignored.
    #[inline]
    pub fn handed_over(&mut self, bytes: usize) {
        if let Some(p) = &mut self.snapshots.production {
            p.handed = bytes as u64;
            self.dirty |= self.snapshots.handed().saturating_add(self.snapshots.held()) > self.config.snapshot_buffer;
        }
    }

    /// Whether any replica still wants the snapshot under production. If not, end it with
    /// [`Source::snapshot_failed`] (no replica hears of it). False as well when [`Source::restored`] or
    /// [`Source::restart_at`] made it void: the data are others, end its production and begin no other one before.
    pub fn snapshot_alive(&self) -> bool {
        self.snapshots.production.as_ref().is_some_and(|p| self.peers.values().any(|peer| peer.takes(p.number)))
    }

    /// The data are others now: the snapshot under production, whose readers are let go, serves nobody any more.
    pub(super) fn void_snapshot(&mut self) {
        if let Some(p) = self.snapshots.production.take() {
            self.snapshots.shared.remove(&p.number);
            self.dirty = true;
        }
    }

    /// The way of the snapshot under production, if there is one.
    pub fn snapshot_under_way(&self) -> Option<SnapshotKind> {
        self.snapshots.production.as_ref().map(|p| p.kind)
    }

    fn readers(&self, number: u64) -> impl Iterator<Item = (ConnId, u64)> + '_ {
        self.peers
            .iter()
            .filter_map(move |(&conn, p)| p.place().filter(|&(n, _)| n == number).map(|(_, at)| (conn, at)))
    }

    /// Who gets snapshot `number` from its production: over the socket, or once the file is written.
    fn takers(&self, number: u64) -> Vec<ConnId> {
        self.peers.iter().filter(|(_, peer)| peer.takes(number)).map(|(&conn, _)| conn).collect()
    }

    /// The socket snapshot is complete.
    pub fn snapshot_finish<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let Some(p) = self.snapshots.production.take() else { return };
        let Some(shared) = self.snapshots.shared.get_mut(&p.number) else { return };
        shared.blocks.append(&p.mark);
        shared.finished = true;
        let bytes = shared.blocks.end();
        let readers: Vec<ConnId> = self.readers(p.number).map(|(conn, _)| conn).collect();
        let replicas = readers.len();
        cx.out.event(crate::replication::Event::from(Event::TransferProduced { replicas, bytes }));
        self.dirty = true;
        self.arm_delay(cx);
    }

    /// The snapshot under production cannot be had: its replicas are dropped, and come back.
    pub fn snapshot_failed<K: Key, E: Emit>(&mut self, reason: &str, cx: &mut Turn<'_, K, E>) {
        let Some(p) = self.snapshots.production.take() else { return };
        let its = self.takers(p.number);
        if !its.is_empty() {
            cx.out.event(crate::replication::Event::from(Event::SnapshotFailed { reason: Box::from(reason) }));
        }
        for conn in its {
            self.drop_peer(conn, Dropped::NoSnapshot, cx);
        }
        self.snapshots.shared.remove(&p.number);
        self.dirty = true;
        self.arm_delay(cx);
    }

    /// The file snapshot is complete: `file` has `len` bytes and must stay until [`Source::reads_file`] says that
    /// nobody reads it.
    pub fn snapshot_file<K: Key, E: Emit>(&mut self, file: &Path, len: u64, cx: &mut Turn<'_, K, E>) {
        let Some(p) = self.snapshots.production.take() else { return };
        let its: Vec<ConnId> = self
            .peers
            .iter()
            .filter(|(_, peer)| matches!(peer.state, State::Sending(Transfer::Unwritten { snapshot }) if snapshot == p.number))
            .map(|(&conn, _)| conn)
            .collect();
        for conn in its {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let mut buf = [0; 20];
            peer.out.append(b"$");
            peer.out.append(decimal(&mut buf, false, len));
            peer.out.append(b"\r\n");
            let transfer = FileTransfer { file: file.clone(), len, at: 0, reading: None };
            peer.state = State::Sending(Transfer::File(transfer));
            self.pump(conn, cx);
        }
        self.dirty = true;
        self.arm_delay(cx);
    }

    /// Whether any replica still reads `file`.
    pub fn reads_file(&self, file: &str) -> bool {
        self.peers.values().any(|p| matches!(&p.state, State::Sending(Transfer::File(f)) if &*f.file == file))
            || self.reads.values().any(|(_, f)| &**f == file)
    }

    /// Starts the next read of a replica's file if little of it waits to be sent.
    pub(super) fn pump<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let State::Sending(Transfer::File(f)) = &mut peer.state else { return };
        if f.reading.is_some() || f.at >= f.len || peer.out.len() > FILE_LOW {
            return;
        }
        let len = usize::try_from(f.len - f.at).unwrap_or(FILE_READ).min(FILE_READ);
        let op = cx.ids.op();
        f.reading = Some(op);
        self.reads.insert(op, (conn, f.file.clone()));
        cx.out.push(Action::Start { op, job: Job::Read { file: f.file.clone(), at: f.at, len } });
    }

    /// A job ended. False if it was none of ours, with its outcome handed back.
    pub fn done<K: Key, E: Emit>(&mut self, op: OpId, outcome: Outcome, cx: &mut Turn<'_, K, E>) -> Option<Outcome> {
        let Some((conn, _)) = self.reads.remove(&op) else { return Some(outcome) };
        let peer = self.peers.get_mut(&conn)?;
        let State::Sending(Transfer::File(f)) = &mut peer.state else { return None };
        f.reading = None;
        match outcome {
            Outcome::Read(bytes) if !bytes.is_empty() && f.at + bytes.len() as u64 <= f.len => {
                f.at += bytes.len() as u64;
                peer.out.append_shared(bytes);
                self.dirty = true;
                self.pump(conn, cx);
            }
            // The file is shorter than it was, or cannot be read: the replica must not take it for whole.
            _ => self.drop_peer(conn, Dropped::NoFile, cx),
        }
        None
    }

    /// Moves a replica on if it has all of its snapshot.
    pub(super) fn check_sent<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        let now = cx.now.mono;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.out.is_empty() {
            return;
        }
        let over_socket = match &peer.state {
            State::Sending(Transfer::Socket { snapshot, at }) if self.snapshots.is_through(*snapshot, *at) => true,
            State::Sending(Transfer::File(f)) if f.at == f.len && f.reading.is_none() => false,
            _ => return,
        };
        if peer.is_channel() {
            return self.channel_sent(conn, cx);
        }
        let name = peer.name();
        let event = if peer.said.rdb_only {
            peer.become_leaving();
            Event::SnapshotOnlyServed(name)
        } else if over_socket && !peer.pre_psync {
            peer.become_held(now);
            Event::Streamed(name)
        } else {
            peer.become_online(now);
            Event::Synchronized(name)
        };
        self.dirty = true;
        self.watch_peer(conn, cx);
        cx.out.event(crate::replication::Event::from(event));
    }

    /// Releases what all readers have, and drops the slowest while too much is held.
    pub(super) fn settle_snapshots<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let mut handed = self.snapshots.handed();
        if handed > self.config.snapshot_buffer {
            self.drop_takers(cx);
            // The host ends that snapshot now; readers of finished ones do not pay for it.
            handed = 0;
        }
        loop {
            let numbers: Vec<u64> = self.snapshots.shared.keys().copied().collect();
            for number in numbers {
                let slowest = self.readers(number).map(|(_, at)| at).min();
                let Some(s) = self.snapshots.shared.get_mut(&number) else { continue };
                match slowest {
                    Some(at) => s.blocks.release(at),
                    None if s.finished => drop(self.snapshots.shared.remove(&number)),
                    None => s.blocks.release(s.blocks.end()),
                }
            }
            if self.snapshots.held().saturating_add(handed) <= self.config.snapshot_buffer {
                return;
            }
            // The one that holds the most.
            let slowest = self
                .peers
                .iter()
                .filter_map(|(&conn, p)| p.place().map(|(n, at)| (self.snapshots.end_of(n).saturating_sub(at), conn)))
                .max();
            let Some((behind, conn)) = slowest else { return };
            let Some(peer) = self.peers.get(&conn) else { return };
            let event = Event::OutputLimit { replica: peer.name(), behind, limit: Limit::Snapshot };
            cx.out.event(crate::replication::Event::from(event));
            self.remove_and_close(conn, cx);
        }
    }

    /// Lets go all who get the snapshot under production from it.
    fn drop_takers<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let Some(number) = self.snapshots.production.as_ref().map(|p| p.number) else { return };
        for conn in self.takers(number) {
            self.drop_peer(conn, Dropped::Outrun, cx);
        }
    }
}

/// The highest version that all of these are known to read.
fn lowest<'p>(peers: impl Iterator<Item = &'p Peer>) -> Option<u16> {
    // One that did not say makes it none.
    peers.map(|p| p.said.reads).min().flatten()
}

fn announce(out: &mut Blocks, pre_psync: bool, id: &ReplId, offset: u64) {
    if pre_psync {
        return;
    }
    let mut buf = [0; 20];
    out.append(b"+FULLRESYNC ");
    out.append(id.as_bytes());
    out.append(b" ");
    out.append(decimal(&mut buf, false, offset));
    out.append(b"\r\n");
}
