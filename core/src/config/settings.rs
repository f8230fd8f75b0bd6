//! What a node obeys, typed.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{
    BindAddress, DisklessLoad, EvictionPolicy, Guard, LogLevel, MasterAddress, Notify, OutputLimits, PropagationError,
    PubSubDefault, RdbVersion, SaveRule, UserLine,
};
use crate::tls::Tls;

/// The value of every directive that a node honours. [`Default`] is Redis 7.2's, but for `bind`, which is this
/// machine alone.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    // Network.
    /// Addresses that are listened on; none with an empty list.
    pub bind: Vec<BindAddress>,
    /// TCP port; 0 listens on none.
    pub port: u16,
    /// TCP port that serves metrics and health over HTTP; 0 listens on none.
    pub metrics_port: u16,
    /// Addresses that this port is listened on.
    pub metrics_bind: Vec<BindAddress>,
    /// Path of a unix socket to listen on; empty for none.
    pub unixsocket: String,
    /// Permissions of that socket in octal; 0 leaves the system's.
    pub unixsocketperm: String,
    /// Connections that may wait to be accepted.
    pub tcp_backlog: u32,
    /// Seconds after which an idle client is closed; 0 for never.
    pub timeout: u64,
    /// Seconds between keep-alive probes; 0 for none.
    pub tcp_keepalive: u32,
    /// Whether clients from other machines are refused while there is neither a password nor a `bind` line.
    pub protected_mode: bool,
    /// Clients at a time.
    pub maxclients: u32,
    /// Password of the default user; empty for none.
    pub requirepass: String,
    /// The users of `user` lines.
    pub users: Vec<UserLine>,
    /// The file of users, which takes the place of such lines; empty for none.
    pub aclfile: String,
    /// What commands are called instead; an empty name: they are not there. In the order of their lines.
    pub renamed: Vec<(String, String)>,
    /// Entries of `ACL LOG` at most.
    pub acllog_max_len: u64,
    /// Whether new users may use every channel.
    pub acl_pubsub_default: PubSubDefault,
    /// How many numbered databases there are.
    pub databases: u32,
    /// Local address of outgoing connections; empty for any.
    pub bind_source_addr: String,
    // TLS.
    /// Port for encrypted connections; 0 listens on none.
    pub tls_port: u16,
    /// Whether links that we open are encrypted: to a master, and a sentinel's to all that it watches and to others.
    pub tls_replication: bool,
    /// Certificates and rules.
    pub tls: Tls,
    // Memory.
    /// Bytes that the keys and values of all databases may take, their tables included; 0 for no limit.
    pub maxmemory: u64,
    /// What gives way at that limit.
    pub maxmemory_policy: EvictionPolicy,
    /// Keys that are compared for one eviction.
    pub maxmemory_samples: u32,
    /// How much is evicted before one command waits no longer for it, 0 to 100.
    pub maxmemory_eviction_tenacity: u32,
    /// How slowly the counter of a key grows that is used often (LFU).
    pub lfu_log_factor: u32,
    /// Minutes without a use after which that counter falls by one; 0 for never.
    pub lfu_decay_time: u32,
    // Snapshots.
    /// When a snapshot is taken; never with an empty list.
    pub save: Vec<SaveRule>,
    /// Name of the snapshot's file in `dir`.
    pub dbfilename: String,
    /// The working folder.
    pub dir: String,
    /// Whether strings in a snapshot are compressed (LZF).
    pub rdbcompression: bool,
    /// Whether a snapshot ends with its CRC-64, and whether that is checked.
    pub rdbchecksum: bool,
    /// The format version of snapshots.
    pub rdb_version: RdbVersion,
    /// Whether writes are refused (`MISCONF`) after a snapshot failed.
    pub stop_writes_on_bgsave_error: bool,
    /// Whether files made only to serve a replica are removed.
    pub rdb_del_sync_files: bool,
    // The process.
    /// Whether the program goes to the background.
    pub daemonize: bool,
    /// File with the process id; empty for none.
    pub pidfile: String,
    /// File of the log; empty for standard output.
    pub logfile: String,
    /// The least severe lines that are logged.
    pub loglevel: LogLevel,
    /// Whether the start shows a logo.
    pub always_show_logo: bool,
    /// Background rounds in a second, 1 to 500. Deadlines do not depend on it.
    pub hz: u32,
    /// Seconds that a shutdown waits for lagging replicas.
    pub shutdown_timeout: u32,
    // Replication.
    /// The master to follow; none for a master.
    pub replicaof: Option<MasterAddress>,
    /// Password for the master; empty for none.
    pub masterauth: String,
    /// User for the master; empty for the default one.
    pub masteruser: String,
    /// Whether a replica answers while its link is down (else `MASTERDOWN`).
    pub replica_serve_stale_data: bool,
    /// Whether a replica refuses writes (`READONLY`).
    pub replica_read_only: bool,
    /// Which replica a sentinel prefers: lower first, 0 never.
    pub replica_priority: u32,
    /// Whether a sentinel tells clients of this replica.
    pub replica_announced: bool,
    /// Address that a replica tells its master; empty for its own.
    pub replica_announce_ip: String,
    /// Port that a replica tells its master; 0 for its own.
    pub replica_announce_port: u16,
    /// Whether a replica leaves eviction to its master.
    pub replica_ignore_maxmemory: bool,
    /// Whether a replica that holds keys refuses a full resync of a master that is empty or rewound.
    pub replica_resync_guard: bool,
    /// Whether a replica frees its old dataset in the background.
    pub replica_lazy_flush: bool,
    /// Whether a master streams a snapshot to replicas without a file.
    pub repl_diskless_sync: bool,
    /// Seconds that it waits for more replicas before that.
    pub repl_diskless_sync_delay: u32,
    /// Replicas after which it waits no longer; 0 for no such number.
    pub repl_diskless_sync_max_replicas: u32,
    /// Whether a replica parses a snapshot as it comes in.
    pub repl_diskless_load: DisklessLoad,
    /// Full resyncs that a master serves at once, others are put off; 0 for no such number.
    pub repl_max_full_syncs: u32,
    /// Bytes that a replica may be behind before writers are slowed down; 0 for never.
    pub repl_write_throttle: u64,
    /// Whether a full resync takes two connections where both sides can: the stream is not held back while the snapshot
    /// comes. Both dialects, Redis's and Valkey's.
    pub repl_rdb_channel: bool,
    /// Bytes of the stream that a replica keeps meanwhile; 0 for the hard output limit of replicas.
    pub replica_full_sync_buffer_limit: u64,
    /// Bytes of the stream that are kept for partial resyncs, 16 KB or more.
    pub repl_backlog_size: u64,
    /// Seconds after which a master without replicas drops them; 0 for never.
    pub repl_backlog_ttl: u64,
    /// Seconds between a master's pings to its replicas.
    pub repl_ping_replica_period: u32,
    /// Seconds of silence after which a link is given up.
    pub repl_timeout: u32,
    /// Whether the kernel may delay small writes to replicas.
    pub repl_disable_tcp_nodelay: bool,
    /// Good replicas without which writes are refused (`NOREPLICAS`); 0 for no such rule.
    pub min_replicas_to_write: u32,
    /// Seconds since its last acknowledgement within which a replica is good.
    pub min_replicas_max_lag: u32,
    /// What a replica does when the stream cannot be applied.
    pub propagation_error_behavior: PropagationError,
    // Limits of clients.
    /// How much may wait to be sent, by class.
    pub client_output_buffer_limit: OutputLimits,
    /// Bytes that may wait to be parsed.
    pub client_query_buffer_limit: u64,
    /// Bytes of one argument.
    pub proto_max_bulk_len: u64,
    // Observation.
    /// Microseconds above which a command is noted; -1 for never, 0 for all.
    pub slowlog_log_slower_than: i64,
    /// Entries of the slow log.
    pub slowlog_max_len: u64,
    /// Milliseconds above which an event is noted; 0 for never.
    pub latency_monitor_threshold: u64,
    /// Whether the times of each command are tracked.
    pub latency_tracking: bool,
    /// Percentiles that INFO shows of them.
    pub latency_tracking_info_percentiles: Vec<String>,
    /// Which changes of keys are published.
    pub notify_keyspace_events: Notify,
    // Freeing.
    /// Whether evicted values are freed in the background.
    pub lazyfree_lazy_eviction: bool,
    /// Whether expired values are.
    pub lazyfree_lazy_expire: bool,
    /// Whether values that a command replaces are.
    pub lazyfree_lazy_server_del: bool,
    /// Whether `DEL` is `UNLINK`.
    pub lazyfree_lazy_user_del: bool,
    /// Whether `FLUSHALL` is `FLUSHALL ASYNC`.
    pub lazyfree_lazy_user_flush: bool,
    /// How much work goes into finding expired keys, 1 to 10.
    pub active_expire_effort: u32,
    // Thresholds of encodings.
    /// Fields of a `listpack` hash.
    pub hash_max_listpack_entries: u64,
    /// Bytes of a field or value in one.
    pub hash_max_listpack_value: u64,
    /// Elements of a `listpack` list, or -1 to -5 for 4 to 64 KB.
    pub list_max_listpack_size: i32,
    /// Nodes at each end of a list that are not compressed; 0 compresses none.
    pub list_compress_depth: u32,
    /// Members of an `intset`.
    pub set_max_intset_entries: u64,
    /// Members of a `listpack` set.
    pub set_max_listpack_entries: u64,
    /// Bytes of a member in one.
    pub set_max_listpack_value: u64,
    /// Members of a `listpack` sorted set.
    pub zset_max_listpack_entries: u64,
    /// Bytes of a member in one.
    pub zset_max_listpack_value: u64,
    /// Bytes of a stream's node; 0 for no limit.
    pub stream_node_max_bytes: u64,
    /// Entries of a stream's node; 0 for no limit.
    pub stream_node_max_entries: u64,
    /// Bytes of a sparse HyperLogLog.
    pub hll_sparse_max_bytes: u64,
    // Guards and fault handles.
    /// Who may use `DEBUG`.
    pub enable_debug_command: Guard,
    /// Who may change protected directives (`dir`, `dbfilename`).
    pub enable_protected_configs: Guard,
    /// Microseconds of delay for each key of a snapshot that is written; below zero, so many keys for one microsecond.
    pub rdb_key_save_delay: i64,
    /// The same while a snapshot is loaded.
    pub key_load_delay: i64,
    /// Bytes of a snapshot that are loaded before others have their turn, 1 KB or more.
    pub loading_process_events_interval_bytes: u64,
    /// `oom_score_adj` of a master, a replica, and a child process, if `oom-score-adj` asks for it.
    pub oom_score_adj_values: [i32; 3],
    /// Directives that nothing depends on, where they differ from their defaults.
    pub kept: BTreeMap<&'static str, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: ["127.0.0.1", "-::1"].map(BindAddress::new).into(),
            port: 6379,
            metrics_port: 0,
            metrics_bind: ["127.0.0.1", "-::1"].map(BindAddress::new).into(),
            unixsocket: String::new(),
            unixsocketperm: "0".into(),
            tcp_backlog: 511,
            timeout: 0,
            tcp_keepalive: 300,
            protected_mode: true,
            maxclients: 10_000,
            requirepass: String::new(),
            users: Vec::new(),
            aclfile: String::new(),
            renamed: Vec::new(),
            acllog_max_len: 128,
            acl_pubsub_default: PubSubDefault::ResetChannels,
            databases: 16,
            bind_source_addr: String::new(),
            tls_port: 0,
            tls_replication: false,
            tls: Tls::default(),
            maxmemory: 0,
            maxmemory_policy: EvictionPolicy::NoEviction,
            maxmemory_samples: 5,
            maxmemory_eviction_tenacity: 10,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            save: [(3600, 1), (300, 100), (60, 10_000)].map(|(seconds, changes)| SaveRule { seconds, changes }).into(),
            dbfilename: "dump.rdb".into(),
            dir: "./".into(),
            rdbcompression: true,
            rdbchecksum: true,
            rdb_version: RdbVersion::Auto,
            stop_writes_on_bgsave_error: true,
            rdb_del_sync_files: false,
            daemonize: false,
            pidfile: String::new(),
            logfile: String::new(),
            loglevel: LogLevel::Notice,
            always_show_logo: false,
            hz: 10,
            shutdown_timeout: 10,
            replicaof: None,
            masterauth: String::new(),
            masteruser: String::new(),
            replica_serve_stale_data: true,
            replica_read_only: true,
            replica_priority: 100,
            replica_announced: true,
            replica_announce_ip: String::new(),
            replica_announce_port: 0,
            replica_ignore_maxmemory: true,
            replica_lazy_flush: false,
            repl_diskless_sync: true,
            repl_diskless_sync_delay: 5,
            repl_diskless_sync_max_replicas: 0,
            repl_diskless_load: DisklessLoad::Disabled,
            replica_resync_guard: false,
            repl_max_full_syncs: 0,
            repl_write_throttle: 0,
            repl_rdb_channel: false,
            replica_full_sync_buffer_limit: 0,
            repl_backlog_size: 1 << 20,
            repl_backlog_ttl: 3600,
            repl_ping_replica_period: 10,
            repl_timeout: 60,
            repl_disable_tcp_nodelay: false,
            min_replicas_to_write: 0,
            min_replicas_max_lag: 10,
            propagation_error_behavior: PropagationError::Ignore,
            client_output_buffer_limit: OutputLimits::default(),
            client_query_buffer_limit: 1 << 30,
            proto_max_bulk_len: 512 << 20,
            slowlog_log_slower_than: 10_000,
            slowlog_max_len: 128,
            latency_monitor_threshold: 0,
            latency_tracking: true,
            latency_tracking_info_percentiles: ["50", "99", "99.9"].map(String::from).into(),
            notify_keyspace_events: Notify::default(),
            lazyfree_lazy_eviction: false,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_server_del: false,
            lazyfree_lazy_user_del: false,
            lazyfree_lazy_user_flush: false,
            active_expire_effort: 1,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hll_sparse_max_bytes: 3000,
            enable_debug_command: Guard::No,
            enable_protected_configs: Guard::No,
            rdb_key_save_delay: 0,
            key_load_delay: 0,
            loading_process_events_interval_bytes: 2 << 20,
            oom_score_adj_values: [0, 200, 800],
            kept: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Whether there are encrypted connections.
    pub fn uses_tls(&self) -> bool {
        self.tls_port != 0 || self.tls_replication
    }

    /// What the runtime is to make its TLS of.
    pub fn tls(&self) -> Tls {
        Tls { links: self.tls_replication, ..self.tls.clone() }
    }

    /// Directives that are given and that have no effect on TLS here.
    pub fn idle_tls_directives(&self) -> impl Iterator<Item = &'static str> {
        self.kept.keys().copied().filter(|name| name.starts_with("tls-"))
    }

    /// Brings values into the bounds that Redis keeps silently.
    pub(super) fn settle(&mut self) {
        self.hz = self.hz.clamp(1, 500);
        self.repl_backlog_size = self.repl_backlog_size.max(16 << 10);
    }
}
