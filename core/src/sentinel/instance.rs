//! Masters, their replicas and the other sentinels, as this sentinel sees them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;

use super::event::DownReason;
use super::failover::Failover;
use super::info::Role;
use super::links::LinkId;
use crate::config::sentinel::MasterSettings;
use crate::ids::RunId;
use crate::mutations::{self, Mutation};
use crate::replication::ReplId;
use crate::time::Instant;

/// A master that is watched, by its number: names are for people, and may be given anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GroupId(pub(super) u32);

/// One of those who belong to a master.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Slot {
    /// The master itself.
    Master,
    /// A replica.
    Replica(u32),
    /// Another sentinel.
    Peer(u32),
}

/// An instance: whose, and which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Who {
    /// Its master.
    pub group: GroupId,
    /// Which one there.
    pub slot: Slot,
}

/// Where an instance is: as it was named, and what that resolved to.
#[derive(Clone, Debug)]
pub struct Address {
    /// A literal address or a name.
    pub host: Box<str>,
    /// The address, if it is known.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Address {
    /// An address by its name or its literal form.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), ip: host.parse().ok(), port }
    }

    /// Whether it is a name, which has to be resolved.
    pub fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// Whether both are one place, as far as is known.
    pub fn same(&self, other: &Self) -> bool {
        self.port == other.port
            && (self.host.eq_ignore_ascii_case(&other.host) || (self.ip.is_some() && self.ip == other.ip))
    }

    /// Whether it is this host and port.
    pub fn is(&self, host: &str, port: u16) -> bool {
        self.same(&Self::new(host, port))
    }

    /// How it is told to others: by name only where names are announced.
    pub fn shown(&self, names: bool) -> Box<str> {
        match self.ip {
            Some(ip) if !names => alloc::format!("{ip}").into(),
            _ => self.host.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Since when an instance is subjectively down, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Down {
    /// Since when.
    pub since: Instant,
    /// Why.
    pub why: DownReason,
}

/// A master or a replica: its process, and what its last INFO said.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub addr: Address,
    /// The process's id; it changes when the server is started anew.
    pub run_id: Option<RunId>,
    /// Its connections.
    pub(super) link: LinkId,
    /// Whether it is subjectively down.
    pub down: Option<Down>,
    /// The role that it reports; at first the one that it should have.
    pub role: Role,
    /// Since when it reports that.
    pub role_since: Instant,
    /// When the last INFO came.
    pub info_at: Option<Instant>,
    /// The last INFO, shared by all that one process is.
    pub info: Option<Bytes>,
    /// The replication id in it.
    pub replid: Option<ReplId>,
    /// The replication offset in it, of whichever role.
    pub offset: u64,
    /// It knows the command FAILOVER.
    pub knows_failover: bool,
    /// A FAILOVER of its own is under way.
    pub failover_under_way: bool,
    /// Since when a reboot of it counts, until its role was seen again (`master-reboot-down-after-period`).
    pub rebooted: Option<Instant>,
    /// `SCRIPT KILL` was sent since it last answered well.
    pub script_kill_sent: bool,
}

impl Server {
    /// A server that is known by its address only.
    pub(super) fn new(addr: Address, link: LinkId, role: Role, now: Instant) -> Self {
        Self {
            addr,
            run_id: None,
            link,
            down: None,
            role,
            role_since: now,
            info_at: None,
            info: None,
            replid: None,
            offset: 0,
            knows_failover: false,
            failover_under_way: false,
            rebooted: None,
            script_kill_sent: false,
        }
    }
}

/// How far a replica is in being told to follow the promoted one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reconf {
    /// Not told, or not concerned.
    #[default]
    None,
    /// Told.
    Sent,
    /// It reports its new master.
    InProgress,
    /// It has the data.
    Done,
}

/// A replica.
#[derive(Debug)]
pub struct Replica {
    /// Its process.
    pub server: Server,
    /// The master that it follows, as it says.
    pub master: Option<(Box<str>, u16)>,
    /// Since when it says so.
    pub master_since: Instant,
    /// Its link to the master is up.
    pub link_up: bool,
    /// How long that link has been down, when the last INFO came.
    pub link_down: Duration,
    /// `replica-priority`; 0 is never promoted.
    pub priority: u32,
    /// `replica-announced`.
    pub announced: bool,
    /// When it was last told whom to follow.
    pub told_at: Option<Instant>,
    /// It has said itself, since it was started and since it is no master, that it is a replica.
    pub followed: bool,
    /// How far it is in following a promoted one.
    pub reconf: Reconf,
    /// Since when.
    pub reconf_at: Instant,
}

impl Replica {
    /// A replica that is known by its address only.
    pub(super) fn new(server: Server, now: Instant) -> Self {
        Self {
            server,
            master: None,
            master_since: now,
            link_up: false,
            link_down: Duration::ZERO,
            priority: 100,
            announced: true,
            told_at: None,
            followed: false,
            reconf: Reconf::None,
            reconf_at: now,
        }
    }

    /// Its name: its address, as Redis has it.
    pub fn name(&self) -> String {
        alloc::format!("{}", self.server.addr)
    }
}

