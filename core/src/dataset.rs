//! What a node stores: the border between the server and the data behind it.
//!
//! A [`Dataset`] executes commands on keys, gives a snapshot while writes go on, and loads one. It knows nothing of
//! clients, replicas or files. Two implementations exist from the start: the built-in keyspace, and a small store in
//! the tests, so that this trait stays honest.

mod effects;
mod spec;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

use crate::config::Settings;
use crate::rdb;
use crate::resp::{Args, Command, Reply};
use crate::rng::Rng;
use crate::time::{Instant, Now};

pub use effects::{Classes, Effect, Effects, KeyEvent};
pub use spec::{Flags, KeySpec, Spec};

/// Who wants a command executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client.
    Client,
    /// The master that we follow: a key never counts as expired for it.
    Upstream,
}

/// What has to be at a key so that a client that waits for it may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitFor {
    /// A list: `BLPOP`, `BRPOP`, `BLMPOP`, `BLMOVE`, `BRPOPLPUSH`.
    List,
    /// A sorted set: `BZPOPMIN`, `BZPOPMAX`, `BZMPOP`.
    Zset,
    /// A stream: `XREAD`.
    Stream,
    /// A stream with a group: `XREADGROUP`; it also wants to know when either is gone.
    Group,
}

/// What a command that found nothing waits for. Its client is held, and the command is executed again whenever one of
/// the keys has changed and holds what is waited for, until it answers or the time is up.
#[derive(Debug)]
pub struct Wait {
    /// What has to be there.
    pub what: WaitFor,
    /// The keys, in the selected database.
    pub keys: Vec<Box<[u8]>>,
    /// For how long, ms; 0: without an end. When the time is up the answer is a null array.
    pub timeout_ms: u64,
    /// What is to be executed then in place of the command as it came (`XREAD` with `$` made a number).
    pub command: Option<Command>,
}

/// All that a command may see and touch besides the data.
#[derive(Debug)]
pub struct Context<'a, 'r> {
    /// The time; the same for the whole of a transaction.
    pub now: Now,
    /// The selected database, below [`Dataset::databases`].
    pub db: u32,
    /// Who asks.
    pub origin: Origin,
    /// Whether the keys that are looked up count as used, for `maxmemory-policy` (`CLIENT NO-TOUCH` says no).
    pub touch: bool,
    /// Whether this node may delete keys that expired (a master); a replica hides them and waits for its master's word.
    pub may_expire: bool,
    /// Randomness.
    pub rng: &'a mut Rng,
    /// Where the answer goes: exactly one reply for each command.
    pub reply: &'a mut Reply<'r>,
    /// What replicas have to do to come to the same data.
    pub effects: &'a mut Effects,
    /// Where a command that found nothing says that its client waits, instead of answering. `None`: it cannot wait (in a
    /// transaction, from a master) and answers at once as if its time was up.
    pub wait: Option<&'a mut Option<Wait>>,
}

/// Counts of one database, as INFO shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DbStats {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Average time to live of those, ms, as far as it is known.
    pub avg_ttl_ms: u64,
}

/// Counters since start or `CONFIG RESETSTAT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because they expired.
    pub expired: u64,
    /// Fields of hashes deleted because they expired.
    pub expired_fields: u64,
    /// Keys that gave way to `maxmemory`.
    pub evicted: u64,
    /// Values freed lazily.
    pub lazy_freed: u64,
}

/// What there is of function libraries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Functions {
    /// How many libraries.
    pub libraries: usize,
    /// How many functions they register, as far as is known.
    pub functions: usize,
    /// Memory in bytes.
    pub bytes: usize,
}

/// Whether a piece of work in slices is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Call again after others had their turn.
    More,
    /// Nothing is left.
    Done,
}

/// How a snapshot replaces the dataset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadMode {
    /// The present keys are dropped first; an aborted load leaves the dataset empty.
    Replace,
    /// The new keys grow beside the present ones, which stay readable; an aborted load leaves those as they were.
    Beside,
}

