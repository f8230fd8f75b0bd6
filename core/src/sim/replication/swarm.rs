//! Draws a run from its seed: settings, network, clients, and the list of what will go wrong.
//!
//! Everything is drawn before the run begins. So a run with a part of the list is the same run with fewer faults, and a
//! failing list can be shrunk.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::client::ClientConfig;
use super::run::run_told;
use super::scenario::Scenario;
use super::watch::FIRST_ADDRESS;
use crate::sim::campaign::{self, Plan, Trace};
use crate::sim::story::Story;
use crate::sim::{Choices, DiskConfig, DiskTrouble, Fault, HostId, NameTrouble, NetConfig};
use crate::time::Instant;

/// Where nodes listen.
pub const PORT: u16 = 6379;
/// The fewest and the most nodes of a group.
pub const NODES: (usize, usize) = (2, 16);
/// What goes wrong begins here: the group has had time to come up.
pub const CALM_MS: u64 = 2_000;
/// Entries of a list, at most.
pub const DEEDS_MAX: usize = 400;

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds {
    /// Crashes, kills, stops.
    pub crash: bool,
    /// Pauses.
    pub pause: bool,
    /// Partitions, stalls.
    pub partition: bool,
    /// Resets, half-open connections, black holes.
    pub connection: bool,
    /// Slow links and readers.
    pub slow: bool,
    /// Refused and unanswered connects, names.
    pub connect: bool,
    /// Disks.
    pub disk: bool,
    /// Clocks.
    pub clock: bool,
    /// Promotions.
    pub promote: bool,
    /// Replicas that are told to follow another node.
    pub chain: bool,
    /// BGSAVE.
    pub save: bool,
}

impl Kinds {
    /// Nothing.
    pub const NONE: Self = Self {
        crash: false,
        pause: false,
        partition: false,
        connection: false,
        slow: false,
        connect: false,
        disk: false,
        clock: false,
        promote: false,
        chain: false,
        save: false,
    };
    /// Everything.
    pub const ALL: Self = Self {
        crash: true,
        pause: true,
        partition: true,
        connection: true,
        slow: true,
        connect: true,
        disk: true,
        clock: true,
        promote: true,
        chain: true,
        save: true,
    };

    fn list(self) -> [bool; 11] {
        [
            self.crash,
            self.pause,
            self.partition,
            self.connection,
            self.slow,
            self.connect,
            self.disk,
            self.clock,
            self.promote,
            self.chain,
            self.save,
        ]
    }
}

/// Something of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A fault of the world.
    Fault(Fault),
    /// A node is promoted, and the others are told whom to follow; `None`: it is not told.
    Promote {
        /// The new master.
        node: usize,
        /// Whom each node follows then.
        follow: Vec<Option<usize>>,
        /// The others are told first.
        late: bool,
    },
    /// A replica is told to follow another node; left out if that closed a circle.
    Follow {
        /// Which.
        node: usize,
        /// Whom.
        to: usize,
    },
    /// `BGSAVE`.
    Save {
        /// Where.
        node: usize,
    },
}

/// Something that happens at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.at)?;
        match &self.what {
            What::Fault(fault) => fmt::Display::fmt(fault, f),
            What::Promote { node, follow, late } => {
                write!(f, "promote h{node}")?;
                for (i, to) in follow.iter().enumerate().filter(|(i, _)| i != node) {
                    match to {
                        Some(to) => write!(f, ", h{i} follows h{to}")?,
                        None => write!(f, ", h{i} is not told")?,
                    }
                }
                if *late { f.write_str(", the others first") } else { Ok(()) }
            }
            What::Follow { node, to } => write!(f, "h{node} follows h{to}"),
            What::Save { node } => write!(f, "BGSAVE at h{node}"),
        }
    }
}

