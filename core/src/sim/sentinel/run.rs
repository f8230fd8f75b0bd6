//! One run: masters under faults, then healed, then held against what must have come about.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::actor::{Actor, Call};
use super::classic::Classic;
use super::client::{Client, ClientCall};
use super::invariants::{Broken, agreed};
use super::stand::Stand;
use super::swarm::{
    Deed, How, PORT, SENTINEL_PORT, Setup, What, master_name, sentinel_address, sentinel_id, server_address,
};
use super::watch::{Roles, Was, Watch};
use crate::config::Config;
use crate::config::sentinel::{KnownSentinel, MasterSettings, SentinelConfig};
use crate::ids::RunId;
use crate::keyspace::Keyspace;
use crate::machine::{Actions, NoMeter};
use crate::node::{About, Node};
use crate::rng::{Rng, Seed};
use crate::sentinel::{Files, Sentinel, State};
use crate::sim::campaign::{Figure, Report, Trace};
use crate::sim::story::{LaneKind, Mark, MarkKind, Story};
use crate::sim::{BootInfo, Choices, Fault, HostId, Violation, World};
use crate::time::Instant;

/// Once all is healed, agreement may take so long: a sentinel may be in tilt mode for 30 s, a failover that could not
/// succeed blocks the next one for two `failover-timeout`s, and a replica of a wrong master is left alone for one.
pub const LIVENESS: Duration = Duration::from_secs(180);
/// Between two looks whether it came about.
const LOOK: Duration = Duration::from_millis(200);
/// It has to stay so for this long; with very many masters, which are there to be measured, for a third of it.
const STAYS: Duration = Duration::from_secs(3);
/// Between two looks whether somebody came to the state in which it is to be hit.
const TRAP: Duration = Duration::from_micros(200);
/// The files of a sentinel.
const CONF: &str = "sentinel.conf";
const STATE: &str = "sentinel.conf.state";

/// Who is to be hit in which state.
#[derive(Clone, Copy, Debug)]
struct Trap {
    at: State,
    how: How,
    lasts: Duration,
}

/// A run under way.
struct Run<'s> {
    setup: &'s Setup,
    world: World<Actor>,
    watch: Watch,
    clients: Vec<HostId>,
    trap: Option<Trap>,
    /// Copies of disks, by sentinel.
    disks: BTreeMap<usize, Vec<(String, Vec<u8>)>>,
    deeds: u64,
    healing: Duration,
}

/// Runs a setup with all of its list, or with these entries of it.
pub fn run(setup: &Setup, only: Option<&[usize]>) -> Report {
    run_told(setup, only, None, None).0
}

/// The same as [`run`], and told: `trace` gets a line for each step, `story` all that its limits leave room for.
pub fn run_told(
    setup: &Setup,
    only: Option<&[usize]>,
    trace: Option<Trace>,
    story: Option<Story>,
) -> (Report, Option<Story>) {
    // Another stream of choices than the one that drew the setup.
    let mut run = Run::new(setup, Choices::seeded(setup.seed ^ 0x5eed_5e47_0000_0000));
    run.watch.trace = trace;
    if let Some(story) = story {
        run.watch.bands = Some(Vec::new());
        let (servers, sentinels) = (setup.servers() as u32, setup.scenario.sentinels as u32);
        run.world.tell(story, move |host| match host.0 {
            n if n < servers => LaneKind::Node,
            n if n < servers + sentinels => LaneKind::Sentinel,
            _ => LaneKind::Client,
        });
    }
    let violation = run.all(only).err();
    let story = run.story(violation.as_ref());
    (run.report(violation), story)
}

/// A server's first role: the first one of each group is the master.
fn first_role(setup: &Setup, i: usize) -> Option<(String, u16)> {
    let first = i / setup.nodes * setup.nodes;
    (i != first).then(|| (host_of(setup, first, server_address(first)), PORT))
}

/// How a host is called towards others.
fn host_of(setup: &Setup, host: usize, at: SocketAddr) -> String {
    if setup.named { format!("h{host}") } else { at.ip().to_string() }
}

