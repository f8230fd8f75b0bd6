//! The command `server`: from arguments to a running node, in redis-server's order.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use primacy_core::config::{Config, LogLevel};
use primacy_core::journal::Sink;
use primacy_core::machine::Level;

use super::{Drive, Runtime, help, node};
use crate::process::{Daemon, PidFile, raise_open_files, spawn_daemon};
use crate::{Clock, TurnMeter, logging, record, seed};

/// The least bound of a recording, bytes.
const RECORD_MIN: u64 = 1 << 20;

/// What the arguments name, read and understood.
struct Plan {
    config: Config,
    /// Absolute path of the configuration file, if there is one.
    file: Option<PathBuf>,
    /// What standard input held, if it was asked for.
    stdin: String,
    record: Option<Record>,
}

/// What `--record` and `--record-max` ask for.
struct Record {
    /// Absolute path of the file.
    file: PathBuf,
    /// Its bound in bytes.
    most: u64,
}

/// Why there will be no server.
enum Fatal {
    /// The words for standard error.
    Words(String),
    /// The same, with the name of the program before them.
    Named(String),
}

impl Fatal {
    fn new(what: impl Display, why: impl Display) -> Self {
        Self::Named(format!("{what}: {why}"))
    }
}

/// Runs a server until it ends. `daemon`: this process is the one in the background.
pub(super) fn run<R: Runtime>(args: &[OsString], daemon: bool) -> ExitCode {
    match args.first().and_then(|a| a.to_str()) {
        Some("--help" | "-h") => {
            print!("{}", help::server(R::PROGRAM));
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-v" | "-V") => {
            print!("{}", help::version(R::PROGRAM));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let result = plan(args).and_then(|plan| {
        if plan.config.settings.daemonize && !daemon {
            let all: Vec<OsString> = std::env::args_os().skip(1).collect();
            return spawn_daemon(&all, plan.stdin.as_bytes()).map(|()| 0).map_err(|e| Fatal::new("daemonize", e));
        }
        serve::<R>(plan, daemon)
    });
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(fatal) => {
            match fatal {
                Fatal::Words(text) => eprintln!("{text}"),
                Fatal::Named(text) => eprintln!("{} server: {text}", R::PROGRAM),
            }
            ExitCode::FAILURE
        }
    }
}

/// Reads the file (or standard input) and the directives behind it.
fn plan(args: &[OsString]) -> Result<Plan, Fatal> {
    let mut words: Vec<&str> = args.iter().map(|a| utf8(a)).collect::<Result<_, _>>()?;
    let record = recording(&mut words)?;
    let (file, rest) = match words.split_first() {
        Some((file, rest)) if !file.starts_with('-') => (Some(*file), rest),
        _ => (None, &words[..]),
    };
    // `-` stands first or, as redis-server takes it too, last.
    let (from_stdin, rest) = match rest {
        ["-", rest @ ..] | [rest @ .., "-"] => (true, rest),
        rest => (false, rest),
    };
    let mut plan = Plan { config: Config::new(), file: None, stdin: String::new(), record };
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Fatal::Words(format!("Fatal error, can't open config file '{file}': {e}")))?;
        plan.file = std::path::absolute(file).ok();
        load(&mut plan.config, file, &text)?;
    }
    if from_stdin {
        io::stdin().read_to_string(&mut plan.stdin).map_err(|e| Fatal::new("read standard input", e))?;
        load(&mut plan.config, "-", &plan.stdin)?;
    }
    plan.config.apply_args(rest).map_err(|e| config_error(&e))?;
    Ok(plan)
}

/// Takes the arguments of the program's own out of the directives.
fn recording(words: &mut Vec<&str>) -> Result<Option<Record>, Fatal> {
    let mut take = |name: &str| -> Result<Option<String>, Fatal> {
        let Some(i) = words.iter().position(|w| *w == name) else { return Ok(None) };
        let value = words.get(i + 1).filter(|v| !v.starts_with("--")).map(|v| (*v).to_owned());
        words.drain(i..(i + 2).min(words.len()));
        value.map(Some).ok_or_else(|| Fatal::new(name, "a value was expected behind it"))
    };
    let (file, most) = (take("--record")?, take("--record-max")?);
    let most = match &most {
        None => record::DEFAULT_MAX,
        Some(_) if file.is_none() => return Err(Fatal::new("--record-max", "it goes with --record FILE")),
        Some(text) => primacy_core::config::memory(text).filter(|n| *n >= RECORD_MIN).ok_or_else(|| {
            Fatal::new("--record-max", format_args!("{text} is no size from 1mb on, such as 500mb or 2gb"))
        })?,
    };
    file.map(|file| match std::path::absolute(&file) {
        Ok(file) => Ok(Record { file, most }),
        Err(e) => Err(Fatal::new(format_args!("--record {file}"), e)),
    })
    .transpose()
}

fn utf8(arg: &OsStr) -> Result<&str, Fatal> {
    arg.to_str().ok_or_else(|| Fatal::Named(format!("the argument {} is no UTF-8", arg.display())))
}

