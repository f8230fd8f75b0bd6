//! A master and a replica wired to each other: bytes in random pieces, links that break, time that passes.

mod alive;
mod found;
mod two_channel;
mod versions;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use quickcheck::quickcheck;

use crate::ids::ConnId;
use crate::machine::{Action, Actions, Chunks, Closed, Endpoint, Input, Job, Machine, Outcome, Path, SocketOptions};
use crate::rdb::{Body, Options, ReaderLimits, Writer};
use crate::resp::Command;
use crate::rng::Rng;
use crate::time::Now;

use super::follower::{Credentials, FollowerConfig};
use super::master::{self, Master, MasterConfig};
use super::replica::{self, KeyValue, Replica, ReplicaConfig};
use super::source::{SnapshotKind, SourceConfig};

type Data = BTreeMap<(u32, Bytes), Bytes>;

/// A connection between the two.
struct Line {
    /// The replica's id of it, and the master's.
    ours: ConnId,
    theirs: ConnId,
    to_master: Vec<u8>,
    to_replica: Vec<u8>,
    /// Whether the master and the replica asked for writes.
    writes: (bool, bool),
    /// Whether the replica reads.
    reads: bool,
}

struct World {
    now: Now,
    rng: Rng,
    master: Master,
    replica: Replica,
    /// Oldest first.
    lines: Vec<Line>,
    accepted: u64,
    data: Data,
    /// What the replica made of what it was given.
    copy: Data,
    loading: Option<Data>,
    piece: Option<((u32, Bytes), Vec<u8>)>,
    /// The snapshot that is being given to the master, in pieces.
    production: Option<Vec<Bytes>>,
    files: BTreeMap<Path, Vec<u8>>,
    jobs: Vec<(crate::ids::OpId, Job)>,
    events: Vec<replica::Event>,
    counts: (u32, u32),
    /// The master hears nothing of Redis's dialect.
    valkey: bool,
    /// How many connections there were at a time.
    most: usize,
}

fn config(diskless: bool) -> SourceConfig {
    SourceConfig { diskless, diskless_delay: Duration::from_millis(200), backlog_size: 2000, ..SourceConfig::default() }
}

impl World {
    fn new(seed: u64, diskless: bool) -> Self {
        Self::with(seed, config(diskless), FollowerConfig::default())
    }

    fn with(seed: u64, source: SourceConfig, follower: FollowerConfig) -> Self {
        let mut rng = Rng::new([seed as u8; 32]);
        for _ in 0..seed % 7 {
            rng.next_u64();
        }
        let master_config = MasterConfig {
            listen: Endpoint::Tcp("127.0.0.1:1".parse().unwrap()),
            password: Some("secret".into()),
            connections: 10,
            options: SocketOptions::default(),
            source,
        };
        let auth = Some(Credentials { user: None, password: b"secret".to_vec() });
        let replica_config = ReplicaConfig {
            follower: FollowerConfig { auth, port: 7777, ..follower },
            acknowledge_at_once: true,
            limits: ReaderLimits::default(),
        };
        let mut w = Self {
            now: Now::default(),
            rng,
            master: Master::new(master_config, [1; 32]),
            replica: Replica::new(replica_config, [2; 32]),
            lines: Vec::new(),
            accepted: 0,
            data: Data::new(),
            copy: Data::new(),
            loading: None,
            piece: None,
            production: None,
            files: BTreeMap::new(),
            jobs: Vec::new(),
            events: Vec::new(),
            counts: (0, 0),
            valkey: false,
            most: 0,
        };
        w.master(Input::Tick);
        let follow = replica::Call::Follow { host: "127.0.0.1".into(), port: 1, resume: None };
        w.replica(Input::Call(follow));
        w
    }

    fn set(&mut self, db: u32, key: &str, len: usize) {
        let value = Bytes::from(vec![key.len() as u8 + b'a'; len]);
        let command = Command::new(&[b"SET", key.as_bytes(), &value]);
        self.data.insert((db, Bytes::copy_from_slice(key.as_bytes())), value);
        self.master(Input::Call(master::Call::Append { db: Some(db), command }));
    }

