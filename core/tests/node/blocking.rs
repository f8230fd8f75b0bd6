//! Commands that wait for a key: who is served, in which order, and what replicas are told.

use crate::replication::{CHAINED, REPLICA, assert_agree};
use crate::support::host::{Who, World};
use primacy_core::keyspace::Keyspace;

type W = World<Keyspace>;

/// A client that says this and waits.
fn waits(w: &mut W, line: &str) -> Who {
    let c = w.client(0);
    assert_eq!(w.ask(c, line), "", "{line} waits");
    c
}

#[test]
fn what_is_there_is_taken_at_once() {
    let (mut w, c) = W::one("");
    w.ask(c, "RPUSH l a b c d e f\nZADD z 1 a 2 b 3 c 4 d");
    assert_eq!(w.ask(c, "BLPOP none l 0"), "[l, a]");
    assert_eq!(w.ask(c, "BRPOP l none 0"), "[l, f]");
    assert_eq!(w.ask(c, "BLMPOP 0 2 none l LEFT COUNT 2"), "[l, [b, c]]");
    assert_eq!(w.ask(c, "BLMOVE l m LEFT RIGHT 0\nBRPOPLPUSH l m 0\nLRANGE m 0 -1"), "d | e | [e, d]");
    assert_eq!(w.ask(c, "BZPOPMIN none z 0"), "[z, a, 1]");
    assert_eq!(w.ask(c, "BZPOPMAX z 0"), "[z, d, 4]");
    assert_eq!(w.ask(c, "BZMPOP 0 1 z MIN COUNT 9"), "[z, [[b, 2], [c, 3]]]");
    assert_eq!(w.ask(c, "EXISTS l z"), "0");
}

#[test]
fn the_first_to_wait_is_the_first_to_be_served() {
    let (mut w, c) = W::one("");
    let first = waits(&mut w, "BLPOP k j 0");
    let second = waits(&mut w, "BRPOP k 0");
    let third = waits(&mut w, "BLMOVE k d LEFT LEFT 0");
    assert_eq!(w.info(0, "blocked_clients"), "3");
    // All the elements of one push are there before anybody is served.
    assert_eq!(w.ask(c, "RPUSH k 1 2 3 4\nLRANGE k 0 -1\nLRANGE d 0 -1"), "4 | [3] | [2]");
    assert_eq!(w.heard(first), "[k, 1]");
    assert_eq!(w.heard(second), "[k, 4]");
    assert_eq!(w.heard(third), "2");
    assert_eq!(w.info(0, "blocked_clients"), "0");
}

#[test]
fn what_is_gone_again_serves_nobody() {
    let (mut w, c) = W::one("");
    let first = waits(&mut w, "BLMPOP 0 1 k LEFT");
    let second = waits(&mut w, "BLPOP k 0");
    // Gone again before the transaction is over.
    w.ask(c, "MULTI\nRPUSH k x\nDEL k\nEXEC");
    assert_eq!(w.ask(c, "RPUSH k a"), "1");
    assert_eq!((w.heard(first), w.heard(second)), ("[k, [a]]".into(), String::new()));
    w.ask(c, "RPUSH k b");
    assert_eq!(w.heard(second), "[k, b]");
}

#[test]
fn one_that_was_passed_over_keeps_its_place() {
    let (mut w, c) = W::one("");
    w.ask(c, "XADD a 1-1 f v\nXADD a 2-1 f v\nXADD b 1-1 f v\nXGROUP CREATE a g $\nXGROUP CREATE b g $");
    let first = waits(&mut w, "XREADGROUP GROUP g one BLOCK 0 STREAMS a b > >");
    let second = waits(&mut w, "XREADGROUP GROUP g two BLOCK 0 STREAMS b >");
    // The first is looked at, finds nothing new, and waits on.
    w.ask(c, "XDEL a 1-1");
    w.ask(c, "XADD b 3-1 f v");
    assert_eq!((w.heard(first), w.heard(second)), ("[[b, [[3-1, [f, v]]]]]".into(), String::new()));
}

