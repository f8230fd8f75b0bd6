//! Random commands against a map, a replica and the accounts.

use super::*;
use quickcheck::quickcheck;

/// One step of a random history: operation, database, key, a number.
pub(super) type Op = (u8, u8, u16, u32);

/// Does one step to the world and to the map that it is held against.
pub(super) fn step(w: &mut World, m: &mut Content, (op, db, key, n): Op) {
    let db = u32::from(db % 3);
    let other = (db + 1) % 3;
    let name = std::format!("key:{}", key % 400).into_bytes();
    let second = std::format!("key:{}", n % 400).into_bytes();
    let id = (db, name.clone());
    // What has expired is gone as soon as anybody looks.
    let ms = w.ms;
    m.retain(|_, (_, at)| at.is_none_or(|at| at >= ms as i64));
    let value =
        std::vec![b'a' + (n % 26) as u8; if n % 50 == 0 { 9_000 + n as usize % 150_000 } else { n as usize % 40 }];
    match op % 16 {
        0..=3 => {
            w.run(db, &[b"SET", &name[..], &value]);
            m.insert(id, (value, None));
        }
        4 => {
            let at = ms + 1 + u64::from(n % 5000);
            w.run(db, &[b"SET", &name[..], &value, b"PXAT", std::format!("{at}").as_bytes()]);
            m.insert(id, (value, Some(at as i64)));
        }
        5..=7 => {
            w.run(db, &[&b"DEL"[..], &name]);
            m.remove(&id);
        }
        8 => {
            w.run(db, &[b"APPEND", &name[..], &value]);
            m.entry(id).or_default().0.extend_from_slice(&value);
        }
        9 => {
            let at = n as usize % 100_000;
            w.run(db, &[b"SETRANGE", &name[..], std::format!("{at}").as_bytes(), b"xyz"]);
            let (text, _) = m.entry(id).or_default();
            text.resize(text.len().max(at + 3), 0);
            text[at..at + 3].copy_from_slice(b"xyz");
        }
        10 => {
            w.run(db, &[b"RENAME", &name[..], &second]);
            if let Some(entry) = m.remove(&id) {
                m.insert((db, second), entry);
            }
        }
        11 => {
            w.run(db, &[b"MOVE", &name[..], std::format!("{other}").as_bytes()]);
            if let Some(entry) = m.get(&id).cloned()
                && !m.contains_key(&(other, name.clone()))
            {
                m.remove(&id);
                m.insert((other, name), entry);
            }
        }
        12 => {
            w.run(db, &[b"COPY", &name[..], &second, b"REPLACE", b"DB", std::format!("{other}").as_bytes()]);
            if let Some(entry) = m.get(&id).cloned() {
                m.insert((other, second), entry);
            }
        }
        13 => {
            let left = i64::from(n % 3000);
            w.run(db, &[b"PEXPIRE", &name[..], std::format!("{left}").as_bytes()]);
            if left == 0 {
                m.remove(&id);
            } else if let Some((_, at)) = m.get_mut(&id) {
                *at = Some(ms as i64 + left);
            }
        }
        14 => w.ms += u64::from(n % 200),
        _ => rare(w, m, db, n),
    }
}

fn rare(w: &mut World, m: &mut Content, db: u32, n: u32) {
    match n % 64 {
        0 => {
            w.ks.flush(None);
            m.clear();
        }
        1 => {
            w.ks.flush(Some(db));
            m.retain(|(of, _), _| *of != db);
        }
        2..=4 => {
            let other = (db + 1) % 3;
            w.ks.swap(db, other);
            let turned = |of| {
                if of == db {
                    other
                } else if of == other {
                    db
                } else {
                    of
                }
            };
            *m = core::mem::take(m).into_iter().map(|((of, key), e)| ((turned(of), key), e)).collect();
        }
        5..=30 => {
            let now = w.now();
            w.ks.expire(now, n as usize % 20, &mut w.fx);
        }
        31 => {
            for i in 0..1500 {
                w.run(db, &[b"SET".to_vec(), std::format!("many:{i}").into_bytes(), b"v".to_vec()]);
                m.insert((db, std::format!("many:{i}").into_bytes()), (b"v".to_vec(), None));
            }
        }
        32 => {
            for i in 0..1500 {
                w.run(db, &[b"DEL".to_vec(), std::format!("many:{i}").into_bytes()]);
                m.remove(&(db, std::format!("many:{i}").into_bytes()));
            }
        }
        _ => {
            w.ks.maintain(10);
        }
    }
}

