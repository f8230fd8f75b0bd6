//! From arguments to a running machine, in Redis's order: what a server and a sentinel share.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use primacy_core::config::{LogLevel, Settings};
use primacy_core::journal::wire::Cursor;
use primacy_core::journal::{Header, Readings, Recorded, RecordedMeter, Recorder, Secrets, Sink};
use primacy_core::machine::{Level, LogLine, Machine, Meter};
use primacy_core::node::About;
use primacy_core::rng::Seed;

use super::{Drive, Runtime, help};
use crate::process::{Daemon, PidFile, raise_open_files, spawn_daemon};
use crate::replay::Unusable;
use crate::{Clock, TurnMeter, logging, record, seed};

/// The least bound of a recording, bytes.
const RECORD_MIN: u64 = 1 << 20;
/// How long the start waits for the listeners at most: a slow disk may stand before them.
const UP_MAX: Duration = Duration::from_secs(10);

/// A configuration of which a machine can be made.
pub(super) trait Launch: Sized {
    /// The command that starts it.
    const COMMAND: &'static str;
    /// What the command says of itself, with `PROGRAM` for the program's name.
    const HELP: &'static str;
    /// What an embedding program may ask of the machine.
    type Call: Recorded + Send + 'static;
    /// What it runs.
    type Machine: Machine<Call = Self::Call, Event: LogLine>;

    /// Reads what the arguments name.
    fn plan(words: Words<'_>) -> Result<Plan<Self>, Fatal>;
    /// The directives of the process.
    fn settings(&mut self) -> &mut Settings;
    /// Whether this says that it can be reached.
    fn is_listening(event: &<Self::Machine as Machine>::Event) -> bool;
    /// The log level that holds from now on, if this says one.
    fn log_level(event: &<Self::Machine as Machine>::Event) -> Option<LogLevel>;
    /// Passwords that the machine makes come from this seed.
    fn seed_passwords(machine: &mut Self::Machine, seed: Seed);
    /// The machine, not yet started. Called in the working folder, with the log open.
    fn machine(self, made: Made) -> Result<Recorder<Self::Machine>, Fatal>;
}

/// The arguments behind the command, but for the program's own.
pub(super) struct Words<'a> {
    pub(super) list: Vec<&'a str>,
    record: Option<Record>,
}

/// What the arguments name, read and understood.
pub(super) struct Plan<C> {
    pub(super) config: C,
    /// Absolute path of the configuration file, if there is one.
    pub(super) file: Option<PathBuf>,
    /// What standard input held, if it was asked for.
    pub(super) stdin: String,
    record: Option<Record>,
}

impl<C> Plan<C> {
    /// A plan to run what `config` says.
    pub(super) fn new(config: C, words: Words<'_>) -> Self {
        Self { config, file: None, stdin: String::new(), record: words.record }
    }
}

/// What `--record` and `--record-max` ask for.
struct Record {
    /// Absolute path of the file.
    file: PathBuf,
    /// Its bound in bytes.
    most: u64,
}

/// What a machine is made of beside its configuration.
pub(super) struct Made {
    /// What it knows of its process.
    pub(super) about: About,
    /// The seed of all that is random in it.
    pub(super) seed: Seed,
    /// The seed of the passwords that it makes: no recording holds it.
    pub(super) passwords: Seed,
    meter: TurnMeter,
    sink: Option<(Box<dyn Sink>, u64)>,
    /// What tokens are made of in the place of passwords.
    key: Seed,
}

