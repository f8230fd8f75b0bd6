//! Encrypted connections: replication with real servers in both directions, failover by sentinels, certificates that
//! change under load, and strangers.

use crate::interop::{CONTINUED, ids_equal};
use libtest_mimic::Trial;
use primacy_tests::certificates::Certificates;
use primacy_tests::peers::{Peer, on_path};
use primacy_tests::program::Program;
use primacy_tests::proxy::Proxy;
use primacy_tests::resp::Client;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, ports, sentinel, wait};
use rcgen::SanType;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(150);
/// How long something may take that is to happen soon.
const SOON: Duration = Duration::from_secs(30);

/// How a master of the pair sends its snapshots, and a replica takes them.
const WAYS: [(&str, &str, &str); 2] = [
    ("stream", "repl-diskless-sync yes", "repl-diskless-load on-empty-db"),
    ("file", "repl-diskless-sync no", "repl-diskless-load disabled"),
];

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for (way, sends, takes) in WAYS {
        for peer in [Peer::Redis70, Peer::Valkey90, Peer::Valkey91] {
            let name = format!("tls::replica_of_primacy::{}::{way}", peer.name());
            let run = move |w: &World, peer: Program| pair(w, &w.primacy()?, &peer, &[sends], &[takes]);
            all.push(scenario(&name, LIMIT, move || able(peer), run));
            let name = format!("tls::master_of_primacy::{}::{way}", peer.name());
            let run = move |w: &World, peer: Program| pair(w, &peer, &w.primacy()?, &[sends], &[takes]);
            all.push(scenario(&name, LIMIT, move || able(peer), run));
        }
        let name = format!("tls::primacy_to_primacy::{way}");
        let run = move |w: &World, ()| pair(w, &w.primacy()?, &w.primacy()?, &[sends], &[takes]);
        all.push(scenario(&name, LIMIT, || Ok(()), run));
    }
    let both = ["repl-rdb-channel yes", "repl-diskless-sync yes"];
    let run = move |w: &World, ()| pair(w, &w.primacy()?, &w.primacy()?, &both, &both);
    all.push(scenario("tls::primacy_to_primacy::two_channel", LIMIT, || Ok(()), run));
    all.push(scenario("tls::certificates_change_under_load", LIMIT, client, |w, ()| rotation(w)));
    all.push(scenario("tls::strangers", LIMIT, client, |w, ()| strangers(w)));
    all.push(scenario("tls::users_by_certificate", LIMIT, client, |w, ()| users(w)));
    all.push(scenario("tls::links_that_cannot_be", LIMIT, || Ok(()), |w, ()| links(w)));
    all.push(scenario("tls::failover", LIMIT, || able(Peer::Redis70), |w, redis| failover(w, &redis)));
    all
}

/// The peer, if it was built with TLS.
fn able(peer: Peer) -> Result<Program, String> {
    let program = peer.find()?;
    // It ends at once: for want of TLS, or of a certificate.
    let port = ports::free().to_string();
    let args = ["--port", "0", "--tls-port", &port, "--save", ""];
    let out = program.command().args(args).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    if said.contains("tls-cert-file") { Ok(program) } else { Err(format!("{} was built without TLS", program.name)) }
}

/// `redis-cli`, if it was built with TLS.
fn client() -> Result<(), String> {
    let out = Command::new(on_path("redis-cli")?).arg("--help").output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    if said.contains("--tls") { Ok(()) } else { Err("redis-cli was built without TLS".into()) }
}

/// The lines that name a certificate.
fn named(of: &Certificates, name: &str) -> Vec<String> {
    vec![
        format!("tls-cert-file {}", of.at(&format!("{name}.pem"))),
        format!("tls-key-file {}", of.at(&format!("{name}.key"))),
        format!("tls-ca-cert-file {}", of.at("ca.pem")),
    ]
}

/// A server with an encrypted port beside the one that the test asks it by.
struct Secured {
    server: Arc<Server>,
    port: u16,
}

