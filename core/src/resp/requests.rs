//! Parses what clients and masters send: commands, in place where they lie whole in the input.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Args, Span, parse_i64};
use crate::words;

/// A bulk of at least so many bytes that does not lie whole in the input is collected in pieces of this size.
pub const BIG: usize = 64 * 1024;
/// Arguments that a command may have before authentication (`unauthenticated multibulk length`).
pub const UNAUTHENTICATED_ARGS: usize = 10;
/// Bytes that an argument may have before authentication (`unauthenticated bulk length`).
pub const UNAUTHENTICATED_BULK: usize = 16 * 1024;
/// Capacity in bytes that an idle parser keeps of the buffer for unfinished frames.
const KEEP: usize = 4 * 1024;
/// Spans that an idle parser keeps.
const KEEP_SPANS: usize = 256;

/// What a peer may send. [`Default`] is what Redis allows an authenticated client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestLimits {
    /// Bytes of one argument (`proto-max-bulk-len`, 512 MB). A master's stream has no such limit in Redis.
    pub bulk: usize,
    /// Arguments of one command (1,048,576, as up to Redis 6.2; later ones only bound the bytes).
    pub args: usize,
    /// Bytes of an inline command, or of a line with a length (64 KB).
    pub inline: usize,
    /// Bytes of one frame in all (`client-query-buffer-limit`, 1 GB).
    pub buffer: usize,
    /// Whether the peer has authenticated or need not; otherwise [`UNAUTHENTICATED_ARGS`] and
    /// [`UNAUTHENTICATED_BULK`] bound it as well.
    pub authenticated: bool,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { bulk: 512 << 20, args: 1 << 20, inline: 64 << 10, buffer: 1 << 30, authenticated: true }
    }
}

impl RequestLimits {
    /// No limit but that of a length line: for a master's stream, which Redis does not limit either.
    pub const MASTER: Self =
        Self { bulk: usize::MAX, args: usize::MAX, inline: 64 << 10, buffer: usize::MAX, authenticated: true };
}

/// Why the bytes of a peer are no command. The connection cannot be used further. [`fmt::Display`] is Redis's text
/// (an answer begins with `ERR `); [`ProtocolError::message`] is the same in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The number behind `*` is none, or above the limit.
    InvalidCount,
    /// The line that begins with `*` does not end.
    CountTooLong,
    /// An argument does not begin with `$`, but with this.
    ExpectedBulk(u8),
    /// The number behind `$` is none, negative, or above the limit.
    InvalidBulk,
    /// The line that should begin with `$` does not end.
    BulkTooLong,
    /// An inline command does not end.
    InlineTooLong,
    /// An inline command with quotes that are not closed.
    UnbalancedQuotes,
    /// More than [`UNAUTHENTICATED_ARGS`] arguments before authentication.
    UnauthenticatedCount,
    /// More than [`UNAUTHENTICATED_BULK`] bytes in an argument before authentication.
    UnauthenticatedBulk,
    /// The frame is larger than [`RequestLimits::buffer`]. Redis closes such a connection without an answer.
    FrameTooBig,
}

