//! A replica against bytes of a master that may be anything.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::door::Door;
use super::input::{Cuts, Draw, Line, script};
use crate::ids::ConnId;
use crate::machine::{Job, JobError, JobErrorKind, Outcome};
use crate::rdb::ReaderLimits;
use crate::replication::ReplId;
use crate::replication::follower::{Credentials, FollowerConfig};
use crate::replication::replica::{Call, Event, KeyValue, Part, Position, Replica, ReplicaConfig};
use crate::resp::{RequestLimits, Requests, parse_u64};

/// The history that a run may go on with.
const ID: &[u8; 40] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A script: what the master sends, with steps between (see [`Play::step`]). The last two bytes choose settings and
/// split. It is played twice, the second time with the bytes cut: all that comes out must be the same.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (settings, cuts) = (draw.last(), draw.last());
    let whole = Play::new(settings).run(draw.rest(), Cuts::new(0));
    let cut = Play::new(settings).run(draw.rest(), Cuts::new(cuts));
    assert_eq!(whole.told, cut.told, "what is told depends on the split");
    assert_eq!(whole.sent, cut.sent, "what is sent depends on the split");
}

struct Play {
    door: Door<Replica>,
    /// Connections are made at once, and the questions of the handshake answered as they come.
    easy: bool,
    at_once: bool,
    two_channel: bool,
    /// The one by which the master speaks.
    conn: Option<ConnId>,
    /// What the replica says on each connection.
    says: BTreeMap<ConnId, Requests>,
    sent: Vec<u8>,
    told: Vec<String>,
    grammar: Grammar,
}

impl Play {
    fn new(settings: u8) -> Self {
        let auth = (settings & 1 != 0).then(|| Credentials { user: Some(b"u".to_vec()), password: b"pw".to_vec() });
        let two_channel = settings & 16 != 0;
        // Whoever stops to read does so where a read ends, which is the split's: nothing is bounded here.
        let follower =
            FollowerConfig { auth, port: 7000, two_channel, stream_buffer: u64::MAX, ..FollowerConfig::default() };
        let at_once = settings & 2 == 0;
        let limits = if settings & 4 == 0 { ReaderLimits::default() } else { ReaderLimits { value: 10, whole: 100 } };
        let config = ReplicaConfig { follower, acknowledge_at_once: at_once, limits };
        let door = Door::new(Replica::new(config, [7; 32]));
        let easy = settings & 8 == 0;
        let says = BTreeMap::new();
        let grammar = Grammar::default();
        Self { door, easy, at_once, two_channel, conn: None, says, sent: Vec::new(), told: Vec::new(), grammar }
    }

    fn run(mut self, data: &[u8], mut cuts: Cuts) -> Self {
        self.step(if data.first() == Some(&b'~') { b'?' } else { b'f' });
        self.after();
        for line in script(data) {
            match line {
                Line::Step(step) => self.step(step),
                Line::Bytes(mut bytes) => {
                    while !bytes.is_empty() {
                        let piece = cuts.next(&mut bytes);
                        if let Some(conn) = self.conn {
                            self.door.receive(conn, piece);
                        }
                    }
                }
            }
            self.after();
        }
        self
    }

    fn step(&mut self, step: u8) {
        match step {
            b'c' | b'e' => self.conn.into_iter().for_each(|conn| self.door.end(conn, step == b'c')),
            // The other one of two connections speaks from here on.
            b'x' => self.conn = self.door.conns.iter().find(|(c, l)| l.up && Some(**c) != self.conn).map(|(c, _)| *c),
            b't' => self.door.pass(1_000_000),
            b'T' => self.door.pass(61_000_000),
            b'f' => self.follow("10.0.0.1", None),
            b'F' => self.follow("10.0.0.1", Some(Position { id: id(), offset: 41, db: 1 })),
            b'M' => self.follow("10.0.0.1", Some(Position { id: id(), offset: i64::MAX as u64, db: 0 })),
            b'n' => self.follow("master.example", None),
            b's' => self.call(Call::Stop),
            b'r' | b'R' => self.call(Call::Reading(step == b'R')),
            // Only a host that acknowledges by itself says what it is done with.
            b'a' if !self.at_once => self.call(Call::Applied(u64::MAX)),
            b'b' if !self.at_once => self.call(Call::Applied(50)),
            b'o' | b'O' => {
                let waiting = self.door.conns.iter().find(|(_, line)| !line.up).map(|(conn, _)| *conn);
                waiting.into_iter().for_each(|conn| self.door.connected(conn, step == b'o'));
            }
            b'j' | b'J' => self.job(step == b'j'),
            b'q' => self.door.late(),
            b'w' => self.door.jump(100_000_000),
            _ => {}
        }
    }

