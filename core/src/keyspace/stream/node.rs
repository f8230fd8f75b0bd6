//! Nodes: entries that lie together, laid out as in Redis, so that a node is removed exactly when one is there.
//!
//! A node is the elements of a listpack without its head and end mark: `count deleted n f1 … fn 0`, which is the head with
//! the fields of the first entry; then each entry: `flags ms seq`, both less those of the node's id, its values if it has
//! those very fields, else `k f1 v1 … fk vk`; then how many elements the entry has so far.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::entry::allocated;
use super::super::pack::{self, Pack};
use super::super::tree::{Entry, Seek};
use crate::rdb::{ListpackWriter, Scalar, StreamId, StreamNode};

/// What head and end mark of a listpack take, bytes.
const FRAME: usize = 7;
/// An entry was deleted.
const DELETED: i64 = 1;
/// An entry has the fields of the node.
const SAME_FIELDS: i64 = 2;

/// Some entries of a stream, deleted ones among them.
#[derive(Clone, Debug)]
pub(super) struct Node {
    id: StreamId,
    live: usize,
    deleted: usize,
    /// Shared, so that the copy of a tree's leaf that a write makes while a snapshot holds the old one copies no entries.
    elements: Arc<Vec<u8>>,
}

impl Entry for Node {
    type Mark = StreamId;

    fn mark(&self) -> StreamId {
        self.id
    }

    fn weight(&self) -> usize {
        self.live
    }

    fn heap(&self) -> usize {
        // An `Arc` holds two counters before what it shares.
        const SHARED: usize = allocated(size_of::<Vec<u8>>() + 2 * size_of::<usize>());
        allocated(self.elements.capacity()) + SHARED
    }
}

/// The node of this id, or the place where it would be.
pub(super) struct At(pub(super) StreamId);

impl Seek<Node> for At {
    fn entry(&self, node: &Node) -> Ordering {
        node.id.cmp(&self.0)
    }

    fn mark(&self, id: &StreamId) -> Ordering {
        id.cmp(&self.0)
    }
}

/// How large a node may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) struct Room {
    /// Bytes of its listpack with the frame.
    pub(in crate::keyspace) bytes: usize,
    /// Entries, deleted ones among them; 0: no limit.
    pub(in crate::keyspace) entries: usize,
}

/// Where an integer of the bookkeeping stands behind `at`, and the place behind it.
fn int(pack: Pack<'_>, at: usize) -> Option<(i64, usize)> {
    match pack.at(at)? {
        (span, Scalar::Int(n)) => Some((n, span.end)),
        _ => None,
    }
}

/// Passes over `n` elements.
fn skip(pack: Pack<'_>, at: usize, n: usize) -> Option<usize> {
    if n == 0 {
        return Some(at);
    }
    pack.from(at).nth(n - 1).map(|(span, _)| span.end)
}

fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

