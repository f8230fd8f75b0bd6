//! What the fuzzer runs of this crate, over its seeds and over what it once found: on stable, with all other tests.

#[path = "../../tests/support/seeds.rs"]
mod seeds;

use std::path::Path;

use primacy_host::fuzz::TARGETS;

/// One test: see [`seeds`].
#[test]
fn seeds_and_what_was_found_hold() {
    seeds::let_panics_be_told();
    seeds::hold(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz"), TARGETS);
}