/// What is there and has not expired.
pub(super) fn alive(w: &World) -> Content {
    let mut all = w.content();
    all.retain(|_, (_, at)| at.is_none_or(|at| at >= w.ms as i64));
    all
}

/// The accounts of every table agree with what lies in it.
pub(super) fn accounts(ks: &Keyspace) {
    for table in &ks.dbs {
        let (mut keys, mut expires, mut memory, mut first) = (0, 0, 0, i64::MAX);
        table.for_each(|slot| {
            keys += 1;
            expires += usize::from(slot.expiry().is_some());
            memory += slot.memory();
            first = first.min(slot.expiry().unwrap_or(i64::MAX));
            let place = table.find(table.hash(slot.key()), slot.key()).expect("it is found");
            assert_eq!(table.slot(place).key(), slot.key());
        });
        assert_eq!((table.len(), table.expires(), table.entries_memory()), (keys, expires, memory));
        assert!(table.earliest() <= first, "no key may be due before the table knows");
    }
}

quickcheck! {
    fn behaves_as_a_map(ops: Vec<Op>) -> bool {
        let (mut w, mut m) = (World::new(), Content::new());
        // Histories long enough to split and merge.
        for _ in 0..3 {
            for &op in &ops {
                step(&mut w, &mut m, op);
            }
        }
        accounts(&w.ks);
        let ms = w.ms as i64;
        m.retain(|_, (_, at)| at.is_none_or(|at| at >= ms));
        alive(&w) == m
    }

    fn a_replica_comes_to_the_same(ops: Vec<Op>) -> bool {
        let (mut w, mut m, mut replica) = (World::new(), Content::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        for op in ops {
            // Flushes and swaps are the node's to propagate.
            if op.0 % 16 == 15 && op.3 % 64 < 5 {
                continue;
            }
            let before = w.fx.list().len();
            assert_eq!(before, 0);
            let itself = record(&mut w, &mut m, op);
            // A replica may lag, and keys may have expired long since where it is.
            replica.ms = w.ms + 100_000;
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(db, c) => {
                        replica.run(db, &c.args().iter().collect::<Vec<_>>());
                    }
                    Effect::Itself => {
                        let (db, args) = itself.as_ref().expect("a command that names itself");
                        replica.run(*db, args);
                    }
                }
            }
        }
        w.content() == replica.content() && w.ks.digest() == replica.ks.digest()
    }
}

