//! The table of one database: linear hashing, one bucket at a time.
//!
//! With `2^level + split` buckets, a key lives in bucket `hash mod 2^level`, or `hash mod 2^(level+1)` where that one
//! was split already. A table over its load splits one bucket at each insertion, one under it merges one at each
//! removal; nothing is ever rehashed as a whole, and buckets lie in segments, so that nothing is moved as a whole.
//!
//! The cursor is a position in the space of *bit-reversed* hashes. A bucket covers one interval of that space; a split
//! halves the interval, a merge joins two halves. A walk from 0 to the end therefore meets every key that is there all
//! the time, whatever the table does meanwhile. SCAN and snapshots share this order.

mod cursor;
mod due;
mod overflow;
mod sample;
mod stamps;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;

use smallvec::SmallVec;

use super::bucket::{Bucket, tag};
use super::entry::Slot;
use super::hashed::HashKey;
use super::snapshot::Shot;
use super::uses::Uses;
use crate::time::Instant;
use due::Deadline;
pub(super) use due::Gone;
use overflow::{Overflow, bury};
use stamps::Stamps;

/// Buckets of a segment.
const SEGMENT: usize = 128;
/// Keys for each bucket beyond which the table grows, and below which it shrinks.
const GROW: usize = 6;
const SHRINK: usize = 2;
/// And below which an eviction lets it shrink.
const TIGHT: usize = 4;
/// Buckets that one insertion may split on the way to an announced size, and that one pass of the expiry may merge. Few:
/// a read of many small keys must not fault in a megabyte of new segments in one turn.
const AHEAD: usize = 4;
/// Keys that are fetched together.
const FORESEEN: usize = 16;
/// The largest announced size that is believed, in buckets: a hint in a snapshot must not cost memory by itself.
const AHEAD_MAX: usize = 1 << 24;
/// No key of a bucket expires.
pub(super) const NEVER: i64 = i64::MAX;

/// Buckets beside each other, and the earliest expiry in each (or one earlier than that, never later).
struct Segment {
    buckets: Box<[Bucket; SEGMENT]>,
    due: Box<[i64; SEGMENT]>,
}

impl Segment {
    fn new() -> Self {
        let buckets: Vec<Bucket> = (0..SEGMENT).map(|_| Bucket::default()).collect();
        match buckets.into_boxed_slice().try_into() {
            Ok(buckets) => Self { buckets, due: Box::new([NEVER; SEGMENT]) },
            // The slice was made of exactly SEGMENT buckets.
            Err(_) => unreachable!(),
        }
    }

    const MEMORY: usize = SEGMENT * (size_of::<Bucket>() + size_of::<i64>()) + 64;
}

/// Where a key is; valid until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its bucket.
    pub(super) home: usize,
    /// The overflow bucket it is in; 0: the bucket itself.
    over: u32,
    slot: u8,
}

/// The keys of one database.
pub(super) struct Table {
    hash_key: HashKey,
    segments: Vec<Segment>,
    /// The earliest of each segment's `due`, or something earlier.
    segment_due: Vec<i64>,
    /// The earliest of those, or something earlier.
    earliest: i64,
    level: u32,
    split: usize,
    /// Buckets to grow to without further keys.
    announced: usize,
    overflow: Overflow,
    len: usize,
    expires: usize,
    /// Keys with fields that expire.
    timed_fields: usize,
    /// Streams with counters that snapshots before version 10 lose.
    counted_streams: usize,
    /// The sum of all expiries, for their average.
    expiry_sum: i128,
    /// Memory of the entries in bytes.
    entries_memory: usize,
    /// Numbers the snapshots of this table.
    version: u32,
    /// What is kept of each key's use, while a policy asks for it.
    stamps: Option<Box<Stamps>>,
    /// The snapshot that runs over it.
    pub(super) shot: Option<Box<Shot>>,
    /// The segment that the next search for expired keys begins at.
    expire_from: usize,
}

