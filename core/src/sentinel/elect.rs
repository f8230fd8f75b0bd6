//! Elections: one vote per epoch and master, on the disk before anyone hears of it; and who may ask for votes, when.

use alloc::vec::Vec;
use core::time::Duration;

use super::event::{Plain, What};
use super::failover::{Blocked, How, State};
use super::instance::{Group, GroupId, Slot, Vote, Who};
use super::state::Record;
use super::{Cx, Key, Said, Sentinel};
use crate::ids::RunId;
use crate::mutations::{self, Mutation};
use crate::time::Instant;

/// How far the attempts of sentinels that see a master down at one time lie apart, by rank: long enough for the first
/// one's votes to be given.
const RANK_STEP: Duration = Duration::from_millis(30);
/// A lost election that provably nobody won is tried again after this and as much again by chance.
const RETRY: Duration = Duration::from_millis(50);
/// An answer so old is still one given now.
const ANSWERS_NOW: Duration = Duration::from_secs(1);
/// The furthest that an epoch from outside may lead: beyond, `i64` of other programs ends.
pub const MAX_EPOCH: u64 = i64::MAX as u64;

/// What a vote that was asked for came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voted {
    /// This is the vote that stands, or none.
    Stands(Option<Vote>),
    /// It is being written; the answer waits until this ticket is done, and is then the vote that stands.
    Writing(u64),
}

impl Sentinel {
    /// Whether an election may begin; begins to wait for our turn if so. Called whenever anything changed that this
    /// depends on.
    pub(super) fn consider(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        if self.tilt.is_some() || self.timers.get(Key::Rank(id)).is_some() {
            return;
        }
        let Some(group) = self.groups.get(&id) else { return };
        if group.odown.is_none() || group.failover.is_under_way() || group.failover.starting {
            return;
        }
        if let Some(until) = self.blocked_until(group, now) {
            self.timers.set(Key::Consider(id), until);
            return;
        }
        // Before an epoch is spent: would enough of them answer a request for votes?
        let answering =
            group.peers.values().filter(|p| p.answer.is_some_and(|a| now.since(a.at) <= ANSWERS_NOW)).count() as u32;
        if answering + 1 < group.votes_needed() {
            return;
        }
        let rank = rank(group, self.my_id(), self.epoch + 1);
        self.timers.set(Key::Rank(id), (now + RANK_STEP * rank).max(now + Duration::from_micros(1)));
    }

    /// When what keeps a failover from starting ends; `None` when nothing does.
    fn blocked_until(&self, group: &Group, now: Instant) -> Option<Instant> {
        let blocked = group.failover.blocked.as_ref()?;
        let over = match blocked {
            Blocked::Wait { until } => *until <= now,
            // The one who may be at it is gone, or had its time.
            Blocked::Beaten { leader, until } => {
                *until <= now || group.peers.values().any(|p| p.run_id == Some(*leader) && p.down.is_some())
            }
            // There was nobody to promote: somebody is enough.
            Blocked::NoReplica { until, again } => *until <= now || (*again <= now && self.best(group, now).is_some()),
        };
        (!over).then(|| match blocked {
            Blocked::Wait { until } | Blocked::Beaten { until, .. } => *until,
            Blocked::NoReplica { until, again } => (*again.max(&(now + Duration::from_millis(100)))).min(*until),
        })
    }

    /// Our turn has come: an epoch is spent, and our own vote written.
    pub(super) fn rank_due(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.odown.is_none() || group.failover.is_under_way() || self.blocked_until(group, cx.now.mono).is_some() {
            return;
        }
        self.start_failover(id, How::Down, cx);
    }

