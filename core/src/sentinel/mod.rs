//! A sentinel: watches masters, agrees with others on who is down, and fails over.
//!
//! [`Sentinel`] is one machine behind the one door. It is made of parts, each in a file of its own: `links` holds the
//! connections, `detect` judges who is down, `elect` asks for votes and gives them, `failover` promotes, `discover` and
//! `refresh` take in what others and INFO say, `state` writes what must not be forgotten before it is said.
//!
//! Nothing ticks: every decision is made when the answer that it waits for arrives, or at its exact deadline.

mod call;
mod choose;
mod commands;
pub mod conf_file;
mod detect;
mod discover;
mod elect;
mod event;
mod explain;
mod failover;
mod hello;
mod info;
mod instance;
mod links;
mod listen;
mod metrics;
mod ops;
mod reconf;
mod refresh;
mod saved;
mod scripts;
mod serve;
mod simulate;
mod start;
pub mod state;
mod switch;
mod talk;
#[cfg(test)]
mod tests;
mod timing;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use crate::client::About;
pub use call::Call;
pub use choose::Unfit;
pub use conf_file::{ConfFile, ConfFileError};
pub use discover::{MAX_LEAD, MAX_PEERS};
pub use elect::{MAX_EPOCH, Voted};
pub use event::{DownReason, Event, Plain, Subject, What};
pub use explain::{Candidate, Explanation, Voter};
pub use failover::{Blocked, Failover, State};
pub use hello::{CHANNEL, Hello, MAX_HELLO};
pub use info::{Info, MAX_REPLICAS, Role};
pub use instance::{Address, Answer, Down, Group, GroupId, Peer, Reconf, Replica, Server, Slot, Vote, Who};
pub use links::{LinkId, MAX_PENDING};
#[cfg(test)]
pub(crate) use metrics::SENTINEL;
pub use metrics::Tally;
pub use ops::{FailoverRefused, Judgement, Quorum};
pub use scripts::{MAX_QUEUE, MAX_RUNNING, MAX_TRIES, ScriptJob};
pub use simulate::{Crash, EXIT_CODE};
use state::{Durable, Record, Store};
pub use timing::Timing;

use crate::client::scrape::Scraping as _;
use crate::client::{self, Access as _, Clients, Connections as _, Dispatch as _, Handler};
use crate::config::sentinel::SentinelConfig;
use crate::ids::{ConnId, Ids, OpId, RunId};
use crate::machine::{Action, Actions, Chunks, Input, Level, Machine, Outcome, Path};
use crate::rng::Rng;
use crate::time::{Instant, Now};
use crate::timers::Timers;
use failover::How;

/// What a deadline of a sentinel is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    /// The first tick.
    Start,
    /// What is done again and again for one process.
    Beat(LinkId),
    /// A process may count as down now.
    Down(LinkId),
    /// The others are asked about a master again.
    Ask(GroupId),
    /// What keeps a failover from starting may be over.
    Consider(GroupId),
    /// Our turn to ask for votes.
    Rank(GroupId),
    /// The end of an election.
    Election(GroupId),
    /// A failover's next look.
    Step(GroupId),
    /// A script may run.
    Scripts,
    /// The end of tilt mode.
    Tilt,
    /// sentinel.conf is behind.
    Conf,
    /// Of the clients' side.
    Client(client::Timer),
}

impl From<client::Timer> for Key {
    fn from(t: client::Timer) -> Self {
        Self::Client(t)
    }
}

impl From<conf_file::Timer> for Key {
    fn from(_: conf_file::Timer) -> Self {
        Self::Conf
    }
}

/// Who waits for sentinel.conf to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    /// `SENTINEL FLUSHCONFIG` of this client.
    Client(ConnId),
    /// The end of the process.
    End,
}