fn load(config: &mut Config, name: &str, text: &str) -> Result<(), Fatal> {
    let mut include = |file: &str| std::fs::read_to_string(file).map_err(|e| e.to_string());
    config.load(name, text, &mut include).map_err(|e| config_error(&e))
}

fn config_error(error: &impl Display) -> Fatal {
    Fatal::Words(format!("\n*** FATAL CONFIG FILE ERROR (Primacy {}) ***\n{error}", env!("CARGO_PKG_VERSION")))
}

fn serve<R: Runtime>(mut plan: Plan, daemon: bool) -> Result<i32, Fatal> {
    let daemon = if daemon { Some(Daemon::begin().map_err(|e| Fatal::new("daemonize", e))?) } else { None };
    let settings = &mut plan.config.settings;
    settings.dir = enter(&settings.dir)?;
    let logfile = Some(&settings.logfile).filter(|f| !f.is_empty()).map(PathBuf::from);
    // A daemon's output leads to its starter until it is up, and nowhere afterwards.
    let logfile = logfile.or_else(|| daemon.as_ref().map(|_| PathBuf::from("/dev/null")));
    logging::init(level(settings.loglevel), logfile)
        .map_err(|e| Fatal::new(format_args!("can't open the log file {}", settings.logfile), e))?;
    settings.maxclients = limit_clients(settings.maxclients);
    let pidfile = settings.pidfile.clone();

    // Dropped after the driver, and so after all that is recorded was handed over.
    let (sink, _writer) = open_recording(plan.record)?;
    let meter = TurnMeter::new(Clock::new());
    let seed = seed().map_err(|e| Fatal::new("take a seed from the operating system", e))?;
    let about = node::about(plan.file.as_deref(), R::REACTOR);
    let node = node::server(plan.config, about, seed, meter.clone(), sink).map_err(|e| Fatal::new("--record", e))?;
    let mut driver =
        R::start(node, &meter, |event| logging::write(&event)).map_err(|e| Fatal::new("start the event loop", e))?;
    driver.catch_signals().map_err(|e| Fatal::new("catch signals", e))?;
    // In the first turn the node asks for its listeners, in the second it hears of them: it is up after both, and a
    // second server on the same port is gone before it touches the pid file of the first.
    for _ in 0..2 {
        let code = driver.turn(Some(Duration::ZERO)).map_err(|e| Fatal::new("event loop", e))?;
        if let Some(code) = code {
            return Ok(code);
        }
    }
    let _pid = pid_file(&pidfile);
    if let Some(daemon) = daemon {
        daemon.up().map_err(|e| Fatal::new("leave the terminal", e))?;
    }
    driver.run().map_err(|e| Fatal::new("event loop", e))
}

/// The file that is recorded to, with its bound, and its writer.
type Recording = (Option<(Box<dyn Sink>, u64)>, Option<record::Writer>);

fn open_recording(wish: Option<Record>) -> Result<Recording, Fatal> {
    let Some(Record { file, most }) = wish else { return Ok((None, None)) };
    let (sink, writer) =
        record::create(&file).map_err(|e| Fatal::new(format_args!("--record {}", file.display()), e))?;
    log::info!(
        target: "primacy",
        "Recording everything to {}, passwords and data included, up to {most} bytes",
        file.display()
    );
    Ok((Some((Box::new(sink), most)), Some(writer)))
}

/// Goes to the working folder and answers its absolute path: every relative path of the configuration starts there.
fn enter(dir: &str) -> Result<String, Fatal> {
    let wrong =
        |e: io::Error| Fatal::Words(format!("Can't chdir to '{dir}': {e}; `dir` has to name an existing folder"));
    std::env::set_current_dir(Path::new(dir)).map_err(wrong)?;
    let path = std::env::current_dir().map_err(wrong)?;
    path.into_os_string()
        .into_string()
        .map_err(|p| Fatal::Words(format!("the working folder {} is no UTF-8", p.display())))
}

fn level(level: LogLevel) -> Option<Level> {
    match level {
        LogLevel::Debug => Some(Level::Debug),
        LogLevel::Verbose => Some(Level::Verbose),
        LogLevel::Notice => Some(Level::Notice),
        LogLevel::Warning => Some(Level::Warning),
        LogLevel::Nothing => None,
    }
}

/// As many clients as the limit of open files leaves room for.
fn limit_clients(wanted: u32) -> u32 {
    let fits = u32::try_from(raise_open_files(wanted.into())).unwrap_or(wanted);
    if fits < wanted {
        log::warn!(
            target: "primacy",
            "The limit of open files leaves room for {fits} clients: maxclients is {fits} instead of {wanted}. \
             Raise the limit (ulimit -n) if you need more."
        );
    }
    fits
}

/// A pid file that cannot be written is no reason not to serve.
fn pid_file(path: &str) -> Option<PidFile> {
    if path.is_empty() {
        return None;
    }
    PidFile::write(Path::new(path))
        .inspect_err(|e| log::warn!(target: "primacy", "Failed to write PID file {path}: {e}"))
        .ok()
}