fn boot_node(i: usize, setup: &Setup, roles: &Roles, info: &BootInfo<'_>) -> Actor {
    let role = if setup.keeps_role { roles.borrow()[i].clone() } else { first_role(setup, i) };
    if setup.scenario.stand_ins {
        let mut rng = Rng::new(info.seed);
        let first = i / setup.nodes * setup.nodes;
        let others = (first..first + setup.nodes).filter(|o| *o != i).map(server_address).collect();
        let follow = role.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
        return Actor::Stand(Box::new(Stand::new(RunId::random(&mut rng), PORT, others, follow)));
    }
    let mut args = setup.args.clone();
    args.extend(["--replica-priority".to_string(), setup.priorities[i].to_string()]);
    if setup.names_told() {
        args.extend(["--replica-announce-ip".to_string(), format!("h{i}")]);
    }
    if let Some((host, port)) = role {
        args.extend(["--replicaof".to_string(), format!("{host} {port}")]);
    }
    let mut config = Config::new();
    // The directives are the campaign's own.
    if let Err(error) = config.apply_args(&args) {
        debug_assert!(false, "{error}");
    }
    let mut rng = Rng::new(info.seed);
    let (mut keys, mut seed) = (Seed::default(), Seed::default());
    rng.fill(&mut keys);
    rng.fill(&mut seed);
    let data = Keyspace::new(config.settings.databases, keys);
    Actor::node(Node::new(config, data, seed, Box::new(NoMeter), about(info)))
}

/// What a process knows of where it runs.
fn about(info: &BootInfo<'_>) -> About {
    About { pid: 1 + info.boot, os: "simulated".into(), arch_bits: 64, reactor: "sim".into(), ..About::default() }
}

/// What a sentinel's file says before its first start.
fn sentinel_config(i: usize, setup: &Setup) -> SentinelConfig {
    let mut config = SentinelConfig::new();
    config.settings.port = SENTINEL_PORT;
    config.global.myid = Some(sentinel_id(setup.seed, i));
    config.global.resolve_hostnames = setup.named;
    config.global.announce_hostnames = setup.names_told();
    let first_sentinel = setup.servers();
    for master in 0..setup.scenario.masters {
        let first = master * setup.nodes;
        let host = host_of(setup, first, server_address(first));
        let mut set = MasterSettings::new(&master_name(master), &host, PORT, setup.quorum);
        set.down_after_ms = setup.down_after_ms;
        set.failover_timeout_ms = setup.failover_timeout_ms;
        set.parallel_syncs = setup.parallel_syncs;
        if setup.known {
            set.sentinels = (0..setup.scenario.sentinels)
                .filter(|other| *other != i)
                .map(|other| KnownSentinel {
                    host: host_of(setup, first_sentinel + other, sentinel_address(other)),
                    port: SENTINEL_PORT,
                    run_id: Some(sentinel_id(setup.seed, other)),
                })
                .collect();
            set.replicas =
                (first + 1..first + setup.nodes).map(|r| (host_of(setup, r, server_address(r)), PORT)).collect();
        }
        config.masters.push(set);
    }
    config
}

/// A sentinel with what its file says now.
fn boot_sentinel(i: usize, setup: &Setup, info: &BootInfo<'_>) -> Actor {
    if setup.scenario.classic {
        return Actor::Classic(Box::new(Classic::new(i, setup, info.seed)), Actions::new());
    }
    let text = info.disk.get(CONF).map(String::from_utf8_lossy).unwrap_or_default();
    // The file is put in place as a whole: it is the one before or the one behind a change.
    let config = SentinelConfig::parse(CONF, &text);
    debug_assert!(config.is_ok(), "{config:?}: {text}");
    let files = Files { config: Some(CONF.into()), state: Some(STATE.into()) };
    Actor::sentinel(Sentinel::new(config.unwrap_or_default(), files, info.seed, Box::new(NoMeter), about(info)))
}

impl<'s> Run<'s> {
    fn new(setup: &'s Setup, choices: Choices) -> Self {
        let mut world = World::new(choices, setup.net.clone());
        world.set_disks(setup.disks.clone());
        let roles: Roles = Rc::new(RefCell::new((0..setup.servers()).map(|i| first_role(setup, i)).collect()));
        let shared = Rc::new(setup.clone());
        for i in 0..setup.servers() {
            let (setup, roles) = (shared.clone(), roles.clone());
            let boot = move |info: &BootInfo<'_>| boot_node(i, &setup, &roles, info);
            let host = world.add(&format!("h{i}"), [server_address(i).ip()].into(), Box::new(boot));
            world.start(host);
        }
        for i in 0..setup.scenario.sentinels {
            let name = format!("h{}", setup.servers() + i);
            let setup_of = shared.clone();
            let boot = move |info: &BootInfo<'_>| boot_sentinel(i, &setup_of, info);
            let host = world.add(&name, [sentinel_address(i).ip()].into(), Box::new(boot));
            world.disk_mut(host).put(CONF, sentinel_config(i, setup).rewrite("").into_bytes());
            world.start(host);
        }
        let mut clients = Vec::new();
        for (i, config) in setup.clients.iter().enumerate() {
            let config = config.clone();
            let boot = move |info: &BootInfo<'_>| Actor::Client(Box::new(Client::new(config.clone(), info.seed)));
            let host = world.add(&format!("client{i}"), [IpAddr::from([10, 2, 0, 1 + i as u8])].into(), Box::new(boot));
            world.start(host);
            clients.push(host);
        }
        let watch = Watch::new(setup, roles);
        Self { setup, world, watch, clients, trap: None, disks: BTreeMap::new(), deeds: 0, healing: Duration::ZERO }
    }

