//! Taking a snapshot in: keys grow in tables of their own until the whole is there.

mod adopt;
mod apart;
mod gather;
mod incoming;
mod restore;
mod stream;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;

use super::Keyspace;
use super::aside::Aside;
use super::entry::Slot;
use super::functions::{Library, Trust};
use super::hashed::HashKey;
use super::limits::Limits;
use super::module::{Aux, Growing};
use super::store::is_past;
use super::string::{Form, New};
use super::table::Table;
use super::uses::{Use, Uses};
use crate::dataset::{LoadError, LoadMode};
use crate::rdb::{Entry, Item, Value};
use crate::time::Instant;
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
    stamp: u32,
    /// Its value so far; `None` if the key has expired and is left out.
    value: Option<Incoming>,
}

/// By what values are made.
#[derive(Clone, Copy)]
struct How<'a> {
    hash_key: HashKey,
    limits: &'a Limits,
    uses: Uses,
    seen: Instant,
    databases: u32,
    /// As [`crate::dataset::Dataset::load_item`] has it.
    drop_expired: Option<u64>,
}

/// Makes entries of items.
#[derive(Debug, Default)]
struct Intake {
    pending: Option<Pending>,
    /// Entries that are not in their tables yet, in order.
    queue: Vec<Queued>,
    aside: Aside,
    /// The data of a module that is under way, and when it was written.
    module: Option<(u64, Growing)>,
    /// Keys that were loaded, and that were dropped as expired.
    counts: (u64, u64),
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Load {
    dbs: Vec<Table>,
    intake: Intake,
}

/// An entry on its way into its table.
#[derive(Debug)]
struct Queued {
    db: usize,
    hash: u64,
    slot: Slot,
    stamp: u32,
}

impl Load {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let Intake { pending, aside, module, .. } = &self.intake;
        let pending = pending.as_ref().and_then(|pending| pending.value.as_ref());
        self.dbs.iter().map(Table::memory).sum::<usize>()
            + pending.map_or(0, Incoming::memory)
            + aside.memory()
            + module.as_ref().map_or(0, |(_, growing)| growing.memory())
    }

    /// The tables that grow.
    pub(super) fn tables(&mut self) -> impl Iterator<Item = &mut Table> {
        self.dbs.iter_mut()
    }

    /// So many keys of a database are to come.
    fn announce(&mut self, db: usize, keys: u64) {
        if let Some(table) = self.dbs.get_mut(db) {
            table.announce(keys);
        }
    }

    /// Puts entries into their tables once enough wait.
    #[inline]
    fn put_some(&mut self) -> Result<(), LoadError> {
        if self.intake.queue.len() < QUEUED { Ok(()) } else { self.settle() }
    }

    /// Puts all entries that wait into their tables. The buckets are fetched together: waiting for memory, once for each
    /// key, is most of what a load of small values costs.
    fn settle(&mut self) -> Result<(), LoadError> {
        let Self { dbs, intake: Intake { queue, .. } } = self;
        let mut result = Ok(());
        let mut all = queue.drain(..);
        loop {
            let next = all.as_slice().iter().take(QUEUED);
            let buckets = next.filter_map(|entry| dbs.get(entry.db).map(|table| table.peek(entry.hash)));
            black_box(buckets.fold(0, |sum, byte| sum ^ byte));
            let mut some = all.by_ref().take(QUEUED).peekable();
            if some.peek().is_none() {
                return result;
            }
            for Queued { db, hash, slot, stamp } in some {
                let Some(table) = dbs.get_mut(db) else { continue };
                if table.find(hash, slot.key()).is_some() {
                    result = Err(LoadError::Twice { key: text(slot.key()), db: db as u64 });
                } else {
                    table.insert_stamped(hash, slot, stamp);
                }
            }
        }
    }
}

impl How<'_> {
    fn database(&self, db: u64) -> Result<usize, LoadError> {
        let databases = self.databases;
        match usize::try_from(db) {
            Ok(i) if db < u64::from(databases) => Ok(i),
            _ => Err(LoadError::Database { db, databases }),
        }
    }
}

impl Intake {
    /// Gives a part to the value that comes in parts, if its key is wanted.
    fn part(&mut self, f: impl FnOnce(&mut Incoming) -> Result<(), Refused>) -> Result<(), LoadError> {
        match &mut self.pending {
            Some(Pending { key, value: Some(value), .. }) => f(value).map_err(|why| refused(key, &why)),
            _ => Ok(()),
        }
    }

    fn count(&mut self, expired: bool) {
        let (loaded, dropped) = &mut self.counts;
        *(if expired { dropped } else { loaded }) += 1;
    }

    /// Takes an item that is not of tables.
    fn take(&mut self, item: &Item<'_>, how: How<'_>) -> Result<(), LoadError> {
        match item {
            Item::Entry(entry) => {
                let expired = how.drop_expired.zip(entry.expire_at_ms).is_some_and(|(now, at)| is_past(at, now));
                if self.entry(entry, expired, how)? {
                    self.count(expired);
                }
            }
            Item::Piece(bytes) => self.part(|value| value.piece(bytes))?,
            Item::Element(element) => self.part(|value| value.element(element))?,
            Item::Block(node) => self.part(|value| value.node(node))?,
            Item::Stream(part) => self.part(|value| value.stream(part))?,
            Item::ElementEnd { expire_at_ms } => self.part(|value| value.element_end(*expire_at_ms))?,
            Item::EntryEnd => self.entry_end(how)?,
            Item::Function(code) => {
                let library = library(code)?;
                let name = text(library.name());
                let added = self.aside.libraries.add(library, false, Trust::Loaded);
                added.map_err(|_| twice(name))?;
            }
            Item::ModuleAux { module, when } => self.module = Some((*when, Growing::new(*module))),
            Item::Module(value) => match &mut self.module {
                Some((_, growing)) => growing.push(*value),
                None => self.part(|incoming| incoming.module(*value))?,
            },
            Item::ModuleAuxEnd => {
                let aux = self.module.take().map(|(when, growing)| Aux { when, data: growing.finish() });
                self.aside.modules.extend(aux);
            }
            // Header and AUX fields are the node's.
            _ => {}
        }
        Ok(())
    }

