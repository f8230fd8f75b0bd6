//! Intersections, unions and differences of sets.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::hashed::{HashKey, compare};
use super::super::limits::SetLimit;
use super::super::pack::{Shape, Text as _};
use super::super::record::Kind;
use super::super::set::{Built, Member, SetRef, natural};
use super::super::store::{Access, Answered};
use super::{SYNTAX, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Inter,
    Union,
    Diff,
}

impl Op {
    /// The event of the command that stores the result.
    fn event(self) -> &'static str {
        match self {
            Self::Inter => "sinterstore",
            Self::Union => "sunionstore",
            Self::Diff => "sdiffstore",
        }
    }
}

/// The sets of these arguments, `None` where there is no such key.
fn gather<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    keys: core::ops::Range<usize>,
    cx: &mut Context<'_, '_>,
) -> Result<Vec<Option<SetRef<'k>>>, Answered> {
    let mut there = Vec::with_capacity(keys.len());
    for i in keys.clone() {
        let key = ks.key(cx.db, args.at(i));
        let place = ks.find(&key, cx, Access::Read);
        if place.is_some_and(|place| ks.slot(&key, place).kind() != Kind::Set) {
            cx.reply.error(WRONG_TYPE);
            return Err(Answered);
        }
        there.push(place.is_some());
    }
    // Those that have expired are gone by now, or hidden.
    let ks = &*ks;
    Ok(keys
        .zip(there)
        .map(|(i, there)| if there { ks.peek(&ks.key(cx.db, args.at(i))).and_then(Slot::set) } else { None })
        .collect())
}

/// Shows the members that all sets have, at most `limit`, to `f`.
fn intersect<'a>(key: HashKey, sets: &[Option<SetRef<'a>>], limit: usize, f: impl FnMut(Member<'a>)) {
    let mut sets: Vec<SetRef<'a>> = sets.iter().map(|set| set.unwrap_or(SetRef::EMPTY)).collect();
    sets.sort_by_cached_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    smallest.members().filter(|&member| others.iter().all(|set| set.has(key, member))).take(limit).for_each(f);
}

/// The members of all sets in the order of their positions, each once.
fn united<'a>(key: HashKey, sets: impl Iterator<Item = SetRef<'a>>) -> Vec<(u64, Member<'a>)> {
    let mut all: Vec<_> = sets.flat_map(SetRef::members).map(|member| (member.position(key), member)).collect();
    all.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| compare(x.name, y.name)));
    all.dedup_by(|(a, x), (b, y)| a == b && x.name == y.name);
    all
}

/// The members of the first set that no other has, and the encoding that Redis gives them.
fn differ<'a>(key: HashKey, limit: SetLimit, sets: &[Option<SetRef<'a>>], same: bool) -> Built<'a> {
    let mut built = Built { members: Vec::new(), shape: Shape::Ints };
    let Some((Some(first), others)) = sets.split_first() else { return built };
    if same {
        return built;
    }
    let mut others: Vec<(usize, SetRef<'a>)> = others.iter().flatten().map(|&set| (set.len(), set)).collect();
    let len = first.len();
    // Either each member of the first set is looked up in all others, or the members of those are taken away from it:
    // Redis's choice, for the encoding depends on it.
    let lookups = len.saturating_mul(others.len() + 1) / 2;
    let removals = others.iter().fold(len, |sum, (len, _)| sum.saturating_add(*len));
    if lookups <= removals {
        // Large ones first: they are more likely to have it.
        others.sort_by_key(|(len, _)| Reverse(*len));
        built.members = first.members().filter(|&member| !others.iter().any(|(_, set)| set.has(key, member))).collect();
        built.shape = natural(built.members.iter().copied(), limit);
        return built;
    }
    built.shape = natural(first.members(), limit);
    let mut gone = united(key, others.into_iter().map(|(_, set)| set)).into_iter().peekable();
    for (at, member) in united(key, core::iter::once(*first)) {
        let before =
            |(other, name): &(u64, Member<'a>)| other.cmp(&at).then_with(|| compare(name.name, member.name)).is_lt();
        while gone.next_if(before).is_some() {}
        if gone.peek().is_none_or(|(other, name)| *other != at || name.name != member.name) {
            built.members.push(member);
        }
    }
    built
}

/// The result of an operation on the sets of these arguments.
fn compute<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    from: usize,
    op: Op,
    cx: &mut Context<'_, '_>,
) -> Result<Built<'k>, Answered> {
    let (key, limit) = (ks.hash_key, ks.limits.set);
    let sets = gather(ks, args, from..args.len(), cx)?;
    let mut members = Vec::new();
    match op {
        Op::Diff => {
            let same = (from + 1..args.len()).any(|i| args.at(i) == args.at(from));
            return Ok(differ(key, limit, &sets, same));
        }
        Op::Inter => intersect(key, &sets, usize::MAX, |member| members.push(member)),
        Op::Union => {
            members = united(key, sets.into_iter().flatten()).into_iter().map(|(_, member)| member).collect();
        }
    }
    let shape = natural(members.iter().copied(), limit);
    Ok(Built { members, shape })
}

