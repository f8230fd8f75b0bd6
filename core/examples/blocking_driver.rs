//! A third driver, over blocking sockets and threads of std, with nothing but the one door between it and a whole server.
//!
//! `cargo run -p primacy-core --example blocking_driver -- --port 6400`, then `redis-cli -p 6400`. Every connection has a
//! thread that reads and one that writes, each with one piece at a time; the machine has the thread that started it. Left
//! out: files (jobs on them fail, so a snapshot is neither loaded nor saved), unix sockets, scripts, socket options, and
//! the end of a listener.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "an example lives on std")]

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::spawn;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use primacy_core::config::Config;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Closed, Endpoint, JobError, JobErrorKind, NoMeter, Outcome, Usage};
use primacy_core::node::{About, Node};
use primacy_core::{Action, Actions, Chunks, Input, Instant, Job, Machine, Now};

/// The most bytes of one read or write.
const PIECE: usize = 64 << 10;
/// The most news that wait.
const NEWS: usize = 256;

/// What other threads tell the machine's.
enum News {
    Accepted(TcpStream, OpId),
    Connected(ConnId, TcpStream),
    Received(ConnId, Vec<u8>),
    Sent(ConnId, usize),
    Eof(ConnId),
    Closed(ConnId, Closed),
    Done(OpId, Outcome),
}

/// A connection: how to ask its two threads, whether they are at it, and what the machine wants of them.
struct Conn {
    socket: TcpStream,
    reader: SyncSender<()>,
    writer: SyncSender<Vec<Bytes>>,
    reading: bool,
    writing: bool,
    want_read: bool,
    want_write: bool,
}

struct Driver<M: Machine> {
    machine: M,
    epoch: std::time::Instant,
    news: Receiver<News>,
    teller: SyncSender<News>,
    conns: HashMap<ConnId, Conn>,
    connecting: HashSet<ConnId>,
    accepted: u64,
    /// Connections whose threads may have something to do.
    changed: Vec<ConnId>,
    /// Jobs that were done at once: told in the next turn.
    done: Vec<(OpId, Outcome)>,
    resume: bool,
    exit: Option<i32>,
}

