//! INFO: what the server is and does, in the fields that the field's tools read.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::failover::Failover;
use super::super::{Cx, Node};
use crate::client::Session;
use crate::client::info::{self, DataCounts, Fields};
use crate::client::stats::human;
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

/// Keys that are looked at for `expired_not_deleted_keys`, which counts no further: well under a millisecond.
pub(in super::super) const EXPIRED_LOOKED_AT: usize = 10_000;

/// The section of our own, behind Redis's, in `everything` and by its name.
const OWN: &str = "primacy";

/// What memory goes to, in bytes.
pub(in super::super) struct Memory {
    /// All together, and the most that it was when somebody looked.
    pub(in super::super) used: u64,
    pub(in super::super) peak: u64,
    /// What clients hold: input, replies, transactions.
    pub(in super::super) clients: u64,
    /// The replication log.
    pub(in super::super) log: u64,
    /// Snapshots on their way to replicas.
    pub(in super::super) snapshot: u64,
    pub(in super::super) dataset: u64,
    /// Values that changed while a snapshot had not reached them.
    pub(in super::super) handed_over: u64,
    /// What does not count for `maxmemory`.
    pub(in super::super) uncounted: u64,
}

impl Memory {
    /// What is neither data nor a snapshot's.
    pub(in super::super) fn overhead(&self) -> u64 {
        self.clients + self.log + self.snapshot
    }
}

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_info(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        info::refresh_usage(self, cx);
        let wanted: Vec<String> = args.from(1).iter().map(|a| String::from_utf8_lossy(a).to_lowercase()).collect();
        let has = |name: &str| wanted.iter().any(|w| w == name);
        let all = has("all") || has("everything");
        let default = wanted.is_empty() || has("default");
        let mut f = Fields::default();
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
            "server" => info::server_section(self, f, now),
            "clients" => info::clients_section(self, f, s),
            "memory" => self.memory_section(f, s),
            "persistence" => self.persistence_section(f, now),
            "stats" => self.clients.stats_section(f, &self.counts(now), now),
            "replication" => self.replication_section(f, now),
            "cpu" => self.clients.cpu_section(f),
            "modules" => f.section("Modules"),
            "commandstats" => self.clients.command_section(f),
            "errorstats" => self.clients.error_section(f),
            "latencystats" => f.section("Latencystats"),
            "cluster" => {
                f.section("Cluster");
                f.put("cluster_enabled", 0);
            }
            _ => self.keyspace_section(f),
        }
    }

    fn memory_section(&mut self, f: &mut Fields, s: &Session) {
        let m = self.memory_counts(Some(s));
        self.stats.peak_memory = m.peak;
        let max = self.config.settings.maxmemory;
        let rss = self.clients.usage.last.rss;
        f.section("Memory");
        f.put("used_memory", m.used);
        f.put("used_memory_human", human(m.used));
        f.put("used_memory_rss", rss);
        f.put("used_memory_rss_human", human(rss));
        f.put("used_memory_peak", m.peak);
        f.put("used_memory_peak_human", human(m.peak));
        f.put("used_memory_overhead", m.overhead());
        f.put("used_memory_dataset", m.dataset);
        f.put("maxmemory", max);
        f.put("maxmemory_human", human(max));
        f.put("maxmemory_policy", self.config.settings.maxmemory_policy.word());
        f.put("mem_fragmentation_ratio", format_args!("{:.2}", rss as f64 / m.used.max(1) as f64));
        f.put("mem_clients_normal", m.clients);
        f.put("mem_clients_slaves", 0);
        f.put("mem_replication_backlog", m.log);
        f.put("mem_total_replication_buffers", m.log + m.snapshot);
        f.put("mem_not_counted_for_evict", m.uncounted);
        f.put("mem_snapshot_handed_over", m.handed_over);
        f.put("mem_allocator", "system");
        f.put("lazyfree_pending_objects", self.data.waiting_to_be_freed());
        f.put("lazyfreed_objects", self.data.counters().lazy_freed);
    }

    /// What memory goes to; `s` is a session that is taken out.
    pub(in super::super) fn memory_counts(&self, s: Option<&Session>) -> Memory {
        let clients = self.clients.sessions.iter().chain(s).map(Session::memory).sum::<usize>() as u64;
        let (log, snapshot) = self.source.memory();
        let (log, snapshot, dataset) = (log as u64, snapshot as u64, self.data.memory() as u64);
        let handed_over = self.data.snapshot_pending() as u64;
        let used = clients + log + snapshot + dataset + handed_over;
        let peak = self.stats.peak_memory.max(used);
        let uncounted = used.saturating_sub(self.data.used() as u64);
        Memory { used, peak, clients, log, snapshot, dataset, handed_over, uncounted }
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

    pub(in super::super) fn counts(&self, now: Now) -> DataCounts {
        let r = self.source.counters();
        DataCounts {
            repl_in: self.stats.repl_in,
            repl_out: self.stats.repl_out,
            sync_full: r.full,
            sync_partial_ok: r.partial_ok,
            sync_partial_err: r.partial_err(),
            data: self.data.counters(),
            expire_ms: self.stats.expire_us / 1000,
            expire_cut: self.stats.expire_cut,
            exceeded_ms: self.exceeded_ms(now.mono),
        }
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
        f.put("master_failover_state", Failover::state(self.failover.as_ref()));
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
        let turns = self.clients.meter.turns();
        f.section("Primacy");
        f.put("loop_turns", turns.count);
        f.put("loop_turn_longest_usec", turns.longest_us);
        f.put("loop_turn_longest_cpu_usec", turns.longest_cpu_us);
        f.put("loop_turn_average_usec", turns.total_us / turns.count.max(1));
        self.resync_fields(f, now);
        // On a replica: what is hidden until the master deletes it.
        f.put("expired_not_deleted_keys", self.data.expired_present(now, EXPIRED_LOOKED_AT));
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

impl<D: Dataset> Node<D> {
    /// Guards and memory of full resyncs.
    fn resync_fields(&self, f: &mut Fields, now: Now) {
        let set = &self.config.settings;
        let refused = self.upstream.as_ref().and_then(|u| u.refused.as_ref());
        f.put("resync_guard", if set.replica_resync_guard { "yes" } else { "no" });
        f.put("resyncs_refused", self.stats.resyncs_refused);
        f.put("resync_refused_reason", refused.map(|r| format!("{}", r.why)).unwrap_or_default());
        f.put("full_syncs_under_way", self.source.full_syncs(now.mono));
        f.put("full_syncs_put_off", self.source.counters().put_off);
        let throttled = self.throttle.map_or(core::time::Duration::ZERO, |t| now.mono - t.since());
        f.put("write_throttle_active", u8::from(self.throttle.is_some()));
        f.put("write_throttle_count", self.stats.throttled);
        f.put("write_throttle_total_msec", (self.stats.throttled_for + throttled).as_millis());
        // What a full resync holds beside the data and the log: old values, what slow replicas have not taken, what comes in.
        let (handed, out, coming) = (self.data.snapshot_pending(), self.source.memory().1, self.incoming_memory());
        f.put("snapshot_handed_over_bytes", handed);
        f.put("snapshot_buffer_bytes", out);
        f.put("snapshot_buffer_limit_bytes", self.source.config().snapshot_buffer);
        f.put("snapshot_incoming_bytes", coming);
        // Of these, what came of the stream while the snapshot is not in place.
        f.put("stream_held_bytes", self.upstream.as_ref().map_or(0, |up| up.link.held()));
        f.put("resync_memory_bytes", handed + out + coming);
    }
}

/// The address that a replica announced, or the one that it connects from.
pub(in super::super) fn address(r: &ReplicaInfo<'_>) -> String {
    match (r.ip, r.endpoint) {
        (Some(ip), _) => ip.into(),
        (None, Endpoint::Tcp(a)) => format!("{}", a.ip()),
        // Who connects to a Unix socket has no name of its own.
        (None, Endpoint::Unix(path)) if path.is_empty() => "unix".into(),
        (None, Endpoint::Unix(path)) => path.as_ref().into(),
    }
}
