//! A replay as a [`Story`], for the page.

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use core::fmt::{self, Debug};

use primacy_core::ids::{ConnId, OpId};
use primacy_core::journal::{Record, Replay};
use primacy_core::machine::{Action, Endpoint, Input, Job, Level, LogLine, Machine, Outcome};
use primacy_core::sim::page;
use primacy_core::sim::story::{BandKind, LaneId, LaneKind, Limits, Mark, MarkId, MarkKind, Story};
use primacy_core::time::Instant;

use super::show::{Plain, Shown};

/// Clients with a lane of their own; what further ones say is on one lane together.
const CLIENTS_MAX: usize = 20;
/// Links between nodes with a lane of their own beside those.
const LINKS_MAX: usize = 20;
/// Only its owner may read a page: it holds what the recording holds.
const MODE: u32 = 0o600;

/// The other end of a connection.
struct Peer {
    name: String,
    /// Replication goes over it.
    link: bool,
    /// None until there is something to show on it.
    lane: Option<LaneId>,
}

/// Tells a replay, input by input.
pub(super) struct Tell {
    story: Story,
    node: LaneId,
    /// Lanes by the name of the peer: a master that is connected to again keeps its lane.
    lanes: HashMap<String, LaneId>,
    others: Option<LaneId>,
    links: usize,
    clients: usize,
    peers: HashMap<ConnId, Peer>,
    /// Jobs under way, as marks if they are shown.
    jobs: HashMap<OpId, MarkId>,
    /// The first input that is shown.
    from: u64,
    role: Option<char>,
    named: bool,
    /// When the recording began, and the time of the input that is told, since then.
    first: Option<Instant>,
    at: Instant,
}

impl Tell {
    /// The story of `title`, from input `from` on; `command` makes it again.
    pub(super) fn new(title: &str, command: &str, from: u64) -> Self {
        let mut story = Story::new(title, command, Limits::default());
        let node = story.lane("node", LaneKind::Node);
        Self {
            story,
            node,
            lanes: HashMap::new(),
            others: None,
            links: 0,
            clients: 0,
            peers: HashMap::new(),
            jobs: HashMap::new(),
            from,
            role: None,
            named: false,
            first: None,
            at: Instant::ZERO,
        }
    }

