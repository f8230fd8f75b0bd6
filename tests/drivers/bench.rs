//! A machine for tests: it echoes, does what the test calls it to do, and notes all that it hears.

#![allow(dead_code, reason = "all that a note holds shows in the message of a failed test")]

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Endpoint, Meter, Outcome, Signal, Turns};
use primacy_core::{Action, Actions, Chunks, Input, Instant, Job, Machine, Now};
use primacy_host::{Clock, Drive, Handle, TurnMeter};

use crate::Driver;

/// Bytes that an echoing connection may owe before the machine stops reading from it.
const OWED: usize = 256 << 10;
/// No test takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Out<'a> = &'a mut Actions<()>;
pub(crate) type Call = Box<dyn FnOnce(&mut Bench, Now, Out<'_>) + Send>;

/// What the machine heard.
#[derive(Debug)]
pub(crate) enum Note {
    Tick(Now),
    Resume,
    Accepted(ConnId, Endpoint, Endpoint),
    Connected(ConnId, Endpoint, Endpoint),
    Received(ConnId, usize),
    Sent(ConnId, usize),
    Eof(ConnId),
    Closed(ConnId, Closed),
    Began(OpId),
    Done(OpId, Outcome),
    Shutdown(Signal),
}

#[derive(Default)]
struct Peer {
    owed: BytesMut,
    ended: bool,
    read: bool,
    write: bool,
}

pub(crate) struct Bench {
    peers: HashMap<ConnId, Peer>,
    notes: Sender<Note>,
    /// Whether bytes are noted one input at a time.
    pub(crate) chatty: bool,
    /// Whether what comes in goes back.
    pub(crate) echo: bool,
    /// Takes its time over big inputs, so that a sender is never slower than it.
    pub(crate) slow: bool,
    /// Does not want to read at first.
    pub(crate) deaf: bool,
    /// What it says at once to those that it connects to.
    pub(crate) eager: &'static [u8],
    pub(crate) deadline: Option<Instant>,
    /// Goes on yielding until this many bytes came in.
    pub(crate) yield_until: usize,
    pub(crate) received: usize,
    pub(crate) on_shutdown: Option<i32>,
}

impl Bench {
    pub(crate) fn new(notes: Sender<Note>) -> Self {
        Self {
            peers: HashMap::new(),
            notes,
            chatty: false,
            echo: true,
            slow: false,
            deaf: false,
            eager: b"",
            deadline: None,
            yield_until: 0,
            received: 0,
            on_shutdown: None,
        }
    }

    fn note(&self, note: Note) {
        let _ = self.notes.send(note);
    }

    /// Owes `bytes` to a connection.
    pub(crate) fn send(&mut self, conn: ConnId, bytes: &[u8], out: Out<'_>) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.owed.extend_from_slice(bytes);
        }
        self.settle(conn, out);
    }

    fn settle(&mut self, conn: ConnId, out: Out<'_>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.ended && peer.owed.is_empty() {
            self.peers.remove(&conn);
            return out.push(Action::Close { conn });
        }
        let (read, write) = (peer.owed.len() < OWED, !peer.owed.is_empty());
        if (read, write) != (peer.read, peer.write) {
            (peer.read, peer.write) = (read, write);
            out.push(Action::Interest { conn, read, write });
        }
    }

    fn join(&mut self, conn: ConnId) {
        self.peers.insert(conn, Peer { read: true, ..Peer::default() });
    }
}

