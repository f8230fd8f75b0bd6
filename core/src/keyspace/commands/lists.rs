//! Lists: elements pushed, read and changed.

use smallvec::SmallVec;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::list::{Element, ListRef, Needle, Side};
use super::super::record::Kind;
use super::super::store::{Answered, Key};
use super::super::table::Place;
use super::options::range_error;
use super::{NO_SUCH_KEY, NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

/// The list of the key in argument 1 for a reader, if there is such a key.
pub(super) fn read<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    cx: &mut Context<'_, '_>,
) -> Result<Option<ListRef<'k>>, Answered> {
    let key = ks.key(cx.db, args.at(1));
    ks.read_as(&key, cx, Slot::list)
}

/// The key in argument 1 for a writer of a list, and where it is.
pub(super) fn write<'a>(
    ks: &mut Keyspace,
    args: Args<'a>,
    cx: &mut Context<'_, '_>,
) -> Result<(Key<'a>, Option<Place>), Answered> {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find_kind(&key, Kind::List, cx)?;
    Ok((key, place))
}

/// The integer in argument `i`; an error has been answered if it is `None`.
fn integer(args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<i64> {
    let n = parse_i64(args.at(i));
    if n.is_none() {
        cx.reply.error(NOT_AN_INTEGER);
    }
    n
}

/// Indices of a range of `len` elements: both ends are in it, and negative ones count from the end.
fn range(start: i64, end: i64, len: usize) -> core::ops::Range<usize> {
    // No list has as many elements as an i64 counts.
    let len = len as i64;
    let place = |n: i64| if n < 0 { n.saturating_add(len).max(0) } else { n };
    let end = if end < 0 { end.saturating_add(len) } else { end.min(len - 1) };
    let (from, to) = (place(start), end.saturating_add(1));
    if from >= to || from >= len { 0..0 } else { from as usize..to as usize }
}

fn push(ks: &mut Keyspace, args: Args<'_>, side: Side, only_there: bool, cx: &mut Context<'_, '_>) {
    let Ok((key, place)) = write(ks, args, cx) else { return };
    if only_there && place.is_none() {
        return cx.reply.int(0);
    }
    let elements: SmallVec<[Element<'_>; 8]> = args.iter().skip(2).map(Element::of).collect();
    let len = ks.edit_list(&key, place, cx, |list| {
        list.push(side, &elements);
        list.len()
    });
    let event = if side == Side::Left { "lpush" } else { "rpush" };
    cx.effects.notify(Classes::LIST, event, key.db, key.bytes);
    cx.reply.int(len as i64);
    cx.effects.itself();
    cx.effects.dirty += elements.len() as u64 - 1;
}

pub(super) fn lpush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    push(ks, args, Side::Left, false, cx);
}

pub(super) fn rpush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    push(ks, args, Side::Right, false, cx);
}

pub(super) fn lpushx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    push(ks, args, Side::Left, true, cx);
}

pub(super) fn rpushx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    push(ks, args, Side::Right, true, cx);
}

pub(super) fn llen(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(list) = read(ks, args, cx) else { return };
    cx.reply.int(list.map_or(0, ListRef::len) as i64);
}

pub(super) fn lindex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(list) = read(ks, args, cx) else { return };
    // Without a key nobody looks at the index.
    let Some(list) = list else { return cx.reply.null() };
    let Some(index) = integer(args, 2, cx) else { return };
    match list.get(index) {
        Some(element) => element.reply(cx.reply),
        None => cx.reply.null(),
    }
}

pub(super) fn lrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(start) = integer(args, 2, cx) else { return };
    let Some(end) = integer(args, 3, cx) else { return };
    let Ok(list) = read(ks, args, cx) else { return };
    let Some(list) = list else { return cx.reply.array(0) };
    let range = range(start, end, list.len());
    cx.reply.array(range.len());
    list.iter_from(range.start).take(range.len()).for_each(|element| element.reply(cx.reply));
}

pub(super) fn lset(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.error(NO_SUCH_KEY) };
    let Some(index) = integer(args, 2, cx) else { return };
    let len = ks.list_at(&key, place).len() as i64;
    let index = if index < 0 { index.saturating_add(len) } else { index };
    if !(0..len).contains(&index) {
        return cx.reply.error("ERR index out of range");
    }
    ks.edit_list(&key, Some(place), cx, |list| {
        list.set(index as usize, Element::of(args.at(3)));
        list.settle();
    });
    cx.effects.notify(Classes::LIST, "lset", key.db, key.bytes);
    cx.reply.ok();
    cx.effects.itself();
}

pub(super) fn linsert(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let after = args.is(2, "after");
    if !after && !args.is(2, "before") {
        return cx.reply.error(SYNTAX);
    }
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let pivot = Needle::new(args.at(3));
    let Some(at) = ks.list_at(&key, place).iter(Side::Left).position(|element| pivot.is(element)) else {
        return cx.reply.int(-1);
    };
    let len = ks.edit_list(&key, Some(place), cx, |list| {
        list.insert(at + usize::from(after), Element::of(args.at(4)));
        list.len()
    });
    cx.effects.notify(Classes::LIST, "linsert", key.db, key.bytes);
    cx.reply.int(len as i64);
    cx.effects.itself();
}

pub(super) fn lrem(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(count) = integer(args, 2, cx) else { return };
    if count == i64::MIN {
        return range_error(-i64::MAX, i64::MAX, cx);
    }
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let needle = Needle::new(args.at(3));
    // A bucket is handed over to a snapshot, and watchers hear of it, only if there is something to remove.
    if !ks.list_at(&key, place).iter(Side::Left).any(|element| needle.is(element)) {
        return cx.reply.int(0);
    }
    let side = if count < 0 { Side::Right } else { Side::Left };
    let max = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let removed = ks.edit_list(&key, Some(place), cx, |list| {
        let removed = list.remove(&needle, side, max);
        list.settle();
        removed
    });
    ks.tell_removal(Classes::LIST, "lrem", &key, cx);
    cx.reply.int(removed as i64);
    cx.effects.itself();
    cx.effects.dirty += (removed as u64).saturating_sub(1);
}

pub(super) fn ltrim(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(start) = integer(args, 2, cx) else { return };
    let Some(end) = integer(args, 3, cx) else { return };
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.ok() };
    let len = ks.list_at(&key, place).len();
    let kept = range(start, end, len);
    if kept.is_empty() {
        ks.remove(&key, place, cx);
    } else if kept.len() < len {
        ks.edit_list(&key, Some(place), cx, |list| {
            list.pop(Side::Right, len - kept.end);
            list.pop(Side::Left, kept.start);
            list.settle();
        });
    } else {
        // Nothing to remove, and nothing to repeat; but those who watch the key hear of it, as in Redis.
        cx.effects.touch(key.db, key.bytes);
    }
    ks.tell_removal(Classes::LIST, "ltrim", &key, cx);
    cx.reply.ok();
    if kept.len() < len {
        cx.effects.itself();
        cx.effects.dirty += (len - kept.len()) as u64 - 1;
    }
}
