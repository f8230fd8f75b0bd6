//! A snapshot is the state at its beginning, whatever happens meanwhile; a load gives it back.

use super::laws::{Op, accounts, step};
use super::*;
use crate::dataset::LoadError;
use crate::rdb::Entry;
use bytes::Bytes;
use quickcheck::quickcheck;

/// Builds a state, begins a snapshot, goes on with `during` while it is written in small steps.
fn snapshot_law(before: &[Op], during: &[Op], budget: usize) -> bool {
    let (mut w, mut m) = (World::new(), Content::new());
    for &op in before {
        step(&mut w, &mut m, op);
    }
    let want = w.content();
    let mut body = Body::new(Options { compress: false });
    let mut whole = Body::new(Options { compress: false });
    w.ks.snapshot_begin();
    for (i, &op) in during.iter().enumerate() {
        step(&mut w, &mut m, op);
        if i % 3 == 0 {
            w.ks.snapshot_step(&mut body, budget);
            whole.append(&mut body);
        }
    }
    while w.ks.snapshot_step(&mut body, budget) == Progress::More {
        whole.append(&mut body);
    }
    whole.append(&mut body);
    assert_eq!(w.ks.snapshot_pending(), 0);
    w.ks.snapshot_end();
    accounts(&w.ks);
    let ms = w.ms as i64;
    m.retain(|_, (_, at)| at.is_none_or(|at| at >= ms));
    super::laws::alive(&w) == m && read(&frame(&mut whole)) == want
}

quickcheck! {
    fn a_snapshot_is_the_state_at_its_beginning(before: Vec<Op>, during: Vec<Op>, budget: u16) -> bool {
        snapshot_law(&before, &during, usize::from(budget) % 3000)
    }

    fn what_was_saved_is_loaded(ops: Vec<Op>, budget: u16) -> bool {
        let (mut w, mut m) = (World::new(), Content::new());
        for op in ops {
            step(&mut w, &mut m, op);
        }
        let bytes = save(&mut w.ks, usize::from(budget));
        let mut copy = World::seeded(8);
        copy.ks.load_begin(LoadMode::Replace);
        feed(&mut copy.ks, &bytes, None);
        copy.ks.load_commit();
        accounts(&copy.ks);
        copy.content() == w.content() && copy.ks.digest() == w.ks.digest()
            && copy.ks.load_counts() == (w.content().len() as u64, 0)
    }
}

/// Keys `key:0 .. key:n` with values of `len` bytes.
fn filled(n: usize, len: usize) -> World {
    let mut w = World::new();
    for i in 0..n {
        w.run(0, &[b"SET".to_vec(), std::format!("key:{i}").into_bytes(), std::vec![b'v'; len]]);
    }
    w
}

#[test]
fn every_change_during_a_snapshot_in_a_grown_table() {
    for budget in [1, 300, 5000] {
        let mut w = filled(3000, 20);
        let want = w.content();
        let mut body = Body::new(Options { compress: false });
        w.ks.snapshot_begin();
        for i in 0..6000u32 {
            w.say(&std::format!("SET new:{i} v"));
            w.say(&std::format!("DEL key:{}", i * 7 % 3000));
            w.say(&std::format!("PEXPIRE key:{} 5", i * 11 % 3000));
            w.ms += 1;
            let now = w.now();
            w.ks.expire(now, 10, &mut w.fx);
            if i % 10 == 0 {
                w.ks.snapshot_step(&mut body, budget);
            }
        }
        while w.ks.snapshot_step(&mut body, budget) == Progress::More {}
        w.ks.snapshot_end();
        assert_eq!(read(&frame(&mut body)), want, "budget {budget}");
        accounts(&w.ks);
    }
}

