//! Unions, intersections and differences of sorted sets.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::hashed::{self, HashKey};
use super::super::record::Kind;
use super::super::score;
use super::super::set::{Member, SetRef};
use super::super::store::{Access, Answered};
use super::super::zset::{ZsetEdit, ZsetRef};
use super::zset_ranges::store;
use super::zsets::reply_pairs;
use super::{NOT_AN_INTEGER, SYNTAX, WRONG_TYPE};
use crate::dataset::Context;
use crate::rdb::Scalar;
use crate::resp::{Args, parse_i64};

/// What is made of the inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// Which command it is.
#[derive(Clone, Copy, Debug)]
struct Task {
    operation: Operation,
    name: &'static str,
    /// Where the number of keys stands: 2 behind a key that takes the result.
    at: usize,
    /// Only how many there are is wanted.
    count_only: bool,
}

/// What scores of one member make together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn join(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sum => defined(a + b),
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// The sum of two opposite infinities, and nothing of what is infinite, is 0.
fn defined(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What the arguments behind the keys say.
#[derive(Debug)]
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    scores: bool,
    /// 0: none.
    limit: usize,
}

impl Options {
    fn parse(args: Args<'_>, task: Task, keys: usize) -> Result<Self, &'static str> {
        let mut o = Self { weights: Vec::new(), aggregate: Aggregate::Sum, scores: false, limit: 0 };
        let weighed = task.operation != Operation::Difference && !task.count_only;
        let mut i = task.at + 1 + keys;
        while i < args.len() {
            let behind = args.len() - i - 1;
            if weighed && behind >= keys && args.is(i, "WEIGHTS") {
                let weights = args.iter().skip(i + 1).take(keys).map(score::parse);
                o.weights = weights.collect::<Option<_>>().ok_or("ERR weight value is not a float")?;
                i += keys;
            } else if weighed && behind >= 1 && args.is(i, "AGGREGATE") {
                i += 1;
                o.aggregate = match i {
                    _ if args.is(i, "SUM") => Aggregate::Sum,
                    _ if args.is(i, "MIN") => Aggregate::Min,
                    _ if args.is(i, "MAX") => Aggregate::Max,
                    _ => return Err(SYNTAX),
                };
            } else if task.at == 1 && !task.count_only && args.is(i, "WITHSCORES") {
                o.scores = true;
            } else if task.count_only && behind >= 1 && args.is(i, "LIMIT") {
                i += 1;
                let limit = parse_i64(args.at(i)).and_then(|n| usize::try_from(n).ok());
                o.limit = limit.ok_or("ERR LIMIT can't be negative")?;
            } else {
                return Err(SYNTAX);
            }
            i += 1;
        }
        Ok(o)
    }
}

/// One input.
#[derive(Clone, Copy, Debug)]
enum Source<'k> {
    /// There is no such key.
    Nothing,
    /// A sorted set.
    Zset(ZsetRef<'k>),
    /// A set: each of its members has the score 1.
    Set(SetRef<'k>),
}

impl<'k> Source<'k> {
    fn len(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Zset(zset) => zset.len(),
            Self::Set(set) => set.len(),
        }
    }

    fn score(self, key: HashKey, member: &[u8]) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Zset(zset) => zset.score(key, member),
            Self::Set(set) => set.has(key, Member::new(member)).then_some(1.0),
        }
    }

    fn pairs(self) -> impl Iterator<Item = (Scalar<'k>, f64)> {
        let (zset, set) = match self {
            Self::Nothing => (None, None),
            Self::Zset(zset) => (Some(zset), None),
            Self::Set(set) => (None, Some(set)),
        };
        let members = set.into_iter().flat_map(SetRef::members).map(|member| (member.name, 1.0));
        zset.into_iter().flat_map(ZsetRef::pairs).chain(members)
    }
}

/// An input with its weight.
#[derive(Clone, Copy, Debug)]
struct Weighed<'k> {
    source: Source<'k>,
    weight: f64,
}

impl<'k> Weighed<'k> {
    fn pairs(self) -> impl Iterator<Item = (Scalar<'k>, f64)> {
        self.source.pairs().map(move |(member, score)| (member, defined(score * self.weight)))
    }

    /// The weighed score of a member, and NaN for nothing of what is infinite: an intersection's sum with it is 0.
    fn score(self, key: HashKey, member: &[u8]) -> Option<f64> {
        self.source.score(key, member).map(|score| score * self.weight)
    }
}

/// A member of the result.
type Scored<'k> = (Scalar<'k>, f64);

fn intersection<'k>(key: HashKey, inputs: &[Weighed<'k>], options: &Options) -> Vec<Scored<'k>> {
    let mut found = Vec::new();
    let Some((first, others)) = inputs.split_first() else { return found };
    for (member, mut score) in first.pairs() {
        let mut buf = [0; 20];
        let name = member.text(&mut buf);
        let everywhere = others.iter().all(|other| match other.score(key, name) {
            Some(theirs) => {
                score = options.aggregate.join(score, theirs);
                true
            }
            None => false,
        });
        if everywhere {
            found.push((member, score));
            if found.len() == options.limit {
                break;
            }
        }
    }
    found
}

