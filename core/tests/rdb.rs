//! Snapshots: what is written is read again, whatever the split; dumps of real servers; bytes that are none.

use bytes::Bytes;
use primacy_core::machine::Chunks;
use primacy_core::rdb::{Body, Crc64, Entry, Item, Options, RdbError, Reader, ReaderLimits, Value, Writer};
use quickcheck::quickcheck;

/// Database, key, expiry, value.
type Key = (u64, Vec<u8>, Option<i64>, Vec<u8>);

/// Small limits, so that short values are long.
const SMALL: ReaderLimits = ReaderLimits { value: 50, whole: 1 << 20 };

/// Reads `bytes` in steps of these sizes in turn: the keys, and how it ended.
fn read(bytes: &[u8], steps: &[u8], limits: ReaderLimits) -> (Vec<Key>, Result<(), RdbError>) {
    let mut reader = Reader::new(limits);
    let mut keys: Vec<Key> = Vec::new();
    let mut rest = bytes;
    let mut turn = 0;
    while !rest.is_empty() && !reader.is_done() {
        let step = steps.get(turn % steps.len().max(1)).map_or(rest.len(), |&n| usize::from(n) + 1).min(rest.len());
        turn += 1;
        let (mut input, later) = rest.split_at(step);
        rest = later;
        loop {
            match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Item::Entry(Entry { db, key, expire_at_ms, value, .. }))) => {
                    let value = if let Value::String(value) = value { value.to_vec() } else { Vec::new() };
                    keys.push((db, key.to_vec(), expire_at_ms, value));
                }
                Ok(Some(Item::Piece(piece))) => {
                    keys.last_mut().expect("a piece follows an entry").3.extend_from_slice(piece);
                }
                Ok(Some(_)) => {}
                Err(error) => return (keys, Err(error)),
            }
        }
    }
    (keys, reader.finish())
}

fn bytes_of(writer: &mut Writer) -> Vec<u8> {
    let (mut chunks, at) = (Chunks::new(), writer.out().start());
    writer.out().read(at, usize::MAX, &mut chunks);
    chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect()
}

/// A value from a seed: an integer, noise, a run, or words, of up to some thousand bytes.
fn value(kind: u8, n: u16) -> Vec<u8> {
    let long = usize::from(n) % 5000;
    match kind % 6 {
        0 => i64::from(n).wrapping_mul(-70_001).to_string().into_bytes(),
        1 => (0..long).map(|i| (i * i * 31 + i / 3) as u8).collect(),
        2 => vec![kind; long],
        3 => (0..long).map(|i| b"the quick brown fox "[i * usize::from(kind) % 20]).collect(),
        4 => format!("-{n}").into_bytes(),
        _ => vec![b'0'; long % 13],
    }
}

/// Writes by all ways there are, in two bodies that are joined, and the keys in order.
fn write(seeds: &[(u8, u16, Option<i32>)], compress: bool, checksum: bool) -> (Vec<u8>, Vec<Key>) {
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, checksum);
    writer.about("7.0.15", 64, 1_700_000_000, 1 << 40);
    writer.replication(3, "0123456789012345678901234567890123456789", 77);
    let (mut first, mut second) = (Body::new(Options { compress }), Body::new(Options { compress }));
    let (mut keys, mut late): (Vec<Key>, Vec<Key>) = (Vec::new(), Vec::new());
    for (i, &(kind, n, expire)) in seeds.iter().enumerate() {
        let db = u32::from(kind) % 3;
        let key = if kind % 2 == 0 { format!("{i}").into_bytes() } else { value(kind.wrapping_add(1), n) };
        let value = value(kind, n);
        // -1 is how the format says "none".
        let expire = expire.map(i64::from).filter(|&at| at != -1);
        let (body, list) = if kind % 5 == 0 { (&mut second, &mut late) } else { (&mut first, &mut keys) };
        if kind % 7 == 0 {
            body.resize(db, u64::from(n), 1);
        }
        if kind % 4 == 0 {
            let pieces: Vec<Bytes> = value.chunks(1500).map(Bytes::copy_from_slice).collect();
            body.string_pieces(db, &key, expire, &pieces);
        } else {
            body.string(db, &key, expire, &value);
        }
        list.push((u64::from(db), key, expire, value));
        if kind == 1 {
            writer.absorb(&mut first);
        }
    }
    first.append(&mut second);
    assert_eq!(second.len(), 0);
    writer.absorb(&mut first);
    writer.finish();
    keys.append(&mut late);
    (bytes_of(&mut writer), keys)
}

