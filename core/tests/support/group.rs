//! Real nodes in a simulated world: a master, two replicas, one chained behind the second, and a client that writes.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use primacy_core::config::Config;
use primacy_core::ids::{ConnId, Ids};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Chunks, Closed, Endpoint, Interest, Meter, NoMeter, SocketOptions};
use primacy_core::node::{About, Call, Event, Node};
use primacy_core::rng::Seed;
use primacy_core::sim::{BootInfo, Choices, HostId, NetConfig, World};
use primacy_core::time::{Instant, Now};
use primacy_core::{Action, Actions, Input, Machine};

/// The hosts of a [`group`]: a master, its replicas, one behind the second of these, and the client.
pub(crate) const MASTER: HostId = HostId(0);
pub(crate) const CHAINED: HostId = HostId(3);
pub(crate) const WRITER: HostId = HostId(4);

/// A machine of the group.
pub(crate) enum Member {
    Node(Box<Node<Keyspace>>),
    Writer(Writer),
}

/// A client that sends one `SET` after a pause, and counts the answers.
pub(crate) struct Writer {
    ids: Ids,
    conn: Option<(ConnId, Interest)>,
    out: Vec<u8>,
    next: Instant,
    pause: Duration,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) ends: Vec<Closed>,
}

impl Writer {
    fn new(pause: Duration) -> Self {
        let next = Instant::from_micros(1_000_000);
        let (ids, out) = (Ids::default(), Vec::new());
        Self { ids, conn: None, out, next, pause, sent: 0, answered: 0, ends: Vec::new() }
    }

    fn tick(&mut self, now: Now, out: &mut Actions<Event>) {
        self.next = now.mono + self.pause;
        match &mut self.conn {
            None => {
                let conn = self.ids.conn();
                let (to, options) = (Endpoint::Tcp(SocketAddr::new(ip(0), 6379)), SocketOptions::default());
                out.push(Action::Connect { conn, to, from: None, tls: false, options });
                self.conn = Some((conn, Interest::READ));
                self.next = Instant::MAX;
            }
            Some((conn, interest)) => {
                let (key, value) = (format!("key:{}", self.sent % 1000), format!("{:070}", self.sent));
                self.sent += 1;
                let command = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$70\r\n{value}\r\n", key.len());
                self.out.extend_from_slice(command.as_bytes());
                interest.update(*conn, true, true, out);
            }
        }
    }

    fn handle(&mut self, now: Now, input: &Input<'_, Call>, out: &mut Actions<Event>) {
        match *input {
            Input::Tick => self.tick(now, out),
            Input::Connected { .. } => self.next = now.mono + self.pause,
            Input::Received { bytes, .. } => self.answered += bytes.split(|b| *b == b'\n').count() as u64 - 1,
            Input::Sent { conn, len } => {
                if let Some((ours, interest)) = self.conn.as_mut().filter(|(ours, _)| *ours == conn) {
                    self.out.drain(..len);
                    interest.update(*ours, true, !self.out.is_empty(), out);
                }
            }
            Input::Eof { conn } if self.is_ours(conn) => {
                out.push(Action::Close { conn });
                self.gone(now);
            }
            Input::Closed { conn, reason } if self.is_ours(conn) => {
                self.ends.push(reason);
                self.gone(now);
            }
            _ => {}
        }
    }
}

impl Writer {
    fn is_ours(&self, conn: ConnId) -> bool {
        self.conn.as_ref().is_some_and(|(ours, _)| *ours == conn)
    }

    fn gone(&mut self, now: Now) {
        self.conn = None;
        self.out.clear();
        self.next = now.mono + Duration::from_millis(100);
    }
}

impl Machine for Member {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        match self {
            Self::Node(node) => node.handle(now, input, out),
            Self::Writer(writer) => writer.handle(now, &input, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Node(node) => node.deadline(),
            Self::Writer(writer) => Some(writer.next).filter(|at| *at < Instant::MAX),
        }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        match self {
            Self::Node(node) => node.transmit(conn, budget, out),
            Self::Writer(writer) => {
                if writer.conn.as_ref().is_some_and(|(ours, _)| *ours == conn) && !writer.out.is_empty() {
                    out.push(Bytes::copy_from_slice(&writer.out[..budget.min(writer.out.len())]));
                }
            }
        }
    }
}

fn ip(host: u32) -> IpAddr {
    IpAddr::from([10, 0, 0, 1 + host as u8])
}

/// The nodes' names, and whom each follows.
const NODES: [(&str, Option<&str>); 4] =
    [("master", None), ("a", Some("master")), ("b", Some("master")), ("c", Some("b"))];

/// The configuration of the node on a host.
pub(crate) fn config_of(h: HostId) -> Config {
    let mut config = Config::new();
    let usual = [
        "--bind",
        "0.0.0.0",
        "--port",
        "6379",
        "--protected-mode",
        "no",
        "--save",
        "",
        "--repl-diskless-sync-delay",
        "0",
    ];
    config.apply_args(&usual).unwrap();
    if let Some(master) = NODES[h.0 as usize].1 {
        config.apply_args(&["--replicaof", master, "6379"]).unwrap();
    }
    config
}

/// A node as it boots.
pub(crate) fn node(config: Config, seed: Seed, meter: Box<dyn Meter>) -> Node<Keyspace> {
    let data = Keyspace::new(config.settings.databases, seed);
    Node::new(config, data, seed, meter, About::default())
}

/// The group, started; a write every `pause` from the first second on.
pub(crate) fn group(seed: u64, net: NetConfig, pause: Duration) -> World<Member> {
    let make = |info: &BootInfo<'_>| Member::Node(Box::new(node(config_of(info.host), info.seed, Box::new(NoMeter))));
    group_of(seed, net, pause, make, |m| m)
}

/// The group of any machine: `make` boots a node, `wrap` takes the writer in.
pub(crate) fn group_of<M: Machine<Call = Call, Event = Event> + 'static>(
    seed: u64,
    net: NetConfig,
    pause: Duration,
    make: impl Fn(&BootInfo<'_>) -> M + Clone + 'static,
    wrap: fn(Member) -> M,
) -> World<M> {
    let mut world = World::new(Choices::seeded(seed), net);
    for (host, (name, _)) in NODES.into_iter().enumerate() {
        world.add(name, vec![ip(host as u32)], Box::new(make.clone()));
    }
    world.add("writer", vec![ip(4)], Box::new(move |_| wrap(Member::Writer(Writer::new(pause)))));
    for host in 0..world.hosts() {
        world.start(HostId(host));
    }
    world
}

/// A node that is up.
pub(crate) fn node_of(world: &World<Member>, h: HostId) -> &Node<Keyspace> {
    match world.machine(h) {
        Some(Member::Node(node)) => node,
        _ => panic!("{h} is no node that is up"),
    }
}

/// The client.
pub(crate) fn writer_of(world: &World<Member>) -> &Writer {
    match world.machine(WRITER) {
        Some(Member::Writer(writer)) => writer,
        _ => panic!("the writer is down"),
    }
}
