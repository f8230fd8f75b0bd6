//! When keys expire: the earliest of each bucket, each segment and the table.

use super::super::entry::Slot;
use super::{AHEAD, NEVER, SEGMENT, SHRINK, Table};

impl Table {
    pub(in super::super) fn set_due(&mut self, home: usize, due: i64) {
        self.segments[home / SEGMENT].due[home % SEGMENT] = due;
        let segment = &mut self.segment_due[home / SEGMENT];
        *segment = due.min(*segment);
    }

    #[inline]
    pub(in super::super) fn note_expiry(&mut self, home: usize, expiry: Option<i64>) {
        let Some(at) = expiry else { return };
        self.expires += 1;
        self.expiry_sum += i128::from(at);
        let due = self.segments[home / SEGMENT].due[home % SEGMENT].min(at);
        self.set_due(home, due);
        self.earliest = self.earliest.min(at);
    }

    #[inline]
    pub(in super::super) fn forget_expiry(&mut self, expiry: Option<i64>) {
        if let Some(at) = expiry {
            self.expires -= 1;
            self.expiry_sum -= i128::from(at);
        }
    }

    /// Takes out keys whose expiry is before `now`, looking at about `budget` keys at most, which is counted down.
    /// `true`: none is left.
    pub(in super::super) fn expire(&mut self, now: i64, budget: &mut usize, mut f: impl FnMut(Slot)) -> bool {
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
                self.expire_bucket(s * SEGMENT + b, now, budget, &mut f);
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

    fn expire_bucket(&mut self, home: usize, now: i64, budget: &mut usize, f: &mut impl FnMut(Slot)) {
        let mut due;
        loop {
            due = NEVER;
            let mut found = None;
            for (place, slot) in self.entries(home) {
                *budget = budget.saturating_sub(1);
                let at = slot.expiry().unwrap_or(NEVER);
                if at < now {
                    found = Some(place);
                    break;
                }
                due = due.min(at);
            }
            // A removal may move entries of the same bucket, so the search begins anew.
            let Some(place) = found else { break };
            f(self.detach(place));
        }
        self.segments[home / SEGMENT].due[home % SEGMENT] = due;
    }
}
