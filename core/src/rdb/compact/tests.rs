//! Blobs by hand, and written and read.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;
use crate::rdb::StreamId;
use quickcheck::quickcheck;

/// A blob's values as text.
fn values(compact: Compact<'_>) -> Vec<String> {
    assert_eq!(compact.iter().len(), compact.len());
    let show = |value| match value {
        Scalar::Int(n) => format!("{n}"),
        Scalar::Text(text) => format!("'{}'", text.escape_ascii()),
    };
    compact.iter().map(show).collect()
}

/// A listpack around `body`.
fn listpack(count: u16, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 7) as u32;
    [&len.to_le_bytes()[..], &count.to_le_bytes(), body, &[0xff]].concat()
}

/// A ziplist around `body`, its last entry at `tail`.
fn ziplist(count: u16, tail: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 11) as u32;
    [&len.to_le_bytes()[..], &tail.to_le_bytes(), &count.to_le_bytes(), body, &[0xff]].concat()
}

#[test]
fn every_encoding_of_a_listpack() {
    let body = [
        &b"\x00\x01\x7f\x01\x83abc\x04\xdf\xff\x02\xcf\xff\x02\xd0\x00\x02"[..],
        b"\xe0\x02hi\x04\xf0\x01\x00\x00\x00x\x06\xf1\x00\x80\x03\xf2\xff\xff\x7f\x04\xf2\x00\x00\x80\x04",
        b"\xf3\x00\x00\x00\x80\x05\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09\x80\x01",
    ]
    .concat();
    let blob = listpack(14, &body);
    let compact = Compact::from_listpack(&blob, 2).unwrap();
    let wanted = ["0", "127", "'abc'", "-1", "4095", "-4096", "'hi'", "'x'", "-32768", "8388607", "-8388608"];
    assert_eq!(values(compact)[..11], wanted);
    assert_eq!(values(compact)[11..], ["-2147483648", "-9223372036854775808", "''"]);
    assert_eq!((compact.rows(), compact.row(), compact.layout()), (7, 2, Layout::Listpack));
    assert_eq!(values(Compact::from_listpack(&listpack(u16::MAX, &body), 1).unwrap()).len(), 14);
}

#[test]
fn flaws_of_a_listpack() {
    let flaw = |count, body: &[u8], row| Compact::from_listpack(&listpack(count, body), row).unwrap_err();
    assert_eq!(flaw(1, b"\x00\x01\x00\x01", 1), CompactError::Count { stored: 1, found: 2 });
    assert_eq!(flaw(1, b"\x00\x02", 1), CompactError::BackLength { at: 6 });
    assert_eq!(flaw(2, b"\x00\x01\x83abc", 1), CompactError::Cut { at: 8 });
    assert_eq!(flaw(2, b"\x00\x01\x83ab", 1), CompactError::Cut { at: 8 });
    assert_eq!(flaw(1, b"\xf0\xff\xff\xff\xffa", 1), CompactError::Cut { at: 6 });
    assert_eq!(flaw(1, b"\xf5\x01", 1), CompactError::Form { at: 6, byte: 0xf5 });
    assert_eq!(flaw(1, b"\xff", 1), CompactError::Form { at: 6, byte: 0xff });
    assert_eq!(flaw(3, b"\x00\x01\x00\x01\x00\x01", 2), CompactError::Rows { len: 3, row: 2 });
    assert_eq!(flaw(0, b"", 0), CompactError::Rows { len: 0, row: 0 });
    assert_eq!(Compact::from_listpack(&[0; 6], 1), Err(CompactError::Short { len: 6 }));
    assert_eq!(Compact::from_listpack(b"\x08\0\0\0\0\0\xff", 1), Err(CompactError::Total { stored: 8, len: 7 }));
    assert_eq!(Compact::from_listpack(b"\x07\0\0\0\0\0\xfe", 1), Err(CompactError::Terminator(0xfe)));
    assert!(Compact::from_listpack(b"\x07\0\0\0\0\0\xff", 3).unwrap().is_empty());
}

