//! Lists: their replies, random histories against a plain sequence, and every form in snapshots.

use super::*;
use crate::keyspace::entry::Slot;
use crate::keyspace::list::Side;
use alloc::collections::VecDeque;
use quickcheck::quickcheck;

/// A list as the value of [`Content`]: no string of these tests begins so.
pub(super) fn text(elements: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let hex =
        |e: Vec<u8>| if e.len() > 40 { std::format!("{}:{:?}", e.len(), &e[..40]) } else { std::format!("{e:?}") };
    std::format!("list {}", elements.map(hex).collect::<Vec<_>>().join(" ")).into_bytes()
}

pub(super) fn text_of(slot: &Slot) -> Vec<u8> {
    let list = slot.list().expect("a list");
    let all: Vec<Vec<u8>> = list.iter(Side::Left).map(|e| e.text(&mut [0; 20]).to_vec()).collect();
    let mut back: Vec<Vec<u8>> = list.iter(Side::Right).map(|e| e.text(&mut [0; 20]).to_vec()).collect();
    back.reverse();
    assert!(all == back && all.len() == list.len(), "both ways the same");
    text(all.into_iter())
}

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const BOUNDS: &str = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

/// Commands and their replies as redis-server 7.0 gives them, in order, on one keyspace; the bounds of numbers are those
/// of 7.2.
const TALK: &[(&str, &str)] = &[
    ("RPUSH l a b c", ":3"),
    ("LPUSH l 1 2", ":5"),
    ("LRANGE l 0 -1", "*5 $1 2 $1 1 $1 a $1 b $1 c"),
    ("TYPE l", "+list"),
    ("OBJECT ENCODING l", "$8 listpack"),
    ("LLEN l", ":5"),
    ("LLEN none", ":0"),
    ("LPUSHX none a", ":0"),
    ("RPUSHX none a", ":0"),
    ("LPUSHX l 3 4", ":7"),
    ("RPUSHX l d", ":8"),
    ("LRANGE l -3 -2", "*2 $1 b $1 c"),
    ("LRANGE l 6 100", "*2 $1 c $1 d"),
    ("LRANGE l 8 9", "*0"),
    ("LRANGE l 3 2", "*0"),
    ("LRANGE l -100 0", "*1 $1 4"),
    ("LRANGE l 0 -100", "*0"),
    ("LRANGE none 0 -1", "*0"),
    ("LRANGE none 0 x", NO_INTEGER),
    ("LINDEX l 0", "$1 4"),
    ("LINDEX l -1", "$1 d"),
    ("LINDEX l -8", "$1 4"),
    ("LINDEX l 8", "$-1"),
    ("LINDEX l -9", "$-1"),
    ("LINDEX l -9223372036854775808", "$-1"),
    ("LINDEX l x", NO_INTEGER),
    ("LINDEX none x", "$-1"),
    ("LSET l 0 four", "+OK"),
    ("LSET l -1 D", "+OK"),
    ("LSET l 8 x", "-ERR index out of range"),
    ("LSET l -9 x", "-ERR index out of range"),
    ("LSET l x x", NO_INTEGER),
    ("LSET none x x", "-ERR no such key"),
    ("LRANGE l 0 -1", "*8 $4 four $1 3 $1 2 $1 1 $1 a $1 b $1 c $1 D"),
    ("LINSERT l BEFORE a 1", ":9"),
    ("LINSERT l after D E", ":10"),
    ("LINSERT l before four five", ":11"),
    ("LINSERT l before none five", ":-1"),
    ("LINSERT none before none five", ":0"),
    ("LINSERT none behind none five", "-ERR syntax error"),
    ("LRANGE l 0 -1", "*11 $4 five $4 four $1 3 $1 2 $1 1 $1 1 $1 a $1 b $1 c $1 D $1 E"),
    ("LREM l 0 none", ":0"),
    ("LREM l 1 1", ":1"),
    ("LREM none 1 1", ":0"),
    ("LREM none x 1", NO_INTEGER),
    ("LREM l -9223372036854775808 1", BOUNDS),
    ("LREM l -5 1", ":1"),
    ("RPUSH m a b a c a a", ":6"),
    ("LREM m -2 a", ":2"),
    ("LRANGE m 0 -1", "*4 $1 a $1 b $1 a $1 c"),
    ("LREM m 1 a", ":1"),
    ("LREM m 0 a", ":1"),
    ("LRANGE m 0 -1", "*2 $1 b $1 c"),
    ("LPOP m", "$1 b"),
    ("RPOP m", "$1 c"),
    ("EXISTS m", ":0"),
    ("LPOP m", "$-1"),
    ("RPOP m 2", "*-1"),
    ("LPOP m x", "-ERR value is out of range, must be positive"),
    ("RPOP m -1", "-ERR value is out of range, must be positive"),
    ("RPOP m 1 1", "-ERR wrong number of arguments for 'rpop' command"),
    ("LPOP l 0", "*0"),
    ("LPOP l 2", "*2 $4 five $4 four"),
    ("RPOP l 3", "*3 $1 E $1 D $1 c"),
    ("LRANGE l 0 -1", "*4 $1 3 $1 2 $1 a $1 b"),
    ("LTRIM l 1 -2", "+OK"),
    ("LTRIM l x 1", NO_INTEGER),
    ("LTRIM none 0 1", "+OK"),
    ("LTRIM none 0 y", NO_INTEGER),
    ("LRANGE l 0 -1", "*2 $1 2 $1 a"),
    ("LTRIM l -100 100", "+OK"),
    ("LLEN l", ":2"),
    ("LTRIM l 5 9", "+OK"),
    ("EXISTS l", ":0"),
    ("RPUSH p a b c 1 2 3 c c", ":8"),
    ("LPOS p c", ":2"),
    ("LPOS p 3", ":5"),
    ("LPOS p c RANK 2", ":6"),
    ("LPOS p c RANK -1", ":7"),
    ("LPOS p c RANK 4", "$-1"),
    ("LPOS p c COUNT 0", "*3 :2 :6 :7"),
    ("LPOS p c COUNT 1", "*1 :2"),
    ("LPOS p c RANK -2 COUNT 2", "*2 :6 :2"),
    ("LPOS p c MAXLEN 2", "$-1"),
    ("LPOS p c COUNT 5 MAXLEN 7", "*2 :2 :6"),
    ("LPOS p c RANK -1 COUNT 5 MAXLEN 1", "*1 :7"),
    ("LPOS p x COUNT 0", "*0"),
    ("LPOS none x", "$-1"),
    ("LPOS none x COUNT 0", "*0"),
    ("LPOS p c RANK", "-ERR syntax error"),
    ("LPOS p c ORDER 1", "-ERR syntax error"),
    (
        "LPOS p c RANK 0",
        "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
         from the end of the list",
    ),
    ("LPOS p c RANK x", NO_INTEGER),
    ("LPOS p c RANK -9223372036854775808", BOUNDS),
    ("LPOS p c COUNT -1", "-ERR COUNT can't be negative"),
    ("LPOS p c COUNT x", "-ERR COUNT can't be negative"),
    ("LPOS p c MAXLEN -1", "-ERR MAXLEN can't be negative"),
    ("RPOPLPUSH p q", "$1 c"),
    ("RPOPLPUSH p p", "$1 c"),
    ("LRANGE p 0 -1", "*7 $1 c $1 a $1 b $1 c $1 1 $1 2 $1 3"),
    ("LMOVE p q LEFT RIGHT", "$1 c"),
    ("LMOVE p q right left", "$1 3"),
    ("LRANGE q 0 -1", "*3 $1 3 $1 c $1 c"),
    ("LMOVE p p LEFT LEFT", "$1 a"),
    ("LMOVE p p LEFT RIGHT", "$1 a"),
    ("LRANGE p 0 -1", "*5 $1 b $1 c $1 1 $1 2 $1 a"),
    ("LMOVE p q up down", "-ERR syntax error"),
    ("LMOVE none q LEFT LEFT", "$-1"),
    ("LMPOP 0 p LEFT", "-ERR numkeys should be greater than 0"),
    ("LMPOP x p LEFT", "-ERR numkeys should be greater than 0"),
    ("LMPOP 2 p LEFT", "-ERR syntax error"),
    ("LMPOP 9223372036854775807 p LEFT", "-ERR syntax error"),
    ("LMPOP 1 p UP", "-ERR syntax error"),
    ("LMPOP 1 p LEFT COUNT 0", "-ERR count should be greater than 0"),
    ("LMPOP 1 p LEFT COUNT x", "-ERR count should be greater than 0"),
    ("LMPOP 1 p LEFT COUNT", "-ERR syntax error"),
    ("LMPOP 1 p LEFT COUNT 1 COUNT 1", "-ERR syntax error"),
    ("LMPOP 2 none nil LEFT", "*-1"),
    ("LMPOP 2 none p LEFT", "*2 $1 p *1 $1 b"),
    ("LMPOP 2 p q RIGHT COUNT 3", "*2 $1 p *3 $1 a $1 2 $1 1"),
    ("LMPOP 2 p q RIGHT COUNT 3", "*2 $1 p *1 $1 c"),
    ("EXISTS p", ":0"),
    ("SET s v", "+OK"),
    ("LPUSH s a", WRONG),
    ("RPUSHX s a", WRONG),
    ("LLEN s", WRONG),
    ("LINDEX s x", WRONG),
    ("LSET s x y", WRONG),
    ("LRANGE s 0 1", WRONG),
    ("LTRIM s 0 1", WRONG),
    ("LREM s 0 1", WRONG),
    ("LINSERT s BEFORE a b", WRONG),
    ("LPOP s", WRONG),
    ("LPOP s 0", WRONG),
    ("LPOS s a", WRONG),
    ("RPOPLPUSH s q", WRONG),
    ("RPOPLPUSH q s", WRONG),
    ("RPOPLPUSH none s", "$-1"),
    ("LMPOP 2 s q LEFT", WRONG),
    ("LMPOP 2 none s LEFT", WRONG),
    ("GET q", WRONG),
    ("HSET q a b", WRONG),
    ("LRANGE q 0 -1", "*3 $1 3 $1 c $1 c"),
    ("SCAN 0 TYPE list", "*2 $1 0 *1 $1 q"),
    ("COPY q r", ":1"),
    ("RPUSH r x", ":4"),
    ("LLEN q", ":3"),
    ("EXPIRE r 100", ":1"),
    ("RPOP r", "$1 x"),
    ("TTL r", ":100"),
    ("SET r string", "+OK"),
    ("GET r", "$6 string"),
];

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    for (line, want) in TALK {
        let got = w.say(line).trim_end_matches("\r\n").replace("\r\n", " ");
        assert_eq!(got, *want, "{line}");
    }
    w.proto = Proto::Resp3;
    for (line, want) in [("LPOP none", "_"), ("LPOP none 1", "_"), ("LMPOP 1 none LEFT", "_"), ("LPOS q x", "_")] {
        assert_eq!(w.say(line).trim_end_matches("\r\n"), want, "{line}");
    }
}

