//! Walks over the entries, both ways.

use core::iter::FusedIterator;

use smallvec::SmallVec;

use super::Entry;
use super::find::child_of;
use super::node::{Link, Node};

/// An inner node and the number of the child that we are in.
type Step<'a, E> = (&'a [Link<E>], usize);

/// A place between two entries.
#[derive(Clone)]
pub struct Cursor<'a, E: Entry> {
    /// From the root down to above the leaf.
    path: SmallVec<[Step<'a, E>; 6]>,
    leaf: &'a [E],
    at: usize,
}

impl<'a, E: Entry> Cursor<'a, E> {
    /// Before entry `index`, no greater than the count below `root`.
    pub(super) fn new(root: &'a Link<E>, index: usize) -> Self {
        let mut cursor = Self { path: SmallVec::new(), leaf: &[], at: 0 };
        let (mut link, mut at) = (root, index);
        loop {
            match &*link.node {
                Node::Leaf(entries) => {
                    (cursor.leaf, cursor.at) = (entries, at.min(entries.len()));
                    return cursor;
                }
                Node::Inner(links) => {
                    // The end lies in no child: behind the last entry of the last one.
                    let last = links.len().saturating_sub(1);
                    let (i, inside) = child_of(links, at).unwrap_or((last, usize::MAX));
                    let Some(child) = links.get(i) else { return cursor };
                    cursor.path.push((links, i));
                    (link, at) = (child, inside);
                }
            }
        }
    }

    /// The entry behind this place, which moves behind it; `None` at the end.
    #[inline]
    pub fn forward(&mut self) -> Option<&'a E> {
        if self.at >= self.leaf.len() {
            self.turn(true)?;
        }
        let entry = self.leaf.get(self.at)?;
        self.at += 1;
        Some(entry)
    }

    /// The entry before this place, which moves before it; `None` at the beginning.
    #[inline]
    pub fn back(&mut self) -> Option<&'a E> {
        if self.at == 0 {
            self.turn(false)?;
        }
        self.at -= 1;
        self.leaf.get(self.at)
    }

    /// Goes over to the next leaf or the one before, which has entries; `None`, and nothing done, if there is none.
    fn turn(&mut self, forward: bool) -> Option<()> {
        let beside = |&(links, i): &Step<'a, E>| {
            let i = if forward { i + 1 } else { i.checked_sub(1)? };
            Some((i, links.get(i)?))
        };
        let depth = self.path.iter().rposition(|step| beside(step).is_some())?;
        let (i, mut link) = beside(self.path.get(depth)?)?;
        self.path.truncate(depth + 1);
        self.path[depth].1 = i;
        loop {
            match &*link.node {
                Node::Leaf(entries) => {
                    (self.leaf, self.at) = (entries, if forward { 0 } else { entries.len() });
                    return Some(());
                }
                Node::Inner(links) => {
                    let i = if forward { 0 } else { links.len().checked_sub(1)? };
                    self.path.push((links, i));
                    link = links.get(i)?;
                }
            }
        }
    }
}

impl<E: Entry> core::fmt::Debug for Cursor<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

/// The entries of a tree in order. Backwards goes [`Tree::cursor`](super::Tree::cursor).
#[derive(Clone, Debug)]
pub struct Iter<'a, E: Entry>(Cursor<'a, E>);

impl<'a, E: Entry> Iter<'a, E> {
    pub(super) fn new(cursor: Cursor<'a, E>) -> Self {
        Self(cursor)
    }
}

impl<'a, E: Entry> Iterator for Iter<'a, E> {
    type Item = &'a E;

    #[inline]
    fn next(&mut self) -> Option<&'a E> {
        self.0.forward()
    }
}

impl<E: Entry> FusedIterator for Iter<'_, E> {}
