//! Limits that were changed: what directives say decides the encodings of later writes and loads.

use super::*;
use crate::config::Config;

/// Directives and commands, with the encodings that Redis has after them: those of hashes and sorted sets from 7.0 on, of
/// sets and lists from 7.2 on. `*n` stands for a text of `n` bytes, `#n` for the numbers from 1 to `n`, each twice with `##n`.
const SCRIPT: &str = "
set hash-max-listpack-entries 3
do HSET h a 1 b 2 c 3
is h listpack
set hash-max-listpack-entries 2
is h listpack
do HDEL h none
is h listpack
do HSET h a 4
is h hashtable
set hash-max-listpack-entries 1000
do HSET h d 1
is h hashtable
do HINCRBY h2 a 1
is h2 listpack
do HSET h3 ##1000
is h3 listpack
do HSET h3 more 1
is h3 hashtable
set hash-max-listpack-value 3
do HSET h4 abc 123
is h4 listpack
do HSET h4 abc 1234
is h4 hashtable
do HSET h5 abcd 1
is h5 hashtable
set hash-max-listpack-entries 0
do HSET h6 a 1
is h6 hashtable
set hash-max-listpack-entries 1
set hash-max-listpack-value 30000
do HSET h7 a *20000
is h7 listpack
do HSET h7 b 1
is h7 hashtable
set set-max-intset-entries 3
do SADD s 1 2 3
is s intset
do SADD s 4
is s hashtable
set set-max-listpack-entries 5
do SADD s2 1 2 3
do SADD s2 4
is s2 hashtable
do SADD s3 1 2 3 4
is s3 listpack
do SADD s3 a
is s3 listpack
do SADD s3 b
is s3 hashtable
set set-max-listpack-value 2
do SADD s4 1 222
is s4 intset
do SADD s4 a
is s4 hashtable
do SADD s5 ab
is s5 listpack
do SADD s5 333
is s5 hashtable
do SADD s6 1 22
do SADD s6 a
is s6 listpack
set set-max-intset-entries 2
set set-max-listpack-entries 3
do SADD s7 a b
do SADD s8 c
do SUNIONSTORE s9 s7 s8
is s9 listpack
do SADD s8 d
do SUNIONSTORE s9 s7 s8
is s9 hashtable
do SADD s10 1 2
do SADD s11 3
do SUNIONSTORE s12 s10 s11
is s12 hashtable
do SUNIONSTORE s12 s10
is s12 intset
set set-max-intset-entries 3000
do SADD s13 #3000
is s13 intset
set set-max-listpack-entries 4000
set set-max-listpack-value 4
do SADD s13 a
is s13 listpack
set set-max-intset-entries 0
do SADD s14 1
is s14 listpack
set zset-max-listpack-entries 2
do ZADD z 1 a 2 b
is z listpack
do ZADD z 3 c
is z skiplist
do ZADD z2 1 a 2 b
set zset-max-listpack-entries 1
do ZADD z2 5 a
is z2 listpack
do ZADD z2 1 c
is z2 skiplist
set zset-max-listpack-value 3
do ZADD z3 1 abc
is z3 listpack
set zset-max-listpack-entries 1000
do ZADD z3 1 abcd
is z3 skiplist
do ZADD z4 ##999
is z4 listpack
do ZUNIONSTORE z5 1 z4
is z5 listpack
set zset-max-listpack-value 2
do ZUNIONSTORE z5 1 z4
is z5 skiplist
set zset-max-listpack-value 64
set zset-max-listpack-entries 2
do ZUNIONSTORE z5 1 z4
is z5 skiplist
do ZRANGESTORE z6 z4 0 1
is z6 listpack
do ZRANGESTORE z6 z4 0 2
is z6 skiplist
set list-max-listpack-size 3
do RPUSH l a b c
is l listpack
do RPUSH l d
is l quicklist
do LPOP l 2
is l quicklist
do LPOP l
is l listpack
set list-max-listpack-size 2
do RPUSH l2 a b
do LSET l2 0 c
is l2 quicklist
do RPUSH l3 a
do LINSERT l3 BEFORE a b
is l3 listpack
do LINSERT l3 BEFORE a b
is l3 quicklist
set list-max-listpack-size 0
do RPUSH l4 a
is l4 listpack
do RPUSH l4 b
is l4 quicklist
do LPOP l4
is l4 quicklist
set list-max-listpack-size -1
do RPUSH l5 *3000
is l5 listpack
do RPUSH l5 *2000
is l5 quicklist
set list-max-listpack-size -5
do RPUSH l6 *20000
is l6 listpack
do LPUSH l6 *20000 *20000
is l6 listpack
do RPUSH l6 *20000
is l6 quicklist
do LPOP l6 2
is l6 quicklist
do LPOP l6
is l6 listpack
do LPUSH l6 a
is l6 listpack
set list-max-listpack-size -2
is l6 listpack
do RPUSH l6 b
is l6 quicklist
set list-max-listpack-size -5
do RPUSH l7 a *9000
do LMOVE l7 l8 RIGHT LEFT
is l8 listpack
do LMOVE l7 l8 LEFT LEFT
is l8 listpack
do LSET l8 0 *9000
is l8 listpack
do LINSERT l8 AFTER *9000 b
is l8 listpack
";