impl Made {
    /// The machine that `build` makes of `config`, recorded if that was asked for: as a machine of this kind, with
    /// `text` as its configuration.
    pub(super) fn recorded<L: Launch>(
        self,
        kind: &str,
        mut config: L,
        text: fn(&L) -> Result<String, Fatal>,
        build: fn(L, About, Seed, Box<dyn Meter>) -> L::Machine,
    ) -> Result<Recorder<L::Machine>, Fatal> {
        let Self { about, seed, passwords, meter, sink, key } = self;
        let machine = |config, about, meter| {
            let mut machine = build(config, about, seed, meter);
            L::seed_passwords(&mut machine, passwords);
            machine
        };
        let Some((sink, bound)) = sink else { return Ok(Recorder::off(machine(config, about, Box::new(meter)))) };
        let text = text(&config)?;
        let secrets = secrets(config.settings(), &about, key);
        let mut header =
            Header { program: super::program(), machine: kind.into(), seed, config: text, about: Vec::new() };
        about.record(&mut header.about);
        let readings = Readings::new();
        let meter = RecordedMeter::new(meter, readings.clone());
        let machine = machine(config, about, Box::new(meter));
        Ok(Recorder::new(machine, &header, readings, Some(secrets), sink, bound))
    }
}

/// What keeps passwords out of a recording.
fn secrets(settings: &Settings, about: &About, key: Seed) -> Secrets {
    let mut secrets = Secrets::new(key);
    secrets.configuration_file(&about.config_file);
    secrets.users_file(&settings.aclfile);
    settings.renamed.iter().for_each(|(command, name)| secrets.renamed(command, name));
    secrets
}

/// What a recorded machine knew of its process.
pub(super) fn known(header: &Header) -> Result<About, Unusable> {
    About::recall(&mut Cursor::new(&header.about)).map_err(|e| Unusable::Config(e.expected.into()))
}

/// Why nothing is started.
pub(super) enum Fatal {
    /// The words for standard error.
    Words(String),
    /// The same, with the name of the program before them.
    Named(String),
}

impl Fatal {
    pub(super) fn new(what: impl Display, why: impl Display) -> Self {
        Self::Named(format!("{what}: {why}"))
    }

    /// What is wrong with a configuration.
    pub(super) fn config(error: &impl Display) -> Self {
        Self::Words(format!("\n*** FATAL CONFIG FILE ERROR (Primacy {}) ***\n{error}", env!("CARGO_PKG_VERSION")))
    }

    /// A configuration that a recording cannot hold.
    pub(super) fn unrecordable() -> Self {
        Self::new(
            "--record",
            "this configuration does not read back as it was written, so that it could not be replayed",
        )
    }
}

/// Runs until the machine ends. `daemon`: this process is the one in the background.
pub(super) fn run<R: Runtime, L: Launch>(args: &[OsString], daemon: bool) -> ExitCode {
    match args.first().and_then(|a| a.to_str()) {
        Some("--help" | "-h") => {
            print!("{}", L::HELP.replace("PROGRAM", R::PROGRAM));
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-v" | "-V") => {
            print!("{}", help::version(R::PROGRAM));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let result = words(args).and_then(L::plan).and_then(|mut plan| {
        if plan.config.settings().daemonize && !daemon {
            let all: Vec<OsString> = std::env::args_os().skip(1).collect();
            return spawn_daemon(&all, plan.stdin.as_bytes()).map(|()| 0).map_err(|e| Fatal::new("daemonize", e));
        }
        serve::<R, L>(plan, daemon)
    });
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(fatal) => {
            match fatal {
                Fatal::Words(text) => eprintln!("{text}"),
                Fatal::Named(text) => eprintln!("{} {}: {text}", R::PROGRAM, L::COMMAND),
            }
            ExitCode::FAILURE
        }
    }
}

fn words(args: &[OsString]) -> Result<Words<'_>, Fatal> {
    let mut list: Vec<&str> = args.iter().map(|a| utf8(a)).collect::<Result<_, _>>()?;
    let record = recording(&mut list)?;
    Ok(Words { list, record })
}

fn utf8(arg: &OsStr) -> Result<&str, Fatal> {
    arg.to_str().ok_or_else(|| Fatal::Named(format!("the argument {} is no UTF-8", arg.display())))
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

/// The text of a configuration file.
pub(super) fn text_of(file: &str) -> Result<String, Fatal> {
    std::fs::read_to_string(file)
        .map_err(|e| Fatal::Words(format!("Fatal error, can't open config file '{file}': {e}")))
}

/// The text of a file that a configuration file includes.
pub(super) fn included(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| e.to_string())
}

