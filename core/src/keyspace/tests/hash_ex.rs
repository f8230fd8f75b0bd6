//! Fields that are written, read or removed together with their expiry.

use super::*;

const COUNT: &str = "-ERR numfields should be greater than 0 and match the provided number of fields";
const SYNTAX: &str = "-ERR syntax error";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Commands and their replies as Valkey 9.1 gives them, in order, on one keyspace; the clock stands at 1000 s.
const TALK: &[(&str, &str)] = &[
    ("HSETEX h FIELDS 1 a 1", ":1"),
    ("HSETEX h EX 100 FIELDS 2 a 1 b 2", ":1"),
    ("HSETEX h KEEPTTL FIELDS 2 a 3 c 4", ":1"),
    ("HPEXPIRETIME h FIELDS 3 a b c", "*3 :1100000 :1100000 :-1"),
    ("HMGET h a b c", "*3 $1 3 $1 2 $1 4"),
    ("HSETEX h FIELDS 1 a 5", ":1"),
    ("HPEXPIRETIME h FIELDS 2 a b", "*2 :-1 :1100000"),
    ("HSETEX h FNX FIELDS 2 a 9 d 9", ":0"),
    ("HSETEX h FNX FIELDS 2 d 9 e 9", ":1"),
    ("HSETEX h FXX EX 99 FIELDS 2 d 9 x 9", ":0"),
    ("HSETEX h FXX EX 99 FIELDS 2 d 8 e 8", ":1"),
    ("HMGET h a d e x", "*4 $1 5 $1 8 $1 8 $-1"),
    ("HSETEX h NX FIELDS 1 a 9", ":0"),
    ("HSETEX h XX FIELDS 1 a 9", ":1"),
    ("HSETEX h2 XX FIELDS 1 a 9", ":0"),
    ("HSETEX h2 NX FIELDS 1 a 9", ":1"),
    ("HSETEX h2 FNX NX FIELDS 1 b 9", ":0"),
    ("HSETEX h3 FXX FIELDS 1 a 9", ":0"),
    ("EXISTS h3", ":0"),
    ("HSETEX h PXAT 1 FIELDS 2 a 1 zz 2", ":1"),
    ("HMGET h a zz b", "*3 $-1 $-1 $1 2"),
    ("HSETEX h2 EX 0 FIELDS 1 a 1", ":1"),
    ("EXISTS h2", ":0"),
    ("HSETEX new PXAT 1 FIELDS 1 q 1", ":1"),
    ("EXISTS new", ":0"),
    ("HSETEX h EX 10 FIELDS 2 x 1 x 2", ":1"),
    ("HGET h x", "$1 2"),
    ("HTTL h FIELDS 1 x", "*1 :10"),
    ("HSETEX h EX -1 FIELDS 1 b 1", "-ERR invalid expire time in 'hsetex' command"),
    ("HSETEX h EX x FIELDS 1 b 1", NO_INTEGER),
    ("HSETEX h EX 9999999999999999 FIELDS 1 b 1", "-ERR invalid expire time in 'hsetex' command"),
    ("HSETEX h EX 10 EX 20 FIELDS 1 b 1", ":1"),
    ("HTTL h FIELDS 1 b", "*1 :20"),
    ("HSETEX h EX 10 PX 10 FIELDS 1 b 1", SYNTAX),
    ("HSETEX h EX 10 KEEPTTL FIELDS 1 b 1", SYNTAX),
    ("HSETEX h FNX FXX FIELDS 1 b 1", SYNTAX),
    ("HSETEX h NX XX FIELDS 1 b 1", SYNTAX),
    ("HSETEX h PERSIST FIELDS 1 b 1", SYNTAX),
    ("HSETEX h IFEQ x FIELDS 1 b 1", SYNTAX),
    ("HSETEX h EX FIELDS 1 b 1", SYNTAX),
    ("HSETEX h FIELDS 2 b 1", COUNT),
    ("HSETEX h FIELDS 0 b 1", COUNT),
    ("HSETEX h FIELDS -1 b 1", COUNT),
    ("HSETEX h FIELDS 9223372036854775807 b 1", COUNT),
    ("HSETEX h FIELDS x b 1", NO_INTEGER),
    ("HSETEX h FIELDS 1 b 1 c", COUNT),
    ("HSETEX h FIELDS 1 b 1 EX 10", COUNT),
    ("HSETEX h EX 10 FIELDS 1 b", COUNT),
    ("SET s v", "+OK"),
    ("HSETEX s FIELDS 1 a 1", WRONG_TYPE),
    ("HSETEX s EX x FIELDS 1 a 1", WRONG_TYPE),
    ("HSETEX s FIELDS x a 1", NO_INTEGER),
    ("DEL h", ":1"),
    ("HSET h a 1 b 2 c 3 d 4", ":4"),
    ("HGETEX h FIELDS 2 a x", "*2 $1 1 $-1"),
    ("HGETEX h EX 100 FIELDS 3 a x b", "*3 $1 1 $-1 $1 2"),
    ("HGETEX h PXAT 1050000 FIELDS 2 a a", "*2 $1 1 $1 1"),
    ("HPEXPIRETIME h FIELDS 3 a b c", "*3 :1050000 :1100000 :-1"),
    ("HGETEX h PERSIST FIELDS 3 a c x", "*3 $1 1 $1 3 $-1"),
    ("HPEXPIRETIME h FIELDS 2 a b", "*2 :-1 :1100000"),
    ("HGETEX h EX 0 FIELDS 1 a", "*1 $1 1"),
    ("HGETEX h PXAT 1 FIELDS 3 a x b", "*3 $-1 $-1 $1 2"),
    ("HGETEX h PXAT 1 FIELDS 2 c c", "*2 $1 3 $-1"),
    ("HGETEX h PXAT 1 FIELDS 1 d", "*1 $1 4"),
    ("EXISTS h", ":0"),
    ("HGETEX none EX 10 FIELDS 2 a b", "*2 $-1 $-1"),
    ("EXISTS none", ":0"),
    ("HGETEX h EX x FIELDS 1 a", NO_INTEGER),
    ("HGETEX h EX -1 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command"),
    ("HGETEX h KEEPTTL FIELDS 1 a", SYNTAX),
    ("HGETEX h EX 10 PERSIST FIELDS 1 a", SYNTAX),
    ("HGETEX h FNX FIELDS 1 a", SYNTAX),
    ("HGETEX h NX FIELDS 1 a", SYNTAX),
    ("HGETEX h FIELDS 2 a", COUNT),
    ("HGETEX h FIELDS 1 a b", COUNT),
    ("HGETEX h EX 10 FIELDS", COUNT),
    ("HGETEX s FIELDS 1 a", WRONG_TYPE),
    ("HGETEX s EX x FIELDS 1 a", WRONG_TYPE),
    ("HSET h a 1 b 2 c 3 d 4", ":4"),
    ("HGETDEL h FIELDS 2 a x", "*2 $1 1 $-1"),
    ("HGETDEL h FIELDS 2 b b", "*2 $1 2 $-1"),
    ("HGETDEL h FIELDS 1 x", "*1 $-1"),
    ("HGETDEL h FIELDS 2 a", COUNT),
    ("HGETDEL h FIELDS 0 a", COUNT),
    ("HGETDEL h FIELDS x a", NO_INTEGER),
    ("HGETDEL h FIELD 1 a", SYNTAX),
    ("HGETDEL h EX 1 FIELDS 1 a", SYNTAX),
    ("HGETDEL none FIELDS 2 a b", "*2 $-1 $-1"),
    ("HGETDEL s FIELDS 1 a", WRONG_TYPE),
    ("HGETDEL h FIELDS 2 c d", "*2 $1 3 $1 4"),
    ("EXISTS h", ":0"),
];

