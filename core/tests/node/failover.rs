//! A master hands over: FAILOVER, and PSYNC's FAILOVER on the other side.

use quickcheck::QuickCheck;

use crate::replication::{REPLICA, assert_agree};
use crate::support::host::{Make, Who, World};
use crate::support::store::Store;
use primacy_core::Input;
use primacy_core::keyspace::Keyspace;
use primacy_core::node::{Call, What};

const READONLY: &str = "-READONLY You can't write against a read only replica.";

over_both! {
    a_master_hands_over_and_nothing_is_lost
    any_replica_that_has_everything_takes_over
    writes_wait_and_go_on_when_the_patience_ends
    an_abort_lets_writes_go
    a_failover_in_a_transaction_waits_for_its_writes
    force_hands_over_to_one_that_is_behind_and_an_abort_takes_it_back
    one_that_became_the_master_and_could_not_say_so_is_followed
    one_that_refuses_leaves_the_master_what_it_was
    one_that_refuses_and_is_another_master_is_not_followed
    nothing_else_changes_the_role_meanwhile
    only_a_replica_of_the_same_history_takes_over
    the_words_of_failover
}

/// A client that says it is a replica on port 6000, goes on from here, and never acknowledges anything.
fn mute_replica<D: Make>(w: &mut World<D>) -> Who {
    let (id, at) = w.hosts[0].node.position();
    let c = w.client(0);
    w.ask(c, "REPLCONF listening-port 6000 capa psync2");
    w.say(c, format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{id}\r\n${}\r\n{}\r\n", digits(at + 1), at + 1).as_bytes());
    w.run();
    assert_eq!(w.info(0, "slave1"), "ip=127.0.0.1,port=6000,state=online,offset=0,lag=0");
    c
}

fn digits(n: u64) -> usize {
    n.to_string().len()
}

fn masters<D: Make>(w: &World<D>) -> Vec<usize> {
    (0..w.hosts.len()).filter(|i| w.hosts[*i].node.is_master()).collect()
}

fn a_master_hands_over_and_nothing_is_lost<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, REPLICA]);
    let (c, other) = (w.client(0), w.client(0));
    w.send(c, "SET a 1\nINCR a\nWAIT 5 0");
    w.run();
    assert_eq!(w.heard(c), "OK | 2");
    // A replica takes no bytes: it has not everything.
    w.send(other, "INCR a\nFAILOVER TO 127.0.0.1 7002\nINCR a\nPING");
    w.advance(3000);
    assert_eq!(w.heard(other), format!("3 | OK | {READONLY} | PONG"));
    assert!(w.heard(c).starts_with("-UNBLOCKED"), "who waits for replicas is told");
    assert_eq!(masters(&w), [2], "{}", w.log(0));
    let late = w.client(2);
    assert_eq!(w.ask(late, "GET a\nINCR a"), "3 | 4");
    w.advance(3000);
    // The other one follows the old master, as in Redis: a sentinel or a person tells it.
    assert_agree(&mut w);
    assert!((0..3).all(|i| w.count(i, |e| matches!(e, What::SnapshotLoaded { .. })) == usize::from(i > 0)));
    assert_eq!(w.logged(0, "FAILOVER requested to 127.0.0.1:7002."), 1);
    assert_eq!(w.logged(0, "Failover target 127.0.0.1:7002 is synced, failing over."), 1);
    assert_eq!(w.logged(2, "MASTER MODE enabled (failover request from 'id="), 1);
    assert_eq!(w.info(0, "master_failover_state"), "no-failover");
}

fn any_replica_that_has_everything_takes_over<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    let mute = mute_replica(&mut w);
    assert_eq!(w.ask(c, "INCR a\nFAILOVER"), "2 | OK");
    w.advance(2000);
    assert_eq!(masters(&w), [1]);
    assert!(w.closed(mute), "it learns that there is a new id");
}

