//! `notify-keyspace-events`: the same commands to Primacy and to redis-server 7.0 publish the same messages in the same
//! order.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, words};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, mix, scaled, wait};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn all() -> Vec<Trial> {
    let needs = || Peer::Redis70.find();
    vec![
        scenario("events::random", LIMIT, needs, |w, redis| random(w, &redis)),
        scenario("events::one_by_one", LIMIT, needs, |w, redis| one_by_one(w, &redis)),
        scenario("events::on_replicas", LIMIT, needs, |w, redis| on_replicas(w, &redis)),
    ]
}

/// A server with a client that asks it and one that hears what it publishes.
struct Heard {
    client: Client,
    mark: Client,
    ears: Client,
}

impl Heard {
    fn new(server: &Arc<Server>, classes: &str) -> Result<Self> {
        let (mut client, mark, mut ears) = (server.client()?, server.client()?, server.client()?);
        client.text(&format!("CONFIG SET notify-keyspace-events {classes}"))?;
        ears.push(&words("PSUBSCRIBE __key*__:* the-end"));
        ears.flush()?;
        for _ in 0..2 {
            ears.read()?;
        }
        Ok(Self { client, mark, ears })
    }

    /// What was published since the last call: each channel with its message.
    fn messages(&mut self) -> Result<Vec<String>> {
        self.mark.run("PUBLISH the-end .")?;
        let mut heard = Vec::new();
        loop {
            let message = self.ears.read()?;
            let [.., channel, body] = message.items() else { return Err(format!("no message: {message:?}").into()) };
            if channel.text() == "the-end" {
                return Ok(heard);
            }
            heard.push(format!("{} {}", shown(channel), shown(body)));
        }
    }

    /// What one command publishes.
    fn ask(&mut self, args: &[Vec<u8>]) -> Result<Vec<String>> {
        self.client.ask(args)?;
        self.messages()
    }

    /// All that is published until the message `last` is.
    fn messages_until(&mut self, last: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        wait::until(Duration::from_secs(20), "the events", || {
            all.extend(self.messages()?);
            Ok(all.iter().any(|message| message == last))
        })?;
        Ok(all)
    }
}

fn shown(v: &Value) -> String {
    match v {
        Value::Bulk(bytes) => bytes.escape_ascii().to_string(),
        other => format!("{other:?}"),
    }
}

struct Pair {
    mine: Heard,
    redis: Heard,
}

impl Pair {
    fn start(w: &World, redis: &Program) -> Result<(Self, [Arc<Server>; 2])> {
        let a = w.server("primacy", &w.primacy()?, &[])?;
        let b = w.server("redis", redis, &[])?;
        Ok((Self { mine: Heard::new(&a, "KEAmn")?, redis: Heard::new(&b, "KEAmn")? }, [a, b]))
    }

