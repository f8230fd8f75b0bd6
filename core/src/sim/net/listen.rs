//! Listeners: who may have which address, and who takes a connection.

use core::net::{IpAddr, SocketAddr};

use crate::ids::OpId;
use crate::machine::{Endpoint, JobError, JobErrorKind, Machine};
use crate::sim::process::Host;

/// The first port that the system gives to a listener that wants any.
const FIRST_FREE_PORT: u16 = 40_000;

/// Something that takes connections.
#[derive(Debug)]
pub(in crate::sim) struct Listener {
    pub(in crate::sim) at: Endpoint,
    /// Connections that stand and were not taken yet, at most.
    pub(in crate::sim) backlog: u32,
    pub(in crate::sim) pending: u32,
}

/// As Linux has it: all addresses of a family, or each one by itself.
fn meets(a: &Endpoint, b: &Endpoint) -> bool {
    match (a, b) {
        (Endpoint::Tcp(a), Endpoint::Tcp(b)) => {
            let any = a.ip().is_unspecified() || b.ip().is_unspecified();
            a.port() == b.port() && (a.ip() == b.ip() || (any && a.is_ipv4() == b.is_ipv4()))
        }
        (a, b) => a == b,
    }
}

impl<M: Machine> Host<M> {
    /// Whether this host has that address.
    pub(in crate::sim) fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addrs.contains(&ip)
    }

    pub(in crate::sim) fn listen(&mut self, op: OpId, at: &Endpoint, backlog: u32) -> Result<Endpoint, JobError> {
        let fail = |kind, why: &str| {
            let message = alloc::format!("cannot listen on {at}: {why}");
            JobError { kind, message: message.into() }
        };
        let mut bound = at.clone();
        if let Endpoint::Tcp(a) = &mut bound {
            if !a.ip().is_unspecified() && !self.has(a.ip()) {
                return Err(fail(JobErrorKind::NotAvailable, "this host does not have that address"));
            }
            if a.port() == 0 {
                a.set_port(self.free_port(a.ip()));
            }
        }
        if self.listeners.values().any(|l| meets(&l.at, &bound)) {
            return Err(fail(JobErrorKind::InUse, "it is taken on this host"));
        }
        self.listeners.insert(op, Listener { at: bound.clone(), backlog: backlog.max(1), pending: 0 });
        Ok(bound)
    }

    fn free_port(&self, ip: IpAddr) -> u16 {
        let free = |port: &u16| {
            let at = Endpoint::Tcp(SocketAddr::new(ip, *port));
            !self.listeners.values().any(|l| meets(&l.at, &at))
        };
        (FIRST_FREE_PORT..=u16::MAX).find(free).unwrap_or(FIRST_FREE_PORT)
    }

    /// The listener that a connection to `to` reaches.
    pub(in crate::sim) fn listener(&self, to: &Endpoint) -> Option<OpId> {
        self.listeners.iter().find(|(_, l)| meets(&l.at, to)).map(|(op, _)| *op)
    }

    /// The address that a connection to `to` comes from.
    pub(in crate::sim) fn source(&mut self, to: &Endpoint, from: Option<IpAddr>) -> Option<Endpoint> {
        let Endpoint::Tcp(to) = to else { return Some(Endpoint::Unix("".into())) };
        let ip = match from {
            Some(ip) => Some(ip).filter(|ip| self.has(*ip)),
            None if to.ip().is_loopback() => Some(to.ip()),
            None => self.addrs.iter().copied().find(|ip| ip.is_ipv4() == to.is_ipv4()),
        }?;
        // Linux's range of ports for those who do not care.
        self.port = if self.port < 32_768 || self.port >= 60_999 { 32_768 } else { self.port + 1 };
        Some(Endpoint::Tcp(SocketAddr::new(ip, self.port)))
    }
}
