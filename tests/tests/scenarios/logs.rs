//! Logs as JSON: every line of a busy run is an object.

use libtest_mimic::Trial;
use primacy_tests::proxy::Proxy;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, json, wait};
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn all() -> Vec<Trial> {
    vec![scenario("logs::json", LIMIT, || Ok(()), |w, ()| busy(w))]
}

/// The kinds of event in a server's log, of which every line has to be an object.
fn kinds(server: &Server, role: &str) -> Result<BTreeSet<String>> {
    let (log, mut kinds, mut roles) = (server.log(), BTreeSet::new(), BTreeSet::new());
    for line in log.lines() {
        let members = json::object(line).map_err(|e| format!("{e}: {line}"))?;
        for name in ["ts", "level", "role", "pid", "text"] {
            ensure!(members.contains_key(name), "no {name} in {line}");
        }
        let time = &members["ts"];
        ensure!(time.len() == 24 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "no time: {line}");
        roles.insert(members["role"].clone());
        kinds.extend(members.get("event").cloned());
    }
    ensure!(roles.contains(role), "{} spoke as {roles:?}", server.name);
    Ok(kinds)
}

fn busy(w: &World) -> Result<()> {
    let primacy = w.primacy()?;
    let lines = ["log-format json", "loglevel debug", "enable-debug-command yes"];
    let m = w.server("master", &primacy, &lines)?;
    let link = Proxy::to(m.port)?;
    let r = w.server("replica", &primacy, &[&lines[..], &[&format!("replicaof 127.0.0.1 {}", link.port)]].concat())?;
    wait::link_up(&r)?;
    let mut c = m.client()?;
    for words in
        [&b"a\"b\\c"[..], b"line\nline\r\n\tx\x1b[31m", b"\xff\xfe\x80 no text", "é \u{2028} \u{85}".as_bytes()]
    {
        c.ask(&[&b"DEBUG"[..], b"LOG", words])?;
    }
    fill::writes(m.port, 2_000, &mut w.rng())?;
    link.blink();
    wait::until(wait::CONVERGE, "a partial resync", || Ok(wait::served(&m)?.1 > 0))?;
    wait::link_up(&r)?;
    // Bytes that are no protocol, and a second master.
    c.ask(&["CONFIG", "SET", "loglevel", "verbose"])?;
    let shown = c.ask(&["CONFIG", "GET", "log-format"])?;
    ensure!(shown.items().get(1).is_some_and(|v| v.text() == "json"), "CONFIG GET shows {shown:?}");
    let refused = c.ask(&["CONFIG", "SET", "log-format", "redis"])?.text();
    ensure!(refused.contains("immutable"), "CONFIG SET: {refused}");
    r.client()?.run("REPLICAOF NO ONE")?;
    let (of_master, of_replica) = (kinds(&m, "master")?, kinds(&r, "replica")?);
    for kind in ["started", "ready", "debug", "partial-accepted"] {
        ensure!(of_master.contains(kind), "no {kind} among {of_master:?}");
    }
    for kind in ["full-resync", "continued", "master-mode"] {
        ensure!(of_replica.contains(kind), "no {kind} among {of_replica:?}");
    }
    Ok(())
}
