//! Fields of hashes that are written or read together with their expiry, or read and removed (Redis since 8.0, Valkey
//! since 9.0 and 9.1).
//!
//! Where Redis and Valkey answer bad arguments with other words, these are Valkey's; `NX` and `XX`, for the key, are
//! Valkey's alone (9.1). The latest time is Redis's. Of a time that is past the event is `hdel`, as of HEXPIRE, where
//! Valkey says `hexpired`. Replicas are told in HSET and HDEL, and where times are left in HPEXPIREAT and HPERSIST (Redis
//! since 7.4).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::hash::HashRef;
use super::super::record::Kind;
use super::super::store::{Answered, Key};
use super::super::table::Place;
use super::NOT_AN_INTEGER;
use super::field_expiry::{apply, propagate, time};
use super::hashes::{answer, write};
use super::options::{self, For, Options};
use crate::dataset::{Classes, Context, Origin};
use crate::resp::{Args, decimal_i64, parse_i64};

const COUNT: &str = "ERR numfields should be greater than 0 and match the provided number of fields";

/// The options, and the index of the first field behind `FIELDS numfields`: each field takes `width` arguments.
fn parse(args: Args<'_>, command: For, width: usize) -> Result<(Options, usize), &'static str> {
    let options = options::parse(args, 2, command)?;
    let first = options.fields + 2;
    let count = match args.get(first - 1) {
        Some(count) => parse_i64(count).ok_or(NOT_AN_INTEGER)?,
        None => return Err(COUNT),
    };
    let words = usize::try_from(count).ok().filter(|&n| n > 0).and_then(|n| n.checked_mul(width));
    if words == Some(args.len() - first) { Ok((options, first)) } else { Err(COUNT) }
}

/// The expiry that the options give, if any, ms since 1970. The type of the key is looked at before.
fn expiry(
    ks: &mut Keyspace,
    args: Args<'_>,
    o: Options,
    name: &str,
    cx: &mut Context<'_, '_>,
) -> Result<Option<u64>, Answered> {
    let key = ks.key(cx.db, args.at(1));
    ks.find_kind(&key, Kind::Hash, cx)?;
    match o.expiry {
        Some((unit, i)) => time(args, unit, i, name, cx).map(Some).ok_or(Answered),
        None => Ok(None),
    }
}

/// Whether the conditions for the key and for the fields hold.
fn holds<'a>(
    ks: &Keyspace,
    hash: Option<HashRef<'_>>,
    o: Options,
    mut names: impl Iterator<Item = &'a [u8]>,
    origin: Origin,
) -> bool {
    // What comes from a master was decided there, maybe without fields that had expired and that are here still:
    // Valkey 9.0 leaves FNX in its stream.
    if origin == Origin::Upstream {
        return true;
    }
    let has = |name: &[u8]| hash.is_some_and(|hash| hash.get(ks.hash_key, name).is_some());
    let missed = if hash.is_some() { o.absent } else { o.present };
    !missed
        && match () {
            () if o.fields_absent => !names.any(has),
            () if o.fields_present => names.all(has),
            () => true,
        }
}

/// `HSETEX key [NX | XX] [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS numfields field value …`
pub(super) fn hsetex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (o, first) = match parse(args, For::HSetEx, 2) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let names = || args.iter().skip(first).step_by(2);
    let Ok(at) = expiry(ks, args, o, "hsetex", cx) else { return };
    let Some((key, place)) = write(ks, args, names(), cx) else { return };
    let hash = place.map(|place| ks.hash_at(&key, place));
    if !holds(ks, hash, o, names(), cx.origin) {
        return cx.reply.int(0);
    }
    match at {
        Some(at) if Keyspace::is_due(at as i64, cx) => set_past(ks, &key, place, names(), cx),
        _ => set(ks, args.from(first), &key, place, at, o.keep, cx),
    }
    // Valkey 9.0 answers 0 where the time is past; 9.1 and Redis answer 1.
    cx.reply.int(1);
}

/// Fields that would expire at once are not there afterwards.
fn set_past<'a>(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    names: impl Iterator<Item = &'a [u8]>,
    cx: &mut Context<'_, '_>,
) {
    let Some(place) = place else { return };
    let hash = ks.hash_at(key, place);
    let there: BTreeSet<&[u8]> = names.filter(|name| hash.get(ks.hash_key, name).is_some()).collect();
    apply(ks, key, place, &there, None, cx);
}

