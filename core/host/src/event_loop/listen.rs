//! Listeners: opening them, and taking connections from them.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use primacy_core::machine::{Endpoint, JobError, JobErrorKind};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::job_error;

/// Where a listener is bound; the file of a unix socket goes with it.
#[derive(Debug)]
pub(crate) struct Bound(pub(crate) Endpoint);

impl Drop for Bound {
    fn drop(&mut self) {
        if let Endpoint::Unix(path) = &self.0 {
            let _ = fs::remove_file(&**path); // It may have been removed from outside.
        }
    }
}

/// Opens a listener.
pub(crate) fn open(at: &Endpoint, backlog: u32, mode: Option<u32>) -> Result<(Socket, Bound), JobError> {
    let fail = |e: &io::Error| job_error(format_args!("listen on {at}"), e);
    // 0 would be taken literally by some systems; more than the system's own limit it cuts off itself.
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX).max(1);
    let (socket, at) = match at {
        Endpoint::Tcp(address) => open_tcp(*address, backlog).map_err(|e| fail(&e))?,
        Endpoint::Unix(path) => {
            make_way(path)?;
            (open_unix(path, backlog, mode).map_err(|e| fail(&e))?, at.clone())
        }
    };
    Ok((socket, Bound(at)))
}

fn open_tcp(address: SocketAddr, backlog: i32) -> io::Result<(Socket, Endpoint)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // 0.0.0.0 and :: are two listeners, as in Redis; without this the second one finds its port taken.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, Endpoint::Tcp(bound)))
}

fn open_unix(path: &str, backlog: i32, mode: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if let Some(mode) = mode {
        // Before anybody can connect.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(socket)
}

/// Removes the socket file of a process that is gone; refuses to touch a living one's, or a file of another kind.
fn make_way(path: &str) -> Result<(), JobError> {
    let Ok(data) = fs::symlink_metadata(Path::new(path)) else { return Ok(()) };
    let taken = |why: &str| JobError { kind: JobErrorKind::InUse, message: format!("{path} {why}").into() };
    if !data.file_type().is_socket() {
        return Err(taken("is there and is no socket; remove it or choose another `unixsocket`"));
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| job_error(format_args!("remove the old socket {path}"), &e))
        }
        _ => Err(taken("is in use by another process; choose another `unixsocket`")),
    }
}

/// A taken connection.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) socket: Socket,
    pub(crate) local: Endpoint,
    pub(crate) peer: Endpoint,
}

/// Takes the next connection of a listener. `None`: none waits any more.
pub(crate) fn accept(listener: &Socket, at: &Endpoint) -> io::Result<Option<Taken>> {
    let (fd, peer) = match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(taken) => taken,
        Err(e) => {
            let e = io::Error::from(e);
            return if e.kind() == ErrorKind::WouldBlock { Ok(None) } else { Err(e) };
        }
    };
    let socket = Socket::from(fd);
    let (local, peer) = match at {
        Endpoint::Unix(path) => (Endpoint::Unix(path.clone()), Endpoint::Unix("".into())),
        Endpoint::Tcp(bound) => {
            // Only a listener on all addresses does not know which one of them it is.
            let local = if bound.ip().is_unspecified() { socket.local_addr()?.as_socket() } else { None };
            let peer = peer.and_then(|p: SocketAddrAny| SocketAddr::try_from(p).ok());
            let Some(peer) = peer.or_else(|| socket.peer_addr().ok()?.as_socket()) else {
                return Err(ErrorKind::ConnectionAborted.into());
            };
            (Endpoint::Tcp(local.unwrap_or(*bound)), Endpoint::Tcp(peer))
        }
    };
    Ok(Some(Taken { socket, local, peer }))
}

/// A descriptor in reserve. When the process has no more of them, a waiting connection can be neither taken nor
/// refused: giving the reserve up for a moment lets it be taken and closed, so that the peer learns of it.
#[derive(Debug)]
pub(crate) struct Spare(Option<File>);

impl Spare {
    pub(crate) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Turns one connection away.
    pub(crate) fn turn_away(&mut self, listener: &Socket, at: &Endpoint) -> Turned {
        let turned = match self.0.take().map(drop).map(|()| accept(listener, at)) {
            Some(Ok(Some(_))) => Turned::Away,
            Some(Ok(None)) => Turned::Nobody,
            Some(Err(_)) | None => Turned::Waits,
        };
        *self = Self::new();
        turned
    }
}

/// What became of the connection that could not be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turned {
    /// It was refused.
    Away,
    /// There was none: a process without descriptors is told so before anybody looks.
    Nobody,
    /// It waits on: there is nothing to be done but try later.
    Waits,
}

/// Whether an accept failed because this process or the system has no descriptor left.
pub(crate) fn is_out_of_files(e: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| e.raw_os_error() == Some(errno.raw_os_error()))
}