/// Does one step and gives the command back that `Effect::Itself` stands for.
fn record(w: &mut World, m: &mut Content, op: Op) -> Option<(u32, Vec<Vec<u8>>)> {
    let (kind, db, key, n) = op;
    let (db, other) = (u32::from(db % 3), (u32::from(db % 3) + 1) % 3);
    let name = std::format!("key:{}", key % 400).into_bytes();
    let second = std::format!("key:{}", n % 400).into_bytes();
    let word = |s: &str| s.as_bytes().to_vec();
    let number = |n: u32| std::format!("{n}").into_bytes();
    let args = match kind % 24 {
        0..=15 => {
            // The many keys of `rare` name themselves too; they are left out here.
            if kind % 16 == 15 && (31..=32).contains(&(n % 64)) {
                return None;
            }
            let value = std::vec![b'a' + (n % 26) as u8; if n % 50 == 0 { 9_000 + n as usize % 150_000 } else { n as usize % 40 }];
            let args = match kind % 16 {
                0..=3 => std::vec![word("SET"), name, value],
                4 => {
                    let at = std::format!("{}", w.ms + 1 + u64::from(n % 5000)).into_bytes();
                    std::vec![word("SET"), name, value, word("PXAT"), at]
                }
                5..=7 => std::vec![word("DEL"), name],
                8 => std::vec![word("APPEND"), name, value],
                9 => std::vec![word("SETRANGE"), name, number(n % 100_000), word("xyz")],
                10 => std::vec![word("RENAME"), name, second],
                11 => std::vec![word("MOVE"), name, number(other)],
                12 => std::vec![word("COPY"), name, second, word("REPLACE"), word("DB"), number(other)],
                _ => Vec::new(),
            };
            step(w, m, op);
            return Some((db, args));
        }
        16 => std::vec![word("GETEX"), name, word("PX"), number(1 + n % 3000)],
        17 => std::vec![word("SET"), name, number(n), word("EX"), number(1 + n % 3)],
        18 => std::vec![word("INCRBYFLOAT"), name, word("0.1")],
        19 => std::vec![word("INCR"), name],
        20 => std::vec![word("GETDEL"), name],
        21 => std::vec![word("SET"), name, number(n), word("GET"), word("KEEPTTL")],
        22 => std::vec![word("MSET"), name, number(n), second, number(n)],
        _ => std::vec![word("PERSIST"), name],
    };
    w.run(db, &args);
    Some((db, args))
}

#[test]
fn scan_meets_every_key_that_stays() {
    for round in 0..6u32 {
        let mut w = World::seeded(round as u8);
        let stays: Vec<String> = (0..300).map(|i| std::format!("stay:{i}")).collect();
        for key in &stays {
            w.say(&std::format!("SET {key} v"));
        }
        let (mut seen, mut cursor, mut n) = (alloc::collections::BTreeSet::<String>::new(), String::from("0"), 0u32);
        loop {
            let reply = w.say(&std::format!("SCAN {cursor} COUNT 7"));
            let words: Vec<&str> = reply.split("\r\n").filter(|l| !l.starts_with(['*', '$'])).collect();
            seen.extend(words[1..].iter().map(|&word| String::from(word)));
            cursor = words[0].into();
            if cursor == "0" {
                break;
            }
            // Grows by thousands in one half of the walks and shrinks again, in the other the other way round.
            n += 1;
            let (from, to) = (n / 30 % 2 * 3000, n / 30 % 2 * 3000 + 100);
            for i in from..to {
                let verb = if (n / 15 + round) % 2 == 0 { "SET" } else { "DEL" };
                let value = if verb == "SET" { " v" } else { "" };
                w.say(&std::format!("{verb} other:{}{value}", i + n % 15 * 100));
            }
            assert!(n < 100_000, "it ends");
        }
        assert!(stays.iter().all(|key| seen.contains(key)), "round {round}");
        accounts(&w.ks);
    }
}

#[test]
fn the_table_shrinks_and_gives_its_memory_back() {
    let mut w = World::new();
    for i in 0..20_000 {
        w.say(&std::format!("SET key:{i} v"));
    }
    let full = w.ks.memory();
    for i in 0..20_000 {
        w.say(&std::format!("DEL key:{i}"));
    }
    assert!(w.ks.memory() < full / 20, "{} of {full}", w.ks.memory());
    for i in 0..20_000 {
        w.say(&std::format!("SET key:{i} v"));
    }
    assert_eq!((w.ks.flush(None), w.ks.stats(0).keys), (20_000, 0));
    assert!(w.ks.memory() > full / 2, "what waits counts");
    let mut slices = 0;
    while w.ks.maintain(100) == Progress::More {
        slices += 1;
    }
    assert!(slices > 10, "freed in slices: {slices}");
    assert_eq!((w.ks.memory(), w.ks.counters().lazy_freed), (0, 20_000));
}

