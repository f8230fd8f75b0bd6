//! The command `sentinel`: its configuration file, which it has to be able to write, and how a recording of it is built
//! again.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use primacy_core::config::sentinel::{Loader, SentinelConfig};
use primacy_core::config::{LogLevel, Settings};
use primacy_core::journal::{Header, Playback, Recorder};
use primacy_core::machine::Meter;
use primacy_core::node::About;
use primacy_core::rng::Seed;
use primacy_core::sentinel::{Call, Event, Files, Sentinel, What};
use rustix::fs::{Access, access};

use super::help;
use super::launch::{Fatal, Launch, Made, Plan, Words, included, known, text_of};
use crate::files::is_program;
use crate::replay::Unusable;

/// The kind of machine, as a recording names it.
pub(super) const KIND: &str = "sentinel";

impl Launch for SentinelConfig {
    const COMMAND: &'static str = "sentinel";
    const HELP: &'static str = help::SENTINEL;
    type Call = Call;
    type Machine = Sentinel;

    fn plan(words: Words<'_>) -> Result<Plan<Self>, Fatal> {
        let Some((file, rest)) = words.list.split_first().filter(|(file, _)| !file.starts_with('-')) else {
            return Err(Fatal::Words(
                "Sentinel needs config file on disk to save state. Exiting...\n\
                 Name it first: sentinel FILE [--DIRECTIVE VALUE ...]; --help shows one to begin with."
                    .into(),
            ));
        };
        let wrong = |e| Fatal::config(&e);
        let mut loader = Loader::new();
        loader.text(file, &text_of(file)?, &mut included).map_err(wrong)?;
        loader.args(rest).map_err(wrong)?;
        // Scripts are looked for from the folder in which they will be run.
        let dir = loader.clone().finish(&mut |_| true).map_err(wrong)?.settings.dir;
        let config = loader.finish(&mut |script| is_program(&Path::new(&dir).join(script))).map_err(wrong)?;
        let file = std::path::absolute(file).map_err(|e| Fatal::new(*file, e))?;
        let mut plan = Plan::new(config, words);
        plan.file = Some(file);
        Ok(plan)
    }

    fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn is_listening(event: &Event) -> bool {
        matches!(event.what, What::Listening(_))
    }

    fn log_level(event: &Event) -> Option<LogLevel> {
        if let What::LogLevel(level) = event.what { Some(level) } else { None }
    }

    fn seed_passwords(machine: &mut Sentinel, seed: Seed) {
        machine.seed_passwords(seed);
    }

    fn machine(self, made: Made) -> Result<Recorder<Sentinel>, Fatal> {
        writable(Path::new(&*made.about.config_file), &self.global.state_file)?;
        lock(&state_file(&self, &made.about))?;
        made.recorded(KIND, self, text, build)
    }
}

/// What a sentinel must not forget has to find a place: beside its configuration file, or where `state-file` says.
fn writable(config: &Path, state: &str) -> Result<(), Fatal> {
    if state.is_empty() {
        // It is replaced as a whole, by a file that was written beside it.
        let folder = config.parent().unwrap_or(Path::new("/")).to_owned();
        return [config.to_owned(), folder].iter().try_for_each(|path| {
            access(path, Access::WRITE_OK).map_err(|e| {
                Fatal::Words(format!(
                    "Sentinel config file {} is not writable: {}: {e}. Exiting...\n\
                     Let the user of this process write the file and its folder, or keep what the sentinel must not \
                     forget elsewhere, by the line `sentinel state-file PATH` or the arguments \
                     `--sentinel state-file PATH`.",
                    config.display(),
                    path.display(),
                ))
            })
        });
    }
    let path = std::path::absolute(state).unwrap_or_else(|_| PathBuf::from(state));
    let place = if path.exists() { &*path } else { path.parent().unwrap_or(Path::new("/")) };
    access(place, Access::WRITE_OK).map_err(|e| {
        Fatal::Words(format!(
            "The state file {} is not writable: {}: {e}. Exiting...\n\
             `sentinel state-file` has to name a file in a folder that the user of this process may write.",
            path.display(),
            place.display(),
        ))
    })
}

/// Takes the state file for this process, until it ends however it ends: two sentinels that write one file would each undo
/// the votes of the other. The lock is a file beside it, because the state file itself is replaced now and then.
fn lock(state: &str) -> Result<(), Fatal> {
    let path = format!("{state}.lock");
    let mut file =
        File::options().create(true).read(true).append(true).open(&path).map_err(|e| Fatal::new(&path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner); // For the message alone.
            return Err(Fatal::Words(format!(
                "The state file {state} belongs to another sentinel that runs, process {}. Exiting...\n\
                 End that one first, or give this one a configuration file of its own, or another state file by the line \
                 `sentinel state-file PATH`.",
                owner.trim(),
            )));
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(e)) => log::warn!(
            target: "primacy",
            "{path} cannot be locked: {e}. Another sentinel on the same state file would go unnoticed."
        ),
    }
    // Whose it is, for whoever comes second.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    std::mem::forget(file); // The system closes it, and so unlocks it, when the process is gone.
    Ok(())
}

fn state_file(config: &SentinelConfig, about: &About) -> String {
    match config.global.state_file.as_str() {
        "" => format!("{}.state", about.config_file),
        elsewhere => elsewhere.into(),
    }
}

/// The configuration as a recording holds it.
fn text(config: &SentinelConfig) -> Result<String, Fatal> {
    let text = config.rewrite("");
    let same = SentinelConfig::parse("the recording", &text).is_ok_and(|again| again == *config);
    same.then_some(text).ok_or_else(Fatal::unrecordable)
}

fn build(config: SentinelConfig, about: About, seed: Seed, meter: Box<dyn Meter>) -> Sentinel {
    let state = state_file(&config, &about);
    let files = Files { config: Some((*about.config_file).into()), state: Some(state.into()) };
    Sentinel::new(config, files, seed, meter, about)
}

/// A fresh sentinel like the one that was recorded.
pub(super) fn again(header: &Header, playback: &Playback) -> Result<Sentinel, Unusable> {
    let config = SentinelConfig::parse("the recording", &header.config).map_err(|e| Unusable::Config(e.to_string()))?;
    Ok(build(config, known(header)?, header.seed, playback.meter()))
}
