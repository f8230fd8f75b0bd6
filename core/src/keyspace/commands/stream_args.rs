//! What the commands of streams share: ids, numbers and errors in their arguments, entries in their replies.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::pack::Text as _;
use super::super::store::{Access, Answered, Key};
use super::super::stream::id::{self, Seq};
use super::super::stream::{Group, Item, Stream};
use super::super::table::Place;
use super::{NOT_AN_INTEGER, WRONG_TYPE};
use crate::dataset::Context;
use crate::rdb::StreamId;
use crate::resp::{Args, parse_i64};

/// What is said of anything that is no id.
pub(super) const INVALID_ID: &str = "ERR Invalid stream ID specified as stream command argument";

/// The id in argument `i`; `seq` is what a missing number counts as. An error has been answered if it is `None`.
pub(super) fn id_at(args: Args<'_>, i: usize, seq: u64, cx: &mut Context<'_, '_>) -> Option<StreamId> {
    let id = id::parse(args.at(i), seq);
    if id.is_none() {
        cx.reply.error(INVALID_ID);
    }
    id
}

/// The same that may have its number left open by `*`.
pub(super) fn open_id_at(args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<(StreamId, Seq)> {
    let id = id::parse_some(args.at(i), 0);
    if id.is_none() {
        cx.reply.error(INVALID_ID);
    }
    id
}

/// All ids from argument `from` on. An error has been answered if it is `None`.
pub(super) fn ids_from(args: Args<'_>, from: usize, cx: &mut Context<'_, '_>) -> Option<Vec<StreamId>> {
    (from..args.len()).map(|i| id_at(args, i, 0, cx)).collect()
}

/// The integer in argument `i`; an error has been answered if it is `None`.
pub(super) fn integer(args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<i64> {
    integer_or(args, i, NOT_AN_INTEGER, cx)
}

/// The same with an error of its own.
pub(super) fn integer_or(args: Args<'_>, i: usize, error: &str, cx: &mut Context<'_, '_>) -> Option<i64> {
    let n = parse_i64(args.at(i));
    if n.is_none() {
        cx.reply.error(error);
    }
    n
}

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Start,
    Last,
}

/// The end of a range in argument `i`: an id, one behind a `(` that does not belong to it, `-` or `+`. An error has been
/// answered if it is `None`.
pub(super) fn end_at(args: Args<'_>, i: usize, end: End, cx: &mut Context<'_, '_>) -> Option<StreamId> {
    let text = args.at(i);
    match text {
        b"-" => return Some(id::MIN),
        b"+" => return Some(id::MAX),
        _ => {}
    }
    let (text, open) = match text {
        [b'(', rest @ ..] if !rest.is_empty() => (rest, true),
        _ => (text, false),
    };
    let Some(id) = id::parse(text, if end == End::Start { 0 } else { u64::MAX }) else {
        cx.reply.error(INVALID_ID);
        return None;
    };
    let (inside, error) = match end {
        _ if !open => (Some(id), ""),
        End::Start => (id::next(id), "ERR invalid start ID for the interval"),
        End::Last => (id::before(id), "ERR invalid end ID for the interval"),
    };
    if inside.is_none() {
        cx.reply.error(error);
    }
    inside
}

/// Now, as consumers and pending entries keep it.
pub(super) fn now_ms(cx: &Context<'_, '_>) -> i64 {
    i64::try_from(cx.now.unix_ms).unwrap_or(i64::MAX)
}

/// Answers an id.
pub(super) fn reply_id(id: StreamId, cx: &mut Context<'_, '_>) {
    cx.reply.bulk(&id::text(id));
}

/// Answers an entry: its id, and its fields with their values.
pub(super) fn reply_item(item: Item<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.array(2);
    reply_id(item.id, cx);
    cx.reply.array(item.fields.left() * 2);
    for (field, value) in item.fields {
        field.reply(cx.reply);
        value.reply(cx.reply);
    }
}

/// Answers entries, `count` at most.
pub(super) fn reply_items<'a>(items: impl Iterator<Item = Item<'a>>, count: usize, cx: &mut Context<'_, '_>) {
    let items: Vec<Item<'_>> = items.take(count).collect();
    cx.reply.array(items.len());
    items.into_iter().for_each(|item| reply_item(item, cx));
}

/// How many entries a `COUNT` lets through: 0 stands for all.
pub(super) fn limit(count: i64) -> usize {
    match usize::try_from(count) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(count) => count,
    }
}

/// The place of the stream in argument `i`, which is read: counted as a hit or a miss.
pub(super) fn read_place<'a>(
    ks: &mut Keyspace,
    args: Args<'a>,
    i: usize,
    cx: &mut Context<'_, '_>,
) -> Result<(Key<'a>, Option<Place>), Answered> {
    let key = ks.key(cx.db, args.at(i));
    let place = ks.find(&key, cx, Access::Read);
    if place.is_some_and(|place| ks.stream_at(&key, place).is_none()) {
        cx.reply.error(WRONG_TYPE);
        return Err(Answered);
    }
    Ok((key, place))
}

/// The group of a name in the stream at a place, if both are there.
pub(super) fn group_at<'k>(
    ks: &'k Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    name: &[u8],
) -> Option<(&'k Stream, &'k Group)> {
    let stream = ks.stream_at(key, place?)?;
    Some((stream, stream.group(name)?))
}

/// Answers that there is no such key or no such group.
pub(super) fn no_group(key: &[u8], group: &[u8], suffix: &str, cx: &mut Context<'_, '_>) {
    let text = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", suffix.as_bytes()].concat();
    cx.reply.error_bytes(&text);
}
