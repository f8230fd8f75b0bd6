//! Hashes: their replies, random histories against a map, and every form in snapshots.

use super::*;
use quickcheck::quickcheck;

use crate::rdb::Entry;

/// Commands and their replies as redis-server 7.0 gives them, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("HSET h a 1 b 2", ":2"),
    ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
    ("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command"),
    ("HSET h a 3 c 4", ":1"),
    ("HMSET h d 5", "+OK"),
    ("TYPE h", "+hash"),
    ("OBJECT ENCODING h", "$8 listpack"),
    ("OBJECT REFCOUNT h", ":1"),
    ("HGET h a", "$1 3"),
    ("HGET h x", "$-1"),
    ("HGET none a", "$-1"),
    ("HMGET h a x b", "*3 $1 3 $-1 $1 2"),
    ("HMGET none a b", "*2 $-1 $-1"),
    ("HGETALL h", "*8 $1 a $1 3 $1 b $1 2 $1 c $1 4 $1 d $1 5"),
    ("HGETALL none", "*0"),
    ("HKEYS h", "*4 $1 a $1 b $1 c $1 d"),
    ("HVALS h", "*4 $1 3 $1 2 $1 4 $1 5"),
    ("HLEN h", ":4"),
    ("HLEN none", ":0"),
    ("HEXISTS h a", ":1"),
    ("HEXISTS h x", ":0"),
    ("HSTRLEN h a", ":1"),
    ("HSTRLEN h x", ":0"),
    ("HSETNX h a 9", ":0"),
    ("HSETNX h e 9", ":1"),
    ("HDEL h a x e a", ":2"),
    ("HDEL none a", ":0"),
    ("HINCRBY h n 5", ":5"),
    ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
    ("HINCRBY h n 9223372036854775807", "-ERR increment or decrement would overflow"),
    ("HSET h t text", ":1"),
    ("HINCRBY h t 1", "-ERR hash value is not an integer"),
    ("HINCRBYFLOAT h t 1", "-ERR hash value is not a float"),
    ("HINCRBYFLOAT h n x", "-ERR value is not a valid float"),
    ("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity"),
    ("HINCRBYFLOAT h n 0.1", "$3 5.1"),
    ("HRANDFIELD none", "$-1"),
    ("HRANDFIELD none 3", "*0"),
    ("HRANDFIELD h 0", "*0"),
    ("HRANDFIELD h x", "-ERR value is not an integer or out of range"),
    (
        "HRANDFIELD h -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    ),
    ("HRANDFIELD h -9223372036854775807 WITHVALUES", "-ERR value is out of range"),
    ("HRANDFIELD h 1 FOO", "-ERR syntax error"),
    ("HRANDFIELD h 9 WITHVALUES", "*10 $1 b $1 2 $1 c $1 4 $1 d $1 5 $1 n $3 5.1 $1 t $4 text"),
    ("HSCAN h x", "-ERR invalid cursor"),
    ("HSCAN none 0 FOO", "*2 $1 0 *0"),
    ("HSCAN h 0 FOO", "-ERR syntax error"),
    ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
    ("HSCAN h 0 TYPE hash", "-ERR syntax error"),
    ("HSCAN h 0 MATCH [bn]", "*2 $1 0 *4 $1 b $1 2 $1 n $3 5.1"),
    ("HSCAN h 0 NOVALUES MATCH [bn]", "*2 $1 0 *2 $1 b $1 n"),
    ("GET h", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("INCR h", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("APPEND h x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SETRANGE h 0 x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("GETSET h x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("STRLEN h", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("MGET h", "*1 $-1"),
    ("LCS h h", "-ERR The specified keys must contain string values"),
    ("SETNX h x", ":0"),
    ("SET s v", "+OK"),
    ("HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HGET s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HDEL s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HRANDFIELD s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HINCRBYFLOAT s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SCAN 0 TYPE hash", "*2 $1 0 *1 $1 h"),
    ("COPY h g", ":1"),
    ("HSET g b 3", ":0"),
    ("HGET h b", "$1 2"),
    ("RENAME g h", "+OK"),
    ("HGET h b", "$1 3"),
    ("MOVE h 1", ":1"),
    ("EXISTS h", ":0"),
    ("HSET g f v", ":1"),
    ("HDEL g f", ":1"),
    ("EXISTS g", ":0"),
    ("HSET g f v", ":1"),
    ("EXPIRE g 100", ":1"),
    ("HSET g f w g v", ":1"),
    ("TTL g", ":100"),
    ("SET g string", "+OK"),
    ("GET g", "$6 string"),
];

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, *want, "{line}");
    }
}

#[test]
fn as_redis_answers_in_resp3() {
    let mut w = World::new();
    w.proto = Proto::Resp3;
    for (line, want) in [
        ("HGETALL h", "%0"),
        ("HSET h a 1", ":1"),
        ("HGETALL h", "%1 $1 a $1 1"),
        ("HGET h x", "_"),
        ("HKEYS h", "*1 $1 a"),
        ("HINCRBYFLOAT h a 1.5", "$3 2.5"),
        ("HRANDFIELD h 2", "*1 $1 a"),
        ("HRANDFIELD h 2 WITHVALUES", "*1 *2 $1 a $3 2.5"),
        ("HSCAN h 0", "*2 $1 0 *2 $1 a $3 2.5"),
    ] {
        assert_eq!(w.say(line).trim_end_matches("\r\n").replace("\r\n", " "), want, "{line}");
    }
}

#[test]
fn effects_and_changes() {
    let mut w = World::new();
    for (line, effects, dirty) in [
        ("HSET h a 1 b 2 c 3", &["itself"][..], 3),
        ("HSETNX h a 1", &[], 0),
        ("HDEL h x", &[], 0),
        ("HDEL h a x b", &["itself"], 2),
        ("HINCRBY h c 2", &["itself"], 1),
        ("HINCRBYFLOAT h c 0.5", &["HSET h c 5.5"], 1),
        ("HINCRBYFLOAT h c x", &[], 0),
        ("HSCAN h 0", &[], 0),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        assert_eq!((w.effects(), w.fx.dirty), (effects.iter().map(|e| String::from(*e)).collect(), dirty), "{line}");
    }
}

/// A hash of `n` fields of `len` bytes.
pub(super) fn filled(w: &mut World, name: &str, n: usize, len: usize) {
    for i in 0..n {
        let field = std::format!("{i:0len$}");
        w.run(0, &["HSET", name, &field, &std::format!("value {i}")]);
    }
}

#[test]
fn encodings_as_redis_names_them() {
    for (n, len, want) in
        [(512, 3, "listpack"), (513, 3, "hashtable"), (1, 64, "listpack"), (1, 65, "hashtable"), (300, 60, "listpack")]
    {
        let mut w = World::new();
        filled(&mut w, "h", n, len);
        assert!(w.say("OBJECT ENCODING h").contains(want), "{n} fields of {len} bytes");
        assert_eq!(w.say("HLEN h"), std::format!(":{n}\r\n"));
        for i in 1..n {
            w.say(&std::format!("HDEL h {i:0len$}"));
        }
        assert!(w.say("OBJECT ENCODING h").contains(want), "and it never goes back");
    }
}

#[test]
fn a_scan_meets_whatever_stays() {
    let mut w = World::new();
    filled(&mut w, "h", 3000, 5);
    let (mut cursor, mut seen, mut steps) = (String::from("0"), alloc::collections::BTreeSet::new(), 0);
    loop {
        let text = w.say(&std::format!("HSCAN h {cursor} COUNT 50 NOVALUES"));
        let words: Vec<&str> = text.split("\r\n").collect();
        cursor = words[2].into();
        seen.extend(words.iter().filter(|word| word.len() == 5).map(|word| String::from(*word)));
        steps += 1;
        // Half of them come and go meanwhile.
        w.say(&std::format!("HDEL h {:05}", 1501 + steps * 7));
        w.say(&std::format!("HSET h new{steps} v"));
        if cursor == "0" {
            break;
        }
        assert!(cursor.parse::<u64>().expect("a number") < 1 << 53);
    }
    assert!((0..1500).all(|i| seen.contains(&std::format!("{i:05}"))));
    assert!((55..80).contains(&steps), "{steps}");
}

#[test]
fn random_fields_are_each_about_equally_likely() {
    for n in [50, 1000] {
        let mut w = World::new();
        filled(&mut w, "h", n, 4);
        let mut hits = BTreeMap::<String, usize>::new();
        for line in [
            "HRANDFIELD h -20000".into(),
            std::format!("HRANDFIELD h {}", n / 2),
            std::format!("HRANDFIELD h {}", n / 20),
        ] {
            let text = w.say(&line);
            for word in text.split("\r\n").filter(|word| word.len() == 4 && !word.starts_with(['*', '$'])) {
                *hits.entry(word.into()).or_default() += 1;
            }
            let want = line[13..].parse::<i64>().expect("a count").unsigned_abs() as usize;
            assert_eq!(hits.values().sum::<usize>(), want, "{line}");
            assert!(line.contains('-') || hits.values().all(|&n| n == 1), "{line}");
            if line.contains('-') {
                assert!(hits.len() == n && hits.values().all(|&h| (20_000 / n / 5..20_000 / n * 3).contains(&h)));
            }
            hits.clear();
        }
    }
}

/// One step of a history of one hash: operation, field, value.
type Op = (u8, u16, u16);

fn value(n: u16) -> Vec<u8> {
    match n % 8 {
        0 => std::format!("{}", i64::from(n) * i64::from(n) - 1_000_000).into_bytes(),
        1 => std::vec![b'x'; usize::from(n) % 300],
        2 if n.is_multiple_of(100) => std::vec![b'y'; 10_000],
        _ => std::format!("v{n}").into_bytes(),
    }
}

fn step(w: &mut World, m: &mut BTreeMap<Vec<u8>, Vec<u8>>, (op, f, n): Op, fields: u16) {
    let field = match f % fields {
        f if f.is_multiple_of(3) => std::format!("{f}"),
        f => std::format!("field:{f}"),
    }
    .into_bytes();
    match op % 8 {
        0..=3 => {
            let fresh = m.insert(field.clone(), value(n)).is_none();
            assert_eq!(
                w.run(0, &[&b"HSET"[..], b"h", &field[..], &value(n)]),
                std::format!(":{}\r\n", u8::from(fresh)).into_bytes()
            );
        }
        4 | 5 => {
            let there = m.remove(&field).is_some();
            assert_eq!(
                w.run(0, &[&b"HDEL"[..], b"h", &field[..]]),
                std::format!(":{}\r\n", u8::from(there)).into_bytes()
            );
        }
        6 => {
            let before = m.get(&field).map_or(Some(0), |text| core::str::from_utf8(text).ok()?.parse::<i64>().ok());
            w.run(0, &[&b"HINCRBY"[..], b"h", &field[..], b"7"]);
            if let Some(n) = before {
                m.insert(field, std::format!("{}", n + 7).into_bytes());
            }
        }
        _ => {
            let mut out = Blocks::new();
            let mut reply = Reply::new(&mut out, Proto::Resp2);
            match m.get(&field) {
                Some(text) => reply.bulk(text),
                None => reply.null(),
            }
            let mut chunks = Chunks::new();
            out.read(0, usize::MAX, &mut chunks);
            assert_eq!(w.run(0, &[&b"HGET"[..], b"h", &field[..]]), chunks.concat());
        }
    }
}

quickcheck! {
    fn behaves_as_a_map(ops: Vec<Op>, fields: u16) -> bool {
        let (mut w, mut m) = (World::new(), BTreeMap::new());
        let fields = fields % 2000 + 1;
        for round in 0..8u16 {
            w.ks.limits = limits::some(round * fields);
            for &(op, f, n) in &ops {
                step(&mut w, &mut m, (op, f.wrapping_mul(round + 1), n), fields);
            }
        }
        super::laws::accounts(&w.ks);
        let there = w.content().remove(&(0, b"h".to_vec()));
        there == (!m.is_empty()).then(|| (hash_text(&m), None))
            && w.say("HLEN h") == std::format!(":{}\r\n", m.len())
    }
}

/// One step of a history of several keys: operation, key, field, number.
type Mixed = (u8, u8, u16, u16);

/// The command of a step, with its database.
fn command((op, k, f, n): Mixed) -> (u32, Vec<Vec<u8>>) {
    let key = std::format!("k{}", k % 12);
    let other = std::format!("k{}", n % 12);
    let field = std::format!("{}", f % 700);
    let word = |text: &str| text.as_bytes().to_vec();
    let mut args: Vec<Vec<u8>> = match op % 16 {
        0..=4 => std::vec![word("HSET"), word(&key), word(&field), value(n)],
        5 | 6 => std::vec![word("HDEL"), word(&key), word(&field)],
        7 => std::vec![word("HINCRBY"), word(&key), word(&field), word("3")],
        8 => std::vec![word("HINCRBYFLOAT"), word(&key), word(&field), word("0.5")],
        9 => std::vec![word("COPY"), word(&key), word(&other), word("REPLACE")],
        10 => std::vec![word("RENAME"), word(&key), word(&other)],
        11 if n.is_multiple_of(4) => std::vec![word("DEL"), word(&key)],
        12 => std::vec![word("PEXPIRE"), word(&key), word(&std::format!("{}", n % 900 + 1))],
        13 if n.is_multiple_of(5) => std::vec![word("SET"), word(&key), value(n)],
        14 => std::vec![word("HSETNX"), word(&key), word(&field), value(n)],
        _ => std::vec![word("HSET"), word(&key)],
    };
    if args.len() == 2 && args[0] == b"HSET" {
        for i in 0..n % 800 {
            args.extend([
                std::format!("{}", i.wrapping_add(f) % 900).into_bytes(),
                std::vec![b'm'; usize::from(n % 60)],
            ]);
        }
        args.extend([word("x"), word("y")]);
    }
    (u32::from(k % 2), args)
}

/// Does a step; the command.
fn mixed(w: &mut World, op: Mixed) -> (u32, Vec<Vec<u8>>) {
    let (db, args) = command(op);
    w.run(db, &args);
    w.ms += u64::from(op.3 % 7);
    match op.3 % 97 {
        0 => {
            w.ks.swap(0, 1);
        }
        1 => {
            w.ks.maintain(3);
        }
        2..=9 => w.ks.limits = limits::some(op.2),
        _ => {}
    }
    (db, args)
}

quickcheck! {
    fn a_snapshot_is_the_state_at_its_beginning(before: Vec<Mixed>, during: Vec<Mixed>, budget: u16) -> bool {
        let mut w = World::new();
        before.iter().chain(&before).for_each(|&op| { mixed(&mut w, op); });
        let want = w.content();
        let mut whole = Body::new(Options { compress: budget.is_multiple_of(2) });
        let budget = usize::from(budget) % 3000;
        w.ks.snapshot_begin();
        for (i, &op) in during.iter().enumerate() {
            mixed(&mut w, op);
            if i % 5 == 4 {
                w.ks.flush(Some(u32::from(op.1 % 2)));
            }
            if i % 2 == 0 {
                w.ks.snapshot_step(&mut whole, budget);
            }
        }
        while w.ks.snapshot_step(&mut whole, budget) == Progress::More {}
        assert_eq!(w.ks.snapshot_pending(), 0);
        w.ks.snapshot_end();
        super::laws::accounts(&w.ks);
        read(&frame(&mut whole)) == want
    }

    fn what_was_saved_is_loaded(ops: Vec<Mixed>, budget: u16, listpacks: bool) -> bool {
        let mut w = World::new();
        ops.iter().chain(&ops).for_each(|&op| { mixed(&mut w, op); });
        let version = if listpacks { Writer::DEFAULT_VERSION } else { Writer::MIN_VERSION };
        let mut body = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, usize::from(budget)) == Progress::More {}
        w.ks.snapshot_end();
        let bytes = frame(&mut body);
        let mut copy = World::seeded(8);
        copy.ks.load_begin(LoadMode::Replace);
        feed(&mut copy.ks, &bytes, None);
        copy.ks.load_commit();
        super::laws::accounts(&copy.ks);
        copy.content() == w.content() && copy.ks.digest() == w.ks.digest()
            && copy.ks.load_counts() == (w.content().len() as u64, 0)
    }

    fn a_replica_comes_to_the_same(ops: Vec<Mixed>) -> bool {
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        for op in ops {
            let (db, args) = command(op);
            w.run(db, &args);
            w.ms += u64::from(op.3 % 7);
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(db, c) => replica.run(db, &c.args().iter().collect::<Vec<_>>()),
                    Effect::Itself => replica.run(db, &args),
                };
            }
        }
        w.content() == replica.content() && w.ks.digest() == replica.ks.digest()
    }
}

