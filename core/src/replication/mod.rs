//! Replication: one history of writes, shared by a master and its replicas.
//!
//! - [`ReplId`] names a history; [`Log`] holds its latest stretch, once, for the backlog and for every replica.
//! - [`Source`] is the master side inside a node: it serves `SYNC` and `PSYNC` from the log.
//! - [`Follower`] is the replica side inside a node: it follows a master and hands out what comes.
//!
//! - [`Master`] and [`Replica`] are the two as machines of their own.
//!
//! Source and Follower are parts: they run inside a machine that lends them its [`Turn`](crate::machine::Turn).

mod capa;
pub mod follower;
mod id;
mod log;
pub mod master;
pub mod replica;
pub mod source;

use core::fmt;

pub use follower::{Delivery, Follower, FollowerConfig, LinkError, LinkState, Resume};
pub use id::{BadReplId, ReplId};
pub use log::Log;
pub use master::Master;
pub use replica::Replica;
pub use source::{Source, SourceConfig};

use crate::machine::{Level, LogLine};

/// What happened in replication; its `Display` is Redis's log line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// On the master side.
    Source(source::Event),
    /// On the replica side.
    Follower(follower::Event),
}

impl From<source::Event> for Event {
    fn from(e: source::Event) -> Self {
        Self::Source(e)
    }
}

impl From<follower::Event> for Event {
    fn from(e: follower::Event) -> Self {
        Self::Follower(e)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(e) => fmt::Display::fmt(e, f),
            Self::Follower(e) => fmt::Display::fmt(e, f),
        }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match self {
            Self::Source(e) => e.level(),
            Self::Follower(e) => e.level(),
        }
    }
    fn role(&self) -> char {
        match self {
            Self::Source(_) => 'M',
            Self::Follower(_) => 'S',
        }
    }
    fn kind(&self) -> alloc::string::String {
        match self {
            Self::Source(e) => crate::kind::kind_of(e),
            Self::Follower(e) => crate::kind::kind_of(e),
        }
    }
}

#[cfg(test)]
mod tests;
