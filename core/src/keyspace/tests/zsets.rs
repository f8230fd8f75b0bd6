//! Sorted sets: their replies and effects, encodings, scans, and large ones in slices.

use super::*;
use crate::dataset::LoadError;
use crate::rdb::Entry;

/// Commands and their replies as redis-server 7.0 and valkey-server 9.0 give them, in order, on one keyspace; where the
/// two differ, as the younger does.
const TALK: &[(&str, &str)] = &[
    ("ZADD z 1 a 2 b 2.5 c", ":3"),
    ("ZADD z 1 a 3 b 4 d", ":1"),
    ("ZADD z CH 1 a 5 b 6 e", ":2"),
    ("TYPE z", "+zset"),
    ("OBJECT ENCODING z", "$8 listpack"),
    ("OBJECT REFCOUNT z", ":1"),
    ("ZRANGE z 0 -1 WITHSCORES", "*10 $1 a $1 1 $1 c $3 2.5 $1 d $1 4 $1 b $1 5 $1 e $1 6"),
    ("ZADD z NX 9 a 9 f", ":1"),
    ("ZADD z XX 9 g 8 f", ":0"),
    ("ZADD z GT CH 7 f", ":0"),
    ("ZADD z GT CH 9 f", ":1"),
    ("ZADD z LT CH 10 f", ":0"),
    ("ZADD z LT CH 8 f", ":1"),
    ("ZADD z GT CH 1 new", ":1"),
    ("ZADD z XX GT CH 1 other", ":0"),
    ("ZREM z new f x", ":2"),
    ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
    ("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
    ("ZADD z NX GT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
    ("ZADD z NX LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
    ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
    ("ZADD z FOO 1 a", "-ERR syntax error"),
    ("ZADD z NX a", "-ERR syntax error"),
    ("ZADD z 1 a 2", "-ERR syntax error"),
    ("ZADD z x a", "-ERR value is not a valid float"),
    ("ZADD z nan a", "-ERR value is not a valid float"),
    ("ZADD z 1e400 a", "-ERR value is not a valid float"),
    ("ZADD z 1 a 1e-400 b", "-ERR value is not a valid float"),
    ("ZADD z 0x10 h", ":1"),
    ("ZADD none XX INCR 1 a", "$-1"),
    ("ZADD none XX 1 a", ":0"),
    ("ZADD z INCR 2 a", "$1 3"),
    ("ZADD z INCR 0 a", "$1 3"),
    ("ZADD z GT INCR -5 a", "$-1"),
    ("ZADD z NX INCR 5 a", "$-1"),
    ("ZINCRBY z 0.25 a", "$4 3.25"),
    ("ZINCRBY z 1e300 i", "$6 1e+300"),
    ("ZINCRBY z inf j", "$3 inf"),
    ("ZINCRBY z -inf j", "-ERR resulting score is not a number (NaN)"),
    ("ZINCRBY z x a", "-ERR value is not a valid float"),
    ("ZSCORE z a", "$4 3.25"),
    ("ZSCORE z i", "$6 1e+300"),
    ("ZSCORE z j", "$3 inf"),
    ("ZSCORE z x", "$-1"),
    ("ZSCORE none a", "$-1"),
    ("ZMSCORE z a x j", "*3 $4 3.25 $-1 $3 inf"),
    ("ZMSCORE none a b", "*2 $-1 $-1"),
    ("ZCARD z", ":8"),
    ("ZCARD none", ":0"),
    ("ZRANK z a", ":1"),
    ("ZRANK z j", ":7"),
    ("ZRANK z x", "$-1"),
    ("ZRANK none a", "$-1"),
    ("ZREVRANK z j", ":0"),
    ("ZREVRANK z x", "$-1"),
    ("ZRANK z a WITHSCORE", "*2 :1 $4 3.25"),
    ("ZRANK z x WITHSCORE", "*-1"),
    ("ZREVRANK z a WITHSCORE", "*2 :6 $4 3.25"),
    ("ZRANK z a FOO", "-ERR syntax error"),
    ("ZRANK z a WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command"),
    ("ZREVRANK z a WITHSCORE x", "-ERR wrong number of arguments for 'zrevrank' command"),
    ("ZCOUNT z -inf +inf", ":8"),
    ("ZCOUNT z (3.25 5", ":2"),
    ("ZCOUNT z 5 (5", ":0"),
    ("ZCOUNT z 9 1", ":0"),
    ("ZCOUNT z x 5", "-ERR min or max is not a float"),
    ("ZCOUNT z 1 (nan", "-ERR min or max is not a float"),
    ("ZCOUNT z ( 1e400", ":8"),
    ("ZCOUNT none 1 2", ":0"),
    ("ZLEXCOUNT z - [b", ":0"),
    ("ZLEXCOUNT z - b", "-ERR min or max not valid string range item"),
    ("ZLEXCOUNT none - +", ":0"),
    ("DEL z", ":1"),
    ("ZADD l 0 a 0 b 0 c 0 10 0 2", ":5"),
    ("ZRANGE l - + BYLEX", "*5 $2 10 $1 2 $1 a $1 b $1 c"),
    ("ZRANGEBYLEX l - +", "*5 $2 10 $1 2 $1 a $1 b $1 c"),
    ("ZRANGEBYLEX l + -", "*0"),
    ("ZRANGEBYLEX l [b (c", "*1 $1 b"),
    ("ZRANGEBYLEX l (2 +", "*3 $1 a $1 b $1 c"),
    ("ZRANGEBYLEX l [10 [2", "*2 $2 10 $1 2"),
    ("ZRANGEBYLEX l - + LIMIT 1 2", "*2 $1 2 $1 a"),
    ("ZREVRANGEBYLEX l + -", "*5 $1 c $1 b $1 a $1 2 $2 10"),
    ("ZREVRANGEBYLEX l (c [2 LIMIT 0 2", "*2 $1 b $1 a"),
    ("ZRANGE l (c [2 BYLEX REV", "*3 $1 b $1 a $1 2"),
    ("ZRANGE l - + BYLEX WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
    ("ZLEXCOUNT l [2 (c", ":3"),
    ("ZREMRANGEBYLEX l (b +", ":1"),
    ("ZREMRANGEBYLEX l x +", "-ERR min or max not valid string range item"),
    ("ZREMRANGEBYLEX l [x +", ":0"),
    ("ZREMRANGEBYLEX none - +", ":0"),
    ("ZRANGE l 0 -1", "*4 $2 10 $1 2 $1 a $1 b"),
    ("ZADD r 1 a 2 b 3 c 3 d 4 e", ":5"),
    ("ZRANGE r 1 2", "*2 $1 b $1 c"),
    ("ZRANGE r -2 -1 WITHSCORES", "*4 $1 d $1 3 $1 e $1 4"),
    ("ZRANGE r 3 1", "*0"),
    ("ZRANGE r 0 0 REV", "*1 $1 e"),
    ("ZRANGE r 5 9", "*0"),
    ("ZRANGE r x 1", "-ERR value is not an integer or out of range"),
    (
        "ZRANGE r 0 -1 LIMIT 0 1",
        "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    ),
    ("ZRANGE r 0 -1 LIMIT 1 -1", "*5 $1 a $1 b $1 c $1 d $1 e"),
    ("ZRANGE r 0 -1 LIMIT x 1", "-ERR value is not an integer or out of range"),
    ("ZRANGE r 0 -1 LIMIT 1", "-ERR syntax error"),
    ("ZRANGE r 0 -1 REV REV", "-ERR syntax error"),
    ("ZRANGE r 0 -1 FOO", "-ERR syntax error"),
    ("ZRANGE r (1 3 BYSCORE", "*3 $1 b $1 c $1 d"),
    ("ZRANGE r 3 (1 BYSCORE REV WITHSCORES", "*6 $1 d $1 3 $1 c $1 3 $1 b $1 2"),
    ("ZRANGE r 1 3 BYSCORE BYLEX", "-ERR syntax error"),
    ("ZRANGE r 1 9 BYSCORE LIMIT 1 2", "*2 $1 b $1 c"),
    ("ZRANGE r 9 1 BYSCORE REV LIMIT 1 2", "*2 $1 d $1 c"),
    ("ZRANGEBYSCORE r -inf +inf WITHSCORES LIMIT 3 9", "*4 $1 d $1 3 $1 e $1 4"),
    ("ZRANGEBYSCORE r -inf inf LIMIT -1 5", "*0"),
    ("ZRANGEBYSCORE r -inf inf LIMIT 1 -5", "*4 $1 b $1 c $1 d $1 e"),
    ("ZRANGEBYSCORE r 1 x", "-ERR min or max is not a float"),
    ("ZREVRANGEBYSCORE r 3 2", "*3 $1 d $1 c $1 b"),
    ("ZREVRANGE r 0 1 WITHSCORES", "*4 $1 e $1 4 $1 d $1 3"),
    ("ZREVRANGE r 0 1 REV", "-ERR syntax error"),
    ("ZRANGE none 0 -1", "*0"),
    ("ZRANGESTORE d r 1 2", ":2"),
    ("ZRANGE d 0 -1 WITHSCORES", "*4 $1 b $1 2 $1 c $1 3"),
    ("ZRANGESTORE d r 2 +inf BYSCORE LIMIT 1 9", ":3"),
    ("ZRANGE d 0 -1 WITHSCORES", "*6 $1 c $1 3 $1 d $1 3 $1 e $1 4"),
    ("ZRANGESTORE d r 0 1 REV", ":2"),
    ("ZRANGE d 0 -1 WITHSCORES", "*4 $1 d $1 3 $1 e $1 4"),
    ("ZRANGESTORE d r 0 1 WITHSCORES", "-ERR syntax error"),
    ("ZRANGESTORE d none 0 -1", ":0"),
    ("EXISTS d", ":0"),
    ("ZRANGESTORE r r 0 -2", ":4"),
    ("ZRANGE r 0 -1", "*4 $1 a $1 b $1 c $1 d"),
    ("ZREMRANGEBYRANK r 0 0", ":1"),
    ("ZREMRANGEBYRANK r 9 10", ":0"),
    ("ZREMRANGEBYRANK r x 10", "-ERR value is not an integer or out of range"),
    ("ZREMRANGEBYSCORE r (2 3", ":2"),
    ("ZREMRANGEBYSCORE r x 3", "-ERR min or max is not a float"),
    ("ZREMRANGEBYSCORE r 2 2", ":1"),
    ("EXISTS r", ":0"),
    ("ZADD p 1 a 2 b 3 c 4 d 5 e", ":5"),
    ("ZPOPMIN p", "*2 $1 a $1 1"),
    ("ZPOPMAX p", "*2 $1 e $1 5"),
    ("ZPOPMIN p 0", "*0"),
    ("ZPOPMIN p -1", "-ERR value is out of range, must be positive"),
    ("ZPOPMIN p x", "-ERR value is out of range, must be positive"),
    ("ZPOPMIN p 1 2", "-ERR syntax error"),
    ("ZPOPMAX p 2", "*4 $1 d $1 4 $1 c $1 3"),
    ("ZPOPMIN p 9", "*2 $1 b $1 2"),
    ("ZPOPMIN p", "*0"),
    ("EXISTS p", ":0"),
    ("ZADD p 1 a 2 b 3 c", ":3"),
    ("ZMPOP 0 p MIN", "-ERR numkeys should be greater than 0"),
    ("ZMPOP x p MIN", "-ERR numkeys should be greater than 0"),
    ("ZMPOP 1 p FOO", "-ERR syntax error"),
    ("ZMPOP 1 p MIN COUNT 0", "-ERR count should be greater than 0"),
    ("ZMPOP 1 p MIN COUNT x", "-ERR count should be greater than 0"),
    ("ZMPOP 1 p MIN COUNT", "-ERR syntax error"),
    ("ZMPOP 1 p MIN COUNT 1 COUNT 1", "-ERR syntax error"),
    ("ZMPOP 2 p MIN", "-ERR syntax error"),
    ("ZMPOP 2 none p MAX", "*2 $1 p *1 *2 $1 c $1 3"),
    ("ZMPOP 1 p MIN COUNT 5", "*2 $1 p *2 *2 $1 a $1 1 *2 $1 b $1 2"),
    ("ZMPOP 1 p MIN", "*-1"),
    ("ZADD a 1 x 2 y 3 z", ":3"),
    ("ZADD b 10 y 20 z 30 w", ":3"),
    ("ZUNION 2 a b", "*4 $1 x $1 y $1 z $1 w"),
    ("ZUNION 2 a b WITHSCORES", "*8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30"),
    ("ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES", "*8 $1 x $1 2 $1 y $1 9 $1 w $2 15 $1 z $2 16"),
    ("ZUNION 2 a b AGGREGATE MIN WITHSCORES", "*8 $1 x $1 1 $1 y $1 2 $1 z $1 3 $1 w $2 30"),
    ("ZUNION 2 a b AGGREGATE max WITHSCORES", "*8 $1 x $1 1 $1 y $2 10 $1 z $2 20 $1 w $2 30"),
    ("ZUNION 3 a none a WITHSCORES", "*6 $1 x $1 2 $1 y $1 4 $1 z $1 6"),
    ("ZINTER 2 a b WITHSCORES", "*4 $1 y $2 12 $1 z $2 23"),
    ("ZINTER 2 a none", "*0"),
    ("ZINTER 2 a b WEIGHTS 1 -1 AGGREGATE MIN WITHSCORES", "*4 $1 z $3 -20 $1 y $3 -10"),
    ("ZDIFF 2 a b WITHSCORES", "*2 $1 x $1 1"),
    ("ZDIFF 2 a a", "*0"),
    ("ZDIFF 1 a", "*3 $1 x $1 y $1 z"),
    ("ZINTERCARD 2 a b", ":2"),
    ("ZINTERCARD 2 a b LIMIT 1", ":1"),
    ("ZINTERCARD 2 a b LIMIT 0", ":2"),
    ("ZINTERCARD 2 a none", ":0"),
    ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
    ("ZUNION x a", "-ERR value is not an integer or out of range"),
    ("ZUNION 3 a b", "-ERR syntax error"),
    ("ZUNIONSTORE d 0 a", "-ERR at least 1 input key is needed for 'zunionstore' command"),
    ("ZINTERCARD 0 a", "-ERR at least 1 input key is needed for 'zintercard' command"),
    ("ZUNION 1 a WEIGHTS x", "-ERR weight value is not a float"),
    ("ZUNION 1 a WEIGHTS", "-ERR syntax error"),
    ("ZUNION 1 a AGGREGATE foo", "-ERR syntax error"),
    ("ZUNION 1 a FOO", "-ERR syntax error"),
    ("ZDIFF 1 a WEIGHTS 1", "-ERR syntax error"),
    ("ZDIFFSTORE d 1 a WITHSCORES", "-ERR syntax error"),
    ("ZINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative"),
    ("ZINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative"),
    ("ZINTERCARD 1 a WITHSCORES", "-ERR syntax error"),
    ("ZUNIONSTORE d 2 a b", ":4"),
    ("ZRANGE d 0 -1 WITHSCORES", "*8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30"),
    ("ZINTERSTORE d 2 a b WEIGHTS 1 2", ":2"),
    ("ZRANGE d 0 -1 WITHSCORES", "*4 $1 y $2 22 $1 z $2 43"),
    ("ZDIFFSTORE d 2 a b", ":1"),
    ("ZRANGE d 0 -1 WITHSCORES", "*2 $1 x $1 1"),
    ("ZDIFFSTORE d 2 a a", ":0"),
    ("EXISTS d", ":0"),
    ("ZADD i inf m", ":1"),
    ("ZADD j -inf m", ":1"),
    ("ZUNION 2 i j WITHSCORES", "*2 $1 m $1 0"),
    ("ZUNION 1 i WEIGHTS 0 WITHSCORES", "*2 $1 m $1 0"),
    ("ZADD m 0 m", ":1"),
    ("ZINTER 2 m i WEIGHTS inf 1 WITHSCORES", "*2 $1 m $3 inf"),
    ("ZINTER 2 i m WEIGHTS 1 inf WITHSCORES", "*2 $1 m $1 0"),
    ("ZUNION 2 i m WEIGHTS 1 inf WITHSCORES", "*2 $1 m $3 inf"),
    ("ZINTER 2 i m WEIGHTS 1 inf AGGREGATE MIN WITHSCORES", "*2 $1 m $3 inf"),
    ("DEL m", ":1"),
    ("DEL i j", ":2"),
    ("ZRANDMEMBER none", "$-1"),
    ("ZRANDMEMBER none 3", "*0"),
    ("ZRANDMEMBER a 0", "*0"),
    ("ZRANDMEMBER a x", "-ERR value is not an integer or out of range"),
    (
        "ZRANDMEMBER a -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    ),
    ("ZRANDMEMBER a -9223372036854775807 WITHSCORES", "-ERR value is out of range"),
    ("ZRANDMEMBER a 1 FOO", "-ERR syntax error"),
    ("ZSCAN a x", "-ERR invalid cursor"),
    ("ZSCAN none 0 FOO", "*2 $1 0 *0"),
    ("ZSCAN a 0 FOO", "-ERR syntax error"),
    ("ZSCAN a 0 COUNT 0", "-ERR syntax error"),
    ("ZSCAN a 0 TYPE zset", "-ERR syntax error"),
    ("ZSCAN a 0", "*2 $1 0 *6 $1 x $1 1 $1 y $1 2 $1 z $1 3"),
    ("ZSCAN a 0 MATCH [xz]", "*2 $1 0 *4 $1 x $1 1 $1 z $1 3"),
    ("GET a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("INCR a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("APPEND a x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HSET a f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HGET a f", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("HDEL a f", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("STRLEN a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SET s v", "+OK"),
    ("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZADD s x a", "-ERR value is not a valid float"),
    ("ZINCRBY s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZREM s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZCARD s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZSCORE s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZMSCORE s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZRANK s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZCOUNT s 1 2", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZRANGESTORE d s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZREMRANGEBYRANK s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZPOPMIN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZMPOP 2 s a MIN", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZRANDMEMBER s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZUNION 1 s FOO", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("ZUNION 2 none s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("COPY a g", ":1"),
    ("ZADD g 9 x", ":0"),
    ("ZSCORE a x", "$1 1"),
    ("RENAME g a", "+OK"),
    ("ZSCORE a x", "$1 9"),
    ("MOVE a 1", ":1"),
    ("EXISTS a", ":0"),
    ("ZREM b y z w", ":3"),
    ("EXISTS b", ":0"),
    ("ZADD e 1 a", ":1"),
    ("EXPIRE e 100", ":1"),
    ("ZADD e 2 b", ":1"),
    ("TTL e", ":100"),
    ("ZRANGESTORE e e 0 -1", ":2"),
    ("TTL e", ":-1"),
    ("SET e string", "+OK"),
    ("GET e", "$6 string"),
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
        ("ZADD r 1 a 2.5 b inf c", ":3"),
        ("ZRANGE r 0 -1 WITHSCORES", "*3 *2 $1 a ,1 *2 $1 b ,2.5 *2 $1 c ,inf"),
        ("ZRANGE r 0 -1", "*3 $1 a $1 b $1 c"),
        ("ZREVRANGE r 0 0 WITHSCORES", "*1 *2 $1 c ,inf"),
        ("ZRANGEBYSCORE r 2 9 WITHSCORES", "*1 *2 $1 b ,2.5"),
        ("ZSCORE r b", ",2.5"),
        ("ZSCORE r x", "_"),
        ("ZMSCORE r a x", "*2 ,1 _"),
        ("ZPOPMIN none", "*0"),
        ("ZRANK r b WITHSCORE", "*2 :1 ,2.5"),
        ("ZRANK r x WITHSCORE", "_"),
        ("ZRANK r x", "_"),
        ("ZRANDMEMBER r 9 WITHSCORES", "*3 *2 $1 a ,1 *2 $1 b ,2.5 *2 $1 c ,inf"),
        ("ZSCAN r 0", "*2 $1 0 *6 $1 a $1 1 $1 b $3 2.5 $1 c $3 inf"),
        ("ZUNION 1 r WITHSCORES", "*3 *2 $1 a ,1 *2 $1 b ,2.5 *2 $1 c ,inf"),
        ("ZUNION 1 r", "*3 $1 a $1 b $1 c"),
        ("ZDIFF 1 r WITHSCORES", "*3 *2 $1 a ,1 *2 $1 b ,2.5 *2 $1 c ,inf"),
        ("ZINTER 1 r WITHSCORES", "*3 *2 $1 a ,1 *2 $1 b ,2.5 *2 $1 c ,inf"),
        ("ZINCRBY r 0.5 a", ",1.5"),
        ("ZADD r XX INCR 1 n", "_"),
        ("ZADD r INCR 3 b", ",5.5"),
        ("ZADD r 3 b", ":0"),
        ("ZPOPMIN r", "*2 $1 a ,1.5"),
        ("ZPOPMAX r 1", "*1 *2 $1 c ,inf"),
        ("ZMPOP 1 r MIN", "*2 $1 r *1 *2 $1 b ,3"),
        ("ZMPOP 1 r MIN", "_"),
        ("ZRANDMEMBER r", "_"),
        ("ZRANDMEMBER r 0", "*0"),
    ] {
        assert_eq!(w.say(line).trim_end_matches("\r\n").replace("\r\n", " "), want, "{line}");
    }
}

#[test]
fn effects_and_changes() {
    // As redis-server 7.0 writes them to its append-only file.
    let mut w = World::new();
    for (line, effects, dirty) in [
        ("ZADD z 1 a 2 b 3 c", &["itself"][..], 3),
        ("ZADD z 1 a 2 b", &[], 0),
        ("ZADD z CH 1 a 3 b 4 d", &["itself"], 2),
        ("ZADD z GT 1 b", &[], 0),
        ("ZADD z INCR 1 a", &["itself"], 1),
        ("ZADD z INCR 0 a", &[], 0),
        ("ZINCRBY z 1 a", &["itself"], 1),
        ("ZINCRBY z x a", &[], 0),
        ("ZREM z x", &[], 0),
        ("ZREM z x a b", &["itself"], 2),
        ("ZADD z 1 a 2 b 3 c 4 d", &["itself"], 2),
        ("ZPOPMIN z", &["itself"], 1),
        ("ZPOPMAX z 0", &[], 0),
        ("ZMPOP 2 none z MAX COUNT 2", &["ZPOPMAX z 2"], 2),
        ("ZMPOP 1 z MIN COUNT 9", &["ZPOPMIN z 1"], 1),
        ("ZMPOP 1 z MIN COUNT 9", &[], 0),
        ("ZADD z 1 a 2 b 3 c 4 d", &["itself"], 4),
        ("ZRANGESTORE d z 0 1", &["itself"], 1),
        ("ZRANGESTORE d none 0 1", &["itself"], 1),
        ("ZRANGESTORE d none 0 1", &[], 0),
        ("ZUNIONSTORE d 1 z", &["itself"], 1),
        ("ZINTERSTORE d 2 z none", &["itself"], 1),
        ("ZDIFFSTORE d 1 none", &[], 0),
        ("ZREMRANGEBYSCORE z 9 10", &[], 0),
        ("ZREMRANGEBYRANK z 0 1", &["itself"], 2),
        ("ZREMRANGEBYSCORE z -inf inf", &["itself"], 2),
        ("ZREMRANGEBYLEX z - +", &[], 0),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        assert_eq!((w.effects(), w.fx.dirty), (effects.iter().map(|e| String::from(*e)).collect(), dirty), "{line}");
    }
}

/// A sorted set of `n` members of `len` bytes.
fn filled(w: &mut World, name: &str, n: usize, len: usize) {
    for i in 0..n {
        w.run(0, &["ZADD", name, &std::format!("{}", i * 7 % n), &std::format!("{i:0len$}")]);
    }
}

#[test]
fn encodings_as_redis_names_them() {
    for (n, len, want) in
        [(128, 3, "listpack"), (129, 3, "skiplist"), (1, 64, "listpack"), (1, 65, "skiplist"), (128, 64, "listpack")]
    {
        let mut w = World::new();
        filled(&mut w, "z", n, len);
        assert!(w.say("OBJECT ENCODING z").contains(want), "{n} members of {len} bytes");
        assert_eq!(w.say("ZCARD z"), std::format!(":{n}\r\n"));
        w.say("ZRANGESTORE d z 0 -1");
        assert!(w.say("OBJECT ENCODING d").contains(want));
        for i in 1..n {
            w.say(&std::format!("ZREM z {i:0len$}"));
        }
        assert!(w.say("OBJECT ENCODING z").contains(want), "and it never goes back");
        super::laws::accounts(&w.ks);
    }
    // One with a long member becomes large like any other.
    let mut w = World::new();
    w.say(&std::format!("ZADD z 0 {}", "x".repeat(65)));
    filled(&mut w, "z", 127, 3);
    let place =
        |w: &World| w.ks.peek(&w.ks.key(0, b"z")).map(|slot| matches!(slot, super::super::entry::Slot::Small(_)));
    assert_eq!(place(&w), Some(true));
    w.say("ZADD z 1 y");
    assert_eq!(place(&w), Some(false));
    // As many as do not fit are taken for different ones, but only where there is none yet.
    let mut w = World::new();
    let many = " 1 m".repeat(129);
    w.say(&std::format!("ZADD new{many}"));
    w.say("ZADD old 1 m");
    w.say(&std::format!("ZADD old{many}"));
    assert!(w.say("OBJECT ENCODING new").contains("skiplist") && w.say("OBJECT ENCODING old").contains("listpack"));
}

#[test]
fn minus_zero_is_kept_where_redis_keeps_it() {
    let mut w = World::new();
    w.say("ZADD z -0 a");
    assert_eq!(w.say("ZSCORE z a"), "$1\r\n0\r\n");
    filled(&mut w, "z", 200, 3);
    w.say("ZADD z -0 b");
    assert_eq!(w.say("ZMSCORE z a b"), "*2\r\n$1\r\n0\r\n$2\r\n-0\r\n");
    // A long member makes a skiplist of a small one too, and what is made as a whole is one from its first member on.
    let long = "x".repeat(65);
    w.say(&std::format!("ZADD y -0 a 1 {long}"));
    w.say("ZADD y -0 b");
    w.say("ZADD x 5 a");
    w.say(&std::format!("ZADD x 5 b 5 {long}"));
    w.say("ZUNIONSTORE u 1 x WEIGHTS -1");
    w.say("ZUNIONSTORE v 2 u x WEIGHTS -0 -0");
    assert_eq!(w.say("ZMSCORE y a b"), "*2\r\n$2\r\n-0\r\n$2\r\n-0\r\n");
    assert_eq!(w.say("ZMSCORE v a b"), "*2\r\n$1\r\n0\r\n$1\r\n0\r\n");
    w.say("ZUNIONSTORE v 1 x WEIGHTS -0");
    assert_eq!(w.say("ZMSCORE v a b"), "*2\r\n$2\r\n-0\r\n$2\r\n-0\r\n");
    w.say(&std::format!("ZREM x {long}"));
    w.say("ZUNIONSTORE v 1 x WEIGHTS -0");
    assert_eq!(w.say("ZMSCORE v a b"), "*2\r\n$1\r\n0\r\n$1\r\n0\r\n");
    assert_eq!(w.say("ZRANGE z 0 2"), "*3\r\n$3\r\n000\r\n$1\r\na\r\n$1\r\nb\r\n");
}

#[test]
fn a_scan_meets_whatever_stays() {
    // All of one score: nothing but their hashes tells where a step ended.
    for same in [true, false] {
        let mut w = World::new();
        for i in 0..3000 {
            w.say(&std::format!("ZADD z {} {i:05}", if same { 0 } else { i }));
        }
        let (mut cursor, mut seen, mut steps) = (String::from("0"), alloc::collections::BTreeSet::new(), 0);
        loop {
            let text = w.say(&std::format!("ZSCAN z {cursor} COUNT 50"));
            let words: Vec<&str> = text.split("\r\n").collect();
            cursor = words[2].into();
            seen.extend(words.iter().filter(|word| word.len() == 5).map(|word| String::from(*word)));
            steps += 1;
            // Half of them come, go and move meanwhile.
            w.say(&std::format!("ZREM z {:05}", 1501 + steps * 7));
            w.say(&std::format!("ZADD z 5 new{steps} {} {:05}", steps * 31, steps * 3));
            if cursor == "0" {
                break;
            }
            assert!(cursor.parse::<u64>().expect("a number") < 1 << 53);
        }
        assert!((0..1500).all(|i| seen.contains(&std::format!("{i:05}"))));
        assert!((55..80).contains(&steps), "{steps}");
    }
    let mut w = World::new();
    w.say("ZADD z 0.1 a");
    assert_eq!(w.say("ZSCAN z 0"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\n0.1\r\n");
    filled(&mut w, "z", 200, 3);
    assert!(w.say("ZSCAN z 0 MATCH a COUNT 999").ends_with("a\r\n$19\r\n0.10000000000000001\r\n"));
}

#[test]
fn random_members_are_each_about_equally_likely() {
    for n in [50, 1000] {
        let mut w = World::new();
        filled(&mut w, "z", n, 4);
        let mut hits = BTreeMap::<String, usize>::new();
        let text = w.say("ZRANDMEMBER z -20000");
        for word in text.split("\r\n").filter(|word| word.len() == 4 && !word.starts_with(['*', '$'])) {
            *hits.entry(word.into()).or_default() += 1;
        }
        assert!(hits.len() == n && hits.values().all(|&h| (20_000 / n / 5..20_000 / n * 3).contains(&h)));
    }
}

#[test]
fn a_large_sorted_set_is_saved_and_freed_in_slices() {
    let mut w = World::new();
    for i in 0..200 {
        let line = (0..500).fold(String::new(), |line, j| line + &std::format!(" {} member:{i}:{j}", j * 200 + i));
        w.say(&std::format!("ZADD z{line}"));
    }
    w.say("COPY z g");
    let want = w.content();
    w.ks.snapshot_begin();
    w.say("ZADD z 7 member:0:0");
    w.say("DEL g");
    let bound = 4096;
    assert!(w.ks.snapshot_pending() < bound, "a handle each: {}", w.ks.snapshot_pending());
    let (mut whole, mut steps) = (Body::new(Options { compress: false }), 0);
    while w.ks.snapshot_step(&mut whole, 10_000) == Progress::More {
        steps += 1;
        assert!(whole.len() < steps * 10_100, "a step takes its budget: {} after {steps}", whole.len());
        w.say(&std::format!("ZREM z member:{}:1", steps % 200));
    }
    assert!(steps > 300, "{steps}");
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut whole)), want);
    let full = w.ks.memory();
    w.say("ZREMRANGEBYRANK z 0 -1");
    assert!(w.ks.memory() > full / 3, "it waits to be freed");
    let mut steps = 0;
    while w.ks.maintain(10) == Progress::More {
        steps += 1;
    }
    assert!(steps > 100 && w.ks.memory() < 100_000, "{steps} {}", w.ks.memory());
}

#[test]
fn a_load_refuses_members_twice_and_scores_that_are_none() {
    let begin = Item::Entry(Entry {
        db: 0,
        key: b"z",
        expire_at_ms: None,
        idle_s: None,
        freq: None,
        value: Value::Elements(Kind::Zset, 2),
    });
    let scored = |member: &'static [u8], score| Item::Element(Element::Scored { member, score });
    for (second, why) in [
        (scored(b"a", 2.0), "a member comes twice"),
        (scored(b"b", f64::NAN), "a score is not a number"),
        (Item::Element(Element::Member(b"b")), "a part of another type"),
    ] {
        let mut w = World::new();
        w.ks.load_begin(LoadMode::Replace);
        assert_eq!(w.ks.load_item(&begin, None), Ok(()));
        assert_eq!(w.ks.load_item(&scored(b"a", 1.0), None), Ok(()));
        assert_eq!(w.ks.load_item(&second, None), Err(LoadError::Broken { key: "z".into(), why }));
    }
}

#[test]
fn digests_are_those_of_redis() {
    // Of redis-server 7.0 with the same data.
    let hex = |sum: [u8; 20]| sum.map(|byte| std::format!("{byte:02x}")).concat();
    let mut w = World::new();
    w.say("ZADD z -0 m 0 n 0.1 p 1e20 q 123456789012345678 r 1e17 s 0x10 t 1e-320 u");
    assert_eq!(hex(w.ks.digest_value(0, b"z")), "e43e29d7b764e8a9b202ab04d00f6bce4388a967");
}
