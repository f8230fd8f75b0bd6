//! State before speech (interim: every record is durable at once).

use alloc::string::String;

use crate::ids::RunId;

/// What must be on the disk before it is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    /// The current epoch.
    CurrentEpoch(u64),
    /// A vote.
    Vote {
        /// About this master.
        master: String,
        /// In this epoch.
        epoch: u64,
        /// For this sentinel.
        leader: RunId,
    },
    /// Where a master is.
    Config {
        /// Its name.
        master: String,
        /// The configuration's epoch.
        epoch: u64,
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
    },
}
