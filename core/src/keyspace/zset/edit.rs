//! Sorted sets that are changed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Ranked, Zset, ZsetRef, packed_score};
use crate::dataset::Context;
use crate::keyspace::Keyspace;
use crate::keyspace::entry::{SMALL_MAX, Slot, Value};
use crate::keyspace::hashed::HashKey;
use crate::keyspace::limits::PackLimit;
use crate::keyspace::pack::{self, Pack, PackEdit, Shape};
use crate::keyspace::record::{Kind, Mark};
use crate::keyspace::score;
use crate::keyspace::store::Key;
use crate::keyspace::table::Place;

#[derive(Debug)]
enum State<'s> {
    /// The elements, and how many members they are as far as that was counted.
    Pack {
        elements: PackEdit,
        count: Option<usize>,
    },
    /// A small one that became large, and what it was.
    Grown(Box<Zset>, PackEdit),
    Large(&'s mut Box<Zset>),
}

/// A sorted set that is changed.
#[derive(Debug)]
pub(in crate::keyspace) struct ZsetEdit<'s> {
    key: HashKey,
    limit: PackLimit,
    shape: Shape,
    /// Whether its shape counts only when all members are in.
    whole: bool,
    state: State<'s>,
}

impl ZsetEdit<'static> {
    /// An empty one that belongs to no key yet.
    pub(in crate::keyspace) fn empty(key: HashKey, limit: PackLimit) -> Self {
        let state = State::Pack { elements: PackEdit::default(), count: Some(0) };
        Self { key, limit, shape: Shape::Pack, whole: false, state }
    }

    /// The same of one that Redis makes as a `skiplist`, and lets become a `listpack` when it is complete.
    pub(in crate::keyspace) fn whole(key: HashKey, limit: PackLimit) -> Self {
        Self { whole: true, ..Self::empty(key, limit) }
    }

    /// The sorted set under a key.
    pub(in crate::keyspace) fn into_slot(mut self, name: &[u8], expiry: Option<i64>) -> Slot {
        self.settle();
        let form = self.shape.bits();
        match self.state {
            State::Pack { elements, .. } => {
                Slot::packed(name, elements.pack().0, expiry, Mark { kind: Kind::Zset, form })
            }
            State::Grown(zset, _) => Slot::large(name, Value::Zset(zset), expiry, form),
            // One that stands alone borrows nothing.
            State::Large(zset) => Slot::large(name, Value::Zset(zset.clone()), expiry, form),
        }
    }
}

