//! The snapshot format's reader, over bytes that may be anything.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::input::{Cuts, Draw, is_line};
use crate::machine::Chunks;
use crate::rdb::{
    Body, Compact, Element, Entry, Item, Options, RdbError, Reader, ReaderLimits, Scalar, StreamPart, Value, Writer,
};

/// The last two bytes choose limits and split; the rest is a snapshot. A file as it is will do: its checksum then
/// chooses, and is wrong by two bytes unless bit 7 of the limits' byte has it made right.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (limits, split) = (draw.last(), draw.last());
    let cuts = Cuts::new(split);
    let mut bytes = draw.rest().to_vec();
    if limits & 0x80 != 0 {
        seal(&mut bytes);
    }
    let limits = ReaderLimits {
        value: [64 << 10, 0, 1, 20, 50, 4096][usize::from(limits & 7) % 6],
        whole: [512 << 20, 8, 40, 4096][usize::from(limits >> 3 & 3)],
    };
    let whole = read(&[&bytes], limits);
    let pieces = cuts.all(&bytes);
    let cut = read(&pieces, limits);
    assert_eq!(whole.end, cut.end, "how it ends depends on the split");
    assert_eq!(whole.keys, cut.keys, "the keys depend on the split");
    assert_eq!(whole.others, cut.others, "what is told beside the keys depends on the split");
    if whole.end.is_ok() {
        assert_eq!(whole.taken, cut.taken, "what is behind the end depends on the split");
        let skipped = skip(&pieces, limits);
        assert_eq!(skipped, whole.entries, "passed over, the keys are others");
        rewritten(&whole.keys);
    }
    twins(&bytes, limits, usize::from(split) * bytes.len() / 256);
}

/// A second reader that passes over the keys up to byte `least` says of the others what the first says.
fn twins(bytes: &[u8], limits: ReaderLimits, least: usize) {
    let (mut reader, mut input) = (Reader::new(limits), bytes);
    while !reader.is_between_keys() {
        if !matches!(reader.next(&mut input), Ok(Some(_))) {
            return;
        }
    }
    let (Some(mut twin), mut far) = (reader.twin(), input) else { return };
    if !twin.pass_keys(&mut far, least) {
        return;
    }
    let mut at_end = false;
    while !at_end || input.len() > far.len() {
        match reader.next(&mut input) {
            Ok(Some(Item::Entry(entry))) => at_end = entry.value.is_whole(),
            Ok(Some(item)) => at_end = matches!(item, Item::EntryEnd),
            // What is wrong inside of a key that is passed over stays unseen.
            Err(_) => return,
            Ok(None) => panic!("passed over, the keys go further than read"),
        }
    }
    assert_eq!((input.len(), reader.offset()), (far.len(), twin.offset()), "the keys end elsewhere");
    loop {
        let said = |reader: &mut Reader, input: &mut &[u8]| {
            reader.next(input).map(|item| item.map(|item| format!("{item:?}")))
        };
        let (first, second) = (said(&mut reader, &mut input), said(&mut twin, &mut far));
        assert_eq!(first, second, "the second reader says something else");
        if !matches!(first, Ok(Some(_))) {
            break;
        }
    }
    assert_eq!(
        (input.len(), reader.offset(), reader.empty_skipped()),
        (far.len(), twin.offset(), twin.empty_skipped())
    );
    assert_eq!(reader.finish(), twin.finish());
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
    /// All but strings, as text.
    others: Vec<String>,
    /// Keys of any type, as text.
    entries: Vec<String>,
    taken: u64,
    pub(super) end: Result<(), RdbError>,
}

