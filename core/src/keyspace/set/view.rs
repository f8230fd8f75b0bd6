//! A set that is read, whatever its form.

use alloc::vec::Vec;

use super::super::hashed::{self, Aim, HashKey};
use super::super::pack::{self, Pack};
use super::super::tree::Iter;
use super::{Placed, Set};
use crate::rdb::Scalar;
use crate::resp::parse_i64;

/// A set that is read.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum SetRef<'a> {
    Small(Pack<'a>),
    Large(&'a Set),
}

/// A member with the position of its hash, where that is known already.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Member<'a> {
    pub(in super::super) name: Scalar<'a>,
    position: Option<u64>,
}

impl<'a> Member<'a> {
    /// The member of these bytes.
    pub(in super::super) fn new(text: &'a [u8]) -> Self {
        Self { name: parse_i64(text).map_or(Scalar::Text(text), Scalar::Int), position: None }
    }

    /// The position of its hash.
    pub(in super::super) fn position(self, key: HashKey) -> u64 {
        self.position.unwrap_or_else(|| key.position(self.name.text(&mut [0; 20])))
    }
}

impl<'a> SetRef<'a> {
    /// A set without members, which no key has.
    pub(in super::super) const EMPTY: Self = Self::Small(Pack(&[]));

    /// How many members. O(members) in a small one.
    pub(in super::super) fn len(self) -> usize {
        match self {
            Self::Small(pack) => pack.len(),
            Self::Large(set) => set.len(),
        }
    }

    /// Whether it has a member.
    pub(in super::super) fn has(self, key: HashKey, member: Member<'_>) -> bool {
        match self {
            Self::Small(pack) => {
                let needle = match member.name {
                    Scalar::Int(n) => pack::encode_int(n),
                    Scalar::Text(text) => pack::encode(text),
                };
                pack.find(&needle, 1).is_some()
            }
            Self::Large(set) => set.members.get_by(&Aim::at(member.position(key), member.name)).is_some(),
        }
    }

    /// All members, in an order that stays as long as nothing changes.
    pub(in super::super) fn members(self) -> Members<'a> {
        self.members_from(0)
    }

    /// The same from the one at `index` on.
    pub(in super::super) fn members_from(self, index: usize) -> Members<'a> {
        match self {
            Self::Small(pack) => Members::Small { pack, at: pack.offset(index) },
            Self::Large(set) => Members::Large(set.members.iter_from(index)),
        }
    }

    /// The members at these indices.
    pub(in super::super) fn chosen(self, indices: &[usize]) -> Vec<Scalar<'a>> {
        // A small set is searched from its beginning: it is laid out.
        let all: Vec<_> = match self {
            Self::Small(_) => self.members().map(|member| member.name).collect(),
            Self::Large(_) => Vec::new(),
        };
        let at = |&index: &usize| match self {
            Self::Small(_) => all.get(index).copied(),
            Self::Large(set) => set.members.get(index).map(|placed| placed.name.scalar()),
        };
        indices.iter().filter_map(at).collect()
    }

    /// Shows about `count` members from a position on to `f`, but all of a small set; the position to go on from, `None`
    /// at the end.
    pub(in super::super) fn scan(self, from: u64, count: usize, mut f: impl FnMut(Scalar<'a>)) -> Option<u64> {
        match self {
            Self::Small(_) => {
                self.members().for_each(|member| f(member.name));
                None
            }
            Self::Large(set) => hashed::scan(&set.members, from, count, |placed| f(placed.name.scalar())),
        }
    }
}

/// Members.
pub(in super::super) enum Members<'a> {
    Small { pack: Pack<'a>, at: usize },
    Large(Iter<'a, Placed>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        match self {
            Self::Small { pack, at } => {
                let (span, name) = pack.at(*at)?;
                *at = span.end;
                Some(Member { name, position: None })
            }
            Self::Large(members) => {
                let placed = members.next()?;
                Some(Member { name: placed.name.scalar(), position: Some(placed.position) })
            }
        }
    }
}
