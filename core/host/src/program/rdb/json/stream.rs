//! The value of a stream as a JSON object. Its members come as they are known: the order of the file.

use primacy_core::rdb::{StreamId, StreamNode, StreamPart};

use super::text::{id, number_or_null, signed_or_null, string};
use crate::program::rdb::out::Out;
use crate::program::rdb::pending::PendingEntries;

/// The first type that knows released entries.
const RELEASES_SINCE: u8 = 27;

/// Writes streams.
#[derive(Debug, Default)]
pub(super) struct StreamText {
    at: At,
    /// Whether something stands before the next element of the innermost list.
    any: bool,
    /// Number of the stream's type.
    number: u8,
    pending: PendingEntries,
    /// Whether the group has more pending entries than are held.
    many: bool,
    /// The name of a producer of whom no id came yet.
    producer: Vec<u8>,
}

/// Where in the object we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum At {
    #[default]
    Entries,
    /// In the list of groups; before the first, or behind one.
    Groups,
    /// In a group, before its consumers.
    Pending,
    /// In a consumer.
    Consumer,
    /// In the list of released entries.
    Released,
    /// In the list of producers; whether one is open.
    Producers(bool),
    Done,
}

impl StreamText {
    pub(super) fn begin(&mut self, out: &mut Out<'_>) {
        (self.at, self.any, self.number) = (At::Entries, false, 0);
        out.put(b"{\"entries\":[");
    }

    pub(super) fn stored_as(&mut self, number: u8) {
        self.number = number;
    }

