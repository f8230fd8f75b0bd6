//! What INFO says is taken in, and what follows from it at once.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::event::{Plain, What};
use super::failover::{Blocked, State};
use super::info::{Info, Role};
use super::instance::{Address, Group, GroupId, Reconf, Slot, Who};
use super::links::LinkId;
use super::{Cx, Sentinel};
use crate::mutations::{self, Mutation};
use crate::time::Instant;

/// How long a server may take to show that it follows before it is told again.
const TOLD_PATIENCE: Duration = Duration::from_secs(1);

impl Sentinel {
    /// A process answered INFO: all masters that it belongs to take it in.
    pub(super) fn info_answer(&mut self, id: LinkId, text: &[u8], cx: &mut Cx<'_>) {
        let info = Info::read(text);
        let Some(link) = self.links.get(id) else { return };
        let text = Bytes::copy_from_slice(text);
        for who in link.users.clone() {
            if !matches!(who.slot, Slot::Peer(_)) {
                self.refresh(who, &info, &text, cx);
            }
        }
    }

    fn refresh(&mut self, who: Who, info: &Info, text: &Bytes, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(server) = self.groups.get_mut(&who.group).and_then(|g| g.server_mut(who.slot)) else { return };
        server.info = Some(text.clone());
        server.info_at = Some(now);
        server.replid = info.replid;
        server.knows_failover = info.knows_failover;
        server.failover_under_way = info.failover_under_way;
        server.offset = match info.role {
            Some(Role::Replica) => info.replica_offset.unwrap_or(0),
            _ => info.offset.unwrap_or(0),
        };
        let known = server.run_id;
        if let Some(run_id) = info.run_id {
            server.run_id = Some(run_id);
        }
        if known.is_some() && info.run_id.is_some() && known != info.run_id {
            if who.slot == Slot::Master {
                server.rebooted = Some(now);
            }
            self.tell(who, What::Plain(Plain::Reboot), cx);
            if let Slot::Replica(n) = who.slot
                && let Some(r) = self.groups.get_mut(&who.group).and_then(|g| g.replicas.get_mut(&n))
            {
                r.followed = false;
            }
        }
        if let Some(role) = info.role {
            self.role_reported(who, role, cx);
        }
        match who.slot {
            Slot::Master if info.role == Some(Role::Master) => self.replicas_listed(who.group, info, cx),
            Slot::Replica(n) => self.replica_said(who.group, n, info, cx),
            _ => {}
        }
        if self.tilt.is_none() {
            self.act_on(who, info, cx);
        }
    }

    fn role_reported(&mut self, who: Who, role: Role, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get_mut(&who.group) else { return };
        if let Slot::Replica(n) = who.slot
            && let Some(r) = group.replicas.get_mut(&n)
            && r.server.role != role
        {
            r.master_since = now;
        }
        let Some(server) = group.server_mut(who.slot).filter(|s| s.role != role) else { return };
        server.role = role;
        server.role_since = now;
        let expected = (role == Role::Master) == (who.slot == Slot::Master);
        self.tell(who, What::RoleChange { role, expected }, cx);
        self.judge_soon(who, cx);
    }

    /// A master lists its replicas: those that are new are watched.
    fn replicas_listed(&mut self, id: GroupId, info: &Info, cx: &mut Cx<'_>) {
        for (host, port) in &info.replicas {
            let addr = Address::new(host, *port);
            self.add_replica(id, &addr, cx);
        }
    }

    fn replica_said(&mut self, id: GroupId, n: u32, info: &Info, cx: &Cx<'_>) {
        let Some(r) = self.groups.get_mut(&id).and_then(|g| g.replicas.get_mut(&n)) else { return };
        if r.master != info.master {
            r.master.clone_from(&info.master);
            r.master_since = cx.now.mono;
        }
        r.followed |= info.role == Some(Role::Replica);
        r.link_up = info.link_up;
        r.link_down = info.link_down.unwrap_or_default();
        if let Some(priority) = info.priority {
            r.priority = priority;
        }
        r.announced = info.announced.unwrap_or(true);
    }

    fn act_on(&mut self, who: Who, info: &Info, cx: &mut Cx<'_>) {
        let id = who.group;
        let Some(group) = self.groups.get(&id) else { return };
        let state = group.failover.state;
        if let Slot::Replica(n) = who.slot {
            match info.role {
                Some(Role::Master) if group.failover.promoted == Some(n) && state == State::WaitPromotion => {
                    self.promotion_seen(id, cx);
                }
                Some(Role::Master) => self.convert(id, n, cx),
                Some(Role::Replica) => self.follow_right(id, n, cx),
                None => {}
            }
        }
        match state {
            State::SelectSlave => self.select(id, cx),
            State::ReconfSlaves => self.reconf_progress(who, cx),
            State::None
                if matches!(self.groups.get(&id).and_then(|g| g.failover.blocked), Some(Blocked::NoReplica { .. })) =>
            {
                self.consider(id, cx);
            }
            _ => {}
        }
    }

