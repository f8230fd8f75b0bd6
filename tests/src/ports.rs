//! Free loopback ports.

use crate::Result;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the kernel takes for outgoing connections, so that none of those takes a port between
/// our look and the server's `bind`.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on 127.0.0.1 that nothing listens on, handed out once by this process.
///
/// # Panics
/// If the whole range is taken.
#[must_use]
pub fn free() -> u16 {
    row(1)
}

/// The first of `n` ports in a row, all like those of [`free`].
///
/// # Panics
/// If there is no such row.
#[must_use]
pub fn row(n: u16) -> u16 {
    let whole = |first: u16| first + n <= FIRST + COUNT && (first..first + n).all(is_free);
    candidates(n).find(|&first| whole(first)).unwrap_or_else(|| panic!("no {n} free ports in a row from {FIRST} on"))
}

/// Listens on a port like those of [`free`].
///
/// # Errors
/// The whole range is taken.
pub fn listen() -> Result<(TcpListener, u16)> {
    candidates(1)
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok().map(|listener| (listener, port)))
        .ok_or_else(|| format!("no free port from {FIRST} on").into())
}

/// Each port once, from where the last look ended; with each, those behind it in its row are nobody else's.
fn candidates(row: u16) -> impl Iterator<Item = u16> {
    let start = (std::process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
    (0..COUNT / row).map(move |_| FIRST + start.wrapping_add(NEXT.fetch_add(row, Ordering::Relaxed)) % COUNT)
}

/// Binds and does not listen: a child that another thread is starting holds a copy of the socket until its `exec`, and a copy
/// that listened would keep the port from the server that it is for.
fn is_free(port: u16) -> bool {
    let bound = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).and_then(|socket| {
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    });
    bound.is_ok()
}

#[cfg(test)]
mod tests {
    use super::{free, is_free, listen};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Without the look's care a port is refused once in some thousand times.
    #[test]
    fn a_free_port_stays_free_while_children_start() {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    std::process::Command::new("true").status().ok();
                }
            });
            for _ in 0..10_000 {
                let port = free();
                let taken = std::net::TcpListener::bind(("127.0.0.1", port));
                if taken.is_err() {
                    ended.store(true, Ordering::SeqCst);
                }
                taken.expect("it was free");
            }
            ended.store(true, Ordering::SeqCst);
        });
    }

    #[test]
    fn a_port_that_is_listened_on_is_not_free() {
        let (_listener, port) = listen().expect("a port");
        assert!(!is_free(port));
    }
}
