//! Signals as inputs.

use std::io;
use std::thread;

use primacy_core::machine::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::{Completion, Deliver};

/// Watches for signals until it is dropped.
#[derive(Debug)]
pub struct SignalWatch {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

/// Turns SIGTERM and SIGINT into [`Completion::Shutdown`]. SIGHUP is ignored, as Redis does: a closed terminal does
/// not end a server. (SIGPIPE is ignored by Rust's start-up code already; scripts get the system's default back.)
///
/// # Errors
/// When the handlers cannot be installed or the thread not be started.
pub fn watch(deliver: Deliver) -> io::Result<SignalWatch> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    let thread = thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGTERM => deliver(Completion::Shutdown { signal: Signal::Term }),
                SIGINT => deliver(Completion::Shutdown { signal: Signal::Int }),
                _ => {}
            }
        }
    })?;
    Ok(SignalWatch { handle, thread: Some(thread) })
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It holds nothing that could be lost.
        }
    }
}
