//! A master, its replicas, and theirs.

use quickcheck::QuickCheck;

use crate::support::host::{Make, Who, World};
use primacy_core::keyspace::Keyspace;
use primacy_core::node::{Call, What};

use crate::support::store::Store;

pub(crate) const REPLICA: &str = "--replicaof 127.0.0.1_7000";
pub(crate) const CHAINED: &str = "--replicaof 127.0.0.1_7001";

over_both! {
    a_family_agrees
    a_cut_is_followed_by_a_partial_resync
    a_link_comes_from_bind_source_addr
    a_replica_is_read_only_and_says_where_it_is
    masterdown_without_stale_data
    wait_is_answered_by_acknowledgements
    wait_counts_who_has_the_write
    wait_is_answered_when_its_time_is_over
    wait_is_answered_by_a_change_of_role
    wait_in_a_transaction_is_answered_at_once
    waitaof_tells_what_replicas_have_on_their_disks
    min_replicas_to_write_counts_good_replicas
    a_full_replica_loads_from_a_file
    a_full_replica_loads_beside_with_swapdb
    a_replica_that_loads_answers_loading
    exec_does_not_run_over_a_dataset_that_is_loading
    replicaof_at_run_time_takes_the_masters_data
    a_promoted_replica_goes_on_with_the_others_partially
    a_restarted_replica_resumes_partially
    a_restarted_master_keeps_its_history_as_the_second
    the_hosts_follow_waits_for_the_own_file
    a_snapshot_is_of_its_beginning_while_writes_go_on
    a_key_expires_on_the_masters_word
    swapdb_and_flushall_reach_replicas
    a_replica_is_closed_once
    a_load_that_is_broken_off_is_the_end_of_the_old_history
    a_replicas_failing_disk_keeps_its_dataset
    a_masters_failing_disk_delays_a_snapshot_by_file
    one_that_comes_while_a_snapshot_is_given_up_gets_its_own
    info_promises_no_command_that_there_is_not
}

/// Everybody has the same data and stands at the same place.
pub(crate) fn assert_agree<D: Make>(w: &mut World<D>) {
    let (first, at) = (w.digest(0), w.hosts[0].node.position());
    for i in 1..w.hosts.len() {
        assert_eq!(w.hosts[i].node.position(), at, "node {i}:\n{}", w.log(i));
        assert_eq!(w.digest(i), first, "node {i}:\n{}", w.log(i));
    }
}

pub(crate) fn fill<D: Make>(w: &mut World<D>, node: usize, n: usize) -> Who {
    let c = w.client(node);
    let lines: Vec<String> = (0..n).map(|i| format!("SET key:{i} v{}", "x".repeat(i % 200))).collect();
    w.ask(c, &lines.join("\n"));
    c
}

pub(crate) fn full<D: Make>(w: &World<D>, i: usize) -> usize {
    w.count(i, |e| matches!(e, What::SnapshotLoaded { .. }))
}

fn a_family_agrees<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, CHAINED, REPLICA]);
    let c = fill(&mut w, 0, 500);
    w.ask(c, "MULTI\nSELECT 2\nSET a 1\nINCR a\nEXEC\nEXPIRE a 100\nSELECT 0\nDEL key:3 key:4");
    w.advance(2000);
    assert_agree(&mut w);
    assert_eq!(w.info(0, "connected_slaves"), "2");
    assert!((1..4).all(|i| full(&w, i) == 1));
}

fn a_cut_is_followed_by_a_partial_resync<D: Make>() {
    for chop in [5, 1 << 16] {
        let mut w = World::<D>::family(1, &["", REPLICA, CHAINED]);
        w.chop = chop;
        let c = fill(&mut w, 0, 5);
        for i in 0..5 {
            w.send(c, &format!("SELECT {i}\nSET a {i}\nMULTI\nINCR a\nINCR b\nEXEC"));
            w.steps(40);
            w.cut(0, 1);
            w.steps(40);
            w.cut(1, 2);
            w.advance(3000);
        }
        assert_agree(&mut w);
        assert!((1..3).all(|i| full(&w, i) == 1), "{}", w.log(1));
    }
}

