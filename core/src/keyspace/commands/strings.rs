//! Whole strings.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, Key};
use super::super::string::{Form, New};
use super::super::table::Place;
use super::options::{self, For, Options, Time};
use super::{SYNTAX, WRONG_TYPE, compare::flat, options::expiry};
use crate::dataset::{Classes, Context};
use crate::mutations::{Mutation, on};
use crate::resp::{Args, decimal_i64, parse_i64};

/// The value in argument `i`.
pub(super) fn value(args: Args<'_>, i: usize) -> New<'_> {
    match args.pieces(i) {
        Some(pieces) => New::Pieces(pieces),
        None => New::Flat(args.at(i)),
    }
}

/// Answers the string of an entry, or its absence; `false`: it is no string.
#[inline]
fn answer(slot: Option<&Slot>, cx: &mut Context<'_, '_>) -> bool {
    match slot.map(Slot::string) {
        None => cx.reply.null(),
        Some(Some(text)) => text.reply(cx.reply),
        Some(None) => {
            cx.reply.error(WRONG_TYPE);
            return false;
        }
    }
    true
}

pub(super) fn get(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let name = if on(Mutation::ReadsOtherKey) { b"s0" } else { args.at(1) };
    let key = ks.key(cx.db, name);
    let slot = ks.read(&key, cx);
    answer(slot, cx);
}

pub(super) fn mget(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.array(args.len() - 1);
    for name in args.iter().skip(1) {
        let key = ks.key(cx.db, name);
        match ks.read(&key, cx).and_then(Slot::string) {
            Some(text) => text.reply(cx.reply),
            None => cx.reply.null(),
        }
    }
}

pub(super) fn set(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    if args.len() == 3 {
        let place = ks.find(&key, cx, Access::Write);
        ks.put(&key, place, value(args, 2), None, Form::Auto, cx);
        tell_set(&key, false, cx);
        cx.reply.ok();
        return cx.effects.itself();
    }
    let options = match options::parse(args, 3, For::Set) {
        Ok(options) => options,
        Err(text) => return cx.reply.error(text),
    };
    let at = match options.expiry {
        Some((unit, i)) => match expiry(args, unit, i, "set", cx) {
            Some(at) => Some(at),
            None => return,
        },
        None => None,
    };
    set_with(ks, args, &key, options, at, cx);
}

fn set_with(ks: &mut Keyspace, args: Args<'_>, key: &Key<'_>, o: Options, at: Option<i64>, cx: &mut Context<'_, '_>) {
    let place = ks.find(key, cx, if o.get { Access::Read } else { Access::Write });
    let slot = place.map(|p| ks.slot(key, p));
    let compares = match o.compare.map_or(Ok(true), |compare| compare.holds(args, slot, cx.origin)) {
        Ok(compares) => compares,
        Err(text) => return cx.reply.error(text),
    };
    if o.get && !answer(slot, cx) {
        return;
    }
    if (o.absent && place.is_some()) || (o.present && place.is_none()) || !compares {
        if !o.get {
            cx.reply.null();
        }
        return;
    }
    // On a writable replica an expired key that was only read is still there, and has to make room.
    let place = if o.get && place.is_none() { ks.find(key, cx, Access::Write) } else { place };
    let kept = if o.keep { place.and_then(|p| ks.slot(key, p).expiry()) } else { None };
    ks.put(key, place, value(args, 2), at.or(kept), Form::Auto, cx);
    tell_set(key, at.is_some(), cx);
    if !o.get {
        cx.reply.ok();
    }
    match (o.expiry, at) {
        _ if o.compare.is_some() => propagate_unconditionally(args, key, at, o.keep, cx),
        (Some((unit, _)), Some(at)) if unit != Time::AtMillis || o.get => propagate_expiring(args, 2, key, at, cx),
        (None, _) if o.get => propagate_without_get(args, key, cx),
        _ => cx.effects.itself(),
    }
}

/// Tells that a key has got a string, and maybe an expiry.
#[inline]
fn tell_set(key: &Key<'_>, expires: bool, cx: &mut Context<'_, '_>) {
    cx.effects.notify(Classes::STRING, "set", key.db, key.bytes);
    if expires {
        cx.effects.notify(Classes::GENERIC, "expire", key.db, key.bytes);
    }
}

/// `SET key value PXAT ms`. A value in pieces is not put together for this: the command goes as it came, and the
/// absolute expiry follows it.
fn propagate_expiring(args: Args<'_>, i: usize, key: &Key<'_>, at: i64, cx: &mut Context<'_, '_>) {
    let mut buf = [0; 20];
    let at = decimal_i64(&mut buf, at);
    if args.pieces(i).is_some() {
        cx.effects.itself();
        cx.effects.command(key.db, &[b"PEXPIREAT", key.bytes, at]);
        cx.effects.dirty -= 1;
    } else {
        cx.effects.command(key.db, &[b"SET", key.bytes, args.at(i), b"PXAT", at]);
    }
}

/// `SET key value [PXAT ms | KEEPTTL]`: what was compared is no matter to replicas, and old ones do not know how.
fn propagate_unconditionally(args: Args<'_>, key: &Key<'_>, at: Option<i64>, keep: bool, cx: &mut Context<'_, '_>) {
    let (value, mut buf) = (flat(args, 2), [0; 20]);
    let mut words: Vec<&[u8]> = alloc::vec![b"SET", key.bytes, &value];
    match at {
        Some(at) => words.extend([b"PXAT", decimal_i64(&mut buf, at)]),
        None if keep => words.push(b"KEEPTTL"),
        None => {}
    }
    cx.effects.command(key.db, &words);
}

/// The command without its option `GET`; with a value in pieces, with it: replicas answer nothing anyway.
fn propagate_without_get(args: Args<'_>, key: &Key<'_>, cx: &mut Context<'_, '_>) {
    if args.has_pieces() {
        return cx.effects.itself();
    }
    let words: smallvec::SmallVec<[&[u8]; 8]> =
        (0..args.len()).filter(|&i| i < 3 || !args.is(i, "GET")).map(|i| args.at(i)).collect();
    cx.effects.command(key.db, &words);
}

pub(super) fn setnx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let fresh = ks.find(&key, cx, Access::Write).is_none();
    if fresh {
        ks.put(&key, None, value(args, 2), None, Form::Auto, cx);
        tell_set(&key, false, cx);
        cx.effects.itself();
    }
    cx.reply.int(i64::from(fresh));
}

