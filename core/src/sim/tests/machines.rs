//! A server that echoes, its client, and a file that is written to.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use crate::ids::{ConnId, Ids, OpId};
use crate::machine::{
    Action, Actions, Chunks, Closed, Endpoint, Input, Interest, Job, Machine, Outcome, SocketOptions,
};
use crate::sim::{BootInfo, Choices, HostId, NetConfig, World};
use crate::time::{Instant, Now};

pub(super) const PORT: u16 = 7;
const RETRY: Duration = Duration::from_millis(50);

pub(super) fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

pub(super) fn address(n: u8) -> Endpoint {
    Endpoint::Tcp(SocketAddr::new(ip(n), PORT))
}

/// Bytes that are owed to a connection.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) bytes: Vec<u8>,
    pub(super) interest: Interest,
}

impl Default for Owed {
    fn default() -> Self {
        Self { bytes: Vec::new(), interest: Interest::READ }
    }
}

/// A client that sends numbered lines of `len` bytes, one after the other, and wants each back.
#[derive(Debug)]
pub(super) struct Client {
    to: Endpoint,
    len: usize,
    conn: Option<ConnId>,
    next: Option<Instant>,
    pub(super) sent: u64,
    pub(super) back: u64,
    got: Vec<u8>,
    pub(super) closed: Vec<Closed>,
    pub(super) connects: u32,
}

/// A machine that appends a byte to a file as often as it can, and counts what is surely on the disk.
#[derive(Debug)]
pub(super) struct Writer {
    at: u64,
    sync_every: u64,
    running: Option<(OpId, Step)>,
    pub(super) synced: u64,
    pub(super) committed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Append { sync: bool },
    Replace(u64),
}

/// Every machine of these tests.
#[derive(Debug)]
pub(super) enum Toy {
    Echo { started: bool },
    Client(Client),
    Writer(Writer),
}

/// A toy with what all of them need.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) toy: Toy,
    pub(super) owed: BTreeMap<ConnId, Owed>,
    pub(super) ids: Ids,
    /// What it heard, by the first letter of each input's name.
    pub(super) heard: alloc::string::String,
}

impl Small {
    pub(super) fn new(toy: Toy) -> Self {
        Self { toy, owed: BTreeMap::new(), ids: Ids::default(), heard: alloc::string::String::new() }
    }

    pub(super) fn client(&self) -> &Client {
        let Toy::Client(c) = &self.toy else { panic!("no client: {:?}", self.toy) };
        c
    }

    pub(super) fn writer(&self) -> &Writer {
        let Toy::Writer(w) = &self.toy else { panic!("no writer: {:?}", self.toy) };
        w
    }

    fn owe(&mut self, conn: ConnId, bytes: &[u8], out: &mut Actions<()>) {
        let Some(owed) = self.owed.get_mut(&conn) else { return };
        owed.bytes.extend_from_slice(bytes);
        let more = !owed.bytes.is_empty();
        owed.interest.update(conn, true, more, out);
    }

    fn close(&mut self, conn: ConnId, out: &mut Actions<()>) {
        if self.owed.remove(&conn).is_some() {
            out.push(Action::Close { conn });
        }
    }
}

impl Client {
    fn connect(&mut self, ids: &mut Ids, out: &mut Actions<()>) -> ConnId {
        let conn = ids.conn();
        let (to, options) = (self.to.clone(), SocketOptions::default());
        out.push(Action::Connect { conn, to, from: None, tls: false, options });
        self.conn = Some(conn);
        self.next = None;
        self.got.clear();
        self.connects += 1;
        conn
    }

    fn line(&mut self) -> Vec<u8> {
        self.sent += 1;
        let mut line = alloc::format!("{:08}", self.sent).into_bytes();
        line.resize(self.len - 1, b'.');
        line.push(b'\n');
        line
    }

    /// Whether a whole line came back.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.got.extend_from_slice(bytes);
        assert!(self.got.len() <= self.len, "more than was sent comes back");
        if self.got.len() < self.len {
            return false;
        }
        assert_eq!(&self.got[..8], alloc::format!("{:08}", self.sent).as_bytes(), "another line comes back");
        self.got.clear();
        self.back += 1;
        true
    }
}

impl Writer {
    fn next(&mut self, ids: &mut Ids, out: &mut Actions<()>) {
        let op = ids.op();
        let step = if self.at % 5 == 4 {
            Step::Replace(self.at)
        } else {
            Step::Append { sync: self.at.is_multiple_of(self.sync_every) }
        };
        let job = match step {
            Step::Append { sync } => {
                let bytes = Vec::from([Bytes::copy_from_slice(&[self.at as u8])]);
                Job::Append { file: "log".into(), at: self.at, bytes, sync }
            }
            Step::Replace(n) => Job::Replace { file: "state".into(), bytes: Bytes::from(alloc::format!("{n}")) },
        };
        self.running = Some((op, step));
        out.push(Action::Start { op, job });
    }

