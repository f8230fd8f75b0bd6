//! Sorted sets in parts: ZSCAN, and random members.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::pack::Text as _;
use super::super::score;
use super::super::zset::ZsetRef;
use super::options::{range_error, sample};
use super::scan::{self, Over, cursor, wanted};
use super::zsets::{read, reply_pairs};
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::Context;
use crate::resp::{Args, double_text, parse_i64};

pub(super) fn zscan(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(from) = cursor(args.at(2)) else { return cx.reply.error("ERR invalid cursor") };
    let table = ks.peek(&ks.key(cx.db, args.at(1))).is_some_and(|slot| slot.zset_encoding() == "skiplist");
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    let Some(zset) = zset else {
        // Without a key nobody looks at the options.
        return scan::answer(0, 0, cx);
    };
    let Some(wanted) = wanted(args, 3, Over::Members, cx) else { return };
    let mut found = Vec::new();
    let next = zset.scan(from, wanted.count(), |member, score| {
        if wanted.shows(member.text(&mut [0; 20])) {
            found.push((member, score));
        }
    });
    scan::answer(next.unwrap_or(0), found.len() * 2, cx);
    for (member, score) in found {
        member.reply(cx.reply);
        // Scores are strings here in RESP3 too; those of a `skiplist` with all their digits.
        let text = if table { score::precise(score) } else { double_text(score) };
        cx.reply.bulk(text.as_bytes());
    }
}

pub(super) fn zrandmember(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() == 2 {
        let Ok(zset) = read(ks, args, 1, cx) else { return };
        let n = zset.map_or(0, ZsetRef::len) as u64;
        let at = if n == 0 { 0 } else { cx.rng.below(n) as usize };
        return match zset.and_then(|zset| zset.pairs_from(at).next()) {
            Some((member, _)) => member.reply(cx.reply),
            None => cx.reply.null(),
        };
    }
    let Some(count) = parse_i64(args.at(2)) else { return cx.reply.error(NOT_AN_INTEGER) };
    if count == i64::MIN {
        return range_error(-i64::MAX, i64::MAX, cx);
    }
    let scores = args.len() > 3;
    if args.len() > 4 || (scores && !args.is(3, "WITHSCORES")) {
        return cx.reply.error(SYNTAX);
    }
    if scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return cx.reply.error("ERR value is out of range");
    }
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    let Some(zset) = zset else { return cx.reply.array(0) };
    let Some(chosen) = sample(zset.len(), count, cx) else { return };
    // A small one is searched from its beginning, so its members are laid out first.
    let all: Vec<_> = if let ZsetRef::Small(_) = zset { zset.pairs().collect() } else { Vec::new() };
    let pair = |&at: &usize| if all.is_empty() { zset.pairs_from(at).next() } else { all.get(at).copied() };
    reply_pairs(chosen.iter().filter_map(pair), chosen.len(), scores, cx);
}
