//! The program as an operator starts and stops it.

use libtest_mimic::Trial;
use primacy_tests::resp::Client;
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure, ports, wait};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("program::sigterm_saves", LIMIT, || Ok(()), |w, ()| sigterm_saves(w)),
        scenario("program::sigterm_waits_for_replicas", LIMIT, || Ok(()), |w, ()| waits_for_replicas(w)),
        scenario("program::replica_restarts_partially", LIMIT, || Ok(()), |w, ()| replica_restarts(w)),
        scenario("program::standard_input_and_arguments", LIMIT, || Ok(()), |w, ()| standard_input(w)),
        scenario("program::name_that_ends_in_server", LIMIT, || Ok(()), |w, ()| by_name(w)),
        scenario("program::refuses_what_it_does_not_know", LIMIT, || Ok(()), |w, ()| refuses(w)),
        scenario("program::rewrites_its_configuration", LIMIT, || Ok(()), |w, ()| rewrites(w)),
        scenario("program::answers_while_it_loads", LIMIT, || Ok(()), |w, ()| loading(w)),
        scenario("program::log_level_while_it_runs", LIMIT, own_words, |w, ()| log_level(w)),
        scenario("program::log_words", LIMIT, || Ok(()), |w, ()| log_words(w)),
    ]
}

fn sigterm_saves(w: &World) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &["save 3600 1"])?;
    s.client()?.run("SET k v EX 1000")?;
    let status = s.terminate()?;
    ensure!(status.success(), "SIGTERM ended with {status}");
    ensure!(s.snapshot().exists(), "no snapshot was saved");
    ensure!(s.logged(&["is now ready to exit, bye bye..."]) == 1, "the log does not say bye bye");
    s.start()?;
    ensure!(s.client()?.text("GET k")? == "v", "the key is lost");
    let ttl = s.client()?.run("TTL k")?;
    ensure!((900..=1000).contains(&ttl.text().parse::<i64>()?), "TTL {ttl:?}");
    s.freeze();
    std::thread::sleep(Duration::from_millis(200));
    // The signal came while it was stopped: it ends as soon as it goes on.
    let ended = std::thread::scope(|t| {
        let wait = t.spawn(|| s.terminate().map_err(|e| e.to_string()));
        std::thread::sleep(Duration::from_millis(200));
        s.thaw();
        wait.join()
    });
    let status = ended.map_err(|_| "panic")??;
    ensure!(status.success(), "SIGTERM while stopped ended with {status}");
    Ok(())
}

/// A lagging replica gets the last writes before the master goes.
fn waits_for_replicas(w: &World) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &["shutdown-timeout 10"])?;
    let r = w.server("replica", &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    m.client()?.run("SET a 1")?;
    wait::offsets_equal(&[&m, &r])?;
    r.freeze();
    for i in 0..100 {
        m.client()?.run(&format!("SET k{i} v"))?;
    }
    let ended = std::thread::scope(|t| {
        let wait = t.spawn(|| m.terminate().map_err(|e| e.to_string()));
        std::thread::sleep(Duration::from_secs(1));
        let early = wait.is_finished();
        r.thaw();
        wait.join().map(|s| (s, early))
    });
    let (status, early) = ended.map_err(|_| "panic")?;
    ensure!(!early, "the master did not wait for its replica");
    ensure!(status?.success(), "the master did not end well");
    ensure!(r.client()?.text("DBSIZE")? == "101", "the replica lacks the last writes");
    Ok(())
}

/// A replica that is stopped in good order resumes where it stood.
fn replica_restarts(w: &World) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &[])?;
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    let r = w.server("replica", &w.primacy()?, &[&follow, "save 3600 1"])?;
    wait::link_up(&r)?;
    m.client()?.run("SET before 1")?;
    wait::offsets_equal(&[&m, &r])?;
    r.terminate()?;
    m.client()?.run("SET after 1")?;
    r.start()?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    let (full, partial) = wait::served(&m)?;
    ensure!(full == 1 && partial == 1, "{full} full and {partial} partial resyncs after a restart of the replica");
    // The master too: its file's id becomes the second one.
    m.client()?.run("SAVE")?;
    let old = m.client()?.info("replication", "master_replid")?;
    m.kill();
    m.start()?;
    let (new, second) =
        (m.client()?.info("replication", "master_replid")?, m.client()?.info("replication", "master_replid2")?);
    ensure!(new != old && second == old, "ids after the restart: {new} and {second}, before: {old}");
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    let (full, partial) = wait::served(&m)?;
    ensure!(full == 0 && partial == 1, "{full} full and {partial} partial resyncs after a restart of the master");
    Ok(())
}

