//! Which keys give way, and what is kept of their use.

use super::super::entry::Slot;
use super::super::string::{Form, New};
use super::*;
use crate::config::{EvictionPolicy, Notify, Settings};
use crate::dataset::Classes;
use alloc::{format, vec};
use quickcheck::quickcheck;

fn settings(policy: &str, samples: u32) -> Settings {
    let maxmemory_policy = EvictionPolicy::named(policy).expect("a policy");
    Settings { maxmemory_policy, maxmemory_samples: samples, ..Settings::default() }
}

fn world(policy: &str, samples: u32) -> World {
    let mut w = World::new();
    w.ks.configure(&settings(policy, samples));
    w
}

fn evict(w: &mut World) -> bool {
    let now = w.now();
    let World { ks, rng, fx, .. } = w;
    ks.evict(now, rng, fx)
}

/// Evicts until nothing may go; what was told to replicas.
fn evict_all(w: &mut World) -> Vec<String> {
    w.fx.take();
    while evict(w) {}
    w.effects()
}

#[test]
fn the_least_recently_used_goes_first() {
    // As many samples as keys: the order is exact.
    let mut w = world("allkeys-lru", 1000);
    for i in 0..40 {
        w.ms += 100;
        w.say(&format!("SET k{i} v"));
    }
    for (i, line) in ["GET k3", "APPEND k1 x", "TOUCH k2", "EXISTS k4", "TTL k5", "TYPE k6", "OBJECT ENCODING k7"]
        .into_iter()
        .enumerate()
    {
        w.ms += 100 + i as u64;
        w.say(line);
    }
    let order: Vec<String> =
        (0..40).filter(|i| ![1, 2, 3].contains(i)).chain([3, 1, 2]).map(|i| format!("DEL k{i}")).collect();
    assert_eq!(evict_all(&mut w), order);
    assert_eq!((w.ks.counters().evicted, w.ks.stats(0).keys), (40, 0));
}

#[test]
fn the_least_frequently_used_goes_first() {
    let mut w = world("allkeys-lfu", 1000);
    for (key, uses) in [("seldom", 0), ("often", 400), ("sometimes", 20)] {
        w.say(&format!("SET {key} v"));
        (0..uses).for_each(|_| _ = w.say(&format!("GET {key}")));
    }
    assert_eq!(evict_all(&mut w), ["DEL seldom", "DEL sometimes", "DEL often"]);
}

#[test]
fn the_nearest_expiry_goes_first_and_keys_without_one_stay() {
    let mut w = world("volatile-ttl", 1000);
    for i in 0..30 {
        w.say(&format!("SET e{i} v PX {}", 100_000 + (i * 7 % 30) * 1000));
        w.say(&format!("SET k{i} v"));
    }
    let mut order: Vec<i32> = (0..30).collect();
    order.sort_by_key(|i| i * 7 % 30);
    assert_eq!(evict_all(&mut w), order.iter().map(|i| format!("DEL e{i}")).collect::<Vec<_>>());
    assert_eq!(w.ks.stats(0).keys, 30);
    assert!(!evict(&mut w));
}

#[test]
fn few_keys_with_an_expiry_are_found_among_many() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let mut w = world(policy, 5);
        for i in 0..5_000 {
            w.run(1, &[b"SET", format!("k{i}").as_bytes(), b"v"]);
        }
        for i in 0..20 {
            w.run(2 * (i % 2), &[b"SET", format!("e{i}").as_bytes(), b"v", b"EX", b"100"]);
            w.run(1, &[b"SET", format!("e{i}").as_bytes(), b"v", b"EX", b"100"]);
        }
        // One that was made to stay, in a bucket that is still known for its expiry.
        w.run(1, &[b"PERSIST".as_slice(), b"e7"]);
        assert_eq!(evict_all(&mut w).len(), 39, "{policy}");
        assert_eq!([0, 1, 2].map(|db| w.ks.stats(db).keys), [0, 5_001, 0], "{policy}");
    }
}

