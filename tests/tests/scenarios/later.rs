//! Commands of Redis 8 and Valkey 9 that have come since Redis 7.0 and write: Valkey puts most of them into its stream as
//! they are, and old replicas do not know them.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, words};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for peer in [Peer::Valkey90, Peer::Valkey91] {
        let name = format!("later::from_{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| followed(w, peer, &found)));
    }
    for peer in [Peer::Redis62, Peer::Redis70, Peer::Valkey91] {
        let name = format!("later::to_{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), |w, found| led(w, &found)));
    }
    all.push(scenario("later::as_valkey-9.1", LIMIT, || Peer::Valkey91.find(), |w, found| alike(w, &found)));
    all
}

/// Here Valkey 9.0.0 is left with a hash of no fields, of which its replicas do not hear.
const ON_NOTHING: &str = "HSETEX h3 EX 0 FIELDS 1 d 1";

/// Each command with each of its options, where it does something and where it does not. Times are far off, or past.
const PLAIN: &[&str] = &[
    "MSETEX 2 a 1 b 2",
    "MSETEX 2 a 1 b 2 EX 100000",
    "MSETEX 2 a 3 c 4 KEEPTTL",
    "MSETEX 2 d 1 e 2 NX PX 100000000",
    "MSETEX 2 d 1 f 2 NX",
    "MSETEX 2 d 3 e 4 XX EXAT 4000000000",
    "MSETEX 2 d 1 f 2 XX",
    "MSETEX 1 a b PXAT 4000000000000",
    "MSETEX 2 g 1 g 2 NX KEEPTTL",
    "SET k v",
    "SET k w IFEQ v",
    "SET k w2 IFEQ w GET",
    "SET k w3 IFEQ nope GET",
    "SET k w4 IFEQ w2 EX 100000",
    "SET k w5 IFEQ w4 KEEPTTL",
    "SET k w6 IFEQ w5 PXAT 4000000000000",
    "SET k w7 IFEQ w6 GET KEEPTTL",
    "SET none w IFEQ x",
    "SET gone 1",
    "DELIFEQ gone 2",
    "DELIFEQ gone 1",
    "DELIFEQ gone 1",
    "HSETEX h FIELDS 2 a 1 b 2",
    "HSETEX h FNX FIELDS 2 a 9 c 3",
    "HSETEX h FNX FIELDS 2 c 3 d 4",
    "HSETEX h FXX FIELDS 2 c 5 x 5",
    "HSETEX h FXX FIELDS 2 c 5 d 5",
    "HSETEX h KEEPTTL FIELDS 2 a 7 e 7",
    "HSETEX h NX FIELDS 1 a 8",
    "HSETEX h XX FIELDS 1 a 8",
    "HSETEX h2 XX FIELDS 1 a 8",
    "HSETEX h2 NX FIELDS 1 a 8",
    "HSETEX h PXAT 1 FIELDS 2 d 1 z 1",
    ON_NOTHING,
    "HGETEX h FIELDS 2 a x",
    "HGETEX h PXAT 1 FIELDS 2 e x",
    "HGETDEL h FIELDS 3 c c x",
    "HGETDEL h2 FIELDS 1 a",
    "HGETDEL h2 FIELDS 1 a",
    "GEOADD map 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.24151 38.788135 edge2",
    "GEOSEARCHSTORE inside map BYPOLYGON 4 12 37 18 37 18 39.5 12 39.5",
    "GEOSEARCHSTORE inside map BYPOLYGON 4 12 37 18 37 18 39.5 12 39.5 COUNT 2 DESC",
    "GEOSEARCHSTORE map map BYPOLYGON 3 12 38 18 38 14 40 COUNT 3 ANY",
    "GEOSEARCHSTORE inside map BYPOLYGON 3 0 0 1 0 0 1",
    "GEOSEARCHSTORE inside map BYPOLYGON 3 0 0 1 0 0 1",
];

