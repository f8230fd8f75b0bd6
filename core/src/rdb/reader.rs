//! The reader: bytes in at any split, items out.
//!
//! A snapshot is a row of records: the header, an opcode with its payload, a key with its value or the beginning of it.
//! A record that lies whole in the input is parsed in place. One that the input cuts is held until it is complete,
//! and no byte behind it; what is awaited is known, so nothing is scanned twice. Values that do not fit a record go on
//! as [`Running`], whose parts are records too.

use alloc::boxed::Box;
use alloc::vec::Vec;

mod ahead;
mod fault;
mod header;
mod lone;
mod parse;

use super::Value;
use super::aside::Aside;
use super::crc64::Crc64;
use super::cursor::Stop;
use super::error::{KEY_SHOWN, RdbError, shown};
use super::item::{Entry, Item, Magic};
use super::kinds;
use super::template::Templates;
use super::text::Text;
use super::value::{Begun, Part, Quicklist, Running, Scratch};

use fault::{describe, place};
use header::{magic_of, parse_header};

pub(super) use header::family_of;

/// The first version with a checksum.
const CHECKSUM_SINCE: u16 = 5;
/// Buffers larger than this are given back once their content was handed out, bytes.
const KEPT: usize = 1 << 20;

/// How much of a snapshot is held at once. No length that a snapshot announces makes the reader reserve memory: its
/// buffers grow with the bytes that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderLimits {
    /// A string value, an element of a list and a hash's value up to this length, in bytes, are handed out whole, longer
    /// ones in pieces.
    pub value: usize,
    /// Longest string that is only ever handed out whole, in bytes: a key, an AUX name or value, a function library, a
    /// member, a field, a blob of elements, a module's string. A longer one is an error. Hash templates may have as much
    /// all together. Redis's own bound for all of them is `proto-max-bulk-len`.
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
    /// Type of the value under way.
    number: u8,
    /// Its key: all of it while its list waits for an element, else as much as errors show.
    key: Vec<u8>,
    /// Whether the value under way is passed over.
    skipping: bool,
    /// Keys that were left out because nothing is in them.
    empty_skipped: u64,
    templates: Templates,
    /// Where keys and AUX names are made that do not lie in the input as they are.
    names: Vec<u8>,
    /// The same for values.
    values: Vec<u8>,
    failed: Option<Box<RdbError>>,
    /// Whether the input is one value without a key.
    lone: bool,
}

#[derive(Debug)]
enum State {
    Header,
    Records,
    /// Inside a value that comes in parts.
    Value(Running),
    /// Inside a list whose nodes were all empty so far; the key waits for the first that is not.
    EmptyNodes(Quicklist),
    /// Inside a record in parts that is no value, of this opcode.
    Aside(Aside, u8),
    Done,
}

/// What opcodes said about the next key (its database: about all to come).
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    db: u64,
    expire_at_ms: Option<i64>,
    idle_s: Option<u64>,
    freq: Option<u8>,
    /// Metadata of it was handed out: nothing else may come before it.
    meta: bool,
}

