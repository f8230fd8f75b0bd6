//! Blobs of many small values: listpacks, ziplists, intsets and zipmaps, checked once and then walked without errors.

mod error;
mod intset;
mod listpack;
mod owned;
mod scalar;
mod stream;
#[cfg(test)]
mod tests;
mod write;
mod ziplist;
mod zipmap;

pub use error::CompactError;
pub use owned::{CompactBuf, StreamNodeBuf};
pub use scalar::Scalar;
pub(super) use scalar::number;
pub use stream::{StreamEntries, StreamEntry, StreamFields, StreamNode};
pub use write::ListpackWriter;

/// The greatest expiry of a field, wall-clock ms since 1970.
pub(super) const EXPIRY_MAX: u64 = (1 << 48) - 1;

/// How the values of a blob are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Layout {
    /// Redis >= 5 in streams, >= 7.0 elsewhere.
    Listpack,
    /// Up to Redis 6.2.
    Ziplist,
    /// Sorted integers of one width.
    Intset,
    /// Up to Redis 2.4.
    Zipmap,
}

/// A blob whose every value was checked to lie inside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compact<'a> {
    layout: Layout,
    blob: &'a [u8],
    len: usize,
    row: usize,
}

impl<'a> Compact<'a> {
    /// Checks a listpack of rows of `row` values (at least one): total and terminator, that every value lies inside,
    /// back-lengths, the count unless it says "unknown", whole rows. It may be empty.
    ///
    /// Servers write the back-length of three sizes in two ways; both are taken.
    pub fn from_listpack(blob: &'a [u8], row: usize) -> Result<Self, CompactError> {
        Self::new(Layout::Listpack, blob, listpack::check(blob)?, row)
    }

    /// Checks a ziplist of rows of `row` values: total, tail and terminator, that every value lies inside, the size
    /// before each, the count unless it says "unknown", whole rows. It may be empty.
    pub(super) fn from_ziplist(blob: &'a [u8], row: usize) -> Result<Self, CompactError> {
        Self::new(Layout::Ziplist, blob, ziplist::check(blob)?, row)
    }

    /// Checks an intset: width, size, and that its members ascend. It is not empty.
    pub(super) fn from_intset(blob: &'a [u8]) -> Result<Self, CompactError> {
        Self::new(Layout::Intset, blob, intset::check(blob)?, 1)
    }

    /// Checks a zipmap: terminator, that every pair lies inside, the count unless it says "unknown", lengths in their
    /// short form where it does. It is not empty.
    pub(super) fn from_zipmap(blob: &'a [u8]) -> Result<Self, CompactError> {
        Self::new(Layout::Zipmap, blob, zipmap::check(blob)?, 2)
    }

    /// Checks a blob of this layout; intsets and zipmaps have rows of their own.
    #[inline]
    pub(super) fn check(layout: Layout, blob: &'a [u8], row: usize) -> Result<Self, CompactError> {
        match layout {
            Layout::Listpack => Self::from_listpack(blob, row),
            Layout::Ziplist => Self::from_ziplist(blob, row),
            Layout::Intset => Self::from_intset(blob),
            Layout::Zipmap => Self::from_zipmap(blob),
        }
    }

    #[inline]
    fn new(layout: Layout, blob: &'a [u8], len: usize, row: usize) -> Result<Self, CompactError> {
        if len.checked_rem(row) != Some(0) {
            return Err(CompactError::Rows { len, row });
        }
        Ok(Self { layout, blob, len, row })
    }

    /// Checks that the third value of each row is an expiry: an integer from 0 (never) to 2^48 - 1.
    pub(super) fn check_expiries(&self) -> Result<(), CompactError> {
        for (at, value) in self.iter().enumerate().skip(2).step_by(3) {
            match value {
                Scalar::Int(0..=0xffff_ffff_ffff) => {}
                _ => return Err(CompactError::Expiry { at }),
            }
        }
        Ok(())
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values make a row; [`Compact::len`] is a multiple of it.
    #[inline]
    pub fn row(&self) -> usize {
        self.row
    }

    /// How many rows there are: members, pairs, fields.
    #[inline]
    pub fn rows(&self) -> usize {
        self.len / self.row.max(1)
    }

    /// How the values are laid out.
    #[inline]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The blob as it is.
    #[inline]
    pub fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// The values, in order.
    #[inline]
    pub fn iter(&self) -> Scalars<'a> {
        let walk = match self.layout {
            Layout::Listpack => Walk::Listpack(listpack::body(self.blob)),
            Layout::Ziplist => Walk::Ziplist(ziplist::body(self.blob)),
            Layout::Intset => Walk::Intset(intset::Walk::new(self.blob)),
            Layout::Zipmap => Walk::Zipmap(zipmap::Walk::new(self.blob)),
        };
        Scalars { walk, left: self.len }
    }

    /// How long an empty blob of this layout is, bytes, if an empty one is sound. A sound blob of another length is not
    /// empty.
    pub(super) const fn empty_len(layout: Layout) -> Option<usize> {
        match layout {
            Layout::Listpack => Some(listpack::EMPTY),
            Layout::Ziplist => Some(ziplist::EMPTY),
            Layout::Intset | Layout::Zipmap => None,
        }
    }
}

impl<'a> IntoIterator for &Compact<'a> {
    type Item = Scalar<'a>;
    type IntoIter = Scalars<'a>;

    fn into_iter(self) -> Scalars<'a> {
        self.iter()
    }
}

/// The values of a [`Compact`], in order.
#[derive(Clone, Debug)]
pub struct Scalars<'a> {
    walk: Walk<'a>,
    left: usize,
}

/// What of the blob is still to be walked.
#[derive(Clone, Debug)]
enum Walk<'a> {
    Listpack(&'a [u8]),
    Ziplist(&'a [u8]),
    Intset(intset::Walk<'a>),
    Zipmap(zipmap::Walk<'a>),
}

impl<'a> Iterator for Scalars<'a> {
    type Item = Scalar<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scalar<'a>> {
        let value = match &mut self.walk {
            Walk::Listpack(rest) => listpack::next(rest),
            Walk::Ziplist(rest) => ziplist::next(rest),
            Walk::Intset(walk) => walk.next(),
            Walk::Zipmap(walk) => walk.next(),
        };
        self.left -= usize::from(value.is_some());
        value
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Scalars<'_> {}
