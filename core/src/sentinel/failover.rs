//! The failover itself: choose, promote, verify, tell, and bring the others along.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::choose::Unfit;
use super::event::{Plain, What};
use super::instance::{Group, GroupId, Replica, Slot, Who};
use super::links::{Ask, End, LinkId};
use super::metrics::Tally;
use super::scripts::Reconfigured;
use super::state::Record;
use super::{Cx, Key, Said, Sentinel};
use crate::ids::RunId;
use crate::resp::Value;
use crate::time::Instant;

/// How long an INFO that was asked for when the master went down is waited for before a replica is chosen without it.
const FRESH_INFO: Duration = Duration::from_millis(300);
/// How often a promotion that was not answered is looked at.
const PROMOTE_POLL: Duration = Duration::from_millis(50);
/// The same at first, of one that the old master hands over to: both are at work on it, and it takes some round trips.
const HANDOVER_POLL: Duration = Duration::from_millis(5);
/// What has to be left of `failover-timeout` for a handover to be asked for.
const HANDOVER_MIN: Duration = Duration::from_secs(1);
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
#[non_exhaustive]
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

/// Why there is a failover, and so what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// The master is down: votes are needed.
    Down,
    /// A person asked: no votes.
    Forced,
    /// A person asked, with votes, and the old master hands over.
    Coordinated,
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
    /// A person asked for it, and the old master is to hand over (`COORDINATED`).
    pub coordinated: bool,
    /// The number that the old master goes by among the replicas.
    pub old: Option<u32>,
    /// The replica that was chosen.
    pub promoted: Option<u32>,
    /// Replicas that refused to be promoted in it.
    pub refused: Vec<u32>,
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
    /// How failovers of this master went, ours and those that others told of.
    pub tally: Tally,
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

    pub(super) fn begin(&mut self, epoch: u64, how: How, now: Instant) {
        self.state = State::WaitStart;
        (self.epoch, self.started, self.since) = (epoch, now, now);
        (self.forced, self.coordinated) = (how == How::Forced, how == How::Coordinated);
        (self.promoted, self.old, self.switching) = (None, None, false);
        self.refused.clear();
    }

    /// What is over is forgotten, but for its epoch.
    pub(super) fn finish(&mut self) {
        self.state = State::None;
        (self.forced, self.coordinated) = (false, false);
        (self.promoted, self.old) = (None, None);
        self.refused.clear();
    }
}