/// What may be said once it is on the disk.
#[derive(Clone, Debug)]
enum Said {
    /// Our id, and what a start found out: nothing follows.
    Begun,
    /// We begin a failover.
    Started { group: GroupId, epoch: u64, how: How, ticket: u64 },
    /// We gave our vote to another.
    Voted { group: GroupId, epoch: u64, leader: RunId, ticket: u64 },
    /// We heard of a higher epoch.
    Epoch(u64),
    /// The replica that we promoted is the master.
    Promoted { group: GroupId, epoch: u64 },
    /// Another sentinel told a configuration.
    Configured { group: GroupId, epoch: u64, to: Address, peer: u32 },
}

/// What one input brings along: its time, and where actions go.
type Cx<'a> = client::Cx<'a, Event>;

/// The part of a sentinel that a part of it takes for one step.
macro_rules! turn {
    ($sentinel:expr, $cx:expr) => {
        $crate::machine::Turn {
            now: $cx.now,
            timers: &mut $sentinel.timers,
            out: &mut *$cx.out,
            ids: &mut $sentinel.ids,
            rng: &mut $sentinel.rng,
        }
    };
}
use turn;

/// The files of a sentinel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// sentinel.conf, which follows what happens; none for a sentinel without.
    pub config: Option<Path>,
    /// The state file; without one nothing outlives the process.
    pub state: Option<Path>,
}

/// A sentinel as a state machine.
pub struct Sentinel {
    config: SentinelConfig,
    timing: Timing,
    /// Boxed: a map that grows leaves its nodes half empty.
    groups: BTreeMap<GroupId, Box<Group>>,
    names: BTreeMap<Box<str>, GroupId>,
    last_group: u32,
    links: links::Links,
    listeners: listen::Listeners,
    clients: Clients<Handler<Self>>,
    /// Clients whose question waits for a vote that is being written.
    owed: Vec<commands::Owed>,
    scripts: scripts::Scripts,
    my_id: RunId,
    /// The current epoch, as it may be told.
    epoch: u64,
    /// The highest epoch that is being written because somebody told it.
    epoch_written: u64,
    /// The last number given to a vote that is being written.
    tickets: u64,
    /// Votes that were written while this input was handled: their answers go out.
    tickets_done: Vec<u64>,
    /// sentinel.conf.
    conf: ConfFile<Waits>,
    /// SENTINEL SETs whose scripts are being looked for.
    looking: Vec<commands::Looking>,
    /// Clients whose change is in the file, or came to nothing and why, while this input was handled.
    flushed: Vec<(ConnId, Result<(), String>)>,
    /// What is on the disk was read: what is known from here on is all that was known.
    begun: bool,
    /// The process was asked to end.
    ending: bool,
    /// The state file.
    store: Store<Said>,
    /// What is on the disk, or could not be put there, and was not said yet.
    ready: VecDeque<Durable<Said>>,
    /// How long failovers took.
    stages: metrics::Stages,
    /// Since when nothing is decided.
    tilt: Option<Instant>,
    /// How often that was.
    tilts: u64,
    /// `SENTINEL SIMULATE-FAILURE`, by bits.
    crashes: u32,
    timers: Timers<Key>,
    ids: Ids,
    rng: Rng,
}

