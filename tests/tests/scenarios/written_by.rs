//! Files that earlier programs wrote, in `tests/written-by`: the present one reads them and says the same, and refuses with a
//! clear word what a later one wrote.
//!
//! `PRIMACY_RUNTIME=mio PRIMACY_WRITE=NAME tests/run.sh written_by::write` adds a series, `tests/written-by/NAME`.

use libtest_mimic::Trial;
use primacy_core::journal::{FORMAT, Item, OLDEST_FORMAT, Reader};
use primacy_core::node::Call;
use primacy_tests::program::{self, Program};
use primacy_tests::resp::{Client, Value};
use primacy_tests::sentinel::{self, NAME, of};
use primacy_tests::server::Server;
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure, wait};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// No release has it yet.
const FUTURE: u32 = 1000;
/// One of each type, and what else a snapshot holds. Expiries are in 2100.
const DATA: &[&str] = &[
    "SET string value",
    "SET number 12345",
    "SET mortal value PXAT 4102444800000",
    "RPUSH list a 2 c",
    "SADD ints 1 2 3",
    "SADD set a b c",
    "ZADD zset 1.5 a 2 b",
    "HSET hash f v g 2",
    "PFADD hll a b c",
    "SETBIT bits 77 1",
    "XADD stream 5-1 f v",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
    "GEOADD geo 13.361389 38.115556 Palermo",
    "SELECT 3",
    "SET elsewhere 1",
    "SELECT 0",
];
const FUNCTION: &str = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";

pub(crate) fn all() -> Vec<Trial> {
    let mut all = vec![
        scenario("written_by::write", LIMIT, asked, |w, name| write(w, &name)),
        scenario("written_by::a_later_release_is_refused", LIMIT, own, |w, ()| later(w)),
    ];
    for name in series() {
        all.push(scenario(&format!("written_by::{name}"), LIMIT, own, move |w, ()| read(w, &name)));
    }
    all
}

fn own() -> Needs<()> {
    let known = program::under_test().map_err(|e| e.to_string())?;
    if known.is_primacy() { Ok(()) } else { Err("the server under test is not Primacy".into()) }
}

fn asked() -> Needs<String> {
    own()?;
    std::env::var("PRIMACY_WRITE").map_err(|_| "it writes a series only when asked: PRIMACY_WRITE=NAME".into())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("written-by")
}

fn series() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    all.sort();
    all
}

/// What a series has to come to, by name.
type Facts = BTreeMap<String, String>;

