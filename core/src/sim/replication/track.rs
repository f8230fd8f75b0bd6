//! What is known of each node from watching it: which history it shows, how far, and since when.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::ledger::{HistoryId, Ledger};
use crate::replication::ReplId;

/// A stretch of a node's life over one line of history: data were not replaced within it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch {
    /// The history, under its latest name.
    pub history: HistoryId,
    /// The first position.
    pub from: u64,
    /// The last position so far.
    pub to: u64,
    /// Writes are not counted (a master that keeps no log): positions say nothing.
    pub dark: bool,
}

/// What was seen of a node when it was looked at last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Which boot of it.
    pub boot: u32,
    /// How often its log began anew.
    pub generation: u64,
    /// Its replication id.
    pub id: ReplId,
    /// Its offset.
    pub offset: u64,
    /// Whether it keeps no log.
    pub dark: bool,
    /// Whether it was a master.
    pub master: bool,
}

/// A node as it was watched.
#[derive(Debug, Default)]
pub struct Track {
    /// The last look.
    pub last: Option<Look>,
    /// All stretches, over all boots.
    pub epochs: Vec<Epoch>,
    /// How far it ever got in each history, under the name that it showed then.
    reached: BTreeMap<HistoryId, u64>,
    /// Whether its link was in the middle of a full resync when it was looked at last.
    pub syncing: bool,
    /// Whether a snapshot was on its way out.
    pub saving: bool,
    /// Whether it loaded.
    pub loading: bool,
    /// It restarted from its file as a replica, and its first link has not come so far yet.
    pub restored: bool,
    /// Steps of it.
    pub steps: u64,
}

impl Track {
    /// The stretch under way.
    pub fn epoch(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// It shows `history` up to `at`.
    pub fn reach(&mut self, history: HistoryId, at: u64) {
        let reached = self.reached.entry(history).or_default();
        *reached = at.max(*reached);
    }

    /// Whether it ever held position `at` of `history`.
    pub fn ever_reached(&self, ledger: &Ledger, history: HistoryId, at: u64) -> bool {
        self.reached.iter().any(|(&h, &to)| to >= at && ledger.agree(h, history, at))
    }
}