#[test]
fn a_large_value_is_freed_in_parts() {
    let mut w = World::new();
    w.say("SETRANGE big 99999999 x");
    w.say("SETRANGE big 50000000 y");
    assert_eq!(w.say("DEL big"), ":1\r\n");
    let mut slices = 0;
    while w.ks.maintain(1) == Progress::More {
        slices += 1;
    }
    assert!(slices > 50, "{slices}");
}

#[test]
fn keys_expire_on_time_and_each_by_its_own_effect() {
    let mut w = World::new();
    assert_eq!(w.ks.next_expiry(w.now()), None);
    for i in 0..1000 {
        w.say(&std::format!("SET key:{i} v PXAT {}", w.ms + 500 + i));
        w.say(&std::format!("SET stay:{i} v"));
    }
    w.fx.clear();
    let wait = |w: &World| w.ks.next_expiry(w.now()).map(|at| at.since(w.now().mono).as_millis());
    assert_eq!(wait(&w), Some(501), "a key lives through its last millisecond");
    w.ms += 500;
    assert_eq!(w.ks.expire(w.now(), 100, &mut w.fx), Progress::Done);
    assert_eq!((w.effects().len(), wait(&w)), (0, Some(1)));
    w.ms += 1;
    assert_eq!(w.ks.expire(w.now(), 100, &mut w.fx), Progress::Done);
    assert_eq!(w.effects(), ["DEL key:0"]);
    assert_eq!(wait(&w), Some(1));
    w.ms += 499;
    let mut calls = 0;
    while w.ks.expire(w.now(), 50, &mut w.fx) == Progress::More {
        calls += 1;
        assert!(w.effects().len() <= 60, "bounded");
    }
    assert!(calls > 5);
    assert_eq!((w.ks.stats(0).keys, w.ks.stats(0).expires, w.ks.counters().expired), (1500, 500, 500));
    w.ms += 10_000;
    while w.ks.expire(w.now(), 1000, &mut w.fx) == Progress::More {}
    assert_eq!((w.ks.stats(0).keys, wait(&w)), (1000, None));
    accounts(&w.ks);
}

#[test]
fn a_replica_hides_what_expired_and_its_master_sees_it() {
    let mut w = World::new();
    w.say("SET k 5 PX 100");
    w.ms += 101;
    (w.may_expire, w.origin) = (false, Origin::Client);
    w.fx.clear();
    assert_eq!(
        (w.say("GET k"), w.say("EXISTS k"), w.say("TTL k")),
        ("$-1\r\n".into(), ":0\r\n".into(), ":-2\r\n".into())
    );
    assert_eq!((w.say("DBSIZE"), w.say("RANDOMKEY")), (":1\r\n".into(), "$1\r\nk\r\n".into()));
    assert!(w.fx.is_empty());
    w.origin = Origin::Upstream;
    assert_eq!(w.say("INCR k"), ":6\r\n");
    (w.may_expire, w.origin) = (true, Origin::Client);
    w.fx.clear();
    w.fx.watching = true;
    assert_eq!(w.say("INCR k"), ":1\r\n");
    assert_eq!(w.effects(), ["DEL k", "itself"]);
    assert_eq!(w.fx.take_touched().len(), 2);
}

#[test]
fn digests_are_those_of_redis() {
    // Taken from a redis-server 7.0 with the same data.
    let mut w = World::new();
    assert_eq!(w.ks.digest(), [0; 20]);
    w.say("SET a 1");
    w.say("SET b hello");
    w.run(3, &["SET", "c", "x", "EX", "1000"]);
    let hex = |d: [u8; 20]| d.iter().map(|b| std::format!("{b:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(hex(w.ks.digest()), "1e441dd2746832fba0cdb01622bdf83bc434c48c");
    assert_eq!(hex(w.ks.digest_value(0, b"b")), "36b23a1456b2dce2c3ed252c456761301dba8060");
    assert_eq!(hex(w.ks.digest_value(3, b"c")), "0745672cb1bf060476eedeb8a28f5ffe1ff5a2be");
    assert_eq!(w.ks.digest_value(0, b"none"), [0; 20]);
}
