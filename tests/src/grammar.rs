//! Every command that writes, with all its options, as rules from which random commands are made.
//!
//! A rule is words apart by spaces: those of [`crate::mix`] (`$k`, `$v` …), `{ a | b c | }` for one of several, and
//! `( a b )+` for one to three of them. What the data refuses is part of it.

use crate::mix::word_of;
use crate::rng::Rng;

/// One group of rules.
pub type Rules = &'static [&'static str];

/// Strings, bits and HyperLogLogs.
pub const STRINGS: Rules = &[
    "SET $k $v { NX | XX | } { GET | } { EX $t | PX $ms | EXAT $at | PXAT $atms | KEEPTTL | | }",
    "SET $k $n { PX $ms | }",
    "SETNX $k $v",
    "SETEX $k $t $v",
    "PSETEX $k $ms $v",
    "GETSET $k $v",
    "GETDEL $k",
    "GETEX $k { EX $t | PX $ms | EXAT $at | PXAT $atms | PERSIST | }",
    "MSET ( $k $v )+",
    "MSETNX ( $k $v )+",
    "APPEND { $k | $c } { $v | $n }",
    "SETRANGE { $k | $b } $small $v",
    "INCR { $c | $k }",
    "DECR $c",
    "INCRBY $c $n",
    "DECRBY $c $n",
    "INCRBYFLOAT $fl $f",
    "SETBIT { $b | $k } { $small | 1$small | 40$small } { 0 | 1 }",
    "BITOP { AND | OR | XOR } $b ( $b )+",
    "BITOP NOT $b $b",
    // A BITFIELD whose steps all overflow makes the key in Redis, and replicas are not told: the first step does not.
    "BITFIELD $b SET { u8 | i16 | u63 | i64 } { #$small | $small } $n ( { GET u8 $small | SET u5 #$small $n | OVERFLOW { WRAP | SAT | FAIL } | INCRBY { i5 | u4 | i33 } $small { $small | -$small } } )+",
    "PFADD { $p | $k } ( { $e | $v } )+",
    "PFADD $p",
    "PFMERGE $p ( $p )+",
    "PFCOUNT ( $p )+",
];

/// Keys of any type.
pub const KEYS: Rules = &[
    "DEL ( $any )+",
    "UNLINK ( $any )+",
    "EXPIRE $any $t { NX | XX | GT | LT | }",
    "PEXPIRE $any $ms { NX | XX | GT | LT | }",
    "EXPIREAT $any $at { NX | XX | GT | LT | }",
    "PEXPIREAT $any $atms { NX | XX | GT | LT | }",
    "EXPIRE $any { -1 | 0 }",
    "PEXPIREAT $any 1",
    "PERSIST $any",
    "RENAME $any $any",
    "RENAMENX $any $any",
    "COPY $any $any { DB $db | } { REPLACE | }",
    "MOVE $any $db",
    // Not by other keys as texts: among equals the order is that of the elements, and a set has another one on each server.
    // Not by the elements as numbers: what is one (the empty string, 0x10) differs between Redis and Valkey 9.
    "SORT { $l | $s | $z } { BY w_* { DESC | } | BY nosort | ALPHA { DESC | } } { LIMIT 1 $small | } STORE $l",
    "SELECT $db",
    "SWAPDB $db $db",
];

/// Lists.
pub const LISTS: Rules = &[
    "{ RPUSH | LPUSH } $l ( { $v | $e | $n } )+",
    "{ RPUSHX | LPUSHX } $l ( { $v | $e | $n } )+",
    "{ RPOP | LPOP } $l { 0 | 1 | 2 | $small | }",
    "LMPOP 2 $l $l { LEFT | RIGHT } { COUNT 3 | }",
    "LSET $l { $small | -$small } { $v | $e }",
    "LINSERT $l { BEFORE | AFTER } $e $v",
    "LREM $l { 0 | 2 | -1 } $e",
    "LTRIM $l { 0 | 1 | -$small } { -1 | -2 | $small | 200 }",
    "RPOPLPUSH $l $l",
    "LMOVE $l $l { LEFT | RIGHT } { LEFT | RIGHT }",
];