#[test]
fn a_large_hash_is_saved_and_freed_in_slices() {
    let mut w = World::new();
    for i in 0..200 {
        let mut args = std::vec![b"HSET".to_vec(), b"h".to_vec()];
        (0..500).for_each(|j| args.extend([std::format!("field:{i}:{j}").into_bytes(), b"some value".to_vec()]));
        w.run(0, &args);
    }
    w.say("COPY h g");
    let want = w.content();
    w.ks.snapshot_begin();
    w.say("HSET h field:0:0 other");
    w.say("DEL g");
    let bound = 4096;
    assert!(w.ks.snapshot_pending() < bound, "a handle each: {}", w.ks.snapshot_pending());
    let (mut whole, mut steps) = (Body::new(Options { compress: false }), 0);
    while w.ks.snapshot_step(&mut whole, 10_000) == Progress::More {
        steps += 1;
        assert!(whole.len() < steps * 10_100, "a step takes its budget: {} after {steps}", whole.len());
        w.say(&std::format!("HDEL h field:{}:1", steps % 200));
    }
    assert!(steps > 300, "{steps}");
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut whole)), want);
    let full = w.ks.memory();
    w.say("DEL h");
    assert!(w.ks.memory() > full / 3, "it waits to be freed");
    let mut steps = 0;
    while w.ks.maintain(10) == Progress::More {
        steps += 1;
    }
    assert!(steps > 100 && w.ks.memory() < 100_000, "{steps} {}", w.ks.memory());
}