/// A run, drawn.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The seed.
    pub seed: u64,
    /// The scenario.
    pub scenario: &'static Scenario,
    /// How many nodes.
    pub nodes: usize,
    /// The arguments of each node, without whom it follows.
    pub args: Vec<Vec<String>>,
    /// Whom each node follows at first.
    pub follow: Vec<Option<usize>>,
    /// The clients.
    pub clients: Vec<ClientConfig>,
    /// The network.
    pub net: NetConfig,
    /// The disks.
    pub disks: DiskConfig,
    /// Whether a node that restarts has the role that it was told last, or the first one.
    pub keeps_role: bool,
    /// Whether masters are named, or given by address.
    pub named: bool,
    /// What goes wrong, by time.
    pub deeds: Vec<Deed>,
    /// When all is healed.
    pub heal_at: Instant,
}

/// The address of a node.
pub fn address(node: usize) -> SocketAddr {
    let [a, b, c, d] = FIRST_ADDRESS;
    SocketAddr::new(IpAddr::from([a, b, c, d + node as u8]), PORT)
}

/// The name of a node.
pub fn name(node: usize) -> String {
    format!("node{node}")
}

/// Where a run is drawn from: a source for each part, so that what one part draws does not shift what another gets.
#[derive(Debug)]
pub struct Sources {
    /// Network and disks.
    pub ground: Choices,
    /// Directives, and what a restarted node knows.
    pub args: Choices,
    /// Clients.
    pub clients: Choices,
    /// What goes wrong.
    pub deeds: Choices,
}

/// Draws the run of a seed. `nodes` is kept within [`NODES`].
pub fn draw(seed: u64, scenario: &'static Scenario, nodes: usize) -> Setup {
    let mut choices = Choices::seeded(seed);
    let [ground, args, clients, deeds] = core::array::from_fn(|_| choices.fork());
    draw_from(Sources { ground, args, clients, deeds }, seed, scenario, nodes)
}

/// Draws a run from these sources; `seed` is only noted in it.
pub fn draw_from(from: Sources, seed: u64, scenario: &'static Scenario, nodes: usize) -> Setup {
    let nodes = nodes.clamp(NODES.0, NODES.1);
    let Sources { ground: mut c, args: mut a, clients: mut l, deeds: mut d } = from;
    let (net, disks) = if scenario.swarm { (net(&mut c), disks(&mut c)) } else { Default::default() };
    let shared = if scenario.swarm { shared_args(&mut a) } else { Vec::new() };
    let mut args: Vec<Vec<String>> = (0..nodes).map(|_| node_args(&mut a, &shared, scenario)).collect();
    let keeps_role = a.chance(600);
    let named = a.chance(300);
    if scenario.swarm && a.chance(200) {
        // So little that keys give way all the time; the log tells when, and every answer has to agree.
        let policy = pick(&mut a, &["allkeys-lru", "allkeys-lfu", "allkeys-random"]);
        let memory = ["--maxmemory", "30kb", "--maxmemory-policy", &policy].map(String::from);
        args.iter_mut().for_each(|args| args.extend_from_slice(&memory));
    }
    let clients = if scenario.swarm { clients(&mut l, nodes) } else { load_clients(nodes) };
    let heal_ms = CALM_MS + d.between(scenario.lasts_ms.0, scenario.lasts_ms.1);
    let deeds = deeds(&mut d, scenario, nodes, heal_ms);
    Setup {
        seed,
        scenario,
        nodes,
        args,
        // The master, two replicas, and from the fourth on a chain: each follows the one two before it.
        follow: (0..nodes).map(|i| i.checked_sub(1).map(|_| if i < 3 { 0 } else { i - 2 })).collect(),
        clients,
        net,
        disks,
        keeps_role,
        named,
        deeds,
        heal_at: Instant::from_micros(heal_ms * 1000),
    }
}