impl Secured {
    fn start(w: &World, name: &str, program: &Program, of: &Certificates, more: &[&str]) -> Result<Self> {
        let port = ports::free();
        let lines = [named(of, "node"), vec![format!("tls-port {port}"), "tls-replication yes".into()]].concat();
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Ok(Self { server: w.server(name, program, &lines)?, port })
    }
}

/// `redis-cli` over TLS with this certificate.
fn cli(of: &Certificates, name: &str, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new("redis-cli");
    let [cert, key, ca] = [format!("{name}.pem"), format!("{name}.key"), "ca.pem".into()].map(|file| of.at(&file));
    command.args(["--tls", "--cert", &cert, "--key", &key, "--cacert", &ca, "-p", &port.to_string()]);
    command.args(args).stdin(Stdio::null());
    command
}

/// What a command said, on both outputs.
fn said(mut command: Command) -> Result<String> {
    let out = command.output()?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

/// One full resync, writes, a cut that costs a partial one; both show certificates to each other.
fn pair(w: &World, master: &Program, replica: &Program, sends: &[&str], takes: &[&str]) -> Result<()> {
    let mut rng = w.rng();
    let certificates = Certificates::new();
    let m = Secured::start(w, "master", master, &certificates, sends)?;
    fill::keys(m.server.port, 20_000, &mut rng)?;
    let link = Proxy::to(m.port)?;
    let r = Secured::start(w, "replica", replica, &certificates, takes)?;
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", link.port))?;
    fill::writes(m.server.port, 2_000, &mut rng)?;
    wait::link_up(&r.server)?;
    fill::writes(m.server.port, 2_000, &mut rng)?;
    // A value that takes many records.
    m.server.client()?.ask(&[&b"SET"[..], b"large", &vec![b'x'; 3_000_000]])?;
    wait::same(&[&m.server, &r.server])?;
    ids_equal(&m.server, &r.server)?;
    let row = m.server.client()?.info("replication", "slave0")?;
    ensure!(row.contains(&format!("port={},", r.port)), "the replica names its encrypted port: {row}");
    let (full, before) = wait::served(&m.server)?;
    ensure!(full == 1, "one full resync was due, {full} were served");
    let continued = r.server.logged(&CONTINUED);
    link.blink();
    fill::writes(m.server.port, 500, &mut rng)?;
    wait::until(SOON, "the link goes on", || Ok(r.server.logged(&CONTINUED) > continued))?;
    wait::link_up(&r.server)?;
    wait::same(&[&m.server, &r.server])?;
    let after = wait::served(&m.server)?;
    ensure!(after == (1, before + 1), "a cut costs a partial resync: {after:?}");
    Ok(())
}

fn config_set(s: &Server, lines: &[String]) -> Result<()> {
    let words = lines.iter().flat_map(|line| line.splitn(2, ' '));
    let words: Vec<&str> = ["CONFIG", "SET"].into_iter().chain(words).collect();
    let answer = s.client()?.ask(&words)?.text();
    ensure!(answer == "OK", "{words:?}: {answer}");
    Ok(())
}

/// Certificates, and at last whom they trust, change while a client and a replica are at work: nobody is dropped.
fn rotation(w: &World) -> Result<()> {
    const ASKED: i64 = 3_000;
    let mut rng = w.rng();
    let [old, new] = [Certificates::new(), Certificates::new()];
    let primacy = w.primacy()?;
    let m = Secured::start(w, "master", &primacy, &old, &[])?;
    let r = Secured::start(w, "replica", &primacy, &old, &[])?;
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r.server)?;
    let mut busy = cli(&old, "node", m.port, &["-r", &ASKED.to_string(), "-i", "0.002", "INCR", "asked"]);
    let busy = busy.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let changed = "TLS files changed: new connections take the new certificates";
    for round in 0..5 {
        fill::writes(m.server.port, 500, &mut rng)?;
        old.sign("other", |_| {});
        config_set(&m.server, &named(&old, if round % 2 == 0 { "other" } else { "node" }))?;
        ensure!(said(cli(&old, "node", m.port, &["PING"]))?.trim() == "PONG", "after a change by CONFIG SET");
    }
    // One that cannot be changes nothing.
    let bad = ["CONFIG", "SET", "tls-cert-file", &old.at("ca.pem"), "tls-ca-cert-file", "/no/such/file"];
    let refused = m.server.client()?.ask(&bad)?.text();
    ensure!(refused.contains("'tls-cert-file') - tls-ca-cert-file /no/such/file: No such file"), "{refused}");
    ensure!(said(cli(&old, "node", m.port, &["PING"]))?.trim() == "PONG", "after a refused change");
    config_set(&m.server, &named(&old, "node"))?;
    let before = m.server.logged(&[changed]);
    old.sign("node", |_| {});
    wait::until(SOON, "changed files are taken up", || {
        fill::writes(m.server.port, 100, &mut rng)?;
        Ok(m.server.logged(&[changed]) > before && r.server.logged(&[changed]) > 0)
    })?;
    ensure!(said(cli(&old, "node", m.port, &["PING"]))?.trim() == "PONG", "after a change of files");
    // Other authorities: who was there stays, who comes has to be of the new ones.
    config_set(&m.server, &named(&new, "node"))?;
    config_set(&r.server, &named(&new, "node"))?;
    ensure!(said(cli(&new, "node", m.port, &["PING"]))?.trim() == "PONG", "one of the new authority");
    ensure!(!said(cli(&old, "node", m.port, &["PING"]))?.contains("PONG"), "one of the old authority");
    fill::writes(m.server.port, 500, &mut rng)?;
    let out = busy.wait_with_output()?;
    let lines = String::from_utf8_lossy(&out.stdout).into_owned();
    let numbers: Vec<i64> = lines.lines().filter_map(|l| l.trim_start_matches("(integer) ").parse().ok()).collect();
    let whole = numbers == (1..=ASKED).collect::<Vec<i64>>();
    ensure!(whole, "the client heard {} answers: {}", numbers.len(), String::from_utf8_lossy(&out.stderr));
    wait::same(&[&m.server, &r.server])?;
    ensure!(wait::served(&m.server)? == (1, 0), "the replica's link was cut: {:?}", wait::served(&m.server)?);
    // And a new link comes up with the new ones.
    r.server.client()?.run("REPLICAOF NO ONE")?;
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r.server)?;
    wait::same(&[&m.server, &r.server])?;
    Ok(())
}

