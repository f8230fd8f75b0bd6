//! Times to live of single fields of hashes (Redis since 7.4).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::hash::{FIELD_EXPIRY_MAX, HashRef};
use super::super::store::{Access, Key};
use super::super::table::Place;
use super::hashes::{read, write};
use super::options::Time;
use super::{NOT_AN_INTEGER, WRONG_TYPE};
use crate::dataset::{Classes, Context, Origin};
use crate::resp::{Args, decimal_i64, parse_i64};

const FIELDS_MISSING: &str = "ERR Mandatory argument FIELDS is missing or not at the right position";
const FIELDS_COUNT: &str = "ERR The `numfields` parameter must match the number of arguments";

pub(super) fn hexpire(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::InSeconds, "hexpire", cx);
}

pub(super) fn hpexpire(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::InMillis, "hpexpire", cx);
}

pub(super) fn hexpireat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::AtSeconds, "hexpireat", cx);
}

pub(super) fn hpexpireat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::AtMillis, "hpexpireat", cx);
}

/// What a field's expiry must be for a new one to be set; none at all counts as the latest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    None,
    Some,
    Later,
    Earlier,
}

impl Condition {
    fn parse(args: Args<'_>, i: usize) -> Self {
        match () {
            () if args.is(i, "NX") => Self::None,
            () if args.is(i, "XX") => Self::Some,
            () if args.is(i, "GT") => Self::Later,
            () if args.is(i, "LT") => Self::Earlier,
            () => Self::Always,
        }
    }

    fn allows(self, now: Option<u64>, at: u64) -> bool {
        match self {
            Self::Always => true,
            Self::None => now.is_none(),
            Self::Some => now.is_some(),
            Self::Later => now.is_some_and(|now| at > now),
            Self::Earlier => now.is_none_or(|now| at < now),
        }
    }
}

/// The index of the first field behind `FIELDS` at argument `i` and its count, which has to be right.
fn fields(args: Args<'_>, i: usize, not_positive: &'static str) -> Result<usize, &'static str> {
    if !args.is(i, "FIELDS") {
        return Err(FIELDS_MISSING);
    }
    let count = args.get(i + 1).and_then(parse_i64).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    let count = count.ok_or(not_positive)?;
    if count == args.len() - (i + 2) { Ok(i + 2) } else { Err(FIELDS_COUNT) }
}

/// The time that argument `i` gives, ms since 1970; an error has been answered if it is `None`.
pub(super) fn time(args: Args<'_>, unit: Time, i: usize, name: &str, cx: &mut Context<'_, '_>) -> Option<u64> {
    let Some(n) = parse_i64(args.at(i)) else {
        cx.reply.error(NOT_AN_INTEGER);
        return None;
    };
    // Valkey has no limit, and as its replica we have none either.
    let max = if cx.origin == Origin::Upstream { i64::MAX as u64 } else { FIELD_EXPIRY_MAX };
    let at = if n < 0 { None } else { unit.at(n, cx.now.unix_ms) };
    let at = at.and_then(|at| u64::try_from(at).ok()).filter(|&at| at <= max);
    if at.is_none() {
        cx.reply.error_fmt(format_args!("ERR invalid expire time in '{name}' command"));
    }
    at
}

/// Answers `n` for each field.
fn all(n: i64, fields: usize, cx: &mut Context<'_, '_>) {
    cx.reply.array(fields);
    (0..fields).for_each(|_| cx.reply.int(n));
}

/// No such field, condition not met, set, deleted since the time is past.
const NO_FIELD: i64 = -2;
const NOT_MET: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

fn change(ks: &mut Keyspace, args: Args<'_>, unit: Time, name: &str, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    // The type is looked at before anything else is.
    if let Some(place) = ks.find(&key, cx, Access::Write)
        && ks.slot(&key, place).hash().is_none()
    {
        return cx.reply.error(WRONG_TYPE);
    }
    if parse_i64(args.at(2)).is_some_and(|n| n < 0) {
        return cx.reply.error("ERR invalid expire time, must be >= 0");
    }
    let Some(at) = time(args, unit, 2, name, cx) else { return };
    let condition = Condition::parse(args, 3);
    let i = if condition == Condition::Always { 3 } else { 4 };
    let first = match fields(args, i, "ERR Parameter `numFields` should be greater than 0") {
        Ok(first) => first,
        Err(text) => return cx.reply.error(text),
    };
    let count = args.len() - first;
    let names = || args.iter().skip(first);
    let Some((key, place)) = write(ks, args, names(), cx) else { return };
    let Some(place) = place else { return all(NO_FIELD, count, cx) };
    let hash = ks.hash_at(&key, place);
    let past = Keyspace::is_due(at as i64, cx);
    let mut chosen = BTreeSet::new();
    let answers: Vec<i64> = names()
        .map(|field| {
            // One that is named twice has the new expiry the second time, or is not there any more.
            let again = chosen.contains(field);
            let before = if again { Some(at) } else { hash.expiry_of(ks.hash_key, field) };
            if (again && past) || hash.get(ks.hash_key, field).is_none() {
                NO_FIELD
            } else if !condition.allows(before, at) {
                NOT_MET
            } else {
                chosen.insert(field);
                if past { DELETED } else { SET }
            }
        })
        .collect();
    apply(ks, &key, place, &chosen, (!past).then_some(at), cx);
    cx.reply.array(count);
    answers.into_iter().for_each(|n| cx.reply.int(n));
}

