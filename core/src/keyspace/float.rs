//! Numbers as INCRBYFLOAT has them: 80-bit extended precision (x87 `long double`), in software.
//!
//! Text is read exactly and rounded once, to the nearest and to even; sums are exact and rounded once; text is written
//! with 17 digits behind the point, trailing zeros cut. So results equal those of a Redis built for x86-64.

use alloc::vec::Vec;

/// Bits of a mantissa.
const BITS: i64 = 64;
/// Exponent of the lowest bit of the largest and of the smallest numbers.
const EXP_MAX: i64 = 16_383 - 63;
const EXP_MIN: i64 = -16_382 - 63;
/// Digits behind the point.
const DIGITS: usize = 17;
/// The longest text that is read, in bytes.
pub(super) const TEXT_MAX: usize = 5 * 1024 - 1;

/// A finite number `± mantissa · 2^exp`, its mantissa of 64 bits unless it is very small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extended {
    negative: bool,
    mantissa: u64,
    exp: i64,
}

/// What a text spells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spelled {
    /// A number.
    Finite(Extended),
    /// `inf` or `infinity`, with or without a sign.
    Infinite,
}

impl Extended {
    /// Nothing.
    pub(super) const ZERO: Self = Self { negative: false, mantissa: 0, exp: 0 };

    /// The number nearest to `± big · 2^exp`; `None` beyond the range.
    fn round(negative: bool, big: &Big, exp: i64) -> Option<Self> {
        let shift = (big.bits() - BITS).max(EXP_MIN - exp);
        let (mut mantissa, mut exp) = if shift <= 0 {
            (big.clone().shl(-shift as usize).low(), exp + shift)
        } else {
            let shift = shift as usize;
            let (low, half, rest) = (big.low_from(shift), big.bit(shift - 1), big.any_below(shift - 1));
            let up = half && (rest || low & 1 == 1);
            match low.checked_add(u64::from(up)) {
                Some(m) => (m, exp + shift as i64),
                None => (1 << 63, exp + shift as i64 + 1),
            }
        };
        if mantissa == 0 {
            (mantissa, exp) = (0, 0);
        }
        (exp <= EXP_MAX).then_some(Self { negative, mantissa, exp })
    }

    fn big_at(self, exp: i64) -> Big {
        Big::from(u128::from(self.mantissa)).shl((self.exp - exp) as usize)
    }

    /// The sum; `None` beyond the range.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let exp = self.exp.min(other.exp);
        let (a, b) = (self.big_at(exp), other.big_at(exp));
        if self.negative == other.negative {
            return Self::round(self.negative, &a.add(&b), exp);
        }
        let (negative, difference) = if a.less(&b) { (other.negative, b.sub(&a)) } else { (self.negative, a.sub(&b)) };
        Self::round(negative, &difference, exp)
    }

    /// The double nearest to it; `None` beyond the range, and for what is too small for any but zero.
    pub(super) fn double(self) -> Option<f64> {
        const INFINITE: u64 = 0x7ff << 52;
        let sign = u64::from(self.negative) << 63;
        if self.mantissa == 0 {
            return Some(f64::from_bits(sign));
        }
        let top = self.exp + 63 - i64::from(self.mantissa.leading_zeros());
        // The exponent of the lowest bit that a double has there.
        let low = (top - 52).max(-1074);
        let shift = low - self.exp;
        let mantissa = if shift <= 0 {
            self.mantissa << -shift
        } else {
            let (wide, shift) = (u128::from(self.mantissa), shift.min(66) as u32);
            let (kept, rest, half) = (wide >> shift, wide & ((1 << shift) - 1), 1u128 << (shift - 1));
            kept as u64 + u64::from(rest > half || (rest == half && kept & 1 == 1))
        };
        if mantissa == 0 || low > 1023 - 52 {
            return None;
        }
        // The leading bit of the mantissa, where there is one, raises the exponent by one.
        let bits = (((low + 1074) as u64) << 52) + mantissa;
        (bits < INFINITE).then(|| f64::from_bits(sign | bits))
    }

    /// As Redis writes it.
    pub(super) fn text(self) -> Vec<u8> {
        let ten = 10u128.pow(DIGITS as u32);
        // At 17 digits: an integer, whole for exponents from 0 on, rounded for others.
        let mut digits = if self.exp >= 0 {
            let mut d = Big::from(u128::from(self.mantissa)).shl(self.exp as usize).decimal();
            d.extend_from_slice(&[b'0'; DIGITS]);
            d
        } else {
            // 64 bits times 57 bits; a shift of 126 or more leaves less than a half.
            let (wide, shift) = (u128::from(self.mantissa) * ten, (-self.exp).min(126) as u32);
            let (low, rest, half) = (wide >> shift, wide & ((1 << shift) - 1), 1u128 << (shift - 1));
            Big::from(low + u128::from(rest > half || (rest == half && low & 1 == 1))).decimal()
        };
        while digits.len() <= DIGITS {
            digits.insert(0, b'0');
        }
        digits.insert(digits.len() - DIGITS, b'.');
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.last() == Some(&b'.') {
            digits.pop();
        }
        if self.negative && digits != b"0" {
            digits.insert(0, b'-');
        }
        digits
    }
}