#[test]
fn effects_and_changes() {
    let mut w = World::new();
    for (line, effects, dirty) in [
        ("RPUSH l a b c d e f", &["itself"][..], 6),
        ("LPUSHX none a", &[], 0),
        ("LSET l 0 a", &["itself"], 1),
        ("LSET l 9 a", &[], 0),
        ("LREM l 0 x", &[], 0),
        ("LINSERT l BEFORE x y", &[], 0),
        ("LINSERT l BEFORE a a", &["itself"], 1),
        ("LREM l 0 a", &["itself"], 2),
        ("LTRIM l 0 -1", &[], 0),
        ("LTRIM l 2 -1", &["itself"], 2),
        ("LPOP l 0", &[], 0),
        ("LMOVE l l LEFT RIGHT", &["itself"], 1),
        ("RPOPLPUSH none l", &[], 0),
        ("RPOPLPUSH l m", &["itself"], 1),
        ("LMPOP 2 none l RIGHT COUNT 9", &["RPOP l 2"], 2),
        ("LMPOP 2 none l RIGHT COUNT 9", &[], 0),
        ("LMPOP 2 l m LEFT", &["LPOP m 1"], 1),
        ("RPUSH l a b c d", &["itself"], 4),
        ("LPOP l", &["itself"], 1),
        ("RPOP l 2", &["itself"], 2),
        ("LPOS l d", &[], 0),
        // The key goes with its last element, and nobody says so beside.
        ("LTRIM l 1 0", &["itself"], 1),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        assert_eq!((w.effects(), w.fx.dirty), (effects.iter().map(|e| String::from(*e)).collect(), dirty), "{line}");
    }
}

