//! The tests that every driver passes, written once. A runtime's `tests/driver.rs` includes them beside its `Driver`, its
//! `PROGRAM` (a path), and the `NAME` that the program calls itself by.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "tests live on std")]

mod bench;
mod driver;
mod process;
mod program;
#[cfg(feature = "tls")]
mod tls;
