//! The wire: how many bytes a second are parsed and written.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::blocks::Blocks;
use primacy_core::resp::{Command, Proto, Reply, RequestLimits, Requests};

/// Parses all of `bytes` as reads of `read` bytes would bring them.
fn parse(bytes: &[u8], read: usize) -> usize {
    let (mut requests, limits) = (Requests::new(), RequestLimits::default());
    let mut arguments = 0;
    for mut part in bytes.chunks(read) {
        while let Some(args) = requests.next(&mut part, &limits).expect("these benches send commands") {
            arguments += black_box(&args).len();
        }
    }
    arguments
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("requests");
    let set = Command::new(&[&b"SET"[..], b"key:000000000001", b"xxx"]);
    let batch = set.frame().repeat(1000);
    group.throughput(Throughput::Bytes(batch.len() as u64));
    group.bench_function("1000 pipelined SET of 3 bytes, whole", |b| b.iter(|| parse(&batch, usize::MAX)));
    group.bench_function("1000 pipelined SET of 3 bytes, 16 KB reads", |b| b.iter(|| parse(&batch, 16 * 1024)));
    let large = Command::new(&[&b"SET"[..], b"key:000000000001", &vec![b'x'; 1 << 20]]);
    group.throughput(Throughput::Bytes(large.frame().len() as u64));
    group.bench_function("one value of 1 MB, whole", |b| b.iter(|| parse(large.frame(), usize::MAX)));
    group.bench_function("one value of 1 MB, 64 KB reads", |b| b.iter(|| parse(large.frame(), 64 * 1024)));
    group.finish();
}

fn replies(c: &mut Criterion) {
    let mut group = c.benchmark_group("reply");
    group.throughput(Throughput::Elements(1000));
    let emit = |write: &dyn Fn(&mut Reply<'_>)| {
        let mut out = Blocks::new();
        let mut reply = Reply::new(&mut out, Proto::Resp2);
        for _ in 0..1000 {
            write(&mut reply);
        }
        reply.end()
    };
    group.bench_function("1000 +OK", |b| b.iter(|| emit(&|r| r.ok())));
    group.bench_function("1000 bulks of 3 bytes", |b| b.iter(|| emit(&|r| r.bulk(black_box(b"xxx")))));
    group.bench_function("1000 integers", |b| b.iter(|| emit(&|r| r.int(black_box(123_456)))));
    group.finish();
}

criterion_group!(benches, requests, replies);
criterion_main!(benches);