fn standard_input(w: &World) -> Result<()> {
    let port = ports::free();
    let mut child = w
        .primacy()?
        .command()
        .args(["-", "--port", &port.to_string(), "--maxclients", "77", "--save", "900 1 60 2"])
        .args(["--replicaof", "127.0.0.1 1", "--dir"])
        .arg(&w.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    input.write_all(b"port 1\n# a comment\nbind 127.0.0.1\nrequirepass \"a \\x62 c\"\ntimeout 33\n")?;
    drop(input);
    let result = (|| {
        wait::until(Duration::from_secs(10), "it answers", || {
            Ok(Client::connect(port)?.ask(&["PING"])?.text().starts_with("NOAUTH"))
        })?;
        let mut c = Client::connect(port)?;
        ensure!(!c.ask(&["AUTH", "a b c"])?.is_error(), "the quoted password is not taken");
        for (name, value) in [("maxclients", "77"), ("timeout", "33"), ("save", "900 1 60 2")] {
            let got = c.run(&format!("CONFIG GET {name}"))?;
            ensure!(got.items()[1].text() == value, "CONFIG GET {name}: {got:?}");
        }
        ensure!(c.info("replication", "role")? == "slave", "--replicaof is not taken");
        Ok(())
    })();
    child.kill()?;
    child.wait()?;
    result
}

/// Started under a name that ends in `-server`, the file acts as `primacy server` does.
fn by_name(w: &World) -> Result<()> {
    let program = w.primacy()?;
    let file =
        std::fs::canonicalize(&program.words[0]).or_else(|_| primacy_tests::peers::on_path(&program.words[0]))?;
    let name = w.folder.join("redis-server");
    std::os::unix::fs::symlink(file, &name)?;
    let port = ports::free();
    let mut child = Command::new(&name)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(&w.folder)
        .stdout(Stdio::null())
        .spawn()?;
    let result =
        wait::until(Duration::from_secs(10), "it answers", || Ok(Client::connect(port)?.text("PING")? == "PONG"));
    child.kill()?;
    child.wait()?;
    let version = Command::new(&name).arg("--version").output()?;
    ensure!(version.status.success(), "--version under that name ended with {}", version.status);
    result
}

fn refuses(w: &World) -> Result<()> {
    let cases = [
        ("nosuchdirective 1", "nosuchdirective"),
        ("port abc", "port"),
        ("maxmemory 5parsecs", "maxmemory"),
        ("requirepass \"open", "requirepass"),
        ("save 60", "save"),
    ];
    for (line, word) in cases {
        let s = w.prepare("server", &w.primacy()?, &["timeout 5", line])?;
        s.launch()?;
        let status = s.wait_end(Duration::from_secs(10)).map_err(|e| format!("with \"{line}\": {e}"))?;
        let log = s.log();
        ensure!(!status.success(), "\"{line}\" was taken");
        ensure!(log.contains(word), "\"{line}\": the message does not name it: {log}");
        let number = std::fs::read_to_string(s.conf())?.lines().position(|l| l == line).map_or(0, |n| n + 1);
        ensure!(log.contains(&number.to_string()), "\"{line}\": the message does not name line {number}: {log}");
    }
    let first = w.server("first", &w.primacy()?, &[])?;
    let second = w.prepare("second", &w.primacy()?, &[&format!("port {}", first.port)])?;
    second.launch()?;
    let status = second.wait_end(Duration::from_secs(10))?;
    ensure!(!status.success(), "a busy port was taken");
    let said = second.log();
    ensure!(said.contains("Failed listening on port"), "a busy port: {said}");
    Ok(())
}

fn rewrites(w: &World) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &["# kept by rewrites", "timeout 7", "maxclients 55"])?;
    let mut c = s.client()?;
    c.run("CONFIG SET timeout 9 repl-backlog-size 2mb")?;
    let refused = c.ask(&["CONFIG", "SET", "timeout", "11", "maxclients", "abc"])?;
    ensure!(refused.is_error(), "half a CONFIG SET was taken: {refused:?}");
    ensure!(c.run("CONFIG GET timeout")?.items()[1].text() == "9", "a refused CONFIG SET left a trace");
    c.run("CONFIG REWRITE")?;
    let text = std::fs::read_to_string(s.conf())?;
    let at = |line: &str| text.lines().position(|l| l == line).ok_or_else(|| format!("no \"{line}\" in:\n{text}"));
    let order = [at("# kept by rewrites")?, at("timeout 9")?, at("maxclients 55")?];
    ensure!(order.is_sorted(), "the order of lines changed:\n{text}");
    s.kill();
    s.start()?;
    let size = s.client()?.run("CONFIG GET repl-backlog-size")?;
    ensure!(size.items()[1].text() == "2097152", "after the restart: {size:?}");
    Ok(())
}

