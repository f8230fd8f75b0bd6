//! One replica on the master side: what it said of itself, where it stands, what it still has to get.

use alloc::boxed::Box;
use core::time::Duration;

use crate::blocks::Blocks;
use crate::ids::{ConnId, OpId};
use crate::machine::{Chunks, Endpoint, Path};
use crate::replication::Log;
use crate::time::Instant;

use super::channel::{Channel, Dialect};
use super::event::ReplicaName;
use super::lag::Delay;
use super::snapshot::Snapshots;

/// What of the data a snapshot shall hold (`REPLCONF rdb-filter-only`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Content {
    /// Everything.
    #[default]
    All,
    /// Functions, and no keys.
    Functions,
    /// Neither: the header alone.
    Nothing,
}

/// What a connection said of itself by REPLCONF.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    /// `listening-port`; 0 if not said.
    pub(super) port: i64,
    /// `ip-address`.
    pub(super) ip: Option<Box<str>>,
    /// `capa eof`: takes `$EOF:` framing.
    pub(super) eof: bool,
    /// `capa psync2`: takes a new id with `+CONTINUE`.
    pub(super) psync2: bool,
    /// The highest version of the snapshot format that it reads, if it said.
    pub(super) reads: Option<u16>,
    /// `capa primacy-prompt-ack`: acknowledges at once.
    pub(super) prompt: bool,
    /// When its last REPLCONF was answered, and how long it took from there to its PSYNC.
    pub(super) answered_at: Option<Instant>,
    pub(super) round_trip: Option<Duration>,
    /// `rdb-only 1`: wants no stream.
    pub(super) rdb_only: bool,
    /// `rdb-filter-only`.
    pub(super) content: Content,
    /// `capa rdb-channel-repl` or `capa dual-channel`: takes a full resync over two connections.
    pub(super) two_channel: Option<Dialect>,
    /// `rdb-channel 1`: is the second of the two.
    pub(super) rdb_channel: bool,
    /// `main-ch-client-id`: the first of them, said on the second.
    pub(super) main: Option<ConnId>,
    /// `set-rdb-client-id`: the second of them, said on the first.
    pub(super) rdb: Option<ConnId>,
    /// Where it is, and since when: it was told to open a second one.
    pub(super) parked: Option<(Endpoint, Instant)>,
}

/// How a snapshot reaches a replica.
#[derive(Debug)]
pub(super) enum Transfer {
    /// Over the socket, from shared blocks.
    Socket {
        /// Which snapshot.
        snapshot: u64,
        /// Offset in it of the next byte to send.
        at: u64,
    },
    /// By a file that the host still writes.
    Unwritten {
        /// Which snapshot.
        snapshot: u64,
    },
    /// From the file.
    File(FileTransfer),
}

/// A file on its way.
#[derive(Debug)]
pub(super) struct FileTransfer {
    pub(super) file: Path,
    pub(super) len: u64,
    /// Bytes of it put into the outbox.
    pub(super) at: u64,
    /// The read under way.
    pub(super) reading: Option<OpId>,
}

/// Where a replica stands.
#[derive(Debug)]
pub(super) enum State {
    /// Needs a snapshot that has not begun.
    Waiting { since: Instant },
    /// Its snapshot has begun; the log is held from its offset on.
    Sending(Transfer),
    /// Its snapshot shall go by another connection, and has not begun.
    Parked { since: Instant },
    /// Gets the stream while its snapshot goes by another connection; online with its first ACK.
    Early,
    /// Has its whole snapshot, and the log is held until its main connection asks for the stream.
    Awaiting,
    /// Has its whole snapshot; the stream flows with its first ACK.
    Held,
    /// Follows the stream.
    Online,
    /// Wanted a snapshot alone, and has it: closed once all of it is sent.
    Leaving,
}

/// A replica: from PSYNC on, all that is written to its connection comes from here, in this order: `out` (answers,
/// keep-alives, file pieces), then the shared snapshot, then the shared log. Nothing is put into `out` once what lies
/// behind it may have been shown.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) endpoint: Endpoint,
    pub(super) said: Said,
    /// Its part in a full resync over two connections.
    pub(super) channel: Option<Channel>,
    /// Until when the log is held for its main connection, which did not ask yet.
    pub(super) held_until: Option<Instant>,
    /// Came by SYNC: never acknowledges.
    pub(super) pre_psync: bool,
    pub(super) state: State,
    pub(super) out: Blocks,
    /// Position in the log of the next byte to send; it pins the log unless the peer is waiting or leaving.
    pub(super) cursor: u64,
    /// Whether the runtime was told that there are bytes.
    pub(super) writing: bool,
    /// Last acknowledged offset, and that of its append-only file if it told.
    pub(super) acked: u64,
    pub(super) fsynced: Option<u64>,
    /// What is known of its lag.
    pub(super) delay: Delay,
    /// When it last acknowledged (or was heard at all).
    pub(super) acked_at: Instant,
    /// When its connection became a replica's.
    pub(super) came_at: Instant,
    /// When it last took bytes, or began to have some to take.
    pub(super) progress_at: Instant,
    /// Since when it is over the soft limit.
    pub(super) soft_since: Option<Instant>,
}

