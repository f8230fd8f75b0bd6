//! Parses what servers answer, RESP2 and RESP3, into values that own their bytes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::parse_i64;

/// One answer, or a part of one.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `+OK`.
    Simple(Vec<u8>),
    /// `-ERR …` or the RESP3 form of many lines; the text begins with its prefix.
    Error(Vec<u8>),
    /// `:1`.
    Integer(i64),
    /// `$…`.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`.
    Null,
    /// `#t`, `#f`.
    Boolean(bool),
    /// `,1.5`.
    Double(f64),
    /// `(…`: an integer of any size, in decimal.
    BigNumber(Vec<u8>),
    /// `=…`: text for people with its format (`txt`, `mkd`).
    Verbatim([u8; 3], Vec<u8>),
    /// `*…`.
    Array(Vec<Self>),
    /// `%…`, in the order that it came in.
    Map(Vec<(Self, Self)>),
    /// `~…`.
    Set(Vec<Self>),
    /// `>…`: a message that answers no command.
    Push(Vec<Self>),
}

impl Value {
    /// The bytes of a string of any kind; an error is none.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(b) | Self::Bulk(b) | Self::BigNumber(b) | Self::Verbatim(_, b) => Some(b),
            _ => None,
        }
    }

    /// The same as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An integer, or a string that spells one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::Boolean(b) => Some(i64::from(*b)),
            other => parse_i64(other.as_bytes()?),
        }
    }

    /// The elements of an array, a set or a push message.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(list) | Self::Set(list) | Self::Push(list) => Some(list),
            _ => None,
        }
    }

    /// The elements, given away.
    pub fn into_array(self) -> Option<Vec<Self>> {
        match self {
            Self::Array(list) | Self::Set(list) | Self::Push(list) => Some(list),
            _ => None,
        }
    }

    /// The bytes of a string of any kind, given away.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Simple(b) | Self::Bulk(b) | Self::BigNumber(b) | Self::Verbatim(_, b) => Some(b),
            _ => None,
        }
    }

    /// The text of an error.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is an error whose first word is `prefix`.
    pub fn is_error(&self, prefix: &str) -> bool {
        self.as_error().and_then(|t| t.split(|&b| b == b' ').next()).is_some_and(|word| word == prefix.as_bytes())
    }

    /// Whether it is the string `word`, in whatever case.
    pub fn is(&self, word: &str) -> bool {
        self.as_bytes().is_some_and(|b| b.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether it is the absence of a value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Keys with their values: of a map, or of the flat array that stands for one in RESP2.
    pub fn pairs(&self) -> impl Iterator<Item = (&Self, &Self)> {
        let (map, flat) = match self {
            Self::Map(pairs) => (&pairs[..], &[][..]),
            other => (&[][..], other.as_array().unwrap_or_default()),
        };
        let of_array = flat.as_chunks::<2>().0.iter().map(|[k, v]| (k, v));
        map.iter().map(|(k, v)| (k, v)).chain(of_array)
    }

    /// The value of `key` in [`Value::pairs`].
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.pairs().find(|(k, _)| k.as_bytes() == Some(key.as_bytes())).map(|(_, v)| v)
    }
}

/// As it would be told in a log: one line, nothing but printable characters.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, list: &[Self]| {
            f.write_str("[")?;
            for (i, v) in list.iter().enumerate() {
                write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str("]")
        };
        match self {
            Self::Simple(b) | Self::Bulk(b) | Self::BigNumber(b) | Self::Verbatim(_, b) => write!(f, "{}", plain(b)),
            Self::Error(text) => write!(f, "-{}", plain(text)),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Null => f.write_str("(nil)"),
            Self::Boolean(b) => write!(f, "{b}"),
            Self::Double(d) => write!(f, "{d}"),
            Self::Array(l) | Self::Set(l) | Self::Push(l) => list(f, l),
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (i, (k, v)) in pairs.iter().enumerate() {
                    write!(f, "{}{k}: {v}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn plain(bytes: &[u8]) -> String {
    bytes.escape_ascii().map(char::from).collect()
}

/// How large an answer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyLimits {
    /// Memory in bytes of one answer, [`ReplyLimits::NODE`] for each of its parts included (64 MB).
    pub bytes: usize,
    /// Arrays within arrays (16).
    pub depth: usize,
    /// Bytes of one line (64 KB).
    pub line: usize,
}

impl ReplyLimits {
    /// What each part of an answer counts against `bytes` beside its own bytes.
    pub const NODE: usize = size_of::<Value>();
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 16, line: 64 << 10 }
    }
}

