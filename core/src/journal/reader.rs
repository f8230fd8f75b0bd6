//! The push decoder: bytes of a recording in, at any split; header, records and end out.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::FORMAT;
use super::error::{Came, JournalError};
use super::frame::{HEAD, Head, Kind, MAGIC, OLDEST_FORMAT, PREFIX};
use super::header::{End, Header};
use super::input::{self, Recorded};
use super::meter::InputReadings;
use super::sum::Sum;
use super::wire::{Cursor, Malformed};
use crate::machine::Input;
use crate::time::{Instant, Now};

/// The kind of an input is in these bits of a record's first byte; the others say what follows it.
const KIND: u8 = 0x0f;
/// Before an input: the token of a password, and its hash.
pub(super) const LEARNED: u8 = 12;
pub(super) const TIMES: u8 = 0x10;
pub(super) const TURNS: u8 = 0x20;
pub(super) const SENT_SUM: u8 = 0x40;
pub(super) const ACTIONS: u8 = 0x80;

/// One input of a recording, and what is known of its outcome.
#[derive(Debug)]
pub struct Record<'a, C> {
    /// Its number, from 1 on.
    pub number: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// When it was fed.
    pub now: Now,
    /// The input.
    pub input: Input<'a, C>,
    /// What the machine read of its meter meanwhile.
    pub readings: InputReadings,
    /// Of bytes that were sent: how many of them were summed, and their sum.
    pub sent: Option<(usize, u32)>,
    /// The digest of all actions up to here, if there were any for this input.
    pub actions: Option<u32>,
    /// Tokens that this input brings in the place of passwords, with what they hash to.
    pub learned: Vec<(&'a [u8], [u8; 32])>,
}

/// What a recording is made of.
#[derive(Debug)]
pub enum Item<'a, C> {
    /// Comes first.
    Header(Header),
    /// One input.
    Record(Record<'a, C>),
    /// Comes last.
    End(End),
}

/// Reads a recording as its bytes come. Holds no more than what it was fed and one block.
#[derive(Debug)]
pub struct Reader<C> {
    buf: Vec<u8>,
    /// Offset of `buf` in the file.
    offset: u64,
    /// Where it stands in `buf`,
    pos: usize,
    /// and where the begun block of records ends there.
    end: usize,
    place: Place,
    /// The block that comes next.
    number: u32,
    records: u64,
    now: Now,
    failed: Option<JournalError>,
    calls: PhantomData<fn() -> C>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Prefix,
    Blocks,
    Ended,
}

/// What lies ready in the buffer.
enum Ready {
    More,
    Header(Header),
    Record,
    End(End),
}

impl<C> Default for Reader<C> {
    fn default() -> Self {
        Self {
            buf: Vec::new(),
            offset: 0,
            pos: 0,
            end: 0,
            place: Place::Prefix,
            number: 0,
            records: 0,
            now: Now::default(),
            failed: None,
            calls: PhantomData,
        }
    }
}

