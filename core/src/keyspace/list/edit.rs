//! Changes of lists, and when a listpack becomes a quicklist and back, by the rules of Redis 7.2: one that grows is
//! asked before, with the bytes that are to come, and one that shrank goes back if one node of half the size is left.

use alloc::vec::Vec;
use core::ops::Range;

use super::super::Keyspace;
use super::super::entry::{SMALL_MAX, Slot, Value};
use super::super::pack::{self, Encoded, Pack, Shape};
use super::super::record::{Kind, Mark};
use super::super::store::Key;
use super::super::table::Place;
use super::block::{FRAME, NODE_MAX, Needle, without};
use super::{Element, List, ListRef, Side};
use crate::dataset::Context;
use crate::rdb::Scalar;

const PACK: Mark = Mark { kind: Kind::List, form: Shape::Pack.bits() };
/// The most blocks of a list whose bytes are counted, to see whether they have room in a small record again.
const COUNTED: usize = 4;

impl Keyspace {
    /// Changes the list at `place`, or makes one; it goes when it is empty afterwards.
    pub(in crate::keyspace) fn edit_list<T>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut Slot) -> T,
    ) -> T {
        let name = key.bytes;
        self.edit(key, place, || Slot::packed(name, &[], None, PACK), cx, f)
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

/// Each of these does nothing to another type.
impl Slot {
    /// A list that was loaded: a listpack if it is one node that is not too long.
    pub(in crate::keyspace) fn of_list(key: &[u8], list: List, expiry: Option<i64>) -> Self {
        match list.only_run() {
            Some(run) if FRAME + run.len() <= NODE_MAX => Self::packed(key, run, expiry, PACK),
            _ => Self::large(key, Value::List(list), expiry, Shape::Table.bits()),
        }
    }

    fn large_list(&mut self) -> Option<&mut List> {
        match self {
            Self::Large(large) => match &mut large.value {
                Value::List(list) => Some(list),
                _ => None,
            },
            Self::Small(_) => None,
        }
    }

    fn lay_out_list(&mut self, form: u8) {
        if let Some(elements) = self.take_pack(Kind::List) {
            let list = List::of_run(elements.pack().0);
            self.put_back_large(elements, Value::List(list), form);
        }
    }

    /// Says that so many bytes are about to be added.
    fn list_grows(&mut self, bytes: usize) {
        match self {
            Self::Small(_) => {
                let before = self.payload(Kind::List).map_or(0, <[u8]>::len);
                if FRAME.saturating_add(before).saturating_add(bytes) > NODE_MAX {
                    self.lay_out_list(Shape::Table.bits());
                }
            }
            // It is longer than a listpack may be already.
            Self::Large(large) => large.form = Shape::Table.bits(),
        }
    }

    /// Puts bytes in the place of others in a small list, or, if they have no room there, lets it be large and tells so:
    /// Redis's estimates may let a listpack be longer than small records are.
    fn splice_list(&mut self, at: Range<usize>, with: &[u8]) -> bool {
        let Some(elements) = self.payload(Kind::List) else { return false };
        if elements.len() - at.len() + with.len() > SMALL_MAX {
            self.lay_out_list(PACK.form);
            return false;
        }
        if let Some(mut elements) = self.take_pack(Kind::List) {
            elements.replace(at, with);
            self.put_back(elements, PACK.form);
        }
        true
    }

    /// Pushes elements, one after the other, to one end.
    pub(in crate::keyspace) fn list_push(&mut self, side: Side, elements: &[Element<'_>]) {
        // Redis counts no bytes for an integer that it has popped.
        let added =
            |element: &Element<'_>| if let Element::Short(Scalar::Int(_)) = element { 0 } else { element.len() };
        self.list_grows(elements.iter().map(added).sum());
        if let Some(before) = self.payload(Kind::List) {
            let end = if side == Side::Left { 0 } else { before.len() };
            let run = match side {
                Side::Left => packed(elements.iter().rev()),
                Side::Right => packed(elements.iter()),
            };
            if self.splice_list(end..end, &run) {
                return;
            }
        }
        if let Some(list) = self.large_list() {
            elements.iter().for_each(|element| list.push(side, *element));
        }
    }

    /// Removes `n` elements at one end, no more than there are.
    pub(in crate::keyspace) fn list_pop(&mut self, side: Side, n: usize) {
        if let Some(elements) = self.payload(Kind::List) {
            let pack = Pack(elements);
            let cut = if side == Side::Left { 0..pack.offset(n) } else { pack.offset_back(n)..elements.len() };
            self.splice_list(cut, &[]);
        } else if let Some(list) = self.large_list() {
            let len = list.len();
            list.remove(if side == Side::Left { 0..n.min(len) } else { len.saturating_sub(n)..len });
        }
    }

    /// Puts an element in the place of the one at `index`, which is there.
    pub(in crate::keyspace) fn list_set(&mut self, index: usize, element: Element<'_>) {
        self.list_grows(element.len());
        let span = |elements| Pack(elements).from(0).nth(index).map(|(span, _)| span);
        if let (Some(span), Element::Short(scalar)) = (self.payload(Kind::List).and_then(span), element)
            && self.splice_list(span, &pack::encode_scalar(scalar))
        {
            return;
        }
        if let Some(list) = self.large_list() {
            list.set(index, element);
        }
    }

    /// Puts an element before the one at `index`; at the end if there is none.
    pub(in crate::keyspace) fn list_insert(&mut self, index: usize, element: Element<'_>) {
        self.list_grows(element.len());
        if let (Some(elements), Element::Short(scalar)) = (self.payload(Kind::List), element) {
            let at = Pack(elements).offset(index);
            if self.splice_list(at..at, &pack::encode_scalar(scalar)) {
                return;
            }
        }
        if let Some(list) = self.large_list() {
            list.insert(index, element);
        }
    }

    /// Removes elements like the needle, no more than `max`, from one side on; how many.
    pub(in crate::keyspace) fn list_remove(&mut self, needle: &Needle<'_>, side: Side, max: usize) -> usize {
        if let Some(elements) = self.payload(Kind::List) {
            let Some((left, hits)) = without(Pack(elements), needle, side, max) else { return 0 };
            let all = 0..elements.len();
            self.splice_list(all, &left);
            return hits;
        }
        self.large_list().map_or(0, |list| list.remove_equal(needle, side, max))
    }

    /// Looks, after elements were removed or replaced, whether the list is a listpack again.
    pub(in crate::keyspace) fn list_settle(&mut self) {
        let was = Shape::from_bits(self.mark().form);
        let Some(list) = self.large_list() else { return };
        let small = match was {
            Shape::Table => list.only_run().filter(|run| FRAME + run.len() <= NODE_MAX / 2).map(<[u8]>::to_vec),
            _ if list.blocks() > COUNTED => None,
            _ => {
                let runs = list.blocks.iter().filter_map(|block| block.as_run());
                Some(runs.map(|run| run.pack().0).collect::<Vec<_>>().concat())
            }
        };
        if let Some(elements) = small.filter(|elements| elements.len() <= SMALL_MAX) {
            *self = Self::packed(self.key(), &elements, self.expiry(), PACK);
        }
    }

    /// How many elements a list has.
    pub(in crate::keyspace) fn list_len(&self) -> usize {
        self.list().map_or(0, ListRef::len)
    }
}
