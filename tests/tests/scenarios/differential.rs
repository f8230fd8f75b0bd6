//! The same commands to Primacy and to redis-server 7.0 give the same replies, word for word.

mod allowed;

use libtest_mimic::Trial;
use primacy_tests::mix;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::rng::Rng;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, grammar, scaled, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1200);

pub(crate) fn all() -> Vec<Trial> {
    let needs = || Peer::Redis70.find();
    vec![
        scenario("differential::commands::resp2", LIMIT, needs, |w, redis| commands(w, &redis, 2)),
        scenario("differential::commands::resp3", LIMIT, needs, |w, redis| commands(w, &redis, 3)),
        scenario("differential::every_template_once", LIMIT, needs, |w, redis| templates(w, &redis)),
        scenario("differential::transactions", LIMIT, needs, |w, redis| transactions(w, &redis)),
        scenario("differential::pubsub", LIMIT, needs, |w, redis| pubsub(w, &redis)),
        scenario("differential::reset_and_reply_modes", LIMIT, needs, |w, redis| modes(w, &redis)),
        scenario("differential::failover", LIMIT, needs, |w, redis| failover(w, &redis)),
    ]
}

struct Pair {
    mine: Client,
    redis: Client,
}

impl Pair {
    fn start(w: &World, redis: &Program) -> Result<(Self, [std::sync::Arc<primacy_tests::server::Server>; 2])> {
        let a = w.server("primacy", &w.primacy()?, &[])?;
        let b = w.server("redis", redis, &[])?;
        Ok((Self { mine: a.client()?, redis: b.client()? }, [a, b]))
    }

