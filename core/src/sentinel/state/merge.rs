//! A sentinel.conf and a state file come to one: the higher epoch counts.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::Remembered;
use crate::config::sentinel::{MasterSettings, SentinelConfig};
use crate::ids::RunId;

/// Votes about masters that sentinel.conf does not name which are kept: one may be named again.
pub const VOTES_KEPT: usize = 1024;

/// Where the state file knew better than sentinel.conf; [`core::fmt::Display`] is a line for the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Merged {
    /// The two have different ids.
    #[error("sentinel.conf says myid {conf}, which is another sentinel's: this one is {own} by its state file")]
    Identity {
        /// What sentinel.conf says.
        conf: RunId,
        /// What the sentinel goes on with.
        own: RunId,
    },
    /// A master moved after sentinel.conf was written.
    #[error("master {master} is at {host} port {port} since epoch {epoch}: sentinel.conf is older than the state file")]
    Moved {
        /// Its name.
        master: String,
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// The epoch of its configuration.
        epoch: u64,
    },
    /// A master was removed after sentinel.conf was written.
    #[error("master {master} was removed (SENTINEL REMOVE): its lines in sentinel.conf are older than that")]
    Forgotten {
        /// Its name.
        master: String,
    },
}

impl Remembered {
    /// Brings `config` up to what is known here, and forgets what it shows to be of no use. A tie goes to sentinel.conf,
    /// which a person may have written.
    pub fn merge(&mut self, config: &mut SentinelConfig) -> Vec<Merged> {
        let mut told = Vec::new();
        if let Some(own) = self.my_id
            && let Some(conf) = config.global.myid.replace(own).filter(|conf| *conf != own)
        {
            told.push(Merged::Identity { conf, own });
        }
        config.masters.retain(|m| {
            let gone = self.forgotten.contains(&m.name);
            if gone {
                told.push(Merged::Forgotten { master: m.name.clone() });
            }
            !gone
        });
        let mut epoch = self.epoch.max(config.global.current_epoch);
        for m in &mut config.masters {
            self.bring_up(m, &mut told);
            epoch = epoch.max(m.config_epoch).max(m.leader_epoch);
        }
        self.epoch = epoch;
        config.global.current_epoch = epoch;
        self.drop_unnamed(config);
        told
    }

    /// Of masters that sentinel.conf does not name only the votes are kept, and of these the latest.
    fn drop_unnamed(&mut self, config: &SentinelConfig) {
        let named: BTreeSet<&str> = config.masters.iter().map(|m| &m.name[..]).collect();
        let unnamed: Vec<String> = self.masters.keys().filter(|n| !named.contains(&n[..])).cloned().collect();
        unnamed.iter().for_each(|name| self.drop_place(name));
        let mut votes: Vec<(u64, &String)> =
            { unnamed.iter() }.filter_map(|name| Some((self.masters.get(name)?.vote?.0, name))).collect();
        votes.sort_unstable();
        for (_, name) in votes.iter().rev().skip(VOTES_KEPT) {
            self.masters.remove(*name);
        }
    }

    fn bring_up(&self, m: &mut MasterSettings, told: &mut Vec<Merged>) {
        let Some(known) = self.masters.get(&m.name) else { return };
        if let Some((epoch, _)) = known.vote {
            m.leader_epoch = m.leader_epoch.max(epoch);
        }
        let Some(place) = known.place.as_ref().filter(|p| p.epoch > m.config_epoch) else { return };
        m.config_epoch = place.epoch;
        if (&m.host, m.port) == (&place.host, place.port) {
            return;
        }
        let old = (mem::replace(&mut m.host, place.host.clone()), mem::replace(&mut m.port, place.port));
        // The old master comes back as a replica of the new one, as after any failover.
        m.replicas.retain(|r| *r != (place.host.clone(), place.port) && *r != old);
        m.replicas.push(old);
        told.push(Merged::Moved {
            master: m.name.clone(),
            host: place.host.clone(),
            port: place.port,
            epoch: place.epoch,
        });
    }
}
