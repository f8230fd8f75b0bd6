//! What would happen if a master died now: who would vote, who would be promoted, and what would be lost.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Sentinel;
use super::choose::Unfit;
use super::failover::Blocked;
use super::info::Role;
use super::instance::Group;
use crate::time::Instant;

/// One replica in the order in which it would be chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its address.
    pub name: Box<str>,
    /// Why it would not be promoted; `None` if it could be.
    pub unfit: Option<Unfit>,
    /// Its `replica-priority`.
    pub priority: u32,
    /// Its offset, by its last INFO.
    pub offset: u64,
    /// Bytes of the master's stream that it did not have, by the last INFO of both.
    pub behind: u64,
    /// Whether its history is the master's, so that the others could resume from it.
    pub same_history: bool,
    /// How old its INFO is, in ms; `None` if there was none.
    pub info_age_ms: Option<u64>,
}

/// One sentinel as a voter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voter {
    /// Its id, or its address while that is unknown.
    pub name: Box<str>,
    /// Its address.
    pub addr: Box<str>,
    /// Whether it answers.
    pub answers: bool,
    /// How long ago its last hello came, in ms.
    pub hello_age_ms: u64,
    /// Whether it told the same configuration in it.
    pub agrees: bool,
}

/// The answer of `SENTINEL EXPLAIN`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// In words, one sentence: what would happen.
    pub verdict: String,
    /// Whether a failover would come about.
    pub would_fail_over: bool,
    /// Who would be promoted.
    pub promoted: Option<Box<str>>,
    /// Bytes of the master's stream that would be lost, by what is known now.
    pub lost_bytes: u64,
    /// The quorum.
    pub quorum: u32,
    /// Votes that make a leader.
    pub votes_needed: u32,
    /// All voters but this sentinel.
    pub voters: Vec<Voter>,
    /// All replicas, the best first.
    pub candidates: Vec<Candidate>,
    /// What keeps a failover from starting now.
    pub blocked: Option<String>,
}

impl Sentinel {
    /// What would happen if the master of this name died now; `None` if there is none of this name.
    pub fn explain(&self, name: &str, now: Instant) -> Option<Explanation> {
        let group = self.group(name)?;
        let history = group.master.replid;
        let candidates: Vec<Candidate> = (self.ranking(group, now).into_iter())
            .filter_map(|(n, unfit)| {
                let r = group.replicas.get(&n)?;
                Some(Candidate {
                    name: r.name().into(),
                    unfit,
                    priority: r.priority,
                    offset: r.server.offset,
                    behind: group.master.offset.saturating_sub(r.server.offset),
                    same_history: history.is_none() || r.server.replid == history,
                    info_age_ms: r.server.info_at.map(|at| now.since(at).as_millis() as u64),
                })
            })
            .collect();
        let voters: Vec<Voter> = group.peers.values().map(|p| self.voter(group, p, now)).collect();
        let answering = 1 + voters.iter().filter(|v| v.answers).count() as u32;
        let best = candidates.first().filter(|c| c.unfit.is_none());
        let blocked = self.obstacle(group, now);
        let enough = answering >= group.votes_needed();
        let would = enough && best.is_some() && blocked.is_none();
        let lost_bytes = best.map_or(0, |c| c.behind);
        Some(Explanation {
            verdict: verdict(group, answering, best, blocked.as_deref()),
            would_fail_over: would,
            promoted: best.filter(|_| would).map(|c| c.name.clone()),
            lost_bytes,
            quorum: group.set.quorum,
            votes_needed: group.votes_needed(),
            voters,
            candidates,
            blocked,
        })
    }

    fn voter(&self, group: &Group, p: &super::instance::Peer, now: Instant) -> Voter {
        let up = self.links.get(p.link).is_some_and(super::links::InstanceLink::is_up);
        let told = p.told.as_ref().is_some_and(|(e, a)| *e == group.config_epoch && a.same(&group.master.addr));
        Voter {
            name: p.run_id.map_or_else(|| p.addr.to_string(), |id| id.to_string()).into(),
            addr: p.addr.to_string().into(),
            answers: up && p.down.is_none(),
            hello_age_ms: now.since(p.hello_at).as_millis() as u64,
            agrees: told,
        }
    }

    /// What keeps a failover from starting, in words.
    fn obstacle(&self, group: &Group, now: Instant) -> Option<String> {
        let ms = |until: Instant| until.since(now).as_millis();
        if self.tilt.is_some() {
            return Some("this sentinel is in tilt mode".into());
        }
        match group.failover.blocked? {
            Blocked::Wait { until } if until > now => {
                Some(alloc::format!("the last attempt is not long ago: {} ms are left", ms(until)))
            }
            Blocked::Beaten { leader, until } if until > now => {
                Some(alloc::format!("the vote was given to {leader}, which has {} ms left", ms(until)))
            }
            _ => None,
        }
    }
}

fn verdict(group: &Group, answering: u32, best: Option<&Candidate>, blocked: Option<&str>) -> String {
    let (name, need) = (group.name(), group.votes_needed());
    if group.master.role == Role::Replica {
        return alloc::format!(
            "{name} reports that it is a replica: it would be failed over for that alone after a while."
        );
    }
    if answering < need {
        return alloc::format!("No failover: {answering} sentinels answer, and {need} votes are needed.");
    }
    let Some(best) = best else {
        return "No failover: no replica can be promoted; the list says why for each.".into();
    };
    if let Some(why) = blocked {
        return alloc::format!("No failover now: {why}.");
    }
    let loss = match best.behind {
        0 => "nothing that INFO knows of would be lost".into(),
        bytes => alloc::format!("{bytes} bytes of the stream would be lost"),
    };
    alloc::format!("{} would be promoted; {loss}.", best.name)
}
