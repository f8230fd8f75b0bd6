//! Values of every type: records by hand, and random ones from a small encoder of the test's own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use crate::rdb::*;
use quickcheck::quickcheck;

/// Small limits, so that short values are long.
const SMALL: ReaderLimits = ReaderLimits { value: 10, whole: 200 };

/// A snapshot without a checksum.
fn snapshot(magic: &[u8; 9], records: &[u8]) -> Vec<u8> {
    [magic, records, &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn values(compact: Compact<'_>) -> String {
    let values: Vec<String> = compact.iter().map(|value| text(value.text(&mut [0; 20]))).collect();
    format!("[{}]", values.join(" "))
}

/// An item as a line; pieces are joined by the caller.
fn line(item: Item<'_>) -> String {
    match item {
        Item::Entry(e) => match e.value {
            Value::String(value) => {
                // Nothing that was said of a key before may be said of this one.
                assert_eq!((e.expire_at_ms, e.idle_s, e.freq), (None, None, None));
                format!("{}={}", text(e.key), text(value))
            }
            Value::Compact(kind, compact) => format!("{}={kind:?}{}", text(e.key), values(compact)),
            value => format!("{}={value:?}", text(e.key)),
        },
        Item::Piece(piece) => text(piece),
        Item::Element(Element::Member(member)) => text(member),
        Item::Element(Element::LongMember(len)) => format!("<{len}>"),
        Item::Element(Element::Scored { member, score }) => format!("{} {score}", text(member)),
        Item::Element(Element::Field { field, value, expire_at_ms }) => {
            format!("{}:{} {expire_at_ms:?}", text(field), text(value))
        }
        Item::Element(Element::LongField { field, len }) => format!("{}:<{len}>", text(field)),
        Item::ElementEnd { expire_at_ms } => format!("> {expire_at_ms:?}"),
        Item::Block(compact) => values(compact),
        Item::ArrayItem { index, value } => format!("{index}:{}", text(value)),
        Item::Module(ModuleValue::String(bytes)) => text(bytes),
        Item::EntryEnd => "end".into(),
        other => format!("{other:?}"),
    }
}

/// The items between header and end as lines, how many keys were left out, and the error.
fn read_in(bytes: &[u8], steps: &[usize], limits: ReaderLimits) -> (Vec<String>, u64, Option<RdbError>) {
    let mut reader = Reader::new(limits);
    let (mut lines, mut rest, mut turn, mut piece) = (Vec::<String>::new(), bytes, 0, false);
    while !rest.is_empty() && !reader.is_done() {
        let (mut input, later) = rest.split_at(steps[turn % steps.len()].clamp(1, rest.len()));
        (rest, turn) = (later, turn + 1);
        loop {
            match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Item::Header { .. } | Item::End { .. })) => {}
                Ok(Some(item)) => match (core::mem::replace(&mut piece, matches!(item, Item::Piece(_))), item) {
                    (true, Item::Piece(_)) => lines.last_mut().unwrap().push_str(&line(item)),
                    _ => lines.push(line(item)),
                },
                Err(error) => return (lines, reader.empty_skipped(), Some(error)),
            }
        }
    }
    (lines, reader.empty_skipped(), reader.finish().err())
}

/// The items of `records`, the same at any split, and what an ever shorter prefix gives is never an error.
fn read(magic: &[u8; 9], records: &[u8]) -> (Vec<String>, u64, Option<RdbError>) {
    let bytes = snapshot(magic, records);
    let whole = read_in(&bytes, &[usize::MAX], SMALL);
    for step in 1..bytes.len() {
        assert_eq!(read_in(&bytes, &[step], SMALL), whole, "step {step}");
    }
    if whole.2.is_none() {
        for n in 0..bytes.len() {
            let (_, _, error) = read_in(&bytes[..n], &[usize::MAX], SMALL);
            assert!(matches!(error, Some(RdbError::Truncated { .. })), "{n} bytes: {error:?}");
        }
    }
    whole
}

