//! A large list: blocks in a tree that knows how many elements lie before each.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

use super::super::entry::SMALL_MAX;
use super::super::limits::ListLimit;
use super::super::pack;
use super::super::tree::Tree;
use super::block::{Block, FRAME, NODE_MAX, Needle};
use super::{Element, Side};
use crate::rdb::{Nodes, Scalar};

/// The most blocks of a list whose bytes are counted, to see whether they have room in a small record again.
const COUNTED: usize = 4;

/// A large list. A clone shares all.
#[derive(Clone, Debug, Default)]
pub(in crate::keyspace) struct List {
    pub(super) blocks: Tree<Block>,
    /// Whether a long element ever was in it.
    had_long: bool,
}

impl List {
    /// A list of these packed elements, which have room in one block.
    pub(super) fn of_run(elements: &[u8]) -> Self {
        let mut list = Self::default();
        if !elements.is_empty() {
            list.blocks.push(Block::run(elements.to_vec()));
        }
        list
    }

    /// How many elements.
    pub(in crate::keyspace) fn len(&self) -> usize {
        self.blocks.weight()
    }

    /// How many allocations it consists of.
    pub(in crate::keyspace) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Memory in bytes beside the struct itself.
    pub(in crate::keyspace) fn memory(&self) -> usize {
        self.blocks.memory()
    }

    /// Frees about `n` blocks; whether any is left.
    pub(in crate::keyspace) fn dismantle(&mut self, n: usize) -> bool {
        self.blocks.dismantle(n)
    }

    /// What its blocks are, as far as it is known without a look at each.
    pub(super) fn nodes(&self) -> Nodes {
        if self.had_long { Nodes::Mixed } else { Nodes::Runs }
    }

    /// A block of one new element.
    fn block_of(&mut self, element: Element<'_>) -> Block {
        self.had_long |= element.is_long();
        Block::of(element)
    }

