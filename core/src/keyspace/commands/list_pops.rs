//! Lists: elements taken out at an end, and put into another list.

use super::super::Keyspace;
use super::super::list::{Element, Side};
use super::super::record::Kind;
use super::super::store::{Access, Key};
use super::super::table::Place;
use super::SYNTAX;
use super::lists::write;
use super::waits::{timeout, wait_for};
use crate::dataset::{Classes, Context, WaitFor};
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

/// What LMPOP and BLMPOP say: the names of the lists, an end, how many elements.
struct Many<'a> {
    keys: Args<'a>,
    side: Side,
    count: u64,
}

/// Reads it from argument `at` on, where the number of keys stands; an error's text if it is none.
fn parse_many(args: Args<'_>, at: usize) -> Result<Many<'_>, &'static str> {
    let positive = |i: usize| parse_i64(args.at(i)).and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
    let keys = positive(at).ok_or("ERR numkeys should be greater than 0")?;
    let end = usize::try_from(keys).ok().and_then(|n| n.checked_add(at + 1)).filter(|&end| end < args.len());
    let (end, side) = end.and_then(|end| Some((end, side(args, end)?))).ok_or(SYNTAX)?;
    let count = match args.len() - end {
        1 => 1,
        3 if args.is(end + 1, "count") => positive(end + 2).ok_or("ERR count should be greater than 0")?,
        _ => return Err(SYNTAX),
    };
    Ok(Many { keys: args.from(at + 1).to(end - at - 1), side, count })
}

/// Takes elements from the first of several lists that is there; whether an answer was given.
fn pop_first(ks: &mut Keyspace, many: &Many<'_>, cx: &mut Context<'_, '_>) -> bool {
    for name in many.keys.iter() {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::List, cx) else { return true };
        let Some(place) = place else { continue };
        cx.reply.array(2);
        cx.reply.bulk(name);
        let popped = pop_many(ks, &key, place, many.side, many.count, cx);
        cx.effects.command(cx.db, &[pop_name(many.side), name, decimal(&mut [0; 20], false, popped as u64)]);
        cx.effects.dirty += (popped as u64).saturating_sub(1);
        return true;
    }
    false
}

fn pop_name(side: Side) -> &'static [u8] {
    if side == Side::Left { b"LPOP" } else { b"RPOP" }
}

pub(super) fn lmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match parse_many(args, 1) {
        Err(text) => cx.reply.error(text),
        Ok(many) if pop_first(ks, &many, cx) => {}
        Ok(_) => cx.reply.null_array(),
    }
}

pub(super) fn blmpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let many = match parse_many(args, 2) {
        Ok(many) => many,
        Err(text) => return cx.reply.error(text),
    };
    let Some(timeout_ms) = timeout(args.at(1), cx) else { return };
    if !pop_first(ks, &many, cx) {
        wait_for(WaitFor::List, many.keys, timeout_ms, cx);
    }
}

fn blocking_pop(ks: &mut Keyspace, args: Args<'_>, side: Side, cx: &mut Context<'_, '_>) {
    let last = args.len() - 1;
    let Some(timeout_ms) = timeout(args.at(last), cx) else { return };
    let keys = args.from(1).to(last - 1);
    for name in keys.iter() {
        let key = ks.key(cx.db, name);
        let Ok(place) = ks.find_kind(&key, Kind::List, cx) else { return };
        let Some(place) = place else { continue };
        cx.reply.array(2);
        cx.reply.bulk(name);
        if let Some(element) = ks.list_at(&key, place).iter(side).next() {
            element.reply(cx.reply);
        }
        ks.edit_list(&key, Some(place), cx, |list| {
            list.pop(side, 1);
            list.settle();
        });
        ks.tell_removal(Classes::LIST, pop_event(side), &key, cx);
        return cx.effects.command(cx.db, &[pop_name(side), name]);
    }
    wait_for(WaitFor::List, keys, timeout_ms, cx);
}

pub(super) fn blpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    blocking_pop(ks, args, Side::Left, cx);
}

pub(super) fn brpop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    blocking_pop(ks, args, Side::Right, cx);
}

/// What came of a move from one list to another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// An element moved, and it was answered.
    Yes,
    /// There is nothing to move, and nothing was answered.
    Nothing,
    /// An error was answered.
    Refused,
}

/// Takes an element from the list in argument 1 and puts it into the one in argument 2, or the same.
fn transfer(ks: &mut Keyspace, args: Args<'_>, from: Side, to: Side, cx: &mut Context<'_, '_>) -> Moved {
    let Ok((source, place)) = write(ks, args, cx) else { return Moved::Refused };
    if place.is_none() {
        return Moved::Nothing;
    }
    let target = ks.key(cx.db, args.at(2));
    let Ok(there) = ks.find_kind(&target, Kind::List, cx) else { return Moved::Refused };
    // The look at the target may have deleted it, as expired, and moved the source.
    let Some(place) = ks.find(&source, cx, Access::Write) else { return Moved::Nothing };
    let Some(held) = ks.list_at(&source, place).iter(from).next().map(Element::hold) else {
        // Not reached: no list is empty.
        return Moved::Nothing;
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
    Moved::Yes
}

/// A move that does not wait: repeated as it came.
fn transfer_now(ks: &mut Keyspace, args: Args<'_>, from: Side, to: Side, cx: &mut Context<'_, '_>) {
    match transfer(ks, args, from, to, cx) {
        Moved::Yes => cx.effects.itself(),
        Moved::Nothing => cx.reply.null(),
        Moved::Refused => {}
    }
}

/// A move that waits for an element; repeated as the command that does not wait.
fn transfer_late(
    ks: &mut Keyspace,
    args: Args<'_>,
    (from, to): (Side, Side),
    timeout_ms: u64,
    cx: &mut Context<'_, '_>,
    effect: &[&[u8]],
) {
    match transfer(ks, args, from, to, cx) {
        Moved::Yes => cx.effects.command(cx.db, effect),
        Moved::Nothing if cx.wait.is_none() => cx.reply.null(),
        Moved::Nothing => wait_for(WaitFor::List, args.from(1).to(1), timeout_ms, cx),
        Moved::Refused => {}
    }
}

pub(super) fn rpoplpush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    transfer_now(ks, args, Side::Right, Side::Left, cx);
}

pub(super) fn lmove(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match (side(args, 3), side(args, 4)) {
        (Some(from), Some(to)) => transfer_now(ks, args, from, to, cx),
        _ => cx.reply.error(SYNTAX),
    }
}

pub(super) fn brpoplpush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(timeout_ms) = timeout(args.at(3), cx) else { return };
    let effect: [&[u8]; 3] = [b"RPOPLPUSH", args.at(1), args.at(2)];
    transfer_late(ks, args, (Side::Right, Side::Left), timeout_ms, cx, &effect);
}

pub(super) fn blmove(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (Some(from), Some(to)) = (side(args, 3), side(args, 4)) else { return cx.reply.error(SYNTAX) };
    let Some(timeout_ms) = timeout(args.at(5), cx) else { return };
    let effect: [&[u8]; 5] = [b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)];
    transfer_late(ks, args, (from, to), timeout_ms, cx, &effect);
}
