//! Sockets under the async runtime's reactor.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use primacy_host::Reactor;
use socket2::Socket;

use crate::bell::{Bell, Direction, waker};
use crate::rt::Async;
use crate::troubles::{TROUBLE, Troubles};

/// Watches sockets for the driver's task. The reactor's events are single shots: each is asked for.
#[derive(Debug)]
pub(crate) struct Shots {
    bell: Arc<Bell>,
    pub(crate) troubles: Troubles,
}

impl Shots {
    pub(crate) fn new(bell: Arc<Bell>) -> io::Result<Self> {
        let troubles = Troubles::new(waker(&bell, TROUBLE, Direction::Read))?;
        Ok(Self { bell, troubles })
    }
}

/// A watched socket, and its wakers.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: Async<Socket>,
    token: usize,
    read: Waker,
    write: Waker,
}

impl Reactor for Shots {
    type Watched = Watched;

    fn socket(watched: &Watched) -> &Socket {
        watched.socket.get_ref()
    }

    fn watch(&mut self, socket: Socket, token: usize, connecting: bool) -> io::Result<Watched> {
        let socket = Async::new_nonblocking(socket)?;
        let watched = Watched {
            socket,
            token,
            read: waker(&self.bell, token, Direction::Read),
            write: waker(&self.bell, token, Direction::Write),
        };
        self.await_read(&watched)?;
        if connecting {
            self.await_write(&watched)?;
        }
        Ok(watched)
    }

    fn await_read(&mut self, watched: &Watched) -> io::Result<()> {
        ask(&watched.read, |cx| watched.socket.poll_readable(cx))
    }

    fn await_write(&mut self, watched: &Watched) -> io::Result<()> {
        ask(&watched.write, |cx| watched.socket.poll_writable(cx))
    }

    fn await_error(&mut self, watched: &Watched) -> io::Result<()> {
        self.troubles.watch(watched.socket.get_ref(), watched.token)
    }
}

/// Asks for the next event. The first answer may be one that was given long ago, by the waker; if the second is one too,
/// then that is news.
pub(crate) fn ask(waker: &Waker, mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) -> io::Result<()> {
    let mut cx = Context::from_waker(waker);
    for _ in 0..2 {
        match poll(&mut cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(result) => result?,
        }
    }
    waker.wake_by_ref();
    Ok(())
}