impl<C: Recorded> Reader<C> {
    /// At the start of a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Take out all items before the next call, else they pile up.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buf.drain(..self.pos);
        self.offset += self.pos as u64;
        self.end = self.end.saturating_sub(self.pos);
        self.pos = 0;
        self.buf.extend_from_slice(bytes);
    }

    /// The next item; `None`: more bytes are needed. After an error it answers that error.
    #[allow(clippy::should_implement_trait, reason = "an item borrows the reader")]
    pub fn next(&mut self) -> Result<Option<Item<'_, C>>, JournalError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        match self.advance() {
            Ok(Ready::More) => Ok(None),
            Ok(Ready::Header(header)) => Ok(Some(Item::Header(header))),
            Ok(Ready::End(end)) => Ok(Some(Item::End(end))),
            Ok(Ready::Record) => self.record().map(|r| Some(Item::Record(r))),
            Err(e) => {
                self.failed = Some(e.clone());
                Err(e)
            }
        }
    }

    /// Whether the recording is complete, once all bytes were fed and all items taken.
    ///
    /// # Errors
    /// [`JournalError::CutOff`] and [`JournalError::NoEnd`], with all before being sound; or the error that
    /// [`Reader::next`] gave.
    pub fn finish(&self) -> Result<(), JournalError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        let (offset, rest) = (self.offset + self.pos as u64, &self.buf[self.pos..]);
        let came = rest.len() as u64;
        match self.place {
            Place::Ended => Ok(()),
            Place::Prefix => Err(JournalError::CutOff { offset, number: 0, expected: PREFIX as u64, came }),
            Place::Blocks if rest.is_empty() && self.number > 0 => Err(JournalError::NoEnd { offset }),
            Place::Blocks => {
                let head = rest.first_chunk().and_then(|h| Head::read(h, offset, self.number).ok());
                let expected = (HEAD as u64) + head.map_or(0, |h| h.len.into());
                Err(JournalError::CutOff { offset, number: self.number, expected, came })
            }
        }
    }

    fn advance(&mut self) -> Result<Ready, JournalError> {
        loop {
            if self.pos < self.end {
                return Ok(Ready::Record);
            }
            let (offset, rest) = (self.offset + self.pos as u64, &self.buf[self.pos..]);
            match self.place {
                Place::Ended if rest.is_empty() => return Ok(Ready::More),
                Place::Ended => return Err(JournalError::BehindEnd { offset }),
                Place::Prefix => {
                    let Some(prefix) = rest.first_chunk() else { return Ok(Ready::More) };
                    check_prefix(prefix)?;
                    self.pos += PREFIX;
                    self.place = Place::Blocks;
                }
                Place::Blocks => match self.block(offset)? {
                    Some(ready) => return Ok(ready),
                    None if self.pos < self.end => {}
                    None => return Ok(Ready::More),
                },
            }
        }
    }

    /// Takes the block at `offset` if all of it is there. `None` also for one of records, which is read from then on.
    fn block(&mut self, offset: u64) -> Result<Option<Ready>, JournalError> {
        let rest = &self.buf[self.pos..];
        let Some(head) = rest.first_chunk() else { return Ok(None) };
        let number = self.number;
        let head = Head::read(head, offset, number)?;
        let Some(content) = rest.get(HEAD..HEAD + head.len as usize) else { return Ok(None) };
        let sum = Sum::of(content);
        if sum != head.sum {
            let content = offset + HEAD as u64;
            return Err(JournalError::Altered {
                offset,
                content,
                len: head.len,
                number,
                expected: head.sum,
                came: sum,
            });
        }
        let at = |e: Malformed| malformed(&e, content, offset + HEAD as u64);
        let whole = HEAD + content.len();
        let expected = if number == 0 { "the header" } else { "a block of records or the end" };
        let ready = match (head.kind, number) {
            (k, 0) if k == Kind::Header as u32 => {
                Some(Ready::Header(Header::take(&mut Cursor::new(content)).map_err(at)?))
            }
            (k, 1..) if k == Kind::End as u32 => {
                let end = End::take(&mut Cursor::new(content)).map_err(at)?;
                self.place = Place::Ended;
                Some(Ready::End(end))
            }
            (k, 1..) if k == Kind::Records as u32 && !content.is_empty() => {
                self.end = self.pos + whole;
                None
            }
            (came, _) => return Err(JournalError::Kind { offset, expected, came }),
        };
        self.number = number.wrapping_add(1);
        self.pos += if ready.is_none() { HEAD } else { whole };
        Ok(ready)
    }

    /// The record at `pos`.
    fn record(&mut self) -> Result<Record<'_, C>, JournalError> {
        let (start, now) = (self.pos, self.now);
        let content = &self.buf[..self.end];
        let mut from = Cursor::starting_at(content, start);
        let (number, offset) = (self.records + 1, self.offset + start as u64);
        match take_record(&mut from, number, offset, now) {
            Ok(record) => {
                self.pos = from.position();
                self.records = number;
                self.now = record.now;
                Ok(record)
            }
            Err(e) => {
                let e = malformed(&e, content, self.offset);
                self.failed = Some(e.clone());
                Err(e)
            }
        }
    }
}

fn take_record<'a, C: Recorded>(
    from: &mut Cursor<'a>,
    number: u64,
    offset: u64,
    before: Now,
) -> Result<Record<'a, C>, Malformed> {
    let mut learned = Vec::new();
    let mut tag = from.byte("a record")?;
    while tag == LEARNED {
        let token = from.bytes("the token of a password")?;
        learned.push((token, from.array("the hash of a token")?));
        tag = from.byte("a record")?;
    }
    let mono = before.mono.as_micros().wrapping_add(from.signed("a time")? as u64);
    let unix_ms = before.unix_ms.wrapping_add(from.signed("a time")? as u64);
    let input = input::take(tag & KIND, from)?;
    let readings = InputReadings::take(from, tag & TIMES != 0, tag & TURNS != 0)?;
    let sent = if tag & SENT_SUM == 0 {
        None
    } else {
        Some((from.narrow("a number of summed bytes")?, from.u32("the sum of sent bytes")?))
    };
    let actions = if tag & ACTIONS == 0 { None } else { Some(from.u32("the digest of actions")?) };
    let now = Now::new(Instant::from_micros(mono), unix_ms);
    Ok(Record { number, offset, now, input, readings, sent, actions, learned })
}

fn check_prefix(prefix: &[u8; PREFIX]) -> Result<(), JournalError> {
    let [came @ .., a, b, c, d] = prefix;
    if *came != MAGIC {
        return Err(JournalError::NotARecording { came: *came });
    }
    match u32::from_le_bytes([*a, *b, *c, *d]) {
        OLDEST_FORMAT..=FORMAT => Ok(()),
        came => Err(JournalError::UnknownFormat { came }),
    }
}

fn malformed(e: &Malformed, content: &[u8], offset: u64) -> JournalError {
    let came = Came::of(content.get(e.at..).unwrap_or_default());
    JournalError::Record { offset: offset + e.at as u64, expected: e.expected, came }
}