    fn all(&mut self, only: Option<&[usize]>) -> Result<(), Violation> {
        for (i, deed) in self.setup.deeds.iter().enumerate() {
            if only.is_none_or(|only| only.contains(&i)) {
                self.until(deed.at)?;
                self.deed(deed);
            }
        }
        self.until(self.setup.heal_at)?;
        self.trap = None;
        if self.setup.scenario.classic {
            return Ok(()); // What was to be measured is.
        }
        self.world.apply(&Fault::Heal);
        self.converge()?;
        self.finish()
    }

    /// Steps until then; where a trap is set, with a look at it between.
    fn until(&mut self, at: Instant) -> Result<(), Violation> {
        while let Some(trap) = self.trap
            && self.world.now() < at
        {
            // Nobody comes to such a state at once: looks are close together only while an election may be near.
            let near = self.sentinels().any(|(_, s)| s.groups().any(|g| g.odown.is_some()));
            let step = if near { TRAP } else { Duration::from_millis(5) };
            self.world.run_until((self.world.now() + step).min(at), &mut self.watch)?;
            let caught =
                self.sentinels().find(|(_, s)| s.groups().any(|g| g.failover.state == trap.at)).map(|(host, _)| host);
            if let Some(host) = caught {
                self.trap = None;
                self.watch.hit(trap.at);
                self.hit(host, trap.how, trap.lasts);
            }
        }
        self.world.run_until(at, &mut self.watch)
    }

    fn sentinels(&self) -> impl Iterator<Item = (HostId, &Sentinel)> {
        (0..self.setup.scenario.sentinels).filter_map(|i| {
            let host = self.setup.sentinel(i);
            Some((host, self.world.machine(host)?.as_sentinel()?))
        })
    }

    fn violation(&self, Broken { name, text }: Broken) -> Violation {
        Violation { name, at: self.world.now(), host: None, text }
    }

    fn deed(&mut self, deed: &Deed) {
        self.deeds += 1;
        match &deed.what {
            What::Fault(fault) => self.world.apply(fault),
            What::Hit { host, how, lasts } => self.hit(*host, *how, *lasts),
            What::Masters { masters, how, lasts } => {
                for master in 0..(*masters).min(self.setup.scenario.masters) {
                    if let Some(host) = self.master(master) {
                        self.hit(host, *how, *lasts);
                    }
                }
            }
            What::Leader { at, how, lasts } => self.trap = Some(Trap { at: *at, how: *how, lasts: *lasts }),
            What::Site { down_for } => {
                for (i, down_for) in down_for.iter().enumerate() {
                    self.world.apply(&Fault::Crash { host: HostId(i as u32), down_for: *down_for });
                }
            }
            What::Move { host, to, how, down_for } => {
                self.hit(*host, *how, *down_for);
                self.world.move_to(*host, [*to].into());
            }
            What::Remember { sentinel } => {
                let disk = self.world.disk(self.setup.sentinel(*sentinel));
                let files = disk.names().filter_map(|n| Some((n.to_string(), disk.get(n)?.to_vec()))).collect();
                self.disks.insert(*sentinel, files);
            }
            What::HandOver { sentinel } => {
                if let Some(person) = self.clients.first() {
                    self.world.call(*person, Call::Client(ClientCall::HandOver(sentinel_address(*sentinel))));
                }
            }
            What::Restore { sentinel } => self.restore(*sentinel),
        }
    }

    /// The server that is the master now, of several the first; none while nobody is.
    fn master(&self, master: usize) -> Option<HostId> {
        let first = master * self.setup.nodes;
        (first..first + self.setup.nodes).map(|i| HostId(i as u32)).find(|h| match self.world.machine(*h) {
            Some(Actor::Node(node, _)) => node.is_master() && node.source().replica_count() > 0,
            Some(Actor::Stand(stand)) => stand.is_master(),
            _ => false,
        })
    }

    fn hit(&mut self, host: HostId, how: How, lasts: Duration) {
        let fault = match how {
            How::Crash => Fault::Crash { host, down_for: lasts },
            How::Kill => Fault::Kill { host, down_for: lasts },
            How::Stop => Fault::Stop { host, down_for: lasts },
            How::Pause => Fault::Pause { host, lasts },
            How::Cut | How::Mute => {
                // Clients go on to reach whom only the others have lost.
                let others = (self.setup.servers() + self.setup.scenario.sentinels) as u32;
                for other in (0..others).map(HostId).filter(|o| *o != host) {
                    let one_way = how == How::Mute;
                    self.world.apply(&Fault::Partition { a: host, b: other, one_way, lasts });
                }
                return;
            }
        };
        self.world.apply(&fault);
    }