fn net(c: &mut Choices) -> NetConfig {
    let far = c.between(300, 20_000);
    NetConfig {
        latency_us: (50, if c.chance(300) { far } else { 500 }),
        bandwidth: [0, 1 << 30, 2 << 20, 200 << 10][c.below(4) as usize],
        window: [256 << 10, 64 << 10, 16 << 10, 4 << 10][c.below(4) as usize],
        chop: c.below(200),
        ..NetConfig::default()
    }
}

fn disks(c: &mut Choices) -> DiskConfig {
    DiskConfig {
        sync_us: (200, [4_000, 20_000, 100_000][c.below(3) as usize]),
        bandwidth: [500 << 20, 20 << 20, 2 << 20][c.below(3) as usize],
        ..DiskConfig::default()
    }
}

fn pick<T: ToString>(c: &mut Choices, of: &[T]) -> String {
    of[c.below(of.len() as u64) as usize].to_string()
}

/// Directives that the whole group shares.
fn shared_args(c: &mut Choices) -> Vec<String> {
    let backlog = [4 << 10, 16 << 10, 64 << 10, 1 << 20][c.below(4) as usize];
    let hard = [32u64 << 10, 128 << 10, 1 << 20][c.below(3) as usize];
    let soft = if c.chance(500) { hard / 2 } else { 0 };
    let soft_s = c.between(1, 3);
    let mut args = Vec::new();
    let mut set = |name: &str, value: String| args.extend([format!("--{name}"), value]);
    set("repl-backlog-size", format!("{backlog}"));
    set("client-output-buffer-limit", format!("replica {hard} {soft} {soft_s}"));
    set("repl-timeout", format!("{}", c.between(2, 6)));
    set("repl-backlog-ttl", pick(c, &[0, 2, 3600]));
    set("repl-diskless-sync-delay", pick(c, &[0, 0, 1]));
    set("min-replicas-to-write", pick(c, &[0, 0, 0, 1]));
    set("min-replicas-max-lag", "2".into());
    // A group that is often over the limit puts off, the next one slows down.
    set("repl-max-full-syncs", if hard == 32 << 10 { "1" } else { "0" }.into());
    set("repl-write-throttle", if hard == 128 << 10 { "40kb" } else { "0" }.into());
    args
}

/// The arguments of one node.
fn node_args(c: &mut Choices, shared: &[String], scenario: &Scenario) -> Vec<String> {
    let mut args: Vec<String> = shared.to_vec();
    let mut set = |name: &str, value: String| args.extend([format!("--{name}"), value]);
    set("port", format!("{PORT}"));
    set("bind", "*".into());
    set("protected-mode", "no".into());
    set("databases", "2".into());
    set("repl-ping-replica-period", "1".into());
    set("shutdown-timeout", "1".into());
    if scenario.swarm {
        set("repl-diskless-sync", pick(c, &["yes", "no"]));
        set("repl-diskless-load", pick(c, &["disabled", "on-empty-db", "swapdb", "flushdb"]));
        set("save", pick(c, &["", "1 1", "3 20"]));
        set("rdb-key-save-delay", pick(c, &[0, 0, 500, 5_000, 20_000]));
        set("key-load-delay", pick(c, &[0, 0, 500, 5_000, 20_000]));
        set("replica-serve-stale-data", pick(c, &["yes", "yes", "yes", "no"]));
        set("stop-writes-on-bgsave-error", pick(c, &["yes", "no"]));
        // Small ones are packed, large ones are trees: each node draws its own line.
        set("hash-max-listpack-entries", pick(c, &[512, 4]));
        set("set-max-listpack-entries", pick(c, &[128, 4]));
        set("zset-max-listpack-entries", pick(c, &[128, 4]));
        set("list-max-listpack-size", pick(c, &[-2, 3]));
        set("repl-rdb-channel", pick(c, &["no", "no", "yes"]));
    } else {
        set("repl-timeout", "5".into());
    }
    args
}

