//! The reader: bytes in at any split, items out.
//!
//! A snapshot is a row of records: the header, an opcode with its payload, a key with its value or the beginning of it.
//! A record that lies whole in the input is parsed in place. One that the input cuts is held until it is complete,
//! and no byte behind it; what is awaited is known, so nothing is scanned twice. Values that do not fit a record go on
//! as [`Running`].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::crc64::Crc64;
use super::cursor::{Cursor, Stop};
use super::error::{RdbError, shown};
use super::item::{Entry, Item, Magic};
use super::kinds;
use super::text::Text;
use super::value::{self, Begun, Running};

/// The first version with a checksum.
const CHECKSUM_SINCE: u16 = 5;
/// Versions that are read under `REDIS`.
const REDIS_VERSIONS: core::ops::RangeInclusive<u16> = 1..=15;
/// Versions that are read under `VALKEY`.
const VALKEY_VERSIONS: core::ops::RangeInclusive<u16> = 80..=81;
/// Buffers larger than this are given back once their content was handed out, bytes.
const KEPT: usize = 1 << 20;

/// How much of a snapshot is held at once. No length that a snapshot announces makes the reader reserve memory: its
/// buffers grow with the bytes that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderLimits {
    /// A string value up to this length, in bytes, is handed out whole, a longer one in pieces.
    pub value: usize,
    /// Longest string that is only ever handed out whole, in bytes: a key, an AUX name or value, a function library.
    /// A longer one is an error. Redis's own bound for all of them is `proto-max-bulk-len`.
    pub whole: usize,
}

impl Default for ReaderLimits {
    /// 64 KB and 512 MB.
    fn default() -> Self {
        Self { value: 64 << 10, whole: 512 << 20 }
    }
}

impl ReaderLimits {
    /// Size of the pieces that are unpacked from a long compressed string, bytes.
    pub(super) fn piece(&self) -> usize {
        self.value.clamp(4 << 10, 64 << 10)
    }
}

/// Reads a snapshot that comes in pieces.
///
/// The same bytes give the same items at any split, but for where an [`Item::Piece`] ends. Behind [`Item::End`] nothing
/// is consumed: what follows (commands of an append-only log, the replication stream) is the caller's.
#[derive(Debug)]
pub struct Reader {
    limits: ReaderLimits,
    state: State,
    magic: Magic,
    version: u16,
    crc: Crc64,
    /// How many bytes of the input to come are in the sum already: long runs are summed much faster than records.
    summed: usize,
    /// Bytes taken from the inputs.
    taken: u64,
    /// The record that the input cut.
    held: Vec<u8>,
    /// How many bytes of it are needed before it is worth another look.
    need: usize,
    /// Whether the held record was handed out by the last call.
    spent: bool,
    /// What opcodes said about the keys to come.
    said: Said,
    /// Where keys and AUX names are made that do not lie in the input as they are.
    names: Vec<u8>,
    /// The same for values.
    values: Vec<u8>,
    failed: Option<Box<RdbError>>,
}

#[derive(Debug)]
enum State {
    Header,
    Records,
    /// Inside a value that comes in parts; the key is kept for errors.
    Value(Running, Box<str>),
    Done,
}

/// What opcodes said about the next key (its database: about all to come).
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    db: u64,
    expire_at_ms: Option<i64>,
    idle_s: Option<u64>,
    freq: Option<u8>,
}

/// A record, and its bytes if they lie in the input; else they are held.
type Found<'i> = (Step, Option<&'i [u8]>);

/// A record.
#[derive(Clone, Copy, Debug)]
enum Step {
    Header,
    Aux {
        name: Text,
        value: Text,
    },
    Resize {
        keys: u64,
        expires: u64,
    },
    Function(Text),
    Entry {
        key: Text,
        value: Begun,
    },
    End {
        stored: Option<u64>,
    },
    /// Gives no item: it was noted in [`Said`], or says nothing that matters.
    Noted,
}

impl Reader {
    /// A reader that awaits the first byte of the header. Allocates nothing yet.
    pub fn new(limits: ReaderLimits) -> Self {
        Self {
            limits,
            state: State::Header,
            magic: Magic::Redis,
            version: 0,
            crc: Crc64::new(),
            summed: 0,
            taken: 0,
            held: Vec::new(),
            need: 0,
            spent: false,
            said: Said::default(),
            names: Vec::new(),
            values: Vec::new(),
            failed: None,
        }
    }

