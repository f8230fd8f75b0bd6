//! Which of its parts the program runs.

mod demo;
mod help;
mod node;
mod server;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use primacy_host::process::DAEMON;

/// Runs what the arguments (the program's name first) ask for.
pub(crate) fn run(mut args: Vec<OsString>) -> ExitCode {
    let name = if args.is_empty() { OsString::new() } else { args.remove(0) };
    let daemon = args.first().is_some_and(|a| a == DAEMON);
    if daemon {
        args.remove(0);
    }
    if acts_as_server(&name) {
        return server::run(&args, daemon);
    }
    let Some(first) = args.first().cloned() else {
        eprint!("{}", help::MAIN);
        return ExitCode::from(2);
    };
    match first.to_str() {
        Some("server") => {
            // What the starter of a daemon hands on is what it was given, the word `server` included.
            args.remove(0);
            server::run(&args, daemon)
        }
        Some("demo") => demo::run(args.split_off(1)),
        Some("--help" | "-h" | "help") => print(help::MAIN),
        Some("--version" | "-V" | "-v") => print(&help::version()),
        _ => {
            eprintln!(
                "primacy: there is no command '{}'; one of `server`, `demo`, `--help` and `--version` was expected",
                first.to_string_lossy()
            );
            ExitCode::from(2)
        }
    }
}

/// Under a name that ends in `-server` the program takes redis-server's place.
fn acts_as_server(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|n| n.to_string_lossy().ends_with("-server"))
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}
