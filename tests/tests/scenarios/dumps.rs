//! Dumps of real servers: loaded, written, and loaded by real servers again, which hold the same then; and captured full
//! resyncs, followed to their last command.

use libtest_mimic::Trial;
use primacy_tests::fake::{Act, FakeMaster};
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, wait};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);
const DBS: usize = 16;
/// The highest version that both of the real servers read.
const BOTH_READ: &str = "REDIS0010";

const MODULES: &str = "without the module that wrote them, real servers load no values and no data of modules";
const FIELDS: &str = "fields that expire need version 12, which neither of the two reads";
const ARRAYS: &str = "arrays are read and not held";

/// Sound dumps that do not make the whole way, and why. One that does is an error: the list tells the truth.
const SKIPPED: &[(&str, &str)] = &[
    ("hfe-22-redis", FIELDS),
    ("hfe-22-valkey", FIELDS),
    ("mod-aux-skip", MODULES),
    ("mod-skip", MODULES),
    ("r7.0.15-module", MODULES),
    ("r7.4-rc1-hfe", FIELDS),
    ("r8.9dev-all", ARRAYS),
    ("v9.0.4-hfe", FIELDS),
    ("v9.1.0-all", FIELDS),
];

pub(crate) fn all() -> Vec<Trial> {
    let peers = || Ok((Peer::Redis70.find()?, Peer::Valkey91.find()?));
    vec![
        scenario("dumps::loaded_written_and_loaded", LIMIT, peers, |w, (redis, valkey)| way(w, &redis, &valkey)),
        scenario("dumps::version_by_peer", LIMIT, peers, |w, (redis, valkey)| versions(w, &redis, &valkey)),
        scenario("dumps::captures_are_followed", LIMIT, || Ok(()), |w, ()| captures(w)),
    ]
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/corpus").join(name)
}

/// The dumps of a folder that are sound.
fn sound(folder: &Path) -> Result<Vec<String>> {
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv"))?;
    let rows = table.lines().filter_map(|line| line.split_once('\t'));
    Ok(rows.filter(|(_, rest)| rest.starts_with("ok\t")).map(|(name, _)| name.to_owned()).collect())
}

fn way(w: &World, redis: &Program, valkey: &Program) -> Result<()> {
    let (mut done, mut wrong, mut skipped) = (0, Vec::new(), 0);
    for folder in [corpus("rdb"), corpus("rdb-types")] {
        for name in sound(&folder)? {
            let reason = SKIPPED.iter().find(|(skipped, _)| *skipped == name).map(|(_, reason)| reason);
            match (one(w, &folder.join(format!("{name}.rdb")), redis, valkey), reason) {
                (Ok(()), None) => done += 1,
                (Err(_), Some(_)) => skipped += 1,
                (Ok(()), Some(reason)) => wrong.push(format!("{name} is no longer to be skipped ({reason})")),
                (Err(error), None) => wrong.push(format!("{name}: {error}")),
            }
        }
    }
    w.note(&format!("{done} dumps the whole way, {skipped} skipped"));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(skipped == SKIPPED.len(), "{} dumps are to be skipped, {skipped} were there", SKIPPED.len());
    Ok(())
}

/// Takes one dump the whole way.
fn one(w: &World, dump: &Path, redis: &Program, valkey: &Program) -> Result<()> {
    let mine = load(w, "primacy", &w.primacy()?, dump)?;
    mine.client()?.run("SAVE")?;
    let written = std::fs::read(mine.snapshot())?;
    ensure!(
        written.get(..9) <= Some(BOTH_READ.as_bytes()),
        "version {:?}",
        written.get(5..9).map(<[u8]>::escape_ascii)
    );
    for program in [redis, valkey] {
        let theirs = load(w, "peer", program, &mine.snapshot())?;
        same(&mine, &theirs)?;
        theirs.kill();
    }
    mine.kill();
    Ok(())
}

/// A server that has started from a dump.
fn load(w: &World, name: &str, program: &Program, dump: &Path) -> Result<Arc<Server>> {
    let server = w.prepare(name, program, &[])?;
    std::fs::copy(dump, server.snapshot())?;
    server.start()?;
    server.client()?.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    Ok(server)
}

