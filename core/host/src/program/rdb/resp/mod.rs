//! `--format resp`: the commands that rebuild the data in an empty server.

mod command;
mod missing;
mod stream;

use primacy_core::rdb::{Compact, Element, Entry, Item, Kind, Value};

use super::format::{self, Format};
use super::out::Out;
use super::units::score;
use command::{Batch, Number, argument, argument_head, begin, command};
use missing::{Lost, Missing};
use stream::Streams;

/// Writes the commands.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Whether functions and scripts belong to what was asked for.
    with_functions: bool,
    /// The database that the commands so far have selected.
    db: Option<u64>,
    key: Key,
    /// The field whose value comes in pieces.
    field: Vec<u8>,
    state: State,
    batch: Batch,
    streams: Streams,
    missing: Missing,
    /// Whether metadata of the next key was left out.
    meta: bool,
}

/// The key under way.
#[derive(Debug, Default)]
struct Key {
    db: u64,
    name: Vec<u8>,
    expire_at_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Between,
    /// In a string that comes in pieces.
    Text,
    /// In a collection; whether a command was written for it.
    Elements(Kind, bool),
    Stream,
    /// In an array, which may know where it is inserted next.
    Array(Option<u64>),
    /// In something that is left out.
    Lost,
}

impl Format for Commands {
    fn item(&mut self, item: &Item<'_>, out: &mut Out<'_>) {
        match item {
            Item::Entry(entry) => self.begin(entry, out),
            Item::Piece(bytes) => out.put(bytes),
            Item::Element(element) => self.element(element, out),
            Item::ElementEnd { expire_at_ms } => {
                out.put(b"\r\n");
                if let Some(at) = expire_at_ms {
                    expire_field(&self.key.name, &self.field, *at, out);
                }
            }
            Item::Block(block) => self.block(*block, out),
            Item::Stream(part) => self.streams.part(part, &self.key.name, &mut self.missing, out),
            Item::ArrayItem { index, value } => {
                self.batch.element();
                self.batch.argument(Number::from(*index).bytes());
                self.batch.argument(value);
                if self.batch.is_full() {
                    self.batch.send(out, &[b"ARMSET", &self.key.name]);
                }
            }
            Item::EntryEnd => self.end(out),
            Item::Function(code) if self.with_functions => command(out, &[b"FUNCTION", b"LOAD", code]),
            Item::Aux { name, value } if self.with_functions && name.eq_ignore_ascii_case(b"lua") => {
                command(out, &[b"SCRIPT", b"LOAD", value]);
            }
            Item::ModuleAux { module, .. } if self.with_functions => {
                let name = module.name();
                self.missing.add(Lost::ModuleAux, b"", &String::from_utf8_lossy(&name));
            }
            Item::KeyMeta { .. } => self.meta = true,
            _ => {}
        }
    }

    fn passed_over(&mut self) {
        self.meta = false;
    }

    fn finish(&mut self, _: u64, _: &mut Out<'_>) -> Vec<String> {
        self.missing.lines()
    }
}

impl Commands {
    /// `with_functions`: everything was asked for, not some keys only.
    pub(super) fn new(with_functions: bool) -> Self {
        Self { with_functions, ..Self::default() }
    }

    fn begin(&mut self, entry: &Entry<'_>, out: &mut Out<'_>) {
        self.key.name.clear();
        self.key.name.extend_from_slice(entry.key);
        (self.key.db, self.key.expire_at_ms) = (entry.db, entry.expire_at_ms);
        if core::mem::take(&mut self.meta) {
            self.missing.add(Lost::KeyMeta, entry.key, "");
        }
        match entry.value {
            Value::String(bytes) => {
                self.select(out);
                command(out, &[b"SET", entry.key, bytes]);
                self.expire(out);
            }
            Value::LongString(len) => {
                self.select(out);
                begin(out, 3);
                argument(out, b"SET");
                argument(out, entry.key);
                argument_head(out, len);
                self.state = State::Text;
            }
            Value::Compact(kind, compact) => {
                self.state = State::Elements(kind, false);
                self.compact(kind, compact, out);
                self.end(out);
            }
            Value::Elements(kind, _) => self.state = State::Elements(kind, false),
            Value::Stream => {
                self.select(out);
                self.streams.begin();
                self.state = State::Stream;
            }
            Value::Array { next_insert, .. } => {
                self.select(out);
                self.state = State::Array(next_insert);
            }
            Value::Module(module) => {
                let name = module.name();
                self.missing.add(Lost::Module, entry.key, &format!("of {}", String::from_utf8_lossy(&name)));
                self.state = State::Lost;
            }
            _ => {
                self.missing.add(Lost::Unknown, entry.key, "");
                self.state = State::Lost;
            }
        }
    }

