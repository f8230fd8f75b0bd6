//! What happened in a run, for people: who there was, what was sent, what each was at which time, what went wrong.
//!
//! A [`Story`] is told while a run goes on (by the world, by a replay) and shown by [`page`](super::page). It is
//! bounded by [`Limits`]: where something has no room the oldest of its kind goes, because what is looked for stands
//! at the end of a run more often than at its beginning. What went is counted ([`Story::left_out`]), and the page
//! says so. All times are instants of one clock, the world's.
//!
//! ```
//! use primacy_core::sim::story::{BandKind, LaneKind, Limits, Mark, MarkKind, Story};
//! use primacy_core::time::Instant;
//!
//! let at = Instant::from_micros;
//! let mut story = Story::new("a lost PING", "primacy sim --seed 7", Limits::default());
//! let (client, node) = (story.lane("client", LaneKind::Client), story.lane("a", LaneKind::Node));
//! story.band(node, BandKind::Role, "master", at(0));
//! let cut = story.mark(Mark::new(at(500), MarkKind::Fault, "partition client | a").on(client).and(node));
//! let ping = story.sent(client, node, 1, at(1_000), b"PING\r\n");
//! story.lost(ping, at(1_800));
//! story.ended(cut, at(2_000));
//! story.finish(at(3_000));
//! assert!(primacy_core::sim::page::render(&story).contains("a lost PING"));
//! ```

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::machine::Level;
use crate::time::Instant;

/// How much a story holds at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Lanes; what is said of later ones is left out.
    pub lanes: usize,
    /// Messages; the oldest goes first.
    pub messages: usize,
    /// Bytes that are kept of one message, from its beginning.
    pub message_bytes: usize,
    /// Bytes that are kept of all messages together; the oldest message goes first.
    pub bytes: usize,
    /// Bands over all lanes; the oldest goes first.
    pub bands: usize,
    /// Faults, violations and notes; the oldest goes first.
    pub marks: usize,
    /// Log lines and inputs; the oldest goes first.
    pub lines: usize,
    /// Bytes of one text (a log line, a name, the command); a longer one is cut and ends in `…`.
    pub text: usize,
    /// Facts about the run; later ones are left out.
    pub facts: usize,
}

impl Default for Limits {
    /// What a browser shows without effort: a page of at most about 20 MB.
    fn default() -> Self {
        Self {
            lanes: 64,
            messages: 20_000,
            message_bytes: 2_048,
            bytes: 8 << 20,
            bands: 5_000,
            marks: 5_000,
            lines: 20_000,
            text: 1_000,
            facts: 32,
        }
    }
}

/// How much of each kind had no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of messages that were kept in part.
    pub bytes: u64,
    /// Bands.
    pub bands: u64,
    /// Faults, violations and notes.
    pub marks: u64,
    /// Log lines and inputs.
    pub lines: u64,
}

/// A lane, as [`Story::lane`] gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LaneId(u32);

impl LaneId {
    /// Its place, from 0 in the order of [`Story::lane`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A message, as [`Story::sent`] gave it. Stays valid after the message left the story: what is then said of it is
/// ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(u64);

/// A mark, as [`Story::mark`] gave it. Stays valid after the mark left the story.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MarkId {
    line: bool,
    serial: u64,
}

/// One participant: a machine, a client, a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: LaneKind,
}

/// What a lane is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LaneKind {
    /// A server.
    Node,
    /// A sentinel.
    Sentinel,
    /// A client that works or observes.
    Client,
    /// The other end of a connection of which nothing else is known (a replay).
    Peer,
}

/// Bytes that one write put on a connection, and what became of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who sent.
    pub from: LaneId,
    /// To whom.
    pub to: LaneId,
    /// The connection; one number for both directions, not used again in the story.
    pub conn: u64,
    /// When the sender's kernel took the bytes.
    pub sent: Instant,
    /// What became of them.
    pub fate: Fate,
    /// Its first bytes, at most [`Limits::message_bytes`].
    pub head: Vec<u8>,
    /// How many bytes it has.
    pub len: usize,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// Nothing yet.
    OnTheWay,
    /// The receiver had all of it at this time.
    Arrived(Instant),
    /// It was given up at this time: the connection broke, a host went down.
    Lost(Instant),
}

