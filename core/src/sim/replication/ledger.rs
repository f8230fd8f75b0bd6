//! Every history of a run, byte for byte: who began it, what it grew out of, and the state of every key at every offset.
//!
//! A history is what one master wrote under one replication id. It grows only by its owner; whoever else shows its bytes
//! is held against them. An id that a promotion or a restart made has a parent: up to its base it is the parent's history.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ops::{Key, Mark};
use super::stream::{Command, next_command};
use crate::replication::ReplId;

/// Index of a history in the [`Ledger`].
pub type HistoryId = usize;

/// One process on one host: who may write under an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Index of the node.
    pub node: usize,
    /// Which boot of it.
    pub boot: u32,
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing is known: the history began over data that nobody watched.
    Unknown,
    /// It is not there.
    Absent,
    /// A value.
    Value(Value),
}

/// A value, by length and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// Length in bytes.
    pub len: usize,
    hash: u64,
    /// The number that it spells, of a counter.
    pub number: i64,
    /// Whether it has an expiry: it may be gone for who looks later.
    pub mortal: bool,
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    for b in bytes {
        hash = (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

impl Value {
    fn text(bytes: &[u8], mortal: bool) -> Self {
        Self { len: bytes.len(), hash: fnv(FNV, bytes), number: 0, mortal }
    }

    fn counter(number: i64) -> Self {
        Self { number, ..Self::text(format!("{number}").as_bytes(), false) }
    }

    fn appended(self, bytes: &[u8]) -> Self {
        Self { len: self.len + bytes.len(), hash: fnv(self.hash, bytes), ..self }
    }

    /// Whether it is these bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.len == bytes.len() && self.hash == fnv(FNV, bytes)
    }
}

/// A key in its database.
pub type Place = (u32, Key);

/// One history.
#[derive(Debug)]
pub struct History {
    /// Its name.
    pub id: ReplId,
    /// Who writes it.
    pub owner: Option<Process>,
    /// What it grew out of: that history up to `base`.
    pub parent: Option<HistoryId>,
    /// Where its own bytes begin.
    pub base: u64,
    /// Without a parent: whether it began with no keys at all.
    empty: bool,
    bytes: Vec<u8>,
    parsed: usize,
    db: Option<u32>,
    /// Commands of an open MULTI.
    block: Option<Vec<Command>>,
    /// Every state of a key with the offset behind the command (or the EXEC) that made it.
    versions: BTreeMap<Place, Vec<(u64, State)>>,
    /// Its owner has freed its log, perhaps with bytes in it that were written in the same step and nobody saw.
    freed: bool,
    /// Bytes up to here were missed: from there on nothing is known of the states.
    gap: Option<u64>,
}

impl History {
    /// Behind its last byte.
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }
}

/// All histories. See the [module](self).
#[derive(Debug, Default)]
pub struct Ledger {
    list: Vec<History>,
    ids: BTreeMap<ReplId, HistoryId>,
    /// Where each marked write stands: its history and the offset behind it.
    marks: BTreeMap<Mark, (HistoryId, u64)>,
    /// Databases of nodes.
    scratch: Vec<Vec<u8>>,
}

/// Why bytes do not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// `true`: they go beyond what the history's owner wrote.
    pub beyond: bool,
    /// What was expected, and what came.
    pub text: String,
}

impl Ledger {
    /// The history of this id.
    pub fn find(&self, id: ReplId) -> Option<HistoryId> {
        self.ids.get(&id).copied()
    }

