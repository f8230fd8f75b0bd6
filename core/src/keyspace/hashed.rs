//! Elements of large collections in the order of a keyed hash of their bytes: hashes and sets.
//!
//! The order is as good as random for whoever does not know the key, and the same as long as an element is there. So a
//! position in it is a cursor for `HSCAN` and `SSCAN`, and an element at a random index is a random element.

use core::cmp::Ordering;
use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::blob::Blob;
use super::tree::{Entry, Seek, Tree};
use crate::rdb::Scalar;
use crate::resp::parse_i64;

/// What keys and elements are hashed with.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey(pub(super) [u64; 2]);

/// Bits of a hash that positions do without: numbers below 2^53 are exact in every client's language.
const UNUSED: u32 = 12;

impl HashKey {
    /// The hash of `bytes`.
    #[inline]
    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let mut h = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        h.write(bytes);
        h.finish()
    }

    /// The position of the element `bytes` in its collection.
    #[inline]
    pub(super) fn position(self, bytes: &[u8]) -> u64 {
        self.hash(bytes) >> UNUSED
    }
}

/// What stands at the position of its name's hash. Several may have one position; they are ordered by name then.
pub(super) trait Hashed: Entry<Mark = u64> {
    /// Its name.
    fn name(&self) -> &Blob;
}

/// What is looked for: the element with this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    pub(super) position: u64,
    name: Scalar<'a>,
}

impl<'a> Aim<'a> {
    /// The element `name` of a collection whose elements are hashed with `key`.
    pub(super) fn new(key: HashKey, name: &'a [u8]) -> Self {
        Self { position: key.position(name), name: parse_i64(name).map_or(Scalar::Text(name), Scalar::Int) }
    }

    /// The element with this name, whose position is known.
    pub(super) fn at(position: u64, name: Scalar<'a>) -> Self {
        Self { position, name }
    }
}

/// Some total order: integers first.
pub(super) fn compare(a: Scalar<'_>, b: Scalar<'_>) -> Ordering {
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a.cmp(&b),
        (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
        (Scalar::Int(_), Scalar::Text(_)) => Ordering::Less,
        (Scalar::Text(_), Scalar::Int(_)) => Ordering::Greater,
    }
}

impl<E: Hashed> Seek<E> for Aim<'_> {
    #[inline]
    fn entry(&self, entry: &E) -> Ordering {
        entry.mark().cmp(&self.position).then_with(|| compare(entry.name().scalar(), self.name))
    }

    #[inline]
    fn mark(&self, mark: &u64) -> Ordering {
        mark.cmp(&self.position)
    }
}

/// The first position that is wanted, whatever the name.
struct Since(u64);

impl<E: Hashed> Seek<E> for Since {
    fn entry(&self, entry: &E) -> Ordering {
        if entry.mark() < self.0 { Ordering::Less } else { Ordering::Greater }
    }

    fn mark(&self, mark: &u64) -> Ordering {
        // Of several with this position the first one may lie before the mark.
        mark.cmp(&self.0)
    }
}

/// Shows about `count` elements from position `from` on to `f`; the position to go on from, `None` at the end. Elements
/// of one position are never told apart.
pub(super) fn scan<'t, E: Hashed>(tree: &'t Tree<E>, from: u64, count: usize, mut f: impl FnMut(&'t E)) -> Option<u64> {
    let mut last = None;
    for (n, entry) in tree.iter_from(tree.lower_bound(&Since(from))).enumerate() {
        let at = entry.mark();
        if n >= count && last != Some(at) {
            return Some(at);
        }
        last = Some(at);
        f(entry);
    }
    None
}

/// Whether no element of sorted ones is there twice.
pub(super) fn are_different<E: Hashed>(entries: &[E]) -> bool {
    entries.windows(2).all(|pair| match pair {
        [a, b] => a.mark() != b.mark() || a.name().scalar() != b.name().scalar(),
        _ => true,
    })
}

/// Sorts elements as a tree has them.
pub(super) fn sort<E: Hashed>(entries: &mut [E]) {
    entries
        .sort_unstable_by(|a, b| a.mark().cmp(&b.mark()).then_with(|| compare(a.name().scalar(), b.name().scalar())));
}
