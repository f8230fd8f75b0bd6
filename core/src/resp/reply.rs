//! Writes answers in the protocol version of their connection.

use core::fmt;

use bytes::Bytes;

use super::{Proto, decimal, decimal_i64, double_text, whole};
use crate::blocks::Blocks;

/// Writes replies to the end of an outbox. Where RESP2 has no type of its own, the flat form that Redis uses is
/// written instead (a map as an array of twice the length, a double as a bulk string).
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Blocks,
    proto: Proto,
    /// Errors written so far, and where the last one begins.
    errors: u32,
    last_error: u64,
}

impl<'a> Reply<'a> {
    /// A writer at the end of `out`.
    pub fn new(out: &'a mut Blocks, proto: Proto) -> Self {
        Self { last_error: out.end(), out, proto, errors: 0 }
    }

    /// The protocol version that is written.
    #[inline]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// Changes the version from here on (`HELLO`).
    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    /// How many errors were written.
    #[inline]
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// Offset in the outbox where the last error begins (at its `-`).
    pub fn last_error(&self) -> u64 {
        self.last_error
    }

    /// Offset in the outbox behind what was written.
    #[inline]
    pub fn end(&self) -> u64 {
        self.out.end()
    }

    /// Takes back all that was written from offset `to` on, as [`Reply::end`] gave it.
    pub fn rewind(&mut self, to: u64) {
        self.out.truncate(to);
    }

    /// What was written last tells a secret ([`Blocks::keep_secret`]).
    pub fn keep_secret(&mut self) {
        self.out.keep_secret();
    }

