//! HyperLogLogs: replies and bytes as redis-server 7 has them.

use super::*;

/// Commands and their replies, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("PFADD h a b c", ":1"),
    ("PFADD h a b", ":0"),
    ("PFCOUNT h", ":3"),
    ("PFADD new", ":1"),
    ("PFADD new", ":0"),
    ("PFCOUNT new", ":0"),
    ("STRLEN new", ":18"),
    ("OBJECT ENCODING new", "$3 raw"),
    ("PFCOUNT none", ":0"),
    ("PFADD i b c d e", ":1"),
    ("PFCOUNT h i none", ":5"),
    ("PFMERGE m h i", "+OK"),
    ("PFCOUNT m", ":5"),
    ("PFDEBUG ENCODING m", "+sparse"),
    ("PFDEBUG DECODE new", "$7 Z:16384"),
    ("PFDEBUG TODENSE m", ":1"),
    ("PFDEBUG TODENSE m", ":0"),
    ("PFDEBUG ENCODING m", "+dense"),
    ("PFDEBUG DECODE m", "-ERR HLL encoding is not sparse"),
    ("PFDEBUG FOO m", "-ERR Unknown PFDEBUG subcommand 'FOO'"),
    ("PFDEBUG FOO none", "-ERR The specified key does not exist"),
    ("PFCOUNT m", ":5"),
    ("PFMERGE h m", "+OK"),
    ("PFDEBUG ENCODING h", "+dense"),
    ("SET s foobar", "+OK"),
    ("PFADD s a", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
    ("PFCOUNT s", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
    ("PFCOUNT h s", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
    ("PFMERGE h s", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
    ("PFSELFTEST", "+OK"),
];

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, want.trim_end(), "{line}");
    }
    w.run(0, &[b"SET", &b"c"[..], b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\0"]);
    for line in ["PFADD c a", "PFCOUNT c", "PFCOUNT c h", "PFMERGE h c", "PFDEBUG TODENSE c"] {
        assert_eq!(w.say(line), "-INVALIDOBJ Corrupted HLL object detected\r\n", "{line}");
    }
}

#[test]
fn bytes_are_those_of_redis() {
    // Taken from a redis-server 7.0 after the same commands.
    let mut w = World::new();
    let hex = |d: [u8; 20]| d.iter().map(|b| std::format!("{b:02x}")).collect::<Vec<_>>().concat();
    let add = |w: &mut World, n: u32| {
        let numbers: Vec<String> = (0..n).map(|n| std::format!("{n}")).collect();
        let line: Vec<&str> = ["PFADD", "h"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
        w.run(0, &line);
    };
    add(&mut w, 200);
    assert_eq!(hex(w.ks.digest_value(0, b"h")), "7f1d94bfe28f9456831207afd8a36d0bb442e482");
    assert_eq!((w.say("PFCOUNT h"), w.say("STRLEN h")), (":201\r\n".into(), ":507\r\n".into()));
    assert_eq!(hex(w.ks.digest_value(0, b"h")), "a173fe34f17abbdf6c2fb98aba54ecc9ef1587dd", "with the count in it");
    add(&mut w, 3000);
    assert_eq!((w.say("PFCOUNT h"), w.say("STRLEN h")), (":3004\r\n".into(), ":12304\r\n".into()));
    assert_eq!(hex(w.ks.digest_value(0, b"h")), "b831cb2b37a96095fb5e49b3c5455aa71f1a78b9");
}

#[test]
fn a_limit_makes_it_dense_and_the_expiry_stays() {
    let mut w = World::new();
    w.ks.limits.hll_sparse = 21;
    w.say("PFADD h a");
    w.say("EXPIRE h 100");
    assert_eq!(w.say("PFDEBUG ENCODING h"), "+sparse\r\n");
    w.say("PFADD h b");
    assert_eq!((w.say("PFDEBUG ENCODING h"), w.say("TTL h")), ("+dense\r\n".into(), ":100\r\n".into()));
    assert_eq!(w.say("PFCOUNT h"), ":2\r\n");
}

#[test]
fn a_count_that_is_kept_is_a_change() {
    let mut w = World::new();
    for (line, dirty) in [
        ("PFADD h a b c", 4),
        ("PFADD h a", 0),
        ("PFCOUNT h", 1),
        ("PFCOUNT h", 0),
        ("PFCOUNT h none", 0),
        ("PFMERGE h", 1),
        ("PFDEBUG ENCODING h", 0),
        ("PFDEBUG GETREG h", 1),
        ("PFDEBUG GETREG h", 0),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        assert_eq!((w.fx.dirty, w.effects().len()), (dirty, usize::from(dirty > 0)), "{line}");
    }
    // A replica's client leaves the value as its master sent it.
    (w.may_expire, w.origin) = (false, Origin::Client);
    let before = w.run(0, &["GET", "h"]);
    assert_eq!((w.say("PFCOUNT h"), w.effects().len()), (":3\r\n".into(), 0));
    assert_eq!(w.run(0, &["GET", "h"]), before);
    w.origin = Origin::Upstream;
    w.say("PFCOUNT h");
    assert_ne!(w.run(0, &["GET", "h"]), before);
}