    fn done(&mut self, ids: &mut Ids, out: &mut Actions<()>) {
        match self.running.take() {
            Some((_, Step::Append { sync })) => {
                self.at += 1;
                if sync {
                    self.synced = self.at;
                }
            }
            Some((_, Step::Replace(n))) => {
                self.committed = n;
                let op = ids.op();
                let bytes = Vec::from([Bytes::copy_from_slice(&[self.at as u8])]);
                self.running = Some((op, Step::Append { sync: false }));
                return out.push(Action::Start {
                    op,
                    job: Job::Append { file: "log".into(), at: self.at, bytes, sync: false },
                });
            }
            None => {}
        }
        self.next(ids, out);
    }
}

impl Machine for Small {
    type Call = Endpoint;
    type Event = ();

    fn handle(&mut self, now: Now, input: Input<'_, Endpoint>, out: &mut Actions<()>) {
        let name = alloc::format!("{input:?}");
        self.heard.extend(name.chars().next());
        match input {
            Input::Tick => match &mut self.toy {
                Toy::Echo { started } => {
                    *started = true;
                    let at = Endpoint::Tcp(SocketAddr::from(([0, 0, 0, 0], PORT)));
                    out.push(Action::Start {
                        op: self.ids.op(),
                        job: Job::Listen { at, backlog: 5, mode: None, tls: false },
                    });
                }
                Toy::Client(c) => drop(c.connect(&mut self.ids, out)),
                Toy::Writer(w) => w.next(&mut self.ids, out),
            },
            Input::Accepted { conn, .. } => drop(self.owed.insert(conn, Owed::default())),
            Input::Connected { conn, .. } => {
                self.owed.insert(conn, Owed::default());
                if let Toy::Client(c) = &mut self.toy {
                    let line = c.line();
                    self.owe(conn, &line, out);
                }
            }
            Input::Received { conn, bytes } => match &mut self.toy {
                Toy::Client(c) if self.owed.contains_key(&conn) => {
                    if c.take(bytes) {
                        let line = c.line();
                        self.owe(conn, &line, out);
                    }
                }
                _ => self.owe(conn, bytes, out),
            },
            Input::Sent { conn, len } => {
                if let Some(owed) = self.owed.get_mut(&conn) {
                    owed.bytes.drain(..len);
                    self.owe(conn, b"", out);
                }
            }
            Input::Eof { conn } => {
                self.close(conn, out);
                self.gone(now, conn, Closed::Clean);
            }
            Input::Closed { conn, reason } => {
                self.owed.remove(&conn);
                self.gone(now, conn, reason);
            }
            Input::Done { result, .. } => {
                if let Toy::Writer(w) = &mut self.toy {
                    assert!(matches!(result, Outcome::Written), "{result:?}");
                    w.done(&mut self.ids, out);
                }
            }
            Input::Call(to) => {
                if let Toy::Client(c) = &mut self.toy {
                    c.to = to;
                }
            }
            Input::Shutdown { .. } => out.push(Action::Exit { code: 0 }),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.toy {
            Toy::Echo { started: false } => Some(Instant::ZERO),
            Toy::Client(c) => c.next,
            Toy::Writer(Writer { running: None, .. }) => Some(Instant::ZERO),
            _ => None,
        }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(owed) = self.owed.get(&conn)
            && !owed.bytes.is_empty()
        {
            out.push(Bytes::copy_from_slice(&owed.bytes[..budget.min(owed.bytes.len())]));
        }
    }
}

impl Small {
    fn gone(&mut self, now: Now, conn: ConnId, reason: Closed) {
        if let Toy::Client(c) = &mut self.toy
            && c.conn == Some(conn)
        {
            c.conn = None;
            c.closed.push(reason);
            c.next = Some(now.mono + RETRY);
        }
    }
}

pub(super) fn echo() -> Small {
    Small::new(Toy::Echo { started: false })
}

pub(super) fn client(server: u8, len: usize) -> Small {
    Small::new(Toy::Client(Client {
        to: address(server),
        len,
        conn: None,
        next: Some(Instant::ZERO),
        sent: 0,
        back: 0,
        got: Vec::new(),
        closed: Vec::new(),
        connects: 0,
    }))
}

pub(super) fn writer(info: &BootInfo<'_>, sync_every: u64) -> Small {
    let at = info.disk.get("log").map_or(0, |d| d.len() as u64);
    Small::new(Toy::Writer(Writer { at, sync_every, running: None, synced: 0, committed: 0 }))
}

/// The hosts of [`pair`].
pub(super) const SERVER: HostId = HostId(0);
pub(super) const CLIENT: HostId = HostId(1);

/// An echo server and its client, both started.
pub(super) fn pair(choices: Choices, net: NetConfig, len: usize) -> World<Small> {
    let mut world = World::new(choices, net);
    world.add("server", Vec::from([ip(1)]), Box::new(|_| echo()));
    world.add("client", Vec::from([ip(2)]), Box::new(move |_| client(1, len)));
    world.start(SERVER);
    world.start(CLIENT);
    world
}

pub(super) const fn ms(n: u64) -> Instant {
    Instant::from_micros(n * 1000)
}

/// Runs until `at` under the laws alone.
pub(super) fn run(world: &mut World<Small>, at: Instant) {
    if let Err(violation) = world.run_until(at, &mut ()) {
        panic!("{violation}");
    }
}