    /// The difference that a command makes, if there is one; and how many messages there were.
    fn compare(&mut self, args: &[Vec<u8>]) -> Result<(usize, Option<String>)> {
        let (a, b) = (self.mine.ask(args)?, self.redis.ask(args)?);
        let line = args.iter().map(|a| a.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        let text = (a != b).then(|| format!("{line}\n    Primacy:      {a:?}\n    redis-server: {b:?}"));
        Ok((b.len(), text))
    }
}

fn fail_on(found: &[String], asked: usize) -> Result<()> {
    let first: Vec<&String> = found.iter().take(20).collect();
    ensure!(found.is_empty(), "{} of {asked} commands: {first:#?}", found.len());
    Ok(())
}

fn random(w: &World, redis: &Program) -> Result<()> {
    let mut rng = w.rng();
    let (mut pair, _servers) = Pair::start(w, redis)?;
    let (count, mut found, mut heard) = (scaled(6_000, 60_000), Vec::new(), 0);
    for _ in 0..count {
        let list = match rng.below(10) {
            0..3 => mix::WRITES,
            3..4 => mix::READS,
            4..8 => mix::COLLECTIONS,
            _ => mix::COLLECTION_READS,
        };
        let (n, text) = pair.compare(&mix::command(list, &mut rng, fill::now_ms()))?;
        heard += n;
        found.extend(text);
        if found.len() > 50 {
            break;
        }
    }
    ensure!(heard > count, "{heard} messages of {count} commands");
    fail_on(&found, count)
}

/// What the mix does not have, or not often.
const SCRIPT: &[&str] = &[
    "SET a 1 EX 100",
    "SET a 1 KEEPTTL GET",
    "SET missing 1 XX GET",
    "SET a 1 EXAT 1",
    "GET a",
    "SET a 1",
    "GETEX a EX 100",
    "GETEX a PERSIST",
    "GETEX a PERSIST",
    "GETEX a PXAT 1",
    "SETRANGE a 0 x",
    "SETRANGE a 3 y",
    "SETBIT a 1 0",
    "SETBIT a 1 0",
    "BITFIELD a OVERFLOW FAIL INCRBY u2 1000 9",
    "BITFIELD a GET u2 0",
    "BITOP AND a none1 none2",
    "BITOP AND a none1 none2",
    "PFADD p a",
    "PFADD p a",
    "PFADD p2",
    "PFMERGE p3 p p2",
    "PFCOUNT p p2 nothing",
    "PFCOUNT p",
    "RPUSH l 1 2 3 4 5 6",
    "LMPOP 2 nothing l LEFT COUNT 2",
    "LMOVE l l2 LEFT RIGHT",
    "LMOVE l l LEFT RIGHT",
    "RPOPLPUSH l l2",
    "LREM l 0 4",
    "LREM l 0 nothing",
    "LTRIM l 5 9",
    "LTRIM nothing 0 1",
    "RPOP l2 0",
    "RPOP l2 9",
    "RPUSHX nothing 1",
    "SADD s 1 2 3",
    "SADD s 1",
    "SADD s2 9",
    "SMOVE s2 s 9",
    "SMOVE s s 1",
    "SMOVE s s3 77",
    "SPOP s 0",
    "SPOP s 99",
    "SADD s 1",
    "SPOP s",
    "SADD s 1 2 3 4 5 6 7 8 9 10",
    "SINTERSTORE dst s s",
    "SINTERSTORE dst s nothing",
    "SINTERSTORE dst s nothing",
    "SUNIONSTORE dst s",
    "SUNIONSTORE dst s",
    "SORT s STORE sorted",
    "SORT s BY w_* GET v_* STORE sorted",
    "SORT nothing STORE sorted",
    "SORT s BY w_*",
    "ZADD z 1 a 2 b 3 c",
    "ZADD z XX 1 a",
    "ZADD z XX 1 nobody",
    "ZADD z INCR 1 a",
    "ZADD z INCR 0 a",
    "ZADD fresh XX 1 a",
    "ZMPOP 2 nothing z MIN COUNT 2",
    "ZPOPMAX z",
    "ZPOPMAX z",
    "ZADD z 1 a 2 b 3 c",
    "ZREMRANGEBYRANK z 0 0",
    "ZREMRANGEBYSCORE z 2 2",
    "ZREMRANGEBYLEX z - +",
    "ZADD z 1 a 2 b 3 c",
    "ZRANGESTORE zd z 0 -1",
    "ZRANGESTORE zd nothing 0 -1",
    "ZRANGESTORE zd nothing 0 -1",
    "ZDIFFSTORE zd 2 z nothing",
    "ZUNIONSTORE zd 2 z nothing",
    "ZINTERSTORE zd 2 z nothing",
    "HSET h a 1 b 2",
    "HSETNX h a 1",
    "HSETNX h c 1",
    "HINCRBY h a 1",
    "HINCRBYFLOAT h a 1.5",
    "HDEL h a nobody",
    "HDEL h b c",
    "HDEL h b c",
    "HGETALL h",
    "HRANDFIELD h",
    "HSCAN h 0",
    "SSCAN nothing 0",
    "ZSCAN nothing 0",
    "ZRANDMEMBER nothing",
    "SRANDMEMBER nothing 3",
    "LPOS nothing a",
    "LINDEX nothing 0",
    "LINSERT nothing BEFORE a b",
    "LSET nothing 0 a",
    "DUMP nothing",
    "RESTORE r 0 nonsense",
    "OBJECT ENCODING nothing",
    "OBJECT REFCOUNT nothing",
    "DEBUG DIGEST-VALUE nothing",
    "TYPE nothing",
    "TTL nothing",
    "EXPIRETIME nothing",
    "EXISTS nothing s nothing",
    "TOUCH nothing s",
    "STRLEN nothing",
    "LCS nothing nothing2",
    "MGET nothing s",
    "SINTERCARD 2 nothing s",
    "ZUNION 2 nothing s",
    "SET a 1",
    "EXPIRE a 100",
    "EXPIRE a 100 NX",
    "EXPIRE a -1",
    "EXPIRE a -1",
    "SET a 1",
    "PERSIST a",
    "RENAME a b",
    "RENAME b b",
    "SET a 1",
    "RENAME a b",
    "RENAMENX b c",
    "COPY c d",
    "COPY c d REPLACE",
    "COPY nothing d",
    "MOVE c 1",
    "MOVE nothing 1",
    "DEL d nothing",
    "UNLINK s z",
    "SET t 1 PX 1",
    "FLUSHDB",
    "SWAPDB 0 1",
    "MULTI",
    "SET a 1",
    "LPUSH lm 1",
    "EXEC",
    "SELECT 3",
    "SET in3 1",
];

fn one_by_one(w: &World, redis: &Program) -> Result<()> {
    let (mut pair, _servers) = Pair::start(w, redis)?;
    let mut found = Vec::new();
    for line in SCRIPT {
        // The key that a short time to live was given is to go at the next look, not by the cycle.
        found.extend(pair.compare(&words(line))?.1);
    }
    pair.mine.client.run("SELECT 0")?;
    pair.redis.client.run("SELECT 0")?;
    // A value as bytes, each server's own.
    for side in [&mut pair.mine, &mut pair.redis] {
        side.client.run("RPUSH raw 1 2")?;
        side.messages()?;
    }
    for options in [vec!["0"], vec!["0", "REPLACE"], vec!["1", "REPLACE", "ABSTTL"]] {
        let mut heard = Vec::new();
        for side in [&mut pair.mine, &mut pair.redis] {
            let Value::Bulk(payload) = side.client.run("DUMP raw")? else { return Err("no payload".into()) };
            let mut args = vec![b"RESTORE".to_vec(), b"back".to_vec(), options[0].into(), payload];
            args.extend(options.iter().skip(1).map(|o| o.as_bytes().to_vec()));
            heard.push(side.ask(&args)?);
        }
        if heard[0] != heard[1] {
            found.push(format!("RESTORE {options:?}: {heard:?}"));
        }
    }
    fail_on(&found, SCRIPT.len())?;
    // By the cycle, and on the way.
    let mut expired = Vec::new();
    for side in [&mut pair.mine, &mut pair.redis] {
        side.client.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
        side.client.run("SET lazy 1 PX 1")?;
        std::thread::sleep(Duration::from_millis(10));
        side.client.run("GET lazy")?;
        side.client.run("DEBUG SET-ACTIVE-EXPIRE 1")?;
        side.client.run("SET active 1 PX 1")?;
        expired.push(side.messages_until("__keyevent@0__:expired active")?);
    }
    ensure!(expired[0] == expired[1], "{expired:#?}");
    Ok(())
}

/// What a replica of each publishes for what its master does.
fn on_replicas(w: &World, redis: &Program) -> Result<()> {
    let mut heard = Vec::new();
    for (name, program) in [("primacy", w.primacy()?), ("redis", redis.clone())] {
        let lines = ["repl-diskless-sync-delay 0"];
        let master = w.server(&format!("{name}-master"), &program, &lines)?;
        let replica = w.server(&format!("{name}-replica"), &program, &[])?;
        replica.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", master.port))?;
        wait::link_up(&replica)?;
        let (mut ears, mut client) = (Heard::new(&replica, "KEA")?, master.client()?);
        for line in [
            "SET a 1",
            "EXPIRE a 100",
            "GETDEL a",
            "SADD s 1",
            "SPOP s",
            "MULTI",
            "RPUSH l 1 2",
            "LPOP l 2",
            "EXEC",
            "SELECT 2",
            "SET gone 1 PX 1",
        ] {
            client.run(line)?;
        }
        std::thread::sleep(Duration::from_millis(20));
        client.run("GET gone")?;
        client.run("SET last 1")?;
        heard.push(ears.messages_until("__keyevent@2__:set last")?);
    }
    ensure!(heard[0] == heard[1], "{heard:#?}");
    Ok(())
}
