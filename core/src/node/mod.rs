//! A server: clients, a role, and a dataset, behind the one door.
//!
//! [`Node`] is what `primacy server` runs. It is made of parts, each in a file of its own: sessions come in by
//! `dispatch`, commands run by the table in `commands`, their effects go to the replication log by `propagate`;
//! `upstream` follows a master, `snapshot` and `load` carry the dataset to and from files and replicas.

mod blocking;
mod call;
mod certificates;
mod commands;
mod event;
mod failover;
mod guard;
mod load;
mod memory;
mod metrics;
mod notify;
mod peek;
mod propagate;
mod save;
mod serve;
mod shutdown;
mod snapshot;
mod spool;
mod start;
mod stats;
mod throttle;
mod upstream;
mod watch;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

pub use crate::client::About;
pub use call::Call;
pub use event::{Event, What};
pub use guard::ResyncRefusal;
#[cfg(test)]
pub(crate) use metrics::{NODE, REPLICATION};

use crate::blocks::Blocks;
use crate::client::scrape::Scraping as _;
use crate::client::{self, Access as _, Clients, Connections as _, Dispatch as _, Handler};
use crate::config::Config;
use crate::dataset::{Classes, Dataset, Effects, Progress};
use crate::ids::{ConnId, Ids, OpId};
use crate::machine::{Action, Actions, Chunks, Input, Machine, Meter, NoWorkers, Outcome, Path, Signal, Workers};
use crate::replication::{Follower, ReplId, Source, follower, source};
use crate::resp::Command;
use crate::rng::{Rng, Seed};
use crate::time::{Instant, Now};
use crate::timers::Timers;

/// Keys (about) that one slice of lazy work touches: some tenths of a millisecond.
const SLICE_KEYS: usize = 2_000;

/// What a deadline of a node is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    Source(source::Timer),
    Follower(follower::Timer),
    /// The first tick.
    Start,
    /// Delete keys that expired.
    Expire,
    /// A `save` rule may be due.
    SaveRule,
    /// Of the clients' side.
    Client(client::Timer),
    /// The patience of a shutdown.
    Shutdown,
    /// The patience of a failover that was asked for.
    Failover,
    /// The next keys of a snapshot that `rdb-key-save-delay` slows down.
    SnapshotStep,
    /// The next keys of a load that `key-load-delay` slows down.
    LoadStep,
    /// The next window of writers that are slowed down.
    Throttle,
}

impl From<source::Timer> for Key {
    fn from(t: source::Timer) -> Self {
        Self::Source(t)
    }
}

impl From<client::Timer> for Key {
    fn from(t: client::Timer) -> Self {
        Self::Client(t)
    }
}

impl From<follower::Timer> for Key {
    fn from(t: follower::Timer) -> Self {
        Self::Follower(t)
    }
}

/// What runs a command.
pub(crate) enum Run<D: Dataset> {
    /// The dataset, by its number there.
    Data(usize),
    /// The node.
    Own(Handler<Node<D>>),
}

impl<D: Dataset> Clone for Run<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Dataset> Copy for Run<D> {}

impl<D: Dataset> From<Handler<Node<D>>> for Run<D> {
    fn from(handler: Handler<Node<D>>) -> Self {
        Self::Own(handler)
    }
}

/// What one input brings along.
type Cx<'a> = client::Cx<'a, Event>;

/// The part of a node that a replication part takes for one step.
macro_rules! turn {
    ($node:expr, $cx:expr) => {
        $crate::machine::Turn {
            now: $cx.now,
            timers: &mut $node.timers,
            out: &mut *$cx.out,
            ids: &mut $node.ids,
            rng: &mut $node.rng,
        }
    };
}
use turn;

