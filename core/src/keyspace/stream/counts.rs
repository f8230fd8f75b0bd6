//! What is known of how many entries were ever added, read, and are left to read (Redis since 7.0).

use super::id::MIN;
use super::{Group, Stream};
use crate::rdb::StreamId;

impl Stream {
    /// Whether an entry behind `id`, or at it, may have been deleted.
    fn has_tombstone_since(&self, id: StreamId) -> bool {
        self.len() > 0 && self.max_deleted != MIN && id <= self.max_deleted
    }

    /// How many entries had been added when this one was, as far as it can be told.
    pub(in crate::keyspace) fn added_up_to(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len() == 0 && id <= self.last_id {
            return Some(self.added);
        }
        if id != MIN && id < self.max_deleted {
            return None;
        }
        if id >= self.last_id {
            return Some(self.added).filter(|_| id == self.last_id);
        }
        let first = self.first_id().unwrap_or(MIN);
        if self.max_deleted != MIN && self.max_deleted >= first {
            // Some entry between is missing, and nobody knows which.
            return None;
        }
        let before_first = self.added.wrapping_sub(self.len() as u64);
        match id.cmp(&first) {
            core::cmp::Ordering::Less => Some(before_first),
            core::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            core::cmp::Ordering::Greater => None,
        }
    }

    /// Whether counting on from a group's own count gives the right one: nothing is missing behind what it read last.
    fn counts_on(&self, last_id: StreamId) -> bool {
        self.first_id().is_none_or(|first| last_id >= first) && !self.has_tombstone_since(last_id)
    }

    /// How many entries a group still has to read.
    pub(in crate::keyspace) fn lag(&self, group: &Group) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = group.read.filter(|_| !self.has_tombstone_since(group.last_id));
        read.or_else(|| self.added_up_to(group.last_id)).map(|read| self.added.wrapping_sub(read))
    }

    /// How many entries a group has read once it has read this one too; `last_id` is what it read before.
    pub(in crate::keyspace) fn read_with(&self, read: Option<u64>, last_id: StreamId, id: StreamId) -> Option<u64> {
        match read {
            Some(read) if self.counts_on(last_id) => Some(read.wrapping_add(1)),
            _ if self.added > 0 => self.added_up_to(id),
            _ => read,
        }
    }

    /// Whether there is more to it than a loader derives from the entries and the groups' last ids: what snapshots have
    /// from version 10 on only.
    pub(in crate::keyspace) fn has_counters(&self) -> bool {
        /// Of more groups than this nobody looks at each.
        const LOOKED_AT: usize = 16;
        self.added != self.len() as u64
            || self.max_deleted != MIN
            || self.groups().len() > LOOKED_AT
            || self.groups().iter().any(|group| group.read.is_some() && group.read != self.added_up_to(group.last_id))
    }
}
