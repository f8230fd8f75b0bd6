//! The running hash over all that happened.

/// A 64-bit hash of a sequence of numbers and byte strings. The same on every platform; no defence against anybody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace(u64);

const A: u64 = 0x9E37_79B9_7F4A_7C15;
const B: u64 = 0xD6E8_FEB8_6659_FD93;

impl Default for Trace {
    fn default() -> Self {
        Self(A)
    }
}

/// Both halves of the product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl Trace {
    /// Takes in two numbers.
    #[inline]
    pub(super) fn mix(&mut self, x: u64, y: u64) {
        self.0 = fold(self.0 ^ x ^ A, y ^ B).wrapping_add(x.rotate_left(32));
    }

    /// Takes in a byte string, with its length.
    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let mut h = self.0;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            h = fold(h ^ u64::from_le_bytes(*word), A);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.0 = h;
        self.mix(u64::from_le_bytes(last), bytes.len() as u64);
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> u64 {
        let mut t = Trace::default();
        parts.iter().for_each(|p| t.bytes(p));
        t.value()
    }

    #[test]
    fn every_byte_and_every_border_counts() {
        let base = *b"some bytes of a run";
        for i in 0..base.len() {
            let mut other = base;
            other[i] ^= 1;
            assert_ne!(of(&[&other]), of(&[&base]));
            assert_ne!(of(&[&base[..i], &base[i..]]), of(&[&base]));
        }
        assert_ne!(of(&[&[0; 8]]), of(&[&[0; 16]]));
    }

    #[test]
    fn it_is_the_same_number_on_every_platform() {
        let mut t = Trace::default();
        t.mix(1, 2);
        t.bytes(b"0123456789");
        assert_eq!(t.value(), 10_681_676_151_730_043_549);
    }
}
