//! The metrics that a node and a sentinel share: the process, its clients, its commands.

use alloc::format;
use core::time::Duration;

use super::page::{Page, metrics};
use crate::client::info::ClientCounts;
use crate::client::server::Server;
use crate::client::stats::{CommandStats, POWERS};
use crate::client::{REDIS_VERSION, VERSION};
use crate::dataset::Spec;

metrics! { SHARED:
    UP Gauge "redis_up" "" "1: the machine answers.";
    INSTANCE_INFO Gauge "redis_instance_info" "" "1, with what the instance is among its labels.";
    BUILD_INFO Gauge "primacy_build_info" "" "1, with the version of Primacy and what drives it.";
    START_TIME Gauge "redis_start_time_seconds" "seconds" "When it began, in seconds since 1970.";
    UPTIME Gauge "redis_uptime_in_seconds" "seconds" "For how long it has been at work.";
    PROCESS_ID Gauge "redis_process_id" "" "The process id.";
    CONNECTED Gauge "redis_connected_clients" "" "Clients that are connected; replicas and who asks for metrics are none.";
    BLOCKED Gauge "redis_blocked_clients" "" "Clients in WAIT or waiting for a key.";
    WAITING Gauge "redis_clients_in_timeout_table" "" "Clients whose commands wait for anything.";
    SUBSCRIBED Gauge "redis_pubsub_clients" "" "Clients that listen to channels or patterns.";
    MAX_CLIENTS Gauge "redis_max_clients" "" "Clients that may be connected at a time (maxclients).";
    CONFIG_MAX_CLIENTS Gauge "redis_config_maxclients" "" "The directive maxclients.";
    LARGEST_INPUT Gauge "redis_client_recent_max_input_buffer_bytes" "bytes" "The most input that one client has waiting.";
    LARGEST_OUTPUT Gauge "redis_client_recent_max_output_buffer_bytes" "bytes" "The most replies that one client has not taken.";
    CONNECTIONS Counter "redis_connections_received_total" "" "Connections of clients that came.";
    REJECTED Counter "redis_rejected_connections_total" "" "Of these, those that were refused.";
    PROCESSED Counter "redis_commands_processed_total" "" "Commands that ran.";
    NET_IN Counter "redis_net_input_bytes_total" "bytes" "Bytes that clients and replicas sent.";
    NET_OUT Counter "redis_net_output_bytes_total" "bytes" "Bytes that were sent to them.";
    ERROR_REPLIES Counter "redis_total_error_replies" "" "Replies that were errors.";
    OUTPUT_LIMIT Counter "redis_client_output_buffer_limit_disconnections_total" "" "Clients closed because they left too much unread.";
    DENIED_AUTH Counter "redis_acl_access_denied_auth_total" "" "Logins that failed.";
    DENIED_COMMAND Counter "redis_acl_access_denied_cmd_total" "" "Commands that a user was denied.";
    DENIED_KEY Counter "redis_acl_access_denied_key_total" "" "Commands denied because of a key.";
    DENIED_CHANNEL Counter "redis_acl_access_denied_channel_total" "" "Commands denied because of a channel.";
    CHANNELS Gauge "redis_pubsub_channels" "" "Channels that somebody listens to.";
    PATTERNS Gauge "redis_pubsub_patterns" "" "Patterns that somebody listens by.";
    CPU_SYSTEM Counter "redis_cpu_sys_seconds_total" "seconds" "Processor time in the kernel.";
    CPU_USER Counter "redis_cpu_user_seconds_total" "seconds" "Processor time outside of it.";
    RSS Gauge "redis_memory_used_rss_bytes" "bytes" "Resident memory of the process.";
    LOOP_TURNS Counter "redis_eventloop_cycles_total" "" "Turns of the event loop.";
    LOOP_TIME Counter "redis_eventloop_duration_sum_usec_total" "microseconds" "Time that they took, waiting aside.";
    LOOP_LONGEST Gauge "primacy_eventloop_longest_seconds" "seconds" "The longest turn since the start or CONFIG RESETSTAT.";
    LOOP_LONGEST_CPU Gauge "primacy_eventloop_longest_cpu_seconds" "seconds" "The most processor time that one turn took.";
    CALLS Counter "redis_commands_total" "" "Calls of each command.";
    DURATION Counter "redis_commands_duration_seconds_total" "seconds" "Time spent in each command.";
    REJECTED_CALLS Counter "redis_commands_rejected_calls_total" "" "Calls of each command that were refused before it ran.";
    FAILED_CALLS Counter "redis_commands_failed_calls_total" "" "Calls of each command that answered an error.";
    LATENCIES Histogram "redis_commands_latencies_usec" "microseconds" "How long calls of each command took.";
    ERRORS Counter "redis_errors_total" "" "Errors by their first word.";
    REQUESTS Counter "primacy_http_requests_total" "" "Connections of the metrics port by how they ended: answered, refused, late, crowded.";
}

/// How many sections [`shared_section`] has.
pub(crate) const SHARED_SECTIONS: usize = 8;

/// Writes section `n` of these.
pub(crate) fn shared_section<S: Server>(server: &mut S, n: usize, page: &mut Page<'_>) {
    match n {
        0 => process(server, page),
        1 => clients(server, page),
        2 => each_command(server, page, |page, cmd, c| page.row(&CALLS, cmd, c.calls)),
        3 => each_command(server, page, |page, cmd, c| page.row(&DURATION, cmd, Duration::from_micros(c.us))),
        4 => each_command(server, page, |page, cmd, c| page.row(&REJECTED_CALLS, cmd, c.rejected)),
        5 => each_command(server, page, |page, cmd, c| page.row(&FAILED_CALLS, cmd, c.failed)),
        6 => each_command(server, page, latencies),
        _ => errors(server, page),
    }
}

