//! The named scenarios: what may go wrong in each, and how often.

use alloc::boxed::Box;

use super::swarm::{Kinds, draw};
use crate::sim::campaign::{Campaign, Plan};

/// A named kind of run.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// What may happen in it; the seed leaves out some of it.
    pub kinds: Kinds,
    /// Virtual milliseconds between two things that go wrong, on average: drawn between these.
    pub every_ms: (u64, u64),
    /// Virtual milliseconds that things go wrong for: drawn between these.
    pub lasts_ms: (u64, u64),
    /// Whether settings and network are drawn too, or are ordinary.
    pub swarm: bool,
    /// Whether a campaign of it has to have seen every situation.
    pub complete: bool,
}

impl Scenario {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self {
            name: "all",
            about: "everything at once: crashes, partitions, disks, promotions, clocks, slow readers",
            kinds: Kinds::ALL,
            every_ms: (150, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: true,
        },
        Self {
            name: "calm",
            about: "no faults: what may never fail then",
            kinds: Kinds::NONE,
            every_ms: (1_000, 1_000),
            lasts_ms: (4_000, 8_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "crashes",
            about: "power cuts, kills, orderly restarts and pauses",
            kinds: Kinds { crash: true, pause: true, save: true, ..Kinds::NONE },
            every_ms: (300, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "partitions",
            about: "partitions, stalls, resets, half-open connections, slow links and readers",
            kinds: Kinds { partition: true, connection: true, slow: true, connect: true, ..Kinds::NONE },
            every_ms: (200, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "disk",
            about: "disks that are slow, full or broken, and power cuts while they write",
            kinds: Kinds { disk: true, crash: true, save: true, ..Kinds::NONE },
            every_ms: (300, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "promotions",
            about: "changes of master and of chains, with resets and partitions beside them",
            kinds: Kinds { promote: true, chain: true, connection: true, partition: true, ..Kinds::NONE },
            every_ms: (200, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "clocks",
            about: "wall clocks that jump, clocks that drift, and pauses, over keys that expire",
            kinds: Kinds { clock: true, pause: true, promote: true, ..Kinds::NONE },
            every_ms: (200, 2_000),
            lasts_ms: (6_000, 20_000),
            swarm: true,
            complete: false,
        },
        Self {
            name: "load",
            about: "the load that is measured: 1,000 writes and one fault per simulated second, ordinary settings",
            kinds: Kinds::ALL,
            every_ms: (1_000, 1_000),
            lasts_ms: (20_000, 20_000),
            swarm: false,
            complete: false,
        },
    ];

    /// The scenario of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|s| s.name == name)
    }
}

impl Campaign for Scenario {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn complete(&self) -> bool {
        self.complete
    }

    fn draw(&'static self, seed: u64, nodes: usize) -> Box<dyn Plan> {
        Box::new(draw(seed, self, nodes))
    }
}
