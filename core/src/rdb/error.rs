//! What can be wrong with a snapshot.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;

use super::compact::CompactError;
use super::item::Magic;
use super::lzf::LzfError;

/// At most so many bytes of a key are shown in an error.
pub(super) const KEY_SHOWN: usize = 64;

/// Why a snapshot cannot be read. Offsets count bytes from the first of its header.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// The first bytes are not those of a snapshot.
    #[error("this is no snapshot: expected REDIS and four digits or VALKEY and three at its start, found \"{found}\"")]
    Magic {
        /// The nine bytes that came, escaped.
        found: Box<str>,
    },
    /// A format version that this build does not read.
    #[error("snapshot version {magic} {version} is not supported: REDIS 1 to 15 and VALKEY 80 to 81 are")]
    Version {
        /// The family.
        magic: Magic,
        /// The version.
        version: u16,
    },
    /// A value of a type that is known and not supported.
    #[error(
        "the value of key \"{key}\" at offset {offset} is of type {number} ({name}), which is not supported: {why}"
    )]
    UnsupportedType {
        /// The type's number.
        number: u8,
        /// Its name.
        name: &'static str,
        /// Why it is not.
        why: &'static str,
        /// The key, escaped and cut to 64 bytes.
        key: Box<str>,
        /// Where the type stands.
        offset: u64,
    },
    /// A record that is known and not supported.
    #[error("the record at offset {offset} is of kind {number} ({name}), which is not supported: {why}")]
    UnsupportedRecord {
        /// The opcode.
        number: u8,
        /// Its name.
        name: &'static str,
        /// Why it is not.
        why: &'static str,
        /// Where it stands.
        offset: u64,
    },
    /// A byte that is neither a type nor an opcode of this family.
    #[error("byte {number} at offset {offset} is neither a type nor an opcode of {magic} snapshots")]
    Unknown {
        /// The family.
        magic: Magic,
        /// The byte.
        number: u8,
        /// Where it stands.
        offset: u64,
    },
    /// A record whose bytes contradict the format.
    #[error("broken {record}{} at offset {offset}: {flaw}", Of(.key))]
    Broken {
        /// What kind of record.
        record: &'static str,
        /// The key that it belongs to, escaped and cut to 64 bytes, if it got that far.
        key: Option<Box<str>>,
        /// Where the flaw is.
        offset: u64,
        /// What is wrong.
        flaw: Flaw,
    },
    /// The checksum at the end is not that of the bytes.
    #[error("wrong checksum at offset {offset}: the snapshot says {stored:016x}, its bytes give {computed:016x}")]
    Checksum {
        /// Where the checksum stands.
        offset: u64,
        /// The one in the snapshot.
        stored: u64,
        /// That of the bytes.
        computed: u64,
    },
    /// The input ended before the snapshot did.
    #[error("the snapshot is cut at offset {offset}, inside {record}{}", Of(.key))]
    Truncated {
        /// What kind of record was begun.
        record: &'static str,
        /// The key that it belongs to, escaped and cut to 64 bytes, if it got that far.
        key: Option<Box<str>>,
        /// How many bytes there were.
        offset: u64,
    },
}

/// What is wrong with the bytes of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The first byte of a length has no meaning.
    #[error("byte {0:#04x} begins no length")]
    LengthForm(u8),
    /// A string encoding where a plain length has to be.
    #[error("string encoding {0:#04x} where a plain length is due")]
    NotALength(u8),
    /// The first byte of a string names no known encoding.
    #[error("byte {0:#04x} names no string encoding")]
    StringForm(u8),
    /// A string that has to be held whole is longer than the limit allows.
    #[error("a string of {len} bytes, the limit is {limit}")]
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// The limit: [`ReaderLimits::whole`](super::ReaderLimits::whole).
        limit: u64,
    },
    /// A compressed string does not unpack.
    #[error("bad LZF: {0}")]
    Lzf(#[from] LzfError),
    /// A blob of small values is unsound.
    #[error("{0}")]
    Compact(#[from] CompactError),
    /// A number that says how a part is stored, and has no meaning.
    #[error("{what} {number} has no meaning")]
    Form {
        /// What it says.
        what: &'static str,
        /// The number.
        number: u64,
    },
    /// A score that is not a number.
    #[error("a score that is not a number")]
    Score,
    /// An expiry of a field that is out of range.
    #[error("a field's expiry is not below 2^48 ms")]
    Expiry,
    /// An id of a stream's node that has not 16 bytes.
    #[error("the id of a stream's node has {0} bytes, not 16")]
    NodeId(usize),
    /// An element without bytes where none may be.
    #[error("an empty {0}")]
    Empty(&'static str),
    /// Indexes of an array that do not ascend.
    #[error("index {0} of an array is not above the one before it, or too high")]
    Index(u64),
    /// Metadata of a key that no key follows.
    #[error("metadata of a key, and no key behind it")]
    MetaAlone,
    /// Field names of a template that do not ascend by length and bytes.
    #[error("the fields of hash template {0} do not ascend")]
    TemplateOrder(u64),
    /// Two hash templates of one id.
    #[error("hash template {0} comes twice")]
    TemplateTwice(u64),
    /// A hash that names a template which is not there.
    #[error("there is no hash template {0}")]
    NoTemplate(u64),
    /// A hash that has not one value for each field of its template.
    #[error("{values} values for the {fields} fields of a hash template")]
    TemplateValues {
        /// How many values it has.
        values: usize,
        /// How many fields the template has.
        fields: usize,
    },
}

impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "REDIS",
            Self::Valkey => "VALKEY",
        })
    }
}

/// ` of key "…"`, or nothing.
struct Of<'a>(&'a Option<Box<str>>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |key| write!(f, " of key \"{key}\""))
    }
}

/// Bytes as a log may show them: escaped, and cut to [`KEY_SHOWN`].
pub(super) fn shown(bytes: &[u8]) -> Box<str> {
    let cut = bytes.get(..KEY_SHOWN).unwrap_or(bytes);
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", cut.escape_ascii()).into()
}
