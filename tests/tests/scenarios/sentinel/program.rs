//! The program as an operator starts and stops it.

use libtest_mimic::Trial;
use primacy_tests::peers::{self, Peer};
use primacy_tests::program::Program;
use primacy_tests::resp::Client;
use primacy_tests::sentinel::{self, Fault, Group, NAME};
use primacy_tests::server::Server;
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure, ports, program, wait};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// A user who may write nothing of ours.
const NOBODY: u32 = 65_534;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("sentinel::program::three_ways_to_start", LIMIT, primacy, |w, ours| three_ways(w, &ours)),
        scenario("sentinel::program::refuses_what_it_cannot_take", LIMIT, primacy, |w, ours| refuses(w, &ours)),
        scenario("sentinel::program::file_that_cannot_be_written", LIMIT, primacy, |w, ours| unwritable(w, &ours)),
        scenario("sentinel::program::two_on_one_state", LIMIT, primacy, |w, ours| two_on_one_state(w, &ours)),
        scenario("sentinel::program::sigterm_and_the_same_id", LIMIT, primacy, |w, ours| sigterm(w, &ours)),
        scenario("sentinel::program::recording_replays", LIMIT, primacy, |w, ours| recording(w, &ours)),
        scenario("sentinel::program::debian_conf", LIMIT, peers::debian_sentinel_conf, |w, conf| debian(w, &conf)),
        scenario("sentinel::program::takes_over_and_back", LIMIT * 4, real, |w, (ours, real)| changed(w, &ours, &real)),
    ]
}

/// Primacy itself: words and options of its own are looked at.
fn primacy() -> Needs<Program> {
    let known = program::under_test().map_err(|e| e.to_string())?;
    if known.is_primacy() { Ok(known) } else { Err("the server under test is not Primacy".into()) }
}

fn real() -> Needs<(Program, Program)> {
    Ok((program::under_test().map_err(|e| e.to_string())?, Peer::Redis70.find()?))
}

/// A file to begin with. Nobody is at the master's port.
fn conf(w: &World, port: u16, more: &str) -> Result<std::path::PathBuf> {
    let (file, folder) = (w.folder.join(format!("{port}.conf")), w.folder.display());
    let text = format!("port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {NAME} 127.0.0.1 1 2\n{more}\n");
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Runs until it answers PING, has a look, ends it with SIGTERM, and gives its exit code.
fn served(mut command: Command, port: u16, look: impl FnOnce(&mut Client) -> Result<()>) -> Result<Option<i32>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let looked = wait::until(Duration::from_secs(10), "it answers PING", || {
        if let Some(status) = child.try_wait()? {
            return Err(format!("it ended: {status}").into());
        }
        Ok(Client::connect(port)?.text("PING")? == "PONG")
    })
    .and_then(|()| look(&mut Client::connect(port)?));
    let pid = rustix::process::Pid::from_raw(child.id() as i32).ok_or("no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
    let ended = wait::until(Duration::from_secs(10), "it ends", || Ok(child.try_wait()?.is_some()));
    if ended.is_err() {
        child.kill().ok();
    }
    let status = child.wait()?;
    looked?;
    ended?;
    Ok(status.code())
}

fn is_sentinel(c: &mut Client) -> Result<()> {
    ensure!(c.run("ROLE")?.items().first().is_some_and(|v| v.text() == "sentinel"), "ROLE: {:?}", c.run("ROLE")?);
    ensure!(sentinel::master_port(c)? == 1, "it names another master");
    Ok(())
}

fn three_ways(w: &World, ours: &Program) -> Result<()> {
    let start = |n: usize, file: &Path| -> Result<Command> {
        let mut command = match n {
            0 => sentinel::program(w, ours)?.command(),
            1 => ours.command(),
            _ => Command::new(sentinel::named(w, ours, "redis-sentinel")?),
        };
        command.arg(file);
        if n == 1 {
            command.arg("--sentinel");
        }
        Ok(command)
    };
    for n in 0..3 {
        let port = ports::free();
        let file = conf(w, ports::free(), "")?;
        let mut command = start(n, &file)?;
        command.args(["--port", &port.to_string(), "--sentinel", "parallel-syncs", NAME, "3"]);
        let code = served(command, port, |c| {
            is_sentinel(c)?;
            let map = sentinel::of(&c.run(&format!("SENTINEL MASTER {NAME}"))?);
            ensure!(map.get("parallel-syncs").is_some_and(|n| n == "3"), "an argument is not taken: {map:?}");
            Ok(())
        })
        .map_err(|e| format!("start {n}: {e}"))?;
        ensure!(code == Some(0), "start {n} ended with {code:?}");
    }
    Ok(())
}

/// The exit code and all words of a start that must fail.
fn refused(mut command: Command) -> Result<(Option<i32>, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = wait::until(Duration::from_secs(10), "it ends", || Ok(child.try_wait()?.is_some()));
    if ended.is_err() {
        child.kill().ok();
    }
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    let words = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    ended.map_err(|e| format!("{e}: {words}"))?;
    Ok((status.code(), words))
}

fn refuses(w: &World, ours: &Program) -> Result<()> {
    let program = sentinel::program(w, ours)?;
    let (code, words) = refused(program.command())?;
    ensure!(code == Some(1) && words.contains("Sentinel needs config file on disk"), "no file: {code:?}: {words}");
    let mut command = program.command();
    command.arg(w.folder.join("nothing.conf"));
    let (code, words) = refused(command)?;
    ensure!(code == Some(1) && words.contains("can't open config file"), "a file that is not there: {words}");
    let plain = w.folder.join("no-program");
    std::fs::write(&plain, "#!/bin/sh\n")?;
    let script = format!("sentinel notification-script {NAME} {}", plain.display());
    let cases = [
        (script.as_str(), "Notification script seems non existing or non executable"),
        ("sentinel monitor other 127.0.0.1 6379 0", "Quorum must be 1 or greater"),
        ("sentinel monitor mymaster 127.0.0.1 6379 1", "Duplicate master name"),
        ("sentinel parallel-syncs nobody 1", "No such master with specified name"),
        ("sentinel nosuchoption mymaster 1", "nosuchoption"),
        ("sentinel down-after-milliseconds mymaster soon", "down-after-milliseconds"),
        ("nosuchdirective 1", "nosuchdirective"),
    ];
    for (line, wanted) in cases {
        let file = conf(w, ports::free(), line)?;
        let mut command = program.command();
        command.arg(&file);
        let (code, words) = refused(command)?;
        ensure!(code == Some(1) && words.contains(wanted), "\"{line}\": {code:?}: {words}");
        let place = format!("{}, at line 5", file.display());
        ensure!(words.contains(&place), "\"{line}\": the message does not say {place}: {words}");
    }
    let (taken, port) = ports::listen()?;
    let mut command = program.command();
    command.arg(conf(w, port, "")?);
    let (code, words) = refused(command)?;
    drop(taken);
    ensure!(code == Some(1) && words.contains(&port.to_string()), "a busy port: {code:?}: {words}");
    Ok(())
}

/// A start as a user who may write neither the file nor its folder.
fn as_nobody(command: &mut Command, folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o555))?;
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(())
}

