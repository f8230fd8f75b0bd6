//! A tree of entries that are there already: from the leaves up, without a search for each.

use alloc::vec::Vec;
use core::iter::from_fn;

use super::node::{INNER_MAX, LEAF_MAX, Link};
use super::{Entry, Tree};

impl<E: Entry> FromIterator<E> for Tree<E> {
    /// All nodes are full but those at the right edge.
    fn from_iter<I: IntoIterator<Item = E>>(entries: I) -> Self {
        let mut level = grouped(entries.into_iter(), LEAF_MAX, Link::leaf);
        while level.len() > 1 {
            level = grouped(level.into_iter(), INNER_MAX, Link::inner);
        }
        Self { root: level.pop().unwrap_or_else(Link::empty) }
    }
}

/// Nodes of `max` items each; the last may have fewer.
fn grouped<T, N>(mut items: impl Iterator<Item = T>, max: usize, node: impl Fn(Vec<T>) -> N) -> Vec<N> {
    from_fn(|| {
        let group: Vec<T> = items.by_ref().take(max).collect();
        (!group.is_empty()).then(|| node(group))
    })
    .collect()
}
