//! A hash that is read, whatever its form.

use super::super::hashed::{self, Aim, HashKey};
use super::super::pack::{self, Pack};
use super::super::tree::Iter;
use super::times::Times;
use super::{Field, Hash};
use crate::rdb::Scalar;

/// A hash that is read.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum HashRef<'a> {
    Small(Pack<'a>),
    /// With the time at which fields that have expired are not seen, if any.
    Large(&'a Hash, Option<u64>),
}

impl<'a> HashRef<'a> {
    /// The same without the fields that have expired at `now`, wall-clock ms since 1970.
    pub(in super::super) fn at(self, now: u64) -> Self {
        match self {
            Self::Large(hash, _) if hash.first_expiry().is_some_and(|at| at < now) => Self::Large(hash, Some(now)),
            _ => self,
        }
    }

    /// What hides fields: their expiries, and the time.
    fn hidden(self) -> Option<(&'a Times, u64)> {
        match self {
            Self::Large(Hash { times: Some(times), .. }, Some(now)) => Some((times, now)),
            _ => None,
        }
    }

    /// Whether there may be fewer fields than [`HashRef::len`] says.
    pub(in super::super) fn hides(self) -> bool {
        self.hidden().is_some()
    }

    /// How many fields, seen or not. O(fields) in a small one.
    pub(in super::super) fn len(self) -> usize {
        match self {
            Self::Small(pack) => pack.len() / 2,
            Self::Large(hash, _) => hash.len(),
        }
    }

    /// How many fields are seen.
    pub(in super::super) fn seen(self) -> usize {
        self.len() - self.hidden().map_or(0, |(times, now)| times.before(now))
    }

    /// When a field expires, ms since 1970.
    pub(in super::super) fn expiry_of(self, key: HashKey, field: &[u8]) -> Option<u64> {
        match self {
            Self::Large(Hash { times: Some(times), .. }, _) => times.get(&Aim::new(key, field)),
            _ => None,
        }
    }

    /// When the first of the fields expires.
    pub(in super::super) fn first_expiry(self) -> Option<u64> {
        match self {
            Self::Small(_) => None,
            Self::Large(hash, _) => hash.first_expiry(),
        }
    }

    /// The value of a field.
    pub(in super::super) fn get(self, key: HashKey, field: &[u8]) -> Option<Scalar<'a>> {
        match self {
            Self::Small(pack) => {
                let span = pack.find(&pack::encode(field), 2)?;
                pack.at(span.end).map(|(_, value)| value)
            }
            Self::Large(hash, _) => {
                let aim = Aim::new(key, field);
                let seen = self.hidden().is_none_or(|hidden| is_seen(hidden, &aim));
                hash.fields.get_by(&aim).filter(|_| seen).map(|field| field.value.scalar())
            }
        }
    }

    /// All fields with their values, in an order that stays as long as nothing changes.
    pub(in super::super) fn pairs(self) -> Pairs<'a> {
        self.pairs_from(0)
    }

    /// The same from the one at `index` on.
    pub(in super::super) fn pairs_from(self, index: usize) -> Pairs<'a> {
        match self {
            Self::Small(pack) => Pairs::Small { pack, at: pack.offset(2 * index) },
            Self::Large(hash, _) => Pairs::Large(hash.fields.iter_from(index), self.hidden()),
        }
    }

    /// All fields from the one at `index` on with their values, and when they expire.
    pub(in super::super) fn rows_from(
        self,
        index: usize,
    ) -> impl Iterator<Item = (Scalar<'a>, Scalar<'a>, Option<u64>)> {
        let (small, large) = match self {
            Self::Small(_) => (Some(self.pairs_from(index)), None),
            Self::Large(hash, _) => (None, Some(hash)),
        };
        let large = large.into_iter().flat_map(move |hash| {
            hash.fields.iter_from(index).map(|field| {
                let (name, value) = field.pair();
                (name, value, hash.times.as_ref().and_then(|times| times.get(&field.aim())))
            })
        });
        small.into_iter().flatten().map(|(field, value)| (field, value, None)).chain(large)
    }

    /// Shows about `count` fields from a position on to `f`, but all of a small hash; the position to go on from, `None`
    /// at the end.
    pub(in super::super) fn scan(
        self,
        from: u64,
        count: usize,
        mut f: impl FnMut(Scalar<'a>, Scalar<'a>),
    ) -> Option<u64> {
        match self {
            Self::Small(_) => {
                self.pairs().for_each(|(field, value)| f(field, value));
                None
            }
            Self::Large(hash, _) => hashed::scan(&hash.fields, from, count, |field| {
                if self.hidden().is_none_or(|hidden| is_seen(hidden, &field.aim())) {
                    let (field, value) = field.pair();
                    f(field, value);
                }
            }),
        }
    }
}

fn is_seen((times, now): (&Times, u64), aim: &Aim<'_>) -> bool {
    times.get(aim).is_none_or(|at| at >= now)
}

/// Fields with their values.
pub(in super::super) enum Pairs<'a> {
    Small { pack: Pack<'a>, at: usize },
    Large(Iter<'a, Field>, Option<(&'a Times, u64)>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Scalar<'a>, Scalar<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small { pack, at } => {
                let (span, field) = pack.at(*at)?;
                let (span, value) = pack.at(span.end)?;
                *at = span.end;
                Some((field, value))
            }
            Self::Large(fields, hidden) => {
                let seen = |field: &&Field| hidden.is_none_or(|hidden| is_seen(hidden, &field.aim()));
                fields.find(seen).map(Field::pair)
            }
        }
    }
}