impl Said {
    /// The entry of which all this was said.
    #[inline]
    fn entry<'a>(self, key: &'a [u8], value: Value<'a>) -> Item<'a> {
        let Self { db, expire_at_ms, idle_s, freq, .. } = self;
        Item::Entry(Entry { db, key, expire_at_ms, idle_s, freq, value })
    }
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
    SlotInfo {
        slot: u64,
        keys: u64,
        expires: u64,
    },
    Entry {
        key: Text,
        value: Begun,
    },
    /// The key that waited for the first element of its list.
    Waited(Quicklist),
    Part(Part),
    EntryEnd,
    ModuleAuxEnd,
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
            number: 0,
            key: Vec::new(),
            skipping: false,
            empty_skipped: 0,
            templates: Templates::default(),
            names: Vec::new(),
            values: Vec::new(),
            failed: None,
            lone: false,
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
            State::Records => {
                if let Some((said, key, value)) = self.quick_string(input) {
                    let (key, value) = (key.bytes(&mut self.names), value.bytes(&mut self.values));
                    return Ok(Some(said.entry(key, Value::String(value))));
                }
            }
            State::Value(_) => {
                if let Some(element) = self.quick(input) {
                    return Ok(Some(element.item(&mut self.names, &mut self.values)));
                }
            }
            _ => {}
        }
        match self.state {
            State::Done => Ok(None),
            _ => match self.record(input) {
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
            State::Records if self.spent || self.held.is_empty() => ("the records, before EOF", None),
            state => place(state, &self.held, self.magic, self.number, self.shown_key(), &self.limits),
        };
        Err(RdbError::Truncated { record, key, offset: self.taken })
    }

    /// Passes over what is left of the value under way: of all its parts only [`Item::EntryEnd`] is handed out. They are
    /// neither unpacked nor looked into, so what is wrong inside of them stays unseen. For after an [`Item::Entry`] whose
    /// value is not whole; elsewhere it does nothing.
    pub fn skip(&mut self) {
        self.skipping = matches!(self.state, State::Value(_));
    }

    /// How many keys were left out so far because their collection is empty, as servers do. (A list whose nodes are all
    /// empty; an empty stream is a key.) Metadata of such a key was handed out before.
    pub fn empty_skipped(&self) -> u64 {
        self.empty_skipped
    }

    /// How many bytes were taken from the inputs, those of an unfinished record included.
    pub fn offset(&self) -> u64 {
        self.taken
    }

    /// How the value of the last [`Item::Entry`] is stored: number and name of its type (`HASH_LISTPACK` …).
    pub fn value_type(&self) -> (u8, &'static str) {
        (self.number, kinds::value_type(self.magic, self.number).unwrap_or("unknown"))
    }

    /// Whether [`Item::End`] was handed out.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Memory of the buffers in bytes.
    pub fn memory(&self) -> usize {
        let running = if let State::Value(running) = &self.state { running.memory() } else { 0 };
        let buffers = [&self.held, &self.names, &self.values, &self.key];
        buffers.iter().map(|b| b.capacity()).sum::<usize>() + self.templates.memory() + running
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
        self.templates.trim(KEPT);
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

    /// Makes an item of a record; its bytes are `lying` or held.
    #[inline]
    fn hand_out<'a>(&'a mut self, step: Step, lying: Option<&'a [u8]>) -> Result<Item<'a>, RdbError> {
        let (names, values, templates) = (&mut self.names, &mut self.values, &mut self.templates);
        let record = lying.unwrap_or(&self.held);
        let (said, db) = (self.said, self.said.db);
        let item = match step {
            Step::Part(part) => {
                let running = if let State::Value(running) = &self.state { Some(running) } else { None };
                part.item(record, Scratch { names, values, templates }, running)
            }
            // `parse` keeps this one from coming here; it says nothing.
            Step::Header | Step::Noted => {
                self.state = State::Records;
                Ok(Item::Header { magic: self.magic, version: self.version })
            }
            Step::Aux { name, value } => name
                .bytes(record, names)
                .and_then(|name| value.bytes(record, values).map(|value| Item::Aux { name, value })),
            Step::Resize { keys, expires } => Ok(Item::Resize { db, keys, expires }),
            Step::Function(code) => code.bytes(record, values).map(Item::Function),
            Step::SlotInfo { slot, keys, expires } => Ok(Item::SlotInfo { slot, keys, expires }),
            Step::Entry { key, value } => {
                match (key.bytes(record, names), value.value(record, values, templates)) {
                    (Ok(key), Ok(worth)) => {
                        if let Some(running) = value.running(&self.limits) {
                            self.state = State::Value(running);
                            // One byte more than is shown, so that it shows as cut.
                            self.key.clear();
                            self.key.extend_from_slice(key.get(..=KEY_SHOWN).unwrap_or(key));
                        } else if self.lone {
                            self.state = State::Done;
                        }
                        self.said = Said { db, ..Said::default() };
                        Ok(said.entry(key, worth))
                    }
                    (Err(stop), _) | (_, Err(stop)) => Err(stop),
                }
            }
            Step::Waited(list) => {
                let value = Begun::List(list);
                if let Some(running) = value.running(&self.limits) {
                    self.state = State::Value(running);
                }
                self.said = Said { db, ..Said::default() };
                Ok(said.entry(&self.key, Value::Elements(super::Kind::List, list.left())))
            }
            Step::EntryEnd => {
                if self.key.capacity() > KEPT {
                    self.key = Vec::new();
                }
                if self.lone {
                    self.state = State::Done;
                }
                Ok(Item::EntryEnd)
            }
            Step::ModuleAuxEnd => Ok(Item::ModuleAuxEnd),
            Step::End { stored } => {
                self.state = State::Done;
                Ok(Item::End { checksum: stored.is_some_and(|sum| sum != 0) })
            }
        };
        item.map_err(|stop| {
            let at = self.taken - record.len() as u64;
            let key = (!self.lone).then_some(&self.key[..]);
            let place = place(&self.state, record, self.magic, self.number, key, &self.limits);
            let error = describe(stop, record, at, self.magic, place);
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
        let place = place(&self.state, record, self.magic, self.number, self.shown_key(), &self.limits);
        describe(stop, record, offset, self.magic, place)
    }
}

#[cfg(test)]
mod tests;
