//! Full resyncs: how a replica loads, what it refuses, and how a master keeps them within bounds.

use primacy_core::node::{ResyncRefusal, What};

use crate::support::host::{Make, Who, World};

use super::replication::{REPLICA, assert_agree, fill, full};

over_both! {
    a_load_takes_as_long_as_key_load_delay_says
    swapdb_serves_the_old_dataset_only_within_one_history
    a_flushing_load_keeps_the_old_dataset_until_the_new_one_can_be_read
    a_guarded_replica_refuses_an_empty_master
    a_guarded_replica_refuses_a_rewound_master
    an_empty_replica_has_nothing_to_guard
    without_a_guard_a_master_is_taken_as_it_is
    who_comes_within_the_delay_shares_a_snapshot_and_who_comes_later_waits_for_the_next
    the_delay_ends_when_enough_replicas_wait
    who_comes_while_the_file_is_written_joins_it
    only_so_many_full_resyncs_are_served_at_once
    writers_are_slowed_down_and_no_replica_is_dropped
    without_a_throttle_the_replica_is_dropped
}

fn a_load_takes_as_long_as_key_load_delay_says<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--key-load-delay 20000"]);
    fill(&mut w, 0, 200);
    let r = w.client(1);
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(3000);
    assert_eq!((w.info(1, "loading"), full(&w, 1)), ("1".into(), 0), "{}", w.log(1));
    w.advance(2000);
    assert_eq!(full(&w, 1), 1, "{}", w.log(1));
    assert_agree(&mut w);
}

/// Goes on until a snapshot is being taken in.
fn until_loading<D: Make>(w: &mut World<D>) {
    while w.count(1, |e| matches!(e, What::LoadingSnapshot { .. })) == 0 {
        if w.linkless(1) {
            w.advance(1000);
        }
        w.steps(1);
    }
}

fn swapdb_serves_the_old_dataset_only_within_one_history<D: Make>() {
    for same in [true, false] {
        let args = "--repl-diskless-load swapdb --key-load-delay 10000";
        let mut w = World::<D>::family(1, &["--repl-backlog-size 16384", args]);
        let (c, r) = (fill(&mut w, 0, 1), w.client(1));
        w.ask(r, "REPLICAOF 127.0.0.1 7000");
        w.advance(3000);
        // What it lacks is no longer in the backlog, and perhaps it is another history, too.
        w.hosts[0].unreachable = true;
        w.cut(0, 1);
        w.run();
        fill(&mut w, 0, 400);
        w.ask(c, "SET key:0 new");
        if !same {
            w.ask(c, "DEBUG CHANGE-REPL-ID");
        }
        w.hosts[1].events.clear();
        w.hosts[0].unreachable = false;
        until_loading(&mut w);
        w.freeze(1000);
        let (get, async_loading, loading) = (w.ask(r, "GET key:0"), w.info(1, "async_loading"), w.info(1, "loading"));
        if same {
            assert_eq!((&*get, &*async_loading, &*loading), ("v", "1", "0"));
        } else {
            let refused = "-LOADING Redis is loading the dataset in memory";
            assert_eq!((&*get, &*async_loading, &*loading), (refused, "0", "1"));
        }
        w.advance(9000);
        assert_eq!(w.ask(r, "GET key:0"), "new");
        assert_agree(&mut w);
    }
}

fn a_flushing_load_keeps_the_old_dataset_until_the_new_one_can_be_read<D: Make>() {
    for mode in ["flush-before-load", "flushdb"] {
        let mut w = World::<D>::family(1, &["", &format!("--repl-diskless-load {mode}")]);
        fill(&mut w, 0, 300);
        let r = w.client(1);
        w.ask(r, "SET old 1");
        let before = w.digest(1);
        w.chop = 30;
        w.send(r, "REPLICAOF 127.0.0.1 7000");
        // A version that nobody knows.
        while w.count(1, |e| matches!(e, What::SnapshotFault { .. })) == 0 {
            w.tamper(0, 1, |bytes| {
                if let Some(at) = bytes.windows(5).position(|part| part == b"REDIS") {
                    bytes[at + 5..].iter_mut().take(4).for_each(|b| *b = b'9');
                }
            });
            w.steps(1);
        }
        w.hosts[0].unreachable = true;
        w.run();
        assert_eq!(w.digest(1), before, "{mode}: {}", w.log(1));
        w.hosts[0].unreachable = false;
        w.chop = 1 << 16;
        w.advance(5000);
        assert_agree(&mut w);
        let how = "straight from the socket";
        assert_eq!(w.count(1, |e| matches!(e, What::LoadingSnapshot { how: h } if *h == how)), 1, "{}", w.log(1));
    }
}

