//! `--format jsonl`: one JSON object for each key, in the order of the file.

mod rows;
mod stream;
mod text;

use primacy_core::rdb::{Compact, Element, Entry, Item, Kind, ModuleId, ModuleValue, Value};

use super::format::{self, Ended, Format, Type};
use super::out::Out;
use super::units::score;
use rows::{Cells, Rows};
use stream::StreamText;
use text::{Long, hex, number_or_null, signed_or_null, string};

/// Writes the lines.
#[derive(Debug, Default)]
pub(super) struct Jsonl {
    state: State,
    /// What begins the line of a key whose first element has not come yet.
    head: Head,
    rows: Rows,
    long: Long,
    stream: StreamText,
}

/// Where in a value we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// In none.
    #[default]
    Between,
    /// In a string that comes in pieces.
    Text,
    /// In a collection that is collected to be sorted.
    Sorting(Kind),
    /// In a collection whose elements are printed as they come; whether one was.
    Listing(Kind, bool),
    Stream,
    /// Whether an element was printed.
    Array(bool),
    Module(bool),
}

/// What a line says before the value.
#[derive(Clone, Debug, Default)]
struct Head {
    db: u64,
    key: Vec<u8>,
    expire_at_ms: Option<i64>,
}

impl Format for Jsonl {
    fn item(&mut self, item: &Item<'_>, out: &mut Out<'_>) {
        match item {
            Item::Entry(entry) => self.begin(entry, out),
            Item::Piece(bytes) => self.piece(bytes, out),
            Item::Element(element) => self.element(element, out),
            Item::ElementEnd { expire_at_ms } => self.element_end(*expire_at_ms, out),
            Item::Block(block) => self.block(*block, out),
            Item::Stream(part) => self.stream.part(part, out),
            Item::ArrayItem { index, value } => self.array_item(*index, value, out),
            Item::Module(value) => self.module(value, out),
            Item::EntryEnd => self.end(out),
            // What is no key has no line.
            _ => {}
        }
    }

    fn stored_as(&mut self, number: u8, _: &'static str) {
        self.stream.stored_as(number);
    }

    fn ended(&mut self, _: Ended) {
        self.state = State::Between;
    }
}

impl Jsonl {
    fn begin(&mut self, entry: &Entry<'_>, out: &mut Out<'_>) {
        let Some(typ) = Type::of(&entry.value) else { return };
        match entry.value {
            Value::Compact(kind, compact) => self.compact(entry, kind, compact, out),
            Value::Elements(kind, _) => {
                self.remember(entry);
                self.rows.clear();
                self.state = if kind == Kind::List { State::Listing(kind, false) } else { State::Sorting(kind) };
            }
            value => {
                head(entry.db, entry.key, typ, entry.expire_at_ms, out);
                self.value(value, out);
            }
        }
    }

    /// The beginning of a value that is there even if nothing is in it.
    fn value(&mut self, value: Value<'_>, out: &mut Out<'_>) {
        self.state = match value {
            Value::String(bytes) => {
                string(out, bytes);
                out.put(b"}\n");
                State::Between
            }
            Value::LongString(len) => {
                self.long.begin(out, len);
                State::Text
            }
            Value::Stream => {
                self.stream.begin(out);
                State::Stream
            }
            Value::Array { next_insert, .. } => {
                out.put(b"{\"next_insert_index\":");
                out.number(next_insert.unwrap_or_default());
                out.put(b",\"elements\":[");
                State::Array(false)
            }
            Value::Module(module) => {
                module_head(module, out);
                State::Module(false)
            }
            _ => State::Between,
        };
    }

    fn remember(&mut self, entry: &Entry<'_>) {
        self.head.key.clear();
        self.head.key.extend_from_slice(entry.key);
        (self.head.db, self.head.expire_at_ms) = (entry.db, entry.expire_at_ms);
    }

    /// A whole collection. It is sorted too: blobs are in the order of their insertion, or of numbers.
    fn compact(&mut self, entry: &Entry<'_>, kind: Kind, compact: Compact<'_>, out: &mut Out<'_>) {
        self.remember(entry);
        self.rows.clear();
        if kind == Kind::List {
            self.state = State::Listing(kind, false);
            self.block(compact, out);
        } else {
            self.state = State::Sorting(kind);
            format::each_element(kind, compact, |element| self.element(element, out));
        }
        self.end(out);
    }

    fn element(&mut self, element: &Element<'_>, out: &mut Out<'_>) {
        let (State::Sorting(kind) | State::Listing(kind, _)) = self.state else { return };
        match *element {
            Element::Member(first) => self.row(kind, Cells { first, second: b"", number: None }, out),
            Element::Scored { member, score } => {
                self.row(kind, Cells { first: member, second: b"", number: Some(score.to_bits()) }, out);
            }
            Element::Field { field, value, expire_at_ms } => {
                self.row(kind, Cells { first: field, second: value, number: expire_at_ms }, out);
            }
            Element::LongMember(len) => {
                self.list(kind, out);
                self.long.begin(out, len);
            }
            Element::LongField { field, len } => {
                let sorting = matches!(self.state, State::Sorting(_));
                if sorting && self.rows.has_room(len.saturating_add(field.len() as u64)) {
                    return self.rows.push(Cells { first: field, second: b"", number: None });
                }
                self.list(kind, out);
                out.byte(b'[');
                string(out, field);
                out.byte(b',');
                self.long.begin(out, len);
            }
        }
    }

