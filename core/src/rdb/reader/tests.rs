use super::*;
use crate::rdb::error::Flaw;
use crate::rdb::{LzfError, Value};
use alloc::string::{String, ToString};
use alloc::{format, vec};

/// A snapshot of version 10 without a checksum: `records` between header and end.
fn snapshot(records: &[u8]) -> Vec<u8> {
    [b"REDIS0010", records, &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

/// What came out, pieces joined, as text; and the error that ended it.
fn read(bytes: &[u8], step: usize, limits: ReaderLimits) -> (Vec<String>, Option<RdbError>) {
    let mut reader = Reader::new(limits);
    let (mut seen, mut long) = (Vec::new(), Vec::new());
    for mut input in bytes.chunks(step) {
        loop {
            match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Item::Piece(piece))) => long.extend_from_slice(piece),
                Ok(Some(Item::EntryEnd)) => seen.push(format!("{}", core::mem::take(&mut long).escape_ascii())),
                Ok(Some(Item::Entry(e))) => {
                    let value = match e.value {
                        Value::String(s) => s.escape_ascii().to_string(),
                        Value::LongString(n) => format!("<{n}>"),
                        other => format!("{other:?}"),
                    };
                    let key = e.key.escape_ascii();
                    seen.push(format!("{}/{key}={value} {:?} {:?} {:?}", e.db, e.expire_at_ms, e.idle_s, e.freq));
                }
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Err(error) => {
                    assert_eq!(reader.next(&mut input), Err(error.clone()), "an error stays");
                    assert_eq!(reader.finish(), Err(error.clone()));
                    return (seen, Some(error));
                }
            }
        }
        if !reader.is_done() {
            assert!(input.is_empty(), "all input is taken before more is asked for");
        }
    }
    (seen, reader.finish().err())
}

const SMALL: ReaderLimits = ReaderLimits { value: 10, whole: 100 };

/// The one error of `records` behind a sound header, the same at any split.
fn error(records: &[u8]) -> RdbError {
    let bytes = snapshot(records);
    let (seen, error) = read(&bytes, bytes.len(), SMALL);
    for step in 1..bytes.len() {
        assert_eq!(read(&bytes, step, SMALL), (seen.clone(), error.clone()), "step {step}");
    }
    error.expect("an error")
}

#[test]
fn every_encoding_of_a_string() {
    let records = [
        &b"\xfe\x03\x00\x01k\x03abc"[..],
        b"\x00\x01i\xc0\xff",
        b"\x00\xc1\x00\x80\xc2\xff\xff\xff\x7f",
        b"\x00\x01z\xc3\x05\x08\x01aa\x80\x01",
        b"\x00\x01l\x40\x03abc",
        b"\x00\x01m\x80\x00\x00\x00\x03abc",
        b"\x00\x01n\x81\x00\x00\x00\x00\x00\x00\x00\x00",
    ];
    // The compressed one: two literals, then a copy of 6 bytes from 2 back.
    let records: Vec<u8> = records.concat();
    let (seen, error) = read(&snapshot(&records), 1000, SMALL);
    assert_eq!(error, None);
    let none = "None None None";
    assert_eq!(
        seen[1..8],
        [
            format!("3/k=abc {none}"),
            format!("3/i=-1 {none}"),
            format!("3/-32768=2147483647 {none}"),
            format!("3/z=aaaaaaaa {none}"),
            format!("3/l=abc {none}"),
            format!("3/m=abc {none}"),
            format!("3/n= {none}"),
        ]
    );
}