fn clients(c: &mut Choices, nodes: usize) -> Vec<ClientConfig> {
    let count = c.between(2, 5) as u32;
    let keys = [3, 10, 40][c.below(3) as usize];
    let large = (c.below(60), [200, 3_000, 12_000][c.below(3) as usize]);
    (0..count)
        .map(|number| ClientConfig {
            number,
            nodes: (0..nodes).map(address).collect(),
            databases: 2,
            keys,
            pipeline: c.between(1, 16),
            think_ms: c.between(5, 120),
            patience: Duration::from_millis(c.between(500, 4_000)),
            to_master: c.between(300, 950),
            reads: c.between(100, 600),
            large,
            waits: c.below(300),
            collections: [0, 200, 600][c.below(3) as usize],
        })
        .collect()
}

/// 1,000 writes a second: four clients, each 25 batches of about ten operations, nearly all of them writes.
fn load_clients(nodes: usize) -> Vec<ClientConfig> {
    (0..4)
        .map(|number| ClientConfig {
            number,
            nodes: (0..nodes).map(address).collect(),
            databases: 2,
            keys: 100,
            pipeline: 20,
            think_ms: 76,
            patience: Duration::from_secs(2),
            to_master: 1000,
            reads: 50,
            large: (10, 1_000),
            waits: 20,
            collections: 0,
        })
        .collect()
}

/// What goes wrong: each kind is in with a chance of a half, and how often is drawn.
fn deeds(c: &mut Choices, scenario: &Scenario, nodes: usize, heal_ms: u64) -> Vec<Deed> {
    let may = scenario.kinds.list();
    let in_it: Vec<usize> = (0..may.len()).filter(|&i| may[i] && (!scenario.swarm || c.chance(550))).collect();
    let every = c.between(scenario.every_ms.0, scenario.every_ms.1);
    let mut deeds = Vec::new();
    let mut at = CALM_MS;
    while !in_it.is_empty() && deeds.len() < DEEDS_MAX {
        at += c.between(every / 2, every + every / 2);
        if at >= heal_ms {
            break;
        }
        let kind = in_it[c.below(in_it.len() as u64) as usize];
        deeds.push(Deed { at: Instant::from_micros(at * 1000 + c.below(1000)), what: deed(c, kind, nodes) });
    }
    deeds
}

fn deed(c: &mut Choices, kind: usize, nodes: usize) -> What {
    let n = nodes as u64;
    let (x, y) = (c.below(n), c.below(n - 1));
    let other = (x + 1 + y) % n;
    let (a, b) = (HostId(x as u32), HostId(other as u32));
    let short = Duration::from_millis(c.between(20, 800));
    let long = Duration::from_millis(c.between(100, 8_000));
    let lasts = if c.chance(500) { long } else { short };
    What::Fault(match kind {
        0 => match c.below(4) {
            0 | 1 => Fault::Crash { host: a, down_for: lasts },
            2 => Fault::Kill { host: a, down_for: lasts },
            _ => Fault::Stop { host: a, down_for: short },
        },
        1 => Fault::Pause { host: a, lasts },
        2 => match c.below(3) {
            0 => Fault::Stall { a, b, lasts },
            way => Fault::Partition { a, b, one_way: way == 1, lasts },
        },
        3 => match c.below(5) {
            0 => Fault::HalfOpen { a, b },
            1 => Fault::BlackHole { a, b },
            _ => Fault::Reset { a, b },
        },
        4 => match c.below(2) {
            0 => Fault::SlowReader { host: a, lasts: long },
            _ => Fault::SlowLink { a, b, factor: c.between(2, 200) as u32, lasts },
        },
        5 => match c.below(3) {
            0 => Fault::RefuseConnects { host: a, lasts },
            1 => Fault::DropConnects { host: a, lasts },
            _ => Fault::Name { name: name(x as usize).into(), trouble: name_trouble(c, n), lasts },
        },
        6 => {
            let slow = c.between(2, 60) as u32;
            let trouble = [DiskTrouble::Slow(slow), DiskTrouble::Full, DiskTrouble::Broken][c.below(3) as usize];
            Fault::Disk { host: a, trouble, lasts }
        }
        7 => {
            let sign = if c.chance(500) { -1 } else { 1 };
            match c.below(3) {
                0 => Fault::WallJump { host: a, by_ms: sign * c.between(10, 10_000) as i64 },
                1 => Fault::Drift { host: a, ppm: sign as i32 * c.between(10, 50_000) as i32 },
                _ => Fault::WallDrift { host: a, ppm: sign as i32 * c.between(10, 50_000) as i32 },
            }
        }
        8 => return promote(c, nodes, x as usize),
        9 => return What::Follow { node: x as usize, to: other as usize },
        _ => return What::Save { node: x as usize },
    })
}

