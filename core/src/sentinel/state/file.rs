//! The form of a state file: a line with its version, then one record a line.
//!
//! Before each record stand 16 hexadecimal digits: the CRC-64 of everything up to its end, checksums and line ends
//! aside. So a line that was changed, taken out, or put elsewhere is found where it stands.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::{Damage, StateError};
use super::{Record, Remembered};
use crate::rdb::Crc64;
use crate::words;

/// The first words of the first line, before the version.
const MAGIC: &str = "primacy-sentinel-state";
/// The version that is written.
const VERSION: u32 = 1;
/// Digits of a checksum.
const DIGITS: usize = 16;

/// Records on their way into a file.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    pub(super) sum: Crc64,
}

impl Encoder {
    /// For a new file.
    pub(super) fn fresh() -> Self {
        let header = format!("{MAGIC} {VERSION}");
        let mut sum = Crc64::new();
        sum.update(header.as_bytes());
        Self { bytes: (header + "\n").into(), sum }
    }

    /// For the end of a file whose checksum is `sum`.
    pub(super) fn behind(sum: Crc64) -> Self {
        Self { bytes: Vec::new(), sum }
    }

    pub(super) fn push(&mut self, record: &Record) {
        let text = record.to_string();
        self.sum.update(text.as_bytes());
        self.bytes.extend_from_slice(format!("{:0DIGITS$x} {text}\n", self.sum.value()).as_bytes());
    }
}

impl Remembered {
    /// The whole file in its shortest form.
    pub(super) fn encode(&self) -> Encoder {
        let mut encoder = Encoder::fresh();
        self.records().iter().for_each(|r| encoder.push(r));
        encoder
    }

    /// The whole file in its shortest form.
    pub fn snapshot(&self) -> Vec<u8> {
        self.encode().bytes
    }

    /// What the bytes of a file come to, and how many bytes at its end were dropped: the last line of a file may be one
    /// that was being written when the power failed. `file` is its name, for errors.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<(Self, usize), StateError> {
        let mut state = Self::default();
        if bytes.is_empty() {
            return Ok((state, 0));
        }
        let fail = |line: usize, offset: usize, what: Damage| StateError::Damaged {
            file: file.into(),
            line,
            offset: offset as u64,
            what,
        };
        let mut lines = bytes.split_inclusive(|&b| b == b'\n');
        let first = lines.next().unwrap_or_default();
        let version = read_header(first).map_err(|what| fail(1, 0, what))?;
        if version != VERSION {
            return Err(StateError::Version { file: file.into(), version, known: VERSION });
        }
        let mut sum = Encoder::fresh().sum;
        let mut offset = first.len();
        for (i, line) in lines.enumerate() {
            let before = sum;
            match read_line(line, &mut sum) {
                Ok(record) => state.apply(&record),
                Err(Damage::Unknown(why)) => return Err(fail(i + 2, offset, Damage::Unknown(why))),
                Err(_) if offset + line.len() == bytes.len() && !hides_record(line, before) => {
                    return Ok((state, line.len()));
                }
                Err(what) => return Err(fail(i + 2, offset, what)),
            }
            offset += line.len();
        }
        Ok((state, 0))
    }
}

/// Whether a line begins with a whole record: one that was durable, and whose line end was damaged.
fn hides_record(line: &[u8], mut sum: Crc64) -> bool {
    let Some((said, text)) = line.split_at_checked(DIGITS) else { return false };
    let said = core::str::from_utf8(said).ok().and_then(|s| u64::from_str_radix(s, 16).ok());
    let Some(text) = text.strip_prefix(b" ") else { return false };
    // What follows a record that was torn just before its line end is nothing.
    text.iter().take(text.len().saturating_sub(1)).any(|&b| {
        sum.update(&[b]);
        Some(sum.value()) == said
    })
}

fn read_header(line: &[u8]) -> Result<u32, Damage> {
    let text = core::str::from_utf8(line).ok().and_then(|l| l.strip_suffix('\n'));
    text.and_then(|t| t.strip_prefix(MAGIC)?.strip_prefix(' ')?.parse().ok()).ok_or(Damage::NotOurs)
}

fn read_line(line: &[u8], sum: &mut Crc64) -> Result<Record, Damage> {
    let text = line.strip_suffix(b"\n").ok_or(Damage::Torn)?;
    let (said, text) = text.split_at_checked(DIGITS).ok_or(Damage::Short)?;
    let text = text.strip_prefix(b" ").ok_or(Damage::Short)?;
    sum.update(text);
    let found = format!("{:0DIGITS$x}", sum.value());
    if said != found.as_bytes() {
        let said = String::from_utf8_lossy(said).escape_debug().to_string();
        return Err(Damage::Checksum { said: said.into(), found: found.into() });
    }
    // The checksum holds, so that whatever is wrong from here on was written so.
    let unknown = |why: String| Damage::Unknown(Box::from(why));
    let words = words::split(text).map_err(|e| unknown(e.to_string()))?;
    let words: Result<Vec<String>, _> = words.into_iter().map(String::from_utf8).collect();
    Record::read(&words.map_err(|_| unknown("it is no UTF-8".into()))?).map_err(unknown)
}
