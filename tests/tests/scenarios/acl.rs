//! Users and what they may do, beside redis-server 7.0: a table of users, commands, keys and channels, and wrong rules.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Value, words};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

/// The rules of one user each.
const USERS: &[&str] = &[
    "",
    "+@all ~* &*",
    "+@all ~a* &c*",
    "+@all -@dangerous ~* &*",
    "+@all -@write %R~* &*",
    "+@read %R~a* %W~b*",
    "+@write %W~*",
    "+@read +@write %R~a* %W~b* %RW~k:*",
    "+@all -config +config|get ~* &*",
    "+@all -config|get ~*",
    "+config +acl|whoami",
    "+@admin",
    "+@slow ~*",
    "+@fast ~*",
    "+@pubsub &c? &news.*",
    "+@pubsub allchannels -publish",
    "+@keyspace ~a",
    "+@connection -auth -hello",
    "+select|1 +select|2 +object|encoding ~*",
    "+get ~a* (+set ~b*) (+@pubsub &c*)",
    "+get ~a* (+@all -@admin ~b* &d) (%R~* +@read)",
    "(+mget ~a ~b) (+mget ~c) (+sort %R~*)",
    "+@string -@write ~[ab]* ~k:?",
    "+@list +@set +@sortedset +@hash ~a* ~\\*",
    "+@stream +@geo +@bitmap +@hyperloglog +@transaction ~a* %R~b*",
    "+@scripting +@blocking ~a*",
    "allcommands nocommands +@all -@all +ping",
    "+@all -@all +@read -@string +get ~* resetkeys ~a",
    "+sort +georadius +bitfield +copy +rename %R~a* %W~b*",
];

/// Commands; `$k` and `$l` are keys, `$c` a channel or a pattern.
const COMMANDS: &[&str] = &[
    "GET $k",
    "SET $k v",
    "SET $k v GET",
    "SET $k v EX 10",
    "GETDEL $k",
    "GETEX $k",
    "APPEND $k v",
    "STRLEN $k",
    "INCR $k",
    "MGET $k $l",
    "MSET $k v $l v",
    "DEL $k $l",
    "UNLINK $k",
    "EXISTS $k $l",
    "TYPE $k",
    "TTL $k",
    "EXPIRE $k 10",
    "RENAME $k $l",
    "COPY $k $l",
    "DUMP $k",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "LPUSH $k v",
    "LPOP $k",
    "LLEN $k",
    "LMOVE $k $l LEFT LEFT",
    "BLPOP $k $l 1",
    "LMPOP 2 $k $l LEFT",
    "LMPOP 3 $k $l LEFT",
    "SADD $k v",
    "SMEMBERS $k",
    "SMOVE $k $l v",
    "SINTERSTORE $k $l",
    "SINTERCARD 2 $k $l",
    "ZADD $k 1 v",
    "ZUNIONSTORE $k 1 $l",
    "ZUNION 1 $k",
    "ZRANGESTORE $k $l 0 1",
    "HSET $k f v",
    "HGETALL $k",
    "HLEN $k",
    "XADD $k * f v",
    "XREAD STREAMS $k $l 0 0",
    "XREAD COUNT 1 STREAMS $k",
    "XREADGROUP GROUP g c STREAMS $k >",
    "XGROUP CREATE $k g 0",
    "XINFO STREAM $k",
    "XLEN $k",
    "PFADD $k v",
    "PFCOUNT $k $l",
    "PFMERGE $k $l",
    "SETBIT $k 1 1",
    "BITOP AND $k $l",
    "BITFIELD $k GET u8 0",
    "BITFIELD $k SET u8 0 1",
    "BITCOUNT $k",
    "GEOADD $k 1 1 m",
    "GEORADIUS $k 1 1 1 m",
    "GEORADIUS $k 1 1 1 m STORE $l",
    "GEOSEARCHSTORE $k $l FROMLONLAT 1 1 BYRADIUS 1 m",
    "SORT $k",
    "SORT $k BY w_* GET #",
    "SORT $k STORE $l",
    "SORT_RO $k",
    "OBJECT ENCODING $k",
    "OBJECT HELP",
    "WATCH $k",
    "MULTI",
    "EVAL x 1 $k",
    "EVAL_RO x 2 $k $l",
    "EVAL x 0",
    "EVAL x 5 $k",
    "FCALL f 1 $k",
    "PUBLISH $c m",
    "SUBSCRIBE $c",
    "PSUBSCRIBE $c",
    "UNSUBSCRIBE $c",
    "PUBSUB CHANNELS",
    "PING",
    "ECHO x",
    "AUTH x",
    "HELLO 3",
    "SELECT 1",
    "SELECT 3",
    "CLIENT ID",
    "CLIENT KILL x",
    "CLIENT LIST",
    "CONFIG GET x",
    "CONFIG SET x y",
    "CONFIG RESETSTAT",
    "CONFIG HELP",
    "COMMAND COUNT",
    "ACL WHOAMI",
    "ACL LIST",
    "ACL CAT",
    "INFO",
    "FLUSHALL",
    "FLUSHDB",
    "DBSIZE",
    "SAVE",
    "SHUTDOWN",
    "REPLICAOF NO ONE",
    "MONITOR",
    "SLOWLOG GET",
    "LATENCY RESET",
    "SWAPDB 0 1",
    "WAIT 0 0",
    "ROLE",
    "TIME",
    "SCRIPT FLUSH",
    "FUNCTION LIST",
    "RESET",
    "QUIT",
    "GET",
    "CONFIG NOSUCH",
    "NOSUCH $k",
];

