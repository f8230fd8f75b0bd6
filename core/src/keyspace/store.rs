//! What commands do with single keys: find with expiry, put, remove.

use super::Keyspace;
use super::commands::WRONG_TYPE;
use super::entry::Slot;
use super::record::Kind;
use super::string::{Form, New};
use super::table::{Place, Table};
use super::uses::Kept;
use crate::dataset::{Classes, Context, Origin};

/// A key of a database with its hash, which is the same in all databases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'k> {
    pub(super) db: u32,
    pub(super) bytes: &'k [u8],
    hash: u64,
}

impl Key<'_> {
    /// The same key in another database.
    pub(super) fn in_db(self, db: u32) -> Self {
        Self { db, ..self }
    }
}

/// What a key is looked up for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// To be read: counted as hit or miss, and as a use of the key.
    Read,
    /// To be looked at, as by `TTL`: counted, but no use of it.
    Look,
    /// The same by `OBJECT`, which tells nobody of a key that is not there.
    Inspect,
    /// To be changed: a use of it.
    Write,
}

/// An error has been answered to the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered;

impl Keyspace {
    /// The key `bytes` of database `db`.
    #[inline]
    pub(super) fn key<'k>(&self, db: u32, bytes: &'k [u8]) -> Key<'k> {
        Key { db, bytes, hash: self.table(db).hash(bytes) }
    }

    // `Context::db` is below `databases()` by contract, and commands check the numbers that clients send.
    #[inline]
    pub(super) fn table(&self, db: u32) -> &Table {
        &self.dbs[db as usize]
    }

    #[inline]
    pub(super) fn table_mut(&mut self, db: u32) -> &mut Table {
        &mut self.dbs[db as usize]
    }

    /// Where the key is, unless it is not there or has expired for the asker. A master deletes it then, and says so.
    #[inline]
    pub(super) fn find(&mut self, key: &Key<'_>, cx: &mut Context<'_, '_>, access: Access) -> Option<Place> {
        let table = self.table(key.db);
        let mut place = table.find(key.hash, key.bytes);
        if let Some(found) = place
            && let Some(at) = table.slot(found).expiry()
            && is_past(at, cx.now.unix_ms)
            && cx.origin != Origin::Upstream
        {
            self.found_expired(key, found, cx, access);
            place = None;
        }
        if let Some(found) = place {
            self.note_use(key, found, access, cx);
        }
        if access != Access::Write {
            match place {
                Some(_) => self.counters.hits += 1,
                None => {
                    self.counters.misses += 1;
                    if access != Access::Inspect {
                        cx.effects.notify(Classes::MISS, "keymiss", key.db, key.bytes);
                    }
                }
            }
        }
        place
    }

    /// A key was found for somebody: `maxmemory-policy` may want to know.
    #[inline]
    fn note_use(&mut self, key: &Key<'_>, place: Place, access: Access, cx: &mut Context<'_, '_>) {
        if self.uses.kept != Kept::Nothing && cx.touch && matches!(access, Access::Read | Access::Write) {
            let (uses, table) = (self.uses, self.table_mut(key.db));
            let stamp = uses.used(table.stamp(place), cx.now, cx.rng);
            table.set_stamp(place, stamp);
        }
    }

    /// What is kept of the use of a key.
    pub(super) fn stamp(&self, key: &Key<'_>, place: Place) -> u32 {
        self.table(key.db).stamp(place)
    }

    /// Gives a key that is there another stamp; 0 leaves it as it is.
    pub(super) fn set_stamp(&mut self, key: &Key<'_>, stamp: u32) {
        let table = self.table_mut(key.db);
        if stamp != 0
            && let Some(place) = table.find(key.hash, key.bytes)
        {
            table.set_stamp(place, stamp);
        }
    }

    #[cold]
    fn found_expired(&mut self, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>, access: Access) {
        if cx.may_expire {
            self.remove(key, place, cx);
            self.counters.expired += 1;
            cx.effects.notify(Classes::EXPIRED, "expired", key.db, key.bytes);
            cx.effects.command(key.db, &[self.words.expired, key.bytes]);
        } else if access == Access::Write {
            // A client writes to a writable replica: the key makes room, but that is this replica's own affair.
            self.remove(key, place, cx);
        }
    }

    /// The entry of a key that is to be read.
    #[inline]
    pub(super) fn read(&mut self, key: &Key<'_>, cx: &mut Context<'_, '_>) -> Option<&Slot> {
        let place = self.find(key, cx, Access::Read)?;
        Some(self.table(key.db).slot(place))
    }

    /// The entry of a key that is to be looked at and not used.
    pub(super) fn look(&mut self, key: &Key<'_>, cx: &mut Context<'_, '_>) -> Option<&Slot> {
        let place = self.find(key, cx, Access::Look)?;
        Some(self.table(key.db).slot(place))
    }

    /// The value of a key that is to be read as one of a kind, if there is such a key; of another kind, and an error
    /// has been answered.
    pub(super) fn read_as<'k, T>(
        &'k mut self,
        key: &Key<'_>,
        cx: &mut Context<'_, '_>,
        view: impl FnOnce(&'k Slot) -> Option<T>,
    ) -> Result<Option<T>, Answered> {
        let Some(slot) = self.read(key, cx) else { return Ok(None) };
        let value = view(slot);
        if value.is_none() {
            cx.reply.error(WRONG_TYPE);
            return Err(Answered);
        }
        Ok(value)
    }

    /// The entry of a key, whether it has expired or not, for whoever has asked [`Keyspace::find`] before.
    #[inline]
    pub(super) fn peek(&self, key: &Key<'_>) -> Option<&Slot> {
        let table = self.table(key.db);
        table.find(key.hash, key.bytes).map(|place| table.slot(place))
    }

    /// Where a key is, expired or not, for whoever has asked [`Keyspace::find`] in the same command.
    pub(super) fn place_of(&self, key: &Key<'_>) -> Option<Place> {
        self.table(key.db).find(key.hash, key.bytes)
    }

    /// The entry at a place that `find` gave.
    #[inline]
    pub(super) fn slot(&self, key: &Key<'_>, place: Place) -> &Slot {
        self.table(key.db).slot(place)
    }

    /// Gives a key a string, in place where that is possible. `place`: where `find` saw it just now.
    #[inline]
    pub(super) fn put(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        value: New<'_>,
        expiry: Option<i64>,
        form: Form,
        cx: &mut Context<'_, '_>,
    ) {
        let Some(place) = place else {
            let slot = Slot::of_string(key.bytes, value, expiry, form);
            return self.insert(key, slot, cx);
        };
        let old = self.table_mut(key.db).update(place, |slot| {
            if let New::Flat(bytes) = value
                && slot.overwrite(bytes, expiry, form)
            {
                return None;
            }
            Some(core::mem::replace(slot, Slot::of_string(key.bytes, value, expiry, form)))
        });
        if let Some(old) = old {
            self.graveyard.bury(old);
        }
        cx.effects.touch(key.db, key.bytes);
    }

    /// Adds an entry whose key is not there.
    pub(super) fn insert(&mut self, key: &Key<'_>, slot: Slot, cx: &mut Context<'_, '_>) {
        self.table_mut(key.db).insert(key.hash, slot);
        if self.uses.kept != Kept::Nothing {
            self.set_stamp(key, self.uses.fresh(cx.now));
        }
        cx.effects.touch(key.db, key.bytes);
        cx.effects.notify(Classes::NEW, "new", key.db, key.bytes);
    }

    /// Gives a key an entry in place of whatever it has. `place`: where `find` saw it just now.
    pub(super) fn replace(&mut self, key: &Key<'_>, place: Option<Place>, slot: Slot, cx: &mut Context<'_, '_>) {
        let Some(place) = place else { return self.insert(key, slot, cx) };
        let old = self.table_mut(key.db).update(place, |held| core::mem::replace(held, slot));
        self.graveyard.bury(old);
        cx.effects.touch(key.db, key.bytes);
    }

    /// Tells of elements that were removed from a collection, and of the end of the key if they were the last.
    #[inline]
    pub(super) fn tell_removal(&self, class: Classes, event: &'static str, key: &Key<'_>, cx: &mut Context<'_, '_>) {
        if cx.effects.tells() {
            cx.effects.notify(class, event, key.db, key.bytes);
            if self.peek(key).is_none() {
                cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
            }
        }
    }

    /// Takes an entry out.
    pub(super) fn take(&mut self, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) -> Slot {
        let slot = self.table_mut(key.db).remove(place);
        cx.effects.touch(key.db, key.bytes);
        slot
    }

    /// Deletes an entry.
    pub(super) fn remove(&mut self, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) {
        let slot = self.take(key, place, cx);
        self.graveyard.bury(slot);
    }

    /// Deletes a key; whether it was there.
    pub(super) fn delete(&mut self, key: &Key<'_>, cx: &mut Context<'_, '_>) -> bool {
        match self.find(key, cx, Access::Write) {
            Some(place) => {
                self.remove(key, place, cx);
                true
            }
            None => false,
        }
    }

    /// Where the key is for a writer of a type, if it is there.
    pub(super) fn find_kind(
        &mut self,
        key: &Key<'_>,
        kind: Kind,
        cx: &mut Context<'_, '_>,
    ) -> Result<Option<Place>, Answered> {
        let place = self.find(key, cx, Access::Write);
        if place.is_some_and(|place| self.slot(key, place).kind() != kind) {
            cx.reply.error(WRONG_TYPE);
            return Err(Answered);
        }
        Ok(place)
    }

    /// Changes a collection: the one at `place` (where `find` saw it just now), or the empty one that `new` makes. It
    /// goes when it is empty afterwards.
    pub(super) fn edit<T>(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        new: impl FnOnce() -> Slot,
        cx: &mut Context<'_, '_>,
        f: impl FnOnce(&mut Slot) -> T,
    ) -> T {
        let Some(place) = place else {
            let mut slot = new();
            let result = f(&mut slot);
            if !slot.is_hollow() {
                self.insert(key, slot, cx);
            }
            return result;
        };
        let result = self.table_mut(key.db).update(place, f);
        if self.slot(key, place).is_hollow() {
            self.remove(key, place, cx);
        } else {
            cx.effects.touch(key.db, key.bytes);
        }
        result
    }

    /// Gives a key another expiry, or none.
    pub(super) fn set_expiry(&mut self, key: &Key<'_>, place: Place, expiry: Option<i64>, cx: &mut Context<'_, '_>) {
        self.table_mut(key.db).update(place, |slot| slot.set_expiry(expiry));
        cx.effects.touch(key.db, key.bytes);
    }
}

/// Whether an expiry lies before `now`: at the very millisecond a key still lives.
#[inline]
pub(super) fn is_past(expiry: i64, now_ms: u64) -> bool {
    u64::try_from(expiry).is_ok_and(|at| at < now_ms) || expiry < 0
}
