//! What every driver has to pass, over mio.
#![allow(missing_docs, reason = "tests")]

#[path = "../../tests/drivers/mod.rs"]
mod drivers;

use primacy_mio::Driver;

const PROGRAM: &str = env!("CARGO_BIN_EXE_primacy");
const NAME: &str = "primacy";
