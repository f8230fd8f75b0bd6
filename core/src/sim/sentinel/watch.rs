//! Looks at the world after every step: reads the wires, keeps what was seen, and asks the invariants.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::actor::{Actor, Event};
use super::classic;
use super::client::Client;
use super::elections::Elections;
use super::invariants::leaders::{Disturbed, Elected, Leaders};
use super::invariants::votes::Votes;
use super::invariants::{Broken, down, epochs::Epochs, handover};
use super::losses::{self, Losses};
use super::situations::{Situation, Situations};
use super::swarm::{Setup, master_of, sentinel_id};
use super::wire::{Answer, Wires};
use crate::ids::RunId;
use crate::machine::Action;
use crate::node;
use crate::sentinel::{self, DownReason, Plain, Sentinel, State, What};
use crate::sim::campaign::{Trace, trace_line};
use crate::sim::story::BandKind;
use crate::sim::{Came, Fault, HostId, Observer, Seen, Step, Violation, World};
use crate::time::Instant;

/// Whom each server follows, for those that keep it over a restart.
pub type Roles = Rc<RefCell<Vec<Option<(String, u16)>>>>;

/// What is known of a client's writes.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The highest one that WAIT had seen.
    waited: u64,
    /// How often less was there.
    lost: u64,
    /// The last one, and since when.
    wrote: u64,
    since: Instant,
}

/// The observer of a run. Hosts are the servers first, then the sentinels, then the clients.
pub struct Watch {
    servers: usize,
    nodes: usize,
    sentinels: Vec<HostId>,
    ids: BTreeMap<RunId, usize>,
    strict: bool,
    stand_ins: bool,
    /// One process may be known by a name and an address, or by an old address and a new one, which the wire does not tell
    /// to be one.
    aliases: bool,
    down_after: Duration,
    timeout: Duration,
    roles: Roles,
    wires: Wires,
    votes: Votes,
    leaders: Leaders,
    epochs: Epochs,
    disturbed: Disturbed,
    /// The last state of each failover: by sentinel and master.
    states: BTreeMap<(usize, usize), State>,
    /// Sentinels that write something before they say it.
    writing: Vec<bool>,
    masters: BTreeMap<usize, bool>,
    /// What occurred.
    pub situations: Situations,
    /// How many invariants were checked.
    pub checks: u64,
    /// Violations of `one-vote` and `one-leader` where these are only counted.
    pub excused: u64,
    /// Masters that were told to hand over, and replicas that took over.
    pub handovers: (u64, u64),
    /// Writes that WAIT had seen and that are gone, by reason.
    pub losses: Losses,
    /// Sentinels that were found at another address, by others.
    pub moved: u64,
    setup: Rc<Setup>,
    clients: BTreeMap<u32, Known>,
    /// The elections, and how soon they were decided.
    pub elections: Elections,
    /// Where each step goes as a line, if anybody wants it.
    pub trace: Option<Trace>,
    line: String,
    /// What each host was and from when on, for a story, if there is one.
    pub bands: Option<Vec<Was>>,
}

/// What a host was from a time on: for a story, which is told it at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Was {
    /// Which.
    pub host: HostId,
    /// Since when.
    pub at: Instant,
    /// In which respect.
    pub kind: BandKind,
    /// What.
    pub text: String,
}

/// Where a step took place.
#[derive(Clone, Copy)]
struct Place {
    host: HostId,
    /// Index of the sentinel.
    i: usize,
    boot: u32,
    /// True time.
    at: Instant,
    /// The host's own.
    now: Instant,
}

