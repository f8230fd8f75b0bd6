//! Laws of the whole: what random commands do is held against a plain map, and against a replica and a snapshot of it.

mod bits;
mod conditions;
mod dumps;
mod eviction;
mod field_expiry;
mod functions;
mod gathered;
mod geo;
mod hash_ex;
mod hashes;
mod hyperloglog;
mod laws;
mod limits;
mod lists;
mod replies;
mod sets;
mod snapshots;
mod sorts;
mod stream_laws;
mod stream_refs;
mod stream_talk;
mod streams;
mod zset_laws;
mod zsets;

use super::set::SetRef;
use super::*;
use crate::blocks::Blocks;
use crate::dataset::{Context, Dataset, Effect, Effects, LoadMode, Origin, Progress, Wait};
use crate::machine::Chunks;
use crate::rdb::{Body, Element, Item, Kind, Options, Reader, ReaderLimits, Scalar, Value, Writer};
use crate::resp::{Command, Proto, Reply};
use crate::time::{Instant, Now};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Database and key; value and expiry.
pub(super) type Content = BTreeMap<(u32, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// A keyspace with what a node would hold around it.
pub(super) struct World {
    pub(super) ks: Keyspace,
    rng: Rng,
    pub(super) fx: Effects,
    pub(super) ms: u64,
    pub(super) origin: Origin,
    pub(super) may_expire: bool,
    pub(super) proto: Proto,
}

impl World {
    pub(super) fn new() -> Self {
        Self::seeded(3)
    }

    pub(super) fn seeded(seed: u8) -> Self {
        Self {
            ks: Keyspace::new(4, [seed; 32]),
            rng: Rng::new([4; 32]),
            fx: Effects::default(),
            ms: 1_000_000,
            origin: Origin::Client,
            may_expire: true,
            proto: Proto::Resp2,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now::new(Instant::from_micros(self.ms * 1000), self.ms)
    }

    /// Executes a command in database `db`; its reply in wire form.
    pub(super) fn run<A: AsRef<[u8]>>(&mut self, db: u32, args: &[A]) -> Vec<u8> {
        self.run_waiting(db, args, None)
    }

    /// The same for a client that can wait.
    pub(super) fn run_waiting<A: AsRef<[u8]>>(
        &mut self,
        db: u32,
        args: &[A],
        wait: Option<&mut Option<Wait>>,
    ) -> Vec<u8> {
        let command = Command::new(args);
        let name = String::from_utf8_lossy(args[0].as_ref()).to_lowercase();
        let number = |name: &str| self.ks.commands().iter().position(|c| c.name == name);
        let sub =
            args.get(1).map(|sub| std::format!("{name}|{}", String::from_utf8_lossy(sub.as_ref()).to_lowercase()));
        let number = sub.and_then(|sub| number(&sub)).or_else(|| number(&name)).expect("a known command");
        let mut out = Blocks::new();
        let mut reply = Reply::new(&mut out, self.proto);
        let now = self.now();
        let mut cx = Context {
            now,
            db,
            origin: self.origin,
            may_expire: self.may_expire,
            rng: &mut self.rng,
            reply: &mut reply,
            effects: &mut self.fx,
            touch: true,
            wait,
        };
        self.ks.execute(number, command.args(), &mut cx);
        let mut chunks = Chunks::new();
        out.read(0, usize::MAX, &mut chunks);
        chunks.concat()
    }

    /// The same from words, the reply as text.
    pub(super) fn say(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8(self.run(0, &words)).expect("these tests write text")
    }

    /// The same on one line.
    pub(super) fn answer(&mut self, line: &str) -> String {
        self.say(line).trim_end_matches("\r\n").replace("\r\n", " ")
    }

    /// Says commands one after the other, each of which is answered as it is written beside it.
    pub(super) fn talk(&mut self, lines: &[(&str, &str)]) {
        for (line, want) in lines {
            assert_eq!(self.answer(line), *want, "{line}");
        }
    }

    /// The same of what replicas are told, and of how many changes that counts as.
    pub(super) fn told(&mut self, lines: &[(&str, &[&str], u64)]) {
        for (line, want, dirty) in lines {
            self.fx.dirty = 0;
            self.say(line);
            let want: Vec<String> = want.iter().map(|&text| text.into()).collect();
            assert_eq!((self.effects(), self.fx.dirty), (want, *dirty), "{line}");
        }
    }

    /// The effects since the last call, as words.
    pub(super) fn effects(&mut self) -> Vec<String> {
        let text = |c: &Command| c.args().iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
        let list = self.fx.take();
        list.iter().map(|e| if let Effect::Command(_, c) = e { text(c) } else { "itself".into() }).collect()
    }

    pub(super) fn content(&self) -> Content {
        let mut all = Content::new();
        for (db, table) in self.ks.dbs.iter().enumerate() {
            table.for_each(|slot| {
                let value = match slot.hash() {
                    None if slot.set().is_some() => {
                        let members = slot.set().into_iter().flat_map(SetRef::members);
                        set_text(&member_list(members.map(|member| member.name)))
                    }
                    Some(hash) => hash_text(
                        &hash
                            .pairs()
                            .map(|(f, v)| (f.text(&mut [0; 20]).to_vec(), v.text(&mut [0; 20]).to_vec()))
                            .collect(),
                    ),
                    None if slot.zset().is_some() => scored_text(
                        slot.zset()
                            .into_iter()
                            .flat_map(super::zset::ZsetRef::pairs)
                            .map(|(member, score)| (member.text(&mut [0; 20]).to_vec(), score)),
                    ),
                    None if slot.list().is_some() => lists::text_of(slot),
                    None if slot.stream().is_some() => stream_laws::text_of(slot),
                    None => slot.string().map(super::string::Str::flat).unwrap_or_default().into_owned(),
                };
                let double = all.insert((db as u32, slot.key().to_vec()), (value, slot.expiry()));
                assert!(double.is_none(), "a key is there once");
            });
        }
        all
    }
}

/// The fields of a hash with their values.
pub(super) type Fields = BTreeMap<Vec<u8>, Vec<u8>>;

/// A hash as the value of [`Content`]: no string of these tests begins so.
pub(super) fn hash_text(fields: &Fields) -> Vec<u8> {
    std::format!("hash {fields:?}").into_bytes()
}

/// The members of a sorted set with their scores.
pub(super) type Scores = Vec<(Vec<u8>, f64)>;

/// The same of a sorted set.
pub(super) fn scored_text(members: impl Iterator<Item = (Vec<u8>, f64)>) -> Vec<u8> {
    let mut all: Vec<_> = members.map(|(member, score)| (score, member)).collect();
    // Its order is tested by itself.
    all.sort_by(|a, b| a.partial_cmp(b).expect("no score is NaN"));
    std::format!("zset {all:?}").into_bytes()
}

fn scored_rows<'a>(mut scalars: impl Iterator<Item = Scalar<'a>>) -> Scores {
    let mut all = Vec::new();
    while let (Some(member), Some(score)) = (scalars.next(), scalars.next()) {
        all.push((member.text(&mut [0; 20]).to_vec(), score.score().expect("a score")));
    }
    assert!(all.is_sorted_by_key(|(member, score)| (*score, member.clone())), "in order");
    all
}

/// The members of a set.
pub(super) type Members = BTreeSet<Vec<u8>>;

/// A set as the value of [`Content`].
pub(super) fn set_text(members: &Members) -> Vec<u8> {
    std::format!("set {members:?}").into_bytes()
}

fn member_list<'a>(members: impl Iterator<Item = Scalar<'a>>) -> Members {
    members.map(|member| member.text(&mut [0; 20]).to_vec()).collect()
}

