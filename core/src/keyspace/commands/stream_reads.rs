//! XREAD and XREADGROUP: entries behind those that are known already, of several streams.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::Key;
use super::super::stream::id;
use super::super::table::Place;
use super::SYNTAX;
use super::stream_args::{group_at, id_at, integer, limit, no_group, read_place, reply_items};
use super::stream_deliver::{Delivery, deliver, history};
use crate::dataset::{Context, Wait, WaitFor};
use crate::rdb::StreamId;
use crate::resp::{Args, Command, Proto, parse_i64};

const SUFFIX: &str = " in XREADGROUP with GROUP option";
const NO_DOLLAR: &str = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                         consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                         return an empty result set.";
const NO_NEW: &str =
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";

/// What a stream is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    /// Behind this id.
    Behind(StreamId),
    /// `$`: behind the last id, which this is now.
    Last(StreamId),
    /// `>`: what no consumer of the group got yet.
    New,
}

/// What the commands are told.
#[derive(Clone, Copy, Debug)]
struct Options<'a> {
    /// Group and consumer: XREADGROUP.
    group: Option<(&'a [u8], &'a [u8])>,
    /// For how long to wait, ms.
    block: Option<u64>,
    count: i64,
    no_ack: bool,
    /// The argument of the first key, and how many there are.
    keys: usize,
    streams: usize,
}

/// The time in argument `i` for which a client waits, ms. An error has been answered if it is `None`.
fn timeout(args: Args<'_>, i: usize, cx: &mut Context<'_, '_>) -> Option<u64> {
    let error = match parse_i64(args.at(i)) {
        None => "ERR timeout is not an integer or out of range",
        Some(..0) => "ERR timeout is negative",
        Some(ms) if ms.checked_add_unsigned(cx.now.unix_ms).is_none() => "ERR timeout is out of range",
        Some(ms) => return Some(ms.unsigned_abs()),
    };
    cx.reply.error(error);
    None
}

/// Reads the options. An error has been answered if it is `None`.
fn options<'a>(args: Args<'a>, grouped: bool, cx: &mut Context<'_, '_>) -> Option<Options<'a>> {
    let mut o = Options { group: None, block: None, count: 0, no_ack: false, keys: 0, streams: 0 };
    let fail = |text: &str, cx: &mut Context<'_, '_>| cx.reply.error(text);
    let mut i = 1;
    while i < args.len() {
        let more = args.len() - i - 1;
        if args.is(i, "block") && more > 0 {
            o.block = Some(timeout(args, i + 1, cx)?);
            i += 1;
        } else if args.is(i, "count") && more > 0 {
            o.count = integer(args, i + 1, cx)?.max(0);
            i += 1;
        } else if args.is(i, "streams") && more > 0 {
            (o.keys, o.streams) = (i + 1, more / 2);
            if !more.is_multiple_of(2) {
                let (name, symbol) = if grouped { ("xreadgroup", '>') } else { ("xread", '$') };
                cx.reply.error_fmt(format_args!(
                    "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
                ));
                return None;
            }
            break;
        } else if args.is(i, "group") && more >= 2 {
            if !grouped {
                fail("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.", cx);
                return None;
            }
            o.group = Some((args.at(i + 1), args.at(i + 2)));
            i += 2;
        } else if args.is(i, "noack") {
            if !grouped {
                fail("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.", cx);
                return None;
            }
            o.no_ack = true;
        } else {
            fail(SYNTAX, cx);
            return None;
        }
        i += 1;
    }
    if o.keys == 0 {
        fail(SYNTAX, cx);
        return None;
    }
    if grouped && o.group.is_none() {
        fail("ERR Missing GROUP option for XREADGROUP", cx);
        return None;
    }
    Some(o)
}

/// From where each stream is read. An error has been answered if it is `None`.
fn froms(ks: &mut Keyspace, args: Args<'_>, o: &Options<'_>, cx: &mut Context<'_, '_>) -> Option<Vec<From>> {
    let mut froms = Vec::with_capacity(o.streams);
    for n in 0..o.streams {
        let (key, place) = read_place(ks, args, o.keys + n, cx).ok()?;
        if let Some((group, _)) = o.group
            && group_at(ks, &key, place, group).is_none()
        {
            no_group(key.bytes, group, SUFFIX, cx);
            return None;
        }
        let i = o.keys + o.streams + n;
        froms.push(match args.at(i) {
            b"$" if o.group.is_some() => {
                cx.reply.error(NO_DOLLAR);
                return None;
            }
            b"$" => {
                let stream = place.and_then(|place| ks.stream_at(&key, place));
                From::Last(stream.map(|stream| stream.last_id).unwrap_or_default())
            }
            b">" if o.group.is_none() => {
                cx.reply.error(NO_NEW);
                return None;
            }
            b">" => From::New,
            _ => match id_at(args, i, 0, cx)? {
                // Behind the highest id nothing can be; Redis takes it for `>`.
                id::MAX if o.group.is_some() => From::New,
                id => From::Behind(id),
            },
        });
    }
    Some(froms)
}