    pub(super) fn part(&mut self, part: &StreamPart<'_>, out: &mut Out<'_>) {
        match *part {
            StreamPart::Node(node) => self.node(node, out),
            StreamPart::Meta { length, last_id, first_id, max_deleted_id, entries_added } => {
                out.put(b"],\"length\":");
                out.number(length);
                out.put(b",\"last_id\":");
                id(out, last_id);
                out.put(b",\"first_id\":");
                id_or_null(out, first_id);
                out.put(b",\"max_deleted_id\":");
                id_or_null(out, max_deleted_id);
                out.put(b",\"entries_added\":");
                number_or_null(out, entries_added);
                out.put(b",\"groups\":[");
                (self.at, self.any) = (At::Groups, false);
            }
            StreamPart::Group { name, last_id, entries_read } => {
                self.close_group(out);
                self.open_group(name, last_id, entries_read, out);
            }
            StreamPart::Pending { id, delivered_at_ms, deliveries } => {
                self.pending(id, delivered_at_ms, deliveries, out);
            }
            StreamPart::Consumer { name, seen_at_ms, active_at_ms } => {
                self.consumer(name, seen_at_ms, active_at_ms, out);
            }
            StreamPart::Owns(entry) => self.owns(entry, out),
            StreamPart::Released(entry) => {
                if self.at != At::Released {
                    self.close_consumers(out);
                    out.put(b",\"nacked\":[");
                    (self.at, self.any) = (At::Released, false);
                }
                self.comma(out);
                id(out, entry);
            }
            StreamPart::Idempotence { duration_s, max_entries } => {
                self.close_groups(out);
                out.put(b",\"idmp\":{\"duration_s\":");
                out.number(duration_s);
                out.put(b",\"max_entries\":");
                out.number(max_entries);
                out.put(b",\"producers\":[");
                (self.at, self.any) = (At::Producers(false), false);
            }
            StreamPart::Producer(name) => {
                self.close_producer(out);
                self.producer.clear();
                self.producer.extend_from_slice(name);
            }
            StreamPart::Produced { iid, id } => self.produced(iid, id, out),
            StreamPart::IdempotenceEnd { added, duplicates } => {
                self.close_producer(out);
                out.put(b"],\"iids_added\":");
                out.number(added);
                out.put(b",\"iids_duplicates\":");
                out.number(duplicates);
                out.byte(b'}');
                self.at = At::Done;
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Out<'_>) {
        self.close_groups(out);
        out.byte(b'}');
    }

    fn comma(&mut self, out: &mut Out<'_>) {
        if core::mem::replace(&mut self.any, true) {
            out.byte(b',');
        }
    }

    fn node(&mut self, node: StreamNode<'_>, out: &mut Out<'_>) {
        let mut digits = [0; 20];
        for entry in node.entries().filter(|entry| !entry.deleted) {
            self.comma(out);
            out.byte(b'[');
            id(out, entry.id);
            out.put(b",[");
            for (n, (field, value)) in entry.fields.enumerate() {
                out.put(if n == 0 { b"[" } else { b",[" });
                string(out, field.text(&mut digits));
                out.byte(b',');
                string(out, value.text(&mut digits));
                out.byte(b']');
            }
            out.put(b"]]");
        }
    }

    fn open_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>, out: &mut Out<'_>) {
        self.comma(out);
        self.pending.clear();
        self.many = false;
        out.put(b"{\"name\":");
        string(out, name);
        out.put(b",\"last_id\":");
        id(out, last_id);
        out.put(b",\"entries_read\":");
        number_or_null(out, entries_read);
        self.at = At::Pending;
    }

    /// Holds a pending entry until its owner is known; if there are too many, all are printed without.
    fn pending(&mut self, entry: StreamId, delivered_at_ms: i64, deliveries: u64, out: &mut Out<'_>) {
        if !self.many && self.pending.push(entry, delivered_at_ms, deliveries) {
            return;
        }
        if !core::mem::replace(&mut self.many, true) {
            self.held(out);
            self.pending.clear();
        }
        out.byte(b',');
        pending(entry, None, delivered_at_ms, deliveries, out);
    }

    /// Begins the list of pending entries with those that are held.
    fn held(&self, out: &mut Out<'_>) {
        out.put(b",\"pel\":[");
        for (n, (entry, owner)) in self.pending.iter().enumerate() {
            out.put(if n == 0 { b"" } else { b"," });
            pending(entry.id, owner, entry.delivered_at_ms, entry.deliveries, out);
        }
    }

    fn consumer(&mut self, name: &[u8], seen_at_ms: i64, active_at_ms: Option<i64>, out: &mut Out<'_>) {
        match self.at {
            At::Pending => self.open_consumers(out),
            _ => self.close_consumer(out),
        }
        self.pending.consumer(name);
        out.put(if self.at == At::Consumer { b",{\"name\":" } else { b"{\"name\":" });
        string(out, name);
        out.put(b",\"seen_time_ms\":");
        out.signed(seen_at_ms);
        out.put(b",\"active_time_ms\":");
        signed_or_null(out, active_at_ms);
        if self.many {
            out.put(b",\"owns\":[");
        }
        // The list of what it owns is the innermost one now; whether a group came before is plain when it closes.
        (self.at, self.any) = (At::Consumer, false);
    }

    fn owns(&mut self, entry: StreamId, out: &mut Out<'_>) {
        if self.many {
            self.comma(out);
            id(out, entry);
        } else {
            self.pending.owns(entry);
        }
    }

    fn open_consumers(&mut self, out: &mut Out<'_>) {
        out.put(if self.many { b"],\"consumers\":[" } else { b",\"consumers\":[" });
    }

    fn close_consumer(&mut self, out: &mut Out<'_>) {
        out.put(if self.many { b"]}" } else { b"}" });
    }

    fn close_consumers(&mut self, out: &mut Out<'_>) {
        match self.at {
            At::Pending => self.open_consumers(out),
            _ => self.close_consumer(out),
        }
        out.byte(b']');
    }

    fn close_group(&mut self, out: &mut Out<'_>) {
        match self.at {
            At::Pending | At::Consumer => {
                self.close_consumers(out);
                if self.number >= RELEASES_SINCE {
                    out.put(b",\"nacked\":[]");
                }
            }
            At::Released => out.byte(b']'),
            _ => return,
        }
        if !self.many {
            self.held(out);
            out.byte(b']');
        }
        out.byte(b'}');
        (self.at, self.any) = (At::Groups, true);
    }

    fn close_groups(&mut self, out: &mut Out<'_>) {
        self.close_group(out);
        if self.at == At::Groups {
            out.byte(b']');
            self.at = At::Done;
        }
    }

    fn produced(&mut self, iid: &[u8], entry: StreamId, out: &mut Out<'_>) {
        if self.at == At::Producers(true) {
            out.byte(b',');
        } else {
            self.comma(out);
            out.byte(b'[');
            string(out, &self.producer);
            out.put(b",[");
            self.at = At::Producers(true);
        }
        out.byte(b'[');
        string(out, iid);
        out.byte(b',');
        id(out, entry);
        out.byte(b']');
    }

    fn close_producer(&mut self, out: &mut Out<'_>) {
        if self.at == At::Producers(true) {
            out.put(b"]]");
            self.at = At::Producers(false);
        }
    }
}

fn id_or_null(out: &mut Out<'_>, entry: Option<StreamId>) {
    match entry {
        Some(entry) => id(out, entry),
        None => out.put(b"null"),
    }
}

fn pending(entry: StreamId, owner: Option<&[u8]>, delivered_at_ms: i64, deliveries: u64, out: &mut Out<'_>) {
    out.byte(b'[');
    id(out, entry);
    out.byte(b',');
    match owner {
        Some(name) => string(out, name),
        None => out.put(b"null"),
    }
    out.byte(b',');
    out.signed(delivered_at_ms);
    out.byte(b',');
    out.number(deliveries);
    out.byte(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::rdb::pending::HELD_MAX;

    fn written(parts: impl Iterator<Item = StreamPart<'static>>) -> String {
        let mut to = Vec::new();
        let mut out = Out::new(&mut to);
        let mut text = StreamText::default();
        text.begin(&mut out);
        text.stored_as(RELEASES_SINCE);
        parts.for_each(|part| text.part(&part, &mut out));
        text.end(&mut out);
        out.flush().unwrap();
        String::from_utf8(to).unwrap()
    }

    fn id(seq: u64) -> StreamId {
        StreamId { ms: 7, seq }
    }

    fn meta() -> StreamPart<'static> {
        StreamPart::Meta { length: 0, last_id: id(9), first_id: None, max_deleted_id: None, entries_added: None }
    }

    fn group(name: &'static [u8]) -> StreamPart<'static> {
        StreamPart::Group { name, last_id: id(1), entries_read: None }
    }

    fn consumer(name: &'static [u8]) -> StreamPart<'static> {
        StreamPart::Consumer { name, seen_at_ms: 1, active_at_ms: None }
    }

    const HEAD: &str =
        r#"{"entries":[],"length":0,"last_id":"7-9","first_id":null,"max_deleted_id":null,"entries_added":null,"#;

    #[test]
    fn groups_stand_beside_each_other() {
        let pending = |seq| StreamPart::Pending { id: id(seq), delivered_at_ms: 5, deliveries: 2 };
        let parts = [
            meta(),
            group(b"a"),
            group(b"b"),
            pending(1),
            pending(2),
            consumer(b"c"),
            consumer(b"d"),
            StreamPart::Owns(id(1)),
            StreamPart::Released(id(2)),
            StreamPart::Idempotence { duration_s: 9, max_entries: 8 },
            StreamPart::Producer(b"none"),
            StreamPart::Producer(b"p"),
            StreamPart::Produced { iid: b"i", id: id(1) },
            StreamPart::Produced { iid: b"j", id: id(2) },
            StreamPart::IdempotenceEnd { added: 3, duplicates: 1 },
        ];
        let expected = [
            HEAD,
            r#""groups":[{"name":"a","last_id":"7-1","entries_read":null,"consumers":[],"nacked":[],"pel":[]},"#,
            r#"{"name":"b","last_id":"7-1","entries_read":null,"consumers":["#,
            r#"{"name":"c","seen_time_ms":1,"active_time_ms":null},{"name":"d","seen_time_ms":1,"active_time_ms":null}],"#,
            r#""nacked":["7-2"],"pel":[["7-1","d",5,2],["7-2",null,5,2]]}],"#,
            r#""idmp":{"duration_s":9,"max_entries":8,"producers":[["p",[["i","7-1"],["j","7-2"]]]],"#,
            r#""iids_added":3,"iids_duplicates":1}}"#,
        ];
        assert_eq!(written(parts.into_iter()), expected.concat());
    }

    #[test]
    fn of_too_many_pending_entries_the_consumers_tell_the_owners() {
        let many = HELD_MAX as u64 + 2;
        let pending = (0..many).map(|seq| StreamPart::Pending { id: id(seq), delivered_at_ms: 5, deliveries: 2 });
        let behind = [consumer(b"c"), StreamPart::Owns(id(1)), StreamPart::Owns(id(2)), consumer(b"d"), group(b"b")];
        let text = written([meta(), group(b"a")].into_iter().chain(pending).chain(behind));
        let (before, behind) = text.split_once("],\"consumers\":").unwrap();
        assert!(
            before.starts_with(&format!(r#"{HEAD}"groups":[{{"name":"a","last_id":"7-1","entries_read":null,"pel":["#))
        );
        assert_eq!(before.matches("\",null,5,2]").count(), many as usize);
        let expected = [
            r#"[{"name":"c","seen_time_ms":1,"active_time_ms":null,"owns":["7-1","7-2"]},"#,
            r#"{"name":"d","seen_time_ms":1,"active_time_ms":null,"owns":[]}],"nacked":[]},"#,
            r#"{"name":"b","last_id":"7-1","entries_read":null,"consumers":[],"nacked":[],"pel":[]}]}"#,
        ];
        assert_eq!(behind, expected.concat());
    }
}
