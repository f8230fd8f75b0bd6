//! Lists: elements taken out at an end, and put into another list.

use super::super::Keyspace;
use super::super::list::{Element, Side};
use super::super::record::Kind;
use super::super::store::{Access, Key};
use super::super::table::Place;
use super::SYNTAX;
use super::lists::write;
use crate::dataset::{Classes, Context};
use crate::resp::{Args, decimal, parse_i64};

/// Answers an array of `n` elements from one end, no more than there are, and removes them; how many.
fn pop_many(ks: &mut Keyspace, key: &Key<'_>, place: Place, side: Side, n: u64, cx: &mut Context<'_, '_>) -> usize {
    let list = ks.list_at(key, place);
    let len = list.len();
    let n = usize::try_from(n).unwrap_or(usize::MAX).min(len);
    cx.reply.array(n);
    list.iter(side).take(n).for_each(|element| element.reply(cx.reply));
    if n == len {
        ks.remove(key, place, cx);
    } else {
        ks.edit_list(key, Some(place), cx, |list| {
            list.pop(side, n);
            list.settle();
        });
    }
    ks.tell_removal(Classes::LIST, pop_event(side), key, cx);
    n
}

fn pop_event(side: Side) -> &'static str {
    if side == Side::Left { "lpop" } else { "rpop" }
}

fn pop(ks: &mut Keyspace, args: Args<'_>, side: Side, cx: &mut Context<'_, '_>) {
    if args.len() > 3 {
        let name = if side == Side::Left { "lpop" } else { "rpop" };
        return cx.reply.error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
    }
    let count = args.get(2).map(|text| parse_i64(text).and_then(|n| u64::try_from(n).ok()));
    if count == Some(None) {
        return cx.reply.error("ERR value is out of range, must be positive");
    }
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else {
        return if count.is_some() { cx.reply.null_array() } else { cx.reply.null() };
    };
    match count.flatten() {
        Some(0) => return cx.reply.array(0),
        Some(n) => {
            let popped = pop_many(ks, &key, place, side, n, cx);
            cx.effects.dirty += (popped as u64).saturating_sub(1);
        }
        None => {
            match ks.list_at(&key, place).iter(side).next() {
                Some(element) => element.reply(cx.reply),
                // Not reached: no list is empty.
                None => cx.reply.null(),
            }
            ks.edit_list(&key, Some(place), cx, |list| {
                list.pop(side, 1);
                list.settle();
            });
            ks.tell_removal(Classes::LIST, pop_event(side), &key, cx);
        }
    }
    cx.effects.itself();
}

pub(super) fn lpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    pop(ks, args, Side::Left, cx);
}

pub(super) fn rpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    pop(ks, args, Side::Right, cx);
}

fn side(args: Args<'_>, i: usize) -> Option<Side> {
    if args.is(i, "left") {
        Some(Side::Left)
    } else if args.is(i, "right") {
        Some(Side::Right)
    } else {
        None
    }
}

pub(super) fn lmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let positive = |i: usize| parse_i64(args.at(i)).and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
    let Some(keys) = positive(1) else { return cx.reply.error("ERR numkeys should be greater than 0") };
    let place = usize::try_from(keys).ok().and_then(|n| n.checked_add(2)).filter(|&at| at < args.len());
    let Some((at, side)) = place.and_then(|at| Some((at, side(args, at)?))) else { return cx.reply.error(SYNTAX) };
    let count = match args.len() - at {
        1 => 1,
        3 if args.is(at + 1, "count") => match positive(at + 2) {
            Some(n) => n,
            None => return cx.reply.error("ERR count should be greater than 0"),
        },
        _ => return cx.reply.error(SYNTAX),
    };
    for name in args.iter().take(at).skip(2) {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::List, cx) else { return };
        let Some(place) = place else { continue };
        cx.reply.array(2);
        cx.reply.bulk(name);
        let popped = pop_many(ks, &key, place, side, count, cx);
        let command: &[u8] = if side == Side::Left { b"LPOP" } else { b"RPOP" };
        cx.effects.command(cx.db, &[command, name, decimal(&mut [0; 20], false, popped as u64)]);
        cx.effects.dirty += (popped as u64).saturating_sub(1);
        return;
    }
    cx.reply.null_array();
}

/// Takes an element from one list and puts it into another, or the same.
fn transfer(ks: &mut Keyspace, args: Args<'_>, from: Side, to: Side, cx: &mut Context<'_, '_>) {
    let Ok((source, place)) = write(ks, args, cx) else { return };
    if place.is_none() {
        return cx.reply.null();
    }
    let target = ks.key(cx.db, args.at(2));
    let Ok(there) = ks.find_kind(&target, Kind::List, cx) else { return };
    // The look at the target may have deleted it, as expired, and moved the source.
    let Some(place) = ks.find(&source, cx, Access::Write) else { return cx.reply.null() };
    let Some(held) = ks.list_at(&source, place).iter(from).next().map(Element::hold) else {
        // Not reached: no list is empty.
        return cx.reply.null();
    };
    let pushed = if to == Side::Left { "lpush" } else { "rpush" };
    if source.bytes == target.bytes {
        ks.edit_list(&source, Some(place), cx, |list| {
            list.pop(from, 1);
            list.push(to, &[held.element()]);
            list.settle();
        });
        cx.effects.notify(Classes::LIST, pushed, target.db, target.bytes);
    } else {
        ks.edit_list(&target, there, cx, |list| list.push(to, &[held.element()]));
        cx.effects.notify(Classes::LIST, pushed, target.db, target.bytes);
        // A new key may have moved the source.
        if let Some(place) = ks.find(&source, cx, Access::Write) {
            ks.edit_list(&source, Some(place), cx, |list| {
                list.pop(from, 1);
                list.settle();
            });
        }
    }
    ks.tell_removal(Classes::LIST, pop_event(from), &source, cx);
    held.element().reply(cx.reply);
    cx.effects.itself();
}

pub(super) fn rpoplpush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    transfer(ks, args, Side::Right, Side::Left, cx);
}

pub(super) fn lmove(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match (side(args, 3), side(args, 4)) {
        (Some(from), Some(to)) => transfer(ks, args, from, to, cx),
        _ => cx.reply.error(SYNTAX),
    }
}
