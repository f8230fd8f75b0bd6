//! The event loop: feeds a machine what happens and carries out what it wants, over any [`Reactor`].
//!
//! # A turn
//!
//! Sockets that are ready are read first, each up to a budget; then what workers and the embedding program sent; then
//! `Resume` and, last, `Tick`; then every connection with something to send gets one vectored write, each up to a
//! budget. What is left over (a socket with more to read, a machine that yielded) has its turn after the others had
//! theirs, without waiting. Nothing is ever scanned: ten thousand idle connections cost a turn nothing.
//!
//! # For a runtime
//!
//! [`EventLoop::wait`] says how long to wait; after the wait come [`EventLoop::begin`], one [`EventLoop::ready`] for each
//! socket with news, [`EventLoop::arrived`] if the inbox woke the runtime, and [`EventLoop::finish`].

mod conns;
mod listen;
mod net;
mod reactor;
mod secure;
mod sockets;

pub use reactor::{Reactor, Readiness};

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Job, Outcome, Signal};
use primacy_core::time::Instant;
use primacy_core::{Action, Actions, Chunks, Input, Machine};

use self::conns::Slot;
use self::net::{Accepted, LISTENERS, Net};
use self::secure::Introduction;
use self::sockets::Moved;
use crate::signals::{self, SignalWatch};
use crate::tls;
use crate::{Arrival, Clock, Completion, Inbox, Jobs, Started, TurnMeter, closed_reason};

/// The one buffer that all connections are read into, bytes.
const READ_BUFFER: usize = 128 << 10;
// What is decrypted of one read has room in it, with the record before whose end came with it.
const _: () = assert!(READ_BUFFER >= tls::CIPHERTEXT_READ + tls::RECORD);
/// Actions whose memory is kept from turn to turn.
const ACTIONS_KEPT: usize = 128;
/// What one connection may bring in per turn, bytes.
const READ_BUDGET: usize = READ_BUFFER;
/// What a read counts for at least: one of an encrypted connection may bring nothing.
const READ_LEAST: usize = 4 << 10;
/// What one connection may send per turn, bytes.
const WRITE_BUDGET: usize = 1 << 20;
/// Connections that one listener takes per turn; Redis takes as many.
const ACCEPTS: usize = 1000;

/// What the loop itself has to tell the machine, at its place in the turn.
#[derive(Debug)]
enum Local {
    Done(OpId, Outcome),
    Closed(ConnId, Closed),
}

/// How long a runtime may wait for news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all: somebody waits for a turn. Others still have to have theirs.
    No,
    /// Until a moment.
    Until {
        /// The moment.
        at: Instant,
        /// How long it is until then, never nothing; rounded up by less than 1 µs.
        left: Duration,
    },
    /// Until something happens.
    Forever,
}

/// A driver, whichever runtime it is of: the loop and the waits between its turns.
pub trait Drive {
    /// Makes SIGTERM and SIGINT inputs of the machine, and ignores SIGHUP, for the whole process.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    fn catch_signals(&mut self) -> io::Result<()>;

    /// One turn: waits for something to happen, at most for `wait`, and handles all of it. `Some` is the exit code:
    /// the machine has ended, and all its file jobs with it.
    ///
    /// # Errors
    /// When the reactor fails, which no peer and no file can bring about.
    fn turn(&mut self, wait: Option<Duration>) -> io::Result<Option<i32>>;

    /// Turns until the machine ends, finishes its outstanding file jobs, and answers its exit code.
    ///
    /// # Errors
    /// As [`Drive::turn`].
    fn run(&mut self) -> io::Result<i32> {
        loop {
            if let Some(code) = self.turn(None)? {
                return Ok(code);
            }
        }
    }
}

/// Reaches a machine from other threads.
#[derive(Debug)]
pub struct Handle<C>(Arc<Inbox<C>>);

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Handle<C> {
    /// Feeds a call to the machine at its next turn.
    pub fn call(&self, call: C) {
        self.0.push(Arrival::Call(call));
    }

    /// Asks the machine to end, as SIGTERM does.
    pub fn shutdown(&self) {
        self.0.push(Arrival::Completion(Completion::Shutdown { signal: Signal::Host }));
    }
}

