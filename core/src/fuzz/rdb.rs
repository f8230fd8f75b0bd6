//! The snapshot format's reader, over bytes that may be anything.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::input::{Cuts, Draw, is_line};
use crate::machine::Chunks;
use crate::rdb::{Body, Entry, Item, Options, RdbError, Reader, ReaderLimits, Value, Writer};

/// The last two bytes choose limits and split; the rest is a snapshot. A file as it is will do: its checksum then
/// chooses, and is wrong by two bytes unless bit 7 of the limits' byte has it made right.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (limits, cuts) = (draw.last(), Cuts::new(draw.last()));
    let mut bytes = draw.rest().to_vec();
    if limits & 0x80 != 0 {
        seal(&mut bytes);
    }
    let limits = ReaderLimits {
        value: [64 << 10, 0, 1, 20, 50, 4096][usize::from(limits & 7) % 6],
        whole: [512 << 20, 8, 40, 4096][usize::from(limits >> 3 & 3)],
    };
    let whole = read(&[&bytes], limits);
    let cut = read(&cuts.all(&bytes), limits);
    assert_eq!(whole.end, cut.end, "how it ends depends on the split");
    assert_eq!(whole.keys, cut.keys, "the keys depend on the split");
    assert_eq!(whole.others, cut.others, "what is told beside the keys depends on the split");
    if whole.end.is_ok() {
        assert_eq!(whole.taken, cut.taken, "what is behind the end depends on the split");
        rewritten(&whole.keys);
    }
}

/// Puts the right checksum behind an end mark in the last nine bytes, so that it is no hurdle.
fn seal(bytes: &mut [u8]) {
    let Some(at) = bytes.len().checked_sub(9) else { return };
    bytes[at] = 0xff;
    let sum = crc(&bytes[..=at]);
    bytes[at + 1..].copy_from_slice(&sum.to_le_bytes());
}

/// CRC-64 of Jones, bit by bit: what the table must give.
fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &b| {
        (0..8).fold(crc ^ u64::from(b), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 })
    })
}

/// A key as it was read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Key {
    pub(super) db: u64,
    pub(super) name: Vec<u8>,
    pub(super) expire: Option<i64>,
    pub(super) value: Vec<u8>,
}

/// What came out of a snapshot.
pub(super) struct Read {
    pub(super) keys: Vec<Key>,
    /// AUX fields, functions, hints, idle times: as text.
    others: Vec<alloc::string::String>,
    taken: u64,
    pub(super) end: Result<(), RdbError>,
}

/// Reads `pieces` one after another.
pub(super) fn read(pieces: &[&[u8]], limits: ReaderLimits) -> Read {
    let mut reader = Reader::new(limits);
    let mut read = Read { keys: Vec::new(), others: Vec::new(), taken: 0, end: Ok(()) };
    let (mut given, mut announced) = (0u64, None);
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input.len();
            match reader.next(&mut input) {
                Ok(Some(item)) => take(item, &mut read, &mut announced, limits),
                Ok(None) => break,
                Err(error) => {
                    assert!(is_line(&error.to_string()), "{error:?}");
                    read.end = Err(error.clone());
                    let left = input.len();
                    assert_eq!(reader.next(&mut input), Err(error.clone()), "an error is followed by something else");
                    assert_eq!(input.len(), left, "behind an error something was taken");
                    assert_eq!(reader.finish(), Err(error));
                    return read;
                }
            }
            assert!(input.len() <= before);
        }
        assert!(input.is_empty() || reader.is_done(), "more is wanted, and {} bytes are left", input.len());
        given += (piece.len() - input.len()) as u64;
        assert_eq!(reader.offset(), given, "the count of what was taken");
        // Nothing is held but a record that is not whole, and what it is unpacked to.
        let bound = (given as usize).saturating_mul(600) + (1 << 18);
        assert!(reader.memory() <= bound, "{} bytes held after {given}", reader.memory());
        if reader.is_done() {
            break;
        }
    }
    read.taken = given;
    read.end = reader.finish();
    if read.end.is_ok() {
        checksum(&pieces.concat()[..given as usize], &read.others);
    }
    read
}

/// Takes an item, and holds it against the limits.
fn take(item: Item<'_>, read: &mut Read, announced: &mut Option<u64>, limits: ReaderLimits) {
    let first = read.others.is_empty() && read.keys.is_empty();
    assert_eq!(matches!(item, Item::Header { .. }), first, "a header comes first, and once");
    assert_eq!(matches!(item, Item::Piece(_) | Item::EntryEnd), announced.is_some(), "pieces follow a long string");
    match item {
        Item::Entry(Entry { db, key, expire_at_ms, idle_s, freq, value }) => {
            // A number in its short form is longer as text.
            assert!(key.len() <= limits.whole.max(11), "a key of {} bytes", key.len());
            let value = match value {
                Value::String(value) => {
                    assert!(value.len() <= limits.value.max(11), "a whole value of {} bytes", value.len());
                    value.to_vec()
                }
                Value::LongString(len) => {
                    assert!(len > limits.value as u64);
                    *announced = Some(len);
                    Vec::new()
                }
            };
            if idle_s.is_some() || freq.is_some() {
                read.others.push(alloc::format!("{idle_s:?} {freq:?}"));
            }
            read.keys.push(Key { db, name: key.to_vec(), expire: expire_at_ms, value });
        }
        Item::Piece(piece) => {
            assert!(!piece.is_empty(), "an empty piece");
            if let Some(last) = read.keys.last_mut() {
                last.value.extend_from_slice(piece);
                assert!(last.value.len() as u64 <= announced.unwrap_or(0), "more than was announced");
            }
        }
        Item::EntryEnd => {
            let len = read.keys.last().map(|k| k.value.len() as u64);
            assert_eq!(len, announced.take(), "a long string has the length that was announced");
        }
        Item::Aux { name, value } => {
            assert!(name.len().max(value.len()) <= limits.whole.max(11));
            read.others.push(alloc::format!("{item:?}"));
        }
        other => read.others.push(alloc::format!("{other:?}")),
    }
}

/// A snapshot that was read to its end has the checksum of its bytes, or none.
fn checksum(bytes: &[u8], others: &[alloc::string::String]) {
    if others.last().is_some_and(|end| end.contains("checksum: true")) {
        let (summed, stored) = bytes.split_at(bytes.len() - 8);
        assert_eq!(stored, crc(summed).to_le_bytes(), "a wrong checksum was taken for right");
    }
}

/// What was read is written and read again to the same.
fn rewritten(keys: &[Key]) {
    let mut body = Body::new(Options { compress: keys.len() % 2 == 1 });
    let keys: Vec<&Key> = keys.iter().filter(|k| u32::try_from(k.db).is_ok()).collect();
    for k in &keys {
        body.string(k.db as u32, &k.name, k.expire, &k.value);
    }
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
    writer.absorb(&mut body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    let again = read(&chunks.iter().map(|c| &c[..]).collect::<Vec<_>>(), ReaderLimits::default());
    assert_eq!(again.end, Ok(()));
    assert!(again.keys.iter().eq(keys.iter().copied()), "written and read again, the keys are others");
}
