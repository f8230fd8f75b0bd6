//! A snapshot of one moment while writes go on, without a fork.
//!
//! The walk goes over the buckets in the order of the cursor. A change to a bucket that it has not reached first hands
//! that bucket's entries over, encoded as they were when the snapshot began, and marks the bucket, so that this happens
//! once and the walk skips it. Only buckets that are written to meanwhile cost memory, and long values only by their
//! handles.
//!
//! Collections are handed over as they are, a large one by a clone that shares all, and are encoded on the walk. A large
//! one is encoded over as many steps as it takes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Keyspace;
use super::aside::Leaving;
use super::entry::Slot;
use super::graveyard::Graveyard;
use super::record::Kind;
use super::string::Str;
use super::table::Table;
use super::uses::{Use, Uses};
use crate::dataset::Progress;
use crate::rdb::{Body, Options};
use crate::time::Instant;

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
    /// Collections of those, and large ones that the walk came to.
    kept: VecDeque<(Slot, Option<Use>)>,
    kept_bytes: usize,
    /// What the stamps say, and when.
    uses: Uses,
    at: Instant,
}

impl Shot {
    pub(super) fn new(db: u32, keys: usize, expires: usize, uses: Uses, at: Instant) -> Self {
        let pending = Body::new(Options { compress: false });
        let counts = Some((keys as u64, expires as u64));
        let cursor = (keys > 0).then_some(0);
        Self { db, counts, cursor, pending, kept: VecDeque::new(), kept_bytes: 0, uses, at }
    }

    /// Whether the walk has yet to come to the bucket that begins at `start`.
    pub(super) fn wants(&self, start: u64) -> bool {
        self.cursor.is_some_and(|cursor| start >= cursor)
    }

    /// Takes an entry that is about to change.
    pub(super) fn keep(&mut self, slot: &Slot, stamp: u32) {
        let used = self.uses.said(stamp, self.at);
        if slot.kind() == Kind::String {
            say(&mut self.pending, used);
            string(&mut self.pending, self.db, slot);
        } else {
            self.put_aside(slot, used);
        }
    }

    fn put_aside(&mut self, slot: &Slot, used: Option<Use>) {
        self.kept_bytes += slot.copied();
        self.kept.push_back((slot.copy_as(slot.key(), slot.expiry()), used));
    }

    /// What was taken over, bytes. Of a large collection only its handle counts: the rest is shared as long as nothing
    /// changes it.
    pub(super) fn pending(&self) -> usize {
        self.pending.len() as usize + self.kept_bytes
    }
}

/// Says how the next key was used, if that is known.
fn say(out: &mut Body, used: Option<Use>) {
    match used {
        Some(Use::Idle(seconds)) => out.idle(seconds),
        Some(Use::Freq(counter)) => out.freq(counter),
        None => {}
    }
}

fn string(out: &mut Body, db: u32, slot: &Slot) {
    match slot.string() {
        Some(Str::Flat(bytes)) => out.string(db, slot.key(), slot.expiry(), bytes),
        Some(Str::Long(chunked)) => out.string_pieces(db, slot.key(), slot.expiry(), chunked.chunks()),
        None => {}
    }
}

/// Encodes a value at once, whatever its size: for whoever asks for it as one piece.
pub(super) fn whole(out: &mut Body, slot: &Slot) {
    match slot.kind() {
        Kind::String => string(out, 0, slot),
        // A clone of a large one shares all.
        _ => {
            Running::begin(out, 0, slot.copy_as(slot.key(), None)).go_on(out, u64::MAX);
        }
    }
}

/// A collection whose head is encoded, and `done` of its elements or blocks.
#[derive(Debug)]
struct Running {
    slot: Slot,
    done: usize,
}

impl Running {
    /// Begins to encode a collection; a small one is done at once.
    fn begin(out: &mut Body, db: u32, slot: Slot) -> Self {
        let (key, expiry) = (slot.key(), slot.expiry());
        if let Some(hash) = slot.hash() {
            super::hash::begin(out, db, key, expiry, hash, slot.mark());
        } else if let Some(zset) = slot.zset() {
            super::zset::begin(out, db, key, expiry, zset, slot.mark());
        } else if let Some(list) = slot.list() {
            super::list::begin(out, db, key, expiry, list);
        } else if let Some(set) = slot.set() {
            super::set::begin(out, db, key, expiry, set, slot.mark());
        } else if let Some(stream) = slot.stream() {
            super::stream::begin(out, db, key, expiry, stream);
        } else if let Some(opaque) = slot.module() {
            out.module(db, key, expiry, opaque.module(), opaque.values());
        }
        Self { slot, done: 0 }
    }

    /// Encodes elements until `out` has `until` bytes, at least one; whether that was the last.
    fn go_on(&mut self, out: &mut Body, until: u64) -> bool {
        let (mark, done) = (self.slot.mark(), &mut self.done);
        if let Some(hash) = self.slot.hash() {
            super::hash::go_on(out, hash, mark, done, until)
        } else if let Some(zset) = self.slot.zset() {
            super::zset::go_on(out, zset, mark, done, until)
        } else if let Some(list) = self.slot.list() {
            super::list::go_on(out, list, done, until)
        } else if let Some(set) = self.slot.set() {
            super::set::go_on(out, set, mark, done, until)
        } else if let Some(stream) = self.slot.stream() {
            super::stream::go_on(out, stream, done, until)
        } else {
            true
        }
    }
}

/// Encodes what was put aside until `out` has `until` bytes; what is not finished then.
fn drain(shot: &mut Shot, out: &mut Body, until: u64, graveyard: &mut Graveyard) -> Option<Running> {
    while out.len() < until
        && let Some((slot, used)) = shot.kept.pop_front()
    {
        shot.kept_bytes -= slot.copied();
        say(out, used);
        let mut running = Running::begin(out, shot.db, slot);
        if !running.go_on(out, until) {
            return Some(running);
        }
        graveyard.bury(running.slot);
    }
    None
}

