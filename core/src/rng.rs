//! The one source of randomness: ChaCha8 from a 256-bit seed that comes in when a machine is made.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};

/// A 256-bit seed. A runtime takes it from the operating system; a simulation from its own generator.
pub type Seed = [u8; 32];

/// A seeded generator (ChaCha8): same seed, same numbers, on every platform.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A generator that yields the sequence of `seed`.
    pub fn new(seed: Seed) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, each equally likely; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Multiply-shift with rejection of the uneven rest (Lemire).
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            if (wide as u64) >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// A generator of its own for a part, so that parts do not disturb each other's sequences.
    pub fn fork(&mut self) -> Self {
        let mut seed = Seed::default();
        self.fill(&mut seed);
        Self::new(seed)
    }

    /// `N` random lower-case hexadecimal characters, as replication ids, run ids and EOF marks are made of.
    pub fn hex<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        for b in &mut out {
            *b = b"0123456789abcdef"[usize::from(*b & 15)];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b) = (Rng::new([7; 32]), Rng::new([7; 32]));
        for _ in 0..100 {
            assert_eq!(a.next_u64(), b.next_u64());
        }
        assert_ne!(Rng::new([7; 32]).next_u64(), Rng::new([8; 32]).next_u64());
        assert_ne!(a.fork().next_u64(), a.fork().next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut r = Rng::new([1; 32]);
        let mut seen = [0u32; 5];
        for _ in 0..1000 {
            seen[r.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 100), "{seen:?}");
        assert_eq!(r.below(0), 0);
        assert_eq!(r.below(1), 0);
    }

    #[test]
    fn hex_is_hex() {
        let h: [u8; 40] = Rng::new([3; 32]).hex();
        assert!(h.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)));
    }
}
