//! Clients that know nothing of Primacy find the master through its sentinels and follow every failover.

use libtest_mimic::Trial;
use primacy_tests::peers;
use primacy_tests::resp::Client;
use primacy_tests::sentinel::{Fault, Group, NAME};
use primacy_tests::wait::until;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Error, Result, ensure};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Commands, ConnectionAddr, ProtocolVersion};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);
/// How long a client may take until a write of it is taken again.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn all() -> Vec<Trial> {
    let both = [Fault::Kill, Fault::Freeze];
    vec![
        scenario("sentinel::clients::redis_py::resp2", LIMIT, peers::python, move |w, py| redis_py(w, &py, "2", &both)),
        scenario("sentinel::clients::redis_py::resp3", LIMIT, peers::python, |w, py| {
            redis_py(w, &py, "3", &[Fault::Kill])
        }),
        scenario("sentinel::clients::ioredis", LIMIT, peers::ioredis, move |w, (node, modules)| {
            ioredis(w, &node, &modules, &both)
        }),
        // It asks a master for its role without a limit in time, so it waits for one that stands still.
        scenario("sentinel::clients::redis_rs::resp2", LIMIT, || Ok(()), |w, ()| redis_rs(w, ProtocolVersion::RESP2)),
        scenario("sentinel::clients::redis_rs::resp3", LIMIT, || Ok(()), |w, ()| redis_rs(w, ProtocolVersion::RESP3)),
    ]
}

/// A client that has written `before`, and writes `after:1` and so on, each through a master that is new to it.
trait Follower {
    /// Begins.
    fn ready(&mut self) -> Result<()>;
    /// Writes `after:<round>` once the master is gone; the port of the one that took it.
    fn follow(&mut self, round: usize) -> Result<u16>;
}

fn group(w: &World) -> Result<Group> {
    let ours = w.primacy()?;
    Group::start(w, &ours, &[ours.clone(), ours.clone(), ours.clone()], false)
}

/// Each fault in turn: the client's next write has to be where the sentinels say that the new master is.
fn followed(group: &Group, client: &mut dyn Follower, faults: &[Fault]) -> Result<()> {
    client.ready()?;
    for (i, fault) in faults.iter().enumerate() {
        let (round, old) = (i + 1, group.master()?);
        old.strike(*fault)?;
        let port = client.follow(round).map_err(|e| format!("{fault:?}: {e}"))?;
        group.succeeded(old)?;
        let new = group.master()?;
        ensure!(port == new.port() && port != old.port(), "after {fault:?} it went from {} to {port}", old.port());
        let held = Client::connect(new.port())?.run(&format!("MGET before after:{round}"))?;
        let held: Vec<String> = held.items().iter().map(primacy_tests::resp::Value::text).collect();
        ensure!(held == ["1", "1"], "after {fault:?} the new master holds {held:?}");
        old.heal(*fault)?;
        group.settled()?;
    }
    Ok(())
}

/// A program that says "ready", then a port for each line.
struct Script {
    child: Child,
    ask: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Plays it to its end; what went wrong comes with what it wrote to standard error.
    fn play(mut command: Command, w: &World, group: &Group, faults: &[Fault]) -> Result<()> {
        let errors = w.folder.join("client");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(&errors)?);
        let mut child = command.spawn()?;
        let (ask, said) = (child.stdin.take(), child.stdout.take().ok_or("no pipe")?);
        let mut script = Self { child, ask, said: BufReader::new(said).lines() };
        let result = followed(group, &mut script, faults);
        drop(script.ask.take());
        if result.is_err() {
            script.child.kill().ok();
        }
        let status = script.child.wait()?;
        let text = std::fs::read_to_string(&errors)?;
        result.map_err(|e| format!("{e}\n{text}"))?;
        ensure!(status.success(), "it ended with {status}\n{text}");
        Ok(())
    }
}

impl Follower for Script {
    fn ready(&mut self) -> Result<()> {
        let ready = self.said.next().transpose()?;
        ensure!(ready.as_deref() == Some("ready"), "it says {ready:?}");
        Ok(())
    }

    fn follow(&mut self, _: usize) -> Result<u16> {
        self.ask.as_mut().ok_or("no pipe")?.write_all(b"\n")?;
        Ok(self.said.next().transpose()?.ok_or("it ended before its write was taken")?.parse()?)
    }
}

fn redis_py(w: &World, python: &Path, protocol: &str, faults: &[Fault]) -> Result<()> {
    let group = group(w)?;
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/redis_py_sentinel.py"));
    command.args([NAME, protocol]).args(group.sentinels.iter().map(|s| s.port.to_string()));
    Script::play(command, w, &group, faults)
}

fn ioredis(w: &World, node: &Path, modules: &Path, faults: &[Fault]) -> Result<()> {
    let group = group(w)?;
    let mut command = Command::new(node);
    command.env("NODE_PATH", modules);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/ioredis_sentinel.js"));
    command.arg(NAME).args(group.sentinels.iter().map(|s| s.port.to_string()));
    Script::play(command, w, &group, faults)
}

fn redis_rs(w: &World, protocol: ProtocolVersion) -> Result<()> {
    let group = group(w)?;
    let at = |of| -> Result<SentinelClient> {
        let sentinels = group.sentinels.iter().map(|s| ConnectionAddr::Tcp("127.0.0.1".into(), s.port));
        let builder = SentinelClientBuilder::new(sentinels, NAME, of)?;
        let builder = builder.set_client_to_redis_protocol(protocol).set_client_to_sentinel_protocol(protocol);
        Ok(builder.build()?)
    };
    let mut client = RedisRs { master: at(SentinelServerType::Master)?, replica: at(SentinelServerType::Replica)? };
    followed(&group, &mut client, &[Fault::Kill])
}

struct RedisRs {
    master: SentinelClient,
    replica: SentinelClient,
}

impl Follower for RedisRs {
    fn ready(&mut self) -> Result<()> {
        let mut c = self.master.get_connection()?;
        c.set::<_, _, ()>("before", 1)?;
        let reached: i64 = redis::cmd("WAIT").arg(2).arg(5000).query(&mut c)?;
        let there: i64 = self.replica.get_connection()?.get("before")?;
        ensure!(reached == 2 && there == 1, "a write reached {reached} replicas, and is {there} there");
        Ok(())
    }

    fn follow(&mut self, round: usize) -> Result<u16> {
        until(PATIENCE, "a write is taken", || {
            self.master.get_connection()?.set::<_, _, ()>(format!("after:{round}"), 1)?;
            Ok(true)
        })?;
        let info: redis::InfoDict = redis::cmd("INFO").arg("server").query(&mut self.master.get_connection()?)?;
        info.get("tcp_port").ok_or_else(|| Error::from("INFO names no port"))
    }
}
