//! Entries that go while groups refer to them.

use super::*;

const SYNTAX: &str = "-ERR syntax error";
const COUNT: &str = "-ERR Number of IDs must be a positive integer";
const MATCH: &str = "-ERR The `numids` parameter must match the number of arguments";
const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Commands and their replies, mostly as Redis's own tests of 8.2 and later say them.
const TALK: &[(&str, &str)] = &[
    ("XDELEX none IDS 2 1-1 2-2", "*2 :-1 :-1"),
    ("XACKDEL none g IDS 2 1-1 2-2", "*2 :-1 :-1"),
    ("XADD s 1-0 f v", "$3 1-0"),
    ("XACKDEL s g IDS 2 1-1 2-2", "*2 :-1 :-1"),
    ("XGROUP CREATE s g 0", "+OK"),
    ("XDELEX s IDS abc 1-1", COUNT),
    ("XDELEX s IDS 0 1-1", COUNT),
    ("XDELEX s IDS -5 1-1", COUNT),
    ("XDELEX s IDS 3 1-1 2-2", MATCH),
    ("XDELEX s IDS 9223372036854775807 1-1 2-2", MATCH),
    ("XDELEX s IDS 1 1-1 2-2", SYNTAX),
    ("XDELEX s KEEPREF DELREF IDS 1 1-1", SYNTAX),
    ("XDELEX s ACKED IDS 1 1-1 DELREF", SYNTAX),
    ("XDELEX s ACKED 1 1-1", SYNTAX),
    ("XDELEX s IDS 1 1-1 IDS", SYNTAX),
    ("XDELEX s KEEPREF ACKED IDS", SYNTAX),
    ("XDELEX s IDS 1 x", INVALID_ID),
    ("XDELEX s IDS 2 1-1 2-2", "*2 :-1 :-1"),
    ("XACKDEL s g IDS abc 1-1", COUNT),
    ("XACKDEL s g IDS 3 1-1 2-2", MATCH),
    ("XACKDEL s g IDS 1 1-1 2-2", SYNTAX),
    ("XACKDEL s g KEEPREF ACKED IDS 1 1-1", SYNTAX),
    ("XACKDEL s g IDS 1 x", INVALID_ID),
    ("XACKDEL s g IDS 1 1-0", "*1 :-1"),
    ("XLEN s", ":1"),
    ("SET str 1", "+OK"),
    ("XDELEX str IDS 1 1-1", WRONG_TYPE),
    ("XACKDEL str g IDS 1 1-1", WRONG_TYPE),
    ("XDELEX str IDS 0 1-1", COUNT),
    // Nothing of it is pending in any group afterwards.
    ("XADD s 2-0 f v", "$3 2-0"),
    ("XGROUP CREATE s h 0", "+OK"),
    ("XCLAIM s g a 0 1-0 2-0 FORCE JUSTID LASTID 2-0", "*2 $3 1-0 $3 2-0"),
    ("XCLAIM s h b 0 1-0 2-0 FORCE JUSTID LASTID 2-0", "*2 $3 1-0 $3 2-0"),
    ("XDELEX s DELREF IDS 1 1-0", "*1 :1"),
    ("XACKDEL s g IDS 1 2-0 DELREF", "*1 :1"),
    ("XLEN s", ":0"),
    ("XPENDING s g", "*4 :0 $-1 $-1 *-1"),
    ("XPENDING s h", "*4 :0 $-1 $-1 *-1"),
    ("XACKDEL s h DELREF IDS 2 1-0 2-0", "*2 :-1 :-1"),
    (
        "XINFO STREAM s",
        "*20 $6 length :0 $15 radix-tree-keys :0 $16 radix-tree-nodes :1 $17 last-generated-id $3 2-0 $20 max-deleted-entry-id $3 2-0 $13 entries-added :2 $23 recorded-first-entry-id $3 0-0 $6 groups :2 $11 first-entry $-1 $10 last-entry $-1",
    ),
    // Only when every group has acknowledged it.
    ("XADD s 3-0 f v", "$3 3-0"),
    ("XADD s 4-0 f v", "$3 4-0"),
    ("XDELEX s ACKED IDS 2 3-0 4-0", "*2 :2 :2"),
    ("XCLAIM s g a 0 3-0 4-0 FORCE JUSTID LASTID 4-0", "*2 $3 3-0 $3 4-0"),
    ("XACKDEL s g ACKED IDS 2 3-0 4-0", "*2 :2 :2"),
    ("XACKDEL s g ACKED IDS 2 3-0 4-0", "*2 :-1 :-1"),
    ("XCLAIM s h b 0 3-0 4-0 FORCE JUSTID LASTID 4-0", "*2 $3 3-0 $3 4-0"),
    ("XDELEX s ACKED IDS 2 3-0 9-9", "*2 :2 :2"),
    ("XACK s h 3-0", ":1"),
    ("XDELEX s ACKED IDS 1 3-0", "*1 :1"),
    ("XACKDEL s h ACKED IDS 1 4-0", "*1 :1"),
    ("XLEN s", ":0"),
    // A new group has read nothing yet; without groups nothing is referred to.
    ("XADD s 5-0 f v", "$3 5-0"),
    ("XGROUP SETID s g 5-0", "+OK"),
    ("XDELEX s ACKED IDS 1 5-0", "*1 :2"),
    ("XGROUP DESTROY s h", ":1"),
    ("XDELEX s ACKED IDS 1 5-0", "*1 :1"),
    ("XADD s 6-0 f v", "$3 6-0"),
    ("XGROUP DESTROY s g", ":1"),
    ("XDELEX s ACKED IDS 1 6-0", "*1 :1"),
    // The references stay; XACKDEL finds them though the entries are gone.
    ("XADD t 1-0 f v", "$3 1-0"),
    ("XGROUP CREATE t g 0", "+OK"),
    ("XGROUP CREATE t h 0", "+OK"),
    ("XREADGROUP GROUP g a STREAMS t >", "*1 *2 $1 t *1 *2 $3 1-0 *2 $1 f $1 v"),
    ("XREADGROUP GROUP h b STREAMS t >", "*1 *2 $1 t *1 *2 $3 1-0 *2 $1 f $1 v"),
    ("XACKDEL t g KEEPREF IDS 1 1-0", "*1 :1"),
    ("XPENDING t g", "*4 :0 $-1 $-1 *-1"),
    ("XPENDING t h", "*4 :1 $3 1-0 $3 1-0 *1 *2 $1 b $1 1"),
    ("XDELEX t IDS 1 1-0", "*1 :-1"),
    ("XACKDEL t h KEEPREF IDS 1 1-0", "*1 :1"),
    ("XACKDEL t h KEEPREF IDS 1 1-0", "*1 :-1"),
    // XADD and XTRIM.
    ("XADD u KEEPREF 1-0 f v", "$3 1-0"),
    ("XADD u DELREF ACKED 2-0 f v", SYNTAX),
    ("XADD u IDMP p i * f v", INVALID_ID),
    ("XTRIM u ACKED LIMIT 0", "-ERR syntax error, XTRIM must be called with a valid trimming strategy"),
    ("XTRIM u MAXLEN 1 ACKED DELREF", SYNTAX),
    ("XADD u 2-0 f v", "$3 2-0"),
    ("XADD u 3-0 f v", "$3 3-0"),
    ("XADD u 4-0 f v", "$3 4-0"),
    ("XADD u 5-0 f v", "$3 5-0"),
    ("XGROUP CREATE u g 0", "+OK"),
    ("XADD u MAXLEN = 1 ACKED 6-0 f v", "$3 6-0"),
    ("XLEN u", ":6"),
    ("XGROUP SETID u g 1-0", "+OK"),
    ("XADD u ACKED MAXLEN = 1 7-0 f v", "$3 7-0"),
    ("XLEN u", ":6"),
    ("XGROUP SETID u g 7-0", "+OK"),
    ("XADD u MAXLEN 1 ACKED 8-0 f v", "$3 8-0"),
    ("XRANGE u - +", "*1 *2 $3 8-0 *2 $1 f $1 v"),
];

