//! Connections of clients: how they come, are told to the runtime, and go.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::scrape::Scraping as _;
use super::server::{Cx, Server, Timer};
use super::{CloseWhen, Dispatch as _, Event, OutputLimit, Session};
use crate::ids::ConnId;
use crate::machine::{Action, Endpoint, SocketOptions};

/// The first byte of whoever speaks TLS; no command begins with it. (Redis answers what follows line by line.)
const TLS_HANDSHAKE: u8 = 0x16;
/// How long a connection that is to be closed may take what it is still owed.
const LINGER: Duration = Duration::from_secs(10);

/// Bytes that a client that waits may send before its reads go off.
const HELD_READ: usize = 64 * 1024;

const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the \
default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external \
computers, set a password with 'requirepass', bind to the addresses you trust, or turn the mode off with 'protected-mode no' \
(CONFIG SET protected-mode no from a local client).\r\n";

/// The connections of a server's clients: what its machine calls for inputs that are about one.
pub(crate) trait Connections: Server {
    fn accepted(&mut self, conn: ConnId, local: Endpoint, peer: Endpoint, cx: &mut Cx<'_, Self::Event>) {
        let max = self.settings().maxclients as usize;
        let users = &self.clients().users;
        let (open, no_password) = (users.is_open(), users.default_has_no_password());
        let (protected, keepalive_s) = (self.settings().protected_mode && no_password, self.settings().tcp_keepalive);
        let clients = self.clients_mut();
        clients.next_id += 1;
        let mut s = Box::new(Session::new(conn, clients.next_id, peer, local, cx.now.mono));
        s.authenticated = open;
        clients.stats.connections += 1;
        let refusal = if clients.sessions.len() >= max {
            Some(("-ERR max number of clients reached\r\n", "maxclients reached"))
        } else if protected && !s.is_local() {
            Some((PROTECTED, "protected-mode: no password is set and the peer is not local"))
        } else {
            None
        };
        if let Some((text, why)) = refusal {
            clients.stats.rejected_connections += 1;
            s.outbox.append(text.as_bytes());
            s.close(CloseWhen::Drained);
            self.tell(Event::Refused { peer: s.peer.clone(), why }, cx);
        } else {
            self.tell(Event::Accepted(s.peer.clone()), cx);
            if s.peer.tcp().is_some() {
                cx.out.push(Action::Options { conn, options: SocketOptions { nodelay: true, keepalive_s } });
            }
        }
        let clients = self.clients_mut();
        clients.sessions.insert(s);
        clients.stirred.insert(conn);
        self.arm_idle(cx);
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Cx<'_, Self::Event>) {
        let clients = self.clients_mut();
        let Some(mut s) = clients.sessions.take(conn) else { return };
        if s.bytes_in == 0 && bytes.first() == Some(&TLS_HANDSHAKE) && s.close == CloseWhen::Never {
            let why = "its first bytes are a TLS handshake, and this port is not encrypted";
            self.tell(Event::Refused { peer: s.peer.clone(), why }, cx);
            return self.drop_taken(&s, cx);
        }
        s.bytes_in += bytes.len() as u64;
        s.active = cx.now.mono;
        clients.stats.net_in += bytes.len() as u64;
        clients.stats.sample(cx.now.mono);
        if s.replica {
            // An empty line is a sign of life and no command.
            self.replica_heard(conn, cx.now.mono);
        }
        self.feed(&mut s, bytes, cx);
        self.finish(s, cx);
    }

    /// Tells the runtime what a session that was served wants now, closes it if it is to be, and puts it back.
    fn finish(&mut self, mut s: Box<Session>, cx: &mut Cx<'_, Self::Event>) {
        if s.replica {
            // From PSYNC on the replication source speaks for it; nothing was owed before.
            if s.close == CloseWhen::Never && self.replica_served(s.conn) {
                self.clients_mut().sessions.put(s);
            } else {
                self.drop_taken(&s, cx);
            }
            return;
        }
        self.clients_mut().hand_over(&mut s);
        self.check_output(&mut s, cx);
        let owed = !s.outbox.is_empty();
        if s.close == CloseWhen::Now || (s.close == CloseWhen::Drained && !owed) {
            self.drop_taken(&s, cx);
            return;
        }
        let closing = s.close == CloseWhen::Drained;
        if closing {
            self.timers().set_sooner(Timer::Linger(s.conn).into(), cx.now.mono + LINGER);
        }
        // A client that waits is read a little further, so that its going away is noticed.
        let read = !closing && (s.blocked.is_none() || s.held.len() < HELD_READ);
        s.interest.update(s.conn, read, owed, cx.out);
        self.clients_mut().sessions.put(s);
    }

    /// Finishes all who got bytes while another input was handled. Called at the end of every input.
    fn finish_stirred(&mut self, cx: &mut Cx<'_, Self::Event>) {
        while let Some(conn) = self.clients_mut().stirred.pop_first() {
            if let Some(s) = self.clients_mut().sessions.take(conn) {
                self.finish(s, cx);
            }
        }
    }