fn a_link_comes_from_bind_source_addr<D: Make>() {
    let mut w = World::<D>::family(1, &["--protected-mode no", &format!("{REPLICA} --bind-source-addr 127.0.0.2")]);
    let (c, r) = (w.client(0), w.client(1));
    assert!(w.info(0, "slave0").starts_with("ip=127.0.0.2,port=7001,"));
    assert_eq!(w.ask(r, "CONFIG SET bind-source-addr 127.0.0.3"), "OK");
    assert!(w.info(0, "slave0").starts_with("ip=127.0.0.2,"), "the link that is there stays");
    w.ask(c, "CLIENT KILL TYPE replica");
    w.advance(3000);
    assert!(w.info(0, "slave0").starts_with("ip=127.0.0.3,port=7001,"));
    assert_agree(&mut w);
}

fn a_replica_is_read_only_and_says_where_it_is<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = fill(&mut w, 0, 1);
    let r = w.client(1);
    assert_eq!(w.ask(r, "SET a 1\nGET key:0"), "-READONLY You can't write against a read only replica. | v");
    assert!(w.ask(r, "ROLE").starts_with("[slave, 127.0.0.1, 7000, connected, "));
    assert!(w.ask(c, "ROLE").starts_with("[master, "));
    assert_eq!(w.info(1, "master_link_status"), "up");
    w.ask(r, "CONFIG SET replica-read-only no");
    let at = w.hosts[1].node.position();
    assert_eq!(w.ask(r, "SET own 1\nGET own"), "OK | 1");
    assert_eq!(w.hosts[1].node.position(), at, "its own writes are no part of its master's stream");
}

fn masterdown_without_stale_data<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000 --replica-serve-stale-data no"]);
    fill(&mut w, 0, 1);
    let r = w.client(1);
    assert_eq!(w.ask(r, "GET key:0"), "v");
    w.hosts[0].unreachable = true;
    w.cut(0, 1);
    w.run();
    let down = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    assert_eq!(w.ask(r, "GET key:0\nPING\nECHO x"), format!("{down} | {down} | x"));
    assert_eq!(w.info(1, "master_link_status"), "down");
    w.hosts[0].unreachable = false;
    w.advance(3000);
    assert_eq!(w.ask(r, "GET key:0"), "v");
}

fn wait_is_answered_by_acknowledgements<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, REPLICA]);
    let c = w.client(0);
    assert_eq!(w.ask(c, "SET a 1\nWAIT 2 0\nPING"), "OK | 2 | PONG", "without any time passing");
    assert_eq!(w.ask(c, "WAIT 0 0\nWAIT 1 100"), "2 | 2", "who has nothing to wait for does not");
    assert_eq!(
        w.ask(c, "WAIT x 0\nWAIT 1 -1"),
        "-ERR value is not an integer or out of range | -ERR timeout is negative"
    );
    let r = w.client(1);
    assert!(w.ask(r, "WAIT 1 0").starts_with("-ERR WAIT cannot be used with replica instances"));
}

fn wait_counts_who_has_the_write<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, other) = (w.client(0), w.client(0));
    w.send(other, "PSYNC ? -1");
    w.advance(100);
    w.send(other, "REPLCONF ACK 0");
    assert_eq!(w.ask(c, "SET a 1"), "OK");
    assert_eq!(w.info(0, "connected_slaves"), "2");
    let (_, at) = w.hosts[0].node.position();
    // It is online, and acknowledges less than what was written.
    w.send(c, "WAIT 2 500");
    w.send(other, &format!("REPLCONF ACK {}", at - 1));
    w.advance(499);
    assert_eq!(w.heard(c), "");
    w.advance(2);
    assert_eq!(w.heard(c), "1");
    w.send(other, &format!("REPLCONF ACK {at}"));
    assert_eq!(w.ask(c, "WAIT 2 0"), "2");
}

