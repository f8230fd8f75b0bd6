//! What a replica does with a stream or a snapshot that is not as it should be.

use core::cell::Cell;

use crate::support::host::{Make, Who, World};
use primacy_core::node::What;
use primacy_core::rdb::{Body, Options, Writer};
use primacy_core::resp::Command;

use super::replication::{REPLICA, assert_agree};

over_both! {
    a_damaged_snapshot_keeps_the_old_dataset
    a_transaction_cut_in_the_middle_is_not_applied
    a_promotion_in_the_middle_of_a_transaction_forgets_it
    a_stream_that_cannot_be_applied_stops_loudly
    a_command_that_fails_stops_the_stream
    a_spooled_snapshot_that_the_dataset_refuses_keeps_the_old_one
    keys_of_a_database_that_is_not_there_are_no_snapshot
}

/// Damages the snapshot on its way from node 0 to node 1, once.
fn damage_snapshot<D: Make>(w: &mut World<D>) {
    let done = Cell::new(false);
    while w.count(1, |e| matches!(e, What::SnapshotFault { .. })) == 0 {
        w.steps(1);
        w.tamper(0, 1, |bytes| {
            // Behind the handshake, and the header of the snapshot.
            if bytes.len() > 400 && !done.replace(true) {
                let at = bytes.len() / 2;
                bytes[at] ^= 0xff;
            }
        });
    }
}

fn a_damaged_snapshot_keeps_the_old_dataset<D: Make>() {
    for mode in ["disabled", "swapdb"] {
        let mut w = World::<D>::family(3, &["--rdbcompression no", &format!("--repl-diskless-load {mode}")]);
        let c = w.client(0);
        let lines: Vec<String> = (0..500).map(|i| format!("SET key:{i} value:{i}")).collect();
        w.ask(c, &lines.join("\n"));
        let r = w.client(1);
        w.ask(r, "SET old 1");
        let before = w.digest(1);
        w.chop = 600;
        w.send(r, "REPLICAOF 127.0.0.1 7000");
        damage_snapshot(&mut w);
        w.hosts[0].unreachable = true;
        w.run();
        assert_eq!(w.digest(1), before, "{mode}: {}", w.log(1));
        assert!(w.hosts[1].files.is_empty(), "{mode}: the damaged file is gone");
        assert_eq!(w.count(1, |e| matches!(e, What::SnapshotLoaded { .. })), 0);
        w.hosts[0].unreachable = false;
        w.chop = 1 << 16;
        w.advance(5_000);
        assert_agree(&mut w);
    }
}

fn a_transaction_cut_in_the_middle_is_not_applied<D: Make>() {
    for cut_at in 1..90 {
        let mut w = World::<D>::family(1, &["", REPLICA]);
        let (c, r) = (w.client(0), w.client(1));
        w.ask(c, "SET a 0\nSET b 0");
        w.send(c, "MULTI\nINCR a\nINCR b\nEXEC");
        while w.in_flight(0, 1).is_empty() {
            w.steps(1);
        }
        w.tamper(0, 1, |bytes| bytes.truncate(cut_at));
        w.hosts[0].unreachable = true;
        w.advance(10);
        w.cut(0, 1);
        let seen = w.ask(r, "GET a\nGET b");
        assert!(seen == "0 | 0" || seen == "1 | 1", "cut at {cut_at}: {seen}");
        w.hosts[0].unreachable = false;
        w.advance(3_000);
        assert_eq!(w.ask(r, "GET a\nGET b"), "1 | 1");
        assert_agree(&mut w);
        assert_eq!(w.count(1, |e| matches!(e, What::SnapshotLoaded { .. })), 1, "a partial resync is enough");
    }
}

fn a_promotion_in_the_middle_of_a_transaction_forgets_it<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    w.ask(c, "SET a 0\nSET b 0");
    w.send(c, "MULTI\nINCR a\nINCR b\nEXEC");
    while w.in_flight(0, 1).is_empty() {
        w.steps(1);
    }
    w.tamper(0, 1, |bytes| bytes.truncate(bytes.len() - 5));
    w.run();
    assert_eq!(w.ask(r, "REPLICAOF NO ONE\nGET a\nINCR b"), "OK | 0 | 1");
    // The old master has written what the new one never applied: it begins anew.
    w.ask(c, "REPLICAOF 127.0.0.1 7001");
    w.advance(3_000);
    assert_agree(&mut w);
    assert_eq!(w.ask(c, "GET a\nGET b"), "0 | 1");
}

