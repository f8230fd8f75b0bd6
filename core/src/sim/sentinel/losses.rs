//! Why a write that `WAIT` had seen on a replica is gone: each loss has a rule of the asynchronous protocol for a reason, or is
//! nobody's rule and then a fault of ours.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::actor::Actor;
use super::swarm::Setup;
use crate::replication::ReplId;
use crate::sentinel::{Address, Unfit};
use crate::sim::campaign::Figure;
use crate::sim::{HostId, World};
use crate::time::Instant;

/// The name of the invariant that a loss is explained.
pub const NAME: &str = "explained";

/// Why such a write is gone: none of them is against a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Its master was started anew, with nothing, before it was replaced; the replicas followed.
    MasterEmptied,
    /// No other replica had it, or none that still ran with it.
    WithItsReplica,
    /// Who had it had a worse `replica-priority`, or 0.
    Priority,
    /// The leader could not reach who had it.
    Unreachable,
    /// The old master still took writes, and it came to another replica after that had said how far it is.
    AfterInfo,
    /// Who had it had another history than the promoted one, and than the master as the leader knew it.
    OtherHistory,
    /// Of two masters, who had it was told to follow the other.
    Demoted,
    /// A client came to another master than the one that was promoted.
    Elsewhere,
}

impl Reason {
    /// In words, as a figure of a run.
    pub const fn text(self) -> &'static str {
        match self {
            Self::MasterEmptied => "lost after WAIT since the master was started anew, empty, and not replaced in time",
            Self::WithItsReplica => "lost after WAIT since no replica that still ran had them",
            Self::Priority => "lost after WAIT since who had them had a worse replica-priority, or 0",
            Self::Unreachable => "lost after WAIT since the leader could not reach who had them",
            Self::AfterInfo => "lost after WAIT since the old master took them after the leader had asked who has most",
            Self::OtherHistory => {
                "lost after WAIT since who had them had a history of its own, beside a master that was started anew"
            }
            Self::Demoted => "lost after WAIT since of two masters who had them was told to follow the other",
            Self::Elsewhere => "missed after WAIT since a client came to another master than the promoted one",
        }
    }
}

/// Of one server: how far it has each client's writes.
type Held = Vec<u64>;

/// A replica that was chosen, and why not the others.
#[derive(Default, Debug)]
struct Choice {
    /// What each server has in its way: nothing, or the reason; those that the leader does not know are missing.
    unfit: BTreeMap<usize, Option<Unfit>>,
    /// `replica-priority` of each, as the leader knows it.
    priority: BTreeMap<usize, u32>,
    /// The offset of each, as its last INFO said.
    offset: BTreeMap<usize, u64>,
    /// The history of each, and of the master, as the leader knows them.
    history: BTreeMap<usize, Option<ReplId>>,
    of_master: Option<ReplId>,
}

impl Choice {
    /// Whether two have histories whose offsets say nothing of each other, and the first one's is not the master's.
    fn parts(&self, server: usize, promoted: usize) -> bool {
        let of = |s: usize| self.history.get(&s).copied().flatten();
        of(server) != of(promoted) && of(server) != self.of_master
    }
}

/// Something that may lose writes.
#[derive(Debug)]
enum Turn {
    /// A server's process is another now, with nothing of what it had.
    Booted(usize),
    /// A master became a replica, as it was told: what it has is what another has.
    Demoted(usize),
    /// A replica became a master, as it was told.
    Promoted { server: usize, held: BTreeMap<usize, Held>, choice: Option<Choice> },
}

/// A write that `WAIT` had seen on a replica.
#[derive(Clone, Copy, Debug)]
struct Kept {
    n: u64,
    /// When it was sent.
    at: Instant,
    /// The server that said so.
    server: usize,
}

/// All that may explain a loss.
#[derive(Debug, Default)]
pub struct Losses {
    turns: BTreeMap<usize, Vec<(Instant, Turn)>>,
    choices: BTreeMap<usize, Choice>,
    kept: BTreeMap<u32, Kept>,
    counts: BTreeMap<Reason, u64>,
}

