//! Writes the page of a made-up run, to see what the page shows and to look at it after a change:
//!
//! ```text
//! cargo run -p primacy-core --features sim --example story > story.html
//! cargo run -p primacy-core --features sim --example story -- 20000 > long.html   # about so many messages
//! ```
//!
//! No machine runs here: a script of what could have happened, with delays from a small generator.

use core::time::Duration;

use primacy_core::machine::{Chunks, Level};
use primacy_core::rdb::{Body, Options, Writer};
use primacy_core::resp::Command;
use primacy_core::sim::page;
use primacy_core::sim::story::{BandKind, LaneId, LaneKind, Limits, Mark, MarkKind, Story};
use primacy_core::time::Instant;

const ID: &str = "8b0c4f5e9f1d4ce2a7d36f1f0a9e5b7c2d4e6f80";
const NEXT_ID: &str = "13f7a0c2b4d6e8f00112233445566778899aabbc";

fn at(ms: f64) -> Instant {
    Instant::from_micros((ms * 1000.0) as u64)
}

fn command(words: &[&str]) -> Vec<u8> {
    Command::new(words).frame().to_vec()
}

/// A story under way, with delays that look like a network's.
struct Telling {
    story: Story,
    state: u64,
    conns: u64,
    offset: u64,
}

/// Whom a client writes to over which connection, and who follows over which.
struct Group {
    client: (LaneId, u64),
    master: LaneId,
    followers: Vec<(LaneId, u64)>,
}

impl Telling {
    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn conn(&mut self) -> u64 {
        self.conns += 1;
        self.conns
    }

    /// Sends, and gives the time at which it arrives.
    fn send(&mut self, from: LaneId, to: LaneId, conn: u64, when: Instant, bytes: &[u8]) -> Instant {
        let message = self.story.sent(from, to, conn, when, bytes);
        let slow = if self.random(40) == 0 { 9_000 } else { 0 };
        let then = when + Duration::from_micros(300 + self.random(700) + slow);
        self.story.arrived(message, then);
        then
    }

    fn lose(&mut self, from: LaneId, to: LaneId, conn: u64, when: Instant, until: Instant, bytes: &[u8]) {
        let message = self.story.sent(from, to, conn, when, bytes);
        self.story.lost(message, until);
    }

    fn log(&mut self, lane: LaneId, when: Instant, level: Level, text: &str) {
        self.story.mark(Mark::new(when, MarkKind::Log, text).on(lane).level(level));
    }

    /// A replica connects and gets a snapshot; gives its connection and when it is in sync.
    fn full_resync(&mut self, replica: LaneId, master: LaneId, when: Instant, id: &str) -> (u64, Instant) {
        let conn = self.conn();
        self.story.band(replica, BandKind::Link, "handshake", when);
        let mut then = when;
        for (ask, answer) in [
            (command(&["PING"]), "+PONG\r\n"),
            (command(&["REPLCONF", "listening-port", "6379"]), "+OK\r\n"),
            (command(&["REPLCONF", "capa", "eof", "capa", "psync2"]), "+OK\r\n"),
        ] {
            then = self.send(replica, master, conn, then, &ask);
            then = self.send(master, replica, conn, then, answer.as_bytes());
        }
        then = self.send(replica, master, conn, then, &command(&["PSYNC", "?", "-1"]));
        self.log(master, then, Level::Notice, "Full resync requested by replica 10.0.0.2:6379");
        let text = format!("+FULLRESYNC {id} {}\r\n", self.offset);
        then = self.send(master, replica, conn, then, text.as_bytes());
        self.story.band(replica, BandKind::Link, "full resync", then);
        self.send(master, replica, conn, then + Duration::from_millis(40), b"\n");
        let payload = snapshot(id, self.offset);
        let mut frame = format!("${}\r\n", payload.len()).into_bytes();
        frame.extend(payload);
        then += Duration::from_millis(90);
        for piece in frame.chunks(4096) {
            then = self.send(master, replica, conn, then, piece);
        }
        self.log(replica, then, Level::Notice, "MASTER <-> REPLICA sync: Finished with success");
        self.story.band(replica, BandKind::Link, "in sync", then);
        (conn, then)
    }

