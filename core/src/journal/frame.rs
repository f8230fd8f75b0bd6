//! The frame of a recording: a magic word and the format's version, then blocks, each with its length, number, kind,
//! sum, and a check over these.

use alloc::vec::Vec;

use super::error::JournalError;
use super::sum::{Mix, Sum};
use super::{End, FORMAT};

/// What every recording begins with.
pub(super) const MAGIC: [u8; 8] = *b"PRIMACYJ";
/// Bytes before the first block.
pub(crate) const PREFIX: usize = 12;
/// Bytes of a block's head: length, number, kind, sum (8), check, little-endian.
pub(crate) const HEAD: usize = 24;
/// The most that a block's content may be, bytes. An input larger than this ends the recording.
pub const BLOCK_MAX: usize = 256 << 20;

/// The oldest version of the format that is read; all up to [`FORMAT`] are.
pub const OLDEST_FORMAT: u32 = 1;

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Header = 1,
    Records = 2,
    End = 3,
}

/// The magic word and the version.
pub(crate) fn prefix() -> [u8; PREFIX] {
    let mut out = [0; PREFIX];
    out[..8].copy_from_slice(&MAGIC);
    out[8..].copy_from_slice(&FORMAT.to_le_bytes());
    out
}

/// Fills in the head of a block: `block` is room for it and then the content, at most [`BLOCK_MAX`].
pub(super) fn seal(block: &mut [u8], number: u32, kind: Kind) {
    seal_as(block, number, kind as u32);
}

/// The same for a kind that need not exist.
pub(crate) fn seal_as(block: &mut [u8], number: u32, kind: u32) {
    let Some((head, content)) = block.split_first_chunk_mut::<HEAD>() else { return };
    let head_of = Head { len: content.len() as u32, number, kind, sum: Sum::of(content) };
    *head = head_of.bytes();
}

/// A block that ends a recording.
pub fn end_block(number: u32, why: &End) -> Vec<u8> {
    let mut block = Vec::from([0; HEAD]);
    why.put(&mut block);
    seal(&mut block, number, Kind::End);
    block
}

/// A block's head, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) len: u32,
    pub(super) number: u32,
    pub(super) kind: u32,
    pub(super) sum: u64,
}

impl Head {
    fn check(&self) -> u32 {
        let mut mix = Mix::new(5);
        mix.word(u64::from(self.len) << 32 | u64::from(self.number));
        mix.word(self.kind.into());
        mix.word(self.sum);
        mix.value() as u32
    }

    fn bytes(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[0..4].copy_from_slice(&self.len.to_le_bytes());
        out[4..8].copy_from_slice(&self.number.to_le_bytes());
        out[8..12].copy_from_slice(&self.kind.to_le_bytes());
        out[12..20].copy_from_slice(&self.sum.to_le_bytes());
        out[20..24].copy_from_slice(&self.check().to_le_bytes());
        out
    }

    /// The head of block `number`, which begins at `offset`.
    pub(super) fn read(bytes: &[u8; HEAD], offset: u64, number: u32) -> Result<Self, JournalError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let sum = u64::from(word(16)) << 32 | u64::from(word(12));
        let head = Self { len: word(0), number: word(4), kind: word(8), sum };
        let (expected, came) = (head.check(), word(20));
        if expected != came {
            return Err(JournalError::Head { offset, number, expected, came });
        }
        if head.number != number {
            return Err(JournalError::Order { offset, expected: number, came: head.number });
        }
        if head.len as usize > BLOCK_MAX {
            return Err(JournalError::TooLong { offset, number, came: head.len, most: BLOCK_MAX as u32 });
        }
        Ok(head)
    }
}
