//! How far behind replicas are in time, by one clock: when each stretch of the stream was written, and how long its
//! acknowledgement took, less the way back.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::replication::capa::PROMPT_GAP;
use crate::time::Instant;

/// Marks that are kept, of 16 bytes each; beyond, those go whose neighbours are close to each other for their age.
const MARKS_MAX: usize = 2048;
/// By so much of its age what was written may then seem older than it is: at this a few hours have place.
const COARSE: u64 = 128;
/// What is written within this time, us, has one mark: the figure's grain.
const MARK_GAP: u64 = 1000;
/// For how long a round trip counts as lately seen: between this and twice this.
const LATELY: Duration = Duration::from_secs(5);

/// When the bytes from an offset on were written, up to the next mark.
#[derive(Clone, Copy, Debug)]
struct Mark {
    from: u64,
    at: Instant,
}

/// When which part of the log was written.
#[derive(Debug, Default)]
pub(super) struct Marks {
    list: VecDeque<Mark>,
}

impl Marks {
    /// The log grew from offset `from` on, and holds what is behind `start`.
    #[inline]
    pub(super) fn grew(&mut self, from: u64, start: u64, now: Instant) {
        if self.list.back().is_none_or(|last| now.as_micros().saturating_sub(last.at.as_micros()) >= MARK_GAP) {
            self.push(Mark { from, at: now }, start);
        }
    }

    fn push(&mut self, mark: Mark, start: u64) {
        if self.list.len() >= MARKS_MAX {
            // What the log has forgotten nobody can lack; the mark before its start tells of its first bytes.
            let gone = self.list.partition_point(|m| m.from <= start).saturating_sub(1);
            self.list.drain(..gone);
        }
        if self.list.len() >= MARKS_MAX {
            self.thin(mark.at);
        }
        self.list.push_back(mark);
    }

    fn thin(&mut self, now: Instant) {
        let mut marks = core::mem::take(&mut self.list).into_iter().peekable();
        while let Some(mark) = marks.next() {
            let spare = self.list.back().zip(marks.peek()).is_some_and(|(before, next)| {
                let gap = next.at.as_micros().saturating_sub(before.at.as_micros());
                gap.saturating_mul(COARSE) <= now.as_micros().saturating_sub(next.at.as_micros())
            });
            if !spare {
                self.list.push_back(mark);
            }
        }
        if self.list.len() >= MARKS_MAX {
            // Days of writes without a pause: the second oldest gives way, and what it told of seems older.
            self.list.remove(1);
        }
    }

    /// The log begins anew.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// When the byte before `offset` was written: never later than it was, and earlier by no more than the distance of the
    /// marks. `None` if that was before the first mark.
    fn written(&self, offset: u64) -> Option<Instant> {
        let next = self.list.partition_point(|m| m.from < offset);
        self.list.get(next.checked_sub(1)?).map(|m| m.at)
    }

    /// When the first mark was made.
    fn first(&self) -> Option<Instant> {
        self.list.front().map(|m| m.at)
    }
}

/// The smallest round trip seen lately.
#[derive(Clone, Copy, Default, Debug)]
struct RoundTrip {
    least: Option<Duration>,
    /// That of the period before.
    before: Option<Duration>,
    since: Instant,
}

impl RoundTrip {
    fn sample(&mut self, took: Duration, now: Instant) {
        if now.since(self.since) >= LATELY {
            *self = Self { least: Some(took), before: self.least, since: now };
        } else {
            self.least = Some(self.least.map_or(took, |least| least.min(took)));
        }
    }

    /// It cannot be longer than this.
    fn bound(&mut self, most: Duration) {
        self.least = self.least.map(|least| least.min(most));
    }

    /// Half of it; nothing as long as it is unknown.
    fn way_back(&self) -> Duration {
        self.least.into_iter().chain(self.before).min().unwrap_or_default() / 2
    }
}

/// What is known of one replica's lag.
#[derive(Debug)]
pub(super) struct Delay {
    /// It acknowledges what it applied at once, at most every [`PROMPT_GAP`]; others once a second.
    prompt: bool,
    round_trip: RoundTrip,
    /// From the writing of a byte to its being applied there, as of the last acknowledgement that told.
    measured: Option<Duration>,
    /// The offset up to which it is known to have the stream, once it is.
    has: Option<u64>,
    /// What is before this offset may have waited to be sent: its way there was no mere way.
    queued: u64,
    /// When it last acknowledged something new.
    spoke: Instant,
}

impl Delay {
    /// Of a replica that acknowledges promptly or not, and whose answer in the handshake took `round_trip`.
    pub(super) fn new(prompt: bool, round_trip: Option<Duration>, now: Instant) -> Self {
        let round_trip = RoundTrip { least: round_trip, before: None, since: now };
        Self { prompt, round_trip, measured: None, has: None, queued: 0, spoke: now }
    }

    /// It goes on at `offset`, and all up to `visible` is sent at once.
    pub(super) fn goes_on(&mut self, offset: u64, visible: u64) {
        self.has = Some(offset);
        self.queued = visible;
    }

    /// What is before `visible` did not all leave when it was written.
    #[inline]
    pub(super) fn queues(&mut self, visible: u64) {
        self.queued = visible;
    }

    /// It acknowledged `offset`, of a log that ends at `visible`.
    pub(super) fn acknowledged(&mut self, offset: u64, visible: u64, marks: &Marks, now: Instant) {
        let Some(had) = self.has else {
            // What it says first it may have since long.
            return self.goes_on(offset, visible);
        };
        let news = offset > had;
        self.has = Some(offset.max(had));
        let Some(written) = marks.written(offset).filter(|_| news || !self.prompt) else { return };
        let took = now.since(written);
        if !self.prompt {
            self.round_trip.bound(took);
        } else if offset > self.queued {
            self.round_trip.sample(took, now);
        }
        let back = self.round_trip.way_back();
        let most = took.saturating_sub(back);
        // What was written behind it was not there when it spoke.
        let mut least = self.waits(offset, visible, marks, now).saturating_sub(back);
        if self.prompt {
            // It may have held its tongue since its last word; after a longer silence it spoke at once.
            let held = if now.since(self.spoke) >= 2 * PROMPT_GAP { Duration::ZERO } else { PROMPT_GAP };
            least = least.max(most.saturating_sub(held));
        }
        self.spoke = now;
        self.measured = Some(self.measured.unwrap_or(back).clamp(least.min(most), most));
    }

    /// For how long what comes behind `offset` is there.
    fn waits(&self, offset: u64, visible: u64, marks: &Marks, now: Instant) -> Duration {
        // What is older than every mark is there for as long as that at least.
        let first = (offset < visible).then(|| marks.written(offset + 1).or(marks.first())).flatten();
        first.map_or(Duration::ZERO, |at| now.since(at))
    }

    /// How far behind it is now, and was by its last acknowledgement that told; `None` as long as it said nothing.
    pub(super) fn now(&self, visible: u64, marks: &Marks, now: Instant) -> Option<(Duration, Duration)> {
        let has = self.has?;
        let back = self.round_trip.way_back();
        let measured = self.measured.unwrap_or(back);
        // The silence of a prompt one means nothing for that long.
        let silence = if self.prompt { back + PROMPT_GAP } else { back };
        Some((measured.max(self.waits(has, visible, marks, now).saturating_sub(silence)), measured))
    }
}

#[cfg(test)]
mod tests;