/// What Redis 8 knows, and Valkey 9.1 does not.
const OF_REDIS_8: &[&str] = &[
    "SET n 1 IFNE 2",
    "SET n 2 IFNE 1 GET",
    "SET n 3 IFNE 1 EX 100000",
    "SET n 4 IFDNE 0123456789abcdef KEEPTTL",
    "SET n 5 IFDEQ 0123456789abcdef",
    "DELEX n IFDEQ 0123456789abcdef",
    "DELEX n IFEQ 1",
    "DELEX n IFEQ 4",
    "SET b1 ab",
    "SET b2 ad",
    "BITOP DIFF b3 b1 b2",
    "BITOP DIFF1 b3 b1 b2 none",
    "BITOP ANDOR b3 b1 none b2",
    "BITOP ONE b3 b1 b2 b1",
    "BITOP ONE b3 none",
    "XADD y:1 KEEPREF 1-0 a 1",
    "XADD y:1 MAXLEN 9 DELREF 2-0 a 1",
    "XADD y:1 ACKED MAXLEN ~ 9 3-0 a 1",
    "XADD y:1 4-0 a 1",
    "XADD y:1 5-0 a 1",
    "XADD y:1 6-0 a 1",
    "XGROUP CREATE y:1 g 0",
    "XGROUP CREATE y:1 h 0",
    "XREADGROUP GROUP g c STREAMS y:1 >",
    "XREADGROUP GROUP h d COUNT 4 STREAMS y:1 >",
    "XDELEX y:1 ACKED IDS 2 1-0 9-0",
    "XACK y:1 h 1-0 2-0 3-0",
    "XACKDEL y:1 g IDS 1 1-0 ACKED",
    "XACKDEL y:1 h DELREF IDS 1 4-0",
    "XACK y:1 g 3-0",
    "XADD y:1 MAXLEN 1 ACKED 7-0 a 1",
    "XDELEX y:1 KEEPREF IDS 1 5-0",
    "XDELEX y:1 DELREF IDS 2 5-0 6-0",
    "XACK y:1 g 2-0",
    "XTRIM y:1 MAXLEN 1 ACKED",
    "XADD y:1 8-0 a 1",
    "XREADGROUP GROUP g c STREAMS y:1 >",
    "XTRIM y:1 MINID 8-0 DELREF",
    "XTRIM y:1 MAXLEN 0 KEEPREF",
];

/// The same for fields that expire.
const TIMED: &[&str] = &[
    "HSETEX t EX 100000 FIELDS 2 a 1 b 2",
    "HSETEX t PX 100000000 FIELDS 2 c 1 d 2",
    "HSETEX t EXAT 4000000000 FIELDS 1 e 1",
    "HSETEX t PXAT 4000000000000 FIELDS 2 f 1 g 2",
    "HSETEX t KEEPTTL FIELDS 3 a 2 g 3 new 4",
    "HSETEX t FXX PXAT 4100000000000 FIELDS 1 c 5",
    "HSETEX t FNX PXAT 4200000000000 FIELDS 2 i 1 j 2",
    "HSETEX t XX PXAT 4300000000000 FIELDS 1 k 1",
    "HSETEX t FIELDS 1 b 3",
    "HSETEX t PXAT 1 FIELDS 1 d 3",
    "HSETEX t PXAT 70368744177663 FIELDS 1 l 1",
    "HGETEX t EX 100000 FIELDS 2 a b",
    "HGETEX t PX 100000000 FIELDS 2 new x",
    "HGETEX t EXAT 4000000001 FIELDS 1 e",
    "HGETEX t PXAT 4000000000001 FIELDS 2 f f",
    "HGETEX t PERSIST FIELDS 3 g b x",
    "HGETEX t EX 0 FIELDS 1 i",
    "HGETDEL t FIELDS 2 j a",
];

/// What only a Valkey master says: times beyond Redis's latest.
const BEYOND: &[&str] = &["HSETEX u PXAT 9223372036854775807 FIELDS 1 a 1", "HPEXPIREAT t 70368744177664 FIELDS 1 b"];

