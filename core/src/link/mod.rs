//! An outgoing connection: what is to be sent, and what the runtime was told of it.
//!
//! A [`Link`] pipelines commands and hands out their answers in order; a replica's link to its master and, later, a
//! sentinel's links are made of it.

use alloc::collections::VecDeque;

use crate::blocks::Blocks;
use crate::ids::ConnId;
use crate::machine::{Action, Actions, Chunks};
use crate::resp::{Command, Replies, ReplyError, ReplyLimits, Value};
use crate::secrets::has_secret;

/// A connection that we opened, with pipelined commands of kind `T` and their answers.
#[derive(Debug)]
pub struct Link<T> {
    conn: ConnId,
    out: Blocks,
    replies: Replies,
    /// What was asked and not answered, oldest first.
    asked: VecDeque<T>,
    reading: bool,
    writing: bool,
    /// Whether it stands; nothing is watched before.
    up: bool,
}

impl<T> Link<T> {
    /// A link over connection `conn`, which may still be on its way; answers are bounded by `limits`.
    pub fn new(conn: ConnId, limits: ReplyLimits) -> Self {
        Self {
            conn,
            out: Blocks::new(),
            replies: Replies::new(limits),
            asked: VecDeque::new(),
            reading: true,
            writing: false,
            up: false,
        }
    }

    /// Its connection.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The connection stands: what was asked before is sent now.
    pub fn connected<E>(&mut self, out: &mut Actions<E>) {
        self.up = true;
        self.tell(out);
    }

    /// Sends a command; its answer will come out with `tag`.
    pub fn ask<E>(&mut self, command: &Command, tag: T, out: &mut Actions<E>) {
        self.asked.push_back(tag);
        self.say(command.frame(), out);
        if has_secret(command.args().at(0), command.args()) {
            self.out.keep_secret();
        }
    }

    /// Sends bytes that have no answer.
    pub fn say<E>(&mut self, bytes: &[u8], out: &mut Actions<E>) {
        self.out.append(bytes);
        self.tell(out);
    }

    /// What was asked and not answered yet, oldest first.
    pub fn asked(&self) -> impl ExactSizeIterator<Item = &T> {
        self.asked.iter()
    }

    /// The next whole answer in `input` with what it answers; `None` beside it: nothing was asked (a push message, or
    /// a peer out of step). `Ok(None)`: more input is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<(Option<T>, Value)>, ReplyError> {
        let Some(value) = self.replies.next(input)? else { return Ok(None) };
        let tag = if matches!(value, Value::Push(_)) { None } else { self.asked.pop_front() };
        Ok(Some((tag, value)))
    }

    /// Bytes that are not sent yet.
    pub fn unsent(&self) -> u64 {
        self.out.len()
    }

    /// Shows up to `budget` unsent bytes.
    pub fn transmit(&mut self, budget: usize, out: &mut Chunks) {
        self.out.read(self.out.start(), budget, out);
    }

    /// The kernel took `len` bytes.
    pub fn sent<E>(&mut self, len: usize, out: &mut Actions<E>) {
        self.out.release(self.out.start().saturating_add(len as u64));
        // Links say little, and now and then much at once: hundreds of them must not keep a block each.
        self.out.shrink();
        self.tell(out);
    }

    /// Whether bytes may come in.
    pub fn set_reading<E>(&mut self, reading: bool, out: &mut Actions<E>) {
        if self.reading != reading {
            self.reading = reading;
            if self.up {
                out.push(Action::Interest { conn: self.conn, read: reading, write: self.writing });
            }
        }
    }

    /// Whether bytes may come in.
    pub fn is_reading(&self) -> bool {
        self.reading
    }

    /// Tells the runtime whether there are bytes, if that changed.
    fn tell<E>(&mut self, out: &mut Actions<E>) {
        let writing = !self.out.is_empty();
        if self.up && writing != self.writing {
            self.writing = writing;
            out.push(Action::Interest { conn: self.conn, read: self.reading, write: writing });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_out_in_the_order_of_the_questions() {
        let mut out = Actions::<()>::new();
        let conn = ConnId::opened(1);
        let mut link = Link::new(conn, ReplyLimits::default());
        link.ask(&Command::new(&["PING"]), 'p', &mut out);
        link.ask(&Command::new(&["ECHO", "x"]), 'e', &mut out);
        assert!(out.is_empty(), "nothing is written to a connection that does not stand");
        link.connected(&mut out);
        assert!(matches!(out[..], [Action::Interest { read: true, write: true, .. }]));
        let mut chunks = Chunks::new();
        link.transmit(5, &mut chunks);
        assert_eq!(&chunks[0][..], b"*1\r\n$");
        link.sent(usize::try_from(link.unsent()).unwrap(), &mut out);
        assert!(matches!(out[1..], [Action::Interest { read: true, write: false, .. }]));
        let mut input = &b"+PONG\r\n$1\r\nx\r\n+stray\r\n$"[..];
        assert_eq!(link.next(&mut input).unwrap().unwrap().0, Some('p'));
        assert_eq!(link.next(&mut input).unwrap().unwrap(), (Some('e'), Value::Bulk(b"x".to_vec())));
        assert_eq!(link.next(&mut input).unwrap().unwrap().0, None);
        assert!(link.next(&mut input).unwrap().is_none());
        link.set_reading(false, &mut out);
        link.set_reading(false, &mut out);
        assert!(matches!(out[2..], [Action::Interest { read: false, write: false, .. }]));
    }
}
