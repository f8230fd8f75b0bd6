//! What a node counts.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::blocks::Blocks;
use crate::client::Session;
use crate::ids::{Ids, OpId};
use crate::machine::{Action, Actions, Chunks, Job, Meter, Outcome, Turns, Usage};
use crate::resp::{Args, Reply};
use crate::time::{Instant, Now};

/// Different error prefixes that are counted by name; later ones count as `OTHER`.
const ERROR_PREFIXES_MAX: usize = 128;

/// Arguments and bytes of one that SLOWLOG keeps, as Redis does.
const SLOWLOG_ARGS: usize = 32;
const SLOWLOG_BYTES: usize = 128;

/// Samples of one event that LATENCY keeps, as Redis does.
const LATENCY_SAMPLES: usize = 160;

/// Samples of the rates in INFO, and how far apart they are, ms.
const RATE_SAMPLES: usize = 16;
const RATE_MS: u64 = 100;

/// Microseconds between two readings of the meter.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: u64,
}

impl Clock {
    pub(super) fn begin(&mut self, meter: &mut dyn Meter) {
        self.last = meter.now_us();
    }

    /// Since the last reading: one reading serves as the end of a command and the beginning of the next.
    pub(super) fn lap(&mut self, meter: &mut dyn Meter) -> u64 {
        let now = meter.now_us();
        let us = now.saturating_sub(self.last);
        self.last = now;
        us
    }
}

/// Counts of one command.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandStats {
    pub(super) calls: u64,
    pub(super) us: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    /// Calls by the power of two of their microseconds.
    pub(super) by_power: [u32; 24],
}

/// Counts of a node since its start or `CONFIG RESETSTAT`.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) clock: Clock,
    pub(super) commands: Vec<CommandStats>,
    pub(super) processed: u64,
    pub(super) connections: u64,
    pub(super) rejected_connections: u64,
    pub(super) net_in: u64,
    pub(super) net_out: u64,
    pub(super) repl_in: u64,
    pub(super) repl_out: u64,
    pub(super) auth_failures: u64,
    pub(super) output_limit_disconnections: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) total_errors: u64,
    pub(super) peak_memory: u64,
    /// Keys that the last load put in place, and dropped as expired.
    pub(super) load_keys: (u64, u64),
    rates: VecDeque<(Instant, u64, u64, u64)>,
}

impl Stats {
    pub(super) fn new(commands: usize) -> Self {
        Self { commands: vec![CommandStats::default(); commands], ..Self::default() }
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self { peak_memory: self.peak_memory, load_keys: self.load_keys, ..Self::new(self.commands.len()) };
    }

    pub(super) fn called(&mut self, index: usize, us: u64, failed: bool) {
        self.processed += 1;
        if let Some(c) = self.commands.get_mut(index) {
            c.calls += 1;
            c.us += us;
            c.failed += u64::from(failed);
            c.by_power[((64 - us.leading_zeros()) as usize).min(23)] += 1;
        }
    }

    pub(super) fn rejected(&mut self, index: Option<usize>) {
        if let Some(c) = index.and_then(|i| self.commands.get_mut(i)) {
            c.rejected += 1;
        }
    }

    /// Counts an error by its prefix.
    pub(super) fn count_error(&mut self, prefix: &str) {
        self.total_errors += 1;
        if let Some(n) = self.errors.get_mut(prefix) {
            *n += 1;
        } else {
            let name = if self.errors.len() < ERROR_PREFIXES_MAX { prefix } else { "OTHER" };
            *self.errors.entry(name.into()).or_default() += 1;
        }
    }

    /// Counts the error that was written to an outbox from `at` on.
    pub(super) fn count_reply_error(&mut self, outbox: &mut Blocks, at: u64) {
        let mut chunks = Chunks::new();
        outbox.read(at, 32, &mut chunks);
        let text = chunks.concat();
        // An error inside an array (EXEC) is counted by the command that wrote it.
        if let Some(rest) = text.strip_prefix(b"-") {
            let end = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let prefix = String::from_utf8_lossy(&rest[..end]).into_owned();
            self.count_error(&prefix);
        }
    }

