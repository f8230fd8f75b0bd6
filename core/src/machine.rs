//! The one door: every machine takes [`Input`]s, gives [`Action`]s, shows unsent bytes, and names its next deadline.
//!
//! A runtime needs nothing but this: it feeds what happened, carries out what it is told, writes what
//! [`Machine::transmit`] shows, and feeds [`Input::Tick`] at [`Machine::deadline`]. The machine asks for its own
//! listeners, files and names.

mod jobs;
mod lent;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::Deref;
use core::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ids::{ConnId, Ids, OpId};
use crate::rng::Rng;
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::tls::PeerNames;

pub use jobs::{Job, JobError, JobErrorKind, Outcome, Path, Usage};
pub use lent::{Made, Meter, NoMeter, NoWorkers, Turns, Work, Workers};

/// A protocol participant that does no I/O.
pub trait Machine: Send {
    /// What the embedding program asks; it enters by the same door, so it is recorded and replayed like all else.
    type Call;
    /// What happened, for the host and the log.
    type Event;

    /// Takes one thing that happened. Cannot fail and cannot panic, whatever the bytes: a peer's fault closes its
    /// connection and comes out as an event with a typed reason.
    fn handle(&mut self, now: Now, input: Input<'_, Self::Call>, out: &mut Actions<Self::Event>);

    /// When to feed [`Input::Tick`] if nothing happens before. After `handle(now, Input::Tick, ..)`: none, or later than
    /// `now`. Other inputs may come when a deadline has passed already: it stands until the tick behind them.
    fn deadline(&self) -> Option<Instant>;

    /// Shows up to `budget` unsent bytes of a connection. Decides nothing and moves no cursor ([`Input::Sent`]
    /// does): a replay that never calls it gives the same actions.
    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks);

    /// In a replay, before the input that uses it: the recording has `token` in the place of a password, and `hash` in the
    /// place of its SHA-256. A machine that hashes passwords hashes this one so from now on.
    fn learn_password(&mut self, token: &[u8], hash: [u8; 32]) {
        let _ = (token, hash);
    }
}

/// One thing that happened to a machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a, C> {
    /// The deadline passed. A tick too early is harmless.
    Tick,
    /// Answers [`Action::Yield`]: all others had their turn.
    Resume,
    /// A listener (named by the job that opened it) took a connection.
    Accepted {
        /// Its id, even, never used before.
        conn: ConnId,
        /// The [`Job::Listen`] it came in by.
        listener: OpId,
        /// Our address.
        local: Endpoint,
        /// The peer's address.
        peer: Endpoint,
        /// Whether it is encrypted.
        tls: bool,
    },
    /// Behind `Accepted`, and before all else of it: the peer of an encrypted connection showed a certificate.
    Named {
        /// The connection.
        conn: ConnId,
        /// Whom the certificate names.
        names: Box<PeerNames>,
    },
    /// A connection that the machine asked for stands. One that cannot be made is `Closed` instead.
    Connected {
        /// The id that the machine gave it.
        conn: ConnId,
        /// Our address.
        local: Endpoint,
        /// The peer's address.
        peer: Endpoint,
        /// Whether it is encrypted.
        tls: bool,
    },
    /// Bytes came in.
    Received {
        /// The connection.
        conn: ConnId,
        /// What was read, never empty.
        bytes: &'a [u8],
    },
    /// The first `len` bytes that `transmit` last showed were taken by the kernel.
    Sent {
        /// The connection.
        conn: ConnId,
        /// Bytes, of plaintext under TLS.
        len: usize,
    },
    /// The peer will send no more; what it is owed is still sent.
    Eof {
        /// The connection.
        conn: ConnId,
    },
    /// The connection is gone both ways, or was never made. The runtime has forgotten it.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: Closed,
    },
    /// A job took hold (a script's process runs).
    Began {
        /// The job.
        op: OpId,
        /// The process id.
        pid: u32,
    },
    /// A job ended: exactly one for every [`Action::Start`].
    Done {
        /// The job.
        op: OpId,
        /// What came of it.
        result: Outcome,
    },
    /// The embedding program asks for something.
    Call(C),
    /// The process was asked to end; a second one forces.
    Shutdown {
        /// Which signal asked, for the log.
        signal: Signal,
    },
}

