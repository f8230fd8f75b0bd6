//! Handshakes as transcripts: what comes in and when, what must go out.
//!
//! Each file in `transcripts/` begins with `master` or `replica` and its settings; then, line by line:
//!
//! - `> bytes`: bytes come in (escapes as in Rust; several lines are one input each); `@ 1500ms`: time passes;
//! - `accept`, `connected`, `closed`: what happens to the newest connection; `call ...`: what the host asks;
//! - `< bytes`: bytes that went out; `! words`: an event or another action.
//!
//! Every transcript runs twice, the second time with each `>` byte by byte: the outcome must be the same. With
//! `PRIMACY_TRANSCRIPTS=rewrite` the expectations are written anew: read the difference before you keep it.

use core::fmt::Write as _;
use core::time::Duration;
use std::{env, fs};

use bytes::Bytes;
use primacy_core::ids::ConnId;
use primacy_core::machine::{Action, Actions, Chunks, Closed, Endpoint, Input, Machine, SocketOptions};
use primacy_core::rdb::ReaderLimits;
use primacy_core::replication::follower::{Credentials, FollowerConfig};
use primacy_core::replication::master::{self, Master, MasterConfig};
use primacy_core::replication::replica::{self, Position, Replica, ReplicaConfig};
use primacy_core::replication::source::{Content, SnapshotKind, SnapshotWanted, SourceConfig};
use primacy_core::resp::Command;
use primacy_core::time::Now;

/// A machine under test, driven by text.
trait Subject {
    fn input(&mut self, now: Now, input: Fed<'_>, out: &mut Vec<String>) -> Vec<ConnId>;
    fn transmit(&mut self, conn: ConnId, out: &mut Chunks);
    fn deadline(&self) -> Option<primacy_core::Instant>;
}

#[derive(Clone, Copy)]
enum Fed<'a> {
    Tick,
    Accept(ConnId),
    Connected(ConnId),
    Received(ConnId, &'a [u8]),
    Sent(ConnId, usize),
    Closed(ConnId),
    Call(&'a str),
}

fn convert<C>(fed: Fed<'_>, call: impl FnOnce(&str) -> C) -> Input<'_, C> {
    let at = || Endpoint::Tcp("127.0.0.1:40000".parse().unwrap());
    match fed {
        Fed::Tick => Input::Tick,
        Fed::Accept(conn) => {
            let listener = primacy_core::ids::OpId::from_u64(1);
            Input::Accepted { conn, listener, local: at(), peer: at(), tls: false }
        }
        Fed::Connected(conn) => Input::Connected { conn, local: at(), peer: at(), tls: false },
        Fed::Received(conn, bytes) => Input::Received { conn, bytes },
        Fed::Sent(conn, len) => Input::Sent { conn, len },
        Fed::Closed(conn) => Input::Closed { conn, reason: Closed::Reset },
        Fed::Call(text) => Input::Call(call(text)),
    }
}

/// Tells actions as text; the connections that were opened.
fn tell<E>(actions: &mut Actions<E>, out: &mut Vec<String>, words: impl Fn(&E) -> String) -> Vec<ConnId> {
    let mut opened = Vec::new();
    for action in actions.drain() {
        match action {
            Action::Connect { conn, to, .. } => {
                opened.push(conn);
                out.push(format!("! connect {to}"));
            }
            Action::Close { conn } => out.push(format!("! close {conn:?}")),
            Action::Start { op, job } => out.push(format!("! start {op:?} {job:?}")),
            Action::Event(e) => out.push(format!("! {}", words(&e))),
            // When bytes are announced depends on how the input was cut.
            _ => {}
        }
    }
    opened
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace().map(unescape).collect()
}

impl Subject for Master {
    fn input(&mut self, now: Now, fed: Fed<'_>, out: &mut Vec<String>) -> Vec<ConnId> {
        let input = convert(fed, |text| {
            let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
            match name {
                "append" => {
                    let (db, rest) = rest.split_once(' ').expect("call append <db> <words>");
                    master::Call::Append { db: db.parse().ok(), command: Command::new(&words(rest)) }
                }
                "begin" => {
                    let kind = if rest == "file" { SnapshotKind::File } else { SnapshotKind::Socket };
                    master::Call::SnapshotBegin(SnapshotWanted { kind, content: Content::default(), version: None })
                }
                "snapshot" => master::Call::Snapshot(vec![Bytes::from(unescape(rest))]),
                "end" => master::Call::SnapshotEnd,
                "file" => master::Call::SnapshotFile { file: "dump".into(), len: rest.parse().unwrap() },
                "fail" => master::Call::SnapshotFailed(rest.into()),
                "getack" => master::Call::RequestAcks,
                other => panic!("no call {other}"),
            }
        });
        let mut actions = Actions::new();
        self.handle(now, input, &mut actions);
        tell(&mut actions, out, ToString::to_string)
    }
    fn transmit(&mut self, conn: ConnId, out: &mut Chunks) {
        Machine::transmit(self, conn, usize::MAX, out);
    }
    fn deadline(&self) -> Option<primacy_core::Instant> {
        Machine::deadline(self)
    }
}

impl Subject for Replica {
    fn input(&mut self, now: Now, fed: Fed<'_>, out: &mut Vec<String>) -> Vec<ConnId> {
        let input = convert(fed, |text| {
            let args: Vec<&str> = text.split(' ').collect();
            match args[..] {
                ["follow", host] => replica::Call::Follow { host: host.into(), port: 6379, resume: None },
                ["follow", host, id, offset] => {
                    let resume = Position { id: id.parse().unwrap(), offset: offset.parse().unwrap(), db: 0 };
                    replica::Call::Follow { host: host.into(), port: 6379, resume: Some(resume) }
                }
                ["stop"] => replica::Call::Stop,
                _ => panic!("no call {text}"),
            }
        });
        let mut actions = Actions::new();
        self.handle(now, input, &mut actions);
        tell(&mut actions, out, |e| match e {
            replica::Event::Command { db, command } => {
                let args: Vec<_> = command.command.args().iter().map(|a| a.escape_ascii().to_string()).collect();
                format!("command db={db} safe={} {}", command.position.offset, args.join(" "))
            }
            e => e.to_string(),
        })
    }
    fn transmit(&mut self, conn: ConnId, out: &mut Chunks) {
        Machine::transmit(self, conn, usize::MAX, out);
    }
    fn deadline(&self) -> Option<primacy_core::Instant> {
        Machine::deadline(self)
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b'x') => {
                let hex: String = [bytes.next(), bytes.next()].into_iter().flatten().map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("\\x and two digits"));
            }
            Some(b's') => out.push(b' '),
            other => out.extend(other),
        }
    }
    out
}

