//! Entries less, and neighbours that join when little is left in them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Entry;
use super::find::child_of;
use super::node::{INNER_MAX, LEAF_MAX, Link, Node, Sum, trim};

impl<E: Entry> Link<E> {
    /// Takes out the entry at `at`, which is below this link.
    pub(super) fn remove(&mut self, at: usize) -> Option<E> {
        let before = self.node.own_bytes();
        match Arc::make_mut(&mut self.node) {
            Node::Leaf(entries) => {
                if at >= entries.len() {
                    return None;
                }
                let entry = entries.remove(at);
                trim(entries);
                self.sum = self.sum.minus(Sum::of(&entry));
                self.resize(before);
                Some(entry)
            }
            Node::Inner(links) => {
                let (i, inside) = child_of(links, at)?;
                let old = links[i].sum;
                let entry = links[i].remove(inside)?;
                self.sum = self.sum.minus(old).plus(links[i].sum);
                if links[i].node.is_thin() {
                    mend(links, i);
                    trim(links);
                    self.sum = self.node.sum();
                } else {
                    self.resize(before);
                }
                Some(entry)
            }
        }
    }

    /// Removes entries `from..to`, some but not all of those below.
    pub(super) fn remove_range(&mut self, from: usize, to: usize) {
        match Arc::make_mut(&mut self.node) {
            Node::Leaf(entries) => {
                entries.drain(from.min(entries.len())..to.min(entries.len()));
                trim(entries);
            }
            Node::Inner(links) => {
                let (mut at, mut first, mut whole) = (0, None, 0..0);
                for (i, link) in links.iter_mut().enumerate() {
                    let count = link.sum.count;
                    let (a, b) = (from.max(at) - at, to.min(at + count).saturating_sub(at));
                    at += count;
                    if a >= b {
                        continue;
                    }
                    first.get_or_insert(i);
                    if b - a < count {
                        link.remove_range(a, b);
                    } else if whole.is_empty() {
                        whole = i..i + 1;
                    } else {
                        whole.end = i + 1;
                    }
                }
                links.drain(whole);
                if let Some(first) = first {
                    // What is left of the children that the range cut: one, or two side by side.
                    mend(links, first + 1);
                    mend(links, first);
                }
                trim(links);
            }
        }
        self.sum = self.node.sum();
    }

    /// Frees the last leaf, or at once what somebody else holds too; how many entries.
    pub(super) fn shed(&mut self) -> usize {
        let whole = self.sum.count;
        let mut freed = whole;
        if let Some(Node::Inner(links)) = Arc::get_mut(&mut self.node)
            && let Some(last) = links.last_mut()
        {
            self.sum = self.sum.minus(last.sum);
            freed = last.shed();
            if last.sum.count == 0 {
                links.pop();
            } else {
                self.sum = self.sum.plus(last.sum);
            }
        }
        if freed == whole {
            *self = Self::empty();
        }
        freed
    }
}

/// Lets child `i` join neighbours until enough is in it.
fn mend<E: Entry>(links: &mut Vec<Link<E>>, mut i: usize) {
    if links.get(i).is_some_and(|link| link.sum.count == 0) {
        links.remove(i);
        return;
    }
    while links.len() > 1 && links.get(i).is_some_and(|link| link.node.is_thin()) {
        i = i.saturating_sub(1);
        join(links, i);
    }
}

/// Puts what is in children `i` and `i + 1` into one, or evenly into both if it is too much for one.
fn join<E: Entry>(links: &mut Vec<Link<E>>, i: usize) {
    let Link { mark, node, .. } = links.remove(i + 1);
    let left = &mut links[i];
    let right = match (Arc::make_mut(&mut left.node), Arc::unwrap_or_clone(node)) {
        (Node::Leaf(a), Node::Leaf(b)) => {
            a.reserve_exact(b.len());
            a.extend(b);
            halve(a, LEAF_MAX).map(Link::leaf)
        }
        (Node::Inner(a), Node::Inner(mut b)) => {
            let seam = a.len();
            if let Some(first) = b.first_mut() {
                first.mark = mark;
            }
            a.append(&mut b);
            // An only child could not join anybody until now.
            mend(a, seam);
            mend(a, seam.saturating_sub(1));
            halve(a, INNER_MAX).map(Link::inner)
        }
        // Not reached: children of one node are of one kind.
        _ => None,
    };
    left.sum = left.node.sum();
    if let Some(right) = right {
        links.insert(i + 1, right);
    }
}

/// Takes half of the places away if there are more than `max`.
fn halve<T>(places: &mut Vec<T>, max: usize) -> Option<Vec<T>> {
    let right = (places.len() > max).then(|| places.split_off(places.len() / 2));
    trim(places);
    right
}