/// Hashes.
pub const HASHES: Rules = &[
    "HSET $h ( $e { $v | $n } )+",
    "HMSET $h ( $e $v )+",
    "HSETNX $h $e $v",
    "HDEL $h ( $e )+",
    "HINCRBY $h n$small $n",
    "HINCRBYFLOAT $h f$small $f",
];

/// Sets.
pub const SETS: Rules = &[
    "SADD $s ( { $e | $v } )+",
    "SADD $s ( { $small | $n } )+",
    "SREM $s ( { $e | $small } )+",
    "SMOVE $s $s { $e | $small }",
    "{ SINTERSTORE | SUNIONSTORE | SDIFFSTORE } $s ( $s )+",
    "SPOP $s { 1 | 2 | $small | }",
];

/// Sorted sets. Scores are whole numbers: how fractions go into a digest differs between servers.
pub const ZSETS: Rules = &[
    "ZADD $z { NX | XX | } { CH | } ( { $small | -1$small | $n } $e )+",
    "ZADD $z { XX | } { GT | LT } { CH | } ( { $small | -1$small } $e )+",
    "ZADD $z { NX | XX | GT | LT | } INCR $small $e",
    "ZINCRBY $z { 1$small | -1$small } $e",
    "ZREM $z ( $e )+",
    "{ ZPOPMIN | ZPOPMAX } $z { 1 | 2 | }",
    "ZMPOP 2 $z $z { MIN | MAX } { COUNT 3 | }",
    "ZREMRANGEBYRANK $z { 0 | 1 | -2 } { 1 | -1 | $small }",
    "ZREMRANGEBYSCORE $z { ($small | $small | -inf } { (25 | 9 | +inf }",
    // By bytes only where all scores are equal: what it does elsewhere depends on the master's random levels.
    "ZADD $x ( 0 { $e | $v } )+",
    "ZREMRANGEBYLEX $x { [e1 | - | (e0 } { (e2 | + | [e3 }",
    "ZRANGESTORE $x $x { [e1 | - } { (e4 | + } BYLEX { LIMIT 0 5 | }",
    "ZRANGESTORE $z $z { 0 | 1 } { $small | -1 } { REV | }",
    "ZRANGESTORE $z $z -inf { ($small | +inf } BYSCORE { LIMIT { 0 | 1 } 9 | }",
    "{ ZUNIONSTORE | ZINTERSTORE } $z 2 { $z | $s } $z { WEIGHTS 2 1$small | } { AGGREGATE { SUM | MIN | MAX } | }",
    "ZDIFFSTORE $z 2 { $z | $s } $z",
];

/// Places on the globe.
pub const PLACES: Rules = &[
    "GEOADD $geo { NX | XX | } { CH | } ( $lon $lat $e )+",
    "GEORADIUS $geo $lon $lat { 4$small00 km | 9$small00 mi } { COUNT 5 | } { ASC | DESC | } STORE $geo",
    "GEORADIUSBYMEMBER $geo $e 9$small00 km STORE $geo",
    "GEOSEARCHSTORE $geo $geo { FROMLONLAT $lon $lat | FROMMEMBER $e } { BYRADIUS 6$small00 mi | BYBOX 3$small00 9$small00 km } { ASC COUNT 4 | }",
    "ZREM $geo ( $e )+",
];

/// Streams with their groups. The ids follow the clock, so that they mostly fit.
pub const STREAMS: Rules = &[
    "XADD $y { NOMKSTREAM | } { MAXLEN { = | ~ } 1$small | MINID { = | ~ } $near | } $up ( $e { $v | $n } )+",
    "XADD $y $up a $n b $v",
    "XADD $y $up a $n b $e",
    "XTRIM $y { MAXLEN 1$small | MAXLEN ~ 1$small LIMIT 1$small | MINID { = | ~ } $near }",
    "XDEL $y ( $near )+",
    "XGROUP CREATE $y $g { 0 | $ | $near } { MKSTREAM | }",
    "XGROUP SETID $y $g { $near | $ }",
    // Not what a consumer got before: that counts as delivered once more, and replicas are not told.
    "XREADGROUP GROUP $g $w { COUNT 3 | } { NOACK | } STREAMS { $y > | $y $y > > }",
    "XREADGROUP GROUP $g $w { COUNT 5 | } STREAMS $y >",
    "XACK $y $g ( $near )+",
    "XCLAIM $y $g $w { 0 | 3600000 } ( $near )+ { FORCE | } { RETRYCOUNT $small | } { JUSTID | } { LASTID $near | }",
    "XAUTOCLAIM $y $g $w 0 { - | $near } { COUNT 3 | } { JUSTID | }",
];

