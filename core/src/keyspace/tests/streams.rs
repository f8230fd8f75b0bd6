//! Streams: their replies, what replicas are told, who waits, and what a snapshot may not say.

use super::stream_talk::{TALK, TALK_3};
use super::*;
use crate::dataset::{Classes, LoadError, Wait, WaitFor};
use crate::rdb::{Entry, StreamId, StreamPart};

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    w.talk(TALK);
    let digest: Vec<String> = w.ks.digest_value(0, b"s").iter().map(|b| std::format!("{b:02x}")).collect();
    assert_eq!(digest.concat(), "553b51c5529e8d29655b7bf32e2ebeb1a20c2138");
}

#[test]
fn as_redis_answers_in_resp3() {
    let mut w = World::new();
    w.proto = Proto::Resp3;
    w.talk(TALK_3);
}

/// Commands with what replicas are told, as a replica of Valkey 9.0 gets it, and how many changes they count.
const EFFECTS: &[(&str, &[&str], u64)] = &[
    ("XADD s * a 1", &["XADD s 1000000-0 a 1"], 1),
    ("XADD s * a 1", &["XADD s 1000000-1 a 1"], 1),
    ("XADD s 1000000-* a 1", &["XADD s 1000000-2 a 1"], 1),
    ("XADD s 5 a 1", &[], 0),
    ("XADD t 5-1 a 1", &["itself"], 1),
    ("XADD t NOMKSTREAM MAXLEN ~ 3 LIMIT 10 6-1 a 1", &["XADD t NOMKSTREAM MAXLEN = 2 LIMIT 10 6-1 a 1"], 1),
    ("XADD t MAXLEN 9 6-2 a 1", &["itself"], 1),
    ("XADD t MINID ~ 5 6-3 a 1", &["XADD t MINID = 5-1 6-3 a 1"], 1),
    ("XADD e MINID ~ 9 6-3 a 1", &["XADD e MINID = 18446744073709551615-18446744073709551615 6-3 a 1"], 1),
    ("XTRIM t MAXLEN ~ 1", &[], 0),
    ("XTRIM t MAXLEN 9", &[], 0),
    ("XTRIM t MAXLEN 1", &["itself"], 3),
    ("XADD t 7-1 a 1", &["itself"], 1),
    ("XADD t 7-2 a 1", &["itself"], 1),
    ("XDEL t 7-9", &[], 0),
    ("XGROUP CREATE t g 0", &["itself"], 1),
    ("XGROUP CREATE t g 0", &[], 0),
    (
        "XREADGROUP GROUP g a COUNT 2 STREAMS t >",
        &[
            "XCLAIM t g a 0 6-3 TIME 1000000 RETRYCOUNT 1 FORCE JUSTID LASTID 6-3",
            "XCLAIM t g a 0 7-1 TIME 1000000 RETRYCOUNT 1 FORCE JUSTID LASTID 7-1",
            "XGROUP SETID t g 7-1 ENTRIESREAD 5",
        ],
        5,
    ),
    ("XREADGROUP GROUP g a STREAMS t 0", &[], 1),
    ("XREADGROUP GROUP g b STREAMS t 0", &[], 2),
    (
        "XREADGROUP GROUP g c NOACK STREAMS t >",
        &["XGROUP CREATECONSUMER t g c", "XGROUP SETID t g 7-2 ENTRIESREAD 6"],
        3,
    ),
    ("XREADGROUP GROUP g c NOACK STREAMS t >", &[], 0),
    ("XCLAIM t g b 0 7-1", &["XCLAIM t g b 0 7-1 TIME 1000000 RETRYCOUNT 3 FORCE JUSTID LASTID 7-2"], 1),
    ("XCLAIM t g b 99 7-1 LASTID 8-8", &["XGROUP SETID t g 8-8 ENTRIESREAD 6"], 1),
    ("XCLAIM t g b 99 9-9", &[], 0),
    ("XDEL t 6-3 7-2", &["itself"], 2),
    ("XCLAIM t g b 99 6-3", &["XCLAIM t g a 0 6-3 TIME 1000000 RETRYCOUNT 2 FORCE JUSTID LASTID 8-8"], 1),
    ("XAUTOCLAIM t g a 0 0", &["XCLAIM t g a 0 7-1 TIME 1000000 RETRYCOUNT 4 FORCE JUSTID LASTID 8-8"], 1),
    ("XACK t g 7-1 7-2", &["itself"], 1),
    ("XACK t g 7-1", &[], 0),
    ("XGROUP SETID t g $", &["itself"], 1),
    ("XGROUP CREATECONSUMER t g d", &["itself"], 1),
    ("XGROUP CREATECONSUMER t g d", &[], 0),
    ("XGROUP DELCONSUMER t g d", &["itself"], 1),
    ("XGROUP DELCONSUMER t g d", &[], 0),
    ("XGROUP DESTROY t g", &["itself"], 1),
    ("XGROUP DESTROY t g", &[], 0),
    ("XSETID t 99-0", &["itself"], 1),
    ("XRANGE t - +", &[], 0),
];

