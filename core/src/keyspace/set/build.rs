//! Whole new sets of members that are different ones: what `SUNIONSTORE` and others store.

use alloc::vec::Vec;

use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::hashed::HashKey;
use super::super::limits::SetLimit;
use super::super::pack::{self, Shape, Text as _};
use super::super::record::{Kind, Mark};
use super::{Member, Set};
use crate::rdb::Scalar;

/// A set's encoding if its members were added one by one to nothing.
pub(in super::super) fn natural<'a>(members: impl Iterator<Item = Member<'a>>, limit: SetLimit) -> Shape {
    let (mut shape, mut longest) = (Shape::Ints, 0);
    for (before, member) in members.enumerate() {
        longest = longest.max(member.name.len());
        let ints = shape == Shape::Ints && matches!(member.name, Scalar::Int(_));
        shape = if ints { Shape::Ints } else { Shape::Pack };
        // Of integers that a first text turns into a `listpack`, the length counts too.
        if before >= limit.members(shape) || (!ints && longest > limit.pack.bytes) {
            return Shape::Table;
        }
    }
    shape
}

/// A new set.
#[derive(Debug)]
pub(in super::super) struct Built<'a> {
    pub(in super::super) members: Vec<Member<'a>>,
    pub(in super::super) shape: Shape,
}

impl Built<'_> {
    /// It under a key.
    pub(in super::super) fn into_slot(mut self, key: HashKey, limit: SetLimit, name: &[u8]) -> Slot {
        if self.shape == Shape::Ints {
            self.members.sort_unstable_by_key(|member| match member.name {
                Scalar::Int(n) => n,
                // There is none in such a set.
                Scalar::Text(_) => 0,
            });
        }
        let form = self.shape.bits();
        if self.members.len() <= limit.members(self.shape) {
            let mut elements = Vec::new();
            for member in &self.members {
                match member.name {
                    Scalar::Int(n) => elements.extend_from_slice(&pack::encode_int(n)),
                    Scalar::Text(text) => elements.extend_from_slice(&pack::encode(text)),
                }
                if elements.len() > SMALL_MAX {
                    break;
                }
            }
            if elements.len() <= SMALL_MAX {
                return Slot::packed(name, &elements, None, Mark { kind: Kind::Set, form });
            }
        }
        Slot::large(name, Value::Set(Set::of(key, self.members.into_iter())), None, form)
    }
}
