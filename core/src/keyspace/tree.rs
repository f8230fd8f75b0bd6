//! A sequence under large collections: sorted or not, counted, weighed, and cloned in O(1).
//!
//! - [`Tree`] is a B+tree whose nodes sit behind `Arc`: a clone shares all of them, and a write copies those on its own
//!   path that somebody else holds too. So a snapshot or `COPY` keeps its version while writes go on.
//! - Every link to a node caches how many entries lie below it, what they weigh and how much memory they take.
//! - Order is the caller's: entries stand where they were put. Who keeps them sorted finds them with a [`Seek`].
//!
//! All operations take O(log n) unless said otherwise.

mod build;
mod find;
mod insert;
mod iter;
mod node;
mod remove;

#[cfg(test)]
mod tests;

use core::cmp::Ordering;
use core::fmt;
use core::ops::Range;

pub use iter::{Cursor, Iter};
use node::{Edges, Link, Node};

/// What a [`Tree`] holds.
pub trait Entry: Clone {
    /// What inner nodes keep of an entry, so that most searches touch no leaf but the last: the hash, the score, the id;
    /// `()` where nobody searches. If entry `a` stands before `b`, its mark must not be greater than that of `b`; equal
    /// marks are fine, they only cost a look at the entries.
    type Mark: Clone + Default;

    /// Its mark; must not change while the entry is in a tree.
    fn mark(&self) -> Self::Mark;

    /// How many elements it stands for: 1, or what a block holds. Changes only by [`Tree::update`].
    fn weight(&self) -> usize {
        1
    }

    /// Bytes on the heap beside the entry itself. Changes only by [`Tree::update`].
    fn heap(&self) -> usize {
        0
    }
}

/// Where a search wants to go: how what it meets is ordered against its aim (`Less`: it stands before the aim).
///
/// A closure over entries is one that does not use marks: it looks at about five entries on each level.
pub trait Seek<E: Entry> {
    /// Compares an entry with the aim.
    fn entry(&self, entry: &E) -> Ordering;

    /// Compares a mark with that of the aim; `Equal` leaves the decision to the entries.
    fn mark(&self, _mark: &E::Mark) -> Ordering {
        Ordering::Equal
    }
}

impl<E: Entry, F: Fn(&E) -> Ordering> Seek<E> for F {
    #[inline]
    fn entry(&self, entry: &E) -> Ordering {
        self(entry)
    }
}

/// A persistent sequence of entries.
///
/// ```
/// use primacy_core::keyspace::tree::{Entry, Tree};
///
/// #[derive(Clone)]
/// struct Id(u64);
///
/// impl Entry for Id {
///     type Mark = u64;
///     fn mark(&self) -> u64 {
///         self.0
///     }
/// }
///
/// let mut tree = Tree::new();
/// for n in [5, 1, 3] {
///     let at = tree.lower_bound(&|e: &Id| e.0.cmp(&n));
///     tree.insert(at, Id(n));
/// }
/// let held = tree.clone();
/// tree.remove(0);
/// assert_eq!(held.iter().map(|e| e.0).collect::<Vec<_>>(), [1, 3, 5]);
/// assert_eq!(tree.iter().map(|e| e.0).collect::<Vec<_>>(), [3, 5]);
/// ```
#[derive(Clone)]
pub struct Tree<E: Entry> {
    root: Link<E>,
}

impl<E: Entry> Default for Tree<E> {
    fn default() -> Self {
        Self { root: Link::empty() }
    }
}

impl<E: Entry> fmt::Debug for Tree<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("len", &self.len()).field("weight", &self.weight()).finish_non_exhaustive()
    }
}