/// Waits until the log has this.
fn told(s: &Server, what: &str) -> Result<()> {
    wait::until(SOON, &format!("the log has \"{what}\""), || Ok(s.logged(&[what]) > 0))
}

/// What a stranger hears until the server closes, and how long that takes.
fn heard(port: u16, bytes: &[u8]) -> Result<(Vec<u8>, Duration)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(bytes)?;
    let mut all = Vec::new();
    // A reset behind unread bytes is an end too.
    let ended = stream.read_to_end(&mut all);
    let late = ended.is_err_and(|e| e.kind() != std::io::ErrorKind::ConnectionReset);
    ensure!(!late, "a stranger is not let go");
    Ok((all, begun.elapsed()))
}

fn strangers(w: &World) -> Result<()> {
    let mut rng = w.rng();
    let [ours, others] = [Certificates::new(), Certificates::new()];
    ours.sign("late", |p| p.not_after = p.not_before + Duration::from_secs(60));
    let s = Secured::start(w, "server", &w.primacy()?, &ours, &[])?;
    let (log, port) = (&*s.server, s.port);
    let (plain, _) = heard(port, b"*1\r\n$4\r\nPING\r\n")?;
    ensure!(plain.is_empty(), "plaintext was answered: {plain:?}");
    told(log, "the peer does not speak TLS")?;
    let (_, took) = heard(port, b"\x16\x03")?;
    ensure!(took > Duration::from_secs(8) && took < Duration::from_secs(20), "one that stalls was held for {took:?}");
    told(log, "no handshake within 10 s")?;
    let mut anonymous = Command::new("redis-cli");
    anonymous.args(["--tls", "--insecure", "-p", &port.to_string(), "PING"]).stdin(Stdio::null());
    ensure!(!said(anonymous)?.contains("PONG"), "one without a certificate was served");
    told(log, "peer sent no certificates")?;
    ensure!(!said(cli(&ours, "late", port, &["PING"]))?.contains("PONG"), "an expired certificate was taken");
    told(log, "certificate expired")?;
    let [cert, key, ca] = [others.at("node.pem"), others.at("node.key"), ours.at("ca.pem")];
    let mut foreign = Command::new("redis-cli");
    let args = ["--tls", "--cert", &cert, "--key", &key, "--cacert", &ca, "-p", &port.to_string(), "PING"];
    foreign.args(args).stdin(Stdio::null());
    ensure!(!said(foreign)?.contains("PONG"), "a certificate of another authority was taken");
    told(log, "UnknownIssuer")?;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nPING\r\n";
    let (wrong, _) = heard(log.port, hello)?;
    ensure!(wrong.is_empty(), "TLS at the other port was answered: {wrong:?}");
    told(log, "its first bytes are a TLS handshake")?;
    for i in 0..300 {
        let mut bytes = if i % 2 == 0 { hello.to_vec() } else { vec![] };
        let more = rng.below(2_000) as usize;
        bytes.extend(rng.bytes(more));
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(&bytes).ok(); // It may have been closed before it was all said.
        stream.shutdown(Shutdown::Write).ok();
    }
    ensure!(said(cli(&ours, "node", port, &["PING"]))?.trim() == "PONG", "one that is known was not served");
    let mut c = log.client()?;
    wait::until(SOON, "nobody else is there", || Ok(c.info("clients", "connected_clients")? == "1"))
}

