//! One key with its expiry and its value: what a slot of the table holds.
//!
//! A small string is one allocation:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | flags: bit 0 an expiry follows; bits 1–2 width of the key length (1, 2, 4 bytes); bits 3–4 [`Form`]; bits 5–7 kind of the value (0: string) |
//! | 0 or 8 | expiry, ms since 1970, little endian |
//! | 1, 2 or 4 | length of the key, little endian |
//! | … | the key, then the value |

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::value::{CHUNK, Chunked};
use crate::resp::{Reply, parse_i64};

/// Values longer than this live in chunks, in bytes.
pub(super) const SMALL_MAX: usize = 8 * 1024;

const EXPIRES: u8 = 1;
const WIDTH_SHIFT: u8 = 1;
const FORM_SHIFT: u8 = 3;

/// What `OBJECT ENCODING` would not know from the bytes alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Form {
    /// As Redis encodes an argument: `int`, `embstr` or `raw`.
    #[default]
    Auto,
    /// Written in place (`APPEND`, `SETRANGE`): `raw` whatever its length.
    Raw,
    /// Made by `INCRBYFLOAT`: a string though it may spell an integer.
    Text,
}

impl Form {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            1 => Self::Raw,
            2 => Self::Text,
            _ => Self::Auto,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Raw => 1,
            Self::Text => 2,
        }
    }
}

/// A value to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum New<'a> {
    /// Its bytes.
    Flat(&'a [u8]),
    /// Its bytes in pieces, shared where they have a chunk's size.
    Pieces(&'a [Bytes]),
}

impl New<'_> {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Flat(bytes) => bytes.len(),
            Self::Pieces(pieces) => pieces.iter().map(Bytes::len).sum(),
        }
    }
}

/// A value of some type that is too large for a small record.
#[derive(Debug)]
pub(super) enum Value {
    /// A long string.
    Long(Chunked),
}

/// A key whose value lives in an allocation of its own.
#[derive(Debug)]
pub(super) struct Large {
    key: Box<[u8]>,
    expiry: Option<i64>,
    form: Form,
    value: Value,
}

/// The bytes of a stored string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Str<'a> {
    /// In one piece.
    Flat(&'a [u8]),
    /// In chunks.
    Long(&'a Chunked),
}

impl<'a> Str<'a> {
    /// Its length in bytes.
    #[inline]
    pub(super) fn len(self) -> usize {
        match self {
            Self::Flat(bytes) => bytes.len(),
            Self::Long(chunked) => chunked.len(),
        }
    }

    /// In one piece, copied if it is in several chunks.
    pub(super) fn flat(self) -> Cow<'a, [u8]> {
        match self {
            Self::Flat(bytes) => Cow::Borrowed(bytes),
            Self::Long(chunked) => match chunked.chunks() {
                [only] => Cow::Borrowed(only),
                chunks => Cow::Owned(chunks.concat()),
            },
        }
    }

    /// Bytes `from..to` in their pieces, as far as they are there; nothing is copied.
    pub(super) fn slices(self, from: usize, to: usize) -> impl Iterator<Item = &'a [u8]> {
        let (flat, chunks) = match self {
            Self::Flat(bytes) => (bytes.get(from..to.min(bytes.len())), &[][..]),
            Self::Long(chunked) => (None, chunked.chunks()),
        };
        let first = from / CHUNK;
        let here = chunks.get(first..to.div_ceil(CHUNK).min(chunks.len())).unwrap_or_default();
        let inside = here.iter().enumerate().map(move |(i, chunk)| {
            let at = (first + i) * CHUNK;
            chunk.get(from.max(at) - at..(to - at).min(chunk.len())).unwrap_or_default()
        });
        flat.into_iter().chain(inside).filter(|slice| !slice.is_empty())
    }

    /// The byte at `at`; 0 past the end.
    #[inline]
    pub(super) fn byte(self, at: usize) -> u8 {
        match self {
            Self::Flat(bytes) => bytes.get(at),
            Self::Long(chunked) => chunked.chunks().get(at / CHUNK).and_then(|chunk| chunk.get(at % CHUNK)),
        }
        .copied()
        .unwrap_or(0)
    }

    /// The whole as a bulk reply.
    #[inline]
    pub(super) fn reply(self, reply: &mut Reply<'_>) {
        match self {
            Self::Flat(bytes) => reply.bulk(bytes),
            Self::Long(chunked) => reply.bulk_shared(chunked.chunks()),
        }
    }

    /// Bytes `from..to` as a bulk reply; `from <= to <= len`.
    pub(super) fn reply_range(self, from: usize, to: usize, reply: &mut Reply<'_>) {
        match self {
            Self::Flat(bytes) => reply.bulk(bytes.get(from..to).unwrap_or_default()),
            Self::Long(chunked) => reply.bulk_shared(&chunked.range(from, to)),
        }
    }
}

