//! Entries that go while groups still refer to them (Redis since 8.2): a group refers to an entry that it has not read yet or
//! that is pending in it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Bound, Group, Stream, Trim, id};
use crate::rdb::StreamId;

/// What becomes of the references to entries that are to go.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::keyspace) enum Refs {
    /// `KEEPREF`: what is pending stays pending.
    #[default]
    Keep,
    /// `DELREF`: nothing of it pends any more.
    Drop,
    /// `ACKED`: only entries go that no group refers to.
    Acked,
}

/// What became of an entry that was to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) enum Fate {
    /// There is no such entry.
    Missing,
    /// It is gone.
    Gone,
    /// It stays, for a group refers to it; or it is missing and would be referred to.
    Stays,
}

/// What a removal did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::keyspace) struct Removed {
    /// How many entries are gone.
    pub(in crate::keyspace) entries: u64,
    /// All of them if they were deleted one by one; none if they were the oldest ones and trimmed.
    pub(in crate::keyspace) deleted: Vec<StreamId>,
    /// What pends no longer, by the names of groups.
    pub(in crate::keyspace) released: BTreeMap<Vec<u8>, Vec<StreamId>>,
}

impl Removed {
    /// How many changes that were.
    pub(in crate::keyspace) fn changes(&self) -> u64 {
        self.entries + self.released.values().map(|ids| ids.len() as u64).sum::<u64>()
    }
}

impl Stream {
    /// Whether a group refers to an entry, which need not be there.
    fn is_referred_to(&self, id: StreamId) -> bool {
        self.groups.iter().any(|group| id > group.last_id || group.pending(id).is_some())
    }

    /// An entry pends in no group any more.
    fn release(&mut self, id: StreamId, removed: &mut Removed) {
        let holds = |group: &&Group| group.pending(id).is_some();
        let names: Vec<Vec<u8>> = self.groups.iter().filter(holds).map(|group| group.name().to_vec()).collect();
        for name in names {
            self.acknowledge(&name, id, removed);
        }
    }

    /// A group acknowledges an entry; whether it was pending there.
    pub(in crate::keyspace) fn acknowledge(&mut self, group: &[u8], id: StreamId, removed: &mut Removed) -> bool {
        let pended = self.edit_group(group, |group| group.acknowledge(id).is_some()).unwrap_or_default();
        if pended {
            removed.released.entry(group.to_vec()).or_default().push(id);
        }
        pended
    }

    /// Deletes an entry unless `refs` forbids it.
    pub(in crate::keyspace) fn delete_with(&mut self, id: StreamId, refs: Refs, removed: &mut Removed) -> Fate {
        match refs {
            Refs::Acked if self.is_referred_to(id) => return Fate::Stays,
            Refs::Drop => self.release(id, removed),
            Refs::Acked | Refs::Keep => {}
        }
        if !self.delete(id) {
            return Fate::Missing;
        }
        removed.entries += 1;
        removed.deleted.push(id);
        Fate::Gone
    }

    /// Trims it, as far as `refs` lets it.
    pub(in crate::keyspace) fn trim_with(&mut self, trim: Trim, refs: Refs) -> Removed {
        let mut removed = Removed::default();
        match refs {
            Refs::Keep => removed.entries = self.trim(trim),
            Refs::Drop => {
                let before = self.clone();
                removed.entries = self.trim(trim);
                let gone = usize::try_from(removed.entries).unwrap_or(usize::MAX);
                before.range(id::MIN, id::MAX).take(gone).for_each(|item| self.release(item.id, &mut removed));
            }
            Refs::Acked => {
                let ids = self.trimmed_if_acknowledged(trim);
                let oldest = self.range(id::MIN, id::MAX).map(|item| item.id).take(ids.len()).eq(ids.iter().copied());
                if oldest {
                    let bound = Bound::MaxLen((self.len() - ids.len()) as u64);
                    removed.entries = self.trim(Trim { bound, approx: false, limit: 0 });
                } else {
                    ids.into_iter().for_each(|id| {
                        self.delete_with(id, Refs::Keep, &mut removed);
                    });
                }
            }
        }
        removed
    }

    /// The entries that a trim reaches and that no group refers to. Node by node as [`Stream::trim`] goes, but never a whole
    /// node at once, not even with `~`.
    fn trimmed_if_acknowledged(&self, trim: Trim) -> Vec<StreamId> {
        let mut ids = Vec::new();
        let mut left = self.len() as u64;
        for node in &self.nodes {
            let live = node.live() as u64;
            let done = matches!(trim.bound, Bound::MaxLen(max) if left <= max);
            if done || (trim.limit > 0 && (ids.len() as u64).saturating_add(live) > trim.limit) {
                break;
            }
            let whole = trim.bound.takes(node, left);
            if !whole && trim.approx {
                break;
            }
            let (view, mut at) = (node.view(), node.view().first);
            while let Some((item, end)) = view.item(at) {
                at = end;
                if !trim.bound.reaches(item.id, left) {
                    break;
                }
                if !item.deleted && !self.is_referred_to(item.id) {
                    ids.push(item.id);
                    left -= 1;
                }
            }
            if !whole {
                break;
            }
        }
        ids
    }
}
