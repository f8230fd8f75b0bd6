//! What the tests of a node stand on.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a module of a test")]

pub mod client;
pub mod exposition;
#[macro_use]
pub mod host;
pub mod store;
