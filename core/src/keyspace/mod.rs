//! The built-in dataset: Redis's data types, in a table that grows one bucket at a time.
//!
//! - [`Keyspace`] implements [`Dataset`](crate::dataset::Dataset).
//! - `table`, `bucket`, `entry`, `record`: where keys live; a small key with its value is one allocation.
//! - [`tree`]: the persistent sequence under large collections.
//! - `string`, `value`: strings, and the chunks of long ones.
//! - `hash`, `set`, `list`: hashes, sets and lists. Each type of collection has a file of its own, made of `pack` (a small one: listpack elements) and
//!   `hashed`, `blob` (a large one: elements of 24 bytes in a tree, ordered by their hash).
//! - `zset`, `score`: sorted sets, with a second tree in the order of their scores.
//! - `stream`: streams with their consumer groups.
//! - `geo`: places on the globe as scores.
//! - `aside`, `functions`, `module`: what is kept beside the keys, and what is kept without being understood.
//! - `snapshot`: a point in time without a fork: a bucket is handed over before its first change.
//! - `uses`, `evict`: when and how often keys are used, and which one gives way to `maxmemory`.
//! - `expire`, `load`, `digest`, `scan`: what walks over all keys, in slices.
//! - `limits`: how large collections stay compact, as directives say.
//! - `hll`: HyperLogLogs, byte for byte as Redis keeps them.
//! - `commands`: what clients can do with them.

mod aside;
mod blob;
mod bucket;
mod commands;
mod dataset;
mod digest;
mod entry;
mod evict;
mod expire;
mod float;
mod functions;
mod geo;
mod graveyard;
mod hash;
mod hashed;
mod hll;
mod limits;
mod list;
mod load;
mod module;
mod pack;
mod record;
mod score;
mod set;
mod snapshot;
mod store;
mod stream;
mod string;
mod table;
pub mod tree;
mod uses;
mod value;
mod zset;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::config::Settings;
use crate::dataset::Counters;
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use aside::Aside;
use evict::{Evictor, Words};
use graveyard::Graveyard;
use hashed::HashKey;
pub use limits::{Limits, ListLimit, PackLimit, SetLimit, StreamLimit};
use load::Load;
use snapshot::Walk;
use table::Table;
use uses::{Kept, Uses};

/// Redis's data types in numbered databases.
///
/// Memory of a key beside its bytes: about 40 bytes (its share of a bucket, the record's head, the allocator's
/// rounding). Values above 8 KB live in chunks of 64 KB that replies and snapshots share.
#[derive(Debug)]
pub struct Keyspace {
    hash_key: HashKey,
    dbs: Vec<Table>,
    counters: Counters,
    /// The wall-clock time that was seen last, ms: for averages only.
    seen_ms: u64,
    /// The time that was seen last.
    seen: Instant,
    limits: Limits,
    walk: Option<Walk>,
    load: Option<Load>,
    load_counts: (u64, u64),
    graveyard: Graveyard,
    /// What is kept of the use of keys.
    uses: Uses,
    evictor: Evictor,
    words: Words,
    aside: Aside,
}

impl Keyspace {
    /// `databases` empty databases (at least one). The seed keys the hash, so that nobody can aim collisions at it.
    pub fn new(databases: u32, seed: Seed) -> Self {
        let mut rng = Rng::new(seed);
        let hash_key = HashKey([rng.next_u64(), rng.next_u64()]);
        Self {
            hash_key,
            dbs: (0..databases.max(1)).map(|_| Table::new(hash_key)).collect(),
            counters: Counters::default(),
            seen_ms: 0,
            seen: Instant::ZERO,
            limits: Limits::default(),
            walk: None,
            load: None,
            load_counts: (0, 0),
            graveyard: Graveyard::default(),
            uses: Uses::default(),
            evictor: Evictor::new(&Settings::default()),
            words: Words::new(&Settings::default()),
            aside: Aside::default(),
        }
    }

    /// Sets the limits that later writes and loads keep. A node does it by its directives
    /// ([`Dataset::configure`](crate::dataset::Dataset::configure)).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Keeps of the use of keys what the directives ask for.
    fn set_uses(&mut self, settings: &Settings) {
        let uses = Uses::of(settings, self.seen);
        if uses.kept == self.uses.kept {
            self.uses = uses.since(self.uses);
        } else {
            self.uses = uses;
            let keep = uses.kept != Kept::Nothing;
            let load = self.load.iter_mut().flat_map(Load::tables);
            self.dbs.iter_mut().chain(load).for_each(|table| table.keep_stamps(keep));
        }
        self.evictor = Evictor::new(settings);
        self.words = Words::new(settings);
    }

    /// A table without keys.
    fn empty_table(&self) -> Table {
        let mut table = Table::new(self.hash_key);
        table.keep_stamps(self.uses.kept != Kept::Nothing);
        table
    }

    /// The limits that writes keep now.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
