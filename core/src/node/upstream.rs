//! Following a master: what it sends goes to the log, to the dataset, or into a snapshot that replaces it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::guard::{Refused, ResyncRefusal};
use super::load::Purpose;
use super::peek::Peek;
use super::spool::Spool;
use super::{Cx, Node, Run, What, turn};
use crate::blocks::Blocks;
use crate::client::{Dispatch as _, Server as _};
use crate::config::DisklessLoad;
use crate::dataset::{Context, Dataset, LoadMode, Origin};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Closed, Outcome, Path, SocketOptions};
use crate::mutations::{Mutation, on};
use crate::replication::follower::{Credentials, LinkError};
use crate::replication::source::Role;
use crate::replication::{Delivery, Follower, FollowerConfig, LinkState, ReplId, Resume, follower};
use crate::resp::{Args, Command, Proto, Reply, parse_i64};
use crate::time::Instant;

/// A stream that cannot be applied is answered by a full resync; a second fault within this time stops the link until
/// somebody says REPLICAOF again, so that a master is not asked for snapshots for ever.
const FAULT_REST: Duration = Duration::from_secs(300);

/// Bytes that are taken off a master each second although reads have stopped. The kernel tells a sender that there is room only
/// when a third of its buffer is free, and that has 4 MB.
const READ_ON: usize = 2 << 20;
/// Bytes of the stream that were kept while a snapshot came and are applied at a time: some milliseconds.
const HELD_SLICE: u64 = 256 * 1024;

/// Bytes of a MULTI block of the stream that wait for their EXEC.
const MULTI_MAX: usize = 1 << 30;

/// The replica's side of a node.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) link: Follower,
    stream: Stream,
    incoming: Option<Incoming>,
    /// Where the first link may go on.
    resume: Option<Resume>,
    last_fault: Option<Instant>,
    /// Bytes that are still to be taken before reads may stop again.
    read_on: usize,
    /// The master whose full resync was refused.
    pub(super) refused: Option<Refused>,
}

/// What the stream of the master is in the middle of.
#[derive(Debug, Default)]
struct Stream {
    /// Its selected database.
    db: u32,
    /// Commands between MULTI and EXEC, and their bytes.
    multi: Option<(Vec<Command>, usize)>,
}

/// A full resync under way.
#[derive(Debug)]
struct Incoming {
    id: ReplId,
    offset: u64,
    /// The database that the stream has selected there, if it was told apart from the snapshot.
    db: Option<u32>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Nothing has come yet.
    Announced,
    /// Looked at until it is known to be good, straight into a dataset then.
    Peek(Box<Peek>),
    /// Straight into a dataset.
    Socket,
    /// Into a file, from which it is loaded then.
    Spool(Box<Spool>),
}

/// Why the stream cannot be applied.
struct Fault {
    command: Box<str>,
    offset: u64,
    why: Box<str>,
    /// Some of a transaction was applied before it: the data are at no offset of the history.
    torn: bool,
}

/// What has to be done with the whole node before more is pulled off the link.
enum Step {
    /// Nothing more is there.
    Dry,
    /// A snapshot of this history is refused.
    GuardRefuses(ReplId, ResyncRefusal),
    /// Much was applied that had been kept: others have their turn.
    Rest,
    SnapshotBegins(Option<u64>),
    /// What was looked at is good.
    SnapshotGood,
    SnapshotEnds,
    SnapshotBad(Box<str>),
    Fault(Fault),
    Lost,
    /// Our master became it by our asking.
    HandedOver,
    /// It refused to.
    Refused(Box<str>),
}

impl Upstream {
    /// The selected database of the stream.
    pub(super) fn db(&self) -> u32 {
        self.stream.db
    }

    /// Whether the link follows the stream.
    pub(super) fn is_up(&self) -> bool {
        self.link.state() == LinkState::Connected
    }

    /// Whether the link was given up until somebody says REPLICAOF again.
    pub(super) fn is_stopped(&self) -> bool {
        self.link.state() == LinkState::None
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.link.state() == LinkState::Sync
    }
}

