//! A replica that is slow to load says that it lives, and is believed.

use alloc::format;

use super::*;

/// Lets what the replica says reach the master, and nothing reach the replica.
fn replica_speaks(w: &mut World) -> usize {
    let Some((ours, theirs)) = w.link() else { return 0 };
    let mut chunks = Chunks::new();
    w.replica.transmit(ours, usize::MAX, &mut chunks);
    let said = chunks.concat();
    if !said.is_empty() {
        w.replica(Input::Sent { conn: ours, len: said.len() });
        w.master(Input::Received { conn: theirs, bytes: &said });
    }
    said.split(|b| *b == b'\n').count() - 1
}

/// A pair whose replica has stopped reading in the middle of its snapshot.
fn paused() -> World {
    let mut w = World::new(1, true);
    for i in 0..200 {
        w.set(0, &format!("key:{i}"), 10_000);
    }
    while w.replica.follower().progress().is_none_or(|p| p.read == 0) {
        if !w.flow() {
            w.pass(50);
        }
    }
    w.replica(Input::Call(replica::Call::Reading(false)));
    while w.produce() {}
    assert!(w.lines.iter().any(|l| l.writes.0), "the master has something that is not taken");
    w
}

#[test]
fn one_that_takes_nothing_of_its_snapshot_and_says_that_it_lives_is_kept() {
    let mut w = paused();
    let (link, mut newlines) = (w.link(), 0);
    for _ in 0..200 {
        w.pass(1000);
        newlines += replica_speaks(&mut w);
    }
    assert_eq!(w.link(), link, "200 s are more than three times repl-timeout");
    assert!((195..=201).contains(&newlines), "{newlines}: one a second");
    w.replica(Input::Call(replica::Call::Reading(true)));
    w.settle();
    assert_eq!(w.counts, (1, 0), "nothing began anew");
}

#[test]
fn one_that_takes_nothing_and_says_nothing_is_let_go() {
    let mut w = paused();
    let link = w.link();
    w.pass(59_000);
    assert_eq!(w.link(), link);
    w.pass(2_000);
    assert_ne!(w.link(), link, "it comes back on another one");
}