    /// Takes a key; whether it is complete.
    fn entry(&mut self, entry: &Entry<'_>, expired: bool, how: How<'_>) -> Result<bool, LoadError> {
        let db = how.database(entry.db)?;
        holds(entry)?;
        let said = entry.idle_s.map(Use::Idle).or(entry.freq.map(Use::Freq));
        let stamp = said.map_or(0, |said| how.uses.stamp(said, how.seen));
        let (key, expiry, limits) = (entry.key, entry.expire_at_ms, how.limits);
        let hash = how.hash_key.hash(key);
        let whole = entry.value.is_whole();
        if let Value::String(bytes) = entry.value {
            if !expired {
                let slot = Slot::of_string(key, New::Flat(bytes), expiry, Form::Auto);
                self.queue.push(Queued { db, hash, slot, stamp });
            }
            return Ok(true);
        }
        let value = if expired {
            None
        } else if let Some(slot) = adopt::slot(entry, limits) {
            self.queue.push(Queued { db, hash, slot, stamp });
            return Ok(true);
        } else {
            Incoming::begin(&entry.value, how.hash_key, limits).map_err(|why| refused(key, &why))?
        };
        if !whole {
            self.pending = Some(Pending { db, key: key.into(), expiry, stamp, value });
        } else if let Some(value) = value
            && let Some(slot) = value.finish(key, expiry, limits).map_err(|why| refused(key, &why))?
        {
            self.queue.push(Queued { db, hash, slot, stamp });
        }
        Ok(whole)
    }

    /// All of the value that came in parts is there.
    fn entry_end(&mut self, how: How<'_>) -> Result<(), LoadError> {
        let Some(Pending { db, key, expiry, stamp, value }) = self.pending.take() else { return Ok(()) };
        self.count(value.is_none());
        let whole = value.map(Incoming::complete).transpose();
        let slot = whole.and_then(|value| value.map(|value| value.finish(&key, expiry, how.limits)).transpose());
        if let Some(slot) = slot.map_err(|why| refused(&key, &why))?.flatten() {
            self.queue.push(Queued { db, hash: how.hash_key.hash(&key), slot, stamp });
        }
        Ok(())
    }
}

/// The library of this code.
fn library(code: &[u8]) -> Result<Library, LoadError> {
    Library::parse(code, Trust::Loaded).map_err(|why| LoadError::Library { name: "".into(), why: text(&why) })
}

/// A library that is there already.
fn twice(name: Box<str>) -> LoadError {
    LoadError::Library { name, why: "it comes twice".into() }
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
            self.aside = Aside::default();
        }
        self.load_counts = (0, 0);
        let dbs = self.dbs.iter().map(|_| self.empty_table()).collect();
        self.load = Some(Load { dbs, intake: Intake::default() });
    }

    pub(super) fn accepts_item(&self, item: &Item<'_>) -> Result<(), LoadError> {
        let db = match item {
            Item::Resize { db, .. } => *db,
            Item::Entry(entry) => entry.db,
            Item::Function(code) => return library(code).map(|_| ()),
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
        let (databases, limits) = (load.dbs.len() as u32, &self.limits);
        let how = How { hash_key: self.hash_key, limits, uses: self.uses, seen: self.seen, databases, drop_expired };
        match item {
            Item::Resize { db, keys, .. } => load.announce(how.database(*db)?, *keys),
            Item::End { .. } => load.settle()?,
            _ => {
                load.intake.take(item, how)?;
                load.put_some()?;
            }
        }
        self.load_counts = load.intake.counts;
        Ok(())
    }

    pub(super) fn commit_load(&mut self) {
        let Some(mut load) = self.load.take() else { return };
        // Who shows the end has heard of a key that comes twice; for others the first one counts.
        let _ = load.settle();
        load.dbs.iter_mut().for_each(Table::announced_all);
        core::mem::swap(&mut self.dbs, &mut load.dbs);
        self.aside = load.intake.aside;
        for old in load.dbs {
            self.retire(old);
        }
    }

    pub(super) fn abort_load(&mut self) {
        if let Some(load) = self.load.take() {
            for table in load.dbs {
                self.graveyard.bury_table(table);
            }
            load.intake.queue.into_iter().for_each(|entry| self.graveyard.bury(entry.slot));
            let limits = &self.limits;
            let unfinished = load.intake.pending.and_then(|pending| pending.value?.finish(&[], None, limits).ok()?);
            unfinished.into_iter().for_each(|slot| self.graveyard.bury(slot));
        }
    }
}

/// Whether the value of a key is of a type that is held.
fn holds(entry: &Entry<'_>) -> Result<(), LoadError> {
    match incoming::unsupported(&entry.value) {
        Some(kind) => Err(LoadError::Unsupported { key: text(entry.key), kind }),
        None => Ok(()),
    }
}
