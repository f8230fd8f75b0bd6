//! Floating-point numbers as servers print them.

use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;

/// Up to here, on both sides of zero, whole numbers are printed as integers: 2^62.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// The integer that `d` is, if servers take it for one.
#[inline]
pub fn whole(d: f64) -> Option<i64> {
    let n = d as i64;
    (d.abs() <= WHOLE_MAX && (n as f64).partial_cmp(&d) == Some(Ordering::Equal)).then_some(n)
}

/// The shortest text that is read back as `n`, with an exponent only where plain digits would be long: `0.1`, `-1.5e-9`,
/// `1e+300`, `inf`, `nan`, `-0`.
pub fn shortest(n: f64) -> String {
    let scientific = format!("{n:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        // Infinities and not-a-number.
        return format!("{n}").to_ascii_lowercase();
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    // Digits times ten to this.
    let scale = exponent - (digits - 1);
    let plain = if scale >= 0 { exponent < digits + 7 } else { scale > -7 || exponent.abs() < 4 };
    if plain { format!("{n}") } else { format!("{mantissa}e{exponent:+}") }
}

/// The text of a number in replies (Redis since 7.2): an integer if it is one, else [`shortest`].
pub fn double_text(d: f64) -> String {
    match whole(d) {
        Some(0) if d.is_sign_negative() => "-0".into(),
        Some(n) => format!("{n}"),
        None => shortest(d),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_servers_print_them() {
        for (n, text) in [
            (3.25, "3.25"),
            (-0.0, "-0"),
            (2.5, "2.5"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
            (1.5e-9, "1.5e-9"),
            (100.0, "100"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(shortest(n), text);
            assert_eq!(double_text(n), text);
        }
        // ZRANGE … WITHSCORES of valkey-server 9.0.
        for (n, text) in [
            (1e20, "1e+20"),
            (1e17, "100000000000000000"),
            (123_456_789_012_345_678.0, "123456789012345680"),
            (1e-320, "1e-320"),
            (-1.25e-7, "-1.25e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (12_345_678.9, "12345678.9"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
        ] {
            assert_eq!(double_text(n), text);
        }
    }
}
