//! Sentinels and the servers that they watch, as one group: faults of its master, and what must hold afterwards.

use crate::peers::on_path;
use crate::program::{Kind, Program};
use crate::proxy::Proxy;
use crate::resp::{Client, Value};
use crate::rng::Rng;
use crate::server::Server;
use crate::wait::until;
use crate::world::World;
use crate::{Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the sentinels call the master.
pub const NAME: &str = "mymaster";
/// `down-after-milliseconds` of all groups: twice the period in which a real sentinel tries to connect. One that hears of a
/// new master may wait that long before it does, and counts from the moment it heard; with a second of each, and answers
/// about the old master that still count for it, it takes the new one for down and fails over once more.
pub const DOWN_AFTER: Duration = Duration::from_secs(2);
/// How long a failover may take, and how long until all is in order afterwards. Real sentinels that disagree wait for
/// twice their `failover-timeout`, which is 5 s here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program as a sentinel: Primacy by its command, others by the name that they are started under.
pub fn program(w: &World, server: &Program) -> Result<Program> {
    let file = path(server)?;
    if server.is_primacy() {
        let more = server.words.iter().skip(1).filter(|w| *w != "server").cloned();
        let words = [file.to_string_lossy().into_owned(), "sentinel".into()].into_iter().chain(more).collect();
        return Ok(Program { words, ..server.clone() });
    }
    let name = if matches!(server.kind, Kind::Valkey(..)) { "valkey-sentinel" } else { "redis-sentinel" };
    let words = vec![named(w, server, name)?.to_string_lossy().into_owned()];
    Ok(Program { words, ..server.clone() })
}

/// The program's file under another name, in the scenario's folder.
pub fn named(w: &World, program: &Program, name: &str) -> Result<PathBuf> {
    let folder = w.folder.join(format!("bin-{}", program.name));
    let link = folder.join(name);
    if !link.is_symlink() {
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink(path(program)?, &link)?;
    }
    Ok(link)
}

fn path(program: &Program) -> Result<PathBuf> {
    let word = program.words.first().ok_or("a program without a path")?;
    let path = if Path::new(word).exists() { PathBuf::from(word) } else { on_path(word)? };
    Ok(std::fs::canonicalize(path)?)
}

/// What happens to a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9; it is started again once another is master.
    Kill,
    /// It stands still (SIGSTOP) until another is master.
    Freeze,
    /// It ends in good order, and is started again some time between at once and in the middle of the failover.
    Restart,
    /// Nothing reaches it and nothing comes from it until another is master. The group has to be behind proxies.
    Partition,
}

/// A server, and where the others reach it.
pub struct Node {
    /// The server.
    pub server: Arc<Server>,
    proxy: Option<Proxy>,
}

impl Node {
    /// The port by which the others know it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.proxy.as_ref().map_or(self.server.port, |p| p.port)
    }

    /// Something goes wrong with it.
    pub fn strike(&self, fault: Fault) -> Result<()> {
        match (fault, &self.proxy) {
            (Fault::Kill, _) => self.server.kill(),
            (Fault::Freeze, _) => self.server.freeze(),
            (Fault::Restart, _) => drop(self.server.terminate()?),
            (Fault::Partition, Some(proxy)) => proxy.stall(),
            (Fault::Partition, None) => return Err("a partition needs a group behind proxies".into()),
        }
        Ok(())
    }

    /// And is well again.
    pub fn heal(&self, fault: Fault) -> Result<()> {
        match (fault, &self.proxy) {
            (Fault::Freeze, _) => self.server.thaw(),
            (Fault::Partition, Some(proxy)) => proxy.heal(),
            _ => self.server.start()?,
        }
        Ok(())
    }
}

/// One master and its replicas, and the sentinels that watch them.
pub struct Group {
    /// The servers; the first one began as the master.
    pub nodes: Vec<Node>,
    /// The sentinels.
    pub sentinels: Vec<Arc<Server>>,
}

