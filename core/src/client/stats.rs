//! What is counted of commands and connections, and what the process uses.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::acl::What;
use crate::blocks::Blocks;
use crate::ids::OpId;
use crate::machine::{Action, Actions, Chunks, Job, Meter, Outcome, Usage};
use crate::resp::Reply;
use crate::time::Instant;

/// Different error prefixes that are counted by name; later ones count as `OTHER`.
const ERROR_PREFIXES_MAX: usize = 128;

/// Buckets of a command's histogram: less than 1 µs, less than 2, 4 ... and at last all that took longer.
pub(crate) const POWERS: usize = 24;

/// Samples of the rates in INFO, and how far apart they are, ms.
const RATE_SAMPLES: usize = 16;
const RATE_MS: u64 = 100;

/// Microseconds between two readings of the meter.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    last: u64,
}

impl Clock {
    pub(crate) fn begin(&mut self, meter: &mut dyn Meter) {
        self.last = meter.now_us();
    }

    /// Since the last reading: one reading serves as the end of a command and the beginning of the next.
    pub(crate) fn lap(&mut self, meter: &mut dyn Meter) -> u64 {
        let now = meter.now_us();
        let us = now.saturating_sub(self.last);
        self.last = now;
        us
    }
}

/// Counts of one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    pub(crate) us: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// Calls by the power of two of their microseconds.
    pub(crate) by_power: [u64; POWERS],
}

/// Counts of a server's clients' side since its start or `CONFIG RESETSTAT`.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) clock: Clock,
    pub(crate) commands: Vec<CommandStats>,
    pub(crate) processed: u64,
    pub(crate) connections: u64,
    pub(crate) rejected_connections: u64,
    pub(crate) net_in: u64,
    pub(crate) net_out: u64,
    pub(crate) auth_failures: u64,
    /// Commands, keys and channels that users were denied.
    pub(crate) denied_commands: u64,
    pub(crate) denied_keys: u64,
    pub(crate) denied_channels: u64,
    pub(crate) output_limit_disconnections: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) total_errors: u64,
    rates: VecDeque<(Instant, u64, u64, u64)>,
}

impl Stats {
    pub(crate) fn new(commands: usize) -> Self {
        Self { commands: vec![CommandStats::default(); commands], ..Self::default() }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.commands.len());
    }

    /// Counts what a user was denied.
    pub(crate) fn denied(&mut self, what: What) {
        *match what {
            What::Command => &mut self.denied_commands,
            What::Key => &mut self.denied_keys,
            What::Channel => &mut self.denied_channels,
            What::Auth => &mut self.auth_failures,
        } += 1;
    }

    pub(crate) fn called(&mut self, index: usize, us: u64, failed: bool) {
        self.processed += 1;
        if let Some(c) = self.commands.get_mut(index) {
            c.calls += 1;
            c.us += us;
            c.failed += u64::from(failed);
            c.by_power[((64 - us.leading_zeros()) as usize).min(POWERS - 1)] += 1;
        }
    }

    pub(crate) fn rejected(&mut self, index: Option<usize>) {
        if let Some(c) = index.and_then(|i| self.commands.get_mut(i)) {
            c.rejected += 1;
        }
    }

    /// Counts an error by its prefix.
    pub(crate) fn count_error(&mut self, prefix: &str) {
        self.total_errors += 1;
        if let Some(n) = self.errors.get_mut(prefix) {
            *n += 1;
        } else {
            let name = if self.errors.len() < ERROR_PREFIXES_MAX { prefix } else { "OTHER" };
            *self.errors.entry(name.into()).or_default() += 1;
        }
    }

    /// Counts the error that was written to an outbox from `at` on.
    pub(crate) fn count_reply_error(&mut self, outbox: &mut Blocks, at: u64) {
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
    pub(crate) fn sample(&mut self, now: Instant) {
        if self.rates.back().is_none_or(|(at, ..)| (now - *at).as_millis() as u64 >= RATE_MS) {
            if self.rates.len() == RATE_SAMPLES {
                self.rates.pop_front();
            }
            self.rates.push_back((now, self.processed, self.net_in, self.net_out));
        }
    }

    /// Commands, bytes in and bytes out a second, over about the last second and a half.
    pub(crate) fn rates(&self, now: Instant) -> (u64, u64, u64) {
        let Some(&(at, ops, net_in, net_out)) = self.rates.front() else { return (0, 0, 0) };
        let ms = ((now - at).as_millis() as u64).max(1);
        let per_s = |n: u64, old: u64| n.saturating_sub(old).saturating_mul(1000) / ms;
        (per_s(self.processed, ops), per_s(self.net_in, net_in), per_s(self.net_out, net_out))
    }

    /// The answer of LATENCY HISTOGRAM.
    pub(crate) fn write_histograms(&self, r: &mut Reply<'_>, wanted: &[(usize, &'static str)]) {
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
                    sum += n;
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

/// What the process used when it was last asked: INFO answers from here and has it refreshed.
#[derive(Debug, Default)]
pub(crate) struct UsageCache {
    pub(crate) last: Usage,
    asked: Option<OpId>,
    at: Option<Instant>,
}

impl UsageCache {
    /// Whether it is older than a tenth of a second, and not being asked for.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        self.asked.is_none() && self.at.is_none_or(|at| (now - at).as_millis() >= 100)
    }

    /// Whether an answer is on its way.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Has it refreshed by the job `op`.
    pub(crate) fn ask<E>(&mut self, op: OpId, now: Instant, out: &mut Actions<E>) {
        (self.asked, self.at) = (Some(op), Some(now));
        out.push(Action::Start { op, job: Job::Usage });
    }

    pub(crate) fn done(&mut self, op: OpId, result: Outcome) -> Option<Outcome> {
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
pub(crate) fn human(bytes: u64) -> String {
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
}