/// What a master decides by its clock, or servers answer in other ways: not to be compared, but replicas do the same.
pub const APART: Rules = &[
    "XADD ys:$small { MAXLEN ~ 9 | } * a $e",
    "XADD ys:$small MAXLEN ~ 2$small * { a $e | b $v c $n }",
    "XTRIM ys:$small MAXLEN { = | ~ } $small",
    "XSETID $y $up { ENTRIESADDED 9$small MAXDELETEDID 0-1 | }",
    "XGROUP DESTROY $y $g",
    "XGROUP CREATECONSUMER $y $g $w",
    "XGROUP DELCONSUMER $y $g $w",
    "XGROUP CREATE ys:$small $g $ MKSTREAM ENTRIESREAD 0",
    "XREADGROUP GROUP $g $w COUNT 9 STREAMS ys:$small >",
    "DEL ys:$small",
];

/// What Valkey 9.1 knows and Redis 7.0 does not. Fields get no expiry: Redis 7.0 could not be told, and digests count it in
/// other ways.
pub const OF_VALKEY_9_1: Rules = &[
    "HSETEX $h { NX | XX | } { FNX | FXX | } { KEEPTTL | } FIELDS { 1 $e $v | 2 $e $n $e $v }",
    "HSETEX $h PXAT 1 FIELDS { 1 $e $v | 2 $e $v $e $v }",
    "HGETEX $h { PERSIST | PXAT 1 | } FIELDS { 1 $e | 2 $e $e }",
    "HGETDEL $h FIELDS { 1 $e | 3 $e $e $e }",
    "MSETEX { 1 $k $v | 3 $k $n $k $v $k $v } { NX | XX | } { EX $t | PX $ms | EXAT $at | PXAT $atms | KEEPTTL | }",
    "SET $k $small IFEQ $small { GET | } { EX $t | PX $ms | EXAT $at | PXAT $atms | KEEPTTL | }",
    "SET $k $small",
    "DELIFEQ $k $small",
    "GEOSEARCHSTORE $geo $geo BYPOLYGON { 3 $lon $lat $lon $lat $lon $lat | 4 $lon $lat $lon $lat $lon $lat $lon $lat } { ASC COUNT 4 | }",
];

/// What only Redis 8 and Primacy know.
pub const OF_REDIS_8: Rules = &[
    "SET $k $small IFNE $small { GET | } { PX $ms | KEEPTTL | }",
    "SET $k $small { IFDNE | IFDEQ } 0123456789abcdef { GET | } { PX $ms | KEEPTTL | }",
    "DELEX $k { IFEQ $small | IFNE $small | IFDEQ 0123456789abcdef | IFDNE 0123456789abcdef | }",
    "BITOP { DIFF | DIFF1 | ANDOR | ONE } $b $b ( $b )+",
    "XADD $y { MAXLEN { = | ~ } 1$small | MINID { = | ~ } $near | } { KEEPREF | DELREF | ACKED } $up a $e",
    "XTRIM $y { MAXLEN 1$small | MAXLEN ~ 1$small LIMIT 1$small | MINID { = | ~ } $near } { KEEPREF | DELREF | ACKED }",
    "XDELEX $y { KEEPREF | DELREF | ACKED | } IDS { 1 $near | 3 $near $near $near }",
    "XACKDEL $y $g { KEEPREF | DELREF | ACKED | } IDS { 1 $near | 3 $near $near $near }",
];

/// Commands that may wait a little; Redis looks at its clocks ten times a second only.
pub const WAITING: Rules = &[
    "{ BLPOP | BRPOP } ( $l )+ 0.001",
    "BLMPOP 0.001 2 $l $l { LEFT | RIGHT } { COUNT 2 | }",
    "BLMOVE $l $l { LEFT | RIGHT } { LEFT | RIGHT } 0.001",
    "BRPOPLPUSH $l $l 0.001",
    "{ BZPOPMIN | BZPOPMAX } ( $z )+ 0.001",
    "BZMPOP 0.001 2 $z $z { MIN | MAX } { COUNT 2 | }",
    "XREADGROUP GROUP $g $w BLOCK 1 STREAMS $y >",
];

