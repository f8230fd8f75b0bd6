//! A small group of the replication campaign, in a world whose choices are the fuzzer's bytes.
//!
//! The bytes lie in parts of fixed lengths, so that a change in one does not shift the others: machines, size, network
//! and disks, directives, clients, what goes wrong; all behind them decides what the world would else draw from its seed
//! (delays, cuts, what a power cut takes). Where bytes are missing nothing unusual happens.

use core::time::Duration;

use super::input::Draw;
use crate::sim::Choices;
use crate::sim::replication::{CALM_MS, Kinds, Report, Scenario, Setup, Sources, draw_from, run_from};
use crate::time::Instant;

/// What may go wrong: everything, in quick succession and for a short time.
static SHORT: Scenario = Scenario {
    name: "fuzz",
    about: "everything at once, in a short time",
    kinds: Kinds::ALL,
    every_ms: (20, 400),
    lasts_ms: (200, 1_500),
    swarm: true,
    complete: false,
};
/// Things begin to go wrong after so long: a full resync without trouble takes less.
const CALM: Duration = Duration::from_millis(250);
/// Clients of a group.
const CLIENTS: usize = 2;
/// Operations of a batch, and the longest time between two: what a run costs hangs on these.
const PIPELINE: u64 = 5;
const THINK_MS: u64 = 320;
/// Bytes for network and disks, for directives, and for clients.
const GROUND: usize = 12;
const ARGS: usize = 48;
const CLIENT: usize = 24;
/// Bytes for what goes wrong, at most: some fifteen entries. They get half of what is left.
const DEEDS: usize = 256;

/// Runs the group that the bytes describe: through its faults, healed, in sync again, and read.
pub(super) fn run(data: &[u8]) {
    let report = report(data);
    if let Some(violation) = &report.violation {
        panic!("{violation}");
    }
}

fn report(data: &[u8]) -> Report {
    let mut draw = Draw::new(data);
    let machines = u64::from(draw.byte());
    let nodes = 2 + draw.below(3);
    let mut part = |len| Choices::bytes(draw.take(len).to_vec());
    let (ground, args, clients) = (part(GROUND), part(ARGS), part(CLIENT));
    let deeds = Choices::bytes(draw.take(DEEDS.min(draw.rest().len() / 2)).to_vec());
    let setup = short(draw_from(Sources { ground, args, clients, deeds }, machines, &SHORT, nodes));
    run_from(&setup, Choices::bytes(draw.rest().to_vec()).with_machines(machines))
}

/// The same setup with less calm before it, and fewer and slower clients.
fn short(mut setup: Setup) -> Setup {
    let earlier = |at: Instant| Instant::ZERO + CALM + (at - Instant::from_micros(CALM_MS * 1000));
    setup.heal_at = earlier(setup.heal_at);
    for deed in &mut setup.deeds {
        deed.at = earlier(deed.at);
    }
    setup.clients.truncate(CLIENTS);
    for client in &mut setup.clients {
        client.pipeline = client.pipeline.min(PIPELINE);
        client.think_ms = client.think_ms.max(THINK_MS);
        client.keys = client.keys.min(10);
    }
    setup
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::rng::Rng;
    use crate::sim::replication::{Situation, Situations};

    #[test]
    fn bytes_reach_what_the_target_is_for() {
        let mut rng = Rng::new([7; 32]);
        let mut seen = Situations::default();
        for _ in 0..400 {
            let mut data = vec![0; 200 + rng.below(1_800) as usize];
            rng.fill(&mut data);
            let report = report(&data);
            assert!(report.violation.is_none(), "{:?} by {data:?}", report.violation);
            seen.add(&report.situations);
        }
        for situation in [
            Situation::FullAsked,
            Situation::PartialFirst,
            Situation::PartialSecond,
            Situation::RefusedId,
            Situation::RefusedSecondId,
            Situation::IdShifted,
            Situation::CrashInSave,
            Situation::CrashInLoad,
            Situation::RestoredMaster,
            Situation::RestoredReplica,
            Situation::WaitKept,
            Situation::WaitTimedOut,
        ] {
            assert!(seen.of(situation) > 0, "never: {}", situation.text());
        }
    }

    #[test]
    fn the_bytes_are_the_run() {
        let mut rng = Rng::new([8; 32]);
        let mut data = vec![0; 900];
        rng.fill(&mut data);
        let hash = report(&data).hash;
        assert_eq!(hash, report(&data).hash);
        data.truncate(500);
        let shorter = report(&data).hash;
        assert_ne!(shorter, hash);
        // Other machines alone.
        data[0] ^= 1;
        assert_ne!(report(&data).hash, shorter);
    }

    #[test]
    fn no_bytes_are_a_calm_run() {
        let report = report(&[]);
        assert!(report.violation.is_none() && report.deeds == 0 && report.answers > 0, "{report:?}");
    }
}
