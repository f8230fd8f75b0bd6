//! A master against bytes of replicas that may be anything.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::door::{Door, somewhere};
use super::input::{Cuts, Draw, Line, script};
use super::served::{Histories, Served};
use crate::ids::ConnId;
use crate::machine::{Job, JobError, JobErrorKind, Outcome, SocketOptions};
use crate::replication::master::{Call, Event, Master, MasterConfig};
use crate::replication::source::{SnapshotKind, SnapshotWanted, SourceConfig};
use crate::resp::Command;

/// An hour and a bit, in steps in which all PINGs are sent.
const HOUR: usize = 10;

/// Connections at a time.
const SLOTS: usize = 4;

/// A script: what a replica sends, with steps between (see [`Play::step`]). The last two bytes choose settings and
/// split. It is played twice, the second time with the bytes cut: all that comes out must be the same.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (settings, cuts) = (draw.last(), draw.last());
    let whole = Play::new(settings).run(draw.rest(), Cuts::new(0));
    let cut = Play::new(settings).run(draw.rest(), Cuts::new(cuts));
    // A snapshot is wanted at the end of an input, so who asks and leaves in one read never wanted one.
    let wanted = |play: &Play| -> Vec<usize> {
        let lines = play.told.iter().enumerate();
        lines.filter(|(_, line)| line.starts_with("A snapshot is wanted")).map(|(i, _)| i).collect()
    };
    // Output limits are looked at there, too: in what else came by that input, the replica over one was still there.
    let limited = |play: &Play| play.told.iter().any(|line| line.contains("output buffer limits"));
    // And whoever came and left in two reads leaves a deadline behind: where not all are kept, one more PING was passed over.
    let hurried = whole.door.hurried || cut.door.hurried;
    if wanted(&whole) != wanted(&cut) || limited(&whole) || limited(&cut) || hurried {
        return;
    }
    assert_eq!(whole.told, cut.told, "what is told depends on the split");
    for (conn, served) in &whole.served {
        let other = cut.served.get(conn).map(|s| &s.bytes);
        assert_eq!(Some(&served.bytes), other, "what {conn:?} gets depends on the split");
    }
    if cuts == 0 {
        assert_eq!(whole.door.trace, cut.door.trace, "law 6: the same inputs, another run");
    }
}

fn source_config(settings: u8) -> SourceConfig {
    let small = settings & 1 != 0;
    SourceConfig {
        backlog_size: if small { 64 } else { 1 << 20 },
        output_hard: if small { 600 } else { 256 << 20 },
        diskless: settings & 2 == 0,
        diskless_delay: Duration::from_secs(if settings & 4 == 0 { 0 } else { 5 }),
        two_channel: settings & 64 != 0,
        snapshot_buffer: if settings & 8 == 0 { 256 << 20 } else { 300 },
        ..SourceConfig::default()
    }
}

struct Play {
    door: Door<Master>,
    settings: u8,
    slots: [Option<ConnId>; SLOTS],
    current: usize,
    served: BTreeMap<ConnId, Served>,
    histories: Histories,
    wanted: Option<SnapshotWanted>,
    producing: Option<Vec<u8>>,
    /// What replicas may get as a snapshot.
    produced: Vec<Vec<u8>>,
    told: Vec<String>,
    writes: usize,
    /// Where a replica that comes again goes on.
    place: Option<(crate::replication::ReplId, u64)>,
}

impl Play {
    fn new(settings: u8) -> Self {
        let config = MasterConfig {
            listen: somewhere(),
            password: (settings & 16 != 0).then(|| "secret".into()),
            connections: 3,
            options: SocketOptions::default(),
            source: source_config(settings),
        };
        let mut door = Door::new(Master::new(config, [7; 32]));
        door.feed(crate::Input::Tick);
        let mut play = Self {
            door,
            settings,
            slots: [None; SLOTS],
            current: 0,
            served: BTreeMap::new(),
            histories: Histories::default(),
            wanted: None,
            producing: None,
            produced: Vec::new(),
            told: Vec::new(),
            writes: 0,
            place: None,
        };
        play.job(true);
        play.step(b'0');
        play
    }

    fn run(mut self, data: &[u8], mut cuts: Cuts) -> Self {
        for line in script(data) {
            match line {
                Line::Step(step) => self.step(step),
                Line::Bytes(mut bytes) => {
                    while !bytes.is_empty() {
                        let piece = cuts.next(&mut bytes);
                        self.says(piece);
                    }
                }
            }
            self.after();
        }
        for _ in 0..100 {
            self.drain(usize::MAX);
        }
        // Whoever is online and took all that there was has all.
        let (id, offset) = (self.door.machine.source().id(), self.door.machine.source().offset());
        for conn in self.door.conns.keys() {
            let Some(served) = self.served.get(conn).filter(|served| served.online) else { continue };
            if let Some((theirs, at)) = served.position().filter(|(theirs, _)| *theirs == id) {
                assert_eq!(at, offset, "a replica of {theirs:?} is owed bytes that never come");
            }
        }
        self.after();
        self
    }

    fn conn(&self) -> Option<ConnId> {
        self.slots[self.current].filter(|conn| self.door.conns.contains_key(conn))
    }

    fn says(&mut self, bytes: &[u8]) {
        let Some(conn) = self.conn() else { return };
        if self.door.receive(conn, bytes)
            && let Some(served) = self.served.get_mut(&conn)
        {
            served.said(bytes);
        }
    }

