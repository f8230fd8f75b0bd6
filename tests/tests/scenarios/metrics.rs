//! The metrics port of a whole program: scraped under load, by those who mean ill, and read by Prometheus's own tool.

use libtest_mimic::Trial;
use primacy_tests::exposition::{self, Answer, Families};
use primacy_tests::peers;
use primacy_tests::resp::Client;
use primacy_tests::sentinel::{self, NAME};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, ports, wait};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("metrics::scraped_under_load", LIMIT, own, |w, ()| under_load(w)),
        scenario("metrics::bad_and_slow_requests", LIMIT, own, |w, ()| bad_requests(w)),
        scenario("metrics::of_a_failover", LIMIT, own, |w, ()| of_a_failover(w)),
        scenario("metrics::kept_by_config_rewrite", LIMIT, own, |w, ()| kept(w)),
        scenario("metrics::promtool_reads_them", LIMIT, promtool, |w, tool| read_by_promtool(w, &tool)),
    ]
}

/// Whether a count is one.
fn is_one(count: f64) -> bool {
    (count - 1.0).abs() < 0.5
}

/// The port is a directive of Primacy's own.
fn own() -> std::result::Result<(), String> {
    let known = primacy_tests::program::under_test().map_err(|e| e.to_string())?;
    if known.is_primacy() { Ok(()) } else { Err("the server under test is not Primacy".into()) }
}

fn promtool() -> std::result::Result<std::path::PathBuf, String> {
    own().and_then(|()| peers::promtool())
}

fn ask(port: u16, request: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    Ok(exposition::answer(&raw)?)
}

fn get(port: u16, path: &str) -> Result<Answer> {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Prometheus/2\r\n\r\n"))
}

fn page(port: u16) -> Result<Families> {
    let answer = get(port, "/metrics")?;
    ensure!(answer.status == 200, "/metrics: {}", answer.head);
    Ok(exposition::families(&answer.body)?)
}

fn value(page: &Families, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
    page.value(name, labels).ok_or_else(|| format!("no {name} {labels:?}").into())
}

/// A server with a metrics port, and that.
fn served(w: &World, name: &str, lines: &[&str]) -> Result<(Arc<Server>, u16)> {
    let port = ports::free();
    let own = format!("metrics-port {port}");
    Ok((w.server(name, &w.primacy()?, &[&[own.as_str()], lines].concat())?, port))
}

