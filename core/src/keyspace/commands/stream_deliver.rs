//! What a consumer of a group gets, and what replicas are told of it.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::Key;
use super::super::stream::{Group, Pending, id};
use super::super::table::Place;
use super::stream_args::{group_at, now_ms, reply_id, reply_item, reply_items};
use crate::dataset::{Classes, Context};
use crate::rdb::StreamId;
use crate::resp::{decimal, decimal_i64};

/// Who gets entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'a> {
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    /// `NOACK`: nothing pends.
    pub(super) no_ack: bool,
}

impl Delivery<'_> {
    /// The consumer was seen; it is made if it is not there.
    pub(super) fn meet(self, ks: &mut Keyspace, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) {
        let now = now_ms(cx);
        let made = ks.edit_groups(key, place, |stream| {
            stream.edit_group(self.group, |group| group.see(self.consumer, now)).unwrap_or_default()
        });
        if made {
            cx.effects.notify(Classes::STREAM, "xgroup-createconsumer", key.db, key.bytes);
            if self.no_ack {
                let words = [&b"XGROUP"[..], b"CREATECONSUMER", key.bytes, self.group, self.consumer];
                cx.effects.command(key.db, &words);
            } else {
                cx.effects.dirty += 1;
            }
        }
    }
}

/// Tells replicas who owns a pending entry: a command that makes it so, whatever they have.
pub(super) fn propagate_claim(
    key: &Key<'_>,
    group: &[u8],
    last_id: StreamId,
    pending: &Pending,
    cx: &mut Context<'_, '_>,
) {
    let (mut time, mut count) = ([0; 20], [0; 20]);
    let (pending_id, last_id) = (id::text(pending.id), id::text(last_id));
    let words = [
        &b"XCLAIM"[..],
        key.bytes,
        group,
        pending.owner.name(),
        b"0",
        &pending_id,
        b"TIME",
        decimal_i64(&mut time, pending.at_ms),
        b"RETRYCOUNT",
        decimal(&mut count, false, pending.deliveries),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        &last_id,
    ];
    cx.effects.command(key.db, &words);
}

/// Tells replicas how far a group has read.
pub(super) fn propagate_group(key: &Key<'_>, group: &Group, cx: &mut Context<'_, '_>) {
    let mut read = [0; 20];
    let last_id = id::text(group.last_id);
    let read = group.read.map_or(&b"-1"[..], |n| decimal(&mut read, false, n));
    cx.effects.command(key.db, &[&b"XGROUP"[..], b"SETID", key.bytes, group.name(), &last_id, b"ENTRIESREAD", read]);
}

/// Delivers up to `count` entries that nobody of the group got yet.
pub(super) fn deliver(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    to: Delivery<'_>,
    count: usize,
    cx: &mut Context<'_, '_>,
) {
    let Some((stream, group)) = group_at(ks, key, Some(place), to.group) else { return cx.reply.array(0) };
    // Something lies behind it, so there is a next one.
    let start = id::next(group.last_id).unwrap_or(id::MAX);
    reply_items(stream.range(start, id::MAX), count, cx);
    let ids: Vec<StreamId> = stream.range(start, id::MAX).take(count).map(|item| item.id).collect();
    let step = |(read, last_id), &id| (stream.read_with(read, last_id, id), id);
    let (read, last_id) = ids.iter().fold((group.read, group.last_id), step);
    let now = now_ms(cx);
    let mut claimed = Vec::new();
    let group = ks.edit_groups(key, place, |stream| {
        stream.edit_group(to.group, |group| {
            for &id in ids.iter().filter(|_| !to.no_ack) {
                group.give(id, to.consumer, now, 1);
                claimed.extend(group.pending(id).cloned());
            }
            if !claimed.is_empty() {
                group.activate(to.consumer, now);
            }
            (group.last_id, group.read) = (last_id, read);
            group.clone()
        })
    });
    let Some(group) = group else { return };
    // Each claim says how far the group had read then, as in Redis.
    claimed.iter().for_each(|pending| propagate_claim(key, to.group, pending.id, pending, cx));
    propagate_group(key, &group, cx);
}

/// Delivers up to `count` entries behind an id once more that the consumer has and did not acknowledge. Replicas do not
/// hear of it, as in Redis.
pub(super) fn history(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    to: Delivery<'_>,
    after: StreamId,
    count: usize,
    cx: &mut Context<'_, '_>,
) {
    let there = group_at(ks, key, Some(place), to.group);
    let owner = there.and_then(|(stream, group)| Some((stream, group.consumer(to.consumer)?)));
    let (Some((stream, owner)), Some(start)) = (owner, id::next(after)) else { return cx.reply.array(0) };
    let ids: Vec<StreamId> = owner.owned_since(start).take(count).collect();
    cx.reply.array(ids.len());
    let mut again = Vec::new();
    for id in ids {
        match stream.get(id) {
            Some(item) => {
                again.push(id);
                reply_item(item, cx);
            }
            // It was deleted, and is still to be acknowledged.
            None => {
                cx.reply.array(2);
                reply_id(id, cx);
                cx.reply.null_array();
            }
        }
    }
    let now = now_ms(cx);
    if !again.is_empty() {
        ks.edit_groups(key, place, |stream| {
            stream.edit_group(to.group, |group| again.iter().for_each(|&id| group.deliver_again(id, now)))
        });
    }
}