impl Sentinel {
    fn go(&mut self, id: GroupId, state: State, cx: &Cx<'_>) {
        self.leaves_state(id, cx.now.mono);
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
        // Who spent that time in tilt may find the master back, and the others with a leader of their own.
        if now >= group.failover.started + group.failover_timeout() {
            self.abort_promotion(id, cx);
            return;
        }
        let asked = group.failover.since;
        let late = asked + FRESH_INFO;
        let missing = group.replicas.iter().any(|(&n, r)| {
            self.unfit(group, n, r, now).is_none_or(|u| u == Unfit::Stale)
                && r.server.info_at.is_none_or(|at| at < asked)
        });
        if missing && now < late {
            self.timers.set(Key::Step(id), late);
            return;
        }
        let Some(best) = self.best(group, now) else {
            let until = group.failover.started + group.failover_timeout() * 2;
            let again = group.failover.started + Duration::from_secs(1);
            // Who refused once will do so again, and each attempt costs an epoch: then only time helps.
            let refused = !group.failover.refused.is_empty();
            let blocked = if refused { Blocked::Wait { until } } else { Blocked::NoReplica { until, again } };
            self.abort(id, Plain::AbortNoReplica, blocked, cx);
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
        let coordinated = group.failover.coordinated;
        if now >= until {
            self.abort_promotion(id, cx);
            return;
        }
        if !self.links.get(link).is_some_and(super::links::InstanceLink::is_up) {
            self.timers.set(Key::Step(id), (now + PROMOTE_POLL).min(until));
            return;
        }
        if coordinated {
            if !self.send_handover(id, cx) {
                return;
            }
        } else {
            self.send_reconfiguration(link, Some(&["SLAVEOF", "NO", "ONE"]), false, Some(id), cx);
        }
        self.info_now(link, cx);
        self.tell(Who { group: id, slot }, What::Plain(Plain::WaitPromotion), cx);
        let first = if coordinated { HANDOVER_POLL } else { PROMOTE_POLL };
        self.go(id, State::WaitPromotion, cx);
        self.timers.set(Key::Step(id), now + first);
    }

    /// What makes a server follow another, or nobody, as one transaction: its clients have to look for the master anew.
    /// `promotes`: whose promotion it is.
    pub(super) fn send_reconfiguration(
        &mut self,
        link: LinkId,
        slaveof: Option<&[&str]>,
        unpause: bool,
        promotes: Option<GroupId>,
        cx: &mut Cx<'_>,
    ) {
        let words = [Some(&["MULTI"][..]), slaveof, Some(&["CONFIG", "REWRITE"])].into_iter().chain([
            Some(&["CLIENT", "KILL", "TYPE", "normal"][..]),
            Some(&["CLIENT", "KILL", "TYPE", "pubsub"]),
            unpause.then_some(&["CLIENT", "UNPAUSE"]),
            Some(&["EXEC"]),
        ]);
        self.send_transaction(link, words.flatten(), promotes, cx);
    }

    fn send_transaction<'a>(
        &mut self,
        link: LinkId,
        commands: impl IntoIterator<Item = &'a [&'a str]>,
        promotes: Option<GroupId>,
        cx: &mut Cx<'_>,
    ) {
        for words in commands {
            let exec = words.first() == Some(&"EXEC");
            let ask = promotes.map_or(Ask::Other, |group| Ask::Promote { group, exec });
            self.send(link, End::Commands, words, ask, cx);
        }
    }

    /// Tells the old master to hand over to the chosen replica: its writers wait until that has everything. Whether it
    /// could be told.
    fn send_handover(&mut self, id: GroupId, cx: &mut Cx<'_>) -> bool {
        let now = cx.now.mono;
        let Some((group, replica)) = self.chosen(id) else { return false };
        let left = (group.failover.started + group.failover_timeout()).since(now);
        let link = group.master.link;
        if left < HANDOVER_MIN || !self.is_up(link) {
            self.abort_promotion(id, cx);
            return false;
        }
        let host = replica.server.addr.shown(self.config.global.announce_hostnames);
        let (port, ms) = (replica.server.addr.port.to_string(), left.as_millis().to_string());
        let commands: [&[&str]; 4] = [
            &["MULTI"],
            &["CLIENT", "PAUSE", &ms, "WRITE"],
            &["FAILOVER", "TO", &host, &port, "TIMEOUT", &ms],
            &["EXEC"],
        ];
        self.send_transaction(link, commands, Some(id), cx);
        true
    }

    fn chosen(&self, id: GroupId) -> Option<(&Group, &Replica)> {
        let group = self.groups.get(&id)?;
        Some((group, group.replicas.get(&group.failover.promoted?)?))
    }

    /// A command of a promotion or a handover was answered. What a good answer came to is seen in INFO; a refusal is acted
    /// on at once. By its place in the answer of EXEC it is known which command was refused: an error of CONFIG REWRITE or
    /// CLIENT KILL keeps nobody from being a master.
    pub(super) fn promote_answer(&mut self, link: LinkId, id: GroupId, exec: bool, value: &Value, cx: &mut Cx<'_>) {
        let Some((group, replica)) = self.chosen(id) else { return };
        let coordinated = group.failover.coordinated;
        let asked = if coordinated { group.master.link } else { replica.server.link };
        if group.failover.state != State::WaitPromotion || group.failover.switching || asked != link {
            return; // It is late: another is asked by now, or it was promoted all the same.
        }
        // CLIENT PAUSE comes before FAILOVER, nothing before SLAVEOF.
        let decides = usize::from(coordinated);
        let answer = match value.as_array() {
            Some(answers) => answers.get(decides),
            None => Some(value),
        };
        let Some(error) = answer.filter(|v| v.as_error().is_some()) else { return };
        let at = self.links.get(link).map(|l| l.addr.to_string()).unwrap_or_default();
        let text = alloc::format!("The failover of {}: {at} answers {error}", group.name());
        self.note(crate::machine::Level::Warning, &text, cx);
        match (exec, coordinated) {
            // Why EXEC will be refused.
            (false, _) => {}
            (true, true) => self.abort_promotion(id, cx),
            (true, false) => self.promotion_refused(id, cx),
        }
    }

    /// The chosen replica did nothing of what it was told: the next best one is chosen, by what it says now.
    fn promotion_refused(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(failover) = self.groups.get_mut(&id).map(|g| &mut g.failover) else { return };
        let refused = failover.promoted.take();
        failover.refused.extend(refused);
        self.go(id, State::SelectSlave, cx);
        self.tell(Who { group: id, slot: Slot::Master }, What::Plain(Plain::SelectReplica), cx);
        self.fresh_info(id, cx);
        self.select(id, cx);
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
        // One that the old master hands over to changes in its own time, and nobody tells: it is asked
        // again and again, since writers wait for its end.
        let (pause, again) = if group.failover.coordinated {
            let pause = (now.since(group.failover.since) / 4).clamp(HANDOVER_POLL, PROMOTE_POLL);
            (pause, pause)
        } else {
            (PROMOTE_POLL, Duration::from_secs(1))
        };
        if self.info_sent(link).is_none_or(|at| now.since(at) >= again) {
            self.info_now(link, cx);
        }
        self.timers.set(Key::Step(id), (now + pause).min(until));
    }

    /// The promotion was seen, and could not be written: in a while the next INFO shows it again.
    pub(super) fn promotion_again(&mut self, id: GroupId, cx: &Cx<'_>) {
        if self.groups.get(&id).is_some_and(|g| g.failover.state == State::WaitPromotion) {
            self.timers.set(Key::Step(id), cx.now.mono + PROMOTE_POLL);
        }
    }

    /// A newer configuration than the one that ours would be is there: whom ours promotes would take the master's place
    /// from who has it by then.
    pub(super) fn superseded(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.failover.epoch > group.config_written {
            return;
        }
        // What is known of the master by now is from before.
        let blocked = Blocked::Wait { until: cx.now.mono + group.down_after() };
        match group.failover.state {
            State::WaitStart => self.abort(id, Plain::AbortNotElected, blocked, cx),
            State::SelectSlave | State::SendSlaveofNoOne | State::WaitPromotion => self.abort_with(id, blocked, cx),
            State::None | State::ReconfSlaves | State::UpdateConfig => {}
        }
    }

    fn abort_promotion(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let until = group.failover.started + group.failover_timeout() * 2;
        self.abort_with(id, Blocked::Wait { until }, cx);
    }

    fn abort_with(&mut self, id: GroupId, blocked: Blocked, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let (coordinated, link, state) = (group.failover.coordinated, group.master.link, group.failover.state);
        if coordinated && state == State::WaitPromotion {
            // The old master goes on, if it can hear that.
            self.send(link, End::Commands, &["FAILOVER", "ABORT"], Ask::Other, cx);
            self.send(link, End::Commands, &["CLIENT", "UNPAUSE"], Ask::Other, cx);
        }
        let why = if coordinated { Plain::AbortMasterTimeout } else { Plain::AbortReplicaTimeout };
        self.abort(id, why, blocked, cx);
    }

    /// Ends a failover that did not come about.
    pub(super) fn abort(&mut self, id: GroupId, why: Plain, blocked: Blocked, cx: &mut Cx<'_>) {
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(why), cx);
        for key in [Key::Election(id), Key::Step(id), Key::Rank(id)] {
            self.timers.clear(key);
        }
        self.leaves_state(id, cx.now.mono);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.failover.tally.aborted(why);
        group.failover.finish();
        group.failover.blocked = Some(blocked);
        self.consider(id, cx);
    }

    /// The chosen replica says that it is a master: the new configuration is written, then told.
    pub(super) fn promotion_seen(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some((group, replica)) = self.chosen(id) else { return };
        if group.failover.state != State::WaitPromotion || group.failover.switching {
            return;
        }
        if group.failover.epoch <= group.config_written {
            self.superseded(id, cx);
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
        let coordinated = group.failover.coordinated;
        let both = [group.master.link, replica.server.link];
        if let Some(group) = self.groups.get_mut(&id) {
            group.config_epoch = epoch;
            group.config_written = group.config_written.max(epoch);
        }
        if coordinated {
            for link in both {
                self.send_reconfiguration(link, None, true, None, cx);
            }
        }
        self.came_about(id, cx.now.mono);
        self.switch(id, &to, cx);
        self.go(id, State::ReconfSlaves, cx);
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(Plain::ReconfReplicas), cx);
        self.client_script(id, Reconfigured::Leader, &from, &to, cx);
        self.reconf_step(id, cx);
    }
}