    /// One command of the client, its answer, and how it goes on to the followers. A follower in `cut` hears nothing;
    /// what is sent to it is given up at `heals`.
    fn write(&mut self, group: &Group, ms: f64, n: u64, cut: Option<LaneId>, heals: Instant) {
        let (client, conn) = group.client;
        let key = format!("user:{:04}", self.random(160));
        let (ask, answer) = match self.random(5) {
            0 => (command(&["GET", &key]), "$5\r\nhello\r\n".to_string()),
            1 => (command(&["INCR", "visits"]), format!(":{n}\r\n")),
            _ => (command(&["SET", &key, &format!("seen at {ms:.1} ms")]), "+OK\r\n".to_string()),
        };
        let then = self.send(client, group.master, conn, at(ms), &ask);
        self.send(group.master, client, conn, then, answer.as_bytes());
        if answer.starts_with('$') {
            return;
        }
        self.offset += ask.len() as u64;
        for (replica, link) in group.followers.clone() {
            if cut == Some(replica) {
                self.lose(group.master, replica, link, then, heals, &ask);
            } else {
                self.send(group.master, replica, link, then, &ask);
            }
        }
    }

    /// Commands every so many ms from one time to another, and acknowledgements every second.
    fn writes(&mut self, group: &Group, (from, to, every): (f64, f64, f64), cut: Option<LaneId>, heals: Instant) {
        let (mut ms, mut n) = (from, 0u64);
        while ms < to {
            self.write(group, ms, n, cut, heals);
            n += 1;
            if n.is_multiple_of((1000.0 / every).max(1.0) as u64) {
                for (replica, link) in group.followers.clone() {
                    let ack = command(&["REPLCONF", "ACK", &self.offset.to_string()]);
                    if cut == Some(replica) {
                        self.lose(replica, group.master, link, at(ms), heals, &ack);
                    } else {
                        self.send(replica, group.master, link, at(ms), &ack);
                    }
                }
            }
            ms += every;
        }
    }
}