    fn master(&mut self, input: Input<'_, master::Call>) {
        let mut out = Actions::new();
        self.master.handle(self.now, input, &mut out);
        assert!(self.master.deadline().is_none_or(|at| at > self.now.mono), "a deadline in the past");
        for action in out.drain() {
            match action {
                Action::Close { conn } => self.cut_at(conn),
                Action::Interest { conn, write, .. } => {
                    self.lines.iter_mut().filter(|l| l.theirs == conn).for_each(|l| l.writes.0 = write);
                }
                Action::Start { op, job } => self.jobs.push((op, job)),
                Action::Event(master::Event::SnapshotWanted(wanted)) => {
                    self.master(Input::Call(master::Call::SnapshotBegin(wanted)));
                    self.capture(wanted.kind);
                }
                Action::Event(master::Event::SnapshotUnwanted) => self.production = None,
                _ => {}
            }
        }
    }

    fn capture(&mut self, kind: SnapshotKind) {
        let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
        let mut body = Body::new(Options::default());
        for ((db, key), value) in &self.data {
            body.string(*db, key, None, value);
        }
        writer.absorb(&mut body);
        writer.finish();
        let pieces: Vec<Bytes> = writer.out().drain().collect();
        match kind {
            SnapshotKind::Socket => self.production = Some(pieces),
            SnapshotKind::File => {
                let (file, bytes): (Path, _) = ("dump".into(), pieces.concat());
                let len = bytes.len() as u64;
                self.files.insert(file.clone(), bytes);
                self.master(Input::Call(master::Call::SnapshotFile { file, len }));
            }
        }
    }

    fn replica(&mut self, input: Input<'_, replica::Call>) {
        let mut out = Actions::new();
        self.replica.handle(self.now, input, &mut out);
        assert!(self.replica.deadline().is_none_or(|at| at > self.now.mono), "a deadline in the past");
        for action in out.drain() {
            match action {
                Action::Connect { conn, .. } => {
                    self.accepted += 1;
                    let at = || Endpoint::Tcp("127.0.0.1:5".parse().unwrap());
                    let accepted = ConnId::accepted(self.accepted);
                    let listener = crate::ids::OpId::from_u64(1);
                    self.lines.push(Line {
                        ours: conn,
                        theirs: accepted,
                        to_master: Vec::new(),
                        to_replica: Vec::new(),
                        writes: (false, false),
                        reads: true,
                    });
                    self.most = self.most.max(self.lines.len());
                    self.master(Input::Accepted { conn: accepted, listener, local: at(), peer: at(), tls: false });
                    self.replica(Input::Connected { conn, local: at(), peer: at(), tls: false });
                }
                Action::Close { conn } => self.cut_at(conn),
                Action::Interest { conn, read, write } => {
                    self.lines
                        .iter_mut()
                        .filter(|l| l.ours == conn)
                        .for_each(|l| (l.reads, l.writes.1) = (read, write));
                }
                Action::Event(event) => {
                    self.take(&event);
                    self.events.push(event);
                }
                _ => {}
            }
        }
    }

    /// What the replica's events say goes into the copy.
    fn take(&mut self, event: &replica::Event) {
        match event {
            replica::Event::SnapshotBegin { .. } => {
                self.counts.0 += 1;
                self.loading = Some(Data::new());
            }
            replica::Event::Continued { .. } => self.counts.1 += 1,
            replica::Event::Key(key) => {
                let place = (u32::try_from(key.db).unwrap(), key.key.clone());
                match &key.value {
                    KeyValue::String(value) => drop(self.loading.as_mut().unwrap().insert(place, value.clone())),
                    KeyValue::Pieces(_) => self.piece = Some((place, Vec::new())),
                    other => panic!("only strings were written: {other:?}"),
                }
            }
            replica::Event::Piece(bytes) => self.piece.as_mut().unwrap().1.extend_from_slice(bytes),
            replica::Event::KeyEnd => {
                let (place, value) = self.piece.take().unwrap();
                self.loading.as_mut().unwrap().insert(place, value.into());
            }
            replica::Event::SnapshotEnd { .. } => self.copy = self.loading.take().unwrap(),
            replica::Event::Command { db, command } => {
                let args = command.command.args();
                assert!(args.is(0, "set"), "only SET was written");
                let copy = Bytes::copy_from_slice;
                self.copy.insert((*db, copy(args.at(1))), copy(args.at(2)));
            }
            _ => {}
        }
    }