#[test]
fn as_valkey_answers() {
    let mut w = World::new();
    w.talk(TALK);
    super::laws::accounts(&w.ks);
}

#[test]
fn replicas_are_told_in_commands_that_they_know() {
    World::new().told(&[
        ("HSETEX h FIELDS 2 a 1 b 2", &["HSET h a 1 b 2"], 2),
        ("HSETEX h EX 10 FIELDS 2 a 1 c 3", &["HSET h a 1 c 3", "HPEXPIREAT h 1010000 FIELDS 2 a c"], 2),
        ("HSETEX h PX 7 FNX FIELDS 2 d 1 d 2", &["HSET h d 1 d 2", "HPEXPIREAT h 1000007 FIELDS 1 d"], 2),
        (
            "HSETEX h KEEPTTL FIELDS 4 a 1 b 1 c 1 d 1",
            &["HSET h a 1 b 1 c 1 d 1", "HPEXPIREAT h 1000007 FIELDS 1 d", "HPEXPIREAT h 1010000 FIELDS 2 a c"],
            4,
        ),
        ("HSETEX h KEEPTTL FIELDS 1 b 1", &["HSET h b 1"], 1),
        ("HSETEX h FNX FIELDS 1 a 1", &[], 0),
        ("HSETEX h PXAT 1 FIELDS 2 a 1 x 2", &["HDEL h a"], 1),
        ("HSETEX h PXAT 1 FIELDS 1 x 2", &[], 0),
        ("HGETEX h FIELDS 1 b", &[], 0),
        ("HGETEX h EX 20 FIELDS 3 b x b", &["HPEXPIREAT h 1020000 FIELDS 1 b"], 1),
        ("HGETEX h PERSIST FIELDS 2 b x", &["HPERSIST h FIELDS 1 b"], 1),
        ("HGETEX h PERSIST FIELDS 1 b", &[], 0),
        ("HGETEX h PXAT 1 FIELDS 1 b", &["HDEL h b"], 1),
        ("HGETDEL h FIELDS 3 c x d", &["HDEL h c d"], 2),
        ("HGETDEL h FIELDS 1 c", &[], 0),
    ]);
}

