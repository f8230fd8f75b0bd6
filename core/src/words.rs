//! Words with Redis's quoting: inline commands, configuration lines, arguments of the program.
//!
//! Words are separated by white space. Inside double quotes `\n \r \t \b \a \xHH` are bytes and any other escaped
//! character stands for itself; inside single quotes only `\'` is an escape. A closing quote ends its word.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Quotes that are not closed, or that are closed in the middle of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Decodes `line` where it lies (a word is never longer than its spelling) and names the place of each word.
pub fn split_in_place(line: &mut [u8], mut word: impl FnMut(Range<usize>)) -> Result<(), UnbalancedQuotes> {
    let (mut at, mut to) = (0, 0);
    loop {
        while line.get(at).is_some_and(|&b| is_space(b)) {
            at += 1;
        }
        if at >= line.len() {
            return Ok(());
        }
        let from = to;
        (at, to) = one_word(line, at, to)?;
        word(from..to);
    }
}

/// Reads one word from `at` on and writes it from `to` on; gives both positions behind it. `to <= at` throughout.
fn one_word(line: &mut [u8], mut at: usize, mut to: usize) -> Result<(usize, usize), UnbalancedQuotes> {
    let mut quote = None;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let (byte, used) = match (quote, rest) {
            (None, []) => return Ok((at, to)),
            (Some(_), []) => return Err(UnbalancedQuotes),
            (None, [b' ' | b'\n' | b'\r' | b'\t', ..]) => return Ok((at + 1, to)),
            (None, [b @ (b'"' | b'\''), ..]) => {
                quote = Some(*b);
                at += 1;
                continue;
            }
            (Some(q), [b, after @ ..]) if q == *b => {
                return match after {
                    [next, ..] if !is_space(*next) => Err(UnbalancedQuotes),
                    _ => Ok((at + 1, to)),
                };
            }
            (Some(b'"'), [b'\\', b'x', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), 4)
            }
            (Some(b'"'), [b'\\', escaped, ..]) => (unescape(*escaped), 2),
            (Some(b'\''), [b'\\', b'\'', ..]) => (b'\'', 2),
            (_, [b, ..]) => (*b, 1),
        };
        if let Some(place) = line.get_mut(to) {
            *place = byte;
        }
        at += used;
        to += 1;
    }
}

/// The words of `line`.
///
/// ```
/// use primacy_core::words::split;
/// assert_eq!(split(br#"set k "a\x41\n" 'it\'s'"#).unwrap(), [&b"set"[..], b"k", b"aA\n", b"it's"]);
/// assert!(split(b"get \"k").is_err());
/// ```
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut decoded = line.to_vec();
    let mut places = Vec::new();
    split_in_place(&mut decoded, |place| places.push(place))?;
    Ok(places.into_iter().map(|p| decoded.get(p).unwrap_or_default().to_vec()).collect())
}

/// `bytes` in double quotes, as Redis writes them: everything but printable ASCII is escaped, so that it is one
/// word of one line whatever is in it.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for &b in bytes {
        match b {
            b'\\' | b'"' => out.extend(['\\', char::from(b)]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            0x20..=0x7e => out.push(char::from(b)),
            _ => out.extend(['\\', 'x', digit(b >> 4), digit(b & 15)]),
        }
    }
    out.push('"');
    out
}

/// One word of a line: as it is where that is safe, else in quotes.
pub fn spell(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    if !text.is_empty() && text.bytes().all(safe) { text.into() } else { quote(text.as_bytes()) }
}

/// White space as C's `isspace` knows it.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

fn unescape(b: u8) -> u8 {
    match b {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b - b'0',
        _ => (b | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

fn digit(n: u8) -> char {
    char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use quickcheck::quickcheck;

    quickcheck! {
        fn quoted_words_come_back(words: Vec<Vec<u8>>) -> bool {
            let line = words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
            line.bytes().all(|b| (0x20..0x7f).contains(&b)) && split(line.as_bytes()) == Ok(words)
        }

        fn any_line_is_taken(line: Vec<u8>) -> bool {
            split(&line).is_ok_and(|w| w.iter().map(Vec::len).sum::<usize>() <= line.len()) || split(&line).is_err()
        }
    }

    #[test]
    fn words_are_quoted_where_they_must_be() {
        for plain in ["a", "a.b-c_d", "#x", "10.0.0.1"] {
            assert_eq!(spell(plain), plain);
        }
        for (text, quoted) in [("", r#""""#), ("a b", r#""a b""#), ("it's", r#""it's""#), ("é", r#""\xc3\xa9""#)] {
            assert_eq!(spell(text), quoted);
        }
    }

    #[test]
    fn as_redis_splits() {
        let words = |line: &str| split(line.as_bytes());
        assert_eq!(words(""), Ok(vec![]));
        assert_eq!(words(" \t\x0b "), Ok(vec![]));
        assert_eq!(words("a  b\t"), Ok(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(words(r#""" '' x"#), Ok(vec![b"".to_vec(), b"".to_vec(), b"x".to_vec()]));
        assert_eq!(words(r#"foo"bar baz""#), Ok(vec![b"foobar baz".to_vec()]));
        assert_eq!(words(r#""\x4g\q\\" '\n'"#), Ok(vec![b"x4gq\\".to_vec(), b"\\n".to_vec()]));
        for bad in [r#"""#, r#""a"b"#, "'a", "'a'b", r#""a\""#, r#""\"#] {
            assert_eq!(words(bad), Err(UnbalancedQuotes), "{bad}");
        }
    }
}
