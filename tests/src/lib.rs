//! The harness of the scenarios: real servers on loopback ports, a small client, a link that can be cut, and the
//! checks that every scenario shares.
//!
//! The scenarios themselves are in `tests/scenarios`. Each is bounded in time, prints its seed, and on a failure shows
//! the tail of every server's log. One that needs a peer which is not on this machine counts as ignored and says what
//! to run (`tests/fetch-peers.sh`).
//!
//! | variable | meaning |
//! |---|---|
//! | `PRIMACY_SERVER` | the words that start the server under test instead of `primacy server`, e.g. `redis-server` |
//! | `PRIMACY_RUNTIME` | the runtime of the server under test: `mio` (the default) or `async-std` |
//! | `PRIMACY_PEERS` | the folder that `tests/fetch-peers.sh` filled |
//! | `PRIMACY_FULL` | `1`: the full numbers instead of the small ones |
//! | `PRIMACY_SEED` | a number: the seed of everything random (printed by each scenario) |
//! | `PRIMACY_KEEP` | `1`: keep the scratch folders of passed scenarios too |

// The lints keep `core` free of `std`; here `std` is at home.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

pub mod certificates;
pub mod count;
/// What a scrape answers; the tests of the core read it by the same.
#[path = "../../core/tests/support/exposition.rs"]
pub mod exposition;
pub mod fake;
pub mod fill;
pub mod grammar;
pub mod history;
pub mod mix;
pub mod peers;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod resp;
pub mod rng;
pub mod sentinel;
pub mod server;
pub mod wait;
pub mod world;

/// What a scenario fails with: a text for a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Fails the scenario with a formatted text unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($cond:expr, $($text:tt)+) => {
        if !$cond {
            return Err(format!($($text)+).into());
        }
    };
}

/// Whether the full numbers were asked for (`PRIMACY_FULL=1`).
#[must_use]
pub fn full() -> bool {
    std::env::var_os("PRIMACY_FULL").is_some_and(|v| v == "1")
}

/// One of two numbers: the small one by default, the full one with `PRIMACY_FULL=1`.
#[must_use]
pub fn scaled(small: usize, all: usize) -> usize {
    if full() { all } else { small }
}
