//! Where one record ends, and what it says.

use super::{CHECKSUM_SINCE, Reader, Said, State, Step, parse_header};
use crate::rdb::aside::{self, Aside};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::item::Magic;
use crate::rdb::kinds;
use crate::rdb::text::Text;
use crate::rdb::value::{self, Begun, First, Part, Plain, Quick, plain};

impl Reader {
    /// The next element of a value under way, by the short way if that takes it.
    #[inline(never)]
    pub(super) fn quick<'i>(&mut self, input: &mut &'i [u8]) -> Option<Quick<'i>> {
        let State::Value(running) = &mut self.state else { return None };
        if self.skipping || !self.held.is_empty() {
            return None;
        }
        let before = input.len();
        let element = running.quick(input, &self.limits)?;
        self.take(before - input.len());
        Some(element)
    }

    /// The next key by the short way, if its value is a string and both lie in the input, raw or as integers: most keys of
    /// most snapshots. With what was said about it.
    #[inline]
    pub(super) fn quick_string<'i>(&mut self, input: &mut &'i [u8]) -> Option<(Said, Plain<'i>, Plain<'i>)> {
        if self.lone || self.said.meta || !self.held.is_empty() {
            return None;
        }
        let mut said = self.said;
        let rest = match *input {
            [kinds::EXPIRE_MS, rest @ ..] => {
                let (at, rest) = rest.split_first_chunk()?;
                said.expire_at_ms = expiry(i64::from_le_bytes(*at));
                rest
            }
            rest => rest,
        };
        let [kinds::STRING, rest @ ..] = rest else { return None };
        let (key, rest) = plain(rest, self.limits.whole)?;
        let (value, rest) = plain(rest, self.limits.value)?;
        self.take(input.len() - rest.len());
        *input = rest;
        self.number = kinds::STRING;
        self.said = Said { db: said.db, ..Said::default() };
        Some((said, key, value))
    }

    /// Takes one record from the front of `bytes`, and how long it is. What it notes it notes last, so that a record
    /// which is not whole can be taken again.
    #[inline]
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Result<(Step, usize), Stop> {
        let mut cursor = Cursor::new(bytes);
        let step = match &mut self.state {
            State::Records => {
                let first = cursor.u8()?;
                if first < 128 { self.entry(first, &mut cursor)? } else { self.opcode(first, &mut cursor)? }
            }
            State::Value(running) => match running.take(&mut cursor, &self.limits, self.skipping)? {
                Part::End => {
                    (self.state, self.skipping) = (State::Records, false);
                    Step::EntryEnd
                }
                Part::Noted => Step::Noted,
                _ if self.skipping => Step::Noted,
                part => Step::Part(part),
            },
            State::EmptyNodes(_) | State::Aside(..) => self.rare(&mut cursor)?,
            State::Header | State::Done => {
                let header = cursor.array::<9>()?;
                // What does not fit is reported with the bytes at hand.
                (self.magic, self.version) = parse_header(&header).ok_or(Stop::Unknown)?;
                Step::Header
            }
        };
        Ok((step, cursor.at()))
    }

    /// What few snapshots have.
    #[cold]
    fn rare(&mut self, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
        match &mut self.state {
            State::EmptyNodes(list) => match list.first(cursor, &self.limits)? {
                First::Found(list) => Ok(Step::Waited(list)),
                First::NotYet(rest) => {
                    *list = rest;
                    Ok(Step::Noted)
                }
                First::Never => {
                    self.state = State::Records;
                    self.leave_out()
                }
            },
            State::Aside(aside, _) => {
                let part = aside.take(cursor, &self.limits, &mut self.templates)?;
                let (Part::End, aside) = (part, *aside) else {
                    return Ok(if matches!(part, Part::Noted) { Step::Noted } else { Step::Part(part) });
                };
                self.state = State::Records;
                self.said.meta |= matches!(aside, Aside::KeyMeta(_));
                Ok(if matches!(aside, Aside::ModuleAux) { Step::ModuleAuxEnd } else { Step::Noted })
            }
            _ => Ok(Step::Noted),
        }
    }

    #[inline]
    fn entry(&mut self, number: u8, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
        if number != kinds::STRING && kinds::value_type(self.magic, number).is_none() {
            return Err(Stop::Unknown);
        }
        let key = if self.lone { Text::Raw { at: 0, len: 0 } } else { Text::take(cursor, self.limits.whole)? };
        match value::begin(number, self.magic, cursor, &self.limits, &self.templates)? {
            Begun::Empty => self.leave_out(),
            Begun::EmptyNodes(list) => {
                let whole = key.bytes(cursor.bytes(), &mut self.names)?;
                self.key.clear();
                self.key.extend_from_slice(whole);
                self.number = number;
                self.state = State::EmptyNodes(list);
                Ok(Step::Noted)
            }
            value => {
                self.number = number;
                Ok(Step::Entry { key, value })
            }
        }
    }

    /// Leaves out a key that has no elements.
    #[cold]
    fn leave_out(&mut self) -> Result<Step, Stop> {
        if self.lone {
            return Err(Stop::Broken(0, Flaw::Empty("value")));
        }
        self.empty_skipped += 1;
        self.said = Said { db: self.said.db, ..Said::default() };
        Ok(Step::Noted)
    }

    fn opcode(&mut self, number: u8, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
        let whole = self.limits.whole;
        if self.lone {
            return Err(Stop::Unknown);
        }
        if self.said.meta {
            return Err(Stop::Broken(0, Flaw::MetaAlone));
        }
        match number {
            kinds::EXPIRE_MS => {
                self.said.expire_at_ms = expiry(i64::from_le_bytes(cursor.array()?));
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
                return Ok(Step::SlotInfo { slot: cursor.len()?, keys: cursor.len()?, expires: cursor.len()? });
            }
            kinds::MODULE_AUX => {
                let part = aside::module_aux(cursor)?;
                self.state = State::Aside(Aside::ModuleAux, number);
                return Ok(Step::Part(part));
            }
            kinds::META_OR_IMPORT => {
                let aside = match self.magic {
                    Magic::Redis => Aside::KeyMeta(cursor.len()?),
                    Magic::Valkey => aside::slot_import(cursor, &self.limits)?,
                };
                self.state = State::Aside(aside, number);
            }
            kinds::TEMPLATE_OR_UPDATE if self.magic == Magic::Redis => {
                let growing = self.templates.begin(cursor, &self.limits)?;
                self.state = State::Aside(Aside::Template(growing), number);
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
}

/// When a key expires, ms since 1970; -1 is never.
#[inline]
fn expiry(at: i64) -> Option<i64> {
    (at != -1).then_some(at)
}