    /// The next item; advances `input` over what it took. `None`: the input is used up, or the snapshot is complete.
    /// What was shown and not taken has to be shown again.
    ///
    /// After an error every further call gives the same error.
    #[inline]
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Item<'a>>, RdbError> {
        if let Some(error) = &self.failed {
            return Err(RdbError::clone(error));
        }
        if self.spent {
            self.let_go();
        }
        if input.len() > self.summed && !matches!(self.state, State::Done) {
            self.crc.update(&input[self.summed..]);
            self.summed = input.len();
        }
        match self.state {
            State::Done => Ok(None),
            State::Value(..) => self.part(input),
            State::Header | State::Records => match self.record(input) {
                Ok(None) => Ok(None),
                Ok(Some((step, lying))) => self.hand_out(step, lying).map(Some),
                Err(error) => {
                    self.failed = Some(Box::new(error.clone()));
                    Err(error)
                }
            },
        }
    }

    /// To be called at the end of the input: an error if the snapshot is not complete.
    pub fn finish(&self) -> Result<(), RdbError> {
        if let Some(error) = &self.failed {
            return Err(RdbError::clone(error));
        }
        let (record, key) = match &self.state {
            State::Done => return Ok(()),
            State::Header => ("the header", None),
            State::Value(_, key) => ("a value", Some(key.clone())),
            State::Records if self.spent || self.held.is_empty() => ("the records, before EOF", None),
            State::Records => (self.name_of(&self.held), self.key_of(&self.held)),
        };
        Err(RdbError::Truncated { record, key, offset: self.taken })
    }

    /// How many bytes were taken from the inputs, those of an unfinished record included.
    pub fn offset(&self) -> u64 {
        self.taken
    }

    /// Whether [`Item::End`] was handed out.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Memory of the buffers in bytes.
    pub fn memory(&self) -> usize {
        self.held.capacity() + self.names.capacity() + self.values.capacity()
    }

    /// Forgets the held record after it was handed out.
    #[cold]
    fn let_go(&mut self) {
        self.spent = false;
        self.held.clear();
        for buffer in [&mut self.held, &mut self.names, &mut self.values] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }

    /// The next record that gives an item.
    #[inline]
    fn record<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Found<'a>>, RdbError> {
        if !self.held.is_empty() {
            match self.held_record(input)? {
                None => return Ok(None),
                Some(Step::Noted) => self.let_go(),
                Some(step) => {
                    self.spent = true;
                    return Ok(Some((step, None)));
                }
            }
        }
        let all = *input;
        let mut at = 0;
        loop {
            let rest = &all[at..];
            match self.parse(rest) {
                Ok((Step::Noted, used)) => at += used,
                Ok((step, used)) => {
                    let end = at + used;
                    *input = &all[end..];
                    self.take(end);
                    self.check_sum(&all[..end], &step, input)?;
                    return Ok(Some((step, Some(&rest[..used]))));
                }
                Err(Stop::Need(n)) => {
                    self.take(all.len());
                    self.held.extend_from_slice(rest);
                    self.need = n;
                    *input = &[];
                    return Ok(None);
                }
                Err(stop) => {
                    let offset = self.taken + at as u64;
                    return Err(self.error(stop, rest, offset));
                }
            }
        }
    }

    /// Completes the held record by what it needs of `input`, and no more.
    #[cold]
    fn held_record(&mut self, input: &mut &[u8]) -> Result<Option<Step>, RdbError> {
        loop {
            let (more, rest) = input.split_at((self.need - self.held.len()).min(input.len()));
            self.held.extend_from_slice(more);
            self.take(more.len());
            *input = rest;
            if self.held.len() < self.need {
                return Ok(None);
            }
            let held = core::mem::take(&mut self.held);
            let parsed = self.parse(&held);
            let result = match parsed {
                Ok((step, _)) => self.check_sum(&held, &step, input).map(|()| Some(step)),
                Err(Stop::Need(n)) => {
                    self.need = n;
                    Ok(None)
                }
                Err(stop) => Err(self.error(stop, &held, self.taken - held.len() as u64)),
            };
            self.held = held;
            if !matches!(result, Ok(None)) {
                return result;
            }
        }
    }

    /// Counts bytes that were taken from the input.
    #[inline]
    fn take(&mut self, n: usize) {
        self.taken += n as u64;
        self.summed = self.summed.saturating_sub(n);
    }

    /// Compares the checksum at the end: `bytes` end in it, and `behind` is what was summed too soon.
    #[inline]
    fn check_sum(&mut self, bytes: &[u8], step: &Step, behind: &[u8]) -> Result<(), RdbError> {
        let Step::End { stored } = *step else { return Ok(()) };
        self.crc.take_back(&behind[..self.summed.min(behind.len())]);
        self.summed = 0;
        let Some(stored) = stored else { return Ok(()) };
        self.crc.take_back(&bytes[bytes.len() - 8..]);
        match self.crc.value() {
            computed if stored != 0 && stored != computed => {
                Err(RdbError::Checksum { offset: self.taken - 8, stored, computed })
            }
            _ => Ok(()),
        }
    }

    /// Takes one record from the front of `bytes`, and how long it is.
    #[inline]
    fn parse(&mut self, bytes: &[u8]) -> Result<(Step, usize), Stop> {
        let mut cursor = Cursor::new(bytes);
        if matches!(self.state, State::Header) {
            let header = cursor.array::<9>()?;
            // What does not fit is reported with the bytes at hand.
            (self.magic, self.version) = parse_header(&header).ok_or(Stop::Unknown)?;
            return Ok((Step::Header, cursor.at()));
        }
        let first = cursor.u8()?;
        let step = if first < 128 { self.entry(first, &mut cursor)? } else { self.opcode(first, &mut cursor)? };
        Ok((step, cursor.at()))
    }

    #[inline]
    fn entry(&self, number: u8, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
        if number != kinds::STRING && kinds::value_type(self.magic, number).is_none() {
            return Err(Stop::Unknown);
        }
        let key = Text::take(cursor, self.limits.whole)?;
        let value = value::begin(number, cursor, &self.limits)?;
        Ok(Step::Entry { key, value })
    }

    fn opcode(&mut self, number: u8, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
        let whole = self.limits.whole;
        match number {
            kinds::EXPIRE_MS => {
                let at = i64::from_le_bytes(cursor.array()?);
                self.said.expire_at_ms = (at != -1).then_some(at);
            }
            kinds::EXPIRE_S => {
                let at = i64::from(i32::from_le_bytes(cursor.array()?));
                self.said.expire_at_ms = (at != -1).then_some(at * 1000);
            }
            kinds::IDLE => self.said.idle_s = Some(cursor.len()?),
            kinds::FREQ => self.said.freq = Some(cursor.u8()?),
            kinds::SELECT_DB => self.said.db = cursor.len()?,
            kinds::RESIZE_DB => return Ok(Step::Resize { keys: cursor.len()?, expires: cursor.len()? }),
            kinds::SLOT_INFO => {
                // A hint for presizing the slots of a cluster (Redis >= 7.4): slot, keys, keys with an expiry.
                for _ in 0..3 {
                    cursor.len()?;
                }
            }
            kinds::AUX => {
                return Ok(Step::Aux { name: Text::take(cursor, whole)?, value: Text::take(cursor, whole)? });
            }
            kinds::FUNCTION => return Ok(Step::Function(Text::take(cursor, whole)?)),
            kinds::EOF if self.version < CHECKSUM_SINCE => return Ok(Step::End { stored: None }),
            kinds::EOF => return Ok(Step::End { stored: Some(u64::from_le_bytes(cursor.array()?)) }),
            _ if kinds::opcode(self.magic, number).is_some() => return Err(Stop::UnsupportedRecord),
            _ => return Err(Stop::Unknown),
        }
        Ok(Step::Noted)
    }

    /// Makes an item of a record; its bytes are `lying` or held.
    #[inline]
    fn hand_out<'a>(&'a mut self, step: Step, lying: Option<&'a [u8]>) -> Result<Item<'a>, RdbError> {
        let (names, values) = (&mut self.names, &mut self.values);
        let record = lying.unwrap_or(&self.held);
        let item = match step {
            // `parse` keeps this one from coming here; it says nothing.
            Step::Header | Step::Noted => {
                self.state = State::Records;
                Ok(Item::Header { magic: self.magic, version: self.version })
            }
            Step::Aux { name, value } => name
                .bytes(record, names)
                .and_then(|name| value.bytes(record, values).map(|value| Item::Aux { name, value })),
            Step::Resize { keys, expires } => Ok(Item::Resize { db: self.said.db, keys, expires }),
            Step::Function(code) => code.bytes(record, values).map(Item::Function),
            Step::Entry { key, value } => match (key.bytes(record, names), value.value(record, values)) {
                (Ok(key), Ok(worth)) => {
                    if let Some(running) = value.running(&self.limits) {
                        self.state = State::Value(running, shown(key));
                    }
                    let Said { db, expire_at_ms, idle_s, freq } = self.said;
                    self.said = Said { db, ..Said::default() };
                    Ok(Item::Entry(Entry { db, key, expire_at_ms, idle_s, freq, value: worth }))
                }
                (Err(stop), _) | (_, Err(stop)) => Err(stop),
            },
            Step::End { stored } => {
                self.state = State::Done;
                Ok(Item::End { checksum: stored.is_some_and(|sum| sum != 0) })
            }
        };
        item.map_err(|stop| {
            let at = self.taken - record.len() as u64;
            let error = describe(stop, record, at, self.magic, &self.limits);
            self.failed = Some(Box::new(error.clone()));
            error
        })
    }

    /// The next part of the value under way.
    fn part<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Item<'a>>, RdbError> {
        if matches!(&self.state, State::Value(running, _) if running.is_done()) {
            self.state = State::Records;
            return Ok(Some(Item::EntryEnd));
        }
        let State::Value(running, key) = &mut self.state else { return Ok(None) };
        let before = *input;
        let part = running.next(input);
        let used = before.len() - input.len();
        self.taken += used as u64;
        self.summed = self.summed.saturating_sub(used);
        part.map_err(|flaw| {
            let error = RdbError::Broken { record: "STRING", key: Some(key.clone()), offset: self.taken, flaw };
            self.failed = Some(Box::new(error.clone()));
            error
        })
    }

    #[cold]
    fn error(&self, stop: Stop, record: &[u8], offset: u64) -> RdbError {
        if matches!(self.state, State::Header) {
            let header = &record[..record.len().min(9)];
            return match header.first_chunk().and_then(magic_of) {
                Some((magic, version)) => RdbError::Version { magic, version },
                None => RdbError::Magic { found: shown(header) },
            };
        }
        describe(stop, record, offset, self.magic, &self.limits)
    }

    fn name_of(&self, record: &[u8]) -> &'static str {
        name_of(record, self.magic)
    }

    fn key_of(&self, record: &[u8]) -> Option<Box<str>> {
        key_of(record, &self.limits)
    }
}