    /// A connection is closed by one who hears nothing of it; the other gets what was under way first.
    fn cut_at(&mut self, closed: ConnId) {
        let Some(i) = self.lines.iter().position(|l| l.ours == closed || l.theirs == closed) else { return };
        let line = self.lines.remove(i);
        if line.ours == closed {
            self.master(Input::Closed { conn: line.theirs, reason: Closed::Reset });
        } else {
            if !line.to_replica.is_empty() {
                self.replica(Input::Received { conn: line.ours, bytes: &line.to_replica });
            }
            self.replica(Input::Closed { conn: line.ours, reason: Closed::Reset });
        }
    }

    /// One of the connections breaks; both hear of it.
    fn cut(&mut self) {
        if !self.lines.is_empty() {
            let i = self.rng.below(self.lines.len() as u64) as usize;
            self.cut_line(i);
        }
    }

    fn cut_line(&mut self, i: usize) {
        let line = self.lines.remove(i);
        self.master(Input::Closed { conn: line.theirs, reason: Closed::Reset });
        self.replica(Input::Closed { conn: line.ours, reason: Closed::Reset });
    }

    /// The ends of the oldest connection.
    fn link(&self) -> Option<(ConnId, ConnId)> {
        self.lines.first().map(|l| (l.ours, l.theirs))
    }

    fn line(&mut self, ours: ConnId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|l| l.ours == ours)
    }

    /// Lets a random number of bytes go from one end to the other.
    fn flow(&mut self) -> bool {
        let ends: Vec<ConnId> = self.lines.iter().map(|l| l.ours).collect();
        let mut moved = 0;
        for ours in ends {
            moved += self.flow_on(ours);
        }
        moved > 0 || self.produce() || self.work()
    }

    fn flow_on(&mut self, ours: ConnId) -> usize {
        let budget = 1 + self.rng.below(3000) as usize;
        let Some(Line { theirs, writes, to_replica, reads, .. }) = self.line(ours) else { return 0 };
        let (theirs, wanted) = (*theirs, writes.0);
        // A pipe takes no more while nobody reads at its end.
        let open = *reads || to_replica.len() < 10_000;
        let mut moved = 0;
        if open {
            let mut chunks = Chunks::new();
            self.master.transmit(theirs, budget, &mut chunks);
            moved = chunks.bytes();
            assert_eq!(moved > 0, wanted, "bytes and the word of bytes go together (master)");
            if let Some(line) = self.line(ours) {
                chunks.iter().for_each(|c| line.to_replica.extend_from_slice(c));
            }
            if moved > 0 {
                self.master(Input::Sent { conn: theirs, len: moved });
            }
        }
        if let Some(wanted) = self.line(ours).map(|l| l.writes.1) {
            let mut chunks = Chunks::new();
            self.replica.transmit(ours, if self.valkey { 1 << 20 } else { budget }, &mut chunks);
            let sent = chunks.bytes();
            assert_eq!(sent > 0, wanted, "bytes and the word of bytes go together (replica)");
            let mut bytes = chunks.concat();
            if let Some(at) = bytes.windows(16).position(|w| w == b"rdb-channel-repl").filter(|_| self.valkey) {
                bytes[at..at + 16].copy_from_slice(b"nobody-knows-it!");
            }
            if let Some(line) = self.line(ours) {
                line.to_master.extend_from_slice(&bytes);
            }
            if sent > 0 {
                self.replica(Input::Sent { conn: ours, len: sent });
            }
        }
        moved + self.deliver(ours, true) + self.deliver(ours, false)
    }

    fn deliver(&mut self, ours: ConnId, to_master: bool) -> usize {
        let Some(line) = self.lines.iter_mut().find(|l| l.ours == ours) else { return 0 };
        let theirs = line.theirs;
        let wire = if to_master { &mut line.to_master } else { &mut line.to_replica };
        if wire.is_empty() || (!to_master && !line.reads) {
            return 0;
        }
        let n = 1 + self.rng.below(wire.len() as u64) as usize;
        let bytes: Vec<u8> = wire.drain(..n).collect();
        if to_master {
            self.master(Input::Received { conn: theirs, bytes: &bytes });
        } else {
            self.replica(Input::Received { conn: ours, bytes: &bytes });
        }
        n
    }

    /// Gives the master a piece of the snapshot, if it has room.
    fn produce(&mut self) -> bool {
        let Some(pieces) = &mut self.production else { return false };
        if self.master.snapshot_room() == 0 {
            return false;
        }
        let call = if pieces.is_empty() {
            self.production = None;
            master::Call::SnapshotEnd
        } else {
            master::Call::Snapshot(vec![pieces.remove(0)])
        };
        self.master(Input::Call(call));
        true
    }

    /// Does one of the master's jobs.
    fn work(&mut self) -> bool {
        if self.jobs.is_empty() {
            return false;
        }
        let (op, job) = self.jobs.remove(0);
        let result = match job {
            Job::Read { file, at, len } => {
                let bytes = &self.files[&file];
                let from = (at as usize).min(bytes.len());
                Outcome::Read(Bytes::copy_from_slice(&bytes[from..(from + len).min(bytes.len())]))
            }
            Job::Listen { at, .. } => Outcome::Listening(at),
            other => panic!("no such job: {other:?}"),
        };
        self.master(Input::Done { op, result });
        true
    }

    fn pass(&mut self, ms: u64) {
        let to = self.now.mono + Duration::from_millis(ms);
        loop {
            let next = [self.master.deadline(), self.replica.deadline()].into_iter().flatten().min();
            let Some(at) = next.filter(|&at| at <= to) else { break };
            self.now.mono = at;
            self.master(Input::Tick);
            self.replica(Input::Tick);
        }
        self.now.mono = to;
    }

    /// Runs until the replica has all: within a few seconds of its time.
    fn settle(&mut self) {
        for _ in 0..80 {
            while self.flow() {}
            let done = self.replica.follower().state() == super::LinkState::Connected
                && self.replica.follower().offsets().1 == self.master.source().offset();
            if done && self.copy == self.data && self.master.source().all_acked(self.master.source().offset()) {
                return;
            }
            self.pass(50);
        }
        let (f, s) = (self.replica.follower(), self.master.source());
        let rows: Vec<_> = s.replicas(self.now.mono).map(|r| std::format!("{r:?}")).collect();
        panic!("no convergence: {:?} {:?} {} {rows:?} {:?}", f.state(), f.offsets(), s.offset(), self.events.last());
    }
}

