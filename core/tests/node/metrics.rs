//! The metrics port of a node: what it shows, to whom, and what it costs.

use alloc::collections::BTreeSet;

use crate::support::exposition::{Answer, Families, answer, documented, families};
use crate::support::host::{Make, Who, World};

over_both! {
    who_asks_is_no_client
    bytes_that_are_no_request_are_refused_and_nothing_is_run
    who_is_slow_is_closed_and_who_is_one_too_many
    a_slow_reader_holds_one_slice
    the_port_moves_and_comes_back_as_any_other
    a_node_without_clients_port_ends_though_it_has_metrics
    a_node_is_ready_when_it_serves_its_role
    a_node_that_ends_is_not_healthy
}

const PORT: u16 = 9121;
const ARGS: &str = "--metrics-port 9121";
const REPLICA: &str = "--metrics-port 9121 --replicaof 127.0.0.1_7000";

fn says<D: Make>(w: &mut World<D>, i: usize, request: &str) -> Who {
    let who = w.client_at(i, PORT);
    w.say(who, request.as_bytes());
    w.run();
    who
}

fn get<D: Make>(w: &mut World<D>, i: usize, path: &str) -> Answer {
    let who = says(w, i, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(w.closed(who), "{path}: the connection stays");
    answer(&w.raw(who)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn page<D: Make>(w: &mut World<D>, i: usize) -> Families {
    let answer = get(w, i, "/metrics");
    assert_eq!(answer.status, 200);
    families(&answer.body).unwrap_or_else(|e| panic!("{e}"))
}

fn ready<D: Make>(w: &mut World<D>, i: usize) -> (u16, String) {
    let answer = get(w, i, "/readyz");
    (answer.status, answer.body)
}

#[test]
fn figures_are_those_of_info() {
    type D = primacy_core::keyspace::Keyspace;
    let (mut w, c) = World::<D>::slow(ARGS, 3);
    w.ask(c, "SET a x\nSET b 2 PX 100000\nGET a\nGET none\nINCR a\nNONSENSE");
    let page = page(&mut w, 0);
    for (metric, field) in [
        ("redis_connected_clients", "connected_clients"),
        ("redis_keyspace_hits_total", "keyspace_hits"),
        ("redis_keyspace_misses_total", "keyspace_misses"),
        ("redis_master_repl_offset", "master_repl_offset"),
        ("redis_memory_used_dataset_bytes", "used_memory_dataset"),
        ("redis_memory_max_bytes", "maxmemory"),
        ("redis_rdb_changes_since_last_save", "rdb_changes_since_last_save"),
        ("redis_total_error_replies", "total_error_replies"),
    ] {
        let mut info = w.info(0, field).parse::<f64>().unwrap();
        info -= f64::from(u8::from(field == "connected_clients")); // The one who asks for INFO.
        assert_eq!(page.value(metric, &[]), Some(info), "{metric}");
    }
    let cmd = |name| [("cmd", name)];
    assert_eq!(page.value("redis_commands_total", &cmd("set")), Some(2.0));
    assert_eq!(page.value("redis_commands_failed_calls_total", &cmd("incr")), Some(1.0));
    assert_eq!(page.value("redis_commands_latencies_usec_count", &cmd("get")), Some(2.0));
    assert_eq!(page.value("redis_commands_latencies_usec_bucket", &[("cmd", "get"), ("le", "2")]), Some(0.0));
    assert_eq!(page.value("redis_commands_latencies_usec_bucket", &[("cmd", "get"), ("le", "4")]), Some(2.0));
    assert_eq!(page.value("redis_commands_duration_seconds_total", &cmd("get")), Some(0.000_006));
    assert_eq!(page.value("redis_db_keys", &[("db", "db0")]), Some(2.0));
    assert_eq!(page.value("redis_db_keys_expiring", &[("db", "db0")]), Some(1.0));
    assert_eq!(page.value("redis_instance_info", &[("role", "master"), ("tcp_port", "7000")]), Some(1.0));
}

/// All that is documented is served by one node or another, and nothing else.
#[test]
fn the_documentation_has_what_is_served() {
    type D = primacy_core::keyspace::Keyspace;
    let (mut slow, c) = World::<D>::slow(&format!("{ARGS} --latency-monitor-threshold 1"), 2_000);
    slow.ask(c, "SET a 1\nGET");
    let mut w = World::<D>::family(1, &[ARGS, REPLICA]);
    let mut served = page(&mut slow, 0).names();
    for i in [0, 1] {
        served.extend(page(&mut w, i).names());
    }
    w.kill(0);
    w.advance(5_000);
    served.extend(page(&mut w, 1).names());
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let all = documented(&docs, &["Of a server and a sentinel", "Of a server"]);
    let differ = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(differ(&all, &served), [""; 0], "documented, and not served");
    assert_eq!(differ(&served, &all), [""; 0], "served, and not documented");
}

#[test]
fn replication_is_shown_from_both_sides() {
    type D = primacy_core::keyspace::Keyspace;
    let mut w = World::<D>::family(1, &[ARGS, REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    w.advance(2_000);
    let (master, replica) = (page(&mut w, 0), page(&mut w, 1));
    assert_eq!(master.value("redis_connected_slaves", &[]), Some(1.0));
    assert_eq!(master.value("primacy_resyncs_asked_total", &[("reason", "no-place")]), Some(1.0));
    let of = [("slave_port", "7001")];
    let offset = master.value("redis_master_repl_offset", &[]).unwrap();
    assert_eq!(master.value("redis_connected_slave_offset_bytes", &of), Some(offset));
    assert_eq!(master.value("primacy_replica_unacknowledged_bytes", &of), Some(0.0));
    assert_eq!(replica.value("redis_master_link_up", &[("master_port", "7000")]), Some(1.0));
    assert_eq!(replica.value("redis_slave_repl_offset", &[]), Some(offset));
    assert_eq!(replica.value("primacy_master_link_state", &[]), Some(1.0));
    assert!(replica.value("primacy_master_link_state_seconds", &[("state", "connected")]).unwrap() > 1.9);
    assert_eq!(replica.value("primacy_master_resyncs_total", &[("kind", "full")]), Some(1.0));
    w.cut(0, 1);
    w.advance(3_000);
    let (master, replica) = (page(&mut w, 0), page(&mut w, 1));
    assert_eq!(replica.value("primacy_master_resyncs_total", &[("kind", "partial")]), Some(1.0));
    assert_eq!(replica.value("primacy_master_link_losses_total", &[]), Some(1.0));
    assert_eq!(master.value("primacy_resyncs_asked_total", &[("reason", "in-log")]), Some(1.0));
}

fn who_asks_is_no_client<D: Make>() {
    let (mut w, c) = World::<D>::one(&format!("{ARGS} --requirepass secret --maxclients 1"));
    assert_eq!(w.ask(c, "AUTH secret"), "OK");
    let before = w.ask(c, "CLIENT LIST").lines().count();
    let idle = w.client_at(0, PORT);
    assert_eq!(get(&mut w, 0, "/metrics").status, 200, "without a password, and beside as many clients as may be");
    assert_eq!(w.ask(c, "CLIENT LIST").lines().count(), before);
    assert_eq!(page(&mut w, 0).value("redis_connections_received_total", &[]), Some(1.0));
    assert_eq!(w.ask(c, "CLIENT KILL TYPE normal"), "0");
    assert!(!w.closed(idle));
}

fn bytes_that_are_no_request_are_refused_and_nothing_is_run<D: Make>() {
    let (mut w, c) = World::<D>::one(ARGS);
    for (bytes, status) in [
        ("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", 400),
        ("\x16\x03\x01\x02", 400),
        ("SET a 1\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\n\r\n", 400),
        ("GET /metrics HTTP/3.0\r\n\r\n", 505),
        ("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\nSET a 1\r\n", 405),
        ("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ] {
        let who = says(&mut w, 0, bytes);
        assert!(w.closed(who), "{bytes:?}");
        assert_eq!(answer(&w.raw(who)).unwrap().status, status, "{bytes:?}");
    }
    let who = says(&mut w, 0, &"x".repeat(9_000));
    assert_eq!(answer(&w.raw(who)).unwrap().status, 431);
    let who = says(&mut w, 0, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(w.raw(who).ends_with(b"Connection: close\r\n\r\n"), "a head alone");
    let who = says(&mut w, 0, "GET /metrics HTTP/1.0\r\n\r\n");
    let old = answer(&w.raw(who)).unwrap();
    assert!(old.chunks == 0 && families(&old.body).is_ok(), "one who knows no chunks gets none");
    // One who ends its side behind the request is answered; one who ends it before is not waited for.
    for (request, len) in [("GET /healthz HTTP/1.0\r\n\r\n", 1), ("GET /healthz", 0)] {
        let who = w.client_at(0, PORT);
        w.window(who, 0);
        w.say(who, request.as_bytes());
        w.run();
        w.half_close(who);
        w.window(who, 10_000);
        w.run();
        assert!(w.closed(who));
        assert_eq!(w.raw(who).len().min(1), len, "{request}");
    }
    assert_eq!(w.ask(c, "GET a"), "(nil)", "nothing was run");
    assert_eq!(page(&mut w, 0).value("primacy_http_requests_total", &[("outcome", "refused")]), Some(8.0));
}

fn who_is_slow_is_closed_and_who_is_one_too_many<D: Make>() {
    let (mut w, c) = World::<D>::one(ARGS);
    let all: Vec<Who> = (0..16).map(|_| says(&mut w, 0, "GET /metrics HT")).collect();
    let more = w.client_at(0, PORT);
    assert!(w.closed(more), "one too many");
    w.advance(4_900);
    assert_eq!(w.ask(c, "PING"), "PONG");
    // A byte now and then changes nothing.
    w.say(all[0], b"T");
    w.run();
    assert!(!all.iter().any(|who| w.closed(*who)));
    w.advance(200);
    assert!(all.iter().all(|who| w.closed(*who)));
    let page = page(&mut w, 0);
    assert_eq!(page.value("primacy_http_requests_total", &[("outcome", "late")]), Some(16.0));
    assert_eq!(page.value("primacy_http_requests_total", &[("outcome", "crowded")]), Some(1.0));
}

fn a_slow_reader_holds_one_slice<D: Make>() {
    let (mut w, c) = World::<D>::one(ARGS);
    // Every command is called in vain, so that it has rows.
    let names = w.ask(c, "COMMAND LIST");
    let ends = ["quit", "reset", "shutdown", "subscribe", "psubscribe"];
    for name in names.trim_matches(['[', ']']).split(", ").filter(|n| !ends.contains(n)) {
        w.ask(c, &format!("{name} no such thing at all"));
    }
    let c = w.client(0);
    let full = get(&mut w, 0, "/metrics");
    assert!(families(&full.body).is_ok());
    let who = w.client_at(0, PORT);
    w.window(who, 1_000);
    w.say(who, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    w.run();
    assert_eq!(w.ask(c, "PING"), "PONG");
    assert_eq!(w.raw(who).len(), 1_000);
    w.window(who, 10_000);
    w.advance(4_000);
    assert_eq!(w.raw(who).len(), 10_000);
    w.advance(1_100);
    assert!(w.closed(who), "its time is over, whatever it took meanwhile");
    // What it sends behind its request is dropped, and does not take the answer back.
    let who = says(&mut w, 0, &format!("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{}", "x".repeat(100_000)));
    assert_eq!(answer(&w.raw(who)).unwrap().body, "ok\n");
}

fn the_port_moves_and_comes_back_as_any_other<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let set = |w: &mut World<D>, pairs: &str| {
        w.say(c, format!("CONFIG SET {pairs}\r\n").as_bytes());
        w.run();
        w.heard(c)
    };
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    assert_eq!(set(&mut w, "metrics-port 9121 metrics-bind \"127.0.0.1 10.0.0.1\""), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:9121", "127.0.0.1:7000", "127.0.0.1:9121"]);
    assert_eq!(w.info(0, "listener1"), "name=metrics,bind=127.0.0.1,port=9121");
    assert_eq!(w.info(0, "tcp_port"), "7000");
    assert_eq!(get(&mut w, 0, "/healthz").body, "ok\n");
    w.hosts[0].taken.push(9200);
    let error = "-ERR CONFIG SET failed (possibly related to argument 'metrics-port') - Unable to listen on this port. Check server logs.";
    assert_eq!(set(&mut w, "metrics-port 9200"), error);
    assert_eq!(get(&mut w, 0, "/healthz").body, "ok\n", "the old one stays");
    assert!(set(&mut w, "metrics-port 7000").contains("Unable to listen"), "it is a client's already");
    assert!(set(&mut w, "metrics-bind example.org").contains("'example.org' is no IP address"));
    // The one port moves, the other does not.
    assert_eq!(set(&mut w, "port 7100"), "OK");
    assert_eq!(set(&mut w, "metrics-bind 127.0.0.1"), "OK");
    assert_eq!(w.listening(0), ["127.0.0.1:7100", "127.0.0.1:9121"]);
    let page = page(&mut w, 0);
    assert_eq!(page.value("redis_instance_info", &[("tcp_port", "7100")]), Some(1.0));
    assert_eq!(set(&mut w, "metrics-port 0"), "OK");
    assert_eq!(w.listening(0), ["127.0.0.1:7100"]);
}

fn a_node_without_clients_port_ends_though_it_has_metrics<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--metrics-port 9121 --port 0");
    w.run();
    assert_eq!(w.hosts[0].exit, Some(1));
}

fn a_node_is_ready_when_it_serves_its_role<D: Make>() {
    let ok = (200, "ok\n".to_owned());
    let mut w = World::<D>::family(1, &[ARGS, REPLICA]);
    assert_eq!(ready(&mut w, 0), ok);
    assert_eq!(ready(&mut w, 1), ok);
    w.kill(0);
    w.advance(3_000);
    assert_eq!(ready(&mut w, 1), ok, "it may show what it has");
    let c = w.client(1);
    w.ask(c, "CONFIG SET replica-serve-stale-data no");
    let (status, why) = ready(&mut w, 1);
    assert_eq!(status, 503);
    assert!(why.starts_with("the link to the master 127.0.0.1:7000 is not up (connect"), "{why}");
    assert!(why.ends_with("), and replica-serve-stale-data is 'no'\n"), "{why}");
    assert_eq!(get(&mut w, 1, "/healthz").status, 200);
    w.ask(c, "REPLICAOF NO ONE");
    assert_eq!(ready(&mut w, 1), ok);
    // One that never had any data has nothing to show.
    let mut w = World::<D>::new(1);
    w.add(&format!("{ARGS} --replicaof 127.0.0.1_7009"));
    w.run();
    w.advance(3_000);
    let (status, why) = ready(&mut w, 0);
    assert!(status == 503 && why.ends_with("and there are no data yet\n"), "{why}");
}

fn a_node_that_ends_is_not_healthy<D: Make>() {
    let (mut w, c) = World::<D>::one(ARGS);
    // Its file is not written yet.
    w.hosts[0].disk_slow = true;
    w.ask(c, "SHUTDOWN SAVE");
    assert_eq!(w.hosts[0].exit, None);
    let why = "the server is shutting down\n";
    for path in ["/healthz", "/readyz"] {
        let answer = get(&mut w, 0, path);
        assert_eq!((answer.status, &*answer.body), (503, why), "{path}");
    }
}