    /// A replica that reports that it is a master, as one that failed does when it comes back, is told to follow.
    fn convert(&mut self, id: GroupId, n: u32, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get(&id) else { return };
        let Some(r) = group.replicas.get(&n) else { return };
        // Answers that were on their way when it was told say nothing new.
        let told = r.told_at.is_some_and(|at| now.since(at) < TOLD_PATIENCE);
        if told || (group.failover.is_under_way() && group.failover.state != State::ReconfSlaves) {
            return;
        }
        // One that has never followed is an old master that comes back, and what a majority of sentinels says too is not
        // going to be told otherwise. One that followed may have been promoted by another just now: there is time for
        // that to be told.
        let elsewhere = group.vote.is_some_and(|v| v.epoch > group.config_epoch && v.leader != self.my_id());
        let at_once = !r.followed && !elsewhere && self.agreed(group, now);
        let wait = if at_once { Duration::ZERO } else { self.timing.publish_period * 4 };
        let settled = now.since(r.server.role_since) >= wait && r.server.down.is_none();
        if self.is_sane(group, now) && settled && !mutations::on(Mutation::LeavesOldMaster) {
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ConvertToReplica), cx);
            self.send_follow(id, n, cx);
        }
    }

    /// A replica that follows another than the master is told, once that has lasted.
    fn follow_right(&mut self, id: GroupId, n: u32, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(group) = self.groups.get(&id) else { return };
        let Some(r) = group.replicas.get(&n) else { return };
        let Some((host, port)) = &r.master else { return };
        if group.failover.is_under_way() || group.master.addr.is(host, *port) || self.is_alias(group, host, *port) {
            return;
        }
        let lasted = now.since(r.master_since) >= group.failover_timeout() && r.server.down.is_none();
        if self.is_sane(group, now) && lasted {
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::FixReplica), cx);
            self.send_follow(id, n, cx);
        }
    }

    /// Whether a master is one by its own word, recently, so that others may be sent to it.
    fn is_sane(&self, group: &Group, now: Instant) -> bool {
        group.master.role == Role::Master
            && group.master.down.is_none()
            && group.odown.is_none()
            && group.master.info_at.is_some_and(|at| now.since(at) < self.timing.info_period * 2)
    }

    /// Whether a majority of the sentinels has lately said that the master is where we know it.
    fn agreed(&self, group: &Group, now: Instant) -> bool {
        let lately = self.timing.publish_period * 3;
        let same = (group.peers.values())
            .filter(|p| now.since(p.hello_at) <= lately)
            .filter(|p| {
                p.told
                    .as_ref()
                    .is_some_and(|(epoch, addr)| *epoch == group.config_epoch && group.master.addr.same(addr))
            })
            .count() as u32;
        same + 1 > group.voters() / 2
    }

    /// Whether an address is another name of the master: a process of the same run id answers there.
    fn is_alias(&self, group: &Group, host: &str, port: u16) -> bool {
        let there = Address::new(host, port);
        group.master.run_id.is_some()
            && group.replicas.values().any(|r| r.server.addr.same(&there) && r.server.run_id == group.master.run_id)
    }

    /// A replica that was told to follow the promoted one shows how far it is.
    fn reconf_progress(&mut self, who: Who, cx: &mut Cx<'_>) {
        let Slot::Replica(n) = who.slot else { return };
        let Some(group) = self.groups.get(&who.group) else { return };
        let Some(r) = group.replicas.get(&n) else { return };
        let follows =
            r.server.role == Role::Replica && r.master.as_ref().is_some_and(|(h, p)| group.master.addr.is(h, *p));
        let (mut reconf, link_up) = (r.reconf, r.link_up);
        let mut steps = Vec::new();
        if reconf == Reconf::Sent && follows {
            reconf = Reconf::InProgress;
            steps.push(Plain::ReconfInProgress);
        }
        if reconf == Reconf::InProgress && follows && link_up {
            reconf = Reconf::Done;
            steps.push(Plain::ReconfDone);
        }
        if !steps.is_empty() {
            self.set_reconf(who.group, n, reconf, cx);
            for step in steps {
                self.tell(who, What::Plain(step), cx);
            }
        }
        if reconf == Reconf::Done {
            self.reconf_step(who.group, cx);
        }
    }
}
