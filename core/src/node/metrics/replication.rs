//! Metrics of replication: the log, each replica, and the link to a master.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::super::Node;
use super::super::commands::address;
use crate::client::scrape::{Page, metrics};
use crate::dataset::Dataset;
use crate::replication::source::ReplicaInfo;

metrics! { REPLICATION:
    REPLICAS Gauge "redis_connected_slaves" "" "Replicas that are connected.";
    OFFSET Gauge "redis_master_repl_offset" "bytes" "The replication offset.";
    SECOND_OFFSET Gauge "redis_second_repl_offset" "bytes" "Up to where the former replication id counts; -1 if there is none.";
    LOG_ACTIVE Gauge "redis_repl_backlog_is_active" "" "1 while the replication log is kept.";
    LOG_SIZE Gauge "redis_replication_backlog_bytes" "bytes" "The directive repl-backlog-size.";
    LOG_FIRST Gauge "redis_repl_backlog_first_byte_offset" "bytes" "The offset of the first byte that is still in it.";
    LOG_HISTORY Gauge "redis_repl_backlog_history_bytes" "bytes" "How much of the history is in it.";
    NET_IN Counter "redis_net_repl_input_bytes_total" "bytes" "Bytes that came from the master.";
    NET_OUT Counter "redis_net_repl_output_bytes_total" "bytes" "Bytes that went to replicas.";
    SYNC_FULL Gauge "redis_replica_resyncs_full" "" "Full resyncs of replicas.";
    SYNC_PARTIAL Gauge "redis_replica_partial_resync_accepted" "" "Partial resyncs of replicas.";
    SYNC_DENIED Gauge "redis_replica_partial_resync_denied" "" "Partial resyncs that replicas were refused.";
    ASKED Counter "primacy_resyncs_asked_total" "" "Resyncs that replicas asked for, by kind and reason.";
    PUT_OFF Counter "primacy_full_resyncs_put_off_total" "" "Of these, full ones put off by repl-max-full-syncs.";
    UNDER_WAY Gauge "primacy_full_resyncs_under_way" "" "Replicas between their question for a full resync and the stream.";
    THROTTLED Gauge "primacy_write_throttle_active" "" "1 while writers are slowed down for a replica.";
    THROTTLE_COUNT Counter "primacy_write_throttles_total" "" "How often that began.";
    THROTTLE_TIME Counter "primacy_write_throttle_seconds_total" "seconds" "For how long that was.";
    SLAVE_OFFSET Gauge "redis_connected_slave_offset_bytes" "bytes" "The offset that each replica acknowledged.";
    SLAVE_LAG Gauge "redis_connected_slave_lag_seconds" "seconds" "Seconds since it did so last, while it is online.";
    BEHIND Gauge "primacy_replica_unsent_bytes" "bytes" "Bytes of the stream that each replica was not sent.";
    UNACKNOWLEDGED Gauge "primacy_replica_unacknowledged_bytes" "bytes" "Bytes of the stream that it did not acknowledge.";
    LAG Gauge "primacy_replica_lag_seconds" "seconds" "How long ago the first byte that it did not apply was written, one way; see docs/lag.md.";
    LAG_ACKED Gauge "primacy_replica_acknowledged_lag_seconds" "seconds" "The same as of its last acknowledgement that told something.";
    SLAVE_INFO Gauge "redis_slave_info" "" "1 on a replica, with whom it follows among its labels.";
    PRIORITY Gauge "redis_slave_priority" "" "The directive replica-priority.";
    LINK_UP Gauge "redis_master_link_up" "" "1 while a replica follows its master's stream.";
    LINK_IO Gauge "redis_master_last_io_seconds_ago" "seconds" "Seconds since the master was heard; -1 without a connection.";
    LINK_SYNC Gauge "redis_master_sync_in_progress" "" "1 while a snapshot comes or is loaded.";
    SLAVE_REPL_OFFSET Gauge "redis_slave_repl_offset" "bytes" "The offset up to which a replica applied the stream.";
    READ_OFFSET Gauge "primacy_slave_read_repl_offset" "bytes" "The offset up to which it has come.";
    LINK_STATE Gauge "primacy_master_link_state" "" "1 for the state of a replica's link.";
    LINK_STATE_FOR Gauge "primacy_master_link_state_seconds" "seconds" "For how long it has been so.";
    LINK_TIME Counter "primacy_master_link_seconds_total" "seconds" "All the time that links to masters were in each state.";
    LINK_LOST Counter "primacy_master_link_losses_total" "" "How often the link to this master was lost or could not be made, by reason.";
    RESYNCS Counter "primacy_master_resyncs_total" "" "Resyncs of a replica with its masters, by kind.";
    REFUSED Counter "primacy_resyncs_refused_total" "" "Full resyncs that replica-resync-guard refused.";
}

/// What writes a replica's row, with these labels.
type RowOf<'f> = dyn Fn(&mut Page<'_>, &[(&str, &str)], &ReplicaInfo<'_>) + 'f;

