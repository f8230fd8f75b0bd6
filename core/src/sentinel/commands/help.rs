//! SENTINEL HELP.

use super::super::{Cx, Sentinel};
use crate::client::Session;
use crate::client::commands::help;
use crate::resp::Args;

const LINES: &[&str] = &[
    "CKQUORUM <master-name>",
    "    Whether enough sentinels answer to see the master down together and to elect a leader.",
    "CONFIG GET <param> [<param> ...]",
    "    Show what is said of the sentinel itself; patterns may be used.",
    "CONFIG SET <param> <value> [<param> <value> ...]",
    "    Change it: all of it, or nothing.",
    "DEBUG [<param> <milliseconds> ...]",
    "    Show the times that the sentinel works by, or change them.",
    "EXPLAIN <master-name>",
    "    What would happen if the master died now: who votes, who would be promoted, what would be lost.",
    "FAILOVER <master-name> [COORDINATED|DRYRUN]",
    "    Fail over without asking the others. COORDINATED: elected, and the old master hands over. DRYRUN: only say what",
    "    would be done.",
    "FLUSHCONFIG",
    "    Write the configuration file, with all that is known.",
    "FORGET-REPLICA <master-name> <ip> <port>",
    "    Forget one replica that is down and will not come back.",
    "FORGET-SENTINEL <master-name> <runid>",
    "    Forget one sentinel that is down and will not come back: it counts among the voters no longer.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Show where the master is: what clients ask.",
    "INFO-CACHE <master-name> [<master-name> ...]",
    "    Show the last INFO of masters and their replicas, and how old each is in milliseconds.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Whether the master there is down; a vote, if a runid is named: what sentinels ask each other.",
    "MASTER <master-name>",
    "    Show all that is known of the master.",
    "MASTERS",
    "    Show all that is known of all masters.",
    "MONITOR <master-name> <ip> <port> <quorum>",
    "    Watch a master from now on.",
    "MYID",
    "    Show the sentinel's id.",
    "PENDING-SCRIPTS",
    "    Show scripts that wait or run.",
    "REMOVE <master-name>",
    "    Watch the master no longer.",
    "REPLICAS <master-name>",
    "    Show all that is known of the master's replicas.",
    "RESET <pattern>",
    "    Forget replicas and sentinels of the masters whose names match; they are found anew.",
    "SENTINELS <master-name>",
    "    Show all that is known of the other sentinels that watch the master.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Change what is said of the master: all of it, or nothing.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    End the process at that moment, for tests.",
];

impl Sentinel {
    pub(super) fn sentinel_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        help(&mut s.reply(), "SENTINEL", LINES);
    }
}
