//! INFO's sections about the server itself and its clients: the same for a node and a sentinel.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;
use core::time::Duration;

use super::about::{REDIS_VERSION, VERSION};
use super::server::{Cx, Server};
use super::{Blocked, Clients, Session};
use crate::dataset::Counters;
use crate::time::Now;

/// Writes `name:value` lines.
#[derive(Default)]
pub(crate) struct Fields(pub(crate) String);

impl Fields {
    pub(crate) fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        let _ = write!(self.0, "# {title}\r\n");
    }

    pub(crate) fn put(&mut self, name: &str, value: impl core::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

/// Counts of what only a server with data does, for the section `stats`.
#[derive(Default)]
pub(crate) struct DataCounts {
    pub(crate) repl_in: u64,
    pub(crate) repl_out: u64,
    pub(crate) sync_full: u64,
    pub(crate) sync_partial_ok: u64,
    pub(crate) sync_partial_err: u64,
    pub(crate) data: Counters,
    /// What the expiry cycle took, ms, and how often it was cut short.
    pub(crate) expire_ms: u64,
    pub(crate) expire_cut: u64,
    /// For how long more memory than `maxmemory` was in use: altogether, and until now.
    pub(crate) exceeded_ms: (u64, u64),
}

/// Has what the process uses read anew if it is old: INFO shows what was read last.
pub(crate) fn refresh_usage<S: Server>(server: &mut S, cx: &mut Cx<'_, S::Event>) {
    if server.clients().usage.is_stale(cx.now.mono) {
        let op = server.ids().op();
        server.clients_mut().usage.ask(op, cx.now.mono, cx.out);
    }
}

/// The section `server`.
pub(crate) fn server_section<S: Server>(server: &S, f: &mut Fields, now: Now) {
    let (clients, set) = (server.clients(), server.settings());
    let up = clients.uptime(now).as_secs();
    f.section("Server");
    f.put("redis_version", REDIS_VERSION);
    f.put("primacy_version", VERSION);
    f.put("redis_git_sha1", "00000000");
    f.put("redis_git_dirty", 0);
    f.put("redis_build_id", "0000000000000000");
    f.put("redis_mode", server.mode().0);
    f.put("os", &clients.about.os);
    f.put("arch_bits", clients.about.arch_bits);
    f.put("monotonic_clock", "POSIX clock_gettime");
    f.put("multiplexing_api", &clients.about.reactor);
    f.put("process_id", clients.about.pid);
    f.put("process_supervised", "no");
    f.put("run_id", server.run_id());
    f.put("tcp_port", server.port());
    f.put("server_time_usec", now.unix_ms * 1000);
    f.put("uptime_in_seconds", up);
    f.put("uptime_in_days", up / 86400);
    f.put("hz", set.hz);
    f.put("configured_hz", set.hz);
    f.put("lru_clock", now.unix_s() & 0x00ff_ffff);
    f.put("executable", &clients.about.executable);
    f.put("config_file", &clients.about.config_file);
    f.put("io_threads_active", 0);
    for (i, listener) in server.listening().iter().enumerate() {
        f.put(&format!("listener{i}"), listener);
    }
}

/// What is counted of the clients that are there.
#[derive(Default)]
pub(crate) struct ClientCounts {
    pub(crate) connected: usize,
    /// In WAIT, or waiting for a key.
    pub(crate) blocked: usize,
    /// Those and whoever else waits.
    pub(crate) waiting: usize,
    pub(crate) subscribed: usize,
    /// The most bytes that one of them holds of its input, and of replies.
    pub(crate) largest_input: usize,
    pub(crate) largest_output: u64,
}

impl ClientCounts {
    /// Counts these; replicas are no clients.
    pub(crate) fn of<'a>(sessions: impl Iterator<Item = &'a Session>) -> Self {
        let mut counts = Self::default();
        for c in sessions.filter(|c| !c.replica) {
            counts.connected += 1;
            counts.blocked += usize::from(matches!(c.blocked, Some(Blocked::Wait { .. } | Blocked::Keys)));
            counts.waiting += usize::from(c.blocked.is_some());
            counts.subscribed += usize::from(c.subscriptions() > 0);
            counts.largest_input = counts.largest_input.max(c.requests.buffered());
            counts.largest_output = counts.largest_output.max(c.outbox.len());
        }
        counts
    }
}