fn process<S: Server>(server: &mut S, page: &mut Page<'_>) {
    let (clients, now) = (server.clients_mut(), page.now);
    let turns = clients.meter.turns();
    let up = clients.uptime(now);
    page.one(&UP, true);
    page.row(&BUILD_INFO, &[("version", VERSION), ("reactor", &clients.about.reactor)], true);
    page.one(&START_TIME, now.unix_s().saturating_sub(up.as_secs()));
    page.one(&UPTIME, up.as_secs());
    page.one(&PROCESS_ID, clients.about.pid);
    let usage = clients.usage.last;
    page.one(&CPU_SYSTEM, Duration::from_micros(usage.system_us));
    page.one(&CPU_USER, Duration::from_micros(usage.user_us));
    page.one(&RSS, usage.rss);
    page.one(&LOOP_TURNS, turns.count);
    page.one(&LOOP_TIME, turns.total_us);
    page.one(&LOOP_LONGEST, Duration::from_micros(turns.longest_us));
    page.one(&LOOP_LONGEST_CPU, Duration::from_micros(turns.longest_cpu_us));
    let requests = clients.scrapers.requests;
    for (outcome, n) in [
        ("answered", requests.answered),
        ("refused", requests.refused),
        ("late", requests.late),
        ("crowded", requests.crowded),
    ] {
        page.row(&REQUESTS, &[("outcome", outcome)], n);
    }
}

/// What the instance is. `role`, `policy` and `history`: of a server, else empty.
pub(crate) fn instance_info<S: Server>(server: &S, role: &str, policy: &str, history: &str, page: &mut Page<'_>) {
    let about = &server.clients().about;
    let labels = [
        ("role", role),
        ("redis_version", REDIS_VERSION),
        ("redis_build_id", "0000000000000000"),
        ("redis_mode", server.mode().0),
        ("os", &about.os),
        ("maxmemory_policy", policy),
        ("tcp_port", &format!("{}", server.port())),
        ("run_id", &server.run_id()),
        ("process_id", &format!("{}", about.pid)),
        ("master_replid", history),
    ];
    page.row(&INSTANCE_INFO, &labels, true);
}

fn clients<S: Server>(server: &mut S, page: &mut Page<'_>) {
    let max = server.settings().maxclients;
    let clients = server.clients();
    let counts = ClientCounts::of(clients.sessions.iter());
    page.one(&CONNECTED, counts.connected);
    page.one(&BLOCKED, counts.blocked);
    page.one(&WAITING, counts.waiting);
    page.one(&SUBSCRIBED, counts.subscribed);
    page.one(&MAX_CLIENTS, max);
    page.one(&CONFIG_MAX_CLIENTS, max);
    page.one(&LARGEST_INPUT, counts.largest_input);
    page.one(&LARGEST_OUTPUT, counts.largest_output);
    let s = &clients.stats;
    page.one(&CONNECTIONS, s.connections);
    page.one(&REJECTED, s.rejected_connections);
    page.one(&PROCESSED, s.processed);
    page.one(&NET_IN, s.net_in);
    page.one(&NET_OUT, s.net_out);
    page.one(&ERROR_REPLIES, s.total_errors);
    page.one(&OUTPUT_LIMIT, s.output_limit_disconnections);
    page.one(&DENIED_AUTH, s.auth_failures);
    page.one(&DENIED_COMMAND, s.denied_commands);
    page.one(&DENIED_KEY, s.denied_keys);
    page.one(&DENIED_CHANNEL, s.denied_channels);
    page.one(&CHANNELS, clients.pubsub.channel_count());
    page.one(&PATTERNS, clients.pubsub.pattern_count());
}

/// A row, or what belongs together, for each command that was called.
fn each_command<S: Server>(
    server: &mut S,
    page: &mut Page<'_>,
    write: impl Fn(&mut Page<'_>, &[(&str, &str)], &CommandStats),
) {
    let clients = server.clients();
    let all = (0..).zip(clients.table.iter().zip(&clients.stats.commands));
    let from = page.from();
    for (key, (spec, counts)) in all.skip_while(|(key, _)| *key < from) {
        if counts.calls + counts.rejected > 0 {
            if page.pause_at(key) {
                return;
            }
            let spec: &Spec = spec;
            write(page, &[("cmd", spec.name)], counts);
        }
    }
}

/// Times are cut to whole microseconds, so that those below 2^n are the ones that took less. The last bucket has no bound.
fn latencies(page: &mut Page<'_>, cmd: &[(&str, &str)], c: &CommandStats) {
    if c.calls == 0 {
        return;
    }
    let mut below = 0;
    let bounded = c.by_power.iter().take(POWERS - 1).enumerate();
    let buckets = bounded.map(|(power, n)| {
        below += n;
        (1u64 << power, below)
    });
    page.histogram(&LATENCIES, cmd, buckets, c.calls, c.us);
}

fn errors<S: Server>(server: &mut S, page: &mut Page<'_>) {
    for (prefix, n) in &server.clients().stats.errors {
        page.row(&ERRORS, &[("err", prefix)], *n);
    }
}
