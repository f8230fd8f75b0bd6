//! The elements of one value, collected to be sorted.

use core::cmp::Ordering;

use primacy_core::rdb::Kind;

/// A value whose elements take more than this is printed in the order of the file, bytes.
pub(super) const SORTED_MAX: usize = 8 << 20;

/// What a row takes beside its bytes.
const ROW: usize = size_of::<Row>();

/// An element: its one or two strings lie behind each other.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: u32,
    /// Length of the member or field.
    first: u32,
    /// Length of the field's value.
    second: u32,
    /// Whether the number means something.
    marked: bool,
    /// A score's bits, or a field's expiry.
    number: u64,
}

/// An element as it is given and taken: member, none and score; or field, value and expiry.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Cells<'a> {
    pub(super) first: &'a [u8],
    pub(super) second: &'a [u8],
    /// A score's bits, or when a field expires.
    pub(super) number: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether an element of so many bytes more may be added.
    #[inline]
    pub(super) fn has_room(&self, len: u64) -> bool {
        let used = self.bytes.len() + (self.rows.len() + 1) * ROW;
        len <= SORTED_MAX.saturating_sub(used) as u64
    }

    /// Adds an element for which there [is room](Self::has_room).
    #[inline]
    pub(super) fn push(&mut self, cells: Cells<'_>) {
        // The room is far below 4 GB.
        let (at, first, second) = (self.bytes.len() as u32, cells.first.len() as u32, cells.second.len() as u32);
        self.bytes.extend_from_slice(cells.first);
        self.bytes.extend_from_slice(cells.second);
        let (marked, number) = (cells.number.is_some(), cells.number.unwrap_or_default());
        self.rows.push(Row { at, first, second, marked, number });
    }

    /// More bytes of the last element's value.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if let Some(row) = self.rows.last_mut() {
            row.second += bytes.len() as u32;
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The number of the last element.
    pub(super) fn mark(&mut self, number: Option<u64>) {
        if let Some(row) = self.rows.last_mut() {
            (row.marked, row.number) = (number.is_some(), number.unwrap_or_default());
        }
    }

    /// Sorts by bytes, a sorted set by (score, bytes).
    pub(super) fn sort(&mut self, kind: Kind) {
        let bytes = &self.bytes;
        let first = |row: &Row| bytes.get(row.at as usize..).and_then(|b| b.get(..row.first as usize));
        match kind {
            Kind::List => {}
            Kind::Set | Kind::Hash => self.rows.sort_unstable_by(|a, b| first(a).cmp(&first(b))),
            Kind::Zset => self.rows.sort_unstable_by(|a, b| {
                let (x, y) = (f64::from_bits(a.number), f64::from_bits(b.number));
                // Zero and minus zero are equal, as in a server; there is no NaN.
                x.partial_cmp(&y).unwrap_or(Ordering::Equal).then_with(|| first(a).cmp(&first(b)))
            }),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Cells<'_>> {
        self.rows.iter().map(|row| {
            let bytes = self.bytes.get(row.at as usize..).unwrap_or_default();
            let (first, rest) = bytes.split_at_checked(row.first as usize).unwrap_or_default();
            let second = rest.get(..row.second as usize).unwrap_or_default();
            Cells { first, second, number: row.marked.then_some(row.number) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'a>(list: &[(&'a str, &'a str, Option<u64>)]) -> Rows {
        let mut rows = Rows::default();
        for (first, second, number) in list {
            rows.push(Cells { first: first.as_bytes(), second: second.as_bytes(), number: *number });
        }
        rows
    }

    fn firsts(rows: &Rows) -> Vec<&str> {
        rows.iter().map(|cells| core::str::from_utf8(cells.first).unwrap()).collect()
    }

    #[test]
    fn fields_are_sorted_by_bytes_and_keep_their_values() {
        let mut rows = rows(&[("b", "2", Some(7)), ("a", "1", None), ("ab", "", None), ("", "0", None)]);
        rows.sort(Kind::Hash);
        assert_eq!(firsts(&rows), ["", "a", "ab", "b"]);
        let last = rows.iter().last().unwrap();
        assert_eq!(last, Cells { first: b"b", second: b"2", number: Some(7) });
    }

    #[test]
    fn members_are_sorted_by_score_first() {
        let bits = |score: f64| Some(score.to_bits());
        let mut rows = rows(&[
            ("z", "", bits(0.0)),
            ("y", "", bits(-0.0)),
            ("b", "", bits(f64::NEG_INFINITY)),
            ("a", "", bits(1.5)),
            ("c", "", bits(-2.0)),
        ]);
        rows.sort(Kind::Zset);
        assert_eq!(firsts(&rows), ["b", "c", "y", "z", "a"]);
    }

    #[test]
    fn a_value_may_come_in_pieces() {
        let mut rows = rows(&[("f", "", None)]);
        rows.extend(b"one");
        rows.extend(b"two");
        rows.mark(Some(9));
        assert_eq!(rows.iter().next(), Some(Cells { first: b"f", second: b"onetwo", number: Some(9) }));
    }

    #[test]
    fn there_is_room_up_to_the_limit() {
        let mut rows = Rows::default();
        assert!(rows.has_room((SORTED_MAX - ROW) as u64));
        assert!(!rows.has_room((SORTED_MAX - ROW + 1) as u64));
        rows.push(Cells { first: &[0; 1000], second: b"", number: None });
        assert!(rows.has_room((SORTED_MAX - 2 * ROW - 1000) as u64));
        assert!(!rows.has_room((SORTED_MAX - 2 * ROW - 999) as u64));
    }
}