impl Sentinel {
    /// The masters that are watched, in the order that they were named.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().map(|group| &**group)
    }

    /// The master of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(self.names.get(name)?).map(|group| &**group)
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Its own id.
    pub fn my_id(&self) -> RunId {
        self.my_id
    }

    /// Whether time was lost a short while ago, so that nothing is decided.
    pub fn is_in_tilt(&self) -> bool {
        self.tilt.is_some()
    }

    /// The port that others are to call.
    fn announced_port(&self) -> u16 {
        match self.config.global.announce_port {
            0 if self.config.settings.tls_replication && self.config.settings.tls_port != 0 => {
                self.config.settings.tls_port
            }
            0 => self.config.settings.port,
            port => port,
        }
    }

    /// As whom we log in at other sentinels: by their own directives, or with the password that we ask for ourselves.
    fn peer_credentials(&self) -> (String, String) {
        let global = &self.config.global;
        match global.sentinel_pass.as_str() {
            "" => (String::new(), self.config.settings.requirepass.clone()),
            pass => (global.sentinel_user.clone(), pass.into()),
        }
    }

    /// Where outgoing connections come from (`bind-source-addr`, else the first address of `bind` if it is one).
    fn source_ip(&self) -> Option<IpAddr> {
        self.config.settings.bind_source_addr.parse().ok()
    }

    /// An event about an instance.
    fn tell(&mut self, who: Who, what: What, cx: &mut Cx<'_>) {
        let subject = self.subject(who);
        self.emit(Some(who.group), Event { subject, what }, cx);
    }

    /// An event about nobody else.
    fn tell_alone(&mut self, what: What, cx: &mut Cx<'_>) {
        let group = match &what {
            What::Switch { name, .. } => self.names.get(name).copied(),
            _ => None,
        };
        self.emit(group, Event { subject: None, what }, cx);
    }

    /// A line in the log that has no event's name.
    fn note(&mut self, level: Level, text: &str, cx: &mut Cx<'_>) {
        cx.out.push(Action::Event(Event { subject: None, what: What::Note { level, text: text.into() } }));
    }

    fn emit(&mut self, group: Option<GroupId>, event: Event, cx: &mut Cx<'_>) {
        if let Some(channel) = event.channel() {
            self.clients.publish(None, channel.as_bytes(), event.payload().as_bytes());
        }
        self.notify_script(group, &event, cx);
        cx.out.push(Action::Event(event));
    }

    /// Whom an event is about, as Redis writes it.
    fn subject(&self, who: Who) -> Option<Subject> {
        let group = self.groups.get(&who.group)?;
        let names = self.config.global.announce_hostnames;
        let at = &group.master.addr;
        let of = Some((Box::from(group.name()), at.shown(names), at.port));
        Some(match who.slot {
            Slot::Master => {
                Subject { kind: "master", name: group.name().into(), host: at.shown(names), port: at.port, of: None }
            }
            Slot::Replica(n) => {
                let r = group.replicas.get(&n)?;
                let (host, port) = (r.server.addr.shown(names), r.server.addr.port);
                Subject { kind: "slave", name: r.name().into(), host, port, of }
            }
            Slot::Peer(n) => {
                let p = group.peers.get(&n)?;
                let name = p.run_id.map_or_else(|| alloc::format!("{}", p.addr), |id| alloc::format!("{id}"));
                Subject { kind: "sentinel", name: name.into(), host: p.addr.shown(names), port: p.addr.port, of }
            }
        })
    }

    /// What had to be on the disk first is there: now it is said.
    fn durable(&mut self, said: Said, cx: &mut Cx<'_>) {
        match said {
            Said::Begun => {}
            Said::Started { group, epoch, how, ticket } => {
                self.ticket_done(group, ticket);
                self.failover_started(group, epoch, how, cx);
            }
            Said::Voted { group, epoch, leader, ticket } => {
                self.ticket_done(group, ticket);
                self.voted(group, epoch, leader, cx);
            }
            Said::Epoch(epoch) => self.raise_epoch(epoch, cx),
            Said::Promoted { group, epoch } => self.promoted(group, epoch, cx),
            Said::Configured { group, epoch, to, peer } => self.configured(group, epoch, &to, peer, cx),
        }
    }

    fn ticket_done(&mut self, id: GroupId, ticket: u64) {
        if let Some(group) = self.groups.get_mut(&id)
            && group.failover.writing == Some(ticket)
        {
            group.failover.writing = None;
        }
        self.tickets_done.push(ticket);
    }

    /// Looks whether a deadline was missed by far. With every input: what waited while this process stood still is read
    /// before the tick comes.
    fn watch_clock(&mut self, cx: &mut Cx<'_>) {
        if let Some(due) = self.timers.next()
            && cx.now.mono.since(due) > self.timing.tilt_trigger
            && self.timers.next_key() != Some(Key::Start)
        {
            self.enter_tilt(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                Key::Start => self.start(cx),
                Key::Beat(id) => self.beat(id, cx),
                Key::Scripts => self.run_scripts(cx),
                Key::Tilt => self.leave_tilt(cx),
                Key::Conf => self.conf.due(&mut turn!(self, cx)),
                Key::Client(t) => self.client_tick(t, cx),
                // Nothing is decided in tilt mode; what was missed is looked at when it ends.
                _ if self.tilt.is_some() => {}
                Key::Down(id) => self.down_due(id, cx),
                Key::Ask(id) => self.ask_due(id, cx),
                Key::Consider(id) => self.consider(id, cx),
                Key::Rank(id) => self.rank_due(id, cx),
                Key::Election(id) => self.election_due(id, cx),
                Key::Step(id) => self.step_due(id, cx),
            }
        }
    }

    /// This process slept, and what it sees may be its own fault.
    fn enter_tilt(&mut self, cx: &mut Cx<'_>) {
        if self.tilt.is_none() {
            self.tilts += 1;
            self.tell_alone(What::Tilt, cx);
        }
        self.tilt = Some(cx.now.mono);
        self.timers.set(Key::Tilt, cx.now.mono + self.timing.tilt_period);
    }

    fn leave_tilt(&mut self, cx: &mut Cx<'_>) {
        self.tilt = None;
        self.tell_alone(What::TiltOver, cx);
        self.judge_all(cx);
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            self.ask_due(id, cx);
            self.check_odown(id, cx);
            self.step_due(id, cx);
            if self.groups.get(&id).is_some_and(|g| g.failover.is_electing()) {
                self.election_due(id, cx);
            }
        }
    }

    fn ask_due(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        if self.groups.get(&id).is_some_and(|g| g.master.down.is_some() || g.failover.is_electing()) {
            self.ask_peers(id, cx);
            // Answers grow too old to count.
            self.check_odown(id, cx);
        }
    }
}

