//! What sentinel.conf would say of the present.

use alloc::string::ToString;

use super::Sentinel;
use super::instance::Group;
use crate::client::Access as _;
use crate::config::sentinel::{KnownSentinel, MasterSettings, SentinelConfig};

impl Sentinel {
    /// The configuration as it is now: what the user wants, and what is known.
    pub fn as_config(&self) -> SentinelConfig {
        let mut config = self.config.clone();
        // A user of whom no line can be written keeps the one that is there.
        if self.clients.started.is_some()
            && let Ok(lines) = self.user_lines()
        {
            config.settings.users = lines;
        }
        config.global.myid = Some(self.my_id);
        config.global.current_epoch = self.epoch;
        config.masters = self.groups().map(settings).collect();
        config
    }
}

fn settings(group: &Group) -> MasterSettings {
    MasterSettings {
        host: group.master.addr.host.to_string(),
        port: group.master.addr.port,
        config_epoch: group.config_epoch,
        leader_epoch: group.vote.map_or(0, |v| v.epoch).max(group.set.leader_epoch),
        replicas: group.replicas.values().map(|r| (r.server.addr.host.to_string(), r.server.addr.port)).collect(),
        sentinels: (group.peers.values())
            .filter(|p| p.addr.port > 0)
            .map(|p| KnownSentinel { host: p.addr.host.to_string(), port: p.addr.port, run_id: p.run_id })
            .collect(),
        ..group.set.clone()
    }
}
