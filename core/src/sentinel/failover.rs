//! The failover itself: choose, promote, verify, tell, and bring the others along.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::event::{Plain, What};
use super::info::Role;
use super::instance::{Address, Group, GroupId, Reconf, Replica, Server, Slot, Who};
use super::links::{Ask, End, LinkId};
use super::scripts::Reconfigured;
use super::state::Record;
use super::{Cx, Key, Said, Sentinel};
use crate::ids::RunId;
use crate::resp::Value;
use crate::time::Instant;

/// How long an INFO that was asked for when the master went down is waited for before a replica is chosen without it.
const FRESH_INFO: Duration = Duration::from_millis(300);
/// How often replicas that are on their way to a new master are looked at.
const RECONF_POLL: Duration = Duration::from_millis(100);
/// How often a promotion that was not answered is looked at.
const PROMOTE_POLL: Duration = Duration::from_millis(50);
/// A replica whose last good answer is older is not promoted.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// `down-after-milliseconds` so many times may a replica's link to the master have been down before the master was.
const LINK_DOWN_FACTOR: u32 = 10;

/// Where a failover is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// There is none.
    #[default]
    None,
    /// Votes are being asked for.
    WaitStart,
    /// We lead; a replica is being chosen.
    SelectSlave,
    /// It is chosen, and to be told.
    SendSlaveofNoOne,
    /// It was told.
    WaitPromotion,
    /// It is a master; the others are being told.
    ReconfSlaves,
    /// All is done.
    UpdateConfig,
}

impl State {
    /// As instance maps show it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WaitStart => "wait_start",
            Self::SelectSlave => "select_slave",
            Self::SendSlaveofNoOne => "send_slaveof_noone",
            Self::WaitPromotion => "wait_promotion",
            Self::ReconfSlaves => "reconf_slaves",
            Self::UpdateConfig => "update_config",
        }
    }
}

/// What keeps the next failover from starting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// Time.
    Wait {
        /// Until then.
        until: Instant,
    },
    /// Another one may be at it.
    Beaten {
        /// Who.
        leader: RunId,
        /// How long it is given.
        until: Instant,
    },
    /// There was nobody to promote.
    NoReplica {
        /// How long it waits in any case.
        until: Instant,
        /// From when on somebody to promote is reason enough.
        again: Instant,
    },
}

/// The failover of one master.
#[derive(Debug, Default)]
pub struct Failover {
    /// Where it is.
    pub state: State,
    /// Its epoch.
    pub epoch: u64,
    /// When it began.
    pub started: Instant,
    /// When it came to its state.
    pub since: Instant,
    /// A person asked for it: no votes are needed.
    pub forced: bool,
    /// The replica that was chosen.
    pub promoted: Option<u32>,
    /// What keeps the next one from starting.
    pub blocked: Option<Blocked>,
    /// Its beginning is on its way to the disk.
    pub(super) starting: bool,
    /// The highest epoch that a vote was given, or is being written, in.
    pub(super) reserved: u64,
    /// The vote that is being written.
    pub(super) writing: Option<u64>,
    /// The new configuration is on its way to the disk.
    pub(super) switching: bool,
}

impl Failover {
    /// Whether one is under way.
    pub fn is_under_way(&self) -> bool {
        self.state != State::None
    }

    /// Whether votes are being asked for.
    pub fn is_electing(&self) -> bool {
        self.state == State::WaitStart
    }

    /// The epoch that votes are asked for in, once our own is on the disk.
    pub(super) fn asks_votes(&self) -> Option<u64> {
        self.is_electing().then_some(self.epoch)
    }

    pub(super) fn begin(&mut self, epoch: u64, forced: bool, now: Instant) {
        self.state = State::WaitStart;
        (self.epoch, self.forced, self.started, self.since) = (epoch, forced, now, now);
        (self.promoted, self.switching) = (None, false);
    }
}

/// Why a replica cannot be promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// It is down.
    #[error("it is down")]
    Down,
    /// There is no connection to it.
    #[error("there is no connection to it")]
    Disconnected,
    /// It was silent for too long.
    #[error("it did not answer for over 5 seconds")]
    Silent,
    /// Its priority forbids it.
    #[error("its replica-priority is 0")]
    Priority,
    /// What is known of it is too old.
    #[error("its INFO is too old")]
    Stale,
    /// It lost the master long before.
    #[error("its link to the master was down for too long")]
    LinkDown,
}

