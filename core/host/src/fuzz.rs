//! What a fuzzer runs of this crate (feature `fuzz`), beside [`primacy_core::fuzz`], which says how.

use primacy_core::fuzz::Target;

use crate::tls;

/// All of this crate that is fuzzed.
pub const TARGETS: &[Target] = &[Target::new("tls", tls::fuzz::run, 8 << 20)];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
