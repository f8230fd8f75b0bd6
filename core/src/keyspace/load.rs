//! Taking a snapshot in: keys grow in tables of their own until the whole is there.

mod adopt;
mod gather;
mod incoming;
mod restore;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;

use super::Keyspace;
use super::entry::Slot;
use super::hashed::HashKey;
use super::limits::Limits;
use super::store::is_past;
use super::string::{Form, New};
use super::table::Table;
use crate::dataset::{LoadError, LoadMode};
use crate::rdb::{Entry, Item, Value};
use incoming::{Incoming, Refused};

pub(super) use restore::restore;

/// Entries that are put into their tables together.
const QUEUED: usize = 32;

/// A key whose value comes in parts.
#[derive(Debug)]
struct Pending {
    db: usize,
    key: Box<[u8]>,
    expiry: Option<i64>,
    /// Its value so far; `None` if the key has expired and is left out.
    value: Option<Incoming>,
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Load {
    dbs: Vec<Table>,
    pending: Option<Pending>,
    /// Entries that are not in their tables yet, with their databases and hashes, in order.
    queue: Vec<(usize, u64, Slot)>,
}

impl Load {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let pending = self.pending.as_ref().and_then(|pending| pending.value.as_ref());
        self.dbs.iter().map(Table::memory).sum::<usize>() + pending.map_or(0, Incoming::memory)
    }

    /// Gives a part to the value that comes in parts, if its key is wanted.
    fn part(&mut self, f: impl FnOnce(&mut Incoming) -> Result<(), Refused>) -> Result<(), LoadError> {
        match &mut self.pending {
            Some(Pending { key, value: Some(value), .. }) => f(value).map_err(|why| refused(key, &why)),
            _ => Ok(()),
        }
    }

    /// Puts an entry into its table, soon.
    fn put(&mut self, db: usize, hash: u64, slot: Slot) -> Result<(), LoadError> {
        self.queue.push((db, hash, slot));
        if self.queue.len() < QUEUED { Ok(()) } else { self.settle() }
    }

    /// Puts all entries that wait into their tables. The buckets are fetched together: waiting for memory, once for each
    /// key, is most of what a load of small values costs.
    fn settle(&mut self) -> Result<(), LoadError> {
        let Self { dbs, queue, .. } = self;
        let buckets = queue.iter().filter_map(|&(db, hash, _)| dbs.get(db).map(|table| table.peek(hash)));
        black_box(buckets.fold(0, |sum, byte| sum ^ byte));
        let mut result = Ok(());
        for (db, hash, slot) in queue.drain(..) {
            let Some(table) = dbs.get_mut(db) else { continue };
            if table.find(hash, slot.key()).is_some() {
                result = Err(LoadError::Twice { key: text(slot.key()), db: db as u64 });
            } else {
                table.insert(hash, slot);
            }
        }
        result
    }

    fn table(&mut self, db: u64) -> Result<(usize, &mut Table), LoadError> {
        let databases = self.dbs.len() as u32;
        let i = usize::try_from(db).unwrap_or(usize::MAX);
        match self.dbs.get_mut(i) {
            Some(table) => Ok((i, table)),
            None => Err(LoadError::Database { db, databases }),
        }
    }
}

fn refused(key: &[u8], Refused::Broken(why): &Refused) -> LoadError {
    LoadError::Broken { key: text(key), why }
}

fn text(key: &[u8]) -> Box<str> {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(key.get(..SHOWN).unwrap_or(key)).into()
}

impl Keyspace {
    pub(super) fn begin_load(&mut self, mode: LoadMode) {
        self.abort_load();
        if mode == LoadMode::Replace {
            crate::dataset::Dataset::flush(self, None);
        }
        self.load_counts = (0, 0);
        self.load = Some(Load {
            dbs: self.dbs.iter().map(|_| Table::new(self.hash_key)).collect(),
            pending: None,
            queue: Vec::new(),
        });
    }

    pub(super) fn accepts_item(&self, item: &Item<'_>) -> Result<(), LoadError> {
        let db = match item {
            Item::Resize { db, .. } => *db,
            Item::Entry(entry) => entry.db,
            _ => return Ok(()),
        };
        let databases = self.dbs.len() as u32;
        if db >= u64::from(databases) {
            return Err(LoadError::Database { db, databases });
        }
        match item {
            Item::Entry(entry) => holds(entry),
            _ => Ok(()),
        }
    }

