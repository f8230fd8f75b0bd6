//! What a snapshot is made of, as a reader hands it out.

/// Which family wrote a snapshot: numbers of types mean different things in the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// A key. One whose value is [`Value::LongString`] is followed by its [`Item::Piece`]s and an [`Item::EntryEnd`];
    /// one with a whole value stands alone.
    Entry(Entry<'a>),
    /// The next bytes of a long string.
    Piece(&'a [u8]),
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

/// The value of a key.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A whole string.
    String(&'a [u8]),
    /// A string of so many bytes that comes in pieces.
    LongString(u64),
}
