//! `SENTINEL MONITOR`, `SENTINEL SET` and `SENTINEL CONFIG`: the rules of the file, with the commands' answers.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::check::{self, MonitorFault, has_control};
use super::options::{By, GLOBAL, MasterOption, OF_MASTER, global};
use super::{MasterSettings, SentinelSettings};
use crate::config::LogLevel;
use crate::glob;

/// Why a command changed nothing. [`fmt::Display`] is the answer, `ERR` included, in the words of Redis and Valkey.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentinelSetError {
    /// No such option, or its values are missing.
    #[error("ERR Unknown option or number of arguments for SENTINEL SET '{}'", .0.escape_debug())]
    Option(String),
    /// The option cannot have this value.
    #[error("ERR Invalid argument '{}' for SENTINEL SET '{option}'", .value.escape_debug())]
    Value {
        /// The value.
        value: String,
        /// The option.
        option: &'static str,
    },
    /// `deny-scripts-reconfig` forbids it.
    #[error(
        "ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig \
         configuration directive in your Sentinel configuration"
    )]
    Scripts,
    /// A value would be a line of its own in a file or a log.
    #[error("ERR Invalid argument at index {index} for SENTINEL {command}: control characters are not allowed")]
    Control {
        /// The subcommand.
        command: &'static str,
        /// Which argument of the whole command, that is 0.
        index: usize,
    },
    /// `SENTINEL CONFIG SET` knows no such parameter, or it has no value.
    #[error("ERR Invalid argument '{}' to SENTINEL CONFIG SET", .0.escape_debug())]
    Parameter(String),
    /// The parameter cannot have this value.
    #[error("ERR Invalid value '{}' to SENTINEL CONFIG SET '{name}'", .value.escape_debug())]
    ParameterValue {
        /// The value.
        value: String,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter is there twice.
    #[error("ERR Duplicate argument '{0}' to SENTINEL CONFIG SET")]
    Duplicate(&'static str),
    /// `SENTINEL MONITOR` cannot take it.
    #[error("ERR {0}")]
    Monitor(&'static str),
}

/// What one option of `SENTINEL SET` changed. [`fmt::Display`] is the payload of `+set` behind the instance: secrets
/// are stars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The option as the file spells it.
    pub option: &'static str,
    /// Its values.
    pub values: Vec<String>,
    /// Whether nobody may read them.
    pub secret: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.option)?;
        for value in &self.values {
            if self.secret { f.write_str(" ******")? } else { write!(f, " {value}")? }
        }
        Ok(())
    }
}

impl MasterSettings {
    /// The master of `SENTINEL MONITOR name host port quorum`. Whether the name is free, the caller knows.
    pub fn monitor(args: [&[u8]; 4], resolve_hostnames: bool) -> Result<Self, SentinelSetError> {
        no_control("MONITOR", 2, &args)?;
        let mut words = [""; 4];
        for (word, arg) in words.iter_mut().zip(args) {
            *word = core::str::from_utf8(arg).map_err(|_| SentinelSetError::Monitor("Arguments must be UTF-8"))?;
        }
        check::monitor(words, resolve_hostnames).map_err(|fault| {
            SentinelSetError::Monitor(match fault {
                MonitorFault::Name => "Invalid master name: it must not be empty or have commas",
                MonitorFault::QuorumText => "Invalid quorum",
                MonitorFault::PortText => "Invalid port",
                MonitorFault::Quorum => "Quorum must be 1 or greater.",
                MonitorFault::Host => "Invalid IP address or hostname specified",
                MonitorFault::Port => "Invalid port number.",
            })
        })
    }