const KEYS: &[&str] = &["a", "a1", "b", "k:1", "zz", "*"];
const CHANNELS: &[&str] = &["c1", "news.x", "c*", "d", "*"];

pub(crate) fn all() -> Vec<Trial> {
    let needs = || Peer::Redis70.find();
    vec![
        scenario("acl::table", LIMIT, needs, |w, redis| table(w, &redis)),
        scenario("acl::rules", LIMIT, needs, |w, redis| rules(w, &redis)),
    ]
}

fn pair(w: &World, redis: &Program) -> Result<[Arc<Server>; 2]> {
    Ok([w.server("primacy", &w.primacy()?, &[])?, w.server("redis", redis, &[])?])
}

/// The command with all keys or channels that it takes.
fn filled(command: &str) -> Vec<String> {
    let mut all = vec![command.to_owned()];
    for (place, values) in [("$k", KEYS), ("$l", KEYS), ("$c", CHANNELS)] {
        if command.contains(place) {
            all = { all.iter() }.flat_map(|c| values.iter().map(|v| c.replace(place, v))).collect();
        }
    }
    all
}

/// What the answer to a command says of rights.
fn denial(answer: &Value) -> Option<String> {
    Some(answer.text()).filter(|text| text.starts_with("NOPERM") || text.contains("insufficient ACL permissions"))
}

/// Whether running it tells of rights, and no more: no command that waits, ends the connection or changes what is tested.
fn can_run(command: &str) -> bool {
    let never = [
        "AUTH",
        "HELLO",
        "BLPOP",
        "MONITOR",
        "SHUTDOWN",
        "QUIT",
        "RESET",
        "MULTI",
        "SUBSCRIBE",
        "PSUBSCRIBE",
        "REPLICAOF",
        "CLIENT",
        "SAVE",
        "EVAL",
        "EVAL_RO",
        "FCALL",
        "UNSUBSCRIBE",
        "WAIT",
        "SELECT",
    ];
    !never.contains(&command.split(' ').next().unwrap_or_default())
}

fn table(w: &World, redis: &Program) -> Result<()> {
    let servers = pair(w, redis)?;
    let [mut mine, mut theirs] = [servers[0].client()?, servers[1].client()?];
    let (mut cells, mut found) = (0, Vec::new());
    for (n, rules) in USERS.iter().enumerate() {
        let make = words(&format!("ACL SETUSER u{n} on nopass {rules}"));
        let made = [mine.ask(&make)?, theirs.ask(&make)?];
        ensure!(made.iter().all(|m| m.text() == "OK"), "{rules}: {made:?}");
        let log_in = words(&format!("AUTH u{n} x"));
        let [mut my_user, mut their_user] = [servers[0].client()?, servers[1].client()?];
        ensure!(my_user.ask(&log_in)?.text() == "OK" && their_user.ask(&log_in)?.text() == "OK", "{rules}");
        for command in COMMANDS.iter().flat_map(|c| filled(c)) {
            cells += 1;
            let dry = words(&format!("ACL DRYRUN u{n} {command}"));
            let verdicts = [mine.ask(&dry)?, theirs.ask(&dry)?];
            if verdicts[0] != verdicts[1] {
                found.push(format!("[{rules}] {command}: Primacy {:?}, redis-server {:?}", verdicts[0], verdicts[1]));
            }
            if can_run(&command) {
                let run = words(&command);
                let denials = [denial(&my_user.ask(&run)?), denial(&their_user.ask(&run)?)];
                if denials[0] != denials[1] {
                    found.push(format!(
                        "[{rules}] run {command}: Primacy {:?}, redis-server {:?}",
                        denials[0], denials[1]
                    ));
                }
            }
        }
    }
    w.note(&format!("{cells} cells"));
    let shown = &found[..found.len().min(40)];
    ensure!(found.is_empty(), "{} of {cells} cells differ:\n  {}", found.len(), shown.join("\n  "));
    Ok(())
}

