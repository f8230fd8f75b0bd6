//! Full resyncs over two connections, in both dialects: the two machines wired to each other, and each against lines of real
//! servers. Valkey's lines were taken off the wire of 9.1. Redis 8's are from its documentation and unverified: no such server
//! was at hand.

use core::time::Duration;

use alloc::string::String;
use alloc::vec::Vec;

use quickcheck::QuickCheck;

use super::super::follower::{FollowerConfig, LinkError, LinkState};
use super::super::replica::{self, Replica, ReplicaConfig};
use super::super::source::{Answer, Dropped, Event, SourceConfig, Taken};
use super::{Bare, World, config, told};
use crate::ids::ConnId;
use crate::machine::{Action, Actions, Chunks, Closed, Endpoint, Input, Machine};
use crate::rdb::{Body, Options, ReaderLimits, Writer};
use crate::resp::Command;
use crate::time::Now;

/// A pair that can do it.
fn pair(seed: u64, valkey: bool, stream_buffer: u64) -> World {
    let source = SourceConfig { two_channel: true, ..config(true) };
    let mut w =
        World::with(seed, source, FollowerConfig { two_channel: true, stream_buffer, ..FollowerConfig::default() });
    w.valkey = valkey;
    w
}

/// Writes, cuts of either connection and passing time in any order: the replica always gets there.
fn converges(seed: u64, valkey: bool, buffer: u16, ops: Vec<(u8, u16)>) -> bool {
    let mut w = pair(seed, valkey, u64::from(buffer));
    w.set(0, "first", 30_000);
    for (op, n) in ops.into_iter().take(40) {
        match op % 9 {
            0..=2 => w.set(u32::from(n % 3), &std::format!("k{}", n % 50), usize::from(n) % 700),
            3 => w.set(2, "big", usize::from(n)),
            4 | 5 => {
                for _ in 0..=n % 30 {
                    w.flow();
                }
            }
            6 => w.pass(u64::from(n) % 1500),
            // What is lost is lost with its connection.
            7 => {
                while !w.lines.is_empty() {
                    w.cut_line(0);
                }
            }
            _ => w.cut(),
        }
        assert!(w.lines.len() <= 2, "more than two connections");
        assert!(
            w.replica.follower().held() <= u64::from(buffer) + 65_536 + 10_000,
            "kept {}",
            w.replica.follower().held()
        );
        assert!(w.master.source().replica_count() <= w.master.source().connections());
    }
    w.settle();
    w.settle();
    let source = w.master.source();
    (source.connections(), source.replica_count(), w.replica.follower().held()) == (1, 1, 0)
}

#[test]
fn a_replica_converges_in_either_dialect() {
    let mut runs = QuickCheck::new().tests(40);
    runs.quickcheck(converges as fn(u64, bool, u16, Vec<(u8, u16)>) -> bool);
}

/// Runs until the snapshot is on its way and some of the stream is kept.
fn amid(valkey: bool, stream_buffer: u64) -> World {
    let mut w = pair(11, valkey, stream_buffer);
    w.set(0, "first", 400_000);
    for n in 0..4000 {
        w.flow();
        w.pass(1);
        if w.replica.follower().progress().is_some_and(|p| p.read > 0) {
            w.set(1, &std::format!("late{}", n % 10), 100);
            if w.replica.follower().held() >= stream_buffer.min(1000) {
                return w;
            }
        }
    }
    panic!("nothing was kept: {:?}", w.replica.follower().state());
}

#[test]
fn the_stream_comes_beside_the_snapshot_and_info_shows_one_replica() {
    for (valkey, word) in [(false, "send_bulk_and_stream"), (true, "bg_transfer")] {
        let mut w = amid(valkey, 1 << 20);
        assert_eq!((w.most, w.lines.len()), (2, 2));
        assert_eq!(w.replica.follower().state(), LinkState::Sync);
        let source = w.master.source();
        let rows: Vec<_> = source.replicas(w.now.mono).map(|r| (r.port, r.state.as_str())).collect();
        assert_eq!(rows, [(7777, word)]);
        assert_eq!((source.replica_count(), source.connections()), (1, 2));
        assert_eq!(source.acked(0), 0, "it has nothing yet");
        w.settle();
        let source = w.master.source();
        assert_eq!((source.counters().full, source.connections(), source.acked(source.offset())), (1, 1, 1));
        assert_eq!(
            source.counters().partial_ok,
            u64::from(valkey),
            "Valkey counts the question on the main connection"
        );
    }
}

