//! A snapshot of one moment while writes go on, without a fork.
//!
//! The walk goes over the buckets in the order of the cursor. A change to a bucket that it has not reached first hands
//! that bucket's entries over, encoded as they were when the snapshot began, and marks the bucket, so that this happens
//! once and the walk skips it. Only buckets that are written to meanwhile cost memory, and long values only by their
//! handles.

use alloc::vec::Vec;

use super::Keyspace;
use super::entry::{Slot, Str};
use super::table::Table;
use crate::dataset::Progress;
use crate::rdb::{Body, Options};

/// What a visited bucket costs of a step's budget, in bytes, so that steps over empty buckets end too.
const BUCKET_COST: u64 = 16;
/// Buckets that are fetched from memory together.
const AHEAD: usize = 8;

/// The snapshot of one table: where its walk is, and what writes handed over.
///
/// It moves with its table: FLUSHALL detaches both, SWAPDB exchanges both, and the keys are still saved under the
/// number that their database had when the snapshot began.
#[derive(Debug)]
pub(super) struct Shot {
    db: u32,
    /// Keys and keys with an expiry, until they were said.
    counts: Option<(u64, u64)>,
    /// The walk has all before this position; `None`: it has all.
    cursor: Option<u64>,
    /// Entries of buckets that were changed before the walk came to them. Not compressed: writes wait for this.
    pending: Body,
}

impl Shot {
    pub(super) fn new(db: u32, keys: usize, expires: usize) -> Self {
        let pending = Body::new(Options { compress: false });
        let counts = Some((keys as u64, expires as u64));
        Self { db, counts, cursor: (keys > 0).then_some(0), pending }
    }

    /// Whether the walk has yet to come to the bucket that begins at `start`.
    pub(super) fn wants(&self, start: u64) -> bool {
        self.cursor.is_some_and(|cursor| start >= cursor)
    }

    /// Takes an entry that is about to change.
    pub(super) fn keep(&mut self, slot: &Slot) {
        encode(&mut self.pending, self.db, slot);
    }

    /// What was taken over.
    pub(super) fn pending(&self) -> usize {
        self.pending.len() as usize
    }
}

fn encode(out: &mut Body, db: u32, slot: &Slot) {
    match slot.string() {
        Some(Str::Flat(bytes)) => out.string(db, slot.key(), slot.expiry(), bytes),
        Some(Str::Long(chunked)) => out.string_pieces(db, slot.key(), slot.expiry(), chunked.chunks()),
        None => {}
    }
}

/// Walks on over one table until `out` has `until` bytes; `spent` counts the buckets. `true`: the table is done.
fn walk(table: &mut Table, out: &mut Body, until: u64, spent: &mut u64) -> bool {
    let Some(mut shot) = table.shot.take() else { return true };
    if out.len() + *spent < until
        && let Some((keys, expires)) = shot.counts.take()
    {
        out.resize(shot.db, keys, expires);
    }
    while let Some(from) = shot.cursor
        && out.len() + *spent < until
    {
        let next = |at: &(usize, Option<u64>)| at.1.map(|at| table.at_cursor(at));
        let ahead = core::iter::successors(Some(table.at_cursor(from)), next).take(AHEAD);
        table.warm(ahead.clone().map(|(home, _)| home));
        for (home, next) in ahead {
            if out.len() + *spent >= until {
                break;
            }
            if let Some(slots) = table.wanted(home) {
                slots.for_each(|slot| encode(out, shot.db, slot));
            }
            *spent += BUCKET_COST;
            shot.cursor = next;
        }
    }
    let done = shot.cursor.is_none();
    table.shot = Some(shot);
    done
}

/// The snapshot under way: tables that were detached since it began.
#[derive(Debug, Default)]
pub(super) struct Walk {
    detached: Vec<Table>,
}

impl Walk {
    /// Memory in bytes of what is there for the snapshot only.
    pub(super) fn memory(&self) -> usize {
        self.detached.iter().map(|table| table.memory() + pending_of(table)).sum()
    }
}

fn pending_of(table: &Table) -> usize {
    table.shot.as_ref().map_or(0, |shot| shot.pending())
}

impl Keyspace {
    pub(super) fn begin_snapshot(&mut self) {
        self.end_snapshot();
        self.walk = Some(Walk::default());
        for (db, table) in self.dbs.iter_mut().enumerate().filter(|(_, table)| table.len() > 0) {
            table.begin_shot(db as u32);
        }
    }

    pub(super) fn step_snapshot(&mut self, out: &mut Body, budget: usize) -> Progress {
        let Some(running) = &mut self.walk else { return Progress::Done };
        let until = out.len() + budget.max(1) as u64;
        // In the order of the numbers that the databases had.
        let mut tables: Vec<&mut Table> = self.dbs.iter_mut().chain(&mut running.detached).collect();
        tables.retain(|table| table.shot.is_some());
        tables.sort_by_key(|table| table.shot.as_ref().map(|shot| shot.db));
        for table in &mut tables {
            if let Some(shot) = &mut table.shot
                && !shot.pending.is_empty()
            {
                out.append(&mut shot.pending);
            }
        }
        let mut spent = 0;
        for table in &mut tables {
            if !walk(table, out, until, &mut spent) {
                return Progress::More;
            }
        }
        for i in (0..running.detached.len()).rev() {
            self.graveyard.bury_table(running.detached.swap_remove(i));
        }
        Progress::Done
    }

    pub(super) fn pending_snapshot(&self) -> usize {
        let detached = self.walk.iter().flat_map(|walk| &walk.detached);
        self.dbs.iter().chain(detached).map(pending_of).sum()
    }

    pub(super) fn end_snapshot(&mut self) {
        self.dbs.iter_mut().for_each(|table| table.shot = None);
        if let Some(walk) = self.walk.take() {
            for mut table in walk.detached {
                table.shot = None;
                self.graveyard.bury_table(table);
            }
        }
    }

    /// Puts a table away that is no database any more: to the snapshot if that still wants it, else to the graveyard.
    pub(super) fn retire(&mut self, table: Table) {
        match &mut self.walk {
            Some(walk) if table.shot.is_some() => walk.detached.push(table),
            _ => self.graveyard.bury_table(table),
        }
    }
}
