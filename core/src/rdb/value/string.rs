//! Type 0: a string. Up to a limit it is handed out whole, a longer one in pieces.

use super::Begun;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::lzf::Unpack;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::Text;

pub(super) use crate::rdb::text::Head;

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
pub(in crate::rdb) enum LongString {
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
    pub(in crate::rdb) fn is_done(&self) -> bool {
        match self {
            Self::Raw(left) => *left == 0,
            Self::Lzf(unpack) => unpack.is_done(),
        }
    }

    /// The next piece; advances `input` over what it took. `None`: more input is needed.
    pub(in crate::rdb) fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<&'a [u8]>, Flaw> {
        match self {
            Self::Raw(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (piece, rest) = input.split_at(n);
                *left -= n as u64;
                *input = rest;
                Ok((n > 0).then_some(piece))
            }
            Self::Lzf(unpack) => Ok(unpack.feed(input)?.then(|| unpack.part())),
        }
    }
}