#[test]
fn a_table_that_empties_during_a_snapshot_merges_its_buckets_afterwards() {
    let mut w = filled(5000, 20);
    let (want, full) = (w.content(), w.ks.memory());
    let mut body = Body::new(Options { compress: false });
    w.ks.snapshot_begin();
    for i in 0..4900 {
        w.say(&std::format!("DEL key:{i}"));
        if i % 50 == 0 {
            w.ks.snapshot_step(&mut body, 500);
        }
    }
    while w.ks.snapshot_step(&mut body, 500) == Progress::More {}
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut body)), want);
    for i in 0..5000 {
        w.say(&std::format!("SET key:{} v", i % 50));
        w.say(&std::format!("DEL key:{}", i % 50));
    }
    accounts(&w.ks);
    assert!(w.ks.memory() < full / 6, "{} of {full}", w.ks.memory());
}

#[test]
fn only_changed_buckets_are_handed_over_and_only_once() {
    let mut w = filled(10_000, 200);
    w.ks.snapshot_begin();
    assert_eq!(w.ks.snapshot_pending(), 0);
    w.say("SET key:1 x");
    let once = w.ks.snapshot_pending();
    assert!(once > 200 && once < 20 * 230, "one bucket: {once}");
    w.say("SET key:1 y");
    w.say("DEL key:1");
    assert_eq!(w.ks.snapshot_pending(), once);
    // A step takes about its budget, and what was handed over first.
    let mut body = Body::new(Options { compress: false });
    w.ks.snapshot_step(&mut body, 10_000);
    assert!((8_000..16_000).contains(&body.len()), "{}", body.len());
    assert_eq!(w.ks.snapshot_pending(), 0);
    // Buckets that the walk has already cost nothing more.
    while w.ks.snapshot_step(&mut body, 10_000) == Progress::More {}
    w.say("DEL key:2");
    assert_eq!(w.ks.snapshot_pending(), 0);
}

#[test]
fn a_flush_during_a_snapshot_is_done_at_once_and_leaves_it_whole() {
    let mut w = filled(5000, 50);
    w.run(1, &["SET", "other", "v"]);
    let want = w.content();
    let mut body = Body::new(Options { compress: false });
    w.ks.snapshot_begin();
    w.ks.snapshot_step(&mut body, 20_000);
    w.ks.swap(0, 1);
    assert_eq!(w.ks.flush(None), 5001);
    assert_eq!(w.ks.snapshot_pending(), 0, "tables are moved, not encoded");
    w.say("SET after v");
    while w.ks.snapshot_step(&mut body, 20_000) == Progress::More {}
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut body)), want);
    while w.ks.maintain(100) == Progress::More {}
    assert_eq!(w.content().len(), 1);
    // One that is given up leaves nothing behind either.
    let mut w = filled(5000, 50);
    w.ks.snapshot_begin();
    w.ks.flush(None);
    w.ks.snapshot_end();
    while w.ks.maintain(100) == Progress::More {}
    assert_eq!(w.ks.memory(), 0);
}

#[test]
fn a_large_value_is_shared_with_the_snapshot() {
    let mut w = World::new();
    let big = std::vec![b'b'; 10_000_000];
    w.run(0, &[&b"SET"[..], b"big", &big]);
    w.ks.snapshot_begin();
    w.run(0, &[&b"SETRANGE"[..], b"big", b"5000000", b"x"]);
    w.run(0, &[&b"APPEND"[..], b"big", b"more"]);
    let mut body = Body::new(Options { compress: false });
    while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
    let held = read(&frame(&mut body));
    assert!(held[&(0, b"big".to_vec())].0 == big);
    assert_eq!(w.say("STRLEN big"), ":10000004\r\n");
    assert_eq!(w.say("GETRANGE big 4999999 5000001"), "$3\r\nbxb\r\n");
}

fn entry(db: u64, key: &[u8], expire_at_ms: Option<i64>) -> Item<'_> {
    Item::Entry(Entry { db, key, expire_at_ms, idle_s: None, freq: None, value: Value::String(b"v") })
}

