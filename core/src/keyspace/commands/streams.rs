//! Streams: entries added and removed.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::{Access, Key};
use super::super::stream::id::{self, Seq};
use super::super::stream::{Bound, ENTRY_MAX, Refs, Removed, Stream, Trim};
use super::stream_args::{id_at, ids_from, integer, open_id_at, reply_id};
use super::stream_refs::{self, refs_at};
use super::{NO_SUCH_KEY, SYNTAX};
use crate::dataset::{Classes, Context, Origin};
use crate::rdb::StreamId;
use crate::resp::{Args, decimal};

const BOTH: &str = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
const LIMIT_ALONE: &str = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
const LIMIT_EXACT: &str = "ERR syntax error, LIMIT cannot be used without the special ~ option";
const NO_STRATEGY: &str = "ERR syntax error, XTRIM must be called with a valid trimming strategy";
const ZERO: &str = "ERR The ID specified in XADD must be greater than 0-0";
const TOO_LOW: &str = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
const EXHAUSTED: &str = "ERR The stream has exhausted the last possible ID, unable to add more items";
const TOO_LARGE: &str = "ERR Elements are too large to be stored";

/// How many nodes a trim with `~` goes through if nobody says a limit, and between which numbers of entries that lies.
const NODES_TRIMMED: usize = 100;
const TRIMMED_NONE: u64 = 10_000;
const TRIMMED_MAX: u64 = 1_000_000;

/// What is asked of the id of a new entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    /// `*`.
    Any,
    /// One given, maybe with its number left open.
    Id(StreamId, Seq),
}

/// What XADD and XTRIM are told.
#[derive(Debug)]
struct Options {
    /// How to trim, and the argument that says down to what.
    trim: Option<(Trim, usize)>,
    /// `KEEPREF` and its kin, if one is there: what a trim does with references.
    refs: Option<Refs>,
    /// `NOMKSTREAM`: only if the stream is there.
    no_make: bool,
    id: Wanted,
    /// The argument behind the last one that was read.
    next: usize,
}

/// Reads the bound of a trim whose word is argument `i`; it, whether `~` stands before it, and its argument.
fn bound(args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<(Bound, bool, usize)> {
    let mark = if i + 2 < args.len() { args.at(i + 1) } else { b"" };
    let at = if matches!(mark, b"~" | b"=") { i + 2 } else { i + 1 };
    let bound = if args.is(i, "maxlen") {
        let Ok(max) = u64::try_from(integer(args, at, cx)?) else {
            cx.reply.error("ERR The MAXLEN argument must be >= 0.");
            return None;
        };
        Bound::MaxLen(max)
    } else {
        Bound::MinId(id_at(args, at, 0, cx)?)
    };
    Some((bound, mark == b"~", at))
}

/// Reads the options of XADD, up to the id, or of XTRIM. An error has been answered if it is `None`.
fn options(ks: &Keyspace, args: Args<'_>, adds: bool, cx: &mut Context<'_, '_>) -> Option<Options> {
    let mut options = Options { trim: None, refs: None, no_make: false, id: Wanted::Any, next: args.len() };
    let (mut limit, mut i) = (None, 2);
    while i < args.len() {
        let more = i + 1 < args.len();
        if adds && args.at(i) == b"*" {
            options.next = i + 1;
            break;
        } else if (args.is(i, "maxlen") || args.is(i, "minid")) && more {
            if options.trim.is_some() {
                cx.reply.error(BOTH);
                return None;
            }
            let (bound, approx, at) = bound(args, i, cx)?;
            options.trim = Some((Trim { bound, approx, limit: 0 }, at));
            i = at;
        } else if args.is(i, "limit") && more {
            let Ok(n) = u64::try_from(integer(args, i + 1, cx)?) else {
                cx.reply.error("ERR The LIMIT argument must be >= 0.");
                return None;
            };
            limit = Some(n);
            i += 1;
        } else if let (Some(refs), None) = (refs_at(args, i), options.refs) {
            options.refs = Some(refs);
        } else if adds && args.is(i, "nomkstream") {
            options.no_make = true;
        } else if let Some(words) = idempotence(args, i).filter(|_| adds && cx.origin == Origin::Upstream) {
            i += words;
        } else if adds && refs_at(args, i).is_none() {
            let (id, seq) = open_id_at(args, i, cx)?;
            (options.id, options.next) = (Wanted::Id(id, seq), i + 1);
            break;
        } else {
            cx.reply.error(SYNTAX);
            return None;
        }
        i += 1;
    }
    let error = match &mut options.trim {
        None if limit.is_some_and(|n| n > 0) => Some(LIMIT_ALONE),
        None if !adds => Some(NO_STRATEGY),
        None => None,
        // A master's own limit is in the bound that it sends.
        Some(_) if cx.origin == Origin::Upstream => None,
        Some((trim, _)) if limit.is_some() && !trim.approx => Some(LIMIT_EXACT),
        Some((trim, _)) => {
            trim.limit = limit.unwrap_or_else(|| if trim.approx { default_limit(ks) } else { 0 });
            None
        }
    };
    match error {
        Some(text) => {
            cx.reply.error(text);
            None
        }
        None => Some(options),
    }
}

/// How many words follow `IDMP` or `IDMPAUTO` in argument `i`, if it is one (Redis 8.6): a master has found out by them that
/// the entry is new.
fn idempotence(args: Args<'_>, i: usize) -> Option<usize> {
    [("IDMPAUTO", 1), ("IDMP", 2)].into_iter().find_map(|(word, more)| args.is(i, word).then_some(more))
}

fn default_limit(ks: &Keyspace) -> u64 {
    match ks.limits.stream.entries.saturating_mul(NODES_TRIMMED) as u64 {
        0 => TRIMMED_NONE,
        n => n.min(TRIMMED_MAX),
    }
}

/// The id of a new entry; why there is none.
fn new_id(stream: Option<&Stream>, wanted: Wanted, now_ms: u64) -> Result<StreamId, &'static str> {
    let last = stream.map(|stream| stream.last_id).unwrap_or_default();
    if last == id::MAX {
        return Err(EXHAUSTED);
    }
    let id = match wanted {
        Wanted::Any if now_ms > last.ms => StreamId { ms: now_ms, seq: 0 },
        Wanted::Any => id::next(last).ok_or(EXHAUSTED)?,
        Wanted::Id(id, Seq::Free) if id.ms == last.ms => {
            StreamId { seq: last.seq.checked_add(1).ok_or(TOO_LOW)?, ..last }
        }
        Wanted::Id(id, _) => id,
    };
    if id > last { Ok(id) } else { Err(TOO_LOW) }
}

