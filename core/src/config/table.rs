//! The table of all directives.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::directive::{Directive, Place};
use super::kind::memory;
use super::settings::Settings;
use super::values::{Field, spaced};
use super::{
    BindAddress, Config, DisklessLoad, EvictionPolicy, Guard, Kind, LogLevel, MAX_BIND, MasterAddress, Notify,
    OutputLimit, PropagationError, PubSubDefault, RdbVersion, SaveRule, UserLine,
};
use crate::resp::{parse_i64, parse_u64};
use crate::tls::{AuthClients, Protocols};

/// The greatest `int` and `long` of Redis.
const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;

/// A directive whose value is the field of the same name.
macro_rules! field {
    ($name:literal, $($field:ident).+, $kind:expr) => {
        Directive::new($name, $kind, Place::Field { show: |s| s.$($field).+.show(), take: |s, v| s.$($field).+.take(v) })
    };
}

/// A directive whose value is made of several words.
macro_rules! list {
    ($name:literal, $show:expr, $take:expr) => {
        Directive::new($name, Kind::List, Place::List { show: $show, take: $take })
    };
}

const fn number(min: i64, max: i64) -> Kind {
    Kind::Number { min, max }
}

const fn bytes(min: u64) -> Kind {
    Kind::Memory { min, max: LONG as u64 }
}

/// A directive that nothing depends on, with its default.
const fn kept(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive::new(name, kind, Place::Kept(default))
}

const NO_AOF: &str = "there is no append-only file; set 'appendonly no' and use 'save' and replicas for durability";
const NO_CLUSTER: &str = "cluster mode is not supported; set 'cluster-enabled no', or remove the line";
const NO_SYSLOG: &str = "the log goes to standard output or 'logfile'; set 'syslog-enabled no'";
const NO_DEFRAG: &str = "active defragmentation needs an allocator of its own; set 'activedefrag no'";
pub(super) const TWO_SOURCES: &str =
    "users are defined by lines here and by an 'aclfile', which cannot both hold: keep one of them";
const SIGNAL_WORDS: &[&str] = &["default", "save", "nosave", "now", "force"];
const FACILITIES: &[&str] = &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];

