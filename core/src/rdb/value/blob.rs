//! Types 9 to 13, 16, 17, 20, 23 and 25: a collection in one blob.

use alloc::vec::Vec;

use super::Begun;
use crate::rdb::compact::{Compact, Layout};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::item::Kind;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::Text;

/// A blob in its record.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Blob {
    kind: Kind,
    layout: Layout,
    row: u8,
    text: Text,
}

/// Takes a blob. An empty one is known by its length.
#[inline]
pub(super) fn begin(number: u8, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Begun, Stop> {
    let (kind, layout, row) = match number {
        9 => (Kind::Hash, Layout::Zipmap, 2),
        10 => (Kind::List, Layout::Ziplist, 1),
        11 => (Kind::Set, Layout::Intset, 1),
        12 => (Kind::Zset, Layout::Ziplist, 2),
        13 => (Kind::Hash, Layout::Ziplist, 2),
        16 => (Kind::Hash, Layout::Listpack, 2),
        17 => (Kind::Zset, Layout::Listpack, 2),
        20 => (Kind::Set, Layout::Listpack, 1),
        _ => (Kind::Hash, Layout::Listpack, 3),
    };
    if number == 25 {
        // The smallest expiry, which the rows tell as well.
        cursor.array::<8>()?;
    }
    let blob = Blob { kind, layout, row, text: Text::take(cursor, limits.whole)? };
    if blob.text.len().is_some() && blob.text.len() == Compact::empty_len(layout) {
        return blob.compact(cursor.bytes(), &mut Vec::new()).map(|_| Begun::Empty);
    }
    Ok(Begun::Blob(blob))
}

impl Blob {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The blob, checked.
    #[inline]
    pub(super) fn compact<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Compact<'a>, Stop> {
        let bytes = self.text.bytes(record, scratch)?;
        let compact = Compact::check(self.layout, bytes, self.row.into()).map_err(|e| self.text.broken(e))?;
        if self.row == 3 {
            compact.check_expiries().map_err(|e| self.text.broken(e))?;
        }
        Ok(compact)
    }
}
