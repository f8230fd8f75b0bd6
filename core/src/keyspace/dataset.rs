//! The keyspace behind the border that every dataset has.

use alloc::boxed::Box;

use super::commands;
use super::entry::Slot;
use super::record::Kind;
use super::table::Table;
use super::{Keyspace, Limits};
use crate::config::Settings;
use crate::dataset::{
    Context, Counters, Dataset, DbStats, Effects, Functions, LoadError, LoadMode, LoadPart, Progress, Spec, WaitFor,
};
use crate::rdb;
use crate::resp::Args;
use crate::rng::Rng;
use crate::time::{Instant, Now};

/// Up to so many keys lie near enough: their buckets are half a megabyte.
const NEAR: usize = 1 << 15;

impl Dataset for Keyspace {
    fn commands(&self) -> &'static [Spec] {
        commands::SPECS
    }

    fn configure(&mut self, settings: &Settings) {
        self.set_limits(Limits::of(settings));
        self.set_uses(settings);
    }

    fn note_time(&mut self, now: Now) {
        (self.seen_ms, self.seen) = (now.unix_ms, now.mono);
    }

    #[inline]
    fn execute(&mut self, command: usize, args: Args<'_>, cx: &mut Context<'_, '_>) {
        (self.seen_ms, self.seen) = (cx.now.unix_ms, cx.now.mono);
        match commands::RUN.get(command) {
            Some(run) => run(self, args, cx),
            None => cx.reply.error("ERR unknown command number"),
        }
    }

    #[inline]
    fn foresees(&self, db: u32) -> bool {
        self.dbs.get(db as usize).is_some_and(|table| table.len() > NEAR)
    }

    fn foresee(&self, db: u32, keys: &[&[u8]]) {
        if let Some(table) = self.dbs.get(db as usize) {
            table.foresee(keys);
        }
    }

    fn serves(&self, db: u32, key: &[u8], what: WaitFor) -> bool {
        let Some(table) = self.dbs.get(db as usize) else { return false };
        let kind = table.find(table.hash(key), key).map(|place| table.slot(place).kind());
        match what {
            WaitFor::List => kind == Some(Kind::List),
            WaitFor::Zset => kind == Some(Kind::Zset),
            WaitFor::Stream => kind == Some(Kind::Stream),
            // Whatever became of the key or of the group is for the command to say.
            WaitFor::Group => true,
        }
    }

    fn databases(&self) -> u32 {
        self.dbs.len() as u32
    }

    fn stats(&self, db: u32) -> DbStats {
        let Some(table) = self.dbs.get(db as usize) else { return DbStats::default() };
        let ttl = table.average_expiry().saturating_sub_unsigned(self.seen_ms).max(0);
        DbStats { keys: table.len() as u64, expires: table.expires() as u64, avg_ttl_ms: ttl as u64 }
    }

    fn counters(&self) -> Counters {
        Counters { lazy_freed: self.graveyard.freed(), ..self.counters }
    }

    fn reset_counters(&mut self) {
        self.counters = Counters::default();
        self.graveyard.reset();
    }

    fn memory(&self) -> usize {
        self.dbs.iter().map(Table::memory).sum::<usize>()
            + self.graveyard.memory()
            + self.aside.memory()
            + self.walk.as_ref().map_or(0, super::snapshot::Walk::memory)
            + self.load.as_ref().map_or(0, super::load::Load::memory)
    }

    fn memory_of(&self, db: u32, key: &[u8]) -> Option<usize> {
        let table = self.dbs.get(db as usize)?;
        let place = table.find(table.hash(key), key)?;
        Some(size_of::<Slot>() + table.slot(place).memory())
    }

    fn overhead(&self, db: u32) -> usize {
        self.dbs.get(db as usize).map_or(0, Table::overhead)
    }

    fn functions(&self) -> Functions {
        let list = || self.aside.libraries.iter();
        Functions {
            libraries: list().count(),
            functions: list().map(|library| library.functions().len()).sum(),
            bytes: self.aside.memory(),
        }
    }

    fn used(&self) -> usize {
        self.dbs.iter().map(Table::memory).sum()
    }

    fn evict(&mut self, now: Now, rng: &mut Rng, effects: &mut Effects) -> bool {
        self.evict_one(now, rng, effects)
    }

    fn waiting_to_be_freed(&self) -> u64 {
        self.graveyard.waiting()
    }

    fn digest(&mut self) -> [u8; 20] {
        super::digest::of_all(&self.dbs)
    }

    fn contains(&self, db: u32, key: &[u8]) -> bool {
        self.dbs.get(db as usize).is_some_and(|table| table.find(table.hash(key), key).is_some())
    }

    fn digest_value(&mut self, db: u32, key: &[u8]) -> [u8; 20] {
        Self::digest_value(self, db, key)
    }

    fn flush(&mut self, db: Option<u32>) -> u64 {
        let range = match db {
            Some(db) => db as usize..(db as usize).saturating_add(1).min(self.dbs.len()),
            None => 0..self.dbs.len(),
        };
        let mut keys = 0;
        for i in range {
            let fresh = self.empty_table();
            if let Some(table) = self.dbs.get_mut(i) {
                let old = core::mem::replace(table, fresh);
                keys += old.len() as u64;
                self.retire(old);
            }
        }
        keys
    }

    fn swap(&mut self, a: u32, b: u32) {
        let n = self.dbs.len();
        if (a as usize) < n && (b as usize) < n {
            self.dbs.swap(a as usize, b as usize);
        }
    }

    fn maintain(&mut self, budget: usize) -> Progress {
        self.graveyard.free(budget)
    }

    fn expire(&mut self, now: Now, budget: usize, effects: &mut Effects) -> Progress {
        self.expire_slice(now, budget, effects)
    }

    fn expired_present(&self, now: Now, mut budget: usize) -> u64 {
        let now = i64::try_from(now.unix_ms).unwrap_or(i64::MAX);
        self.dbs.iter().map(|table| table.count_expired(now, &mut budget)).sum()
    }

    fn next_expiry(&self, now: Now) -> Option<Instant> {
        self.next_expiry_after(now)
    }

    fn snapshot_version(&self) -> u16 {
        let timed = self.dbs.iter().any(|table| table.timed_fields() > 0);
        let counted = self.dbs.iter().any(|table| table.counted_streams() > 0);
        rdb::Writer::version_for(timed, counted || self.aside.libraries.len() > 0)
    }

    fn snapshot_begin(&mut self) {
        self.begin_snapshot();
    }

    fn snapshot_step(&mut self, out: &mut rdb::Body, budget: usize) -> Progress {
        self.step_snapshot(out, budget)
    }

    fn snapshot_functions(&self, out: &mut rdb::Body) {
        self.aside.libraries.iter().for_each(|library| out.function(library.code()));
    }

    fn snapshot_pending(&self) -> usize {
        self.pending_snapshot()
    }

    fn snapshot_end(&mut self) {
        self.end_snapshot();
    }

    fn load_begin(&mut self, mode: LoadMode) {
        self.begin_load(mode);
    }

    fn accepts(&self, item: &rdb::Item<'_>) -> Result<(), LoadError> {
        self.accepts_item(item)
    }

    fn load_item(&mut self, item: &rdb::Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError> {
        self.take_item(item, drop_expired)
    }

    fn load_apart(&self) -> Option<Box<dyn LoadPart>> {
        self.part_of_load()
    }

    fn load_join(&mut self, part: Box<dyn LoadPart>) -> Result<(), LoadError> {
        self.join_load(part)
    }

    fn load_commit(&mut self) {
        self.commit_load();
    }

    fn load_abort(&mut self) {
        self.abort_load();
    }

    fn load_counts(&self) -> (u64, u64) {
        self.load_counts
    }
}
