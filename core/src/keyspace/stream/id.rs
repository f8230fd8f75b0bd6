//! Ids of entries: how they are written, read and counted on.

use alloc::vec::Vec;

use crate::rdb::StreamId;
use crate::resp::{decimal, parse_i64};

/// The lowest id, which no entry has.
pub(in crate::keyspace) const MIN: StreamId = StreamId { ms: 0, seq: 0 };
/// The highest id.
pub(in crate::keyspace) const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };
/// An id that is longer is none, bytes.
const LONGEST: usize = 127;

/// The next id, unless it is the highest.
pub(in crate::keyspace) fn next(id: StreamId) -> Option<StreamId> {
    match id.seq.checked_add(1) {
        Some(seq) => Some(StreamId { seq, ..id }),
        None => Some(StreamId { ms: id.ms.checked_add(1)?, seq: 0 }),
    }
}

/// The id before, unless it is the lowest.
pub(in crate::keyspace) fn before(id: StreamId) -> Option<StreamId> {
    match id.seq.checked_sub(1) {
        Some(seq) => Some(StreamId { seq, ..id }),
        None => Some(StreamId { ms: id.ms.checked_sub(1)?, seq: u64::MAX }),
    }
}

/// `ms-seq`.
pub(in crate::keyspace) fn text(id: StreamId) -> Vec<u8> {
    joined(id, b'-')
}

/// Both numbers with something between them.
pub(in crate::keyspace) fn joined(id: StreamId, between: u8) -> Vec<u8> {
    let (mut a, mut b) = ([0; 20], [0; 20]);
    let (ms, seq) = (decimal(&mut a, false, id.ms), decimal(&mut b, false, id.seq));
    [ms, &[between], seq].concat()
}

/// What the number behind the `-` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) enum Seq {
    /// As it was given, or the default.
    Given,
    /// `*`: the next one that is free.
    Free,
}

/// Reads `ms` or `ms-seq`; `seq` is what a missing number counts as.
pub(in crate::keyspace) fn parse(text: &[u8], seq: u64) -> Option<StreamId> {
    parse_some(text, seq).filter(|(_, given)| *given == Seq::Given).map(|(id, _)| id)
}

/// The same, or `ms-*`.
pub(in crate::keyspace) fn parse_some(text: &[u8], seq: u64) -> Option<(StreamId, Seq)> {
    if text.len() > LONGEST {
        return None;
    }
    // Redis reads it as a string that ends at a zero byte.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    match text.iter().position(|&byte| byte == b'-') {
        None => Some((StreamId { ms: number(text)?, seq }, Seq::Given)),
        Some(at) => {
            let (ms, seq) = (number(&text[..at])?, &text[at + 1..]);
            if seq == b"*" {
                return Some((StreamId { ms, seq: 0 }, Seq::Free));
            }
            Some((StreamId { ms, seq: number(seq)? }, Seq::Given))
        }
    }
}

/// An unsigned number as Redis takes it here: what is none in its strict form may have blanks, a sign and zeros before it,
/// and a negative one of that kind counts from the end of the range.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !blank(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let n = digits.iter().try_fold(0u64, |n, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { n.wrapping_neg() } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_redis_reads_them() {
        let id = |ms, seq| Some(StreamId { ms, seq });
        for (text, want) in [
            (&b"5"[..], id(5, 7)),
            (b"5-1", id(5, 1)),
            (b"18446744073709551615-18446744073709551615", id(u64::MAX, u64::MAX)),
            (b"007-+1", id(7, 1)),
            (b" 5- 1", id(5, 1)),
            (b"5--0", id(5, 0)),
            (b"5- -1", id(5, u64::MAX)),
            (b"5\0junk", id(5, 7)),
            (b"5--1", None),
            (b"", None),
            (b"-", None),
            (b"5-", None),
            (b"5-x", None),
            (b"5-*", None),
            (b"18446744073709551616", None),
            (b"5-1-1", None),
        ] {
            assert_eq!(parse(text, 7), want, "{}", text.escape_ascii());
        }
        assert_eq!(parse(&[b'0'; 128], 0), None);
        assert_eq!(parse_some(b"5-*", 7), Some((StreamId { ms: 5, seq: 0 }, Seq::Free)));
    }

    #[test]
    fn one_after_the_other() {
        let id = |ms, seq| StreamId { ms, seq };
        for (a, b) in [(id(1, 1), id(1, 2)), (id(1, u64::MAX), id(2, 0))] {
            assert_eq!((next(a), before(b)), (Some(b), Some(a)));
        }
        assert_eq!((next(MAX), before(MIN)), (None, None));
        assert_eq!(text(MAX), b"18446744073709551615-18446744073709551615");
    }
}
