//! A master's snapshot on its way into a file: checked while it comes, so that the old dataset goes only for a
//! readable one.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::blocks::Blocks;
use crate::dataset::Dataset;
use crate::ids::{Ids, OpId};
use crate::machine::{Action, Actions, Job, Outcome, Path};
use crate::rdb::{Item, Reader, ReaderLimits};

/// Bytes of one write, and how many writes may be under way before reading stops.
const WRITE_BYTES: u64 = 512 * 1024;
const WRITES_MAX: usize = 8;
/// Bytes that may wait for a disk which stands still, so that something is read while it does.
const HELD_MAX: u64 = 64 << 20;

/// A snapshot that is being written to a file.
#[derive(Debug)]
pub(super) struct Spool {
    file: Path,
    check: Reader,
    waiting: Blocks,
    /// Bytes handed to jobs.
    at: u64,
    /// The writes under way, with the bytes of each.
    writes: BTreeMap<OpId, u64>,
    finished: bool,
    /// Keys that came.
    keys: u64,
}

impl Spool {
    pub(super) fn new(file: Path) -> Self {
        Self {
            file,
            check: Reader::new(ReaderLimits::default()),
            waiting: Blocks::new(),
            at: 0,
            writes: BTreeMap::new(),
            finished: false,
            keys: 0,
        }
    }

    pub(super) fn file(&self) -> Path {
        self.file.clone()
    }

    /// Takes the next bytes; an error if they are no snapshot, or none that `data` can take.
    pub(super) fn take<E>(
        &mut self,
        bytes: &[u8],
        data: &impl Dataset,
        ids: &mut Ids,
        out: &mut Actions<E>,
    ) -> Result<(), Box<str>> {
        let mut input = bytes;
        while let Some(item) = self.check.next(&mut input).map_err(|e| Box::from(format!("{e}")))? {
            data.accepts(&item).map_err(|e| Box::from(format!("{e}")))?;
            self.keys += u64::from(matches!(item, Item::Entry(_)));
        }
        self.waiting.append(bytes);
        if self.waiting.len() >= WRITE_BYTES {
            self.write(ids, out);
        }
        Ok(())
    }

    /// No more bytes come: the snapshot must be whole.
    pub(super) fn finish<E>(&mut self, ids: &mut Ids, out: &mut Actions<E>) -> Result<(), Box<str>> {
        self.check.finish().map_err(|e| Box::from(format!("{e}")))?;
        self.write(ids, out);
        self.finished = true;
        Ok(())
    }

    fn write<E>(&mut self, ids: &mut Ids, out: &mut Actions<E>) {
        if self.waiting.is_empty() {
            return;
        }
        let len = self.waiting.len();
        let bytes: Vec<Bytes> = self.waiting.drain().collect();
        let op = ids.op();
        out.push(Action::Start { op, job: Job::Append { file: self.file.clone(), at: self.at, bytes, sync: false } });
        self.at += len;
        self.writes.insert(op, len);
    }

    pub(super) fn owns(&self, op: OpId) -> bool {
        self.writes.contains_key(&op)
    }

    /// A write ended.
    pub(super) fn done(&mut self, op: OpId, result: Outcome) -> Result<(), Box<str>> {
        self.writes.remove(&op);
        match result {
            Outcome::Failed(e) => Err(e.message),
            _ => Ok(()),
        }
    }

    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether all of it is in the file.
    pub(super) fn is_whole(&self) -> bool {
        self.finished && self.writes.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.writes.len() < WRITES_MAX
    }

    /// Bytes that are not in the file yet.
    pub(super) fn held(&self) -> u64 {
        self.waiting.len() + self.writes.values().sum::<u64>()
    }

    /// Whether nothing more may wait for the disk.
    pub(super) fn is_full(&self) -> bool {
        self.held() >= HELD_MAX
    }

    /// Removes the file, behind the writes that are still under way.
    pub(super) fn remove<E>(&self, ids: &mut Ids, out: &mut Actions<E>) {
        let op = ids.op();
        out.push(Action::Start { op, job: Job::Remove { file: self.file.clone() } });
    }
}
