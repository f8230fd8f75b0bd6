//! Streams in snapshots: nodes, what is known of the whole, then group by group. The parts are counted through, so that
//! a large stream is encoded over as many steps as it takes.

use super::{Consumer, Group, Stream};
use crate::rdb::{Body, StreamMeta};

/// Encodes the head of a stream.
pub(in crate::keyspace) fn begin(out: &mut Body, db: u32, key: &[u8], expiry: Option<i64>, stream: &Stream) {
    out.stream(db, key, expiry, stream.nodes() as u64);
}

/// Encodes parts behind the first `done` until `out` has `until` bytes, at least one; whether that was the last.
pub(in crate::keyspace) fn go_on(out: &mut Body, stream: &Stream, done: &mut usize, until: u64) -> bool {
    let mut steps = Steps { out, done, until, at: 0, full: false };
    let nodes = stream.nodes();
    let mut left = stream.nodes.iter_from(steps.skipped(nodes));
    while steps.at < nodes {
        let Some(node) = left.next() else { break };
        if !steps.take(|out| out.stream_node(node.id(), node.elements(), node.scalars())) {
            return false;
        }
    }
    let meta = StreamMeta {
        length: stream.len() as u64,
        last_id: stream.last_id,
        first_id: stream.first_id().unwrap_or_default(),
        max_deleted_id: stream.max_deleted,
        entries_added: stream.added,
        groups: stream.groups().len() as u64,
    };
    steps.one(|out| out.stream_meta(&meta)) && stream.groups().iter().all(|group| encode_group(&mut steps, group))
}

/// What is encoded in steps: parts before `done` are passed over.
struct Steps<'a> {
    out: &'a mut Body,
    done: &'a mut usize,
    until: u64,
    /// Parts that were passed over or encoded.
    at: usize,
    full: bool,
}

impl Steps<'_> {
    /// How many of the next `parts` are done already; they are passed over.
    fn skipped(&mut self, parts: usize) -> usize {
        let skipped = self.done.saturating_sub(self.at).min(parts);
        self.at += skipped;
        skipped
    }

    /// Encodes a part that is not done yet; `false`: there is no room for it in this step.
    fn take(&mut self, f: impl FnOnce(&mut Body)) -> bool {
        if self.full {
            return false;
        }
        f(self.out);
        self.at += 1;
        *self.done += 1;
        self.full = self.out.len() >= self.until;
        true
    }

    /// The same for one that may be done.
    fn one(&mut self, f: impl FnOnce(&mut Body)) -> bool {
        self.skipped(1) == 1 || self.take(f)
    }
}

fn encode_group(steps: &mut Steps<'_>, group: &Group) -> bool {
    let head = |out: &mut Body| out.stream_group(group.name(), group.last_id, group.read, group.len() as u64);
    if !steps.one(head) {
        return false;
    }
    let skipped = steps.skipped(group.len());
    for pending in group.pending_from(skipped) {
        if !steps.take(|out| out.stream_pending(pending.id, pending.at_ms, pending.deliveries)) {
            return false;
        }
    }
    steps.one(|out| out.stream_consumers(group.consumers().len() as u64))
        && group.consumers().iter().all(|consumer| encode_consumer(steps, consumer))
}

fn encode_consumer(steps: &mut Steps<'_>, consumer: &Consumer) -> bool {
    let (seen, active) = (consumer.seen_ms, consumer.active_ms);
    if !steps.one(|out| out.stream_consumer(consumer.name(), seen, active, consumer.len() as u64)) {
        return false;
    }
    let skipped = steps.skipped(consumer.len());
    consumer.owned_from(skipped).all(|id| steps.take(|out| out.stream_owned(id)))
}
