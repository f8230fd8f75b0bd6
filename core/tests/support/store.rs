//! A dataset of its own making, as small as one can be: it shows that a node needs nothing but the trait.

use alloc::collections::BTreeMap;
use core::ops::Bound;

use primacy_core::dataset::{
    Context, Counters, Dataset, DbStats, Effects, Flags, KeySpec, LoadError, LoadMode, Progress, Spec,
};
use primacy_core::rdb::{self, Item, Value};
use primacy_core::resp::{Args, parse_i64};
use primacy_core::time::{Instant, Now};

type Key = (u32, Vec<u8>);
/// The bytes, and when they expire (wall-clock ms).
type Entry = (Vec<u8>, Option<i64>);
type Map = BTreeMap<Key, Entry>;

const WRITE: Flags = Flags::WRITE;
const READ: Flags = Flags::READONLY;

const fn spec(name: &'static str, arity: i16, flags: Flags, last: i16) -> Spec {
    let keys = KeySpec::fixed(1, last, 1);
    Spec { name, arity, flags, keys, group: "string", since: "1.0.0", summary: "As in Redis." }
}

static SPECS: [Spec; 7] = [
    spec("get", 2, READ, 1),
    spec("set", 3, WRITE, 1),
    spec("del", -2, WRITE, -1),
    spec("incr", 2, WRITE, 1),
    spec("expire", 3, WRITE, 1),
    spec("pexpire", 3, WRITE, 1),
    spec("pexpireat", 3, WRITE, 1),
];

/// Strings with expiries in a sorted map.
pub struct Store {
    databases: u32,
    map: Map,
    counters: Counters,
    /// What is left of a snapshot.
    snapshot: Map,
    load: Option<Loading>,
    load_counts: (u64, u64),
}

/// FNV-1a over every part with its length, and a rotating sum of its states.
fn digest<'a>(entries: impl Iterator<Item = (&'a Key, &'a Entry)>) -> [u8; 20] {
    let mut sums = [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15];
    let mut feed = |bytes: &[u8]| {
        for &b in (bytes.len() as u32).to_be_bytes().iter().chain(bytes) {
            sums[0] = (sums[0] ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
            sums[1] = sums[1].rotate_left(5) ^ sums[0];
        }
    };
    for ((db, key), (value, expiry)) in entries {
        feed(&db.to_be_bytes());
        feed(key);
        feed(value);
        feed(&[u8::from(expiry.is_some())]);
    }
    let mut digest = [0; 20];
    digest[..8].copy_from_slice(&sums[0].to_be_bytes());
    digest[8..16].copy_from_slice(&sums[1].to_be_bytes());
    digest
}

struct Loading {
    map: Map,
    /// A long string on its way in, and whether it is left out.
    part: Option<(Key, Entry, bool)>,
}

fn database(databases: u32, db: u64) -> Result<u32, LoadError> {
    u32::try_from(db).ok().filter(|db| *db < databases).ok_or(LoadError::Database { db, databases })
}

impl Store {
    pub fn new(databases: u32) -> Self {
        let (counters, load_counts) = (Counters::default(), (0, 0));
        Self { databases, map: Map::new(), counters, snapshot: Map::new(), load: None, load_counts }
    }

    /// The entry of a key that is there for whoever asks.
    fn live(&mut self, key: &Key, cx: &mut Context<'_, '_>) -> Option<&mut Entry> {
        let past = self.map.get(key)?.1.is_some_and(|at| at < cx.now.unix_ms as i64);
        if past && cx.may_expire {
            self.map.remove(key);
            self.counters.expired += 1;
            cx.effects.command(key.0, &[b"DEL", &key.1[..]]);
            cx.effects.touch(key.0, &key.1);
        }
        let hidden = past && (cx.may_expire || cx.origin == primacy_core::dataset::Origin::Client);
        if hidden { None } else { self.map.get_mut(key) }
    }

    fn expire_at(&mut self, key: &Key, at: i64, cx: &mut Context<'_, '_>) {
        let Some(entry) = self.live(key, cx) else { return cx.reply.int(0) };
        entry.1 = Some(at);
        cx.effects.command(key.0, &[b"PEXPIREAT", &key.1[..], at.to_string().as_bytes()]);
        cx.effects.touch(key.0, &key.1);
        cx.reply.int(1);
    }

    fn of(&self, db: u32) -> impl Iterator<Item = (&Key, &Entry)> {
        self.map.range((Bound::Included((db, vec![])), Bound::Excluded((db + 1, vec![]))))
    }
}

