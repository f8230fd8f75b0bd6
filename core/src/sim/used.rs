//! Numbers that were used once: kept as ranges, so that ids that count up cost nothing.

use alloc::collections::BTreeMap;

/// A set of numbers that only grows.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// First to last of each range; ranges neither touch nor overlap.
    ranges: BTreeMap<u64, u64>,
    /// The last one taken, which most new ones follow.
    last: Option<u64>,
}

impl Used {
    /// Takes `n`; false if it was used before.
    pub(super) fn take(&mut self, n: u64) -> bool {
        // Ids that count up stay in the one range that was last touched.
        if let Some(last) = self.last
            && n == last.wrapping_add(1)
            && n != 0
            && let Some((_, end)) = self.ranges.last_key_value().map(|(s, e)| (*s, *e))
            && end == last
            && let Some(mut range) = self.ranges.last_entry()
        {
            *range.get_mut() = n;
            self.last = Some(n);
            return true;
        }
        let before = self.ranges.range(..=n).next_back().map(|(s, e)| (*s, *e));
        if before.is_some_and(|(_, end)| end >= n) {
            return false;
        }
        let mut start = n;
        let mut end = n;
        if let Some((s, e)) = before
            && e.checked_add(1) == Some(n)
        {
            start = s;
        }
        if let Some(next) = n.checked_add(1)
            && let Some(e) = self.ranges.remove(&next)
        {
            end = e;
        }
        self.ranges.insert(start, end);
        self.last = Some(n);
        true
    }

    /// Whether `n` was taken.
    pub(super) fn contains(&self, n: u64) -> bool {
        self.ranges.range(..=n).next_back().is_some_and(|(_, end)| *end >= n)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_number_is_taken_once_in_any_order() {
        let mut rng = Rng::new([1; 32]);
        let (mut used, mut model) = (Used::default(), BTreeSet::new());
        for _ in 0..5_000 {
            let n = rng.below(600);
            assert_eq!(used.take(n), model.insert(n), "{n}");
            assert!(used.contains(n) && used.contains(600) == model.contains(&600));
        }
        assert_eq!(used.ranges.len(), model.iter().filter(|n| !model.contains(&n.wrapping_sub(1))).count());
        let mut up = Used::default();
        assert!((1..1000).all(|n| up.take(n)) && !up.take(999) && up.take(u64::MAX) && up.take(0));
        assert_eq!(up.ranges.len(), 2);
    }
}