    fn restore(&mut self, sentinel: usize) {
        let host = self.setup.sentinel(sentinel);
        let Some(files) = self.disks.get(&sentinel) else { return };
        self.world.kill(host);
        let disk = self.world.disk_mut(host);
        let names: Vec<String> = disk.names().map(ToString::to_string).collect();
        names.iter().for_each(|name| disk.delete(name));
        for (name, content) in files {
            disk.put(name, content.clone());
        }
        self.watch.old_disk(sentinel);
        self.world.start(host);
    }

    /// Whoever is down is started: one that ended by itself, too.
    fn start_all(&mut self) {
        for host in (0..self.world.hosts()).map(HostId) {
            if !self.world.is_up(host) {
                self.world.start(host);
            }
        }
    }

    /// Liveness: within [`LIVENESS`] all agree, and go on to.
    fn converge(&mut self) -> Result<(), Violation> {
        let since = self.world.now();
        let mut good_since = None;
        let stays = if self.setup.scenario.stand_ins { STAYS / 3 } else { STAYS };
        loop {
            self.start_all();
            self.until(self.world.now() + LOOK)?;
            self.watch.checks += 1;
            let now = self.world.now();
            match agreed::check(self.setup, &self.world) {
                Ok(()) => {
                    let from = *good_since.get_or_insert(now);
                    if now - from >= stays {
                        self.healing = from - self.setup.heal_at;
                        return Ok(());
                    }
                }
                Err(why) if now - since > LIVENESS => {
                    return Err(self.violation(agreed::broken(&why, since, now)));
                }
                Err(_) => good_since = None,
            }
        }
    }

    /// Clients read what they wrote.
    fn finish(&mut self) -> Result<(), Violation> {
        for &client in &self.clients {
            self.world.call(client, Call::Client(ClientCall::Finish));
        }
        let since = self.world.now();
        loop {
            self.until(self.world.now() + LOOK)?;
            let mut clients = self.clients.iter().filter_map(|c| self.world.machine(*c)?.as_client());
            if clients.all(|c| c.read().is_some()) {
                return Ok(());
            }
            if self.world.now() - since > LIVENESS {
                let text = "a client that asked a sentinel for the master got no answer there";
                return Err(self.violation(Broken::new(agreed::NAME, text)));
            }
        }
    }

    /// The story, if one is told, with what is known of the hosts.
    fn story(&mut self, violation: Option<&Violation>) -> Option<Story> {
        for Was { host, at, kind, text } in self.watch.bands.take()? {
            let lane = self.world.lane(host)?;
            let story = self.world.story_mut()?;
            if text.is_empty() {
                story.end_band(lane, kind, at);
            } else {
                story.band(lane, kind, text, at);
            }
        }
        let healed = Mark::new(self.setup.heal_at, MarkKind::Note, "all is healed");
        let (told, now) = (self.world.violation().is_some(), self.world.now());
        let story = self.world.story_mut()?;
        if healed.at <= now {
            story.mark(healed);
        }
        if let Some(violation) = violation.filter(|_| !told) {
            story.mark(Mark::new(violation.at, MarkKind::Violation, violation.to_string()));
        }
        self.world.story()
    }

    fn report(self, violation: Option<Violation>) -> Report {
        let Run { setup, world, watch, clients, deeds, healing, .. } = self;
        let mut situations = watch.situations;
        let mut writes = 0;
        for client in clients.iter().filter_map(|c| world.machine(*c)?.as_client()) {
            situations.add(&client.situations);
            writes += client.writes();
        }
        let mut figures = alloc::vec![Figure::sum("writes acknowledged", writes)];
        figures.extend(watch.elections.figures());
        figures.extend(watch.losses.figures());
        if setup.scenario.kinds.moves {
            figures.push(Figure::sum("sentinels found at another address", watch.moved));
        }
        figures.push(Figure::sum("double votes and leaders that were excused", watch.excused));
        if watch.handovers.0 > 0 {
            figures.push(Figure::sum("masters told to hand over", watch.handovers.0));
            figures.push(Figure::sum("of them replicas that took over", watch.handovers.1));
        }
        Report {
            seed: setup.seed,
            violation,
            situations: situations.counts(),
            steps: world.stats().steps,
            lasted: world.now() - Instant::ZERO,
            healing,
            deeds,
            checks: watch.checks + world.stats().checks,
            figures,
            hash: world.trace_hash(),
        }
    }
}