/// What is wrong with a command, and is answered.
const REFUSED: &[&str] = &[
    "MSETEX 0 a b",
    "MSETEX x a b",
    "MSETEX 2 a b c",
    "MSETEX 1 a b NX XX",
    "MSETEX 1 a b EX 0",
    "MSETEX 1 a b EX 1 PX 1",
    "MSETEX 1 a b GET",
    "SET k w IFEQ",
    "SET k w NX IFEQ v",
    "SET h w IFEQ v",
    "DELIFEQ h v",
    "HSETEX h EX x FIELDS 1 a 1",
    "HSETEX h EX -1 FIELDS 1 a 1",
    "HSETEX h EX 1 PX 1 FIELDS 1 a 1",
    "HSETEX h FNX FXX FIELDS 1 a 1",
    "HSETEX h PERSIST FIELDS 1 a 1",
    "HSETEX h FIELDS 2 a 1",
    "HSETEX h FIELDS 1 a 1 EX 5",
    "HSETEX k EX x FIELDS 1 a 1",
    "HGETEX h KEEPTTL FIELDS 1 a",
    "HGETEX h EX -1 FIELDS 1 a",
    "HGETEX h FIELDS 2 a",
    "HGETEX k FIELDS 1 a",
    "HGETDEL h FIELDS 0 a",
    "HGETDEL h FIELDS x a",
    "HGETDEL h FIELD 1 a",
    "HGETDEL k FIELDS 1 a",
    "GEOSEARCH map BYPOLYGON 2 12 38 15 38 14 40",
    "GEOSEARCH map BYPOLYGON 4 12 38 15 38 14 40",
    "GEOSEARCH map BYPOLYGON 2147483648 12 38 15 38 14 40",
    "GEOSEARCH map BYPOLYGON x 12 38 15 38 14 40",
    "GEOSEARCH map BYPOLYGON 3 12 38 15 38 14 90",
    "GEOSEARCH map BYPOLYGON 3 12 38 15 38 14 x",
    "GEOSEARCH map BYPOLYGON 3 12 38 15 38 14 40 km",
    "GEOSEARCH map FROMLONLAT 15 37 BYPOLYGON 3 12 38 15 38 14 40",
    "GEOSEARCH map BYPOLYGON 3 12 38 15 38 14 40 BYRADIUS 1 km",
    "GEOSEARCH map BYPOLYGON 3 12 38 15 38 14 40 ANY",
    "GEOSEARCH map WITHDIST WITHDIST WITHDIST WITHDIST BYPOLYGON",
    "GEOSEARCHSTORE inside map BYPOLYGON 3 12 38 15 38 14 40 WITHDIST",
    "GEOSEARCHSTORE inside k BYPOLYGON 3 12 38 15 38 14 40",
];

/// A key as it is read back: its value, when it expires, and when its fields do.
fn read_back(c: &mut Client, key: &str) -> Result<Vec<String>> {
    let mut all = vec![key.to_owned(), c.text(&format!("PEXPIRETIME {key}"))?];
    match c.text(&format!("TYPE {key}"))?.as_str() {
        "hash" => {}
        "zset" => {
            all.extend(c.run(&format!("ZRANGE {key} 0 -1 WITHSCORES"))?.items().iter().map(Value::text));
            return Ok(all);
        }
        _ => {
            all.push(c.text(&format!("GET {key}"))?);
            return Ok(all);
        }
    }
    let fields = c.run(&format!("HGETALL {key}"))?;
    let mut rows = Vec::new();
    for pair in fields.items().chunks(2) {
        let (name, value) = (pair[0].text(), pair[1].text());
        let at = c.run(&format!("HPEXPIRETIME {key} FIELDS 1 {name}"))?;
        rows.push(format!("{name}={value} until {at:?}"));
    }
    rows.sort();
    all.extend(rows);
    Ok(all)
}

fn content(server: &Server) -> Result<Vec<Vec<String>>> {
    let mut c = server.client()?;
    let mut keys: Vec<String> = c.run("KEYS *")?.items().iter().map(Value::text).collect();
    keys.sort();
    keys.iter().map(|key| read_back(&mut c, key)).collect()
}

fn same_content(a: &Server, b: &Server, behind: &str) -> Result<()> {
    wait::offsets_equal(&[a, b])?;
    let (x, y) = (content(a)?, content(b)?);
    ensure!(x == y, "behind {behind}\n{} has {x:#?}\n{} has {y:#?}", a.name, b.name);
    Ok(())
}