/// The words of Primacy's own log are looked at.
fn own_words() -> Needs<()> {
    let known = primacy_tests::program::under_test().map_err(|e| e.to_string())?;
    if known.is_primacy() { Ok(()) } else { Err("the server under test is not Primacy".into()) }
}

fn log_level(w: &World) -> Result<()> {
    let server = w.server("server", &w.primacy()?, &["loglevel warning"])?;
    let sentinel = primacy_tests::sentinel::program(w, &w.primacy()?)?;
    let sentinel = w.server("sentinel", &sentinel, &["loglevel warning"])?;
    for (s, command) in [(&server, "CONFIG SET"), (&sentinel, "SENTINEL CONFIG SET")] {
        let mut c = s.client()?;
        for level in ["verbose", "warning"] {
            let answer = c.text(&format!("{command} loglevel {level}"))?;
            ensure!(answer == "OK", "{}: {command} loglevel {level} says {answer}", s.name);
        }
        // Lines of this kind are written at `notice`.
        let said = s.log();
        ensure!(said.contains("The log level is verbose"), "{}: nothing more is logged: {said}", s.name);
        ensure!(!said.contains("The log level is warning"), "{}: it logs as much as before: {said}", s.name);
    }
    Ok(())
}

/// While the file is read it says so to everybody who wants data, and to PING: a probe must not take it for ready.
fn loading(w: &World) -> Result<()> {
    let slow = ["key-load-delay 500", "loading-process-events-interval-bytes 1024"];
    let s = w.server("server", &w.primacy()?, &slow)?;
    primacy_tests::fill::keys(s.port, 6_000, &mut w.rng())?;
    s.client()?.run("SAVE")?;
    s.kill();
    s.launch()?;
    wait::until(Duration::from_secs(5), "it answers", || Ok(s.client()?.ask(&["PING"]).is_ok()))?;
    let mut c = s.client()?;
    ensure!(c.info("persistence", "loading")? == "1", "loading: not 1 while the file is read");
    for line in ["PING", "GET k", "SET k v", "DBSIZE", "PSYNC ? -1"] {
        let reply = c.ask(&primacy_tests::resp::words(line))?;
        ensure!(reply.text().starts_with("LOADING "), "{line} while loading: {reply:?}");
    }
    s.wait_ready()?;
    ensure!(s.client()?.info("persistence", "loading")? == "0", "loading: not 0 afterwards");
    Ok(())
}

/// The shape and the words of log lines that tools wait for.
fn log_words(w: &World) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &[])?;
    let r = w.server("replica", &w.primacy()?, &[])?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r)?;
    r.client()?.run("REPLICAOF NO ONE")?;
    for (s, words) in [
        (
            &r,
            &[
                "Server initialized",
                "Ready to accept connections",
                "Connecting to MASTER 127.0.0.1:",
                "MASTER <-> REPLICA sync started",
                "Full resync from master: ",
                "MASTER <-> REPLICA sync: Loading DB in memory",
                "MASTER <-> REPLICA sync: Finished with success",
                "MASTER MODE enabled (user request from",
            ][..],
        ),
        (&m, &["asks for synchronization", "Synchronization with replica 127.0.0.1:"][..]),
    ] {
        for word in words {
            wait::until(Duration::from_secs(5), &format!("\"{word}\" in the log of {}", s.name), || {
                Ok(s.logged(&[word]) > 0)
            })?;
        }
    }
    let log = r.log();
    let line = log.lines().find(|l| l.contains("Server initialized")).unwrap_or_default();
    let (head, rest) = line.split_once(':').ok_or_else(|| format!("no pid in \"{line}\""))?;
    ensure!(Some(head) == r.pid().map(|p| p.to_string()).as_deref(), "\"{line}\" does not begin with the pid");
    let parts: Vec<&str> = rest.split(' ').collect();
    ensure!(parts.len() > 6 && parts[0] == "M" && parts[4].len() == 12, "the shape of \"{line}\"");
    ensure!([".", "-", "*", "#"].contains(&parts[5]), "the level mark of \"{line}\"");
    Ok(())
}
