//! `replica-resync-guard`: a replica that holds keys takes no full resync of a master that is empty or rewound, as one is
//! that came back without its data before anybody saw it down.

use core::time::Duration;

use super::upstream::Upstream;
use super::{Cx, Node, What, turn};
use crate::dataset::Dataset;
use crate::replication::ReplId;

/// A master that was refused is asked again after so long: each time it may begin a snapshot for nothing.
const REFUSED_REST: Duration = Duration::from_secs(10);

/// Why a replica keeps its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResyncRefusal {
    /// Its snapshot holds no key.
    #[error("the master is empty, and this replica holds {keys} keys")]
    Empty {
        /// Ours.
        keys: u64,
    },
    /// It stands further back than we do, in another history.
    #[error("the master is at offset {theirs}, behind this replica at {ours}, and in another history")]
    Rewound {
        /// The offset of its snapshot.
        theirs: u64,
        /// Ours.
        ours: u64,
    },
}

/// The last refusal: that master stays refused under this id, however far it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    id: ReplId,
    pub(super) why: ResyncRefusal,
}

impl<D: Dataset> Node<D> {
    /// Keys in all databases.
    pub(super) fn keys(&self) -> u64 {
        (0..self.data.databases()).map(|db| self.data.stats(db).keys).sum()
    }

    /// Whether the guard has something to guard.
    pub(super) fn guards(&self) -> bool {
        self.config.settings.replica_resync_guard && self.keys() > 0
    }

    /// Whether a snapshot of history `id` at `offset` is refused before it comes.
    pub(super) fn refuses(&self, up: &Upstream, id: ReplId, offset: u64) -> Option<ResyncRefusal> {
        // Who hands over takes what the new master has.
        if !self.guards() || self.failover.is_some() {
            return None;
        }
        let before = up.refused.filter(|r| r.id == id).map(|r| r.why);
        let ours = self.source.offset();
        before.or((offset < ours).then_some(ResyncRefusal::Rewound { theirs: offset, ours }))
    }

    /// Whether a snapshot that came whole is refused for what it holds.
    pub(super) fn refuses_empty(&self, keys: u64) -> Option<ResyncRefusal> {
        (keys == 0 && self.guards() && self.failover.is_none()).then(|| ResyncRefusal::Empty { keys: self.keys() })
    }

    /// Takes no full resync of this master, which is asked again after a while, at the place where our data stand.
    pub(super) fn refuse_resync(&mut self, id: ReplId, why: ResyncRefusal, cx: &mut Cx<'_>) {
        self.stats.resyncs_refused += 1;
        self.event(cx, What::ResyncRefused { why });
        if let Some(up) = &mut self.upstream {
            up.refused = Some(Refused { id, why });
            up.link.refuse("the full resync is refused", REFUSED_REST, &mut turn!(self, cx));
        }
        self.link_lost(cx);
    }

    /// The guard was switched: a master that was refused is taken as it is if it was switched off.
    pub(super) fn guard_switched(&mut self, cx: &mut Cx<'_>) {
        if !self.config.settings.replica_resync_guard
            && let Some(up) = &mut self.upstream
            && up.refused.take().is_some()
        {
            up.link.retry(&mut turn!(self, cx));
        }
    }
}
