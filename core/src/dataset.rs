//! What a node stores: the border between the server and the data behind it.
//!
//! A [`Dataset`] executes commands on keys, gives a snapshot while writes go on, and loads one. It knows nothing of
//! clients, replicas or files. Two implementations exist from the start: the built-in keyspace, and a small store in
//! the tests, so that this trait stays honest.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::config::{Notify, Settings};
use crate::rdb;
use crate::resp::{Args, Command, Reply, parse_i64};
use crate::rng::Rng;
use crate::time::{Instant, Now};

/// Properties of a command, as `COMMAND` shows them, and a few of our own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// May change data.
    pub const WRITE: Self = Self(1);
    /// Only reads keys.
    pub const READONLY: Self = Self(1 << 1);
    /// Refused when memory is short.
    pub const DENYOOM: Self = Self(1 << 2);
    /// Administration.
    pub const ADMIN: Self = Self(1 << 3);
    /// Publishes or subscribes.
    pub const PUBSUB: Self = Self(1 << 4);
    /// Not for scripts.
    pub const NOSCRIPT: Self = Self(1 << 5);
    /// Allowed while a dataset loads.
    pub const LOADING: Self = Self(1 << 6);
    /// Allowed on a replica with stale data.
    pub const STALE: Self = Self(1 << 7);
    /// Constant or logarithmic time.
    pub const FAST: Self = Self(1 << 8);
    /// May block the client.
    pub const BLOCKING: Self = Self(1 << 9);
    /// Allowed before authentication.
    pub const NO_AUTH: Self = Self(1 << 10);
    /// Refused inside MULTI.
    pub const NO_MULTI: Self = Self(1 << 11);
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: Self = Self(1 << 12);
    /// Not recorded by SLOWLOG.
    pub const SKIP_SLOWLOG: Self = Self(1 << 13);
    /// May be propagated though it writes no key.
    pub const MAY_REPLICATE: Self = Self(1 << 14);
    /// Refused while an asynchronous load runs.
    pub const NO_ASYNC_LOADING: Self = Self(1 << 15);
    /// Runs at once inside MULTI instead of being queued (EXEC, DISCARD, WATCH …).
    pub const IN_MULTI: Self = Self(1 << 16);
    /// Ours: takes its value argument in pieces.
    pub const PIECES: Self = Self(1 << 17);
    /// Key positions depend on the arguments.
    pub const MOVABLE_KEYS: Self = Self(1 << 18);
    /// A container: its first argument names the subcommand.
    pub const CONTAINER: Self = Self(1 << 19);

    /// Allowed while a script or a function runs too long.
    pub const ALLOW_BUSY: Self = Self(1 << 20);
    /// Needs no ASKING before it while a slot of a cluster moves.
    pub const ASKING: Self = Self(1 << 21);
    /// May come without any key.
    pub const NO_MANDATORY_KEYS: Self = Self(1 << 22);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's keys stand among its arguments: some at fixed places, others behind their own number, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeySpec {
    /// Index of the first key at a fixed place; 0: there is none.
    pub first: i16,
    /// Index of the last of these; negative: counted from the end.
    pub last: i16,
    /// Distance between two.
    pub step: i16,
    /// Index of the argument that says how many keys follow it (`numkeys`); 0: there is none.
    pub numkeys: u16,
    /// The word that keys stand behind, and the index from which on it is looked for: the first half of all that follows
    /// it are keys (`STREAMS`).
    pub keyword: Option<(&'static str, u16)>,
}

impl KeySpec {
    /// No keys.
    pub const NONE: Self = Self::fixed(0, 0, 0);

    /// Keys at fixed places: index of the first, of the last, and the distance between two.
    pub const fn fixed(first: i16, last: i16, step: i16) -> Self {
        Self { first, last, step, numkeys: 0, keyword: None }
    }

