//! Small collections: the elements of a listpack, one behind the other, without its head and end mark.
//!
//! An element is encoded in one way only (an integer as an integer, each in its shortest form), so two are equal exactly
//! if their bytes are, and a snapshot takes the bytes as they are.

use alloc::vec::Vec;
use core::ops::Range;

use smallvec::SmallVec;

use crate::rdb::Scalar;
use crate::resp::{Reply, parse_i64};

/// How a collection is encoded by Redis's rules, which is not always how it lies here: `OBJECT ENCODING` and the type in
/// a snapshot tell. It never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Shape {
    /// `listpack`.
    Pack,
    /// `intset`.
    Ints,
    /// `hashtable`, `skiplist` or `quicklist`.
    Table,
}

impl Shape {
    pub(super) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Pack,
            1 => Self::Ints,
            _ => Self::Table,
        }
    }

    pub(super) const fn bits(self) -> u8 {
        self as u8
    }
}

/// What is done with the scalars of collections.
pub(super) trait Text: Copy {
    /// How many bytes it has.
    fn len(self) -> usize;
    /// Answers it as a bulk string.
    fn reply(self, reply: &mut Reply<'_>);
}

impl Text for Scalar<'_> {
    fn len(self) -> usize {
        self.text(&mut [0; 20]).len()
    }

    #[inline]
    fn reply(self, reply: &mut Reply<'_>) {
        reply.bulk(self.text(&mut [0; 20]));
    }
}

/// An element as it lies in a pack.
pub(super) type Encoded = SmallVec<[u8; 64]>;

fn put_back_length(out: &mut Encoded, n: usize) {
    let groups = (usize::BITS - n.leading_zeros()).div_ceil(7).max(1);
    for i in (0..groups).rev() {
        // Seven bits each, highest first; all but the first are marked.
        let mark = if i + 1 == groups { 0 } else { 0x80 };
        out.push(((n >> (7 * i)) & 0x7f) as u8 | mark);
    }
}

/// Encodes an integer.
pub(super) fn encode_int(n: i64) -> Encoded {
    let mut out = Encoded::new();
    let le = n.to_le_bytes();
    match n {
        0..=127 => out.push(n as u8),
        -4096..=4095 => {
            let bits = (n & 0x1fff) as u16;
            out.extend_from_slice(&[0xc0 | (bits >> 8) as u8, bits as u8]);
        }
        _ => {
            let (mark, len) = match n {
                -0x8000..=0x7fff => (0xf1, 2),
                -0x80_0000..=0x7f_ffff => (0xf2, 3),
                -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
                _ => (0xf4, 8),
            };
            out.push(mark);
            out.extend_from_slice(&le[..len]);
        }
    }
    let n = out.len();
    put_back_length(&mut out, n);
    out
}

/// Encodes an element, an integer's text as an integer. It must be shorter than 4 GB, as every argument is.
pub(super) fn encode(text: &[u8]) -> Encoded {
    if let Some(n) = parse_i64(text) {
        return encode_int(n);
    }
    let len = text.len();
    let mut out = Encoded::with_capacity(len + 7);
    match len {
        0..0x40 => out.push(0x80 | len as u8),
        0x40..0x1000 => out.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
        _ => {
            out.push(0xf0);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
    let n = out.len();
    put_back_length(&mut out, n);
    out
}

/// Bytes that a text of `len` bytes takes which is too long for the shorter heads, 4 KB or more.
pub(super) fn text_len(len: usize) -> usize {
    const HEAD: usize = 5;
    let n = HEAD.saturating_add(len);
    n.saturating_add((usize::BITS - n.leading_zeros()).div_ceil(7) as usize)
}

/// Encodes an element that is an integer or text already.
pub(super) fn encode_scalar(scalar: Scalar<'_>) -> Encoded {
    match scalar {
        Scalar::Int(n) => encode_int(n),
        Scalar::Text(text) => encode(text),
    }
}

/// Bytes of the head, the data and the back-length of the element at the beginning of `at`.
#[inline]
fn sizes(at: &[u8]) -> Option<(usize, usize, usize)> {
    let (head, data) = match *at {
        [0..=0x7f, ..] => (1, 0),
        [first @ 0x80..=0xbf, ..] => (1, usize::from(first & 0x3f)),
        [0xc0..=0xdf, ..] => (2, 0),
        [first @ 0xe0..=0xef, low, ..] => (2, usize::from(first & 0x0f) << 8 | usize::from(low)),
        [0xf0, a, b, c, d, ..] => (5, u32::from_le_bytes([a, b, c, d]) as usize),
        [0xf1, ..] => (1, 2),
        [0xf2, ..] => (1, 3),
        [0xf3, ..] => (1, 4),
        [0xf4, ..] => (1, 8),
        _ => return None,
    };
    let n = head + data;
    let back = if n < 0x80 { 1 } else { (usize::BITS - n.leading_zeros()).div_ceil(7) as usize };
    Some((head, data, back))
}

fn scalar<'a>(head: &[u8], data: &'a [u8]) -> Scalar<'a> {
    let mut le = [0; 8];
    match *head {
        [first @ 0..=0x7f] => Scalar::Int(i64::from(first)),
        [first @ 0xc0..=0xdf, low] => {
            let bits = i64::from(first & 0x1f) << 8 | i64::from(low);
            Scalar::Int(if bits >= 0x1000 { bits - 0x2000 } else { bits })
        }
        [0xf1..=0xf4] => {
            // `sizes` gives these at most eight bytes of data.
            le[8 - data.len()..].copy_from_slice(data);
            Scalar::Int(i64::from_le_bytes(le) >> (8 * (8 - data.len())))
        }
        _ => Scalar::Text(data),
    }
}

