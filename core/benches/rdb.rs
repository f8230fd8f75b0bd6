//! Snapshots: strings written and read, small collections read, in MB of snapshot a second; the checksum by itself.

// What `criterion_group!` makes has no documentation.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primacy_core::machine::Chunks;
use primacy_core::rdb::{
    Body, Crc64, Element, Item, ListpackWriter, Options, Reader, ReaderLimits, Scalar, Value, Writer,
};

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

/// Appends a string of less than 16 KB, raw.
fn stored(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&[0x40 | (bytes.len() >> 8) as u8, bytes.len() as u8]);
    out.extend_from_slice(bytes);
}

/// A snapshot of small collections, each in its own way; by hand, for what is measured is the reader.
fn collections(mut value: impl FnMut(&mut Vec<u8>, u64)) -> Vec<u8> {
    let mut out = b"REDIS0011".to_vec();
    for i in 0..KEYS as u64 {
        value(&mut out, i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    out.push(0xff);
    let mut crc = Crc64::new();
    crc.update(&out);
    out.extend_from_slice(&crc.value().to_le_bytes());
    out
}

/// A key and its value as a listpack, filled by `fill`.
fn packed(out: &mut Vec<u8>, number: u8, n: u64, fill: impl FnOnce(&mut ListpackWriter<'_>)) {
    let mut blob = Vec::new();
    let mut writer = ListpackWriter::new(&mut blob);
    fill(&mut writer);
    writer.finish().expect("a small listpack");
    out.push(number);
    stored(out, format!("key:{n:020}").as_bytes());
    stored(out, &blob);
}

/// A user: six fields of digits and words, about 100 bytes.
fn hash(out: &mut Vec<u8>, n: u64) {
    packed(out, 16, n, |pack| {
        for (field, value) in [
            (&b"id"[..], n.to_string()),
            (b"name", format!("user {}", n >> 44)),
            (b"mail", format!("user{}@example.com", n >> 44)),
            (b"age", (n % 90).to_string()),
            (b"score", (n >> 48).to_string()),
            (b"active", "true".into()),
        ] {
            pack.string(field);
            pack.string(value.as_bytes());
        }
    });
}

/// Ten members with scores, about 150 bytes.
fn zset(out: &mut Vec<u8>, n: u64) {
    packed(out, 17, n, |pack| {
        for i in 0..10 {
            pack.string(format!("member:{}", (n >> 40) + i).as_bytes());
            pack.string((i * (n >> 50)).to_string().as_bytes());
        }
    });
}

/// The user again, field by field.
fn fields(out: &mut Vec<u8>, n: u64) {
    out.push(4);
    stored(out, format!("key:{n:020}").as_bytes());
    out.push(6);
    for i in 0..6 {
        stored(out, format!("field{i}").as_bytes());
        stored(out, (n >> i).to_string().as_bytes());
    }
}

/// Reads all, and looks at every value.
fn walk(snapshot: &[u8]) -> u64 {
    let mut reader = Reader::new(ReaderLimits::default());
    let mut sum = 0u64;
    let mut add = |value: Scalar<'_>| {
        sum = sum.wrapping_add(match value {
            Scalar::Int(n) => n as u64,
            Scalar::Text(text) => text.len() as u64,
        });
    };
    for mut input in snapshot.chunks(INPUT) {
        while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
            match item {
                Item::Entry(entry) => {
                    if let Value::Compact(_, compact) = entry.value {
                        compact.iter().for_each(&mut add);
                    }
                }
                Item::Element(Element::Field { field, value, .. }) => {
                    add(Scalar::Text(field));
                    add(Scalar::Text(value));
                }
                other => {
                    black_box(&other);
                }
            }
        }
    }
    reader.finish().expect("a whole snapshot");
    sum
}

fn blobs(c: &mut Criterion) {
    let mut group = c.benchmark_group("rdb/collections");
    for (name, snapshot) in
        [("hash-listpack", collections(hash)), ("zset-listpack", collections(zset)), ("hash", collections(fields))]
    {
        println!("{name}: {} bytes", snapshot.len());
        group.sample_size(10).throughput(Throughput::Bytes(snapshot.len() as u64));
        group.bench_function(name, |b| b.iter(|| walk(black_box(&snapshot))));
    }
    group.finish();
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

criterion_group!(benches, snapshots, blobs, checksum);
criterion_main!(benches);
