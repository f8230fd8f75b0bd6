//! COMMAND: the table of commands, for people and tools.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::server::{Cx, Server};
use super::super::{Session, Table};
use super::{facts, keyuse, subcommand_name};
use crate::acl;
use crate::dataset::{Flags, Spec};
use crate::resp::{Args, Reply};

/// The names that COMMAND INFO gives to flags, in its order.
const FLAG_NAMES: [(Flags, &str); 19] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

/// The categories of access control that a command is in, in the order in which they are shown.
fn categories(spec: &Spec) -> impl Iterator<Item = &'static str> + Clone {
    let bits = acl::categories(spec);
    acl::CATEGORIES.iter().enumerate().filter(move |(i, _)| bits & (1 << i) != 0).map(|(_, name)| *name)
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
    r.set(categories.clone().count());
    categories.for_each(|c| r.simple(&format!("@{c}")));
    let tips: Vec<&str> = facts::tips(spec.name).collect();
    r.set(tips.len());
    tips.iter().for_each(|tip| r.bulk(tip.as_bytes()));
    keyuse::write(spec, r);
    let subs = subcommands_of(table, spec);
    // A set, if there are none.
    if subs.is_empty() {
        return r.set(0);
    }
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
            names.retain(|n| table.find(n.as_bytes()).is_some_and(|f| categories(f.spec).any(|c| c == wanted)));
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
    answer_keys(server, s, args, false);
}

pub(super) fn getkeysandflags<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    answer_keys(server, s, args, true);
}

fn answer_keys<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, flags: bool) {
    let table = &server.clients().table;
    let command = args.from(2);
    let found = table.find(command.at(0)).and_then(|found| {
        if found.spec.flags.has(Flags::CONTAINER) && command.len() > 1 {
            return table.find(&subcommand_name(found.spec.name, command.at(1))?);
        }
        Some(found)
    });
    let Some(found) = found else {
        return s.reply().error("ERR Invalid command specified");
    };
    if keyuse::has_none(found.spec) {
        return s.reply().error("ERR The command has no key arguments");
    }
    let least = usize::from(found.spec.arity.unsigned_abs());
    if (found.spec.arity >= 0 && command.len() != least) || command.len() < least {
        return s.reply().error("ERR Invalid number of arguments specified for command");
    }
    let Some(keys) = keyuse::keys(found.spec, command) else {
        return s.reply().error("ERR Invalid arguments specified for command");
    };
    let mut r = s.reply();
    r.array(keys.len());
    for (key, uses) in keys {
        if flags {
            r.array(2);
        }
        r.bulk(key);
        if flags {
            keyuse::write_flags(uses, &mut r);
        }
    }
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
            "GETKEYSANDFLAGS <full-command>",
            "    Show the keys of a command, and what it does to each.",
            "INFO [<command-name> [...]]",
            "    Show the properties of commands.",
            "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
            "    List the names of commands.",
        ],
    );
}
