//! The program `primacy-async-std`: the server of `primacy`, over async-std.

use std::process::ExitCode;

use primacy_async_std::Driver;
use primacy_core::Machine;
use primacy_host::program::{self, Runtime};
use primacy_host::{Drive, TurnMeter};

/// The server over async-std, or over smol where only that is built in.
struct OverAsyncStd;

impl Runtime for OverAsyncStd {
    const PROGRAM: &'static str = "primacy-async-std";
    const REACTOR: &'static str = if cfg!(feature = "async-std") { "async-std" } else { "smol" };

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

const HELP: &str = "\
A Redis server with high availability, as `primacy server`, over async-std.

Usage:
  primacy-async-std server [FILE | -] [--DIRECTIVE VALUE ...]   run a server, as redis-server does
  primacy-async-std server --help                               directives and examples
  primacy-async-std --version

Under a file name that ends in -server the program is `primacy-async-std server` itself:
  ln -s primacy-async-std redis-server && ./redis-server --port 6380

Logs go to standard output or `logfile`; `loglevel` says how much, and RUST_LOG (trace, debug, info, warn)
outranks it.
";

fn main() -> ExitCode {
    program::run::<OverAsyncStd>(std::env::args_os().collect(), HELP, &[])
}