/// Why the bytes of a server are no answer. The connection cannot be used further.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// An unknown first byte.
    #[error("an answer begins with one of + - : $ * _ # , ( ! = % ~ > |, got '{}'", .0.escape_ascii())]
    UnknownType(u8),
    /// A line of a known type that says nothing known.
    #[error("malformed answer: '{}' (expected {expected})", plain(.line))]
    Malformed {
        /// The line, as far as it is worth showing.
        line: Vec<u8>,
        /// What a server writes.
        expected: &'static str,
    },
    /// A line of more than [`ReplyLimits::line`] bytes.
    #[error("an answer has a line of more than {0} bytes")]
    LineTooLong(usize),
    /// More than [`ReplyLimits::bytes`].
    #[error("an answer exceeds {0} bytes")]
    TooBig(usize),
    /// More than [`ReplyLimits::depth`].
    #[error("an answer is nested more than {0} deep")]
    TooDeep(usize),
}

/// An array, map or set that waits for its elements.
#[derive(Debug)]
struct Open {
    kind: u8,
    /// Elements that have not come; those of a map count twice.
    left: usize,
    list: Vec<Value>,
}

/// The incremental parser of one connection to a server.
///
/// It takes off the input exactly the bytes of the answer, so that what follows it (a snapshot behind
/// `+FULLRESYNC`) stays. Line feeds between answers, by which a master shows that it is alive, are skipped.
/// Attributes are read and dropped.
///
/// ```
/// use primacy_core::resp::{Replies, ReplyLimits};
/// let mut replies = Replies::new(ReplyLimits::default());
/// let mut input = &b"*2\r\n$4\r\nrole\r\n:7\r\n+PO"[..];
/// let value = replies.next(&mut input).unwrap().unwrap();
/// assert_eq!(value.get("role").unwrap().as_i64(), Some(7));
/// assert!(replies.next(&mut input).unwrap().is_none());
/// assert!(replies.next(&mut &b"NG\r\n"[..]).unwrap().unwrap().is("pong"));
/// ```
#[derive(Debug)]
pub struct Replies {
    limits: ReplyLimits,
    /// The unfinished line, or the bulk that is being filled.
    part: Vec<u8>,
    /// Of the bulk: its kind, and how many bytes it has with its line end.
    bulk: Option<(u8, usize)>,
    open: Vec<Open>,
    /// What the answer counts so far.
    bytes: usize,
}

