//! Append to the log, and the way of each command to 1, 8 and 64 replicas.

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::ids::{ConnId, Ids};
use primacy_core::machine::{Actions, Chunks, Endpoint, Turn};
use primacy_core::replication::source::{Role, Source, SourceConfig, Timer};
use primacy_core::replication::{Event, Log, ReplId};
use primacy_core::resp::Command;
use primacy_core::rng::Rng;
use primacy_core::time::Now;
use primacy_core::timers::Timers;

/// Commands of one turn of the event loop.
const BATCH: u64 = 100;

fn command() -> Command {
    Command::new(&[&b"SET"[..], b"key:000000012345", &[b'x'; 55]])
}

fn log_append(c: &mut Criterion) {
    let command = command();
    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("append_100_bytes", |b| {
        let mut log = Log::starting_at(0);
        b.iter(|| {
            for _ in 0..BATCH {
                log.append(black_box(command.frame()));
            }
            log.trim(1 << 20, u64::MAX);
        });
    });
    group.finish();
}

struct Host {
    source: Source,
    timers: Timers<Timer>,
    out: Actions<Event>,
    ids: Ids,
    rng: Rng,
}

impl Host {
    /// A source with `replicas` that follow its stream.
    fn new(replicas: u64) -> Self {
        let mut host = Self {
            source: Source::new(ReplId::ZERO, 0, SourceConfig::default()),
            timers: Timers::new(),
            out: Actions::new(),
            ids: Ids::default(),
            rng: Rng::new([1; 32]),
        };
        host.source.keep_log();
        let id = host.source.id();
        for n in 0..replicas {
            let psync = Command::new(&["PSYNC", id.as_str(), "1"]);
            let at = Endpoint::Tcp(([127, 0, 0, 1], 1000).into());
            host.with(|s, cx| s.psync(ConnId::accepted(n), at, psync.args(), cx)).expect("a replica is taken");
        }
        host.with(|s, cx| s.set_role(Role::Master, cx));
        host
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Source, &mut Turn<'_, Timer, Event>) -> R) -> R {
        let (timers, out, ids, rng) = (&mut self.timers, &mut self.out, &mut self.ids, &mut self.rng);
        f(&mut self.source, &mut Turn { now: Now::default(), timers, out, ids, rng })
    }

    /// One turn: a batch of commands, then everything to everyone.
    fn turn(&mut self, replicas: u64, command: &Command) -> usize {
        for _ in 0..BATCH {
            self.source.append_command(Some(0), command);
        }
        self.with(Source::settle);
        let mut bytes = 0;
        for n in 0..replicas {
            let mut chunks = Chunks::new();
            self.source.transmit(ConnId::accepted(n), usize::MAX, &mut chunks);
            bytes += chunks.bytes();
            self.with(|s, cx| s.sent(ConnId::accepted(n), chunks.bytes(), cx));
        }
        self.with(Source::settle);
        self.out.drain();
        bytes
    }
}

fn fan_out(c: &mut Criterion) {
    let command = command();
    let mut group = c.benchmark_group("fan_out");
    group.throughput(Throughput::Elements(BATCH));
    for replicas in [1, 8, 64] {
        let mut host = Host::new(replicas);
        group.bench_function(BenchmarkId::from_parameter(replicas), |b| {
            b.iter(|| black_box(host.turn(replicas, &command)));
        });
    }
    group.finish();
}

criterion_group!(benches, log_append, fan_out);
criterion_main!(benches);