/// One command each that both have to answer alike.
const ANSWERED: &[&str] = &[
    "ACL SETUSER u foo",
    "ACL SETUSER u +nosuch",
    "ACL SETUSER u -nosuch",
    "ACL SETUSER u +@nosuch",
    "ACL SETUSER u +config|nosuch",
    "ACL SETUSER u -get|a",
    "ACL SETUSER u +get|",
    "ACL SETUSER u +get|a|b",
    "ACL SETUSER u +acl|load|x",
    "ACL SETUSER u %~a",
    "ACL SETUSER u %X~a",
    "ACL SETUSER u %RR~a",
    "ACL SETUSER u ~* ~a",
    "ACL SETUSER u allchannels &a",
    "ACL SETUSER u #aa",
    "ACL SETUSER u !aa",
    "ACL SETUSER u <aa",
    "ACL SETUSER u (+get",
    "ACL SETUSER u +get)",
    "ACL SETUSER u (~a +get) (",
    "ACL GETUSER nobody",
    "ACL SETUSER u on >pw %R~x* %W~y* %RW~z* &q (+@read ~s* %W~t) (+set &q) +@all -@dangerous +config|get",
    "ACL GETUSER u",
    "ACL LIST",
    "ACL SETUSER u resetpass reset nopass skip-sanitize-payload",
    "ACL GETUSER u",
    "ACL LIST",
    "ACL USERS",
    "ACL WHOAMI",
    "ACL DELUSER nobody u",
    "ACL DELUSER default",
    "ACL CAT",
    "ACL CAT nosuch",
    "ACL CAT a b",
    "ACL GENPASS 0",
    "ACL GENPASS 5000",
    "ACL GENPASS x",
    "ACL DRYRUN nobody get a",
    "ACL DRYRUN default nosuch a",
    "ACL DRYRUN default get",
    "ACL LOAD",
    "ACL SAVE",
    "ACL LOG x",
    "ACL LOG 1 2",
    "ACL LOG -1",
    "ACL LOG",
    "ACL LOG RESET",
    "ACL FOO",
    "ACL",
    "AUTH nobody x",
    "CONFIG GET aclfile",
    "CONFIG GET acllog-max-len",
    "CONFIG GET acl-pubsub-default",
    "CONFIG SET acl-pubsub-default allchannels",
    "ACL SETUSER n",
    "ACL LIST",
    "CLIENT KILL USER nobody",
    "CONFIG SET requirepass pw",
    "ACL LIST",
    "AUTH wrong",
    "AUTH pw",
];

/// An answer to ACL LOG without what is not the same twice (ages, connections) and what 7.2 has added.
fn of_log(log: &Value) -> Value {
    let entry = |entry: &Value| {
        let fields: Vec<Value> = match entry {
            Value::Map(pairs) => pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect(),
            other => other.items().to_vec(),
        };
        Value::Array(fields.into_iter().take(10).collect())
    };
    Value::Array(log.items().iter().map(entry).collect())
}

fn rules(w: &World, redis: &Program) -> Result<()> {
    let servers = pair(w, redis)?;
    let [mut mine, mut theirs] = [servers[0].client()?, servers[1].client()?];
    for protocol in ["HELLO 2", "HELLO 3"] {
        for client in [&mut mine, &mut theirs] {
            client.ask(&words(protocol))?;
            client.ask(&words("CONFIG SET acl-pubsub-default resetchannels"))?;
            client.ask(&["CONFIG", "SET", "requirepass", ""])?;
            client.ask(&words("ACL DELUSER u n"))?;
        }
        for line in ANSWERED {
            let answers = [mine.ask(&words(line))?, theirs.ask(&words(line))?];
            let answers = if *line == "ACL LOG" { answers.map(|log| of_log(&log)) } else { answers };
            ensure!(answers[0] == answers[1], "{line}: Primacy {:?}, redis-server {:?}", answers[0], answers[1]);
        }
    }
    Ok(())
}
