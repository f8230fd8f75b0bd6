//! Some entries from anywhere, for evictions to choose among.

use super::super::entry::Slot;
use super::{NEVER, Place, SEGMENT, Table};

impl Table {
    /// Shows about `n` entries that lie beside each other to `f`, with their stamps, from a place on that `random` chooses below its argument;
    /// with `expiring` only such as have an expiry. At least one if there is one.
    pub(in super::super) fn sample(
        &mut self,
        n: usize,
        expiring: bool,
        mut random: impl FnMut(u64) -> u64,
        mut f: impl FnMut(Place, &Slot, u32),
    ) {
        let there = if expiring { self.expires } else { self.len };
        if there == 0 {
            return;
        }
        let (mut left, mut home) = (n.clamp(1, there), self.index(random(u64::MAX)));
        // From anywhere within the first bucket: else the last ones of a full bucket would never come.
        let wanted = |slot: &Slot| !expiring || slot.expiry().is_some();
        let mut skip = random(self.entries(home).filter(|(_, slot)| wanted(slot)).count() as u64) as usize;
        // The first bucket comes twice: its head last.
        for _ in 0..=self.buckets() {
            if expiring {
                let Some(next) = self.next_expiring(home) else { return };
                home = next;
            }
            let mut any = false;
            for (place, slot) in self.entries(home).filter(|(_, slot)| wanted(slot)) {
                any = true;
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                f(place, slot, self.stamp(place));
                left -= 1;
                if left == 0 {
                    return;
                }
            }
            if expiring && !any {
                self.set_true_due(home);
            }
            home = (home + 1) % self.buckets();
        }
    }

    /// The first bucket from `home` on, around the end, in which something may expire.
    fn next_expiring(&mut self, home: usize) -> Option<usize> {
        let segments = self.segments.len();
        let (first, offset) = (home / SEGMENT, home % SEGMENT);
        for k in 0..=segments {
            let s = (first + k) % segments;
            if self.segment_due[s] == NEVER {
                continue;
            }
            // The first segment comes twice: its head last.
            let span = if k == 0 { offset..SEGMENT } else { 0..SEGMENT };
            if let Some(b) = span.clone().find(|&b| self.segments[s].due[b] != NEVER) {
                return Some(s * SEGMENT + b);
            }
            if span.start == 0 {
                self.segment_due[s] = NEVER;
            }
        }
        None
    }

    /// The earliest expiry in a bucket was of a key that is gone: it is looked up anew, so that the next search passes by.
    fn set_true_due(&mut self, home: usize) {
        let due = self.entries(home).filter_map(|(_, slot)| slot.due()).min().unwrap_or(NEVER);
        self.segments[home / SEGMENT].due[home % SEGMENT] = due;
    }
}