/// All but those that wait.
pub const AT_ONCE: &[Rules] = &[STRINGS, KEYS, LISTS, HASHES, SETS, ZSETS, PLACES, STREAMS];

fn all() -> impl Iterator<Item = &'static str> {
    AT_ONCE.iter().copied().flatten().chain(WAITING).chain(APART).chain(OF_VALKEY_9_1).chain(OF_REDIS_8).copied()
}

/// A random command of these rules.
pub fn command(groups: &[Rules], rng: &mut Rng, now_ms: i64) -> Vec<Vec<u8>> {
    let rules = *rng.pick(groups);
    let rule = *rng.pick(rules);
    expand(rule, rng, now_ms)
}

/// A random command of this rule.
pub fn expand(rule: &str, rng: &mut Rng, now_ms: i64) -> Vec<Vec<u8>> {
    let words: Vec<&str> = rule.split(' ').collect();
    let mut out = Vec::new();
    sequence(&words, rng, now_ms, &mut out);
    out
}

fn sequence(words: &[&str], rng: &mut Rng, now_ms: i64, out: &mut Vec<Vec<u8>>) {
    let mut at = 0;
    while at < words.len() {
        match words[at] {
            "{" => {
                let end = at + closing(&words[at..]);
                let choices: Vec<&[&str]> = choices(&words[at + 1..end]);
                let part: &&[&str] = rng.pick(&choices);
                sequence(part, rng, now_ms, out);
                at = end;
            }
            "(" => {
                let end = at + closing(&words[at..]);
                for _ in 0..=rng.below(3) {
                    sequence(&words[at + 1..end], rng, now_ms, out);
                }
                at = end;
            }
            // A key of any type, its own or another's. Not of places: their scores have 52 bits, and beyond 53, where unions
            // of such would come, servers print numbers differently, into digests too.
            "$any" => {
                let word: &&str = rng.pick(&["$k", "$c", "$l", "$h", "$s", "$z", "$b", "$p", "$y"]);
                out.push(word_of(word, rng, now_ms));
            }

            word => out.push(word_of(word, rng, now_ms)),
        }
        at += 1;
    }
}

/// Where the bracket that is first closes.
fn closing(words: &[&str]) -> usize {
    let mut depth = 0_usize;
    words
        .iter()
        .position(|w| {
            depth += usize::from(matches!(*w, "{" | "("));
            depth -= usize::from(matches!(*w, "}" | ")+"));
            depth == 0
        })
        .expect("each bracket of a rule closes")
}

/// The parts between the bars of this depth.
fn choices<'a>(words: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let mut depth = 0_usize;
    words
        .split(|w| {
            depth += usize::from(matches!(*w, "{" | "("));
            depth -= usize::from(matches!(*w, "}" | ")+"));
            depth == 0 && *w == "|"
        })
        .collect()
}

/// The names of all commands that the rules make.
#[must_use]
pub fn names() -> std::collections::BTreeSet<String> {
    let mut names = std::collections::BTreeSet::new();
    for rule in all() {
        let words: Vec<&str> = rule.split(' ').collect();
        if words[0] == "{" {
            let end = closing(&words);
            names.extend(choices(&words[1..end]).iter().map(|c| c[0].to_lowercase()));
        } else {
            names.insert(words[0].to_lowercase());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_commands() {
        let mut rng = Rng::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let words = expand("A { B | C { D | E } | } ( X Y )+", &mut rng, 0);
            seen.insert(words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect::<Vec<_>>().join(" "));
        }
        // Four choices, one to three repeats.
        assert_eq!(seen.len(), 12, "{seen:?}");
        assert!(seen.contains("A X Y") && seen.contains("A C E X Y X Y X Y"));
    }

    #[test]
    fn all_rules_are_well_formed() {
        let mut rng = Rng::new(2);
        for rule in all() {
            for _ in 0..20 {
                let words = expand(rule, &mut rng, 0);
                assert!(
                    words.iter().all(|w| !["{", "}", "(", ")+", "|"].contains(&&*String::from_utf8_lossy(w))),
                    "{rule}"
                );
            }
        }
    }
}
