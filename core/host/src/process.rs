//! The process: pid file, daemon, limits.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The first argument by which a daemon knows that it is one.
pub const DAEMON: &str = "--primacy-daemon";

/// A pid file, removed when this is dropped, unless another process has written its own pid there.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the pid of this process and a line end to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(path: &Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))?;
        // The working directory may change until it is removed.
        Ok(Self(std::path::absolute(path)?))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = std::process::id().to_string();
        if fs::read_to_string(&self.0).is_ok_and(|pid| pid.trim_end() == ours) {
            let _ = fs::remove_file(&self.0); // An operator may have been quicker.
        }
    }
}

/// Descriptors that a node needs beside its clients: listeners, files, links, the poller.
pub const RESERVED_FILES: u64 = 64;

/// Raises the limit of open files so that `clients` connections fit beside what a node needs itself, as far as the
/// hard limit allows. Answers how many clients fit, at most `clients`.
pub fn raise_open_files(clients: u64) -> u64 {
    let wanted = clients.saturating_add(RESERVED_FILES);
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return clients;
    }
    let reachable = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
    // A privileged process may raise the hard limit too.
    let attempts = [(wanted, limit.maximum.map(|hard| hard.max(wanted))), (reachable, limit.maximum)];
    for (current, maximum) in attempts {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_ok() {
            return clients.min(current.saturating_sub(RESERVED_FILES));
        }
    }
    clients.min(current.saturating_sub(RESERVED_FILES))
}

/// Starts this program again as a daemon and waits until it is up.
///
/// Nothing forks in-process (a fork in a process with threads leaves locks behind): the child is this executable, run
/// with [`DAEMON`] in front of `args`, and calls [`Daemon::begin`]. `stdin` is what it shall read there.
///
/// # Errors
/// When it cannot be started, or ended before it was up; its own words went to standard error then.
pub fn spawn_daemon(args: &[std::ffi::OsString], stdin: &[u8]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    let mut child = command.arg(DAEMON).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin)?;
    }
    let mut word = [0];
    let up = child.stdout.take().map_or(Ok(0), |mut out| out.read(&mut word))?;
    if up == 1 {
        return Ok(());
    }
    let status = child.wait()?;
    Err(io::Error::other(format!("the daemon ended before it was up ({status}); the file named by `logfile` says why")))
}

/// The daemon's own side.
#[derive(Debug)]
pub struct Daemon(());

impl Daemon {
    /// Leaves the session of the starter. Standard output still leads to the starter, so nothing may be logged there.
    ///
    /// # Errors
    /// When the process leads a process group already.
    pub fn begin() -> io::Result<Self> {
        rustix::process::setsid()?;
        Ok(Self(()))
    }

    /// Tells the starter that the daemon is up, and gives up its output.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened. A starter that is gone is no error.
    pub fn up(self) -> io::Result<()> {
        let _ = io::stdout().write_all(b"+").and_then(|()| io::stdout().flush());
        let null = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    }
}

/// The operating system and the machine, as `uname` names them: `Linux 6.1.0 x86_64`.
pub fn system() -> String {
    let names = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_string_lossy().into_owned();
    format!("{} {} {}", text(names.sysname()), text(names.release()), text(names.machine()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_lives_as_long_as_its_process() {
        let path = std::env::temp_dir().join(format!("primacy-pid-{}", std::process::id()));
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists(), "another process's pid stays");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_limit_of_open_files_never_promises_too_much() {
        assert!(raise_open_files(10) <= 10);
        let fits = raise_open_files(1_000_000_000_000);
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(fits <= limit, "{fits} of {limit}");
    }
}
