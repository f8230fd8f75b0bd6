//! Fields of hashes that expire.

use super::*;
use quickcheck::quickcheck;

/// Commands and their replies as Redis 7.4 gives them, in order, on one keyspace; the clock stands at 1000 s.
const TALK: &[(&str, &str)] = &[
    ("HSET h a 1 b 2 c 3", ":3"),
    ("HEXPIRE h 10 FIELDS 2 a x", "*2 :1 :-2"),
    ("OBJECT ENCODING h", "$10 listpackex"),
    ("HTTL h FIELDS 3 a b x", "*3 :10 :-1 :-2"),
    ("HPTTL h FIELDS 1 a", "*1 :10000"),
    ("HEXPIRETIME h FIELDS 1 a", "*1 :1010"),
    ("HPEXPIRETIME h FIELDS 1 a", "*1 :1010000"),
    ("HTTL none FIELDS 2 a b", "*2 :-2 :-2"),
    ("HEXPIRE none 10 FIELDS 1 a", "*1 :-2"),
    ("HPERSIST none FIELDS 1 a", "*1 :-2"),
    ("HEXPIRE h 20 NX FIELDS 2 a b", "*2 :0 :1"),
    ("HEXPIRE h 5 GT FIELDS 2 a c", "*2 :0 :0"),
    ("HEXPIRE h 30 GT FIELDS 1 a", "*1 :1"),
    ("HEXPIRE h 40 LT FIELDS 2 a c", "*2 :0 :1"),
    ("HEXPIRE h 50 XX FIELDS 1 a", "*1 :1"),
    ("HPEXPIREAT h 1002000 FIELDS 1 a", "*1 :1"),
    ("HPTTL h FIELDS 1 a", "*1 :2000"),
    ("HPERSIST h FIELDS 3 a a x", "*3 :1 :-1 :-2"),
    ("HTTL h FIELDS 1 a", "*1 :-1"),
    ("HEXPIRE h 10 FIELDS 1 a", "*1 :1"),
    ("HINCRBY h a 1", ":2"),
    ("HTTL h FIELDS 1 a", "*1 :10"),
    ("HSET h a 5", ":0"),
    ("HTTL h FIELDS 1 a", "*1 :-1"),
    ("HEXPIREAT h 1 FIELDS 2 a a", "*2 :2 :-2"),
    ("HEXISTS h a", ":0"),
    ("HPEXPIRE h 0 FIELDS 2 b c", "*2 :2 :2"),
    ("EXISTS h", ":0"),
    ("HSET h a 1", ":1"),
    ("HEXPIRE h x FIELDS 1 a", "-ERR value is not an integer or out of range"),
    ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
    ("HEXPIRE h 9999999999999 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
    ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
    ("HEXPIRE h 1 FOO FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
    ("HEXPIRE h 1 NX XX FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
    ("HEXPIRE h 1 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0"),
    ("HEXPIRE h 1 FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
    ("HTTL h FIELD 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
    ("HTTL h FIELDS x a", "-ERR Number of fields must be a positive integer"),
    ("HPERSIST h FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
    ("SET s v", "+OK"),
    ("HEXPIRE s x FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HTTL s FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HPERSIST s FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
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
fn effects_are_absolute() {
    let mut w = World::new();
    for (line, want) in [
        ("HSET h a 1 b 2 c 3", &["itself"][..]),
        ("HEXPIRE h 10 FIELDS 2 a x", &["HPEXPIREAT h 1010000 FIELDS 1 a"]),
        ("HEXPIRE h 5 GT FIELDS 1 a", &[]),
        ("HINCRBYFLOAT h a 0.5", &["HSET h a 1.5", "HPEXPIREAT h 1010000 FIELDS 1 a"]),
        ("HPERSIST h FIELDS 1 a", &["itself"]),
        ("HPERSIST h FIELDS 1 a", &[]),
        ("HPEXPIRE h 0 FIELDS 1 a", &["HDEL h a"]),
        ("HPEXPIRE h 3 FIELDS 1 b", &["HPEXPIREAT h 1000003 FIELDS 1 b"]),
    ] {
        w.say(line);
        assert_eq!(w.effects(), want, "{line}");
    }
    // A writer finds what has expired and says so first.
    w.ms += 4;
    w.say("HSETNX h b 7");
    assert_eq!(w.effects(), ["HDEL h b", "itself"]);
}

#[test]
fn expired_fields_are_not_seen_and_go_in_time() {
    let mut w = World::new();
    w.say("HSET h a 1 b 2 c 3");
    w.say("HPEXPIRE h 10 FIELDS 2 a b");
    w.say("PEXPIRE h 100000");
    w.effects();
    let now = w.now();
    assert_eq!(w.ks.next_expiry(now), Some(now.mono + core::time::Duration::from_millis(11)));
    w.ms += 10;
    assert_eq!(w.say("HGET h a"), "$1\r\n1\r\n", "a field lives through its last millisecond");
    w.ms += 1;
    assert_eq!(w.say("HGET h a"), "$-1\r\n");
    assert_eq!(w.say("HGETALL h"), "*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(w.say("HKEYS h"), "*1\r\n$1\r\nc\r\n");
    assert_eq!(w.say("HSCAN h 0"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(w.say("HRANDFIELD h 5"), "*1\r\n$1\r\nc\r\n");
    assert_eq!(w.say("HRANDFIELD h"), "$1\r\nc\r\n");
    assert_eq!(w.say("HLEN h"), ":3\r\n", "Redis counts them until they are gone");
    // For a master's words they are there.
    w.origin = Origin::Upstream;
    assert_eq!(w.say("HGET h a"), "$1\r\n1\r\n");
    w.origin = Origin::Client;
    let now = w.now();
    assert_eq!(w.ks.expire(now, 100, &mut w.fx), Progress::Done);
    assert_eq!(w.effects(), ["HDEL h a b"]);
    assert_eq!(w.say("HLEN h"), ":1\r\n");
    w.say("HPEXPIRE h 5 FIELDS 1 c");
    w.effects();
    w.ms += 6;
    let now = w.now();
    assert_eq!(w.ks.expire(now, 100, &mut w.fx), Progress::Done);
    assert_eq!((w.effects(), w.say("EXISTS h")), (std::vec!["HDEL h c".into()], ":0\r\n".into()));
    assert_eq!(w.ks.next_expiry(now), None);
    super::laws::accounts(&w.ks);
}

#[test]
fn many_fields_go_in_slices() {
    let mut w = World::new();
    super::hashes::filled(&mut w, "h", 2000, 5);
    for i in 0..1999 {
        w.say(&std::format!("HPEXPIRE h {} FIELDS 1 {i:05}", 1 + i % 7));
    }
    w.ms += 100;
    w.effects();
    let (mut slices, now) = (1, w.now());
    while w.ks.expire(now, 100, &mut w.fx) == Progress::More {
        slices += 1;
        assert!(w.fx.list().len() <= 3 * slices);
    }
    assert!((18..30).contains(&slices), "{slices}");
    assert_eq!(w.say("HLEN h"), ":1\r\n");
    super::laws::accounts(&w.ks);
}

/// One step of a history: operation, key, field, number.
type Op = (u8, u8, u8, u16);

fn command((op, k, f, n): Op) -> Vec<Vec<u8>> {
    let line = match op % 14 {
        10 => std::format!("HSETEX k{} PX {} FIELDS 2 f{} v{n} f{} w{n}", k % 3, n % 300, f % 40, n % 40),
        11 => std::format!("HSETEX k{} KEEPTTL FIELDS 2 f{} v{n} f{} w{n}", k % 3, f % 40, n % 40),
        12 => std::format!("HGETEX k{} PX {} FIELDS 2 f{} f{}", k % 3, n % 300, f % 40, n % 40),
        13 => std::format!("HGETDEL k{} FIELDS 2 f{} f{}", k % 3, f % 40, n % 40),
        0..=2 => std::format!("HSET k{} f{} v{n}", k % 3, f % 40),
        3 => std::format!("HDEL k{} f{}", k % 3, f % 40),
        4 | 5 => std::format!("HPEXPIRE k{} {} FIELDS 2 f{} f{}", k % 3, n % 300, f % 40, n % 40),
        6 => std::format!("HPERSIST k{} FIELDS 1 f{}", k % 3, f % 40),
        7 => std::format!("HINCRBYFLOAT k{} f{} 1", k % 3, f % 40),
        8 => std::format!("COPY k{} k{} REPLACE", k % 3, n % 3),
        _ => std::format!("HPEXPIRE k{} {} LT FIELDS 1 f{}", k % 3, n % 100, f % 40),
    };
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Key, field, value, and when the field expires.
type Row = (Vec<u8>, Vec<u8>, Vec<u8>, Option<u64>);

/// All that a keyspace has, with the times.
fn all(w: &World) -> Vec<Row> {
    let mut all = Vec::new();
    w.ks.dbs[0].for_each(|slot| {
        for (field, value, at) in slot.hash().into_iter().flat_map(|hash| hash.rows_from(0)) {
            let text = |scalar: Scalar<'_>| scalar.text(&mut [0; 20]).to_vec();
            all.push((slot.key().to_vec(), text(field), text(value), at));
        }
    });
    all.sort();
    all
}

quickcheck! {
    fn replicas_and_snapshots_come_to_the_same(ops: Vec<Op>, slice: u8) -> bool {
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        for op in ops {
            let args = command(op);
            w.run(0, &args);
            let at = w.fx.list().len();
            w.ms += u64::from(op.3 % 40);
            if op.0 > 200 {
                let now = w.now();
                w.ks.expire(now, usize::from(slice), &mut w.fx);
            }
            // Behind the command's own effects come those of the expiry.
            assert!(at <= w.fx.list().len());
            replica.ms = w.ms + 100_000;
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(_, c) => replica.run(0, &c.args().iter().collect::<Vec<_>>()),
                    Effect::Itself => replica.run(0, &args),
                };
            }
        }
        super::laws::accounts(&w.ks);
        let mut body = Body::new(Options { compress: false }).for_version(w.ks.snapshot_version());
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, usize::from(slice)) == Progress::More {}
        w.ks.snapshot_end();
        let mut writer = Writer::new(w.ks.snapshot_version(), true);
        writer.absorb(&mut body);
        writer.finish();
        let mut chunks = Chunks::new();
        writer.out().read(0, usize::MAX, &mut chunks);
        let mut copy = World::seeded(8);
        copy.ks.load_begin(LoadMode::Replace);
        feed(&mut copy.ks, &chunks.concat(), None);
        copy.ks.load_commit();
        super::laws::accounts(&copy.ks);
        all(&w) == all(&replica) && all(&w) == all(&copy)
            && w.ks.digest() == replica.ks.digest() && w.ks.digest() == copy.ks.digest()
    }
}
