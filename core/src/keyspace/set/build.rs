//! Whole new sets of members that are different ones: what `SUNIONSTORE` and others store.

use alloc::vec::Vec;

use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::hashed::HashKey;
use super::super::pack::{self, Shape};
use super::super::record::{Kind, Mark};
use super::{INTS, Member, PACK_BYTES, PACK_MEMBERS, Set};
use crate::rdb::Scalar;

/// A set's encoding if its members were added one by one to nothing.
pub(in super::super) fn natural<'a>(members: impl Iterator<Item = Member<'a>>) -> Shape {
    let (mut n, mut ints, mut short) = (0, true, true);
    for member in members {
        n += 1;
        if let Scalar::Text(text) = member.name {
            ints = false;
            short &= text.len() <= PACK_BYTES;
        }
    }
    match n {
        0..=INTS if ints => Shape::Ints,
        0..=PACK_MEMBERS if short && !ints => Shape::Pack,
        _ => Shape::Table,
    }
}

/// A new set.
#[derive(Debug)]
pub(in super::super) struct Built<'a> {
    pub(in super::super) members: Vec<Member<'a>>,
    pub(in super::super) shape: Shape,
}

impl Built<'_> {
    /// It under a key.
    pub(in super::super) fn into_slot(mut self, key: HashKey, name: &[u8], expiry: Option<i64>) -> Slot {
        if self.shape == Shape::Ints {
            self.members.sort_unstable_by_key(|member| match member.name {
                Scalar::Int(n) => n,
                // There is none in such a set.
                Scalar::Text(_) => 0,
            });
        }
        let form = self.shape.bits();
        if self.members.len() <= if self.shape == Shape::Ints { INTS } else { PACK_MEMBERS } {
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
                return Slot::packed(name, &elements, expiry, Mark { kind: Kind::Set, form });
            }
        }
        Slot::large(name, Value::Set(Set::of(key, self.members.into_iter())), expiry, form)
    }
}
