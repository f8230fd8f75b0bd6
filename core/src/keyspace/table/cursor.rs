//! Ways over the buckets: the cursor, everything, and anywhere.

use core::hint::black_box;

use super::super::entry::Slot;
use super::{Place, Table};

impl Table {
    /// The entries of a bucket with their places.
    pub(in super::super) fn entries(&self, home: usize) -> impl Iterator<Item = (Place, &Slot)> {
        let mut next = Some(0);
        core::iter::from_fn(move || {
            let over = next?;
            let bucket = self.bucket(home, over);
            next = (bucket.next != 0).then_some(bucket.next);
            Some((over, bucket))
        })
        .flat_map(move |(over, bucket)| bucket.iter().map(move |(slot, entry)| (Place { home, over, slot }, entry)))
    }

    /// The bucket at position `at` of the cursor's space, and the position behind it; `None`: it was the last.
    pub(in super::super) fn at_cursor(&self, at: u64) -> (usize, Option<u64>) {
        let home = self.index(at.reverse_bits());
        let split = home < self.split || home >= 1 << self.level;
        let bits = self.level + u32::from(split);
        let width = if bits == 0 { return (home, None) } else { 1u64 << (64 - bits) };
        (home, Self::start_of(home).checked_add(width))
    }

    /// Where the interval of a bucket begins.
    pub(in super::super) fn start_of(home: usize) -> u64 {
        (home as u64).reverse_bits()
    }

    /// Shows the entries of the bucket at cursor `at` to `f`; the next position, `None` at the end.
    pub(in super::super) fn scan(&self, at: u64, mut f: impl FnMut(&Slot)) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let (home, next) = self.at_cursor(at);
        self.entries(home).for_each(|(_, slot)| f(slot));
        next
    }

    /// Shows all entries to `f`.
    pub(in super::super) fn for_each(&self, mut f: impl FnMut(&Slot)) {
        if self.len > 0 {
            (0..self.buckets()).for_each(|home| self.entries(home).for_each(|(_, slot)| f(slot)));
        }
    }

    /// An entry, each about equally likely, chosen by the numbers that `random` yields below its argument.
    pub(in super::super) fn random(&self, mut random: impl FnMut(u64) -> u64) -> Option<Place> {
        const TRIES: usize = 100;
        const DEPTH: u64 = 16;
        if self.len == 0 {
            return None;
        }
        // A bucket that is not split yet has twice the keys and is hit twice as often, so that choosing a slot that may
        // be empty keeps the odds even.
        for _ in 0..TRIES {
            let home = self.index(random(u64::MAX));
            if let Some((place, _)) = self.entries(home).nth(random(DEPTH) as usize) {
                return Some(place);
            }
        }
        let from = random(self.buckets() as u64) as usize;
        (0..self.buckets()).find_map(|k| self.entries((from + k) % self.buckets()).next()).map(|(place, _)| place)
    }

    /// Brings the entries of some buckets into the cache, all at once.
    pub(in super::super) fn warm(&self, homes: impl Iterator<Item = usize> + Clone) {
        black_box(homes.clone().filter(|&home| self.home(home).is_empty()).count());
        black_box(homes.flat_map(|home| self.home(home).iter()).fold(0, |sum, (_, slot)| sum ^ slot.warm()));
    }
}
