//! Whole runs over small dumps, made by hand.

use core::fmt::Write as _;
use std::ffi::OsString;
use std::io::{Cursor, Read};

use super::source::Source;
use super::wish::Wish;
use super::{Trouble, show};

/// Gives a few bytes at a time, so that records are cut everywhere.
struct Drops(Cursor<Vec<u8>>, usize);

impl Read for Drops {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let n = to.len().min(self.1);
        self.0.read(&mut to[..n])
    }
}

fn run_in(step: usize, args: &str, dump: &[u8]) -> Result<(String, Vec<String>), Trouble> {
    let words = std::iter::once("-").chain(args.split_whitespace()).map(OsString::from).collect();
    let wish = Wish::parse(words).unwrap().unwrap();
    let mut out = Vec::new();
    let source = Source::new(Box::new(Drops(Cursor::new(dump.to_vec()), step)), None);
    let lost = show(&wish, "a.rdb", source, &mut out)?;
    Ok((String::from_utf8(out).unwrap(), lost))
}

/// The output, which has to be the same at any split of the input.
fn run(args: &str, dump: &[u8]) -> Result<(String, Vec<String>), Trouble> {
    let whole = run_in(usize::MAX, args, dump)?;
    for step in [1, 7] {
        assert_eq!(run_in(step, args, dump)?, whole, "{step} bytes at a time");
    }
    Ok(whole)
}

fn text(args: &str, dump: &[u8]) -> String {
    let (text, lost) = run(args, dump).unwrap();
    assert_eq!(lost, [""; 0]);
    text
}

/// A dump of these records, without a checksum.
fn dump(records: &[&[u8]]) -> Vec<u8> {
    let mut dump = b"REDIS0012".to_vec();
    records.iter().for_each(|record| dump.extend_from_slice(record));
    dump.push(0xff);
    dump.extend([0; 8]);
    dump
}

/// Commands as lines, their arguments apart by blanks.
fn commands(resp: &str) -> Vec<String> {
    let mut lines = resp.split("\r\n");
    let mut list = Vec::new();
    while let Some(count) = lines.next().and_then(|line| line.strip_prefix('*')) {
        let mut command = String::new();
        for n in 0..count.parse().unwrap() {
            let len: usize = lines.next().unwrap().strip_prefix('$').unwrap().parse().unwrap();
            let argument = lines.next().unwrap();
            assert_eq!(argument.len(), len);
            write!(command, "{}{argument}", if n > 0 { " " } else { "" }).unwrap();
        }
        list.push(command);
    }
    list
}

const FAR: &[u8] = b"\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00";
const STRING: &[u8] = b"\x00\x01s\x02v\xff";
const NUMBER: &[u8] = b"\x00\x01n\xc0\x0c";
const LIST: &[u8] = b"\x12\x01l\x01\x02\x10\x10\x00\x00\x00\x03\x00\x81a\x02\xc1\x2c\x02\xdf\xff\x02\xff";
const SET: &[u8] = b"\x02\x02st\x03\x01b\x01a\x02ab";
const INTSET: &[u8] = b"\x0b\x01i\x14\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x70\x11\x01\x00";
const ZSET: &[u8] = b"\x11\x01z\x15\x15\x00\x00\x00\x04\x00\x81n\x02\xdf\xfd\x02\x81m\x02\x831.5\x04\xff";
const PLAIN_ZSET: &[u8] = b"\x05\x01y\x02\x01b\x00\x00\x00\x00\x00\x00\x00\x40\x01a\x00\x00\x00\x00\x00\x00\x00\x40";
const HASH: &[u8] = b"\x04\x01h\x02\x01g\x01w\x01f\x01v";
/// Two fields, the first with an expiry.
const HASH_EX: &[u8] =
    b"\x19\x01x\x05\xd8\xc3\x2c\xbb\x03\x00\x00\x1f\x1f\x00\x00\x00\x06\x00\x81f\x02\x81v\x02\xf4\x05\xd8\xc3\
    \x2c\xbb\x03\x00\x00\x09\x81g\x02\x81w\x02\x00\x01\xff";
