//! The node's own commands: their table, and one file for each group.

mod client;
mod config;
mod connection;
mod databases;
mod debug;
mod info;
mod introspect;
mod pubsub;
mod replication;
mod server;
mod transaction;

use alloc::string::String;
use alloc::vec::Vec;

pub(super) use config::Rewrite;

use super::{Node, Run};
use crate::client::Table;
use crate::dataset::{Dataset, Flags, KeySpec, Spec};
use crate::resp::{Args, Reply};

const NONE: KeySpec = KeySpec { first: 0, last: 0, step: 0 };
const ALL: KeySpec = KeySpec { first: 1, last: -1, step: 1 };

/// Flags by their first letters, to keep a row on a line.
const A: Flags = Flags::ADMIN.and(Flags::NOSCRIPT);
const F: Flags = Flags::FAST;
const L: Flags = Flags::LOADING.and(Flags::STALE);
const N: Flags = Flags::NOSCRIPT;
const P: Flags = Flags::PUBSUB;
const R: Flags = Flags::READONLY;
const W: Flags = Flags::WRITE;
const C: Flags = Flags::CONTAINER;
const AUTH: Flags = Flags::NO_AUTH;
const NOW: Flags = Flags::IN_MULTI;
const ALONE: Flags = Flags::NO_MULTI;
const QUIET: Flags = Flags::SKIP_MONITOR.and(Flags::SKIP_SLOWLOG);
const SYNC: Flags = Flags::NO_ASYNC_LOADING;
const ST: Flags = Flags::STALE;
const NOLOG: Flags = Flags::SKIP_SLOWLOG;
const TELL: Flags = Flags::MAY_REPLICATE;

macro_rules! own {
    ($list:ident, $group:literal: $($name:literal $arity:literal [$($flag:expr),*] $keys:ident $since:literal $run:ident $summary:literal;)*) => {
        $({
            static SPEC: Spec = Spec {
                name: $name,
                arity: $arity,
                flags: Flags(0 $(| $flag.0)*),
                keys: $keys,
                group: $group,
                since: $since,
                summary: $summary,
            };
            $list.push((&SPEC, Run::Own(Node::<D>::$run)));
        })*
    };
}

/// The table of everything that a node over `data` executes. A subcommand's row is named `container|sub`.
pub(super) fn table<D: Dataset>(data: &D) -> Table<Run<D>> {
    let mut list: Vec<(&'static Spec, Run<D>)> =
        data.commands().iter().enumerate().map(|(i, spec)| (spec, Run::Data(i))).collect();
    connection_rows(&mut list);
    server_rows(&mut list);
    container_rows(&mut list);
    Table::new(list)
}

fn connection_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    own! { list, "connection":
        "auth" -2 [N, L, F, AUTH, QUIET] NONE "1.0.0" cmd_auth "Proves who the client is.";
        "echo" 2 [L, F] NONE "1.0.0" cmd_echo "Answers its argument.";
        "hello" -1 [N, L, F, AUTH, QUIET] NONE "6.0.0" cmd_hello "Agrees on the protocol version and shows what the server is.";
        "ping" -1 [F] NONE "1.0.0" cmd_ping "Answers PONG, or its argument.";
        "quit" -1 [N, L, F, AUTH, NOW] NONE "1.0.0" cmd_quit "Closes the connection after the answer.";
        "reset" 1 [N, L, F, AUTH, NOW] NONE "6.2.0" cmd_reset "Brings the connection back to how it began.";
        "select" 2 [L, F] NONE "1.0.0" cmd_select "Changes the database of the connection.";
    }
    own! { list, "transactions":
        "multi" 1 [N, L, F, NOW] NONE "1.2.0" cmd_multi "Begins a transaction.";
        "exec" 1 [N, L, NOW, NOLOG] NONE "1.2.0" cmd_exec "Runs the commands of a transaction as one.";
        "discard" 1 [N, L, F, NOW] NONE "2.0.0" cmd_discard "Forgets a transaction.";
        "watch" -2 [N, L, F, NOW] ALL "2.2.0" cmd_watch "Makes the next transaction fail if one of the keys changes before it.";
        "unwatch" 1 [N, L, F] NONE "2.2.0" cmd_unwatch "Forgets all watched keys.";
    }
    own! { list, "pubsub":
        "subscribe" -2 [P, N, L] NONE "2.0.0" cmd_subscribe "Listens to channels.";
        "unsubscribe" -1 [P, N, L] NONE "2.0.0" cmd_unsubscribe "Stops listening to channels.";
        "psubscribe" -2 [P, N, L] NONE "2.0.0" cmd_psubscribe "Listens to channels by patterns.";
        "punsubscribe" -1 [P, N, L] NONE "2.0.0" cmd_punsubscribe "Stops listening by patterns.";
        "publish" 3 [P, L, F, TELL] NONE "2.0.0" cmd_publish "Sends a message to all who listen to a channel.";
    }
}

