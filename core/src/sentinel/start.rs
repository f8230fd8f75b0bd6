//! How a sentinel begins: its id, its masters, and those that its file knows.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::event::What;
use super::failover::Failover;
use super::info::Role;
use super::instance::{Address, Group, GroupId, Server, Slot, Vote, Who};
use super::{Cx, Key, Sentinel};
use crate::config::sentinel::{MasterSettings, SentinelConfig};
use crate::ids::{Ids, RunId};
use crate::machine::Meter;
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use crate::timers::Timers;

impl Sentinel {
    /// A sentinel with this configuration. It begins to act at its first `Tick`, which is due at once.
    pub fn new(config: SentinelConfig, seed: Seed, meter: Box<dyn Meter>) -> Self {
        let mut rng = Rng::new(seed);
        let mut timers = Timers::new();
        timers.set(Key::Start, Instant::ZERO);
        let my_id = config.global.myid.unwrap_or_else(|| RunId::random(&mut rng));
        Self {
            epoch: config.global.current_epoch,
            epoch_written: config.global.current_epoch,
            config,
            timing: super::Timing::default(),
            groups: alloc::collections::BTreeMap::new(),
            names: alloc::collections::BTreeMap::new(),
            last_group: 0,
            links: super::links::Links::default(),
            listeners: super::listen::Listeners::default(),
            scripts: super::scripts::Scripts::default(),
            my_id,
            tickets: 0,
            tickets_done: alloc::vec::Vec::new(),
            ready: VecDeque::new(),
            tilt: None,
            tilts: 0,
            crashes: 0,
            timers,
            ids: Ids::default(),
            rng,
            meter,
        }
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) {
        self.listen(cx);
        for set in self.config.masters.clone() {
            self.monitor(set, cx);
        }
    }

    /// Watches a master.
    pub(super) fn monitor(&mut self, set: MasterSettings, cx: &mut Cx<'_>) -> GroupId {
        let now = cx.now.mono;
        self.last_group += 1;
        let id = GroupId(self.last_group);
        let addr = Address::new(&set.host, set.port);
        let who = Who { group: id, slot: Slot::Master };
        let key = super::links::LinkKey::Server {
            host: addr.host.clone(),
            port: addr.port,
            user: set.auth_user.clone(),
            pass: set.auth_pass.clone(),
            renamed: set.renamed.clone(),
        };
        let link = self.acquire(key, &addr, who, cx);
        let vote = (set.leader_epoch > 0).then_some(Vote { leader: self.my_id, epoch: set.leader_epoch });
        let failover = Failover { reserved: set.leader_epoch, ..Failover::default() };
        let (quorum, name) = (set.quorum, Box::from(set.name.as_str()));
        self.names.insert(name, id);
        let group = Group {
            id,
            config_epoch: set.config_epoch,
            config_written: set.config_epoch,
            vote,
            master: Server::new(addr, link, Role::Master, now),
            odown: None,
            replicas: alloc::collections::BTreeMap::new(),
            peers: alloc::collections::BTreeMap::new(),
            failover,
            slots: 0,
            set,
        };
        let (replicas, sentinels) = (group.set.replicas.clone(), group.set.sentinels.clone());
        self.groups.insert(id, group);
        self.tune_link(link);
        self.arm_down(link, cx);
        self.tell(who, What::Monitor { quorum }, cx);
        for (host, port) in replicas {
            self.add_replica(id, &Address::new(&host, port), cx);
        }
        for known in sentinels {
            // Our own id in a file is a copy of another's file, not another sentinel.
            if known.run_id != Some(self.my_id) {
                self.add_peer(id, &Address::new(&known.host, known.port), known.run_id, cx);
            }
        }
        id
    }

    /// Watches a master no longer.
    pub(super) fn unmonitor(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(super::Plain::Unmonitored), cx);
        let Some(group) = self.groups.remove(&id) else { return };
        self.names.remove(group.name());
        for slot in group.slots() {
            if let Some(link) = group.link(slot) {
                self.release(link, Who { group: id, slot }, cx);
            }
        }
        for key in [Key::Ask(id), Key::Consider(id), Key::Rank(id), Key::Election(id), Key::Step(id)] {
            self.timers.clear(key);
        }
        self.touch_conf();
    }
}
