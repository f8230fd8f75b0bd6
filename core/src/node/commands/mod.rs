//! The node's own commands: their table, and one file for each group.

mod config;
mod connection;
mod databases;
mod debug;
mod info;
mod introspect;
mod pubsub;
mod replication;
mod scripts;
mod server;
mod transaction;

use alloc::vec::Vec;

pub(super) use config::Rewrite;
pub(super) use info::{EXPIRED_LOOKED_AT, address};
pub(super) use replication::write_acknowledged;

use super::{Node, Run};
use crate::client::commands::row::{A, ALONE, AUTH, BUSY, C, F, L, N, NONE, NOW, P, rows};
use crate::client::commands::{self, NOT_AN_INTEGER, SYNTAX, help, int};
use crate::dataset::{Dataset, Flags, KeySpec, Spec};

const ALL: KeySpec = KeySpec::fixed(1, -1, 1);
const BEHIND_2: KeySpec = KeySpec::NONE.counted(2);

// Flags of a node's own rows, beside those of `client::commands::row`.
const ADMIN: Flags = Flags::ADMIN;
const R: Flags = Flags::READONLY;
const W: Flags = Flags::WRITE;
const SYNC: Flags = Flags::NO_ASYNC_LOADING;
const ST: Flags = Flags::STALE;
const NOLOG: Flags = Flags::SKIP_SLOWLOG;
const TELL: Flags = Flags::MAY_REPLICATE;
const WAITS: Flags = Flags::BLOCKING;
const HIDDEN: Flags = Flags::SKIP_MONITOR;
const MOVABLE: Flags = Flags::MOVABLE_KEYS;
const KEYLESS: Flags = Flags::NO_MANDATORY_KEYS;

/// Everything that a node over `data` executes, each with what runs it. A subcommand's row is named `container|sub`.
pub(super) fn all<D: Dataset>(data: &D) -> Vec<(&'static Spec, Run<D>)> {
    let mut list: Vec<(&'static Spec, Run<D>)> =
        data.commands().iter().enumerate().map(|(i, spec)| (spec, Run::Data(i))).collect();
    commands::rows_for_all::<Node<D>>(&mut list);
    connection_rows(&mut list);
    server_rows(&mut list);
    container_rows(&mut list);
    script_rows(&mut list);
    list
}

fn connection_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    rows! { list, Node<D>, in [Node::<D>], "connection":
        "echo" 2 [L, F] NONE "1.0.0" cmd_echo "Answers its argument.";
        "quit" -1 [N, L, F, AUTH, NOW, BUSY] NONE "1.0.0" cmd_quit "Closes the connection after the answer.";
        "reset" 1 [N, L, F, AUTH, NOW, BUSY] NONE "6.2.0" cmd_reset "Brings the connection back to how it began.";
        "select" 2 [L, F] NONE "1.0.0" cmd_select "Changes the database of the connection.";
    }
    rows! { list, Node<D>, in [Node::<D>], "transactions":
        "multi" 1 [N, L, F, NOW, BUSY] NONE "1.2.0" cmd_multi "Begins a transaction.";
        "exec" 1 [N, L, NOW, NOLOG] NONE "1.2.0" cmd_exec "Runs the commands of a transaction as one.";
        "discard" 1 [N, L, F, NOW, BUSY] NONE "2.0.0" cmd_discard "Forgets a transaction.";
        "watch" -2 [N, L, F, NOW, BUSY] ALL "2.2.0" cmd_watch "Makes the next transaction fail if one of the keys changes before it.";
        "unwatch" 1 [N, L, F, BUSY] NONE "2.2.0" cmd_unwatch "Forgets all watched keys.";
    }
    rows! { list, Node<D>, in [Node::<D>], "pubsub":
        "publish" 3 [P, L, F, TELL] NONE "2.0.0" cmd_publish "Sends a message to all who listen to a channel.";
    }
}

fn server_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    rows! { list, Node<D>, in [Node::<D>], "server":
        "bgsave" -1 [A, SYNC] NONE "1.0.0" cmd_bgsave "Writes a snapshot to the disk while commands go on.";
        "dbsize" 1 [R, F] NONE "1.0.0" cmd_dbsize "Counts the keys of the database.";
        "failover" -1 [A, ST] NONE "6.2.0" cmd_failover "Hands over to a replica, and loses nothing.";
        "flushall" -1 [W] NONE "1.0.0" cmd_flushall "Removes all keys of all databases.";
        "flushdb" -1 [W] NONE "1.0.0" cmd_flushdb "Removes all keys of the database.";
        "info" -1 [L] NONE "1.0.0" cmd_info "Shows what the server is and does.";
        "lastsave" 1 [L, F] NONE "1.0.0" cmd_lastsave "Shows when the last snapshot reached the disk.";
        "lolwut" -1 [R, F] NONE "5.0.0" cmd_lolwut "Shows the version.";
        "monitor" 1 [A, L, ALONE] NONE "1.0.0" cmd_monitor "Shows every command that the server runs.";
        "psync" -3 [A, ALONE, SYNC] NONE "2.8.0" cmd_psync "Begins or resumes replication.";
        "replconf" -1 [A, L, BUSY] NONE "3.0.0" cmd_replconf "Talks about replication between master and replica.";
        "replicaof" 3 [A, ST, SYNC] NONE "5.0.0" cmd_replicaof "Follows a master, or becomes one.";
        "role" 1 [N, L, F] NONE "2.8.12" cmd_role "Shows the role in replication.";
        "save" 1 [A, ALONE, SYNC] NONE "1.0.0" cmd_save "Writes a snapshot to the disk and answers when it is there.";
        "shutdown" -1 [A, L, ALONE, BUSY] NONE "1.0.0" cmd_shutdown "Saves what is to be saved and ends the server.";
        "slaveof" 3 [A, ST, SYNC] NONE "1.0.0" cmd_replicaof "The old name of REPLICAOF.";
        "swapdb" 3 [W, F] NONE "4.0.0" cmd_swapdb "Exchanges two databases.";
        "sync" 1 [A, ALONE, SYNC] NONE "1.0.0" cmd_sync "Begins replication the old way.";
        "time" 1 [L, F] NONE "2.6.0" cmd_time "Shows the server's time.";
    }
    rows! { list, Node<D>, in [Node::<D>], "generic":
        "wait" 3 [N] NONE "3.0.0" cmd_wait "Waits until replicas have the client's writes.";
        "waitaof" 4 [WAITS] NONE "7.2.0" cmd_waitaof "Waits until the client's writes are in append-only files.";
    }
}

