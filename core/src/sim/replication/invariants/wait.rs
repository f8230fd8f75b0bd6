//! `wait-kept`: what a replica acknowledges it has applied, and `WAIT` counts no replica that lacks the write.

use alloc::format;
use core::net::IpAddr;

use super::Broken;
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::sim::replication::ledger::{HistoryId, Ledger};
use crate::sim::replication::track::Track;
use crate::time::Instant;

/// The name.
pub const NAME: &str = "wait-kept";

/// Checks the acknowledgements that a node counts, behind one of its steps. `node_at` finds the node of an address.
pub fn check_acks(
    ledger: &Ledger,
    tracks: &[Track],
    node: &Node<Keyspace>,
    history: HistoryId,
    node_at: impl Fn(IpAddr) -> Option<usize>,
) -> Result<(), Broken> {
    for replica in node.source().replicas(Instant::ZERO) {
        let Some(who) = replica.endpoint.tcp().and_then(|a| node_at(a.ip())) else { continue };
        let acked = replica.offset;
        if acked > 0 && !tracks[who].ever_reached(ledger, history, acked) {
            let id = ledger.history(history).id;
            let text = format!("node {who} acknowledged offset {acked} of {id}, and never held what is before it");
            return Err(Broken::new(NAME, text));
        }
    }
    Ok(())
}

/// Checks an answer to WAIT on `master`: so many other nodes held position `at` of `history`.
pub fn check_reply(
    ledger: &Ledger,
    tracks: &[Track],
    master: usize,
    (history, at): (HistoryId, u64),
    counted: i64,
) -> Result<(), Broken> {
    let others = tracks.iter().enumerate().filter(|(i, _)| *i != master);
    let have = others.filter(|(_, t)| t.ever_reached(ledger, history, at)).count() as i64;
    if counted > have {
        let id = ledger.history(history).id;
        let text = format!("WAIT counted {counted} replicas for offset {at} of {id}, and {have} ever had it");
        return Err(Broken::new(NAME, text));
    }
    Ok(())
}
