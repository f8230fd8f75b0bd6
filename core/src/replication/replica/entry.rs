//! Keys of a snapshot and the parts of their values, owned: the form in which a [`Replica`](super::Replica) gives them
//! out. Collections that a snapshot holds in one blob stay in it, for whoever wants their values walks it faster than
//! each of them could be handed over.

use bytes::Bytes;

use crate::rdb::{self, CompactBuf, Element, Entry, Kind, ModuleId, ModuleValue, StreamId, StreamNodeBuf, StreamPart};

/// A key of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its database.
    pub db: u64,
    /// The key.
    pub key: Bytes,
    /// When it expires, wall-clock ms since 1970.
    pub expire_at_ms: Option<i64>,
    /// Its value.
    pub value: KeyValue,
}

/// The value of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyValue {
    /// A string.
    String(Bytes),
    /// A string of so many bytes: [`Event::Piece`](super::Event::Piece)s follow.
    Pieces(u64),
    /// A whole collection, in rows as [`rdb::Value::Compact`] has them.
    Compact(Kind, CompactBuf),
    /// A collection in [`Part`]s. With the number of elements (of a list: of nodes) that is announced: a hint.
    Elements(Kind, u64),
    /// A stream: [`Part::Stream`] follow.
    Stream,
    /// An array: [`Part::ArrayItem`]s follow.
    Array {
        /// How many are announced.
        len: u64,
        /// Where the next one would be inserted.
        next_insert: Option<u64>,
    },
    /// A module's value: [`Part::Module`]s follow.
    Module(ModuleId),
}

impl KeyValue {
    /// Whether nothing of it follows.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::String(_) | Self::Compact(..))
    }
}

/// A part of a value.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Part {
    /// An element of a list or a set.
    Member(Bytes),
    /// An element of a list, of so many bytes: pieces follow, then [`Part::ElementEnd`].
    LongMember(u64),
    /// An element of a sorted set.
    Scored {
        /// The member.
        member: Bytes,
        /// Its score, never NaN.
        score: f64,
    },
    /// An element of a hash.
    Field {
        /// The field.
        field: Bytes,
        /// Its value.
        value: Bytes,
        /// When it expires, wall-clock ms since 1970.
        expire_at_ms: Option<u64>,
    },
    /// An element of a hash, with a value of so many bytes: pieces follow, then [`Part::ElementEnd`].
    LongField {
        /// The field.
        field: Bytes,
        /// Length of its value in bytes.
        len: u64,
    },
    /// The long element is complete.
    ElementEnd {
        /// When the field expires, wall-clock ms since 1970.
        expire_at_ms: Option<u64>,
    },
    /// Several elements of a list.
    Block(CompactBuf),
    /// A part of a stream.
    Stream(StreamData),
    /// An element of an array.
    ArrayItem {
        /// Its index; they ascend.
        index: u64,
        /// Its bytes; numbers as their text.
        value: Bytes,
    },
    /// One thing that a module wrote.
    Module(ModuleData),
}

/// One thing that a module wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ModuleData {
    /// A signed integer.
    Signed(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// The bits of a 32-bit float.
    Float(u32),
    /// The bits of a 64-bit float.
    Double(u64),
    /// A string.
    String(Bytes),
}

