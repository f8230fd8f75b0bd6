//! Lists: elements in the order in which they were put there.
//!
//! A small one is a pack of its elements. A large one is a tree of blocks: runs of packed elements that are filled as
//! Redis fills the nodes of a quicklist, and long elements, each by itself and shared. Both are read through [`ListRef`];
//! `edit` changes them.

mod block;
mod edit;
mod large;
mod save;

use bytes::Bytes;

use super::Keyspace;
use super::entry::{SMALL_MAX, Slot, Value};
use super::pack::{Pack, Shape, Text as _};
use super::record::Kind;
use super::store::Key;
use super::table::Place;
use super::tree::Cursor;
use crate::rdb::Scalar;
use crate::resp::Reply;
use block::Block;
pub(super) use block::{NODE_MAX, Needle};
pub(super) use large::List;
pub(super) use save::{begin, go_on, small};

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Where the first element is, the head.
    Left,
    /// Where the last element is, the tail.
    Right,
}

/// An element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    /// One that is read from packed ones, or the text of a new one.
    Short(Scalar<'a>),
    /// One longer than [`SMALL_MAX`], which may be shared.
    Long(&'a Bytes),
}

impl<'a> Element<'a> {
    /// A new one with this text.
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self::Short(Scalar::Text(text))
    }

    /// Whether it needs a block for itself.
    fn is_long(self) -> bool {
        match self {
            Self::Short(Scalar::Int(_)) => false,
            Self::Short(Scalar::Text(text)) => text.len() > SMALL_MAX,
            Self::Long(_) => true,
        }
    }

    /// Its length in bytes.
    fn len(self) -> usize {
        match self {
            Self::Short(scalar) => scalar.len(),
            Self::Long(bytes) => bytes.len(),
        }
    }

    /// Its bytes; those of an integer are written to `buf`.
    pub(super) fn text<'b>(self, buf: &'b mut [u8; 20]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Short(scalar) => scalar.text(buf),
            Self::Long(bytes) => bytes,
        }
    }

    /// Answers it as a bulk string, a long one shared.
    pub(super) fn reply(self, reply: &mut Reply<'_>) {
        match self {
            Self::Short(scalar) => scalar.reply(reply),
            Self::Long(bytes) => reply.bulk_shared(core::slice::from_ref(bytes)),
        }
    }

    /// It on its own, to outlive its list.
    pub(super) fn hold(self) -> Held {
        match self {
            Self::Short(Scalar::Int(n)) => Held::Int(n),
            Self::Short(Scalar::Text(text)) => Held::Bytes(Bytes::copy_from_slice(text)),
            Self::Long(bytes) => Held::Bytes(bytes.clone()),
        }
    }
}

/// An element that is in no list.
#[derive(Debug)]
pub(super) enum Held {
    Int(i64),
    Bytes(Bytes),
}

impl Held {
    /// It as a new element.
    pub(super) fn element(&self) -> Element<'_> {
        match self {
            Self::Int(n) => Element::Short(Scalar::Int(*n)),
            Self::Bytes(bytes) if bytes.len() > SMALL_MAX => Element::Long(bytes),
            Self::Bytes(bytes) => Element::of(bytes),
        }
    }
}

