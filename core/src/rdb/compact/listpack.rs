//! Listpacks: total (4 bytes LE), count (2 bytes LE), values each with their size behind them, 0xff.

use super::{CompactError, Scalar};

/// Length of an empty one, bytes.
pub(super) const EMPTY: usize = HEADER + 1;
/// Total and count.
pub(super) const HEADER: usize = 6;
/// A count that says "unknown".
pub(super) const UNKNOWN: u16 = u16::MAX;
/// The last byte.
pub(super) const TERMINATOR: u8 = 0xff;

/// Size of the value (encoding and data, without back-length) at the front of `rest`, as far as its encoding says.
#[inline]
fn size(rest: &[u8]) -> Option<usize> {
    Some(match *rest.first()? {
        0..0x80 => 1,
        b @ 0x80..0xc0 => 1 + usize::from(b & 0x3f),
        0xc0..0xe0 => 2,
        b @ 0xe0..0xf0 => 2 + (usize::from(b & 0x0f) << 8 | usize::from(*rest.get(1)?)),
        0xf0 => (u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize).checked_add(5)?,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        0xf5.. => return None,
    })
}

/// How many bytes the back-length of this size has in its shortest form.
#[inline]
pub(super) fn back_len(size: usize) -> usize {
    match size {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Whether servers differ in the back-length of this size: some write one byte more than it needs.
#[inline]
pub(super) fn is_odd(size: usize) -> bool {
    matches!(size, 0x3fff | 0x1f_ffff | 0xfff_ffff)
}

/// How many bytes the back-length behind a value of this size has.
#[inline]
fn back_len_of(size: usize, behind: &[u8]) -> usize {
    back_len(size) + usize::from(is_odd(size) && behind.first() == Some(&0))
}

/// Byte `i` of a back-length of `n` bytes: seven bits each, the highest first, all but the first with bit 7 set.
#[inline]
pub(super) fn back_byte(size: usize, n: usize, i: usize) -> u8 {
    let bits = (size as u64 >> (7 * (n - 1 - i))) as u8 & 0x7f;
    if i == 0 { bits } else { bits | 0x80 }
}

/// Checks a blob; how many values it has.
pub(super) fn check(blob: &[u8]) -> Result<usize, CompactError> {
    let len = blob.len();
    let (Some(&[a, b, c, d, e, f]), Some(&last)) =
        (blob.first_chunk::<HEADER>(), blob.get(HEADER..).and_then(<[u8]>::last))
    else {
        return Err(CompactError::Short { len });
    };
    let (stored, count) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
    if stored as usize != len {
        return Err(CompactError::Total { stored: stored.into(), len });
    }
    if last != TERMINATOR {
        return Err(CompactError::Terminator(last));
    }
    let found = values(body(blob)).map_err(|at| flaw(blob, at))?;
    if count != UNKNOWN && usize::from(count) != found {
        return Err(CompactError::Count { stored: count.into(), found });
    }
    Ok(found)
}

/// Counts the values of `body`; the place of one that is unsound.
#[inline]
fn values(body: &[u8]) -> Result<usize, usize> {
    let (mut rest, mut found) = (body, 0);
    while !rest.is_empty() {
        let unsound = body.len() - rest.len();
        let size = size(rest).ok_or(unsound)?;
        let behind = rest.get(size..).ok_or(unsound)?;
        rest = match behind {
            // The usual case first: one byte.
            [back, behind @ ..] if size < 0x80 && usize::from(*back) == size => behind,
            _ => long_back(size, behind).ok_or(unsound)?,
        };
        found += 1;
    }
    Ok(found)
}

/// What follows a back-length of more than one byte, if it is right.
fn long_back(size: usize, behind: &[u8]) -> Option<&[u8]> {
    let n = back_len_of(size, behind);
    let (back, rest) = behind.split_at_checked(n)?;
    back.iter().enumerate().all(|(i, &b)| b == back_byte(size, n, i)).then_some(rest)
}

/// What is wrong with the value at `at` of the body.
#[cold]
fn flaw(blob: &[u8], at: usize) -> CompactError {
    let rest = body(blob).get(at..).unwrap_or_default();
    let at = HEADER + at;
    match (rest.first(), size(rest)) {
        (Some(&byte @ 0xf5..), None) => CompactError::Form { at, byte },
        (_, Some(n)) if rest.len() > n => CompactError::BackLength { at },
        _ => CompactError::Cut { at },
    }
}

/// The values of a blob, without header and terminator.
#[inline]
pub(super) fn body(blob: &[u8]) -> &[u8] {
    blob.get(HEADER..blob.len().saturating_sub(1)).unwrap_or_default()
}

/// Takes the next value from the front of a checked body.
#[inline]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Scalar<'a>> {
    let all = *rest;
    let (value, size) = match *all.first()? {
        b @ 0..0x80 => (Scalar::Int(b.into()), 1),
        b @ 0x80..0xc0 => {
            let size = 1 + usize::from(b & 0x3f);
            (Scalar::Text(all.get(1..size)?), size)
        }
        b @ 0xc0..0xe0 => {
            // The sign of the 13 bits goes to the top, and back.
            let bits = (u16::from(b & 0x1f) << 8 | u16::from(*all.get(1)?)) << 3;
            (Scalar::Int(i64::from(bits as i16 >> 3)), 2)
        }
        0xf1 => (Scalar::Int(i16::from_le_bytes(*all.get(1..)?.first_chunk()?).into()), 3),
        0xf2 => (Scalar::Int(int24(*all.get(1..)?.first_chunk()?)), 4),
        0xf3 => (Scalar::Int(i32::from_le_bytes(*all.get(1..)?.first_chunk()?).into()), 5),
        0xf4 => (Scalar::Int(i64::from_le_bytes(*all.get(1..)?.first_chunk()?)), 9),
        b => {
            let size = size(all)?;
            (Scalar::Text(all.get(if b == 0xf0 { 5 } else { 2 }..size)?), size)
        }
    };
    let behind = all.get(size..)?;
    *rest = behind.get(if size < 0x80 { 1 } else { back_len_of(size, behind) }..)?;
    Some(value)
}

/// Passes over the next value of a checked body.
#[inline]
pub(super) fn skip(rest: &mut &[u8]) -> Option<()> {
    let size = size(rest)?;
    let behind = rest.get(size..)?;
    *rest = behind.get(back_len_of(size, behind)..)?;
    Some(())
}

/// A signed integer of 24 bits.
#[inline]
pub(super) fn int24([a, b, c]: [u8; 3]) -> i64 {
    i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
}
