//! Log lines as Redis writes them (`<pid>:<role> <day Mon year time.ms> <mark> <text>`) or as JSON, through `log` and
//! `env_logger`.

mod json;

use core::cell::RefCell;
use core::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use env_logger::{Builder, Target};
use log::LevelFilter;
use primacy_core::config::LogFormat;
use primacy_core::machine::{Level, LogLine};

/// The role of the last event, for lines that the runtime itself writes.
static ROLE: AtomicU8 = AtomicU8::new(b'M');
/// Whether lines are JSON.
static JSON: AtomicBool = AtomicBool::new(false);
/// Whether `RUST_LOG` decides, and `loglevel` does not.
static FROM_ENVIRONMENT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The kind of the event that is being written by this thread; empty for any other line.
    static KIND: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The level of `log` that an event's level is written at: Redis's `notice` is `info`, `verbose` is `debug` and
/// `debug` is `trace`, so that both orders agree.
pub fn log_level(level: Level) -> log::Level {
    match level {
        Level::Debug => log::Level::Trace,
        Level::Verbose => log::Level::Debug,
        Level::Notice => log::Level::Info,
        Level::Warning => log::Level::Warn,
    }
}

/// Installs the logger of the process: lines go to `logfile` (appended, opened anew for every line so that it may be
/// moved away under the process, as Redis does), or to standard output. `None` as level is `loglevel nothing`.
/// `RUST_LOG`, where it is set, decides instead of `level`.
///
/// # Errors
/// When the log file cannot be opened for appending. A logger that is installed already stays, without an error.
pub fn init(level: Option<Level>, format: LogFormat, logfile: Option<PathBuf>) -> io::Result<()> {
    let mut builder = Builder::new();
    match std::env::var("RUST_LOG") {
        Ok(filters) if !filters.is_empty() => {
            builder.parse_filters(&filters);
            FROM_ENVIRONMENT.store(true, Relaxed);
        }
        _ => drop(builder.filter_level(LevelFilter::Trace)),
    }
    builder.target(match logfile {
        None => Target::Stdout,
        Some(path) => {
            Appender::open(&path)?;
            Target::Pipe(Box::new(Appender { path }))
        }
    });
    JSON.store(format == LogFormat::Json, Relaxed);
    builder.format(|out, record| {
        let role = char::from(ROLE.load(Relaxed));
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let (pid, text) = (std::process::id(), record.args().to_string());
        let line = if JSON.load(Relaxed) {
            KIND.with_borrow(|kind| json::line(pid, role, unix_ms, record.level(), kind, &text))
        } else {
            line(pid, role, unix_ms, mark(record.level()), &text)
        };
        writeln!(out, "{line}")
    });
    if builder.try_init().is_ok() {
        set_level(level);
    }
    Ok(())
}

/// Changes what is written from now on (`CONFIG SET loglevel`); `None` is `nothing`. `RUST_LOG` outranks it.
pub fn set_level(level: Option<Level>) {
    if !FROM_ENVIRONMENT.load(Relaxed) {
        log::set_max_level(level.map_or(LevelFilter::Off, |l| log_level(l).to_level_filter()));
    }
}

/// Writes an event.
pub fn write(event: &impl LogLine) {
    ROLE.store(u8::try_from(event.role()).unwrap_or(b'M'), Relaxed);
    let level = log_level(event.level());
    if JSON.load(Relaxed) && level <= log::max_level() {
        KIND.set(event.kind());
    }
    log::log!(target: "primacy", level, "{event}");
    KIND.with_borrow_mut(String::clear);
}

fn mark(level: log::Level) -> char {
    match level {
        log::Level::Trace => '.',
        log::Level::Debug => '-',
        log::Level::Info => '*',
        log::Level::Warn | log::Level::Error => '#',
    }
}

/// One line, without its end. Times are UTC. Control characters come out escaped: one event is one line, whatever a
/// peer sent.
fn line(pid: u32, role: char, unix_ms: u64, mark: char, text: &str) -> String {
    let mut line = format!("{pid}:{role} {} {mark} ", Stamp(unix_ms));
    for c in text.trim_end().chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// A time, wall-clock ms since 1970, as `23 Nov 2026 15:04:05.678`, UTC.
pub(crate) struct Stamp(pub(crate) u64);

impl Display for Stamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (ms, s) = (self.0 % 1000, self.0 / 1000);
        let (day, month, year) = civil(s / 86_400);
        let name = MONTHS[(month - 1) as usize % 12];
        write!(f, "{day:02} {name} {year} {:02}:{:02}:{:02}.{ms:03}", s / 3600 % 24, s / 60 % 60, s % 60)
    }
}

/// Day, month (1 to 12) and year of a day counted from 1970 on, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Count from 1 March of year 0: leap days come last in a year then, and eras of 400 years are all alike.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // March is 0.
    let first = (153 * month + 2) / 5;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (day - first + 1, month, era * 400 + year + carry)
}

/// Appends to a file that it opens for every line.
struct Appender {
    path: PathBuf,
}

impl Appender {
    fn open(path: &PathBuf) -> io::Result<File> {
        File::options().append(true).create(true).open(path)
    }
}

impl Write for Appender {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Self::open(&self.path)?.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_known_shape() {
        assert_eq!(
            line(42, 'S', 1_700_000_000_042, '*', "MASTER <-> REPLICA sync started"),
            "42:S 14 Nov 2023 22:13:20.042 * MASTER <-> REPLICA sync started"
        );
        assert_eq!(line(1, 'M', 0, '#', "a\nb\x1b[0m\n"), "1:M 01 Jan 1970 00:00:00.000 # a\\nb\\u{1b}[0m");
    }

    #[test]
    fn the_calendar_knows_leap_years() {
        for (days, date) in [
            (0, (1, 1, 1970)),
            (11_016, (29, 2, 2000)),
            (11_017, (1, 3, 2000)),
            (19_782, (29, 2, 2024)),
            (20_088, (31, 12, 2024)),
            (47_540, (28, 2, 2100)),
            (47_541, (1, 3, 2100)),
        ] {
            assert_eq!(civil(days), date, "day {days}");
        }
    }

    #[test]
    fn levels_keep_their_order() {
        assert_eq!(mark(log_level(Level::Debug)), '.');
        assert_eq!(mark(log_level(Level::Verbose)), '-');
        assert_eq!(mark(log_level(Level::Notice)), '*');
        assert_eq!(mark(log_level(Level::Warning)), '#');
    }
}
