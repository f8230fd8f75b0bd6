//! Listpacks, written.

use alloc::vec::Vec;

use super::listpack::{HEADER, TERMINATOR, UNKNOWN, back_byte, back_len, is_odd};
use super::{CompactError, Scalar};
use crate::resp::parse_i64;

/// Appends a listpack to a buffer: values one after the other, then [`ListpackWriter::finish`].
#[derive(Debug)]
pub struct ListpackWriter<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    count: usize,
}

impl<'v> ListpackWriter<'v> {
    /// Begins an empty listpack at the end of `out`.
    pub fn new(out: &'v mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        Self { out, start, count: 0 }
    }

    /// No listpack that is shorter has a value in one of the forms of [`ListpackWriter::is_portable`], bytes.
    pub const ODD_MIN: usize = 0x3fff;

    /// Whether every server reads these bytes in a listpack. Of three sizes servers write and demand different forms:
    /// such a value belongs elsewhere (a plain node of a list, a type of single strings).
    pub fn is_portable(text: &[u8]) -> bool {
        !is_odd(text.len().saturating_add(text_head(text.len())))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size so far, with the terminator, bytes.
    pub fn size(&self) -> usize {
        self.out.len() - self.start + 1
    }

    /// Appends a value as it is.
    pub fn push(&mut self, value: Scalar<'_>) {
        match value {
            Scalar::Int(n) => self.int(n),
            Scalar::Text(text) => self.text(text),
        }
    }

    /// Appends a string as servers do: as an integer if it is exactly the decimal form of one.
    pub fn string(&mut self, text: &[u8]) {
        match parse_i64(text) {
            Some(n) => self.int(n),
            None => self.text(text),
        }
    }

    /// Appends an integer in its shortest form.
    pub fn int(&mut self, n: i64) {
        let b = n.to_le_bytes();
        match n {
            0..=127 => self.value(&b[..1], &[]),
            -4096..=4095 => self.value(&[0xc0 | (b[1] & 0x1f), b[0]], &[]),
            -0x8000..=0x7fff => self.value(&[0xf1, b[0], b[1]], &[]),
            -0x80_0000..=0x7f_ffff => self.value(&[0xf2, b[0], b[1], b[2]], &[]),
            -0x8000_0000..=0x7fff_ffff => self.value(&[0xf3, b[0], b[1], b[2], b[3]], &[]),
            _ => self.value(&[0xf4, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]], &[]),
        }
    }

    /// Appends bytes as bytes, digits or not.
    pub fn text(&mut self, text: &[u8]) {
        let len = text.len();
        let b = (len as u32).to_le_bytes();
        match len {
            0..0x40 => self.value(&[0x80 | b[0]], text),
            0x40..0x1000 => self.value(&[0xe0 | b[1], b[0]], text),
            _ => self.value(&[0xf0, b[0], b[1], b[2], b[3]], text),
        }
    }

    fn value(&mut self, head: &[u8], data: &[u8]) {
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(data);
        let size = head.len() + data.len();
        // At the odd sizes the longer form: every release reads it, as long as it does not validate.
        let n = back_len(size) + usize::from(is_odd(size));
        self.out.extend((0..n).map(|i| back_byte(size, n, i)));
        self.count += 1;
    }

    /// Completes the header and ends the listpack.
    ///
    /// # Errors
    ///
    /// It would be 4 GB or larger: nothing is left of it in the buffer.
    pub fn finish(self) -> Result<(), CompactError> {
        self.out.push(TERMINATOR);
        let total = (self.out.len() - self.start) as u64;
        let Ok(len) = u32::try_from(total) else {
            self.out.truncate(self.start);
            return Err(CompactError::TooLarge(total));
        };
        let count = u16::try_from(self.count).unwrap_or(UNKNOWN);
        if let Some(header) = self.out.get_mut(self.start..).and_then(<[u8]>::first_chunk_mut::<HEADER>) {
            let ([a, b, c, d], [e, f]) = (len.to_le_bytes(), count.to_le_bytes());
            *header = [a, b, c, d, e, f];
        }
        Ok(())
    }
}

/// Bytes of encoding before so many bytes of text.
fn text_head(len: usize) -> usize {
    match len {
        0..0x40 => 1,
        0x40..0x1000 => 2,
        _ => 5,
    }
}