/// A list that is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ListRef<'a> {
    Small(Pack<'a>),
    Large(&'a List),
}

impl<'a> ListRef<'a> {
    /// Bytes of all elements as they lie in a listpack. O(blocks) in a large one.
    fn bytes(self) -> usize {
        match self {
            Self::Small(pack) => pack.0.len(),
            Self::Large(list) => list.bytes(),
        }
    }

    /// How many elements. O(elements) in a small one.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Small(pack) => pack.len(),
            Self::Large(list) => list.len(),
        }
    }

    /// The element at `index`; negative ones count from the end, -1 is the last one.
    pub(super) fn get(self, index: i64) -> Option<Element<'a>> {
        let n = usize::try_from(index.unsigned_abs()).ok()?;
        match self {
            Self::Small(pack) if index >= 0 => pack.iter().nth(n).map(Element::Short),
            Self::Small(Pack(elements)) => {
                let behind = Pack(elements).offset_back(n - 1);
                Pack(elements.get(..behind)?).last().map(|(_, scalar)| Element::Short(scalar))
            }
            Self::Large(list) => list.get(if index >= 0 { n } else { list.len().checked_sub(n)? }),
        }
    }

    /// The elements from the one at `index` on.
    pub(super) fn iter_from(self, index: usize) -> Elements<'a> {
        match self {
            Self::Small(pack) => Elements::run(&pack.0[pack.offset(index)..], Side::Left),
            Self::Large(list) => match list.blocks.at_weight(index) {
                None => Elements::run(&[], Side::Left),
                Some((i, inside, block)) => {
                    let mut elements = Elements::run(&[], Side::Left);
                    elements.enter(block);
                    if let Some(run) = block.as_run() {
                        elements.run = &run.pack().0[run.offset(inside)..];
                    }
                    elements.blocks = Some(list.blocks.cursor(i + 1));
                    elements
                }
            },
        }
    }

    /// All elements, from one side to the other.
    pub(super) fn iter(self, from: Side) -> Elements<'a> {
        match self {
            Self::Small(pack) => Elements::run(pack.0, from),
            Self::Large(list) => {
                let at = if from == Side::Left { 0 } else { list.blocks.len() };
                Elements { blocks: Some(list.blocks.cursor(at)), ..Elements::run(&[], from) }
            }
        }
    }
}

/// Elements of a list, one after the other.
pub(super) struct Elements<'a> {
    /// The side that they come from.
    from: Side,
    /// What is left of the run that we are in.
    run: &'a [u8],
    /// The long element that we are at.
    single: Option<&'a Bytes>,
    blocks: Option<Cursor<'a, Block>>,
}

impl<'a> Elements<'a> {
    fn run(run: &'a [u8], from: Side) -> Self {
        Self { from, run, single: None, blocks: None }
    }

    fn enter(&mut self, block: &'a Block) {
        match block {
            Block::Run(run) => self.run = run.pack().0,
            Block::Single(bytes) => self.single = Some(bytes),
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(bytes) = self.single.take() {
                return Some(Element::Long(bytes));
            }
            let pack = Pack(self.run);
            let next = if self.from == Side::Left { pack.at(0) } else { pack.last() };
            if let Some((span, scalar)) = next {
                self.run = if self.from == Side::Left { &self.run[span.end..] } else { &self.run[..span.start] };
                return Some(Element::Short(scalar));
            }
            let blocks = self.blocks.as_mut()?;
            let block = if self.from == Side::Left { blocks.forward() } else { blocks.back() }?;
            self.enter(block);
        }
    }
}

impl Keyspace {
    /// The list at a place where one was found just now.
    pub(super) fn list_at(&self, key: &Key<'_>, place: Place) -> ListRef<'_> {
        // Whoever asks has looked at the kind.
        self.slot(key, place).list().unwrap_or(ListRef::Small(Pack(&[])))
    }
}

impl Slot {
    /// Its value if it is a list.
    #[inline]
    pub(super) fn list(&self) -> Option<ListRef<'_>> {
        match self {
            Self::Small(_) => self.payload(Kind::List).map(|elements| ListRef::Small(Pack(elements))),
            Self::Large(large) => match &large.value {
                Value::List(list) => Some(ListRef::Large(list)),
                _ => None,
            },
        }
    }

    /// What `OBJECT ENCODING` answers for a list.
    pub(super) fn list_encoding(&self) -> &'static str {
        match Shape::from_bits(self.mark().form) {
            Shape::Table => "quicklist",
            _ => "listpack",
        }
    }
}

impl Needle<'_> {
    /// Whether an element is like it.
    pub(super) fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Short(scalar) => scalar == self.scalar(),
            Element::Long(bytes) => bytes[..] == *self.text,
        }
    }
}
