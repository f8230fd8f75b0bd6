//! The wire: RESP2 and RESP3, both ways, incremental and bounded.
//!
//! - [`Requests`] parses what clients and masters send: commands, in place, as slices of the input.
//! - [`Replies`] parses what servers answer.
//! - [`Reply`] writes answers; [`Command`] is a command in its wire form.

mod ahead;
mod args;
mod command;
mod double;
mod replies;
mod reply;
mod requests;

pub use ahead::Ahead;
pub use args::{Args, Span};
pub use command::Command;
pub use double::{double_text, shortest, whole};
pub use replies::{Replies, ReplyError, ReplyLimits, Value};
pub use reply::Reply;
#[cfg(feature = "clients")]
pub(crate) use requests::short_number;
pub use requests::{BIG, ProtocolError, RequestLimits, Requests, UNAUTHENTICATED_ARGS, UNAUTHENTICATED_BULK};

/// Protocol version of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Proto {
    /// RESP2, what every connection begins with.
    #[default]
    Resp2,
    /// RESP3, after `HELLO 3`.
    Resp3,
}

/// Writes `n` in decimal into `buf`; the used part is returned.
#[inline]
pub fn decimal(buf: &mut [u8; 20], negative: bool, mut n: u64) -> &[u8] {
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 || at == 1 {
            break;
        }
    }
    // Twenty digits leave no room for a sign, and no negative i64 has that many.
    if negative {
        at -= 1;
        buf[at] = b'-';
    } else if n > 0 {
        at -= 1;
        buf[at] = b'0' + (n % 10) as u8;
    }
    &buf[at..]
}

/// Writes a signed number in decimal.
#[inline]
pub fn decimal_i64(buf: &mut [u8; 20], n: i64) -> &[u8] {
    decimal(buf, n < 0, n.unsigned_abs())
}

/// The number that `text` spells exactly as Redis prints it: no `+`, no leading zero, no `-0`, no spaces.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', rest @ ..] if rest.len() <= 18 => {}
        _ => return None,
    }
    let mut n: u64 = 0;
    for &d in digits {
        n = n.checked_mul(10)?.checked_add(u64::from(d.wrapping_sub(b'0')).pipe_digit()?)?;
    }
    match (negative, n) {
        (false, n) => i64::try_from(n).ok(),
        (true, n) if n == 1 << 63 => Some(i64::MIN),
        (true, n) => i64::try_from(n).ok().map(|n| -n),
    }
}

/// The unsigned number that `text` spells, by the same rules.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', rest @ ..] if rest.len() <= 19 => {}
        _ => return None,
    }
    text.iter().try_fold(0u64, |n, &d| n.checked_mul(10)?.checked_add(u64::from(d.wrapping_sub(b'0')).pipe_digit()?))
}

trait Digit: Sized {
    fn pipe_digit(self) -> Option<Self>;
}

impl Digit for u64 {
    #[inline]
    fn pipe_digit(self) -> Option<Self> {
        (self < 10).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn decimals_are_as_printed(n: i64, u: u64) -> bool {
            let mut a = [0; 20];
            let mut b = [0; 20];
            decimal_i64(&mut a, n) == std::format!("{n}").as_bytes()
                && decimal(&mut b, false, u) == std::format!("{u}").as_bytes()
                && parse_i64(std::format!("{n}").as_bytes()) == Some(n)
                && parse_u64(std::format!("{u}").as_bytes()) == Some(u)
        }
    }

    #[test]
    fn ends_of_the_range() {
        let mut b = [0; 20];
        assert_eq!(decimal(&mut b, false, u64::MAX), b"18446744073709551615");
        assert_eq!(decimal_i64(&mut b, i64::MIN), b"-9223372036854775808");
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-", b"-0", b"00", b"01", b"+1", b" 1", b"1 ", b"9223372036854775808", b"1a"] {
            assert_eq!(parse_i64(bad), None, "{bad:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }
}
