//! Streams: entries in the order of their ids, and groups of consumers that read them together.
//!
//! A stream is never small in the sense of the other types: even an empty one has its last id, which must not be used
//! again. Its entries lie in nodes as Redis would cut them (`node`), in a persistent tree in the order of their ids; groups
//! (`group`) keep what is pending in trees too. So `COPY` costs nothing, and a snapshot holds a clone.

mod counts;
mod encode;
mod entries;
mod group;
pub(super) mod id;
mod node;
mod refs;
mod trim;

use alloc::boxed::Box;

use super::Keyspace;
use super::entry::{Slot, Value};
use super::limits::StreamLimit;
use super::record::Kind;
use super::store::Key;
use super::table::Place;
use super::tree::Tree;
use crate::dataset::Context;
use crate::rdb::{StreamId, StreamNode};
pub(super) use encode::{begin, go_on};
pub(super) use entries::Entries;
use group::named;
pub(super) use group::{Consumer, Group, Owner, Pending};
pub(super) use node::Item;
use node::{At, Node, Room};
pub(super) use refs::{Fate, Refs, Removed};
pub(super) use trim::{Bound, Trim};

/// The most that the fields and values of one entry may have together, bytes.
pub(super) const ENTRY_MAX: usize = 1 << 30;

/// A stream. A clone shares all.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    nodes: Tree<Node>,
    /// The highest id that was ever used.
    pub(super) last_id: StreamId,
    /// The highest id that `XDEL` deleted; 0-0: none.
    pub(super) max_deleted: StreamId,
    /// How many entries were ever added.
    pub(super) added: u64,
    groups: Tree<Group>,
}

impl Stream {
    /// How many entries.
    pub(super) fn len(&self) -> usize {
        self.nodes.weight()
    }

    /// How many nodes they lie in.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// How many parts freeing it takes, about.
    pub(super) fn parts(&self) -> usize {
        /// So many groups count by themselves already.
        const LOOKED_AT: usize = 64;
        self.nodes.len() + self.groups.iter().take(LOOKED_AT).map(|group| 1 + group.parts()).sum::<usize>()
    }

