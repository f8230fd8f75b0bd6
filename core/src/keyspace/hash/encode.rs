//! Hashes in snapshots.

use super::super::pack::{Pack, Shape};
use super::super::record::Mark;
use super::HashRef;
use crate::rdb::Body;

/// Encodes a small hash.
pub(in super::super) fn small(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, hash: HashRef<'_>, mark: Mark) {
    begin(out, db, key, expiry, hash, mark);
    go_on(out, hash, mark, &mut 0, u64::MAX);
}

/// The pack of a hash that a snapshot has as one blob, for its readers keep it so.
fn blob(hash: HashRef<'_>, mark: Mark) -> Option<Pack<'_>> {
    match hash {
        HashRef::Small(pack) if mark.form == Shape::Pack.bits() => Some(pack),
        _ => None,
    }
}

/// Encodes a hash that is one blob, or the head of another.
pub(in super::super) fn begin(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, hash: HashRef<'_>, mark: Mark) {
    match blob(hash, mark) {
        Some(pack) => out.hash_pack(db, key, expiry, pack.0, pack.iter()),
        None => match hash.first_expiry() {
            Some(first) => out.timed_hash(db, key, expiry, hash.len() as u64, first),
            None => out.hash(db, key, expiry, hash.len() as u64),
        },
    }
}

/// Encodes fields behind the first `done` until `out` has `until` bytes, at least one; whether that was the last.
pub(in super::super) fn go_on(out: &mut Body, hash: HashRef<'_>, mark: Mark, done: &mut usize, until: u64) -> bool {
    if blob(hash, mark).is_some() {
        return true;
    }
    let first = hash.first_expiry();
    for (field, value, at) in hash.rows_from(*done) {
        match first {
            Some(first) => out.timed_field(field, value, at, first),
            None => out.field(field, value),
        }
        *done += 1;
        if out.len() >= until {
            break;
        }
    }
    *done >= hash.len()
}