fn wait_is_answered_when_its_time_is_over<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = w.client(0);
    assert_eq!(w.ask(c, "SET a 1\nWAIT 2 500\nGET a"), "OK", "its further commands wait");
    w.advance(499);
    assert_eq!(w.heard(c), "");
    w.advance(2);
    assert_eq!(w.heard(c), "1 | 1");
    let other = w.client(0);
    w.ask(c, "WAIT 2 0");
    assert_eq!(w.ask(other, "CLIENT UNBLOCK 99"), "0", "no such client");
    let id: u64 = w.ask(other, "CLIENT ID").parse().unwrap();
    assert_eq!(w.ask(other, &format!("CLIENT UNBLOCK {}", id - 1)), "1");
    assert_eq!(w.heard(c), "1");
    w.ask(c, "WAIT 2 0");
    assert_eq!(w.ask(other, &format!("CLIENT UNBLOCK {} ERROR", id - 1)), "1");
    assert_eq!(w.heard(c), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
}

fn wait_is_answered_by_a_change_of_role<D: Make>() {
    let mut w = World::<D>::family(1, &["", ""]);
    let (c, other) = (w.client(0), w.client(0));
    assert_eq!(w.ask(c, "SET a 1\nWAIT 1 0\nGET a"), "OK");
    w.ask(other, "REPLICAOF 127.0.0.1 7001");
    assert!(w.heard(c).starts_with("-UNBLOCKED force unblock from blocking operation, instance state changed"));
}

fn wait_in_a_transaction_is_answered_at_once<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "MULTI\nSET a 1\nWAIT 5 0\nGET a\nEXEC"), "OK | QUEUED | QUEUED | QUEUED | [OK, 0, 1]");
}

fn waitaof_tells_what_replicas_have_on_their_disks<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    assert_eq!(w.ask(c, "SET a 1\nWAITAOF 0 0 0\nMULTI\nWAITAOF 0 5 0\nEXEC"), "OK | [0, 0] | OK | QUEUED | [[0, 0]]");
    let no_aof = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    let range = "-ERR value is out of range, value must between 0 and 1";
    let positive = "-ERR value is out of range, must be positive";
    assert_eq!(w.ask(c, "WAITAOF 1 0 0\nWAITAOF 2 0 0\nWAITAOF 0 -1 0"), format!("{no_aof} | {range} | {positive}"));
    assert!(w.ask(r, "WAITAOF 1 0 0").starts_with("-ERR WAITAOF cannot be used with replica instances."));
    // A replica without a file has nothing on its disk, however much it acknowledges.
    assert_eq!(w.ask(c, "WAITAOF 0 1 500\nPING"), "");
    w.advance(501);
    assert_eq!(w.heard(c), "[0, 0] | PONG");
    // One that has says how far it is.
    let other = w.client(0);
    w.send(other, "PSYNC ? -1");
    w.advance(100);
    w.send(other, "REPLCONF ACK 0 FACK 0");
    assert_eq!(w.ask(c, "SET b 1\nWAITAOF 0 1 0"), "OK");
    w.send(other, "REPLCONF ACK 100000 FACK 100000");
    w.run();
    assert_eq!(w.heard(c), "[0, 1]");
}

fn min_replicas_to_write_counts_good_replicas<D: Make>() {
    let mut w = World::<D>::family(1, &["--min-replicas-to-write 1 --min-replicas-max-lag 5", ""]);
    let (c, r) = (w.client(0), w.client(1));
    let few = "-NOREPLICAS Not enough good replicas to write.";
    assert_eq!(w.ask(c, "SET a 1\nGET a\nPING"), format!("{few} | (nil) | PONG"));
    assert_eq!(w.info(0, "min_slaves_good_slaves"), "0");
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(3000);
    assert_eq!(w.ask(c, "SET a 1\nMULTI\nSET b 1\nEXEC"), "OK | OK | QUEUED | [OK]");
    w.hosts[1].exit = Some(-1);
    w.advance(4000);
    assert_eq!((w.ask(c, "SET a 1"), w.info(0, "min_slaves_good_slaves")), ("OK".into(), "1".into()));
    w.advance(3000);
    assert_eq!((w.ask(c, "SET a 1"), w.info(0, "min_slaves_good_slaves")), (few.into(), "0".into()));
    assert_eq!(w.ask(c, "CONFIG SET min-replicas-max-lag 0\nSET a 1"), "OK | OK", "one of the two alone is no rule");
    assert_eq!(w.info(0, "min_slaves_good_slaves"), "-");
}

