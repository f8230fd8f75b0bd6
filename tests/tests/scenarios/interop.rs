//! Each real server as replica of Primacy, then as its master: full resync, further writes, a cut link.

use libtest_mimic::Trial;
use primacy_tests::fill;
use primacy_tests::peers::{self, Peer};
use primacy_tests::program::Program;
use primacy_tests::proxy::Proxy;
use primacy_tests::resp::{Client, Value};
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);
const KEYS: usize = 200_000;
const WRITES: usize = 100_000;
const STREAM_WRITES: usize = 5_000;

/// Log words of a partial resync on the replica; Valkey says "primary".
pub(crate) const CONTINUED: [&str; 2] =
    ["Successful partial resynchronization with master", "Successful partial resynchronization with primary"];

/// How a master of the pair sends its snapshots, and a replica takes them.
const WAYS: [(&str, &[&str], &[&str]); 2] = [
    ("stream", &["repl-diskless-sync yes"], &["repl-diskless-load on-empty-db"]),
    ("file", &["repl-diskless-sync no"], &["repl-diskless-load disabled"]),
];

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for peer in peers::ALL {
        for (way, as_master, as_replica) in WAYS {
            let name = format!("interop::replica_of_primacy::{}::{way}", peer.name());
            all.push(scenario(
                &name,
                LIMIT,
                move || peer.find(),
                move |w, found| pair(w, &w.primacy()?, &found, as_master, as_replica, old(peer, Old::Replica)),
            ));
            let name = format!("interop::master_of_primacy::{}::{way}", peer.name());
            all.push(scenario(
                &name,
                LIMIT,
                move || peer.find(),
                move |w, found| pair(w, &found, &w.primacy()?, as_master, as_replica, old(peer, Old::Master)),
            ));
        }
    }
    all.push(scenario(
        "interop::primacy_to_primacy",
        LIMIT,
        || Ok(()),
        |w, ()| pair(w, &w.primacy()?, &w.primacy()?, &[], &[], Old::Nowhere),
    ));
    all.push(scenario(
        "interop::two_replicas_share_a_snapshot",
        LIMIT,
        || Peer::Redis70.find(),
        |w, redis| shared(w, &redis),
    ));
    for (side, of_primacy) in [("replica", true), ("master", false)] {
        let name = format!("interop::geo::{side}_of_primacy");
        let needs = || Peer::Redis70.find();
        all.push(scenario(&name, LIMIT, needs, move |w, redis| {
            let primacy = w.primacy()?;
            if of_primacy { geo(w, &primacy, &redis, true) } else { geo(w, &redis, &primacy, false) }
        }));
    }
    all.push(scenario("interop::password", LIMIT, || Peer::Redis70.find(), |w, redis| password(w, &redis)));
    all
}

/// Where a Redis 6.2 stands in a pair. It does not read the version of snapshots that has the counters of streams, so as a
/// replica it gets streams behind the snapshot only. It keeps pending what was deleted, which all later ones forget.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    Nowhere,
    Master,
    Replica,
}

fn old(peer: Peer, place: Old) -> Old {
    if peer == Peer::Redis62 { place } else { Old::Nowhere }
}

fn pair(
    w: &World,
    master: &Program,
    replica: &Program,
    as_master: &[&str],
    as_replica: &[&str],
    old: Old,
) -> Result<()> {
    let mut rng = w.rng();
    let lines = [&["repl-backlog-size 16mb"], as_master].concat();
    let m = w.server("master", master, &lines)?;
    fill::keys(m.port, KEYS, &mut rng)?;
    if old != Old::Replica {
        fill::streams(m.port, STREAM_WRITES, &mut rng)?;
    }
    let link = Proxy::to(m.port)?;
    let r = w.server("replica", replica, as_replica)?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", link.port))?;
    // Writes from the first moment on: the resync has to meet them.
    fill::writes(m.port, WRITES / 2, &mut rng)?;
    wait::link_up(&r)?;
    fill::writes(m.port, WRITES / 2, &mut rng)?;
    fill::streams(m.port, STREAM_WRITES, &mut rng)?;
    wait::same(&[&m, &r])?;
    if old == Old::Nowhere {
        groups_equal(&m, &r)?;
    }
    ids_equal(&m, &r)?;
    let (full, partial) = wait::served(&m)?;
    ensure!(full == 1, "one full resync was due, {full} were served");
    cut(&m, &r, &link, &mut rng)?;
    let (full, partial) = (wait::served(&m)?.0 - full, wait::served(&m)?.1 - partial);
    ensure!(full == 0 && partial == 1, "after the cut: {full} full and {partial} partial resyncs");
    if old == Old::Nowhere {
        groups_equal(&m, &r)?;
    }
    ensure!(r.logged(&CONTINUED) == 1, "the replica's log does not tell of the partial resync");
    read_only(&r)
}

