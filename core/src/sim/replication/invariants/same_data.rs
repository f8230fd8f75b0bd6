//! `one-history` for the data: two nodes at one position of one history hold the same keys and values.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{Broken, stream};
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::sim::replication::ledger::{HistoryId, Ledger};
use crate::sim::replication::track::Track;

/// Steps of a node between two looks at all of its data.
const EVERY: u64 = 251;

/// The digests that were seen, by position.
#[derive(Debug, Default)]
pub struct Digests {
    seen: BTreeMap<(HistoryId, u64), [u8; 20]>,
    /// How many were compared with an earlier one.
    pub compared: u64,
}

impl Digests {
    /// Looks at the data of a node now and then.
    pub fn check(&mut self, ledger: &Ledger, track: &Track, node: &Node<Keyspace>) -> Result<(), Broken> {
        if track.steps.is_multiple_of(EVERY) { self.compare(ledger, track, node) } else { Ok(()) }
    }

    /// Looks at the data of a node now.
    pub fn compare(&mut self, ledger: &Ledger, track: &Track, node: &Node<Keyspace>) -> Result<(), Broken> {
        let Some(epoch) = track.epoch().filter(|e| !e.dark && !node.is_loading()) else { return Ok(()) };
        let at = (ledger.canonical(epoch.history, epoch.to), epoch.to);
        let digest = node.data().digest_all();
        let before = *self.seen.entry(at).or_insert(digest);
        self.compared += 1;
        if before == digest {
            return Ok(());
        }
        let text = format!(
            "the data at offset {} of {} differ from those that were there before: digest {}, and was {}",
            epoch.to,
            ledger.history(at.0).id,
            hex(&digest),
            hex(&before)
        );
        Err(Broken::new(stream::ONE_HISTORY, text))
    }
}

fn hex(digest: &[u8; 20]) -> alloc::string::String {
    let [a, b, c, d, e, f, ..] = digest;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}")
}
