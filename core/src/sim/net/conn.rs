//! Connections: two ends, each with the pipe of bytes that lead to it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::ids::ConnId;
use crate::machine::{Closed, Endpoint};
use crate::sim::story::MessageId;
use crate::time::Instant;

/// The end that opened a connection.
pub(in crate::sim) const OPENER: usize = 0;

/// One end of one connection. The generation keeps what is said of a connection from being taken for its successor in the
/// same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sim) struct At {
    pub(in crate::sim) slot: u32,
    /// Generation and side: `generation << 1 | side`.
    tag: u32,
}

impl At {
    fn new(slot: u32, generation: u32, side: usize) -> Self {
        Self { slot, tag: (generation << 1) | (side as u32 & 1) }
    }

    #[inline]
    pub(in crate::sim) fn side(self) -> usize {
        (self.tag & 1) as usize
    }

    /// The other end.
    #[inline]
    pub(in crate::sim) fn other(self) -> Self {
        Self { tag: self.tag ^ 1, ..self }
    }

    /// A number for the connection that no other one has.
    pub(in crate::sim) fn serial(self) -> u64 {
        u64::from(self.generation())
    }

    fn generation(self) -> u32 {
        self.tag >> 1
    }
}

/// What an end is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sim) enum State {
    /// Nobody took the connection yet.
    Missing,
    /// It stands, as far as this end knows.
    Open,
    /// Its system closed it: what still comes in is answered by a reset.
    Closed,
    /// Its computer lost power: what comes in is answered once it has power again.
    Dead,
}

/// What a segment carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sim) enum Cargo {
    Bytes(usize),
    Fin,
    Reset,
}

/// Something on its way.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Segment {
    pub(in crate::sim) at: Instant,
    pub(in crate::sim) cargo: Cargo,
}

/// The bytes that lead to one end.
#[derive(Debug, Default)]
pub(in crate::sim) struct Pipe {
    /// What was sent and not read: from `head` on, first what arrived, then what is on its way.
    pub(in crate::sim) buf: Vec<u8>,
    pub(in crate::sim) head: usize,
    /// Bytes that can be read.
    pub(in crate::sim) arrived: usize,
    pub(in crate::sim) segments: VecDeque<Segment>,
    /// Bytes that count against the sender's window.
    pub(in crate::sim) unacked: usize,
    /// Of these, what was read, and no acknowledgement passed.
    pub(in crate::sim) owed: usize,
    /// When the last segment arrives: none overtakes it.
    pub(in crate::sim) last_at: Instant,
    /// An arrival is in the agenda.
    pub(in crate::sim) scheduled: bool,
    /// Segments wait for an outage to end, since then.
    pub(in crate::sim) held: Option<Instant>,
    /// The peer's end arrived.
    pub(in crate::sim) fin: bool,
    /// Messages of the story that were not read whole, with the bytes of each that are left.
    pub(in crate::sim) told: VecDeque<(MessageId, usize)>,
}

impl Pipe {
    /// Takes out the memory with the next `n` bytes in it, and says where they are.
    pub(in crate::sim) fn lend(&mut self, n: usize) -> (Vec<u8>, core::ops::Range<usize>) {
        let from = self.head;
        self.head += n;
        self.arrived -= n;
        (core::mem::take(&mut self.buf), from..from + n)
    }

    /// Takes the memory back.
    pub(in crate::sim) fn give_back(&mut self, mut buf: Vec<u8>) {
        if self.head == buf.len() {
            buf.clear();
            self.head = 0;
        } else if self.head >= buf.len() / 2 + 4096 {
            buf.drain(..self.head);
            self.head = 0;
        }
        if self.buf.is_empty() {
            self.buf = buf;
        }
    }

    /// Nothing of it will ever be read.
    pub(in crate::sim) fn discard(&mut self) {
        self.buf.clear();
        (self.head, self.arrived) = (0, 0);
    }
}

/// One end.
#[derive(Debug)]
pub(in crate::sim) struct End {
    pub(in crate::sim) host: u32,
    /// The machine's name for it; of no meaning before it was told.
    pub(in crate::sim) id: ConnId,
    pub(in crate::sim) state: State,
    /// The machine was told that it stands.
    pub(in crate::sim) told: bool,
    pub(in crate::sim) read: bool,
    pub(in crate::sim) write: bool,
    pub(in crate::sim) eof_told: bool,
    /// Waits in the host's list of what is ready.
    pub(in crate::sim) in_ready: bool,
    /// Waits in the host's list of what has bytes to send.
    pub(in crate::sim) in_writes: bool,
    /// It is broken, and its machine will hear this once it has read what arrived.
    pub(in crate::sim) broken: Option<Closed>,
    pub(in crate::sim) local: Endpoint,
    pub(in crate::sim) keepalive_s: u32,
    /// What leads here.
    pub(in crate::sim) pipe: Pipe,
    /// What `transmit` showed and was not sent: the next bytes must begin so.
    pub(in crate::sim) shown: Vec<u8>,
}

impl End {
    pub(in crate::sim) fn new(host: u32, id: ConnId, state: State, local: Endpoint) -> Self {
        Self {
            host,
            id,
            state,
            told: false,
            read: true,
            write: false,
            eof_told: false,
            in_ready: false,
            in_writes: false,
            broken: None,
            local,
            keepalive_s: 0,
            pipe: Pipe::default(),
            shown: Vec::new(),
        }
    }

