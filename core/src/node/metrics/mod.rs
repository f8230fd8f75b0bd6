//! What Prometheus is shown of a node beside what every server shows, and whether the node is ready: the figures of INFO.

mod replication;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::Node;
use super::commands::EXPIRED_LOOKED_AT;
use crate::client::scrape::{Page, SHARED_SECTIONS, instance_info, metrics, shared_section};
use crate::dataset::{Dataset, DbStats};
use crate::resp::decimal;
use crate::time::Instant;
#[cfg(test)]
pub(crate) use replication::REPLICATION;

metrics! { NODE:
    MEMORY_USED Gauge "redis_memory_used_bytes" "bytes" "Memory of data, clients, replication log and snapshots.";
    MEMORY_PEAK Gauge "redis_memory_used_peak_bytes" "bytes" "The most that it was when somebody looked.";
    MEMORY_OVERHEAD Gauge "redis_memory_used_overhead_bytes" "bytes" "Of it, what is neither data nor held for a snapshot of them.";
    MEMORY_DATASET Gauge "redis_memory_used_dataset_bytes" "bytes" "Of it, keys and values with their tables.";
    MEMORY_MAX Gauge "redis_memory_max_bytes" "bytes" "The directive maxmemory; 0 for no limit.";
    CONFIG_MAXMEMORY Gauge "redis_config_maxmemory" "bytes" "The same.";
    MEMORY_CLIENTS Gauge "redis_mem_clients_normal" "bytes" "Memory of clients: input, replies, transactions.";
    MEMORY_REPLICAS Gauge "redis_mem_clients_slaves" "bytes" "0: replicas read from the log.";
    MEMORY_REPLICATION Gauge "redis_mem_total_replication_buffers_bytes" "bytes" "Memory of the replication log and of snapshots for replicas.";
    MEMORY_UNCOUNTED Gauge "redis_mem_not_counted_for_eviction_bytes" "bytes" "What does not count for maxmemory.";
    FRAGMENTATION Gauge "redis_mem_fragmentation_ratio" "" "Resident memory of the process by what is known to be used.";
    TO_FREE Gauge "redis_lazyfree_pending_objects" "" "Values that wait to be freed.";
    BUFFERS Gauge "primacy_buffer_bytes" "bytes" "Memory of buffers by their use.";
    BUFFER_LIMIT Gauge "primacy_snapshot_buffer_limit_bytes" "bytes" "The most that replicas may leave of a snapshot before the slowest is dropped.";
    LOADING Gauge "redis_loading_dump_file" "" "1 while clients wait for a dataset that is loaded.";
    LOADING_BESIDE Gauge "redis_async_loading" "" "1 while a dataset is loaded beside the one that is served.";
    CHANGES Gauge "redis_rdb_changes_since_last_save" "" "Changes since the last snapshot that reached the disk.";
    SAVING Gauge "redis_rdb_bgsave_in_progress" "" "1 while a snapshot is made.";
    LAST_SAVE Gauge "redis_rdb_last_save_timestamp_seconds" "seconds" "When the last one reached the disk, in seconds since 1970.";
    SAVE_STATUS Gauge "redis_rdb_last_bgsave_status" "" "1 unless the last one failed.";
    SAVE_TOOK Gauge "redis_rdb_last_bgsave_duration_sec" "seconds" "What the last one took; -1 if there was none.";
    SAVE_TAKES Gauge "redis_rdb_current_bgsave_duration_sec" "seconds" "For how long the present one has been made; -1 if there is none.";
    SAVES Counter "redis_rdb_saves_total" "" "Snapshots that reached the disk.";
    LOADED Gauge "redis_rdb_last_load_loaded_keys" "" "Keys that the last load put in place.";
    LOAD_EXPIRED Gauge "redis_rdb_last_load_expired_keys" "" "Keys that the last load dropped as expired.";
    EXPIRED Counter "redis_expired_keys_total" "" "Keys deleted because they expired.";
    EXPIRED_FIELDS Counter "redis_expired_subkeys_total" "" "Fields of hashes deleted because they expired.";
    EXPIRE_CUT Counter "redis_expired_time_cap_reached_total" "" "Slices of the expiry cycle that ended before all that was due was gone.";
    EXPIRE_TIME Counter "redis_expire_cycle_cpu_time_ms_total" "milliseconds" "Time spent in the expiry cycle.";
    EVICTED Counter "redis_evicted_keys_total" "" "Keys that gave way to maxmemory.";
    EXCEEDED Counter "redis_eviction_exceeded_time_ms_total" "milliseconds" "For how long the data were above maxmemory.";
    EXCEEDED_NOW Gauge "redis_current_eviction_exceeded_time_ms" "milliseconds" "For how long they have been by now.";
    HITS Counter "redis_keyspace_hits_total" "" "Reads that found their key.";
    MISSES Counter "redis_keyspace_misses_total" "" "Reads that did not.";
    SLOWLOG_LENGTH Gauge "redis_slowlog_length" "" "Entries of SLOWLOG.";
    SLOWLOG_ID Gauge "redis_slowlog_last_id" "" "The number of its last entry.";
    SLOWLOG_LAST Gauge "redis_last_slow_execution_duration_seconds" "seconds" "What that took.";
    SPIKE_LAST Gauge "redis_latency_spike_last" "seconds" "When LATENCY last saw such a slow moment, in seconds since 1970.";
    SPIKE_DURATION Gauge "redis_latency_spike_duration_seconds" "seconds" "How long it was.";
    EXPIRED_KEPT Gauge "primacy_expired_not_deleted_keys" "" "Keys that have expired and are hidden, but not deleted (a replica waits for its master's word); counted among 10,000 at most.";
    DB_KEYS Gauge "redis_db_keys" "" "Keys of each database that has some, and of the first.";
    DB_EXPIRING Gauge "redis_db_keys_expiring" "" "Of these, keys with an expiry.";
    DB_TTL Gauge "redis_db_avg_ttl_seconds" "seconds" "The average time to live of those.";
}