impl Machine for Bench {
    type Call = Call;
    type Event = ();

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: Out<'_>) {
        match input {
            Input::Tick if self.deadline.is_some_and(|at| at <= now.mono) => {
                self.deadline = None;
                self.note(Note::Tick(now));
            }
            Input::Resume => {
                self.note(Note::Resume);
                if self.received < self.yield_until {
                    out.push(Action::Yield);
                }
            }
            Input::Accepted { conn, local, peer, .. } => {
                self.join(conn);
                if self.deaf {
                    out.push(Action::Interest { conn, read: false, write: false });
                }
                self.note(Note::Accepted(conn, local, peer));
            }
            Input::Connected { conn, local, peer, .. } => {
                self.join(conn);
                self.note(Note::Connected(conn, local, peer));
                if !self.eager.is_empty() {
                    self.send(conn, self.eager, out);
                }
            }
            Input::Received { conn, bytes } => {
                assert!(!bytes.is_empty() && self.peers[&conn].read && !self.peers[&conn].ended);
                self.received += bytes.len();
                if self.chatty {
                    self.note(Note::Received(conn, bytes.len()));
                }
                if self.slow && bytes.len() > 4096 {
                    out.push(Action::Sleep(Duration::from_millis(3)));
                }
                if self.echo {
                    self.send(conn, bytes, out);
                }
            }
            Input::Sent { conn, len } => {
                if self.chatty {
                    self.note(Note::Sent(conn, len));
                }
                if let Some(peer) = self.peers.get_mut(&conn) {
                    let _ = peer.owed.split_to(len);
                }
                self.settle(conn, out);
            }
            Input::Eof { conn } => {
                self.note(Note::Eof(conn));
                if let Some(peer) = self.peers.get_mut(&conn) {
                    assert!(!core::mem::replace(&mut peer.ended, true), "one Eof");
                }
                self.settle(conn, out);
            }
            Input::Closed { conn, reason } => {
                self.peers.remove(&conn);
                self.note(Note::Closed(conn, reason));
            }
            Input::Began { op, .. } => self.note(Note::Began(op)),
            Input::Done { op, result } => self.note(Note::Done(op, result)),
            Input::Call(call) => call(self, now, out),
            Input::Shutdown { signal } => {
                self.note(Note::Shutdown(signal));
                if let Some(code) = self.on_shutdown {
                    out.push(Action::Exit { code });
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(peer) = self.peers.get(&conn) {
            // Many small handles, so that gathering is tested too.
            for piece in peer.owed[..peer.owed.len().min(budget)].chunks(1000) {
                out.push(bytes::Bytes::copy_from_slice(piece));
            }
        }
    }
}

/// A bench machine on a thread of its own.
pub(crate) struct Running {
    pub(crate) handle: Handle<Call>,
    pub(crate) notes: Receiver<Note>,
    meter: TurnMeter,
    thread: Option<JoinHandle<i32>>,
    ops: u64,
}

impl Running {
    pub(crate) fn start() -> Self {
        let (note, notes) = channel();
        let (out, handle) = channel();
        let meter = TurnMeter::new(Clock::new());
        let shared = meter.clone();
        let thread = std::thread::spawn(move || {
            let mut driver = Driver::new(Bench::new(note), &shared, |()| {}).unwrap();
            out.send(driver.handle()).unwrap();
            let code = driver.run().unwrap();
            // A program that exits with this code drops nothing: what has to be done is done by now.
            core::mem::forget(driver);
            code
        });
        Self { handle: handle.recv().unwrap(), notes, meter, thread: Some(thread), ops: 0 }
    }

    pub(crate) fn call(&self, call: impl FnOnce(&mut Bench, Now, Out<'_>) + Send + 'static) {
        self.handle.call(Box::new(call));
    }

    pub(crate) fn act(&self, action: Action<()>) {
        self.call(move |_, _, out| out.push(action));
    }

    pub(crate) fn start_job(&mut self, job: Job) -> OpId {
        self.ops += 1;
        let op = OpId::from_u64(self.ops);
        self.act(Action::Start { op, job });
        op
    }

    /// The next note of which `pick` makes something; those before it are dropped.
    pub(crate) fn wait<T>(&self, mut pick: impl FnMut(Note) -> Option<T>) -> T {
        loop {
            let note = self.notes.recv_timeout(PATIENCE).expect("the note that the test waits for");
            if let Some(found) = pick(note) {
                return found;
            }
        }
    }

    /// Starts a job and waits for its end.
    pub(crate) fn job(&mut self, job: Job) -> Outcome {
        let op = self.start_job(job);
        self.done(op)
    }

    pub(crate) fn done(&self, op: OpId) -> Outcome {
        self.wait(|note| match note {
            Note::Done(done, result) if done == op => Some(result),
            _ => None,
        })
    }

    pub(crate) fn listen(&mut self, at: Endpoint) -> Endpoint {
        match self.job(Job::Listen { at, backlog: 511, mode: None, tls: false }) {
            Outcome::Listening(at) => at,
            other => panic!("{other:?}"),
        }
    }

    /// Listens on a free port of the loopback address.
    pub(crate) fn listen_tcp(&mut self) -> std::net::SocketAddr {
        self.listen(Endpoint::Tcp(([127, 0, 0, 1], 0).into())).tcp().unwrap()
    }

    pub(crate) fn accepted(&self) -> ConnId {
        self.wait(|note| match note {
            Note::Accepted(conn, ..) => Some(conn),
            _ => None,
        })
    }

    pub(crate) fn turns(&mut self) -> Turns {
        self.meter.turns()
    }

    pub(crate) fn exit(mut self, code: i32) -> i32 {
        self.act(Action::Exit { code });
        self.thread.take().unwrap().join().unwrap()
    }
}
