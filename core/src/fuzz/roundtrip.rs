//! What is written is read again: snapshots, answers, commands, configurations.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::input::{Cuts, Draw};
use super::rdb::{Key, read};
use super::reload;
use crate::blocks::Blocks;
use crate::config::{Config, directives};
use crate::machine::Chunks;
use crate::rdb::{Body, Options, ReaderLimits, Writer};
use crate::resp::{Command, Proto, Replies, Reply, ReplyLimits, RequestLimits, Requests, Value};

/// The first byte chooses what is written, the last how it is cut. What begins as a snapshot is loaded first.
pub(super) fn run(data: &[u8]) {
    if reload::is_for(data) {
        return reload::run(data);
    }
    let mut draw = Draw::new(data);
    let cuts = Cuts::new(draw.last());
    match draw.byte() % 4 {
        0 => snapshot(&mut draw, cuts),
        1 => answers(&mut draw, cuts),
        2 => commands(&mut draw, cuts),
        _ => config(&mut draw),
    }
}

/// Some bytes: as they are, a number, or a run that compresses.
fn some_bytes<'a>(draw: &mut Draw<'a>) -> Cow<'a, [u8]> {
    match draw.below(8) {
        0 => Cow::Borrowed(&[]),
        1 => (draw.wide() as i64 >> (draw.below(8) * 8)).to_string().into_bytes().into(),
        2 => {
            let (unit, times) = (draw.below(30), draw.below(2000));
            draw.take(unit).repeat(times).into()
        }
        3 => draw.take(2000).into(),
        _ => {
            let n = draw.below(40);
            draw.take(n).into()
        }
    }
}

/// Keys written by all the ways there are, in two bodies, in bounded steps.
fn snapshot(draw: &mut Draw<'_>, cuts: Cuts) {
    let shape = draw.byte();
    let options = Options { compress: shape & 1 == 0 };
    let mut writer = Writer::new(u16::from(shape >> 4), shape & 2 == 0);
    let (mut first, mut second) = (Body::new(options), Body::new(options));
    let (mut keys, mut late): (Vec<Key>, Vec<Key>) = (Vec::new(), Vec::new());
    let mut absorbing = false;
    if shape & 4 == 0 {
        writer.about("7.2.5", 64, draw.wide(), draw.wide());
    }
    while !draw.is_empty() {
        let how = draw.byte();
        let db = u32::from(how & 3) * if how & 0x40 == 0 { 1 } else { 77_777 };
        let key = some_bytes(draw).into_owned();
        let value = some_bytes(draw).into_owned();
        // -1 is how the format says "none".
        let expire = (how & 4 != 0).then(|| draw.wide() as i64).filter(|&at| at != -1);
        let (body, list) = if how & 8 == 0 && !absorbing { (&mut second, &mut late) } else { (&mut first, &mut keys) };
        if how & 0x80 != 0 {
            body.resize(db, u64::from(how), 1);
        }
        if how & 16 == 0 {
            body.string(db, &key, expire, &value);
        } else {
            let pieces: Vec<Bytes> = value.chunks(1 + draw.below(3000)).map(Bytes::copy_from_slice).collect();
            body.string_pieces(db, &key, expire, &pieces);
        }
        list.push(Key { db: u64::from(db), name: key, expire, value });
        if how & 32 != 0 {
            absorbing = true;
            writer.absorb_some(&mut first, draw.below(100));
        }
    }
    first.append(&mut second);
    keys.append(&mut late);
    assert_eq!(first.take_keys(), keys.len() as u64, "keys that were counted");
    writer.absorb(&mut first);
    assert!(first.is_empty() && second.is_empty());
    writer.finish();
    let bytes = all(writer.out());
    for pieces in [cuts.all(&bytes), [&bytes[..]].into()] {
        let back = read(&pieces, ReaderLimits { value: 50, whole: 1 << 20 });
        assert_eq!(back.end, Ok(()));
        assert_eq!(back.keys, keys, "a snapshot is read as it was written");
    }
}

fn all(out: &mut Blocks) -> Vec<u8> {
    let (mut chunks, at) = (Chunks::new(), out.start());
    out.read(at, usize::MAX, &mut chunks);
    chunks.concat()
}

/// A value of any type, `depth` levels of lists at most.
fn value(draw: &mut Draw<'_>, depth: usize) -> Value {
    let line = |draw: &mut Draw<'_>| -> Vec<u8> {
        some_bytes(draw).iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
    };
    let list = |draw: &mut Draw<'_>| -> Vec<Value> {
        (0..draw.below(6)).take_while(|_| depth > 0).map(|_| value(draw, depth - 1)).collect()
    };
    match draw.below(if depth > 0 { 15 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Integer(draw.wide() as i64),
        2 => Value::Simple(line(draw)),
        3 => Value::Error(line(draw)),
        4 => Value::Boolean(draw.byte() & 1 == 1),
        5 => Value::Double(f64::from_bits(draw.wide())),
        6 => Value::BigNumber(draw.wide().to_string().into_bytes()),
        7 => Value::Verbatim(*b"txt", some_bytes(draw).into_owned()),
        8 | 9 => Value::Bulk(some_bytes(draw).into_owned()),
        10 | 11 => Value::Array(list(draw)),
        12 => Value::Set(list(draw)),
        13 => Value::Push(list(draw)),
        _ => Value::Map(list(draw).chunks_exact(2).map(|kv| (kv[0].clone(), kv[1].clone())).collect()),
    }
}

