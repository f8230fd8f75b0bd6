//! Taking a snapshot in: keys grow in tables of their own until the whole is there.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Keyspace;
use super::entry::{Form, New, SMALL_MAX, Slot};
use super::store::is_past;
use super::table::Table;
use super::value::Chunked;
use crate::dataset::{LoadError, LoadMode};
use crate::rdb::{Entry, Item, Value};

/// A long string on its way in.
#[derive(Debug)]
struct Incoming {
    db: usize,
    key: Box<[u8]>,
    expiry: Option<i64>,
    /// Its bytes; `None` if the key has expired and is left out.
    value: Option<Chunked>,
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Load {
    dbs: Vec<Table>,
    incoming: Option<Incoming>,
}

impl Load {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let long = self.incoming.as_ref().and_then(|i| i.value.as_ref());
        self.dbs.iter().map(Table::memory).sum::<usize>() + long.map_or(0, Chunked::memory)
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
        self.load = Some(Load { dbs: self.dbs.iter().map(|_| Table::new(self.hash_key)).collect(), incoming: None });
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
            Item::Entry(Entry { key, value, .. }) if !matches!(value, Value::String(_) | Value::LongString(_)) => {
                Err(unsupported(key))
            }
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
                if take_entry(load, entry, expired)? {
                    count(&mut self.load_counts, expired);
                }
            }
            Item::Piece(bytes) => {
                if let Some(Incoming { value: Some(value), .. }) = &mut load.incoming {
                    value.append(bytes);
                }
            }
            Item::EntryEnd => {
                if let Some(Incoming { db, key, expiry, value }) = load.incoming.take() {
                    count(&mut self.load_counts, value.is_none());
                    if let (Some(value), Some(table)) = (value, load.dbs.get_mut(db)) {
                        let slot = if value.len() > SMALL_MAX {
                            Slot::long(&key, value, expiry, Form::Auto)
                        } else {
                            Slot::of_string(&key, New::Pieces(value.chunks()), expiry, Form::Auto)
                        };
                        table.insert(table.hash(&key), slot);
                    }
                }
            }
            // Header, AUX fields, functions and the end are the node's.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn commit_load(&mut self) {
        let Some(mut load) = self.load.take() else { return };
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
        }
    }
}

/// Only strings are stored.
fn unsupported(key: &[u8]) -> LoadError {
    LoadError::Unsupported { key: text(key), kind: "unknown" }
}

fn count((loaded, dropped): &mut (u64, u64), expired: bool) {
    *(if expired { dropped } else { loaded }) += 1;
}

/// Takes a key; whether it is complete.
fn take_entry(load: &mut Load, entry: &Entry<'_>, expired: bool) -> Result<bool, LoadError> {
    let (db, table) = load.table(entry.db)?;
    let hash = table.hash(entry.key);
    if table.find(hash, entry.key).is_some() {
        return Err(LoadError::Twice { key: text(entry.key), db: entry.db });
    }
    match entry.value {
        Value::String(bytes) => {
            if !expired {
                table.insert(hash, Slot::of_string(entry.key, New::Flat(bytes), entry.expire_at_ms, Form::Auto));
            }
            Ok(true)
        }
        Value::LongString(_) => {
            let value = (!expired).then(Chunked::default);
            load.incoming = Some(Incoming { db, key: entry.key.into(), expiry: entry.expire_at_ms, value });
            Ok(false)
        }
        _ => Err(unsupported(entry.key)),
    }
}
