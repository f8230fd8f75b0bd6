//! Encrypted connections: their handshakes, the way of their bytes through a session, and their end.
//!
//! The machine hears of a connection when its handshake is done, and of plaintext only. What it was told is sent may still
//! wait as ciphertext, up to a bound: so a connection that it closes stays for a moment until that is gone.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::ErrorKind;
use std::time::Duration;

use primacy_core::Chunks;
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Closed, Endpoint};
use primacy_core::time::Instant;
use primacy_core::tls::PeerNames;

use super::Reactor;
use super::conns::{Conn, Slot};
use super::net::Net;
use super::sockets::Moved;
use crate::closed_reason;
use crate::tls::{CIPHERTEXT_READ, Certificates, HANDSHAKE_TIME, HANDSHAKES, LINGER, Session};

/// Lines that the log gets about failed connections in each second at most: strangers make as many as they like.
const LINES: u32 = 20;

/// Where an encrypted connection stands.
#[derive(Debug)]
enum Stage {
    /// Accepted, and in its handshake: the machine does not know it.
    Accepting { listener: OpId, local: Endpoint },
    /// Asked for by the machine, and without a socket that stands.
    Calling,
    /// Asked for by the machine, and in its handshake.
    Connecting { local: Endpoint },
    /// Its bytes are the machine's.
    Open,
    /// Closed by the machine: ciphertext is still to be sent.
    Closing,
}

/// What is between a socket and the machine.
#[derive(Debug)]
pub(crate) struct Secure {
    session: Session,
    stage: Stage,
    peer: Endpoint,
    /// When its stage has to be over.
    due: Option<Instant>,
    /// Plaintext that came with the end of the handshake and that the machine does not want yet.
    held: Vec<u8>,
    /// The peer said that it sends no more.
    said_end: bool,
}

impl Secure {
    fn new(session: Session, stage: Stage, peer: Endpoint) -> Self {
        Self { session, stage, peer, due: None, held: Vec::new(), said_end: false }
    }

    /// Whether ciphertext waits to be sent.
    pub(super) fn is_pending(&self) -> bool {
        self.session.is_pending()
    }

    /// Whether a peer opened it, and its handshake is not done.
    fn is_accepting(&self) -> bool {
        matches!(self.stage, Stage::Accepting { .. })
    }

    fn is_shaking(&self) -> bool {
        matches!(self.stage, Stage::Accepting { .. } | Stage::Connecting { .. })
    }
}

impl<W> Conn<W> {
    /// Whether the machine knows this connection.
    pub(super) fn is_known(&self) -> bool {
        !self.tls.as_ref().is_some_and(|tls| matches!(tls.stage, Stage::Accepting { .. } | Stage::Closing))
    }

    /// Whether the machine has closed it.
    pub(super) fn is_closing(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| matches!(tls.stage, Stage::Closing))
    }
}

/// A connection whose handshake is done.
pub(super) enum Introduction {
    Accepted { listener: OpId, local: Endpoint, peer: Endpoint, names: Option<PeerNames> },
    Connected { local: Endpoint, peer: Endpoint },
}

/// What all encrypted connections share.
#[derive(Debug)]
pub(super) struct SecureNet {
    certificates: Certificates,
    /// The one buffer that ciphertext is read into; empty until there is some.
    cipher: Vec<u8>,
    /// Stages that have to be over, the earliest first.
    due: BTreeSet<(Instant, Slot, ConnId)>,
    /// How many are accepted and in their handshake.
    accepting: usize,
    lines: Lines,
}

impl SecureNet {
    pub(super) fn new(certificates: Certificates) -> Self {
        let (due, lines) = (BTreeSet::new(), Lines::default());
        Self { certificates, cipher: Vec::new(), due, accepting: 0, lines }
    }

    /// What a connection to `to` will need.
    pub(super) fn connect(&self, to: &Endpoint) -> Result<Box<Secure>, Closed> {
        let session = self.certificates.connect(to).ok_or(Closed::Tls)?;
        Ok(Box::new(Secure::new(session, Stage::Calling, to.clone())))
    }
}

