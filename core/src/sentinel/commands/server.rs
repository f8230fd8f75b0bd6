//! INFO, ROLE and SHUTDOWN of a sentinel.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{Cx, Sentinel};
use crate::client::commands::SYNTAX;
use crate::client::info::{self, DataCounts, Fields};
use crate::client::{Blocked, Session};
use crate::machine::Level;
use crate::resp::Args;
use crate::time::Now;

/// The sections of INFO, in their order.
const SECTIONS: [&str; 5] = ["server", "clients", "stats", "cpu", "sentinel"];

impl Sentinel {
    pub(super) fn cmd_info(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        info::refresh_usage(self, cx);
        let wanted: Vec<String> = args.from(1).iter().map(|a| String::from_utf8_lossy(a).to_lowercase()).collect();
        let all = wanted.is_empty() || wanted.iter().any(|w| matches!(w.as_str(), "all" | "everything" | "default"));
        let mut f = Fields::default();
        for name in SECTIONS {
            if !all && !wanted.iter().any(|w| w == name) {
                continue;
            }
            match name {
                "server" => info::server_section(self, &mut f, cx.now),
                "clients" => info::clients_section(self, &mut f, s),
                "stats" => self.clients.stats_section(&mut f, &DataCounts::default(), cx.now),
                "cpu" => self.clients.cpu_section(&mut f),
                _ => self.sentinel_section(&mut f, cx.now),
            }
        }
        // A sentinel answers a plain string in both versions of the protocol.
        s.reply().bulk(f.0.as_bytes());
    }

    fn sentinel_section(&self, f: &mut Fields, now: Now) {
        f.section("Sentinel");
        f.put("sentinel_masters", self.groups.len());
        f.put("sentinel_tilt", u8::from(self.tilt.is_some()));
        f.put("sentinel_tilt_since_seconds", self.tilt.map_or(-1, |at| now.mono.since(at).as_secs() as i64));
        f.put("sentinel_total_tilt", self.tilts);
        f.put("sentinel_running_scripts", self.scripts.running());
        f.put("sentinel_scripts_queue_length", self.scripts.queue.len());
        f.put("sentinel_simulate_failure_flags", self.crashes);
        for (i, group) in self.groups.values().enumerate() {
            let status = group.status();
            let addr = &group.master.addr;
            f.put(
                &format!("master{i}"),
                format_args!(
                    "name={},status={status},address={}:{},slaves={},sentinels={}",
                    group.name(),
                    addr.shown(self.config.global.announce_hostnames),
                    addr.port,
                    group.replicas.len(),
                    group.voters()
                ),
            );
        }
    }

    pub(super) fn cmd_role(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let mut r = s.reply();
        r.array(2);
        r.bulk(b"sentinel");
        r.array(self.groups.len());
        self.groups.values().for_each(|g| r.bulk(g.name().as_bytes()));
    }

    /// The process ends once sentinel.conf says all; the client hears of it by the end of its connection.
    pub(super) fn cmd_shutdown(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let known = ["NOSAVE", "SAVE", "NOW", "FORCE"];
        if args.len() == 2 && args.is(1, "ABORT") {
            return s.reply().error("ERR No shutdown in progress.");
        }
        if (1..args.len()).any(|i| !known.iter().any(|word| args.is(i, word))) {
            return s.reply().error(SYNTAX);
        }
        s.blocked = Some(Blocked::Shutdown);
        self.note(Level::Warning, "User requested shutdown...", cx);
        self.end_process(cx);
    }
}
