//! Snapshots to the disk, and the end of a node.

use crate::support::host::{Make, World};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Made, Work, Workers};
use primacy_core::node::What;

over_both! {
    save_answers_when_the_file_is_there
    bgsave_answers_at_once_and_only_one_runs
    bgsave_schedule_waits_for_the_one_under_way
    a_snapshot_shows_the_moment_it_began
    a_save_rule_saves_after_enough_changes
    a_failing_disk_stops_writes_and_ping
    a_restart_finds_the_dataset_of_the_file
    a_truncated_file_ends_the_start_and_stays_as_it_is
    a_damaged_file_ends_the_start_and_stays_as_it_is
    keys_that_expired_are_left_out_at_the_start_of_a_master
    shutdown_saves_by_the_rules
    shutdown_nosave_and_save_are_obeyed
    shutdown_fails_with_the_disk_and_the_server_goes_on
    a_second_signal_ends_at_once
    shutdown_waits_for_replicas_and_abort_ends_the_wait
    two_shutdowns_end_in_one
    a_shutdown_ends_a_snapshot_under_way
    debug_reload_keeps_everything
    a_load_by_two_is_the_same
    debug_reload_loses_nothing_that_is_written_meanwhile
    debug_reload_of_a_damaged_file_is_mended_by_the_master
}

fn keys<D: Make>(w: &mut World<D>, n: usize) {
    let c = w.client(0);
    let lines: Vec<String> = (0..n).map(|i| format!("SET key:{i} {}", "v".repeat(i % 50))).collect();
    w.ask(c, &lines.join("\n"));
    w.ask(c, "SELECT 3\nSET other 1\nEXPIRE other 1000");
    w.hang_up(c);
}

fn save_answers_when_the_file_is_there<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    keys(&mut w, 1000);
    w.hosts[0].disk_slow = true;
    assert_eq!(w.ask(c, "SAVE\nGET key:1"), "", "its further commands wait");
    let other = w.client(0);
    assert_eq!(w.ask(other, "GET key:1\nSAVE"), "v | -ERR Background save already in progress");
    w.hosts[0].disk_slow = false;
    assert_eq!(w.ask(c, "PING"), "OK | v | PONG");
    assert!(w.hosts[0].files.contains_key("dump.rdb") && w.hosts[0].files.len() == 1);
}

fn bgsave_answers_at_once_and_only_one_runs<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    keys(&mut w, 10);
    w.hosts[0].disk_slow = true;
    assert_eq!(w.ask(c, "BGSAVE\nBGSAVE"), "Background saving started | -ERR Background save already in progress");
    assert_eq!(w.info(0, "rdb_bgsave_in_progress"), "1");
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!(w.info(0, "rdb_bgsave_in_progress"), "0");
    assert_eq!(w.info(0, "rdb_changes_since_last_save"), "0");
}

fn bgsave_schedule_waits_for_the_one_under_way<D: Make>() {
    let mut w = World::<D>::new(3);
    w.add("--repl-diskless-sync no");
    w.add("--replicaof 127.0.0.1_7000");
    w.hosts[0].disk_slow = false;
    w.run();
    let c = w.client(0);
    w.hosts[0].disk_slow = true;
    w.ask(c, "SET a 1");
    w.restart(1);
    w.advance(500);
    w.ask(c, "CLIENT KILL TYPE replica\nDEBUG CHANGE-REPL-ID");
    w.advance(3000);
    let answer = w.ask(c, "BGSAVE");
    assert!(answer.starts_with("-ERR Background save already in progress"), "{answer}");
    assert_eq!(w.ask(c, "BGSAVE SCHEDULE"), "Background saving scheduled");
    assert!(!w.hosts[0].files.contains_key("dump.rdb"));
    w.hosts[0].disk_slow = false;
    w.advance(1000);
    assert!(w.hosts[0].files.contains_key("dump.rdb"), "{}", w.log(0));
    assert_eq!(w.digest(0), w.digest(1));
}

fn a_snapshot_shows_the_moment_it_began<D: Make>() {
    for seed in 0..20 {
        let mut w = World::<D>::new(seed);
        w.add("");
        w.run();
        keys(&mut w, 3000);
        let c = w.client(0);
        let then = w.digest(0);
        w.send(c, "BGSAVE\nFLUSHALL\nSET new 1\nSET key:5 changed\nSWAPDB 0 3");
        w.run();
        assert_ne!(w.digest(0), then);
        w.restart(0);
        assert_eq!(w.digest(0), then, "seed {seed}");
    }
}