pub(super) fn setex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    set_expiring(ks, args, Time::InSeconds, "setex", cx);
}

pub(super) fn psetex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    set_expiring(ks, args, Time::InMillis, "psetex", cx);
}

fn set_expiring(ks: &mut Keyspace, args: Args<'_>, unit: Time, name: &str, cx: &mut Context<'_, '_>) {
    let Some(at) = expiry(args, unit, 2, name, cx) else { return };
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    ks.put(&key, place, value(args, 3), Some(at), Form::Auto, cx);
    tell_set(&key, true, cx);
    cx.reply.ok();
    propagate_expiring(args, 3, &key, at, cx);
}

pub(super) fn getset(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let slot = ks.read(&key, cx);
    if !answer(slot, cx) {
        return;
    }
    let place = ks.find(&key, cx, Access::Write);
    ks.put(&key, place, value(args, 2), None, Form::Auto, cx);
    tell_set(&key, false, cx);
    if args.has_pieces() {
        cx.effects.itself();
    } else {
        cx.effects.command(key.db, &[b"SET", key.bytes, args.at(2)]);
    }
}

pub(super) fn getdel(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Read);
    if let (true, Some(place)) = (answer(place.map(|p| ks.slot(&key, p)), cx), place) {
        ks.remove(&key, place, cx);
        cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
        cx.effects.command(key.db, &[ks.words.deleted, key.bytes]);
    }
}

pub(super) fn getex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let options = match options::parse(args, 2, For::GetEx) {
        Ok(options) => options,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Read) else { return cx.reply.null() };
    if ks.slot(&key, place).string().is_none() {
        return cx.reply.error(WRONG_TYPE);
    }
    let at = match options.expiry {
        Some((unit, i)) => match expiry(args, unit, i, "getex", cx) {
            Some(at) => Some(at),
            None => return,
        },
        None => None,
    };
    answer(Some(ks.slot(&key, place)), cx);
    change_expiry(ks, &key, place, at, options.persist, cx);
}

fn change_expiry(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    at: Option<i64>,
    persist: bool,
    cx: &mut Context<'_, '_>,
) {
    let mut buf = [0; 20];
    match at {
        Some(at) if Keyspace::is_due(at, cx) => {
            ks.remove(key, place, cx);
            cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
            cx.effects.command(key.db, &[ks.words.expired, key.bytes]);
        }
        Some(at) => {
            ks.set_expiry(key, place, Some(at), cx);
            cx.effects.notify(Classes::GENERIC, "expire", key.db, key.bytes);
            cx.effects.command(key.db, &[b"PEXPIREAT", key.bytes, decimal_i64(&mut buf, at)]);
        }
        None if persist && ks.slot(key, place).expiry().is_some() => {
            ks.set_expiry(key, place, None, cx);
            cx.effects.notify(Classes::GENERIC, "persist", key.db, key.bytes);
            cx.effects.command(key.db, &[b"PERSIST", key.bytes]);
        }
        None => {}
    }
}

