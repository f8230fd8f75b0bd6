//! Runs of equal registers, most of them zeros.
//!
//! | bits | what |
//! |---|---|
//! | `00nnnnnn` | n + 1 registers of 0 |
//! | `01nnnnnn nnnnnnnn` | n + 1 registers of 0, high bits first |
//! | `1rrrrrnn` | n + 1 registers of rank r + 1 |
//!
//! The same registers can be spelled in several ways. Which one comes out depends on the order in which they were set,
//! and has to be the one that Redis comes to.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Corrupt, HEADER};

const RANK_MAX: u8 = 32;
const RUN_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs, from the one before the changed one on, are looked at for neighbours to be joined.
const JOINED: usize = 5;

/// Some registers side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// What each of them holds.
    pub(super) rank: u8,
    /// How many there are.
    pub(super) len: usize,
    /// Bytes that it takes.
    size: usize,
}

/// What came of a wish to raise a register.
pub(super) enum Raised {
    /// It holds as much already.
    No,
    /// It was.
    Yes,
    /// It can only be done in the dense form; nothing was changed.
    NoRoom,
}

/// The run that begins at `at`.
fn read(bytes: &[u8], at: usize) -> Option<Result<Run, Corrupt>> {
    let byte = *bytes.get(at)?;
    let low = usize::from(byte & 0x3f);
    Some(match byte >> 6 {
        0 => Ok(Run { rank: 0, len: low + 1, size: 1 }),
        1 => match bytes.get(at + 1) {
            Some(next) => Ok(Run { rank: 0, len: (low << 8 | usize::from(*next)) + 1, size: 2 }),
            None => Err(Corrupt),
        },
        _ => Ok(Run { rank: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1, size: 1 }),
    })
}

/// All runs.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    let mut at = HEADER;
    core::iter::from_fn(move || {
        let run = read(bytes, at)?;
        at += run.map_or(1, |run| run.size);
        Some(run)
    })
}

/// Adds `len` registers of 0, at most all.
pub(super) fn zeros(len: usize, out: &mut Vec<u8>) {
    match len {
        0 => {}
        1..=SHORT_ZEROS_MAX => out.push((len - 1) as u8),
        _ => out.extend_from_slice(&(0x4000 | (len - 1) as u16).to_be_bytes()),
    }
}

/// `len` registers (1–4) of `rank` (1–32).
fn ranked(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

fn run_of(rank: u8, len: usize, out: &mut Vec<u8>) {
    match (rank, len) {
        (0, _) => zeros(len, out),
        (_, 0) => {}
        _ => out.push(ranked(rank, len)),
    }
}

/// Lets a register hold at least this rank, in no more than `max` bytes, header included.
pub(super) fn raise(bytes: &mut Vec<u8>, (register, rank): (usize, u8), max: usize) -> Result<Raised, Corrupt> {
    if rank > RANK_MAX {
        return Ok(Raised::NoRoom);
    }
    let (mut at, mut first, mut before) = (HEADER, 0, HEADER);
    let run = loop {
        let run = read(bytes, at).ok_or(Corrupt)??;
        if register < first + run.len {
            break run;
        }
        before = at;
        at += run.size;
        first += run.len;
    };
    if run.rank >= rank {
        return Ok(Raised::No);
    }
    let mut new = Vec::with_capacity(5);
    run_of(run.rank, register - first, &mut new);
    new.push(ranked(rank, 1));
    run_of(run.rank, first + run.len - register - 1, &mut new);
    if new.len() > run.size && bytes.len() + new.len() - run.size > max {
        return Ok(Raised::NoRoom);
    }
    bytes.splice(at..at + run.size, new);
    join(bytes, before);
    Ok(Raised::Yes)
}

/// Joins neighbours of equal rank, from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED {
        let Some(Ok(run)) = read(bytes, at) else { return };
        match read(bytes, at + run.size) {
            Some(Ok(next)) if run.rank > 0 && next.rank == run.rank && run.len + next.len <= RUN_MAX => {
                bytes[at + 1] = ranked(run.rank, run.len + next.len);
                bytes.remove(at);
            }
            _ => at += run.size,
        }
    }
}

/// As `PFDEBUG DECODE` shows them.
pub(super) fn spell(bytes: &[u8]) -> Result<String, Corrupt> {
    let spelled = runs(bytes).map(|run| {
        let Run { rank, len, size } = run?;
        Ok(match (rank, size) {
            (0, 1) => format!("z:{len}"),
            (0, _) => format!("Z:{len}"),
            _ => format!("v:{rank},{len}"),
        })
    });
    spelled.collect::<Result<Vec<_>, _>>().map(|runs| runs.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::empty;
    use super::*;

    fn after(places: &[(usize, u8)]) -> String {
        let mut bytes = empty();
        for place in places {
            raise(&mut bytes, *place, 3000).expect("sound");
        }
        spell(&bytes).expect("sound")
    }

    #[test]
    fn runs_split_and_join() {
        assert_eq!(after(&[]), "Z:16384");
        assert_eq!(after(&[(100, 3)]), "Z:100 v:3,1 Z:16283");
        assert_eq!(after(&[(100, 3), (101, 3), (103, 3)]), "Z:100 v:3,2 z:1 v:3,1 Z:16280");
        assert_eq!(after(&[(100, 3), (101, 3), (103, 3), (102, 3)]), "Z:100 v:3,4 Z:16280");
        assert_eq!(after(&[(0, 1), (1, 1), (2, 1), (3, 1), (2, 5)]), "v:1,2 v:5,1 v:1,1 Z:16380");
        assert_eq!(after(&[(64, 1), (16383, 32)]), "z:64 v:1,1 Z:16318 v:32,1");
    }

    #[test]
    fn no_room_changes_nothing() {
        let mut bytes = empty();
        let before = bytes.clone();
        assert!(matches!(raise(&mut bytes, (5, 33), 3000), Ok(Raised::NoRoom)));
        assert!(matches!(raise(&mut bytes, (5, 1), before.len() + 1), Ok(Raised::NoRoom)));
        assert_eq!(bytes, before);
        assert!(matches!(raise(&mut bytes, (5, 1), before.len() + 2), Ok(Raised::Yes)));
        assert!(matches!(raise(&mut bytes, (5, 1), 0), Ok(Raised::No)));
    }
}