#[test]
fn what_opcodes_say_of_a_key() {
    let records = [
        &b"\xfd\x01\x00\x00\x00\x00\x01a\x01x"[..],
        b"\xfc\xfe\xff\xff\xff\xff\xff\xff\xff\x00\x01b\x01x",
        b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xf8\x45\x00\xf9\x07\x00\x01c\x01x",
        b"\xf4\x01\x02\x03\x00\x01d\x01x",
        b"\xfe\x01\xfb\x40\x40\x02\xf5\x03lib\xfa\x01n\xc0\x09",
    ]
    .concat();
    let bytes = snapshot(&records);
    let (seen, error) = read(&bytes, bytes.len(), SMALL);
    assert_eq!(error, None);
    assert_eq!(
        seen[1..],
        [
            "0/a=x Some(1000) None None",
            "0/b=x Some(-2) None None",
            "0/c=x None Some(1280) Some(7)",
            "SlotInfo { slot: 1, keys: 2, expires: 3 }",
            "0/d=x None None None",
            "Resize { db: 1, keys: 64, expires: 2 }",
            "Function([108, 105, 98])",
            "Aux { name: [110], value: [57] }",
            "End { checksum: false }",
        ]
    );
    for step in 1..bytes.len() {
        assert_eq!(read(&bytes, step, SMALL), (seen.clone(), None));
    }
}

#[test]
fn long_strings_come_in_pieces_at_any_split() {
    // The compressed one: two literals, a copy of 34 bytes from 2 back, four literals.
    let records =
        [&b"\x00\x01r\x0b0123456789a"[..], b"\x00\x01z\xc3\x0b\x28\x01ab\xe0\x19\x01\x03wxyz", b"\x00\x01s\x01v"]
            .concat();
    let bytes = snapshot(&records);
    let (seen, error) = read(&bytes, bytes.len(), SMALL);
    assert_eq!(error, None);
    let long = format!("{}wxyz", "ab".repeat(18));
    let none = "None None None";
    let want = [
        format!("0/r=<11> {none}"),
        "0123456789a".into(),
        format!("0/z=<40> {none}"),
        long,
        format!("0/s=v {none}"),
        "End { checksum: false }".into(),
    ];
    assert_eq!(seen[1..], want);
    for step in 1..bytes.len() {
        assert_eq!(read(&bytes, step, SMALL), (seen.clone(), None), "step {step}");
    }
}

#[test]
fn small_strings_are_not_copied() {
    let bytes = snapshot(b"\x00\x01k\x03abc");
    let mut reader = Reader::new(ReaderLimits::default());
    let mut input = &bytes[..];
    while let Some(item) = reader.next(&mut input).unwrap() {
        if let Item::Entry(Entry { value: Value::String(s), .. }) = item {
            assert!(bytes.as_ptr_range().contains(&s.as_ptr()));
        }
    }
    assert!(reader.is_done());
    assert_eq!(reader.memory(), 0);
}

#[test]
fn nothing_behind_the_end_is_taken() {
    let mut bytes = snapshot(b"");
    let end = bytes.len();
    bytes.extend_from_slice(b"+PING");
    for step in 1..=bytes.len() {
        let mut reader = Reader::new(SMALL);
        let mut left = 0;
        for mut input in bytes.chunks(step) {
            while reader.next(&mut input).unwrap().is_some() {}
            left += input.len();
        }
        assert_eq!((left, reader.offset(), reader.is_done()), (5, end as u64, true));
    }
}

