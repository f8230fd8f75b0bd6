//! Collections that come element by element and are too large for a pack, or sets of text: gathered, and made once.
//!
//! What does not fit the picture (a field that expires, a long value, a number among text) ends the gathering: what is
//! there is made, and the rest goes in one by one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::entry::SMALL_MAX;
use super::super::hash::{Field, HashEdit};
use super::super::pack::{self, Pack};
use super::super::set::{Placed, SetEdit};
use super::super::zset::{Ranked, ZsetEdit};
use super::adopt::Seen;
use super::incoming::{Incoming, MEMBER_TWICE, Refused, TWICE};
use crate::rdb::Element;

/// Elements that are gathered at most: more are put in one by one, or a hint of the snapshot would cost memory.
pub(super) const MOST: usize = 4096;

/// What is gathered, with what will take it.
#[derive(Debug)]
enum What {
    Fields(Vec<Field>, HashEdit<'static>),
    Members(Vec<Placed>, SetEdit<'static>),
    Scored(Vec<Ranked>, ZsetEdit<'static>),
    /// The members of a small set, packed.
    Texts(Vec<u8>, Box<Seen>, SetEdit<'static>),
}

/// A collection of which some elements are there.
#[derive(Debug)]
pub(super) struct Gather {
    /// Elements to come.
    left: usize,
    what: What,
}

impl Gather {
    /// The collection of `n` elements that `incoming` is the beginning of; that back if it is not for gathering.
    pub(super) fn begin(incoming: Incoming, n: usize) -> Incoming {
        let what = match incoming {
            Incoming::Hash(edit, None) if n <= MOST && edit.is_large() => What::Fields(Vec::with_capacity(n), edit),
            Incoming::Zset(edit) if n <= MOST && edit.is_large() => What::Scored(Vec::with_capacity(n), edit),
            Incoming::Set(edit) if n <= MOST && edit.is_large() => What::Members(Vec::with_capacity(n), edit),
            Incoming::Set(edit) if edit.fits(n) => What::Texts(Vec::new(), Box::default(), edit),
            other => return other,
        };
        Incoming::Gather(Self { left: n, what })
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        match &self.what {
            What::Fields(all, _) => all.capacity() * size_of::<Field>(),
            What::Members(all, _) => all.capacity() * size_of::<Placed>(),
            What::Scored(all, _) => all.capacity() * size_of::<Ranked>(),
            What::Texts(elements, ..) => elements.capacity(),
        }
    }

    /// Takes an element, unless it ends the gathering.
    #[inline]
    pub(super) fn take(&mut self, element: &Element<'_>) -> bool {
        match (&mut self.what, *element) {
            (What::Fields(all, edit), Element::Field { field, value, expire_at_ms: None }) => {
                all.push(edit.field(field, value));
            }
            (What::Members(all, edit), Element::Member(member)) => all.push(edit.placed(member)),
            (What::Scored(all, _), Element::Scored { member, score }) if !score.is_nan() => {
                all.push(Ranked::new(member, score));
            }
            (What::Texts(elements, seen, _), Element::Member(member)) => {
                if !take_text(elements, seen, member) {
                    return false;
                }
            }
            _ => return false,
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// Whether all elements are there.
    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Makes the collection of what is there.
    pub(super) fn made(self) -> Result<Incoming, Refused> {
        let (incoming, twins, why) = match self.what {
            What::Fields(all, mut edit) => {
                let different = edit.fill(all);
                (Incoming::Hash(edit, None), !different, TWICE)
            }
            What::Members(all, mut edit) => {
                let different = edit.fill(all);
                (Incoming::Set(edit), !different, MEMBER_TWICE)
            }
            What::Scored(all, mut edit) => {
                let different = edit.fill(all);
                (Incoming::Zset(edit), !different, MEMBER_TWICE)
            }
            What::Texts(elements, _, mut edit) => {
                edit.fill_texts(elements);
                (Incoming::Set(edit), false, MEMBER_TWICE)
            }
        };
        if twins { Err(Refused::Broken(why)) } else { Ok(incoming) }
    }
}

/// Adds a member to packed ones. Not a number, none that may be there, and none for which there is no room.
fn take_text(elements: &mut Vec<u8>, seen: &mut Seen, member: &[u8]) -> bool {
    let encoded = pack::encode(member);
    let is_text = matches!(encoded.first(), Some(0x80..=0xbf | 0xe0..=0xf0));
    if !is_text || elements.len() + encoded.len() > SMALL_MAX {
        return false;
    }
    if seen.may_hold(&encoded) && Pack(elements).find(&encoded, 1).is_some() {
        return false;
    }
    elements.extend_from_slice(&encoded);
    true
}
