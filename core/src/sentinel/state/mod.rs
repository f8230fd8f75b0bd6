//! State before speech: what a sentinel must not forget is on the disk before anybody hears of it.
//!
//! The state file is text that is only appended to, so that a vote costs one write and one fsync whatever the number of
//! masters. [`Record`] is one of its lines, [`Remembered`] what all of them come to, `file` their form, [`Store`] the one who
//! writes them. sentinel.conf follows lazily ([`super::conf_file`]); at the start the higher epoch of the two counts.

mod error;
mod file;
mod merge;
mod record;
mod store;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

pub use error::StateError;
pub use merge::{Merged, VOTES_KEPT};
pub use record::Record;
pub use store::{Durable, Opened, Step, Store};

use crate::ids::RunId;

/// What the records of a state file come to: all that a sentinel may not forget.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    my_id: Option<RunId>,
    epoch: u64,
    masters: BTreeMap<String, Known>,
    /// Masters that were removed, as long as a sentinel.conf may still name them.
    forgotten: BTreeSet<String>,
}

/// What is known of one master. It has a vote, a place, or both.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Known {
    vote: Option<(u64, RunId)>,
    place: Option<Place>,
}

/// Where a master is, by the configuration of an epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    epoch: u64,
    host: String,
    port: u16,
}

impl Remembered {
    /// The sentinel's own id, if it has one.
    pub fn my_id(&self) -> Option<RunId> {
        self.my_id
    }

    /// The highest epoch that was recorded, in whatever record.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The last vote that was given about a master: its epoch, and for whom.
    pub fn vote(&self, master: &str) -> Option<(u64, RunId)> {
        self.masters.get(master)?.vote
    }

    /// Where a master is: the epoch of the configuration, host and port.
    pub fn place(&self, master: &str) -> Option<(u64, &str, u16)> {
        self.masters.get(master)?.place.as_ref().map(|p| (p.epoch, &p.host[..], p.port))
    }

    /// Whether masters were removed that a sentinel.conf may still name. Once one was written without them,
    /// [`Record::Settled`] says so.
    pub fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    /// Takes a record in. Epochs never go back: of two votes or configurations the one of the higher epoch stays, of two
    /// votes in one epoch the first, of two configurations the last.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::MyId(id) => self.my_id = Some(*id),
            Record::CurrentEpoch(epoch) => self.epoch = self.epoch.max(*epoch),
            Record::Vote { master, epoch, leader } => {
                self.epoch = self.epoch.max(*epoch);
                let known = self.masters.entry(master.clone()).or_default();
                if known.vote.is_none_or(|(held, _)| held < *epoch) {
                    known.vote = Some((*epoch, *leader));
                }
            }
            Record::Config { master, epoch, host, port } => {
                self.epoch = self.epoch.max(*epoch);
                self.forgotten.remove(master);
                let known = self.masters.entry(master.clone()).or_default();
                if known.place.as_ref().is_none_or(|held| held.epoch <= *epoch) {
                    known.place = Some(Place { epoch: *epoch, host: host.clone(), port: *port });
                }
            }
            Record::Forget { master } => {
                self.forgotten.insert(master.clone());
                // The vote stays: the master may be watched again, and be voted on in the same epoch.
                self.drop_place(master);
            }
            Record::Settled => self.forgotten.clear(),
        }
    }

    /// Forgets where a master is; all of it, if it was never voted on.
    fn drop_place(&mut self, master: &str) {
        if let Some(known) = self.masters.get_mut(master) {
            known.place = None;
            if known.vote.is_none() {
                self.masters.remove(master);
            }
        }
    }

    /// The fewest records that come to the same.
    pub fn records(&self) -> Vec<Record> {
        let own = self.my_id.map(Record::MyId).into_iter().chain([Record::CurrentEpoch(self.epoch)]);
        let masters = self.masters.iter().flat_map(|(name, known)| {
            let vote = known.vote.map(|(epoch, leader)| Record::Vote { master: name.clone(), epoch, leader });
            let place = known.place.clone().map(|p| Record::Config {
                master: name.clone(),
                epoch: p.epoch,
                host: p.host,
                port: p.port,
            });
            vote.into_iter().chain(place)
        });
        // First, so that it takes nothing from a vote that is kept.
        let forgotten = self.forgotten.iter().map(|name| Record::Forget { master: name.clone() });
        own.chain(forgotten).chain(masters).collect()
    }
}

#[cfg(test)]
mod tests;
