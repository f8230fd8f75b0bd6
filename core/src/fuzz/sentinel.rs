//! A sentinel among servers, sentinels and clients that say anything, at any time.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::door::Door;
use super::input::Draw;
use crate::config::sentinel::SentinelConfig;
use crate::ids::ConnId;
use crate::machine::{Input, Job, JobError, JobErrorKind, NoMeter, Outcome, Usage};
use crate::node::About;
use crate::sentinel::{Files, MAX_PEERS, MAX_REPLICAS, Sentinel};

const CONF: &str = "port 26379\nsentinel myid aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nsentinel resolve-hostnames yes\n\
    sentinel monitor m 10.0.0.1 6379 2\nsentinel down-after-milliseconds m 1000\nsentinel failover-timeout m 5000\n\
    sentinel known-replica m 10.0.0.2 6379\nsentinel known-replica m replica.example 6379\n\
    sentinel known-sentinel m 10.0.0.3 26379 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n\
    sentinel known-sentinel m 10.0.0.4 26379 cccccccccccccccccccccccccccccccccccccccc\n\
    sentinel monitor n 10.0.0.1 6380 1\nsentinel rename-command n CONFIG renamed\nsentinel auth-pass n secret\n";

/// What a client may say.
const SAYS: [&str; 16] = [
    "SENTINEL MASTERS\r\n",
    "SENTINEL FAILOVER m\r\n",
    "SENTINEL FAILOVER m COORDINATED\r\n",
    "SENTINEL RESET *\r\n",
    "SENTINEL REMOVE n\r\n",
    "SENTINEL MONITOR n 10.0.0.9 6380 1\r\n",
    "SENTINEL SET m down-after-milliseconds 100 quorum 1\r\n",
    "SENTINEL EXPLAIN m\r\n",
    "SENTINEL CKQUORUM m\r\nSENTINEL INFO-CACHE\r\nINFO\r\nROLE\r\n",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 3 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 9 cccccccccccccccccccccccccccccccccccccccc\r\n",
    "SENTINEL FLUSHCONFIG\r\n",
    "SENTINEL FORGET-SENTINEL m bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
    "SUBSCRIBE +sdown\r\n",
    "PSUBSCRIBE *\r\n",
    "SENTINEL SIMULATE-FAILURE help\r\n",
];

/// Operations, decoded one after another. The last byte says whether there are files, and whether it is done twice to see
/// that the same inputs give the same outputs.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let settings = draw.last();
    let trace = play(draw, settings);
    if settings & 6 == 6 {
        assert_eq!(trace, play(draw, settings), "law 6: the same inputs, another run");
    }
}

fn play(mut draw: Draw<'_>, settings: u8) -> u64 {
    let config = SentinelConfig::parse("seed", CONF).expect("it is sound");
    let files = match settings & 1 {
        0 => Files::default(),
        _ => Files { config: Some("sentinel.conf".into()), state: Some("state".into()) },
    };
    let sentinel = Sentinel::new(config, files, [7; 32], Box::new(NoMeter), About::default());
    let mut play = Play { door: Door::new(sentinel), epoch: 0, configs: [0; 2] };
    play.door.feed(Input::Tick);
    play.jobs(true);
    while !draw.is_empty() && play.door.exit.is_none() {
        play.op(&mut draw);
        play.hold();
    }
    if play.door.exit.is_none() {
        let config = play.door.machine.as_config();
        let again = SentinelConfig::parse("rewritten", &config.rewrite("")).expect("what is written can be read");
        assert_eq!(again.masters.len(), config.masters.len(), "a master is lost on the way to the file");
    }
    play.door.trace
}

struct Play {
    door: Door<Sentinel>,
    epoch: u64,
    configs: [u64; 2],
}

impl Play {
    fn op(&mut self, draw: &mut Draw<'_>) {
        match draw.byte() % 16 {
            0 | 1 => self.door.pass(draw.one(&[1_000, 130_000, 1_100_000, 12_000_000])),
            2 => {
                self.door.now_us = self.door.now_us.saturating_add(5_000_000);
                self.door.pass(1);
            }
            3 => self.each_waiting(draw.byte()),
            4 => {
                if let Some(conn) = self.some(draw) {
                    self.door.end(conn, draw.byte().is_multiple_of(2));
                }
            }
            5 => drop(self.door.accept()),
            6 | 7 => {
                let says = draw.one(&SAYS);
                if let Some(conn) = self.client(draw) {
                    self.door.receive(conn, says.as_bytes());
                }
            }
            8 => self.jobs(!draw.byte().is_multiple_of(4)),
            9 => self.door.late(),
            10 => {
                let n = draw.below(40);
                let bytes = draw.take(n);
                if let Some(conn) = self.some(draw) {
                    self.door.receive(conn, bytes);
                }
            }
            11 => self.door.jump(i64::from(draw.byte()) * 1_000 - 100_000),
            // What servers and sentinels answer, in the usual order and otherwise.
            _ => {
                let answer = answer(draw);
                if let Some(conn) = self.ours(draw) {
                    self.door.receive(conn, answer.as_bytes());
                }
            }
        }
        for conn in self.door.conns.keys().copied().collect::<Vec<_>>() {
            while !self.door.send(conn, 1 << 16).is_empty() {}
        }
    }

