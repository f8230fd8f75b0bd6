//! The queue by which other threads reach the loop.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use primacy_core::ids::OpId;
use primacy_core::machine::{Outcome, Signal};

/// What a worker thread or a signal has to say.
#[derive(Debug)]
pub enum Completion {
    /// A script's process runs.
    Began {
        /// The job.
        op: OpId,
        /// Its process id.
        pid: u32,
    },
    /// A job ended.
    Done {
        /// The job.
        op: OpId,
        /// What came of it.
        result: Outcome,
    },
    /// The process was asked to end.
    Shutdown {
        /// Which signal asked.
        signal: Signal,
    },
}

/// What arrives from outside the loop's own sockets.
#[derive(Debug)]
pub enum Arrival<C> {
    /// From a worker or a signal.
    Completion(Completion),
    /// From the embedding program.
    Call(C),
}

/// How a worker hands over what it has to say; any thread may call it.
pub type Deliver = Arc<dyn Fn(Completion) + Send + Sync>;

/// A queue with a waker: the first arrival after a drain wakes the loop, the ones behind it ride along.
///
/// Bounded by its senders: every job has one completion, signals coalesce in the kernel, and calls are the embedding
/// program's own.
pub struct Inbox<C> {
    queue: Mutex<Vec<Arrival<C>>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl<C> fmt::Debug for Inbox<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl<C> Inbox<C> {
    /// An empty queue that calls `wake` when it stops being empty.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { queue: Mutex::default(), wake: Box::new(wake) }
    }

    /// Adds an arrival, and wakes the loop if nothing was waiting before it.
    pub fn push(&self, arrival: Arrival<C>) {
        // A thread that panicked while it held the lock left the list whole: Vec::push does not run foreign code.
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queue.is_empty();
        queue.push(arrival);
        drop(queue);
        if first {
            (self.wake)();
        }
    }

    /// Swaps everything that waits into `into`, which has to be empty: its memory serves the next arrivals.
    pub fn drain(&self, into: &mut Vec<Arrival<C>>) {
        debug_assert!(into.is_empty(), "what was drained before is fed before the next drain");
        core::mem::swap(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

impl<C: Send + 'static> Inbox<C> {
    /// A handle for workers.
    pub fn deliver(self: &Arc<Self>) -> Deliver {
        let inbox = Arc::clone(self);
        Arc::new(move |completion| inbox.push(Arrival::Completion(completion)))
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn wakes_once_per_drain() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let inbox = Inbox::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut got = Vec::new();
        for round in 1..4 {
            inbox.push(Arrival::Call(1));
            inbox.push(Arrival::Call(2));
            assert_eq!(wakes.load(Ordering::Relaxed), round);
            inbox.drain(&mut got);
            assert_eq!(got.len(), 2);
            got.clear();
        }
    }
}