    /// Spends an epoch on a failover of a master. What it needs to say first is on its way to the disk then.
    pub(super) fn start_failover(&mut self, id: GroupId, how: How, cx: &mut Cx<'_>) {
        let me = self.my_id();
        self.tickets += 1;
        let ticket = self.tickets;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let used = group.vote.map_or(0, |v| v.epoch).max(group.config_epoch).max(group.failover.reserved);
        let epoch = self.epoch.max(used).saturating_add(1).min(MAX_EPOCH);
        group.failover.starting = true;
        group.failover.blocked = None;
        // No other vote may be written for it meanwhile.
        group.failover.reserved = epoch;
        group.failover.writing = Some(ticket);
        let name = group.set.name.clone();
        let mut records = alloc::vec![Record::CurrentEpoch(epoch)];
        if how != How::Forced {
            records.push(Record::Vote { master: name, epoch, leader: me });
        }
        self.timers.clear(Key::Rank(id));
        self.timers.clear(Key::Consider(id));
        self.record(records, Said::Started { group: id, epoch, how, ticket }, cx);
    }

    /// Our epoch, and our vote for ourselves, are on the disk: the others are asked.
    pub(super) fn failover_started(&mut self, id: GroupId, epoch: u64, how: How, cx: &mut Cx<'_>) {
        let (now, me) = (cx.now.mono, self.my_id());
        self.raise_epoch(epoch, cx);
        let who = Who { group: id, slot: Slot::Master };
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.failover.starting = false;
        group.failover.begin(epoch, how, now);
        let patience = self.timing.election_timeout.min(group.failover_timeout());
        if how == How::Down && group.odown.is_none() {
            // It came back while we wrote. Our vote is given, and nobody was asked for theirs.
            (group.vote, group.failover.state) = (Some(Vote { leader: me, epoch }), State::None);
            return;
        }
        if how != How::Forced {
            group.vote = Some(Vote { leader: me, epoch });
        }
        self.begins(id, how, now);
        self.tell(who, What::Plain(Plain::TryFailover), cx);
        self.touch_conf();
        if how == How::Forced {
            self.elected(id, cx);
            return;
        }
        self.tell_alone(What::Vote { leader: me, epoch }, cx);
        self.timers.set(Key::Election(id), now + patience);
        self.ask_peers(id, cx);
        self.vote_answer(id, epoch, cx);
    }

    /// Counts the votes of our election.
    pub(super) fn vote_answer(&mut self, id: GroupId, epoch: u64, cx: &mut Cx<'_>) {
        let me = self.my_id();
        let Some(group) = self.groups.get(&id) else { return };
        if group.failover.state != State::WaitStart || group.failover.epoch != epoch {
            return;
        }
        let tally = Tally::of(group, me, epoch);
        if tally.mine >= group.votes_needed() {
            self.elected(id, cx);
        } else if tally.unknown == 0 {
            self.election_lost(id, cx);
        }
    }

    /// Our election has taken too long.
    pub(super) fn election_due(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        if self.groups.get(&id).is_some_and(|g| g.failover.state == State::WaitStart) {
            self.election_lost(id, cx);
        }
    }

    fn election_lost(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let (now, me) = (cx.now.mono, self.my_id());
        let Some(group) = self.groups.get(&id) else { return };
        let tally = Tally::of(group, me, group.failover.epoch);
        let wait = group.failover.started + group.failover_timeout();
        let blocked = if tally.others + tally.unknown < group.votes_needed() {
            // Nobody won, and nobody can any more.
            Blocked::Wait { until: now + RETRY + Duration::from_micros(self.rng.below(RETRY.as_micros() as u64)) }
        } else {
            match tally.leader {
                Some(leader) => Blocked::Beaten { leader, until: wait },
                None => Blocked::Wait { until: wait },
            }
        };
        self.abort(id, Plain::AbortNotElected, blocked, cx);
    }

