//! Draws a run from its seed: who is there, how they are configured, and the list of what will go wrong.
//!
//! Everything is drawn before the run begins, so that a failing list can be shrunk.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::client::ClientConfig;
use super::run::run_told;
use super::scenario::Scenario;
use crate::ids::RunId;
use crate::sentinel::State;
use crate::sim::campaign::{Plan, Report, Trace};
use crate::sim::story::Story;
use crate::sim::{Choices, DiskConfig, DiskTrouble, Fault, HostId, NameTrouble, NetConfig};
use crate::time::Instant;

/// Where servers listen.
pub const PORT: u16 = 6379;
/// Where sentinels listen.
pub const SENTINEL_PORT: u16 = 26379;
/// What goes wrong begins here: sentinels have met, and replicas are in sync.
pub const CALM_MS: u64 = 3_000;
/// Entries of a list, at most.
pub const DEEDS_MAX: usize = 200;
/// The place of `handover` among the kinds.
const HANDOVER: usize = 15;
/// The place of `moves`.
const MOVE: usize = 16;
/// Masters that die at once where there are many.
const DEATHS: usize = 20;
/// Clients of a run with nodes.
const CLIENTS: u32 = 2;

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds {
    /// The master of the moment dies, stands still or is cut off.
    pub master: bool,
    /// The sentinel that leads a failover dies, stands still or is cut off, in a state that is drawn.
    pub leader: bool,
    /// Crashes, kills, stops of anybody.
    pub crash: bool,
    /// Pauses of anybody.
    pub pause: bool,
    /// Partitions and stalls between two.
    pub partition: bool,
    /// Somebody is cut off from all others, one way or both.
    pub cut: bool,
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
    /// All lose power at once.
    pub site: bool,
    /// Hosts go by names, which are looked up slowly or in vain.
    pub names: bool,
    /// A sentinel is restarted from an old disk.
    pub old_disk: bool,
    /// Many masters die at once.
    pub many: bool,
    /// A sentinel is asked for a failover in which the master hands over.
    pub handover: bool,
    /// Sentinels, and with names servers, come back at other addresses.
    pub moves: bool,
}

impl Kinds {
    /// Nothing.
    pub const NONE: Self = Self {
        master: false,
        leader: false,
        crash: false,
        pause: false,
        partition: false,
        cut: false,
        connection: false,
        slow: false,
        connect: false,
        disk: false,
        clock: false,
        site: false,
        names: false,
        old_disk: false,
        many: false,
        handover: false,
        moves: false,
    };
    /// What happens to machines and networks everywhere.
    pub const USUAL: Self = Self {
        master: true,
        leader: true,
        crash: true,
        pause: true,
        partition: true,
        cut: true,
        connection: true,
        slow: true,
        connect: true,
        disk: true,
        clock: true,
        ..Self::NONE
    };

    fn list(self) -> [bool; 17] {
        [
            self.master,
            self.leader,
            self.crash,
            self.pause,
            self.partition,
            self.cut,
            self.connection,
            self.slow,
            self.connect,
            self.disk,
            self.clock,
            self.site,
            self.names,
            self.old_disk,
            self.many,
            self.handover,
            self.moves,
        ]
    }
}

/// How somebody is hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Its power fails.
    Crash,
    /// Its process is killed.
    Kill,
    /// Its process is asked to end.
    Stop,
    /// Its process stands still.
    Pause,
    /// It is cut off from all others.
    Cut,
    /// Nothing that it sends arrives.
    Mute,
}

