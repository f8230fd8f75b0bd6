//! CRC-64 "Jones": the checksum behind a snapshot and a DUMP payload.

/// The polynomial 0xad93d23594c935a9 with its bits reflected.
const POLY: u64 = 0x95ac_9329_ac4b_c9b5;

/// `TABLES[k][b]`: what byte `b` followed by `k` zero bytes adds to the sum. 32 KB.
static TABLES: [[u64; 256]; 16] = tables();

// It runs in the compiler, not on a stack.
#[allow(clippy::large_stack_arrays)]
const fn tables() -> [[u64; 256]; 16] {
    let mut t = [[0u64; 256]; 16];
    let mut b = 0;
    while b < 256 {
        let (mut crc, mut bit) = (b as u64, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLY } else { crc >> 1 };
            bit += 1;
        }
        t[0][b] = crc;
        b += 1;
    }
    let mut k = 1;
    while k < 16 {
        let mut b = 0;
        while b < 256 {
            let before = t[k - 1][b];
            t[k][b] = (before >> 8) ^ t[0][(before & 0xff) as usize];
            b += 1;
        }
        k += 1;
    }
    t
}

/// `LAST[x >> 56]`: the byte whose table entry has these uppermost bits. No two entries share them, since the lowest bit
/// of the polynomial as Redis writes it is set; that is what makes the sum go backwards too.
static LAST: [u8; 256] = last();

const fn last() -> [u8; 256] {
    let mut t = [0; 256];
    let mut b = 0;
    while b < 256 {
        t[(TABLES[0][b] >> 56) as usize] = b as u8;
        b += 1;
    }
    t
}

/// Runs of at least so many bytes are worth the SIMD instructions that feature `simd` finds.
#[cfg(feature = "simd")]
const SIMD_MIN: usize = 256;

/// A running CRC-64: reflected in and out, initial 0, final xor 0. Of `123456789` it is `0xe9c6d914c4b8d9ca`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Crc64(u64);

impl Crc64 {
    /// The sum of no bytes.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The sum so far.
    #[inline]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Adds `bytes`.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        #[cfg(feature = "simd")]
        if bytes.len() >= SIMD_MIN {
            let mut digest = crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc64Redis, self.0);
            digest.update(bytes);
            self.0 = digest.get_state();
            return;
        }
        self.by_tables(bytes);
    }

    /// Takes `bytes`, the last that were added, out again.
    pub fn take_back(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().rev().fold(self.0, |crc, &b| {
            let i = LAST[(crc >> 56) as usize];
            ((crc ^ TABLES[0][usize::from(i)]) << 8) | u64::from(i ^ b)
        });
    }

    /// Sixteen at a time, the rest by eight, four and one, so that short runs are cheap too.
    #[inline]
    fn by_tables(&mut self, bytes: &[u8]) {
        let mut crc = self.0;
        let (sixteens, rest) = bytes.as_chunks::<16>();
        for chunk in sixteens {
            let both = u128::from_le_bytes(*chunk);
            crc = eight::<8>(crc ^ both as u64) ^ eight::<0>((both >> 64) as u64);
        }
        let (eights, rest) = rest.as_chunks::<8>();
        for chunk in eights {
            crc = eight::<0>(crc ^ u64::from_le_bytes(*chunk));
        }
        let (fours, rest) = rest.as_chunks::<4>();
        for chunk in fours {
            let x = (crc as u32) ^ u32::from_le_bytes(*chunk);
            crc = (crc >> 32)
                ^ TABLES[3][(x & 0xff) as usize]
                ^ TABLES[2][(x >> 8 & 0xff) as usize]
                ^ TABLES[1][(x >> 16 & 0xff) as usize]
                ^ TABLES[0][(x >> 24) as usize];
        }
        for &b in rest {
            crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ b)];
        }
        self.0 = crc;
    }
}

/// What the eight bytes of `x`, followed by `ZEROS` zero bytes (0 or 8), add to the sum.
#[inline]
fn eight<const ZEROS: usize>(x: u64) -> u64 {
    TABLES[ZEROS + 7][(x & 0xff) as usize]
        ^ TABLES[ZEROS + 6][(x >> 8 & 0xff) as usize]
        ^ TABLES[ZEROS + 5][(x >> 16 & 0xff) as usize]
        ^ TABLES[ZEROS + 4][(x >> 24 & 0xff) as usize]
        ^ TABLES[ZEROS + 3][(x >> 32 & 0xff) as usize]
        ^ TABLES[ZEROS + 2][(x >> 40 & 0xff) as usize]
        ^ TABLES[ZEROS + 1][(x >> 48 & 0xff) as usize]
        ^ TABLES[ZEROS][(x >> 56) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    fn of(bytes: &[u8]) -> u64 {
        let mut crc = Crc64::new();
        crc.update(bytes);
        crc.value()
    }

    /// One bit at a time, straight from the definition.
    fn slow(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |crc, &b| {
            (0..8).fold(crc ^ u64::from(b), |c, _| if c & 1 == 1 { (c >> 1) ^ POLY } else { c >> 1 })
        })
    }

    quickcheck! {
        fn equals_the_definition_at_any_split(bytes: Vec<u8>, cut: usize) -> bool {
            let (a, b) = bytes.split_at(cut % (bytes.len() + 1));
            let mut crc = Crc64::new();
            crc.update(a);
            crc.update(b);
            crc.value() == slow(&bytes) && of(&bytes) == slow(&bytes)
        }
    }

    quickcheck! {
        fn what_is_taken_back_was_never_there(before: Vec<u8>, after: Vec<u8>) -> bool {
            let mut crc = Crc64::new();
            crc.update(&before);
            crc.update(&after);
            crc.take_back(&after);
            crc.value() == slow(&before)
        }

        /// Runs as long as those that the SIMD instructions take.
        fn long_runs_equal_the_definition(piece: Vec<u8>, times: u8, cut: usize) -> bool {
            let bytes = piece.repeat(usize::from(times));
            let (a, b) = bytes.split_at(cut % (bytes.len() + 1));
            let mut crc = Crc64::new();
            crc.update(a);
            crc.update(b);
            crc.value() == slow(&bytes)
        }
    }

    #[test]
    fn known_sums() {
        assert_eq!(of(b""), 0);
        assert_eq!(of(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
