//! When fields of a hash expire (Redis since 7.4): known by field and in the order of time. Only hashes with such fields
//! have it.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::blob::Blob;
use super::super::hashed::{self, Aim, Hashed};
use super::super::tree::{Entry, Seek, Tree};

/// A field that expires.
#[derive(Clone, Debug)]
struct Timed {
    /// Wall-clock ms since 1970: it lives through this millisecond.
    at: u64,
    position: u64,
    name: Blob,
}

#[derive(Clone, Debug)]
struct ByField(Timed);

impl Entry for ByField {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.0.position
    }

    fn heap(&self) -> usize {
        self.0.name.heap()
    }
}

impl Hashed for ByField {
    fn name(&self) -> &Blob {
        &self.0.name
    }
}

#[derive(Clone, Debug)]
struct ByTime(Timed);

impl Entry for ByTime {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.0.at
    }

    fn heap(&self) -> usize {
        self.0.name.heap()
    }
}

/// A field among those of all times.
struct When<'a>(&'a Timed);

impl Seek<ByTime> for When<'_> {
    fn entry(&self, ByTime(other): &ByTime) -> Ordering {
        (other.at, other.position)
            .cmp(&(self.0.at, self.0.position))
            .then_with(|| hashed::compare(other.name.scalar(), self.0.name.scalar()))
    }

    fn mark(&self, at: &u64) -> Ordering {
        at.cmp(&self.0.at)
    }
}

/// The first field that does not expire before a time.
struct NotBefore(u64);

impl Seek<ByTime> for NotBefore {
    fn entry(&self, ByTime(timed): &ByTime) -> Ordering {
        if timed.at < self.0 { Ordering::Less } else { Ordering::Greater }
    }

    fn mark(&self, at: &u64) -> Ordering {
        at.cmp(&self.0)
    }
}

/// The expiries of a hash's fields. A clone shares all.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Times {
    fields: Tree<ByField>,
    times: Tree<ByTime>,
}

impl Times {
    /// How many fields expire at all.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Memory in bytes beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.fields.memory() + self.times.memory()
    }

    /// Frees about `n` of them; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        self.fields.dismantle(n) | self.times.dismantle(n)
    }

    /// When a field expires.
    pub(super) fn get(&self, aim: &Aim<'_>) -> Option<u64> {
        self.fields.get_by(aim).map(|ByField(timed)| timed.at)
    }

    /// When the first of all expires.
    pub(super) fn first(&self) -> Option<u64> {
        self.times.first().map(|ByTime(timed)| timed.at)
    }

    /// How many fields expire before `now`.
    pub(super) fn before(&self, now: u64) -> usize {
        self.times.lower_bound(&NotBefore(now))
    }

    /// The names of the first fields that expire before `now`, `max` at most.
    pub(super) fn due(&self, now: u64, max: usize) -> Vec<Vec<u8>> {
        let due = self.times.iter().take_while(|ByTime(timed)| timed.at < now).take(max);
        due.map(|ByTime(timed)| timed.name.scalar().text(&mut [0; 20]).to_vec()).collect()
    }

    /// Forgets a field.
    pub(super) fn remove(&mut self, aim: &Aim<'_>) {
        let Ok(at) = self.fields.find(aim).map(|(at, _)| at) else { return };
        if let Some(ByField(timed)) = self.fields.remove(at)
            && let Ok(at) = self.times.find(&When(&timed)).map(|(at, _)| at)
        {
            self.times.remove(at);
        }
    }

    /// Lets a field expire.
    pub(super) fn set(&mut self, aim: &Aim<'_>, name: Blob, at: u64) {
        self.remove(aim);
        let timed = Timed { at, position: aim.position, name };
        self.times.insert(self.times.lower_bound(&When(&timed)), ByTime(timed.clone()));
        self.fields.insert(self.fields.lower_bound(aim), ByField(timed));
    }
}
