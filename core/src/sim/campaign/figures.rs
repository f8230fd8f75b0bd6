//! What a run counts beside its situations, so that the figures of many runs add up to one line.

use alloc::vec::Vec;
use core::fmt;

/// One figure: what is counted, and how much of it there was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// What, in words.
    pub what: &'static str,
    /// How much.
    pub amount: Amount,
}

/// How much, and what two runs come to together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    /// A count: runs add up.
    Sum(u64),
    /// The largest of something: the larger one stays.
    Most(u64),
    /// A mean, by the sum and the number of what it is taken of.
    Mean {
        /// The sum.
        sum: u64,
        /// The number.
        of: u64,
    },
    /// A part of a whole: both add up.
    Part {
        /// So many.
        part: u64,
        /// Of so many.
        of: u64,
    },
}

impl Figure {
    /// A count.
    pub const fn sum(what: &'static str, n: u64) -> Self {
        Self { what, amount: Amount::Sum(n) }
    }

    /// The largest of something.
    pub const fn most(what: &'static str, n: u64) -> Self {
        Self { what, amount: Amount::Most(n) }
    }

    /// A mean: a sum, and of how many.
    pub const fn mean(what: &'static str, sum: u64, of: u64) -> Self {
        Self { what, amount: Amount::Mean { sum, of } }
    }

    /// A part of a whole.
    pub const fn part(what: &'static str, part: u64, of: u64) -> Self {
        Self { what, amount: Amount::Part { part, of } }
    }

    /// The count, the largest, the sum or the part.
    pub const fn value(&self) -> u64 {
        match self.amount {
            Amount::Sum(n) | Amount::Most(n) | Amount::Mean { sum: n, .. } | Amount::Part { part: n, .. } => n,
        }
    }

    /// Whether both are the same amount of the same thing.
    fn is_like(&self, other: &Self) -> bool {
        self.what == other.what && core::mem::discriminant(&self.amount) == core::mem::discriminant(&other.amount)
    }

    fn add(&mut self, other: &Self) {
        match (&mut self.amount, other.amount) {
            (Amount::Sum(a), Amount::Sum(b)) => *a += b,
            (Amount::Most(a), Amount::Most(b)) => *a = (*a).max(b),
            (Amount::Mean { sum: a, of }, Amount::Mean { sum: b, of: o })
            | (Amount::Part { part: a, of }, Amount::Part { part: b, of: o }) => {
                *a += b;
                *of += o;
            }
            // Only what is alike is added.
            _ => {}
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount {
            Amount::Sum(n) => write!(f, "{} {}", Short(n), self.what),
            Amount::Most(n) => write!(f, "{}: {} at most", self.what, Short(n)),
            Amount::Part { of: 0, .. } | Amount::Mean { of: 0, .. } => write!(f, "{}: there were none", self.what),
            Amount::Mean { sum, of } => write!(f, "{}: {:.1} on average", self.what, sum as f64 / of as f64),
            Amount::Part { part, of } => {
                let percent = part as f64 * 100.0 / of as f64;
                write!(f, "{}: {percent:.1} % ({} of {})", self.what, Short(part), Short(of))
            }
        }
    }
}

/// A number for a line: `9999`, `12.3 k`, `45.6 M`.
#[derive(Clone, Copy, Debug)]
pub struct Short(pub u64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n @ 0..10_000 => write!(f, "{n}"),
            n @ 10_000..10_000_000 => write!(f, "{:.1} k", n as f64 / 1e3),
            n => write!(f, "{:.1} M", n as f64 / 1e6),
        }
    }
}

/// Adds the figures of a run to those of many.
pub(super) fn add(all: &mut Vec<Figure>, run: &[Figure]) {
    for figure in run {
        match all.iter_mut().find(|known| known.is_like(figure)) {
            Some(known) => known.add(figure),
            None => all.push(*figure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn counts_and_parts_add_up_and_the_largest_stays() {
        let run = |n, most, part| {
            let mean = Figure::mean("ms", most * 2, 2);
            [Figure::sum("writes", n), mean, Figure::most("ms", most), Figure::part("first", part, 20)]
        };
        let mut all = Vec::new();
        for (n, most, part) in [(7_000, 31, 19), (5_345, 12, 20)] {
            add(&mut all, &run(n, most, part));
        }
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["12.3 k writes", "ms: 21.5 on average", "ms: 31 at most", "first: 97.5 % (39 of 40)"]);
        assert_eq!(Figure::part("first", 0, 0).to_string(), "first: there were none");
    }
}