quickcheck! {
    fn what_is_written_is_read(seeds: Vec<(u8, u16, Option<i32>)>, compress: bool, checksum: bool, steps: Vec<u8>) -> bool {
        // Keys of the second body come after those of the first, whatever was absorbed before.
        let (bytes, keys) = write(&seeds, compress, checksum);
        read(&bytes, &steps, SMALL) == (keys.clone(), Ok(())) && read(&bytes, &[], ReaderLimits::default()) == (keys, Ok(()))
    }

    fn any_bytes_are_read_the_same_at_any_split(noise: Vec<u8>, at: usize, steps: Vec<u8>) -> bool {
        // Behind a sound beginning, so that records are reached.
        let (mut bytes, _) = write(&[(1, 300, None), (2, 40, Some(5)), (3, 900, None)], true, false);
        bytes.truncate(9 + at % bytes.len());
        bytes.extend_from_slice(&noise);
        read(&bytes, &steps, SMALL) == read(&bytes, &[], SMALL)
    }

    fn a_flipped_bit_is_noticed(at: usize, bit: u8) -> bool {
        let (mut bytes, _) = write(&[(1, 300, None), (2, 40, Some(5)), (3, 900, None)], true, true);
        let at = 9 + at % (bytes.len() - 9);
        bytes[at] ^= 1 << (bit % 8);
        read(&bytes, &[40], SMALL).1.is_err()
    }
}

#[test]
fn every_prefix_is_incomplete() {
    for compress in [false, true] {
        let (bytes, keys) = write(&[(1, 300, None), (2, 40, Some(5)), (3, 900, None), (5, 6, None)], compress, true);
        for n in 0..bytes.len() {
            for steps in [&[0][..], &[6], &[]] {
                let (some, end) = read(&bytes[..n], steps, SMALL);
                assert!(matches!(end, Err(RdbError::Truncated { offset, .. }) if offset == n as u64), "{n}: {end:?}");
                assert!(some.len() <= keys.len());
            }
        }
    }
}

#[test]
fn an_expiry_at_minus_one_is_not_none() {
    // Found by fuzzing: PEXPIREAT k -1 on a writable replica, a snapshot, and the key lived for ever.
    let mut body = Body::default();
    body.string(0, b"k", Some(-1), b"v");
    let mut writer = Writer::new(10, true);
    writer.absorb(&mut body);
    writer.finish();
    let keys = vec![(0, b"k".to_vec(), Some(-2), b"v".to_vec())];
    assert_eq!(read(&bytes_of(&mut writer), &[], SMALL), (keys, Ok(())));
}

#[test]
fn pieces_and_bodies_are_shared() {
    let piece = Bytes::from(vec![b'x'; 100_000]);
    let (mut a, mut b) = (Body::default(), Body::default());
    b.string_pieces(1, b"big", None, &[piece.clone(), piece.clone()]);
    a.string(0, b"k", None, b"v");
    a.append(&mut b);
    let mut writer = Writer::new(11, true);
    writer.absorb(&mut a);
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    assert_eq!(chunks.iter().filter(|chunk| chunk.as_ptr() == piece.as_ptr()).count(), 2);
}

/// As the expectation files show bytes: hexadecimal, or length and checksum.
fn shown(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "-".into(),
        1..=64 => bytes.iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}")),
        n => {
            let mut crc = Crc64::new();
            crc.update(bytes);
            format!("crc:{n}:{:016x}", crc.value())
        }
    }
}

