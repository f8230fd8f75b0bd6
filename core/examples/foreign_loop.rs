//! A whole server inside an event loop that is not ours: here plain epoll, one thread, level-triggered.
//!
//! `cargo run -p primacy-core --example foreign_loop -- --port 6400`, then `redis-cli -p 6400`. It may follow a master by its
//! address. Left out: names, files, unix sockets, scripts; jobs that need them fail in words.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "an example lives on std")]

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, SystemTime};

use primacy_core::config::Config;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Closed, Endpoint, JobError, JobErrorKind, NoMeter, Outcome, Usage};
use primacy_core::node::{About, Call, Node};
use primacy_core::{Action, Actions, Chunks, Input, Instant, Job, Machine as _, Now};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};

const PIECE: usize = 64 << 10; // The most bytes of one read or write.
const LISTENER: u64 = 1 << 63; // From here on epoll's numbers are those of listeners; connections have their own.

struct Loop {
    node: Node<Keyspace>,
    epoll: std::os::fd::OwnedFd,
    begun: std::time::Instant,
    listeners: HashMap<OpId, TcpListener>,
    conns: HashMap<ConnId, TcpStream>,
    accepted: u64,
    done: Vec<(OpId, Outcome)>, // Told in the next turn.
    resume: bool,
    exit: Option<i32>,
}