#[test]
fn expired_lists_make_room() {
    let mut w = World::new();
    w.say("RPUSH a 1 2");
    w.say("RPUSH b 3");
    w.say("PEXPIRE b 5");
    w.ms += 10;
    w.effects();
    assert_eq!(w.say("RPOPLPUSH a b"), "$1\r\n2\r\n");
    assert_eq!(w.effects(), ["DEL b", "itself"]);
    assert_eq!((w.say("LLEN b"), w.say("TTL b")), (":1\r\n".into(), ":-1\r\n".into()));
}

/// Redis 7.2's rules: grown by what a command brings, shrunk when one node of half the size is left.
#[test]
fn encodings_as_redis_names_them() {
    let mut w = World::new();
    let encoding = |w: &mut World| w.say("OBJECT ENCODING l").split("\r\n").nth(1).map(String::from);
    let push = |w: &mut World, n: usize| w.run(0, &[b"RPUSH".to_vec(), b"l".to_vec(), std::vec![b'x'; n]]);
    // 8185 bytes and the frame of 7 may be estimated: a text's head and back-length are not.
    push(&mut w, 4000);
    push(&mut w, 4180);
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"));
    push(&mut w, 0);
    assert_eq!(encoding(&mut w).as_deref(), Some("quicklist"));
    w.say("RPOP l");
    assert_eq!(encoding(&mut w).as_deref(), Some("quicklist"));
    w.say("RPOP l");
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"), "a node of 4011 bytes is left");
    w.say("DEL l");
    push(&mut w, 9000);
    assert_eq!(encoding(&mut w).as_deref(), Some("quicklist"));
    w.say("LSET l 0 short");
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"));
    push(&mut w, 9000);
    w.say("RPUSH l last");
    w.say("LSET l 1 short");
    assert_eq!(encoding(&mut w).as_deref(), Some("quicklist"), "it joins the node behind it, which makes two");
    w.say("LPOP l");
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"));
    w.say("DEL l");
    // Many short ones at once count as little as they are long, though the listpack has 16 KB then.
    let mut args = std::vec![b"RPUSH".to_vec(), b"l".to_vec()];
    args.extend((0..8000).map(|_| b"x".to_vec()));
    w.run(0, &args);
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"));
    assert_eq!(w.say("LLEN l"), ":8000\r\n");
    w.say("LTRIM l 0 1999");
    assert_eq!(encoding(&mut w).as_deref(), Some("listpack"));
    w.say("RPUSH l x");
    assert_eq!((encoding(&mut w).as_deref(), w.say("LLEN l")), (Some("listpack"), ":2001\r\n".into()));
    w.run(0, &args);
    assert_eq!(encoding(&mut w).as_deref(), Some("quicklist"));
    assert_eq!(w.say("LLEN l"), ":10001\r\n");
    super::laws::accounts(&w.ks);
}