impl Sentinel {
    /// Writes what must not be forgotten; `said` follows when it is on the disk.
    fn record(&mut self, records: Vec<Record>, said: Said, cx: &mut Cx<'_>) {
        // What is answered at once is said at the end of the input, too: whoever records is in the middle of something.
        let at_once = self.store.record(records, said, &mut turn!(self, cx));
        self.ready.extend(at_once);
    }

    /// sentinel.conf is to follow.
    fn touch_conf(&mut self) {
        self.conf.touch();
    }

    /// A job of sentinel.conf ended; anything else is handed back.
    fn conf_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let config = self.as_config();
        let saved = match self.conf.done(op, result, |old| config.rewrite(old), &mut turn!(self, cx)) {
            Ok(saved) => saved?,
            Err(result) => return Some(result),
        };
        match &saved.result {
            Err(error) if saved.news => self.note(Level::Warning, &alloc::format!("{error}"), cx),
            Ok(()) if saved.news => self.note(Level::Notice, "Sentinel new configuration saved on disk", cx),
            _ => {}
        }
        if saved.current && self.store.state().has_forgotten() {
            self.record(alloc::vec![Record::Settled], Said::Begun, cx);
        }
        for waits in saved.tokens {
            match waits {
                Waits::Client(conn) => {
                    let result = saved.result.as_ref().map_err(|error| alloc::format!("ERR {error}"));
                    self.flushed.push((conn, result.copied()));
                }
                Waits::End => cx.out.push(Action::Exit { code: 0 }),
            }
        }
        None
    }

    /// The process is to end: sentinel.conf says all first, unless that was waited for already.
    fn end_process(&mut self, cx: &mut Cx<'_>) {
        // Before the start is over nothing is known yet, and sentinel.conf would lose its masters.
        let at_once = !self.begun || core::mem::replace(&mut self.ending, true);
        if at_once || self.conf.flush(Waits::End, &mut turn!(self, cx)).is_some() {
            cx.out.push(Action::Exit { code: 0 });
        }
    }

    fn done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) {
        if let Some(result) = self.store_done(op, result, cx)
            && let Some(result) = self.certificates_done(op, result, cx)
            && let Some(result) = self.listen_done(op, result, cx)
            && let Some(result) = self.link_done(op, result, cx)
        {
            let rest = self.script_done(op, result, cx);
            let rest = rest.and_then(|result| self.script_found(op, result, cx));
            let rest = rest.and_then(|result| self.conf_done(op, result, cx));
            // What is nobody's was cancelled.
            let rest = rest.and_then(|result| self.users_done(op, result, cx));
            let _ = rest.and_then(|result| self.usage_done(op, result, cx));
        }
    }

    /// The end of every input: what became sayable is said.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        loop {
            while let Some(Durable { token, result }) = self.ready.pop_front() {
                match result {
                    Ok(()) => self.durable(token, cx),
                    Err(error) => self.not_durable(&token, &error, cx),
                }
            }
            // Who was answered goes on with what it sent meanwhile, and may have to wait again.
            if !self.answer_waiting(cx) {
                break;
            }
        }
        while self.resume_held(cx) {}
        self.finish_stirred(cx);
        self.conf.settle(&mut turn!(self, cx));
    }
}

