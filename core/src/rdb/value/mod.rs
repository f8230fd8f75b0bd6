//! The values of keys: one file for each way to encode them.
//!
//! A record holds a type, a key and as much of the value as is handed out with the key. What does not fit there goes
//! on as [`Running`], which the reader asks for one item after the other until the value is complete.

mod string;

use alloc::vec::Vec;

use super::cursor::{Cursor, Stop};
use super::error::Flaw;
use super::kinds;
use super::reader::ReaderLimits;
use super::text::Text;
use super::{Item, Value};

use string::LongString;

/// What the record of a key holds of its value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begun {
    /// All of it, a string.
    String(Text),
    /// A string too long to be held whole: its bytes follow.
    LongString(string::Head),
}

/// A value whose parts are still to come.
#[derive(Debug)]
pub(super) enum Running {
    /// The bytes of a long string.
    LongString(LongString),
}

/// Takes the value of type `number`, or its beginning.
#[inline]
pub(super) fn begin(number: u8, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Begun, Stop> {
    match number {
        kinds::STRING => string::begin(cursor, limits),
        _ => Err(Stop::UnsupportedType),
    }
}

impl Begun {
    /// What goes on behind the record, if anything does.
    #[inline]
    pub(super) fn running(self, limits: &ReaderLimits) -> Option<Running> {
        match self {
            Self::String(_) => None,
            Self::LongString(head) => Some(Running::LongString(LongString::new(head, limits))),
        }
    }

    /// The value as it is handed out with the key.
    #[inline]
    pub(super) fn value<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Value<'a>, Stop> {
        match self {
            Self::String(text) => text.bytes(record, scratch).map(Value::String),
            Self::LongString(head) => Ok(Value::LongString(head.len())),
        }
    }
}

impl Running {
    /// Whether all parts were handed out.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::LongString(string) => string.is_done(),
        }
    }

    /// The next part; advances `input` over what it took. `None`: more input is needed.
    pub(super) fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Item<'a>>, Flaw> {
        match self {
            Self::LongString(string) => Ok(string.next(input)?.map(Item::Piece)),
        }
    }
}