fn rows<'a>(mut scalars: impl Iterator<Item = Scalar<'a>>) -> Fields {
    let mut all = BTreeMap::new();
    while let (Some(field), Some(value)) = (scalars.next(), scalars.next()) {
        let text = |scalar: Scalar<'a>| scalar.text(&mut [0; 20]).to_vec();
        assert!(all.insert(text(field), text(value)).is_none(), "no field twice");
    }
    all
}

/// A value in parts: its key, its expiry, and the parts so far.
type Begun<T> = Option<((u32, Vec<u8>), Option<i64>, T)>;

/// Reads a snapshot's bytes back.
pub(super) fn read(bytes: &[u8]) -> Content {
    let mut reader = Reader::new(ReaderLimits::default());
    let mut input = bytes;
    let (mut all, mut long) = (Content::new(), None);
    let mut list: Begun<Vec<Vec<u8>>> = None;
    let mut hash: Begun<Fields> = None;
    let mut zset: Begun<Scores> = None;
    let mut set: Begun<Members> = None;
    while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
        match item {
            Item::Entry(e) => {
                let id = (e.db as u32, e.key.to_vec());
                let value = match e.value {
                    Value::String(text) => text.to_vec(),
                    Value::LongString(_) => {
                        long = Some(id.clone());
                        Vec::new()
                    }
                    Value::Compact(Kind::Hash, pack) => hash_text(&rows(pack.iter())),
                    Value::Compact(Kind::Set, pack) => set_text(&member_list(pack.iter())),
                    Value::Elements(Kind::Set, _) => {
                        set = Some((id, e.expire_at_ms, Members::new()));
                        continue;
                    }
                    Value::Elements(Kind::Hash, _) => {
                        hash = Some((id, e.expire_at_ms, BTreeMap::new()));
                        continue;
                    }
                    Value::Compact(Kind::Zset, pack) => scored_text(scored_rows(pack.iter()).into_iter()),
                    Value::Elements(Kind::Zset, _) => {
                        zset = Some((id, e.expire_at_ms, Vec::new()));
                        continue;
                    }
                    Value::Compact(Kind::List, pack) => lists::text(pack.iter().map(|e| e.text(&mut [0; 20]).to_vec())),
                    Value::Elements(Kind::List, _) => {
                        list = Some((id, e.expire_at_ms, Vec::new()));
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                assert!(all.insert(id, (value, e.expire_at_ms)).is_none(), "no key twice");
            }
            Item::Piece(piece) if list.is_some() => {
                let elements = &mut list.as_mut().expect("it is").2;
                elements.last_mut().expect("one began").extend_from_slice(piece);
            }
            Item::Block(node) => {
                let elements = &mut list.as_mut().expect("a list began").2;
                elements.extend(node.iter().map(|e| e.text(&mut [0; 20]).to_vec()));
            }
            Item::Element(Element::Member(member)) if set.is_some() => {
                assert!(set.as_mut().expect("it is").2.insert(member.to_vec()), "no member twice");
            }
            Item::Element(Element::Member(text)) => list.as_mut().expect("a list began").2.push(text.to_vec()),
            Item::Element(Element::LongMember(_)) => list.as_mut().expect("a list began").2.push(Vec::new()),
            Item::Piece(piece) => all.get_mut(long.as_ref().expect("begun")).expect("there").0.extend_from_slice(piece),
            Item::Element(Element::Field { field, value, .. }) => {
                let fields = &mut hash.as_mut().expect("a hash began").2;
                assert!(fields.insert(field.to_vec(), value.to_vec()).is_none(), "no field twice");
            }
            Item::Element(Element::Scored { member, score }) => {
                zset.as_mut().expect("a sorted set began").2.push((member.to_vec(), score));
            }
            Item::EntryEnd => {
                if let Some((id, expiry, members)) = zset.take() {
                    assert!(members.is_sorted_by_key(|(member, score)| (*score, member.clone())), "in order");
                    assert!(all.insert(id, (scored_text(members.into_iter()), expiry)).is_none(), "no key twice");
                }
                if let Some((id, expiry, elements)) = list.take() {
                    assert!(all.insert(id, (lists::text(elements.into_iter()), expiry)).is_none(), "no key twice");
                }
                if let Some((id, expiry, members)) = set.take() {
                    assert!(all.insert(id, (set_text(&members), expiry)).is_none(), "no key twice");
                }
                if let Some((id, expiry, fields)) = hash.take() {
                    assert!(all.insert(id, (hash_text(&fields), expiry)).is_none(), "no key twice");
                }
            }
            _ => {}
        }
    }
    reader.finish().expect("complete");
    all
}

/// Frames bodies as a snapshot.
pub(super) fn frame(body: &mut Body) -> Vec<u8> {
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
    writer.absorb(body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

/// Feeds a snapshot into a load that has begun.
pub(super) fn feed(ks: &mut Keyspace, bytes: &[u8], drop_expired: Option<u64>) {
    let mut reader = Reader::new(ReaderLimits::default());
    let mut input = bytes;
    while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
        ks.load_item(&item, drop_expired).expect("it fits");
    }
}

/// A whole snapshot in steps of `budget`.
pub(super) fn save(ks: &mut Keyspace, budget: usize) -> Vec<u8> {
    let mut body = Body::new(Options { compress: false });
    ks.snapshot_begin();
    while ks.snapshot_step(&mut body, budget) == Progress::More {}
    ks.snapshot_end();
    frame(&mut body)
}
