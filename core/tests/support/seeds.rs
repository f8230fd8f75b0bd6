//! What the fuzzer runs, over its seeds and over what it once found. Tests of other crates take this file, too.

use std::alloc::System;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use cap::Cap;
use primacy_core::fuzz::Target;

/// What a run may hold is bounded here as it is under the fuzzer; whoever takes this has one test, so that nobody else
/// allocates.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// To tell of a panic takes memory too.
pub(crate) fn let_panics_be_told() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = ALLOCATOR.set_limit(usize::MAX);
        told(info);
    }));
}

/// Runs `target` over `data` within its allowance.
pub(crate) fn run(target: &Target, data: &[u8]) {
    let limit = ALLOCATOR.allocated().saturating_add(target.allowance(data.len()));
    ALLOCATOR.set_limit(limit).expect("the limit lies above what is held");
    (target.run)(data);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
}

/// What is in a folder, by its names.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("a folder that can be read").path()).collect();
    files.sort();
    files
}

/// Every target holds over its seeds, and over what it once found, below the folder `fuzz`.
pub(crate) fn hold(fuzz: &Path, targets: &[Target]) {
    for target in targets {
        let seeds = files(&fuzz.join("corpus").join(target.name));
        assert!(seeds.len() >= 5, "{} has {} seeds", target.name, seeds.len());
        for path in seeds.into_iter().chain(files(&fuzz.join("regressions").join(target.name))) {
            let data = fs::read(&path).expect("a seed");
            // Each is a new situation when its end is missing, for settings stand at the end.
            for data in [&data[..], &data[..data.len() - data.len().min(1)]] {
                if let Err(panic) = panic::catch_unwind(|| run(target, data)) {
                    eprintln!("in target {} over {}", target.name, path.display());
                    panic::resume_unwind(panic);
                }
            }
        }
        run(target, b"");
    }
}
