//! `maxmemory`: which key gives way.
//!
//! The best of a few keys goes (`maxmemory-samples`), as in Redis. Those that were nearly the best are kept in a pool for
//! the next time, so that a few samples come near to the true order.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Keyspace;
use super::entry::Slot;
use super::table::Table;
use super::uses::Uses;
use crate::config::{EvictionPolicy, Settings};
use crate::dataset::{Classes, Effects};
use crate::rng::Rng;
use crate::time::Now;

/// Keys of the pool.
const POOL: usize = 16;
/// Rounds of sampling for one eviction: the second is for a pool of nothing but keys that are gone.
const ROUNDS: usize = 3;

/// A key that may give way.
#[derive(Debug)]
struct Candidate {
    rank: u64,
    db: u32,
    key: Box<[u8]>,
}

/// What replicas are told of keys that are deleted: `UNLINK` where a directive has them freed lazily, as from Redis. Here
/// every large value is freed lazily, whatever the directives say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// Evicted (`lazyfree-lazy-eviction`).
    evicted: &'static [u8],
    /// Expired (`lazyfree-lazy-expire`).
    pub(super) expired: &'static [u8],
    /// Deleted by a client in another way than by `DEL` (`lazyfree-lazy-user-del`).
    pub(super) deleted: &'static [u8],
}

impl Words {
    pub(super) fn new(settings: &Settings) -> Self {
        let word = |lazy: bool| -> &'static [u8] { if lazy { b"UNLINK" } else { b"DEL" } };
        Self {
            evicted: word(settings.lazyfree_lazy_eviction),
            expired: word(settings.lazyfree_lazy_expire),
            deleted: word(settings.lazyfree_lazy_user_del),
        }
    }
}

/// What `maxmemory-policy` asks for.
#[derive(Debug)]
pub(super) struct Evictor {
    policy: EvictionPolicy,
    samples: usize,
    /// The best last.
    pool: Vec<Candidate>,
    /// The database that the next random key comes from.
    next_db: usize,
}

impl Evictor {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            policy: settings.maxmemory_policy,
            samples: settings.maxmemory_samples as usize,
            pool: Vec::new(),
            next_db: 0,
        }
    }

    /// Whether only keys with an expiry may go.
    fn expiring(&self) -> bool {
        use EvictionPolicy::{VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl};
        matches!(self.policy, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl)
    }

    fn is_random(&self) -> bool {
        matches!(self.policy, EvictionPolicy::AllkeysRandom | EvictionPolicy::VolatileRandom)
    }

    /// How gladly a key is evicted; `None`: not at all.
    fn rank(&self, slot: &Slot, stamp: u32, uses: Uses, now: Now) -> Option<u64> {
        let expiry = slot.expiry();
        if self.expiring() && expiry.is_none() {
            return None;
        }
        match self.policy {
            // The nearest first; both are in the order of unsigned numbers.
            EvictionPolicy::VolatileTtl => expiry.map(|at| u64::MAX - at.max(0) as u64),
            _ => Some(uses.rank(stamp, now.mono)),
        }
    }

    /// Takes some keys of a database into the pool that are better than what is there.
    fn fill(&mut self, db: u32, table: &mut Table, uses: Uses, now: Now, rng: &mut Rng) {
        let (samples, expiring) = (self.samples, self.expiring());
        let mut pool = core::mem::take(&mut self.pool);
        table.sample(
            samples,
            expiring,
            |below| rng.below(below),
            |_, slot, stamp| {
                let Some(rank) = self.rank(slot, stamp, uses, now) else { return };
                let at = pool.partition_point(|c| c.rank < rank);
                let full = pool.len() >= POOL;
                if (full && at == 0) || pool.iter().any(|c| c.db == db && *c.key == *slot.key()) {
                    return;
                }
                let candidate = Candidate { rank, db, key: slot.key().into() };
                if full {
                    pool.remove(0);
                    pool.insert(at - 1, candidate);
                } else {
                    pool.insert(at, candidate);
                }
            },
        );
        self.pool = pool;
    }
}

impl Keyspace {
    /// Deletes one key by the policy; whether there was one that may go.
    pub(super) fn evict_one(&mut self, now: Now, rng: &mut Rng, effects: &mut Effects) -> bool {
        let found = match self.evictor.policy {
            EvictionPolicy::NoEviction => None,
            _ if self.evictor.is_random() => self.any_key(rng),
            _ => self.best_key(now, rng),
        };
        let Some((db, key)) = found else { return false };
        let Some(table) = self.dbs.get_mut(db as usize) else { return false };
        let Some(place) = table.find(table.hash(&key), &key) else { return false };
        let slot = table.remove(place);
        table.tighten();
        self.graveyard.bury(slot);
        self.counters.evicted += 1;
        effects.touch(db, &key);
        effects.notify(Classes::EVICTED, "evicted", db, &key);
        effects.command(db, &[self.words.evicted, &key]);
        true
    }

    /// Any key of the databases in turn.
    fn any_key(&mut self, rng: &mut Rng) -> Option<(u32, Box<[u8]>)> {
        let expiring = self.evictor.expiring();
        for _ in 0..self.dbs.len() {
            let db = self.evictor.next_db % self.dbs.len();
            self.evictor.next_db = db + 1;
            let table = self.dbs.get_mut(db)?;
            let mut found = None;
            if expiring {
                // A few beside each other, and one of them.
                let mut seen = 0u64;
                let pick = rng.next_u64();
                table.sample(
                    5,
                    true,
                    |below| rng.below(below),
                    |_, slot, _| {
                        seen += 1;
                        if found.is_none() || pick.is_multiple_of(seen) {
                            found = Some(slot.key().into());
                        }
                    },
                );
            } else if let Some(place) = table.random(|below| rng.below(below)) {
                found = Some(table.slot(place).key().into());
            }
            if let Some(key) = found {
                return Some((db as u32, key));
            }
        }
        None
    }

    /// The best key of the pool, after some more went into it.
    fn best_key(&mut self, now: Now, rng: &mut Rng) -> Option<(u32, Box<[u8]>)> {
        for _ in 0..ROUNDS {
            for (db, table) in self.dbs.iter_mut().enumerate() {
                if table.len() > 0 {
                    self.evictor.fill(db as u32, table, self.uses, now, rng);
                }
            }
            while let Some(mut candidate) = self.evictor.pool.pop() {
                let Some(table) = self.dbs.get(candidate.db as usize) else { continue };
                let Some(place) = table.find(table.hash(&candidate.key), &candidate.key) else { continue };
                let rank = self.evictor.rank(table.slot(place), table.stamp(place), self.uses, now);
                let Some(rank) = rank else { continue };
                let pool = &mut self.evictor.pool;
                if rank >= candidate.rank || pool.is_empty() {
                    return Some((candidate.db, candidate.key));
                }
                // It was used meanwhile: others may be better now.
                candidate.rank = rank;
                pool.insert(pool.partition_point(|c| c.rank < rank), candidate);
            }
        }
        None
    }
}
