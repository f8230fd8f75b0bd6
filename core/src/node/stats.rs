//! What a node counts.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

use crate::client::Session;
use crate::machine::Turns;
use crate::replication::LinkState;
use crate::resp::{Args, Reply};
use crate::time::{Instant, Now};

/// Arguments and bytes of one that SLOWLOG keeps, as Redis does.
const SLOWLOG_ARGS: usize = 32;
const SLOWLOG_BYTES: usize = 128;

/// Samples of one event that LATENCY keeps, as Redis does.
const LATENCY_SAMPLES: usize = 160;

/// Counts of a node since its start or `CONFIG RESETSTAT`, beside those of its clients' side.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) repl_in: u64,
    pub(super) repl_out: u64,
    pub(super) peak_memory: u64,
    /// What the expiry cycle took, us, and how many of its slices ended before all that was due was gone.
    pub(super) expire_us: u64,
    pub(super) expire_cut: u64,
    /// For how long the dataset was above `maxmemory`, and since when it is.
    pub(super) exceeded: Duration,
    pub(super) exceeded_since: Option<Instant>,
    /// As a replica: how often it synchronized with its master, and in which states its link was, for how long.
    pub(super) resyncs: Resyncs,
    pub(super) link: LinkTimes,
    /// Full resyncs that `replica-resync-guard` refused.
    pub(super) resyncs_refused: u64,
    /// How often writers were slowed down, and for how long in all (but for the present time).
    pub(super) throttled: u64,
    pub(super) throttled_for: Duration,
    /// Keys that the last load put in place, and dropped as expired.
    pub(super) load_keys: (u64, u64),
}

impl Stats {
    /// Begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self {
            peak_memory: self.peak_memory,
            load_keys: self.load_keys,
            exceeded_since: self.exceeded_since,
            link: self.link.anew(),
            ..Self::default()
        };
    }
}

/// Resyncs of a replica with its master.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resyncs {
    pub(super) full: u64,
    pub(super) partial: u64,
}

/// The state of a replica's link: which, since when, and for how long it was in each one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkTimes {
    now: Option<(LinkState, Instant)>,
    before: [Duration; LinkState::ALL.len()],
}

impl LinkTimes {
    /// Notes the state, none for a master.
    #[inline]
    pub(super) fn note(&mut self, state: Option<LinkState>, at: Instant) {
        if self.now.map(|(state, _)| state) != state {
            if let Some((old, since)) = self.now {
                self.before[old as usize] += at - since;
            }
            self.now = state.map(|state| (state, at));
        }
    }

    /// The state, and for how long it has been.
    pub(super) fn current(&self, at: Instant) -> Option<(LinkState, Duration)> {
        self.now.map(|(state, since)| (state, at - since))
    }

    /// Each state with all the time in it.
    pub(super) fn all(&self, at: Instant) -> impl Iterator<Item = (LinkState, Duration)> {
        let current = self.current(at);
        LinkState::ALL.into_iter().zip(self.before).map(move |(state, before)| {
            (state, before + current.filter(|(now, _)| *now == state).map_or(Duration::ZERO, |(_, for_)| for_))
        })
    }

    fn anew(&self) -> Self {
        Self { now: self.now, ..Self::default() }
    }
}

/// One slow command.
#[derive(Debug)]
struct Slow {
    id: u64,
    unix_s: u64,
    us: u64,
    args: Vec<Box<[u8]>>,
    peer: String,
    name: String,
}

/// The last slow commands, at most `slowlog-max-len`.
#[derive(Debug, Default)]
pub(super) struct SlowLog {
    list: VecDeque<Slow>,
    next: u64,
}