    fn step(&mut self, step: u8) {
        match step {
            b'0'..=b'3' => {
                self.current = usize::from(step - b'0');
                if self.conn().is_none() {
                    self.slots[self.current] = self.door.accept();
                    self.slots[self.current].into_iter().for_each(|c| drop(self.served.insert(c, Served::new())));
                }
            }
            b'c' | b'e' => self.conn().into_iter().for_each(|conn| self.door.end(conn, step == b'c')),
            b't' => self.door.pass(1_000_000),
            b'T' => self.door.pass(61_000_000),
            b'h' => (0..HOUR).for_each(|_| self.door.pass(370_000_000)),
            b'w' => self.write(0, "v"),
            b'W' => self.write(1, &"x".repeat(100)),
            b'm' => self.call(Call::Append { db: None, command: Command::new(&["MULTI"]) }),
            b'g' => self.call(Call::RequestAcks),
            b'k' => {
                self.settings ^= 1;
                self.call(Call::Configure(source_config(self.settings)));
            }
            b'b' | b's' | b'S' | b'z' | b'x' => self.snapshot(step),
            b'p' => self.conn().into_iter().for_each(|conn| self.send(conn, 7)),
            b'd' => self.drain(usize::MAX),
            b'j' | b'J' => self.job(step == b'j'),
            b'q' => self.door.late(),
            b'P' | b'Q' => self.psync(step == b'P'),
            // The stream from here on, as a main connection asks that was told of the offset by another.
            b'M' => {
                let source = self.door.machine.source();
                let text = format!("PSYNC {} {}\r\n", source.id().as_str(), source.offset() + 1);
                self.says(text.as_bytes());
            }
            b'A' => {
                let at = self.conn().and_then(|c| self.served.get(&c)?.position());
                let n = at.map_or(0, |(_, at)| at);
                self.says(format!("REPLCONF ACK {n}\r\n").as_bytes());
            }
            _ => {}
        }
    }

    fn call(&mut self, call: Call) {
        self.door.feed(crate::Input::Call(call));
    }

    fn write(&mut self, db: u32, value: &str) {
        self.writes += 1;
        let key = format!("k{}", self.writes);
        self.call(Call::Append { db: Some(db), command: Command::new(&["SET", &key, value]) });
    }

    /// Asks to go on where a replica stood, or from the first byte.
    fn psync(&mut self, there: bool) {
        let Some((id, at)) = self.place else { return };
        let from = if there { at + 1 } else { 1 };
        self.says(b"REPLCONF capa eof capa psync2\r\n");
        // PSYNC is refused while an answer waits.
        self.conn().into_iter().for_each(|conn| self.send(conn, usize::MAX));
        self.says(format!("PSYNC {} {from}\r\n", id.as_str()).as_bytes());
    }

    /// The host makes a snapshot, in steps.
    fn snapshot(&mut self, step: u8) {
        match step {
            b'b' => {
                let Some(wanted) = self.wanted.take() else { return };
                self.producing = Some(Vec::new());
                self.call(Call::SnapshotBegin(wanted));
            }
            b's' | b'S' if self.producing.is_some() => {
                let len = if step == b's' { 7 } else { 400 };
                let piece: Vec<u8> = (0..len.min(self.door.machine.snapshot_room())).map(|i| (i * 7) as u8).collect();
                self.producing.iter_mut().for_each(|p| p.extend_from_slice(&piece));
                self.call(Call::Snapshot([Bytes::from(piece)].into()));
            }
            b'z' => {
                let Some(done) = self.producing.take() else { return };
                let len = done.len() as u64;
                self.produced.push(done);
                match self.door.machine.source().snapshot_under_way() {
                    Some(SnapshotKind::Socket) => self.call(Call::SnapshotEnd),
                    Some(SnapshotKind::File) => {
                        let file = format!("{}", self.produced.len() - 1);
                        self.call(Call::SnapshotFile { file: file.into(), len });
                    }
                    None => {}
                }
            }
            b'x' if self.producing.take().is_some() => self.call(Call::SnapshotFailed("disk full".into())),
            _ => {}
        }
    }

    /// The oldest job ends.
    fn job(&mut self, ok: bool) {
        let Some((op, job)) = self.door.jobs.pop_front() else { return };
        let result = match &job {
            Job::Listen { at, .. } => Outcome::Listening(at.clone()),
            Job::Read { file, at, len } if ok => {
                let bytes =
                    file.parse::<usize>().ok().and_then(|n| self.produced.get(n)).expect("a file that was made");
                let from = bytes.len().min(*at as usize);
                Outcome::Read(Bytes::copy_from_slice(&bytes[from..bytes.len().min(from + len)]))
            }
            _ => Outcome::Failed(JobError { kind: JobErrorKind::Other, message: "input/output error".into() }),
        };
        self.door.done(op, &job, result);
    }

    fn send(&mut self, conn: ConnId, budget: usize) {
        let bytes = self.door.send(conn, budget);
        if let Some(served) = self.served.get_mut(&conn) {
            served.got(&bytes, &mut self.histories);
            self.place = served.position().or(self.place);
            for snapshot in served.snapshots.drain(..) {
                assert!(self.produced.contains(&snapshot), "a snapshot that nobody made: {}", snapshot.escape_ascii());
            }
        }
    }

    fn drain(&mut self, budget: usize) {
        for conn in self.slots.into_iter().flatten() {
            self.send(conn, budget);
        }
    }

    fn after(&mut self) {
        if self.settings & 32 == 0 {
            self.drain(1 << 16);
        }
        for event in core::mem::take(&mut self.door.events) {
            match &event {
                Event::SnapshotWanted(wanted) => self.wanted = Some(*wanted),
                Event::SnapshotUnwanted => self.producing = None,
                _ => {}
            }
            // What is told at the end of an input about all of it depends on what one input is.
            if matches!(event, Event::Log(_) | Event::SnapshotWanted(_)) {
                self.told.push(format!("{event}"));
            }
        }
        let source = self.door.machine.source();
        assert!(source.log().start() <= source.offset() && source.replica_count() <= SLOTS);
    }
}