#[test]
fn both_back_lengths_of_the_sizes_that_servers_differ_in() {
    for (size, short, long) in
        [(0x3fff, &b"\x7f\xff"[..], &b"\x00\xff\xff"[..]), (0x1f_ffff, b"\x7f\xff\xff", b"\x00\xff\xff\xff")]
    {
        let text = vec![b'x'; size - 5];
        for back in [short, long] {
            let element = [&b"\xf0"[..], &(text.len() as u32).to_le_bytes(), &text, back].concat();
            let blob = listpack(3, &[b"\x01\x01", &element[..], b"\x02\x01"].concat());
            let compact = Compact::from_listpack(&blob, 1).unwrap();
            assert!(compact.iter().eq([Scalar::Int(1), Scalar::Text(&text), Scalar::Int(2)]));
            let wrong = [&element[..element.len() - 1], &[element[element.len() - 1] ^ 1]].concat();
            assert_eq!(Compact::from_listpack(&listpack(1, &wrong), 1), Err(CompactError::BackLength { at: 6 }));
        }
        assert!(!ListpackWriter::is_portable(&text) && ListpackWriter::is_portable(&text[1..]));
    }
}

#[test]
fn every_encoding_of_a_ziplist() {
    let body = [
        &b"\x00\x02ab\x04\xc0\x2c\x01\x04\xf1\x02\xfd\x02\xfe\x80\x03\xf0\x00\x00\x80"[..],
        b"\x05\xd0\xff\xff\xff\x7f\x06\xe0\x00\x00\x00\x00\x00\x00\x00\x80\x0a\x40\x01x",
        b"\xfe\x04\x00\x00\x00\x80\x00\x00\x00\x01y",
    ]
    .concat();
    let blob = ziplist(10, 10 + body.len() as u32 - 11, &body);
    let compact = Compact::from_ziplist(&blob, 1).unwrap();
    let wanted = ["'ab'", "300", "0", "12", "-128", "-8388608", "2147483647", "-9223372036854775808", "'x'", "'y'"];
    assert_eq!(values(compact), wanted);
    assert!(Compact::from_ziplist(&ziplist(0, 10, b""), 1).unwrap().is_empty());
}

#[test]
fn flaws_of_a_ziplist() {
    let flaw = |count, tail, body: &[u8]| Compact::from_ziplist(&ziplist(count, tail, body), 1).unwrap_err();
    assert_eq!(flaw(2, 12, b"\x00\xf1\x03\xf1"), CompactError::SizeBefore { at: 12 });
    assert_eq!(flaw(2, 10, b"\x00\xf1\x02\xf1"), CompactError::Tail { stored: 10, at: 12 });
    assert_eq!(flaw(1, 12, b"\x00\xf1\x02\xf1"), CompactError::Count { stored: 1, found: 2 });
    assert_eq!(flaw(1, 10, b"\x00\xc1"), CompactError::Form { at: 10, byte: 0xc1 });
    assert_eq!(flaw(1, 10, b"\x00\x05ab"), CompactError::Cut { at: 10 });
    assert_eq!(flaw(1, 10, b"\x00"), CompactError::Cut { at: 10 });
    assert_eq!(flaw(1, 10, b"\x00\xc0\x00"), CompactError::Cut { at: 10 });
    assert_eq!(flaw(1, 10, b"\xff"), CompactError::Form { at: 10, byte: 0xff });
    assert_eq!(Compact::from_ziplist(&[0; 10], 1), Err(CompactError::Short { len: 10 }));
}