    fn pick(&self, draw: &mut Draw<'_>, which: impl Fn(&ConnId) -> bool) -> Option<ConnId> {
        let list: Vec<ConnId> = self.door.conns.keys().copied().filter(which).collect();
        (!list.is_empty()).then(|| list[draw.below(list.len())])
    }

    fn some(&self, draw: &mut Draw<'_>) -> Option<ConnId> {
        self.pick(draw, |_| true)
    }

    fn ours(&self, draw: &mut Draw<'_>) -> Option<ConnId> {
        self.pick(draw, |c| c.is_opened())
    }

    fn client(&self, draw: &mut Draw<'_>) -> Option<ConnId> {
        self.pick(draw, |c| !c.is_opened())
    }

    /// Connections that are on their way stand, or do not, by the bits of a byte.
    fn each_waiting(&mut self, bits: u8) {
        let waiting: Vec<ConnId> = self.door.conns.iter().filter(|(_, l)| !l.up).map(|(&c, _)| c).collect();
        for (i, conn) in waiting.into_iter().enumerate() {
            self.door.connected(conn, bits >> (i % 8) & 1 == 0);
        }
    }

    /// All jobs end, well or not.
    fn jobs(&mut self, ok: bool) {
        for _ in 0..64 {
            let Some((op, job)) = self.door.jobs.pop_front() else { return };
            let failed = |kind| Outcome::Failed(JobError { kind, message: "as the fuzzer wants".into() });
            let result = match &job {
                Job::Listen { at, .. } => Outcome::Listening(at.clone()),
                Job::Read { .. } => failed(if ok { JobErrorKind::NotFound } else { JobErrorKind::Denied }),
                _ if !ok => failed(JobErrorKind::Other),
                Job::Resolve { .. } => Outcome::Resolved([IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))].into()),
                Job::Usage => Outcome::Usage(Usage::default()),
                Job::LoadTls { .. } => Outcome::Loaded,
                Job::Script { .. } => Outcome::Exited { code: Some(0), signal: None },
                _ => Outcome::Written,
            };
            self.door.done(op, &job, result);
        }
    }

    /// What holds after every operation.
    fn hold(&mut self) {
        let s = &self.door.machine;
        assert!(s.epoch() >= self.epoch, "the epoch went back");
        self.epoch = s.epoch();
        for (name, last) in ["m", "n"].into_iter().zip(&mut self.configs) {
            let Some(group) = s.group(name) else {
                *last = 0;
                continue;
            };
            // A master that was removed and is watched again begins anew.
            assert!(name == "n" || group.config_epoch >= *last, "a configuration epoch went back");
            *last = group.config_epoch;
            assert!(
                group.replicas.len() <= MAX_REPLICAS && group.peers.len() <= MAX_PEERS,
                "instances without a bound"
            );
        }
        self.door.events.clear();
    }
}

/// An answer of a server or a sentinel, with lies.
fn answer(draw: &mut Draw<'_>) -> String {
    let id = ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc", "dddddddddd"][draw.below(4)].repeat(4);
    let host = draw.one(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "replica.example", "10.0.0.7"]);
    let port = draw.one(&["6379", "6380", "26379", "0"]);
    let epoch = draw.one(&["0", "1", "2", "3", "9", "4294967296", "9223372036854775807", "18446744073709551615"]);
    match draw.below(12) {
        0..3 => "+PONG\r\n".into(),
        3 => draw.one(&["-LOADING x\r\n", "-BUSY x\r\n", "-MISCONF x\r\n", "-NOAUTH x\r\n"]).into(),
        4 => "+OK\r\n+QUEUED\r\n+QUEUED\r\n".into(),
        5..8 => {
            let role = match draw.below(3) {
                0 => format!(
                    "role:master\r\nslave0:ip={host},port={port},state=online\r\nmaster_failover_state:no-failover\r\n"
                ),
                1 => format!("role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:up\r\n"),
                _ => format!("role:slave\r\nmaster_host:{host}\r\nmaster_port:6379\r\nslave_priority:0\r\n"),
            };
            let text = format!("run_id:{id}\r\n{role}slave_repl_offset:{epoch}\r\n");
            format!("${}\r\n{text}\r\n", text.len())
        }
        8 => format!("*3\r\n:1\r\n$40\r\n{id}\r\n:{}\r\n", epoch.trim_start_matches("1844")),
        9 => "*3\r\n:1\r\n$1\r\n*\r\n:0\r\n".into(),
        10 => "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n".into(),
        _ => {
            let master = draw.one(&["10.0.0.1,6379", "10.0.0.2,6379", "10.0.0.7,1"]);
            let text = format!("{host},{port},{id},{epoch},m,{master},{epoch}");
            format!("*3\r\n$7\r\nmessage\r\n$18\r\n__sentinel__:hello\r\n${}\r\n{text}\r\n", text.len())
        }
    }
}
