//! Files and arguments of a sentinel.
//!
//! As in redis-sentinel since 6.2, `sentinel` lines are only collected first, since a rewritten file may have them in
//! any order: then those of the sentinel itself are taken, then `monitor`, then those of the masters.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::check::{self, MonitorFault, has_control};
use super::options::{self, By, UNRECOGNIZED, global, of_master};
use super::{SentinelConfig, SentinelSettings};
use crate::config::directive::nearest_of;
use crate::config::syntax::{Include, Spot, walk, walk_args};
use crate::config::{Config, ConfigError};

/// Whether a file is a program that may be run; only a host knows.
pub type Executable<'a> = &'a mut dyn FnMut(&str) -> bool;

/// Reads files and arguments into a [`SentinelConfig`].
///
/// ```
/// use primacy_core::config::sentinel::Loader;
/// let mut loader = Loader::new();
/// loader.text("s.conf", "sentinel monitor orders 10.0.0.1 6379 2", &mut |_| Err("nothing to include".into())).unwrap();
/// loader.args(&["--port", "5000", "--sentinel", "parallel-syncs", "orders", "2"]).unwrap();
/// let config = loader.finish(&mut |_| true).unwrap();
/// assert_eq!((config.settings.port, config.masters[0].parallel_syncs), (5000, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Loader {
    ordinary: Config,
    queue: Vec<Queued>,
}

/// A line that waits for those before it in rank.
#[derive(Clone, Debug)]
struct Queued {
    /// The words behind `sentinel`.
    words: Vec<String>,
    depth: usize,
    /// Where it stands; an error once it has a reason.
    at: ConfigError,
}

impl Default for Loader {
    fn default() -> Self {
        Self { ordinary: SentinelConfig::new().ordinary(), queue: Vec::new() }
    }
}

impl Loader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a text; `name` and `include` as [`Config::load`].
    pub fn text(&mut self, name: &str, text: &str, include: Include<'_>) -> Result<(), ConfigError> {
        walk(name, text, include, &mut |spot, words| self.line(spot, words))
    }

    /// Reads the arguments of the program, as [`Config::apply_args`]; a bare `--sentinel` says nothing.
    pub fn args<S: AsRef<str>>(&mut self, args: &[S]) -> Result<(), ConfigError> {
        walk_args(args, &mut |spot, words| self.line(spot, words))
    }

    fn line(&mut self, spot: Spot<'_>, words: Vec<String>) -> Result<(), String> {
        if !words.first().is_some_and(|w| w.eq_ignore_ascii_case("sentinel")) {
            return self.ordinary.line(spot, words);
        }
        let words: Vec<String> = words.into_iter().skip(1).collect();
        let Some(name) = words.first() else { return Ok(()) };
        if let Some(word) = words.iter().find(|w| has_control(w)) {
            return Err(format!("control characters are not allowed: \"{}\"", word.escape_debug()));
        }
        if !options::names().any(|n| n.eq_ignore_ascii_case(name)) {
            let hint = nearest_of(name, options::names()).map(|n| format!(" (did you mean '{n}'?)"));
            return Err(format!("{UNRECOGNIZED} '{name}' is unknown{}", hint.unwrap_or_default()));
        }
        self.queue.push(Queued { words, depth: spot.depth, at: spot.error(String::new()) });
        Ok(())
    }

    /// The configuration, once everything was read. `executable` is asked for every script that is named.
    pub fn finish(mut self, executable: Executable<'_>) -> Result<SentinelConfig, ConfigError> {
        self.ordinary.finish()?;
        let global = SentinelSettings::default();
        let config = SentinelConfig { settings: self.ordinary.settings, global, masters: Vec::new() };
        let included = self.queue.iter().any(|q| q.depth > 0);
        let mut building = Building { config, places: BTreeMap::new(), included, executable };
        for rank in [Rank::Global, Rank::Monitor, Rank::Master] {
            for queued in self.queue.iter().filter(|q| Rank::of(&q.words) == rank) {
                let words: Vec<&str> = queued.words.iter().map(|w| &w[..]).collect();
                let taken = match rank {
                    Rank::Global => building.global(&words),
                    Rank::Monitor => building.monitor(&words, queued.depth),
                    Rank::Master => building.master(&words),
                };
                taken.map_err(|reason| ConfigError { reason, ..queued.at.clone() })?;
            }
        }
        let mut config = building.config;
        config.raise_epoch();
        Ok(config)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Global,
    Monitor,
    Master,
}