/// A slot of the table: empty, or one key. 16 bytes.
#[derive(Debug)]
pub(super) enum Slot {
    /// A small record; an empty box is an empty slot.
    Small(Box<[u8]>),
    /// Anything else.
    Large(Box<Large>),
}

impl Default for Slot {
    #[inline]
    fn default() -> Self {
        Self::Small(Box::default())
    }
}

// A record is only ever made by `record` below, so the positions that its own header names lie inside of it.
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

#[inline]
fn value_at(r: &[u8]) -> usize {
    let (at, len) = key_span(r);
    at + len
}

fn record(key: &[u8], value: &[&[u8]], expiry: Option<i64>, form: Form) -> Box<[u8]> {
    let width: u8 = match key.len() {
        0..=0xff => 0,
        0x100..=0xffff => 1,
        _ => 2,
    };
    let head = 1 + 8 * usize::from(expiry.is_some()) + (1 << width);
    let mut r = Vec::with_capacity(head + key.len() + value.iter().map(|v| v.len()).sum::<usize>());
    r.push(u8::from(expiry.is_some()) | (width << WIDTH_SHIFT) | (form.bits() << FORM_SHIFT));
    if let Some(at) = expiry {
        r.extend_from_slice(&at.to_le_bytes());
    }
    // A key is an argument: at most proto-max-bulk-len bytes, far below 4 GB.
    r.extend_from_slice(&(key.len() as u32).to_le_bytes()[..1 << width]);
    r.extend_from_slice(key);
    for part in value {
        r.extend_from_slice(part);
    }
    r.into_boxed_slice()
}

impl Slot {
    /// A string under `key`.
    pub(super) fn of_string(key: &[u8], value: New<'_>, expiry: Option<i64>, form: Form) -> Self {
        let chunked = match value {
            New::Flat(bytes) if bytes.len() <= SMALL_MAX => return Self::Small(record(key, &[bytes], expiry, form)),
            New::Flat(bytes) => Chunked::new(bytes),
            New::Pieces(pieces) if value.len() <= SMALL_MAX => {
                return Self::Small(record(key, &[&pieces.concat()], expiry, form));
            }
            New::Pieces(pieces) => Chunked::from_pieces(pieces),
        };
        Self::long(key, chunked, expiry, form)
    }

    /// A long string under `key`, in chunks whatever its length.
    pub(super) fn long(key: &[u8], value: Chunked, expiry: Option<i64>, form: Form) -> Self {
        Self::Large(Box::new(Large { key: key.into(), expiry, form, value: Value::Long(value) }))
    }