fn name_trouble(c: &mut Choices, n: u64) -> NameTrouble {
    match c.below(3) {
        0 => NameTrouble::Slow(c.between(2, 1_000) as u32),
        1 => NameTrouble::Fails,
        _ => NameTrouble::Leads([address(c.below(n) as usize).ip()].into()),
    }
}

/// A promotion: the others follow the new master, or one that does.
fn promote(c: &mut Choices, nodes: usize, node: usize) -> What {
    let untold = if c.chance(300) { 300 } else { 0 };
    let chained = c.below(600);
    let mut told = alloc::vec![node];
    let mut follow = alloc::vec![None; nodes];
    let start = c.below(nodes as u64) as usize;
    for i in (0..nodes).map(|i| (i + start) % nodes).filter(|i| *i != node) {
        if c.chance(untold) {
            continue;
        }
        let to = if c.chance(chained) { told[c.below(told.len() as u64) as usize] } else { node };
        follow[i] = Some(to);
        told.push(i);
    }
    What::Promote { node, follow, late: c.chance(250) }
}

impl Plan for Setup {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::from([format!(
            "scenario {}, seed {}, {} nodes, {} clients",
            self.scenario.name,
            self.seed,
            self.nodes,
            self.clients.len()
        )]);
        for (i, args) in self.args.iter().enumerate() {
            let master = self.follow[i].map_or_else(|| "a master".to_string(), |m| format!("follows h{m}"));
            // Arguments as somebody would write them.
            let quoted = |a: &String| if a.is_empty() || a.contains(' ') { format!("'{a}'") } else { a.clone() };
            lines.push(format!("h{i} {master}: {}", args.iter().map(quoted).collect::<Vec<_>>().join(" ")));
        }
        lines
    }

    fn deeds(&self) -> Vec<(Instant, String)> {
        self.deeds.iter().map(|d| (d.at, d.to_string())).collect()
    }

    fn run(
        &self,
        only: Option<&[usize]>,
        trace: Option<Trace>,
        story: Option<Story>,
    ) -> (campaign::Report, Option<Story>) {
        let (report, story) = run_told(self, only, trace, story);
        (report.into(), story)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_run() {
        let all = Scenario::find("all").unwrap();
        let (a, b) = (draw(7, all, 4), draw(7, all, 4));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_ne!(format!("{a:?}"), format!("{:?}", draw(8, all, 4)));
        assert!(draw(7, Scenario::find("calm").unwrap(), 4).deeds.is_empty());
        assert_eq!(a.follow, [None, Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn deeds_come_in_time_and_before_the_healing() {
        for seed in 0..50 {
            let setup = draw(seed, Scenario::find("all").unwrap(), 4);
            assert!(setup.deeds.is_sorted_by_key(|d| d.at), "seed {seed}");
            assert!(setup.deeds.iter().all(|d| d.at < setup.heal_at), "seed {seed}");
        }
    }

    #[test]
    fn every_drawn_directive_is_one() {
        for seed in 0..50 {
            for args in draw(seed, Scenario::find("all").unwrap(), 4).args {
                crate::config::Config::new().apply_args(&args).unwrap();
            }
        }
    }
}