fn element(n: u16) -> Vec<u8> {
    match n % 16 {
        0..=3 => std::format!("{}", i64::from(n) * i64::from(n) - 1_000_000).into_bytes(),
        4 => std::vec![b'x'; usize::from(n) % 300],
        5 if n.is_multiple_of(3) => std::vec![b'y'; 8100 + usize::from(n % 200)],
        6 => std::vec![b'z'; usize::from(n) % 5000],
        _ => std::format!("v{}", n % 50).into_bytes(),
    }
}

/// One step of a history of one list: operation, position, number.
type Op = (u8, u16, u16);

fn bulk(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut all = std::format!("*{}\r\n", elements.len()).into_bytes();
    for e in elements {
        all.extend_from_slice(std::format!("${}\r\n", e.len()).as_bytes());
        all.extend_from_slice(e);
        all.extend_from_slice(b"\r\n");
    }
    all
}

fn integer(n: i64) -> Vec<u8> {
    std::format!(":{n}\r\n").into_bytes()
}

fn words(args: &[&[u8]]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.to_vec()).collect()
}

fn number(n: i64) -> Vec<u8> {
    std::format!("{n}").into_bytes()
}

fn popped(all: &[Vec<u8>]) -> Vec<u8> {
    if all.is_empty() { b"*-1\r\n".to_vec() } else { bulk(all) }
}

