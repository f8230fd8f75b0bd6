//! The replication campaign: a master, its replicas and a chain, under clients, faults and promotions.

mod actor;
pub mod client;
pub mod collections;
pub mod history;
pub mod invariants;
pub mod ledger;
pub mod operator;
pub mod ops;
mod run;
mod scenario;
mod situations;
pub mod stream;
pub mod swarm;
pub mod track;
pub mod watch;

pub use actor::{Actor, Call, Event};
pub use client::{Client, ClientCall, ClientConfig, Entry};
pub use ops::{Key, Kind, Mark, Op};
pub use run::{LIVENESS, Report, run, run_from, run_told};
pub use scenario::Scenario;
pub use situations::{Situation, Situations};
pub use swarm::{CALM_MS, Deed, Kinds, NODES, Setup, Sources, What, draw, draw_from};
pub use watch::Watch;

#[cfg(test)]
mod tests;
