//! Bits and bit fields: replies as redis-server 7 gives them, long strings against a plain vector.

use super::*;
use quickcheck::QuickCheck;

/// Commands and their replies, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("SETBIT b 7 1", ":0"),
    ("SETBIT b 7 1", ":1"),
    ("SETBIT b 7 2", "-ERR bit is not an integer or out of range"),
    ("SETBIT b -1 1", "-ERR bit offset is not an integer or out of range"),
    ("SETBIT b 4294967296 1", "-ERR bit offset is not an integer or out of range"),
    ("SETBIT b x x", "-ERR bit offset is not an integer or out of range"),
    ("GETBIT b 7", ":1"),
    ("GETBIT b 4294967295", ":0"),
    ("GETBIT none 0", ":0"),
    ("GETBIT b 4294967296", "-ERR bit offset is not an integer or out of range"),
    ("SETBIT b 15 0", ":0"),
    ("STRLEN b", ":2"),
    ("OBJECT ENCODING b", "$3 raw"),
    ("SET s foobar", "+OK"),
    ("BITCOUNT s", ":26"),
    ("BITCOUNT s 0 0", ":4"),
    ("BITCOUNT s 1 1 BYTE", ":6"),
    ("BITCOUNT s 5 30 bit", ":17"),
    ("BITCOUNT s -4 -5", ":0"),
    ("BITCOUNT s -5 -4", ":12"),
    ("BITCOUNT s -100 -101", ":0"),
    ("BITCOUNT s 1 x", "-ERR value is not an integer or out of range"),
    ("BITCOUNT s 1 2 foo", "-ERR syntax error"),
    ("BITCOUNT s 1", "-ERR syntax error"),
    ("BITCOUNT none 1", "-ERR syntax error"),
    ("BITCOUNT none", ":0"),
    ("BITPOS s 1", ":1"),
    ("BITPOS s 0", ":0"),
    ("BITPOS s 1 2", ":17"),
    ("BITPOS s 1 -1 -1", ":41"),
    ("BITPOS s 0 9 12 BIT", ":11"),
    ("BITPOS s 1 -4 -5", ":-1"),
    ("BITPOS s 2", "-ERR The bit argument must be 1 or 0."),
    ("BITPOS s x", "-ERR value is not an integer or out of range"),
    ("BITPOS s 0 0 1 foo", "-ERR syntax error"),
    ("BITPOS none 0", ":0"),
    ("BITPOS none 1", ":-1"),
    ("BITFIELD f SET u8 0 255", "*1 :0"),
    ("BITPOS f 0", ":8"),
    ("BITPOS f 0 0", ":8"),
    ("BITPOS f 0 0 -1", ":-1"),
    ("BITPOS f 0 5", ":-1"),
    ("SET e ", "+OK"),
    ("BITPOS e 0", ":-1"),
    ("BITOP AND d s none", ":6"),
    ("BITCOUNT d", ":0"),
    ("BITOP not d s", ":6"),
    ("BITCOUNT d", ":22"),
    ("OBJECT ENCODING d", "$3 raw"),
    ("BITOP NOT d s s", "-ERR BITOP NOT must be called with a single source key."),
    ("BITOP FOO d s", "-ERR syntax error"),
    ("BITOP XOR d s s f", ":6"),
    ("BITCOUNT d", ":8"),
    ("BITOP DIFF d s", "-ERR BITOP DIFF must be called with at least two source keys."),
    ("BITOP diff1 d s", "-ERR BITOP DIFF1 must be called with at least two source keys."),
    ("BITOP ANDOR d s", "-ERR BITOP ANDOR must be called with at least two source keys."),
    ("BITOP ONE d s", ":6"),
    ("GET d", "$6 foobar"),
    ("BITOP DIFF d none s", ":6"),
    ("BITCOUNT d", ":0"),
    ("BITOP DIFF1 d none s", ":6"),
    ("GET d", "$6 foobar"),
    ("BITOP ANDOR d s none s", ":6"),
    ("GET d", "$6 foobar"),
    ("BITOP ONE d s s", ":6"),
    ("BITCOUNT d", ":0"),
    ("BITOP OR d none e", ":0"),
    ("EXISTS d", ":0"),
    ("BITFIELD g SET i8 0 -1 GET u8 0 INCRBY u4 #1 1 GET i8 0", "*4 :0 :255 :0 :-16"),
    ("BITFIELD g OVERFLOW SAT INCRBY u8 0 300 INCRBY i8 0 -500 OVERFLOW FAIL INCRBY i8 0 -500", "*3 :255 :-128 $-1"),
    ("BITFIELD g SET u64 0 1", TYPE_ERROR),
    ("BITFIELD g GET i65 0", TYPE_ERROR),
    ("BITFIELD g GET I8 0", TYPE_ERROR),
    ("BITFIELD g GET i8 -1", "-ERR bit offset is not an integer or out of range"),
    ("BITFIELD g GET i8 #999999999999999999", "-ERR bit offset is not an integer or out of range"),
    ("BITFIELD g OVERFLOW FOO", "-ERR Invalid OVERFLOW type specified"),
    ("BITFIELD g SET i8 0 x", "-ERR value is not an integer or out of range"),
    ("BITFIELD g GET i8", "-ERR syntax error"),
    ("BITFIELD g", "*0"),
    ("BITFIELD_RO g GET u8 0", "*1 :128"),
    ("BITFIELD_RO g SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
    ("BITFIELD none GET i64 100", "*1 :0"),
    ("EXISTS none", ":0"),
    ("BITFIELD o OVERFLOW FAIL INCRBY u8 8 256", "*1 $-1"),
    ("STRLEN o", ":2"),
];
const TYPE_ERROR: &str =
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, want.trim_end(), "{line}");
    }
}