    /// Bytes in wire form, as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.append(bytes);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.append(b"+OK\r\n");
    }

    /// A simple string; must not contain line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error, its prefix first (`ERR …`, `WRONGTYPE …`). Line ends in it are replaced by spaces, as Redis does.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error from formatted words.
    pub fn error_fmt(&mut self, text: fmt::Arguments<'_>) {
        let text = alloc::fmt::format(text);
        self.error_bytes(text.as_bytes());
    }

    /// An error whose text holds bytes of the client's.
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.last_error = self.out.end();
        self.errors += 1;
        self.out.append(b"-");
        let text = text.strip_suffix(b"\r\n").unwrap_or(text);
        for (i, line) in text.split(|&b| b == b'\r' || b == b'\n').enumerate() {
            if i > 0 {
                self.out.append(b" ");
            }
            self.out.append(line);
        }
        self.out.append(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, n: i64) {
        let mut buf = [0; 20];
        let digits = decimal_i64(&mut buf, n);
        self.line(b':', digits);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.out.append(bytes);
        self.out.append(b"\r\n");
    }

    /// A bulk string that is shared with the outbox instead of copied, from pieces.
    pub fn bulk_shared(&mut self, pieces: &[Bytes]) {
        self.header(b'$', pieces.iter().map(Bytes::len).sum());
        for piece in pieces {
            self.out.append_shared(piece.clone());
        }
        self.out.append(b"\r\n");
    }

    /// A number as a bulk string.
    pub fn bulk_int(&mut self, n: i64) {
        let mut buf = [0; 20];
        let digits = decimal_i64(&mut buf, n);
        self.bulk(digits);
    }

    /// A bulk string from formatted words.
    pub fn bulk_fmt(&mut self, text: fmt::Arguments<'_>) {
        let text = alloc::fmt::format(text);
        self.bulk(text.as_bytes());
    }

    /// The absence of a value.
    #[inline]
    pub fn null(&mut self) {
        self.out.append(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The absence of an array (`*-1` in RESP2): what `EXEC` of a watched transaction answers.
    pub fn null_array(&mut self) {
        self.out.append(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// A truth value; an integer in RESP2.
    pub fn boolean(&mut self, b: bool) {
        match (self.proto, b) {
            (Proto::Resp3, true) => self.out.append(b"#t\r\n"),
            (Proto::Resp3, false) => self.out.append(b"#f\r\n"),
            (Proto::Resp2, b) => self.int(i64::from(b)),
        }
    }

    /// A floating-point number as [`double_text`] has it; a bulk string in RESP2.
    pub fn double(&mut self, d: f64) {
        let (mut buf, text);
        let text = match whole(d).filter(|&n| n != 0) {
            Some(n) => {
                buf = [0; 20];
                decimal_i64(&mut buf, n)
            }
            None => {
                text = double_text(d);
                text.as_bytes()
            }
        };
        self.number(text);
    }

    /// A floating-point number that is written as `text`; a bulk string in RESP2.
    pub fn double_text(&mut self, text: &str) {
        self.number(text.as_bytes());
    }

    fn number(&mut self, text: &[u8]) {
        match self.proto {
            Proto::Resp3 => self.line(b',', text),
            Proto::Resp2 => self.bulk(text),
        }
    }

    /// Text for people with a three-letter format (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.proto {
            Proto::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.append(format);
                self.out.append(b":");
                self.out.append(text);
                self.out.append(b"\r\n");
            }
            Proto::Resp2 => self.bulk(text),
        }
    }

    /// The head of an array; its `len` elements follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The head of a map; `pairs` keys, each followed by its value, follow.
    pub fn map(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp3 => self.header(b'%', pairs),
            Proto::Resp2 => self.header(b'*', pairs * 2),
        }
    }

    /// The head of a set; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        self.header(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, len);
    }

    /// The head of a push message, outside the order of replies; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        self.header(if self.proto == Proto::Resp3 { b'>' } else { b'*' }, len);
    }

    #[inline]
    fn header(&mut self, mark: u8, n: usize) {
        let mut buf = [0; 20];
        let digits = decimal(&mut buf, false, n as u64);
        self.line(mark, digits);
    }

    #[inline]
    fn line(&mut self, mark: u8, text: &[u8]) {
        let mut short = [0; 32];
        if text.len() <= 29 {
            short[0] = mark;
            short[1..=text.len()].copy_from_slice(text);
            short[text.len() + 1..text.len() + 3].copy_from_slice(b"\r\n");
            self.out.append(&short[..text.len() + 3]);
        } else {
            self.out.append(&[mark]);
            self.out.append(text);
            self.out.append(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Chunks;
    use alloc::string::String;

    fn written(proto: Proto, f: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Blocks::new();
        f(&mut Reply::new(&mut out, proto));
        let mut chunks = Chunks::new();
        out.read(0, usize::MAX, &mut chunks);
        String::from_utf8(chunks.concat()).expect("these tests write text")
    }

    #[test]
    fn both_versions() {
        let all = |r: &mut Reply<'_>| {
            r.null();
            r.null_array();
            r.boolean(true);
            r.double(1.5);
            r.map(1);
            r.set(2);
            r.push(3);
            r.verbatim(b"txt", b"hi");
            r.bulk_shared(&[Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
        };
        assert_eq!(
            written(Proto::Resp2, all),
            "$-1\r\n*-1\r\n:1\r\n$3\r\n1.5\r\n*2\r\n*2\r\n*3\r\n$2\r\nhi\r\n$3\r\nabc\r\n"
        );
        assert_eq!(
            written(Proto::Resp3, all),
            "_\r\n_\r\n#t\r\n,1.5\r\n%1\r\n~2\r\n>3\r\n=6\r\ntxt:hi\r\n$3\r\nabc\r\n"
        );
    }

    #[test]
    fn errors_are_one_line_and_counted() {
        let mut out = Blocks::new();
        let mut r = Reply::new(&mut out, Proto::Resp2);
        r.int(-7);
        r.error("ERR a\r\nb\n");
        assert_eq!((r.errors(), r.last_error()), (1, 5));
        assert_eq!(written(Proto::Resp2, |r| r.error("ERR a\r\nb")), "-ERR a  b\r\n");
    }
}
