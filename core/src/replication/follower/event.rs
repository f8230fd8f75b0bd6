//! What happens on the replica side, in Redis's log words.

use alloc::boxed::Box;

use crate::machine::{Closed, Level};
use crate::replication::ReplId;
use crate::resp::ProtocolError;

/// Why the link to the master ended. `Display` is Redis's log line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The name does not resolve.
    #[error("Unable to connect to MASTER: {0}")]
    Resolve(Box<str>),
    /// The connection could not be made.
    #[error("Error condition on socket for SYNC: {0}")]
    Connect(Closed),
    /// No connection within `repl-timeout`, or no answer in the handshake.
    #[error("Timeout connecting to the MASTER...")]
    ConnectTimeout,
    /// The snapshot stopped coming for `repl-timeout`.
    #[error(
        "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter \
         in redis.conf to a larger value."
    )]
    TransferTimeout,
    /// The stream was silent for `repl-timeout`.
    #[error("MASTER timeout: no data nor PING received...")]
    StreamTimeout,
    /// The connection ended in the handshake.
    #[error("Failed to read response from the server: {0}")]
    Handshake(Closed),
    /// The connection ended in the middle of a snapshot.
    #[error("I/O error trying to sync with MASTER: connection lost ({0})")]
    Transfer(Closed),
    /// The connection ended in the stream.
    #[error("Connection with master lost.")]
    Lost(Closed),
    /// PING was answered by an error that is not about rights.
    #[error("Error reply to PING from master: '{0}'")]
    Ping(Box<str>),
    /// Our credentials were refused.
    #[error("Unable to AUTH to MASTER: {0}")]
    Auth(Box<str>),
    /// The master cannot serve us now.
    #[error("Master is currently unable to PSYNC but should be in the future: {0}")]
    NotNow(Box<str>),
    /// The one that was to become the master by our asking does not.
    #[error("Failover target rejected psync request: {0}")]
    TakeoverRefused(Box<str>),
    /// An answer to PSYNC that is none.
    #[error("Unexpected reply to PSYNC from master: {0}")]
    UnexpectedReply(Box<str>),
    /// An answer line longer than any master sends.
    #[error("The master's answer is longer than {0} bytes")]
    LongLine(usize),
    /// The master could not make the snapshot.
    #[error("MASTER aborted replication with an error: {0}")]
    SnapshotRefused(Box<str>),
    /// What comes is no snapshot.
    #[error(
        "Bad protocol from MASTER, the first byte is not '$' (we received '{0}'), are you sure the host and port are \
         right?"
    )]
    BadSnapshotHeader(Box<str>),
    /// The stream is not RESP.
    #[error("Protocol error from master at offset {offset}: {error}")]
    Protocol {
        /// What is wrong.
        error: ProtocolError,
        /// The replication offset before the frame.
        offset: u64,
    },
    /// An inline command in the stream.
    #[error(
        "WARNING: Receiving inline protocol from master, master stream corruption at offset {offset}? Closing the \
         master connection and discarding the cached master."
    )]
    Inline {
        /// The replication offset before it.
        offset: u64,
    },
    /// More than [`HELD_MAX`](super::HELD_MAX) bytes came behind a snapshot that is being loaded, though nothing was read.
    #[error("The stream behind the snapshot passed {0} bytes while it was loaded")]
    Overrun(usize),
    /// The connection for the snapshot could not be made, or ended before the snapshot began.
    #[error("The RDB channel was lost before the snapshot began: {0}")]
    Channel(Closed),
    /// The master does not take the connection for the snapshot as such.
    #[error("The master refused the RDB channel: {0}")]
    ChannelRefused(Box<str>),
    /// The line that tells where the snapshot stands is none.
    #[error("Expected '$ENDOFF:<offset> <id> <db> <client>' on the RDB channel, got '{0}'")]
    BadEndOffset(Box<str>),
    /// The master does not let the stream flow beside the snapshot.
    #[error("The master refused the stream on the main channel: {0}")]
    MainRefused(Box<str>),
    /// The connection for the stream ended before the snapshot was in place.
    #[error("The main channel was lost before the snapshot was in place: {0}")]
    MainLost(Closed),
    /// The host gave it up (a snapshot that cannot be loaded, a command that cannot be executed).
    #[error("{0}")]
    Host(Box<str>),
}

