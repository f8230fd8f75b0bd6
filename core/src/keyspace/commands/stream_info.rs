//! XINFO: what a stream, its groups and their consumers are like.

use super::super::Keyspace;
use super::super::stream::{Consumer, Group, Stream, id};
use super::NO_SUCH_KEY;
use super::stream_args::{group_at, integer, limit, now_ms, read_place, reply_id, reply_item, reply_items};
use super::stream_groups::{help, subcommand, unknown};
use crate::dataset::Context;
use crate::rdb::StreamId;
use crate::resp::Args;

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show the consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the consumer groups of the stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show what is known of the stream.",
    "HELP",
    "    Print this help.",
];

/// Subcommands, and how many arguments each has with both names; negative: at least so many.
const SUBCOMMANDS: &[(&str, i64)] = &[("stream", -3), ("groups", 3), ("consumers", 4), ("help", 2)];

pub(super) fn xinfo(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(sub) = subcommand("xinfo", SUBCOMMANDS, args, cx) else { return };
    if sub == "help" {
        return help(HELP, cx);
    }
    let Ok((key, place)) = read_place(ks, args, 2, cx) else { return };
    let Some(stream) = place.and_then(|place| ks.stream_at(&key, place)) else { return cx.reply.error(NO_SUCH_KEY) };
    match sub {
        "stream" => stream_info(stream, args, cx),
        "groups" => groups_info(stream, cx),
        _ => match group_at(ks, &key, place, args.at(3)) {
            Some((_, group)) => consumers_info(group, cx),
            None => {
                let text = [b"NOGROUP No such consumer group '", args.at(3), b"' for key name '", key.bytes, b"'"];
                cx.reply.error_bytes(&text.concat());
            }
        },
    }
}

fn name(text: &str, cx: &mut Context<'_, '_>) {
    cx.reply.bulk(text.as_bytes());
}

fn number(text: &str, n: u64, cx: &mut Context<'_, '_>) {
    name(text, cx);
    // Redis shows its counters as signed.
    cx.reply.int(n as i64);
}

fn id_of(text: &str, id: StreamId, cx: &mut Context<'_, '_>) {
    name(text, cx);
    reply_id(id, cx);
}

fn maybe(text: &str, n: Option<u64>, cx: &mut Context<'_, '_>) {
    name(text, cx);
    match n {
        Some(n) => cx.reply.int(n as i64),
        None => cx.reply.null(),
    }
}

fn stream_info(stream: &Stream, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let mut full = None;
    if args.len() > 3 {
        // FULL, then maybe COUNT.
        if !args.is(3, "full") || !matches!(args.len(), 4 | 6) || (args.len() == 6 && !args.is(4, "count")) {
            return unknown("XINFO", args.at(1), cx);
        }
        let count = if args.len() == 6 { integer(args, 5, cx) } else { Some(10) };
        let Some(count) = count else { return };
        full = Some(limit(if count < 0 { 10 } else { count }));
    }
    cx.reply.map(if full.is_some() { 9 } else { 10 });
    number("length", stream.len() as u64, cx);
    number("radix-tree-keys", stream.nodes() as u64, cx);
    number("radix-tree-nodes", radix_nodes(stream.node_ids()), cx);
    id_of("last-generated-id", stream.last_id, cx);
    id_of("max-deleted-entry-id", stream.max_deleted, cx);
    number("entries-added", stream.added, cx);
    id_of("recorded-first-entry-id", stream.first_id().unwrap_or_default(), cx);
    let Some(count) = full else {
        number("groups", stream.groups().len() as u64, cx);
        for (text, item) in [("first-entry", stream.first()), ("last-entry", stream.last())] {
            name(text, cx);
            match item {
                Some(item) => reply_item(item, cx),
                None => cx.reply.null(),
            }
        }
        return;
    };
    name("entries", cx);
    reply_items(stream.range(id::MIN, id::MAX), count, cx);
    name("groups", cx);
    cx.reply.array(stream.groups().len());
    stream.groups().iter().for_each(|group| group_in_full(stream, group, count, cx));
}