    /// Another sentinel asks for our vote.
    ///
    /// One vote per epoch and master, first come, first served. Unlike in Redis an election of another master does not
    /// void this one: what counts is this master's own last vote and configuration.
    pub(super) fn vote_for(&mut self, id: GroupId, epoch: u64, leader: RunId, cx: &mut Cx<'_>) -> Voted {
        let (now, me) = (cx.now.mono, self.my_id());
        let Some(group) = self.groups.get_mut(&id) else { return Voted::Stands(None) };
        if let Some(ticket) = group.failover.writing.filter(|_| epoch <= group.failover.reserved) {
            return Voted::Writing(ticket);
        }
        let mut last = group.vote.map_or(0, |v| v.epoch).max(group.failover.reserved);
        if mutations::on(Mutation::VotesAgain) {
            last = last.saturating_sub(1);
        }
        if epoch > MAX_EPOCH || epoch <= last || epoch <= group.config_epoch {
            return Voted::Stands(group.vote);
        }
        group.failover.reserved = epoch;
        if leader != me && !mutations::on(Mutation::TriesBesideVote) {
            // It may win and be promoting before our vote is on the disk, let alone heard of: we wait until it is down
            // itself, or had its time, and do not try beside it.
            group.failover.blocked = Some(Blocked::Beaten { leader, until: now + group.failover_timeout() });
            self.timers.clear(Key::Rank(id));
        }
        let name = group.set.name.clone();
        let mut records = Vec::new();
        if epoch > self.epoch {
            records.push(Record::CurrentEpoch(epoch));
        }
        records.push(Record::Vote { master: name, epoch, leader });
        self.tickets += 1;
        let ticket = self.tickets;
        group.failover.writing = Some(ticket);
        self.record(records, Said::Voted { group: id, epoch, leader, ticket }, cx);
        Voted::Writing(ticket)
    }

    /// A vote for another is on the disk.
    pub(super) fn voted(&mut self, id: GroupId, epoch: u64, leader: RunId, cx: &mut Cx<'_>) {
        self.raise_epoch(epoch, cx);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.vote.is_none_or(|v| v.epoch < epoch) || mutations::on(Mutation::VotesAgain) {
            group.vote = Some(Vote { leader, epoch });
        }
        self.tell_alone(What::Vote { leader, epoch }, cx);
        self.touch_conf();
        self.consider(id, cx);
    }

    /// A higher epoch was heard of, or made, and is on the disk.
    pub(super) fn raise_epoch(&mut self, epoch: u64, cx: &mut Cx<'_>) {
        if epoch > self.epoch && epoch <= MAX_EPOCH {
            self.epoch = epoch;
            self.tell_alone(What::NewEpoch(epoch), cx);
            self.touch_conf();
        }
    }
}

/// The votes of one epoch.
struct Tally {
    /// For us, our own among them.
    mine: u32,
    /// The most that another has.
    others: u32,
    /// Who that is.
    leader: Option<RunId>,
    /// Voters whose vote in this epoch is not known.
    unknown: u32,
}

impl Tally {
    fn of(group: &Group, me: RunId, epoch: u64) -> Self {
        let votes: Vec<RunId> = (group.peers.values().map(|p| p.vote))
            .chain([group.vote])
            .filter_map(|v| v.filter(|v| v.epoch == epoch).map(|v| v.leader))
            .collect();
        let count = |id: RunId| votes.iter().filter(|&&v| v == id).count() as u32;
        // Of two with as many votes the same one everywhere.
        let leader = votes.iter().copied().filter(|&v| v != me).max_by_key(|&v| (count(v), v));
        Self {
            mine: count(me),
            others: leader.map_or(0, count),
            leader,
            unknown: group.voters() - (votes.len() as u32).min(group.voters()),
        }
    }
}

/// Our place among those who may try, differently for each master and epoch, so that not all try at once and not always
/// the same one first. Those that are down do not hold the others up.
fn rank(group: &Group, me: RunId, epoch: u64) -> u32 {
    let mine = lot(me, group.name(), epoch);
    let before = |id: RunId| lot(id, group.name(), epoch) < mine;
    group.peers.values().filter(|p| p.down.is_none() && p.run_id.is_some_and(before)).count() as u32
}

/// FNV-1a over what an attempt is made of: any hash would do that all sentinels share.
fn lot(id: RunId, name: &str, epoch: u64) -> (u64, RunId) {
    let bytes = id.as_bytes().iter().chain(name.as_bytes()).copied().chain(epoch.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 29), id)
}