impl Replies {
    /// A parser at the beginning of an answer.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, part: Vec::new(), bulk: None, open: Vec::new(), bytes: 0 }
    }

    /// Whether nothing of an unfinished answer is held.
    pub fn is_idle(&self) -> bool {
        self.part.is_empty() && self.bulk.is_none() && self.open.is_empty()
    }

    /// Parses the next answer and takes it off `input`. `Ok(None)`: the input is used up, and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        loop {
            let Some(value) = self.part(input)? else { return Ok(None) };
            let Some(value) = value else { continue };
            if let Some(whole) = self.attach(value) {
                self.bytes = 0;
                return Ok(Some(whole));
            }
        }
    }

    /// The next part that is no head of a list. `Some(None)`: a head, or nothing worth telling.
    #[expect(clippy::option_option, reason = "the outer one is for the end of the input")]
    fn part(&mut self, input: &mut &[u8]) -> Result<Option<Option<Value>>, ReplyError> {
        if let Some((kind, len)) = self.bulk {
            let Some(bytes) = self.fill(input, len) else { return Ok(None) };
            self.bulk = None;
            return bulk_value(kind, bytes).map(|v| Some(Some(v)));
        }
        let Some(line) = self.line(input)? else { return Ok(None) };
        let Some((&kind, rest)) = line.split_first() else {
            return if self.open.is_empty() { Ok(Some(None)) } else { Err(malformed(&line, "a type")) };
        };
        self.count(ReplyLimits::NODE)?;
        match kind {
            b'$' | b'!' | b'=' => {
                let Some(len) = length(&line, rest)? else { return Ok(Some(Some(Value::Null))) };
                self.count(len)?;
                // No overflow: `count` bounded it.
                self.bulk = Some((kind, len.saturating_add(2)));
                Ok(Some(None))
            }
            b'*' | b'%' | b'~' | b'>' | b'|' => {
                let Some(len) = length(&line, rest)? else { return Ok(Some(Some(Value::Null))) };
                self.enter(kind, len)
            }
            _ => self.scalar(kind, rest, &line).map(|v| Some(Some(v))),
        }
    }

    #[expect(clippy::option_option, reason = "as `part`")]
    fn enter(&mut self, kind: u8, len: usize) -> Result<Option<Option<Value>>, ReplyError> {
        let left = if matches!(kind, b'%' | b'|') { len.saturating_mul(2) } else { len };
        if left.saturating_mul(ReplyLimits::NODE) > self.limits.bytes {
            return Err(ReplyError::TooBig(self.limits.bytes));
        }
        if self.open.len() >= self.limits.depth {
            return Err(ReplyError::TooDeep(self.limits.depth));
        }
        if left == 0 {
            return Ok(Some((kind != b'|').then(|| close(kind, Vec::new()))));
        }
        self.open.push(Open { kind, left, list: Vec::with_capacity(left.min(16)) });
        Ok(Some(None))
    }

    fn scalar(&mut self, kind: u8, rest: &[u8], line: &[u8]) -> Result<Value, ReplyError> {
        self.count(rest.len())?;
        Ok(match (kind, rest) {
            (b'+', _) => Value::Simple(rest.to_vec()),
            (b'-', _) => Value::Error(rest.to_vec()),
            (b':', _) => Value::Integer(parse_i64(rest).ok_or_else(|| malformed(line, "an integer"))?),
            (b'_', []) => Value::Null,
            (b'#', b"t") => Value::Boolean(true),
            (b'#', b"f") => Value::Boolean(false),
            (b',', _) => Value::Double(
                core::str::from_utf8(rest)
                    .ok()
                    .and_then(|t| t.parse().ok())
                    .ok_or_else(|| malformed(line, "a number"))?,
            ),
            (b'(', _) => Value::BigNumber(rest.to_vec()),
            (b'_' | b'#', _) => return Err(malformed(line, "_, #t or #f")),
            _ => return Err(ReplyError::UnknownType(kind)),
        })
    }

    /// Puts a part where it belongs; the whole answer if it was the last.
    fn attach(&mut self, mut value: Value) -> Option<Value> {
        while let Some(open) = self.open.last_mut() {
            open.list.push(value);
            open.left -= 1;
            if open.left > 0 {
                return None;
            }
            let done = self.open.pop()?;
            if done.kind == b'|' {
                return None;
            }
            value = close(done.kind, done.list);
        }
        Some(value)
    }

    fn count(&mut self, bytes: usize) -> Result<(), ReplyError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes { Err(ReplyError::TooBig(self.limits.bytes)) } else { Ok(()) }
    }

    /// The next line without its end, once it is there.
    fn line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, ReplyError> {
        let window = input.get(..self.limits.line + 2 - self.part.len().min(self.limits.line)).unwrap_or(input);
        let end = window.iter().position(|&b| b == b'\n');
        let (taken, rest) = input.split_at(end.map_or(window.len(), |i| i + 1));
        *input = rest;
        self.part.extend_from_slice(taken);
        if self.part.len() > self.limits.line + 2 || (end.is_none() && self.part.len() > self.limits.line + 1) {
            return Err(ReplyError::LineTooLong(self.limits.line));
        }
        if end.is_none() {
            return Ok(None);
        }
        let mut line = core::mem::take(&mut self.part);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// The next `len` bytes without their line end, once they are there. Memory grows with what came.
    fn fill(&mut self, input: &mut &[u8], len: usize) -> Option<Vec<u8>> {
        let missing = len - self.part.len();
        let (taken, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        if self.part.is_empty() && taken.len() == len {
            self.part.reserve_exact(len);
        }
        self.part.extend_from_slice(taken);
        if self.part.len() < len {
            return None;
        }
        let mut bytes = core::mem::take(&mut self.part);
        bytes.truncate(len - 2);
        Some(bytes)
    }
}

fn malformed(line: &[u8], expected: &'static str) -> ReplyError {
    ReplyError::Malformed { line: line.get(..64).unwrap_or(line).to_vec(), expected }
}

/// The length in a head; `None` for -1, the absence of a value.
fn length(line: &[u8], digits: &[u8]) -> Result<Option<usize>, ReplyError> {
    match parse_i64(digits) {
        Some(-1) => Ok(None),
        Some(n) => usize::try_from(n).map(Some).map_err(|_| malformed(line, "a length of -1 or more")),
        None => Err(malformed(line, "a length of -1 or more")),
    }
}

fn bulk_value(kind: u8, mut bytes: Vec<u8>) -> Result<Value, ReplyError> {
    Ok(match kind {
        b'!' => Value::Error(bytes),
        b'=' => {
            let [a, b, c, b':', ..] = bytes[..] else { return Err(malformed(&bytes, "a format of three letters")) };
            Value::Verbatim([a, b, c], bytes.split_off(4))
        }
        _ => Value::Bulk(bytes),
    })
}

fn close(kind: u8, list: Vec<Value>) -> Value {
    match kind {
        b'%' => {
            let mut pairs = Vec::with_capacity(list.len() / 2);
            let mut list = list.into_iter();
            while let (Some(k), Some(v)) = (list.next(), list.next()) {
                pairs.push((k, v));
            }
            Value::Map(pairs)
        }
        b'~' => Value::Set(list),
        b'>' => Value::Push(list),
        _ => Value::Array(list),
    }
}

#[cfg(test)]
mod tests;
