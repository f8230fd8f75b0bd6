//! A whole node with passwords everywhere: its recording holds none of them, and its replay does the same.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;
use std::sync::Mutex;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::holds;
use crate::Machine;
use crate::acl::hash_text;
use crate::config::Config;
use crate::ids::{ConnId, OpId};
use crate::journal::{
    Difference, End, Full, Header, Item, Playback, Reader, Readings, RecordedMeter, Recorder, Replay, Secrets, Sink,
};
use crate::keyspace::Keyspace;
use crate::machine::{
    Action, Actions, Chunks, Endpoint, Input, Job, JobError, JobErrorKind, Meter, NoMeter, Outcome, Usage,
};
use crate::node::{About, Call, Event, Node};
use crate::resp::Command;
use crate::time::{Instant, Now};

/// What is a password somewhere in here.
const PASSWORDS: &[&str] = &[
    "pw-of-default",
    "known-by-its-hash",
    "carl-in-the-file",
    "bob and \"spaces\"",
    "wrong-password",
    "new-default",
    "of-the-master",
    "of-the-key",
    "old-commented",
];

fn hash(password: &str) -> String {
    hash_text(&Sha256::digest(password.as_bytes()).into())
}

type Shelf = Arc<Mutex<Vec<u8>>>;

struct Keep(Shelf);

impl Sink for Keep {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        self.0.lock().unwrap().extend_from_slice(&block);
        Ok(block)
    }

    fn end(&mut self, block: Vec<u8>, _: End) {
        self.0.lock().unwrap().extend_from_slice(&block);
    }
}

fn at(port: u16) -> Endpoint {
    Endpoint::Tcp(([127, 0, 0, 1], port).into())
}

fn node(config: &str, seed_of_passwords: u8, meter: Box<dyn Meter>) -> Node<Keyspace> {
    let mut all = Config::new();
    all.load("redis.conf", config, &mut |_| Err(String::new())).unwrap();
    let data = Keyspace::new(all.settings.databases, [1; 32]);
    let about = About { config_file: "redis.conf".into(), ..About::default() };
    let mut node = Node::new(all, data, [2; 32], meter, about);
    node.seed_passwords([seed_of_passwords; 32]);
    node
}

/// Drives a recorded node, with files in memory and a master that says yes.
struct Rig {
    node: Recorder<Node<Keyspace>>,
    now: u64,
    files: BTreeMap<String, Vec<u8>>,
    /// What each connection was sent.
    sent: BTreeMap<ConnId, Vec<u8>>,
    log: String,
    piece: usize,
}

impl Rig {
    fn feed(&mut self, input: Input<'_, Call>) {
        let mut out = Actions::new();
        self.now += 1000;
        let now = Now::new(Instant::from_micros(self.now), 1_700_000_000_000 + self.now / 1000);
        self.node.handle(now, input, &mut out);
        for action in out.drain() {
            match action {
                Action::Start { op, job } => {
                    let result = self.job(job);
                    self.feed(Input::Done { op, result });
                }
                Action::Connect { conn, to, tls, .. } => {
                    self.feed(Input::Connected { conn, local: at(1), peer: to, tls });
                }
                Action::Interest { conn, write: true, .. } => self.write(conn),
                Action::Yield => self.feed(Input::Resume),
                Action::Event(event) => writeln!(self.log, "{event}").unwrap(),
                _ => {}
            }
        }
    }

    fn job(&mut self, job: Job) -> Outcome {
        let missing = || Outcome::Failed(JobError { kind: JobErrorKind::NotFound, message: "none".into() });
        match job {
            Job::Listen { at, .. } => Outcome::Listening(at),
            Job::Read { file, .. } => {
                self.files.get(&*file).map_or_else(missing, |bytes| Outcome::Read(Bytes::from(bytes.clone())))
            }
            Job::Replace { file, bytes } => {
                self.files.insert((*file).into(), bytes.to_vec());
                Outcome::Written
            }
            Job::Stat { .. } => Outcome::Stat(None),
            Job::Usage => Outcome::Usage(Usage::default()),
            Job::LoadTls { .. } => Outcome::Loaded,
            Job::Resolve { .. } => missing(),
            _ => Outcome::Written,
        }
    }

    /// Sends what there is, in two goes; a master answers.
    fn write(&mut self, conn: ConnId) {
        for budget in [20, 1 << 20] {
            let mut chunks = Chunks::new();
            self.node.transmit(conn, budget, &mut chunks);
            let len = chunks.bytes();
            let sent = self.sent.entry(conn).or_default();
            chunks.iter().for_each(|c| sent.extend_from_slice(c));
            if len > 0 {
                self.feed(Input::Sent { conn, len });
            }
        }
        let asked = self.sent.get(&conn).map_or(0, |sent| sent.split(|b| *b == b'*').count() - 1);
        if conn.is_opened() && asked < 4 {
            self.feed(Input::Received { conn, bytes: if asked == 1 { b"+PONG\r\n" } else { b"+OK\r\n" } });
        }
    }