impl<M: Machine> Driver<M>
where
    M::Event: std::fmt::Display,
{
    /// Turns until the machine ends: what came first, then `Resume`, the tick last, then what is to be read and sent.
    fn run(&mut self) -> i32 {
        while self.exit.is_none() {
            let mut left = self.machine.deadline().map_or(Duration::MAX, |at| at.since(self.now().mono));
            if self.resume || !self.done.is_empty() {
                left = Duration::ZERO;
            }
            let resume = std::mem::take(&mut self.resume);
            let first = self.news.recv_timeout(left.min(Duration::from_secs(3600)));
            for (op, result) in std::mem::take(&mut self.done) {
                self.feed(Input::Done { op, result });
            }
            let more: Vec<News> = self.news.try_iter().take(NEWS).collect();
            first.into_iter().chain(more).for_each(|news| self.take(news));
            if resume {
                self.feed(Input::Resume);
            }
            if self.machine.deadline().is_some_and(|at| at <= self.now().mono) {
                self.feed(Input::Tick);
            }
            for conn in std::mem::take(&mut self.changed) {
                self.ask_threads(conn);
            }
        }
        self.exit.unwrap_or_default()
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now::new(Instant::from_micros(self.epoch.elapsed().as_micros() as u64), unix.as_millis() as u64)
    }

    fn feed(&mut self, input: Input<'_, M::Call>) {
        let mut actions = Actions::new();
        self.machine.handle(self.now(), input, &mut actions);
        actions.drain().for_each(|action| self.carry_out(action));
    }

    fn take(&mut self, news: News) {
        match news {
            News::Accepted(socket, listener) => {
                self.accepted += 1;
                let conn = ConnId::accepted(self.accepted);
                if let Some((local, peer)) = self.add(conn, socket) {
                    self.feed(Input::Accepted { conn, listener, local, peer, tls: false });
                }
            }
            News::Connected(conn, socket) if self.connecting.remove(&conn) => match self.add(conn, socket) {
                Some((local, peer)) => self.feed(Input::Connected { conn, local, peer, tls: false }),
                None => self.feed(Input::Closed { conn, reason: Closed::Reset }),
            },
            News::Received(id, bytes) => {
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.reading = false;
                    self.changed.push(id);
                    self.feed(Input::Received { conn: id, bytes: &bytes });
                }
            }
            News::Sent(id, len) => {
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.writing = false;
                    self.changed.push(id);
                    self.feed(Input::Sent { conn: id, len });
                }
            }
            News::Eof(conn) if self.conns.contains_key(&conn) => self.feed(Input::Eof { conn }),
            News::Closed(conn, reason) if self.forget(conn) => self.feed(Input::Closed { conn, reason }),
            News::Done(op, result) => self.feed(Input::Done { op, result }),
            _ => {} // Of a connection that the machine has closed meanwhile.
        }
    }

    /// Has the next piece read and sent, if the machine wants it and the threads are not at one already.
    fn ask_threads(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.want_read && !conn.reading {
            conn.reading = conn.reader.send(()).is_ok();
        }
        if conn.want_write && !conn.writing {
            let mut chunks = Chunks::new();
            self.machine.transmit(id, PIECE, &mut chunks);
            conn.writing = chunks.bytes() > 0 && conn.writer.send(chunks.to_vec()).is_ok();
        }
    }

    fn carry_out(&mut self, action: Action<M::Event>) {
        match action {
            Action::Interest { conn: id, read, write } => {
                if let Some(conn) = self.conns.get_mut(&id) {
                    (conn.want_read, conn.want_write) = (read, write);
                    self.changed.push(id);
                }
            }
            Action::Close { conn } => drop(self.forget(conn)),
            Action::Connect { conn, to, .. } => {
                self.connecting.insert(conn);
                let teller = self.teller.clone();
                spawn(move || {
                    let made = to.tcp().ok_or(ErrorKind::Unsupported.into()).and_then(TcpStream::connect);
                    let news = made.map_or_else(|e| News::Closed(conn, reason(&e)), |s| News::Connected(conn, s));
                    teller.send(news)
                });
            }
            Action::Start { op, job } => self.start(op, job),
            Action::Yield => self.resume = true,
            Action::Sleep(time) => std::thread::sleep(time),
            Action::Event(event) => eprintln!("{event}"),
            Action::Exit { code } => self.exit = Some(code),
            _ => {}
        }
    }

    fn start(&mut self, op: OpId, job: Job) {
        let teller = self.teller.clone();
        let result = match job {
            Job::Listen { at: Endpoint::Tcp(at), .. } => match TcpListener::bind(at) {
                Ok(listener) => {
                    let bound = listener.local_addr().unwrap_or(at);
                    spawn(move || {
                        listener.incoming().flatten().try_for_each(|socket| teller.send(News::Accepted(socket, op)))
                    });
                    Outcome::Listening(Endpoint::Tcp(bound))
                }
                Err(e) => failed(JobErrorKind::InUse, &format!("cannot listen on {at}: {e}")),
            },
            Job::Resolve { host } => {
                spawn(move || {
                    let found = (&*host, 0).to_socket_addrs().map(|all| all.map(|a| a.ip()).collect::<Vec<_>>());
                    let result = match found {
                        Ok(all) if !all.is_empty() => Outcome::Resolved(all),
                        _ => failed(JobErrorKind::NoSuchHost, &format!("cannot resolve {host}")),
                    };
                    teller.send(News::Done(op, result))
                });
                return;
            }
            Job::Usage => Outcome::Usage(Usage::default()),
            Job::Stat { .. } => Outcome::Stat(None),
            Job::Read { .. } => failed(JobErrorKind::NotFound, "this driver keeps no files"),
            _ => failed(JobErrorKind::Other, "this driver keeps no files"),
        };
        self.done.push((op, result));
    }

    /// Takes a connection and starts its threads. Answers our address and the peer's.
    fn add(&mut self, id: ConnId, socket: TcpStream) -> Option<(Endpoint, Endpoint)> {
        let ends = (Endpoint::Tcp(socket.local_addr().ok()?), Endpoint::Tcp(socket.peer_addr().ok()?));
        socket.set_nodelay(true).ok()?;
        let (mut from, mut to) = (socket.try_clone().ok()?, socket.try_clone().ok()?);
        let (reader, reads) = sync_channel(1);
        let (writer, writes) = sync_channel::<Vec<Bytes>>(1);
        let (tell_read, tell_sent) = (self.teller.clone(), self.teller.clone());
        spawn(move || {
            let mut buffer = vec![0; PIECE];
            reads.iter().try_for_each(|()| {
                let news = match from.read(&mut buffer) {
                    Ok(0) => News::Eof(id),
                    Ok(n) => News::Received(id, buffer[..n].to_vec()),
                    Err(e) => News::Closed(id, reason(&e)),
                };
                tell_read.send(news)
            })
        });
        spawn(move || {
            writes.iter().try_for_each(|chunks| {
                let len = chunks.iter().map(Bytes::len).sum();
                let sent = chunks.iter().try_for_each(|chunk| to.write_all(chunk));
                tell_sent.send(sent.map_or_else(|e| News::Closed(id, reason(&e)), |()| News::Sent(id, len)))
            })
        });
        let (reading, writing, want_read, want_write) = (false, false, true, false);
        self.conns.insert(id, Conn { socket, reader, writer, reading, writing, want_read, want_write });
        self.changed.push(id);
        Some(ends)
    }

    /// Ends a connection, and its threads with it.
    fn forget(&mut self, id: ConnId) -> bool {
        let conn = self.conns.remove(&id);
        if let Some(conn) = &conn {
            let _ = conn.socket.shutdown(Shutdown::Both); // It may be gone already.
        }
        self.connecting.remove(&id) || conn.is_some()
    }
}

fn failed(kind: JobErrorKind, message: &str) -> Outcome {
    Outcome::Failed(JobError { kind, message: message.into() })
}

fn reason(e: &std::io::Error) -> Closed {
    match e.kind() {
        ErrorKind::ConnectionRefused => Closed::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Closed::Reset,
        ErrorKind::TimedOut => Closed::TimedOut,
        _ => Closed::Os(e.raw_os_error().unwrap_or(0)),
    }
}

/// A server with these directives; answers its exit code.
pub fn serve(directives: &[&str]) -> Result<i32, Box<dyn std::error::Error>> {
    let mut config = Config::new();
    config.apply_args(directives)?;
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let data = Keyspace::new(config.settings.databases, seed.map(|byte| byte ^ 0x5a));
    let machine =
        Node::new(config, data, seed, Box::new(NoMeter), About { reactor: "threads".into(), ..About::default() });
    let (teller, news) = sync_channel(NEWS);
    let (conns, connecting, epoch) = (HashMap::new(), HashSet::new(), std::time::Instant::now());
    let (changed, done) = (Vec::new(), Vec::new());
    let (accepted, resume, exit) = (0, false, None);
    Ok(Driver { machine, epoch, news, teller, conns, connecting, accepted, changed, done, resume, exit }.run())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(serve(&args.iter().map(String::as_str).collect::<Vec<_>>())?);
}
