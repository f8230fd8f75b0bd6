//! Random commands, from templates. `$k` is a key of a small key space, so that commands meet each other's keys.

use crate::rng::Rng;

/// Commands that write.
pub const WRITES: &[&str] = &[
    "SET $k $v",
    "SET $k $v",
    "SET $k $n",
    "SET $k $v EX $t",
    "SET $k $v PX $ms",
    "SET $k $v NX",
    "SET $k $v XX",
    "SET $k $v KEEPTTL",
    "SET $k $v GET",
    "SET $k $v XX GET EX $t",
    "SET $k $v EXAT $at",
    "SET $k $v PXAT $atms",
    "SETNX $k $v",
    "SETEX $k $t $v",
    "PSETEX $k $ms $v",
    "GETSET $k $v",
    "GETDEL $k",
    "GETEX $k EX $t",
    "GETEX $k PXAT $atms",
    "GETEX $k PERSIST",
    "MSET $k $v $k $n $k $v",
    "MSETNX $k $v $k $v",
    "APPEND $k $v",
    "SETRANGE $k $small $v",
    "INCR $c",
    "DECR $c",
    "INCRBY $c $n",
    "DECRBY $c $n",
    "INCRBYFLOAT $fl $f",
    "DEL $k",
    "DEL $k $k $c",
    "UNLINK $k $k",
    "EXPIRE $k $t",
    "PEXPIRE $k $ms",
    "EXPIREAT $k $at",
    "PEXPIREAT $k $atms",
    "EXPIRE $k -1",
    "EXPIREAT $k 1",
    "PERSIST $k",
    "RENAME $k $k",
    "RENAMENX $k $k",
    "COPY $k $k",
    "COPY $k $k REPLACE",
    "COPY $k $k DB $db REPLACE",
    "MOVE $k $db",
    "SELECT $db",
];

/// Commands that only read, and give the same answer on two servers that hold the same data.
pub const READS: &[&str] = &[
    "GET $k",
    "GET $k",
    "MGET $k $k $c missing",
    "STRLEN $k",
    "GETRANGE $k $small -1",
    "GETRANGE $k -$small $small",
    "SUBSTR $k 0 $small",
    "LCS $k $k",
    "LCS $k $k LEN",
    "LCS $k $k IDX MINMATCHLEN 2 WITHMATCHLEN",
    "EXISTS $k $k missing",
    "TYPE $k",
    "TYPE missing",
    "TTL $k",
    "PTTL missing",
    "EXPIRETIME $k",
    "TOUCH $k $k",
    "DBSIZE",
    "OBJECT ENCODING $k",
    "OBJECT REFCOUNT missing",
    "KEYS k1*",
    "KEYS [abc]:*",
    "PING",
    "PING $v",
    "ECHO $v",
    "DEBUG DIGEST-VALUE $k",
    "PUBLISH nobody $v",
    "PUBSUB NUMSUB a b",
    "PUBSUB CHANNELS",
    "PUBSUB NUMPAT",
    "COMMAND INFO get nosuchcommand",
    "CLIENT GETNAME",
    "CLIENT SETNAME name$small",
    "CONFIG GET maxclients",
    "CONFIG GET proto-max-bulk-len",
    "OBJECT FREQ missing",
    "WAIT 0 0",
];

