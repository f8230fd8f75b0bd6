//! The frame around bodies: header, AUX fields, end, checksum.

use super::aux;
use super::body::{Body, share};
use super::crc64::Crc64;
use super::kinds;
use super::text::{Small, as_int};
use crate::blocks::Blocks;
use crate::resp::{decimal, decimal_i64};

/// Writes a snapshot into a store that any number of readers hold cursors into ([`Writer::out`]).
///
/// AUX fields and functions first, then bodies, then [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    out: Blocks,
    crc: Crc64,
    checksum: bool,
}

impl Writer {
    /// The lowest version that is written (Redis 5.0 reads it).
    pub const MIN_VERSION: u16 = 9;
    /// The highest version that is written (Redis 7.4 reads it).
    pub const MAX_VERSION: u16 = 12;
    /// The lowest version that has fields of hashes that expire.
    pub const FIELD_EXPIRY_VERSION: u16 = 12;
    /// The lowest version that has the counters of streams: entries ever added and read, the highest deleted id.
    pub const STREAM_COUNTERS_VERSION: u16 = 10;
    /// The lowest version that has function libraries (Redis 7.0).
    pub const FUNCTION_VERSION: u16 = 10;
    /// The version to write if nothing asks for another: Redis 7.0 and all after it, and every Valkey, read it.
    pub const DEFAULT_VERSION: u16 = 10;

    /// The lowest version that has all of some data: whether `timed` fields of hashes are in it, and what came `of_7_0`:
    /// function libraries, and counters of streams that a loader does not derive from their entries.
    pub const fn version_for(timed: bool, of_7_0: bool) -> u16 {
        if timed {
            Self::FIELD_EXPIRY_VERSION
        } else if of_7_0 {
            Self::STREAM_COUNTERS_VERSION
        } else {
            Self::MIN_VERSION
        }
    }

    /// Begins a snapshot of format `version`, which is brought into [`Writer::MIN_VERSION`] to [`Writer::MAX_VERSION`].
    /// Without `checksum` (`rdbchecksum no`) nothing is summed, and eight zero bytes stand for the sum.
    pub fn new(version: u16, checksum: bool) -> Self {
        let version = version.clamp(Self::MIN_VERSION, Self::MAX_VERSION);
        let mut writer = Self { out: Blocks::new(), crc: Crc64::new(), checksum };
        let mut digits = *b"REDIS0000";
        digits[7] += (version / 10) as u8;
        digits[8] += (version % 10) as u8;
        writer.put(&digits);
        writer
    }

    /// Writes an AUX field; [`aux`] holds the names.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.put(&[kinds::AUX]);
        self.text(name);
        self.text(value);
    }

    /// Writes what every server says of itself: its version, word width (32 or 64), the time in seconds since 1970, and
    /// the memory in use in bytes.
    pub fn about(&mut self, version: &str, bits: u8, ctime_s: u64, used_mem: u64) {
        self.aux(aux::REDIS_VER, version.as_bytes());
        self.aux(aux::REDIS_BITS, decimal(&mut [0; 20], false, u64::from(bits)));
        self.aux(aux::CTIME, decimal(&mut [0; 20], false, ctime_s));
        self.aux(aux::USED_MEM, decimal(&mut [0; 20], false, used_mem));
    }

    /// Writes where the snapshot stands in the replication stream: the database selected there, the replication id of
    /// 40 hexadecimal digits, and the offset in bytes.
    pub fn replication(&mut self, stream_db: u32, id: &str, offset: i64) {
        self.aux(aux::REPL_STREAM_DB, decimal(&mut [0; 20], false, u64::from(stream_db)));
        self.aux(aux::REPL_ID, id.as_bytes());
        self.aux(aux::REPL_OFFSET, decimal_i64(&mut [0; 20], offset));
    }

    /// Writes a function library's code (read by Redis >= 7.0 only).
    pub fn function(&mut self, code: &[u8]) {
        self.put(&[kinds::FUNCTION]);
        self.text(code);
    }

    /// Moves all that `body` holds behind what is there; its large blocks are shared, not copied.
    pub fn absorb(&mut self, body: &mut Body) {
        self.absorb_some(body, usize::MAX);
    }

    /// The same for no more than `budget` bytes, so that a value of any size goes in bounded steps. No other body may be
    /// absorbed until this one is empty.
    pub fn absorb_some(&mut self, body: &mut Body, budget: usize) {
        for chunk in body.take(budget).iter() {
            if self.checksum {
                self.crc.update(chunk);
            }
            share(&mut self.out, chunk.clone());
        }
    }

    /// Writes the end mark and the checksum. Nothing may follow.
    pub fn finish(&mut self) {
        self.put(&[kinds::EOF]);
        let sum = if self.checksum { self.crc.value() } else { 0 };
        self.out.append(&sum.to_le_bytes());
    }

    /// The bytes so far: read them by a cursor, release them from the front.
    pub fn out(&mut self) -> &mut Blocks {
        &mut self.out
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.checksum {
            self.crc.update(bytes);
        }
        self.out.append(bytes);
    }

    fn text(&mut self, text: &[u8]) {
        let mut head = Small::new();
        if let Some(n) = as_int(text) {
            head.int(n);
            return self.put(head.bytes());
        }
        head.len(text.len() as u64);
        self.put(head.bytes());
        self.put(text);
    }
}
