//! The replication log: the stream of writes, once, for the backlog and for every replica.
//!
//! Positions count the bytes of the stream from its beginning, so `visible()` is Redis's `master_repl_offset`. A
//! replica that has everything up to position `p` asks for the first byte it lacks: `PSYNC <id> <p + 1>`.

use bytes::Bytes;

use crate::blocks::Blocks;
use crate::machine::Chunks;

/// A stretch `start()..end()` of the stream, readable up to `visible()`.
///
/// What comes from an upstream master is appended before it is executed and becomes visible behind the last executed
/// command ([`Log::show`]); what was never shown can be taken back ([`Log::cut`]). The log has no bound of its own:
/// [`Log::trim`] keeps the backlog and what the slowest replica still needs, and replicas have an output limit.
#[derive(Debug)]
pub struct Log {
    blocks: Blocks,
    visible: u64,
}

impl Log {
    /// An empty log whose first byte will have position `at`.
    pub fn starting_at(at: u64) -> Self {
        Self { blocks: Blocks::starting_at(at), visible: at }
    }

    /// Position of the oldest byte held.
    #[inline]
    pub fn start(&self) -> u64 {
        self.blocks.start()
    }

    /// Position behind the last byte that anyone may see: the replication offset.
    #[inline]
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Position behind the last byte held, seen or not.
    #[inline]
    pub fn end(&self) -> u64 {
        self.blocks.end()
    }

    /// Bytes that may be seen: Redis's `repl_backlog_histlen`.
    #[inline]
    pub fn history(&self) -> u64 {
        self.visible - self.start()
    }

    /// Memory in bytes that the log keeps alive.
    pub fn memory(&self) -> usize {
        self.blocks.memory()
    }

    /// Copies `bytes` to the end, visible at once. An unseen tail is cut before: it never was.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.cut();
        self.blocks.append(bytes);
        self.visible = self.blocks.end();
    }

    /// Adds `bytes` to the end without copying, visible at once. An unseen tail is cut before.
    pub fn append_shared(&mut self, bytes: Bytes) {
        self.cut();
        self.blocks.append_shared(bytes);
        self.visible = self.blocks.end();
    }

    /// Copies `bytes` of the upstream master's stream to the end, unseen until [`Log::show`].
    #[inline]
    pub fn append_upstream(&mut self, bytes: &[u8]) {
        self.blocks.append(bytes);
    }

    /// Makes everything before position `to` visible; `to` is clamped to `visible()..=end()`.
    #[inline]
    pub fn show(&mut self, to: u64) {
        self.visible = to.clamp(self.visible, self.end());
    }

    /// Drops the unseen tail.
    #[inline]
    pub fn cut(&mut self) {
        if self.visible < self.blocks.end() {
            self.blocks.truncate(self.visible);
        }
    }

    /// Whether a reader at position `at` can go on without a gap.
    #[inline]
    pub fn holds(&self, at: u64) -> bool {
        self.start() <= at && at <= self.visible
    }

    /// Shows up to `budget` visible bytes from position `at` on; nothing if the log does not hold `at`.
    pub fn read(&mut self, at: u64, budget: usize, out: &mut Chunks) {
        if self.holds(at) {
            let unread = usize::try_from(self.visible - at).unwrap_or(usize::MAX);
            self.blocks.read(at, budget.min(unread), out);
        }
    }

    /// The visible bytes between positions `from` and `to`, as far as they are held, piece by piece: for those who watch
    /// (tests, the simulated world), since nothing is moved.
    pub fn peek(&self, from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        self.blocks.pieces(from, to.min(self.visible))
    }

    /// Forgets what lies more than `backlog` bytes behind `visible()` and before `slowest`, the position of the
    /// slowest reader.
    #[inline]
    pub fn trim(&mut self, backlog: u64, slowest: u64) {
        let to = self.visible.saturating_sub(backlog).min(slowest);
        if to > self.start() {
            self.blocks.release(to);
        }
    }
}

#[cfg(test)]
mod tests;
