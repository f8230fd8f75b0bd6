//! Record and replay: everything that a machine was told, and a digest of everything it wanted done.
//!
//! [`Recorder`] is a machine around a machine: whatever runtime drives it, every input goes through and into the
//! recording. [`Replay`] feeds a recording to a fresh machine of the same kind, and says where the first action differs.
//! Nothing here does I/O: a [`Sink`] takes full blocks, and [`Reader`] takes bytes at any split.
//!
//! # The format, version 2
//!
//! The word `PRIMACYJ`, the version (4 bytes), then blocks. A block is a head (length, number, kind, sum of the content,
//! check over these) and its content; the first one holds the [`Header`], the last one the [`End`], all others records.
//! One record is one input:
//!
//! | field | form |
//! |---|---|
//! | kind and flags | 1 byte: the input's kind in 4 bits; then whether times, turns, sent bytes and actions follow |
//! | monotonic clock | difference to the record before, µs, signed |
//! | wall clock | difference to the record before, ms, signed |
//! | the input | every field, bytes with their length |
//! | times | number of different [`Meter`](crate::machine::Meter) readings; for each its difference and how often |
//! | turns | three numbers |
//! | sent bytes | for `Sent`: how many of the bytes were summed, and their sum (4 bytes) |
//! | actions | running digest over all actions so far (4 bytes); absent if there were none |
//!
//! Before an input that brings a password stand, each with the byte 12 before it: the token that the recording has in its place
//! (bytes with their length), and what that hashes to (32 bytes).
//!
//! Numbers are LEB128, signed ones zigzag. Numbers, digests and heads are little-endian. A recording holds all that went
//! over the wire and the whole configuration, data included; for passwords it has tokens ([`Secrets`]).

mod digest;
mod error;
mod frame;
mod header;
mod input;
mod meter;
mod reader;
mod recorder;
mod replay;
mod secrets;
mod sum;
pub mod wire;

#[cfg(feature = "fuzz")]
pub(crate) use frame::{HEAD, PREFIX, prefix, seal_as};
#[cfg(feature = "fuzz")]
pub(crate) use recorder::opening;

pub use error::{Came, JournalError};
pub use frame::{BLOCK_MAX, OLDEST_FORMAT, end_block};
pub use header::{End, Header};
pub use input::Recorded;
pub use meter::{InputReadings, Playback, READINGS_MAX, Readings, RecordedMeter};
pub use reader::{Item, Reader, Record};
pub use recorder::{BLOCK, FLUSH_AFTER, Full, Recorder, Sink};
pub use replay::{Difference, Differs, Replay};
pub use secrets::Secrets;

/// The version of the format that is written; [`OLDEST_FORMAT`] and all later ones are read.
pub const FORMAT: u32 = 2;

#[cfg(test)]
mod tests;
