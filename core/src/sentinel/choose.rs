//! Which replica would be promoted, and why the others would not.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::Sentinel;
use super::info::Role;
use super::instance::{Group, Replica};
use crate::mutations::{self, Mutation};
use crate::time::Instant;

/// A replica whose last good answer is older is not promoted.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// `down-after-milliseconds` so many times may a replica's link to the master have been down before the master was.
const LINK_DOWN_FACTOR: u32 = 10;

/// Why a replica cannot be promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It is down.
    #[error("it is down")]
    Down,
    /// There is no connection to it.
    #[error("there is no connection to it")]
    Disconnected,
    /// It was silent for too long.
    #[error("it did not answer for over 5 seconds")]
    Silent,
    /// Its priority forbids it.
    #[error("its replica-priority is 0")]
    Priority,
    /// What is known of it is too old.
    #[error("its INFO is too old")]
    Stale,
    /// It lost the master long before.
    #[error("its link to the master was down for too long")]
    LinkDown,
    /// It was told in this failover, and refused.
    #[error("it refused to be promoted")]
    Refused,
}

impl Sentinel {
    /// Why a replica cannot be promoted now, if anything speaks against it.
    pub(super) fn unfit(&self, group: &Group, n: u32, replica: &Replica, now: Instant) -> Option<Unfit> {
        let server = &replica.server;
        let Some(link) = self.links.get(server.link) else { return Some(Unfit::Disconnected) };
        let since_down = group.master.down.as_ref().map(|d| now.since(d.since));
        let info_max = match since_down {
            Some(_) => Duration::from_secs(5),
            None => self.timing.info_period * 3,
        };
        let link_max = group.down_after() * LINK_DOWN_FACTOR + since_down.unwrap_or_default();
        // Fresher data than a replica's are waited for only where there is a master that may have them: one that became a
        // replica throws its own away, and nobody has a link to it since.
        let master_lives = group.master.role == Role::Master;
        match () {
            () if group.failover.refused.contains(&n) => Some(Unfit::Refused),
            () if server.down.is_some() => Some(Unfit::Down),
            () if !link.is_up() => Some(Unfit::Disconnected),
            () if now.since(link.good) > ANSWER_MAX => Some(Unfit::Silent),
            () if replica.priority == 0 => Some(Unfit::Priority),
            () if server.info_at.is_none_or(|at| now.since(at) > info_max) => Some(Unfit::Stale),
            () if master_lives && replica.link_down > link_max => Some(Unfit::LinkDown),
            () => None,
        }
    }

    /// All replicas, the best one first: by priority, by whether its history is the master's, by offset, by run id.
    /// With each, why it cannot be promoted.
    pub(crate) fn ranking(&self, group: &Group, now: Instant) -> Vec<(u32, Option<Unfit>)> {
        let mut all: Vec<_> = group.replicas.iter().map(|(&n, r)| (n, r, self.unfit(group, n, r, now))).collect();
        let history = group.master.replid;
        all.sort_by_key(|(_, r, unfit)| {
            // The others can resume from one that shares their history; without its master's it is some other's.
            let foreign = history.is_some() && r.server.replid.is_some() && r.server.replid != history;
            (unfit.is_some(), r.priority, foreign, Reverse(r.server.offset), r.server.run_id.is_none(), r.server.run_id)
        });
        all.into_iter().map(|(n, _, unfit)| (n, unfit)).collect()
    }

    /// The replica that would be promoted now.
    pub(super) fn best(&self, group: &Group, now: Instant) -> Option<u32> {
        let ranking = self.ranking(group, now);
        let mut fit = ranking.iter().filter(|(_, unfit)| unfit.is_none()).map(|&(n, _)| n);
        if mutations::on(Mutation::PromotesWorst) { fit.next_back() } else { fit.next() }
    }
}