impl core::fmt::Debug for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Table").field("len", &self.len).field("buckets", &self.buckets()).finish_non_exhaustive()
    }
}

impl Table {
    /// An empty table that hashes with `hash_key`. Takes no memory until the first key comes.
    pub(super) fn new(hash_key: HashKey) -> Self {
        Self {
            hash_key,
            segments: Vec::new(),
            segment_due: Vec::new(),
            earliest: NEVER,
            level: 0,
            split: 0,
            announced: 0,
            overflow: Overflow::default(),
            len: 0,
            expires: 0,
            timed_fields: 0,
            counted_streams: 0,
            expiry_sum: 0,
            entries_memory: 0,
            version: 0,
            stamps: None,
            shot: None,
            expire_from: 0,
        }
    }

    /// The hash of `key`.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hash_key.hash(key)
    }

    /// How many keys.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of them have an expiry.
    pub(super) fn expires(&self) -> usize {
        self.expires
    }

    /// The average expiry, ms since 1970; 0 if no key has one.
    pub(super) fn average_expiry(&self) -> i64 {
        if self.expires == 0 { 0 } else { (self.expiry_sum / self.expires as i128) as i64 }
    }

    /// No key and no field of one expires before this; [`NEVER`] if none has an expiry.
    #[inline]
    pub(super) fn earliest(&self) -> i64 {
        if self.expires == 0 && self.timed_fields == 0 { NEVER } else { self.earliest }
    }

    /// How many keys have fields that expire.
    pub(super) fn timed_fields(&self) -> usize {
        self.timed_fields
    }

    /// How many streams have counters that snapshots before version 10 lose.
    pub(super) fn counted_streams(&self) -> usize {
        self.counted_streams
    }

    /// Memory of the entries alone.
    #[cfg(test)]
    pub(super) fn entries_memory(&self) -> usize {
        self.entries_memory
    }

    /// Memory in bytes, about.
    pub(super) fn memory(&self) -> usize {
        self.entries_memory + self.overhead()
    }

    /// The same without the entries.
    pub(super) fn overhead(&self) -> usize {
        self.segments.len() * Segment::MEMORY
            + self.overflow.memory()
            + self.stamps.as_ref().map_or(0, |stamps| stamps.memory())
    }

    /// How many buckets.
    #[inline]
    pub(super) fn buckets(&self) -> usize {
        (1 << self.level) + self.split
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        let mask = (1u64 << self.level) - 1;
        let i = (hash & mask) as usize;
        if i < self.split { (hash & (mask << 1 | 1)) as usize } else { i }
    }

    // Bucket numbers come from `index` or from a loop below `buckets()`, and `segments` covers all of those as soon as
    // there is a key: `make_room` runs before anything is put in, and the readers ask `len` first.
    #[inline]
    fn home(&self, i: usize) -> &Bucket {
        &self.segments[i / SEGMENT].buckets[i % SEGMENT]
    }

    #[inline]
    fn home_mut(&mut self, i: usize) -> &mut Bucket {
        &mut self.segments[i / SEGMENT].buckets[i % SEGMENT]
    }

    #[inline]
    fn bucket(&self, home: usize, over: u32) -> &Bucket {
        if over == 0 { self.home(home) } else { self.overflow.get(over) }
    }

    #[inline]
    fn bucket_mut(&mut self, home: usize, over: u32) -> &mut Bucket {
        if over == 0 { self.home_mut(home) } else { self.overflow.get_mut(over) }
    }

    /// Where `key` is.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        if self.len == 0 {
            return None;
        }
        let (home, tag) = (self.index(hash), tag(hash));
        let mut bucket = self.home(home);
        let mut over = 0;
        loop {
            if let Some(slot) = bucket.find(tag, key) {
                return Some(Place { home, over, slot });
            }
            over = bucket.next;
            if over == 0 {
                return None;
            }
            bucket = self.overflow.get(over);
        }
    }

    /// Reads a byte of both cache lines of the bucket that `hash` leads to: a loop of these waits for memory
    /// once. The result means nothing and goes into `black_box`.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u8 {
        if self.len == 0 { 0 } else { self.home(self.index(hash)).peek() }
    }

    /// Fetches what a look at each of these keys will read, [`FORESEEN`] of them at most: first their buckets together, then
    /// their records. Waiting for memory, each alone, is most of what commands on many small keys cost.
    pub(super) fn foresee(&self, keys: &[&[u8]]) {
        if self.len == 0 {
            return;
        }
        let hashes: SmallVec<[u64; FORESEEN]> = keys.iter().take(FORESEEN).map(|key| self.hash(key)).collect();
        black_box(hashes.iter().fold(0, |sum, &hash| sum ^ self.peek(hash)));
        let mut over: SmallVec<[(&Bucket, u8); FORESEEN]> = SmallVec::new();
        for &hash in &hashes {
            let (home, tag) = (self.home(self.index(hash)), tag(hash));
            black_box(home.peek_keys(tag));
            if home.next != 0 {
                over.push((self.overflow.get(home.next), tag));
            }
        }
        black_box(over.iter().fold(0, |sum, (bucket, _)| sum ^ bucket.peek()));
        black_box(over.iter().fold(0, |sum, (bucket, tag)| sum ^ bucket.peek_keys(*tag)));
    }

    /// The entry at a place that `find` gave.
    #[inline]
    pub(super) fn slot(&self, place: Place) -> &Slot {
        self.bucket(place.home, place.over).slot(place.slot)
    }

    /// Changes an entry; its key must stay the same. The snapshot gets the old state first.
    #[inline]
    pub(super) fn update<T>(&mut self, place: Place, f: impl FnOnce(&mut Slot) -> T) -> T {
        self.hand_over(place.home);
        let slot = self.bucket_mut(place.home, place.over).slot_mut(place.slot);
        let (memory, deadline) = (slot.memory(), Deadline::of(slot));
        let result = f(slot);
        let (memory_now, deadline_now) = (slot.memory(), Deadline::of(slot));
        self.entries_memory = self.entries_memory - memory + memory_now;
        if deadline != deadline_now {
            self.forget_deadline(deadline);
            self.note_deadline(place.home, deadline_now);
        }
        result
    }

    /// Adds an entry whose key is not there yet.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot) {
        self.insert_stamped(hash, slot, 0);
    }

    /// The same with what is known of the key's use.
    pub(super) fn insert_stamped(&mut self, hash: u64, slot: Slot, stamp: u32) {
        self.make_room();
        let home = self.index(hash);
        self.hand_over(home);
        self.len += 1;
        self.entries_memory += slot.memory();
        let deadline = Deadline::of(&slot);
        self.push(home, tag(hash), slot, stamp);
        self.note_deadline(home, deadline);
        if self.len > self.buckets() * GROW {
            self.grow();
        }
        if self.announced > self.buckets() {
            (0..AHEAD).for_each(|_| self.grow());
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, place: Place) -> Slot {
        let slot = self.detach(place);
        if self.len < self.buckets() * SHRINK && self.announced == 0 {
            self.shrink();
        }
        slot
    }

    /// Merges a bucket if the table is larger than it has to be by far: for evictions, so that memory goes to keys.
    pub(super) fn tighten(&mut self) {
        if self.len < self.buckets() * TIGHT && self.announced == 0 {
            self.shrink();
        }
    }

    /// Takes an entry out and leaves the buckets as they are.
    fn detach(&mut self, place: Place) -> Slot {
        self.hand_over(place.home);
        let (_, slot) = self.bucket_mut(place.home, place.over).take(place.slot);
        // Only the first overflow bucket of a chain may have empty slots: it fills the hole.
        let first = self.home(place.home).next;
        if first != 0 {
            if first != place.over
                && let Some(i) = self.overflow.get(first).any()
            {
                let stamp = self.stamp_at(place.home, first, i);
                let (tag, moved) = self.overflow.get_mut(first).take(i);
                // The slot was emptied just now, so there is room.
                if let Ok(i) = self.bucket_mut(place.home, place.over).put(tag, moved) {
                    self.set_stamp_at(place.home, place.over, i, stamp);
                }
            }
            if self.overflow.get(first).is_empty() {
                self.unlink(place.home);
            }
        }
        self.len -= 1;
        self.entries_memory -= slot.memory();
        self.forget_deadline(Deadline::of(&slot));
        slot
    }

    /// Announces how many keys will come: the table grows towards it in small steps, ahead of them.
    pub(super) fn announce(&mut self, keys: u64) {
        self.announced = usize::try_from(keys).unwrap_or(usize::MAX).div_ceil(GROW).min(AHEAD_MAX);
    }

    /// No more keys than there are were announced.
    pub(super) fn announced_all(&mut self) {
        self.announced = 0;
    }

    fn push(&mut self, home: usize, tag: u8, slot: Slot, stamp: u32) {
        let slot = match self.home_mut(home).put(tag, slot) {
            Ok(i) => return self.set_stamp_at(home, 0, i, stamp),
            Err(slot) => slot,
        };
        let first = self.home(home).next;
        let slot = if first == 0 {
            slot
        } else {
            match self.overflow.get_mut(first).put(tag, slot) {
                Ok(i) => return self.set_stamp_at(home, first, i, stamp),
                Err(slot) => slot,
            }
        };
        let fresh = self.overflow.acquire(first);
        self.home_mut(home).next = fresh;
        // A fresh bucket has room.
        if let Ok(i) = self.overflow.get_mut(fresh).put(tag, slot) {
            self.set_stamp_at(home, fresh, i, stamp);
        }
    }

    /// Takes all entries of a bucket out, each with its tag and its stamp.
    fn drain(&mut self, home: usize) -> SmallVec<[(u8, Slot, u32); 14]> {
        let mut all = SmallVec::new();
        loop {
            let first = self.home(home).next;
            for over in [0, first].into_iter().take(if first == 0 { 1 } else { 2 }) {
                while let Some(i) = self.bucket(home, over).any() {
                    let stamp = self.stamp_at(home, over, i);
                    let (tag, slot) = self.bucket_mut(home, over).take(i);
                    all.push((tag, slot, stamp));
                }
            }
            if first == 0 {
                return all;
            }
            self.unlink(home);
        }
    }

    /// Gives the first overflow bucket of a chain back, which is empty. The last one of all takes its number, so that
    /// they stay dense.
    fn unlink(&mut self, home: usize) {
        let gap = self.home(home).next;
        self.home_mut(home).next = self.overflow.get(gap).next;
        let last = self.overflow.used;
        if gap != last {
            *self.overflow.get_mut(gap) = core::mem::take(self.overflow.get_mut(last));
            if let Some(stamps) = &mut self.stamps {
                stamps.move_overflow(last, gap);
            }
            // It has a key, and that leads to its chain.
            let key = self.overflow.get(gap).iter().next().map(|(_, slot)| self.hash(slot.key()));
            let chain = self.index(key.unwrap_or_default());
            if self.home(chain).next == last {
                self.home_mut(chain).next = gap;
            }
            let mut at = self.home(chain).next;
            while at != 0 {
                let bucket = self.overflow.get_mut(at);
                if bucket.next == last {
                    bucket.next = gap;
                }
                at = bucket.next;
            }
        }
        self.overflow.pop();
    }

    /// Makes the segment of the next bucket that a split would add, and the first of all.
    fn make_room(&mut self) {
        if self.segments.len() * SEGMENT <= self.buckets() {
            self.segments.push(Segment::new());
            self.segment_due.push(NEVER);
        }
    }

    /// Splits one bucket.
    fn grow(&mut self) {
        self.make_room();
        let (from, to) = (self.split, self.buckets());
        let bit = 1u64 << self.level;
        let entries = self.drain(from);
        let version = self.home(from).version;
        self.home_mut(to).version = version;
        self.split += 1;
        if self.split == 1 << self.level {
            self.level += 1;
            self.split = 0;
        }
        black_box(entries.iter().fold(0, |sum, (_, slot, _)| sum ^ slot.warm()));
        let (mut stay, mut go) = (NEVER, NEVER);
        for (tag, slot, stamp) in entries {
            let due = slot.due().unwrap_or(NEVER);
            if self.hash(slot.key()) & bit == 0 {
                stay = stay.min(due);
                self.push(from, tag, slot, stamp);
            } else {
                go = go.min(due);
                self.push(to, tag, slot, stamp);
            }
        }
        self.segments[from / SEGMENT].due[from % SEGMENT] = stay;
        self.set_due(to, go);
    }

    /// Merges the last bucket into the one it was split from, but never while a snapshot's cursor may lie between them.
    fn shrink(&mut self) {
        if self.shot.is_some() || self.buckets() == 1 {
            return;
        }
        let from = self.buckets() - 1;
        let due = self.segments[from / SEGMENT].due[from % SEGMENT];
        let entries = self.drain(from);
        if self.split == 0 {
            self.level -= 1;
            self.split = 1 << self.level;
        }
        self.split -= 1;
        let to = self.split;
        for (tag, slot, stamp) in entries {
            self.push(to, tag, slot, stamp);
        }
        self.segments[from / SEGMENT].due[from % SEGMENT] = NEVER;
        let due = due.min(self.segments[to / SEGMENT].due[to % SEGMENT]);
        self.set_due(to, due);
        // One spare segment stays, so that a table that swings around a border does not allocate each time.
        if self.segments.len() > self.buckets().div_ceil(SEGMENT) + 1 {
            self.segments.pop();
            self.segment_due.pop();
            if let Some(stamps) = &mut self.stamps {
                stamps.forget_beyond(self.segments.len());
            }
        }
    }

    /// Begins a snapshot of this moment over the keys, to be saved as database `db`.
    pub(super) fn begin_shot(&mut self, db: u32, uses: Uses, at: Instant) {
        self.version = self.version.wrapping_add(1);
        self.shot = Some(Box::new(Shot::new(db, self.len, self.expires, uses, at)));
    }

    /// A change to bucket `home` is coming: what the snapshot still needs of it is handed over.
    #[inline]
    fn hand_over(&mut self, home: usize) {
        if self.shot.is_some() {
            self.hand_over_now(home);
        }
    }

    #[cold]
    fn hand_over_now(&mut self, home: usize) {
        let Some(mut shot) = self.shot.take() else { return };
        if shot.wants(Self::start_of(home)) && self.home(home).version != self.version {
            self.home_mut(home).version = self.version;
            for (place, slot) in self.entries(home) {
                shot.keep(slot, self.stamp(place));
            }
        }
        self.shot = Some(shot);
    }

    /// The bucket at the snapshot's cursor, for its walk, with the stamps: `None` if it was handed over already.
    pub(super) fn wanted(&self, home: usize) -> Option<impl Iterator<Item = (&Slot, u32)>> {
        let entries = || self.entries(home).map(|(place, slot)| (slot, self.stamp(place)));
        (self.home(home).version != self.version).then(entries)
    }

    /// Frees about `budget` keys, of a table that nobody uses any more; how many went. 0: it is empty.
    pub(super) fn dismantle(&mut self, budget: usize, heavy: &mut Vec<Slot>) -> usize {
        let mut freed = 0;
        while freed < budget.max(1) {
            let Some(mut segment) = self.segments.pop() else {
                freed += self.overflow.dismantle(heavy);
                if freed == 0 {
                    self.len = 0;
                }
                return freed;
            };
            for bucket in segment.buckets.iter_mut() {
                freed += bury(bucket, heavy);
            }
        }
        freed
    }
}