fn unwritable(w: &World, ours: &Program) -> Result<()> {
    let (port, folder) = (ports::free(), w.folder.join("read-only"));
    std::fs::create_dir(&folder)?;
    let file = folder.join("sentinel.conf");
    std::fs::rename(conf(w, port, "dir /")?, &file)?;
    let text = std::fs::read(&file)?;
    // The program may lie where that user may not look: it gets a copy. By a program of its own: a child that another test
    // starts meanwhile would hold ours open for writing, and what is being written cannot be run.
    let copy = w.folder.join("copy-sentinel");
    ensure!(Command::new("cp").arg(&ours.words[0]).arg(&copy).status()?.success(), "the program cannot be copied");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(&copy);
    command.arg(&file);
    as_nobody(&mut command, &folder)?;
    let (code, words) = refused(command)?;
    ensure!(code == Some(1) && words.contains("is not writable"), "{code:?}: {words}");
    ensure!(words.contains("state-file"), "the message does not say what to do: {words}");
    // With the state elsewhere it starts, and the file stays as it is.
    let state = w.folder.join("state");
    std::fs::create_dir(&state)?;
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777))?;
    let state = state.join("sentinel.state");
    let start = || -> Result<Command> {
        let mut command = Command::new(&copy);
        command.arg(&file).args(["--sentinel", "state-file"]).arg(&state);
        as_nobody(&mut command, &folder)?;
        Ok(command)
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let code = served(start()?, port, |c| {
            ids.push(c.text("SENTINEL MYID")?);
            is_sentinel(c)
        })?;
        ensure!(code == Some(0), "with the state elsewhere it ended with {code:?}");
    }
    ensure!(ids[0] == ids[1] && ids[0].len() == 40, "its id is not kept: {ids:?}");
    ensure!(std::fs::read(&file)? == text && state.exists(), "the file changed, or there is no state file");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A second sentinel on the state file of one that runs would undo its votes.
fn two_on_one_state(w: &World, ours: &Program) -> Result<()> {
    let state = w.folder.join("sentinel.state");
    let line = format!("sentinel state-file {}", state.display());
    let program = sentinel::program(w, ours)?;
    let first = w.server("first", &program, &[&line])?;
    let mut command = program.command();
    command.arg(conf(w, ports::free(), &line)?);
    let (code, words) = refused(command)?;
    let pid = first.pid().ok_or("it does not run")?;
    ensure!(code == Some(1) && words.contains(&format!("process {pid}")), "{code:?}: {words}");
    ensure!(words.contains("sentinel state-file PATH"), "the message does not say what to do: {words}");
    ensure!(first.client()?.text("PING")? == "PONG", "the first one is gone");
    // However it ends, the next one may have it.
    first.kill();
    first.start()?;
    Ok(())
}