fn refusals<D: Make>(w: &World<D>, which: impl Fn(&ResyncRefusal) -> bool) -> usize {
    w.count(1, |e| matches!(e, What::ResyncRefused { why } if which(why)))
}

fn a_guarded_replica_refuses_an_empty_master<D: Make>() {
    for mode in ["disabled", "on-empty-db", "swapdb", "flushdb"] {
        for chop in [20, 1 << 16] {
            let args = format!("--replica-resync-guard yes --repl-diskless-load {mode}");
            let mut w = World::<D>::family(1, &["", &args]);
            let (c, r) = (w.client(0), fill(&mut w, 1, 20));
            let before = w.digest(1);
            w.chop = chop;
            w.ask(r, "REPLICAOF 127.0.0.1 7000");
            w.advance(3000);
            assert_eq!(w.digest(1), before, "{mode}: {}", w.log(1));
            assert_eq!(refusals(&w, |why| *why == ResyncRefusal::Empty { keys: 20 }), 1, "{mode}: {}", w.log(1));
            assert_eq!(w.info(1, "resync_refused_reason"), "the master is empty, and this replica holds 20 keys");
            // What it gets now does not bring back what it lost.
            w.ask(c, "SET new 1");
            w.advance(25_000);
            assert_eq!(
                (w.digest(1), w.info(1, "resyncs_refused")),
                (before, "3".into()),
                "asked again every ten seconds"
            );
            assert_eq!(w.info(1, "master_link_status"), "down");
            assert!(w.hosts[1].files.is_empty());
            w.ask(r, "CONFIG SET replica-resync-guard no");
            w.advance(1000);
            assert_agree(&mut w);
            assert_eq!((w.ask(r, "GET new"), w.info(1, "resync_refused_reason")), ("1".into(), String::new()));
        }
    }
}

fn a_guarded_replica_refuses_a_rewound_master<D: Make>() {
    let mut w = World::<D>::family(1, &["", &format!("{REPLICA} --replica-resync-guard yes")]);
    fill(&mut w, 0, 500);
    w.advance(2000);
    assert_agree(&mut w);
    let before = w.digest(1);
    w.restart(0);
    fill(&mut w, 0, 5);
    w.advance(3000);
    assert_eq!(w.digest(1), before, "{}", w.log(1));
    assert_eq!(refusals(&w, |why| matches!(why, ResyncRefusal::Rewound { theirs: 0, .. })), 1, "{}", w.log(1));
    // However far it gets: it is the one that lost its data.
    fill(&mut w, 0, 2000);
    w.advance(15_000);
    assert_eq!(w.digest(1), before);
    let r = w.client(1);
    assert_eq!(w.ask(r, "GET key:7\nCONFIG SET replica-resync-guard no"), "vxxxxxxx | OK");
    w.advance(1000);
    assert_agree(&mut w);
}

fn an_empty_replica_has_nothing_to_guard<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replica-resync-guard yes"]);
    let r = w.client(1);
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!((full(&w, 1), w.info(1, "resyncs_refused")), (1, "0".into()));
}

fn without_a_guard_a_master_is_taken_as_it_is<D: Make>() {
    // Once into a replica of another history, and once when the master has lost its data.
    let mut w = World::<D>::family(1, &["", ""]);
    let r = fill(&mut w, 1, 20);
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(3000);
    assert_agree(&mut w);
    fill(&mut w, 0, 500);
    w.restart(0);
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!(
        (w.info(1, "resync_guard"), w.info(1, "resyncs_refused"), w.info(1, "db0")),
        ("no".into(), "0".into(), "-".into())
    );
}

/// A master whose snapshots take two seconds.
fn slow_master<D: Make>(args: &str) -> World<D> {
    let mut w = World::<D>::new(1);
    w.add(&format!("--rdb-key-save-delay 10000 {args}"));
    fill(&mut w, 0, 200);
    w
}

/// Snapshots that were begun for replicas.
fn begun<D: Make>(w: &World<D>) -> usize {
    w.logged(0, "Starting BGSAVE for SYNC with target") + w.logged(0, "Background RDB transfer started for")
}

/// A replica comes, and time passes.
fn comes<D: Make>(w: &mut World<D>, ms: u64) {
    w.add(REPLICA);
    w.advance(ms);
}

/// All have what the master has, each by one full resync, and the master took so many snapshots for them.
fn assert_served<D: Make>(w: &mut World<D>, snapshots: usize) {
    w.advance(20_000);
    assert_agree(w);
    assert_eq!((begun(w), w.info(0, "sync_full")), (snapshots, (w.hosts.len() - 1).to_string()), "{}", w.log(0));
    assert!((1..w.hosts.len()).all(|i| full(w, i) == 1 && w.hosts[i].connects == 1));
}