/// Clients are logged in as whom their certificates name.
fn users(w: &World) -> Result<()> {
    let ours = Certificates::new();
    ours.sign("bob", |p| p.subject_alt_names.push(SanType::URI("urn:ann".try_into().expect("ASCII"))));
    ours.sign("nobody", |_| {});
    let s = Secured::start(w, "server", &w.primacy()?, &ours, &["tls-auth-clients-user CN", "user bob on +@all ~*"])?;
    let mut c = s.server.client()?;
    c.run("ACL SETUSER urn:ann on +@all")?;
    let who = |name: &str| {
        Ok::<_, primacy_tests::Error>(said(cli(&ours, name, s.port, &["ACL", "WHOAMI"]))?.trim().to_owned())
    };
    ensure!(who("bob")? == "bob", "bob is {}", who("bob")?);
    ensure!(who("nobody")? == "default", "nobody is {}", who("nobody")?);
    ensure!(c.info("stats", "acl_access_denied_tls_cert")? != "0", "one that names nobody is not counted");
    c.run("CONFIG SET tls-auth-clients-user URI")?;
    ensure!(who("bob")? == "urn:ann", "by its URI bob is {}", who("bob")?);
    c.run("CONFIG SET tls-auth-clients-user off")?;
    ensure!(who("bob")? == "default", "without the rule bob is {}", who("bob")?);
    Ok(())
}