fn writes_wait_and_go_on_when_the_patience_ends<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, reader) = (w.client(0), w.client(0));
    w.ask(c, "SET gone 1 PX 200");
    mute_replica(&mut w);
    w.ask(c, "SET a 1");
    let (_, before) = w.hosts[0].node.position();
    assert_eq!(w.ask(c, "FAILOVER TO 127.0.0.1 6000 TIMEOUT 500\nINCR a\nPING"), "OK");
    assert_eq!(w.info(0, "master_failover_state"), "waiting-for-sync");
    assert_eq!(w.ask(reader, "GET a\nCLIENT UNPAUSE"), "1 | OK", "who reads does not wait");
    w.advance(499);
    assert_eq!((w.heard(c), w.heard(reader)), (String::new(), String::new()));
    let (_, now) = w.hosts[0].node.position();
    assert_eq!(now - before, 37, "one question for acknowledgements, and no DEL of what expired");
    w.advance(2);
    assert_eq!(w.heard(c), "2 | PONG");
    assert_eq!(masters(&w), [0]);
    assert_eq!(w.logged(0, "FAILOVER to 127.0.0.1:6000 aborted: Replica never caught up before timeout"), 1);
    w.advance(2000);
    assert_eq!(w.ask(c, "GET gone"), w.ask(c, "GET never"));
    assert_agree(&mut w);
}

fn an_abort_lets_writes_go<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, person) = (w.client(0), w.client(0));
    w.ask(c, "SET a 1");
    mute_replica(&mut w);
    w.ask(c, "SET a 1");
    assert_eq!(w.ask(person, "FAILOVER TO 127.0.0.1 6000\nCLIENT PAUSE 1000 WRITE"), "OK | OK");
    assert_eq!(w.ask(c, "INCR a"), "");
    assert_eq!(w.ask(person, "FAILOVER ABORT\nFAILOVER ABORT"), "OK | -ERR No failover in progress.");
    assert_eq!(w.heard(c), "", "the client's own pause goes on");
    assert_eq!(w.ask(person, "CLIENT UNPAUSE"), "OK");
    assert_eq!(w.heard(c), "2");
    assert_eq!(masters(&w), [0]);
}

fn a_failover_in_a_transaction_waits_for_its_writes<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    let asked =
        w.ask(c, "MULTI\nCLIENT PAUSE 5000 WRITE\nSET a 1\nFAILOVER TO 127.0.0.1 7001 TIMEOUT 5000\nSET b 2\nEXEC");
    assert_eq!(asked, "OK | QUEUED | QUEUED | QUEUED | QUEUED | [OK, OK, OK, OK]");
    w.advance(2000);
    assert_eq!(masters(&w), [1]);
    let n = w.client(1);
    assert_eq!(w.ask(n, "GET a\nGET b\nSET c 3"), "1 | 2 | OK");
    w.advance(2000);
    assert_agree(&mut w);
}

fn force_hands_over_to_one_that_is_behind_and_an_abort_takes_it_back<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, person) = (w.client(0), w.client(0));
    w.ask(c, "SET a 1");
    mute_replica(&mut w);
    assert_eq!(w.ask(person, "SET a 1\nFAILOVER TO 127.0.0.1 6000 FORCE TIMEOUT 500"), "OK | OK");
    assert_eq!(w.ask(c, "INCR a"), "");
    w.advance(600);
    assert_eq!(w.logged(0, "FAILOVER to 127.0.0.1:6000 time out exceeded, failing over."), 1);
    assert_eq!(w.info(0, "master_failover_state"), "failover-in-progress");
    assert_eq!(w.info(0, "role"), "slave");
    assert_eq!(w.ask(person, "SET a 1"), READONLY);
    assert_eq!(w.heard(c), "", "who waited before still waits");
    // Nobody is there: it is tried again and again.
    let tries = w.hosts[0].connects;
    w.advance(5000);
    assert!(w.hosts[0].connects - tries >= 20, "{}", w.log(0));
    let (id, _) = w.hosts[0].node.position();
    assert_eq!(w.ask(person, "FAILOVER ABORT"), "OK");
    assert_eq!(w.heard(c), "2");
    assert_eq!(w.info(0, "master_replid2"), id.to_string());
    w.advance(3000);
    assert_agree(&mut w);
}