#[test]
fn without_a_policy_nothing_goes_and_at_random_everything_does() {
    let mut w = world("noeviction", 5);
    for db in 0..4 {
        for i in 0..100 {
            w.run(db, &[b"SET", format!("k{i}").as_bytes(), b"v"]);
        }
    }
    assert!(!evict(&mut w));
    w.ks.configure(&settings("allkeys-random", 5));
    assert_eq!(evict_all(&mut w).len(), 400);
    assert!((0..4).all(|db| w.ks.stats(db).keys == 0));
}

#[test]
fn evictions_are_told_in_the_words_that_directives_choose() {
    let mut w = World::new();
    w.ks.configure(&Settings {
        lazyfree_lazy_eviction: true,
        lazyfree_lazy_expire: true,
        lazyfree_lazy_user_del: true,
        ..settings("allkeys-lru", 5)
    });
    w.fx = Effects::telling(Classes::of(Notify::parse("Ke").expect("classes")));
    w.say("SET a v");
    w.say("SET b v PX 1");
    w.say("SET c v");
    w.say("SET d v");
    w.effects();
    w.ms += 10;
    w.say("GET b");
    w.say("GETDEL c");
    w.say("EXPIRE d -1");
    assert!(evict(&mut w));
    assert_eq!(w.effects(), ["UNLINK b", "UNLINK c", "UNLINK d", "UNLINK a"]);
    let events: Vec<_> = w.fx.take_events().into_iter().map(|e| (e.event, e.key.to_vec())).collect();
    assert_eq!(events, [("evicted", b"a".to_vec())]);
}

#[test]
fn object_tells_what_the_policy_keeps() {
    let mut w = world("allkeys-lru", 5);
    w.say("SET a v");
    w.ms += 12_050;
    assert_eq!(w.say("OBJECT IDLETIME a"), ":12\r\n");
    assert!(w.say("OBJECT FREQ a").starts_with("-ERR An LFU maxmemory policy is not selected"));
    w.ks.configure(&settings("volatile-lfu", 5));
    assert!(w.say("OBJECT IDLETIME a").starts_with("-ERR An LFU maxmemory policy is selected"));
    assert_eq!(w.say("OBJECT FREQ a"), ":5\r\n");
    w.say("GET a");
    assert_eq!(w.say("OBJECT FREQ a"), ":6\r\n");
    let dump = w.run(0, &[&b"DUMP"[..], b"a"]);
    let payload = &dump[dump.iter().position(|b| *b == b'\n').expect("a head") + 1..dump.len() - 2];
    for (option, n) in [(&b"FREQ"[..], &b"77"[..]), (b"IDLETIME", b"100")] {
        assert_eq!(w.run(0, &[&b"RESTORE"[..], b"r", b"0", payload, b"REPLACE", option, n]), b"+OK\r\n");
    }
    assert_eq!(w.say("OBJECT FREQ r"), ":5\r\n", "idle times mean nothing to it");
    w.run(0, &[&b"RESTORE"[..], b"r", b"0", payload, b"REPLACE", b"FREQ", b"77"]);
    assert_eq!(w.say("OBJECT FREQ r"), ":77\r\n");
    w.say("RENAME r s");
    // Found once more by the command, which may count.
    assert!([":77\r\n", ":78\r\n"].contains(&&*w.say("OBJECT FREQ s")));
    w.ks.configure(&settings("allkeys-lru", 5));
    w.run(0, &[&b"RESTORE"[..], b"r", b"0", payload, b"REPLACE", b"IDLETIME", b"5000"]);
    w.ms += 50;
    assert_eq!(w.say("OBJECT IDLETIME r"), ":5000\r\n");
    w.ks.configure(&settings("noeviction", 5));
    assert_eq!(w.say("OBJECT IDLETIME r"), ":0\r\n");
}