    fn follow(&mut self, host: &str, resume: Option<Position>) {
        self.grammar = Grammar::default();
        self.call(Call::Follow { host: host.into(), port: 6379, resume });
    }

    fn call(&mut self, call: Call) {
        self.door.feed(crate::Input::Call(call));
    }

    /// The oldest job ends: a name has an address, or none.
    fn job(&mut self, ok: bool) {
        let Some((op, job)) = self.door.jobs.pop_front() else { return };
        let result = match job {
            Job::Resolve { .. } if ok => Outcome::Resolved([IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))].into()),
            _ => Outcome::Failed(JobError { kind: JobErrorKind::NoSuchHost, message: "no such name".into() }),
        };
        self.door.done(op, &job, result);
    }

    /// Takes what came out, until nothing more does.
    fn after(&mut self) {
        loop {
            let waiting = self.door.conns.iter().find(|(_, line)| !line.up).map(|(conn, _)| *conn);
            if let Some(conn) = waiting.filter(|_| self.easy) {
                self.door.connected(conn, true);
            }
            let up: Vec<ConnId> = self.door.conns.iter().filter(|(_, line)| line.up).map(|(conn, _)| *conn).collect();
            let newest = up.last().copied();
            let is_new = newest.is_some_and(|conn| !self.says.contains_key(&conn));
            if is_new || self.conn.is_none_or(|conn| !up.contains(&conn)) {
                self.conn = newest;
            }
            if let Some(conn) = newest.filter(|_| is_new) {
                self.says.insert(conn, Requests::new());
                self.sent.extend_from_slice(b"\n-- a connection\n");
            }
            assert!(self.door.conns.len() <= if self.two_channel { 2 } else { 1 }, "more connections than a link has");
            for event in core::mem::take(&mut self.door.events) {
                let (read, _) = self.door.machine.follower().offsets();
                self.grammar.event(&event, read);
                self.tell(&event);
            }
            let mut any = false;
            for conn in up {
                let bytes = self.door.send(conn, 4096);
                any |= !bytes.is_empty();
                self.said(conn, &bytes);
            }
            if !any {
                return;
            }
        }
    }

    /// Pieces of a value are put together: where they end is the split's.
    fn tell(&mut self, event: &Event) {
        if let (Event::Piece(piece), Some(last)) = (event, self.told.last_mut().filter(|l| l.starts_with("piece "))) {
            last.extend(piece.escape_ascii().map(char::from));
            return;
        }
        self.told.push(match event {
            Event::Piece(piece) => format!("piece {}", piece.escape_ascii()),
            other => format!("{other:?}"),
        });
    }

    /// The replica says this to its master: it never claims what it does not have.
    fn said(&mut self, conn: ConnId, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        let mut input = bytes;
        let mut answer: Vec<u8> = Vec::new();
        let (read, applied) = self.door.machine.follower().offsets();
        let position = self.door.machine.position();
        let says = self.says.entry(conn).or_default();
        while let Some(args) = says.next(&mut input, &RequestLimits::default()).expect("a replica speaks RESP") {
            if args.is(0, "psync") && args.at(1) != b"?" {
                let asked = (ReplId::parse(args.at(1)).expect("an id"), parse_u64(args.at(2)).expect("an offset"));
                if let Some(position) = position.filter(|_| self.at_once) {
                    assert_eq!(asked, (position.id, position.offset.saturating_add(1)), "it asks for another place");
                }
            } else if args.is(1, "ack") {
                let ack = parse_u64(args.at(2)).expect("an offset in an acknowledgement");
                assert!(ack <= applied && applied <= read, "acknowledges {ack}, has applied {applied}, got {read}");
            } else if self.easy && (args.is(0, "ping") || args.is(0, "replconf") || args.is(0, "auth")) {
                answer.extend_from_slice(if args.is(0, "ping") { b"+PONG\r\n" } else { b"+OK\r\n" });
            }
        }
        if !answer.is_empty() {
            self.door.receive(conn, &answer);
        }
    }
}