/// Gives the fields in `pairs` their values, and an expiry, or lets them keep theirs.
fn set(
    ks: &mut Keyspace,
    pairs: Args<'_>,
    key: &Key<'_>,
    place: Option<Place>,
    at: Option<u64>,
    keep: bool,
    cx: &mut Context<'_, '_>,
) {
    let names = || pairs.iter().step_by(2);
    // Fields by the expiry that they have afterwards.
    let mut timed: BTreeMap<u64, BTreeSet<&[u8]>> = BTreeMap::new();
    if let Some(at) = at {
        timed.insert(at, names().collect());
    } else if let (true, Some(hash)) = (keep, place.map(|place| ks.hash_at(key, place))) {
        for name in names() {
            if let Some(at) = hash.expiry_of(ks.hash_key, name) {
                timed.entry(at).or_default().insert(name);
            }
        }
    }
    let count = pairs.len() / 2;
    ks.edit_hash(key, place, cx, |hash| {
        hash.announce(count);
        for (name, value) in names().zip(pairs.iter().skip(1).step_by(2)) {
            if keep || at.is_some() {
                hash.keep(name, value);
            } else {
                hash.set(name, value);
            }
            if at.is_some() {
                hash.expire(name, at);
            }
        }
    });
    cx.effects.notify(Classes::HASH, "hset", key.db, key.bytes);
    if at.is_some() {
        cx.effects.notify(Classes::HASH, "hexpire", key.db, key.bytes);
    }
    let words: Vec<&[u8]> = [&b"HSET"[..], key.bytes].into_iter().chain(pairs.iter()).collect();
    let dirty = cx.effects.dirty + count as u64;
    cx.effects.command(key.db, &words);
    // HSET takes the expiry of a field.
    timed.iter().for_each(|(&at, fields)| propagate(key, fields, Some(at), cx));
    cx.effects.dirty = dirty;
}

/// `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS numfields field …`
pub(super) fn hgetex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (o, first) = match parse(args, For::HGetEx, 1) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let names = || args.iter().skip(first);
    let Ok(at) = expiry(ks, args, o, "hgetex", cx) else { return };
    let Some((key, place)) = write(ks, args, names(), cx) else { return };
    let past = at.is_some_and(|at| Keyspace::is_due(at as i64, cx));
    let there = show(ks, &key, place, names(), past, cx);
    let Some(place) = place else { return };
    if at.is_some() {
        apply(ks, &key, place, &there, at.filter(|_| !past), cx);
    } else if o.persist {
        let hash = ks.hash_at(&key, place);
        let timed: BTreeSet<&[u8]> =
            there.into_iter().filter(|name| hash.expiry_of(ks.hash_key, name).is_some()).collect();
        persist(ks, &key, place, &timed, cx);
    }
}

/// Answers the values of fields; those that are there. If they `go` by that, one that is named twice is not there the
/// second time.
fn show<'a>(
    ks: &Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    names: impl ExactSizeIterator<Item = &'a [u8]>,
    go: bool,
    cx: &mut Context<'_, '_>,
) -> BTreeSet<&'a [u8]> {
    let hash = place.map(|place| ks.hash_at(key, place));
    let mut there = BTreeSet::new();
    cx.reply.array(names.len());
    for name in names {
        let value = hash.and_then(|hash| hash.get(ks.hash_key, name));
        let again = value.is_some() && !there.insert(name);
        answer(value.filter(|_| !(again && go)), cx);
    }
    there
}

/// Takes the expiry from fields that have one.
fn persist(ks: &mut Keyspace, key: &Key<'_>, place: Place, fields: &BTreeSet<&[u8]>, cx: &mut Context<'_, '_>) {
    if fields.is_empty() {
        return;
    }
    ks.edit_hash(key, Some(place), cx, |hash| fields.iter().for_each(|field| hash.expire(field, None)));
    cx.effects.notify(Classes::HASH, "hpersist", key.db, key.bytes);
    let mut count = [0; 20];
    let mut words: Vec<&[u8]> =
        alloc::vec![b"HPERSIST", key.bytes, b"FIELDS", decimal_i64(&mut count, fields.len() as i64)];
    words.extend(fields);
    cx.effects.command(key.db, &words);
    cx.effects.dirty += fields.len() as u64 - 1;
}

/// `HGETDEL key FIELDS numfields field …`
pub(super) fn hgetdel(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (_, first) = match parse(args, For::HGetDel, 1) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let names = || args.iter().skip(first);
    let Some((key, place)) = write(ks, args, names(), cx) else { return };
    let there = show(ks, &key, place, names(), true, cx);
    if let Some(place) = place {
        apply(ks, &key, place, &there, None, cx);
    }
}