    /// Whether its machine has something to hear of it.
    pub(in crate::sim) fn has_news(&self) -> bool {
        self.broken.is_some() || (self.read && (self.pipe.arrived > 0 || (self.pipe.fin && !self.eof_told)))
    }
}

/// A connection, or one that is being made.
#[derive(Debug)]
pub(in crate::sim) struct Conn {
    generation: u32,
    pub(in crate::sim) ends: [End; 2],
    /// Attempts to reach the other host.
    pub(in crate::sim) tries: u32,
    /// It swallows everything.
    pub(in crate::sim) hole: bool,
}

/// All connections of a world.
#[derive(Debug, Default)]
pub(in crate::sim) struct Conns {
    slots: Vec<Option<Conn>>,
    free: Vec<u32>,
    /// Generations ever given out.
    generations: u32,
}

impl Conns {
    /// A connection from `opener` to a taker that is missing so far; answers its first end.
    pub(in crate::sim) fn insert(&mut self, opener: End, taker: End) -> At {
        self.generations = self.generations.wrapping_add(1) & (u32::MAX >> 1);
        let conn = Conn { generation: self.generations, ends: [opener, taker], tries: 0, hole: false };
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = Some(conn),
            None => self.slots.push(Some(conn)),
        }
        At::new(slot, self.generations, OPENER)
    }

    #[inline]
    pub(in crate::sim) fn get(&self, at: At) -> Option<&Conn> {
        self.slots.get(at.slot as usize)?.as_ref().filter(|c| c.generation == at.generation())
    }

    #[inline]
    pub(in crate::sim) fn get_mut(&mut self, at: At) -> Option<&mut Conn> {
        self.slots.get_mut(at.slot as usize)?.as_mut().filter(|c| c.generation == at.generation())
    }

    #[inline]
    pub(in crate::sim) fn end(&self, at: At) -> Option<&End> {
        self.get(at).map(|c| &c.ends[at.side()])
    }

    #[inline]
    pub(in crate::sim) fn end_mut(&mut self, at: At) -> Option<&mut End> {
        self.get_mut(at).map(|c| &mut c.ends[at.side()])
    }

    /// Forgets a connection of which no end stands any more.
    pub(in crate::sim) fn sweep(&mut self, at: At) {
        if self.get(at).is_some_and(|c| c.ends.iter().all(|e| e.state != State::Open)) {
            self.slots[at.slot as usize] = None;
            self.free.push(at.slot);
        }
    }

    /// The first end of every connection, in the order of slots.
    pub(in crate::sim) fn all(&self) -> Vec<At> {
        let live = self.slots.iter().enumerate().filter_map(|(i, c)| Some((i, c.as_ref()?)));
        live.map(|(i, c)| At::new(i as u32, c.generation, OPENER)).collect()
    }

    /// Every end on this host.
    pub(in crate::sim) fn of_host(&self, host: u32) -> Vec<At> {
        let both = self.all().into_iter().flat_map(|at| [at, at.other()]);
        both.filter(|at| self.end(*at).is_some_and(|e| e.host == host && e.state != State::Missing)).collect()
    }

    /// The end on `a` of every connection between `a` and `b`; of one within a host, the opener's.
    pub(in crate::sim) fn between(&self, a: u32, b: u32) -> Vec<At> {
        let on = |at: At, host| self.end(at).is_some_and(|e| e.host == host);
        let found = |at: At| [at, at.other()].into_iter().find(|at| on(*at, a) && on(at.other(), b));
        self.all().into_iter().filter_map(found).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(host: u32, state: State) -> End {
        End::new(host, ConnId::opened(1), state, Endpoint::Unix("".into()))
    }

    #[test]
    fn a_slot_that_is_used_again_does_not_answer_to_its_old_name() {
        let mut conns = Conns::default();
        let a = conns.insert(end(0, State::Open), end(1, State::Missing));
        assert_eq!((conns.between(1, 0), conns.of_host(1)), (Vec::from([a.other()]), Vec::new()));
        conns.sweep(a);
        assert!(conns.get(a).is_some(), "one end stands");
        conns.end_mut(a).unwrap().state = State::Closed;
        conns.sweep(a.other());
        let b = conns.insert(end(0, State::Open), end(0, State::Open));
        assert_eq!(a.slot, b.slot);
        assert!(conns.get(a).is_none() && conns.end(b.other()).is_some());
        assert_eq!(conns.of_host(0), [b, b.other()]);
        assert_eq!(conns.between(0, 0), [b]);
    }

    #[test]
    fn lent_memory_keeps_what_was_not_read() {
        let mut pipe = Pipe { buf: b"abcdef".to_vec(), arrived: 4, ..Pipe::default() };
        let (buf, range) = pipe.lend(3);
        assert_eq!((&buf[range], pipe.arrived), (&b"abc"[..], 1));
        pipe.give_back(buf);
        let (buf, range) = pipe.lend(1);
        assert_eq!(&buf[range], b"d");
        pipe.give_back(buf);
        pipe.arrived = 2;
        let (buf, range) = pipe.lend(2);
        assert_eq!(&buf[range], b"ef");
        pipe.give_back(buf);
        assert_eq!((pipe.head, pipe.buf.len()), (0, 0));
    }
}
