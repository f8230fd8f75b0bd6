//! Acknowledgements, and the replicas as INFO and ROLE show them.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use crate::ids::ConnId;
use crate::machine::Endpoint;
use crate::mutations::{Mutation, on};
use crate::time::Instant;

use super::channel::{Channel, Dialect};
use super::lag::Marks;
use super::peer::{Peer, State, Transfer};
use super::{GETACK, Source};

/// Where a replica stands, in INFO's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplicaState {
    /// Waits for its snapshot.
    WaitBgsave,
    /// Gets its snapshot.
    SendBulk,
    /// Gets the stream while its snapshot goes by another connection, in the words of Redis 8.
    SendBulkAndStream,
    /// The same in the words of Valkey.
    BgTransfer,
    /// Follows the stream, or will with its first acknowledgement.
    Online,
}

impl ReplicaState {
    /// As INFO prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitBgsave => "wait_bgsave",
            Self::SendBulk => "send_bulk",
            Self::SendBulkAndStream => "send_bulk_and_stream",
            Self::BgTransfer => "bg_transfer",
            Self::Online => "online",
        }
    }
}

/// One replica, for INFO, ROLE and CLIENT LIST.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaInfo<'a> {
    /// Its connection.
    pub conn: ConnId,
    /// The address it announced; otherwise that of `endpoint` counts.
    pub ip: Option<&'a str>,
    /// Where it connects from.
    pub endpoint: &'a Endpoint,
    /// The port it listens on, as it said; 0 if it did not.
    pub port: i64,
    /// Where it stands.
    pub state: ReplicaState,
    /// The offset it last acknowledged.
    pub offset: u64,
    /// Seconds since it last acknowledged; 0 unless online.
    pub lag_s: u64,
    /// Bytes of the stream it has not been sent.
    pub behind: u64,
    /// How long ago what it lacks was written: from the writing of a byte here to its being applied there, one way. It grows
    /// while nothing is acknowledged. `None` as long as nothing is known: before the first acknowledgement, and of one that
    /// came by SYNC.
    pub lag: Option<Duration>,
    /// The same as of the last acknowledgement that told something.
    pub lag_acked: Option<Duration>,
}

impl Peer {
    fn shown_state(&self) -> ReplicaState {
        match self.state {
            State::Waiting { .. }
            | State::Parked { .. }
            | State::Awaiting
            | State::Sending(Transfer::Unwritten { .. } | Transfer::Socket { .. }) => ReplicaState::WaitBgsave,
            State::Sending(Transfer::File(_)) | State::Leaving => ReplicaState::SendBulk,
            State::Early => match self.channel {
                Some(Channel::Main { dialect: Dialect::Valkey, .. }) => ReplicaState::BgTransfer,
                _ => ReplicaState::SendBulkAndStream,
            },
            State::Held | State::Online => ReplicaState::Online,
        }
    }

    fn delay(&self, visible: u64, marks: &Marks, now: Instant) -> Option<(Duration, Duration)> {
        self.is_online().then(|| self.delay.now(visible, marks, now)).flatten()
    }

    /// Whole seconds since it was heard, for those that are online.
    fn lag(&self, now: Instant) -> Option<Duration> {
        matches!(self.state, State::Online | State::Held).then(|| now.since(self.acked_at))
    }
}

impl Source {
    /// How many replicas there are, in whatever state.
    pub fn replica_count(&self) -> usize {
        self.peers.values().filter(|p| self.is_shown(p)).count()
    }

    /// How many replicas have the log held for them until their main connection asks for the stream.
    pub fn awaiting_psync(&self) -> usize {
        self.peers.values().filter(|p| p.is_channel() && p.pin().is_some()).count()
    }

