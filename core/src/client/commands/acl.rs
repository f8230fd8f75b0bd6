//! ACL: users, seen and changed.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::clients::UserFile;
use super::super::server::{Cx, Server};
use super::super::{Access as _, Blocked, CloseWhen, Session, listens_unduly};
use super::{NOT_AN_INTEGER, int, subcommand_name};
use crate::acl::{self, CATEGORIES};
use crate::dataset::Flags;
use crate::machine::{Action, Job};
use crate::resp::Args;

/// Entries that `ACL LOG` shows when it is not told how many.
const SHOWN: usize = 10;
/// Bits of a password that `ACL GENPASS` makes when it is not told how many, and at most.
const BITS: i64 = 256;
const MAX_BITS: i64 = 4096;

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the \
Redis configuration.";

pub(super) fn whoami<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let name = server.clients().users.get(s.user).name();
    s.reply().bulk(name);
}

pub(super) fn users<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let users = server.clients().users.iter();
    let mut r = s.reply();
    r.array(users.len());
    users.for_each(|user| r.bulk(user.name()));
}

pub(super) fn list<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let users = server.clients().users.iter();
    let mut r = s.reply();
    r.array(users.len());
    users.for_each(|user| r.bulk(&user.line()));
    r.keep_secret();
}

pub(super) fn getuser<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let Some(user) = server.clients().users.by_name(args.at(2)) else { return s.reply().null_array() };
    let mut r = s.reply();
    let mut permissions = user.permissions();
    let [commands, keys, channels] = permissions.next().unwrap_or_default();
    r.map(6);
    r.bulk(b"flags");
    r.set(user.flags().count());
    user.flags().for_each(|flag| r.bulk(flag.as_bytes()));
    r.bulk(b"passwords");
    let hashes = user.password_hashes();
    r.array(hashes.len());
    hashes.for_each(|hash| r.bulk(hash.as_bytes()));
    for (field, value) in [("commands", commands), ("keys", keys), ("channels", channels)] {
        r.bulk(field.as_bytes());
        r.bulk(&value);
    }
    let selectors: Vec<_> = permissions.collect();
    r.bulk(b"selectors");
    r.array(selectors.len());
    for [commands, keys, channels] in selectors {
        r.map(3);
        for (field, value) in [("commands", commands), ("keys", keys), ("channels", channels)] {
            r.bulk(field.as_bytes());
            r.bulk(&value);
        }
    }
    r.keep_secret();
}

pub(super) fn setuser<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let name = args.at(2);
    if !acl::valid_name(name) {
        return s.reply().error("ERR Usernames can't contain spaces or null characters");
    }
    let rules = match acl::merge_selectors(args.from(3).iter()) {
        Ok(rules) => rules,
        Err(first) => {
            let mut r = s.reply();
            r.error_fmt(format_args!("ERR Unmatched parenthesis in acl selector starting at '{first}'."));
            return r.keep_secret();
        }
    };
    let channels = server.new_users_have_channels();
    let clients = server.clients_mut();
    let mut user = clients.users.draft(name, &clients.commands, channels);
    for rule in &rules {
        if let Err(error) = user.apply(&clients.commands, rule, channels) {
            let rule = String::from_utf8_lossy(rule);
            let mut r = s.reply();
            r.error_fmt(format_args!("ERR Error in ACL SETUSER modifier '{rule}': {error}"));
            return r.keep_secret();
        }
    }
    let before = clients.users.by_name(name).cloned();
    let Some(id) = clients.users.put(user) else {
        return s.reply().error_fmt(format_args!("ERR {}", acl::LoadError::TooMany));
    };
    if let Some(before) = before {
        server.end_listeners(id, &before, cx);
        let users = &server.clients().users;
        if s.user == id && users.get(id).lost_channels(&before) && listens_unduly(s, users) {
            s.close(CloseWhen::Drained);
        }
    }
    s.reply().ok();
}

pub(super) fn deluser<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    if args.from(2).iter().any(|name| name == b"default") {
        return s.reply().error("ERR The 'default' user cannot be removed");
    }
    let users = &mut server.clients_mut().users;
    let gone: Vec<acl::UserId> = args.from(2).iter().filter_map(|name| users.remove(name)).collect();
    server.end_users(&gone, s, cx);
    s.reply().int(gone.len() as i64);
}

pub(super) fn cat<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    match args.len() {
        2 => {
            let mut r = s.reply();
            r.array(CATEGORIES.len());
            CATEGORIES.iter().for_each(|name| r.bulk(name.as_bytes()));
        }
        3 => match server.clients().commands.in_category(args.at(2)) {
            None => {
                let name = String::from_utf8_lossy(args.at(2)).into_owned();
                s.reply().error_fmt(format_args!("ERR Unknown category '{name}'"));
            }
            Some(names) => {
                let names: Vec<&str> = names.collect();
                let mut r = s.reply();
                r.array(names.len());
                names.iter().for_each(|name| r.bulk(name.as_bytes()));
            }
        },
        _ => wrong_arguments(s, args),
    }
}

