//! Types 15, 19, 21, 26 and 27: a stream. Each type knows what those before it know, and more.

use alloc::vec::Vec;

use super::Part;
use crate::rdb::compact::StreamNode;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::item::{StreamId, StreamPart};
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::Text;

/// First id, highest deleted id, entries added and read.
const COUNTERS: u8 = 19;
/// When a consumer was active.
const ACTIVE: u8 = 21;
/// Producers.
const PRODUCERS: u8 = 26;
/// Released entries.
const RELEASED: u8 = 27;

/// What the record of a key holds of a stream.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Nodes {
    pub(super) number: u8,
    pub(super) nodes: u64,
}

/// A stream whose parts are still to come.
#[derive(Debug)]
pub(super) struct Stream {
    /// The type.
    number: u8,
    at: At,
    /// How many of what `at` says are still to come.
    left: u64,
    /// Groups still to come, behind the one under way.
    groups: u64,
    /// Consumers still to come, behind the one under way.
    consumers: u64,
    /// Producers still to come, behind the one under way.
    producers: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum At {
    Nodes,
    Groups,
    Pending,
    Consumers,
    Owned,
    Released,
    Producers,
    Produced,
    End,
}

/// A part, as it lies in its record.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Made {
    Node {
        id: Text,
        pack: Text,
    },
    Group {
        name: Text,
        last_id: StreamId,
        entries_read: Option<u64>,
    },
    Consumer {
        name: Text,
        seen_at_ms: i64,
        active_at_ms: Option<i64>,
    },
    Producer(Text),
    Produced {
        iid: Text,
        id: StreamId,
    },
    /// One of numbers alone.
    Plain(StreamPart<'static>),
}

fn id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: cursor.len()?, seq: cursor.len()? })
}

fn raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: u64::from_be_bytes(cursor.array()?), seq: u64::from_be_bytes(cursor.array()?) })
}

impl Stream {
    pub(super) fn new(Nodes { number, nodes }: Nodes) -> Self {
        Self { number, at: At::Nodes, left: nodes, groups: 0, consumers: 0, producers: 0 }
    }

    fn has(&self, since: u8) -> bool {
        self.number >= since
    }