/// What somebody was for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Band {
    /// Who.
    pub lane: LaneId,
    /// In which respect.
    pub kind: BandKind,
    /// What: `master`, `epoch 3`, `connected to a`.
    pub text: String,
    /// Since when.
    pub from: Instant,
    /// Until when; none: to the end of the run.
    pub to: Option<Instant>,
}

/// In which respect somebody was something. A lane has at most one band of each kind at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum BandKind {
    /// Its role: `master`, `replica`, `leader`.
    Role,
    /// Its epoch or replication id.
    Epoch,
    /// Its link to its master.
    Link,
    /// That its process is not running as it should: `down`, `paused`. A process that runs has no band.
    Process,
}

/// Something that happened at one time, or for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// When it happened or began.
    pub at: Instant,
    /// What it is.
    pub kind: MarkKind,
    /// How grave.
    pub level: Level,
    /// What to read there.
    pub text: String,
    /// Whom it concerns; none: everybody.
    pub lane: Option<LaneId>,
    /// The other one that it concerns: a partition has two sides.
    pub other: Option<LaneId>,
    /// When it was over; none: at once, or (a fault) never.
    pub until: Option<Instant>,
    /// Whether it lasts until somebody says that it ended. Only faults last.
    pub lasts: bool,
}

/// What a mark is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MarkKind {
    /// Something was broken on purpose.
    Fault,
    /// An invariant or a law does not hold.
    Violation,
    /// A phase of the run, a remark.
    Note,
    /// A line of the log.
    Log,
    /// Something that a machine was told and that is no message: a call, a signal, a job's end.
    Input,
}

impl MarkKind {
    /// Whether it comes in the numbers of a log.
    const fn is_line(self) -> bool {
        matches!(self, Self::Log | Self::Input)
    }
}

impl Mark {
    /// A mark that concerns everybody, at one time; level [`Level::Notice`], a violation [`Level::Warning`].
    pub fn new(at: Instant, kind: MarkKind, text: impl Into<String>) -> Self {
        let level = if kind == MarkKind::Violation { Level::Warning } else { Level::Notice };
        Self { at, kind, level, text: text.into(), lane: None, other: None, until: None, lasts: false }
    }

    /// Whom it concerns.
    pub fn on(mut self, lane: LaneId) -> Self {
        self.lane = Some(lane);
        self
    }

    /// The other one that it concerns.
    pub fn and(mut self, other: LaneId) -> Self {
        self.other = Some(other);
        self
    }

    /// How grave it is.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// When it is over, where that is known already.
    pub fn until(mut self, at: Instant) -> Self {
        self.until = Some(at);
        self
    }

    /// That it lasts until [`Story::ended`], else to the end of the run.
    pub fn lasting(mut self) -> Self {
        self.lasts = true;
        self
    }
}

/// A list that holds at most so many; the oldest goes first. Serial numbers stay.
#[derive(Clone, Debug)]
struct Newest<T> {
    list: VecDeque<T>,
    /// Serial number of the first one in the list, which is how many went.
    gone: u64,
}

impl<T> Newest<T> {
    const fn new() -> Self {
        Self { list: VecDeque::new(), gone: 0 }
    }

    /// Appends; gives its serial number and what had to go for it.
    fn push(&mut self, item: T, max: usize) -> (u64, Option<T>) {
        let serial = self.gone + self.list.len() as u64;
        self.list.push_back(item);
        let went = if self.list.len() > max { self.pop() } else { None };
        (serial, went)
    }

    fn pop(&mut self) -> Option<T> {
        let went = self.list.pop_front()?;
        self.gone += 1;
        Some(went)
    }

    fn get_mut(&mut self, serial: u64) -> Option<&mut T> {
        let index = usize::try_from(serial.checked_sub(self.gone)?).ok()?;
        self.list.get_mut(index)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &T)> {
        (self.gone..).zip(&self.list)
    }
}