    /// Collects an element, or prints it if the room is used up.
    fn row(&mut self, kind: Kind, cells: Cells<'_>, out: &mut Out<'_>) {
        let len = cells.first.len() as u64 + cells.second.len() as u64;
        if matches!(self.state, State::Sorting(_)) && self.rows.has_room(len) {
            self.rows.push(cells);
        } else {
            self.list(kind, out);
            print(kind, cells, out);
        }
    }

    /// Makes way for an element that is printed as it comes: whatever was collected is printed before it.
    fn list(&mut self, kind: Kind, out: &mut Out<'_>) {
        if self.state == State::Listing(kind, true) {
            out.byte(b',');
            return;
        }
        let Head { db, key, expire_at_ms } = &self.head;
        head(*db, key, (&kind).into(), *expire_at_ms, out);
        out.byte(b'[');
        for cells in self.rows.iter() {
            print(kind, cells, out);
            out.byte(b',');
        }
        self.rows.clear();
        self.state = State::Listing(kind, true);
    }

    fn piece(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        if matches!(self.state, State::Sorting(_)) {
            self.rows.extend(bytes);
        } else {
            self.long.piece(out, bytes);
        }
    }

    fn element_end(&mut self, expire_at_ms: Option<u64>, out: &mut Out<'_>) {
        match self.state {
            State::Sorting(_) => self.rows.mark(expire_at_ms),
            State::Listing(Kind::Hash, _) => {
                self.long.end(out);
                out.byte(b',');
                number_or_null(out, expire_at_ms);
                out.byte(b']');
            }
            _ => self.long.end(out),
        }
    }

    fn block(&mut self, block: Compact<'_>, out: &mut Out<'_>) {
        let (State::Sorting(kind) | State::Listing(kind, _)) = self.state else { return };
        let mut digits = [0; 20];
        for scalar in &block {
            let first = scalar.text(&mut digits);
            self.row(kind, Cells { first, second: b"", number: None }, out);
        }
    }

    fn array_item(&mut self, index: u64, value: &[u8], out: &mut Out<'_>) {
        let State::Array(any) = &mut self.state else { return };
        out.put(if core::mem::replace(any, true) { b",[" } else { b"[" });
        out.number(index);
        out.byte(b',');
        string(out, value);
        out.byte(b']');
    }

    fn module(&mut self, value: &ModuleValue<'_>, out: &mut Out<'_>) {
        // Values outside a key belong to the module or to metadata.
        let State::Module(any) = &mut self.state else { return };
        out.put(if core::mem::replace(any, true) { b"," } else { b"" });
        match *value {
            ModuleValue::Signed(n) => {
                out.put(b"[\"sint\",");
                out.signed(n);
            }
            ModuleValue::Unsigned(n) => {
                out.put(b"[\"uint\",");
                out.number(n);
            }
            ModuleValue::Float(bits) => {
                out.put(b"[\"float\",\"");
                hex(out, &bits.to_be_bytes());
                out.byte(b'"');
            }
            ModuleValue::Double(bits) => {
                out.put(b"[\"double\",\"");
                hex(out, &bits.to_be_bytes());
                out.byte(b'"');
            }
            ModuleValue::String(bytes) => {
                out.put(b"[\"string\",");
                string(out, bytes);
            }
        }
        out.byte(b']');
    }

    fn end(&mut self, out: &mut Out<'_>) {
        match core::mem::take(&mut self.state) {
            // A collection of no elements is no key.
            State::Between | State::Listing(_, false) => {}
            State::Sorting(_) if self.rows.is_empty() => {}
            State::Sorting(kind) => {
                self.rows.sort(kind);
                let Head { db, key, expire_at_ms } = &self.head;
                head(*db, key, (&kind).into(), *expire_at_ms, out);
                for (n, cells) in self.rows.iter().enumerate() {
                    out.byte(if n == 0 { b'[' } else { b',' });
                    print(kind, cells, out);
                }
                out.put(b"]}\n");
            }
            State::Listing(_, true) => out.put(b"]}\n"),
            State::Text => {
                self.long.end(out);
                out.put(b"}\n");
            }
            State::Stream => {
                self.stream.end(out);
                out.put(b"}\n");
            }
            State::Array(_) | State::Module(_) => out.put(b"]}}\n"),
        }
    }
}

/// Writes what a line says before the value.
fn head(db: u64, key: &[u8], typ: Type, expire_at_ms: Option<i64>, out: &mut Out<'_>) {
    out.put(b"{\"db\":");
    out.number(db);
    out.put(b",\"key\":");
    string(out, key);
    out.put(b",\"type\":\"");
    out.put(typ.name().as_bytes());
    out.put(b"\",\"expire_at_ms\":");
    signed_or_null(out, expire_at_ms);
    out.put(b",\"value\":");
}

/// Writes an element.
fn print(kind: Kind, cells: Cells<'_>, out: &mut Out<'_>) {
    match kind {
        Kind::List | Kind::Set => string(out, cells.first),
        Kind::Zset => {
            let bits = cells.number.unwrap_or_default();
            out.byte(b'[');
            string(out, cells.first);
            out.put(b",\"");
            out.put(score(f64::from_bits(bits)).as_bytes());
            out.put(b"\",\"");
            hex(out, &bits.to_be_bytes());
            out.put(b"\"]");
        }
        Kind::Hash => {
            out.byte(b'[');
            string(out, cells.first);
            out.byte(b',');
            string(out, cells.second);
            out.byte(b',');
            number_or_null(out, cells.number);
            out.byte(b']');
        }
    }
}

fn module_head(module: ModuleId, out: &mut Out<'_>) {
    out.put(b"{\"module\":");
    string(out, &module.name());
    out.put(b",\"encver\":");
    out.number(module.version().into());
    out.put(b",\"ops\":[");
}
