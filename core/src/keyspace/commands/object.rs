//! OBJECT: the inner state of values.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, Key};
use super::super::string::Str;
use super::super::table::Place;
use super::super::uses::Use;
use super::unknown_subcommand;
use crate::dataset::Context;
use crate::resp::{Args, parse_i64};

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Name the encoding of the value of <key>, by Redis's rules.",
    "FREQ <key>",
    "    Tell how often <key> is accessed, on a logarithmic scale. Needs an LFU maxmemory policy.",
    "IDLETIME <key>",
    "    Tell for how many seconds <key> was not accessed.",
    "REFCOUNT <key>",
    "    Tell how many references there are to the value of <key>.",
    "HELP",
    "    Print this help.",
];

const COUNTED: &str = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.";
const NOT_COUNTED: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
     when switching between policies at runtime LRU and LFU data will take some time to adjust.";

/// What Redis tells of integers below 10000, which it shares.
const SHARED: i64 = i32::MAX as i64;

fn references(slot: &Slot) -> i64 {
    match slot.string() {
        Some(Str::Flat(text)) if slot.encoding() == "int" => match parse_i64(text) {
            Some(0..10_000) => SHARED,
            _ => 1,
        },
        _ => 1,
    }
}

/// The container alone: no subcommand of this name is in the table.
pub(super) fn object(_: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    unknown_subcommand("OBJECT", args, cx);
}

pub(super) fn help(_: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.array(HELP.len());
    HELP.iter().for_each(|line| cx.reply.simple(line));
}

/// The key in argument 2 and where it is; if there is none, null was answered.
fn entry<'a>(ks: &mut Keyspace, args: Args<'a>, cx: &mut Context<'_, '_>) -> Option<(Key<'a>, Place)> {
    let key = ks.key(cx.db, args.at(2));
    let Some(place) = ks.find(&key, cx, Access::Inspect) else {
        cx.reply.null();
        return None;
    };
    Some((key, place))
}

pub(super) fn encoding(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if let Some((key, place)) = entry(ks, args, cx) {
        cx.reply.bulk(ks.slot(&key, place).encoding().as_bytes());
    }
}

pub(super) fn refcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if let Some((key, place)) = entry(ks, args, cx) {
        cx.reply.int(references(ks.slot(&key, place)));
    }
}

pub(super) fn idletime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some((key, place)) = entry(ks, args, cx) else { return };
    match ks.uses.said(ks.stamp(&key, place), cx.now.mono) {
        Some(Use::Idle(seconds)) => cx.reply.int(seconds as i64),
        Some(Use::Freq(_)) => cx.reply.error(COUNTED),
        // No times are kept without a policy of LRU: every key counts as used just now.
        None => cx.reply.int(0),
    }
}

pub(super) fn freq(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some((key, place)) = entry(ks, args, cx) else { return };
    match ks.uses.said(ks.stamp(&key, place), cx.now.mono) {
        Some(Use::Freq(counter)) => cx.reply.int(counter.into()),
        _ => cx.reply.error(NOT_COUNTED),
    }
}
