//! Connections: a command and a pub/sub connection to every server, a command connection to every other sentinel.
//!
//! Masters that name the same process share its connections, as sentinels always shared those between them: what is
//! asked of a process for one of them answers all. The address is looked up anew for every connection.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::net::SocketAddr;
use core::time::Duration;

use super::event::{Plain, What};
use super::instance::{Address, GroupId, Slot, Who};
use super::{Cx, Key, Sentinel};
use crate::ids::{ConnId, OpId, RunId};
use crate::link::Link;
use crate::machine::{Action, Closed, Endpoint, Job, Outcome, SocketOptions};
use crate::resp::ReplyLimits;
use crate::time::Instant;

/// Commands that may wait for answers on one connection, for each master that shares it.
pub const MAX_PENDING: usize = 100;
/// How long a connection may take to come about before another try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What one answer may hold: an INFO of a master with very many replicas is some hundred KB.
const LIMITS: ReplyLimits = ReplyLimits { bytes: 4 << 20, depth: 8, line: 64 << 10 };

/// The connections to one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkId(u32);

/// What instances must have in common to share connections.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum LinkKey {
    /// A server, reached and spoken to in the same way.
    Server { host: Box<str>, port: u16, user: String, pass: String, renamed: BTreeMap<String, String> },
    /// A sentinel of this id.
    Peer(RunId),
    /// A sentinel that did not say its id yet.
    Unnamed { host: Box<str>, port: u16 },
}

/// What an answer is to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// AUTH.
    Auth,
    /// PING, sent then.
    Ping(Instant),
    /// INFO.
    Info,
    /// Whether a master is down, and perhaps for a vote in an epoch.
    IsDown { group: GroupId, epoch: u64, vote: bool },
    /// One command of a promotion's or a handover's transaction; `exec` is the last one, whose answer decides.
    Promote { group: GroupId, exec: bool },
    /// Nothing depends on the answer.
    Other,
}

/// Which of the two connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Commands,
    PubSub,
}

/// One connection, or the want of one.
#[derive(Debug)]
pub(super) struct Channel {
    /// The connection, also while it is on its way.
    pub(super) link: Option<Link<Ask>>,
    /// Since when it was tried.
    since: Instant,
    /// It stands.
    pub(super) up: bool,
    /// When something came by it.
    pub(super) heard: Instant,
}

impl Channel {
    fn new(now: Instant) -> Self {
        Self { link: None, since: now, up: false, heard: now }
    }
}

/// The connections to one process, and how it answers.
#[derive(Debug)]
pub(super) struct InstanceLink {
    pub(super) key: LinkKey,
    pub(super) addr: Address,
    pub(super) users: BTreeSet<Who>,
    pub(super) commands: Channel,
    pub(super) pubsub: Option<Channel>,
    /// Our address, as this process sees it.
    pub(super) local: Option<Box<str>>,
    /// `down-after-milliseconds` of the most impatient of its users.
    pub(super) soonest: Duration,
    /// How often to ask whether it lives.
    period: Duration,
    /// For one of its users it counts as down, or did when a PING was last answered.
    pub(super) is_down: bool,
    /// When the last PING was sent.
    pub(super) ping_sent: Option<Instant>,
    /// When the oldest PING that has no good answer was sent.
    pub(super) unanswered: Option<Instant>,
    /// When everything that had been written was with the kernel.
    flushed: Instant,
    /// When the last good answer came; at first when we began to look.
    pub(super) good: Instant,
    /// Whether one came.
    pub(super) was_good: bool,
    /// When any answer to PING came last.
    pub(super) answered: Instant,
    /// The last answer to PING that was not good.
    pub(super) refusal: Option<Box<str>>,
    /// When INFO was sent last.
    pub(super) info_sent: Option<Instant>,
    /// When hellos were sent last.
    pub(super) hello_sent: Option<Instant>,
    /// Its name is being looked up.
    resolving: Option<OpId>,
}

impl InstanceLink {
    /// Whether the command connection stands.
    pub(super) fn is_up(&self) -> bool {
        self.commands.up
    }

    /// Whether a connection that is needed is missing: the flag `disconnected`.
    pub(super) fn is_disconnected(&self) -> bool {
        !self.commands.up || self.pubsub.as_ref().is_some_and(|c| !c.up)
    }

    /// Commands that wait for answers.
    pub(super) fn pending(&self) -> usize {
        self.commands.link.as_ref().map_or(0, |l| l.asked().len())
    }

    pub(super) fn is_server(&self) -> bool {
        self.pubsub.is_some()
    }

