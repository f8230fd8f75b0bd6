//! sentinel.conf goes from Primacy to a real sentinel and back, and nothing is lost.

use libtest_mimic::Trial;
use primacy_core::config::sentinel::{KnownSentinel, MasterSettings, SentinelConfig};
use primacy_core::ids::RunId;
use primacy_tests::peers::Peer;
use primacy_tests::program::{Kind, Program};
use primacy_tests::sentinel;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, ports};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn all() -> Vec<Trial> {
    [Peer::Redis70, Peer::Valkey91, Peer::Valkey90]
        .map(|peer| {
            scenario(
                &format!("sentinel::conf::{}", peer.name()),
                LIMIT,
                move || peer.find(),
                |w, found| there_and_back(w, &found),
            )
        })
        .into()
}

fn id(letter: &str) -> Result<RunId> {
    Ok(letter.repeat(40).parse()?)
}

fn everything(quotes: bool) -> Result<SentinelConfig> {
    let mut c = SentinelConfig::new();
    c.global.myid = Some(id("1")?);
    c.global.current_epoch = 12;
    c.global.announce_ip = "127.0.0.1".into();
    c.global.announce_port = ports::free();
    c.global.deny_scripts_reconfig = false;
    c.global.sentinel_user = "watcher".into();
    c.global.sentinel_pass = if quotes { "x\"y \\z".into() } else { "xyz".into() };
    c.global.resolve_hostnames = true;
    c.global.announce_hostnames = true;
    let mut m = MasterSettings::new("orders", "127.0.0.1", ports::free(), 2);
    m.down_after_ms = 20_000;
    m.failover_timeout_ms = 90_000;
    m.parallel_syncs = 3;
    m.notification_script = "/bin/true".into();
    m.client_reconfig_script = "/bin/false".into();
    m.auth_user = "u".into();
    m.auth_pass = if quotes { "it's # a \"secret\"".into() } else { "secret#1".into() };
    m.config_epoch = 7;
    m.leader_epoch = 11;
    m.reboot_down_after_ms = 5000;
    m.renamed.insert("CONFIG".into(), "guess-me".into());
    m.replicas = vec![("127.0.0.1".into(), ports::free()), ("localhost".into(), ports::free())];
    m.sentinels = vec![
        KnownSentinel { host: "127.0.0.1".into(), port: ports::free(), run_id: Some(id("a")?) },
        KnownSentinel { host: "127.0.0.1".into(), port: ports::free(), run_id: Some(id("b")?) },
    ];
    c.masters.push(m);
    c.masters.push(MasterSettings::new("plain", "127.0.0.1", ports::free(), 1));
    Ok(c)
}

/// What is the same whatever the order of lines. Redis keeps its replicas and masters in tables without one.
fn sorted(text: &str) -> Result<SentinelConfig> {
    let mut c = SentinelConfig::parse("sentinel.conf", text)?;
    c.masters.sort_by(|a, b| a.name.cmp(&b.name));
    for m in &mut c.masters {
        m.replicas.sort();
        m.sentinels.sort_by_key(|s| s.run_id);
    }
    Ok(c)
}

fn there_and_back(w: &World, found: &Program) -> Result<()> {
    let program = sentinel::program(w, found)?;
    let server = w.prepare("sentinel", &program, &["# a person wrote this", "loglevel verbose"])?;
    // Before Valkey 9.1 values are written as they are: what needs quotes they could not read again themselves.
    let mut config = everything(matches!(found.kind, Kind::Valkey(9, 1)))?;
    let by_hand = std::fs::read_to_string(server.conf())?;
    config.settings = SentinelConfig::parse("by hand", &by_hand)?.settings;

    let ours = config.rewrite(&by_hand);
    ensure!(ours.starts_with(&by_hand), "lines of a person changed:\n{ours}");
    let theirs = flushed(&server, &ours)?;
    let (a, b) = (sorted(&ours)?, sorted(&theirs)?);
    ensure!(a.global == b.global && a.masters == b.masters, "lost on the way there:\n{ours}\n--- became\n{theirs}");
    ensure!(theirs.contains("# a person wrote this"), "the comment is lost:\n{theirs}");

    // A failover happened meanwhile under Primacy, and the file goes back to them.
    let mut config = SentinelConfig::parse("theirs", &theirs)?;
    config.global.current_epoch = 13;
    let m = config.master_mut("orders").ok_or("no orders")?;
    let old = (core::mem::replace(&mut m.host, "127.0.0.1".into()), m.port);
    let new = m.replicas.remove(0);
    (m.host, m.port) = new;
    m.replicas.push(old);
    m.config_epoch = 13;
    m.auth_pass.clear();
    let ours = config.rewrite(&theirs);
    ensure!(config.rewrite(&ours) == ours, "to rewrite what was rewritten changes something");
    let theirs = flushed(&server, &ours)?;
    let (a, b) = (sorted(&ours)?, sorted(&theirs)?);
    ensure!(a.global == b.global && a.masters == b.masters, "lost on the way back:\n{ours}\n--- became\n{theirs}");
    Ok(())
}

/// The sentinel started on this text, and what it makes of it.
fn flushed(server: &Server, text: &str) -> Result<String> {
    std::fs::write(server.conf(), text)?;
    server.start()?;
    let reply = server.client()?.text("SENTINEL FLUSHCONFIG")?;
    ensure!(reply == "OK", "FLUSHCONFIG: {reply}");
    server.terminate()?;
    Ok(std::fs::read_to_string(server.conf())?)
}