fn a_save_rule_saves_after_enough_changes<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET save \"60 10\"\r\n");
    w.run();
    let sets = |n: usize| vec!["INCR a"; n].join("\n");
    w.ask(c, &sets(9));
    w.advance(120_000);
    assert!(w.hosts[0].files.is_empty());
    w.ask(c, &sets(1));
    w.advance(1_500);
    assert_eq!(w.count(0, |e| matches!(e, What::SaveStarted { rule: Some((10, 60)) })), 1, "{}", w.log(0));
    assert_eq!(w.count(0, |e| matches!(e, What::Saved)), 1);
    w.ask(c, &sets(10));
    w.advance(50_000);
    assert_eq!(w.count(0, |e| matches!(e, What::Saved)), 1, "not before its time");
    w.advance(11_000);
    assert_eq!(w.count(0, |e| matches!(e, What::Saved)), 2);
}

fn a_failing_disk_stops_writes_and_ping<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET save \"5 1\"\r\n");
    w.run();
    w.ask(c, "SET a 1");
    w.hosts[0].disk_full = true;
    w.advance(6_000);
    assert!(w.count(0, |e| matches!(e, What::SaveFailed { .. })) >= 1);
    for refused in ["SET a 2", "PING", "FLUSHALL"] {
        let answer = w.ask(c, refused);
        assert!(answer.starts_with("-MISCONF Redis is configured to save RDB snapshots"), "{refused}: {answer}");
    }
    assert_eq!(w.ask(c, "GET a\nECHO x"), "1 | x");
    assert!(w.hosts[0].files.keys().all(|f| !f.starts_with("temp-")), "nothing is left behind");
    w.hosts[0].disk_full = false;
    w.advance(6_000);
    assert_eq!(w.ask(c, "SET a 2\nPING"), "OK | PONG", "{}", w.log(0));
    w.hosts[0].disk_full = true;
    assert!(w.ask(c, "SAVE").starts_with("-ERR"));
    w.ask(c, "CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(w.ask(c, "SET a 3"), "OK");
}

fn a_restart_finds_the_dataset_of_the_file<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    keys(&mut w, 2000);
    let digest = w.digest(0);
    assert_eq!(w.ask(c, "SAVE"), "OK");
    w.ask(c, "SET late 1");
    w.restart(0);
    assert_eq!(w.digest(0), digest);
    assert_eq!(w.count(0, |e| matches!(e, What::Loaded { keys: 1961, expired: 0, .. })), 1, "{}", w.log(0));
    assert_eq!(w.info(0, "rdb_changes_since_last_save"), "0");
}

fn damaged<D: Make>(damage: impl Fn(&mut Vec<u8>)) {
    let (mut w, c) = World::<D>::one("--rdbcompression no");
    keys(&mut w, 300);
    w.ask(c, "SAVE");
    damage(w.hosts[0].files.get_mut("dump.rdb").unwrap());
    let file = w.hosts[0].files.clone();
    w.restart(0);
    assert_eq!(w.hosts[0].exit, Some(1));
    assert_eq!(w.count(0, |e| matches!(e, What::LoadFailed { .. })), 1);
    assert_eq!(w.hosts[0].files, file);
}

fn a_truncated_file_ends_the_start_and_stays_as_it_is<D: Make>() {
    for cut in [0, 1, 5, 9, 100, 1000] {
        damaged::<D>(|f| f.truncate(cut));
    }
    damaged::<D>(|f| f.truncate(f.len() - 1));
}

fn a_damaged_file_ends_the_start_and_stays_as_it_is<D: Make>() {
    for at in [0, 7, 500, 2000] {
        damaged::<D>(|f| f[at] ^= 0x55);
    }
}

fn keys_that_expired_are_left_out_at_the_start_of_a_master<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "SET a 1\nSET b 1\nEXPIRE b 10\nSAVE");
    w.kill(0);
    w.freeze(20_000);
    w.restart(0);
    assert_eq!(w.count(0, |e| matches!(e, What::Loaded { keys: 1, expired: 1, .. })), 1);
}

fn shutdown_saves_by_the_rules<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "SET a 1\nSHUTDOWN");
    assert_eq!((w.hosts[0].exit, w.hosts[0].files.len()), (Some(0), 0));
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET save \"3600 1\"\r\n");
    w.ask(c, "SET a 1");
    w.signal(0);
    assert_eq!((w.hosts[0].exit, w.hosts[0].files.len()), (Some(0), 1));
    w.restart(0);
    let c = w.client(0);
    assert_eq!(w.ask(c, "GET a"), "1");
}

fn shutdown_nosave_and_save_are_obeyed<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "SHUTDOWN SAVE LATER"), "-ERR syntax error");
    w.ask(c, "SET a 1\nSHUTDOWN SAVE");
    assert_eq!((w.hosts[0].exit, w.hosts[0].files.len()), (Some(0), 1));
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET save \"3600 1\"\r\n");
    w.ask(c, "SET a 1\nSHUTDOWN NOSAVE");
    assert_eq!((w.hosts[0].exit, w.hosts[0].files.len()), (Some(0), 0));
}