    pub(super) fn channel(&mut self, end: End) -> Option<&mut Channel> {
        match end {
            End::Commands => Some(&mut self.commands),
            End::PubSub => self.pubsub.as_mut(),
        }
    }

    /// What a command is called there.
    pub(super) fn renamed<'a>(&'a self, command: &'a str) -> &'a str {
        match &self.key {
            LinkKey::Server { renamed, .. } => renamed.get(command).map_or(command, |n| n),
            _ => command,
        }
    }
}

/// All connections of a sentinel.
#[derive(Debug, Default)]
pub(super) struct Links {
    map: BTreeMap<LinkId, InstanceLink>,
    by_key: BTreeMap<LinkKey, LinkId>,
    conns: BTreeMap<ConnId, (LinkId, End)>,
    resolving: BTreeMap<OpId, LinkId>,
    last: u32,
}

impl Links {
    pub(super) fn get(&self, id: LinkId) -> Option<&InstanceLink> {
        self.map.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut InstanceLink> {
        self.map.get_mut(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.map.keys().copied()
    }

    /// Whose connection this is, and which.
    pub(super) fn end_of(&self, conn: ConnId) -> Option<(LinkId, End)> {
        self.conns.get(&conn).copied()
    }

    /// The connection of this id, to show its bytes.
    pub(super) fn of_conn(&mut self, conn: ConnId) -> Option<&mut Link<Ask>> {
        let &(id, end) = self.conns.get(&conn)?;
        self.map.get_mut(&id)?.channel(end)?.link.as_mut()
    }
}

impl Sentinel {
    /// The connections for an instance: those that stand already, or new ones.
    pub(super) fn acquire(&mut self, key: LinkKey, addr: &Address, who: Who, cx: &mut Cx<'_>) -> LinkId {
        let now = cx.now.mono;
        let id = match self.links.by_key.get(&key) {
            Some(&id) => id,
            None => {
                self.links.last += 1;
                let id = LinkId(self.links.last);
                let pubsub = matches!(key, LinkKey::Server { .. }).then(|| Channel::new(now));
                self.links.by_key.insert(key.clone(), id);
                self.links.map.insert(
                    id,
                    InstanceLink {
                        key,
                        addr: addr.clone(),
                        users: BTreeSet::new(),
                        commands: Channel::new(now),
                        pubsub,
                        local: None,
                        soonest: Duration::ZERO,
                        period: self.timing.ping_period,
                        is_down: false,
                        ping_sent: None,
                        unanswered: None,
                        flushed: now,
                        good: now,
                        was_good: false,
                        answered: now,
                        refusal: None,
                        info_sent: None,
                        hello_sent: None,
                        resolving: None,
                    },
                );
                // Its first beat makes the connections; at once, but behind whatever else this input does.
                self.timers.set(Key::Beat(id), now + Duration::from_micros(1));
                id
            }
        };
        if let Some(link) = self.links.get_mut(id) {
            link.users.insert(who);
            // Whoever joins wants to know what is known, and to be known.
            (link.info_sent, link.hello_sent) = (None, None);
            // It may count as down already, by connections that it had before.
            link.is_down = true;
        }
        self.tune_link(id);
        self.arm_down(id, cx);
        id
    }

    /// The key of a server's connections, by its group's settings.
    pub(super) fn server_key(&self, group: GroupId, addr: &Address) -> LinkKey {
        let set = self.groups.get(&group).map(|g| &g.set);
        LinkKey::Server {
            host: addr.host.clone(),
            port: addr.port,
            user: set.map(|s| s.auth_user.clone()).unwrap_or_default(),
            pass: set.map(|s| s.auth_pass.clone()).unwrap_or_default(),
            renamed: set.map(|s| s.renamed.clone()).unwrap_or_default(),
        }
    }

    /// An instance needs its connections no longer; those that nobody needs are closed.
    pub(super) fn release(&mut self, id: LinkId, who: Who, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.users.remove(&who);
        if !link.users.is_empty() {
            self.tune_link(id);
            return;
        }
        self.hang_up(id, End::Commands, cx);
        self.hang_up(id, End::PubSub, cx);
        if let Some(link) = self.links.map.remove(&id) {
            self.links.by_key.remove(&link.key);
            if let Some(op) = link.resolving {
                self.links.resolving.remove(&op);
                cx.out.push(Action::Cancel { op });
            }
        }
        self.timers.clear(Key::Beat(id));
        self.timers.clear(Key::Down(id));
    }

    /// How often its users want to hear of a process: the most impatient one decides.
    pub(super) fn tune_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        let soonest = link.users.iter().filter_map(|w| self.groups.get(&w.group)).map(|g| g.set.down_after_ms).min();
        // An eighth of down-after: a frozen instance is found about as soon as a killed one.
        link.soonest = Duration::from_millis(soonest.unwrap_or(0));
        link.period = (link.soonest / 8).clamp(Duration::from_millis(1), self.timing.ping_period);
    }

    /// A sentinel moved: its connections are made anew.
    pub(super) fn move_link(&mut self, id: LinkId, addr: &Address, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.addr = addr.clone();
        self.hang_up(id, End::Commands, cx);
        self.hang_up(id, End::PubSub, cx);
        self.timers.set(Key::Beat(id), cx.now.mono + Duration::from_micros(1));
    }

    fn note_reconnect(&mut self, id: LinkId, end: End, cx: &mut Cx<'_>) {
        let Some(&who) = self.links.get(id).and_then(|l| l.users.first()) else { return };
        let what = if end == End::Commands { Plain::CommandReconnect } else { Plain::PubSubReconnect };
        self.tell(who, What::Plain(what), cx);
    }

    pub(super) fn hang_up(&mut self, id: LinkId, end: End, cx: &mut Cx<'_>) {
        let Some(channel) = self.links.get_mut(id).and_then(|l| l.channel(end)) else { return };
        channel.up = false;
        if let Some(link) = channel.link.take() {
            self.links.conns.remove(&link.conn());
            cx.out.push(Action::Close { conn: link.conn() });
        }
    }

    /// Everything that is done again and again for one process, in one go: connections that are missing, PING, INFO and
    /// hellos that are due. One deadline for each process, and one write for all of it.
    pub(super) fn beat(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        self.mend(id, cx);
        self.ping_now(id, cx);
        let now = cx.now.mono;
        let Some(link) = self.links.get(id) else { return };
        let period = link.period;
        let due = |last: Option<Instant>, every: Duration| last.is_none_or(|at| now.since(at) + period / 2 >= every);
        if link.is_up() {
            let info = link.is_server() && due(link.info_sent, self.info_period(link));
            let hello = due(link.hello_sent, self.timing.publish_period);
            if info {
                self.info_now(id, cx);
            }
            if hello {
                self.hello_now(id, cx);
            }
        }
        self.timers.set(Key::Beat(id), now + period);
    }

    /// How often INFO is asked for: soon while its answer may decide something.
    fn info_period(&self, link: &InstanceLink) -> Duration {
        let urgent = link.users.iter().any(|w| {
            self.groups.get(&w.group).is_some_and(|g| match w.slot {
                Slot::Replica(n) => {
                    g.odown.is_some()
                        || g.master.down.is_some()
                        || g.failover.is_under_way()
                        || g.replicas.get(&n).is_some_and(|r| !r.link_up || r.server.role == super::info::Role::Master)
                }
                Slot::Master => g.master.role != super::info::Role::Master || g.failover.is_under_way(),
                Slot::Peer(_) => false,
            })
        });
        if urgent { self.timing.info_period.min(Duration::from_secs(1)) } else { self.timing.info_period }
    }

    /// Makes the connections that are missing, and those anew that are silent.
    fn mend(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(link) = self.links.get(id) else { return };
        let half = link.soonest / 2;
        let stuck = |c: &Channel| c.link.is_some() && !c.up && now.since(c.since) > CONNECT_TIMEOUT;
        // Half of down-after without an answer by a connection that is not new: perhaps it is the connection.
        let silent = link.commands.up
            && now.since(link.commands.since) > self.timing.link_reconnect
            && link.unanswered.is_some_and(|at| now.since(at) > half)
            && now.since(link.answered) > half;
        let deaf = |c: &Channel| {
            c.up && now.since(c.since) > self.timing.link_reconnect
                && now.since(c.heard) > self.timing.publish_period * 3
        };
        let commands = stuck(&link.commands) || silent;
        let pubsub = link.pubsub.as_ref().is_some_and(|c| stuck(c) || deaf(c));
        if commands {
            self.hang_up(id, End::Commands, cx);
            self.note_reconnect(id, End::Commands, cx);
        }
        if pubsub {
            self.hang_up(id, End::PubSub, cx);
            self.note_reconnect(id, End::PubSub, cx);
        }
        let Some(link) = self.links.get_mut(id) else { return };
        let missing = link.commands.link.is_none() || link.pubsub.as_ref().is_some_and(|c| c.link.is_none());
        // Port 0: the address belongs to another now.
        if !missing || link.resolving.is_some() || link.addr.port == 0 {
            return;
        }
        if link.addr.is_name() {
            let op = self.ids.op();
            link.resolving = Some(op);
            cx.out.push(Action::Start { op, job: Job::Resolve { host: link.addr.host.clone() } });
            self.links.resolving.insert(op, id);
        } else {
            self.open(id, cx);
        }
    }

    /// The answer to a name; anything else is handed back.
    pub(super) fn link_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(id) = self.links.resolving.remove(&op) else { return Some(result) };
        let link = self.links.get_mut(id)?;
        link.resolving = None;
        // A name that cannot be resolved now is tried again at the next beat; the old address is not used for it.
        if let Outcome::Resolved(list) = result
            && let Some(&ip) = list.first()
        {
            link.addr.ip = Some(ip);
            let (addr, users) = (link.addr.clone(), link.users.clone());
            for who in users {
                self.learn_ip(who, &addr);
                self.drop_doubles(who.group, cx);
            }
            self.open(id, cx);
        }
        None
    }

