//! What must hold, each by its name.
//!
//! | name | says | where |
//! |---|---|---|
//! | `stream-prefix` | what a replica shows of a stream is a prefix of what its master wrote under that id | [`stream`] |
//! | `one-history` | an (id, offset) names one content: one writer for an id, no byte and no dataset differs | [`stream`], [`same_data`] |
//! | `wait-kept` | an acknowledged offset was applied, and `WAIT` counts no replica that lacks the write | [`wait`] |
//! | `log-bounded` | a log holds its backlog and what the slowest replica may lack, no more | [`log`] |
//! | `explained` | every answer of every client fits some order that the protocol allows | [`history`](super::history) |
//! | `converged` | once all is healed every replica is online with equal offset and digest, within a bound | [`converged`] |
//!
//! The laws of the door, `bytes-sent` among them, are checked by the world itself.

pub mod converged;
pub mod log;
pub mod same_data;
pub mod stream;
pub mod wait;

pub use crate::sim::campaign::Broken;

/// The names of all invariants of the campaign.
pub const NAMES: [&str; 6] =
    [stream::PREFIX, stream::ONE_HISTORY, wait::NAME, log::NAME, super::history::NAME, converged::NAME];
