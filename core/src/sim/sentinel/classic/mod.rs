//! A model of when redis-sentinel looks, asks and votes, to be measured beside the shipped sentinel over the same deaths.
//!
//! **It is a model of timing and voting, and of nothing else**: it watches masters alone, promotes nobody, keeps no file and
//! speaks a language of its own between its kind. What it has of Redis, by what is known of it from outside:
//!
//! - one timer for everything, 10 to 19 times a second, drawn anew each time; answers are looked at when it comes;
//! - PING once a second; a master is down `down-after-milliseconds` behind the oldest one that was not answered;
//! - the others are asked once a second whether they see it down too, and their answers count for five;
//! - at a quorum the epoch is raised, all are asked for votes at once, and the sentinel votes for itself: nobody waits for
//!   anybody;
//! - **one** current epoch for all masters. A vote is refused if it is asked for in a lower one, and votes of others count
//!   only while they are of the current one: an election of another master voids them;
//! - a try is over after `min(10 s, failover-timeout)`, and the next one, or the first one behind a vote for another, comes
//!   after two `failover-timeout`s and up to a second by chance.
//!
//! Where it is unlike Redis it is sooner: its disk takes no time, and a failover that has a leader is over at once for all.

mod line;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::swarm::{SENTINEL_PORT, Setup, master_name, sentinel_address, server_address};
use crate::ids::{ConnId, Ids};
use crate::machine::{Action, Actions, Chunks, Endpoint, Input, Job, Level, LogLine};
use crate::resp::{Args, Proto, Reply, RequestLimits, Requests, Value};
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use line::{Asked, Line, Session};

const PING_PERIOD: Duration = Duration::from_secs(1);
const ASK_PERIOD: Duration = Duration::from_secs(1);
const ANSWER_VALID: Duration = Duration::from_secs(5);
const HELLO_PERIOD: Duration = Duration::from_secs(2);
const ELECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts are so far apart by chance, ms.
const DESYNC_MS: u64 = 1_000;
/// The timer comes at least, and at most, so many times a second.
const HZ: (u64, u64) = (10, 19);

/// What happened to a master, as the model sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A quorum sees it down.
    ODown,
    /// No quorum does any more.
    NotODown,
    /// An epoch is spent.
    Try(u64),
    /// Elected in this epoch.
    Elected(u64),
    /// Not elected in time.
    NotElected(u64),
}

/// Something to be told of a master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Which.
    pub master: usize,
    /// What.
    pub what: What,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.what, master_name(self.master))
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        Level::Warning
    }

    fn role(&self) -> char {
        'X'
    }
}

/// A vote: for which sentinel, in which epoch.
#[derive(Clone, Copy, Default, Debug)]
struct Vote {
    leader: usize,
    epoch: u64,
}

/// What another sentinel last answered about a master.
#[derive(Clone, Copy, Default, Debug)]
struct Answer {
    at: Option<Instant>,
    down: bool,
    vote: Option<Vote>,
}

#[derive(Debug)]
struct Master {
    line: Line,
    down: bool,
    odown: bool,
    answers: Vec<Answer>,
    vote: Option<Vote>,
    /// The epoch of a try that is under way.
    trying: Option<u64>,
    /// What the next try is counted from.
    tried_at: Option<Instant>,
    /// It has a leader: that is all that is measured.
    over: bool,
}

/// A sentinel by Redis's rules of timing and voting. See the [module](self).
#[derive(Debug)]
pub struct Classic {
    me: usize,
    quorum: usize,
    down_after: Duration,
    timeout: Duration,
    rng: Rng,
    ids: Ids,
    listens: bool,
    tick_at: Instant,
    hello_at: Instant,
    epoch: u64,
    masters: Vec<Master>,
    /// Lines to all sentinels; the one to itself is never used.
    peers: Vec<Line>,
    by_conn: BTreeMap<ConnId, To>,
    sessions: BTreeMap<ConnId, Session>,
}

/// Where a line leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    Master(usize),
    Peer(usize),
}

