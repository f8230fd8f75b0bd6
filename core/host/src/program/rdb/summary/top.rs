//! The biggest keys.

/// How many are kept.
const KEPT: usize = 10;
/// So many bytes of a key are kept.
pub(super) const SHOWN: usize = 64;

/// A key among the biggest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Big {
    pub(super) size: u64,
    pub(super) db: u64,
    pub(super) kind: &'static str,
    /// Escaped and cut.
    pub(super) key: String,
}

/// The biggest so far, the biggest first; of equal ones that which came first.
#[derive(Debug, Default)]
pub(super) struct Top {
    list: Vec<Big>,
}

impl Top {
    /// Offers a key; `key` makes its text.
    pub(super) fn offer(&mut self, size: u64, db: u64, kind: &'static str, key: impl FnOnce() -> String) {
        let least = self.list.last().map_or(0, |big| big.size);
        if size == 0 || self.list.len() == KEPT && size <= least {
            return;
        }
        self.list.truncate(KEPT - 1);
        let at = self.list.partition_point(|big| big.size >= size);
        self.list.insert(at, Big { size, db, kind, key: key() });
    }

    pub(super) fn list(&self) -> &[Big] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_biggest_are_kept_in_order() {
        let mut top = Top::default();
        for n in [5, 1, 9, 3, 12, 7, 7, 0, 20, 2, 8, 4, 6, 11] {
            top.offer(n, 0, "list", || n.to_string());
        }
        let sizes: Vec<u64> = top.list().iter().map(|big| big.size).collect();
        assert_eq!(sizes, [20, 12, 11, 9, 8, 7, 7, 6, 5, 4]);
    }
}
