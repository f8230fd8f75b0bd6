//! The sockets and the poller: everything of the driver that is not about the machine.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use primacy_core::Chunks;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Endpoint, JobError, SocketOptions};
use primacy_host::closed_reason;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::conns::{Conn, Conns, Slot};
use crate::listen::{self, Listener, Spare, Taken, Turned};

/// Tokens from the top down; connections have those from 0 up, listeners a range between.
pub(crate) const WAKE: Token = Token(usize::MAX - 1);
pub(crate) const TIMER: Token = Token(usize::MAX - 2);
pub(crate) const LISTENERS: usize = usize::MAX / 2;

/// How long a listener rests after connections could not be taken from it. The poller tells only of new ones, so
/// those that wait have to be tried again without an event.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How often the log says so at most.
const ACCEPT_LOG: Duration = Duration::from_secs(1);

/// Pieces that one write may gather.
const PIECES: usize = 64;

/// What a read or write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moved {
    /// So many bytes; `true` if the socket is used up with that: empty after a read, full after a write.
    Bytes(usize, bool),
    /// The peer sends no more.
    End,
    /// Nothing to move until the next event.
    Nothing,
    /// It is broken.
    Broken(Closed),
}

/// Poller, connections, listeners, and who waits for a turn.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) poll: Poll,
    pub(crate) conns: Conns,
    pub(crate) listeners: Vec<Option<Listener>>,
    /// Connections with something to read that want to.
    pub(crate) reads: Vec<Slot>,
    /// Connections with something to send, as far as is known with room for it.
    pub(crate) writes: Vec<Slot>,
    /// Listeners with connections to take.
    pub(crate) accepts: Vec<usize>,
    spare: Spare,
    accepted: u64,
    /// When the listeners that rest are tried again.
    retry: Option<Instant>,
    /// When the log last said that connections cannot be taken.
    warned: Option<Instant>,
}