impl Dataset for Store {
    fn commands(&self) -> &'static [Spec] {
        &SPECS
    }

    fn execute(&mut self, command: usize, args: Args<'_>, cx: &mut Context<'_, '_>) {
        let key = (cx.db, args.at(1).to_vec());
        let now = cx.now.unix_ms as i64;
        let number = || parse_i64(args.at(2));
        match SPECS[command].name {
            "get" => match self.live(&key, cx).map(|e| e.0.clone()) {
                Some(value) => {
                    self.counters.hits += 1;
                    cx.reply.bulk(&value);
                }
                None => {
                    self.counters.misses += 1;
                    cx.reply.null();
                }
            },
            "set" => {
                cx.effects.itself();
                cx.effects.touch(cx.db, &key.1);
                self.map.insert(key, (args.at(2).to_vec(), None));
                cx.reply.ok();
            }
            "del" => {
                let mut gone = 0;
                for name in args.from(1).iter() {
                    let key = (cx.db, name.to_vec());
                    if self.live(&key, cx).is_some() {
                        self.map.remove(&key);
                        cx.effects.touch(cx.db, name);
                        gone += 1;
                    }
                }
                if gone > 0 {
                    cx.effects.itself();
                }
                cx.reply.int(gone);
            }
            "incr" => {
                let old = self.live(&key, cx).map_or(Some(0), |e| parse_i64(&e.0));
                let Some(new) = old.and_then(|n| n.checked_add(1)) else {
                    return cx.reply.error("ERR value is not an integer or out of range");
                };
                cx.effects.itself();
                cx.effects.touch(cx.db, &key.1);
                self.map.entry(key).or_default().0 = new.to_string().into_bytes();
                cx.reply.int(new);
            }
            name => {
                let at = number().and_then(|n| match name {
                    "expire" => n.checked_mul(1000)?.checked_add(now),
                    "pexpire" => n.checked_add(now),
                    _ => Some(n),
                });
                match at {
                    Some(at) => self.expire_at(&key, at, cx),
                    None => cx.reply.error("ERR value is not an integer or out of range"),
                }
            }
        }
    }

    fn databases(&self) -> u32 {
        self.databases
    }

    fn stats(&self, db: u32) -> DbStats {
        let expires = self.of(db).filter(|(_, e)| e.1.is_some()).count() as u64;
        DbStats { keys: self.of(db).count() as u64, expires, avg_ttl_ms: 0 }
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    fn memory(&self) -> usize {
        self.map.iter().map(|(k, e)| k.1.len() + e.0.len() + 64).sum()
    }

    /// Not Redis's digest, but equal for equal data.
    fn digest(&mut self) -> [u8; 20] {
        digest(self.map.iter())
    }

    fn contains(&self, db: u32, key: &[u8]) -> bool {
        self.map.contains_key(&(db, key.to_vec()))
    }

    fn digest_value(&mut self, db: u32, key: &[u8]) -> [u8; 20] {
        let found = self.map.get_key_value(&(db, key.to_vec()));
        if found.is_some() { digest(found.into_iter()) } else { [0; 20] }
    }

    fn flush(&mut self, db: Option<u32>) -> u64 {
        let before = self.map.len();
        self.map.retain(|k, _| db.is_some_and(|db| db != k.0));
        (before - self.map.len()) as u64
    }

    fn swap(&mut self, a: u32, b: u32) {
        let other = |db| {
            if db == a {
                b
            } else if db == b {
                a
            } else {
                db
            }
        };
        self.map = core::mem::take(&mut self.map).into_iter().map(|((db, k), e)| ((other(db), k), e)).collect();
    }

    fn maintain(&mut self, _: usize) -> Progress {
        Progress::Done
    }

    fn expire(&mut self, now: Now, budget: usize, effects: &mut Effects) -> Progress {
        let due = |e: &Entry| e.1.is_some_and(|at| at < now.unix_ms as i64);
        let list: Vec<Key> = self.map.iter().filter(|(_, e)| due(e)).map(|(k, _)| k.clone()).take(budget).collect();
        for key in &list {
            self.map.remove(key);
            self.counters.expired += 1;
            effects.command(key.0, &[b"DEL", &key.1[..]]);
            effects.touch(key.0, &key.1);
        }
        if list.len() == budget { Progress::More } else { Progress::Done }
    }

    fn next_expiry(&self, now: Now) -> Option<Instant> {
        let first = self.map.values().filter_map(|e| e.1).min()?;
        let wait = (first + 1 - now.unix_ms as i64).clamp(1, 1000);
        Some(now.mono + core::time::Duration::from_millis(wait as u64))
    }

    fn snapshot_begin(&mut self) {
        self.snapshot = self.map.clone();
    }

    fn snapshot_step(&mut self, out: &mut rdb::Body, budget: usize) -> Progress {
        let end = out.len() + budget as u64;
        while out.len() < end {
            let Some(((db, key), (value, expiry))) = self.snapshot.pop_first() else { return Progress::Done };
            out.string(db, &key, expiry, &value);
        }
        Progress::More
    }

    fn snapshot_pending(&self) -> usize {
        0
    }

    fn snapshot_end(&mut self) {
        self.snapshot.clear();
    }

    fn load_begin(&mut self, mode: LoadMode) {
        if mode == LoadMode::Replace {
            self.map.clear();
        }
        self.load_counts = (0, 0);
        self.load = Some(Loading { map: Map::new(), part: None });
    }

    fn accepts(&self, item: &Item<'_>) -> Result<(), LoadError> {
        match item {
            Item::Entry(e) => database(self.databases, e.db).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn load_item(&mut self, item: &Item<'_>, drop_expired: Option<u64>) -> Result<(), LoadError> {
        let Some(load) = &mut self.load else { return Ok(()) };
        let done = match item {
            Item::Entry(e) => {
                let db = database(self.databases, e.db)?;
                let drop = drop_expired.zip(e.expire_at_ms).is_some_and(|(now, at)| at < now as i64);
                let (value, whole) = match e.value {
                    Value::String(value) => (value, true),
                    _ => (&[][..], false),
                };
                load.part = Some(((db, e.key.to_vec()), (value.to_vec(), e.expire_at_ms), drop));
                whole
            }
            Item::Piece(bytes) => {
                if let Some((_, entry, _)) = &mut load.part {
                    entry.0.extend_from_slice(bytes);
                }
                false
            }
            Item::EntryEnd => true,
            _ => false,
        };
        if done && let Some((key, entry, drop)) = load.part.take() {
            *(if drop { &mut self.load_counts.1 } else { &mut self.load_counts.0 }) += 1;
            if !drop {
                load.map.insert(key, entry);
            }
        }
        Ok(())
    }

    fn load_commit(&mut self) {
        if let Some(load) = self.load.take() {
            self.map = load.map;
        }
    }

    fn load_abort(&mut self) {
        self.load = None;
    }

    fn load_counts(&self) -> (u64, u64) {
        self.load_counts
    }
}