/// Does a step at the ends of a plain sequence: the command and the reply that it must have.
fn at_the_ends(m: &mut VecDeque<Vec<u8>>, (op, at, n): Op) -> (Vec<Vec<u8>>, Vec<u8>) {
    let e = element(n);
    match op % 8 {
        0..=2 => {
            m.push_back(e.clone());
            (words(&[b"RPUSH", b"l", &e]), integer(m.len() as i64))
        }
        3 => {
            m.push_front(e.clone());
            (words(&[b"LPUSH", b"l", &e]), integer(m.len() as i64))
        }
        4 => {
            let all: Vec<Vec<u8>> = (0..=n % 300).map(|k| element(at.wrapping_mul(k))).collect();
            let mut args = words(&[b"LPUSH", b"l"]);
            args.extend(all.iter().cloned());
            all.into_iter().for_each(|e| m.push_front(e));
            (args, integer(m.len() as i64))
        }
        5 => {
            let all: Vec<_> = (0..=n % 40).map_while(|_| m.pop_front()).collect();
            (words(&[b"LPOP", b"l", &number(i64::from(n % 40) + 1)]), popped(&all))
        }
        6 => {
            let all: Vec<_> = (0..=n % 7).map_while(|_| m.pop_back()).collect();
            (words(&[b"RPOP", b"l", &number(i64::from(n % 7) + 1)]), popped(&all))
        }
        _ => {
            let want = m.pop_back().map_or(b"$-1\r\n".to_vec(), |e| {
                m.push_front(e.clone());
                bulk(&[e])[4..].to_vec()
            });
            (words(&[b"RPOPLPUSH", b"l", b"l"]), want)
        }
    }
}

