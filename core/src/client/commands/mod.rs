//! The commands that a node and a sentinel serve alike: their rows of the table, and one file for each group.

mod acl;
mod client;
mod connection;
pub(crate) mod facts;
mod introspect;
pub(crate) mod keyuse;
mod pubsub;

use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use connection::container;

use super::server::Server;
use crate::dataset::{Flags, KeySpec, Spec};
use crate::resp::{Args, Reply};

/// What the rows of a command table are written with.
pub(crate) mod row {
    use super::{Flags, KeySpec};

    pub(crate) const NONE: KeySpec = KeySpec::NONE;

    /// Flags by their first letters, to keep a row on a line.
    pub(crate) const A: Flags = Flags::ADMIN.and(Flags::NOSCRIPT);
    pub(crate) const C: Flags = Flags::CONTAINER;
    pub(crate) const F: Flags = Flags::FAST;
    pub(crate) const L: Flags = Flags::LOADING.and(Flags::STALE);
    pub(crate) const N: Flags = Flags::NOSCRIPT;
    pub(crate) const P: Flags = Flags::PUBSUB;
    pub(crate) const ALONE: Flags = Flags::NO_MULTI;
    pub(crate) const AUTH: Flags = Flags::NO_AUTH;
    pub(crate) const BUSY: Flags = Flags::ALLOW_BUSY;
    pub(crate) const NOW: Flags = Flags::IN_MULTI;
    pub(crate) const QUIET: Flags = Flags::SKIP_MONITOR.and(Flags::SKIP_SLOWLOG);

    /// Appends rows to `list`: of a group, each with name, arity, flags, keys, first version, the function (of the room or
    /// type behind `in`) that runs it, and what it does.
    macro_rules! rows {
        (@run [$($at:tt)*] $run:ident) => { $($at)*::$run };
        ($list:ident, $server:ty, in $at:tt, $group:literal:
            $($name:literal $arity:literal [$($flag:expr),*] $keys:ident $since:literal $run:ident $summary:literal;)*
        ) => {
            $({
                static SPEC: $crate::dataset::Spec = $crate::dataset::Spec {
                    name: $name,
                    arity: $arity,
                    flags: $crate::dataset::Flags(0 $(| $flag.0)*),
                    keys: $keys,
                    group: $group,
                    since: $since,
                    summary: $summary,
                };
                let run: $crate::client::Handler<$server> = $crate::client::commands::row::rows!(@run $at $run);
                $list.push((&SPEC, run.into()));
            })*
        };
    }
    pub(crate) use rows;
}

use row::{A, ALONE, AUTH, BUSY, C, F, L, N, NONE, P, QUIET, rows};