impl<D: Dataset> Node<D> {
    pub(super) fn link_up(&self) -> bool {
        self.upstream.as_ref().is_some_and(|u| u.is_up())
    }

    fn follower_config(&self) -> FollowerConfig {
        let set = &self.config.settings;
        let auth = (!set.masterauth.is_empty()).then(|| Credentials {
            user: (!set.masteruser.is_empty()).then(|| set.masteruser.clone().into_bytes()),
            password: set.masterauth.clone().into_bytes(),
        });
        FollowerConfig {
            auth,
            port: if set.replica_announce_port != 0 { set.replica_announce_port } else { self.port() },
            ip: (!set.replica_announce_ip.is_empty()).then(|| set.replica_announce_ip.as_str().into()),
            timeout: Duration::from_secs(u64::from(set.repl_timeout)),
            tls: false,
            from: set.bind_source_addr.parse().ok(),
            options: SocketOptions { nodelay: true, keepalive_s: set.tcp_keepalive },
            two_channel: set.repl_rdb_channel,
            stream_buffer: [set.replica_full_sync_buffer_limit, set.client_output_buffer_limit.replica.hard]
                .into_iter()
                .find(|limit| *limit > 0)
                .unwrap_or(u64::MAX),
        }
    }

    /// Directives of the link may have changed.
    pub(super) fn configure_link(&mut self, cx: &mut Cx<'_>) {
        let config = self.follower_config();
        if let Some(up) = &mut self.upstream {
            up.link.configure(config, &mut turn!(self, cx));
        }
    }

    /// The node will follow this master, from [`Node::start_link`] on.
    pub(super) fn prepare_link(&mut self, host: Box<str>, port: u16, resume: Option<Resume>, cx: &mut Cx<'_>) {
        let link = Follower::new(self.follower_config());
        let (stream, incoming) = (Stream::default(), None);
        self.upstream = Some(Box::new(Upstream {
            host,
            port,
            link,
            stream,
            incoming,
            resume,
            last_fault: None,
            read_on: 0,
            refused: None,
        }));
        self.master = false;
        self.source.set_role(Role::Replica { linked: false }, &mut turn!(self, cx));
    }

    /// The dataset's file says where in the history it stands.
    pub(super) fn resume_from(&mut self, id: ReplId, offset: u64, db: Option<u32>) {
        if let Some(up) = &mut self.upstream {
            up.resume = Some(Resume { id, offset });
            up.stream.db = db.unwrap_or(0);
        }
    }

    pub(super) fn start_link(&mut self, cx: &mut Cx<'_>) {
        let config = self.follower_config();
        let Some(up) = &mut self.upstream else { return };
        up.link.configure(config, &mut turn!(self, cx));
        let (host, port) = (up.host.clone(), up.port);
        match (up.resume.take(), &self.failover) {
            (Some(resume), Some(f)) if f.is_handing() => {
                up.link.hand_over(&host, port, resume, &mut turn!(self, cx));
            }
            (resume, _) => up.link.follow(&host, port, resume, &mut turn!(self, cx)),
        }
    }

    /// `REPLICAOF host port`: our own history, or the one of the master before, may serve to go on.
    pub(super) fn follow(&mut self, host: &str, port: u16, by: &str, cx: &mut Cx<'_>) {
        self.propagate_early();
        let resume = match &mut self.upstream {
            None => {
                self.event(cx, What::UsingOwnHistory);
                Some(Resume { id: self.source.id(), offset: self.source.offset() })
            }
            Some(up) => {
                let resume = if up.incoming.is_some() { None } else { up.link.resume() };
                up.link.stop(&mut turn!(self, cx));
                resume
            }
        };
        self.drop_incoming(cx);
        self.source.cut_upstream();
        self.source.keep_log();
        self.event(cx, What::ReplicaOf { host: host.into(), port, by: by.into() });
        let db = self.upstream.as_ref().map_or(0, |u| u.stream.db);
        self.prepare_link(host.into(), port, resume, cx);
        if let Some(up) = &mut self.upstream {
            up.stream.db = db;
        }
        self.end_waits(cx);
        // The node's own file comes first: what it says decides how the link begins.
        if self.load.as_ref().is_none_or(|l| l.what != Purpose::Start) {
            self.start_link(cx);
        }
    }