impl Watch {
    /// An observer of a run.
    pub fn new(setup: &Setup, roles: Roles) -> Self {
        let sentinels: Vec<HostId> = (0..setup.scenario.sentinels).map(|i| setup.sentinel(i)).collect();
        Self {
            servers: setup.servers(),
            nodes: setup.nodes,
            ids: (0..sentinels.len()).map(|i| (sentinel_id(setup.seed, i), i)).collect(),
            writing: alloc::vec![false; sentinels.len()],
            sentinels,
            strict: setup.scenario.strict,
            stand_ins: setup.scenario.stand_ins,
            aliases: setup.named || setup.scenario.kinds.moves,
            down_after: Duration::from_millis(setup.down_after_ms),
            timeout: Duration::from_millis(setup.failover_timeout_ms),
            roles,
            wires: Wires::default(),
            votes: Votes::default(),
            leaders: Leaders::default(),
            epochs: Epochs::default(),
            disturbed: Disturbed::default(),
            states: BTreeMap::new(),
            masters: BTreeMap::new(),
            situations: Situations::default(),
            checks: 0,
            excused: 0,
            handovers: (0, 0),
            losses: Losses::default(),
            moved: 0,
            setup: Rc::new(setup.clone()),
            clients: BTreeMap::new(),
            elections: Elections::default(),
            trace: None,
            line: String::new(),
            bands: None,
        }
    }

    /// A sentinel gets an old disk.
    pub fn old_disk(&mut self, sentinel: usize) {
        self.epochs.forget(sentinel);
    }

    /// Counts that a sentinel is hit in a state of a failover.
    pub fn hit(&mut self, state: State) {
        self.situations.count(match state {
            State::WaitStart => Situation::LeaderInElection,
            State::SelectSlave | State::SendSlaveofNoOne => Situation::LeaderInSelection,
            State::ReconfSlaves | State::UpdateConfig => Situation::LeaderInReconfiguration,
            _ => Situation::LeaderInPromotion,
        });
    }

