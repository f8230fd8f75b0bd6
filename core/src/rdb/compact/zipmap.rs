//! Zipmaps: a count (1 byte), pairs, 0xff. A field is a length and bytes; a value a length, one byte that says how many
//! bytes are wasted behind it, bytes, the waste.

use super::listpack::TERMINATOR;
use super::{CompactError, Scalar};

/// A length of five bytes; a count from here on says "unknown".
const LONG: u8 = 0xfe;

/// Checks a blob; how many values (two a pair) it has.
pub(super) fn check(blob: &[u8]) -> Result<usize, CompactError> {
    let (count, last) = match blob {
        [] | [_] => return Err(CompactError::Short { len: blob.len() }),
        [count, .., last] => (*count, *last),
    };
    if last != TERMINATOR {
        return Err(CompactError::Terminator(last));
    }
    let mut walk = Walk::new(blob);
    let mut pairs = 0;
    while !walk.rest.is_empty() {
        let at = blob.len() - 1 - walk.rest.len();
        check_field(walk.rest, at)?;
        walk.next().ok_or(CompactError::Cut { at })?;
        let at = blob.len() - 1 - walk.rest.len();
        check_field(walk.rest, at)?;
        walk.next().ok_or(CompactError::Cut { at })?;
        pairs += 1;
    }
    if pairs == 0 {
        return Err(CompactError::Empty);
    }
    if count < LONG && usize::from(count) != pairs {
        return Err(CompactError::Count { stored: count.into(), found: pairs });
    }
    Ok(2 * pairs)
}

/// Checks the form of the length at the front of `rest`.
fn check_field(rest: &[u8], at: usize) -> Result<(), CompactError> {
    match (rest.first(), length(rest)) {
        (Some(&TERMINATOR), _) => Err(CompactError::Form { at, byte: TERMINATOR }),
        (Some(&LONG), Some((..254, _))) => Err(CompactError::LongForm { at }),
        _ => Ok(()),
    }
}

/// A length, and how many bytes it takes.
#[inline]
fn length(rest: &[u8]) -> Option<(usize, usize)> {
    match *rest.first()? {
        LONG => Some((u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize, 5)),
        TERMINATOR => None,
        b => Some((b.into(), 1)),
    }
}

/// The fields and values that are still to be walked.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    /// Whether a value comes next.
    value: bool,
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn new(blob: &'a [u8]) -> Self {
        Self { rest: blob.get(1..blob.len().saturating_sub(1)).unwrap_or_default(), value: false }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Scalar<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scalar<'a>> {
        let (len, head) = length(self.rest)?;
        let (mut rest, mut waste) = (self.rest.get(head..)?, 0);
        if self.value {
            let (free, behind) = rest.split_first()?;
            (rest, waste) = (behind, usize::from(*free));
        }
        let (text, behind) = rest.split_at_checked(len)?;
        self.rest = behind.get(waste..)?;
        self.value = !self.value;
        Some(Scalar::Text(text))
    }
}
