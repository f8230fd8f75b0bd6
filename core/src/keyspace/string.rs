//! Strings: how a slot holds, reads and writes one.

use alloc::borrow::Cow;

use bytes::Bytes;

use super::entry::{SMALL_MAX, Slot, Value};
use super::record::{self, Kind, Mark};
use super::value::{CHUNK, Chunked};
use crate::resp::{Reply, parse_i64};

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

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Raw => 1,
            Self::Text => 2,
        }
    }

    const fn mark(self) -> Mark {
        Mark { kind: Kind::String, form: self.bits() }
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

impl Slot {
    /// A string under `key`.
    pub(super) fn of_string(key: &[u8], value: New<'_>, expiry: Option<i64>, form: Form) -> Self {
        let chunked = match value {
            New::Flat(bytes) if bytes.len() <= SMALL_MAX => {
                return Self::Small(record::make(key, &[bytes], expiry, form.mark()));
            }
            New::Flat(bytes) => Chunked::new(bytes),
            New::Pieces(pieces) if value.len() <= SMALL_MAX => {
                return Self::Small(record::make(key, &[&pieces.concat()], expiry, form.mark()));
            }
            New::Pieces(pieces) => Chunked::from_pieces(pieces),
        };
        Self::long(key, chunked, expiry, form)
    }

    /// A long string under `key`, in chunks whatever its length.
    pub(super) fn long(key: &[u8], value: Chunked, expiry: Option<i64>, form: Form) -> Self {
        Self::large(key, Value::Long(value), expiry, form.bits())
    }

    /// Its value if it is a string.
    #[inline]
    pub(super) fn string(&self) -> Option<Str<'_>> {
        match self {
            Self::Small(_) => self.payload(Kind::String).map(Str::Flat),
            Self::Large(large) => match &large.value {
                Value::Long(chunked) => Some(Str::Long(chunked)),
                _ => None,
            },
        }
    }

    fn form(&self) -> Form {
        Form::from_bits(self.mark().form)
    }

    /// What `OBJECT ENCODING` answers for a string: up to 44 bytes are `embstr`, integers `int` (Redis since 3.2).
    pub(super) fn string_encoding(&self) -> &'static str {
        const EMBSTR_MAX: usize = 44;
        let Some(Str::Flat(bytes)) = self.string() else { return "raw" };
        match self.form() {
            Form::Raw => "raw",
            Form::Auto if parse_i64(bytes).is_some() => "int",
            _ if bytes.len() <= EMBSTR_MAX => "embstr",
            _ => "raw",
        }
    }

    /// Overwrites a string in place; `false`, and nothing done, if it needs another allocation or was no string.
    #[inline]
    pub(super) fn overwrite(&mut self, value: &[u8], expiry: Option<i64>, form: Form) -> bool {
        let Self::Small(r) = self else { return false };
        if r.is_empty() || record::kind(r) != Kind::String {
            return false;
        }
        let at = record::payload_at(r);
        if r.len() - at != value.len() || !record::set_expiry_in_place(r, expiry) {
            return false;
        }
        record::set_form(r, form.bits());
        r[at..].copy_from_slice(value);
        true
    }

    /// The string with `bytes` from `at` on, after zeros if it ends before; afterwards it is `raw`. Nothing is done to
    /// other types.
    pub(super) fn write_at(&mut self, at: usize, bytes: &[u8]) {
        const ZEROS: [u8; SMALL_MAX] = [0; SMALL_MAX];
        let expiry = self.expiry();
        let r = match self {
            Self::Large(large) => {
                if let Value::Long(chunked) = &mut large.value {
                    large.form = Form::Raw.bits();
                    chunked.overwrite(at, bytes);
                }
                return;
            }
            Self::Small(r) if r.is_empty() || record::kind(r) != Kind::String => return,
            Self::Small(r) => r,
        };
        let from = record::payload_at(r);
        let (len, end) = (r.len() - from, at + bytes.len());
        if end <= len {
            record::set_form(r, Form::Raw.bits());
            return r[from + at..from + end].copy_from_slice(bytes);
        }
        let (key, old) = (record::key(r), &r[from..from + len.min(at)]);
        *self = if end <= SMALL_MAX {
            Self::Small(record::make(key, &[old, &ZEROS[..at - old.len()], bytes], expiry, Form::Raw.mark()))
        } else {
            let mut chunked = Chunked::new(old);
            chunked.overwrite(at, bytes);
            Self::long(key, chunked, expiry, Form::Raw)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    fn text(slot: &Slot) -> Cow<'_, [u8]> {
        slot.string().map(Str::flat).unwrap_or_default()
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