impl Net {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            conns: Conns::default(),
            listeners: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            accepts: Vec::new(),
            spare: Spare::new(),
            accepted: 0,
            retry: None,
            warned: None,
        })
    }

    /// Waits for events, and queues the listeners whose rest is over.
    pub(crate) fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let rest = self.retry.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = match (rest, timeout) {
            (Some(rest), Some(timeout)) => Some(rest.min(timeout)),
            (rest, timeout) => rest.or(timeout),
        };
        let waited = match self.poll.poll(events, timeout) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        };
        if self.retry.is_some_and(|at| at <= Instant::now()) {
            self.retry = None;
            for index in 0..self.listeners.len() {
                if let Some(Some(listener)) = self.listeners.get_mut(index)
                    && core::mem::take(&mut listener.resting)
                {
                    self.queue_accept(index);
                }
            }
        }
        waited
    }

    /// A connection could not be taken from a listener: it is tried again after a rest.
    fn rest(&mut self, index: usize) {
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.resting = true;
            self.retry.get_or_insert_with(|| Instant::now() + ACCEPT_REST);
        }
    }

    /// Says that connections cannot be taken, but not for each of a thousand that wait.
    fn warn_accept(&mut self, e: &io::Error, advice: &str) {
        let now = Instant::now();
        if self.warned.is_none_or(|at| now.duration_since(at) >= ACCEPT_LOG) {
            self.warned = Some(now);
            log::warn!(target: "primacy", "Accepting client connection: {e}{advice}");
        }
    }

    /// Whether somebody waits for the next turn, so that it must not wait itself.
    pub(crate) fn is_busy(&self) -> bool {
        !(self.reads.is_empty() && self.writes.is_empty() && self.accepts.is_empty())
    }

    pub(crate) fn queue_read(&mut self, slot: Slot) {
        if let Some(conn) = self.conns.get_mut(slot)
            && conn.readable
            && conn.want_read
            && !conn.in_reads
            && !conn.ended
        {
            conn.in_reads = true;
            self.reads.push(slot);
        }
    }

    pub(crate) fn queue_write(&mut self, slot: Slot) {
        if let Some(conn) = self.conns.get_mut(slot)
            && conn.writable
            && conn.want_write
            && !conn.in_writes
        {
            conn.in_writes = true;
            self.writes.push(slot);
        }
    }

    pub(crate) fn queue_accept(&mut self, index: usize) {
        if let Some(Some(listener)) = self.listeners.get_mut(index)
            && !listener.in_accepts
        {
            listener.in_accepts = true;
            self.accepts.push(index);
        }
    }

    pub(crate) fn listen(
        &mut self,
        op: OpId,
        at: &Endpoint,
        backlog: u32,
        mode: Option<u32>,
    ) -> Result<Endpoint, JobError> {
        let listener = listen::open(op, at, backlog, mode)?;
        let index = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
        let fd = listener.socket.as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), Token(LISTENERS + index), Interest::READABLE)
            .map_err(|e| primacy_host::job_error(format_args!("watch the listener on {at}"), &e))?;
        let bound = listener.at.clone();
        if index == self.listeners.len() {
            self.listeners.push(None);
        }
        self.listeners[index] = Some(listener); // `index` is below the length by now.
        Ok(bound)
    }

    pub(crate) fn unlisten(&mut self, op: OpId) {
        for slot in &mut self.listeners {
            if slot.as_ref().is_some_and(|l| l.op == op) {
                *slot = None; // Closing the descriptor takes it from the poller.
            }
        }
    }

    /// Takes one connection from a listener: its id, the job that opened the listener, and where it is from.
    pub(crate) fn accept(&mut self, index: usize) -> Option<(ConnId, OpId, Endpoint, Endpoint)> {
        loop {
            let listener = self.listeners.get_mut(index)?.as_mut()?;
            let op = listener.op;
            match listen::accept(listener) {
                Ok(Some(Taken { socket, local, peer })) => {
                    let tcp = matches!(local, Endpoint::Tcp(_));
                    let id = ConnId::accepted(self.accepted + 1);
                    if self.add(Conn::new(id, socket, tcp, false), Interest::READABLE).is_ok() {
                        self.accepted += 1;
                        return Some((id, op, local, peer));
                    }
                }
                Ok(None) => return None,
                Err(e) if is_out_of_files(&e) => {
                    let turned = self.spare.turn_away(listener);
                    if turned == Turned::Nobody {
                        return None;
                    }
                    self.warn_accept(&e, "; raise the limit of open files");
                    if turned == Turned::Waits {
                        self.rest(index);
                        return None;
                    }
                }
                // It was gone before it could be taken.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.warn_accept(&e, "");
                    self.rest(index);
                    return None;
                }
            }
        }
    }

    fn add(&mut self, conn: Conn, interest: Interest) -> io::Result<()> {
        let fd = conn.socket.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), Token(self.conns.next_slot()), interest)?;
        self.conns.insert(conn);
        Ok(())
    }

    /// Begins a connection. An error is the reason to close it with.
    pub(crate) fn connect(
        &mut self,
        id: ConnId,
        to: &Endpoint,
        from: Option<IpAddr>,
        options: SocketOptions,
    ) -> Result<(), Closed> {
        let tcp = matches!(to, Endpoint::Tcp(_));
        let socket = begin_connect(to, from, options).map_err(|e| closed_reason(&e))?;
        let conn = Conn::new(id, socket, tcp, true);
        self.add(conn, Interest::READABLE | Interest::WRITABLE).map_err(|e| closed_reason(&e))
    }

    /// After an event of a connection that is being made: its addresses once it stands, `None` while it does not.
    pub(crate) fn connected(&mut self, slot: Slot) -> Result<Option<(ConnId, Endpoint, Endpoint)>, Closed> {
        let Some(conn) = self.conns.get_mut(slot) else { return Ok(None) };
        if let Some(e) = conn.socket.take_error().map_err(|e| closed_reason(&e))? {
            return Err(closed_reason(&e));
        }
        let peer = match conn.socket.peer_addr() {
            Ok(peer) => peer,
            Err(e) if e.kind() == io::ErrorKind::NotConnected => return Ok(None),
            Err(e) => return Err(closed_reason(&e)),
        };
        let local = conn.socket.local_addr().map_err(|e| closed_reason(&e))?;
        conn.connecting = false;
        conn.writable = true;
        Ok(Some((conn.id, endpoint(&local), endpoint(&peer))))
    }

    /// Reads once into `buffer`.
    pub(crate) fn read(&mut self, slot: Slot, buffer: &mut [u8]) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        loop {
            return match (&conn.socket).read(buffer) {
                Ok(0) => {
                    (conn.readable, conn.ended) = (false, true);
                    Moved::End
                }
                Ok(n) => {
                    // A short read emptied the socket, and what comes later is a new event; only an end that was
                    // announced already is not announced again.
                    conn.readable = n == buffer.len() || conn.ending;
                    Moved::Bytes(n, !conn.readable)
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    conn.readable = false;
                    Moved::Nothing
                }
                Err(e) => Moved::Broken(closed_reason(&e)),
            };
        }
    }

    /// Writes `chunks` with one call, as far as the kernel takes them.
    pub(crate) fn write(&mut self, slot: Slot, chunks: &Chunks) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        let moved = loop {
            match gather(&conn.socket, chunks) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok((n, shown)) => break Moved::Bytes(n, n < shown),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break Moved::Nothing,
                Err(e) => break Moved::Broken(closed_reason(&e)),
            }
        };
        if matches!(moved, Moved::Nothing | Moved::Bytes(_, true)) {
            conn.writable = false;
            if !conn.watches_write {
                // Most connections never fill up; a unix socket that is watched makes an event of every byte read.
                conn.watches_write = true;
                let (fd, both) = (conn.socket.as_raw_fd(), Interest::READABLE | Interest::WRITABLE);
                if let Err(e) = self.poll.registry().reregister(&mut SourceFd(&fd), Token(slot), both) {
                    return Moved::Broken(closed_reason(&e));
                }
            }
        }
        moved
    }

    pub(crate) fn set_options(&mut self, id: ConnId, options: SocketOptions) {
        if let Some(slot) = self.conns.find(id)
            && let Some(conn) = self.conns.get_mut(slot)
            && conn.tcp
        {
            // A peer that is gone already is noticed by the next read.
            let _ = apply(&conn.socket, options);
        }
    }
}

