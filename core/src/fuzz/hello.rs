//! Hellos that may be anything, said to a sentinel by a client.

use alloc::boxed::Box;
use alloc::string::ToString;

use super::door::Door;
use super::input::is_line;
use crate::config::sentinel::SentinelConfig;
use crate::machine::{Input, Job, NoMeter, Outcome};
use crate::node::About;
use crate::resp::Command;
use crate::sentinel::{CHANNEL, Files, Hello, MAX_LEAD, MAX_PEERS, Sentinel};

/// What the sentinel watches.
const CONF: &str = "port 26379\nsentinel monitor m 10.0.0.1 6379 2\nsentinel known-replica m 10.0.0.2 6379\n\
                    sentinel myid aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";

/// Each line is a hello: read and written again to the same, and taken in by a sentinel, which believes no epoch that
/// cannot be, and whose configuration stays one that can be read.
pub(super) fn run(data: &[u8]) {
    let config = SentinelConfig::parse("seed", CONF).expect("it is sound");
    let sentinel = Sentinel::new(config, Files::default(), [7; 32], Box::new(NoMeter), About::default());
    let mut door = Door::new(sentinel);
    door.feed(Input::Tick);
    while let Some((op, job)) = door.jobs.pop_front() {
        let result = match &job {
            Job::Listen { at, .. } => Outcome::Listening(at.clone()),
            _ => Outcome::Written,
        };
        door.done(op, &job, result);
    }
    let conn = door.accept().expect("it listens");
    for line in data.split(|&b| b == b'\n') {
        let hello = Hello::parse(line);
        if let Some(hello) = &hello {
            let text = hello.to_string();
            assert!(is_line(&text), "a hello of more than a line");
            assert_eq!(Hello::parse(text.as_bytes()).as_ref(), Some(hello), "written and read again");
        }
        let before = door.machine.epoch();
        let Some(group) = door.machine.group("m") else { return };
        let config_epoch = group.config_epoch;
        door.receive(conn, Command::new(&[b"PUBLISH", CHANNEL.as_bytes(), line]).frame());
        while !door.send(conn, 1 << 16).is_empty() {}
        let group = door.machine.group("m").expect("it is watched for ever");
        assert!(door.machine.epoch() >= before && group.config_epoch >= config_epoch, "an epoch went back");
        assert!(door.machine.epoch() <= before.saturating_add(MAX_LEAD), "an epoch that cannot be was believed");
        assert!(group.peers.len() <= MAX_PEERS, "sentinels without a bound");
        door.events.clear();
    }
    let text = door.machine.as_config().rewrite("");
    let again = SentinelConfig::parse("rewritten", &text).expect("what is written can be read");
    assert_eq!(again.masters, door.machine.as_config().masters, "what was learnt is read again");
}
