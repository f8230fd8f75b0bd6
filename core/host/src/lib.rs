//! What every runtime of Primacy needs once, and no reactor: threads and system calls behind plain queues.
//!
//! | room | what lives there |
//! |---|---|
//! | [`clock`] | the two clocks as a machine's `Now`, the seed from the operating system |
//! | [`meter`] | time inside the machine and turns of the loop |
//! | [`event_loop`] | a machine's turn: sockets, listeners, budgets, jobs, over any reactor |
//! | [`inbox`] | the queue that other threads reach the loop by |
//! | [`jobs`] | starts and cancels jobs: files, names, scripts, usage |
//! | [`signals`] | SIGTERM and SIGINT as inputs |
//! | [`logging`] | log lines in the shape that operators know |
//! | [`process`] | pid file, daemon, limit of open files |
//! | `program` | a whole server program over any driver, and the command that looks into dumps (feature `program`) |
//! | `fuzz` | what a fuzzer runs, as functions of bytes (feature `fuzz`) |
//! | `tls` | encrypted connections without their sockets, certificates (feature `tls`) |
//! | [`record`] | a recording's file, written beside the loop |
//! | `replay` | `primacy replay`: a recording fed to a fresh machine, shown and checked (feature `replay`) |
//!
//! A runtime implements [`Reactor`], makes an [`EventLoop`] of it and a machine, and waits for news between its turns.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "those lints keep `core` free of std; this crate lives on it"
)]

pub mod clock;
mod errors;
pub mod event_loop;
mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod inbox;
pub mod jobs;
pub mod logging;
pub mod meter;
pub mod process;
#[cfg(feature = "program")]
pub mod program;
pub mod record;
#[cfg(feature = "replay")]
pub mod replay;
mod resolve;
mod script;
pub mod signals;
mod tls;
mod usage;
mod workers;

pub use clock::{Clock, seed};
pub use errors::{closed_reason, job_error};
pub use event_loop::{Drive, EventLoop, Handle, Reactor, Readiness, Wait};
pub use inbox::{Arrival, Completion, Deliver, Inbox};
pub use jobs::{Jobs, Started};
pub use meter::TurnMeter;
pub use workers::Threads;
