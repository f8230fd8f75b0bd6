use super::*;
use alloc::vec;
use quickcheck::{Arbitrary, Gen, quickcheck};

fn small() -> ReplyLimits {
    ReplyLimits { bytes: 64 << 10, depth: 4, line: 100 }
}

/// All answers of `bytes`, fed in parts of these sizes, and the error that ended it.
fn all(bytes: &[u8], sizes: &[u8], limits: ReplyLimits) -> (Vec<Value>, Option<ReplyError>) {
    let mut replies = Replies::new(limits);
    let (mut out, mut rest, mut turn) = (Vec::new(), bytes, 0);
    while !rest.is_empty() {
        let size = sizes.get(turn % sizes.len().max(1)).map_or(usize::MAX, |&s| usize::from(s) + 1);
        turn += 1;
        let (mut part, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        loop {
            match replies.next(&mut part) {
                Ok(Some(v)) => out.push(v),
                Ok(None) => break assert!(part.is_empty()),
                Err(e) => return (out, Some(e)),
            }
        }
    }
    (out, None)
}

#[derive(Clone, Debug)]
struct Stream(Vec<u8>);

impl Arbitrary for Stream {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut out = Vec::new();
        for _ in 0..usize::arbitrary(g) % 8 {
            write(g, &mut out, 3);
        }
        Self(out)
    }
}

fn write(g: &mut Gen, out: &mut Vec<u8>, depth: usize) {
    let kinds = if depth == 0 { &b"+-:$_#,(!="[..] } else { &b"+-:$_#,(!=*%~>|$$"[..] };
    let kind = *g.choose(kinds).unwrap();
    let bytes = Vec::<u8>::arbitrary(g);
    let text: Vec<u8> = bytes.iter().map(|b| b'a' + b % 26).collect();
    let body = match kind {
        b'+' | b'-' | b'(' => text,
        b':' => alloc::format!("{}", i64::arbitrary(g)).into_bytes(),
        b'_' => vec![],
        b'#' => b"t".to_vec(),
        b',' => b"-1.5e3".to_vec(),
        b'$' | b'!' => [alloc::format!("{}\r\n", bytes.len()).into_bytes(), bytes].concat(),
        b'=' => [alloc::format!("{}\r\ntxt:", text.len() + 4).into_bytes(), text].concat(),
        _ => {
            let n = usize::arbitrary(g) % 4;
            out.extend_from_slice(alloc::format!("{}{n}\r\n", char::from(kind)).as_bytes());
            let elements = if matches!(kind, b'%' | b'|') { 2 * n } else { n };
            (0..elements).for_each(|_| write(g, out, depth - 1));
            if kind == b'|' {
                write(g, out, 0);
            }
            return;
        }
    };
    out.push(kind);
    out.extend_from_slice(&body);
    out.extend_from_slice(b"\r\n");
}

quickcheck! {
    fn any_split_gives_the_same_answers(s: Stream, sizes: Vec<u8>) -> bool {
        let whole = all(&s.0, &[], ReplyLimits::default());
        whole.1.is_none() && all(&s.0, &sizes, ReplyLimits::default()) == whole
    }

    fn any_bytes_are_taken_alike(seeds: Vec<u8>, sizes: Vec<u8>) -> bool {
        let bytes: Vec<u8> = seeds.iter().map(|&b| b"*$+-:%~>|=!#,(_\r\n\n0123t9a"[usize::from(b) % 25]).collect();
        all(&bytes, &[], small()) == all(&bytes, &sizes, small()) && all(&seeds, &[], small()) == all(&seeds, &sizes, small())
    }
}

fn one(text: &str) -> Value {
    let (mut values, error) = all(text.as_bytes(), &[], ReplyLimits::default());
    assert_eq!((values.len(), error), (1, None), "{text}");
    values.remove(0)
}

#[test]
fn every_type() {
    assert_eq!(one("+OK\r\n"), Value::Simple(b"OK".to_vec()));
    assert!(one("-NOAUTH a b\r\n").is_error("NOAUTH") && !one("-ERRX\r\n").is_error("ERR"));
    assert!(one("!5\r\nERR x\r\n").is_error("ERR"));
    assert_eq!(one(":-5\r\n").as_i64(), Some(-5));
    assert_eq!(one("$3\r\n042\r\n").as_i64(), None);
    assert_eq!(one("$0\r\n\r\n").as_bytes(), Some(&b""[..]));
    assert!(["$-1\r\n", "*-1\r\n", "_\r\n"].iter().all(|t| one(t).is_null()));
    assert_eq!(one("#t\r\n"), Value::Boolean(true));
    assert_eq!(one(",inf\r\n"), Value::Double(f64::INFINITY));
    assert_eq!(one("=7\r\ntxt:a\nb\r\n"), Value::Verbatim(*b"txt", b"a\nb".to_vec()));
    assert_eq!(one("*0\r\n"), Value::Array(vec![]));
    assert_eq!(one(">2\r\n+a\r\n~1\r\n:1\r\n").as_array().unwrap()[1], Value::Set(vec![Value::Integer(1)]));
    assert_eq!(one("%1\r\n+a\r\n:1\r\n").get("a"), one("*2\r\n+a\r\n:1\r\n").get("a"));
    assert_eq!(one("|1\r\n+ttl\r\n:1\r\n*1\r\n|1\r\n+x\r\n+y\r\n:2\r\n"), Value::Array(vec![Value::Integer(2)]));
    assert_eq!(alloc::format!("{}", one("*2\r\n$2\r\na\n\r\n-ERR x\r\n")), "[a\\n, -ERR x]");
}

#[test]
fn what_follows_an_answer_stays() {
    let mut input = &b"\n\n+FULLRESYNC x 1\r\n$100\r\nREDIS"[..];
    let value = Replies::new(ReplyLimits::default()).next(&mut input).unwrap().unwrap();
    assert_eq!((value.as_str(), input), (Some("FULLRESYNC x 1"), &b"$100\r\nREDIS"[..]));
}

#[test]
fn bounds() {
    let error = |text: &str| all(text.as_bytes(), &[], small()).1.unwrap();
    assert_eq!(error("?\r\n"), ReplyError::UnknownType(b'?'));
    assert_eq!(error("$70000\r\n"), ReplyError::TooBig(64 << 10));
    assert_eq!(error("*9000000000000000000\r\n"), ReplyError::TooBig(64 << 10));
    assert_eq!(error("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), ReplyError::TooDeep(4));
    assert_eq!(error(&alloc::format!("+{}", "a".repeat(200))), ReplyError::LineTooLong(100));
    assert_eq!(error(&"*100\r\n+aaaaaaaa\r\n".repeat(2000)), ReplyError::TooDeep(4));
    assert!(matches!(error("$-2\r\n"), ReplyError::Malformed { .. }));
    assert!(matches!(error(":x\r\n"), ReplyError::Malformed { .. }));
    assert!(matches!(error("#x\r\n"), ReplyError::Malformed { .. }));
    assert!(matches!(error("=2\r\nab\r\n"), ReplyError::Malformed { .. }));
}
