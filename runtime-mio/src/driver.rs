//! The driver: waits with mio between the turns of the loop.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use primacy_core::Machine;
use primacy_host::{Drive, EventLoop, Handle, TurnMeter, Wait};

use crate::reactor::{Edges, readiness};
use crate::timer::Timer;

/// Tokens from the top down; the loop gives sockets theirs from 0 and from the middle up.
const WAKE: Token = Token(usize::MAX - 1);
const TIMER: Token = Token(usize::MAX - 2);
/// Events that one wait may bring.
const EVENTS: usize = 1024;

/// Runs one machine on the thread that calls it.
pub struct Driver<M: Machine> {
    turns: EventLoop<M, Edges>,
    poll: Poll,
    events: Events,
    timer: Timer,
}

impl<M: Machine> core::fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").field("turns", &self.turns).finish_non_exhaustive()
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
    pub fn new(machine: M, meter: &TurnMeter, sink: impl FnMut(M::Event) + Send + 'static) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let wake = move || {
            // An eventfd refuses only when it is full of wake-ups already.
            let _ = waker.wake();
        };
        let reactor = Edges(poll.registry().try_clone()?);
        let turns = EventLoop::new(machine, meter, reactor, wake, sink)?;
        Ok(Self { turns, poll, events: Events::with_capacity(EVENTS), timer })
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle<M::Call> {
        self.turns.handle()
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        self.turns.machine()
    }

    fn timeout(&mut self, wait: Option<Duration>) -> io::Result<Option<Duration>> {
        let left = match self.turns.wait() {
            Wait::No => return Ok(Some(Duration::ZERO)),
            Wait::Forever => return Ok(wait),
            Wait::Until { at, left } => self.timer.wake_at(at, left)?,
        };
        Ok(match (left, wait) {
            (Some(left), Some(wait)) => Some(left.min(wait)),
            (left, wait) => left.or(wait),
        })
    }
}

impl<M: Machine> Drive for Driver<M>
where
    M::Call: Send + 'static,
{
    fn catch_signals(&mut self) -> io::Result<()> {
        self.turns.catch_signals()
    }

    fn turn(&mut self, wait: Option<Duration>) -> io::Result<Option<i32>> {
        let timeout = self.timeout(wait)?;
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        self.turns.begin();
        for event in &self.events {
            match event.token() {
                WAKE => self.turns.arrived(),
                TIMER => self.timer.fired(),
                Token(token) => self.turns.ready(token, readiness(event)),
            }
        }
        Ok(self.turns.finish())
    }
}