/// The head of the answer of one stream.
fn head(key: &[u8], cx: &mut Context<'_, '_>) {
    if cx.reply.proto() == Proto::Resp2 {
        cx.reply.array(2);
    }
    cx.reply.bulk(key);
}

fn array_of_streams(streams: usize, cx: &mut Context<'_, '_>) {
    match cx.reply.proto() {
        Proto::Resp2 => cx.reply.array(streams),
        Proto::Resp3 => cx.reply.map(streams),
    }
}

pub(super) fn xread(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(o) = options(args, false, cx) else { return };
    let Some(froms) = froms(ks, args, &o, cx) else { return };
    let mut found: Vec<(Key<'_>, Place, StreamId)> = Vec::new();
    for (n, from) in froms.iter().enumerate() {
        let (From::Behind(after) | From::Last(after)) = *from else { continue };
        let key = ks.key(cx.db, args.at(o.keys + n));
        let place = ks.place_of(&key);
        let last = place.and_then(|place| ks.stream_at(&key, place)?.last()).map(|item| item.id);
        if let (Some(place), Some(last)) = (place, last)
            && last > after
        {
            found.push((key, place, after));
        }
    }
    if found.is_empty() {
        return nothing(args, &o, &froms, cx);
    }
    array_of_streams(found.len(), cx);
    for (key, place, after) in found {
        head(key.bytes, cx);
        // Something lies behind it, so there is a next one.
        let start = id::next(after).unwrap_or(id::MAX);
        match ks.stream_at(&key, place) {
            Some(stream) => reply_items(stream.range(start, id::MAX), limit(o.count), cx),
            None => cx.reply.array(0),
        }
    }
}

/// What is delivered of a stream to a consumer: what it got already, or what nobody got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Serve {
    History(StreamId),
    New,
}

pub(super) fn xreadgroup(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(o) = options(args, true, cx) else { return };
    let Some(froms) = froms(ks, args, &o, cx) else { return };
    let Some((group, consumer)) = o.group else { return };
    let mut found: Vec<(Key<'_>, Place, Serve)> = Vec::new();
    let mut ends: Vec<(&[u8], StreamId)> = Vec::new();
    for (n, from) in froms.iter().enumerate() {
        let key = ks.key(cx.db, args.at(o.keys + n));
        let place = ks.place_of(&key);
        let Some((stream, there)) = group_at(ks, &key, place, group) else { continue };
        let serve = match *from {
            From::Behind(after) | From::Last(after) => Some(Serve::History(after)),
            From::New => {
                // What another mention of the same stream will have delivered by then.
                let before = ends.iter().rfind(|(key, _)| *key == args.at(o.keys + n)).map(|(_, end)| *end);
                let last_id = before.unwrap_or(there.last_id);
                let more = stream.last().is_some_and(|item| item.id > last_id);
                if more && o.streams > 1 {
                    let start = id::next(last_id).unwrap_or(id::MAX);
                    let end = stream.range(start, id::MAX).take(limit(o.count)).last().map(|item| item.id);
                    ends.push((args.at(o.keys + n), end.unwrap_or(last_id)));
                }
                more.then_some(Serve::New)
            }
        };
        let Some(place) = place else { continue };
        // Only without acknowledgement nothing else would tell replicas of a new consumer.
        Delivery { group, consumer, no_ack: o.no_ack }.meet(ks, &key, place, cx);
        if let Some(serve) = serve {
            found.push((key, place, serve));
        }
    }
    if found.is_empty() {
        return nothing(args, &o, &froms, cx);
    }
    array_of_streams(found.len(), cx);
    for (key, place, serve) in found {
        head(key.bytes, cx);
        let delivery = Delivery { group, consumer, no_ack: o.no_ack };
        match serve {
            Serve::History(after) => history(ks, &key, place, delivery, after, limit(o.count), cx),
            Serve::New => deliver(ks, &key, place, delivery, limit(o.count), cx),
        }
        cx.effects.dirty += 1;
    }
}

/// Nothing is there: the client waits, if it wants to and can.
fn nothing(args: Args<'_>, o: &Options<'_>, froms: &[From], cx: &mut Context<'_, '_>) {
    let (Some(timeout_ms), Some(wait)) = (o.block, cx.wait.as_deref_mut()) else { return cx.reply.null_array() };
    let keys: Vec<Box<[u8]>> = args.iter().skip(o.keys).take(o.streams).map(Box::from).collect();
    let last = |from: &From| matches!(from, From::Last(_));
    let command = froms.iter().any(last).then(|| {
        // Executed again, it is to begin behind what is there now.
        let mut words: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
        for (word, from) in words.iter_mut().skip(o.keys + o.streams).zip(froms) {
            if let From::Last(last) = *from {
                *word = id::text(last);
            }
        }
        Command::new(&words)
    });
    let what = if o.group.is_some() { WaitFor::Group } else { WaitFor::Stream };
    *wait = Some(Wait { what, keys, timeout_ms, command });
}
