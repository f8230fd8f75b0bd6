//! Every fault, seen from the machines that it hits.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::machines::*;
use crate::machine::Closed;
use crate::sim::{Choices, DiskTrouble, Fault, NetConfig, World};

const fn lasts(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Lines that come back in each of three spans: before a fault, from 10 ms into it to its end at 600 ms, and after it.
fn spans(fault: &Fault, seed: u64) -> ([u64; 3], World<Small>) {
    let mut world = pair(Choices::seeded(seed), NetConfig::default(), 500);
    let back = |w: &World<Small>| w.machine(CLIENT).map_or(0, |m| m.client().back);
    run(&mut world, ms(100));
    let before = back(&world);
    world.apply(fault);
    run(&mut world, ms(110));
    let begun = back(&world);
    run(&mut world, ms(599));
    let during = back(&world);
    run(&mut world, ms(1_500));
    ([before, during - begun, back(&world) - during], world)
}

#[test]
fn what_lasts_stops_the_flow_and_lets_it_go_on() {
    let (a, b) = (SERVER, CLIENT);
    let stops = [
        Fault::Partition { a, b, one_way: false, lasts: lasts(500) },
        Fault::Partition { a, b, one_way: true, lasts: lasts(500) },
        Fault::Partition { a: b, b: a, one_way: true, lasts: lasts(500) },
        Fault::Stall { a, b, lasts: lasts(500) },
        Fault::Pause { host: a, lasts: lasts(500) },
        Fault::Pause { host: b, lasts: lasts(500) },
    ];
    for fault in &stops {
        for seed in 0..5 {
            let ([before, during, after], world) = spans(fault, seed);
            assert!(before > 30 && after > 100, "{fault}, seed {seed}: {before}, {during}, {after}");
            assert_eq!(during, 0, "{fault}, seed {seed}");
            let client = world.machine(CLIENT).unwrap().client();
            assert!(client.closed.is_empty(), "{fault}: what was on its way is kept, {:?}", client.closed);
            assert_eq!(world.stats().faults[fault.kind()], 1);
        }
    }
}

#[test]
fn what_slows_slows() {
    let (a, b) = (SERVER, CLIENT);
    for fault in
        [Fault::SlowLink { a, b, factor: 50, lasts: lasts(500) }, Fault::SlowReader { host: a, lasts: lasts(500) }]
    {
        let ([before, during, after], _) = spans(&fault, 1);
        assert!(during > 3 && 10 * during < 40 * before && during < after / 5, "{fault}: {before}, {during}, {after}");
    }
}

#[test]
fn resets_and_crashes_break_connections_and_clients_come_back() {
    let (a, b) = (SERVER, CLIENT);
    let breaks = [
        (Fault::Reset { a, b }, Closed::Reset),
        (Fault::HalfOpen { a: b, b: a }, Closed::TimedOut),
        (Fault::HalfOpen { a, b }, Closed::Reset),
        (Fault::Crash { host: a, down_for: lasts(100) }, Closed::Reset),
    ];
    for (fault, reason) in breaks {
        for seed in 0..5 {
            let ([_, _, after], world) = spans(&fault, seed);
            let client = world.machine(CLIENT).unwrap().client();
            assert_eq!(client.closed.first(), Some(&reason), "{fault}, seed {seed}");
            assert!(after > 50, "{fault}, seed {seed}: {after}");
        }
    }
    let (_, world) = spans(&Fault::Kill { host: a, down_for: lasts(100) }, 1);
    assert_eq!((world.boots(a), world.machine(CLIENT).unwrap().client().closed.len() > 1), (2, true));
    let (_, world) = spans(&Fault::Stop { host: a, down_for: lasts(100) }, 1);
    assert_eq!((world.boots(a), world.is_up(a)), (2, true));
}

#[test]
fn a_black_hole_is_never_heard_of() {
    let ([before, during, after], world) = spans(&Fault::BlackHole { a: SERVER, b: CLIENT }, 1);
    assert!(before > 0 && during == 0 && after == 0);
    assert!(world.machine(CLIENT).unwrap().client().closed.is_empty());
}

#[test]
fn hosts_that_refuse_or_ignore_connections_do_so_for_a_while() {
    for (fault, reason) in [
        (Fault::RefuseConnects { host: SERVER, lasts: lasts(900) }, Some(Closed::Refused)),
        (Fault::DropConnects { host: SERVER, lasts: lasts(900) }, None),
    ] {
        let mut world = pair(Choices::seeded(4), NetConfig::default(), 10);
        run(&mut world, ms(50));
        world.apply(&fault);
        world.apply(&Fault::Reset { a: SERVER, b: CLIENT });
        run(&mut world, ms(800));
        let client = world.machine(CLIENT).unwrap().client();
        assert_eq!(client.closed.get(1), reason.as_ref(), "{fault}");
        let back = client.back;
        run(&mut world, ms(3_000));
        assert!(world.machine(CLIENT).unwrap().client().back > back, "{fault}");
    }
}

#[test]
fn after_a_pause_what_waited_comes_before_the_tick() {
    use crate::machine::{Actions, Chunks, Input, Machine};
    use crate::time::{Instant, Now};

    /// Ticks every 10 ms and notes what it hears.
    struct Clockwork(Small, Instant);
    impl Machine for Clockwork {
        type Call = crate::machine::Endpoint;
        type Event = ();
        fn handle(&mut self, now: Now, input: Input<'_, Self::Call>, out: &mut Actions<()>) {
            let tick = matches!(input, Input::Tick);
            if tick && self.1 > Instant::ZERO {
                self.0.heard.push('T');
            } else {
                self.0.handle(now, input, out);
            }
            if tick {
                self.1 = now.mono + lasts(10);
            }
        }
        fn deadline(&self) -> Option<Instant> {
            Some(self.1)
        }
        fn transmit(&mut self, conn: crate::ids::ConnId, budget: usize, out: &mut Chunks) {
            self.0.transmit(conn, budget, out);
        }
    }

    let mut world: World<Clockwork> = World::new(Choices::seeded(1), NetConfig { late: 0, ..NetConfig::default() });
    let server = world.add("server", Vec::from([ip(1)]), Box::new(|_| Clockwork(echo(), Instant::ZERO)));
    let client = world.add("client", Vec::from([ip(2)]), Box::new(|_| Clockwork(client(1, 100), Instant::ZERO)));
    world.start(server);
    world.start(client);
    world.run_until(ms(50), &mut ()).unwrap();
    world.apply(&Fault::Pause { host: server, lasts: lasts(200) });
    let heard = world.machine(server).unwrap().0.heard.len();
    assert!(world.is_paused(server) && world.is_up(server));
    world.run_until(ms(249), &mut ()).unwrap();
    assert_eq!(world.machine(server).unwrap().0.heard.len(), heard, "who is paused hears nothing");
    world.run_until(ms(300), &mut ()).unwrap();
    assert_eq!(&world.machine(server).unwrap().0.heard[heard..heard + 2], "RT", "the waiting input, then one tick");
}

#[test]
fn disks_fail_for_a_while() {
    use crate::sim::Came;
    let mut world: World<Small> = World::new(Choices::seeded(1), NetConfig::default());
    let h = world.add("disk", Vec::from([ip(1)]), Box::new(|info| writer(info, 3)));
    world.start(h);
    run(&mut world, ms(20));
    world.apply(&Fault::Disk { host: h, trouble: DiskTrouble::Slow(1_000_000), lasts: lasts(10) });
    run(&mut world, ms(22));
    let stuck = world.machine(h).unwrap().writer().synced;
    run(&mut world, ms(500));
    assert_eq!(world.machine(h).unwrap().writer().synced, stuck, "the job that began slow is slow to its end");

    for (trouble, kind) in [
        (DiskTrouble::Full, crate::machine::JobErrorKind::NoSpace),
        (DiskTrouble::Broken, crate::machine::JobErrorKind::Other),
    ] {
        let mut world: World<super::laws::Quiet> = World::new(Choices::seeded(1), NetConfig::default());
        let h = world.add("disk", Vec::from([ip(1)]), Box::new(|_| super::laws::Quiet::appending()));
        world.start(h);
        world.apply(&Fault::Disk { host: h, trouble, lasts: lasts(1) });
        let failed = core::iter::from_fn(|| {
            world
                .step()
                .map(|s| matches!(s.seen, crate::sim::Seen::Done { result, .. } if result == Came::Failed(kind)))
        });
        assert!(failed.take(50).any(|f| f), "{trouble:?}");
        assert_eq!(world.disk(h).get("f").map_or(0, <[u8]>::len), 0);
    }
}

#[test]
fn clocks_go_wrong_and_are_healed() {
    let mut world = pair(Choices::seeded(1), NetConfig::default(), 10);
    run(&mut world, ms(1_000));
    world.apply(&Fault::WallJump { host: CLIENT, by_ms: -3_000 });
    world.apply(&Fault::Drift { host: CLIENT, ppm: 100_000 });
    world.apply(&Fault::WallDrift { host: SERVER, ppm: -100_000 });
    run(&mut world, ms(2_000));
    let (client, server) = (world.local_now(CLIENT), world.local_now(SERVER));
    assert_eq!((client.mono.as_micros() / 1000, server.mono.as_micros() / 1000), (2_100, 2_000));
    let epoch = crate::sim::EPOCH_MS;
    assert_eq!((client.unix_ms, server.unix_ms), (epoch - 1_000, epoch + 1_900));
    world.heal();
    assert_eq!((world.local_now(CLIENT).unix_ms, world.local_now(SERVER).unix_ms), (epoch + 2_000, epoch + 2_000));
}

#[test]
fn healing_ends_whatever_lasts() {
    let long = lasts(1_000_000);
    let (a, b) = (SERVER, CLIENT);
    let faults = [
        Fault::Partition { a, b, one_way: false, lasts: long },
        Fault::Stall { a, b, lasts: long },
        Fault::Pause { host: b, lasts: long },
        Fault::Crash { host: a, down_for: long },
        Fault::Kill { host: b, down_for: long },
        Fault::DropConnects { host: a, lasts: long },
        Fault::SlowReader { host: a, lasts: long },
        Fault::SlowLink { a, b, factor: 1_000_000, lasts: long },
    ];
    for fault in faults {
        let mut world = pair(Choices::seeded(9), NetConfig::default(), 10);
        run(&mut world, ms(50));
        world.apply(&fault);
        run(&mut world, ms(300));
        world.apply(&Fault::Heal);
        run(&mut world, ms(3_500));
        let back = world.machine(b).unwrap().client().back;
        run(&mut world, ms(4_500));
        assert!(world.machine(b).unwrap().client().back > back + 200, "{fault}");
    }
}

#[test]
fn a_host_that_moved_is_where_its_name_leads() {
    let mut world = pair(Choices::seeded(3), NetConfig::default(), 500);
    run(&mut world, ms(100));
    let name = world.name(SERVER).to_string();
    let (old, new) = (world.addrs(SERVER)[0], [10, 9, 9, 9].into());
    world.move_to(SERVER, Vec::from([new]));
    assert_eq!(world.addrs(SERVER), [old], "one that runs stays where it is");
    world.apply(&Fault::Kill { host: SERVER, down_for: lasts(50) });
    world.move_to(SERVER, Vec::from([new]));
    let back = |w: &World<Small>| w.machine(CLIENT).unwrap().client().back;
    let before = back(&world);
    run(&mut world, ms(2_000));
    assert_eq!((world.addrs(SERVER), world.names().get(&name)), (&[new][..], &[new][..]));
    assert_eq!(back(&world), before, "nobody answers at the old address");
}