/// What another sentinel answered about a master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// When.
    pub at: Instant,
    /// Whether it sees the master down.
    pub down: bool,
}

/// Another sentinel that watches the same master.
#[derive(Debug)]
pub struct Peer {
    /// Where it is; port 0 once another sentinel has its address.
    pub addr: Address,
    /// Its id; unknown for one of a configuration without ids.
    pub run_id: Option<RunId>,
    /// The command connection, shared by all masters.
    pub(super) link: LinkId,
    /// Whether it is subjectively down.
    pub down: Option<Down>,
    /// When its last hello came.
    pub hello_at: Instant,
    /// The configuration epoch and address of the master in it.
    pub told: Option<(u64, Address)>,
    /// Its last answer about the master.
    pub answer: Option<Answer>,
    /// Its last known vote: for whom, in which epoch.
    pub vote: Option<Vote>,
}

/// A vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vote {
    /// For whom.
    pub leader: RunId,
    /// In which epoch.
    pub epoch: u64,
}

/// A master with all that belongs to it.
#[derive(Debug)]
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// What was configured: name, quorum, times, scripts. Address, epochs, replicas and sentinels in it are those of
    /// the start; the present ones stand beside it.
    pub set: MasterSettings,
    /// The epoch of its configuration.
    pub config_epoch: u64,
    /// The highest configuration epoch that is, or is being, written.
    pub(super) config_written: u64,
    /// Our last vote about it.
    pub vote: Option<Vote>,
    /// The master.
    pub master: Server,
    /// Since when it is objectively down.
    pub odown: Option<Instant>,
    /// Its replicas; boxed, since a map of few has room for many.
    pub replicas: BTreeMap<u32, Box<Replica>>,
    /// The other sentinels.
    pub peers: BTreeMap<u32, Box<Peer>>,
    /// The failover that is under way, or what keeps one from starting.
    pub failover: Failover,
    /// The last number given to a replica or sentinel.
    pub(super) slots: u32,
}

impl Group {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.set.name
    }

    /// How it is, as INFO has it.
    pub fn status(&self) -> &'static str {
        match () {
            () if self.odown.is_some() => "odown",
            () if self.master.down.is_some() => "sdown",
            () => "ok",
        }
    }

    /// `down-after-milliseconds`.
    pub fn down_after(&self) -> Duration {
        Duration::from_millis(self.set.down_after_ms)
    }

    /// `failover-timeout`.
    pub fn failover_timeout(&self) -> Duration {
        Duration::from_millis(self.set.failover_timeout_ms)
    }

    /// All sentinels that may vote, this one among them.
    pub fn voters(&self) -> u32 {
        u32::try_from(self.peers.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Votes that make a leader: the quorum, and a majority of all that are known, the dead ones too.
    pub fn votes_needed(&self) -> u32 {
        if mutations::on(Mutation::LeadsAlone) {
            return 1;
        }
        self.set.quorum.max(self.voters() / 2 + 1)
    }

    /// The master or a replica of these.
    pub fn server(&self, slot: Slot) -> Option<&Server> {
        match slot {
            Slot::Master => Some(&self.master),
            Slot::Replica(n) => Some(&self.replicas.get(&n)?.server),
            Slot::Peer(_) => None,
        }
    }

    /// The same, to change.
    pub(super) fn server_mut(&mut self, slot: Slot) -> Option<&mut Server> {
        match slot {
            Slot::Master => Some(&mut self.master),
            Slot::Replica(n) => Some(&mut self.replicas.get_mut(&n)?.server),
            Slot::Peer(_) => None,
        }
    }

    /// Whether an instance is subjectively down.
    pub fn down(&self, slot: Slot) -> Option<&Down> {
        match slot {
            Slot::Peer(n) => self.peers.get(&n)?.down.as_ref(),
            _ => self.server(slot)?.down.as_ref(),
        }
    }

    pub(super) fn down_mut(&mut self, slot: Slot) -> Option<&mut Option<Down>> {
        match slot {
            Slot::Peer(n) => Some(&mut self.peers.get_mut(&n)?.down),
            _ => Some(&mut self.server_mut(slot)?.down),
        }
    }

    /// The connections of an instance.
    pub(super) fn link(&self, slot: Slot) -> Option<LinkId> {
        match slot {
            Slot::Peer(n) => Some(self.peers.get(&n)?.link),
            _ => Some(self.server(slot)?.link),
        }
    }

    /// Everybody, the master first.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        core::iter::once(Slot::Master)
            .chain(self.replicas.keys().map(|&n| Slot::Replica(n)))
            .chain(self.peers.keys().map(|&n| Slot::Peer(n)))
    }

    /// A number for a new replica or sentinel.
    pub(super) fn fresh_slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots
    }

    /// The replica at an address.
    pub fn replica_at(&self, addr: &Address) -> Option<u32> {
        self.replicas.iter().find(|(_, r)| r.server.addr.same(addr)).map(|(&n, _)| n)
    }

    /// The sentinel of an id.
    pub fn peer_of(&self, run_id: RunId) -> Option<u32> {
        self.peers.iter().find(|(_, p)| p.run_id == Some(run_id)).map(|(&n, _)| n)
    }
}
