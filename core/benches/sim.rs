//! The simulated world: how many steps a second it makes of a pair of small machines, and of a group of real nodes.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Chunks, Endpoint, SocketOptions};
use primacy_core::sim::{Choices, HostId, NetConfig, World};
use primacy_core::time::{Instant, Now};
use primacy_core::{Action, Actions, Input, Job, Machine};

#[path = "../tests/support/group.rs"]
#[allow(dead_code, reason = "each of its users uses its part")]
mod group;

const MESSAGE: usize = 100;

/// One of two that send a message to and fro.
#[derive(Default)]
struct Echo {
    server: bool,
    started: bool,
    owed: usize,
}

impl Echo {
    fn owe(&mut self, conn: ConnId, n: usize, out: &mut Actions<()>) {
        if self.owed == 0 {
            out.push(Action::Interest { conn, read: true, write: true });
        }
        self.owed += n;
    }
}

impl Machine for Echo {
    type Call = ();
    type Event = ();

    fn handle(&mut self, _: Now, input: Input<'_, ()>, out: &mut Actions<()>) {
        match input {
            Input::Tick => {
                self.started = true;
                let at = Endpoint::Tcp(SocketAddr::from(([10, 0, 0, 1], 7)));
                if self.server {
                    out.push(Action::Start {
                        op: OpId::from_u64(1),
                        job: Job::Listen { at, backlog: 9, mode: None, tls: false },
                    });
                } else {
                    let options = SocketOptions::default();
                    out.push(Action::Connect { conn: ConnId::opened(1), to: at, from: None, tls: false, options });
                }
            }
            Input::Connected { conn, .. } => self.owe(conn, MESSAGE, out),
            Input::Received { conn, bytes } => self.owe(conn, bytes.len(), out),
            Input::Sent { conn, len } => {
                self.owed -= len;
                if self.owed == 0 {
                    out.push(Action::Interest { conn, read: true, write: false });
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.started { None } else { Some(Instant::ZERO) }
    }

    fn transmit(&mut self, _: ConnId, budget: usize, out: &mut Chunks) {
        if self.owed > 0 {
            out.push(Bytes::from_static(&[b'x'; MESSAGE]).slice(..budget.min(self.owed).min(MESSAGE)));
        }
    }
}

fn echo_pair() -> World<Echo> {
    let mut world = World::new(Choices::seeded(1), NetConfig { late: 0, ..NetConfig::default() });
    let ip = |n| vec![IpAddr::from([10, 0, 0, n])];
    let server = world.add("server", ip(1), Box::new(|_| Echo { server: true, ..Echo::default() }));
    let client = world.add("client", ip(2), Box::new(|_| Echo::default()));
    world.start(server);
    world.run_until(Instant::from_micros(1000), &mut ()).unwrap();
    world.start(client);
    world.run_until(Instant::from_micros(10_000), &mut ()).unwrap();
    world
}

fn pair(c: &mut Criterion) {
    let mut world = echo_pair();
    assert!(world.stats().bytes > 100);
    let mut group = c.benchmark_group("sim");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("echo_pair_1000_steps", |b| {
        b.iter(|| {
            for _ in 0..1000 {
                assert!(world.step().is_some());
            }
        });
    });
    group.finish();
}

fn nodes(c: &mut Criterion) {
    // A write every millisecond: 1,000 in a simulated second.
    let mut world = group::group(1, NetConfig::default(), Duration::from_millis(1));
    let mut at = Instant::from_micros(3_000_000);
    world.run_until(at, &mut ()).unwrap();
    let before = world.stats().steps;
    let mut group = c.benchmark_group("sim");
    group.throughput(Throughput::Elements(1));
    group.bench_function("four_nodes_one_second", |b| {
        b.iter(|| {
            at += Duration::from_secs(1);
            world.run_until(at, &mut ()).unwrap();
        });
    });
    group.finish();
    let seconds = at.as_micros() / 1_000_000 - 3;
    println!("steps in a simulated second: {}", (world.stats().steps - before) / seconds.max(1));
    assert!(world.is_up(HostId(3)));
}

criterion_group!(benches, pair, nodes);
criterion_main!(benches);