/// Goes on step by step until this is on its way from one node to the other.
fn until_in_flight<D: Make>(w: &mut World<D>, from: usize, to: usize, text: &str) {
    for _ in 0..10_000 {
        if String::from_utf8_lossy(&w.in_flight(from, to)).contains(text) {
            return;
        }
        w.steps(1);
    }
    panic!("{text} never came:\n{}", w.log(from));
}

fn one_that_became_the_master_and_could_not_say_so_is_followed<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    w.send(c, "INCR a\nFAILOVER\nINCR a");
    until_in_flight(&mut w, 1, 0, "+CONTINUE");
    w.cut(0, 1);
    // Meanwhile it has writes of its own.
    let n = w.client(1);
    assert_eq!(w.ask(n, "SET b 1"), "OK");
    w.advance(3000);
    assert_eq!(masters(&w), [1], "{}", w.log(0));
    assert_eq!(w.heard(c), format!("2 | OK | {READONLY}"));
    assert_agree(&mut w);
    assert_eq!(w.count(0, |e| matches!(e, What::SnapshotLoaded { .. })), 0, "{}", w.log(0));
}

fn one_that_refuses_leaves_the_master_what_it_was<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    w.send(c, "INCR a\nFAILOVER\nINCR a");
    until_in_flight(&mut w, 0, 1, "PING");
    assert!(!w.hosts[0].node.is_master());
    // Somebody else is quicker.
    w.feed(1, Input::Call(Call::Promote));
    w.run();
    assert_eq!(masters(&w), [0, 1]);
    assert_eq!(w.heard(c), "2 | OK | 3", "{}", w.log(0));
    assert_eq!(
        w.logged(0, "aborted: Failover target rejected psync request: -ERR PSYNC FAILOVER can't be sent to a master."),
        1
    );
    assert_eq!(w.info(0, "master_failover_state"), "no-failover");
}

fn one_that_refuses_and_is_another_master_is_not_followed<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    w.send(c, "INCR a\nFAILOVER\nINCR a");
    until_in_flight(&mut w, 0, 1, "FAILOVER");
    w.cut(0, 1);
    // It comes back empty, under an id of its own.
    w.hosts[1].files.clear();
    w.hosts[1].args.clear();
    w.restart(1);
    w.advance(3000);
    assert_eq!(w.heard(c), "2 | OK | 3", "{}", w.log(0));
    assert_eq!(w.logged(0, "aborted: Failover target rejected psync request"), 1);
    assert_eq!(w.ask(c, "GET a"), "3");
}

fn nothing_else_changes_the_role_meanwhile<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    w.ask(c, "SET a 1");
    mute_replica(&mut w);
    let in_progress = "-ERR FAILOVER already in progress.";
    let not_now = "-ERR REPLICAOF not allowed while failing over.";
    assert_eq!(
        w.ask(c, "SET a 1\nFAILOVER TO 127.0.0.1 6000\nFAILOVER\nREPLICAOF NO ONE\nSLAVEOF 127.0.0.1 1"),
        format!("OK | OK | {in_progress} | {not_now} | {not_now}")
    );
    let late = w.client(0);
    let failing = "-NOMASTERLINK Can't SYNC while failing over";
    assert_eq!((w.ask(late, "PSYNC ? -1"), w.ask(late, "SYNC")), (failing.into(), failing.into()));
    w.call(0, Call::Follow { host: "127.0.0.1".into(), port: 7001 });
    assert_eq!(w.info(0, "master_failover_state"), "no-failover");
}

fn only_a_replica_of_the_same_history_takes_over<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    let (id, at) = w.hosts[0].node.position();
    assert_eq!(w.ask(c, &format!("PSYNC {id} 1 failover")), "-ERR PSYNC FAILOVER can't be sent to a master.");
    assert_eq!(
        w.ask(r, &format!("PSYNC {} 1 FAILOVER", "a".repeat(40))),
        "-ERR PSYNC FAILOVER replid must match my replid."
    );
    assert_eq!(masters(&w), [0]);
    // Redis looks at this before the link.
    w.hosts[0].unreachable = true;
    w.cut(0, 1);
    w.run();
    w.ask(r, "REPLCONF capa psync2");
    let upper = id.to_string().to_uppercase();
    assert_eq!(
        w.ask(r, &format!("PSYNC {upper} {} FAILOVER", at + 1)),
        format!("CONTINUE {}", w.hosts[1].node.position().0)
    );
    assert_eq!(masters(&w), [0, 1]);
}