    /// And keys behind the argument at this index, which says how many.
    pub const fn counted(self, numkeys: u16) -> Self {
        Self { numkeys, ..self }
    }

    /// And keys behind this word, which is looked for from the argument at index `from` on: the first half of what follows.
    pub const fn behind(self, word: &'static str, from: u16) -> Self {
        Self { keyword: Some((word, from)), ..self }
    }

    /// Whether there are no keys, whatever the arguments.
    pub const fn is_none(self) -> bool {
        (self.first <= 0 || self.step <= 0) && self.numkeys == 0 && self.keyword.is_none()
    }

    /// The keys of a command in their order. `None` if a number of keys is none, or more than there are arguments, or if the
    /// word that keys stand behind is missing or not followed by two halves.
    pub fn keys(self, args: Args<'_>) -> Option<Vec<&[u8]>> {
        let mut keys = Vec::new();
        if self.first > 0 && self.step > 0 {
            // No command has as many arguments as an i64 counts.
            let last = if self.last < 0 { args.len() as i64 + i64::from(self.last) } else { i64::from(self.last) };
            let places = (i64::from(self.first)..=last).step_by(self.step.unsigned_abs().into());
            keys.extend(places.filter_map(|i| args.get(usize::try_from(i).ok()?)));
        }
        if self.numkeys > 0 {
            let from = usize::from(self.numkeys) + 1;
            let n = usize::try_from(parse_i64(args.get(from - 1)?)?).ok()?;
            if n == 0 || n > args.len().checked_sub(from)? {
                return None;
            }
            keys.extend(args.iter().skip(from).take(n));
        }
        if let Some((word, from)) = self.keyword {
            let at = (usize::from(from)..args.len()).find(|&i| args.is(i, word))? + 1;
            let behind = args.len() - at;
            if behind == 0 || !behind.is_multiple_of(2) {
                return None;
            }
            keys.extend(args.iter().skip(at).take(behind / 2));
        }
        Some(keys)
    }
}

/// One command of a command table.
#[derive(Debug)]
pub struct Spec {
    /// Lower-case name.
    pub name: &'static str,
    /// Number of arguments with the name; negative: at least so many.
    pub arity: i16,
    /// Properties.
    pub flags: Flags,
    /// Where its keys stand.
    pub keys: KeySpec,
    /// The group that the documentation files it under (`string`, `generic`, `server` …).
    pub group: &'static str,
    /// The Redis version that introduced it.
    pub since: &'static str,
    /// One sentence, for `COMMAND DOCS`.
    pub summary: &'static str,
}

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

/// One step that replicas have to take.
#[derive(Debug)]
pub enum Effect {
    /// The command itself, as it came.
    Itself,
    /// Another command, in this database.
    Command(u32, Command),
}

/// Classes of keyspace events, as the letters of `notify-keyspace-events` name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes(pub u32);

impl Classes {
    /// `g`: commands of no type, such as `DEL`, `EXPIRE`, `RENAME`.
    pub const GENERIC: Self = Self(1);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 1);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 2);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 3);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 4);
    /// `z`: sorted sets.
    pub const ZSET: Self = Self(1 << 5);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 6);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 7);
    /// `e`: keys that were evicted.
    pub const EVICTED: Self = Self(1 << 8);
    /// `m`: reads that found no key.
    pub const MISS: Self = Self(1 << 9);
    /// `n`: keys that are new.
    pub const NEW: Self = Self(1 << 10);
    /// `d`: modules.
    pub const MODULE: Self = Self(1 << 11);

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The classes that anybody can hear of by the directive: none while it names no channel.
    pub fn of(directive: Notify) -> Self {
        const CLASSES: [(Notify, Classes); 12] = [
            (Notify::GENERIC, Classes::GENERIC),
            (Notify::STRING, Classes::STRING),
            (Notify::LIST, Classes::LIST),
            (Notify::SET, Classes::SET),
            (Notify::HASH, Classes::HASH),
            (Notify::ZSET, Classes::ZSET),
            (Notify::STREAM, Classes::STREAM),
            (Notify::EXPIRED, Classes::EXPIRED),
            (Notify::EVICTED, Classes::EVICTED),
            (Notify::KEY_MISS, Classes::MISS),
            (Notify::NEW, Classes::NEW),
            (Notify::MODULE, Classes::MODULE),
        ];
        if !directive.has(Notify::KEYSPACE) && !directive.has(Notify::KEYEVENT) {
            return Self::default();
        }
        let chosen = CLASSES.iter().filter(|(class, _)| directive.has(*class));
        chosen.fold(Self::default(), |all, (_, class)| Self(all.0 | class.0))
    }
}

