//! One run: a group under faults, then healed, then held against what must have come about.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::IpAddr;
use core::time::Duration;

use super::actor::{Actor, Call};
use super::client::{Client, ClientCall};
use super::invariants::{Broken, converged};
use super::operator::{Operator, Order};
use super::situations::{Situation, Situations};
use super::swarm::{Deed, PORT, Setup, What, address, name};
use super::watch::{Was, Watch};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::machine::NoMeter;
use crate::node::{self, About, Node};
use crate::rng::{Rng, Seed};
use crate::sim::campaign::{self, Failing, Figure, Trace};
use crate::sim::story::{LaneKind, Mark, MarkKind, Story};
use crate::sim::{BootInfo, Choices, Fault, HostId, Violation, World};
use crate::time::Instant;

/// Once all is healed, convergence may take so long: several `repl-timeout`s for connections that nobody knows to be dead,
/// a transfer with the longest delays, and the rests between attempts.
pub const LIVENESS: Duration = Duration::from_secs(90);
/// Between two looks whether it came about.
const LOOK: Duration = Duration::from_millis(200);
/// Clients go on for so long after the healing.
const WORK_ON: Duration = Duration::from_millis(1_500);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What must not be and was.
    pub violation: Option<Violation>,
    /// How often each situation occurred.
    pub situations: Situations,
    /// Inputs of machines.
    pub steps: u64,
    /// Virtual time.
    pub lasted: Duration,
    /// Of it, from the healing to convergence.
    pub healing: Duration,
    /// What was applied of the list.
    pub deeds: u64,
    /// Checks of invariants and laws.
    pub checks: u64,
    /// Operations of clients that were answered.
    pub answers: u64,
    /// Acknowledged writes, and those that a promotion or restart lost.
    pub acknowledged: (u64, u64),
    /// All that happened, in one number.
    pub hash: u64,
}

impl Failing for Report {
    fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}

impl From<Report> for campaign::Report {
    fn from(report: Report) -> Self {
        let (acknowledged, lost) = report.acknowledged;
        Self {
            seed: report.seed,
            violation: report.violation,
            situations: report.situations.counts(),
            steps: report.steps,
            lasted: report.lasted,
            healing: report.healing,
            deeds: report.deeds,
            checks: report.checks,
            figures: [
                Figure::sum("answers explained", report.answers),
                Figure::sum("writes acknowledged", acknowledged),
                Figure::sum("of them lost by promotions and restarts", lost),
            ]
            .into(),
            hash: report.hash,
        }
    }
}

/// Whom each node follows, as it was told last.
#[derive(Debug)]
struct Topology {
    follow: Vec<Option<usize>>,
    first: Vec<Option<usize>>,
    keeps_role: bool,
    named: bool,
}

impl Topology {
    /// Whom a node follows that starts now.
    fn at_start(&self, node: usize) -> Option<usize> {
        if self.keeps_role { self.follow[node] } else { self.first[node] }
    }

    /// How a node is called towards others.
    fn host(&self, node: usize) -> String {
        if self.named { name(node) } else { address(node).ip().to_string() }
    }

    /// Whether following leads from `from` to `to`.
    fn leads(&self, from: usize, to: usize) -> bool {
        let mut at = Some(from);
        for _ in 0..=self.follow.len() {
            match at {
                Some(node) if node == to => return true,
                Some(node) => at = self.follow[node],
                None => return false,
            }
        }
        true
    }
}

/// A run under way.
struct Run<'s> {
    setup: &'s Setup,
    world: World<Actor>,
    watch: Watch,
    topology: Rc<RefCell<Topology>>,
    clients: Vec<HostId>,
    operator: HostId,
    deeds: u64,
    healing: Duration,
}

/// Runs a setup with all of its list, or with these entries of it.
pub fn run(setup: &Setup, only: Option<&[usize]>) -> Report {
    run_told(setup, only, None, None).0
}

/// Runs a setup with all of its list, in a world of these choices instead of those of its seed.
pub fn run_from(setup: &Setup, choices: Choices) -> Report {
    let mut run = Run::new(setup, choices);
    let violation = run.all(None).err();
    run.report(violation)
}