/// Appends the rows of all commands that every server serves.
pub(crate) fn rows_for_all<S: Server>(list: &mut Vec<(&'static Spec, S::Run)>) {
    rows! { list, S, in [connection], "connection":
        "auth" -2 [N, L, F, AUTH, QUIET, BUSY] NONE "1.0.0" auth "Proves who the client is.";
        "hello" -1 [N, L, F, AUTH, QUIET, BUSY] NONE "6.0.0" hello "Agrees on the protocol version and shows what the server is.";
        "ping" -1 [F] NONE "1.0.0" ping "Answers PONG, or its argument.";
    }
    rows! { list, S, in [pubsub], "pubsub":
        "subscribe" -2 [P, N, L] NONE "2.0.0" subscribe "Listens to channels.";
        "unsubscribe" -1 [P, N, L] NONE "2.0.0" unsubscribe "Stops listening to channels.";
        "psubscribe" -2 [P, N, L] NONE "2.0.0" psubscribe "Listens to channels by patterns.";
        "punsubscribe" -1 [P, N, L] NONE "2.0.0" punsubscribe "Stops listening by patterns.";
    }
    rows! { list, S, in [connection], "connection":
        "client" -2 [C] NONE "2.4.0" container "Commands about connections.";
    }
    rows! { list, S, in [client], "connection":
        "client|getname" 2 [N, L] NONE "2.6.9" getname "Shows the connection's name.";
        "client|help" 2 [L] NONE "5.0.0" help "Shows the subcommands.";
        "client|id" 2 [N, L] NONE "5.0.0" id "Shows the connection's number.";
        "client|info" 2 [N, L] NONE "6.2.0" info "Shows the connection's line of CLIENT LIST.";
        "client|kill" -3 [A, L] NONE "2.4.0" kill "Closes connections.";
        "client|list" -2 [A, L] NONE "2.4.0" list "Shows all connections.";
        "client|no-evict" 3 [A, L] NONE "7.0.0" no_evict "Spares the connection when memory is short.";
        "client|no-touch" 3 [N, L] NONE "7.2.0" no_touch "Leaves the age of keys as it is.";
        "client|pause" -3 [A, L] NONE "2.9.50" pause "Holds commands back for a while.";
        "client|reply" 3 [N, L] NONE "3.2.0" reply "Says whether commands are answered.";
        "client|setinfo" 4 [N, L] NONE "7.2.0" setinfo "Names the client's library.";
        "client|setname" 3 [N, L] NONE "2.6.9" setname "Names the connection.";
        "client|unblock" -3 [A, L] NONE "5.0.0" unblock "Ends a client's wait.";
        "client|unpause" 2 [A, L] NONE "6.2.0" unpause "Ends a pause.";
    }
    rows! { list, S, in [connection], "server":
        "acl" -2 [C] NONE "6.0.0" container "Commands about users.";
    }
    rows! { list, S, in [acl], "server":
        "acl|cat" -2 [N, L] NONE "6.0.0" cat "Shows the categories of commands, or the commands of one.";
        "acl|deluser" -3 [A, L] NONE "6.0.0" deluser "Removes users and ends their connections.";
        "acl|dryrun" -4 [A, L] NONE "7.0.0" dryrun "Tells whether a user may run a command, without running it.";
        "acl|genpass" -2 [N, L] NONE "6.0.0" genpass "Makes a password.";
        "acl|getuser" 3 [A, L] NONE "6.0.0" getuser "Shows the rules of a user.";
        "acl|help" 2 [L] NONE "6.0.0" help "Shows the subcommands.";
        "acl|list" 2 [A, L] NONE "6.0.0" list "Shows all users in the form of a file.";
        "acl|load" 2 [A, L, ALONE] NONE "6.0.0" load "Takes the users of the file in place of those there are.";
        "acl|log" -2 [A, L] NONE "6.0.0" log "Shows what was denied lately.";
        "acl|save" 2 [A, L, ALONE] NONE "6.0.0" save "Writes the users to the file.";
        "acl|setuser" -3 [A, L] NONE "6.0.0" setuser "Makes a user, or changes one by rules.";
        "acl|users" 2 [A, L] NONE "6.0.0" users "Shows the names of all users.";
        "acl|whoami" 2 [N, L] NONE "6.0.0" whoami "Shows as whom the connection acts.";
    }
    rows! { list, S, in [introspect], "server":
        "command" -1 [C, L] NONE "2.8.13" command "Shows the commands.";
        "command|count" 2 [L] NONE "2.8.13" count "Counts the commands.";
        "command|docs" -2 [L] NONE "7.0.0" docs "Describes commands.";
        "command|getkeysandflags" -4 [L] NONE "7.0.0" getkeysandflags "Shows the keys of a command, and what it does to each.";
        "command|getkeys" -4 [L] NONE "2.8.13" getkeys "Shows the keys of a command.";
        "command|help" 2 [L] NONE "5.0.0" help "Shows the subcommands.";
        "command|info" -2 [L] NONE "2.8.13" info "Shows the properties of commands.";
        "command|list" -2 [L] NONE "7.0.0" list "Lists the names of commands.";
    }
}

/// The table's key of a subcommand: `container|sub`, or nothing for a name that is too long to be one.
pub(super) fn subcommand_name(container: &str, sub: &[u8]) -> Option<smallvec::SmallVec<[u8; 48]>> {
    if sub.len() > 32 {
        return None;
    }
    let mut name = smallvec::SmallVec::from_slice(container.as_bytes());
    name.push(b'|');
    name.extend_from_slice(sub);
    Some(name)
}

/// The error for a subcommand that is not there.
pub(crate) fn unknown_subcommand(container: &str, sub: &[u8]) -> String {
    let sub = String::from_utf8_lossy(&sub[..sub.len().min(128)]);
    if container == "debug" {
        return alloc::format!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try DEBUG HELP.");
    }
    alloc::format!("ERR unknown subcommand '{sub}'. Try {} HELP.", container.to_uppercase())
}

/// Redis's general complaint.
pub(crate) const SYNTAX: &str = "ERR syntax error";
/// Redis's complaint about a number.
pub(crate) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// The lines of a HELP answer, title and footer as Redis writes them.
pub(crate) fn help(reply: &mut Reply<'_>, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.simple(&alloc::format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// A whole number that fits 64 bits.
pub(crate) fn int(args: Args<'_>, i: usize) -> Option<i64> {
    crate::resp::parse_i64(args.at(i))
}