/// Consumer groups have read as far, and the same is pending in them: no digest tells of them.
fn groups_equal(m: &Server, r: &Server) -> Result<()> {
    let pending = same_groups(m, r)?;
    ensure!(pending > 0, "nothing is pending: the writes are no test of it");
    Ok(())
}

/// The same for whatever there is; how many entries are pending.
pub(crate) fn same_groups(m: &Server, r: &Server) -> Result<u64> {
    let (mut a, mut b) = (m.client()?, r.client()?);
    let mut pending = 0;
    for key in (0..12).map(|stream| format!("y:{stream}")) {
        let read = |c: &mut Client, group: &str| -> Result<String> {
            let all = c.ask(&["XPENDING", &key, group, "-", "+", "1000000"])?;
            // How long ago an entry was delivered is another time with each question.
            let row =
                |p: &Value| p.items().iter().enumerate().filter(|(i, _)| *i != 2).map(|(_, v)| v.text()).collect();
            let rows: Vec<Vec<String>> = all.items().iter().map(row).collect();
            Ok(format!("{rows:?}"))
        };
        let groups = |c: &mut Client| -> Result<Vec<[String; 3]>> {
            // It may be gone, or a string just now.
            let all = c.ask(&["XINFO", "GROUPS", &key])?;
            // Name, number of pending entries, last id: at these places in every version.
            Ok(all
                .items()
                .iter()
                .map(|g| [1, 5, 7].map(|i| g.items().get(i).map(Value::text).unwrap_or_default()))
                .collect())
        };
        let (mine, other) = (groups(&mut a)?, groups(&mut b)?);
        ensure!(mine == other, "groups of {key} differ: {mine:?} on {}, {other:?} on {}", m.name, r.name);
        for [name, count, _] in &mine {
            pending += count.parse::<u64>().unwrap_or_default();
            let (mine, other) = (read(&mut a, name)?, read(&mut b, name)?);
            ensure!(mine == other, "pending of {key} {name}:\n  {}: {mine}\n  {}: {other}", m.name, r.name);
        }
    }
    Ok(pending)
}

fn cut(m: &Server, r: &Server, link: &Proxy, rng: &mut primacy_tests::rng::Rng) -> Result<()> {
    link.cut();
    wait::until(Duration::from_secs(20), "the replica sees the cut", || {
        Ok(r.client()?.info("replication", "master_link_status")? == "down")
    })?;
    fill::writes(m.port, 2_000, rng)?;
    fill::streams(m.port, 1_000, rng)?;
    link.heal();
    wait::link_up(r)?;
    wait::same(&[m, r])?;
    ids_equal(m, r)
}

/// Master and replica name the stream alike.
pub(crate) fn ids_equal(m: &Server, r: &Server) -> Result<()> {
    let a = m.client()?.info("replication", "master_replid")?;
    let b = r.client()?.info("replication", "master_replid")?;
    ensure!(a == b, "replication ids differ: {a} on {}, {b} on {}", m.name, r.name);
    Ok(())
}

fn read_only(r: &Server) -> Result<()> {
    let reply = r.client()?.ask(&["SET", "a", "b"])?;
    ensure!(reply.text().starts_with("READONLY"), "a replica took a write: {reply:?}");
    Ok(())
}

