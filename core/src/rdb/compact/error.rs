//! What can be wrong with a blob. Places count bytes from its first.

/// Why a blob was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// Not even a header fits.
    #[error("a blob of {len} bytes is shorter than its header")]
    Short {
        /// Its length in bytes.
        len: usize,
    },
    /// It says another size than it has.
    #[error("a blob of {len} bytes says it has {stored}")]
    Total {
        /// What it says, bytes.
        stored: u64,
        /// Its length in bytes.
        len: usize,
    },
    /// Its last byte is not the terminator.
    #[error("a blob ends in byte {0:#04x}, not in its terminator")]
    Terminator(u8),
    /// A byte that begins no value; a terminator that is not the last byte too.
    #[error("byte {byte:#04x} at {at} of a blob begins no value")]
    Form {
        /// Where.
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// A value that reaches past the end.
    #[error("the value at {at} reaches past the end of its blob")]
    Cut {
        /// Where it begins.
        at: usize,
    },
    /// A value whose back-length is not its size.
    #[error("the back-length of the value at {at} of a listpack is not its size")]
    BackLength {
        /// Where it begins.
        at: usize,
    },
    /// An entry that says another size of the one before it.
    #[error("the entry at {at} of a ziplist says a wrong size of the one before it")]
    SizeBefore {
        /// Where it begins.
        at: usize,
    },
    /// The last entry is not where it should be.
    #[error("the last entry of a ziplist is at {at}, it says {stored}")]
    Tail {
        /// What it says.
        stored: u32,
        /// Where it is.
        at: usize,
    },
    /// It says another number of values than it has.
    #[error("a blob of {found} values or pairs says it has {stored}")]
    Count {
        /// What it says.
        stored: u64,
        /// How many there are; in a zipmap pairs.
        found: usize,
    },
    /// The last row is not whole.
    #[error("{len} values make no rows of {row}")]
    Rows {
        /// How many values there are.
        len: usize,
        /// How many make a row.
        row: usize,
    },
    /// Integers of a width that is none of 2, 4 and 8 bytes.
    #[error("an intset of integers of {0} bytes")]
    Width(u32),
    /// A member that is not above the one before it.
    #[error("member {at} of an intset is not above the one before it")]
    Order {
        /// Which, counted from 0.
        at: usize,
    },
    /// A length in a longer form than it needs.
    #[error("the length at {at} of a zipmap has the long form without need")]
    LongForm {
        /// Where.
        at: usize,
    },
    /// An empty blob where none is sound.
    #[error("an empty blob")]
    Empty,
    /// A value that should be an expiry.
    #[error("value {at} is no expiry: an integer from 0 to 2^48 - 1")]
    Expiry {
        /// Which value, counted from 0.
        at: usize,
    },
    /// A node of a stream whose values are not where they have to be.
    #[error("value {at} of a stream's node is not what has to stand there")]
    Node {
        /// Which value, counted from 0.
        at: usize,
    },
    /// More than a blob can hold.
    #[error("a listpack of {0} bytes: at most 2^32 - 1 can be written")]
    TooLarge(u64),
}
