//! Hashes in parts: HSCAN, and random fields.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::hash::HashRef;
use super::super::pack::Text as _;
use super::hashes::read;
use super::options::{range_error, sample};
use super::scan::{self, Over, cursor, wanted};
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::Context;
use crate::rdb::Scalar;
use crate::resp::{Args, Proto, parse_i64};

pub(super) fn hscan(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(from) = cursor(args.at(2)) else { return cx.reply.error("ERR invalid cursor") };
    let Ok(hash) = read(ks, args, cx) else { return };
    let Some(hash) = hash else {
        // Without a key nobody looks at the options.
        return scan::answer(0, 0, cx);
    };
    let Some(wanted) = wanted(args, 3, Over::Fields, cx) else { return };
    let mut found = Vec::new();
    let next = hash.scan(from, wanted.count(), |field, value| {
        if wanted.shows(field.text(&mut [0; 20])) {
            found.push(field);
            found.extend((!wanted.names_only).then_some(value));
        }
    });
    scan::answer(next.unwrap_or(0), found.len(), cx);
    found.into_iter().for_each(|scalar| scalar.reply(cx.reply));
}

pub(super) fn hrandfield(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() == 2 {
        let Ok(hash) = read(ks, args, cx) else { return };
        let at = cx.rng.below(hash.map_or(0, HashRef::seen) as u64) as usize;
        return match hash.and_then(|hash| nth(hash, at)) {
            Some((field, _)) => field.reply(cx.reply),
            None => cx.reply.null(),
        };
    }
    let Some(count) = parse_i64(args.at(2)) else { return cx.reply.error(NOT_AN_INTEGER) };
    if count == i64::MIN {
        return range_error(-i64::MAX, i64::MAX, cx);
    }
    let values = args.len() > 3;
    if args.len() > 4 || (values && !args.is(3, "WITHVALUES")) {
        return cx.reply.error(SYNTAX);
    }
    if values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return cx.reply.error("ERR value is out of range");
    }
    let Ok(hash) = read(ks, args, cx) else { return };
    let Some(hash) = hash else { return cx.reply.array(0) };
    let Some(chosen) = sample(hash.seen(), count, cx) else { return };
    write_chosen(hash, &chosen, values, cx);
}

/// Whether a field that is seen is found by its index at once.
fn is_indexed(hash: HashRef<'_>) -> bool {
    matches!(hash, HashRef::Large(..)) && !hash.hides()
}

/// The field at `at` of those that are seen.
fn nth(hash: HashRef<'_>, at: usize) -> Option<(Scalar<'_>, Scalar<'_>)> {
    if is_indexed(hash) { hash.pairs_from(at).next() } else { hash.pairs().nth(at) }
}

/// Answers the fields at these indices, with their values if `values`.
fn write_chosen(hash: HashRef<'_>, chosen: &[usize], values: bool, cx: &mut Context<'_, '_>) {
    let nested = values && cx.reply.proto() == Proto::Resp3;
    cx.reply.array(if values && !nested { chosen.len() * 2 } else { chosen.len() });
    // A small hash is searched from its beginning, and in one that hides fields indices mean nothing: such are laid out.
    let all: Vec<_> = if is_indexed(hash) { Vec::new() } else { hash.pairs().collect() };
    for &at in chosen {
        let pair = if all.is_empty() { hash.pairs_from(at).next() } else { all.get(at).copied() };
        let Some((field, value)) = pair else { continue };
        if nested {
            cx.reply.array(2);
        }
        field.reply(cx.reply);
        if values {
            value.reply(cx.reply);
        }
    }
}
