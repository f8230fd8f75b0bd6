//! The program `primacy`: a server and a sentinel that take what redis-server and redis-sentinel take, and a
//! demonstration of a whole group.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "those lints keep `core` free of std; a program lives on it"
)]

mod demo;
mod help;
#[cfg(feature = "sim")]
mod sim;

use std::process::ExitCode;

use primacy_core::Machine;
use primacy_host::program::{self, Runtime};
use primacy_host::{Drive, TurnMeter};
use primacy_mio::Driver;

/// The program over mio.
struct OverMio;

impl Runtime for OverMio {
    const PROGRAM: &'static str = "primacy";
    const REACTOR: &'static str = "mio";

    fn start<M>(
        machine: M,
        meter: &TurnMeter,
        sink: impl FnMut(M::Event) + Send + 'static,
    ) -> std::io::Result<impl Drive>
    where
        M: Machine,
        M::Call: Send + 'static,
    {
        Driver::new(machine, meter, sink)
    }
}

/// What the program does beside.
const COMMANDS: &[program::Command] = &[
    ("demo", demo::run),
    #[cfg(feature = "sim")]
    ("sim", sim::run),
];

fn main() -> ExitCode {
    program::run::<OverMio>(std::env::args_os().collect(), help::MAIN, COMMANDS)
}