/// Reads a number as C's `strtold` does; `None` if `text` is no number, or one beyond the range.
pub(super) fn parse(text: &[u8]) -> Option<Spelled> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(Spelled::Infinite);
    }
    let (hex, rest) = match rest {
        [b'0', b'x' | b'X', rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let (base, mark) = if hex { (16, b'p') } else { (10, b'e') };
    let end = rest.iter().position(|b| b.to_ascii_lowercase() == mark).unwrap_or(rest.len());
    let (digits, exponent) = rest.split_at(end);
    let exponent = match exponent {
        [] => 0,
        [_, b'-', e @ ..] => -small(e)?,
        [_, b'+', e @ ..] | [_, e @ ..] => small(e)?,
    };
    let (mut big, mut seen, mut behind, mut point) = (Big::default(), 0usize, 0i64, false);
    for &d in digits {
        if d == b'.' && !point {
            point = true;
            continue;
        }
        big.mul_add(base, char::from(d).to_digit(base)?);
        seen += 1;
        behind += i64::from(point);
    }
    if seen == 0 {
        return None;
    }
    if big.bits() == 0 {
        return Some(Spelled::Finite(Extended { negative, mantissa: 0, exp: 0 }));
    }
    let number =
        if hex { scale2(negative, &big, exponent - 4 * behind) } else { scale10(negative, big, exponent - behind) }?;
    // Too small for any number but zero: out of range as well.
    (number.mantissa != 0).then_some(Spelled::Finite(number))
}

/// The digits of an exponent, held down to what no range reaches.
fn small(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(1_000_000)))
}

fn scale2(negative: bool, big: &Big, exp: i64) -> Option<Extended> {
    if exp + big.bits() < EXP_MIN - 2 {
        return None;
    }
    Extended::round(negative, big, exp)
}

fn scale10(negative: bool, mut big: Big, exp: i64) -> Option<Extended> {
    const STEP: u32 = 1_000_000_000;
    // Ten is between 2^3 and 2^(10/3): far beyond the range on either side there is nothing to compute.
    if big.bits() + 3 * exp.max(0) > 20_000 || (exp < 0 && big.bits() + 3 * exp < -20_000) {
        return None;
    }
    if exp >= 0 {
        (0..exp).for_each(|_| big.mul_add(10, 0));
        return Extended::round(negative, &big, 0);
    }
    let shift = (-exp * 10 / 3 + 70 - big.bits()).max(0);
    let (mut big, mut left, mut rest) = (big.shl(shift as usize), -exp, false);
    while left > 0 {
        let step = left.min(9);
        rest |= big.div(if step == 9 { STEP } else { 10u32.pow(step as u32) }) != 0;
        left -= step;
    }
    // What was cut off matters only for being there: one more bit says so.
    big.mul_add(2, u32::from(rest));
    Extended::round(negative, &big, -shift - 1)
}

/// A natural number of any size, the lowest limb first and the highest not zero.
#[derive(Clone, Default, Debug)]
struct Big(Vec<u32>);

