//! Sorted sets: members in the order of their scores, those of one score in the order of their bytes.
//!
//! A small one is a pack of member, score, member, score …, in order and searched from its beginning; a large one is two
//! trees, one in order and one to find members by their hash. Both are read through [`ZsetRef`] and changed through
//! [`ZsetEdit`](edit::ZsetEdit).

mod edit;
mod range;
mod snapshot;

use alloc::vec::{self, Vec};
use core::cmp::Ordering;
use core::ops::Range;

use super::blob::Blob;
use super::entry::allocated;
use super::hashed::{self, Aim, HashKey, Hashed};
use super::pack::{self, Pack};
use super::score;
use super::tree::{Cursor, Entry, Iter, Seek, Tree};
use crate::rdb::Scalar;

pub(super) use edit::ZsetEdit;
pub(super) use range::{By, Window, limit};
pub(super) use snapshot::{begin, go_on, small};

/// A member at its rank.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    score: f64,
    member: Blob,
}

impl Ranked {
    /// A member that [`ZsetEdit::fill`] takes.
    pub(super) fn new(member: &[u8], score: f64) -> Self {
        Self { score, member: Blob::new(member) }
    }
}

impl Entry for Ranked {
    type Mark = f64;

    fn mark(&self) -> f64 {
        self.score
    }

    // A long member is shared with the index, which counts its bytes.
}

/// A member at the position of its hash.
#[derive(Clone, Debug)]
struct Indexed {
    position: u64,
    score: f64,
    member: Blob,
}

impl Entry for Indexed {
    type Mark = u64;

    fn mark(&self) -> u64 {
        self.position
    }

    fn heap(&self) -> usize {
        self.member.heap()
    }
}

impl Hashed for Indexed {
    fn name(&self) -> &Blob {
        &self.member
    }
}

/// Where a member with this score stands.
struct Place<'a> {
    score: f64,
    member: &'a [u8],
}

impl Seek<Ranked> for Place<'_> {
    fn entry(&self, entry: &Ranked) -> Ordering {
        score::compare(entry.score, self.score).then_with(|| entry.member.scalar().text(&mut [0; 20]).cmp(self.member))
    }

    fn mark(&self, mark: &f64) -> Ordering {
        score::compare(*mark, self.score)
    }
}

/// A large sorted set. A clone shares all.
///
/// The index holds members too and not only their scores: those of one score could else be found only by walking over
/// all that share it, which `ZSCAN` would do at every step. Members above 22 bytes are there once.
#[derive(Clone, Debug, Default)]
pub(super) struct Zset {
    ranked: Tree<Ranked>,
    index: Tree<Indexed>,
}

impl Zset {
    /// The members of a pack.
    fn of_pack(key: HashKey, pack: Pack<'_>) -> Self {
        let ranked: Vec<Ranked> =
            ZsetRef::Small(pack).pairs().map(|(member, score)| Ranked { score, member: Blob::of(member) }).collect();
        let index = Self::index_of(key, &ranked);
        Self { ranked: ranked.into_iter().collect(), index: index.into_iter().collect() }
    }

    /// These members in any order; `None` if one comes twice.
    fn of(key: HashKey, mut ranked: Vec<Ranked>) -> Option<Self> {
        ranked.sort_unstable_by(|a, b| {
            let (left, right) = (a.member.scalar(), b.member.scalar());
            score::compare(a.score, b.score).then_with(|| left.text(&mut [0; 20]).cmp(right.text(&mut [0; 20])))
        });
        let index = Self::index_of(key, &ranked);
        hashed::are_different(&index)
            .then(|| Self { ranked: ranked.into_iter().collect(), index: index.into_iter().collect() })
    }

    /// The index of members, in its order.
    fn index_of(key: HashKey, ranked: &[Ranked]) -> Vec<Indexed> {
        let mut index: Vec<Indexed> = ranked
            .iter()
            .map(|Ranked { score, member }| {
                let position = key.position(member.scalar().text(&mut [0; 20]));
                Indexed { position, score: *score, member: member.clone() }
            })
            .collect();
        hashed::sort(&mut index);
        index
    }

    /// How many members.
    pub(super) fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Memory in bytes, its own struct counted.
    pub(super) fn memory(&self) -> usize {
        allocated(size_of::<Self>()) + self.ranked.memory() + self.index.memory()
    }

    /// Frees about `n` members; whether any is left.
    pub(super) fn dismantle(&mut self, n: usize) -> bool {
        let (ranked, index) = (self.ranked.dismantle(n), self.index.dismantle(n));
        ranked || index
    }

    fn score(&self, key: HashKey, member: &[u8]) -> Option<f64> {
        self.index.get_by(&Aim::new(key, member)).map(|entry| entry.score)
    }

    /// Gives a member a score; the one before.
    fn put(&mut self, key: HashKey, member: &[u8], score: f64) -> Option<f64> {
        let aim = Aim::new(key, member);
        match self.index.find(&aim).map(|(at, entry)| (at, entry.score, entry.member.clone())) {
            Ok((at, old, name)) => {
                if score::compare(old, score).is_ne() {
                    self.index.update(at, |entry| entry.score = score);
                    self.unrank(member, old);
                    self.rank(Ranked { score, member: name }, member);
                }
                Some(old)
            }
            Err(at) => {
                let name = Blob::new(member);
                self.index.insert(at, Indexed { position: aim.position, score, member: name.clone() });
                self.rank(Ranked { score, member: name }, member);
                None
            }
        }
    }