impl<E: Entry> Tree<E> {
    /// An empty one; takes about 48 bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.root.sum.count
    }

    /// Whether there are none. O(1).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all entries weigh. O(1).
    #[inline]
    pub fn weight(&self) -> usize {
        self.root.sum.weight
    }

    /// Memory in bytes beside the struct itself, with an allocator's usual rounding and all that the entries hold; nodes
    /// that clones share count in each of them. O(1).
    #[inline]
    pub fn memory(&self) -> usize {
        self.root.sum.bytes
    }

    /// The entry at `index`.
    pub fn get(&self, index: usize) -> Option<&E> {
        self.root.get(index)
    }

    /// The first entry.
    pub fn first(&self) -> Option<&E> {
        self.root.first()
    }

    /// The last entry.
    pub fn last(&self) -> Option<&E> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The entry that is `Equal` to the aim: the first of several. Cheaper than [`Tree::find`], which counts too.
    #[inline]
    pub fn get_by(&self, seek: &impl Seek<E>) -> Option<&E> {
        let (_, near) = self.root.locate::<false>(seek);
        match near {
            Some(entry) => (seek.entry(entry) == Ordering::Equal).then_some(entry),
            // It ends a leaf: the next one begins with what we look for, or it is not there.
            None => self.find(seek).ok().map(|(_, entry)| entry),
        }
    }

    /// The entry that is `Equal` to the aim (the first of several) with its index; else the index where it belongs.
    pub fn find(&self, seek: &impl Seek<E>) -> Result<(usize, &E), usize> {
        let (index, near) = self.root.locate::<true>(seek);
        match near.or_else(|| self.get(index)) {
            Some(entry) if seek.entry(entry) == Ordering::Equal => Ok((index, entry)),
            _ => Err(index),
        }
    }

    /// The index of the first entry that is not `Less` than the aim; the length if all are.
    #[inline]
    pub fn lower_bound(&self, seek: &impl Seek<E>) -> usize {
        self.root.locate::<true>(seek).0
    }

    /// The entry that holds position `at` when each takes as many positions as it weighs: its index, the position inside
    /// of it, and itself.
    pub fn at_weight(&self, at: usize) -> Option<(usize, usize, &E)> {
        self.root.at_weight(at)
    }

    /// What the entries before `index` weigh.
    pub fn weight_before(&self, index: usize) -> usize {
        if index >= self.len() { self.weight() } else { self.root.weight_before(index) }
    }

    /// Puts an entry before the one at `index`; at the end if there is none.
    pub fn insert(&mut self, index: usize, entry: E) {
        let at = index.min(self.len());
        if let Some(right) = self.root.insert(at, entry, Edges::BOTH) {
            let left = core::mem::replace(&mut self.root, Link::empty());
            self.root = Link::inner(alloc::vec![left, right]);
        }
    }

    /// Puts an entry at the end. Nodes that are filled so are filled to the brim.
    #[inline]
    pub fn push(&mut self, entry: E) {
        self.insert(self.len(), entry);
    }

    /// Changes the entry at `index` in place; its order among the others and its mark must stay.
    pub fn update<R>(&mut self, index: usize, f: impl FnOnce(&mut E) -> R) -> Option<R> {
        if index < self.len() { self.root.update(index, f) } else { None }
    }

    /// Takes the entry at `index` out.
    pub fn remove(&mut self, index: usize) -> Option<E> {
        if index >= self.len() {
            return None;
        }
        let entry = self.root.remove(index);
        self.lower();
        entry
    }

    /// Removes the entries of a range, as far as they are there; how many. O(log n) and the removed leaves.
    pub fn remove_range(&mut self, range: Range<usize>) -> usize {
        let Range { start, end } = range.start..range.end.min(self.len());
        if start >= end {
            return 0;
        }
        if end - start == self.len() {
            self.root = Link::empty();
        } else {
            self.root.remove_range(start, end);
            self.lower();
        }
        end - start
    }

    /// Frees about `n` entries from the end, at least one leaf, and tells whether anything is left: to be called until
    /// it is not, where freeing all at once would take too long. What a clone holds too is let go at once.
    pub fn dismantle(&mut self, n: usize) -> bool {
        let mut freed = 0;
        while freed < n.max(1) && !self.is_empty() {
            freed += self.root.shed();
        }
        self.lower();
        !self.is_empty()
    }

    /// All entries in order.
    pub fn iter(&self) -> Iter<'_, E> {
        self.iter_from(0)
    }

    /// The entries from `index` on.
    pub fn iter_from(&self, index: usize) -> Iter<'_, E> {
        Iter::new(self.cursor(index))
    }

    /// A place between two entries, before the one at `index`, that moves both ways.
    pub fn cursor(&self, index: usize) -> Cursor<'_, E> {
        Cursor::new(&self.root, index.min(self.len()))
    }

    /// Lets an inner node with one child or none be no root.
    fn lower(&mut self) {
        while let Node::Inner(links) = &*self.root.node {
            let only = match links.as_slice() {
                [] => Link::empty(),
                [only] => only.clone(),
                _ => return,
            };
            self.root = only;
        }
    }
}

impl<E: Entry> Extend<E> for Tree<E> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }
}

impl<'a, E: Entry> IntoIterator for &'a Tree<E> {
    type Item = &'a E;
    type IntoIter = Iter<'a, E>;

    fn into_iter(self) -> Iter<'a, E> {
        self.iter()
    }
}
