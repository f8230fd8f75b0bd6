//! What clients may do to themselves and to each other.

use crate::support::host::{Make, World};
use primacy_core::client;
use primacy_core::node::What;

over_both! {
    client_reply_off_and_skip_leave_answers_out
    client_reply_skip_holds_for_a_command_that_a_pause_holds_back
    pause_write_holds_writes_back_in_their_order
    pause_all_holds_everything_back_and_ends_by_itself
    no_key_expires_in_a_pause
    replicas_are_heard_in_a_pause
    client_list_and_kill_see_the_same_clients
    hello_switches_the_protocol
    requirepass_lets_nobody_do_more_than_authenticate
    who_has_not_authenticated_sends_little
    protected_mode_refuses_other_machines
    maxclients_refuses_one_more_and_only_that
    timeout_closes_the_idle
    a_pubsub_client_over_its_output_limit_is_closed
    a_soft_output_limit_closes_after_its_seconds
    a_client_that_waits_holds_no_more_than_the_query_buffer
    a_reply_goes_out_before_the_end_of_who_has_hung_up
    slowlog_keeps_what_was_slow
    unauthenticated_is_not_a_subcommand_away
    reset_brings_a_connection_back_to_its_beginning
}

fn client_reply_off_and_skip_leave_answers_out<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "CLIENT REPLY OFF\nSET a 1\nNOSUCH\nGET a"), "");
    assert_eq!(w.ask(c, "CLIENT REPLY ON\nGET a"), "OK | 1");
    assert_eq!(w.ask(c, "CLIENT REPLY SKIP\nINCR a\nINCR a"), "3");
    assert_eq!(w.ask(c, "CLIENT REPLY OFF\nCLIENT REPLY SKIP\nINCR a\nCLIENT REPLY ON"), "OK");
    assert_eq!(w.ask(c, "CLIENT REPLY OFF\nWAIT 1 10\nGET a"), "");
    w.advance(100);
    assert_eq!(w.ask(c, "CLIENT REPLY ON"), "OK", "an answer that comes late is left out too");
}

fn client_reply_skip_holds_for_a_command_that_a_pause_holds_back<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let admin = w.client(0);
    w.ask(admin, "CLIENT PAUSE 1000 WRITE");
    assert_eq!(w.ask(c, "CLIENT REPLY SKIP\nSET a 1\nGET a"), "");
    assert_eq!(w.ask(admin, "CLIENT UNPAUSE"), "OK");
    assert_eq!(w.heard(c), "1");
}

fn pause_write_holds_writes_back_in_their_order<D: Make>() {
    for chop in [3, 1 << 16] {
        let (mut w, c) = World::<D>::one("");
        w.chop = chop;
        let admin = w.client(0);
        assert_eq!(w.ask(admin, "CLIENT PAUSE 60000 WRITE"), "OK");
        assert_eq!(w.ask(c, "GET a\nINCR a\nGET a\nINCR a"), "(nil)");
        assert_eq!(w.ask(c, "GET a\nMULTI\nINCR a\nEXEC"), "");
        let other = w.client(0);
        assert_eq!(
            w.ask(other, "MULTI\nGET b\nEXEC\nMULTI\nGET b\nINCR b\nEXEC"),
            "OK | QUEUED | [(nil)] | OK | QUEUED"
        );
        assert_eq!(w.ask(admin, "CLIENT UNPAUSE"), "OK");
        assert_eq!(w.heard(c), "1 | 1 | 2 | 2 | OK | QUEUED | [3]");
        assert_eq!(w.heard(other), "QUEUED | [(nil), 1]", "what is only queued waits too");
        assert_eq!(w.ask(c, "INCR a"), "4");
    }
}

fn pause_all_holds_everything_back_and_ends_by_itself<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let admin = w.client(0);
    assert_eq!(w.ask(admin, "CLIENT PAUSE 500"), "OK");
    assert_eq!(w.ask(c, "PING\nGET a"), "");
    assert_eq!(w.ask(admin, "CLIENT PAUSE 100 WRITE"), "OK", "a shorter or milder pause takes nothing back");
    w.advance(499);
    assert_eq!(w.heard(c), "");
    w.advance(2);
    assert_eq!(w.heard(c), "PONG | (nil)");
}