/// A part of a stream, in the order of [`StreamPart`], whose fields these are.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is that of the same name in `StreamPart`")]
pub enum StreamData {
    /// Entries.
    Node(StreamNodeBuf),
    /// What is known of the whole.
    Meta {
        length: u64,
        last_id: StreamId,
        first_id: Option<StreamId>,
        max_deleted_id: Option<StreamId>,
        entries_added: Option<u64>,
    },
    /// A consumer group.
    Group { name: Bytes, last_id: StreamId, entries_read: Option<u64> },
    /// A pending entry of the group.
    Pending { id: StreamId, delivered_at_ms: i64, deliveries: u64 },
    /// A consumer of the group.
    Consumer { name: Bytes, seen_at_ms: i64, active_at_ms: Option<i64> },
    /// The consumer owns this pending entry.
    Owns(StreamId),
    /// A pending entry that nobody owns any more.
    Released(StreamId),
    /// How producers are told apart from those that repeat themselves.
    Idempotence { duration_s: u64, max_entries: u64 },
    /// A producer.
    Producer(Bytes),
    /// An id of the producer, and the entry that it made.
    Produced { iid: Bytes, id: StreamId },
    /// Counters of the producers' ids.
    IdempotenceEnd { added: u64, duplicates: u64 },
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl From<Entry<'_>> for Key {
    fn from(Entry { db, key, expire_at_ms, value, .. }: Entry<'_>) -> Self {
        Self { db, key: copy(key), expire_at_ms, value: value.into() }
    }
}

impl From<rdb::Value<'_>> for KeyValue {
    fn from(value: rdb::Value<'_>) -> Self {
        match value {
            rdb::Value::String(bytes) => Self::String(copy(bytes)),
            rdb::Value::LongString(len) => Self::Pieces(len),
            rdb::Value::Compact(kind, compact) => Self::Compact(kind, compact.into()),
            rdb::Value::Elements(kind, len) => Self::Elements(kind, len),
            rdb::Value::Stream => Self::Stream,
            rdb::Value::Array { len, next_insert } => Self::Array { len, next_insert },
            rdb::Value::Module(module) => Self::Module(module),
        }
    }
}

impl From<Element<'_>> for Part {
    fn from(element: Element<'_>) -> Self {
        match element {
            Element::Member(member) => Self::Member(copy(member)),
            Element::LongMember(len) => Self::LongMember(len),
            Element::Scored { member, score } => Self::Scored { member: copy(member), score },
            Element::Field { field, value, expire_at_ms } => {
                Self::Field { field: copy(field), value: copy(value), expire_at_ms }
            }
            Element::LongField { field, len } => Self::LongField { field: copy(field), len },
        }
    }
}

impl From<ModuleValue<'_>> for ModuleData {
    fn from(value: ModuleValue<'_>) -> Self {
        match value {
            ModuleValue::Signed(n) => Self::Signed(n),
            ModuleValue::Unsigned(n) => Self::Unsigned(n),
            ModuleValue::Float(bits) => Self::Float(bits),
            ModuleValue::Double(bits) => Self::Double(bits),
            ModuleValue::String(bytes) => Self::String(copy(bytes)),
        }
    }
}

impl From<StreamPart<'_>> for StreamData {
    fn from(part: StreamPart<'_>) -> Self {
        match part {
            StreamPart::Node(node) => Self::Node(node.into()),
            StreamPart::Meta { length, last_id, first_id, max_deleted_id, entries_added } => {
                Self::Meta { length, last_id, first_id, max_deleted_id, entries_added }
            }
            StreamPart::Group { name, last_id, entries_read } => {
                Self::Group { name: copy(name), last_id, entries_read }
            }
            StreamPart::Pending { id, delivered_at_ms, deliveries } => {
                Self::Pending { id, delivered_at_ms, deliveries }
            }
            StreamPart::Consumer { name, seen_at_ms, active_at_ms } => {
                Self::Consumer { name: copy(name), seen_at_ms, active_at_ms }
            }
            StreamPart::Owns(id) => Self::Owns(id),
            StreamPart::Released(id) => Self::Released(id),
            StreamPart::Idempotence { duration_s, max_entries } => Self::Idempotence { duration_s, max_entries },
            StreamPart::Producer(name) => Self::Producer(copy(name)),
            StreamPart::Produced { iid, id } => Self::Produced { iid: copy(iid), id },
            StreamPart::IdempotenceEnd { added, duplicates } => Self::IdempotenceEnd { added, duplicates },
        }
    }
}
