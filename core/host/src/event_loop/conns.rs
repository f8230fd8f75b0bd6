//! The connections: a table by token, and the way from a [`ConnId`] to its token.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use primacy_core::ids::ConnId;

use super::secure::Secure;

/// Where a connection stands in the table, and its token with the reactor.
pub(crate) type Slot = usize;

/// One connection, watched by a runtime's `W`.
#[derive(Debug)]
pub(crate) struct Conn<W> {
    pub(crate) id: ConnId,
    pub(crate) watched: W,
    /// TCP, not a unix socket.
    pub(crate) tcp: bool,
    /// Asked for by the machine, and not made yet.
    pub(crate) connecting: bool,
    /// The machine's interest.
    pub(crate) want_read: bool,
    pub(crate) want_write: bool,
    /// There may be something to read: no read came back short since it was told of.
    pub(crate) readable: bool,
    /// The kernel did not refuse bytes since room for them was told of.
    pub(crate) writable: bool,
    /// The peer's end of sending, or an error, waits behind what is still to be read, and is not told of again.
    pub(crate) ending: bool,
    /// `Eof` was fed.
    pub(crate) ended: bool,
    /// What is between its socket and the machine, if it is encrypted.
    pub(crate) tls: Option<Box<Secure>>,
    /// Stands in the list of those to read, to write.
    pub(crate) in_reads: bool,
    pub(crate) in_writes: bool,
}

impl<W> Conn<W> {
    /// An accepted connection, or with `connecting` one that is being made.
    pub(crate) fn new(id: ConnId, watched: W, tcp: bool, connecting: bool) -> Self {
        Self {
            id,
            watched,
            tcp,
            connecting,
            want_read: true,
            want_write: false,
            readable: false,
            writable: !connecting,
            ending: false,
            ended: false,
            tls: None,
            in_reads: false,
            in_writes: false,
        }
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Conns<W> {
    slots: Vec<Option<Conn<W>>>,
    free: Vec<Slot>,
    index: HashMap<ConnId, Slot, BuildHasherDefault<IdHasher>>,
    /// The last answer of [`Conns::find`]: a machine mostly speaks of the connection that it just heard from.
    last: Option<(ConnId, Slot)>,
}

impl<W> Conns<W> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: HashMap::default(), last: None }
    }

    /// The slot that the next [`Conns::insert`] will use.
    pub(crate) fn next_slot(&self) -> Slot {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    pub(crate) fn insert(&mut self, conn: Conn<W>) -> Slot {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        self.index.insert(conn.id, slot);
        if slot == self.slots.len() {
            self.slots.push(Some(conn));
        } else {
            self.slots[slot] = Some(conn); // `free` holds indices of `slots` only.
        }
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Conn<W>> {
        let conn = self.slots.get_mut(slot)?.take()?;
        self.index.remove(&conn.id);
        self.free.push(slot);
        self.last = None;
        Some(conn)
    }

    /// The machine knows this connection no more; its slot stays taken until it is removed.
    pub(crate) fn unindex(&mut self, id: ConnId) {
        self.index.remove(&id);
        self.last = None;
    }

    pub(crate) fn find(&mut self, id: ConnId) -> Option<Slot> {
        match self.last {
            Some((last, slot)) if last == id => Some(slot),
            _ => {
                let slot = *self.index.get(&id)?;
                self.last = Some((id, slot));
                Some(slot)
            }
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Conn<W>> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// The connection at `slot`, if it is still the one of this id: a slot is used again.
    #[inline]
    pub(crate) fn get_same(&mut self, slot: Slot, id: ConnId) -> Option<&mut Conn<W>> {
        self.get_mut(slot).filter(|conn| conn.id == id)
    }
}

/// Ids are counted up by ourselves: one multiplication spreads them well enough, and nobody can aim at it.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