#[test]
fn fields_that_have_expired_are_not_there() {
    let mut w = World::new();
    w.say("HSETEX h PX 5 FIELDS 3 a 1 b 1 c 1");
    w.say("HSET h z 1");
    w.effects();
    w.ms += 6;
    assert_eq!(w.say("HSETEX h FXX FIELDS 1 a 2"), ":0\r\n");
    assert_eq!(w.effects(), ["HDEL h a"]);
    assert_eq!(w.say("HSETEX h KEEPTTL FNX FIELDS 1 b 2"), ":1\r\n");
    assert_eq!(w.effects(), ["HDEL h b", "HSET h b 2"]);
    assert_eq!(w.say("HGETDEL h FIELDS 1 c"), "*1\r\n$-1\r\n");
    assert_eq!(w.effects(), ["HDEL h c"]);
}

#[test]
fn a_masters_word_is_taken() {
    let mut w = World::new();
    (w.origin, w.may_expire) = (Origin::Upstream, false);
    w.say("HSETEX h PXAT 999999 FIELDS 2 a 1 b 1");
    assert_eq!(w.say("HPEXPIRETIME h FIELDS 1 a"), "*1\r\n:999999\r\n", "it is deleted when the master says so");
    // For the master the field had expired.
    assert_eq!(w.say("HSETEX h FNX FIELDS 1 a 2"), ":1\r\n");
    assert_eq!(w.say("HGET h a"), "$1\r\n2\r\n");
    // Valkey has no latest time.
    assert_eq!(w.say("HSETEX h PXAT 9223372036854775807 FIELDS 1 a 3"), ":1\r\n");
    assert_eq!(w.say("HPEXPIREAT h 9223372036854775806 FIELDS 1 b"), "*1\r\n:1\r\n");
    assert_eq!(w.say("HPEXPIRETIME h FIELDS 2 a b"), "*2\r\n:9223372036854775807\r\n:9223372036854775806\r\n");
    assert_eq!(w.say("HGETDEL h FIELDS 2 a b"), "*2\r\n$1\r\n3\r\n$1\r\n1\r\n");
    assert_eq!(w.say("EXISTS h"), ":0\r\n");
    super::laws::accounts(&w.ks);
}

#[test]
fn watchers_hear_of_values_and_times() {
    use crate::dataset::Classes;
    let mut w = World::new();
    w.fx = Effects::telling(Classes(u32::MAX));
    for (line, want) in [
        ("HSETEX h EX 10 FIELDS 2 a 1 b 1", &["new", "hset", "hexpire"][..]),
        ("HSETEX h KEEPTTL FIELDS 1 a 1", &["hset"]),
        ("HGETEX h EX 10 FIELDS 1 a", &["hexpire"]),
        ("HGETEX h PERSIST FIELDS 1 a", &["hpersist"]),
        ("HGETDEL h FIELDS 1 a", &["hdel"]),
        ("HSETEX h PXAT 1 FIELDS 1 b 1", &["hdel", "del"]),
    ] {
        w.say(line);
        let events: Vec<&str> = w.fx.take_events().iter().map(|event| event.event).collect();
        assert_eq!(events, want, "{line}");
    }
}
