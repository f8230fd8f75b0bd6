//! Small collections that a snapshot holds as we do: their bytes are taken as they are.
//!
//! That takes a listpack whose elements each have the one form in which [`pack`](crate::keyspace::pack) encodes them, as
//! servers write them today. What differs in any way, a member that comes twice among it, is left to the long way.

use alloc::vec::Vec;

use super::super::entry::{SMALL_MAX, Slot};
use super::super::limits::Limits;
use super::super::pack::{self, Pack, Shape};
use super::super::record::{Kind, Mark};
use super::super::score;
use crate::rdb::{self, Compact, Entry, Layout, Scalar, Value};
use crate::resp::parse_i64;

/// Up to here, on both sides of zero, each integer is a score of its own.
const EXACT: i64 = 1 << 53;

/// The entry for a key whose value is a small collection that can be taken as it is.
pub(super) fn slot(entry: &Entry<'_>, limits: &Limits) -> Option<Slot> {
    let Value::Compact(kind, ref compact) = entry.value else { return None };
    let (key, expiry, rows) = (entry.key, entry.expire_at_ms, compact.rows());
    let packed = |elements: &[u8], kind, shape: Shape| {
        Some(Slot::packed(key, elements, expiry, Mark { kind, form: shape.bits() }))
    };
    match (kind, compact.layout(), compact.row()) {
        (rdb::Kind::Hash, Layout::Listpack, row @ 2) if rows <= limits.hash.entries => {
            packed(elements(compact, row)?, Kind::Hash, Shape::Pack)
        }
        (rdb::Kind::Set, Layout::Listpack, row @ 1) if rows <= limits.set.pack.entries => {
            packed(elements(compact, row)?, Kind::Set, Shape::Pack)
        }
        (rdb::Kind::Zset, Layout::Listpack, row @ 2) if rows <= limits.zset.entries => {
            let elements = elements(compact, row).filter(|elements| ascends(Pack(elements)))?;
            packed(elements, Kind::Zset, Shape::Pack)
        }
        (rdb::Kind::Set, Layout::Intset, _) if rows <= limits.set.ints => {
            packed(&integers(compact)?, Kind::Set, Shape::Ints)
        }
        _ => None,
    }
}

/// The elements of a listpack, if they are few enough bytes, each has the one form, and none that begins a row is there
/// twice.
fn elements<'a>(compact: &Compact<'a>, row: usize) -> Option<&'a [u8]> {
    let elements = body(compact).filter(|elements| elements.len() <= SMALL_MAX)?;
    let mut seen = Seen::default();
    let (mut at, mut column) = (0, 0);
    while let Some(rest) = elements.get(at..).filter(|rest| !rest.is_empty()) {
        let element = rest.get(..one_form(rest)?)?;
        if column == 0 && seen.may_hold(element) && Pack(elements.get(..at)?).find(element, row).is_some() {
            return None;
        }
        at += element.len();
        column = if column + 1 == row { 0 } else { column + 1 };
    }
    Some(elements)
}

/// The elements of a node of a list, if each has the one form.
pub(in crate::keyspace) fn node<'a>(compact: &Compact<'a>) -> Option<&'a [u8]> {
    let elements = body(compact).filter(|elements| elements.len() <= SMALL_MAX)?;
    let mut at = 0;
    while let Some(rest) = elements.get(at..).filter(|rest| !rest.is_empty()) {
        at += one_form(rest)?;
    }
    Some(elements)
}

/// A listpack without head and end mark.
fn body<'a>(compact: &Compact<'a>) -> Option<&'a [u8]> {
    const HEADER: usize = 6;
    let blob = compact.blob();
    if compact.layout() == Layout::Listpack { blob.get(HEADER..blob.len().checked_sub(1)?) } else { None }
}

/// Bytes of the element that `at` begins with, if it has the form in which [`pack::encode`] writes it.
#[inline]
fn one_form(at: &[u8]) -> Option<usize> {
    match *at {
        [0..=0x7f, 1, ..] => Some(2),
        [head @ 0x80..=0xbf, ref rest @ ..] => {
            let n = usize::from(head & 0x3f);
            let text = rest.get(..n)?;
            (usize::from(*rest.get(n)?) == n + 1 && !is_integer(text)).then_some(n + 2)
        }
        [head @ 0xc0..=0xdf, low, 2, ..] => {
            // Of the 13 bits, those below 128 have a shorter form.
            (head != 0xc0 || low > 0x7f).then_some(3)
        }
        [head @ 0xe0..=0xef, low, ..] => {
            let n = usize::from(head & 0x0f) << 8 | usize::from(low);
            let size = n + 2;
            let back = at.get(size..)?;
            let right = match *back {
                [one, ..] if size < 0x80 => usize::from(one) == size,
                [high, low, ..] => usize::from(high) == size >> 7 && usize::from(low) == size & 0x7f | 0x80,
                _ => false,
            };
            (right && n >= 0x40).then_some(size + if size < 0x80 { 1 } else { 2 })
        }
        [0xf1, a, b, 3, ..] => (!(-0x1000..0x1000).contains(&i16::from_le_bytes([a, b]))).then_some(4),
        [0xf2, a, b, c, 4, ..] => i16::try_from(i32::from_le_bytes([0, a, b, c]) >> 8).is_err().then_some(5),
        [0xf3, a, b, c, d, 5, ..] => {
            (!(-0x80_0000..0x80_0000).contains(&i32::from_le_bytes([a, b, c, d]))).then_some(6)
        }
        [0xf4, a, b, c, d, e, f, g, h, 9, ..] => {
            i32::try_from(i64::from_le_bytes([a, b, c, d, e, f, g, h])).is_err().then_some(10)
        }
        // Text of 4 KB and more is for the long way.
        _ => None,
    }
}