#[test]
fn a_load_beside_changes_nothing_until_it_is_committed() {
    let mut w = World::new();
    w.say("SET old v");
    w.ks.load_begin(LoadMode::Beside);
    assert_eq!(w.ks.load_item(&entry(0, b"new", None), None), Ok(()));
    assert_eq!(w.say("EXISTS old new"), ":1\r\n");
    w.ks.load_abort();
    assert_eq!(w.say("EXISTS old new"), ":1\r\n");
    w.ks.load_begin(LoadMode::Beside);
    assert_eq!(w.ks.load_item(&entry(0, b"new", None), None), Ok(()));
    w.ks.load_commit();
    assert_eq!((w.say("EXISTS old"), w.say("EXISTS new")), (":0\r\n".into(), ":1\r\n".into()));
    w.ks.load_begin(LoadMode::Replace);
    assert_eq!(w.say("EXISTS new"), ":0\r\n");
    w.ks.load_abort();
    assert_eq!(w.say("DBSIZE"), ":0\r\n");
}

#[test]
fn a_load_refuses_what_cannot_be_and_drops_what_expired() {
    let mut w = World::new();
    w.ks.load_begin(LoadMode::Replace);
    assert_eq!(w.ks.load_item(&Item::Resize { db: 0, keys: u64::MAX, expires: 0 }, None), Ok(()));
    assert_eq!(w.ks.load_item(&entry(0, b"k", None), None), Ok(()));
    assert!(w.ks.memory() < 1_000_000, "a hint alone costs little: {}", w.ks.memory());
    assert_eq!(w.ks.load_item(&entry(1, b"k", Some(50)), Some(50)), Ok(()), "it lives through its last ms");
    assert_eq!(w.ks.load_item(&entry(1, b"gone", Some(49)), Some(50)), Ok(()));
    assert_eq!(w.ks.load_item(&entry(1, b"kept", Some(49)), None), Ok(()));
    // Entries are put in together: what comes twice is seen at the end at the latest.
    assert_eq!(w.ks.load_item(&entry(0, b"k", None), None), Ok(()));
    let twice = w.ks.load_item(&Item::End { checksum: true }, None);
    assert_eq!(twice, Err(LoadError::Twice { key: "k".into(), db: 0 }));
    let beyond = w.ks.load_item(&entry(4, b"k", None), None);
    assert_eq!(beyond, Err(LoadError::Database { db: 4, databases: 4 }));
    assert_eq!(w.ks.load_counts(), (4, 1));
    w.ks.load_commit();
    assert_eq!((w.ks.stats(0).keys, w.ks.stats(1).keys), (1, 2));
    accounts(&w.ks);
}

#[test]
fn pieces_of_an_argument_are_stored_as_they_are() {
    use crate::resp::{Args, Span};
    let mut w = World::new();
    let pieces = [Bytes::from(std::vec![1; 65_536]), Bytes::from(std::vec![2; 65_536]), Bytes::from(std::vec![3; 7])];
    let spans = [
        Span { at: 0, len: 3 },
        Span { at: 3, len: 1 },
        Span { at: 4, len: 0 },
        Span { at: 4, len: 2 },
        Span { at: 6, len: 2 },
    ];
    let number = w.ks.commands().iter().position(|c| c.name == "set").expect("SET");
    let mut out = Blocks::new();
    let now = w.now();
    let mut cx = Context {
        now,
        db: 0,
        origin: Origin::Client,
        may_expire: true,
        rng: &mut w.rng,
        reply: &mut Reply::new(&mut out, Proto::Resp2),
        effects: &mut w.fx,
        touch: true,
        wait: None,
    };
    w.ks.execute(number, Args::new(b"SETkEX10", &spans, None).with_pieces(2, &pieces), &mut cx);
    assert_eq!(w.effects(), ["itself", "PEXPIREAT k 1010000"], "a large value is not put together to be propagated");
    assert_eq!(w.content()[&(0, b"k".to_vec())], (pieces.concat(), Some(1_010_000)));
    let reply = w.run(0, &["GET", "k"]);
    assert_eq!(reply, [&b"$131079\r\n"[..], &pieces.concat(), b"\r\n"].concat());
}