fn the_words_of_failover<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    for (words, answer) in [
        ("FAILOVER ABORT", "ERR No failover in progress."),
        ("FAILOVER", "ERR FAILOVER requires connected replicas."),
        ("FAILOVER TIMEOUT 5 ABORT", "ERR syntax error"),
        ("FAILOVER TO 127.0.0.1", "ERR syntax error"),
        ("FAILOVER FORCE FORCE", "ERR syntax error"),
        ("FAILOVER TIMEOUT x", "ERR value is not an integer or out of range"),
        ("FAILOVER TIMEOUT 0", "ERR FAILOVER timeout must be greater than 0"),
    ] {
        assert_eq!(w.ask(c, words), format!("-{answer}"), "{words}");
    }
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    let force = "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    assert_eq!(w.ask(c, "FAILOVER FORCE TIMEOUT 5\nFAILOVER TO 127.0.0.1 7001 FORCE"), format!("{force} | {force}"));
    let nobody = "-ERR FAILOVER target HOST and PORT is not a replica.";
    assert_eq!(
        w.ask(c, "FAILOVER TO 127.0.0.1 7009\nFAILOVER TO localhost 7001\nFAILOVER TO 127.0.0.1 72537"),
        format!("{nobody} | {nobody} | {nobody}")
    );
    assert_eq!(w.ask(r, "FAILOVER"), "-ERR FAILOVER is not valid when server is a replica.");
    // One that waits for its snapshot is none yet.
    w.ask(c, "CONFIG SET repl-diskless-sync-delay 5");
    let late = w.client(0);
    w.ask(late, "REPLCONF listening-port 6000 capa eof");
    w.ask(late, "PSYNC ? -1");
    assert_eq!(w.ask(c, "FAILOVER TO 127.0.0.1 6000"), "-ERR FAILOVER target replica is not online.");
}

/// Links that break at any moment, clients that count: whatever becomes of a failover, there is one master in the end, and
/// it has every write that was acknowledged.
#[test]
fn an_acknowledged_write_survives_every_failover() {
    QuickCheck::new().tests(60).quickcheck(random_failover::<Keyspace> as fn(u64) -> bool);
    QuickCheck::new().tests(60).quickcheck(random_failover::<Store> as fn(u64) -> bool);
}

fn random_failover<D: Make>(seed: u64) -> bool {
    let mut w = World::<D>::family(seed, &["", REPLICA]);
    w.chop = 1 + w.pick(200);
    let c = w.client(0);
    let mut counted = 0;
    for _ in 0..4 {
        let (old, new) = if w.hosts[0].node.is_master() { (0, 1) } else { (1, 0) };
        let (writer, person) = (w.client(old), w.client(old));
        for _ in 0..w.pick(30) {
            w.send(writer, "INCR n");
        }
        let steps = w.pick(60) as usize;
        w.steps(steps);
        w.send(person, &format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 5000", 7000 + new));
        w.send(writer, "INCR n\nINCR n");
        for _ in 0..w.pick(4) {
            let steps = w.pick(120) as usize;
            w.steps(steps);
            w.cut(0, 1);
        }
        w.advance(15_000);
        counted += w.heard(writer).split(" | ").filter(|answer| answer.parse::<u64>().is_ok()).count();
        assert_eq!(masters(&w).len(), 1, "{}\n--\n{}", w.log(0), w.log(1));
        assert_agree(&mut w);
        w.hang_up(writer);
        w.hang_up(person);
    }
    let value = w.ask(c, "GET n");
    assert_eq!(value.parse::<usize>().unwrap_or(0), counted, "{}\n--\n{}", w.log(0), w.log(1));
    true
}
