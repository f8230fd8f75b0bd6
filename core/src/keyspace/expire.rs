//! Keys and fields of hashes whose time has come.
//!
//! Every bucket knows the earliest expiry in it, every segment of buckets the earliest of its buckets, and the table the
//! earliest of all. Buckets without a key that is due are never looked at, and the next time is known to the
//! millisecond.

use alloc::vec::Vec;
use core::time::Duration;

use super::Keyspace;
use super::table::{Gone, NEVER};
use crate::dataset::{Classes, Effects, Progress};
use crate::time::{Instant, Now};

/// The least time between two calls: many keys with expiries close to each other go in one.
const LEAST: Duration = Duration::from_millis(1);
/// The longest, for the wall clock may jump.
const LONGEST: Duration = Duration::from_secs(1);

impl Keyspace {
    pub(super) fn expire_slice(&mut self, now: Now, budget: usize, effects: &mut Effects) -> Progress {
        self.seen_ms = now.unix_ms;
        let now_ms = i64::try_from(now.unix_ms).unwrap_or(i64::MAX);
        let mut budget = budget.max(1);
        let word = self.words.expired;
        let (counters, graveyard) = (&mut self.counters, &mut self.graveyard);
        for (db, table) in self.dbs.iter_mut().enumerate() {
            let done = table.expire(now_ms, &mut budget, |gone| match gone {
                Gone::Key(slot) => {
                    counters.expired += 1;
                    effects.command(db as u32, &[word, slot.key()]);
                    effects.touch(db as u32, slot.key());
                    effects.notify(Classes::EXPIRED, "expired", db as u32, slot.key());
                    graveyard.bury(slot);
                }
                Gone::Fields(key, names) => {
                    let words: Vec<&[u8]> =
                        [&b"HDEL"[..], key].into_iter().chain(names.iter().map(Vec::as_slice)).collect();
                    effects.command(db as u32, &words);
                    effects.touch(db as u32, key);
                    effects.notify(Classes::HASH, "hexpired", db as u32, key);
                    counters.expired_fields += names.len() as u64;
                }
                Gone::Rest(slot) => {
                    effects.notify(Classes::GENERIC, "del", db as u32, slot.key());
                    graveyard.bury(slot);
                }
            });
            if !done {
                return Progress::More;
            }
        }
        Progress::Done
    }

    pub(super) fn next_expiry_after(&self, now: Now) -> Option<Instant> {
        let earliest = self.dbs.iter().map(super::table::Table::earliest).min().filter(|&at| at != NEVER)?;
        // A key lives through its last millisecond.
        let wait = earliest.saturating_add(1).saturating_sub_unsigned(now.unix_ms).max(0) as u64;
        Some(now.mono + Duration::from_millis(wait).clamp(LEAST, LONGEST))
    }
}
