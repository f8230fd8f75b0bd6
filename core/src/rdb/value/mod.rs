//! The values of keys: one file for each way to encode them.
//!
//! A record holds a type, a key and as much of the value as is handed out with the key. What does not fit there goes
//! on as [`Running`], record by record, until the value is complete. Nothing is noted before a record is whole: one
//! that the input cuts is taken again from its beginning.

mod array;
mod blob;
mod list;
mod module;
mod part;
mod quick;
mod rows;
mod stream;
mod string;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Value;
use super::cursor::{Cursor, Stop};
use super::item::{Kind, Magic, ModuleId};
use super::kinds;
use super::reader::ReaderLimits;
use super::template::Templates;
use super::text::{Head, Text};

use string::LongString;

pub(super) use list::{First, Quicklist};
pub(super) use module::Ops;
pub(super) use part::{Part, Scratch};
pub(super) use quick::{Plain, Quick, plain};

/// What the record of a key holds of its value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begun {
    /// All of it, a string.
    String(Text),
    /// A string too long to be held whole: its bytes follow.
    LongString(Head),
    /// All of it, a blob.
    Blob(blob::Blob),
    /// All of it, a listpack of a template's id and the values of its fields.
    Templated(Text),
    /// The number of its elements.
    Rows(rows::Rows),
    /// The nodes of a list, up to the head of the first that is not empty.
    List(Quicklist),
    /// The number of a stream's nodes.
    Stream(stream::Nodes),
    /// What is before an array's elements.
    Array(array::Array),
    /// Which module's it is.
    Module(ModuleId),
    /// It has no elements: there is no such key.
    Empty,
    /// A list whose nodes were all empty so far.
    EmptyNodes(Quicklist),
}

/// Takes the value of type `number`, or its beginning.
#[inline]
pub(super) fn begin(
    number: u8,
    magic: Magic,
    cursor: &mut Cursor<'_>,
    limits: &ReaderLimits,
    templates: &Templates,
) -> Result<Begun, Stop> {
    match number {
        kinds::STRING | 34 => string::begin(cursor, limits),
        1..=5 | 22 | 24 => rows::begin(number, magic, cursor),
        32 => rows::begin_templated(cursor, templates),
        7 => cursor.len().map(|id| Begun::Module(ModuleId(id))),
        9..=13 | 16 | 17 | 20 | 25 => blob::begin(number, cursor, limits),
        23 if magic == Magic::Redis => blob::begin(number, cursor, limits),
        14 | 18 => list::begin(number, cursor, limits),
        15 | 19 | 21 | 26 | 27 => cursor.len().map(|nodes| Begun::Stream(stream::Nodes { number, nodes })),
        28 => array::begin(cursor),
        30 => Text::take(cursor, limits.whole).map(Begun::Templated),
        _ => Err(Stop::UnsupportedType),
    }
}

impl Begun {
    /// What goes on behind the record, if anything does.
    #[inline]
    pub(super) fn running(self, limits: &ReaderLimits) -> Option<Running> {
        let what = match self {
            Self::String(_) | Self::Blob(_) | Self::Templated(_) | Self::Empty | Self::EmptyNodes(_) => return None,
            Self::LongString(head) => {
                return Some(Running { what: What::String, long: Some(LongString::new(head, limits)) });
            }
            Self::Rows(rows) => What::Rows(rows),
            Self::List(list) => What::List(list),
            Self::Stream(nodes) => What::Stream(Box::new(stream::Stream::new(nodes))),
            Self::Array(array) => What::Array(array),
            Self::Module(_) => What::Module(Ops),
        };
        Some(Running { what, long: None })
    }

    /// The value as it is handed out with the key.
    #[inline]
    pub(super) fn value<'a>(
        self,
        record: &'a [u8],
        scratch: &'a mut Vec<u8>,
        templates: &'a mut Templates,
    ) -> Result<Value<'a>, Stop> {
        Ok(match self {
            Self::String(text) => Value::String(text.bytes(record, scratch)?),
            Self::LongString(head) => Value::LongString(head.len()),
            Self::Blob(blob) => Value::Compact(blob.kind(), blob.compact(record, scratch)?),
            Self::Templated(text) => {
                let blob = text.bytes(record, scratch)?;
                Value::Compact(Kind::Hash, templates.compose(blob).map_err(|flaw| text.broken(flaw))?)
            }
            Self::Rows(rows) => Value::Elements(rows.kind(), rows.left()),
            Self::List(list) | Self::EmptyNodes(list) => Value::Elements(Kind::List, list.left()),
            Self::Stream(_) => Value::Stream,
            Self::Array(array) => Value::Array { len: array.left(), next_insert: array.next_insert() },
            Self::Module(id) => Value::Module(id),
            // The reader hands out no key for it.
            Self::Empty => Value::Elements(Kind::List, 0),
        })
    }
}

/// A value whose parts are still to come.
#[derive(Debug)]
pub(super) struct Running {
    what: What,
    /// The long string that was begun last, the value itself or an element, until its end was told.
    long: Option<LongString>,
}

#[derive(Debug)]
enum What {
    String,
    Rows(rows::Rows),
    List(Quicklist),
    Stream(Box<stream::Stream>),
    Array(array::Array),
    Module(Ops),
}

impl Running {
    /// The next part. While the value is skipped (`skip`), long strings are not unpacked.
    #[inline]
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits, skip: bool) -> Result<Part, Stop> {
        if self.long.is_some() {
            return self.long(cursor, skip);
        }
        let part = match &mut self.what {
            What::String => Part::End,
            What::Rows(rows) => rows.take(cursor, limits)?,
            What::List(list) => list.take(cursor, limits)?,
            What::Stream(stream) => stream.take(cursor, limits)?,
            What::Array(array) => array.take(cursor, limits)?,
            What::Module(ops) => ops.take(cursor, limits)?,
        };
        if let Part::LongMember(head) | Part::LongField { head, .. } = part {
            self.long = Some(LongString::new(head, limits));
        }
        Ok(part)
    }

    /// The next part by the short way, if it takes it: advances `input` then.
    #[inline]
    pub(super) fn quick<'i>(&mut self, input: &mut &'i [u8], limits: &ReaderLimits) -> Option<Quick<'i>> {
        match (&self.long, &mut self.what) {
            (None, What::Rows(rows)) => rows.quick(input, limits),
            _ => None,
        }
    }

    /// The next piece of the long string, or its end.
    fn long(&mut self, cursor: &mut Cursor<'_>, skip: bool) -> Result<Part, Stop> {
        match &mut self.long {
            Some(long) if !long.is_done() => return long.take(cursor, skip),
            _ => {}
        }
        let part = match &self.what {
            What::String => Part::End,
            What::Rows(rows) => Part::ElementEnd(rows.expiry_behind(cursor)?),
            _ => Part::ElementEnd(None),
        };
        self.long = None;
        Ok(part)
    }

    /// The piece that was unpacked last.
    pub(super) fn unpacked(&self) -> &[u8] {
        self.long.as_ref().map(LongString::unpacked).unwrap_or_default()
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.long.as_ref().map_or(0, LongString::memory)
    }
}

#[cfg(test)]
mod tests;