fn who_comes_within_the_delay_shares_a_snapshot_and_who_comes_later_waits_for_the_next<D: Make>() {
    let mut w = slow_master::<D>("--repl-diskless-sync-delay 5");
    comes(&mut w, 3000);
    comes(&mut w, 1900);
    assert_eq!(begun(&w), 0, "the delay is over five seconds after the first one came");
    w.advance(200);
    assert_eq!(begun(&w), 1);
    comes(&mut w, 1000);
    assert_eq!((begun(&w), full(&w, 1), full(&w, 2)), (1, 0, 0), "{}", w.log(0));
    assert!(w.info(0, "slave2").contains("state=wait_bgsave"));
    w.advance(2000);
    assert_eq!((begun(&w), full(&w, 1), full(&w, 2), full(&w, 3)), (1, 1, 1, 0), "{}", w.log(0));
    assert_served(&mut w, 2);
}

fn the_delay_ends_when_enough_replicas_wait<D: Make>() {
    let mut w = slow_master::<D>("--repl-diskless-sync-delay 3600 --repl-diskless-sync-max-replicas 2");
    comes(&mut w, 100_000);
    assert_eq!(begun(&w), 0);
    comes(&mut w, 100);
    assert_served(&mut w, 1);
}

fn who_comes_while_the_file_is_written_joins_it<D: Make>() {
    let mut w = slow_master::<D>("--repl-diskless-sync no");
    comes(&mut w, 1000);
    let c = w.client(0);
    assert_eq!((begun(&w), w.ask(c, "SET meanwhile 1")), (1, "OK".into()));
    comes(&mut w, 500);
    assert_eq!((full(&w, 1), full(&w, 2)), (0, 0), "it is still being written");
    assert_served(&mut w, 1);
}

fn only_so_many_full_resyncs_are_served_at_once<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--repl-max-full-syncs 1 --repl-diskless-sync no");
    fill(&mut w, 0, 100);
    w.hosts[0].disk_slow = true;
    w.add(REPLICA);
    w.run();
    w.add(REPLICA);
    w.advance(3000);
    assert_eq!((w.info(0, "full_syncs_under_way"), w.info(0, "sync_full")), ("1".into(), "1".into()));
    assert!(w.info(0, "full_syncs_put_off").parse::<u64>().unwrap() >= 2, "it tries again by itself");
    assert!(w.logged(2, "NOMASTERLINK") >= 2, "{}", w.log(2));
    w.hosts[0].disk_slow = false;
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!((w.info(0, "sync_full"), w.info(0, "full_syncs_under_way")), ("2".into(), "0".into()));
}

/// A master and somebody who asks for everything and takes nothing, while 2,000 writes come.
fn behind<D: Make>(throttle: u32) -> (World<D>, Who, Who) {
    let limits = "--repl-backlog-size 16384 --client-output-buffer-limit replica_100000_0_0";
    let (mut w, c) = World::<D>::one(&format!("{limits} --repl-write-throttle {throttle}"));
    let r = w.client(0);
    w.window(r, 0);
    w.send(r, "PSYNC ? -1");
    w.run();
    let lines: Vec<String> = (0..2000).map(|i| format!("SET key:{i} {}", "x".repeat(100))).collect();
    w.send(c, &lines.join("\n"));
    w.run();
    (w, c, r)
}

fn writers_are_slowed_down_and_no_replica_is_dropped<D: Make>() {
    let (mut w, c, r) = behind::<D>(20_000);
    let mut answered = w.values(c).len();
    assert!((100..300).contains(&answered), "{answered} writes up to the limit");
    assert_eq!(w.info(0, "write_throttle_active"), "1");
    let reader = w.client(0);
    assert_eq!(w.ask(reader, "GET key:0\nMULTI\nSET a 1"), format!("{} | OK | QUEUED", "x".repeat(100)));
    w.advance(20_000);
    let more = w.values(c).len();
    assert!((50..600).contains(&more), "{more} writes go on slowly");
    answered += more;
    assert!(!w.closed(r), "{}", w.log(0));
    // It takes all, and the rest is written at full speed.
    w.window(r, usize::MAX);
    w.run();
    w.send(r, "REPLCONF ACK 0");
    w.advance(500);
    answered += w.values(c).len();
    assert_eq!((answered, w.info(0, "write_throttle_active")), (2000, "0".into()));
    assert_eq!(w.info(0, "write_throttle_count"), "1");
    assert!(w.info(0, "write_throttle_total_msec").parse::<u64>().unwrap() >= 20_000);
    assert!(!w.closed(r), "{}", w.log(0));
}

fn without_a_throttle_the_replica_is_dropped<D: Make>() {
    let (mut w, c, r) = behind::<D>(0);
    assert_eq!((w.values(c).len(), w.closed(r)), (2000, true));
}