/// Something of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A fault of the world.
    Fault(Fault),
    /// Somebody is hit.
    Hit {
        /// Who.
        host: HostId,
        /// How.
        how: How,
        /// For so long.
        lasts: Duration,
    },
    /// The servers that are masters now are hit: of the first `masters` masters.
    Masters {
        /// How many.
        masters: usize,
        /// How.
        how: How,
        /// For so long.
        lasts: Duration,
    },
    /// The next sentinel that comes to this state of a failover is hit then.
    Leader {
        /// In which state.
        at: State,
        /// How.
        how: How,
        /// For so long.
        lasts: Duration,
    },
    /// All lose power; each boots again after a time of its own.
    Site {
        /// The time of each host.
        down_for: Vec<Duration>,
    },
    /// Somebody's process ends, and is started at another address.
    Move {
        /// Who.
        host: HostId,
        /// Its new address.
        to: IpAddr,
        /// How its process ends.
        how: How,
        /// After so long it is started.
        down_for: Duration,
    },
    /// The disk of a sentinel is copied.
    Remember {
        /// Which.
        sentinel: usize,
    },
    /// A sentinel is asked for a failover in which the master hands over.
    HandOver {
        /// Which.
        sentinel: usize,
    },
    /// A sentinel is restarted from its copied disk.
    Restore {
        /// Which.
        sentinel: usize,
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
        let ms = |d: &Duration| d.as_millis();
        match &self.what {
            What::Fault(fault) => fmt::Display::fmt(fault, f),
            What::Hit { host, how, lasts } => write!(f, "{how:?} {host} for {}ms", ms(lasts)),
            What::Masters { masters: 1, how, lasts } => write!(f, "{how:?} the master for {}ms", ms(lasts)),
            What::Masters { masters, how, lasts } => write!(f, "{how:?} {masters} masters for {}ms", ms(lasts)),
            What::Leader { at, how, lasts } => {
                write!(f, "{how:?} the next sentinel in state {} for {}ms", at.word(), ms(lasts))
            }
            What::Site { down_for } => {
                let list: Vec<String> = down_for.iter().map(|d| format!("{}", ms(d))).collect();
                write!(f, "all lose power, for {} ms", list.join(", "))
            }
            What::Move { host, to, how, down_for } => {
                write!(f, "{how:?} {host}, which is back at {to} after {}ms", ms(down_for))
            }
            What::Remember { sentinel } => write!(f, "the disk of sentinel {sentinel} is copied"),
            What::HandOver { sentinel } => write!(f, "sentinel {sentinel} is asked for a coordinated failover"),
            What::Restore { sentinel } => write!(f, "sentinel {sentinel} restarts from its copied disk"),
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
    /// Servers of each master's group.
    pub nodes: usize,
    /// How many must see a master down.
    pub quorum: u32,
    /// `down-after-milliseconds`.
    pub down_after_ms: u64,
    /// `failover-timeout`.
    pub failover_timeout_ms: u64,
    /// `parallel-syncs`.
    pub parallel_syncs: u32,
    /// The files of sentinels name the others and the replicas, or they have to find them.
    pub known: bool,
    /// Hosts go by names.
    pub named: bool,
    /// A server that restarts has the role that it had last, or its first one.
    pub keeps_role: bool,
    /// `replica-priority` of each server.
    pub priorities: Vec<u32>,
    /// Other directives of all servers.
    pub args: Vec<String>,
    /// The clients.
    pub clients: Vec<ClientConfig>,
    /// The network.
    pub net: NetConfig,
    /// The disks.
    pub disks: DiskConfig,
    /// What goes wrong, by time.
    pub deeds: Vec<Deed>,
    /// When all is healed.
    pub heal_at: Instant,
}

impl Setup {
    /// All servers.
    pub fn servers(&self) -> usize {
        self.scenario.masters * self.nodes
    }

    /// Servers and sentinels tell others names instead of addresses: whoever moves has to be found again.
    pub fn names_told(&self) -> bool {
        self.named && self.scenario.kinds.moves
    }

    /// The host of a sentinel.
    pub fn sentinel(&self, i: usize) -> HostId {
        HostId((self.servers() + i) as u32)
    }
}

/// The address of a server at first.
pub fn server_address(i: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 0, (i / 200) as u8, 1 + (i % 200) as u8]), PORT)
}

/// The address of a sentinel at first.
pub fn sentinel_address(i: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 1, 0, 1 + i as u8]), SENTINEL_PORT)
}

/// Another address of a host, which no other host ever has.
fn elsewhere(c: &mut Choices, setup: &Setup, host: HostId) -> IpAddr {
    let i = host.0 as usize;
    match i.checked_sub(setup.servers()) {
        Some(sentinel) => [10, 1, 1 + c.below(250) as u8, 1 + sentinel as u8].into(),
        None => [10, 16 + c.below(200) as u8, (i / 200) as u8, 1 + (i % 200) as u8].into(),
    }
}

/// The name of a master.
pub fn master_name(i: usize) -> String {
    format!("m{i}")
}

/// The master that a name means.
pub fn master_of(name: &str) -> Option<usize> {
    name.strip_prefix('m')?.parse().ok()
}