    /// What is a violation only where all disks are honest and all sentinels know the same others.
    fn if_strict(&mut self, result: Result<(), Broken>) -> Result<(), Broken> {
        match result {
            Err(broken) if self.strict => Err(broken),
            Err(_) => {
                self.excused += 1;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn sentinel_of(&self, host: HostId) -> Option<usize> {
        let i = (host.0 as usize).checked_sub(self.servers)?;
        (i < self.sentinels.len()).then_some(i)
    }

    fn look(&mut self, world: &World<Actor>, step: &Step<'_, Actor>) -> Result<(), Broken> {
        if let Seen::Fault(fault) = step.seen {
            self.fault(world, fault, step.at);
            return Ok(());
        }
        let Some(host) = step.host else { return Ok(()) };
        match world.machine(host) {
            Some(Actor::Sentinel(sentinel, _)) => {
                let Some(i) = self.sentinel_of(host) else { return Ok(()) };
                let place = Place { host, i, boot: world.boots(host), at: step.at, now: step.now.mono };
                self.wires(world, step, place, sentinel)?;
                self.sentinel(world, step, place, sentinel)
            }
            Some(Actor::Classic(..)) => {
                if let Some(i) = self.sentinel_of(host) {
                    self.classic(step, i);
                }
                Ok(())
            }
            Some(Actor::Node(node, _)) => {
                let follows = node.upstream().and_then(|u| u.target()).map(|t| (t.host.to_string(), t.port));
                let server = host.0 as usize;
                if matches!(step.seen, Seen::Booted) {
                    self.losses.booted(&self.setup, server, step.at);
                } else if node.is_master() && self.masters.get(&server) == Some(&false) {
                    self.losses.promoted(&self.setup, world, server, step.at);
                } else if !node.is_master() && self.masters.get(&server) == Some(&true) {
                    self.losses.demoted(&self.setup, server, step.at);
                }
                if !node.is_loading() {
                    self.server(host, step.at, node.is_master(), follows.as_ref());
                }
                self.handover(world, step, host)
            }
            Some(Actor::Client(client)) => self.client(world, step.at, client),
            Some(Actor::Stand(stand)) => {
                let follows = stand.follows().map(|(h, p)| (h.to_string(), p.parse().unwrap_or(0)));
                self.server(host, step.at, stand.is_master(), follows.as_ref());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a server told of a failover that somebody asked for.
    fn handover(&mut self, world: &World<Actor>, step: &Step<'_, Actor>, host: HostId) -> Result<(), Broken> {
        for action in step.actions {
            let Action::Event(Event::Node(event)) = action else { continue };
            match event.what {
                node::What::FailoverAsked { .. } => self.handovers.0 += 1,
                node::What::MasterMode { handed_over: true, .. } => {
                    self.handovers.1 += 1;
                    self.checks += 1;
                    let first = host.0 as usize / self.nodes * self.nodes;
                    let servers = (first..first + self.nodes).map(|i| HostId(i as u32));
                    handover::check(world, servers, host)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a client knows of its writes: why less is there than WAIT had seen.
    fn client(&mut self, world: &World<Actor>, at: Instant, client: &Client) -> Result<(), Broken> {
        let number = client.number();
        let before = self.clients.get(&number).copied().unwrap_or_default();
        let mut now = Known { waited: client.waited(), lost: client.lost(), ..before };
        if client.wrote() != before.wrote {
            (now.wrote, now.since) = (client.wrote(), at);
        }
        self.clients.insert(number, now);
        if (now.waited, now.lost) == (before.waited, before.lost) {
            return Ok(());
        }
        let mut servers = 0..self.servers;
        let is_there = |s: &usize| client.master().is_some_and(|m| world.addrs(HostId(*s as u32)).contains(&m.ip()));
        let Some(server) = servers.find(is_there) else {
            // It has moved since: what its last answer said is not known to be of any server.
            self.losses.forget(number);
            return Ok(());
        };
        if now.lost > before.lost {
            self.checks += 1;
            let why = self.losses.why(&self.setup, number, server);
            let why =
                why.map_err(|text| Broken::new(losses::NAME, format!("client {number} misses a write: {text}")))?;
            self.losses.count(why);
            self.situations.count(Situation::WaitedLost);
        } else if now.waited > before.waited {
            // What happened while the answer was on its way may have lost it already.
            let since = if now.waited == before.wrote { before.since } else { now.since };
            self.losses.kept(number, now.waited, server, since);
        }
        Ok(())
    }

    /// What the model of redis-sentinel came to in a step.
    fn classic(&mut self, step: &Step<'_, Actor>, i: usize) {
        for action in step.actions {
            let Action::Event(Event::Classic(classic::Event { master, what })) = action else { continue };
            let (master, at) = (*master, step.at);
            match *what {
                classic::What::ODown => self.elections.odown(master, i, at),
                classic::What::NotODown => self.elections.not_odown(master, i),
                classic::What::Try(epoch) => self.elections.tried(master, epoch),
                classic::What::Elected(epoch) => {
                    let first = self.elections.elected(master, epoch, at);
                    self.situations.count(if first { Situation::ElectedFirst } else { Situation::ElectedLater });
                }
                classic::What::NotElected(_) => self.situations.count(Situation::Lost),
            }
        }
    }

    fn fault(&mut self, world: &World<Actor>, fault: &Fault, at: Instant) {
        self.disturbed.fault(fault, at);
        if let Fault::Crash { host, .. } = fault
            && let Some(i) = self.sentinel_of(*host)
            && core::mem::take(&mut self.writing[i])
        {
            self.situations.count(Situation::CrashWhileWriting);
        }
        for host in (0..world.hosts()).map(HostId).filter(|h| !world.is_up(*h)) {
            self.gone(host, at);
        }
    }

    /// A host's process does not run.
    fn gone(&mut self, host: HostId, at: Instant) {
        if (host.0 as usize) < self.servers {
            self.masters.remove(&(host.0 as usize));
            self.note(host, at, BandKind::Role, "");
        } else if let Some(i) = self.sentinel_of(host) {
            self.states.retain(|(s, _), _| *s != i);
            self.elections.gone(i);
            self.note(host, at, BandKind::Role, "");
        }
    }

    /// A server shows its role.
    fn server(&mut self, host: HostId, at: Instant, is_master: bool, follows: Option<&(String, u16)>) {
        let i = host.0 as usize;
        let was = self.masters.insert(i, is_master);
        if let Some(role) = self.roles.borrow_mut().get_mut(i)
            && role.as_ref() != follows
        {
            *role = follows.cloned();
        }
        if was == Some(is_master) {
            return;
        }
        let first = i / self.nodes * self.nodes;
        let count = self.masters.range(first..first + self.nodes).filter(|(_, m)| **m).count();
        if count > 1 {
            self.situations.count(Situation::TwoMasters);
        } else if count == 0 {
            self.situations.count(Situation::NoMaster);
        }
        self.note(host, at, BandKind::Role, if is_master { "master" } else { "replica" });
    }

    /// Notes what a host is from now on, where a story is told; nothing ends what it was.
    fn note(&mut self, host: HostId, at: Instant, kind: BandKind, text: &str) {
        let Some(bands) = &mut self.bands else { return };
        let last = bands.iter().rev().find(|b| b.host == host && b.kind == kind);
        if last.map_or(!text.is_empty(), |b| b.text != text) {
            bands.push(Was { host, at, kind, text: text.into() });
        }
    }

    /// Keeps up with what a sentinel's connections carry.
    fn wires(
        &mut self,
        world: &World<Actor>,
        step: &Step<'_, Actor>,
        place: Place,
        sentinel: &Sentinel,
    ) -> Result<(), Broken> {
        let h = place.host.0;
        match step.seen {
            Seen::Booted => {
                self.wires.forget(h);
                self.leaders.booted(place.host, place.boot);
                self.states.retain(|(s, _), _| *s != place.i);
                self.elections.gone(place.i);
                self.writing[place.i] = false;
            }
            Seen::Sent { conn, len } => {
                self.wires.sent(h, conn, world.just_sent(place.host, conn, len), place.now);
            }
            Seen::Received { conn, bytes } => {
                for answer in self.wires.received(h, conn, bytes, place.now) {
                    self.answer(&answer, sentinel)?;
                }
            }
            Seen::Closed { conn, .. } | Seen::Eof { conn } => self.wires.closed(h, conn),
            Seen::Done { result: Came::Failed(_), .. } if self.writing[place.i] => {
                self.situations.count(Situation::DiskFailed);
            }
            _ => {}
        }
        for action in step.actions {
            match action {
                Action::Connect { conn, to, .. } => {
                    if let Some(to) = to.tcp() {
                        self.wires.opened(h, *conn, to, place.now);
                    }
                }
                Action::Close { conn } => self.wires.closed(h, *conn),
                Action::Start {
                    job: crate::machine::Job::Append { .. } | crate::machine::Job::Replace { .. }, ..
                } => {
                    self.writing[place.i] = true;
                }
                _ => {}
            }
        }
        if matches!(step.seen, Seen::Done { result: Came::Written, .. }) {
            self.writing[place.i] = false;
        }
        Ok(())
    }

    /// A sentinel got an answer to its request for a vote.
    fn answer(&mut self, answer: &Answer, sentinel: &Sentinel) -> Result<(), Broken> {
        self.checks += 1;
        let (epoch, me) = answer.asked;
        match answer.leader {
            Some(leader) if leader != me && answer.epoch == epoch => self.situations.count(Situation::VoteRefused),
            _ if answer.epoch != epoch => self.situations.count(Situation::VoteOld),
            _ => {}
        }
        let (host, port) = &answer.master;
        let group = sentinel.groups().find(|g| g.master.addr.is(host, *port));
        let (Some(leader), Some(master)) = (answer.leader, group.and_then(|g| master_of(g.name()))) else {
            return Ok(());
        };
        let voter = sentinel_at(answer.voter.ip()).filter(|v| *v < self.sentinels.len());
        match voter {
            Some(voter) => {
                let seen = self.votes.see(voter, master, answer.epoch, leader);
                self.if_strict(seen)
            }
            None => Ok(()),
        }
    }

    /// What a sentinel told in a step, and what it is behind it.
    fn sentinel(
        &mut self,
        world: &World<Actor>,
        step: &Step<'_, Actor>,
        place: Place,
        sentinel: &Sentinel,
    ) -> Result<(), Broken> {
        let mut told = false;
        for action in step.actions {
            if let Action::Event(Event::Sentinel(event)) = action {
                told = true;
                self.event(world, event, place, sentinel)?;
            }
        }
        // With very many masters only those steps are looked at in which something was told.
        if self.stand_ins && !told {
            return Ok(());
        }
        self.checks += 2;
        if sentinel.groups().next().is_some() {
            self.epochs.see_current(place.i, sentinel.epoch())?;
            self.note(place.host, place.at, BandKind::Epoch, &format!("epoch {}", sentinel.epoch()));
        }
        let mut role = State::None;
        for group in sentinel.groups() {
            let Some(master) = master_of(group.name()) else { continue };
            self.epochs.see_config(place.i, master, group.config_epoch)?;
            if let Some(vote) = group.vote.filter(|v| v.epoch > 0 && self.ids.contains_key(&v.leader)) {
                self.leaders.voted(master, vote.epoch, place.at);
                let seen = self.votes.see(place.i, master, vote.epoch, vote.leader);
                self.if_strict(seen)?;
                self.note_vote(place, vote.leader, vote.epoch);
            }
            let state = group.failover.state;
            let before = self.states.insert((place.i, master), state).unwrap_or_default();
            if before != state && state == State::None {
                self.leaders.over(master, place.host);
            }
            if state != State::None {
                role = state;
            }
        }
        let text = match role {
            State::None if sentinel.is_in_tilt() => "tilt",
            State::None => "",
            state => state.word(),
        };
        self.note(place.host, place.at, BandKind::Role, text);
        Ok(())
    }

    fn note_vote(&mut self, place: Place, leader: RunId, epoch: u64) {
        if self.bands.is_some() {
            let whom = self.ids.get(&leader).map_or_else(|| leader.to_string(), |i| format!("sentinel{i}"));
            self.note(place.host, place.at, BandKind::Link, &format!("vote {whom} in {epoch}"));
        }
    }

    fn event(
        &mut self,
        world: &World<Actor>,
        event: &sentinel::Event,
        place: Place,
        sentinel: &Sentinel,
    ) -> Result<(), Broken> {
        let subject = event.subject.as_ref();
        match &event.what {
            What::Down(why) => {
                self.down(why, event.subject.as_ref().map(|s| s.kind));
                self.checks += 1;
                if let Some(subject) = subject.filter(|_| !self.aliases && down::is_silence(why))
                    && let Ok(ip) = subject.host.parse::<IpAddr>()
                    && let Some(pings) = self.wires.pings(place.host.0, SocketAddr::new(ip, subject.port))
                {
                    down::check(pings, self.down_after, place.now, &subject.to_string())?;
                }
            }
            What::ODown { .. } => {
                self.situations.count(Situation::ODown);
                if let Some(master) = subject.and_then(|s| master_of(&s.name)) {
                    self.elections.odown(master, place.i, place.at);
                }
            }
            What::AddressSwitch { .. } => self.moved += 1,
            What::Tilt => self.situations.count(Situation::Tilt),
            What::TiltOver => self.situations.count(Situation::TiltOver),
            What::Switch { name, .. } => {
                let Some(master) = master_of(name) else { return Ok(()) };
                let lead = self.states.get(&(place.i, master)) == Some(&State::WaitPromotion);
                self.situations.count(if lead { Situation::SwitchedByLeader } else { Situation::SwitchedByHello });
                if lead {
                    self.leaders.switched(master, place.at);
                    self.elections.switched(master);
                } else {
                    self.elections.not_odown(master, place.i);
                }
            }
            What::Plain(plain) => {
                let name = subject.map(|s| s.of.as_ref().map_or(&*s.name, |(name, ..)| name));
                if let Some(master) = name.and_then(master_of) {
                    return self.plain(world, *plain, master, place, sentinel);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn down(&mut self, why: &DownReason, kind: Option<&str>) {
        if kind == Some("sentinel") {
            self.situations.count(Situation::SentinelDown);
        }
        self.situations.count(match why {
            DownReason::Silent => Situation::DownSilent,
            DownReason::Unreachable => Situation::DownUnreachable,
            DownReason::WrongRole => Situation::DownWrongRole,
            _ => return,
        });
    }

    fn plain(
        &mut self,
        world: &World<Actor>,
        plain: Plain,
        master: usize,
        place: Place,
        sentinel: &Sentinel,
    ) -> Result<(), Broken> {
        let situation = match plain {
            Plain::Elected => return self.elected(world, master, place, sentinel),
            Plain::TryFailover => {
                let group = sentinel.groups().find(|g| master_of(g.name()) == Some(master));
                self.elections.tried(master, group.map_or(0, |g| g.failover.epoch));
                return Ok(());
            }
            Plain::AbortNotElected => {
                let group = sentinel.groups().find(|g| master_of(g.name()) == Some(master));
                let epoch = group.map_or(0, |g| g.failover.epoch);
                let most = self.sentinels.len() / 2;
                let won = (0..self.sentinels.len()).any(|i| {
                    let id = self.ids.iter().find(|(_, n)| **n == i).map(|(id, _)| *id);
                    id.is_some_and(|id| self.votes.given(master, epoch, id) > most)
                });
                if !won {
                    self.situations.count(Situation::Split);
                }
                Situation::Lost
            }
            Plain::Selected => {
                self.losses.chosen(&self.setup, world, master, place.host);
                return Ok(());
            }
            Plain::Up => Situation::UpAgain,
            Plain::NotODown => {
                self.elections.not_odown(master, place.i);
                Situation::NotODown
            }
            Plain::Promoted => Situation::Promoted,
            Plain::AbortNoReplica => Situation::NoReplica,
            Plain::AbortReplicaTimeout => Situation::PromotionTimeout,
            Plain::FailoverEnd => Situation::Ended,
            Plain::FailoverEndTimeout => Situation::EndedLate,
            Plain::ConvertToReplica => Situation::Converted,
            Plain::FixReplica => Situation::Fixed,
            Plain::Reboot => Situation::Reboot,
            _ => return Ok(()),
        };
        self.situations.count(situation);
        Ok(())
    }

    fn elected(
        &mut self,
        world: &World<Actor>,
        master: usize,
        place: Place,
        sentinel: &Sentinel,
    ) -> Result<(), Broken> {
        self.checks += 2;
        let Some(group) = sentinel.groups().find(|g| master_of(g.name()) == Some(master)) else { return Ok(()) };
        let coordinated = group.failover.coordinated;
        let at = &group.master.addr;
        let server =
            (0..self.servers as u32).map(HostId).find(|h| at.ip.is_some_and(|ip| world.addrs(*h).contains(&ip)));
        let sentinels = core::mem::take(&mut self.sentinels);
        let one = Elected {
            master,
            epoch: group.failover.epoch,
            sentinel: place.host,
            boot: place.boot,
            now: place.at,
            timeout: self.timeout,
            sentinels: &sentinels,
            server,
        };
        let (leader, promotion) = (self.leaders.one_leader(&one), self.leaders.one_promotion(&one, &self.disturbed));
        self.sentinels = sentinels;
        self.if_strict(leader)?;
        // One that a person asked for needs no fault.
        if !coordinated {
            self.if_strict(promotion)?;
        }
        let first = self.elections.elected(master, group.failover.epoch, place.at);
        self.situations.count(if first { Situation::ElectedFirst } else { Situation::ElectedLater });
        Ok(())
    }
}

/// The sentinel that is at an address.
fn sentinel_at(ip: IpAddr) -> Option<usize> {
    let IpAddr::V4(ip) = ip else { return None };
    let [10, 1, _, d] = ip.octets() else { return None };
    usize::from(d).checked_sub(1)
}

impl Observer<Actor> for Watch {
    fn after(&mut self, world: &World<Actor>, step: &Step<'_, Actor>) -> Result<(), Violation> {
        if let Some(trace) = &mut self.trace {
            trace_line(step, &mut self.line);
            trace(&self.line);
        }
        self.look(world, step).map_err(|Broken { name, text }| Violation { name, at: step.at, host: step.host, text })
    }
}
