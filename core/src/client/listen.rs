//! What a configuration asks to be listened on.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{BindAddress, MAX_BIND, Settings};
use crate::ids::OpId;
use crate::machine::Endpoint;

/// Who is served by a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Serves {
    /// Clients and replicas.
    Clients,
    /// Who asks for metrics, over HTTP.
    Scrapers,
}

/// An endpoint that is to be listened on.
pub(crate) struct Wanted {
    /// For whom.
    pub(crate) serves: Serves,
    /// Where.
    pub(crate) at: Endpoint,
    /// Whether it may be missing: marked `-` in `bind`.
    pub(crate) optional: bool,
    /// Permissions of a unix socket.
    pub(crate) mode: Option<u32>,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
}

/// The addresses of `bind` or its like, each with whether it may be missing.
fn addresses(bind: &[BindAddress]) -> Vec<(IpAddr, bool)> {
    let mut list = Vec::new();
    for bind in bind {
        let optional = bind.optional;
        match bind.address.as_str() {
            "*" => list.push((Ipv4Addr::UNSPECIFIED.into(), optional)),
            "::*" => list.push((Ipv6Addr::UNSPECIFIED.into(), true)),
            "localhost" => list.extend([(Ipv4Addr::LOCALHOST.into(), optional), (Ipv6Addr::LOCALHOST.into(), true)]),
            // The configuration was checked to hold addresses only.
            name => list.extend(name.parse::<IpAddr>().map(|ip| (ip, optional))),
        }
    }
    list
}

/// A listener as `INFO` shows it.
pub(crate) fn listener_line(at: &Endpoint, tls: bool, serves: Serves) -> Box<str> {
    match at {
        Endpoint::Tcp(a) if serves == Serves::Scrapers => {
            alloc::format!("name=metrics,bind={},port={}", a.ip(), a.port()).into()
        }
        Endpoint::Tcp(a) if tls => alloc::format!("name=tls,bind={},port={}", a.ip(), a.port()).into(),
        Endpoint::Tcp(a) => alloc::format!("name=tcp,bind={},port={}", a.ip(), a.port()).into(),
        Endpoint::Unix(path) => alloc::format!("name=unix,path={path}").into(),
    }
}

/// The log line of certificates that are in force; `idle` are directives that have no effect on them.
pub(crate) fn tls_configured(idle: &[&str]) -> String {
    let mut line = String::from("TLS is configured");
    if !idle.is_empty() {
        line += ". These directives are for OpenSSL, and have no effect here: ";
        line += &idle.join(", ");
    }
    line
}

/// What the configuration asks for.
pub(crate) fn wanted(set: &Settings) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let ports = [
        (set.port, &set.bind, false, Serves::Clients),
        (set.tls_port, &set.bind, true, Serves::Clients),
        (set.metrics_port, &set.metrics_bind, false, Serves::Scrapers),
    ];
    for (port, bind, tls, serves) in ports.into_iter().filter(|(port, ..)| *port != 0) {
        for (ip, optional) in addresses(bind) {
            let at = Endpoint::Tcp(SocketAddr::new(ip, port));
            wanted.push(Wanted { serves, at, optional, mode: None, tls });
        }
    }
    if !set.unixsocket.is_empty() {
        let mode = u32::from_str_radix(&set.unixsocketperm, 8).ok().filter(|m| *m != 0);
        let at = Endpoint::Unix(set.unixsocket.as_str().into());
        wanted.push(Wanted { serves: Serves::Clients, at, optional: false, mode, tls: false });
    }
    wanted
}

/// Metrics listeners that were given up: who came by one before that may be told to the machine behind it.
#[derive(Debug, Default)]
pub(crate) struct Gone(VecDeque<OpId>);

impl Gone {
    /// How many are remembered: what came by one comes within a turn of the loop.
    const MOST: usize = 4 * MAX_BIND;

    pub(crate) fn note(&mut self, op: OpId, serves: Serves) {
        if serves == Serves::Scrapers {
            self.0.truncate(Self::MOST - 1);
            self.0.push_front(op);
        }
    }

    pub(crate) fn has(&self, op: OpId) -> bool {
        self.0.contains(&op)
    }
}