/// Writes, cuts and passing time in any order: the replica always gets there.
fn converges(seed: u64, diskless: bool, ops: &[(u8, u16)]) -> bool {
    let mut w = World::new(seed, diskless);
    w.set(0, "first", 30_000);
    for &(op, n) in ops.iter().take(60) {
        match op % 8 {
            0..=2 => w.set(u32::from(n % 3), &std::format!("k{}", n % 50), usize::from(n) % 700),
            3 => w.set(2, "big", usize::from(n)),
            4 => {
                w.flow();
            }
            5 => {
                for _ in 0..n % 30 {
                    w.flow();
                }
            }
            6 => w.pass(u64::from(n) % 1500),
            _ => w.cut(),
        }
    }
    w.settle();
    w.settle();
    let c = w.master.source().counters();
    // Each full resync that was begun was counted by both.
    c.full >= u64::from(w.counts.0) && c.partial_ok >= u64::from(w.counts.1)
}

quickcheck! {
    fn a_replica_converges_over_sockets(seed: u64, ops: Vec<(u8, u16)>) -> bool {
        converges(seed, true, &ops)
    }

    fn a_replica_converges_by_files(seed: u64, ops: Vec<(u8, u16)>) -> bool {
        converges(seed, false, &ops)
    }
}

#[test]
fn a_cut_link_goes_on_where_it_was_and_only_a_lost_backlog_costs_a_full_resync() {
    let mut w = World::new(3, true);
    w.set(0, "a", 10);
    w.settle();
    assert_eq!(w.counts, (1, 0));
    w.set(1, "b", 500);
    w.cut();
    w.settle();
    assert_eq!(w.counts, (1, 1));
    // More than the backlog is written while nobody listens.
    let Line { ours, theirs, .. } = w.lines.remove(0);
    w.master(Input::Closed { conn: theirs, reason: Closed::Reset });
    w.set(1, "c", 5000);
    w.set(1, "d", 5000);
    w.replica(Input::Closed { conn: ours, reason: Closed::Reset });
    w.settle();
    assert_eq!(w.counts, (2, 1));
    let c = w.master.source().counters();
    assert_eq!((c.full, c.partial_ok, c.partial_err()), (2, 1, 1));
    assert!(w.master.source().log().history() <= 2000 + 14 * 3, "the log was trimmed");
}

