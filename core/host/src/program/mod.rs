//! A server program over any driver: its commands, among them `server` and `sentinel`, which take what redis-server
//! and redis-sentinel take, `replay`, and `rdb`, which looks into dumps.
//!
//! A program is a [`Runtime`] and a call of [`run`] in its `main`.

mod help;
mod launch;
mod rdb;
mod sentinel;
mod server;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use primacy_core::Machine;
use primacy_core::config::Config;
use primacy_core::config::sentinel::SentinelConfig;

use crate::process::DAEMON;
use crate::replay::Player;
use crate::{Drive, TurnMeter};

pub use server::Server;

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

/// A command beside the program's own: its name, and what runs it with the arguments behind the name.
pub type Command = (&'static str, fn(Vec<OsString>) -> ExitCode);

/// The commands of every program.
const OWN: [&str; 4] = ["server", "sentinel", "replay", "rdb"];

/// Runs what the arguments (the program's name first) ask for.
pub fn run<R: Runtime>(mut args: Vec<OsString>, help: &str, commands: &[Command]) -> ExitCode {
    let name = if args.is_empty() { OsString::new() } else { args.remove(0) };
    let daemon = args.first().is_some_and(|a| a == DAEMON);
    if daemon {
        args.remove(0);
    }
    if acts_as_server(&name) {
        return server::<R>(&args, daemon);
    }
    if acts_as_sentinel(&name) {
        return launch::run::<R, SentinelConfig>(&args, daemon);
    }
    if args.is_empty() {
        eprint!("{help}");
        return ExitCode::from(2);
    }
    // What the starter of a daemon hands on is what it was given, the command included.
    let first = args.remove(0);
    match first.to_str() {
        Some("server") => server::<R>(&args, daemon),
        Some("sentinel") => launch::run::<R, SentinelConfig>(&args, daemon),
        Some("replay") => crate::replay::run(
            args,
            &program(),
            &[Player::new(server::KIND, server::again), Player::new(sentinel::KIND, sentinel::again)],
        ),
        Some("rdb") => rdb::run(R::PROGRAM, args),
        Some("--help" | "-h" | "help") => print(help),
        Some("--version" | "-V" | "-v") => print(&help::version(R::PROGRAM)),
        other => match commands.iter().find(|(name, _)| Some(*name) == other) {
            Some((_, command)) => command(args),
            None => {
                let names: Vec<_> = OWN.iter().chain(commands.iter().map(|(name, _)| name)).collect();
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

/// A server, or with the argument `--sentinel` a sentinel, as in redis-server.
fn server<R: Runtime>(args: &[OsString], daemon: bool) -> ExitCode {
    if args.iter().any(|a| a == "--sentinel") {
        launch::run::<R, SentinelConfig>(args, daemon)
    } else {
        launch::run::<R, Config>(args, daemon)
    }
}

/// Under a file name that ends in `-server` a program takes redis-server's place.
pub fn acts_as_server(name: &OsStr) -> bool {
    is_named(name, "-server")
}

/// Under a file name that ends in `-sentinel` a program takes redis-sentinel's place.
pub fn acts_as_sentinel(name: &OsStr) -> bool {
    is_named(name, "-sentinel")
}

fn is_named(name: &OsStr, end: &str) -> bool {
    Path::new(name).file_name().is_some_and(|n| n.to_string_lossy().ends_with(end))
}

/// This program, as a recording names it.
fn program() -> String {
    format!("primacy {}", env!("CARGO_PKG_VERSION"))
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}
