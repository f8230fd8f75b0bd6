//! Redis high availability as state machines that do no I/O.
//!
//! Bytes, timer ticks and completions go in by one door ([`Machine::handle`]); [`Action`]s come out. A runtime (a
//! thin driver over mio, async-std, or your own event loop) owns sockets, files, clocks and threads; this crate
//! owns the protocol. It is `no_std` so that the compiler itself keeps I/O out.
//!
//! The rooms, lower floors never import upper ones:
//!
//! | floor | room | what lives there |
//! |---|---|---|
//! | 1 | [`time`] [`rng`] [`ids`] [`blocks`] | instants, the seeded generator, identifiers, shared byte blocks |
//! | 1 | [`machine`] [`timers`] | the one door; the deadlines behind it |
//! | 1 | [`tls`] | what encryption is asked for |
//! | 1 | [`words`] [`glob`] | quoted words; glob patterns |
//! | 2 | [`resp`] [`rdb`] [`config`] | the wire, the snapshot format, configuration text |
//! | 3 | [`replication`] [`link`] [`dataset`] | log, master, replica; outgoing connections; what a node stores |
//! | 4 | [`client`] [`acl`] [`keyspace`] | sessions, replies, limits; who may do what; the built-in dataset |
//! | 5 | [`node`] | a server: clients, roles and a dataset |
//! | 5 | [`sentinel`] | watches masters, agrees with others, fails over |
//! | 6 | `sim` | the simulated world, and the page that shows a run (feature `sim`) |
//! | 6 | `fuzz` | what a fuzzer runs, as functions of bytes (feature `fuzz`) |
//!
//! Of the features `keyspace`, `node` and `sentinel` are on by default. Without any, floors 1 to 3 are there: enough for a
//! master over a store of your own ([`replication::master`]) and for a replica as a stream of changes
//! ([`replication::replica`]), built in seconds.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "node", feature = "sentinel")),
    allow(dead_code, rustdoc::broken_intra_doc_links, reason = "the lower floors have what only these two take")
)]
#![cfg_attr(
    not(any(feature = "node", feature = "sentinel")),
    allow(unused_imports, reason = "what only these two take")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "clients")]
pub mod acl;
pub mod blocks;
#[cfg(feature = "clients")]
pub mod client;
pub mod config;
pub mod dataset;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod glob;
pub mod ids;
#[cfg(feature = "clients")]
pub mod journal;
#[cfg(feature = "keyspace")]
pub mod keyspace;
mod kind;
pub mod link;
pub mod machine;
mod mutations;
#[cfg(feature = "node")]
pub mod node;
pub mod rdb;
pub mod replication;
pub mod resp;
pub mod rng;
mod secrets;
#[cfg(feature = "sentinel")]
pub mod sentinel;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;
pub mod timers;
pub mod tls;
pub mod words;

pub use machine::{Action, Actions, Chunks, Input, Job, Machine};
pub use time::{Instant, Now};
