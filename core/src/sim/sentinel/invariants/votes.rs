//! `one-vote`: a sentinel votes once in an epoch of a master, over crashes too.

use alloc::collections::BTreeMap;
use alloc::format;

use super::Broken;
use crate::ids::RunId;

/// The name.
pub const NAME: &str = "one-vote";

/// Every vote that anybody has seen, in a sentinel's own memory or in its answer to another: voter, master and epoch, and
/// for whom.
#[derive(Debug, Default)]
pub struct Votes(BTreeMap<(usize, usize, u64), RunId>);

impl Votes {
    /// Sentinel `voter` is seen to have voted for `leader`.
    pub fn see(&mut self, voter: usize, master: usize, epoch: u64, leader: RunId) -> Result<(), Broken> {
        let first = *self.0.entry((voter, master, epoch)).or_insert(leader);
        if first == leader {
            return Ok(());
        }
        let text = format!("sentinel {voter} voted for {first} in epoch {epoch} of master {master}, and for {leader}");
        Err(Broken::new(NAME, text))
    }

    /// Whether a vote was given for nobody but `leader` in an epoch, as far as anybody saw.
    pub fn given(&self, master: usize, epoch: u64, leader: RunId) -> usize {
        self.0.iter().filter(|((_, m, e), l)| *m == master && *e == epoch && **l == leader).count()
    }
}