#[test]
fn errors_name_place_and_reason() {
    let broken =
        |key: Option<&str>, offset, flaw| RdbError::Broken { record: "STRING", key: key.map(Into::into), offset, flaw };
    assert_eq!(error(b"\x00\x82"), broken(None, 10, Flaw::LengthForm(0x82)));
    assert_eq!(error(b"\x00\x01k\xc4"), broken(Some("k"), 12, Flaw::StringForm(0xc4)));
    assert_eq!(error(b"\x00\x01\n\xc4"), broken(Some("\\n"), 12, Flaw::StringForm(0xc4)));
    assert_eq!(error(b"\x00\x40\x65"), broken(None, 10, Flaw::TooLong { len: 101, limit: 100 }));
    let lies = LzfError::Lengths { packed: 1, len: 89 };
    assert_eq!(error(b"\x00\x01k\xc3\x01\x40\x59a"), broken(Some("k"), 12, Flaw::Lzf(lies)));
    let reach = LzfError::Reach { distance: 1, at: 0 };
    assert_eq!(error(b"\x00\x01k\xc3\x02\x03\x20\x00"), broken(Some("k"), 15, Flaw::Lzf(reach)));
    // A long one, found while it is handed out.
    assert!(matches!(error(b"\x00\x01k\xc3\x02\x0b\xe0\x00\x01"), RdbError::Broken { key: Some(k), .. } if &*k == "k"));
    let why = "only its module knows where such a value ends";
    let pre_ga = RdbError::UnsupportedType { number: 6, name: "MODULE_PRE_GA", why, key: "m".into(), offset: 9 };
    assert_eq!(error(b"\x06\x01m\x01\x01f\x01v"), pre_ga);
    assert_eq!(error(b"\x08"), RdbError::Unknown { magic: Magic::Redis, number: 8, offset: 9 });
    assert_eq!(error(b"\xc8"), RdbError::Unknown { magic: Magic::Redis, number: 200, offset: 9 });
    let RdbError::UnsupportedRecord { number, name, offset, .. } = error(b"\xf6\x01f") else { panic!("an opcode") };
    assert_eq!((number, name, offset), (246, "FUNCTION_PRE_GA", 9));
    let select = RdbError::Broken { record: "SELECTDB", key: None, offset: 10, flaw: Flaw::NotALength(0xc0) };
    assert_eq!(error(b"\xfe\xc0\x01"), select);
    assert_eq!(select.to_string(), "broken SELECTDB at offset 10: string encoding 0xc0 where a plain length is due");
}

#[test]
fn headers() {
    let of = |header: &[u8]| read(&[header, b"\xff\0\0\0\0\0\0\0\0"].concat(), 3, SMALL).1;
    assert_eq!(of(b"REDIS0015"), None);
    assert_eq!(of(b"VALKEY080"), None);
    assert_eq!(of(b"REDIS0080"), Some(RdbError::Version { magic: Magic::Redis, version: 80 }));
    assert_eq!(of(b"REDIS0000"), Some(RdbError::Version { magic: Magic::Redis, version: 0 }));
    assert_eq!(of(b"VALKEY079"), Some(RdbError::Version { magic: Magic::Valkey, version: 79 }));
    assert_eq!(of(b"HTTP/1.1 "), Some(RdbError::Magic { found: "HTTP/1.1 ".into() }));
    assert_eq!(of(b"REDIS00x0"), Some(RdbError::Magic { found: "REDIS00x0".into() }));
    assert_eq!(read(b"REDIS0004\xff", 1, SMALL).1, None, "no checksum before version 5");
}

#[test]
fn the_checksum_is_compared() {
    let mut bytes = b"REDIS0010\x00\x01k\x01v\xff".to_vec();
    let mut crc = Crc64::new();
    crc.update(&bytes);
    bytes.extend_from_slice(&crc.value().to_le_bytes());
    for step in 1..=bytes.len() {
        let (seen, error) = read(&bytes, step, SMALL);
        assert_eq!((seen.last().map(String::as_str), error), (Some("End { checksum: true }"), None));
    }
    for at in 9..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_ne!(read(&flipped, 7, SMALL).1, None, "byte {at}");
    }
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut bytes = b"REDIS0010\x00\x81\x00\x00\x00\x00\x1f\xff\xff\xff".to_vec();
    let limits = ReaderLimits { value: 1 << 30, whole: 1 << 30 };
    let mut reader = Reader::new(limits);
    let mut input = &bytes[..];
    while reader.next(&mut input).unwrap().is_some() {}
    assert!(reader.memory() < 1000);
    bytes = vec![7; 1000];
    let mut input = &bytes[..];
    assert_eq!(reader.next(&mut input), Ok(None));
    assert!(reader.memory() < 10_000);
    let cut = reader.finish().unwrap_err();
    assert_eq!(cut.to_string(), "the snapshot is cut at offset 1019, inside STRING");
}
