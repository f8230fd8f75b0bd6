//! What recording adds to a node: turns of 50 clients that send 16 SETs of 64 bytes each, without and with a recorder.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::config::Config;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::journal::{End, Full, Header, Readings, RecordedMeter, Recorder, Secrets, Sink};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Action, Chunks, Endpoint, Job, Meter, Outcome};
use primacy_core::node::{About, Event, Node};
use primacy_core::time::{Instant, Now};
use primacy_core::{Actions, Input, Machine};

const CLIENTS: u64 = 50;
const PIPELINE: u64 = 16;
/// Few enough that the table stays in the processor's caches: what is measured is the recorder.
const KEYS: u64 = 1000;

/// Reads a real clock, as a runtime's meter does.
struct Clock(std::time::Instant);

impl Meter for Clock {
    fn now_us(&mut self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

/// Gives each block back.
struct Nowhere;

impl Sink for Nowhere {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        Ok(block)
    }
    fn end(&mut self, _: Vec<u8>, _: End) {}
}

struct Bench<M> {
    machine: M,
    out: Actions<Event>,
    chunks: Chunks,
    requests: Vec<Vec<u8>>,
    /// Connections with something to send.
    owed: Vec<ConnId>,
    us: u64,
}

impl<M: Machine<Call = primacy_core::node::Call, Event = Event>> Bench<M> {
    fn new(machine: M) -> Self {
        let requests = (0..64).map(|n| request(n * PIPELINE)).collect();
        let mut bench = Self { machine, out: Actions::new(), chunks: Chunks::new(), requests, owed: vec![], us: 1 };
        bench.feed(Input::Tick);
        for n in 0..CLIENTS {
            let at = |port| Endpoint::Tcp(([127, 0, 0, 1], port).into());
            let (conn, listener) = (ConnId::accepted(n), OpId::from_u64(1));
            bench.feed(Input::Accepted { conn, listener, local: at(6379), peer: at(1000), tls: false });
        }
        bench
    }

    fn feed(&mut self, input: Input<'_, M::Call>) {
        let now = Now::new(Instant::from_micros(self.us), 1_700_000_000_000 + self.us / 1000);
        self.machine.handle(now, input, &mut self.out);
        let mut started = Vec::new();
        for action in self.out.drain() {
            match action {
                Action::Interest { conn, write: true, .. } => self.owed.push(conn),
                Action::Start { op, job: Job::Listen { at, .. } } => started.push((op, Outcome::Listening(at))),
                Action::Start { op, .. } => started.push((op, Outcome::Stat(None))), // No snapshot to load.
                _ => {}
            }
        }
        started.into_iter().for_each(|(op, result)| self.feed(Input::Done { op, result }));
    }

    fn turn(&mut self) {
        self.us += 1500;
        for n in 0..CLIENTS {
            let which = (self.us / 1500 + n * 7) as usize % self.requests.len();
            let bytes = core::mem::take(&mut self.requests[which]);
            self.feed(Input::Received { conn: ConnId::accepted(n), bytes: &bytes });
            self.requests[which] = bytes;
        }
        for conn in core::mem::take(&mut self.owed) {
            self.chunks.clear();
            self.machine.transmit(conn, 1 << 16, &mut self.chunks);
            let len = self.chunks.bytes();
            assert_eq!(len as u64, PIPELINE * 5, "an OK for each");
            self.feed(Input::Sent { conn, len });
        }
    }
}

fn request(from: u64) -> Vec<u8> {
    let set = |n: u64| format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{:012}\r\n$64\r\n{n:064}\r\n", n % KEYS);
    (from..from + PIPELINE).map(set).collect::<String>().into_bytes()
}

fn node(meter: Box<dyn Meter>) -> Node<Keyspace> {
    let mut config = Config::new();
    config.apply_args(&["--save", "", "--protected-mode", "no"]).expect("directives that are known");
    let data = Keyspace::new(config.settings.databases, [1; 32]);
    Node::new(config, data, [2; 32], meter, About::default())
}

fn sets(c: &mut Criterion) {
    let mut group = c.benchmark_group("sets");
    group.throughput(Throughput::Elements(CLIENTS * PIPELINE));
    group.bench_function("plain", |b| {
        let mut bench = Bench::new(Recorder::off(node(Box::new(Clock(std::time::Instant::now())))));
        b.iter(|| bench.turn());
    });
    group.bench_function("recorded", |b| {
        let readings = Readings::new();
        let meter = RecordedMeter::new(Clock(std::time::Instant::now()), readings.clone());
        let header = Header {
            program: "bench".into(),
            machine: "node".into(),
            seed: [2; 32],
            config: String::new(),
            about: Vec::new(),
        };
        let recorder = Recorder::new(
            node(Box::new(meter)),
            &header,
            readings,
            Some(Secrets::new([3; 32])),
            Box::new(Nowhere),
            u64::MAX,
        );
        let mut bench = Bench::new(recorder);
        b.iter(|| bench.turn());
    });
    group.finish();
}

criterion_group!(benches, sets);
criterion_main!(benches);
