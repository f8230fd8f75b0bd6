//! XGROUP, XACK and XPENDING: consumer groups, what was read in them, and what is not acknowledged.

use super::super::Keyspace;
use super::super::pack::Text as _;
use super::super::store::Key;
use super::super::stream::{Group, Pending, id};
use super::super::table::Place;
use super::SYNTAX;
use super::stream_args::{End, end_at, group_at, id_at, ids_from, integer, no_group, now_ms, read_place, reply_id};
use crate::dataset::{Classes, Context};
use crate::rdb::{Scalar, StreamId};
use crate::resp::Args;

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a consumer group that has read up to <id>. Options are:",
    "    * MKSTREAM",
    "      Create the stream if there is none.",
    "    * ENTRIESREAD entries_read",
    "      Say how many entries the group has read.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a consumer of the group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove a consumer with all that it did not acknowledge.",
    "DESTROY <key> <groupname>",
    "    Remove a consumer group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Say up to which id the group has read.",
    "HELP",
    "    Print this help.",
];

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
                      MKSTREAM option to create an empty stream automatically.";

/// Subcommands, and how many arguments each has with both names; negative: at least so many.
const SUBCOMMANDS: &[(&str, i64)] =
    &[("create", -5), ("setid", -5), ("destroy", 4), ("createconsumer", 5), ("delconsumer", 5), ("help", 2)];

pub(super) fn xgroup(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(sub) = subcommand("xgroup", SUBCOMMANDS, args, cx) else { return };
    if sub == "help" {
        return help(HELP, cx);
    }
    let mut options = Options::default();
    if matches!(sub, "create" | "setid") && !options.parse(sub == "create", args, cx) {
        return;
    }
    let key = ks.key(cx.db, args.at(2));
    let Ok(place) = ks.find_stream(&key, cx) else { return };
    if place.is_none() && !options.make {
        return cx.reply.error(NO_KEY);
    }
    if sub == "create" {
        return create(ks, &key, place, args, &options, cx);
    }
    let Some(place) = place else { return };
    if sub == "destroy" {
        return destroy(ks, &key, place, args.at(3), cx);
    }
    if group_at(ks, &key, Some(place), args.at(3)).is_none() {
        let text = [b"NOGROUP No such consumer group '", args.at(3), b"' for key name '", key.bytes, b"'"].concat();
        return cx.reply.error_bytes(&text);
    }
    match sub {
        "setid" => set_id(ks, &key, place, args, &options, cx),
        "createconsumer" => create_consumer(ks, &key, place, args, cx),
        _ => delete_consumer(ks, &key, place, args, cx),
    }
}