fn is_out_of_files(e: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| e.raw_os_error() == Some(errno.raw_os_error()))
}

/// Keep-alive as Redis sets it: idle for `s`, then three probes `s / 3` apart.
fn apply(socket: &Socket, options: SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    if options.keepalive_s > 0 {
        let idle = Duration::from_secs(options.keepalive_s.into());
        let interval = Duration::from_secs((options.keepalive_s / 3).max(1).into());
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3))?;
    }
    Ok(())
}

fn begin_connect(to: &Endpoint, from: Option<IpAddr>, options: SocketOptions) -> io::Result<Socket> {
    let (socket, address) = match to {
        Endpoint::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
            apply(&socket, options)?;
            if let Some(from) = from {
                socket.bind(&SocketAddr::new(from, 0).into())?;
            }
            (socket, SockAddr::from(*address))
        }
        Endpoint::Unix(path) => (Socket::new(Domain::UNIX, Type::STREAM, None)?, SockAddr::unix(&**path)?),
    };
    socket.set_nonblocking(true)?;
    match socket.connect(&address) {
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Ok(socket),
        Err(e) => Err(e),
        Ok(()) => Ok(socket),
    }
}

fn endpoint(address: &SockAddr) -> Endpoint {
    match address.as_socket() {
        Some(tcp) => Endpoint::Tcp(tcp),
        None => Endpoint::Unix(address.as_pathname().map_or("".into(), |p| p.to_string_lossy().into())),
    }
}

/// One write of all chunks, up to [`PIECES`]: how many bytes were taken, and how many were shown.
fn gather(mut socket: &Socket, chunks: &Chunks) -> io::Result<(usize, usize)> {
    if let [one] = &chunks[..] {
        return socket.write(one).map(|n| (n, one.len()));
    }
    let mut slices = [IoSlice::new(&[]); PIECES];
    let mut shown = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
        *slice = IoSlice::new(chunk);
        shown += chunk.len();
    }
    socket.write_vectored(&slices[..chunks.len().min(PIECES)]).map(|n| (n, shown))
}
