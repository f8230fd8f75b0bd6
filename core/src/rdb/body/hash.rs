//! Hashes.

use super::{Body, pack};
use crate::rdb::compact::Scalar;
use crate::rdb::kinds;

impl Body {
    /// Begins a key with a hash of `fields` fields, which have to follow by [`Body::field`] before anything else is
    /// encoded; other bodies may not come between them either.
    pub fn hash(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, fields: u64) {
        self.key(db, key, expire_at_ms, kinds::HASH);
        self.count(fields);
    }

    /// The next field of the hash that was begun.
    pub fn field(&mut self, field: Scalar<'_>, value: Scalar<'_>) {
        self.scalar(field);
        self.scalar(value);
    }

    /// Begins a key with a hash some of whose fields expire, the first of all at `first_ms` (wall-clock ms since 1970);
    /// its fields have to follow by [`Body::timed_field`]. Only from version 12 on.
    pub fn timed_hash(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, fields: u64, first_ms: u64) {
        self.key(db, key, expire_at_ms, kinds::HASH_METADATA);
        self.out.append(&first_ms.to_le_bytes());
        self.count(fields);
    }

    /// The next field of the hash that was begun, with its expiry, which is not before `first_ms`.
    pub fn timed_field(&mut self, field: Scalar<'_>, value: Scalar<'_>, expire_at_ms: Option<u64>, first_ms: u64) {
        self.count(expire_at_ms.map_or(0, |at| at.saturating_sub(first_ms) + 1));
        self.field(field, value);
    }

    /// Encodes a key with a small hash that readers keep as it is. `elements` are field, value, field, value … as a
    /// listpack has them between its head and its end mark, and `scalars` the same; together below 1 GB.
    pub fn hash_pack<'a>(
        &mut self,
        db: u32,
        key: &[u8],
        expire_at_ms: Option<i64>,
        elements: &[u8],
        scalars: impl Iterator<Item = Scalar<'a>>,
    ) {
        let listpack = self.version >= pack::LISTPACKS;
        self.key(db, key, expire_at_ms, if listpack { kinds::HASH_LISTPACK } else { kinds::HASH_ZIPLIST });
        self.pack(elements, scalars);
    }
}