/// Two replicas that ask together; then the master is asked who follows it.
fn shared(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let m = w.server("master", &w.primacy()?, &["repl-diskless-sync-delay 1"])?;
    fill::keys(m.port, 20_000, &mut rng)?;
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    let first = w.prepare("redis", redis, &[&follow])?;
    let second = w.prepare("primacy", &w.primacy()?, &[&follow])?;
    first.launch()?;
    second.launch()?;
    for r in [&first, &second] {
        r.wait_ready()?;
        wait::link_up(r)?;
    }
    fill::writes(m.port, 5_000, &mut rng)?;
    wait::same(&[&m, &first, &second])?;
    let mut c = m.client()?;
    let reply = c.run("WAIT 2 5000")?;
    ensure!(reply.text() == "2", "WAIT 2 says {reply:?}");
    let role = c.run("ROLE")?;
    let (name, followers) = (role.items()[0].text(), role.items()[2].items().len());
    ensure!(name == "master" && followers == 2, "ROLE says {role:?}");
    for i in 0..2 {
        let line = c.info("replication", &format!("slave{i}"))?;
        ensure!(line.contains("state=online") && line.contains("offset="), "slave{i}:{line}");
        ensure!([first.port, second.port].iter().any(|p| line.contains(&format!("port={p},"))), "slave{i}:{line}");
    }
    let role = first.client()?.run("ROLE")?;
    ensure!(role.items()[3].text() == "connected", "the replica's ROLE says {role:?}");
    Ok(())
}

fn password(w: &World, redis: &Program) -> Result<()> {
    let mine = w.primacy()?;
    for (master, replica) in [(&mine, redis), (redis, &mine)] {
        let m = w.server("master", master, &["requirepass secret"])?;
        let follow = format!("replicaof 127.0.0.1 {}", m.port);
        let r = w.server("replica", replica, &[&follow, "masterauth wrong"])?;
        std::thread::sleep(Duration::from_millis(1500));
        let status = r.client()?.info("replication", "master_link_status")?;
        ensure!(status == "down", "a wrong masterauth was let in");
        ensure!(r.logged(&["Unable to AUTH to MASTER"]) > 0, "the replica's log does not tell of the refusal");
        r.client()?.run("CONFIG SET masterauth secret")?;
        wait::link_up(&r)?;
        let mut c = m.client()?;
        c.run("AUTH secret")?;
        c.run("SET k v")?;
        wait::until(wait::CONVERGE, "the write arrives", || Ok(r.client()?.text("GET k")? == "v"))?;
        let reply = m.client()?.ask(&["GET", "k"])?;
        ensure!(reply.text().starts_with("NOAUTH"), "without a password: {reply:?}");
    }
    Ok(())
}

/// Places, areas that are stored, and if `distances` the distances in them: bit for bit the same on the replica.
fn geo(w: &World, master: &Program, replica: &Program, distances: bool) -> Result<()> {
    let mut rng = w.rng();
    let m = w.server("master", master, &[])?;
    let r = w.server("replica", replica, &[])?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r)?;
    let mut c = m.client()?;
    let mut place =
        || format!("{} {}", rng.below(360_000) as f64 / 1e3 - 180.0, rng.below(170_000) as f64 / 1e3 - 85.0);
    let mut stored = 0;
    for i in 0..2_000 {
        let how = if distances { "STOREDIST" } else { "STORE" };
        let line = match i % 4 {
            0 => format!("GEORADIUS g {} 5000 km {how} r{}", place(), i % 7),
            1 if distances => {
                format!("GEOSEARCHSTORE s{} g FROMLONLAT {} BYBOX 9000 9000 km STOREDIST", i % 5, place())
            }
            1 => format!("GEOSEARCHSTORE s{} g FROMLONLAT {} BYBOX 9000 9000 km COUNT 5", i % 5, place()),
            _ => format!("GEOADD g {} m{}", place(), i % 300),
        };
        let answer = c.run(&line)?;
        ensure!(!answer.is_error(), "{line}: {answer:?}");
        stored += u32::from(i % 4 < 2 && answer.text() != "0");
    }
    ensure!(stored > 500, "only {stored} areas held anything");
    wait::same(&[&m, &r]).map(drop)
}