impl Sentinel {
    /// Why a replica cannot be promoted now, if anything speaks against it.
    pub(super) fn unfit(&self, group: &Group, replica: &Replica, now: Instant) -> Option<Unfit> {
        let server = &replica.server;
        let Some(link) = self.links.get(server.link) else { return Some(Unfit::Disconnected) };
        let since_down = group.master.down.as_ref().map(|d| now.since(d.since));
        let info_max = match since_down {
            Some(_) => Duration::from_secs(5),
            None => self.timing.info_period * 3,
        };
        let link_max = group.down_after() * LINK_DOWN_FACTOR + since_down.unwrap_or_default();
        match () {
            () if server.down.is_some() => Some(Unfit::Down),
            () if !link.is_up() => Some(Unfit::Disconnected),
            () if now.since(link.good) > ANSWER_MAX => Some(Unfit::Silent),
            () if replica.priority == 0 => Some(Unfit::Priority),
            () if server.info_at.is_none_or(|at| now.since(at) > info_max) => Some(Unfit::Stale),
            () if replica.link_down > link_max => Some(Unfit::LinkDown),
            () => None,
        }
    }

    /// All replicas, the best one first: by priority, by whether its history is the master's, by offset, by run id.
    /// With each, why it cannot be promoted.
    pub(super) fn ranking(&self, group: &Group, now: Instant) -> Vec<(u32, Option<Unfit>)> {
        let mut all: Vec<_> = group.replicas.iter().map(|(&n, r)| (n, r, self.unfit(group, r, now))).collect();
        let history = group.master.replid;
        all.sort_by_key(|(_, r, unfit)| {
            // The others can resume from one that shares their history; without its master's it is some other's.
            let foreign = history.is_some() && r.server.replid.is_some() && r.server.replid != history;
            (unfit.is_some(), r.priority, foreign, Reverse(r.server.offset), r.server.run_id.is_none(), r.server.run_id)
        });
        all.into_iter().map(|(n, _, unfit)| (n, unfit)).collect()
    }

    /// The replica that would be promoted now.
    pub(super) fn best(&self, group: &Group, now: Instant) -> Option<u32> {
        self.ranking(group, now).first().filter(|(_, unfit)| unfit.is_none()).map(|&(n, _)| n)
    }

