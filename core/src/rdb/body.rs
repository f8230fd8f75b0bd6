//! Encoding of entries: keys, and strings. The other types are in files of their own.

mod aside;
mod hash;
mod list;
mod pack;
mod set;
mod stream;
mod zset;

use bytes::Bytes;
pub use list::Nodes;
pub use stream::StreamMeta;

use super::compact::Scalar;
use super::kinds;
use super::lzf::Packer;
use super::text::{Small, as_int};
use super::writer::Writer;
use crate::blocks::Blocks;
use crate::machine::Chunks;
use crate::resp::decimal_i64;

/// Pieces of a value from this length on are shared; shorter ones are copied, for a handle costs more. Bytes.
const SHARED: usize = 1024;

/// Elements of collections longer than this are not compressed, for that takes a copy of the whole. Bytes.
const PACKED_MAX: usize = 64 * 1024;

/// How entries are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whether strings above 20 bytes are compressed where that saves something (`rdbcompression`).
    pub compress: bool,
}

/// Encoded entries of a snapshot, without frame and checksum.
///
/// Bodies may be encoded apart and joined in any order: each begins with the database of its first entry.
#[derive(Debug, Default)]
pub struct Body {
    pub(super) out: Blocks,
    options: Options,
    /// The database that the bytes so far have selected.
    db: Option<u32>,
    packer: Packer,
    keys: u64,
    /// The version of the format; 0: the lowest.
    pub(super) version: u16,
    /// Whether it is for one value without its key.
    lone: bool,
    /// What is said of the next key's use.
    used: Option<Small>,
}

impl Body {
    /// An empty body.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// The same for a snapshot of format `version`, which must not be higher than that of the [`Writer`]; the lowest that
    /// is written if nobody says so. It decides how small collections are encoded.
    #[must_use]
    pub fn for_version(self, version: u16) -> Self {
        Self { version: version.clamp(Writer::MIN_VERSION, Writer::MAX_VERSION), ..self }
    }

    /// The same for the one value of a [`Payload`](super::Payload): database, key and expiry are left out.
    #[must_use]
    pub fn lone(self) -> Self {
        Self { lone: true, ..self }
    }

    /// Bytes encoded so far.
    pub fn len(&self) -> u64 {
        self.out.len()
    }

    /// Whether nothing was encoded yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Keys encoded since the last call, those of bodies appended included.
    pub fn take_keys(&mut self) -> u64 {
        core::mem::take(&mut self.keys)
    }

    /// Says how many keys and how many with an expiry database `db` has: a hint for the reader.
    pub fn resize(&mut self, db: u32, keys: u64, expires: u64) {
        let mut head = Small::new();
        self.select(db, &mut head);
        head.put(&[kinds::RESIZE_DB]);
        head.len(keys);
        head.len(expires);
        self.out.append(head.bytes());
    }

    /// Says of the next key for how many seconds it was not used, 2^32 at most; with an LRU policy.
    pub fn idle(&mut self, seconds: u64) {
        let mut said = Small::new();
        said.put(&[kinds::IDLE]);
        said.len(seconds.min(u32::MAX.into()));
        self.used = Some(said);
    }

    /// Says of the next key what its counter is; with an LFU policy.
    pub fn freq(&mut self, counter: u8) {
        let mut said = Small::new();
        said.put(&[kinds::FREQ, counter]);
        self.used = Some(said);
    }

    /// Encodes a key with a string value; `expire_at_ms` is wall-clock ms since 1970.
    pub fn string(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, value: &[u8]) {
        self.key(db, key, expire_at_ms, kinds::STRING);
        self.text(Small::new(), value);
    }

    /// The same for a value in pieces. Large pieces are shared, not copied, and never compressed: that would take a copy
    /// of the whole.
    pub fn string_pieces(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, pieces: &[Bytes]) {
        self.key(db, key, expire_at_ms, kinds::STRING);
        let mut head = Small::new();
        head.len(pieces.iter().map(|piece| piece.len() as u64).sum());
        self.out.append(head.bytes());
        for piece in pieces {
            share(&mut self.out, piece.clone());
        }
    }

    /// Moves all that `other` holds behind this; its large blocks are shared, not copied.
    pub fn append(&mut self, other: &mut Self) {
        if let Some(db) = other.db.take() {
            self.db = Some(db);
        }
        self.keys += other.take_keys();
        for chunk in other.out.drain() {
            share(&mut self.out, chunk);
        }
    }

    /// Takes up to `budget` bytes out, in order; a chunk that does not fit is cut, not copied. What is encoded behind the
    /// last byte begins with its database again.
    pub(super) fn take(&mut self, budget: usize) -> Chunks {
        let mut chunks = Chunks::new();
        let at = self.out.start();
        self.out.read(at, budget, &mut chunks);
        self.out.release(at + chunks.bytes() as u64);
        if self.out.is_empty() {
            self.db = None;
        }
        chunks
    }

    /// Writes a key and the type of its value, which has to follow.
    fn key(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, kind: u8) {
        self.keys += 1;
        let used = self.used.take();
        if self.lone {
            return self.out.append(&[kind]);
        }
        let mut head = Small::new();
        self.select(db, &mut head);
        if let Some(at) = expire_at_ms {
            head.put(&[kinds::EXPIRE_MS]);
            // -1 is how the format says "none": a key that expired at that moment must not live for ever.
            head.put(&(if at == -1 { -2 } else { at }).to_le_bytes());
        }
        if let Some(used) = used {
            head.put(used.bytes());
        }
        head.put(&[kind]);
        self.text(head, key);
    }

    fn select(&mut self, db: u32, head: &mut Small) {
        if self.db != Some(db) {
            self.db = Some(db);
            head.put(&[kinds::SELECT_DB]);
            head.len(u64::from(db));
        }
    }

    /// Writes a count.
    fn count(&mut self, n: u64) {
        let mut head = Small::new();
        head.len(n);
        self.out.append(head.bytes());
    }

    /// Writes one string of an element.
    fn scalar(&mut self, scalar: Scalar<'_>) {
        let mut buf = [0; 20];
        match scalar {
            Scalar::Int(n) => self.text(Small::new(), decimal_i64(&mut buf, n)),
            Scalar::Text(text) if text.len() <= PACKED_MAX => self.text(Small::new(), text),
            Scalar::Text(text) => {
                self.count(text.len() as u64);
                self.out.append(text);
            }
        }
    }

    /// Writes `head` and then `text` in its shortest encoding.
    fn text(&mut self, mut head: Small, text: &[u8]) {
        if let Some(n) = as_int(text) {
            head.int(n);
            self.out.append(head.bytes());
            return;
        }
        let packed = if self.options.compress { self.packer.pack(text) } else { None };
        if let Some(packed) = packed {
            head.lzf(packed.len() as u64, text.len() as u64);
            self.out.append(head.bytes());
            self.out.append(packed);
            return;
        }
        head.len(text.len() as u64);
        self.out.append(head.bytes());
        self.out.append(text);
    }
}

/// Adds `chunk` to `out` as cheaply as its length allows.
pub(super) fn share(out: &mut Blocks, chunk: Bytes) {
    if chunk.len() < SHARED {
        out.append(&chunk);
    } else {
        out.append_shared(chunk);
    }
}
