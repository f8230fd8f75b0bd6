//! A server program over any driver: its commands, among them `server`, which takes what
//! redis-server takes, and `replay`.
//!
//! A program is a [`Runtime`] and a call of [`run`] in its `main`.

mod help;
mod node;
mod server;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use primacy_core::Machine;

use crate::process::DAEMON;
use crate::{Drive, TurnMeter};

pub use node::Server;

/// What sets one server program apart from another.
pub trait Runtime {
    /// The name that it calls itself by.
    const PROGRAM: &'static str;
    /// What INFO calls its reactor (`multiplexing_api`).
    const REACTOR: &'static str;

    /// Its driver, for `machine`: `meter` is the one that the machine reads, and `sink` takes its events.
    ///
    /// # Errors
    /// When the system gives what a driver needs to no more processes.
    fn start<M>(machine: M, meter: &TurnMeter, sink: impl FnMut(M::Event) + Send + 'static) -> io::Result<impl Drive>
    where
        M: Machine,
        M::Call: Send + 'static;
}

/// A command beside `server` and `replay`: its name, and what runs it with the arguments behind the name.
pub type Command = (&'static str, fn(Vec<OsString>) -> ExitCode);

/// Runs what the arguments (the program's name first) ask for.
pub fn run<R: Runtime>(mut args: Vec<OsString>, help: &str, commands: &[Command]) -> ExitCode {
    let name = if args.is_empty() { OsString::new() } else { args.remove(0) };
    let daemon = args.first().is_some_and(|a| a == DAEMON);
    if daemon {
        args.remove(0);
    }
    if acts_as_server(&name) {
        return server::run::<R>(&args, daemon);
    }
    if args.is_empty() {
        eprint!("{help}");
        return ExitCode::from(2);
    }
    // What the starter of a daemon hands on is what it was given, the word `server` included.
    let first = args.remove(0);
    match first.to_str() {
        Some("server") => server::run::<R>(&args, daemon),
        Some("replay") => crate::replay::run(args, &node::program(), node::again),
        Some("--help" | "-h" | "help") => print(help),
        Some("--version" | "-V" | "-v") => print(&help::version(R::PROGRAM)),
        other => match commands.iter().find(|(name, _)| Some(*name) == other) {
            Some((_, command)) => command(args),
            None => {
                let names: Vec<_> = ["server", "replay"].iter().chain(commands.iter().map(|(name, _)| name)).collect();
                eprintln!(
                    "{}: there is no command '{}'; one of {names:?}, --help and --version was expected",
                    R::PROGRAM,
                    first.to_string_lossy()
                );
                ExitCode::from(2)
            }
        },
    }
}

/// Under a file name that ends in `-server` a program takes redis-server's place.
pub fn acts_as_server(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|n| n.to_string_lossy().ends_with("-server"))
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}
