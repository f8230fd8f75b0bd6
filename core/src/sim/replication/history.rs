//! `explained`: every answer of every client fits some order that the protocol allows.
//!
//! The streams are the orders. An operation on a node has a window: from where the node stood when it was asked, and from
//! the oldest position at which the answer before it on the same connection could have been given, to where the node
//! stood when the answer came. An acknowledged write
//! has to stand in the node's history within its window, an answer has to be that of some position in it, and windows
//! never go back while a connection lasts, unless the node's data were replaced meanwhile. What was refused must stand
//! nowhere. A write may be lost only by a history that left the line before it: who promised more by WAIT is checked
//! by `wait-kept`.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::client::Entry;
use super::invariants::{Broken, wait};
use super::ledger::{HistoryId, Ledger, Place, State};
use super::ops::{Key, Mark, Op};
use super::situations::{Situation, Situations};
use super::track::{Epoch, Track};
use crate::resp::Value;

/// The name.
pub const NAME: &str = "explained";

/// A position in a node's life: an epoch, and how far in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Position {
    epoch: usize,
    at: u64,
}

/// A connection of a client.
#[derive(Debug)]
struct Conn {
    node: usize,
    db: u32,
    /// Nothing that comes was executed before this.
    low: Position,
    /// What has no answer, with where the node stood when it was asked: it was not executed before.
    open: VecDeque<(Op, Position)>,
    /// The last marked write that was acknowledged.
    written: Option<(HistoryId, u64)>,
}

/// What a client said and heard, as far as it was checked.
#[derive(Debug, Default)]
pub struct Story {
    seen: usize,
    conn: Option<Conn>,
}

/// What the checker keeps over all clients.
#[derive(Debug, Default)]
pub struct Checker {
    clients: Vec<Story>,
    /// Writes that were acknowledged, with where they stand.
    pub acknowledged: Vec<(Mark, HistoryId, u64)>,
    /// Marks that were refused: they must stand nowhere.
    refused: Vec<Mark>,
    /// Answers that were checked.
    pub answers: u64,
}

/// Why an operation cannot be explained.
type Why = String;

/// The window of an operation in one epoch.
struct Window<'a> {
    ledger: &'a Ledger,
    history: HistoryId,
    db: u32,
    from: u64,
    to: u64,
}

/// Where a node stands now.
fn position(track: &Track) -> Position {
    Position { epoch: track.epochs.len().saturating_sub(1), at: track.epoch().map_or(0, |e| e.to) }
}

