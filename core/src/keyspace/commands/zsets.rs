//! Sorted sets: members and scores written and read.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::pack::Text as _;
use super::super::record::Kind;
use super::super::score::{self, NOT_A_FLOAT};
use super::super::store::{Answered, Key};
use super::super::table::Place;
use super::super::zset::ZsetRef;
use super::SYNTAX;
use crate::dataset::{Classes, Context};
use crate::rdb::Scalar;
use crate::resp::{Args, Proto};

/// The sorted set of the key in argument `at` for a reader, if there is such a key.
pub(super) fn read<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    at: usize,
    cx: &mut Context<'_, '_>,
) -> Result<Option<ZsetRef<'k>>, Answered> {
    let key = ks.key(cx.db, args.at(at));
    ks.read_as(&key, cx, Slot::zset)
}

/// The key in argument 1 for a writer of a sorted set, and where it is.
pub(super) fn write<'a>(
    ks: &mut Keyspace,
    args: Args<'a>,
    cx: &mut Context<'_, '_>,
) -> Result<(Key<'a>, Option<Place>), Answered> {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find_kind(&key, Kind::Zset, cx)?;
    Ok((key, place))
}

/// Answers `n` members, with their scores if `scores`: as pairs in RESP3, one behind the other in RESP2.
pub(super) fn reply_pairs<'a>(
    pairs: impl Iterator<Item = (Scalar<'a>, f64)>,
    n: usize,
    scores: bool,
    cx: &mut Context<'_, '_>,
) {
    let nested = scores && cx.reply.proto() == Proto::Resp3;
    cx.reply.array(if scores && !nested { n * 2 } else { n });
    for (member, score) in pairs {
        if nested {
            cx.reply.array(2);
        }
        member.reply(cx.reply);
        if scores {
            cx.reply.double(score);
        }
    }
}

/// What `ZADD` is told beside members and scores.
#[derive(Clone, Copy, Default, Debug)]
struct Rules {
    /// `NX`: only new members.
    absent: bool,
    /// `XX`: only members that are there.
    present: bool,
    /// `GT`: members that are there only upwards.
    greater: bool,
    /// `LT`: and only downwards.
    less: bool,
    /// `CH`: answer how many have changed, not how many are new.
    changed: bool,
    /// `INCR`: add to the score, and answer the sum.
    incr: bool,
}

/// What comes of one member.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    /// The rules forbid it.
    Forbidden,
    /// It has this score already.
    Same(f64),
    /// It gets this score.
    Set(f64),
}

impl Rules {
    /// Reads options from argument 2 on; and where the first score stands.
    fn parse(args: Args<'_>) -> (Self, usize) {
        let mut rules = Self::default();
        let mut i = 2;
        loop {
            let rule = match i {
                _ if args.is(i, "NX") => &mut rules.absent,
                _ if args.is(i, "XX") => &mut rules.present,
                _ if args.is(i, "GT") => &mut rules.greater,
                _ if args.is(i, "LT") => &mut rules.less,
                _ if args.is(i, "CH") => &mut rules.changed,
                _ if args.is(i, "INCR") => &mut rules.incr,
                _ => return (rules, i),
            };
            *rule = true;
            i += 1;
        }
    }

    /// What forbids these rules for so many words of scores and members.
    fn check(self, words: usize) -> Result<(), &'static str> {
        if words == 0 || !words.is_multiple_of(2) {
            return Err(SYNTAX);
        }
        if self.absent && self.present {
            return Err("ERR XX and NX options at the same time are not compatible");
        }
        if (self.greater && self.less) || (self.absent && (self.greater || self.less)) {
            return Err("ERR GT, LT, and/or NX options at the same time are not compatible");
        }
        if self.incr && words > 2 {
            return Err("ERR INCR option supports a single increment-element pair");
        }
        Ok(())
    }

    /// What comes of a member that has the score `old`, if it is there.
    fn decide(self, old: Option<f64>, given: f64) -> Result<Step, &'static str> {
        let Some(old) = old else {
            return Ok(if self.present { Step::Forbidden } else { Step::Set(given) });
        };
        if self.absent {
            return Ok(Step::Forbidden);
        }
        let new = if self.incr { old + given } else { given };
        if new.is_nan() {
            return Err("ERR resulting score is not a number (NaN)");
        }
        Ok(if (self.less && new >= old) || (self.greater && new <= old) {
            Step::Forbidden
        } else if score::compare(new, old).is_eq() {
            Step::Same(new)
        } else {
            Step::Set(new)
        })
    }
}

