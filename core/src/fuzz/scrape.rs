//! Bytes that may be anything on the metrics port of a sentinel.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::door::Door;
use super::input::Draw;
use crate::config::sentinel::SentinelConfig;
use crate::machine::{Endpoint, Input, Job, NoMeter, Outcome, Usage};
use crate::node::About;
use crate::sentinel::{Files, Sentinel};

const CONF: &str =
    "port 26379\nmetrics-port 9121\nsentinel monitor m 10.0.0.1 6379 2\nsentinel known-replica m 10.0.0.2 6379\n";
/// The longest answer to be: that sentinel's whole page.
const ANSWER_MAX: usize = 64 * 1024;

/// One connection says the bytes in pieces, and takes what it is answered in pieces: it gets one answer of HTTP or none,
/// and is gone within two times the patience, whatever it does. No client was there.
pub(super) fn run(data: &[u8]) {
    let config = SentinelConfig::parse("seed", CONF).expect("it is sound");
    let sentinel = Sentinel::new(config, Files::default(), [7; 32], Box::new(NoMeter), About::default());
    let mut door = Door::new(sentinel);
    door.feed(Input::Tick);
    work(&mut door);
    let port = |at: &Endpoint| at.tcp().is_some_and(|a| a.port() == 9121);
    let listener = door.listeners.iter().find(|(_, at)| port(at)).map(|(op, _)| *op).expect("it listens");
    let conn = door.accept_by(listener).expect("it is taken");
    let mut draw = Draw::new(data);
    let (piece, bite) = (usize::from(draw.last()) + 1, [1, 100, 5_000, 1 << 16, 0][usize::from(draw.last()) % 5]);
    let mut heard = Vec::new();
    while !draw.is_empty() && door.receive(conn, draw.take(piece)) {
        work(&mut door);
        heard.extend(take(&mut door, conn, bite));
    }
    if data.len().is_multiple_of(3) {
        door.end(conn, data.len().is_multiple_of(2));
    }
    // One who takes nothing any more, or little, is not waited for.
    for _ in 0..12 {
        door.pass(1_000_000);
        work(&mut door);
        heard.extend(take(&mut door, conn, bite));
    }
    assert!(!door.conns.contains_key(&conn), "a connection stays for ever");
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 ") || heard.len() < 9, "an answer that is no HTTP");
    assert!(heard.len() <= ANSWER_MAX, "an answer of {} bytes", heard.len());
    door.late();
}

/// Ends the jobs that were begun.
fn work(door: &mut Door<Sentinel>) {
    while let Some((op, job)) = door.jobs.pop_front() {
        let result = match &job {
            Job::Listen { at, .. } => Outcome::Listening(at.clone()),
            Job::Usage => Outcome::Usage(Usage::default()),
            _ => Outcome::Written,
        };
        door.done(op, &job, result);
    }
}

/// Takes what there is, in `bite`s; nothing at all for 0.
fn take(door: &mut Door<Sentinel>, conn: crate::ids::ConnId, bite: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while bite > 0 && all.len() <= ANSWER_MAX {
        let bytes = door.send(conn, bite);
        if bytes.is_empty() {
            break;
        }
        all.extend(bytes);
    }
    all
}