/// The id of a sentinel.
pub fn sentinel_id(seed: u64, i: usize) -> RunId {
    let mut choices = Choices::seeded(seed ^ 0x1d1d_0000 ^ ((i as u64) << 40));
    let bytes = choices.seed32();
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n & 15)]);
    let text: String = bytes.iter().take(20).flat_map(|b| [digit(b >> 4), digit(*b)]).collect();
    // 40 hexadecimal characters are an id.
    RunId::parse(text.as_bytes()).unwrap_or_else(|_| RunId::random(&mut crate::rng::Rng::new(bytes)))
}

/// Draws the run of a seed. `nodes`: servers of a group, where the scenario leaves that open.
pub fn draw(seed: u64, scenario: &'static Scenario, nodes: usize) -> Setup {
    let mut choices = Choices::seeded(seed ^ 0x5e47_14e1);
    let [mut g, mut a, mut d] = core::array::from_fn(|_| choices.fork());
    let nodes = if scenario.replicas == 0 { nodes.clamp(2, 8) } else { 1 + scenario.replicas };
    let n = scenario.sentinels as u64;
    let majority = n / 2 + 1;
    let quorum = if a.chance(700) { majority } else { a.between(1, n) } as u32;
    let heal_ms = CALM_MS + d.between(scenario.lasts_ms.0, scenario.lasts_ms.1);
    let priorities = priorities(&mut a, scenario.masters, nodes);
    let mut setup = Setup {
        seed,
        scenario,
        nodes,
        quorum,
        down_after_ms: [300, 500, 1_000, 2_000][a.below(4) as usize],
        failover_timeout_ms: [3_000, 6_000, 10_000, 20_000][a.below(4) as usize],
        parallel_syncs: a.between(1, 2) as u32,
        known: scenario.strict || a.chance(500),
        named: scenario.kinds.names || (scenario.kinds.moves && a.chance(600)),
        keeps_role: a.chance(600),
        priorities,
        args: server_args(&mut a),
        clients: Vec::new(),
        net: net(&mut g),
        disks: disks(&mut g),
        deeds: Vec::new(),
        heal_at: Instant::from_micros(heal_ms * 1000),
    };
    if scenario.stand_ins {
        many(&mut setup);
    } else {
        setup.clients = clients(&mut a, scenario);
    }
    setup.deeds = deeds(&mut d, &setup, heal_ms);
    tell_clients(&mut setup);
    setup
}

/// What the scenario of many masters is measured under: 10 ms to and fro, a second without an answer.
fn many(setup: &mut Setup) {
    setup.net = NetConfig { latency_us: (4_900, 5_100), chop: 0, late: 0, ..NetConfig::default() };
    setup.disks = DiskConfig { sync_us: (500, 2_000), ..DiskConfig::default() };
    setup.quorum = setup.scenario.sentinels as u32 / 2 + 1;
    (setup.down_after_ms, setup.failover_timeout_ms) = (1_000, 10_000);
    setup.priorities = alloc::vec![100; setup.servers()];
    setup.keeps_role = true;
}

/// Clients are told beforehand where sentinels will be: how they find these is not what is tried.
fn tell_clients(setup: &mut Setup) {
    let (first, end) = (setup.sentinel(0), setup.sentinel(setup.scenario.sentinels));
    let moved = setup.deeds.iter().filter_map(|deed| match deed.what {
        What::Move { host, to, .. } if (first..end).contains(&host) => Some(SocketAddr::new(to, SENTINEL_PORT)),
        _ => None,
    });
    let moved: Vec<SocketAddr> = moved.collect();
    for client in &mut setup.clients {
        client.sentinels.extend(&moved);
    }
}

/// Of each group one server at most may never be promoted: else there may be nobody.
fn priorities(c: &mut Choices, groups: usize, nodes: usize) -> Vec<u32> {
    let mut all = Vec::new();
    for _ in 0..groups {
        let never = if nodes > 2 && c.chance(300) { Some(c.below(nodes as u64) as usize) } else { None };
        let mut priority = |i| if Some(i) == never { 0 } else { [100, 100, 100, 50][c.below(4) as usize] };
        all.extend((0..nodes).map(&mut priority));
    }
    all
}

fn net(c: &mut Choices) -> NetConfig {
    let far = c.between(300, 20_000);
    NetConfig {
        latency_us: (50, if c.chance(300) { far } else { 500 }),
        bandwidth: [0, 1 << 30, 20 << 20][c.below(3) as usize],
        chop: c.below(100),
        ..NetConfig::default()
    }
}