/// A replica that holds data of its own is made to follow; what it did.
fn full_into_full<D: Make>(mode: &str, how: &'static str) {
    for chop in [100, 1 << 16] {
        let mut w = World::<D>::family(1, &["", &format!("--repl-diskless-load {mode}")]);
        fill(&mut w, 0, 300);
        let r = w.client(1);
        w.ask(r, "SET old 1\nSELECT 4\nSET old 2\nWATCH old\nMULTI");
        w.chop = chop;
        let admin = w.client(1);
        w.ask(admin, "REPLICAOF 127.0.0.1 7000");
        w.advance(3000);
        assert_agree(&mut w);
        assert_eq!(w.count(1, |e| matches!(e, What::LoadingSnapshot { how: h } if *h == how)), 1, "{}", w.log(1));
        assert_eq!(w.ask(r, "EXEC\nGET old"), "(nil) | (nil)", "a new dataset touches every key");
        assert!(w.hosts[1].files.is_empty(), "nothing is left behind");
    }
}

fn a_full_replica_loads_from_a_file<D: Make>() {
    full_into_full::<D>("disabled", "from a file");
}

fn a_full_replica_loads_beside_with_swapdb<D: Make>() {
    full_into_full::<D>("swapdb", "beside the old dataset");
}

/// Stops in the middle of a replica's load.
fn half_loaded<D: Make>(args: &str) -> (World<D>, Who) {
    let mut w = World::<D>::family(1, &["", args]);
    fill(&mut w, 0, 3000);
    let (r, admin) = (w.client(1), w.client(1));
    w.ask(r, "SET old 1\nMULTI\nGET old");
    w.ask(admin, "FLUSHALL");
    if args.contains("swapdb") {
        w.ask(admin, "SET old 1");
    }
    w.chop = 50;
    w.send(admin, "REPLICAOF 127.0.0.1 7000");
    while w.count(1, |e| matches!(e, What::LoadingSnapshot { .. })) == 0 {
        w.steps(1);
        w.freeze(1);
    }
    w.steps(20);
    (w, r)
}

/// Says a line and lets the world go on just until it is answered.
fn at_once<D: Make>(w: &mut World<D>, who: Who, line: &str) -> String {
    w.send(who, line);
    loop {
        w.steps(1);
        let heard = w.heard(who);
        if !heard.is_empty() {
            return heard;
        }
    }
}

fn a_replica_that_loads_answers_loading<D: Make>() {
    let (mut w, r) = half_loaded::<D>("");
    at_once(&mut w, r, "DISCARD");
    assert_eq!(at_once(&mut w, r, "GET old"), "-LOADING Redis is loading the dataset in memory");
    assert_eq!(at_once(&mut w, r, "PING"), "-LOADING Redis is loading the dataset in memory");
    assert_eq!(at_once(&mut w, r, "ECHO x"), "x");
    w.chop = 1 << 16;
    w.advance(3000);
    assert_agree(&mut w);
    // The same beside an old dataset of another history.
    let (mut w, r) = half_loaded::<D>("--repl-diskless-load swapdb");
    at_once(&mut w, r, "DISCARD");
    assert_eq!(at_once(&mut w, r, "GET old"), "-LOADING Redis is loading the dataset in memory");
    w.chop = 1 << 16;
    w.advance(3000);
    assert_eq!(w.ask(r, "GET old"), "(nil)");
}

fn exec_does_not_run_over_a_dataset_that_is_loading<D: Make>() {
    let (mut w, r) = half_loaded::<D>("");
    let refused = "-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory";
    assert_eq!(at_once(&mut w, r, "EXEC"), refused);
    assert_eq!(at_once(&mut w, r, "EXEC"), "-ERR EXEC without MULTI");
}

