//! The driver: feeds a machine what happens and carries out what it wants.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Waker};
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Job, Outcome, Signal};
use primacy_core::{Action, Actions, Chunks, Input, Machine};
use primacy_host::signals::{self, SignalWatch};
use primacy_host::{Arrival, Clock, Completion, Inbox, Jobs, Started, TurnMeter};

use crate::conns::Slot;
use crate::net::{LISTENERS, Moved, Net, TIMER, WAKE};
use crate::timer::Timer;

/// The one buffer that all connections are read into, bytes.
const READ_BUFFER: usize = 128 << 10;
/// What one connection may bring in per turn, bytes.
const READ_BUDGET: usize = READ_BUFFER;
/// What one connection may send per turn, bytes.
const WRITE_BUDGET: usize = 1 << 20;
/// Connections that one listener takes per turn; Redis takes as many.
const ACCEPTS: usize = 1000;
/// Events that one wait may bring.
const EVENTS: usize = 1024;

/// What the driver itself has to tell the machine, at its place in the turn.
#[derive(Debug)]
enum Local {
    Done(OpId, Outcome),
    Closed(ConnId, Closed),
}

/// Runs one machine on the thread that calls it.
pub struct Driver<M: Machine> {
    machine: M,
    actions: Actions<M::Event>,
    sink: Box<dyn FnMut(M::Event)>,
    net: Net,
    events: Events,
    buffer: Vec<u8>,
    chunks: Chunks,
    jobs: Jobs,
    inbox: Arc<Inbox<M::Call>>,
    arrivals: Vec<Arrival<M::Call>>,
    local: VecDeque<Local>,
    signals: Option<SignalWatch>,
    clock: Clock,
    meter: TurnMeter,
    timer: Timer,
    woken: bool,
    resume: bool,
    exit: Option<i32>,
}

impl<M: Machine> core::fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").field("net", &self.net).field("exit", &self.exit).finish_non_exhaustive()
    }
}

/// Reaches a driver from other threads.
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

