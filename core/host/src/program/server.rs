//! The command `server`: a node over the built-in dataset, and how a recording of it is built again.

use std::io::{self, Read};

use primacy_core::config::{Config, ConfigError, LogLevel, Settings};
use primacy_core::journal::{Header, Playback, Recorder};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::Meter;
use primacy_core::node::{About, Call, Event, Node, What};
use primacy_core::rng::{Rng, Seed};

use super::help;
use super::launch::{Fatal, Launch, Made, Plan, Words, included, known, text_of};
use crate::Threads;
use crate::replay::Unusable;

/// The kind of machine, as a recording names it.
pub(super) const KIND: &str = "node/keyspace";

/// What a server program runs: a node over the built-in dataset, which may be recorded.
pub type Server = Recorder<Node<Keyspace>>;

impl Launch for Config {
    const COMMAND: &'static str = "server";
    const HELP: &'static str = help::SERVER;
    type Call = Call;
    type Machine = Node<Keyspace>;

    fn plan(words: Words<'_>) -> Result<Plan<Self>, Fatal> {
        let list = words.list.clone();
        let mut plan = Plan::new(Self::new(), words);
        let (file, rest) = match list.split_first() {
            Some((file, rest)) if !file.starts_with('-') => (Some(*file), rest),
            _ => (None, &list[..]),
        };
        // `-` stands first or, as redis-server takes it too, last.
        let (from_stdin, rest) = match rest {
            ["-", rest @ ..] | [rest @ .., "-"] => (true, rest),
            rest => (false, rest),
        };
        if let Some(file) = file {
            let text = text_of(file)?;
            plan.file = std::path::absolute(file).ok();
            load(&mut plan.config, file, &text)?;
        }
        if from_stdin {
            io::stdin().read_to_string(&mut plan.stdin).map_err(|e| Fatal::new("read standard input", e))?;
            load(&mut plan.config, "-", &plan.stdin)?;
        }
        plan.config.apply_args(rest).map_err(|e| Fatal::config(&e))?;
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

    fn seed_passwords(machine: &mut Node<Keyspace>, seed: Seed) {
        machine.seed_passwords(seed);
    }

    fn machine(self, made: Made) -> Result<Server, Fatal> {
        made.recorded(KIND, self, text, |config, about, seed, meter| {
            let mut node = build(config, about, seed, meter);
            node.set_workers(Box::new(Threads::new()));
            node
        })
    }
}

/// The configuration as a recording holds it.
fn text(config: &Config) -> Result<String, Fatal> {
    let text = config.rewrite("");
    let same = read(&text).is_ok_and(|again| again.settings == config.settings);
    same.then_some(text).ok_or_else(Fatal::unrecordable)
}

fn load(config: &mut Config, name: &str, text: &str) -> Result<(), Fatal> {
    config.load(name, text, &mut included).map_err(|e| Fatal::config(&e))
}

/// A node over the built-in dataset, not yet started.
fn build(config: Config, about: About, seed: Seed, meter: Box<dyn Meter>) -> Node<Keyspace> {
    // The keys of the hash must tell nothing of the node's other random numbers, which peers get to see.
    let mut rng = Rng::new(seed);
    let (mut keys, mut node) = (Seed::default(), Seed::default());
    rng.fill(&mut keys);
    rng.fill(&mut node);
    let data = Keyspace::new(config.settings.databases, keys);
    Node::new(config, data, node, meter, about)
}

/// A fresh node like the one that was recorded.
pub(super) fn again(header: &Header, playback: &Playback) -> Result<Node<Keyspace>, Unusable> {
    let config = read(&header.config).map_err(|e| Unusable::Config(e.to_string()))?;
    Ok(build(config, known(header)?, header.seed, playback.meter()))
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::new();
    config.load("the recording", text, &mut |_| Err("a recording includes no files".into()))?;
    Ok(config)
}