/// A list of no elements.
const EMPTY: &[u8] = b"\x01\x01e\x00";
/// Entries 5-1 and 6-0; a group with a pending entry.
const STREAM: &[u8] = b"\x15\x01t\x01\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\x29\x29\x00\x00\x00\x0f\x00\x02\
    \x01\x00\x01\x01\x01\x81f\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\x02\x01\x01\x01\xdf\xff\x02\x81w\x02\x04\x01\xff\
    \x02\x06\x00\x05\x01\x00\x00\x02\x01\x02gr\x05\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\
    \xe8\x03\x00\x00\x00\x00\x00\x00\x03\x01\x01c\xe9\x03\x00\x00\x00\x00\x00\x00\xea\x03\x00\x00\x00\x00\x00\x00\x01\
    \x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01";
/// A value of the module `AAAAAAAAA`: one unsigned number.
const MODULE: &[u8] = b"\x07\x01m\x01\x02\x05\x00";

fn everything() -> Vec<u8> {
    let more: &[&[u8]] = &[
        b"\xfa\x09redis-ver\x057.4.1",
        b"\xf5\x03lib",
        b"\xfe\x00\xfb\x09\x01",
        FAR,
        STRING,
        NUMBER,
        LIST,
        SET,
        INTSET,
        ZSET,
        PLAIN_ZSET,
        HASH,
        EMPTY,
        b"\xfe\x03",
        HASH_EX,
        STREAM,
        MODULE,
    ];
    dump(more)
}

#[test]
fn jsonl_has_a_line_for_each_key() {
    let expected = concat!(
        r#"{"db":0,"key":"s","type":"string","expire_at_ms":4102444800000,"value":{"b64":"dv8="}}"#,
        "\n",
        r#"{"db":0,"key":"n","type":"string","expire_at_ms":null,"value":"12"}"#,
        "\n",
        r#"{"db":0,"key":"l","type":"list","expire_at_ms":null,"value":["a","300","-1"]}"#,
        "\n",
        r#"{"db":0,"key":"st","type":"set","expire_at_ms":null,"value":["a","ab","b"]}"#,
        "\n",
        r#"{"db":0,"key":"i","type":"set","expire_at_ms":null,"value":["1","2","70000"]}"#,
        "\n",
        r#"{"db":0,"key":"z","type":"zset","expire_at_ms":null,"value":[["n","-3","c008000000000000"],["m","1.5","3ff8000000000000"]]}"#,
        "\n",
        r#"{"db":0,"key":"y","type":"zset","expire_at_ms":null,"value":[["a","2","4000000000000000"],["b","2","4000000000000000"]]}"#,
        "\n",
        r#"{"db":0,"key":"h","type":"hash","expire_at_ms":null,"value":[["f","v",null],["g","w",null]]}"#,
        "\n",
        r#"{"db":3,"key":"x","type":"hash","expire_at_ms":null,"value":[["f","v",4102444800005],["g","w",null]]}"#,
        "\n",
        r#"{"db":3,"key":"t","type":"stream","expire_at_ms":null,"value":{"entries":[["5-1",[["f","v"]]],["6-0",[["f","w"]]]],"#,
        r#""length":2,"last_id":"6-0","first_id":"5-1","max_deleted_id":"0-0","entries_added":2,"#,
        r#""groups":[{"name":"gr","last_id":"5-1","entries_read":1,"#,
        r#""consumers":[{"name":"c","seen_time_ms":1001,"active_time_ms":1002}],"pel":[["5-1","c",1000,3]]}]}}"#,
        "\n",
        r#"{"db":3,"key":"m","type":"module","expire_at_ms":null,"value":{"module":"AAAAAAAAA","encver":1,"ops":[["uint",5]]}}"#,
        "\n",
    );
    assert_eq!(text("--format jsonl", &everything()), expected);
}