    fn ask(&mut self, args: &[Vec<u8>]) -> Result<(Value, Value)> {
        let show = || args.iter().map(|a| a.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        let a = self.mine.ask(args).map_err(|e| format!("{}: Primacy: {e}", show()))?;
        let b = self.redis.ask(args).map_err(|e| format!("{}: redis-server: {e}", show()))?;
        Ok((a, b))
    }

    /// Takes random members out of a set of Primacy's, and the same out of redis-server's.
    fn pop_alike(&mut self, args: &[Vec<u8>]) -> Result<()> {
        let taken = self.mine.ask(args)?;
        let members: Vec<Vec<u8>> = match taken {
            Value::Bulk(member) => vec![member],
            Value::Array(all) | Value::Set(all) => all.into_iter().filter_map(Value::into_bytes).collect(),
            _ => return Ok(()),
        };
        if !members.is_empty() {
            let removed = self.redis.ask(&[&[b"SREM".to_vec(), args[1].clone()], &members[..]].concat())?;
            ensure!(
                removed == Value::Int(members.len() as i64),
                "SPOP took what redis-server does not have: {removed:?}"
            );
        }
        Ok(())
    }

    /// Asks both; a text for the difference, if there is one.
    fn compare(&mut self, args: &[Vec<u8>]) -> Result<Option<String>> {
        let (a, b) = self.ask(args)?;
        if allowed::same(args, &a, &b) {
            return Ok(None);
        }
        let show = args.iter().map(|a| a.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        Ok(Some(format!("{show}\n    Primacy:      {a:?}\n    redis-server: {b:?}")))
    }
}

fn fail_on(found: &[String], asked: usize) -> Result<()> {
    // One of each kind: the command's first words and the two answers tell the kind.
    let kind = |text: &str| {
        let words = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ").to_uppercase();
        (words, text.lines().skip(1).map(|l| l.chars().take(30).collect()).collect::<Vec<String>>())
    };
    let mut seen = std::collections::BTreeSet::new();
    let shown: Vec<_> = found.iter().filter(|t| seen.insert(kind(t))).take(40).cloned().collect();
    ensure!(found.is_empty(), "{} of {asked} replies differ:\n  {}", found.len(), shown.join("\n  "));
    Ok(())
}

fn commands(w: &World, redis: &Program, protocol: u8) -> Result<()> {
    let mut rng = w.rng();
    let (mut pair, servers) = Pair::start(w, redis)?;
    let proto = [b"HELLO".to_vec(), protocol.to_string().into_bytes()];
    pair.ask(&proto)?;
    let count = scaled(30_000, 500_000);
    let mut found = Vec::new();
    for i in 0..count {
        // One clock for both: what depends on it is spelled out in the command.
        let args = next(&mut rng);
        // Each takes what chance says: the other is told to take the same.
        if args[0].eq_ignore_ascii_case(b"SPOP") {
            pair.pop_alike(&args)?;
            continue;
        }
        if let Some(text) = pair.compare(&args)? {
            found.push(text);
        }
        // A difference in the data would only be told again and again.
        if found.len() > 300 {
            return fail_on(&found, i);
        }
    }
    fail_on(&found, count)?;
    let digests = [wait::digest(&servers[0])?, wait::digest(&servers[1])?];
    ensure!(digests[0] == digests[1], "digests differ: {digests:?}\n{}", wait::differences(&servers[0], &servers[1])?);
    Ok(())
}

fn next(rng: &mut Rng) -> Vec<Vec<u8>> {
    let now = fill::now_ms();
    let list = match rng.below(200) {
        0..20 => mix::WRITES,
        20..60 => mix::READS,
        60..90 => mix::COLLECTIONS,
        90..135 => mix::COLLECTION_READS,
        135..145 => mix::ODD,
        145..165 => mix::STREAMS,
        165..175 => mix::STREAM_READS,
        175 => return grammar::command(&[grammar::WAITING], rng, now),
        _ => return grammar::command(grammar::AT_ONCE, rng, now),
    };
    let mut args = mix::command(list, rng, now);
    // HELLO would change the protocol of the one that takes it; other names of commands are tested in any case.
    if rng.one_in(5) {
        args[0].make_ascii_lowercase();
    }
    args
}

/// Every template at least a few times, so that no kind of command is left to chance.
fn templates(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let (mut pair, _servers) = Pair::start(w, redis)?;
    let mut found = Vec::new();
    let mut asked = 0;
    let collections = [mix::COLLECTIONS, mix::COLLECTION_READS, mix::STREAMS, mix::STREAM_READS].concat();
    for template in [mix::WRITES, mix::READS, &collections, mix::ODD].concat() {
        for _ in 0..3 {
            let text = mix::expand("SET $k $v", &mut rng, fill::now_ms());
            pair.ask(&text)?;
            asked += 1;
            found.extend(pair.compare(&mix::expand(template, &mut rng, fill::now_ms()))?);
        }
    }
    fail_on(&found, asked)
}

fn script(pair: &mut Pair, lines: &[&str]) -> Result<()> {
    let mut found = Vec::new();
    for line in lines {
        found.extend(pair.compare(&primacy_tests::resp::words(line))?);
    }
    fail_on(&found, lines.len())
}

fn transactions(w: &World, redis: &Program) -> Result<()> {
    let (mut pair, servers) = Pair::start(w, redis)?;
    script(
        &mut pair,
        &[
            "MULTI",
            "SET a 1",
            "INCR a",
            "GET a",
            "EXEC",
            "MULTI",
            "NOSUCH",
            "SET a 2",
            "EXEC",
            "GET a",
            "MULTI",
            "SET a",
            "EXEC",
            "MULTI",
            "INCR a",
            "SET t x",
            "INCR t",
            "EXEC",
            "MULTI",
            "MULTI",
            "DISCARD",
            "MULTI",
            "WATCH a",
            "EXEC",
            "EXEC",
            "DISCARD",
            "MULTI",
            "EXEC",
            "WATCH a",
            "SET a 5",
            "MULTI",
            "GET a",
            "EXEC",
            "WATCH a",
            "UNWATCH",
            "SET a 6",
            "MULTI",
            "GET a",
            "EXEC",
            "MULTI",
            "SELECT 1",
            "SET in1 x",
            "SELECT 0",
            "EXEC",
            "SELECT 1",
            "GET in1",
            "SELECT 0",
            "WATCH w",
            "MULTI",
            "SET w 1",
            "EXEC",
            "WATCH missing",
            "MULTI",
            "PING",
            "EXEC",
            "MULTI",
            "SUBSCRIBE x",
            "EXEC",
            "RESET",
            "HELLO 2",
            "MULTI",
            "SHUTDOWN",
            "DISCARD",
        ],
    )?;
    // A watched key that somebody else changes, deletes, expires.
    for change in ["SET w 2", "DEL w", "PEXPIRE w 1", "FLUSHDB", "RENAME w w2", "SWAPDB 0 1", "SET other 1"] {
        script(&mut pair, &["SET w 1", "WATCH w"])?;
        for s in &servers {
            s.client()?.run(change)?;
        }
        std::thread::sleep(Duration::from_millis(5));
        script(&mut pair, &["MULTI", "SET after 1", "EXEC", "GET after", "FLUSHALL"])?;
    }
    Ok(())
}

fn pubsub(w: &World, redis: &Program) -> Result<()> {
    for protocol in ["HELLO 2", "HELLO 3"] {
        let (mut pair, servers) = Pair::start(w, redis)?;
        pair.ask(&primacy_tests::resp::words(protocol))?;
        script(&mut pair, &["SUBSCRIBE a", "PSUBSCRIBE b*", "UNSUBSCRIBE nothing", "PING"])?;
        if protocol == "HELLO 2" {
            script(&mut pair, &["GET k", "PING text", "PSUBSCRIBE", "SUBSCRIBE"])?;
        } else {
            script(&mut pair, &["GET k", "SET k v", "PING text"])?;
        }
        for line in [
            "PUBLISH a one",
            "PUBLISH bb two",
            "PUBLISH c three",
            "PUBSUB CHANNELS",
            "PUBSUB NUMSUB a b",
            "PUBSUB NUMPAT",
        ] {
            let got = [servers[0].client()?.run(line)?, servers[1].client()?.run(line)?];
            ensure!(got[0] == got[1], "{line}: {got:?}");
        }
        for _ in 0..2 {
            let got = [pair.mine.read()?, pair.redis.read()?];
            ensure!(got[0] == got[1], "{protocol}, a message: {got:?}");
        }
        script(&mut pair, &["UNSUBSCRIBE", "PUNSUBSCRIBE", "GET k", "SUBSCRIBE x", "RESET", "GET k"])?;
    }
    Ok(())
}

fn modes(w: &World, redis: &Program) -> Result<()> {
    let (mut pair, _servers) = Pair::start(w, redis)?;
    script(&mut pair, &["CLIENT SETNAME me", "CLIENT GETNAME", "SELECT 3", "RESET", "CLIENT GETNAME", "DBSIZE"])?;
    for c in [&mut pair.mine, &mut pair.redis] {
        for line in
            ["CLIENT REPLY OFF", "SET a 1", "NOSUCH", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING", "PING end"]
        {
            c.push(&primacy_tests::resp::words(line));
        }
        c.flush()?;
        let got = [c.read()?, c.read()?];
        ensure!(got[0].text() == "OK" && got[1].text() == "end", "CLIENT REPLY: {got:?}");
    }
    script(&mut pair, &["GET a", "QUIT"])?;
    for c in [&mut pair.mine, &mut pair.redis] {
        c.expect_close(Duration::from_secs(5))?;
    }
    Ok(())
}

/// What FAILOVER refuses, on a master alone, on one with a replica that stands still, and on that replica; `PORT` is the
/// replica's.
fn failover(w: &World, redis: &Program) -> Result<()> {
    let (mut masters, [a, b]) = Pair::start(w, redis)?;
    script(&mut masters, &["FAILOVER ABORT", "FAILOVER", "FAILOVER ABORT TIMEOUT 5", "FAILOVER TIMEOUT 5 ABORT"])?;
    script(&mut masters, &["FAILOVER TIMEOUT", "FAILOVER TIMEOUT x", "FAILOVER TIMEOUT 0", "FAILOVER TIMEOUT -1"])?;
    script(&mut masters, &["FAILOVER TO 127.0.0.1", "FAILOVER TO 127.0.0.1 x", "FAILOVER TO 127.0.0.1 99999"])?;
    script(&mut masters, &["FAILOVER FORCE", "FAILOVER FORCE FORCE", "FAILOVER TO a 1 TO a 1", "FAILOVER what"])?;
    script(&mut masters, &["FAILOVER TIMEOUT 5 TIMEOUT 5", "PSYNC x 1 FAILOVER", "COMMAND COUNT x"])?;
    let (c, d) = (w.server("replica-of-primacy", &w.primacy()?, &[])?, w.server("replica-of-redis", redis, &[])?);
    let mut replicas = Pair { mine: c.client()?, redis: d.client()? };
    replicas.mine.run(&format!("REPLICAOF 127.0.0.1 {}", a.port))?;
    replicas.redis.run(&format!("REPLICAOF 127.0.0.1 {}", b.port))?;
    for (m, r) in [(&a, &c), (&b, &d)] {
        wait::link_up(r)?;
        wait::until(Duration::from_secs(20), "the replica is online", || {
            Ok(m.client()?.info("replication", "slave0")?.contains("state=online"))
        })?;
    }
    let id = "a".repeat(40);
    script(&mut replicas, &["FAILOVER", "FAILOVER ABORT", "FAILOVER TIMEOUT 0", &format!("PSYNC {id} 1 FAILOVER")])?;
    script(&mut masters, &["FAILOVER TO 127.0.0.1 1", "FAILOVER TO 127.0.0.1 70000", "FAILOVER FORCE TIMEOUT 5"])?;
    script(&mut masters, &["FAILOVER ABORT", "SET k v"])?;
    let both = |masters: &mut Pair, words: &str| -> Result<()> {
        let own = |port: u16| words.replace("PORT", &port.to_string());
        let (x, y) = (own(c.port), own(d.port));
        let (x, y) =
            (masters.mine.ask(&primacy_tests::resp::words(&x))?, masters.redis.ask(&primacy_tests::resp::words(&y))?);
        ensure!(x == y, "{words}\n    Primacy:      {x:?}\n    redis-server: {y:?}");
        Ok(())
    };
    both(&mut masters, "FAILOVER TO localhost PORT")?;
    both(&mut masters, "FAILOVER TO 127.0.0.1 PORT FORCE")?;
    c.freeze();
    d.freeze();
    script(&mut masters, &["SET k w"])?;
    both(&mut masters, "FAILOVER TO 127.0.0.1 PORT TIMEOUT 60000")?;
    let refused = ["FAILOVER", "FAILOVER TIMEOUT 0", "REPLICAOF NO ONE", "REPLICAOF 127.0.0.1 1", "CLIENT UNPAUSE"];
    script(&mut masters, &refused)?;
    for ask in ["PSYNC ? -1", "SYNC", "PSYNC x 1 FAILOVER"] {
        script(&mut Pair { mine: a.client()?, redis: b.client()? }, &[ask])?;
    }
    script(&mut masters, &["FAILOVER ABORT", "FAILOVER ABORT", "SET k x", "GET k"])?;
    both(&mut masters, "FAILOVER TO 127.0.0.1 PORT FORCE TIMEOUT 50")?;
    for one in [&a, &b] {
        wait::until(Duration::from_secs(20), "by force", || Ok(one.client()?.info("replication", "role")? == "slave"))?;
    }
    script(&mut masters, &["FAILOVER", "SET k y", "REPLICAOF NO ONE", "FAILOVER ABORT", "SET k z", "GET k"])?;
    c.thaw();
    d.thaw();
    Ok(())
}
