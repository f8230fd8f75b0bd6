//! What `PFSELFTEST` tries: that registers keep what they are given, in both forms, and that counts are close.

use alloc::vec::Vec;

use super::{REGISTERS, cardinality, empty, histogram, place, raise, registers, to_dense};
use crate::rng::Rng;

/// How many registers are raised.
const RAISED: usize = 1000;
/// How many elements are counted.
const ELEMENTS: u64 = 100_000;
/// The standard error is 1.04 / sqrt(16384), 0.8 %: by six of it a count is off once in a billion.
const MOST_OFF: f64 = 6.0 * 1.04 / 128.0;

/// Tries it with random numbers; what went wrong.
pub(in crate::keyspace) fn run(rng: &mut Rng) -> Result<(), &'static str> {
    registers_keep(rng)?;
    counts_are_close(rng.next_u64())
}

fn registers_keep(rng: &mut Rng) -> Result<(), &'static str> {
    const BROKEN: &str = "TESTFAILED Register isn't what it was set to";
    let (mut sparse, mut dense, mut model) = (empty(), empty(), alloc::vec![0; REGISTERS]);
    to_dense(&mut dense).map_err(|_| BROKEN)?;
    for _ in 0..RAISED {
        let at = (rng.below(REGISTERS as u64) as usize, 1 + rng.below(32) as u8);
        for bytes in [&mut sparse, &mut dense] {
            raise(bytes, at, usize::MAX).map_err(|_| BROKEN)?;
        }
        if let Some(rank) = model.get_mut(at.0) {
            *rank = at.1.max(*rank);
        }
    }
    let same = |bytes: &Vec<u8>| registers(bytes).is_ok_and(|all| all == model);
    if same(&sparse) && same(&dense) { Ok(()) } else { Err(BROKEN) }
}

fn counts_are_close(seed: u64) -> Result<(), &'static str> {
    const OFF: &str = "TESTFAILED Too big error";
    let mut bytes = empty();
    let mut check = 1;
    for n in 1..=ELEMENTS {
        raise(&mut bytes, place(&(seed ^ n).to_le_bytes()), 3000).map_err(|_| OFF)?;
        if n == check {
            let count = histogram(&bytes).map(|all| cardinality(&all)).map_err(|_| OFF)?;
            if count.abs_diff(n) as f64 > (n as f64 * MOST_OFF).max(3.0) {
                return Err(OFF);
            }
            check *= 10;
        }
    }
    Ok(())
}
