//! Members taken from either end of sorted sets.

use super::super::Keyspace;
use super::super::pack::Text as _;
use super::super::record::Kind;
use super::super::store::Key;
use super::super::table::Place;
use super::SYNTAX;
use super::waits::{timeout, wait_for};
use super::zsets::write;
use crate::dataset::{Classes, Context, WaitFor};
use crate::resp::{Args, Proto, decimal, parse_i64};

/// The end of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The lowest scores.
    Min,
    /// The highest.
    Max,
}

pub(super) fn zpopmin(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    pop(ks, args, End::Min, cx);
}

pub(super) fn zpopmax(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    pop(ks, args, End::Max, cx);
}

fn pop(ks: &mut Keyspace, args: Args<'_>, end: End, cx: &mut Context<'_, '_>) {
    if args.len() > 3 {
        return cx.reply.error(SYNTAX);
    }
    let counted = args.len() == 3;
    let count = match args.get(2).map(|text| parse_i64(text).and_then(|n| usize::try_from(n).ok())) {
        None => 1,
        Some(Some(count)) => count,
        Some(None) => return cx.reply.error("ERR value is out of range, must be positive"),
    };
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place.filter(|_| count > 0) else { return cx.reply.array(0) };
    take(ks, &key, place, (count, end), counted && cx.reply.proto() == Proto::Resp3, cx);
    cx.effects.itself();
}

/// Takes up to `count` members, at least one, from the sorted set at `place` and answers them with their scores, as pairs
/// if `nested`; how many. Counts the changes but one.
fn take(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    (count, end): (usize, End),
    nested: bool,
    cx: &mut Context<'_, '_>,
) -> usize {
    let n = count.min(ks.zset_at(key, place).len());
    cx.reply.array(if nested { n } else { 2 * n });
    remove_end(ks, key, place, (n, end), nested, cx);
    n
}

/// Takes `n` members, at least one and no more than there are, and answers them one behind the other.
fn remove_end(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    (n, end): (usize, End),
    nested: bool,
    cx: &mut Context<'_, '_>,
) {
    let zset = ks.zset_at(key, place);
    let all = zset.len();
    let span = if end == End::Min { 0..n } else { all - n..all };
    for (member, score) in zset.walk(span.clone(), end == End::Max) {
        if nested {
            cx.reply.array(2);
        }
        member.reply(cx.reply);
        cx.reply.double(score);
    }
    if n == all {
        ks.remove(key, place, cx);
    } else {
        ks.edit_zset(key, Some(place), cx, |zset| zset.remove_range(span));
    }
    ks.tell_removal(Classes::ZSET, if end == End::Min { "zpopmin" } else { "zpopmax" }, key, cx);
    cx.effects.dirty += (n as u64).saturating_sub(1);
}

/// A number of at least one.
fn positive(text: &[u8]) -> Option<usize> {
    parse_i64(text).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0)
}

/// What ZMPOP and BZMPOP say: the names of the sorted sets, an end, how many members.
struct Many<'a> {
    keys: Args<'a>,
    end: End,
    count: usize,
}

/// Reads it from argument `at` on, where the number of keys stands; an error's text if it is none.
fn parse_many(args: Args<'_>, at: usize) -> Result<Many<'_>, &'static str> {
    let keys = positive(args.at(at)).ok_or("ERR numkeys should be greater than 0")?;
    let end_at = keys.checked_add(at + 1).filter(|&end| end < args.len()).ok_or(SYNTAX)?;
    let end = match end_at {
        _ if args.is(end_at, "MIN") => End::Min,
        _ if args.is(end_at, "MAX") => End::Max,
        _ => return Err(SYNTAX),
    };
    let count = match args.len() - end_at {
        1 => 1,
        n if n >= 3 && args.is(end_at + 1, "COUNT") => {
            let count = positive(args.at(end_at + 2)).ok_or("ERR count should be greater than 0")?;
            if n > 3 {
                return Err(SYNTAX);
            }
            count
        }
        _ => return Err(SYNTAX),
    };
    Ok(Many { keys: args.from(at + 1).to(keys), end, count })
}

/// Takes members from the first of several sorted sets that is there; whether an answer was given.
fn take_first(ks: &mut Keyspace, many: &Many<'_>, cx: &mut Context<'_, '_>) -> bool {
    for name in many.keys.iter() {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::Zset, cx) else { return true };
        let Some(place) = place else { continue };
        cx.reply.array(2);
        cx.reply.bulk(name);
        let n = take(ks, &key, place, (many.count, many.end), true, cx);
        cx.effects.command(key.db, &[pop_name(many.end), name, decimal(&mut [0; 20], false, n as u64)]);
        return true;
    }
    false
}

fn pop_name(end: End) -> &'static [u8] {
    if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }
}

pub(super) fn zmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match parse_many(args, 1) {
        Err(text) => cx.reply.error(text),
        Ok(many) if take_first(ks, &many, cx) => {}
        Ok(_) => cx.reply.null_array(),
    }
}

pub(super) fn bzmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let many = match parse_many(args, 2) {
        Ok(many) => many,
        Err(text) => return cx.reply.error(text),
    };
    let Some(timeout_ms) = timeout(args.at(1), cx) else { return };
    if !take_first(ks, &many, cx) {
        wait_for(WaitFor::Zset, many.keys, timeout_ms, cx);
    }
}

pub(super) fn bzpopmin(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    blocking_pop(ks, args, End::Min, cx);
}

pub(super) fn bzpopmax(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    blocking_pop(ks, args, End::Max, cx);
}

fn blocking_pop(ks: &mut Keyspace, args: Args<'_>, end: End, cx: &mut Context<'_, '_>) {
    let last = args.len() - 1;
    let Some(timeout_ms) = timeout(args.at(last), cx) else { return };
    let keys = args.from(1).to(last - 1);
    for name in keys.iter() {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::Zset, cx) else { return };
        let Some(place) = place else { continue };
        cx.reply.array(3);
        cx.reply.bulk(name);
        remove_end(ks, &key, place, (1, end), false, cx);
        return cx.effects.command(cx.db, &[pop_name(end), name]);
    }
    wait_for(WaitFor::Zset, keys, timeout_ms, cx);
}
