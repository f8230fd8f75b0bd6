//! The short way for strings, and for elements of types 1, 2, 4 and 5, that lie whole in the input, raw or as integers: nearly all of
//! them. Whatever is different in any way is left to the long way, untouched.

use alloc::vec::Vec;

use crate::rdb::item::{Element, Item};
use crate::rdb::text::{INT8, INT16, INT32};
use crate::resp::decimal_i64;

/// A string in the input, or the integer that stands for one.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Plain<'i> {
    Raw(&'i [u8]),
    Int(i32),
}

/// An element, outside of its reader so far.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Quick<'i> {
    Member(Plain<'i>),
    Scored(Plain<'i>, f64),
    Field(Plain<'i>, Plain<'i>),
}

/// Takes a string of at most `limit` bytes; what is behind it.
#[inline]
pub(in crate::rdb) fn plain(input: &[u8], limit: usize) -> Option<(Plain<'_>, &[u8])> {
    let (n, rest) = match *input {
        [n @ 0..0x40, ref rest @ ..] => (usize::from(n), rest),
        [n @ 0x40..0x80, low, ref rest @ ..] => (usize::from(n & 0x3f) << 8 | usize::from(low), rest),
        [INT8, a, ref rest @ ..] => return Some((Plain::Int(i32::from(a as i8)), rest)),
        [INT16, a, b, ref rest @ ..] => return Some((Plain::Int(i32::from(i16::from_le_bytes([a, b]))), rest)),
        [INT32, a, b, c, d, ref rest @ ..] => return Some((Plain::Int(i32::from_le_bytes([a, b, c, d])), rest)),
        _ => return None,
    };
    let (raw, rest) = rest.split_at_checked(n).filter(|_| n <= limit)?;
    Some((Plain::Raw(raw), rest))
}

impl<'i> Plain<'i> {
    #[inline]
    pub(in crate::rdb) fn bytes<'a>(self, scratch: &'a mut Vec<u8>) -> &'a [u8]
    where
        'i: 'a,
    {
        match self {
            Self::Raw(raw) => raw,
            Self::Int(n) => {
                scratch.clear();
                scratch.extend_from_slice(decimal_i64(&mut [0; 20], i64::from(n)));
                scratch
            }
        }
    }
}

impl<'i> Quick<'i> {
    /// The element as it is handed out; digits are written to `names` and `values`.
    #[inline]
    pub(in crate::rdb) fn item<'a>(self, names: &'a mut Vec<u8>, values: &'a mut Vec<u8>) -> Item<'a>
    where
        'i: 'a,
    {
        Item::Element(match self {
            Self::Member(member) => Element::Member(member.bytes(values)),
            Self::Scored(member, score) => Element::Scored { member: member.bytes(values), score },
            Self::Field(field, value) => {
                Element::Field { field: field.bytes(names), value: value.bytes(values), expire_at_ms: None }
            }
        })
    }
}
