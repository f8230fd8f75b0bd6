//! A scrape: the whole page of a node whose every command was called, and of a sentinel that watches 400 masters; and the
//! longest of its slices, which is for how long others wait at most.
#![allow(missing_docs, reason = "what criterion_group! makes has no documentation")]

use core::fmt::Write as _;
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant as Clock;

use criterion::{Criterion, criterion_group, criterion_main};
use primacy_core::config::Config;
use primacy_core::config::sentinel::SentinelConfig;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Endpoint, Job, NoMeter, Outcome};
use primacy_core::node::{About, Node};
use primacy_core::resp::{Command, Replies, ReplyLimits};
use primacy_core::sentinel::{Files, Sentinel};
use primacy_core::time::{Instant, Now};
use primacy_core::{Action, Actions, Chunks, Input, Machine};

/// A machine whose jobs are done at once.
struct Served<M: Machine> {
    machine: M,
    out: Actions<M::Event>,
    metrics: Option<OpId>,
    clients: Option<OpId>,
    closed: bool,
    came: u64,
}

fn here() -> Endpoint {
    Endpoint::Unix("".into())
}

impl<M: Machine> Served<M> {
    fn new(machine: M) -> Self {
        let mut served = Self { machine, out: Actions::new(), metrics: None, clients: None, closed: false, came: 0 };
        served.feed(Input::Tick);
        served
    }

    fn feed(&mut self, input: Input<'_, M::Call>) {
        let now = Now { mono: Instant::from_micros(1), unix_ms: 1 };
        self.machine.handle(now, input, &mut self.out);
        let actions: Vec<_> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Start { op, job } => {
                    let result = match job {
                        Job::Listen { at, .. } => {
                            let metrics = at.tcp().is_some_and(|a| a.port() == 9121);
                            *(if metrics { &mut self.metrics } else { &mut self.clients }) = Some(op);
                            Outcome::Listening(at)
                        }
                        Job::Stat { .. } => Outcome::Stat(None),
                        _ => Outcome::Written,
                    };
                    self.feed(Input::Done { op, result });
                }
                Action::Close { .. } => self.closed = true,
                _ => {}
            }
        }
    }

    fn accept(&mut self, listener: Option<OpId>) -> ConnId {
        self.came += 1;
        let conn = ConnId::accepted(self.came);
        let listener = listener.expect("it listens");
        self.feed(Input::Accepted { conn, listener, local: here(), peer: here(), tls: false });
        conn
    }

    fn take(&mut self, conn: ConnId) -> Vec<u8> {
        let mut chunks = Chunks::new();
        self.machine.transmit(conn, 1 << 20, &mut chunks);
        let (bytes, len) = (chunks.concat(), chunks.bytes());
        drop(chunks);
        if len > 0 {
            self.feed(Input::Sent { conn, len });
        }
        bytes
    }

    /// One whole page: its bytes, and the longest that one input took.
    fn scrape(&mut self) -> (usize, Duration) {
        let conn = self.accept(self.metrics);
        let (mut len, mut longest) = (0, Duration::ZERO);
        self.closed = false;
        let begun = Clock::now();
        self.feed(Input::Received { conn, bytes: b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" });
        longest = longest.max(begun.elapsed());
        while !self.closed {
            let begun = Clock::now();
            len += self.take(conn).len();
            longest = longest.max(begun.elapsed());
        }
        (len, longest)
    }
}

fn node() -> Served<Node<Keyspace>> {
    let (seed, mut config) = ([7; 32], Config::new());
    config.set(&[(&b"metrics-port"[..], &b"9121"[..])]).expect("it is known");
    let node = Node::new(config, Keyspace::new(16, seed), seed, Box::new(NoMeter), About::default());
    let mut served = Served::new(node);
    let conn = served.accept(served.clients);
    served.feed(Input::Received { conn, bytes: b"COMMAND LIST\r\n" });
    let bytes = served.take(conn);
    let mut parser = Replies::new(ReplyLimits::default());
    let names = parser.next(&mut &bytes[..]).expect("it is an answer").expect("and whole");
    for name in names.as_array().expect("of names").iter().filter_map(|n| n.as_bytes()) {
        // A client for each: some end their connection, or wait.
        let conn = served.accept(served.clients);
        served.feed(Input::Received { conn, bytes: Command::new(&[name, b"k", b"1"]).frame() });
        served.take(conn);
        served.feed(Input::Closed { conn, reason: primacy_core::machine::Closed::Clean });
    }
    served
}

fn sentinel() -> Served<Sentinel> {
    let mut conf = String::from("port 26379\nmetrics-port 9121\n");
    for m in 0..400 {
        let (a, b) = (m / 200, m % 200);
        let _ = writeln!(conf, "sentinel monitor master-{m} 10.{a}.{b}.1 6379 2");
        for r in [2, 3] {
            let _ = writeln!(conf, "sentinel known-replica master-{m} 10.{a}.{b}.{r} 6379");
        }
        for s in [1, 2] {
            let _ = writeln!(conf, "sentinel known-sentinel master-{m} 10.9.9.{s} 26379 {s:040}");
        }
    }
    let config = SentinelConfig::parse("bench", &conf).expect("it is sound");
    Served::new(Sentinel::new(config, Files::default(), [7; 32], Box::new(NoMeter), About::default()))
}

fn scrapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scrape");
    let (mut node, mut sentinel) = (node(), sentinel());
    for (name, (len, longest)) in [("node", node.scrape()), ("sentinel", sentinel.scrape())] {
        println!("{name}: {len} bytes, the longest slice {longest:?}");
    }
    group.bench_function("node", |b| b.iter(|| black_box(node.scrape())));
    group.bench_function("sentinel_of_400", |b| b.iter(|| black_box(sentinel.scrape())));
    group.finish();
}

criterion_group!(benches, scrapes);
criterion_main!(benches);