    /// A history.
    pub fn history(&self, h: HistoryId) -> &History {
        &self.list[h]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Begins a history at `base`; `empty`: without a parent it begins over no keys.
    pub fn begin(&mut self, id: ReplId, parent: Option<HistoryId>, base: u64, empty: bool) -> HistoryId {
        let h = self.list.len();
        self.list.push(History {
            id,
            owner: None,
            parent,
            base,
            empty,
            bytes: Vec::new(),
            parsed: 0,
            db: None,
            block: None,
            versions: BTreeMap::new(),
            freed: false,
            gap: None,
        });
        self.ids.insert(id, h);
        h
    }

    /// Names the owner of a history; the one it has already if it is another.
    pub fn own(&mut self, h: HistoryId, who: Process) -> Result<(), Process> {
        match *self.list[h].owner.get_or_insert(who) {
            owner if owner == who => Ok(()),
            other => Err(other),
        }
    }

    /// The owner of the history with this id has freed its log.
    pub fn free(&mut self, id: ReplId) {
        if let Some(h) = self.find(id) {
            self.list[h].freed = true;
        }
    }

    /// Whether a process of this node wrote the history and freed its log: then a file of the node's may know of bytes that
    /// nobody saw.
    pub fn was_freed_by(&self, h: HistoryId, node: usize) -> bool {
        self.list[h].freed && self.list[h].owner.is_some_and(|owner| owner.node == node)
    }

    /// The history that really holds position `at` of `h`: the eldest of its line that reaches so far.
    pub fn canonical(&self, mut h: HistoryId, at: u64) -> HistoryId {
        while let Some(parent) = self.list[h].parent.filter(|_| at <= self.list[h].base) {
            h = parent;
        }
        h
    }

    /// Whether `a` and `b` are one and the same up to `at`.
    pub fn agree(&self, a: HistoryId, b: HistoryId, at: u64) -> bool {
        self.canonical(a, at) == self.canonical(b, at)
    }

    /// The owner shows the bytes from `from` on. What is known of them already must be the same; the rest is new.
    pub fn extend(&mut self, h: HistoryId, from: u64, bytes: &[u8]) -> Result<(), Misfit> {
        let end = self.list[h].end();
        if from > end {
            // Bytes that nobody saw: the log was trimmed beyond them, or freed, within one step.
            let history = &mut self.list[h];
            let missing = (from - end) as usize;
            history.bytes.resize(history.bytes.len() + missing, 0);
            history.gap = Some(from);
        }
        let known = (self.list[h].end().saturating_sub(from) as usize).min(bytes.len());
        self.compare(h, from, &bytes[..known])?;
        self.list[h].bytes.extend_from_slice(&bytes[known..]);
        if self.is_blind(h) {
            return Ok(());
        }
        self.parse(h).map_err(|text| Misfit { beyond: false, text })
    }

    /// Whether bytes of its line were missed: where its commands begin is not known from there on.
    pub fn is_blind(&self, mut h: HistoryId) -> bool {
        loop {
            let history = &self.list[h];
            match history.parent {
                _ if history.gap.is_some() => return true,
                Some(parent) => h = parent,
                None => return false,
            }
        }
    }

    /// Someone who follows shows the bytes from `from` on: all of them must be the owner's.
    pub fn compare(&self, h: HistoryId, from: u64, bytes: &[u8]) -> Result<(), Misfit> {
        let history = &self.list[h];
        let to = from + bytes.len() as u64;
        if to > history.end() {
            let text = format!("bytes {from}..{to} of {}, which ends at {}", history.id, history.end());
            return Err(Misfit { beyond: true, text });
        }
        let mut at = from;
        let mut rest = bytes;
        while !rest.is_empty() {
            // Each byte belongs to the history of the line that holds it.
            let holder = &self.list[self.canonical(h, at + 1)];
            let stretch = if holder.id == history.id { rest.len() } else { self.stretch(h, at, rest.len()) };
            let Some(skip) = at.checked_sub(holder.base) else { return Ok(()) };
            let own = holder.bytes.get(skip as usize..).unwrap_or_default();
            let n = stretch.min(rest.len()).min(own.len());
            if n == 0 {
                return Ok(());
            }
            let unseen = holder.gap.is_some_and(|gap| at < gap);
            if let Some(i) = (0..n).find(|&i| own[i] != rest[i]).filter(|_| !unseen) {
                let context = |b: &[u8]| format!("{}", b[i.saturating_sub(20)..(i + 20).min(n)].escape_ascii());
                let text = format!(
                    "offset {} of {} is '{}' here, and '{}' there",
                    at + i as u64,
                    history.id,
                    context(&rest[..n]),
                    context(&own[..n])
                );
                return Err(Misfit { beyond: false, text });
            }
            at += n as u64;
            rest = &rest[n..];
        }
        Ok(())
    }

    /// How many of `len` bytes from `at` on are held by the same history of the line of `h`.
    fn stretch(&self, mut h: HistoryId, at: u64, len: usize) -> usize {
        let mut until = u64::MAX;
        while at < self.list[h].base {
            until = self.list[h].base;
            match self.list[h].parent {
                Some(parent) => h = parent,
                None => break,
            }
        }
        usize::try_from(until - at).unwrap_or(usize::MAX).min(len)
    }

    /// Where a marked write stands.
    pub fn mark(&self, mark: Mark) -> Option<(HistoryId, u64)> {
        self.marks.get(&mark).copied()
    }

    /// All marked writes.
    pub fn marks(&self) -> impl Iterator<Item = (Mark, HistoryId, u64)> + '_ {
        self.marks.iter().map(|(mark, (h, end))| (*mark, *h, *end))
    }