fn subject(line: &str) -> Box<dyn Subject> {
    let has = |word: &str| line.split(' ').any(|w| w == word);
    if has("master") {
        let source = SourceConfig {
            diskless: !has("disk"),
            diskless_delay: Duration::from_secs(if has("delay") { 3 } else { 0 }),
            backlog_size: if has("small") { 64 } else { 1 << 20 },
            output_hard: if has("small") { 200 } else { 256 << 20 },
            ..SourceConfig::default()
        };
        return Box::new(Master::new(
            MasterConfig {
                listen: Endpoint::Tcp("127.0.0.1:6379".parse().unwrap()),
                password: has("password").then(|| "secret".into()),
                connections: 3,
                options: SocketOptions::default(),
                source,
            },
            [7; 32],
        ));
    }
    assert!(has("replica"), "a transcript begins with `master` or `replica`, not `{line}`");
    let auth = has("auth").then(|| Credentials { user: Some(b"u".to_vec()), password: b"pw".to_vec() });
    let follower = FollowerConfig { auth, port: 7000, ..FollowerConfig::default() };
    let config = ReplicaConfig { follower, acknowledge_at_once: true, limits: ReaderLimits::default() };
    Box::new(Replica::new(config, [7; 32]))
}

struct Run {
    machine: Box<dyn Subject>,
    now: Now,
    conns: Vec<ConnId>,
    accepted: u64,
    told: Vec<String>,
    sent: Vec<(ConnId, Vec<u8>)>,
}