#[test]
fn intsets() {
    let of = |width: u32, count: u32, members: &[u8]| {
        let blob = [&width.to_le_bytes()[..], &count.to_le_bytes(), members].concat();
        Compact::from_intset(&blob).map(values)
    };
    assert_eq!(of(2, 2, b"\xff\xff\x01\x00").unwrap(), ["-1", "1"]);
    assert_eq!(of(4, 1, b"\x70\x11\x01\x00").unwrap(), ["70000"]);
    assert_eq!(of(8, 1, b"\x00\x00\x00\x00\x00\x00\x00\x80").unwrap(), ["-9223372036854775808"]);
    assert_eq!(of(2, 2, b"\x01\x00\x01\x00"), Err(CompactError::Order { at: 1 }));
    assert_eq!(of(3, 1, b"\x01\x00\x00"), Err(CompactError::Width(3)));
    assert_eq!(of(2, 2, b"\x01\x00"), Err(CompactError::Total { stored: 12, len: 10 }));
    assert_eq!(of(8, u32::MAX, b""), Err(CompactError::Total { stored: 8 + 8 * 0xffff_ffff, len: 8 }));
    assert_eq!(of(2, 0, b""), Err(CompactError::Empty));
    assert_eq!(Compact::from_intset(b"\x02"), Err(CompactError::Short { len: 1 }));
}

#[test]
fn zipmaps() {
    let of = |blob: &[u8]| Compact::from_zipmap(blob).map(values);
    assert_eq!(of(b"\x01\x01f\x01\x00v\xff").unwrap(), ["'f'", "'v'"]);
    assert_eq!(of(b"\x02\x01f\x01\x02v__\x00\x00\x00\xff").unwrap(), ["'f'", "'v'", "''", "''"]);
    let long = [&b"\xfe\xfe\xfe\x00\x00\x00"[..], &[b'x'; 254], b"\x00\x00\xff"].concat();
    assert_eq!(of(&long).unwrap(), [format!("'{}'", "x".repeat(254)), "''".into()]);
    assert_eq!(of(b"\x02\x01f\x01\x00v\xff"), Err(CompactError::Count { stored: 2, found: 1 }));
    assert_eq!(of(b"\x01\xfe\x01\x00\x00\x00f\x01\x00v\xff"), Err(CompactError::LongForm { at: 1 }));
    assert_eq!(of(b"\x01\x01f\xff"), Err(CompactError::Cut { at: 3 }));
    assert_eq!(of(b"\x01\x01f\x01\x03v\xff"), Err(CompactError::Cut { at: 3 }));
    assert_eq!(of(b"\x01\xff\x01\xff"), Err(CompactError::Form { at: 1, byte: 0xff }));
    assert_eq!(of(b"\x00\xff"), Err(CompactError::Empty));
    assert_eq!(of(b"\x01\x00"), Err(CompactError::Terminator(0)));
}

/// The blob of §9: `XADD k 5-1 f v`, `XADD k 6-0 f w`.
const NODE: &[u8] = b"\x29\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\
    \x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\x02\x01\x01\x01\xdf\xff\x02\x81w\x02\x04\x01\xff";

#[test]
fn a_node_of_a_stream() {
    let id = StreamId { ms: 5, seq: 1 };
    let node = StreamNode::new(id, NODE).unwrap();
    let seen: Vec<_> = node.entries().map(|e| (e.id.ms, e.id.seq, e.deleted, e.fields.collect::<Vec<_>>())).collect();
    let field = |value| vec![(Scalar::Text(b"f"), Scalar::Text(value))];
    assert_eq!(seen, [(5, 1, false, field(b"v")), (6, 0, false, field(b"w"))]);
    let deleted = [&NODE[..17], b"\x03", &NODE[18..]].concat();
    assert_eq!(StreamNode::new(id, &deleted), Err(CompactError::Node { at: 0 }), "one live entry, not two");
    let counted = [&deleted[..6], b"\x01\x01\x01", &deleted[9..]].concat();
    let node = StreamNode::new(id, &counted).unwrap();
    assert_eq!(node.entries().map(|e| e.deleted).collect::<Vec<_>>(), [true, false]);
    // The counts, the number of fields, the end of the names, and the number of values.
    for at in [6, 8, 10, 15, 26] {
        let mut wrong = NODE.to_vec();
        wrong[at] ^= 8;
        let error = StreamNode::new(id, &wrong).unwrap_err();
        assert!(matches!(error, CompactError::Node { .. }), "byte {at}: {error}");
    }
}

