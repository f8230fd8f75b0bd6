//! What happens on the master side, in Redis's log words.

use alloc::boxed::Box;

use crate::machine::Level;
use crate::replication::ReplId;

/// A replica as the log names it: `address:listening-port`.
pub type ReplicaName = Box<str>;

/// What happened on the master side; its `Display` is Redis's log line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Event {
    /// SYNC or PSYNC came.
    #[error("Replica {0} asks for synchronization")]
    Asked(ReplicaName),
    /// Its master hands over to it: PSYNC came with FAILOVER.
    #[error("Failover request received for replid {id}.")]
    TakeoverAsked {
        /// The history that it named, one line of 64 characters at most.
        id: Box<str>,
    },
    /// It asked for everything.
    #[error("Full resync requested by replica {0}")]
    FullRequested(ReplicaName),
    /// It asked for everything while as many did as may.
    #[error("Full resync of replica {replica} put off: {under_way} are under way")]
    PutOff {
        /// Who.
        replica: ReplicaName,
        /// How many are.
        under_way: usize,
    },
    /// Its snapshot goes over a second connection.
    #[error(
        "Replica {0} is capable of rdb channel synchronization, and partial sync isn't possible. Full sync will continue with dedicated rdb channel."
    )]
    OverTwo(ReplicaName),
    /// It asked to go on where it was, and cannot.
    #[error("{why}")]
    PartialRefused {
        /// Who.
        replica: ReplicaName,
        /// Why.
        why: Refusal,
    },
    /// It goes on where it was.
    #[error(
        "Partial resynchronization request from {replica} accepted. Sending {bytes} bytes of backlog starting from \
         offset {from}."
    )]
    PartialAccepted {
        /// Who.
        replica: ReplicaName,
        /// Bytes it lacks.
        bytes: u64,
        /// Offset of the first of them, as it asked.
        from: u64,
    },
    /// The first replica came, or the first after the history was freed.
    #[error("Replication backlog created, my new replication IDs are '{id}' and '{}'", ReplId::ZERO)]
    BacklogCreated {
        /// The id from here on.
        id: ReplId,
    },
    /// No replica came for `repl-backlog-ttl`.
    #[error("Replication backlog freed after {seconds} seconds without connected replicas.")]
    BacklogFreed {
        /// The ttl.
        seconds: u64,
    },
    /// A diskless snapshot waits for further replicas.
    #[error("Delay next BGSAVE for diskless SYNC")]
    SnapshotDelayed,
    /// A replica joins a snapshot that is being written.
    #[error("Waiting for end of BGSAVE for SYNC")]
    SnapshotJoined,
    /// A snapshot begins, over the sockets.
    #[error("Background RDB transfer started for {replicas} replicas")]
    TransferStarted {
        /// How many replicas it serves.
        replicas: usize,
    },
    /// A snapshot begins, to a file.
    #[error("Starting BGSAVE for SYNC with target: disk")]
    FileStarted,
    /// A diskless snapshot was produced to its end.
    #[error("Diskless rdb transfer, done reading from pipe, {replicas} replicas still up, {bytes} bytes")]
    TransferProduced {
        /// How many still read.
        replicas: usize,
        /// Its length with its frame.
        bytes: u64,
    },
    /// A snapshot could not be produced.
    #[error("SYNC failed. {reason}")]
    SnapshotFailed {
        /// Why, in the host's words.
        reason: Box<str>,
    },
    /// A diskless snapshot is with the replica.
    #[error(
        "Streamed replica with replica {0} succeeded (socket). Waiting for REPLCONF ACK from replica to enable \
         streaming"
    )]
    Streamed(ReplicaName),
    /// A snapshot alone was asked for, and is with the replica.
    #[error("RDB transfer completed, rdb only replica ({0}) should be disconnected asap")]
    SnapshotOnlyServed(ReplicaName),
    /// The replica has the snapshot and follows the stream.
    #[error("Synchronization with replica {0} succeeded")]
    Synchronized(ReplicaName),
    /// It was silent for `repl-timeout`.
    #[error("Disconnecting timedout replica ({}): {replica}", if *.streaming { "streaming sync" } else { "full sync" })]
    TimedOut {
        /// Who.
        replica: ReplicaName,
        /// Whether it followed the stream already.
        streaming: bool,
    },
    /// It was too far behind.
    #[error(
        "Client addr={replica} flags=S omem={behind} ({limit} limit) scheduled to be closed ASAP for overcoming of \
         output buffer limits."
    )]
    OutputLimit {
        /// Who.
        replica: ReplicaName,
        /// Bytes behind.
        behind: u64,
        /// Which limit.
        limit: Limit,
    },
    /// Its connection ended.
    #[error("Connection with replica {0} lost.")]
    Lost(ReplicaName),
    /// We closed it, since its history is no longer ours.
    #[error("Disconnecting replica {replica}: {why}")]
    Dropped {
        /// Who.
        replica: ReplicaName,
        /// Why.
        why: Dropped,
    },
    /// It needs a snapshot, and cannot read one of these data.
    #[error("Replica {replica} reads snapshots up to version {reads}, and the data need version {needs}: refused")]
    Unreadable {
        /// Who.
        replica: ReplicaName,
        /// The highest version that it reads.
        reads: u16,
        /// The lowest that holds the data.
        needs: u16,
    },
    /// It sent a command that has an answer.
    #[error("Replica {replica} generated a reply to command '{command}', disconnecting it.")]
    Answered {
        /// Who.
        replica: ReplicaName,
        /// The command's name.
        command: Box<str>,
    },
    /// The history goes on under a new id.
    #[error("Setting secondary replication ID to {old}, valid up to offset: {valid_to}. New replication ID is {new}")]
    IdShifted {
        /// The id so far.
        old: ReplId,
        /// The first offset that may not be asked for under it.
        valid_to: u64,
        /// The id from here on.
        new: ReplId,
    },
    /// `DEBUG CHANGE-REPL-ID`.
    #[error("Changing replication IDs after receiving change-repl-id. New replication ID is {new}")]
    IdChanged {
        /// The id from here on.
        new: ReplId,
    },
}