    /// The element at `index`.
    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        let (_, inside, block) = self.blocks.at_weight(index)?;
        match block {
            Block::Run(run) => run.pack().at(run.offset(inside)).map(|(_, scalar)| Element::Short(scalar)),
            Block::Single(bytes) => Some(Element::Long(bytes)),
        }
    }

    /// Puts an element to one end.
    pub(in crate::keyspace) fn push(&mut self, side: Side, element: Element<'_>) {
        let end = match side {
            Side::Left => 0,
            Side::Right => self.blocks.len().saturating_sub(1),
        };
        if self.blocks.get(end).is_some_and(|block| block.takes(element)) {
            self.blocks.update(end, |block| {
                let index = if side == Side::Left { 0 } else { weight(block) };
                block.insert(index, element);
            });
            return;
        }
        // Nobody pushes to that one any more.
        self.blocks.update(end, Block::tighten);
        let at = if side == Side::Left { 0 } else { self.blocks.len() };
        let block = self.block_of(element);
        self.blocks.insert(at, block);
    }

    /// Puts an element before the one at `index`; at the end if there is none.
    pub(super) fn insert(&mut self, index: usize, element: Element<'_>) {
        let Some((i, inside, block)) = self.blocks.at_weight(index) else { return self.push(Side::Right, element) };
        if block.takes(element) {
            self.blocks.update(i, |block| block.insert(inside, element));
        } else if inside > 0 {
            let right = self.blocks.update(i, |block| block.split_off(inside)).flatten();
            if let Some(right) = right {
                self.blocks.insert(i + 1, right);
                // Now it comes between two blocks.
                self.insert(index, element);
                self.join_around(i);
            }
        } else if let Some(before) = i.checked_sub(1)
            && self.blocks.get(before).is_some_and(|block| block.takes(element))
        {
            self.blocks.update(before, |block| block.insert(weight(block), element));
        } else {
            let block = self.block_of(element);
            self.blocks.insert(i, block);
        }
    }

    /// Lets the halves of block `i` join others, so that inserting in the middle leaves no crumbs.
    fn join_around(&mut self, i: usize) {
        for at in (i.saturating_sub(1)..=i + 2).rev() {
            if let (Some(block), Some(next)) = (self.blocks.get(at), self.blocks.get(at + 1))
                && block.joins(next)
                && let Some(next) = self.blocks.remove(at + 1)
            {
                self.blocks.update(at, |block| block.join(&next));
            }
        }
    }

    /// Puts an element in the place of the one at `index`, if that is there.
    pub(super) fn set(&mut self, index: usize, element: Element<'_>) {
        let Some((i, inside, block)) = self.blocks.at_weight(index) else { return };
        let was_long = block.as_run().is_none();
        if was_long && self.blocks.get(i + 1).is_some_and(|next| next.takes(element)) {
            // It needs no block for itself any more.
            self.blocks.remove(i);
            self.blocks.update(i, |next| next.insert(0, element));
        } else if weight(block) == 1 {
            let new = self.block_of(element);
            self.blocks.update(i, |block| *block = new);
        } else if element.is_long() {
            self.remove(index..index + 1);
            self.insert(index, element);
        } else if let Some(right) = self.blocks.update(i, |block| block.set(inside, element)).flatten() {
            self.blocks.insert(i + 1, right);
        }
    }

    /// Removes the elements of a range, as far as they are there.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let end = range.end.min(self.len());
        let Some((first, from, _)) = self.blocks.at_weight(range.start) else { return };
        if range.start >= end {
            return;
        }
        // A range that ends where a block ends, ends before the next one.
        let (last, to) = self.blocks.at_weight(end).map_or((self.blocks.len(), 0), |(last, to, _)| (last, to));
        if first == last {
            self.blocks.update(first, |block| block.cut(from..to));
            return;
        }
        if to > 0 {
            self.blocks.update(last, |block| block.cut(0..to));
        }
        let mut whole = first..last;
        if from > 0 {
            self.blocks.update(first, |block| block.cut(from..weight(block)));
            whole.start += 1;
        }
        self.blocks.remove_range(whole);
    }

    /// Removes elements like the needle, no more than `max`, from one side on; how many.
    pub(super) fn remove_equal(&mut self, needle: &Needle<'_>, side: Side, max: usize) -> usize {
        let mut removed = 0;
        let mut next = if side == Side::Left { 0 } else { self.blocks.len() };
        while removed < max {
            // From the right the blocks behind are done, from the left those before.
            let Some(i) = (if side == Side::Left { Some(next) } else { next.checked_sub(1) }) else { break };
            let Some(block) = self.blocks.get(i) else { break };
            next = if side == Side::Left { i + 1 } else { i };
            if !block.has(needle) {
                continue;
            }
            let cut = |block: &mut Block| (block.remove_equal(needle, side, max - removed), weight(block));
            let (hits, left) = self.blocks.update(i, cut).unwrap_or_default();
            removed += hits;
            if left == 0 {
                self.blocks.remove(i);
                next = i;
            }
        }
        removed
    }

    /// Whether elements of so many bytes have room in one block.
    pub(in crate::keyspace) fn takes_node(len: usize) -> bool {
        FRAME + len <= NODE_MAX
    }

    /// Takes `count` packed elements as a block of their own, at least one, which have room in one.
    pub(in crate::keyspace) fn push_elements(&mut self, elements: &[u8], count: usize) {
        self.blocks.push(Block::counted(elements.to_vec(), count));
    }

    /// Takes the elements of a node of a snapshot: they are a block of their own, as far as there is room in one.
    pub(in crate::keyspace) fn push_node<'a>(&mut self, scalars: impl Iterator<Item = Scalar<'a>>) {
        let mut run = Vec::new();
        for scalar in scalars {
            let element = Element::Short(scalar);
            if element.is_long() {
                self.push_run(&mut run);
                let block = self.block_of(element);
                self.blocks.push(block);
                continue;
            }
            let encoded = pack::encode_scalar(scalar);
            if FRAME + run.len() + encoded.len() > NODE_MAX {
                self.push_run(&mut run);
            }
            run.extend_from_slice(&encoded);
        }
        self.push_run(&mut run);
    }

    fn push_run(&mut self, run: &mut Vec<u8>) {
        if !run.is_empty() {
            self.blocks.push(Block::run(run.as_slice().to_vec()));
            run.clear();
        }
    }

    /// Takes a long element that is shared as it is, or one that turned out not to be long.
    pub(in crate::keyspace) fn push_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() > SMALL_MAX {
            let block = self.block_of(Element::Long(bytes));
            self.blocks.push(block);
        } else {
            self.push(Side::Right, Element::of(bytes));
        }
    }

    /// Bytes of all elements as they lie in a listpack.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::packed_len).fold(0, usize::saturating_add)
    }

    /// Whether Redis would have it in one node of no more than this.
    pub(super) fn fits(&self, limit: ListLimit) -> bool {
        self.blocks() <= limit.blocks() && !limit.exceeded(FRAME.saturating_add(self.bytes()), self.len())
    }

    /// The elements one behind the other, if they have room in a small record.
    pub(super) fn packed(&self) -> Option<Vec<u8>> {
        if self.blocks() > COUNTED || self.bytes() > SMALL_MAX {
            return None;
        }
        let mut elements = Vec::with_capacity(self.bytes());
        for block in &self.blocks {
            elements.extend_from_slice(block.as_run()?.pack().0);
        }
        Some(elements)
    }
}

fn weight(block: &Block) -> usize {
    super::super::tree::Entry::weight(block)
}
