//! Nodes of streams: entries in a listpack, with ids relative to the node's and the fields of its first entry named once.
//!
//! `count deleted nf f1…fnf 0`, then each entry: `flags dms dseq`, its values if it has those very fields, else
//! `k f1 v1 … fk vk`; then how many values the entry has so far.

use super::{Compact, CompactError, Scalar, listpack};
use crate::rdb::StreamId;

/// An entry was deleted.
const DELETED: i64 = 1;
/// An entry has the fields of the node.
const SAME_FIELDS: i64 = 2;

/// A node of a stream: entries in a listpack, ids relative to that of the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamNode<'a> {
    pub(super) id: StreamId,
    pub(super) pack: Compact<'a>,
}

/// Values taken one after the other while a node is checked.
struct Taker<'a> {
    rest: &'a [u8],
    at: usize,
}

impl Taker<'_> {
    fn flaw(&self) -> CompactError {
        CompactError::Node { at: self.at }
    }

    fn any(&mut self, n: u64) -> Result<(), CompactError> {
        for _ in 0..n {
            listpack::skip(&mut self.rest).ok_or_else(|| self.flaw())?;
            self.at += 1;
        }
        Ok(())
    }

    fn int(&mut self) -> Result<i64, CompactError> {
        match listpack::next(&mut self.rest) {
            Some(Scalar::Int(n)) => {
                self.at += 1;
                Ok(n)
            }
            _ => Err(self.flaw()),
        }
    }

    fn count(&mut self) -> Result<u64, CompactError> {
        let flaw = self.flaw();
        self.int()?.try_into().map_err(|_| flaw)
    }

    /// Takes an integer that has to be this one.
    fn exactly(&mut self, n: u64) -> Result<(), CompactError> {
        let flaw = self.flaw();
        if self.count()? == n { Ok(()) } else { Err(flaw) }
    }
}

impl<'a> StreamNode<'a> {
    /// Checks the entries of a node.
    pub(in crate::rdb) fn new(id: StreamId, blob: &'a [u8]) -> Result<Self, CompactError> {
        let pack = Compact::from_listpack(blob, 1)?;
        let mut taker = Taker { rest: listpack::body(blob), at: 0 };
        let (count, deleted, fields) = (taker.count()?, taker.count()?, taker.count()?);
        taker.any(fields)?;
        taker.exactly(0)?;
        // Both are at most 2^63 - 1, and each entry takes values: a lie ends where the values do.
        let (mut live, mut gone) = (0, 0);
        while !taker.rest.is_empty() {
            let flags = taker.int()?;
            taker.int()?;
            taker.int()?;
            let own = if flags & SAME_FIELDS != 0 {
                taker.any(fields)?;
                fields.saturating_add(3)
            } else {
                let k = taker.count()?;
                taker.any(k.saturating_mul(2))?;
                k.saturating_mul(2).saturating_add(4)
            };
            taker.exactly(own)?;
            if flags & DELETED == 0 { live += 1 } else { gone += 1 }
        }
        if (live, gone) == (count, deleted) { Ok(Self { id, pack }) } else { Err(CompactError::Node { at: 0 }) }
    }

    /// Its id; those of its entries are relative to it.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The listpack as it is.
    pub fn blob(&self) -> &'a [u8] {
        self.pack.blob()
    }

    /// The values of the listpack, those of its bookkeeping too.
    pub fn scalars(&self) -> impl Iterator<Item = Scalar<'a>> + use<'a> {
        self.pack.iter()
    }

    /// Its entries in order, deleted ones among them.
    pub fn entries(&self) -> StreamEntries<'a> {
        let mut rest = listpack::body(self.pack.blob());
        let mut int = || match listpack::next(&mut rest) {
            Some(Scalar::Int(n)) => n as u64,
            _ => 0,
        };
        let (_, _, fields) = (int(), int(), int());
        let names = rest;
        for _ in 0..=fields {
            if listpack::skip(&mut rest).is_none() {
                break;
            }
        }
        StreamEntries { id: self.id, names, fields, rest }
    }
}

/// The entries of a [`StreamNode`], in order.
#[derive(Clone, Debug)]
pub struct StreamEntries<'a> {
    id: StreamId,
    /// Begins with the names of the node's fields.
    names: &'a [u8],
    fields: u64,
    rest: &'a [u8],
}

/// An entry of a stream.
#[derive(Clone, Debug)]
pub struct StreamEntry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Whether it was deleted: it is no part of the stream any more.
    pub deleted: bool,
    /// Its fields and their values.
    pub fields: StreamFields<'a>,
}

impl<'a> Iterator for StreamEntries<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        let mut int = || match listpack::next(&mut self.rest) {
            Some(Scalar::Int(n)) => Some(n),
            _ => None,
        };
        let (flags, ms, seq) = (int()?, int()?, int()?);
        let (names, left, values) = if flags & SAME_FIELDS != 0 {
            (Some(self.names), self.fields, self.fields)
        } else {
            let k = int()? as u64;
            (None, k, k.saturating_mul(2))
        };
        let fields = StreamFields { names, rest: self.rest, left };
        // Behind the values stands how many there were.
        for _ in 0..=values {
            listpack::skip(&mut self.rest)?;
        }
        // The differences are signed; each is added by itself, and may wrap.
        let id = StreamId { ms: self.id.ms.wrapping_add(ms as u64), seq: self.id.seq.wrapping_add(seq as u64) };
        Some(StreamEntry { id, deleted: flags & DELETED != 0, fields })
    }
}

/// The fields of a [`StreamEntry`] with their values, in order.
#[derive(Clone, Debug)]
pub struct StreamFields<'a> {
    /// The names, if they stand elsewhere.
    names: Option<&'a [u8]>,
    rest: &'a [u8],
    left: u64,
}

impl<'a> Iterator for StreamFields<'a> {
    type Item = (Scalar<'a>, Scalar<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => listpack::next(names)?,
            None => listpack::next(&mut self.rest)?,
        };
        Some((name, listpack::next(&mut self.rest)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}