/// Whether two servers hold the same. Redis 7.0 and Valkey 9 print a score with a fraction differently into their digests:
/// sorted sets that differ so are read back.
fn same(mine: &Server, theirs: &Server) -> Result<()> {
    let (mut a, mut b) = (mine.client()?, theirs.client()?);
    if wait::digest(mine)? == wait::digest(theirs)? {
        return Ok(());
    }
    for db in 0..DBS {
        let select = format!("SELECT {db}");
        a.run(&select)?;
        b.run(&select)?;
        ensure!(a.run("DBSIZE")? == b.run("DBSIZE")?, "numbers of keys in database {db} differ");
        for key in a.run("KEYS *")?.items() {
            let Value::Bulk(key) = key else { continue };
            same_key(&mut a, &mut b, key)?;
        }
    }
    Ok(())
}

fn same_key(a: &mut Client, b: &mut Client, key: &[u8]) -> Result<()> {
    let digest = [&b"DEBUG"[..], b"DIGEST-VALUE", key];
    let shown = key.escape_ascii();
    ensure!(a.ask(&[b"PEXPIRETIME", key])? == b.ask(&[b"PEXPIRETIME", key])?, "expiries of \"{shown}\" differ");
    if a.ask(&digest)? == b.ask(&digest)? {
        return Ok(());
    }
    let kind = a.ask(&[b"TYPE", key])?.text();
    ensure!(kind == "zset", "the value of \"{shown}\", a {kind}, differs");
    let range = [&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"];
    let (a, b) = (a.ask(&range)?, b.ask(&range)?);
    let numbers = |reply: &Value| -> Vec<(String, Option<u64>)> {
        let pairs = reply.items().chunks(2);
        pairs.map(|p| (p[0].text(), p.get(1).and_then(|s| s.text().parse().ok()).map(f64::to_bits))).collect()
    };
    ensure!(numbers(&a) == numbers(&b), "the members of \"{shown}\" differ");
    Ok(())
}

/// A replica gets the version that it is known to read, or is told why it gets none.
fn versions(w: &World, redis: &Program, valkey: &Program) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &["repl-diskless-sync no"])?;
    m.client()?.run("HSET h a 1 b 2")?;
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    for (program, magic) in [(redis, "REDIS0009"), (valkey, "REDIS0011")] {
        let r = w.server("replica", program, &[&follow, "repl-diskless-load disabled"])?;
        wait::link_up(&r)?;
        let got = std::fs::read(r.snapshot())?;
        ensure!(got.starts_with(magic.as_bytes()), "{magic} was due, got {:?}", got.get(..9).map(<[u8]>::escape_ascii));
        r.kill();
    }
    // Only version 12 has fields that expire.
    m.client()?.run("HPEXPIRE h 100000000 FIELDS 1 a")?;
    let r = w.server("replica", valkey, &[&follow])?;
    wait::until(Duration::from_secs(20), "both logs tell of it", || {
        let (ours, theirs) = ("and the data need version 12: refused", "the data need snapshot version 12");
        Ok(m.logged(&[ours]) > 0 && r.logged(&[theirs]) > 0)
    })?;
    r.kill();
    let r = w.server("replica", &w.primacy()?, &[&follow])?;
    wait::link_up(&r)?;
    wait::same(&[&m, &r])?;
    Ok(())
}

fn captures(w: &World) -> Result<()> {
    let folder = corpus("wire");
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv"))?;
    for line in table.lines() {
        let [name, keys, stream] = line.split('\t').collect::<Vec<_>>()[..] else { return Err(line.into()) };
        let bytes = std::fs::read(folder.join(format!("{name}.wire")))?;
        let begin = String::from_utf8_lossy(bytes.get(..64).unwrap_or_default()).into_owned();
        // Without PSYNC there is no offset to begin at.
        let base: i64 = match begin.split([' ', '\r']).nth(2) {
            Some(offset) if begin.starts_with("+FULLRESYNC ") => offset.parse()?,
            _ => 0,
        };
        let act = if name.ends_with("-sync") { Act::OldSync(bytes) } else { Act::SyncAndHold(bytes) };
        let master = FakeMaster::start(act)?;
        let replica = w.server(name, &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", master.port)])?;
        let mut c = replica.client()?;
        wait::until(Duration::from_secs(20), &format!("{name}: the last command"), || {
            Ok(wait::offset(&replica)? == base + stream.parse::<i64>()?)
        })?;
        ensure!(c.text("GET after")? == "the snapshot", "{name}: what came behind the snapshot");
        let mut found = 0;
        for db in 0..DBS {
            c.run(&format!("SELECT {db}"))?;
            let Value::Int(n) = c.run("DBSIZE")? else { return Err("DBSIZE".into()) };
            found += n;
        }
        // The two that the stream made.
        ensure!(found == keys.parse::<i64>()? + 2, "{name}: {found} keys");
        replica.kill();
    }
    Ok(())
}