impl ZsetEdit<'_> {
    /// It as it is now.
    pub(in crate::keyspace) fn view(&self) -> ZsetRef<'_> {
        match &self.state {
            State::Pack { elements, .. } => ZsetRef::Small(elements.pack()),
            State::Grown(zset, _) => ZsetRef::Large(zset),
            State::Large(zset) => ZsetRef::Large(zset),
        }
    }

    /// Memory in bytes, about.
    pub(in crate::keyspace) fn memory(&self) -> usize {
        match &self.state {
            State::Pack { elements, .. } => elements.memory(),
            State::Grown(zset, _) => zset.memory(),
            State::Large(zset) => zset.memory(),
        }
    }

    /// Says of a new one that so many members are to be put in, the longest of so many bytes: more than a `listpack` may
    /// have are taken for different ones (Redis since 7.2).
    pub(in crate::keyspace) fn announce(&mut self, members: usize, longest: usize) {
        let PackLimit { entries, bytes } = self.limit;
        if members > entries || longest > bytes {
            self.shape = Shape::Table;
        }
        if members > entries {
            self.enlarge();
        }
    }

    /// Whether it is large, or has become it.
    pub(in crate::keyspace) fn is_large(&self) -> bool {
        !matches!(self.state, State::Pack { .. })
    }

    /// Puts these members in the place of what there is, of one that is large; whether all are different.
    pub(in crate::keyspace) fn fill(&mut self, members: Vec<Ranked>) -> bool {
        let Some(zset) = Zset::of(self.key, members) else { return false };
        self.state = State::Grown(Box::new(zset), PackEdit::default());
        true
    }

    /// Gives a member a score; the one before.
    pub(in crate::keyspace) fn put(&mut self, member: &[u8], score: f64) -> Option<f64> {
        // Decided before the member is in: a new one is put into what it makes of the set.
        let small = self.shape == Shape::Pack || matches!(self.state, State::Pack { .. });
        if small && self.view().score(self.key, member).is_none() {
            let members = match &mut self.state {
                State::Pack { elements, count } => *count.get_or_insert_with(|| elements.pack().len() / 2),
                State::Grown(zset, _) => zset.len(),
                State::Large(zset) => zset.len(),
            };
            let PackLimit { entries, bytes } = self.limit;
            if members >= entries || member.len() > bytes {
                self.shape = Shape::Table;
            }
            if members >= entries {
                self.enlarge();
            }
        }
        let score = if self.shape == Shape::Pack && !self.whole { unsigned(score) } else { score };
        let old = match &mut self.state {
            State::Grown(zset, _) => zset.put(self.key, member, score),
            State::Large(zset) => zset.put(self.key, member, score),
            State::Pack { elements, count } => put_packed(elements, count, member, score),
        };
        if matches!(&self.state, State::Pack { elements, .. } if elements.size() > SMALL_MAX) {
            self.enlarge();
        }
        old
    }

    /// Takes the sign from zeros, if this is to be a `listpack`.
    fn settle(&mut self) {
        if self.shape != Shape::Pack || !self.view().pairs().any(|(_, score)| score::is_minus_zero(score)) {
            return;
        }
        let signed = self.view().pairs().filter(|(_, score)| score::is_minus_zero(*score));
        let members: Vec<Vec<u8>> = signed.map(|(member, _)| member.text(&mut [0; 20]).to_vec()).collect();
        self.whole = false;
        for member in members {
            self.remove(&member);
            self.put(&member, 0.0);
        }
    }

    fn enlarge(&mut self) {
        if let State::Pack { elements, .. } = &mut self.state {
            let elements = core::mem::take(elements);
            self.state = State::Grown(Box::new(Zset::of_pack(self.key, elements.pack())), elements);
        }
    }

    /// Removes a member; whether it was there.
    pub(in crate::keyspace) fn remove(&mut self, member: &[u8]) -> bool {
        let (elements, count) = match &mut self.state {
            State::Grown(zset, _) => return zset.remove(self.key, member),
            State::Large(zset) => return zset.remove(self.key, member),
            State::Pack { elements, count } => (elements, count),
        };
        take_packed(elements, count, &pack::encode(member)).is_some()
    }

    /// Removes the members of a range of ranks that is there.
    pub(in crate::keyspace) fn remove_range(&mut self, range: Range<usize>) {
        let n = range.len();
        match &mut self.state {
            State::Grown(zset, _) => zset.remove_range(self.key, range),
            State::Large(zset) => zset.remove_range(self.key, range),
            State::Pack { elements, count } => {
                let from = elements.pack().offset(2 * range.start);
                let to = elements.pack().offset(2 * range.end);
                elements.replace(from..to, &[]);
                *count = count.map(|members| members - n);
            }
        }
    }
}

/// A score without the sign of zero.
fn unsigned(score: f64) -> f64 {
    if score == 0.0 { 0.0 } else { score }
}

/// Takes a member out of a pack; its score.
fn take_packed(elements: &mut PackEdit, count: &mut Option<usize>, name: &[u8]) -> Option<f64> {
    let span = elements.pack().find(name, 2)?;
    // Behind every member there is its score.
    let (behind, score) = elements.pack().at(span.end)?;
    let (end, score) = (behind.end, score::decode(score));
    elements.replace(span.start..end, &[]);
    *count = count.map(|members| members - 1);
    Some(score)
}