impl ProtocolError {
    /// The text in bytes: what was got is shown as it came.
    pub fn message(&self) -> Vec<u8> {
        match *self {
            Self::ExpectedBulk(got) => {
                let mut text = b"Protocol error: expected '$', got '".to_vec();
                text.extend([got, b'\'']);
                text
            }
            _ => alloc::format!("{self}").into_bytes(),
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        match *self {
            Self::InvalidCount => f.write_str("invalid multibulk length"),
            Self::CountTooLong => f.write_str("too big mbulk count string"),
            // In a log it stays one line; the answer to the peer has the byte itself.
            Self::ExpectedBulk(got) if got.is_ascii_graphic() => {
                write!(f, "expected '$', got '{}'", char::from(got))
            }
            Self::ExpectedBulk(got) => write!(f, "expected '$', got '{}'", got.escape_ascii()),
            Self::InvalidBulk => f.write_str("invalid bulk length"),
            Self::BulkTooLong => f.write_str("too big bulk count string"),
            Self::InlineTooLong => f.write_str("too big inline request"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::UnauthenticatedCount => f.write_str("unauthenticated multibulk length"),
            Self::UnauthenticatedBulk => f.write_str("unauthenticated bulk length"),
            Self::FrameTooBig => f.write_str("request exceeds client-query-buffer-limit"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// What the parser waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Want {
    /// The first byte of a frame.
    Frame,
    /// The end of an inline command.
    Inline,
    /// The line `*<arguments>`.
    Count,
    /// The line `$<bytes>`.
    Header,
    /// So many bytes and their line end.
    Bulk(usize),
    /// Nothing any more: what came was wrong in this way.
    Nothing(ProtocolError),
}

/// An argument that is collected in pieces of [`BIG`] bytes.
#[derive(Debug)]
struct Big {
    index: usize,
    pieces: Vec<Bytes>,
    /// The piece that is being filled.
    tail: Vec<u8>,
    /// Bytes that have not come, its line end not counted.
    missing: usize,
    /// Bytes of its line end that have not come.
    line_end: usize,
}

impl Big {
    /// Takes what belongs to it off the input; true when it is whole.
    fn take(&mut self, input: &mut &[u8]) -> bool {
        while self.missing > 0 && !input.is_empty() {
            if self.tail.capacity() == 0 {
                self.tail.reserve_exact(self.missing.min(BIG));
            }
            let part = cut(input, self.missing.min(BIG - self.tail.len()));
            self.tail.extend_from_slice(part);
            self.missing -= part.len();
            if self.tail.len() == BIG || self.missing == 0 {
                self.pieces.push(core::mem::take(&mut self.tail).into());
            }
        }
        if self.missing == 0 {
            self.line_end -= cut(input, self.line_end).len();
        }
        self.missing == 0 && self.line_end == 0
    }

    fn len(&self) -> usize {
        self.pieces.len() * BIG + self.tail.len()
    }
}

/// The incremental parser of one connection: commands in, RESP or inline.
///
/// It resumes where it stopped and never reads a byte twice. Empty commands (`*0`, `*-1`, an empty line) are
/// skipped; so is the line feed by which a replica shows that it is alive. As in Redis, the two bytes behind an
/// argument are not looked at.
///
/// ```
/// use primacy_core::resp::{RequestLimits, Requests};
/// let (mut requests, limits) = (Requests::new(), RequestLimits::default());
/// let mut input = &b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$4\r\nQU"[..];
/// assert_eq!(requests.next(&mut input, &limits).unwrap().unwrap().at(1), b"k");
/// assert!(requests.next(&mut input, &limits).unwrap().unwrap().is(0, "ping"));
/// assert!(requests.next(&mut input, &limits).unwrap().is_none());
/// assert_eq!(requests.buffered(), 10);
/// assert!(requests.next(&mut &b"IT\r\n"[..], &limits).unwrap().unwrap().is(0, "quit"));
/// ```
#[derive(Debug)]
pub struct Requests {
    spans: SmallVec<[Span; 4]>,
    /// The unfinished frame, or the command that was last given out. A frame in pieces lacks them here.
    frame: Vec<u8>,
    want: Want,
    /// Where in the frame the part begins that is wanted.
    at: usize,
    /// Up to where the wanted line was searched for its end.
    seen: usize,
    /// Arguments that have not come.
    left: usize,
    big: Option<Box<Big>>,
    /// Bytes of this frame that lie elsewhere than in `frame`.
    outside: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

/// How far a scan came.
enum Scan {
    /// A command ends behind so many bytes.
    Command(usize),
    /// An inline command ends behind so many bytes (its line feed included).
    Inline(usize),
    /// A frame without arguments ends behind so many bytes.
    Empty(usize),
    /// The frame is not whole.
    More,
}

/// Where a command was found.
enum Found {
    Nothing,
    /// In the input, so many bytes.
    Input(usize),
    /// In the parser's own frame.
    Frame,
    /// The same, in the inline form.
    Inline,
}

impl Requests {
    /// A parser at the beginning of a frame. Allocates nothing until a frame is unfinished.
    pub fn new() -> Self {
        Self {
            spans: SmallVec::new(),
            frame: Vec::new(),
            want: Want::Frame,
            at: 0,
            seen: 0,
            left: 0,
            big: None,
            outside: 0,
        }
    }

    /// Parses the next command and takes it off `input`. `Ok(None)`: the input is used up, and more is needed.
    ///
    /// After an error nothing more can be parsed: every further call gives the same error and takes nothing.
    #[inline]
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        limits: &RequestLimits,
    ) -> Result<Option<Args<'a>>, ProtocolError> {
        let whole = *input;
        let found = match self.find(input, limits) {
            Ok(found) => found,
            Err(error) => {
                self.want = Want::Nothing(error);
                return Err(error);
            }
        };
        let (bytes, raw): (&'a [u8], _) = match found {
            Found::Nothing => return Ok(None),
            Found::Input(len) => {
                let start = whole.len() - input.len() - len;
                let frame = whole.get(start..start + len).unwrap_or_default();
                (frame, Some(frame))
            }
            Found::Frame => (&self.frame, self.big.is_none().then_some(&self.frame[..])),
            Found::Inline => (&self.frame, None),
        };
        let args = Args::new(bytes, &self.spans, raw);
        Ok(Some(match &self.big {
            Some(big) => args.with_pieces(big.index, &big.pieces),
            None => args,
        }))
    }

    /// Bytes that are held of an unfinished frame.
    pub fn buffered(&self) -> usize {
        match self.want {
            Want::Frame => 0,
            _ => self.frame.len() + self.big.as_ref().map_or(0, |b| b.len()),
        }
    }

    fn find(&mut self, input: &mut &[u8], limits: &RequestLimits) -> Result<Found, ProtocolError> {
        if self.want == Want::Frame {
            self.forget();
        } else if let Some(found) = self.resume(input, limits)? {
            return Ok(found);
        }
        while let Some(&first) = input.first() {
            self.begin(first);
            match self.scan(input, limits)? {
                Scan::Command(len) => {
                    self.want = Want::Frame;
                    cut(input, len);
                    return Ok(Found::Input(len));
                }
                Scan::Empty(len) => {
                    self.want = Want::Frame;
                    cut(input, len);
                }
                Scan::Inline(len) => {
                    self.frame.extend_from_slice(cut(input, len));
                    if self.inline()? {
                        return Ok(Found::Inline);
                    }
                }
                Scan::More => {
                    self.keep(input);
                    return Ok(Found::Nothing);
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Sets out for a frame that begins with `first`.
    #[inline]
    fn begin(&mut self, first: u8) {
        self.want = if first == b'*' { Want::Count } else { Want::Inline };
        (self.at, self.seen, self.left) = (0, 0, 0);
        self.spans.clear();
    }

    /// Lets go of the command that was given out.
    #[inline]
    fn forget(&mut self) {
        self.frame.clear();
        if self.frame.capacity() > KEEP {
            self.frame = Vec::new();
        }
        if self.spans.capacity() > KEEP_SPANS {
            self.spans = SmallVec::new();
        }
        self.big = None;
        self.outside = 0;
    }

    /// Keeps all of the input, which is the beginning of a frame.
    #[cold]
    fn keep(&mut self, input: &mut &[u8]) {
        if matches!(self.want, Want::Bulk(len) if len >= BIG) {
            self.frame.extend_from_slice(cut(input, self.at));
            self.collect(input);
        } else {
            self.frame.extend_from_slice(cut(input, input.len()));
        }
    }

    /// Goes on with the frame that is kept, taking off the input only what belongs to it. `None` when that turned
    /// out to be empty.
    #[cold]
    fn resume(&mut self, input: &mut &[u8], limits: &RequestLimits) -> Result<Option<Found>, ProtocolError> {
        if let Want::Nothing(error) = self.want {
            return Err(error);
        }
        loop {
            if input.is_empty() {
                return Ok(Some(Found::Nothing));
            }
            match self.want {
                Want::Bulk(len) if len >= BIG => {
                    if !self.collect(input) {
                        return Ok(Some(Found::Nothing));
                    }
                }
                Want::Bulk(len) => {
                    let missing = (self.at + len + 2).saturating_sub(self.frame.len());
                    self.frame.extend_from_slice(cut(input, missing));
                }
                Want::Inline => self.take_line(input, b'\n', 1, limits),
                _ => self.take_line(input, b'\r', 2, limits),
            }
            // The frame is lent to the scan, which touches all else.
            let frame = core::mem::take(&mut self.frame);
            let scan = self.scan(&frame, limits);
            self.frame = frame;
            match scan? {
                Scan::Command(_) => {
                    self.want = Want::Frame;
                    return Ok(Some(Found::Frame));
                }
                Scan::Empty(_) => {
                    self.want = Want::Frame;
                    self.frame.clear();
                    return Ok(None);
                }
                Scan::Inline(_) => return Ok(self.inline()?.then_some(Found::Inline)),
                Scan::More => {}
            }
        }
    }

    /// Takes a line off the input as far as it is there: up to `end` and what belongs to it, `width` bytes in all.
    fn take_line(&mut self, input: &mut &[u8], end: u8, width: usize, limits: &RequestLimits) {
        let have = self.frame.len() - self.at;
        let take = if self.frame.get(self.seen) == Some(&end) {
            width - 1
        } else {
            // One byte above the limit is enough to see that it is exceeded.
            let window = input.get(..(limits.inline + 1).saturating_sub(have).max(1)).unwrap_or(input);
            window.iter().position(|&b| b == end).map_or(window.len(), |i| i + width)
        };
        self.frame.extend_from_slice(cut(input, take));
    }

    /// Collects the wanted argument in pieces; true when it is whole.
    fn collect(&mut self, input: &mut &[u8]) -> bool {
        let Want::Bulk(len) = self.want else { return true };
        let index = self.spans.len();
        if self.big.as_ref().is_none_or(|b| b.index != index) {
            self.join();
            self.big = Some(Box::new(Big { index, pieces: Vec::new(), tail: Vec::new(), missing: len, line_end: 2 }));
        }
        let whole = self.big.as_mut().is_none_or(|b| b.take(input));
        if whole {
            self.outside += len + 2;
            self.spans.push(Span { at: 0, len: 0 });
            self.left -= 1;
            (self.at, self.seen) = (self.frame.len(), self.frame.len());
            self.want = Want::Header;
        }
        whole
    }

    /// Puts the pieces of an earlier argument together: only one may be in pieces.
    fn join(&mut self) {
        let Some(big) = self.big.take() else { return };
        let at = self.frame.len();
        self.frame.reserve_exact(big.len());
        for piece in big.pieces {
            self.frame.extend_from_slice(&piece);
        }
        if let Some(span) = self.spans.get_mut(big.index) {
            *span = Span { at, len: self.frame.len() - at };
        }
        self.outside -= self.frame.len() - at;
    }

    /// Splits the inline command in the frame into words; false if there are none.
    fn inline(&mut self) -> Result<bool, ProtocolError> {
        self.want = Want::Frame;
        self.frame.pop();
        let spans = &mut self.spans;
        words::split_in_place(&mut self.frame, |word| spans.push(Span { at: word.start, len: word.len() }))
            .map_err(|_| ProtocolError::UnbalancedQuotes)?;
        if self.spans.is_empty() {
            self.frame.clear();
        }
        Ok(!self.spans.is_empty())
    }

    /// Goes on over `bytes`, which begin where the frame begins.
    #[inline]
    fn scan(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Scan, ProtocolError> {
        match self.want {
            Want::Inline => {
                return Ok(match self.line(bytes, b'\n', 0, limits).ok_or(ProtocolError::InlineTooLong)? {
                    Some(end) => Scan::Inline(end + 1),
                    None => Scan::More,
                });
            }
            Want::Count => {
                let Some(count) = self.count(bytes, limits)? else { return Ok(Scan::More) };
                if count == 0 {
                    return Ok(Scan::Empty(self.at));
                }
                self.left = count;
                self.want = Want::Header;
            }
            _ => {}
        }
        self.arguments(bytes, limits)
    }

    #[inline]
    fn arguments(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Scan, ProtocolError> {
        let mut known = match self.want {
            Want::Bulk(len) => Some(len),
            _ => None,
        };
        while self.left > 0 {
            let len = match known.take() {
                Some(len) => len,
                None => match self.header(bytes, limits)? {
                    Some(len) => len,
                    None => return Ok(Scan::More),
                },
            };
            // `header` proved that this does not overflow.
            let next = self.at + len + 2;
            if bytes.len() < next {
                self.want = Want::Bulk(len);
                return Ok(Scan::More);
            }
            self.spans.push(Span { at: self.at, len });
            (self.at, self.seen) = (next, next);
            self.left -= 1;
            self.want = Want::Header;
        }
        Ok(Scan::Command(self.at))
    }

    /// The line `*<arguments>`: how many, 0 for less than one.
    #[inline]
    fn count(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Option<usize>, ProtocolError> {
        let n = if let Some((n, next)) = short_number(bytes, 1) {
            (self.at, self.seen) = (next, next);
            n
        } else {
            let Some(end) = self.line(bytes, b'\r', 1, limits).ok_or(ProtocolError::CountTooLong)? else {
                return Ok(None);
            };
            let n = parse_i64(bytes.get(1..end).unwrap_or_default()).ok_or(ProtocolError::InvalidCount)?;
            (self.at, self.seen) = (end + 2, end + 2);
            usize::try_from(n.max(0)).map_err(|_| ProtocolError::InvalidCount)?
        };
        if n > limits.args {
            return Err(ProtocolError::InvalidCount);
        }
        if n > UNAUTHENTICATED_ARGS && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        Ok(Some(n))
    }

    /// The line `$<bytes>` at `at`.
    #[inline]
    fn header(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Option<usize>, ProtocolError> {
        let start = self.at;
        let short = if bytes.get(start) == Some(&b'$') { short_number(bytes, start + 1) } else { None };
        let (len, next) = if let Some(short) = short {
            short
        } else {
            let Some(end) = self.line(bytes, b'\r', 1, limits).ok_or(ProtocolError::BulkTooLong)? else {
                return Ok(None);
            };
            let line = bytes.get(start..end).unwrap_or_default();
            let Some(digits) = line.strip_prefix(b"$") else {
                return Err(ProtocolError::ExpectedBulk(line.first().copied().unwrap_or(b'\r')));
            };
            let n = parse_i64(digits).ok_or(ProtocolError::InvalidBulk)?;
            (usize::try_from(n).map_err(|_| ProtocolError::InvalidBulk)?, end + 2)
        };
        if len > limits.bulk {
            return Err(ProtocolError::InvalidBulk);
        }
        if len > UNAUTHENTICATED_BULK && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        let end = next.checked_add(len).and_then(|n| n.checked_add(self.outside)?.checked_add(2));
        if end.is_none_or(|end| end > limits.buffer) {
            return Err(ProtocolError::FrameTooBig);
        }
        (self.at, self.seen) = (next, next);
        Ok(Some(len))
    }

    /// The end of the line at `at`, once `behind` more bytes are there. `None` when the line is too long.
    #[expect(clippy::option_option, reason = "the outer one becomes the caller's error")]
    fn line(&mut self, bytes: &[u8], end: u8, behind: usize, limits: &RequestLimits) -> Option<Option<usize>> {
        let found = bytes.get(self.seen..).unwrap_or_default().iter().position(|&b| b == end);
        self.seen = found.map_or(bytes.len(), |i| self.seen + i);
        if self.seen - self.at > limits.inline {
            return None;
        }
        Some(found.and_then(|_| (self.seen + behind < bytes.len()).then_some(self.seen)))
    }
}

/// The number of up to eight digits at `at` that ends with a whole line end, and the place behind it.
#[inline]
pub(crate) fn short_number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?;
    let mut n = 0;
    for (i, &b) in rest.iter().take(9).enumerate() {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            // `0` is a number, `01` is none: the general way says so.
            let plain = b == b'\r' && i > 0 && i + 1 < rest.len() && (i == 1 || rest.first() != Some(&b'0'));
            return plain.then_some((n, at + i + 2));
        }
        n = n * 10 + usize::from(digit);
    }
    None
}

/// Takes up to `n` bytes off the front.
#[inline]
fn cut<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(n.min(input.len()));
    *input = rest;
    front
}

#[cfg(test)]
mod tests;
