//! The program `primacy-async-std`: the server and the sentinel of `primacy`, over async-std.

use std::process::ExitCode;

use primacy_async_std::Driver;
use primacy_core::Machine;
use primacy_host::program::{self, Runtime};
use primacy_host::{Drive, TurnMeter};

/// The program over async-std, or over smol where only that is built in.
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
A Redis server and a sentinel, as `primacy server` and `primacy sentinel`, over async-std.

Usage:
  primacy-async-std server [FILE | -] [--DIRECTIVE VALUE ...]   run a server, as redis-server does
  primacy-async-std sentinel FILE [--DIRECTIVE VALUE ...]       watch masters and fail over, as redis-sentinel does
  primacy-async-std replay FILE [--print] ...                   run a recording again, and check that it does the same
  primacy-async-std rdb FILE [--format jsonl | resp] [--check]  look into a dump: sum it up, print it, verify it
  primacy-async-std server --help, ... sentinel --help          directives and examples
  primacy-async-std --version

Under a file name that ends in -server or -sentinel the program is that command itself:
  ln -s primacy-async-std redis-server && ./redis-server --port 6380
  ln -s primacy-async-std redis-sentinel && ./redis-sentinel sentinel.conf

Logs go to standard output or `logfile`; `loglevel` says how much, and RUST_LOG (trace, debug, info, warn)
outranks it.
";

fn main() -> ExitCode {
    program::run::<OverAsyncStd>(std::env::args_os().collect(), HELP, &[])
}
