//! The commands of a sentinel: their table, and one file for each kind.

mod change;
mod explain;
mod help;
mod map;
mod server;
mod show;
mod tune;
mod vote;

use alloc::vec::Vec;

pub(super) use change::Looking;
pub(super) use vote::Owed;

use super::instance::GroupId;
use super::{Cx, Sentinel};
use crate::client::commands::row::{A, C, F, L, N, NONE, P, rows};
use crate::client::{Connections as _, Dispatch as _, Handler, Session, commands};
use crate::dataset::{Flags, Spec};
use crate::ids::ConnId;
use crate::resp::{Args, Reply};

/// What SENTINEL's subcommands are, and no more.
const ADMIN: Flags = Flags::ADMIN;

/// Everything that a sentinel executes, each with what runs it. A subcommand's row is named `container|sub`.
pub(super) fn all() -> Vec<(&'static Spec, Handler<Sentinel>)> {
    let mut list = Vec::new();
    commands::rows_for_all::<Sentinel>(&mut list);
    server_rows(&mut list);
    sentinel_rows(&mut list);
    list
}

fn server_rows(list: &mut Vec<(&'static Spec, Handler<Sentinel>)>) {
    rows! { list, Sentinel, in [commands], "server":
        "sentinel" -2 [C, ADMIN] NONE "2.8.4" container "Commands about masters and those who belong to them.";
    }
    rows! { list, Sentinel, in [Sentinel], "server":
        "info" -1 [L] NONE "1.0.0" cmd_info "Shows what the sentinel is and does.";
        "role" 1 [N, L, F] NONE "2.8.12" cmd_role "Shows that this is a sentinel, and its masters.";
        "shutdown" -1 [A, L] NONE "1.0.0" cmd_shutdown "Ends the sentinel.";
    }
    rows! { list, Sentinel, in [Sentinel], "pubsub":
        "publish" 3 [P, L, F] NONE "2.0.0" cmd_publish "Takes the hello of another sentinel.";
    }
}

fn sentinel_rows(list: &mut Vec<(&'static Spec, Handler<Sentinel>)>) {
    rows! { list, Sentinel, in [Sentinel], "sentinel":
        "sentinel|ckquorum" 3 [ADMIN] NONE "2.8.4" ckquorum "Checks whether a failover could be decided on.";
        "sentinel|config" -4 [ADMIN] NONE "6.2.0" config "Shows or changes what is said of the sentinel itself.";
        "sentinel|debug" -2 [ADMIN] NONE "7.0.0" debug "Shows or changes the times that the sentinel works by.";
        "sentinel|explain" 3 [ADMIN] NONE "7.2.0" explain_command "Says what would happen if the master died now.";
        "sentinel|failover" -3 [ADMIN] NONE "2.8.4" failover "Begins a failover without asking the others.";
        "sentinel|flushconfig" 2 [ADMIN] NONE "2.8.4" flushconfig "Writes the configuration to its file.";
        "sentinel|forget-replica" 5 [ADMIN] NONE "7.2.0" forget_replica_command "Forgets one replica that is down.";
        "sentinel|forget-sentinel" 4 [ADMIN] NONE "7.2.0" forget_sentinel_command "Forgets one sentinel that is down.";
        "sentinel|get-master-addr-by-name" 3 [ADMIN] NONE "2.8.4" get_master_addr "Shows where a master is.";
        "sentinel|get-primary-addr-by-name" 3 [ADMIN] NONE "2.8.4" get_master_addr "Shows where a master is.";
        "sentinel|help" 2 [L] NONE "2.8.4" sentinel_help "Shows the subcommands.";
        "sentinel|info-cache" -3 [ADMIN] NONE "3.2.0" info_cache "Shows the last INFO of masters and replicas.";
        "sentinel|is-master-down-by-addr" 6 [ADMIN] NONE "2.8.4" is_master_down "Says whether a master is down, and votes.";
        "sentinel|is-primary-down-by-addr" 6 [ADMIN] NONE "2.8.4" is_master_down "Says whether a master is down, and votes.";
        "sentinel|master" 3 [ADMIN] NONE "2.8.4" master "Shows a master.";
        "sentinel|masters" 2 [ADMIN] NONE "2.8.4" masters "Shows all masters.";
        "sentinel|monitor" 6 [ADMIN] NONE "2.8.4" monitor_command "Watches a master.";
        "sentinel|myid" 2 [ADMIN] NONE "6.2.0" myid "Shows the sentinel's id.";
        "sentinel|pending-scripts" 2 [ADMIN] NONE "2.8.4" pending_scripts "Shows scripts that wait or run.";
        "sentinel|primaries" 2 [ADMIN] NONE "2.8.4" masters "Shows all masters.";
        "sentinel|primary" 3 [ADMIN] NONE "2.8.4" master "Shows a master.";
        "sentinel|remove" 3 [ADMIN] NONE "2.8.4" remove "Watches a master no longer.";
        "sentinel|replicas" 3 [ADMIN] NONE "5.0.0" replicas "Shows the replicas of a master.";
        "sentinel|reset" 3 [ADMIN] NONE "2.8.4" reset_command "Forgets replicas and sentinels of masters.";
        "sentinel|sentinels" 3 [ADMIN] NONE "2.8.4" sentinels "Shows the other sentinels of a master.";
        "sentinel|set" -5 [ADMIN] NONE "2.8.4" set "Changes what is said of a master.";
        "sentinel|simulate-failure" -3 [ADMIN] NONE "3.2.0" simulate_failure "Crashes at a moment that tests want.";
        "sentinel|slaves" 3 [ADMIN] NONE "2.8.0" replicas "Shows the replicas of a master.";
    }
}

const NO_MASTER: &str = "ERR No such master with that name";

impl Sentinel {
    /// The master that the first argument behind the subcommand names; else the client is told that there is none.
    fn named(&self, s: &mut Session, args: Args<'_>) -> Option<GroupId> {
        let id = core::str::from_utf8(args.at(2)).ok().and_then(|name| self.names.get(name)).copied();
        if id.is_none() {
            s.reply().error(NO_MASTER);
        }
        id
    }

    /// Answers those whose votes or files were written while this input was handled; whether there was anything.
    pub(super) fn answer_waiting(&mut self, cx: &mut Cx<'_>) -> bool {
        let tickets = core::mem::take(&mut self.tickets_done);
        let flushed = core::mem::take(&mut self.flushed);
        for (conn, result) in &flushed {
            self.answer_late(*conn, cx, |r| match result {
                Ok(()) => r.ok(),
                Err(error) => r.error(error),
            });
        }
        for &ticket in &tickets {
            self.votes_written(ticket, cx);
        }
        !tickets.is_empty() || !flushed.is_empty()
    }

    /// Answers a client that waited, and lets it go on.
    fn answer_late(&mut self, conn: ConnId, cx: &mut Cx<'_>, write: impl FnOnce(&mut Reply<'_>)) {
        let Some(mut s) = self.clients.sessions.take(conn) else { return };
        s.late(write);
        self.unblock(&mut s);
        self.finish(s, cx);
    }
}
