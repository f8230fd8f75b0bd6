//! The life of the link: resolve, connect, silence, loss, and the next attempt.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::ids::{ConnId, OpId};
use crate::link::Link;
use crate::machine::{Action, Endpoint, Job, Outcome, Turn};
use crate::mutations::{Mutation, on};
use crate::replication::{ReplId, capa};
use crate::resp::{Command, ReplyLimits, decimal};
use crate::time::Instant;

use super::channel::Channel;
use super::config::FollowerConfig;
use super::event::{Event, LinkError};
use super::handshake::Step;
use super::{Emit, Key, Resume, Timer};

/// Time between two acknowledgements.
pub(super) const ACK_PERIOD: Duration = Duration::from_secs(1);
/// A link that breaks is made anew at once, but not twice within this time.
const QUICK_PERIOD: Duration = Duration::from_secs(1);
/// Between two attempts there is this at least, and twice this at most, in milliseconds.
const RETRY_MS: u64 = 500;
/// The same while a master hands over, in milliseconds.
const TAKEOVER_RETRY_MS: u64 = 100;
/// An answer of the handshake is no longer than this, in bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// Whom a replica follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// A name or an address, as configured, or the absolute path of a Unix socket.
    pub host: Box<str>,
    /// Its port; without meaning for a Unix socket.
    pub port: u16,
}

impl Target {
    /// Whether the master is reached by a Unix socket.
    fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// The state of the link, in ROLE's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LinkState {
    /// Follows nobody.
    None,
    /// Will connect soon.
    Connect,
    /// Connects.
    Connecting,
    /// Shakes hands.
    Handshake,
    /// Gets or loads a snapshot.
    Sync,
    /// Follows the stream.
    Connected,
}

impl LinkState {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Connect, Self::Connecting, Self::Handshake, Self::Sync, Self::Connected];

    /// As ROLE prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Connect => "connect",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::Sync => "sync",
            Self::Connected => "connected",
        }
    }
}

/// How far a snapshot has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Its length in bytes, if it is known.
    pub total: Option<u64>,
    /// Bytes that came.
    pub read: u64,
    /// When the last of them came.
    pub last_io: Instant,
}

/// Where a master that hands over stands with the one that is to take over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takeover {
    /// It is to be asked.
    Wanted,
    /// It was asked, and did not answer yet.
    Asked,
    /// It was asked on a link that broke before the answer: it may be the master by now. It is asked again.
    Open,
    /// It refused then. If the first time made it the master it goes on with our history, which a plain PSYNC shows.
    Probed,
}

/// Where the link stands.
#[derive(Debug)]
pub(super) enum State {
    /// Follows nobody, or waits for the next attempt.
    Idle,
    /// Asks for the name's addresses.
    Resolving { op: OpId },
    /// Waits for the connection.
    Connecting,
    /// Between PING and the answer to PSYNC.
    Handshake,
    /// Opens a second connection for the snapshot, until it is known which comes; what came of the line that says so.
    Channel { line: Vec<u8> },
    /// Waits for the line before the snapshot; what came of it.
    Header { line: Vec<u8> },
    /// Gets a snapshot of known length.
    Sized { total: u64, left: u64 },
    /// Gets a snapshot that ends by a mark.
    Marked { read: u64 },
    /// The host loads.
    Loading,
    /// The snapshot is in place, and the master has not let the stream flow yet.
    Joining,
    /// Follows the stream.
    Streaming,
}

