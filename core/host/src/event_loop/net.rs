//! Connections and listeners, and who of them waits for a turn: everything of the loop that is not about the machine.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use primacy_core::Chunks;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Endpoint, JobError, SocketOptions};
use primacy_core::time::Instant;

use super::Reactor;
use super::conns::{Conn, Conns, Slot};
use super::listen::{self, Bound, Spare, Taken, Turned};
use super::secure::SecureNet;
use super::sockets::{self, Moved};
use crate::tls::Certificates;
use crate::{closed_reason, job_error};

/// Tokens of listeners count up from here, those of connections from 0.
pub(crate) const LISTENERS: usize = usize::MAX / 2;

/// How long a listener rests after connections could not be taken from it. A reactor tells only of new ones, so those
/// that wait have to be tried again without being told of.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How often the log says so at most.
const ACCEPT_LOG: Duration = Duration::from_secs(1);

/// One listener. (The file of a unix socket goes before its socket does.)
#[derive(Debug)]
pub(crate) struct Listener<W> {
    op: OpId,
    bound: Bound,
    watched: W,
    /// Its connections are encrypted.
    tls: bool,
    /// Stands in the list of those with connections to take.
    pub(crate) in_accepts: bool,
    /// Rests after an error.
    resting: bool,
}

/// A connection that was taken.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// Its id, the job that opened its listener, our address and the peer's.
    Plain(ConnId, OpId, Endpoint, Endpoint),
    /// One whose handshake comes first.
    Shaking,
}

/// Reactor, connections, listeners, and who waits for a turn.
#[derive(Debug)]
pub(crate) struct Net<R: Reactor> {
    pub(crate) reactor: R,
    pub(crate) conns: Conns<R::Watched>,
    pub(crate) listeners: Vec<Option<Listener<R::Watched>>>,
    /// Connections with something to read that want to.
    pub(crate) reads: Vec<Slot>,
    /// Connections with something to send, as far as is known with room for it.
    pub(crate) writes: Vec<Slot>,
    /// Listeners with connections to take.
    pub(crate) accepts: Vec<usize>,
    /// When the listeners that rest are tried again.
    pub(crate) retry: Option<Instant>,
    spare: Spare,
    accepted: u64,
    /// When the log last said that connections cannot be taken.
    warned: Option<Instant>,
    pub(super) secure: SecureNet,
}

impl<R: Reactor> Net<R> {
    pub(crate) fn new(reactor: R, certificates: Certificates) -> Self {
        Self {
            reactor,
            conns: Conns::new(),
            listeners: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            accepts: Vec::new(),
            retry: None,
            spare: Spare::new(),
            accepted: 0,
            warned: None,
            secure: SecureNet::new(certificates),
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
            && (conn.want_write || conn.tls.as_ref().is_some_and(|tls| tls.is_pending()))
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
        tls: bool,
    ) -> Result<Endpoint, JobError> {
        let (socket, bound) = listen::open(at, backlog, mode)?;
        let index = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
        let watched = self
            .reactor
            .watch(socket, LISTENERS + index, false)
            .map_err(|e| job_error(format_args!("watch the listener on {at}"), &e))?;
        let at = bound.0.clone();
        if index == self.listeners.len() {
            self.listeners.push(None);
        }
        // `index` is below the length by now.
        self.listeners[index] = Some(Listener { op, bound, watched, tls, in_accepts: false, resting: false });
        Ok(at)
    }

    pub(crate) fn unlisten(&mut self, op: OpId) {
        for slot in &mut self.listeners {
            if slot.as_ref().is_some_and(|l| l.op == op) {
                *slot = None;
            }
        }
    }

    /// Takes one connection from a listener.
    pub(crate) fn accept(&mut self, index: usize, now: Instant) -> Option<Accepted> {
        loop {
            let listener = self.listeners.get_mut(index)?.as_mut()?;
            let (op, socket, at) = (listener.op, R::socket(&listener.watched), &listener.bound.0);
            match listen::accept(socket, at) {
                Ok(Some(taken)) => {
                    let tls = listener.tls;
                    if let Some((id, slot, local, peer)) = self.add_accepted(taken) {
                        if tls {
                            self.begin_accepted(slot, op, local, peer, now);
                            return Some(Accepted::Shaking);
                        }
                        return Some(Accepted::Plain(id, op, local, peer));
                    }
                }
                Ok(None) => return self.accepted_all(index, now),
                Err(e) if listen::is_out_of_files(&e) => {
                    let turned = self.spare.turn_away(socket, at);
                    if turned == Turned::Nobody {
                        return self.accepted_all(index, now);
                    }
                    self.warn_accept(&e, "; raise the limit of open files", now);
                    if turned == Turned::Waits {
                        return self.rest(index, now);
                    }
                }
                // It was gone before it could be taken.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.warn_accept(&e, "", now);
                    return self.rest(index, now);
                }
            }
        }
    }

    /// A connection that cannot be watched is closed.
    fn add_accepted(&mut self, taken: Taken) -> Option<(ConnId, Slot, Endpoint, Endpoint)> {
        let Taken { socket, local, peer } = taken;
        let id = ConnId::accepted(self.accepted + 1);
        let watched = self.reactor.watch(socket, self.conns.next_slot(), false).ok()?;
        let slot = self.conns.insert(Conn::new(id, watched, matches!(local, Endpoint::Tcp(_)), false));
        self.accepted += 1;
        Some((id, slot, local, peer))
    }

