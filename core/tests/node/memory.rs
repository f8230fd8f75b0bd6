//! `maxmemory`, eviction and lazy freeing, and `notify-keyspace-events`, as clients and replicas see them.

use crate::support::host::{Who, World};
use primacy_core::keyspace::Keyspace;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

fn fill(w: &mut World<Keyspace>, c: Who, keys: usize) {
    let lines: Vec<String> = (0..keys).map(|i| format!("SET key:{i} {}", "v".repeat(100))).collect();
    w.ask(c, &lines.join("\n"));
}

#[test]
fn without_a_policy_what_takes_memory_is_refused() {
    let (mut w, c) = World::<Keyspace>::one("");
    assert_eq!(w.ask(c, "SET a 1\nCONFIG SET maxmemory 1"), "OK | OK");
    assert_eq!(w.ask(c, "SET b 1"), OOM);
    assert_eq!(w.ask(c, "GET a\nEXISTS a\nAPPEND a 1\nPING"), format!("1 | 1 | {OOM} | PONG"));
    // Nothing is queued, for a queue takes memory too; and one that was queued before is not run.
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(w.ask(c, "MULTI\nGET a\nEXEC"), format!("OK | {OOM} | {aborted}"));
    assert_eq!(w.ask(c, "MULTI\nDISCARD\nDEL a\nSET a 1"), format!("OK | OK | 1 | {OOM}"));
    let other = w.client(0);
    assert_eq!(w.ask(c, "CONFIG SET maxmemory 0\nSET a 1\nMULTI\nSET b 1\nGET a"), "OK | OK | OK | QUEUED | QUEUED");
    w.ask(other, "CONFIG SET maxmemory 1");
    let because =
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(w.ask(c, "EXEC\nGET b"), format!("{because} | (nil)"));
    w.ask(other, "CONFIG SET maxmemory 0");
    assert_eq!(w.ask(c, "SET b 1"), "OK");
    w.advance(50);
    assert_eq!((w.info(0, "current_eviction_exceeded_time"), w.info(0, "evicted_keys")), ("0".into(), "0".into()));
}

#[test]
fn no_key_is_evicted_in_a_pause() {
    let mut w = World::<Keyspace>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    let (c, admin) = (w.client(0), w.client(0));
    fill(&mut w, c, 100);
    w.ask(admin, "CLIENT PAUSE 60000 WRITE\nCONFIG SET maxmemory-policy allkeys-random maxmemory 1");
    let before = w.hosts[0].node.position();
    assert_eq!(w.ask(c, "GET key:7\nDBSIZE"), format!("{} | 100", "v".repeat(100)));
    w.advance(5000);
    assert_eq!((w.ask(c, "DBSIZE"), w.info(0, "evicted_keys")), ("100".into(), "0".into()));
    assert_eq!(w.hosts[0].node.position(), before, "replicas hear of nothing");
    w.ask(admin, "CLIENT UNPAUSE");
    w.advance(5000);
    assert_eq!((w.ask(c, "DBSIZE"), w.info(1, "db0")), ("0".into(), "-".into()));
}

#[test]
fn a_limit_that_is_lowered_evicts_in_slices_and_replicas_follow() {
    let mut w =
        World::<Keyspace>::family(5, &["", "--replicaof 127.0.0.1_7000 --maxmemory 1 --maxmemory-policy allkeys-lru"]);
    let (c, r) = (w.client(0), w.client(1));
    fill(&mut w, c, 3000);
    w.run();
    assert_eq!(w.ask(r, "DBSIZE"), "3000", "a replica leaves it to its master");
    w.ask(c, "CONFIG SET maxmemory-policy allkeys-lru maxmemory 200kb");
    w.run();
    w.advance(1000);
    let left: usize = w.ask(c, "DBSIZE").parse().unwrap();
    assert!((200..1500).contains(&left), "{left}");
    assert_eq!(w.info(0, "evicted_keys"), (3000 - left).to_string());
    assert_eq!(w.ask(r, "DBSIZE"), left.to_string());
    assert_eq!(w.digest(0), w.digest(1));
    // From now on each new key makes its own room.
    fill(&mut w, c, 3000);
    w.run();
    w.advance(1000);
    let now: usize = w.ask(c, "DBSIZE").parse().unwrap();
    assert!(now.abs_diff(left) < 100, "{now} {left}");
    assert_eq!(w.ask(c, "GET key:2999").len(), 100, "the last one is there");
    assert_eq!(w.digest(0), w.digest(1));
    assert_eq!(w.info(1, "evicted_keys"), "0");
}