fn replicaof_at_run_time_takes_the_masters_data<D: Make>() {
    let mut w = World::<D>::family(1, &["", "", ""]);
    fill(&mut w, 0, 50);
    let r = w.client(2);
    let two = w.client(1);
    w.ask(two, "SET two 1");
    assert_eq!(w.ask(r, "REPLICAOF localhost 7001"), "OK");
    w.advance(2000);
    assert_eq!(w.ask(r, "GET two\nREPLICAOF localhost 7001"), "1 | OK Already connected to specified master");
    w.call(2, Call::Follow { host: "127.0.0.1".into(), port: 7000 });
    w.advance(2000);
    assert_eq!(w.ask(r, "GET two\nGET key:1"), "(nil) | vx");
    w.call(2, Call::Promote);
    assert_eq!(w.ask(r, "SET own 1"), "OK");
    assert!(w.hosts[2].node.is_master());
    assert_eq!(w.ask(r, "REPLICAOF x y\nREPLICAOF NO ONE"), "-ERR Invalid master port | OK");
}

fn a_promoted_replica_goes_on_with_the_others_partially<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, REPLICA]);
    fill(&mut w, 0, 100);
    w.advance(1000);
    let (one, two) = (w.client(1), w.client(2));
    assert_eq!(w.ask(one, "REPLICAOF NO ONE\nSET new 1"), "OK | OK");
    w.ask(two, "REPLICAOF 127.0.0.1 7001");
    let old = w.client(0);
    w.ask(old, "REPLICAOF 127.0.0.1 7001");
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!((full(&w, 0), full(&w, 1), full(&w, 2)), (0, 1, 1), "nobody needed a snapshot");
    assert_eq!(w.ask(old, "GET new"), "1");
    // Who wrote what the new master has not is brought back by a snapshot.
    w.ask(old, "REPLICAOF NO ONE\nSET lost 1");
    w.ask(old, "REPLICAOF 127.0.0.1 7001");
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!((w.ask(old, "GET lost"), full(&w, 0)), ("(nil)".into(), 1));
}

fn a_restarted_replica_resumes_partially<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = fill(&mut w, 0, 100);
    let r = w.client(1);
    w.ask(c, "SELECT 5\nSET a 1");
    w.run();
    assert_eq!(w.ask(r, "SAVE"), "OK");
    w.ask(c, "SET b 1");
    w.restart(1);
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!(full(&w, 1), 0, "{}", w.log(1));
    let r = w.client(1);
    assert_eq!(w.ask(r, "SELECT 5\nGET b"), "OK | 1", "the stream's database is in the file");
}

fn a_restarted_master_keeps_its_history_as_the_second<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let c = fill(&mut w, 0, 100);
    let (id, _) = w.hosts[0].node.position();
    w.ask(c, "SHUTDOWN SAVE");
    w.restart(0);
    assert_ne!(w.hosts[0].node.position().0, id, "an id and an offset never name two things");
    assert_eq!(w.info(0, "master_replid2"), id.as_str());
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!(full(&w, 1), 1, "the replica goes on: {}", w.log(1));
    let c = w.client(0);
    w.ask(c, "SET more 1");
    w.advance(1000);
    assert_agree(&mut w);
}

fn the_hosts_follow_waits_for_the_own_file<D: Make>() {
    let mut w = World::<D>::family(1, &["", ""]);
    fill(&mut w, 0, 20);
    let c = fill(&mut w, 1, 10);
    w.ask(c, "SAVE");
    w.kill(1);
    w.hosts[1].disk_slow = true;
    w.restart(1);
    w.call(1, Call::Follow { host: "127.0.0.1".into(), port: 7000 });
    w.advance(1000);
    w.hosts[1].disk_slow = false;
    w.advance(3000);
    assert_eq!(w.count(1, |e| matches!(e, What::Ready)), 1);
    assert_agree(&mut w);
}

fn a_snapshot_is_of_its_beginning_while_writes_go_on<D: Make>() {
    for seed in 0..10 {
        let mut w = World::<D>::family(seed, &["", ""]);
        let c = fill(&mut w, 0, 2000);
        w.chop = 2000;
        let r = w.client(1);
        w.ask(r, "REPLICAOF 127.0.0.1 7000");
        for i in 0..300 {
            w.send(c, &format!("INCR n\nDEL key:{}\nSET key:{} new", i * 3, i * 5));
            w.steps(3);
        }
        w.advance(5000);
        assert_agree(&mut w);
    }
}