/// The same as [`run`], and told: `trace` gets a line for each step, `story` all that its limits leave room for.
pub fn run_told(
    setup: &Setup,
    only: Option<&[usize]>,
    trace: Option<Trace>,
    story: Option<Story>,
) -> (Report, Option<Story>) {
    // Another stream of choices than the one that drew the setup.
    let mut run = Run::new(setup, Choices::seeded(setup.seed ^ 0x5eed_5eed_0000_0000));
    run.watch.trace = trace;
    if let Some(story) = story {
        run.watch.bands = Some(Vec::new());
        let nodes = setup.nodes as u32;
        let kind = move |host: HostId| if host.0 < nodes { LaneKind::Node } else { LaneKind::Client };
        run.world.tell(story, kind);
    }
    let violation = run.all(only).err();
    let story = run.story(violation.as_ref());
    (run.report(violation), story)
}

impl Run<'_> {
    /// The story, if one is told, with what is known of the nodes.
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
        let Run { setup, world, watch, topology, deeds, healing, .. } = self;
        let mut situations = watch.situations;
        let master = topology.borrow().follow.iter().position(Option::is_none).unwrap_or(0);
        let lost = watch.tracks[master].epoch().map_or(0, |e| watch.checker.lost(&watch.ledger, e.history));
        if lost > 0 {
            situations.count(Situation::AcknowledgedLost);
        }
        Report {
            seed: setup.seed,
            violation,
            situations,
            steps: world.stats().steps,
            lasted: world.now() - Instant::ZERO,
            healing,
            deeds,
            checks: watch.checks + watch.digests.compared + world.stats().checks,
            answers: watch.checker.answers,
            acknowledged: (watch.checker.acknowledged.len() as u64, lost as u64),
            hash: world.trace_hash(),
        }
    }
}

fn boot_node(node: usize, setup: &Setup, topology: &Rc<RefCell<Topology>>, info: &BootInfo<'_>) -> Actor {
    let topology = topology.borrow();
    let mut args = setup.args[node].clone();
    if let Some(master) = topology.at_start(node) {
        args.extend(["--replicaof".to_string(), format!("{} {PORT}", topology.host(master))]);
    }
    let mut config = Config::new();
    // The directives are the campaign's own, and a test holds them all against the table.
    if let Err(error) = config.apply_args(&args) {
        debug_assert!(false, "{error}");
    }
    // The keys of the hash must be others than the node's numbers, as in a real server.
    let mut rng = Rng::new(info.seed);
    let (mut keys, mut seed) = (Seed::default(), Seed::default());
    rng.fill(&mut keys);
    rng.fill(&mut seed);
    let about =
        About { pid: 1 + info.boot, os: "simulated".into(), arch_bits: 64, reactor: "sim".into(), ..About::default() };
    let data = Keyspace::new(config.settings.databases, keys);
    Actor::node(Node::new(config, data, seed, Box::new(NoMeter), about))
}

impl<'s> Run<'s> {
    fn new(setup: &'s Setup, choices: Choices) -> Self {
        let mut world = World::new(choices, setup.net.clone());
        world.set_disks(setup.disks.clone());
        let topology = Rc::new(RefCell::new(Topology {
            follow: setup.follow.clone(),
            first: setup.follow.clone(),
            keeps_role: setup.keeps_role,
            named: setup.named,
        }));
        for node in 0..setup.nodes {
            let (mine, shared) = (Rc::new(setup.clone()), topology.clone());
            let boot = move |info: &BootInfo<'_>| boot_node(node, &mine, &shared, info);
            let host = world.add(&name(node), [address(node).ip()].into(), Box::new(boot));
            world.start(host);
        }
        let mut clients = Vec::new();
        for (i, config) in setup.clients.iter().enumerate() {
            let config = config.clone();
            let boot = move |info: &BootInfo<'_>| Actor::Client(Box::new(Client::new(config.clone(), info.seed)));
            let address = IpAddr::from([10, 0, 1, 1 + i as u8]);
            let host = world.add(&format!("client{i}"), [address].into(), Box::new(boot));
            world.start(host);
            clients.push(host);
        }
        let boot = |_: &BootInfo<'_>| Actor::Operator(Box::new(Operator::new()));
        let operator = world.add("operator", [IpAddr::from([10, 0, 2, 1])].into(), Box::new(boot));
        world.start(operator);
        let watch = Watch::new(setup.nodes, clients.len());
        Self { setup, world, watch, topology, clients, operator, deeds: 0, healing: Duration::ZERO }
    }

