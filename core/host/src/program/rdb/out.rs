//! What the formats write to: one large buffer before the real output.

use std::io::{self, Write};

use primacy_core::resp::{decimal, decimal_i64};

/// How much is written at once, bytes.
const BLOCK: usize = 256 << 10;

/// A buffer whose failures are kept until somebody asks: a format is the same whether its output works or not.
pub(super) struct Out<'w> {
    buffer: Vec<u8>,
    to: &'w mut dyn Write,
    failed: Option<io::Error>,
}

impl<'w> Out<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Self {
        Self { buffer: Vec::with_capacity(BLOCK), to, failed: None }
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if bytes.len() > BLOCK - self.buffer.len() {
            self.make_room(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    pub(super) fn number(&mut self, n: u64) {
        self.put(decimal(&mut [0; 20], false, n));
    }

    pub(super) fn signed(&mut self, n: i64) {
        self.put(decimal_i64(&mut [0; 20], n));
    }

    /// What has gone wrong, once.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Writes all that is held.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write_out();
        self.check()?;
        self.to.flush()
    }

    #[cold]
    fn make_room(&mut self, bytes: &[u8]) {
        self.write_out();
        if bytes.len() < BLOCK {
            self.buffer.extend_from_slice(bytes);
        } else if self.failed.is_none() {
            self.failed = self.to.write_all(bytes).err();
        }
    }

    fn write_out(&mut self) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        let mut to = Vec::new();
        let mut out = Out::new(&mut to);
        let mut expected = Vec::new();
        for n in [1, BLOCK - 2, 5, BLOCK, 3, 2 * BLOCK + 1, 0, 7] {
            let piece = vec![b'a' + (n % 26) as u8; n];
            out.put(&piece);
            expected.extend(piece);
        }
        out.number(u64::MAX);
        out.signed(i64::MIN);
        out.flush().unwrap();
        expected.extend(b"18446744073709551615-9223372036854775808");
        assert_eq!(to, expected);
    }

    #[test]
    fn a_failure_is_told_once() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut to = Full;
        let mut out = Out::new(&mut to);
        out.put(&vec![0; 2 * BLOCK]);
        assert_eq!(out.check().unwrap_err().kind(), io::ErrorKind::StorageFull);
        out.check().unwrap();
    }
}
