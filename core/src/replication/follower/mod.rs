//! The replica side inside a node: follows a master and hands out what comes.
//!
//! The host pulls: it gives the bytes that came to [`Follower::next`] and calls it until `None`. What a master sends
//! arrives as [`Delivery`]s: a way to go on or a snapshot, then the stream, first as raw bytes (for the host's own
//! log), then command by command with the offset behind each.

mod channel;
mod config;
mod event;
mod handshake;
mod link;
mod mark;
mod stream;

pub use config::{Credentials, FollowerConfig};
pub use event::{Event, LinkError};
pub use link::{LinkState, Progress, Target};

use crate::blocks::Blocks;
use crate::ids::{ConnId, OpId};
use crate::machine::{Chunks, Closed, Outcome, Turn};
use crate::resp::{Args, Requests};

use super::ReplId;
use link::{Core, State, Takeover};
use mark::Mark;

/// What a machine's timer keys must be to host a [`Follower`].
pub trait Key: From<Timer> + Copy + Ord {}
impl<K: From<Timer> + Copy + Ord> Key for K {}

/// What a machine's events must be to host a [`Follower`].
pub trait Emit: From<super::Event> {}
impl<E: From<super::Event>> Emit for E {}

/// Bytes kept of what came behind a snapshot while the host loads it; reads are off meanwhile, so that only what was
/// under way can come. Over two connections these come on top of [`FollowerConfig::stream_buffer`].
pub const HELD_MAX: usize = 64 << 20;

/// The deadlines of the replica side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Timer {
    /// The next attempt to connect.
    Retry,
    /// The link has been silent too long.
    Silence,
    /// An acknowledgement, or a newline while the host loads or has stopped reading.
    Ack,
}

/// Where to go on: the history and the offset that the host's data have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The history.
    pub id: ReplId,
    /// Bytes of it that are in the data; the first byte that we lack is `offset + 1`.
    pub offset: u64,
}