#[test]
fn as_redis_answers() {
    World::new().talk(TALK);
}

/// Five entries of which 3-0 and 5-0 are pending.
fn begin(w: &mut World) {
    w.ks.limits.stream = StreamLimit { bytes: 4096, entries: 2 };
    w.say("DEL s");
    (1..=5).for_each(|i| _ = w.say(&std::format!("XADD s {i}-0 f v")));
    w.say("XGROUP CREATE s g 0");
    w.say("XREADGROUP GROUP g c STREAMS s >");
    w.say("XACK s g 1-0 2-0 4-0");
    w.effects();
}

#[test]
fn a_trim_goes_through_its_nodes_and_leaves_what_is_not_acknowledged() {
    let mut w = World::new();
    for (trim, want, left, pending) in [
        ("MINID ~ 6-0 ACKED", 3, "3 5", 2),
        ("MINID ~ 6-0 ACKED LIMIT 2", 2, "3 4 5", 2),
        ("MINID ~ 4-0 ACKED", 2, "3 4 5", 2),
        ("MINID 4-0 ACKED", 2, "3 4 5", 2),
        ("MINID 5-0 ACKED", 3, "3 5", 2),
        ("MAXLEN 4 ACKED", 1, "2 3 4 5", 2),
        ("MAXLEN 0 ACKED", 3, "3 5", 2),
        ("MAXLEN ~ 3 ACKED", 2, "3 4 5", 2),
        ("MAXLEN 2 DELREF", 3, "4 5", 1),
        ("MAXLEN ~ 2 DELREF", 2, "3 4 5", 2),
        ("MINID ~ 6-0 DELREF", 5, "", 0),
        ("MAXLEN 1 KEEPREF", 4, "5", 2),
    ] {
        begin(&mut w);
        assert_eq!(w.answer(&std::format!("XTRIM s {trim}")), std::format!(":{want}"), "{trim}");
        let range = w.say("XRANGE s - +");
        let ids: Vec<&str> = range.lines().filter_map(|line| line.strip_suffix("-0")).collect();
        assert_eq!(ids.join(" "), left, "{trim}");
        assert!(w.answer("XPENDING s g").starts_with(&std::format!("*4 :{pending} ")), "{trim}");
        super::laws::accounts(&w.ks);
    }
}

