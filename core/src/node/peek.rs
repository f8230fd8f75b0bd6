//! The first bytes of a snapshot, looked at before the old dataset goes for it (`repl-diskless-load flush-before-load`).

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::dataset::Dataset;
use crate::rdb::{Item, Reader, ReaderLimits};

/// Bytes that are looked at, at most: behind so much without a key (libraries of functions) the snapshot is taken for a
/// good one.
const PEEK_MAX: usize = 1 << 20;

/// A snapshot that has begun and may turn out to be none, or an empty one.
#[derive(Debug)]
pub(super) struct Peek {
    check: Reader,
    held: Vec<u8>,
    /// Its length, if it is known.
    pub(super) size: Option<u64>,
}

impl Peek {
    pub(super) fn new(size: Option<u64>) -> Self {
        Self { check: Reader::new(ReaderLimits::default()), held: Vec::new(), size }
    }

    /// Takes the next bytes. `true`: its version can be read, and it holds a key.
    pub(super) fn take(&mut self, bytes: &[u8], data: &impl Dataset) -> Result<bool, Box<str>> {
        self.held.extend_from_slice(bytes);
        let mut input = bytes;
        let mut found = self.held.len() >= PEEK_MAX;
        while let Some(item) = self.check.next(&mut input).map_err(|e| Box::from(format!("{e}")))? {
            data.accepts(&item).map_err(|e| Box::from(format!("{e}")))?;
            if matches!(item, Item::Entry(_)) {
                found = true;
                break;
            }
        }
        Ok(found)
    }

    /// Whether it came to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.check.is_done()
    }

    /// What came so far.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.held
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}
