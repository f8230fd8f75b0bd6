//! `one-leader`: a failover has one leader in an epoch. `one-promotion`: one fault, one failover.

use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

use super::Broken;
use crate::sim::{Fault, HostId};
use crate::time::Instant;

/// The name of the first.
pub const ONE_LEADER: &str = "one-leader";
/// The name of the second.
pub const ONE_PROMOTION: &str = "one-promotion";
/// What a fault without a length does to connections is over after so long, at the latest.
const SHORT: Duration = Duration::from_secs(30);

/// Until when each host is, or was, disturbed by a fault of its own or on a way to it.
#[derive(Debug, Default)]
pub struct Disturbed(BTreeMap<HostId, Instant>);

impl Disturbed {
    /// A fault begins.
    pub fn fault(&mut self, fault: &Fault, now: Instant) {
        let until = match fault {
            Fault::Drift { .. } => Instant::MAX,
            _ => now + fault.lasts().unwrap_or_default() + SHORT,
        };
        match fault {
            Fault::Heal => {
                for at in self.0.values_mut() {
                    *at = (*at).min(now + SHORT);
                }
            }
            Fault::WallJump { .. } | Fault::WallDrift { .. } => {}
            _ => {
                for host in [fault.host(), fault.other()].into_iter().flatten() {
                    let at = self.0.entry(host).or_default();
                    *at = (*at).max(until);
                }
            }
        }
    }

    /// Whether nothing has disturbed a host since `since`.
    pub fn calm(&self, host: HostId, since: Instant) -> bool {
        self.0.get(&host).is_none_or(|until| *until <= since)
    }
}

/// A failover that somebody leads.
#[derive(Clone, Copy, Debug)]
struct Lead {
    sentinel: HostId,
    boot: u32,
    at: Instant,
    /// The first vote in its epoch: who gave another waits for the failover from then on.
    voted: Instant,
    over: bool,
}

/// Who led which failover.
#[derive(Debug, Default)]
pub struct Leaders {
    /// By master and epoch.
    all: BTreeMap<(usize, u64), HostId>,
    /// The first vote in each.
    voted: BTreeMap<(usize, u64), Instant>,
    /// The last one of each master.
    last: BTreeMap<usize, Lead>,
    /// When each master changed last.
    switched: BTreeMap<usize, Instant>,
}

/// A sentinel that was elected, and the world around it.
#[derive(Clone, Copy, Debug)]
pub struct Elected<'a> {
    /// The master.
    pub master: usize,
    /// In which epoch.
    pub epoch: u64,
    /// Who.
    pub sentinel: HostId,
    /// Its boot.
    pub boot: u32,
    /// When.
    pub now: Instant,
    /// How long a failover may take.
    pub timeout: Duration,
    /// All sentinels.
    pub sentinels: &'a [HostId],
    /// The server that is the master, as far as the one elected knows.
    pub server: Option<HostId>,
}

impl Leaders {
    /// A sentinel votes in an epoch.
    pub fn voted(&mut self, master: usize, epoch: u64, at: Instant) {
        self.voted.entry((master, epoch)).or_insert(at);
    }

    /// A sentinel leads a failover.
    ///
    /// # Errors
    /// Another leads it in the same epoch.
    pub fn one_leader(&mut self, one: &Elected<'_>) -> Result<(), Broken> {
        let Elected { master, epoch, sentinel, .. } = *one;
        let first = *self.all.entry((master, epoch)).or_insert(sentinel);
        if first == sentinel {
            return Ok(());
        }
        let text = format!("{first} and {sentinel} both lead the failover of master {master} in epoch {epoch}");
        Err(Broken::new(ONE_LEADER, text))
    }

    /// A sentinel leads a failover; noted as the last one.
    ///
    /// # Errors
    /// Another is at it and nothing has happened to it, or nothing happened since the last failover at all.
    pub fn one_promotion(&mut self, one: &Elected<'_>, disturbed: &Disturbed) -> Result<(), Broken> {
        let Elected { master, epoch, sentinel, boot, now, timeout, sentinels, server } = *one;
        let voted = self.voted.get(&(master, epoch)).copied().unwrap_or(now);
        let lead = Lead { sentinel, boot, at: now, voted, over: false };
        let before = self.last.insert(master, lead);
        let all_calm = |since| sentinels.iter().all(|s| disturbed.calm(*s, since));
        if let Some(other) = before
            && !other.over
            && other.sentinel != sentinel
            && now - other.voted < timeout
            // Its new master is a master like any other, which the next fault may hit.
            && self.switched.get(&master).is_none_or(|at| *at < other.at)
            && all_calm(other.at)
        {
            let text = format!(
                "{sentinel} leads a failover of master {master} in epoch {epoch}, {:?} after {} began one, with which nothing is wrong",
                now - other.at,
                other.sentinel
            );
            return Err(Broken::new(ONE_PROMOTION, text));
        }
        if let (Some(&at), Some(server)) = (self.switched.get(&master), server)
            && all_calm(at)
            && disturbed.calm(server, at)
        {
            let text = format!(
                "{sentinel} leads another failover of master {master} in epoch {epoch}, {:?} after the last, and nothing happened since",
                now - at
            );
            return Err(Broken::new(ONE_PROMOTION, text));
        }
        Ok(())
    }

    /// A sentinel's failover came to its end, or its process did.
    pub fn over(&mut self, master: usize, sentinel: HostId) {
        if let Some(lead) = self.last.get_mut(&master).filter(|l| l.sentinel == sentinel) {
            lead.over = true;
        }
    }

    /// A sentinel's process is another now.
    pub fn booted(&mut self, sentinel: HostId, boot: u32) {
        for lead in self.last.values_mut().filter(|l| l.sentinel == sentinel && l.boot != boot) {
            lead.over = true;
        }
    }

    /// A master has another address, by its leader.
    pub fn switched(&mut self, master: usize, now: Instant) {
        self.switched.insert(master, now);
    }
}
