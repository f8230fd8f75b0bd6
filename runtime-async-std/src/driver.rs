//! The driver: waits, as a task, between the turns of the loop.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use primacy_core::{Instant, Machine};
use primacy_host::{Drive, EventLoop, Handle, Readiness, TurnMeter, Wait};

use crate::bell::{Bell, Calls};
use crate::reactor::Shots;
use crate::rt::{self, Timer};
use crate::troubles::TROUBLE;

/// Runs one machine in one task.
pub struct Driver<M: Machine> {
    turns: EventLoop<M, Shots>,
    bell: Arc<Bell>,
    calls: Calls,
    troubled: Vec<usize>,
    alarm: Alarm,
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
    /// When the system gives no poller or worker thread.
    pub fn new(machine: M, meter: &TurnMeter, sink: impl FnMut(M::Event) + Send + 'static) -> io::Result<Self> {
        let bell = Arc::new(Bell::default());
        let inbox = Arc::clone(&bell);
        let wake = move || inbox.call_for_inbox();
        let turns = EventLoop::new(machine, meter, Shots::new(Arc::clone(&bell))?, wake, sink)?;
        Ok(Self { turns, bell, calls: Calls::default(), troubled: Vec::new(), alarm: Alarm::default() })
    }

    /// A handle for other tasks and threads.
    pub fn handle(&self) -> Handle<M::Call> {
        self.turns.handle()
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        self.turns.machine()
    }

    /// Turns until the machine ends, finishes its outstanding file jobs, and answers its exit code.
    ///
    /// Dropping the future between two polls is no end: nothing is lost, and `drive` may be called again.
    ///
    /// The task gives way to others after each turn. What blocks its thread is what blocks a server too: `DEBUG SLEEP`,
    /// and the end, which waits for the disk.
    ///
    /// # Errors
    /// When the reactor fails, which no peer and no file can bring about.
    pub async fn drive(&mut self) -> io::Result<i32> {
        loop {
            if let Some(code) = self.drive_turn(None).await? {
                return Ok(code);
            }
        }
    }

    /// One turn: waits for something to happen, at most for `wait`, and handles all of it. `Some` is the exit code:
    /// the machine has ended, and all its file jobs with it.
    ///
    /// # Errors
    /// As [`Driver::drive`].
    pub async fn drive_turn(&mut self, wait: Option<Duration>) -> io::Result<Option<i32>> {
        self.news(wait).await;
        self.turns.begin();
        self.bell.take(&mut self.calls);
        for token in self.calls.reads.drain(..) {
            if token == TROUBLE {
                self.turns.reactor().troubles.take(&mut self.troubled)?;
            } else {
                self.turns.ready(token, Readiness { read: true, doubt: true, ..Readiness::default() });
            }
        }
        for token in self.troubled.drain(..) {
            self.turns.ready(token, Readiness { doubt: true, ..Readiness::default() });
        }
        for token in self.calls.writes.drain(..) {
            self.turns.ready(token, Readiness { write: true, ..Readiness::default() });
        }
        if core::mem::take(&mut self.calls.inbox) {
            self.turns.arrived();
        }
        Ok(self.turns.finish())
    }

    /// Waits for a call or the deadline, at most for `wait`, and at least until other tasks had their turn.
    async fn news(&mut self, wait: Option<Duration>) {
        let mut over = wait == Some(Duration::ZERO);
        match self.turns.wait() {
            Wait::No => over = true,
            Wait::Until { at, left } => self.alarm.set(at, left),
            Wait::Forever => {}
        }
        let mut patience = wait.map(Timer::after);
        let mut gave_way = false;
        poll_fn(|cx| {
            over = over || self.alarm.rings(cx) || patience.as_mut().is_some_and(|timer| is_up(timer, cx));
            let news = over || !self.bell.is_silent(cx.waker());
            if news && !gave_way {
                cx.waker().wake_by_ref();
            }
            if core::mem::replace(&mut gave_way, true) && news { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The same without a task around it: on the thread that calls, in the runtime's executor.
impl<M: Machine> Drive for Driver<M>
where
    M::Call: Send + 'static,
{
    fn catch_signals(&mut self) -> io::Result<()> {
        self.turns.catch_signals()
    }

    fn turn(&mut self, wait: Option<Duration>) -> io::Result<Option<i32>> {
        rt::block_on(self.drive_turn(wait))
    }

    fn run(&mut self) -> io::Result<i32> {
        rt::block_on(self.drive())
    }
}

/// Rings at the machine's deadline.
#[derive(Debug, Default)]
struct Alarm {
    timer: Option<Timer>,
    /// When it rings.
    at: Option<Instant>,
}

impl Alarm {
    /// Rings at a moment that is so far off.
    ///
    /// An alarm that is set to an earlier time already is left alone: it ends one wait for nothing, which costs less
    /// than setting it anew every time that a deadline moves away.
    fn set(&mut self, at: Instant, left: Duration) {
        if self.at.is_some_and(|set| set <= at) {
            return;
        }
        self.at = Some(at);
        match &mut self.timer {
            Some(timer) => timer.set_after(left),
            None => self.timer = Some(Timer::after(left)),
        }
    }

    /// Whether it rings now; if not, the task is woken when it does.
    fn rings(&mut self, cx: &mut Context<'_>) -> bool {
        let rings = self.at.is_some() && self.timer.as_mut().is_some_and(|timer| is_up(timer, cx));
        if rings {
            self.at = None;
        }
        rings
    }
}

fn is_up(timer: &mut Timer, cx: &mut Context<'_>) -> bool {
    Pin::new(timer).poll(cx).is_ready()
}
