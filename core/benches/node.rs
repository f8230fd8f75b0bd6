//! A node behind its door: what a pipelined command costs from a client's bytes to its reply, and what a message costs
//! with so many who listen.
#![allow(missing_docs, reason = "what criterion_group! makes has no documentation")]

use core::net::{Ipv4Addr, SocketAddr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::config::Config;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Endpoint, Job, NoMeter, Outcome};
use primacy_core::node::{About, Call, Event, Node};
use primacy_core::time::{Instant, Now};
use primacy_core::{Action, Actions, Chunks, Input, Machine};

const PIPELINE: u64 = 1000;

struct Served {
    node: Node<Keyspace>,
    now: Now,
    out: Actions<Event>,
    chunks: Chunks,
}

fn address(port: u16) -> Endpoint {
    Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

impl Served {
    fn new() -> Self {
        let seed = [7; 32];
        let node = Node::new(Config::new(), Keyspace::new(16, seed), seed, Box::new(NoMeter), About::default());
        let mut served = Self {
            node,
            now: Now { mono: Instant::from_micros(1), unix_ms: 1 },
            out: Actions::new(),
            chunks: Chunks::new(),
        };
        served.feed(Input::Tick);
        served
    }

    /// Feeds one input and answers the jobs that it begins: there are no files, and every listener stands.
    fn feed(&mut self, input: Input<'_, Call>) {
        self.node.handle(self.now, input, &mut self.out);
        loop {
            let jobs: Vec<(OpId, Job)> = self
                .out
                .drain()
                .filter_map(|action| match action {
                    Action::Start { op, job } => Some((op, job)),
                    _ => None,
                })
                .collect();
            if jobs.is_empty() {
                return;
            }
            for (op, job) in jobs {
                let result = match job {
                    Job::Listen { at, .. } => Outcome::Listening(at),
                    Job::Stat { .. } => Outcome::Stat(None),
                    _ => Outcome::Cancelled,
                };
                self.node.handle(self.now, Input::Done { op, result }, &mut self.out);
            }
        }
    }

    fn client(&mut self, n: u64) -> ConnId {
        let conn = ConnId::accepted(n);
        let listener = OpId::from_u64(1);
        self.feed(Input::Accepted { conn, listener, local: address(6379), peer: address(n as u16), tls: false });
        conn
    }

    /// Feeds a client's bytes and takes all that it is owed; how much that was.
    fn say(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        self.feed(Input::Received { conn, bytes });
        self.take(conn)
    }

    fn take(&mut self, conn: ConnId) -> usize {
        self.chunks.clear();
        self.node.transmit(conn, usize::MAX, &mut self.chunks);
        let len = self.chunks.bytes();
        self.feed(Input::Sent { conn, len });
        len
    }
}

fn commands(c: &mut Criterion) {
    let mut group = c.benchmark_group("node");
    group.throughput(Throughput::Elements(PIPELINE));
    for (name, command) in [
        ("PING", "*1\r\n$4\r\nPING\r\n"),
        ("GET", "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"),
        ("SET", "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\nxyz\r\n"),
    ] {
        let mut served = Served::new();
        let conn = served.client(1);
        let batch = command.repeat(PIPELINE as usize);
        group.bench_function(name, |b| b.iter(|| served.say(conn, batch.as_bytes())));
    }
    group.finish();
}

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish");
    for listeners in [1, 100] {
        let mut served = Served::new();
        let conn = served.client(1);
        let all: Vec<ConnId> = (2..2 + listeners).map(|n| served.client(n)).collect();
        for &listener in &all {
            served.say(listener, b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n");
        }
        group.throughput(Throughput::Elements(listeners));
        group.bench_function(BenchmarkId::from_parameter(listeners), |b| {
            b.iter(|| {
                served.say(
                    conn,
                    b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$40\r\n0123456789012345678901234567890123456789\r\n",
                );
                all.iter().map(|&listener| served.take(listener)).sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commands, publish);
criterion_main!(benches);
