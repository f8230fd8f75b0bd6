//! Looks at the world after every step: keeps the ledger and the tracks, and asks the invariants.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::actor::{Actor, Event};
use super::history::Checker;
use super::invariants::{Broken, log, same_data, stream, wait};
use super::ledger::{Ledger, Process};
use super::situations::{Situation, Situations};
use super::track::Track;
use crate::keyspace::Keyspace;
use crate::machine::Action;
use crate::node::{Node, What};
use crate::replication::LinkState;
use crate::sim::campaign::{Trace, trace_line};
use crate::sim::story::BandKind;
use crate::sim::{Fault, HostId, Observer, Seen, Step, Violation, World};
use crate::time::Instant;

/// Where the addresses of nodes begin: node `i` is `10.0.0.(i + 1)`.
pub const FIRST_ADDRESS: [u8; 4] = [10, 0, 0, 1];

/// The observer of a run. Hosts are the nodes first, then the clients, then the operator.
pub struct Watch {
    nodes: usize,
    clients: usize,
    /// Every history.
    pub ledger: Ledger,
    /// Every node.
    pub tracks: Vec<Track>,
    /// Every client.
    pub checker: Checker,
    /// Every dataset.
    pub digests: same_data::Digests,
    /// What occurred.
    pub situations: Situations,
    /// How many invariants were checked.
    pub checks: u64,
    lost_bytes: u64,
    scratch: Vec<u8>,
    /// Where each step goes as a line, if anybody wants it.
    pub trace: Option<Trace>,
    line: String,
    /// What each node was and from when on, for a story, if there is one.
    pub bands: Option<Vec<Was>>,
}

/// What a node was from a time on: for a story, which is told it at the end.
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

impl Watch {
    /// An observer of so many nodes and clients.
    pub fn new(nodes: usize, clients: usize) -> Self {
        Self {
            nodes,
            clients,
            ledger: Ledger::default(),
            tracks: (0..nodes).map(|_| Track::default()).collect(),
            checker: Checker::new(clients),
            digests: same_data::Digests::default(),
            situations: Situations::default(),
            checks: 0,
            lost_bytes: 0,
            scratch: Vec::new(),
            trace: None,
            line: String::new(),
            bands: None,
        }
    }

    /// Notes role, replication id and link of a node, where a story is told. A story leaves out what is the same again.
    fn note(&mut self, host: HostId, at: Instant, node: &Node<Keyspace>) {
        let Some(bands) = &mut self.bands else { return };
        let id = node.source().id();
        let role = if node.is_master() { "master" } else { "replica" };
        let epoch = alloc::format!("id {}", &id.as_str()[..8]);
        let link = node.upstream().map_or("", |u| u.state().as_str());
        for (kind, text) in [(BandKind::Role, role), (BandKind::Epoch, &epoch), (BandKind::Link, link)] {
            let last = bands.iter().rev().find(|b| b.host == host && b.kind == kind);
            if last.is_none_or(|b| b.text != text) {
                bands.push(Was { host, at, kind, text: text.into() });
            }
        }
    }

    fn node_at(&self, ip: IpAddr) -> Option<usize> {
        let IpAddr::V4(ip) = ip else { return None };
        let [a, b, c, d] = ip.octets();
        let i = usize::from(d).checked_sub(usize::from(FIRST_ADDRESS[3]))?;
        ([a, b, c] == FIRST_ADDRESS[..3] && i < self.nodes).then_some(i)
    }

    fn node(&mut self, i: usize, boot: u32, node: &Node<Keyspace>, actions: &[Action<Event>]) -> Result<(), Broken> {
        let track = &mut self.tracks[i];
        track.steps += 1;
        self.situations.node(actions, track, node.source().replica_count());
        if let Some(fault) = actions.iter().find_map(stream_fault) {
            return Err(Broken::new(stream::PREFIX, fault));
        }
        let who = Process { node: i, boot };
        stream::check(&mut self.ledger, track, who, node, &mut self.scratch)?;
        self.digests.check(&self.ledger, track, node)?;
        log::check(node)?;
        track.syncing = node.upstream().is_some_and(|u| u.state() == LinkState::Sync);
        (track.saving, track.loading) = (node.is_saving(), node.is_loading());
        self.checks += 4;
        if let Some(epoch) = self.tracks[i].epoch().filter(|e| !e.dark)
            && node.source().replica_count() > 0
        {
            self.checks += 1;
            wait::check_acks(&self.ledger, &self.tracks, node, epoch.history, |ip| self.node_at(ip))?;
        }
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, lost_bytes: u64) {
        if let Fault::Crash { host, .. } | Fault::Kill { host, .. } = fault
            && let Some(track) = self.tracks.get(host.0 as usize)
        {
            if track.saving {
                self.situations.count(Situation::CrashInSave);
            }
            if track.loading {
                self.situations.count(Situation::CrashInLoad);
            }
        }
        if lost_bytes > self.lost_bytes {
            self.lost_bytes = lost_bytes;
            self.situations.count(Situation::TornFile);
        }
    }

    fn look(&mut self, world: &World<Actor>, step: &Step<'_, Actor>) -> Result<(), Broken> {
        if let Seen::Fault(fault) = step.seen {
            self.fault(fault, world.stats().lost_bytes);
            return Ok(());
        }
        let Some(host) = step.host else { return Ok(()) };
        let i = host.0 as usize;
        match world.machine(host) {
            Some(Actor::Node(node, _)) => {
                self.note(host, step.at, node);
                self.node(i, world.boots(host), node, step.actions)
            }
            Some(Actor::Client(client)) if i - self.nodes < self.clients => {
                let entries = client.entries();
                self.checks += 1;
                self.checker.look(i - self.nodes, entries, &self.ledger, &self.tracks, &mut self.situations)
            }
            _ => Ok(()),
        }
    }
}

/// A stream that a replica cannot apply: every one of them is a bug of one of the two.
fn stream_fault(action: &Action<Event>) -> Option<String> {
    match action {
        Action::Event(Event::Node(event)) if matches!(event.what, What::StreamFault { .. }) => {
            Some(alloc::format!("{event}"))
        }
        _ => None,
    }
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
