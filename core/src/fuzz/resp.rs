//! The wire: requests, answers, quoted words, patterns.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::input::{Cuts, Draw, is_line};
use super::roundtrip::{same_value, written};
use crate::glob;
use crate::resp::{
    Args, Command, ProtocolError, Replies, ReplyError, ReplyLimits, RequestLimits, Requests, UNAUTHENTICATED_ARGS,
    UNAUTHENTICATED_BULK, Value, parse_i64, parse_u64,
};
use crate::words;

/// The last byte chooses the parser, the two before it limits and split; the rest is what a peer sends.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (what, limits, cuts) = (draw.last(), draw.last(), Cuts::new(draw.last()));
    match what % 4 {
        0 | 2 => requests(draw.rest(), limits, cuts),
        1 => replies(draw.rest(), limits, cuts),
        _ => text(draw.rest()),
    }
}

fn request_limits(n: u8) -> RequestLimits {
    let all = RequestLimits::default();
    match n % 7 {
        0 => all,
        // Bounds that a short input meets exactly.
        6 => RequestLimits { bulk: usize::from(n >> 4), args: 1 + usize::from(n >> 5), inline: 9, ..all },
        1 => RequestLimits { authenticated: false, ..all },
        2 => RequestLimits { bulk: 10, args: 3, inline: 20, buffer: 100, authenticated: true },
        3 => RequestLimits { bulk: 2000, args: 30, inline: 40, buffer: 1000, authenticated: false },
        4 => RequestLimits::MASTER,
        _ => RequestLimits { buffer: 64, ..all },
    }
}

type Parsed = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// What `pieces` are as commands. `len` is their length in all.
fn parse(pieces: &[&[u8]], limits: &RequestLimits) -> Parsed {
    let mut requests = Requests::new();
    let mut commands = Vec::new();
    let mut since = 0;
    for piece in pieces {
        let mut input = *piece;
        since += piece.len();
        loop {
            match requests.next(&mut input, limits) {
                Ok(Some(args)) => {
                    commands.push(command(args, limits));
                    since = input.len();
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(error.message().starts_with(b"Protocol error: ") && !error.to_string().is_empty());
                    let left = input.len();
                    let again = requests.next(&mut input, limits).err();
                    assert_eq!((again, input.len()), (Some(error), left), "an error is followed by something else");
                    return (commands, Some(error));
                }
            }
        }
        assert!(input.is_empty(), "more is wanted, and {} bytes are left", input.len());
        assert!(requests.buffered() <= since, "{} bytes held of {since}", requests.buffered());
        let bound = limits.buffer.saturating_add(limits.inline.saturating_add(2));
        assert!(requests.buffered() <= bound, "{} bytes held, the limits allow {bound}", requests.buffered());
    }
    (commands, None)
}

/// A command's arguments, once it is checked by itself.
fn command(args: Args<'_>, limits: &RequestLimits) -> Vec<Vec<u8>> {
    assert!(!args.is_empty(), "a command without a name");
    let list: Vec<Vec<u8>> =
        (0..args.len()).map(|i| args.pieces(i).map_or_else(|| args.at(i).to_vec(), <[_]>::concat)).collect();
    if let Some(raw) = args.raw() {
        assert!(list.len() <= limits.args && list.iter().all(|a| a.len() <= limits.bulk), "a limit does not hold");
        assert!(raw.len() <= limits.buffer, "a frame of {} bytes", raw.len());
        if !limits.authenticated {
            assert!(list.len() <= UNAUTHENTICATED_ARGS && list.iter().all(|a| a.len() <= UNAUTHENTICATED_BULK));
        }
        let again = Command::from_args(args);
        // Only what stands for the line ends may differ: a server reads two bytes there, whatever they are.
        assert_eq!(again.frame().len(), raw.len(), "the frame is not that of its arguments");
        let mut frame = &again.frame()[..];
        let mut parser = Requests::new();
        let all = RequestLimits::default();
        let parsed = parser.next(&mut frame, &all).expect("a written command is read").expect("whole");
        assert!(parsed.iter().eq(list.iter().map(|a| &a[..])), "written and read again it is another command");
    }
    list
}

fn requests(bytes: &[u8], limits: u8, cuts: Cuts) {
    let limits = request_limits(limits);
    let whole = parse(&[bytes], &limits);
    assert_eq!(whole, parse(&cuts.all(bytes), &limits), "it depends on the split");
}

