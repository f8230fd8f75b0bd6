//! Types 14 and 18: a list in nodes, each a blob of elements, or (18) one element by itself.
//!
//! Servers leave out a list whose nodes are all empty. So the key is handed out once a node is known not to be: the
//! head of a node tells, by the length of its blob.

use alloc::vec::Vec;

use super::{Begun, Part};
use crate::rdb::compact::{Compact, Layout};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::{Head, Text};

/// A node that is one element.
const PLAIN: u64 = 1;
/// A node that is a listpack.
const PACKED: u64 = 2;

/// The head of a node.
#[derive(Clone, Copy, Debug)]
struct NodeHead {
    /// How its elements are laid out; `None`: it is one element.
    layout: Option<Layout>,
    head: Head,
}

/// Nodes that are still to come.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Quicklist {
    /// Type 14: all nodes are ziplists, and do not say so.
    ziplists: bool,
    /// Nodes to come, with the one whose head was taken.
    left: u64,
    /// Head of the first node that is not empty; it was taken with the key.
    head: Option<NodeHead>,
}

/// A node of several elements.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Block {
    layout: Layout,
    text: Text,
}

/// What is known of a list's first node that is not empty.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum First {
    /// Its head was taken.
    Found(Quicklist),
    /// It is not the one that was taken.
    NotYet(Quicklist),
    /// There is none.
    Never,
}

/// Takes the number of nodes, and the head of the first or all of it if it is empty.
pub(super) fn begin(number: u8, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Begun, Stop> {
    let list = Quicklist { ziplists: number == 14, left: cursor.len()?, head: None };
    Ok(match list.first(cursor, limits)? {
        First::Found(list) => Begun::List(list),
        First::NotYet(list) => Begun::EmptyNodes(list),
        First::Never => Begun::Empty,
    })
}

impl Quicklist {
    /// How many nodes are still to come.
    pub(in crate::rdb) fn left(&self) -> u64 {
        self.left
    }

    /// Looks for the first node that is not empty: one node further.
    pub(in crate::rdb) fn first(self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<First, Stop> {
        if self.left == 0 {
            return Ok(First::Never);
        }
        let node = self.node_head(cursor)?;
        let Some(layout) = node.empty() else { return Ok(First::Found(Self { head: Some(node), ..self })) };
        let block = Block { layout, text: body(node.head, cursor, limits)? };
        block.compact(cursor.bytes(), &mut Vec::new())?;
        Ok(match self.left - 1 {
            0 => First::Never,
            left => First::NotYet(Self { left, ..self }),
        })
    }

    /// The next node, or the beginning of a long element.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.left == 0 {
            return Ok(Part::End);
        }
        let node = match self.head {
            Some(head) => head,
            None => self.node_head(cursor)?,
        };
        let part = match (node.layout, node.empty()) {
            (None, _) if node.head.len() > limits.value as u64 => Part::LongMember(node.head),
            (None, _) => Part::Member(Text::body(node.head, cursor)?),
            (Some(layout), empty) => {
                let block = Block { layout, text: body(node.head, cursor, limits)? };
                if empty.is_some() {
                    block.compact(cursor.bytes(), &mut Vec::new())?;
                    Part::Noted
                } else {
                    Part::Block(block)
                }
            }
        };
        (self.left, self.head) = (self.left - 1, None);
        Ok(part)
    }

    fn node_head(&self, cursor: &mut Cursor<'_>) -> Result<NodeHead, Stop> {
        let at = cursor.at();
        let layout = if self.ziplists {
            Some(Layout::Ziplist)
        } else {
            match cursor.len()? {
                PLAIN => None,
                PACKED => Some(Layout::Listpack),
                number => return Err(Stop::Broken(at, Flaw::Form { what: "container of a list's node", number })),
            }
        };
        let at = cursor.at();
        match (layout, Head::take(cursor)?) {
            (None, Head::Raw { len: 0 } | Head::Lzf { len: 0, .. }) => Err(Stop::Broken(at, Flaw::Empty("plain node"))),
            (layout, head) => Ok(NodeHead { layout, head }),
        }
    }
}

impl NodeHead {
    /// The layout, if it is a blob of no elements.
    fn empty(&self) -> Option<Layout> {
        self.layout.filter(|&layout| Compact::empty_len(layout).is_some_and(|len| len as u64 == self.head.len()))
    }
}

/// Takes the bytes of a node's blob.
fn body(head: Head, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Text, Stop> {
    if head.len() > limits.whole as u64 {
        return Err(Stop::Broken(cursor.at(), Flaw::TooLong { len: head.len(), limit: limits.whole as u64 }));
    }
    Text::body(head, cursor)
}

impl Block {
    /// The blob, checked.
    pub(super) fn compact<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Compact<'a>, Stop> {
        let bytes = self.text.bytes(record, scratch)?;
        Compact::check(self.layout, bytes, 1).map_err(|e| self.text.broken(e))
    }
}