fn shutdown_fails_with_the_disk_and_the_server_goes_on<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.hosts[0].disk_full = true;
    w.ask(c, "CONFIG SET stop-writes-on-bgsave-error no\nSET a 1");
    assert_eq!(w.ask(c, "SHUTDOWN SAVE\nSET a 2\nGET a"), "-ERR Errors trying to SHUTDOWN. Check logs. | OK | 2");
    assert_eq!(w.hosts[0].exit, None);
    w.ask(c, "SHUTDOWN SAVE FORCE");
    assert_eq!(w.hosts[0].exit, Some(0));
}

fn a_second_signal_ends_at_once<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.say(c, b"CONFIG SET save \"3600 1\"\r\n");
    w.ask(c, "SET a 1");
    w.hosts[0].disk_slow = true;
    w.signal(0);
    assert_eq!(w.hosts[0].exit, None);
    w.signal(0);
    assert_eq!(w.hosts[0].exit, Some(1));
}

fn lagging<D: Make>() -> (World<D>, crate::support::host::Who, crate::support::host::Who) {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    // The replica's host stands still: nothing that it is sent is acknowledged.
    let (c, other) = (w.client(0), w.client(0));
    w.hosts[1].exit = Some(-1);
    w.ask(c, "SET a 1");
    (w, c, other)
}

