//! Collections that a load makes at once are those that commands make one by one.

use super::*;
use crate::dataset::LoadError;
use crate::rdb::Entry;
use quickcheck::{QuickCheck, TestResult};

/// One of the types that come element by element, with the command that adds to it.
const TYPES: [(Kind, &str); 3] = [(Kind::Hash, "HSET"), (Kind::Set, "SADD"), (Kind::Zset, "ZADD")];

/// Element `i` of some; a few repeat, some are numbers, and some are long.
fn name(i: u16, salt: u16) -> Vec<u8> {
    let n = i.wrapping_mul(salt | 1);
    match salt % 5 {
        0 => std::format!("{n}").into_bytes(),
        1 if i.is_multiple_of(7) => std::format!("{n}").into_bytes(),
        2 if i.is_multiple_of(50) => std::format!("member {n} {}", "x".repeat(usize::from(n % 100))).into_bytes(),
        3 => std::format!("m{}", n % 4000).into_bytes(),
        _ => std::format!("member:{n}").into_bytes(),
    }
}

fn score(name: &[u8]) -> f64 {
    f64::from(name.iter().fold(0i32, |sum, &byte| sum * 3 % 1000 + i32::from(byte))) / 4.0
}

/// Loads these elements as one value.
fn loaded(kind: Kind, names: &[Vec<u8>], announced: u64) -> Result<World, LoadError> {
    let mut w = World::new();
    w.ks.load_begin(LoadMode::Replace);
    let value = Value::Elements(kind, announced);
    let entry = Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value };
    w.ks.load_item(&Item::Entry(entry), None)?;
    for name in names {
        let element = match kind {
            Kind::Hash => Element::Field { field: name, value: b"some value", expire_at_ms: None },
            Kind::Zset => Element::Scored { member: name, score: score(name) },
            _ => Element::Member(name),
        };
        w.ks.load_item(&Item::Element(element), None)?;
    }
    w.ks.load_item(&Item::EntryEnd, None)?;
    w.ks.load_item(&Item::End { checksum: true }, None)?;
    w.ks.load_commit();
    Ok(w)
}

fn law(kind: usize, n: u16, salt: u16, short: bool) -> TestResult {
    let (kind, command) = TYPES[kind % TYPES.len()];
    // Around the limits of encodings, and around what is gathered at most.
    let n = [n % 200, 500 + n % 30, n % 2000, 4090 + n % 12][usize::from(salt / 5 % 4)].max(1);
    let names: Vec<Vec<u8>> = (0..n).map(|i| name(i, salt)).collect();
    let twins = names.iter().collect::<BTreeSet<_>>().len() < names.len();
    // Who announces more than comes is taken at what came.
    let announced = u64::from(n) + u64::from(short);
    let Ok(mut mine) = loaded(kind, &names, announced) else { return TestResult::from_bool(twins) };
    if twins {
        return TestResult::error("a twin was taken");
    }
    let mut other = World::new();
    for name in &names {
        let score = std::format!("{}", score(name)).into_bytes();
        match kind {
            Kind::Hash => other.run(0, &[command.as_bytes(), b"k", name, b"some value"]),
            Kind::Zset => other.run(0, &[command.as_bytes(), b"k", &score, name]),
            _ => other.run(0, &[command.as_bytes(), b"k", name]),
        };
    }
    assert_eq!(mine.ks.digest(), other.ks.digest(), "{command}: {n} elements");
    // What is announced chooses the encoding.
    if !short {
        assert_eq!(mine.say("OBJECT ENCODING k"), other.say("OBJECT ENCODING k"), "{command}: {n} elements");
    }
    TestResult::passed()
}

#[test]
fn they_are_what_commands_make() {
    QuickCheck::new().tests(120).quickcheck(law as fn(usize, u16, u16, bool) -> TestResult);
}