/// Commands that meet an error, for the words of the error.
pub const ODD: &[&str] = &[
    "NOSUCH $k",
    "NOSUCH a b c",
    "GET",
    "GET $k $k",
    "SET $k",
    "SET $k $v EX",
    "SET $k $v EX 0",
    "SET $k $v PX -5",
    "SET $k $v EX abc",
    "SET $k $v EX $t PX $ms",
    "SET $k $v NX XX",
    "SET $k $v NX GET",
    "SET $k $v WHAT",
    "SET $k $v EX 9223372036854775807",
    "SETEX $k 0 $v",
    "SETEX $k abc $v",
    "PSETEX $k -1 $v",
    "GETEX $k EX 0",
    "GETEX $k PERSIST EX 1",
    "INCR $k",
    "INCRBY $c 9223372036854775807",
    "INCRBY $c abc",
    "DECRBY $c -9223372036854775808",
    "INCRBYFLOAT $k $f",
    "INCRBYFLOAT $c nan",
    "INCRBYFLOAT $c inf",
    "SETRANGE $k -1 $v",
    "SETRANGE $k 536870912 $v",
    "GETRANGE $k a b",
    "MSET $k",
    "MSET $k $v $k",
    "MSETNX $k $v $k",
    "EXPIRE $k",
    "EXPIRE $k abc",
    "EXPIRE $k 9223372036854775807",
    "EXPIRE $k 1 NX XX",
    "EXPIRE $k 1 GT LT",
    "EXPIRE $k 1 WHAT",
    "RENAME missing other",
    "RENAME $k",
    "COPY $k $k DB 99",
    "COPY $k $k WHAT",
    "MOVE $k 99",
    "MOVE $k abc",
    "SELECT 99",
    "SELECT abc",
    "SWAPDB 0 99",
    "SWAPDB a b",
    "OBJECT WHAT $k",
    "OBJECT ENCODING missing",
    "OBJECT ENCODING",
    "SCAN abc",
    "SCAN 0 COUNT 0",
    "SCAN 0 COUNT abc",
    "SCAN 0 WHAT",
    "SCAN 0 TYPE",
    "LCS $k $k LEN IDX",
    "LCS $k",
    "EXEC",
    "DISCARD",
    "UNWATCH",
    "WATCH",
    "AUTH wrong",
    "AUTH a b c",
    "HELLO 9",
    "HELLO abc",
    "CLIENT WHAT",
    "CLIENT KILL 1.2.3.4:5",
    "CLIENT KILL ID abc",
    "CLIENT SETNAME a b",
    "CLIENT REPLY WHAT",
    "CLIENT NO-EVICT what",
    "CONFIG WHAT",
    "CONFIG GET",
    "CONFIG SET nosuch 1",
    "CONFIG SET maxclients abc",
    "CONFIG SET port",
    "DEBUG WHAT",
    "FLUSHALL WHAT",
    "FLUSHDB WHAT",
    "SHUTDOWN WHAT",
    "REPLICAOF a",
    "REPLICAOF NO",
    "PUBLISH a",
    "PUBSUB WHAT",
    "SLOWLOG WHAT",
    "SLOWLOG GET abc",
    "LATENCY WHAT",
    "WAIT a b",
    "WAIT 1 -1",
    "ROLE x",
    "TIME x",
    "DBSIZE x",
    "ECHO",
    "PING a b",
    "TOUCH",
    "DEL",
    "EXISTS",
    "TYPE",
    "KEYS",
];

/// A command of a template.
pub fn expand(template: &str, rng: &mut Rng, now_ms: i64) -> Vec<Vec<u8>> {
    template.split(' ').map(|word| word_of(word, rng, now_ms)).collect()
}

/// A random command of a list.
pub fn command(list: &[&str], rng: &mut Rng, now_ms: i64) -> Vec<Vec<u8>> {
    let template = *rng.pick(list);
    expand(template, rng, now_ms)
}

fn word_of(word: &str, rng: &mut Rng, now_ms: i64) -> Vec<u8> {
    let later = |rng: &mut Rng| now_ms + 3_600_000 + rng.below(1_000_000_000) as i64;
    match word {
        "$k" => format!("k{}", rng.below(200)).into_bytes(),
        "$c" => format!("c:{}", rng.below(20)).into_bytes(),
        "$fl" => format!("f:{}", rng.below(20)).into_bytes(),
        "$v" => value(rng),
        "$n" => number(rng).to_string().into_bytes(),
        "$f" => format!("{}", (rng.below(20_001) as f64 - 10_000.0) / 64.0).into_bytes(),
        "$t" => (3_600 + rng.below(1_000_000)).to_string().into_bytes(),
        "$ms" => (3_600_000 + rng.below(1_000_000_000)).to_string().into_bytes(),
        "$at" => (later(rng) / 1000).to_string().into_bytes(),
        "$atms" => later(rng).to_string().into_bytes(),
        "$db" => rng.below(3).to_string().into_bytes(),
        _ => word.replace("$small", &rng.below(30).to_string()).into_bytes(),
    }
}

fn number(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => rng.below(10) as i64,
        1 => -(rng.below(1_000_000) as i64),
        _ => rng.below(1_000_000_000_000) as i64,
    }
}

fn value(rng: &mut Rng) -> Vec<u8> {
    match rng.below(10) {
        0 => Vec::new(),
        1 => number(rng).to_string().into_bytes(),
        2 => b"\x00\r\n\xff$*".to_vec(),
        3 => vec![b'a'; 20 + rng.below(300) as usize],
        4 if rng.one_in(50) => {
            let len = rng.below(100_000) as usize;
            rng.bytes(len)
        }
        _ => {
            let len = 1 + rng.below(60) as usize;
            rng.bytes(len)
        }
    }
}
