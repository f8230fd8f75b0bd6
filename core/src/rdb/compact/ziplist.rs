//! Ziplists: total, place of the last entry (4 bytes LE each), count (2 bytes LE), entries each with the size of the
//! one before them, 0xff.

use super::listpack::{TERMINATOR, UNKNOWN, int24};
use super::{CompactError, Scalar};

/// Length of an empty one, bytes.
pub(super) const EMPTY: usize = HEADER + 1;
/// Total, tail and count.
const HEADER: usize = 10;
/// A size of five bytes.
const LONG: u8 = 0xfe;

/// An entry behind the size of the one before it.
#[derive(Clone, Copy)]
enum Form {
    /// Data behind so many bytes of encoding, and its length.
    Text(usize, usize),
    /// An integer of so many bytes behind the encoding.
    Int(usize),
    /// A small integer inside the encoding.
    Here(u8),
}

/// Form of the entry at the front of `rest`. `None`: it is cut, or its first byte has no meaning.
#[inline]
fn form(rest: &[u8]) -> Option<Form> {
    Some(match *rest.first()? {
        b @ 0..0x40 => Form::Text(1, b.into()),
        b @ 0x40..0x80 => Form::Text(2, usize::from(b & 0x3f) << 8 | usize::from(*rest.get(1)?)),
        0x80..0xc0 => Form::Text(5, u32::from_be_bytes(*rest.get(1..)?.first_chunk()?) as usize),
        0xc0 => Form::Int(2),
        0xd0 => Form::Int(4),
        0xe0 => Form::Int(8),
        0xf0 => Form::Int(3),
        0xfe => Form::Int(1),
        b @ 0xf1..=0xfd => Form::Here((b & 0x0f) - 1),
        _ => return None,
    })
}

impl Form {
    /// Bytes of encoding and data.
    #[inline]
    fn size(self) -> Option<usize> {
        match self {
            Self::Text(head, len) => head.checked_add(len),
            Self::Int(n) => Some(1 + n),
            Self::Here(_) => Some(1),
        }
    }
}

/// The size that an entry says the one before it has, and how many bytes that takes.
#[inline]
fn size_before(rest: &[u8]) -> Option<(usize, usize)> {
    match *rest.first()? {
        LONG => Some((u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize, 5)),
        TERMINATOR => None,
        b => Some((b.into(), 1)),
    }
}

/// Checks a blob; how many values it has.
pub(super) fn check(blob: &[u8]) -> Result<usize, CompactError> {
    let len = blob.len();
    let (Some(&[a, b, c, d, e, f, g, h, i, j]), Some(&last)) =
        (blob.first_chunk::<HEADER>(), blob.get(HEADER..).and_then(<[u8]>::last))
    else {
        return Err(CompactError::Short { len });
    };
    let (stored, tail) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if stored as usize != len {
        return Err(CompactError::Total { stored: stored.into(), len });
    }
    if last != TERMINATOR {
        return Err(CompactError::Terminator(last));
    }
    let (found, at) = values(body(blob))?;
    if tail as usize != at {
        return Err(CompactError::Tail { stored: tail, at });
    }
    let count = u16::from_le_bytes([i, j]);
    if count != UNKNOWN && usize::from(count) != found {
        return Err(CompactError::Count { stored: count.into(), found });
    }
    Ok(found)
}

/// Counts the entries of `body`, and gives the place of the last one in the blob.
fn values(body: &[u8]) -> Result<(usize, usize), CompactError> {
    let (mut at, mut found, mut before, mut last) = (0, 0, 0, 0);
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let here = HEADER + at;
        let cut = || CompactError::Cut { at: here };
        let unsound = |byte: Option<&u8>, known: bool| match byte {
            Some(&byte) if !known => CompactError::Form { at: here, byte },
            _ => cut(),
        };
        let (said, head) = size_before(rest).ok_or_else(|| unsound(rest.first(), rest.first() != Some(&TERMINATOR)))?;
        if said != before {
            return Err(CompactError::SizeBefore { at: here });
        }
        let data = rest.get(head..).unwrap_or_default();
        let known = |b: &u8| matches!(b, 0..=0xc0 | 0xd0 | 0xe0 | 0xf0..=0xfe);
        let size = form(data).ok_or_else(|| unsound(data.first(), data.first().is_none_or(known)))?.size();
        let size = size.and_then(|size| size.checked_add(head)).filter(|&size| size <= rest.len()).ok_or_else(cut)?;
        (last, before) = (at, size);
        at += size;
        found += 1;
    }
    Ok((found, HEADER + last))
}

/// The entries of a blob, without header and terminator.
#[inline]
pub(super) fn body(blob: &[u8]) -> &[u8] {
    blob.get(HEADER..blob.len().saturating_sub(1)).unwrap_or_default()
}

/// Takes the next value from the front of a checked body.
#[inline]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Scalar<'a>> {
    let (_, head) = size_before(rest)?;
    let entry = rest.get(head..)?;
    let form = form(entry)?;
    let (data, behind) = entry.split_at_checked(form.size()?)?;
    let value = match form {
        Form::Text(head, _) => Scalar::Text(data.get(head..)?),
        Form::Here(n) => Scalar::Int(n.into()),
        Form::Int(_) => Scalar::Int(match *data.get(1..)? {
            [a] => i64::from(a as i8),
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c] => int24([a, b, c]),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        }),
    };
    *rest = behind;
    Some(value)
}
