//! What the simulated world found, each as small as it can be told.

use core::time::Duration;

use super::super::follower::FollowerConfig;
use super::super::replica::{self, Replica, ReplicaConfig};
use super::super::source::{Answer, Event, Limit, SnapshotKind, SourceConfig};
use super::{Bare, config, told};
use crate::ids::ConnId;
use crate::machine::{Action, Actions, Endpoint, Input, Job, JobError, JobErrorKind, Machine, Outcome, Turn};
use crate::rdb::ReaderLimits;
use crate::resp::Command;
use crate::time::{Instant, Now};

#[test]
fn a_name_that_cannot_be_resolved_leaves_nothing_to_cancel() {
    let config = ReplicaConfig {
        follower: FollowerConfig::default(),
        acknowledge_at_once: true,
        limits: ReaderLimits::default(),
    };
    let mut replica = Replica::new(config, [1; 32]);
    let mut out = Actions::new();
    let follow = replica::Call::Follow { host: "nowhere".into(), port: 1, resume: None };
    replica.handle(Now::default(), Input::Call(follow), &mut out);
    let job = out.drain().find_map(|a| match a {
        Action::Start { op, job: Job::Resolve { .. } } => Some(op),
        _ => None,
    });
    let error = JobError { kind: JobErrorKind::NoSuchHost, message: "no such host".into() };
    replica.handle(Now::default(), Input::Done { op: job.unwrap(), result: Outcome::Failed(error) }, &mut out);
    assert!(!out.iter().any(|a| matches!(a, Action::Cancel { .. })), "{out:?}");
    assert!(replica.deadline().is_some(), "it is tried again");
}

#[test]
fn a_file_that_nobody_waits_for_any_more_holds_no_log() {
    let mut b = Bare::new();
    b.with(|s, cx| s.configure(SourceConfig { output_hard: 3000, ..config(true) }, cx));
    b.source.keep_log();
    b.begin_snapshot(1, SnapshotKind::File);
    b.source.append(None, &[b'x'; 2500]);
    b.with(super::super::Source::settle);
    assert_eq!(b.source.log().history(), 2500, "who waits for the file, or joins it, needs all since it began");
    b.source.append(None, &[b'x'; 1000]);
    b.with(super::super::Source::settle);
    assert_eq!(told(&b, |e| matches!(e, Event::OutputLimit { limit: Limit::Hard, .. })), 1);
    // The host has not heard of it yet, and may take a while to end the file.
    assert!(b.source.snapshot_under_way().is_some());
    assert_eq!(b.source.log().history(), 2000, "the backlog alone");
}

impl Bare {
    /// The same as `with`, so many ms later.
    fn at<R>(
        &mut self,
        ms: u64,
        f: impl FnOnce(&mut super::super::Source, &mut Turn<'_, super::super::source::Timer, super::super::Event>) -> R,
    ) -> R {
        let now = Now::new(Instant::ZERO + Duration::from_millis(ms), 0);
        let (timers, out, ids, rng) = (&mut self.timers, &mut self.out, &mut self.ids, &mut self.rng);
        f(&mut self.source, &mut Turn { now, timers, out, ids, rng })
    }

    fn say(&mut self, ms: u64, n: u64, words: &[&str]) {
        let (conn, command) = (ConnId::accepted(n), Command::new(words));
        let answer = self.at(ms, |s, cx| s.replconf(conn, command.args(), cx));
        assert!(matches!(answer, Answer::Ok | Answer::Silent), "{answer:?}");
    }

    /// A replica that listens on `port` goes on from offset 0 and acknowledges it.
    fn join(&mut self, ms: u64, n: u64, port: &str) {
        self.say(ms, n, &["REPLCONF", "listening-port", port, "capa", "psync2"]);
        let psync = Command::new(&["PSYNC", self.source.id().as_str(), "1"]);
        let from = Endpoint::Tcp("10.0.0.9:5000".parse().unwrap());
        self.at(ms, |s, cx| s.psync(ConnId::accepted(n), from, psync.args(), cx)).unwrap();
    }
}

#[test]
fn a_replica_that_came_back_on_another_connection_counts_once() {
    let mut b = Bare::new();
    b.source.keep_log();
    b.join(10, 1, "7000");
    b.source.append(None, b"*1\r\n$4\r\nping\r\n");
    b.say(20, 1, &["REPLCONF", "ACK", "14"]);
    assert_eq!(b.source.acked(14), 1);
    // Its power failed: nobody closed the first connection.
    b.join(100, 2, "7000");
    b.say(110, 2, &["REPLCONF", "ACK", "14"]);
    assert_eq!((b.source.acked(14), b.source.replica_count()), (1, 2));
    // Another port is another replica.
    b.join(120, 3, "7001");
    b.say(130, 3, &["REPLCONF", "ACK", "14"]);
    assert_eq!(b.source.acked(14), 2);
    // Two that hide behind one address and port, and are both alive, are two.
    b.say(140, 1, &["REPLCONF", "ACK", "14"]);
    assert_eq!(b.source.acked(14), 3);
}
