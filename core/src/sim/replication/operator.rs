//! The operator: says one command to one node over a connection of its own, and tries again for a while.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::ids::{ConnId, Ids};
use crate::link::Link;
use crate::machine::{Action, Actions, Chunks, Endpoint, Input, SocketOptions};
use crate::resp::{Command, ReplyLimits};
use crate::time::Instant;
use crate::timers::Timers;

/// How often an order is tried.
const TRIES: u32 = 8;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two tries.
const REST: Duration = Duration::from_millis(100);

/// A command for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where.
    pub to: SocketAddr,
    /// What, word by word.
    pub words: Vec<String>,
}

/// An order under way.
#[derive(Debug)]
struct Try {
    order: Order,
    left: u32,
    link: Option<Link<()>>,
}

/// The operator. Orders to one node are said one after the other, those to others beside them.
#[derive(Debug, Default)]
pub struct Operator {
    ids: Ids,
    timers: Timers<SocketAddr>,
    tries: BTreeMap<SocketAddr, Try>,
    queue: VecDeque<Order>,
    /// Orders that nobody answered.
    given_up: u64,
}

impl Operator {
    /// One who has nothing to say yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every order was answered or given up.
    pub fn is_idle(&self) -> bool {
        self.tries.is_empty() && self.queue.is_empty()
    }

    /// Orders that nobody answered.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes one thing that happened.
    pub fn handle<E>(&mut self, now: Instant, input: Input<'_, Order>, out: &mut Actions<E>) {
        match input {
            Input::Call(order) => self.queue.push_back(order),
            Input::Tick => {
                while let Some(to) = self.timers.pop_due(now) {
                    self.step(now, to, out);
                }
            }
            Input::Connected { conn, .. } => {
                if let Some(one) = self.of(conn)
                    && let Some(link) = &mut one.link
                {
                    link.connected(out);
                    link.ask(&Command::new(&one.order.words), (), out);
                }
            }
            Input::Sent { conn, len } => {
                if let Some(link) = self.of(conn).and_then(|one| one.link.as_mut()) {
                    link.sent(len, out);
                }
            }
            Input::Received { conn, bytes } => {
                let mut input = bytes;
                let done = self.of(conn).and_then(|one| one.link.as_mut()).map(|link| link.next(&mut input));
                if let Some(Ok(Some(_)) | Err(_)) = done {
                    out.push(Action::Close { conn });
                    self.end(conn);
                }
            }
            Input::Eof { conn } if self.of(conn).is_some() => {
                out.push(Action::Close { conn });
                self.failed(now, conn);
            }
            Input::Closed { conn, .. } => self.failed(now, conn),
            _ => {}
        }
        self.begin(now);
    }

    /// Its next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Shows unsent bytes.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(link) = self.of(conn).and_then(|one| one.link.as_mut()) {
            link.transmit(budget, out);
        }
    }

    fn of(&mut self, conn: ConnId) -> Option<&mut Try> {
        self.tries.values_mut().find(|one| one.link.as_ref().is_some_and(|l| l.conn() == conn))
    }

    /// Takes up the first order of each node that has none under way.
    fn begin(&mut self, now: Instant) {
        let mut i = 0;
        while let Some(order) = self.queue.get(i) {
            let to = order.to;
            if self.tries.contains_key(&to) {
                i += 1;
            } else if let Some(order) = self.queue.remove(i) {
                self.tries.insert(to, Try { order, left: TRIES, link: None });
                self.timers.set(to, now + Duration::from_micros(1));
            }
        }
    }

    /// The deadline of an order: the connection took too long, or the next try is due.
    fn step<E>(&mut self, now: Instant, to: SocketAddr, out: &mut Actions<E>) {
        let Some(one) = self.tries.get_mut(&to) else { return };
        if let Some(link) = one.link.take() {
            out.push(Action::Close { conn: link.conn() });
        }
        if one.left == 0 {
            self.given_up += 1;
            self.tries.remove(&to);
            return;
        }
        one.left -= 1;
        let conn = self.ids.conn();
        one.link = Some(Link::new(conn, ReplyLimits::default()));
        let options = SocketOptions::default();
        out.push(Action::Connect { conn, to: Endpoint::Tcp(to), from: None, tls: false, options });
        self.timers.set(to, now + PATIENCE);
    }

    fn failed(&mut self, now: Instant, conn: ConnId) {
        if let Some(one) = self.of(conn) {
            one.link = None;
            let to = one.order.to;
            self.timers.set(to, now + REST);
        }
    }

    fn end(&mut self, conn: ConnId) {
        if let Some(to) = self.of(conn).map(|one| one.order.to) {
            self.tries.remove(&to);
            self.timers.clear(to);
        }
    }
}