/// A Primacy replica of a Valkey: each command leaves the same on both, and the link stays.
fn followed(w: &World, peer: Peer, valkey: &Program) -> Result<()> {
    let m = w.server("master", valkey, &[])?;
    let r = w.server("replica", &w.primacy()?, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let mut c = m.client()?;
    let mut done = 0;
    for line in PLAIN.iter().chain(TIMED).chain(BEYOND) {
        if peer == Peer::Valkey90 && line == &ON_NOTHING {
            continue;
        }
        let reply = c.ask(&words(line))?;
        if !reply.is_error() {
            done += 1;
            same_content(&m, &r, line)?;
            continue;
        }
        // 9.0 lacks two of the commands, and the conditions for the key.
        let lacks = ["MSETEX ", "HGETDEL "].iter().any(|name| line.starts_with(name));
        let lacks = lacks || line.starts_with("HSETEX") && (line.contains(" NX ") || line.contains(" XX "));
        ensure!(peer == Peer::Valkey90 && lacks, "{line}: {reply:?}");
    }
    // Fields and keys that go by themselves: the master says which.
    for line in ["HSETEX short PX 30 FIELDS 2 a 1 b 2", "HSETEX short FIELDS 1 c 3", "HGETEX short PX 40 FIELDS 1 c"] {
        c.run(line)?;
    }
    wait::until(Duration::from_secs(20), "the fields are gone", || {
        Ok(m.client()?.run("EXISTS short")? == Value::Int(0) && r.client()?.run("EXISTS short")? == Value::Int(0))
    })?;
    same_content(&m, &r, "what expired")?;
    let begun = r.logged(&["MASTER <-> REPLICA sync started"]);
    ensure!(begun == 1, "it had to synchronize {begun} times: the link broke");
    w.note(&format!("{done} commands were followed"));
    Ok(())
}

/// A replica of Primacy that may not know the commands holds the same data.
fn led(w: &World, replica: &Program) -> Result<()> {
    let m = w.server("master", &w.primacy()?, &[])?;
    let r = w.server("replica", replica, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    let mut c = m.client()?;
    for line in PLAIN.iter().chain(OF_REDIS_8) {
        c.run(line)?;
        wait::same(&[&m, &r]).map_err(|e| format!("{line}: {e}"))?;
        // Digests leave groups out.
        if line.starts_with('X') {
            crate::interop::same_groups(&m, &r).map_err(|e| format!("{line}: {e}"))?;
        }
    }
    let (mut left, mut right) = (m.client()?, r.client()?);
    for line in [
        "GEOSEARCHSTORE far map BYPOLYGON 3 12 38 18 38 14 40 STOREDIST",
        "GEOSEARCHSTORE far map BYPOLYGON 3 0 0 1 0 1 1 STOREDIST",
    ] {
        c.run(line)?;
        wait::offsets_equal(&[&m, &r])?;
        // Servers write fractions in different ways.
        let scores = |c: &mut Client| -> Result<Vec<(String, f64)>> {
            let all = c.run("ZRANGE far 0 -1 WITHSCORES")?;
            all.items().chunks(2).map(|pair| Ok((pair[0].text(), pair[1].text().parse()?))).collect()
        };
        let (left, right) = (scores(&mut left)?, scores(&mut right)?);
        ensure!(left == right, "{line}: {left:?} and {right:?}");
    }
    Ok(())
}

/// The same commands to both, with the same answers and the same data afterwards.
fn alike(w: &World, valkey: &Program) -> Result<()> {
    let (a, b) = (w.server("primacy", &w.primacy()?, &[])?, w.server("valkey", valkey, &[])?);
    let (mut x, mut y) = (a.client()?, b.client()?);
    for line in PLAIN.iter().chain(REFUSED).chain(TIMED) {
        let (left, right) = (x.ask(&words(line))?, y.ask(&words(line))?);
        ensure!(left == right, "{line}\nprimacy answers {left:?}\nvalkey answers {right:?}");
    }
    for line in REFUSED {
        ensure!(x.ask(&words(line))?.is_error(), "{line} is not refused");
    }
    let names = |server: &Server| -> Result<Vec<String>> {
        let mut keys: Vec<String> = server.client()?.run("KEYS *")?.items().iter().map(Value::text).collect();
        keys.sort();
        Ok(keys)
    };
    let (left, right) = (names(&a)?, names(&b)?);
    ensure!(left == right, "primacy has {left:?}, valkey {right:?}");
    Ok(())
}