/// Every directive, once.
#[rustfmt::skip]
pub(super) static TABLE: &[Directive] = &[
    // Lines of a file that are no value.
    Directive::new("include", Kind::List, Place::Line(|_, _| Ok(()))).fixed(),
    Directive::new("user", Kind::List, Place::Line(take_user)).fixed(),
    Directive::new("rename-command", Kind::List, Place::Line(take_rename)).fixed(),
    Directive::new("loadmodule", Kind::List, Place::Line(refuse_module)).fixed(),
    Directive::new("list-max-ziplist-entries", Kind::List, Place::Line(|_, _| Ok(()))).fixed(),
    Directive::new("list-max-ziplist-value", Kind::List, Place::Line(|_, _| Ok(()))).fixed(),

    // Network.
    list!("bind", |s| spaced(&s.bind), take_bind),
    list!("replicaof", |s| s.replicaof.as_ref().map(ToString::to_string).unwrap_or_default(), take_replicaof).alias("slaveof").fixed(),
    field!("port", port, number(0, 65535)),
    field!("unixsocket", unixsocket, Kind::Text).fixed(),
    field!("unixsocketperm", unixsocketperm, Kind::Permissions).fixed(),
    field!("tcp-backlog", tcp_backlog, number(0, INT)).fixed(),
    field!("timeout", timeout, number(0, INT)),
    field!("tcp-keepalive", tcp_keepalive, number(0, INT)),
    field!("protected-mode", protected_mode, Kind::Bool),
    field!("maxclients", maxclients, number(1, u32::MAX as i64)),
    field!("requirepass", requirepass, Kind::Text),
    field!("databases", databases, number(1, INT)).fixed(),
    field!("bind-source-addr", bind_source_addr, Kind::Text),
    kept("unixsocketgroup", Kind::Text, "").fixed(),
    kept("socket-mark-id", number(0, u32::MAX as i64), "0").fixed(),
    kept("max-new-connections-per-cycle", number(1, 1000), "10"),
    kept("max-new-tls-connections-per-cycle", number(1, 1000), "1"),

    // Memory.
    field!("maxmemory", maxmemory, Kind::Memory { min: 0, max: u64::MAX }),
    field!("maxmemory-policy", maxmemory_policy, Kind::Word(EvictionPolicy::WORDS)),
    field!("maxmemory-samples", maxmemory_samples, number(1, INT)),
    kept("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    field!("maxmemory-eviction-tenacity", maxmemory_eviction_tenacity, number(0, 100)),
    field!("lfu-log-factor", lfu_log_factor, number(0, INT)),
    field!("lfu-decay-time", lfu_decay_time, number(0, INT)),
    kept("activedefrag", Kind::Bool, "no").only("no", NO_DEFRAG),
    kept("active-defrag-cycle-min", number(1, 99), "1"),
    kept("active-defrag-cycle-max", number(1, 99), "25"),
    kept("active-defrag-threshold-lower", number(0, 1000), "10"),
    kept("active-defrag-threshold-upper", number(0, 1000), "100"),
    kept("active-defrag-ignore-bytes", bytes(1), "104857600"),
    kept("active-defrag-max-scan-fields", number(1, LONG), "1000"),
    kept("jemalloc-bg-thread", Kind::Bool, "yes"),
    kept("activerehashing", Kind::Bool, "yes"),

    // Snapshots.
    list!("save", |s| spaced(&s.save), take_save),
    field!("dbfilename", dbfilename, Kind::FileName).protected(),
    field!("dir", dir, Kind::Text).protected(),
    field!("rdbcompression", rdbcompression, Kind::Bool),
    field!("rdbchecksum", rdbchecksum, Kind::Bool).fixed(),
    field!("rdb-version", rdb_version, Kind::Word(RdbVersion::WORDS)),
    field!("stop-writes-on-bgsave-error", stop_writes_on_bgsave_error, Kind::Bool),
    field!("rdb-del-sync-files", rdb_del_sync_files, Kind::Bool),
    kept("rdb-save-incremental-fsync", Kind::Bool, "yes"),
    kept("sanitize-dump-payload", Kind::Word(&["no", "yes", "clients"]), "no"),

    // The append-only file.
    kept("appendonly", Kind::Bool, "no").only("no", NO_AOF),
    kept("appendfsync", Kind::Word(&["everysec", "always", "no"]), "everysec"),
    kept("appendfilename", Kind::FileName, "appendonly.aof").fixed(),
    kept("appenddirname", Kind::FileName, "appendonlydir").fixed(),
    kept("no-appendfsync-on-rewrite", Kind::Bool, "no"),
    kept("auto-aof-rewrite-percentage", number(0, INT), "100"),
    kept("auto-aof-rewrite-min-size", bytes(0), "67108864"),
    kept("aof-load-truncated", Kind::Bool, "yes"),
    kept("aof-load-corrupt-tail-max-size", number(0, LONG), "0"),
    kept("aof-use-rdb-preamble", Kind::Bool, "yes"),
    kept("aof-timestamp-enabled", Kind::Bool, "no"),
    kept("aof-rewrite-incremental-fsync", Kind::Bool, "yes"),
    kept("aof-disable-auto-gc", Kind::Bool, "no"),

    // The process.
    field!("daemonize", daemonize, Kind::Bool).fixed(),
    field!("pidfile", pidfile, Kind::Text).fixed(),
    field!("logfile", logfile, Kind::Text).fixed(),
    field!("loglevel", loglevel, Kind::Word(LogLevel::WORDS)),
    field!("always-show-logo", always_show_logo, Kind::Bool).fixed(),
    field!("hz", hz, number(0, INT)),
    field!("shutdown-timeout", shutdown_timeout, number(0, INT)),
    kept("shutdown-on-sigint", Kind::Words(SIGNAL_WORDS), "default"),
    kept("shutdown-on-sigterm", Kind::Words(SIGNAL_WORDS), "default"),
    kept("dynamic-hz", Kind::Bool, "yes"),
    kept("supervised", Kind::Word(&["upstart", "systemd", "auto", "no"]), "no").fixed(),
    kept("set-proc-title", Kind::Bool, "yes").fixed(),
    kept("proc-title-template", Kind::Text, "{title} {listen-addr} {server-mode}"),
    kept("syslog-enabled", Kind::Bool, "no").fixed().only("no", NO_SYSLOG),
    kept("syslog-ident", Kind::Text, "redis").fixed(),
    kept("syslog-facility", Kind::Word(FACILITIES), "local0").fixed(),
    kept("crash-log-enabled", Kind::Bool, "yes"),
    kept("crash-memcheck-enabled", Kind::Bool, "yes"),
    kept("use-exit-on-panic", Kind::Bool, "no").hidden(),
    kept("disable-thp", Kind::Bool, "yes").fixed(),
    kept("oom-score-adj", Kind::Word(&["no", "yes", "relative", "absolute"]), "no"),
    list!("oom-score-adj-values", |s| spaced(&s.oom_score_adj_values), take_oom_values),
    kept("server_cpulist", Kind::Text, "").alias("server-cpulist").fixed(),
    kept("bio_cpulist", Kind::Text, "").alias("bio-cpulist").fixed(),
    kept("aof_rewrite_cpulist", Kind::Text, "").alias("aof-rewrite-cpulist").fixed(),
    kept("bgsave_cpulist", Kind::Text, "").alias("bgsave-cpulist").fixed(),
    kept("io-threads", number(1, 128), "1").fixed(),
    kept("io-threads-do-reads", Kind::Bool, "no").fixed(),
    kept("ignore-warnings", Kind::Text, ""),
    kept("locale-collate", Kind::Text, ""),
    kept("hide-user-data-from-log", Kind::Bool, "no"),
    kept("gopher-enabled", Kind::Bool, "no").hidden(),

    // Replication.
    field!("masterauth", masterauth, Kind::Text).alias("primaryauth"),
    field!("masteruser", masteruser, Kind::Text).alias("primaryuser"),
    field!("replica-serve-stale-data", replica_serve_stale_data, Kind::Bool).alias("slave-serve-stale-data"),
    field!("replica-read-only", replica_read_only, Kind::Bool).alias("slave-read-only"),
    field!("replica-priority", replica_priority, number(0, INT)).alias("slave-priority"),
    field!("replica-announced", replica_announced, Kind::Bool),
    field!("replica-announce-ip", replica_announce_ip, Kind::Text).alias("slave-announce-ip"),
    field!("replica-announce-port", replica_announce_port, number(0, 65535)).alias("slave-announce-port"),
    field!("replica-ignore-maxmemory", replica_ignore_maxmemory, Kind::Bool).alias("slave-ignore-maxmemory"),
    field!("replica-resync-guard", replica_resync_guard, Kind::Bool),
    field!("replica-lazy-flush", replica_lazy_flush, Kind::Bool).alias("slave-lazy-flush"),
    field!("repl-diskless-sync", repl_diskless_sync, Kind::Bool),
    field!("repl-diskless-sync-delay", repl_diskless_sync_delay, number(0, INT)),
    field!("repl-diskless-sync-max-replicas", repl_diskless_sync_max_replicas, number(0, INT)),
    field!("repl-diskless-load", repl_diskless_load, Kind::Word(DisklessLoad::WORDS)),
    field!("repl-max-full-syncs", repl_max_full_syncs, number(0, INT)),
    field!("repl-write-throttle", repl_write_throttle, bytes(0)),
    field!("repl-backlog-size", repl_backlog_size, bytes(1)),
    field!("repl-backlog-ttl", repl_backlog_ttl, number(0, LONG)),
    field!("repl-ping-replica-period", repl_ping_replica_period, number(1, INT)).alias("repl-ping-slave-period"),
    field!("repl-timeout", repl_timeout, number(1, INT)),
    field!("repl-disable-tcp-nodelay", repl_disable_tcp_nodelay, Kind::Bool),
    field!("min-replicas-to-write", min_replicas_to_write, number(0, INT)).alias("min-slaves-to-write"),
    field!("min-replicas-max-lag", min_replicas_max_lag, number(0, INT)).alias("min-slaves-max-lag"),
    field!("propagation-error-behavior", propagation_error_behavior, Kind::Word(PropagationError::WORDS)),
    kept("replica-ignore-disk-write-errors", Kind::Bool, "no"),
    field!("repl-rdb-channel", repl_rdb_channel, Kind::Bool).alias("dual-channel-replication-enabled"),
    field!("replica-full-sync-buffer-limit", replica_full_sync_buffer_limit, bytes(0)),

    // Limits of clients.
    list!("client-output-buffer-limit", show_limits, take_limits),
    field!("client-query-buffer-limit", client_query_buffer_limit, bytes(1 << 20)),
    field!("proto-max-bulk-len", proto_max_bulk_len, bytes(1 << 20)),
    kept("tracking-table-max-keys", number(0, LONG), "1000000"),
    field!("acllog-max-len", acllog_max_len, number(0, LONG)),
    field!("aclfile", aclfile, Kind::Text).fixed(),
    field!("acl-pubsub-default", acl_pubsub_default, Kind::Word(PubSubDefault::WORDS)),
    kept("busy-reply-threshold", number(0, LONG), "5000").alias("lua-time-limit"),

    // Observation.
    field!("metrics-port", metrics_port, number(0, 65535)),
    list!("metrics-bind", |s| spaced(&s.metrics_bind), take_metrics_bind),
    field!("slowlog-log-slower-than", slowlog_log_slower_than, number(-1, LONG)),
    field!("slowlog-max-len", slowlog_max_len, number(0, LONG)),
    field!("latency-monitor-threshold", latency_monitor_threshold, number(0, LONG)),
    field!("latency-tracking", latency_tracking, Kind::Bool),
    list!("latency-tracking-info-percentiles", |s| s.latency_tracking_info_percentiles.join(" "), take_percentiles),
    list!("notify-keyspace-events", |s| s.notify_keyspace_events.to_string(), take_notify),

    // Freeing.
    field!("lazyfree-lazy-eviction", lazyfree_lazy_eviction, Kind::Bool),
    field!("lazyfree-lazy-expire", lazyfree_lazy_expire, Kind::Bool),
    field!("lazyfree-lazy-server-del", lazyfree_lazy_server_del, Kind::Bool),
    field!("lazyfree-lazy-user-del", lazyfree_lazy_user_del, Kind::Bool),
    field!("lazyfree-lazy-user-flush", lazyfree_lazy_user_flush, Kind::Bool),
    field!("active-expire-effort", active_expire_effort, number(1, 10)),

    // Thresholds of encodings.
    field!("hash-max-listpack-entries", hash_max_listpack_entries, number(0, LONG)).alias("hash-max-ziplist-entries"),
    field!("hash-max-listpack-value", hash_max_listpack_value, bytes(0)).alias("hash-max-ziplist-value"),
    field!("list-max-listpack-size", list_max_listpack_size, number(i32::MIN as i64, INT)).alias("list-max-ziplist-size"),
    field!("list-compress-depth", list_compress_depth, number(0, INT)),
    field!("set-max-intset-entries", set_max_intset_entries, number(0, LONG)),
    field!("set-max-listpack-entries", set_max_listpack_entries, number(0, LONG)),
    field!("set-max-listpack-value", set_max_listpack_value, bytes(0)),
    field!("zset-max-listpack-entries", zset_max_listpack_entries, number(0, LONG)).alias("zset-max-ziplist-entries"),
    field!("zset-max-listpack-value", zset_max_listpack_value, bytes(0)).alias("zset-max-ziplist-value"),
    field!("stream-node-max-bytes", stream_node_max_bytes, bytes(0)),
    field!("stream-node-max-entries", stream_node_max_entries, number(0, LONG)),
    field!("hll-sparse-max-bytes", hll_sparse_max_bytes, bytes(0)),

    // Guards and fault handles.
    field!("enable-debug-command", enable_debug_command, Kind::Word(Guard::WORDS)).fixed(),
    field!("enable-protected-configs", enable_protected_configs, Kind::Word(Guard::WORDS)).fixed(),
    kept("enable-module-command", Kind::Word(Guard::WORDS), "no").fixed(),
    field!("rdb-key-save-delay", rdb_key_save_delay, number(-INT - 1, INT)).hidden(),
    field!("key-load-delay", key_load_delay, number(-INT - 1, INT)).hidden(),
    field!("loading-process-events-interval-bytes", loading_process_events_interval_bytes, bytes(1024)).hidden(),

    // Cluster.
    kept("cluster-enabled", Kind::Bool, "no").fixed().only("no", NO_CLUSTER),
    kept("cluster-config-file", Kind::Text, "nodes.conf").fixed(),
    kept("cluster-node-timeout", number(0, LONG), "15000"),
    kept("cluster-ping-interval", number(0, INT), "1000").hidden(),
    kept("cluster-port", number(0, 65535), "0").fixed(),
    kept("cluster-replica-validity-factor", number(0, INT), "10").alias("cluster-slave-validity-factor"),
    kept("cluster-replica-no-failover", Kind::Bool, "no").alias("cluster-slave-no-failover"),
    kept("cluster-migration-barrier", number(0, INT), "1"),
    kept("cluster-allow-replica-migration", Kind::Bool, "yes"),
    kept("cluster-require-full-coverage", Kind::Bool, "yes"),
    kept("cluster-allow-reads-when-down", Kind::Bool, "no"),
    kept("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes"),
    kept("cluster-link-sendbuf-limit", bytes(0), "0"),
    kept("cluster-announce-ip", Kind::Text, ""),
    kept("cluster-announce-port", number(0, 65535), "0"),
    kept("cluster-announce-tls-port", number(0, 65535), "0"),
    kept("cluster-announce-bus-port", number(0, 65535), "0"),
    kept("cluster-announce-hostname", Kind::Text, ""),
    kept("cluster-announce-human-nodename", Kind::Text, ""),
    kept("cluster-preferred-endpoint-type", Kind::Word(&["ip", "hostname", "unknown-endpoint"]), "ip"),
    kept("cluster-slot-stats-enabled", Kind::Bool, "no"),

    // TLS.
    field!("tls-port", tls_port, number(0, 65535)),
    field!("tls-replication", tls_replication, Kind::Bool),
    kept("tls-cluster", Kind::Bool, "no").only("no", NO_CLUSTER),
    field!("tls-auth-clients", tls.auth_clients, Kind::Word(AuthClients::WORDS)),
    field!("tls-ca-cert-dir", tls.ca_cert_dir, Kind::Text),
    field!("tls-ca-cert-file", tls.ca_cert_file, Kind::Text),
    field!("tls-cert-file", tls.cert_file, Kind::Text),
    field!("tls-key-file", tls.key_file, Kind::Text),
    field!("tls-key-file-pass", tls.key_file_pass, Kind::Text),
    field!("tls-client-cert-file", tls.client_cert_file, Kind::Text),
    field!("tls-client-key-file", tls.client_key_file, Kind::Text),
    field!("tls-client-key-file-pass", tls.client_key_file_pass, Kind::Text),
    list!("tls-protocols", show_protocols, take_protocols),
    // Of OpenSSL, or of a cache of its kind: known, and without effect.
    kept("tls-dh-params-file", Kind::Text, ""),
    kept("tls-ciphers", Kind::Text, ""),
    kept("tls-ciphersuites", Kind::Text, ""),
    kept("tls-prefer-server-ciphers", Kind::Bool, "no"),
    kept("tls-session-caching", Kind::Bool, "yes"),
    kept("tls-session-cache-size", number(0, INT), "20480"),
    kept("tls-session-cache-timeout", number(0, INT), "300"),
];

fn take_user(config: &mut Config, words: &[&str]) -> Result<(), String> {
    if words.first().is_none_or(|name| name.is_empty()) {
        return Err("the name of a user and its rules were expected".into());
    }
    let words = words.iter().map(|&w| w.into()).collect();
    config.settings.users.push(UserLine { words, at: String::new() });
    Ok(())
}

fn take_rename(config: &mut Config, words: &[&str]) -> Result<(), String> {
    let [command, name] = words else { return Err("wrong number of arguments".into()) };
    config.settings.renamed.push((command.to_ascii_lowercase(), (*name).into()));
    Ok(())
}

fn refuse_module(_: &mut Config, _: &[&str]) -> Result<(), String> {
    Err("modules cannot be loaded; remove the 'loadmodule' line".into())
}

fn take_bind(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    if words.len() > MAX_BIND {
        return Err("Too many bind addresses specified.".into());
    }
    // A list is shown with spaces between: an address with one in it would be two when it is read again.
    if let Some(word) = words.iter().find(|w| w.contains(|c: char| c.is_ascii_whitespace())) {
        return Err(alloc::format!("'{word}' is no address: it has white space in it"));
    }
    s.bind = words.iter().filter(|w| !w.is_empty()).map(|w| BindAddress::new(w)).collect();
    Ok(())
}

/// No password guards what is served there, so a name that is looked up elsewhere does not decide who may ask.
fn take_metrics_bind(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    if words.len() > MAX_BIND {
        return Err("Too many bind addresses specified.".into());
    }
    let all: Vec<_> = words.iter().filter(|w| !w.is_empty()).map(|w| BindAddress::new(w)).collect();
    let known = |a: &str| matches!(a, "*" | "::*" | "localhost") || a.parse::<IpAddr>().is_ok();
    if let Some(bad) = all.iter().find(|b| !known(&b.address)) {
        return Err(alloc::format!("'{}' is no IP address, '*', '::*' or 'localhost'", bad.address));
    }
    s.metrics_bind = all;
    Ok(())
}

fn take_replicaof(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    s.replicaof = match words {
        [] => None,
        [no, one] if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") => None,
        [host, port] => match port.parse::<u16>() {
            // A Unix socket has no port.
            Ok(port) if port > 0 || host.starts_with('/') => Some(MasterAddress { host: (*host).into(), port }),
            _ => return Err("Invalid master port".into()),
        },
        _ => return Err("wrong number of arguments".into()),
    };
    Ok(())
}

/// Adds rules to those there are; no words drop them all.
fn take_save(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    if words.is_empty() {
        s.save.clear();
        return Ok(());
    }
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("Invalid save parameters".into());
    }
    for [seconds, changes] in pairs {
        let rule = |w: &str| parse_i64(w.as_bytes()).and_then(|n| u64::try_from(n).ok());
        match (rule(seconds), rule(changes)) {
            (Some(seconds @ 1..), Some(changes)) => s.save.push(SaveRule { seconds, changes }),
            _ => return Err("Invalid save parameters".into()),
        }
    }
    Ok(())
}

