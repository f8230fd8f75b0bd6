//! Streams as commands: entries, what is known of the whole, groups, consumers, pending entries.

use primacy_core::rdb::{StreamId, StreamNode, StreamPart};

use super::command::{Batch, Number, command};
use super::missing::{Lost, Missing};
use crate::program::rdb::out::Out;
use crate::program::rdb::pending::PendingEntries;

/// Ids of a stream's entries that are held, at most: 1 MB. Of a longer stream only the first ones are known.
const IDS_MAX: usize = (1 << 20) / size_of::<StreamId>();

/// What has to be known of the stream under way.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Ids of its entries, in order.
    ids: Vec<StreamId>,
    /// Whether these are all.
    all_ids: bool,
    /// Whether the snapshot has the counters of Redis >= 7.0.
    counted: bool,
    group: Vec<u8>,
    consumer: Vec<u8>,
    pending: PendingEntries,
    /// Whether the group has more pending entries than are held.
    many: bool,
    released: bool,
    /// Whether a pending entry was deleted from the stream.
    deleted: bool,
    batch: Batch,
}

impl Streams {
    pub(super) fn begin(&mut self) {
        self.ids.clear();
        self.all_ids = true;
        (self.counted, self.released, self.deleted) = (false, false, false);
    }

    pub(super) fn part(&mut self, part: &StreamPart<'_>, key: &[u8], missing: &mut Missing, out: &mut Out<'_>) {
        match *part {
            StreamPart::Node(node) => self.node(node, key, out),
            StreamPart::Meta { last_id, max_deleted_id, entries_added, .. } => {
                self.counted = entries_added.is_some();
                self.whole(key, last_id, max_deleted_id, entries_added, out);
            }
            StreamPart::Group { name, last_id, entries_read } => self.group(key, name, last_id, entries_read, out),
            StreamPart::Pending { id, delivered_at_ms, deliveries } => {
                let held = self.pending.push(id, delivered_at_ms, deliveries);
                missing.add_first(Lost::Deliveries, key, !held, &mut self.many);
            }
            StreamPart::Consumer { name, .. } => {
                self.consumer.clear();
                self.consumer.extend_from_slice(name);
                self.pending.consumer(name);
                command(out, &[b"XGROUP", b"CREATECONSUMER", key, &self.group, name]);
            }
            StreamPart::Owns(id) if self.is_deleted(id) => {
                missing.add_first(Lost::Deleted, key, true, &mut self.deleted);
            }
            StreamPart::Owns(id) => self.claim(key, id, out),
            StreamPart::Released(_) => missing.add_first(Lost::Released, key, true, &mut self.released),
            StreamPart::IdempotenceEnd { added, .. } if added > 0 => missing.add(Lost::Producers, key, ""),
            _ => {}
        }
    }

    fn node(&mut self, node: StreamNode<'_>, key: &[u8], out: &mut Out<'_>) {
        let mut digits = [0; 20];
        for entry in node.entries().filter(|entry| !entry.deleted) {
            if self.ids.len() < IDS_MAX {
                self.ids.push(entry.id);
            } else {
                self.all_ids = false;
            }
            self.batch.element();
            for (field, value) in entry.fields {
                self.batch.argument(field.text(&mut digits));
                self.batch.argument(value.text(&mut digits));
            }
            self.batch.send(out, &[b"XADD", key, text(entry.id).as_bytes()]);
        }
    }

    /// Makes an empty stream if nothing was added, and sets what is known of the whole.
    fn whole(
        &mut self,
        key: &[u8],
        last_id: StreamId,
        max_deleted_id: Option<StreamId>,
        entries_added: Option<u64>,
        out: &mut Out<'_>,
    ) {
        if self.ids.is_empty() {
            // 0-0 is no id of an entry; XSETID sets it afterwards.
            let id = last_id.max(StreamId { ms: 0, seq: 1 });
            command(out, &[b"XADD", key, b"MAXLEN", b"0", text(id).as_bytes(), b"f", b"v"]);
        }
        let last = text(last_id);
        match (entries_added, max_deleted_id) {
            (Some(added), Some(deleted)) => {
                let (added, deleted) = (Number::from(added), text(deleted));
                let (added, deleted) = (added.bytes(), deleted.as_bytes());
                command(out, &[b"XSETID", key, last.as_bytes(), b"ENTRIESADDED", added, b"MAXDELETEDID", deleted]);
            }
            _ => command(out, &[b"XSETID", key, last.as_bytes()]),
        }
    }

    fn group(&mut self, key: &[u8], name: &[u8], last_id: StreamId, entries_read: Option<u64>, out: &mut Out<'_>) {
        self.group.clear();
        self.group.extend_from_slice(name);
        self.pending.clear();
        self.many = false;
        let last = text(last_id);
        let head: [&[u8]; 5] = [b"XGROUP", b"CREATE", key, name, last.as_bytes()];
        if self.counted {
            let read = entries_read.map_or_else(|| Number::from(-1i64), Number::from);
            let [a, b, c, d, e] = head;
            command(out, &[a, b, c, d, e, b"ENTRIESREAD", read.bytes()]);
        } else {
            command(out, &head);
        }
    }

    /// Whether the stream is known to lack this entry: servers refuse to make it pending.
    fn is_deleted(&self, id: StreamId) -> bool {
        let known = self.all_ids || self.ids.last().is_some_and(|last| id <= *last);
        known && self.ids.binary_search(&id).is_err()
    }

    fn claim(&mut self, key: &[u8], id: StreamId, out: &mut Out<'_>) {
        let entry = text(id);
        let (group, consumer) = (&self.group[..], &self.consumer[..]);
        match self.pending.owns(id) {
            Some(known) => {
                let (at, count) = (Number::from(known.delivered_at_ms), Number::from(known.deliveries));
                let (at, count) = (at.bytes(), count.bytes());
                let id = entry.as_bytes();
                #[rustfmt::skip]
                command(out, &[
                    b"XCLAIM", key, group, consumer, b"0", id, b"TIME", at, b"RETRYCOUNT", count, b"FORCE", b"JUSTID",
                ]);
            }
            None => {
                command(out, &[b"XCLAIM", key, group, consumer, b"0", entry.as_bytes(), b"FORCE", b"JUSTID"]);
            }
        }
    }
}

fn text(id: StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}