    fn check_output(&mut self, s: &mut Session, cx: &mut Cx<'_, Self::Event>) {
        let limits = &self.settings().client_output_buffer_limit;
        let limit = if s.subscriptions() > 0 { limits.pubsub } else { limits.normal };
        let limit =
            OutputLimit { hard: limit.hard, soft: limit.soft, soft_for: Duration::from_secs(limit.soft_seconds) };
        if limit.hard == 0 && limit.soft == 0 {
            return;
        }
        let key = Timer::Soft(s.conn).into();
        match s.soft.check(cx.now.mono, s.outbox.len(), limit) {
            Some(over) => {
                let clients = self.clients_mut();
                clients.stats.output_limit_disconnections += 1;
                let client = clients.line(s, cx.now).into();
                self.tell(Event::OutputLimit { client, over }, cx);
                s.close(CloseWhen::Now);
            }
            None => match s.soft.deadline(limit) {
                Some(at) => self.timers().set(key, at.max(cx.now.mono + Duration::from_micros(1))),
                None => self.timers().clear(key),
            },
        }
    }

    fn sent(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_, Self::Event>) {
        let clients = self.clients_mut();
        let Some(s) = clients.sessions.get_mut(conn) else { return };
        s.bytes_out += len as u64;
        clients.stats.net_out += len as u64;
        if s.replica {
            self.replica_took(conn, len, cx);
            return;
        }
        s.outbox.release(s.outbox.start() + len as u64);
        s.active = cx.now.mono;
        if s.outbox.is_empty() {
            if s.close != CloseWhen::Never {
                self.drop_session(conn, cx);
                return;
            }
            let read = s.interest.read;
            s.interest.update(conn, read, false, cx.out);
        }
    }

    fn eof(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let Some(mut s) = self.clients_mut().sessions.take(conn) else { return };
        // Redis closes at the end of a client's words; replies it is owed are still sent.
        s.close(if s.replica { CloseWhen::Now } else { CloseWhen::Drained });
        self.finish(s, cx);
    }

    /// The runtime says that it is gone.
    fn gone(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        if let Some(s) = self.clients_mut().sessions.take(conn) {
            self.forget(&s, cx);
        }
    }

    /// Closes a connection at once.
    fn drop_session(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        if let Some(s) = self.clients_mut().sessions.take(conn) {
            self.drop_taken(&s, cx);
        }
    }

    fn drop_taken(&mut self, s: &Session, cx: &mut Cx<'_, Self::Event>) {
        if !s.replica || self.replica_served(s.conn) {
            cx.out.push(Action::Close { conn: s.conn });
        }
        self.forget(s, cx);
    }

    fn forget(&mut self, s: &Session, cx: &mut Cx<'_, Self::Event>) {
        let clients = self.clients_mut();
        clients.pubsub.forget(s);
        clients.waiting.remove(&s.conn);
        for timer in [Timer::Soft(s.conn), Timer::Wait(s.conn), Timer::Linger(s.conn)] {
            self.timers().clear(timer.into());
        }
        self.left(s, cx);
        self.clients_mut().sessions.remove(s.conn);
        self.tell(Event::Closed(s.peer.clone()), cx);
    }

    /// A deadline of the clients' side.
    fn client_tick(&mut self, timer: Timer, cx: &mut Cx<'_, Self::Event>) {
        match timer {
            Timer::Idle => self.close_idle(cx),
            Timer::Soft(conn) => {
                self.clients_mut().stirred.insert(conn);
            }
            Timer::Wait(conn) => self.wait_over(conn, None, cx),
            Timer::Linger(conn) => self.drop_session(conn, cx),
            Timer::Pause => self.unpause(cx),
            Timer::Scrape(conn) => self.scraper_late(conn, cx),
        }
    }

    /// Sets the deadline at which the first client may have been silent too long.
    fn arm_idle(&mut self, cx: &Cx<'_, Self::Event>) {
        let timeout = self.settings().timeout;
        let idle = Timer::Idle.into();
        if timeout > 0 && self.timers().get(idle).is_none() && !self.clients().sessions.is_empty() {
            self.timers().set(idle, cx.now.mono + Duration::from_secs(timeout));
        }
    }

    /// Closes clients that were silent for `timeout`, and comes again when the next one may be.
    fn close_idle(&mut self, cx: &mut Cx<'_, Self::Event>) {
        let timeout = Duration::from_secs(self.settings().timeout);
        if timeout.is_zero() {
            return;
        }
        let mut next = None;
        let mut idle = Vec::new();
        for s in self.clients().sessions.iter() {
            if s.replica || s.monitor || s.blocked.is_some() || s.subscriptions() > 0 {
                continue;
            }
            let at = s.active + timeout;
            if at <= cx.now.mono {
                idle.push((s.conn, s.peer.clone()));
            } else if next.is_none_or(|n| at < n) {
                next = Some(at);
            }
        }
        for (conn, peer) in idle {
            self.tell(Event::IdleClosed(peer), cx);
            self.drop_session(conn, cx);
        }
        match next {
            Some(at) => self.timers().set(Timer::Idle.into(), at),
            None if !self.clients().sessions.is_empty() => {
                self.timers().set(Timer::Idle.into(), cx.now.mono + timeout);
            }
            None => {}
        }
    }
}

impl<S: Server> Connections for S {}