#[test]
fn replicas_are_told_in_commands_that_they_know() {
    for (line, want, dirty) in [
        ("XTRIM s MINID ~ 6-0 ACKED", &["XDEL s 1-0 2-0 4-0"][..], 3),
        ("XTRIM s MAXLEN 3 ACKED", &["XTRIM s MAXLEN = 3"], 2),
        ("XTRIM s MAXLEN 1 KEEPREF", &["XTRIM s MAXLEN = 1"], 4),
        ("XTRIM s MAXLEN 2 DELREF", &["XTRIM s MAXLEN = 2", "XACK s g 3-0"], 3),
        ("XTRIM s MAXLEN 9 DELREF", &[], 0),
        ("XADD s MAXLEN 2 DELREF 9-* f v", &["XADD s MAXLEN = 2 9-0 f v", "XACK s g 3-0"], 1),
        ("XADD s ACKED MAXLEN 1 9-0 f v", &["XADD s 9-0 f v", "XDEL s 1-0 2-0 4-0"], 1),
        ("XADD s MINID ~ 3-0 ACKED 9-0 f v", &["XADD s MAXLEN = 4 9-0 f v"], 1),
        ("XADD s NOMKSTREAM KEEPREF 9-0 f v", &["XADD s 9-0 f v"], 1),
        ("XDELEX s IDS 2 3-0 9-0", &["XDEL s 3-0"], 1),
        ("XDELEX s DELREF IDS 3 1-0 3-0 5-0", &["XACK s g 3-0 5-0", "XDEL s 1-0 3-0 5-0"], 5),
        ("XDELEX s ACKED IDS 2 3-0 5-0", &[], 0),
        ("XDELEX s ACKED IDS 2 3-0 4-0", &["XDEL s 4-0"], 1),
        ("XACKDEL s g IDS 3 3-0 4-0 5-0", &["XACK s g 3-0 5-0", "XDEL s 3-0 5-0"], 4),
        ("XACKDEL s g IDS 1 4-0", &[], 0),
    ] {
        let mut w = World::new();
        begin(&mut w);
        w.told(&[(line, want, dirty)]);
    }
    // What pends of an entry that is gone already.
    let mut w = World::new();
    begin(&mut w);
    w.told(&[
        ("XDELEX s KEEPREF IDS 1 3-0", &["XDEL s 3-0"], 1),
        ("XDELEX s DELREF IDS 1 3-0", &["XACK s g 3-0"], 1),
        ("XGROUP CREATE s h 0", &["itself"], 1),
        ("XACKDEL s g ACKED IDS 1 5-0", &["XACK s g 5-0"], 1),
    ]);
}

#[test]
fn a_master_of_redis_8_6_says_which_entries_are_no_duplicates() {
    let mut w = World::new();
    (w.origin, w.may_expire) = (Origin::Upstream, false);
    w.talk(&[
        ("XADD s IDMP p i 1-0 f v", "$3 1-0"),
        ("XADD s KEEPREF IDMPAUTO p MAXLEN = 1 2-0 f v", "$3 2-0"),
        ("XADD s NOMKSTREAM IDMP p", "-ERR wrong number of arguments for 'xadd' command"),
        ("XLEN s", ":1"),
    ]);
}

#[test]
fn listeners_hear_of_what_is_gone() {
    use crate::dataset::Classes;
    let mut w = World::new();
    begin(&mut w);
    w.fx = Effects::telling(Classes(u32::MAX));
    for (line, want) in [
        ("XDELEX s ACKED IDS 1 3-0", &[][..]),
        ("XDELEX s IDS 2 1-0 2-0", &["xdel"]),
        ("XACKDEL s g IDS 1 3-0", &["xdel"]),
        ("XTRIM s MAXLEN 0 ACKED", &["xtrim"]),
        ("XADD s MAXLEN 0 DELREF 9-0 f v", &["xadd", "xtrim"]),
    ] {
        w.say(line);
        let events: Vec<&str> = w.fx.take_events().iter().map(|event| event.event).collect();
        assert_eq!(events, want, "{line}");
    }
}