    /// Says something about the whole run.
    pub(super) fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.story.fact(name, value);
    }

    /// Tells an input before it is fed: then the bytes that were sent still show.
    pub(super) fn input<M>(&mut self, record: &Record<'_, M::Call>, replay: &mut Replay<M>)
    where
        M: Machine<Call: Debug, Event: LogLine>,
    {
        let first = *self.first.get_or_insert(record.now.mono);
        self.at = Instant::from_micros((record.now.mono - first).as_micros() as u64);
        let shown = record.number >= self.from;
        match &record.input {
            Input::Accepted { conn, peer, .. } => self.begun(*conn, peer, shown),
            Input::Connected { conn, peer, .. } => self.connected(*conn, peer, shown),
            Input::Received { conn, bytes } => {
                self.learn(*conn, bytes, !conn.is_opened());
                self.message(*conn, bytes, true, shown);
            }
            Input::Sent { conn, len } => {
                let bytes = replay.unsent(*conn, *len).concat();
                let bytes = bytes.get(..*len).unwrap_or(&bytes);
                self.learn(*conn, bytes, conn.is_opened());
                self.message(*conn, bytes, false, shown);
            }
            Input::Eof { conn } => self.note(*conn, MarkKind::Input, "end of what it sends", shown),
            Input::Closed { conn, reason } => {
                self.note(*conn, MarkKind::Input, &reason.to_string(), shown);
                self.gone(*conn);
            }
            Input::Done { op, result } => self.done(*op, result, shown),
            input @ (Input::Began { .. } | Input::Call(_) | Input::Shutdown { .. }) if shown => {
                self.story.mark(Mark::new(self.at, MarkKind::Input, Plain(input).to_string()).on(self.node));
            }
            _ => {}
        }
    }

    /// Tells what input `number` led to.
    pub(super) fn actions<E: LogLine>(&mut self, number: u64, actions: &[Action<E>]) {
        let shown = number >= self.from;
        for action in actions {
            match action {
                Action::Event(event) => self.event(event, shown),
                Action::Close { conn } => {
                    self.note(*conn, MarkKind::Note, "closed by the node", shown);
                    self.gone(*conn);
                }
                Action::Start { job: Job::Usage, .. } => {}
                Action::Start { op, .. } if shown => {
                    let mark = Mark::new(self.at, MarkKind::Note, Shown(action).to_string()).on(self.node);
                    self.jobs.insert(*op, self.story.mark(mark));
                }
                Action::Cancel { .. } | Action::Unlisten { .. } | Action::Sleep(_) | Action::Exit { .. } if shown => {
                    self.story.mark(Mark::new(self.at, MarkKind::Note, Shown(action).to_string()).on(self.node));
                }
                _ => {}
            }
        }
    }

    /// Tells that something is not as it has to be.
    pub(super) fn violation(&mut self, text: impl Into<String>) {
        self.story.mark(Mark::new(self.at, MarkKind::Violation, text).on(self.node));
    }

    /// Tells why the replay ends here, and writes the page.
    pub(super) fn write(mut self, title: &str, end: &str, file: &mut File) -> io::Result<()> {
        self.story.set_title(title);
        self.story.mark(Mark::new(self.at, MarkKind::Note, end).on(self.node));
        self.story.finish(self.at);
        file.write_all(page::render(&self.story).as_bytes())
    }

    fn begun(&mut self, conn: ConnId, peer: &Endpoint, shown: bool) {
        // The peer of a unix socket has no address to tell it apart by.
        let name = match peer {
            Endpoint::Unix(path) if path.is_empty() => format!("client {conn:?}"),
            peer => format!("client {}", Short(peer)),
        };
        self.peers.insert(conn, Peer { name, link: false, lane: None });
        self.note(conn, MarkKind::Input, "accepted", shown);
    }

    fn connected(&mut self, conn: ConnId, peer: &Endpoint, shown: bool) {
        let name = format!("master {}", Short(peer));
        if shown {
            self.story.band(self.node, BandKind::Link, format!("connected to {peer}"), self.at);
        }
        // Who is connected to is a master until other machines than nodes are recorded.
        self.peers.insert(conn, Peer { name, link: true, lane: None });
        self.note(conn, MarkKind::Input, "connected", shown);
    }

    /// Who asks for replication is a replica.
    fn learn(&mut self, conn: ConnId, bytes: &[u8], by_opener: bool) {
        let Some(peer) = self.peers.get_mut(&conn).filter(|p| !p.link && by_opener) else { return };
        if !asks_for_replication(bytes) {
            return;
        }
        peer.link = true;
        peer.name = peer.name.replacen("client", "replica", 1);
        match peer.lane {
            Some(lane) if Some(lane) != self.others => self.story.name_lane(lane, peer.name.clone()),
            _ => peer.lane = None,
        }
    }

    /// The lane of a connection's peer: its own if there is room.
    fn lane(&mut self, conn: ConnId) -> LaneId {
        let unknown = || Peer { name: format!("client {conn:?}"), link: conn.is_opened(), lane: None };
        let peer = self.peers.entry(conn).or_insert_with(unknown);
        if let Some(lane) = peer.lane {
            return lane;
        }
        let (used, most) = if peer.link { (&mut self.links, LINKS_MAX) } else { (&mut self.clients, CLIENTS_MAX) };
        let lane = if let Some(lane) = self.lanes.get(&peer.name) {
            *lane
        } else if *used < most {
            *used += 1;
            let lane = self.story.lane(peer.name.clone(), LaneKind::Peer);
            self.lanes.insert(peer.name.clone(), lane);
            lane
        } else {
            *self.others.get_or_insert_with(|| self.story.lane("others", LaneKind::Peer))
        };
        peer.lane = Some(lane);
        lane
    }

    fn message(&mut self, conn: ConnId, bytes: &[u8], received: bool, shown: bool) {
        if !shown {
            return self.story.leave_out_message();
        }
        let peer = self.lane(conn);
        let (from, to) = if received { (peer, self.node) } else { (self.node, peer) };
        let message = self.story.sent(from, to, conn.as_u64(), self.at, bytes);
        // Of the way between the two a recording knows only the node's end.
        self.story.arrived(message, self.at);
    }

    /// Something about a connection. It gets no lane for that alone.
    fn note(&mut self, conn: ConnId, kind: MarkKind, text: &str, shown: bool) {
        let Some(peer) = self.peers.get(&conn).filter(|_| shown) else { return };
        let mut mark = Mark::new(self.at, kind, format!("{}: {text}", peer.name)).on(self.node).level(Level::Verbose);
        mark.other = peer.lane;
        self.story.mark(mark);
    }

    fn gone(&mut self, conn: ConnId) {
        if conn.is_opened() && self.peers.contains_key(&conn) {
            self.story.end_band(self.node, BandKind::Link, self.at);
        }
        self.peers.remove(&conn);
    }

    fn done(&mut self, op: OpId, result: &Outcome, shown: bool) {
        if let Some(mark) = self.jobs.remove(&op) {
            self.story.ended(mark, self.at);
        }
        match result {
            Outcome::Failed(e) if shown => {
                let mark = Mark::new(self.at, MarkKind::Input, format!("{op:?} failed: {e}"));
                self.story.mark(mark.on(self.node).level(Level::Warning));
            }
            // The first listener gives the lane its name.
            Outcome::Listening(at) if !self.named => {
                self.named = true;
                self.story.name_lane(self.node, format!("node {}", Short(at)));
            }
            _ => {}
        }
    }

    fn event<E: LogLine>(&mut self, event: &E, shown: bool) {
        let role = event.role();
        let name = match role {
            'M' => Some("master"),
            'S' => Some("replica"),
            'X' => Some("sentinel"),
            _ => None,
        };
        // A band of before the part that is shown is its state at the beginning.
        if let Some(name) = name.filter(|_| self.role != Some(role)) {
            self.role = Some(role);
            self.story.band(self.node, BandKind::Role, name, self.at);
        }
        if shown {
            let mark = Mark::new(self.at, MarkKind::Log, event.to_string());
            self.story.mark(mark.on(self.node).level(event.level()));
        }
    }
}

/// An address as the name of a lane shows it: on this machine the port says it all.
struct Short<'a>(&'a Endpoint);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.tcp() {
            Some(at) if at.ip().is_loopback() => write!(f, ":{}", at.port()),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// Whether what is read begins with a command that only a replica gives.
fn asks_for_replication(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|b| *b == b'\n');
    let (count, len, word) = (lines.next(), lines.next(), lines.next());
    let (Some(count), Some(len), Some(word)) = (count, len, word) else { return false };
    let word = word.strip_suffix(b"\r").unwrap_or(word);
    count.starts_with(b"*")
        && len.starts_with(b"$")
        && [&b"REPLCONF"[..], b"PSYNC", b"SYNC"].iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// The file of a page, made before the replay begins: one that cannot be written is told at once.
pub(super) fn create(path: &Path, recording: &Path) -> io::Result<File> {
    if let (Ok(a), Ok(b)) = (path.canonicalize(), recording.canonicalize())
        && a == b
    {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is the recording itself"));
    }
    let file = File::options().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
