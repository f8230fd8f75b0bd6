//! Connections of clients: how they come, are told to the runtime, and go.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::{Cx, Key, Node, What, turn};
use crate::client::{CloseWhen, Kind, OutputLimit, Session};
use crate::dataset::Dataset;
use crate::ids::ConnId;
use crate::machine::{Action, Endpoint, SocketOptions};
use crate::time::Now;

/// How long a connection that is to be closed may take what it is still owed.
const LINGER: Duration = Duration::from_secs(10);

/// Bytes that a client that waits may send before its reads go off.
const HELD_READ: usize = 64 * 1024;

const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the \
default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external \
computers, set a password with 'requirepass', bind to the addresses you trust, or turn the mode off with 'protected-mode no' \
(CONFIG SET protected-mode no from a local client).\r\n";

/// Whether a peer is on this machine.
fn is_local(peer: &Endpoint) -> bool {
    match peer.tcp().map(|a| a.ip()) {
        None => true,
        Some(IpAddr::V4(a)) => a.is_loopback(),
        Some(IpAddr::V6(a)) => a.is_loopback() || a.to_ipv4_mapped().is_some_and(|a| a.is_loopback()),
    }
}

impl Session {
    /// Whether it comes from this machine.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.peer)
    }
}

impl<D: Dataset> Node<D> {
    pub(super) fn accepted(&mut self, conn: ConnId, local: Endpoint, peer: Endpoint, cx: &mut Cx<'_>) {
        self.next_client += 1;
        let mut s = Box::new(Session::new(conn, self.next_client, peer, local, cx.now.mono));
        s.authenticated = self.config.settings.requirepass.is_empty();
        self.stats.connections += 1;
        let refusal = if self.sessions.len() >= self.config.settings.maxclients as usize {
            self.stats.rejected_connections += 1;
            Some(("-ERR max number of clients reached\r\n", "maxclients reached"))
        } else if self.protected_from(&s.peer) {
            self.stats.rejected_connections += 1;
            Some((PROTECTED, "protected-mode: no password is set and the peer is not local"))
        } else {
            None
        };
        if let Some((text, why)) = refusal {
            s.outbox.append(text.as_bytes());
            s.close(CloseWhen::Drained);
            self.event(cx, What::Refused { peer: s.peer.clone(), why });
        } else {
            self.event(cx, What::Accepted(s.peer.clone()));
            if s.peer.tcp().is_some() {
                let options = SocketOptions { nodelay: true, keepalive_s: self.config.settings.tcp_keepalive };
                cx.out.push(Action::Options { conn, options });
            }
        }
        self.sessions.insert(s);
        self.stirred.insert(conn);
        self.arm_idle(cx);
    }

    fn protected_from(&self, peer: &Endpoint) -> bool {
        let set = &self.config.settings;
        set.protected_mode && set.requirepass.is_empty() && !is_local(peer)
    }

    /// Tells the runtime what a session that was served wants now, closes it if it is to be, and puts it back.
    pub(super) fn finish(&mut self, mut s: Box<Session>, cx: &mut Cx<'_>) {
        if s.replica {
            // From PSYNC on the replication source speaks for it; nothing was owed before.
            if s.close == CloseWhen::Never && self.source.is_replica(s.conn) {
                self.sessions.put(s);
            } else {
                self.drop_taken(&s, cx);
            }
            return;
        }
        self.check_output(&mut s, cx);
        let owed = !s.outbox.is_empty();
        if s.close == CloseWhen::Now || (s.close == CloseWhen::Drained && !owed) {
            self.drop_taken(&s, cx);
            return;
        }
        let closing = s.close == CloseWhen::Drained;
        if closing {
            self.timers.set_sooner(Key::Linger(s.conn), cx.now.mono + LINGER);
        }
        // A client that waits is read a little further, so that its going away is noticed.
        let read = !closing && (s.blocked.is_none() || s.held.len() < HELD_READ);
        s.interest.update(s.conn, read, owed, cx.out);
        self.sessions.put(s);
    }

    fn check_output(&mut self, s: &mut Session, cx: &mut Cx<'_>) {
        let set = &self.config.settings;
        let limits = &set.client_output_buffer_limit;
        let limit = if s.subscriptions() > 0 { limits.pubsub } else { limits.normal };
        let limit =
            OutputLimit { hard: limit.hard, soft: limit.soft, soft_for: Duration::from_secs(limit.soft_seconds) };
        if limit.hard == 0 && limit.soft == 0 {
            return;
        }
        let key = Key::Soft(s.conn);
        match s.soft.check(cx.now.mono, s.outbox.len(), limit) {
            Some(over) => {
                let client = self.client_line(s, cx.now).into();
                self.stats.output_limit_disconnections += 1;
                self.event(cx, What::OutputLimit { client, over });
                s.close(CloseWhen::Now);
            }
            None => match s.soft.deadline(limit) {
                Some(at) => self.timers.set(key, at.max(cx.now.mono + Duration::from_micros(1))),
                None => self.timers.clear(key),
            },
        }
    }

