//! `stream-prefix` and `one-history`: what a node shows of its stream is held against the ledger, byte for byte.

use alloc::format;
use alloc::vec::Vec;

use super::Broken;
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::replication::ReplId;
use crate::sim::replication::ledger::{HistoryId, Ledger, Misfit, Process};
use crate::sim::replication::track::{Epoch, Look, Track};

/// What a replica shows is what its master wrote.
pub const PREFIX: &str = "stream-prefix";
/// An (id, offset) names one content.
pub const ONE_HISTORY: &str = "one-history";

/// Takes note of a node behind one of its steps.
pub fn check(
    ledger: &mut Ledger,
    track: &mut Track,
    who: Process,
    node: &Node<Keyspace>,
    scratch: &mut Vec<u8>,
) -> Result<(), Broken> {
    let source = node.source();
    let look = Look {
        boot: who.boot,
        generation: source.generation(),
        id: source.id(),
        offset: source.offset(),
        dark: !source.is_active(),
        master: node.is_master(),
    };
    if track.last == Some(look) {
        return Ok(());
    }
    let last = track.last.replace(look);
    let same_life = last.filter(|l| l.boot == look.boot && l.generation == look.generation && !l.dark && !look.dark);
    if let Some(last) = last.filter(|l| l.master && !l.dark && look.dark) {
        ledger.free(last.id);
    }
    let history = match ledger.find(look.id) {
        Some(history) => history,
        None => begin(ledger, node, &look),
    };
    if look.master && !look.dark {
        ledger.own(history, who).map_err(|other| {
            Broken::new(ONE_HISTORY, format!("{} is written by {who:?}, and {other:?} wrote it before", look.id))
        })?;
    }
    match same_life {
        None => open_epoch(track, history, &look, source.log().start()),
        Some(last) => go_on(ledger, track, history, &last, &look)?,
    }
    if look.dark {
        return Ok(());
    }
    let from = same_life.map_or(source.log().start(), |l| l.offset.max(source.log().start()));
    scratch.clear();
    source.log().peek(from, look.offset).for_each(|piece| scratch.extend_from_slice(piece));
    let fits = if look.master || ledger.was_freed_by(history, who.node) {
        ledger.extend(history, from, scratch)
    } else {
        ledger.compare(history, from, scratch)
    };
    fits.map_err(|Misfit { beyond, text }| match (look.master, beyond) {
        (false, true) => Broken::new(PREFIX, format!("a replica shows what its master never wrote: {text}")),
        (false, false) => Broken::new(PREFIX, format!("a replica shows other bytes than its master wrote: {text}")),
        (true, _) => Broken::new(ONE_HISTORY, text),
    })?;
    track.reach(history, look.offset);
    Ok(())
}

/// A history that nobody showed so far: it grew out of the former id of this node, if that was ever seen.
fn begin(ledger: &mut Ledger, node: &Node<Keyspace>, look: &Look) -> HistoryId {
    let source = node.source();
    let former = source.id2().and_then(|(id, valid_to)| Some((ledger.find(id)?, valid_to.saturating_sub(1))));
    let empty = empty(node) && source.log().start() == look.offset;
    match former {
        Some((parent, base)) => ledger.begin(look.id, Some(parent), base, false),
        None => ledger.begin(look.id, None, source.log().start(), empty),
    }
}

fn empty(node: &Node<Keyspace>) -> bool {
    use crate::dataset::Dataset;
    !node.is_loading() && (0..node.data().databases()).all(|db| node.data().stats(db).keys == 0)
}

fn open_epoch(track: &mut Track, history: HistoryId, look: &Look, start: u64) {
    let from = start.min(look.offset);
    track.epochs.push(Epoch { history, from, to: look.offset, dark: look.dark });
}

/// The same data as at the last look, and perhaps more; perhaps under another id.
fn go_on(ledger: &Ledger, track: &mut Track, history: HistoryId, last: &Look, look: &Look) -> Result<(), Broken> {
    let back = |what: ReplId| {
        let text = format!("the offset of {what} went back from {} to {}", last.offset, look.offset);
        Broken::new(ONE_HISTORY, text)
    };
    if look.offset < last.offset {
        return Err(back(look.id));
    }
    let Some(epoch) = track.epochs.last_mut() else { return Ok(()) };
    if last.id != look.id && !ledger.agree(epoch.history, history, last.offset) {
        let text = format!(
            "the node held {} up to {}, and goes on under {}, which left that line at {} already",
            last.id,
            last.offset,
            look.id,
            ledger.history(history).base
        );
        return Err(Broken::new(ONE_HISTORY, text));
    }
    (epoch.history, epoch.to) = (history, look.offset);
    Ok(())
}