/// All of a follower but what deliveries borrow.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: FollowerConfig,
    pub(super) target: Option<Target>,
    pub(super) state: State,
    pub(super) link: Option<Link<Step>>,
    /// The second connection of a full resync over two, until the stream is applied.
    pub(super) channel: Option<Channel>,
    /// Where the link leads.
    pub(super) address: Option<Endpoint>,
    /// Where to go on; the offset is kept in `applied` while a stream flows.
    pub(super) resume: Option<Resume>,
    /// Where PSYNC asked to go on, on the link that gets a full resync instead.
    pub(super) asked: Option<Resume>,
    /// Our master is to become it by our asking.
    pub(super) takeover: Option<Takeover>,
    /// The history that the snapshot or the stream belongs to.
    pub(super) id: ReplId,
    /// Bytes of the stream that came.
    pub(super) read: u64,
    /// The offset behind the last frame that was handed out.
    pub(super) parsed: u64,
    /// Bytes behind `parsed` that the parser has taken.
    pub(super) pending: u64,
    /// What the host has executed.
    pub(super) applied: u64,
    /// Bytes at the front of the input that were delivered as raw stream already.
    pub(super) fresh: usize,
    /// The master wants to hear at once of what is applied.
    pub(super) prompt: bool,
    /// The offset that was acknowledged last on this link, and when.
    acked: u64,
    acked_at: Instant,
    /// The master only knows SYNC: it wants no acknowledgements.
    pub(super) pre_psync: bool,
    /// What comes is not to be gone on with: the next link begins by a full resync.
    pub(super) broken: bool,
    pub(super) last_io: Instant,
    pub(super) down_since: Option<Instant>,
    /// How often it was lost, by kind.
    pub(super) losses: BTreeMap<&'static str, u64>,
    /// A resolve that is no longer wanted and whose `Done` will come.
    pub(super) stale: Option<OpId>,
    /// How many attempts failed since the last success: which of several addresses is tried next.
    attempts: usize,
    /// When the link was last made anew at once.
    quick_at: Option<Instant>,
    newline_at: Option<Instant>,
    /// Whether this attempt follows a loss, for the log.
    again: bool,
}

impl Core {
    pub(super) fn new(config: FollowerConfig) -> Self {
        Self {
            config,
            target: None,
            state: State::Idle,
            link: None,
            channel: None,
            address: None,
            resume: None,
            asked: None,
            takeover: None,
            id: ReplId::ZERO,
            read: 0,
            parsed: 0,
            pending: 0,
            applied: 0,
            fresh: 0,
            prompt: false,
            acked: 0,
            acked_at: Instant::ZERO,
            pre_psync: false,
            broken: false,
            last_io: Instant::ZERO,
            down_since: None,
            losses: BTreeMap::new(),
            stale: None,
            attempts: 0,
            quick_at: None,
            newline_at: None,
            again: false,
        }
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        self.link.as_ref().map(Link::conn)
    }

    pub(super) fn link_state(&self) -> LinkState {
        match self.state {
            State::Idle if self.target.is_none() => LinkState::None,
            State::Idle => LinkState::Connect,
            State::Resolving { .. } | State::Connecting => LinkState::Connecting,
            State::Handshake => LinkState::Handshake,
            State::Channel { .. }
            | State::Header { .. }
            | State::Sized { .. }
            | State::Marked { .. }
            | State::Loading
            | State::Joining => LinkState::Sync,
            State::Streaming => LinkState::Connected,
        }
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        let (total, read) = match self.state {
            State::Channel { .. } | State::Header { .. } => (None, 0),
            State::Sized { total, left } => (Some(total), total - left),
            State::Marked { read } => (None, read),
            _ => return None,
        };
        Some(Progress { total, read, last_io: self.last_io })
    }

    pub(super) fn resume_point(&self) -> Option<Resume> {
        match self.state {
            State::Streaming if !self.pre_psync && !self.broken => Some(Resume { id: self.id, offset: self.applied }),
            State::Streaming => None,
            _ => self.resume,
        }
    }

    /// Begins an attempt.
    pub(super) fn start<K: Key, E: Emit>(&mut self, again: bool, cx: &mut Turn<'_, K, E>) {
        let Some(target) = &self.target else { return };
        if !matches!(self.state, State::Idle) {
            return;
        }
        cx.timers.clear(Timer::Retry.into());
        self.again = again;
        self.last_io = cx.now.mono;
        if target.is_socket() {
            let path = (*target.host).into();
            self.connect(Endpoint::Unix(path), cx);
        } else if let Ok(ip) = target.host.parse::<IpAddr>() {
            self.connect_to(ip, cx);
        } else {
            let op = cx.ids.op();
            cx.out.push(Action::Start { op, job: Job::Resolve { host: target.host.clone() } });
            self.state = State::Resolving { op };
        }
        self.arm_silence(cx);
    }