    /// Nobody waits at a listener any more.
    fn accepted_all(&mut self, index: usize, now: Instant) -> Option<Accepted> {
        let listener = self.listeners.get(index)?.as_ref()?;
        match self.reactor.await_read(&listener.watched) {
            Ok(()) => None,
            Err(_) => self.rest(index, now),
        }
    }

    /// A connection could not be taken from a listener: it is tried again after a rest.
    fn rest(&mut self, index: usize, now: Instant) -> Option<Accepted> {
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.resting = true;
            self.retry.get_or_insert(now + ACCEPT_REST);
        }
        None
    }

    /// Queues the listeners whose rest is over.
    pub(crate) fn end_rest(&mut self, now: Instant) {
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            for index in 0..self.listeners.len() {
                if let Some(Some(listener)) = self.listeners.get_mut(index)
                    && core::mem::take(&mut listener.resting)
                {
                    self.queue_accept(index);
                }
            }
        }
    }

    /// Says that connections cannot be taken, but not for each of a thousand that wait.
    fn warn_accept(&mut self, e: &io::Error, advice: &str, now: Instant) {
        if self.warned.is_none_or(|at| now.since(at) >= ACCEPT_LOG) {
            self.warned = Some(now);
            log::warn!(target: "primacy", "Accepting client connection: {e}{advice}");
        }
    }

    /// Begins a connection. An error is the reason to close it with.
    pub(crate) fn connect(
        &mut self,
        id: ConnId,
        to: &Endpoint,
        from: Option<IpAddr>,
        tls: bool,
        options: SocketOptions,
    ) -> Result<(), Closed> {
        let secure = if tls { Some(self.secure.connect(to)?) } else { None };
        let watched = sockets::connect(to, from, options)
            .and_then(|socket| self.reactor.watch(socket, self.conns.next_slot(), true))
            .map_err(|e| closed_reason(&e))?;
        let conn = Conn::new(id, watched, matches!(to, Endpoint::Tcp(_)), true);
        self.conns.insert(Conn { tls: secure, ..conn });
        Ok(())
    }

    /// After news of a connection that is being made: its addresses once it stands, `None` while it does not.
    pub(crate) fn connected(&mut self, slot: Slot) -> Result<Option<(ConnId, Endpoint, Endpoint)>, Closed> {
        let Some(conn) = self.conns.get_mut(slot) else { return Ok(None) };
        match sockets::connected(R::socket(&conn.watched)) {
            Ok(Some((local, peer))) => {
                conn.connecting = false;
                conn.writable = true;
                Ok(Some((conn.id, local, peer)))
            }
            Ok(None) => self.reactor.await_write(&conn.watched).map(|()| None).map_err(|e| closed_reason(&e)),
            Err(e) => Err(closed_reason(&e)),
        }
    }

    /// Looks for an error of a connection that nobody reads, and sees to it that a later one is told.
    pub(crate) fn check_unread(&mut self, slot: Slot) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(slot) else { return Ok(()) };
        match R::socket(&conn.watched).take_error()? {
            Some(e) => Err(e),
            None => self.await_error(slot),
        }
    }

    /// An error of a connection that nobody reads is to be told.
    pub(crate) fn await_error(&mut self, slot: Slot) -> io::Result<()> {
        self.conns.get_mut(slot).map_or(Ok(()), |conn| self.reactor.await_error(&conn.watched))
    }

    /// Reads once into `buffer`, past what encrypts it.
    pub(crate) fn read_socket(&mut self, slot: Slot, buffer: &mut [u8]) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        let moved = sockets::read(R::socket(&conn.watched), buffer);
        match moved {
            Moved::End => (conn.readable, conn.ended) = (false, true),
            // A short read emptied the socket; only an end that was told already is not told again.
            Moved::Bytes(n, true) if conn.ending => return Moved::Bytes(n, false),
            Moved::Nothing | Moved::Bytes(_, true) => {
                conn.readable = false;
                if let Err(e) = self.reactor.await_read(&conn.watched) {
                    conn.readable = true;
                    return match moved {
                        Moved::Bytes(n, _) => Moved::Bytes(n, false), // The next read finds nothing, and comes to this again.
                        _ => Moved::Broken(closed_reason(&e)),
                    };
                }
            }
            Moved::Bytes(_, false) | Moved::Shook(..) | Moved::Broken(_) => {}
        }
        moved
    }

    /// Writes `chunks` with one call, as far as the kernel takes them.
    pub(crate) fn write(&mut self, slot: Slot, chunks: &Chunks) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        if conn.tls.is_some() {
            return self.write_secure(slot, chunks);
        }
        let moved = sockets::write(R::socket(&conn.watched), chunks);
        if matches!(moved, Moved::Nothing | Moved::Bytes(_, true)) {
            conn.writable = false;
            if let Err(e) = self.reactor.await_write(&conn.watched) {
                return Moved::Broken(closed_reason(&e));
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
            let _ = sockets::set_options(R::socket(&conn.watched), options);
        }
    }
}
