//! The command `sentinel`: its configuration file, which it has to be able to write, and how a recording of it is built
//! again.

use std::path::{Path, PathBuf};

use primacy_core::config::Settings;
use primacy_core::config::sentinel::{Loader, SentinelConfig};
use primacy_core::journal::{Header, Playback, Recorder};
use primacy_core::machine::Meter;
use primacy_core::node::About;
use primacy_core::rng::Seed;
use primacy_core::sentinel::{Call, Event, Files, Sentinel, What};
use rustix::fs::{Access, access};

use super::help;
use super::launch::{Fatal, Launch, Made, Plan, Words, included, known, text_of};
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

    fn machine(self, made: Made) -> Result<Recorder<Sentinel>, Fatal> {
        writable(Path::new(&*made.about.config_file), &self.global.state_file)?;
        made.recorded(KIND, self, text, build)
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
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

/// The configuration as a recording holds it.
fn text(config: &SentinelConfig) -> Result<String, Fatal> {
    let text = config.rewrite("");
    let same = SentinelConfig::parse("the recording", &text).is_ok_and(|again| again == *config);
    same.then_some(text).ok_or_else(Fatal::unrecordable)
}

fn build(config: SentinelConfig, about: About, seed: Seed, meter: Box<dyn Meter>) -> Sentinel {
    let state = match config.global.state_file.as_str() {
        "" => format!("{}.state", about.config_file),
        elsewhere => elsewhere.into(),
    };
    let files = Files { config: Some((*about.config_file).into()), state: Some(state.into()) };
    Sentinel::new(config, files, seed, meter, about)
}

/// A fresh sentinel like the one that was recorded.
pub(super) fn again(header: &Header, playback: &Playback) -> Result<Sentinel, Unusable> {
    let config = SentinelConfig::parse("the recording", &header.config).map_err(|e| Unusable::Config(e.to_string()))?;
    Ok(build(config, known(header)?, header.seed, playback.meter()))
}
