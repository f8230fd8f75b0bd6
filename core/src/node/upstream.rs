//! Following a master: what it sends goes to the log, to the dataset ([`apply`]), or into a snapshot that replaces it
//! ([`transfer`]).

mod apply;
mod transfer;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::guard::{Refused, ResyncRefusal};
use super::load::Purpose;
use super::{Cx, Node, What, turn};
use crate::client::Server as _;
use crate::dataset::Dataset;
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Closed, Outcome, SocketOptions};
use crate::mutations::{Mutation, on};
use crate::replication::follower::{Credentials, LinkError};
use crate::replication::source::Role;
use crate::replication::{Delivery, Follower, FollowerConfig, LinkState, ReplId, Resume, follower};
use crate::time::Instant;
use apply::{Fault, Stream};
use transfer::{Incoming, Way};

/// A stream that cannot be applied is answered by a full resync; a second fault within this time stops the link until
/// somebody says REPLICAOF again, so that a master is not asked for snapshots for ever.
const FAULT_REST: Duration = Duration::from_secs(300);

/// Bytes that are taken off a master each second although reads have stopped. The kernel tells a sender that there is room only
/// when a third of its buffer is free, and that has 4 MB.
const READ_ON: usize = 2 << 20;
/// Bytes of the stream that were kept while a snapshot came and are applied at a time: some milliseconds.
const HELD_SLICE: u64 = 256 * 1024;

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
            port: if set.replica_announce_port != 0 { set.replica_announce_port } else { self.replication_port() },
            ip: (!set.replica_announce_ip.is_empty()).then(|| set.replica_announce_ip.as_str().into()),
            timeout: Duration::from_secs(u64::from(set.repl_timeout)),
            tls: set.tls_replication,
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
        let starting = self.certificates.is_starting() || self.load.as_ref().is_some_and(|l| l.what == Purpose::Start);
        if !starting {
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
        let mut foreseen = 0;
        loop {
            if enough > 0 && up.is_up() && up.link.held() <= enough && input.is_empty() {
                return Step::Rest;
            }
            if foreseen == 0 {
                foreseen = self.foresee(up.stream.db, input);
            }
            let Some(delivery) = up.link.next(conn, input, &mut turn!(self, cx)) else { return Step::Dry };
            foreseen -= usize::from(matches!(delivery, Delivery::Command { .. } | Delivery::Skip { .. }));
            match delivery {
                Delivery::Continue { new_id } => {
                    self.stats.resyncs.partial += 1;
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
                    self.stats.resyncs.full += 1;
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
}
