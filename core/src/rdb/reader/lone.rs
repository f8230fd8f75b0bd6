//! One value without a key, as a DUMP payload has it: a type, and the value behind it.

use super::{Reader, ReaderLimits, State};
use crate::rdb::item::Magic;

impl Reader {
    /// A reader that awaits the number of a type, and is done behind its value. There is neither a header nor a checksum,
    /// the key is empty, and a collection without elements is an error: there is no key that could be left out.
    pub(in crate::rdb) fn lone(limits: ReaderLimits, magic: Magic, version: u16) -> Self {
        // Whoever asks has compared the checksum: all that may come counts as summed.
        Self { state: State::Records, magic, version, summed: usize::MAX, lone: true, ..Self::new(limits) }
    }

    /// What errors may show as the key of the value under way.
    pub(super) fn shown_key(&self) -> Option<&[u8]> {
        (!self.lone).then_some(&self.key[..])
    }
}