impl<M: Machine> Driver<M>
where
    M::Call: Send + 'static,
{
    /// A driver for `machine`; `meter` is the one that the machine reads, and `sink` takes its events.
    ///
    /// # Errors
    /// When the system gives no poller, timer or worker thread.
    pub fn new(machine: M, meter: &TurnMeter, sink: impl FnMut(M::Event) + 'static) -> io::Result<Self> {
        let net = Net::new()?;
        let waker = Waker::new(net.poll.registry(), WAKE)?;
        let inbox = Arc::new(Inbox::new(move || {
            // An eventfd refuses only when it is full of wake-ups already.
            let _ = waker.wake();
        }));
        Ok(Self {
            machine,
            actions: Actions::new(),
            sink: Box::new(sink),
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BUFFER],
            chunks: Chunks::new(),
            jobs: Jobs::new(inbox.deliver())?,
            inbox,
            arrivals: Vec::new(),
            local: VecDeque::new(),
            signals: None,
            clock: meter.clock(),
            meter: meter.clone(),
            timer: Timer::new(net.poll.registry(), TIMER)?,
            net,
            woken: false,
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

    /// Turns until the machine ends, finishes its outstanding file jobs, and answers its exit code.
    ///
    /// # Errors
    /// When the poller or the timer fails, which no peer and no file can bring about.
    pub fn run(&mut self) -> io::Result<i32> {
        loop {
            if let Some(code) = self.turn(None)? {
                return Ok(code);
            }
        }
    }

    /// One turn: waits for something to happen, at most for `wait`, and handles all of it. `Some` is the exit code:
    /// the machine has ended, and all its file jobs with it.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<Option<i32>> {
        let timeout = self.timeout(wait)?;
        let mut events = core::mem::replace(&mut self.events, Events::with_capacity(0));
        self.net.wait(&mut events, timeout)?;
        self.clock.turn();
        let woke = self.clock.mono();
        // What yielded before this turn goes on in it, behind all others.
        let resume = core::mem::take(&mut self.resume);
        for event in &events {
            self.take_event(event);
        }
        self.events = events;
        self.accept_ready();
        self.read_ready();
        self.take_arrivals();
        if resume {
            self.feed(Input::Resume);
        }
        if self.machine.deadline().is_some_and(|at| at <= self.clock.mono()) {
            self.feed(Input::Tick);
        }
        self.write_ready();
        self.meter.turn(woke, self.clock.mono());
        if self.exit.is_some() {
            self.jobs.shut_down();
            self.net.listeners.clear();
        }
        Ok(self.exit)
    }

    /// How long the next wait may take: not at all while somebody waits for a turn, else until the deadline.
    fn timeout(&mut self, wait: Option<Duration>) -> io::Result<Option<Duration>> {
        if self.net.is_busy() || self.resume || self.woken || !self.local.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        let Some(deadline) = self.machine.deadline() else { return Ok(wait) };
        let now = self.clock.mono();
        if deadline <= now {
            return Ok(Some(Duration::ZERO));
        }
        let left = self.timer.wake_at(deadline, now)?;
        Ok(match (left, wait) {
            (Some(left), Some(wait)) => Some(left.min(wait)),
            (left, wait) => left.or(wait),
        })
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

    fn take_event(&mut self, event: &Event) {
        match event.token() {
            WAKE => self.woken = true,
            TIMER => self.timer.fired(),
            token if token.0 >= LISTENERS => self.net.queue_accept(token.0 - LISTENERS),
            token => self.take_socket_event(token.0, event),
        }
    }

    fn take_socket_event(&mut self, slot: Slot, event: &Event) {
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        let broken = event.is_error();
        let ending = broken || event.is_read_closed();
        if event.is_readable() || ending {
            conn.readable = true;
            conn.ending |= ending;
        }
        if conn.connecting {
            match self.net.connected(slot) {
                Ok(Some((conn, local, peer))) => self.feed(Input::Connected { conn, local, peer, tls: false }),
                Ok(None) => return,
                Err(reason) => return self.close(slot, reason),
            }
        } else if broken && !conn.want_read {
            // Nobody reads it, so no read will say so.
            let reason = conn.socket.take_error().ok().flatten();
            let reason = reason.map_or(Closed::Reset, |e| primacy_host::closed_reason(&e));
            return self.close(slot, reason);
        } else if event.is_writable() {
            conn.writable = true;
        }
        self.net.queue_read(slot);
        self.net.queue_write(slot);
    }

    /// Forgets a connection that ended by itself, and says so.
    fn close(&mut self, slot: Slot, reason: Closed) {
        if let Some(conn) = self.net.conns.remove(slot) {
            let id = conn.id;
            drop(conn);
            self.feed(Input::Closed { conn: id, reason });
        }
    }

    fn accept_ready(&mut self) {
        for index in core::mem::take(&mut self.net.accepts) {
            if let Some(Some(listener)) = self.net.listeners.get_mut(index) {
                listener.in_accepts = false;
            }
            let mut left = ACCEPTS;
            while left > 0 {
                let Some((conn, listener, local, peer)) = self.net.accept(index) else { break };
                self.feed(Input::Accepted { conn, listener, local, peer, tls: false });
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
                    budget = budget.saturating_sub(n);
                    // A read never answers more than it was given room for.
                    self.feed(Input::Received { conn: id, bytes: &buffer[..n] });
                    if empty {
                        return;
                    }
                }
                Moved::End => return self.feed(Input::Eof { conn: id }),
                Moved::Nothing => return,
                Moved::Broken(reason) => return self.close(slot, reason),
            }
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
        if !core::mem::take(&mut self.woken) {
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

    fn write(&mut self, slot: Slot, chunks: &mut Chunks) {
        let Some(conn) = self.net.conns.get_mut(slot) else { return };
        conn.in_writes = false;
        if !(conn.want_write && conn.writable) {
            return;
        }
        let id = conn.id;
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
            Some(Moved::Nothing | Moved::End) | None => {}
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
                    let begun = if tls { Err(Closed::Tls) } else { self.net.connect(conn, &to, from, options) };
                    if let Err(reason) = begun {
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
        self.net.queue_write(slot);
        self.net.queue_read(slot);
    }

    fn forget(&mut self, id: ConnId) {
        match self.net.conns.find(id) {
            Some(slot) => drop(self.net.conns.remove(slot)),
            // It may be one whose end the machine has not heard of yet, and does not want to any more.
            None => self.local.retain(|l| !matches!(l, Local::Closed(conn, _) if *conn == id)),
        }
    }

    fn start(&mut self, op: OpId, job: Job) {
        match self.jobs.start(op, job) {
            Started::Running => {}
            Started::Done(outcome) => self.local.push_back(Local::Done(op, outcome)),
            Started::Yours(Job::Listen { at, backlog, mode }) => {
                let outcome = match self.net.listen(op, &at, backlog, mode) {
                    Ok(bound) => Outcome::Listening(bound),
                    Err(error) => Outcome::Failed(error),
                };
                self.local.push_back(Local::Done(op, outcome));
            }
            Started::Yours(_) => self.local.push_back(Local::Done(op, Outcome::Cancelled)),
        }
    }
}