fn show_protocols(s: &Settings) -> String {
    match s.tls.protocols {
        Protocols { tls12: true, tls13: false } => "TLSv1.2".into(),
        Protocols { tls12: false, tls13: true } => "TLSv1.3".into(),
        // Redis shows its default so.
        _ => String::new(),
    }
}

/// No words stand for both versions, as in Redis.
fn take_protocols(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    let mut taken = Protocols { tls12: words.is_empty(), tls13: words.is_empty() };
    for word in words {
        match &word.to_ascii_lowercase()[..] {
            "tlsv1.2" => taken.tls12 = true,
            "tlsv1.3" => taken.tls13 = true,
            "tlsv1" | "tlsv1.1" => {
                let advice = "is out of use (RFC 8996) and not spoken; 'TLSv1.2' and 'TLSv1.3' are";
                return Err(alloc::format!("{word} {advice}"));
            }
            _ => return Err("Invalid protocols: 'TLSv1.2', 'TLSv1.3' or both were expected".into()),
        }
    }
    s.tls.protocols = taken;
    Ok(())
}

fn show_limits(s: &Settings) -> String {
    let l = &s.client_output_buffer_limit;
    alloc::format!("normal {} slave {} pubsub {}", l.normal, l.replica, l.pubsub)
}

fn take_limits(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    let (groups, rest) = words.as_chunks::<4>();
    if !rest.is_empty() || groups.is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for [class, hard, soft, seconds] in groups {
        let limits = &mut s.client_output_buffer_limit;
        let limit = match &class.to_ascii_lowercase()[..] {
            "normal" => &mut limits.normal,
            "slave" | "replica" => &mut limits.replica,
            "pubsub" => &mut limits.pubsub,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        let (Some(hard), Some(soft), Some(soft_seconds)) = (memory(hard), memory(soft), parse_u64(seconds.as_bytes()))
        else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        *limit = OutputLimit { hard, soft, soft_seconds };
    }
    Ok(())
}

fn take_notify(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    let events = Notify::parse(&words.concat()).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
    s.notify_keyspace_events = events;
    Ok(())
}

fn take_percentiles(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().copied().filter(|w| !w.is_empty()).collect();
    if words.iter().any(|w| !w.parse::<f64>().is_ok_and(|p| (0.0..=100.0).contains(&p))) {
        return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
    }
    s.latency_tracking_info_percentiles = words.iter().map(|&w| w.into()).collect();
    Ok(())
}

fn take_oom_values(s: &mut Settings, words: &[&str]) -> Result<(), String> {
    let [a, b, c] = words else { return Err("wrong number of arguments".into()) };
    let value = |w: &str| i32::try_from(parse_i64(w.as_bytes())?).ok().filter(|n| (-2000..=2000).contains(n));
    s.oom_score_adj_values = match (value(a), value(b), value(c)) {
        (Some(a), Some(b), Some(c)) => [a, b, c],
        _ => return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into()),
    };
    Ok(())
}