    /// `REPLICAOF NO ONE`, or what a master asks for that hands over.
    pub(super) fn become_master(&mut self, by: &str, handed_over: bool, cx: &mut Cx<'_>) {
        if self.promote(cx) {
            self.event(cx, What::MasterMode { by: by.into(), handed_over });
        }
    }

    /// Follows nobody any more; whether it followed anybody.
    pub(super) fn promote(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(up) = &mut self.upstream else { return false };
        up.link.stop(&mut turn!(self, cx));
        self.drop_incoming(cx);
        self.upstream = None;
        self.master = true;
        let new = ReplId::random(&mut self.rng);
        self.source.promote(new, &mut turn!(self, cx));
        true
    }

    /// `CLIENT KILL TYPE master`: whether there was a link.
    pub(super) fn break_upstream(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(up) = &mut self.upstream else { return false };
        let had = up.link.conn().is_some();
        up.link.cut(&mut turn!(self, cx));
        self.link_lost(cx);
        had
    }

    /// Stops to read from the master for a while, or goes on.
    pub(super) fn pause_link(&mut self, pause: bool, cx: &mut Cx<'_>) {
        if let Some(up) = &mut self.upstream {
            up.link.set_reading(!pause, &mut turn!(self, cx));
        }
        if !pause {
            self.pump_held(cx);
        }
    }

    pub(super) fn upstream_connected(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        if let Some(up) = &mut self.upstream {
            up.link.connected(conn, &mut turn!(self, cx));
        }
    }

    pub(super) fn upstream_sent(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_>) {
        if let Some(up) = &mut self.upstream {
            up.link.sent(conn, len, &mut turn!(self, cx));
        }
    }

    /// The master says no more. A late word of one that was closed already changes nothing.
    pub(super) fn upstream_eof(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        if self.upstream.as_ref().is_some_and(|u| u.link.owns(conn)) {
            cx.out.push(Action::Close { conn });
            self.upstream_closed(conn, Closed::Clean, cx);
        }
    }

    pub(super) fn upstream_closed(&mut self, conn: ConnId, reason: Closed, cx: &mut Cx<'_>) {
        if let Some(up) = &mut self.upstream
            && up.link.closed(conn, reason, &mut turn!(self, cx)).is_some()
        {
            self.link_lost(cx);
        }
    }

    pub(super) fn upstream_tick(&mut self, timer: follower::Timer, cx: &mut Cx<'_>) {
        let Some(up) = &mut self.upstream else { return };
        if up.link.tick(timer, &mut turn!(self, cx)).is_some() {
            self.link_lost(cx);
        } else if timer == follower::Timer::Ack {
            self.read_on(cx);
        }
    }

    /// Reads have stopped within a snapshot: each second something is read all the same, since a master lets go who takes
    /// nothing for `repl-timeout`.
    fn read_on(&mut self, cx: &mut Cx<'_>) {
        let reloading = self.reloading();
        let Some(up) = self.upstream.as_mut().filter(|_| !reloading) else { return };
        let room = match up.incoming.as_ref().map(|i| &i.way) {
            Some(Way::Spool(spool)) => !spool.is_full(),
            Some(_) => true,
            None => false,
        };
        if room && up.link.transfer_is_paused() {
            up.read_on = READ_ON;
            up.link.set_reading(true, &mut turn!(self, cx));
        }
    }