fn difference<'k>(key: HashKey, inputs: &[Weighed<'k>]) -> Vec<Scored<'k>> {
    let Some((first, others)) = inputs.split_first() else { return Vec::new() };
    let only_there = |(member, _): &Scored<'_>| {
        let mut buf = [0; 20];
        let name = member.text(&mut buf);
        !others.iter().any(|other| other.score(key, name).is_some())
    };
    first.pairs().filter(only_there).collect()
}

fn union<'k>(inputs: &[Weighed<'k>], aggregate: Aggregate) -> Vec<Scored<'k>> {
    let mut all: Vec<Scored<'k>> = inputs.iter().flat_map(|input| input.pairs()).collect();
    // Stable: of one member the scores stay in the order of the inputs, in which sums are rounded.
    all.sort_by(|(a, _), (b, _)| hashed::compare(*a, *b));
    let mut found: Vec<Scored<'k>> = Vec::with_capacity(all.len());
    for (member, score) in all {
        match found.last_mut() {
            Some((last, sum)) if *last == member => *sum = aggregate.join(*sum, score),
            _ => found.push((member, score)),
        }
    }
    found
}

/// The inputs and the options.
fn inputs<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    task: Task,
    cx: &mut Context<'_, '_>,
) -> Result<(Vec<Weighed<'k>>, Options), Answered> {
    let Some(keys) = parse_i64(args.at(task.at)) else {
        cx.reply.error(NOT_AN_INTEGER);
        return Err(Answered);
    };
    if keys < 1 {
        cx.reply.error_fmt(format_args!("ERR at least 1 input key is needed for '{}' command", task.name));
        return Err(Answered);
    }
    let Some(keys) = usize::try_from(keys).ok().filter(|&keys| keys < args.len() - task.at) else {
        cx.reply.error(SYNTAX);
        return Err(Answered);
    };
    // First all keys are looked up, which may delete some that expired; then nothing moves any more.
    let mut there = Vec::with_capacity(keys);
    for name in args.iter().skip(task.at + 1).take(keys) {
        let key = ks.key(cx.db, name);
        let place = ks.find(&key, cx, Access::Read);
        if place.is_some_and(|place| !matches!(ks.slot(&key, place).kind(), Kind::Zset | Kind::Set)) {
            cx.reply.error(WRONG_TYPE);
            return Err(Answered);
        }
        there.push((key, place.is_some()));
    }
    let options = match Options::parse(args, task, keys) {
        Ok(options) => options,
        Err(text) => {
            cx.reply.error(text);
            return Err(Answered);
        }
    };
    let ks = &*ks;
    let sources = there.iter().enumerate().map(|(i, (key, there))| {
        let slot = ks.peek(key).filter(|_| *there);
        let set = slot.and_then(Slot::set).map(Source::Set);
        let source = slot.and_then(Slot::zset).map(Source::Zset).or(set).unwrap_or(Source::Nothing);
        Weighed { source, weight: options.weights.get(i).copied().unwrap_or(1.0) }
    });
    Ok((sources.collect(), options))
}

fn execute(ks: &mut Keyspace, args: Args<'_>, task: Task, cx: &mut Context<'_, '_>) {
    let (hash_key, limit) = (ks.hash_key, ks.limits.zset);
    let Ok((mut inputs, options)) = inputs(ks, args, task, cx) else { return };
    // The order decides how sums are rounded.
    if task.operation != Operation::Difference {
        inputs.sort_by_key(|input| input.source.len());
    }
    let mut found = match task.operation {
        Operation::Union => union(&inputs, options.aggregate),
        Operation::Intersection => intersection(hash_key, &inputs, &options),
        Operation::Difference => difference(hash_key, &inputs),
    };
    if task.count_only {
        return cx.reply.int(found.len() as i64);
    }
    if task.at == 2 {
        let mut result = ZsetEdit::whole(hash_key, limit);
        result.announce(found.len(), 0);
        for (member, score) in found {
            result.put(member.text(&mut [0; 20]), score);
        }
        return store(ks, args.at(1), result, task.name, cx);
    }
    found.sort_by(|(a, x), (b, y)| score::compare(*x, *y).then_with(|| a.text(&mut [0; 20]).cmp(b.text(&mut [0; 20]))));
    let n = found.len();
    reply_pairs(found.into_iter(), n, options.scores, cx);
}

pub(super) fn zunion(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Union, name: "zunion", at: 1, count_only: false }, cx);
}

pub(super) fn zinter(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Intersection, name: "zinter", at: 1, count_only: false }, cx);
}

pub(super) fn zdiff(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Difference, name: "zdiff", at: 1, count_only: false }, cx);
}

pub(super) fn zunionstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Union, name: "zunionstore", at: 2, count_only: false }, cx);
}

pub(super) fn zinterstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Intersection, name: "zinterstore", at: 2, count_only: false }, cx);
}

pub(super) fn zdiffstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Difference, name: "zdiffstore", at: 2, count_only: false }, cx);
}

pub(super) fn zintercard(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, Task { operation: Operation::Intersection, name: "zintercard", at: 1, count_only: true }, cx);
}
