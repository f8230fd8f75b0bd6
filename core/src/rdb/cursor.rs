//! A look at bytes that may not be complete yet.

use super::error::Flaw;

/// Why a record could not be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// It needs so many bytes from its beginning at least; ask again when they are there.
    Need(usize),
    /// It contradicts the format, at this distance from its beginning.
    Broken(usize, Flaw),
    /// Its first byte has no meaning.
    Unknown,
    /// An opcode that is known and not supported.
    UnsupportedRecord,
    /// A type that is known and not supported.
    UnsupportedType,
}

/// Reads a record from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The record, as far as it is there.
    #[inline]
    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// What is there and was not taken; `None` if that is nothing.
    #[inline]
    pub(super) fn rest(&self) -> Option<&'b [u8]> {
        self.bytes.get(self.at..).filter(|rest| !rest.is_empty())
    }

    /// Bytes taken so far.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Result<&'b [u8], Stop> {
        let end = self.at.saturating_add(n);
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Need(end))?;
        self.at = end;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let found = self.bytes.get(self.at..).and_then(|b| b.first_chunk::<N>()).ok_or(Stop::Need(self.at + N))?;
        self.at += N;
        Ok(*found)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        self.array::<1>().map(|[b]| b)
    }

    /// A plain length or count.
    pub(super) fn len(&mut self) -> Result<u64, Stop> {
        let at = self.at;
        let first = self.u8()?;
        if first >= 0xc0 {
            return Err(Stop::Broken(at, Flaw::NotALength(first)));
        }
        self.len_from(at, first)
    }

    /// The length that `first`, taken at `at` and below 0xc0, begins.
    #[inline]
    pub(super) fn len_from(&mut self, at: usize, first: u8) -> Result<u64, Stop> {
        match first {
            0..0x40 => Ok(u64::from(first)),
            0x40..0x80 => Ok(u64::from(first & 0x3f) << 8 | u64::from(self.u8()?)),
            0x80 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(Stop::Broken(at, Flaw::LengthForm(first))),
        }
    }
}
