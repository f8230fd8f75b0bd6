//! HyperLogLogs: how many different elements were seen, about.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::hll::{self, Corrupt, REGISTERS};
use super::super::store::{Access, Key};
use super::super::string::{Form, New};
use super::super::table::Place;
use super::WRONG_TYPE;
use crate::dataset::{Classes, Context, Origin};
use crate::resp::Args;

const NO_HLL: &str = "WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT: &str = "INVALIDOBJ Corrupted HLL object detected";

/// The HyperLogLog at a place, or the error that it is none.
fn stored<'a>(ks: &'a Keyspace, key: &Key<'_>, place: Place) -> Result<Cow<'a, [u8]>, &'static str> {
    let text = ks.slot(key, place).string().ok_or(WRONG_TYPE)?;
    // The dense form is the longest; whatever is longer is none and not worth a copy.
    let bytes = if text.len() <= 64 * 1024 { text.flat() } else { Cow::Borrowed(&b""[..]) };
    if hll::is_hll(&bytes) { Ok(bytes) } else { Err(NO_HLL) }
}

/// Puts a changed one back.
fn store(ks: &mut Keyspace, key: &Key<'_>, place: Option<Place>, len: usize, bytes: &[u8], cx: &mut Context<'_, '_>) {
    match place {
        Some(place) if len == bytes.len() => ks.write_at(key, place, 0, &[bytes], cx),
        _ => {
            let expiry = place.and_then(|place| ks.slot(key, place).expiry());
            ks.put(key, place, New::Flat(bytes), expiry, Form::Raw, cx);
        }
    }
}

pub(super) fn pfadd(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let mut updated = u64::from(place.is_none());
    let old = match place.map_or(Ok(Cow::Owned(hll::empty())), |place| stored(ks, &key, place)) {
        Ok(bytes) => bytes,
        Err(text) => return cx.reply.error(text),
    };
    let (len, sparse_max) = (old.len(), ks.limits.hll_sparse);
    let mut bytes = old;
    for element in args.iter().skip(2) {
        let at = hll::place(element);
        if hll::may_raise(&bytes, at) {
            match hll::raise(bytes.to_mut(), at, sparse_max) {
                Ok(raised) => updated += u64::from(raised),
                Err(Corrupt) => return cx.reply.error(CORRUPT),
            }
        }
    }
    cx.reply.int(i64::from(updated > 0));
    if updated > 0 {
        let mut bytes = bytes.into_owned();
        hll::forget(&mut bytes);
        store(ks, &key, place, len, &bytes, cx);
        cx.effects.notify(Classes::STRING, "pfadd", key.db, key.bytes);
        cx.effects.itself();
        cx.effects.dirty += updated - 1;
    }
}

pub(super) fn pfcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() > 2 {
        return count_union(ks, args, cx);
    }
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Read) else { return cx.reply.int(0) };
    let bytes = match stored(ks, &key, place) {
        Ok(bytes) => bytes,
        Err(text) => return cx.reply.error(text),
    };
    if let Some(count) = hll::cached(&bytes) {
        return cx.reply.int(count as i64);
    }
    let count = match hll::histogram(&bytes) {
        Ok(histogram) => hll::cardinality(&histogram),
        Err(Corrupt) => return cx.reply.error(CORRUPT),
    };
    cx.reply.int(count as i64);
    // A replica's client changes nothing; the master's own count comes along the stream.
    if cx.may_expire || cx.origin == Origin::Upstream {
        ks.write_at(&key, place, hll::CACHE_AT, &[count.to_le_bytes()], cx);
        cx.effects.itself();
    }
}

/// All registers of the union of the keys from argument `first` on, and whether one of them is dense.
fn union(
    ks: &mut Keyspace,
    args: Args<'_>,
    first: usize,
    cx: &mut Context<'_, '_>,
) -> Result<(Vec<u8>, bool), &'static str> {
    let (mut registers, mut dense) = (alloc::vec![0; REGISTERS], false);
    for name in args.iter().skip(first) {
        let key = ks.key(cx.db, name);
        let Some(place) = ks.find(&key, cx, Access::Read) else { continue };
        let bytes = stored(ks, &key, place)?;
        dense |= hll::is_dense(&bytes);
        hll::merge(&mut registers, &bytes).map_err(|Corrupt| CORRUPT)?;
    }
    Ok((registers, dense))
}

