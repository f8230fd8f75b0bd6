//! Commands as RESP arrays of bulk strings.

use primacy_core::resp::{decimal, decimal_i64};

use crate::program::rdb::out::Out;

/// Elements of one command at most.
const BATCH: usize = 128;
/// A command is sent once its arguments take this, bytes.
const BATCH_BYTES: usize = 64 << 10;

/// Writes `*n`, the head of a command of so many arguments.
pub(super) fn begin(out: &mut Out<'_>, arguments: u64) {
    out.byte(b'*');
    out.number(arguments);
    out.put(b"\r\n");
}

/// Writes an argument.
pub(super) fn argument(out: &mut Out<'_>, bytes: &[u8]) {
    argument_head(out, bytes.len() as u64);
    out.put(bytes);
    out.put(b"\r\n");
}

/// Writes what stands before an argument of `len` bytes; they and CR LF follow.
pub(super) fn argument_head(out: &mut Out<'_>, len: u64) {
    out.byte(b'$');
    out.number(len);
    out.put(b"\r\n");
}

/// Writes a whole command.
pub(super) fn command(out: &mut Out<'_>, arguments: &[&[u8]]) {
    begin(out, arguments.len() as u64);
    arguments.iter().for_each(|bytes| argument(out, bytes));
}

/// A command whose number of arguments is known only at its end.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Encoded arguments.
    encoded: Vec<u8>,
    arguments: usize,
    elements: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.elements == 0
    }

    /// Whether it is time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.elements >= BATCH || self.encoded.len() >= BATCH_BYTES
    }

    /// Begins the next element.
    pub(super) fn element(&mut self) {
        self.elements += 1;
    }

    /// An argument of the element.
    pub(super) fn argument(&mut self, bytes: &[u8]) {
        self.arguments += 1;
        self.encoded.push(b'$');
        self.encoded.extend_from_slice(decimal(&mut [0; 20], false, bytes.len() as u64));
        self.encoded.extend_from_slice(b"\r\n");
        self.encoded.extend_from_slice(bytes);
        self.encoded.extend_from_slice(b"\r\n");
    }

    /// Writes the command that begins with `head`, if there is anything in it.
    pub(super) fn send(&mut self, out: &mut Out<'_>, head: &[&[u8]]) {
        if self.elements > 0 {
            begin(out, (head.len() + self.arguments) as u64);
            head.iter().for_each(|bytes| argument(out, bytes));
            out.put(&self.encoded);
        }
        self.encoded.clear();
        (self.arguments, self.elements) = (0, 0);
    }
}

/// A number as an argument.
pub(super) struct Number([u8; 20], usize);

impl Number {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        let mut digits = [0; 20];
        let len = decimal(&mut digits, false, n).len();
        Self(digits, 20 - len)
    }
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        let mut digits = [0; 20];
        let len = decimal_i64(&mut digits, n).len();
        Self(digits, 20 - len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_arguments() {
        for n in [0, 7, u64::MAX] {
            assert_eq!(Number::from(n).bytes(), n.to_string().as_bytes());
        }
        for n in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(Number::from(n).bytes(), n.to_string().as_bytes());
        }
    }
}
