//! A whole node: several clients, replicas, a master, a disk and the time, all of them at the fuzzer's will.

mod disk;
mod ops;
mod upstream;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::door::Door;
use super::input::Draw;
use super::rdb::{Key, read};
use super::served::{Histories, Served};
use crate::config::Config;
use crate::ids::ConnId;
use crate::keyspace::Keyspace;
use crate::machine::{Input, NoMeter};
use crate::node::{About, Node};
use crate::rdb::ReaderLimits;
use crate::replication::ReplId;
use crate::resp::{Command, Replies, ReplyLimits, Value};
use disk::Disk;
use upstream::Upstream;

/// Clients at a time.
const SLOTS: usize = 4;

/// What a run may be set up with beside the usual, a bit each of the last but one byte.
const SETTINGS: [&[&str]; 8] = [
    &["--requirepass", "secret", "--maxclients", "3"],
    &["--client-output-buffer-limit", "normal 3000 2000 1", "--client-output-buffer-limit", "replica 20000 0 0"],
    &["--timeout", "5", "--repl-timeout", "7"],
    &["--repl-diskless-sync", "no", "--rdbcompression", "no"],
    &["--save", "1 1", "--databases", "2"],
    &["--repl-diskless-load", "swapdb", "--replica-read-only", "no", "--repl-rdb-channel", "yes"],
    &["--replicaof", "10.0.0.9 6379"],
    &["--min-replicas-to-write", "1", "--repl-diskless-sync-delay", "3", "--rdb-key-save-delay", "1000"],
];

/// Operations, decoded one after another (see `ops`). The last two bytes choose settings, and whether it is done twice
/// to see that the same inputs give the same outputs.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (settings, twice) = (draw.last(), draw.last());
    let trace = play(draw, settings);
    if twice.is_multiple_of(8) {
        assert_eq!(trace, play(draw, settings), "law 6: the same inputs, another run");
    }
}

fn play(mut draw: Draw<'_>, settings: u8) -> u64 {
    let mut play = Play::new(settings);
    play.door.feed(Input::Tick);
    play.quiet();
    while !draw.is_empty() && play.door.exit.is_none() {
        play.op(&mut draw);
        play.hold();
    }
    play.quiet();
    play.saved();
    play.door.trace
}

/// A node, and the world as far as it sees it.
struct Play {
    door: Door<Node<Keyspace>>,
    slots: [Option<ConnId>; SLOTS],
    served: BTreeMap<ConnId, Served>,
    histories: Histories,
    disk: Disk,
    upstream: Upstream,
    /// Where a replica that comes again goes on.
    place: Option<(ReplId, u64)>,
}

impl Play {
    fn new(settings: u8) -> Self {
        let mut config = Config::new();
        let usual: &[&[&str]] = &[
            &["--bind", "10.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16kb"],
            &["--enable-debug-command", "yes", "--proto-max-bulk-len", "1mb", "--client-query-buffer-limit", "1mb"],
        ];
        let chosen = SETTINGS.iter().enumerate().filter(|(i, _)| settings >> i & 1 == 1).map(|(_, args)| args);
        for args in usual.iter().chain(chosen) {
            config.apply_args(args).expect("the settings of a run are sound");
        }
        let data = Keyspace::new(config.settings.databases, [9; 32]);
        let about = About { pid: 1, config_file: "redis.conf".into(), ..About::default() };
        Self {
            door: Door::new(Node::new(config, data, [7; 32], Box::new(NoMeter), about)),
            slots: [None; SLOTS],
            served: BTreeMap::new(),
            histories: Histories::default(),
            disk: Disk::default(),
            upstream: Upstream::default(),
            place: None,
        }
    }

    /// What holds after every operation.
    fn hold(&mut self) {
        self.door.events.clear();
        self.served.retain(|conn, _| self.door.conns.contains_key(conn));
    }

    fn conn(&self, slot: usize) -> Option<ConnId> {
        self.slots[slot].filter(|conn| self.door.conns.contains_key(conn))
    }

    /// The client in this slot, made if it is not there.
    fn client(&mut self, slot: usize) -> Option<ConnId> {
        if let Some(conn) = self.conn(slot) {
            return Some(conn);
        }
        let conn = self.door.accept()?;
        self.slots[slot] = Some(conn);
        self.served.insert(conn, Served::new());
        Some(conn)
    }

    fn says(&mut self, slot: usize, bytes: &[u8]) {
        let Some(conn) = self.client(slot) else { return };
        if self.door.receive(conn, bytes)
            && let Some(served) = self.served.get_mut(&conn)
        {
            served.said(bytes);
        }
    }

