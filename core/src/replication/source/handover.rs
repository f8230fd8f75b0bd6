//! SYNC and PSYNC: a connection becomes a replica.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

use crate::ids::ConnId;
use crate::machine::{Endpoint, Turn};
use crate::mutations::{Mutation, on};
use crate::replication::ReplId;
use crate::resp::{Args, parse_i64};

use super::channel::Dialect;
use super::event::{Event, Refusal};
use super::peer::{Content, Peer, Said};
use super::{Emit, Key, Role, Source, Timer};

/// The error that SYNC or PSYNC is answered with; the connection stays the host's.
pub type SyncError = Cow<'static, str>;

/// What a replica is answered that was [taken](Taken::TwoChannel) so.
pub const TWO_CHANNEL: &str = "DUALCHANNELSYNC";

/// How a replica was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Taken {
    /// It goes on where it was.
    Partial,
    /// It needs a snapshot.
    Full,
    /// It needs a snapshot, and shall open a second connection for it: answer `+DUALCHANNELSYNC`. This one stays a
    /// client's, until it asks for the stream.
    TwoChannel,
}

impl Source {
    /// `PSYNC id offset`, `args` with the command's name (arity checked). On `Ok` the connection is a replica's: all
    /// that is written to it comes from here, its commands go to [`Source::replconf`] or [`Source::answered`]. Refuse
    /// before the call what Redis refuses: a connection that still has unsent answers
    /// (`ERR SYNC and PSYNC are invalid with pending output`), one inside MULTI. Tell a replica apart by
    /// [`Source::is_replica`]: a second PSYNC from it is ignored.
    ///
    /// A third argument FAILOVER is the host's to heed: see [`Source::takes_over`], which goes first.
    pub fn psync<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        endpoint: Endpoint,
        args: Args<'_>,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Taken, SyncError> {
        self.admit(conn, &endpoint, cx)?;
        let Some(offset) = parse_i64(args.at(2)) else {
            return Err(Cow::Borrowed("ERR value is not an integer or out of range"));
        };
        if self.said.get(&conn).is_some_and(|said| said.rdb_channel) {
            return self.take_channel(conn, endpoint, Dialect::Redis, cx);
        }
        let peer = self.new_peer(conn, endpoint, false, cx);
        match self.partial(&peer, args.at(1), offset) {
            Ok(position) => {
                self.go_on(conn, peer, position, cx);
                return Ok(Taken::Partial);
            }
            Err(Some(why)) => {
                self.counters.refused(&why);
                let event = Event::PartialRefused { replica: peer.name(), why };
                cx.out.event(crate::replication::Event::from(event));
            }
            Err(None) => {
                self.counters.placeless += 1;
                cx.out.event(crate::replication::Event::from(Event::FullRequested(peer.name())));
            }
        }
        self.has_room(conn, &peer, cx)?;
        if let Some(dialect) = self.over_two(&peer.said) {
            return Ok(self.park(conn, peer, dialect, cx));
        }
        self.start_over(conn, peer, cx);
        Ok(Taken::Full)
    }

    /// Whether a PSYNC with these arguments asks the node to be the master first (FAILOVER, Redis 6.2): its master hands
    /// over, and names our history to show that it is. The host then does as for `REPLICAOF NO ONE`, and only then calls
    /// [`Source::psync`]. An error is what to answer: a master is asked for nothing, and of another history nobody hands over.
    pub fn takes_over<K: Key, E: Emit>(&self, args: Args<'_>, cx: &mut Turn<'_, K, E>) -> Result<bool, SyncError> {
        if !args.is(3, "failover") {
            return Ok(false);
        }
        cx.out.event(crate::replication::Event::from(Event::TakeoverAsked { id: shown(args.at(1)) }));
        if self.role == Role::Master {
            return Err(Cow::Borrowed("ERR PSYNC FAILOVER can't be sent to a master."));
        }
        if ReplId::parse(args.at(1)) != Ok(self.id) {
            return Err(Cow::Borrowed("ERR PSYNC FAILOVER replid must match my replid."));
        }
        Ok(true)
    }

    /// `SYNC`: a snapshot without a reply line, then the stream; never acknowledged.
    pub fn sync<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        endpoint: Endpoint,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Taken, SyncError> {
        self.admit(conn, &endpoint, cx)?;
        if self.said.get(&conn).is_some_and(|said| said.rdb_channel) {
            return self.take_channel(conn, endpoint, Dialect::Valkey, cx);
        }
        let peer = self.new_peer(conn, endpoint, true, cx);
        self.counters.by_sync += 1;
        self.has_room(conn, &peer, cx)?;
        self.start_over(conn, peer, cx);
        Ok(Taken::Full)
    }

    /// Whether the connection is a replica's.
    pub fn is_replica(&self, conn: ConnId) -> bool {
        self.peers.contains_key(&conn)
    }

    fn admit<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        endpoint: &Endpoint,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<(), SyncError> {
        if self.peers.contains_key(&conn) {
            return Err(Cow::Borrowed("ERR this connection is a replica's already"));
        }
        if self.role == (Role::Replica { linked: false }) {
            return Err(Cow::Borrowed("NOMASTERLINK Can't SYNC while not connected with my master"));
        }
        let said = self.said.entry(conn).or_default();
        if said.content != Content::All && !said.eof {
            return Err(Cow::Borrowed("ERR Filtered replica requires EOF capability"));
        }
        let name = Peer::new(endpoint.clone(), said.clone(), false, cx.now.mono).name();
        cx.out.event(crate::replication::Event::from(Event::Asked(name)));
        Ok(())
    }

    pub(super) fn new_peer<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        endpoint: Endpoint,
        pre_psync: bool,
        cx: &mut Turn<'_, K, E>,
    ) -> Peer {
        let mut said: Said = self.said.remove(&conn).unwrap_or_default();
        if let Some(at) = said.answered_at.take() {
            // The first alone: what follows may come in one write.
            said.round_trip.get_or_insert(cx.now.mono.since(at));
        }
        self.activate(cx);
        Peer::new(endpoint, said, pre_psync, cx.now.mono)
    }

    /// Begins to keep the log, under a new id: writes so far were not counted.
    pub(super) fn activate<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if self.active {
            return;
        }
        self.active = true;
        self.selected = None;
        if self.role == Role::Master {
            self.id = ReplId::random(cx.rng);
            self.id2 = None;
            cx.out.event(crate::replication::Event::from(Event::BacklogCreated { id: self.id }));
        }
    }

    /// The position that a replica which asks for `offset` of history `id` has; `Err(None)` if it asks for all.
    fn partial(&self, peer: &Peer, id: &[u8], offset: i64) -> Result<u64, Option<Refusal>> {
        if id == b"?" {
            return Err(None);
        }
        let asked = ReplId::parse(id);
        if asked != Ok(self.id) {
            let Some((_, valid_to)) = self.id2.filter(|&(id2, _)| asked == Ok(id2)) else {
                let id2 = self.id2.map_or(ReplId::ZERO, |(id2, _)| id2);
                return Err(Some(Refusal::OtherId { asked: shown(id), id: self.id, id2 }));
            };
            if u64::try_from(offset).is_ok_and(|o| o > valid_to) && !on(Mutation::SecondIdEndless) {
                return Err(Some(Refusal::BeyondSecondId { asked: offset, valid_to }));
            }
        }
        // The first byte it lacks has offset `position + 1`.
        match u64::try_from(offset).ok().and_then(|o| o.checked_sub(1)) {
            Some(position) if self.log.holds(position) => Ok(position),
            _ => Err(Some(Refusal::NotHeld { replica: peer.name(), asked: offset })),
        }
    }

    fn go_on<K: Key, E: Emit>(&mut self, conn: ConnId, mut peer: Peer, position: u64, cx: &mut Turn<'_, K, E>) {
        self.counters.partial_ok += 1;
        peer.out.append(b"+CONTINUE");
        if peer.said.psync2 {
            peer.out.append(b" ");
            peer.out.append(self.id.as_bytes());
        }
        peer.out.append(b"\r\n");
        peer.cursor = position;
        peer.become_online(cx.now.mono);
        peer.delay.goes_on(position, self.log.visible());
        self.bind_main(conn, &mut peer, position, cx);
        let event =
            Event::PartialAccepted { replica: peer.name(), bytes: self.log.visible() - position, from: position + 1 };
        cx.out.event(crate::replication::Event::from(event));
        self.install(conn, peer, cx);
    }

    /// Whether another full resync may begin; else the answer to its replica.
    pub(super) fn has_room<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        peer: &Peer,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<(), SyncError> {
        let (limit, under_way) = (self.config.max_full_syncs, self.full_syncs(cx.now.mono));
        if limit == 0 || under_way < limit {
            return Ok(());
        }
        self.counters.put_off += 1;
        cx.out.event(crate::replication::Event::from(Event::PutOff { replica: peer.name(), under_way }));
        self.said.insert(conn, peer.said.clone());
        // Replicas of Redis and Valkey try again after this word, and keep what they have.
        Err(Cow::Borrowed("NOMASTERLINK Can't SYNC now: as many full resyncs as allowed are under way"))
    }

    pub(super) fn start_over<K: Key, E: Emit>(&mut self, conn: ConnId, mut peer: Peer, cx: &mut Turn<'_, K, E>) {
        self.counters.full += 1;
        peer.become_waiting(cx.now.mono);
        self.install(conn, peer, cx);
        if self.join_snapshot(conn) {
            cx.out.event(crate::replication::Event::from(Event::SnapshotJoined));
        } else if self.snapshot_wanted(cx.now.mono).is_none() && self.snapshot_under_way().is_none() {
            cx.out.event(crate::replication::Event::from(Event::SnapshotDelayed));
        }
    }

    pub(super) fn install<K: Key, E: Emit>(&mut self, conn: ConnId, peer: Peer, cx: &mut Turn<'_, K, E>) {
        self.waiting += usize::from(peer.is_waiting());
        // `admit` saw that there is none under this id.
        self.peers.insert(conn, peer);
        self.dirty = true;
        cx.timers.clear(Timer::BacklogTtl.into());
        self.watch_peer(conn, cx);
        self.arm_ping(cx);
        self.arm_delay(cx);
    }
}

/// An id as a peer spelled it, for the log: one line, bounded.
fn shown(id: &[u8]) -> Box<str> {
    String::from_utf8_lossy(id).chars().filter(|c| !c.is_control()).take(64).collect::<String>().into()
}
