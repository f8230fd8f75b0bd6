//! The model's connections: those that it opens, and those that others opened to it.

use core::net::SocketAddr;
use core::time::Duration;

use super::Event;
use crate::blocks::Blocks;
use crate::ids::{ConnId, Ids};
use crate::link::Link;
use crate::machine::{Action, Actions, Chunks, Endpoint, Interest, SocketOptions};
use crate::resp::{Command, ReplyLimits, Requests};
use crate::time::Instant;

/// What an answer is to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Ping(Instant),
    /// Whether a master is down, and perhaps for a vote.
    Down(usize),
    Nothing,
}

/// A connection that is opened anew whenever it is gone, with PINGs.
#[derive(Debug)]
pub(super) struct Line {
    to: SocketAddr,
    pub(super) link: Option<Link<Asked>>,
    up: bool,
    tried: Option<Instant>,
    pinged: Option<Instant>,
    /// When the oldest PING without an answer was sent.
    unanswered: Option<Instant>,
    good: Instant,
}

impl Line {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self { to, link: None, up: false, tried: None, pinged: None, unanswered: None, good: Instant::ZERO }
    }

    /// Opens it, at most once in `period`, and sends the PING that is due; the connection, if it is a new one.
    pub(super) fn mend(
        &mut self,
        now: Instant,
        period: Duration,
        ids: &mut Ids,
        out: &mut Actions<Event>,
    ) -> Option<ConnId> {
        let due = |last: Option<Instant>| last.is_none_or(|at| now.since(at) > period);
        if self.link.is_none() && due(self.tried) {
            self.tried = Some(now);
            let conn = ids.conn();
            self.link = Some(Link::new(conn, ReplyLimits::default()));
            let (to, options) = (Endpoint::Tcp(self.to), SocketOptions::default());
            out.push(Action::Connect { conn, to, from: None, tls: false, options });
            return Some(conn);
        }
        if self.up && due(self.pinged) {
            self.ping(now, out);
        }
        None
    }

    fn ping(&mut self, now: Instant, out: &mut Actions<Event>) {
        self.pinged = Some(now);
        self.unanswered.get_or_insert(now);
        self.ask(&["PING"], Asked::Ping(now), out);
    }

    pub(super) fn connected(&mut self, now: Instant, out: &mut Actions<Event>) {
        self.up = true;
        if let Some(link) = &mut self.link {
            link.connected(out);
        }
        self.ping(now, out);
    }

    pub(super) fn lost(&mut self) {
        (self.link, self.up) = (None, false);
    }

    pub(super) fn ask(&mut self, words: &[&str], asked: Asked, out: &mut Actions<Event>) {
        if let Some(link) = self.link.as_mut().filter(|_| self.up) {
            link.ask(&Command::new(words), asked, out);
        }
    }

    /// A PING that was sent at `at` is answered, and with it those before.
    pub(super) fn pong(&mut self, at: Instant, now: Instant) {
        self.good = now;
        let later = |link: &Link<Asked>| {
            link.asked().find_map(|asked| if let Asked::Ping(sent) = asked { Some(*sent) } else { None })
        };
        self.unanswered = self.link.as_ref().and_then(later).filter(|sent| *sent > at);
    }

    /// Since when it is silent.
    pub(super) fn silent_since(&self) -> Instant {
        self.unanswered.unwrap_or(self.good)
    }
}

/// A connection that another opened.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) requests: Requests,
    pub(super) out: Blocks,
    interest: Interest,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { requests: Requests::new(), out: Blocks::new(), interest: Interest::READ }
    }

    /// Tells the runtime whether there are bytes, if that changed.
    pub(super) fn tell(&mut self, conn: ConnId, out: &mut Actions<Event>) {
        let write = !self.out.is_empty();
        self.interest.update(conn, true, write, out);
    }

    pub(super) fn sent(&mut self, conn: ConnId, len: usize, out: &mut Actions<Event>) {
        self.out.release(self.out.start().saturating_add(len as u64));
        self.tell(conn, out);
    }

    pub(super) fn transmit(&mut self, budget: usize, out: &mut Chunks) {
        let start = self.out.start();
        self.out.read(start, budget, out);
    }
}