    fn learn_ip(&mut self, who: Who, addr: &Address) {
        let Some(group) = self.groups.get_mut(&who.group) else { return };
        let place = match who.slot {
            Slot::Peer(n) => group.peers.get_mut(&n).map(|p| &mut p.addr),
            slot => group.server_mut(slot).map(|s| &mut s.addr),
        };
        if let Some(place) = place.filter(|a| a.host == addr.host) {
            place.ip = addr.ip;
        }
    }

    /// Opens what is missing.
    fn open(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        for end in [End::Commands, End::PubSub] {
            let Some(link) = self.links.get_mut(id) else { return };
            let Some(ip) = link.addr.ip else { return };
            let to = Endpoint::Tcp(SocketAddr::new(ip, link.addr.port));
            let Some(channel) = link.channel(end).filter(|c| c.link.is_none()) else { continue };
            let conn = self.ids.conn();
            channel.link = Some(Link::new(conn, LIMITS));
            (channel.since, channel.heard) = (cx.now.mono, cx.now.mono);
            self.links.conns.insert(conn, (id, end));
            cx.out.push(Action::Connect {
                conn,
                to,
                from: self.source_ip(),
                tls: self.config.settings.tls_replication,
                options: SocketOptions { nodelay: true, keepalive_s: 0 },
            });
        }
    }