/// The lines of sound records of Redis.
fn lines(records: &[u8]) -> Vec<String> {
    let (lines, _, error) = read(b"REDIS0015", records);
    assert_eq!(error, None);
    lines
}

/// The flaw of unsound records of Redis, and the key and type it is reported with.
fn flaw(records: &[u8]) -> (Flaw, &'static str, String) {
    match read(b"REDIS0015", records).2 {
        Some(RdbError::Broken { record, key, flaw, .. }) => (flaw, record, key.unwrap_or_default().into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn elements_one_after_the_other() {
    assert_eq!(
        lines(b"\x01\x01k\x03\x01a\xc0\x05\x0b0123456789a")[1..],
        ["a", "5", "<11>", "0123456789a", "> None", "end"]
    );
    assert_eq!(lines(b"\x02\x01k\x02\x01a\x0b0123456789a")[..3], ["k=Elements(Set, 2)", "a", "0123456789a"]);
    assert_eq!(
        lines(b"\x03\x01k\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x06-2e+10")[1..5],
        ["a 1.5", "b inf", "c -inf", "d -20000000000"]
    );
    assert_eq!(lines(b"\x05\x01k\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f")[1..], ["a 1.5", "end"]);
    assert_eq!(
        lines(b"\x04\x01k\x02\x01f\x01v\x01g\x0b0123456789a")[1..],
        ["f:v None", "g:<11>", "0123456789a", "> None", "end"]
    );
    assert_eq!(flaw(b"\x03\x01k\x01\x01a\x03abc"), (Flaw::Score, "ZSET", "k".into()));
    assert_eq!(flaw(b"\x03\x01k\x01\x01a\xfd"), (Flaw::Score, "ZSET", "k".into()));
    assert_eq!(flaw(b"\x05\x01k\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f").0, Flaw::Score);
}

#[test]
fn a_long_compressed_element() {
    // Two literals, a copy of 34 bytes from 2 back, four literals.
    let lzf = b"\xc3\x0b\x28\x01ab\xe0\x19\x01\x03wxyz";
    let long = format!("{}wxyz", "ab".repeat(18));
    let list = lines(&[&b"\x01\x01k\x02"[..], lzf, b"\x01b"].concat());
    assert_eq!(list[1..], ["<40>", &long, "> None", "b", "end"]);
    let set = lines(&[&b"\x02\x01k\x01"[..], lzf].concat());
    assert_eq!(set[1..], [&*long, "end"], "members are whole");
}

#[test]
fn hashes_whose_fields_expire() {
    let base = 0x1000u64.to_le_bytes();
    let records = [&b"\x18\x01k"[..], &base, b"\x03\x00\x01f\x01v\x01\x01g\x01w\x05\x01h\x0b0123456789a"].concat();
    assert_eq!(lines(&records)[1..], ["f:v None", "g:w Some(4096)", "h:<11>", "0123456789a", "> Some(4100)", "end"]);
    assert_eq!(lines(b"\x16\x01k\x02\x00\x01f\x01v\x07\x01g\x01w")[1..], ["f:v None", "g:w Some(7)", "end"]);
    let valkey = [&b"\x16\x01k\x02\x01f\x01v"[..], &[0xff; 8], b"\x01g\x0b0123456789a", &base].concat();
    let (seen, _, error) = read(b"VALKEY080", &valkey);
    assert_eq!(
        (&seen[1..], error),
        (&["f:v None", "g:<11>", "0123456789a", "> Some(4096)", "end"].map(String::from)[..], None)
    );
    let below = [&b"\x16\x01k\x01\x01f\x01v\xfe"[..], &[0xff; 7]].concat();
    assert!(matches!(
        read(b"VALKEY080", &below).2,
        Some(RdbError::Broken { flaw: Flaw::Expiry, record: "HASH_2", .. })
    ));
    let late = [&b"\x18\x01k"[..], &((1u64 << 48) - 1).to_le_bytes(), b"\x01\x02\x01f\x01v"].concat();
    assert_eq!(flaw(&late), (Flaw::Expiry, "HASH_METADATA", "k".into()));
    let wrap = [&b"\x18\x01k"[..], &u64::MAX.to_le_bytes(), b"\x01\x02\x01f\x01v"].concat();
    assert_eq!(flaw(&wrap).0, Flaw::Expiry);
    // In a blob.
    let entry = |expiry| {
        let mut blob = Vec::new();
        let mut writer = ListpackWriter::new(&mut blob);
        [Scalar::Text(b"f"), Scalar::Text(b"v"), expiry].into_iter().for_each(|value| writer.push(value));
        writer.finish().unwrap();
        [&b"\x19\x01k"[..], &base, &[blob.len() as u8], &blob].concat()
    };
    assert_eq!(lines(&entry(Scalar::Int(0x1000))), ["k=Hash[f v 4096]"]);
    assert_eq!(flaw(&entry(Scalar::Text(b"7"))).0, Flaw::Compact(CompactError::Expiry { at: 2 }));
    assert_eq!(flaw(&entry(Scalar::Int(1 << 48))).0, Flaw::Compact(CompactError::Expiry { at: 2 }));
}

#[test]
fn collections_in_one_blob() {
    let pack = |number: u8| [&[number][..], b"\x01k\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x01\x01\xff"].concat();
    assert_eq!(lines(&pack(16)), ["k=Hash[a 1]"]);
    assert_eq!(lines(&pack(17)), ["k=Zset[a 1]"]);
    assert_eq!(lines(&pack(20)), ["k=Set[a 1]"]);
    assert_eq!(lines(b"\x0b\x01k\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00"), ["k=Set[7]"]);
    assert_eq!(lines(b"\x09\x01k\x07\x01\x01f\x01\x00v\xff"), ["k=Hash[f v]"]);
    let odd = b"\x10\x01k\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff";
    assert_eq!(flaw(odd), (Flaw::Compact(CompactError::Rows { len: 1, row: 2 }), "HASH_LISTPACK", "k".into()));
}

#[test]
fn what_is_empty_is_left_out() {
    let empty = [
        &b"\x01\x01k\x00\x02\x01k\x00\x05\x01k\x00\x04\x01k\x00\x18\x01k\0\0\0\0\0\0\0\0\x00"[..],
        b"\x14\x01k\x07\x07\0\0\0\0\0\xff\x0a\x01k\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff",
        // Lists of no node, of an empty one, and of three.
        b"\x12\x01k\x00\x12\x01k\x01\x02\x07\x07\0\0\0\0\0\xff",
        b"\x12\x01k\x03\x02\x07\x07\0\0\0\0\0\xff\x02\x07\x07\0\0\0\0\0\xff\x02\x07\x07\0\0\0\0\0\xff",
    ]
    .concat();
    // What was said of such a key is not said of the next.
    let records = [b"\xfc\x01\0\0\0\0\0\0\0", &empty[..], b"\x00\x01a\x01b"].concat();
    assert_eq!(read(b"REDIS0012", &records), (vec!["a=b".to_string()], 10, None));
    let late = b"\x12\x01k\x04\x02\x07\x07\0\0\0\0\0\xff\x02\x07\x07\0\0\0\0\0\xff\x01\x01a\x02\x07\x07\0\0\0\0\0\xff";
    assert_eq!(read(b"REDIS0012", late), (["k=Elements(List, 2)", "a", "end"].map(String::from).to_vec(), 0, None));
    assert_eq!(flaw(b"\x12\x01k\x01\x02\x07\x08\0\0\0\0\0\xff").1, "LIST_QUICKLIST_2", "an empty node is looked into");
    assert_eq!(flaw(b"\x0b\x01k\x08\x02\0\0\0\0\0\0\0").0, Flaw::Compact(CompactError::Empty));
}

#[test]
fn lists_in_nodes() {
    let records = b"\x12\x01k\x03\x02\x09\x09\0\0\0\x01\0\x07\x01\xff\x01\x0b0123456789a\x01\x01z";
    let seen = lines(records);
    assert_eq!(seen, ["k=Elements(List, 3)", "[7]", "<11>", "0123456789a", "> None", "z", "end"]);
    let first = b"\x12\x01k\x01\x01\x0b0123456789a";
    assert_eq!(lines(first)[1..], ["<11>", "0123456789a", "> None", "end"]);
    assert_eq!(lines(b"\x0e\x01k\x01\x0d\x0d\0\0\0\x0a\0\0\0\x01\0\0\xf2\xff")[1..], ["[1]", "end"]);
    let container = Flaw::Form { what: "container of a list's node", number: 3 };
    assert_eq!(flaw(b"\x12\x01k\x01\x03\x01a"), (container, "LIST_QUICKLIST_2", "k".into()));
    assert_eq!(flaw(b"\x12\x01k\x01\x01\x00").0, Flaw::Empty("plain node"));
}

#[test]
fn modules_and_metadata() {
    let ops =
        b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x02\x07\x03\0\0\x80\x3f\x04\0\0\0\0\0\0\xf0\x3f\x05\x03abc\x00";
    let seen = ["Module(Signed(-1))", "Module(Unsigned(7))", "Module(Float(1065353216))"];
    let double = format!("Module(Double({}))", 1f64.to_bits());
    let value = lines(&[&b"\x07\x01k\x05"[..], ops].concat());
    assert_eq!((&value[1..4], &value[4..]), (&seen.map(String::from)[..], &[double, "abc".into(), "end".into()][..]));
    let aux = lines(&[&b"\xf7\x05\x02\x01"[..], ops, b"\x00\x01a\x01b"].concat());
    assert_eq!(aux[0], "ModuleAux { module: ModuleId(5), when: 1 }");
    assert_eq!(aux[5..], ["abc", "ModuleAuxEnd", "a=b"]);
    let meta = lines(b"\xf3\x02\x01\0\0\0\x02\x07\x00\x02\0\0\0\x00\x00\x01a\x01b");
    assert_eq!(meta, ["KeyMeta { class: 1 }", "Module(Unsigned(7))", "KeyMeta { class: 2 }", "a=b"]);
    assert_eq!(flaw(b"\xf3\x01\x01\0\0\0\x00\xfe\x01").0, Flaw::MetaAlone);
    assert_eq!(flaw(b"\x07\x01k\x05\x09").0, Flaw::Form { what: "operation of a module", number: 9 });
    let id = ModuleId([0, 1, 26, 52, 62, 63, 0, 0, 0].iter().fold(0, |id, c| id << 6 | c) << 10 | 5);
    assert_eq!((&id.name(), id.version()), (b"ABa0-_AAA", 5));
}

#[test]
fn slots() {
    assert_eq!(lines(b"\xf4\x01\x02\x03"), ["SlotInfo { slot: 1, keys: 2, expires: 3 }"]);
    assert_eq!(read(b"VALKEY080", b"\xf3\x03job\x02\x01\x02\x03\x04\x00\x01a\x01b").0, ["a=b"]);
}

#[test]
fn hash_templates() {
    let template = b"\xf2\x07\x03\x01a\x01b\x02aa";
    let pack = b"\x10\x10\0\0\0\x04\0\x07\x01\x01\x01\x81v\x02\x02\x01\xff";
    let records = [&template[..], b"\x20\x01k\x07\x01v\xc0\x05\x0b0123456789a\x1e\x01l", pack].concat();
    assert_eq!(
        lines(&records),
        [
            "k=Elements(Hash, 3)",
            "a:v None",
            "b:5 None",
            "aa:<11>",
            "0123456789a",
            "> None",
            "end",
            "l=Hash[a 1 b v aa 2]"
        ]
    );
    assert_eq!(flaw(&[&template[..], template].concat()).0, Flaw::TemplateTwice(7));
    assert_eq!(flaw(b"\xf2\x07\x02\x02aa\x01b"), (Flaw::TemplateOrder(7), "HASH_TEMPLATE", String::new()));
    assert_eq!(flaw(b"\xf2\x07\x02\x01a\x01a").0, Flaw::TemplateOrder(7));
    assert_eq!(flaw(b"\xf2\x07\x00").0, Flaw::Empty("hash template"));
    assert_eq!(flaw(b"\x20\x01k\x07\x01v").0, Flaw::NoTemplate(7));
    let two = [&template[..], b"\x1e\x01l\x0b\x0b\0\0\0\x02\0\x07\x01\x01\x01\xff"].concat();
    assert_eq!(flaw(&two).0, Flaw::TemplateValues { values: 1, fields: 3 });
    let long = [&b"\xf2\x07\x02\x40\x60"[..], &[b'a'; 96], b"\x40\x61", &[b'a'; 97]].concat();
    assert!(matches!(flaw(&long).0, Flaw::TooLong { limit: 200, .. }), "all templates together are bounded");
}

#[test]
fn arrays() {
    let records = b"\x1c\x01k\x04\x01\x02\x00\x00\x01a\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff\x05\x02\0\0\0\0\0\0\xf8\x3f\x06\x03\x01z";
    let seen = lines(records);
    assert_eq!(seen, ["k=Array { len: 4, next_insert: Some(3) }", "0:a", "3:-1", "5:1.5", "6:z", "end"]);
    assert_eq!(flaw(b"\x1c\x01k\x02\x00\x01\x00\x01a\x01\x00\x01b").0, Flaw::Index(1));
    assert_eq!(flaw(b"\x1c\x01k\x00\x00").0, Flaw::Empty("array"));
    assert_eq!(flaw(b"\x1c\x01k\x01\x00\x01\x09").0, Flaw::Form { what: "tag of an array's element", number: 9 });
    assert_eq!(flaw(b"\x1c\x01k\x01\x02").0, Flaw::Form { what: "flag of an array", number: 2 });
}

/// The node of §9, with the id 5-1: entries 5-1 and 6-0.
const NODE: &[u8] =
    b"\x10\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01\x29\x29\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\
    \x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\x02\x01\x01\x01\xdf\xff\x02\x81w\x02\x04\x01\xff";

#[test]
fn streams_of_every_type() {
    let id = b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01";
    let ms = 9u64.to_le_bytes();
    for number in [15, 19, 21, 26, 27u8] {
        let since = |n, bytes: &'static [u8]| if number >= n { bytes } else { &[] };
        let records = [
            &[number][..],
            b"\x01s\x01",
            NODE,
            b"\x02\x06\x00",
            since(19, b"\x05\x01\x00\x00\x02"),
            b"\x01\x01g\x06\x00",
            since(19, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
            b"\x01",
            id,
            &ms,
            b"\x03\x01\x01c",
            &ms,
            since(21, &[0xff; 8]),
            b"\x01",
            id,
            since(27, b"\x01"),
            if number >= 27 { &id[..] } else { &[] },
            since(26, b"\x40\x64\x0a\x02\x01p\x00\x01q\x01\x01i\x05\x01\x03\x04"),
            b"\x00\x01a\x01b",
        ]
        .concat();
        let seen = lines(&records);
        let has = |what: &str| seen.iter().any(|line| line.contains(what));
        assert_eq!((&*seen[0], seen.last().map(|s| &**s)), ("s=Stream", Some("a=b")), "type {number}");
        assert!(seen[1].starts_with("Stream(Node("));
        assert!(has("Meta { length: 2, last_id: StreamId { ms: 6, seq: 0 }"));
        assert_eq!(has("entries_added: Some(2)"), number >= 19);
        assert!(has("entries_read: None") && has("deliveries: 3") && has("active_at_ms: None") && has("Owns("));
        assert_eq!(has("Released("), number >= 27);
        assert_eq!(has("Idempotence { duration_s: 100, max_entries: 10 }"), number >= 26);
        assert_eq!((has("Producer([112])"), has("Producer([113])")), (false, number >= 26));
        assert_eq!(has("IdempotenceEnd { added: 3, duplicates: 4 }"), number >= 26);
    }
    assert_eq!(flaw(b"\x0f\x01s\x01\x03abc\x07\x07\0\0\0\0\0\xff").0, Flaw::NodeId(3));
}

quickcheck! {
    fn random_collections_at_any_split(seeds: Vec<(u8, u16)>, steps: Vec<u8>, value: u8) -> bool {
        let (records, wanted) = encode(&seeds);
        let bytes = snapshot(b"REDIS0012", &records);
        let steps: Vec<usize> = steps.iter().map(|&n| usize::from(n) + 1).chain([50]).collect();
        let limits = ReaderLimits { value: value.into(), whole: 1 << 20 };
        rows(&bytes, &steps, limits) == wanted && rows(&bytes, &[usize::MAX], ReaderLimits::default()) == wanted
    }
}

/// A string from a seed, of up to 300 bytes.
fn member(n: usize) -> Vec<u8> {
    match n % 3 {
        0 => (n * 7919).to_string().into_bytes(),
        1 => vec![b'x'; n % 300],
        _ => format!("member {n}").into_bytes(),
    }
}

/// A string as it is stored: raw, behind a length of five bytes.
fn stored(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(0x80);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Collections of several types, and their values in order.
fn encode(seeds: &[(u8, u16)]) -> (Vec<u8>, Vec<Vec<String>>) {
    let (mut out, mut all) = (Vec::new(), Vec::new());
    for &(kind, n) in seeds {
        let n = usize::from(n);
        let members: Vec<Vec<u8>> = (0..=n % 9).map(|i| member(n + i)).collect();
        let number = [1, 2, 5, 4, 18, 16, 20][usize::from(kind) % 7];
        out.push(number);
        stored(&mut out, format!("key {}", all.len()).as_bytes());
        match number {
            16 | 20 => stored(&mut out, &packed(&members, number == 16)),
            18 => {
                out.push(members.len() as u8);
                for member in &members {
                    let plain = member.len() % 2 == 1;
                    out.push(if plain { 1 } else { 2 });
                    let node = if plain { member.clone() } else { packed(core::slice::from_ref(member), true) };
                    stored(&mut out, &node);
                }
            }
            _ => {
                out.push(members.len() as u8);
                for (i, member) in members.iter().enumerate() {
                    stored(&mut out, member);
                    match number {
                        4 => stored(&mut out, member),
                        5 => out.extend_from_slice(&(i as f64).to_le_bytes()),
                        _ => {}
                    }
                }
            }
        }
        let pair = matches!(number, 4 | 16) || number == 18;
        let of = |(i, member): (usize, &Vec<u8>)| match number {
            5 => vec![text(member), i.to_string()],
            18 if member.len() % 2 == 1 => vec![text(member)],
            _ if pair => vec![text(member), text(member)],
            _ => vec![text(member)],
        };
        all.push(members.iter().enumerate().flat_map(of).collect());
    }
    (out, all)
}

/// A listpack of strings, each of them twice if `twice`.
fn packed(members: &[Vec<u8>], twice: bool) -> Vec<u8> {
    let mut blob = Vec::new();
    let mut writer = ListpackWriter::new(&mut blob);
    for member in members {
        for _ in 0..=usize::from(twice) {
            writer.string(member);
        }
    }
    writer.finish().unwrap();
    blob
}

/// The values of every collection in order.
fn rows(bytes: &[u8], steps: &[usize], limits: ReaderLimits) -> Vec<Vec<String>> {
    let mut reader = Reader::new(limits);
    let mut all: Vec<Vec<String>> = Vec::new();
    let (mut rest, mut turn) = (bytes, 0);
    while !rest.is_empty() {
        let (mut input, later) = rest.split_at(steps[turn % steps.len()].min(rest.len()));
        (rest, turn) = (later, turn + 1);
        while let Some(item) = reader.next(&mut input).unwrap() {
            let walk = |compact: Compact<'_>| compact.iter().map(|v| text(v.text(&mut [0; 20]))).collect::<Vec<_>>();
            match item {
                Item::Entry(entry) => {
                    all.push(if let Value::Compact(_, compact) = entry.value { walk(compact) } else { Vec::new() });
                }
                Item::Block(compact) => all.last_mut().unwrap().extend(walk(compact)),
                Item::Element(element) => {
                    let row = all.last_mut().unwrap();
                    match element {
                        Element::Member(member) => row.push(text(member)),
                        Element::LongMember(_) => row.push(String::new()),
                        Element::Scored { member, score } => row.extend([text(member), score.to_string()]),
                        Element::Field { field, value, .. } => row.extend([text(field), text(value)]),
                        Element::LongField { field, .. } => row.extend([text(field), String::new()]),
                    }
                }
                Item::Piece(piece) => all.last_mut().unwrap().last_mut().unwrap().push_str(&text(piece)),
                _ => {}
            }
        }
    }
    reader.finish().unwrap();
    all
}

#[test]
fn what_is_skipped_is_not_looked_into() {
    let records = [
        &b"\x04\x01h\x02\x01f\x01v\x01g\x0b0123456789a"[..],
        b"\x00\x01s\x0b0123456789a\x07\x01m\x05\x02\x07\x05\x01x\x00\x0f\x01t\x01",
        NODE,
        b"\x02\x06\x00\x00",
        // A listpack of a wrong size.
        b"\x12\x01l\x02\x01\x01a\x02\x08\x09\0\0\0\0\0\0\xff\x00\x01a\x01b",
    ]
    .concat();
    let bytes = snapshot(b"REDIS0012", &records);
    assert!(read_in(&bytes, &[99], SMALL).2.is_some());
    for step in 1..=bytes.len() {
        let mut reader = Reader::new(SMALL);
        let mut seen = Vec::new();
        for mut input in bytes.chunks(step) {
            while let Some(item) = reader.next(&mut input).unwrap() {
                let entry = matches!(item, Item::Entry(_));
                seen.push(line(item));
                if entry {
                    reader.skip();
                }
            }
        }
        assert_eq!(reader.finish(), Ok(()));
        let keys = ["h=Elements(Hash, 2)", "end", "s=LongString(11)", "end", "m=Module(ModuleId(5))", "end"];
        assert_eq!(seen[1..7], keys, "step {step}");
        assert_eq!(seen[7..12], ["t=Stream", "end", "l=Elements(List, 2)", "end", "a=b"]);
    }
}

#[test]
fn announced_numbers_reserve_nothing() {
    let huge = b"\x81\x40\0\0\0\0\0\0\0";
    for (number, before) in [(1, &b""[..]), (4, b""), (5, b""), (18, b""), (15, b""), (24, &[0; 8])] {
        let bytes = [b"REDIS0015", &[number][..], b"\x01k", before, huge].concat();
        let mut reader = Reader::new(ReaderLimits::default());
        let mut input = &bytes[..];
        while reader.next(&mut input).unwrap().is_some() {}
        assert!(reader.memory() < 1000, "type {number}: {} bytes", reader.memory());
        assert!(matches!(reader.finish(), Err(RdbError::Truncated { .. })));
    }
}
