//! Hashes: fields read and written.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::hash::HashRef;
use super::super::pack::Text as _;
use super::super::record::Kind;
use super::super::store::{Answered, Key};
use super::super::table::Place;
use crate::dataset::{Classes, Context, Origin};
use crate::rdb::Scalar;
use crate::resp::Args;

/// The hash of the key in argument 1 for a reader, if there is such a key.
pub(super) fn read<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    cx: &mut Context<'_, '_>,
) -> Result<Option<HashRef<'k>>, Answered> {
    let key = ks.key(cx.db, args.at(1));
    // For the master that we follow no field has expired.
    let (upstream, now) = (cx.origin == Origin::Upstream, cx.now.unix_ms);
    let hash = ks.read_as(&key, cx, Slot::hash)?;
    Ok(hash.map(|hash| if upstream { hash } else { hash.at(now) }))
}

/// The key in argument 1 for a writer of these fields of a hash, and where it is; an error has been answered if it is
/// `None`. Those of the fields that have expired are gone afterwards.
pub(super) fn write<'a>(
    ks: &mut Keyspace,
    args: Args<'a>,
    fields: impl Iterator<Item = &'a [u8]>,
    cx: &mut Context<'_, '_>,
) -> Option<(Key<'a>, Option<Place>)> {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find_kind(&key, Kind::Hash, cx).ok()?;
    let place = place.and_then(|place| ks.drop_expired_fields(&key, place, fields, cx));
    Some((key, place))
}

/// Answers a value, or that there is none.
pub(super) fn answer(value: Option<Scalar<'_>>, cx: &mut Context<'_, '_>) {
    match value {
        Some(value) => value.reply(cx.reply),
        None => cx.reply.null(),
    }
}

/// Sets all fields of `HSET` and `HMSET`; how many are new. An error has been answered if it is `None`.
fn set_pairs(ks: &mut Keyspace, args: Args<'_>, name: &str, cx: &mut Context<'_, '_>) -> Option<usize> {
    if !args.len().is_multiple_of(2) {
        cx.reply.error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
        return None;
    }
    let (key, place) = write(ks, args, args.iter().skip(2).step_by(2), cx)?;
    let pairs = args.len() / 2 - 1;
    let fresh = ks.edit_hash(&key, place, cx, |hash| {
        hash.announce(pairs);
        (2..args.len()).step_by(2).filter(|&i| hash.set(args.at(i), args.at(i + 1))).count()
    });
    cx.effects.notify(Classes::HASH, "hset", key.db, key.bytes);
    cx.effects.itself();
    cx.effects.dirty += pairs as u64 - 1;
    Some(fresh)
}

pub(super) fn hset(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if let Some(fresh) = set_pairs(ks, args, "hset", cx) {
        cx.reply.int(fresh as i64);
    }
}

pub(super) fn hmset(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if set_pairs(ks, args, "hmset", cx).is_some() {
        cx.reply.ok();
    }
}

pub(super) fn hsetnx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some((key, place)) = write(ks, args, args.get(2).into_iter(), cx) else { return };
    let there = place.is_some_and(|place| ks.hash_at(&key, place).get(ks.hash_key, args.at(2)).is_some());
    if !there {
        ks.edit_hash(&key, place, cx, |hash| hash.set(args.at(2), args.at(3)));
        cx.effects.notify(Classes::HASH, "hset", key.db, key.bytes);
        cx.effects.itself();
    }
    cx.reply.int(i64::from(!there));
}

pub(super) fn hget(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(hash) = read(ks, args, cx) else { return };
    answer(hash.and_then(|hash| hash.get(hash_key, args.at(2))), cx);
}

pub(super) fn hmget(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.array(args.len() - 2);
    for field in args.iter().skip(2) {
        answer(hash.and_then(|hash| hash.get(hash_key, field)), cx);
    }
}

fn pairs(hash: Option<HashRef<'_>>) -> impl Iterator<Item = (Scalar<'_>, Scalar<'_>)> {
    hash.into_iter().flat_map(HashRef::pairs)
}

pub(super) fn hgetall(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.map(hash.map_or(0, HashRef::seen));
    for (field, value) in pairs(hash) {
        field.reply(cx.reply);
        value.reply(cx.reply);
    }
}

pub(super) fn hkeys(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.array(hash.map_or(0, HashRef::seen));
    pairs(hash).for_each(|(field, _)| field.reply(cx.reply));
}

pub(super) fn hvals(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.array(hash.map_or(0, HashRef::seen));
    pairs(hash).for_each(|(_, value)| value.reply(cx.reply));
}

pub(super) fn hlen(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.int(hash.map_or(0, HashRef::len) as i64);
}

pub(super) fn hexists(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.int(i64::from(hash.is_some_and(|hash| hash.get(hash_key, args.at(2)).is_some())));
}

pub(super) fn hstrlen(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(hash) = read(ks, args, cx) else { return };
    cx.reply.int(hash.and_then(|hash| hash.get(hash_key, args.at(2))).map_or(0, |value| value.len() as i64));
}

pub(super) fn hdel(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some((key, place)) = write(ks, args, args.iter().skip(2), cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let hash = ks.hash_at(&key, place);
    // A bucket is handed over to a snapshot, and watchers hear of it, only if there is something to remove.
    let any = args.iter().skip(2).any(|field| hash.get(ks.hash_key, field).is_some());
    if !any {
        return cx.reply.int(0);
    }
    let removed =
        ks.edit_hash(&key, Some(place), cx, |hash| args.iter().skip(2).filter(|field| hash.remove(field)).count());
    ks.tell_removal(Classes::HASH, "hdel", &key, cx);
    cx.effects.itself();
    cx.effects.dirty += (removed as u64).saturating_sub(1);
    cx.reply.int(removed as i64);
}
