//! Ranges of entries.

use super::super::Keyspace;
use super::SYNTAX;
use super::stream_args::{End, end_at, integer, limit, read_place, reply_items};
use crate::dataset::Context;
use crate::resp::Args;

fn range(ks: &mut Keyspace, args: Args<'_>, back: bool, cx: &mut Context<'_, '_>) {
    let (start, end) = if back { (3, 2) } else { (2, 3) };
    let Some(start) = end_at(args, start, End::Start, cx) else { return };
    let Some(end) = end_at(args, end, End::Last, cx) else { return };
    let mut count = None;
    let mut i = 4;
    while i < args.len() {
        if !args.is(i, "count") || i + 1 >= args.len() {
            return cx.reply.error(SYNTAX);
        }
        let Some(n) = integer(args, i + 1, cx) else { return };
        count = Some(n.max(0));
        i += 2;
    }
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let Some(stream) = place.and_then(|place| ks.stream_at(&key, place)) else { return cx.reply.array(0) };
    if count == Some(0) {
        return cx.reply.null_array();
    }
    let entries = if back { stream.range_back(start, end) } else { stream.range(start, end) };
    reply_items(entries, limit(count.unwrap_or(0)), cx);
}

pub(super) fn xrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, false, cx);
}

pub(super) fn xrevrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, true, cx);
}