#[test]
fn an_entry_with_fields_of_its_own() {
    let mut blob = Vec::new();
    let mut writer = ListpackWriter::new(&mut blob);
    for n in [1, 0, 2] {
        writer.int(n);
    }
    writer.text(b"a");
    writer.text(b"7");
    // The end of the names; flags, differences, one field, and how many values that was.
    for n in [0, 0, 1, i64::MIN, 1] {
        writer.int(n);
    }
    writer.string(b"12");
    writer.string(b"v");
    writer.int(6);
    writer.finish().unwrap();
    let node = StreamNode::new(StreamId { ms: 0, seq: 1 << 63 }, &blob).unwrap();
    let entry = node.entries().next().unwrap();
    assert_eq!(entry.id, StreamId { ms: 1, seq: 0 });
    assert!(entry.fields.eq([(Scalar::Int(12), Scalar::Text(b"v"))]));
    assert_eq!(node.entries().count(), 1);
}

#[test]
fn scores_as_servers_take_them() {
    let of = |text: &[u8]| Scalar::Text(text).score();
    assert_eq!(Scalar::Int(-3).score(), Some(-3.0));
    for (text, score) in [
        (&b"1.5"[..], 1.5),
        (b"inf", f64::INFINITY),
        (b"-inf", f64::NEG_INFINITY),
        (b"1e+300", 1e300),
        (b" 2.5x", 2.5),
        (b"3e", 3.0),
        (b"4e+", 4.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"abc", 0.0),
        (b"-", 0.0),
        (b".", 0.0),
        (b"", 0.0),
        (b"\xff\xfe", 0.0),
    ] {
        assert_eq!(of(text), Some(score), "{}", text.escape_ascii());
    }
    assert_eq!(of(b"-0").map(f64::to_bits), Some(0));
    assert_eq!((of(b"nan"), of(b"-NaN(1)")), (None, None));
}

quickcheck! {
    fn what_is_written_is_read(values: Vec<(i64, Vec<u8>, u8)>, before: Vec<u8>) -> bool {
        // Integers of every width, short texts and long ones.
        let texts: Vec<Vec<u8>> = values.iter().map(|(n, text, kind)| match kind % 4 {
            0 => text.clone(),
            1 => text.repeat(40),
            2 => vec![b'-'; 4090 + usize::from(*kind)],
            _ => format!("{}", n >> (kind % 64)).into_bytes(),
        }).collect();
        let mut blob = before.clone();
        let mut writer = ListpackWriter::new(&mut blob);
        for (text, (n, _, kind)) in texts.iter().zip(&values) {
            writer.string(text);
            writer.int(n >> (kind % 64));
        }
        let size = writer.size();
        writer.finish().unwrap();
        let read = Compact::from_listpack(&blob[before.len()..], 2).unwrap();
        let again = read.iter().map(|value| value.text(&mut [0; 20]).to_vec());
        let wanted = texts.into_iter().zip(&values).flat_map(|(text, (n, _, kind))| {
            [text, format!("{}", n >> (kind % 64)).into_bytes()]
        });
        size == blob.len() - before.len() && blob.starts_with(&before) && again.eq(wanted)
    }

    fn any_bytes_are_checked_without_a_panic(body: Vec<u8>, count: u16, tail: u8) -> bool {
        // What passes the check is walked to its end.
        let blobs = [listpack(count, &body), listpack(u16::MAX, &body), ziplist(count, tail.into(), &body)];
        let checked = [
            Compact::from_listpack(&blobs[0], 1),
            Compact::from_listpack(&blobs[1], 1),
            Compact::from_ziplist(&blobs[2], 1),
            Compact::from_intset(&body),
            Compact::from_zipmap(&body),
        ];
        let node = StreamNode::new(StreamId::default(), &blobs[1]).map_or(0, |node| node.entries().count());
        node <= body.len() && checked.into_iter().flatten().all(|compact| compact.iter().count() == compact.len())
    }
}
