//! Entries that are deleted with an eye to the groups that refer to them (Redis since 8.2). Replicas are told in XACK, XDEL
//! and XTRIM, which all of them know.
//!
//! No such server was at hand: replies and errors are those of Redis's own tests and documentation. Which of two errors comes
//! first is not verified.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::Key;
use super::super::stream::{Fate, Refs, Removed, id};
use super::super::table::Place;
use super::SYNTAX;
use super::stream_args::{group_at, ids_from, read_place};
use crate::dataset::{Classes, Context};
use crate::rdb::StreamId;
use crate::resp::{Args, parse_i64};

/// The word in argument `i` that says what becomes of references, if it is one.
pub(super) fn refs_at(args: Args<'_>, i: usize) -> Option<Refs> {
    [("KEEPREF", Refs::Keep), ("DELREF", Refs::Drop), ("ACKED", Refs::Acked)]
        .into_iter()
        .find_map(|(word, refs)| args.is(i, word).then_some(refs))
}

/// What is said of an entry in a reply.
fn code(fate: Fate) -> i64 {
    match fate {
        Fate::Missing => -1,
        Fate::Gone => 1,
        Fate::Stays => 2,
    }
}

/// Reads `[KEEPREF | DELREF | ACKED] IDS numids id …` from argument `i` on, in any order; the ids are not looked at yet.
fn parse(args: Args<'_>, mut i: usize) -> Result<(Refs, Args<'_>), &'static str> {
    let (mut refs, mut ids) = (None, None);
    while i < args.len() {
        match refs_at(args, i) {
            Some(found) if refs.is_none() => refs = Some(found),
            None if ids.is_none() && args.is(i, "IDS") && i + 1 < args.len() => {
                let count = parse_i64(args.at(i + 1)).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
                let count = count.ok_or("ERR Number of IDs must be a positive integer")?;
                if count > args.len() - i - 2 {
                    return Err("ERR The `numids` parameter must match the number of arguments");
                }
                ids = Some(args.to(i + 2 + count).from(i + 2));
                i += 1 + count;
            }
            _ => return Err(SYNTAX),
        }
        i += 1;
    }
    Ok((refs.unwrap_or_default(), ids.ok_or(SYNTAX)?))
}

/// `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id …`
pub(super) fn xdelex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (refs, ids) = match parse(args, 2) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_stream(&key, cx) else { return };
    let Some(place) = place else { return reply_missing(ids.len(), cx) };
    let Some(ids) = ids_from(ids, 0, cx) else { return };
    let (codes, removed) = ks.edit_groups(&key, place, |stream| {
        let mut removed = Removed::default();
        let codes: Vec<i64> = ids.iter().map(|&id| code(stream.delete_with(id, refs, &mut removed))).collect();
        (codes, removed)
    });
    answer(&key, &codes, &removed, cx);
}

/// `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id …`: only what pends in the group is deleted.
pub(super) fn xackdel(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (refs, ids) = match parse(args, 3) {
        Ok(parsed) => parsed,
        Err(text) => return cx.reply.error(text),
    };
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let group = args.at(2);
    let place: Option<Place> = place.filter(|&place| group_at(ks, &key, Some(place), group).is_some());
    let Some(place) = place else { return reply_missing(ids.len(), cx) };
    let Some(ids) = ids_from(ids, 0, cx) else { return };
    let (codes, removed) = ks.edit_groups(&key, place, |stream| {
        let mut removed = Removed::default();
        let mut one = |&id: &StreamId| {
            if !stream.acknowledge(group, id, &mut removed) {
                return code(Fate::Missing);
            }
            // One that was deleted before is as good as one that goes now.
            match stream.delete_with(id, refs, &mut removed) {
                Fate::Missing => code(Fate::Gone),
                fate => code(fate),
            }
        };
        let codes: Vec<i64> = ids.iter().map(&mut one).collect();
        (codes, removed)
    });
    answer(&key, &codes, &removed, cx);
}

fn reply_missing(count: usize, cx: &mut Context<'_, '_>) {
    cx.reply.array(count);
    (0..count).for_each(|_| cx.reply.int(code(Fate::Missing)));
}

fn answer(key: &Key<'_>, codes: &[i64], removed: &Removed, cx: &mut Context<'_, '_>) {
    cx.reply.array(codes.len());
    codes.iter().for_each(|&code| cx.reply.int(code));
    if removed.entries > 0 {
        cx.effects.touch(key.db, key.bytes);
        cx.effects.notify(Classes::STREAM, "xdel", key.db, key.bytes);
    }
    let dirty = cx.effects.dirty + removed.changes();
    propagate(key, removed, cx);
    cx.effects.dirty = dirty;
}

/// Tells replicas what pends no longer, and which entries were deleted one by one.
pub(super) fn propagate(key: &Key<'_>, removed: &Removed, cx: &mut Context<'_, '_>) {
    let mut tell = |head: &[&[u8]], ids: &[StreamId]| {
        if !ids.is_empty() {
            let texts: Vec<_> = ids.iter().map(|&id| id::text(id)).collect();
            let words: Vec<&[u8]> = head.iter().copied().chain(texts.iter().map(AsRef::as_ref)).collect();
            cx.effects.command(key.db, &words);
        }
    };
    for (group, ids) in &removed.released {
        tell(&[b"XACK", key.bytes, group], ids);
    }
    tell(&[b"XDEL", key.bytes], &removed.deleted);
}
