//! What a runtime brings: readiness.

use std::io;

use socket2::Socket;

/// Tells the loop when sockets can be read and written, by
/// [`EventLoop::ready`](crate::event_loop::EventLoop::ready).
///
/// What is told once stays true until a read or write finds otherwise, and the reactor is asked again then. One whose
/// events are edges needs no asking, one whose events are single shots does. Telling too often costs one system call.
pub trait Reactor {
    /// A watched socket. Dropping it ends the watch and closes the socket.
    type Watched;

    /// The socket itself.
    fn socket(watched: &Self::Watched) -> &Socket;

    /// Watches a socket under a token, for something to read (or to accept), and with `connecting` also for the end of
    /// its connecting, which is told as room to write.
    ///
    /// # Errors
    /// When the system has no room for another watch.
    fn watch(&mut self, socket: Socket, token: usize, connecting: bool) -> io::Result<Self::Watched>;

    /// A read (or accept) found nothing more: what comes next is to be told.
    ///
    /// # Errors
    /// When the watch cannot be changed.
    fn await_read(&mut self, watched: &Self::Watched) -> io::Result<()>;

    /// A write found no more room, or a connection is still being made: room is to be told.
    ///
    /// # Errors
    /// When the watch cannot be changed.
    fn await_write(&mut self, watched: &Self::Watched) -> io::Result<()>;

    /// There is something to read that nobody wants yet: an error behind it is to be told, as `doubt`. For reactors that
    /// tell of a socket only what they were asked.
    ///
    /// # Errors
    /// When the watch cannot be changed.
    fn await_error(&mut self, _: &Self::Watched) -> io::Result<()> {
        Ok(())
    }
}

/// What a reactor tells of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// There is something to read: bytes, an end or an error; or connections to accept.
    pub read: bool,
    /// There is room to write, or a connection was made, or failed.
    pub write: bool,
    /// The end, or an error, is behind what there is to read, and will not be told again.
    pub ending: bool,
    /// There may be an error: it is looked for even if nobody reads from this socket.
    pub doubt: bool,
}