/// Whether a text would be kept as an integer.
#[inline]
fn is_integer(text: &[u8]) -> bool {
    matches!(text, [b'-' | b'0'..=b'9', ..]) && parse_i64(text).is_some()
}

/// Whether the members of a sorted set stand in order, each with a score that reads back as it is.
fn ascends(pack: Pack<'_>) -> bool {
    let mut scalars = pack.iter();
    let mut before: Option<(f64, Scalar<'_>)> = None;
    while let (Some(member), Some(stored)) = (scalars.next(), scalars.next()) {
        let Some(score) = plain_score(stored) else { return false };
        let in_order = before.is_none_or(|(least, other)| {
            score::compare(least, score).then_with(|| other.text(&mut [0; 20]).cmp(member.text(&mut [0; 20]))).is_lt()
        });
        if !in_order {
            return false;
        }
        before = Some((score, member));
    }
    true
}

/// A score that is an exact integer or a number in decimal. Text that spells zero is left to the long way, which minds its
/// sign.
fn plain_score(stored: Scalar<'_>) -> Option<f64> {
    match stored {
        Scalar::Int(n) => (-EXACT..=EXACT).contains(&n).then_some(n as f64),
        Scalar::Text(text) => {
            let score: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
            (score != 0.0 && !score.is_nan()).then_some(score)
        }
    }
}

/// The members of an intset, which ascend, encoded.
fn integers(compact: &Compact<'_>) -> Option<Vec<u8>> {
    let mut elements = Vec::with_capacity(compact.blob().len());
    for member in compact {
        let Scalar::Int(n) = member else { return None };
        elements.extend_from_slice(&pack::encode_int(n));
    }
    (elements.len() <= SMALL_MAX).then_some(elements)
}

/// Words of [`Seen`].
const SEEN: usize = 32;

/// Which elements may have been there: a bit for the hash of each.
#[derive(Debug, Default)]
pub(super) struct Seen([u64; SEEN]);

impl Seen {
    /// Whether an element may have been there, and notes it. What only looks so costs a search.
    #[inline]
    pub(super) fn may_hold(&mut self, element: &[u8]) -> bool {
        let (first, last) = match (element.first_chunk(), element.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (element.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
        };
        let bit = ((first ^ last.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as usize;
        let (word, mask) = (&mut self.0[bit / 64 % SEEN], 1 << (bit % 64));
        let held = *word & mask != 0;
        *word |= mask;
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::ListpackWriter;
    use quickcheck::quickcheck;

    fn listpack(texts: &[Vec<u8>]) -> Vec<u8> {
        let mut blob = Vec::new();
        let mut writer = ListpackWriter::new(&mut blob);
        texts.iter().for_each(|text| writer.string(text));
        writer.finish().unwrap();
        blob
    }

    quickcheck! {
        /// The one form is exactly what `encode` writes, whatever the bytes.
        fn the_one_form_is_that_of_encode(at: Vec<u8>, head: u8) -> bool {
            let mut bytes = at;
            bytes.insert(0, head);
            bytes.resize(bytes.len() + 12, 1);
            let Some(n) = one_form(&bytes) else { return true };
            let Some((span, scalar)) = Pack(&bytes).at(0) else { return false };
            span == (0..n) && pack::encode_scalar(scalar)[..] == bytes[..n]
        }

        fn what_is_encoded_here_has_it(text: Vec<u8>, n: i64, width: u8, times: u8) -> bool {
            let long = text.repeat(usize::from(times));
            let fits = |bytes: &[u8]| bytes.len() >= 4096 || one_form(bytes) == Some(bytes.len());
            fits(&pack::encode_int(n >> (width % 64))) && fits(&pack::encode(&text)) && (long.len() >= 4096 || fits(&pack::encode(&long)))
        }

        fn twins_are_found(texts: Vec<Vec<u8>>, row: bool) -> bool {
            let row = 1 + usize::from(row);
            let texts: Vec<Vec<u8>> = texts.into_iter().filter(|text| text.len() < 4000).collect();
            let texts = &texts[..texts.len() / row * row];
            let blob = listpack(texts);
            let compact = Compact::from_listpack(&blob, row).unwrap();
            let mut names: Vec<&Vec<u8>> = texts.iter().step_by(row).collect();
            names.sort();
            let twins = names.windows(2).any(|pair| pair[0] == pair[1]);
            blob.len() > SMALL_MAX || elements(&compact, row).is_some() != twins
        }
    }

    #[test]
    fn only_members_in_order_with_plain_scores() {
        let ascends = |rows: &[(&str, &str)]| {
            let texts: Vec<Vec<u8>> = rows.iter().flat_map(|&(m, s)| [m.into(), s.into()]).collect();
            let blob = listpack(&texts);
            ascends(Pack(body(&Compact::from_listpack(&blob, 2).unwrap()).unwrap()))
        };
        assert!(ascends(&[("b", "-inf"), ("a", "-1.5"), ("10", "0"), ("9", "0"), ("c", "0.10000000000000001")]));
        assert!(!ascends(&[("a", "1"), ("b", "0.5")]));
        assert!(!ascends(&[("b", "1"), ("a", "1")]));
        assert!(!ascends(&[("a", "1"), ("a", "1")]));
        for score in ["nan", "-0", "0.0", "1x", " 1", "", "9007199254740993"] {
            assert!(!ascends(&[("a", score)]), "{score}");
        }
    }
}
