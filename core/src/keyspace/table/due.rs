//! When keys expire: the earliest of each bucket, each segment and the table.

use alloc::vec::Vec;

use super::super::entry::Slot;
use super::{AHEAD, NEVER, Place, SEGMENT, SHRINK, Table};

/// Fields of one key that go at once.
const FIELDS: usize = 64;

/// What the table counts of an entry: when it is to be found, and which snapshots hold it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Deadline {
    expiry: Option<i64>,
    /// The earlier of that and the first expiry of a field.
    due: Option<i64>,
    /// Whether fields expire.
    fields: bool,
    /// Whether it is a stream with counters that old snapshots lose.
    counters: bool,
}

impl Deadline {
    #[inline]
    pub(super) fn of(slot: &Slot) -> Self {
        Self { expiry: slot.expiry(), due: slot.due(), fields: slot.has_timed_fields(), counters: slot.has_counters() }
    }
}

/// What has expired.
pub(in super::super) enum Gone<'a> {
    /// A key.
    Key(Slot),
    /// Fields of a key.
    Fields(&'a [u8], &'a [Vec<u8>]),
    /// A key that has no fields left.
    Rest(Slot),
}

impl Table {
    pub(in super::super) fn set_due(&mut self, home: usize, due: i64) {
        self.segments[home / SEGMENT].due[home % SEGMENT] = due;
        let segment = &mut self.segment_due[home / SEGMENT];
        *segment = due.min(*segment);
    }

    #[inline]
    pub(super) fn note_deadline(&mut self, home: usize, deadline: Deadline) {
        self.counted_streams += usize::from(deadline.counters);
        let Some(at) = deadline.due else { return };
        if let Some(at) = deadline.expiry {
            self.expires += 1;
            self.expiry_sum += i128::from(at);
        }
        self.timed_fields += usize::from(deadline.fields);
        let due = self.segments[home / SEGMENT].due[home % SEGMENT].min(at);
        self.set_due(home, due);
        self.earliest = self.earliest.min(at);
    }

    #[inline]
    pub(super) fn forget_deadline(&mut self, deadline: Deadline) {
        if let Some(at) = deadline.expiry {
            self.expires -= 1;
            self.expiry_sum -= i128::from(at);
        }
        self.timed_fields -= usize::from(deadline.fields);
        self.counted_streams -= usize::from(deadline.counters);
    }

    /// Takes out keys and fields whose expiry is before `now`, looking at about `budget` of them at most, which is counted
    /// down. `true`: none is left.
    pub(in super::super) fn expire(&mut self, now: i64, budget: &mut usize, mut f: impl FnMut(Gone<'_>)) -> bool {
        if self.earliest() >= now {
            return true;
        }
        let segments = self.segments.len();
        for k in 0..segments {
            let s = (self.expire_from + k) % segments;
            if self.segment_due[s] >= now {
                continue;
            }
            for b in 0..SEGMENT {
                if self.segments[s].due[b] >= now {
                    continue;
                }
                if *budget == 0 {
                    self.expire_from = s;
                    return false;
                }
                if !self.expire_bucket(s * SEGMENT + b, now, budget, &mut f) {
                    self.expire_from = s;
                    return false;
                }
            }
            self.segment_due[s] = self.segments[s].due.iter().copied().min().unwrap_or(NEVER);
        }
        self.earliest = self.segment_due.iter().copied().min().unwrap_or(NEVER);
        for _ in 0..AHEAD {
            if self.len < self.buckets() * SHRINK {
                self.shrink();
            }
        }
        true
    }

    /// How many keys whose expiry is before `now` are still here, looking at `budget` keys at most, which is counted down.
    pub(in super::super) fn count_expired(&self, now: i64, budget: &mut usize) -> u64 {
        if self.earliest() >= now {
            return 0;
        }
        let mut found = 0;
        for (s, segment) in self.segments.iter().enumerate() {
            let due = (0..SEGMENT).filter(|&b| self.segment_due[s] < now && segment.due[b] < now);
            for (_, slot) in due.flat_map(|b| self.entries(s * SEGMENT + b)) {
                if *budget == 0 {
                    return found;
                }
                *budget -= 1;
                found += u64::from(slot.expiry().is_some_and(|at| at < now));
            }
        }
        found
    }

    /// The same for one bucket. Keys of a bucket are few and go together; the fields of one key may be many.
    fn expire_bucket(&mut self, home: usize, now: i64, budget: &mut usize, f: &mut impl FnMut(Gone<'_>)) -> bool {
        let mut due;
        loop {
            due = NEVER;
            let mut found = None;
            for (place, slot) in self.entries(home) {
                *budget = budget.saturating_sub(1);
                let at = slot.due().unwrap_or(NEVER);
                if at < now {
                    found = Some((place, slot.expiry().is_none_or(|at| at >= now)));
                    break;
                }
                due = due.min(at);
            }
            // A removal may move entries of the same bucket, so the search begins anew.
            let Some((place, fields)) = found else { break };
            if !fields {
                f(Gone::Key(self.detach(place)));
                continue;
            }
            *budget = budget.saturating_sub(self.expire_fields(place, now, *budget, f));
            if *budget == 0 {
                return false;
            }
        }
        self.segments[home / SEGMENT].due[home % SEGMENT] = due;
        true
    }

    /// Takes fields of one key out, and the key with the last one; how many.
    fn expire_fields(&mut self, place: Place, now: i64, budget: usize, f: &mut impl FnMut(Gone<'_>)) -> usize {
        let hash_key = self.hash_key;
        let names =
            self.update(place, |slot| slot.take_due_fields(hash_key, now.max(0) as u64, budget.clamp(1, FIELDS)));
        f(Gone::Fields(self.slot(place).key(), &names));
        if self.slot(place).is_hollow() {
            f(Gone::Rest(self.detach(place)));
        }
        names.len()
    }
}
