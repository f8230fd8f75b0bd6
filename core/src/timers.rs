//! All deadlines of one machine in one place, keyed by what they are for.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// A set of deadlines, at most one for each key. `deadline()` of a machine is [`Timers::next`].
#[derive(Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of `key`, replacing the one it had.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key, at) {
            if old == at {
                return;
            }
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((at, key));
    }

    /// Sets the deadline of `key` unless it has an earlier one.
    pub fn set_sooner(&mut self, key: K, at: Instant) {
        if self.get(key).is_none_or(|old| at < old) {
            self.set(key, at);
        }
    }

    /// Removes the deadline of `key`, if it has one.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: K) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// The key of the earliest deadline: it names the culprit when a machine spins.
    pub fn next_key(&self) -> Option<K> {
        self.by_time.first().map(|&(_, k)| k)
    }

    /// Takes the earliest deadline out if it is due at `now`. Call until `None`; whoever needs it again sets it again.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(n: u64) -> Instant {
        Instant::from_micros(n)
    }

    #[test]
    fn earliest_first_and_one_per_key() {
        let mut t = Timers::new();
        t.set('a', us(5));
        t.set('b', us(3));
        t.set('a', us(9));
        t.set_sooner('b', us(4));
        assert_eq!((t.next(), t.next_key()), (Some(us(3)), Some('b')));
        assert_eq!(t.pop_due(us(2)), None);
        assert_eq!(t.pop_due(us(9)), Some('b'));
        assert_eq!(t.pop_due(us(9)), Some('a'));
        assert_eq!((t.pop_due(us(9)), t.next()), (None, None));
        t.set('c', us(1));
        t.clear('c');
        assert_eq!((t.get('c'), t.next()), (None, None));
    }
}