/// The subcommand in argument 1, its number of arguments checked. An error has been answered if it is `None`.
pub(super) fn subcommand(
    name: &str,
    all: &[(&'static str, i64)],
    args: Args<'_>,
    cx: &mut Context<'_, '_>,
) -> Option<&'static str> {
    let Some(&(sub, arity)) = all.iter().find(|(sub, _)| args.is(1, sub)) else {
        let upper = name.to_ascii_uppercase();
        let text = [b"ERR unknown subcommand '", args.at(1), b"'. Try ", upper.as_bytes(), b" HELP."].concat();
        cx.reply.error_bytes(&text);
        return None;
    };
    // No command has as many arguments as an i64 counts.
    let len = args.len() as i64;
    if (arity >= 0 && len != arity) || len < arity.abs() {
        cx.reply.error_fmt(format_args!("ERR wrong number of arguments for '{name}|{sub}' command"));
        return None;
    }
    Some(sub)
}

/// Answers that a subcommand has other arguments.
pub(super) fn unknown(name: &str, sub: &[u8], cx: &mut Context<'_, '_>) {
    let head = b"ERR unknown subcommand or wrong number of arguments for '";
    cx.reply.error_bytes(&[head, sub, b"'. Try ", name.as_bytes(), b" HELP."].concat());
}

/// Answers a help.
pub(super) fn help(lines: &[&str], cx: &mut Context<'_, '_>) {
    cx.reply.array(lines.len());
    lines.iter().for_each(|line| cx.reply.simple(line));
}

/// What CREATE and SETID are told behind the id.
#[derive(Clone, Copy, Default, Debug)]
struct Options {
    /// `MKSTREAM`.
    make: bool,
    read: Option<u64>,
}

impl Options {
    /// Reads them; `false`: an error has been answered.
    fn parse(&mut self, creates: bool, args: Args<'_>, cx: &mut Context<'_, '_>) -> bool {
        let mut i = 5;
        while i < args.len() {
            if creates && args.is(i, "mkstream") {
                self.make = true;
            } else if args.is(i, "entriesread") && i + 1 < args.len() {
                let Some(n) = integer(args, i + 1, cx) else { return false };
                if n < -1 {
                    cx.reply.error("ERR value for ENTRIESREAD must be positive or -1");
                    return false;
                }
                self.read = u64::try_from(n).ok();
                i += 1;
            } else {
                unknown("XGROUP", args.at(1), cx);
                return false;
            }
            i += 1;
        }
        true
    }
}

/// The id in argument 4, `$` for the last one of the stream; of SETID also `-` and `+` for the lowest and the highest
/// of all. An error has been answered if it is `None`.
fn read_id(
    ks: &Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    args: Args<'_>,
    cx: &mut Context<'_, '_>,
) -> Option<StreamId> {
    if args.at(4) == b"$" {
        return Some(place.and_then(|place| ks.stream_at(key, place)).map(|stream| stream.last_id).unwrap_or_default());
    }
    match args.at(4) {
        b"-" if args.is(1, "setid") => Some(id::MIN),
        b"+" if args.is(1, "setid") => Some(id::MAX),
        _ => id_at(args, 4, 0, cx),
    }
}

fn create(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    args: Args<'_>,
    options: &Options,
    cx: &mut Context<'_, '_>,
) {
    let Some(last_id) = read_id(ks, key, place, args, cx) else { return };
    let group = Group::new(args.at(3), last_id, options.read);
    let added = match place {
        // The key is new, and whoever watches it hears of it.
        None => ks.edit_stream(key, None, cx, |stream| stream.add_group(group)),
        Some(place) if group_at(ks, key, Some(place), args.at(3)).is_some() => false,
        Some(place) => ks.edit_groups(key, place, |stream| stream.add_group(group)),
    };
    if !added {
        return cx.reply.error("BUSYGROUP Consumer Group name already exists");
    }
    cx.reply.ok();
    cx.effects.notify(Classes::STREAM, "xgroup-create", key.db, key.bytes);
    cx.effects.itself();
}

fn set_id(ks: &mut Keyspace, key: &Key<'_>, place: Place, args: Args<'_>, options: &Options, cx: &mut Context<'_, '_>) {
    let Some(last_id) = read_id(ks, key, Some(place), args, cx) else { return };
    ks.edit_groups(key, place, |stream| {
        stream.edit_group(args.at(3), |group| (group.last_id, group.read) = (last_id, options.read))
    });
    cx.reply.ok();
    cx.effects.notify(Classes::STREAM, "xgroup-setid", key.db, key.bytes);
    cx.effects.itself();
}

fn destroy(ks: &mut Keyspace, key: &Key<'_>, place: Place, name: &[u8], cx: &mut Context<'_, '_>) {
    if group_at(ks, key, Some(place), name).is_none() {
        return cx.reply.int(0);
    }
    // Clients that wait for entries of the group have to hear of it.
    ks.edit_stream(key, Some(place), cx, |stream| stream.remove_group(name));
    cx.reply.int(1);
    cx.effects.notify(Classes::STREAM, "xgroup-destroy", key.db, key.bytes);
    cx.effects.itself();
}

fn create_consumer(ks: &mut Keyspace, key: &Key<'_>, place: Place, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let there =
        group_at(ks, key, Some(place), args.at(3)).is_some_and(|(_, group)| group.consumer(args.at(4)).is_some());
    if there {
        return cx.reply.int(0);
    }
    let now = now_ms(cx);
    ks.edit_groups(key, place, |stream| stream.edit_group(args.at(3), |group| group.see(args.at(4), now)));
    cx.reply.int(1);
    cx.effects.notify(Classes::STREAM, "xgroup-createconsumer", key.db, key.bytes);
    cx.effects.itself();
}

fn delete_consumer(ks: &mut Keyspace, key: &Key<'_>, place: Place, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let removed =
        ks.edit_groups(key, place, |stream| stream.edit_group(args.at(3), |group| group.remove(args.at(4))).flatten());
    cx.reply.int(removed.unwrap_or(0) as i64);
    if removed.is_some() {
        cx.effects.notify(Classes::STREAM, "xgroup-delconsumer", key.db, key.bytes);
        cx.effects.itself();
    }
}

pub(super) fn xack(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let group = args.at(2);
    let (Some(place), Some(_)) = (place, group_at(ks, &key, place, group)) else { return cx.reply.int(0) };
    let Some(ids) = ids_from(args, 3, cx) else { return };
    let acknowledged = ks.edit_groups(&key, place, |stream| {
        let all = |group: &mut Group| ids.iter().filter(|id| group.acknowledge(**id).is_some()).count();
        stream.edit_group(group, all).unwrap_or_default()
    });
    cx.reply.int(acknowledged as i64);
    if acknowledged > 0 {
        cx.effects.itself();
        cx.effects.dirty += acknowledged as u64 - 1;
    }
}

/// Which pending entries are asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    /// Idle for at least so long, ms.
    idle: i64,
    consumer: Option<&'a [u8]>,
}