impl Run {
    fn feed(&mut self, fed: Fed<'_>) {
        let opened = self.machine.input(self.now, fed, &mut self.told);
        assert!(self.machine.deadline().is_none_or(|at| at > self.now.mono), "a deadline that passed");
        self.conns.extend(opened);
        self.flush();
    }

    /// Takes all that the machine has to send.
    fn flush(&mut self) {
        for conn in self.conns.clone() {
            loop {
                let mut chunks = Chunks::new();
                self.machine.transmit(conn, &mut chunks);
                if chunks.bytes() == 0 {
                    break;
                }
                match self.sent.iter_mut().find(|(c, _)| *c == conn) {
                    Some((_, all)) => all.extend(chunks.concat()),
                    None => self.sent.push((conn, chunks.concat())),
                }
                self.machine.input(self.now, Fed::Sent(conn, chunks.bytes()), &mut self.told);
            }
        }
    }

    fn pass(&mut self, by: Duration) {
        let to = self.now.mono + by;
        while let Some(at) = self.machine.deadline().filter(|&at| at <= to) {
            self.now.mono = at;
            self.feed(Fed::Tick);
        }
        self.now.mono = to;
    }

    fn line(&mut self, line: &str, bytewise: bool) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let newest = || self.conns.last().copied().expect("no connection yet");
        match word {
            "accept" => {
                self.accepted += 1;
                let conn = ConnId::accepted(self.accepted);
                self.conns.push(conn);
                self.feed(Fed::Accept(conn));
            }
            "connected" => self.feed(Fed::Connected(newest())),
            "closed" => self.feed(Fed::Closed(newest())),
            ">" => {
                let (bytes, conn) = (unescape(rest), newest());
                if bytewise {
                    for b in bytes {
                        self.feed(Fed::Received(conn, &[b]));
                    }
                } else {
                    self.feed(Fed::Received(conn, &bytes));
                }
            }
            "@" => {
                let ms = rest.strip_suffix("ms").and_then(|n| n.parse().ok()).expect("@ <n>ms");
                self.pass(Duration::from_millis(ms));
            }
            "call" => self.feed(Fed::Call(rest)),
            other => panic!("no such line: {other}"),
        }
    }
}

/// Runs the inputs of a transcript; the whole transcript with what came out.
fn run(text: &str, bytewise: bool) -> String {
    let mut out = String::new();
    let mut run: Option<Run> = None;
    for line in text.lines().filter(|l| !l.starts_with("< ") && !l.starts_with("! ")) {
        out.push_str(line);
        out.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(run) = &mut run else {
            let (machine, now) = (subject(line), Now::default());
            let (told, sent) = (Vec::new(), Vec::new());
            run = Some(Run { machine, now, conns: Vec::new(), accepted: 0, told, sent });
            continue;
        };
        run.line(line, bytewise);
        for told in run.told.drain(..) {
            writeln!(out, "{told}").unwrap();
        }
        for (_, bytes) in run.sent.drain(..) {
            let shown = bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"");
            writeln!(out, "< {shown}").unwrap();
        }
    }
    out
}

#[test]
fn transcripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let rewrite = env::var("PRIMACY_TRANSCRIPTS").is_ok_and(|v| v == "rewrite");
    let mut seen = 0;
    let mut wrong = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let got = run(&text, false);
        let bytewise = run(&text, true);
        assert!(
            got == bytewise,
            "{}: cut into bytes it goes otherwise: {}",
            path.display(),
            difference(&got, &bytewise)
        );
        seen += 1;
        if got != text {
            if rewrite {
                fs::write(&path, got).unwrap();
            } else {
                wrong.push(format!("{}:\n{}", path.display(), difference(&text, &got)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 10, "only {seen} transcripts found");
}

fn difference(want: &str, got: &str) -> String {
    let (want, got): (Vec<_>, Vec<_>) = (want.lines().collect(), got.lines().collect());
    let at = want.iter().zip(&got).position(|(a, b)| a != b).unwrap_or(want.len().min(got.len()));
    let show = |l: Option<&&str>| l.map_or("(end)".to_string(), ToString::to_string);
    format!("line {}: expected {}\n          got {}", at + 1, show(want.get(at)), show(got.get(at)))
}