    /// The user of a link goes by another name now.
    pub(super) fn reassign(&mut self, id: LinkId, old: Who, new: Who) {
        if let Some(link) = self.links.get_mut(id) {
            link.users.remove(&old);
            link.users.insert(new);
        }
    }

    /// Whether a command connection stands.
    pub(super) fn is_up(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(InstanceLink::is_up)
    }

    /// A connection of ours is gone, or was not to be had.
    pub(super) fn link_closed(&mut self, conn: ConnId, _reason: Closed, cx: &mut Cx<'_>) {
        let Some((id, end)) = self.links.conns.remove(&conn) else { return };
        let now = cx.now.mono;
        let Some(link) = self.links.get_mut(id) else { return };
        let period = link.period;
        if end == End::Commands {
            link.forget_unsent();
        }
        let Some(channel) = link.channel(end) else { return };
        channel.link = None;
        let stood = core::mem::take(&mut channel.up);
        // One that stood for a while is made anew at once: CLIENT KILL of a failover ends many.
        if stood && now.since(channel.since) > period {
            self.timers.set_sooner(Key::Beat(id), now + Duration::from_micros(1));
        }
        self.arm_down(id, cx);
    }

    /// The peer will send no more: so will we not.
    pub(super) fn link_eof(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        if self.links.conns.contains_key(&conn) {
            cx.out.push(Action::Close { conn });
            self.link_closed(conn, Closed::Clean, cx);
        }
    }

    /// The kernel took bytes.
    pub(super) fn link_sent(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_>) {
        let Some(link) = self.links.of_conn(conn) else { return };
        link.sent(len, cx.out);
        if link.unsent() == 0
            && let Some(&(id, End::Commands)) = self.links.conns.get(&conn)
            && let Some(link) = self.links.get_mut(id)
        {
            link.flushed = cx.now.mono;
        }
    }
}

impl InstanceLink {
    /// The connection ends: a PING that never left us is none that was not answered. Where it is behind the last good
    /// answer it stays, for what was silent since then may be ourselves.
    fn forget_unsent(&mut self) {
        if self.unanswered.is_some_and(|at| at > self.flushed && at < self.good) {
            self.unanswered = None;
        }
    }

    /// When the oldest PING that waits for an answer was sent.
    pub(super) fn oldest_ping(&self) -> Option<Instant> {
        self.commands.link.as_ref()?.asked().find_map(|ask| match ask {
            Ask::Ping(at) => Some(*at),
            _ => None,
        })
    }
}