impl Group {
    /// Three servers, and sentinels that have found them and one another. With `proxied` every server is behind a link
    /// that can be cut.
    pub fn start(w: &World, server: &Program, sentinels: &[Program], proxied: bool) -> Result<Self> {
        let mut nodes: Vec<Node> = Vec::new();
        for i in 0..3 {
            let server = w.prepare(&format!("server{i}"), server, &[])?;
            let proxy = if proxied { Some(Proxy::to(server.port)?) } else { None };
            let mut lines = Vec::new();
            if let Some(proxy) = &proxy {
                lines.push(format!("replica-announce-port {}", proxy.port));
            }
            lines.extend(nodes.first().map(|m| format!("replicaof 127.0.0.1 {}", m.port())));
            server.configure(&lines)?;
            server.start()?;
            nodes.push(Node { server, proxy });
        }
        for node in &nodes[1..] {
            crate::wait::link_up(&node.server)?;
        }
        let quorum = sentinels.len() / 2 + 1;
        let lines = [
            format!("sentinel monitor {NAME} 127.0.0.1 {} {quorum}", nodes[0].port()),
            format!("sentinel down-after-milliseconds {NAME} {}", DOWN_AFTER.as_millis()),
            format!("sentinel failover-timeout {NAME} 5000"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let start = |(i, p): (usize, &Program)| w.server(&format!("sentinel{i}-{}", p.name), &program(w, p)?, &lines);
        let sentinels = sentinels.iter().enumerate().map(start).collect::<Result<Vec<_>>>()?;
        let group = Self { nodes, sentinels };
        group.settled()?;
        Ok(group)
    }

    /// The server that every sentinel names as the master; a failure while they differ.
    pub fn master(&self) -> Result<&Node> {
        let mut named = Vec::new();
        for s in &self.sentinels {
            named.push(master_port(&mut s.client()?)?);
        }
        let first = *named.first().ok_or("no sentinels")?;
        ensure!(named.iter().all(|p| *p == first), "the sentinels name {named:?}");
        self.nodes.iter().find(|n| n.port() == first).ok_or_else(|| format!("nobody is at port {first}").into())
    }

    /// Waits until all is in order: the sentinels agree, hold nobody for down and know one another, the master is one
    /// and takes writes, and all others follow it. Gives the configuration epoch.
    pub fn settled(&self) -> Result<u64> {
        let mut epoch = 0;
        until(PATIENCE, "the group is in order", || {
            epoch = self.in_order()?;
            Ok(true)
        })?;
        Ok(epoch)
    }

    fn in_order(&self) -> Result<u64> {
        let master = self.master()?;
        for node in &self.nodes {
            let info = node.server.client()?.text("INFO replication")?;
            let field = |name: &str| crate::resp::find_info(&info, name).unwrap_or_default();
            let (role, of) = (field("role"), field("master_port"));
            let name = &node.server.name;
            if node.port() == master.port() {
                ensure!(role == "master", "{name} is named as the master and says {role}");
            } else {
                ensure!(role == "slave" && of == master.port().to_string(), "{name} says {role} of {of}");
                ensure!(field("master_link_status") == "up", "{name}: its link is not up");
            }
        }
        let mut epochs = Vec::new();
        for s in &self.sentinels {
            epochs.push(self.sees_all(s)?);
        }
        ensure!(epochs.iter().all(|e| *e == epochs[0]), "configuration epochs {epochs:?}");
        self.takes_a_write(master)?;
        Ok(epochs[0])
    }

    /// What one sentinel must say when all is in order. Gives its configuration epoch.
    fn sees_all(&self, sentinel: &Server) -> Result<u64> {
        let mut c = sentinel.client()?;
        let name = &sentinel.name;
        let map = of(&c.run(&format!("SENTINEL MASTER {NAME}"))?);
        let field = |key: &str| map.get(key).cloned().unwrap_or_default();
        ensure!(field("flags") == "master", "{name}: the master is {}", field("flags"));
        let (replicas, others) = (self.nodes.len() - 1, self.sentinels.len() - 1);
        ensure!(field("num-slaves") == replicas.to_string(), "{name} knows {} replicas", field("num-slaves"));
        let known = field("num-other-sentinels");
        ensure!(known == others.to_string(), "{name} knows {known} other sentinels");
        for what in ["REPLICAS", "SENTINELS"] {
            for each in c.run(&format!("SENTINEL {what} {NAME}"))?.items() {
                let map = of(each);
                let flags = map.get("flags").cloned().unwrap_or_default();
                // `master_down` is what another sentinel said last; nobody asks it again once the master is another.
                let bad =
                    ["down", "disconnected", "reconf_"].iter().any(|f| flags.replace("master_down", "").contains(f));
                ensure!(!bad, "{name}: {:?} is {flags}", map.get("name"));
            }
        }
        Ok(field("config-epoch").parse()?)
    }

    fn takes_a_write(&self, master: &Node) -> Result<()> {
        let mut c = Client::connect(master.port())?;
        c.set_patience(Duration::from_secs(2))?;
        c.run("INCR group:writes")?;
        let reached = c.text(&format!("WAIT {} 1000", self.nodes.len() - 1))?;
        ensure!(reached == (self.nodes.len() - 1).to_string(), "a write reached {reached} replicas");
        Ok(())
    }

    /// One fault of the master, and what must follow: one new master (after a restart: one master), all sentinels of one
    /// mind, the old one a replica of it.
    pub fn round(&self, fault: Fault, rng: &mut Rng) -> Result<()> {
        let before = self.settled()?;
        let old = self.master()?;
        old.strike(fault)?;
        if fault == Fault::Restart {
            std::thread::sleep(Duration::from_millis(rng.below(2500)));
        } else {
            self.succeeded(old).map_err(|e| format!("after {fault:?}: {e}"))?;
        }
        old.heal(fault)?;
        let after = self.settled().map_err(|e| format!("healed after {fault:?}: {e}"))?;
        let moved = self.master()?.port() != old.port();
        ensure!(moved || fault == Fault::Restart, "the old master is back after {fault:?}");
        // A real sentinel may take the one that is back for down once more, by what others said before.
        let risen = after > before || !moved;
        ensure!(risen, "configuration epoch {before} became {after} by {fault:?}, and the master moved");
        Ok(())
    }

    /// Waits until all sentinels name another master, and it takes writes.
    pub fn succeeded(&self, old: &Node) -> Result<()> {
        until(PATIENCE, "another master", || {
            let new = self.master()?;
            ensure!(new.port() != old.port(), "all name the old master");
            Client::connect(new.port())?.run("INCR group:writes")?;
            Ok(true)
        })
    }
}

/// The port of the master that a sentinel names.
pub fn master_port(sentinel: &mut Client) -> Result<u16> {
    let reply = sentinel.run(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"))?;
    let port = reply.items().get(1).ok_or("it knows no such master")?;
    Ok(port.text().parse()?)
}

/// A map's fields, whether it came as one or as pairs in an array.
#[must_use]
pub fn of(reply: &Value) -> BTreeMap<String, String> {
    match reply {
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (k.text(), v.text())).collect(),
        other => other.items().chunks_exact(2).map(|p| (p[0].text(), p[1].text())).collect(),
    }
}