fn wrong_arguments(s: &mut Session, args: Args<'_>) {
    let sub = String::from_utf8_lossy(args.at(1)).into_owned();
    s.reply().error_fmt(format_args!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try ACL HELP."));
}

pub(super) fn genpass<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let bits = match args.len() {
        2 => BITS,
        3 => match int(args, 2) {
            Some(bits) => bits,
            None => return s.reply().error(NOT_AN_INTEGER),
        },
        _ => return wrong_arguments(s, args),
    };
    if !(1..=MAX_BITS).contains(&bits) {
        return s.reply().error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        );
    }
    let digits: [u8; (MAX_BITS / 4) as usize] = server.clients_mut().secrets.hex();
    let len = bits.unsigned_abs().div_ceil(4) as usize;
    let mut r = s.reply();
    r.bulk(digits.get(..len).unwrap_or(&digits));
    r.keep_secret();
}

pub(super) fn dryrun<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let clients = server.clients();
    let text = |i: usize| String::from_utf8_lossy(args.at(i)).into_owned();
    let Some(id) = clients.users.id(args.at(2)) else {
        return s.reply().error_fmt(format_args!("ERR User '{}' not found", text(2)));
    };
    let command = args.from(3);
    let table = &clients.table;
    let Some(mut found) = table.find_called(command.at(0)) else {
        return s.reply().error_fmt(format_args!("ERR Command '{}' not found", text(3)));
    };
    if found.spec.flags.has(Flags::CONTAINER) && command.len() > 1 {
        let sub = subcommand_name(found.spec.name, command.at(1)).and_then(|name| table.find(&name));
        match sub {
            Some(sub) => found = sub,
            None => return s.reply().error_fmt(format_args!("ERR Command '{}' not found", text(3))),
        }
    }
    let least = usize::from(found.spec.arity.unsigned_abs());
    if (found.spec.arity >= 0 && command.len() != least) || command.len() < least {
        let name = found.spec.name;
        return s.reply().error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
    }
    match clients.users.check(id, &clients.commands, found.index, command) {
        Ok(()) | Err(acl::Denied::Sort(_)) => s.reply().ok(),
        Err(denied) => s.reply().bulk(denied.verdict().as_bytes()),
    }
}

pub(super) fn log<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let most = match args.len() {
        2 => SHOWN,
        3 if args.is(2, "RESET") => {
            server.clients_mut().denials.clear();
            return s.reply().ok();
        }
        3 => match int(args, 2) {
            Some(n) => usize::try_from(n).unwrap_or(0),
            None => return s.reply().error(NOT_AN_INTEGER),
        },
        _ => return wrong_arguments(s, args),
    };
    let entries = server.clients().denials.iter();
    let mut r = s.reply();
    r.array(entries.len().min(most));
    for e in entries.take(most) {
        r.map(10);
        r.bulk(b"count");
        r.int(e.count as i64);
        r.bulk(b"reason");
        r.bulk(e.what.word().as_bytes());
        r.bulk(b"context");
        r.bulk(e.context.word().as_bytes());
        r.bulk(b"object");
        r.bulk(&e.object);
        r.bulk(b"username");
        r.bulk(&e.user);
        r.bulk(b"age-seconds");
        r.double(cx.now.mono.since(e.last.mono).as_millis() as f64 / 1000.0);
        r.bulk(b"client-info");
        r.bulk(e.client.as_bytes());
        r.bulk(b"entry-id");
        r.int(e.id as i64);
        r.bulk(b"timestamp-created");
        r.int(e.first.unix_ms as i64);
        r.bulk(b"timestamp-last-updated");
        r.int(e.last.unix_ms as i64);
    }
}

pub(super) fn load<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let file = server.settings().aclfile.clone();
    if file.is_empty() {
        return s.reply().error(NO_FILE);
    }
    server.read_users(UserFile::Load(s.conn), &file, cx);
    s.blocked = Some(Blocked::Saving);
}

pub(super) fn save<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let file = server.settings().aclfile.clone();
    if file.is_empty() {
        return s.reply().error(NO_FILE);
    }
    let op = server.ids().op();
    let clients = server.clients_mut();
    let bytes = clients.users.file().into();
    clients.user_files.push((op, UserFile::Save(s.conn)));
    cx.out.push(Action::Start { op, job: Job::Replace { file: (*file).into(), bytes } });
    s.blocked = Some(Blocked::Saving);
}

pub(super) fn help<S: Server>(_: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    super::help(
        &mut s.reply(),
        "ACL",
        &[
            "CAT [<category>]",
            "    Show the categories of commands, or the commands of one.",
            "DELUSER <username> [<username> ...]",
            "    Remove users, and end their connections.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Tell whether the user may run the command, without running it.",
            "GENPASS [<bits>]",
            "    Make a password, of 256 bits unless told otherwise.",
            "GETUSER <username>",
            "    Show the rules of a user.",
            "LIST",
            "    Show all users in the form of a file.",
            "LOAD",
            "    Take the users of the file in place of those there are.",
            "LOG [<count> | RESET]",
            "    Show what was denied lately, or forget it.",
            "SAVE",
            "    Write the users to the file.",
            "SETUSER <username> [<rule> ...]",
            "    Make a user, or change one by rules.",
            "USERS",
            "    Show the names of all users.",
            "WHOAMI",
            "    Show as whom the connection acts.",
        ],
    );
}