/// Why an entry of a snapshot cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A type that this dataset does not hold.
    #[error("the value of key '{key}' is of a type this dataset does not hold ({kind})")]
    Unsupported {
        /// The key, lossily as text.
        key: Box<str>,
        /// Which type.
        kind: &'static str,
    },
    /// A database number beyond the configured ones.
    #[error("database {db} is out of range: this node has {databases}; raise the directive 'databases'")]
    Database {
        /// The number that came.
        db: u64,
        /// How many there are.
        databases: u32,
    },
    /// The same key twice in one database.
    #[error("key '{key}' comes twice in database {db}")]
    Twice {
        /// The key, lossily as text.
        key: Box<str>,
        /// Its database.
        db: u64,
    },
    /// A function library that cannot be taken.
    #[error("function library '{name}' cannot be loaded: {why}")]
    Library {
        /// Its name as far as it is known, lossily as text.
        name: Box<str>,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// The elements of a value contradict each other.
    #[error("the value of key '{key}' is broken: {why}")]
    Broken {
        /// The key, lossily as text.
        key: Box<str>,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A part of a load that another thread may fill: the keys of a stretch of the snapshot.
pub trait LoadPart: Send {
    /// As [`Dataset::load_item`].
    fn load_item(&mut self, item: &rdb::Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError>;

    /// Itself, for the dataset that knows its type.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What a node stores.
pub trait Dataset: Send {
    /// The commands it executes. Must not change over its life.
    fn commands(&self) -> &'static [Spec];

    /// Takes over what directives say of the data: the limits of encodings, of strings. Called before anything else and
    /// after every change; what is stored already stays as it is.
    fn configure(&mut self, _settings: &Settings) {}

    /// Tells the time, before a load or a snapshot begins: what is known of keys' use counts from it.
    fn note_time(&mut self, _now: Now) {}

    /// Executes command number `command` of [`Dataset::commands`]. The node has checked the arity, the role and the
    /// rights; exactly one reply is written.
    fn execute(&mut self, command: usize, args: Args<'_>, cx: &mut Context<'_, '_>);

    /// Whether [`Dataset::foresee`] is worth its while for database `db`: whether its keys lie beyond what the processor's
    /// caches hold.
    fn foresees(&self, _db: u32) -> bool {
        false
    }

    /// Keys of database `db` that commands will soon look up, as far as that can be told; some of them may be none. A
    /// dataset may fetch their memory together, where each command alone would wait for its own.
    fn foresee(&self, _db: u32, _keys: &[&[u8]]) {}

    /// How many databases there are.
    fn databases(&self) -> u32;

    /// Whether database `db` holds `key`, expired or not.
    fn contains(&self, db: u32, key: &[u8]) -> bool;

    /// Whether `key` of database `db` now is such that a client that waits for `what` may go on.
    fn serves(&self, _db: u32, _key: &[u8], _what: WaitFor) -> bool {
        false
    }

    /// Counts of database `db`; zeros if there is no such.
    fn stats(&self, db: u32) -> DbStats;

    /// Counters of reads and expiries.
    fn counters(&self) -> Counters;

    /// Begins the counters anew.
    fn reset_counters(&mut self);

    /// Memory of keys and values in bytes, as well as it is known without walking them.
    fn memory(&self) -> usize;

    /// Bytes of one key with its value, expired or not (`MEMORY USAGE`).
    fn memory_of(&self, _db: u32, _key: &[u8]) -> Option<usize> {
        None
    }

    /// Bytes of the table of database `db` without what is in it.
    fn overhead(&self, _db: u32) -> usize {
        0
    }

    /// The function libraries that it keeps.
    fn functions(&self) -> Functions {
        Functions::default()
    }

    /// Bytes that count against `maxmemory`: what is there for clients, without what is only being saved, loaded or freed.
    fn used(&self) -> usize {
        self.memory()
    }

    /// Deletes one key by `maxmemory-policy` (known from [`Dataset::configure`]), and propagates that by its own effect;
    /// `false`: there is none that may go.
    fn evict(&mut self, _now: Now, _rng: &mut Rng, _effects: &mut Effects) -> bool {
        false
    }

    /// How many keys and values [`Dataset::maintain`] has still to free.
    fn waiting_to_be_freed(&self) -> u64 {
        0
    }

    /// The digest that `DEBUG DIGEST` of every Redis gives for the same data.
    fn digest(&mut self) -> [u8; 20];

    /// The digest of one key's value as `DEBUG DIGEST-VALUE` of every Redis gives it; zeros if there is no such key.
    fn digest_value(&mut self, db: u32, key: &[u8]) -> [u8; 20];

    /// Empties one database, or all. The keys are detached at once and freed by [`Dataset::maintain`]. Returns how many
    /// there were.
    fn flush(&mut self, db: Option<u32>) -> u64;

    /// Exchanges two databases, both below [`Dataset::databases`].
    fn swap(&mut self, a: u32, b: u32);

    /// Does a slice of work that has no deadline: frees detached keys. Bounded by about `budget` keys.
    fn maintain(&mut self, budget: usize) -> Progress;

    /// Deletes keys that expired, looking at no more than about `budget` keys, and propagates each deletion by its own
    /// effect. `Done`: nothing more is due now; see [`Dataset::next_expiry`].
    fn expire(&mut self, now: Now, budget: usize, effects: &mut Effects) -> Progress;

    /// How many keys have expired and are not deleted, looking at about `budget` of them at most: on a replica those that
    /// are hidden until their master says so. For INFO alone.
    fn expired_present(&self, now: Now, budget: usize) -> u64 {
        let _ = (now, budget);
        0
    }

    /// When [`Dataset::expire`] is worth calling again, if ever: `None` while no key has an expiry.
    fn next_expiry(&self, now: Now) -> Option<Instant>;

    /// The lowest version of the snapshot format that has all that the data needs, between
    /// [`rdb::Writer::MIN_VERSION`] and [`rdb::Writer::MAX_VERSION`].
    fn snapshot_version(&self) -> u16 {
        rdb::Writer::MIN_VERSION
    }

    /// Begins a snapshot of this very moment. One at a time; a second call replaces the first.
    fn snapshot_begin(&mut self);

    /// Writes about `budget` further bytes of the snapshot, the values that writes handed over first. A value larger
    /// than the budget is shared, never copied as a whole.
    fn snapshot_step(&mut self, out: &mut rdb::Body, budget: usize) -> Progress;

    /// Writes the function libraries alone, for whoever wants a snapshot without keys.
    fn snapshot_functions(&self, _out: &mut rdb::Body) {}

    /// Bytes that writes handed over and that no step has taken yet.
    fn snapshot_pending(&self) -> usize;

    /// Ends the snapshot, finished or not.
    fn snapshot_end(&mut self);

    /// Begins to load. One load at a time; a second call aborts the first.
    fn load_begin(&mut self, mode: LoadMode);

    /// Whether [`Dataset::load_item`] would take this item, as far as it tells by itself: asked of a snapshot that is
    /// spooled to a file, so that the old keys go only for one that can take their place.
    fn accepts(&self, item: &rdb::Item<'_>) -> Result<(), LoadError>;

    /// Takes one item of a snapshot. Keys that have expired are kept: their master deletes them. `drop_expired` is
    /// given where no master will (a master's own start): the wall-clock time in ms. What is wrong with an entry may be
    /// found later, at [`rdb::Item::End`] at the latest.
    fn load_item(&mut self, item: &rdb::Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError>;

    /// A part of the load under way that takes items in apart from it, on another thread perhaps: keys that come behind
    /// those that [`Dataset::load_item`] gets meanwhile. `None`, as the default answers: there is no such thing.
    ///
    /// Asked between two keys only.
    fn load_apart(&self) -> Option<Box<dyn LoadPart>> {
        None
    }

    /// Takes in what a part has, behind all that came until now; the load goes on where the part ended, inside a value
    /// perhaps. A part that is not of [`Dataset::load_apart`] or of another load is dropped.
    fn load_join(&mut self, _part: Box<dyn LoadPart>) -> Result<(), LoadError> {
        Ok(())
    }

    /// Puts the loaded keys in place.
    fn load_commit(&mut self);

    /// Drops what was loaded so far.
    fn load_abort(&mut self);

    /// Keys loaded and keys dropped as expired by the load under way or the last one.
    fn load_counts(&self) -> (u64, u64);
}
