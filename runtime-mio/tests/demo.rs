//! The demonstration, started as a user starts it.
#![allow(missing_docs, reason = "tests")]

use std::process::{Command, Stdio};

#[test]
fn the_demonstration_ends_with_equal_offsets() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_primacy"));
    command.args(["demo", "--seconds", "2", "--replicas", "2", "--rate", "500"]);
    let out = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("offsets all") && text.contains("2 full, 2 partial"), "{text}");
}

#[test]
fn its_help_is_told() {
    let out = Command::new(env!("CARGO_BIN_EXE_primacy")).args(["demo", "--help"]).output().unwrap();
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("Usage:"));
}
