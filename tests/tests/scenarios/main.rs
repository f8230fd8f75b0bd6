//! Whole programs on loopback ports, Primacy beside real servers and clients.
//!
//! `cargo test -p primacy-tests --profile scenarios -- chain` runs those with `chain` in the name; `--list` lists them.
// The lints keep `core` free of `std`; here `std` is at home.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod acknowledged;
mod acl;
mod alike;
mod bad_input;
mod campaign;
mod chain;
mod clients;
mod commands;
mod crash;
mod debian;
mod deploy;
mod differential;
mod dumps;
mod embedding;
mod events;
mod failover;
mod functions;
mod guards;
mod info;
mod interop;
mod lag;
mod later;
mod logs;
mod matrix;
mod memory;
mod metrics;
mod polygons;
mod program;
mod record;
mod scale;
mod sentinel;
mod tls;
mod two_channel;
mod waiting;
mod written_by;

use libtest_mimic::Arguments;
use primacy_tests::program::over_mio;
use std::num::NonZero;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // The scenarios are whole groups of processes, and most of them wait most of the time.
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    args.test_threads = args.test_threads.or(Some(3 * processors));
    let mut all = vec![
        acknowledged::all(),
        acl::all(),
        alike::all(),
        bad_input::all(),
        campaign::all(),
        chain::all(),
        clients::all(),
        crash::all(),
        debian::all(),
        events::all(),
        failover::all(),
        guards::all(),
        interop::all(),
        lag::all(),
        logs::all(),
        // With a filter all cells are there to be chosen from.
        matrix::all(args.filter.is_some()),
        metrics::all(),
        program::all(),
        record::all(),
        scale::all(),
        sentinel::all(),
        tls::all(),
        two_channel::all(),
        written_by::all(),
    ];
    // What commands do to the data is the same machine over every runtime: one of them shows it, unless it is asked for.
    // And the examples have one of their own.
    if args.filter.is_some() || over_mio() {
        all.extend([
            commands::all(),
            deploy::all(),
            differential::all(),
            dumps::all(),
            embedding::all(),
            functions::all(),
            info::all(),
            later::all(),
            memory::all(),
            polygons::all(),
            waiting::all(),
        ]);
    }
    let conclusion = libtest_mimic::run(&args, all.into_iter().flatten().collect());
    matrix::write();
    conclusion.exit_code()
}