/// Writes and reads until told to stop; how many commands were answered.
fn load(server: &Server, stop: &AtomicBool, count: &AtomicU64) -> Result<()> {
    let mut c = server.client()?;
    c.set_patience(PATIENCE)?;
    while !stop.load(Ordering::SeqCst) {
        for i in 0..100 {
            c.push(&["SET", &format!("key:{i}"), "value"]);
            c.push(&["GET", &format!("key:{i}")]);
        }
        c.flush()?;
        for _ in 0..200 {
            let answer = c.read()?;
            ensure!(!answer.is_error(), "{answer:?}");
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Runs `work` while a client is at work on the server; its error, or the client's.
fn beside_load(server: &Server, work: impl FnOnce(&AtomicU64) -> Result<()>) -> Result<()> {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|t| {
        let client = t.spawn(|| load(server, &stop, &count).map_err(|e| e.to_string()));
        let done = work(&count);
        stop.store(true, Ordering::SeqCst);
        client.join().map_err(|_| "the client panicked")??;
        done
    })
}

fn under_load(w: &World) -> Result<()> {
    let (m, port) = served(w, "master", &[])?;
    let (r, replica_port) = served(w, "replica", &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    beside_load(&m, |count| {
        let (mut last, mut offset) = (0.0, 0.0);
        for _ in 0..40 {
            let answered = count.load(Ordering::SeqCst);
            wait::until(wait::CONVERGE, "more answers", || Ok(count.load(Ordering::SeqCst) > answered))?;
            let (of_master, of_replica) = (page(port)?, page(replica_port)?);
            let processed = value(&of_master, "redis_commands_processed_total", &[])?;
            ensure!(processed > last, "{processed} commands, and {last} before");
            last = processed;
            let applied = value(&of_replica, "redis_slave_repl_offset", &[])?;
            ensure!(applied >= offset, "offset {applied}, and {offset} before");
            offset = applied;
            ensure!(get(port, "/healthz")?.body == "ok\n" && get(replica_port, "/readyz")?.body == "ok\n", "not well");
        }
        Ok(())
    })?;
    wait::offsets_equal(&[&m, &r])?;
    let (of_master, of_replica) = (page(port)?, page(replica_port)?);
    let mut c = m.client()?;
    let calls = value(&of_master, "redis_commands_total", &[("cmd", "set")])?;
    let stats = c.info_num("commandstats", "cmdstat_set").map(|n| n as f64);
    ensure!(stats.is_err() || (stats? - calls).abs() < 0.5, "INFO counts other SETs than the metrics");
    ensure!(is_one(value(&of_master, "redis_connected_slaves", &[])?), "the replica is not shown");
    ensure!(is_one(value(&of_replica, "redis_master_link_up", &[])?), "the link is not shown");
    let port = r.port.to_string();
    let behind = value(&of_master, "primacy_replica_unsent_bytes", &[("slave_port", &port)])?;
    ensure!(behind == 0.0, "{behind} bytes behind, and the offsets are equal");
    ensure!(value(&of_master, "redis_memory_used_rss_bytes", &[])? > 1e6, "what the process uses is not known");
    Ok(())
}

/// Connections that say nothing, half of a request, or anything; a client beside them is served all the while.
fn bad_requests(w: &World) -> Result<()> {
    let (s, port) = served(w, "server", &[])?;
    beside_load(&s, |count| {
        let mut silent: Vec<TcpStream> = Vec::new();
        for i in 0..16 {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            if i % 2 == 0 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:")?;
            }
            silent.push(stream);
        }
        // One more is closed at once; it may see that before or behind its request.
        let more = get(port, "/healthz");
        ensure!(more.is_err(), "a seventeenth was answered: {more:?}");
        let before = count.load(Ordering::SeqCst);
        // They are closed, not later than their patience says, and room is made.
        for stream in &mut silent {
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).ok();
            ensure!(rest.is_empty(), "half a request was answered: {}", rest.escape_ascii());
        }
        ensure!(count.load(Ordering::SeqCst) > before, "the client was not served meanwhile");
        for (request, status) in [
            ("*1\r\n$8\r\nFLUSHALL\r\n".to_owned(), 400),
            ("FLUSHALL\r\n\r\n".into(), 400),
            ("\u{16}\u{3}\u{1}".into(), 400),
            ("DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n".into(), 405),
            ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 404),
            ("GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n".into(), 505),
            (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8_300 - 40)), 431),
        ] {
            let answer = ask(port, &request).map_err(|e| format!("after {:?}: {e}", &request[..10]))?;
            ensure!(answer.status == status, "{} instead of {status} after {:?}", answer.status, &request[..10]);
        }
        // Ones that ask for pages and read nothing of them.
        let mut deaf = Vec::new();
        for _ in 0..8 {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")?;
            deaf.push(stream);
        }
        ensure!(get(port, "/readyz")?.body == "ok\n", "not ready beside them");
        let before = count.load(Ordering::SeqCst);
        // A flood on one connection, which nobody reads to its end.
        let mut flood = TcpStream::connect(("127.0.0.1", port))?;
        flood.set_write_timeout(Some(Duration::from_secs(1)))?;
        while flood.write_all(&[b'x'; 4096]).is_ok() {}
        wait::until(PATIENCE, "the client is served", || Ok(count.load(Ordering::SeqCst) > before))
    })?;
    let mut c = s.client()?;
    ensure!(c.text("DBSIZE")? == "100", "what was said on the metrics port was run");
    ensure!(c.text("CLIENT LIST")?.lines().count() == 1, "who asks for metrics is among the clients");
    let page = page(port)?;
    let late = value(&page, "primacy_http_requests_total", &[("outcome", "late")])?;
    ensure!(late >= 16.0, "{late} were late");
    Ok(())
}