    fn all(&mut self, only: Option<&[usize]>) -> Result<(), Violation> {
        for (i, deed) in self.setup.deeds.iter().enumerate() {
            if only.is_none_or(|only| only.contains(&i)) {
                self.until(deed.at)?;
                self.deed(deed);
            }
        }
        self.until(self.setup.heal_at)?;
        self.heal()?;
        self.converge()?;
        self.read_all()?;
        self.watch.checker.finish(&self.watch.ledger).map_err(|broken| self.violation(broken))
    }

    fn until(&mut self, at: Instant) -> Result<(), Violation> {
        self.world.run_until(at, &mut self.watch)
    }

    fn violation(&self, Broken { name, text }: Broken) -> Violation {
        Violation { name, at: self.world.now(), host: None, text }
    }

    fn deed(&mut self, deed: &Deed) {
        self.deeds += 1;
        match &deed.what {
            What::Fault(fault) => self.world.apply(fault),
            What::Save { node } => self.order(*node, &["BGSAVE"]),
            What::Follow { node, to } => {
                let circle = self.topology.borrow().leads(*to, *node);
                // A master that is told to follow would leave the group without one.
                if !circle && self.topology.borrow().follow[*node].is_some() {
                    self.topology.borrow_mut().follow[*node] = Some(*to);
                    self.order_follow(*node, *to);
                }
            }
            What::Promote { node, follow, late } => self.promote(*node, follow, *late),
        }
    }

    fn promote(&mut self, node: usize, follow: &[Option<usize>], late: bool) {
        if !late {
            self.order(node, &["REPLICAOF", "NO", "ONE"]);
        }
        self.topology.borrow_mut().follow[node] = None;
        for (i, to) in follow.iter().enumerate() {
            if let Some(to) = to {
                self.topology.borrow_mut().follow[i] = Some(*to);
                self.order_follow(i, *to);
            }
        }
        if late {
            self.order(node, &["REPLICAOF", "NO", "ONE"]);
        }
        for &client in &self.clients {
            self.world.call(client, Call::Client(ClientCall::Master(node)));
        }
    }

    fn order(&mut self, node: usize, words: &[&str]) {
        let order = Order { to: address(node), words: words.iter().map(|w| (*w).to_string()).collect() };
        self.world.call(self.operator, Call::Operator(order));
    }

    fn order_follow(&mut self, node: usize, to: usize) {
        let host = self.topology.borrow().host(to);
        self.order(node, &["REPLICAOF", &host, &PORT.to_string()]);
    }

    /// The master that the group has at the end: of those that were told to be one, the one that was promoted last.
    fn settle_master(&self) -> usize {
        let promoted = self.setup.deeds.iter().rev().find_map(|deed| match deed.what {
            What::Promote { node, .. } if self.topology.borrow().follow[node].is_none() => Some(node),
            _ => None,
        });
        promoted.or_else(|| self.topology.borrow().follow.iter().position(Option::is_none)).unwrap_or(0)
    }

