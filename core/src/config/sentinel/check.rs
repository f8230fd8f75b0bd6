//! Rules for names and values that a file and a command share.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::IpAddr;

use super::MasterSettings;
use crate::resp::parse_u64;

/// The longest host name of the DNS, in bytes.
const HOST_MAX: usize = 253;

/// Whether `text` has a control character: in a file or a log it could begin a line of its own.
pub(super) fn has_control(text: &str) -> bool {
    text.contains(char::is_control)
}

/// A whole number from `min` on.
pub(super) fn whole<T: TryFrom<u64> + PartialOrd + Copy>(text: &str, min: T) -> Option<T> {
    parse_u64(text.as_bytes()).and_then(|n| T::try_from(n).ok()).filter(|n| *n >= min)
}

/// A port that something can listen on.
pub(super) fn port(text: &str) -> Result<u16, String> {
    whole(text, 1u16).ok_or_else(|| "Invalid port number.".into())
}

/// An address in its usual spelling, or a host name where names are resolved.
pub(super) fn host(text: &str, resolve: bool) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    let is_name = is_host_name(text);
    if is_name && resolve {
        return Ok(text.into());
    }
    let advice = if is_name { "; host names need a line 'sentinel resolve-hostnames yes'" } else { "" };
    Err(format!("Can't resolve instance hostname. '{}' is no IP address{advice}", text.escape_debug()))
}

/// Whether `text` can be a host name.
pub(super) fn is_host_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=HOST_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

/// What is wrong with a new master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MonitorFault {
    Name,
    QuorumText,
    PortText,
    Quorum,
    Host,
    Port,
}

/// The master that `monitor NAME HOST PORT QUORUM` describes, the values that are looked at in Redis's order.
pub(super) fn monitor([name, at, port, quorum]: [&str; 4], resolve: bool) -> Result<MasterSettings, MonitorFault> {
    let number = |text: &str| crate::resp::parse_i64(text.as_bytes());
    let quorum = number(quorum).ok_or(MonitorFault::QuorumText)?;
    let port = number(port).ok_or(MonitorFault::PortText)?;
    let quorum = u32::try_from(quorum).ok().filter(|q| *q > 0).ok_or(MonitorFault::Quorum)?;
    let host = host(at, resolve).map_err(|_| MonitorFault::Host)?;
    let port = u16::try_from(port).ok().filter(|p| *p > 0).ok_or(MonitorFault::Port)?;
    // A comma ends the name in a hello message.
    if name.is_empty() || name.contains(',') || has_control(name) {
        return Err(MonitorFault::Name);
    }
    Ok(MasterSettings::new(name, &host, port, quorum))
}