fn of_a_failover(w: &World) -> Result<()> {
    let program = w.primacy()?;
    let m = w.server("master", &program, &[])?;
    let r = w.server("replica", &program, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let port = ports::free();
    let lines = [
        format!("metrics-port {port}"),
        format!("sentinel monitor {NAME} 127.0.0.1 {} 1", m.port),
        format!("sentinel down-after-milliseconds {NAME} 1000"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let s = w.server("sentinel", &sentinel::program(w, &program)?, &lines)?;
    let of = [("master_name", NAME)];
    wait::until(PATIENCE, "the sentinel is ready and knows the replica", || {
        Ok(get(port, "/readyz")?.status == 200 && page(port)?.value("redis_sentinel_master_slaves", &of) == Some(1.0))
    })?;
    m.kill();
    wait::until(PATIENCE, "the failover is over", || {
        Ok(page(port)?.value("primacy_sentinel_failover_stage_seconds_count", &[("stage", "reconf_slaves")])
            == Some(1.0))
    })?;
    let page = page(port)?;
    let promoted = value(&page, "primacy_sentinel_failovers_total", &[of[0], ("result", "promoted")])?;
    ensure!(is_one(promoted), "{promoted} promotions");
    let whole = value(&page, "primacy_sentinel_last_failover_stage_seconds", &[of[0], ("stage", "whole")])?;
    ensure!(whole > 0.0, "it took no time");
    let at = format!("127.0.0.1:{}", r.port);
    let status = [of[0], ("master_address", at.as_str()), ("master_status", "ok")];
    ensure!(is_one(value(&page, "redis_sentinel_master_status", &status)?), "the new master is not shown");
    let down = value(&page, "primacy_sentinel_instance_down_seconds", &[("reason", "unreachable")]);
    ensure!(
        down.is_ok() || s.client()?.text(&format!("SENTINEL REPLICAS {NAME}")).is_ok(),
        "the old master is not shown"
    );
    ensure!(get(port, "/readyz")?.status == 200, "the failover made the sentinel unready");
    Ok(())
}

fn kept(w: &World) -> Result<()> {
    let (s, port) = served(w, "server", &[])?;
    let mut c = s.client()?;
    let moved = ports::free();
    ensure!(c.run(&format!("CONFIG SET metrics-port {moved}"))?.text() == "OK", "it does not move");
    ensure!(get(port, "/healthz").is_err() && get(moved, "/healthz")?.status == 200, "it did not move");
    ensure!(c.run("CONFIG REWRITE")?.text() == "OK", "it is not written");
    s.terminate()?;
    s.start()?;
    ensure!(get(moved, "/healthz")?.status == 200, "the file has another port");
    Ok(())
}

/// Prometheus's own parser takes the text, and finds nothing to say but of names that are redis_exporter's.
fn read_by_promtool(w: &World, tool: &Path) -> Result<()> {
    let (m, port) = served(w, "master", &["latency-monitor-threshold 1"])?;
    let (r, replica_port) = served(w, "replica", &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let mut c: Client = m.client()?;
    c.run("DEBUG SLEEP 0.01")?;
    c.ask(&["GET"])?;
    let sentinel_port = ports::free();
    let lines = [format!("metrics-port {sentinel_port}"), format!("sentinel monitor {NAME} 127.0.0.1 {} 1", m.port)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    w.server("sentinel", &sentinel::program(w, &w.primacy()?)?, &lines)?;
    for port in [port, replica_port, sentinel_port] {
        let text = get(port, "/metrics")?.body;
        let mut child = Command::new(tool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(text.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // 0: nothing to say. 3: words about names.
        ensure!(matches!(output.status.code(), Some(0 | 3)), "promtool: {}: {said}", output.status);
        let ours: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty() && !l.starts_with("redis_")).collect();
        ensure!(ours.is_empty(), "promtool: {ours:?}");
    }
    Ok(())
}