#[test]
fn what_is_kept_of_keys_goes_through_a_snapshot() {
    let mut w = world("allkeys-lfu", 5);
    for i in 0..500 {
        w.say(&format!("SET k{i} v"));
        w.say(&format!("HSET h{i} f v"));
    }
    w.run(
        0,
        &[vec![b"SADD".to_vec(), b"large".to_vec()], (0..2000).map(|i| format!("{i}x").into()).collect()].concat(),
    );
    (0..50).for_each(|_| _ = w.say("GET k7"));
    (0..50).for_each(|_| _ = w.say("HGET h9 f"));
    (0..50).for_each(|_| _ = w.say("SCARD large"));
    w.say("SET quiet v");
    let names = ["k7", "h9", "large", "quiet"];
    let freq = |w: &mut World| names.map(|name| w.say(&format!("OBJECT FREQ {name}")));
    let before = freq(&mut w);
    assert!(before[0] != ":5\r\n" && before[3] == ":5\r\n");
    w.ks.snapshot_begin();
    // Handed over before the walk comes to them, and used since.
    (0..500).for_each(|i| _ = w.say(&format!("APPEND k{i} x")));
    (0..500).for_each(|i| _ = w.say(&format!("HSET h{i} f x")));
    let mut body = Body::new(Options::default()).for_version(w.ks.snapshot_version());
    while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
    w.ks.snapshot_end();
    let bytes = frame(&mut body);
    let mut copy = world("allkeys-lfu", 5);
    let now = copy.now();
    copy.ks.note_time(now);
    copy.ks.load_begin(LoadMode::Replace);
    feed(&mut copy.ks, &bytes, None);
    copy.ks.load_commit();
    let after = freq(&mut copy);
    // The use that came with the change itself may be in there already.
    assert_eq!((&after[2..], copy.ks.stats(0).keys), (&before[2..], 1002));
    assert!(after[0] != ":5\r\n" && after[1] != ":5\r\n", "{after:?}");
    // Without such a policy nothing is said, and what is said is passed over.
    let mut other = world("noeviction", 5);
    other.ks.load_begin(LoadMode::Replace);
    feed(&mut other.ks, &bytes, None);
    other.ks.load_commit();
    let plain = save(&mut other.ks, 1 << 20);
    assert!(plain.len() < bytes.len() && other.ks.stats(0).keys == 1002);
}

quickcheck! {
    /// Stamps stay with their keys, however buckets split, merge, overflow and fill holes.
    fn stamps_stay_with_their_keys(ops: Vec<(bool, u16)>, grow: u8) -> bool {
        let mut w = world("allkeys-lru", 5);
        let table = &mut w.ks.dbs[0];
        let mut stamps: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let slot = |key: &[u8]| Slot::of_string(key, New::Flat(b"v"), None, Form::Auto);
        let many = (0..u16::from(grow) * 20).map(|n| (true, n));
        for (n, (add, key)) in many.chain(ops).chain((0..2000).map(|n| (false, n))).enumerate() {
            let key = format!("{}", key % 6000).into_bytes();
            let place = table.find(table.hash(&key), &key);
            match (place, add) {
                (None, true) => {
                    let stamp = n as u32 + 1;
                    table.insert_stamped(table.hash(&key), slot(&key), stamp);
                    stamps.insert(key, stamp);
                }
                (Some(place), false) => {
                    table.remove(place);
                    stamps.remove(&key);
                }
                _ => {}
            }
            let check = n % 97 == 0 || n + 1 == usize::from(grow) * 20;
            let kept = |(key, stamp): (&Vec<u8>, &u32)| {
                table.find(table.hash(key), key).is_some_and(|place| table.stamp(place) == *stamp)
            };
            if check && !stamps.iter().all(kept) {
                return false;
            }
        }
        true
    }
}

#[test]
fn stamps_take_memory_only_while_a_policy_keeps_them() {
    let mut w = world("noeviction", 5);
    (0..5000).for_each(|i| _ = w.say(&format!("SET key{i} v")));
    let plain = w.ks.used();
    w.ks.configure(&settings("allkeys-lru", 5));
    assert_eq!(w.ks.used(), plain);
    (0..5000).for_each(|i| _ = w.say(&format!("GET key{i}")));
    let kept = w.ks.used() - plain;
    assert!((4 * 5000..10 * 5000).contains(&kept), "{kept}");
    w.ks.configure(&settings("allkeys-random", 5));
    assert_eq!(w.ks.used(), plain);
}