impl SlowLog {
    pub(super) fn record(&mut self, us: u64, args: Args<'_>, s: &Session, now: Now, limit: usize) {
        if limit == 0 {
            return;
        }
        let shown = if args.len() > SLOWLOG_ARGS { SLOWLOG_ARGS - 1 } else { args.len() };
        let mut list: Vec<Box<[u8]>> = args
            .iter()
            .take(shown)
            .map(|a| match a.get(..SLOWLOG_BYTES) {
                Some(head) if a.len() > SLOWLOG_BYTES => {
                    let more = format!("... ({} more bytes)", a.len() - SLOWLOG_BYTES);
                    [head, more.as_bytes()].concat().into()
                }
                _ => a.into(),
            })
            .collect();
        if shown < args.len() {
            list.push(format!("... ({} more arguments)", args.len() - shown).into_bytes().into());
        }
        self.list.truncate(limit - 1);
        let (peer, name) = (format!("{}", s.peer), s.name.clone());
        self.list.push_front(Slow { id: self.next, unix_s: now.unix_s(), us, args: list, peer, name });
        self.next += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the last one and what it took, us.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        self.list.front().map(|slow| (slow.id, slow.us))
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn write(&self, r: &mut Reply<'_>, count: usize) {
        let n = count.min(self.list.len());
        r.array(n);
        for slow in self.list.iter().take(n) {
            r.array(6);
            r.int(slow.id as i64);
            r.int(slow.unix_s as i64);
            r.int(slow.us as i64);
            r.array(slow.args.len());
            slow.args.iter().for_each(|a| r.bulk(a));
            r.bulk(slow.peer.as_bytes());
            r.bulk(slow.name.as_bytes());
        }
    }
}

/// Samples of one kind of slow moment.
#[derive(Debug, Default)]
struct Moments {
    /// Second and worst milliseconds within it.
    list: VecDeque<(u64, u64)>,
    worst: u64,
}

/// LATENCY's events.
#[derive(Debug, Default)]
pub(super) struct Latency {
    events: BTreeMap<&'static str, Moments>,
}

impl Latency {
    pub(super) fn record(&mut self, event: &'static str, ms: u64, now: Now) {
        let m = self.events.entry(event).or_default();
        m.worst = m.worst.max(ms);
        let second = now.unix_s();
        match m.list.back_mut() {
            Some((at, worst)) if *at == second => *worst = ms.max(*worst),
            _ => {
                if m.list.len() == LATENCY_SAMPLES {
                    m.list.pop_front();
                }
                m.list.push_back((second, ms));
            }
        }
    }

    /// The last moment of each event: second and ms.
    pub(super) fn latest(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        self.events.iter().map(|(name, m)| {
            let (at, ms) = m.list.back().copied().unwrap_or_default();
            (*name, at, ms)
        })
    }

    fn named(&self, name: &[u8]) -> Option<&Moments> {
        self.events.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, m)| m)
    }

    pub(super) fn write_latest(&self, r: &mut Reply<'_>) {
        r.array(self.events.len());
        for ((name, at, ms), m) in self.latest().zip(self.events.values()) {
            r.array(4);
            r.bulk(name.as_bytes());
            r.int(at as i64);
            r.int(ms as i64);
            r.int(m.worst as i64);
        }
    }

    pub(super) fn write_history(&self, r: &mut Reply<'_>, name: &[u8]) {
        let list = self.named(name).map(|m| &m.list);
        r.array(list.map_or(0, VecDeque::len));
        for (at, ms) in list.into_iter().flatten() {
            r.array(2);
            r.int(*at as i64);
            r.int(*ms as i64);
        }
    }

    pub(super) fn reset(&mut self, names: Args<'_>) -> usize {
        let before = self.events.len();
        if names.is_empty() {
            self.events.clear();
        } else {
            self.events.retain(|name, _| !names.iter().any(|n| n == name.as_bytes()));
        }
        before - self.events.len()
    }

    /// The history of an event as a row of bars, oldest first.
    pub(super) fn graph(&self, name: &[u8]) -> Option<String> {
        let m = self.named(name)?;
        let top = m.list.iter().map(|(_, ms)| *ms).max()?.max(1);
        let bars: String =
            m.list.iter().map(|(_, ms)| ['_', '.', 'o', '#'][(ms * 3).div_ceil(top).min(3) as usize]).collect();
        let low = m.list.iter().map(|(_, ms)| *ms).min()?;
        Some(format!(
            "{} - high {top} ms, low {low} ms (all time high {} ms)\n{bars}\n",
            String::from_utf8_lossy(name),
            m.worst
        ))
    }

    pub(super) fn doctor(&self, threshold_ms: u64, turns: Turns) -> String {
        let mut text = format!(
            "Turns of the event loop: {}, the longest {} us (the most work in one: {} us), {} us on average.\n",
            turns.count,
            turns.longest_us,
            turns.longest_cpu_us,
            turns.total_us / turns.count.max(1)
        );
        if threshold_ms == 0 {
            text.push_str(
                "Slow moments are not recorded: CONFIG SET latency-monitor-threshold <milliseconds> records them.\n",
            );
        } else if self.events.is_empty() {
            let _ = writeln!(text, "No moment slower than {threshold_ms} ms was seen.");
        }
        for (name, m) in &self.events {
            let _ = writeln!(text, "{name}: {} seconds with a slow moment, the worst {} ms.", m.list.len(), m.worst);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowlog_keeps_the_last_and_cuts_the_long() {
        let mut log = SlowLog::default();
        let peer = crate::machine::Endpoint::Unix("".into());
        let s = Session::new(crate::ids::ConnId::accepted(1), 1, peer.clone(), peer, Instant::ZERO);
        for i in 0..5u64 {
            let c = crate::resp::Command::new(&["SET".as_bytes(), &[b'x'; 200][..]]);
            log.record(i, c.args(), &s, Now::default(), 3);
        }
        assert_eq!((log.len(), log.list[0].id, log.list[2].id), (3, 4, 2));
        assert!(log.list[0].args[1].ends_with(b"... (72 more bytes)"));
    }
}
