//! A store of your own as a master of real Redis and Valkey servers.
//!
//! `cargo run -p primacy-core --example kv_master -- 7000`, then `redis-server --port 7001 --replicaof "127.0.0.1 7000"`
//! beside it, and lines to the example: `set NAME VALUE`, `add NAME N`, `del NAME`, `list`, `replicas`, `quit`.
//!
//! The store is a map on this thread; the master runs on another one, over mio. Two things are asked of a store: to say
//! each change as a Redis command, and to give a snapshot of one moment.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "an example lives on std")]

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead as _;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;

use bytes::Bytes;
use primacy_core::Chunks;
use primacy_core::machine::{Endpoint, SocketOptions};
use primacy_core::rdb::{Body, Options, Writer};
use primacy_core::replication::SourceConfig;
use primacy_core::replication::master::{Call, Event, Master, MasterConfig};
use primacy_core::replication::source::{Content, SnapshotKind, SnapshotWanted};
use primacy_core::resp::Command;
use primacy_host::{Clock, TurnMeter};
use primacy_mio::{Drive as _, Driver, Handle};

/// What this thread hears of.
enum News {
    Line(String),
    Master(Event),
    Ended(i32),
}

/// The store, and its line to the master.
struct Store {
    map: BTreeMap<String, String>,
    master: Handle<Call>,
    /// The pieces of a snapshot that were not handed over yet.
    snapshot: Option<VecDeque<Bytes>>,
}

impl Store {
    /// What was done to the map, told to the replicas.
    fn tell(&self, command: &[&str]) {
        self.master.call(Call::Append { db: Some(0), command: Command::new(command) });
    }

    /// A line of the user's; the answer to it.
    fn line(&mut self, line: &str) -> String {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["set", name, value] => {
                self.map.insert(name.into(), value.into());
                self.tell(&["SET", name, value]);
                "ok".into()
            }
            ["add", name, n] => {
                let old = self.map.get(name).map_or(Ok(0), |value| value.parse::<i64>());
                let Some(sum) = old.ok().zip(n.parse().ok()).and_then(|(a, b): (i64, i64)| a.checked_add(b)) else {
                    return format!("'{name}' and '{n}' make no number");
                };
                self.map.insert(name.into(), sum.to_string());
                // What it came to, not how: a replica needs to know nothing of sums.
                self.tell(&["SET", name, &sum.to_string()]);
                sum.to_string()
            }
            ["del", name] if self.map.remove(name).is_some() => {
                self.tell(&["DEL", name]);
                "ok".into()
            }
            ["del", name] => format!("there is no '{name}'"),
            ["list"] => format!("{:?}", self.map),
            _ => "set NAME VALUE, add NAME N, del NAME, list, quit".into(),
        }
    }

    /// The map of this moment in the format of dump.rdb.
    fn dump(&self, wanted: SnapshotWanted) -> VecDeque<Bytes> {
        let mut body = Body::new(Options::default());
        if wanted.content == Content::All {
            self.map.iter().for_each(|(name, value)| body.string(0, name.as_bytes(), None, value.as_bytes()));
        }
        let mut writer = Writer::new(wanted.version.unwrap_or(Writer::MIN_VERSION), true);
        writer.absorb(&mut body);
        writer.finish();
        let mut chunks = Chunks::new();
        writer.out().read(0, usize::MAX, &mut chunks);
        chunks.iter().cloned().collect()
    }

    /// What the master says.
    fn master_says(&mut self, event: Event) {
        match event {
            // Both are calls of this thread, in this order: what is told after them is behind the snapshot.
            Event::SnapshotWanted(wanted) if wanted.kind == SnapshotKind::Socket => {
                self.snapshot = Some(self.dump(wanted));
                self.master.call(Call::SnapshotBegin(wanted));
            }
            Event::SnapshotWanted(wanted) => {
                self.master.call(Call::SnapshotBegin(wanted));
                self.master.call(Call::SnapshotFailed("this store gives snapshots over the socket alone".into()));
            }
            Event::SnapshotRoom(room) => self.hand_over(room),
            Event::SnapshotUnwanted => self.snapshot = None,
            other => eprintln!("{other}"),
        }
    }

    /// Gives about `room` bytes of the snapshot.
    fn hand_over(&mut self, room: usize) {
        let Some(left) = &mut self.snapshot else { return };
        let (mut pieces, mut given) = (Vec::new(), 0);
        while given < room
            && let Some(piece) = left.pop_front()
        {
            given += piece.len();
            pieces.push(piece);
        }
        self.master.call(Call::Snapshot(pieces));
        if left.is_empty() {
            self.snapshot = None;
            self.master.call(Call::SnapshotEnd);
        }
    }
}

/// Runs the master on a thread of its own.
fn start(port: u16, news: Sender<News>) -> Result<Handle<Call>, Box<dyn std::error::Error>> {
    let config = MasterConfig {
        listen: Endpoint::Tcp((Ipv4Addr::LOCALHOST, port).into()),
        password: None,
        connections: 100,
        options: SocketOptions::default(),
        source: SourceConfig { diskless_delay: std::time::Duration::ZERO, ..SourceConfig::default() },
    };
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    let (teller, told) = channel();
    spawn(move || {
        let heard = news.clone();
        let sink = move |event| drop(heard.send(News::Master(event)));
        let mut driver = match Driver::new(Master::new(config, seed), &TurnMeter::new(Clock::new()), sink) {
            Ok(driver) => driver,
            Err(e) => return drop(teller.send(Err(e))),
        };
        let _ = teller.send(Ok(driver.handle()));
        let _ = news.send(News::Ended(driver.run().unwrap_or(1)));
    });
    Ok(told.recv()??)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(7000), |port| port.parse())?;
    let (teller, news): (Sender<News>, Receiver<News>) = channel();
    let mut store = Store { map: BTreeMap::new(), master: start(port, teller.clone())?, snapshot: None };
    spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|l| teller.send(News::Line(l))));
    for heard in news {
        match heard {
            News::Line(line) if line == "quit" => store.master.shutdown(),
            News::Line(line) => println!("{}", store.line(&line)),
            News::Master(event) => store.master_says(event),
            News::Ended(code) => std::process::exit(code),
        }
    }
    Ok(())
}
