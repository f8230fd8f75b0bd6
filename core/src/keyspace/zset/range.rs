//! Ranges of sorted sets: by score, by member, by rank; and the LIMIT of what they hold.

use core::cmp::Ordering;
use core::ops::Range;

use super::super::score;
use super::super::tree::Seek;
use super::Ranked;
use crate::rdb::Scalar;
use crate::resp::parse_i64;

/// An end of a range of scores.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::keyspace) struct ScoreEnd {
    at: f64,
    exclusive: bool,
}

impl ScoreEnd {
    /// How a score equal to this end counts: on the `outer` side if the end is left out.
    fn tie(self, outer: Ordering) -> Ordering {
        if self.exclusive { outer } else { Ordering::Equal }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (exclusive, number) = match text {
            [b'(', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        score::end(number).map(|at| Self { at, exclusive })
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) enum LexEnd<'a> {
    /// `-`: before all.
    First,
    /// `+`: behind all.
    Last,
    /// `[member` or `(member`.
    At { member: &'a [u8], exclusive: bool },
}

impl<'a> LexEnd<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(Self::First),
            b"+" => Some(Self::Last),
            [b'[', member @ ..] => Some(Self::At { member, exclusive: false }),
            [b'(', member @ ..] => Some(Self::At { member, exclusive: true }),
            _ => None,
        }
    }
}

/// Which members are wanted. A range by member means something only where all scores are equal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::keyspace) enum Window<'a> {
    /// By score, from the lowest to the highest.
    Scores(ScoreEnd, ScoreEnd),
    /// By member.
    Members(LexEnd<'a>, LexEnd<'a>),
    /// By rank; negative ones count from the end.
    Ranks(i64, i64),
}

/// What a window goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::keyspace) enum By {
    Score,
    Member,
    Rank,
}

impl<'a> Window<'a> {
    /// The scores from `min` on that are less than `max`.
    pub(in crate::keyspace) fn scores_below(min: f64, max: f64) -> Self {
        Self::Scores(ScoreEnd { at: min, exclusive: false }, ScoreEnd { at: max, exclusive: true })
    }

    /// The window between two arguments; an error's text if they are no ends of one.
    pub(in crate::keyspace) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, &'static str> {
        match by {
            By::Score => ScoreEnd::parse(min)
                .zip(ScoreEnd::parse(max))
                .map(|(min, max)| Self::Scores(min, max))
                .ok_or("ERR min or max is not a float"),
            By::Member => LexEnd::parse(min)
                .zip(LexEnd::parse(max))
                .map(|(min, max)| Self::Members(min, max))
                .ok_or("ERR min or max not valid string range item"),
            By::Rank => parse_i64(min)
                .zip(parse_i64(max))
                .map(|(start, stop)| Self::Ranks(start, stop))
                .ok_or("ERR value is not an integer or out of range"),
        }
    }

    /// Whether an element stands before the window.
    pub(super) fn is_before(&self, score: f64, member: Scalar<'_>) -> bool {
        match *self {
            Self::Scores(min, _) => score::compare(score, min.at).then(min.tie(Ordering::Less)).is_lt(),
            Self::Members(LexEnd::First, _) | Self::Ranks(..) => false,
            Self::Members(LexEnd::Last, _) => true,
            Self::Members(LexEnd::At { member: min, exclusive }, _) => match member.text(&mut [0; 20]).cmp(min) {
                Ordering::Less => true,
                Ordering::Equal => exclusive,
                Ordering::Greater => false,
            },
        }
    }

    /// Whether an element stands behind the window.
    pub(super) fn is_behind(&self, score: f64, member: Scalar<'_>) -> bool {
        match *self {
            Self::Scores(_, max) => score::compare(score, max.at).then(max.tie(Ordering::Greater)).is_gt(),
            Self::Members(_, LexEnd::First) => true,
            Self::Members(_, LexEnd::Last) | Self::Ranks(..) => false,
            Self::Members(_, LexEnd::At { member: max, exclusive }) => match member.text(&mut [0; 20]).cmp(max) {
                Ordering::Less => false,
                Ordering::Equal => exclusive,
                Ordering::Greater => true,
            },
        }
    }
}

/// The ranks from `start` to `stop` of `len`, as far as they are there.
pub(super) fn ranks(start: i64, stop: i64, len: usize) -> Range<usize> {
    let n = i64::try_from(len).unwrap_or(i64::MAX);
    let from = if start < 0 { start.saturating_add(n).max(0) } else { start };
    let last = if stop < 0 { stop.saturating_add(n) } else { stop.min(n - 1) };
    if from > last { 0..0 } else { from as usize..last as usize + 1 }
}

/// What `LIMIT offset count` leaves of a range that is walked upwards or, if `down`, downwards; a negative count is no
/// limit, a negative offset leaves nothing.
pub(in crate::keyspace) fn limit(range: Range<usize>, offset: i64, count: i64, down: bool) -> Range<usize> {
    let skip = usize::try_from(offset).unwrap_or(usize::MAX).min(range.len());
    let take = usize::try_from(count).unwrap_or(usize::MAX).min(range.len() - skip);
    if down {
        let end = range.end - skip;
        end - take..end
    } else {
        let start = range.start + skip;
        start..start + take
    }
}

/// Where a window begins among ranked elements or, if `end`, where it ends.
pub(super) struct Edge<'w, 'a> {
    pub(super) window: &'w Window<'a>,
    pub(super) end: bool,
}

impl Seek<Ranked> for Edge<'_, '_> {
    fn entry(&self, entry: &Ranked) -> Ordering {
        let member = entry.member.scalar();
        let less = if self.end {
            !self.window.is_behind(entry.score, member)
        } else {
            self.window.is_before(entry.score, member)
        };
        if less { Ordering::Less } else { Ordering::Greater }
    }

    fn mark(&self, mark: &f64) -> Ordering {
        match self.window {
            Window::Scores(min, max) => score::compare(*mark, if self.end { max.at } else { min.at }),
            // Members are told apart by themselves.
            _ => Ordering::Equal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_both_ends() {
        assert_eq!(ranks(0, -1, 5), 0..5);
        assert_eq!(ranks(-2, -1, 5), 3..5);
        assert_eq!(ranks(-100, 100, 5), 0..5);
        assert_eq!(ranks(5, 9, 5), 0..0);
        assert_eq!(ranks(3, 1, 5), 0..0);
        assert_eq!(ranks(0, -6, 5), 0..0);
        assert_eq!(ranks(i64::MIN, i64::MAX, 5), 0..5);
        assert_eq!(ranks(i64::MAX, i64::MIN, 0), 0..0);
    }

    #[test]
    fn limits_from_both_ends() {
        assert_eq!(limit(2..8, 1, 2, false), 3..5);
        assert_eq!(limit(2..8, 1, 2, true), 5..7);
        assert_eq!(limit(2..8, 1, -1, false), 3..8);
        assert_eq!(limit(2..8, 9, 1, false), 8..8);
        assert!(limit(2..8, -1, 5, true).is_empty());
        assert_eq!(limit(2..8, 0, i64::MAX, true), 2..8);
    }
}