#[test]
fn digests_are_those_of_redis() {
    let hex = |sum: [u8; 20]| sum.iter().map(|byte| std::format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut w = World::new();
    w.say("HSET h a 1 b two");
    assert_eq!(hex(w.ks.digest()), "ed32491dd021526782b081e8af5ca2444eebdc01");
    assert_eq!(hex(w.ks.digest_value(0, b"h")), "aaec2dd6dd5d0e6fbdce75b84b029b773e920b00");
}

fn begin(kind: Kind) -> Item<'static> {
    let value = Value::Elements(kind, 9);
    Item::Entry(Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value })
}

#[test]
fn a_load_takes_fields_in_parts_and_refuses_what_cannot_be() {
    use crate::dataset::LoadError;
    let mut w = World::new();
    w.ks.load_begin(LoadMode::Replace);
    let field = |field, value| Item::Element(Element::Field { field, value, expire_at_ms: None });
    for item in [
        begin(Kind::Hash),
        field(b"a", b"1"),
        Item::Element(Element::LongField { field: b"long", len: 6 }),
        Item::Piece(b"one"),
        Item::Piece(b"two"),
        Item::ElementEnd { expire_at_ms: Some(2_000_000) },
        Item::EntryEnd,
    ] {
        assert_eq!(w.ks.load_item(&item, None), Ok(()), "{item:?}");
    }
    w.ks.load_commit();
    assert_eq!(w.say("HGET k long"), "$6\r\nonetwo\r\n");
    assert_eq!(w.say("HPEXPIRETIME k FIELDS 2 long a"), "*2\r\n:2000000\r\n:-1\r\n");
    w.ks.load_begin(LoadMode::Replace);
    assert_eq!(w.ks.load_item(&begin(Kind::Hash), None), Ok(()));
    assert_eq!(w.ks.load_item(&field(b"a", b"1"), None), Ok(()));
    let twice = w.ks.load_item(&field(b"a", b"2"), None);
    assert_eq!(twice, Err(LoadError::Broken { key: "k".into(), why: "a field comes twice" }));
    let value = Value::Array { len: 1, next_insert: None };
    let array = Item::Entry(Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value });
    let refused = LoadError::Unsupported { key: "k".into(), kind: "array" };
    assert_eq!((w.ks.accepts(&array), w.ks.load_item(&array, None)), (Err(refused.clone()), Err(refused)));
    w.ks.load_abort();
}
