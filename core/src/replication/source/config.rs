//! Settings of the master side.

use core::time::Duration;

/// What the master side needs to know; defaults are Redis's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceConfig {
    /// Bytes of history kept for partial resyncs (`repl-backlog-size`).
    pub backlog_size: u64,
    /// A master without replicas frees the history after so long (`repl-backlog-ttl`); zero: never.
    pub backlog_ttl: Duration,
    /// Time between two PINGs in the stream (`repl-ping-replica-period`); zero: none.
    pub ping_period: Duration,
    /// A replica that is silent so long is dropped (`repl-timeout`).
    pub timeout: Duration,
    /// Whether snapshots go straight to the sockets (`repl-diskless-sync`) of replicas that can take them so.
    pub diskless: bool,
    /// How long a diskless snapshot waits for further replicas (`repl-diskless-sync-delay`).
    pub diskless_delay: Duration,
    /// With so many waiting it does not wait (`repl-diskless-sync-max-replicas`); 0: it always does.
    pub diskless_max_replicas: usize,
    /// Whether diskless snapshots go over a second connection, beside the stream, to replicas that can take them so
    /// (`repl-rdb-channel`).
    pub two_channel: bool,
    /// A replica so many bytes behind is dropped at once (`client-output-buffer-limit replica`, hard); 0: never. Both
    /// limits act as if they were at least `backlog_size`, which is kept anyway.
    pub output_hard: u64,
    /// A replica so many bytes behind for `output_soft_period` is dropped (soft limit); 0: never.
    pub output_soft: u64,
    /// See `output_soft`.
    pub output_soft_period: Duration,
    /// The format version of snapshots (`rdb-version`), unless the data need a higher one; it also counts as the highest that
    /// replicas read which do not say. `None`: for each snapshot the highest that all who wait for it are known to read, or
    /// the lowest that will do if one of them does not say.
    pub snapshot_version: Option<u16>,
    /// So many full resyncs at once; further replicas are answered `NOMASTERLINK` and try again by themselves
    /// (`repl-max-full-syncs`, a directive of our own); 0: no limit.
    pub max_full_syncs: usize,
    /// Bytes held for snapshots on their way: those of diskless ones for slow readers, and what the dataset holds for
    /// the one under production ([`Source::handed_over`](super::Source::handed_over)). The slowest readers are dropped
    /// beyond.
    pub snapshot_buffer: u64,
    /// How many bytes a diskless snapshot is produced ahead of its fastest reader.
    pub snapshot_ahead: u64,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            backlog_size: 1 << 20,
            backlog_ttl: Duration::from_secs(3600),
            ping_period: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            diskless: true,
            diskless_delay: Duration::from_secs(5),
            diskless_max_replicas: 0,
            two_channel: false,
            output_hard: 256 << 20,
            output_soft: 64 << 20,
            output_soft_period: Duration::from_secs(60),
            snapshot_version: None,
            max_full_syncs: 0,
            snapshot_buffer: 256 << 20,
            snapshot_ahead: 256 << 10,
        }
    }
}

impl SourceConfig {
    /// The hard limit as it acts: never below the backlog; `None`: no limit.
    pub(super) fn hard_limit(&self) -> Option<u64> {
        (self.output_hard > 0).then(|| self.output_hard.max(self.backlog_size))
    }

    /// The bytes behind beyond which a replica is dropped, at once or after a while; `None`: never.
    pub fn drops_beyond(&self) -> Option<u64> {
        [self.hard_limit(), self.soft_limit()].into_iter().flatten().min()
    }

    /// The soft limit as it acts.
    pub(super) fn soft_limit(&self) -> Option<u64> {
        (self.output_soft > 0).then(|| self.output_soft.max(self.backlog_size))
    }
}
