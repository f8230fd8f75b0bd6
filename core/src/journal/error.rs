//! What can be wrong with a recording, each with its place.

use super::{FORMAT, OLDEST_FORMAT};

/// Why a recording cannot be read, or not further. Offsets are in bytes from the start of the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It does not begin as recordings do.
    #[error(
        "offset 0: this is no recording: the eight bytes \"PRIMACYJ\" were expected, \"{}\" came",
        .came.escape_ascii()
    )]
    NotARecording {
        /// Its first bytes.
        came: [u8; 8],
    },
    /// It is of a format that this program does not know.
    #[error(
        "offset 8: recording format {came} is unknown, {OLDEST_FORMAT} to {FORMAT} were expected: use the release of Primacy \
         that wrote it"
    )]
    UnknownFormat {
        /// The version in the file.
        came: u32,
    },
    /// The head of a block is altered.
    #[error(
        "offset {offset}: the head of block {number} is damaged: check {expected:08x} was expected, {came:08x} came"
    )]
    Head {
        /// Where the block begins.
        offset: u64,
        /// Which block it should be.
        number: u32,
        /// The check that its bytes give.
        expected: u32,
        /// The check that it holds.
        came: u32,
    },
    /// A block is missing, doubled or out of order.
    #[error("offset {offset}: block {expected} was expected, block {came} came")]
    Order {
        /// Where the block begins.
        offset: u64,
        /// The number it should have.
        expected: u32,
        /// The number it has.
        came: u32,
    },
    /// A block says that it is longer than any is.
    #[error("offset {offset}: block {number} says it is {came} bytes long; at most {most} were expected")]
    TooLong {
        /// Where the block begins.
        offset: u64,
        /// Which block it is.
        number: u32,
        /// Its length.
        came: u32,
        /// The most a block may hold.
        most: u32,
    },
    /// The content of a block is altered.
    #[error(
        "offset {offset}: block {number} ({len} bytes from offset {content} on) is altered: sum {expected:016x} was \
         expected, {came:016x} came"
    )]
    Altered {
        /// Where the block begins.
        offset: u64,
        /// Where its content begins.
        content: u64,
        /// The length of its content.
        len: u32,
        /// Which block it is.
        number: u32,
        /// The sum in its head.
        expected: u64,
        /// The sum of its bytes.
        came: u64,
    },
    /// A block of a kind that is unknown, or not in its place.
    #[error("offset {offset}: {expected} was expected, a block of kind {came} came")]
    Kind {
        /// Where the block begins.
        offset: u64,
        /// What should be there.
        expected: &'static str,
        /// The kind in its head.
        came: u32,
    },
    /// A record says what makes no sense, though its block is whole: another program wrote it.
    #[error("offset {offset}: {expected} was expected, the bytes \"{}\" came", .came.escape_ascii())]
    Record {
        /// Where in the file.
        offset: u64,
        /// What should be there.
        expected: &'static str,
        /// The bytes there, and how many of them count.
        came: Came,
    },
    /// There is something behind the end.
    #[error(
        "offset {offset}: the end of the file was expected behind the block that ends the recording, more bytes came"
    )]
    BehindEnd {
        /// Where the recording ends.
        offset: u64,
    },
    /// The file ends in the middle of a block, as after a power cut; all before `offset` is sound.
    #[error(
        "offset {offset}: the recording is cut off in block {number}: {expected} bytes were expected, {came} came; all \
         before is sound"
    )]
    CutOff {
        /// Where the block begins.
        offset: u64,
        /// Which block it is.
        number: u32,
        /// Bytes that it should have, as far as that is known.
        expected: u64,
        /// Bytes that are there.
        came: u64,
    },
    /// The file ends between two blocks and does not say why, as after a `kill -9`; all of it is sound.
    #[error(
        "offset {offset}: the recording ends here without a closing block, as after a kill -9; all before is sound"
    )]
    NoEnd {
        /// The length of the file.
        offset: u64,
    },
}

/// A few bytes of a file, for an error's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Came {
    bytes: [u8; 8],
    len: u8,
}

impl Came {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut came = Self::default();
        for (to, from) in came.bytes.iter_mut().zip(bytes) {
            *to = *from;
            came.len += 1;
        }
        came
    }

    fn escape_ascii(&self) -> core::slice::EscapeAscii<'_> {
        self.bytes[..usize::from(self.len).min(8)].escape_ascii()
    }
}

impl JournalError {
    /// Where in the file.
    pub fn offset(&self) -> u64 {
        match self {
            Self::NotARecording { .. } => 0,
            Self::UnknownFormat { .. } => 8,
            Self::Head { offset, .. }
            | Self::Order { offset, .. }
            | Self::TooLong { offset, .. }
            | Self::Altered { offset, .. }
            | Self::Kind { offset, .. }
            | Self::Record { offset, .. }
            | Self::BehindEnd { offset }
            | Self::CutOff { offset, .. }
            | Self::NoEnd { offset } => *offset,
        }
    }

    /// Whether the file merely ends too early: all that came before this error is the recording.
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::CutOff { .. } | Self::NoEnd { .. })
    }
}