    /// The state of a key at position `at` of `h`.
    pub fn state(&self, mut h: HistoryId, key: Place, mut at: u64) -> State {
        loop {
            let history = &self.list[h];
            let versions = history.versions.get(&key).map_or(&[][..], Vec::as_slice);
            let i = versions.partition_point(|(end, _)| *end <= at);
            let found = i.checked_sub(1).map(|i| versions[i]);
            if history.gap.is_some_and(|gap| gap <= at) {
                return State::Unknown;
            }
            if let Some((_, state)) = found {
                return state;
            }
            match history.parent {
                Some(parent) => (h, at) = (parent, at.min(history.base)),
                None if history.empty => return State::Absent,
                None => return State::Unknown,
            }
        }
    }

    /// The states that a key got behind `from` and up to `to`, with their positions, oldest first.
    pub fn changes(&self, h: HistoryId, key: Place, from: u64, to: u64) -> Vec<(u64, State)> {
        let history = &self.list[h];
        let mut all = match history.parent {
            Some(parent) if from < history.base => self.changes(parent, key, from, to.min(history.base)),
            _ => Vec::new(),
        };
        let own = history.versions.get(&key).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|(end, _)| *end <= from);
        all.extend(own[first..].iter().take_while(|(end, _)| *end <= to));
        all
    }

    /// Takes in the whole commands at the end of a history.
    fn parse(&mut self, h: HistoryId) -> Result<(), String> {
        loop {
            let history = &mut self.list[h];
            let Some((args, used)) = next_command(&history.bytes[history.parsed..], &mut self.scratch)? else {
                return Ok(());
            };
            history.parsed += used;
            let end = history.base + history.parsed as u64;
            let command =
                Command::understand(args).map_err(|text| format!("{text}, at offset {end} of {}", history.id))?;
            match (command, &mut history.block) {
                (Command::Multi, block @ None) => *block = Some(Vec::new()),
                (Command::Exec, block @ Some(_)) => {
                    for command in block.take().unwrap_or_default() {
                        self.run(h, command, end)?;
                    }
                }
                (Command::Multi | Command::Exec, _) => {
                    return Err(format!("MULTI and EXEC do not pair at offset {end} of {}", history.id));
                }
                (command, Some(block)) => block.push(command),
                (command, None) => self.run(h, command, end)?,
            }
        }
    }

    fn run(&mut self, h: HistoryId, command: Command, end: u64) -> Result<(), String> {
        let (key, mark) = match &command {
            Command::Select(db) => {
                self.list[h].db = Some(*db);
                return Ok(());
            }
            Command::Skip | Command::Multi | Command::Exec => return Ok(()),
            Command::Set(key, value, _) | Command::Append(key, value) => (*key, Mark::of_value(value)),
            Command::Incr(key, by) => (*key, Mark::of_amount(*by)),
            Command::Del(keys) => {
                let keys = keys.clone();
                for key in keys {
                    self.put(h, key, end, State::Absent)?;
                }
                return Ok(());
            }
            Command::Expire(key) => (*key, None),
            Command::Collect(mark) => return mark.map_or(Ok(()), |mark| self.marked(h, mark, end)),
        };
        if let Some(mark) = mark {
            self.marked(h, mark, end)?;
        }
        let before = self.list[h].db.map_or(State::Unknown, |db| self.state(h, (db, key), end));
        let after = match (command, before) {
            (Command::Set(_, value, mortal), _) => State::Value(Value::text(&value, mortal)),
            (_, State::Unknown) => State::Unknown,
            (Command::Append(_, value), State::Absent) => State::Value(Value::text(&value, false)),
            (Command::Append(_, value), State::Value(v)) => State::Value(v.appended(&value)),
            (Command::Incr(_, by), State::Absent) => State::Value(Value::counter(by)),
            (Command::Incr(_, by), State::Value(v)) => State::Value(Value::counter(v.number.wrapping_add(by))),
            (Command::Expire(_), State::Value(v)) => State::Value(Value { mortal: true, ..v }),
            (_, state) => state,
        };
        self.put(h, key, end, after)
    }

    /// A marked write stands here, and nowhere else.
    fn marked(&mut self, h: HistoryId, mark: Mark, end: u64) -> Result<(), String> {
        if let Some((other, at)) = self.marks.insert(mark, (h, end)) {
            let (id, other) = (self.list[h].id, self.list[other].id);
            return Err(format!("the write {mark:?} stands twice: at {at} of {other} and at {end} of {id}"));
        }
        Ok(())
    }

    fn put(&mut self, h: HistoryId, key: Key, end: u64, state: State) -> Result<(), String> {
        let history = &mut self.list[h];
        match history.db {
            Some(db) => history.versions.entry((db, key)).or_default().push((end, state)),
            None => return Err(format!("a write without a SELECT before it, at offset {end} of {}", history.id)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn wire(commands: &[&[&str]]) -> Vec<u8> {
        commands.iter().flat_map(|c| crate::resp::Command::new(c).frame().to_vec()).collect()
    }

    const S1: Place = (0, Key { kind: super::super::ops::Kind::Text, number: 1 });

    fn value(bytes: &[u8]) -> State {
        State::Value(Value::text(bytes, false))
    }

    /// Seed 1009596 of `all`, as it was drawn once: seven expired keys were deleted and the log freed in one step.
    #[test]
    fn what_was_written_and_freed_in_one_step_is_known_to_the_writers_file_alone() {
        let mut l = Ledger::default();
        let id = ReplId::random(&mut Rng::new([2; 32]));
        let h = l.begin(id, None, 100, true);
        l.own(h, Process { node: 2, boot: 1 }).unwrap();
        l.extend(h, 100, &wire(&[&["PING"]])).unwrap();
        let file = l.history(h).end() + 22;
        assert!(l.compare(h, file, &[]).is_err_and(|misfit| misfit.beyond));
        assert!(!l.was_freed_by(h, 2));
        l.free(id);
        assert!(l.was_freed_by(h, 2) && !l.was_freed_by(h, 1));
        l.extend(h, file, &[]).unwrap();
        assert!(l.history(h).end() == file && l.is_blind(h));
    }

    #[test]
    fn states_follow_the_line_of_histories() {
        let mut rng = Rng::new([1; 32]);
        let mut l = Ledger::default();
        let x = l.begin(ReplId::random(&mut rng), None, 100, true);
        let first = wire(&[&["SELECT", "0"], &["SET", "s1", "<1.1>a"]]);
        l.extend(x, 100, &first).unwrap();
        let v = 100 + first.len() as u64;
        l.extend(x, v, &wire(&[&["APPEND", "s1", "<1.2>b"]])).unwrap();
        let y = l.begin(ReplId::random(&mut rng), Some(x), v, false);
        let second = wire(&[&["SELECT", "0"], &["APPEND", "s1", "<1.3>c"]]);
        l.extend(y, v, &second).unwrap();
        let end = v + second.len() as u64;
        assert_eq!(l.state(x, S1, 100), State::Absent);
        assert_eq!(l.state(x, S1, l.history(x).end()), value(b"<1.1>a<1.2>b"));
        assert_eq!(l.state(y, S1, v), value(b"<1.1>a"));
        assert_eq!(l.state(y, S1, end), value(b"<1.1>a<1.3>c"));
        assert_eq!(l.changes(y, S1, 100, end).len(), 2);
        assert!(l.agree(x, y, v) && !l.agree(x, y, v + 1));
        // What follows y shows x's bytes first, and y's behind them.
        l.compare(y, 100, &[first, second.clone()].concat()).unwrap();
        assert!(l.compare(y, v, &[second.clone(), b"x".to_vec()].concat()).unwrap_err().beyond);
        let mut other = second;
        other[30] ^= 1;
        assert!(!l.compare(y, v, &other).unwrap_err().beyond);
    }

    #[test]
    fn what_cannot_be_a_stream_is_named() {
        let mut rng = Rng::new([1; 32]);
        let mut l = Ledger::default();
        let mut misfit = |commands: &[&[&str]]| {
            let h = l.begin(ReplId::random(&mut rng), None, 0, true);
            l.extend(h, 0, &wire(commands)).unwrap_err().text
        };
        assert!(misfit(&[&["SET", "s1", "x"]]).contains("without a SELECT"));
        assert!(misfit(&[&["EXEC"]]).contains("do not pair"));
        assert!(misfit(&[&["FLUSHALL"]]).contains("FLUSHALL"));
        assert!(misfit(&[&["SELECT", "0"], &["SET", "s1", "<1.1>"], &["APPEND", "s1", "<1.1>"]]).contains("twice"));
    }
}
