//! What a node tells its host: typed, and each with the log line that operators of Redis know.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::guard::ResyncRefusal;
use crate::client;
use crate::config::LogLevel;
use crate::kind::kind_of;
use crate::machine::{Endpoint, Level, LogLine, Signal};
use crate::replication;

/// Something that happened in a node.
#[derive(Debug)]
pub struct Event {
    /// `M` or `S`: the role at that moment.
    pub role: char,
    /// What happened.
    pub what: What,
}

/// The kinds of [`Event`].
#[derive(Debug)]
#[non_exhaustive]
pub enum What {
    /// The machine began.
    Started {
        /// Process id.
        pid: u32,
        /// Version of Primacy.
        version: &'static str,
        /// Port it will listen on; 0 for none.
        port: u16,
    },
    /// Configuration is in force; listeners and data come next.
    Initialized,
    /// A listener stands.
    Listening(Endpoint),
    /// A listener could not be had.
    ListenFailed {
        /// Where.
        at: Endpoint,
        /// Why, and what to do.
        why: Box<str>,
    },
    /// An address marked optional (`-` in `bind`) could not be had.
    ListenSkipped {
        /// Where.
        at: Endpoint,
        /// Why.
        why: Box<str>,
    },
    /// The configuration names nothing to listen on, or only optional addresses that cannot be had.
    NotListening,
    /// A `CONFIG SET` of `bind` or `port` failed: listeners and settings are what they were.
    ListenersRestored {
        /// The directive.
        argument: Box<str>,
    },
    /// Certificates are in force.
    TlsConfigured {
        /// Directives that are given and have no effect.
        idle: Vec<&'static str>,
    },
    /// Certificates cannot be used; those from before stay.
    TlsFailed {
        /// Why, with the file.
        why: Box<str>,
    },
    /// The dataset was read from its file.
    Loaded {
        /// Keys in place.
        keys: u64,
        /// Keys left out as expired.
        expired: u64,
        /// How long it took, ms.
        ms: u64,
    },
    /// The dataset's file cannot be used.
    LoadFailed {
        /// Which file.
        file: Box<str>,
        /// Why, with the offset.
        why: Box<str>,
    },
    /// Clients are served.
    Ready,
    /// A replication event.
    Replication(replication::Event),
    /// This node is a master now.
    MasterMode {
        /// The client that asked, as `CLIENT LIST` shows it.
        by: Box<str>,
        /// It is its master, which hands over.
        handed_over: bool,
    },
    /// A failover was asked for.
    FailoverAsked {
        /// To whom; to any replica if `None`.
        to: Option<(Box<str>, u16)>,
    },
    /// The replica has everything, and is asked to take over.
    FailoverSynced {
        /// Its host.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// It does not have everything in time, and is asked to take over all the same.
    FailoverForced {
        /// Its host.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// It is the master.
    FailoverDone {
        /// Its host.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// The failover is off: this node is the master.
    FailoverAborted {
        /// To whom it was.
        to: Option<(Box<str>, u16)>,
        /// Why.
        why: Box<str>,
    },
    /// This node will follow a master.
    ReplicaOf {
        /// Its host.
        host: Box<str>,
        /// Its port.
        port: u16,
        /// The client that asked.
        by: Box<str>,
    },
    /// Its own history may serve to resume from the new master.
    UsingOwnHistory,
    /// What the master sent cannot be applied: the link stops here, loudly.
    StreamFault {
        /// The command's name, lossily as text.
        command: Box<str>,
        /// Offset behind the command.
        offset: u64,
        /// What it answered.
        why: Box<str>,
        /// The second fault in a row: no further attempt is made.
        stopped: bool,
    },
    /// A snapshot from the master cannot be used.
    SnapshotFault {
        /// Why, with the offset.
        why: Box<str>,
    },
    /// A full resync of the master was refused by `replica-resync-guard`.
    ResyncRefused {
        /// Why.
        why: ResyncRefusal,
    },
    /// Writers are slowed down from here on (`repl-write-throttle`).
    ThrottleBegan {
        /// Bytes that the last replica is behind.
        behind: u64,
    },
    /// And are not any more.
    ThrottleEnded {
        /// For how long they were, ms.
        ms: u64,
    },
    /// A snapshot from the master is being taken in.
    LoadingSnapshot {
        /// Straight from the socket, beside the old dataset, or from a file.
        how: &'static str,
    },
    /// A snapshot from the master is in place.
    SnapshotLoaded {
        /// Keys in place.
        keys: u64,
    },
    /// A snapshot to a file began.
    SaveStarted {
        /// The rule that made it: changes and seconds; `None` when somebody asked.
        rule: Option<(u64, u64)>,
    },
    /// A snapshot is on the disk.
    Saved,
    /// A snapshot to a file failed.
    SaveFailed {
        /// Why.
        why: Box<str>,
    },
    /// A snapshot to a file was ended on purpose.
    SaveAbandoned {
        /// Why.
        why: Box<str>,
    },
    /// Something among its clients.
    Client(client::Event),
    /// The process was asked to end.
    ShutdownAsked(Option<Signal>),
    /// A replica has not taken everything at the end of a shutdown's patience.
    LaggingReplica {
        /// Its address.
        peer: Box<str>,
        /// Its acknowledged offset.
        offset: u64,
        /// Bytes it misses.
        behind: u64,
    },
    /// How many replicas have everything at shutdown.
    ShutdownSync {
        /// Those that have.
        synced: usize,
        /// All.
        all: usize,
    },
    /// The shutdown was given up, or cannot be done.
    ShutdownFailed {
        /// Why.
        why: Box<str>,
    },
    /// The end.
    Bye,
    /// `DEBUG LOG`.
    Debug(String),
    /// The configuration file was rewritten, or not.
    ConfigRewritten(Result<(), Box<str>>),
    /// `loglevel` was changed: the host's log is to obey it.
    LogLevel(LogLevel),
}

impl From<replication::Event> for Event {
    fn from(e: replication::Event) -> Self {
        Self { role: crate::machine::LogLine::role(&e), what: What::Replication(e) }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match &self.what {
            What::Replication(e) => e.level(),
            What::Client(e) => e.level(),
            What::ListenFailed { .. }
            | What::NotListening
            | What::ListenersRestored { .. }
            | What::TlsFailed { .. }
            | What::LoadFailed { .. }
            | What::StreamFault { .. }
            | What::SnapshotFault { .. }
            | What::ResyncRefused { .. }
            | What::ThrottleBegan { .. }
            | What::SaveFailed { .. }
            | What::ShutdownAsked(_)
            | What::ShutdownFailed { .. }
            | What::ConfigRewritten(Err(_))
            | What::Debug(_)
            | What::Bye => Level::Warning,
            _ => Level::Notice,
        }
    }

    fn role(&self) -> char {
        self.role
    }

    fn kind(&self) -> String {
        match &self.what {
            What::Replication(e) => e.kind(),
            What::Client(e) => kind_of(e),
            what => kind_of(what),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Started { pid, version, port } => {
                write!(f, "Primacy is starting: version={version}, port={port}, pid={pid}, PID: {pid}")
            }
            What::Initialized => f.write_str("Server initialized"),
            What::Listening(at) => write!(f, "Listening on {at}"),
            What::ListenFailed { at, why } => match at.tcp() {
                Some(a) => write!(f, "Failed listening on port {} ({at}), aborting: {why}", a.port()),
                None => write!(f, "Failed opening Unix socket {at}, aborting: {why}"),
            },
            What::ListenSkipped { at, why } => write!(f, "Not listening on optional address {at}: {why}"),
            What::NotListening => f.write_str("Configured to not listen anywhere, exiting."),
            What::ListenersRestored { argument } => write!(
                f,
                "Failed applying new configuration. Possibly related to new {argument} setting. Restoring previous settings."
            ),
            What::TlsConfigured { idle } => f.write_str(&client::tls_configured(idle)),
            What::TlsFailed { why } => write!(f, "Failed to configure TLS: {why}"),
            What::Loaded { keys, expired, ms } => write!(
                f,
                "Done loading RDB, keys loaded: {keys}, keys expired: {expired}. DB loaded from disk: {}.{:03} seconds",
                ms / 1000,
                ms % 1000
            ),
            What::LoadFailed { file, why } => write!(
                f,
                "Fatal error loading the DB, check server logs. {file}: {why}. Exiting: move the file away or restore a sound copy, then start again"
            ),
            What::Ready => f.write_str("Ready to accept connections"),
            What::Replication(e) => fmt::Display::fmt(e, f),
            What::MasterMode { by, handed_over } => {
                write!(f, "MASTER MODE enabled ({} request from '{by}')", if *handed_over { "failover" } else { "user" })
            }
            What::FailoverAsked { to } => write!(f, "FAILOVER requested to {}.", Target(to.as_ref())),
            What::FailoverSynced { host, port } => write!(f, "Failover target {host}:{port} is synced, failing over."),
            What::FailoverForced { host, port } => {
                write!(f, "FAILOVER to {host}:{port} time out exceeded, failing over.")
            }
            What::FailoverDone { host, port } => write!(f, "FAILOVER to {host}:{port} is done: it is the master now."),
            What::FailoverAborted { to, why } => write!(f, "FAILOVER to {} aborted: {why}", Target(to.as_ref())),
            What::ReplicaOf { host, port, by } => {
                write!(f, "REPLICAOF {host}:{port} enabled (user request from '{by}')")
            }
            What::UsingOwnHistory => f.write_str(
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able \
                 to synchronize with the new master with just a partial transfer.",
            ),
            What::StreamFault { command, offset, why, stopped } => write!(
                f,
                "== CRITICAL == This replica is sending an error to its master: '{why}' after processing the command \
                 '{command}' at offset {offset}. {}",
                if *stopped {
                    "It is the second time: the link stays down until REPLICAOF is said again"
                } else {
                    "The link is closed, since going on would lose it silently; a full resync follows"
                }
            ),
            What::SnapshotFault { why } => write!(f, "Internal error in RDB: {why}. Failed trying to load the MASTER synchronization DB"),
            What::ResyncRefused { why } => write!(
                f,
                "Full resync from MASTER refused: {why}. The data are kept; CONFIG SET replica-resync-guard no takes the master as it is"
            ),
            What::ThrottleBegan { behind } => {
                write!(f, "Writers are slowed down: a replica is {behind} bytes behind, more than repl-write-throttle")
            }
            What::ThrottleEnded { ms } => write!(f, "Writers are not slowed down any more, after {ms} ms"),
            What::LoadingSnapshot { how } => write!(f, "MASTER <-> REPLICA sync: Loading DB in memory ({how})"),
            What::SnapshotLoaded { keys } => {
                write!(f, "MASTER <-> REPLICA sync: {keys} keys are in place")
            }
            What::SaveStarted { rule: Some((changes, seconds)) } => {
                write!(f, "{changes} changes in {seconds} seconds. Saving... Background saving started")
            }
            What::SaveStarted { rule: None } => f.write_str("Background saving started"),
            What::Saved => f.write_str("DB saved on disk"),
            What::SaveAbandoned { why } => write!(f, "Background saving terminated: {why}"),
            What::SaveFailed { why } => write!(f, "Background saving error: {why}"),
            What::Client(e) => fmt::Display::fmt(e, f),
            What::ShutdownAsked(Some(Signal::Term)) => f.write_str("Received SIGTERM, scheduling shutdown..."),
            What::ShutdownAsked(Some(Signal::Int)) => f.write_str("Received SIGINT, scheduling shutdown..."),
            What::ShutdownAsked(_) => f.write_str("User requested shutdown..."),
            What::LaggingReplica { peer, offset, behind } => {
                write!(f, "Lagging replica {peer} reported offset {offset}, {behind} bytes behind")
            }
            What::ShutdownSync { synced, all } => write!(f, "{synced} of {all} replicas are in sync when shutting down."),
            What::ShutdownFailed { why } => write!(f, "Errors trying to shut down the server: {why}"),
            What::Bye => f.write_str("Redis is now ready to exit, bye bye..."),
            What::Debug(text) => write!(f, "DEBUG LOG: {text}"),
            What::LogLevel(level) => write!(f, "The log level is {} from now on", level.word()),
            What::ConfigRewritten(Ok(())) => f.write_str("CONFIG REWRITE executed with success."),
            What::ConfigRewritten(Err(why)) => write!(f, "CONFIG REWRITE failed: {why}"),
        }
    }
}

/// Whom a failover is to.
struct Target<'a>(Option<&'a (Box<str>, u16)>);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((host, port)) => write!(f, "{host}:{port}"),
            None => f.write_str("any replica"),
        }
    }
}
