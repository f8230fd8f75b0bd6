//! Reads that need no disk: what the system has in memory already is copied by the thread that asks for it.
//!
//! A piece that another core has copied comes over line by line, and its memory goes back the same way: that was a fifth
//! of what loading a cached snapshot cost.

use std::fs::File;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use primacy_core::machine::Path;

use super::Handles;

/// The asking thread's side.
#[derive(Debug)]
pub(super) struct Near {
    handles: Handles,
    /// The last piece. Who got it has dropped it in general when the next one is read, which takes its memory.
    last: Bytes,
}

impl Near {
    pub(super) fn new(handles: Handles) -> Self {
        Self { handles, last: Bytes::new() }
    }

    /// A piece of a file that the worker has open, if all of it is in memory. Must not be asked while the worker has a
    /// job: that may be about this file.
    pub(super) fn read(&mut self, path: &Path, at: u64, len: usize) -> Option<Bytes> {
        // The first piece opens the file, which may need the disk.
        let file = (at > 0).then(|| super::lock(&self.handles).get(path).cloned())??;
        let left = file.metadata().ok()?.len().checked_sub(at).filter(|left| *left > 0)?;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(len);
        let mut piece = core::mem::take(&mut self.last).try_into_mut().unwrap_or_else(|_| BytesMut::new());
        piece.resize(want, 0);
        if !read_cached(&file, &mut piece, at) {
            return None;
        }
        let piece = piece.freeze();
        if want < len {
            // The last one of this file.
            super::lock(&self.handles).remove(path);
        } else {
            self.last = piece.clone();
        }
        Some(piece)
    }
}

/// Fills `piece` if that needs no disk.
#[cfg(target_os = "linux")]
fn read_cached(file: &Arc<File>, piece: &mut [u8], at: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let len = piece.len();
    // A file system that cannot tell (`EOPNOTSUPP`) leaves it to the worker.
    preadv2(file, &mut [std::io::IoSliceMut::new(piece)], at, ReadWriteFlags::NOWAIT).is_ok_and(|n| n == len)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &Arc<File>, _: &mut [u8], _: u64) -> bool {
    false
}
