//! The named scenarios: who is there, what may go wrong, and how often.

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
    /// Sentinels.
    pub sentinels: usize,
    /// Masters.
    pub masters: usize,
    /// Replicas of each; 0: one less than the nodes that a run is asked for.
    pub replicas: usize,
    /// Servers are small stand-ins instead of nodes.
    pub stand_ins: bool,
    /// Sentinels are the model of redis-sentinel's times and votes, for comparison; nothing has to come to order.
    pub classic: bool,
    /// What may happen in it; the seed leaves out some of it.
    pub kinds: Kinds,
    /// Virtual milliseconds between two things that go wrong, on average: drawn between these.
    pub every_ms: (u64, u64),
    /// Virtual milliseconds that things go wrong for: drawn between these.
    pub lasts_ms: (u64, u64),
    /// Whether disks lose only what was not synced and all sentinels know the same others: then two votes or two leaders
    /// of one epoch are violations, else they are counted.
    pub strict: bool,
    /// Whether a campaign of it has to have seen every situation.
    pub complete: bool,
}

const SENTINELS: Scenario = Scenario {
    name: "sentinels",
    about: "3 sentinels over a master and two replicas: all kinds of faults, at the master and at whoever leads",
    sentinels: 3,
    masters: 1,
    replicas: 2,
    stand_ins: false,
    classic: false,
    kinds: Kinds::USUAL,
    every_ms: (400, 4_000),
    lasts_ms: (10_000, 40_000),
    strict: true,
    complete: true,
};

pub(super) const MASTERS: Scenario = Scenario {
    name: "masters",
    about: "17 sentinels over 400 masters, of which 20 die at once: how soon each has a leader",
    sentinels: 17,
    masters: 400,
    replicas: 1,
    stand_ins: true,
    kinds: Kinds { many: true, ..Kinds::NONE },
    every_ms: (200_000, 200_000),
    lasts_ms: (2_500, 2_500),
    complete: false,
    ..SENTINELS
};

impl Scenario {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        SENTINELS,
        Self { name: "sentinels-5", about: "the same with 5 sentinels", sentinels: 5, complete: false, ..SENTINELS },
        Self { name: "sentinels-9", about: "the same with 9 sentinels", sentinels: 9, complete: false, ..SENTINELS },
        Self { name: "sentinels-17", about: "the same with 17 sentinels", sentinels: 17, complete: false, ..SENTINELS },
        MASTERS,
        Self {
            name: "masters-classic",
            about: "the same deaths under a model of redis-sentinel's times and votes, for comparison",
            classic: true,
            lasts_ms: (57_000, 57_000),
            ..MASTERS
        },
        Self {
            name: "site",
            about: "the whole site loses power, and comes back piece by piece",
            kinds: Kinds { site: true, master: true, crash: true, ..Kinds::NONE },
            every_ms: (3_000, 9_000),
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "names",
            about: "servers and sentinels go by names that are looked up slowly or in vain",
            kinds: Kinds { names: true, connect: true, master: true, crash: true, ..Kinds::NONE },
            every_ms: (2_000, 8_000),
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "addresses",
            about: "sentinels, and servers that go by names, come back at other addresses",
            kinds: Kinds { moves: true, master: true, crash: true, ..Kinds::NONE },
            every_ms: (2_000, 8_000),
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "clocks",
            about: "clocks that jump and drift, and processes that stand still",
            kinds: Kinds { clock: true, pause: true, master: true, ..Kinds::NONE },
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "asymmetric",
            about: "partitions, most of them one way",
            kinds: Kinds { partition: true, cut: true, connection: true, ..Kinds::NONE },
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "handover",
            about: "sentinels are asked for failovers in which the master hands over, with faults beside",
            kinds: Kinds {
                handover: true,
                leader: true,
                crash: true,
                pause: true,
                partition: true,
                connection: true,
                slow: true,
                ..Kinds::NONE
            },
            every_ms: (1_000, 6_000),
            complete: false,
            ..SENTINELS
        },
        Self {
            name: "old-disk",
            about: "sentinels that are restarted from an old disk",
            kinds: Kinds { old_disk: true, master: true, leader: true, crash: true, ..Kinds::NONE },
            strict: false,
            complete: false,
            ..SENTINELS
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