#[test]
fn a_transaction_whose_watched_key_gives_way_to_it_fails() {
    let (mut w, c) = World::<Keyspace>::one("--maxmemory 60kb --maxmemory-policy allkeys-lru");
    let other = w.client(0);
    assert_eq!(w.ask(c, "SET a 1\nWATCH a\nMULTI\nPING"), "OK | OK | OK | QUEUED");
    w.advance(100);
    // What a transaction writes makes no room: that is for the next command, which is EXEC.
    w.ask(other, &format!("MULTI\nSET big {}\nEXEC", "x".repeat(60_000)));
    assert_eq!(w.ask(c, "EXEC\nEXISTS a big"), "(nil) | 0");
    assert_eq!(w.info(0, "evicted_keys"), "2");
}

#[test]
fn clients_that_do_not_touch_do_not_keep_keys() {
    let (mut w, c) = World::<Keyspace>::one("--maxmemory-policy allkeys-lru");
    w.ask(c, "SET a 1\nCLIENT NO-TOUCH ON");
    w.advance(5_050);
    assert_eq!(w.ask(c, "GET a\nOBJECT IDLETIME a\nTOUCH a\nOBJECT IDLETIME a"), "1 | 5 | 1 | 0");
    w.advance(3_050);
    assert_eq!(w.ask(c, "CLIENT NO-TOUCH OFF\nOBJECT IDLETIME a\nGET a\nOBJECT IDLETIME a"), "OK | 3 | 1 | 0");
}

#[test]
fn a_large_value_is_freed_soon_after_its_key_is_gone() {
    let (mut w, c) = World::<Keyspace>::one("");
    let members: Vec<String> = (0..20_000).map(|i| format!("member:{i}")).collect();
    w.ask(c, &format!("SADD s {}", members.join(" ")));
    let before: u64 = w.info(0, "used_memory_dataset").parse().unwrap();
    assert_eq!(w.ask(c, "DEL s"), "1");
    w.run();
    let after: u64 = w.info(0, "used_memory_dataset").parse().unwrap();
    assert!(after * 10 < before, "{before} {after}");
    assert_eq!((w.info(0, "lazyfree_pending_objects"), w.info(0, "lazyfreed_objects")), ("0".into(), "1".into()));
}

#[test]
fn events_are_told_behind_the_reply_and_behind_a_whole_transaction() {
    let (mut w, c) = World::<Keyspace>::one("--notify-keyspace-events E$g");
    w.ask(c, "HELLO 3");
    w.ask(c, "PSUBSCRIBE __key*__:*");
    w.send(c, "SET a 1\nMULTI\nINCR a\nDEL a\nEXEC\nPING");
    w.run();
    let heard = |event: &str, key: &str| {
        let (pattern, channel) = ("__key*__:*", format!("__keyevent@0__:{event}"));
        let words: String = ["pmessage", pattern, &channel, key].map(|w| format!("${}\r\n{w}\r\n", w.len())).concat();
        format!(">4\r\n{words}")
    };
    let want = format!(
        "+OK\r\n{}+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:2\r\n:1\r\n{}{}+PONG\r\n",
        heard("set", "a"),
        heard("incrby", "a"),
        heard("del", "a")
    );
    assert_eq!(String::from_utf8_lossy(&w.raw(c)), want);
}

#[test]
fn events_of_fields_that_expire() {
    let (mut w, c) = World::<Keyspace>::one("--notify-keyspace-events KA");
    let ears = w.client(0);
    w.ask(ears, "PSUBSCRIBE __key*__:*");
    w.ask(c, "HSET h a 1 b 2 c 3 d 4\nHPEXPIRE h 100 FIELDS 2 a b\nHPERSIST h FIELDS 1 a\nHEXPIREAT h 1 FIELDS 1 a");
    w.ask(c, "HPEXPIRE h 200 FIELDS 2 c d");
    w.advance(1_000);
    let heard: Vec<String> =
        w.heard(ears).split(" | ").map(|m| m.trim_end_matches(']').rsplit(", ").next().unwrap().to_owned()).collect();
    assert_eq!(heard, ["hset", "hexpire", "hpersist", "hdel", "hexpire", "hexpired", "hexpired", "del"]);
    assert_eq!(w.info(0, "expired_subkeys"), "3");
}
