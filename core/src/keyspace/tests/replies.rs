//! What clients read, as redis-server 7 answers it.

use super::*;

/// Commands and their replies, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("SET k v EX", "-ERR syntax error"),
    ("SET k v EX 0", "-ERR invalid expire time in 'set' command"),
    ("SET k v EX abc", "-ERR value is not an integer or out of range"),
    ("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
    ("SET k v NX XX", "-ERR syntax error"),
    ("SET k v EX 1 PX 1", "-ERR syntax error"),
    ("SET k v KEEPTTL EX 1", "-ERR syntax error"),
    ("SET k v XX", "$-1"),
    ("SET k v NX GET", "$-1"),
    ("SET k w NX GET", "$1 v"),
    ("SET k w EX 100", "+OK"),
    ("TTL k", ":100"),
    ("SET k x KEEPTTL GET", "$1 w"),
    ("PTTL k", ":100000"),
    ("EXPIRETIME k", ":1100"),
    ("PEXPIRETIME k", ":1100000"),
    ("SET k x", "+OK"),
    ("TTL k", ":-1"),
    ("TTL none", ":-2"),
    ("SETEX k 0 v", "-ERR invalid expire time in 'setex' command"),
    ("PSETEX k x v", "-ERR value is not an integer or out of range"),
    ("GETEX k FOO", "-ERR syntax error"),
    ("GETEX k EX 10 PERSIST", "-ERR syntax error"),
    ("GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
    ("GETEX none EX abc", "$-1"),
    ("INCR k", "-ERR value is not an integer or out of range"),
    ("INCR n", ":1"),
    ("DECRBY n 3", ":-2"),
    ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
    ("INCRBY n -9223372036854775807", "-ERR increment or decrement would overflow"),
    ("INCRBYFLOAT k 1", "-ERR value is not a valid float"),
    ("INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity"),
    ("INCRBYFLOAT n 2.55", "$4 0.55"),
    ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
    ("MSET a 1 b 2", "+OK"),
    ("MSETNX b 3 c 3", ":0"),
    ("MGET a b c", "*3 $1 1 $1 2 $-1"),
    ("APPEND a 23", ":3"),
    ("OBJECT ENCODING a", "$3 raw"),
    ("OBJECT ENCODING b", "$3 int"),
    ("OBJECT REFCOUNT b", ":2147483647"),
    ("OBJECT ENCODING none", "$-1"),
    ("OBJECT FOO b", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
    ("STRLEN a", ":3"),
    ("GETRANGE a -2 -1", "$2 23"),
    ("GETRANGE a 2 1", "$0 "),
    ("GETRANGE a x 1", "-ERR value is not an integer or out of range"),
    ("SETRANGE a -1 x", "-ERR offset is out of range"),
    ("SETRANGE a 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
    ("SETRANGE a 1 xyz", ":4"),
    ("GET a", "$4 1xyz"),
    ("EXPIRE a 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
    ("EXPIRE a 10 GT LT", "-ERR GT and LT options at the same time are not compatible"),
    ("EXPIRE a 10 FOO", "-ERR Unsupported option FOO"),
    ("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
    ("EXPIRE a 10 GT", ":0"),
    ("EXPIRE a 10 LT", ":1"),
    ("EXPIRE a 20 NX", ":0"),
    ("EXPIRE a 20 XX GT", ":1"),
    ("PERSIST a", ":1"),
    ("PERSIST a", ":0"),
    ("EXPIRE a -1", ":1"),
    ("EXISTS a b b", ":2"),
    ("COPY b b", "-ERR source and destination objects are the same"),
    ("COPY b c DB 99", "-ERR DB index is out of range"),
    ("COPY b c DB x", "-ERR value is not an integer or out of range"),
    ("COPY b c", ":1"),
    ("COPY b c", ":0"),
    ("MOVE b 0", "-ERR source and destination objects are the same"),
    ("MOVE b 1", ":1"),
    ("MOVE b 1", ":0"),
    ("RENAME none x", "-ERR no such key"),
    ("RENAMENX c k", ":0"),
    ("RENAME c d", "+OK"),
    ("TYPE d", "+string"),
    ("TYPE none", "+none"),
    ("SCAN x", "-ERR invalid cursor"),
    ("SCAN 0 COUNT 0", "-ERR syntax error"),
    ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
    ("SCAN 0 FOO", "-ERR syntax error"),
    ("SCAN 0 MATCH d* COUNT 100", "*2 $1 0 *1 $1 d"),
    ("SCAN 0 TYPE list", "*2 $1 0 *0"),
    ("KEYS [a-d]", "*1 $1 d"),
    ("MSET x ohmytext y mynewtext", "+OK"),
    ("LCS x y", "$6 mytext"),
    ("LCS x y LEN", ":6"),
    ("LCS x y LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."),
    ("LCS x y IDX MINMATCHLEN 4 WITHMATCHLEN", "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"),
    ("GETSET x 1", "$8 ohmytext"),
    ("GETDEL x", "$1 1"),
    ("UNLINK x y none", ":1"),
    ("DBSIZE", ":3"),
];

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, want.trim_end(), "{line}");
    }
}

#[test]
fn what_changed_nothing_propagates_nothing() {
    let mut w = World::new();
    for line in [
        "GET k",
        "DEL k",
        "SET k v XX",
        "GETDEL k",
        "PERSIST k",
        "EXPIRE k 10",
        "RENAME k j",
        "COPY k j",
        "MOVE k 1",
        "INCRBY k x",
        "SETRANGE k 3 ",
        "TOUCH k",
        "GETEX k EX 5",
        "LCS k j",
        "SCAN 0",
        "KEYS *",
        "RANDOMKEY",
    ] {
        w.say(line);
        assert!(w.fx.is_empty() && w.fx.dirty == 0, "{line}");
    }
}

#[test]
fn effects_are_absolute() {
    let mut w = World::new();
    let table: &[(&str, &[&str])] = &[
        ("SET k v EX 5", &["SET k v PXAT 1005000"]),
        ("SET k v PXAT 1009000", &["itself"]),
        ("SET k v XX GET", &["SET k v XX"]),
        ("SETEX k 5 v", &["SET k v PXAT 1005000"]),
        ("GETEX k PX 7", &["PEXPIREAT k 1000007"]),
        ("GETEX k PERSIST", &["PERSIST k"]),
        ("GETEX k PERSIST", &[]),
        ("EXPIRE k 9", &["PEXPIREAT k 1009000"]),
        ("INCRBYFLOAT f 1.5", &["SET f 1.5 KEEPTTL"]),
        ("GETSET k w", &["SET k w"]),
        ("EXPIREAT k 1", &["DEL k"]),
        ("GETDEL f", &["DEL f"]),
    ];
    for (line, want) in table {
        w.say(line);
        assert_eq!(w.effects(), *want, "{line}");
    }
    w.fx.dirty = 0;
    w.say("MSET a 1 b 2 c 3");
    w.say("DEL a b none");
    assert_eq!(w.fx.dirty, 5);
}

#[test]
fn every_command_has_its_function_and_a_sound_description() {
    let w = World::new();
    let specs = w.ks.commands();
    assert_eq!(specs.len(), super::super::commands::RUN.len());
    for s in specs {
        assert!(s.arity != 0 && s.name == s.name.to_lowercase() && s.summary.ends_with('.'), "{}", s.name);
        assert_eq!(s.keys.first == 0, s.keys.step == 0, "{}", s.name);
        assert_eq!(specs.iter().filter(|other| other.name == s.name).count(), 1, "{}", s.name);
    }
}
