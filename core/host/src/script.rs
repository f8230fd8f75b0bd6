//! Scripts: a program with a time limit.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use primacy_core::ids::OpId;
use primacy_core::machine::{JobError, Outcome, Path};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{Completion, Deliver, job_error};

/// What the script's thread waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    /// The process ended by itself.
    Over,
    /// The machine does not want it any more.
    Cancel,
}

/// Runs `program` on threads of its own; what is sent to the answer reaches them.
///
/// It leads a process group, so that whatever it started ends with it when the time is up. Of our descriptors it
/// inherits only output and errors: all others are close-on-exec.
pub(crate) fn run(
    op: OpId,
    program: &Path,
    args: Vec<String>,
    timeout: Duration,
    deliver: Deliver,
) -> Result<Sender<Note>, JobError> {
    let (notes, inbox) = channel();
    let own = notes.clone();
    let name = program.clone();
    thread::Builder::new()
        .name("script".into())
        .spawn(move || {
            let result = match spawn(&name, args) {
                Ok(child) => {
                    deliver(Completion::Began { op, pid: child.id() });
                    attend(child, timeout, own, &inbox).unwrap_or_else(|e| failed(&name, &e))
                }
                Err(e) => failed(&name, &e),
            };
            deliver(Completion::Done { op, result });
        })
        .map_err(|e| job_error(format_args!("start a thread for the script {program}"), &e))?;
    Ok(notes)
}

fn failed(program: &Path, error: &io::Error) -> Outcome {
    Outcome::Failed(job_error(format_args!("run the script {program}"), error))
}

fn spawn(program: &Path, args: Vec<String>) -> io::Result<Child> {
    Command::new(&**program).args(args).stdin(Stdio::null()).process_group(0).spawn()
}

fn attend(mut child: Child, timeout: Duration, own: Sender<Note>, inbox: &Receiver<Note>) -> io::Result<Outcome> {
    let pid = Pid::from_child(&child);
    let watcher = thread::Builder::new().name("script-wait".into()).spawn(move || {
        // NOWAIT leaves the process to be reaped below: until then its id names no other process.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        let _ = own.send(Note::Over);
    });
    let ended = watcher.is_ok() && matches!(inbox.recv_timeout(timeout), Ok(Note::Over));
    if !ended {
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = child.kill();
    }
    let status = child.wait()?;
    watcher?;
    Ok(Outcome::Exited { code: status.code(), signal: status.signal() })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn start(script: &str, timeout: Duration) -> (Sender<Note>, Receiver<Completion>) {
        let (tx, rx) = channel();
        let tx = Mutex::new(tx);
        let deliver: Deliver = Arc::new(move |c| drop(tx.lock().unwrap().send(c)));
        let args = vec!["-c".into(), script.into()];
        (run(OpId::from_u64(1), &"/bin/sh".into(), args, timeout, deliver).unwrap(), rx)
    }

    fn outcome(rx: &Receiver<Completion>) -> Outcome {
        match rx.recv().unwrap() {
            Completion::Done { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_exit_code_comes_back() {
        let (_notes, rx) = start("exit 7", Duration::from_secs(60));
        assert!(matches!(rx.recv().unwrap(), Completion::Began { pid, .. } if pid > 0));
        assert!(matches!(outcome(&rx), Outcome::Exited { code: Some(7), signal: None }));
    }

    #[test]
    fn a_slow_one_is_killed_with_its_children() {
        let (_notes, rx) = start("sleep 1000 & sleep 1000", Duration::from_millis(30));
        assert!(matches!(rx.recv().unwrap(), Completion::Began { .. }));
        assert!(matches!(outcome(&rx), Outcome::Exited { code: None, signal: Some(9) }));
    }

    #[test]
    fn an_unwanted_one_is_killed() {
        let (notes, rx) = start("sleep 1000", Duration::from_secs(1000));
        assert!(matches!(rx.recv().unwrap(), Completion::Began { .. }));
        notes.send(Note::Cancel).unwrap();
        assert!(matches!(outcome(&rx), Outcome::Exited { signal: Some(9), .. }));
    }

    #[test]
    fn a_missing_program_is_named() {
        let (tx, rx) = channel();
        let tx = Mutex::new(tx);
        let deliver: Deliver = Arc::new(move |c| drop(tx.lock().unwrap().send(c)));
        run(OpId::from_u64(1), &"/no/such/program".into(), Vec::new(), Duration::from_secs(1), deliver).unwrap();
        assert!(matches!(outcome(&rx), Outcome::Failed(e) if e.message.contains("/no/such/program")));
    }
}