    /// The next part. What is taken is noted at the end only, when nothing can stop it any more.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        let made = match self.at {
            At::Nodes if self.left > 0 => {
                Made::Node { id: Text::take(cursor, limits.whole)?, pack: Text::take(cursor, limits.whole)? }
            }
            At::Nodes => return self.meta(cursor),
            At::Groups => return self.group(cursor, limits),
            At::Pending if self.left > 0 => Made::Plain(StreamPart::Pending {
                id: raw_id(cursor)?,
                delivered_at_ms: i64::from_le_bytes(cursor.array()?),
                deliveries: cursor.len()?,
            }),
            At::Pending => {
                self.consumers = cursor.len()?;
                self.at = At::Consumers;
                return Ok(Part::Noted);
            }
            At::Consumers => return self.consumer(cursor, limits),
            At::Owned if self.left > 0 => Made::Plain(StreamPart::Owns(raw_id(cursor)?)),
            At::Owned => {
                self.at = At::Consumers;
                return self.consumer(cursor, limits);
            }
            At::Released if self.left > 0 => Made::Plain(StreamPart::Released(raw_id(cursor)?)),
            At::Released => {
                self.at = At::Groups;
                return self.group(cursor, limits);
            }
            At::Producers => return self.producer(cursor, limits),
            At::Produced if self.left > 0 => Made::Produced { iid: Text::take(cursor, limits.whole)?, id: id(cursor)? },
            At::Produced => {
                self.at = At::Producers;
                return self.producer(cursor, limits);
            }
            At::End => return Ok(Part::End),
        };
        self.left -= 1;
        Ok(Part::Stream(made))
    }

    /// What is known of the whole, behind the nodes.
    fn meta(&mut self, cursor: &mut Cursor<'_>) -> Result<Part, Stop> {
        let (length, last_id) = (cursor.len()?, id(cursor)?);
        let (mut first_id, mut max_deleted_id, mut entries_added) = (None, None, None);
        if self.has(COUNTERS) {
            (first_id, max_deleted_id, entries_added) = (Some(id(cursor)?), Some(id(cursor)?), Some(cursor.len()?));
        }
        self.groups = cursor.len()?;
        self.at = At::Groups;
        let meta = StreamPart::Meta { length, last_id, first_id, max_deleted_id, entries_added };
        Ok(Part::Stream(Made::Plain(meta)))
    }

    /// The next group, or what is behind the last.
    fn group(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.groups == 0 {
            return self.idempotence(cursor);
        }
        let (name, last_id) = (Text::take(cursor, limits.whole)?, id(cursor)?);
        let mut entries_read = None;
        if self.has(COUNTERS) {
            entries_read = Some(cursor.len()?).filter(|&n| n != u64::MAX);
        }
        self.left = cursor.len()?;
        self.groups -= 1;
        self.at = At::Pending;
        Ok(Part::Stream(Made::Group { name, last_id, entries_read }))
    }

    /// The next consumer, or what is behind the last.
    fn consumer(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.consumers == 0 {
            let released = if self.has(RELEASED) { cursor.len()? } else { 0 };
            (self.left, self.at) = (released, At::Released);
            return Ok(Part::Noted);
        }
        let name = Text::take(cursor, limits.whole)?;
        let seen_at_ms = i64::from_le_bytes(cursor.array()?);
        let mut active_at_ms = None;
        if self.has(ACTIVE) {
            active_at_ms = Some(i64::from_le_bytes(cursor.array()?)).filter(|&ms| ms != -1);
        }
        self.left = cursor.len()?;
        self.consumers -= 1;
        self.at = At::Owned;
        Ok(Part::Stream(Made::Consumer { name, seen_at_ms, active_at_ms }))
    }

    /// What is behind the last group.
    fn idempotence(&mut self, cursor: &mut Cursor<'_>) -> Result<Part, Stop> {
        if !self.has(PRODUCERS) {
            self.at = At::End;
            return Ok(Part::End);
        }
        let (duration_s, max_entries, producers) = (cursor.len()?, cursor.len()?, cursor.len()?);
        (self.producers, self.at) = (producers, At::Producers);
        Ok(Part::Stream(Made::Plain(StreamPart::Idempotence { duration_s, max_entries })))
    }

    /// The next producer (one without ids is none), or the counters behind the last.
    fn producer(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.producers == 0 {
            let (added, duplicates) = (cursor.len()?, cursor.len()?);
            self.at = At::End;
            return Ok(Part::Stream(Made::Plain(StreamPart::IdempotenceEnd { added, duplicates })));
        }
        let (name, left) = (Text::take(cursor, limits.whole)?, cursor.len()?);
        (self.left, self.at) = (left, At::Produced);
        self.producers -= 1;
        Ok(if left == 0 { Part::Noted } else { Part::Stream(Made::Producer(name)) })
    }
}

impl Made {
    /// The part; its bytes are in `record` or `scratch`.
    pub(super) fn part<'a>(self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<StreamPart<'a>, Stop> {
        Ok(match self {
            Self::Node { id, pack } => {
                let bytes = id.bytes(record, scratch)?;
                let both = <[u8; 16]>::try_from(bytes).map_err(|_| id.broken(Flaw::NodeId(bytes.len())))?;
                // The ms are the higher half, each with its highest byte first.
                let both = u128::from_be_bytes(both);
                let id = StreamId { ms: (both >> 64) as u64, seq: both as u64 };
                let blob = pack.bytes(record, scratch)?;
                StreamPart::Node(StreamNode::new(id, blob).map_err(|e| pack.broken(e))?)
            }
            Self::Group { name, last_id, entries_read } => {
                StreamPart::Group { name: name.bytes(record, scratch)?, last_id, entries_read }
            }
            Self::Consumer { name, seen_at_ms, active_at_ms } => {
                StreamPart::Consumer { name: name.bytes(record, scratch)?, seen_at_ms, active_at_ms }
            }
            Self::Producer(name) => StreamPart::Producer(name.bytes(record, scratch)?),
            Self::Produced { iid, id } => StreamPart::Produced { iid: iid.bytes(record, scratch)?, id },
            Self::Plain(part) => part,
        })
    }
}
