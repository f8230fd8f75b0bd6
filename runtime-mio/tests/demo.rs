//! The demonstration, started as a user starts it.
#![allow(missing_docs, reason = "tests")]

use std::process::{Command, Stdio};

#[test]
fn the_demonstration_fails_over_and_loses_nothing() {
    for fault in ["kill", "partition"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_primacy"));
        command.args(["demo", "--down-after", "500", "--fault", fault]);
        let out = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
        for told in ["fault: ", "promotion: ", "first write", "all reconfigured", "as a replica", "nothing was lost"] {
            assert!(text.contains(told), "{told:?} is not told by {fault}: {text}");
        }
    }
}

#[test]
fn its_help_is_told() {
    let out = Command::new(env!("CARGO_BIN_EXE_primacy")).args(["demo", "--help"]).output().unwrap();
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("Usage:"));
}