fn no_key_expires_in_a_pause<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    let c = w.client(0);
    w.ask(c, "SET a 1\nPEXPIRE a 50\nSET b 1\nPEXPIRE b 50\nCLIENT PAUSE 1000 WRITE");
    let before = w.hosts[0].node.position();
    w.advance(900);
    assert_eq!(w.ask(c, "GET a"), "(nil)", "it is hidden");
    assert_eq!(w.hosts[0].node.position(), before, "and replicas hear of nothing");
    w.advance(200);
    assert_ne!(w.hosts[0].node.position(), before);
    assert_eq!(w.info(1, "db0"), "-");
}

fn replicas_are_heard_in_a_pause<D: Make>() {
    for kind in ["WRITE", "ALL"] {
        let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
        let (c, admin) = (w.client(0), w.client(0));
        assert_eq!(w.ask(c, "SET a 1"), "OK");
        assert_eq!(w.ask(admin, &format!("CLIENT PAUSE 600000 {kind}")), "OK");
        assert_eq!(w.ask(c, "SET a 2"), "");
        // More than three times repl-timeout.
        w.advance(200_000);
        assert_eq!(w.heard(c), "");
        let at = w.hosts[0].node.position();
        assert_eq!((w.hosts[1].connects, w.hosts[1].node.position()), (1, at), "{kind}: {}", w.log(0));
        // What it says is taken, not only counted as a sign of life.
        let listed = w.ask(admin, "CLIENT LIST TYPE replica");
        assert!(listed.contains(" flags=S ") && listed.contains(" qbuf=0 "), "{kind}: {listed}");
        if kind == "WRITE" {
            let shown = w.info(0, "slave0");
            let heard = (0..2).any(|lag| shown.ends_with(&format!("state=online,offset={},lag={lag}", at.1)));
            assert!(heard, "{shown} at {}", at.1);
        }
        assert_eq!(w.ask(admin, "CLIENT UNPAUSE"), "OK");
        assert_eq!(w.ask(c, "WAIT 1 0"), "OK | 1");
    }
}

fn client_list_and_kill_see_the_same_clients<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let a = w.client_from(0, "127.0.0.1:1001");
    let b = w.client_from(0, "127.0.0.1:1002");
    w.ask(a, "CLIENT SETNAME first");
    w.ask(b, "SUBSCRIBE x");
    let list = w.ask(c, "CLIENT LIST");
    assert!(list.contains("id=2 addr=127.0.0.1:1001") && list.contains("name=first"), "{list}");
    let list = w.ask(c, "CLIENT LIST TYPE pubsub");
    assert!(
        list.starts_with("id=3 addr=127.0.0.1:1002") && !list.contains("id=2") && list.contains("flags=P"),
        "{list}"
    );
    assert_eq!(w.ask(c, "CLIENT LIST ID 2 3").matches("id=").count(), 2);
    assert_eq!(w.ask(c, "CLIENT KILL ID 99"), "0");
    assert_eq!(w.ask(c, "CLIENT KILL 127.0.0.1:9"), "-ERR No such client");
    assert_eq!(w.ask(c, "CLIENT KILL 127.0.0.1:1001"), "OK");
    assert_eq!(w.ask(c, "CLIENT KILL TYPE pubsub"), "1");
    assert!(w.closed(a) && w.closed(b) && !w.closed(c));
    assert_eq!(w.ask(c, "CLIENT KILL TYPE normal"), "0", "who asks is spared");
    assert_eq!(w.ask(c, "CLIENT KILL ID 1 SKIPME no\nPING"), "1");
    assert!(w.closed(c));
}

