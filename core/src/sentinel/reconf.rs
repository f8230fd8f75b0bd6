//! The replicas of a promoted one: told to follow it, so many at a time.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::event::{Plain, What};
use super::failover::State;
use super::instance::{GroupId, Reconf, Replica, Slot, Who};
use super::{Cx, Key, Sentinel};

/// How often replicas that are on their way to a new master are looked at.
const RECONF_POLL: Duration = Duration::from_millis(100);

impl Sentinel {
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
        let old = group.failover.old;
        let busy = group.replicas.values().filter(|r| matches!(r.reconf, Reconf::Sent | Reconf::InProgress)).count();
        let ready = |r: &Replica| r.reconf == Reconf::None && r.server.down.is_none() && self.is_up(r.server.link);
        let waiting = group.replicas.iter().filter(|&(&n, r)| ready(r) && Some(n) != old).map(|(&n, _)| n);
        // An old master that lives takes writes that will be lost: it is told first, whatever parallel-syncs says.
        let first = old.filter(|n| group.replicas.get(n).is_some_and(|r| ready(r)));
        let next: Vec<u32> = first.into_iter().chain(waiting.take(most.saturating_sub(busy))).collect();
        for n in next {
            self.send_follow(id, n, cx);
            self.set_reconf(id, n, Reconf::Sent, cx);
            self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ReconfSent), cx);
        }
        let Some(group) = self.groups.get(&id) else { return };
        // The master that failed is not waited for: it is told when it comes back.
        let is_done = |n: u32, r: &Replica| r.reconf == Reconf::Done || r.server.down.is_some() || Some(n) == old;
        if group.replicas.iter().all(|(&n, r)| is_done(n, r)) {
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
        self.send_reconfiguration(link, Some(&["SLAVEOF", &host, &port]), false, None, cx);
        self.info_now(link, cx);
        if let Some(replica) = self.groups.get_mut(&id).and_then(|g| g.replicas.get_mut(&n)) {
            replica.told_at = Some(cx.now.mono);
        }
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
        self.leaves_state(id, cx.now.mono);
        if let Some(group) = self.groups.get_mut(&id) {
            group.failover.finish();
            // How far each had come belongs to this failover, and would be shown among its flags for ever.
            group.replicas.values_mut().for_each(|r| r.reconf = Reconf::None);
        }
        self.touch_conf();
    }
}
