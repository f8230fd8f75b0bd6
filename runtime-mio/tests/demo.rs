//! The demonstration, started as a user starts it.
#![allow(missing_docs, reason = "tests")]

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What it says, once it ended well.
fn told(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_primacy"));
    let out = command.arg("demo").args(args).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{args:?}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(!text.contains('\u{1b}'), "{args:?}: no terminal, and yet: {text}");
    text
}

/// The lines of a step, each with its time.
fn steps(text: &str, step: &str) -> Vec<u64> {
    let of = |line: &str| {
        let (at, rest) = line.trim_start().split_once(" ms  ")?;
        if rest.starts_with(&format!("{step}  ")) { at.parse().ok() } else { None }
    };
    text.lines().filter_map(of).collect()
}

#[test]
fn a_partitioned_master_is_replaced_and_nothing_is_lost() {
    let text = told(&["--down-after", "500", "--fault", "partition"]);
    let all = ["fault", "sdown", "odown", "election", "elected", "promotion", "first write", "reconfigured", "healed"];
    for step in all.into_iter().chain(["old master back"]) {
        assert_eq!(steps(&text, step).len(), 1, "{step:?} is not told once: {text}");
    }
    assert!(text.contains("nothing was lost") && !text.contains("rounds"), "{text}");
}

#[test]
fn a_master_that_is_asked_to_hands_over_and_nothing_is_lost() {
    let text = told(&["--fault", "coordinated"]);
    for step in ["fault", "election", "elected", "promotion", "first write", "reconfigured", "old master back"] {
        assert_eq!(steps(&text, step).len(), 1, "{step:?} is not told once: {text}");
    }
    assert!(steps(&text, "sdown").is_empty() && text.contains("nothing was lost"), "{text}");
}

#[test]
fn rounds_are_told_one_by_one_and_summed_up() {
    let text = told(&["--down-after", "500", "--fault", "freeze", "--rounds", "2"]);
    let mut writes = steps(&text, "first write");
    assert_eq!((writes.len(), steps(&text, "old master back").len()), (2, 2), "{text}");
    let (_, summary) = text.split_once("2 rounds, ms after the fault").unwrap_or_else(|| panic!("no summary: {text}"));
    let line = summary.lines().find(|l| l.trim_start().starts_with("first write")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    writes.sort_unstable();
    assert_eq!(numbers, [writes[0], u64::midpoint(writes[0], writes[1]), writes[1]], "{text}");
    assert!(text.contains("0 acknowledged writes were lost"), "{text}");
}

#[test]
fn a_group_that_is_kept_runs_until_it_is_stopped() {
    let text = told(&["--down-after", "500", "--keep"]);
    let after = |name: &str| text.lines().find_map(|l| Some(l.strip_prefix(name)?.trim().to_owned()));
    let (kill, folder) = (after("Stop it with:").unwrap(), after("Its files:").unwrap());
    let ports: Vec<&str> = text.lines().filter_map(|l| l.trim().split_once("redis-cli -p ")).map(|(_, p)| p).collect();
    let answers = |port: &str| {
        let ask = || -> std::io::Result<String> {
            let mut to = TcpStream::connect(format!("127.0.0.1:{port}"))?;
            to.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            to.read_exact(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        ask().is_ok_and(|a| a == "+PONG\r\n")
    };
    let processes: Vec<&str> = ports.iter().copied().filter(|p| p.parse::<u16>().is_ok()).collect();
    let all_answer = processes.iter().all(|p| answers(p));
    // Stopped as it says, whatever was seen.
    let stopped = Command::new("sh").args(["-c", &kill]).status().unwrap();
    let began = Instant::now();
    while processes.iter().any(|p| answers(p)) && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let still = processes.iter().filter(|p| answers(p)).count();
    let files = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    std::fs::remove_dir_all(&folder).ok();
    assert!(processes.len() == 6 && all_answer && stopped.success(), "{text}");
    assert_eq!((still, files), (0, 6), "processes that run after `{kill}`, and folders in {folder}");
}

#[test]
fn its_help_is_told() {
    let out = Command::new(env!("CARGO_BIN_EXE_primacy")).args(["demo", "--help"]).output().unwrap();
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("Usage:"));
}