/// The same inside of a sequence that has elements.
fn inside(m: &mut VecDeque<Vec<u8>>, (op, at, n): Op) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (e, len) = (element(n), m.len());
    let i = usize::from(at) % len;
    match op % 8 {
        0 | 1 => {
            m[i].clone_from(&e);
            (words(&[b"LSET", b"l", &number(i as i64), &e]), b"+OK\r\n".to_vec())
        }
        2 | 3 => {
            let pivot = m[i].clone();
            let found = m.iter().position(|e| *e == pivot).expect("it is there");
            m.insert(found + usize::from(op % 2), e.clone());
            let place: &[u8] = if op % 2 == 0 { b"BEFORE" } else { b"AFTER" };
            (words(&[b"LINSERT", b"l", place, &pivot, &e]), integer(len as i64 + 1))
        }
        4 => {
            let (value, count) = (m[i].clone(), i64::from(n % 7) - 3);
            let places: Vec<usize> = (0..len).filter(|&k| m[k] == value).collect();
            let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
            let gone: Vec<usize> = match count {
                0.. => places.into_iter().take(max).collect(),
                _ => places.into_iter().rev().take(max).collect(),
            };
            *m = (0..len).filter(|k| !gone.contains(k)).map(|k| m[k].clone()).collect();
            (words(&[b"LREM", b"l", &number(count), &value]), integer(gone.len() as i64))
        }
        5 => {
            let (from, to) = (i / 4, len - (len - i) / 4);
            *m = m.drain(from..to).collect();
            (words(&[b"LTRIM", b"l", &number(from as i64), &number(to as i64 - 1)]), b"+OK\r\n".to_vec())
        }
        6 => {
            let all: Vec<Vec<u8>> = m.iter().skip(i).take(usize::from(n % 50) + 1).cloned().collect();
            let end = i as i64 + i64::from(n % 50);
            (words(&[b"LRANGE", b"l", &number(i as i64), &number(end)]), bulk(&all))
        }
        _ => {
            let want = bulk(&[m[i].clone()])[4..].to_vec();
            (words(&[b"LINDEX", b"l", &number(i as i64 - len as i64)]), want)
        }
    }
}

/// Does a step to the world and to a plain sequence; the replies must be the same.
fn step(w: &mut World, m: &mut VecDeque<Vec<u8>>, op: Op) {
    let (args, want) = if op.0.is_multiple_of(2) || m.is_empty() {
        at_the_ends(m, (op.0 / 2, op.1, op.2))
    } else {
        inside(m, (op.0 / 2, op.1, op.2))
    };
    let got = w.run(0, &args);
    assert!(got == want, "{op:?}: {} for {}", String::from_utf8_lossy(&got), String::from_utf8_lossy(&want));
}

quickcheck! {
    fn behaves_as_a_sequence(ops: Vec<Op>) -> bool {
        let (mut w, mut m) = (World::new(), VecDeque::new());
        for round in 0..6u16 {
            w.ks.limits = limits::some(round);
            for &(op, at, n) in &ops {
                step(&mut w, &mut m, (op, at.wrapping_mul(2 * round + 1), n.wrapping_add(round)));
            }
            let there = w.content().remove(&(0, b"l".to_vec()));
            assert_eq!(there, (!m.is_empty()).then(|| (text(m.iter().cloned()), None)));
            super::laws::accounts(&w.ks);
        }
        true
    }
}

/// One step of a history of several keys: operation, key, position, number.
type Mixed = (u8, u8, u16, u16);

/// The command of a step, with its database.
fn command((op, k, at, n): Mixed) -> (u32, Vec<Vec<u8>>) {
    let word = |text: &str| text.as_bytes().to_vec();
    let (key, other) = (word(&std::format!("k{}", k % 8)), word(&std::format!("k{}", n % 8)));
    let number = |n: u16| std::format!("{}", i32::from(n % 600) - 300).into_bytes();
    let args = match op % 16 {
        0 | 1 => std::vec![word("RPUSH"), key, element(n), element(at)],
        2 => std::vec![word("LPUSH"), key, element(n)],
        3 => {
            let mut args = std::vec![word("RPUSH"), key];
            args.extend((0..=n % 600).map(|i| element(at.wrapping_mul(i))));
            args
        }
        4 => std::vec![word("LPOP"), key, word(&std::format!("{}", n % 50))],
        5 => std::vec![word("RPOP"), key],
        6 => std::vec![word("LSET"), key, number(at), element(n)],
        7 => std::vec![word("LINSERT"), key, word("AFTER"), element(at), element(n)],
        8 => std::vec![word("LREM"), key, word("1"), element(n)],
        9 => std::vec![word("COPY"), key, other, word("REPLACE")],
        10 => std::vec![word("RENAME"), key, other],
        11 if n.is_multiple_of(4) => std::vec![word("DEL"), key],
        12 => std::vec![word("PEXPIRE"), key, word(&std::format!("{}", n % 900 + 1))],
        13 if n.is_multiple_of(5) => std::vec![word("LTRIM"), key, number(at), number(n)],
        14 => std::vec![word("LMPOP"), word("2"), key, other, word("RIGHT"), word("COUNT"), word("3")],
        _ => std::vec![word("LMOVE"), key, other, word("RIGHT"), word("LEFT")],
    };
    (u32::from(k % 2), args)
}