fn write(w: &World, name: &str) -> Result<()> {
    let mut program = w.primacy()?;
    let (recording, users) = (w.folder.join("node.rec"), w.folder.join("users.acl"));
    std::fs::write(&users, "user default on nopass ~* &* +@all\n")?;
    program.words.extend(["--record".into(), recording.to_string_lossy().into_owned()]);
    let lines =
        [&format!("aclfile {}", users.display()), "maxmemory-policy allkeys-lru", "hash-max-listpack-entries 64"];
    let master = w.server("master", &program, &lines)?;
    let mut c = master.client()?;
    for line in DATA {
        c.run(line)?;
    }
    c.ask(&["FUNCTION", "LOAD", FUNCTION])?;
    c.run("ACL SETUSER reader on >secret ~pub:* &news +@read -hgetall (~own:* +set)")?;
    c.run("ACL SAVE")?;
    c.run("CONFIG SET maxmemory 64mb")?;
    c.run("CONFIG REWRITE")?;
    let replica = w.server("replica", &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", master.port)])?;
    wait::link_up(&replica)?;
    wait::offsets_equal(&[&master, &replica])?;
    c.run("SAVE")?;
    let mut facts = node_facts(&master)?;
    // A sentinel that has voted and moved a master.
    let monitor = format!("sentinel monitor {NAME} 127.0.0.1 {} 1", master.port);
    let watcher = w.server(
        "sentinel",
        &sentinel::program(w, &w.primacy()?)?,
        &[&monitor, "sentinel monitor other 127.0.0.1 1 2"],
    )?;
    wait::until(LIMIT, "the sentinel finds the replica", || {
        Ok(of(&watcher.client()?.run(&format!("SENTINEL MASTER {NAME}"))?).get("num-slaves").is_some_and(|n| n == "1"))
    })?;
    watcher.client()?.run(&format!("SENTINEL FAILOVER {NAME}"))?;
    wait::until(LIMIT, "the failover", || {
        Ok(sentinel::master_port(&mut watcher.client()?)? == replica.port
            && std::fs::read_to_string(watcher.conf())?.contains(&format!(" {} 1", replica.port)))
    })?;
    watcher.client()?.run("SENTINEL FLUSHCONFIG")?;
    facts.append(&mut sentinel_facts(&watcher)?);
    let conf = std::fs::read(master.conf())?;
    let snapshot = std::fs::read(master.snapshot())?;
    master.terminate()?;
    watcher.terminate()?;
    facts.append(&mut recording_facts(&std::fs::read(&recording)?)?);

    let to = folder().join(name);
    std::fs::create_dir_all(&to)?;
    let lines: Vec<_> = facts.iter().map(|(k, v)| format!("{k} {v}")).collect();
    std::fs::write(to.join("facts"), lines.join("\n") + "\n")?;
    std::fs::write(to.join("node.conf"), conf)?;
    std::fs::write(to.join("dump.rdb"), snapshot)?;
    std::fs::copy(users, to.join("users.acl"))?;
    std::fs::copy(recording, to.join("node.rec"))?;
    std::fs::copy(watcher.conf(), to.join("sentinel.conf"))?;
    std::fs::copy(watcher.conf().with_extension("conf.state"), to.join("sentinel.conf.state"))?;
    Ok(())
}

/// What a node says of what it read.
fn node_facts(node: &Server) -> Result<Facts> {
    let mut c = node.client()?;
    let mut facts = Facts::new();
    let mut put = |name: &str, value: String| drop(facts.insert(name.into(), value));
    put("digest", wait::digest(node)?);
    put("functions", c.run("FUNCTION LIST")?.items().len().to_string());
    for directive in ["maxmemory", "maxmemory-policy", "hash-max-listpack-entries"] {
        put(directive, c.run(&format!("CONFIG GET {directive}"))?.items().get(1).map_or_else(String::new, Value::text));
    }
    let users: Vec<_> = c.run("ACL LIST")?.items().iter().map(Value::text).collect();
    put("users", users.join(" | "));
    put("stream", format!("{:?}", c.run("XINFO STREAM stream FULL")?.items().len()));
    put("mortal", c.text("PEXPIRETIME mortal")?);
    Ok(facts)
}

fn sentinel_facts(watcher: &Server) -> Result<Facts> {
    let mut c = watcher.client()?;
    let mut facts = Facts::from([("myid".into(), c.text("SENTINEL MYID")?)]);
    for master in [NAME, "other"] {
        let map = of(&c.run(&format!("SENTINEL MASTER {master}"))?);
        for field in ["config-epoch", "quorum", "ip", "port"] {
            facts.insert(format!("{master}-{field}"), map.get(field).cloned().unwrap_or_default());
        }
    }
    // The state file's: votes and epochs.
    let state = std::fs::read_to_string(watcher.conf().with_extension("conf.state"))?;
    let mut epochs = state.lines().filter_map(|l| l.split_once(' ')).filter(|(_, r)| r.starts_with("current-epoch"));
    facts.insert("current-epoch".into(), epochs.next_back().map(|(_, r)| r.to_owned()).unwrap_or_default());
    Ok(facts)
}

/// A recording, read to its end.
fn recording_facts(bytes: &[u8]) -> Result<Facts> {
    let (mut reader, mut facts, mut last) = (Reader::<Call>::new(), Facts::new(), 0);
    reader.feed(bytes);
    while let Some(item) = reader.next()? {
        match item {
            Item::Header(header) => {
                drop(facts.insert("recorded-by".into(), format!("{} {}", header.program, header.machine)));
            }
            Item::Record(record) => last = record.number,
            Item::End(end) => drop(facts.insert("recording-ends".into(), end.to_string())),
        }
    }
    facts.insert("inputs".into(), last.to_string());
    Ok(facts)
}

/// A server or sentinel with a configuration that another one wrote, in a folder of its own.
fn with(w: &World, name: &str, program: &Program, conf: &str) -> Result<Arc<Server>> {
    let server = w.prepare(name, program, &[])?;
    let here = format!("\nport {}\ndir {}\n", server.port, server.folder.display());
    std::fs::write(server.conf(), conf.to_owned() + &here)?;
    Ok(server)
}

fn read(w: &World, name: &str) -> Result<()> {
    let from = folder().join(name);
    let text = std::fs::read_to_string(from.join("facts"))?;
    let expected: Facts =
        text.lines().filter_map(|l| l.split_once(' ')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let conf = std::fs::read_to_string(from.join("node.conf"))?;
    let users = w.folder.join("users.acl");
    std::fs::copy(from.join("users.acl"), &users)?;
    let node = with(w, "node", &w.primacy()?, &format!("{conf}\naclfile {}", users.display()))?;
    std::fs::copy(from.join("dump.rdb"), node.snapshot())?;
    node.start()?;
    let mut found = node_facts(&node)?;

    let conf = std::fs::read_to_string(from.join("sentinel.conf"))?;
    let watcher = with(w, "sentinel", &sentinel::program(w, &w.primacy()?)?, &conf)?;
    std::fs::copy(from.join("sentinel.conf.state"), watcher.conf().with_extension("conf.state"))?;
    watcher.start()?;
    found.append(&mut sentinel_facts(&watcher)?);

    let recording = from.join("node.rec");
    found.append(&mut recording_facts(&std::fs::read(&recording)?)?);
    ensure!(found == expected, "what {name} wrote is read as something else:\n{found:#?}\nexpected:\n{expected:#?}");
    // Another release may do something else on purpose; it has to read it, and to say who wrote it.
    let (code, said) = replay(w, &recording)?;
    ensure!(code == Some(0) || code == Some(1), "replay of {name}: {code:?}: {said}");
    Ok(())
}

fn replay(w: &World, file: &Path) -> Result<(Option<i32>, String)> {
    let out = Command::new(&w.primacy()?.words[0]).arg("replay").arg(file).output()?;
    Ok((out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)))
}

/// The versions of the last series, made larger than any.
fn later(w: &World) -> Result<()> {
    let from = folder().join(series().pop().ok_or("tests/written-by is empty")?);
    let mut recording = std::fs::read(from.join("node.rec"))?;
    recording[8..12].copy_from_slice(&FUTURE.to_le_bytes());
    let file = w.folder.join("future.rec");
    std::fs::write(&file, recording)?;
    let (code, said) = replay(w, &file)?;
    let clear = said.contains(&format!("format {FUTURE}")) && said.contains(&format!("{OLDEST_FORMAT} to {FORMAT}"));
    ensure!(code == Some(2) && clear, "a recording of the future: {code:?}: {said}");

    let conf = std::fs::read_to_string(from.join("sentinel.conf"))?;
    let watcher = with(w, "sentinel", &sentinel::program(w, &w.primacy()?)?, &conf)?;
    let state = std::fs::read_to_string(from.join("sentinel.conf.state"))?;
    let (first, rest) = state.split_once('\n').ok_or("an empty state file")?;
    let (magic, version) = first.rsplit_once(' ').ok_or("no version in the state file")?;
    ensure!(version.parse::<u32>()? < FUTURE, "version {version}");
    let path = watcher.conf().with_extension("conf.state");
    std::fs::write(&path, format!("{magic} {FUTURE}\n{rest}"))?;
    refused(&watcher, &[&format!("has version {FUTURE}"), "start the release that"])?;
    ensure!(std::fs::read_to_string(&path)?.contains(&format!(" {FUTURE}\n{rest}")), "the state file was touched");

    let node = with(w, "node", &w.primacy()?, "")?;
    let mut dump = std::fs::read(from.join("dump.rdb"))?;
    dump[5..9].copy_from_slice(b"9999");
    std::fs::write(node.snapshot(), &dump)?;
    refused(&node, &["9999"])?;
    ensure!(std::fs::read(node.snapshot())? == dump, "the snapshot was touched");
    Ok(())
}

/// It ends by itself with an error, and says these words.
fn refused(server: &Server, words: &[&str]) -> Result<()> {
    server.launch()?;
    let status = server.wait_end(Duration::from_secs(20))?;
    let log = server.log();
    ensure!(!status.success() && words.iter().all(|w| log.contains(w)), "{status}, not {words:?}: {log}");
    ensure!(Client::connect(server.port).is_err(), "something listens on its port");
    Ok(())
}