    /// All faults end; once the operator has nothing more to say, everyone is told its place in the group.
    fn heal(&mut self) -> Result<(), Violation> {
        self.world.apply(&Fault::Heal);
        self.until(self.setup.heal_at + WORK_ON)?;
        for &client in &self.clients {
            self.world.call(client, Call::Client(ClientCall::Quiet));
        }
        // A node whose last snapshot failed answers MISCONF even to the PING of a replica, until one succeeds: whoever
        // repairs its disk asks for one, in Redis too.
        for node in 0..self.setup.nodes {
            self.order(node, &["BGSAVE"]);
        }
        for _ in 0..100 {
            if self.world.machine(self.operator).and_then(Actor::as_operator).is_none_or(Operator::is_idle) {
                break;
            }
            self.until(self.world.now() + LOOK)?;
        }
        let master = self.settle_master();
        let mut topology = self.topology.borrow_mut();
        topology.keeps_role = true;
        topology.follow[master] = None;
        for node in 0..self.setup.nodes {
            // Whoever follows nobody, or in a circle, follows the master now.
            if node != master && (topology.follow[node].is_none() || !topology.leads(node, master)) {
                topology.follow[node] = Some(master);
            }
        }
        Ok(())
    }

    /// Starts every node that is down, and tells every one that is not in its place to take it.
    fn place_all(&mut self) {
        for node in 0..self.setup.nodes {
            let host = HostId(node as u32);
            // One that ended by itself, as the last error of a broken disk reached it, is started again by whoever runs it.
            if !self.world.is_up(host) {
                self.world.start(host);
            }
            let Some(Actor::Node(machine, _)) = self.world.machine(host) else { continue };
            let follow = self.topology.borrow().follow[node];
            let call = match (follow, machine.upstream()) {
                (None, Some(_)) => node::Call::Promote,
                (Some(to), upstream) => {
                    let to = self.topology.borrow().host(to);
                    // A link that has not begun yet (its node's file comes first) is looked at again later.
                    if upstream.is_some_and(|u| u.target().is_none_or(|t| *t.host == *to)) {
                        continue;
                    }
                    node::Call::Follow { host: to.into(), port: PORT }
                }
                (None, None) => continue,
            };
            self.world.call(host, Call::Node(call));
        }
    }

    /// Liveness: within [`LIVENESS`] the group is in sync.
    fn converge(&mut self) -> Result<(), Violation> {
        let since = self.world.now();
        loop {
            self.place_all();
            self.until(self.world.now() + LOOK)?;
            match self.in_sync() {
                Ok(()) => break,
                Err(why) if self.world.now() - since > LIVENESS => {
                    return Err(self.violation(converged::broken(&why, since, self.world.now())));
                }
                Err(_) => {}
            }
        }
        self.healing = self.world.now() - self.setup.heal_at;
        Ok(())
    }

    fn in_sync(&mut self) -> Result<(), String> {
        let topology = self.topology.borrow();
        let master = topology.follow.iter().position(Option::is_none).unwrap_or(0);
        let order = core::iter::once(master).chain((0..self.setup.nodes).filter(|i| *i != master));
        let node = |i: usize| self.world.machine(HostId(i as u32)).and_then(Actor::as_node);
        self.watch.checks += 1;
        converged::check(order.map(|i| (i, node(i))))
    }

    /// Every client reads every key of a node, and every node's data are looked at: the end is checked as all before.
    fn read_all(&mut self) -> Result<(), Violation> {
        for (i, &client) in self.clients.iter().enumerate() {
            let node = i % self.setup.nodes;
            self.world.call(client, Call::Client(ClientCall::ReadAll(node)));
        }
        let since = self.world.now();
        loop {
            self.until(self.world.now() + LOOK)?;
            let idle =
                |host: &HostId| self.world.machine(*host).and_then(Actor::as_client).is_some_and(Client::is_idle);
            if self.clients.iter().all(idle) {
                break;
            }
            if self.world.now() - since > LIVENESS {
                let text = "clients that read every key got no answers".to_string();
                return Err(self.violation(Broken::new(converged::NAME, text)));
            }
        }
        for node in 0..self.setup.nodes {
            let Some(Actor::Node(machine, _)) = self.world.machine(HostId(node as u32)) else { continue };
            let seen = self.watch.digests.compare(&self.watch.ledger, &self.watch.tracks[node], machine);
            seen.map_err(|broken| self.violation(broken))?;
        }
        Ok(())
    }
}