/// The elements of a small collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pack<'a>(pub(super) &'a [u8]);

impl<'a> Pack<'a> {
    /// The elements from offset `at` on, each with the bytes that it takes.
    pub(super) fn from(self, mut at: usize) -> impl Iterator<Item = (Range<usize>, Scalar<'a>)> + Clone {
        core::iter::from_fn(move || {
            let rest = self.0.get(at..)?;
            let (head, data, back) = sizes(rest)?;
            let item = scalar(rest.get(..head)?, rest.get(head..head + data)?);
            let from = at;
            at += head + data + back;
            Some((from..at, item))
        })
    }

    /// The elements.
    pub(super) fn iter(self) -> impl Iterator<Item = Scalar<'a>> + Clone {
        self.from(0).map(|(_, scalar)| scalar)
    }

    /// Where element `n` begins, or the end of all.
    pub(super) fn offset(self, n: usize) -> usize {
        self.from(0).nth(n).map_or(self.0.len(), |(span, _)| span.start)
    }

    /// How many elements; walks over all of them.
    pub(super) fn len(self) -> usize {
        let (mut at, mut n) = (0, 0);
        while let Some((head, data, back)) = self.0.get(at..).and_then(sizes) {
            at += head + data + back;
            n += 1;
        }
        n
    }

    /// The bytes that the element equal to `needle` takes, looking at the first of each `row` of elements.
    pub(super) fn find(self, needle: &[u8], row: usize) -> Option<Range<usize>> {
        let (mut at, mut i) = (0, 0);
        while let Some((head, data, back)) = self.0.get(at..).and_then(sizes) {
            let end = at + head + data + back;
            if i == 0 && self.0.get(at..end) == Some(needle) {
                return Some(at..end);
            }
            (at, i) = (end, if i + 1 == row { 0 } else { i + 1 });
        }
        None
    }

    /// The element behind offset `at`, with the bytes that it takes.
    pub(super) fn at(self, at: usize) -> Option<(Range<usize>, Scalar<'a>)> {
        self.from(at).next()
    }

    /// The last element, with the bytes that it takes.
    pub(super) fn last(self) -> Option<(Range<usize>, Scalar<'a>)> {
        const BACK_MAX: usize = 5;
        let (mut size, mut back) = (0, 0);
        for &byte in self.0.iter().rev().take(BACK_MAX) {
            size |= usize::from(byte & 0x7f) << (7 * back);
            back += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.at(self.0.len().checked_sub(back)?.checked_sub(size)?)
    }

    /// Where the last `n` elements begin, or the beginning of all.
    pub(super) fn offset_back(self, n: usize) -> usize {
        let mut rest = self.0;
        for _ in 0..n {
            let Some((span, _)) = Pack(rest).last() else { break };
            rest = &rest[..span.start];
        }
        rest.len()
    }
}

/// Puts bytes in the place of those at `at`. Nothing is done if those are not there.
pub(super) fn replace(bytes: &mut Vec<u8>, at: Range<usize>, with: &[u8]) {
    let len = bytes.len();
    if at.start > at.end || at.end > len {
        // Spans come from the bytes themselves.
        return;
    }
    let end = at.start + with.len();
    if end > at.end {
        bytes.resize(len + (end - at.end), 0);
    }
    if end != at.end {
        bytes.copy_within(at.end..len, end);
    }
    bytes[at.start..end].copy_from_slice(with);
    bytes.truncate(end + (len - at.end));
}

/// The elements of a small collection, to be changed: where its record lies, so that nothing is copied.
#[derive(Debug, Default)]
pub(super) struct PackEdit {
    bytes: Vec<u8>,
    /// Where the elements begin.
    from: usize,
}