/// A master that a test plays by hand: a client of node 0's that took PSYNC is not enough, so node 1 follows node 0,
/// and words are put into its stream.
fn inject<D: Make>(w: &mut World<D>, c: Who, args: &[&str]) {
    w.send(c, "PUBLISH none none");
    while w.in_flight(0, 1).is_empty() {
        w.steps(1);
    }
    let frame = Command::new(args).frame().to_vec();
    w.tamper(0, 1, |bytes| bytes.clone_from(&frame));
    w.run();
}

fn faults<D: Make>(w: &World<D>, stopped: bool) -> usize {
    w.count(1, |e| matches!(e, What::StreamFault { stopped: s, .. } if *s == stopped))
}

fn a_stream_that_cannot_be_applied_stops_loudly<D: Make>() {
    let mut w = World::<D>::family(1, &["", REPLICA]);
    let (c, r) = (w.client(0), w.client(1));
    w.ask(c, "SET a 1");
    inject(&mut w, c, &["NOSUCH", "x"]);
    assert_eq!(faults(&w, false), 1);
    assert_eq!(
        w.logged(1, "== CRITICAL == This replica is sending an error to its master: 'ERR unknown command 'NOSUCH'"),
        1,
        "{}",
        w.log(1)
    );
    w.advance(3_000);
    assert_eq!(w.count(1, |e| matches!(e, What::SnapshotLoaded { .. })), 2, "a full resync mends it");
    assert_agree(&mut w);
    // The second time within minutes nobody tries again by himself.
    inject(&mut w, c, &["SAVE"]);
    assert_eq!((faults(&w, false), faults(&w, true)), (1, 1));
    let connects = w.hosts[1].connects;
    w.advance(60_000);
    assert_eq!(w.hosts[1].connects, connects);
    assert_eq!(w.info(1, "master_link_status"), "down");
    assert_eq!(w.ask(r, "GET a"), "1", "what is there is served");
    // Until somebody says so.
    assert_eq!(w.ask(r, "REPLICAOF 127.0.0.1 7000"), "OK");
    w.advance(3_000);
    assert_agree(&mut w);
    assert_eq!(w.info(1, "master_link_status"), "up");
}

fn a_command_that_fails_stops_the_stream<D: Make>() {
    for bad in [&["INCR", "text"][..], &["GET"], &["SELECT", "99"], &["EXEC"], &["SET", "a"], &["SHUTDOWN"]] {
        let mut w = World::<D>::family(1, &["", REPLICA]);
        let c = w.client(0);
        w.ask(c, "SET text x");
        let at = w.hosts[1].node.position();
        inject(&mut w, c, bad);
        assert_eq!(faults(&w, false), 1, "{bad:?}: {}", w.log(1));
        assert_eq!(w.hosts[1].node.position(), at, "{bad:?}: nothing of it was acknowledged");
        assert_eq!(w.hosts[1].exit, None);
        w.advance(3_000);
        assert_agree(&mut w);
    }
}

/// The master holds more databases than the replica, so its snapshot reads well and cannot be taken.
fn a_spooled_snapshot_that_the_dataset_refuses_keeps_the_old_one<D: Make>() {
    let mut w = World::<D>::family(5, &["--databases 8", "--databases 2 --repl-diskless-load disabled"]);
    let (c, r) = (w.client(0), w.client(1));
    w.ask(c, "SET a 1\nSELECT 5\nSET b 2");
    w.ask(r, "SET old 1");
    let before = w.digest(1);
    w.ask(r, "REPLICAOF 127.0.0.1 7000");
    w.advance(5_000);
    assert_eq!(w.digest(1), before, "{}", w.log(1));
    assert!(w.logged(1, "raise the directive 'databases'") >= 1, "{}", w.log(1));
    assert!(w.hosts[1].files.is_empty(), "what was spooled is gone");
}

fn keys_of_a_database_that_is_not_there_are_no_snapshot<D: Make>() {
    let (mut w, _) = World::<D>::one("--databases 2");
    let mut body = Body::new(Options::default());
    body.string(5, b"k", None, b"v");
    let mut writer = Writer::new(Writer::MIN_VERSION, true);
    writer.absorb(&mut body);
    writer.finish();
    let mut chunks = primacy_core::machine::Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    w.hosts[0].files.insert("dump.rdb".into(), chunks.concat());
    w.restart(0);
    assert_eq!(w.hosts[0].exit, Some(1));
    assert_eq!(w.logged(0, "raise the directive 'databases'"), 1, "{}", w.log(0));
}