/// How far a server has each client's writes; nothing if it is down.
fn held(setup: &Setup, world: &World<Actor>, server: usize) -> Option<Held> {
    let node = world.machine(HostId(server as u32))?.as_node()?;
    let of = |client: &super::ClientConfig| {
        let value = node.data().string(0, client.key().as_bytes());
        value.and_then(|v| String::from_utf8(v).ok()?.parse().ok()).unwrap_or(0)
    };
    Some(setup.clients.iter().map(of).collect())
}

/// The server of an address.
fn server_at(world: &World<Actor>, servers: usize, at: &Address) -> Option<usize> {
    (0..servers).find(|s| at.ip.is_some_and(|ip| world.addrs(HostId(*s as u32)).contains(&ip)))
}

impl Losses {
    /// A leader chose a replica of a master.
    pub fn chosen(&mut self, setup: &Setup, world: &World<Actor>, master: usize, sentinel: HostId) {
        let Some(leader) = world.machine(sentinel).and_then(Actor::as_sentinel) else { return };
        let Some(group) = leader.group(&super::swarm::master_name(master)) else { return };
        let mut choice = Choice { of_master: group.master.replid, ..Choice::default() };
        for (n, why) in leader.ranking(group, world.local_now(sentinel).mono) {
            let Some(replica) = group.replicas.get(&n) else { continue };
            if let Some(server) = server_at(world, setup.servers(), &replica.server.addr) {
                choice.unfit.insert(server, why);
                choice.priority.insert(server, replica.priority);
                choice.offset.insert(server, replica.server.offset);
                choice.history.insert(server, replica.server.replid);
            }
        }
        self.choices.insert(master, choice);
    }

    /// A server's process is another now.
    pub fn booted(&mut self, setup: &Setup, server: usize, at: Instant) {
        self.turns.entry(server / setup.nodes).or_default().push((at, Turn::Booted(server)));
    }

    /// A master became a replica.
    pub fn demoted(&mut self, setup: &Setup, server: usize, at: Instant) {
        self.turns.entry(server / setup.nodes).or_default().push((at, Turn::Demoted(server)));
    }

    /// A replica became a master.
    pub fn promoted(&mut self, setup: &Setup, world: &World<Actor>, server: usize, at: Instant) {
        let master = server / setup.nodes;
        let group = master * setup.nodes..(master + 1) * setup.nodes;
        let held = group.filter_map(|s| Some((s, held(setup, world, s)?))).collect();
        let choice = self.choices.remove(&master);
        self.turns.entry(master).or_default().push((at, Turn::Promoted { server, held, choice }));
    }

    /// `WAIT` saw a client's write, which was sent at this time, on a replica of this server.
    pub fn kept(&mut self, client: u32, n: u64, server: usize, at: Instant) {
        self.kept.insert(client, Kept { n, at, server });
    }

    /// Counts a loss.
    pub fn count(&mut self, reason: Reason) {
        *self.counts.entry(reason).or_default() += 1;
    }

    /// How many there were of each reason.
    pub fn figures(&self) -> impl Iterator<Item = Figure> + '_ {
        self.counts.iter().map(|(reason, n)| Figure::sum(reason.text(), *n))
    }

    /// Nothing is known any more of what `WAIT` saw for a client.
    pub fn forget(&mut self, client: u32) {
        self.kept.remove(&client);
    }

    /// A client finds at this server less than what `WAIT` had seen: why?
    pub fn why(&self, setup: &Setup, client: u32, found_at: usize) -> Result<Reason, String> {
        let Some(kept) = self.kept.get(&client) else { return Ok(Reason::Elsewhere) };
        let has = |held: &Held| held.get(client as usize).is_some_and(|n| *n >= kept.n);
        // Who is to have it, and whether that one came back with nothing.
        let (mut holder, mut emptied, mut demoted) = (kept.server, false, false);
        let turns = self.turns.get(&(kept.server / setup.nodes)).map_or(&[][..], |t| t);
        for (at, turn) in turns.iter().filter(|(at, _)| *at >= kept.at) {
            match turn {
                Turn::Booted(server) => emptied |= *server == holder,
                Turn::Demoted(server) => demoted |= *server == holder,
                Turn::Promoted { server, held, .. } if held.get(server).is_some_and(has) => {
                    (holder, emptied, demoted) = (*server, false, false);
                }
                Turn::Promoted { .. } if emptied => return Ok(Reason::MasterEmptied),
                Turn::Promoted { .. } if demoted => return Ok(Reason::Demoted),
                Turn::Promoted { server, held, choice } => {
                    return not_chosen(*server, holder, held, has, choice.as_ref())
                        .map_err(|text| format!("write {} at {at:?}: {text}", kept.n));
                }
            }
        }
        match (emptied, demoted) {
            (true, _) => Ok(Reason::MasterEmptied),
            (_, true) => Ok(Reason::Demoted),
            _ if found_at != holder => Ok(Reason::Elsewhere),
            _ => Err(format!("h{holder} had write {}, is up since and has it no more", kept.n)),
        }
    }
}

