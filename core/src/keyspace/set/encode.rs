//! Sets in snapshots.

use alloc::vec::Vec;

use super::super::pack::{Pack, Shape};
use super::super::record::Mark;
use super::SetRef;
use crate::rdb::{Body, Scalar};

/// The pack of a set that a snapshot has in one piece, for its readers keep it so.
fn whole(set: SetRef<'_>, mark: Mark) -> Option<Pack<'_>> {
    match set {
        SetRef::Small(pack) if mark.form != Shape::Table.bits() => Some(pack),
        _ => None,
    }
}

/// Encodes a set that is one blob, or the head of another.
pub(in super::super) fn begin(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, set: SetRef<'_>, mark: Mark) {
    match whole(set, mark) {
        Some(pack) if mark.form == Shape::Ints.bits() => {
            let ints = pack.iter().filter_map(|scalar| match scalar {
                Scalar::Int(n) => Some(n),
                // There is none in such a set.
                Scalar::Text(_) => None,
            });
            out.set_ints(db, key, expiry, &ints.collect::<Vec<_>>());
        }
        Some(pack) => out.set_pack(db, key, expiry, pack.0, pack.len(), pack.iter()),
        None => out.set(db, key, expiry, set.len() as u64),
    }
}

/// Encodes members behind the first `done` until `out` has `until` bytes, at least one; whether that was the last.
pub(in super::super) fn go_on(out: &mut Body, set: SetRef<'_>, mark: Mark, done: &mut usize, until: u64) -> bool {
    if whole(set, mark).is_some() {
        return true;
    }
    for member in set.members_from(*done) {
        out.member(member.name);
        *done += 1;
        if out.len() >= until {
            break;
        }
    }
    *done >= set.len()
}
