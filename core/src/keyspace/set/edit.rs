//! A set that is changed: small as long as it fits, large from then on.

use super::super::blob::Blob;
use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::hashed::HashKey;
use super::super::limits::SetLimit;
use super::super::pack::{self, Pack, PackEdit, Shape, Text as _};
use super::super::record::{Kind, Mark};
use super::{Placed, Set, SetRef};
use crate::rdb::Scalar;
use crate::resp::parse_i64;
use alloc::vec::Vec;

/// The longest text of an integer, bytes.
const INT_TEXT: usize = 20;

#[derive(Debug)]
enum State<'s> {
    Pack(PackEdit),
    /// A small set that became large, and what it was.
    Grown(Set, PackEdit),
    Large(&'s mut Set),
}

/// A set that is changed.
#[derive(Debug)]
pub(in super::super) struct SetEdit<'s> {
    key: HashKey,
    limit: SetLimit,
    shape: Shape,
    state: State<'s>,
}

impl SetEdit<'static> {
    /// An empty set that belongs to no key yet.
    pub(in super::super) fn empty(key: HashKey, limit: SetLimit, shape: Shape) -> Self {
        Self { key, limit, shape, state: State::Pack(PackEdit::default()) }
    }

    /// The set under a key.
    pub(in super::super) fn into_slot(self, name: &[u8], expiry: Option<i64>) -> Slot {
        let form = self.shape.bits();
        match self.state {
            State::Pack(elements) => Slot::packed(name, elements.pack().0, expiry, Mark { kind: Kind::Set, form }),
            State::Grown(set, _) => Slot::large(name, Value::Set(set), expiry, form),
            // One that stands alone borrows nothing.
            State::Large(set) => Slot::large(name, Value::Set(set.clone()), expiry, form),
        }
    }
}

/// Whether a pack has more than `max` members. None takes less than two bytes, so most need not be counted.
fn exceeds(elements: &PackEdit, max: usize) -> bool {
    elements.size() / 2 > max && elements.pack().len() > max
}

/// Where the integer `n` belongs among those of an `intset`; `None` if it is there.
fn rank(pack: Pack<'_>, n: i64) -> Option<usize> {
    for (span, scalar) in pack.from(0) {
        match scalar {
            Scalar::Int(other) if other == n => return None,
            Scalar::Int(other) if other < n => {}
            _ => return Some(span.start),
        }
    }
    Some(pack.0.len())
}