fn container_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    rows! { list, Node<D>, in [commands], "pubsub":
        "pubsub" -2 [C] NONE "2.8.0" container "Commands about subscriptions.";
    }
    rows! { list, Node<D>, in [commands], "server":
        "config" -2 [C] NONE "2.0.0" container "Commands about the configuration.";
        "debug" -2 [C, A, L] NONE "1.0.0" container "Commands for tests.";
        "latency" -2 [C] NONE "2.8.13" container "Commands about slow moments.";
        "slowlog" -2 [C] NONE "2.2.12" container "Commands about slow commands.";
    }
    rows! { list, Node<D>, in [Node::<D>], "pubsub":
        "pubsub|channels" -2 [P, L] NONE "2.8.0" pubsub_channels "Shows channels that somebody listens to.";
        "pubsub|help" 2 [L] NONE "6.2.0" pubsub_help "Shows the subcommands.";
        "pubsub|numpat" 2 [P, L] NONE "2.8.0" pubsub_numpat "Counts patterns that somebody listens by.";
        "pubsub|numsub" -2 [P, L] NONE "2.8.0" pubsub_numsub "Counts who listens to channels.";
    }
    rows! { list, Node<D>, in [Node::<D>], "server":
        "config|get" -3 [A, L] NONE "2.0.0" config_get "Shows directives.";
        "config|help" 2 [L] NONE "5.0.0" config_help "Shows the subcommands.";
        "config|resetstat" 2 [A, L] NONE "2.0.0" config_resetstat "Begins the statistics anew.";
        "config|rewrite" 2 [A, L] NONE "2.8.0" config_rewrite "Writes the configuration to its file.";
        "config|set" -4 [A, L] NONE "2.0.0" config_set "Changes directives.";
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
        "latency|doctor" 2 [A, L] NONE "2.8.13" latency_doctor "Explains slow moments.";
        "latency|graph" 3 [A, L] NONE "2.8.13" latency_graph "Draws the history of an event.";
        "latency|help" 2 [L] NONE "2.8.13" latency_help "Shows the subcommands.";
        "latency|histogram" -2 [A, L] NONE "7.0.0" latency_histogram "Shows how long commands took.";
        "latency|history" 3 [A, L] NONE "2.8.13" latency_history "Shows the history of an event.";
        "latency|latest" 2 [A, L] NONE "2.8.13" latency_latest "Shows the last of each event.";
        "latency|reset" -2 [A, L] NONE "2.8.13" latency_reset "Forgets events.";
        "slowlog|get" -2 [ADMIN, L] NONE "2.2.12" slowlog_get "Shows slow commands.";
        "slowlog|help" 2 [L] NONE "6.2.0" slowlog_help "Shows the subcommands.";
        "slowlog|len" 2 [ADMIN, L] NONE "2.2.12" slowlog_len "Counts slow commands.";
        "slowlog|reset" 2 [ADMIN, L] NONE "2.2.12" slowlog_reset "Forgets slow commands.";
    }
}

fn script_rows<D: Dataset>(list: &mut Vec<(&'static Spec, Run<D>)>) {
    rows! { list, Node<D>, in [Node::<D>], "scripting":
        "eval" -3 [N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "2.6.0" cmd_eval "Runs a script: not had here.";
        "eval_ro" -3 [R, N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "7.0.0" cmd_eval "Runs a script that only reads: not had here.";
        "evalsha" -3 [N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "2.6.0" cmd_eval "Runs a script by its sum: not had here.";
        "evalsha_ro" -3 [R, N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "7.0.0" cmd_eval "Runs a script that only reads by its sum: not had here.";
        "fcall" -3 [N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "7.0.0" cmd_fcall "Runs a function: not had here.";
        "fcall_ro" -3 [R, N, ST, HIDDEN, KEYLESS, MOVABLE] BEHIND_2 "7.0.0" cmd_fcall "Runs a function that only reads: not had here.";
        "script|debug" 3 [N] NONE "3.2.0" script_debug "Debugs scripts: not had here.";
        "script|exists" -3 [N] NONE "2.6.0" script_exists "Tells which scripts are there: none.";
        "script|flush" -2 [N] NONE "2.6.0" script_flush "Forgets all scripts.";
        "script|help" 2 [L] NONE "5.0.0" script_help "Shows the subcommands.";
        "script|kill" 2 [N, BUSY] NONE "2.6.0" script_kill "Ends the script that runs.";
        "script|load" 3 [N, ST] NONE "2.6.0" script_load "Keeps a script: not had here.";
    }
    rows! { list, Node<D>, in [commands], "scripting":
        "script" -2 [C] NONE "2.6.0" container "Commands about scripts.";
    }
}
