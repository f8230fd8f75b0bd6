//! Acknowledgements to a master that wants to hear at once.

use super::*;

/// The offset that the replica acknowledged, that of the master, and the lag.
fn told(w: &World) -> (u64, u64, Option<Duration>) {
    let source = w.master.source();
    let row = source.replicas(w.now.mono).next().unwrap();
    (row.offset, source.offset(), row.lag)
}

#[test]
fn a_master_of_our_own_hears_at_once_and_at_most_every_five_milliseconds() {
    let mut w = World::new(5, true);
    w.set(0, "first", 10);
    w.settle();
    // The stream selects its database: that is a command of its own, and acknowledged as one.
    w.set(0, "second", 10);
    w.settle();
    w.pass(100);
    w.set(0, "a", 10);
    while w.flow() {}
    let (acked, offset, lag) = told(&w);
    assert_eq!(acked, offset, "at once");
    assert!(lag.is_some_and(|lag| lag < Duration::from_millis(2)), "{lag:?}");
    w.set(0, "b", 10);
    while w.flow() {}
    let (acked, offset, _) = told(&w);
    assert!(acked < offset, "within the same moment");
    w.pass(5);
    while w.flow() {}
    let (acked, offset, _) = told(&w);
    assert_eq!(acked, offset, "when five milliseconds are over");
    // Nothing is said where nothing is new.
    w.pass(400);
    assert!(w.lines.iter().all(|l| !l.writes.1));
}

#[test]
fn a_replica_that_says_nothing_falls_behind_by_the_clock() {
    let mut w = World::new(6, true);
    w.set(0, "first", 10);
    w.settle();
    w.pass(100);
    w.lines.iter_mut().for_each(|l| l.reads = false);
    w.set(0, "a", 10);
    for ms in [100, 2000] {
        w.pass(ms);
        while w.flow() {}
    }
    let lag = told(&w).2.unwrap();
    assert!(lag >= Duration::from_millis(2080) && lag <= Duration::from_millis(2100), "{lag:?}");
}