#[test]
fn what_replicas_are_told() {
    World::new().told(EFFECTS);
}

#[test]
fn a_masters_limit_is_in_the_bound_that_it_sends() {
    let mut w = World::new();
    (1..=300).for_each(|i| _ = w.say(&std::format!("XADD s {i} a 1")));
    assert_eq!(w.answer("XTRIM s MAXLEN ~ 10 LIMIT 150"), ":100");
    assert_eq!(w.answer("XTRIM s MAXLEN = 150 LIMIT 7").chars().next(), Some('-'));
    w.origin = Origin::Upstream;
    assert_eq!(w.answer("XTRIM s MAXLEN = 150 LIMIT 7"), ":50");
}

#[test]
fn watchers_hear_of_the_key_and_not_of_its_readers() {
    let mut w = World::new();
    w.fx.watching = true;
    for (line, heard) in [
        ("XADD s 1-1 a 1", 1),
        ("XADD s 1-2 a 1", 1),
        ("XTRIM s MAXLEN 5", 0),
        ("XTRIM s MAXLEN 1", 1),
        ("XDEL s 9-9", 0),
        ("XGROUP CREATE s g 0", 0),
        ("XGROUP CREATE m g 0 MKSTREAM", 1),
        ("XREADGROUP GROUP g c STREAMS s >", 0),
        ("XACK s g 1-2", 0),
        ("XGROUP SETID s g 0", 0),
        // Who waits in the group has to know.
        ("XGROUP DESTROY s g", 1),
        ("XDEL s 1-2", 1),
    ] {
        w.say(line);
        assert_eq!(w.fx.take_touched().len(), heard, "{line}");
    }
}

#[test]
fn events_of_streams() {
    let mut w = World::new();
    w.fx.told = Classes::STREAM;
    for (line, want) in [
        ("XADD s 1-1 a 1", &["xadd"][..]),
        ("XADD s MAXLEN 1 1-2 a 1", &["xadd", "xtrim"]),
        ("XADD s 1-3 a 1", &["xadd"]),
        ("XTRIM s MAXLEN 2", &[]),
        ("XTRIM s MAXLEN 1", &["xtrim"]),
        ("XGROUP CREATE s g 0", &["xgroup-create"]),
        ("XREADGROUP GROUP g c STREAMS s >", &["xgroup-createconsumer"]),
        ("XCLAIM s g d 0 1-3", &["xgroup-createconsumer"]),
        ("XAUTOCLAIM s g e 0 0", &["xgroup-createconsumer"]),
        ("XGROUP CREATECONSUMER s g f", &["xgroup-createconsumer"]),
        ("XGROUP CREATECONSUMER s g f", &[]),
        ("XGROUP DELCONSUMER s g f", &["xgroup-delconsumer"]),
        ("XGROUP SETID s g 0", &["xgroup-setid"]),
        ("XACK s g 1-3", &[]),
        ("XGROUP DESTROY s g", &["xgroup-destroy"]),
        ("XSETID s 9-9", &["xsetid"]),
        ("XDEL s 1-3", &["xdel"]),
        ("XDEL s 1-3", &[]),
    ] {
        w.say(line);
        let events: Vec<&str> = w.fx.take_events().iter().map(|event| event.event).collect();
        assert_eq!(events, want, "{line}");
    }
}

/// Executes a command whose client can wait; its reply, and what it waits for.
fn wait(w: &mut World, line: &str) -> (String, Option<Wait>) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut wait = None;
    let reply = w.run_waiting(0, &words, Some(&mut wait));
    (String::from_utf8(reply).expect("text"), wait)
}