impl Machine for Sentinel {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        let cx = &mut Cx { now, out };
        let ticked = matches!(input, Input::Tick);
        self.watch_clock(cx);
        match input {
            Input::Tick => self.tick(cx),
            Input::Connected { conn, local, .. } => self.link_connected(conn, &local, cx),
            Input::Received { conn, bytes } if conn.is_opened() => self.link_received(conn, bytes, cx),
            Input::Sent { conn, len } if conn.is_opened() => self.link_sent(conn, len, cx),
            Input::Eof { conn } if conn.is_opened() => self.link_eof(conn, cx),
            Input::Closed { conn, reason } if conn.is_opened() => self.link_closed(conn, reason, cx),
            Input::Accepted { conn, listener, .. } if self.listeners.serves_scrapers(listener) => {
                self.scraper_came(conn, cx);
            }
            Input::Accepted { conn, local, peer, .. } => self.accepted(conn, local, peer, cx),
            Input::Received { conn, bytes } if self.clients.scrapers.has(conn) => {
                self.scraper_received(conn, bytes, cx)
            }
            Input::Received { conn, bytes } => self.received(conn, bytes, cx),
            Input::Sent { conn, len } if self.clients.scrapers.has(conn) => self.scraper_sent(conn, len, cx),
            Input::Sent { conn, len } => self.sent(conn, len, cx),
            Input::Eof { conn } if self.clients.scrapers.has(conn) => self.scraper_eof(conn, cx),
            Input::Closed { conn, .. } if self.clients.scrapers.has(conn) => self.scraper_gone(conn),
            Input::Eof { conn } => self.eof(conn, cx),
            Input::Closed { conn, .. } => self.gone(conn, cx),
            Input::Began { op, pid } => self.script_began(op, pid, cx),
            Input::Done { op, result } => self.done(op, result, cx),
            Input::Call(Call::Failover { name }) => {
                if let Some(&id) = self.names.get(&name)
                    && let Err(why) = self.failover_asked(id, false, cx)
                {
                    self.note(
                        Level::Warning,
                        &alloc::format!("The failover of {name} that the host asked for: {why}"),
                        cx,
                    );
                }
            }
            Input::Shutdown { signal } => {
                self.tell_alone(What::Ending(signal), cx);
                self.end_process(cx);
            }
            Input::Resume => {}
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
        if !conn.is_opened() {
            self.clients.transmit(conn, budget, out);
        } else if let Some(link) = self.links.of_conn(conn) {
            link.transmit(budget, out);
        }
    }
}