impl Rank {
    fn of(words: &[String]) -> Self {
        match words.first() {
            Some(w) if w.eq_ignore_ascii_case("monitor") => Self::Monitor,
            Some(w) if global(w).is_some() => Self::Global,
            _ => Self::Master,
        }
    }
}

struct Building<'a> {
    config: SentinelConfig,
    /// Of each master, by name: its index, and how deep the file was that named it.
    places: BTreeMap<String, (usize, usize)>,
    /// Whether several files speak: what the sentinel writes goes to one of them, and may say again what others say.
    included: bool,
    executable: Executable<'a>,
}

impl Building<'_> {
    fn global(&mut self, words: &[&str]) -> Result<(), String> {
        let [name, value] = words else { return Err(UNRECOGNIZED.into()) };
        let option = global(name).ok_or(UNRECOGNIZED)?;
        (option.take)(&mut self.config.global, value)
    }

    fn monitor(&mut self, words: &[&str], depth: usize) -> Result<(), String> {
        let [_, name, host, port, quorum] = *words else { return Err(UNRECOGNIZED.into()) };
        let resolve = self.config.global.resolve_hostnames;
        let master = check::monitor([name, host, port, quorum], resolve).map_err(|fault| match fault {
            MonitorFault::Name => "expected a name for the master, without commas".into(),
            MonitorFault::QuorumText | MonitorFault::Quorum => "Quorum must be 1 or greater.".into(),
            MonitorFault::PortText | MonitorFault::Port => "Invalid port number.".into(),
            MonitorFault::Host => check::host(host, resolve).err().unwrap_or_default(),
        })?;
        match self.places.get_mut(name) {
            // The outer file is the one that is rewritten: it knows of failovers, the included one does not.
            Some((i, other)) if *other != depth => {
                if depth < *other {
                    *other = depth;
                    if let Some(place) = self.config.masters.get_mut(*i) {
                        *place = master;
                    }
                }
            }
            Some(_) => return Err("Duplicate master name.".into()),
            None => {
                self.places.insert(name.to_string(), (self.config.masters.len(), depth));
                self.config.masters.push(master);
            }
        }
        Ok(())
    }

    fn master(&mut self, words: &[&str]) -> Result<(), String> {
        let [name, master, values @ ..] = words else { return Err(UNRECOGNIZED.into()) };
        let option = of_master(name).filter(|o| o.by != By::Set).ok_or(UNRECOGNIZED)?;
        if values.len() < option.values.0 || values.len() > option.values.1 {
            return Err(UNRECOGNIZED.into());
        }
        let place = self.places.get(*master).and_then(|(i, _)| self.config.masters.get_mut(*i));
        let master = place.ok_or("No such master with specified name.")?;
        if let (Some(refusal), [script]) = (option.script, values)
            && !script.is_empty()
            && !(self.executable)(script)
        {
            return Err(refusal.into());
        }
        let before = self.included.then(|| master.clone());
        match (option.take)(master, values, self.config.global.resolve_hostnames) {
            Err(why) if why.starts_with("Duplicate") && before.is_some() => Ok(()),
            taken => taken,
        }
    }
}

impl SentinelConfig {
    /// Reads one text that includes nothing and whose scripts are not looked at: a file of one's own making, a
    /// recording.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let mut loader = Loader::new();
        loader.text(name, text, &mut |_| Err("nothing can be included here".into()))?;
        loader.finish(&mut |_| true)
    }

    /// The ordinary directives by themselves.
    pub(super) fn ordinary(&self) -> Config {
        // A sentinel has no default rules that a first `save` line would replace.
        Config { settings: self.settings.clone(), save_seen: true }
    }

    /// Brings the current epoch up to those of the masters: none of them can lie ahead of it.
    fn raise_epoch(&mut self) {
        let epochs = self.masters.iter().map(|m| m.config_epoch.max(m.leader_epoch));
        self.global.current_epoch = epochs.fold(self.global.current_epoch, u64::max);
    }
}