    fn select(&mut self, out: &mut Out<'_>) {
        if self.db != Some(self.key.db) {
            self.db = Some(self.key.db);
            command(out, &[b"SELECT", Number::from(self.key.db).bytes()]);
        }
    }

    fn expire(&self, out: &mut Out<'_>) {
        if let Some(at) = self.key.expire_at_ms {
            command(out, &[b"PEXPIREAT", &self.key.name, Number::from(at).bytes()]);
        }
    }

    fn compact(&mut self, kind: Kind, compact: Compact<'_>, out: &mut Out<'_>) {
        if kind == Kind::List {
            return self.block(compact, out);
        }
        format::each_element(kind, compact, |element| self.element(element, out));
    }

    fn block(&mut self, block: Compact<'_>, out: &mut Out<'_>) {
        let mut digits = [0; 20];
        for scalar in &block {
            self.member(scalar.text(&mut digits), out);
        }
    }

    fn element(&mut self, element: &Element<'_>, out: &mut Out<'_>) {
        match *element {
            Element::Member(bytes) => self.member(bytes, out),
            Element::Scored { member, score } => self.scored(member, score, out),
            Element::Field { field, value, expire_at_ms } => self.field(field, value, expire_at_ms, out),
            Element::LongMember(len) => self.long(&[], len, out),
            Element::LongField { field, len } => {
                self.long(&[field], len, out);
                self.field.clear();
                self.field.extend_from_slice(field);
            }
        }
    }

    fn member(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        self.batch.element();
        self.batch.argument(bytes);
        self.send_full(out);
    }

    fn scored(&mut self, member: &[u8], number: f64, out: &mut Out<'_>) {
        self.batch.element();
        self.batch.argument(score(number).as_bytes());
        self.batch.argument(member);
        self.send_full(out);
    }

    fn field(&mut self, field: &[u8], value: &[u8], expire_at_ms: Option<u64>, out: &mut Out<'_>) {
        self.batch.element();
        self.batch.argument(field);
        self.batch.argument(value);
        match expire_at_ms {
            None => self.send_full(out),
            Some(at) => {
                self.send(out);
                expire_field(&self.key.name, field, at, out);
            }
        }
    }

    /// Begins a command whose last argument comes in pieces, behind `before`.
    fn long(&mut self, before: &[&[u8]], len: u64, out: &mut Out<'_>) {
        self.send(out);
        self.opened(out);
        begin(out, 3 + before.len() as u64);
        argument(out, self.verb());
        argument(out, &self.key.name);
        before.iter().for_each(|bytes| argument(out, bytes));
        argument_head(out, len);
    }

    fn send_full(&mut self, out: &mut Out<'_>) {
        if self.batch.is_full() {
            self.send(out);
        }
    }

    /// Sends the elements that are waiting.
    fn send(&mut self, out: &mut Out<'_>) {
        if !self.batch.is_empty() {
            self.opened(out);
            let verb = self.verb();
            self.batch.send(out, &[verb, &self.key.name]);
        }
    }

    /// A collection gets its first command: the key is there.
    fn opened(&mut self, out: &mut Out<'_>) {
        if let State::Elements(_, any) = &mut self.state {
            *any = true;
            self.select(out);
        }
    }

    fn verb(&self) -> &'static [u8] {
        match self.state {
            State::Elements(Kind::Set, _) => b"SADD",
            State::Elements(Kind::Zset, _) => b"ZADD",
            State::Elements(Kind::Hash, _) => b"HSET",
            _ => b"RPUSH",
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        self.send_last(out);
        match core::mem::take(&mut self.state) {
            // A collection of no elements is no key.
            State::Between | State::Lost | State::Elements(_, false) => {}
            State::Text => {
                out.put(b"\r\n");
                self.expire(out);
            }
            State::Elements(_, true) | State::Stream => self.expire(out),
            State::Array(next_insert) => {
                if let Some(next) = next_insert {
                    command(out, &[b"ARSEEK", &self.key.name, Number::from(next).bytes()]);
                }
                self.expire(out);
            }
        }
    }

    fn send_last(&mut self, out: &mut Out<'_>) {
        match self.state {
            State::Elements(..) => self.send(out),
            State::Array(_) => self.batch.send(out, &[b"ARMSET", &self.key.name]),
            _ => {}
        }
    }
}

fn expire_field(key: &[u8], field: &[u8], at_ms: u64, out: &mut Out<'_>) {
    command(out, &[b"HPEXPIREAT", key, Number::from(at_ms).bytes(), b"FIELDS", b"1", field]);
}
