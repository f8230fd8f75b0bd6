//! What a configuration asks to be listened on.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::Settings;
use crate::machine::Endpoint;

/// An endpoint that is to be listened on.
pub(crate) struct Wanted {
    /// Where.
    pub(crate) at: Endpoint,
    /// Whether it may be missing: marked `-` in `bind`.
    pub(crate) optional: bool,
    /// Permissions of a unix socket.
    pub(crate) mode: Option<u32>,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
}

/// The addresses of `bind`, each with whether it may be missing.
fn addresses(set: &Settings) -> Vec<(IpAddr, bool)> {
    let mut list = Vec::new();
    for bind in &set.bind {
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
pub(crate) fn listener_line(at: &Endpoint, tls: bool) -> Box<str> {
    match at {
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
    for (port, tls) in [(set.port, false), (set.tls_port, true)] {
        if port != 0 {
            for (ip, optional) in addresses(set) {
                wanted.push(Wanted { at: Endpoint::Tcp(SocketAddr::new(ip, port)), optional, mode: None, tls });
            }
        }
    }
    if !set.unixsocket.is_empty() {
        let mode = u32::from_str_radix(&set.unixsocketperm, 8).ok().filter(|m| *m != 0);
        wanted.push(Wanted { at: Endpoint::Unix(set.unixsocket.as_str().into()), optional: false, mode, tls: false });
    }
    wanted
}