#[test]
fn an_idle_pair_pings_and_acknowledges() {
    let mut w = World::new(4, true);
    w.settle();
    let before = w.master.source().offset();
    for _ in 0..600 {
        w.pass(100);
        while w.flow() {}
    }
    assert_eq!(w.master.source().offset() - before, 6 * 14, "six PINGs in a minute");
    assert_eq!(w.counts, (1, 0));
    assert_eq!(w.master.source().good_replicas(w.now.mono, 1), 1);
    let row = w.master.source().replicas(w.now.mono).next().unwrap().offset;
    assert!(w.master.source().offset() - row <= 14);
}

#[test]
fn a_dead_end_is_noticed_on_both_sides() {
    let long = Duration::from_secs(1000);
    for patient_master in [true, false] {
        let mut w = World::new(5, true);
        if patient_master {
            let patient = SourceConfig { timeout: long, ..config(true) };
            w.master(Input::Call(master::Call::Configure(patient)));
        }
        w.settle();
        let first = w.link().unwrap().1;
        if patient_master {
            // Nothing flows at all.
            w.pass(61_000);
        } else {
            // The replica hears PINGs; its acknowledgements get lost.
            for _ in 0..70 {
                w.pass(1000);
                w.lines.iter_mut().for_each(|l| l.to_master.clear());
                let Some((ours, theirs)) = w.link().filter(|l| l.1 == first) else { break };
                let mut chunks = Chunks::new();
                w.master.transmit(theirs, 1000, &mut chunks);
                let bytes = chunks.concat();
                if !bytes.is_empty() {
                    w.master(Input::Sent { conn: theirs, len: bytes.len() });
                    w.replica(Input::Received { conn: ours, bytes: &bytes });
                }
            }
        }
        let lost = |e: &replica::Event| matches!(e, replica::Event::Lost(super::LinkError::StreamTimeout));
        assert_eq!(w.events.iter().any(lost), patient_master, "{:?}", w.events);
        assert_ne!(w.link().unwrap().1, first, "a new link was made");
        w.settle();
        assert_eq!(w.counts, (1, 1));
    }
}

#[test]
fn a_wrong_password_is_told_and_tried_again() {
    let mut w = World::new(6, true);
    let auth = Some(Credentials { user: Some(b"nobody".to_vec()), password: b"x".to_vec() });
    let config = ReplicaConfig {
        follower: FollowerConfig { auth, ..FollowerConfig::default() },
        acknowledge_at_once: true,
        limits: ReaderLimits::default(),
    };
    w.cut();
    w.replica = Replica::new(config, [9; 32]);
    w.replica(Input::Call(replica::Call::Follow { host: Box::from("127.0.0.1"), port: 1, resume: None }));
    for _ in 0..40 {
        while w.flow() {}
        w.pass(100);
    }
    let refused = w
        .events
        .iter()
        .filter(|e| matches!(e, replica::Event::Lost(super::LinkError::Auth(text)) if text.starts_with("-WRONGPASS")))
        .count();
    assert!((3..=9).contains(&refused), "about once in 500 to 1000 ms: {refused}");
}

/// A source with no machine around it.
struct Bare {
    source: super::Source,
    timers: crate::timers::Timers<super::source::Timer>,
    out: Actions<super::Event>,
    ids: crate::ids::Ids,
    rng: Rng,
}

impl Bare {
    fn new() -> Self {
        Self {
            source: super::Source::new(super::ReplId::ZERO, 0, config(true)),
            timers: crate::timers::Timers::new(),
            out: Actions::new(),
            ids: crate::ids::Ids::default(),
            rng: Rng::new([1; 32]),
        }
    }

