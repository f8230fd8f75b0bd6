//! Sorted sets in snapshots.

use super::ZsetRef;
use crate::keyspace::pack::{Pack, Shape};
use crate::keyspace::record::Mark;
use crate::rdb::Body;

/// Encodes a small sorted set.
pub(in crate::keyspace) fn small(
    out: &mut Body,
    db: u32,
    key: &[u8],
    expiry: Option<i64>,
    zset: ZsetRef<'_>,
    mark: Mark,
) {
    begin(out, db, key, expiry, zset, mark);
    go_on(out, zset, mark, &mut 0, u64::MAX);
}

/// The pack of a sorted set that a snapshot has as one blob, for its readers keep it so.
fn blob(zset: ZsetRef<'_>, mark: Mark) -> Option<Pack<'_>> {
    match zset {
        ZsetRef::Small(pack) if mark.form == Shape::Pack.bits() => Some(pack),
        _ => None,
    }
}

/// Encodes a sorted set that is one blob, or the head of another.
pub(in crate::keyspace) fn begin(
    out: &mut Body,
    db: u32,
    key: &[u8],
    expiry: Option<i64>,
    zset: ZsetRef<'_>,
    mark: Mark,
) {
    match blob(zset, mark) {
        Some(pack) => out.zset_pack(db, key, expiry, pack.0, pack.iter()),
        None => out.zset(db, key, expiry, zset.len() as u64),
    }
}

/// Encodes members behind the first `done` until `out` has `until` bytes, at least one; whether that was the last.
pub(in crate::keyspace) fn go_on(out: &mut Body, zset: ZsetRef<'_>, mark: Mark, done: &mut usize, until: u64) -> bool {
    if blob(zset, mark).is_some() {
        return true;
    }
    for (member, score) in zset.pairs_from(*done) {
        out.scored(member, score);
        *done += 1;
        if out.len() >= until {
            break;
        }
    }
    *done >= zset.len()
}
