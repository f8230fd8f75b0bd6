//! How soon elections are decided: what is measured, for the shipped sentinels and for the model of Redis's.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::sim::campaign::Figure;
use crate::time::Instant;

/// From the quorum to the leader it may take so long.
pub const SOON: Duration = Duration::from_secs(1);

/// A master that a quorum sees down.
#[derive(Debug)]
struct Open {
    /// Since the first sentinel knew of a quorum.
    since: Instant,
    /// Who knows of one.
    seen_by: BTreeSet<usize>,
    /// The first epoch that anybody spent on it.
    first: Option<u64>,
    /// Epochs that were spent on it.
    epochs: BTreeSet<u64>,
    decided: bool,
}

/// An election that came to a leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decided {
    /// Of which master.
    pub master: usize,
    /// When.
    pub at: Instant,
    /// How long after the first sentinel knew that a quorum sees the master down.
    pub after: Duration,
    /// In the first epoch that anybody spent on it.
    pub first: bool,
}

/// All elections of a run.
#[derive(Debug, Default)]
pub struct Elections {
    open: BTreeMap<usize, Open>,
    decided: Vec<Decided>,
    /// Epochs that were spent, by all.
    spent: u64,
}

impl Elections {
    /// A sentinel knows of a quorum that sees a master down.
    pub fn odown(&mut self, master: usize, sentinel: usize, at: Instant) {
        let open = self.open.entry(master).or_insert_with(|| Open {
            since: at,
            seen_by: BTreeSet::new(),
            first: None,
            epochs: BTreeSet::new(),
            decided: false,
        });
        open.seen_by.insert(sentinel);
    }

    /// A sentinel knows of none any more. When nobody does, there is nothing to elect for.
    pub fn not_odown(&mut self, master: usize, sentinel: usize) {
        if let Some(open) = self.open.get_mut(&master) {
            open.seen_by.remove(&sentinel);
            if open.seen_by.is_empty() {
                self.open.remove(&master);
            }
        }
    }

    /// A sentinel's process is gone, and with it what it knew.
    pub fn gone(&mut self, sentinel: usize) {
        for master in self.open.keys().copied().collect::<Vec<_>>() {
            self.not_odown(master, sentinel);
        }
    }

    /// A sentinel spends an epoch on a failover.
    pub fn tried(&mut self, master: usize, epoch: u64) {
        if let Some(open) = self.open.get_mut(&master) {
            open.first.get_or_insert(epoch);
            self.spent += u64::from(open.epochs.insert(epoch));
        }
    }

    /// A sentinel was elected; whether in the first epoch that was spent. One whose leader failed is not counted twice.
    pub fn elected(&mut self, master: usize, epoch: u64, at: Instant) -> bool {
        let Some(open) = self.open.get_mut(&master) else { return true };
        let first = open.first.is_none_or(|e| e == epoch);
        if !core::mem::replace(&mut open.decided, true) {
            self.decided.push(Decided { master, at, after: at - open.since, first });
        }
        first
    }

    /// A master has another address, by its leader: that is over.
    pub fn switched(&mut self, master: usize) {
        self.open.remove(&master);
    }

    /// Those that came to a leader, in their order.
    pub fn decided(&self) -> &[Decided] {
        &self.decided
    }

    /// What they came to: those without a leader at the end count as decided neither in the first epoch nor soon.
    pub fn figures(&self) -> Vec<Figure> {
        let count = |what: fn(&Decided) -> bool| self.decided.iter().filter(|d| what(d)).count() as u64;
        let of = self.decided.len() as u64 + self.open.values().filter(|o| !o.decided).count() as u64;
        let ms = self.decided.iter().map(|d| d.after.as_micros().div_ceil(1000) as u64);
        alloc::vec![
            Figure::part("elections decided in the first epoch", count(|d| d.first), of),
            Figure::part("within a second of the quorum", count(|d| d.after <= SOON), of),
            Figure::mean("ms from the quorum to the leader", ms.clone().sum(), self.decided.len() as u64),
            Figure::most("ms from the quorum to the leader", ms.max().unwrap_or(0)),
            Figure::sum("epochs spent", self.spent),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Instant {
        Instant::from_micros(n * 1000)
    }

    #[test]
    fn an_election_is_decided_in_the_epoch_that_was_spent_first_or_later() {
        let mut e = Elections::default();
        for master in 0..4 {
            e.odown(master, 0, ms(100));
            e.odown(master, 1, ms(110));
        }
        e.tried(0, 5);
        assert!(e.elected(0, 5, ms(120)), "the only epoch");
        e.tried(1, 6);
        e.tried(1, 7);
        assert!(!e.elected(1, 7, ms(1_200)), "another than the first, and late");
        e.not_odown(2, 0);
        e.not_odown(2, 1); // It came back: nobody has to lead anything.
        e.elected(1, 7, ms(1_300)); // Told again, counted once.
        let figures = e.figures();
        assert_eq!(figures[0], Figure::part("elections decided in the first epoch", 1, 3));
        assert_eq!(figures[1], Figure::part("within a second of the quorum", 1, 3));
        assert_eq!(figures[3].value(), 1_100);
        assert_eq!(figures[4].value(), 3);
        e.gone(0);
        e.gone(1);
        assert_eq!(e.figures()[0], Figure::part("elections decided in the first epoch", 1, 2));
    }
}
