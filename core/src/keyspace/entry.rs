//! One key with its expiry and its value: what a slot of the table holds.
//!
//! A small string or collection is one [`record`](super::record) together with its key. Anything else has an allocation
//! of its own, and a value that shares its parts with its copies. Each type's own operations are in its own file
//! (`string`, `hash` …).

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::hash::Hash;
use super::list::List;
use super::module::Opaque;
use super::pack::PackEdit;
use super::record::{self, Kind, Mark};
use super::set::Set;
use super::stream::Stream;
use super::value::Chunked;
use super::zset::Zset;

/// Values longer than this live outside of a record, in bytes.
pub(super) const SMALL_MAX: usize = 8 * 1024;
/// Unused bytes from which on an allocation is not cut short, but copied.
const HOLE: usize = 16;
/// Elements, blocks or chunks that one step of freeing a heavy value frees, and from how many on a value is heavy.
const DISMANTLED: usize = 64;
const CHUNKS_DISMANTLED: usize = 16;

/// A value of some type that is too large for a small record. A clone shares all it can.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A long string.
    Long(Chunked),
    /// A large hash.
    Hash(Hash),
    /// A large sorted set: two trees.
    Zset(Box<Zset>),
    /// A large list.
    List(List),
    /// A large set.
    Set(Set),
    /// A stream of any size.
    Stream(Box<Stream>),
    /// A module's value, of any size.
    Module(Opaque),
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Self::Long(_) => Kind::String,
            Self::Hash(_) => Kind::Hash,
            Self::Zset(_) => Kind::Zset,
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::Stream(_) => Kind::Stream,
            Self::Module(_) => Kind::Module,
        }
    }

    /// Memory in bytes beside the value itself.
    fn memory(&self) -> usize {
        match self {
            Self::Long(chunked) => chunked.memory(),
            Self::Hash(hash) => hash.memory(),
            Self::Zset(zset) => zset.memory(),
            Self::List(list) => list.memory(),
            Self::Set(set) => set.memory(),
            Self::Stream(stream) => allocated(size_of::<Stream>()) + stream.memory(),
            Self::Module(opaque) => opaque.memory(),
        }
    }

    /// Whether a collection has no element left.
    fn is_hollow(&self) -> bool {
        match self {
            // A stream without entries still has its last id.
            Self::Long(_) | Self::Stream(_) | Self::Module(_) => false,
            Self::Hash(hash) => hash.len() == 0,
            Self::Zset(zset) => zset.len() == 0,
            Self::List(list) => list.len() == 0,
            Self::Set(set) => set.len() == 0,
        }
    }

    /// When the first field of it expires, ms since 1970.
    fn first_expiry(&self) -> Option<i64> {
        match self {
            Self::Long(_) | Self::Zset(_) | Self::List(_) | Self::Set(_) | Self::Stream(_) | Self::Module(_) => None,
            // At most 2^46.
            Self::Hash(hash) => hash.first_expiry().map(|at| at as i64),
        }
    }

    /// Whether freeing it at once could stall the node.
    pub(super) fn is_heavy(&self) -> bool {
        match self {
            Self::Long(chunked) => chunked.chunks().len() > CHUNKS_DISMANTLED,
            Self::Hash(hash) => hash.len() > DISMANTLED,
            Self::Zset(zset) => zset.len() > DISMANTLED,
            Self::List(list) => list.blocks() > DISMANTLED,
            Self::Set(set) => set.len() > DISMANTLED,
            Self::Stream(stream) => stream.parts() > DISMANTLED,
            Self::Module(_) => false,
        }
    }

    /// Frees a part; whether anything is left.
    fn dismantle(&mut self) -> bool {
        match self {
            Self::Long(chunked) => chunked.dismantle(CHUNKS_DISMANTLED) > 0,
            Self::Hash(hash) => hash.dismantle(DISMANTLED),
            Self::Zset(zset) => zset.dismantle(DISMANTLED),
            Self::List(list) => list.dismantle(DISMANTLED),
            Self::Set(set) => set.dismantle(DISMANTLED),
            Self::Stream(stream) => stream.dismantle(DISMANTLED),
            Self::Module(_) => false,
        }
    }
}

