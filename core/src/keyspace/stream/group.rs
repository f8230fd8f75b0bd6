//! Consumer groups: how far a group has read, who reads in it, and which entries are delivered and not acknowledged yet.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cmp::Ordering;

use super::super::entry::allocated;
use super::super::tree::{Entry, Seek, Tree};
use crate::rdb::StreamId;

/// A name that is shared by all that a consumer owns.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Owner(Arc<Label>);

#[derive(Debug)]
struct Label(Box<[u8]>);

impl Owner {
    /// A new one of this name.
    pub(in crate::keyspace) fn new(name: &[u8]) -> Self {
        Self(Arc::new(Label(name.into())))
    }

    /// The consumer's name.
    pub(in crate::keyspace) fn name(&self) -> &[u8] {
        &self.0.0
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Pending {
    /// Its id.
    pub(in crate::keyspace) id: StreamId,
    /// When it was delivered last, ms since 1970.
    pub(in crate::keyspace) at_ms: i64,
    /// How often it was.
    pub(in crate::keyspace) deliveries: u64,
    /// To whom.
    pub(in crate::keyspace) owner: Owner,
}

impl Entry for Pending {
    type Mark = StreamId;

    fn mark(&self) -> StreamId {
        self.id
    }
}

/// An entry that a consumer owns.
#[derive(Clone, Copy, Debug)]
pub(in crate::keyspace) struct Owned(pub(in crate::keyspace) StreamId);

impl Entry for Owned {
    type Mark = StreamId;

    fn mark(&self) -> StreamId {
        self.0
    }
}

/// Where an id stands among pending entries.
struct Id(StreamId);

impl Seek<Pending> for Id {
    fn entry(&self, pending: &Pending) -> Ordering {
        pending.id.cmp(&self.0)
    }

    fn mark(&self, id: &StreamId) -> Ordering {
        id.cmp(&self.0)
    }
}

impl Seek<Owned> for Id {
    fn entry(&self, owned: &Owned) -> Ordering {
        owned.0.cmp(&self.0)
    }

    fn mark(&self, id: &StreamId) -> Ordering {
        id.cmp(&self.0)
    }
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Consumer {
    pub(in crate::keyspace) owner: Owner,
    /// When it was seen last, ms since 1970.
    pub(in crate::keyspace) seen_ms: i64,
    /// When it last got an entry, ms since 1970.
    pub(in crate::keyspace) active_ms: Option<i64>,
    owned: Tree<Owned>,
}

impl Entry for Consumer {
    type Mark = ();

    fn mark(&self) {}

    fn heap(&self) -> usize {
        const SHARED: usize = allocated(size_of::<Label>() + 2 * size_of::<usize>());
        allocated(self.owner.name().len()) + SHARED + self.owned.memory()
    }
}

impl Consumer {
    /// One that owns nothing yet.
    pub(in crate::keyspace) fn new(name: &[u8], seen_ms: i64, active_ms: Option<i64>) -> Self {
        Self { owner: Owner::new(name), seen_ms, active_ms, owned: Tree::new() }
    }

    /// Its name.
    pub(in crate::keyspace) fn name(&self) -> &[u8] {
        self.owner.name()
    }

    /// How many entries it owns.
    pub(in crate::keyspace) fn len(&self) -> usize {
        self.owned.len()
    }

    /// The ids that it owns, from the one at `index` on.
    pub(in crate::keyspace) fn owned_from(&self, index: usize) -> impl Iterator<Item = StreamId> {
        self.owned.iter_from(index).map(|owned| owned.0)
    }

    /// The ids that it owns, from `id` on.
    pub(in crate::keyspace) fn owned_since(&self, id: StreamId) -> impl Iterator<Item = StreamId> {
        self.owned_from(self.owned.lower_bound(&Id(id)))
    }

    fn put(&mut self, id: StreamId) {
        if let Err(at) = self.owned.find(&Id(id)).map(|(at, _)| at) {
            self.owned.insert(at, Owned(id));
        }
    }

    fn lose(&mut self, id: StreamId) {
        if let Ok(at) = self.owned.find(&Id(id)).map(|(at, _)| at) {
            self.owned.remove(at);
        }
    }
}

/// A consumer group. A clone shares all.
#[derive(Clone, Debug)]
pub(in crate::keyspace) struct Group {
    name: Arc<[u8]>,
    /// The id that was delivered last.
    pub(in crate::keyspace) last_id: StreamId,
    /// How many entries were read, as a count of all that were ever added; `None`: it is not known.
    pub(in crate::keyspace) read: Option<u64>,
    pending: Tree<Pending>,
    consumers: Tree<Consumer>,
}

impl Entry for Group {
    type Mark = ();

    fn mark(&self) {}

    fn heap(&self) -> usize {
        allocated(self.name.len() + 2 * size_of::<usize>()) + self.pending.memory() + self.consumers.memory()
    }
}

/// The group or the consumer of a name.
pub(super) fn named<T>(name: &[u8], of: impl Fn(&T) -> &[u8]) -> impl Fn(&T) -> Ordering {
    move |item| of(item).cmp(name)
}

impl Group {
    /// A group that has read up to an id.
    pub(in crate::keyspace) fn new(name: &[u8], last_id: StreamId, read: Option<u64>) -> Self {
        Self { name: name.into(), last_id, read, pending: Tree::new(), consumers: Tree::new() }
    }

    /// Its name.
    pub(in crate::keyspace) fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries are pending.
    pub(in crate::keyspace) fn len(&self) -> usize {
        self.pending.len()
    }

    /// How many allocations it consists of, about.
    pub(super) fn parts(&self) -> usize {
        self.pending.len() + self.consumers.len()
    }

    /// Frees about `n` of them; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        if self.pending.dismantle(n) {
            return true;
        }
        if let Some(last) = self.consumers.len().checked_sub(1) {
            let more = self.consumers.update(last, |consumer| consumer.owned.dismantle(n)).unwrap_or_default();
            if !more {
                self.consumers.remove(last);
            }
        }
        !self.consumers.is_empty()
    }

    /// Its consumers by their names.
    pub(in crate::keyspace) fn consumers(&self) -> &Tree<Consumer> {
        &self.consumers
    }

    /// The consumer of a name.
    pub(in crate::keyspace) fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get_by(&named(name, Consumer::name))
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.consumers.find(&named(name, Consumer::name)).map(|(at, _)| at)
    }