fn reply_limits(n: u8) -> ReplyLimits {
    match n % 4 {
        0 => ReplyLimits::default(),
        1 => ReplyLimits { bytes: 1000, depth: 3, line: 30 },
        2 => ReplyLimits { bytes: 1 << 16, depth: 16, line: 5 },
        _ => ReplyLimits { bytes: 1 << 14, depth: 1, line: 1 << 10 },
    }
}

type Answers = (Vec<Value>, usize, Option<ReplyError>);

/// What `pieces` are as answers, and how many bytes they take.
fn answers(pieces: &[&[u8]], limits: ReplyLimits) -> Answers {
    let mut replies = Replies::new(limits);
    let (mut list, mut taken) = (Vec::new(), 0);
    for piece in pieces {
        let mut input = *piece;
        loop {
            match replies.next(&mut input) {
                Ok(Some(value)) => {
                    assert!(weight(&value) <= limits.bytes, "an answer of {} bytes", weight(&value));
                    assert!(depth(&value) <= limits.depth, "an answer {} deep", depth(&value));
                    assert!(value.to_string().chars().all(|c| !c.is_control()), "{value:?} is no line of a log");
                    assert!(replies.is_idle());
                    list.push(value);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(is_line(&error.to_string()), "{error:?}");
                    return (list, taken, Some(error));
                }
            }
        }
        assert!(input.is_empty(), "more is wanted, and {} bytes are left", input.len());
        taken += piece.len();
    }
    (list, 0, None)
}

fn replies(bytes: &[u8], limits: u8, cuts: Cuts) {
    let limits = reply_limits(limits);
    let (list, _, error) = answers(&[bytes], limits);
    let (again, _, error_again) = answers(&cuts.all(bytes), limits);
    assert_eq!(error, error_again, "the error depends on the split");
    assert!(list.len() == again.len() && list.iter().zip(&again).all(|(a, b)| same_value(a, b)));
    for value in &list {
        // Written in RESP3, every value comes back; a line of its own may be longer than the one it came from.
        let bytes = written(value);
        let (back, _, error) = answers(&[&bytes], ReplyLimits::default());
        let ok = error.is_none() && back.len() == 1 && same_value(&back[0], value);
        assert!(ok, "{value:?} comes back as {back:?} {error:?}");
    }
}

/// Bytes that an answer counts, as the limit does.
fn weight(value: &Value) -> usize {
    let list = |list: &[Value]| list.iter().map(weight).sum::<usize>();
    ReplyLimits::NODE
        + match value {
            Value::Simple(b) | Value::Error(b) | Value::Bulk(b) | Value::BigNumber(b) | Value::Verbatim(_, b) => {
                b.len()
            }
            Value::Array(l) | Value::Set(l) | Value::Push(l) => list(l),
            Value::Map(pairs) => pairs.iter().map(|(k, v)| weight(k) + weight(v)).sum(),
            _ => 0,
        }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(l) | Value::Set(l) | Value::Push(l) => 1 + l.iter().map(depth).max().unwrap_or(0),
        Value::Map(pairs) => 1 + pairs.iter().map(|(k, v)| depth(k).max(depth(v))).max().unwrap_or(0),
        _ => 0,
    }
}

/// Numbers, words and patterns.
fn text(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len()));
    if let Some(n) = parse_i64(first) {
        assert_eq!(format!("{n}").as_bytes(), first);
    }
    if let Some(n) = parse_u64(first) {
        assert_eq!(format!("{n}").as_bytes(), first);
    }
    if let Ok(list) = words::split(bytes) {
        let line = list.iter().map(|w| words::quote(w)).collect::<Vec<_>>().join(" ");
        assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line:?}");
        assert_eq!(words::split(line.as_bytes()).as_ref(), Ok(&list), "quoted, they are other words");
    }
    let text = second.get(1..).unwrap_or_default();
    let matches = glob::matches(first, text);
    if first.iter().all(|b| !matches!(b, b'*' | b'?' | b'[' | b'\\')) {
        assert_eq!(matches, first == text, "a pattern without wildcards is the text itself");
    }
    if matches && !first.contains(&b'[') {
        assert!(glob::matches_ignoring_case(first, text), "a match does not become none without regard to case");
    }
    let behind = [first, b"*"].concat();
    // A `\` at the end, or a set that is not closed, takes the star for itself.
    if matches && !first.contains(&b'\\') && !first.contains(&b'[') {
        assert!(glob::matches(&behind, text) && glob::matches(&behind, &[text, b"x"].concat()));
    }
}