#[test]
fn a_full_buffer_stops_reading_and_drops_nothing() {
    for valkey in [false, true] {
        let mut w = amid(valkey, 500);
        let main = w.lines[0].reads;
        assert!(!main, "the main connection is read no further");
        for n in 0..200 {
            w.set(1, &std::format!("more{n}"), 1000);
        }
        // Longer than repl-timeout: who does not read is not silent.
        for _ in 0..70 {
            w.pass(1000);
            w.produce();
            w.flow();
        }
        assert!(w.replica.follower().held() < 500 + 10_000);
        w.settle();
        let lost: Vec<_> = w.events.iter().filter(|e| matches!(e, replica::Event::Lost(_))).collect();
        assert!(lost.is_empty(), "one full resync did it: {lost:?}");
        assert_eq!(w.master.source().counters().full, 1);
    }
}

#[test]
fn whichever_connection_breaks_the_attempt_is_over_on_both_sides() {
    for valkey in [false, true] {
        for second in [false, true] {
            let mut w = amid(valkey, 1 << 20);
            let line = w.lines.remove(usize::from(second));
            w.replica(Input::Closed { conn: line.ours, reason: Closed::Reset });
            w.master(Input::Closed { conn: line.theirs, reason: Closed::Reset });
            assert!(w.lines.is_empty(), "the other one is closed too");
            let why = w.events.iter().rev().find_map(|e| match e {
                replica::Event::Lost(why) => Some(why.clone()),
                _ => None,
            });
            let expected = if second { LinkError::Transfer(Closed::Reset) } else { LinkError::MainLost(Closed::Reset) };
            assert_eq!(why, Some(expected));
            assert_eq!((w.master.source().connections(), w.replica.follower().held()), (0, 0));
            w.settle();
            assert_eq!(w.master.source().counters().full, 2);
        }
    }
}

#[test]
fn a_stalled_snapshot_ends_the_attempt_though_the_stream_flows() {
    for valkey in [false, true] {
        let mut w = amid(valkey, 1 << 20);
        let second = w.lines[1].ours;
        for _ in 0..62 {
            w.pass(1000);
            w.set(1, "beat", 10);
            let main = w.lines[0].ours;
            if w.lines.iter().all(|l| l.ours != second) {
                break;
            }
            w.flow_on(main);
        }
        let told = w.events.iter().any(|e| matches!(e, replica::Event::Lost(LinkError::TransferTimeout)));
        assert!(told, "{:?}", w.events.last());
        w.settle();
    }
}

const AT: &str = "127.0.0.1:40000";

impl Bare {
    fn two_channel() -> Self {
        let mut b = Self::new();
        b.with(|s, cx| s.configure(SourceConfig { two_channel: true, ..config(true) }, cx));
        b
    }

    fn conf(&mut self, n: u64, words: &[&str]) -> Answer {
        let command = Command::new(words);
        self.with(|s, cx| s.replconf(ConnId::accepted(n), command.args(), cx))
    }

    /// PSYNC or SYNC.
    fn ask(&mut self, n: u64, words: &[&str]) -> Result<Taken, String> {
        let command = Command::new(words);
        let (conn, at) = (ConnId::accepted(n), Endpoint::Tcp(AT.parse().unwrap()));
        let result = self.with(|s, cx| match words[0] {
            "SYNC" => s.sync(conn, at, cx),
            _ => s.psync(conn, at, command.args(), cx),
        });
        result.map_err(alloc::borrow::Cow::into_owned)
    }

    fn sends(&mut self, n: u64) -> String {
        let conn = ConnId::accepted(n);
        let mut chunks = Chunks::new();
        self.source.transmit(conn, 100_000, &mut chunks);
        self.with(|s, cx| s.sent(conn, chunks.bytes(), cx));
        String::from_utf8_lossy(&chunks.concat()).into_owned()
    }

    fn produce(&mut self) {
        let wanted = super::super::source::SnapshotWanted {
            kind: super::SnapshotKind::Socket,
            content: super::super::source::Content::All,
            version: None,
        };
        self.with(|s, cx| s.snapshot_begin(wanted, 5, cx));
        self.source.snapshot_out().append(b"RDB");
    }

