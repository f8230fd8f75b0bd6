//! What comes out of a master, seen from the other end: every byte of a stream has an id and an offset, and no pair of
//! them ever names two different bytes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::replication::ReplId;
use crate::resp::{Replies, ReplyLimits, RequestLimits, Requests, Value, parse_i64};

/// Length of the mark behind a snapshot of unknown length.
const MARK: usize = 40;

/// All bytes of all streams that anybody has seen.
#[derive(Debug, Default)]
pub(super) struct Histories(BTreeMap<(ReplId, u64), u8>);

impl Histories {
    fn saw(&mut self, id: ReplId, at: u64, byte: u8) {
        let before = *self.0.entry((id, at)).or_insert(byte);
        assert_eq!(before, byte, "byte {at} of history {id:?} is two different ones");
    }
}

#[derive(Debug)]
enum State {
    /// Answers.
    Answers(Replies),
    /// The line before a snapshot; what came of it.
    Header {
        to: (ReplId, u64),
        line: Vec<u8>,
    },
    Marked {
        to: (ReplId, u64),
        mark: Vec<u8>,
        held: Vec<u8>,
    },
    Sized {
        to: (ReplId, u64),
        left: u64,
        held: Vec<u8>,
    },
    Stream {
        id: ReplId,
        at: u64,
    },
    /// It asked by SYNC, or for something else that cannot be followed from here.
    Blind,
}

/// One connection, from the peer's side.
#[derive(Debug)]
pub(super) struct Served {
    /// What it says, for what it asks.
    says: Requests,
    /// Places that it asked to go on at, of which no answer came.
    asked: Vec<(Option<ReplId>, i64)>,
    /// What it says cannot be read any more, or it may have asked in a way without an answer line.
    odd: bool,
    state: State,
    /// All bytes that came.
    pub(super) bytes: Vec<u8>,
    /// Snapshots that came whole.
    pub(super) snapshots: Vec<Vec<u8>>,
    /// It gets the stream, and is owed all of it: it was let go on, or has acknowledged its snapshot.
    pub(super) online: bool,
}

impl Served {
    pub(super) fn new() -> Self {
        Self {
            says: Requests::new(),
            asked: Vec::new(),
            odd: false,
            state: State::Answers(Replies::new(ReplyLimits::default())),
            bytes: Vec::new(),
            snapshots: Vec::new(),
            online: false,
        }
    }

    /// Where its stream stands.
    pub(super) fn position(&self) -> Option<(ReplId, u64)> {
        match self.state {
            State::Stream { id, at } => Some((id, at)),
            _ => None,
        }
    }

    /// The peer says this.
    pub(super) fn said(&mut self, mut bytes: &[u8]) {
        while !self.odd {
            match self.says.next(&mut bytes, &RequestLimits::default()) {
                Ok(Some(args)) if args.is(0, "psync") => {
                    let offset = parse_i64(args.at(2)).unwrap_or(-1);
                    self.asked.push((ReplId::parse(args.at(1)).ok(), offset));
                }
                // It is answered by a snapshot without a line before it.
                Ok(Some(args)) => self.odd |= args.iter().any(|a| a.eq_ignore_ascii_case(b"sync")),
                Ok(None) => return,
                Err(_) => self.odd = true,
            }
        }
    }

    /// The master sent this.
    pub(super) fn got(&mut self, mut input: &[u8], histories: &mut Histories) {
        self.bytes.extend_from_slice(input);
        while !input.is_empty() {
            let state = core::mem::replace(&mut self.state, State::Blind);
            self.state = match state {
                State::Answers(replies) => self.answer(replies, &mut input),
                State::Header { to, line } => header(to, line, &mut input),
                State::Marked { to, mark, mut held } => {
                    held.push(input[0]);
                    input = &input[1..];
                    if held.ends_with(&mark) {
                        held.truncate(held.len() - MARK);
                        self.snapshots.push(held);
                        State::Stream { id: to.0, at: to.1 }
                    } else {
                        State::Marked { to, mark, held }
                    }
                }
                State::Sized { to, left, mut held } => {
                    let n = (left as usize).min(input.len());
                    held.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    match left - n as u64 {
                        0 => {
                            self.snapshots.push(held);
                            State::Stream { id: to.0, at: to.1 }
                        }
                        left => State::Sized { to, left, held },
                    }
                }
                State::Stream { id, at } => {
                    self.online = true;
                    for (i, &byte) in input.iter().enumerate() {
                        histories.saw(id, at + i as u64, byte);
                    }
                    let at = at + input.len() as u64;
                    input = &[];
                    State::Stream { id, at }
                }
                State::Blind => {
                    input = &[];
                    State::Blind
                }
            };
        }
    }

    fn answer(&mut self, mut replies: Replies, input: &mut &[u8]) -> State {
        let value = match replies.next(input) {
            Ok(None) => return State::Answers(replies),
            Ok(Some(value)) => value,
            Err(error) => {
                assert!(self.odd, "an answer is none: {error}; so far {}", self.bytes.escape_ascii());
                return State::Blind;
            }
        };
        let words: Vec<&str> = match &value {
            Value::Simple(line) => core::str::from_utf8(line).unwrap_or_default().split(' ').collect(),
            _ => Vec::new(),
        };
        match (&words[..], &self.asked[..]) {
            (["FULLRESYNC", id, offset], _) => {
                let (id, offset) = (ReplId::parse(id.as_bytes()), offset.parse());
                let to = (id.expect("an id in FULLRESYNC"), offset.expect("an offset in FULLRESYNC"));
                State::Header { to, line: Vec::new() }
            }
            (["CONTINUE", rest @ ..], &[(asked, offset)]) => {
                let id = rest.first().map(|id| ReplId::parse(id.as_bytes()).expect("an id in CONTINUE")).or(asked);
                let id = id.expect("CONTINUE answers a PSYNC that named an id");
                let at = offset
                    .checked_sub(1)
                    .and_then(|at| u64::try_from(at).ok())
                    .expect("CONTINUE answers a PSYNC from a byte that is there");
                self.online = true;
                State::Stream { id, at }
            }
            // The stream comes by this connection, from an offset that is said on another.
            (["RDBCHANNELSYNC", _], _) => State::Blind,
            // It asks again, once it was told of the offset on another.
            (["DUALCHANNELSYNC"], _) => {
                self.asked.clear();
                State::Answers(replies)
            }
            // Which of several was answered is not known.
            (["CONTINUE", ..], _) => State::Blind,
            _ => {
                if value.as_error().is_some() {
                    self.asked.clear();
                }
                State::Answers(replies)
            }
        }
    }
}

/// Takes the line before a snapshot.
fn header(to: (ReplId, u64), mut line: Vec<u8>, input: &mut &[u8]) -> State {
    let (&first, rest) = input.split_first().expect("never called without input");
    *input = rest;
    // Line feeds before it show that the master lives.
    if first != b'\n' || !line.is_empty() {
        line.push(first);
    }
    if first != b'\n' || line.is_empty() {
        return State::Header { to, line };
    }
    let text = line.strip_suffix(b"\r\n").expect("a line before a snapshot");
    let size = text.strip_prefix(b"$").expect("a snapshot begins with $");
    if let Some(mark) = size.strip_prefix(b"EOF:") {
        assert_eq!(mark.len(), MARK, "the mark of a snapshot");
        return State::Marked { to, mark: mark.to_vec(), held: Vec::new() };
    }
    match parse_i64(size).and_then(|n| u64::try_from(n).ok()) {
        Some(left) => State::Sized { to, left, held: Vec::new() },
        None => panic!("no length of a snapshot: {}", size.escape_ascii()),
    }
}
