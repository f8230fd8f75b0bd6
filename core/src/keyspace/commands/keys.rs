//! Keys as such, whatever they hold.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, is_past};
use super::options::range_error;
use super::{NO_SUCH_KEY, NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context, Origin};
use crate::resp::{Args, parse_i64};

const SAME: &str = "ERR source and destination objects are the same";

pub(super) fn del(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let mut deleted: u64 = 0;
    for name in args.iter().skip(1) {
        let key = ks.key(cx.db, name);
        if ks.delete(&key, cx) {
            cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
            deleted += 1;
        }
    }
    if deleted > 0 {
        cx.effects.itself();
        cx.effects.dirty += deleted - 1;
    }
    cx.reply.int(deleted as i64);
}

/// Answers how many of the keys are there.
fn count(ks: &mut Keyspace, args: Args<'_>, access: Access, cx: &mut Context<'_, '_>) {
    let mut there = 0;
    for name in args.iter().skip(1) {
        let key = ks.key(cx.db, name);
        there += i64::from(ks.find(&key, cx, access).is_some());
    }
    cx.reply.int(there);
}

pub(super) fn exists(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    count(ks, args, Access::Look, cx);
}

pub(super) fn touch(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    // It is an access even of a client that asked for its own not to count.
    cx.touch = true;
    count(ks, args, Access::Read, cx);
}

pub(super) fn kind(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let name = ks.look(&key, cx).map_or("none".into(), Slot::type_name);
    cx.reply.simple(&name);
}

/// Gives a key another name, over a key of that name if `over`; the answer to RENAMENX, `None` if there is no such key.
fn rename_to(ks: &mut Keyspace, args: Args<'_>, over: bool, cx: &mut Context<'_, '_>) -> Option<bool> {
    let (from, to) = (ks.key(cx.db, args.at(1)), ks.key(cx.db, args.at(2)));
    ks.find(&from, cx, Access::Write)?;
    if from.bytes == to.bytes {
        return Some(over);
    }
    if let Some(there) = ks.find(&to, cx, Access::Write) {
        if !over {
            return Some(false);
        }
        ks.remove(&to, there, cx);
    }
    // Looked up again: a removal may move entries of the same bucket.
    let place = ks.find(&from, cx, Access::Write)?;
    let stamp = ks.stamp(&from, place);
    let slot = ks.take(&from, place, cx).rename(to.bytes);
    ks.insert(&to, slot, cx);
    ks.set_stamp(&to, stamp);
    cx.effects.notify(Classes::GENERIC, "rename_from", from.db, from.bytes);
    cx.effects.notify(Classes::GENERIC, "rename_to", to.db, to.bytes);
    cx.effects.itself();
    Some(true)
}

pub(super) fn rename(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match rename_to(ks, args, true, cx) {
        Some(_) => cx.reply.ok(),
        None => cx.reply.error(NO_SUCH_KEY),
    }
}

pub(super) fn renamenx(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match rename_to(ks, args, false, cx) {
        Some(done) => cx.reply.int(i64::from(done)),
        None => cx.reply.error(NO_SUCH_KEY),
    }
}

/// The database that argument `i` names; an error has been answered if it is `None`.
fn database(ks: &Keyspace, args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<u32> {
    let Some(n) = parse_i64(args.at(i)) else {
        cx.reply.error(NOT_AN_INTEGER);
        return None;
    };
    let (low, high) = (i64::from(i32::MIN), i64::from(i32::MAX));
    if !(low..=high).contains(&n) {
        range_error(low, high, cx);
        return None;
    }
    let db = u32::try_from(n).ok().filter(|&db| (db as usize) < ks.dbs.len());
    if db.is_none() {
        cx.reply.error("ERR DB index is out of range");
    }
    db
}

pub(super) fn copy(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (mut db, mut replace) = (cx.db, false);
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "REPLACE") {
            replace = true;
        } else if args.is(i, "DB") && i + 1 < args.len() {
            let Some(chosen) = database(ks, args, i + 1, cx) else { return };
            db = chosen;
            i += 1;
        } else {
            return cx.reply.error(SYNTAX);
        }
        i += 1;
    }
    let (from, to) = (ks.key(cx.db, args.at(1)), ks.key(db, args.at(2)));
    if from.db == to.db && from.bytes == to.bytes {
        return cx.reply.error(SAME);
    }
    let Some(place) = ks.find(&from, cx, Access::Read) else { return cx.reply.int(0) };
    let slot = ks.slot(&from, place);
    let copy = slot.copy_as(to.bytes, slot.expiry());
    if let Some(there) = ks.find(&to, cx, Access::Write) {
        if !replace {
            return cx.reply.int(0);
        }
        ks.remove(&to, there, cx);
    }
    ks.insert(&to, copy, cx);
    cx.effects.notify(Classes::GENERIC, "copy_to", to.db, to.bytes);
    cx.reply.int(1);
    cx.effects.itself();
}

pub(super) fn relocate(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(db) = database(ks, args, 2, cx) else { return };
    if db == cx.db {
        return cx.reply.error(SAME);
    }
    let from = ks.key(cx.db, args.at(1));
    let to = from.in_db(db);
    if ks.find(&from, cx, Access::Write).is_none() || ks.find(&to, cx, Access::Write).is_some() {
        return cx.reply.int(0);
    }
    if let Some(place) = ks.find(&from, cx, Access::Write) {
        let stamp = ks.stamp(&from, place);
        let slot = ks.take(&from, place, cx);
        ks.insert(&to, slot, cx);
        ks.set_stamp(&to, stamp);
        cx.effects.notify(Classes::GENERIC, "move_from", from.db, from.bytes);
        cx.effects.notify(Classes::GENERIC, "move_to", to.db, to.bytes);
        cx.effects.itself();
    }
    cx.reply.int(1);
}

pub(super) fn randomkey(ks: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    // On a replica expired keys stay until their master deletes them: if there seem to be no others, one is named.
    const TRIES: usize = 100;
    for tried in 1.. {
        let rng = &mut *cx.rng;
        let Some(place) = ks.table(cx.db).random(|below| rng.below(below)) else { break };
        let slot = ks.table(cx.db).slot(place);
        let expired = slot.expiry().is_some_and(|at| is_past(at, cx.now.unix_ms)) && cx.origin != Origin::Upstream;
        if !expired || (!cx.may_expire && tried >= TRIES) {
            return cx.reply.bulk(slot.key());
        }
        if cx.may_expire {
            let name = slot.key().to_vec();
            let key = ks.key(cx.db, &name);
            ks.find(&key, cx, Access::Write);
        }
    }
    cx.reply.null();
}

pub(super) fn dbsize(ks: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.int(ks.table(cx.db).len() as i64);
}