fn disks(c: &mut Choices) -> DiskConfig {
    DiskConfig { sync_us: (200, [4_000, 20_000, 100_000][c.below(3) as usize]), ..DiskConfig::default() }
}

fn server_args(c: &mut Choices) -> Vec<String> {
    let mut args = Vec::new();
    let mut set = |name: &str, value: &str| args.extend([format!("--{name}"), value.to_string()]);
    set("port", &PORT.to_string());
    set("bind", "*");
    set("protected-mode", "no");
    set("databases", "1");
    set("save", "");
    set("repl-ping-replica-period", "1");
    set("repl-timeout", &c.between(2, 5).to_string());
    set("repl-diskless-sync-delay", "0");
    set("shutdown-timeout", "1");
    args
}

fn clients(c: &mut Choices, scenario: &Scenario) -> Vec<ClientConfig> {
    (0..CLIENTS)
        .map(|number| ClientConfig {
            number,
            master: master_name(number as usize % scenario.masters),
            sentinels: (0..scenario.sentinels).map(sentinel_address).collect(),
            think_ms: c.between(20, 200),
            waits: [0, 300, 1000][c.below(3) as usize],
            patience: Duration::from_millis(c.between(500, 2_000)),
        })
        .collect()
}

/// What goes wrong: each kind is in with a chance of a half, and how often is drawn.
fn deeds(c: &mut Choices, setup: &Setup, heal_ms: u64) -> Vec<Deed> {
    let scenario = setup.scenario;
    let may = scenario.kinds.list();
    let of = |c: &mut Choices| -> Vec<usize> { (0..may.len()).filter(|&i| may[i] && c.chance(550)).collect() };
    let mut in_it = of(c);
    // Nothing happens to sentinels over a master to which nothing happens.
    if in_it.is_empty() || (may[0] && !in_it.contains(&0) && c.chance(700)) {
        in_it.push(may.iter().position(|m| *m).unwrap_or(0));
    }
    // Of the others there may be any, beside those that the scenario is for.
    if may[HANDOVER] {
        in_it.extend([HANDOVER, HANDOVER]);
    }
    let every = c.between(scenario.every_ms.0, scenario.every_ms.1);
    let mut deeds = Vec::new();
    let mut at = CALM_MS;
    while deeds.len() < DEEDS_MAX {
        let instant = Instant::from_micros(at * 1000 + c.below(1000));
        let kind = in_it[c.below(in_it.len() as u64) as usize];
        deeds.push(Deed { at: instant, what: deed(c, kind, setup) });
        at += c.between(every / 2, every + every / 2);
        if at >= heal_ms {
            break;
        }
    }
    deeds
}

fn how(c: &mut Choices) -> How {
    [How::Crash, How::Crash, How::Kill, How::Stop, How::Pause, How::Pause, How::Cut, How::Mute][c.below(8) as usize]
}

fn deed(c: &mut Choices, kind: usize, setup: &Setup) -> What {
    let n = (setup.servers() + setup.scenario.sentinels) as u64;
    let (x, y) = (c.below(n), c.below(n - 1));
    let other = (x + 1 + y) % n;
    let (a, b) = (HostId(x as u32), HostId(other as u32));
    let down_after = setup.down_after_ms;
    let short = Duration::from_millis(c.between(20, down_after + 200));
    let long = Duration::from_millis(c.between(down_after, down_after * 4 + 8_000));
    let lasts = if c.chance(600) { long } else { short };
    match kind {
        0 => return What::Masters { masters: 1, how: how(c), lasts },
        1 => {
            let at =
                [State::WaitStart, State::SelectSlave, State::WaitPromotion, State::ReconfSlaves][c.below(4) as usize];
            return What::Leader { at, how: how(c), lasts };
        }
        2 => {
            let how = [How::Crash, How::Crash, How::Kill, How::Stop][c.below(4) as usize];
            return What::Hit { host: a, how, lasts };
        }
        5 => {
            let how = if c.chance(500) { How::Cut } else { How::Mute };
            return What::Hit { host: a, how, lasts };
        }
        11 => {
            let down_for = (0..n).map(|_| Duration::from_millis(c.between(50, 10_000))).collect();
            return What::Site { down_for };
        }
        13 => {
            let sentinel = c.below(setup.scenario.sentinels as u64) as usize;
            return if c.chance(400) { What::Remember { sentinel } } else { What::Restore { sentinel } };
        }
        HANDOVER => return What::HandOver { sentinel: c.below(setup.scenario.sentinels as u64) as usize },
        MOVE => {
            let sentinels = setup.scenario.sentinels as u64;
            // Without names nobody could find a server again: what follows it, and who asks for it, has its address.
            let host = if setup.named { a } else { setup.sentinel(c.below(sentinels) as usize) };
            let how = [How::Crash, How::Kill][c.below(2) as usize];
            return What::Move { host, to: elsewhere(c, setup, host), how, down_for: lasts };
        }
        14 => {
            let how = [How::Crash, How::Kill][c.below(2) as usize];
            return What::Masters { masters: DEATHS, how, lasts: Duration::from_secs(60) };
        }
        _ => {}
    }
    What::Fault(fault(c, kind, a, b, lasts, long))
}

