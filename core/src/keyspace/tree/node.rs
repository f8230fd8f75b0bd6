//! Nodes, the links to them and what the links cache.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Entry;
use crate::keyspace::entry::allocated;

/// The most entries of a leaf. Measured at a million entries of 24 bytes: with 48 a search takes a third longer, and an
/// entry 31 bytes instead of 37.
pub(super) const LEAF_MAX: usize = 32;
/// The most links of an inner node.
pub(super) const INNER_MAX: usize = 32;
/// By how many places a node grows when it is full: what a node may waste.
const STEP: usize = 8;

/// What lies below a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    /// Entries.
    pub(super) count: usize,
    /// What they weigh.
    pub(super) weight: usize,
    /// Bytes that nodes and entries take from the heap.
    pub(super) bytes: usize,
}

// Weights are the caller's: a wrong one must give wrong sums, not a panic.
impl Sum {
    #[inline]
    pub(super) fn of<E: Entry>(entry: &E) -> Self {
        Self { count: 1, weight: entry.weight(), bytes: entry.heap() }
    }

    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.wrapping_add(other.count),
            weight: self.weight.wrapping_add(other.weight),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    #[inline]
    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            count: self.count.wrapping_sub(other.count),
            weight: self.weight.wrapping_sub(other.weight),
            bytes: self.bytes.wrapping_sub(other.bytes),
        }
    }
}

/// A node: all leaves lie equally deep.
#[derive(Clone)]
pub(super) enum Node<E: Entry> {
    /// Entries.
    Leaf(Vec<E>),
    /// Nodes one level below.
    Inner(Vec<Link<E>>),
}

/// A node as its parent knows it.
#[derive(Clone)]
pub(super) struct Link<E: Entry> {
    /// No entry before this node has a greater mark, none in it a smaller one. Means nothing for a first child: the
    /// parent's own link has the mark that counts.
    pub(super) mark: E::Mark,
    pub(super) sum: Sum,
    pub(super) node: Arc<Node<E>>,
}

/// Whether a node lies on the left or right edge of the tree: only there it may stay nearly empty.
#[derive(Clone, Copy)]
pub(super) struct Edges {
    pub(super) left: bool,
    pub(super) right: bool,
}

impl Edges {
    /// Those of the root.
    pub(super) const BOTH: Self = Self { left: true, right: true };

    /// Those of child `i` of `n`.
    #[inline]
    pub(super) fn of_child(self, i: usize, n: usize) -> Self {
        Self { left: self.left && i == 0, right: self.right && i + 1 == n }
    }
}

impl<E: Entry> Node<E> {
    /// Bytes of this very node on the heap.
    #[inline]
    pub(super) fn own_bytes(&self) -> usize {
        let places = match self {
            Self::Leaf(entries) => allocated(entries.capacity() * size_of::<E>()),
            Self::Inner(links) => allocated(links.capacity() * size_of::<Link<E>>()),
        };
        // Beside the node an Arc holds two counters.
        places + allocated(size_of::<Self>() + 2 * size_of::<usize>())
    }

    /// Its sum, counted anew from what is directly in it.
    pub(super) fn sum(&self) -> Sum {
        let own = Sum { bytes: self.own_bytes(), ..Sum::default() };
        match self {
            Self::Leaf(entries) => entries.iter().fold(own, |sum, entry| sum.plus(Sum::of(entry))),
            Self::Inner(links) => links.iter().fold(own, |sum, link| sum.plus(link.sum)),
        }
    }

    /// Whether so little is left in it that it should join a neighbour.
    pub(super) fn is_thin(&self) -> bool {
        match self {
            Self::Leaf(entries) => entries.len() < LEAF_MAX / 3,
            Self::Inner(links) => links.len() < INNER_MAX / 3,
        }
    }
}

impl<E: Entry> Link<E> {
    /// To an empty leaf.
    pub(super) fn empty() -> Self {
        Self::new(E::Mark::default(), Node::Leaf(Vec::new()))
    }

    /// To a leaf with these entries.
    pub(super) fn leaf(entries: Vec<E>) -> Self {
        Self::new(entries.first().map(E::mark).unwrap_or_default(), Node::Leaf(entries))
    }

    /// To an inner node with these links.
    pub(super) fn inner(links: Vec<Self>) -> Self {
        Self::new(links.first().map(|link| link.mark.clone()).unwrap_or_default(), Node::Inner(links))
    }

    fn new(mark: E::Mark, node: Node<E>) -> Self {
        Self { mark, sum: node.sum(), node: Arc::new(node) }
    }

    /// Corrects the sum after the node's own places changed; `before`: what [`Node::own_bytes`] was.
    #[inline]
    pub(super) fn resize(&mut self, before: usize) {
        self.sum.bytes = self.sum.bytes.wrapping_sub(before).wrapping_add(self.node.own_bytes());
    }
}

/// Makes room for one more in a node of at most `max`.
#[inline]
pub(super) fn make_room<T>(places: &mut Vec<T>, max: usize) {
    if places.len() == places.capacity() {
        places.reserve_exact(STEP.min(max.saturating_sub(places.len())).max(1));
    }
}

/// Gives back places that are unlikely to be used soon.
#[inline]
pub(super) fn trim<T>(places: &mut Vec<T>) {
    if places.capacity() - places.len() >= 2 * STEP {
        places.shrink_to(places.len() + STEP);
    }
}
