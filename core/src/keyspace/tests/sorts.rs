//! SORT and SORT_RO: their replies, what they store, and that replicas come to the same.

use super::*;
use quickcheck::quickcheck;

/// Commands and their replies as redis-server 7.0 gives them, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("SORT none", "*0"),
    ("SORT none STORE d", ":0"),
    ("RPUSH l 3 1 2 10", ":4"),
    ("SORT l", "*4 $1 1 $1 2 $1 3 $2 10"),
    ("SORT l DESC", "*4 $2 10 $1 3 $1 2 $1 1"),
    ("SORT l DESC ASC", "*4 $1 1 $1 2 $1 3 $2 10"),
    ("SORT l ALPHA", "*4 $1 1 $2 10 $1 2 $1 3"),
    ("SORT l alpha desc", "*4 $1 3 $1 2 $2 10 $1 1"),
    ("SORT l LIMIT 1 2", "*2 $1 2 $1 3"),
    ("SORT l LIMIT 0 0", "*0"),
    ("SORT l LIMIT 9 1", "*0"),
    ("SORT l LIMIT 4 1", "*0"),
    ("SORT l LIMIT -5 1", "*1 $1 1"),
    ("SORT l LIMIT 2 -1", "*2 $1 3 $2 10"),
    ("SORT l LIMIT 1 9223372036854775807", "*3 $1 2 $1 3 $2 10"),
    ("SORT l LIMIT x 1", "-ERR value is not an integer or out of range"),
    ("SORT l LIMIT 1 x", "-ERR value is not an integer or out of range"),
    ("SORT l LIMIT 1", "-ERR syntax error"),
    ("SORT l FOO", "-ERR syntax error"),
    ("SORT l BY", "-ERR syntax error"),
    ("SORT l GET", "-ERR syntax error"),
    ("SORT l STORE", "-ERR syntax error"),
    ("SORT_RO l STORE d", "-ERR syntax error"),
    ("SORT_RO l DESC LIMIT 0 1", "*1 $2 10"),
    ("SORT none FOO", "-ERR syntax error"),
    ("SET str v", "+OK"),
    ("SORT str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SORT str FOO", "-ERR syntax error"),
    ("SORT_RO str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HSET h f v", ":1"),
    ("SORT h", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    // Keys and fields made of the elements.
    ("MSET w_1 30 w_2 20 w_3 10 w_10 5 n_1 one n_3 three", "+OK"),
    ("SORT l BY w_*", "*4 $2 10 $1 3 $1 2 $1 1"),
    ("SORT l BY w_* DESC", "*4 $1 1 $1 2 $1 3 $2 10"),
    ("SORT l BY w_* GET n_*", "*4 $-1 $5 three $-1 $3 one"),
    ("SORT l GET # GET n_*", "*8 $1 1 $3 one $1 2 $-1 $1 3 $5 three $2 10 $-1"),
    ("SORT l LIMIT 0 2 GET n_* GET nothing GET #", "*6 $3 one $-1 $1 1 $-1 $-1 $1 2"),
    ("SORT l GET #*", "*4 $-1 $-1 $-1 $-1"),
    ("SORT l GET h", "*4 $-1 $-1 $-1 $-1"),
    ("SORT l BY n_*", "-ERR One or more scores can't be converted into double"),
    ("SORT l BY n_* STORE d", "-ERR One or more scores can't be converted into double"),
    ("SORT l BY n_* ALPHA GET n_* LIMIT 2 2", "*2 $3 one $5 three"),
    ("SORT l BY x_*", "*4 $1 1 $2 10 $1 2 $1 3"),
    ("SORT l BY x_* DESC", "*4 $1 3 $1 2 $2 10 $1 1"),
    ("SORT l BY x_* ALPHA", "*4 $1 3 $1 1 $1 2 $2 10"),
    ("SORT l BY nosort", "*4 $1 3 $1 1 $1 2 $2 10"),
    ("SORT l BY nosort DESC", "*4 $2 10 $1 2 $1 1 $1 3"),
    ("SORT l BY nosort LIMIT 1 2", "*2 $1 1 $1 2"),
    ("SORT l BY nosort DESC LIMIT 1 2", "*2 $1 2 $1 1"),
    ("SORT l BY nosort LIMIT 9 9", "*0"),
    ("SORT l BY nosort DESC LIMIT 9 9", "*0"),
    ("SORT l BY nosort BY w_*", "*4 $1 3 $1 1 $1 2 $2 10"),
    ("SORT l BY w_* BY nosort", "*4 $1 3 $1 1 $1 2 $2 10"),
    ("SORT l BY nosort GET n_*", "*4 $5 three $3 one $-1 $-1"),
    ("SORT l BY #", "*4 $1 3 $1 1 $1 2 $2 10"),
    ("HSET o_1 w 7 name a", ":2"),
    ("HSET o_2 w 6 name b", ":2"),
    ("HSET o_3 w 5", ":1"),
    ("SORT l BY o_*->w", "*4 $2 10 $1 3 $1 2 $1 1"),
    ("SORT l BY o_*->w GET o_*->name", "*4 $-1 $-1 $1 b $1 a"),
    ("SORT l BY o_*->none", "*4 $1 1 $2 10 $1 2 $1 3"),
    ("SORT l BY o_*->name", "-ERR One or more scores can't be converted into double"),
    ("SORT l BY o_*->name ALPHA DESC LIMIT 0 2", "*2 $1 2 $1 1"),
    ("SORT l GET o_*", "*4 $-1 $-1 $-1 $-1"),
    ("SORT l GET o_*->", "*4 $-1 $-1 $-1 $-1"),
    ("SORT l GET w_*->w", "*4 $-1 $-1 $-1 $-1"),
    ("SET o_1-> arrow", "+OK"),
    ("SORT l GET o_*-> LIMIT 0 1", "*1 $5 arrow"),
    // Numbers.
    ("RPUSH f 1.5 -inf 1e3 0x10 inf -0 0", ":7"),
    ("SORT f", "*7 $4 -inf $2 -0 $1 0 $3 1.5 $4 0x10 $3 1e3 $3 inf"),
    ("RPUSH bad 1 two", ":2"),
    ("SORT bad", "-ERR One or more scores can't be converted into double"),
    ("SORT bad LIMIT 0 1", "-ERR One or more scores can't be converted into double"),
    ("SORT bad ALPHA", "*2 $1 1 $3 two"),
    ("SORT bad BY nosort", "*2 $1 1 $3 two"),
    ("SORT bad BY w_*", "*2 $3 two $1 1"),
    ("RPUSH nan nan", ":1"),
    ("SORT nan", "-ERR One or more scores can't be converted into double"),
    ("RPUSH void  1 -1", ":3"),
    ("SORT void", "*3 $2 -1 $0  $1 1"),
    ("RPUSH same b a c", ":3"),
    ("MSET v_a 1 v_b 1.0 v_c 0.5", "+OK"),
    ("SORT same BY v_*", "*3 $1 c $1 a $1 b"),
    ("SORT same BY v_* DESC", "*3 $1 b $1 a $1 c"),
    // Sets and sorted sets.
    ("SADD s 3 1 2", ":3"),
    ("SORT s DESC", "*3 $1 3 $1 2 $1 1"),
    ("SORT s BY nosort", "*3 $1 1 $1 2 $1 3"),
    ("SORT s BY nosort LIMIT 1 1", "*1 $1 2"),
    ("SADD t b a d c", ":4"),
    ("SORT t", "-ERR One or more scores can't be converted into double"),
    ("SORT t ALPHA DESC", "*4 $1 d $1 c $1 b $1 a"),
    ("SORT t BY nosort STORE d", ":4"),
    ("LRANGE d 0 -1", "*4 $1 a $1 b $1 c $1 d"),
    ("SORT t BY nosort DESC LIMIT 1 2 STORE d", ":2"),
    ("LRANGE d 0 -1", "*2 $1 c $1 b"),
    ("ZADD z 3 c 1 a 2 b 2 bb", ":4"),
    ("SORT z ALPHA DESC", "*4 $1 c $2 bb $1 b $1 a"),
    ("SORT z BY nosort", "*4 $1 a $1 b $2 bb $1 c"),
    ("SORT z BY nosort DESC", "*4 $1 c $2 bb $1 b $1 a"),
    ("SORT z BY nosort LIMIT 1 2", "*2 $1 b $2 bb"),
    ("SORT z BY nosort DESC LIMIT 1 2", "*2 $2 bb $1 b"),
    ("SORT z BY nosort LIMIT 3 9", "*1 $1 c"),
    ("SORT z BY nosort LIMIT 4 9", "*0"),
    ("SORT z BY nosort DESC LIMIT 3 -1", "*1 $1 a"),
    ("SORT z BY nosort STORE d", ":4"),
    ("LRANGE d 0 -1", "*4 $1 a $1 b $2 bb $1 c"),
    // What is stored.
    ("SORT l STORE d", ":4"),
    ("TYPE d", "+list"),
    ("LRANGE d 0 -1", "*4 $1 1 $1 2 $1 3 $2 10"),
    ("SORT l GET # GET n_* LIMIT 0 2 STORE str", ":4"),
    ("LRANGE str 0 -1", "*4 $1 1 $3 one $1 2 $0 "),
    ("SORT l STORE l", ":4"),
    ("LRANGE l 0 -1", "*4 $1 1 $1 2 $1 3 $2 10"),
    ("EXPIRE d 100", ":1"),
    ("SORT l DESC STORE d STORE e", ":4"),
    ("TTL d", ":100"),
    ("SORT l STORE d", ":4"),
    ("TTL d", ":-1"),
    ("SORT l LIMIT 9 9 STORE d", ":0"),
    ("EXISTS d", ":0"),
    ("SORT none STORE e", ":0"),
    ("EXISTS e", ":0"),
    // Last, for redis-server remembers the error and refuses other numbers too.
    ("RPUSH big 1e999", ":1"),
    ("SORT big", "-ERR One or more scores can't be converted into double"),
];

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, want.trim_end(), "{line}");
    }
    w.proto = Proto::Resp3;
    assert_eq!(w.say("SORT l GET x_* LIMIT 0 1"), "*1\r\n_\r\n");
}

