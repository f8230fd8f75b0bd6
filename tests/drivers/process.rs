//! What needs a process of its own: signals, and running out of descriptors.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use primacy_core::machine::{Meter, Signal};
use primacy_host::{Clock, Drive, TurnMeter};

use super::bench::{Bench, Note, Running};
use crate::Driver;

/// By this variable the test program knows that it is the child, and which one.
const CHILD: &str = "PRIMACY_TEST_CHILD";

/// Runs one test of this program in a process of its own.
fn child(name: &str) -> Child {
    let (_, room) = module_path!().split_once("::").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{room}::{name}"), "--nocapture"])
        .env(CHILD, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_child(name: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|n| n == name)
}

/// Reads the child's output up to the line with `word`, and answers what stands behind it.
fn line(out: &mut impl BufRead, word: &str) -> String {
    let mut line = String::new();
    while out.read_line(&mut line).unwrap() > 0 {
        if let Some((_, rest)) = line.split_once(word) {
            return rest.trim().to_owned();
        }
        line.clear();
    }
    panic!("the child ended without saying {word}");
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_are_inputs() {
    if is_child("signals_are_inputs") {
        let (notes, heard) = channel();
        let meter = TurnMeter::new(Clock::new());
        let mut driver = Driver::new(Bench::new(notes), &meter, |()| {}).unwrap();
        driver.catch_signals().unwrap();
        let handle = driver.handle();
        println!("ready:");
        for expected in [Signal::Term, Signal::Int] {
            loop {
                assert_eq!(driver.turn(None).unwrap(), None);
                if let Ok(Note::Shutdown(signal)) = heard.try_recv() {
                    assert_eq!(signal, expected);
                    break;
                }
            }
            println!("heard: {expected:?}");
        }
        handle.call(Box::new(|m, _, _| m.on_shutdown = Some(7)));
        handle.shutdown();
        std::process::exit(driver.run().unwrap());
    }
    let mut child = child("signals_are_inputs");
    let mut out = BufReader::new(child.stdout.take().unwrap());
    line(&mut out, "ready:");
    signal(&child, rustix::process::Signal::HUP); // Ignored.
    signal(&child, rustix::process::Signal::STOP); // Comes while it is stopped.
    signal(&child, rustix::process::Signal::TERM);
    signal(&child, rustix::process::Signal::CONT);
    assert_eq!(line(&mut out, "heard:"), "Term");
    signal(&child, rustix::process::Signal::INT);
    assert_eq!(line(&mut out, "heard:"), "Int");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn out_of_descriptors_turns_connections_away_without_spinning() {
    if is_child("out_of_descriptors_turns_connections_away_without_spinning") {
        let (notes, heard) = channel();
        let mut meter = TurnMeter::new(Clock::new());
        let mut driver = Driver::new(Bench::new(notes), &meter, |()| {}).unwrap();
        let handle = driver.handle();
        handle.call(Box::new(|_, _, out| {
            let at = primacy_core::machine::Endpoint::Tcp(([127, 0, 0, 1], 0).into());
            let job = primacy_core::Job::Listen { at, backlog: 511, mode: None, tls: false };
            out.push(primacy_core::Action::Start { op: primacy_core::ids::OpId::from_u64(1), job });
        }));
        let limit = rustix::process::Rlimit { current: Some(40), maximum: Some(40) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        let input = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let mut accepted = 0;
        loop {
            driver.turn(Some(Duration::from_millis(10))).unwrap();
            for note in heard.try_iter() {
                match note {
                    Note::Done(_, primacy_core::machine::Outcome::Listening(at)) => println!("at: {at}"),
                    Note::Accepted(..) => accepted += 1,
                    _ => {}
                }
            }
            if input.is_finished() {
                println!("accepted: {accepted}\nturns: {}", meter.turns().count);
                std::process::exit(0);
            }
        }
    }
    let mut child = child("out_of_descriptors_turns_connections_away_without_spinning");
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let at = line(&mut out, "at:");
    let clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&at).unwrap()).collect();
    // Those that were turned away read an end or a reset; the last one is one of them for certain.
    let mut last = clients.last().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    match last.read(&mut [0]) {
        Ok(n) => assert_eq!(n, 0),
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset),
    }
    drop(child.stdin.take());
    let accepted: usize = line(&mut out, "accepted:").parse().unwrap();
    assert!((5..40).contains(&accepted), "{accepted}");
    child.wait().unwrap();
}

#[test]
fn a_handle_reaches_the_machine_from_other_threads() {
    let machine = Running::start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let handle = machine.handle.clone();
            scope.spawn(move || {
                for _ in 0..1000 {
                    handle.call(Box::new(|m, _, _| m.received += 1));
                }
            });
        }
    });
    let (tx, rx) = channel();
    machine.call(move |m, _, _| tx.send(m.received).unwrap());
    assert_eq!(rx.recv().unwrap(), 4000);
}