/// One machine and all that it deals with.
pub struct EventLoop<M: Machine, R: Reactor> {
    machine: M,
    actions: Actions<M::Event>,
    sink: Box<dyn FnMut(M::Event) + Send>,
    net: Net<R>,
    buffer: Vec<u8>,
    chunks: Chunks,
    jobs: Jobs,
    inbox: Arc<Inbox<M::Call>>,
    arrivals: Vec<Arrival<M::Call>>,
    local: VecDeque<Local>,
    signals: Option<SignalWatch>,
    clock: Clock,
    meter: TurnMeter,
    /// When this turn began.
    woke: Instant,
    /// The inbox is not empty.
    arrived: bool,
    /// The machine yielded: before this turn, in this turn.
    resume_now: bool,
    resume: bool,
    exit: Option<i32>,
}

impl<M: Machine, R: Reactor + core::fmt::Debug> core::fmt::Debug for EventLoop<M, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EventLoop")
            .field("reactor", &self.net.reactor)
            .field("exit", &self.exit)
            .finish_non_exhaustive()
    }
}

impl<M: Machine, R: Reactor> EventLoop<M, R>
where
    M::Call: Send + 'static,
{
    /// A loop for `machine`. `meter` is the one that the machine reads, `sink` takes its events, and `wake` makes the
    /// runtime call [`EventLoop::arrived`] in its next turn, soon; any thread may call it.
    ///
    /// # Errors
    /// When the system gives no worker thread.
    pub fn new(
        machine: M,
        meter: &TurnMeter,
        reactor: R,
        wake: impl Fn() + Send + Sync + 'static,
        sink: impl FnMut(M::Event) + Send + 'static,
    ) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(wake));
        let clock = meter.clock();
        let jobs = Jobs::new(inbox.deliver())?;
        Ok(Self {
            machine,
            actions: Actions::new(),
            sink: Box::new(sink),
            net: Net::new(reactor, jobs.certificates()),
            buffer: vec![0; READ_BUFFER],
            chunks: Chunks::new(),
            jobs,
            inbox,
            arrivals: Vec::new(),
            local: VecDeque::new(),
            signals: None,
            clock,
            meter: meter.clone(),
            woke: clock.mono(),
            arrived: false,
            resume_now: false,
            resume: false,
            exit: None,
        })
    }

    /// Makes SIGTERM and SIGINT inputs of this machine, and ignores SIGHUP, for the whole process.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch_signals(&mut self) -> io::Result<()> {
        self.signals = Some(signals::watch(self.inbox.deliver())?);
        Ok(())
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle<M::Call> {
        Handle(Arc::clone(&self.inbox))
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The reactor.
    pub fn reactor(&mut self) -> &mut R {
        &mut self.net.reactor
    }

    /// How long the next wait may take: not at all while somebody waits for a turn, else until the deadline.
    pub fn wait(&self) -> Wait {
        if self.net.is_busy() || self.resume || self.arrived || !self.local.is_empty() {
            return Wait::No;
        }
        let deadlines = [self.machine.deadline(), self.net.retry, self.net.next_due()];
        let Some(at) = deadlines.into_iter().flatten().min() else { return Wait::Forever };
        match at.since(self.clock.mono()) {
            Duration::ZERO => Wait::No,
            left => Wait::Until { at, left },
        }
    }

    /// The wait is over, and a turn begins.
    pub fn begin(&mut self) {
        self.clock.turn();
        self.woke = self.clock.mono();
        // What yielded before this turn goes on in it, behind all others.
        self.resume_now = core::mem::take(&mut self.resume);
        self.net.end_rest(self.woke);
    }

    /// The inbox woke the runtime.
    pub fn arrived(&mut self) {
        self.arrived = true;
    }

    /// Takes news of the socket that is watched under `token`; of one that is gone they are ignored.
    pub fn ready(&mut self, token: usize, ready: Readiness) {
        if token >= LISTENERS {
            return self.net.queue_accept(token - LISTENERS);
        }
        let slot = token;
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        if conn.is_closing() {
            conn.writable = true;
            return self.write_rest(slot);
        }
        if ready.read || ready.ending {
            conn.readable = true;
            conn.ending |= ready.ending;
        }
        if conn.connecting {
            match self.net.connected(slot) {
                Ok(Some((conn, local, peer))) => match self.net.begin_connecting(slot, local, peer, self.woke) {
                    Some((local, peer)) => self.feed(Input::Connected { conn, local, peer, tls: false }),
                    None => self.write_rest(slot),
                },
                Ok(None) => return,
                Err(reason) => return self.close(slot, reason),
            }
        } else {
            conn.writable |= ready.write;
            // If nobody reads it, no read will say so.
            if ready.doubt
                && !conn.want_read
                && let Err(e) = self.net.check_unread(slot)
            {
                return self.close(slot, closed_reason(&e));
            }
        }
        self.net.queue_read(slot);
        self.net.queue_write(slot);
    }

    /// Handles all that is there now. `Some` is the exit code: the machine has ended, and all its file jobs with it.
    pub fn finish(&mut self) -> Option<i32> {
        while let Some(slot) = self.net.overdue(self.woke) {
            self.close(slot, Closed::TimedOut);
        }
        self.accept_ready();
        self.read_ready();
        self.take_arrivals();
        if core::mem::take(&mut self.resume_now) {
            self.feed(Input::Resume);
        }
        if self.machine.deadline().is_some_and(|at| at <= self.clock.mono()) {
            self.feed(Input::Tick);
        }
        self.write_ready();
        self.actions.shrink_to(ACTIONS_KEPT);
        self.meter.turn(self.woke, self.clock.mono());
        if self.exit.is_some() {
            self.jobs.shut_down();
            self.net.listeners.clear();
        }
        self.exit
    }

    /// Hands one input to the machine and carries out what it wants. After `Exit` it hears nothing any more.
    #[inline]
    fn feed(&mut self, input: Input<'_, M::Call>) {
        if self.exit.is_none() {
            self.machine.handle(self.clock.now(), input, &mut self.actions);
            if !self.actions.is_empty() {
                self.carry_out();
            }
        }
    }

    /// Forgets a connection that ended by itself, and says so.
    fn close(&mut self, slot: Slot, reason: Closed) {
        if let Some(conn) = self.net.remove(slot) {
            let (id, known) = (conn.id, conn.is_known());
            drop(conn);
            if known {
                self.feed(Input::Closed { conn: id, reason });
            }
        }
    }

    fn accept_ready(&mut self) {
        for index in core::mem::take(&mut self.net.accepts) {
            if let Some(Some(listener)) = self.net.listeners.get_mut(index) {
                listener.in_accepts = false;
            }
            let mut left = ACCEPTS;
            while left > 0 {
                match self.net.accept(index, self.woke) {
                    None => break,
                    Some(Accepted::Plain(conn, listener, local, peer)) => {
                        self.feed(Input::Accepted { conn, listener, local, peer, tls: false });
                    }
                    Some(Accepted::Shaking) => {}
                }
                left -= 1;
            }
            if left == 0 {
                self.net.queue_accept(index);
            }
        }
    }

    fn read_ready(&mut self) {
        let mut reads = core::mem::take(&mut self.net.reads);
        let mut buffer = core::mem::take(&mut self.buffer);
        // Who is to be read again has its turn after the others: the list grows behind those of this turn.
        let now = reads.len();
        for &slot in &reads {
            self.read(slot, &mut buffer);
        }
        self.buffer = buffer;
        reads.drain(..now);
        reads.append(&mut self.net.reads);
        self.net.reads = reads;
    }

    fn read(&mut self, slot: Slot, buffer: &mut [u8]) {
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        conn.in_reads = false;
        let id = conn.id;
        let mut budget = READ_BUDGET;
        while let Some(conn) = self.net.conns.get_same(slot, id)
            && conn.readable
            && conn.want_read
        {
            if budget == 0 {
                return self.net.queue_read(slot);
            }
            match self.net.read(slot, buffer) {
                Moved::Bytes(n, empty) => {
                    budget = budget.saturating_sub(n.max(READ_LEAST));
                    // A read never answers more than it was given room for.
                    self.receive(id, &buffer[..n]);
                    if empty {
                        return;
                    }
                }
                Moved::Shook(n, empty) => {
                    budget = budget.saturating_sub(n.max(READ_LEAST));
                    self.introduce(slot, id, &buffer[..n]);
                    if empty {
                        return self.net.queue_read(slot);
                    }
                }
                Moved::End => return self.feed(Input::Eof { conn: id }),
                Moved::Nothing => return,
                Moved::Broken(reason) => return self.close(slot, reason),
            }
        }
    }

    /// An encrypted connection may bring in what is no byte of its stream.
    #[inline]
    fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.feed(Input::Received { conn, bytes });
        }
    }

    /// A handshake is done: the machine hears of the connection, and of the bytes behind it once it wants to.
    fn introduce(&mut self, slot: Slot, conn: ConnId, bytes: &[u8]) {
        match self.net.introduction(slot) {
            Some(Introduction::Accepted { listener, local, peer, names }) => {
                self.feed(Input::Accepted { conn, listener, local, peer, tls: true });
                // Unless it was turned away at once.
                if let Some(names) = names.filter(|_| self.net.conns.get_same(slot, conn).is_some()) {
                    self.feed(Input::Named { conn, names: Box::new(names) });
                }
            }
            Some(Introduction::Connected { local, peer }) => {
                self.feed(Input::Connected { conn, local, peer, tls: true });
            }
            None => {}
        }
        match self.net.conns.get_same(slot, conn) {
            Some(c) if c.want_read => self.receive(conn, bytes),
            Some(_) => self.net.hold(slot, bytes),
            None => {}
        }
    }

    fn take_arrivals(&mut self) {
        // Only what is there now: an answer at once to an answer at once waits for the next turn.
        for _ in 0..self.local.len() {
            match self.local.pop_front() {
                Some(Local::Done(op, result)) => self.feed(Input::Done { op, result }),
                Some(Local::Closed(conn, reason)) => self.feed(Input::Closed { conn, reason }),
                None => break,
            }
        }
        if !core::mem::take(&mut self.arrived) {
            return;
        }
        let mut arrivals = core::mem::take(&mut self.arrivals);
        self.inbox.drain(&mut arrivals);
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Call(call) => self.feed(Input::Call(call)),
                Arrival::Completion(Completion::Began { op, pid }) => self.feed(Input::Began { op, pid }),
                Arrival::Completion(Completion::Done { op, result }) => {
                    if self.jobs.finish(op) {
                        self.feed(Input::Done { op, result });
                    }
                }
                Arrival::Completion(Completion::Shutdown { signal }) => self.feed(Input::Shutdown { signal }),
            }
        }
        self.arrivals = arrivals;
    }

    fn write_ready(&mut self) {
        let mut writes = core::mem::take(&mut self.net.writes);
        let mut chunks = core::mem::take(&mut self.chunks);
        let now = writes.len();
        for &slot in &writes {
            self.write(slot, &mut chunks);
        }
        self.chunks = chunks;
        writes.drain(..now);
        writes.append(&mut self.net.writes);
        self.net.writes = writes;
    }

    /// Writes the ciphertext that waits.
    fn write_rest(&mut self, slot: Slot) {
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        let closing = conn.is_closing();
        match self.net.flush(slot) {
            Ok(true) if closing => drop(self.net.remove(slot)),
            Ok(_) => {}
            Err(reason) => self.close(slot, reason),
        }
    }

    fn write(&mut self, slot: Slot, chunks: &mut Chunks) {
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        conn.in_writes = false;
        let id = conn.id;
        if !conn.writable {
            return;
        }
        if conn.tls.as_ref().is_some_and(|tls| tls.is_pending()) {
            self.write_rest(slot);
        }
        if !self.net.conns.get_same(slot, id).is_some_and(|conn| conn.want_write && conn.writable) {
            return;
        }
        self.machine.transmit(id, WRITE_BUDGET, chunks);
        let moved = if chunks.bytes() == 0 { None } else { Some(self.net.write(slot, chunks)) };
        chunks.clear(); // The handles are given back before the machine hears that their bytes are gone.
        match moved {
            Some(Moved::Bytes(len, _)) => {
                self.feed(Input::Sent { conn: id, len });
                if self.net.conns.get_same(slot, id).is_some() {
                    self.net.queue_write(slot);
                }
            }
            Some(Moved::Broken(reason)) => self.close(slot, reason),
            Some(Moved::Nothing | Moved::End | Moved::Shook(..)) | None => {}
        }
    }

    fn carry_out(&mut self) {
        // No action feeds the machine: what it hears of them, it hears at its place in the turn.
        let mut actions = core::mem::take(&mut self.actions);
        for action in actions.drain() {
            match action {
                Action::Interest { conn, read, write } => self.set_interest(conn, read, write),
                Action::Event(event) => (self.sink)(event),
                Action::Yield => self.resume = true,
                Action::Close { conn } => self.forget(conn),
                Action::Options { conn, options } => self.net.set_options(conn, options),
                Action::Start { op, job } => self.start(op, job),
                Action::Cancel { op } => {
                    if let Some(outcome) = self.jobs.cancel(op) {
                        self.local.push_back(Local::Done(op, outcome));
                    }
                }
                Action::Connect { conn, to, from, tls, options } => {
                    if let Err(reason) = self.net.connect(conn, &to, from, tls, options) {
                        self.local.push_back(Local::Closed(conn, reason));
                    }
                }
                Action::Unlisten { op } => self.net.unlisten(op),
                Action::Sleep(time) => std::thread::sleep(time),
                Action::Exit { code } => self.exit = self.exit.or(Some(code)),
                // Kinds of a later core are refused by its version, not here.
                _ => debug_assert!(false, "an action that this driver does not know"),
            }
        }
        self.actions = actions;
    }

    fn set_interest(&mut self, id: ConnId, read: bool, write: bool) {
        let Some(slot) = self.net.conns.find(id) else { return };
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        (conn.want_read, conn.want_write) = (read, write);
        let unread = !read && conn.readable && !conn.ended;
        if unread && let Err(e) = self.net.await_error(slot) {
            self.local.push_back(Local::Closed(id, closed_reason(&e)));
            drop(self.net.remove(slot));
            return;
        }
        self.net.queue_write(slot);
        self.net.queue_read(slot);
    }

    fn forget(&mut self, id: ConnId) {
        match self.net.conns.find(id) {
            Some(slot) => self.net.forget(slot, self.woke),
            // It may be one whose end the machine has not heard of yet, and does not want to any more.
            None => self.local.retain(|l| !matches!(l, Local::Closed(conn, _) if *conn == id)),
        }
    }

    fn start(&mut self, op: OpId, job: Job) {
        match self.jobs.start(op, job) {
            Started::Running => {}
            Started::Done(outcome) => self.local.push_back(Local::Done(op, outcome)),
            Started::Yours(Job::Listen { at, backlog, mode, tls }) => {
                let outcome = match self.net.listen(op, &at, backlog, mode, tls) {
                    Ok(bound) => Outcome::Listening(bound),
                    Err(error) => Outcome::Failed(error),
                };
                self.local.push_back(Local::Done(op, outcome));
            }
            Started::Yours(_) => self.local.push_back(Local::Done(op, Outcome::Cancelled)),
        }
    }
}
