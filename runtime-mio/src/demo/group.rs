//! The processes of a demonstration.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;
use super::show::Status;

/// How long a node may take to answer its first PING.
const START: Duration = Duration::from_secs(10);
/// How long a node may take to end in order.
const END: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(20);

/// One process.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    at: SocketAddr,
    child: Child,
    pub(crate) client: Client,
}

/// A master, first, and its replicas.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) nodes: Vec<Node>,
    /// Their files.
    pub(crate) folder: PathBuf,
    /// Leave the processes and the folder alone.
    kept: bool,
}

impl Group {
    /// Starts all processes and waits until each answers.
    pub(crate) fn start(replicas: u64, program: Option<&Path>) -> io::Result<Self> {
        let program = match program {
            Some(program) => program.to_owned(),
            None => std::env::current_exe()?,
        };
        let folder = std::env::temp_dir().join(format!("primacy-demo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut group = Self { nodes: Vec::new(), folder, kept: false };
        let ports = free_ports(replicas as usize + 1)?;
        for (n, port) in ports.iter().enumerate() {
            let name = if n == 0 { "master".to_owned() } else { format!("replica-{n}") };
            let master = (n > 0).then_some(ports[0]);
            let node = start_node(&program, &group.folder, name, *port, master)?;
            group.nodes.push(node);
        }
        Ok(group)
    }

    pub(crate) fn master(&mut self) -> &mut Node {
        &mut self.nodes[0] // `start` made it first.
    }

    pub(crate) fn wait_until_linked(&mut self, patience: Duration, stop: &AtomicBool) -> io::Result<()> {
        let began = Instant::now();
        while !self.nodes.iter_mut().skip(1).all(|n| n.status().up) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(io::Error::other(format!(
                    "the replicas did not link to their master within {} s; their logs are in {}",
                    patience.as_secs(),
                    self.folder.display()
                )));
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Leaves everything running and says how to go on.
    pub(crate) fn keep(mut self) {
        self.kept = true;
        println!("\nThe group keeps running:");
        for node in &self.nodes {
            println!("  {:<10} redis-cli -p {}", node.name, node.at.port());
        }
        let pids: Vec<String> = self.nodes.iter().map(|n| n.child.id().to_string()).collect();
        println!("Stop it with:  kill {}", pids.join(" "));
        println!("Its files:     {}", self.folder.display());
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
        // Replicas first: a master's shutdown waits for them otherwise.
        for node in self.nodes.iter_mut().rev() {
            end(&mut node.child);
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

impl Node {
    /// What the node says of itself; all zero and down while it does not answer.
    pub(crate) fn status(&mut self) -> Status {
        let mut status = Status { name: self.name.clone(), at: self.at, ..Status::default() };
        let answers = self.client.info("replication").and_then(|info| Ok((info, self.client.info("keyspace")?)));
        let Ok((info, keyspace)) = answers else {
            // A client that was cut off (a timeout, a killed connection) is replaced for the next time.
            if let Ok(client) = Client::connect(self.at) {
                self.client = client;
            }
            return status;
        };
        let number = |name: &str| info.get(name).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        let master = info.get("role").is_some_and(|r| r == "master");
        status.role = if master { "master" } else { "replica" };
        status.up = master || info.get("master_link_status").is_some_and(|s| s == "up");
        status.offset = if master { number("master_repl_offset") } else { number("slave_repl_offset") };
        status.replicas = number("connected_slaves");
        let keys = keyspace.values().filter_map(|db| db.strip_prefix("keys=")?.split(',').next()?.parse::<u64>().ok());
        status.keys = keys.sum();
        status
    }
}

/// Ports that nobody listens on: the system names them, all at a time so that no two are the same.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    held.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}

fn start_node(program: &Path, folder: &Path, name: String, port: u16, master: Option<u16>) -> io::Result<Node> {
    let dir = folder.join(&name);
    fs::create_dir_all(&dir)?;
    let log = dir.join("node.log");
    let output = File::create(dir.join("output.log"))?;
    let mut command = Command::new(program);
    if !primacy_host::program::acts_as_server(program.as_os_str()) {
        command.arg("server");
    }
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    command.arg("--port").arg(port.to_string()).args(["--bind", "127.0.0.1", "--save", ""]);
    command.arg("--dir").arg(&dir).arg("--logfile").arg(&log).args(["--repl-diskless-sync-delay", "0"]);
    if let Some(master) = master {
        command.args(["--replicaof", "127.0.0.1", &master.to_string()]);
    }
    // A process group of its own: Ctrl-C reaches this program alone, which then ends them one by one.
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
    let mut child =
        command.spawn().map_err(|e| io::Error::other(format!("cannot start {}: {e}", program.display())))?;
    match first_answer(&mut child, at) {
        Ok(client) => Ok(Node { name, at, child, client }),
        Err(error) => {
            end(&mut child);
            let words = [dir.join("output.log"), log].map(|f| fs::read_to_string(f).unwrap_or_default()).concat();
            let from = words.char_indices().rev().nth(2000).map_or(0, |(i, _)| i);
            Err(io::Error::other(format!("the {name} did not start: {error}\n{}", &words[from..])))
        }
    }
}

fn first_answer(child: &mut Child, at: SocketAddr) -> io::Result<Client> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended ({status})")));
        }
        let answer = Client::connect(at).and_then(|mut c| c.command(&["PING"]).map(|a| (c, a)));
        match answer {
            Ok((client, answer)) if answer.is("PONG") => return Ok(client),
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
