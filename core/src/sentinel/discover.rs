//! How replicas and sentinels are found, and configurations passed on.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::elect::MAX_EPOCH;
use super::event::{Plain, What};
use super::hello::Hello;
use super::info::{MAX_REPLICAS, Role};
use super::instance::{Address, GroupId, Peer, Replica, Server, Slot, Who};
use super::links::{LinkId, LinkKey};
use super::scripts::Reconfigured;
use super::state::Record;
use super::{Cx, Said, Sentinel};
use crate::ids::RunId;
use crate::machine::Level;

/// Sentinels of one master, at most: a guard against somebody who makes them up.
pub const MAX_PEERS: usize = 256;
/// So far may an epoch from outside lead ours: each failover takes one, so more is no epoch but a lie or an accident.
pub const MAX_LEAD: u64 = 1 << 32;

impl Sentinel {
    /// Whether an epoch from outside can be one.
    pub(super) fn believable(&self, epoch: u64) -> bool {
        epoch <= self.epoch.saturating_add(MAX_LEAD).min(MAX_EPOCH)
    }

    /// The connections of a server of a group.
    pub(super) fn acquire_server(&mut self, id: GroupId, addr: &Address, slot: Slot, cx: &mut Cx<'_>) -> LinkId {
        let key = self.server_key(id, addr);
        self.acquire(key, addr, Who { group: id, slot }, cx)
    }

    /// Watches a replica that is not known yet; whether it is new.
    pub(super) fn add_replica(&mut self, id: GroupId, addr: &Address, cx: &mut Cx<'_>) -> bool {
        if addr.port == 0 || (addr.is_name() && !self.config.global.resolve_hostnames) {
            return false;
        }
        let Some(group) = self.groups.get_mut(&id) else { return false };
        if group.master.addr.same(addr) || group.replica_at(addr).is_some() || group.replicas.len() >= MAX_REPLICAS {
            return false;
        }
        let n = group.fresh_slot();
        let link = self.acquire_server(id, addr, Slot::Replica(n), cx);
        let now = cx.now.mono;
        let server = Server::new(addr.clone(), link, Role::Replica, now);
        if let Some(group) = self.groups.get_mut(&id) {
            group.replicas.insert(n, Box::new(Replica::new(server, now)));
        }
        self.tune_link(link);
        self.tell(Who { group: id, slot: Slot::Replica(n) }, What::Plain(Plain::ReplicaFound), cx);
        self.touch_conf();
        true
    }

    /// Watches a sentinel that is not known yet.
    pub(super) fn add_peer(
        &mut self,
        id: GroupId,
        addr: &Address,
        run_id: Option<RunId>,
        cx: &mut Cx<'_>,
    ) -> Option<u32> {
        let group = self.groups.get_mut(&id)?;
        if group.peers.len() >= MAX_PEERS {
            return None;
        }
        let n = group.fresh_slot();
        let key = match run_id {
            Some(run_id) => LinkKey::Peer(run_id),
            None => LinkKey::Unnamed { host: addr.host.clone(), port: addr.port },
        };
        let link = self.acquire(key, addr, Who { group: id, slot: Slot::Peer(n) }, cx);
        let peer = Peer {
            addr: addr.clone(),
            run_id,
            link,
            down: None,
            hello_at: cx.now.mono,
            told: None,
            answer: None,
            vote: None,
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.peers.insert(n, Box::new(peer));
        }
        self.tune_link(link);
        Some(n)
    }

    /// A replica is not watched any more.
    pub(super) fn forget_replica(&mut self, id: GroupId, n: u32, cx: &mut Cx<'_>) {
        if let Some(replica) = self.groups.get_mut(&id).and_then(|g| g.replicas.remove(&n)) {
            self.release(replica.server.link, Who { group: id, slot: Slot::Replica(n) }, cx);
            self.touch_conf();
        }
    }

    /// A server that is known by its name and by its address is one: as what it was known first stays. Told apart, one of
    /// the two would be sent to follow the other.
    pub(super) fn drop_doubles(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let kept = group.failover.promoted;
        let order = || group.replicas.iter().map(|(&n, r)| (n, &r.server.addr));
        let is_double = |(n, addr): &(u32, &Address)| {
            let earlier = |(m, other): (u32, &Address)| (m < *n || kept == Some(m)) && m != *n && other.same(addr);
            Some(*n) != kept && (group.master.addr.same(addr) || order().any(earlier))
        };
        for n in order().filter(is_double).map(|(n, _)| n).collect::<Vec<_>>() {
            self.forget_replica(id, n, cx);
        }
    }

