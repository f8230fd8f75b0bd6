//! A hash that is changed: small as long as it fits, large from then on.

use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::hashed::HashKey;
use super::super::limits::PackLimit;
use super::super::pack::{self, PackEdit, Shape};
use super::super::record::{Kind, Mark};
use super::{Field, Hash};
use alloc::vec::Vec;

#[derive(Debug)]
enum State<'s> {
    /// The elements, and how many fields they are as far as that was counted.
    Pack {
        elements: PackEdit,
        count: Option<usize>,
    },
    /// A small hash that became large, and what it was.
    Grown(Hash, PackEdit),
    Large(&'s mut Hash),
}

/// A hash that is changed.
#[derive(Debug)]
pub(in super::super) struct HashEdit<'s> {
    key: HashKey,
    limit: PackLimit,
    shape: Shape,
    state: State<'s>,
}

impl HashEdit<'static> {
    /// An empty hash that belongs to no key yet.
    pub(in super::super) fn empty(key: HashKey, limit: PackLimit) -> Self {
        Self { key, limit, shape: Shape::Pack, state: State::Pack { elements: PackEdit::default(), count: Some(0) } }
    }

    /// The hash under a key.
    pub(in super::super) fn into_slot(self, name: &[u8], expiry: Option<i64>) -> Slot {
        let form = self.shape.bits();
        match self.state {
            State::Pack { elements, .. } => {
                Slot::packed(name, elements.pack().0, expiry, Mark { kind: Kind::Hash, form })
            }
            State::Grown(hash, _) => Slot::large(name, Value::Hash(hash), expiry, form),
            // One that stands alone borrows nothing.
            State::Large(hash) => Slot::large(name, Value::Hash(hash.clone()), expiry, form),
        }
    }
}

/// Whether a pack has more than `max` fields. None takes less than four bytes with its value, so most need not be counted.
fn exceeds(elements: &PackEdit, count: &mut Option<usize>, max: usize) -> bool {
    elements.size() / 4 > max && *count.get_or_insert_with(|| elements.pack().len() / 2) > max
}

