//! Decisions from bytes.

use alloc::vec::Vec;

/// Takes decisions off a fuzzer's bytes: those about the whole run from their end, so that a plain file of the format
/// under test is an input too, everything else from their front. Used-up bytes answer 0.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    bytes: &'a [u8],
}

impl<'a> Draw<'a> {
    /// All decisions that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte from the front.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    /// A number below `n`, which is above 0.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = if n > 256 { usize::from(self.byte()) << 8 } else { 0 };
        (wide | usize::from(self.byte())) % n
    }

    /// One of `list`, which is not empty.
    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Eight bytes as a number.
    pub fn wide(&mut self) -> u64 {
        (0..8).fold(0, |n, _| n << 8 | u64::from(self.byte()))
    }

    /// The last byte.
    pub fn last(&mut self) -> u8 {
        let Some((&last, rest)) = self.bytes.split_last() else { return 0 };
        self.bytes = rest;
        last
    }

    /// Up to `n` bytes from the front.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (front, rest) = self.bytes.split_at(n.min(self.bytes.len()));
        self.bytes = rest;
        front
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Cuts bytes into pieces whose sizes follow from a number: 0 cuts nothing, 1 cuts into single bytes.
#[derive(Clone, Debug)]
pub struct Cuts(u32);

impl Cuts {
    /// The cuts of this number.
    pub fn new(seed: u8) -> Self {
        Self(u32::from(seed))
    }

    /// The next piece off the front of `bytes`, which are not empty.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> &'a [u8] {
        let size = match self.0 {
            0 => bytes.len(),
            1 => 1,
            _ => {
                self.0 = self.0.wrapping_mul(0x9E37_79B1).rotate_left(13).max(2);
                // Small pieces mostly, large ones now and then.
                1 + (self.0 as usize >> 8) % if self.0.is_multiple_of(8) { 5000 } else { 24 }
            }
        };
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        *bytes = rest;
        piece
    }

    /// All pieces of `bytes`.
    pub fn all(mut self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            pieces.push(self.next(&mut bytes));
        }
        pieces
    }
}

/// Whether `text` may stand in a log: one line, no control characters.
pub fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// A script: bytes with steps between them, each `~~` and a letter, so that a seed can be written by hand and a fuzzer
/// can insert and remove without moving the rest.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// What stands between steps.
    Bytes(&'a [u8]),
    /// The letter of a step.
    Step(u8),
}

/// The lines of a script.
pub fn script(mut data: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    while !data.is_empty() {
        let at = data.windows(3).position(|w| w.starts_with(b"~~")).unwrap_or(data.len());
        let (bytes, rest) = data.split_at(at);
        if !bytes.is_empty() {
            lines.push(Line::Bytes(bytes));
        }
        if let [_, _, step, ..] = *rest {
            lines.push(Line::Step(step));
        }
        data = rest.get(3..).unwrap_or_default();
    }
    lines
}