/// The scores among arguments `from`, `from + 2` …
fn scores(args: Args<'_>, from: usize) -> Option<Vec<f64>> {
    args.iter().skip(from).step_by(2).map(score::parse).collect()
}

pub(super) fn zadd(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (rules, from) = Rules::parse(args);
    add(ks, args, rules, from, cx);
}

pub(super) fn zincrby(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    add(ks, args, Rules { incr: true, ..Rules::default() }, 2, cx);
}

fn add(ks: &mut Keyspace, args: Args<'_>, rules: Rules, from: usize, cx: &mut Context<'_, '_>) {
    if let Err(text) = rules.check(args.len() - from) {
        return cx.reply.error(text);
    }
    let Some(scores) = scores(args, from) else { return cx.reply.error(NOT_A_FLOAT) };
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let members = || args.iter().skip(from + 1).step_by(2).zip(scores.iter().copied());
    let hash_key = ks.hash_key;
    let there = place.map(|place| ks.zset_at(&key, place));
    // A bucket is handed over to a snapshot, and watchers hear of it, only if something changes. As long as nothing does,
    // what was there before decides.
    let mut any = false;
    for (member, given) in members() {
        let step = match rules.decide(there.and_then(|zset| zset.score(hash_key, member)), given) {
            Ok(step) => step,
            Err(text) => return cx.reply.error(text),
        };
        match step {
            Step::Forbidden if rules.incr => cx.reply.null(),
            Step::Same(score) | Step::Set(score) if rules.incr => cx.reply.double(score),
            _ => {}
        }
        any = matches!(step, Step::Set(_));
        if any {
            break;
        }
    }
    let (mut added, mut updated) = (0u64, 0u64);
    if any {
        ks.edit_zset(&key, place, cx, |zset| {
            if place.is_none() {
                zset.announce(scores.len(), members().map(|(member, _)| member.len()).max().unwrap_or(0));
            }
            for (member, given) in members() {
                if let Ok(Step::Set(score)) = rules.decide(zset.view().score(hash_key, member), given) {
                    match zset.put(member, score) {
                        None => added += 1,
                        Some(_) => updated += 1,
                    }
                }
            }
        });
        cx.effects.notify(Classes::ZSET, if rules.incr { "zincr" } else { "zadd" }, key.db, key.bytes);
        cx.effects.itself();
        cx.effects.dirty += (added + updated).saturating_sub(1);
    }
    if !rules.incr {
        cx.reply.int(if rules.changed { added + updated } else { added } as i64);
    }
}

pub(super) fn zrem(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let zset = ks.zset_at(&key, place);
    // As in `add`.
    if !args.iter().skip(2).any(|member| zset.score(ks.hash_key, member).is_some()) {
        return cx.reply.int(0);
    }
    let removed =
        ks.edit_zset(&key, Some(place), cx, |zset| args.iter().skip(2).filter(|member| zset.remove(member)).count());
    ks.tell_removal(Classes::ZSET, "zrem", &key, cx);
    cx.effects.itself();
    cx.effects.dirty += (removed as u64).saturating_sub(1);
    cx.reply.int(removed as i64);
}

pub(super) fn zcard(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    cx.reply.int(zset.map_or(0, ZsetRef::len) as i64);
}

fn answer(score: Option<f64>, cx: &mut Context<'_, '_>) {
    match score {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
}

pub(super) fn zscore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    answer(zset.and_then(|zset| zset.score(hash_key, args.at(2))), cx);
}

pub(super) fn zmscore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    cx.reply.array(args.len() - 2);
    for member in args.iter().skip(2) {
        answer(zset.and_then(|zset| zset.score(hash_key, member)), cx);
    }
}

pub(super) fn zrank(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    rank(ks, args, "zrank", cx);
}

pub(super) fn zrevrank(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    rank(ks, args, "zrevrank", cx);
}

fn rank(ks: &mut Keyspace, args: Args<'_>, name: &str, cx: &mut Context<'_, '_>) {
    if args.len() > 4 {
        return cx.reply.error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
    }
    let scored = args.len() == 4;
    if scored && !args.is(3, "WITHSCORE") {
        return cx.reply.error(SYNTAX);
    }
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(hash_key, args.at(2))?;
        Some((if name == "zrevrank" { zset.len() - 1 - rank } else { rank }, score))
    });
    match found {
        None if scored => cx.reply.null_array(),
        None => cx.reply.null(),
        Some((rank, score)) => {
            if scored {
                cx.reply.array(2);
            }
            cx.reply.int(rank as i64);
            if scored {
                cx.reply.double(score);
            }
        }
    }
}