fn shutdown_waits_for_replicas_and_abort_ends_the_wait<D: Make>() {
    let (mut w, c, other) = lagging::<D>();
    assert_eq!(w.ask(c, "SHUTDOWN"), "");
    assert_eq!(w.ask(other, "GET a\nSHUTDOWN ABORT"), "1 | OK");
    assert_eq!(w.heard(c), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(w.ask(other, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
    w.ask(c, "SHUTDOWN");
    assert_eq!(w.ask(other, "SET held 1"), "", "no write is taken that a replica may not get");
    w.advance(9_900);
    assert_eq!(w.hosts[0].exit, None);
    w.advance(200);
    assert_eq!(w.hosts[0].exit, Some(0));
    assert_eq!(w.count(0, |e| matches!(e, What::LaggingReplica { .. })), 1);
    // One that has everything is not waited for.
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    let c = w.client(0);
    w.ask(c, "SET a 1\nSHUTDOWN");
    assert_eq!(w.hosts[0].exit, Some(0), "{}", w.log(0));
    assert_eq!(w.count(0, |e| matches!(e, What::ShutdownSync { synced: 1, all: 1 })), 1);
}

fn two_shutdowns_end_in_one<D: Make>() {
    let (mut w, c, other) = lagging::<D>();
    let third = w.client(0);
    w.ask(c, "SHUTDOWN");
    w.ask(other, "SHUTDOWN");
    assert_eq!(w.ask(third, "SHUTDOWN ABORT"), "OK");
    let failed = "-ERR Errors trying to SHUTDOWN. Check logs.";
    assert_eq!((w.heard(c), w.heard(other)), (failed.to_string(), failed.to_string()), "both are answered");
    // One that writes its file is not disturbed by another.
    let (mut w, c) = World::<D>::one("");
    let other = w.client(0);
    w.ask(c, "SET a 1");
    w.hosts[0].disk_slow = true;
    w.ask(c, "SHUTDOWN SAVE");
    w.ask(other, "SHUTDOWN SAVE");
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!((w.hosts[0].exit, w.hosts[0].files.len()), (Some(0), 1), "{}", w.log(0));
}

fn a_shutdown_ends_a_snapshot_under_way<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    keys(&mut w, 100);
    w.hosts[0].disk_slow = true;
    w.ask(c, "BGSAVE\nSET a 1\nSHUTDOWN SAVE");
    assert_eq!(w.hosts[0].exit, None);
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!(w.hosts[0].exit, Some(0), "{}", w.log(0));
    assert_eq!(w.hosts[0].files.keys().collect::<Vec<_>>(), ["dump.rdb"]);
    w.restart(0);
    let c = w.client(0);
    assert_eq!(w.ask(c, "GET a"), "1");
}

fn debug_reload_keeps_everything<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    keys(&mut w, 500);
    let digest = w.digest(0);
    assert_eq!(w.ask(c, "DEBUG RELOAD\nPING"), "OK | PONG");
    assert_eq!(w.digest(0), digest);
}

#[test]
fn debug_populate_makes_what_is_not_there() {
    let mut w = World::<Keyspace>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    let (c, r) = (w.client(0), w.client(1));
    assert_eq!(
        w.ask(c, "SET key:1 mine\nDEBUG POPULATE 3\nGET key:0\nGET key:1\nDBSIZE"),
        "OK | OK | value:0 | mine | 3"
    );
    assert_eq!(
        w.ask(c, "DEBUG POPULATE 2 a 4\nGET a:1\nSELECT 3\nDEBUG POPULATE 1 b\nDBSIZE"),
        "OK | valu | OK | OK | 1"
    );
    assert_eq!(w.ask(c, "DEBUG POPULATE -1"), "-ERR value is out of range, must be positive");
    assert!(w.ask(r, "DEBUG POPULATE 1").starts_with("-READONLY"));
    w.advance(1_000);
    assert_eq!(w.digest(1), w.digest(0), "replicas have the same");
}

/// Two workers, of whom the one in front begins first or last.
struct InTurn {
    far_first: bool,
}

impl Workers for InTurn {
    fn several(&self) -> bool {
        true
    }

    fn both(&mut self, here: &mut dyn FnMut(), there: Work) -> Option<Made> {
        if self.far_first {
            let made = there();
            here();
            Some(made)
        } else {
            here();
            Some(there())
        }
    }
}

fn a_load_by_two_is_the_same<D: Make>() {
    let (mut w, c) = World::<D>::one("--databases 4");
    // Enough for several reads, each of which is split; values on both sides of every border.
    let lines: Vec<String> =
        (0..20_000).map(|i| format!("SELECT {}\nSET key:{i} {}", i / 5_000, format!("{i}-").repeat(i % 40))).collect();
    w.ask(c, &lines.join("\n"));
    w.ask(c, "SET gone 1 PX 1000");
    for i in 0..200 {
        w.ask(c, &format!("SET long:{i} {}", "v".repeat(3_000 * (i % 30))));
        w.ask(c, &format!("EXPIRE long:{i} 10{i}"));
    }
    let (digest, keys) = (w.digest(0), w.ask(c, "DBSIZE"));
    for far_first in [false, true] {
        w.hosts[0].node.set_workers(Box::new(InTurn { far_first }));
        assert_eq!(w.ask(c, "DEBUG RELOAD\nDBSIZE"), format!("OK | {keys}"));
        assert_eq!(w.digest(0), digest);
        // A file that ends early, or in which a byte is wrong, is refused by two as by one.
        let file = w.hosts[0].files.get("dump.rdb").expect("the file").clone();
        for cut in [file.len() - 1, file.len() / 2, file.len() / 5] {
            let mut results = Vec::new();
            for two in [false, true] {
                w.hosts[0].files.insert("dump.rdb".into(), file[..cut].to_vec());
                if two {
                    w.hosts[0].node.set_workers(Box::new(InTurn { far_first }));
                } else {
                    w.hosts[0].node.set_workers(Box::new(primacy_core::machine::NoWorkers));
                }
                results.push(w.ask(c, "DEBUG RELOAD NOSAVE"));
            }
            assert!(results[0].starts_with("-ERR Error trying to load"), "{results:?}");
            assert_eq!(results[0], results[1]);
        }
        w.hosts[0].files.insert("dump.rdb".into(), file);
        assert_eq!(w.ask(c, "DEBUG RELOAD NOSAVE\nDBSIZE"), format!("OK | {keys}"));
    }
}

fn debug_reload_loses_nothing_that_is_written_meanwhile<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000"]);
    for node in [0, 1] {
        keys(&mut w, 100);
        let (c, writer) = (w.client(node), w.client(0));
        w.hosts[node].disk_slow = true;
        assert_eq!(w.ask(c, "DEBUG RELOAD"), "");
        w.send(writer, "INCR n\nGET n");
        w.advance(2_000);
        w.hosts[node].disk_slow = false;
        w.advance(2_000);
        assert_eq!(w.heard(c), "OK");
        assert_eq!(w.heard(writer), format!("{0} | {0}", node + 1));
        assert_eq!(w.digest(1), w.digest(0), "node {node}: {}", w.log(1));
        assert_eq!(w.hosts[1].node.position(), w.hosts[0].node.position());
    }
}

fn debug_reload_of_a_damaged_file_is_mended_by_the_master<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000", "--replicaof 127.0.0.1_7001"]);
    keys(&mut w, 100);
    let c = w.client(1);
    w.hosts[1].files.insert("dump.rdb".into(), b"REDIS0011nonsense".to_vec());
    assert!(w.ask(c, "DEBUG RELOAD NOSAVE").starts_with("-ERR Error trying to load the RDB dump"));
    w.advance(5_000);
    for i in [1, 2] {
        assert_eq!(w.digest(i), w.digest(0), "node {i}: {}", w.log(i));
        assert_eq!(w.hosts[i].node.position(), w.hosts[0].node.position());
    }
}
