//! Whole programs on loopback ports, Primacy beside real servers and clients.
//!
//! `cargo test -p primacy-tests --profile scenarios -- chain` runs those with `chain` in the name; `--list` lists them.
// The lints keep `core` free of `std`; here `std` is at home.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod acknowledged;
mod bad_input;
mod campaign;
mod chain;
mod clients;
mod commands;
mod crash;
mod debian;
mod differential;
mod dumps;
mod events;
mod failover;
mod functions;
mod guards;
mod interop;
mod later;
mod matrix;
mod memory;
mod program;
mod record;
mod scale;
mod sentinel;
mod tls;
mod two_channel;
mod waiting;

use libtest_mimic::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // The scenarios are whole groups of processes: more than a few at once only wait for each other.
    args.test_threads = args.test_threads.or(Some(2));
    let all = [
        acknowledged::all(),
        bad_input::all(),
        campaign::all(),
        chain::all(),
        clients::all(),
        commands::all(),
        crash::all(),
        debian::all(),
        differential::all(),
        dumps::all(),
        events::all(),
        failover::all(),
        functions::all(),
        guards::all(),
        interop::all(),
        later::all(),
        // With a filter all cells are there to be chosen from.
        matrix::all(args.filter.is_some()),
        memory::all(),
        program::all(),
        record::all(),
        scale::all(),
        sentinel::all(),
        tls::all(),
        two_channel::all(),
        waiting::all(),
    ];
    let conclusion = libtest_mimic::run(&args, all.into_iter().flatten().collect());
    matrix::write();
    conclusion.exit_code()
}
