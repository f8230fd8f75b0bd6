//! Sets in parts: SSCAN, and random members, read or taken out.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::pack::{Shape, Text as _};
use super::super::record::Kind;
use super::super::set::{SetEdit, SetRef};
use super::super::store::Key;
use super::super::table::Place;
use super::options::{range_error, sample};
use super::scan::{self, Over, cursor, wanted};
use super::sets::read;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

/// The most words of one `SREM` that tells replicas what `SPOP` took, as Redis has it.
const WORDS: usize = 1024;
/// `SPOP` that leaves fewer than one of so many that it takes makes a new set of those, as Redis does.
const REBUILT: usize = 5;

pub(super) fn sscan(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(from) = cursor(args.at(2)) else { return cx.reply.error("ERR invalid cursor") };
    let Ok(set) = read(ks, args, cx) else { return };
    let Some(set) = set else {
        // Without a key nobody looks at the options.
        return scan::answer(0, 0, cx);
    };
    let Some(wanted) = wanted(args, 3, Over::Members, cx) else { return };
    let mut found = Vec::new();
    let next = set.scan(from, wanted.count(), |member| {
        if wanted.shows(member.text(&mut [0; 20])) {
            found.push(member);
        }
    });
    scan::answer(next.unwrap_or(0), found.len(), cx);
    found.into_iter().for_each(|member| member.reply(cx.reply));
}

pub(super) fn srandmember(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() == 2 {
        let Ok(set) = read(ks, args, cx) else { return };
        let set = set.unwrap_or(SetRef::EMPTY);
        let at = cx.rng.below(set.len() as u64) as usize;
        return match set.members_from(at).next() {
            Some(member) => member.name.reply(cx.reply),
            None => cx.reply.null(),
        };
    }
    if args.len() > 3 {
        return cx.reply.error(SYNTAX);
    }
    let Some(count) = parse_i64(args.at(2)) else { return cx.reply.error(NOT_AN_INTEGER) };
    if count == i64::MIN {
        return range_error(-i64::MAX, i64::MAX, cx);
    }
    let Ok(set) = read(ks, args, cx) else { return };
    let set = set.unwrap_or(SetRef::EMPTY);
    let len = set.len();
    if usize::try_from(count).is_ok_and(|count| count >= len) {
        cx.reply.array(len);
        return set.members().for_each(|member| member.name.reply(cx.reply));
    }
    let Some(indices) = sample(len, count, cx) else { return };
    let chosen = set.chosen(&indices);
    cx.reply.array(chosen.len());
    chosen.into_iter().for_each(|member| member.reply(cx.reply));
}

pub(super) fn spop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() > 3 {
        return cx.reply.error(SYNTAX);
    }
    let count = match args.get(2) {
        None => None,
        Some(text) => match parse_i64(text).and_then(|count| usize::try_from(count).ok()) {
            Some(count) => Some(count),
            None => return cx.reply.error("ERR value is out of range, must be positive"),
        },
    };
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_kind(&key, Kind::Set, cx) else { return };
    match (place, count) {
        (None, None) => cx.reply.null(),
        (None, _) | (_, Some(0)) => cx.reply.set(0),
        (Some(place), None) => pop_one(ks, &key, place, cx),
        (Some(place), Some(count)) => pop_many(ks, &key, place, count, cx),
    }
}

fn pop_one(ks: &mut Keyspace, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) {
    let set = ks.set_at(key, place);
    let at = cx.rng.below(set.len() as u64) as usize;
    // A set that is there has members.
    let Some(member) = set.members_from(at).next() else { return cx.reply.null() };
    let member = member.name.text(&mut [0; 20]).to_vec();
    ks.edit_set(key, Some(place), cx, |set| set.remove(&member));
    ks.tell_removal(Classes::SET, "spop", key, cx);
    cx.reply.bulk(&member);
    cx.effects.command(key.db, &[b"SREM", key.bytes, &member]);
}

fn pop_many(ks: &mut Keyspace, key: &Key<'_>, place: Place, count: usize, cx: &mut Context<'_, '_>) {
    let set = ks.set_at(key, place);
    let len = set.len();
    if count >= len {
        cx.reply.set(len);
        set.members().for_each(|member| member.name.reply(cx.reply));
        ks.remove(key, place, cx);
        ks.tell_removal(Classes::SET, "spop", key, cx);
        cx.effects.command(key.db, &[b"DEL", key.bytes]);
        cx.effects.dirty += len as u64 - 1;
        return;
    }
    // Fewer than all: positive, and not beyond what a collection can hold.
    let Some(indices) = sample(len, count as i64, cx) else { return };
    let taken: Vec<Vec<u8>> =
        set.chosen(&indices).into_iter().map(|member| member.text(&mut [0; 20]).to_vec()).collect();
    cx.reply.set(taken.len());
    taken.iter().for_each(|member| cx.reply.bulk(member));
    if (len - count) * REBUILT <= count {
        keep_rest(ks, key, place, &indices, cx);
    } else {
        ks.edit_set(key, Some(place), cx, |set| taken.iter().for_each(|member| _ = set.remove(member)));
    }
    cx.effects.notify(Classes::SET, "spop", key.db, key.bytes);
    let before = cx.effects.dirty;
    for part in taken.chunks(WORDS - 2) {
        let words: Vec<&[u8]> = [&b"SREM"[..], key.bytes].into_iter().chain(part.iter().map(Vec::as_slice)).collect();
        cx.effects.command(key.db, &words);
    }
    cx.effects.dirty = before + count as u64;
}

/// Puts a new set in place of one, without the members at these indices, which ascend.
fn keep_rest(ks: &mut Keyspace, key: &Key<'_>, place: Place, taken: &[usize], cx: &mut Context<'_, '_>) {
    let slot = ks.slot(key, place);
    let ints = Shape::from_bits(slot.mark().form) == Shape::Ints;
    let mut rest = SetEdit::empty(ks.hash_key, ks.limits.set, if ints { Shape::Ints } else { Shape::Pack });
    let mut taken = taken.iter().copied().peekable();
    for (i, member) in ks.set_at(key, place).members().enumerate() {
        if taken.next_if_eq(&i).is_none() {
            rest.add(member.name.text(&mut [0; 20]));
        }
    }
    let rest = rest.into_slot(key.bytes, slot.expiry());
    ks.replace(key, Some(place), rest, cx);
}