/// Does a step; the command.
fn mixed(w: &mut World, op: Mixed) -> (u32, Vec<Vec<u8>>) {
    let (db, args) = command(op);
    w.run(db, &args);
    w.ms += u64::from(op.3 % 7);
    match op.3 % 97 {
        0 => w.ks.swap(0, 1),
        1 => _ = w.ks.maintain(3),
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
        let version = if budget.is_multiple_of(3) { Writer::MIN_VERSION } else { Writer::DEFAULT_VERSION };
        let mut whole = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        let budget = usize::from(budget) % 9000;
        w.ks.snapshot_begin();
        for (i, &op) in during.iter().enumerate() {
            mixed(&mut w, op);
            if i % 9 == 8 {
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
fn a_large_list_is_shared_saved_and_freed_in_slices() {
    let mut w = World::new();
    for i in 0..200 {
        let mut args = std::vec![b"RPUSH".to_vec(), b"l".to_vec()];
        (0..500).for_each(|j| args.push(std::format!("element:{i}:{j}:{}", "x".repeat(20)).into_bytes()));
        w.run(0, &args);
    }
    let once = w.ks.memory();
    w.say("COPY l m");
    let want = w.content();
    w.ks.snapshot_begin();
    w.say("LSET l 50000 other");
    w.say("DEL m");
    assert!(w.ks.snapshot_pending() < 4096, "a handle each: {}", w.ks.snapshot_pending());
    let (mut whole, mut steps) = (Body::new(Options { compress: false }), 0);
    while w.ks.snapshot_step(&mut whole, 20_000) == Progress::More {
        steps += 1;
        assert!(whole.len() < steps * 28_500, "a step takes its budget and a block: {} after {steps}", whole.len());
        w.say("LPOP l");
        w.say(&std::format!("LSET l {} changed", steps * 300));
    }
    assert!(steps > 200, "{steps}");
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut whole)), want);
    while w.ks.maintain(1000) == Progress::More {}
    w.say("DEL l");
    assert!(w.ks.memory() > once / 2, "it waits to be freed");
    let mut steps = 0;
    while w.ks.maintain(1) == Progress::More {
        steps += 1;
    }
    assert!(steps > 3 && w.ks.memory() < 100_000, "{steps} {}", w.ks.memory());
}

#[test]
fn a_long_element_is_never_copied_again() {
    let mut w = World::new();
    let long = std::vec![b'l'; 3_000_000];
    w.run(0, &[&b"RPUSH"[..], b"l", b"a", &long, b"b"]);
    let held = |w: &World, key: &[u8]| {
        let table = &w.ks.dbs[0];
        let place = table.find(table.hash(key), key).expect("there");
        let at =
            table.slot(place).list().expect("a list").iter(Side::Left).map(|e| e.text(&mut [0; 20]).as_ptr() as usize);
        at.collect::<Vec<_>>()
    };
    let before = held(&w, b"l")[1];
    w.say("COPY l m");
    w.say("LSET m 0 x");
    w.say("RPOP l");
    w.say("RPOPLPUSH l n");
    assert_eq!((held(&w, b"m")[1], held(&w, b"n")[0]), (before, before));
    let reply = w.run(0, &["LINDEX", "n", "0"]);
    assert_eq!(reply, [&b"$3000000\r\n"[..], &long, b"\r\n"].concat());
    let saved = save(&mut w.ks, 1000);
    assert_eq!(read(&saved), w.content());
    // A reader that hands it out in pieces comes to the same.
    let mut copy = World::seeded(8);
    copy.ks.load_begin(LoadMode::Replace);
    let limits = ReaderLimits { value: 1000, ..ReaderLimits::default() };
    let (mut reader, mut input) = (Reader::new(limits), &saved[..]);
    while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
        copy.ks.load_item(&item, None).expect("it fits");
    }
    copy.ks.load_commit();
    assert_eq!(copy.ks.digest(), w.ks.digest());
}