    /// Notes that a consumer was seen, which is made if it is not there; whether it was made.
    pub(in crate::keyspace) fn see(&mut self, name: &[u8], now_ms: i64) -> bool {
        match self.place(name) {
            Ok(at) => {
                self.consumers.update(at, |consumer| consumer.seen_ms = now_ms);
                false
            }
            Err(at) => {
                self.consumers.insert(at, Consumer::new(name, now_ms, None));
                true
            }
        }
    }

    /// Takes a consumer that was loaded; `false`: there is one of that name.
    pub(in crate::keyspace) fn add(&mut self, consumer: Consumer) -> bool {
        let place = self.place(consumer.name());
        if let Err(at) = place {
            self.consumers.insert(at, consumer);
        }
        place.is_err()
    }

    /// Removes a consumer with all that it owns; how many entries that were.
    pub(in crate::keyspace) fn remove(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.place(name).ok()?;
        let consumer = self.consumers.remove(at)?;
        for id in consumer.owned_from(0) {
            self.forget(id);
        }
        Some(consumer.len())
    }

    fn forget(&mut self, id: StreamId) -> Option<Pending> {
        let at = self.pending.find(&Id(id)).map(|(at, _)| at).ok()?;
        self.pending.remove(at)
    }

    /// The pending entry of an id.
    pub(in crate::keyspace) fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get_by(&Id(id))
    }

    /// The pending entries from `id` on.
    pub(in crate::keyspace) fn pending_since(&self, id: StreamId) -> impl Iterator<Item = &Pending> {
        self.pending.iter_from(self.pending.lower_bound(&Id(id)))
    }

    /// The pending entries from the one at `index` on.
    pub(in crate::keyspace) fn pending_from(&self, index: usize) -> impl Iterator<Item = &Pending> {
        self.pending.iter_from(index)
    }

    /// The lowest and the highest pending id.
    pub(in crate::keyspace) fn bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((self.pending.first()?.id, self.pending.last()?.id))
    }

    /// An entry is acknowledged, or gone; it, if it was pending.
    pub(in crate::keyspace) fn acknowledge(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.forget(id)?;
        if let Ok(at) = self.place(pending.owner.name()) {
            self.consumers.update(at, |consumer| consumer.lose(id));
        }
        Some(pending)
    }

    /// Gives an entry to a consumer that is there, whoever had it before.
    pub(in crate::keyspace) fn give(&mut self, id: StreamId, to: &[u8], at_ms: i64, deliveries: u64) {
        let Ok(place) = self.place(to) else { return };
        let Some(owner) = self.consumers.get(place).map(|consumer| consumer.owner.clone()) else { return };
        let new = Pending { id, at_ms, deliveries, owner };
        let before = match self.pending.find(&Id(id)).map(|(at, _)| at) {
            Ok(at) => self.pending.update(at, |pending| core::mem::replace(pending, new).owner),
            Err(at) => {
                self.pending.insert(at, new);
                None
            }
        };
        if before.as_ref().is_some_and(|before| before.name() == to) {
            return;
        }
        if let Some(Ok(at)) = before.map(|before| self.place(before.name())) {
            self.consumers.update(at, |consumer| consumer.lose(id));
        }
        self.consumers.update(place, |consumer| consumer.put(id));
    }

    /// A pending entry was delivered once more to whom it belongs.
    pub(in crate::keyspace) fn deliver_again(&mut self, id: StreamId, at_ms: i64) {
        if let Ok(at) = self.pending.find(&Id(id)).map(|(at, _)| at) {
            self.pending.update(at, |pending| {
                pending.at_ms = at_ms;
                pending.deliveries = pending.deliveries.saturating_add(1);
            });
        }
    }

    /// A consumer that is there got an entry.
    pub(in crate::keyspace) fn activate(&mut self, name: &[u8], now_ms: i64) {
        if let Ok(at) = self.place(name) {
            self.consumers.update(at, |consumer| consumer.active_ms = Some(now_ms));
        }
    }

    /// Takes a pending entry that was loaded, whose owner is not known yet; `false`: it is there already.
    pub(in crate::keyspace) fn load_pending(&mut self, pending: Pending) -> bool {
        let place = self.pending.find(&Id(pending.id)).map(|(at, _)| at);
        if let Err(at) = place {
            self.pending.insert(at, pending);
        }
        place.is_err()
    }

    /// Lets the consumer of a name own a pending entry that `nobody` owned until now; `false`: there is none such.
    pub(in crate::keyspace) fn load_owned(&mut self, name: &[u8], id: StreamId, nobody: &Owner) -> bool {
        let Ok(place) = self.place(name) else { return false };
        let Some(owner) = self.consumers.get(place).map(|consumer| consumer.owner.clone()) else { return false };
        let Ok(at) = self.pending.find(&Id(id)).map(|(at, _)| at) else { return false };
        let taken = self.pending.update(at, |pending| {
            let free = Arc::ptr_eq(&pending.owner.0, &nobody.0);
            if free {
                pending.owner = owner;
            }
            free
        });
        self.consumers.update(place, |consumer| consumer.put(id));
        taken.unwrap_or_default()
    }
}
