//! Sockets: options, outgoing connections, one read, one gathered write.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use primacy_core::Chunks;
use primacy_core::machine::{Closed, Endpoint, SocketOptions};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::closed_reason;

/// Pieces that one write may gather.
const PIECES: usize = 64;

/// What a read or write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moved {
    /// So many bytes; `true` if the socket is used up with that: empty after a read, full after a write.
    Bytes(usize, bool),
    /// A handshake is done, and behind it so many bytes; `true` as with `Bytes`.
    Shook(usize, bool),
    /// The peer sends no more.
    End,
    /// Nothing to move for now.
    Nothing,
    /// It is broken.
    Broken(Closed),
}

/// Keep-alive as Redis sets it: idle for `s`, then three probes `s / 3` apart.
pub(crate) fn set_options(socket: &Socket, options: SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    if options.keepalive_s > 0 {
        let idle = Duration::from_secs(options.keepalive_s.into());
        let interval = Duration::from_secs((options.keepalive_s / 3).max(1).into());
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3))?;
    }
    Ok(())
}

/// Begins a connection; [`connected`] says when it stands.
pub(crate) fn connect(to: &Endpoint, from: Option<IpAddr>, options: SocketOptions) -> io::Result<Socket> {
    let (socket, address) = match to {
        Endpoint::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
            set_options(&socket, options)?;
            if let Some(from) = from {
                socket.bind(&SocketAddr::new(from, 0).into())?;
            }
            (socket, SockAddr::from(*address))
        }
        Endpoint::Unix(path) => (Socket::new(Domain::UNIX, Type::STREAM, None)?, SockAddr::unix(&**path)?),
    };
    socket.set_nonblocking(true)?;
    match socket.connect(&address) {
        Err(e) if e.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => Ok(socket),
        Err(e) => Err(e),
        Ok(()) => Ok(socket),
    }
}

/// Our address and the peer's once a connection stands, `None` while it is being made; an error is why it will not.
pub(crate) fn connected(socket: &Socket) -> io::Result<Option<(Endpoint, Endpoint)>> {
    if let Some(e) = socket.take_error()? {
        return Err(e);
    }
    match socket.peer_addr() {
        Ok(peer) => Ok(Some((endpoint(&socket.local_addr()?), endpoint(&peer)))),
        Err(e) if e.kind() == ErrorKind::NotConnected => Ok(None),
        Err(e) => Err(e),
    }
}

fn endpoint(address: &SockAddr) -> Endpoint {
    match address.as_socket() {
        Some(tcp) => Endpoint::Tcp(tcp),
        None => Endpoint::Unix(address.as_pathname().map_or("".into(), |p| p.to_string_lossy().into())),
    }
}

/// Reads once into `buffer`.
pub(crate) fn read(mut socket: &Socket, buffer: &mut [u8]) -> Moved {
    loop {
        return match socket.read(buffer) {
            Ok(0) => Moved::End,
            Ok(n) => Moved::Bytes(n, n < buffer.len()),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == ErrorKind::WouldBlock => Moved::Nothing,
            Err(e) => Moved::Broken(closed_reason(&e)),
        };
    }
}

/// Writes `chunks` with one call, as far as the kernel takes them.
pub(crate) fn write(socket: &Socket, chunks: &Chunks) -> Moved {
    loop {
        return match gather(socket, chunks) {
            Ok((n, shown)) => Moved::Bytes(n, n < shown),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == ErrorKind::WouldBlock => Moved::Nothing,
            Err(e) => Moved::Broken(closed_reason(&e)),
        };
    }
}

/// One write of all chunks, up to [`PIECES`]: how many bytes were taken, and how many were shown.
fn gather(mut socket: &Socket, chunks: &Chunks) -> io::Result<(usize, usize)> {
    if let [one] = &chunks[..] {
        return socket.write(one).map(|n| (n, one.len()));
    }
    let mut slices = [IoSlice::new(&[]); PIECES];
    let mut shown = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
        *slice = IoSlice::new(chunk);
        shown += chunk.len();
    }
    socket.write_vectored(&slices[..chunks.len().min(PIECES)]).map(|n| (n, shown))
}