/// The command with what a trim with `~` really did, and the entry's id: what replicas are to repeat.
fn propagate(
    args: Args<'_>,
    trim: Option<(Trim, usize)>,
    stream: Option<&Stream>,
    id: Option<(usize, StreamId)>,
    key: &Key<'_>,
    cx: &mut Context<'_, '_>,
) {
    let mut words: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
    let mut put = |i: usize, text: &[u8]| {
        if let Some(word) = words.get_mut(i) {
            *word = text.to_vec();
        }
    };
    if let Some((Trim { bound, approx: true, .. }, at)) = trim
        && let Some(stream) = stream
    {
        put(at - 1, b"=");
        match bound {
            Bound::MaxLen(_) => put(at, decimal(&mut [0; 20], false, stream.len() as u64)),
            // Of an empty stream Redis says the highest id.
            Bound::MinId(_) => put(at, &id::text(stream.first_id().unwrap_or(id::MAX))),
        }
    }
    if let Some((at, id)) = id {
        put(at, &id::text(id));
    }
    cx.effects.command(key.db, &words);
}

/// The command without the word about references, and what that made of them: older replicas do not know it.
fn propagate_plainly(
    ks: &Keyspace,
    key: &Key<'_>,
    name: &[u8],
    removed: &Removed,
    rest: &[&[u8]],
    cx: &mut Context<'_, '_>,
) {
    let mut len = [0; 20];
    let mut words: Vec<&[u8]> = alloc::vec![name, key.bytes];
    let trimmed = removed.entries > 0 && removed.deleted.is_empty();
    if let Some(stream) = ks.peek(key).and_then(|slot| slot.stream()).filter(|_| trimmed) {
        words.extend([&b"MAXLEN"[..], b"=", decimal(&mut len, false, stream.len() as u64)]);
    }
    words.extend(rest);
    if words.len() > 2 {
        cx.effects.command(key.db, &words);
    }
    stream_refs::propagate(key, removed, cx);
}

pub(super) fn xadd(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(options) = options(ks, args, true, cx) else { return };
    let fields = args.from(options.next);
    if fields.len() < 2 || !fields.len().is_multiple_of(2) {
        return cx.reply.error("ERR wrong number of arguments for 'xadd' command");
    }
    if options.id == Wanted::Id(id::MIN, Seq::Given) {
        return cx.reply.error(ZERO);
    }
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_stream(&key, cx) else { return };
    if place.is_none() && options.no_make {
        return cx.reply.null();
    }
    let id = match new_id(place.and_then(|place| ks.stream_at(&key, place)), options.id, cx.now.unix_ms) {
        Ok(id) => id,
        Err(text) => return cx.reply.error(text),
    };
    if fields.iter().map(<[u8]>::len).fold(0, usize::saturating_add) > ENTRY_MAX {
        return cx.reply.error(TOO_LARGE);
    }
    let (limit, trim) = (ks.limits.stream, options.trim);
    let pairs = (0..fields.len()).step_by(2).map(|i| (fields.at(i), fields.at(i + 1)));
    let refs = options.refs.unwrap_or_default();
    let removed = ks.edit_stream(&key, place, cx, |stream| {
        stream.append(id, pairs, limit);
        trim.map(|(trim, _)| stream.trim_with(trim, refs)).unwrap_or_default()
    });
    reply_id(id, cx);
    cx.effects.notify(Classes::STREAM, "xadd", key.db, key.bytes);
    if removed.entries > 0 {
        cx.effects.notify(Classes::STREAM, "xtrim", key.db, key.bytes);
    }
    if options.refs.is_some() {
        let dirty = cx.effects.dirty + 1;
        let id = id::text(id);
        let rest: Vec<&[u8]> = [&id[..]].into_iter().chain(fields.iter()).collect();
        propagate_plainly(ks, &key, b"XADD", &removed, &rest, cx);
        cx.effects.dirty = dirty;
        return;
    }
    let concrete = matches!(options.id, Wanted::Id(_, Seq::Given));
    if concrete && !trim.is_some_and(|(trim, _)| trim.approx) {
        return cx.effects.itself();
    }
    let id = (!concrete).then_some((options.next - 1, id));
    propagate(args, trim, ks.peek(&key).and_then(|slot| slot.stream()), id, &key, cx);
}

