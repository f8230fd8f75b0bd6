//! What workload clients ask, and the unique marks by which a write is found again in a stream.

use alloc::format;
use alloc::vec::Vec;

use super::collections::{self, Words};
use crate::resp::Command;

/// Clients that a run may have: their number is part of every mark.
pub const CLIENTS_MAX: u64 = 64;

/// One of the few keys that all clients share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// What it holds.
    pub kind: Kind,
    /// Which of its kind.
    pub number: u8,
}

/// What a key holds, so that no command meets a value of another kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Text: SET, APPEND, DEL.
    Text,
    /// A counter: INCRBY, DEL.
    Counter,
    /// Text with an expiry: SET PX, PEXPIRE, DEL.
    Mortal,
    /// A collection of the type with this letter.
    Collection(u8),
}

impl Key {
    /// Its name.
    pub fn name(self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Text => 's',
            Kind::Counter => 'n',
            Kind::Mortal => 't',
            Kind::Collection(letter) => letter.into(),
        };
        format!("{kind}{}", self.number).into_bytes()
    }

    /// The key of this name, if it is one of ours.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let (first, number) = name.split_first()?;
        let kind = match first {
            b's' => Kind::Text,
            b'n' => Kind::Counter,
            b't' => Kind::Mortal,
            letter if collections::LETTERS.contains(letter) => Kind::Collection(*letter),
            _ => return None,
        };
        Some(Self { kind, number: core::str::from_utf8(number).ok()?.parse().ok()? })
    }
}

/// The mark of one write, unique over the run: who wrote, and its how-many-th write it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark {
    /// The client.
    pub client: u32,
    /// Counts its writes from 1.
    pub n: u32,
}

impl Mark {
    /// A value that begins with the mark and has at least `len` bytes.
    pub fn value(self, len: usize) -> Vec<u8> {
        let mut value = format!("<{}.{}>", self.client, self.n).into_bytes();
        value.resize(value.len().max(len), b'.');
        value
    }

    /// The mark that a value begins with.
    pub fn of_value(value: &[u8]) -> Option<Self> {
        let rest = value.strip_prefix(b"<")?;
        let end = rest.iter().position(|b| *b == b'>')?;
        let (client, n) = core::str::from_utf8(&rest[..end]).ok()?.split_once('.')?;
        Some(Self { client: client.parse().ok()?, n: n.parse().ok()? })
    }

    /// An amount to count by.
    pub fn amount(self) -> i64 {
        (u64::from(self.n) * CLIENTS_MAX + u64::from(self.client)) as i64
    }

    /// The mark that an amount is.
    pub fn of_amount(amount: i64) -> Option<Self> {
        let amount = u64::try_from(amount).ok()?;
        Some(Self { client: (amount % CLIENTS_MAX) as u32, n: u32::try_from(amount / CLIENTS_MAX).ok()? })
    }
}

/// One operation of a client, in the database that its connection selected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// `GET`.
    Get(Key),
    /// `SET`, with an expiry in ms if there is one.
    Set(Key, Mark, Vec<u8>, Option<u64>),
    /// `APPEND`.
    Append(Key, Mark, Vec<u8>),
    /// `INCRBY`.
    Incr(Key, Mark),
    /// `DEL`.
    Del(Key),
    /// `PEXPIRE`, ms.
    Expire(Key, u64),
    /// A write to a collection: its words, and the mark of the element that it adds, if it adds one.
    Collect(Words, Option<Mark>),
    /// `MULTI`, writes, `EXEC`: one operation with one answer, that of EXEC.
    Multi(Vec<Self>),
    /// `WAIT replicas ms`.
    Wait(u32, u64),
}

impl Op {
    /// Its commands on the wire.
    pub fn commands(&self, out: &mut Vec<Command>) {
        let number = |n: u64| format!("{n}").into_bytes();
        match self {
            Self::Get(key) => out.push(Command::new(&[&b"GET"[..], &key.name()])),
            Self::Set(key, _, value, None) => out.push(Command::new(&[&b"SET"[..], &key.name(), value])),
            Self::Set(key, _, value, Some(ms)) => {
                out.push(Command::new(&[&b"SET"[..], &key.name(), value, b"PX", &number(*ms)]));
            }
            Self::Append(key, _, value) => out.push(Command::new(&[&b"APPEND"[..], &key.name(), value])),
            Self::Incr(key, mark) => {
                out.push(Command::new(&[&b"INCRBY"[..], &key.name(), &number(mark.amount() as u64)]));
            }
            Self::Del(key) => out.push(Command::new(&[&b"DEL"[..], &key.name()])),
            Self::Expire(key, ms) => out.push(Command::new(&[&b"PEXPIRE"[..], &key.name(), &number(*ms)])),
            Self::Collect(words, _) => out.push(Command::new(&words.0)),
            Self::Multi(list) => {
                out.push(Command::new(&["MULTI"]));
                for op in list {
                    op.commands(out);
                }
                out.push(Command::new(&["EXEC"]));
            }
            Self::Wait(replicas, ms) => {
                out.push(Command::new(&[&b"WAIT"[..], &number(u64::from(*replicas)), &number(*ms)]));
            }
        }
    }

    /// The marks of its writes.
    pub fn marks(&self, each: &mut dyn FnMut(Mark)) {
        match self {
            Self::Set(_, mark, ..) | Self::Append(_, mark, _) | Self::Incr(_, mark) => each(*mark),
            Self::Collect(_, mark) => mark.iter().copied().for_each(each),
            Self::Multi(list) => list.iter().for_each(|op| op.marks(each)),
            Self::Get(_) | Self::Del(_) | Self::Expire(..) | Self::Wait(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        let mark = Mark { client: 7, n: 4711 };
        assert_eq!(Mark::of_value(&mark.value(0)), Some(mark));
        assert_eq!(Mark::of_value(&mark.value(100)), Some(mark));
        assert_eq!(Mark::of_amount(mark.amount()), Some(mark));
        assert_eq!(Mark::of_value(b"<7.x>"), None);
        let key = Key { kind: Kind::Counter, number: 12 };
        assert_eq!(Key::parse(&key.name()), Some(key));
        assert_eq!(Key::parse(b"foo"), None);
    }
}