    /// A sentinel is not known any more: it counts among the voters no longer.
    pub(super) fn forget_peer(&mut self, id: GroupId, n: u32, cx: &mut Cx<'_>) {
        if let Some(peer) = self.groups.get_mut(&id).and_then(|g| g.peers.remove(&n)) {
            self.release(peer.link, Who { group: id, slot: Slot::Peer(n) }, cx);
            self.touch_conf();
        }
    }

    /// What we say of ourselves and of a master to the process behind a link; nothing while we do not know our address.
    pub(super) fn hello_of(&self, id: GroupId, link: LinkId) -> Option<alloc::string::String> {
        let group = self.groups.get(&id)?;
        let global = &self.config.global;
        let host: Box<str> = match global.announce_ip.as_str() {
            "" => self.links.get(link)?.local.clone()?,
            announced => announced.into(),
        };
        let hello = Hello {
            host,
            port: self.announced_port(),
            run_id: self.my_id(),
            epoch: self.epoch,
            name: group.name().into(),
            master_host: group.master.addr.shown(global.announce_hostnames),
            master_port: group.master.addr.port,
            config_epoch: group.config_epoch,
        };
        Some(hello.to_string())
    }

    /// Tells everybody of a master about it now: they are to hear of a change before anything else.
    pub(super) fn hello_all(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        for link in group.slots().filter_map(|s| group.link(s)).collect::<Vec<_>>() {
            if let Some(text) = self.hello_of(id, link) {
                self.send_hello(link, &text, cx);
            }
        }
    }

    /// A hello came, by a server's channel or straight from its sender.
    pub(super) fn heard_hello(&mut self, text: &[u8], cx: &mut Cx<'_>) {
        let Some(hello) = Hello::parse(text) else { return };
        let Some(&id) = self.names.get(&*hello.name) else { return };
        if hello.run_id == self.my_id() || self.tilt.is_some() && !self.groups.contains_key(&id) {
            return;
        }
        if !self.believable(hello.epoch) || !self.believable(hello.config_epoch) {
            let text = alloc::format!(
                "A hello from {}:{} names epochs that cannot be ({}, {}).",
                hello.host,
                hello.port,
                hello.epoch,
                hello.config_epoch
            );
            return self.note(Level::Warning, &text, cx);
        }
        let addr = Address::new(&hello.host, hello.port);
        let Some(peer) = self.meet(id, hello.run_id, &addr, cx) else { return };
        let told = Address::new(&hello.master_host, hello.master_port);
        if let Some(p) = self.groups.get_mut(&id).and_then(|g| g.peers.get_mut(&peer)) {
            p.hello_at = cx.now.mono;
            p.told = Some((hello.config_epoch, told.clone()));
        }
        if hello.epoch > self.epoch && hello.epoch > self.epoch_written {
            self.epoch_written = hello.epoch;
            self.record(alloc::vec![Record::CurrentEpoch(hello.epoch)], Said::Epoch(hello.epoch), cx);
        }
        self.told_configuration(id, peer, hello.config_epoch, &told, cx);
    }

    /// The sentinel of a hello: known, known elsewhere, or new.
    fn meet(&mut self, id: GroupId, run_id: RunId, addr: &Address, cx: &mut Cx<'_>) -> Option<u32> {
        if addr.is_name() && !self.config.global.resolve_hostnames {
            return None;
        }
        let group = self.groups.get(&id)?;
        if let Some(n) = group.peer_of(run_id) {
            if !group.peers.get(&n)?.addr.same(addr) {
                self.peer_moved(id, run_id, addr, cx);
            }
            return Some(n);
        }
        // One of a configuration without ids, at this address: that was its place.
        let place = group.peers.iter().find(|(_, p)| p.addr.same(addr)).map(|(&n, p)| (n, p.run_id));
        match place {
            Some((n, None)) => self.forget_peer(id, n, cx),
            Some((n, Some(other))) => self.invalidate(id, n, other, cx),
            None => {}
        }
        let n = self.add_peer(id, addr, Some(run_id), cx)?;
        self.tell(Who { group: id, slot: Slot::Peer(n) }, What::Plain(Plain::SentinelFound), cx);
        self.touch_conf();
        Some(n)
    }

