//! Sets.

use alloc::vec::Vec;

use super::Body;
use crate::rdb::compact::Scalar;
use crate::rdb::kinds;
use crate::rdb::text::Small;

/// The lowest version that has sets in listpacks.
const LISTPACKS: u16 = 11;

impl Body {
    /// Begins a key with a set of `members` members, which have to follow by [`Body::member`] before anything else is
    /// encoded; other bodies may not come between them either.
    pub fn set(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, members: u64) {
        self.key(db, key, expire_at_ms, kinds::SET);
        self.count(members);
    }

    /// The next member of the set that was begun.
    pub fn member(&mut self, member: Scalar<'_>) {
        self.scalar(member);
    }

    /// Encodes a key with a set of integers, in ascending order and all different ones; fewer than 2^28.
    pub fn set_ints(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, ints: &[i64]) {
        self.key(db, key, expire_at_ms, kinds::SET_INTSET);
        self.text(Small::new(), &intset(ints));
    }

    /// Encodes a key with a small set that readers keep as it is. `elements` are its `members` members as a listpack has
    /// them between its head and its end mark, and `scalars` the same; together below 1 GB.
    pub fn set_pack<'a>(
        &mut self,
        db: u32,
        key: &[u8],
        expire_at_ms: Option<i64>,
        elements: &[u8],
        members: usize,
        scalars: impl Iterator<Item = Scalar<'a>>,
    ) {
        if self.version >= LISTPACKS {
            self.key(db, key, expire_at_ms, kinds::SET_LISTPACK);
            self.pack(elements, scalars);
        } else {
            self.set(db, key, expire_at_ms, members as u64);
            scalars.for_each(|member| self.member(member));
        }
    }
}

/// Width and count, then the integers in the least width that has room for all.
fn intset(ints: &[i64]) -> Vec<u8> {
    let width_of = |n: &i64| match n {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    };
    let width: u8 = ints.iter().map(width_of).max().unwrap_or(2);
    let mut blob = Vec::with_capacity(8 + usize::from(width) * ints.len());
    blob.extend_from_slice(&u32::from(width).to_le_bytes());
    blob.extend_from_slice(&(ints.len() as u32).to_le_bytes());
    for n in ints {
        blob.extend_from_slice(&n.to_le_bytes()[..usize::from(width)]);
    }
    blob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_redis_lays_them_out() {
        // SADD k 1 -2 300, and the same with 70000, in Redis 7.
        assert_eq!(intset(&[-2, 1, 300]), [2, 0, 0, 0, 3, 0, 0, 0, 0xfe, 0xff, 1, 0, 0x2c, 1]);
        let wide = [4, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x70, 0x11, 1, 0];
        assert_eq!(intset(&[-2, 70_000]), wide);
        assert_eq!(intset(&[1 << 40]).len(), 16);
    }
}
