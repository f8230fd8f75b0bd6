//! Ways down: by index, by weight, by comparison.

use alloc::sync::Arc;
use core::cmp::Ordering;

use super::node::{Link, Node, Sum};
use super::{Entry, Seek};

/// The link that holds entry `at`, and the entry's index below it; `None` past the end.
#[inline]
pub(super) fn child_of<E: Entry>(links: &[Link<E>], mut at: usize) -> Option<(usize, usize)> {
    for (i, link) in links.iter().enumerate() {
        if at < link.sum.count {
            return Some((i, at));
        }
        at -= link.sum.count;
    }
    None
}

impl<E: Entry> Link<E> {
    /// The first entry below.
    #[inline]
    pub(super) fn first(&self) -> Option<&E> {
        let mut link = self;
        loop {
            match &*link.node {
                Node::Leaf(entries) => return entries.first(),
                Node::Inner(links) => link = links.first()?,
            }
        }
    }

    /// The entry at `at`.
    #[inline]
    pub(super) fn get(&self, mut at: usize) -> Option<&E> {
        let mut link = self;
        loop {
            match &*link.node {
                Node::Leaf(entries) => return entries.get(at),
                Node::Inner(links) => {
                    let (i, inside) = child_of(links, at)?;
                    (link, at) = (links.get(i)?, inside);
                }
            }
        }
    }

    /// See [`Tree::at_weight`](super::Tree::at_weight).
    pub(super) fn at_weight(&self, mut at: usize) -> Option<(usize, usize, &E)> {
        let (mut link, mut index) = (self, 0);
        loop {
            match &*link.node {
                Node::Leaf(entries) => {
                    for (i, entry) in entries.iter().enumerate() {
                        let weight = entry.weight();
                        if at < weight {
                            return Some((index + i, at, entry));
                        }
                        at -= weight;
                    }
                    return None;
                }
                Node::Inner(links) => {
                    link = links.iter().find(|link| {
                        let here = at < link.sum.weight;
                        if !here {
                            at -= link.sum.weight;
                            index += link.sum.count;
                        }
                        here
                    })?;
                }
            }
        }
    }

    /// What the entries before `at` weigh.
    pub(super) fn weight_before(&self, mut at: usize) -> usize {
        let (mut link, mut sum) = (self, Sum::default());
        loop {
            match &*link.node {
                Node::Leaf(entries) => {
                    return entries.iter().take(at).fold(sum, |sum, entry| sum.plus(Sum::of(entry))).weight;
                }
                Node::Inner(links) => {
                    let Some((i, inside)) = child_of(links, at) else { return sum.weight };
                    sum = links[..i].iter().fold(sum, |sum, link| sum.plus(link.sum));
                    (link, at) = (&links[i], inside);
                }
            }
        }
    }

    /// The index of the first entry that is not `Less` than the aim, and that entry unless it begins the next leaf.
    /// Without `RANK` the index means nothing and nothing is counted for it.
    #[inline]
    pub(super) fn locate<const RANK: bool>(&self, seek: &impl Seek<E>) -> (usize, Option<&E>) {
        let (mut link, mut index) = (self, 0);
        loop {
            match &*link.node {
                Node::Leaf(entries) => {
                    let at = count_of(entries, |entry| seek.entry(entry) == Ordering::Less);
                    return (index + at, entries.get(at));
                }
                Node::Inner(links) => {
                    let i = child_towards(links, seek);
                    if RANK {
                        index += links[..i].iter().map(|link| link.sum.count).sum::<usize>();
                    }
                    let Some(child) = links.get(i) else { return (index, None) };
                    link = child;
                }
            }
        }
    }

    /// Changes the entry at `at`, which is below this link.
    pub(super) fn update<R>(&mut self, at: usize, f: impl FnOnce(&mut E) -> R) -> Option<R> {
        let before = self.node.own_bytes();
        let result = match Arc::make_mut(&mut self.node) {
            Node::Leaf(entries) => {
                let entry = entries.get_mut(at)?;
                let old = Sum::of(entry);
                let result = f(entry);
                self.sum = self.sum.minus(old).plus(Sum::of(entry));
                result
            }
            Node::Inner(links) => {
                let (i, inside) = child_of(links, at)?;
                let old = links[i].sum;
                let result = links[i].update(inside, f)?;
                self.sum = self.sum.minus(old).plus(links[i].sum);
                result
            }
        };
        // A copy has as many places as it needs, the shared node maybe had more.
        self.resize(before);
        Some(result)
    }
}

/// The child where the first entry lies that is not `Less`, or the one right before it. There is at least one child.
#[inline]
fn child_towards<E: Entry>(links: &[Link<E>], seek: &impl Seek<E>) -> usize {
    let after = links.get(1..).unwrap_or_default();
    let before = count_of(after, |link| seek.mark(&link.mark) == Ordering::Less);
    let unsure = after[before..].iter().take_while(|link| seek.mark(&link.mark) == Ordering::Equal).count();
    let decided = |link: &Link<E>| link.first().is_some_and(|entry| seek.entry(entry) == Ordering::Less);
    before + after[before..before + unsure].partition_point(decided)
}

/// How many items stand before the first that is not `less`: in steps of a few, then one by one. A binary search would
/// wait for memory at each halving; these loads do not depend on each other, so they overlap.
#[inline]
fn count_of<T>(items: &[T], less: impl Fn(&T) -> bool) -> usize {
    const STEP: usize = 8;
    let mut at = 0;
    while items.get(at + STEP - 1).is_some_and(&less) {
        at += STEP;
    }
    while items.get(at).is_some_and(&less) {
        at += 1;
    }
    at
}
