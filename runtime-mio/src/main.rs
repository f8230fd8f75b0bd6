//! The program `primacy`: a server that takes what redis-server takes, and a demonstration of a whole group.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "those lints keep `core` free of std; a program lives on it"
)]

mod program;

fn main() -> std::process::ExitCode {
    program::run(std::env::args_os().collect())
}
