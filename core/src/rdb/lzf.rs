//! LZF, the compression of strings in a snapshot.
//!
//! A control byte below 32 copies that many and one bytes from the input. Any other one copies from the output: its
//! top three bits are a length (7: the next byte adds to it) two short of the real one, its low five bits and the next
//! byte how far back, less one. Reach 8192 bytes, at most 264 bytes a copy.

use alloc::vec::Vec;
use core::hint::select_unpredictable;

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
/// Bytes that one step of a loose copy moves.
const STEP: usize = 16;
/// An item takes at most so many bytes of the input.
const WINDOW: usize = 1 + LITERALS;
/// How far loose copies may write behind their end, bytes.
const LOOSE: usize = LITERALS;
/// What the longest item may write, bytes.
const ROOM: usize = LONGEST + LOOSE;
/// So far ahead a buffer is made, bytes.
const AHEAD: usize = 64 << 10;

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

/// Unpacks a whole string of `len` bytes into `out`, whose content is replaced. Reserves nothing that [`check`] refuses.
pub(super) fn unpack(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    check(packed.len() as u64, len as u64)?;
    let result = unpack_loosely(packed, len, out);
    out.truncate(*result.as_ref().unwrap_or(&0));
    match result {
        Ok(done) if done < len => Err(LzfError::Short { out: done as u64, len: len as u64 }),
        result => result.map(drop),
    }
}

/// Unpacks with copies of fixed size, which are much faster than exact ones. They write up to [`LOOSE`] bytes too many,
/// that the next copies overwrite. Returns how many bytes count.
fn unpack_loosely(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<usize, LzfError> {
    let (mut rest, mut at) = (packed, 0);
    while rest.len() >= WINDOW {
        make_room(out, at, len);
        (rest, at) = items(rest, out, at, len)?;
    }
    // The last items stand in front of zeros, so that they have a whole window too.
    let mut last = [0; 2 * WINDOW];
    last[..rest.len()].copy_from_slice(rest);
    let mut taken = 0;
    while let Some(window) = last[taken..].first_chunk().filter(|_| taken < rest.len()) {
        make_room(out, at, len);
        let head = Head::of(window);
        if head.used > rest.len() - taken {
            return Err(LzfError::Cut);
        }
        at = item(head, window, out, at, len)?;
        taken += head.used;
    }
    Ok(at)
}

/// Makes `out` longer than the longest item behind `at` needs. It grows with what comes, not with what is announced.
fn make_room(out: &mut Vec<u8>, at: usize, len: usize) {
    if out.len() < at + ROOM {
        out.resize(at + AHEAD.min(len - at) + ROOM, 0);
    }
}

/// Takes items while `rest` has a whole window and `out` has room. Returns what is left, and how many bytes count.
fn items<'p>(mut rest: &'p [u8], out: &mut [u8], mut at: usize, len: usize) -> Result<(&'p [u8], usize), LzfError> {
    while let Some(window) = rest.first_chunk().filter(|_| at + ROOM <= out.len()) {
        let head = Head::of(window);
        at = item(head, window, out, at, len)?;
        rest = &rest[head.used..];
    }
    Ok((rest, at))
}

/// What an item says before its bytes.
#[derive(Clone, Copy)]
struct Head {
    is_copy: bool,
    /// Bytes that come out.
    n: usize,
    /// How far back a copy reaches; of literals it means nothing.
    distance: usize,
    /// Bytes that the item takes.
    used: usize,
}

/// What a control byte says by itself.
#[derive(Clone, Copy)]
struct Control {
    /// Bytes that come out at least.
    n: u8,
    /// Bytes that the item takes.
    used: u8,
    /// All bits, if the next byte is added to `n`.
    long: u8,
    is_copy: bool,
}

const CONTROLS: [Control; 256] = {
    let mut all = [Control { n: 0, used: 0, long: 0, is_copy: false }; 256];
    let mut control = 0;
    while control < 256 {
        let (low, len) = (control as u8 & 31, (control >> 5) as u8);
        all[control] = match len {
            0 => Control { n: low + 1, used: low + 2, long: 0, is_copy: false },
            7 => Control { n: 9, used: 3, long: 0xff, is_copy: true },
            _ => Control { n: len + 2, used: 2, long: 0, is_copy: true },
        };
        control += 1;
    }
    all
};

impl Head {
    /// Without a jump: which kind of item comes next cannot be predicted.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call for each few bytes costs more than the item itself")]
    fn of(&[control, first, second, ..]: &[u8; WINDOW]) -> Self {
        let Control { n, used, long, is_copy } = CONTROLS[usize::from(control)];
        let low = (second & long) | (first & !long);
        Self {
            is_copy,
            n: usize::from(n) + usize::from(first & long),
            distance: (usize::from(control & 31) << 8 | usize::from(low)) + 1,
            used: usize::from(used),
        }
    }
}

/// Writes what an item makes to `at`, behind which `out` has [`ROOM`]. Returns how many bytes count then.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a call for each few bytes costs more than the item itself")]
fn item(head: Head, window: &[u8; WINDOW], out: &mut [u8], at: usize, len: usize) -> Result<usize, LzfError> {
    let Head { is_copy, n, distance, .. } = head;
    // Literals reach back to where they go, so to speak.
    let back = select_unpredictable(is_copy, distance, 0);
    let Some(from) = at.checked_sub(back) else {
        return Err(LzfError::Reach { distance, at: at as u64 });
    };
    let [_, literals @ ..] = window;
    if n <= LITERALS && n - 1 <= back.wrapping_sub(1) {
        // Most items by far: one step, whichever kind it is. What is copied ends before what is written begins.
        if let Some(reach) = out.get_mut(from..at + LITERALS)
            && let Some(old) = reach.first_chunk()
        {
            let bytes: [u8; LITERALS] = *select_unpredictable(is_copy, old, literals);
            if let Some(to) = reach.last_chunk_mut() {
                *to = bytes;
            }
        }
    } else if let Some(bytes) = out.get_mut(from..at + n + LOOSE) {
        repeat_loosely(bytes, distance, n);
    }
    let at = at + n;
    if at > len { Err(LzfError::Long(len as u64)) } else { Ok(at) }
}

/// Writes `n` bytes, and up to [`LOOSE`] more, from `distance` on; they repeat the `distance` bytes before them.
#[inline]
fn repeat_loosely(bytes: &mut [u8], distance: usize, n: usize) {
    let (mut from, mut to, end) = (0, distance, distance + n);
    if distance < STEP {
        // A step must not read what it writes: bytes are repeated one by one until a whole number of repetitions is at
        // least a step.
        while to < end.min(distance + 2 * STEP) {
            bytes[to] = bytes[to - distance];
            to += 1;
        }
        from = to - to.min(PERIODS[distance]);
    }
    while to < end {
        bytes.copy_within(from..from + STEP, to);
        from += STEP;
        to += STEP;
    }
}

/// For each distance below a step the least multiple of it that is at least a step.
const PERIODS: [usize; STEP] = {
    let mut periods = [0; STEP];
    let mut distance = 1;
    while distance < STEP {
        periods[distance] = distance * STEP.div_ceil(distance);
        distance += 1;
    }
    periods
};

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

#[cfg(test)]
mod tests;
