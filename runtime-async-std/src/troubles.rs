//! Errors of sockets that nobody reads.
//!
//! The reactor tells of what can be read or written. A socket that holds bytes which the machine does not want yet can be
//! asked for neither: it would be told of at once, over and over. So a poller of our own, which is one more socket to the
//! reactor, watches such sockets for errors alone. (On Linux; elsewhere the next read or write finds the error.)

use std::io;
use std::task::Waker;

use socket2::Socket;

/// The token that the poller itself is watched under; the loop gives none so high.
pub(crate) const TROUBLE: usize = usize::MAX;

#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Troubles {
    poller: crate::rt::Async<std::os::fd::OwnedFd>,
    waker: Waker,
}

#[cfg(target_os = "linux")]
impl Troubles {
    /// `waker` calls for [`TROUBLE`].
    pub(crate) fn new(waker: Waker) -> io::Result<Self> {
        use rustix::event::epoll;

        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let troubles = Self { poller: crate::rt::Async::new_nonblocking(poller)?, waker };
        troubles.ask()?;
        Ok(troubles)
    }

    fn ask(&self) -> io::Result<()> {
        crate::reactor::ask(&self.waker, |cx| self.poller.poll_readable(cx))
    }

    /// Calls once when an error comes to a socket. Closing the socket ends it.
    pub(crate) fn watch(&self, socket: &Socket, token: usize) -> io::Result<()> {
        use rustix::event::epoll;

        // Errors are told whatever one asks for.
        let (data, shot) = (epoll::EventData::new_u64(token as u64), epoll::EventFlags::ONESHOT);
        match epoll::add(self.poller.get_ref(), socket, data, shot) {
            Err(rustix::io::Errno::EXIST) => Ok(epoll::modify(self.poller.get_ref(), socket, data, shot)?),
            other => Ok(other?),
        }
    }

    /// Takes the tokens of sockets with errors.
    pub(crate) fn take(&self, into: &mut Vec<usize>) -> io::Result<()> {
        use rustix::buffer::spare_capacity;
        use rustix::event::{Timespec, epoll};

        let mut events = Vec::with_capacity(64);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(self.poller.get_ref(), spare_capacity(&mut events), Some(&now))?;
        into.extend(events.iter().map(|event| event.data.u64() as usize));
        self.ask() // If there are more, it calls again at once.
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct Troubles;

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same signatures as on Linux")]
impl Troubles {
    pub(crate) fn new(_: Waker) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn watch(&self, _: &Socket, _: usize) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn take(&self, _: &mut Vec<usize>) -> io::Result<()> {
        Ok(())
    }
}
