//! Sorted sets.

use super::{Body, pack};
use crate::rdb::compact::Scalar;
use crate::rdb::kinds;

impl Body {
    /// Begins a key with a sorted set of `members` members, which have to follow by [`Body::scored`] before anything else
    /// is encoded; other bodies may not come between them either.
    pub fn zset(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, members: u64) {
        self.key(db, key, expire_at_ms, kinds::ZSET);
        self.count(members);
    }

    /// The next member of the sorted set that was begun; its score must not be NaN.
    pub fn scored(&mut self, member: Scalar<'_>, score: f64) {
        self.scalar(member);
        self.out.append(&score.to_le_bytes());
    }

    /// Encodes a key with a small sorted set that readers keep as it is. `elements` are member, score, member, score …,
    /// scores ascending, as a listpack has them between its head and its end mark, and `scalars` the same; together below
    /// 1 GB.
    pub fn zset_pack<'a>(
        &mut self,
        db: u32,
        key: &[u8],
        expire_at_ms: Option<i64>,
        elements: &[u8],
        scalars: impl Iterator<Item = Scalar<'a>>,
    ) {
        let listpack = self.version >= pack::LISTPACKS;
        self.key(db, key, expire_at_ms, if listpack { kinds::ZSET_LISTPACK } else { kinds::ZSET_ZIPLIST });
        self.pack(elements, scalars);
    }
}