    pub(super) fn resolved<K: Key, E: Emit>(&mut self, outcome: Outcome, cx: &mut Turn<'_, K, E>) {
        let error = match outcome {
            Outcome::Resolved(list) if !list.is_empty() => {
                // Another address with each attempt, so that one that is down does not hide the others.
                if let Some(&ip) = list.get(self.attempts % list.len()) {
                    self.connect_to(ip, cx);
                }
                return;
            }
            Outcome::Failed(e) => e.message,
            _ => "the name has no address".into(),
        };
        // The job has ended: nothing is left to cancel.
        self.state = State::Idle;
        self.lose(LinkError::Resolve(error), false, cx);
    }

    fn connect_to<K: Key, E: Emit>(&mut self, ip: IpAddr, cx: &mut Turn<'_, K, E>) {
        let port = self.target.as_ref().map_or(0, |t| t.port);
        self.connect(Endpoint::Tcp(SocketAddr::new(ip, port)), cx);
    }

    fn connect<K: Key, E: Emit>(&mut self, to: Endpoint, cx: &mut Turn<'_, K, E>) {
        let Some(Target { host, port }) = self.target.clone() else { return };
        cx.out.event(crate::replication::Event::from(if self.again {
            Event::Reconnecting { host, port }
        } else {
            Event::Connecting { host, port }
        }));
        self.address = Some(to.clone());
        self.link = Some(self.dial(to, cx));
        cx.out.event(crate::replication::Event::from(Event::Started));
        self.state = State::Connecting;
    }

    /// Asks for a connection.
    pub(super) fn dial<K: Key, E: Emit>(&self, to: Endpoint, cx: &mut Turn<'_, K, E>) -> Link<Step> {
        let from = self.config.from.filter(|_| to.tcp().is_some());
        let conn = cx.ids.conn();
        cx.out.push(Action::Connect { conn, to, from, tls: self.config.tls, options: self.config.options });
        Link::new(conn, ReplyLimits { bytes: ANSWER_MAX, depth: 2, line: ANSWER_MAX })
    }

    /// The link ended: what was applied is where the next one goes on.
    pub(super) fn lose<K: Key, E: Emit>(&mut self, error: LinkError, quick: bool, cx: &mut Turn<'_, K, E>) {
        let now = cx.now.mono;
        let was_up = matches!(self.state, State::Streaming);
        let timed_out = matches!(error, LinkError::ConnectTimeout | LinkError::TransferTimeout);
        *self.losses.entry(error.kind()).or_default() += 1;
        cx.out.event(crate::replication::Event::from(Event::Lost(error)));
        self.hang_up(cx);
        self.down_since = self.down_since.or(Some(now));
        self.attempts = if was_up { 0 } else { self.attempts.wrapping_add(1) };
        if quick && was_up && self.quick_at.is_none_or(|at| now.since(at) >= QUICK_PERIOD) {
            self.quick_at = Some(now);
            return self.start(true, cx);
        }
        if on(Mutation::NeverReconnects) {
            return;
        }
        let wait = match self.takeover {
            _ if timed_out => 1,
            // Writers wait for it.
            Some(_) => TAKEOVER_RETRY_MS,
            None => RETRY_MS + cx.rng.below(RETRY_MS),
        };
        cx.timers.set(Timer::Retry.into(), now + Duration::from_millis(wait));
    }

    /// The connection is closed already: nothing may name it.
    pub(super) fn gone(&mut self, conn: ConnId) {
        self.resume = self.resume_point();
        self.link.take_if(|l| l.conn() == conn);
        if let Some(channel) = &mut self.channel {
            channel.link.take_if(|l| l.conn() == conn);
        }
    }

