//! Where everything undecided in a world comes from.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::rng::{Rng, Seed};

/// A source of choices: a seed's endless numbers, or the bytes of a fuzzer.
///
/// Bytes that are used up answer 0 for ever, and 0 always means "nothing unusual": the least delay, no cut, no fault. So
/// a fuzzer's input decides exactly as much as it has bytes for, and the world comes to a quiet end behind it.
#[derive(Debug)]
pub struct Choices {
    source: Source,
    /// Seeds of machines: never a matter of bytes, for two machines of one seed would be one machine twice.
    seeds: Rng,
}

#[derive(Debug)]
enum Source {
    Seeded(Box<Rng>),
    Bytes { data: Vec<u8>, at: usize },
}

/// A key whose first bytes are `seed`.
fn key(seed: u64) -> Seed {
    let mut key = Seed::default();
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}

impl Choices {
    /// The choices of a seed: the same on every platform.
    pub fn seeded(seed: u64) -> Self {
        let mut rng = Rng::new(key(seed));
        let seeds = rng.fork();
        Self { source: Source::Seeded(Box::new(rng)), seeds }
    }

    /// The choices that these bytes make.
    pub fn bytes(data: Vec<u8>) -> Self {
        Self { source: Source::Bytes { data, at: 0 }, seeds: Rng::new(key(0)) }
    }

    /// The same choices, with other machines: their seeds follow from `seed`.
    #[must_use]
    pub fn with_machines(self, seed: u64) -> Self {
        Self { seeds: Rng::new(key(seed)), ..self }
    }

    /// A number below `n`; 0 when `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        match &mut self.source {
            // Multiply-shift: its bias is below n / 2^64.
            Source::Seeded(rng) if n > 1 => ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64,
            Source::Bytes { data, at } if n > 1 => take(data, at, n),
            _ => 0,
        }
    }

    /// True with a probability of `per_mille` in 1000.
    #[inline]
    pub fn chance(&mut self, per_mille: u64) -> bool {
        // The unusual lies at the upper end, so that 0 is the usual. What is sure either way costs no choice.
        per_mille > 0 && (per_mille >= 1000 || self.below(1000) >= 1000 - per_mille)
    }

    /// A number from `lo` to `hi`, both included; `lo` if `hi` is less.
    #[inline]
    pub fn between(&mut self, lo: u64, hi: u64) -> u64 {
        lo + self.below(hi.saturating_sub(lo).saturating_add(1))
    }

    /// A seed for a machine: no two are equal.
    pub fn seed32(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.seeds.fill(&mut seed);
        seed
    }

    /// A source of its own for a part, so that what one part draws does not shift what the other gets. Of bytes it gets
    /// the second half of what is left.
    pub fn fork(&mut self) -> Self {
        let source = match &mut self.source {
            Source::Seeded(rng) => Source::Seeded(Box::new(rng.fork())),
            Source::Bytes { data, at } => {
                let half = *at + (data.len() - *at).div_ceil(2);
                Source::Bytes { data: data.split_off(half), at: 0 }
            }
        };
        Self { source, seeds: self.seeds.fork() }
    }

    /// Whether the bytes are used up: from here on nothing unusual happens. Never of a seed.
    pub fn is_exhausted(&self) -> bool {
        matches!(&self.source, Source::Bytes { data, at } if *at >= data.len())
    }
}

/// A number below `n` out of as few bytes as can hold it.
fn take(data: &[u8], at: &mut usize, n: u64) -> u64 {
    let wanted = (64 - (n - 1).leading_zeros()).div_ceil(8) as usize;
    let mut number = 0;
    for _ in 0..wanted {
        let Some(byte) = data.get(*at) else { break };
        *at += 1;
        number = (number << 8) | u64::from(*byte);
    }
    number % n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let draw = |seed| {
            let mut c = Choices::seeded(seed);
            (c.below(1 << 40), c.between(5, 9), c.seed32(), c.fork().below(1 << 40))
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        let mut c = Choices::seeded(1);
        assert!((0..1000).all(|_| (5..=9).contains(&c.between(5, 9))));
        assert_eq!((c.below(0), c.below(1), c.between(7, 3)), (0, 0, 7));
    }

    #[test]
    fn a_chance_is_taken_as_often_as_it_says() {
        let mut c = Choices::seeded(1);
        let taken = (0..10_000).filter(|_| c.chance(250)).count();
        assert!((2_200..2_800).contains(&taken), "{taken}");
        assert!((0..1000).all(|_| !c.chance(0) && c.chance(1000)));
    }

    #[test]
    fn bytes_that_are_used_up_choose_nothing_unusual() {
        let mut c = Choices::bytes([200, 1, 2, 255, 255, 9].to_vec());
        assert_eq!(c.below(256), 200);
        assert_eq!(c.below(65_536), 0x0102);
        assert!(c.chance(900) && !c.is_exhausted());
        assert_eq!(c.below(10), 9);
        assert!(c.is_exhausted());
        assert_eq!((c.below(1 << 50), c.chance(999), c.between(3, 8)), (0, false, 3));
        assert_ne!(c.seed32(), c.seed32());
        let machine = |seed| Choices::bytes(Vec::new()).with_machines(seed).seed32();
        assert_eq!(machine(1), machine(1));
        assert_ne!(machine(1), machine(2));
    }

    #[test]
    fn a_fork_of_bytes_shares_none_of_them() {
        let mut c = Choices::bytes([1, 2, 3, 4, 5].to_vec());
        c.below(256);
        let mut fork = c.fork();
        assert_eq!(([c.below(256), c.below(256), c.below(256)], fork.below(256)), ([2, 3, 0], 4));
    }
}