    /// Takes a sample for the rates if the last one is old enough. Called with each input, so nothing ticks for it.
    pub(super) fn sample(&mut self, now: Instant) {
        if self.rates.back().is_none_or(|(at, ..)| (now - *at).as_millis() as u64 >= RATE_MS) {
            if self.rates.len() == RATE_SAMPLES {
                self.rates.pop_front();
            }
            self.rates.push_back((now, self.processed, self.net_in, self.net_out));
        }
    }

    /// Commands, bytes in and bytes out a second, over about the last second and a half.
    pub(super) fn rates(&self, now: Instant) -> (u64, u64, u64) {
        let Some(&(at, ops, net_in, net_out)) = self.rates.front() else { return (0, 0, 0) };
        let ms = ((now - at).as_millis() as u64).max(1);
        let per_s = |n: u64, old: u64| n.saturating_sub(old).saturating_mul(1000) / ms;
        (per_s(self.processed, ops), per_s(self.net_in, net_in), per_s(self.net_out, net_out))
    }

    /// The answer of LATENCY HISTOGRAM.
    pub(super) fn write_histograms(&self, r: &mut Reply<'_>, wanted: &[(usize, &'static str)]) {
        let called: Vec<_> = wanted
            .iter()
            .filter_map(|&(i, name)| Some((name, self.commands.get(i)?)))
            .filter(|(_, c)| c.calls > 0)
            .collect();
        r.map(called.len());
        for (name, c) in called {
            r.bulk(name.as_bytes());
            r.map(2);
            r.bulk(b"calls");
            r.int(c.calls as i64);
            r.bulk(b"histogram_usec");
            let mut sum = 0;
            let filled: Vec<(u64, u64)> = c
                .by_power
                .iter()
                .enumerate()
                .filter(|(_, n)| **n > 0)
                .map(|(power, n)| {
                    sum += u64::from(*n);
                    (1 << power, sum)
                })
                .collect();
            r.map(filled.len());
            for (us, n) in filled {
                r.int(us as i64);
                r.int(n as i64);
            }
        }
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

    fn named(&self, name: &[u8]) -> Option<&Moments> {
        self.events.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, m)| m)
    }

    pub(super) fn write_latest(&self, r: &mut Reply<'_>) {
        r.array(self.events.len());
        for (name, m) in &self.events {
            let (at, ms) = m.list.back().copied().unwrap_or_default();
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

/// What the process used when it was last asked: INFO answers from here and has it refreshed.
#[derive(Debug, Default)]
pub(super) struct UsageCache {
    pub(super) last: Usage,
    asked: Option<OpId>,
    at: Option<Instant>,
}

impl UsageCache {
    /// Has it refreshed if it is older than a tenth of a second.
    pub(super) fn refresh<E>(&mut self, now: Instant, ids: &mut Ids, out: &mut Actions<E>) {
        let fresh = self.at.is_some_and(|at| (now - at).as_millis() < 100);
        if self.asked.is_none() && !fresh {
            let op = ids.op();
            self.asked = Some(op);
            self.at = Some(now);
            out.push(Action::Start { op, job: Job::Usage });
        }
    }

    pub(super) fn done(&mut self, op: OpId, result: Outcome) -> Option<Outcome> {
        if self.asked != Some(op) {
            return Some(result);
        }
        self.asked = None;
        if let Outcome::Usage(usage) = result {
            self.last = usage;
        }
        None
    }
}

/// `bytes` as INFO's `_human` fields print them.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let (mut n, mut unit) = (bytes as f64, 0);
    while n >= 1024.0 && unit + 1 < UNITS.len() {
        n /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{n:.2}{}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn human_sizes() {
        assert_eq!(human(1000), "1000B");
        assert_eq!(human(1_048_576), "1.00M");
        assert_eq!(human(1536), "1.50K");
    }

    #[test]
    fn rates_are_per_second() {
        let mut s = Stats::new(1);
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        for i in 0..20 {
            s.sample(at(i * 100));
            s.processed += 100;
        }
        let (ops, ..) = s.rates(at(2000));
        assert!((950..=1050).contains(&ops), "{ops}");
    }

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
