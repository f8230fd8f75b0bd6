//! A small key with its value in one allocation.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | flags: bit 0 an expiry follows; bits 1–2 width of the key length (1, 2, 4 bytes); bits 3–4 the form; bits 5–7 [`Kind`] |
//! | 0 or 8 | expiry, ms since 1970, little endian |
//! | 1, 2 or 4 | length of the key, little endian |
//! | … | the key, then the payload |
//!
//! The payload of a string is its bytes, that of a collection the elements of a listpack ([`super::pack`]). What the two
//! bits of the form mean depends on the kind: [`Form`](super::string::Form) or [`Shape`](super::pack::Shape).

use alloc::boxed::Box;
use alloc::vec::Vec;

const EXPIRES: u8 = 1;
const WIDTH_SHIFT: u8 = 1;
const FORM_SHIFT: u8 = 3;
const KIND_SHIFT: u8 = 5;

/// Redis's data types; the discriminants are the numbers that `DEBUG DIGEST` mixes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    Module = 5,
    Stream = 6,
}

impl Kind {
    const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            1 => Self::List,
            2 => Self::Set,
            3 => Self::Zset,
            4 => Self::Hash,
            5 => Self::Module,
            6 => Self::Stream,
            _ => Self::String,
        }
    }

    /// The name, as `TYPE` answers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            // It has a name of its own: `Slot::type_name`.
            Self::Module => "module",
            Self::Stream => "stream",
        }
    }
}

/// What a record says of its value: the kind, and the two bits of its form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    pub(super) form: u8,
}

// A record is only ever made by `make` below, so the positions that its own header names lie inside of it.
#[inline]
fn key_span(r: &[u8]) -> (usize, usize) {
    let flags = r[0];
    let at = 1 + 8 * usize::from(flags & EXPIRES);
    match (flags >> WIDTH_SHIFT) & 3 {
        0 => (at + 1, usize::from(r[at])),
        1 => (at + 2, usize::from(u16::from_le_bytes([r[at], r[at + 1]]))),
        _ => (at + 4, u32::from_le_bytes([r[at], r[at + 1], r[at + 2], r[at + 3]]) as usize),
    }
}

/// A record of these; the payload comes in parts.
pub(super) fn make(key: &[u8], payload: &[&[u8]], expiry: Option<i64>, mark: Mark) -> Box<[u8]> {
    let width: u8 = match key.len() {
        0..=0xff => 0,
        0x100..=0xffff => 1,
        _ => 2,
    };
    let head = 1 + 8 * usize::from(expiry.is_some()) + (1 << width);
    let mut r = Vec::with_capacity(head + key.len() + payload.iter().map(|v| v.len()).sum::<usize>());
    let flags = u8::from(expiry.is_some()) | (width << WIDTH_SHIFT);
    r.push(flags | (mark.form << FORM_SHIFT) | ((mark.kind as u8) << KIND_SHIFT));
    if let Some(at) = expiry {
        r.extend_from_slice(&at.to_le_bytes());
    }
    // A key is an argument: at most proto-max-bulk-len bytes, far below 4 GB.
    r.extend_from_slice(&(key.len() as u32).to_le_bytes()[..1 << width]);
    r.extend_from_slice(key);
    for part in payload {
        r.extend_from_slice(part);
    }
    r.into_boxed_slice()
}

/// The key.
#[inline]
pub(super) fn key(r: &[u8]) -> &[u8] {
    let (at, len) = key_span(r);
    &r[at..at + len]
}

/// Where the payload begins; it reaches to the end.
#[inline]
pub(super) fn payload_at(r: &[u8]) -> usize {
    let (at, len) = key_span(r);
    at + len
}

/// The kind of the value.
#[inline]
pub(super) fn kind(r: &[u8]) -> Kind {
    Kind::from_bits(r[0] >> KIND_SHIFT)
}

/// The kind and the form of the value.
#[inline]
pub(super) fn mark(r: &[u8]) -> Mark {
    Mark { kind: kind(r), form: (r[0] >> FORM_SHIFT) & 3 }
}

/// Gives the value another form.
#[inline]
pub(super) fn set_form(r: &mut [u8], form: u8) {
    r[0] = (r[0] & !(3 << FORM_SHIFT)) | (form << FORM_SHIFT);
}

/// When the key expires, ms since 1970.
#[inline]
pub(super) fn expiry(r: &[u8]) -> Option<i64> {
    let (flags, rest) = r.split_first()?;
    if flags & EXPIRES == 0 { None } else { rest.first_chunk().map(|at| i64::from_le_bytes(*at)) }
}

/// Gives the key another expiry if that needs no other allocation.
#[inline]
pub(super) fn set_expiry_in_place(r: &mut [u8], expiry: Option<i64>) -> bool {
    match (r[0] & EXPIRES != 0, expiry) {
        (true, Some(at)) => r[1..9].copy_from_slice(&at.to_le_bytes()),
        (false, None) => {}
        _ => return false,
    }
    true
}