    /// Memory in bytes beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.nodes.memory() + self.groups.memory()
    }

    /// Frees about `n` parts; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        if self.nodes.dismantle(n) {
            return true;
        }
        if let Some(last) = self.groups.len().checked_sub(1) {
            let more = self.groups.update(last, |group| group.dismantle(n)).unwrap_or_default();
            if !more {
                self.groups.remove(last);
            }
        }
        !self.groups.is_empty()
    }

    /// The ids of its nodes.
    pub(super) fn node_ids(&self) -> impl Iterator<Item = StreamId> {
        self.nodes.iter().map(Node::id)
    }

    /// The id of the first entry.
    pub(super) fn first_id(&self) -> Option<StreamId> {
        self.first().map(|item| item.id)
    }

    /// The first entry.
    pub(super) fn first(&self) -> Option<Item<'_>> {
        // The first node that has any: only there nodes of no entry are passed over at once.
        let (index, ..) = self.nodes.at_weight(0)?;
        Entries::new(self.nodes.cursor(index), false, id::MIN, id::MAX).next()
    }

    /// The last entry.
    pub(super) fn last(&self) -> Option<Item<'_>> {
        let (index, ..) = self.nodes.at_weight(self.len().checked_sub(1)?)?;
        Entries::new(self.nodes.cursor(index + 1), true, id::MIN, id::MAX).next()
    }

    /// The entries between two ids, both included, forwards.
    pub(super) fn range(&self, start: StreamId, end: StreamId) -> Entries<'_> {
        Entries::new(self.nodes.cursor(self.node_of(start).unwrap_or(0)), false, start, end)
    }

    /// The same backwards.
    pub(super) fn range_back(&self, start: StreamId, end: StreamId) -> Entries<'_> {
        let behind = self.node_of(end).map_or(0, |index| index + 1);
        Entries::new(self.nodes.cursor(behind), true, start, end)
    }

    /// The index of the node where an id would lie; `None` before the first.
    fn node_of(&self, id: StreamId) -> Option<usize> {
        match self.nodes.find(&At(id)) {
            Ok((index, _)) => Some(index),
            Err(index) => index.checked_sub(1),
        }
    }

    /// The entry of an id.
    pub(super) fn get(&self, id: StreamId) -> Option<Item<'_>> {
        self.nodes.get(self.node_of(id)?)?.view().find(id)
    }

    /// Adds an entry, whose id is higher than all before.
    pub(super) fn append<'a>(
        &mut self,
        id: StreamId,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        limit: StreamLimit,
    ) {
        let bytes = pairs.clone().fold(0usize, |sum, (field, value)| sum.saturating_add(field.len() + value.len()));
        let bytes_max = if limit.bytes == 0 { ENTRY_MAX } else { limit.bytes.min(ENTRY_MAX) };
        let room = Room { bytes: bytes_max, entries: limit.entries };
        match self.nodes.len().checked_sub(1) {
            Some(last) if self.nodes.last().is_some_and(|node| node.takes(bytes, room)) => {
                self.nodes.update(last, |node| node.append(id, pairs));
            }
            last => {
                // Nobody adds to that one any more.
                last.map(|last| self.nodes.update(last, Node::tighten));
                self.nodes.push(Node::new(id, pairs));
            }
        }
        self.added = self.added.wrapping_add(1);
        self.last_id = id;
    }

    /// Deletes an entry; whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(index) = self.node_of(id) else { return false };
        let Some(node) = self.nodes.get(index) else { return false };
        if node.view().find(id).is_none() {
            return false;
        }
        if node.live() == 1 {
            self.nodes.remove(index);
        } else {
            self.nodes.update(index, |node| node.delete(id));
        }
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Takes a node of a snapshot; `false`: its entries are not behind all others, or not in order.
    pub(super) fn load_node(&mut self, node: StreamNode<'_>) -> bool {
        let node = Node::of_snapshot(node);
        let mut last = self.nodes.last().and_then(|node| node.view().last()).map(|item| item.id);
        let (view, mut at) = (node.view(), node.view().first);
        if last.is_some_and(|last| last >= node.id()) {
            return false;
        }
        while let Some((item, end)) = view.item(at) {
            if item.id < node.id() || last.is_some_and(|last| last >= item.id) {
                return false;
            }
            (last, at) = (Some(item.id), end);
        }
        self.nodes.push(node);
        last.is_some()
    }

    /// The id of the last entry, deleted or not, that its nodes hold.
    pub(super) fn last_held(&self) -> StreamId {
        self.nodes.last().and_then(|node| node.view().last()).map(|item| item.id).unwrap_or_default()
    }

    /// The groups by their names.
    pub(super) fn groups(&self) -> &Tree<Group> {
        &self.groups
    }

    /// The group of a name.
    pub(super) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get_by(&named(name, Group::name))
    }

    /// Adds a group; `false`: there is one of that name.
    pub(super) fn add_group(&mut self, group: Group) -> bool {
        let place = self.groups.find(&named(group.name(), Group::name)).map(|(at, _)| at);
        if let Err(at) = place {
            self.groups.insert(at, group);
        }
        place.is_err()
    }

    /// Removes a group; whether it was there.
    pub(super) fn remove_group(&mut self, name: &[u8]) -> bool {
        let Ok(at) = self.groups.find(&named(name, Group::name)).map(|(at, _)| at) else { return false };
        self.groups.remove(at).is_some()
    }

    /// Changes the group of a name, if it is there.
    pub(super) fn edit_group<T>(&mut self, name: &[u8], f: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let at = self.groups.find(&named(name, Group::name)).map(|(at, _)| at).ok()?;
        self.groups.update(at, f)
    }
}

impl Slot {
    /// A stream under `key`.
    pub(super) fn of_stream(key: &[u8], stream: Stream, expiry: Option<i64>) -> Self {
        Self::large(key, Value::Stream(Box::new(stream)), expiry, 0)
    }

    /// Its value if it is a stream.
    #[inline]
    pub(super) fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Large(large) => match &large.value {
                Value::Stream(stream) => Some(stream),
                _ => None,
            },
            Self::Small(_) => None,
        }
    }

    fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Large(large) => match &mut large.value {
                Value::Stream(stream) => Some(stream),
                _ => None,
            },
            Self::Small(_) => None,
        }
    }

    /// Whether it is a stream of which snapshots before version 10 would lose something.
    #[inline]
    pub(super) fn has_counters(&self) -> bool {
        self.stream().is_some_and(Stream::has_counters)
    }
}

impl Keyspace {
    /// The stream at a place, if one is there.
    pub(super) fn stream_at(&self, key: &Key<'_>, place: Place) -> Option<&Stream> {
        self.slot(key, place).stream()
    }

    /// Changes the stream at `place`, or makes one. Whoever watches the key or waits for it hears of it.
    pub(super) fn edit_stream<T: Default>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut Stream) -> T,
    ) -> T {
        let new = || Slot::of_stream(key.bytes, Stream::default(), None);
        self.edit(key, place, new, cx, |slot| slot.stream_mut().map(f)).unwrap_or_default()
    }

    /// The same for what is no change of the key in the eyes of those who watch it: what consumers have read.
    pub(super) fn edit_groups<T: Default>(
        &mut self,
        key: &Key<'_>,
        place: Place,
        f: impl FnOnce(&mut Stream) -> T,
    ) -> T {
        self.table_mut(key.db).update(place, |slot| slot.stream_mut().map(f)).unwrap_or_default()
    }

    /// Where the stream of a key is for a writer, if it is there.
    pub(super) fn find_stream(
        &mut self,
        key: &Key<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<Option<Place>, super::store::Answered> {
        self.find_kind(key, Kind::Stream, cx)
    }
}
