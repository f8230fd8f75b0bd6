//! Type 28: an array, elements by index.

use alloc::vec::Vec;

use super::{Begun, Part};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::Text;
use crate::resp::{decimal_i64, shortest};

/// The longest string of the short form, bytes.
const SHORT: usize = 7;

/// Elements that are still to come.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Array {
    left: u64,
    next_insert: Option<u64>,
    /// The lowest index that the next one may have.
    floor: u64,
}

/// An element.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Content {
    Text(Text),
    Int(i64),
    Double(f64),
}

/// Takes the number of elements (an array of none is unsound), and where the last one was inserted.
pub(super) fn begin(cursor: &mut Cursor<'_>) -> Result<Begun, Stop> {
    let at = cursor.at();
    let left = cursor.len()?;
    if left == 0 {
        return Err(Stop::Broken(at, Flaw::Empty("array")));
    }
    let at = cursor.at();
    let next_insert = match cursor.len()? {
        0 => None,
        1 => cursor.len()?.checked_add(1),
        number => return Err(Stop::Broken(at, Flaw::Form { what: "flag of an array", number })),
    };
    Ok(Begun::Array(Array { left, next_insert, floor: 0 }))
}

impl Array {
    /// How many elements are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Where the next element would be inserted.
    pub(super) fn next_insert(&self) -> Option<u64> {
        self.next_insert
    }

    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.left == 0 {
            return Ok(Part::End);
        }
        let at = cursor.at();
        let index = cursor.len()?;
        let floor = index.checked_add(1).filter(|_| index >= self.floor).ok_or(Stop::Broken(at, Flaw::Index(index)))?;
        let at = cursor.at();
        let content = match cursor.len()? {
            0 => Content::Text(Text::take(cursor, limits.whole)?),
            1 => Content::Int(i64::from_le_bytes(cursor.array()?)),
            2 => Content::Double(f64::from_le_bytes(cursor.array()?)),
            3 => Content::Text(Text::take(cursor, limits.whole.min(SHORT))?),
            number => return Err(Stop::Broken(at, Flaw::Form { what: "tag of an array's element", number })),
        };
        self.left -= 1;
        self.floor = floor;
        Ok(Part::ArrayItem { index, content })
    }
}

impl Content {
    pub(super) fn bytes<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Stop> {
        match self {
            Self::Text(text) => return text.bytes(record, scratch),
            Self::Int(n) => {
                scratch.clear();
                scratch.extend_from_slice(decimal_i64(&mut [0; 20], n));
            }
            Self::Double(n) => {
                scratch.clear();
                scratch.extend_from_slice(shortest(n).as_bytes());
            }
        }
        Ok(scratch)
    }
}
