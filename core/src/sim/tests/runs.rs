//! Runs as a whole: they repeat, they end, they keep what is durable.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::machines::*;
use crate::sim::{Choices, Fault, NetConfig, Observer, Seen, Step, Violation, World};

fn hash(choices: Choices) -> u64 {
    let mut world = pair(choices, NetConfig::default(), 3000);
    world.schedule(ms(100), Fault::Crash { host: SERVER, down_for: Duration::from_millis(50) });
    run(&mut world, ms(400));
    assert!(world.machine(CLIENT).unwrap().client().back > 50);
    world.trace_hash()
}

#[test]
fn a_seed_repeats_and_another_differs() {
    assert_eq!(hash(Choices::seeded(5)), hash(Choices::seeded(5)));
    assert_ne!(hash(Choices::seeded(5)), hash(Choices::seeded(6)));
    assert_eq!(hash(Choices::bytes([7; 40].to_vec())), hash(Choices::bytes([7; 40].to_vec())));
}

#[test]
fn bytes_that_are_used_up_make_a_quiet_world() {
    let mut world = pair(Choices::bytes(Vec::new()), NetConfig { late: 900, chop: 900, ..NetConfig::default() }, 3000);
    run(&mut world, ms(300));
    let client = world.machine(CLIENT).unwrap();
    let lines = client.client().back;
    assert!(lines > 500, "{lines}");
    // Nothing was cut: two inputs for each line.
    assert_eq!(client.heard.matches('R').count() as u64, lines);
    assert_eq!(client.client().connects, 1);
}

#[test]
fn a_world_in_which_nothing_will_happen_says_so() {
    let mut world: World<Small> = World::new(Choices::seeded(1), NetConfig::default());
    assert!(world.step().is_none());
    let h = world.add("alone", Vec::from([ip(1)]), Box::new(|_| echo()));
    assert!(world.step().is_none(), "a host that was not started does nothing");
    world.start(h);
    let steps = core::iter::from_fn(|| world.step().map(|s| s.actions.len())).count();
    assert_eq!(steps, 3, "boot, tick, listener");
    assert_eq!((world.is_up(h), world.boots(h), world.stats().jobs), (true, 1, 1));
}

/// Crashes a writer at a random time; what it heard to be durable is there.
#[test]
fn a_crash_loses_exactly_what_was_not_synced() {
    let (mut torn, mut kept, mut old) = (0, 0, 0);
    for seed in 0..400 {
        let mut choices = Choices::seeded(seed);
        let at = ms(5 + choices.below(60));
        let mut world: World<Small> = World::new(choices, NetConfig::default());
        let h = world.add("disk", Vec::from([ip(1)]), Box::new(|info| writer(info, 3)));
        world.start(h);
        run(&mut world, at);
        let (synced, committed) =
            (world.machine(h).unwrap().writer().synced, world.machine(h).unwrap().writer().committed);
        let had = world.disk(h).get("log").map_or(0, <[u8]>::len) as u64;
        world.crash(h);
        assert!(!world.is_up(h));
        let log = world.disk(h).get("log").unwrap_or(&[]);
        assert!(log.len() as u64 >= synced, "seed {seed}: {} of {synced} synced bytes are there", log.len());
        assert!(log.iter().enumerate().all(|(i, b)| *b == i as u8), "seed {seed}: other bytes than were written");
        let state =
            world.disk(h).get("state").map_or("0".into(), |s| alloc::string::String::from_utf8_lossy(s).into_owned());
        let state: u64 = state.parse().unwrap();
        assert!(state >= committed, "seed {seed}: {state} after {committed} was durable");
        torn += u64::from((log.len() as u64) < had);
        kept += u64::from(log.len() as u64 > synced);
        old += u64::from(state > committed);
        world.start(h);
        run(&mut world, at + Duration::from_millis(30));
        assert!(world.machine(h).unwrap().writer().synced > 0, "it goes on where it was");
    }
    assert!(torn > 30 && kept > 30 && old > 5, "{torn} torn, {kept} kept more, {old} replaced before they heard of it");
}

struct Order(Vec<(u64, char)>);

impl Observer<Small> for Order {
    fn after(&mut self, _: &World<Small>, step: &Step<'_, Small>) -> Result<(), Violation> {
        let what = match step.seen {
            Seen::Received { .. } => 'r',
            Seen::Tick => 't',
            Seen::Sent { .. } => 's',
            _ => return Ok(()),
        };
        if step.host == Some(CLIENT) {
            self.0.push((step.at.as_micros(), what));
        }
        Ok(())
    }
}

#[test]
fn an_observer_sees_every_step_and_ends_the_run() {
    struct Stop(u32);
    impl Observer<Small> for Stop {
        fn after(&mut self, world: &World<Small>, step: &Step<'_, Small>) -> Result<(), Violation> {
            if let Seen::Received { bytes, .. } = step.seen {
                assert!(!bytes.is_empty());
                self.0 += 1;
            }
            if self.0 == 10 {
                return Err(Violation { name: "ten", at: world.now(), host: step.host, text: "ten reads".into() });
            }
            Ok(())
        }
    }
    let mut world = pair(Choices::seeded(1), NetConfig::default(), 100);
    let violation = world.run_until(ms(1000), &mut Stop(0)).unwrap_err();
    assert_eq!((violation.name, world.violation()), ("ten", Some(&violation)));
    assert!(world.step().is_none() && world.run_until(ms(2000), &mut ()).is_err(), "it does not go on");
    let mut order = Order(Vec::new());
    let mut world = pair(Choices::seeded(1), NetConfig::default(), 100);
    world.run_until(ms(10), &mut order).unwrap();
    assert!(order.0.is_sorted_by_key(|(at, _)| *at) && order.0.len() > 20);
}
