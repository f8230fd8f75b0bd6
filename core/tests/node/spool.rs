//! A replica that takes its master's snapshot by way of its own disk, and a disk that stands still or fails.

use primacy_core::node::What;

use crate::support::host::{Make, World};

use super::replication::{assert_agree, fill, full};

over_both! {
    a_disk_that_stands_still_for_minutes_costs_nothing_but_time
    a_disk_that_fails_in_the_middle_keeps_the_old_dataset
    a_disk_that_stood_still_and_fails_then_is_one_fault
}

const MB: usize = 1 << 20;
/// What may wait for a disk, as `node::spool` has it, and the read that goes beyond it.
const HELD_MAX: usize = 64 * MB + (1 << 16);

/// A master with `mb` values of 1 MB, and somebody with ten keys of its own and a pipe of bounded length, who is told to
/// follow now.
fn spooling<D: Make>(mb: usize) -> World<D> {
    let (master, replica) =
        ("--repl-timeout 10 --rdbcompression no", "--repl-timeout 10 --repl-diskless-load disabled");
    let mut w = World::<D>::family(1, &[master, replica]);
    let (c, r) = (w.client(0), fill(&mut w, 1, 10));
    for i in 0..mb {
        assert_eq!(w.ask(c, &format!("SET large:{i} {}", "x".repeat(MB))), "OK");
    }
    w.pipe = MB;
    w.send(r, "REPLICAOF 127.0.0.1 7000");
    w
}

/// Why snapshots were given up.
fn faults<D: Make>(w: &World<D>) -> Vec<String> {
    let why = |e: &What| if let What::SnapshotFault { why } = e { Some(why.to_string()) } else { None };
    w.hosts[1].events.iter().filter_map(|e| why(&e.what)).collect()
}

fn spooled<D: Make>(w: &World<D>) -> usize {
    w.hosts[1].files.values().map(Vec::len).sum()
}

fn a_disk_that_stands_still_for_minutes_costs_nothing_but_time<D: Make>() {
    let mut w = spooling::<D>(80);
    w.hosts[1].disk_slow = true;
    let before = w.digest(1);
    let mut waiting = vec![];
    for _ in 0..30 {
        w.advance(10_000);
        waiting.push(w.unwritten(1));
        let incoming: usize = w.info(1, "snapshot_incoming_bytes").parse().unwrap();
        assert!(*waiting.last().unwrap() <= incoming && incoming <= HELD_MAX, "{incoming} bytes: {}", w.log(1));
        // It serves what it has.
        assert_eq!((w.digest(1), w.info(1, "loading")), (before.clone(), "0".into()));
    }
    // It reads on slowly, for a master that counts only what is taken; then no more.
    assert!((10 * MB..30 * MB).contains(&waiting[0]), "{waiting:?}");
    assert!(waiting[10] > 60 * MB && waiting[10] == waiting[29], "{waiting:?}");
    // It said that it lives, and was believed for thirty times repl-timeout.
    assert_eq!((w.info(0, "sync_full"), w.info(0, "connected_slaves")), ("1".into(), "1".into()), "{}", w.log(0));
    assert_eq!(w.hosts[1].connects, 1, "{}", w.log(1));
    assert_eq!((faults(&w).len(), spooled(&w)), (0, 0));
    w.hosts[1].disk_slow = false;
    w.advance(3000);
    assert_agree(&mut w);
    assert_eq!((full(&w, 1), w.hosts[1].connects), (1, 1));
    assert!(w.hosts[1].files.is_empty(), "what was spooled is removed");
}

fn a_disk_that_fails_in_the_middle_keeps_the_old_dataset<D: Make>() {
    let mut w = spooling::<D>(8);
    for _ in 0..10_000 {
        if spooled(&w) < 4 * MB {
            w.advance(1);
        }
    }
    assert!((4 * MB..8 * MB).contains(&spooled(&w)), "{} bytes: {}", spooled(&w), w.log(1));
    let before = w.digest(1);
    w.hosts[1].disk_full = true;
    w.advance(100);
    assert_eq!(faults(&w), ["no space left on the device"], "{}", w.log(1));
    assert!(w.hosts[1].files.is_empty(), "what was spooled is removed");
    assert_eq!((w.digest(1), w.info(1, "master_link_status")), (before.clone(), "down".into()));
    // It tries again, with the same result.
    w.advance(5000);
    let faults = faults(&w);
    assert!(faults.len() >= 3 && faults.iter().all(|why| why == "no space left on the device"), "{faults:?}");
    assert!(w.hosts[1].files.is_empty() && w.digest(1) == before, "{}", w.log(1));
    w.hosts[1].disk_full = false;
    w.advance(5000);
    assert_agree(&mut w);
    assert_eq!((full(&w, 1), w.hosts[1].files.len()), (1, 0));
}

fn a_disk_that_stood_still_and_fails_then_is_one_fault<D: Make>() {
    // All of it has come, or a part.
    for (mb, wait) in [(2, 2 * MB), (16, 5 * MB)] {
        let mut w = spooling::<D>(mb);
        w.hosts[1].disk_slow = true;
        w.advance(3000);
        let before = w.digest(1);
        assert!(w.unwritten(1) > wait, "several writes are under way");
        (w.hosts[1].disk_slow, w.hosts[1].disk_full) = (false, true);
        w.run();
        assert_eq!(faults(&w), ["no space left on the device"], "{}", w.log(1));
        assert!(w.hosts[1].files.is_empty() && w.digest(1) == before, "{}", w.log(1));
        assert_eq!(w.count(1, |e| matches!(e, What::LoadingSnapshot { .. })), 0, "{}", w.log(1));
        w.hosts[1].disk_full = false;
        w.advance(5000);
        assert_agree(&mut w);
        assert_eq!((full(&w, 1), w.hosts[1].files.len()), (1, 0));
    }
}
