//! Sockets under mio's poller.

use core::cell::Cell;
use std::io;
use std::os::fd::AsRawFd;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use primacy_host::{Reactor, Readiness};
use socket2::Socket;

/// Registers sockets with a poller, whose events are edges: nothing has to be asked for twice.
#[derive(Debug)]
pub(crate) struct Edges(pub(crate) Registry);

/// A registered socket; closing its descriptor takes it from the poller.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: Socket,
    token: Token,
    /// The poller watches for room to write: from the first refusal on. Most connections never fill up, and a unix
    /// socket that is watched makes an event of every byte that its peer reads.
    writing: Cell<bool>,
}

impl Reactor for Edges {
    type Watched = Watched;

    fn socket(watched: &Watched) -> &Socket {
        &watched.socket
    }

    fn watch(&mut self, socket: Socket, token: usize, connecting: bool) -> io::Result<Watched> {
        let interest = if connecting { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.0.register(&mut SourceFd(&socket.as_raw_fd()), Token(token), interest)?;
        Ok(Watched { socket, token: Token(token), writing: Cell::new(connecting) })
    }

    fn await_read(&mut self, _: &Watched) -> io::Result<()> {
        Ok(())
    }

    fn await_write(&mut self, watched: &Watched) -> io::Result<()> {
        if watched.writing.replace(true) {
            return Ok(());
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        self.0.reregister(&mut SourceFd(&watched.socket.as_raw_fd()), watched.token, both)
    }
}

/// What an event of a socket says.
pub(crate) fn readiness(event: &Event) -> Readiness {
    let doubt = event.is_error();
    let ending = doubt || event.is_read_closed();
    Readiness { read: event.is_readable(), write: event.is_writable(), ending, doubt }
}