    /// A client takes up to `budget` bytes, and looks at them.
    fn take(&mut self, conn: ConnId, budget: usize) -> bool {
        let bytes = self.door.send(conn, budget);
        if bytes.is_empty() {
            return false;
        }
        if conn.is_opened() {
            self.upstream.heard(&bytes);
            return true;
        }
        let Some(served) = self.served.get_mut(&conn) else { return true };
        served.got(&bytes, &mut self.histories);
        self.place = served.position().or(self.place);
        for snapshot in served.snapshots.drain(..) {
            let read = read(&[&snapshot], ReaderLimits::default());
            assert_eq!(read.end, Ok(()), "a replica got a snapshot that cannot be read");
        }
        true
    }

    fn drain(&mut self) -> bool {
        let all: Vec<ConnId> = self.door.conns.keys().copied().collect();
        all.into_iter().filter(|&conn| self.take(conn, 1 << 16)).count() > 0
    }

    /// The `n`-th job ends, or the first before it on the same file.
    fn job(&mut self, n: usize, ok: bool) -> bool {
        let Some((_, job)) = self.door.jobs.get(n) else { return false };
        let file = disk::file_of(job).map(String::from);
        let first = self.door.jobs.iter().position(|(_, j)| file.is_some() && disk::file_of(j) == file.as_deref());
        let Some((op, job)) = self.door.jobs.remove(first.unwrap_or(n)) else { return false };
        let result = self.disk.job(&job, ok);
        self.door.done(op, &job, result);
        true
    }

    /// Does all that is ready: jobs, slices, bytes.
    fn quiet(&mut self) {
        for _ in 0..5000 {
            if self.door.exit.is_some() || !(self.job(0, true) | self.door.resume() | self.drain()) {
                return;
            }
        }
        panic!("the node does not come to rest");
    }

    /// What SAVE wrote is what GET answers: every key, and no other.
    fn saved(&mut self) {
        if self.door.exit.is_some() {
            return;
        }
        self.slots.iter().flatten().copied().collect::<Vec<_>>().into_iter().for_each(|conn| self.door.end(conn, true));
        // What waits for time (a pause, a shutdown, a slow snapshot) gets some.
        self.door.pass(70_000_000);
        self.quiet();
        let Some(conn) = self.client(0) else { return };
        self.ask(conn, &["AUTH", "secret"]);
        self.ask(conn, &["CONFIG", "SET", "rdb-key-save-delay", "0"]);
        self.ask(conn, &["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        // A GET would make room.
        self.ask(conn, &["CONFIG", "SET", "maxmemory", "0"]);
        let saved = self.ask(conn, &["SAVE"]);
        if !saved.is_some_and(|v| v.is("OK")) {
            return;
        }
        let Some(file) = self.disk.files.get("./dump.rdb").or(self.disk.files.get("dump.rdb")) else { return };
        let read = read(&[file], ReaderLimits::default());
        assert_eq!(read.end, Ok(()), "SAVE wrote a snapshot that cannot be read");
        let now = self.door.now().unix_ms as i64;
        let mut live: BTreeMap<u64, usize> = BTreeMap::new();
        for Key { db, name: key, expire, value } in read.keys {
            let selected = self.ask(conn, &["SELECT", &format!("{db}")]);
            let got = self.ask_command(conn, &Command::new(&[&b"GET"[..], &key]));
            let (Some(selected), Some(got)) = (selected, got) else { return };
            assert!(selected.is("OK"), "the snapshot has database {db}");
            *live.entry(db).or_default() += 1;
            if expire.is_none_or(|at| at > now) {
                let shown = key.escape_ascii();
                assert_eq!(got, Value::Bulk(value), "key {shown} of database {db} was saved otherwise");
            }
        }
        for db in 0..16 {
            if self.ask(conn, &["SELECT", &format!("{db}")]).is_some_and(|v| v.is("OK")) {
                let Some(Value::Integer(size)) = self.ask(conn, &["DBSIZE"]) else { return };
                let saved = live.get(&db).copied().unwrap_or(0);
                assert!(size as usize <= saved, "database {db} has {size} keys, {saved} were saved");
            }
        }
    }

    fn ask(&mut self, conn: ConnId, words: &[&str]) -> Option<Value> {
        self.ask_command(conn, &Command::new(words))
    }

    /// The answer to a command, if the node still gives one.
    fn ask_command(&mut self, conn: ConnId, command: &Command) -> Option<Value> {
        let mut replies = Replies::new(ReplyLimits::default());
        self.door.receive(conn, command.frame());
        for _ in 0..1000 {
            let bytes = self.door.send(conn, 1 << 16);
            if let Some(value) = replies.next(&mut &bytes[..]).expect("answers are RESP") {
                return Some(value);
            }
            if bytes.is_empty() && !(self.job(0, true) | self.door.resume()) {
                return None;
            }
        }
        None
    }
}