/// Why a replica was promoted that does not have a write: what speaks against those that have it.
fn not_chosen(
    promoted: usize,
    old: usize,
    held: &BTreeMap<usize, Held>,
    has: impl Fn(&Held) -> bool,
    choice: Option<&Choice>,
) -> Result<Reason, String> {
    let better: Vec<usize> =
        held.iter().filter(|(s, h)| **s != old && **s != promoted && has(h)).map(|(s, _)| *s).collect();
    if better.is_empty() {
        return Ok(Reason::WithItsReplica);
    }
    let Some(choice) = choice else { return Ok(Reason::Elsewhere) };
    let mine = choice.priority.get(&promoted).copied().unwrap_or(0);
    let excuse = |s: &usize| match choice.unfit.get(s) {
        Some(Some(Unfit::Priority)) => Some(Reason::Priority),
        Some(Some(_)) | None => Some(Reason::Unreachable),
        Some(None) if choice.priority.get(s).is_some_and(|p| *p > mine) => Some(Reason::Priority),
        Some(None) if choice.offset.get(s) <= choice.offset.get(&promoted) => Some(Reason::AfterInfo),
        Some(None) if choice.parts(*s, promoted) => Some(Reason::OtherHistory),
        Some(None) => None,
    };
    let excuses: Option<Vec<Reason>> = better.iter().map(excuse).collect();
    excuses
        .and_then(|all| all.first().copied())
        .ok_or_else(|| format!("h{promoted} was promoted, which does not have it, and {better:?} have it: {choice:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Server 1 was promoted in the place of 0; 2 has the write. What the leader knew of 2 is changed by `but`.
    fn of(but: impl FnOnce(&mut Choice)) -> Result<Reason, String> {
        let history = ReplId::parse(&[b'a'; 40]).ok();
        let mut choice = Choice { of_master: history, ..Choice::default() };
        for (server, offset) in [(1, 90), (2, 100)] {
            choice.unfit.insert(server, None);
            choice.priority.insert(server, 100);
            choice.offset.insert(server, offset);
            choice.history.insert(server, history);
        }
        but(&mut choice);
        let held = BTreeMap::from([(0, Vec::from([7])), (1, Vec::from([6])), (2, Vec::from([7]))]);
        not_chosen(1, 0, &held, |h| h[0] >= 7, Some(&choice))
    }

    #[test]
    fn who_was_fit_and_had_more_had_to_be_promoted() {
        assert!(of(|_| ()).unwrap_err().contains("h1 was promoted"), "nothing speaks against the other");
        type Case = (fn(&mut Choice), Reason);
        let cases: [Case; 6] = [
            (|c| _ = c.unfit.insert(2, Some(Unfit::Down)), Reason::Unreachable),
            (|c| _ = c.unfit.remove(&2), Reason::Unreachable),
            (|c| _ = c.unfit.insert(2, Some(Unfit::Priority)), Reason::Priority),
            (|c| _ = c.priority.insert(2, 101), Reason::Priority),
            (|c| _ = c.offset.insert(2, 90), Reason::AfterInfo),
            (|c| _ = c.history.insert(2, ReplId::parse(&[b'b'; 40]).ok()), Reason::OtherHistory),
        ];
        for (but, reason) in cases {
            assert_eq!(of(but), Ok(reason));
        }
    }
}