/// Reads what is asked for. An error has been answered if it is `None`.
fn wanted<'a>(args: Args<'a>, cx: &mut Context<'_, '_>) -> Option<Wanted<'a>> {
    let mut i = 3;
    let mut idle = 0;
    if args.is(3, "idle") {
        idle = integer(args, 4, cx)?;
        if args.len() < 8 {
            cx.reply.error(SYNTAX);
            return None;
        }
        i = 5;
    }
    let count = usize::try_from(integer(args, i + 2, cx)?).unwrap_or(0);
    let start = end_at(args, i, End::Start, cx)?;
    let end = end_at(args, i + 1, End::Last, cx)?;
    Some(Wanted { start, end, count, idle, consumer: args.get(i + 3) })
}

pub(super) fn xpending(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let summary = args.len() == 3;
    if !summary && !(6..=9).contains(&args.len()) {
        return cx.reply.error(SYNTAX);
    }
    let wanted = if summary { None } else { wanted(args, cx) };
    if !summary && wanted.is_none() {
        return;
    }
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let Some((_, group)) = group_at(ks, &key, place, args.at(2)) else {
        return no_group(key.bytes, args.at(2), "", cx);
    };
    match wanted {
        None => reply_summary(group, cx),
        Some(wanted) => reply_pending(group, &wanted, cx),
    }
}

fn reply_summary(group: &Group, cx: &mut Context<'_, '_>) {
    cx.reply.array(4);
    cx.reply.int(group.len() as i64);
    let Some((first, last)) = group.bounds() else {
        cx.reply.null();
        cx.reply.null();
        return cx.reply.null_array();
    };
    reply_id(first, cx);
    reply_id(last, cx);
    let owners = || group.consumers().iter().filter(|consumer| consumer.len() > 0);
    cx.reply.array(owners().count());
    for consumer in owners() {
        cx.reply.array(2);
        cx.reply.bulk(consumer.name());
        Scalar::Int(consumer.len() as i64).reply(cx.reply);
    }
}

fn reply_pending(group: &Group, wanted: &Wanted<'_>, cx: &mut Context<'_, '_>) {
    let now = now_ms(cx);
    let consumer = wanted.consumer.map(|name| group.consumer(name));
    let old = |pending: &&Pending| wanted.idle == 0 || now.saturating_sub(pending.at_ms) >= wanted.idle;
    let inside = |id: StreamId| id <= wanted.end;
    let all: alloc::vec::Vec<&Pending> = match consumer {
        Some(None) => return cx.reply.array(0),
        Some(Some(consumer)) => {
            let ids = consumer.owned_since(wanted.start).take_while(|id| inside(*id));
            ids.filter_map(|id| group.pending(id)).filter(old).take(wanted.count).collect()
        }
        None => {
            let all = group.pending_since(wanted.start).take_while(|pending| inside(pending.id));
            all.filter(old).take(wanted.count).collect()
        }
    };
    cx.reply.array(all.len());
    for pending in all {
        cx.reply.array(4);
        reply_id(pending.id, cx);
        cx.reply.bulk(pending.owner.name());
        cx.reply.int(now.saturating_sub(pending.at_ms).max(0));
        cx.reply.int(i64::try_from(pending.deliveries).unwrap_or(i64::MAX));
    }
}