fn answers(draw: &mut Draw<'_>, cuts: Cuts) {
    let mut values = Vec::new();
    let mut bytes = Vec::new();
    while !draw.is_empty() {
        let value = value(draw, 4);
        bytes.extend(written(&value));
        values.push(value);
    }
    let mut replies = Replies::new(ReplyLimits::default());
    let mut back = Vec::new();
    for mut piece in cuts.all(&bytes) {
        while let Some(value) = replies.next(&mut piece).unwrap_or_else(|e| panic!("what we write is no answer: {e}")) {
            back.push(value);
        }
    }
    assert!(replies.is_idle() && back.len() == values.len(), "{} answers of {}", back.len(), values.len());
    for (got, want) in back.iter().zip(&values) {
        assert!(same_value(got, want), "{want:?} comes back as {got:?}");
    }
}

/// A value in RESP3.
pub(super) fn written(value: &Value) -> Vec<u8> {
    let mut out = Blocks::new();
    write(value, &mut Reply::new(&mut out, Proto::Resp3));
    all(&mut out)
}

fn write(value: &Value, reply: &mut Reply<'_>) {
    let list = |list: &[Value], reply: &mut Reply<'_>| list.iter().for_each(|v| write(v, reply));
    match value {
        Value::Simple(text) => match core::str::from_utf8(text) {
            Ok(text) => reply.simple(text),
            Err(_) => [b"+", &text[..], b"\r\n"].iter().for_each(|part| reply.raw(part)),
        },
        Value::Error(text) => reply.error_bytes(text),
        Value::Integer(n) => reply.int(*n),
        Value::Bulk(bytes) => match bytes.len() {
            len if len % 3 == 1 => {
                let pieces: Vec<Bytes> = bytes.chunks(7).map(Bytes::copy_from_slice).collect();
                reply.bulk_shared(&pieces);
            }
            _ => reply.bulk(bytes),
        },
        Value::Null => reply.null(),
        Value::Boolean(b) => reply.boolean(*b),
        Value::Double(d) => reply.double(*d),
        Value::BigNumber(digits) => [b"(", &digits[..], b"\r\n"].iter().for_each(|part| reply.raw(part)),
        Value::Verbatim(format, text) => reply.verbatim(format, text),
        Value::Array(l) => {
            reply.array(l.len());
            list(l, reply);
        }
        Value::Set(l) => {
            reply.set(l.len());
            list(l, reply);
        }
        Value::Push(l) => {
            reply.push(l.len());
            list(l, reply);
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            pairs.iter().for_each(|(k, v)| {
                write(k, reply);
                write(v, reply);
            });
        }
    }
}

/// Whether two values are the same; one not-a-number is as good as another, and an error is one line whatever it was.
pub(super) fn same_value(a: &Value, b: &Value) -> bool {
    let lists = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b));
    let line = |text: &[u8]| -> Vec<u8> {
        let text = text.strip_suffix(b"\r\n").unwrap_or(text);
        text.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }).collect()
    };
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Error(a), Value::Error(b)) => line(a) == line(b),
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) | (Value::Push(a), Value::Push(b)) => {
            lists(a, b)
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((a, x), (b, y))| same_value(a, b) && same_value(x, y))
        }
        (a, b) => a == b,
    }
}

fn commands(draw: &mut Draw<'_>, cuts: Cuts) {
    let mut list: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut bytes = Vec::new();
    while !draw.is_empty() {
        let inline = draw.byte().is_multiple_of(4);
        let args: Vec<Vec<u8>> = (0..=draw.below(6)).map(|_| some_bytes(draw).into_owned()).collect();
        if inline {
            let words: Vec<String> = args.iter().map(|a| crate::words::quote(a)).collect();
            let line = words.join(" ");
            if line.len() >= RequestLimits::default().inline {
                continue;
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        } else {
            bytes.extend_from_slice(Command::new(&args).frame());
        }
        list.push(args);
    }
    let (mut requests, limits) = (Requests::new(), RequestLimits::default());
    let mut back = Vec::new();
    for mut piece in cuts.all(&bytes) {
        while let Some(args) =
            requests.next(&mut piece, &limits).unwrap_or_else(|e| panic!("what we write is no command: {e}"))
        {
            let command = Command::from_args(args);
            back.push(command.args().iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
        }
    }
    assert_eq!(back, list, "commands are read as they were written");
}

/// Values given by CONFIG SET stand in the rewritten file, and are read again from there.
fn config(draw: &mut Draw<'_>) {
    let mut config = Config::new();
    let mut taken = BTreeMap::new();
    while !draw.is_empty() {
        let directive = &directives()[draw.below(directives().len())];
        let value = match draw.below(4) {
            0 => some_bytes(draw).into_owned(),
            1 => format!("{}", draw.below(70_000)).into_bytes(),
            2 => draw.one(&["yes", "no", "", "1mb", "10 20", "60 1000 3 4", "0 0 0", "normal 1 2 3"]).into(),
            _ => directive.show(&config.settings).unwrap_or_default().into_bytes(),
        };
        let before = config.clone();
        match config.set_from(&[(directive.name.as_bytes(), &value)], true) {
            Ok(_) => drop(taken.insert(directive.name, value)),
            Err(_) => assert_eq!(config, before, "a refused CONFIG SET changed something"),
        }
    }
    let text = config.rewrite("");
    let mut again = Config::new();
    let end = again.load("rewritten", &text, &mut |_| Err("nothing is included".into()));
    assert_eq!(end, Ok(()), "after {taken:?} the rewritten file is\n{text}");
    assert_eq!(again.settings, config.settings, "after {taken:?} the rewritten file is\n{text}");
    assert_eq!(again.rewrite(&text), text, "to rewrite what was rewritten changes something");
}
