//! sentinel.conf: text to typed settings and back.
//!
//! A sentinel's file is two things at once: what its user wants, and what it knows (epochs, votes, replicas, other
//! sentinels). [`SentinelConfig`] holds both. It reads and writes the form that redis-sentinel and valkey-sentinel read
//! and write, so that a file can go from one program to another.

mod check;
mod load;
mod options;
mod rewrite;
mod set;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{BindAddress, Settings};
use crate::ids::RunId;

pub use load::{Executable, Loader};
pub use set::{Change, SentinelSetError};

/// The port of a sentinel, unless its file says another.
pub const DEFAULT_PORT: u16 = 26379;
/// `down-after-milliseconds` of a master that has no such line.
pub const DEFAULT_DOWN_AFTER_MS: u64 = 30_000;
/// `failover-timeout` of a master that has no such line, in ms.
pub const DEFAULT_FAILOVER_TIMEOUT_MS: u64 = 180_000;
/// `parallel-syncs` of a master that has no such line.
pub const DEFAULT_PARALLEL_SYNCS: u32 = 1;

/// The configuration of one sentinel.
#[derive(Clone, PartialEq, Debug)]
pub struct SentinelConfig {
    /// Ordinary directives (`bind`, `requirepass`, `logfile`). [`Default`] is a server's but for what Redis makes
    /// different for a sentinel: port 26379, all addresses, no `protected-mode`, no snapshots.
    pub settings: Settings,
    /// Directives that begin with `sentinel` and name no master.
    pub global: SentinelSettings,
    /// The masters, in the order of the file. No two have the same name.
    pub masters: Vec<MasterSettings>,
}

/// What `sentinel` directives say of the sentinel itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentinelSettings {
    /// `myid`: its own run id; none before its first start.
    pub myid: Option<RunId>,
    /// `current-epoch`: the highest epoch that it has seen.
    pub current_epoch: u64,
    /// `announce-ip`: the address that it tells others; empty for the one its connections come from.
    pub announce_ip: String,
    /// `announce-port`: the port that it tells others; 0 for its own.
    pub announce_port: u16,
    /// `deny-scripts-reconfig`: whether `SENTINEL SET` may not change scripts (`yes`).
    pub deny_scripts_reconfig: bool,
    /// `sentinel-user`: as whom it logs in at other sentinels; empty for the default user.
    pub sentinel_user: String,
    /// `sentinel-pass`: with which password; empty for none.
    pub sentinel_pass: String,
    /// `resolve-hostnames`: whether addresses may be host names.
    pub resolve_hostnames: bool,
    /// `announce-hostnames`: whether names instead of addresses are told to others.
    pub announce_hostnames: bool,
    /// `state-file` (Primacy's own): the file of epochs and votes; empty for the one beside the configuration file,
    /// whose name ends in `.state`.
    pub state_file: String,
}

impl Default for SentinelSettings {
    fn default() -> Self {
        Self {
            myid: None,
            current_epoch: 0,
            announce_ip: String::new(),
            announce_port: 0,
            deny_scripts_reconfig: true,
            sentinel_user: String::new(),
            sentinel_pass: String::new(),
            resolve_hostnames: false,
            announce_hostnames: false,
            state_file: String::new(),
        }
    }
}

/// What `sentinel` directives say of one master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterSettings {
    /// Its name for clients and other sentinels.
    pub name: String,
    /// Its address or host name.
    pub host: String,
    /// Its port, never 0.
    pub port: u16,
    /// How many sentinels have to see it down, at least 1.
    pub quorum: u32,
    /// `down-after-milliseconds`, at least 1.
    pub down_after_ms: u64,
    /// `failover-timeout` in ms, at least 1.
    pub failover_timeout_ms: u64,
    /// `parallel-syncs`: replicas that are sent to a new master at a time, at least 1.
    pub parallel_syncs: u32,
    /// `notification-script`: a program that is told of warnings; empty for none.
    pub notification_script: String,
    /// `client-reconfig-script`: a program that is told of a new address; empty for none.
    pub client_reconfig_script: String,
    /// `auth-user`: as whom to log in at the master and its replicas; empty for the default user.
    pub auth_user: String,
    /// `auth-pass`: with which password; empty for none.
    pub auth_pass: String,
    /// `config-epoch`: the epoch in which this address was agreed on.
    pub config_epoch: u64,
    /// `leader-epoch`: the last epoch in which this sentinel gave its vote.
    pub leader_epoch: u64,
    /// `master-reboot-down-after-period` in ms: how long a master that restarted may load its data before it counts as
    /// down; 0 for no such rule.
    pub reboot_down_after_ms: u64,
    /// `rename-command`: commands in upper case, and what they are called there.
    pub renamed: BTreeMap<String, String>,
    /// `known-replica`: addresses and ports of its replicas.
    pub replicas: Vec<(String, u16)>,
    /// `known-sentinel`: the others that watch it.
    pub sentinels: Vec<KnownSentinel>,
}

/// Another sentinel that watches the same master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownSentinel {
    /// Its address or host name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its run id, if it is known: without it a line only reserves a place until the sentinel says who it is.
    pub run_id: Option<RunId>,
}

impl Default for SentinelConfig {
    fn default() -> Self {
        let settings = Settings {
            port: DEFAULT_PORT,
            bind: ["*", "-::*"].map(BindAddress::new).into(),
            protected_mode: false,
            save: Vec::new(),
            ..Settings::default()
        };
        Self { settings, global: SentinelSettings::default(), masters: Vec::new() }
    }
}

impl SentinelConfig {
    /// Redis's defaults for a sentinel; no masters.
    pub fn new() -> Self {
        Self::default()
    }

    /// The master of this name.
    pub fn master(&self, name: &str) -> Option<&MasterSettings> {
        self.masters.iter().find(|m| m.name == name)
    }

    /// The master of this name.
    pub fn master_mut(&mut self, name: &str) -> Option<&mut MasterSettings> {
        self.masters.iter_mut().find(|m| m.name == name)
    }
}

impl MasterSettings {
    /// A master with Redis's defaults for all that `sentinel monitor` does not say.
    pub fn new(name: &str, host: &str, port: u16, quorum: u32) -> Self {
        Self {
            name: name.into(),
            host: host.into(),
            port,
            quorum,
            down_after_ms: DEFAULT_DOWN_AFTER_MS,
            failover_timeout_ms: DEFAULT_FAILOVER_TIMEOUT_MS,
            parallel_syncs: DEFAULT_PARALLEL_SYNCS,
            notification_script: String::new(),
            client_reconfig_script: String::new(),
            auth_user: String::new(),
            auth_pass: String::new(),
            config_epoch: 0,
            leader_epoch: 0,
            reboot_down_after_ms: 0,
            renamed: BTreeMap::new(),
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