/// A Redis server as a state machine.
pub struct Node<D: Dataset> {
    config: Config,
    data: D,
    workers: Box<dyn Workers>,
    clients: Clients<Run<D>>,
    /// Clients in MONITOR.
    monitors: BTreeSet<ConnId>,
    /// Which clients watch a key.
    watchers: BTreeMap<(u32, Box<[u8]>), BTreeSet<ConnId>>,
    /// Which clients wait for a key.
    waiters: blocking::Waiters,
    /// Effects of the command that runs.
    effects: Effects,
    /// Effects of the transaction that runs.
    unit: Option<Vec<(Option<u32>, Command)>>,
    source: Source,
    upstream: Option<Box<upstream::Upstream>>,
    master: bool,
    /// Connections that became replicas.
    replicas: BTreeSet<ConnId>,
    /// Replies to the stream of a master: nobody reads them.
    scratch: Blocks,
    /// Files that are being sent to replicas: removed once nobody reads them.
    sync_files: Vec<Path>,
    save: save::Save,
    snapshot: Option<Box<snapshot::Snapshot>>,
    load: Option<Box<load::Load>>,
    shutdown: Option<shutdown::Shutdown>,
    failover: Option<failover::Failover>,
    /// Writers are being slowed down for a replica.
    throttle: Option<throttle::Throttle>,
    listeners: start::Listeners,
    certificates: certificates::Certificates,
    stats: stats::Stats,
    slowlog: stats::SlowLog,
    latency: stats::Latency,
    timers: Timers<Key>,
    ids: Ids,
    rng: Rng,
    /// Somebody waits for acknowledgements: asked for once, when the input ends.
    want_acks: bool,
    /// A `Yield` is out and unanswered.
    yielded: bool,
    /// Lazy work is left over.
    idle_work: bool,
    /// More is to be evicted when others had their turn.
    evicting: bool,
    /// The dataset is above `maxmemory`, and nothing may give way.
    out_of_memory: bool,
    run_id: [u8; 40],
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    active_expire: bool,
    /// Runs that a resolver or a file started for configuration (CONFIG REWRITE).
    rewrites: VecDeque<(OpId, commands::Rewrite)>,
}

impl<D: Dataset> Node<D> {
    /// A node over `data`, in the configuration `config`. It begins to act at its first `Tick`, which is due at once.
    pub fn new(config: Config, mut data: D, seed: Seed, meter: Box<dyn Meter>, about: About) -> Self {
        data.configure(&config.settings);
        let told = Classes::of(config.settings.notify_keyspace_events);
        let mut rng = Rng::new(seed);
        let mut timers = Timers::new();
        timers.set(Key::Start, Instant::ZERO);
        let id = ReplId::random(&mut rng);
        let run_id = rng.hex();
        let clients = Clients::new(commands::all(&data), meter, about);
        Self {
            source: Source::new(id, 0, start::source_config(&config.settings)),
            slowlog: stats::SlowLog::default(),
            latency: stats::Latency::default(),
            save: save::Save::default(),
            config,
            data,
            workers: Box::new(NoWorkers),
            clients,
            monitors: BTreeSet::new(),
            watchers: BTreeMap::new(),
            waiters: blocking::Waiters::default(),
            effects: Effects::telling(told),
            unit: None,
            upstream: None,
            master: true,
            replicas: BTreeSet::new(),
            scratch: Blocks::new(),
            sync_files: Vec::new(),
            snapshot: None,
            load: None,
            shutdown: None,
            failover: None,
            throttle: None,
            listeners: start::Listeners::default(),
            certificates: certificates::Certificates::default(),
            stats: stats::Stats::default(),
            timers,
            ids: Ids::default(),
            rng,
            want_acks: false,
            yielded: false,
            idle_work: false,
            evicting: false,
            out_of_memory: false,
            run_id,
            active_expire: true,
            rewrites: VecDeque::new(),
        }
    }

    /// Has a dataset that is loaded from a file taken in by several threads: what is loaded is the same. Without this
    /// call all is done by the thread that drives the node.
    pub fn set_workers(&mut self, workers: Box<dyn Workers>) {
        self.workers = workers;
    }

    /// Its users and what they may do.
    pub fn users(&self) -> &crate::acl::Users {
        &self.clients.users
    }

    /// The dataset.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// The replication stream's identity and the offset behind its last visible byte.
    pub fn position(&self) -> (ReplId, u64) {
        (self.source.id(), self.source.offset())
    }

    /// Its master's side: the log, the ids, the replicas.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its replica's side, if it follows a master.
    pub fn upstream(&self) -> Option<&Follower> {
        self.upstream.as_ref().map(|u| &u.link)
    }

    /// Whether a dataset is on its way in: until it is in place, the present one may belong to no offset of the history.
    pub fn is_loading(&self) -> bool {
        self.load.is_some() || self.clients.started.is_none()
    }