fn count_union(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match union(ks, args, 1, cx) {
        Err(text) => cx.reply.error(text),
        Ok((registers, _)) => {
            let mut histogram = [0; 64];
            registers.iter().for_each(|rank| histogram[usize::from(rank & 63)] += 1);
            cx.reply.int(hll::cardinality(&histogram) as i64);
        }
    }
}

pub(super) fn pfmerge(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (registers, dense) = match union(ks, args, 1, cx) {
        Ok(union) => union,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let old = match place.map_or(Ok(Cow::Owned(hll::empty())), |place| stored(ks, &key, place)) {
        Ok(bytes) => bytes.into_owned(),
        Err(text) => return cx.reply.error(text),
    };
    let (len, sparse_max) = (old.len(), ks.limits.hll_sparse);
    let mut bytes = old;
    let merged = (if dense { hll::to_dense(&mut bytes) } else { Ok(()) }).and_then(|()| {
        let ranks = registers.iter().copied().enumerate().filter(|(_, rank)| *rank > 0);
        ranks.into_iter().try_for_each(|at| hll::raise(&mut bytes, at, sparse_max).map(|_| ()))
    });
    if merged == Err(Corrupt) {
        return cx.reply.error(CORRUPT);
    }
    hll::forget(&mut bytes);
    store(ks, &key, place, len, &bytes, cx);
    cx.effects.notify(Classes::STRING, "pfadd", key.db, key.bytes);
    cx.reply.ok();
    cx.effects.itself();
}

pub(super) fn pfdebug(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(2));
    let Some(place) = ks.find(&key, cx, Access::Write) else {
        return cx.reply.error("ERR The specified key does not exist");
    };
    let bytes = match stored(ks, &key, place) {
        Ok(bytes) => bytes.into_owned(),
        Err(text) => return cx.reply.error(text),
    };
    if args.is(1, "GETREG") {
        if make_dense(ks, &key, place, &bytes, cx).is_ok()
            && let Ok(registers) = hll::registers(&bytes)
        {
            cx.reply.array(REGISTERS);
            registers.iter().for_each(|rank| cx.reply.int(i64::from(*rank)));
        }
    } else if args.is(1, "DECODE") {
        match hll::spell_runs(&bytes) {
            _ if hll::is_dense(&bytes) => cx.reply.error("ERR HLL encoding is not sparse"),
            Ok(text) => cx.reply.bulk(text.as_bytes()),
            Err(Corrupt) => cx.reply.error(CORRUPT),
        }
    } else if args.is(1, "ENCODING") {
        cx.reply.simple(if hll::is_dense(&bytes) { "dense" } else { "sparse" });
    } else if args.is(1, "TODENSE") {
        if let Ok(changed) = make_dense(ks, &key, place, &bytes, cx) {
            cx.reply.int(i64::from(changed));
        }
    } else {
        let text = [b"ERR Unknown PFDEBUG subcommand '", args.at(1), b"'"].concat();
        cx.reply.error_bytes(&text);
    }
}

pub(super) fn pfselftest(_: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    match hll::selftest(cx.rng) {
        Ok(()) => cx.reply.ok(),
        Err(text) => cx.reply.error(text),
    }
}

/// Stores the dense form of a sparse one; an error has been answered if its registers are broken.
fn make_dense(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    bytes: &[u8],
    cx: &mut Context<'_, '_>,
) -> Result<bool, Corrupt> {
    if hll::is_dense(bytes) {
        return Ok(false);
    }
    let mut dense = bytes.to_vec();
    if hll::to_dense(&mut dense).is_err() {
        cx.reply.error(CORRUPT);
        return Err(Corrupt);
    }
    store(ks, key, Some(place), bytes.len(), &dense, cx);
    cx.effects.itself();
    Ok(true)
}