/// The types 18, 14 and 1 of a list, and what each says of its length.
#[test]
fn large_lists_are_nodes_in_every_version() {
    let heads = |w: &mut World, version: u16| {
        let mut body = Body::new(Options { compress: false }).for_version(version);
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
        w.ks.snapshot_end();
        let bytes = frame(&mut body);
        assert_eq!(read(&bytes), w.content());
        let at = bytes.windows(2).position(|part| part == b"\x01l").expect("the key");
        (bytes[at - 1], bytes[at + 2])
    };
    let mut w = World::new();
    for i in 0..20 {
        w.run(0, &[b"RPUSH".to_vec(), b"l".to_vec(), std::vec![b'a' + i; 3000]]);
    }
    assert_eq!((heads(&mut w, 10), heads(&mut w, 9)), ((18, 10), (14, 10)));
    w.run(0, &[b"RPUSH".to_vec(), b"l".to_vec(), std::vec![b'z'; 9000]]);
    assert_eq!((heads(&mut w, 10), heads(&mut w, 9)), ((18, 11), (1, 21)));
}

#[test]
fn inserting_in_the_middle_leaves_no_crumbs() {
    let mut w = World::new();
    let long = std::vec![b'x'; 1000];
    let mut args = words(&[b"RPUSH", b"l", b"first", b"pivot"]);
    args.resize(10, long.clone());
    w.run(0, &args);
    // Each of these cuts the full block that begins with the pivot, or right before it.
    for _ in 0..300 {
        w.run(0, &words(&[b"LINSERT", b"l", b"BEFORE", b"pivot", &long]));
    }
    let table = &w.ks.dbs[0];
    let place = table.find(table.hash(b"l"), b"l").expect("there");
    let list = table.slot(place).list().expect("a list");
    let bytes: usize = list.iter(Side::Left).map(|e| e.text(&mut [0; 20]).len() + 2).sum();
    let super::list::ListRef::Large(large) = list else { panic!("it is large") };
    assert!(large.blocks() <= bytes / 4000, "{} blocks for {bytes} bytes", large.blocks());
}

#[test]
fn a_list_in_a_snapshot_is_as_redis_writes_it() {
    let mut w = World::new();
    w.say("RPUSH k a 300 -1");
    let mut body = Body::new(Options { compress: false }).for_version(Writer::DEFAULT_VERSION);
    w.ks.snapshot_begin();
    while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
    let bytes = frame(&mut body);
    let want = b"\x12\x01k\x01\x02\x10\x10\x00\x00\x00\x03\x00\x81a\x02\xc1\x2c\x02\xdf\xff\x02\xff";
    assert!(bytes.windows(want.len()).any(|part| part == want), "{bytes:02x?}");
    let mut body = Body::new(Options { compress: false }).for_version(Writer::MIN_VERSION);
    w.say("LSET k 0 ab");
    w.say("LSET k 1 5");
    w.say("LSET k 2 300");
    w.ks.snapshot_begin();
    while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
    let bytes = frame(&mut body);
    let want = b"\x0e\x01k\x01\x15\x15\x00\x00\x00\x10\x00\x00\x00\x03\x00\x00\x02ab\x04\xf6\x02\xc0\x2c\x01\xff";
    assert!(bytes.windows(want.len()).any(|part| part == want), "{bytes:02x?}");
}