impl Node {
    /// A node of one entry.
    pub(super) fn new<'a>(id: StreamId, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Self {
        let mut elements = Vec::new();
        let fields = pairs.clone().count();
        for n in [0, 0, fields as i64] {
            elements.extend_from_slice(&pack::encode_int(n));
        }
        pairs.clone().for_each(|(field, _)| elements.extend_from_slice(&pack::encode(field)));
        elements.extend_from_slice(&pack::encode_int(0));
        let mut node = Self { id, live: 0, deleted: 0, elements: Arc::new(elements) };
        node.append(id, pairs);
        node
    }

    /// A node of a snapshot.
    pub(super) fn of_snapshot(node: StreamNode<'_>) -> Self {
        let (id, blob) = (node.id(), node.blob());
        let body = blob.get(FRAME - 1..blob.len().saturating_sub(1)).unwrap_or_default();
        // Below this size no element can have one of the forms that differ between servers.
        let elements = if body.len() < ListpackWriter::ODD_MIN {
            body.to_vec()
        } else {
            node.scalars().flat_map(pack::encode_scalar).collect()
        };
        let pack = Pack(&elements);
        let (live, behind) = int(pack, 0).unwrap_or_default();
        let (deleted, _) = int(pack, behind).unwrap_or_default();
        Self { id, live: count(live), deleted: count(deleted), elements: Arc::new(elements) }
    }

    /// Its id: no entry has a lower one.
    pub(super) fn id(&self) -> StreamId {
        self.id
    }

    /// Entries that were not deleted.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The elements of its listpack.
    pub(super) fn elements(&self) -> &[u8] {
        &self.elements
    }

    /// The same as scalars.
    pub(super) fn scalars(&self) -> impl Iterator<Item = Scalar<'_>> + Clone {
        Pack(&self.elements).iter()
    }

    /// To walk over its entries.
    pub(super) fn view(&self) -> View<'_> {
        let pack = Pack(&self.elements);
        let head = || {
            let at = skip(pack, 0, 2)?;
            let (fields, names) = int(pack, at)?;
            let fields = count(fields);
            let first = skip(pack, names, fields + 1)?;
            Some(View { id: self.id, pack, fields, names, first })
        };
        // Nodes are made here, and those of snapshots were checked.
        head().unwrap_or(View { id: self.id, pack: Pack(&[]), fields: 0, names: 0, first: 0 })
    }

    /// Whether an entry whose fields and values have so many bytes belongs in here.
    pub(super) fn takes(&self, bytes: usize, room: Room) -> bool {
        FRAME.saturating_add(self.elements.len()).saturating_add(bytes) < room.bytes
            && (room.entries == 0 || self.live + self.deleted < room.entries)
    }

    /// Puts an entry at the end.
    pub(super) fn append<'a>(&mut self, id: StreamId, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
        let fields = pairs.clone().count();
        let same = self.view().has_fields(fields, pairs.clone().map(|(field, _)| field));
        let delta = |a: u64, b: u64| a.wrapping_sub(b) as i64;
        let head = [if same { SAME_FIELDS } else { 0 }, delta(id.ms, self.id.ms), delta(id.seq, self.id.seq)];
        let elements = Arc::make_mut(&mut self.elements);
        let mut put = |element: &[u8]| elements.extend_from_slice(element);
        head.into_iter().for_each(|n| put(&pack::encode_int(n)));
        if same {
            pairs.for_each(|(_, value)| put(&pack::encode(value)));
            put(&pack::encode_int(fields as i64 + 3));
        } else {
            put(&pack::encode_int(fields as i64));
            pairs.for_each(|(field, value)| {
                put(&pack::encode(field));
                put(&pack::encode(value));
            });
            put(&pack::encode_int(2 * fields as i64 + 4));
        }
        self.live += 1;
        self.write_counts();
    }

    /// Gives back memory if much is unused and nobody else holds it: no entry follows.
    pub(super) fn tighten(&mut self) {
        if let Some(elements) = Arc::get_mut(&mut self.elements)
            && elements.capacity() - elements.len() > elements.capacity() / 8
        {
            elements.shrink_to_fit();
        }
    }

    /// Writes how many entries there are to the head.
    fn write_counts(&mut self) {
        let end = skip(Pack(&self.elements), 0, 2).unwrap_or_default();
        let counts = [pack::encode_int(self.live as i64), pack::encode_int(self.deleted as i64)].concat();
        pack::replace(Arc::make_mut(&mut self.elements), 0..end, &counts);
    }

    /// Marks entries as deleted from the first one on as long as `f` says so; how many.
    pub(super) fn delete_while(&mut self, mut f: impl FnMut(StreamId) -> bool) -> usize {
        let mut places = Vec::new();
        let view = self.view();
        let mut at = view.first;
        while let Some((item, end)) = view.item(at) {
            at = end;
            if !item.deleted {
                if !f(item.id) {
                    break;
                }
                places.push(item.at);
            }
        }
        places.iter().for_each(|&at| self.mark_deleted(at));
        self.live = self.live.saturating_sub(places.len());
        self.deleted += places.len();
        self.write_counts();
        places.len()
    }

    /// Marks one entry as deleted; whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(at) = self.view().find(id).map(|item| item.at) else { return false };
        self.mark_deleted(at);
        self.live = self.live.saturating_sub(1);
        self.deleted += 1;
        self.write_counts();
        true
    }

    fn mark_deleted(&mut self, at: usize) {
        let flags = int(Pack(&self.elements), at);
        if let Some((flags, end)) = flags {
            pack::replace(Arc::make_mut(&mut self.elements), at..end, &pack::encode_int(flags | DELETED));
        }
    }
}