#[test]
fn what_stores_nothing_propagates_nothing() {
    let mut w = World::new();
    w.say("RPUSH l 2 1 x");
    w.fx.clear();
    w.fx.dirty = 0;
    for line in ["SORT l", "SORT l STORE d", "SORT l ALPHA", "SORT_RO l ALPHA GET #", "SORT none STORE d", "SORT l FOO"]
    {
        w.say(line);
        assert!(w.fx.is_empty() && w.fx.dirty == 0, "{line}");
    }
    w.fx.watching = true;
    w.say("SORT l ALPHA STORE d");
    assert_eq!((w.effects(), w.fx.dirty, w.fx.take_touched().len()), (std::vec!["itself".into()], 3, 1));
    w.say("SORT none STORE d");
    assert_eq!((w.effects(), w.fx.dirty, w.fx.take_touched().len()), (std::vec!["itself".into()], 4, 1));
}

#[test]
fn what_has_expired_is_not_looked_up() {
    let mut w = World::new();
    w.say("RPUSH l a b");
    w.say("SET w_a 2 PX 100");
    w.say("SET w_b 1");
    w.say("HSET h_a f 1 g 2");
    w.say("HPEXPIRE h_a 100 FIELDS 1 f");
    assert_eq!(w.say("SORT l BY w_* GET h_*->f"), "*2\r\n$-1\r\n$1\r\n1\r\n");
    w.ms += 101;
    w.fx.clear();
    assert_eq!(w.say("SORT l BY w_* GET h_*->f"), "*2\r\n$-1\r\n$-1\r\n");
    assert_eq!(w.effects(), ["DEL w_a"]);
    assert_eq!(w.say("SORT l BY w_* GET h_*->g"), "*2\r\n$1\r\n2\r\n$-1\r\n");
}