fn sigterm(w: &World, ours: &Program) -> Result<()> {
    let s = w.prepare("sentinel", &sentinel::program(w, ours)?, &["# kept", "pidfile sentinel.pid"])?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        s.start()?;
        ids.push(s.client()?.text("SENTINEL MYID")?);
        s.client()?.run(&format!("SENTINEL MONITOR {NAME} 127.0.0.1 1 2")).ok();
        wait::until(Duration::from_secs(5), "the pid file", || {
            let text = std::fs::read_to_string(s.folder.join("sentinel.pid"))?;
            Ok(Some(text.trim()) == s.pid().map(|p| p.to_string()).as_deref())
        })?;
        let status = s.terminate()?;
        ensure!(status.success(), "SIGTERM ended with {status}");
        let text = std::fs::read_to_string(s.conf())?;
        ensure!(text.contains("# kept"), "the comment is lost:\n{text}");
        ensure!(text.contains(&format!("sentinel myid {}", ids[0])), "its id is not in the file:\n{text}");
        ensure!(text.contains(&format!("sentinel monitor {NAME} 127.0.0.1 1 2")), "the master is not in it:\n{text}");
        ensure!(!s.folder.join("sentinel.pid").exists(), "the pid file stays");
    }
    ensure!(ids[0] == ids[1], "its id is not kept: {ids:?}");
    Ok(())
}

/// Everything that a sentinel is told through a failover, and the same again.
fn recording(w: &World, ours: &Program) -> Result<()> {
    let files: Vec<_> = (0..3).map(|n| w.folder.join(format!("{n}.rec"))).collect();
    let mut sentinels = Vec::new();
    for file in &files {
        let mut program = ours.clone();
        program.words.extend(["--record".into(), file.to_string_lossy().into_owned()]);
        sentinels.push(program);
    }
    let group = Group::start(w, ours, &sentinels, false)?;
    group.round(Fault::Kill, &mut w.rng())?;
    for s in &group.sentinels {
        ensure!(s.terminate()?.success(), "{} did not end well", s.name);
    }
    for file in &files {
        let out = Command::new(&ours.words[0]).arg("replay").arg(file).output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.code() == Some(0) && text.contains("the same actions"), "replay: {text}");
        ensure!(text.contains("exit code 0"), "the recording does not end with the sentinel: {text}");
    }
    Ok(())
}

/// Debian's own file, as its unit file starts it, unchanged but for paths and the port.
fn debian(w: &World, conf: &Path) -> Result<()> {
    let (port, file, log) = (ports::free(), w.folder.join("sentinel.conf"), w.folder.join("log"));
    std::fs::copy(conf, &file)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let mut command = sentinel::program(w, &w.primacy()?)?.command();
    command.arg(&file).args(["--supervised", "systemd", "--daemonize", "no", "--port", &port.to_string()]);
    command.arg("--dir").arg(&w.folder).arg("--logfile").arg(&log).arg("--pidfile").arg(w.folder.join("pid"));
    let code = served(command, port, |c| {
        let map = sentinel::of(&c.run("SENTINEL MASTER mymaster")?);
        for (key, value) in [("quorum", "2"), ("down-after-milliseconds", "30000"), ("failover-timeout", "180000")] {
            ensure!(map.get(key).is_some_and(|v| v == value), "{key}: {map:?}");
        }
        Ok(())
    })
    .map_err(|e| format!("{e}\n{}", std::fs::read_to_string(&log).unwrap_or_default()))?;
    ensure!(code == Some(0), "it ended with {code:?}");
    let (before, after) = (std::fs::read_to_string(conf)?, std::fs::read_to_string(&file)?);
    ensure!(after.contains("sentinel myid "), "the file was not rewritten:\n{after}");
    let comments = |text: &str| text.lines().filter(|l| l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    ensure!(comments(&after).starts_with(&comments(&before)), "comments were lost");
    Ok(())
}

/// The file that a real sentinel left starts Primacy, and the other way round, each time with a failover.
fn changed(w: &World, ours: &Program, real: &Program) -> Result<()> {
    let mut rng = w.rng();
    let mut group = Group::start(w, ours, &[real.clone(), real.clone(), real.clone()], false)?;
    group.round(Fault::Kill, &mut rng)?;
    for program in [ours, real] {
        let id = group.sentinels[0].client()?.text("SENTINEL MYID")?;
        let next = taken_over(w, &group.sentinels[0], program)?;
        ensure!(next.client()?.text("SENTINEL MYID")? == id, "its id is not kept");
        group.sentinels[0] = next;
        group.settled()?;
        group.round(Fault::Kill, &mut rng)?;
    }
    Ok(())
}

/// Another program on the file that this one leaves.
fn taken_over(w: &World, old: &Server, program: &Program) -> Result<std::sync::Arc<Server>> {
    old.terminate()?;
    let next = w.prepare(&format!("sentinel-{}", program.name), &sentinel::program(w, program)?, &[])?;
    let line = |port: u16| format!("port {port}\n");
    let text = std::fs::read_to_string(old.conf())?;
    ensure!(text.contains(&line(old.port)), "no line of its port in:\n{text}");
    std::fs::write(next.conf(), text.replace(&line(old.port), &line(next.port)))?;
    next.start()?;
    Ok(next)
}
