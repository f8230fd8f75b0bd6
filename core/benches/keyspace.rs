//! The keyspace at a million keys: commands, a snapshot and its longest step, a load, bytes of memory for each key.
#![allow(missing_docs, reason = "criterion's macros make public items without any")]
#![allow(unsafe_code, reason = "counting what is allocated needs an allocator of one's own")]

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::alloc::System;
use std::time::Instant as Clock;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::blocks::Blocks;
use primacy_core::dataset::{Context, Dataset, Effects, LoadMode, Origin, Progress};
use primacy_core::keyspace::Keyspace;
use primacy_core::rdb::{Body, Entry, Item, Options, Value};
use primacy_core::resp::{Args, Proto, Reply, Span};
use primacy_core::rng::Rng;
use primacy_core::time::{Instant, Now};

struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: u64 = 1_000_000;

struct World {
    ks: Keyspace,
    rng: Rng,
    fx: Effects,
    out: Blocks,
}

impl World {
    fn new() -> Self {
        Self { ks: Keyspace::new(16, [1; 32]), rng: Rng::new([2; 32]), fx: Effects::default(), out: Blocks::new() }
    }

    fn run(&mut self, command: usize, args: &[&[u8]]) {
        let (mut bytes, mut spans) = ([0; 512], [Span { at: 0, len: 0 }; 4]);
        let mut at = 0;
        for (arg, span) in args.iter().zip(&mut spans) {
            bytes[at..at + arg.len()].copy_from_slice(arg);
            *span = Span { at, len: arg.len() };
            at += arg.len();
        }
        let mut reply = Reply::new(&mut self.out, Proto::Resp2);
        let mut cx = Context {
            now: Now::new(Instant::from_micros(1), 1_700_000_000_000),
            db: 0,
            origin: Origin::Client,
            may_expire: true,
            rng: &mut self.rng,
            reply: &mut reply,
            effects: &mut self.fx,
            touch: true,
            wait: None,
        };
        self.ks.execute(command, Args::new(&bytes[..at], &spans[..args.len()], None), &mut cx);
        self.fx.clear();
        self.out.release(self.out.end());
    }

    fn command(&self, name: &str) -> usize {
        self.ks.commands().iter().position(|c| c.name == name).expect("known")
    }
}

fn key(n: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    for (i, d) in format!("{n:012}").bytes().enumerate() {
        key[4 + i] = d;
    }
    key
}

fn filled(value: &[u8]) -> World {
    let mut w = World::new();
    let set = w.command("set");
    (0..KEYS).for_each(|n| w.run(set, &[b"SET", &key(n), value]));
    w
}

fn commands(c: &mut Criterion) {
    let before = HELD.load(Ordering::Relaxed);
    let mut w = filled(&[b'v'; 100]);
    let held = HELD.load(Ordering::Relaxed) - before;
    let per_key = held as f64 / KEYS as f64;
    println!("memory: {per_key:.1} bytes for a key of 16 and a value of 100, {:.1} by its own account", {
        w.ks.memory() as f64 / KEYS as f64
    });
    let keys: Vec<[u8; 16]> = (0..KEYS).map(key).collect();
    let mut pick = Rng::new([7; 32]);
    let order: Vec<usize> = (0..1 << 20).map(|_| pick.below(KEYS) as usize).collect();
    let (get, set) = (w.command("get"), w.command("set"));
    let mut g = c.benchmark_group("a million keys");
    let mut i = 0;
    g.bench_function("GET", |b| {
        b.iter(|| {
            i = (i + 1) % order.len();
            w.run(get, &[b"GET", &keys[order[i]]]);
        });
    });
    g.bench_function("GET of a thousand hot keys", |b| {
        b.iter(|| {
            i = (i + 1) % 1000;
            w.run(get, &[b"GET", &keys[order[i]]]);
        });
    });
    g.bench_function("SET of a thousand hot keys", |b| {
        b.iter(|| {
            i = (i + 1) % 1000;
            w.run(set, &[b"SET", &keys[order[i]], &[b'w'; 100]]);
        });
    });
    g.bench_function("SET the same length", |b| {
        b.iter(|| {
            i = (i + 1) % order.len();
            w.run(set, &[b"SET", &keys[order[i]], &[b'w'; 100]]);
        });
    });
    g.bench_function("SET another length", |b| {
        b.iter(|| {
            i = (i + 1) % order.len();
            w.run(set, &[b"SET", &keys[order[i]], &[b'w'; 128][..100 + (i & 15)]]);
        });
    });
    g.finish();
}

fn snapshot(c: &mut Criterion) {
    const BUDGET: usize = 256 * 1024;
    let mut w = filled(&[b'v'; 200]);
    let set = w.command("set");
    let mut steps: Vec<Duration> = Vec::new();
    let mut walk = |w: &mut World, write: bool| {
        let (mut bytes, mut n) = (0, 0);
        w.ks.snapshot_begin();
        loop {
            let mut body = Body::new(Options { compress: false });
            let from = Clock::now();
            let progress = w.ks.snapshot_step(&mut body, BUDGET);
            steps.push(from.elapsed());
            bytes += body.len();
            if write {
                for _ in 0..20 {
                    n = (n + 7919) % KEYS;
                    w.run(set, &[b"SET", &key(n), &[b'w'; 200]]);
                }
            }
            if progress == Progress::Done {
                break;
            }
        }
        w.ks.snapshot_end();
        bytes
    };
    let bytes = walk(&mut w, false);
    let mut g = c.benchmark_group("snapshot of a million keys");
    g.sample_size(10).throughput(Throughput::Bytes(bytes));
    g.bench_function("200-byte values", |b| b.iter(|| black_box(walk(&mut w, false))));
    g.bench_function("200-byte values, 20 writes a step", |b| b.iter(|| black_box(walk(&mut w, true))));
    g.finish();
    steps.sort_unstable();
    let at = |p: f64| steps[((steps.len() - 1) as f64 * p) as usize];
    println!("steps of {BUDGET} bytes: median {:?}, p99 {:?}, longest {:?}", at(0.5), at(0.99), at(1.0));
}

fn load(c: &mut Criterion) {
    let keys: Vec<[u8; 16]> = (0..KEYS).map(key).collect();
    let mut g = c.benchmark_group("load of a million keys");
    g.sample_size(10).throughput(Throughput::Elements(KEYS));
    for announced in [true, false] {
        let name = if announced { "announced" } else { "not announced" };
        g.bench_function(name, |b| {
            b.iter_batched(
                || Keyspace::new(16, [1; 32]),
                |mut ks| {
                    ks.load_begin(LoadMode::Replace);
                    if announced {
                        ks.load_item(&Item::Resize { db: 0, keys: KEYS, expires: 0 }, None).expect("a hint");
                    }
                    for key in &keys {
                        let value = Value::String(&[b'v'; 200]);
                        let entry = Entry { db: 0, key, expire_at_ms: None, idle_s: None, freq: None, value };
                        ks.load_item(&Item::Entry(entry), None).expect("it fits");
                    }
                    ks.load_commit();
                    ks
                },
                BatchSize::PerIteration,
            );
        });
    }
    g.finish();
}

criterion_group!(benches, commands, snapshot, load);
criterion_main!(benches);
