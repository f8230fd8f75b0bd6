//! Debian's own redis.conf starts it, unchanged but for paths and the port.

use libtest_mimic::Trial;
use primacy_tests::resp::Client;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, peers, ports, wait};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("debian::conf_under_a_supervisor", LIMIT, peers::debian_conf, |w, conf| run(w, &conf, false)),
        scenario("debian::conf_as_a_daemon", LIMIT, peers::debian_conf, |w, conf| run(w, &conf, true)),
    ]
}

/// As Debian's unit file starts it (`--supervised … --daemonize no`), or by the file alone (`daemonize yes`).
fn run(w: &World, conf: &Path, daemon: bool) -> Result<()> {
    let port = ports::free();
    let log = w.folder.join("redis-server.log");
    let pidfile = w.folder.join("redis-server.pid");
    let mut command = w.primacy()?.command();
    command.arg(conf).args(["--port", &port.to_string()]);
    command.arg("--dir").arg(&w.folder).arg("--logfile").arg(&log).arg("--pidfile").arg(&pidfile);
    if !daemon {
        command.args(["--supervised", "no", "--daemonize", "no"]);
    }
    let out = std::fs::File::create(w.folder.join("output"))?;
    let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
    let result = check(port, &pidfile, &mut child, daemon);
    if let Ok(mut c) = Client::connect(port) {
        c.ask(&["SHUTDOWN", "NOSAVE"]).ok();
    }
    if !daemon || result.is_err() {
        child.kill().ok();
    }
    child.wait()?;
    let said = |file: PathBuf| std::fs::read_to_string(file).unwrap_or_default();
    result.map_err(|e| format!("{e}\noutput: {}\nlog: {}", said(w.folder.join("output")), said(log)).into())
}

fn check(port: u16, pidfile: &Path, child: &mut Child, daemon: bool) -> Result<()> {
    wait::until(Duration::from_secs(10), "it answers PING", || {
        if let Some(status) = child.try_wait()?.filter(|s| !daemon || !s.success()) {
            return Err(format!("it ended: {status}").into());
        }
        Ok(Client::connect(port)?.text("PING")? == "PONG")
    })?;
    let mut c = Client::connect(port)?;
    let pid = c.info("server", "process_id")?;
    // A daemon always writes it; one in the foreground does where a pidfile is named.
    let written = std::fs::read_to_string(pidfile)?;
    ensure!(written.trim() == pid, "the pidfile says {written}, the server {pid}");
    if daemon {
        wait::until(Duration::from_secs(5), "the started process ends", || Ok(child.try_wait()?.is_some()))?;
        ensure!(pid != child.id().to_string(), "the daemon is the started process itself");
    }
    for (name, value) in [("databases", "16"), ("timeout", "0"), ("tcp-keepalive", "300"), ("hz", "10")] {
        let got = c.run(&format!("CONFIG GET {name}"))?;
        ensure!(got.items().get(1).is_some_and(|v| v.text() == value), "CONFIG GET {name}: {got:?}");
    }
    let limits = c.run("CONFIG GET client-output-buffer-limit")?;
    let text = limits.items().get(1).map(primacy_tests::resp::Value::text).unwrap_or_default();
    ensure!(text.contains("268435456 67108864 60"), "client-output-buffer-limit: {text}");
    c.run("SET k v")?;
    ensure!(c.text("GET k")? == "v", "a write is lost");
    ensure!(c.run("CONFIG GET save")?.items()[1].text() == "3600 1 300 100 60 10000", "the default save rules");
    Ok(())
}
