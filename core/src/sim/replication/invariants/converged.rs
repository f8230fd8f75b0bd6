//! `converged`: once all is healed, every replica is online with its master's offset and data.

use alloc::format;
use alloc::string::String;

use super::Broken;
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::replication::LinkState;
use crate::time::Instant;

/// The name.
pub const NAME: &str = "converged";

/// Whether all nodes agree; if not, in what they differ. `nodes`: the nodes that are up, the master first.
pub fn check<'a>(mut nodes: impl Iterator<Item = (usize, Option<&'a Node<Keyspace>>)>) -> Result<(), String> {
    let Some((first, Some(master))) = nodes.next() else { return Err("the master is down".into()) };
    if !master.is_master() || master.is_loading() {
        return Err(format!("node {first} is no master yet"));
    }
    let position = master.position();
    let mut digest = None;
    for (i, node) in nodes {
        let Some(node) = node else { return Err(format!("node {i} is down")) };
        let Some(upstream) = node.upstream() else { return Err(format!("node {i} is a master too")) };
        if upstream.state() != LinkState::Connected {
            return Err(format!("the link of node {i} is '{}'", upstream.state().as_str()));
        }
        if node.position() != position {
            let ((id, at), (its, its_at)) = (position, node.position());
            return Err(format!("node {i} is at {its_at} of {its}, and the master at {at} of {id}"));
        }
        let want = *digest.get_or_insert_with(|| master.data().digest_all());
        if node.data().digest_all() != want {
            return Err(format!("the data of node {i} differ from the master's at the same offset"));
        }
    }
    Ok(())
}

/// A violation: it did not come about in time.
pub fn broken(why: &str, since: Instant, now: Instant) -> Broken {
    Broken::new(NAME, format!("{:?} after all was healed: {}", now - since, why))
}
