//! COMMAND: the table of commands, for people and tools.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::server::{Cx, Server};
use super::super::{Session, Table};
use crate::dataset::{Flags, Spec};
use crate::resp::{Args, Reply};

/// The names that COMMAND INFO gives to flags.
const FLAG_NAMES: [(Flags, &str); 15] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::BLOCKING, "blocking"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
];

fn categories(spec: &Spec) -> Vec<&'static str> {
    let f = spec.flags;
    let mut list = Vec::new();
    let group = match spec.group {
        "generic" => "@keyspace",
        "transactions" => "@transaction",
        "pubsub" => "@pubsub",
        "connection" => "@connection",
        "string" => "@string",
        "hash" => "@hash",
        "list" => "@list",
        "set" => "@set",
        "sorted-set" => "@sortedset",
        "stream" => "@stream",
        "bitmap" => "@bitmap",
        "hyperloglog" => "@hyperloglog",
        "geo" => "@geo",
        _ => "@admin",
    };
    if group != "@admin" || f.has(Flags::ADMIN) {
        list.push(group);
    }
    if f.has(Flags::WRITE) {
        list.push("@write");
    }
    if f.has(Flags::READONLY) {
        list.push("@read");
    }
    if f.has(Flags::ADMIN) {
        list.push("@dangerous");
    }
    if f.has(Flags::BLOCKING) {
        list.push("@blocking");
    }
    list.push(if f.has(Flags::FAST) { "@fast" } else { "@slow" });
    list
}

fn subcommands_of<R>(table: &Table<R>, spec: &Spec) -> Vec<&'static Spec> {
    let prefix = format!("{}|", spec.name);
    table.iter().filter(|s| s.name.starts_with(&prefix)).collect()
}

fn write_info<R>(table: &Table<R>, r: &mut Reply<'_>, spec: &Spec) {
    let flags: Vec<&str> = FLAG_NAMES.iter().filter(|(f, _)| spec.flags.has(*f)).map(|(_, n)| *n).collect();
    r.array(10);
    r.bulk(spec.name.as_bytes());
    r.int(i64::from(spec.arity));
    r.set(flags.len());
    flags.iter().for_each(|f| r.simple(f));
    r.int(i64::from(spec.keys.first));
    r.int(i64::from(spec.keys.last));
    r.int(i64::from(spec.keys.step));
    let categories = categories(spec);
    r.set(categories.len());
    categories.iter().for_each(|c| r.simple(c));
    // Tips and key specifications: sets, as Redis has them.
    r.set(0);
    r.set(0);
    let subs = subcommands_of(table, spec);
    r.array(subs.len());
    subs.iter().for_each(|s| write_info(table, r, s));
}

fn write_docs<R>(table: &Table<R>, r: &mut Reply<'_>, spec: &Spec) {
    r.bulk(spec.name.as_bytes());
    let subs = subcommands_of(table, spec);
    r.map(3 + usize::from(!subs.is_empty()));
    r.bulk(b"summary");
    r.bulk(spec.summary.as_bytes());
    r.bulk(b"since");
    r.bulk(spec.since.as_bytes());
    r.bulk(b"group");
    r.bulk(spec.group.as_bytes());
    if !subs.is_empty() {
        r.bulk(b"subcommands");
        r.map(subs.len());
        subs.iter().for_each(|s| write_docs(table, r, s));
    }
}

fn top_level<R>(table: &Table<R>) -> Vec<&'static Spec> {
    table.iter().filter(|s| !s.name.contains('|')).collect()
}

pub(super) fn command<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let table = &server.clients().table;
    let all = top_level(table);
    let mut r = s.reply();
    r.array(all.len());
    all.iter().for_each(|spec| write_info(table, &mut r, spec));
}

pub(super) fn count<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let table = &server.clients().table;
    let n = top_level(table).len();
    s.reply().int(n as i64);
}

pub(super) fn info<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    if args.len() == 2 {
        return command(server, s, args, cx);
    }
    let table = &server.clients().table;
    let mut r = s.reply();
    r.array(args.len() - 2);
    for name in args.from(2).iter() {
        match table.find(name) {
            Some(found) => write_info(table, &mut r, found.spec),
            None => r.null_array(),
        }
    }
}

pub(super) fn docs<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let table = &server.clients().table;
    let specs: Vec<&Spec> = if args.len() == 2 {
        top_level(table)
    } else {
        args.from(2).iter().filter_map(|n| table.find(n)).map(|f| f.spec).collect()
    };
    let mut r = s.reply();
    r.map(specs.len());
    specs.iter().for_each(|spec| write_docs(table, &mut r, spec));
}

pub(super) fn list<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let table = &server.clients().table;
    let mut names: Vec<&str> = table.iter().map(|spec| spec.name).collect();
    if args.len() > 2 {
        if args.len() != 5 || !args.is(2, "FILTERBY") {
            return s.reply().error(super::SYNTAX);
        }
        let value = args.at(4);
        if args.is(3, "PATTERN") {
            names.retain(|n| crate::glob::matches(value, n.as_bytes()));
        } else if args.is(3, "ACLCAT") {
            let wanted = String::from_utf8_lossy(value).to_lowercase();
            names.retain(|n| {
                table
                    .find(n.as_bytes())
                    .is_some_and(|f| categories(f.spec).iter().any(|c| c.trim_start_matches('@') == wanted))
            });
        } else if args.is(3, "MODULE") {
            names.clear();
        } else {
            return s.reply().error(super::SYNTAX);
        }
    }
    let mut r = s.reply();
    r.array(names.len());
    names.iter().for_each(|n| r.bulk(n.as_bytes()));
}

pub(super) fn getkeys<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let table = &server.clients().table;
    let command = args.from(2);
    let Some(found) = table.find(command.at(0)) else {
        return s.reply().error("ERR Invalid command specified");
    };
    if found.spec.keys.is_none() {
        return s.reply().error("ERR The command has no key arguments");
    }
    let least = usize::from(found.spec.arity.unsigned_abs());
    if (found.spec.arity >= 0 && command.len() != least) || command.len() < least {
        return s.reply().error("ERR Invalid number of arguments specified for command");
    }
    let Some(keys) = found.spec.keys.keys(command) else {
        return s.reply().error("ERR Invalid arguments specified for command");
    };
    let mut r = s.reply();
    r.array(keys.len());
    keys.iter().for_each(|key| r.bulk(key));
}

pub(super) fn help<S: Server>(_: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    super::help(
        &mut s.reply(),
        "COMMAND",
        &[
            "(no subcommand)",
            "    Show all commands.",
            "COUNT",
            "    Count the commands.",
            "DOCS [<command-name> [...]]",
            "    Describe commands.",
            "GETKEYS <full-command>",
            "    Show the keys of a command.",
            "INFO [<command-name> [...]]",
            "    Show the properties of commands.",
            "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
            "    List the names of commands.",
        ],
    );
}
