//! What the fuzzer runs, over its seeds and over what it once found: on stable, with all other tests.

use std::alloc::System;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use cap::Cap;
use primacy_core::fuzz::{CANARY, TARGETS, Target};

/// What a run may hold is bounded here as it is under the fuzzer; there is one test, so that nobody else allocates.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

fn run(target: &Target, data: &[u8]) {
    let limit = ALLOCATOR.allocated().saturating_add(target.allowance(data.len()));
    ALLOCATOR.set_limit(limit).expect("the limit lies above what is held");
    (target.run)(data);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("a folder that can be read").path()).collect();
    files.sort();
    files
}

#[test]
fn seeds_and_what_was_found_hold() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // To tell of a panic takes memory too.
        let _ = ALLOCATOR.set_limit(usize::MAX);
        told(info);
    }));
    let fell = panic::catch_unwind(|| run(&CANARY, b"fall"));
    assert!(fell.is_err(), "the canary did not fall: a failure would not be noticed");

    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for target in TARGETS {
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
    for folder in files(&fuzz.join("corpus")).into_iter().chain(files(&fuzz.join("regressions"))) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        assert!(TARGETS.iter().any(|t| t.name == name), "{} belongs to no target", folder.display());
    }
}
