//! Two cheap 64-bit sums: [`Mix`] over words, [`Sum`] over bytes. Neither is meant against an attacker.
//!
//! A step xors a word in, multiplies by an odd number and rotates: for a fixed state each word gives another state, and
//! for a fixed word each state another one. So two inputs that differ in one word alone never have the same sum.

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bytes that [`Sum`] takes in one go: a word for each of its lanes, so that the multiplications overlap.
const STRIPE: usize = 32;

/// A running sum over words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mix(u64);

impl Mix {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ ODD)
    }

    #[inline]
    pub(crate) fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(ODD).rotate_left(29);
    }

    /// The sum so far, every bit of which depends on every word.
    #[inline]
    pub(crate) fn value(self) -> u64 {
        let x = (self.0 ^ (self.0 >> 32)).wrapping_mul(ODD);
        let x = (x ^ (x >> 29)).wrapping_mul(ODD);
        x ^ (x >> 32)
    }
}

/// A running sum over bytes, the same however they are split.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    lanes: [Mix; 4],
    /// The begun stripe.
    rest: [u8; STRIPE],
    len: u64,
}

impl Sum {
    pub(crate) const fn new() -> Self {
        Self { lanes: [Mix::new(1), Mix::new(2), Mix::new(3), Mix::new(4)], rest: [0; STRIPE], len: 0 }
    }

    /// The sum of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> u64 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.value()
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        let begun = (self.len % STRIPE as u64) as usize;
        self.len = self.len.wrapping_add(bytes.len() as u64);
        if begun > 0 {
            let (now, later) = bytes.split_at(bytes.len().min(STRIPE - begun));
            self.rest[begun..begun + now.len()].copy_from_slice(now);
            if begun + now.len() < STRIPE {
                return;
            }
            stripe(&mut self.lanes, &self.rest);
            bytes = later;
        }
        let (stripes, rest) = bytes.as_chunks::<STRIPE>();
        let mut lanes = self.lanes; // In registers for the length of the loop.
        for s in stripes {
            stripe(&mut lanes, s);
        }
        self.lanes = lanes;
        self.rest[..rest.len()].copy_from_slice(rest);
    }

    pub(crate) fn value(&self) -> u64 {
        let mut lanes = self.lanes;
        let mut last = [0; STRIPE];
        let begun = (self.len % STRIPE as u64) as usize;
        last[..begun].copy_from_slice(&self.rest[..begun]);
        stripe(&mut lanes, &last);
        let mut all = Mix::new(self.len);
        for lane in lanes {
            all.word(lane.0);
        }
        all.value()
    }
}

#[inline]
fn stripe(lanes: &mut [Mix; 4], bytes: &[u8; STRIPE]) {
    let (words, _) = bytes.as_chunks::<8>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        lane.word(u64::from_le_bytes(*word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    quickcheck! {
        fn any_split_gives_the_same_sum(bytes: Vec<u8>, cuts: Vec<u8>) -> bool {
            let (mut sum, mut rest) = (Sum::new(), &bytes[..]);
            for cut in cuts {
                let (now, later) = rest.split_at(rest.len().min(usize::from(cut)));
                sum.update(now);
                rest = later;
            }
            sum.update(rest);
            sum.value() == Sum::of(&bytes)
        }

        fn one_changed_byte_changes_it(bytes: Vec<u8>, at: usize, flip: u8) -> bool {
            if bytes.is_empty() || flip == 0 {
                return true;
            }
            let mut other = bytes.clone();
            let at = at % bytes.len();
            other[at] ^= flip;
            Sum::of(&bytes) != Sum::of(&other)
        }
    }

    #[test]
    fn length_counts() {
        assert_ne!(Sum::of(b""), Sum::of(b"\0"));
        assert_ne!(Sum::of(&[0; 32]), Sum::of(&[0; 64]));
        // Written into files: it may never change without a new format version.
        assert_eq!(Sum::of(b"123456789"), 1_514_981_207_895_380_840);
    }
}
