//! Types 0 and 34: a string. Up to a limit it is handed out whole, a longer one in pieces.

use super::{Begun, Part};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::lzf::Unpack;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::{Head, Text};

/// Takes a string whole, or its head only if it is longer than the limit: whether it is depends on its length alone,
/// not on how much of it is there, so that any split of the input gives the same.
#[inline]
pub(super) fn begin(cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Begun, Stop> {
    let head = Head::take(cursor)?;
    if head.len() > limits.value as u64 {
        return Ok(Begun::LongString(head));
    }
    Text::body(head, cursor).map(Begun::String)
}

/// The bytes of a long string that are still to come.
#[derive(Debug)]
pub(super) enum LongString {
    /// So many raw bytes.
    Raw(u64),
    /// Compressed ones.
    Lzf(Unpack),
}

impl LongString {
    pub(super) fn new(head: Head, limits: &ReaderLimits) -> Self {
        match head {
            Head::Raw { len } => Self::Raw(len),
            Head::Int(_) => Self::Raw(0),
            Head::Lzf { packed, len } => Self::Lzf(Unpack::new(packed, len, limits.piece())),
        }
    }

    /// Whether all its bytes were handed out.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Raw(left) => *left == 0,
            Self::Lzf(unpack) => unpack.is_done(),
        }
    }

    /// The next piece, of as much as there is of the input. What is to be skipped is not unpacked.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, skip: bool) -> Result<Part, Stop> {
        let at = cursor.at();
        let mut rest = cursor.rest().ok_or(Stop::Need(at + 1))?;
        if let (true, Self::Lzf(unpack)) = (skip, &self) {
            *self = Self::Raw(unpack.left());
        }
        match self {
            Self::Raw(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                cursor.take(n)?;
                *left -= n as u64;
                Ok(Part::Piece(Text::Raw { at, len: n }))
            }
            Self::Lzf(unpack) => {
                let there = rest.len();
                let fed = unpack.feed(&mut rest);
                cursor.take(there - rest.len())?;
                match fed {
                    Ok(true) => Ok(Part::Unpacked),
                    Ok(false) => Ok(Part::Noted),
                    Err(e) => Err(Stop::Broken(cursor.at(), e.into())),
                }
            }
        }
    }

    /// The piece that was unpacked last.
    pub(super) fn unpacked(&self) -> &[u8] {
        match self {
            Self::Raw(_) => &[],
            Self::Lzf(unpack) => unpack.part(),
        }
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Raw(_) => 0,
            Self::Lzf(unpack) => unpack.memory(),
        }
    }
}
