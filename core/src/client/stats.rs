//! What is counted of commands and connections, and what the process uses.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::latency::Histogram;
use crate::acl::What;
use crate::blocks::Blocks;
use crate::ids::OpId;
use crate::machine::{Action, Actions, Chunks, Job, Meter, Outcome, Usage};
use crate::resp::Reply;
use crate::time::Instant;

/// Different error prefixes that are counted by name; later ones count as `OTHER`.
const ERROR_PREFIXES_MAX: usize = 128;

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
    /// How long they took, from the first call on that `latency-tracking` was on for.
    pub(crate) times: Option<Histogram>,
}

/// Counts or rates a second: commands, bytes in and out, and of these those of replication.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rates {
    pub(crate) ops: u64,
    pub(crate) net_in: u64,
    pub(crate) net_out: u64,
    pub(crate) repl_in: u64,
    pub(crate) repl_out: u64,
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
    /// Bytes of replication, which the two before count too.
    pub(crate) repl_in: u64,
    pub(crate) repl_out: u64,
    /// Reads and writes of sockets.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) auth_failures: u64,
    /// Commands, keys and channels that users were denied.
    pub(crate) denied_commands: u64,
    pub(crate) denied_keys: u64,
    pub(crate) denied_channels: u64,
    /// Certificates that name no user who is on.
    pub(crate) denied_certificates: u64,
    pub(crate) output_limit_disconnections: u64,
    pub(crate) query_limit_disconnections: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) total_errors: u64,
    rates: VecDeque<(Instant, Rates)>,
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
            What::Certificate => &mut self.denied_certificates,
        } += 1;
    }

    /// Counts a call that took `us`; `track` is `latency-tracking`.
    pub(crate) fn called(&mut self, index: usize, us: u64, failed: bool, track: bool) {
        self.processed += 1;
        if let Some(c) = self.commands.get_mut(index) {
            c.calls += 1;
            c.us += us;
            c.failed += u64::from(failed);
            if track {
                c.times.get_or_insert_default().count(us);
            }
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
        if self.rates.back().is_none_or(|(at, _)| (now - *at).as_millis() as u64 >= RATE_MS) {
            if self.rates.len() == RATE_SAMPLES {
                self.rates.pop_front();
            }
            self.rates.push_back((now, self.totals()));
        }
    }

    fn totals(&self) -> Rates {
        Rates {
            ops: self.processed,
            net_in: self.net_in,
            net_out: self.net_out,
            repl_in: self.repl_in,
            repl_out: self.repl_out,
        }
    }

    /// What happens a second, over about the last second and a half.
    pub(crate) fn rates(&self, now: Instant) -> Rates {
        let Some(&(at, old)) = self.rates.front() else { return Rates::default() };
        let ms = ((now - at).as_millis() as u64).max(1);
        let per_s = |n: u64, old: u64| n.saturating_sub(old).saturating_mul(1000) / ms;
        let all = self.totals();
        Rates {
            ops: per_s(all.ops, old.ops),
            net_in: per_s(all.net_in, old.net_in),
            net_out: per_s(all.net_out, old.net_out),
            repl_in: per_s(all.repl_in, old.repl_in),
            repl_out: per_s(all.repl_out, old.repl_out),
        }
    }

    /// The answer of LATENCY HISTOGRAM.
    pub(crate) fn write_histograms(&self, r: &mut Reply<'_>, wanted: &[(usize, &'static str)]) {
        let called: Vec<_> = wanted
            .iter()
            .filter_map(|&(i, name)| {
                let c = self.commands.get(i)?;
                Some((name, c.calls, c.times.as_ref()?))
            })
            .collect();
        r.map(called.len());
        called.into_iter().for_each(|(name, calls, times)| times.write(name, calls, r));
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
        let ops = s.rates(at(2000)).ops;
        assert!((950..=1050).contains(&ops), "{ops}");
    }
}