impl Classic {
    /// The sentinel number `me` of a run.
    pub fn new(me: usize, setup: &Setup, seed: Seed) -> Self {
        let sentinels = setup.scenario.sentinels;
        let master = |i: usize| Master {
            line: Line::new(server_address(i * setup.nodes)),
            down: false,
            odown: false,
            answers: alloc::vec![Answer::default(); sentinels],
            vote: None,
            trying: None,
            tried_at: None,
            over: false,
        };
        let mut rng = Rng::new(seed);
        Self {
            me,
            quorum: setup.quorum as usize,
            down_after: Duration::from_millis(setup.down_after_ms),
            timeout: Duration::from_millis(setup.failover_timeout_ms),
            tick_at: Instant::from_micros(1 + rng.below(100_000)),
            hello_at: Instant::ZERO,
            rng,
            ids: Ids::default(),
            listens: false,
            epoch: 0,
            masters: (0..setup.scenario.masters).map(master).collect(),
            peers: (0..sentinels).map(|i| Line::new(sentinel_address(i))).collect(),
            by_conn: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Takes one thing that happened.
    #[allow(clippy::needless_pass_by_value, reason = "an input is given away, as by the door of a machine")]
    pub fn handle<C>(&mut self, now: Instant, input: Input<'_, C>, out: &mut Actions<Event>) {
        match input {
            Input::Tick => self.tick(now, out),
            Input::Accepted { conn, .. } => drop(self.sessions.insert(conn, Session::new())),
            Input::Connected { conn, .. } => {
                if let Some(line) = self.line(conn) {
                    line.connected(now, out);
                }
            }
            Input::Received { conn, bytes } if conn.is_opened() => self.answers(now, conn, bytes, out),
            Input::Received { conn, bytes } => self.asked(now, conn, bytes, out),
            Input::Sent { conn, len } => match self.sessions.get_mut(&conn) {
                Some(session) => session.sent(conn, len, out),
                None => {
                    if let Some(link) = self.line(conn).and_then(|line| line.link.as_mut()) {
                        link.sent(len, out);
                    }
                }
            },
            Input::Eof { conn } => {
                out.push(Action::Close { conn });
                self.closed(conn);
            }
            Input::Closed { conn, .. } => self.closed(conn),
            _ => {}
        }
    }

    /// Its next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.tick_at)
    }

    /// Shows unsent bytes.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        match self.sessions.get_mut(&conn) {
            Some(session) => session.transmit(budget, out),
            None => {
                if let Some(link) = self.line(conn).and_then(|line| line.link.as_mut()) {
                    link.transmit(budget, out);
                }
            }
        }
    }

    fn line(&mut self, conn: ConnId) -> Option<&mut Line> {
        match *self.by_conn.get(&conn)? {
            To::Master(m) => Some(&mut self.masters.get_mut(m)?.line),
            To::Peer(p) => self.peers.get_mut(p),
        }
    }

    fn closed(&mut self, conn: ConnId) {
        self.sessions.remove(&conn);
        if let Some(line) = self.line(conn) {
            line.lost();
        }
        self.by_conn.remove(&conn);
    }

    /// The one timer.
    fn tick(&mut self, now: Instant, out: &mut Actions<Event>) {
        if !core::mem::replace(&mut self.listens, true) {
            let at = Endpoint::Tcp(([0, 0, 0, 0], SENTINEL_PORT).into());
            out.push(Action::Start {
                op: self.ids.op(),
                job: Job::Listen { at, backlog: 511, mode: None, tls: false },
            });
        }
        let me = self.me;
        for p in (0..self.peers.len()).filter(|p| *p != me) {
            self.mend(To::Peer(p), now, out);
        }
        for m in 0..self.masters.len() {
            self.mend(To::Master(m), now, out);
            self.look(m, now, out);
        }
        if self.hello_at <= now {
            self.hello_at = now + HELLO_PERIOD;
            let epoch = format!("{}", self.epoch);
            self.tell_all(&["HELLO", &epoch], out);
        }
        let hz = HZ.0 + self.rng.below(HZ.1 - HZ.0 + 1);
        self.tick_at = now + Duration::from_micros(1_000_000 / hz);
    }

    /// Connects a line that is not, and sends its PING.
    fn mend(&mut self, to: To, now: Instant, out: &mut Actions<Event>) {
        let line = match to {
            To::Master(m) => &mut self.masters[m].line,
            To::Peer(p) => &mut self.peers[p],
        };
        if let Some(conn) = line.mend(now, PING_PERIOD, &mut self.ids, out) {
            self.by_conn.insert(conn, to);
        }
    }

    /// All that is decided of one master.
    fn look(&mut self, m: usize, now: Instant, out: &mut Actions<Event>) {
        let (down_after, quorum) = (self.down_after, self.quorum);
        let master = &mut self.masters[m];
        if master.over {
            return;
        }
        master.down = now.since(master.line.silent_since()) > down_after;
        let fresh = |a: &&Answer| a.down && a.at.is_some_and(|at| now.since(at) <= ANSWER_VALID);
        let odown = master.down && 1 + master.answers.iter().filter(fresh).count() >= quorum;
        if odown != core::mem::replace(&mut master.odown, odown) {
            let what = if odown { What::ODown } else { What::NotODown };
            out.event(Event { master: m, what });
        }
        let may = master.tried_at.is_none_or(|at| now.since(at) > self.timeout * 2);
        if odown && master.trying.is_none() && may {
            self.epoch += 1;
            let at = now + self.chance();
            (self.masters[m].trying, self.masters[m].tried_at) = (Some(self.epoch), Some(at));
            out.event(Event { master: m, what: What::Try(self.epoch) });
            self.ask(m, true, now, out);
        }
        if let Some(epoch) = self.masters[m].trying {
            self.tally(m, epoch, now, out);
        }
        self.ask(m, false, now, out);
    }

    /// Up to a second.
    fn chance(&mut self) -> Duration {
        Duration::from_millis(self.rng.below(DESYNC_MS))
    }

    /// Asks the others whether they see a master down, and for their votes while it is tried.
    fn ask(&mut self, m: usize, at_once: bool, now: Instant, out: &mut Actions<Event>) {
        let master = &self.masters[m];
        if !master.down || master.over {
            return;
        }
        let whom = if master.trying.is_some() { format!("{}", self.me) } else { "*".into() };
        let (which, epoch) = (format!("{m}"), format!("{}", self.epoch));
        for p in (0..self.peers.len()).filter(|p| *p != self.me) {
            if at_once || self.masters[m].answers[p].at.is_none_or(|at| now.since(at) >= ASK_PERIOD) {
                self.peers[p].ask(&["DOWN", &which, &epoch, &whom], Asked::Down(m), out);
            }
        }
    }

    fn tell_all(&mut self, words: &[&str], out: &mut Actions<Event>) {
        let me = self.me;
        for (_, line) in self.peers.iter_mut().enumerate().filter(|(p, _)| *p != me) {
            line.ask(words, Asked::Nothing, out);
        }
    }

    /// The vote about a master, given now if it is due.
    fn vote(&mut self, m: usize, epoch: u64, leader: usize, now: Instant) -> Option<Vote> {
        self.epoch = self.epoch.max(epoch);
        let last = self.masters[m].vote.map_or(0, |v| v.epoch);
        if last < epoch && self.epoch <= epoch {
            self.masters[m].vote = Some(Vote { leader, epoch });
            if leader != self.me {
                self.masters[m].tried_at = Some(now + self.chance());
            }
        }
        self.masters[m].vote
    }

    /// Counts the votes of a try.
    fn tally(&mut self, m: usize, epoch: u64, now: Instant, out: &mut Actions<Event>) {
        let mut votes = alloc::vec![0_usize; self.peers.len()];
        for answer in &self.masters[m].answers {
            if let Some(vote) = answer.vote.filter(|v| v.epoch == self.epoch && v.leader < votes.len()) {
                votes[vote.leader] += 1;
            }
        }
        let ahead = (0..votes.len()).filter(|i| votes[*i] > 0).max_by_key(|i| votes[*i]);
        let own = self.vote(m, epoch, ahead.unwrap_or(self.me), now);
        if let Some(own) = own.filter(|v| v.epoch == epoch) {
            votes[own.leader] += 1;
        }
        let needed = self.quorum.max(self.peers.len() / 2 + 1);
        if votes[self.me] >= needed && votes.iter().all(|v| *v <= votes[self.me]) {
            self.masters[m].over = true;
            out.event(Event { master: m, what: What::Elected(epoch) });
            self.tell_all(&["OVER", &format!("{m}")], out);
        } else if self.masters[m].tried_at.is_some_and(|at| now.since(at) > ELECTION_TIMEOUT.min(self.timeout)) {
            self.masters[m].trying = None;
            out.event(Event { master: m, what: What::NotElected(epoch) });
        }
    }

    fn answers(&mut self, now: Instant, conn: ConnId, bytes: &[u8], out: &mut Actions<Event>) {
        let Some(to) = self.by_conn.get(&conn).copied() else { return };
        let mut input = bytes;
        while let Some(link) = self.line(conn).and_then(|line| line.link.as_mut()) {
            match link.next(&mut input) {
                Ok(Some((Some(Asked::Ping(at)), value))) if value.is("PONG") => {
                    if let Some(line) = self.line(conn) {
                        line.pong(at, now);
                    }
                }
                Ok(Some((Some(Asked::Down(m)), value))) => self.answer(m, to, &value, now),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    out.push(Action::Close { conn });
                    return self.closed(conn);
                }
            }
        }
    }

    fn answer(&mut self, m: usize, from: To, value: &Value, now: Instant) {
        let (To::Peer(p), Some([down, leader, epoch])) = (from, value.as_array()) else { return };
        let number = |v: &Value| v.as_i64().and_then(|n| u64::try_from(n).ok());
        let Some(answer) = self.masters.get_mut(m).and_then(|master| master.answers.get_mut(p)) else { return };
        (answer.at, answer.down) = (Some(now), down.as_i64() == Some(1));
        if let (Some(leader), Some(epoch)) = (number(leader), number(epoch)) {
            answer.vote = Some(Vote { leader: leader as usize, epoch });
        }
    }

    /// Another sentinel asks, or tells.
    fn asked(&mut self, now: Instant, conn: ConnId, bytes: &[u8], out: &mut Actions<Event>) {
        // Taken out, so that what it asks can change the rest.
        let Some(mut session) = self.sessions.remove(&conn) else { return };
        let (mut input, limits) = (bytes, RequestLimits::default());
        let mut requests: Requests = core::mem::take(&mut session.requests);
        while let Ok(Some(args)) = requests.next(&mut input, &limits) {
            self.command(&mut session, args, now);
        }
        session.requests = requests;
        session.tell(conn, out);
        self.sessions.insert(conn, session);
    }

    fn command(&mut self, session: &mut Session, args: Args<'_>, now: Instant) {
        let number = |i: usize| core::str::from_utf8(args.at(i)).ok().and_then(|t| t.parse::<u64>().ok());
        let mut reply = Reply::new(&mut session.out, Proto::Resp2);
        let master = number(1).map(|m| m as usize).filter(|m| *m < self.masters.len());
        if args.is(0, "PING") {
            reply.simple("PONG");
        } else if args.is(0, "HELLO") {
            self.epoch = self.epoch.max(number(1).unwrap_or(0));
            reply.int(1);
        } else if args.is(0, "OVER") {
            if let Some(m) = master {
                (self.masters[m].over, self.masters[m].trying) = (true, None);
            }
            reply.int(1);
        } else if args.is(0, "DOWN")
            && let (Some(m), Some(epoch)) = (master, number(2))
        {
            let vote = number(3).and_then(|leader| self.vote(m, epoch, leader as usize, now));
            reply.array(3);
            reply.int(i64::from(self.masters[m].down));
            match vote {
                Some(vote) => reply.int(vote.leader as i64),
                None => reply.bulk(b"*"),
            }
            reply.int(vote.map_or(0, |v| v.epoch) as i64);
        } else {
            reply.error("ERR it is a model");
        }
    }
}
