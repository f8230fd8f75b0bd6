//! LZF, the compression of strings in a snapshot.
//!
//! A control byte below 32 copies that many and one bytes from the input. Any other one copies from the output: its
//! top three bits are a length (7: the next byte adds to it) two short of the real one, its low five bits and the next
//! byte how far back, less one. Reach 8192 bytes, at most 264 bytes a copy.

use alloc::vec::Vec;

mod pack;
mod unpack;

pub(super) use pack::Packer;
pub(super) use unpack::Unpack;

/// How far back a copy reaches, in bytes.
const REACH: usize = 8192;
/// The longest run of literal bytes behind one control byte.
const LITERALS: usize = 32;
/// The longest copy.
const LONGEST: usize = 264;

/// What is wrong with a compressed string.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LzfError {
    /// The announced lengths contradict the format.
    #[error("{packed} compressed bytes cannot hold {len} bytes")]
    Lengths {
        /// Announced compressed length in bytes.
        packed: u64,
        /// Announced original length in bytes.
        len: u64,
    },
    /// The compressed bytes end inside an item.
    #[error("the compressed bytes end inside an item")]
    Cut,
    /// A copy reaches back before the first byte.
    #[error("a copy reaches {distance} bytes back where only {at} are there")]
    Reach {
        /// How far back, in bytes.
        distance: usize,
        /// Bytes that were there.
        at: u64,
    },
    /// More comes out than announced.
    #[error("more than the announced {0} bytes come out")]
    Long(u64),
    /// Less comes out than announced.
    #[error("{out} bytes come out, {len} were announced")]
    Short {
        /// Bytes that came out.
        out: u64,
        /// Bytes announced.
        len: u64,
    },
}

/// Refuses lengths that no sound string has: three bytes give at most 264, and two at least one.
pub(super) fn check(packed: u64, len: u64) -> Result<(), LzfError> {
    if len > packed.saturating_mul(LONGEST as u64 / 3) || packed > len.saturating_mul(2) {
        return Err(LzfError::Lengths { packed, len });
    }
    Ok(())
}

/// Unpacks a whole string of `len` bytes into `out`, which is emptied first. Reserves nothing that [`check`] refuses.
pub(super) fn unpack(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    check(packed.len() as u64, len as u64)?;
    out.clear();
    out.reserve(len);
    let mut rest = packed;
    while let Some((&control, tail)) = rest.split_first() {
        let n = usize::from(control) + 1;
        if n <= LITERALS {
            let Some((literals, tail)) = tail.split_at_checked(n) else { return Err(LzfError::Cut) };
            out.extend_from_slice(literals);
            rest = tail;
        } else {
            let (n, distance, tail) = reference(control, tail).ok_or(LzfError::Cut)?;
            if distance > out.len() {
                return Err(LzfError::Reach { distance, at: out.len() as u64 });
            }
            repeat(out, distance, n);
            rest = tail;
        }
        if out.len() > len {
            return Err(LzfError::Long(len as u64));
        }
    }
    if out.len() == len { Ok(()) } else { Err(LzfError::Short { out: out.len() as u64, len: len as u64 }) }
}

/// Length and distance of the copy that `control` (32 or more) begins, and what follows; `None` if bytes are missing.
#[inline]
fn reference(control: u8, tail: &[u8]) -> Option<(usize, usize, &[u8])> {
    let high = usize::from(control & 31) << 8;
    match (control >> 5, tail) {
        (7, &[more, low, ref tail @ ..]) => Some((usize::from(more) + 9, (high | usize::from(low)) + 1, tail)),
        (n @ 1..7, &[low, ref tail @ ..]) => Some((usize::from(n) + 2, (high | usize::from(low)) + 1, tail)),
        _ => None,
    }
}

/// Appends `n` bytes from `distance` back (1 to `out.len()`); where the two overlap the bytes repeat.
#[inline]
fn repeat(out: &mut Vec<u8>, distance: usize, mut n: usize) {
    let from = out.len() - distance;
    // Everything from `from` on is a repetition of the first `distance` bytes, so each round may double.
    while n > 0 {
        let take = n.min(out.len() - from);
        out.extend_from_within(from..from + take);
        n -= take;
    }
}

#[cfg(test)]
mod tests;
