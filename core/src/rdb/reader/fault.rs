//! Errors, with what they stand in.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{ReaderLimits, State};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::{RdbError, shown};
use crate::rdb::item::Magic;
use crate::rdb::kinds;
use crate::rdb::text::Text;

fn name_of(record: &[u8], magic: Magic) -> &'static str {
    let first = record.first().copied().unwrap_or_default();
    if first < 128 { kinds::value_type(magic, first) } else { kinds::opcode(magic, first) }.unwrap_or("record")
}

/// The key of a record that begins with a type, if it is there and readable.
fn key_of(record: &[u8], limits: &ReaderLimits) -> Option<Box<str>> {
    let mut cursor = Cursor::new(record);
    let key = cursor.u8().ok().filter(|&first| first < 128).and_then(|_| Text::take(&mut cursor, limits.whole).ok())?;
    let mut scratch = Vec::new();
    key.bytes(record, &mut scratch).ok().map(shown)
}

/// What a record belongs to, and its key if there is one.
pub(super) type Place = (&'static str, Option<Box<str>>);

/// Where `record` stands; `key` is that of the value under way, `None` if values have none.
#[cold]
pub(super) fn place(
    state: &State,
    record: &[u8],
    magic: Magic,
    number: u8,
    key: Option<&[u8]>,
    limits: &ReaderLimits,
) -> Place {
    match state {
        State::Value(_) | State::EmptyNodes(_) => (kinds::value_type(magic, number).unwrap_or("value"), key.map(shown)),
        State::Aside(_, opcode) => (kinds::opcode(magic, *opcode).unwrap_or("record"), None),
        State::Header | State::Records | State::Done => {
            (name_of(record, magic), key.and_then(|_| key_of(record, limits)))
        }
    }
}

/// The error for a record at `offset` that cannot be taken.
#[cold]
pub(super) fn describe(stop: Stop, record: &[u8], offset: u64, magic: Magic, (name, key): Place) -> RdbError {
    let number = record.first().copied().unwrap_or_default();
    match stop {
        Stop::Need(_) => RdbError::Truncated { record: name, key, offset },
        Stop::Broken(at, flaw) => RdbError::Broken { record: name, key, offset: offset + at as u64, flaw },
        Stop::Unknown => RdbError::Unknown { magic, number, offset },
        Stop::UnsupportedRecord => RdbError::UnsupportedRecord { number, name, why: kinds::why_opcode(number), offset },
        Stop::UnsupportedType => {
            let key = key.unwrap_or_default();
            RdbError::UnsupportedType { number, name, why: kinds::why_type(number), key, offset }
        }
    }
}