/// A key whose value lives in an allocation of its own.
#[derive(Debug)]
pub(super) struct Large {
    key: Box<[u8]>,
    expiry: Option<i64>,
    pub(super) form: u8,
    pub(super) value: Value,
}

/// A slot of the table: empty, or one key. 16 bytes.
#[derive(Debug)]
pub(super) enum Slot {
    /// A small record; an empty box is an empty slot.
    Small(Box<[u8]>),
    /// Anything else.
    Large(Box<Large>),
}

impl Default for Slot {
    #[inline]
    fn default() -> Self {
        Self::Small(Box::default())
    }
}

impl Slot {
    /// A value of its own allocation under `key`; `form` is what a record would have.
    pub(super) fn large(key: &[u8], value: Value, expiry: Option<i64>, form: u8) -> Self {
        Self::Large(Box::new(Large { key: key.into(), expiry, form, value }))
    }

    /// A small collection under `key`, of elements that are [packed](super::pack), at most [`SMALL_MAX`] bytes.
    pub(super) fn packed(key: &[u8], elements: &[u8], expiry: Option<i64>, mark: Mark) -> Self {
        Self::Small(record::make(key, &[elements], expiry, mark))
    }

    /// Whether no key is here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Small(r) if r.is_empty())
    }

    /// The key; empty in an empty slot.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Small(r) if r.is_empty() => &[],
            Self::Small(r) => record::key(r),
            Self::Large(large) => &large.key,
        }
    }

    /// When the key expires, ms since 1970.
    #[inline]
    pub(super) fn expiry(&self) -> Option<i64> {
        match self {
            Self::Small(r) => record::expiry(r),
            Self::Large(large) => large.expiry,
        }
    }

    /// When the key or a field of it expires, ms since 1970.
    #[inline]
    pub(super) fn due(&self) -> Option<i64> {
        match self {
            Self::Small(r) => record::expiry(r),
            Self::Large(large) => match (large.expiry, large.value.first_expiry()) {
                (Some(key), Some(field)) => Some(key.min(field)),
                (key, field) => key.or(field),
            },
        }
    }

    /// Whether fields of it expire.
    #[inline]
    pub(super) fn has_timed_fields(&self) -> bool {
        matches!(self, Self::Large(large) if large.value.first_expiry().is_some())
    }

    /// Gives the key another expiry, or none.
    pub(super) fn set_expiry(&mut self, expiry: Option<i64>) {
        match self {
            Self::Small(r) if r.is_empty() => {}
            Self::Small(r) => {
                if !record::set_expiry_in_place(r, expiry) {
                    *r = record::make(record::key(r), &[&r[record::payload_at(r)..]], expiry, record::mark(r));
                }
            }
            Self::Large(large) => large.expiry = expiry,
        }
    }

    /// The type of its value; that of an empty slot means nothing.
    #[inline]
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Small(r) if r.is_empty() => Kind::String,
            Self::Small(r) => record::kind(r),
            Self::Large(large) => large.value.kind(),
        }
    }

    /// The kind and the bits of the form.
    pub(super) fn mark(&self) -> Mark {
        match self {
            Self::Small(r) if r.is_empty() => Mark { kind: Kind::String, form: 0 },
            Self::Small(r) => record::mark(r),
            Self::Large(large) => Mark { kind: large.value.kind(), form: large.form },
        }
    }

    /// The payload of a small record of this kind, if it is one.
    #[inline]
    pub(super) fn payload(&self, kind: Kind) -> Option<&[u8]> {
        match self {
            Self::Small(r) if !r.is_empty() && record::kind(r) == kind => r.get(record::payload_at(r)..),
            _ => None,
        }
    }

    /// Takes the elements of a small collection of this kind out, to be changed and [put back](Self::put_back). The slot
    /// is empty meanwhile.
    pub(super) fn take_pack(&mut self, kind: Kind) -> Option<PackEdit> {
        match self {
            Self::Small(r) if !r.is_empty() && record::kind(r) == kind => {
                let at = record::payload_at(r);
                Some(PackEdit::new(core::mem::take(r).into_vec(), at))
            }
            _ => None,
        }
    }

    /// Puts the elements back, which have another form now.
    pub(super) fn put_back(&mut self, edit: PackEdit, form: u8) {
        let mut r = edit.into_bytes();
        record::set_form(&mut r, form);
        // What is cut off an allocation is a hole that fits nothing: many small ones are a third of the heap. A copy lets
        // the next one grow where this one grew.
        let is_roomy = r.capacity() - r.len() >= HOLE;
        *self = Self::Small(if is_roomy { r.as_slice().into() } else { r.into_boxed_slice() });
    }

    /// Puts a value of its own allocation in their place.
    pub(super) fn put_back_large(&mut self, edit: PackEdit, value: Value, form: u8) {
        let r = edit.into_bytes();
        *self = Self::large(record::key(&r), value, record::expiry(&r), form);
    }

    /// Whether it is a collection without elements, which must not stay.
    pub(super) fn is_hollow(&self) -> bool {
        match self {
            Self::Small(r) if r.is_empty() => false,
            Self::Small(r) => record::kind(r) != Kind::String && record::payload_at(r) == r.len(),
            Self::Large(large) => large.value.is_hollow(),
        }
    }

    /// The value if it is a module's.
    pub(super) fn module(&self) -> Option<&Opaque> {
        match self {
            Self::Large(large) => match &large.value {
                Value::Module(opaque) => Some(opaque),
                _ => None,
            },
            Self::Small(_) => None,
        }
    }

    /// What `TYPE` answers.
    pub(super) fn type_name(&self) -> Cow<'static, str> {
        match self.module() {
            Some(opaque) => opaque.name().into(),
            None => self.kind().name().into(),
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub(super) fn encoding(&self) -> &'static str {
        match self.kind() {
            Kind::String => self.string_encoding(),
            Kind::Hash => self.hash_encoding(),
            Kind::Zset => self.zset_encoding(),
            Kind::List => self.list_encoding(),
            Kind::Set => self.set_encoding(),
            Kind::Stream => "stream",
            Kind::Module => "raw",
        }
    }

    /// The same value under another key and expiry; large values share their parts.
    pub(super) fn copy_as(&self, key: &[u8], expiry: Option<i64>) -> Self {
        match self {
            Self::Small(r) if r.is_empty() => Self::default(),
            Self::Small(r) => Self::Small(record::make(key, &[&r[record::payload_at(r)..]], expiry, record::mark(r))),
            Self::Large(large) => Self::large(key, large.value.clone(), expiry, large.form),
        }
    }

    /// The same value under another key; nothing of a large value is copied.
    pub(super) fn rename(self, key: &[u8]) -> Self {
        match self {
            Self::Large(mut large) => {
                large.key = key.into();
                Self::Large(large)
            }
            Self::Small(_) => self.copy_as(key, self.expiry()),
        }
    }

    /// Memory in bytes beside the slot itself, with an allocator's usual rounding.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Small(r) => allocated(r.len()),
            Self::Large(large) => allocated(size_of::<Large>()) + allocated(large.key.len()) + large.value.memory(),
        }
    }

    /// Memory in bytes that a copy of it takes for itself.
    pub(super) fn copied(&self) -> usize {
        match self {
            Self::Small(r) => allocated(r.len()),
            Self::Large(large) => allocated(size_of::<Large>()) + allocated(large.key.len()),
        }
    }

    /// Reads a byte of each cache line or so: a loop of these waits for memory once for many entries, not for one after
    /// the other. The result means nothing and goes into `black_box`.
    #[inline]
    pub(super) fn warm(&self) -> u8 {
        match self {
            Self::Small(r) => r.iter().step_by(64).take(8).fold(0, |sum, byte| sum ^ byte),
            Self::Large(large) => large.key.first().copied().unwrap_or(0),
        }
    }

    /// Whether freeing it at once could stall the node.
    pub(super) fn is_heavy(&self) -> bool {
        matches!(self, Self::Large(large) if large.value.is_heavy())
    }

    /// Frees a part of a heavy value; whether anything is left.
    pub(super) fn dismantle(&mut self) -> bool {
        match self {
            Self::Small(_) => false,
            Self::Large(large) => large.value.dismantle(),
        }
    }
}

/// What an allocation of `len` bytes takes from the heap, about.
#[inline]
pub(super) const fn allocated(len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    let size = (len + 8).next_multiple_of(16);
    if size < 32 { 32 } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_two_words() {
        assert_eq!(size_of::<Slot>(), 16);
        assert!(Slot::default().is_empty());
    }
}
