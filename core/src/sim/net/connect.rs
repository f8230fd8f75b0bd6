//! How connections come to be, or do not.

use core::net::IpAddr;
use core::time::Duration;

use super::conn::{At, End, OPENER, State};
use crate::ids::{ConnId, OpId};
use crate::machine::{Closed, Endpoint, Input, Machine};
use crate::sim::agenda::Coming;
use crate::sim::process::Ready;
use crate::sim::world::Last;
use crate::sim::{HostId, World};

/// After how long an attempt that nobody answered is repeated first; then twice as long each time.
const RETRY: Duration = Duration::from_secs(1);
/// The repetitions stop growing after so many.
const RETRY_DOUBLES: u32 = 6;

impl<M: Machine> World<M> {
    /// Begins a connection of a fresh id.
    pub(in crate::sim) fn connect(
        &mut self,
        h: u32,
        id: ConnId,
        to: &Endpoint,
        from: Option<IpAddr>,
        tls: bool,
        keepalive_s: u32,
    ) {
        let target = self.owner(h, to);
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        let source = host.source(to, from);
        let impossible = match (&source, target) {
            _ if tls => Some(Closed::Tls),
            (None, _) | (_, None) => Some(Closed::Unreachable),
            _ => None,
        };
        let mut opener = End::new(h, id, State::Open, source.unwrap_or_else(|| Endpoint::Unix("".into())));
        opener.keepalive_s = keepalive_s;
        let taker = End::new(target.unwrap_or(h), ConnId::accepted(0), State::Missing, to.clone());
        let at = self.conns.insert(opener, taker);
        if let Some(host) = self.hosts.get_mut(h as usize) {
            host.conns.insert(id, at);
            if let Some(reason) = impossible {
                host.ready.push_back(Ready::Failed(at, reason));
                return self.wake(h);
            }
        }
        self.agenda.push(self.now + self.net.connect_timeout, Coming::ConnectTimeout(at));
        let arrives = self.way(h, target.unwrap_or(h));
        self.agenda.push(arrives, Coming::Syn(at));
    }

    /// The host that an address leads to.
    fn owner(&self, h: u32, to: &Endpoint) -> Option<u32> {
        match to {
            Endpoint::Tcp(a) if !a.ip().is_loopback() => self.addrs.get(&a.ip()).copied(),
            _ => Some(h),
        }
    }

    /// When a packet without bytes that leaves `a` now reaches `b`.
    pub(in crate::sim) fn way(&mut self, a: u32, b: u32) -> crate::time::Instant {
        self.links.arrival((a, b), 0, self.now, &self.net, &mut self.choices)
    }

    /// An attempt reaches its host.
    pub(in crate::sim) fn syn(&mut self, at: At) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(at) else { return };
        let [opener, taker] = &conn.ends;
        if opener.state != State::Open || taker.state != State::Missing {
            return;
        }
        let (a, b) = (opener.host, taker.host);
        let Some(host) = self.hosts.get_mut(b as usize) else { return };
        let lost = self.links.is_cut(a, b, now) || self.links.is_cut(b, a, now);
        let listener = host.listener(&taker.local).filter(|_| host.troubles.refuses <= now);
        let full = listener.and_then(|op| host.listeners.get(&op)).is_some_and(|l| l.pending >= l.backlog);
        if lost || full || !host.powered || host.troubles.drops > now {
            let wait = RETRY * (1 << conn.tries.min(RETRY_DOUBLES));
            conn.tries += 1;
            return self.agenda.push(now + wait, Coming::Syn(at));
        }
        let Some(op) = listener else {
            let back = self.way(b, a);
            return self.agenda.push(back, Coming::Refused(at));
        };
        if let Some(l) = host.listeners.get_mut(&op) {
            l.pending += 1;
        }
        conn.ends[at.other().side()].state = State::Open;
        host.ready.push_back(Ready::Accept(at.other(), op));
        self.stats.connections += 1;
        let back = self.way(b, a);
        self.agenda.push(back, Coming::SynAck(at));
        self.wake(b);
    }

    /// The answer to an attempt comes back.
    pub(in crate::sim) fn syn_ack(&mut self, at: At) {
        if let Some(end) = self.conns.end(at).filter(|e| e.state == State::Open && !e.told) {
            let h = end.host;
            if let Some(host) = self.hosts.get_mut(h as usize) {
                host.ready.push_back(Ready::Connected(at));
            }
            self.wake(h);
        }
    }

    /// An attempt ends without a connection, if it is one still.
    pub(in crate::sim) fn give_up_connect(&mut self, at: At, reason: Closed) {
        let pending = |c: &super::conn::Conn| c.ends[OPENER].state == State::Open && !c.ends[OPENER].told;
        if let Some(conn) = self.conns.get(at).filter(|c| pending(c)) {
            let h = conn.ends[OPENER].host;
            if let Some(host) = self.hosts.get_mut(h as usize) {
                host.ready.push_back(Ready::Failed(at, reason));
            }
            self.wake(h);
        }
    }

    pub(in crate::sim) fn accept(&mut self, h: u32, at: At, listener: OpId) -> bool {
        let Some(host) = self.hosts.get_mut(h as usize) else { return false };
        let stands = host.listeners.get_mut(&listener).map(|l| l.pending = l.pending.saturating_sub(1)).is_some();
        let Some(conn) = self.conns.get_mut(at).filter(|c| c.ends[at.side()].state == State::Open) else {
            return false;
        };
        if !stands {
            self.close_end(at);
            return false;
        }
        let peer = conn.ends[at.other().side()].local.clone();
        let peer_host = HostId(conn.ends[at.other().side()].host);
        let end = &mut conn.ends[at.side()];
        host.accepted += 1;
        let id = ConnId::accepted(host.accepted);
        (end.id, end.told) = (id, true);
        let local = end.local.clone();
        host.used_conns.take(id.as_u64());
        host.conns.insert(id, at);
        self.queue_news(at);
        let input = Input::Accepted { conn: id, listener, local, peer, tls: false };
        self.feed(h, input, Last::Accepted { conn: id, listener, peer: peer_host });
        true
    }

    pub(in crate::sim) fn connected(&mut self, h: u32, at: At) -> bool {
        let Some(conn) = self.conns.get_mut(at) else { return false };
        let peer = conn.ends[at.other().side()].local.clone();
        let peer_host = HostId(conn.ends[at.other().side()].host);
        let end = &mut conn.ends[at.side()];
        if end.state != State::Open || end.told {
            return false;
        }
        end.told = true;
        let (id, local) = (end.id, end.local.clone());
        self.queue_news(at);
        let input = Input::Connected { conn: id, local, peer, tls: false };
        self.feed(h, input, Last::Connected { conn: id, peer: peer_host });
        true
    }

    /// Tells a machine that its attempt failed.
    pub(in crate::sim) fn failed(&mut self, h: u32, at: At, reason: Closed) -> bool {
        match self.conns.end(at) {
            Some(end) if end.state == State::Open && !end.told => {
                self.lost(h, at, reason);
                true
            }
            _ => false,
        }
    }
}
