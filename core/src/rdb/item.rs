//! What a snapshot is made of, as a reader hands it out.

use super::compact::{Compact, StreamNode};

/// Which family wrote a snapshot: numbers of types mean different things in the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Magic {
    /// `REDIS` and four digits.
    Redis,
    /// `VALKEY` and three digits.
    Valkey,
}

/// One item of a snapshot, in file order. Slices are valid until the next call of the reader.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The header; always first.
    Header {
        /// The family.
        magic: Magic,
        /// The format version.
        version: u16,
    },
    /// An AUX field (`repl-id`, `redis-ver` …).
    Aux {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// How many keys the current database will have: a hint and no more.
    Resize {
        /// The database.
        db: u64,
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// A function library's code: carried as it is.
    Function(&'a [u8]),
    /// Keys of one slot to come (cluster mode of Redis >= 7.4): a hint.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// What a module wrote beside the keys; its [`Item::Module`] values follow, then [`Item::ModuleAuxEnd`].
    ModuleAux {
        /// The module.
        module: ModuleId,
        /// Whether it stands before the keys (1) or behind them (2).
        when: u64,
    },
    /// The values of [`Item::ModuleAux`] are complete.
    ModuleAuxEnd,
    /// Metadata of the next key, of one class; its [`Item::Module`] values follow (Redis >= 8.6).
    KeyMeta {
        /// The class as it is stored: flags, version and four characters.
        class: u32,
    },
    /// A key. One whose value [is whole](Value::is_whole) stands alone; one in parts is followed by these and by
    /// [`Item::EntryEnd`].
    Entry(Entry<'a>),
    /// The next bytes of a long string: of the value itself, or of the element that was begun last.
    Piece(&'a [u8]),
    /// An element of a collection.
    Element(Element<'a>),
    /// The pieces of [`Element::LongMember`] or [`Element::LongField`] are complete.
    ElementEnd {
        /// When the field expires, wall-clock ms since 1970.
        expire_at_ms: Option<u64>,
    },
    /// Several elements of a list at once.
    Block(Compact<'a>),
    /// A part of a stream.
    Stream(StreamPart<'a>),
    /// An element of an array (Redis >= 8.8).
    ArrayItem {
        /// Its index; they ascend.
        index: u64,
        /// Its bytes; numbers as their text.
        value: &'a [u8],
    },
    /// One thing that a module wrote: of its value, its aux data, or the metadata of a key.
    Module(ModuleValue<'a>),
    /// The value that came in parts is complete.
    EntryEnd,
    /// The end mark, its checksum verified if there was one; always last.
    End {
        /// Whether a checksum was there and right; `false`: none was computed, or the version has none.
        checksum: bool,
    },
}

/// A key with what the snapshot says of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Entry<'a> {
    /// Its database.
    pub db: u64,
    /// The key.
    pub key: &'a [u8],
    /// When it expires, wall-clock ms since 1970.
    pub expire_at_ms: Option<i64>,
    /// Seconds idle, saved under an LRU policy.
    pub idle_s: Option<u64>,
    /// LFU counter, saved under an LFU policy.
    pub freq: Option<u8>,
    /// Its value.
    pub value: Value<'a>,
}

/// The types whose values are collections of strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A list: elements in order.
    List,
    /// A set: members.
    Set,
    /// A sorted set: members with scores.
    Zset,
    /// A hash: fields with values, and perhaps with expiries.
    Hash,
}

/// The value of a key.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A whole string.
    String(&'a [u8]),
    /// A string of so many bytes that comes in pieces.
    LongString(u64),
    /// A whole collection: rows of one scalar (list, set), two (member and score, field and value), or three (field,
    /// value, and when the field expires in wall-clock ms, 0 for never); see [`Compact::row`].
    Compact(Kind, Compact<'a>),
    /// A collection in parts: [`Item::Element`]s, and of a list [`Item::Block`]s too. With the number of elements (of a
    /// list: of nodes) that the snapshot announces: a hint and no more.
    Elements(Kind, u64),
    /// A stream: its [`StreamPart`]s follow.
    Stream,
    /// An array (Redis >= 8.8): its [`Item::ArrayItem`]s follow.
    Array {
        /// How many elements are announced.
        len: u64,
        /// Where the next one would be inserted.
        next_insert: Option<u64>,
    },
    /// A module's value: its [`Item::Module`]s follow.
    Module(ModuleId),
}

impl Value<'_> {
    /// Whether nothing of it follows.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::String(_) | Self::Compact(..))
    }
}

/// An element of a collection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Element<'a> {
    /// Of a list or a set.
    Member(&'a [u8]),
    /// Of a list, so many bytes: its [`Item::Piece`]s follow, then [`Item::ElementEnd`].
    LongMember(u64),
    /// Of a sorted set. A score is never NaN.
    Scored {
        /// The member.
        member: &'a [u8],
        /// Its score.
        score: f64,
    },
    /// Of a hash.
    Field {
        /// The field.
        field: &'a [u8],
        /// Its value.
        value: &'a [u8],
        /// When the field expires, wall-clock ms since 1970.
        expire_at_ms: Option<u64>,
    },
    /// Of a hash, with a value of so many bytes: its [`Item::Piece`]s follow, then [`Item::ElementEnd`].
    LongField {
        /// The field.
        field: &'a [u8],
        /// Length of its value in bytes.
        len: u64,
    },
}

/// Which module wrote a value: nine characters and the version of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ModuleId(pub u64);

impl ModuleId {
    /// The name, nine characters of `A`–`Z`, `a`–`z`, `0`–`9`, `-` and `_`.
    pub fn name(self) -> [u8; 9] {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        // Six bits each, the first character highest, above ten bits of version.
        core::array::from_fn(|i| ALPHABET[(self.0 >> (58 - 6 * i)) as usize & 63])
    }

    /// The version of the encoding, below 1024.
    pub fn version(self) -> u16 {
        self.0 as u16 & 0x3ff
    }
}

/// One thing that a module wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModuleValue<'a> {
    /// A signed integer.
    Signed(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// The bits of a 32-bit float.
    Float(u32),
    /// The bits of a 64-bit float.
    Double(u64),
    /// A string.
    String(&'a [u8]),
}

/// The id of a stream's entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    /// Unix time in ms.
    pub ms: u64,
    /// Number within that ms.
    pub seq: u64,
}

/// A part of a stream, in the order of the snapshot: nodes, [`StreamPart::Meta`], then each group with its pending
/// entries, its consumers with what they own, and its released entries; then what is remembered of producers.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum StreamPart<'a> {
    /// Entries.
    Node(StreamNode<'a>),
    /// What is known of the whole. What a type of stream does not store is `None`.
    Meta {
        /// Live entries.
        length: u64,
        /// The last id.
        last_id: StreamId,
        /// The first id (type 19 on).
        first_id: Option<StreamId>,
        /// The highest id that was deleted (type 19 on).
        max_deleted_id: Option<StreamId>,
        /// Entries ever added (type 19 on).
        entries_added: Option<u64>,
    },
    /// A consumer group.
    Group {
        /// Its name.
        name: &'a [u8],
        /// The id that was delivered last.
        last_id: StreamId,
        /// Entries read, if it is known (type 19 on).
        entries_read: Option<u64>,
    },
    /// A pending entry of the group.
    Pending {
        /// Its id.
        id: StreamId,
        /// When it was delivered last, wall-clock ms since 1970.
        delivered_at_ms: i64,
        /// How often.
        deliveries: u64,
    },
    /// A consumer of the group.
    Consumer {
        /// Its name.
        name: &'a [u8],
        /// When it was seen last, wall-clock ms since 1970.
        seen_at_ms: i64,
        /// When it last got an entry, if ever (type 21 on).
        active_at_ms: Option<i64>,
    },
    /// The consumer owns this pending entry.
    Owns(StreamId),
    /// A pending entry of the group that nobody owns any more (type 27 on).
    Released(StreamId),
    /// How producers are told apart from those that repeat themselves (type 26 on).
    Idempotence {
        /// How long an id is remembered, s.
        duration_s: u64,
        /// How many ids of one producer are.
        max_entries: u64,
    },
    /// A producer.
    Producer(&'a [u8]),
    /// An id of the producer, and the entry that it made.
    Produced {
        /// The producer's own id of it.
        iid: &'a [u8],
        /// The entry.
        id: StreamId,
    },
    /// Counters of the producers' ids.
    IdempotenceEnd {
        /// Ever added.
        added: u64,
        /// Ever recognised as repeated.
        duplicates: u64,
    },
}
