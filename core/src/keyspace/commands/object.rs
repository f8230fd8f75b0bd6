//! OBJECT: the inner state of values.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::Access;
use super::super::string::Str;
use super::super::uses::Use;
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

fn refcount(slot: &Slot) -> i64 {
    match slot.string() {
        Some(Str::Flat(text)) if slot.encoding() == "int" => match parse_i64(text) {
            Some(0..10_000) => SHARED,
            _ => 1,
        },
        _ => 1,
    }
}

pub(super) fn object(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(sub) = ["help", "encoding", "refcount", "idletime", "freq"].into_iter().find(|sub| args.is(1, sub)) else {
        let text = [b"ERR unknown subcommand '", args.at(1), b"'. Try OBJECT HELP."].concat();
        return cx.reply.error_bytes(&text);
    };
    if args.len() != if sub == "help" { 2 } else { 3 } {
        return cx.reply.error_fmt(format_args!("ERR wrong number of arguments for 'object|{sub}' command"));
    }
    if sub == "help" {
        cx.reply.array(HELP.len());
        return HELP.iter().for_each(|line| cx.reply.simple(line));
    }
    let key = ks.key(cx.db, args.at(2));
    let Some(place) = ks.find(&key, cx, Access::Inspect) else { return cx.reply.null() };
    let slot = ks.slot(&key, place);
    let said = ks.uses.said(ks.stamp(&key, place), cx.now.mono);
    match sub {
        "encoding" => cx.reply.bulk(slot.encoding().as_bytes()),
        "refcount" => cx.reply.int(refcount(slot)),
        "idletime" => match said {
            Some(Use::Idle(seconds)) => cx.reply.int(seconds as i64),
            Some(Use::Freq(_)) => cx.reply.error(COUNTED),
            // No times are kept without a policy of LRU: every key counts as used just now.
            None => cx.reply.int(0),
        },
        _ => match said {
            Some(Use::Freq(counter)) => cx.reply.int(counter.into()),
            _ => cx.reply.error(NOT_COUNTED),
        },
    }
}