/// Links that fail for a reason that the log gives, and that go on once it is gone.
fn links(w: &World) -> Result<()> {
    let [ours, others] = [Certificates::new(), Certificates::new()];
    let primacy = w.primacy()?;
    let m = Secured::start(w, "master", &primacy, &ours, &[])?;
    m.server.client()?.run("SET key 1")?;
    let r = Secured::start(w, "replica", &primacy, &others, &[])?;
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    told(&r.server, "UnknownIssuer")?;
    config_set(&r.server, &named(&ours, "node"))?;
    wait::link_up(&r.server)?;
    // To the port that is not encrypted, and back.
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.server.port))?;
    told(&m.server, "its first bytes are a TLS handshake")?;
    told(&r.server, "the peer closed the connection in its handshake")?;
    config_set(&r.server, &["tls-replication no".into()])?;
    wait::link_up(&r.server)?;
    r.server.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    told(&m.server, "the peer does not speak TLS")?;
    config_set(&r.server, &["tls-replication yes".into()])?;
    wait::link_up(&r.server)?;
    wait::same(&[&m.server, &r.server])?;
    // A start without what it needs.
    let s = w.prepare("keyless", &primacy, &[&format!("tls-port {}", ports::free())])?;
    s.launch()?;
    ensure!(s.wait_end(SOON)?.code() == Some(1), "a start without a certificate");
    told(&s, "Failed to configure TLS: No tls-cert-file configured")
}

/// Primacy's sentinel and a real one, over servers of both kinds that reach each other by TLS alone.
fn failover(w: &World, redis: &Program) -> Result<()> {
    let certificates = Certificates::new();
    let primacy = w.primacy()?;
    let m = Secured::start(w, "master", &primacy, &certificates, &[])?;
    let follows = format!("replicaof 127.0.0.1 {}", m.port);
    let ours = Secured::start(w, "replica0", &primacy, &certificates, &[&follows])?;
    let theirs = Secured::start(w, "replica1", redis, &certificates, &[&follows, "replica-priority 0"])?;
    wait::link_up(&ours.server)?;
    wait::link_up(&theirs.server)?;
    let lines = [
        format!("sentinel monitor tls 127.0.0.1 {} 2", m.port),
        "sentinel down-after-milliseconds tls 2000".into(),
        "sentinel failover-timeout tls 5000".into(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let sentinels = [&primacy, &primacy, redis];
    let sentinels = sentinels.iter().enumerate().map(|(i, program)| {
        let program = sentinel::program(w, program)?;
        Ok(Secured::start(w, &format!("sentinel{i}"), &program, &certificates, &lines)?.server)
    });
    let sentinels = sentinels.collect::<Result<Vec<_>>>()?;
    let master = |s: &Server| -> Result<String> {
        let answer = s.client()?.ask(&["SENTINEL", "get-master-addr-by-name", "tls"])?;
        Ok(answer.items().get(1).map(primacy_tests::resp::Value::text).unwrap_or_default())
    };
    let field = |s: &Server, name: &str| -> Result<String> {
        let reply = s.client()?.ask(&["SENTINEL", "MASTER", "tls"])?;
        Ok(sentinel::of(&reply).get(name).cloned().unwrap_or_default())
    };
    wait::until(SOON, "all know each other by their encrypted ports", || {
        for s in &sentinels {
            let (replicas, others) = (field(s, "num-slaves")?, field(s, "num-other-sentinels")?);
            ensure!(replicas == "2" && others == "2", "{}: {replicas} replicas, {others} sentinels", s.name);
        }
        Ok(true)
    })?;
    Client::connect(m.server.port)?.run("SET key before")?;
    wait::same(&[&m.server, &ours.server, &theirs.server])?;
    m.server.kill();
    wait::until(SOON, "all name the new master", || {
        let named = sentinels.iter().map(|s| master(s)).collect::<Result<Vec<_>>>()?;
        ensure!(named.iter().all(|port| *port == ours.port.to_string()), "the sentinels name {named:?}");
        Ok(true)
    })?;
    ours.server.client()?.run("SET key after")?;
    wait::link_up(&theirs.server)?;
    wait::same(&[&ours.server, &theirs.server])?;
    m.server.start()?;
    wait::until(SOON, "the old master follows", || {
        let info = m.server.client()?.text("INFO replication")?;
        Ok(info.contains(&format!("master_port:{}\r\n", ours.port)) && info.contains("master_link_status:up"))
    })?;
    wait::same(&[&ours.server, &m.server, &theirs.server])?;
    Ok(())
}