/// The entries of a node, to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    id: StreamId,
    pack: Pack<'a>,
    /// How many fields the head names, and where.
    fields: usize,
    names: usize,
    /// Where the first entry begins.
    pub(super) first: usize,
}

impl<'a> View<'a> {
    /// Whether the head names these fields.
    fn has_fields<'b>(self, n: usize, mut fields: impl Iterator<Item = &'b [u8]>) -> bool {
        let mut names = self.pack.from(self.names);
        n == self.fields && fields.all(|field| names.next().is_some_and(|(_, name)| name.text(&mut [0; 20]) == field))
    }

    /// Where all entries end.
    pub(super) fn end(self) -> usize {
        self.pack.0.len()
    }

    /// The entry at a place, and the place behind it.
    pub(super) fn item(self, at: usize) -> Option<(Item<'a>, usize)> {
        let (flags, behind) = int(self.pack, at)?;
        let (ms, behind) = int(self.pack, behind)?;
        let (seq, behind) = int(self.pack, behind)?;
        let same = flags & SAME_FIELDS != 0;
        let (len, values) = if same {
            (self.fields, behind)
        } else {
            let (len, values) = int(self.pack, behind)?;
            (count(len), values)
        };
        let elements = if same { len } else { len.saturating_mul(2) };
        let end = skip(self.pack, values, elements.saturating_add(1))?;
        // Each difference is added by itself, and may wrap.
        let id = StreamId { ms: self.id.ms.wrapping_add(ms as u64), seq: self.id.seq.wrapping_add(seq as u64) };
        let names = if same { Some(self.names) } else { None };
        let fields = Fields { pack: self.pack, names, at: values, left: len };
        Some((Item { id, deleted: flags & DELETED != 0, at, fields }, end))
    }

    /// Where the entry begins that ends at a place.
    pub(super) fn item_before(self, end: usize) -> Option<usize> {
        let rest = Pack(self.pack.0.get(..end).filter(|_| end > self.first)?);
        let (span, Scalar::Int(elements)) = rest.last()? else { return None };
        let at = Pack(rest.0.get(..span.start)?).offset_back(count(elements));
        (at >= self.first).then_some(at)
    }

    /// The entry of an id that was not deleted.
    pub(super) fn find(self, id: StreamId) -> Option<Item<'a>> {
        let mut at = self.first;
        while let Some((item, end)) = self.item(at) {
            if item.id >= id {
                return Some(item).filter(|item| item.id == id && !item.deleted);
            }
            at = end;
        }
        None
    }

    /// The last entry, deleted or not.
    pub(super) fn last(self) -> Option<Item<'a>> {
        self.item(self.item_before(self.end())?).map(|(item, _)| item)
    }
}

/// An entry of a stream.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Item<'a> {
    /// Its id.
    pub(in crate::keyspace) id: StreamId,
    pub(super) deleted: bool,
    /// Where it begins in its node.
    at: usize,
    /// Its fields with their values, in order.
    pub(in crate::keyspace) fields: Fields<'a>,
}

/// The fields of an entry with their values.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Fields<'a> {
    pack: Pack<'a>,
    /// Where the next name stands, if names stand apart from values.
    names: Option<usize>,
    at: usize,
    left: usize,
}

impl Fields<'_> {
    /// How many are left.
    pub(in crate::keyspace) fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Scalar<'a>, Scalar<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(at) => {
                let (span, name) = self.pack.at(*at)?;
                *at = span.end;
                name
            }
            None => {
                let (span, name) = self.pack.at(self.at)?;
                self.at = span.end;
                name
            }
        };
        let (span, value) = self.pack.at(self.at)?;
        self.at = span.end;
        Some((name, value))
    }
}
