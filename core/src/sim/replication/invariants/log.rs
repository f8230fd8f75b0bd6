//! `log-bounded`: a log holds its backlog and what the slowest replica may lack.

use alloc::format;

use super::Broken;
use crate::blocks::BLOCK;
use crate::keyspace::Keyspace;
use crate::node::Node;

/// The name.
pub const NAME: &str = "log-bounded";

/// What the unseen end of a replica's log may hold: a command on its way, or a MULTI block.
pub const UNSEEN_MAX: u64 = 256 * 1024;

/// Checks the log of a node behind one of its steps.
pub fn check(node: &Node<Keyspace>) -> Result<(), Broken> {
    let (log, config) = (node.source().log(), node.source().config());
    // Without a hard limit a replica may fall behind for ever: the user's word.
    if config.output_hard == 0 {
        return Ok(());
    }
    let bound = config.backlog_size.max(config.output_hard);
    if log.history() > bound {
        let text = format!("{} bytes of history, and backlog or output limit allow {bound}", log.history());
        return Err(Broken::new(NAME, text));
    }
    let unseen = log.end() - log.visible();
    if unseen > UNSEEN_MAX {
        return Err(Broken::new(NAME, format!("{unseen} bytes that nobody may see yet")));
    }
    // A block at either end may be held in part; a block may hold little when replicas read while it fills.
    let held = (bound + unseen) as usize;
    let memory = held + 4 * BLOCK + held;
    if log.memory() > memory {
        let text = format!("{} bytes of memory for {} bytes of log", log.memory(), log.end() - log.start());
        return Err(Broken::new(NAME, text));
    }
    Ok(())
}
