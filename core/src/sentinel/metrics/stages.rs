//! How failovers went: counts for each master, and how long each stage took, for all of them together.

use core::time::Duration;

use super::super::failover::{How, State};
use super::super::instance::GroupId;
use super::super::{Plain, Sentinel};
use crate::time::Instant;

/// The stages of a failover, as metrics call them: until others agree that the master is down, until it is our turn, the
/// states that instance maps show, and from the master's death (or the command) to the new master.
pub(super) const STAGES: [&str; 8] = [
    "agree",
    "turn",
    State::WaitStart.word(),
    State::SelectSlave.word(),
    State::SendSlaveofNoOne.word(),
    State::WaitPromotion.word(),
    State::ReconfSlaves.word(),
    "whole",
];
const AGREE: usize = 0;
const TURN: usize = 1;
const WHOLE: usize = STAGES.len() - 1;

/// Upper bounds of a histogram, ms; behind the last one there is another bucket.
pub(super) const BOUNDS_MS: [u64; 16] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 180_000];

/// How long one stage took, in every failover.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    buckets: [u64; BOUNDS_MS.len()],
    pub(super) count: u64,
    pub(super) sum: Duration,
}

impl Times {
    fn note(&mut self, took: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
        let fits = |ms: &&u64| took <= Duration::from_millis(**ms);
        if let Some(n) = BOUNDS_MS.iter().position(|ms| fits(&ms)).and_then(|i| self.buckets.get_mut(i)) {
            *n += 1;
        }
    }

    /// For each bound how many took as long at most.
    pub(super) fn below(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        BOUNDS_MS.into_iter().zip(self.buckets).map(move |(ms, n)| {
            below += n;
            (Duration::from_millis(ms), below)
        })
    }
}

/// How long the stages of all failovers took.
#[derive(Debug, Default)]
pub(in super::super) struct Stages([Times; STAGES.len()]);

impl Stages {
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, &Times)> {
        STAGES.into_iter().zip(&self.0)
    }
}

/// How failovers of one master went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Attempts of ours.
    pub begun: u64,
    /// Of these, those that gave a new master,
    pub promoted: u64,
    /// that we were not elected for,
    pub not_elected: u64,
    /// that found no replica to promote,
    pub no_replica: u64,
    /// whose replica did not become a master in time,
    pub timed_out: u64,
    /// and that another's made needless.
    pub superseded: u64,
    /// New addresses of the master, whoever led the failover.
    pub switches: u64,
    /// How long each stage of the last one took.
    pub(super) last: [Option<Duration>; STAGES.len()],
}

impl Tally {
    pub(in super::super) fn aborted(&mut self, why: Plain) {
        *match why {
            Plain::AbortNotElected => &mut self.not_elected,
            Plain::AbortNoReplica => &mut self.no_replica,
            _ => &mut self.timed_out,
        } += 1;
    }

    /// Another sentinel told a new configuration, while ours is in this state.
    pub(in super::super) fn overtaken(&mut self, state: State) {
        let under_way = stage(state).is_some() && state != State::ReconfSlaves;
        self.superseded += u64::from(under_way);
    }

    /// Each stage that the last failover came to, with what it took.
    pub(super) fn last(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        STAGES.into_iter().zip(self.last).filter_map(|(stage, took)| Some((stage, took?)))
    }
}

/// Where the stage of a state stands among them.
const fn stage(state: State) -> Option<usize> {
    match state {
        State::WaitStart => Some(2),
        State::SelectSlave => Some(3),
        State::SendSlaveofNoOne => Some(4),
        State::WaitPromotion => Some(5),
        State::ReconfSlaves => Some(6),
        State::None | State::UpdateConfig => None,
    }
}

impl Sentinel {
    fn took(&mut self, id: GroupId, stage: usize, time: Duration) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if let (Some(last), Some(times)) = (group.failover.tally.last.get_mut(stage), self.stages.0.get_mut(stage)) {
            *last = Some(time);
            times.note(time);
        }
    }

    /// A failover begins.
    pub(in super::super) fn begins(&mut self, id: GroupId, how: How, now: Instant) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let tally = &mut group.failover.tally;
        tally.begun += 1;
        tally.last = Default::default();
        if how == How::Down
            && let (Some(down), Some(odown)) = (&group.master.down, group.odown)
        {
            let since = down.since;
            self.took(id, AGREE, odown - since);
            self.took(id, TURN, now - odown);
        }
    }

    /// A failover leaves the state that it is in, if it is in one.
    pub(in super::super) fn leaves_state(&mut self, id: GroupId, now: Instant) {
        if let Some(f) = self.groups.get(&id).map(|g| &g.failover)
            && let Some(stage) = stage(f.state)
        {
            let time = now - f.since;
            self.took(id, stage, time);
        }
    }

    /// The new master is one, and it is written: what a user sees of a failover is over.
    pub(in super::super) fn came_about(&mut self, id: GroupId, now: Instant) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.failover.tally.promoted += 1;
        let began = group.master.down.as_ref().map_or(group.failover.started, |down| down.since);
        self.took(id, WHOLE, now - began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_first_bucket_that_holds_them() {
        let mut times = Times::default();
        for us in [0, 1_000, 1_001, 180_000_000, 180_000_001] {
            times.note(Duration::from_micros(us));
        }
        let below: alloc::vec::Vec<u64> = times.below().map(|(_, n)| n).collect();
        assert_eq!((below[0], below[1], below[14], below[15], times.count), (2, 3, 3, 4, 5));
        assert_eq!(times.below().last().map(|(bound, _)| bound), Some(Duration::from_secs(180)));
    }

    #[test]
    fn stages_are_those_of_the_states() {
        for state in
            [State::WaitStart, State::SelectSlave, State::SendSlaveofNoOne, State::WaitPromotion, State::ReconfSlaves]
        {
            assert_eq!(stage(state).map(|i| STAGES[i]), Some(state.word()));
        }
    }
}
