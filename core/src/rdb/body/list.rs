//! Lists: nodes of several elements, and elements by themselves.

use bytes::Bytes;

use super::{Body, pack, share};
use crate::rdb::compact::Scalar;
use crate::rdb::kinds;

/// A node that is one element.
const PLAIN: u64 = 1;
/// A node that is a listpack.
const PACKED: u64 = 2;

/// What the nodes of a list are. It decides how one is encoded before version 10, where every node is a ziplist: a long
/// element would have to be copied into one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nodes {
    /// All are several elements: [`Body::list_run`].
    Runs,
    /// Some may be single elements: [`Body::list_single`].
    Mixed,
}

impl Body {
    /// Begins a key with a list of so many nodes, which hold so many elements. They have to follow before anything else is
    /// encoded; other bodies may not come between them either.
    pub fn list(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, kind: Nodes, nodes: u64, elements: u64) {
        let (number, count) = match kind {
            _ if self.version >= pack::LISTPACKS => (kinds::LIST_NODES, nodes),
            Nodes::Runs => (kinds::LIST_ZIPLISTS, nodes),
            Nodes::Mixed => (kinds::LIST, elements),
        };
        self.key(db, key, expire_at_ms, number);
        self.count(count);
    }

    /// The next node of the list that was begun, with what its nodes are. `elements` are as a listpack has them between its
    /// head and its end mark, and `scalars` the same; together below 1 GB.
    pub fn list_run<'a>(&mut self, kind: Nodes, elements: &[u8], scalars: impl Iterator<Item = Scalar<'a>>) {
        if self.version >= pack::LISTPACKS {
            self.count(PACKED);
            self.pack(elements, scalars);
        } else if kind == Nodes::Runs {
            self.pack(elements, scalars);
        } else {
            scalars.for_each(|scalar| self.scalar(scalar));
        }
    }

    /// The next node of a list of [`Nodes::Mixed`], one element by itself. It is shared if it is long, not copied, and
    /// never compressed.
    pub fn list_single(&mut self, element: &Bytes) {
        if self.version >= pack::LISTPACKS {
            self.count(PLAIN);
        }
        self.count(element.len() as u64);
        share(&mut self.out, element.clone());
    }
}
