//! WATCH: which clients look at which keys, and what happens to them when a key changes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::Node;
use crate::client::Session;
use crate::dataset::Dataset;
use crate::ids::ConnId;

impl<D: Dataset> Node<D> {
    pub(super) fn watch_key(&mut self, s: &mut Session, key: &[u8]) {
        if s.watched.insert((s.db, key.into())) {
            self.watchers.entry((s.db, key.into())).or_default().insert(s.conn);
        }
    }

    pub(super) fn unwatch(&mut self, s: &mut Session) {
        let watched = core::mem::take(&mut s.watched);
        self.unwatch_keys(s.conn, &watched);
        s.dirty = false;
    }

    pub(super) fn unwatch_keys(&mut self, conn: ConnId, keys: &BTreeSet<(u32, Box<[u8]>)>) {
        for key in keys {
            if let Some(set) = self.watchers.get_mut(key) {
                set.remove(&conn);
                if set.is_empty() {
                    self.watchers.remove(key);
                }
            }
        }
    }

    /// Tells the watchers of the keys that the last command touched. `own` is the session taken out for it, if any.
    pub(super) fn tell_watchers(&mut self, mut own: Option<&mut Session>) {
        for key in self.effects.take_touched() {
            self.waiters.touched(&key);
            for &conn in self.watchers.get(&key).into_iter().flatten() {
                match own.as_deref_mut() {
                    Some(s) if s.conn == conn => s.dirty = true,
                    _ => {
                        if let Some(s) = self.clients.sessions.get_mut(conn) {
                            s.dirty = true;
                        }
                    }
                }
            }
        }
    }

    /// Whole databases are about to go (FLUSHALL, SWAPDB, a new dataset): every watcher of a key that one of them holds is
    /// told. As in Redis, a watched key that was not there and is not there afterwards has not changed.
    pub(super) fn tell_watchers_of(&mut self, own: Option<&mut Session>, dbs: impl Fn(u32) -> bool) {
        self.waiters.touched_all(&dbs);
        let mut own = own;
        let told: BTreeSet<ConnId> = self
            .watchers
            .iter()
            .filter(|((db, key), _)| dbs(*db) && self.data.contains(*db, key))
            .flat_map(|(_, set)| set.iter().copied())
            .collect();
        for conn in told {
            match own.as_deref_mut() {
                Some(s) if s.conn == conn => s.dirty = true,
                _ => {
                    if let Some(s) = self.clients.sessions.get_mut(conn) {
                        s.dirty = true;
                    }
                }
            }
        }
    }
}