impl Checker {
    /// A checker of so many clients.
    pub fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Story::default()).collect(), ..Self::default() }
    }

    /// Takes note of what a client did since the last look.
    pub fn look(
        &mut self,
        client: usize,
        entries: &[Entry],
        ledger: &Ledger,
        tracks: &[Track],
        situations: &mut Situations,
    ) -> Result<(), Broken> {
        let seen = core::mem::replace(&mut self.clients[client].seen, entries.len());
        for entry in entries.get(seen..).unwrap_or_default() {
            match entry {
                Entry::Connected { node, db } => {
                    let low = position(&tracks[*node]);
                    let conn = Conn { node: *node, db: *db, low, open: VecDeque::new(), written: None };
                    self.clients[client].conn = Some(conn);
                }
                Entry::Asked(op) => {
                    if let Some(conn) = &mut self.clients[client].conn {
                        conn.open.push_back((op.clone(), position(&tracks[conn.node])));
                    }
                }
                Entry::Lost => self.clients[client].conn = None,
                Entry::Answered(value) => self.answered(client, value, ledger, tracks, situations)?,
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        value: &Value,
        ledger: &Ledger,
        tracks: &[Track],
        situations: &mut Situations,
    ) -> Result<(), Broken> {
        let Some(mut conn) = self.clients[client].conn.take() else { return Ok(()) };
        self.answers += 1;
        let Some((op, floor)) = conn.open.pop_front() else {
            return Err(Broken::new(NAME, format!("client {client} got an answer to nothing: {value:?}")));
        };
        conn.low = conn.low.max(floor);
        let result = self.explain(&mut conn, &op, value, ledger, tracks, situations);
        let (node, db) = (conn.node, conn.db);
        self.clients[client].conn = Some(conn);
        result.map_err(|broken| Broken {
            text: format!(
                "client {client} at node {node} in database {db}: {op:?} was answered {}: {}",
                short(value),
                broken.text
            ),
            ..broken
        })
    }

    fn explain(
        &mut self,
        conn: &mut Conn,
        op: &Op,
        value: &Value,
        ledger: &Ledger,
        tracks: &[Track],
        situations: &mut Situations,
    ) -> Result<(), Broken> {
        let unexplained = |why: String| Broken::new(NAME, why);
        if let Some(text) = value.as_error() {
            situations.refusal(text);
            if text.starts_with(b"PROTOCOL") || text.starts_with(b"WRONGTYPE") || text.starts_with(b"ERR unknown") {
                return Err(unexplained("no such error can come".into()));
            }
            let mut stands = None;
            op.marks(&mut |mark| {
                stands = stands.or(ledger.mark(mark));
                self.refused.push(mark);
            });
            return match stands {
                Some((h, at)) => {
                    let id = ledger.history(h).id;
                    Err(unexplained(format!("a refused write stands at {at} of {id}")))
                }
                None => Ok(()),
            };
        }
        if let Op::Wait(asked, _) = op {
            let counted = value.as_i64().ok_or_else(|| unexplained("WAIT answers a number".into()))?;
            let enough = counted >= i64::from(*asked);
            situations.count(if enough { Situation::WaitKept } else { Situation::WaitTimedOut });
            // A write of a history that was freed since, or replaced, is not what the answer is about.
            let line = tracks[conn.node].epoch().filter(|e| !e.dark);
            return match (conn.written, line) {
                (Some((h, at)), Some(e)) if ledger.agree(h, e.history, at) => {
                    wait::check_reply(ledger, tracks, conn.node, (h, at), counted)
                }
                _ => Ok(()),
            };
        }
        let track = &tracks[conn.node];
        let mut why = String::from("the node was never seen");
        for epoch in conn.low.epoch..track.epochs.len() {
            let Epoch { history, from, to, dark } = track.epochs[epoch];
            if dark {
                // While a master counts no writes, answers say nothing of a stream.
                conn.written = None;
                return Ok(());
            }
            let from = if epoch == conn.low.epoch { conn.low.at } else { from };
            let window = Window { ledger, history, db: conn.db, from, to };
            match window.explain(op, value) {
                Ok(at) => {
                    self.accept(conn, op, Position { epoch, at }, &window, situations);
                    return Ok(());
                }
                Err(text) => why = format!("{text} (positions {from} to {to} of {})", ledger.history(history).id),
            }
        }
        Err(unexplained(why))
    }

    fn accept(&mut self, conn: &mut Conn, op: &Op, at: Position, window: &Window<'_>, situations: &mut Situations) {
        conn.low = at;
        if matches!(op, Op::Get(_)) && window.to < window.ledger.history(window.history).end() {
            situations.count(Situation::StaleRead);
        }
        op.marks(&mut |mark| {
            if let Some((history, end)) = window.ledger.mark(mark) {
                self.acknowledged.push((mark, history, end));
                conn.written = Some((history, end));
            }
        });
    }

    /// What the end of a run shows: nothing refused stands anywhere.
    pub fn finish(&self, ledger: &Ledger) -> Result<(), Broken> {
        for mark in &self.refused {
            if let Some((h, at)) = ledger.mark(*mark) {
                let text = format!("the write {mark:?} was refused, and stands at {at} of {}", ledger.history(h).id);
                return Err(Broken::new(NAME, text));
            }
        }
        Ok(())
    }

    /// Acknowledged writes that are not in the line of `history`.
    pub fn lost(&self, ledger: &Ledger, history: HistoryId) -> usize {
        self.acknowledged.iter().filter(|(_, h, end)| !ledger.agree(*h, history, *end)).count()
    }
}

impl Window<'_> {
    /// The first position at which this answer may have been given.
    fn explain(&self, op: &Op, value: &Value) -> Result<u64, Why> {
        if self.ledger.is_blind(self.history) {
            return Ok(self.from);
        }
        match op {
            Op::Multi(list) => self.block(list, value),
            Op::Get(key) => self.read(*key, value),
            Op::Wait(..) => Ok(self.from),
            _ => self.write(op, value, None),
        }
    }

    /// A transaction: all of its answers, and all of its marked writes at one position.
    fn block(&self, list: &[Op], value: &Value) -> Result<u64, Why> {
        let answers = value.as_array().filter(|a| a.len() == list.len());
        let answers = answers.ok_or_else(|| Why::from("EXEC answers as many as were asked"))?;
        let mut end = None;
        for op in list {
            let mut apart = false;
            op.marks(&mut |mark| {
                if let Some((_, at)) = self.ledger.mark(mark) {
                    apart |= end.is_some_and(|end| end != at);
                    end = Some(at);
                }
            });
            if apart {
                return Err("the writes of one transaction stand apart".into());
            }
        }
        for (op, answer) in list.iter().zip(answers) {
            self.write(op, answer, end)?;
        }
        // Without a mark nothing says where it stands: the window stays as it is.
        Ok(end.unwrap_or(self.from))
    }

    /// `block`: inside a transaction that stands at this position. Its steps are checked against all states there.
    fn write(&self, op: &Op, value: &Value, block: Option<u64>) -> Result<u64, Why> {
        match op {
            Op::Set(_, mark, ..) if value.is("OK") => self.stands(*mark),
            Op::Append(key, mark, _) => {
                let len = value.as_i64().ok_or("APPEND answers a length")?;
                self.made(*key, *mark, |v| v.len as i64 == len)
            }
            Op::Incr(key, mark) => {
                let n = value.as_i64().ok_or("INCRBY answers a number")?;
                self.made(*key, *mark, |v| v.number == n)
            }
            Op::Collect(_, Some(mark)) => self.stands(*mark),
            // Without a mark nothing says where it stands.
            Op::Collect(_, None) => Ok(block.unwrap_or(self.from)),
            Op::Del(key) => self.effect(*key, value, block, |s| matches!(s, State::Absent)),
            Op::Expire(key, _) => self
                .effect(*key, value, block, |s| matches!(s, State::Value(v) if v.mortal) || matches!(s, State::Absent)),
            _ => Err("no such answer can come".into()),
        }
    }

    /// A marked write that was acknowledged: where it stands.
    fn stands(&self, mark: Mark) -> Result<u64, Why> {
        let (h, end) = self.ledger.mark(mark).ok_or("the acknowledged write stands in no history")?;
        let id = self.ledger.history(h).id;
        if end < self.from || end > self.to || !self.ledger.agree(h, self.history, end) {
            return Err(format!("the acknowledged write stands at {end} of {id}"));
        }
        Ok(end)
    }

    /// The same, and the state that it made.
    fn made(&self, key: Key, mark: Mark, fits: impl Fn(super::ledger::Value) -> bool) -> Result<u64, Why> {
        let end = self.stands(mark)?;
        let states = self.ledger.changes(self.history, self.place(key), end - 1, end);
        let fit = |(_, state): &(u64, State)| match state {
            State::Unknown => true,
            State::Value(v) => fits(*v),
            State::Absent => false,
        };
        if states.iter().any(fit) { Ok(end) } else { Err(format!("behind it the key is {states:?}")) }
    }

    /// A write without a mark: `1` needs a change that `made` it, `0` a state without the key.
    fn effect(&self, key: Key, value: &Value, block: Option<u64>, made: impl Fn(State) -> bool) -> Result<u64, Why> {
        let place = self.place(key);
        match value.as_i64() {
            Some(1) => {
                let (from, to) = block.map_or((self.from, self.to), |end| (end - 1, end));
                let changes = self.ledger.changes(self.history, place, from, to);
                let found = changes.iter().find(|(_, state)| made(*state) || *state == State::Unknown);
                found.map(|(at, _)| *at).ok_or_else(|| format!("no such change stands there: {changes:?}"))
            }
            // Inside a block the states between its steps count too.
            Some(0) => self.missing(place, block),
            _ => Err("the answer is 0 or 1".into()),
        }
    }

    fn missing(&self, place: Place, block: Option<u64>) -> Result<u64, Why> {
        let absent = |s: State| match s {
            State::Absent | State::Unknown => true,
            State::Value(v) => v.mortal,
        };
        let Some(end) = block else { return self.first(place, absent) };
        let before = self.ledger.state(self.history, place, end - 1);
        let changes = self.ledger.changes(self.history, place, end - 1, end);
        if absent(before) || changes.iter().any(|(_, s)| absent(*s)) {
            return Ok(end);
        }
        Err("the key was there all the time".into())
    }

    fn read(&self, key: Key, value: &Value) -> Result<u64, Why> {
        let fits = |state: State| match (state, value) {
            (State::Unknown, _) | (State::Absent, Value::Null) => true,
            // It may have expired for the reader before its DEL came.
            (State::Value(v), Value::Null) => v.mortal,
            (State::Value(v), Value::Bulk(bytes)) => v.is(bytes),
            _ => false,
        };
        self.first(self.place(key), fits)
    }

    /// The first position in the window at which the key's state fits.
    fn first(&self, place: Place, fits: impl Fn(State) -> bool) -> Result<u64, Why> {
        let state = self.ledger.state(self.history, place, self.from);
        if fits(state) {
            return Ok(self.from);
        }
        let changes = self.ledger.changes(self.history, place, self.from, self.to);
        // Steps of one transaction are seen only together: the last state of a position counts.
        for (i, (at, state)) in changes.iter().enumerate() {
            let last = changes.get(i + 1).is_none_or(|(next, _)| next != at);
            if last && fits(*state) {
                return Ok(*at);
            }
        }
        Err(format!("the key was {state:?}, then {changes:?}"))
    }

    fn place(&self, key: Key) -> Place {
        (self.db, key)
    }
}

fn short(value: &Value) -> String {
    let text = format!("{value:?}");
    match value {
        Value::Bulk(b) | Value::Simple(b) => format!("'{}'", b[..b.len().min(40)].escape_ascii()),
        _ if text.len() > 120 => format!("{}…", text.chars().take(120).collect::<String>()),
        _ => text,
    }
}