#[test]
fn resp_rebuilds_every_key_and_names_what_it_cannot() {
    let (resp, lost) = run("--format resp --match [^s]*", &everything()).unwrap();
    let expected = [
        "SELECT 0",
        "SET n 12",
        "RPUSH l a 300 -1",
        "SADD i 1 2 70000",
        "ZADD z -3 n 1.5 m",
        "ZADD y 2 b 2 a",
        "HSET h g w f v",
        "SELECT 3",
        "HSET x f v",
        "HPEXPIREAT x 4102444800005 FIELDS 1 f",
        "HSET x g w",
        "XADD t 5-1 f v",
        "XADD t 6-0 f w",
        "XSETID t 6-0 ENTRIESADDED 2 MAXDELETEDID 0-0",
        "XGROUP CREATE t gr 5-1 ENTRIESREAD 1",
        "XGROUP CREATECONSUMER t gr c",
        "XCLAIM t gr c 0 5-1 TIME 1000 RETRYCOUNT 3 FORCE JUSTID",
    ];
    assert_eq!(commands(&resp), expected);
    assert_eq!(lost, [r#"no command for values of modules: 1 ("m" of AAAAAAAAA)"#]);
}

#[test]
fn resp_sets_expiries_and_loads_functions() {
    let dump = dump(&[b"\xf5\x03lib", FAR, b"\x00\x01a\x01b"]);
    let resp = text("--format resp", &dump);
    assert_eq!(commands(&resp), ["FUNCTION LOAD lib", "SELECT 0", "SET a b", "PEXPIREAT a 4102444800000"]);
    let resp = text("--format resp --db 0", &dump);
    assert_eq!(commands(&resp)[0], "SELECT 0", "some keys only: no functions");
}

#[test]
fn an_empty_stream_is_rebuilt() {
    // Of type 15, which has no counters: last id 0-0.
    let resp = text("--format resp", &dump(&[b"\x0f\x01t\x00\x00\x00\x00\x00"]));
    assert_eq!(commands(&resp), ["SELECT 0", "XADD t MAXLEN 0 0-1 f v", "XSETID t 0-0"]);
}

#[test]
fn a_pending_entry_that_was_deleted_is_named() {
    // The group's pending entry and what the consumer owns: 5-1 becomes 5-2, which is not in the stream.
    let mut stream = STREAM.to_vec();
    let id = b"\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01";
    let places: Vec<usize> = (0..stream.len()).filter(|&at| stream[at..].starts_with(id)).collect();
    places[1..].iter().for_each(|at| stream[at + 15] = 2);
    let (resp, lost) = run("--format resp", &dump(&[&stream])).unwrap();
    assert_eq!(lost, [r#"no command for streams with pending entries that were deleted: 1 ("t")"#]);
    assert!(!commands(&resp).iter().any(|command| command.starts_with("XCLAIM")));
}

#[test]
fn many_elements_are_many_commands() {
    let mut record = b"\x02\x01s\x41\x2c".to_vec();
    (100..400).for_each(|n| {
        record.push(3);
        record.extend(n.to_string().bytes());
    });
    let resp = text("--format resp", &dump(&[&record]));
    let list = commands(&resp);
    assert_eq!(list.len(), 4);
    let members: usize = list[1..].iter().map(|command| command.split(' ').count() - 2).sum();
    assert_eq!(members, 300);
}

#[test]
fn a_summary_counts_by_database_and_type() {
    let text = text("", &everything());
    for line in [
        "Format REDIS 12, written by Redis 7.4.1; without a checksum",
        "  0    string     2     20   20 B\n",
        "  0    set        2     36   36 B         6\n",
        "  all            11",
        "     2  STRING\n",
        "     1  HASH_LISTPACK_EX\n",
        "Expiry: 1 keys with, 10 without; the earliest 01 Jan 2100 00:00:00.000, the latest 01 Jan 2100 00:00:00.000",
        "Besides: 1 function libraries, 1 collections without an element, which servers leave out",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let (by_bytes, by_elements) = text.split_once("by elements").unwrap();
    let biggest = by_bytes.split_once("by bytes in the snapshot\n").unwrap().1.lines().next().unwrap();
    assert!(biggest.contains("stream  t"), "{biggest}");
    assert!(by_elements.lines().nth(1).unwrap().contains("3   0  list"), "{by_elements}");
}

#[test]
fn a_check_is_one_line() {
    let (text, _) = run_in(7, "--check", &dump(&[STRING, SET, EMPTY])).unwrap();
    assert!(text.starts_with("a.rdb: sound, 2 keys, 40 B, no checksum, "), "{text}");
    assert!(text.ends_with(" MB/s\n") && text.lines().count() == 1);
}

#[test]
fn a_defect_is_told_behind_what_is_sound() {
    let mut dump = dump(&[STRING, HASH]);
    dump.truncate(20);
    let mut out = Vec::new();
    let wish = Wish::parse(["-", "--format", "jsonl"].map(OsString::from).into()).unwrap().unwrap();
    let source = Source::new(Box::new(Cursor::new(dump)), None);
    let trouble = show(&wish, "a.rdb", source, &mut out).unwrap_err();
    assert!(out.starts_with(br#"{"db":0,"key":"s""#));
    let words = trouble.to_string();
    assert!(words.contains("offset 20") && words.contains("HASH") && words.contains("\"h\""), "{words}");
    assert!(matches!(trouble, Trouble::Defect(_)));
}

#[test]
fn a_long_string_comes_in_pieces() {
    let long = b"0123456789ab".repeat(100_000);
    let record = [&b"\x00\x01s\x80\x00\x12\x4f\x80"[..], &long].concat();
    let dump = dump(&[&record, NUMBER]);
    let (jsonl, _) = run_in(65_537, "--format jsonl", &dump).unwrap();
    let value = "MDEyMzQ1Njc4OWFi".repeat(100_000);
    let line = format!(r#"{{"db":0,"key":"s","type":"string","expire_at_ms":null,"value":{{"b64":"{value}"}}}}"#);
    assert_eq!(jsonl.lines().next(), Some(&*line));
    assert_eq!(jsonl.lines().count(), 2);
    let (resp, _) = run_in(65_537, "--format resp", &dump).unwrap();
    let list = commands(&resp);
    assert_eq!(list[1].len(), "SET s ".len() + long.len());
    assert_eq!(list[2], "SET n 12");
}

#[test]
fn a_string_of_medium_length_is_text() {
    let text = b"0123456789".repeat(20_000);
    let record = [&b"\x00\x01s\x80\x00\x03\x0d\x40"[..], &text].concat();
    let (jsonl, _) = run_in(65_537, "--format jsonl", &dump(&[&record])).unwrap();
    assert!(jsonl.ends_with(&format!(r#""value":"{}"}}{}"#, "0123456789".repeat(20_000), "\n")));
}

#[test]
fn a_hash_with_long_values_keeps_its_order_where_it_is_small() {
    let long = vec![b'x'; 1_200_000];
    let mut record = b"\x04\x01h\x02".to_vec();
    for field in [b"\x01z", b"\x01a"] {
        record.extend(field);
        record.extend(b"\x80\x00\x12\x4f\x80");
        record.extend(&long);
    }
    let dump = dump(&[&record]);
    let (jsonl, _) = run_in(50_000, "--format jsonl", &dump).unwrap();
    let x = "eHh4".repeat(400_000);
    let value = format!(r#"[["a",{{"b64":"{x}"}},null],["z",{{"b64":"{x}"}},null]]"#);
    assert!(jsonl.ends_with(&format!(r#""value":{value}}}{}"#, "\n")));
    let (resp, _) = run_in(50_000, "--format resp", &dump).unwrap();
    let x = "x".repeat(1_200_000);
    assert_eq!(commands(&resp), ["SELECT 0".into(), format!("HSET h z {x}"), format!("HSET h a {x}")]);
}

#[test]
fn a_hash_with_values_beyond_the_room_is_printed_as_it_comes() {
    let long = vec![b'x'; 9_000_000];
    let record = [&b"\x04\x01h\x02\x01z\x01v\x01a\x80\x00\x89\x54\x40"[..], &long].concat();
    let (jsonl, _) = run_in(100_000, "--format jsonl", &dump(&[&record])).unwrap();
    let x = "eHh4".repeat(3_000_000);
    assert!(jsonl.ends_with(&format!(r#""value":[["z","v",null],["a",{{"b64":"{x}"}},null]]}}{}"#, "\n")));
}

#[test]
fn a_big_set_is_printed_as_it_comes() {
    // 10 MB of members, the greatest first.
    let mut record = b"\x02\x01s\x80\x00\x00\x27\x10".to_vec();
    let members: Vec<String> = (0..10_000).map(|n| format!("{:05}{}", 99_999 - n, "m".repeat(995))).collect();
    for member in &members {
        record.extend(b"\x43\xe8");
        record.extend(member.bytes());
    }
    let (jsonl, _) = run_in(100_000, "--format jsonl", &dump(&[&record, SET])).unwrap();
    let mut lines = jsonl.lines();
    let list: Vec<&str> = lines.next().unwrap().split('"').filter(|part| part.len() == 1000).collect();
    assert_eq!(list, members, "all of them, in the order of the file");
    assert!(lines.next().unwrap().ends_with(r#"["a","ab","b"]}"#), "the next one is sorted again");
}