fn put_pairs(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    for i in (1..args.len()).step_by(2) {
        let key = ks.key(cx.db, args.at(i));
        let place = ks.find(&key, cx, Access::Write);
        ks.put(&key, place, New::Flat(args.at(i + 1)), None, Form::Auto, cx);
        tell_set(&key, false, cx);
    }
    cx.effects.itself();
    cx.effects.dirty += (args.len() / 2) as u64 - 1;
}

pub(super) fn mset(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len().is_multiple_of(2) {
        return cx.reply.error("ERR wrong number of arguments for 'mset' command");
    }
    put_pairs(ks, args, cx);
    cx.reply.ok();
}

pub(super) fn msetnx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len().is_multiple_of(2) {
        return cx.reply.error("ERR wrong number of arguments for 'msetnx' command");
    }
    for name in args.iter().skip(1).step_by(2) {
        let key = ks.key(cx.db, name);
        if ks.find(&key, cx, Access::Write).is_some() {
            return cx.reply.int(0);
        }
    }
    put_pairs(ks, args, cx);
    cx.reply.int(1);
}

const NUMKEYS: &str = "ERR invalid numkeys value or out of range";

/// Where the options of `MSETEX` begin, behind the pairs; the pairs are from argument 2 on.
fn behind_pairs(args: Args<'_>) -> Result<usize, &'static str> {
    let count = parse_i64(args.at(1)).and_then(|n| i32::try_from(n).ok()).filter(|&n| n > 0).ok_or(NUMKEYS)?;
    // An i32 doubled fits into 64 bits, and arguments are never so many on less.
    let end = usize::try_from(count).ok().and_then(|n| n.checked_mul(2)?.checked_add(2)).ok_or(NUMKEYS)?;
    if end <= args.len() { Ok(end) } else { Err(SYNTAX) }
}

/// `MSETEX numkeys key value … [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]` (Redis 8.4, Valkey 9.1, which say
/// the same).
pub(super) fn msetex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let parsed = behind_pairs(args).and_then(|end| Ok((end, options::parse(args, end, For::MSetEx)?)));
    let (end, o) = match parsed {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let at = match o.expiry {
        Some((unit, i)) => match expiry(args, unit, i, "msetex", cx) {
            Some(at) => Some(at),
            None => return,
        },
        None => None,
    };
    if o.absent || o.present {
        for i in (2..end).step_by(2) {
            let key = ks.key(cx.db, args.at(i));
            if ks.find(&key, cx, Access::Write).is_some() == o.absent {
                return cx.reply.int(0);
            }
        }
    }
    for i in (2..end).step_by(2) {
        let key = ks.key(cx.db, args.at(i));
        let place = ks.find(&key, cx, Access::Write);
        let kept = if o.keep { place.and_then(|p| ks.slot(&key, p).expiry()) } else { None };
        ks.put(&key, place, New::Flat(args.at(i + 1)), at.or(kept), Form::Auto, cx);
        tell_set(&key, at.is_some(), cx);
    }
    propagate_pairs(args.to(end), at, o.keep, cx);
    cx.reply.int(1);
}

/// `MSET`, or a `SET` for each pair if there is an expiry or one that stays: replicas before Redis 8.4 do not know MSETEX.
fn propagate_pairs(args: Args<'_>, at: Option<i64>, keep: bool, cx: &mut Context<'_, '_>) {
    let mut buf = [0; 20];
    let at = at.map(|at| decimal_i64(&mut buf, at));
    if at.is_none() && !keep {
        let words: Vec<&[u8]> = [&b"MSET"[..]].into_iter().chain(args.iter().skip(2)).collect();
        cx.effects.command(cx.db, &words);
        cx.effects.dirty += (args.len() / 2) as u64 - 2;
        return;
    }
    for i in (2..args.len()).step_by(2) {
        match at {
            Some(at) => cx.effects.command(cx.db, &[b"SET", args.at(i), args.at(i + 1), b"PXAT", at]),
            None => cx.effects.command(cx.db, &[b"SET", args.at(i), args.at(i + 1), b"KEEPTTL"]),
        }
    }
}