impl SetEdit<'_> {
    /// Memory in bytes, about.
    pub(in super::super) fn memory(&self) -> usize {
        match &self.state {
            State::Pack(elements) => elements.memory(),
            State::Grown(set, _) => set.memory(),
            State::Large(set) => set.memory(),
        }
    }

    /// How many members.
    fn len(&self) -> usize {
        match &self.state {
            State::Pack(elements) => elements.pack().len(),
            State::Grown(set, _) => set.len(),
            State::Large(set) => set.len(),
        }
    }

    /// Says that so many members are to be added, this one first: Redis since 7.2 chooses the encoding by that.
    pub(in super::super) fn announce(&mut self, members: usize, first: &[u8]) {
        let new = matches!(&self.state, State::Pack(elements) if elements.size() == 0);
        if new {
            self.shape =
                if parse_i64(first).is_some() && members <= self.limit.ints { Shape::Ints } else { Shape::Pack };
        }
        if members > self.limit.members(self.shape) {
            self.shape = Shape::Table;
        }
    }

    /// So many members come, more than any small set has or not.
    pub(in super::super) fn expect(&mut self, members: usize) {
        if members > self.limit.ints.max(self.limit.pack.entries) {
            self.shape = Shape::Table;
            self.enlarge();
        }
    }

    /// Whether it is large, or has become it.
    pub(in super::super) fn is_large(&self) -> bool {
        !matches!(self.state, State::Pack(_))
    }

    /// Whether a new one of `members` may be an `intset` as well as a `listpack`.
    pub(in super::super) fn fits(&self, members: usize) -> bool {
        self.shape == Shape::Ints && members <= self.limit.ints.min(self.limit.pack.entries)
    }

    /// A member that [`SetEdit::fill`] takes.
    pub(in super::super) fn placed(&self, member: &[u8]) -> Placed {
        Placed { position: self.key.position(member), name: Blob::new(member) }
    }

    /// Puts these members in the place of what there is, of one that is large; whether all are different.
    pub(in super::super) fn fill(&mut self, members: Vec<Placed>) -> bool {
        let Some(set) = Set::of_placed(members) else { return false };
        self.state = State::Grown(set, PackEdit::default());
        true
    }

    /// Puts packed members in the place of nothing: different ones, none of them a number, no more than a `listpack` takes.
    pub(in super::super) fn fill_texts(&mut self, elements: Vec<u8>) {
        if elements.is_empty() {
            return;
        }
        let is_long = Pack(&elements).iter().any(|member| member.len() > self.limit.pack.bytes);
        self.shape = if is_long { Shape::Table } else { Shape::Pack };
        self.state = State::Pack(PackEdit::new(elements, 0));
    }

    /// Adds a member; whether it is new.
    pub(in super::super) fn add(&mut self, member: &[u8]) -> bool {
        let number = parse_i64(member);
        let fresh = match &mut self.state {
            State::Grown(set, _) => set.add(self.key, member),
            State::Large(set) => set.add(self.key, member),
            State::Pack(elements) => match number {
                Some(n) if self.shape == Shape::Ints => {
                    let at = rank(elements.pack(), n);
                    at.inspect(|&at| elements.replace(at..at, &pack::encode_int(n))).is_some()
                }
                _ => {
                    let encoded = pack::encode(member);
                    let fresh = elements.pack().find(&encoded, 1).is_none();
                    if fresh {
                        elements.push(&encoded);
                    }
                    fresh
                }
            },
        };
        if fresh {
            self.reshape(number.is_some(), member.len());
        }
        fresh
    }

    /// Follows Redis's rules after a member was added.
    fn reshape(&mut self, is_number: bool, len: usize) {
        let still_ints = self.shape == Shape::Ints && is_number;
        let max = self.limit.members(if still_ints { Shape::Ints } else { Shape::Pack });
        let crowded = match &self.state {
            State::Pack(elements) => exceeds(elements, max),
            State::Grown(..) | State::Large(_) => self.len() > max,
        };
        if crowded || (!still_ints && self.is_long(len)) {
            self.shape = Shape::Table;
        } else if !still_ints && self.shape == Shape::Ints {
            self.shape = Shape::Pack;
        }
        if crowded || matches!(&self.state, State::Pack(elements) if elements.size() > SMALL_MAX) {
            self.enlarge();
        }
    }

    /// Whether a member of `len` bytes that was added is longer than a `listpack` takes, or one that was there before, if
    /// those were integers.
    fn is_long(&self, len: usize) -> bool {
        let max = self.limit.pack.bytes;
        let mut longest = len;
        if max < INT_TEXT && self.shape == Shape::Ints {
            let set = match &self.state {
                State::Pack(elements) => SetRef::Small(elements.pack()),
                State::Grown(set, _) => SetRef::Large(set),
                State::Large(set) => SetRef::Large(set),
            };
            longest = set.members().map(|member| member.name.len()).fold(len, usize::max);
        }
        longest > max
    }

    fn enlarge(&mut self) {
        if let State::Pack(elements) = &mut self.state {
            let elements = core::mem::take(elements);
            let set = Set::of(self.key, SetRef::Small(elements.pack()).members());
            self.state = State::Grown(set, elements);
        }
    }

    /// Removes a member; whether it was there.
    pub(in super::super) fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.state {
            State::Grown(set, _) => set.remove(self.key, member),
            State::Large(set) => set.remove(self.key, member),
            State::Pack(elements) => match elements.pack().find(&pack::encode(member), 1) {
                Some(span) => {
                    elements.replace(span, &[]);
                    true
                }
                None => false,
            },
        }
    }
}

impl Slot {
    /// An empty set under `key`: only as long as somebody puts its first member in.
    pub(in super::super) fn new_set(key: &[u8]) -> Self {
        Self::packed(key, &[], None, Mark { kind: Kind::Set, form: Shape::Ints.bits() })
    }

    /// Changes a set. Nothing is done to other types: `None`.
    pub(in super::super) fn edit_set<T>(
        &mut self,
        key: HashKey,
        limit: SetLimit,
        f: impl FnOnce(&mut SetEdit<'_>) -> T,
    ) -> Option<T> {
        let shape = Shape::from_bits(self.mark().form);
        if let Self::Large(large) = self {
            let Value::Set(set) = &mut large.value else { return None };
            let mut edit = SetEdit { key, limit, shape, state: State::Large(set) };
            let result = f(&mut edit);
            large.form = edit.shape.bits();
            return Some(result);
        }
        let elements = self.take_pack(Kind::Set)?;
        let mut edit = SetEdit { key, limit, shape, state: State::Pack(elements) };
        let result = f(&mut edit);
        let form = edit.shape.bits();
        match edit.state {
            State::Pack(elements) => self.put_back(elements, form),
            State::Grown(set, before) => self.put_back_large(before, Value::Set(set), form),
            // Only the branch above makes it.
            State::Large(_) => {}
        }
        Some(result)
    }
}
