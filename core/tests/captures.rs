//! A replica follows what real masters once sent, to the last command, however it is cut.

use std::path::{Path, PathBuf};

use primacy_core::ids::ConnId;
use primacy_core::machine::{Action, Actions, Chunks, Endpoint, Input, Machine};
use primacy_core::rdb::ReaderLimits;
use primacy_core::replication::follower::FollowerConfig;
use primacy_core::replication::replica::{Call, Event, Replica, ReplicaConfig};
use primacy_core::time::Now;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/wire")
}

/// What is known of a capture: its name, the keys of its snapshot, the bytes of its stream.
fn expected() -> Vec<(String, usize, u64)> {
    let table = std::fs::read_to_string(folder().join("EXPECT.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[0].to_owned(), fields[1].parse().unwrap(), fields[2].parse().unwrap())
    };
    table.lines().map(row).collect()
}

/// A replica whose other end is played from a capture.
struct Play {
    replica: Replica,
    conn: Option<ConnId>,
    events: Vec<Event>,
}

impl Play {
    fn new() -> Self {
        let config = ReplicaConfig {
            follower: FollowerConfig { port: 7777, ..FollowerConfig::default() },
            acknowledge_at_once: true,
            limits: ReaderLimits::default(),
        };
        Self { replica: Replica::new(config, [7; 32]), conn: None, events: Vec::new() }
    }

    fn feed(&mut self, input: Input<'_, Call>) {
        let mut out = Actions::new();
        self.replica.handle(Now::default(), input, &mut out);
        for action in out.drain() {
            match action {
                Action::Connect { conn, .. } => {
                    self.conn = Some(conn);
                    let at = || Endpoint::Tcp("127.0.0.1:5".parse().unwrap());
                    self.feed(Input::Connected { conn, local: at(), peer: at(), tls: false });
                }
                Action::Close { .. } => panic!("the replica gave up: {:?}", self.events.last()),
                Action::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let conn = self.conn.expect("a connection");
        self.feed(Input::Received { conn, bytes });
    }

    /// What it says.
    fn said(&mut self) -> String {
        let conn = self.conn.expect("a connection");
        let mut chunks = Chunks::new();
        self.replica.transmit(conn, 1 << 20, &mut chunks);
        let len = chunks.bytes();
        if len > 0 {
            self.feed(Input::Sent { conn, len });
        }
        String::from_utf8(chunks.concat()).unwrap()
    }

    /// Answers its handshake up to the moment at which the capture begins.
    fn shake_hands(&mut self, is_old: bool) {
        self.feed(Input::Call(Call::Follow { host: "127.0.0.1".into(), port: 5, resume: None }));
        for _ in 0..10 {
            let said = self.said();
            if said.contains("\nPSYNC\r\n") {
                assert!(said.ends_with("$1\r\n?\r\n$2\r\n-1\r\n"), "{said:?}");
                if is_old {
                    self.receive(b"-ERR unknown command 'PSYNC'\r\n");
                    assert_eq!(self.said(), "SYNC\r\n");
                }
                return;
            }
            if said.contains("PING") {
                self.receive(b"+PONG\r\n");
            }
            for _ in 0..said.matches("\nREPLCONF\r\n").count() {
                self.receive(b"+OK\r\n");
            }
        }
        panic!("the replica asks for nothing");
    }
}

#[test]
fn each_is_followed_to_its_last_command() {
    let all = expected();
    assert_eq!(all.len(), 7);
    for (name, keys, stream) in all {
        let bytes = std::fs::read(folder().join(format!("{name}.wire"))).unwrap();
        let mut first = None;
        for step in [bytes.len(), 1, 7, 1000] {
            let mut play = Play::new();
            play.shake_hands(name.ends_with("-sync"));
            bytes.chunks(step).for_each(|chunk| play.receive(chunk));
            let found = play.events.iter().filter(|event| matches!(event, Event::Key(_))).count();
            assert_eq!(found, keys, "{name}: keys of the snapshot");
            let base = play.events.iter().find_map(|event| match event {
                Event::SnapshotBegin { offset, .. } => Some(*offset),
                _ => None,
            });
            let commands: Vec<(u32, u64, Vec<u8>)> = play
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::Command { db, command } => {
                        Some((*db, command.position.offset, command.command.frame().to_vec()))
                    }
                    _ => None,
                })
                .collect();
            let (db, offset, frame) = commands.last().expect("a command");
            assert_eq!((*db, &frame[..]), (0, &b"*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n"[..]), "{name}, {step}");
            assert_eq!(*offset, base.expect("a snapshot") + stream, "{name}: the offset behind the last command");
            assert!(commands.iter().any(|(_, _, frame)| frame.starts_with(b"*3\r\n$3\r\nSET\r\n$5\r\nafter\r\n")));
            let first = first.get_or_insert_with(|| commands.clone());
            assert_eq!(*first, commands, "{name}: the same however it is cut");
        }
    }
}
