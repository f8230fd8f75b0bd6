//! Real nodes in the simulated world: they come into sync, and again after whatever goes wrong.

use core::time::Duration;

use primacy_core::sim::{DiskTrouble, Fault, HostId, NetConfig, World};
use primacy_core::time::Instant;

#[path = "support/group.rs"]
mod group;
use group::{CHAINED, MASTER, Member, group, node_of, writer_of};

const fn s(n: u64) -> Instant {
    Instant::from_micros(n * 1_000_000)
}

const PAUSE: Duration = Duration::from_millis(5);

fn run(world: &mut World<Member>, at: Instant) {
    if let Err(violation) = world.run_until(at, &mut ()) {
        panic!("{violation}");
    }
}

/// Whether every node is where the master is, in the stream and in the data.
fn in_sync(world: &World<Member>) -> bool {
    let of = |h| {
        let node = node_of(world, h);
        let keys = (0..1000).map(|n| node.data().digest_value(0, format!("key:{n}").as_bytes()));
        (node.position(), keys.collect::<Vec<_>>())
    };
    let master = of(MASTER);
    (1..=3).all(|h| of(HostId(h)) == master)
}

/// The writer's host stops, and what is under way comes to rest.
fn settle(world: &mut World<Member>, at: Instant) {
    world.kill(group::WRITER);
    run(world, at);
}

#[test]
fn a_group_is_in_sync_without_faults() {
    let mut world = group(1, NetConfig::default(), PAUSE);
    run(&mut world, s(5));
    assert!(writer_of(&world).answered > 500, "{}", writer_of(&world).answered);
    settle(&mut world, s(7));
    assert!(in_sync(&world));
    assert!(!node_of(&world, CHAINED).is_master());
}

#[test]
fn two_runs_of_a_seed_are_one() {
    let hash = |seed| {
        let mut world = group(seed, NetConfig::default(), PAUSE);
        world.schedule(s(2), Fault::Crash { host: HostId(2), down_for: Duration::from_millis(700) });
        run(&mut world, s(5));
        world.trace_hash()
    };
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}

#[test]
fn a_group_comes_back_into_sync_after_every_fault_between_hosts() {
    let (a, b, lasts) = (MASTER, HostId(2), Duration::from_secs(2));
    comes_back(&[
        Fault::Partition { a, b, one_way: false, lasts },
        Fault::Reset { a, b },
        Fault::HalfOpen { a, b },
        Fault::BlackHole { a: b, b: CHAINED },
        Fault::SlowLink { a, b, factor: 20, lasts },
    ]);
}

#[test]
fn a_group_comes_back_into_sync_after_every_fault_of_a_host() {
    let (a, b, lasts) = (MASTER, HostId(2), Duration::from_secs(2));
    comes_back(&[
        Fault::Pause { host: a, lasts },
        Fault::SlowReader { host: b, lasts },
        Fault::Disk { host: b, trouble: DiskTrouble::Full, lasts },
        Fault::WallJump { host: a, by_ms: -3_600_000 },
        Fault::Crash { host: b, down_for: lasts },
        Fault::Kill { host: CHAINED, down_for: lasts },
        Fault::Stop { host: b, down_for: lasts },
        Fault::Crash { host: a, down_for: lasts },
    ]);
}

fn comes_back(faults: &[Fault]) {
    for (i, fault) in faults.iter().enumerate() {
        let net = NetConfig { chop: 300, window: 20_000, ..NetConfig::default() };
        let mut world = group(10 + i as u64, net, PAUSE);
        run(&mut world, s(3));
        world.apply(fault);
        run(&mut world, s(8));
        let answered = writer_of(&world).answered;
        world.heal();
        run(&mut world, s(70));
        assert!(writer_of(&world).answered > answered, "{fault}");
        settle(&mut world, s(200));
        assert!(in_sync(&world), "{fault}");
    }
}