    fn go(&mut self, id: GroupId, state: State, cx: &Cx<'_>) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.state = state;
            group.failover.since = cx.now.mono;
        }
    }

    /// We lead.
    pub(super) fn elected(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let who = Who { group: id, slot: Slot::Master };
        self.timers.clear(Key::Election(id));
        self.tell(who, What::Plain(Plain::Elected), cx);
        self.crash_if(super::simulate::Crash::AfterElection, cx);
        self.go(id, State::SelectSlave, cx);
        self.tell(who, What::Plain(Plain::SelectReplica), cx);
        self.fresh_info(id, cx);
        self.select(id, cx);
    }

    /// The deadline of a failover's step.
    pub(super) fn step_due(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        match self.groups.get(&id).map(|g| g.failover.state) {
            Some(State::SelectSlave) => self.select(id, cx),
            Some(State::SendSlaveofNoOne) => self.promote(id, cx),
            Some(State::WaitPromotion) => self.promotion_late(id, cx),
            Some(State::ReconfSlaves) => self.reconf_step(id, cx),
            _ => {}
        }
    }

    /// Chooses once every replica that can answer has said where it is, or its time is over.
    pub(super) fn select(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get(&id).filter(|g| g.failover.state == State::SelectSlave) else { return };
        let asked = group.failover.since;
        let late = asked + FRESH_INFO;
        let missing = group.replicas.values().any(|r| {
            self.unfit(group, r, now).is_none_or(|u| u == Unfit::Stale) && r.server.info_at.is_none_or(|at| at < asked)
        });
        if missing && now < late {
            self.timers.set(Key::Step(id), late);
            return;
        }
        let Some(best) = self.best(group, now) else {
            let until = group.failover.started + group.failover_timeout() * 2;
            let again = group.failover.started + Duration::from_secs(1);
            self.abort(id, Plain::AbortNoReplica, Blocked::NoReplica { until, again }, cx);
            return;
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.promoted = Some(best);
        }
        let who = Who { group: id, slot: Slot::Replica(best) };
        self.tell(who, What::Plain(Plain::Selected), cx);
        self.go(id, State::SendSlaveofNoOne, cx);
        self.tell(who, What::Plain(Plain::SendPromote), cx);
        self.promote(id, cx);
    }

    /// Tells the chosen replica to be a master, and asks what it is behind that: one round trip.
    fn promote(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some((group, replica)) = self.chosen(id) else { return };
        let (link, until) = (replica.server.link, group.failover.since + group.failover_timeout());
        let slot = Slot::Replica(group.failover.promoted.unwrap_or_default());
        if !self.links.get(link).is_some_and(super::links::InstanceLink::is_up) {
            if now >= until {
                self.abort_promotion(id, cx);
            } else {
                self.timers.set(Key::Step(id), (now + PROMOTE_POLL).min(until));
            }
            return;
        }
        let tag = |last| Ask::Promote { group: id, last };
        self.send_reconfiguration(link, &["SLAVEOF", "NO", "ONE"], tag, cx);
        self.info_now(link, cx);
        self.tell(Who { group: id, slot }, What::Plain(Plain::WaitPromotion), cx);
        self.go(id, State::WaitPromotion, cx);
        self.timers.set(Key::Step(id), now + PROMOTE_POLL);
    }

    /// What makes a server follow another, or nobody, as one transaction: its clients have to look for the master anew.
    pub(super) fn send_reconfiguration(
        &mut self,
        link: LinkId,
        slaveof: &[&str],
        tag: impl Fn(bool) -> Ask,
        cx: &mut Cx<'_>,
    ) {
        let c = End::Commands;
        let rewrite = self.renamed(link, "CONFIG");
        let client = self.renamed(link, "CLIENT");
        for words in [
            &["MULTI"][..],
            slaveof,
            &[&*rewrite, "REWRITE"],
            &[&*client, "KILL", "TYPE", "normal"],
            &[&*client, "KILL", "TYPE", "pubsub"],
        ] {
            self.send(link, c, words, tag(false), cx);
        }
        self.send(link, c, &["EXEC"], tag(true), cx);
    }

    fn renamed(&self, link: LinkId, command: &str) -> Box<str> {
        self.links.get(link).map_or(command, |l| l.renamed(command)).into()
    }

    fn chosen(&self, id: GroupId) -> Option<(&Group, &Replica)> {
        let group = self.groups.get(&id)?;
        Some((group, group.replicas.get(&group.failover.promoted?)?))
    }

    /// The chosen replica answered the transaction: an error shows in the INFO behind it, and is worth a line.
    pub(super) fn promote_answer(&mut self, link: LinkId, id: GroupId, last: bool, value: &Value, cx: &mut Cx<'_>) {
        let failed = value.as_error().is_some() || (last && value.is_null());
        if failed && self.chosen(id).is_some_and(|(_, r)| r.server.link == link) {
            let text = alloc::format!("The replica that is to be promoted answers: {value}");
            self.note(crate::machine::Level::Warning, &text, cx);
        }
    }

    /// The promotion was not seen yet: look again, until it took too long.
    fn promotion_late(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some((group, replica)) = self.chosen(id) else { return };
        let (link, until) = (replica.server.link, group.failover.since + group.failover_timeout());
        if group.failover.switching {
            return;
        }
        if now >= until {
            self.abort_promotion(id, cx);
            return;
        }
        // INFO was asked for behind the transaction; it is asked for anew in case a connection was lost with the answer.
        if self.info_sent(link).is_none_or(|at| now.since(at) >= Duration::from_secs(1)) {
            self.info_now(link, cx);
        }
        self.timers.set(Key::Step(id), (now + PROMOTE_POLL).min(until));
    }

    fn abort_promotion(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let until = group.failover.started + group.failover_timeout() * 2;
        self.abort(id, Plain::AbortReplicaTimeout, Blocked::Wait { until }, cx);
    }

    /// Ends a failover that did not come about.
    pub(super) fn abort(&mut self, id: GroupId, why: Plain, blocked: Blocked, cx: &mut Cx<'_>) {
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(why), cx);
        for key in [Key::Election(id), Key::Step(id), Key::Rank(id)] {
            self.timers.clear(key);
        }
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.failover.state = State::None;
        group.failover.promoted = None;
        group.failover.forced = false;
        group.failover.blocked = Some(blocked);
        self.consider(id, cx);
    }

    /// The chosen replica says that it is a master: the new configuration is written, then told.
    pub(super) fn promotion_seen(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some((group, replica)) = self.chosen(id) else { return };
        if group.failover.state != State::WaitPromotion || group.failover.switching {
            return;
        }
        let slot = Slot::Replica(group.failover.promoted.unwrap_or_default());
        let (epoch, name) = (group.failover.epoch, group.set.name.clone());
        let (host, port) = (replica.server.addr.host.to_string(), replica.server.addr.port);
        self.tell(Who { group: id, slot }, What::Plain(Plain::Promoted), cx);
        self.crash_if(super::simulate::Crash::AfterPromotion, cx);
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.switching = true;
        }
        let record = Record::Config { master: name, epoch, host, port };
        self.record(alloc::vec![record], Said::Promoted { group: id, epoch }, cx);
    }

    /// The new configuration is on the disk: everybody is told at once.
    pub(super) fn promoted(&mut self, id: GroupId, epoch: u64, cx: &mut Cx<'_>) {
        let Some((group, replica)) = self.chosen(id) else { return };
        if group.failover.epoch != epoch || group.failover.state != State::WaitPromotion {
            return;
        }
        let to = replica.server.addr.clone();
        let from = group.master.addr.clone();
        if let Some(group) = self.groups.get_mut(&id) {
            group.config_epoch = epoch;
        }
        self.switch(id, &to, cx);
        self.go(id, State::ReconfSlaves, cx);
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(Plain::ReconfReplicas), cx);
        self.client_script(id, Reconfigured::Leader, &from, &to, cx);
        self.reconf_step(id, cx);
    }

    /// A master has a new address: the replica there is the master from now on, and the old one a replica.
    pub(super) fn switch(&mut self, id: GroupId, to: &Address, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let from = group.master.addr.clone();
        if from.same(to) {
            return;
        }
        for key in [Key::Ask(id), Key::Rank(id), Key::Consider(id), Key::Election(id), Key::Step(id)] {
            self.timers.clear(key);
        }
        let promoted = group.replica_at(to);
        let new = match promoted.and_then(|n| Some((n, group.replicas.remove(&n)?))) {
            Some((n, replica)) => {
                let mut server = replica.server;
                let old_who = Who { group: id, slot: Slot::Replica(n) };
                let who = Who { group: id, slot: Slot::Master };
                self.reassign(server.link, old_who, who);
                server.rebooted = None;
                server.down = None;
                // Whoever hears of a promotion before INFO says it takes it for said.
                (server.role, server.role_since) = (Role::Master, now);
                server
            }
            None => {
                let link = self.acquire_server(id, to, Slot::Master, cx);
                Server::new(to.clone(), link, Role::Master, now)
            }
        };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let mut old = core::mem::replace(&mut group.master, new);
        group.odown = None;
        group.failover.promoted = None;
        group.failover.blocked = None;
        for peer in group.peers.values_mut() {
            peer.answer = None;
        }
        for replica in group.replicas.values_mut() {
            replica.reconf = Reconf::None;
        }
        let n = group.fresh_slot();
        let (old_who, new_who) = (Who { group: id, slot: Slot::Master }, Who { group: id, slot: Slot::Replica(n) });
        old.rebooted = None;
        (old.role, old.role_since) = (Role::Replica, now);
        let link = old.link;
        let replica = Replica::new(old, now);
        group.replicas.insert(n, replica);
        let name = group.set.name.as_str().into();
        // The link of the old master keeps its user under the new name; the new master's joined under the old one.
        self.reassign(link, old_who, new_who);
        let names = self.config.global.announce_hostnames;
        let what = What::Switch { name, from: (from.shown(names), from.port), to: (to.shown(names), to.port) };
        self.tell_alone(what, cx);
        self.tell(new_who, What::Plain(Plain::ReplicaFound), cx);
        self.hello_all(id, cx);
        self.touch_conf();
        self.judge(Who { group: id, slot: Slot::Master }, cx);
    }

    /// The replicas that are left are told to follow the new master, so many at a time; the failover ends when all do.
    pub(super) fn reconf_step(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get(&id).filter(|g| g.failover.state == State::ReconfSlaves) else { return };
        if now >= group.failover.since + group.failover_timeout() {
            self.end_for_timeout(id, cx);
            return;
        }
        let most = group.set.parallel_syncs as usize;
        let slow = self.timing.reconf_timeout;
        let late: Vec<u32> = (group.replicas.iter())
            .filter(|(_, r)| r.reconf == Reconf::Sent && now.since(r.reconf_at) > slow)
            .map(|(&n, _)| n)
            .collect();
        for n in late {
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ReconfTimeout), cx);
            self.set_reconf(id, n, Reconf::None, cx);
        }
        let Some(group) = self.groups.get(&id) else { return };
        let busy = group.replicas.values().filter(|r| matches!(r.reconf, Reconf::Sent | Reconf::InProgress)).count();
        let next: Vec<u32> = (group.replicas.iter())
            .filter(|(_, r)| r.reconf == Reconf::None && r.server.down.is_none() && self.is_up(r.server.link))
            .map(|(&n, _)| n)
            .take(most.saturating_sub(busy))
            .collect();
        for n in next {
            self.send_follow(id, n, cx);
            self.set_reconf(id, n, Reconf::Sent, cx);
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ReconfSent), cx);
        }
        let Some(group) = self.groups.get(&id) else { return };
        if group
            .replicas
            .values()
            .all(|r| r.reconf == Reconf::Done || r.server.down.is_some() || self.is_old_master_away(r))
        {
            self.end(id, Plain::FailoverEnd, cx);
            return;
        }
        for link in (group.replicas.values())
            .filter(|r| matches!(r.reconf, Reconf::Sent | Reconf::InProgress))
            .map(|r| r.server.link)
            .collect::<Vec<_>>()
        {
            if self.info_sent(link).is_none_or(|at| now.since(at) >= RECONF_POLL) {
                self.info_now(link, cx);
            }
        }
        self.timers.set(Key::Step(id), now + RECONF_POLL);
    }

    fn is_up(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(super::links::InstanceLink::is_up)
    }

    /// The master that failed is not waited for: it is told when it comes back.
    fn is_old_master_away(&self, replica: &Replica) -> bool {
        !self.is_up(replica.server.link) && replica.reconf == Reconf::None
    }

    pub(super) fn set_reconf(&mut self, id: GroupId, n: u32, reconf: Reconf, cx: &Cx<'_>) {
        if let Some(r) = self.groups.get_mut(&id).and_then(|g| g.replicas.get_mut(&n)) {
            r.reconf = reconf;
            r.reconf_at = cx.now.mono;
        }
    }

    /// Tells a replica to follow its master.
    pub(super) fn send_follow(&mut self, id: GroupId, n: u32, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let Some(replica) = group.replicas.get(&n) else { return };
        let link = replica.server.link;
        let host = group.master.addr.shown(self.config.global.announce_hostnames);
        let port = group.master.addr.port.to_string();
        self.send_reconfiguration(link, &["SLAVEOF", &host, &port], |_| Ask::Other, cx);
        self.info_now(link, cx);
    }

    fn end_for_timeout(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        self.tell(Who { group: id, slot: Slot::Master }, What::Plain(Plain::FailoverEndTimeout), cx);
        let Some(group) = self.groups.get(&id) else { return };
        let left: Vec<u32> = (group.replicas.iter())
            .filter(|(_, r)| matches!(r.reconf, Reconf::None) && self.is_up(r.server.link))
            .map(|(&n, _)| n)
            .collect();
        for n in left {
            self.send_follow(id, n, cx);
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ReconfSentAnyhow), cx);
        }
        self.end(id, Plain::FailoverEnd, cx);
    }

    fn end(&mut self, id: GroupId, what: Plain, cx: &mut Cx<'_>) {
        self.tell(Who { group: id, slot: Slot::Master }, What::Plain(what), cx);
        self.timers.clear(Key::Step(id));
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.state = State::None;
            group.failover.forced = false;
        }
        self.touch_conf();
    }
}
