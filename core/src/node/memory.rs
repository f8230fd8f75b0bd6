//! `maxmemory`: room is made before a command runs, in slices.
//!
//! What counts is [`Dataset::used`]: keys and values with their tables. Buffers of clients, the replication log, snapshots
//! on their way and what waits to be freed are apart: evicting keys would give none of that back. There is no clock in a
//! decision, so `maxmemory-eviction-tenacity` bounds the keys of one slice and not its time; a key counts as a microsecond.

use core::time::Duration;

use super::{Cx, Node};
use crate::client::Session;
use crate::dataset::Dataset;
use crate::time::Instant;

/// Keys that one slice evicts at least.
const SLICE_MIN: u64 = 16;
/// Keys of a slice for each unit of a tenacity of up to 10; from there on 15 % more with each unit.
const SLICE_UNIT: u64 = 50;

/// How many keys one slice evicts at most.
fn slice(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => (SLICE_UNIT * u64::from(tenacity)).max(SLICE_MIN),
        11..100 => (10..tenacity).fold(SLICE_UNIT * 10, |keys, _| keys + keys * 15 / 100),
        _ => u64::MAX,
    }
}

impl<D: Dataset> Node<D> {
    /// Whether keys give way to `maxmemory` here: not on a replica that leaves it to its master, nor while the dataset is
    /// to stay as it is.
    fn may_evict(&self) -> bool {
        let settings = &self.config.settings;
        settings.maxmemory > 0
            && (self.is_master() || !settings.replica_ignore_maxmemory)
            && !self.clients.is_paused()
            && self.shutdown.is_none()
            && !self.is_loading()
    }

    /// Makes room for a command that comes, as far as one slice gets; [`Node::out_of_memory`] is whether there is none.
    /// `own`: the session taken out for that command.
    pub(super) fn evict_slice(&mut self, own: Option<&mut Session>, cx: &mut Cx<'_>) {
        self.out_of_memory = false;
        if !self.may_evict() {
            return self.note_exceeded(cx.now.mono);
        }
        let max = self.config.settings.maxmemory;
        let mut left = slice(self.config.settings.maxmemory_eviction_tenacity);
        self.effects.watching = !self.watchers.is_empty();
        while self.data.used() as u64 > max {
            if left == 0 {
                // The rest when others had their turn; commands run meanwhile.
                self.evicting = true;
                self.want_resume(cx);
                break;
            }
            left -= 1;
            if !self.data.evict(cx.now, &mut self.rng, &mut self.effects) {
                self.out_of_memory = true;
                break;
            }
        }
        self.note_exceeded(cx.now.mono);
        self.tell_watchers(own);
        self.propagate_each(cx);
    }

    /// Since when the dataset is above the limit.
    fn note_exceeded(&mut self, now: Instant) {
        let max = self.config.settings.maxmemory;
        let exceeded = max > 0 && self.data.used() as u64 > max;
        match (exceeded, self.stats.exceeded_since) {
            (true, None) => self.stats.exceeded_since = Some(now),
            (false, Some(since)) => {
                self.stats.exceeded += now - since;
                self.stats.exceeded_since = None;
            }
            _ => {}
        }
    }

    /// For how long the dataset has been above the limit altogether, and without a break until now, ms.
    pub(super) fn exceeded_ms(&self, now: Instant) -> (u64, u64) {
        let current = self.stats.exceeded_since.map_or(Duration::ZERO, |since| now - since);
        ((self.stats.exceeded + current).as_millis() as u64, current.as_millis() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn slices_grow_with_the_tenacity() {
        assert_eq!([0, 1, 10, 11, 100].map(slice), [16, 50, 500, 575, u64::MAX]);
        assert!((1..=100).all(|t| slice(t) > slice(t - 1)));
    }
}
