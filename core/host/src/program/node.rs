//! The machine that a server runs, and what it has to know of its process.

use std::path::Path;

use primacy_core::config::Config;
use primacy_core::journal::{Header, Playback, Recorded, RecordedMeter, Recorder, Sink};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::Meter;
use primacy_core::node::{About, Node};
use primacy_core::rng::{Rng, Seed};

use crate::replay::Unusable;

/// The kind of machine, as a recording names it.
const MACHINE: &str = "node/keyspace";

/// What a server program runs: a node over the built-in dataset, which may be recorded.
pub type Server = Recorder<Node<Keyspace>>;

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

/// A node that is recorded to `sink`, up to so many bytes, if there is one.
pub(super) fn server(
    config: Config,
    about: About,
    seed: Seed,
    meter: impl Meter + 'static,
    record: Option<(Box<dyn Sink>, u64)>,
) -> Result<Server, String> {
    let Some((sink, bound)) = record else {
        return Ok(Recorder::off(build(config, about, seed, Box::new(meter))));
    };
    let text = config.rewrite("");
    let same = read(&text).is_ok_and(|again| again.settings == config.settings);
    if !same {
        return Err("this configuration does not read back as it was written, so that it could not be replayed".into());
    }
    let mut header = Header { program: program(), machine: MACHINE.into(), seed, config: text, about: Vec::new() };
    about.record(&mut header.about);
    let readings = primacy_core::journal::Readings::new();
    let meter = RecordedMeter::new(meter, readings.clone());
    let node = build(config, about, seed, Box::new(meter));
    Ok(Recorder::new(node, &header, readings, sink, bound))
}

/// A fresh node like the one that was recorded.
pub(super) fn again(header: &Header, playback: &Playback) -> Result<Node<Keyspace>, Unusable> {
    if header.machine != MACHINE {
        return Err(Unusable::Machine { expected: MACHINE, came: header.machine.clone() });
    }
    let config = read(&header.config).map_err(|e| Unusable::Config(e.to_string()))?;
    let about = About::recall(&mut primacy_core::journal::wire::Cursor::new(&header.about))
        .map_err(|e| Unusable::Config(e.expected.into()))?;
    Ok(build(config, about, header.seed, playback.meter()))
}

/// This program, as a recording names it.
pub(super) fn program() -> String {
    format!("primacy {}", env!("CARGO_PKG_VERSION"))
}

fn read(text: &str) -> Result<Config, primacy_core::config::ConfigError> {
    let mut config = Config::new();
    config.load("the recording", text, &mut |_| Err("a recording includes no files".into()))?;
    Ok(config)
}

pub(super) fn about(file: Option<&Path>, reactor: &'static str) -> About {
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
