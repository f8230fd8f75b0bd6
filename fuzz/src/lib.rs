//! What all targets share: the fuzzer's entry, and a bound on what a run may hold.

use std::alloc::System;
use std::panic;
use std::sync::LazyLock;

use cap::Cap;
pub use libfuzzer_sys::fuzz_target;
use primacy_core::fuzz::Target;

/// Reaching its limit ends the process ("memory allocation of … bytes failed"), which the fuzzer sees as a failure.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The target of this name, looked up once.
pub type Found = LazyLock<&'static Target>;

/// Finds a target by its name, and sees to it that a panic can be told: that takes memory too.
pub fn found(name: &str) -> &'static Target {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = ALLOCATOR.set_limit(usize::MAX);
        told(info);
    }));
    let found = primacy_core::fuzz::find(name).or_else(|| primacy_host::fuzz::find(name));
    found.unwrap_or_else(|| panic!("neither core nor host knows a target '{name}'"))
}

/// Runs `target` over `data` within its allowance.
pub fn run(target: &Target, data: &[u8]) {
    let limit = ALLOCATOR.allocated().saturating_add(target.allowance(data.len()));
    ALLOCATOR.set_limit(limit).expect("the limit lies above what is held");
    (target.run)(data);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
}

/// Makes a binary of the target of this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        static TARGET: $crate::Found = $crate::Found::new(|| $crate::found($name));
        $crate::fuzz_target!(|data: &[u8]| $crate::run(&TARGET, data));
    };
}