fn hello_switches_the_protocol<D: Make>() {
    let (mut w, c) = World::<D>::one("--requirepass secret");
    assert!(w.ask(c, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(w.ask(c, "HELLO 3 AUTH default wrong").starts_with("-WRONGPASS"));
    w.ask(c, "HELLO 3 AUTH default secret SETNAME me");
    w.send(c, "GET nothing");
    w.run();
    assert_eq!(w.raw(c), b"_\r\n");
    assert_eq!(w.ask(c, "CLIENT GETNAME"), "me");
    assert_eq!(w.ask(c, "HELLO 4"), "-NOPROTO unsupported protocol version");
    assert_eq!(w.ask(c, "HELLO x"), "-ERR Protocol version is not an integer or out of range");
    w.ask(c, "HELLO 2");
    w.send(c, "GET nothing");
    w.run();
    assert_eq!(w.raw(c), b"$-1\r\n");
}

fn requirepass_lets_nobody_do_more_than_authenticate<D: Make>() {
    let (mut w, c) = World::<D>::one("--requirepass secret");
    for line in ["GET a", "PING", "MULTI", "PSYNC ? -1", "CONFIG GET *", "SHUTDOWN"] {
        assert_eq!(w.ask(c, line), "-NOAUTH Authentication required.", "{line}");
    }
    assert!(
        w.ask(c, "AUTH wrong").starts_with("-WRONGPASS") && w.ask(c, "AUTH nobody secret").starts_with("-WRONGPASS")
    );
    assert_eq!(w.ask(c, "PING"), "-NOAUTH Authentication required.");
    assert_eq!(w.ask(c, "AUTH secret\nPING"), "OK | PONG");
    assert_eq!(w.ask(c, "RESET\nPING"), "RESET | -NOAUTH Authentication required.");
}

fn unauthenticated_is_not_a_subcommand_away<D: Make>() {
    let (mut w, c) = World::<D>::one("--requirepass secret");
    for line in ["CLIENT LIST", "CLIENT NOSUCH", "CLIENT", "NOSUCH", "GET"] {
        let answer = w.ask(c, line);
        assert!(answer.starts_with('-') && !answer.contains("id="), "{line}: {answer}");
    }
}

fn who_has_not_authenticated_sends_little<D: Make>() {
    for (bytes, error) in [
        (&b"*11\r\n"[..], "-ERR Protocol error: unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length"),
    ] {
        let (mut w, c) = World::<D>::one("--requirepass secret");
        w.say(c, bytes);
        w.run();
        assert_eq!(w.heard(c), error);
        assert!(w.closed(c));
        assert_eq!(w.count(0, |e| matches!(e, What::Client(client::Event::ProtocolError { .. }))), 1);
    }
}

fn protected_mode_refuses_other_machines<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let far = w.client_from(0, "10.0.0.9:5000");
    assert!(w.heard(far).starts_with("-DENIED Redis is running in protected mode") && w.closed(far));
    w.ask(c, "CONFIG SET protected-mode no");
    let far = w.client_from(0, "10.0.0.9:5000");
    assert_eq!(w.ask(far, "PING"), "PONG");
    w.ask(c, "CONFIG SET protected-mode yes requirepass x");
    let far = w.client_from(0, "10.0.0.9:5000");
    assert_eq!(w.ask(far, "PING"), "-NOAUTH Authentication required.");
}

fn maxclients_refuses_one_more_and_only_that<D: Make>() {
    let (mut w, c) = World::<D>::one("--maxclients 2");
    let second = w.client(0);
    let third = w.client(0);
    assert_eq!(w.heard(third), "-ERR max number of clients reached");
    assert!(w.closed(third));
    w.hang_up(second);
    let fourth = w.client(0);
    assert_eq!(w.ask(fourth, "PING"), "PONG");
    assert_eq!(w.ask(c, "PING"), "PONG");
    assert_eq!(w.count(0, |e| matches!(e, What::Client(client::Event::Refused { .. }))), 1);
}

fn timeout_closes_the_idle<D: Make>() {
    let (mut w, c) = World::<D>::one("--timeout 10");
    let (busy, listener) = (w.client(0), w.client(0));
    w.ask(listener, "SUBSCRIBE x");
    w.advance(6_000);
    w.ask(busy, "PING");
    w.advance(5_000);
    assert!(w.closed(c) && !w.closed(busy) && !w.closed(listener));
    w.advance(10_000);
    assert!(w.closed(busy) && !w.closed(listener));
    let mut w = World::<D>::one("").0;
    let c = w.client(0);
    w.advance(10_000);
    w.ask(c, "CONFIG SET timeout 5");
    w.advance(5_100);
    assert!(w.closed(c), "set while it runs");
}

fn a_pubsub_client_over_its_output_limit_is_closed<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET client-output-buffer-limit \"pubsub 10000 0 0\"\r\n");
    w.run();
    let (slow, fast) = (w.client(0), w.client(0));
    w.ask(slow, "SUBSCRIBE x");
    w.ask(fast, "SUBSCRIBE x");
    w.window(slow, 0);
    let message = "m".repeat(1000);
    for _ in 0..20 {
        w.ask(c, &format!("PUBLISH x {message}"));
    }
    assert!(w.closed(slow) && !w.closed(fast));
    assert_eq!(w.count(0, |e| matches!(e, What::Client(client::Event::OutputLimit { .. }))), 1);
    assert_eq!(w.values(fast).len(), 20);
}

