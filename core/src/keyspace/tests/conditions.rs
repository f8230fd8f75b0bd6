//! Strings that are set or deleted if something holds, one or several at once.

use super::*;

const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NUMKEYS: &str = "-ERR invalid numkeys value or out of range";
const NO_DIGEST: &str = "-ERR must be exactly 16 hexadecimal characters";
const EXPIRE: &str = "-ERR invalid expire time in 'msetex' command";

/// Commands and their replies as Valkey 9.1 gives them, IFNE and DELEX as Redis 8.4 is described; the clock stands at 1000 s.
const TALK: &[(&str, &str)] = &[
    ("MSETEX 1 a b PXAT 1500000", ":1"),
    ("PEXPIRETIME a", ":1500000"),
    ("MSETEX 2 a b c d", ":1"),
    ("PEXPIRETIME a", ":-1"),
    ("MSETEX 2 a b c d EX 100", ":1"),
    ("MSETEX 2 a 1 c 2 KEEPTTL", ":1"),
    ("MGET a c", "*2 $1 1 $1 2"),
    ("PEXPIRETIME c", ":1100000"),
    ("MSETEX 2 a b n d NX", ":0"),
    ("EXISTS n", ":0"),
    ("MSETEX 2 m b n d NX EX 10", ":1"),
    ("MSETEX 2 m b nn d XX", ":0"),
    ("MSETEX 2 m x n d XX PX 100000", ":1"),
    ("PTTL m", ":100000"),
    ("MSETEX 1 m b XX NX", SYNTAX),
    ("MSETEX 1 m b EX 10 PX 10", SYNTAX),
    ("MSETEX 1 m b EX 10 EX 20", ":1"),
    ("TTL m", ":20"),
    ("MSETEX 1 m b EX 10 KEEPTTL", SYNTAX),
    ("MSETEX 1 m b KEEPTTL KEEPTTL", ":1"),
    ("MSETEX 1 m b EX 0", EXPIRE),
    ("MSETEX 1 m b EX -1", EXPIRE),
    ("MSETEX 1 m b EX x", "-ERR value is not an integer or out of range"),
    ("MSETEX 1 m b EX", SYNTAX),
    ("MSETEX 1 m b EX 9999999999999999", EXPIRE),
    ("MSETEX 1 m b PXAT 1", ":1"),
    ("EXISTS m", ":0"),
    ("MSETEX 1 m b FOO", SYNTAX),
    ("MSETEX 1 m b GET", SYNTAX),
    ("MSETEX 1 m b IFEQ x", SYNTAX),
    ("MSETEX 1 m b PERSIST", SYNTAX),
    ("MSETEX 0 a b", NUMKEYS),
    ("MSETEX -1 a b", NUMKEYS),
    ("MSETEX x a b", NUMKEYS),
    ("MSETEX 9223372036854775807 a b", NUMKEYS),
    ("MSETEX 2 a b c", SYNTAX),
    ("MSETEX 2 q 1 q 2 NX", ":1"),
    ("GET q", "$1 2"),
    ("LPUSH l x", ":1"),
    ("MSETEX 2 l 1 q 2 XX", ":1"),
    ("GET l", "$1 1"),
    ("SET k v", "+OK"),
    ("SET k w IFEQ x", "$-1"),
    ("SET k w IFEQ v", "+OK"),
    ("SET k w2 IFEQ w GET", "$1 w"),
    ("SET k w3 IFEQ nope GET", "$2 w2"),
    ("SET k w4 IFEQ w2 EX 100", "+OK"),
    ("SET k w5 IFEQ w4 KEEPTTL", "+OK"),
    ("TTL k", ":100"),
    ("SET none w IFEQ x", "$-1"),
    ("SET none w IFEQ x GET", "$-1"),
    ("EXISTS none", ":0"),
    ("SET k w IFEQ w5 NX", SYNTAX),
    ("SET k w NX IFEQ w5", SYNTAX),
    ("SET k w IFEQ w5 XX", SYNTAX),
    ("SET k w IFEQ", SYNTAX),
    ("SET k w IFEQ a IFEQ w5", SYNTAX),
    ("SET k w IFDEQ zz", NO_DIGEST),
    ("SET k w IFDNE zz GET", NO_DIGEST),
    ("SET none w IFDEQ zz", "$-1"),
    ("SET none w IFDNE zz", "+OK"),
    ("DEL none", ":1"),
    ("GETEX k IFEQ x", SYNTAX),
    ("SET k w6 IFNE w5", "$-1"),
    ("SET k w6 IFNE w4", "+OK"),
    ("SET k w7 IFNE w6 GET", "$2 w6"),
    ("GET k", "$2 w6"),
    ("SET fresh v IFNE x GET", "$-1"),
    ("GET fresh", "$1 v"),
    ("SADD st 1", ":1"),
    ("SET st w IFEQ x", WRONG_TYPE),
    ("SET st w IFNE x GET", WRONG_TYPE),
    ("SET n 12", "+OK"),
    ("SET n 13 IFEQ 12", "+OK"),
    ("SET n 14 IFEQ +13", "$-1"),
    ("DELIFEQ n 12", ":0"),
    ("DELIFEQ n 13", ":1"),
    ("DELIFEQ n 13", ":0"),
    ("DELIFEQ st v", WRONG_TYPE),
    ("DELEX k IFEQ x", ":0"),
    ("DELEX k IFNE w6", ":0"),
    ("DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command"),
    ("DELEX k FOO x", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
    ("DELEX k IFDEQ x", NO_DIGEST),
    ("DELEX k IFDNE 00001111222233334", NO_DIGEST),
    ("DELEX none IFDEQ x", ":0"),
    ("DELEX st IFDEQ x", "-ERR Key should be of string type if conditions are specified"),
    ("SET st w IFDNE x", WRONG_TYPE),
    ("DELEX k IFNE x", ":1"),
    ("DELEX k IFNE x", ":0"),
    ("DELEX st IFEQ x", "-ERR Key should be of string type if conditions are specified"),
    ("DELEX st", ":1"),
    ("DELEX st", ":0"),
];

#[test]
fn as_servers_answer() {
    let mut w = World::new();
    w.talk(TALK);
    super::laws::accounts(&w.ks);
}

#[test]
fn digests_are_those_of_redis() {
    // The second one is of Redis's own tests: it begins with zeros.
    let long = "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
    let mut w = World::new();
    assert_eq!(w.run(0, &["SET", "a", "Hello world"]), b"+OK\r\n");
    w.talk(&[
        ("DIGEST a", "$16 b6acb9d84a38ff74"),
        (&std::format!("SET b {long}"), "+OK"),
        ("DIGEST b", "$16 00006c38adf31777"),
        ("DIGEST none", "$-1"),
        ("SADD s 1", ":1"),
        ("DIGEST s", WRONG_TYPE),
        ("SET a x IFDEQ 00006c38adf31777", "$-1"),
        ("SET a x IFDNE B6ACB9D84A38FF74", "$-1"),
        ("SET a x IFDEQ xyzxyzxyzxyzxyzx", "$-1"),
        ("SET b x IFDNE b6acb9d84a38ff74", "+OK"),
        ("DELEX a IFDEQ 00006c38adf31777", ":0"),
        ("DELEX a IFDNE b6acb9d84a38ff74", ":0"),
        ("SET a 12 IFDEQ B6ACB9D84A38FF74 EX 10", "+OK"),
        ("GET a", "$2 12"),
        ("DELEX b IFDNE b6acb9d84a38ff74", ":1"),
        ("SET e ", "+OK"),
        ("DIGEST e", "$16 2d06800538d394c2"),
        ("DELEX e IFDEQ 2D06800538D394C2", ":1"),
    ]);
}

#[test]
fn a_digest_goes_over_the_pieces_of_a_long_string() {
    let mut w = World::new();
    let long = "0123456789".repeat(30_000);
    w.say(&std::format!("SET k {long}"));
    let want = std::format!("$16 {:016x}", xxhash_rust::xxh3::xxh3_64(long.as_bytes()));
    assert_eq!(w.answer("DIGEST k"), want);
}

#[test]
fn replicas_are_told_what_to_do_and_not_when() {
    World::new().told(&[
        ("MSETEX 2 a 1 b 2 NX", &["MSET a 1 b 2"], 2),
        ("MSETEX 2 a 1 b 2 EX 5", &["SET a 1 PXAT 1005000", "SET b 2 PXAT 1005000"], 2),
        ("MSETEX 2 a 3 c 2 KEEPTTL", &["SET a 3 KEEPTTL", "SET c 2 KEEPTTL"], 2),
        ("MSETEX 2 a 3 d 2 XX", &[], 0),
        ("SET a 4 IFEQ 3 KEEPTTL", &["SET a 4 KEEPTTL"], 1),
        ("SET a 5 IFEQ 4 GET EX 7", &["SET a 5 PXAT 1007000"], 1),
        ("SET a 6 IFNE 4 PXAT 1009000", &["SET a 6 PXAT 1009000"], 1),
        ("SET a 7 IFNE 4 GET", &["SET a 7"], 1),
        ("SET a 7 IFEQ 4 GET", &[], 0),
        ("SET a 7 IFDNE 0123456789abcdef KEEPTTL", &["SET a 7 KEEPTTL"], 1),
        ("DELIFEQ a 6", &[], 0),
        ("DELIFEQ a 7", &["DEL a"], 1),
        ("DELEX b IFDEQ 0123456789abcdef", &[], 0),
        ("DELEX b IFNE 7", &["DEL b"], 1),
        ("DELEX c", &["DEL c"], 1),
    ]);
}

#[test]
fn a_masters_word_is_taken() {
    let mut w = World::new();
    (w.origin, w.may_expire) = (Origin::Upstream, false);
    assert_eq!(w.say("SET k v IFDEQ 0123456789abcdef"), "+OK\r\n");
    assert_eq!(w.say("SET k w IFEQ x"), "+OK\r\n");
    assert_eq!(w.say("MSETEX 2 k a j b PXAT 1"), ":1\r\n");
    assert_eq!(w.say("MSETEX 2 k c j d KEEPTTL"), ":1\r\n");
    assert_eq!(w.say("PEXPIRETIME j"), ":1\r\n", "they are deleted when the master says so");
    assert_eq!(w.say("DELEX k IFDNE 0123456789abcdef"), ":1\r\n");
}

#[test]
fn long_strings_are_compared_whole() {
    let mut w = World::new();
    let (long, other) = ("x".repeat(300_000), "x".repeat(299_999) + "y");
    w.say(&std::format!("SET k {long}"));
    assert_eq!(w.say(&std::format!("SET k v IFEQ {other}")), "$-1\r\n");
    assert_eq!(w.say(&std::format!("SET k {other} IFEQ {long}")), "+OK\r\n");
    assert_eq!(w.say(&std::format!("DELIFEQ k {long}")), ":0\r\n");
    assert_eq!(w.say(&std::format!("DELIFEQ k {other}")), ":1\r\n");
}

#[test]
fn keys_of_msetex_stand_apart() {
    let w = World::new();
    let spec = w.ks.commands().iter().find(|spec| spec.name == "msetex").expect("it is there");
    let keys = |line: &str| {
        let command = Command::new(&line.split(' ').collect::<Vec<_>>());
        spec.keys.keys(command.args()).map(|keys| keys.concat())
    };
    assert_eq!(keys("MSETEX 2 a 1 b 2 EX 9"), Some(b"ab".to_vec()));
    assert_eq!(keys("MSETEX 2 a 1 b"), None);
    assert_eq!(keys("MSETEX 0 a 1"), None);
}
