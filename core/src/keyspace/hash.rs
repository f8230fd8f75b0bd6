//! Hashes: fields with values.
//!
//! A small one is a pack of field, value, field, value …, searched from its beginning; a large one is a tree in the
//! order of its fields' hashes. Both are read through [`HashRef`] and changed through [`HashEdit`]. A hash with fields
//! that expire is always a large one.

mod edit;
mod encode;
mod times;
mod view;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Keyspace;
use super::blob::Blob;
use super::entry::{Slot, Value};
use super::hashed::{self, Aim, HashKey, Hashed};
use super::pack::{Pack, Shape};
use super::record::Kind;
use super::store::Key;
use super::table::Place;
use super::tree::{Entry, Tree};
use crate::dataset::Context;
use crate::rdb::Scalar;
use times::Times;

pub(super) use edit::HashEdit;
pub(super) use encode::{begin, go_on, small};
pub(super) use view::HashRef;

/// The latest expiry of a field, ms since 1970, as Redis has it.
pub(super) const FIELD_EXPIRY_MAX: u64 = (1 << 46) - 1;

/// A field with its value.
#[derive(Clone, Debug)]
pub(super) struct Field {
    position: u64,
    name: Blob,
    value: Blob,
}

impl Entry for Field {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.position
    }

    fn heap(&self) -> usize {
        self.name.heap() + self.value.heap()
    }
}

impl Hashed for Field {
    fn name(&self) -> &Blob {
        &self.name
    }
}

impl Field {
    /// Both at the position that the key's hash says.
    fn new(key: HashKey, name: &[u8], value: &[u8]) -> Self {
        Self { position: key.position(name), name: Blob::new(name), value: Blob::new(value) }
    }

    fn aim(&self) -> Aim<'_> {
        Aim::at(self.position, self.name.scalar())
    }

    fn pair(&self) -> (Scalar<'_>, Scalar<'_>) {
        (self.name.scalar(), self.value.scalar())
    }
}

/// A large hash. A clone shares all.
#[derive(Clone, Debug, Default)]
pub(super) struct Hash {
    fields: Tree<Field>,
    times: Option<Box<Times>>,
}

impl Hash {
    /// The fields of a pack.
    fn of_pack(key: HashKey, pack: Pack<'_>) -> Self {
        let mut fields: Vec<Field> = HashRef::Small(pack)
            .pairs()
            .map(|(name, value)| Field {
                position: key.position(name.text(&mut [0; 20])),
                name: Blob::of(name),
                value: Blob::of(value),
            })
            .collect();
        hashed::sort(&mut fields);
        Self { fields: fields.into_iter().collect(), times: None }
    }

    /// These fields in any order; `None` if one comes twice.
    fn of(mut fields: Vec<Field>) -> Option<Self> {
        hashed::sort(&mut fields);
        hashed::are_different(&fields).then(|| Self { fields: fields.into_iter().collect(), times: None })
    }

    /// How many fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Memory in bytes beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.fields.memory() + self.times.as_ref().map_or(0, |times| size_of::<Times>() + times.memory())
    }

    /// Frees about `n` fields; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        self.times.as_mut().is_some_and(|times| times.dismantle(n)) | self.fields.dismantle(n)
    }

    /// When the first field expires, if any does.
    pub(super) fn first_expiry(&self) -> Option<u64> {
        self.times.as_ref().and_then(|times| times.first())
    }

    /// The names of the first fields that expire before `now`, `max` at most.
    pub(super) fn due(&self, now: u64, max: usize) -> Vec<Vec<u8>> {
        self.times.as_ref().map_or_else(Vec::new, |times| times.due(now, max))
    }

    /// Lets a field that is there expire, or not any more.
    fn expire(&mut self, key: HashKey, field: &[u8], at: Option<u64>) {
        if at.is_none() && self.times.is_none() {
            return;
        }
        let aim = Aim::new(key, field);
        match at {
            Some(at) if self.fields.get_by(&aim).is_some() => {
                self.times.get_or_insert_default().set(&aim, Blob::new(field), at);
            }
            Some(_) => {}
            None => self.forget_expiry(&aim),
        }
    }

    fn forget_expiry(&mut self, aim: &Aim<'_>) {
        if let Some(times) = &mut self.times {
            times.remove(aim);
            if times.len() == 0 {
                self.times = None;
            }
        }
    }

    /// Gives a field a value; whether the field is new. Its expiry stays.
    pub(super) fn set(&mut self, key: HashKey, field: &[u8], value: &[u8]) -> bool {
        let aim = Aim::new(key, field);
        match self.fields.find(&aim).map(|(at, _)| at) {
            Ok(at) => {
                self.fields.update(at, |entry| entry.value = Blob::new(value));
                false
            }
            Err(at) => {
                let entry = Field { position: aim.position, name: Blob::new(field), value: Blob::new(value) };
                self.fields.insert(at, entry);
                true
            }
        }
    }

    fn remove(&mut self, key: HashKey, field: &[u8]) -> bool {
        let aim = Aim::new(key, field);
        self.forget_expiry(&aim);
        match self.fields.find(&aim).map(|(at, _)| at) {
            Ok(at) => self.fields.remove(at).is_some(),
            Err(_) => false,
        }
    }
}

impl Keyspace {
    /// The hash at a place where one was found just now.
    pub(super) fn hash_at(&self, key: &Key<'_>, place: Place) -> HashRef<'_> {
        // Whoever asks has looked at the kind.
        self.slot(key, place).hash().unwrap_or(HashRef::Small(Pack(&[])))
    }

    /// Changes the hash at `place`, or makes one; it goes when it is empty afterwards.
    pub(super) fn edit_hash<T: Default>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut HashEdit<'_>) -> T,
    ) -> T {
        let (hash_key, limit, name) = (self.hash_key, self.limits.hash, key.bytes);
        let new = || Slot::new_hash(name, None);
        self.edit(key, place, new, cx, |slot| slot.edit_hash(hash_key, limit, f)).unwrap_or_default()
    }
}

impl Slot {
    /// Its value if it is a hash.
    #[inline]
    pub(super) fn hash(&self) -> Option<HashRef<'_>> {
        match self {
            Self::Small(_) => self.payload(Kind::Hash).map(|elements| HashRef::Small(Pack(elements))),
            Self::Large(large) => match &large.value {
                Value::Hash(hash) => Some(HashRef::Large(hash, None)),
                _ => None,
            },
        }
    }

    /// Takes the first fields out that expire before `now`, `max` at most; their names.
    pub(super) fn take_due_fields(&mut self, key: HashKey, now: u64, max: usize) -> Vec<Vec<u8>> {
        let Self::Large(large) = self else { return Vec::new() };
        let Value::Hash(hash) = &mut large.value else { return Vec::new() };
        let names = hash.due(now, max);
        for name in &names {
            hash.remove(key, name);
        }
        names
    }

    /// What `OBJECT ENCODING` answers for a hash.
    pub(super) fn hash_encoding(&self) -> &'static str {
        let timed = self.hash().is_some_and(|hash| hash.first_expiry().is_some());
        match Shape::from_bits(self.mark().form) {
            Shape::Table => "hashtable",
            _ if timed => "listpackex",
            _ => "listpack",
        }
    }
}