#[test]
fn long_values_and_elements_are_shared_or_stored_as_they_are() {
    let mut w = World::new();
    for (i, len) in [9_000usize, 70_000, 200_000].into_iter().enumerate() {
        let element = [&std::vec![b'e'; len][..], b"!"].concat();
        w.run(0, &[&b"RPUSH"[..], b"l", &element]);
        w.run(0, &[&b"SET"[..], &[&b"v_"[..], &element].concat(), &std::vec![b'0' + i as u8; len]]);
    }
    assert_eq!(w.say("SORT l ALPHA DESC GET v_* STORE d"), ":3\r\n");
    let shown = w.say("SORT l ALPHA DESC GET v_*");
    assert_eq!(w.say("LRANGE d 0 -1"), shown);
    assert_eq!(shown.matches('2').count(), 200_000 + "$200000".matches('2').count());
    assert_eq!(
        w.say("SORT l BY v_* GET nothing STORE d"),
        "-ERR One or more scores can't be converted into double\r\n"
    );
    super::laws::accounts(&w.ks);
}

quickcheck! {
    fn orders_as_a_plain_sort_does(numbers: Vec<i16>, offset: u8, count: i8, down: bool) -> bool {
        let mut w = World::new();
        let mut args = std::vec![b"RPUSH".to_vec(), b"l".to_vec(), b"0".to_vec()];
        args.extend(numbers.iter().map(|n| std::format!("{n}").into_bytes()));
        w.run(0, &args);
        let mut want: Vec<i64> = numbers.iter().map(|&n| i64::from(n)).chain([0]).collect();
        want.sort_unstable();
        if down {
            want.reverse();
        }
        let count = i64::from(count);
        let wanted: Vec<i64> = want.into_iter().skip(offset.into()).take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        let way = if down { "DESC" } else { "ASC" };
        w.say(&std::format!("SORT l LIMIT {offset} {count} {way} STORE d"));
        let reply = w.say("LRANGE d 0 -1");
        let got: Vec<i64> = reply.split("\r\n").filter_map(|word| word.parse().ok()).collect();
        got == wanted
    }

    fn a_replica_stores_the_same(members: Vec<u8>, weights: Vec<u8>, how: u8) -> bool {
        // Of another seed, so that its large sets have another order.
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        let options = ["BY nosort", "BY w_* ALPHA", "BY w_*", "ALPHA", "BY nosort DESC LIMIT 1 3", "BY none_* ALPHA LIMIT 0 5"];
        let option = options[usize::from(how) % options.len()];
        let many = (0..150).map(|m| std::format!("n{m}")).collect::<Vec<_>>().join(" ");
        let mut lines = std::vec![std::format!("SADD s {many}")];
        lines.extend(members.iter().map(|m| std::format!("SADD s m{m}")));
        lines.extend(weights.iter().enumerate().map(|(i, weight)| std::format!("SET w_m{i} {}", weight % 4)));
        lines.push(std::format!("SORT s {option} STORE d"));
        for line in &lines {
            assert_eq!(w.say(line), replica.say(line), "{line}");
        }
        w.content() == replica.content() && w.ks.digest() == replica.ks.digest()
    }
}