/// What happened in a run. See the [module](self) for how it is told.
#[derive(Clone, Debug)]
pub struct Story {
    title: String,
    command: String,
    limits: Limits,
    end: Instant,
    facts: Vec<(String, String)>,
    lanes: Vec<Lane>,
    /// How many were asked for, with those that have no room.
    lanes_named: u32,
    messages: Newest<Message>,
    /// Bytes in the heads of all messages.
    bytes: usize,
    bytes_left_out: u64,
    /// How many messages named a lane that has no room, or were left out by the teller.
    untold: u64,
    bands: Newest<Band>,
    marks: Newest<Mark>,
    lines: Newest<Mark>,
}

impl Story {
    /// An empty story: its title, and the command that repeats the run (empty: there is none).
    pub fn new(title: impl Into<String>, command: impl Into<String>, limits: Limits) -> Self {
        Self {
            title: cut(title.into(), limits.text),
            command: cut(command.into(), limits.text),
            limits,
            end: Instant::ZERO,
            facts: Vec::new(),
            lanes: Vec::new(),
            lanes_named: 0,
            messages: Newest::new(),
            bytes: 0,
            bytes_left_out: 0,
            untold: 0,
            bands: Newest::new(),
            marks: Newest::new(),
            lines: Newest::new(),
        }
    }

