//! What the fuzzer runs, over its seeds and over what it once found: on stable, with all other tests.

#[path = "support/seeds.rs"]
mod seeds;

use std::panic;
use std::path::Path;

use primacy_core::fuzz::{CANARY, TARGETS};

/// One test: see [`seeds`].
#[test]
fn seeds_and_what_was_found_hold() {
    seeds::let_panics_be_told();
    let fell = panic::catch_unwind(|| seeds::run(&CANARY, b"fall"));
    assert!(fell.is_err(), "the canary did not fall: a failure would not be noticed");

    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    seeds::hold(&fuzz, TARGETS);
    for folder in seeds::files(&fuzz.join("corpus")).into_iter().chain(seeds::files(&fuzz.join("regressions"))) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let target = fuzz.join("fuzz_targets").join(format!("{name}.rs"));
        assert!(target.is_file(), "{} belongs to no target", folder.display());
    }
}