impl PackEdit {
    /// The elements from `from` on in the bytes of a record.
    pub(super) fn new(bytes: Vec<u8>, from: usize) -> Self {
        Self { bytes, from }
    }

    /// The elements.
    #[inline]
    pub(super) fn pack(&self) -> Pack<'_> {
        Pack(self.bytes.get(self.from..).unwrap_or_default())
    }

    /// Bytes of all elements.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.bytes.len().saturating_sub(self.from)
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds an element at the end.
    pub(super) fn push(&mut self, element: &[u8]) {
        self.bytes.extend_from_slice(element);
    }

    /// Puts elements in place of those that take these bytes, as [`Pack::find`] and others give them.
    pub(super) fn replace(&mut self, span: Range<usize>, elements: &[u8]) {
        replace(&mut self.bytes, self.from + span.start..self.from + span.end, elements);
    }

    /// The record.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn packed(list: &[Vec<u8>]) -> Vec<u8> {
        list.iter().flat_map(|text| encode(text)).collect()
    }

    #[test]
    fn as_redis_encodes_them() {
        assert_eq!(encode(b"n")[..], [0x81, b'n', 2]);
        assert_eq!(encode(b"-3")[..], [0xdf, 0xfd, 2]);
        assert_eq!(encode(b"1.5")[..], [0x83, b'1', b'.', b'5', 4]);
        assert_eq!(encode(b"4102444800005")[..], [0xf4, 0x05, 0xd8, 0xc3, 0x2c, 0xbb, 3, 0, 0, 9]);
        assert_eq!(encode(b"300")[..], [0xc1, 0x2c, 2]);
        assert_eq!(encode(b"012")[..], [0x83, b'0', b'1', b'2', 4]);
        let long = encode(&[b'a'; 200]);
        assert_eq!((&long[..2], &long[202..]), (&[0xe0, 200][..], &[1, 0xca][..]), "the back-length: 1 · 128 + 74");
    }

    #[test]
    fn every_width_is_read_back() {
        for n in (0..63).flat_map(|s| [1i64 << s, (1 << s) - 1, -(1 << s), -(1 << s) - 1]).chain([i64::MIN, i64::MAX]) {
            let bytes = encode_int(n);
            assert_eq!(Pack(&bytes).iter().collect::<Vec<_>>(), [Scalar::Int(n)], "{n}");
            assert_eq!(encode(alloc::format!("{n}").as_bytes()), bytes);
        }
        for n in [0usize, 1, 63, 64, 127, 128, 4095, 4096, 16_380, 16_384, 70_000] {
            let text = std::vec![b'x'; n];
            let bytes = encode(&text);
            let pack = Pack(&bytes);
            assert_eq!((pack.len(), pack.iter().next()), (1, Some(Scalar::Text(&text))), "{n}");
        }
    }

    quickcheck! {
        fn what_was_packed_is_there(list: Vec<Vec<u8>>, at: usize) -> bool {
            let bytes = packed(&list);
            let pack = Pack(&bytes);
            let n = if list.is_empty() { 0 } else { at % list.len() };
            pack.len() == list.len()
                && pack.iter().map(|scalar| scalar.text(&mut [0; 20]).to_vec()).eq(list.iter().cloned())
                && list.get(n).is_none_or(|text| {
                    let first = list.iter().position(|other| other == text).unwrap_or_default();
                    pack.find(&encode(text), 1).is_some_and(|span| span.start == pack.offset(first))
                })
        }

        fn backwards_is_the_same(list: Vec<Vec<u8>>, long: u16) -> bool {
            let mut list = list;
            list.push(std::vec![b'x'; usize::from(long)]);
            let bytes = packed(&list);
            let pack = Pack(&bytes);
            (0..=list.len()).all(|n| pack.offset_back(n) == pack.offset(list.len() - n))
                && pack.last().map(|(span, _)| span) == pack.from(0).last().map(|(span, _)| span)
        }

        fn only_the_first_of_a_row_is_found(rows: Vec<(Vec<u8>, Vec<u8>)>, key: Vec<u8>) -> bool {
            let flat: Vec<Vec<u8>> = rows.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
            let found = Pack(&packed(&flat)).find(&encode(&key), 2).is_some();
            found == rows.iter().any(|(a, _)| *a == key)
        }

        fn walks_over_any_bytes(bytes: Vec<u8>) -> bool {
            let pack = Pack(&bytes);
            pack.last();
            pack.iter().count() <= bytes.len() && pack.len() <= bytes.len() && pack.find(b"\x01\x01", 2).is_none_or(|s| s.end <= bytes.len())
        }
    }
}
