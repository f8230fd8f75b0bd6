//! A full resync over two connections: the snapshot goes by the second, the RDB channel, while the stream goes by the main
//! one. Redis 8 and Valkey 8 each have a dialect; the replica's capabilities say which it knows.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::blocks::Blocks;
use crate::ids::ConnId;
use crate::machine::{Endpoint, Turn};
use crate::replication::ReplId;
use crate::resp::decimal;
use crate::time::Instant;

use super::conf::Answer;
use super::event::{Dropped, Event};
use super::handover::{SyncError, Taken};
use super::peer::{Content, Peer, Said, State};
use super::{Emit, Key, Source};

/// Whose way it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    /// The main connection is parked, the second one names it and says PSYNC, and the stream is pushed from the snapshot's
    /// offset on.
    Redis,
    /// The second connection says SYNC and is told of the offset, from which the main one, a client so far, asks for the stream.
    Valkey,
}

/// A connection's part in a full resync over two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Channel {
    /// The stream goes by it.
    Main {
        dialect: Dialect,
        /// The one by which the snapshot goes: none before it came, and none once it has done its part.
        rdb: Option<ConnId>,
    },
    /// The snapshot goes by it.
    Rdb {
        dialect: Dialect,
        /// The one by which the stream goes, as far as it is known: in Valkey's dialect a client until it asks.
        main: Option<ConnId>,
        /// Whether the log is held for the stream until the main one asks for it.
        holds: bool,
    },
}

impl Peer {
    /// Whether its snapshot goes by a connection of its own, and this is it.
    pub(super) fn is_channel(&self) -> bool {
        matches!(self.channel, Some(Channel::Rdb { .. }))
    }

    /// The connection that this one cannot do without.
    fn partner(&self) -> Option<ConnId> {
        match self.channel? {
            Channel::Main { rdb, .. } => rdb,
            Channel::Rdb { main, .. } => main,
        }
    }

    /// Whether it is the main connection of a replica whose snapshot is still on its way.
    pub(super) fn awaits_snapshot(&self) -> bool {
        matches!(self.channel, Some(Channel::Main { rdb: Some(_), .. }))
    }
}

impl Source {
    /// How a replica that needs a snapshot gets it over two connections, if it does.
    pub(super) fn over_two(&self, said: &Said) -> Option<Dialect> {
        let able = self.two_channel() && said.eof && !said.rdb_only && said.content == Content::All;
        said.two_channel.filter(|_| able)
    }

    /// Whether snapshots go over a second connection to replicas that can take them so.
    pub(super) fn two_channel(&self) -> bool {
        self.config.two_channel && self.config.diskless
    }

