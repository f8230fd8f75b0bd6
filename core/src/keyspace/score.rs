//! Scores: how clients spell them, and how they are written. A score is never NaN.

use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;

use super::float::{self, Spelled};
use super::pack::{self, Encoded};
use crate::rdb::Scalar;
use crate::resp::{double_text, whole};

/// What an error says of a text that is no score.
pub(super) const NOT_A_FLOAT: &str = "ERR value is not a valid float";

/// How two scores are ordered; minus zero equals zero.
#[inline]
pub(super) fn compare(a: f64, b: f64) -> Ordering {
    // Without NaN there is always an order.
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// What `text` spells as C's `strtod` reads it whole, and whether that lies within the range: infinity and zero stand
/// for what does not.
fn number(text: &[u8]) -> Option<(f64, bool)> {
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if let [b'0', b'x' | b'X', ..] = unsigned {
        let Spelled::Finite(number) = float::parse(text)? else { return None };
        return number.double().map(|d| (d, true));
    }
    let d: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
    let mantissa = text.split(|b| matches!(b, b'e' | b'E')).next().unwrap_or_default();
    let lost = match d {
        0.0 => mantissa.iter().any(|b| matches!(b, b'1'..=b'9')),
        _ => d.is_infinite() && mantissa.iter().any(u8::is_ascii_digit),
    };
    (!d.is_nan()).then_some((d, !lost))
}

/// The score that an argument spells; `None` if it is no number or one beyond the range.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    number(text).filter(|&(_, within)| within).map(|(d, _)| d)
}

/// An end of a range of scores, without its bracket: blanks before it are no matter, nothing at all is 0, and what is
/// beyond the range is infinite.
pub(super) fn end(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let blank = |b: &u8| matches!(b, b' ' | 0x09..=0x0d);
    let from = text.iter().position(|b| !blank(b))?;
    number(text.get(from..)?).map(|(d, _)| d)
}

/// What `SORT` compares by: as [`end`] reads it, but nothing beyond the range, and only up to a byte of zero.
pub(super) fn weight(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let blank = |b: &u8| matches!(b, b' ' | 0x09..=0x0d);
    match text.iter().position(|b| !blank(b)) {
        Some(from) => parse(text.get(from..)?),
        None => text.is_empty().then_some(0.0),
    }
}

/// Whether a score is minus zero. A `listpack` knows none: there it becomes zero (Redis since 7.0).
pub(super) fn is_minus_zero(score: f64) -> bool {
    score == 0.0 && score.is_sign_negative()
}

/// A score as it lies in a pack: an integer if it is one, else its shortest text.
pub(super) fn encode(score: f64) -> Encoded {
    match whole(score).filter(|_| !is_minus_zero(score)) {
        Some(n) => pack::encode_int(n),
        None => pack::encode(double_text(score).as_bytes()),
    }
}

/// The score that lies in a pack. Only [`encode`] has written it.
#[inline]
pub(super) fn decode(scalar: Scalar<'_>) -> f64 {
    match scalar {
        Scalar::Text(b"-0") => -0.0,
        _ => scalar.score().unwrap_or_default(),
    }
}

/// As C's `%.17g` prints it: what digests are made of, and `ZSCAN` of a large sorted set answers.
pub(super) fn precise(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if let Some(n) = whole(score).filter(|n| n.unsigned_abs() < 1 << 53 && *n != 0) {
        return format!("{n}");
    }
    let scientific = format!("{score:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let shorten = |text: &str| String::from(text.trim_end_matches('0').trim_end_matches('.'));
    match exponent {
        // Seventeen digits in all.
        -4..16 => shorten(&format!("{score:.*}", (16 - exponent) as usize)),
        16 => format!("{score:.0}"),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", shorten(mantissa), exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn as_redis_reads_scores() {
        for (text, want) in [
            ("1", Some(1.0)),
            ("1.", Some(1.0)),
            ("+.5", Some(0.5)),
            ("-1.25E-7", Some(-1.25e-7)),
            ("0x10", Some(16.0)),
            ("-0x1.8p1", Some(-3.0)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p-1075", None),
            ("0x1.8p-1075", Some(5e-324)),
            ("0x1p1023", Some(8.988_465_674_311_58e307)),
            ("0x1p1024", None),
            ("0x1.fffffffffffff8p1023", None),
            ("0x1.00000000000008p0", Some(1.0)),
            ("0x1.00000000000018p0", Some(1.000_000_000_000_000_4)),
            ("0x", None),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("1e-400", None),
            ("0e-400", Some(0.0)),
            ("1e-320", Some(1e-320)),
            ("nan", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1e", None),
            ("1_0", None),
            (".", None),
            ("x", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [
            ("", Some(0.0)),
            (" 5", Some(5.0)),
            ("1e400", Some(f64::INFINITY)),
            ("1e-400", Some(0.0)),
            ("nan", None),
            (" ", None),
            ("5 ", None),
        ] {
            assert_eq!(end(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn as_c_prints_them() {
        for (n, want) in [
            (0.1, "0.10000000000000001"),
            (1e-320, "9.9998886718268301e-321"),
            (-1.25e-7, "-1.2499999999999999e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (12_345_678_901_234_568.0, "12345678901234568"),
            (1e17, "1e+17"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (12_345_678.9, "12345678.9"),
            (0.0, "0"),
            (-0.0, "-0"),
            (-3.0, "-3"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(precise(n), want);
        }
    }

    quickcheck! {
        fn every_text_is_read_back(bits: u64, n: i32, down: u8) -> bool {
            let some = f64::from_bits(bits);
            let near = f64::from(n) / f64::from(1u32 << (down % 31));
            [some, near, f64::from(n)].into_iter().filter(|d| !d.is_nan()).all(|d| {
                let element = encode(d);
                let packed = pack::Pack(&element).iter().next().map(decode);
                packed.map(f64::to_bits) == Some(d.to_bits()) && parse(precise(d).as_bytes()) == Some(d) && parse(double_text(d).as_bytes()) == Some(d)
            })
        }
    }
}
