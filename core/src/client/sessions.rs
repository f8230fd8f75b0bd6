//! All sessions of a server, by connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::Session;
use crate::ids::ConnId;

/// The sessions, in the order of their ids. While one is served it is taken out, so that it and the server can be
/// changed side by side; whoever looks at all of them meanwhile adds it by hand.
#[derive(Debug, Default)]
pub struct Sessions {
    map: BTreeMap<ConnId, Option<Box<Session>>>,
}

impl Sessions {
    /// Adds a new session.
    pub fn insert(&mut self, session: Box<Session>) {
        self.map.insert(session.conn, Some(session));
    }

    /// Takes a session out to serve it; put it back with [`Sessions::put`].
    #[inline]
    pub fn take(&mut self, conn: ConnId) -> Option<Box<Session>> {
        self.map.get_mut(&conn)?.take()
    }

    /// Puts a session back; one that was removed meanwhile is dropped.
    #[inline]
    pub fn put(&mut self, session: Box<Session>) {
        if let Some(place) = self.map.get_mut(&session.conn) {
            *place = Some(session);
        }
    }

    /// Forgets a session; its own value if it was not taken out.
    pub fn remove(&mut self, conn: ConnId) -> Option<Box<Session>> {
        self.map.remove(&conn).flatten()
    }

    /// A session that is not taken out.
    #[inline]
    pub fn get(&self, conn: ConnId) -> Option<&Session> {
        self.map.get(&conn)?.as_deref()
    }

    /// A session that is not taken out, to change.
    #[inline]
    pub fn get_mut(&mut self, conn: ConnId) -> Option<&mut Session> {
        self.map.get_mut(&conn)?.as_deref_mut()
    }

    /// How many there are, the one taken out included.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// All but those taken out, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.map.values().filter_map(|s| s.as_deref())
    }

    /// All but those taken out, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.map.values_mut().filter_map(|s| s.as_deref_mut())
    }
}