impl From<u128> for Big {
    fn from(n: u128) -> Self {
        let mut big = Self((0..4).map(|i| (n >> (32 * i)) as u32).collect());
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn limb(&self, i: usize) -> u32 {
        self.0.get(i).copied().unwrap_or(0)
    }

    fn bits(&self) -> i64 {
        self.0.last().map_or(0, |top| self.0.len() as i64 * 32 - i64::from(top.leading_zeros()))
    }

    fn bit(&self, i: usize) -> bool {
        (self.limb(i / 32) >> (i % 32)) & 1 == 1
    }

    fn any_below(&self, bits: usize) -> bool {
        (0..bits / 32).any(|i| self.limb(i) != 0) || self.limb(bits / 32) & ((1u32 << (bits % 32)) - 1) != 0
    }

    /// The lowest 64 bits.
    fn low(&self) -> u64 {
        u64::from(self.limb(0)) | u64::from(self.limb(1)) << 32
    }

    /// The 64 bits from bit `from` on.
    fn low_from(&self, from: usize) -> u64 {
        let i = from / 32;
        let wide = (0..3).fold(0u128, |n, k| n | u128::from(self.limb(i + k)) << (32 * k));
        (wide >> (from % 32)) as u64
    }

    fn shl(mut self, bits: usize) -> Self {
        let (limbs, bits) = (bits / 32, bits % 32);
        if bits > 0 {
            let mut carry = 0;
            for limb in &mut self.0 {
                let wide = u64::from(*limb) << bits | carry;
                *limb = wide as u32;
                carry = wide >> 32;
            }
            self.0.push(carry as u32);
            self.trim();
        }
        if !self.0.is_empty() {
            self.0.splice(0..0, core::iter::repeat_n(0, limbs));
        }
        self
    }

    fn mul_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.0 {
            let wide = u64::from(*limb) * u64::from(factor) + carry;
            *limb = wide as u32;
            carry = wide >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides; the rest.
    fn div(&mut self, by: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            let wide = rest << 32 | u64::from(*limb);
            *limb = (wide / u64::from(by)) as u32;
            rest = wide % u64::from(by);
        }
        self.trim();
        rest as u32
    }

    fn add(&self, other: &Self) -> Self {
        let mut carry = 0;
        let mut sum: Vec<u32> = Vec::with_capacity(self.0.len().max(other.0.len()) + 1);
        for i in 0..self.0.len().max(other.0.len()) {
            let wide = u64::from(self.limb(i)) + u64::from(other.limb(i)) + carry;
            sum.push(wide as u32);
            carry = wide >> 32;
        }
        sum.push(carry as u32);
        let mut sum = Self(sum);
        sum.trim();
        sum
    }

    fn less(&self, other: &Self) -> bool {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_lt()
    }

    /// The difference to a number that is not larger.
    fn sub(&self, other: &Self) -> Self {
        let mut borrow = 0;
        let mut out = Self(
            (0..self.0.len())
                .map(|i| {
                    let wide = i64::from(self.limb(i)) - i64::from(other.limb(i)) - borrow;
                    borrow = i64::from(wide < 0);
                    wide as u32
                })
                .collect(),
        );
        out.trim();
        out
    }

    fn decimal(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while !self.0.is_empty() {
            let mut part = self.div(1_000_000_000);
            for _ in 0..9 {
                out.push(b'0' + (part % 10) as u8);
                part /= 10;
            }
        }
        while out.last() == Some(&b'0') {
            out.pop();
        }
        out.reverse();
        if out.is_empty() {
            out.push(b'0');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn sum(a: &str, b: &str) -> Option<String> {
        match (parse(a.as_bytes())?, parse(b.as_bytes())?) {
            (Spelled::Finite(a), Spelled::Finite(b)) => String::from_utf8(a.add(b)?.text()).ok(),
            _ => None,
        }
    }

    #[test]
    fn sums_as_redis_7_gives_them() {
        let table = [
            ("10.50", "0.1", "10.6"),
            ("0.1", "0.2", "0.3"),
            ("5.0e3", "200", "5200"),
            ("0x1p3", "1", "9"),
            ("3", "-3", "0"),
            ("-0.5", "0.25", "-0.25"),
            ("1e-20", "0", "0"),
            ("-1e-20", "0", "0"),
            ("1e20", "1", "100000000000000000000"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("9223372036854775807", "0.5", "9223372036854775807.5"),
            (".5", "5.", "5.5"),
            ("1.123456789012345678", "0", "1.12345678901234568"),
        ];
        for (a, b, want) in table {
            assert_eq!(sum(a, b).as_deref(), Some(want), "{a} + {b}");
        }
        assert_eq!(sum("1e4932", "1e4932"), None, "beyond the range");
        for bad in [
            "",
            "+",
            ".",
            "e5",
            "1e",
            "1 ",
            " 1",
            "abc",
            "1e5000",
            "1e-5000",
            "nan",
            "0x",
            "1.2.3",
            "--1",
            "1e99999999",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(b"-InF"), Some(Spelled::Infinite));
        assert!(parse(&[b'1'; 5120]).is_none());
    }
}