/// One keyspace event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// What happened (`set`, `expired` …).
    pub event: &'static str,
    /// In which database.
    pub db: u32,
    /// To which key.
    pub key: Box<[u8]>,
}

/// What a command (or a whole transaction) did, in order, in terms that replicas can repeat.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    /// Changes since it was emptied, as `rdb_changes_since_last_save` counts them.
    pub dirty: u64,
    /// Whether anybody wants to know which keys changed; if not, [`Effects::touch`] costs nothing.
    pub watching: bool,
    touched: Vec<(u32, Box<[u8]>)>,
    /// The classes of events that anybody is told of; [`Effects::notify`] of another class costs nothing.
    pub told: Classes,
    events: Vec<KeyEvent>,
}

impl Effects {
    /// Of nothing yet; events of these classes will be gathered.
    pub fn telling(told: Classes) -> Self {
        Self { told, ..Self::default() }
    }

    /// The command itself is to be repeated as it came; counts one change.
    #[inline]
    pub fn itself(&mut self) {
        self.list.push(Effect::Itself);
        self.dirty += 1;
    }

    /// `args` are to be executed in database `db`; counts one change.
    pub fn command<A: AsRef<[u8]>>(&mut self, db: u32, args: &[A]) {
        self.list.push(Effect::Command(db, Command::new(args)));
        self.dirty += 1;
    }

    /// If the last step is the command itself, another one takes its place, in database `db`.
    pub fn replace_itself(&mut self, db: u32, command: Command) {
        if let Some(last @ Effect::Itself) = self.list.last_mut() {
            *last = Effect::Command(db, command);
        }
    }

    /// `key` has a new value, another expiry, or is gone: transactions that watch it fail.
    #[inline]
    pub fn touch(&mut self, db: u32, key: &[u8]) {
        if self.watching {
            self.touched.push((db, key.into()));
        }
    }

    /// `event` of this class happened to `key`: `notify-keyspace-events`.
    #[inline]
    pub fn notify(&mut self, class: Classes, event: &'static str, db: u32, key: &[u8]) {
        if self.told.has(class) {
            self.events.push(KeyEvent { event, db, key: key.into() });
        }
    }

    /// Whether anybody is told of events of any class.
    #[inline]
    pub fn tells(&self) -> bool {
        self.told != Classes::default()
    }

    /// Whether events wait to be taken out.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes out the events.
    pub fn take_events(&mut self) -> Vec<KeyEvent> {
        core::mem::take(&mut self.events)
    }

    /// Whether nothing is to be propagated.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The steps so far.
    pub fn list(&self) -> &[Effect] {
        &self.list
    }

    /// Takes the steps out.
    pub fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.list)
    }

    /// Forgets the steps; the memory stays.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Takes out the touched keys.
    pub fn take_touched(&mut self) -> Vec<(u32, Box<[u8]>)> {
        core::mem::take(&mut self.touched)
    }
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

    /// Puts the loaded keys in place.
    fn load_commit(&mut self);

    /// Drops what was loaded so far.
    fn load_abort(&mut self);

    /// Keys loaded and keys dropped as expired by the load under way or the last one.
    fn load_counts(&self) -> (u64, u64);
}