    fn say(&mut self, conn: ConnId, words: &[&str]) {
        let frame = Command::new(words).frame().to_vec();
        for piece in frame.chunks(self.piece) {
            self.feed(Input::Received { conn, bytes: piece });
        }
    }

    fn come(&mut self, n: u64) -> ConnId {
        let conn = ConnId::accepted(n);
        self.feed(Input::Accepted { conn, listener: OpId::from_u64(1), local: at(6379), peer: at(1000), tls: false });
        conn
    }

    fn answers(&self, conn: ConnId) -> String {
        String::from_utf8_lossy(&self.sent[&conn]).into_owned()
    }
}

fn conf() -> String {
    "requirepass pw-of-default\nmasterauth of-the-master\ntls-key-file-pass of-the-key\naclfile users.acl\nsave \"\"\n\
     slowlog-log-slower-than 0\nrename-command CONFIG hidden\n"
        .into()
}

/// The recording of a node that is told all of [`PASSWORDS`], in pieces of this length; and what it said.
fn recorded(piece: usize) -> (Vec<u8>, Rig, [ConnId; 3]) {
    let shelf = Shelf::default();
    let readings = Readings::new();
    let meter = RecordedMeter::new(NoMeter, readings.clone());
    let header =
        Header { program: "test".into(), machine: "node".into(), seed: [2; 32], config: conf(), about: Vec::new() };
    let mut secrets = Secrets::new([9; 32]);
    secrets.configuration_file("redis.conf");
    secrets.users_file("users.acl");
    secrets.renamed("config", "hidden");
    let node = node(&conf(), 3, Box::new(meter));
    let node = Recorder::new(node, &header, readings, Some(secrets), Box::new(Keep(Arc::clone(&shelf))), 1 << 30);
    let users = format!(
        "user default on #{} ~* &* +@all\nuser alice on #{} ~* &* +@all\nuser carl on >carl-in-the-file ~* &* +@all\n",
        hash("pw-of-default"),
        hash("known-by-its-hash")
    );
    let files = [("users.acl".into(), users.into_bytes())];
    let file = conf() + "# requirepass old-commented\n";
    let files = files.into_iter().chain([("redis.conf".into(), file.into_bytes())]).collect();
    let mut rig = Rig { node, now: 0, files, sent: BTreeMap::new(), log: String::new(), piece };
    rig.feed(Input::Tick);
    let conns @ [one, two, watcher] = [0, 1, 2].map(|n| rig.come(n));
    rig.say(watcher, &["AUTH", "pw-of-default"]);
    rig.say(watcher, &["MONITOR"]);
    talk(&mut rig, one, two);
    drop(core::mem::replace(&mut rig.node, Recorder::off(self::node("", 0, Box::new(NoMeter)))));
    let bytes = shelf.lock().unwrap().clone();
    (bytes, rig, conns)
}

fn talk(rig: &mut Rig, one: ConnId, two: ConnId) {
    rig.say(one, &["AUTH", "wrong-password"]);
    rig.say(one, &["AUTH", "pw-of-default"]);
    rig.say(two, &["AUTH", "alice", "pw-of-default"]);
    rig.say(two, &["AUTH", "alice", "known-by-its-hash"]);
    rig.say(two, &["HELLO", "2", "AUTH", "carl", "carl-in-the-file"]);
    rig.say(one, &["SET", "key", "value"]);
    let known = format!("#{}", hash("known-by-its-hash"));
    rig.say(one, &["ACL", "SETUSER", "bob", "on", ">bob and \"spaces\"", &known, ">wrong-password", "~*", "+@all"]);
    rig.say(one, &["ACL", "SETUSER", "bob", "<wrong-password"]);
    rig.say(one, &["ACL", "SETUSER", "bob", "<wrong-password"]);
    rig.say(one, &["ACL", "SETUSER", "bob", "(+get", ">wrong-password)"]);
    rig.say(two, &["AUTH", "bob", "bob and \"spaces\""]);
    rig.say(two, &["AUTH", "bob", "wrong-password"]);
    rig.say(two, &["AUTH", "bob", "known-by-its-hash"]);
    rig.say(one, &["hidden", "SET", "requirepass", "new-default", "masterauth", "of-the-master"]);
    rig.say(two, &["AUTH", "new-default"]);
    rig.say(two, &["AUTH", "pw-of-default"]);
    for words in [&["hidden", "GET", "*"][..], &["ACL", "LIST"], &["ACL", "GETUSER", "bob"], &["ACL", "LOG"]] {
        rig.say(one, words);
    }
    rig.say(one, &["ACL", "GENPASS"]);
    rig.say(one, &["hidden", "REWRITE"]);
    rig.say(one, &["ACL", "SAVE"]);
    rig.say(one, &["ACL", "LOAD"]);
    rig.say(one, &["REPLICAOF", "127.0.0.1", "6380"]);
    rig.say(one, &["SLOWLOG", "GET", "-1"]);
    rig.say(one, &["CLIENT", "LIST"]);
    rig.say(one, &["INFO"]);
    for bytes in [
        &b"AUTH alice known-by-its-hash\r\n"[..],
        b"auth 'bob' \"bob and \\\"spaces\\\"\"\r\nPING\r\n",
        b"AUTH new-defa",
    ] {
        for piece in bytes.chunks(rig.piece) {
            rig.feed(Input::Received { conn: one, bytes: piece });
        }
    }
    rig.feed(Input::Eof { conn: one });
}

