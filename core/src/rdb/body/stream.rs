//! Streams: nodes, what is known of the whole, groups with what is pending, and their consumers.

use alloc::vec::Vec;

use super::{Body, PACKED_MAX, pack};
use crate::rdb::compact::{ListpackWriter, Scalar};
use crate::rdb::item::StreamId;
use crate::rdb::kinds;
use crate::rdb::text::Small;

/// The lowest version that has the counters of streams (Redis 7.0).
const COUNTERS: u16 = 10;
/// The lowest version that has when a consumer was active (Redis 7.2).
const ACTIVE: u16 = 11;

/// What is known of a stream as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamMeta {
    /// Live entries.
    pub length: u64,
    /// The last id.
    pub last_id: StreamId,
    /// The first id, 0-0 if there is no entry (from version 10 on).
    pub first_id: StreamId,
    /// The highest id that was deleted, 0-0 for none (from version 10 on).
    pub max_deleted_id: StreamId,
    /// Entries ever added (from version 10 on).
    pub entries_added: u64,
    /// How many groups follow.
    pub groups: u64,
}

fn raw(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

/// Whether a value of these bytes needs the form that all servers read.
fn is_odd(scalar: Scalar<'_>) -> bool {
    matches!(scalar, Scalar::Text(text) if !ListpackWriter::is_portable(text))
}

impl Body {
    /// Begins a key with a stream of so many nodes. They have to follow by [`Body::stream_node`], then
    /// [`Body::stream_meta`], then its groups, before anything else is encoded; other bodies may not come between them
    /// either. Before version 10 the counters of Redis 7.0 are left out, before version 11 when consumers were active.
    pub fn stream(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, nodes: u64) {
        let number = match self.version {
            ACTIVE.. => kinds::STREAM_ACTIVE,
            COUNTERS => kinds::STREAM_COUNTERS,
            _ => kinds::STREAM,
        };
        self.key(db, key, expire_at_ms, number);
        self.count(nodes);
    }

    /// The next node: its id, and its `elements` as a listpack has them between its head and its end mark, and `scalars`
    /// the same; together below 4 GB.
    pub fn stream_node<'a>(
        &mut self,
        id: StreamId,
        elements: &[u8],
        scalars: impl Iterator<Item = Scalar<'a>> + Clone,
    ) {
        let mut head = Small::new();
        let raw = raw(id);
        head.len(raw.len() as u64);
        head.put(&raw);
        self.out.append(head.bytes());
        if elements.len() < ListpackWriter::ODD_MIN || !scalars.clone().any(is_odd) {
            let blob = pack::listpack(elements, scalars.count());
            return self.blob(&blob);
        }
        let mut blob = Vec::new();
        let mut writer = ListpackWriter::new(&mut blob);
        scalars.for_each(|scalar| writer.push(scalar));
        // Entries are limited to a quarter of what has room.
        let _ = writer.finish();
        self.blob(&blob);
    }

    fn blob(&mut self, blob: &[u8]) {
        if blob.len() <= PACKED_MAX {
            return self.text(Small::new(), blob);
        }
        self.count(blob.len() as u64);
        self.out.append(blob);
    }

    /// Writes an id as two lengths.
    fn id(&mut self, id: StreamId) {
        self.count(id.ms);
        self.count(id.seq);
    }

    /// What is known of the whole, behind the nodes.
    pub fn stream_meta(&mut self, meta: &StreamMeta) {
        self.count(meta.length);
        self.id(meta.last_id);
        if self.version >= COUNTERS {
            self.id(meta.first_id);
            self.id(meta.max_deleted_id);
            self.count(meta.entries_added);
        }
        self.count(meta.groups);
    }

    /// The next group, `entries_read` if that is known. So many pending entries have to follow by
    /// [`Body::stream_pending`], then [`Body::stream_consumers`].
    pub fn stream_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>, pending: u64) {
        self.scalar(Scalar::Text(name));
        self.id(last_id);
        if self.version >= COUNTERS {
            self.count(entries_read.unwrap_or(u64::MAX));
        }
        self.count(pending);
    }

    /// The next pending entry of the group; `delivered_at_ms` is wall-clock ms since 1970.
    pub fn stream_pending(&mut self, id: StreamId, delivered_at_ms: i64, deliveries: u64) {
        let mut head = Small::new();
        head.put(&raw(id));
        head.put(&delivered_at_ms.to_le_bytes());
        self.out.append(head.bytes());
        self.count(deliveries);
    }

    /// How many consumers follow by [`Body::stream_consumer`].
    pub fn stream_consumers(&mut self, consumers: u64) {
        self.count(consumers);
    }

    /// The next consumer of the group, with both times in wall-clock ms since 1970. So many ids that it owns have to follow
    /// by [`Body::stream_owned`].
    pub fn stream_consumer(&mut self, name: &[u8], seen_at_ms: i64, active_at_ms: Option<i64>, owned: u64) {
        self.scalar(Scalar::Text(name));
        self.out.append(&seen_at_ms.to_le_bytes());
        if self.version >= ACTIVE {
            self.out.append(&active_at_ms.unwrap_or(-1).to_le_bytes());
        }
        self.count(owned);
    }

    /// The next pending entry that the consumer owns.
    pub fn stream_owned(&mut self, id: StreamId) {
        self.out.append(&raw(id));
    }
}
