//! The processes of a demonstration: a master, its replicas, and the sentinels that watch them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use primacy_host::program::{acts_as_sentinel, acts_as_server};
use rustix::process::{Pid, Signal, kill_process};

use super::client::{Client, Reply};
use super::proxy::Proxy;
use super::wish::{Fault, Wish};
use super::writer::{NAME, named};

/// Servers, the first one the master at the start.
const SERVERS: usize = 3;
const SENTINELS: usize = 3;
/// How long a process may take to answer its first PING.
const START: Duration = Duration::from_secs(10);
/// How long a process may take to end in order.
const END: Duration = Duration::from_secs(15);
/// How long a process that is looked at may take to answer.
const LOOK: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(20);

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    /// Where the others reach it.
    pub(crate) at: SocketAddr,
    /// The link in front of it, if it can be cut.
    pub(crate) link: Option<Proxy>,
    /// Where it listens.
    own: SocketAddr,
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
    child: Child,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) servers: Vec<Process>,
    pub(crate) sentinels: Vec<Process>,
    /// Their files.
    pub(crate) folder: PathBuf,
    /// Leave the processes and the folder alone.
    kept: bool,
}

impl Group {
    /// Starts all processes and waits until each answers.
    pub(crate) fn start(wish: &Wish) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let folder = std::env::temp_dir().join(format!("primacy-demo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut group = Self { servers: Vec::new(), sentinels: Vec::new(), folder, kept: false };
        let ports = free_ports(SERVERS + SENTINELS)?;
        let program = wish.server.as_ref().unwrap_or(&own);
        for (n, port) in ports.iter().take(SERVERS).enumerate() {
            let server = group.server(program, n, *port, wish.fault == Fault::Partition)?;
            group.servers.push(server);
        }
        let program = wish.sentinel.as_ref().unwrap_or(&own);
        for (n, port) in ports.iter().skip(SERVERS).enumerate() {
            let sentinel = group.sentinel(program, n + 1, *port, wish.down_after)?;
            group.sentinels.push(sentinel);
        }
        Ok(group)
    }

    fn server(&self, program: &Path, n: usize, port: u16, cuttable: bool) -> io::Result<Process> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let link = if cuttable { Some(Proxy::to(own)?) } else { None };
        let name = format!("server-{}", n + 1);
        let folder = self.folder.join(&name);
        fs::create_dir_all(&folder)?;
        let mut args: Vec<OsString> = Vec::new();
        if !acts_as_server(program.as_os_str()) {
            args.push("server".into());
        }
        let conf = folder.join("server.conf");
        let mut text = format!(
            "port {port}\nbind 127.0.0.1\nsave \"\"\ndir {dir}\nlogfile {dir}/log\nrepl-diskless-sync-delay 0\n",
            dir = folder.display()
        );
        if let Some(link) = &link {
            let _ = writeln!(text, "replica-announce-port {}", link.at.port());
        }
        if let Some(master) = self.servers.first() {
            let _ = writeln!(text, "replicaof 127.0.0.1 {}", master.at.port());
        }
        fs::write(&conf, text)?;
        args.push(conf.into());
        let at = link.as_ref().map_or(own, |l| l.at);
        Process::start(Spec { name, at, link, own, program: program.to_owned(), args, folder })
    }

    fn sentinel(&self, program: &Path, n: usize, port: u16, down_after: Duration) -> io::Result<Process> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let name = format!("sentinel-{n}");
        let folder = self.folder.join(&name);
        fs::create_dir_all(&folder)?;
        let mut args: Vec<OsString> = Vec::new();
        if !acts_as_sentinel(program.as_os_str()) {
            args.push("sentinel".into());
        }
        let conf = folder.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {dir}\nlogfile {dir}/log\nsentinel monitor {NAME} 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds {NAME} {down_after}\nsentinel failover-timeout {NAME} 10000\n",
            dir = folder.display(),
            master = self.servers.first().map_or(0, |m| m.at.port()),
            quorum = SENTINELS / 2 + 1,
            down_after = down_after.as_millis(),
        );
        fs::write(&conf, text)?;
        args.push(conf.into());
        Process::start(Spec { name, at, link: None, own: at, program: program.to_owned(), args, folder })
    }

    /// The server that a sentinel names as the master: its place in the list.
    pub(crate) fn master(&self) -> io::Result<usize> {
        let sentinel = self.sentinels.first().ok_or_else(|| io::Error::other("no sentinels"))?;
        let at = named(sentinel.at, LOOK)?;
        let place = self.servers.iter().position(|s| s.at == at);
        place.ok_or_else(|| io::Error::other(format!("the sentinels name {at}, and nobody is there")))
    }

    /// Whether this server follows that one, and its link stands.
    pub(crate) fn follows(&self, server: usize, master: usize) -> bool {
        let (Some(server), Some(master)) = (self.servers.get(server), self.servers.get(master)) else { return false };
        let info = Client::patient(server.at, LOOK).and_then(|mut c| c.info("replication"));
        info.is_ok_and(|info| {
            let says = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
            says("role", "slave")
                && says("master_port", &master.at.port().to_string())
                && says("master_link_status", "up")
        })
    }

    /// Whether every sentinel names this master, knows all the others, and holds nobody for down.
    pub(crate) fn is_watched(&self, master: usize) -> bool {
        let Some(at) = self.servers.get(master).map(|m| m.at) else { return false };
        self.sentinels.iter().all(|s| sees_all(s.at, at).unwrap_or(false))
    }

    /// Leaves everything running and says how to go on.
    pub(crate) fn keep(mut self) {
        self.kept = true;
        println!("\nThe group keeps running:");
        let all: Vec<&Process> = self.servers.iter().chain(&self.sentinels).collect();
        for process in &all {
            println!("  {:<10}  redis-cli -p {}", process.name, process.at.port());
        }
        // Sentinels first: they would take what follows for a fault.
        let pids: Vec<String> = all.iter().rev().map(|p| p.child.id().to_string()).collect();
        println!(
            "Ask a sentinel:  redis-cli -p {} SENTINEL EXPLAIN {NAME}",
            self.sentinels.first().map_or(0, |s| s.at.port())
        );
        println!("Stop it with:    kill {}", pids.join(" "));
        println!("Its files:       {}", self.folder.display());
    }

    /// Ends all processes in order, and removes their files if `clean`.
    pub(crate) fn end(mut self, clean: bool) {
        self.end_processes();
        self.kept = true;
        if clean {
            let _ = fs::remove_dir_all(&self.folder); // Left-overs in a temporary folder harm nobody.
        } else {
            println!("The logs are in {}", self.folder.display());
        }
    }

    fn end_processes(&mut self) {
        // Sentinels first: they would take the rest for a fault. A master's shutdown waits for its replicas otherwise.
        for process in self.sentinels.iter_mut().chain(self.servers.iter_mut().rev()) {
            process.thaw();
            end(&mut process.child);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.kept {
            self.end_processes();
        }
    }
}