    /// A sentinel has another address than we knew: under all masters.
    fn peer_moved(&mut self, id: GroupId, run_id: RunId, addr: &Address, cx: &mut Cx<'_>) {
        let mut others = 0;
        let mut link = None;
        for group in self.groups.values_mut() {
            for peer in group.peers.values_mut().filter(|p| p.run_id == Some(run_id)) {
                peer.addr = addr.clone();
                link = Some(peer.link);
                others += u32::from(group.id != id);
            }
        }
        if let Some(link) = link {
            self.move_link(link, addr, cx);
        }
        let who = Who { group: id, slot: Slot::Master };
        let what = What::AddressSwitch { host: addr.host.clone(), port: addr.port, run_id };
        self.tell(who, what, cx);
        if others > 0 {
            self.tell(who, What::AddressUpdate(others), cx);
        }
        self.touch_conf();
    }

    /// The address of a sentinel belongs to another now: it keeps its vote among the voters, and is not called there.
    fn invalidate(&mut self, id: GroupId, n: u32, run_id: RunId, cx: &mut Cx<'_>) {
        self.tell(Who { group: id, slot: Slot::Peer(n) }, What::Plain(Plain::InvalidAddr), cx);
        let mut moved = None;
        for peer in self.groups.values_mut().flat_map(|g| g.peers.values_mut()).filter(|p| p.run_id == Some(run_id)) {
            peer.addr.port = 0;
            moved = Some((peer.link, peer.addr.clone()));
        }
        if let Some((link, addr)) = moved {
            self.move_link(link, &addr, cx);
        }
    }

    /// A sentinel told where a master is: the newer configuration counts, and of two of one epoch the same one everywhere.
    fn told_configuration(&mut self, id: GroupId, peer: u32, epoch: u64, told: &Address, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let written = group.config_written.max(group.config_epoch);
        let tie = epoch == group.config_epoch && epoch >= written && !group.master.addr.same(told);
        if epoch <= written && !(tie && wins(group, told)) {
            return;
        }
        if told.is_name() && !self.config.global.resolve_hostnames {
            return;
        }
        group.config_written = epoch;
        let (name, host) = (group.set.name.clone(), told.host.to_string());
        let record = Record::Config { master: name, epoch, host, port: told.port };
        self.record(alloc::vec![record], Said::Configured { group: id, epoch, to: told.clone(), peer }, cx);
    }

    /// A configuration that was told is on the disk.
    pub(super) fn configured(&mut self, id: GroupId, epoch: u64, to: &Address, peer: u32, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if epoch < group.config_epoch {
            return;
        }
        group.config_epoch = epoch;
        let from = group.master.addr.clone();
        if from.same(to) {
            // Our own attempt at what another has done is over.
            self.touch_conf();
            self.superseded(id, cx);
            return;
        }
        group.failover.tally.overtaken(group.failover.state);
        group.failover.finish();
        self.tell(Who { group: id, slot: Slot::Peer(peer) }, What::Plain(Plain::ConfigFrom), cx);
        self.switch(id, to, cx);
        self.client_script(id, Reconfigured::Observer, &from, to, cx);
        if let Some(link) = self.groups.get(&id).map(|g| g.master.link) {
            self.info_now(link, cx);
        }
    }
}

/// Of two configurations of one epoch, as after a restart from files that name different masters: one whose master says
/// itself that it is a replica loses; else the lesser address wins, everywhere.
fn wins(group: &super::instance::Group, told: &Address) -> bool {
    let there = group.replica_at(told).and_then(|n| group.replicas.get(&n));
    let known = |s: &Server| s.info_at.is_some();
    let ours_is_replica = known(&group.master) && group.master.role == Role::Replica;
    let theirs_is_replica = there.is_some_and(|r| known(&r.server) && r.server.role == Role::Replica);
    match (ours_is_replica, theirs_is_replica) {
        (true, false) => true,
        (false, true) => false,
        _ => (&told.host, told.port) < (&group.master.addr.host, group.master.addr.port),
    }
}
