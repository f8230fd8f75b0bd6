//! Members taken from either end of sorted sets.

use super::super::Keyspace;
use super::super::pack::Text as _;
use super::super::record::Kind;
use super::super::store::Key;
use super::super::table::Place;
use super::SYNTAX;
use super::zsets::write;
use crate::dataset::{Classes, Context};
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
    let zset = ks.zset_at(key, place);
    let all = zset.len();
    let n = count.min(all);
    let span = if end == End::Min { 0..n } else { all - n..all };
    cx.reply.array(if nested { n } else { 2 * n });
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
    n
}

/// A number of at least one.
fn positive(text: &[u8]) -> Option<usize> {
    parse_i64(text).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0)
}

/// Number of keys, which end, how many members; an error's text if the arguments say nothing of the kind.
fn parse_many(args: Args<'_>) -> Result<(usize, End, usize), &'static str> {
    let keys = positive(args.at(1)).ok_or("ERR numkeys should be greater than 0")?;
    let at = keys.checked_add(2).filter(|&at| at < args.len()).ok_or(SYNTAX)?;
    let end = match at {
        _ if args.is(at, "MIN") => End::Min,
        _ if args.is(at, "MAX") => End::Max,
        _ => return Err(SYNTAX),
    };
    match args.len() - at {
        1 => Ok((keys, end, 1)),
        n if n >= 3 && args.is(at + 1, "COUNT") => {
            let count = positive(args.at(at + 2)).ok_or("ERR count should be greater than 0")?;
            if n == 3 { Ok((keys, end, count)) } else { Err(SYNTAX) }
        }
        _ => Err(SYNTAX),
    }
}

pub(super) fn zmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (keys, end, count) = match parse_many(args) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    for name in args.iter().skip(2).take(keys) {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::Zset, cx) else { return };
        let Some(place) = place else { continue };
        cx.reply.array(2);
        cx.reply.bulk(name);
        let n = take(ks, &key, place, (count, end), true, cx);
        let word: &[u8] = if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        cx.effects.command(key.db, &[word, name, decimal(&mut [0; 20], false, n as u64)]);
        return;
    }
    cx.reply.null_array();
}