impl Loop {
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now::new(Instant::from_micros(self.begun.elapsed().as_micros() as u64), unix.as_millis() as u64)
    }

    /// One turn: wait, then what is done, then ready sockets, then `Resume`, the tick last.
    fn turn(&mut self) -> io::Result<()> {
        let (resume, done) = (std::mem::take(&mut self.resume), std::mem::take(&mut self.done));
        let left =
            self.node.deadline().map_or(Duration::MAX, |at| at.since(self.now().mono)).min(Duration::from_secs(60));
        let wait = if resume || !done.is_empty() { Duration::ZERO } else { left };
        let mut ready = Vec::with_capacity(256);
        epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&wait.try_into().map_err(io::Error::other)?))?;
        done.into_iter().for_each(|(op, result)| self.feed(Input::Done { op, result }));
        for event in ready {
            let (flags, number) = (event.flags, event.data.u64());
            let conn = ConnId::from_u64(number);
            if number >= LISTENER {
                self.accept(OpId::from_u64(number - LISTENER));
            } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                self.read(conn);
            }
            if flags.contains(EventFlags::OUT) {
                self.write(conn);
            }
        }
        if resume {
            self.feed(Input::Resume);
        }
        if self.node.deadline().is_some_and(|at| at <= self.now().mono) {
            self.feed(Input::Tick);
        }
        Ok(())
    }

    /// The one door: an input in, and what the node wants done.
    fn feed(&mut self, input: Input<'_, Call>) {
        let mut actions = Actions::new();
        self.node.handle(self.now(), input, &mut actions);
        for action in actions.drain() {
            match action {
                Action::Interest { conn, read, write } => {
                    let wanted = [(read, EventFlags::IN), (write, EventFlags::OUT)].into_iter();
                    let flags = wanted.filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).collect();
                    if let Some(socket) = self.conns.get(&conn) {
                        let _ = epoll::modify(&self.epoll, socket, EventData::new_u64(conn.as_u64()), flags);
                    }
                }
                // The kernel forgets a socket that is closed.
                Action::Close { conn } => drop(self.conns.remove(&conn)),
                Action::Connect { conn, to, .. } => {
                    // It blocks the loop, which a real one would not.
                    match to.tcp().ok_or(ErrorKind::Unsupported.into()).and_then(TcpStream::connect) {
                        Ok(socket) => self.adopt(conn, socket, None),
                        Err(e) => self.broken(conn, &e),
                    }
                }
                Action::Start { op, job } => self.job(op, job),
                Action::Yield => self.resume = true,
                Action::Event(event) => eprintln!("{event}"),
                Action::Exit { code } => self.exit = Some(code),
                _ => {}
            }
        }
    }

    fn job(&mut self, op: OpId, job: Job) {
        let result = match job {
            Job::Listen { at: Endpoint::Tcp(at), .. } => {
                self.listen(at, op).map(Outcome::Listening).map_err(|e| format!("cannot listen on {at}: {e}"))
            }
            Job::Resolve { host } => host
                .parse()
                .map(|ip| Outcome::Resolved(vec![ip]))
                .map_err(|e| format!("{host}: {e}, and no names here")),
            Job::Usage => Ok(Outcome::Usage(Usage::default())),
            _ => Err("this loop keeps no files".into()),
        };
        let failed = |text: String| Outcome::Failed(JobError { kind: JobErrorKind::NotFound, message: text.into() });
        self.done.push((op, result.unwrap_or_else(failed)));
    }

    fn listen(&mut self, at: SocketAddr, op: OpId) -> io::Result<Endpoint> {
        let listener = TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        epoll::add(&self.epoll, &listener, EventData::new_u64(LISTENER + op.as_u64()), EventFlags::IN)?;
        let bound = listener.local_addr()?;
        self.listeners.insert(op, listener);
        Ok(Endpoint::Tcp(bound))
    }

    /// One for each readiness: epoll says it again while there are more.
    fn accept(&mut self, op: OpId) {
        if let Some(Ok((socket, _))) = self.listeners.get(&op).map(TcpListener::accept) {
            self.accepted += 1;
            self.adopt(ConnId::accepted(self.accepted), socket, Some(op));
        }
    }

    /// A connection stands, from a listener or to a master.
    fn adopt(&mut self, conn: ConnId, socket: TcpStream, listener: Option<OpId>) {
        let ready = socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true));
        let watched = epoll::add(&self.epoll, &socket, EventData::new_u64(conn.as_u64()), EventFlags::IN);
        let (Ok(local), Ok(peer), Ok(()), Ok(())) = (socket.local_addr(), socket.peer_addr(), ready, watched) else {
            return self.feed(Input::Closed { conn, reason: Closed::Reset });
        };
        self.conns.insert(conn, socket);
        let (local, peer) = (Endpoint::Tcp(local), Endpoint::Tcp(peer));
        match listener {
            Some(listener) => self.feed(Input::Accepted { conn, listener, local, peer, tls: false }),
            None => self.feed(Input::Connected { conn, local, peer, tls: false }),
        }
    }

    fn read(&mut self, conn: ConnId) {
        let mut buffer = vec![0; PIECE];
        let Some(socket) = self.conns.get_mut(&conn) else { return };
        match socket.read(&mut buffer) {
            Ok(0) => {
                let _ = epoll::delete(&self.epoll, &*socket); // Nothing more is read, or asked for.
                self.feed(Input::Eof { conn });
            }
            Ok(n) => self.feed(Input::Received { conn, bytes: &buffer[..n] }),
            Err(e) => self.broken(conn, &e),
        }
    }

    /// Sends what the node shows, in order, and says what the kernel took.
    fn write(&mut self, conn: ConnId) {
        let mut chunks = Chunks::new();
        self.node.transmit(conn, PIECE, &mut chunks);
        let Some(socket) = self.conns.get_mut(&conn).filter(|_| chunks.bytes() > 0) else { return };
        // The rest comes again.
        match socket.write(&chunks[0]) {
            Ok(len) => self.feed(Input::Sent { conn, len }),
            Err(e) => self.broken(conn, &e),
        }
    }

    fn broken(&mut self, conn: ConnId, e: &io::Error) {
        if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.conns.remove(&conn);
            self.feed(Input::Closed { conn, reason: Closed::Os(e.raw_os_error().unwrap_or(0)) });
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = ["--save".into(), String::new()].into_iter().chain(std::env::args().skip(1)).collect();
    let mut config = Config::new();
    config.apply_args(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let data = Keyspace::new(config.settings.databases, seed.map(|byte| byte ^ 0x5a));
    let node = Node::new(config, data, seed, Box::new(NoMeter), About::default());
    let (epoll, begun) = (epoll::create(epoll::CreateFlags::CLOEXEC)?, std::time::Instant::now());
    let (listeners, conns, done) = (HashMap::new(), HashMap::new(), Vec::new());
    let mut all = Loop { node, epoll, begun, listeners, conns, accepted: 0, done, resume: false, exit: None };
    while all.exit.is_none() {
        all.turn()?;
    }
    std::process::exit(all.exit.unwrap_or_default());
}
