//! Changes of lists, and when a listpack becomes a quicklist and back, by the rules of Redis 7.2: one that grows is
//! asked before, with what is to come, and one that shrank goes back if one node of half the size is left.
//!
//! What a list is called and how it lies here are two things: a `listpack` of `list-max-listpack-size` -5 may have 64 KB, a
//! small record 8 KB.

use core::ops::Range;

use super::super::Keyspace;
use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::limits::ListLimit;
use super::super::pack::{self, Encoded, Pack, Shape};
use super::super::record::{Kind, Mark};
use super::super::store::Key;
use super::super::table::Place;
use super::block::{FRAME, Needle, without};
use super::{Element, List, ListRef, Side};
use crate::dataset::Context;
use crate::rdb::Scalar;

const PACK: Mark = Mark { kind: Kind::List, form: Shape::Pack.bits() };
const TABLE: u8 = Shape::Table.bits();

impl Keyspace {
    /// Changes the list at `place`, or makes one; it goes when it is empty afterwards.
    pub(in crate::keyspace) fn edit_list<T>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut ListEdit<'_>) -> T,
    ) -> T {
        let (name, limit) = (key.bytes, self.limits.list);
        let new = || Slot::packed(name, &[], None, PACK);
        self.edit(key, place, new, cx, |slot| f(&mut ListEdit { slot, limit }))
    }
}

/// Elements one behind the other. None of them is long: with such a one no list is small.
fn packed<'e>(elements: impl Iterator<Item = &'e Element<'e>>) -> Encoded {
    let mut run = Encoded::new();
    for element in elements {
        if let Element::Short(scalar) = element {
            run.extend_from_slice(&pack::encode_scalar(*scalar));
        }
    }
    run
}

impl Slot {
    /// A list that was loaded: a listpack if it is one node that is not too long.
    pub(in crate::keyspace) fn of_list(key: &[u8], list: List, expiry: Option<i64>, limit: ListLimit) -> Self {
        if !list.fits(limit) {
            return Self::large(key, Value::List(list), expiry, TABLE);
        }
        match list.packed() {
            Some(elements) => Self::packed(key, &elements, expiry, PACK),
            None => Self::large(key, Value::List(list), expiry, PACK.form),
        }
    }
}

/// A list that is changed.
#[derive(Debug)]
pub(in crate::keyspace) struct ListEdit<'s> {
    slot: &'s mut Slot,
    limit: ListLimit,
}

