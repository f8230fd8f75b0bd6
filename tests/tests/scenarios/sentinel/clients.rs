//! Clients that know nothing of Primacy find the master through its sentinels and follow a failover.

use libtest_mimic::Trial;
use primacy_tests::peers;
use primacy_tests::sentinel::{Group, NAME};
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("sentinel::clients::redis_py::resp2", LIMIT, peers::python, |w, python| redis_py(w, &python, "2")),
        scenario("sentinel::clients::redis_py::resp3", LIMIT, peers::python, |w, python| redis_py(w, &python, "3")),
    ]
}

fn redis_py(w: &World, python: &Path, protocol: &str) -> Result<()> {
    let ours = w.primacy()?;
    let group = Group::start(w, &ours, &[ours.clone(), ours.clone(), ours.clone()], false)?;
    let errors = w.folder.join("redis-py");
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/redis_py_sentinel.py"))
        .args([NAME, protocol])
        .args(group.sentinels.iter().map(|s| s.port.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&errors)?)
        .spawn()?;
    let mut said = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let mut followed = || -> Result<()> {
        let ready = said.next().transpose()?;
        ensure!(ready.as_deref() == Some("ready"), "it says {ready:?}");
        let old = group.master()?;
        old.server.kill();
        child.stdin.take().ok_or("no pipe")?.write_all(b"\n")?;
        let new = said.next().transpose()?.ok_or("it ended before its write was taken")?;
        ensure!(new == group.master()?.port().to_string() && new != old.port().to_string(), "it went to {new}");
        Ok(())
    };
    let result = followed();
    if result.is_err() {
        child.kill().ok();
    }
    let status = child.wait()?;
    let text = std::fs::read_to_string(&errors)?;
    result.map_err(|e| format!("redis-py: {e}\n{text}"))?;
    ensure!(status.success(), "redis-py: {text}");
    Ok(())
}