    /// Whether a snapshot of the dataset is on its way out, to a file or to replicas.
    pub fn is_saving(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether this node is a master.
    pub fn is_master(&self) -> bool {
        self.master
    }

    fn role(&self) -> char {
        if self.is_master() { 'M' } else { 'S' }
    }

    fn event(&self, cx: &mut Cx<'_>, what: What) {
        cx.out.event(Event { role: self.role(), what });
    }

    /// Asks for a `Resume` unless one is on its way.
    fn want_resume(&mut self, cx: &mut Cx<'_>) {
        if !self.yielded {
            self.yielded = true;
            cx.out.push(Action::Yield);
        }
    }

    fn resume(&mut self, cx: &mut Cx<'_>) {
        self.yielded = false;
        self.snapshot_slice(cx);
        self.pump_held(cx);
        if core::mem::take(&mut self.evicting) {
            self.evict_slice(None, cx);
        }
        if self.idle_work {
            self.idle_work = self.data.maintain(SLICE_KEYS) == Progress::More;
            if self.idle_work {
                self.want_resume(cx);
            }
        }
    }

    fn done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) {
        if let Some(result) = self.listen_done(op, result, cx)
            && let Some(result) = self.certificates_done(op, result, cx)
            && let Some(result) = self.upstream_done(op, result, cx)
            && let Some(result) = self.load_done(op, result, cx)
            && let Some(result) = self.snapshot_done(op, result, cx)
            && let Some(result) = self.rewrite_done(op, result, cx)
            && let Some(result) = self.users_done(op, result, cx)
            && let Some(result) = self.usage_done(op, result, cx)
        {
            // What is nobody's was cancelled, or removed a file that nobody waits for.
            let _ = self.source.done(op, result, &mut turn!(self, cx));
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        while let Some(key) = self.timers.pop_due(cx.now.mono) {
            match key {
                Key::Start => self.start(cx),
                Key::Source(t) => self.source.tick(t, &mut turn!(self, cx)),
                Key::Follower(t) => self.upstream_tick(t, cx),
                Key::Expire => self.expire(cx),
                Key::SaveRule => self.check_save_rules(cx),
                Key::Client(t) => self.client_tick(t, cx),
                Key::Shutdown => self.shutdown_late(cx),
                Key::Failover => self.failover_late(cx),
                Key::SnapshotStep => self.snapshot_slice(cx),
                Key::LoadStep => self.load_step(cx),
                Key::Throttle => self.throttle_step(cx),
            }
        }
    }

    /// Whether keys that expired are deleted, and replicas told: by a master, and not while `CLIENT PAUSE`, a failover or a
    /// shutdown keeps the dataset as it is.
    fn may_expire(&self) -> bool {
        self.is_master() && !self.clients.is_paused() && self.shutdown.is_none()
    }

    /// Whether the expiry cycle runs.
    fn expires_by_itself(&self) -> bool {
        self.may_expire() && self.active_expire && self.load.is_none()
    }

    fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.expires_by_itself() {
            self.effects.watching = self.is_watched();
            self.clients.stats.clock.begin(&mut *self.clients.meter);
            let progress = self.data.expire(cx.now, SLICE_KEYS, &mut self.effects);
            self.propagate_each(cx);
            self.stats.expire_us += self.clients.stats.clock.lap(&mut *self.clients.meter);
            if progress == Progress::More {
                self.stats.expire_cut += 1;
                self.timers.set(Key::Expire, cx.now.mono + Duration::from_millis(1));
            }
        }
    }