fn server_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    own! { list, "server":
        "bgsave" -1 [A, SYNC] NONE "1.0.0" cmd_bgsave "Writes a snapshot to the disk while commands go on.";
        "dbsize" 1 [R, F] NONE "1.0.0" cmd_dbsize "Counts the keys of the database.";
        "flushall" -1 [W] NONE "1.0.0" cmd_flushall "Removes all keys of all databases.";
        "flushdb" -1 [W] NONE "1.0.0" cmd_flushdb "Removes all keys of the database.";
        "info" -1 [L] NONE "1.0.0" cmd_info "Shows what the server is and does.";
        "lastsave" 1 [L, F] NONE "1.0.0" cmd_lastsave "Shows when the last snapshot reached the disk.";
        "lolwut" -1 [R, F] NONE "5.0.0" cmd_lolwut "Shows the version.";
        "monitor" 1 [A, L, ALONE] NONE "1.0.0" cmd_monitor "Shows every command that the server runs.";
        "psync" -3 [A, ALONE, SYNC] NONE "2.8.0" cmd_psync "Begins or resumes replication.";
        "replconf" -1 [A, L] NONE "3.0.0" cmd_replconf "Talks about replication between master and replica.";
        "replicaof" 3 [A, ST, SYNC] NONE "5.0.0" cmd_replicaof "Follows a master, or becomes one.";
        "role" 1 [N, L, F] NONE "2.8.12" cmd_role "Shows the role in replication.";
        "save" 1 [A, ALONE, SYNC] NONE "1.0.0" cmd_save "Writes a snapshot to the disk and answers when it is there.";
        "shutdown" -1 [A, L, ALONE] NONE "1.0.0" cmd_shutdown "Saves what is to be saved and ends the server.";
        "slaveof" 3 [A, ST, SYNC] NONE "1.0.0" cmd_replicaof "The old name of REPLICAOF.";
        "swapdb" 3 [W, F] NONE "4.0.0" cmd_swapdb "Exchanges two databases.";
        "sync" 1 [A, ALONE, SYNC] NONE "1.0.0" cmd_sync "Begins replication the old way.";
        "time" 1 [L, F] NONE "2.6.0" cmd_time "Shows the server's time.";
    }
    own! { list, "generic":
        "wait" 3 [N] NONE "3.0.0" cmd_wait "Waits until replicas have the client's writes.";
    }
}