fn a_key_expires_on_the_masters_word<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    w.ask(c, "SET a 1\nPEXPIRE a 100");
    w.run();
    w.hosts[0].unreachable = true;
    w.cut(0, 1);
    w.advance(1000);
    assert_eq!(w.ask(r, "GET a\nDBSIZE"), "(nil) | 1", "hidden, and there");
    if core::any::type_name::<D>() == core::any::type_name::<Keyspace>() {
        assert_eq!(w.info(1, "expired_not_deleted_keys"), "1");
    }
    w.hosts[0].unreachable = false;
    w.advance(3000);
    assert_eq!((w.ask(r, "DBSIZE"), w.info(1, "expired_not_deleted_keys")), ("0".into(), "0".into()));
    assert_agree(&mut w);
}

fn swapdb_and_flushall_reach_replicas<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, CHAINED]);
    let c = fill(&mut w, 0, 20);
    w.ask(c, "SWAPDB 0 1\nSET a 1");
    w.advance(100);
    assert_agree(&mut w);
    w.ask(c, "MULTI\nFLUSHDB\nSET b 1\nEXEC");
    w.advance(100);
    assert_agree(&mut w);
    w.ask(c, "FLUSHALL");
    w.advance(100);
    assert_agree(&mut w);
}

/// By whomever, and whatever else it said in the same breath.
fn a_replica_is_closed_once<D: Make>() {
    for last in ["GET a\nGET b\nQUIT", "GET a\nREPLCONF ACK 0\nREPLCONF GETACK x", "*x", "REPLCONF ACK 1\nPSYNC ? -1"] {
        let (mut w, c) = World::<D>::one("");
        w.send(c, "PSYNC ? -1");
        w.run();
        w.send(c, last);
        w.say(c, b"*x\r\n");
        w.run();
        assert!(w.closed(c), "{last}");
        assert_eq!(w.info(0, "connected_slaves"), "0");
    }
    let mut w = World::<D>::family(1, &["", REPLICA, CHAINED]);
    let c = w.client(1);
    w.ask(c, "REPLICAOF NO ONE\nCLIENT KILL TYPE replica");
    w.advance(5000);
    assert_eq!(w.info(1, "connected_slaves"), "1");
}

/// Whoever has lost its data in the middle of a full resync has no history to share.
fn a_load_that_is_broken_off_is_the_end_of_the_old_history<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA, CHAINED]);
    let c = fill(&mut w, 0, 2000);
    w.advance(1000);
    assert_agree(&mut w);
    w.ask(c, "DEBUG CHANGE-REPL-ID\nDEBUG CHANGE-REPL-ID");
    w.cut(0, 1);
    w.freeze(1);
    while w.count(1, |e| matches!(e, What::LoadingSnapshot { how: "from a file" })) == 0 {
        if w.linkless(1) {
            w.advance(1000);
        }
        w.steps(1);
    }
    w.hosts[1].disk_slow = true;
    w.hosts[0].unreachable = true;
    w.cut(0, 1);
    w.run();
    w.call(1, Call::Promote);
    w.hosts[1].disk_slow = false;
    w.advance(5000);
    w.kill(0);
    assert_eq!(w.hosts[2].node.position(), w.hosts[1].node.position());
    assert_eq!(w.digest(2), w.digest(1), "{}", w.log(2));
}

fn a_replicas_failing_disk_keeps_its_dataset<D: Make>() {
    let mut w = World::<D>::family(1, &["", ""]);
    fill(&mut w, 0, 100);
    let r = fill(&mut w, 1, 10);
    let before = w.digest(1);
    w.hosts[1].disk_full = true;
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(5000);
    assert_eq!(w.digest(1), before);
    assert!(w.count(1, |e| matches!(e, What::SnapshotFault { .. })) >= 2 && w.hosts[1].files.is_empty());
    w.hosts[1].disk_full = false;
    w.advance(5000);
    assert_agree(&mut w);
}