#[test]
fn one_that_says_goodbye_takes_nothing() {
    let (mut w, c) = W::one("");
    let leaving = w.client(0);
    w.window(leaving, 0);
    // It is still owed an answer, so that its connection stays for a while.
    w.ask(leaving, "PING\nBLPOP k 0");
    w.half_close(leaving);
    assert!(!w.closed(leaving));
    assert_eq!(w.ask(c, "RPUSH k a\nLRANGE k 0 -1"), "1 | [a]");
}

#[test]
fn a_key_of_another_type_serves_nobody() {
    let (mut w, c) = W::one("");
    let list = waits(&mut w, "BLPOP k 0");
    let zset = waits(&mut w, "BZPOPMIN k 0");
    w.ask(c, "SET k x\nDEL k\nSADD k x\nDEL k");
    assert_eq!((w.heard(list), w.heard(zset)), (String::new(), String::new()));
    w.ask(c, "ZADD k 5 m");
    assert_eq!((w.heard(list), w.heard(zset)), (String::new(), "[k, m, 5]".into()));
    // By whatever command a list comes to be there.
    w.ask(c, "RPUSH other 1\nRENAME other k");
    assert_eq!(w.heard(list), "[k, 1]");
    let again = waits(&mut w, "BLPOP k 0");
    w.ask(c, "RPUSH from 7 8\nCOPY from k");
    assert_eq!(w.heard(again), "[k, 7]");
    assert_eq!(w.ask(c, "DEL k\nSELECT 1\nRPUSH k z\nSELECT 0").split(" | ").count(), 4);
    let swapped = waits(&mut w, "BLPOP k 0");
    w.ask(c, "SWAPDB 0 1");
    assert_eq!(w.heard(swapped), "[k, z]");
}

#[test]
fn one_that_is_served_may_serve_others() {
    let (mut w, c) = W::one("");
    let chain: Vec<Who> = (0..50).map(|i| waits(&mut w, &format!("BLMOVE k{i} k{} LEFT LEFT 0", i + 1))).collect();
    let last = waits(&mut w, "BLPOP k50 0");
    w.ask(c, "RPUSH k0 ball");
    for c in chain {
        assert_eq!(w.heard(c), "ball");
    }
    assert_eq!(w.heard(last), "[k50, ball]");
    assert_eq!(w.ask(c, "DBSIZE"), "0");
}

#[test]
fn commands_behind_one_that_waits_run_when_it_is_answered() {
    let (mut w, c) = W::one("");
    let n = 200;
    let clients: Vec<Who> =
        (0..n).map(|i| waits(&mut w, &format!("BLPOP k{i} 0\nRPUSH k{} x\nLLEN k{}", i + 1, i + 1))).collect();
    // Each lets the next go on by what it sent behind its own command.
    w.ask(c, "RPUSH k0 x");
    for (i, &c) in clients.iter().enumerate() {
        let left = u8::from(i + 1 == n);
        assert_eq!(w.heard(c), format!("[k{i}, x] | 1 | {left}"));
    }
}

#[test]
fn the_time_ends() {
    let (mut w, _) = W::one("");
    for (line, answer) in [
        ("BLPOP k 0.05", "(nil)"),
        ("BLMOVE k j LEFT LEFT 0.05", "(nil)"),
        ("BZMPOP 0.05 1 k MIN", "(nil)"),
        ("BLPOP k 0.0001", "(nil)"),
    ] {
        let c = w.client(0);
        w.send(c, line);
        w.advance(100);
        assert_eq!(w.heard(c), answer, "{line}");
        assert_eq!(w.ask(c, "RPUSH k x\nDEL k"), "1 | 1", "it is not served any more");
    }
    let c = w.client(0);
    w.ask(c, "BRPOPLPUSH k j 0.05");
    w.advance(100);
    assert_eq!(w.raw(c), b"*-1\r\n", "whatever the type of the answer would have been");
}

