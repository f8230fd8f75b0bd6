//! MULTI, EXEC, DISCARD, WATCH, and what replicas see of them.

use crate::support::host::{Make, World};

over_both! {
    exec_runs_what_was_queued_and_discard_forgets_it
    exec_fails_after_a_watched_key_was_touched
    exec_fails_after_a_watched_key_expired
    a_command_that_cannot_be_queued_aborts_exec
    what_is_refused_now_is_refused_by_exec
    only_more_than_one_step_is_wrapped_for_replicas
    select_is_put_before_a_write_to_another_database
    a_change_of_role_inside_a_transaction_keeps_the_stream_whole
    what_answers_later_is_not_for_transactions
    what_a_sentinel_says_within_a_transaction_is_done
}

fn exec_runs_what_was_queued_and_discard_forgets_it<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "MULTI\nSET a 1\nINCR a\nGET a\nEXEC"), "OK | QUEUED | QUEUED | QUEUED | [OK, 2, 2]");
    assert_eq!(w.ask(c, "MULTI\nSET a 9\nDISCARD\nGET a"), "OK | QUEUED | OK | 2");
    assert_eq!(w.ask(c, "EXEC"), "-ERR EXEC without MULTI");
    assert_eq!(w.ask(c, "DISCARD"), "-ERR DISCARD without MULTI");
    assert_eq!(w.ask(c, "MULTI\nMULTI\nEXEC"), "OK | -ERR MULTI calls can not be nested | []");
    assert_eq!(w.ask(c, "SET t x\nMULTI\nINCR t\nSET b 1\nEXEC\nGET b").split(" | ").last(), Some("1"));
}

fn exec_fails_after_a_watched_key_was_touched<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let other = w.client(0);
    let exec = |w: &mut World<D>| w.ask(c, "MULTI\nSET x y\nEXEC");
    for touch in ["SET k 1", "INCR k", "EXPIRE k 100", "FLUSHALL", "SET k 1\nFLUSHDB", "SET k 1\nDEL k", "SWAPDB 0 1"] {
        w.ask(c, "SET k 1\nWATCH k");
        w.ask(other, touch);
        assert_eq!(exec(&mut w), "OK | QUEUED | (nil)", "{touch}");
    }
    for quiet in ["GET k", "SET other 1", "SELECT 1\nSET k 1\nSELECT 0", "PING"] {
        w.ask(c, "SET k 1\nWATCH k");
        w.ask(other, quiet);
        assert_eq!(exec(&mut w), "OK | QUEUED | [OK]", "{quiet}");
    }
    w.ask(c, "WATCH k\nSET k 2");
    assert_eq!(exec(&mut w), "OK | QUEUED | (nil)", "one's own write counts");
    for undo in ["UNWATCH", "MULTI\nDISCARD", "MULTI\nEXEC"] {
        w.ask(c, "WATCH k");
        w.ask(c, undo);
        w.ask(other, "SET k 3");
        assert_eq!(exec(&mut w), "OK | QUEUED | [OK]", "{undo}");
    }
    assert_eq!(w.ask(c, "MULTI\nWATCH k\nDISCARD"), "OK | -ERR WATCH inside MULTI is not allowed | OK");
}

fn exec_fails_after_a_watched_key_expired<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "SET k 1\nPEXPIRE k 50\nWATCH k");
    w.advance(100);
    assert_eq!(w.ask(c, "MULTI\nPING\nEXEC"), "OK | QUEUED | (nil)");
}

fn a_command_that_cannot_be_queued_aborts_exec<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    for (bad, error) in [
        ("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: "),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("SAVE", "-ERR Command not allowed inside a transaction"),
        ("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."),
    ] {
        let answer = w.ask(c, &format!("MULTI\nSET a 1\n{bad}\nEXEC\nGET a"));
        let abort = "-EXECABORT Transaction discarded because of previous errors.";
        assert_eq!(answer, format!("OK | QUEUED | {error} | {abort} | (nil)"));
    }
    // A command that fails while it runs leaves the others alone.
    let answer = w.ask(c, "SET s x\nMULTI\nINCR s\nSET a 2\nEXEC");
    assert!(answer.ends_with("[-ERR value is not an integer or out of range, OK]"), "{answer}");
}

fn what_is_refused_now_is_refused_by_exec<D: Make>() {
    let mut w = World::<D>::new(2);
    w.add("--min-replicas-max-lag 10");
    w.add("");
    w.run();
    let (c, admin) = (w.client(0), w.client(0));
    // Too few replicas since it was queued.
    w.ask(c, "MULTI\nSET a 1");
    w.ask(admin, "CONFIG SET min-replicas-to-write 1");
    let want = "-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.";
    assert_eq!(w.ask(c, "EXEC\nGET a"), format!("{want} | (nil)"));
    w.ask(admin, "CONFIG SET min-replicas-to-write 0");
    // A disk that fails since it was queued.
    w.ask(c, "MULTI\nSET a 1");
    w.hosts[0].disk_full = true;
    w.say(admin, b"CONFIG SET save \"3600 1\"\r\nBGSAVE\r\n");
    w.run();
    assert!(w.ask(c, "EXEC").starts_with("-EXECABORT Transaction discarded because of: MISCONF"), "disk");
    w.ask(admin, "CONFIG SET stop-writes-on-bgsave-error no");
    // A replica by now.
    w.ask(c, "MULTI\nSET a 1");
    w.ask(admin, "REPLICAOF 127.0.0.1 7001");
    assert!(w.ask(c, "EXEC").starts_with("-EXECABORT Transaction discarded because of: READONLY"));
    // A link that is down and nothing stale to be served.
    w.advance(2000);
    assert_eq!(w.ask(c, "MULTI\nGET a"), "OK | QUEUED");
    w.hosts[1].unreachable = true;
    w.cut(0, 1);
    w.ask(admin, "CONFIG SET replica-serve-stale-data no");
    assert!(w.ask(c, "EXEC").starts_with("-EXECABORT Transaction discarded because of: MASTERDOWN"));
}