/// One thing that a machine wants done, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action<E> {
    /// Open a connection; answered by `Connected` or `Closed`.
    Connect {
        /// The id it shall have.
        conn: ConnId,
        /// Where to.
        to: Endpoint,
        /// The local address to come from, if it matters.
        from: Option<IpAddr>,
        /// Whether to encrypt.
        tls: bool,
        /// Socket options.
        options: SocketOptions,
    },
    /// Close at once; what is unsent is dropped. No further input names it, and a `Closed` for it is not fed.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// What to watch a connection for, on change only. A connection begins with `read: true, write: false`.
    Interest {
        /// The connection.
        conn: ConnId,
        /// Whether its bytes may come in.
        read: bool,
        /// Whether there are bytes to send: write at once, and wait for readiness only after the kernel refused.
        write: bool,
    },
    /// Socket options of an accepted connection.
    Options {
        /// The connection.
        conn: ConnId,
        /// What to set.
        options: SocketOptions,
    },
    /// Do something that takes time. Jobs on one file finish in the order they were started.
    Start {
        /// The id that `Done` will carry.
        op: OpId,
        /// What.
        job: Job,
    },
    /// The result of a job is no longer wanted: end it early if it can be; its `Done` still comes.
    Cancel {
        /// The job.
        op: OpId,
    },
    /// Close a listener.
    Unlisten {
        /// The [`Job::Listen`] that opened it.
        op: OpId,
    },
    /// Feed [`Input::Resume`] after all other ready input had its turn: there is more to do, in small pieces.
    Yield,
    /// Block the whole loop for so long (`DEBUG SLEEP`).
    Sleep(Duration),
    /// Something for the host and the log.
    Event(E),
    /// End the process (or the embedding) once everything before this was carried out.
    Exit {
        /// The exit code.
        code: i32,
    },
}

/// The caller-owned list that a machine appends its actions to: reuse it, drain it in order.
#[derive(Debug)]
pub struct Actions<E>(Vec<Action<E>>);

impl<E> Default for Actions<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Actions<E> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an action.
    #[inline]
    pub fn push(&mut self, action: Action<E>) {
        self.0.push(action);
    }

    /// Appends an event.
    pub fn event(&mut self, event: impl Into<E>) {
        self.0.push(Action::Event(event.into()));
    }

    /// Takes all actions out in order; the memory stays.
    pub fn drain(&mut self) -> alloc::vec::Drain<'_, Action<E>> {
        self.0.drain(..)
    }

    /// Gives back the memory beyond that of `most` actions, as after a start that opened hundreds of connections at once.
    pub fn shrink_to(&mut self, most: usize) {
        if self.0.capacity() > most {
            self.0.shrink_to(most);
        }
    }

    /// Moves `other`'s actions behind these.
    pub fn append<F>(&mut self, other: &mut Actions<F>)
    where
        E: From<F>,
    {
        self.0.extend(other.drain().map(Action::map_into));
    }
}

impl<E> Deref for Actions<E> {
    type Target = [Action<E>];
    fn deref(&self) -> &[Action<E>] {
        &self.0
    }
}

impl<E> Action<E> {
    /// The same action with its event converted.
    pub fn map_into<F: From<E>>(self) -> Action<F> {
        match self {
            Self::Connect { conn, to, from, tls, options } => Action::Connect { conn, to, from, tls, options },
            Self::Close { conn } => Action::Close { conn },
            Self::Interest { conn, read, write } => Action::Interest { conn, read, write },
            Self::Options { conn, options } => Action::Options { conn, options },
            Self::Start { op, job } => Action::Start { op, job },
            Self::Cancel { op } => Action::Cancel { op },
            Self::Unlisten { op } => Action::Unlisten { op },
            Self::Yield => Action::Yield,
            Self::Sleep(d) => Action::Sleep(d),
            Self::Event(e) => Action::Event(e.into()),
            Self::Exit { code } => Action::Exit { code },
        }
    }
}

/// What a part of a machine takes for one step: the time, the machine's one set of deadlines, its actions, its ids and
/// its generator. `K` and `E` are the machine's timer keys and events; a part converts its own into them.
#[derive(Debug)]
pub struct Turn<'a, K, E> {
    /// The time of the input that is handled.
    pub now: Now,
    /// All deadlines of the machine.
    pub timers: &'a mut Timers<K>,
    /// Where actions go.
    pub out: &'a mut Actions<E>,
    /// Fresh ids for connections and jobs.
    pub ids: &'a mut Ids,
    /// The machine's generator.
    pub rng: &'a mut Rng,
}