    fn rank(&mut self, entry: Ranked, member: &[u8]) {
        let at = self.ranked.lower_bound(&Place { score: entry.score, member });
        self.ranked.insert(at, entry);
    }

    fn unrank(&mut self, member: &[u8], score: f64) {
        if let Ok((at, _)) = self.ranked.find(&Place { score, member }) {
            self.ranked.remove(at);
        }
    }

    fn remove(&mut self, key: HashKey, member: &[u8]) -> bool {
        match self.index.find(&Aim::new(key, member)).map(|(at, entry)| (at, entry.score)) {
            Ok((at, score)) => {
                self.index.remove(at);
                self.unrank(member, score);
                true
            }
            Err(_) => false,
        }
    }

    fn remove_range(&mut self, key: HashKey, range: Range<usize>) {
        for entry in self.ranked.iter_from(range.start).take(range.len()) {
            if let Ok((at, _)) = self.index.find(&Aim::new(key, entry.member.scalar().text(&mut [0; 20]))) {
                self.index.remove(at);
            }
        }
        self.ranked.remove_range(range);
    }
}

/// The score of the member that is encoded so.
fn packed_score(pack: Pack<'_>, name: &[u8]) -> Option<f64> {
    let span = pack.find(name, 2)?;
    pack.at(span.end).map(|(_, score)| score::decode(score))
}

/// A sorted set that is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ZsetRef<'a> {
    Small(Pack<'a>),
    Large(&'a Zset),
}

impl<'a> ZsetRef<'a> {
    /// How many members. O(members) in a small one.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Small(pack) => pack.len() / 2,
            Self::Large(zset) => zset.len(),
        }
    }

    /// The score of a member.
    pub(super) fn score(self, key: HashKey, member: &[u8]) -> Option<f64> {
        match self {
            Self::Small(pack) => packed_score(pack, &pack::encode(member)),
            Self::Large(zset) => zset.score(key, member),
        }
    }

    /// The rank of a member from the lowest score on, and its score.
    pub(super) fn rank(self, key: HashKey, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Small(_) => self
                .pairs()
                .enumerate()
                .find_map(|(rank, (other, score))| (other.text(&mut [0; 20]) == member).then_some((rank, score))),
            Self::Large(zset) => {
                let score = zset.score(key, member)?;
                zset.ranked.find(&Place { score, member }).ok().map(|(rank, _)| (rank, score))
            }
        }
    }

    /// The ranks of a window.
    pub(super) fn span(self, window: &Window<'_>) -> Range<usize> {
        if let Window::Ranks(start, stop) = *window {
            return range::ranks(start, stop, self.len());
        }
        let (start, end) = match self {
            Self::Small(_) => (
                self.pairs().take_while(|&(member, score)| window.is_before(score, member)).count(),
                self.pairs().take_while(|&(member, score)| !window.is_behind(score, member)).count(),
            ),
            Self::Large(zset) => {
                let edge = |end| zset.ranked.lower_bound(&range::Edge { window, end });
                (edge(false), edge(true))
            }
        };
        start..end.max(start)
    }

    /// All members with their scores.
    pub(super) fn pairs(self) -> Pairs<'a> {
        self.pairs_from(0)
    }

    /// The same from a rank on.
    pub(super) fn pairs_from(self, rank: usize) -> Pairs<'a> {
        match self {
            Self::Small(pack) => Pairs::Small { pack, at: pack.offset(2 * rank) },
            Self::Large(zset) => Pairs::Up(zset.ranked.iter_from(rank)),
        }
    }

    /// The members of a range of ranks that is there, from its end on if `down`.
    pub(super) fn walk(self, range: Range<usize>, down: bool) -> impl Iterator<Item = (Scalar<'a>, f64)> {
        let n = range.len();
        let pairs = match self {
            _ if !down => self.pairs_from(range.start),
            Self::Small(_) => {
                let mut all: Vec<_> = self.pairs_from(range.start).take(n).collect();
                all.reverse();
                Pairs::Laid(all.into_iter())
            }
            Self::Large(zset) => Pairs::Down(zset.ranked.cursor(range.end)),
        };
        pairs.take(n)
    }

    /// Shows about `count` members of a large one from a position on to `f`; the position to go on from, `None` at the
    /// end. Of a small one all are shown.
    pub(super) fn scan(self, from: u64, count: usize, mut f: impl FnMut(Scalar<'a>, f64)) -> Option<u64> {
        match self {
            Self::Small(_) => {
                self.pairs().for_each(|(member, score)| f(member, score));
                None
            }
            Self::Large(zset) => hashed::scan(&zset.index, from, count, |entry| f(entry.member.scalar(), entry.score)),
        }
    }
}

/// Members with their scores.
#[derive(Clone, Debug)]
pub(super) enum Pairs<'a> {
    Small { pack: Pack<'a>, at: usize },
    Laid(vec::IntoIter<(Scalar<'a>, f64)>),
    Up(Iter<'a, Ranked>),
    Down(Cursor<'a, Ranked>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Scalar<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self {
            Self::Small { pack, at } => {
                let (span, member) = pack.at(*at)?;
                let (span, score) = pack.at(span.end)?;
                *at = span.end;
                return Some((member, score::decode(score)));
            }
            Self::Laid(pairs) => return pairs.next(),
            Self::Up(entries) => entries.next()?,
            Self::Down(cursor) => cursor.back()?,
        };
        Some((entry.member.scalar(), entry.score))
    }
}
