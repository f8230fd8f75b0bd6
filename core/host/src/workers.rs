//! A second thread for work that a machine splits.

use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use primacy_core::machine::{Made, Work, Workers};

/// One thread beside the caller's: it begins with the first work, and waits for more as long as this lives.
#[derive(Debug)]
pub struct Threads {
    several: bool,
    second: Option<Second>,
}

/// The thread's two ends.
#[derive(Debug)]
struct Second {
    work: Sender<Work>,
    made: Receiver<Made>,
}

impl Threads {
    /// A second thread if the process may use more than one processor.
    pub fn new() -> Self {
        Self { several: thread::available_parallelism().is_ok_and(|n| n.get() > 1), second: None }
    }

    /// The thread; `None` if none is to be had.
    fn second(&mut self) -> Option<&Second> {
        if self.second.is_none() {
            let (work, todo) = channel::<Work>();
            let (done, made) = channel();
            let run = move || {
                for work in todo {
                    stretch_arena();
                    if done.send(work()).is_err() {
                        break;
                    }
                }
            };
            thread::Builder::new().name("second".into()).spawn(run).ok()?;
            self.second = Some(Second { work, made });
        }
        self.second.as_ref()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::new()
    }
}

impl Workers for Threads {
    fn several(&self) -> bool {
        self.several
    }

    fn both(&mut self, here: &mut dyn FnMut(), there: Work) -> Option<Made> {
        let Some(second) = self.second() else {
            here();
            return Some(there());
        };
        let given = second.work.send(there).is_ok();
        here();
        let made = if given { second.made.recv().ok() } else { None };
        if made.is_none() {
            // It fell. Whoever does its work now will meet the reason.
            self.second = None;
        }
        made
    }
}

/// Has the thread's arena grow by some megabytes at once. By itself glibc lets the arena of any thread but the first grow
/// by a page at a time, each with a system call that all page faults of the process wait for. Nothing is touched but a page
/// of each piece, and what was made accessible stays so.
fn stretch_arena() {
    /// Below the size from which on an allocation is a mapping of its own, bytes.
    const PIECE: usize = 120 * 1024;
    const PIECES: usize = 12;
    if cfg!(target_env = "gnu") {
        let pieces: Vec<Vec<u8>> = (0..PIECES).map(|_| Vec::with_capacity(PIECE)).collect();
        black_box(pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done_and_a_fall_is_told() {
        let mut threads = Threads::new();
        for n in 1..3 {
            let mut here = 0;
            let made = threads.both(&mut || here += 1, Box::new(move || Box::new(n)));
            assert_eq!((here, made.and_then(|made| made.downcast::<i32>().ok()).as_deref()), (1, Some(&n)));
        }
        assert!(threads.both(&mut || {}, Box::new(|| panic!("as a test has it"))).is_none());
        assert!(threads.both(&mut || {}, Box::new(|| Box::new(()))).is_some(), "there is another thread");
    }
}
