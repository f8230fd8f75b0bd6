//! How large collections stay compact, and strings may become, as directives say. A change holds for later writes: nothing
//! is encoded anew by it.

use super::list::NODE_MAX;
use super::pack::Shape;
use crate::config::Settings;
use crate::dataset::Origin;

/// The longest string in bytes that a master's stream may make at least, whatever `proto-max-bulk-len` says here: Redis obeys
/// its master in any case, and what is made of one must have an end.
const STREAM_STRING_MAX: usize = 512 * 1024 * 1024;
/// The longest string in bytes that anything may make: what a record counts with.
const STRING_MAX: usize = u32::MAX as usize;
/// How long a list's node may be in bytes if its elements are counted, as in Redis.
const COUNTED_MAX: usize = 8 * 1024;
/// The most elements that a list's node may be limited to, as in Redis.
const COUNT_MAX: usize = (1 << 15) - 1;
/// What `list-max-listpack-size` says with -1 to -5, bytes.
const NODE_SIZES: [usize; 5] = [4 * 1024, 8 * 1024, 16 * 1024, 32 * 1024, 64 * 1024];

/// How large a collection may be as a `listpack`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackLimit {
    /// Fields or members.
    pub entries: usize,
    /// Bytes of the longest field, value or member.
    pub bytes: usize,
}

impl PackLimit {
    /// The same for elements of any length: those of a `listpack` that is loaded, of which Redis counts the entries only.
    pub(super) fn of_any_length(self) -> Self {
        Self { bytes: usize::MAX, ..self }
    }
}

/// How large a set may be before it is a `hashtable`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetLimit {
    /// Members of an `intset`.
    pub ints: usize,
    /// What a `listpack` may have.
    pub pack: PackLimit,
}

impl SetLimit {
    /// Members of a set of this encoding; of a `hashtable` that is kept as a `listpack` would be, the same.
    pub(super) fn members(self, shape: Shape) -> usize {
        if shape == Shape::Ints { self.ints } else { self.pack.entries }
    }
}

/// How large a list may be before it is a `quicklist`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListLimit {
    /// Elements.
    elements: usize,
    /// Bytes of the listpack with its frame.
    bytes: usize,
}

impl ListLimit {
    /// What a value of `list-max-listpack-size` means: so many elements, or 4 to 64 KB for -1 to -5 and below.
    pub fn new(directive: i32) -> Self {
        match usize::try_from(directive) {
            Ok(elements) => Self { elements: elements.clamp(1, COUNT_MAX), bytes: COUNTED_MAX },
            Err(_) => {
                let at = (directive.unsigned_abs() as usize).clamp(1, NODE_SIZES.len()) - 1;
                Self { elements: usize::MAX, bytes: NODE_SIZES[at] }
            }
        }
    }

    /// What a quicklist that shrinks has to come down to.
    pub(super) fn halved(self) -> Self {
        if self.counts() {
            Self { elements: self.elements / 2, ..self }
        } else {
            Self { bytes: self.bytes / 2, ..self }
        }
    }

    /// Whether elements are counted, and not only their bytes.
    pub(super) fn counts(self) -> bool {
        self.elements != usize::MAX
    }

    /// Whether a listpack of so many bytes and elements would be too large.
    pub(super) fn exceeded(self, bytes: usize, elements: usize) -> bool {
        bytes > self.bytes || elements > self.elements
    }

    /// The most blocks of ours that what is one node in Redis can lie in.
    pub(super) fn blocks(self) -> usize {
        if self.bytes > NODE_MAX { 2 * self.bytes.div_ceil(NODE_MAX) } else { 1 }
    }
}

/// How large a node of a stream may be: a trim with `~` removes whole nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamLimit {
    /// Bytes of its listpack; 0: no limit of its own.
    pub bytes: usize,
    /// Entries, deleted ones among them; 0: no limit.
    pub entries: usize,
}

/// The limits of a [`Keyspace`](super::Keyspace). The defaults are Redis's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `hash-max-listpack-entries` and `hash-max-listpack-value`.
    pub hash: PackLimit,
    /// `set-max-intset-entries`, `set-max-listpack-entries` and `set-max-listpack-value`.
    pub set: SetLimit,
    /// `zset-max-listpack-entries` and `zset-max-listpack-value`.
    pub zset: PackLimit,
    /// `list-max-listpack-size`.
    pub list: ListLimit,
    /// `stream-node-max-bytes` and `stream-node-max-entries`.
    pub stream: StreamLimit,
    /// The largest HyperLogLog in bytes, header included, that stays in the sparse form (`hll-sparse-max-bytes`). Master
    /// and replicas have to agree on it, or `DEBUG DIGEST` differs.
    pub hll_sparse: usize,
    /// The longest string in bytes that commands of clients may make out of others (`proto-max-bulk-len`); 4 GB at most.
    pub string: usize,
}

impl Limits {
    /// The limits that directives set.
    pub fn of(set: &Settings) -> Self {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let pack = |entries, bytes| PackLimit { entries: size(entries), bytes: size(bytes) };
        Self {
            hash: pack(set.hash_max_listpack_entries, set.hash_max_listpack_value),
            set: SetLimit {
                ints: size(set.set_max_intset_entries),
                pack: pack(set.set_max_listpack_entries, set.set_max_listpack_value),
            },
            zset: pack(set.zset_max_listpack_entries, set.zset_max_listpack_value),
            list: ListLimit::new(set.list_max_listpack_size),
            stream: StreamLimit { bytes: size(set.stream_node_max_bytes), entries: size(set.stream_node_max_entries) },
            hll_sparse: size(set.hll_sparse_max_bytes),
            string: size(set.proto_max_bulk_len).min(STRING_MAX),
        }
    }

    /// The longest string that a command of this origin may make.
    pub(super) fn string_for(&self, origin: Origin) -> usize {
        match origin {
            Origin::Client => self.string,
            Origin::Upstream => self.string.max(STREAM_STRING_MAX),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}
