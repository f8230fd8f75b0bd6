//! Every change of a real Redis or Valkey server as values of your own type: a replica that stores nothing.
//!
//! `cargo run -p primacy-core --example change_stream -- 127.0.0.1 6379` prints what is there, then each change as it comes.
//! It says where it stands with each; given again as a third argument (`ID:OFFSET:DB`), it goes on there.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "an example lives on std")]

use std::fmt;
use std::io::Write as _;

use primacy_core::rdb::ReaderLimits;
use primacy_core::replication::replica::{Call, Event, Key, KeyValue, Position, Replica, ReplicaConfig};
use primacy_core::replication::{FollowerConfig, ReplId};
use primacy_core::resp::Args;
use primacy_host::{Clock, TurnMeter};
use primacy_mio::{Drive as _, Driver};

/// What this program makes of it. A master sends effects: EXPIRE comes as PEXPIREAT, INCRBYFLOAT as SET.
enum Change {
    Set {
        key: String,
        value: String,
        expire_at_ms: Option<i64>,
    },
    Deleted {
        keys: Vec<String>,
    },
    ExpiresAt {
        key: String,
        ms: i64,
    },
    Added {
        key: String,
        by: i64,
    },
    /// A whole collection of a snapshot, or what no arm above knows.
    Other {
        what: String,
        key: Option<String>,
    },
    /// All of a database is gone, or all of them.
    Flushed {
        db: Option<u32>,
    },
}

impl Change {
    /// A key of the snapshot.
    fn of_key(key: &Key) -> Self {
        let name = text(&key.key);
        match &key.value {
            KeyValue::String(value) => Self::Set { key: name, value: text(value), expire_at_ms: key.expire_at_ms },
            KeyValue::Pieces(len) => {
                Self::Other { what: format!("a string of {len} bytes, in pieces"), key: Some(name) }
            }
            KeyValue::Compact(kind, _) | KeyValue::Elements(kind, _) => {
                Self::Other { what: format!("a {kind:?}").to_lowercase(), key: Some(name) }
            }
            _ => Self::Other { what: "a value".into(), key: Some(name) },
        }
    }

    /// A command of the stream.
    fn of_command(db: u32, args: Args<'_>) -> Self {
        let word = |i: usize| text(args.at(i));
        let number = |i: usize| word(i).parse::<i64>().ok();
        match (word(0).to_lowercase().as_str(), args.len()) {
            ("set", 3) => Self::Set { key: word(1), value: word(2), expire_at_ms: None },
            ("set", 5) if word(3).eq_ignore_ascii_case("pxat") => {
                Self::Set { key: word(1), value: word(2), expire_at_ms: number(4) }
            }
            ("del" | "unlink", 2..) => Self::Deleted { keys: (1..args.len()).map(word).collect() },
            ("pexpireat", 3) => Self::ExpiresAt { key: word(1), ms: number(2).unwrap_or(0) },
            ("incr", 2) => Self::Added { key: word(1), by: 1 },
            ("decr", 2) => Self::Added { key: word(1), by: -1 },
            ("incrby", 3) => Self::Added { key: word(1), by: number(2).unwrap_or(0) },
            ("decrby", 3) => Self::Added { key: word(1), by: -number(2).unwrap_or(0) },
            ("flushdb", _) => Self::Flushed { db: Some(db) },
            ("flushall", _) => Self::Flushed { db: None },
            (name, len) => Self::Other { what: name.into(), key: (len > 1).then(|| word(1)) },
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { key, value, expire_at_ms: None } => write!(f, "{key} = {value}"),
            Self::Set { key, value, expire_at_ms: Some(at) } => write!(f, "{key} = {value} until {at}"),
            Self::Deleted { keys } => write!(f, "{} deleted", keys.join(", ")),
            Self::ExpiresAt { key, ms } => write!(f, "{key} stays until {ms}"),
            Self::Added { key, by } => write!(f, "{key} {by:+}"),
            Self::Other { what, key } => write!(f, "{} {what}", key.as_deref().unwrap_or("-")),
            Self::Flushed { db: Some(db) } => write!(f, "database {db} is empty"),
            Self::Flushed { db: None } => f.write_str("everything is empty"),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A place in the history, as it is printed and read.
struct Place(Position);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.0.id, self.0.offset, self.0.db)
    }
}

impl std::str::FromStr for Place {
    type Err = Box<dyn std::error::Error>;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let [id, offset, db] = s.split(':').collect::<Vec<_>>()[..] else {
            return Err(format!("'{s}' is no place: ID:OFFSET:DB is").into());
        };
        Ok(Self(Position { id: ReplId::parse(id.as_bytes())?, offset: offset.parse()?, db: db.parse()? }))
    }
}

/// One line for each event that is about the data; the rest goes to the log.
fn show(event: Event) {
    let line = match event {
        Event::SnapshotBegin { .. } => "all of it anew".into(),
        Event::Key(key) => format!("db {}: {}", key.db, Change::of_key(&key)),
        Event::SnapshotEnd { position } => format!("at {}", Place(position)),
        Event::Command { db, command } => {
            format!("db {db}: {} at {}", Change::of_command(db, command.command.args()), Place(command.position))
        }
        Event::Log(log) => return eprintln!("{log}"),
        Event::Lost(why) => return eprintln!("{why}; it is tried again"),
        _ => return,
    };
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        // Nobody listens any more.
        std::process::exit(0);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (host, port) = match &args[..] {
        [] => ("127.0.0.1", 6379),
        [host] => (host.as_str(), 6379),
        [host, port, ..] => (host.as_str(), port.parse()?),
    };
    let resume = args.get(2).map(|place| place.parse::<Place>()).transpose()?.map(|place| place.0);
    let config = ReplicaConfig {
        follower: FollowerConfig::default(),
        // What is printed is done with. A consumer that stores things says `Call::Applied` once they are stored.
        acknowledge_at_once: true,
        limits: ReaderLimits::default(),
    };
    let mut driver = Driver::new(Replica::new(config, [1; 32]), &TurnMeter::new(Clock::new()), show)?;
    driver.handle().call(Call::Follow { host: host.into(), port, resume });
    std::process::exit(driver.run()?);
}