/// Reads `pieces` one after another.
pub(super) fn read(pieces: &[&[u8]], limits: ReaderLimits) -> Read {
    let mut reader = Reader::new(limits);
    let mut read = Read { keys: Vec::new(), others: Vec::new(), entries: Vec::new(), taken: 0, end: Ok(()) };
    let (mut given, mut place) = (0u64, Place::default());
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input.len();
            match reader.next(&mut input) {
                Ok(Some(item)) => take(item, &mut read, &mut place, limits),
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

/// Inside of what the next item stands.
#[derive(Debug, Default)]
struct Place {
    /// A value that is not whole, a string or not.
    value: Option<bool>,
    /// Bytes of a long string that are still to come.
    long: Option<u64>,
    /// Modules' data beside the keys.
    aside: bool,
    /// The last item was a piece.
    piece: bool,
}

/// Takes an item, and holds it against the limits.
fn take(item: Item<'_>, read: &mut Read, place: &mut Place, limits: ReaderLimits) {
    let first = read.others.is_empty() && read.keys.is_empty();
    assert_eq!(matches!(item, Item::Header { .. }), first, "a header comes first, and once");
    let inside = matches!(item, Item::Piece(_) | Item::EntryEnd | Item::ElementEnd { .. });
    assert!(place.long.is_none() || inside, "pieces follow a long string");
    sound(&item, limits);
    let piece = core::mem::take(&mut place.piece);
    match item {
        Item::Entry(entry) => {
            assert!(place.value.is_none(), "a key inside of a value");
            place.aside = false;
            read.entries.push(format!("{entry:?}"));
            take_key(entry, read, place);
        }
        Item::Piece(bytes) => {
            assert!(!bytes.is_empty(), "an empty piece");
            let left = place.long.and_then(|left| left.checked_sub(bytes.len() as u64));
            place.long = Some(left.expect("no more than was announced"));
            match (place.value, read.keys.last_mut()) {
                (Some(true), Some(key)) => key.value.extend_from_slice(bytes),
                // Where a piece ends is the split's.
                _ if piece => read.others.last_mut().expect("a piece").extend(bytes.escape_ascii().map(char::from)),
                _ => read.others.push(bytes.escape_ascii().to_string()),
            }
            place.piece = true;
        }
        Item::EntryEnd => {
            assert!(place.value.take().is_some(), "the end of no value");
            assert_eq!(place.long.take().unwrap_or(0), 0, "a long string has the length that was announced");
        }
        Item::ElementEnd { .. } => {
            assert_eq!(place.long.take(), Some(0), "a long element has the length that was announced");
            read.others.push(format!("{item:?}"));
        }
        other => {
            let part = match other {
                Item::Element(Element::LongMember(len) | Element::LongField { len, .. }) => {
                    place.long = Some(len);
                    true
                }
                Item::ModuleAux { .. } | Item::KeyMeta { .. } => {
                    place.aside = true;
                    false
                }
                Item::ModuleAuxEnd => !core::mem::take(&mut place.aside),
                Item::Module(_) => !place.aside,
                other => matches!(other, Item::Element(_) | Item::Block(_) | Item::Stream(_) | Item::ArrayItem { .. }),
            };
            assert_eq!(part, place.value == Some(false), "a part of a value stands in one: {other:?}");
            read.others.push(format!("{other:?}"));
        }
    }
}

/// Takes a key: strings are kept as such, to be written again.
fn take_key(Entry { db, key, expire_at_ms, idle_s, freq, value }: Entry<'_>, read: &mut Read, place: &mut Place) {
    let string = match value {
        Value::String(bytes) => Some(bytes.to_vec()),
        Value::LongString(len) => {
            place.long = Some(len);
            Some(Vec::new())
        }
        _ => None,
    };
    place.value = (!value.is_whole()).then_some(string.is_some());
    if idle_s.is_some() || freq.is_some() {
        read.others.push(format!("{idle_s:?} {freq:?}"));
    }
    match string {
        Some(value) => read.keys.push(Key { db, name: key.to_vec(), expire: expire_at_ms, value }),
        None => read.others.push(format!("{db} {} {expire_at_ms:?} {value:?}", key.escape_ascii())),
    }
}

/// What holds of an item whatever stands before it.
fn sound(item: &Item<'_>, limits: ReaderLimits) {
    // A number in its short form is longer as text.
    let (whole, value) = (limits.whole.max(11), limits.value.max(11));
    match *item {
        Item::Entry(Entry { key, value: worth, .. }) => {
            assert!(key.len() <= whole, "a key of {} bytes", key.len());
            match worth {
                Value::String(bytes) => assert!(bytes.len() <= value, "a whole value of {} bytes", bytes.len()),
                Value::LongString(len) => assert!(len > limits.value as u64),
                Value::Compact(_, compact) => walk(compact),
                _ => {}
            }
        }
        Item::Aux { name, value } => assert!(name.len().max(value.len()) <= whole),
        // Those of a list have the bound of values, those of a set the other.
        Item::Element(Element::Member(member)) => assert!(member.len() <= whole.max(value)),
        Item::Element(Element::Scored { member, score }) => assert!(member.len() <= whole && !score.is_nan()),
        Item::Element(Element::Field { field, value: worth, .. }) => {
            assert!(field.len() <= whole && worth.len() <= value);
        }
        Item::Element(Element::LongMember(len) | Element::LongField { len, .. }) => assert!(len > limits.value as u64),
        Item::Block(compact) => {
            assert!(!compact.is_empty() && compact.row() == 1, "a block of no elements");
            walk(compact);
        }
        Item::Stream(StreamPart::Node(node)) => {
            let mut size = 0;
            for entry in node.entries() {
                size += 3 + entry.fields.count();
            }
            assert!(size <= node.blob().len(), "more entries than bytes");
        }
        _ => {}
    }
}

/// Every value of a blob lies inside it, and there are as many as it says, in whole rows.
fn walk(compact: Compact<'_>) {
    assert_eq!((compact.iter().count(), compact.len() % compact.row()), (compact.len(), 0));
    let within = compact.blob().as_ptr_range();
    for value in &compact {
        if let Scalar::Text(text) = value {
            let text = text.as_ptr_range();
            assert!(within.start <= text.start && text.end < within.end, "a value outside of its blob");
        }
    }
}

/// The keys of a sound snapshot, with the parts of their values passed over.
fn skip(pieces: &[&[u8]], limits: ReaderLimits) -> Vec<String> {
    let mut reader = Reader::new(limits);
    let mut entries = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(item) = reader.next(&mut input).expect("what was read can be passed over") {
            match item {
                Item::Entry(entry) => {
                    entries.push(format!("{entry:?}"));
                    reader.skip();
                }
                Item::Piece(_) | Item::Element(_) | Item::Block(_) | Item::Stream(_) | Item::ArrayItem { .. } => {
                    panic!("a part that was to be passed over: {item:?}")
                }
                _ => {}
            }
        }
        if reader.is_done() {
            break;
        }
    }
    assert_eq!(reader.finish(), Ok(()));
    entries
}

/// A snapshot that was read to its end has the checksum of its bytes, or none.
fn checksum(bytes: &[u8], others: &[String]) {
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