    pub(super) fn take_item(&mut self, item: &Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError> {
        // Items without a load under way are nobody's.
        let Some(load) = &mut self.load else { return Ok(()) };
        match item {
            Item::Resize { db, keys, .. } => load.table(*db)?.1.announce(*keys),
            Item::Entry(entry) => {
                let expired = drop_expired.zip(entry.expire_at_ms).is_some_and(|(now, at)| is_past(at, now));
                if take_entry(load, entry, expired, self.hash_key, &self.limits)? {
                    count(&mut self.load_counts, expired);
                }
            }
            Item::Piece(bytes) => load.part(|value| value.piece(bytes))?,
            Item::Element(element) => load.part(|value| value.element(element))?,
            Item::Block(node) => load.part(|value| value.node(node))?,
            Item::ElementEnd { expire_at_ms } => load.part(|value| value.element_end(*expire_at_ms))?,
            Item::EntryEnd => {
                if let Some(Pending { db, key, expiry, value }) = load.pending.take() {
                    count(&mut self.load_counts, value.is_none());
                    let value = value.map(Incoming::complete).transpose().map_err(|why| refused(&key, &why))?;
                    if let Some(slot) = value.and_then(|value| value.finish(&key, expiry, &self.limits)) {
                        load.put(db, self.hash_key.hash(&key), slot)?;
                    }
                }
            }
            Item::End { .. } => load.settle()?,
            // Header, AUX fields and functions are the node's.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn commit_load(&mut self) {
        let Some(mut load) = self.load.take() else { return };
        // Who shows the end has heard of a key that comes twice; for others the first one counts.
        let _ = load.settle();
        load.dbs.iter_mut().for_each(Table::announced_all);
        core::mem::swap(&mut self.dbs, &mut load.dbs);
        for old in load.dbs {
            self.retire(old);
        }
    }

    pub(super) fn abort_load(&mut self) {
        if let Some(load) = self.load.take() {
            for table in load.dbs {
                self.graveyard.bury_table(table);
            }
            load.queue.into_iter().for_each(|(_, _, slot)| self.graveyard.bury(slot));
            let limits = &self.limits;
            let unfinished = load.pending.and_then(|pending| pending.value?.finish(&[], None, limits));
            unfinished.into_iter().for_each(|slot| self.graveyard.bury(slot));
        }
    }
}

fn count((loaded, dropped): &mut (u64, u64), expired: bool) {
    *(if expired { dropped } else { loaded }) += 1;
}

/// Whether the value of a key is of a type that is held.
fn holds(entry: &Entry<'_>) -> Result<(), LoadError> {
    match incoming::unsupported(&entry.value) {
        Some(kind) => Err(LoadError::Unsupported { key: text(entry.key), kind }),
        None => Ok(()),
    }
}

/// Takes a key; whether it is complete.
fn take_entry(
    load: &mut Load,
    entry: &Entry<'_>,
    expired: bool,
    hash_key: HashKey,
    limits: &Limits,
) -> Result<bool, LoadError> {
    let (db, _) = load.table(entry.db)?;
    holds(entry)?;
    let (key, expiry) = (entry.key, entry.expire_at_ms);
    let whole = entry.value.is_whole();
    if let Value::String(bytes) = entry.value {
        if !expired {
            load.put(db, hash_key.hash(key), Slot::of_string(key, New::Flat(bytes), expiry, Form::Auto))?;
        }
        return Ok(true);
    }
    let value = if expired {
        None
    } else if let Some(slot) = adopt::slot(entry, limits) {
        load.put(db, hash_key.hash(key), slot)?;
        return Ok(true);
    } else {
        Incoming::begin(&entry.value, hash_key, limits).map_err(|why| refused(key, &why))?
    };
    if !whole {
        load.pending = Some(Pending { db, key: key.into(), expiry, value });
    } else if let Some(slot) = value.and_then(|value| value.finish(key, expiry, limits)) {
        load.put(db, hash_key.hash(key), slot)?;
    }
    Ok(whole)
}
