//! OBJECT: the inner state of values.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::Access;
use super::super::string::Str;
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

/// The entry of the key in argument 2; if there is none, null was answered.
fn entry<'k>(ks: &'k mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) -> Option<&'k Slot> {
    let key = ks.key(cx.db, args.at(2));
    let Some(place) = ks.find(&key, cx, Access::Read) else {
        cx.reply.null();
        return None;
    };
    Some(ks.slot(&key, place))
}

pub(super) fn encoding(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if let Some(slot) = entry(ks, args, cx) {
        cx.reply.bulk(slot.encoding().as_bytes());
    }
}

pub(super) fn refcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if let Some(slot) = entry(ks, args, cx) {
        cx.reply.int(references(slot));
    }
}

/// No access times are kept: every key counts as used just now.
pub(super) fn idletime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if entry(ks, args, cx).is_some() {
        cx.reply.int(0);
    }
}

pub(super) fn freq(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if entry(ks, args, cx).is_some() {
        cx.reply.error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }
}