#[test]
fn who_finds_nothing_waits() {
    let mut w = World::new();
    w.say("XADD s 5-1 a 1");
    w.say("XGROUP CREATE s g $");
    let (reply, waits) = wait(&mut w, "XREAD BLOCK 100 STREAMS s none $ 0-0");
    let waits = waits.expect("it waits");
    assert_eq!((reply.as_str(), waits.what, waits.timeout_ms, waits.keys.len()), ("", WaitFor::Stream, 100, 2));
    let again: Vec<&[u8]> = waits.command.as_ref().expect("another command").args().iter().collect();
    assert_eq!(again, [&b"XREAD"[..], b"BLOCK", b"100", b"STREAMS", b"s", b"none", b"5-1", b"0-0"]);
    let (reply, waits) = wait(&mut w, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    let waits = waits.expect("it waits");
    assert_eq!((reply.as_str(), waits.what, waits.timeout_ms), ("", WaitFor::Group, 0));
    assert!(waits.command.is_none());
    // Who wants no waiting, who finds something, who asks for history, who errs.
    for line in [
        "XREAD STREAMS s $",
        "XREAD BLOCK 0 STREAMS s 5-0",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS s 0",
        "XREADGROUP GROUP no c BLOCK 0 STREAMS s >",
    ] {
        let (reply, waits) = wait(&mut w, line);
        assert!(!reply.is_empty() && waits.is_none(), "{line}");
    }
    // Nobody can wait in a transaction.
    assert_eq!(w.answer("XREAD BLOCK 100 STREAMS s $"), "*-1");
    assert_eq!(w.answer("XREAD BLOCK 9223372036854775807 STREAMS s $"), "-ERR timeout is out of range");
    w.say("DEL s");
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    assert_eq!(wait(&mut w, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >").0, gone);
}

#[test]
fn where_keys_stand_behind_their_word() {
    let w = World::new();
    let keys = |line: &str| {
        let command = Command::new(&line.split(' ').collect::<Vec<_>>());
        let name = String::from_utf8_lossy(command.args().at(0)).to_lowercase();
        let spec = w.ks.commands().iter().find(|spec| spec.name == name).expect("known");
        let keys = spec.keys.keys(command.args())?;
        Some(keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(keys("XREAD COUNT 1 streams a b 0 0").as_deref(), Some("a b"));
    assert_eq!(keys("XREADGROUP GROUP streams x STREAMS a 0").as_deref(), Some("a"));
    assert_eq!((keys("XREAD STREAMS a b 0"), keys("XREAD STREAMS"), keys("XREAD COUNT 1 a 0")), (None, None, None));
}

#[test]
fn times_of_consumers() {
    let mut w = World::new();
    w.say("XADD s 1-1 a 1");
    w.say("XGROUP CREATE s g 0");
    w.say("XGROUP CREATECONSUMER s g c");
    w.ms += 10;
    let consumers = |idle: i64, inactive: i64, pending: u64| {
        std::format!("*1 *8 $4 name $1 c $7 pending :{pending} $4 idle :{idle} $8 inactive :{inactive}")
    };
    assert_eq!(w.answer("XINFO CONSUMERS s g"), consumers(10, -1, 0));
    w.say("XREADGROUP GROUP g c STREAMS s >");
    w.ms += 5;
    w.say("XREADGROUP GROUP g c STREAMS s >");
    w.ms += 7;
    assert_eq!(w.answer("XINFO CONSUMERS s g"), consumers(7, 12, 1));
    assert_eq!(w.answer("XPENDING s g - + 1"), "*1 *4 $3 1-1 $1 c :12 :1");
    // History counts as a delivery, and as no activity.
    w.say("XREADGROUP GROUP g c STREAMS s 0");
    w.ms += 1;
    assert_eq!(w.answer("XINFO CONSUMERS s g"), consumers(1, 13, 1));
    assert_eq!(w.answer("XPENDING s g IDLE 1 - + 1 c"), "*1 *4 $3 1-1 $1 c :1 :2");
    assert_eq!(w.answer("XPENDING s g IDLE 2 - + 1 c"), "*0");
    assert_eq!(w.answer("XCLAIM s g c 2 1-1"), "*0");
    assert_eq!(w.answer("XCLAIM s g c 1 1-1 1-1 JUSTID"), "*1 $3 1-1");
}

#[test]
fn a_snapshot_is_as_new_as_its_streams_need() {
    let mut w = World::new();
    let version = |w: &World| w.ks.snapshot_version();
    w.say("XADD s 1-1 a 1");
    w.say("XADD s 1-2 a 1");
    w.say("XGROUP CREATE s g 0");
    w.say("XGROUP CREATE s h $");
    assert_eq!(version(&w), 9, "all of it can be derived");
    w.say("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    assert_eq!(version(&w), 9, "the count at the first entry too");
    w.say("XREADGROUP GROUP g c STREAMS s >");
    w.say("XADD s 1-3 a 1");
    assert_eq!(version(&w), 10, "a count in the middle cannot");
    w.say("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(version(&w), 9);
    w.say("COPY s t");
    w.say("XDEL t 1-1");
    assert_eq!(version(&w), 10);
    w.say("MOVE t 1");
    assert_eq!(version(&w), 10);
    w.run(1, &["DEL", "t"]);
    assert_eq!(version(&w), 9);
    w.say("XTRIM s MAXLEN 1");
    assert_eq!(version(&w), 10);
    w.say("HSET h f v");
    w.say("HPEXPIRE h 100 FIELDS 1 f");
    assert_eq!(version(&w), 12);
}

#[test]
fn what_no_stream_can_be_is_refused() {
    let id = |ms, seq| StreamId { ms, seq };
    let group = |name| StreamPart::Group { name, last_id: id(0, 0), entries_read: None };
    let consumer = |name| StreamPart::Consumer { name, seen_at_ms: 1, active_at_ms: None };
    let pending = |ms| StreamPart::Pending { id: id(ms, 0), delivered_at_ms: 1, deliveries: 1 };
    let meta =
        StreamPart::Meta { length: 0, last_id: id(9, 9), first_id: None, max_deleted_id: None, entries_added: Some(5) };
    let (g, c) = (&b"g"[..], &b"c"[..]);
    let owned = "a consumer owns what is not pending, or what another one owns";
    let cases: &[(&[StreamPart<'_>], &str)] = &[
        (&[meta, meta], "a part of a stream without its head"),
        (&[group(g)], "a part of a stream without its head"),
        (&[meta, pending(1)], "a part of a stream without its head"),
        (&[meta, group(g), group(g), group(c)], "a consumer group comes twice"),
        (&[meta, group(g), consumer(c), consumer(c)], "a consumer comes twice"),
        (&[meta, group(g), pending(1), pending(1)], "a pending entry comes twice"),
        (&[meta, group(g), pending(1), group(c)], "a pending entry has no owner"),
        (&[meta, group(g), consumer(c), StreamPart::Owns(id(1, 0))], owned),
        (&[meta, group(g), pending(1), consumer(c), StreamPart::Owns(id(1, 0)), StreamPart::Owns(id(1, 0))], owned),
        (&[meta, group(g), pending(1), StreamPart::Released(id(1, 0))], "a pending entry has no owner"),
    ];
    for (parts, why) in cases {
        let mut w = World::new();
        w.ks.load_begin(LoadMode::Replace);
        let value = Value::Stream;
        let entry = Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value };
        assert_eq!(w.ks.load_item(&Item::Entry(entry), None), Ok(()));
        let mut results = parts.iter().map(|part| w.ks.load_item(&Item::Stream(*part), None));
        let refused = results.find(Result::is_err).expect("refused");
        assert_eq!(refused, Err(LoadError::Broken { key: "k".into(), why }));
        w.ks.load_abort();
    }
    // The last group is looked at when the stream ends.
    let mut w = World::new();
    w.ks.load_begin(LoadMode::Replace);
    let entry = Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value: Value::Stream };
    for item in [Item::Entry(entry), Item::Stream(meta), Item::Stream(group(g)), Item::Stream(pending(1))] {
        assert_eq!(w.ks.load_item(&item, None), Ok(()));
    }
    assert!(w.ks.load_item(&Item::EntryEnd, None).is_err());
}

#[test]
fn a_dump_is_restored_with_its_groups() {
    let mut w = World::new();
    for line in ["XADD s 1-1 a 1", "XADD s 1-2 b x", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >"] {
        w.say(line);
    }
    for (i, line) in ["XLEN s", "XDEL s 1-1"].into_iter().enumerate() {
        w.say(line);
        let dump = w.run(0, &["DUMP", "s"]);
        let head = dump.iter().position(|&b| b == b'\n').expect("a bulk string") + 1;
        let payload = &dump[head..dump.len() - 2];
        assert_eq!(payload[payload.len() - 10], 9 + i as u8, "{line}");
        assert_eq!(w.run(0, &[b"RESTORE", &b"t"[..], b"0", payload, b"REPLACE"]), b"+OK\r\n");
        for line in ["XINFO STREAM s", "XINFO GROUPS s", "XPENDING s g - + 9", "XRANGE s - +"] {
            assert_eq!(w.say(line), w.say(&line.replace(" s", " t")), "{line}");
        }
    }
}

#[test]
fn a_replica_sets_an_id_back_where_its_master_did() {
    let mut w = World::new();
    for line in ["XADD s 5-1 a 1", "XADD s 9-1 a 1", "XDEL s 9-1"] {
        w.say(line);
    }
    let smaller = "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id\r\n";
    assert_eq!(w.say("XSETID s 6-0"), smaller);
    w.origin = Origin::Upstream;
    assert_eq!(w.say("XSETID s 6-0"), "+OK\r\n", "Redis 7.0 answers so");
    w.origin = Origin::Client;
    assert_eq!(w.say("XADD s 6-1 a 1"), "$3\r\n6-1\r\n");
}
