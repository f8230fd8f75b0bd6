//! A stretch of a snapshot that is taken in apart from the rest, on another thread: entries are made there, and go into
//! their tables behind those that came before.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

use super::super::Keyspace;
use super::super::hashed::HashKey;
use super::super::limits::Limits;
use super::super::uses::Uses;
use super::{How, Intake, Trust, text, twice};
use crate::dataset::{LoadError, LoadPart};
use crate::rdb::Item;
use crate::time::Instant;

/// A part of a load.
#[derive(Debug)]
struct Apart {
    intake: Intake,
    /// What was said of the keys to come, by database.
    announced: Vec<(usize, u64)>,
    hash_key: HashKey,
    limits: Limits,
    uses: Uses,
    seen: Instant,
    databases: u32,
}

impl LoadPart for Apart {
    fn load_item(&mut self, item: &Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError> {
        let Self { hash_key, ref limits, uses, seen, databases, .. } = *self;
        let how = How { hash_key, limits, uses, seen, databases, drop_expired };
        if let Item::Resize { db, keys, .. } = item {
            self.announced.push((how.database(*db)?, *keys));
            return Ok(());
        }
        self.intake.take(item, how)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Keyspace {
    pub(in crate::keyspace) fn part_of_load(&self) -> Option<Box<dyn LoadPart>> {
        let load = self.load.as_ref()?;
        if load.intake.pending.is_some() || load.intake.module.is_some() {
            return None;
        }
        Some(Box::new(Apart {
            intake: Intake::default(),
            announced: Vec::new(),
            hash_key: self.hash_key,
            limits: self.limits,
            uses: self.uses,
            seen: self.seen,
            databases: load.dbs.len() as u32,
        }))
    }

    pub(in crate::keyspace) fn join_load(&mut self, part: Box<dyn LoadPart>) -> Result<(), LoadError> {
        let (Some(load), Ok(part)) = (&mut self.load, part.into_any().downcast::<Apart>()) else { return Ok(()) };
        let Apart { intake, announced, .. } = *part;
        announced.into_iter().for_each(|(db, keys)| load.announce(db, keys));
        // They go into their tables with the next item, when the other thread is busy again.
        load.intake.queue.extend(intake.queue);
        for library in intake.aside.libraries.iter() {
            let added = load.intake.aside.libraries.add(library.clone(), false, Trust::Loaded);
            added.map_err(|_| twice(text(library.name())))?;
        }
        load.intake.aside.modules.extend(intake.aside.modules);
        let (pending, module) = (intake.pending, intake.module);
        (load.intake.pending, load.intake.module) = (pending, module);
        load.intake.counts.0 += intake.counts.0;
        load.intake.counts.1 += intake.counts.1;
        self.load_counts = load.intake.counts;
        Ok(())
    }
}