/// The section `clients`; `s` is the session taken out for the command.
pub(crate) fn clients_section<S: Server>(server: &S, f: &mut Fields, s: &Session) {
    let counts = ClientCounts::of(server.clients().sessions.iter().chain(core::iter::once(s)));
    f.section("Clients");
    f.put("connected_clients", counts.connected);
    f.put("cluster_connections", 0);
    f.put("maxclients", server.settings().maxclients);
    f.put("client_recent_max_input_buffer", counts.largest_input);
    f.put("client_recent_max_output_buffer", counts.largest_output);
    f.put("blocked_clients", counts.blocked);
    f.put("tracking_clients", 0);
    f.put("clients_in_timeout_table", counts.waiting);
}

impl<R> Clients<R> {
    /// How long the machine has been at work.
    pub(crate) fn uptime(&self, now: Now) -> Duration {
        self.started.map_or(Duration::ZERO, |at| now.mono - at.mono)
    }

    /// The section `stats`.
    pub(crate) fn stats_section(&self, f: &mut Fields, counts: &DataCounts, now: Now) {
        let s = &self.stats;
        let (ops, net_in, net_out) = s.rates(now.mono);
        let c = &counts.data;
        f.section("Stats");
        f.put("total_connections_received", s.connections);
        f.put("total_commands_processed", s.processed);
        f.put("instantaneous_ops_per_sec", ops);
        f.put("total_net_input_bytes", s.net_in);
        f.put("total_net_output_bytes", s.net_out);
        f.put("total_net_repl_input_bytes", counts.repl_in);
        f.put("total_net_repl_output_bytes", counts.repl_out);
        f.put("instantaneous_input_kbps", format_args!("{:.2}", net_in as f64 / 1024.0));
        f.put("instantaneous_output_kbps", format_args!("{:.2}", net_out as f64 / 1024.0));
        f.put("rejected_connections", s.rejected_connections);
        f.put("sync_full", counts.sync_full);
        f.put("sync_partial_ok", counts.sync_partial_ok);
        f.put("sync_partial_err", counts.sync_partial_err);
        f.put("expired_keys", c.expired);
        f.put("expired_time_cap_reached_count", counts.expire_cut);
        f.put("expire_cycle_cpu_milliseconds", counts.expire_ms);
        f.put("expired_subkeys", c.expired_fields);
        f.put("evicted_keys", c.evicted);
        f.put("evicted_clients", 0);
        f.put("total_eviction_exceeded_time", counts.exceeded_ms.0);
        f.put("current_eviction_exceeded_time", counts.exceeded_ms.1);
        f.put("keyspace_hits", c.hits);
        f.put("keyspace_misses", c.misses);
        f.put("pubsub_channels", self.pubsub.channel_count());
        f.put("pubsub_patterns", self.pubsub.pattern_count());
        f.put("pubsubshard_channels", 0);
        f.put("latest_fork_usec", 0);
        f.put("total_forks", 0);
        f.put("acl_access_denied_auth", s.auth_failures);
        f.put("acl_access_denied_cmd", s.denied_commands);
        f.put("acl_access_denied_key", s.denied_keys);
        f.put("acl_access_denied_channel", s.denied_channels);
        f.put("total_error_replies", s.total_errors);
        f.put("client_output_buffer_limit_disconnections", s.output_limit_disconnections);
        f.put("lazyfreed_objects", c.lazy_freed);
    }

    /// The section `cpu`.
    pub(crate) fn cpu_section(&self, f: &mut Fields) {
        let u = self.usage.last;
        let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        f.section("CPU");
        f.put("used_cpu_sys", seconds(u.system_us));
        f.put("used_cpu_user", seconds(u.user_us));
        f.put("used_cpu_sys_children", "0.000000");
        f.put("used_cpu_user_children", "0.000000");
    }

    /// The section `commandstats`.
    pub(crate) fn command_section(&self, f: &mut Fields) {
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

    /// The section `errorstats`.
    pub(crate) fn error_section(&self, f: &mut Fields) {
        f.section("Errorstats");
        for (prefix, n) in &self.stats.errors {
            f.put(&format!("errorstat_{prefix}"), format_args!("count={n}"));
        }
    }
}