/// Puts a member into a pack where its score has it; the score before.
fn put_packed(elements: &mut PackEdit, count: &mut Option<usize>, member: &[u8], score: f64) -> Option<f64> {
    let name = pack::encode(member);
    let old = packed_score(elements.pack(), &name);
    if old.is_some_and(|old| score::compare(old, score).is_eq()) {
        return old;
    }
    if old.is_some() {
        take_packed(elements, count, &name);
    }
    let mut at = 0;
    while let Some((span, other)) = elements.pack().at(at)
        && let Some((behind, theirs)) = elements.pack().at(span.end)
        && score::compare(score::decode(theirs), score).then_with(|| other.text(&mut [0; 20]).cmp(member)).is_lt()
    {
        at = behind.end;
    }
    let members = count.unwrap_or_else(|| elements.pack().len() / 2) + 1;
    *count = Some(members);
    let mut both = name;
    both.extend_from_slice(&score::encode(score));
    elements.replace(at..at, &both);
    old
}

impl Keyspace {
    /// The sorted set at a place where one was found just now.
    pub(in crate::keyspace) fn zset_at(&self, key: &Key<'_>, place: Place) -> ZsetRef<'_> {
        // Whoever asks has looked at the kind.
        self.slot(key, place).zset().unwrap_or(ZsetRef::Small(Pack(&[])))
    }

    /// Changes the sorted set at `place`, or makes one; it goes when it is empty afterwards.
    pub(in crate::keyspace) fn edit_zset<T: Default>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut ZsetEdit<'_>) -> T,
    ) -> T {
        let (hash_key, limit, name) = (self.hash_key, self.limits.zset, key.bytes);
        let new = || Slot::packed(name, &[], None, Mark { kind: Kind::Zset, form: Shape::Pack.bits() });
        self.edit(key, place, new, cx, |slot| slot.edit_zset(hash_key, limit, f)).unwrap_or_default()
    }
}

impl Slot {
    /// Its value if it is a sorted set.
    #[inline]
    pub(in crate::keyspace) fn zset(&self) -> Option<ZsetRef<'_>> {
        match self {
            Self::Small(_) => self.payload(Kind::Zset).map(|elements| ZsetRef::Small(Pack(elements))),
            Self::Large(large) => match &large.value {
                Value::Zset(zset) => Some(ZsetRef::Large(zset)),
                _ => None,
            },
        }
    }

    /// Changes a sorted set. Nothing is done to other types: `None`.
    fn edit_zset<T>(&mut self, key: HashKey, limit: PackLimit, f: impl FnOnce(&mut ZsetEdit<'_>) -> T) -> Option<T> {
        let shape = Shape::from_bits(self.mark().form);
        if let Self::Large(large) = self {
            let Value::Zset(zset) = &mut large.value else { return None };
            let mut edit = ZsetEdit { key, limit, shape, whole: false, state: State::Large(zset) };
            let result = f(&mut edit);
            large.form = edit.shape.bits();
            return Some(result);
        }
        let elements = self.take_pack(Kind::Zset)?;
        let mut edit = ZsetEdit { key, limit, shape, whole: false, state: State::Pack { elements, count: None } };
        let result = f(&mut edit);
        let form = edit.shape.bits();
        match edit.state {
            State::Pack { elements, .. } => self.put_back(elements, form),
            State::Grown(zset, before) => self.put_back_large(before, Value::Zset(zset), form),
            // Only the branch above makes it.
            State::Large(_) => {}
        }
        Some(result)
    }

    /// What `OBJECT ENCODING` answers for a sorted set.
    pub(in crate::keyspace) fn zset_encoding(&self) -> &'static str {
        match Shape::from_bits(self.mark().form) {
            Shape::Table => "skiplist",
            _ => "listpack",
        }
    }
}