/// The stream that a raw replica of node 0 is sent behind its snapshot.
fn stream_of<D: Make>(w: &mut World<D>, commands: &str) -> String {
    let r = w.client(0);
    w.send(r, "REPLCONF listening-port 1\nREPLCONF capa eof\nREPLCONF capa psync2");
    w.run();
    w.raw(r);
    w.send(r, "PSYNC ? -1");
    w.advance(100);
    w.send(r, "REPLCONF ACK 0");
    w.run();
    w.raw(r);
    let c = w.client(0);
    w.ask(c, commands);
    let text = String::from_utf8(w.raw(r)).unwrap();
    let words: Vec<&str> = text.split("\r\n").filter(|l| !l.starts_with(['*', '$']) && !l.is_empty()).collect();
    words.join(" ")
}

fn only_more_than_one_step_is_wrapped_for_replicas<D: Make>() {
    let (mut w, _) = World::<D>::one("");
    assert_eq!(stream_of(&mut w, "MULTI\nSET a 1\nEXEC"), "SELECT 0 SET a 1");
    let mut w = World::<D>::one("").0;
    let both = stream_of(&mut w, "MULTI\nSET a 1\nGET a\nINCR a\nEXEC");
    assert!(both == "MULTI SELECT 0 SET a 1 INCR a EXEC" || both == "SELECT 0 MULTI SET a 1 INCR a EXEC", "{both}");
    let mut w = World::<D>::one("").0;
    assert_eq!(stream_of(&mut w, "MULTI\nGET a\nDEL nothing\nEXEC"), "");
    let mut w = World::<D>::one("").0;
    assert_eq!(stream_of(&mut w, "MULTI\nSET a 1\nDISCARD\nSET b 1"), "SELECT 0 SET b 1");
}

fn select_is_put_before_a_write_to_another_database<D: Make>() {
    let (mut w, _) = World::<D>::one("");
    let got = stream_of(&mut w, "SET a 1\nSET b 2\nSELECT 3\nGET a\nSET c 3\nSELECT 0\nPUBLISH x y\nSET d 4");
    assert_eq!(got, "SELECT 0 SET a 1 SET b 2 SELECT 3 SET c 3 PUBLISH x y SELECT 0 SET d 4");
}

fn a_change_of_role_inside_a_transaction_keeps_the_stream_whole<D: Make>() {
    let mut w = World::<D>::family(5, &["", "--replicaof 127.0.0.1_7000"]);
    let (c, r) = (w.client(0), w.client(1));
    w.ask(c, "SET b 1");
    assert_eq!(w.ask(r, "REPLICAOF NO ONE\nGET b"), "OK | 1");
    // The new master shares the history up to here, and has never heard of what the transaction wrote before.
    let answer = w.ask(c, "MULTI\nSET a 1\nINCR a\nREPLICAOF 127.0.0.1 7001\nEXEC");
    assert_eq!(answer, "OK | QUEUED | QUEUED | QUEUED | [OK, 2, OK]");
    w.advance(5000);
    w.ask(r, "SET c 1");
    assert_eq!(w.ask(c, "GET a\nGET c"), "(nil) | 1", "{}", w.log(0));
    assert_eq!(w.hosts[0].node.position(), w.hosts[1].node.position());
}

fn what_answers_later_is_not_for_transactions<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let answer = w.ask(c, "MULTI\nDEBUG RELOAD\nPING\nEXEC");
    assert!(answer.contains("-ERR Command not allowed inside a transaction"), "{answer}");
}

fn what_a_sentinel_says_within_a_transaction_is_done<D: Make>() {
    let mut w = World::<D>::family(5, &["", "--replicaof 127.0.0.1_7000"]);
    let r = w.client(1);
    w.hosts[1].files.insert("redis.conf".into(), b"replicaof 127.0.0.1 7000\n".into());
    let answer =
        w.ask(r, "MULTI\nSLAVEOF NO ONE\nCONFIG REWRITE\nCLIENT KILL TYPE normal\nCLIENT KILL TYPE pubsub\nEXEC\nROLE");
    assert!(answer.starts_with("OK | QUEUED | QUEUED | QUEUED | QUEUED | [OK, OK, "), "{answer}");
    assert!(answer.contains("[master, "), "{answer}");
    w.advance(100);
    assert!(w.log(1).contains("CONFIG REWRITE"), "{}", w.log(1));
    // It comes back as what it was made, not as the replica that it was started as.
    let masters = |w: &World<D>| {
        let text = String::from_utf8_lossy(&w.hosts[1].files["redis.conf"]).into_owned();
        text.lines().filter(|l| l.starts_with("replicaof")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(masters(&w).is_empty(), "{:?}", masters(&w));
    let r = w.client(1);
    assert_eq!(w.ask(r, "CONFIG GET replicaof"), "[replicaof, ]");
    assert_eq!(w.ask(r, "SLAVEOF 127.0.0.1 7000\nCONFIG GET replicaof"), "OK | [replicaof, 127.0.0.1 7000]");
    assert_eq!(w.ask(r, "CONFIG REWRITE"), "OK");
    assert_eq!(masters(&w), ["replicaof 127.0.0.1 7000"]);
}