    /// Says to a replica that it shall open a second connection.
    pub(super) fn park<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        mut peer: Peer,
        dialect: Dialect,
        cx: &mut Turn<'_, K, E>,
    ) -> Taken {
        cx.out.event(crate::replication::Event::from(Event::OverTwo(peer.name())));
        match dialect {
            Dialect::Redis => {
                let mut buf = [0; 20];
                peer.out.append(b"+RDBCHANNELSYNC ");
                peer.out.append(decimal(&mut buf, false, conn.as_u64()));
                peer.out.append(b"\r\n");
                peer.channel = Some(Channel::Main { dialect, rdb: None });
                peer.state = State::Parked { since: cx.now.mono };
                self.install(conn, peer, cx);
                Taken::Full
            }
            Dialect::Valkey => {
                let said = Said { parked: Some((peer.endpoint, cx.now.mono)), ..peer.said };
                self.said.insert(conn, said);
                self.arm_backlog_ttl(cx);
                Taken::TwoChannel
            }
        }
    }

    /// PSYNC or SYNC on a connection that said `rdb-channel 1`: the snapshot goes by it.
    pub(super) fn take_channel<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        endpoint: Endpoint,
        dialect: Dialect,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Taken, SyncError> {
        let said = self.said.entry(conn).or_default();
        if !said.eof {
            return Err(Cow::Borrowed("ERR The RDB channel requires EOF capability"));
        }
        let main = match dialect {
            Dialect::Redis => said.main,
            Dialect::Valkey => None,
        };
        if dialect == Dialect::Redis && !main.is_some_and(|main| self.is_parked(main)) {
            return Err(Cow::Borrowed("ERR The main connection of this RDB channel is gone"));
        }
        let mut peer = self.new_peer(conn, endpoint, dialect == Dialect::Valkey, cx);
        // Snapshot and stream alone: what goes by it ends with the snapshot.
        peer.said.rdb_only = true;
        let main = main.or_else(|| self.parked_client(&peer));
        if main.is_none() {
            // Nothing was promised to it.
            self.has_room(conn, &peer, cx)?;
        }
        let first = main.and_then(|m| self.said.get(&m).or_else(|| self.peers.get(&m).map(|p| &p.said)));
        if let Some(first) = first {
            // Valkey up to 9.0 says neither on this connection, and a sentinel would take it for another replica.
            peer.said.ip = first.ip.clone().or(peer.said.ip);
            peer.said.reads = peer.said.reads.or(first.reads);
        }
        peer.channel = Some(Channel::Rdb { dialect, main, holds: false });
        if let Some(main) = main.and_then(|m| self.peers.get_mut(&m)) {
            main.channel = Some(Channel::Main { dialect, rdb: Some(conn) });
        }
        self.start_over(conn, peer, cx);
        Ok(Taken::Full)
    }

    /// Whether the connection is a main one that waits for its RDB channel.
    fn is_parked(&self, conn: ConnId) -> bool {
        let waits = |p: &Peer| matches!(p.state, State::Parked { .. }) && p.partner().is_none();
        self.peers.get(&conn).is_some_and(waits)
    }

    /// How many clients were told to open an RDB channel, and did not yet: each has a full resync promised, for as long as a
    /// replica that came would be waited for.
    pub(super) fn promised(&self, now: Instant) -> usize {
        let expected = |(conn, said): &(&ConnId, &Said)| {
            said.parked.as_ref().is_some_and(|(_, since)| now - *since < self.config.timeout)
                && !self
                    .peers
                    .values()
                    .any(|p| matches!(p.channel, Some(Channel::Rdb { main, .. }) if main == Some(**conn)))
        };
        self.said.iter().filter(expected).count()
    }

    /// The client that was told to open such a connection and is at the same address and port.
    fn parked_client(&self, peer: &Peer) -> Option<ConnId> {
        let ip = peer.endpoint.tcp().map(|a| a.ip());
        let same = |s: &Said| {
            s.parked.as_ref().is_some_and(|(at, _)| at.tcp().map(|a| a.ip()) == ip) && s.port == peer.said.port
        };
        self.said.iter().find(|(_, said)| same(said)).map(|(&conn, _)| conn)
    }

    /// What REPLCONF said of another connection must be true.
    pub(super) fn check_numbers(&mut self, conn: ConnId) -> Result<(), Answer> {
        let Some(said) = self.said.get(&conn) else { return Ok(()) };
        let (main, rdb) = (said.main, said.rdb);
        if main.is_some_and(|main| !self.is_parked(main)) {
            self.said.entry(conn).or_default().main = None;
            return Err(Answer::Error(Cow::Borrowed(
                "ERR main-ch-client-id is no connection that waits for an RDB channel",
            )));
        }
        if rdb.is_some_and(|rdb| !self.peers.get(&rdb).is_some_and(Peer::is_channel)) {
            self.said.entry(conn).or_default().rdb = None;
            return Err(Answer::Error(Cow::Borrowed("ERR set-rdb-client-id is no RDB channel")));
        }
        Ok(())
    }

    /// Its snapshot begins at `offset`: the replica is told where, and the stream goes by its main connection from there.
    pub(super) fn channel_begins<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        offset: u64,
        db: u32,
        cx: &mut Turn<'_, K, E>,
    ) {
        let (id, until) = (self.id, cx.now.mono + self.config.timeout);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Some(Channel::Rdb { dialect, main, .. }) = peer.channel else { return };
        if dialect == Dialect::Valkey {
            announce_end_offset(&mut peer.out, offset, &id, db, conn);
            peer.channel = Some(Channel::Rdb { dialect, main, holds: true });
            peer.held_until = Some(until);
            self.watch_peer(conn, cx);
        } else if let Some(main) = main.and_then(|main| self.peers.get_mut(&main)) {
            main.become_early(offset);
        }
    }

    /// A client goes on at `position`: the main connection of the replica whose RDB channel it named, if that holds the log
    /// for it from there on.
    pub(super) fn bind_main<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        main: &mut Peer,
        position: u64,
        cx: &mut Turn<'_, K, E>,
    ) {
        let Some(number) = main.said.rdb else { return };
        let Some(rdb) = self.peers.get_mut(&number).filter(|p| p.cursor == position) else { return };
        let Some(Channel::Rdb { dialect, holds: true, .. }) = rdb.channel else { return };
        rdb.channel = Some(Channel::Rdb { dialect, main: Some(conn), holds: false });
        rdb.held_until = None;
        main.channel = Some(Channel::Main { dialect, rdb: Some(number) });
        main.become_early(position);
        if matches!(rdb.state, State::Awaiting) {
            main.channel = Some(Channel::Main { dialect, rdb: None });
            rdb.channel = None;
            self.remove_and_close(number, cx);
        }
    }

    /// The replica has all of its snapshot: its main connection waits for nothing but the acknowledgement.
    pub(super) fn channel_sent<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Some(Channel::Rdb { dialect, main, holds }) = peer.channel else { return };
        cx.out.event(crate::replication::Event::from(Event::SnapshotOnlyServed(peer.name())));
        self.dirty = true;
        if holds {
            // The main connection did not ask for the stream yet.
            peer.state = State::Awaiting;
            return;
        }
        peer.channel = None;
        if let Some(main) = main.and_then(|main| self.peers.get_mut(&main)) {
            main.channel = Some(Channel::Main { dialect, rdb: None });
            main.acked_at = cx.now.mono;
        }
        self.remove_and_close(conn, cx);
    }

    /// A connection is gone: the other one of its replica is no good alone.
    pub(super) fn part<K: Key, E: Emit>(&mut self, gone: &Peer, cx: &mut Turn<'_, K, E>) {
        let why = if gone.is_channel() { Dropped::ChannelLost } else { Dropped::MainLost };
        if let Some(partner) = gone.partner() {
            self.drop_peer(partner, why, cx);
        }
    }

    /// A client is gone that was told to open an RDB channel: what goes by that one is for nobody.
    pub(super) fn client_gone<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        let its = |p: &Peer| matches!(p.channel, Some(Channel::Rdb { main: Some(main), .. }) if main == conn);
        let channels: Vec<ConnId> = self.peers.iter().filter(|(_, p)| its(p)).map(|(&c, _)| c).collect();
        for channel in channels {
            self.drop_peer(channel, Dropped::MainLost, cx);
        }
    }

    /// Whether INFO, ROLE and FAILOVER show this connection: each replica once. An RDB channel stands for its replica
    /// until the main connection is one of a replica.
    pub(super) fn is_shown(&self, peer: &Peer) -> bool {
        match peer.channel {
            Some(Channel::Rdb { main, .. }) => main.is_some_and(|main| !self.peers.contains_key(&main)),
            _ => true,
        }
    }
}

/// `$ENDOFF:<offset> <id> <db> <number of this connection>`, before the snapshot of Valkey's dialect.
fn announce_end_offset(out: &mut Blocks, offset: u64, id: &ReplId, db: u32, conn: ConnId) {
    let mut buf = [0; 20];
    out.append(b"$ENDOFF:");
    out.append(decimal(&mut buf, false, offset));
    out.append(b" ");
    out.append(id.as_bytes());
    for n in [u64::from(db), conn.as_u64()] {
        out.append(b" ");
        out.append(decimal(&mut buf, false, n));
    }
    out.append(b"\r\n");
}
