//! What is to come: a heap of events, and the next moment of every host.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::net::At;
use crate::ids::OpId;
use crate::time::Instant;

/// Something that will happen around the machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coming {
    /// Bytes, an end or a reset reach this end.
    Arrive(At),
    /// Room for bytes is acknowledged to this end.
    Room(At),
    /// A slow reader takes its next drop.
    Drop(At),
    /// A connection attempt reaches its host.
    Syn(At),
    /// Its answer comes back.
    SynAck(At),
    /// Its refusal comes back.
    Refused(At),
    /// Its patience is over.
    ConnectTimeout(At),
    /// The patience with bytes that nobody acknowledges is over; of the end that they are for.
    GiveUp(At),
    /// Keep-alive probes were in vain.
    Keepalive(At),
    /// A job of a host's boot is done.
    Job { host: u32, boot: u32, op: OpId },
    /// A scheduled fault.
    Fault(u32),
    /// The connections between two hosts may move again.
    Release { a: u32, b: u32 },
    /// A pause is over.
    Unpause(u32),
    /// A host boots.
    Boot(u32),
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    order: u64,
    what: Coming,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest; of one moment, the one that was planned first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Who is next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Something around the machines.
    Coming(Coming),
    /// A turn of this host's loop.
    Turn(u32),
}

/// Events, and hosts' turns.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    order: u64,
    wakes: Wakes,
}

impl Agenda {
    pub(super) fn push(&mut self, at: Instant, what: Coming) {
        self.order += 1;
        self.heap.push(Entry { at, order: self.order, what });
    }

    pub(super) fn add_host(&mut self) {
        self.wakes.add();
    }

    /// The host has its next turn at `at` (`Instant::MAX`: not of its own).
    #[inline]
    pub(super) fn set_turn(&mut self, host: u32, at: Instant) {
        self.wakes.set(host, at);
    }

    /// The host has its next turn at `at` or before.
    #[inline]
    pub(super) fn set_turn_sooner(&mut self, host: u32, at: Instant) {
        if at < self.wakes.get(host) {
            self.wakes.set(host, at);
        }
    }

    /// When something happens next.
    #[inline]
    pub(super) fn next_at(&self) -> Option<Instant> {
        let turn = self.wakes.first().0;
        let event = self.heap.peek().map_or(Instant::MAX, |e| e.at);
        Some(event.min(turn)).filter(|at| *at < Instant::MAX)
    }

    /// Takes out what happens next. What arrives at a moment comes before the turns of that moment, so that these
    /// find all of it.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(Instant, Next)> {
        let (turn, host) = self.wakes.first();
        if let Some(event) = self.heap.peek()
            && event.at <= turn
        {
            let Entry { at, what, .. } = self.heap.pop()?;
            return Some((at, Next::Coming(what)));
        }
        if turn == Instant::MAX {
            return None;
        }
        self.wakes.set(host, Instant::MAX);
        Some((turn, Next::Turn(host)))
    }
}

/// One moment for each host, and the earliest of them: a tournament tree.
#[derive(Debug, Default)]
struct Wakes {
    hosts: usize,
    /// `tree[1]` is the winner, the leaves are the last half; each names its moment and its host.
    tree: Vec<(Instant, u32)>,
}

impl Wakes {
    fn leaves(&self) -> usize {
        self.tree.len() / 2
    }

    fn add(&mut self) {
        let old = self.leaves();
        self.hosts += 1;
        if self.hosts > old {
            let leaves = self.hosts.next_power_of_two();
            let moments: Vec<Instant> = (0..self.hosts - 1).map(|h| self.tree[old + h].0).collect();
            self.tree = (0..2 * leaves).map(|i| (Instant::MAX, i.saturating_sub(leaves) as u32)).collect();
            for (host, at) in moments.into_iter().enumerate() {
                self.set(host as u32, at);
            }
        }
    }

    fn get(&self, host: u32) -> Instant {
        self.tree.get(self.leaves() + host as usize).map_or(Instant::MAX, |leaf| leaf.0)
    }

    fn set(&mut self, host: u32, at: Instant) {
        let mut i = self.leaves() + host as usize;
        if i >= self.tree.len() || self.tree[i].0 == at {
            return;
        }
        self.tree[i].0 = at;
        while i > 1 {
            let (left, right) = (self.tree[i & !1], self.tree[i | 1]);
            let winner = if right.0 < left.0 { right } else { left };
            i /= 2;
            if self.tree[i] == winner {
                return;
            }
            self.tree[i] = winner;
        }
    }

    fn first(&self) -> (Instant, u32) {
        // A tree of one leaf has its winner at 1 as well.
        self.tree.get(1).copied().unwrap_or((Instant::MAX, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_earliest_host_wins() {
        let mut rng = Rng::new([4; 32]);
        let mut wakes = Wakes::default();
        let mut model: Vec<Instant> = Vec::new();
        assert_eq!(wakes.first().0, Instant::MAX);
        for _ in 0..2_000 {
            if model.len() < 11 && rng.below(20) == 0 {
                wakes.add();
                model.push(Instant::MAX);
            }
            if !model.is_empty() {
                let host = rng.below(model.len() as u64) as usize;
                let at = Instant::from_micros(rng.below(1_000));
                wakes.set(host as u32, at);
                model[host] = at;
                let (first, who) = wakes.first();
                assert_eq!(Some(&first), model.iter().min());
                assert_eq!(model[who as usize], first);
            }
        }
    }

    #[test]
    fn events_of_one_moment_come_in_their_order_and_before_turns() {
        let at = Instant::from_micros;
        let mut agenda = Agenda::default();
        agenda.add_host();
        agenda.set_turn(0, at(5));
        agenda.push(at(5), Coming::Fault(1));
        agenda.push(at(5), Coming::Fault(2));
        agenda.push(at(4), Coming::Fault(3));
        agenda.set_turn_sooner(0, at(9));
        assert_eq!(agenda.next_at(), Some(at(4)));
        let order: Vec<_> = core::iter::from_fn(|| agenda.pop()).map(|(_, n)| n).collect();
        let fault = |n| Next::Coming(Coming::Fault(n));
        assert_eq!(order, [fault(3), fault(1), fault(2), Next::Turn(0)]);
        assert_eq!(agenda.next_at(), None);
    }
}
