//! The sentinel campaign: masters with their replicas, the sentinels that watch them, and clients that ask these where to
//! write.
//!
//! Servers and sentinels are the shipped machines, each sentinel with a disk of its own. A run's list of what goes wrong
//! names the master, or the sentinel that leads a failover, by what it is then: so it can be hit in every state.

mod actor;
pub mod classic;
pub mod client;
pub mod elections;
pub mod invariants;
pub mod losses;
mod run;
mod scenario;
mod situations;
pub mod stand;
pub mod swarm;
pub mod watch;
pub mod wire;

pub use actor::{Actor, Call, Event};
pub use client::{Client, ClientConfig};
pub use run::{LIVENESS, run, run_told};
pub use scenario::Scenario;
pub use situations::{Situation, Situations};
pub use swarm::{Deed, How, Kinds, Setup, What, draw};
pub use watch::Watch;

#[cfg(test)]
mod tests;
