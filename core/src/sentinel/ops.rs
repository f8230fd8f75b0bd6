//! What people and other sentinels ask for by commands, apart from how it is asked and answered.

use alloc::boxed::Box;
use alloc::string::String;

use super::elect::Voted;
use super::failover::{How, State};
use super::info::Role;
use super::instance::{Address, Group, GroupId, Server, Slot, Who};
use super::{Cx, Key, Plain, Sentinel, What};
use crate::ids::RunId;
use crate::time::Instant;

/// Why a failover that was asked for does not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailoverRefused {
    /// One is under way.
    #[error("INPROG Failover already in progress")]
    InProgress,
    /// Nobody could be promoted.
    #[error("NOGOODSLAVE No suitable replica to promote")]
    NoReplica,
    /// The master does not know the command FAILOVER.
    #[error("NOGOODPRIMARY Primary does not support FAILOVER command")]
    NoSupport,
}

/// What becomes of the question whether a master is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Whether we see it down; never in tilt mode.
    pub down: bool,
    /// The master that is meant, if one is, and its vote.
    pub vote: Option<(GroupId, Voted)>,
}

/// Whether a failover could be decided on now (`SENTINEL CKQUORUM`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorum {
    /// Sentinels that answer, this one among them.
    pub usable: u32,
    /// All that are known.
    pub voters: u32,
    /// Enough see a master down together.
    pub agree: bool,
    /// Enough can elect a leader.
    pub authorize: bool,
}

impl Sentinel {
    /// The master that an address means: its own, or another name that it is known by. Of several names for one
    /// process, one that is down.
    pub(super) fn group_at(&self, addr: &Address) -> Option<GroupId> {
        let is = |g: &&Group| {
            let alias = |r: &Server| r.addr.same(addr) && r.run_id.is_some() && r.run_id == g.master.run_id;
            g.master.addr.same(addr) || g.replicas.values().any(|r| alias(&r.server))
        };
        let mut all = self.groups().filter(is);
        let first = all.next()?;
        let down = core::iter::once(first).chain(all).find(|g| g.master.down.is_some());
        Some(down.map_or(first.id, |g| g.id))
    }

    /// `IS-MASTER-DOWN-BY-ADDR`: what we see, and our vote if one is asked for.
    pub(super) fn judgement(
        &mut self,
        addr: &Address,
        epoch: u64,
        vote_for: Option<RunId>,
        cx: &mut Cx<'_>,
    ) -> Judgement {
        let Some(id) = self.group_at(addr) else { return Judgement { down: false, vote: None } };
        let down = self.tilt.is_none() && self.groups.get(&id).is_some_and(|g| g.master.down.is_some());
        let vote = match vote_for {
            Some(leader) if self.believable(epoch) => Some((id, self.vote_for(id, epoch, leader, cx))),
            _ => None,
        };
        self.asked_by_another(id, cx);
        Judgement { down, vote }
    }

    /// Why a failover that a person asks for would not begin.
    pub(super) fn failover_refusal(&self, group: &Group, coordinated: bool, now: Instant) -> Option<FailoverRefused> {
        if group.failover.is_under_way() || group.failover.starting {
            return Some(FailoverRefused::InProgress);
        }
        if coordinated && !group.master.knows_failover {
            return Some(FailoverRefused::NoSupport);
        }
        self.best(group, now).is_none().then_some(FailoverRefused::NoReplica)
    }

    /// Begins a failover that a person asks for.
    pub(super) fn failover_asked(
        &mut self,
        id: GroupId,
        coordinated: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), FailoverRefused> {
        let Some(group) = self.groups.get(&id) else { return Ok(()) };
        if let Some(why) = self.failover_refusal(group, coordinated, cx.now.mono) {
            return Err(why);
        }
        self.start_failover(id, if coordinated { How::Coordinated } else { How::Forced }, cx);
        Ok(())
    }

    /// Whether a failover of a master could be decided on now.
    pub(super) fn quorum(&self, group: &Group) -> Quorum {
        let usable = 1 + group.peers.values().filter(|p| p.down.is_none()).count() as u32;
        let voters = group.voters();
        Quorum { usable, voters, agree: usable >= group.set.quorum, authorize: usable > voters / 2 }
    }

    /// The answer of `SENTINEL CKQUORUM`, good or an error.
    pub(super) fn quorum_verdict(&self, group: &Group) -> Result<String, String> {
        let quorum = self.quorum(group);
        let usable = quorum.usable;
        if quorum.agree && quorum.authorize {
            let text = alloc::format!("OK {usable} usable Sentinels. Quorum and failover authorization can be reached");
            return Ok(text);
        }
        let mut text = alloc::format!("NOQUORUM {usable} usable Sentinels.");
        if !quorum.agree {
            text.push_str(" Not enough available Sentinels to reach the specified quorum for this master");
        }
        if !quorum.agree && !quorum.authorize {
            text.push('.');
        }
        if !quorum.authorize {
            text.push_str(" Not enough available Sentinels to reach the majority and authorize a failover");
        }
        Err(text)
    }

    /// Where clients find a master: the promoted replica as soon as it is one.
    pub(super) fn master_addr(&self, group: &Group) -> (Box<str>, u16) {
        let promoted = (group.failover.promoted.filter(|_| group.failover.switching))
            .and_then(|n| group.replicas.get(&n))
            .filter(|r| r.server.role == Role::Master && group.failover.state == State::WaitPromotion);
        let addr = promoted.map_or(&group.master.addr, |r| &r.server.addr);
        (addr.shown(self.config.global.announce_hostnames), addr.port)
    }

    /// Forgets the replicas and sentinels of a master, and all that was under way: they are found anew.
    pub(super) fn reset(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let (replicas, peers): (alloc::vec::Vec<u32>, alloc::vec::Vec<u32>) =
            (group.replicas.keys().copied().collect(), group.peers.keys().copied().collect());
        for n in replicas {
            self.forget_replica(id, n, cx);
        }
        for n in peers {
            self.forget_peer(id, n, cx);
        }
        for key in [Key::Ask(id), Key::Consider(id), Key::Rank(id), Key::Election(id), Key::Step(id)] {
            self.timers.clear(key);
        }
        let now = cx.now.mono;
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.finish();
            group.failover.blocked = None;
            (group.odown, group.master.down) = (None, None);
            (group.master.role, group.master.role_since) = (Role::Master, now);
        }
        self.tell(Who { group: id, slot: Slot::Master }, What::Plain(Plain::Reset), cx);
        self.touch_conf();
        if let Some(link) = self.groups.get(&id).map(|g| g.master.link) {
            self.info_now(link, cx);
            self.arm_down(link, cx);
        }
    }
}