fn fault(c: &mut Choices, kind: usize, a: HostId, b: HostId, lasts: Duration, long: Duration) -> Fault {
    match kind {
        3 => Fault::Pause { host: a, lasts },
        4 => match c.below(4) {
            0 => Fault::Stall { a, b, lasts },
            way => Fault::Partition { a, b, one_way: way < 3, lasts },
        },
        6 => match c.below(5) {
            0 => Fault::HalfOpen { a, b },
            1 => Fault::BlackHole { a, b },
            _ => Fault::Reset { a, b },
        },
        7 => match c.below(2) {
            0 => Fault::SlowReader { host: a, lasts: long },
            _ => Fault::SlowLink { a, b, factor: c.between(2, 200) as u32, lasts },
        },
        8 => match c.below(3) {
            0 => Fault::RefuseConnects { host: a, lasts },
            1 => Fault::DropConnects { host: a, lasts },
            _ => name(c, a, lasts),
        },
        12 => name(c, a, lasts),
        9 => {
            let slow = c.between(2, 60) as u32;
            let trouble = [DiskTrouble::Slow(slow), DiskTrouble::Full, DiskTrouble::Broken][c.below(3) as usize];
            Fault::Disk { host: a, trouble, lasts }
        }
        _ => {
            let sign = if c.chance(500) { -1 } else { 1 };
            match c.below(3) {
                0 => Fault::WallJump { host: a, by_ms: sign * c.between(10, 100_000) as i64 },
                1 => Fault::Drift { host: a, ppm: sign as i32 * c.between(10, 50_000) as i32 },
                _ => Fault::WallDrift { host: a, ppm: sign as i32 * c.between(10, 50_000) as i32 },
            }
        }
    }
}

fn name(c: &mut Choices, host: HostId, lasts: Duration) -> Fault {
    let slow = NameTrouble::Slow(c.between(2, 1_000) as u32);
    let trouble = if c.chance(500) { slow } else { NameTrouble::Fails };
    Fault::Name { name: format!("h{}", host.0).into(), trouble, lasts }
}

impl Plan for Setup {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn lines(&self) -> Vec<String> {
        let Self { scenario, nodes, quorum, down_after_ms, failover_timeout_ms, .. } = self;
        alloc::vec![
            format!(
                "scenario {}, seed {}: {} sentinels, {} masters with {} replicas each, {} clients",
                scenario.name,
                self.seed,
                scenario.sentinels,
                scenario.masters,
                nodes - 1,
                self.clients.len()
            ),
            format!(
                "h0 to h{} are servers, h{} to h{} sentinels; quorum {quorum}, down-after {down_after_ms} ms, \
                 failover-timeout {failover_timeout_ms} ms, parallel-syncs {}, sentinels {}, servers {}",
                self.servers() - 1,
                self.servers(),
                self.servers() + scenario.sentinels - 1,
                self.parallel_syncs,
                if self.known { "know each other from their files" } else { "have to find each other" },
                if self.keeps_role { "keep their roles over restarts" } else { "restart in their first roles" }
            ),
        ]
    }

    fn deeds(&self) -> Vec<(Instant, String)> {
        self.deeds.iter().map(|d| (d.at, d.to_string())).collect()
    }

    fn run(&self, only: Option<&[usize]>, trace: Option<Trace>, story: Option<Story>) -> (Report, Option<Story>) {
        run_told(self, only, trace, story)
    }
}

/// A run of the scenario as `primacy sim` has it.
impl From<Setup> for Box<dyn Plan> {
    fn from(setup: Setup) -> Self {
        Box::new(setup)
    }
}
