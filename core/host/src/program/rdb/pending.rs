//! The pending entries of a stream's group. A snapshot says of each when and how often it was delivered, and only behind
//! them all who owns which.

use primacy_core::rdb::StreamId;

/// Pending entries of a group that are held, at most: 8 MB. What is told of a group with more is told less well.
pub(super) const HELD_MAX: usize = (8 << 20) / size_of::<Pending>();

/// A pending entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pending {
    pub(super) id: StreamId,
    /// When it was delivered last, wall-clock ms since 1970.
    pub(super) delivered_at_ms: i64,
    /// How often.
    pub(super) deliveries: u64,
    /// Its owner: an index into the names of the consumers.
    owner: Option<u32>,
}

/// Those of one group.
#[derive(Debug, Default)]
pub(super) struct PendingEntries {
    held: Vec<Pending>,
    /// Names of consumers, one behind the other, and where each ends.
    names: Vec<u8>,
    ends: Vec<usize>,
}

impl PendingEntries {
    /// Forgets the last group.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.names.clear();
        self.ends.clear();
    }

    /// Takes an entry; whether there was room for it.
    pub(super) fn push(&mut self, id: StreamId, delivered_at_ms: i64, deliveries: u64) -> bool {
        let room = self.held.len() < HELD_MAX;
        if room {
            self.held.push(Pending { id, delivered_at_ms, deliveries, owner: None });
        }
        room
    }

    /// The consumer whose entries follow.
    pub(super) fn consumer(&mut self, name: &[u8]) {
        // Servers write the entries in the order of their ids.
        if self.ends.is_empty() && !self.held.is_sorted_by_key(|pending| pending.id) {
            self.held.sort_by_key(|pending| pending.id);
        }
        self.names.extend_from_slice(name);
        self.ends.push(self.names.len());
    }

    /// The last consumer owns this entry: what is known of it.
    pub(super) fn owns(&mut self, id: StreamId) -> Option<Pending> {
        let owner = self.ends.len().checked_sub(1).and_then(|index| u32::try_from(index).ok());
        let at = self.held.binary_search_by_key(&id, |pending| pending.id).ok()?;
        let pending = self.held.get_mut(at)?;
        pending.owner = owner;
        Some(*pending)
    }

    /// All, each with the name of its owner.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Pending, Option<&[u8]>)> {
        self.held.iter().map(|pending| (*pending, pending.owner.and_then(|owner| self.name(owner as usize))))
    }

    fn name(&self, index: usize) -> Option<&[u8]> {
        let begin = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.names.get(begin..*self.ends.get(index)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_found_by_id() {
        let id = |ms| StreamId { ms, seq: 1 };
        let mut pending = PendingEntries::default();
        for ms in [3, 1, 2] {
            assert!(pending.push(id(ms), 100, ms));
        }
        pending.consumer(b"");
        pending.consumer(b"a");
        assert_eq!(pending.owns(id(1)).map(|p| p.deliveries), Some(1));
        pending.consumer(b"bc");
        assert_eq!(pending.owns(id(3)).map(|p| p.deliveries), Some(3));
        assert_eq!(pending.owns(id(4)), None);
        let all: Vec<_> = pending.iter().map(|(p, owner)| (p.id.ms, owner)).collect();
        assert_eq!(all, [(1, Some(&b"a"[..])), (2, None), (3, Some(b"bc"))]);
    }

    #[test]
    fn memory_has_a_bound() {
        let mut pending = PendingEntries::default();
        let taken = (0..HELD_MAX as u64 + 5).filter(|&ms| pending.push(StreamId { ms, seq: 0 }, 0, 1)).count();
        assert_eq!(taken, HELD_MAX);
    }
}