impl<D: Dataset> Node<D> {
    /// Writes section `n` of the metrics; whether there is such a one.
    pub(super) fn write_section(&mut self, n: usize, page: &mut Page<'_>) -> bool {
        match n {
            0 => self.identity_metrics(page),
            1 => self.memory_metrics(page),
            2 => self.persistence_metrics(page),
            3 => self.count_metrics(page),
            4 => self.replication_metrics(page),
            5 => self.link_metrics(page),
            6 => page.one(&EXPIRED_KEPT, self.data.expired_present(page.now, EXPIRED_LOOKED_AT)),
            7 => self.each_database(page, |page, db, s| page.row(&DB_KEYS, db, s.keys)),
            8 => self.each_database(page, |page, db, s| page.row(&DB_EXPIRING, db, s.expires)),
            9 => self.each_database(page, |page, db, s| page.row(&DB_TTL, db, Duration::from_millis(s.avg_ttl_ms))),
            _ if n - 10 < SHARED_SECTIONS => shared_section(self, n - 10, page),
            _ => return false,
        }
        true
    }

    /// Whether it does what its role asks of it: it has its data and serves them, and a replica those of its master. A
    /// replica without a link does so where `replica-serve-stale-data` lets it, if it has any.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        if let Some(why) = self.shutdown.as_ref().map(|_| "the server is shutting down") {
            return Err(why.to_owned());
        }
        if self.clients.started.is_none() || self.loading() || self.reloading() {
            return Err("the dataset is being loaded".to_owned());
        }
        let Some(up) = self.upstream.as_ref().filter(|up| !up.is_up()) else { return Ok(()) };
        let link = format!("the link to the master {}:{} is not up ({})", up.host, up.port, up.link.state().as_str());
        if !self.config.settings.replica_serve_stale_data {
            return Err(format!("{link}, and replica-serve-stale-data is 'no'"));
        }
        let has_data = up.link.resume().is_some() || (0..self.data.databases()).any(|db| self.data.stats(db).keys > 0);
        if has_data { Ok(()) } else { Err(format!("{link}, and there are no data yet")) }
    }

    /// Notes in which state the link to the master is.
    #[inline]
    pub(super) fn note_link(&mut self, now: Instant) {
        self.stats.link.note(self.upstream.as_ref().map(|up| up.link.state()), now);
    }

    fn identity_metrics(&self, page: &mut Page<'_>) {
        let role = if self.is_master() { "master" } else { "slave" };
        let policy = self.config.settings.maxmemory_policy.word();
        instance_info(self, role, policy, &format!("{}", self.source.id()), page);
    }

    fn memory_metrics(&mut self, page: &mut Page<'_>) {
        let m = self.memory_counts(None);
        self.stats.peak_memory = m.peak;
        let max = self.config.settings.maxmemory;
        page.one(&MEMORY_USED, m.used);
        page.one(&MEMORY_PEAK, m.peak);
        page.one(&MEMORY_OVERHEAD, m.overhead());
        page.one(&MEMORY_DATASET, m.dataset);
        page.one(&MEMORY_MAX, max);
        page.one(&CONFIG_MAXMEMORY, max);
        page.one(&MEMORY_CLIENTS, m.clients);
        page.one(&MEMORY_REPLICAS, 0u64);
        page.one(&MEMORY_REPLICATION, m.log + m.snapshot);
        page.one(&MEMORY_UNCOUNTED, m.uncounted);
        page.one(&FRAGMENTATION, self.clients.usage.last.rss as f64 / m.used.max(1) as f64);
        page.one(&TO_FREE, self.data.waiting_to_be_freed());
        let held = self.upstream.as_ref().map_or(0, |up| up.link.held());
        for (of, bytes) in [
            ("clients", m.clients),
            ("replication-log", m.log),
            ("snapshot-to-replicas", m.snapshot),
            ("snapshot-old-values", m.handed_over),
            ("snapshot-from-master", (self.incoming_memory() as u64).saturating_sub(held)),
            ("stream-behind-snapshot", held),
        ] {
            page.row(&BUFFERS, &[("use", of)], bytes);
        }
        page.one(&BUFFER_LIMIT, self.source.config().snapshot_buffer);
    }

    fn persistence_metrics(&self, page: &mut Page<'_>) {
        let (save, making, now) = (&self.save, self.snapshot.as_ref(), page.now.mono);
        page.one(&LOADING, self.loading());
        page.one(&LOADING_BESIDE, self.loading_beside());
        page.one(&CHANGES, save.dirty);
        page.one(&SAVING, making.is_some());
        page.one(&LAST_SAVE, save.last_save_s);
        page.one(&SAVE_STATUS, !save.failing());
        page.one(&SAVE_TOOK, save.last_took_s.map_or(-1, |s| s as i64));
        page.one(&SAVE_TAKES, making.map_or(-1, |s| (now - s.began()).as_secs() as i64));
        page.one(&SAVES, save.count);
        page.one(&LOADED, self.stats.load_keys.0);
        page.one(&LOAD_EXPIRED, self.stats.load_keys.1);
    }

    fn count_metrics(&self, page: &mut Page<'_>) {
        let counts = self.counts(page.now);
        let data = &counts.data;
        page.one(&EXPIRED, data.expired);
        page.one(&EXPIRED_FIELDS, data.expired_fields);
        page.one(&EXPIRE_CUT, counts.expire_cut);
        page.one(&EXPIRE_TIME, counts.expire_ms);
        page.one(&EVICTED, data.evicted);
        page.one(&EXCEEDED, counts.exceeded_ms.0);
        page.one(&EXCEEDED_NOW, counts.exceeded_ms.1);
        page.one(&HITS, data.hits);
        page.one(&MISSES, data.misses);
        let (id, us) = self.slowlog.last().unwrap_or_default();
        page.one(&SLOWLOG_LENGTH, self.slowlog.len());
        page.one(&SLOWLOG_ID, id);
        page.one(&SLOWLOG_LAST, Duration::from_micros(us));
        for (event, at, _) in self.latency.latest() {
            page.row(&SPIKE_LAST, &[("event_name", event)], at);
        }
        for (event, _, ms) in self.latency.latest() {
            page.row(&SPIKE_DURATION, &[("event_name", event)], Duration::from_millis(ms));
        }
    }

    fn each_database(&self, page: &mut Page<'_>, write: impl Fn(&mut Page<'_>, &[(&str, &str)], DbStats)) {
        let from = u32::try_from(page.from()).unwrap_or(u32::MAX);
        for db in from..self.data.databases() {
            let stats = self.data.stats(db);
            if stats.keys > 0 || db == 0 {
                if page.pause_at(db.into()) {
                    return;
                }
                let mut buf = [0; 20];
                let name =
                    ["db", core::str::from_utf8(decimal(&mut buf, false, db.into())).unwrap_or_default()].concat();
                write(page, &[("db", &name)], stats);
            }
        }
    }
}