impl HashEdit<'_> {
    /// Memory in bytes, about.
    pub(in super::super) fn memory(&self) -> usize {
        match &self.state {
            State::Pack { elements, .. } => elements.memory(),
            State::Grown(hash, _) => hash.memory(),
            State::Large(hash) => hash.memory(),
        }
    }

    /// Says that so many fields are to be set: more than a `listpack` may have are taken for new ones (Redis since 7.2).
    pub(in super::super) fn announce(&mut self, fields: usize) {
        if fields > self.limit.entries {
            self.grow();
        }
    }

    /// Whether it is large, or has become it.
    pub(in super::super) fn is_large(&self) -> bool {
        !matches!(self.state, State::Pack { .. })
    }

    /// A field that [`HashEdit::fill`] takes.
    pub(in super::super) fn field(&self, name: &[u8], value: &[u8]) -> Field {
        Field::new(self.key, name, value)
    }

    /// Puts these fields in the place of what there is, of one that is large; whether all are different.
    pub(in super::super) fn fill(&mut self, fields: Vec<Field>) -> bool {
        let Some(hash) = Hash::of(fields) else { return false };
        self.state = State::Grown(hash, PackEdit::default());
        true
    }

    /// Gives a field a value, and takes its expiry; whether the field is new.
    pub(in super::super) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.expire(field, None);
        self.keep(field, value)
    }

    /// Lets a field that is there expire at a time, ms since 1970, or not any more.
    pub(in super::super) fn expire(&mut self, field: &[u8], at: Option<u64>) {
        if at.is_some() {
            self.enlarge();
        }
        match &mut self.state {
            State::Pack { .. } => {}
            State::Grown(hash, _) => hash.expire(self.key, field, at),
            State::Large(hash) => hash.expire(self.key, field, at),
        }
    }

    /// Gives a field a value; whether the field is new. Its expiry stays.
    pub(in super::super) fn keep(&mut self, field: &[u8], value: &[u8]) -> bool {
        let PackLimit { entries, bytes } = self.limit;
        if field.len() > bytes || value.len() > bytes {
            self.shape = Shape::Table;
        }
        let (elements, count) = match &mut self.state {
            State::Grown(hash, _) => return Self::set_large(&mut self.shape, entries, hash, self.key, (field, value)),
            State::Large(hash) => return Self::set_large(&mut self.shape, entries, hash, self.key, (field, value)),
            State::Pack { elements, count } => (elements, count),
        };
        let (name, value) = (pack::encode(field), pack::encode(value));
        let found = elements.pack().find(&name, 2);
        let fresh = found.is_none();
        match found {
            // Behind every field there is its value.
            Some(span) => {
                let old = elements.pack().at(span.end).map_or(span.end..span.end, |(old, _)| old);
                elements.replace(old, &value);
            }
            None => {
                *count = count.map(|fields| fields + 1);
                elements.push(&name);
                elements.push(&value);
            }
        }
        // Of a hash that was made under another limit, a field that was there shows it too.
        let crowded = exceeds(elements, count, entries);
        if crowded {
            self.shape = Shape::Table;
        }
        if crowded || elements.size() > SMALL_MAX {
            self.enlarge();
        }
        fresh
    }

    fn set_large(shape: &mut Shape, max: usize, hash: &mut Hash, key: HashKey, (field, value): (&[u8], &[u8])) -> bool {
        let fresh = hash.set(key, field, value);
        if hash.len() > max {
            *shape = Shape::Table;
        }
        fresh
    }

    fn grow(&mut self) {
        self.shape = Shape::Table;
        self.enlarge();
    }

    fn enlarge(&mut self) {
        if let State::Pack { elements, .. } = &mut self.state {
            let elements = core::mem::take(elements);
            self.state = State::Grown(Hash::of_pack(self.key, elements.pack()), elements);
        }
    }

    /// Removes a field; whether it was there.
    pub(in super::super) fn remove(&mut self, field: &[u8]) -> bool {
        let (elements, count) = match &mut self.state {
            State::Grown(hash, _) => return hash.remove(self.key, field),
            State::Large(hash) => return hash.remove(self.key, field),
            State::Pack { elements, count } => (elements, count),
        };
        let Some(span) = elements.pack().find(&pack::encode(field), 2) else { return false };
        let end = elements.pack().at(span.end).map_or(span.end, |(old, _)| old.end);
        elements.replace(span.start..end, &[]);
        *count = count.map(|fields| fields - 1);
        true
    }
}

impl Slot {
    /// An empty hash under `key`: only as long as somebody puts its first field in.
    pub(in super::super) fn new_hash(key: &[u8], expiry: Option<i64>) -> Self {
        Self::packed(key, &[], expiry, Mark { kind: Kind::Hash, form: Shape::Pack.bits() })
    }

    /// Changes a hash. Nothing is done to other types: `None`.
    pub(in super::super) fn edit_hash<T>(
        &mut self,
        key: HashKey,
        limit: PackLimit,
        f: impl FnOnce(&mut HashEdit<'_>) -> T,
    ) -> Option<T> {
        let shape = Shape::from_bits(self.mark().form);
        if let Self::Large(large) = self {
            let Value::Hash(hash) = &mut large.value else { return None };
            let mut edit = HashEdit { key, limit, shape, state: State::Large(hash) };
            let result = f(&mut edit);
            large.form = edit.shape.bits();
            return Some(result);
        }
        let elements = self.take_pack(Kind::Hash)?;
        let mut edit = HashEdit { key, limit, shape, state: State::Pack { elements, count: None } };
        let result = f(&mut edit);
        let form = edit.shape.bits();
        match edit.state {
            State::Pack { elements, .. } => self.put_back(elements, form),
            State::Grown(hash, before) => self.put_back_large(before, Value::Hash(hash), form),
            // Only the branch above makes it.
            State::Large(_) => {}
        }
        Some(result)
    }
}