/// What the master sent. Borrows the input or the follower.
#[derive(Debug)]
pub enum Delivery<'a> {
    /// It lets us go on where we were.
    Continue {
        /// The history goes on under this id.
        new_id: Option<ReplId>,
    },
    /// Our data are to be replaced: a snapshot comes.
    FullResync {
        /// The history; made up for a master that only knows SYNC.
        id: ReplId,
        /// The offset of the snapshot.
        offset: u64,
        /// The database that the stream has selected there, if the master told that before the snapshot.
        db: Option<u32>,
    },
    /// The snapshot begins.
    SnapshotBegin {
        /// Its length in bytes, if the master knows it.
        size: Option<u64>,
    },
    /// The next bytes of the snapshot.
    Snapshot(&'a [u8]),
    /// The snapshot is complete. Load it, then call [`Follower::snapshot_loaded`].
    SnapshotEnd,
    /// Raw bytes of the stream, perhaps none: into the log they go, unseen before they are executed.
    Stream(&'a [u8]),
    /// A command of the stream, its bytes delivered before.
    Command {
        /// Its arguments.
        args: Args<'a>,
        /// The offset behind it: pass it to [`Follower::applied`] once it is executed (a MULTI block: at its EXEC).
        end: u64,
    },
    /// PING or GETACK: answered where there is an answer; nothing is to be executed.
    Skip {
        /// The offset behind it.
        end: u64,
    },
    /// The link ended; it is made anew by itself. What was not applied comes again.
    Lost(LinkError),
}

/// The replica side of a node. See the [module](self).
#[derive(Debug)]
pub struct Follower {
    core: Core,
    /// Parses the stream.
    requests: Requests,
    /// Finds the end of a snapshot without a length.
    mark: Mark,
    /// What came of the stream before the snapshot was in place, from `held_at` on.
    held: Blocks,
    held_at: u64,
}

impl Follower {
    /// A replica side that follows nobody.
    pub fn new(config: FollowerConfig) -> Self {
        Self {
            core: Core::new(config),
            requests: Requests::new(),
            mark: Mark::new([0; mark::MARK]),
            held: Blocks::new(),
            held_at: 0,
        }
    }

    /// Changes the settings; they act on the next attempt to connect, the timeout at once.
    pub fn configure<K: Key, E: Emit>(&mut self, config: FollowerConfig, cx: &mut Turn<'_, K, E>) {
        self.core.config = config;
        self.core.arm_silence(cx);
    }

    /// The settings.
    pub fn config(&self) -> &FollowerConfig {
        &self.core.config
    }

    /// Follows the master at `host`:`port` from now on, going on at `resume` if it can. A link that stands is closed.
    pub fn follow<K: Key, E: Emit>(&mut self, host: &str, port: u16, resume: Option<Resume>, cx: &mut Turn<'_, K, E>) {
        self.stop(cx);
        self.begin(host, port, resume, cx);
    }

    fn begin<K: Key, E: Emit>(&mut self, host: &str, port: u16, resume: Option<Resume>, cx: &mut Turn<'_, K, E>) {
        self.core.target = Some(Target { host: host.into(), port });
        // No history is so long: such a place is none, and what is added to an offset never wraps.
        self.core.resume = resume.filter(|resume| i64::try_from(resume.offset).is_ok());
        self.core.down_since = Some(cx.now.mono);
        self.core.start(false, cx);
    }

    /// The same for a master that hands over: the one that is to be the master is asked for it by PSYNC's FAILOVER, and
    /// nothing of another history is taken unless it is the answer to that. One that refuses ends the link with
    /// [`LinkError::TakeoverRefused`]: it is certain then that it did not become the master by this.
    pub fn hand_over<K: Key, E: Emit>(&mut self, host: &str, port: u16, resume: Resume, cx: &mut Turn<'_, K, E>) {
        self.stop(cx);
        self.core.takeover = Some(Takeover::Wanted);
        self.begin(host, port, Some(resume), cx);
    }

    /// Follows nobody any more. A link that stands is closed.
    pub fn stop<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.core.hang_up(cx);
        self.core.target = None;
        self.core.takeover = None;
        self.core.resume = None;
        self.core.down_since = None;
        self.forget();
    }

    fn forget(&mut self) {
        self.requests = Requests::new();
        self.held = Blocks::new();
        self.held_at = 0;
    }

    /// Whom it follows.
    pub fn target(&self) -> Option<&Target> {
        self.core.target.as_ref()
    }

    /// The state of the link, for INFO and ROLE.
    pub fn state(&self) -> LinkState {
        self.core.link_state()
    }

    /// The link's connection, if there is one: the main one, by which the stream comes.
    pub fn conn(&self) -> Option<ConnId> {
        self.core.conn()
    }

    /// Whether this connection is one of the link's: the main one, or the second by which a snapshot comes.
    pub fn owns(&self, conn: ConnId) -> bool {
        self.core.conn() == Some(conn) || self.core.is_channel(conn)
    }

    /// Bytes of the stream that came before the snapshot was in place, and are not applied yet.
    pub fn held(&self) -> u64 {
        self.held.end() - self.held_at
    }

    /// Where a new link would go on: the history and what was applied of it. `None`: a full resync is needed.
    pub fn resume(&self) -> Option<Resume> {
        self.core.resume_point()
    }

    /// Bytes of the stream that came: `slave_read_repl_offset`; what was applied: `slave_repl_offset`.
    pub fn offsets(&self) -> (u64, u64) {
        (self.core.read, self.core.applied)
    }

    /// The snapshot on its way: `master_sync_*`.
    pub fn progress(&self) -> Option<Progress> {
        self.core.progress()
    }

    /// When the master was last heard, while a connection stands: `master_last_io_seconds_ago`.
    pub fn last_io(&self) -> Option<crate::time::Instant> {
        self.core.conn().map(|_| self.core.last_io)
    }

    /// Since when the link is down: `master_link_down_since_seconds`.
    pub fn down_since(&self) -> Option<crate::time::Instant> {
        self.core.down_since
    }

    /// How often the link was lost or could not be made, by [`LinkError::kind`].
    pub fn losses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.core.losses.iter().map(|(kind, n)| (*kind, *n))
    }

    /// The connection stands.
    pub fn connected<K: Key, E: Emit>(&mut self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        if self.core.conn() == Some(conn) {
            // Nothing of the link before may reach into this one: its last frame may have been cut, or no frame at all.
            self.forget();
            self.core.begin_handshake(cx);
        } else if self.core.is_channel(conn) {
            self.core.begin_channel(cx);
        }
    }

    /// The connection is gone, or will be closed by the host (its other end was). `Some`: the link is lost, and is made
    /// anew by itself.
    pub fn closed<K: Key, E: Emit>(
        &mut self,
        conn: ConnId,
        reason: Closed,
        cx: &mut Turn<'_, K, E>,
    ) -> Option<LinkError> {
        if !self.owns(conn) {
            return None;
        }
        let second = self.core.is_channel(conn);
        if second && matches!(self.core.state, State::Loading | State::Joining) {
            // It has done what it was for.
            self.core.gone(conn);
            return None;
        }
        let error = match self.core.state {
            State::Connecting => LinkError::Connect(reason),
            State::Handshake => LinkError::Handshake(reason),
            _ if self.core.channel.is_some() && !second => LinkError::MainLost(reason),
            State::Channel { .. } => LinkError::Channel(reason),
            State::Header { .. } | State::Sized { .. } | State::Marked { .. } => LinkError::Transfer(reason),
            _ => LinkError::Lost(reason),
        };
        self.forget();
        self.core.gone(conn);
        self.core.lose(error.clone(), true, cx);
        Some(error)
    }

    /// A job ended; handed back if it was none of ours.
    pub fn done<K: Key, E: Emit>(&mut self, op: OpId, outcome: Outcome, cx: &mut Turn<'_, K, E>) -> Option<Outcome> {
        if !matches!(self.core.state, State::Resolving { op: ours } if ours == op) {
            return if self.core.stale.take_if(|stale| *stale == op).is_some() { None } else { Some(outcome) };
        }
        self.core.resolved(outcome, cx);
        None
    }

    /// A deadline passed. `Some`: the link is lost, and is made anew by itself.
    pub fn tick<K: Key, E: Emit>(&mut self, timer: Timer, cx: &mut Turn<'_, K, E>) -> Option<LinkError> {
        match timer {
            Timer::Retry => self.core.start(false, cx),
            Timer::Ack => self.core.beat(cx),
            Timer::Silence => {
                let lost = self.core.check_silence(cx);
                if lost.is_some() {
                    self.forget();
                }
                return lost;
            }
        }
        None
    }

    /// Shows up to `budget` unsent bytes of the link.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(link) = self.core.link_of(conn) {
            link.transmit(budget, out);
        }
    }

    /// The kernel took `len` bytes of the link.
    pub fn sent<K: Key, E: Emit>(&mut self, conn: ConnId, len: usize, cx: &mut Turn<'_, K, E>) {
        if let Some(link) = self.core.link_of(conn) {
            link.sent(len, cx.out);
        }
    }

    /// Everything up to `offset` is executed: it is what the next acknowledgement says.
    #[inline]
    pub fn applied(&mut self, offset: u64) {
        self.core.applied = self.core.applied.max(offset.min(self.core.read));
    }

    /// Acknowledges what is applied, now.
    pub fn acknowledge<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.core.acknowledge(cx);
    }

    /// Tells the master that we live (a newline), at most once a second. A timer does so too while the host loads;
    /// this is for a host that is in a long step, or empties its old data.
    pub fn keepalive<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.core.newline(cx);
    }

    /// Stops or resumes reading from the master, of two connections the snapshot's: for a host that writes the snapshot to
    /// a slow disk, or is slow to load it. While it has stopped within a snapshot [`Timer::Ack`] comes once a second, and the
    /// master is told that we live. One that only counts what is taken (Redis and Valkey, while they stream a snapshot)
    /// needs more: a host that can should read a little then.
    pub fn set_reading<K: Key, E: Emit>(&mut self, reading: bool, cx: &mut Turn<'_, K, E>) {
        let Some(link) = self.core.snapshot_link_mut() else { return };
        link.set_reading(reading, cx.out);
        if self.core.transfer_is_paused() && cx.timers.get(Timer::Ack.into()).is_none() {
            cx.timers.set(Timer::Ack.into(), cx.now.mono + link::ACK_PERIOD);
        }
    }

    /// Whether the host has stopped reading in the middle of a snapshot.
    pub fn transfer_is_paused(&self) -> bool {
        self.core.transfer_is_paused()
    }

    /// The snapshot is in place: the stream goes on, and the master is told so at once. Call [`Follower::next`] then,
    /// with an empty input: there may be something behind the snapshot already.
    pub fn snapshot_loaded<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if matches!(self.core.state, State::Loading) {
            self.core.snapshot_loaded(cx);
        }
    }

    /// The host cannot go on (a snapshot that cannot be loaded, a command that cannot be executed): the link is
    /// closed, and made anew by a full resync after a second at most.
    pub fn fail<K: Key, E: Emit>(&mut self, reason: &str, cx: &mut Turn<'_, K, E>) -> LinkError {
        let error = LinkError::Host(reason.into());
        self.forget();
        self.core.broken = true;
        self.core.lose(error.clone(), false, cx);
        error
    }

    /// The host takes no full resync of this master, and keeps its data: the link is closed, and made anew after `rest`. It
    /// asks then for what it asked for this time.
    pub fn refuse<K: Key, E: Emit>(
        &mut self,
        reason: &str,
        rest: core::time::Duration,
        cx: &mut Turn<'_, K, E>,
    ) -> LinkError {
        let error = LinkError::Host(reason.into());
        self.forget();
        self.core.lose(error.clone(), false, cx);
        self.core.resume = self.core.asked.take();
        cx.timers.set(Timer::Retry.into(), cx.now.mono + rest);
        error
    }

    /// Makes the next attempt now, if one is waited for.
    pub fn retry<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.core.start(false, cx);
    }

    /// Closes the link, which is made anew by itself and goes on where it was (`CLIENT KILL TYPE master`).
    pub fn cut<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if self.core.conn().is_some() {
            self.forget();
            self.core.lose(LinkError::Lost(Closed::Clean), true, cx);
        }
    }
}

#[cfg(test)]
mod tests;