/// Lets fields that are there expire at a time, ms since 1970, or deletes them, and tells so.
pub(super) fn apply(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    fields: &BTreeSet<&[u8]>,
    at: Option<u64>,
    cx: &mut Context<'_, '_>,
) {
    if fields.is_empty() {
        return;
    }
    ks.edit_hash(key, Some(place), cx, |hash| {
        for field in fields {
            match at {
                Some(_) => hash.expire(field, at),
                None => {
                    hash.remove(field);
                }
            }
        }
    });
    ks.tell_removal(Classes::HASH, if at.is_some() { "hexpire" } else { "hdel" }, key, cx);
    propagate(key, fields, at, cx);
    cx.effects.dirty += fields.len() as u64 - 1;
}

/// Lets replicas do the same: `HPEXPIREAT`, or `HDEL`. Counts one change.
pub(super) fn propagate(key: &Key<'_>, fields: &BTreeSet<&[u8]>, at: Option<u64>, cx: &mut Context<'_, '_>) {
    let (mut time, mut count) = ([0; 20], [0; 20]);
    let mut words: Vec<&[u8]> = match at {
        Some(at) => alloc::vec![
            b"HPEXPIREAT",
            key.bytes,
            decimal_i64(&mut time, at as i64),
            b"FIELDS",
            decimal_i64(&mut count, fields.len() as i64),
        ],
        None => alloc::vec![b"HDEL", key.bytes],
    };
    words.extend(fields);
    cx.effects.command(key.db, &words);
}

const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// -2: no such field; -1: it does not expire.
fn tell(ks: &mut Keyspace, args: Args<'_>, f: impl Fn(u64, u64) -> u64, cx: &mut Context<'_, '_>) {
    let (hash_key, now) = (ks.hash_key, cx.now.unix_ms);
    let Ok(hash) = read(ks, args, cx) else { return };
    let first = match fields(args, 2, NOT_POSITIVE) {
        Ok(first) => first,
        Err(text) => return cx.reply.error(text),
    };
    cx.reply.array(args.len() - first);
    for field in args.iter().skip(first) {
        let expiry = |hash: HashRef<'_>| hash.get(hash_key, field).map(|_| hash.expiry_of(hash_key, field));
        cx.reply.int(match hash.and_then(expiry) {
            None => NO_FIELD,
            Some(None) => -1,
            Some(Some(at)) => f(at, now) as i64,
        });
    }
}

pub(super) fn httl(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, |at, now| at.saturating_sub(now).div_ceil(1000), cx);
}

pub(super) fn hpttl(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, u64::saturating_sub, cx);
}

pub(super) fn hexpiretime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, |at, _| at.div_ceil(1000), cx);
}

pub(super) fn hpexpiretime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, |at, _| at, cx);
}

pub(super) fn hpersist(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    if let Some(place) = ks.find(&key, cx, Access::Write)
        && ks.slot(&key, place).hash().is_none()
    {
        return cx.reply.error(WRONG_TYPE);
    }
    let first = match fields(args, 2, NOT_POSITIVE) {
        Ok(first) => first,
        Err(text) => return cx.reply.error(text),
    };
    let names = || args.iter().skip(first);
    let Some((key, place)) = write(ks, args, names(), cx) else { return };
    let Some(place) = place else { return all(NO_FIELD, args.len() - first, cx) };
    let hash = ks.hash_at(&key, place);
    let mut timed = BTreeSet::new();
    let answers: Vec<i64> = names()
        .map(|field| match hash.get(ks.hash_key, field) {
            None => NO_FIELD,
            Some(_) if hash.expiry_of(ks.hash_key, field).is_none() || timed.contains(field) => -1,
            Some(_) => {
                timed.insert(field);
                1
            }
        })
        .collect();
    if !timed.is_empty() {
        ks.edit_hash(&key, Some(place), cx, |hash| timed.iter().for_each(|field| hash.expire(field, None)));
        cx.effects.notify(Classes::HASH, "hpersist", key.db, key.bytes);
        cx.effects.itself();
        cx.effects.dirty += timed.len() as u64 - 1;
    }
    cx.reply.array(answers.len());
    answers.into_iter().for_each(|n| cx.reply.int(n));
}

impl Keyspace {
    /// Removes those of the named fields that have expired, on behalf of a client that is about to write to the hash at
    /// `place`; where the hash is then, if it is not gone.
    pub(super) fn drop_expired_fields<'a>(
        &mut self,
        key: &Key<'_>,
        place: Place,
        names: impl Iterator<Item = &'a [u8]>,
        cx: &mut Context<'_, '_>,
    ) -> Option<Place> {
        let (now, hash) = (cx.now.unix_ms, self.hash_at(key, place));
        if cx.origin == Origin::Upstream || hash.first_expiry().is_none_or(|at| at >= now) {
            return Some(place);
        }
        let due = |field: &&[u8]| hash.expiry_of(self.hash_key, field).is_some_and(|at| at < now);
        let expired: BTreeSet<&[u8]> = names.filter(due).collect();
        if expired.is_empty() {
            return Some(place);
        }
        self.edit_hash(key, Some(place), cx, |hash| {
            for field in &expired {
                hash.remove(field);
            }
        });
        if cx.may_expire {
            self.counters.expired_fields += expired.len() as u64;
            self.tell_removal(Classes::HASH, "hexpired", key, cx);
            let words: Vec<&[u8]> = [&b"HDEL"[..], key.bytes].into_iter().chain(expired).collect();
            cx.effects.command(key.db, &words);
        }
        self.find(key, cx, Access::Write)
    }
}
