//! Snapshots of strings: write and read, in MB of snapshot a second; its checksum and compression by themselves.

// What `criterion_group!` makes has no documentation.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::machine::Chunks;
use primacy_core::rdb::{Body, Crc64, Options, Reader, ReaderLimits, Writer};

const KEYS: usize = 100_000;
const VALUE: usize = 200;
/// The size of a read from a socket or a file, bytes.
const INPUT: usize = 64 << 10;
/// Bytes between two hand-overs from body to writer.
const STEP: u64 = 64 << 10;

/// Noise that does not compress.
fn noise() -> Vec<u8> {
    let mut x = 1u64;
    (0..KEYS * VALUE)
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        })
        .collect()
}

/// Records as programs store them: repeated field names, changing numbers.
fn records() -> Vec<u8> {
    let mut all = Vec::with_capacity(KEYS * VALUE);
    for i in 0u64.. {
        let n = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        all.extend_from_slice(format!("{{\"id\":{n},\"user\":\"user{}\",\"active\":true}},", n >> 40).as_bytes());
        if all.len() >= KEYS * VALUE {
            break;
        }
    }
    all.truncate(KEYS * VALUE);
    all
}

fn keys() -> Vec<String> {
    (0..KEYS).map(|i| format!("key:{i:012}")).collect()
}

/// Writes a snapshot; a reader follows if `release`, as in a resync, and its bytes stay otherwise.
fn write(keys: &[String], values: &[u8], compress: bool, checksum: bool, release: bool) -> Writer {
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, checksum);
    let mut body = Body::new(Options { compress });
    let mut chunks = Chunks::new();
    for (key, value) in keys.iter().zip(values.chunks(VALUE)) {
        body.string(0, key.as_bytes(), None, value);
        if body.len() >= STEP {
            writer.absorb(&mut body);
            if release {
                let (at, end) = (writer.out().start(), writer.out().end());
                chunks.clear();
                writer.out().read(at, usize::MAX, &mut chunks);
                writer.out().release(end);
            }
        }
    }
    writer.absorb(&mut body);
    writer.finish();
    writer
}

fn read(snapshot: &[u8]) {
    let mut reader = Reader::new(ReaderLimits::default());
    for mut input in snapshot.chunks(INPUT) {
        while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
            black_box(&item);
        }
    }
    reader.finish().expect("a whole snapshot");
}

fn snapshots(c: &mut Criterion) {
    let keys = keys();
    for (name, values) in [("noise", noise()), ("records", records())] {
        for (mode, compress, checksum) in [("plain", false, true), ("no-checksum", false, false), ("lzf", true, true)] {
            let mut writer = write(&keys, &values, compress, checksum, false);
            let mut chunks = Chunks::new();
            writer.out().read(0, usize::MAX, &mut chunks);
            let snapshot: Vec<u8> = chunks.iter().flatten().copied().collect();
            println!("{name}/{mode}: {} bytes from {}", snapshot.len(), KEYS * (VALUE + 16));
            let mut group = c.benchmark_group(format!("rdb/{name}/{mode}"));
            group.sample_size(10).throughput(Throughput::Bytes((KEYS * (VALUE + 16)) as u64));
            group.bench_function("write", |b| b.iter(|| write(&keys, &values, compress, checksum, true)));
            group.bench_function("read", |b| b.iter(|| read(&snapshot)));
            group.finish();
        }
    }
}

fn checksum(c: &mut Criterion) {
    let bytes = noise();
    let mut group = c.benchmark_group("rdb/crc64");
    for len in [32, 220, 65_536] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(len.to_string(), |b| {
            b.iter(|| {
                let mut crc = Crc64::new();
                crc.update(black_box(&bytes[..len]));
                crc.value()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, snapshots, checksum);
criterion_main!(benches);
