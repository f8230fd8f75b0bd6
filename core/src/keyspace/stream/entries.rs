//! Walks over the entries of a stream, both ways.

use super::super::tree::Cursor;
use super::node::{Item, Node, View};
use crate::rdb::StreamId;

/// Entries between two ids, both included, those that were deleted left out.
pub(in crate::keyspace) struct Entries<'a> {
    /// `None`: nothing of what follows is in the range.
    nodes: Option<Cursor<'a, Node>>,
    /// The node that we are in, and the place there: of the next entry, or, backwards, behind it.
    inside: Option<(View<'a>, usize)>,
    backwards: bool,
    start: StreamId,
    end: StreamId,
}

impl<'a> Entries<'a> {
    pub(super) fn new(nodes: Cursor<'a, Node>, backwards: bool, start: StreamId, end: StreamId) -> Self {
        Self { nodes: Some(nodes), inside: None, backwards, start, end }
    }

    /// The next entry of the node that we are in, deleted or not.
    fn step(&mut self) -> Option<Item<'a>> {
        let (view, at) = self.inside?;
        let next = if self.backwards {
            view.item_before(at).and_then(|start| Some((view.item(start)?.0, start)))
        } else {
            view.item(at)
        };
        self.inside = next.as_ref().map(|&(_, at)| (view, at));
        next.map(|(item, _)| item)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let Some(item) = self.step() else {
                let nodes = self.nodes.as_mut()?;
                let node = if self.backwards { nodes.back() } else { nodes.forward() }?;
                let view = node.view();
                self.inside = Some((view, if self.backwards { view.end() } else { view.first }));
                continue;
            };
            let (before, beyond) = (item.id < self.start, item.id > self.end);
            if if self.backwards { before } else { beyond } {
                (self.inside, self.nodes) = (None, None);
                return None;
            }
            if !item.deleted && !before && !beyond {
                return Some(item);
            }
        }
    }
}
