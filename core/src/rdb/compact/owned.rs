//! Checked blobs that own their bytes: for what outlives the input of a reader.

use bytes::Bytes;

use super::{Compact, Layout, StreamNode};
use crate::rdb::StreamId;

/// A [`Compact`] that owns its blob: nothing is checked again to walk it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompactBuf {
    layout: Layout,
    blob: Bytes,
    len: usize,
    row: usize,
}

impl CompactBuf {
    /// To walk it.
    pub fn get(&self) -> Compact<'_> {
        Compact { layout: self.layout, blob: &self.blob, len: self.len, row: self.row }
    }

    /// The blob as it is.
    pub fn blob(&self) -> &Bytes {
        &self.blob
    }
}

impl From<Compact<'_>> for CompactBuf {
    fn from(Compact { layout, blob, len, row }: Compact<'_>) -> Self {
        Self { layout, blob: Bytes::copy_from_slice(blob), len, row }
    }
}

/// A [`StreamNode`] that owns its listpack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamNodeBuf {
    id: StreamId,
    pack: CompactBuf,
}

impl StreamNodeBuf {
    /// To walk it.
    pub fn get(&self) -> StreamNode<'_> {
        StreamNode { id: self.id, pack: self.pack.get() }
    }
}

impl From<StreamNode<'_>> for StreamNodeBuf {
    fn from(StreamNode { id, pack }: StreamNode<'_>) -> Self {
        Self { id, pack: pack.into() }
    }
}