/// Some limits or others, for histories that change them.
pub(super) fn some(n: u16) -> Limits {
    const ENTRIES: [usize; 6] = [512, 3, 0, 128, 5000, 1];
    const BYTES: [usize; 4] = [64, 3, 0, 9000];
    const LISTS: [i32; 6] = [-2, -5, 3, -1, 40, -4];
    let n = usize::from(n);
    let pack = |n: usize| PackLimit { entries: ENTRIES[n % 6], bytes: BYTES[n / 6 % 4] };
    let set = SetLimit { ints: ENTRIES[n / 7 % 6], pack: pack(n) };
    Limits { hash: pack(n), set, zset: pack(n), list: ListLimit::new(LISTS[n % 6]), ..Limits::default() }
}

/// The words of a line, written out.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for word in line.split(' ') {
        if let Some(n) = word.strip_prefix('*').and_then(|n| n.parse().ok()) {
            all.push(std::vec![b'x'; n]);
        } else if word.starts_with('#') {
            let n: u32 = word.trim_start_matches('#').parse().expect("a number");
            let times = word.len() - word.trim_start_matches('#').len();
            all.extend((1..=n).flat_map(|i| core::iter::repeat_n(std::format!("{i}").into_bytes(), times)));
        } else {
            all.push(word.into());
        }
    }
    all
}

/// Sets a directive, as CONFIG SET would.
fn configure(ks: &mut Keyspace, config: &mut Config, line: &str) {
    let (name, value) = line.split_once(' ').expect("a name and a value");
    config.set(&[(name.as_bytes(), value.as_bytes())]).expect("a directive");
    ks.configure(&config.settings);
}

fn encoding(w: &mut World, key: &str) -> String {
    let reply = w.say(&std::format!("OBJECT ENCODING {key}"));
    reply.lines().nth(1).unwrap_or("none").into()
}

#[test]
fn encodings_follow_the_directives() {
    let (mut w, mut config) = (World::new(), Config::new());
    for line in SCRIPT.lines().filter(|line| !line.is_empty()) {
        match line.split_once(' ').expect("a word more") {
            ("set", rest) => configure(&mut w.ks, &mut config, rest),
            ("do", rest) => assert!(!w.run(0, &words(rest)).starts_with(b"-"), "{line}"),
            (_, rest) => {
                let (key, want) = rest.split_once(' ').expect("a key and an encoding");
                assert_eq!(encoding(&mut w, key), want, "{line}");
            }
        }
    }
    // Whatever the encodings, a snapshot has it all, and so has who loads it under other limits.
    let bytes = save(&mut w.ks, 4096);
    let mut other = World::new();
    other.ks.load_begin(LoadMode::Beside);
    feed(&mut other.ks, &bytes, None);
    other.ks.load_commit();
    assert_eq!(other.ks.digest(), w.ks.digest());
    assert_eq!(other.content(), w.content());
}