fn container_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    own! { list, "connection":
        "client" -2 [C] NONE "2.4.0" cmd_container "Commands about connections.";
        "client|getname" 2 [N, L] NONE "2.6.9" client_getname "Shows the connection's name.";
        "client|help" 2 [L] NONE "5.0.0" client_help "Shows the subcommands.";
        "client|id" 2 [N, L] NONE "5.0.0" client_id "Shows the connection's number.";
        "client|info" 2 [N, L] NONE "6.2.0" client_info "Shows the connection's line of CLIENT LIST.";
        "client|kill" -3 [A, L] NONE "2.4.0" client_kill "Closes connections.";
        "client|list" -2 [A, L] NONE "2.4.0" client_list "Shows all connections.";
        "client|no-evict" 3 [A, L] NONE "7.0.0" client_no_evict "Spares the connection when memory is short.";
        "client|no-touch" 3 [N, L] NONE "7.2.0" client_no_touch "Leaves the age of keys as it is.";
        "client|pause" -3 [A, L] NONE "3.0.0" client_pause "Holds commands back for a while.";
        "client|reply" 3 [N, L] NONE "3.2.0" client_reply "Says whether commands are answered.";
        "client|setinfo" 4 [N, L] NONE "7.2.0" client_setinfo "Names the client's library.";
        "client|setname" 3 [N, L] NONE "2.6.9" client_setname "Names the connection.";
        "client|unblock" -3 [A, L] NONE "5.0.0" client_unblock "Ends a client's wait.";
        "client|unpause" 2 [A, L] NONE "6.2.0" client_unpause "Ends a pause.";
    }
    own! { list, "pubsub":
        "pubsub" -2 [C] NONE "2.8.0" cmd_container "Commands about subscriptions.";
        "pubsub|channels" -2 [P, L] NONE "2.8.0" pubsub_channels "Shows channels that somebody listens to.";
        "pubsub|help" 2 [L] NONE "6.2.0" pubsub_help "Shows the subcommands.";
        "pubsub|numpat" 2 [P, L] NONE "2.8.0" pubsub_numpat "Counts patterns that somebody listens by.";
        "pubsub|numsub" -2 [P, L] NONE "2.8.0" pubsub_numsub "Counts who listens to channels.";
    }
    own! { list, "server":
        "command" -1 [C, L] NONE "2.8.13" cmd_command "Shows the commands.";
        "command|count" 2 [L] NONE "2.8.13" command_count "Counts the commands.";
        "command|docs" -2 [L] NONE "7.0.0" command_docs "Describes commands.";
        "command|getkeys" -3 [L] NONE "2.8.13" command_getkeys "Shows the keys of a command.";
        "command|help" 2 [L] NONE "5.0.0" command_help "Shows the subcommands.";
        "command|info" -2 [L] NONE "2.8.13" command_info "Shows the properties of commands.";
        "command|list" -2 [L] NONE "7.0.0" command_list "Lists the names of commands.";
        "config" -2 [C] NONE "2.0.0" cmd_container "Commands about the configuration.";
        "config|get" -3 [A, L] NONE "2.0.0" config_get "Shows directives.";
        "config|help" 2 [L] NONE "5.0.0" config_help "Shows the subcommands.";
        "config|resetstat" 2 [A, L] NONE "2.0.0" config_resetstat "Begins the statistics anew.";
        "config|rewrite" 2 [A, L, ALONE] NONE "2.8.0" config_rewrite "Writes the configuration to its file.";
        "config|set" -4 [A, L] NONE "2.0.0" config_set "Changes directives.";
        "debug" -2 [C, A, L] NONE "1.0.0" cmd_container "Commands for tests.";
        "debug|change-repl-id" 2 [A, L] NONE "1.0.0" debug_change_repl_id "Takes a new replication id.";
        "debug|digest-value" -2 [A, L] NONE "1.0.0" debug_digest_value "Shows digests of single keys.";
        "debug|digest" 2 [A, L] NONE "1.0.0" debug_digest "Shows a digest of all data.";
        "debug|help" 2 [A, L] NONE "1.0.0" debug_help "Shows the subcommands.";
        "debug|jmap" 2 [A, L] NONE "1.0.0" debug_unsupported "Not had here.";
        "debug|log" 3 [A, L] NONE "1.0.0" debug_log "Writes a line to the log.";
        "debug|object" -3 [A, L] NONE "1.0.0" debug_object "Shows how a key is stored.";
        "debug|reload" -2 [A, L, ALONE] NONE "1.0.0" debug_reload "Saves, empties and loads the dataset.";
        "debug|set-active-expire" 3 [A, L] NONE "1.0.0" debug_set_active_expire "Turns the expiry cycle on or off.";
        "debug|sleep" 3 [A, L] NONE "1.0.0" debug_sleep "Stops the server for a while.";
        "latency" -2 [C] NONE "2.8.13" cmd_container "Commands about slow moments.";
        "latency|doctor" 2 [A, L] NONE "2.8.13" latency_doctor "Explains slow moments.";
        "latency|graph" 3 [A, L] NONE "2.8.13" latency_graph "Draws the history of an event.";
        "latency|help" 2 [L] NONE "2.8.13" latency_help "Shows the subcommands.";
        "latency|histogram" -2 [A, L] NONE "7.0.0" latency_histogram "Shows how long commands took.";
        "latency|history" 3 [A, L] NONE "2.8.13" latency_history "Shows the history of an event.";
        "latency|latest" 2 [A, L] NONE "2.8.13" latency_latest "Shows the last of each event.";
        "latency|reset" -2 [A, L] NONE "2.8.13" latency_reset "Forgets events.";
        "slowlog" -2 [C] NONE "2.2.12" cmd_container "Commands about slow commands.";
        "slowlog|get" -2 [A, L] NONE "2.2.12" slowlog_get "Shows slow commands.";
        "slowlog|help" 2 [L] NONE "6.2.0" slowlog_help "Shows the subcommands.";
        "slowlog|len" 2 [A, L] NONE "2.2.12" slowlog_len "Counts slow commands.";
        "slowlog|reset" 2 [A, L] NONE "2.2.12" slowlog_reset "Forgets slow commands.";
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
pub(super) fn unknown_subcommand(container: &str, sub: &[u8]) -> String {
    let sub = String::from_utf8_lossy(&sub[..sub.len().min(128)]);
    if container == "debug" {
        return alloc::format!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try DEBUG HELP.");
    }
    alloc::format!("ERR unknown subcommand '{sub}'. Try {} HELP.", container.to_uppercase())
}

/// Redis's general complaint.
const SYNTAX: &str = "ERR syntax error";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// The lines of a HELP answer, title and footer as Redis writes them.
fn help(reply: &mut Reply<'_>, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.simple(&alloc::format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// A whole number that fits 64 bits.
fn int(args: Args<'_>, i: usize) -> Option<i64> {
    crate::resp::parse_i64(args.at(i))
}
