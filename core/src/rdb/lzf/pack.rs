//! Packing: greedy, one hash table, made for speed.

use alloc::vec;
use alloc::vec::Vec;

use super::{LITERALS, LONGEST, REACH};

/// Fewest and most bits of a table index: 1 KB for the shortest strings, 64 KB for long ones.
const BITS: core::ops::RangeInclusive<u32> = 8..=14;
/// A string has to be longer than this to be tried, in bytes (as in Redis).
const SHORTEST: usize = 20;
/// Bytes that have to be saved, else the string stays as it is (as in Redis).
const GAIN: usize = 4;
/// After so many misses in a row the search takes longer steps: bytes that do not compress cost little.
const PATIENCE: u32 = 4;
/// After so many short strings in a row that saved nothing, only every so-manieth is tried until one saves something
/// again: data that do not compress cost next to nothing.
const LOSSES: u32 = 16;
/// Strings from this length on are always tried, in bytes.
const ALWAYS: usize = 4096;

/// A compressor that keeps its table from one string to the next.
#[derive(Debug, Default)]
pub(in crate::rdb) struct Packer {
    /// By hash of four bytes: where they were last seen, plus `base`. What is below `base` is of an earlier string, so
    /// that nothing has to be cleared in between.
    table: Vec<u32>,
    base: u32,
    /// Strings in a row that saved nothing, those not tried included.
    losses: u32,
    out: Vec<u8>,
}

impl Packer {
    /// Packs `bytes`; `None` if that saves fewer than four bytes.
    pub(in crate::rdb) fn pack(&mut self, bytes: &[u8]) -> Option<&[u8]> {
        // Positions are 32 bits wide; beyond 1 GB a string stays as it is.
        if bytes.len() <= SHORTEST || bytes.len() > 1 << 30 {
            return None;
        }
        if bytes.len() < ALWAYS && self.losses >= LOSSES && !self.losses.is_multiple_of(LOSSES) {
            self.losses = self.losses.checked_add(1).unwrap_or(LOSSES);
            return None;
        }
        let bits = bytes.len().ilog2().saturating_add(1).clamp(*BITS.start(), *BITS.end());
        self.prepare(bits, bytes.len() as u32);
        // One output buffer serves all strings; a large one is not kept for the sake of a single large string.
        if self.out.capacity() > 1 << 20 {
            self.out = Vec::new();
        }
        self.out.clear();
        let limit = bytes.len() - GAIN;
        let saved = self.run(bytes, bits, limit);
        self.losses = if saved { 0 } else { self.losses.checked_add(1).unwrap_or(LOSSES) };
        saved.then_some(&self.out)
    }

    /// Makes room in the table and moves `base` above all that earlier strings left in it.
    fn prepare(&mut self, bits: u32, len: u32) {
        if self.table.len() < 1 << bits {
            self.table = vec![0; 1 << bits];
            self.base = 1;
        } else if self.base.checked_add(len).is_none() {
            self.table.fill(0);
            self.base = 1;
        }
    }

    /// Whether `bytes` fit into `limit` packed bytes, which then are in `out`.
    fn run(&mut self, bytes: &[u8], bits: u32, limit: usize) -> bool {
        let (mut at, mut literals_from, mut misses) = (0usize, 0usize, 1u32 << PATIENCE);
        while let Some(four) = bytes.get(at..).and_then(|b| b.first_chunk::<4>()) {
            let here = u32::from_le_bytes(*four);
            // The table has at least 1 << bits places.
            let slot = &mut self.table[(here.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize];
            let seen = core::mem::replace(slot, self.base + at as u32);
            let from = seen.wrapping_sub(self.base) as usize;
            let hit = seen >= self.base && at - from <= REACH && bytes[from..].first_chunk::<4>() == Some(four);
            if !hit {
                at += (misses >> PATIENCE) as usize;
                misses += 1;
                continue;
            }
            misses = 1 << PATIENCE;
            let n = common(&bytes[from..], &bytes[at..]);
            self.literals(&bytes[literals_from..at]);
            self.reference(n, at - from);
            at += n;
            literals_from = at;
            if self.out.len() > limit {
                self.base += bytes.len() as u32;
                return false;
            }
        }
        self.base += bytes.len() as u32;
        let rest = &bytes[literals_from..];
        if self.out.len() + rest.len() + rest.len().div_ceil(LITERALS) > limit {
            return false;
        }
        self.literals(rest);
        true
    }

    /// As if many strings had gone through: few positions are left.
    #[cfg(test)]
    pub(super) fn wear_out(&mut self) {
        self.base = u32::MAX - 10;
    }

    #[cfg(test)]
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    fn literals(&mut self, bytes: &[u8]) {
        for run in bytes.chunks(LITERALS) {
            self.out.push((run.len() - 1) as u8);
            self.out.extend_from_slice(run);
        }
    }

    fn reference(&mut self, n: usize, distance: usize) {
        let (n, back) = (n - 2, distance - 1);
        if n < 7 {
            self.out.extend_from_slice(&[(n << 5 | back >> 8) as u8, back as u8]);
        } else {
            self.out.extend_from_slice(&[(7 << 5 | back >> 8) as u8, (n - 7) as u8, back as u8]);
        }
    }
}

/// How many first bytes of `a` and `b`, which is the shorter, are the same, up to the longest copy.
fn common(a: &[u8], b: &[u8]) -> usize {
    let most = b.len().min(LONGEST);
    let (a, b) = (&a[..most], &b[..most]);
    let mut n = 0;
    while let (Some(x), Some(y)) = (a[n..].first_chunk::<8>(), b[n..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return n + (differ.trailing_zeros() / 8) as usize;
        }
        n += 8;
    }
    n + a[n..].iter().zip(&b[n..]).take_while(|(x, y)| x == y).count()
}
