//! Dumps of real servers with values of every type, and crafted ones: what is in them, cut and changed at every byte.

extern crate alloc;

use alloc::collections::BTreeMap;
use std::path::{Path, PathBuf};

use primacy_core::rdb::{Element, Item, Kind, RdbError, Reader, ReaderLimits, StreamPart, Value};

/// Cut and changed at every byte are dumps of up to so many bytes.
const SMALL: usize = 700;
/// Limits under which short values come in pieces.
const TIGHT: ReaderLimits = ReaderLimits { value: 3, whole: 4 << 20 };

/// What came out of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Read {
    /// Of each type: keys, and what is in them.
    counts: BTreeMap<&'static str, (usize, usize)>,
    /// Keys that were complete.
    whole: usize,
    /// Bytes that were taken.
    taken: u64,
    end: Result<(), RdbError>,
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::List => "list",
        Kind::Set => "set",
        Kind::Zset => "zset",
        Kind::Hash => "hash",
    }
}

fn read(bytes: &[u8], step: usize, limits: ReaderLimits) -> Read {
    let mut reader = Reader::new(limits);
    let mut read = Read { counts: BTreeMap::new(), whole: 0, taken: 0, end: Ok(()) };
    // The type of the value under way.
    let mut name = None;
    for mut input in bytes.chunks(step) {
        loop {
            match reader.next(&mut input) {
                Ok(Some(item)) => take(&item, &mut name, &mut read),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.finish(), Err(error.clone()), "an error stays");
                    read.end = Err(error);
                    return read;
                }
            }
        }
        if reader.is_done() {
            break;
        }
    }
    (read.taken, read.end) = (reader.offset(), reader.finish());
    read
}

fn take(item: &Item<'_>, name: &mut Option<&'static str>, read: &mut Read) {
    let more = match item {
        Item::Entry(entry) => {
            let (key, more) = match entry.value {
                Value::String(_) | Value::LongString(_) => ("string", 1),
                Value::Compact(kind, compact) => {
                    assert_eq!(compact.iter().count(), compact.len());
                    (kind_name(kind), compact.rows())
                }
                Value::Elements(kind, _) => (kind_name(kind), 0),
                Value::Stream => ("stream", 0),
                Value::Array { .. } => ("array", 0),
                Value::Module(_) => ("module", 0),
                _ => panic!("a type that the test does not know"),
            };
            *name = (!entry.value.is_whole()).then_some(key);
            read.whole += usize::from(entry.value.is_whole());
            let (keys, inside) = read.counts.entry(key).or_default();
            (*keys, *inside) = (*keys + 1, *inside + more);
            0
        }
        Item::EntryEnd => {
            *name = None;
            read.whole += 1;
            0
        }
        Item::Element(
            Element::Member(_)
            | Element::LongMember(_)
            | Element::Scored { .. }
            | Element::Field { .. }
            | Element::LongField { .. },
        )
        | Item::ArrayItem { .. } => 1,
        // Without a key, modules write beside the keys.
        Item::Module(_) => usize::from(name.is_some()),
        Item::Block(compact) => compact.rows(),
        Item::Stream(StreamPart::Node(node)) => {
            node.entries().filter(|entry| !entry.deleted && entry.fields.clone().count() > 0).count()
        }
        _ => 0,
    };
    if more > 0 {
        let name = name.expect("a part of a value");
        read.counts.entry(name).or_default().1 += more;
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/rdb-types")
}

/// Name, bytes, what has to come of it, whole keys, counts.
fn dumps() -> Vec<(String, Vec<u8>, String, usize, String)> {
    let expect = std::fs::read_to_string(folder().join("EXPECT.tsv")).expect("the list of dumps");
    let line = |line: &str| {
        let [name, expect, whole, counts] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = std::fs::read(folder().join(format!("{name}.rdb"))).expect(name);
        (name.into(), bytes, expect.into(), whole.parse().expect(line), counts.into())
    };
    expect.lines().map(line).collect()
}

#[test]
fn what_is_in_them() {
    let mut seen = 0;
    for (name, bytes, expect, keys, counts) in dumps() {
        let whole = read(&bytes, usize::MAX, ReaderLimits::default());
        for (step, limits) in [(1, ReaderLimits::default()), (1000, TIGHT), (usize::MAX, TIGHT)] {
            let again = read(&bytes, step, limits);
            assert_eq!((&again.counts, again.whole, again.taken), (&whole.counts, whole.whole, whole.taken), "{name}");
            assert_eq!(again.end.is_ok(), whole.end.is_ok(), "{name}: {:?}", again.end);
        }
        let wanted = match &*expect {
            "ok" => whole.end.is_ok(),
            "error" => whole.end.is_err() && !matches!(whole.end, Err(RdbError::Truncated { .. })),
            "incomplete" => matches!(whole.end, Err(RdbError::Truncated { .. })),
            _ => true,
        };
        assert!(wanted, "{name}: {:?}", whole.end);
        assert!(expect == "any" || whole.whole == keys, "{name}: {} keys", whole.whole);
        if expect == "ok" {
            let of = |(name, (keys, inside)): (&&str, &(usize, usize))| format!("{name}={keys}/{inside}");
            let found: Vec<String> = whole.counts.iter().map(of).collect();
            let found = if found.is_empty() { "-".into() } else { found.join(" ") };
            assert_eq!(found, counts, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 80, "{seen} dumps");
}

#[test]
fn a_dump_that_is_cut_anywhere_is_incomplete() {
    for (name, bytes, expect, ..) in dumps() {
        if expect != "ok" || bytes.len() > SMALL {
            continue;
        }
        let taken = read(&bytes, usize::MAX, TIGHT).taken as usize;
        for n in 0..taken {
            let end = read(&bytes[..n], 50, TIGHT).end;
            assert!(
                matches!(end, Err(RdbError::Truncated { offset, .. }) if offset == n as u64),
                "{name} at {n}: {end:?}"
            );
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_changes_nothing_else() {
    for (name, mut bytes, expect, ..) in dumps() {
        if bytes.len() > SMALL {
            continue;
        }
        let sound = read(&bytes, usize::MAX, TIGHT);
        // With a checksum nothing goes unseen: the dump's own does not fit, and all zeros would need eight changes.
        let summed = expect == "ok" && bytes[sound.taken as usize - 8..sound.taken as usize] != [0; 8];
        let summed = summed && !bytes.starts_with(b"REDIS000") | bytes.starts_with(b"REDIS0009");
        for at in 9..bytes.len().min(if expect == "ok" { sound.taken as usize } else { usize::MAX }) {
            let before = bytes[at];
            for changed in [before ^ 1, before ^ 0x80, before.wrapping_add(1), 0xff, 0] {
                bytes[at] = changed;
                let whole = read(&bytes, usize::MAX, TIGHT);
                assert!(!summed || changed == before || whole.end.is_err(), "{name}: byte {at} as {changed:#04x}");
            }
            bytes[at] = before;
        }
    }
}