    /// The end of every input: what became due by it is told to the runtime in one go.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        self.ease_throttle(cx);
        // Whatever runs held commands or ends clients comes first, and what that stirs is told before the input ends.
        loop {
            self.wake_waiters(cx);
            self.serve_waiters(cx);
            self.shutdown_step(cx);
            self.failover_step(cx);
            if !self.resume_held(cx) {
                break;
            }
        }
        self.finish_stirred(cx);
        if core::mem::take(&mut self.want_acks) {
            self.source.request_acks();
        }
        self.free_later(cx);
        self.start_due_snapshot(cx);
        if self.snapshot.is_some() {
            self.source.handed_over(self.data.snapshot_pending());
        }
        self.source.settle(&mut turn!(self, cx));
        self.check_throttle(cx);
        self.sync_replicas(cx);
        self.check_snapshot(cx);
        self.arm_expiry(cx);
        self.note_link(cx.now.mono);
    }

    /// Large values that were deleted are freed when others had their turn.
    #[inline]
    fn free_later(&mut self, cx: &mut Cx<'_>) {
        if !self.idle_work && self.data.waiting_to_be_freed() > 0 {
            self.idle_work = true;
            self.want_resume(cx);
        }
    }

    fn arm_expiry(&mut self, cx: &Cx<'_>) {
        if self.timers.get(Key::Expire).is_none()
            && self.expires_by_itself()
            && let Some(at) = self.data.next_expiry(cx.now)
        {
            // Law 1: a deadline lies behind the input that set it.
            self.timers.set(Key::Expire, at.max(cx.now.mono + Duration::from_millis(1)));
        }
    }
}

impl<D: Dataset> Machine for Node<D> {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        let cx = &mut Cx { now, out };
        let ticked = matches!(input, Input::Tick);
        match input {
            Input::Tick => self.tick(cx),
            Input::Resume => self.resume(cx),
            Input::Accepted { conn, listener, .. } if self.listeners.serves_scrapers(listener) => {
                self.scraper_came(conn, cx);
            }
            Input::Accepted { conn, local, peer, .. } => self.accepted(conn, local, peer, cx),
            Input::Connected { conn, .. } => self.upstream_connected(conn, cx),
            Input::Received { conn, bytes } if conn.is_opened() => self.upstream_received(conn, bytes, cx),
            Input::Received { conn, bytes } if self.clients.scrapers.has(conn) => {
                self.scraper_received(conn, bytes, cx)
            }
            Input::Received { conn, bytes } => self.received(conn, bytes, cx),
            Input::Sent { conn, len } if conn.is_opened() => self.upstream_sent(conn, len, cx),
            Input::Sent { conn, len } if self.clients.scrapers.has(conn) => self.scraper_sent(conn, len, cx),
            Input::Sent { conn, len } => self.sent(conn, len, cx),
            Input::Eof { conn } if conn.is_opened() => self.upstream_eof(conn, cx),
            Input::Closed { conn, reason } if conn.is_opened() => self.upstream_closed(conn, reason, cx),
            Input::Eof { conn } if self.clients.scrapers.has(conn) => self.scraper_eof(conn, cx),
            Input::Closed { conn, .. } if self.clients.scrapers.has(conn) => self.scraper_gone(conn),
            Input::Eof { conn } => self.eof(conn, cx),
            Input::Closed { conn, .. } => self.gone(conn, cx),
            Input::Began { .. } => {}
            Input::Done { op, result } => self.done(op, result, cx),
            Input::Call(Call::Follow { host, port }) => {
                self.abort_failover("the host names a master", cx);
                self.follow(&host, port, "host", cx);
            }
            Input::Call(Call::Promote) => {
                // One that was handing over is the master again by that.
                self.abort_failover("the host wants a master", cx);
                self.become_master("host", false, cx);
            }
            Input::Shutdown { signal } => self.signalled(signal, cx),
        }
        self.settle(cx);
        debug_assert!(
            !ticked || self.deadline().is_none_or(|d| d > now.mono),
            "a timer fired and was not armed anew: {:?}",
            self.timers.next_key()
        );
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if conn.is_opened() {
            if let Some(up) = &mut self.upstream {
                up.link.transmit(conn, budget, out);
            }
        } else if self.clients.sessions.get(conn).is_some_and(|s| s.replica) {
            self.source.transmit(conn, budget, out);
        } else {
            self.clients.transmit(conn, budget, out);
        }
    }
}

/// Which signal asked, kept for the exit.
type Asked = Option<Signal>;

/// All commands of a node over the built-in dataset.
#[cfg(all(feature = "keyspace", any(test, feature = "fuzz")))]
pub(crate) fn command_specs() -> Vec<&'static crate::dataset::Spec> {
    let data = crate::keyspace::Keyspace::new(1, [0; 32]);
    commands::all(&data).into_iter().map(|(spec, _)| spec).collect()
}
