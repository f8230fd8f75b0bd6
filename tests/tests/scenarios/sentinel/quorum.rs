//! One quorum of real sentinels and Primacy's, over real servers and Primacy's: whatever happens to the master, there is
//! one new master, all agree on it, and the old one follows it.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::{self, Program};
use primacy_tests::sentinel::{Fault, Group};
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, full};
use std::time::Duration;

/// The sentinels beside Primacy's, of three.
const QUORUMS: [&[Peer]; 5] =
    [&[Peer::Redis70, Peer::Redis70], &[Peer::Valkey91, Peer::Valkey91], &[Peer::Redis70], &[Peer::Valkey91], &[]];
/// The servers that they watch; none for Primacy's.
const SERVERS: [Option<Peer>; 3] = [None, Some(Peer::Redis70), Some(Peer::Valkey91)];
/// What one scenario may take beside its rounds, and for each of them.
const LIMIT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(90));

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for (i, quorum) in QUORUMS.into_iter().enumerate() {
        for (j, server) in SERVERS.into_iter().enumerate() {
            // All cells with full numbers, else each quorum over one kind of server.
            if full() {
                all.push(cell("kill", &[(Fault::Kill, 20)], quorum, server));
                all.push(cell("freeze", &[(Fault::Freeze, 20)], quorum, server));
                all.push(cell("cut", &[(Fault::Partition, 5), (Fault::Restart, 5)], quorum, server));
            } else if i % SERVERS.len() == j {
                let faults = [(Fault::Kill, 1), (Fault::Freeze, 1)];
                let cut = [(Fault::Partition, 1), (Fault::Restart, 1)];
                let (name, faults) = if i % 2 == 0 { ("stop", faults) } else { ("cut", cut) };
                all.push(cell(name, &faults, quorum, server));
            }
        }
    }
    all
}

fn cell(name: &str, faults: &[(Fault, usize)], quorum: &'static [Peer], server: Option<Peer>) -> Trial {
    let real = quorum.first().map_or("none", |p| p.name());
    let name = format!(
        "sentinel::quorum::{name}::{}x{real}+{}xprimacy::over::{}",
        quorum.len(),
        3 - quorum.len(),
        server.map_or("primacy", Peer::name)
    );
    let faults: Vec<Fault> = faults.iter().flat_map(|(fault, n)| std::iter::repeat_n(*fault, *n)).collect();
    let limit = LIMIT.0 + LIMIT.1 * faults.len() as u32;
    scenario(
        &name,
        limit,
        move || needs(quorum, server),
        move |w, (sentinels, server)| run(w, &faults, &sentinels, &server),
    )
}

fn needs(quorum: &[Peer], server: Option<Peer>) -> Needs<(Vec<Program>, Program)> {
    let ours = program::under_test().map_err(|e| e.to_string())?;
    let mut sentinels = quorum.iter().map(|p| p.find()).collect::<Needs<Vec<_>>>()?;
    sentinels.resize(3, ours.clone());
    Ok((sentinels, server.map_or(Ok(ours), Peer::find)?))
}

fn run(w: &World, faults: &[Fault], sentinels: &[Program], server: &Program) -> Result<()> {
    let mut rng = w.rng();
    let group = Group::start(w, server, sentinels, faults.contains(&Fault::Partition))?;
    for (i, fault) in faults.iter().enumerate() {
        group.round(*fault, &mut rng).map_err(|e| format!("round {}: {e}", i + 1))?;
    }
    Ok(())
}