fn snapshot(id: &str, offset: u64) -> Vec<u8> {
    let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
    writer.about("7.0.15", 64, 1_700_000_000, 1 << 20);
    writer.replication(0, id, offset as i64);
    let mut body = Body::new(Options::default());
    body.resize(0, 161, 1);
    body.string(0, b"greeting", Some(1_700_000_600_000), b"hello, world");
    for n in 0..160 {
        let value = format!("{{\"name\":\"user {n}\",\"seen\":{}}}", n * 7);
        body.string(0, format!("user:{n:04}").as_bytes(), None, value.as_bytes());
    }
    writer.absorb(&mut body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

fn tell(messages: usize) -> Story {
    let title = "replication: a partition, a crash, a promotion, and a write that went missing";
    let story = Story::new(title, "primacy sim --scenario replication --seed 4711 --faults 3,17", Limits::default());
    let mut t = Telling { story, state: 4711, conns: 0, offset: 1 };
    for (name, value) in [("scenario", "replication"), ("seed", "4711"), ("trace hash", "5d1c99a027fe0b14")] {
        t.story.fact(name, value);
    }
    let [one, two] = ["client-1", "client-2"].map(|name| t.story.lane(name, LaneKind::Client));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| t.story.lane(name, LaneKind::Node));
    for (lane, role) in [(a, "master"), (b, "replica of a"), (c, "replica of a"), (d, "replica of b")] {
        t.story.band(lane, BandKind::Role, role, at(0.0));
        t.story.band(lane, BandKind::Epoch, "id 8b0c4f5e", at(if lane == a { 0.0 } else { 400.0 }));
        t.log(lane, at(2.0), Level::Notice, "Ready to accept connections tcp");
    }
    let every = 60_000.0 * 3.55 / messages.max(100) as f64;
    let (to_b, ready) = t.full_resync(b, a, at(40.0), ID);
    let (to_c, _) = t.full_resync(c, a, at(55.0), ID);
    t.full_resync(d, b, ready, ID);
    let mut group = Group { client: (one, t.conn()), master: a, followers: vec![(b, to_b), (c, to_c)] };
    t.writes(&group, (500.0, 12_000.0, every), None, Instant::ZERO);

    let heals = at(18_000.0);
    let cut = t.story.mark(Mark::new(at(12_000.0), MarkKind::Fault, "partition a | c").on(a).and(c).lasting());
    t.story.mark(Mark::new(at(14_000.0), MarkKind::Fault, "slow disk, ×20").on(a).until(at(16_500.0)));
    t.writes(&group, (12_000.0, 18_000.0, every), Some(c), heals);
    t.log(c, at(17_000.0), Level::Warning, "MASTER timeout: no data nor PING received...");
    t.story.band(c, BandKind::Link, "connecting", at(17_000.0));
    t.story.ended(cut, heals);

    let again = t.conn();
    let then = t.send(c, a, again, heals + Duration::from_millis(30), &command(&["PSYNC", ID, "20412"]));
    t.log(a, then, Level::Notice, "Partial resynchronization request from 10.0.0.3:6379 accepted.");
    let then = t.send(a, c, again, then, format!("+CONTINUE {ID}\r\n").as_bytes());
    t.story.band(c, BandKind::Link, "in sync", then);
    group.followers = vec![(b, to_b), (c, again)];
    t.writes(&group, (18_100.0, 31_000.0, every), None, Instant::ZERO);
    promotion(&mut t, group, [two, a, b, c, d], every);
    t.story
}

/// The second half: the master goes down, a replica is promoted, the old master comes back as a replica.
fn promotion(t: &mut Telling, mut group: Group, [two, a, b, c, d]: [LaneId; 5], every: f64) {
    t.story.mark(Mark::new(at(31_000.0), MarkKind::Fault, "crash a for 9 s").on(a).until(at(40_000.0)));
    t.story.band(a, BandKind::Process, "down", at(31_000.0));
    for kind in [BandKind::Role, BandKind::Epoch] {
        t.story.end_band(a, kind, at(31_000.0));
    }
    for (lane, conn) in group.followers.clone() {
        let last = command(&["SET", "user:0007", "the write that went missing"]);
        t.lose(a, lane, conn, at(30_999.2), at(31_000.0), &last);
        t.story.band(lane, BandKind::Link, "connecting", at(31_001.0));
        t.log(lane, at(31_001.0), Level::Warning, "Connection with master lost.");
    }
    t.story.mark(Mark::new(at(33_000.0), MarkKind::Input, "call: REPLICAOF NO ONE").on(b));
    t.story.band(b, BandKind::Role, "master", at(33_000.0));
    t.story.band(b, BandKind::Epoch, "id 13f7a0c2", at(33_000.0));
    t.story.end_band(b, BandKind::Link, at(33_000.0));
    t.log(b, at(33_000.5), Level::Notice, "MASTER MODE enabled (user request from 'id=4 addr=10.0.0.9:5210')");
    t.story.band(c, BandKind::Role, "replica of b", at(34_000.0));
    let (to_c, _) = t.full_resync(c, b, at(34_000.0), NEXT_ID);
    t.story.band(c, BandKind::Epoch, "id 13f7a0c2", at(34_200.0));
    group = Group { client: (two, t.conn()), master: b, followers: vec![(c, to_c)] };
    t.writes(&group, (34_500.0, 40_000.0, every), None, Instant::ZERO);

    t.story.end_band(a, BandKind::Process, at(40_000.0));
    t.story.band(a, BandKind::Role, "replica of b", at(40_000.0));
    t.story.band(a, BandKind::Epoch, "id 13f7a0c2", at(40_200.0));
    let (to_a, _) = t.full_resync(a, b, at(40_100.0), NEXT_ID);
    group.followers.push((a, to_a));
    t.writes(&group, (40_400.0, 47_000.0, every), None, Instant::ZERO);
    t.story.mark(Mark::new(at(42_000.0), MarkKind::Fault, "pause d for 2 s").on(d).until(at(44_000.0)));
    t.story.band(d, BandKind::Process, "paused", at(42_000.0));
    t.story.end_band(d, BandKind::Process, at(44_000.0));
    t.story.mark(Mark::new(at(45_000.0), MarkKind::Note, "healed: all must converge within 15 s"));
    let text = "history: client-1 was answered OK by a for SET user:0007 at 30.999 s, and nobody has it";
    t.story.mark(Mark::new(at(47_000.0), MarkKind::Violation, text).on(b));
    t.writes(&group, (47_000.0, 60_000.0, every), None, Instant::ZERO);
    t.story.finish(at(60_000.0));
}

fn main() {
    let messages = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(3_000);
    println!("{}", page::render(&tell(messages)));
}
