//! A stream that comes in parts.

use alloc::boxed::Box;

use crate::keyspace::stream::{Consumer, Group, Owner, Pending, Stream, id};
use crate::rdb::{StreamId, StreamPart};

/// What parts cannot have.
const ORDER: &str = "entries of a stream are not in the order of their ids";
const GROUP_TWICE: &str = "a consumer group comes twice";
const CONSUMER_TWICE: &str = "a consumer comes twice";
const PENDING_TWICE: &str = "a pending entry comes twice";
const NOT_PENDING: &str = "a consumer owns what is not pending, or what another one owns";
const UNOWNED: &str = "a pending entry has no owner";
const STRAY: &str = "a part of a stream without its head";

/// A group whose parts come.
#[derive(Debug)]
struct Begun {
    group: Group,
    /// The consumer whose entries come.
    consumer: Box<[u8]>,
    /// Pending entries that have an owner.
    owned: usize,
}

/// A stream on its way in.
#[derive(Debug)]
pub(super) struct StreamLoad {
    stream: Stream,
    begun: Option<Begun>,
    /// What a pending entry has as owner before its own comes.
    nobody: Owner,
    /// Whether the snapshot has the counters of Redis 7.0.
    counted: bool,
    /// Whether what is known of the whole came.
    known: bool,
}

impl Default for StreamLoad {
    fn default() -> Self {
        Self { stream: Stream::default(), begun: None, nobody: Owner::new(b""), counted: false, known: false }
    }
}

impl StreamLoad {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let begun = self.begun.as_ref().map_or(0, |begun| crate::keyspace::tree::Entry::heap(&begun.group));
        size_of::<Self>() + self.stream.memory() + begun
    }

    /// Takes a part; why it is refused.
    pub(super) fn take(&mut self, part: &StreamPart<'_>) -> Result<(), &'static str> {
        match *part {
            StreamPart::Node(_) | StreamPart::Meta { .. } if self.known => Err(STRAY),
            StreamPart::Node(node) => self.stream.load_node(node).then_some(()).ok_or(ORDER),
            StreamPart::Meta { last_id, max_deleted_id, entries_added, .. } => {
                self.known = true;
                self.meta(last_id, max_deleted_id, entries_added);
                Ok(())
            }
            StreamPart::Group { name, last_id, entries_read } => {
                self.end_group()?;
                if !self.known {
                    return Err(STRAY);
                }
                // A snapshot with counters may say that this one is not known; then it stays so.
                let read = if self.counted { entries_read } else { self.stream.added_up_to(last_id) };
                let group = Group::new(name, last_id, read);
                self.begun = Some(Begun { group, consumer: Box::default(), owned: 0 });
                Ok(())
            }
            StreamPart::Pending { id, delivered_at_ms, deliveries } => {
                let pending = Pending { id, at_ms: delivered_at_ms, deliveries, owner: self.nobody.clone() };
                let begun = self.begun.as_mut().ok_or(STRAY)?;
                begun.group.load_pending(pending).then_some(()).ok_or(PENDING_TWICE)
            }
            StreamPart::Consumer { name, seen_at_ms, active_at_ms } => {
                let begun = self.begun.as_mut().ok_or(STRAY)?;
                begun.consumer = name.into();
                begun.group.add(Consumer::new(name, seen_at_ms, active_at_ms)).then_some(()).ok_or(CONSUMER_TWICE)
            }
            StreamPart::Owns(id) => {
                let begun = self.begun.as_mut().ok_or(STRAY)?;
                begun.owned += 1;
                begun.group.load_owned(&begun.consumer, id, &self.nobody).then_some(()).ok_or(NOT_PENDING)
            }
            // Entries that nobody owns are of Redis 8.8, whose commands to give them away are not here.
            StreamPart::Released(_) => Err(UNOWNED),
            // What is remembered of producers is not kept: no command here asks for it.
            StreamPart::Idempotence { .. }
            | StreamPart::Producer(_)
            | StreamPart::Produced { .. }
            | StreamPart::IdempotenceEnd { .. } => Ok(()),
        }
    }

    fn meta(&mut self, last_id: StreamId, max_deleted_id: Option<StreamId>, entries_added: Option<u64>) {
        self.counted = entries_added.is_some();
        // Ids that are there must not be used again, whatever the snapshot says.
        self.stream.last_id = last_id.max(self.stream.last_held());
        self.stream.max_deleted = max_deleted_id.unwrap_or(id::MIN);
        self.stream.added = entries_added.unwrap_or(self.stream.len() as u64);
    }

    /// The group under way is complete.
    fn end_group(&mut self) -> Result<(), &'static str> {
        let Some(begun) = self.begun.take() else { return Ok(()) };
        if begun.owned != begun.group.len() {
            return Err(UNOWNED);
        }
        self.stream.add_group(begun.group).then_some(()).ok_or(GROUP_TWICE)
    }

    /// All parts are there.
    pub(super) fn finish(mut self) -> Result<Stream, &'static str> {
        self.end_group()?;
        Ok(self.stream)
    }
}
