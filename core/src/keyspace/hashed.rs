//! Elements of large collections in the order of a keyed hash of their bytes: hashes and sets.
//!
//! The order is as good as random for whoever does not know the key, and the same as long as an element is there. So a
//! position in it is a cursor for `HSCAN` and `SSCAN`, and an element at a random index is a random element.

use alloc::vec;
use alloc::vec::Vec;
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
/// Up to so many elements are sorted without being spread first.
const FEW: usize = 16;
/// Steps for each element after which an insertion sort gives up.
const STEPS: usize = 8;

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
    if entries.len() > FEW {
        spread(entries);
    }
    if !insertion_sort(entries) {
        entries.sort_unstable_by(order);
    }
}

fn order<E: Hashed>(a: &E, b: &E) -> Ordering {
    a.mark().cmp(&b.mark()).then_with(|| compare(a.name().scalar(), b.name().scalar()))
}

/// Brings elements about to where they belong: positions are as good as random, so few share a part of their range.
fn spread<E: Hashed>(entries: &mut [E]) {
    let bits = entries.len().ilog2();
    // Below 2^bits: a position has no other bits than these.
    let part = |entry: &E| (entry.mark() >> (u64::BITS - UNUSED - bits)) as usize;
    let mut places = vec![0; 1 << bits];
    entries.iter().for_each(|entry| places[part(entry)] += 1);
    let mut before = 0;
    for place in &mut places {
        before += core::mem::replace(place, before);
    }
    let aim = |entry: &E| {
        let place = &mut places[part(entry)];
        *place += 1;
        *place - 1
    };
    let mut aims: Vec<usize> = entries.iter().map(aim).collect();
    for i in 0..entries.len() {
        // Each turn brings one element home.
        while aims[i] != i {
            let home = aims[i];
            entries.swap(i, home);
            aims.swap(i, home);
        }
    }
}

/// Sorts what is nearly in order; gives up, whether or not it is in order then, on what is far from it.
fn insertion_sort<E: Hashed>(entries: &mut [E]) -> bool {
    let mut steps = STEPS * entries.len();
    for i in 1..entries.len() {
        let mut at = i;
        while at > 0 && order(&entries[at - 1], &entries[at]).is_gt() {
            if steps == 0 {
                return false;
            }
            steps -= 1;
            entries.swap(at - 1, at);
            at -= 1;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[derive(Clone, Debug)]
    struct Named(u64, Blob);

    impl Entry for Named {
        type Mark = u64;

        fn mark(&self) -> u64 {
            self.0
        }
    }

    impl Hashed for Named {
        fn name(&self) -> &Blob {
            &self.1
        }
    }

    /// Compares with the sort of the standard library.
    fn sorts(mut entries: Vec<Named>) -> bool {
        let mut expected = entries.clone();
        expected.sort_by(order);
        sort(&mut entries);
        entries.iter().zip(&expected).all(|(a, b)| order(a, b).is_eq())
    }

    quickcheck! {
        fn sorts_by_hash(n: u16, key: u64) -> bool {
            let key = HashKey([key, 1]);
            sorts((0..n % 5000).map(|i| Named(key.position(&i.to_le_bytes()), Blob::new(&i.to_le_bytes()))).collect())
        }

        fn sorts_what_has_few_positions(names: Vec<(u8, u32)>, shift: u8) -> bool {
            let position = |near: u8| u64::from(near) << (u32::from(shift) % (u64::BITS - UNUSED - 8));
            sorts(names.iter().map(|(near, name)| Named(position(*near), Blob::new(&name.to_le_bytes()))).collect())
        }
    }

    #[test]
    fn sorts_what_is_all_in_one_place() {
        let last = u64::MAX >> UNUSED;
        assert!(sorts((0..3000u32).rev().map(|i| Named(last, Blob::new(&i.to_be_bytes()))).collect()));
        assert!(sorts((0..3000u32).rev().map(|i| Named(u64::from(i), Blob::new(b""))).collect()));
    }
}