#[test]
fn defaults_are_those_of_redis() {
    let pack = |entries| PackLimit { entries, bytes: 64 };
    let limits = Limits {
        hash: pack(512),
        set: SetLimit { ints: 512, pack: pack(128) },
        zset: pack(128),
        list: ListLimit::new(-2),
        stream: StreamLimit { bytes: 4096, entries: 100 },
        hll_sparse: 3000,
        string: 512 << 20,
    };
    assert_eq!(Keyspace::new(1, [0; 32]).limits(), &limits);
    assert_eq!(ListLimit::new(i32::MIN), ListLimit::new(-5));
    assert_eq!(ListLimit::new(i32::MAX), ListLimit::new(32_767));
}

#[test]
fn a_load_keeps_the_limits_of_who_loads() {
    let (mut from, mut config) = (World::new(), Config::new());
    for line in ["hash-max-listpack-value 100", "zset-max-listpack-value 100", "set-max-listpack-value 100"] {
        configure(&mut from.ks, &mut config, line);
    }
    for line in [
        "HSET h a 1 b 2",
        "HSET long a *80",
        "SADD i 1 2 3",
        "SADD s a b",
        "SADD slong *80",
        "ZADD z 1 a 2 b",
        "ZADD zlong 1 *80",
        "RPUSH l a b c",
    ] {
        from.run(0, &words(line));
    }
    // The version from which on sets are listpacks too.
    let mut body = Body::new(Options { compress: false }).for_version(11);
    from.ks.snapshot_begin();
    while from.ks.snapshot_step(&mut body, 4096) == Progress::More {}
    from.ks.snapshot_end();
    let bytes = sets::framed(&mut body, 11);
    let load = |lines: &[&str]| {
        let (mut to, mut config) = (World::new(), Config::new());
        lines.iter().for_each(|line| configure(&mut to.ks, &mut config, line));
        to.ks.load_begin(LoadMode::Replace);
        feed(&mut to.ks, &bytes, None);
        to.ks.load_commit();
        assert_eq!(to.content(), from.content());
        ["h", "long", "i", "s", "slong", "z", "zlong", "l"].map(|key| encoding(&mut to, key))
    };
    // A listpack that comes is one whatever the length of its elements, as in Redis since 7.0.
    let pack = "listpack";
    assert_eq!(load(&[]), [pack, pack, "intset", pack, pack, pack, pack, pack]);
    let small = [
        "hash-max-listpack-entries 1",
        "set-max-intset-entries 2",
        "set-max-listpack-entries 1",
        "zset-max-listpack-entries 1",
        "list-max-listpack-size 2",
    ];
    let table = "hashtable";
    assert_eq!(load(&small), [table, pack, table, table, pack, "skiplist", pack, "quicklist"]);
}

#[test]
fn no_client_makes_a_longer_string() {
    let (mut w, mut config) = (World::new(), Config::new());
    configure(&mut w.ks, &mut config, "proto-max-bulk-len 1mb");
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    assert_eq!(w.say("SETRANGE s 1048576 x"), too_long);
    assert_eq!(w.say("SETRANGE s 1048575 x"), ":1048576\r\n");
    assert_eq!(w.say("APPEND s x"), too_long);
    assert_eq!(w.say("SETBIT s 8388608 1"), "-ERR bit offset is not an integer or out of range\r\n");
    assert!(w.say("LCS s s LEN").starts_with("-ERR Insufficient memory"), "its table is larger than that");
    // A replica obeys its master, who may have another limit.
    w.origin = Origin::Upstream;
    assert_eq!(w.say("APPEND s x"), ":1048577\r\n");
    assert_eq!(w.say("SETBIT s 8388616 1"), ":0\r\n");
    w.origin = Origin::Client;
    configure(&mut w.ks, &mut config, "proto-max-bulk-len 2mb");
    assert_eq!(w.say("APPEND s x"), ":1048579\r\n");
}