    /// A job of the link or of a snapshot that is spooled; the outcome back if it is neither's.
    pub(super) fn upstream_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(up) = &mut self.upstream else { return Some(result) };
        if let Some(Incoming { way: Way::Spool(spool), .. }) = &mut up.incoming
            && spool.owns(op)
        {
            self.spool_done(op, result, cx);
            return None;
        }
        up.link.done(op, result, &mut turn!(self, cx))
    }

    pub(super) fn upstream_received(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Cx<'_>) {
        if !self.upstream.as_ref().is_some_and(|u| u.link.owns(conn)) {
            return;
        }
        if let Some(up) = &mut self.upstream {
            up.read_on = up.read_on.saturating_sub(bytes.len());
        }
        self.stats.repl_in += bytes.len() as u64;
        self.clients.stats.net_in += bytes.len() as u64;
        self.pump(conn, bytes, cx);
    }

    /// Takes off the link what was kept of the stream, or the next slice of it.
    pub(super) fn pump_held(&mut self, cx: &mut Cx<'_>) {
        if let Some(up) = &self.upstream
            && let Some(conn) = up.link.conn().filter(|_| up.is_up() && up.link.held() > 0 && !self.reloading())
        {
            self.pump(conn, &[], cx);
        }
    }

    /// Takes off the link what is there, until it is dry, or until a slice of what was kept is done.
    fn pump(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Cx<'_>) {
        let mut input = bytes;
        let held = self.upstream.as_ref().map_or(0, |u| u.link.held());
        let enough = held.saturating_sub(HELD_SLICE);
        self.clients.stats.clock.begin(&mut *self.clients.meter);
        loop {
            // Out of the node for the while, so that deliveries may borrow the link beside the node.
            let Some(mut up) = self.upstream.take() else { return };
            let step = self.pull(&mut up, conn, enough, &mut input, cx);
            self.upstream = Some(up);
            match step {
                Step::Dry => return self.slow_load(cx),
                Step::GuardRefuses(id, why) => self.refuse_resync(id, why, cx),
                Step::Rest => return self.want_resume(cx),
                Step::SnapshotBegins(size) => self.snapshot_begins(size, cx),
                Step::SnapshotGood => self.snapshot_good(cx),
                Step::SnapshotEnds => self.snapshot_ends(cx),
                Step::SnapshotBad(why) => self.load_failed_or_spool(why, cx),
                Step::Fault(fault) => self.stream_fault(fault, cx),
                Step::Lost => self.link_lost(cx),
                Step::HandedOver => self.handed_over(cx),
                Step::Refused(why) => self.abort_failover(&why, cx),
            }
        }
    }

    /// Takes off deliveries until something is to be done with the node; at most until no more than `enough` bytes are kept.
    fn pull(&mut self, up: &mut Upstream, conn: ConnId, enough: u64, input: &mut &[u8], cx: &mut Cx<'_>) -> Step {
        loop {
            if enough > 0 && up.is_up() && up.link.held() <= enough && input.is_empty() {
                return Step::Rest;
            }
            let Some(delivery) = up.link.next(conn, input, &mut turn!(self, cx)) else { return Step::Dry };
            match delivery {
                Delivery::Continue { new_id } => {
                    up.refused = None;
                    if let Some(id) = new_id {
                        self.source.follow_id(id, &mut turn!(self, cx));
                    }
                    self.source.keep_log();
                    self.source.set_role(Role::Replica { linked: true }, &mut turn!(self, cx));
                    if self.failover.is_some() {
                        return Step::HandedOver;
                    }
                }
                Delivery::FullResync { id, offset, db } => {
                    if let Some(why) = self.refuses(up, id, offset) {
                        return Step::GuardRefuses(id, why);
                    }
                    up.incoming = Some(Incoming { id, offset, db, way: Way::Announced });
                    up.read_on = 0;
                    if self.failover.is_some() {
                        return Step::HandedOver;
                    }
                }
                Delivery::SnapshotBegin { size } => return Step::SnapshotBegins(size),
                Delivery::Snapshot(bytes) => {
                    let result = match up.incoming.as_mut().map(|i| &mut i.way) {
                        Some(Way::Spool(spool)) => {
                            let taken = spool.take(bytes, &self.data, &mut self.ids, cx.out);
                            if !spool.has_room() && (up.read_on == 0 || spool.is_full()) {
                                up.link.set_reading(false, &mut turn!(self, cx));
                            }
                            taken
                        }
                        Some(Way::Peek(peek)) => match peek.take(bytes, &self.data) {
                            Ok(true) => return Step::SnapshotGood,
                            Ok(false) => Ok(()),
                            Err(why) => Err(why),
                        },
                        _ => self.load_bytes(bytes).map(|_| ()),
                    };
                    if let Err(why) = result {
                        return Step::SnapshotBad(why);
                    }
                }
                Delivery::SnapshotEnd => return Step::SnapshotEnds,
                Delivery::Stream(bytes) if on(Mutation::AltersByte) => {
                    let altered: Vec<u8> = bytes.iter().map(|b| if *b == b'7' { b'8' } else { *b }).collect();
                    self.source.upstream(&altered);
                }
                Delivery::Stream(bytes) => self.source.upstream(bytes),
                Delivery::Command { args, end } => match self.apply(&mut up.stream, args, end, cx) {
                    Ok(()) if up.stream.multi.is_none() => {
                        up.link.applied(end);
                        self.source.show(end);
                    }
                    Ok(()) => {}
                    Err(fault) => return Step::Fault(fault),
                },
                Delivery::Skip { end } => {
                    if up.stream.multi.is_none() {
                        up.link.applied(end);
                        self.source.show(end);
                    }
                }
                Delivery::Lost(why @ LinkError::TakeoverRefused(_)) => return Step::Refused(why.to_string().into()),
                Delivery::Lost(_) => return Step::Lost,
            }
        }
    }

    /// With `key-load-delay` the link is read no further until the keys that came have had their delay (but for what
    /// [`Node::read_on`] takes).
    fn slow_load(&mut self, cx: &mut Cx<'_>) {
        if self.load.as_ref().is_some_and(|l| l.what == Purpose::Socket)
            && self.delay_load(cx)
            && let Some(up) = self.upstream.as_mut().filter(|u| u.read_on == 0)
        {
            up.link.set_reading(false, &mut turn!(self, cx));
        }
    }

    /// The delay is over.
    pub(super) fn load_step(&mut self, cx: &mut Cx<'_>) {
        match (self.load.as_ref().map(|l| l.what), &mut self.upstream) {
            (Some(Purpose::Socket), Some(up)) if up.link.progress().is_some() => {
                up.link.set_reading(true, &mut turn!(self, cx));
            }
            // All of it came meanwhile.
            (Some(Purpose::Socket), _) => self.loaded(cx),
            (Some(_), _) => self.load_read(cx),
            (None, _) => {}
        }
    }

    /// The snapshot's bytes begin: where they go depends on what we hold.
    fn snapshot_begins(&mut self, size: Option<u64>, cx: &mut Cx<'_>) {
        let mode = self.config.settings.repl_diskless_load;
        let way = if self.keys() == 0 {
            self.load_socket(LoadMode::Replace, size, cx);
            Way::Socket
        } else if mode == DisklessLoad::SwapDb {
            self.load_socket(LoadMode::Beside, size, cx);
            // What is served meanwhile is stale, and not of another history.
            if self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).is_some_and(|i| i.id == self.source.id()) {
                self.serve_meanwhile();
            }
            Way::Socket
        } else if mode.flushes() {
            Way::Peek(Box::new(Peek::new(size)))
        } else {
            let tag: [u8; 16] = self.rng.hex();
            let name = format!("temp-{}-{}.sync.rdb", self.clients.about.pid, super::snapshot::text(&tag));
            Way::Spool(Box::new(Spool::new(self.file_named(&name))))
        };
        if let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()) {
            incoming.way = way;
        }
    }

    fn load_socket(&mut self, mode: LoadMode, size: Option<u64>, cx: &mut Cx<'_>) {
        let how = if mode == LoadMode::Replace { "straight from the socket" } else { "beside the old dataset" };
        self.event(cx, What::LoadingSnapshot { how });
        self.begin_load(Purpose::Socket, mode, size, cx);
    }

    /// What was looked at is good: the old dataset goes for it.
    fn snapshot_good(&mut self, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()) else { return };
        let Way::Peek(peek) = core::mem::replace(&mut incoming.way, Way::Socket) else { return };
        self.load_socket(LoadMode::Replace, peek.size, cx);
        if let Err(why) = self.load_bytes(&peek.into_bytes()) {
            self.load_failed(why, cx);
        }
    }

    /// Bytes that a full resync under way holds beside the datasets: what waits for the disk or was looked at, and the stream
    /// behind the snapshot.
    pub(super) fn incoming_memory(&self) -> usize {
        let Some(up) = &self.upstream else { return 0 };
        let before = match up.incoming.as_ref().map(|i| &i.way) {
            Some(Way::Spool(spool)) => usize::try_from(spool.held()).unwrap_or(usize::MAX),
            Some(Way::Peek(peek)) => peek.held(),
            _ => 0,
        };
        before.saturating_add(usize::try_from(up.link.held()).unwrap_or(usize::MAX))
    }

    /// Keys of the snapshot that came whole and is not in place yet.
    fn incoming_keys(&self) -> u64 {
        match self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).map(|i| &i.way) {
            Some(Way::Spool(spool)) => spool.keys(),
            Some(Way::Peek(_)) => 0,
            _ => self.data.load_counts().0,
        }
    }

    /// The last byte of the snapshot came.
    fn snapshot_ends(&mut self, cx: &mut Cx<'_>) {
        let id = self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).map(|i| i.id);
        if let Some((id, why)) = id.zip(self.refuses_empty(self.incoming_keys())) {
            return self.refuse_resync(id, why, cx);
        }
        let way = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()).map(|i| &mut i.way);
        match way {
            Some(Way::Spool(spool)) => {
                if let Err(why) = spool.finish(&mut self.ids, cx.out) {
                    return self.load_failed_or_spool(why, cx);
                }
                self.spool_step(cx);
            }
            Some(Way::Peek(peek)) if !peek.is_whole() => {
                self.resync_failed("the snapshot ends before its end mark", cx);
            }
            Some(Way::Peek(_)) => {
                self.snapshot_good(cx);
                self.snapshot_ends(cx);
            }
            _ => match self.load_bytes(&[]) {
                // The stream behind it waits for the delay of its last keys, too.
                Ok(true) if self.delay_load(cx) => {}
                Ok(true) => self.loaded(cx),
                Ok(false) => self.load_failed("the snapshot ends before its end mark".into(), cx),
                Err(why) => self.load_failed(why, cx),
            },
        }
    }

    /// A write of the spooled snapshot ended.
    fn spool_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) {
        if let Some(Incoming { way: Way::Spool(spool), .. }) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut())
            && let Err(why) = spool.done(op, result)
        {
            return self.load_failed_or_spool(why, cx);
        }
        self.spool_step(cx);
    }

    /// The spooled snapshot goes on: reads stop while writes pile up; once it is whole, it is loaded.
    fn spool_step(&mut self, cx: &mut Cx<'_>) {
        let Some(up) = &mut self.upstream else { return };
        let Some(Incoming { way: Way::Spool(spool), .. }) = &up.incoming else { return };
        if spool.is_whole() {
            if self.load.is_none() {
                let file = spool.file();
                self.event(cx, What::LoadingSnapshot { how: "from a file" });
                self.begin_load_file(Purpose::Spool, LoadMode::Replace, file, cx);
            }
        } else if !spool.is_finished() {
            let room = spool.has_room() || (up.read_on > 0 && !spool.is_full());
            up.link.set_reading(room, &mut turn!(self, cx));
        }
    }

    fn load_failed_or_spool(&mut self, why: Box<str>, cx: &mut Cx<'_>) {
        if self.load.as_ref().is_some_and(|l| matches!(l.what, Purpose::Socket | Purpose::Spool)) {
            self.load_failed(why, cx);
        } else {
            self.resync_failed(&why, cx);
        }
    }

    /// The snapshot is in place: the history is the master's, and its stream goes on.
    pub(super) fn resync_loaded(&mut self, db: Option<u32>, keys: u64, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.take()) else { return };
        self.remove_spool(&incoming.way, cx);
        self.source.restart_at(incoming.id, incoming.offset, &mut turn!(self, cx));
        self.source.set_role(Role::Replica { linked: true }, &mut turn!(self, cx));
        self.event(cx, What::SnapshotLoaded { keys });
        let Some(up) = &mut self.upstream else { return };
        up.stream = Stream { db: incoming.db.or(db).unwrap_or(0), multi: None };
        up.refused = None;
        up.link.snapshot_loaded(&mut turn!(self, cx));
        self.pump_held(cx);
    }

    /// The snapshot is no good: the link begins anew after a while.
    pub(super) fn resync_failed(&mut self, why: &str, cx: &mut Cx<'_>) {
        self.event(cx, What::SnapshotFault { why: why.into() });
        if let Some(up) = &mut self.upstream {
            up.link.fail(why, &mut turn!(self, cx));
        }
        self.link_lost(cx);
    }

    /// The stream cannot be applied: loudly, and never on with a hole in it.
    fn stream_fault(&mut self, fault: Fault, cx: &mut Cx<'_>) {
        let Fault { command, offset, why, torn } = fault;
        let Some(up) = &mut self.upstream else { return };
        let again = up.last_fault.is_some_and(|at| cx.now.mono - at < FAULT_REST);
        up.last_fault = Some(cx.now.mono);
        if again {
            up.link.stop(&mut turn!(self, cx));
        } else {
            up.link.fail(&why, &mut turn!(self, cx));
        }
        self.event(cx, What::StreamFault { command, offset, why, stopped: again });
        self.link_lost(cx);
        if torn {
            // Nobody may go on from here by the old id, neither a replica of ours nor we after a promotion.
            let new = ReplId::random(&mut self.rng);
            self.source.restart_at(new, self.source.offset(), &mut turn!(self, cx));
        }
    }

    /// The link is gone; it comes back by itself. What was not applied will come again.
    pub(super) fn link_lost(&mut self, cx: &mut Cx<'_>) {
        self.drop_incoming(cx);
        if let Some(up) = &mut self.upstream {
            up.stream.multi = None;
        }
        self.source.cut_upstream();
        self.source.set_role(Role::Replica { linked: false }, &mut turn!(self, cx));
    }

    /// Ends a full resync under way; a dataset beside or a file is dropped, the old data stay if they are still there.
    fn drop_incoming(&mut self, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.take()) else { return };
        if self.load.as_ref().is_some_and(|l| matches!(l.what, Purpose::Socket | Purpose::Spool)) {
            self.abandon_load(cx);
        }
        self.remove_spool(&incoming.way, cx);
    }

    /// The file that a snapshot is spooled to.
    pub(super) fn spool_file(&self) -> Option<Path> {
        match &self.upstream.as_ref()?.incoming.as_ref()?.way {
            Way::Spool(spool) => Some(spool.file()),
            _ => None,
        }
    }

    fn remove_spool(&mut self, way: &Way, cx: &mut Cx<'_>) {
        if let Way::Spool(spool) = way {
            spool.remove(&mut self.ids, cx.out);
        }
    }

    /// Executes one command of the stream.
    fn apply(&mut self, stream: &mut Stream, args: Args<'_>, end: u64, cx: &mut Cx<'_>) -> Result<(), Fault> {
        if let Some((queue, bytes)) = &mut stream.multi
            && !args.is(0, "exec")
        {
            let command = Command::from_args(args);
            *bytes += command.memory();
            if *bytes > MULTI_MAX {
                return Err(fault(args, end, "a MULTI block larger than 1 GB"));
            }
            queue.push(command);
            return Ok(());
        }
        if args.is(0, "multi") {
            stream.multi = Some((Vec::new(), 0));
            return Ok(());
        }
        if args.is(0, "exec") {
            let Some((queue, _)) = stream.multi.take() else { return Err(fault(args, end, "EXEC without MULTI")) };
            for (i, command) in queue.iter().enumerate() {
                self.apply_one(stream, command.args(), end, cx).map_err(|fault| Fault { torn: i > 0, ..fault })?;
            }
            return Ok(());
        }
        self.apply_one(stream, args, end, cx)
    }

    fn apply_one(&mut self, stream: &mut Stream, args: Args<'_>, end: u64, cx: &mut Cx<'_>) -> Result<(), Fault> {
        if on(Mutation::SkipsCommand) && args.is(0, "append") {
            return Ok(());
        }
        let found = self.find(args).map_err(|text| fault(args, end, &text))?;
        match found.run {
            Run::Data(command) if args.has_pieces() && !found.spec.flags.has(crate::dataset::Flags::PIECES) => {
                let whole = Command::from_args(args);
                self.apply_data(stream.db, command, whole.args(), end, cx)?;
            }
            Run::Data(command) => self.apply_data(stream.db, command, args, end, cx)?,
            Run::Own(_) => self.apply_own(stream, found.spec.name, args, end, cx)?,
        }
        let us = self.clients.stats.clock.lap(&mut *self.clients.meter);
        self.clients.stats.called(found.index, us, false);
        Ok(())
    }

    fn apply_data(&mut self, db: u32, command: usize, args: Args<'_>, end: u64, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.effects.watching = self.is_watched();
        self.scratch.truncate(self.scratch.start());
        let mut reply = Reply::new(&mut self.scratch, Proto::Resp2);
        self.data.execute(
            command,
            args,
            &mut Context {
                now: cx.now,
                db,
                origin: Origin::Upstream,
                may_expire: false,
                rng: &mut self.rng,
                reply: &mut reply,
                effects: &mut self.effects,
                touch: true,
                wait: None,
            },
        );
        let failed = reply.errors() > 0;
        self.publish_events();
        if failed {
            self.effects.clear();
            return Err(fault(args, end, &first_line(&mut self.scratch)));
        }
        // Its bytes are in the log already, as they came.
        self.effects.clear();
        if self.effects.dirty > 0 {
            self.count_dirty(cx);
            self.tell_watchers(None);
        }
        Ok(())
    }

    /// Commands of the node's own that a master propagates.
    fn apply_own(
        &mut self,
        stream: &mut Stream,
        name: &str,
        args: Args<'_>,
        end: u64,
        cx: &mut Cx<'_>,
    ) -> Result<(), Fault> {
        let databases = self.data.databases();
        let number = |i: usize| parse_i64(args.at(i)).and_then(|n| u32::try_from(n).ok()).filter(|n| *n < databases);
        let range = || {
            let why =
                format!("ERR DB index is out of range: this node has {databases}; raise the directive 'databases'");
            fault(args, end, &why)
        };
        match name {
            "select" => stream.db = number(1).ok_or_else(range)?,
            "flushall" => self.flush_data(None, None, cx),
            "flushdb" => self.flush_data(None, Some(stream.db), cx),
            "swapdb" => {
                let (a, b) = (number(1).ok_or_else(range)?, number(2).ok_or_else(range)?);
                self.tell_watchers_of(None, |d| d == a || d == b);
                self.data.swap(a, b);
                self.tell_watchers_of(None, |d| d == a || d == b);
                self.effects.dirty += 1;
            }
            "publish" => {
                self.clients.publish(None, args.at(1), args.at(2));
            }
            "ping" | "replconf" => {}
            _ => return Err(fault(args, end, "a master does not propagate this command")),
        }
        self.count_dirty(cx);
        Ok(())
    }
}

fn fault(args: Args<'_>, offset: u64, why: &str) -> Fault {
    // The name alone: values of users do not belong into a log.
    let name = &args.at(0)[..args.at(0).len().min(64)];
    let command = name.escape_ascii().to_string().into();
    Fault { command, offset, why: why.into(), torn: false }
}

/// The error that was written, without its mark and end.
fn first_line(out: &mut Blocks) -> alloc::string::String {
    let mut chunks = crate::machine::Chunks::new();
    out.read(out.start(), 512, &mut chunks);
    let text = chunks.concat();
    let line = text.split(|b| *b == b'\r').next().unwrap_or_default();
    alloc::string::String::from_utf8_lossy(line.strip_prefix(b"-").unwrap_or(line)).into_owned()
}
