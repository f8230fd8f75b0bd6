//! What must hold, each by its name.
//!
//! | name | says | where |
//! |---|---|---|
//! | `one-vote` | a sentinel votes once in an epoch of a master, over crashes too | [`votes`] |
//! | `one-leader` | a failover of a master has one leader in an epoch | [`leaders`] |
//! | `one-promotion` | one fault, one failover, while the one that leads it lives | [`leaders`] |
//! | `epochs-grow` | what a sentinel's disk says of epochs never goes back | [`epochs`] |
//! | `down-after` | nobody is down before `down-after-milliseconds` since the oldest PING without an answer was sent | [`down`] |
//! | `handover` | whoever becomes the master since its master handed over has all that this one acknowledged | [`handover`] |
//! | `explained` | a write that `WAIT` saw on a replica is lost for a reason that the asynchronous protocol has, or not at all | [`losses`](super::losses) |
//! | `agreed` | once all is healed there is one master, all replicas follow it, all sentinels agree, and clients write there, within a bound | [`agreed`] |
//!
//! The laws of the door are checked by the world itself.

pub mod agreed;
pub mod down;
pub mod epochs;
pub mod handover;
pub mod leaders;
pub mod votes;

pub use crate::sim::campaign::Broken;

/// The names of all invariants of the campaign.
pub const NAMES: [&str; 8] = [
    votes::NAME,
    leaders::ONE_LEADER,
    leaders::ONE_PROMOTION,
    epochs::NAME,
    down::NAME,
    handover::NAME,
    super::losses::NAME,
    agreed::NAME,
];