    /// How many connections are replicas'; one that synchronizes over two may have both.
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// The replicas, in the order of their connections.
    pub fn replicas(&self, now: Instant) -> impl Iterator<Item = ReplicaInfo<'_>> {
        self.peers.iter().filter(|(_, p)| self.is_shown(p)).map(move |(&conn, p)| {
            let delay = p.delay(self.log.visible(), &self.marks, now);
            ReplicaInfo {
                conn,
                ip: p.said.ip.as_deref(),
                endpoint: &p.endpoint,
                port: p.said.port,
                state: p.shown_state(),
                offset: p.acked,
                lag_s: p.lag(now).map_or(0, |d| d.as_secs()),
                behind: p.pin().map_or(0, |at| self.log.visible().saturating_sub(at)),
                lag: delay.map(|(now, _)| now),
                lag_acked: delay.map(|(_, acked)| acked),
            }
        })
    }

    /// How many bytes of the stream the last of the replicas has not been sent; those that wait for a snapshot to begin
    /// miss none of it.
    pub fn furthest_behind(&self) -> u64 {
        let visible = self.log.visible();
        self.peers.values().filter_map(Peer::pin).map(|at| visible.saturating_sub(at)).max().unwrap_or(0)
    }

    /// How many replicas are between their request for a full resync and the stream.
    pub fn full_syncs(&self, now: Instant) -> usize {
        let begun = |p: &&Peer| {
            matches!(p.state, State::Waiting { .. } | State::Sending(_) | State::Held | State::Parked { .. })
        };
        // Of two connections one counts: the main one until the other is there.
        let syncs = |p: &&Peer| begun(p) && !p.awaits_snapshot();
        self.peers.values().filter(syncs).count() + self.promised(now)
    }

    /// How many online replicas acknowledged `offset`: what WAIT counts. One that came back on another connection, and
    /// whose former one nobody closed yet, is one replica.
    pub fn acked(&self, offset: u64) -> usize {
        let has = |p: &&Peer| p.is_online() && p.acked >= offset && !self.is_left_behind(p);
        let acked = self.peers.values().filter(has).count();
        acked + usize::from(on(Mutation::WaitCountsOneMore))
    }

    /// How many online replicas told that `offset` is in their append-only file: what WAITAOF counts.
    pub fn fsynced(&self, offset: u64) -> usize {
        let has = |p: &&Peer| p.is_online() && p.fsynced.is_some_and(|f| f >= offset) && !self.is_left_behind(p);
        self.peers.values().filter(has).count()
    }

    /// Whether a connection is what is left of a replica that came back on another one: of the same address and port,
    /// and not heard since the other came. Replicas behind one address that are all alive are all counted.
    fn is_left_behind(&self, peer: &Peer) -> bool {
        self.peers.values().any(|other| other.came_at > peer.acked_at && other.is_same_replica(peer))
    }

    /// Whether every replica that follows the stream has acknowledged `offset`: what an orderly shutdown waits for.
    pub fn all_acked(&self, offset: u64) -> bool {
        self.peers.values().all(|p| !p.is_online() || p.pre_psync || p.acked >= offset)
    }

    /// The first replica that a master whose history ends at `offset`, but for questions for acknowledgements, could hand
    /// over to: it has acknowledged that, and took all that there is to send. With `wanted` only the one that INFO shows
    /// under this address and port. Where it is reached.
    pub fn successor(&self, offset: u64, wanted: Option<(&str, u16)>) -> Option<(Box<str>, u16)> {
        self.peers.values().find_map(|p| {
            let port = u16::try_from(p.said.port).ok().filter(|port| *port > 0)?;
            let host: Box<str> = match (&p.said.ip, &p.endpoint) {
                (Some(ip), _) => ip.clone(),
                (None, Endpoint::Tcp(at)) => at.ip().to_string().into(),
                (None, Endpoint::Unix(_)) => return None,
            };
            let meant = wanted.is_none_or(|(h, n)| n == port && h.eq_ignore_ascii_case(&host));
            let has_all = p.is_online() && !p.pre_psync && p.acked >= offset && p.cursor == self.log.visible();
            (meant && has_all && !self.is_left_behind(p)).then_some((host, port))
        })
    }

    /// How many replicas are online and were heard within `max_lag_s` whole seconds (`min-replicas-max-lag`).
    pub fn good_replicas(&self, now: Instant, max_lag_s: u64) -> usize {
        self.peers.values().filter(|p| p.lag(now).is_some_and(|d| d.as_secs() <= max_lag_s)).count()
    }

    /// Asks all replicas for an acknowledgement, through the stream; once until one of the next inputs ends.
    /// Does nothing on a replica: the stream is its master's, who asks itself.
    pub fn request_acks(&mut self) {
        self.append(None, GETACK);
    }

    /// Whether an acknowledged offset moved since the last call: a reason to look at those who WAIT.
    pub fn took_acks(&mut self) -> bool {
        core::mem::take(&mut self.acks)
    }
}
