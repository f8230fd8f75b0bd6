//! A master gets another address: who is what from then on.

use alloc::boxed::Box;

use super::event::{Plain, What};
use super::info::Role;
use super::instance::{Address, GroupId, Reconf, Replica, Server, Slot, Who};
use super::{Cx, Key, Sentinel};

impl Sentinel {
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
        group.failover.tally.switches += 1;
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
        // What it is down for is said anew, of the replica that it is now.
        (old.rebooted, old.down) = (None, None);
        (old.role, old.role_since) = (Role::Replica, now);
        let link = old.link;
        let replica = Replica::new(old, now);
        group.replicas.insert(n, Box::new(replica));
        group.failover.old = Some(n);
        let name = group.set.name.as_str().into();
        // The link of the old master keeps its user under the new name; the new master's joined under the old one.
        self.reassign(link, old_who, new_who);
        let names = self.config.global.announce_hostnames;
        let what = What::Switch { name, from: (from.shown(names), from.port), to: (to.shown(names), to.port) };
        self.tell_alone(what, cx);
        self.tell(new_who, What::Plain(Plain::ReplicaFound), cx);
        self.drop_doubles(id, cx);
        self.hello_all(id, cx);
        self.touch_conf();
        self.judge_soon(Who { group: id, slot: Slot::Master }, cx);
        self.judge(new_who, cx);
    }
}
