//! Lists in a snapshot: a small one is one node, of a large one every block is.

use super::ListRef;
use super::block::Block;
use crate::rdb::{Body, Nodes};

/// Encodes a small list.
pub(in crate::keyspace) fn small(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, list: ListRef<'_>) {
    begin(out, db, key, expiry, list);
    go_on(out, list, &mut 0, u64::MAX);
}

/// Encodes a small list, or the head of a large one.
pub(in crate::keyspace) fn begin(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, list: ListRef<'_>) {
    match list {
        ListRef::Small(pack) => {
            out.list(db, key, expiry, Nodes::Runs, 1, 0);
            out.list_run(Nodes::Runs, pack.0, pack.iter());
        }
        ListRef::Large(list) => out.list(db, key, expiry, list.nodes(), list.blocks() as u64, list.len() as u64),
    }
}

/// Encodes blocks behind the first `done` until `out` has `until` bytes, at least one; whether that was the last.
pub(in crate::keyspace) fn go_on(out: &mut Body, list: ListRef<'_>, done: &mut usize, until: u64) -> bool {
    let ListRef::Large(list) = list else { return true };
    for block in list.blocks.iter_from(*done) {
        match block {
            Block::Run(run) => out.list_run(list.nodes(), run.pack().0, run.pack().iter()),
            Block::Single(bytes) => out.list_single(bytes),
        }
        *done += 1;
        if out.len() >= until {
            break;
        }
    }
    *done >= list.blocks()
}