/// Unsent bytes that [`Machine::transmit`] shows: owned handles, so an async task may hold them across an await.
#[derive(Debug, Default)]
pub struct Chunks {
    list: SmallVec<[Bytes; 16]>,
    bytes: usize,
    secret: bool,
}

impl Chunks {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handle.
    #[inline]
    pub fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.list.push(chunk);
    }

    /// All bytes together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Passwords or their hashes are among the bytes: a recording takes no sum of them, since a replay has tokens there.
    pub fn keep_secret(&mut self) {
        self.secret = true;
    }

    /// Whether secrets are among them.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Forgets all handles.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes = 0;
        self.secret = false;
    }
}

impl Deref for Chunks {
    type Target = [Bytes];
    fn deref(&self) -> &[Bytes] {
        &self.list
    }
}

/// Where a connection or a listener is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket's path; empty for the unnamed peer of an accepted one.
    Unix(Arc<str>),
}

impl Endpoint {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(a) => Some(*a),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    /// As Redis prints addresses: `127.0.0.1:6379`, `[::1]:6379`, `/path:0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(a) => write!(f, "{a}"),
            Self::Unix(p) => write!(f, "{p}:0"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the runtime was told to watch a connection for; a machine keeps it to speak on change only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    /// Whether its bytes may come in.
    pub read: bool,
    /// Whether there are bytes to send.
    pub write: bool,
}

impl Interest {
    /// What every connection begins with.
    pub const READ: Self = Self { read: true, write: false };

    /// Tells the runtime if `read` and `write` are not what it was told last.
    #[inline]
    pub fn update<E>(&mut self, conn: ConnId, read: bool, write: bool, out: &mut Actions<E>) {
        let new = Self { read, write };
        if *self != new {
            *self = new;
            out.push(Action::Interest { conn, read, write });
        }
    }
}

/// Options of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// Seconds between keep-alive probes (`tcp-keepalive`), 0 for none.
    pub keepalive_s: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive_s: 0 }
    }
}

/// Why a connection ended, as far as the runtime knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// Both sides were done.
    #[error("connection closed")]
    Clean,
    /// The peer reset it.
    #[error("Connection reset by peer")]
    Reset,
    /// Nobody listens there.
    #[error("Connection refused")]
    Refused,
    /// No answer in time.
    #[error("Connection timed out")]
    TimedOut,
    /// No route, no permission, no address: it cannot be reached as asked.
    #[error("No route to host")]
    Unreachable,
    /// TLS failed.
    #[error("TLS error")]
    Tls,
    /// Any other error of the operating system, by its number.
    #[error("I/O error (errno {0})")]
    Os(i32),
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// `SIGTERM`.
    Term,
    /// `SIGINT`.
    Int,
    /// The embedding program asked.
    Host,
}

/// Severity of an event, in Redis's four levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// `debug`, mark `.`.
    Debug,
    /// `verbose`, mark `-`.
    Verbose,
    /// `notice`, mark `*`.
    Notice,
    /// `warning`, mark `#`.
    Warning,
}

/// An event that can be a line in the log: its `Display` is the text a Redis operator knows.
pub trait LogLine: fmt::Display {
    /// How grave.
    fn level(&self) -> Level;
    /// Who speaks: `M` master, `S` replica, `X` sentinel, `C` a child.
    fn role(&self) -> char;
    /// What kind of thing happened, as a word for programs (`full-resync`); empty if it has none.
    fn kind(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_the_door_stays_small() {
        // A turn moves thousands of these; growth past these sizes wants a reason.
        assert!(size_of::<Input<'_, ()>>() <= 104, "{}", size_of::<Input<'_, ()>>());
        assert!(size_of::<Action<()>>() <= 88, "{}", size_of::<Action<()>>());
        assert_eq!(size_of::<Bytes>(), 32);
    }

    #[test]
    fn endpoints_print_as_redis_prints_them() {
        let v6: SocketAddr = (core::net::Ipv6Addr::LOCALHOST, 6379).into();
        assert_eq!(std::format!("{}", Endpoint::Tcp(v6)), "[::1]:6379");
        assert_eq!(std::format!("{}", Endpoint::Unix("/tmp/s".into())), "/tmp/s:0");
    }
}
