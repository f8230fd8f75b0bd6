//! Every item of an async runtime that this crate uses: to move to another one is to change this file.

/// The reactor that async-std and smol share: readiness of sockets, and timers.
pub(crate) use async_io::{Async, Timer};

/// Runs a future on this thread until it is done, and the executor's other tasks beside it.
#[cfg(feature = "async-std")]
pub(crate) use async_std::task::block_on;
#[cfg(all(feature = "smol", not(feature = "async-std")))]
pub(crate) use smol::block_on;

#[cfg(not(any(feature = "async-std", feature = "smol")))]
compile_error!("primacy-async-std needs one of its features `async-std` and `smol`");
