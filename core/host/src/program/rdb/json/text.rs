//! Byte strings in JSON: text where they are valid UTF-8, else base64.

use primacy_core::rdb::StreamId;

use crate::program::rdb::out::Out;

/// A string longer than this, in bytes, is always base64: whether it is text would be known only at its end.
pub(super) const TEXT_MAX: usize = crate::program::rdb::WHOLE;

/// Writes a byte string.
#[inline]
pub(super) fn string(out: &mut Out<'_>, bytes: &[u8]) {
    match core::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= TEXT_MAX => quoted(out, text),
        _ => {
            let mut base64 = Base64::begin(out);
            base64.feed(out, bytes);
            base64.end(out);
        }
    }
}

/// Writes `"ms-seq"`.
pub(super) fn id(out: &mut Out<'_>, id: StreamId) {
    out.byte(b'"');
    out.number(id.ms);
    out.byte(b'-');
    out.number(id.seq);
    out.byte(b'"');
}

/// Writes a number, or `null`.
pub(super) fn number_or_null(out: &mut Out<'_>, n: Option<u64>) {
    match n {
        Some(n) => out.number(n),
        None => out.put(b"null"),
    }
}

/// The same for signed numbers.
pub(super) fn signed_or_null(out: &mut Out<'_>, n: Option<i64>) {
    match n {
        Some(n) => out.signed(n),
        None => out.put(b"null"),
    }
}

/// Whether a byte stands for itself in a JSON string of ASCII.
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte < 0x80 && byte != b'"' && byte != b'\\'
}

const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

fn quoted(out: &mut Out<'_>, text: &str) {
    out.byte(b'"');
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|b| !PLAIN[usize::from(b)]).unwrap_or(rest.len());
        // What stops a run is ASCII or the first byte of a character, so this is a boundary.
        let (run, more) = rest.split_at(plain);
        out.put(run.as_bytes());
        let mut chars = more.chars();
        match chars.next() {
            Some(c) => escaped(out, c),
            None => break,
        }
        rest = chars.as_str();
    }
    out.byte(b'"');
}

fn escaped(out: &mut Out<'_>, c: char) {
    match c {
        '"' => out.put(b"\\\""),
        '\\' => out.put(b"\\\\"),
        '\n' => out.put(b"\\n"),
        '\r' => out.put(b"\\r"),
        '\t' => out.put(b"\\t"),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.put(b"\\u");
                hex(out, &unit.to_be_bytes());
            }
        }
    }
}

/// Writes bytes as hexadecimal digits.
pub(super) fn hex(out: &mut Out<'_>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.put(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// `{"b64":"…"}`, written as the bytes come.
#[derive(Debug)]
pub(super) struct Base64 {
    /// Bytes that make no group of three yet.
    held: [u8; 2],
    count: usize,
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn group([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
}

impl Base64 {
    pub(super) fn begin(out: &mut Out<'_>) -> Self {
        out.put(b"{\"b64\":\"");
        Self { held: [0; 2], count: 0 }
    }

    pub(super) fn feed(&mut self, out: &mut Out<'_>, mut bytes: &[u8]) {
        while self.count > 0 {
            let Some((&first, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if self.count == 2 {
                out.put(&group([self.held[0], self.held[1], first]));
                self.count = 0;
            } else {
                self.held[1] = first;
                self.count = 2;
            }
        }
        // Through a small block, so that the output is asked for room once for many groups.
        let mut block = [0; 4 * 256];
        for groups in bytes.chunks(3 * 256) {
            let (whole, rest) = groups.as_chunks::<3>();
            for (to, from) in block.as_chunks_mut::<4>().0.iter_mut().zip(whole) {
                *to = group(*from);
            }
            out.put(&block[..whole.len() * 4]);
            self.held[..rest.len()].copy_from_slice(rest);
            self.count = rest.len();
        }
    }

    pub(super) fn end(self, out: &mut Out<'_>) {
        let [a, b] = self.held;
        match self.count {
            0 => {}
            1 => {
                let [first, second, ..] = group([a, 0, 0]);
                out.put(&[first, second, b'=', b'=']);
            }
            _ => {
                let [first, second, third, _] = group([a, b, 0]);
                out.put(&[first, second, third, b'=']);
            }
        }
        out.put(b"\"}");
    }
}

/// A string that comes in pieces: collected up to [`TEXT_MAX`], base64 on the way beyond.
#[derive(Debug, Default)]
pub(super) struct Long {
    held: Vec<u8>,
    base64: Option<Base64>,
}

impl Long {
    /// Begins a string of `len` bytes.
    pub(super) fn begin(&mut self, out: &mut Out<'_>, len: u64) {
        self.held.clear();
        self.base64 = (len > TEXT_MAX as u64).then(|| Base64::begin(out));
    }

    pub(super) fn piece(&mut self, out: &mut Out<'_>, bytes: &[u8]) {
        match &mut self.base64 {
            Some(base64) => base64.feed(out, bytes),
            None => self.held.extend_from_slice(bytes),
        }
    }

    pub(super) fn end(&mut self, out: &mut Out<'_>) {
        match self.base64.take() {
            Some(base64) => base64.end(out),
            None => string(out, &self.held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Out<'_>)) -> String {
        let mut to = Vec::new();
        let mut out = Out::new(&mut to);
        write(&mut out);
        out.flush().unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn strings_are_ascii_whatever_they_hold() {
        for (bytes, expected) in [
            (&b"plain"[..], r#""plain""#),
            (b"", r#""""#),
            (b"a\"b\\c\n\r\t\x00\x1f\x7f", "\"a\\\"b\\\\c\\n\\r\\t\\u0000\\u001f\x7f\""),
            ("ä€😀!".as_bytes(), r#""\u00e4\u20ac\ud83d\ude00!""#),
            (b"\xff", r#"{"b64":"/w=="}"#),
            (b"\xff\xfe", r#"{"b64":"//4="}"#),
            (b"\xff\xfe\xfd", r#"{"b64":"//79"}"#),
        ] {
            assert_eq!(written(|out| string(out, bytes)), expected);
        }
    }

    #[test]
    fn base64_is_the_same_at_any_split() {
        let bytes: Vec<u8> = (0..2000u32).map(|n| (n * 7) as u8).collect();
        let whole = written(|out| {
            let mut base64 = Base64::begin(out);
            base64.feed(out, &bytes);
            base64.end(out);
        });
        for step in [1, 2, 3, 4, 5, 767, 768, 769] {
            let split = written(|out| {
                let mut base64 = Base64::begin(out);
                bytes.chunks(step).for_each(|piece| base64.feed(out, piece));
                base64.end(out);
            });
            assert_eq!(split, whole, "{step}");
        }
    }

    #[test]
    fn a_long_string_is_base64_from_a_limit_on() {
        let long = |len: usize| {
            written(|out| {
                let mut long = Long::default();
                long.begin(out, len as u64);
                vec![b'x'; len].chunks(60_000).for_each(|piece| long.piece(out, piece));
                long.end(out);
            })
        };
        assert_eq!(long(TEXT_MAX), format!("\"{}\"", "x".repeat(TEXT_MAX)));
        assert!(long(TEXT_MAX + 1).starts_with("{\"b64\":\"eHh4"));
        assert_eq!(long(TEXT_MAX + 1), written(|out| string(out, &vec![b'x'; TEXT_MAX + 1])), "whole or in pieces");
    }
}
