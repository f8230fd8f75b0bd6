//! Instances as maps: all that is known of a master, a replica or a sentinel, in Redis's order.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

use super::super::Sentinel;
use super::super::instance::{Down, Group, Peer, Reconf, Replica, Server, Slot};
use super::super::links::{InstanceLink, LinkId};
use crate::resp::Reply;
use crate::time::Instant;

/// The fields of a map.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    pub(super) fn put(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, value.to_string()));
    }

    pub(super) fn write(&self, r: &mut Reply<'_>) {
        r.map(self.0.len());
        for (name, value) in &self.0 {
            r.bulk(name.as_bytes());
            r.bulk(value.as_bytes());
        }
    }
}

/// How long ago, in ms; 0 if never.
fn age(now: Instant, at: Option<Instant>) -> u128 {
    at.map_or(0, |at| now.since(at).as_millis())
}

impl Sentinel {
    pub(super) fn master_map(&self, group: &Group, now: Instant) -> Fields {
        let mut f = Fields::default();
        let set = &group.set;
        f.put("name", group.name());
        self.server_fields(&mut f, group, Slot::Master, &group.master, now);
        f.put("config-epoch", group.config_epoch);
        f.put("num-slaves", group.replicas.len());
        f.put("num-other-sentinels", group.peers.len());
        f.put("quorum", set.quorum);
        f.put("failover-timeout", set.failover_timeout_ms);
        f.put("parallel-syncs", set.parallel_syncs);
        for (name, script) in
            [("notification-script", &set.notification_script), ("client-reconfig-script", &set.client_reconfig_script)]
        {
            if !script.is_empty() {
                f.put(name, script);
            }
        }
        f
    }

    pub(super) fn replica_map(&self, group: &Group, n: u32, replica: &Replica, now: Instant) -> Fields {
        let mut f = Fields::default();
        f.put("name", replica.name());
        self.server_fields(&mut f, group, Slot::Replica(n), &replica.server, now);
        f.put("master-link-down-time", replica.link_down.as_millis());
        f.put("master-link-status", if replica.link_up { "ok" } else { "err" });
        f.put("master-host", replica.master.as_ref().map_or("?", |m| &m.0));
        f.put("master-port", replica.master.as_ref().map_or(0, |m| m.1));
        f.put("slave-priority", replica.priority);
        f.put("slave-repl-offset", replica.server.offset);
        f.put("replica-announced", u8::from(replica.announced));
        f
    }

    pub(super) fn peer_map(&self, group: &Group, n: u32, peer: &Peer, now: Instant) -> Fields {
        let mut f = Fields::default();
        let id = peer.run_id.map(|id| id.to_string());
        f.put("name", id.clone().unwrap_or_else(|| peer.addr.to_string()));
        f.put("ip", peer.addr.shown(self.config.global.announce_hostnames));
        f.put("port", peer.addr.port);
        f.put("runid", id.unwrap_or_default());
        f.put("flags", self.flags(group, Slot::Peer(n), now));
        self.link_fields(&mut f, group, Slot::Peer(n), peer.link, peer.down.as_ref(), now);
        f.put("last-hello-message", age(now, Some(peer.hello_at)));
        f.put("voted-leader", peer.vote.map_or_else(|| "?".to_string(), |v| v.leader.to_string()));
        f.put("voted-leader-epoch", peer.vote.map_or(0, |v| v.epoch));
        f
    }

    fn server_fields(&self, f: &mut Fields, group: &Group, slot: Slot, server: &Server, now: Instant) {
        f.put("ip", server.addr.shown(self.config.global.announce_hostnames));
        f.put("port", server.addr.port);
        f.put("runid", server.run_id.map(|id| id.to_string()).unwrap_or_default());
        f.put("flags", self.flags(group, slot, now));
        self.link_fields(f, group, slot, server.link, server.down.as_ref(), now);
        f.put("info-refresh", age(now, server.info_at));
        f.put("role-reported", server.role.word());
        f.put("role-reported-time", age(now, Some(server.role_since)));
    }

    fn link_fields(&self, f: &mut Fields, group: &Group, slot: Slot, id: LinkId, down: Option<&Down>, now: Instant) {
        let link = self.links.get(id);
        f.put("link-pending-commands", link.map_or(0, InstanceLink::pending));
        // Servers count as not shared, as they are not in Redis.
        f.put("link-refcount", link.filter(|l| !l.is_server()).map_or(1, |l| l.users.len()));
        if slot == Slot::Master && group.failover.is_under_way() {
            f.put("failover-state", group.failover.state.word());
        }
        f.put("last-ping-sent", age(now, link.and_then(|l| l.unanswered)));
        f.put("last-ok-ping-reply", age(now, link.map(|l| l.good)));
        f.put("last-ping-reply", age(now, link.map(|l| l.answered)));
        if let Some(down) = down {
            f.put("s-down-time", age(now, Some(down.since)));
        }
        if let Some(odown) = group.odown.filter(|_| slot == Slot::Master) {
            f.put("o-down-time", age(now, Some(odown)));
        }
        f.put("down-after-milliseconds", group.set.down_after_ms);
    }

    /// The words of the field `flags`.
    fn flags(&self, group: &Group, slot: Slot, now: Instant) -> String {
        let (failover, server) = (&group.failover, group.server(slot));
        let master = slot == Slot::Master;
        let (replica, peer) = match slot {
            Slot::Master => (None, None),
            Slot::Replica(n) => (group.replicas.get(&n), None),
            Slot::Peer(n) => (None, group.peers.get(&n)),
        };
        let link = group.link(slot).and_then(|id| self.links.get(id));
        let answer = peer.and_then(|p| p.answer).filter(|a| now.since(a.at) <= self.timing.answer_valid());
        let reconf = |at: Reconf| replica.is_some_and(|r| r.reconf == at);
        let promoted = matches!(slot, Slot::Replica(n) if failover.promoted == Some(n));
        let words = [
            (group.down(slot).is_some(), "s_down"),
            (master && group.odown.is_some(), "o_down"),
            (master, "master"),
            (replica.is_some(), "slave"),
            (peer.is_some(), "sentinel"),
            (link.is_none_or(InstanceLink::is_disconnected), "disconnected"),
            (answer.is_some_and(|a| a.down), "master_down"),
            (master && failover.is_under_way(), "failover_in_progress"),
            (promoted, "promoted"),
            (reconf(Reconf::Sent), "reconf_sent"),
            (reconf(Reconf::InProgress), "reconf_inprog"),
            (reconf(Reconf::Done), "reconf_done"),
            (master && failover.forced, "force_failover"),
            (master && failover.coordinated, "coordinated_failover"),
            (server.is_some_and(|s| s.script_kill_sent), "script_kill_sent"),
            (server.is_some_and(|s| s.rebooted.is_some()), "master_reboot"),
        ];
        let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        words.join(",")
    }
}