fn sees_all(sentinel: SocketAddr, master: SocketAddr) -> io::Result<bool> {
    if named(sentinel, LOOK)? != master {
        return Ok(false);
    }
    let reply = Client::patient(sentinel, LOOK)?.command(&["SENTINEL", "MASTER", NAME])?;
    let Reply::Array(pairs) = reply else { return Ok(false) };
    let says = |name: &str, value: &str| pairs.chunks_exact(2).any(|p| p[0].is(name) && p[1].is(value));
    Ok(says("flags", "master")
        && says("num-slaves", &(SERVERS - 1).to_string())
        && says("num-other-sentinels", &(SENTINELS - 1).to_string()))
}

/// What a process is made of.
struct Spec {
    name: String,
    at: SocketAddr,
    link: Option<Proxy>,
    own: SocketAddr,
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
}

impl Process {
    fn start(spec: Spec) -> io::Result<Self> {
        let Spec { name, at, link, own, program, args, folder } = spec;
        let child = spawn(&program, &args, &folder)?;
        let mut process = Self { name, at, link, own, program, args, folder, child };
        process.wait_ready()?;
        Ok(process)
    }

    fn wait_ready(&mut self) -> io::Result<()> {
        if let Err(error) = first_answer(&mut self.child, self.own) {
            end(&mut self.child);
            let words = ["output", "log"].map(|f| fs::read_to_string(self.folder.join(f)).unwrap_or_default()).concat();
            let from = words.char_indices().rev().nth(2000).map_or(0, |(i, _)| i);
            return Err(io::Error::other(format!("{} did not start: {error}\n{}", self.name, &words[from..])));
        }
        Ok(())
    }

    /// Starts it again after it ended.
    pub(crate) fn start_again(&mut self) -> io::Result<()> {
        self.child = spawn(&self.program, &self.args, &self.folder)?;
        self.wait_ready()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // It is gone either way.
        let _ = self.child.wait();
    }

    pub(crate) fn freeze(&self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::STOP); // Not reaped yet, so its pid is still its own.
    }

    pub(crate) fn thaw(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
        }
    }
}

/// Ports that nobody listens on: the system names them, all at a time so that no two are the same.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    held.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}

fn spawn(program: &Path, args: &[OsString], folder: &Path) -> io::Result<Child> {
    let output = File::options().create(true).append(true).open(folder.join("output"))?;
    let mut command = Command::new(program);
    // A process group of its own: Ctrl-C reaches this program alone, which then ends them one by one.
    command.args(args).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
    command.spawn().map_err(|e| io::Error::other(format!("cannot start {}: {e}", program.display())))
}

fn first_answer(child: &mut Child, at: SocketAddr) -> io::Result<()> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended ({status})")));
        }
        match Client::connect(at).and_then(|mut c| c.command(&["PING"])) {
            Ok(answer) if answer.is("PONG") => return Ok(()),
            _ if began.elapsed() > START => {
                return Err(io::Error::other(format!("no answer on {at} within {} s", START.as_secs())));
            }
            _ => std::thread::sleep(STEP),
        }
    }
}

/// Ends a process in order, by force if it does not.
fn end(child: &mut Child) {
    let _ = kill_process(Pid::from_child(child), Signal::TERM); // Not reaped yet, so its pid is still its own.
    let began = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if began.elapsed() > END {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(STEP);
    }
}