fn a_soft_output_limit_closes_after_its_seconds<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET client-output-buffer-limit \"pubsub 0 500 10\"\r\n");
    w.run();
    let (slow, back) = (w.client(0), w.client(0));
    for who in [slow, back] {
        w.ask(who, "SUBSCRIBE x");
        w.window(who, 0);
    }
    w.ask(c, &format!("PUBLISH x {}", "m".repeat(1000)));
    w.advance(5_000);
    w.window(back, usize::MAX);
    w.advance(4_900);
    assert!(!w.closed(slow));
    w.advance(200);
    assert!(w.closed(slow) && !w.closed(back));
}

fn a_client_that_waits_holds_no_more_than_the_query_buffer<D: Make>() {
    let (mut w, c) = World::<D>::one("--client-query-buffer-limit 1048576");
    let admin = w.client(0);
    w.ask(admin, "CLIENT PAUSE 10000 ALL");
    w.send(c, "PING");
    let mut line = b"SET a ".to_vec();
    line.resize(2 << 20, b'x');
    w.say(c, &line);
    w.chop = 1 << 22;
    w.run();
    assert!(w.closed(c));
    assert_eq!(w.count(0, |e| matches!(e, What::Client(client::Event::QueryLimit { .. }))), 1);
    assert_eq!(w.ask(admin, "CLIENT UNPAUSE\nPING"), "OK | PONG");
}

fn a_reply_goes_out_before_the_end_of_who_has_hung_up<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "SET a 1\nQUIT\nSET a 2"), "OK | OK");
    assert!(w.closed(c));
    let c = w.client(0);
    assert_eq!(w.ask(c, "GET a"), "1", "nothing runs behind QUIT");
    // One that takes nothing is not waited for without end.
    w.window(c, 0);
    w.send(c, "QUIT");
    w.run();
    w.advance(60_000);
    assert!(w.closed(c));
}

fn slowlog_keeps_what_was_slow<D: Make>() {
    let (mut w, c) = World::<D>::slow("--slowlog-log-slower-than 50 --slowlog-max-len 2", 60);
    w.ask(c, "SET a 1\nGET a\nSET b 2");
    assert_eq!(w.ask(c, "SLOWLOG LEN"), "2");
    let text = w.ask(c, "SLOWLOG GET");
    assert!(text.contains("[SLOWLOG, LEN]") || text.contains("[SET, b, 2]"), "{text}");
    assert_eq!(w.ask(c, "CONFIG SET slowlog-log-slower-than -1\nSLOWLOG RESET\nGET a\nSLOWLOG LEN"), "OK | OK | 1 | 0");
}

fn reset_brings_a_connection_back_to_its_beginning<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let other = w.client(0);
    w.ask(c, "SET a 1\nSELECT 2\nCLIENT SETNAME me\nWATCH a\nMULTI\nSET b 1");
    assert_eq!(w.ask(c, "RESET\nEXEC\nCLIENT GETNAME\nGET a"), "RESET | -ERR EXEC without MULTI | (nil) | 1");
    w.ask(c, "SUBSCRIBE x\nRESET");
    assert_eq!(w.ask(other, "PUBLISH x y"), "0");
    w.ask(c, "MONITOR\nRESET");
    w.ask(other, "PING");
    assert_eq!(w.heard(c), "");
}