pub(super) fn xtrim(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(options) = options(ks, args, false, cx) else { return };
    let Some((trim, at)) = options.trim else { return };
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_stream(&key, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    // Nobody hears of a trim that removes nothing.
    let removed = ks.edit_groups(&key, place, |stream| stream.trim_with(trim, options.refs.unwrap_or_default()));
    cx.reply.int(removed.entries as i64);
    if removed.entries == 0 {
        return;
    }
    cx.effects.touch(key.db, key.bytes);
    cx.effects.notify(Classes::STREAM, "xtrim", key.db, key.bytes);
    let dirty = cx.effects.dirty + removed.entries;
    if options.refs.is_some() {
        propagate_plainly(ks, &key, b"XTRIM", &removed, &[], cx);
    } else if trim.approx {
        propagate(args, Some((trim, at)), ks.stream_at(&key, place), None, &key, cx);
    } else {
        cx.effects.itself();
    }
    cx.effects.dirty = dirty;
}

pub(super) fn xlen(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Ok(stream) = ks.read_as(&key, cx, |slot| slot.stream()) else { return };
    cx.reply.int(stream.map_or(0, Stream::len) as i64);
}

pub(super) fn xdel(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_stream(&key, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let Some(ids) = ids_from(args, 2, cx) else { return };
    let deleted = ks.edit_groups(&key, place, |stream| ids.iter().filter(|id| stream.delete(**id)).count());
    cx.reply.int(deleted as i64);
    if deleted > 0 {
        cx.effects.touch(key.db, key.bytes);
        cx.effects.notify(Classes::STREAM, "xdel", key.db, key.bytes);
        cx.effects.itself();
        cx.effects.dirty += deleted as u64 - 1;
    }
}

/// What XSETID is told beside the last id.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    added: Option<u64>,
    max_deleted: Option<StreamId>,
}

/// Reads them. An error has been answered if it is `None`.
fn counts(args: Args<'_>, last: StreamId, cx: &mut Context<'_, '_>) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "entriesadded") && i + 1 < args.len() {
            let Ok(added) = u64::try_from(integer(args, i + 1, cx)?) else {
                cx.reply.error("ERR entries_added must be positive");
                return None;
            };
            counts.added = Some(added);
        } else if args.is(i, "maxdeletedid") && i + 1 < args.len() {
            let id = id_at(args, i + 1, 0, cx)?;
            if last < id {
                cx.reply.error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
                return None;
            }
            counts.max_deleted = Some(id);
        } else {
            cx.reply.error(SYNTAX);
            return None;
        }
        i += 2;
    }
    Some(counts)
}

pub(super) fn xsetid(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(last) = id_at(args, 2, 0, cx) else { return };
    let Some(counts) = counts(args, last, cx) else { return };
    let key = ks.key(cx.db, args.at(1));
    if ks.find(&key, cx, Access::Write).is_none() {
        return cx.reply.error(NO_SUCH_KEY);
    }
    let Ok(Some(place)) = ks.find_stream(&key, cx) else { return };
    let Some(stream) = ks.stream_at(&key, place) else { return };
    // Redis up to 7.0 does not look at this: what such a master accepted its replica has to do.
    if last < stream.max_deleted && cx.origin == Origin::Client {
        return cx.reply.error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if stream.last().is_some_and(|item| last < item.id) {
        return cx.reply.error("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if stream.len() > 0 && counts.added.is_some_and(|added| added < stream.len() as u64) {
        return cx.reply.error("ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
    ks.edit_groups(&key, place, |stream| {
        stream.last_id = last;
        stream.added = counts.added.unwrap_or(stream.added);
        if let Some(id) = counts.max_deleted.filter(|id| *id != id::MIN) {
            stream.max_deleted = id;
        }
    });
    cx.reply.ok();
    cx.effects.notify(Classes::STREAM, "xsetid", key.db, key.bytes);
    cx.effects.itself();
}
