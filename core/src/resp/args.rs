//! The arguments of one command, as slices of wherever its bytes lie.

use bytes::Bytes;

/// Where an argument lies in its frame, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Offset of its first byte.
    pub at: usize,
    /// Length.
    pub len: usize,
}

/// The arguments of one command, the name first. Cheap to copy; borrows the bytes.
///
/// A very large argument that came in over several reads is kept in pieces ([`Args::pieces`]); only commands that
/// declare [`Flags::PIECES`](crate::dataset::Flags::PIECES) ever see one.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    raw: Option<&'a [u8]>,
    pieces: Option<(usize, &'a [Bytes])>,
}

impl<'a> Args<'a> {
    /// Arguments `spans` of `bytes`; `raw` is the whole frame in its wire form, if there is one.
    pub fn new(bytes: &'a [u8], spans: &'a [Span], raw: Option<&'a [u8]>) -> Self {
        Self { bytes, spans, raw, pieces: None }
    }

    /// The same with argument `index` in pieces (its span is empty).
    pub fn with_pieces(self, index: usize, pieces: &'a [Bytes]) -> Self {
        Self { pieces: Some((index, pieces)), ..self }
    }

    /// How many arguments, the name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `i`, if there are so many. Empty for one that came in pieces.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        let s = self.spans.get(i)?;
        self.bytes.get(s.at..s.at + s.len)
    }

    /// Argument `i`; empty if there are not so many. For callers behind an arity check.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        self.get(i).unwrap_or_default()
    }

    /// Argument `i` in pieces, if it came so.
    #[inline]
    pub fn pieces(&self, i: usize) -> Option<&'a [Bytes]> {
        self.pieces.filter(|&(k, _)| k == i).map(|(_, p)| p)
    }

    /// Whether any argument is in pieces.
    #[inline]
    pub fn has_pieces(&self) -> bool {
        self.pieces.is_some()
    }

    /// The whole frame as it came over the wire (`*3\r\n$3\r\nSET…`), if it lies in one piece. `None` for inline
    /// commands and frames with an argument in pieces.
    #[inline]
    pub fn raw(&self) -> Option<&'a [u8]> {
        self.raw
    }

    /// The arguments from `i` on.
    pub fn from(&self, i: usize) -> Self {
        let i = i.min(self.spans.len());
        Self {
            bytes: self.bytes,
            spans: &self.spans[i..],
            raw: None,
            pieces: self.pieces.and_then(|(k, p)| Some((k.checked_sub(i)?, p))),
        }
    }

    /// The first `n` arguments.
    pub fn to(&self, n: usize) -> Self {
        Self {
            bytes: self.bytes,
            spans: &self.spans[..n.min(self.spans.len())],
            raw: None,
            pieces: self.pieces.filter(|(k, _)| *k < n),
        }
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |s| bytes.get(s.at..s.at + s.len).unwrap_or_default())
    }

    /// Whether argument `i` is `word`, in whatever case.
    #[inline]
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.get(i).is_some_and(|a| a.eq_ignore_ascii_case(word.as_bytes()))
    }
}
