//! One client's connection.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::acl::UserId;
use crate::blocks::Blocks;
use crate::client::SoftClock;
use crate::ids::ConnId;
use crate::machine::{Endpoint, Interest};
use crate::resp::{Command, Proto, Reply, Requests};
use crate::time::Instant;

/// Whether replies are written (`CLIENT REPLY`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Every one.
    #[default]
    On,
    /// None.
    Off,
    /// Not the one of the next command.
    SkipNext,
    /// Not the one of this command.
    Skip,
}

/// When a connection is to be closed by us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum CloseWhen {
    /// Not.
    #[default]
    Never,
    /// Once everything owed is sent.
    Drained,
    /// At once.
    Now,
}

/// What `MULTI` collected so far.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The queued commands, each with its number in the command table.
    pub queue: Vec<(usize, Command)>,
    /// Memory of the queue in bytes: it counts against `client-query-buffer-limit`.
    pub bytes: usize,
    /// A command could not be queued: `EXEC` is refused.
    pub broken: bool,
}

/// Why a client's further commands wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Blocked {
    /// `WAIT`: until so many replicas acknowledged this offset; `WAITAOF`: that it is in their append-only file.
    Wait {
        /// Whether it is the second.
        aof: bool,
        /// The client's last write.
        offset: u64,
        /// How many replicas.
        replicas: usize,
        /// When to answer anyhow.
        until: Option<Instant>,
    },
    /// A command that waits for a key (`BLPOP` and its kind).
    Keys,
    /// `CLIENT PAUSE` holds its command back.
    Paused,
    /// Its reply waits for a file to be written (`SAVE`, a vote of a sentinel).
    Saving,
    /// It asked for `SHUTDOWN`, which waits for replicas or a file.
    Shutdown,
}

/// One client's connection: what it said, what it is owed, and who it is.
#[derive(Debug)]
pub struct Session {
    /// Its connection.
    pub conn: ConnId,
    /// The number that `CLIENT ID` shows.
    pub id: u64,
    /// The peer's address.
    pub peer: Endpoint,
    /// Our address.
    pub local: Endpoint,
    /// When it came.
    pub since: Instant,
    /// When it last sent a command or was sent something that counts as activity.
    pub active: Instant,
    /// The unfinished frame.
    pub requests: Requests,
    /// Input behind a command that waits, bounded by `client-query-buffer-limit`.
    pub held: Vec<u8>,
    /// Unsent replies.
    pub outbox: Blocks,
    /// Protocol version.
    pub proto: Proto,
    /// Selected database.
    pub db: u32,
    /// Whether it has logged in, or had no need to when it came.
    pub authenticated: bool,
    /// As whom it acts.
    pub user: UserId,
    /// `CLIENT SETNAME`.
    pub name: String,
    /// `CLIENT SETINFO` lib-name and lib-ver.
    pub lib: (String, String),
    /// `CLIENT NO-EVICT`, `CLIENT NO-TOUCH`.
    pub no_evict: bool,
    /// `CLIENT NO-TOUCH`.
    pub no_touch: bool,
    /// `CLIENT REPLY`.
    pub reply: ReplyMode,
    /// Between `MULTI` and `EXEC`.
    pub multi: Option<Transaction>,
    /// Keys that it watches.
    pub watched: BTreeSet<(u32, Box<[u8]>)>,
    /// A watched key changed.
    pub dirty: bool,
    /// Channels it listens to.
    pub channels: BTreeSet<Box<[u8]>>,
    /// Patterns it listens to.
    pub patterns: BTreeSet<Box<[u8]>>,
    /// It sees every command (`MONITOR`).
    pub monitor: bool,
    /// It became a replica: the replication source writes to it from now on.
    pub replica: bool,
    /// Why its commands wait.
    pub blocked: Option<Blocked>,
    /// Offset of the replication stream behind its last write, for `WAIT`.
    pub last_write: u64,
    /// When to close it.
    pub close: CloseWhen,
    /// What the runtime was last told to watch it for.
    pub interest: Interest,
    /// Since when its outbox is over the soft limit.
    pub soft: SoftClock,
    /// Number of its last command in the command table.
    pub last_command: Option<usize>,
    /// Commands it ran.
    pub commands: u64,
    /// Bytes it sent us.
    pub bytes_in: u64,
    /// Bytes we sent it.
    pub bytes_out: u64,
}

impl Session {
    /// A fresh client.
    pub fn new(conn: ConnId, id: u64, peer: Endpoint, local: Endpoint, now: Instant) -> Self {
        Self {
            conn,
            id,
            peer,
            local,
            since: now,
            active: now,
            requests: Requests::new(),
            held: Vec::new(),
            outbox: Blocks::new(),
            proto: Proto::Resp2,
            db: 0,
            authenticated: false,
            user: UserId::DEFAULT,
            name: String::new(),
            lib: (String::new(), String::new()),
            no_evict: false,
            no_touch: false,
            reply: ReplyMode::On,
            multi: None,
            watched: BTreeSet::new(),
            dirty: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            monitor: false,
            replica: false,
            blocked: None,
            last_write: 0,
            close: CloseWhen::Never,
            interest: Interest::READ,
            soft: SoftClock::default(),
            last_command: None,
            commands: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// A writer of replies for this client.
    pub fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.outbox, self.proto)
    }

    /// Writes the reply of a command that had to wait, unless the client wants none.
    pub fn late(&mut self, write: impl FnOnce(&mut Reply<'_>)) {
        if self.reply == ReplyMode::On {
            write(&mut self.reply());
        }
    }

    /// Takes back what a command wrote from `mark` on, if the client wants no reply.
    pub fn silence(&mut self, mark: u64) {
        if self.reply != ReplyMode::On && !self.replica {
            let keep = mark.max(self.outbox.start());
            self.outbox.truncate(keep);
        }
    }

    /// Whether it comes from this machine.
    pub fn is_local(&self) -> bool {
        match self.peer.tcp().map(|a| a.ip()) {
            None => true,
            Some(IpAddr::V4(a)) => a.is_loopback(),
            Some(IpAddr::V6(a)) => a.is_loopback() || a.to_ipv4_mapped().is_some_and(|a| a.is_loopback()),
        }
    }

    /// Channels and patterns together, as subscription replies count them.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Asks for the connection to be closed; the sooner of two wishes counts.
    pub fn close(&mut self, when: CloseWhen) {
        self.close = self.close.max(when);
    }

    /// Memory in bytes held for this client: unread requests, unsent replies, queued commands.
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + self.requests.buffered()
            + self.held.capacity()
            + self.outbox.memory()
            + self.multi.as_ref().map_or(0, |m| m.bytes)
    }

    /// The `flags` field of `CLIENT LIST`, each letter as Redis documents it.
    pub fn flags(&self) -> String {
        let letters = [
            (self.replica, 'S'),
            (self.monitor && !self.replica, 'O'),
            (self.subscriptions() > 0, 'P'),
            (self.multi.is_some(), 'x'),
            (self.blocked.is_some(), 'b'),
            (self.dirty, 'd'),
            (self.close == CloseWhen::Drained, 'c'),
            (self.close == CloseWhen::Now, 'A'),
            (matches!(self.peer, Endpoint::Unix(_)), 'U'),
            (self.no_evict, 'e'),
            (self.no_touch, 'T'),
        ];
        let text: String = letters.iter().filter(|(on, _)| *on).map(|&(_, c)| c).collect();
        if text.is_empty() { "N".into() } else { text }
    }
}
