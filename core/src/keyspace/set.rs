//! Sets: members.
//!
//! A small one is a pack of members: of integers only, in ascending order (Redis's `intset`), else as they came. A large
//! one is a tree in the order of its members' hashes. Both are read through [`SetRef`] and changed through [`SetEdit`].

mod build;
mod edit;
mod encode;
mod view;

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

pub(super) use build::{Built, natural};
pub(super) use edit::SetEdit;
pub(super) use encode::{begin, go_on};
pub(super) use view::{Member, SetRef};

/// A member of a large set.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    position: u64,
    name: Blob,
}

impl Entry for Placed {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.position
    }

    fn heap(&self) -> usize {
        self.name.heap()
    }
}

impl Hashed for Placed {
    fn name(&self) -> &Blob {
        &self.name
    }
}

/// A large set. A clone shares all.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    members: Tree<Placed>,
}

impl Set {
    /// These members, which are different ones.
    fn of<'a>(key: HashKey, members: impl Iterator<Item = Member<'a>>) -> Self {
        let mut members: alloc::vec::Vec<Placed> =
            members.map(|member| Placed { position: member.position(key), name: Blob::of(member.name) }).collect();
        hashed::sort(&mut members);
        Self { members: members.into_iter().collect() }
    }

    /// These members in any order; `None` if one comes twice.
    fn of_placed(mut members: alloc::vec::Vec<Placed>) -> Option<Self> {
        hashed::sort(&mut members);
        hashed::are_different(&members).then(|| Self { members: members.into_iter().collect() })
    }

    /// How many members.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Memory in bytes beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.members.memory()
    }

    /// Frees about `n` members; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        self.members.dismantle(n)
    }

    /// Adds a member; whether it is new.
    fn add(&mut self, key: HashKey, member: &[u8]) -> bool {
        let aim = Aim::new(key, member);
        match self.members.find(&aim).map(|(at, _)| at) {
            Ok(_) => false,
            Err(at) => {
                self.members.insert(at, Placed { position: aim.position, name: Blob::new(member) });
                true
            }
        }
    }

    /// Removes a member; whether it was there.
    fn remove(&mut self, key: HashKey, member: &[u8]) -> bool {
        match self.members.find(&Aim::new(key, member)).map(|(at, _)| at) {
            Ok(at) => self.members.remove(at).is_some(),
            Err(_) => false,
        }
    }
}

impl Keyspace {
    /// The set at a place where one was found just now.
    pub(super) fn set_at(&self, key: &Key<'_>, place: Place) -> SetRef<'_> {
        // Whoever asks has looked at the kind.
        self.slot(key, place).set().unwrap_or(SetRef::EMPTY)
    }

    /// Changes the set at `place`, or makes one; it goes when it is empty afterwards.
    pub(super) fn edit_set<T: Default>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut SetEdit<'_>) -> T,
    ) -> T {
        let (hash_key, limit, name) = (self.hash_key, self.limits.set, key.bytes);
        let new = || Slot::new_set(name);
        self.edit(key, place, new, cx, |slot| slot.edit_set(hash_key, limit, f)).unwrap_or_default()
    }
}

impl Slot {
    /// Its value if it is a set.
    #[inline]
    pub(super) fn set(&self) -> Option<SetRef<'_>> {
        match self {
            Self::Small(_) => self.payload(Kind::Set).map(|elements| SetRef::Small(Pack(elements))),
            Self::Large(large) => match &large.value {
                Value::Set(set) => Some(SetRef::Large(set)),
                _ => None,
            },
        }
    }

    /// What `OBJECT ENCODING` answers for a set.
    pub(super) fn set_encoding(&self) -> &'static str {
        match Shape::from_bits(self.mark().form) {
            Shape::Pack => "listpack",
            Shape::Ints => "intset",
            Shape::Table => "hashtable",
        }
    }
}