    fn drops(&self, dropped: Dropped) -> usize {
        told(self, |e| matches!(e, Event::Dropped { why, .. } if *why == dropped))
    }

    /// A replica as Valkey 9.1 is, up to its SYNC. 1 is its main connection, 2 the other.
    fn valkey() -> Self {
        let mut b = Self::two_channel();
        assert_eq!(b.conf(1, &["REPLCONF", "listening-port", "7803"]), Answer::Ok);
        assert_eq!(b.conf(1, &["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "dual-channel"]), Answer::Ok);
        assert_eq!(b.conf(1, &["REPLCONF", "version", "9.1.2"]), Answer::Ok);
        assert_eq!(b.ask(1, &["PSYNC", "?", "-1"]), Ok(Taken::TwoChannel));
        let rdb = [
            "REPLCONF",
            "capa",
            "eof",
            "rdb-only",
            "1",
            "rdb-channel",
            "1",
            "listening-port",
            "7803",
            "version",
            "9.1.2",
        ];
        assert_eq!(b.conf(2, &rdb), Answer::Ok);
        assert_eq!(b.ask(2, &["SYNC"]), Ok(Taken::Full));
        b
    }

    /// The same of Redis 8, up to the PSYNC of its RDB channel.
    fn redis_unverified() -> Self {
        let mut b = Self::two_channel();
        assert_eq!(b.conf(1, &["REPLCONF", "listening-port", "7803"]), Answer::Ok);
        assert_eq!(b.conf(1, &["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl"]), Answer::Ok);
        assert_eq!(b.ask(1, &["PSYNC", "?", "-1"]), Ok(Taken::Full));
        assert_eq!(b.sends(1), "+RDBCHANNELSYNC 2\r\n");
        let rdb = [
            "REPLCONF",
            "capa",
            "eof",
            "rdb-only",
            "1",
            "rdb-channel",
            "1",
            "main-ch-client-id",
            "2",
            "listening-port",
            "7803",
        ];
        assert_eq!(b.conf(2, &rdb), Answer::Ok);
        assert_eq!(b.ask(2, &["PSYNC", "?", "-1"]), Ok(Taken::Full));
        b
    }

    fn states(&self) -> Vec<&'static str> {
        self.source.replicas(crate::time::Instant::ZERO).map(|r| r.state.as_str()).collect()
    }
}

#[test]
fn a_valkey_replica_is_served_in_its_dialect() {
    let mut b = Bare::valkey();
    assert_eq!(b.states(), ["wait_bgsave"]);
    b.source.append(Some(5), b"BEFORE");
    b.produce();
    let (id, offset) = (b.source.id(), b.source.offset());
    b.source.append(Some(5), b"STREAM");
    let rdb = b.sends(2);
    assert!(rdb.starts_with(&std::format!("$ENDOFF:{offset} {id} 5 4\r\n$EOF:")) && rdb.ends_with("\r\nRDB"), "{rdb}");
    // Far more than the backlog is written: the log is held for the question to come.
    b.source.append(None, &[b'x'; 9000]);
    b.with(super::super::Source::settle);
    assert_eq!(b.conf(1, &["REPLCONF", "set-rdb-client-id", "4"]), Answer::Ok);
    let from = std::format!("{}", offset + 1);
    assert_eq!(b.ask(1, &["PSYNC", id.as_str(), &from]), Ok(Taken::Partial));
    assert_eq!(b.states(), ["bg_transfer"]);
    let stream = b.sends(1);
    let head = std::format!("+CONTINUE {id}\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\nSTREAMxxx");
    assert!(stream.starts_with(&head), "{stream:.120}");
    // An acknowledgement of what it cannot have does not put it online.
    assert_eq!(b.conf(1, &["REPLCONF", "ACK", &from]), Answer::Silent);
    assert_eq!((b.states(), b.source.acked(0)), (["bg_transfer"].into(), 0));
    b.with(super::super::Source::snapshot_finish);
    assert_eq!(b.sends(2).len(), 40);
    assert!(!b.source.is_replica(ConnId::accepted(2)), "the RDB channel is closed");
    assert_eq!(b.conf(1, &["REPLCONF", "ACK", &from]), Answer::Silent);
    assert_eq!((b.states(), b.source.acked(offset)), (["online"].into(), 1));
}

#[test]
fn a_redis_8_replica_is_served_in_its_dialect_unverified() {
    let mut b = Bare::redis_unverified();
    assert_eq!((b.states(), b.source.connections()), (["wait_bgsave"].into(), 2));
    b.produce();
    let (id, offset) = (b.source.id(), b.source.offset());
    b.source.append(Some(5), b"STREAM");
    assert_eq!(b.states(), ["send_bulk_and_stream"]);
    let rdb = b.sends(2);
    assert!(rdb.starts_with(&std::format!("+FULLRESYNC {id} {offset}\r\n$EOF:")), "{rdb}");
    assert_eq!(b.sends(1), "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\nSTREAM", "pushed, with nothing before it");
    b.with(super::super::Source::snapshot_finish);
    b.sends(2);
    assert_eq!(b.conf(1, &["REPLCONF", "ACK", &std::format!("{offset}")]), Answer::Silent);
    assert_eq!((b.states(), b.source.connections()), (["online"].into(), 1));
}

#[test]
fn wrong_numbers_are_errors_and_bind_nothing() {
    let mut b = Bare::two_channel();
    let error = |answer: &Answer, part: &str| matches!(answer, Answer::Error(text) if text.contains(part));
    for number in ["2", "99", "-1", "18446744073709551616"] {
        let part = if number.len() == 2 && number != "99" || number.len() > 2 { "integer" } else { "client-id" };
        assert!(error(&b.conf(7, &["REPLCONF", "main-ch-client-id", number]), part), "{number}");
        assert!(error(&b.conf(7, &["REPLCONF", "set-rdb-client-id", number]), part), "{number}");
    }
    assert_eq!(b.conf(8, &["REPLCONF", "capa", "eof", "rdb-channel", "1"]), Answer::Ok);
    assert!(b.ask(8, &["PSYNC", "?", "-1"]).is_err_and(|text| text.contains("main connection")), "it named none");
    assert_eq!(b.conf(9, &["REPLCONF", "rdb-channel", "1"]), Answer::Ok);
    assert!(b.ask(9, &["SYNC"]).is_err_and(|text| text.contains("EOF")));
    assert_eq!(b.source.connections(), 0);
    // Switched off, none of it is known, and the capability asks in vain.
    b.with(|s, cx| s.configure(config(true), cx));
    for option in ["rdb-channel", "main-ch-client-id", "set-rdb-client-id"] {
        assert!(error(&b.conf(7, &["REPLCONF", option, "1"]), "Unrecognized"), "{option}");
    }
    assert_eq!(
        b.conf(10, &["REPLCONF", "capa", "eof", "capa", "rdb-channel-repl", "capa", "dual-channel"]),
        Answer::Ok
    );
    assert_eq!(b.ask(10, &["PSYNC", "?", "-1"]), Ok(Taken::Full));
    assert_eq!(b.sends(10), "");
}

#[test]
fn either_connection_of_a_replica_takes_the_other_with_it() {
    for begun in [false, true] {
        let mut b = Bare::redis_unverified();
        if begun {
            b.produce();
        }
        b.with(|s, cx| s.closed(ConnId::accepted(1), cx));
        assert_eq!((b.source.connections(), b.drops(Dropped::MainLost)), (0, 1));
        let mut b = Bare::redis_unverified();
        if begun {
            b.produce();
        }
        b.with(|s, cx| s.closed(ConnId::accepted(2), cx));
        assert_eq!((b.source.connections(), b.drops(Dropped::ChannelLost)), (0, 1));
        // Valkey's main connection is a client until it asks.
        let mut b = Bare::valkey();
        if begun {
            b.produce();
        }
        b.with(|s, cx| s.closed(ConnId::accepted(1), cx));
        assert_eq!((b.source.connections(), b.drops(Dropped::MainLost)), (0, 1));
    }
}

#[test]
fn what_does_not_come_is_waited_for_no_longer_than_repl_timeout() {
    // A main connection without its RDB channel.
    let mut b = Bare::two_channel();
    assert_eq!(b.conf(1, &["REPLCONF", "capa", "eof", "capa", "rdb-channel-repl"]), Answer::Ok);
    assert_eq!(b.ask(1, &["PSYNC", "?", "-1"]), Ok(Taken::Full));
    b.late(59);
    assert_eq!(b.source.connections(), 1);
    b.late(61);
    assert_eq!((b.source.connections(), b.drops(Dropped::NoChannel)), (0, 1));
    // An RDB channel whose main connection never asks, all of the snapshot sent or not: the log is held no longer.
    for finished in [false, true] {
        let mut b = Bare::valkey();
        b.produce();
        if finished {
            b.with(super::super::Source::snapshot_finish);
        }
        b.sends(2);
        b.source.append(None, &[b'x'; 9000]);
        b.with(super::super::Source::settle);
        assert_eq!((b.source.log().history(), b.states()), (9000, ["wait_bgsave"].into()));
        b.late(61);
        assert_eq!((b.source.connections(), b.drops(Dropped::NoMain)), (0, 1), "{finished}");
        b.with(super::super::Source::settle);
        assert_eq!(b.source.log().history(), 2000);
    }
}

#[test]
fn a_promised_full_resync_takes_its_room() {
    let words = |port: &'static str| ["REPLCONF", "listening-port", port, "capa", "eof", "capa", "dual-channel"];
    let rdb =
        |port: &'static str| ["REPLCONF", "capa", "eof", "rdb-only", "1", "rdb-channel", "1", "listening-port", port];
    let mut b = Bare::two_channel();
    b.with(|s, cx| {
        s.configure(SourceConfig { two_channel: true, max_full_syncs: 1, ..config(true) }, cx);
    });
    let put_off = |answer: Result<Taken, String>| answer.is_err_and(|text| text.starts_with("NOMASTERLINK"));
    assert_eq!(b.conf(1, &words("7001")), Answer::Ok);
    assert_eq!(b.ask(1, &["PSYNC", "?", "-1"]), Ok(Taken::TwoChannel));
    assert_eq!(b.conf(3, &words("7003")), Answer::Ok);
    assert!(put_off(b.ask(3, &["PSYNC", "?", "-1"])), "one is promised");
    assert_eq!(b.conf(4, &rdb("7003")), Answer::Ok);
    assert!(put_off(b.ask(4, &["SYNC"])), "to this one nothing was promised");
    assert_eq!(b.conf(2, &rdb("7001")), Answer::Ok);
    assert_eq!(b.ask(2, &["SYNC"]), Ok(Taken::Full));
    let now = crate::time::Instant::ZERO;
    assert_eq!(b.source.full_syncs(now), 1, "promise and resync are one");
    assert_eq!((b.source.counters().put_off, b.source.connections()), (2, 1));
    // Who never comes holds the room no longer than repl-timeout.
    b.with(|s, cx| s.closed(ConnId::accepted(2), cx));
    assert_eq!(b.source.full_syncs(now + Duration::from_secs(59)), 1);
    assert_eq!(b.source.full_syncs(now + Duration::from_secs(60)), 0);
    b.with(|s, cx| s.closed(ConnId::accepted(1), cx));
    assert_eq!(b.source.full_syncs(now), 0, "a client that is gone waits for nothing");
}

impl Bare {
    /// The deadline of who is silent, so many seconds on.
    fn late(&mut self, s: u64) {
        use super::super::source::Timer;
        let now = Now::new(crate::time::Instant::ZERO + Duration::from_secs(s), 0);
        let (timers, out, ids, rng) = (&mut self.timers, &mut self.out, &mut self.ids, &mut self.rng);
        self.source.tick(Timer::Silence, &mut crate::machine::Turn { now, timers, out, ids, rng });
    }
}

/// A replica against a master that is a script.
struct Script {
    replica: Replica,
    now: Now,
    /// Its connections, oldest first.
    conns: Vec<ConnId>,
    events: Vec<replica::Event>,
    closed: Vec<ConnId>,
}

impl Script {
    fn new(stream_buffer: u64) -> Self {
        let follower = FollowerConfig {
            two_channel: true,
            stream_buffer,
            ip: Some("10.9.8.7".into()),
            ..FollowerConfig::default()
        };
        let config = ReplicaConfig { follower, acknowledge_at_once: true, limits: ReaderLimits::default() };
        let mut s = Self {
            replica: Replica::new(config, [1; 32]),
            now: Now::default(),
            conns: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
        };
        s.feed(Input::Call(replica::Call::Follow { host: "127.0.0.1".into(), port: 1, resume: None }));
        s.hears(0, b"+PONG\r\n");
        let hello = s.says(0);
        assert!(hello.contains("capa\r\n$16\r\nrdb-channel-repl\r\n$4\r\ncapa\r\n$12\r\ndual-channel\r\n"), "{hello}");
        s.hears(0, b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        assert!(s.says(0).contains("PSYNC"));
        s
    }

    fn feed(&mut self, input: Input<'_, replica::Call>) {
        let mut out = Actions::new();
        self.replica.handle(self.now, input, &mut out);
        for action in out.drain() {
            match action {
                Action::Connect { conn, .. } => {
                    self.conns.push(conn);
                    let at = || Endpoint::Tcp(AT.parse().unwrap());
                    self.feed(Input::Connected { conn, local: at(), peer: at(), tls: false });
                }
                Action::Close { conn } => self.closed.push(conn),
                Action::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    /// The master says this on the `i`-th connection, byte by byte.
    fn hears(&mut self, i: usize, bytes: &[u8]) {
        for byte in bytes {
            self.feed(Input::Received { conn: self.conns[i], bytes: &[*byte] });
        }
    }

    fn says(&mut self, i: usize) -> String {
        let mut chunks = Chunks::new();
        self.replica.transmit(self.conns[i], 100_000, &mut chunks);
        self.feed(Input::Sent { conn: self.conns[i], len: chunks.bytes() });
        String::from_utf8_lossy(&chunks.concat()).into_owned()
    }

    fn lost(&self) -> Option<String> {
        self.events.iter().find_map(|e| match e {
            replica::Event::Lost(why) => Some(std::format!("{why}")),
            _ => None,
        })
    }

    /// The commands that it was given, with their databases.
    fn commands(&self) -> Vec<(u32, String)> {
        let commands = self.events.iter().filter_map(|e| match e {
            replica::Event::Command { db, command } => {
                Some((*db, String::from_utf8_lossy(command.command.args().at(1)).into_owned()))
            }
            _ => None,
        });
        commands.collect()
    }
}

const ID: &str = "6bdaa7010c4239a8f1666d32f6a3b08ac3c57ef7";
const MARK: &[u8; 40] = b"8338d9a5ae2b6d3cc38c38d0ec8d260920eda8ba";
const SET: &[u8] = b"*3\r\n$3\r\nset\r\n$1\r\nx\r\n$1\r\n1\r\n";

fn snapshot() -> Vec<u8> {
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
    let mut body = Body::new(Options::default());
    body.string(0, b"a", None, b"1");
    writer.absorb(&mut body);
    writer.finish();
    let rdb: Vec<u8> = writer.out().drain().collect::<Vec<_>>().concat();
    [b"$EOF:", &MARK[..], b"\r\n", &rdb, MARK].concat()
}

#[test]
fn a_replica_speaks_valkeys_dialect() {
    // The answer on the main connection before the snapshot is in place, and after.
    for early in [true, false] {
        let mut s = Script::new(1 << 20);
        s.hears(0, b"+DUALCHANNELSYNC\r\n");
        let rdb = s.says(1);
        assert!(rdb.contains("rdb-only\r\n$1\r\n1\r\n$11\r\nrdb-channel\r\n$1\r\n1\r\n$7\r\nversion\r\n$5\r\n9.0.0\r\n$14\r\nlistening-port"), "{rdb}");
        assert!(rdb.contains("ip-address\r\n$8\r\n10.9.8.7\r\n"), "no sentinel takes it for another replica");
        s.hears(1, b"+OK\r\n");
        assert_eq!(s.says(1), "SYNC\r\n");
        s.hears(1, std::format!("\n\n$ENDOFF:245 {ID} 3 20\r\n").as_bytes());
        assert_eq!(s.says(0), "*3\r\n$8\r\nREPLCONF\r\n$17\r\nset-rdb-client-id\r\n$2\r\n20\r\n");
        if !early {
            s.hears(1, &snapshot());
            assert_eq!((s.replica.follower().state(), s.closed.len()), (LinkState::Sync, 0));
        }
        s.hears(0, b"+OK\r\n");
        assert_eq!(s.says(0), std::format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$3\r\n246\r\n"));
        s.hears(0, std::format!("+CONTINUE {ID}\r\n").as_bytes());
        s.hears(0, SET);
        if early {
            assert_eq!(s.replica.follower().held(), SET.len() as u64);
            s.hears(1, &snapshot());
        }
        assert_eq!((s.lost(), s.closed.len()), (None, 1), "the RDB channel is closed");
        // The stream begins in the database that the line named.
        assert_eq!(s.commands(), [(3, "x".into())]);
        assert_eq!(s.replica.follower().offsets(), (245 + SET.len() as u64, 245 + SET.len() as u64));
        assert!(s.says(0).contains("ACK"));
    }
}

#[test]
fn a_replica_speaks_redis_8s_dialect_unverified() {
    let mut s = Script::new(1 << 20);
    s.hears(0, b"+RDBCHANNELSYNC 17\r\n");
    let rdb = s.says(1);
    assert!(rdb.contains("rdb-channel\r\n$1\r\n1\r\n$17\r\nmain-ch-client-id\r\n$2\r\n17\r\n"), "{rdb}");
    s.hears(1, b"+OK\r\n");
    assert_eq!(s.says(1), "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
    // The stream may come first, behind lines that tell that the master lives.
    s.hears(0, b"\n\n");
    s.hears(0, SET);
    s.hears(1, std::format!("\n+FULLRESYNC {ID} 245\r\n").as_bytes());
    s.hears(1, &snapshot());
    assert_eq!((s.lost(), s.commands()), (None, [(0, "x".into())].into()));
    assert_eq!(s.replica.follower().offsets().1, 245 + SET.len() as u64);
}

#[test]
fn what_is_no_two_channel_resync_ends_the_link_with_a_reason() {
    let valkey = |lines: &[(usize, &str)]| {
        let mut s = Script::new(1 << 20);
        s.hears(0, b"+DUALCHANNELSYNC\r\n");
        s.hears(1, b"+OK\r\n");
        for (i, line) in lines {
            s.hears(*i, line.as_bytes());
        }
        s.lost().unwrap_or_default()
    };
    let endoff = std::format!("$ENDOFF:245 {ID} 0 20\r\n");
    assert!(valkey(&[(1, "$ENDOFF:245 no-id 0 20\r\n")]).contains("got '$ENDOFF:245 no-id 0 20'"));
    assert!(valkey(&[(1, "$EOF:8338d9a5ae2b6d3cc38c38d0ec8d260920eda8ba\r\n")]).contains("Expected '$ENDOFF"));
    assert!(valkey(&[(1, "-ERR no\r\n")]).contains("-ERR no"));
    assert!(valkey(&[(1, &endoff), (0, "-ERR unknown client\r\n")]).contains("-ERR unknown client"));
    assert!(valkey(&[(1, &endoff), (0, "+OK\r\n+FULLRESYNC x 1\r\n")]).contains("FULLRESYNC"));
    assert!(
        valkey(&[(1, &endoff), (0, &std::format!("+OK\r\n+CONTINUE {}\r\n", "a".repeat(40)))]).contains("CONTINUE aaa")
    );
    let mut s = Script::new(1 << 20);
    s.hears(0, b"+RDBCHANNELSYNC 17\r\n");
    s.hears(1, b"-ERR unknown main channel\r\n");
    assert_eq!(s.lost().unwrap(), "The master refused the RDB channel: -ERR unknown main channel");
    assert_eq!(s.closed.len(), 2, "both connections are closed");
    // A second connection that cannot be made.
    let mut s = Script::new(1 << 20);
    s.hears(0, b"+RDBCHANNELSYNC 17\r\n");
    s.feed(Input::Closed { conn: s.conns[1], reason: Closed::Refused });
    assert!(s.lost().unwrap().starts_with("The RDB channel was lost before the snapshot began"));
    assert_eq!(s.closed, [s.conns[0]]);
}

#[test]
fn a_link_that_breaks_behind_the_snapshot_goes_on_by_a_partial_resync() {
    let mut s = Script::new(1 << 20);
    s.hears(0, b"+DUALCHANNELSYNC\r\n");
    s.hears(1, b"+OK\r\n");
    s.hears(1, std::format!("$ENDOFF:245 {ID} 0 20\r\n").as_bytes());
    s.hears(1, &snapshot());
    s.feed(Input::Closed { conn: s.conns[0], reason: Closed::Reset });
    let resume = s.replica.follower().resume().map(|r| (std::format!("{}", r.id), r.offset));
    assert_eq!(resume, Some((ID.into(), 245)));
}