    /// Says something about the whole run: `seed`, `7`. A name that was said before takes the new value.
    pub fn fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (cut(name.into(), self.limits.text), cut(value.into(), self.limits.text));
        if let Some(fact) = self.facts.iter_mut().find(|(n, _)| *n == name) {
            fact.1 = value;
        } else if self.facts.len() < self.limits.facts {
            self.facts.push((name, value));
        }
    }

    /// Adds a participant. One past [`Limits::lanes`] gets an id too, but what is said of it is left out.
    pub fn lane(&mut self, name: impl Into<String>, kind: LaneKind) -> LaneId {
        let id = LaneId(self.lanes_named);
        self.lanes_named = self.lanes_named.saturating_add(1);
        if self.lanes.len() < self.limits.lanes {
            self.lanes.push(Lane { name: cut(name.into(), self.limits.text), kind });
        }
        id
    }

    /// Gives a lane another name: who somebody is may show late.
    pub fn name_lane(&mut self, lane: LaneId, name: impl Into<String>) {
        if let Some(lane) = self.lanes.get_mut(lane.index()) {
            lane.name = cut(name.into(), self.limits.text);
        }
    }

    /// Counts a message as left out: one of before the part that is told. The page then knows that connections have a
    /// beginning that it does not see.
    pub fn leave_out_message(&mut self) {
        self.untold += 1;
    }

    /// Bytes went out on a connection. Say later that they [`arrived`](Self::arrived) or were [`lost`](Self::lost).
    ///
    /// In each direction of a connection messages are told in the order of their bytes, and an answer after what it
    /// answers: the page decodes a direction as one stream, and takes who speaks first for the one who connected. Times
    /// need no order.
    pub fn sent(&mut self, from: LaneId, to: LaneId, conn: u64, at: Instant, bytes: &[u8]) -> MessageId {
        if !self.knows(from) || !self.knows(to) {
            self.untold += 1;
            return MessageId(u64::MAX);
        }
        self.reaches(at);
        let head = bytes[..bytes.len().min(self.limits.message_bytes)].to_vec();
        self.bytes += head.len();
        self.bytes_left_out += (bytes.len() - head.len()) as u64;
        let message = Message { from, to, conn, sent: at, fate: Fate::OnTheWay, head, len: bytes.len() };
        let (serial, went) = self.messages.push(message, self.limits.messages);
        self.bytes -= went.map_or(0, |m| m.head.len());
        while self.bytes > self.limits.bytes {
            let Some(went) = self.messages.pop() else { break };
            self.bytes -= went.head.len();
        }
        MessageId(serial)
    }

    /// The receiver has the message. Said again it counts later: a message that was read in pieces arrived with its
    /// last one.
    pub fn arrived(&mut self, message: MessageId, at: Instant) {
        self.fate(message, Fate::Arrived(at), at);
    }

    /// The message was given up.
    pub fn lost(&mut self, message: MessageId, at: Instant) {
        self.fate(message, Fate::Lost(at), at);
    }

    fn fate(&mut self, message: MessageId, fate: Fate, at: Instant) {
        self.reaches(at);
        if let Some(m) = self.messages.get_mut(message.0) {
            m.fate = fate;
        }
    }

    /// From `at` on the lane is `text` in this respect; what it was before ends there. The same text again goes on.
    pub fn band(&mut self, lane: LaneId, kind: BandKind, text: impl Into<String>, at: Instant) {
        if !self.knows(lane) {
            return;
        }
        let text = cut(text.into(), self.limits.text);
        if self.open_band(lane, kind).is_some_and(|b| b.text == text) {
            return;
        }
        self.end_band(lane, kind, at);
        self.bands.push(Band { lane, kind, text, from: at, to: None }, self.limits.bands);
    }

    /// From `at` on the lane is nothing in this respect.
    pub fn end_band(&mut self, lane: LaneId, kind: BandKind, at: Instant) {
        self.reaches(at);
        if let Some(open) = self.open_band(lane, kind) {
            open.to = Some(at.max(open.from));
        }
    }

    /// The lane's band of this kind that goes on; it is the newest of its kind.
    fn open_band(&mut self, lane: LaneId, kind: BandKind) -> Option<&mut Band> {
        self.bands.list.iter_mut().rev().find(|b| b.lane == lane && b.kind == kind).filter(|b| b.to.is_none())
    }

    /// Something happened.
    pub fn mark(&mut self, mut mark: Mark) -> MarkId {
        self.reaches(mark.until.unwrap_or(mark.at).max(mark.at));
        mark.text = cut(mark.text, self.limits.text);
        mark.lane = mark.lane.filter(|l| self.knows(*l));
        mark.other = mark.other.filter(|l| self.knows(*l));
        let line = mark.kind.is_line();
        let (serial, _) =
            if line { self.lines.push(mark, self.limits.lines) } else { self.marks.push(mark, self.limits.marks) };
        MarkId { line, serial }
    }

    /// What a mark stands for is over.
    pub fn ended(&mut self, mark: MarkId, at: Instant) {
        self.reaches(at);
        let list = if mark.line { &mut self.lines } else { &mut self.marks };
        if let Some(m) = list.get_mut(mark.serial) {
            m.until = Some(at.max(m.at));
        }
    }

    /// The run ended at `at`. Said or not, a story reaches at least to the last thing that happened in it.
    pub fn finish(&mut self, at: Instant) {
        self.reaches(at);
    }

    fn reaches(&mut self, at: Instant) {
        self.end = self.end.max(at);
    }

    fn knows(&self, lane: LaneId) -> bool {
        lane.index() < self.lanes.len()
    }

    /// Its title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Gives it another title: what came of the run is known only at its end.
    pub fn set_title(&mut self, title: impl Into<String>) {
        self.title = cut(title.into(), self.limits.text);
    }

    /// The command that repeats the run.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// What it holds at most.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// When it ends.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// What was said about the whole run, in order.
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// All participants; [`LaneId::index`] is the place in this list.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The messages that it holds with their serial numbers, in the order they were told.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.messages.numbered()
    }

    /// The bands that it holds, in the order they began.
    pub fn bands(&self) -> impl Iterator<Item = &Band> {
        self.bands.list.iter()
    }

    /// The faults, violations and notes that it holds, in the order they were told.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.list.iter()
    }

    /// The log lines and inputs that it holds, in the order they were told.
    pub fn lines(&self) -> impl Iterator<Item = &Mark> {
        self.lines.list.iter()
    }

    /// How much had no room.
    pub fn left_out(&self) -> LeftOut {
        LeftOut {
            messages: self.messages.gone + self.untold,
            bytes: self.bytes_left_out,
            bands: self.bands.gone,
            marks: self.marks.gone,
            lines: self.lines.gone,
        }
    }
}

/// `text`, or so much of it that it is at most `max` bytes with an `…` behind.
fn cut(mut text: String, max: usize) -> String {
    const DOTS: &str = "…";
    if text.len() > max {
        let mut end = max.saturating_sub(DOTS.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(DOTS);
    }
    text
}

#[cfg(test)]
mod tests;
