//! From registers to a cardinality: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
//! algorithm 6, in doubles and in the order of Redis, so that the counts are the same.

use super::{Histogram, RANK_BITS, REGISTERS};

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The estimate, rounded.
pub(in crate::keyspace) fn cardinality(histogram: &Histogram) -> u64 {
    let m = REGISTERS as f64;
    let most = RANK_BITS as usize + 1;
    let mut z = m * tau((m - f64::from(histogram[most])) / m);
    for &registers in histogram[1..most].iter().rev() {
        z += f64::from(registers);
        z *= 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    let estimate = ALPHA * m * m / z;
    // Only forged registers come to this; the C library's rounding answers so on usual machines.
    if estimate >= (1u64 << 63) as f64 {
        return 1 << 63;
    }
    // Half and more goes up; not by adding a half, which may round by itself.
    let whole = estimate as u64;
    whole + u64::from(estimate - whole as f64 >= 0.5)
}

/// What empty registers add; `x`: their share.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z.to_bits() == before.to_bits() {
            return z;
        }
    }
}

/// What full registers add; `x`: the share of the others.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = sqrt(x);
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z.to_bits() == before.to_bits() {
            return z / 3.0;
        }
    }
}

/// The square root of a number from 2^-1000 to 1, correctly rounded, which `core` does not have.
fn sqrt(x: f64) -> f64 {
    let (mantissa, exponent) = (x.to_bits() & ((1 << 52) - 1) | 1 << 52, (x.to_bits() >> 52) as i32 - 1075);
    // x = wide * 2^-even, with a root of more than 53 bits.
    let odd = exponent & 1;
    let wide = u128::from(mantissa) << (64 + odd);
    let root = wide.isqrt();
    // The rest decides how a tie is rounded.
    let sticky = u128::from(root * root != wide);
    let scale = (exponent - 64 - odd) / 2;
    ((root << 1 | sticky) as f64) * f64::from_bits(((scale - 1 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn roots_are_those_of_the_machine(n: u32, d: u32, times: u8) -> bool {
            let mut x = f64::from(n.min(d)) / f64::from(n.max(d).max(1));
            let mut ok = true;
            for _ in 0..times {
                ok &= x == 0.0 || sqrt(x).to_bits() == std::primitive::f64::sqrt(x).to_bits();
                x = std::primitive::f64::sqrt(x);
            }
            ok
        }
    }

    #[test]
    fn estimates_are_close() {
        let mut histogram = [0; 64];
        histogram[0] = REGISTERS as u32;
        assert_eq!(cardinality(&histogram), 0);
        for n in [1u32, 10, 100, 10_000] {
            let mut histogram = [0; 64];
            (histogram[0], histogram[1]) = (REGISTERS as u32 - n, n);
            let off = cardinality(&histogram).abs_diff(u64::from(n));
            assert!(off <= 1 + u64::from(n) / 2, "{n} {off}");
        }
        let mut full = [0; 64];
        (full[50], full[51]) = (8000, 8384);
        assert!(cardinality(&full) > 1 << 60);
        (full[50], full[51]) = (0, REGISTERS as u32);
        assert_eq!(cardinality(&full), 1 << 63);
    }
}
