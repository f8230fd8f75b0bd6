//! The machine that a server runs, and what it has to know of its process.

use std::path::Path;

use primacy_core::config::Config;
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::Meter;
use primacy_core::node::{About, Node};
use primacy_core::rng::{Rng, Seed};

/// What a server program runs.
pub type Server = Node<Keyspace>;

/// A node over the built-in dataset, not yet started; `reactor` is what INFO says of its runtime.
pub(super) fn build(
    config: Config,
    file: Option<&Path>,
    seed: Seed,
    meter: Box<dyn Meter>,
    reactor: &'static str,
) -> Server {
    // The keys of the hash must tell nothing of the node's other random numbers, which peers get to see.
    let mut rng = Rng::new(seed);
    let (mut keys, mut node) = (Seed::default(), Seed::default());
    rng.fill(&mut keys);
    rng.fill(&mut node);
    let data = Keyspace::new(config.settings.databases, keys);
    Node::new(config, data, node, meter, about(file, reactor))
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
