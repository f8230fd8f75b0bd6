//! Strings as a snapshot holds them: raw, as an integer, or compressed.

use alloc::vec::Vec;

use super::cursor::{Cursor, Stop};
use super::error::Flaw;
use super::lzf;
use crate::resp::{decimal_i64, parse_i64};

/// First byte of an 8-bit integer.
pub(super) const INT8: u8 = 0xc0;
/// First byte of a 16-bit integer.
pub(super) const INT16: u8 = 0xc1;
/// First byte of a 32-bit integer.
pub(super) const INT32: u8 = 0xc2;
/// First byte of a compressed string.
const LZF: u8 = 0xc3;

/// The head of a string: all but its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Head {
    /// So many raw bytes follow.
    Raw { len: u64 },
    /// Decimal text.
    Int(i32),
    /// `packed` compressed bytes follow, which make `len`; the two fit each other.
    Lzf { packed: u64, len: u64 },
}

impl Head {
    #[inline]
    pub(super) fn take(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let at = cursor.at();
        match cursor.u8()? {
            first @ 0..0xc0 => cursor.len_from(at, first).map(|len| Self::Raw { len }),
            INT8 => Ok(Self::Int(i32::from(i8::from_le_bytes(cursor.array()?)))),
            INT16 => Ok(Self::Int(i32::from(i16::from_le_bytes(cursor.array()?)))),
            INT32 => Ok(Self::Int(i32::from_le_bytes(cursor.array()?))),
            LZF => {
                let (packed, len) = (cursor.len()?, cursor.len()?);
                lzf::check(packed, len).map_err(|e| Stop::Broken(at, e.into()))?;
                Ok(Self::Lzf { packed, len })
            }
            first => Err(Stop::Broken(at, Flaw::StringForm(first))),
        }
    }

    /// Length of the string in bytes, as far as it decides whether it is handed out whole.
    #[inline]
    pub(super) fn len(self) -> u64 {
        match self {
            Self::Raw { len } | Self::Lzf { len, .. } => len,
            Self::Int(_) => 0,
        }
    }
}

/// A string that lies whole in its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Text {
    /// Raw bytes `at..at + len` of the record.
    Raw { at: usize, len: usize },
    /// Decimal text.
    Int(i32),
    /// Compressed bytes `at..at + packed` of the record.
    Lzf { at: usize, packed: usize, len: usize },
}

impl Text {
    /// Takes a string of at most `limit` bytes with all its bytes.
    #[inline]
    pub(super) fn take(cursor: &mut Cursor<'_>, limit: usize) -> Result<Self, Stop> {
        let at = cursor.at();
        let head = Head::take(cursor)?;
        if head.len() > limit as u64 {
            return Err(Stop::Broken(at, Flaw::TooLong { len: head.len(), limit: limit as u64 }));
        }
        Self::body(head, cursor)
    }

    /// Takes the bytes behind `head`, whose length the caller has found to be within a limit.
    #[inline]
    pub(super) fn body(head: Head, cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let at = cursor.at();
        match head {
            Head::Raw { len } => cursor.take(len as usize).map(|raw| Self::Raw { at, len: raw.len() }),
            Head::Int(n) => Ok(Self::Int(n)),
            Head::Lzf { packed, len } => {
                cursor.take(packed as usize).map(|b| Self::Lzf { at, packed: b.len(), len: len as usize })
            }
        }
    }

    /// Its length in bytes, if it is stored: numbers come without.
    #[inline]
    pub(super) fn len(self) -> Option<usize> {
        match self {
            Self::Raw { len, .. } | Self::Lzf { len, .. } => Some(len),
            Self::Int(_) => None,
        }
    }

    /// Where its bytes lie in the record; 0 for a number.
    #[inline]
    pub(super) fn at(self) -> usize {
        match self {
            Self::Raw { at, .. } | Self::Lzf { at, .. } => at,
            Self::Int(_) => 0,
        }
    }

    /// A flaw of its bytes.
    pub(super) fn broken(self, flaw: impl Into<Flaw>) -> Stop {
        Stop::Broken(self.at(), flaw.into())
    }

    /// The bytes: a slice of `record`, or of `scratch` where they had to be made.
    #[inline]
    pub(super) fn bytes<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Stop> {
        match self {
            Self::Raw { at, len } => Ok(record.get(at..at + len).unwrap_or_default()),
            Self::Int(n) => {
                scratch.clear();
                scratch.extend_from_slice(decimal_i64(&mut [0; 20], i64::from(n)));
                Ok(scratch)
            }
            Self::Lzf { at, packed, len } => {
                let bytes = record.get(at..at + packed).unwrap_or_default();
                lzf::unpack(bytes, len, scratch).map_err(|e| Stop::Broken(at, e.into()))?;
                Ok(scratch)
            }
        }
    }
}

/// A small run of bytes that is put together before it goes out at once.
#[derive(Debug)]
pub(super) struct Small {
    bytes: [u8; 40],
    len: usize,
}

impl Small {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; 40], len: 0 }
    }

    /// Appends `bytes`. Callers put together no more than a record's fixed parts, which fit.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends a length in its shortest form, at most nine bytes.
    #[inline]
    pub(super) fn len(&mut self, n: u64) {
        match n {
            0..0x40 => self.put(&[n as u8]),
            0x40..0x4000 => self.put(&[0x40 | (n >> 8) as u8, n as u8]),
            0x4000..=0xffff_ffff => {
                self.put(&[0x80]);
                self.put(&(n as u32).to_be_bytes());
            }
            _ => {
                self.put(&[0x81]);
                self.put(&n.to_be_bytes());
            }
        }
    }

    /// Appends an integer encoding.
    pub(super) fn int(&mut self, n: i32) {
        if let Ok(n) = i8::try_from(n) {
            self.put(&[INT8, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.put(&[INT16]);
            self.put(&n.to_le_bytes());
        } else {
            self.put(&[INT32]);
            self.put(&n.to_le_bytes());
        }
    }

    /// Appends the head of a compressed string.
    pub(super) fn lzf(&mut self, packed: u64, len: u64) {
        self.put(&[LZF]);
        self.len(packed);
        self.len(len);
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The 32-bit integer that `text` is exactly the decimal form of.
#[inline]
pub(super) fn as_int(text: &[u8]) -> Option<i32> {
    match text {
        [b'-' | b'0'..=b'9', ..] if text.len() <= 11 => i32::try_from(parse_i64(text)?).ok(),
        _ => None,
    }
}