fn group_in_full(stream: &Stream, group: &Group, count: usize, cx: &mut Context<'_, '_>) {
    cx.reply.map(7);
    name("name", cx);
    cx.reply.bulk(group.name());
    id_of("last-delivered-id", group.last_id, cx);
    maybe("entries-read", group.read, cx);
    maybe("lag", stream.lag(group), cx);
    number("pel-count", group.len() as u64, cx);
    name("pending", cx);
    cx.reply.array(group.len().min(count));
    for pending in group.pending_from(0).take(count) {
        cx.reply.array(4);
        reply_id(pending.id, cx);
        cx.reply.bulk(pending.owner.name());
        cx.reply.int(pending.at_ms);
        cx.reply.int(pending.deliveries as i64);
    }
    name("consumers", cx);
    cx.reply.array(group.consumers().len());
    for consumer in group.consumers() {
        cx.reply.map(5);
        name("name", cx);
        cx.reply.bulk(consumer.name());
        name("seen-time", cx);
        cx.reply.int(consumer.seen_ms);
        name("active-time", cx);
        cx.reply.int(consumer.active_ms.unwrap_or(-1));
        number("pel-count", consumer.len() as u64, cx);
        name("pending", cx);
        owned_in_full(group, consumer, count, cx);
    }
}

fn owned_in_full(group: &Group, consumer: &Consumer, count: usize, cx: &mut Context<'_, '_>) {
    cx.reply.array(consumer.len().min(count));
    for id in consumer.owned_from(0).take(count) {
        cx.reply.array(3);
        reply_id(id, cx);
        let (at_ms, deliveries) = group.pending(id).map_or((0, 0), |pending| (pending.at_ms, pending.deliveries));
        cx.reply.int(at_ms);
        cx.reply.int(deliveries as i64);
    }
}

fn groups_info(stream: &Stream, cx: &mut Context<'_, '_>) {
    cx.reply.array(stream.groups().len());
    for group in stream.groups() {
        cx.reply.map(6);
        name("name", cx);
        cx.reply.bulk(group.name());
        number("consumers", group.consumers().len() as u64, cx);
        number("pending", group.len() as u64, cx);
        id_of("last-delivered-id", group.last_id, cx);
        maybe("entries-read", group.read, cx);
        maybe("lag", stream.lag(group), cx);
    }
}

fn consumers_info(group: &Group, cx: &mut Context<'_, '_>) {
    let now = now_ms(cx);
    let since = |at: i64| now.saturating_sub(at).max(0);
    cx.reply.array(group.consumers().len());
    for consumer in group.consumers() {
        cx.reply.map(4);
        name("name", cx);
        cx.reply.bulk(consumer.name());
        number("pending", consumer.len() as u64, cx);
        name("idle", cx);
        cx.reply.int(since(consumer.seen_ms));
        name("inactive", cx);
        cx.reply.int(consumer.active_ms.map_or(-1, since));
    }
}

/// How many nodes a radix tree has in which Redis keeps nodes of these ids, which ascend: one for each id, one for each
/// place where ids part, and one for each run of bytes that all below it share.
fn radix_nodes(ids: impl Iterator<Item = StreamId>) -> u64 {
    /// Bytes of an id as a key.
    const LEN: u32 = 16;
    let (mut nodes, mut before) = (0, None::<u128>);
    // Places where ids part on the way to the one before, by the bytes above them.
    let mut parts: alloc::vec::Vec<u32> = alloc::vec::Vec::new();
    for id in ids {
        let key = u128::from(id.ms) << 64 | u128::from(id.seq);
        // Bytes that both begin with.
        let shared = before.replace(key).map(|before| (before ^ key).leading_zeros() / 8);
        let mut below = LEN;
        while let Some(shared) = shared
            && let Some(&depth) = parts.last()
            && depth > shared
        {
            // Nothing parts there any more.
            nodes += 1 + run(depth + 1, below);
            below = depth;
            parts.pop();
        }
        if let Some(shared) = shared {
            nodes += run(shared + 1, below);
            if parts.last() != Some(&shared) {
                parts.push(shared);
            }
            nodes += 1;
        }
    }
    if before.is_none() {
        return 1;
    }
    // The way to the last one.
    let mut below = LEN;
    for depth in parts.into_iter().rev() {
        nodes += 1 + run(depth + 1, below);
        below = depth;
    }
    nodes + run(0, below) + 1
}

/// The node of bytes between two others, if there are any.
fn run(from: u32, to: u32) -> u64 {
    u64::from(to > from)
}