impl Event {
    /// How grave.
    pub(in crate::replication) fn level(&self) -> Level {
        match self {
            Self::TimedOut { .. }
            | Self::OutputLimit { .. }
            | Self::Lost(_)
            | Self::Dropped {
                why: Dropped::Outrun | Dropped::NoChannel | Dropped::NoMain | Dropped::ChannelLost | Dropped::MainLost,
                ..
            }
            | Self::SnapshotFailed { .. }
            | Self::Unreadable { .. }
            | Self::Answered { .. }
            | Self::IdShifted { .. } => Level::Warning,
            _ => Level::Notice,
        }
    }
}

/// Why a replica cannot go on where it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another history.
    #[error(
        "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my replication \
         IDs are '{id}' and '{id2}')"
    )]
    OtherId {
        /// What it named.
        asked: Box<str>,
        /// Our id.
        id: ReplId,
        /// Our second id.
        id2: ReplId,
    },
    /// It went on under our former id after we had left it.
    #[error(
        "Partial resynchronization not accepted: Requested offset for second ID was {asked}, but I can reply up to \
         {valid_to}"
    )]
    BeyondSecondId {
        /// The offset it asked for.
        asked: i64,
        /// The last that is ours.
        valid_to: u64,
    },
    /// What it lacks is no longer, or not yet, in the log.
    #[error("Unable to partial resync with replica {replica} for lack of backlog (Replica request was: {asked}).")]
    NotHeld {
        /// Who.
        replica: ReplicaName,
        /// The offset it asked for.
        asked: i64,
    },
}

/// Which output limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// `client-output-buffer-limit replica`, hard.
    #[error("hard")]
    Hard,
    /// `client-output-buffer-limit replica`, soft, for its whole time.
    #[error("soft")]
    Soft,
    /// The buffer of diskless snapshots.
    #[error("snapshot buffer")]
    Snapshot,
}

/// Why we let replicas go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Dropped {
    /// The replication id changed: they come back and go on under the new one.
    #[error("the replication id changed")]
    NewId,
    /// Our data are replaced by our master's.
    #[error("a full resync replaces the data")]
    NewData,
    /// The snapshot it was to get failed.
    #[error("the snapshot failed")]
    NoSnapshot,
    /// Writes replaced values faster than its snapshot could take the old ones.
    #[error("writes outran its snapshot, old values held for it exceed the snapshot buffer")]
    Outrun,
    /// The file of its snapshot cannot be read.
    #[error("the snapshot file cannot be read")]
    NoFile,
    /// It was to open a second connection for its snapshot, and did not within `repl-timeout`.
    #[error("its RDB channel did not come")]
    NoChannel,
    /// Its main connection did not ask for the stream within `repl-timeout`.
    #[error("its main channel did not ask for the stream")]
    NoMain,
    /// The connection for its snapshot ended before that was sent.
    #[error("its RDB channel is lost")]
    ChannelLost,
    /// The connection for its stream ended before the snapshot was sent.
    #[error("its main channel is lost")]
    MainLost,
    /// The host asked for it.
    #[error("the server asked for it")]
    Host,
}