#[test]
fn bad_timeouts_are_refused() {
    let (mut w, c) = W::one("");
    for (line, answer) in [
        ("BLPOP k -1", "-ERR timeout is negative"),
        ("BLPOP k x", "-ERR timeout is not a float or out of range"),
        ("BLPOP k inf", "-ERR timeout is out of range"),
        ("BLPOP k 1e300", "-ERR timeout is out of range"),
        ("BLMPOP x 0 k LEFT", "-ERR numkeys should be greater than 0"),
        ("BLMPOP x 1 k LEFT", "-ERR timeout is not a float or out of range"),
        ("BLMPOP x 1 k BAD", "-ERR syntax error"),
        ("BZMPOP 0 1 k MIN COUNT 0", "-ERR count should be greater than 0"),
        ("BLMOVE a b BAD LEFT x", "-ERR syntax error"),
        ("BRPOPLPUSH a b x", "-ERR timeout is not a float or out of range"),
    ] {
        assert_eq!(w.ask(c, line), answer, "{line}");
    }
}

#[test]
fn a_transaction_does_not_wait() {
    let (mut w, c) = W::one("");
    let answer = w.ask(c, "MULTI\nBLPOP k 0\nBLMOVE k j LEFT LEFT 0\nBZPOPMAX k 0\nEXEC");
    assert_eq!(answer, "OK | QUEUED | QUEUED | QUEUED | [(nil), (nil), (nil)]");
    let waiting = waits(&mut w, "BLPOP k 0");
    // What a transaction pushes is served when it is over.
    assert!(w.ask(c, "MULTI\nRPUSH k a\nRPUSH k b\nLLEN k\nEXEC\nLLEN k").ends_with("[1, 2, 2] | 1"));
    assert_eq!(w.heard(waiting), "[k, a]");
}

#[test]
fn replicas_are_told_of_the_pop_and_not_of_the_wait() {
    let mut w = W::family(1, &["", REPLICA, CHAINED]);
    let c = w.client(0);
    for line in ["BLPOP k 0", "BLMPOP 0 1 k RIGHT COUNT 2", "BRPOPLPUSH k d 0", "BLMOVE k d RIGHT LEFT 0"] {
        waits(&mut w, line);
    }
    waits(&mut w, "BZPOPMIN z 0");
    waits(&mut w, "BZMPOP 0 1 z MAX COUNT 2");
    w.ask(c, "RPUSH k 1 2 3 4 5 6\nMULTI\nZADD z 1 a 2 b\nZADD z 3 c\nEXEC");
    w.advance(2000);
    assert_eq!(w.ask(c, "LRANGE k 0 -1\nLRANGE d 0 -1\nEXISTS z"), "[2] | [3, 4] | 0");
    assert_agree(&mut w);
}

#[test]
fn an_administrator_or_another_role_ends_the_waiting() {
    let (mut w, c) = W::one("");
    let a = w.client(0);
    let id = w.ask(a, "CLIENT ID");
    w.ask(a, "BLPOP k 0\nPING");
    assert_eq!(w.ask(c, &format!("CLIENT UNBLOCK {id}\nCLIENT UNBLOCK {id}")), "1 | 0");
    assert_eq!(w.heard(a), "(nil) | PONG");
    w.ask(a, "BZPOPMIN k 0");
    w.ask(c, &format!("CLIENT UNBLOCK {id} ERROR"));
    assert_eq!(w.heard(a), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    w.ask(a, "BLPOP k 0");
    w.ask(c, "REPLICAOF 127.0.0.1 1");
    let why = "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    assert_eq!(w.heard(a), why);
    assert!(w.closed(a) && !w.closed(c));
}

#[test]
fn one_that_hangs_up_is_forgotten() {
    let (mut w, c) = W::one("");
    let gone = waits(&mut w, "BLPOP k 0");
    let stays = waits(&mut w, "BLPOP k 0");
    w.hang_up(gone);
    assert_eq!(w.ask(c, "RPUSH k 1 2\nLLEN k"), "2 | 1");
    assert_eq!(w.heard(stays), "[k, 1]");
}

#[test]
fn a_client_that_wants_no_replies_gets_none() {
    let (mut w, c) = W::one("");
    let quiet = waits(&mut w, "CLIENT REPLY OFF\nBLPOP k 0\nCLIENT REPLY ON\nPING");
    w.ask(c, "RPUSH k 1");
    assert_eq!(w.heard(quiet), "OK | PONG");
    let skips = waits(&mut w, "CLIENT REPLY SKIP\nBLPOP k 0\nPING");
    w.ask(c, "RPUSH k 1");
    assert_eq!(w.heard(skips), "PONG");
}