/// Family and version of a header, whatever the version is.
fn magic_of(header: &[u8; 9]) -> Option<(Magic, u16)> {
    let (magic, digits) = match (header.strip_prefix(b"REDIS"), header.strip_prefix(b"VALKEY")) {
        (Some(digits), _) => (Magic::Redis, digits),
        (_, Some(digits)) => (Magic::Valkey, digits),
        _ => return None,
    };
    let version = digits.iter().try_fold(0u16, |n, d| d.is_ascii_digit().then(|| n * 10 + u16::from(d - b'0')))?;
    Some((magic, version))
}

/// Family and version of a header that this build reads.
fn parse_header(header: &[u8; 9]) -> Option<(Magic, u16)> {
    magic_of(header).filter(|(magic, version)| match magic {
        Magic::Redis => REDIS_VERSIONS.contains(version),
        Magic::Valkey => VALKEY_VERSIONS.contains(version),
    })
}

fn name_of(record: &[u8], magic: Magic) -> &'static str {
    let first = record.first().copied().unwrap_or_default();
    if first < 128 { kinds::value_type(magic, first) } else { kinds::opcode(magic, first) }.unwrap_or("record")
}

/// The key of a record that begins with a type, if it is there and readable.
fn key_of(record: &[u8], limits: &ReaderLimits) -> Option<Box<str>> {
    let mut cursor = Cursor::new(record);
    let key = cursor.u8().ok().filter(|&first| first < 128).and_then(|_| Text::take(&mut cursor, limits.whole).ok())?;
    let mut scratch = Vec::new();
    key.bytes(record, &mut scratch).ok().map(shown)
}

/// The error for a record at `offset` that cannot be taken.
#[cold]
fn describe(stop: Stop, record: &[u8], offset: u64, magic: Magic, limits: &ReaderLimits) -> RdbError {
    let number = record.first().copied().unwrap_or_default();
    let name = name_of(record, magic);
    match stop {
        Stop::Need(_) => RdbError::Truncated { record: name, key: key_of(record, limits), offset },
        Stop::Broken(at, flaw) => {
            RdbError::Broken { record: name, key: key_of(record, limits), offset: offset + at as u64, flaw }
        }
        Stop::Unknown => RdbError::Unknown { magic, number, offset },
        Stop::UnsupportedRecord => RdbError::UnsupportedRecord { number, name, offset },
        Stop::UnsupportedType => {
            RdbError::UnsupportedType { number, name, key: key_of(record, limits).unwrap_or_default(), offset }
        }
    }
}

#[cfg(test)]
mod tests;
