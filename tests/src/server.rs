//! One running server in a scratch folder.

use crate::program::Program;
use crate::resp::Client;
use crate::{Result, ports};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a start or an orderly end may take.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(20);

/// A server program with its own port, folder, configuration file and log. Ended when dropped.
pub struct Server {
    /// What it is called in messages.
    pub name: String,
    /// The program that plays it.
    pub program: Program,
    /// Its port.
    pub port: u16,
    /// Its folder: configuration, log, snapshot.
    pub folder: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Server {
    /// Writes the configuration file; `lines` come after the usual ones and so win.
    pub(crate) fn prepare(root: &Path, name: &str, program: &Program, lines: &[String]) -> Result<Self> {
        let port = ports::free();
        let folder = root.join(format!("{name}-{port}"));
        std::fs::create_dir_all(&folder)?;
        let server = Self { name: name.to_owned(), program: program.clone(), port, folder, child: Mutex::new(None) };
        server.configure(lines)?;
        Ok(server)
    }

    /// Writes the configuration file anew.
    pub fn configure(&self, lines: &[String]) -> Result<()> {
        let mut conf = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".into(),
            format!("dir {}", self.folder.display()),
            "save \"\"".into(),
            "appendonly no".into(),
            "repl-diskless-sync-delay 0".into(),
        ];
        if self.program.guards_debug() {
            conf.push("enable-debug-command yes".into());
        }
        conf.extend(lines.iter().cloned());
        Ok(std::fs::write(self.conf(), conf.join("\n") + "\n")?)
    }

    /// The configuration file.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.folder.join("node.conf")
    }

    /// The file that standard output and error go to.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The snapshot file.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.folder.join("dump.rdb")
    }

    /// All that it has logged so far, over its restarts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_file()).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// How often one of the phrases is in the log.
    #[must_use]
    pub fn logged(&self, phrases: &[&str]) -> usize {
        self.log().lines().filter(|l| phrases.iter().any(|p| l.contains(p))).count()
    }

    /// Starts it and returns at once.
    pub fn launch(&self) -> Result<()> {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let child = self
            .program
            .command()
            .arg(self.conf())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir(&self.folder)
            .spawn()
            .map_err(|e| format!("{}: cannot start {:?}: {e}", self.name, self.program.words))?;
        *self.child.lock().map_err(|_| "lock")? = Some(child);
        Ok(())
    }

    /// Starts it and waits until it answers PING (a password's refusal counts as an answer).
    pub fn start(&self) -> Result<()> {
        self.launch()?;
        self.wait_ready()
    }

    /// Waits until it answers PING.
    pub fn wait_ready(&self) -> Result<()> {
        let end = Instant::now() + START;
        loop {
            if let Ok(reply) = self.client().and_then(|mut c| c.ask(&["PING"])) {
                let text = reply.text();
                if text == "PONG" || text.starts_with("NOAUTH") {
                    return Ok(());
                }
            }
            if let Some(status) = self.ended()? {
                return Err(format!("{} ended while starting: {status}", self.name).into());
            }
            if Instant::now() > end {
                return Err(format!("{} did not answer PING within {START:?}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its exit status, if it has ended by itself.
    pub fn ended(&self) -> Result<Option<std::process::ExitStatus>> {
        match self.child.lock().map_err(|_| "lock")?.as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    /// A new connection to it.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.port).map_err(|e| format!("{}: {e}", self.name).into())
    }

    /// The process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().ok()?.as_ref().map(Child::id)
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|p| Pid::from_raw(p as i32));
        // A process that has ended already needs no signal; it is not reaped before `wait`, so the id is still its own.
        if let Some(pid) = pid {
            kill_process(pid, signal).ok();
        }
    }

    /// Freezes it (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// kill -9.
    pub fn kill(&self) {
        let child = self.child.lock().ok().and_then(|mut c| c.take());
        if let Some(mut child) = child {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// SIGTERM; waits for the end and gives the exit status.
    pub fn terminate(&self) -> Result<std::process::ExitStatus> {
        self.signal(Signal::TERM);
        self.wait_end(END)
    }

    /// Waits until it ended by itself.
    pub fn wait_end(&self, limit: Duration) -> Result<std::process::ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                self.kill();
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(format!("{} did not end within {limit:?}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
