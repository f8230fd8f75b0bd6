//! KEYS and SCAN.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, is_past};
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Context, Origin};
use crate::glob;
use crate::resp::{Args, decimal, parse_i64};

fn expired(slot: &Slot, cx: &Context<'_, '_>) -> bool {
    cx.origin != Origin::Upstream && slot.expiry().is_some_and(|at| is_past(at, cx.now.unix_ms))
}

pub(super) fn keys(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let pattern = args.at(1);
    let mut found: Vec<&[u8]> = Vec::new();
    let mut at = Some(0);
    while let Some(position) = at {
        let table = ks.table(cx.db);
        at = if table.len() == 0 { None } else { Some(position) }.and_then(|position| {
            let (home, next) = table.at_cursor(position);
            let hits = table.entries(home).map(|(_, slot)| slot);
            found.extend(hits.filter(|s| !expired(s, cx) && glob::matches(pattern, s.key())).map(Slot::key));
            next
        });
    }
    cx.reply.array(found.len());
    for key in found {
        cx.reply.bulk(key);
    }
}

/// What a scan goes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// The keys of a database: `TYPE` chooses among them.
    Keys,
    /// The fields of a hash: with `NOVALUES` (Redis since 7.4) without their values.
    Fields,
    /// The members of a set, or of a sorted set.
    Members,
}

/// What a scan is to show.
pub(super) struct Wanted<'a> {
    count: u64,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    pub(super) names_only: bool,
}

impl Wanted<'_> {
    /// How many elements a step is to show, about.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Whether one of this name is to be shown.
    pub(super) fn shows(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// The head of a step's answer: where to go on, 0 at the end, and how many `values` follow.
pub(super) fn answer(next: u64, values: usize, cx: &mut Context<'_, '_>) {
    cx.reply.array(2);
    cx.reply.bulk(decimal(&mut [0; 20], false, next));
    cx.reply.array(values);
}

/// Reads the options from argument `from` on; an error has been answered if it is `None`.
pub(super) fn wanted<'a>(args: Args<'a>, from: usize, over: Over, cx: &mut Context<'_, '_>) -> Option<Wanted<'a>> {
    let mut w = Wanted { count: 10, pattern: None, kind: None, names_only: false };
    let mut i = from;
    while i < args.len() {
        if over == Over::Fields && args.is(i, "NOVALUES") {
            w.names_only = true;
            i += 1;
            continue;
        }
        if i + 1 >= args.len() {
            cx.reply.error(SYNTAX);
            return None;
        }
        if args.is(i, "COUNT") {
            let Some(count) = parse_i64(args.at(i + 1)) else {
                cx.reply.error(NOT_AN_INTEGER);
                return None;
            };
            if count < 1 {
                cx.reply.error(SYNTAX);
                return None;
            }
            w.count = count as u64;
        } else if args.is(i, "MATCH") {
            w.pattern = args.get(i + 1).filter(|pattern| *pattern != b"*");
        } else if over == Over::Keys && args.is(i, "TYPE") {
            w.kind = args.get(i + 1);
        } else {
            cx.reply.error(SYNTAX);
            return None;
        }
        i += 2;
    }
    Some(w)
}

/// A cursor as clients write it: decimal, a sign and leading zeros allowed, nothing at all is 0, as C's `strtoul`
/// reads it.
pub(super) fn cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    let n = digits.iter().try_fold(0u64, |n, d| {
        let d = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(d)
    })?;
    Some(if negative { n.wrapping_neg() } else { n })
}

pub(super) fn scan(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    // Clients see positions bit-reversed: small numbers, and 0 at both ends.
    let Some(cursor) = cursor(args.at(1)) else { return cx.reply.error("ERR invalid cursor") };
    let Some(wanted) = wanted(args, 2, Over::Keys, cx) else { return };
    let mut at = Some(cursor.reverse_bits());
    let (mut seen, mut found) = (0, Vec::<Vec<u8>>::new());
    // A sparse table is walked no further than ten buckets for each key that was asked for.
    let mut buckets = wanted.count.saturating_mul(10);
    while let Some(position) = at
        && seen < wanted.count
        && buckets > 0
    {
        buckets -= 1;
        at = ks.table(cx.db).scan(position, |slot| {
            seen += 1;
            if wanted.shows(slot.key())
                && wanted.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(slot.type_name().as_bytes()))
            {
                found.push(slot.key().to_vec());
            }
        });
    }
    let names = found;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        // Also deletes those that expired, on a master.
        if ks.find(&ks.key(cx.db, &name), cx, Access::Write).is_some() {
            found.push(name);
        }
    }
    answer(at.map_or(0, u64::reverse_bits), found.len(), cx);
    for key in found {
        cx.reply.bulk(&key);
    }
}