impl<R: Reactor> Net<R> {
    /// The handshake of an accepted connection begins.
    pub(super) fn begin_accepted(&mut self, slot: Slot, listener: OpId, local: Endpoint, peer: Endpoint, now: Instant) {
        let Some(session) = self.secure.certificates.accept() else { return drop(self.remove(slot)) };
        if self.secure.accepting >= HANDSHAKES {
            self.give_way();
        }
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.tls = Some(Box::new(Secure::new(session, Stage::Accepting { listener, local }, peer)));
            self.secure.accepting += 1;
            self.set_due(slot, Some(now + HANDSHAKE_TIME));
        }
    }

    /// The oldest handshake of an accepted connection ends, for a new one.
    fn give_way(&mut self) {
        let mut due = self.secure.due.iter().map(|(_, slot, _)| *slot);
        let mut is_accepting = |slot| self.conns.get_mut(slot)?.tls.as_ref().map(|tls| tls.is_accepting());
        if let Some(slot) = due.find(|slot| is_accepting(*slot) == Some(true)) {
            self.complain(slot, &"others wait for their handshakes, and this one took longest");
            self.remove(slot);
        }
    }

    /// A connection that we opened stands. Its handshake comes next, if it has one: then its addresses are not given back.
    pub(super) fn begin_connecting(
        &mut self,
        slot: Slot,
        local: Endpoint,
        peer: Endpoint,
        now: Instant,
    ) -> Option<(Endpoint, Endpoint)> {
        match self.conns.get_mut(slot).and_then(|conn| conn.tls.as_mut()) {
            None => Some((local, peer)),
            Some(tls) => {
                tls.stage = Stage::Connecting { local };
                self.set_due(slot, Some(now + HANDSHAKE_TIME));
                None
            }
        }
    }

    /// A connection whose handshake is done is the machine's from now on.
    pub(super) fn introduction(&mut self, slot: Slot) -> Option<Introduction> {
        self.set_due(slot, None);
        let tls = self.conns.get_mut(slot)?.tls.as_mut()?;
        let peer = tls.peer.clone();
        match core::mem::replace(&mut tls.stage, Stage::Open) {
            Stage::Accepting { listener, local } => {
                self.secure.accepting -= 1;
                let names = tls.session.peer_names();
                Some(Introduction::Accepted { listener, local, peer, names })
            }
            Stage::Connecting { local } => Some(Introduction::Connected { local, peer }),
            stage => {
                tls.stage = stage;
                None
            }
        }
    }

    /// Takes a connection out of the table.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Conn<R::Watched>> {
        self.set_due(slot, None);
        let conn = self.conns.remove(slot)?;
        if conn.tls.as_ref().is_some_and(|tls| tls.is_accepting()) {
            self.secure.accepting -= 1;
        }
        Some(conn)
    }

    fn set_due(&mut self, slot: Slot, due: Option<Instant>) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let Some(tls) = &mut conn.tls else { return };
        if let Some(old) = core::mem::replace(&mut tls.due, due) {
            self.secure.due.remove(&(old, slot, conn.id));
        }
        self.secure.due.extend(due.map(|at| (at, slot, conn.id)));
    }

    /// When the next stage has to be over.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.secure.due.first().map(|(at, ..)| *at)
    }

    /// A connection whose stage had to be over by now; to be closed.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Slot> {
        let (_, slot, _) = *self.secure.due.first().filter(|(at, ..)| *at <= now)?;
        self.set_due(slot, None);
        let tls = self.conns.get_mut(slot).and_then(|conn| conn.tls.as_ref());
        if tls.is_some_and(|tls| tls.is_shaking()) {
            self.complain(slot, &format_args!("no handshake within {} s", HANDSHAKE_TIME.as_secs()));
        }
        Some(slot)
    }

    /// Reads once, and decrypts into `plain`.
    pub(super) fn read(&mut self, slot: Slot, plain: &mut [u8]) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        let Some(tls) = &mut conn.tls else { return self.read_socket(slot, plain) };
        if !tls.held.is_empty() {
            let held = core::mem::take(&mut tls.held);
            // It came out of a buffer of this length.
            plain[..held.len()].copy_from_slice(&held);
            return Moved::Bytes(held.len(), false);
        }
        if tls.said_end {
            (conn.readable, conn.ended) = (false, true);
            return Moved::End;
        }
        let mut cipher = core::mem::take(&mut self.secure.cipher);
        cipher.resize(CIPHERTEXT_READ, 0);
        let moved = match self.read_socket(slot, &mut cipher) {
            // A read never answers more than it was given room for.
            Moved::Bytes(n, empty) => self.decrypt(slot, &cipher[..n], empty, plain),
            moved @ (Moved::End | Moved::Broken(_)) => self.broken_off(slot, moved),
            moved => moved,
        };
        self.secure.cipher = cipher;
        moved
    }

    fn decrypt(&mut self, slot: Slot, cipher: &[u8], empty: bool, plain: &mut [u8]) -> Moved {
        let Some(conn) = self.conns.get_mut(slot) else { return Moved::Nothing };
        let Some(tls) = &mut conn.tls else { return Moved::Nothing };
        let taken = tls.session.take(cipher, plain);
        let shook = tls.is_shaking() && !tls.session.is_handshaking();
        if let Ok(taken) = &taken
            && taken.ended
        {
            tls.said_end = true;
            conn.readable = true; // The end is found by the next read.
        }
        // An answer of the handshake, or the reason for the peer. If it cannot be sent, the next read says why.
        let sent = self.flush(slot);
        match (taken, sent) {
            (Err(trouble), _) => {
                self.complain(slot, &trouble);
                Moved::Broken(Closed::Tls)
            }
            (Ok(taken), Err(reason)) if taken.plaintext == 0 => self.broken_off(slot, Moved::Broken(reason)),
            (Ok(taken), _) if shook => Moved::Shook(taken.plaintext, empty && !taken.ended),
            (Ok(taken), _) => Moved::Bytes(taken.plaintext, empty && !taken.ended),
        }
    }

    /// A connection ended: in its handshake that is no end of a stream.
    fn broken_off(&mut self, slot: Slot, moved: Moved) -> Moved {
        let Some(tls) = self.conns.get_mut(slot).and_then(|conn| conn.tls.as_ref()) else { return moved };
        match &tls.stage {
            // Whoever looks whether a port is open does this.
            Stage::Accepting { .. } => {
                log::debug!(target: "primacy", "A client connection ended in its handshake (addr={})", tls.peer);
                Moved::Broken(Closed::Tls)
            }
            Stage::Connecting { .. } => {
                self.complain(slot, &"the peer closed the connection in its handshake");
                Moved::Broken(Closed::Tls)
            }
            _ => moved,
        }
    }

    /// Plaintext that the machine does not want yet.
    pub(super) fn hold(&mut self, slot: Slot, plaintext: &[u8]) {
        if let Some(conn) = self.conns.get_mut(slot)
            && let Some(tls) = &mut conn.tls
        {
            tls.held = plaintext.to_vec();
            conn.readable = true;
        }
    }

    /// Encrypts and writes `chunks`, as far as the kernel takes them.
    pub(super) fn write_secure(&mut self, slot: Slot, chunks: &Chunks) -> Moved {
        let mut taken = 0;
        loop {
            match self.flush(slot) {
                Ok(true) if taken < chunks.bytes() => {}
                Ok(true) => return Moved::Bytes(taken, false),
                Ok(false) if taken == 0 => return Moved::Nothing,
                Ok(false) => return Moved::Bytes(taken, true),
                Err(reason) => return Moved::Broken(reason),
            }
            let Some(tls) = self.conns.get_mut(slot).and_then(|conn| conn.tls.as_mut()) else { return Moved::Nothing };
            match tls.session.put(chunks, taken) {
                0 => return Moved::Nothing,
                n => taken += n,
            }
        }
    }

    /// Writes the ciphertext that waits; whether none waits any more.
    pub(super) fn flush(&mut self, slot: Slot) -> Result<bool, Closed> {
        let Some(conn) = self.conns.get_mut(slot) else { return Ok(true) };
        let Some(tls) = &mut conn.tls else { return Ok(true) };
        let mut socket = R::socket(&conn.watched);
        while tls.session.is_pending() {
            match tls.session.write_to(&mut socket) {
                Ok(0) => return Err(Closed::Clean),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    conn.writable = false;
                    return self.reactor.await_write(&conn.watched).map(|()| false).map_err(|e| closed_reason(&e));
                }
                Err(e) => return Err(closed_reason(&e)),
            }
        }
        Ok(true)
    }

    /// The machine closes a connection. It is gone, but for one with ciphertext that its peer has still to take.
    pub(super) fn forget(&mut self, slot: Slot, now: Instant) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let id = conn.id;
        if let Some(tls) = conn.tls.as_mut().filter(|tls| matches!(tls.stage, Stage::Open)) {
            tls.session.end();
            if self.flush(slot) == Ok(false)
                && let Some(conn) = self.conns.get_mut(slot)
                && let Some(tls) = &mut conn.tls
            {
                tls.stage = Stage::Closing;
                (conn.want_read, conn.want_write) = (false, false);
                self.conns.unindex(id);
                return self.set_due(slot, Some(now + LINGER));
            }
        }
        drop(self.remove(slot));
    }

    /// What failed with a connection, for the log.
    fn complain(&mut self, slot: Slot, why: &dyn Display) {
        let Some(tls) = self.conns.get_mut(slot).and_then(|conn| conn.tls.as_ref()) else { return };
        match &tls.stage {
            Stage::Accepting { local, .. } => self
                .secure
                .lines
                .say(&format_args!("Error accepting a client connection: {why} (addr={} laddr={local})", tls.peer)),
            _ => self.secure.lines.say(&format_args!("Error in the TLS connection with {}: {why}", tls.peer)),
        }
    }
}

/// Lines for the log, some in each second and no more.
#[derive(Debug, Default)]
struct Lines {
    /// When this second began.
    since: Option<std::time::Instant>,
    said: u32,
}

impl Lines {
    fn say(&mut self, line: &dyn Display) {
        if self.since.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            if self.said > LINES {
                log::warn!(target: "primacy", "{} more TLS connections failed within a second", self.said - LINES);
            }
            (self.since, self.said) = (Some(std::time::Instant::now()), 0);
        }
        self.said += 1;
        if self.said <= LINES {
            log::warn!(target: "primacy", "{line}");
        }
    }
}