    /// What `SENTINEL SET name option value …` does: all of it, or nothing. `args` is what stands behind the name.
    ///
    /// Whether a script can be run has to be asked before: see [`Change::script`].
    pub fn set(&mut self, global: &SentinelSettings, args: &[&[u8]]) -> Result<Vec<Change>, SentinelSetError> {
        no_control("SET", 3, args)?;
        let words: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        let mut words: &[String] = &words;
        let mut next = self.clone();
        let mut changes = Vec::new();
        while let Some((name, rest)) = words.split_first() {
            let unknown = || SentinelSetError::Option(name.clone());
            let option = { OF_MASTER.iter().filter(|o| o.by != By::File) }
                .find(|o| o.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
                .ok_or_else(unknown)?;
            let (values, rest) = rest.split_at_checked(option.values.0).ok_or_else(unknown)?;
            words = rest;
            let spelled = option.names.first().copied().unwrap_or_default();
            if option.script.is_some() && global.deny_scripts_reconfig {
                return Err(SentinelSetError::Scripts);
            }
            next.set_one(option, values)
                .map_err(|value| SentinelSetError::Value { value: value.into(), option: spelled })?;
            changes.push(Change { option: spelled, values: values.to_vec(), secret: option.secret });
        }
        *self = next;
        Ok(changes)
    }

    /// Sets one option; the value that cannot be, if one cannot.
    fn set_one<'a>(&mut self, option: &MasterOption, values: &'a [String]) -> Result<(), &'a str> {
        // `U+FFFD` is what was no UTF-8: it would not be the password that the client meant.
        if let Some(bad) = values.iter().find(|v| v.contains('\u{fffd}')) {
            return Err(bad);
        }
        match (option.names, values) {
            (["rename-command"], [old, new]) => {
                if let Some(empty) = [old, new].into_iter().find(|w| w.is_empty()) {
                    return Err(empty);
                }
                let command = old.to_ascii_uppercase();
                if old.eq_ignore_ascii_case(new) {
                    self.renamed.remove(&command);
                } else {
                    self.renamed.insert(command, new.clone());
                }
                Ok(())
            }
            _ => {
                let words: Vec<&str> = values.iter().map(|v| &v[..]).collect();
                (option.take)(self, &words, true).map_err(|_| values.first().map_or("", |v| v))
            }
        }
    }
}

impl Change {
    /// The script that is to be run from now on, and what Redis answers where it cannot be.
    pub fn script(&self) -> Option<(&str, &'static str)> {
        let option = OF_MASTER.iter().find(|o| o.names.first() == Some(&self.option))?;
        let path = self.values.first().filter(|p| !p.is_empty())?;
        Some((path, option.script?.trim_end_matches('.')))
    }
}

impl SentinelSettings {
    /// What `SENTINEL CONFIG GET` answers: the parameters that match one of the patterns, with their values. `loglevel`
    /// is the ordinary directive, which is among them.
    pub fn get(&self, loglevel: LogLevel, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        let own = GLOBAL.iter().filter(|o| o.mutable).filter_map(|o| Some((o.name, (o.show)(self)?)));
        let all = own.chain([("loglevel", loglevel.word().to_string())]);
        let wanted = |name: &str| patterns.iter().any(|p| glob::matches_ignoring_case(p, name.as_bytes()));
        all.filter(|(name, _)| wanted(name)).collect()
    }

    /// What `SENTINEL CONFIG SET name value …` does: all of it, or nothing. Gives the names in the order of `args`.
    pub fn set(&mut self, loglevel: &mut LogLevel, args: &[&[u8]]) -> Result<Vec<&'static str>, SentinelSetError> {
        no_control("CONFIG SET", 3, args)?;
        let (mut next, mut level) = (self.clone(), *loglevel);
        let mut names: Vec<&'static str> = Vec::new();
        for pair in args.chunks(2) {
            let name = pair.first().map_or_else(String::new, |n| String::from_utf8_lossy(n).into_owned());
            let option = global(&name).filter(|o| o.mutable);
            let known = match option {
                Some(o) => o.name,
                None if name.eq_ignore_ascii_case("loglevel") => "loglevel",
                None => return Err(SentinelSetError::Parameter(name)),
            };
            let [_, value] = pair else { return Err(SentinelSetError::Parameter(name)) };
            if names.contains(&known) {
                return Err(SentinelSetError::Duplicate(known));
            }
            let text = core::str::from_utf8(value).ok();
            let taken = text.is_some_and(|v| match option {
                Some(o) => (o.take)(&mut next, v).is_ok(),
                None => LogLevel::named(v).map(|l| level = l).is_some(),
            });
            if !taken {
                let value = String::from_utf8_lossy(value).into_owned();
                return Err(SentinelSetError::ParameterValue { value, name: known });
            }
            names.push(known);
        }
        (*self, *loglevel) = (next, level);
        Ok(names)
    }
}

fn no_control(command: &'static str, first: usize, args: &[&[u8]]) -> Result<(), SentinelSetError> {
    match args.iter().position(|a| has_control(&String::from_utf8_lossy(a))) {
        Some(i) => Err(SentinelSetError::Control { command, index: first + i }),
        None => Ok(()),
    }
}
