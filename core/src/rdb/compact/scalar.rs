//! A value inside a blob.

use crate::resp::decimal_i64;

/// A value inside a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar<'a> {
    /// An integer; as a string it is its decimal text.
    Int(i64),
    /// Bytes.
    Text(&'a [u8]),
}

impl<'a> Scalar<'a> {
    /// It as a string; digits are written to `scratch`.
    #[inline]
    pub fn text<'b>(self, scratch: &'b mut [u8; 20]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(n) => decimal_i64(scratch, n),
            Self::Text(text) => text,
        }
    }

    /// It as the score of a sorted set, as servers take it: text counts as far as it is a number, and as 0 if it begins
    /// with none; minus zero is zero. `None`: not a number, which no score may be.
    pub fn score(self) -> Option<f64> {
        let score = match self {
            Self::Int(n) => n as f64,
            Self::Text(text) => number(number_in(text)).unwrap_or(0.0),
        };
        // Adding zero takes the sign off a minus zero.
        (!score.is_nan()).then_some(score + 0.0)
    }
}

/// The number that `text` is, in decimal: `1.5`, `1e+300`, `inf`, `-inf`, `nan`.
pub(in crate::rdb) fn number(text: &[u8]) -> Option<f64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// The longest beginning of `text` that is a number, blanks before it left out; empty if none is.
fn number_in(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let is = |word: &[u8]| text.get(sign..sign + word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    for word in [&b"infinity"[..], b"inf", b"nan"] {
        if is(word) {
            return text.get(..sign + word.len()).unwrap_or_default();
        }
    }
    let digits = |from: usize| text.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut mantissa = whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        mantissa += fraction;
        end += 1 + fraction;
    }
    if mantissa == 0 {
        return &[];
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        match digits(end + 1 + sign) {
            0 => {}
            n => end += 1 + sign + n,
        }
    }
    text.get(..end).unwrap_or_default()
}
