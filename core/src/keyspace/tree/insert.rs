//! One entry more.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Entry;
use super::node::{Edges, INNER_MAX, LEAF_MAX, Link, Node, Sum, make_room, trim};

impl<E: Entry> Link<E> {
    /// Puts an entry at `at <= count`. If the node has to be split, its right part is returned, for the parent to take.
    pub(super) fn insert(&mut self, at: usize, entry: E, edges: Edges) -> Option<Self> {
        let before = self.node.own_bytes();
        let right = match Arc::make_mut(&mut self.node) {
            Node::Leaf(entries) => {
                self.sum = self.sum.plus(Sum::of(&entry));
                put(entries, at, entry, LEAF_MAX, 0, edges).map(Self::leaf)
            }
            Node::Inner(links) => {
                let (i, inside) = child_for(links, at);
                if inside == links[i].sum.count
                    && let Some(next) = links.get_mut(i + 1)
                    && let Some(first) = next.first()
                {
                    // The new entry stands before this one, but maybe behind the mark, if that is of an entry long gone.
                    next.mark = first.mark();
                }
                let (old, edges_below) = (links[i].sum, edges.of_child(i, links.len()));
                let right = links[i].insert(inside, entry, edges_below);
                self.sum = self.sum.minus(old).plus(links[i].sum);
                right.and_then(|right| {
                    self.sum = self.sum.plus(right.sum);
                    put(links, i + 1, right, INNER_MAX, 1, edges).map(Self::inner)
                })
            }
        };
        match right {
            Some(_) => self.sum = self.node.sum(),
            None => self.resize(before),
        }
        right
    }
}

/// The link below which position `at` lies, at its end rather than at the beginning of the next one.
#[inline]
fn child_for<E: Entry>(links: &[Link<E>], mut at: usize) -> (usize, usize) {
    for (i, link) in links.iter().enumerate() {
        if at <= link.sum.count {
            return (i, at);
        }
        at -= link.sum.count;
    }
    // Not reached: the caller's `at` is no greater than the count, which is the sum of these.
    (0, 0)
}

/// Puts `item` at `at` into the places of a node; into two nodes if it is full, the right one is returned.
///
/// A full node at an edge of the tree that grows there stays full: the other one begins anew. `front` is where growth at
/// the left edge puts its items: 0 in a leaf; 1 in an inner node, where the right half of the first child comes.
#[inline]
fn put<T>(places: &mut Vec<T>, at: usize, item: T, max: usize, front: usize, edges: Edges) -> Option<Vec<T>> {
    if places.len() < max {
        make_room(places, max);
        places.insert(at, item);
        return None;
    }
    let cut = match at {
        at if edges.right && at == places.len() => at,
        at if edges.left && at == front => at,
        _ => places.len() / 2,
    };
    let mut right = places.split_off(cut);
    let (half, at) = if at < cut || cut == 0 { (&mut *places, at) } else { (&mut right, at - cut) };
    make_room(half, max);
    half.insert(at, item);
    trim(places);
    Some(right)
}