impl LinkError {
    /// In one word, for counts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::TransferTimeout => "transfer-timeout",
            Self::StreamTimeout => "stream-timeout",
            Self::Handshake(_) => "handshake",
            Self::Transfer(_) => "transfer",
            Self::Lost(_) => "lost",
            Self::Auth(_) => "auth",
            Self::NotNow(_) => "not-now",
            Self::TakeoverRefused(_) => "takeover-refused",
            Self::SnapshotRefused(_) => "snapshot-refused",
            Self::Ping(_)
            | Self::UnexpectedReply(_)
            | Self::LongLine(_)
            | Self::BadSnapshotHeader(_)
            | Self::Protocol { .. }
            | Self::Inline { .. }
            | Self::BadEndOffset(_) => "protocol",
            Self::Overrun(_) => "overrun",
            Self::Channel(_) | Self::ChannelRefused(_) | Self::MainRefused(_) | Self::MainLost(_) => "rdb-channel",
            Self::Host(_) => "host",
        }
    }
}

/// What happened on the replica side; its `Display` is Redis's log line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Event {
    /// A connection is asked for.
    #[error("Connecting to MASTER {host}:{port}")]
    Connecting {
        /// The master's host as configured.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// The same after the link broke.
    #[error("Reconnecting to MASTER {host}:{port}")]
    Reconnecting {
        /// The master's host as configured.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// The attempt is under way.
    #[error("MASTER <-> REPLICA sync started")]
    Started,
    /// The connection stands.
    #[error("Non blocking connect for SYNC fired the event.")]
    Connected,
    /// PING was answered.
    #[error("Master replied to PING, replication can continue...")]
    Ponged,
    /// The master does not know something that it may ignore.
    #[error("(Non critical) Master does not understand REPLCONF {option}: {reply}")]
    NotUnderstood {
        /// The option.
        option: &'static str,
        /// Its answer.
        reply: Box<str>,
    },
    /// PSYNC asks to go on.
    #[error("Trying a partial resynchronization (request {id}:{offset}).")]
    TryingPartial {
        /// The history.
        id: ReplId,
        /// The first byte that we lack.
        offset: u64,
    },
    /// PSYNC asks for all.
    #[error("Partial resynchronization not possible (no cached master)")]
    NoCachedMaster,
    /// The master sends all.
    #[error("Full resync from master: {id}:{offset}")]
    FullResync {
        /// The history.
        id: ReplId,
        /// The offset of the snapshot.
        offset: u64,
    },
    /// The master lets us go on.
    #[error("Successful partial resynchronization with master.")]
    Continued,
    /// The master goes on under another id.
    #[error("Master replication ID changed to {0}")]
    IdChanged(ReplId),
    /// The master does not know PSYNC.
    #[error("Master does not support PSYNC or is in error state (reply: {0})")]
    NoPsync(Box<str>),
    /// So SYNC is tried.
    #[error("Retrying with SYNC...")]
    TryingSync,
    /// The master sends the snapshot over a second connection.
    #[error("PSYNC is not possible, initialize RDB channel.")]
    ChannelOpened,
    /// So much of the stream waits for the snapshot that no more is read.
    #[error("Replication buffer limit has been reached ({limit} bytes), stopped buffering replication stream.")]
    BufferFull {
        /// The limit.
        limit: u64,
    },
    /// The snapshot's first bytes are there.
    #[error("MASTER <-> REPLICA sync: receiving {} from master", Size(*.0))]
    Receiving(Option<u64>),
    /// The snapshot was loaded.
    #[error("MASTER <-> REPLICA sync: Finished with success")]
    Finished,
    /// The link ended.
    #[error("{0}")]
    Lost(LinkError),
    /// The master answered our acknowledgement by an error.
    #[error("== CRITICAL == This master is sending an error to its replica: {0}")]
    MasterError(Box<str>),
}

struct Size(Option<u64>);

impl core::fmt::Display for Size {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n} bytes"),
            None => f.write_str("streamed RDB"),
        }
    }
}

impl Event {
    /// How grave.
    pub(in crate::replication) fn level(&self) -> Level {
        match self {
            Self::Lost(LinkError::NotNow(_)) => Level::Notice,
            Self::Lost(_) | Self::MasterError(_) | Self::IdChanged(_) => Level::Warning,
            _ => Level::Notice,
        }
    }
}