impl Peer {
    pub(super) fn new(endpoint: Endpoint, said: Said, pre_psync: bool, now: Instant) -> Self {
        Self {
            endpoint,
            delay: Delay::new(said.prompt, said.round_trip, now),
            said,
            channel: None,
            held_until: None,
            pre_psync,
            state: State::Waiting { since: now },
            out: Blocks::new(),
            cursor: 0,
            writing: false,
            acked: 0,
            fsynced: None,
            acked_at: now,
            came_at: now,
            progress_at: now,
            soft_since: None,
        }
    }

    /// `address:listening-port`, as the log and INFO name it.
    pub(super) fn name(&self) -> ReplicaName {
        match (&self.said.ip, &self.endpoint) {
            (Some(ip), _) => alloc::format!("{ip}:{}", self.said.port),
            (None, Endpoint::Tcp(a)) if self.said.port == 0 => alloc::format!("{a}"),
            (None, Endpoint::Tcp(a)) if a.is_ipv6() => alloc::format!("[{}]:{}", a.ip(), self.said.port),
            (None, Endpoint::Tcp(a)) => alloc::format!("{}:{}", a.ip(), self.said.port),
            (None, Endpoint::Unix(_)) => alloc::format!("{}", self.endpoint),
        }
        .into()
    }

    /// Whether both connections are of a replica of one address and one announced port.
    pub(super) fn is_same_replica(&self, other: &Self) -> bool {
        let ip = |p: &Self| p.endpoint.tcp().map(|a| a.ip());
        self.said.port != 0
            && self.said.port == other.said.port
            && self.said.ip == other.said.ip
            && ip(self) == ip(other)
    }

    /// Needs a snapshot.
    pub(super) fn become_waiting(&mut self, now: Instant) {
        self.state = State::Waiting { since: now };
    }

    /// Gets `transfer`, then the stream from position `from`.
    pub(super) fn become_sending(&mut self, transfer: Transfer, from: u64) {
        self.state = State::Sending(transfer);
        self.cursor = from;
    }

    /// Has its snapshot, and says so with its first acknowledgement; until then the stream is held back.
    pub(super) fn become_held(&mut self, now: Instant) {
        self.state = State::Held;
        self.acked_at = now;
    }

    /// Gets the stream from position `from` on while its snapshot goes by another connection.
    pub(super) fn become_early(&mut self, from: u64) {
        self.state = State::Early;
        self.cursor = from;
    }

    /// Follows the stream from `cursor` on.
    pub(super) fn become_online(&mut self, now: Instant) {
        self.state = State::Online;
        self.acked_at = now;
    }

    /// Goes once all is sent.
    pub(super) fn become_leaving(&mut self) {
        self.state = State::Leaving;
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, State::Online)
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// The position from which on the log must stay for it.
    pub(super) fn pin(&self) -> Option<u64> {
        match self.state {
            State::Sending(_) | State::Awaiting if self.is_channel() => {
                matches!(self.channel, Some(Channel::Rdb { holds: true, .. })).then_some(self.cursor)
            }
            State::Sending(_) | State::Held | State::Early | State::Online => Some(self.cursor),
            State::Waiting { .. } | State::Parked { .. } | State::Awaiting | State::Leaving => None,
        }
    }

    /// Its place in the snapshot it reads over the socket.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        match self.state {
            State::Sending(Transfer::Socket { snapshot, at }) => Some((snapshot, at)),
            _ => None,
        }
    }

    /// Whether it gets snapshot `number` from its production: over the socket, or once the file is written.
    pub(super) fn takes(&self, number: u64) -> bool {
        match self.state {
            State::Sending(Transfer::Socket { snapshot, .. } | Transfer::Unwritten { snapshot }) => snapshot == number,
            _ => false,
        }
    }

    /// Whether it must be told once a second that we live.
    pub(super) fn wants_newlines(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Sending(Transfer::Unwritten { .. }))
    }

    /// Bytes that could be written now.
    pub(super) fn unsent(&self, log: &Log, snapshots: &Snapshots) -> u64 {
        self.out.len()
            + match self.state {
                State::Sending(Transfer::Socket { snapshot, at }) => snapshots.end_of(snapshot).saturating_sub(at),
                State::Online | State::Early => log.visible().saturating_sub(self.cursor),
                _ => 0,
            }
    }

    /// Shows up to `budget` unsent bytes.
    pub(super) fn transmit(&mut self, log: &mut Log, snapshots: &mut Snapshots, budget: usize, out: &mut Chunks) {
        self.out.read(self.out.start(), budget, out);
        let budget = budget.saturating_sub(usize::try_from(self.out.len()).unwrap_or(usize::MAX));
        match self.state {
            State::Sending(Transfer::Socket { snapshot, at }) => snapshots.read(snapshot, at, budget, out),
            State::Online | State::Early => log.read(self.cursor, budget, out),
            _ => {}
        }
    }

    /// Moves its cursors over `len` bytes that the kernel took.
    pub(super) fn advance(&mut self, len: usize, now: Instant) {
        let len = len as u64;
        let own = len.min(self.out.len());
        self.out.release(self.out.start() + own);
        if self.out.is_empty() && self.is_online() {
            self.out.shrink();
        }
        match &mut self.state {
            State::Sending(Transfer::Socket { at, .. }) => *at += len - own,
            State::Online | State::Early => self.cursor += len - own,
            _ => {}
        }
        self.progress_at = now;
    }
}