    /// Whether no key is here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Small(r) if r.is_empty())
    }

    /// The key; empty in an empty slot.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Small(r) if r.is_empty() => &[],
            Self::Small(r) => {
                let (at, len) = key_span(r);
                &r[at..at + len]
            }
            Self::Large(large) => &large.key,
        }
    }

    /// When the key expires, ms since 1970.
    #[inline]
    pub(super) fn expiry(&self) -> Option<i64> {
        match self {
            Self::Small(r) => {
                let (flags, rest) = r.split_first()?;
                if flags & EXPIRES == 0 { None } else { rest.first_chunk().map(|at| i64::from_le_bytes(*at)) }
            }
            Self::Large(large) => large.expiry,
        }
    }

    /// Gives the key another expiry, or none.
    pub(super) fn set_expiry(&mut self, expiry: Option<i64>) {
        match self {
            Self::Small(r) if r.is_empty() => {}
            Self::Small(r) => match (r[0] & EXPIRES != 0, expiry) {
                (true, Some(at)) => r[1..9].copy_from_slice(&at.to_le_bytes()),
                (false, None) => {}
                _ => {
                    let (at, len) = key_span(r);
                    let form = Form::from_bits(r[0] >> FORM_SHIFT);
                    *r = record(&r[at..at + len], &[&r[at + len..]], expiry, form);
                }
            },
            Self::Large(large) => large.expiry = expiry,
        }
    }

    fn form(&self) -> Form {
        match self {
            Self::Small(r) => r.first().map_or(Form::Auto, |flags| Form::from_bits(flags >> FORM_SHIFT)),
            Self::Large(large) => large.form,
        }
    }

    /// Its value if it is a string.
    #[inline]
    pub(super) fn string(&self) -> Option<Str<'_>> {
        match self {
            Self::Small(r) if r.is_empty() => None,
            Self::Small(r) => Some(Str::Flat(&r[value_at(r)..])),
            Self::Large(large) => match &large.value {
                Value::Long(chunked) => Some(Str::Long(chunked)),
            },
        }
    }

    /// The name of its type, as `TYPE` answers.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Small(_) => "string",
            Self::Large(large) => match large.value {
                Value::Long(_) => "string",
            },
        }
    }

    /// The number of its type that `DEBUG DIGEST` mixes in.
    pub(super) fn type_number(&self) -> u32 {
        match self {
            Self::Small(_) => 0,
            Self::Large(large) => match large.value {
                Value::Long(_) => 0,
            },
        }
    }

    /// What `OBJECT ENCODING` answers: strings of up to 44 bytes are `embstr`, integers `int` (Redis since 3.2).
    pub(super) fn encoding(&self) -> &'static str {
        const EMBSTR_MAX: usize = 44;
        let Some(Str::Flat(bytes)) = self.string() else { return "raw" };
        match self.form() {
            Form::Raw => "raw",
            Form::Auto if parse_i64(bytes).is_some() => "int",
            _ if bytes.len() <= EMBSTR_MAX => "embstr",
            _ => "raw",
        }
    }

    /// Overwrites the value in place; `false`, and nothing done, if it needs another allocation.
    #[inline]
    pub(super) fn overwrite(&mut self, value: &[u8], expiry: Option<i64>, form: Form) -> bool {
        let Self::Small(r) = self else { return false };
        if r.is_empty() || (r[0] & EXPIRES != 0) != expiry.is_some() {
            return false;
        }
        let at = value_at(r);
        if r.len() - at != value.len() {
            return false;
        }
        r[0] = (r[0] & !(3 << FORM_SHIFT)) | (form.bits() << FORM_SHIFT);
        if let Some(at) = expiry {
            r[1..9].copy_from_slice(&at.to_le_bytes());
        }
        r[at..].copy_from_slice(value);
        true
    }

    /// The string with `bytes` from `at` on, after zeros if it ends before; afterwards it is `raw`.
    pub(super) fn write_at(&mut self, at: usize, bytes: &[u8]) {
        const ZEROS: [u8; SMALL_MAX] = [0; SMALL_MAX];
        let expiry = self.expiry();
        let r = match self {
            Self::Large(large) => {
                large.form = Form::Raw;
                let Value::Long(chunked) = &mut large.value;
                return chunked.overwrite(at, bytes);
            }
            Self::Small(r) if r.is_empty() => return,
            Self::Small(r) => r,
        };
        let from = value_at(r);
        let (len, end) = (r.len() - from, at + bytes.len());
        if end <= len {
            r[0] = (r[0] & !(3 << FORM_SHIFT)) | (Form::Raw.bits() << FORM_SHIFT);
            return r[from + at..from + end].copy_from_slice(bytes);
        }
        let (key_at, key_len) = key_span(r);
        let (key, old) = (&r[key_at..key_at + key_len], &r[from..from + len.min(at)]);
        *self = if end <= SMALL_MAX {
            Self::Small(record(key, &[old, &ZEROS[..at - old.len()], bytes], expiry, Form::Raw))
        } else {
            let mut chunked = Chunked::new(old);
            chunked.overwrite(at, bytes);
            Self::long(key, chunked, expiry, Form::Raw)
        };
    }

    /// The same value under another key and expiry; long values share their chunks.
    pub(super) fn copy_as(&self, key: &[u8], expiry: Option<i64>) -> Self {
        match self.string() {
            Some(Str::Flat(bytes)) => Self::of_string(key, New::Flat(bytes), expiry, self.form()),
            Some(Str::Long(chunked)) => Self::long(key, Chunked::from_pieces(chunked.chunks()), expiry, self.form()),
            None => Self::default(),
        }
    }

    /// The same value under another key; nothing of a long value is copied.
    pub(super) fn rename(self, key: &[u8]) -> Self {
        match self {
            Self::Large(mut large) => {
                large.key = key.into();
                Self::Large(large)
            }
            Self::Small(_) => self.copy_as(key, self.expiry()),
        }
    }

    /// Memory in bytes beside the slot itself, with an allocator's usual rounding.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Small(r) => allocated(r.len()),
            Self::Large(large) => {
                let Value::Long(chunked) = &large.value;
                allocated(size_of::<Large>()) + allocated(large.key.len()) + chunked.memory()
            }
        }
    }

    /// Reads a byte of each cache line or so: a loop of these waits for memory once for many entries, not for one after
    /// the other. The result means nothing and goes into `black_box`.
    #[inline]
    pub(super) fn warm(&self) -> u8 {
        match self {
            Self::Small(r) => r.iter().step_by(64).take(8).fold(0, |sum, byte| sum ^ byte),
            Self::Large(large) => large.key.first().copied().unwrap_or(0),
        }
    }

    /// Whether freeing it at once could stall the node.
    pub(super) fn is_heavy(&self) -> bool {
        matches!(self, Self::Large(large) if matches!(&large.value, Value::Long(c) if c.chunks().len() > 16))
    }

    /// Frees a part of a heavy value; whether anything is left.
    pub(super) fn dismantle(&mut self) -> bool {
        match self {
            Self::Small(_) => false,
            Self::Large(large) => {
                let Value::Long(chunked) = &mut large.value;
                chunked.dismantle(16) > 0
            }
        }
    }
}

