//! What the sentinels publish, with the moment at which it was heard.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Instant;

use super::client::{Client, Reply};

/// Something that was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) sight: Sight,
}

#[derive(Debug)]
pub(crate) enum Sight {
    /// An event of a sentinel.
    Event {
        /// Its number, from 1.
        sentinel: usize,
        /// `+sdown` and so on.
        name: String,
        payload: String,
    },
    /// A write was taken by a master that took none before, or not lately.
    Took(SocketAddr),
}

/// A subscription to all events of one sentinel, heard by a thread of its own.
#[derive(Debug)]
pub(crate) struct Watch(TcpStream);

impl Watch {
    pub(crate) fn start(sentinel: usize, at: SocketAddr, seen: Sender<Seen>) -> io::Result<Self> {
        let mut client = Client::connect(at)?;
        client.command(&["PSUBSCRIBE", "*"])?;
        let stream = client.endless()?;
        thread::Builder::new().name("watch".into()).spawn(move || {
            while let Ok(reply) = client.next() {
                let Reply::Array(words) = reply else { continue };
                if let [kind, _, Reply::Text(name), Reply::Text(payload)] = &words[..]
                    && kind.is("pmessage")
                {
                    let sight = Sight::Event { sentinel, name: name.clone(), payload: payload.clone() };
                    if seen.send(Seen { at: Instant::now(), sight }).is_err() {
                        break;
                    }
                }
            }
        })?;
        Ok(Self(stream))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both); // The thread reads its end.
    }
}
