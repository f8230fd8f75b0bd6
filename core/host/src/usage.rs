//! What the process uses, from `/proc` and the CPU clock.

use primacy_core::machine::Usage;
use rustix::time::{ClockId, clock_gettime};

/// Memory from `/proc/self/status`, CPU time from the process's clock. Zeros where the system does not tell.
pub(crate) fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let total_us = (cpu.tv_sec as u64).saturating_mul(1_000_000) + cpu.tv_nsec as u64 / 1000;
    let user_us = user_share(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default(), total_us);
    Usage {
        rss: kilobytes(&status, "VmRSS:"),
        peak_rss: kilobytes(&status, "VmHWM:"),
        user_us,
        system_us: total_us - user_us,
    }
}

/// A `Name:   123 kB` line of a status file, in bytes.
fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

/// The part of `total_us` spent in user mode. `/proc/self/stat` counts ticks of 10 ms, the CPU clock nanoseconds: the
/// ticks give the proportion, the clock the sum.
fn user_share(stat: &str, total_us: u64) -> u64 {
    // The second field, the program's name, may hold blanks and parentheses: count from behind its last ')'.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = fields.split_whitespace().skip(11).map(|n| n.parse::<u64>().unwrap_or(0));
    let (user, system) = (fields.next().unwrap_or(0), fields.next().unwrap_or(0));
    if user + system == 0 {
        return total_us;
    }
    (u128::from(total_us) * u128::from(user) / u128::from(user + system)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let used = usage();
        assert!(used.rss > 100_000 && used.peak_rss >= used.rss, "{used:?}");
        assert!(used.user_us + used.system_us > 0);
    }

    #[test]
    fn a_name_with_blanks_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 1 1 0 -1 4194560 1 0 0 0 30 10 0 0 20 0";
        assert_eq!(user_share(stat, 1000), 750);
        assert_eq!(user_share("", 1000), 1000);
    }
}