    fn with<R>(
        &mut self,
        f: impl FnOnce(&mut super::Source, &mut crate::machine::Turn<'_, super::source::Timer, super::Event>) -> R,
    ) -> R {
        let now = Now::default();
        let (timers, out, ids, rng) = (&mut self.timers, &mut self.out, &mut self.ids, &mut self.rng);
        f(&mut self.source, &mut crate::machine::Turn { now, timers, out, ids, rng })
    }

    /// What a replica that asks so is answered.
    fn psync(&mut self, n: u64, id: super::ReplId, offset: u64) -> Vec<u8> {
        let conn = ConnId::accepted(n);
        let replconf = Command::new(&["REPLCONF", "capa", "psync2", "capa", "eof"]);
        let psync = Command::new(&["PSYNC", id.as_str(), &std::format!("{offset}")]);
        let at = Endpoint::Tcp("127.0.0.1:9".parse().unwrap());
        assert_eq!(self.with(|s, cx| s.replconf(conn, replconf.args(), cx)), super::source::Answer::Ok);
        self.with(|s, cx| s.psync(conn, at, psync.args(), cx)).unwrap();
        let mut chunks = Chunks::new();
        self.source.transmit(conn, 1000, &mut chunks);
        chunks.concat()
    }
}

#[test]
fn a_promoted_node_answers_for_its_former_history_up_to_where_it_left_it() {
    let mut b = Bare::new();
    let (old, new) = (super::ReplId::random(&mut Rng::new([5; 32])), super::ReplId::random(&mut Rng::new([6; 32])));
    b.with(|s, cx| {
        s.set_role(super::source::Role::Replica { linked: true }, cx);
        s.restart_at(old, 100, cx);
    });
    b.source.upstream(b"0123456789abcdef");
    b.source.show(110);
    // A sub-replica sees what was executed, and no more.
    assert_eq!(b.psync(1, old, 101), std::format!("+CONTINUE {old}\r\n0123456789").into_bytes());
    b.with(|s, cx| s.promote(new, cx));
    assert_eq!((b.source.id2(), b.source.offset(), b.source.log().end()), (Some((old, 111)), 110, 110));
    assert_eq!(b.source.replica_count(), 0, "sub-replicas are let go to learn the new id");
    b.source.append(Some(0), b"X");
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    assert_eq!(b.psync(2, old, 111), std::format!("+CONTINUE {new}\r\n{select}X").into_bytes());
    assert_eq!(b.psync(3, new, 134), std::format!("+CONTINUE {new}\r\nX").into_bytes());
    // One byte more of the former history was never ours.
    assert_eq!(b.psync(4, old, 112), b"");
    let c = b.source.counters();
    assert_eq!((c.full, c.partial_ok, c.partial_err()), (1, 3, 1));
    let refused = b.out.iter().any(|a| {
        matches!(a, Action::Event(super::Event::Source(super::source::Event::PartialRefused { why, .. }))
            if std::format!("{why}").ends_with("Requested offset for second ID was 112, but I can reply up to 111"))
    });
    assert!(refused);
}

#[test]
fn a_large_value_in_pieces_is_shared_and_counted() {
    let mut b = Bare::new();
    b.source.keep_log();
    let command = Command::new(&["SET", "k", ""]);
    let pieces = [Bytes::from(vec![b'x'; 100_000]), Bytes::from(vec![b'y'; 50_000])];
    b.source.append_args(Some(12), command.args().with_pieces(2, &pieces));
    let head = "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$150000\r\n";
    assert_eq!(b.source.offset(), head.len() as u64 + 150_002);
    // The bytes are the caller's own.
    let got = b.psync(1, b.source.id(), 1);
    assert!(got.windows(head.len()).any(|w| w == head.as_bytes()));
}

#[test]
fn a_replica_writes_nothing_of_its_own_into_its_masters_stream() {
    let mut b = Bare::new();
    b.source.keep_log();
    let large = Command::new(&["SET", "k", &"x".repeat(2 * crate::blocks::BLOCK)]);
    let write_all = |s: &mut super::Source| {
        s.append(Some(1), b"X");
        s.append_command(Some(2), &Command::new(&["PING"]));
        s.append_command(Some(3), &large);
        s.append_args(Some(4), large.args());
        s.request_acks();
    };
    for linked in [true, false] {
        b.with(|s, cx| s.set_role(super::source::Role::Replica { linked }, cx));
        b.source.upstream(b"not executed");
        write_all(&mut b.source);
        // What came of the stream and is not executed yet stays as well.
        assert_eq!((b.source.offset(), b.source.log().end(), b.source.selected()), (0, 12, None));
        b.source.cut_upstream();
    }
    b.with(|s, cx| s.set_role(super::source::Role::Master, cx));
    write_all(&mut b.source);
    assert!(b.source.offset() > 4 * crate::blocks::BLOCK as u64);
}

#[test]
fn psync_failover_promotes_a_replica_of_the_same_history_alone() {
    let mut b = Bare::new();
    b.source.keep_log();
    b.source.append(None, b"X");
    let id = b.source.id();
    let ask = |b: &mut Bare, words: &[&str]| b.with(|s, cx| s.takes_over(Command::new(words).args(), cx));
    let refused = ask(&mut b, &["PSYNC", id.as_str(), "1", "FAILOVER"]);
    assert_eq!(refused, Err("ERR PSYNC FAILOVER can't be sent to a master.".into()));
    b.with(|s, cx| s.set_role(super::source::Role::Replica { linked: false }, cx));
    let other = "a".repeat(40);
    let refused = ask(&mut b, &["PSYNC", &other, "1", "FAILOVER"]);
    assert_eq!(refused, Err("ERR PSYNC FAILOVER replid must match my replid.".into()));
    assert_eq!(ask(&mut b, &["PSYNC", id.as_str(), "1", "failover"]), Ok(true));
    assert_eq!(ask(&mut b, &["PSYNC", id.as_str(), "1"]), Ok(false));
    // The host has promoted it by then.
    let new = super::ReplId::random(&mut Rng::new([3; 32]));
    b.with(|s, cx| s.promote(new, cx));
    assert_eq!(b.psync(1, id, 1), std::format!("+CONTINUE {new}\r\nX").into_bytes());
}

#[test]
fn rdb_only_out_of_range_is_answered_in_redis_words() {
    use super::source::Answer;
    let mut b = Bare::new();
    let mut ask = |value: &str| {
        let command = Command::new(&["REPLCONF", "rdb-only", value]);
        b.with(|s, cx| s.replconf(ConnId::accepted(1), command.args(), cx))
    };
    assert_eq!(ask("2"), Answer::Error("ERR value is out of range, value must between 0 and 1".into()));
    assert_eq!(ask("x"), Answer::Error("ERR value is not an integer or out of range".into()));
    assert_eq!(ask("1"), Answer::Ok);
}

impl Bare {
    /// Begins a snapshot for replica `n`, which asks for everything.
    fn begin_snapshot(&mut self, n: u64, kind: SnapshotKind) {
        assert_eq!(self.psync(n, super::ReplId::ZERO, 999), b"");
        let wanted = super::source::SnapshotWanted { kind, content: super::source::Content::All, version: None };
        self.with(|s, cx| s.snapshot_begin(wanted, 0, cx));
        assert!(self.source.snapshot_alive());
    }
}

#[test]
fn a_snapshot_under_production_does_not_outlive_its_data() {
    let other = super::ReplId::random(&mut Rng::new([7; 32]));
    for restored in [false, true] {
        let mut b = Bare::new();
        b.source.keep_log();
        b.begin_snapshot(1, SnapshotKind::File);
        let offset = b.source.offset();
        b.with(|s, cx| if restored { s.restored(other, offset, other, cx) } else { s.restart_at(other, offset, cx) });
        assert!(!b.source.snapshot_alive());
        assert_eq!(b.source.snapshot_under_way(), None);
        // The same offset is held, and names other data.
        assert_eq!(b.psync(2, super::ReplId::ZERO, 999), b"");
        // Its late end reaches nobody.
        b.with(|s, cx| s.snapshot_file(&Path::from("dump.rdb"), 10, cx));
        b.with(super::Source::settle);
        assert!(!b.source.reads_file("dump.rdb"));
        assert_eq!(b.source.replicas(crate::time::Instant::ZERO).next().unwrap().state.as_str(), "wait_bgsave");
    }
}

#[test]
fn a_file_under_production_is_joined_under_its_own_id_only() {
    let mut b = Bare::new();
    b.source.keep_log();
    b.begin_snapshot(1, SnapshotKind::File);
    let id = b.source.id();
    assert_eq!(b.psync(2, super::ReplId::ZERO, 999), std::format!("+FULLRESYNC {id} 0\r\n").into_bytes());
    let new = super::ReplId::random(&mut Rng::new([8; 32]));
    b.with(|s, cx| s.change_id(new, cx));
    assert_eq!(b.psync(3, super::ReplId::ZERO, 999), b"", "it waits for one of the new history");
}

#[test]
fn what_a_void_socket_snapshot_still_brings_is_dropped() {
    let mut b = Bare::new();
    b.source.keep_log();
    b.begin_snapshot(1, SnapshotKind::Socket);
    b.source.snapshot_out().append(&[b'x'; 5000]);
    b.with(|s, cx| s.restart_at(super::ReplId::ZERO, 7, cx));
    assert_eq!((b.source.snapshot_room(), b.source.snapshot_alive()), (0, false));
    b.source.snapshot_out().append(&[b'x'; 5000]);
    b.with(super::Source::settle);
    assert_eq!(b.source.memory().1, 0);
}

/// The events of the master side so far, by `f`.
fn told(b: &Bare, f: impl Fn(&super::source::Event) -> bool) -> usize {
    b.out.iter().filter(|a| matches!(a, Action::Event(super::Event::Source(e)) if f(e))).count()
}

#[test]
fn handed_over_values_alone_beyond_the_buffer_drop_the_snapshots_readers() {
    use super::source::{Dropped, Event};
    for kind in [SnapshotKind::Socket, SnapshotKind::File] {
        let mut b = Bare::new();
        b.with(|s, cx| s.configure(SourceConfig { snapshot_buffer: 1000, ..config(true) }, cx));
        b.source.keep_log();
        let id = b.source.id();
        b.begin_snapshot(1, kind);
        // One that follows the stream has nothing to do with it.
        assert_eq!(b.psync(2, id, 1), std::format!("+CONTINUE {id}\r\n").into_bytes());
        b.source.handed_over(900);
        b.with(super::Source::settle);
        assert!(b.source.snapshot_alive());
        b.source.handed_over(1001);
        b.with(super::Source::settle);
        assert!(!b.source.snapshot_alive() && b.source.is_replica(ConnId::accepted(2)));
        assert!(!b.source.is_replica(ConnId::accepted(1)));
        assert_eq!(told(&b, |e| matches!(e, Event::Dropped { why: Dropped::Outrun, .. })), 1);
        b.with(|s, cx| s.snapshot_failed("outrun", cx));
        // The next one begins with nothing held.
        b.begin_snapshot(3, kind);
        b.with(super::Source::settle);
        assert!(b.source.snapshot_alive());
    }
}

#[test]
fn handed_over_values_and_blocks_share_one_buffer() {
    use super::source::{Event, Limit};
    let mut b = Bare::new();
    b.with(|s, cx| s.configure(SourceConfig { snapshot_buffer: 1000, ..config(true) }, cx));
    b.source.keep_log();
    // Two read the same snapshot; one of them takes nothing.
    assert_eq!(b.psync(1, super::ReplId::ZERO, 999), b"");
    b.begin_snapshot(2, SnapshotKind::Socket);
    b.source.snapshot_out().append(&[b'x'; 600]);
    let (slow, quick) = (ConnId::accepted(1), ConnId::accepted(2));
    let mut chunks = Chunks::new();
    b.source.transmit(quick, 10_000, &mut chunks);
    b.with(|s, cx| s.sent(quick, chunks.bytes(), cx));
    b.source.handed_over(300);
    b.with(super::Source::settle);
    assert!(b.source.is_replica(slow), "both fit");
    b.source.handed_over(500);
    b.with(super::Source::settle);
    assert!(!b.source.is_replica(slow) && b.source.is_replica(quick));
    assert_eq!(told(&b, |e| matches!(e, Event::OutputLimit { limit: Limit::Snapshot, .. })), 1);
    assert!(b.source.snapshot_alive());
}

#[test]
fn readers_of_a_finished_snapshot_do_not_pay_for_the_next_one() {
    let mut b = Bare::new();
    b.with(|s, cx| s.configure(SourceConfig { snapshot_buffer: 1000, ..config(true) }, cx));
    b.source.keep_log();
    b.begin_snapshot(1, SnapshotKind::Socket);
    b.source.snapshot_out().append(&[b'x'; 600]);
    b.with(super::Source::snapshot_finish);
    b.begin_snapshot(2, SnapshotKind::Socket);
    b.source.handed_over(5000);
    b.with(super::Source::settle);
    assert!(!b.source.snapshot_alive());
    assert!(b.source.is_replica(ConnId::accepted(1)) && !b.source.is_replica(ConnId::accepted(2)));
}