/// A node that is not told what tokens hash to.
struct Untold(Node<Keyspace>);

impl Machine for Untold {
    type Call = Call;
    type Event = Event;
    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        self.0.handle(now, input, out);
    }
    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }
    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        self.0.transmit(conn, budget, out);
    }
}

fn replay<M>(bytes: &[u8], machine: impl FnOnce(&str, Box<dyn Meter>) -> M) -> Result<u64, Difference>
where
    M: Machine<Call = Call, Event = Event>,
{
    let (mut reader, playback) = (Reader::<Call>::new(), Playback::new());
    reader.feed(bytes);
    let Ok(Some(Item::Header(header))) = reader.next() else { panic!("a header comes first") };
    let mut replay = Replay::new(machine(&header.config, playback.meter()), playback);
    let mut inputs = 0;
    while let Some(item) = reader.next().unwrap() {
        if let Item::Record(record) = item {
            inputs = record.number;
            replay.step(record)?;
        }
    }
    reader.finish().unwrap();
    Ok(inputs)
}

fn assert_none(bytes: &[u8], what: &str) {
    for password in PASSWORDS {
        let digest: [u8; 32] = Sha256::digest(password.as_bytes()).into();
        for secret in
            [password.as_bytes(), &digest, hash(password).as_bytes(), &password.replace('"', "\\\"").into_bytes()]
        {
            assert!(!holds(bytes, secret), "{what} holds {password}, or what comes of it");
        }
    }
}

#[test]
fn no_recording_holds_a_password_and_every_replay_is_the_same() {
    for piece in [1 << 20, 7, 1] {
        let (bytes, rig, [one, two, watcher]) = recorded(piece);
        assert_none(&bytes, "the recording");
        let inputs = replay(&bytes, |config, meter| node(config, 77, meter)).unwrap_or_else(|d| panic!("{piece}: {d}"));
        assert!(inputs > 60, "{inputs}");
        // It was what it should be.
        let (first, second) = (rig.answers(one), rig.answers(two));
        assert!(second.starts_with("-WRONGPASS"), "{second}");
        assert_eq!(
            (first.matches("-WRONGPASS").count(), second.matches("-WRONGPASS").count()),
            (1, 3),
            "{first}\n{second}"
        );
        assert!(first.contains("new-default") && first.contains(&hash("known-by-its-hash")), "{first}");
        assert!(
            holds(&rig.files["redis.conf"], b"new-default")
                && holds(&rig.files["users.acl"], hash("new-default").as_bytes())
        );
        let link = rig.sent.iter().find(|(conn, _)| conn.is_opened()).unwrap().1;
        assert!(holds(link, b"of-the-master"), "{}", link.escape_ascii());
        // And nobody else was told: who watches, who reads the log.
        assert_none(rig.log.as_bytes(), "the log");
        let watched = rig.answers(watcher);
        assert!(watched.contains("\"SET\" \"key\" \"value\""), "{watched}");
        assert_none(watched.as_bytes(), "MONITOR");
        let slow = first.rsplit("REPLICAOF").next().unwrap();
        assert_none(slow.as_bytes(), "SLOWLOG");
    }
}

#[test]
fn who_is_not_told_what_a_token_hashes_to_does_otherwise() {
    let (bytes, ..) = recorded(1 << 20);
    let difference = replay(&bytes, |config, meter| Untold(node(config, 3, meter))).unwrap_err();
    assert!(difference.number > 3, "{difference}");
}

#[test]
fn a_made_password_is_not_that_of_the_recorded_seed() {
    let made = |seed| {
        let mut out = Actions::new();
        let mut node = node("", seed, Box::new(NoMeter));
        let conn = ConnId::accepted(0);
        let now = Now::new(Instant::from_micros(1), 0);
        node.handle(
            now,
            Input::Accepted { conn, listener: OpId::from_u64(1), local: at(1), peer: at(2), tls: false },
            &mut out,
        );
        node.handle(now, Input::Received { conn, bytes: b"ACL GENPASS\r\n" }, &mut out);
        let mut chunks = Chunks::new();
        node.transmit(conn, 1000, &mut chunks);
        assert!(chunks.is_secret());
        chunks.concat()
    };
    assert_ne!(made(1), made(2));
}