fn answer(ks: &mut Keyspace, args: Args<'_>, op: Op, cx: &mut Context<'_, '_>) {
    let Ok(built) = compute(ks, args, 1, op, cx) else { return };
    cx.reply.set(built.members.len());
    built.members.into_iter().for_each(|member| member.name.reply(cx.reply));
}

fn store(ks: &mut Keyspace, args: Args<'_>, op: Op, cx: &mut Context<'_, '_>) {
    let (hash_key, limit) = (ks.hash_key, ks.limits.set);
    let slot = {
        let Ok(built) = compute(ks, args, 2, op, cx) else { return };
        cx.reply.int(built.members.len() as i64);
        (!built.members.is_empty()).then(|| built.into_slot(hash_key, limit, args.at(1)))
    };
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    match (slot, place) {
        (Some(slot), _) => {
            ks.replace(&key, place, slot, cx);
            cx.effects.notify(Classes::SET, op.event(), key.db, key.bytes);
        }
        (None, Some(place)) => {
            ks.remove(&key, place, cx);
            cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
        }
        (None, None) => return,
    }
    cx.effects.itself();
}

pub(super) fn sinter(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    answer(ks, args, Op::Inter, cx);
}

pub(super) fn sunion(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    answer(ks, args, Op::Union, cx);
}

pub(super) fn sdiff(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    answer(ks, args, Op::Diff, cx);
}

pub(super) fn sinterstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    store(ks, args, Op::Inter, cx);
}

pub(super) fn sunionstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    store(ks, args, Op::Union, cx);
}

pub(super) fn sdiffstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    store(ks, args, Op::Diff, cx);
}

pub(super) fn sintercard(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(keys) = parse_i64(args.at(1)).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0) else {
        return cx.reply.error("ERR numkeys should be greater than 0");
    };
    if keys > args.len() - 2 {
        return cx.reply.error("ERR Number of keys can't be greater than number of args");
    }
    let mut limit = usize::MAX;
    let mut i = 2 + keys;
    while i < args.len() {
        if !args.is(i, "LIMIT") || i + 1 >= args.len() {
            return cx.reply.error(SYNTAX);
        }
        let Some(n) = parse_i64(args.at(i + 1)).and_then(|n| usize::try_from(n).ok()) else {
            return cx.reply.error("ERR LIMIT can't be negative");
        };
        limit = if n == 0 { usize::MAX } else { n };
        i += 2;
    }
    let key = ks.hash_key;
    let Ok(sets) = gather(ks, args, 2..2 + keys, cx) else { return };
    let mut count = 0;
    intersect(key, &sets, limit, |_| count += 1);
    cx.reply.int(count);
}