fn a_masters_failing_disk_delays_a_snapshot_by_file<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--repl-diskless-sync no");
    w.hosts[0].disk_full = true;
    w.add(REPLICA);
    w.run();
    fill(&mut w, 0, 100);
    w.advance(5000);
    assert_eq!(full(&w, 1), 0);
    w.hosts[0].disk_full = false;
    w.advance(10_000);
    assert_agree(&mut w);
    assert!(w.hosts[0].files.is_empty(), "what was sent is removed");
}

fn one_that_comes_while_a_snapshot_is_given_up_gets_its_own<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--repl-diskless-sync no");
    fill(&mut w, 0, 100);
    w.hosts[0].disk_slow = true;
    let first = w.client(0);
    w.send(first, "PSYNC ? -1");
    w.run();
    // It is gone while the file is written, and the next one comes before the disk has answered.
    w.hang_up(first);
    let second = w.client(0);
    w.send(second, "PSYNC ? -1");
    w.run();
    w.hosts[0].disk_slow = false;
    w.advance(1000);
    assert!(!w.closed(second), "{}", w.log(0));
    let got = w.raw(second);
    assert!(got.starts_with(b"+FULLRESYNC "), "{}", got.escape_ascii());
    assert!(got.windows(5).any(|part| part == b"REDIS"), "the snapshot came");
}

/// Writes, cuts, deaths and promotions under a seed end in one state.
fn random_run<D: Make>(seed: u64) -> bool {
    let mut w = World::<D>::new(seed);
    let load = ["disabled", "swapdb"][w.pick(2) as usize];
    let diskless = ["yes", "no"][w.pick(2) as usize];
    let all = format!("--repl-backlog-size 16384 --repl-diskless-load {load} --repl-diskless-sync {diskless}");
    for own in ["", REPLICA, CHAINED, REPLICA] {
        w.add(&format!("{all} {own}"));
    }
    w.advance(3_000);
    w.chop = [7, 300, 1 << 16][w.pick(3) as usize];
    let c = [w.client(0), w.client(1)];
    let mut master = 0;
    for _ in 0..120 {
        let (k, n) = (w.pick(20), w.pick(1000));
        let (i, long) = (n as usize, "y".repeat(w.pick(3000) as usize));
        let c = c[master];
        match w.pick(14) {
            0..4 => w.send(c, &format!("SET k{k} {n}")),
            4 => w.send(c, &format!("SET long{k} {n}{long}")),
            5 => w.send(c, &format!("INCR k{k}\nDEL k{n}")),
            6 => w.send(c, &format!("MULTI\nINCR k{k}\nSELECT {}\nSET x{k} {n}\nEXEC", k % 3)),
            7 => w.send(c, &format!("PEXPIRE k{k} {n}")),
            8 => w.cut(0, 1),
            9 => w.cut([1, 0][i % 2], [2, 3][i % 2]),
            10 if k < 3 => w.restart(2 + i % 2),
            11 if k < 5 => {
                let who = w.client(2 + i % 2);
                w.send(who, "BGSAVE");
            }
            12 if k < 3 => {
                // The others follow: node 2 node 1, node 3 node 0.
                let new = 1 - master;
                w.call(new, Call::Promote);
                w.call(master, Call::Follow { host: "127.0.0.1".into(), port: 7000 + new as u16 });
                master = new;
            }
            10..13 => w.advance(n),
            _ => w.send(c, ["FLUSHDB", "SWAPDB 0 1", "PUBLISH a b"][i % 3]),
        }
        let steps = w.pick(60) as usize;
        w.steps(steps);
    }
    w.advance(20_000);
    assert_agree(&mut w);
    true
}

#[test]
fn a_random_run_with_cuts_ends_in_agreement() {
    QuickCheck::new().tests(30).quickcheck(random_run::<Keyspace> as fn(u64) -> bool);
    QuickCheck::new().tests(30).quickcheck(random_run::<Store> as fn(u64) -> bool);
}

/// A sentinel that reads `master_failover_state` asks for a FAILOVER, and would wait for it in vain.
fn info_promises_no_command_that_there_is_not<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let promised = w.ask(c, "INFO replication").contains("master_failover_state");
    let known = !w.ask(c, "FAILOVER").contains("unknown command");
    assert_eq!(promised, known);
}