/// Each of these does nothing to another type.
impl ListEdit<'_> {
    fn large(&mut self) -> Option<&mut List> {
        match self.slot {
            Slot::Large(large) => match &mut large.value {
                Value::List(list) => Some(list),
                _ => None,
            },
            Slot::Small(_) => None,
        }
    }

    fn small(&self) -> Option<&[u8]> {
        self.slot.payload(Kind::List)
    }

    fn lay_out(&mut self, form: u8) {
        if let Some(elements) = self.slot.take_pack(Kind::List) {
            let list = List::of_run(elements.pack().0);
            self.slot.put_back_large(elements, Value::List(list), form);
        }
    }

    /// Says that so many bytes and elements are about to be added.
    fn grows(&mut self, bytes: usize, elements: usize) {
        if Shape::from_bits(self.slot.mark().form) == Shape::Table {
            return;
        }
        let Some(list) = self.slot.list() else { return };
        let before = if self.limit.counts() { list.len() } else { 0 };
        let bytes = FRAME.saturating_add(list.bytes()).saturating_add(bytes);
        if self.limit.exceeded(bytes, before.saturating_add(elements)) {
            match self.slot {
                Slot::Small(_) => self.lay_out(TABLE),
                Slot::Large(large) => large.form = TABLE,
            }
        }
    }

    /// Puts bytes in the place of others in a small list, or, if they have no room there, lets it be large and tells so:
    /// the limit, or Redis's estimates, may let a listpack be longer than small records are.
    fn splice(&mut self, at: Range<usize>, with: &[u8]) -> bool {
        let Some(elements) = self.small() else { return false };
        if elements.len() - at.len() + with.len() > SMALL_MAX {
            self.lay_out(PACK.form);
            return false;
        }
        if let Some(mut elements) = self.slot.take_pack(Kind::List) {
            elements.replace(at, with);
            self.slot.put_back(elements, PACK.form);
        }
        true
    }

    /// Pushes elements, one after the other, to one end.
    pub(in crate::keyspace) fn push(&mut self, side: Side, elements: &[Element<'_>]) {
        // Redis counts no bytes for an integer that it has popped.
        let added =
            |element: &Element<'_>| if let Element::Short(Scalar::Int(_)) = element { 0 } else { element.len() };
        self.grows(elements.iter().map(added).sum(), elements.len());
        if elements.iter().any(|element| element.is_long()) {
            self.lay_out(PACK.form);
        }
        if let Some(before) = self.small() {
            let end = if side == Side::Left { 0 } else { before.len() };
            let run = match side {
                Side::Left => packed(elements.iter().rev()),
                Side::Right => packed(elements.iter()),
            };
            if self.splice(end..end, &run) {
                return;
            }
        }
        if let Some(list) = self.large() {
            elements.iter().for_each(|element| list.push(side, *element));
        }
    }

    /// Removes `n` elements at one end, no more than there are.
    pub(in crate::keyspace) fn pop(&mut self, side: Side, n: usize) {
        if let Some(elements) = self.small() {
            let pack = Pack(elements);
            let cut = if side == Side::Left { 0..pack.offset(n) } else { pack.offset_back(n)..elements.len() };
            self.splice(cut, &[]);
        } else if let Some(list) = self.large() {
            let len = list.len();
            list.remove(if side == Side::Left { 0..n.min(len) } else { len.saturating_sub(n)..len });
        }
    }

    /// Puts an element in the place of the one at `index`, which is there.
    pub(in crate::keyspace) fn set(&mut self, index: usize, element: Element<'_>) {
        self.grows(element.len(), 1);
        let span = |elements| Pack(elements).from(0).nth(index).map(|(span, _)| span);
        if let (Some(span), Element::Short(scalar)) = (self.small().and_then(span), element)
            && self.splice(span, &pack::encode_scalar(scalar))
        {
            return;
        }
        if let Some(list) = self.large() {
            list.set(index, element);
        }
    }

    /// Puts an element before the one at `index`; at the end if there is none.
    pub(in crate::keyspace) fn insert(&mut self, index: usize, element: Element<'_>) {
        self.grows(element.len(), 1);
        if let (Some(elements), Element::Short(scalar)) = (self.small(), element) {
            let at = Pack(elements).offset(index);
            if self.splice(at..at, &pack::encode_scalar(scalar)) {
                return;
            }
        }
        if let Some(list) = self.large() {
            list.insert(index, element);
        }
    }

    /// Removes elements like the needle, no more than `max`, from one side on; how many.
    pub(in crate::keyspace) fn remove(&mut self, needle: &Needle<'_>, side: Side, max: usize) -> usize {
        if let Some(elements) = self.small() {
            let Some((left, hits)) = without(Pack(elements), needle, side, max) else { return 0 };
            let all = 0..elements.len();
            self.splice(all, &left);
            return hits;
        }
        self.large().map_or(0, |list| list.remove_equal(needle, side, max))
    }

    /// Looks, after elements were removed or replaced, whether the list is a listpack again.
    pub(in crate::keyspace) fn settle(&mut self) {
        let (was, half) = (Shape::from_bits(self.slot.mark().form), self.limit.halved());
        let Some(list) = self.large() else { return };
        if was == Shape::Table && !list.fits(half) {
            return;
        }
        if let Some(elements) = list.packed() {
            *self.slot = Slot::packed(self.slot.key(), &elements, self.slot.expiry(), PACK);
        } else if let Slot::Large(large) = self.slot {
            large.form = PACK.form;
        }
    }

    /// How many elements it has.
    pub(in crate::keyspace) fn len(&self) -> usize {
        self.slot.list().map_or(0, ListRef::len)
    }
}
