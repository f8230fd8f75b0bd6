//! The line that shows how far the reading is: on standard error, and only if it is a terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const BEAT: Duration = Duration::from_millis(500);

pub(super) struct Progress {
    /// How long the file is, if that is known, bytes.
    total: Option<u64>,
    begun: Instant,
    shown: Instant,
    /// Whether somebody looks.
    watched: bool,
    /// Whether a line stands.
    stands: bool,
}

impl Progress {
    /// `prints`: the output is long, so that a line on the same terminal would be in its way.
    pub(super) fn new(total: Option<u64>, prints: bool) -> Self {
        let watched = io::stderr().is_terminal() && !(prints && io::stdout().is_terminal());
        let now = Instant::now();
        Self { total, begun: now, shown: now, watched, stands: false }
    }

    /// So much was read.
    pub(super) fn show(&mut self, bytes: u64, keys: u64) {
        if self.watched && self.shown.elapsed() >= BEAT {
            (self.shown, self.stands) = (Instant::now(), true);
            eprint!("\r\x1b[K{}", line(bytes, self.total, keys, self.begun.elapsed()));
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if core::mem::take(&mut self.stands) {
            eprint!("\r\x1b[K");
        }
    }

    /// Since the start.
    pub(super) fn took(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn line(bytes: u64, total: Option<u64>, keys: u64, took: Duration) -> String {
    let speed = bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9);
    let mb = bytes / 1_000_000;
    let keys = if keys < 10_000 { format!("{keys} keys") } else { format!("{:.2} million keys", keys as f64 / 1e6) };
    match total {
        Some(total) => {
            let percent = u128::from(bytes) * 100 / u128::from(total.max(1));
            format!("{percent:>3} % of {} MB, {keys}, {speed:.0} MB/s", total / 1_000_000)
        }
        None => format!("{mb} MB, {keys}, {speed:.0} MB/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_no_percentage() {
        let second = Duration::from_secs(1);
        assert_eq!(line(50_000_000, Some(200_000_000), 9, second), " 25 % of 200 MB, 9 keys, 50 MB/s");
        assert_eq!(line(50_000_000, None, 1_234_567, second), "50 MB, 1.23 million keys, 50 MB/s");
    }
}
