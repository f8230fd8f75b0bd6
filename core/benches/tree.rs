//! The persistent tree at a million entries in order of a 64-bit hash, beside the standard library's map, which can
//! neither count nor be cloned in O(1).
#![allow(missing_docs, reason = "criterion's macros make public items without any")]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::cmp::Ordering;
use core::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use primacy_core::keyspace::tree::{Entry, Seek, Tree};
use primacy_core::rng::Rng;

const MANY: usize = 1_000_000;

/// As large as a record of a hash: its hash and a fat pointer.
#[derive(Clone)]
struct Record(u64, [u64; 2]);

impl Entry for Record {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.0
    }
}

struct By(u64);

impl Seek<Record> for By {
    fn entry(&self, entry: &Record) -> Ordering {
        entry.0.cmp(&self.0)
    }

    fn mark(&self, mark: &u64) -> Ordering {
        mark.cmp(&self.0)
    }
}

fn hashes(n: usize) -> Vec<u64> {
    let mut rng = Rng::new([5; 32]);
    (0..n).map(|_| rng.next_u64()).collect()
}

fn grown(hashes: &[u64]) -> Tree<Record> {
    let mut tree = Tree::new();
    for &hash in hashes {
        let Err(at) = tree.find(&By(hash)) else { continue };
        tree.insert(at, Record(hash, [hash; 2]));
    }
    tree
}

fn single(c: &mut Criterion) {
    for n in [1000, MANY] {
        let hashes = hashes(n);
        let mut tree = grown(&hashes);
        let mut map: BTreeMap<u64, [u64; 2]> = hashes.iter().map(|&h| (h, [h; 2])).collect();
        println!("{n} entries of 24 bytes: {:.1} bytes each", tree.memory() as f64 / n as f64);
        let mut g = c.benchmark_group("tree");
        let mut i = 0;
        let mut next = move || {
            i = (i + 1) % n;
            i
        };
        g.bench_function(BenchmarkId::new("get by hash", n), |b| {
            b.iter(|| black_box(tree.get_by(&By(hashes[next()])).is_some()));
        });
        g.bench_function(BenchmarkId::new("find by hash", n), |b| {
            b.iter(|| black_box(tree.find(&By(hashes[next()])).is_ok()));
        });
        g.bench_function(BenchmarkId::new("find by hash, BTreeMap", n), |b| {
            b.iter(|| black_box(map.contains_key(&hashes[next()])));
        });
        g.bench_function(BenchmarkId::new("get by index", n), |b| {
            b.iter(|| black_box(tree.get(hashes[next()] as usize % n).is_some()));
        });
        g.bench_function(BenchmarkId::new("update", n), |b| {
            b.iter(|| {
                let Ok((at, _)) = tree.find(&By(hashes[next()])) else { return };
                tree.update(at, |e| e.1[0] += 1);
            });
        });
        g.bench_function(BenchmarkId::new("remove and insert", n), |b| {
            b.iter(|| {
                let hash = hashes[next()];
                let Ok((at, _)) = tree.find(&By(hash)) else { return };
                tree.remove(at);
                tree.insert(at, Record(hash, [0; 2]));
            });
        });
        g.bench_function(BenchmarkId::new("remove and insert, BTreeMap", n), |b| {
            b.iter(|| {
                let hash = hashes[next()];
                map.remove(&hash);
                map.insert(hash, [0; 2]);
            });
        });
        g.bench_function(BenchmarkId::new("update while a clone is held", n), |b| {
            let mut own = tree.clone();
            b.iter(|| {
                let Ok((at, _)) = own.find(&By(hashes[next()])) else { return };
                own.update(at, |e| e.1[0] += 1);
            });
        });
        g.finish();
    }
}

fn whole(c: &mut Criterion) {
    let random = hashes(MANY);
    let tree = grown(&random);
    let mut g = c.benchmark_group("a million entries");
    g.sample_size(10);
    g.bench_function("insert at random", |b| b.iter_with_large_drop(|| grown(&random)));
    g.bench_function("insert at random, BTreeMap", |b| {
        b.iter_with_large_drop(|| {
            random.iter().map(|&h| (h, [h; 2])).fold(BTreeMap::new(), |mut map, (k, v)| {
                map.insert(k, v);
                map
            })
        });
    });
    g.bench_function("push in order", |b| {
        b.iter_with_large_drop(|| (0..MANY as u64).map(|n| Record(n, [n; 2])).collect::<Tree<_>>());
    });
    g.bench_function("walk", |b| b.iter(|| tree.iter().fold(0, |sum, e| sum ^ e.0)));
    g.bench_function("remove a middle half", |b| {
        b.iter_batched(
            || grown(&random),
            |mut tree| tree.remove_range(MANY / 4..MANY / 4 * 3),
            BatchSize::PerIteration,
        );
    });
    g.finish();
}

criterion_group!(benches, single, whole);
criterion_main!(benches);