    pub(super) fn sent(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_>) {
        let Some(s) = self.sessions.get_mut(conn) else { return };
        s.bytes_out += len as u64;
        self.stats.net_out += len as u64;
        if s.replica {
            self.stats.repl_out += len as u64;
            self.source.sent(conn, len, &mut turn!(self, cx));
            self.snapshot_wanted_more(cx);
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

    pub(super) fn eof(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        let Some(mut s) = self.sessions.take(conn) else { return };
        // Redis closes at the end of a client's words; replies it is owed are still sent.
        s.close(if s.replica { CloseWhen::Now } else { CloseWhen::Drained });
        self.finish(s, cx);
    }

    /// The runtime says that it is gone.
    pub(super) fn gone(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        if let Some(s) = self.sessions.take(conn) {
            self.forget(&s, cx);
        }
    }

    /// Closes a connection at once.
    pub(super) fn drop_session(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        if let Some(s) = self.sessions.take(conn) {
            self.drop_taken(&s, cx);
        }
    }

    fn drop_taken(&mut self, s: &Session, cx: &mut Cx<'_>) {
        // The source closes a replica that it drops by itself.
        if !s.replica || self.source.is_replica(s.conn) {
            cx.out.push(Action::Close { conn: s.conn });
        }
        self.forget(s, cx);
    }

    fn forget(&mut self, s: &Session, cx: &mut Cx<'_>) {
        for c in &s.channels {
            self.pubsub.unsubscribe(s.conn, Kind::Channel, c);
        }
        for p in &s.patterns {
            self.pubsub.unsubscribe(s.conn, Kind::Pattern, p);
        }
        self.unwatch_keys(s.conn, &s.watched);
        self.monitors.remove(&s.conn);
        self.waiting.remove(&s.conn);
        for key in [Key::Soft(s.conn), Key::Wait(s.conn), Key::Linger(s.conn)] {
            self.timers.clear(key);
        }
        self.source.closed(s.conn, &mut turn!(self, cx));
        if self.replicas.remove(&s.conn) {
            self.snapshot_wanted_more(cx);
        }
        self.sessions.remove(s.conn);
        self.event(cx, What::ClientClosed(s.peer.clone()));
    }

    /// Sets the deadline at which the first client may have been silent too long.
    pub(super) fn arm_idle(&mut self, cx: &Cx<'_>) {
        let timeout = self.config.settings.timeout;
        if timeout > 0 && self.timers.get(Key::Idle).is_none() && !self.sessions.is_empty() {
            self.timers.set(Key::Idle, cx.now.mono + Duration::from_secs(timeout));
        }
    }

    /// Closes clients that were silent for `timeout`, and comes again when the next one may be.
    pub(super) fn close_idle(&mut self, cx: &mut Cx<'_>) {
        let timeout = Duration::from_secs(self.config.settings.timeout);
        if timeout.is_zero() {
            return;
        }
        let mut next = None;
        let mut idle = Vec::new();
        for s in self.sessions.iter() {
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
            self.event(cx, What::IdleClosed(peer));
            self.drop_session(conn, cx);
        }
        match next {
            Some(at) => self.timers.set(Key::Idle, at),
            None if !self.sessions.is_empty() => self.timers.set(Key::Idle, cx.now.mono + timeout),
            None => {}
        }
    }

    /// One line of `CLIENT LIST`, without its end.
    pub(super) fn client_line(&self, s: &Session, now: Now) -> String {
        let events = match (s.interest.read, s.interest.write) {
            (true, true) => "rw",
            (true, false) => "r",
            (false, true) => "w",
            (false, false) => "",
        };
        let multi = s.multi.as_ref().map_or(-1, |m| m.queue.len() as i64);
        let command = s.last_command.and_then(|i| self.table.iter().nth(i)).map_or("NULL", |spec| spec.name);
        let buffered = s.requests.buffered() + s.held.len();
        alloc::format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub=0 multi={multi} watch={} \
             qbuf={buffered} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={} events={events} \
             cmd={command} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            s.id,
            s.peer,
            s.local,
            s.conn.as_u64(),
            s.name,
            (now.mono - s.since).as_secs(),
            (now.mono - s.active).as_secs(),
            s.flags(),
            s.db,
            s.channels.len(),
            s.patterns.len(),
            s.watched.len(),
            s.multi.as_ref().map_or(0, |m| m.bytes),
            s.outbox.len(),
            s.outbox.memory(),
            s.memory(),
            if s.proto == crate::resp::Proto::Resp3 { 3 } else { 2 },
            s.lib.0,
            s.lib.1,
        )
    }
}