/// Encodes an entry that the walk came to; a large collection is put aside.
fn encode(out: &mut Body, shot: &mut Shot, slot: &Slot, stamp: u32) {
    let used = shot.uses.said(stamp, shot.at);
    if let (Slot::Large(_), true) = (slot, slot.kind() != Kind::String) {
        return shot.put_aside(slot, used);
    }
    say(out, used);
    match (slot.kind(), slot) {
        (Kind::String, _) => string(out, shot.db, slot),
        // Put aside above.
        (_, Slot::Large(_)) => {}
        (_, Slot::Small(_)) => {
            if let Some(hash) = slot.hash() {
                super::hash::small(out, shot.db, slot.key(), slot.expiry(), hash, slot.mark());
            } else if let Some(zset) = slot.zset() {
                super::zset::small(out, shot.db, slot.key(), slot.expiry(), zset, slot.mark());
            } else if let Some(list) = slot.list() {
                super::list::small(out, shot.db, slot.key(), slot.expiry(), list);
            } else if let Some(set) = slot.set() {
                super::set::begin(out, shot.db, slot.key(), slot.expiry(), set, slot.mark());
                super::set::go_on(out, set, slot.mark(), &mut 0, u64::MAX);
            }
        }
    }
}

/// Walks on over one table until `out` has `until` bytes, or a large collection was put aside; `spent` counts the
/// buckets. `true`: the walk is at its end.
fn walk(table: &mut Table, out: &mut Body, until: u64, spent: &mut u64) -> bool {
    let Some(mut shot) = table.shot.take() else { return true };
    if out.len() + *spent < until
        && let Some((keys, expires)) = shot.counts.take()
    {
        out.resize(shot.db, keys, expires);
    }
    while let Some(from) = shot.cursor
        && out.len() + *spent < until
        && shot.kept.is_empty()
    {
        let next = |at: &(usize, Option<u64>)| at.1.map(|at| table.at_cursor(at));
        let ahead = core::iter::successors(Some(table.at_cursor(from)), next).take(AHEAD);
        table.warm(ahead.clone().map(|(home, _)| home));
        for (home, next) in ahead {
            if out.len() + *spent >= until {
                break;
            }
            for (slot, stamp) in table.wanted(home).into_iter().flatten() {
                encode(out, &mut shot, slot, stamp);
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
    /// The collection that the last step did not finish: it goes on before anything else.
    running: Option<Running>,
    aside: Leaving,
}

impl Walk {
    /// Memory in bytes of what is there for the snapshot only.
    pub(super) fn memory(&self) -> usize {
        self.detached.iter().map(|table| table.memory() + pending_of(table)).sum()
    }
}

/// Ends the snapshot of one table.
fn close(table: &mut Table, graveyard: &mut Graveyard) {
    if let Some(shot) = table.shot.take() {
        shot.kept.into_iter().for_each(|(slot, _)| graveyard.bury(slot));
    }
}

fn pending_of(table: &Table) -> usize {
    table.shot.as_ref().map_or(0, |shot| shot.pending())
}

impl Keyspace {
    pub(super) fn begin_snapshot(&mut self) {
        self.end_snapshot();
        self.walk = Some(Walk { aside: Leaving::new(&self.aside), ..Walk::default() });
        for (db, table) in self.dbs.iter_mut().enumerate().filter(|(_, table)| table.len() > 0) {
            table.begin_shot(db as u32, self.uses, self.seen);
        }
    }

    pub(super) fn step_snapshot(&mut self, out: &mut Body, budget: usize) -> Progress {
        let Some(walk_state) = &mut self.walk else { return Progress::Done };
        let until = out.len() + budget.max(1) as u64;
        if !walk_state.aside.before(out, until) {
            return Progress::More;
        }
        if let Some(mut running) = walk_state.running.take() {
            if !running.go_on(out, until) {
                walk_state.running = Some(running);
                return Progress::More;
            }
            self.graveyard.bury(running.slot);
        }
        // In the order of the numbers that the databases had.
        let mut tables: Vec<&mut Table> = self.dbs.iter_mut().chain(&mut walk_state.detached).collect();
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
            loop {
                if let Some(shot) = &mut table.shot {
                    walk_state.running = drain(shot, out, until, &mut self.graveyard);
                }
                let done = walk_state.running.is_none() && walk(table, out, until, &mut spent);
                match (done, &table.shot) {
                    (true, Some(shot)) if shot.kept.is_empty() => break,
                    // A collection was put aside, and there is room left for it.
                    (_, Some(shot)) if !shot.kept.is_empty() && out.len() + spent < until => {}
                    _ => return Progress::More,
                }
            }
        }
        for i in (0..walk_state.detached.len()).rev() {
            self.graveyard.bury_table(walk_state.detached.swap_remove(i));
        }
        if walk_state.aside.behind(out, until) { Progress::Done } else { Progress::More }
    }

    pub(super) fn pending_snapshot(&self) -> usize {
        let detached = self.walk.iter().flat_map(|walk| &walk.detached);
        self.dbs.iter().chain(detached).map(pending_of).sum()
    }

    pub(super) fn end_snapshot(&mut self) {
        self.dbs.iter_mut().for_each(|table| close(table, &mut self.graveyard));
        if let Some(walk) = self.walk.take() {
            for mut table in walk.detached {
                close(&mut table, &mut self.graveyard);
                self.graveyard.bury_table(table);
            }
            walk.running.into_iter().for_each(|running| self.graveyard.bury(running.slot));
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
