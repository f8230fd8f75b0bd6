//! Trimming from the oldest entry on, node by node.

use super::Stream;
use super::node::Node;
use crate::rdb::StreamId;

/// Down to what a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) enum Bound {
    /// `MAXLEN`: so many entries.
    MaxLen(u64),
    /// `MINID`: no entry below this id.
    MinId(StreamId),
}

impl Bound {
    /// Whether a node goes as a whole while `left` entries are in the stream.
    pub(super) fn takes(self, node: &Node, left: u64) -> bool {
        match self {
            Self::MaxLen(max) => left.saturating_sub(node.live() as u64) >= max,
            // The last entry counts even if it was deleted, as in Redis.
            Self::MinId(id) => node.view().last().is_none_or(|last| last.id < id),
        }
    }

    /// Whether an entry goes while `left` entries are in the stream.
    pub(super) fn reaches(self, id: StreamId, left: u64) -> bool {
        match self {
            Self::MaxLen(max) => left > max,
            Self::MinId(min) => id < min,
        }
    }
}

/// How a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) struct Trim {
    /// Down to what.
    pub(in crate::keyspace) bound: Bound,
    /// `~`: only whole nodes go.
    pub(in crate::keyspace) approx: bool,
    /// No more entries than this go; 0: no limit.
    pub(in crate::keyspace) limit: u64,
}

impl Stream {
    /// Removes entries; how many.
    pub(in crate::keyspace) fn trim(&mut self, trim: Trim) -> u64 {
        let (mut removed, mut whole) = (0u64, 0);
        let mut left = self.len() as u64;
        let mut cut = false;
        for node in &self.nodes {
            if matches!(trim.bound, Bound::MaxLen(max) if left <= max) {
                break;
            }
            let live = node.live() as u64;
            if trim.limit > 0 && removed.saturating_add(live) > trim.limit {
                break;
            }
            if !trim.bound.takes(node, left) {
                cut = !trim.approx;
                break;
            }
            (whole, removed, left) = (whole + 1, removed + live, left.saturating_sub(live));
        }
        self.nodes.remove_range(0..whole);
        if cut {
            removed += self.trim_first_node(trim.bound, left);
        }
        removed
    }

    /// Removes entries of the first node, which is not to go as a whole; how many. `left` entries are in the stream.
    fn trim_first_node(&mut self, bound: Bound, mut left: u64) -> u64 {
        let goes = |id: StreamId| {
            let goes = bound.reaches(id, left);
            left = left.saturating_sub(u64::from(goes));
            goes
        };
        self.nodes.update(0, |node| node.delete_while(goes)).unwrap_or_default() as u64
    }
}
