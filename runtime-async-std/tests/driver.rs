//! What every driver has to pass, over async-std or smol.
#![allow(missing_docs, reason = "tests")]

#[path = "../../tests/drivers/mod.rs"]
mod drivers;

use primacy_async_std::Driver;

const PROGRAM: &str = env!("CARGO_BIN_EXE_primacy-async-std");
const NAME: &str = "primacy-async-std";