fn id() -> ReplId {
    ReplId::parse(ID).expect("forty hexadecimal characters")
}

/// The order that events come in.
#[derive(Debug, Default)]
struct Grammar {
    snapshot: bool,
    /// Bytes of a value or an element that are still to come.
    pieces: Option<u64>,
    /// Inside of a value that is not whole.
    value: bool,
    /// Inside of what modules wrote beside the keys.
    aside: bool,
    last: Option<u64>,
    /// Inside of a MULTI block: every command stands at the place before it.
    multi: bool,
}

impl Grammar {
    fn event(&mut self, event: &Event, read: u64) {
        match event {
            Event::Log(_) => {}
            Event::SnapshotBegin { .. } => {
                assert!(!self.snapshot, "a snapshot begins inside of one");
                *self = Self { snapshot: true, ..Self::default() };
            }
            Event::Aux { .. } | Event::Function(_) => assert!(self.snapshot && !self.value),
            Event::Key(key) => {
                assert!(self.snapshot && !self.value, "a key inside of a value");
                (self.value, self.aside) = (!key.value.is_whole(), false);
                if let KeyValue::Pieces(len) = key.value {
                    self.pieces = Some(len);
                }
            }
            Event::Piece(piece) => {
                let left = self.pieces.expect("a piece of a value").checked_sub(piece.len() as u64);
                self.pieces = Some(left.expect("no more than was announced"));
            }
            Event::Part(part) => match part {
                Part::LongMember(len) | Part::LongField { len, .. } => {
                    assert_eq!(self.pieces.replace(*len), None, "an element inside of one");
                }
                Part::ElementEnd { .. } => assert_eq!(self.pieces.take(), Some(0), "an element is complete"),
                Part::Module(_) => assert!(self.value || self.aside),
                _ => assert!(self.value && self.pieces.is_none(), "a part of no value"),
            },
            Event::KeyEnd => {
                assert!(core::mem::take(&mut self.value), "the end of no value");
                assert_eq!(self.pieces.take().unwrap_or(0), 0, "a value is complete");
            }
            Event::ModuleAux { .. } | Event::KeyMeta { .. } => {
                assert!(self.snapshot && !self.value);
                self.aside = true;
            }
            Event::ModuleAuxEnd => assert!(core::mem::take(&mut self.aside)),
            Event::SnapshotEnd { position } => {
                assert!(core::mem::take(&mut self.snapshot) && !self.value, "an end without a beginning");
                self.last = Some(position.offset);
            }
            Event::Continued { .. } => {
                assert!(!self.snapshot);
                (self.last, self.multi) = (None, false);
            }
            Event::Command { command, .. } => {
                assert!(!self.snapshot, "a command inside of a snapshot");
                let (at, frame) = (command.position.offset, command.command.frame().len() as u64);
                assert!(at <= read, "a command at {at}, and {read} bytes came");
                let args = command.command.args();
                let (inside, multi) = (self.multi && !args.is(0, "exec"), args.is(0, "multi"));
                let last = self.last.unwrap_or(at);
                // What stands before a block may be a PING, which is shorter than MULTI.
                let ok = at == last || (at >= last + frame || multi && at > last) && !inside;
                assert!(ok, "a command of {frame} bytes goes from {last} to {at}, inside of MULTI: {inside}");
                self.multi = inside || multi;
                self.last = Some(at);
            }
            Event::Lost(_) => *self = Self { last: self.last, ..Self::default() },
        }
    }
}
