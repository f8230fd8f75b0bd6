//! Who called since the last turn: how wakers of sockets, and other threads, reach the driver's task.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Collects calls, and wakes the driver's task with the first of them.
///
/// Bounded by the sockets: a waker calls once for each time that the reactor was asked.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Calls>);

/// What called.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Sockets that can be read, by their tokens.
    pub(crate) reads: Vec<usize>,
    /// Sockets that can be written.
    pub(crate) writes: Vec<usize>,
    /// The inbox is not empty.
    pub(crate) inbox: bool,
    /// The driver's task, while it waits.
    task: Option<Waker>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty() && !self.inbox
    }
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Nothing that could panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, note: impl FnOnce(&mut Calls)) {
        let mut calls = self.lock();
        note(&mut calls);
        let task = calls.task.take();
        drop(calls);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The inbox stopped being empty.
    pub(crate) fn call_for_inbox(&self) {
        self.call(|calls| calls.inbox = true);
    }

    /// Whether nobody has called. Then `task` is woken by the next call.
    pub(crate) fn is_silent(&self, task: &Waker) -> bool {
        let mut calls = self.lock();
        if calls.is_empty() {
            match &mut calls.task {
                Some(waiting) => waiting.clone_from(task),
                None => calls.task = Some(task.clone()),
            }
            return true;
        }
        false
    }

    /// Swaps everything that called into `into`, which has to be empty: its memory serves the next calls.
    pub(crate) fn take(&self, into: &mut Calls) {
        debug_assert!(into.is_empty(), "what was taken before is handled before the next");
        into.task = None;
        mem::swap(&mut *self.lock(), into);
    }
}

/// What a socket's waker calls for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// One direction of one socket.
#[derive(Debug)]
struct Rope {
    bell: Arc<Bell>,
    token: usize,
    direction: Direction,
}

/// A waker that calls for one direction of one socket. A call that comes when the socket is gone, and its token another
/// one's, costs that one a look.
pub(crate) fn waker(bell: &Arc<Bell>, token: usize, direction: Direction) -> Waker {
    Arc::new(Rope { bell: Arc::clone(bell), token, direction }).into()
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bell.call(|calls| match self.direction {
            Direction::Read => calls.reads.push(self.token),
            Direction::Write => calls.writes.push(self.token),
        });
    }
}