impl<D: Dataset> Node<D> {
    pub(super) fn replication_metrics(&self, page: &mut Page<'_>) {
        let (source, counts) = (&self.source, self.counts(page.now));
        let (log, active) = (source.log(), source.is_active());
        page.one(&REPLICAS, source.replica_count());
        page.one(&OFFSET, source.offset());
        page.one(&SECOND_OFFSET, source.id2().map_or(-1, |(_, at)| i64::try_from(at).unwrap_or(i64::MAX)));
        page.one(&LOG_ACTIVE, active);
        page.one(&LOG_SIZE, self.config.settings.repl_backlog_size);
        page.one(&LOG_FIRST, if active { log.start() + 1 } else { 0 });
        page.one(&LOG_HISTORY, if active { log.history() } else { 0 });
        page.one(&NET_IN, self.clients.stats.repl_in);
        page.one(&NET_OUT, self.clients.stats.repl_out);
        page.one(&SYNC_FULL, counts.sync_full);
        page.one(&SYNC_PARTIAL, counts.sync_partial_ok);
        page.one(&SYNC_DENIED, counts.sync_partial_err);
        let c = source.counters();
        for (kind, reason, n) in [
            ("partial", "in-log", c.partial_ok),
            ("full", "no-place", c.placeless),
            ("full", "sync", c.by_sync),
            ("full", "other-history", c.other_id),
            ("full", "behind-second-id", c.beyond_second_id),
            ("full", "not-in-log", c.not_held),
        ] {
            page.row(&ASKED, &[("kind", kind), ("reason", reason)], n);
        }
        page.one(&PUT_OFF, c.put_off);
        page.one(&UNDER_WAY, source.full_syncs(page.now.mono));
        let throttled = self.throttle.map_or(Duration::ZERO, |t| page.now.mono - t.since());
        page.one(&THROTTLED, self.throttle.is_some());
        page.one(&THROTTLE_COUNT, self.stats.throttled);
        page.one(&THROTTLE_TIME, self.stats.throttled_for + throttled);
        self.each_replica(page);
    }

    fn each_replica(&self, page: &mut Page<'_>) {
        let place = |r: &ReplicaInfo<'_>| match (r.port, r.endpoint.tcp()) {
            (0, Some(from)) => format!("{}", from.port()),
            (port, _) => format!("{port}"),
        };
        // A name may be there only once: of a replica that came back while its former connection stands, the last counts.
        let replicas: BTreeMap<(String, String), ReplicaInfo<'_>> =
            self.source.replicas(page.now.mono).map(|r| ((address(&r), place(&r)), r)).collect();
        let mut family = |write: &RowOf<'_>| {
            for ((ip, port), r) in &replicas {
                write(page, &[("slave_ip", ip), ("slave_port", port), ("slave_state", r.state.as_str())], r);
            }
        };
        family(&|page, labels, r| page.row(&SLAVE_OFFSET, labels, r.offset));
        family(&|page, labels, r| page.row(&SLAVE_LAG, labels, r.lag_s));
        // Ours have no state among their labels, so that a series does not end with each resync.
        family(&|page, labels, r| page.row(&BEHIND, &labels[..2], r.behind));
        let unacknowledged = |r: &ReplicaInfo<'_>| self.source.offset().saturating_sub(r.offset);
        family(&|page, labels, r| page.row(&UNACKNOWLEDGED, &labels[..2], unacknowledged(r)));
        family(&|page, labels, r| r.lag.into_iter().for_each(|lag| page.row(&LAG, &labels[..2], lag)));
        family(&|page, labels, r| r.lag_acked.into_iter().for_each(|lag| page.row(&LAG_ACKED, &labels[..2], lag)));
    }

    pub(super) fn link_metrics(&self, page: &mut Page<'_>) {
        let (set, now) = (&self.config.settings, page.now.mono);
        page.one(&PRIORITY, set.replica_priority);
        if let Some(up) = &self.upstream {
            let (host, port): (Cow<'_, str>, String) = ((&*up.host).into(), format!("{}", up.port));
            let labels = [("master_host", &*host), ("master_port", &port)];
            let read_only = if set.replica_read_only { "1" } else { "0" };
            page.row(&SLAVE_INFO, &[labels[0], labels[1], ("read_only", read_only)], true);
            page.row(&LINK_UP, &labels, up.is_up());
            page.row(&LINK_IO, &labels, up.link.last_io().map_or(-1, |at| (now - at).as_secs() as i64));
            page.row(&LINK_SYNC, &labels, up.is_syncing());
            page.row(&SLAVE_REPL_OFFSET, &labels, self.source.offset());
            page.row(&READ_OFFSET, &labels, self.source.log().end());
            for (reason, n) in up.link.losses() {
                page.row(&LINK_LOST, &[labels[0], labels[1], ("reason", reason)], n);
            }
        }
        if let Some((state, time)) = self.stats.link.current(now) {
            page.row(&LINK_STATE, &[("state", state.as_str())], true);
            page.row(&LINK_STATE_FOR, &[("state", state.as_str())], time);
        }
        for (state, time) in self.stats.link.all(now) {
            page.row(&LINK_TIME, &[("state", state.as_str())], time);
        }
        page.row(&RESYNCS, &[("kind", "full")], self.stats.resyncs.full);
        page.row(&RESYNCS, &[("kind", "partial")], self.stats.resyncs.partial);
        page.one(&REFUSED, self.stats.resyncs_refused);
    }
}
