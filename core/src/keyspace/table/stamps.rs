//! What is kept of the use of each key: four bytes beside its slot, only while `maxmemory-policy` asks for it.
//!
//! The table moves them along with the entries and knows nothing of what they mean ([`Uses`](super::super::uses::Uses)
//! does). 0 is a key of which nothing is known yet.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::bucket::SLOTS;
use super::{Place, SEGMENT, Table};

type Rows = Box<[[u32; SLOTS]; SEGMENT]>;

/// Stamps by bucket. Those of a segment take memory from the first one on that is set.
#[derive(Default)]
pub(super) struct Stamps {
    homes: Vec<Option<Rows>>,
    overflow: Vec<Option<Rows>>,
    rows: usize,
}

impl Stamps {
    /// The segments of bucket `home`, or of overflow bucket `over` if that is not 0, and its place there.
    fn at(&self, home: usize, over: u32) -> (&Vec<Option<Rows>>, usize) {
        if over == 0 { (&self.homes, home) } else { (&self.overflow, over as usize - 1) }
    }

    fn get(&self, home: usize, over: u32, slot: u8) -> u32 {
        let (segments, i) = self.at(home, over);
        let rows = segments.get(i / SEGMENT).and_then(Option::as_ref);
        rows.and_then(|rows| rows[i % SEGMENT].get(usize::from(slot))).copied().unwrap_or(0)
    }

    fn set(&mut self, home: usize, over: u32, slot: u8, stamp: u32) {
        let (segments, i) = if over == 0 { (&mut self.homes, home) } else { (&mut self.overflow, over as usize - 1) };
        if segments.len() <= i / SEGMENT {
            if stamp == 0 {
                return;
            }
            segments.resize_with(i / SEGMENT + 1, || None);
        }
        let Some(rows) = segments.get_mut(i / SEGMENT) else { return };
        if rows.is_none() {
            if stamp == 0 {
                return;
            }
            *rows = Some(Box::new([[0; SLOTS]; SEGMENT]));
            self.rows += 1;
        }
        if let Some(held) = rows.as_mut().and_then(|rows| rows[i % SEGMENT].get_mut(usize::from(slot))) {
            *held = stamp;
        }
    }

    /// Overflow bucket `from` becomes number `to`.
    pub(super) fn move_overflow(&mut self, from: u32, to: u32) {
        for slot in 0..SLOTS as u8 {
            let stamp = self.get(0, from, slot);
            self.set(0, to, slot, stamp);
        }
    }

    /// Buckets beyond so many segments are gone.
    pub(super) fn forget_beyond(&mut self, segments: usize) {
        if self.homes.len() > segments {
            self.rows -= self.homes.drain(segments..).flatten().count();
        }
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.rows * size_of::<[[u32; SLOTS]; SEGMENT]>()
    }
}

impl Table {
    /// Begins or ends to keep stamps; those there are are forgotten.
    pub(in super::super) fn keep_stamps(&mut self, keep: bool) {
        self.stamps = keep.then(Box::default);
    }

    #[inline]
    pub(super) fn stamp_at(&self, home: usize, over: u32, slot: u8) -> u32 {
        self.stamps.as_ref().map_or(0, |stamps| stamps.get(home, over, slot))
    }

    #[inline]
    pub(super) fn set_stamp_at(&mut self, home: usize, over: u32, slot: u8, stamp: u32) {
        if let Some(stamps) = &mut self.stamps {
            stamps.set(home, over, slot, stamp);
        }
    }

    /// The stamp of an entry.
    pub(in super::super) fn stamp(&self, place: Place) -> u32 {
        self.stamp_at(place.home, place.over, place.slot)
    }

    /// Gives an entry a stamp, if stamps are kept.
    pub(in super::super) fn set_stamp(&mut self, place: Place, stamp: u32) {
        self.set_stamp_at(place.home, place.over, place.slot, stamp);
    }
}
