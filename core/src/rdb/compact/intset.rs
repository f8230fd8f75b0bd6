//! Intsets: width and count (4 bytes LE each), then that many integers of that many bytes, LE, strictly ascending.

use super::{CompactError, Scalar};

/// Width and count.
const HEADER: usize = 8;

/// Checks a blob; how many members it has.
pub(super) fn check(blob: &[u8]) -> Result<usize, CompactError> {
    let len = blob.len();
    let Some(&[a, b, c, d, e, f, g, h]) = blob.first_chunk::<HEADER>() else { return Err(CompactError::Short { len }) };
    let (width, count) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if !matches!(width, 2 | 4 | 8) {
        return Err(CompactError::Width(width));
    }
    let stored = HEADER as u64 + u64::from(width) * u64::from(count);
    if stored != len as u64 {
        return Err(CompactError::Total { stored, len });
    }
    let mut before = None;
    for (at, member) in Walk::new(blob).enumerate() {
        let Scalar::Int(member) = member else { continue };
        if before.is_some_and(|before| before >= member) {
            return Err(CompactError::Order { at });
        }
        before = Some(member);
    }
    if before.is_none() { Err(CompactError::Empty) } else { Ok(count as usize) }
}

/// The members that are still to be walked.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    width: u8,
}

impl<'a> Walk<'a> {
    /// All of a blob whose width and size were checked.
    #[inline]
    pub(super) fn new(blob: &'a [u8]) -> Self {
        Self { rest: blob.get(HEADER..).unwrap_or_default(), width: blob.first().copied().unwrap_or_default() }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Scalar<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scalar<'a>> {
        let (n, rest) = match self.width {
            2 => self.rest.split_first_chunk().map(|(b, rest)| (i64::from(i16::from_le_bytes(*b)), rest)),
            4 => self.rest.split_first_chunk().map(|(b, rest)| (i64::from(i32::from_le_bytes(*b)), rest)),
            _ => self.rest.split_first_chunk().map(|(b, rest)| (i64::from_le_bytes(*b), rest)),
        }?;
        self.rest = rest;
        Some(Scalar::Int(n))
    }
}