#[test]
fn only_what_changed_something_propagates() {
    let mut w = World::new();
    for (line, dirty) in [
        ("GETBIT k 1", 0),
        ("BITFIELD k GET u8 0", 0),
        ("BITOP OR k none none", 0),
        ("SETBIT k 9 0", 1),
        ("SETBIT k 9 0", 0),
        ("SETBIT k 9 1", 1),
        ("BITFIELD k SET u8 8 64", 0),
        ("BITFIELD k SET u8 8 65 INCRBY u8 8 1 GET u8 8", 2),
        ("BITFIELD k OVERFLOW FAIL INCRBY u2 0 9", 0),
        // Longer though nothing was stored: replicas have to see it.
        ("BITFIELD k OVERFLOW FAIL INCRBY u2 30 9", 1),
        ("BITOP OR d k", 1),
        ("BITOP OR d none", 1),
        ("BITOP OR d none", 0),
        ("BITCOUNT k", 0),
        ("BITPOS k 1", 0),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        let effects = w.effects();
        assert_eq!((w.fx.dirty, effects.len()), (dirty, usize::from(dirty > 0)), "{line}");
        assert!(effects.iter().all(|effect| effect == "itself"));
    }
}

#[test]
fn replicas_are_told_what_later_operations_gave() {
    World::new().told(&[
        ("SET a ab", &["itself"], 1),
        ("SET b a", &["itself"], 1),
        ("BITOP DIFF d a b", &["SET d \0b"], 1),
        ("BITOP DIFF1 d b a", &["SET d \0b"], 1),
        ("BITOP ANDOR d a b none", &["SET d a\0"], 1),
        ("BITOP ONE d a b", &["SET d \0b"], 1),
        ("BITOP ONE d none", &["DEL d"], 1),
        ("BITOP ONE d none", &[], 0),
    ]);
}

#[test]
fn a_bit_keeps_the_expiry_and_an_operation_drops_it() {
    let mut w = World::new();
    w.say("SET k v EX 100");
    w.say("SETBIT k 1 0");
    assert_eq!(w.say("TTL k"), ":100\r\n");
    w.say("BITOP NOT k k");
    assert_eq!(w.say("TTL k"), ":-1\r\n");
}

#[test]
fn long_strings() {
    QuickCheck::new().tests(15).quickcheck(as_a_plain_vector as fn(Vec<(u32, bool)>, u32, u32) -> bool);
}

fn as_a_plain_vector(writes: Vec<(u32, bool)>, from: u32, len: u32) -> bool {
    const BITS: u32 = 3 * 64 * 1024 * 8;
    let mut w = World::new();
    let mut model: Vec<u8> = Vec::new();
    for (at, bit) in writes {
        let at = at % BITS;
        w.say(&std::format!("SETBIT k {at} {}", u8::from(bit)));
        model.resize(model.len().max(at as usize / 8 + 1), 0);
        model[at as usize / 8] &= !(0x80 >> (at % 8));
        model[at as usize / 8] |= u8::from(bit) << (7 - at % 8);
        assert_eq!(w.say(&std::format!("GETBIT k {at}")), std::format!(":{}\r\n", u8::from(bit)));
    }
    if model.is_empty() {
        return true;
    }
    let (from, to) = ((from % BITS) as usize, ((from % BITS).saturating_add(len % BITS)) as usize);
    let inside = from..(to + 1).min(model.len() * 8).max(from);
    let set: Vec<usize> = inside.filter(|i| model[i / 8] >> (7 - i % 8) & 1 == 1).collect();
    w.say("BITOP NOT n k");
    let not: Vec<u8> = model.iter().map(|byte| !byte).collect();
    let bulk = |bytes: &[u8]| [std::format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let position = set.first().map_or(-1, |i| *i as i64);
    w.run(0, &["GET", "k"]) == bulk(&model)
        && w.run(0, &["GET", "n"]) == bulk(&not)
        && w.say(&std::format!("BITCOUNT k {from} {to} BIT")) == std::format!(":{}\r\n", set.len())
        && w.say(&std::format!("BITPOS k 1 {from} {to} BIT")) == std::format!(":{position}\r\n")
        && w.say(&std::format!("BITPOS n 0 {from} {to} BIT")) == std::format!(":{position}\r\n")
}