fn serve<R: Runtime, L: Launch>(mut plan: Plan<L>, daemon: bool) -> Result<i32, Fatal> {
    let daemon = if daemon { Some(Daemon::begin().map_err(|e| Fatal::new("daemonize", e))?) } else { None };
    let settings = plan.config.settings();
    settings.dir = enter(&settings.dir)?;
    let logfile = Some(&settings.logfile).filter(|f| !f.is_empty()).map(PathBuf::from);
    // A daemon's output leads to its starter until it is up, and nowhere afterwards.
    let logfile = logfile.or_else(|| daemon.as_ref().map(|_| PathBuf::from("/dev/null")));
    logging::init(level(settings.loglevel), settings.log_format, logfile)
        .map_err(|e| Fatal::new(format_args!("can't open the log file {}", settings.logfile), e))?;
    settings.maxclients = limit_clients(settings.maxclients);
    let pidfile = settings.pidfile.clone();

    // Dropped after the driver, and so after all that is recorded was handed over.
    let (sink, writer) = open_recording(plan.record)?;
    let meter = TurnMeter::new(Clock::new());
    let fresh = || seed().map_err(|e| Fatal::new("take a seed from the operating system", e));
    let (seed, passwords, key) = (fresh()?, fresh()?, fresh()?);
    let about = about(plan.file.as_deref(), R::REACTOR);
    let machine = plan.config.machine(Made { about, seed, passwords, meter: meter.clone(), sink, key })?;
    let listening = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&listening);
    let sink = move |event| {
        if L::is_listening(&event) {
            heard.store(true, Relaxed);
        }
        if let Some(new) = L::log_level(&event) {
            logging::set_level(level(new));
        }
        logging::write(&event);
    };
    let mut driver = R::start(machine, &meter, sink).map_err(|e| Fatal::new("start the event loop", e))?;
    driver.catch_signals().map_err(|e| Fatal::new("catch signals", e))?;
    // A second one on the same port is gone before it touches the pid file of the first.
    let begun = Instant::now();
    let mut up = false;
    while !up && begun.elapsed() < UP_MAX {
        // One turn more: what came of a second listener is acted on in it.
        up = listening.load(Relaxed);
        let wait = if up { Duration::ZERO } else { UP_MAX };
        let code = driver.turn(Some(wait)).map_err(|e| Fatal::new("event loop", e))?;
        if let Some(code) = code {
            return Ok(code);
        }
    }
    let _pid = pid_file(&pidfile);
    if let Some(daemon) = daemon {
        daemon.up().map_err(|e| Fatal::new("leave the terminal", e))?;
    }
    let code = driver.run().map_err(|e| Fatal::new("event loop", e))?;
    if writer.is_none() {
        // Files and listeners are closed. What is left the system takes back at once; key by key it would keep a supervisor,
        // and all who are connected, waiting for seconds. (A recording is complete when its machine is dropped.)
        std::mem::forget(driver);
    }
    Ok(code)
}

fn about(file: Option<&Path>, reactor: &'static str) -> About {
    let text = |p: &Path| p.display().to_string().into_boxed_str();
    About {
        pid: std::process::id(),
        os: crate::process::system().into(),
        arch_bits: usize::BITS,
        executable: std::env::current_exe().map(|p| text(&p)).unwrap_or_default(),
        config_file: file.map(text).unwrap_or_default(),
        reactor: reactor.into(),
    }
}

/// The file that is recorded to, with its bound, and its writer.
type Recording = (Option<(Box<dyn Sink>, u64)>, Option<record::Writer>);

fn open_recording(wish: Option<Record>) -> Result<Recording, Fatal> {
    let Some(Record { file, most }) = wish else { return Ok((None, None)) };
    let (sink, writer) =
        record::create(&file).map_err(|e| Fatal::new(format_args!("--record {}", file.display()), e))?;
    log::info!(
        target: "primacy",
        "Recording everything to {}, data included, tokens in the place of passwords, up to {most} bytes",
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