    /// Closes the link, if there is one, and keeps where it stood.
    pub(super) fn hang_up<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.resume = self.resume_point();
        if self.broken {
            self.resume = None;
            self.broken = false;
        }
        if let State::Resolving { op } = self.state {
            self.stale = Some(op);
            cx.out.push(Action::Cancel { op });
        }
        if let Some(link) = self.link.take() {
            cx.out.push(Action::Close { conn: link.conn() });
        }
        self.close_channel(cx);
        self.channel = None;
        self.state = State::Idle;
        self.fresh = 0;
        for timer in [Timer::Retry, Timer::Silence, Timer::Ack] {
            cx.timers.clear(timer.into());
        }
    }

    /// The stream flows from `read` on.
    pub(super) fn begin_stream<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.state = State::Streaming;
        self.down_since = None;
        self.fresh = 0;
        self.last_io = cx.now.mono;
        if let Some(link) = &mut self.link {
            link.set_reading(true, cx.out);
        }
        self.arm_beat(cx);
        self.arm_silence(cx);
    }

    /// The snapshot is there; the host loads.
    pub(super) fn begin_loading<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.state = State::Loading;
        cx.timers.clear(Timer::Silence.into());
        self.leave_channel(cx);
        self.arm_beat(cx);
    }

    /// From now on the master is told once a second that we live.
    pub(super) fn arm_beat<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        cx.timers.set(Timer::Ack.into(), cx.now.mono + ACK_PERIOD);
    }

    /// Once a second: an acknowledgement, or a newline while the host loads or has stopped reading.
    pub(super) fn beat<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        match self.state {
            State::Streaming => self.acknowledge(cx),
            State::Loading | State::Joining => self.newline(cx),
            _ if self.channel.is_some() || self.transfer_is_paused() => self.newline(cx),
            _ => return,
        }
        self.arm_beat(cx);
    }

    /// Whether the host has stopped reading in the middle of a snapshot.
    pub(super) fn transfer_is_paused(&self) -> bool {
        self.progress().is_some() && self.snapshot_link().is_some_and(|l| !l.is_reading())
    }

    pub(super) fn acknowledge<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if !matches!(self.state, State::Streaming) || self.pre_psync {
            return;
        }
        let Some(link) = &mut self.link else { return };
        // One that does not take what it was told is not told more: acknowledgements supersede each other.
        if link.unsent() > 4096 {
            return;
        }
        let mut buf = [0; 20];
        let offset = if on(Mutation::AcknowledgesRead) { self.read } else { self.applied };
        let command = Command::new(&[&b"REPLCONF"[..], b"ACK", decimal(&mut buf, false, offset)]);
        link.say(command.frame(), cx.out);
        (self.acked, self.acked_at) = (offset, cx.now.mono);
    }

    /// What there was is applied: a master that wants to hear of it does, at once or when [`capa::PROMPT_GAP`] is over.
    pub(super) fn acknowledge_news<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if !self.prompt || self.applied == self.acked {
            return;
        }
        let due = self.acked_at + capa::PROMPT_GAP;
        if cx.now.mono >= due {
            self.acknowledge(cx);
        } else {
            cx.timers.set_sooner(Timer::Ack.into(), due);
        }
    }

    pub(super) fn newline<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let now = cx.now.mono;
        if self.newline_at.is_some_and(|at| now.since(at) < ACK_PERIOD) {
            return;
        }
        let wanted = self.link_state() == LinkState::Sync;
        if let Some(link) = self.link.as_mut().filter(|l| wanted && l.unsent() == 0) {
            self.newline_at = Some(now);
            link.say(b"\n", cx.out);
        }
    }

    pub(super) fn arm_silence<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        if !matches!(self.state, State::Idle | State::Loading) {
            let at = (self.last_io + self.config.timeout).max(cx.now.mono + Duration::from_micros(1));
            cx.timers.set(Timer::Silence.into(), at);
        }
    }

    pub(super) fn check_silence<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) -> Option<LinkError> {
        // The host has stopped reading: it is not the master that is silent.
        let joining = matches!(self.state, State::Joining);
        let paused = !joining && self.snapshot_link().is_some_and(|l| !l.is_reading());
        if paused {
            self.last_io = cx.now.mono;
        }
        if cx.now.mono.since(self.last_io) < self.config.timeout {
            self.arm_silence(cx);
            return None;
        }
        let error = match self.state {
            State::Idle | State::Loading => return None,
            State::Resolving { .. } | State::Connecting | State::Handshake => LinkError::ConnectTimeout,
            State::Channel { .. } if self.channel.as_ref().is_some_and(|c| !c.up) => LinkError::ConnectTimeout,
            State::Channel { .. } | State::Header { .. } | State::Sized { .. } | State::Marked { .. } => {
                LinkError::TransferTimeout
            }
            State::Joining | State::Streaming => LinkError::StreamTimeout,
        };
        self.lose(error.clone(), true, cx);
        Some(error)
    }
}