#[test]
fn dumps_of_servers_and_crafted_ones() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/rdb");
    let expect = std::fs::read_to_string(corpus.join("EXPECT.tsv")).expect("the list of dumps");
    let mut seen = 0;
    for line in expect.lines() {
        let [name, expect, keys_before] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = std::fs::read(corpus.join(format!("{name}.rdb"))).expect(name);
        let (keys, end) = read(&bytes, &[], ReaderLimits::default());
        for steps in [&[0][..], &[1, 4, 200], &[99]] {
            assert_eq!(read(&bytes, steps, ReaderLimits::default()), (keys.clone(), end.clone()), "{name}");
        }
        let wanted = match expect {
            "ok" => end.is_ok(),
            "error" => end.is_err(),
            "incomplete" => matches!(end, Err(RdbError::Truncated { .. })),
            _ => true,
        };
        assert!(wanted, "{name}: {end:?}");
        // The entry whose pieces were cut may have been handed out.
        let whole = keys_before.parse::<usize>().expect(name);
        assert!(expect == "any" || keys.len() == whole, "{name}: {} keys", keys.len());
        if expect == "ok" {
            let mut lines: Vec<String> = keys
                .iter()
                .map(|(db, key, expire, value)| {
                    let expire = expire.map_or("-".into(), |at| at.to_string());
                    format!("{db}\t{}\t{expire}\t{}\n", shown(key), shown(value))
                })
                .collect();
            lines.sort();
            let wanted = std::fs::read_to_string(corpus.join(format!("{name}.keys"))).expect(name);
            let mut wanted: Vec<String> = wanted.lines().map(|line| format!("{line}\n")).collect();
            wanted.sort();
            assert_eq!(lines, wanted, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen} dumps");
}
#[test]
fn a_body_that_goes_on_after_a_hand_over_names_its_database_again() {
    let (mut a, mut b) = (Body::default(), Body::default());
    let mut writer = Writer::new(11, true);
    let mut wanted = Vec::new();
    for (db, body) in [(1, true), (2, false), (1, true), (2, false)] {
        let body = if body { &mut a } else { &mut b };
        body.string(db, b"k", None, b"v");
        wanted.push((u64::from(db), b"k".to_vec(), None, b"v".to_vec()));
        writer.absorb(body);
    }
    b.string(2, b"k", None, b"v");
    a.append(&mut b);
    b.string(2, b"k", None, b"v");
    a.string(1, b"k", None, b"v");
    a.append(&mut b);
    a.string(1, b"k", None, b"v");
    writer.absorb(&mut a);
    writer.finish();
    wanted.extend([2, 1, 2, 1].map(|db| (db, b"k".to_vec(), None, b"v".to_vec())));
    assert_eq!(read(&bytes_of(&mut writer), &[], SMALL), (wanted, Ok(())));
}

#[test]
fn a_flaw_in_a_long_string_is_found_at_the_same_place_at_any_split() {
    // Behind the key: 60 bytes announced; a copy that reaches too far, one that gives too much, literals that do.
    for packed in [
        &b"\x01ab\x20\x05aaaaaaaaaaaaaaaaaaaaaaaaaaa"[..],
        b"\x01ab\xe0\xff\x00aaaaaaaaaaa",
        b"\x01ab\xe0\x2d\x00\x07aaaaaaaa",
    ] {
        let bytes = [b"REDIS0010\x00\x01k\xc3", &[packed.len() as u8, 60][..], packed].concat();
        let (keys, end) = read(&bytes, &[], SMALL);
        assert!(matches!(end, Err(RdbError::Broken { .. })), "{end:?}");
        for step in 0..bytes.len() {
            assert_eq!(read(&bytes, &[step as u8], SMALL), (keys.clone(), end.clone()), "step {step}");
        }
    }
}