/// What an allocation of `len` bytes takes from the heap, about.
#[inline]
pub(super) const fn allocated(len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    let size = (len + 8).next_multiple_of(16);
    if size < 32 { 32 } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn text(slot: &Slot) -> Cow<'_, [u8]> {
        slot.string().map(Str::flat).unwrap_or_default()
    }

    #[test]
    fn a_slot_is_two_words() {
        assert_eq!(size_of::<Slot>(), 16);
        assert!(Slot::default().is_empty());
    }

    quickcheck! {
        fn a_record_gives_back_what_it_was_made_of(key: Vec<u8>, value: Vec<u8>, expiry: Option<i64>, again: Option<i64>) -> bool {
            let mut slot = Slot::of_string(&key, New::Flat(&value), expiry, Form::Raw);
            let made = (slot.key() == key, text(&slot)[..] == value[..], slot.expiry() == expiry);
            slot.set_expiry(again);
            made == (true, true, true)
                && (slot.key(), &text(&slot)[..], slot.expiry(), slot.form())
                    == (&key[..], &value[..], again, Form::Raw)
                && !slot.is_empty()
        }

        fn writes_inside_and_beyond(value: Vec<u8>, at: u16, bytes: Vec<u8>, long: bool) -> bool {
            let at = usize::from(at) % 12_000;
            let mut slot = if long {
                Slot::long(b"k", Chunked::new(&value), Some(5), Form::Auto)
            } else {
                Slot::of_string(b"k", New::Flat(&value), Some(5), Form::Auto)
            };
            slot.write_at(at, &bytes);
            let mut want = value;
            want.resize(want.len().max(at + bytes.len()), 0);
            want[at..at + bytes.len()].copy_from_slice(&bytes);
            text(&slot)[..] == want[..] && slot.key() == b"k" && slot.expiry() == Some(5)
                && slot.encoding() == "raw"
        }
    }

    #[test]
    fn slices_and_bytes_of_long_strings() {
        let whole: Vec<u8> = (0..3 * CHUNK as u32 - 7).map(|n| (n % 251) as u8).collect();
        let chunked = Chunked::new(&whole);
        for text in [Str::Flat(&whole), Str::Long(&chunked)] {
            for (from, to) in [(0, 0), (0, CHUNK), (5, CHUNK + 1), (CHUNK - 1, usize::MAX), (CHUNK, 2 * CHUNK)] {
                assert_eq!(text.slices(from, to).collect::<Vec<_>>().concat(), whole[from..to.min(whole.len())]);
            }
            assert_eq!(
                text.slices(whole.len() + 1, usize::MAX).count() + text.slices(9 * CHUNK, usize::MAX).count(),
                0
            );
            assert_eq!((text.byte(CHUNK + 3), text.byte(whole.len())), (whole[CHUNK + 3], 0));
        }
    }

    #[test]
    fn long_keys_and_every_width() {
        for n in [0usize, 1, 255, 256, 65_535, 65_536] {
            let key = std::vec![b'k'; n];
            let slot = Slot::of_string(&key, New::Flat(b"v"), None, Form::Auto);
            assert_eq!((slot.key().len(), &text(&slot)[..]), (n, &b"v"[..]));
        }
    }

    #[test]
    fn encodings() {
        let of = |v: &[u8], form| Slot::of_string(b"k", New::Flat(v), None, form).encoding();
        assert_eq!(of(b"12", Form::Auto), "int");
        assert_eq!(of(b"9223372036854775808", Form::Auto), "embstr");
        assert_eq!(of(b"012", Form::Auto), "embstr");
        assert_eq!(of(&[b'a'; 44], Form::Auto), "embstr");
        assert_eq!(of(&[b'a'; 45], Form::Auto), "raw");
        assert_eq!(of(b"12", Form::Raw), "raw");
        assert_eq!(of(b"12", Form::Text), "embstr");
    }

    #[test]
    fn the_same_length_needs_no_allocation() {
        let mut slot = Slot::of_string(b"k", New::Flat(b"abc"), Some(1), Form::Auto);
        assert!(slot.overwrite(b"xyz", Some(2), Form::Auto));
        assert_eq!((&text(&slot)[..], slot.expiry()), (&b"xyz"[..], Some(2)));
        assert!(!slot.overwrite(b"xyz", None, Form::Auto) && !slot.overwrite(b"xy", Some(2), Form::Auto));
    }
}
