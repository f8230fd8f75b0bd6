//! INFO: what the server is and does, in the fields that the field's tools read.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::super::about::{REDIS_VERSION, VERSION};
use super::super::stats::human;
use super::super::{Cx, Node};
use crate::client::{Blocked, Session};
use crate::dataset::Dataset;
use crate::machine::Endpoint;
use crate::replication::source::ReplicaInfo;
use crate::resp::Args;
use crate::time::Now;

/// The sections in their order, and whether INFO without arguments shows each.
const SECTIONS: [(&str, bool); 13] = [
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("modules", true),
    ("commandstats", false),
    ("errorstats", true),
    ("latencystats", false),
    ("cluster", true),
    ("keyspace", true),
];

/// The section of our own, behind Redis's, in `everything` and by its name.
const OWN: &str = "primacy";

/// Writes `name:value` lines.
struct Fields(String);

impl Fields {
    fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        let _ = write!(self.0, "# {title}\r\n");
    }

    fn put(&mut self, name: &str, value: impl core::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_info(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        self.usage.refresh(cx.now.mono, &mut self.ids, cx.out);
        let wanted: Vec<String> = args.from(1).iter().map(|a| String::from_utf8_lossy(a).to_lowercase()).collect();
        let has = |name: &str| wanted.iter().any(|w| w == name);
        let all = has("all") || has("everything");
        let default = wanted.is_empty() || has("default");
        let mut f = Fields(String::new());
        for (name, in_default) in SECTIONS {
            if all || has(name) || (default && in_default) {
                self.section(name, &mut f, s, cx.now);
            }
        }
        if has("everything") || has(OWN) || default {
            self.own_section(&mut f, cx.now);
        }
        s.reply().verbatim(b"txt", f.0.as_bytes());
    }

    fn section(&mut self, name: &str, f: &mut Fields, s: &Session, now: Now) {
        match name {
            "server" => self.server_section(f, now),
            "clients" => self.clients_section(f, s),
            "memory" => self.memory_section(f, s),
            "persistence" => self.persistence_section(f, now),
            "stats" => self.stats_section(f, now),
            "replication" => self.replication_section(f, now),
            "cpu" => self.cpu_section(f),
            "modules" => f.section("Modules"),
            "commandstats" => self.command_section(f),
            "errorstats" => {
                f.section("Errorstats");
                for (prefix, n) in &self.stats.errors {
                    f.put(&format!("errorstat_{prefix}"), format_args!("count={n}"));
                }
            }
            "latencystats" => f.section("Latencystats"),
            "cluster" => {
                f.section("Cluster");
                f.put("cluster_enabled", 0);
            }
            _ => self.keyspace_section(f),
        }
    }

    fn server_section(&self, f: &mut Fields, now: Now) {
        let up = self.started.map_or(0, |at| (now.mono - at.mono).as_secs());
        f.section("Server");
        f.put("redis_version", REDIS_VERSION);
        f.put("primacy_version", VERSION);
        f.put("redis_git_sha1", "00000000");
        f.put("redis_git_dirty", 0);
        f.put("redis_build_id", "0000000000000000");
        f.put("redis_mode", "standalone");
        f.put("os", &self.about.os);
        f.put("arch_bits", self.about.arch_bits);
        f.put("monotonic_clock", "POSIX clock_gettime");
        f.put("multiplexing_api", &self.about.reactor);
        f.put("process_id", self.about.pid);
        f.put("process_supervised", "no");
        f.put("run_id", String::from_utf8_lossy(&self.run_id));
        f.put("tcp_port", self.port());
        f.put("server_time_usec", now.unix_ms * 1000);
        f.put("uptime_in_seconds", up);
        f.put("uptime_in_days", up / 86400);
        f.put("hz", self.config.settings.hz);
        f.put("configured_hz", self.config.settings.hz);
        f.put("lru_clock", now.unix_s() & 0x00ff_ffff);
        f.put("executable", &self.about.executable);
        f.put("config_file", &self.about.config_file);
        f.put("io_threads_active", 0);
        for (i, listener) in self.listening().iter().enumerate() {
            f.put(&format!("listener{i}"), listener);
        }
    }

    fn clients_section(&self, f: &mut Fields, s: &Session) {
        let clients = || self.sessions.iter().chain(core::iter::once(s)).filter(|c| !c.replica);
        f.section("Clients");
        f.put("connected_clients", clients().count());
        f.put("cluster_connections", 0);
        f.put("maxclients", self.config.settings.maxclients);
        f.put("client_recent_max_input_buffer", clients().map(|c| c.requests.buffered()).max().unwrap_or(0));
        f.put("client_recent_max_output_buffer", clients().map(|c| c.outbox.len()).max().unwrap_or(0));
        f.put("blocked_clients", clients().filter(|c| matches!(c.blocked, Some(Blocked::Wait { .. }))).count());
        f.put("tracking_clients", 0);
        f.put("clients_in_timeout_table", clients().filter(|c| c.blocked.is_some()).count());
    }

    fn memory_section(&mut self, f: &mut Fields, s: &Session) {
        let clients: usize = self.sessions.iter().chain(core::iter::once(s)).map(Session::memory).sum();
        let (log, snapshot) = self.source.memory();
        let dataset = self.data.memory();
        let used = (clients + log + snapshot + dataset + self.data.snapshot_pending()) as u64;
        self.stats.peak_memory = self.stats.peak_memory.max(used);
        let peak = self.stats.peak_memory;
        let max = self.config.settings.maxmemory;
        let rss = self.usage.last.rss;
        f.section("Memory");
        f.put("used_memory", used);
        f.put("used_memory_human", human(used));
        f.put("used_memory_rss", rss);
        f.put("used_memory_rss_human", human(rss));
        f.put("used_memory_peak", peak);
        f.put("used_memory_peak_human", human(peak));
        f.put("used_memory_overhead", (clients + log + snapshot) as u64);
        f.put("used_memory_dataset", dataset as u64);
        f.put("maxmemory", max);
        f.put("maxmemory_human", human(max));
        f.put("maxmemory_policy", self.config.settings.maxmemory_policy.word());
        f.put("mem_fragmentation_ratio", format_args!("{:.2}", rss as f64 / used.max(1) as f64));
        f.put("mem_clients_normal", clients);
        f.put("mem_clients_slaves", 0);
        f.put("mem_replication_backlog", log);
        f.put("mem_total_replication_buffers", log + snapshot);
        f.put("mem_snapshot_handed_over", self.data.snapshot_pending());
        f.put("mem_allocator", "system");
        f.put("lazyfree_pending_objects", 0);
        f.put("lazyfreed_objects", self.data.counters().lazy_freed);
    }

    fn persistence_section(&self, f: &mut Fields, now: Now) {
        let loading = self.load_progress();
        let saving = self.snapshot.as_ref();
        f.section("Persistence");
        f.put("loading", u8::from(self.loading()));
        f.put("async_loading", u8::from(self.loading_beside()));
        f.put("current_cow_peak", 0);
        f.put("current_cow_size", 0);
        f.put("current_cow_size_age", 0);
        f.put("current_fork_perc", "0.00");
        f.put("current_save_keys_processed", saving.map_or(0, |s| s.written));
        f.put("current_save_keys_total", saving.map_or(0, |s| s.keys));
        f.put("rdb_changes_since_last_save", self.save.dirty);
        f.put("rdb_bgsave_in_progress", u8::from(saving.is_some()));
        f.put("rdb_last_save_time", self.save.last_save_s);
        f.put("rdb_last_bgsave_status", if self.save.failing() { "err" } else { "ok" });
        f.put("rdb_last_bgsave_time_sec", self.save.last_took_s.map_or(-1, |s| s as i64));
        f.put("rdb_current_bgsave_time_sec", saving.map_or(-1, |s| (now.mono - s.began()).as_secs() as i64));
        f.put("rdb_saves", self.save.count);
        f.put("rdb_last_cow_size", 0);
        f.put("rdb_last_load_keys_expired", self.stats.load_keys.1);
        f.put("rdb_last_load_keys_loaded", self.stats.load_keys.0);
        f.put("aof_enabled", 0);
        f.put("aof_rewrite_in_progress", 0);
        f.put("aof_rewrite_scheduled", 0);
        f.put("aof_last_rewrite_time_sec", -1);
        f.put("aof_current_rewrite_time_sec", -1);
        f.put("aof_last_bgrewrite_status", "ok");
        f.put("aof_last_write_status", "ok");
        if let Some((began, taken, total)) = loading {
            f.put("loading_start_time", began);
            f.put("loading_total_bytes", total.unwrap_or(taken));
            f.put("loading_loaded_bytes", taken);
            let part = taken as f64 / total.unwrap_or(taken).max(1) as f64;
            f.put("loading_loaded_perc", format_args!("{:.2}", part * 100.0));
        }
    }

    fn stats_section(&self, f: &mut Fields, now: Now) {
        let s = &self.stats;
        let (ops, net_in, net_out) = s.rates(now.mono);
        let c = self.data.counters();
        let r = self.source.counters();
        f.section("Stats");
        f.put("total_connections_received", s.connections);
        f.put("total_commands_processed", s.processed);
        f.put("instantaneous_ops_per_sec", ops);
        f.put("total_net_input_bytes", s.net_in);
        f.put("total_net_output_bytes", s.net_out);
        f.put("total_net_repl_input_bytes", s.repl_in);
        f.put("total_net_repl_output_bytes", s.repl_out);
        f.put("instantaneous_input_kbps", format_args!("{:.2}", net_in as f64 / 1024.0));
        f.put("instantaneous_output_kbps", format_args!("{:.2}", net_out as f64 / 1024.0));
        f.put("rejected_connections", s.rejected_connections);
        f.put("sync_full", r.full);
        f.put("sync_partial_ok", r.partial_ok);
        f.put("sync_partial_err", r.partial_err);
        f.put("expired_keys", c.expired);
        f.put("evicted_keys", 0);
        f.put("keyspace_hits", c.hits);
        f.put("keyspace_misses", c.misses);
        f.put("pubsub_channels", self.pubsub.channel_count());
        f.put("pubsub_patterns", self.pubsub.pattern_count());
        f.put("pubsubshard_channels", 0);
        f.put("latest_fork_usec", 0);
        f.put("total_forks", 0);
        f.put("acl_access_denied_auth", s.auth_failures);
        f.put("total_error_replies", s.total_errors);
        f.put("client_output_buffer_limit_disconnections", s.output_limit_disconnections);
        f.put("lazyfreed_objects", c.lazy_freed);
    }

    fn replication_section(&mut self, f: &mut Fields, now: Now) {
        f.section("Replication");
        self.link_fields(f, now);
        let set = &self.config.settings;
        f.put("connected_slaves", self.source.replica_count());
        if set.min_replicas_to_write > 0 && set.min_replicas_max_lag > 0 {
            let good = self.source.good_replicas(now.mono, u64::from(set.min_replicas_max_lag));
            f.put("min_slaves_good_slaves", good);
        }
        for (i, r) in self.source.replicas(now.mono).enumerate() {
            f.put(
                &format!("slave{i}"),
                format_args!(
                    "ip={},port={},state={},offset={},lag={}",
                    address(&r),
                    r.port,
                    r.state.as_str(),
                    r.offset,
                    r.lag_s
                ),
            );
        }
        let log = self.source.log();
        let active = self.source.is_active();
        f.put("master_failover_state", "no-failover");
        f.put("master_replid", self.source.id());
        match self.source.id2() {
            Some((id, _)) => f.put("master_replid2", id),
            None => f.put("master_replid2", crate::replication::ReplId::ZERO),
        }
        f.put("master_repl_offset", self.source.offset());
        f.put("second_repl_offset", self.source.id2().map_or(-1, |(_, at)| at as i64));
        f.put("repl_backlog_active", u8::from(active));
        f.put("repl_backlog_size", self.config.settings.repl_backlog_size);
        f.put("repl_backlog_first_byte_offset", if active { log.start() + 1 } else { 0 });
        f.put("repl_backlog_histlen", if active { log.history() } else { 0 });
    }

    fn link_fields(&self, f: &mut Fields, now: Now) {
        let Some(up) = &self.upstream else {
            return f.put("role", "master");
        };
        let set = &self.config.settings;
        f.put("role", "slave");
        f.put("master_host", &up.host);
        f.put("master_port", up.port);
        f.put("master_link_status", if up.is_up() { "up" } else { "down" });
        f.put("master_last_io_seconds_ago", up.link.last_io().map_or(-1, |at| (now.mono - at).as_secs() as i64));
        f.put("master_sync_in_progress", u8::from(up.is_syncing()));
        f.put("slave_read_repl_offset", self.source.log().end());
        f.put("slave_repl_offset", self.source.offset());
        if let Some(p) = up.link.progress() {
            let (total, read) = (p.total, p.read);
            let left = total.map_or(-1, |t| t.saturating_sub(read) as i64);
            f.put("master_sync_total_bytes", total.map_or(-1, |t| t as i64));
            f.put("master_sync_read_bytes", read);
            f.put("master_sync_left_bytes", left);
            let part = total.map_or(0.0, |t| read as f64 / t.max(1) as f64);
            f.put("master_sync_perc", format_args!("{:.2}", part * 100.0));
            f.put("master_sync_last_io_seconds_ago", (now.mono - p.last_io).as_secs());
        }
        if !up.is_up() {
            f.put(
                "master_link_down_since_seconds",
                up.link.down_since().map_or(-1, |at| (now.mono - at).as_secs() as i64),
            );
        }
        f.put("slave_priority", set.replica_priority);
        f.put("slave_read_only", u8::from(set.replica_read_only));
        f.put("replica_announced", u8::from(set.replica_announced));
    }

    fn cpu_section(&self, f: &mut Fields) {
        let u = self.usage.last;
        let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        f.section("CPU");
        f.put("used_cpu_sys", seconds(u.system_us));
        f.put("used_cpu_user", seconds(u.user_us));
        f.put("used_cpu_sys_children", "0.000000");
        f.put("used_cpu_user_children", "0.000000");
    }

    fn command_section(&self, f: &mut Fields) {
        f.section("Commandstats");
        for (spec, c) in self.table.iter().zip(&self.stats.commands) {
            if c.calls + c.rejected > 0 {
                f.put(
                    &format!("cmdstat_{}", spec.name),
                    format_args!(
                        "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                        c.calls,
                        c.us,
                        c.us as f64 / c.calls.max(1) as f64,
                        c.rejected,
                        c.failed
                    ),
                );
            }
        }
    }

    fn keyspace_section(&self, f: &mut Fields) {
        f.section("Keyspace");
        for db in 0..self.data.databases() {
            let s = self.data.stats(db);
            if s.keys > 0 {
                f.put(
                    &format!("db{db}"),
                    format_args!("keys={},expires={},avg_ttl={}", s.keys, s.expires, s.avg_ttl_ms),
                );
            }
        }
    }

    /// What Redis has no field for.
    fn own_section(&mut self, f: &mut Fields, now: Now) {
        let turns = self.meter.turns();
        f.section("Primacy");
        f.put("loop_turns", turns.count);
        f.put("loop_turn_longest_usec", turns.longest_us);
        f.put("loop_turn_longest_cpu_usec", turns.longest_cpu_us);
        f.put("loop_turn_average_usec", turns.total_us / turns.count.max(1));
        f.put("snapshot_handed_over_bytes", self.data.snapshot_pending());
        for (i, r) in self.source.replicas(now.mono).enumerate() {
            f.put(
                &format!("replica{i}"),
                format_args!(
                    "ip={},port={},behind_bytes={},unacknowledged_bytes={}",
                    address(&r),
                    r.port,
                    r.behind,
                    self.source.offset().saturating_sub(r.offset)
                ),
            );
        }
    }
}

/// The address that a replica announced, or the one that it connects from.
pub(super) fn address(r: &ReplicaInfo<'_>) -> String {
    match (r.ip, r.endpoint) {
        (Some(ip), _) => ip.into(),
        (None, Endpoint::Tcp(a)) => format!("{}", a.ip()),
        (None, Endpoint::Unix(path)) => path.as_ref().into(),
    }
}
