//! The network as machines see it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::machines::*;
use crate::machine::{Closed, Signal};
use crate::sim::{Choices, NetConfig, World};

#[test]
fn bytes_come_in_their_order_however_they_are_cut() {
    for seed in 0..8 {
        let net = NetConfig { chop: 800, window: 700, ..NetConfig::default() };
        let mut world = pair(Choices::seeded(seed), net, 5_000);
        run(&mut world, ms(500));
        let client = world.machine(CLIENT).unwrap();
        // The client itself compares every line with what it sent.
        assert!(client.client().back > 10, "seed {seed}: {}", client.client().back);
        assert!(client.heard.matches('R').count() as u64 > 5 * client.client().back, "nothing was cut");
    }
}

#[test]
fn who_connects_in_vain_is_told_why() {
    let net = NetConfig { connect_timeout: Duration::from_secs(3), ..NetConfig::default() };
    let mut world: World<Small> = World::new(Choices::seeded(1), net);
    let server = world.add("server", Vec::from([ip(1)]), Box::new(|_| echo()));
    let to = |n| Box::new(move |_: &crate::sim::BootInfo<'_>| client(n, 10));
    let refused = world.add("refused", Vec::from([ip(2)]), to(2));
    let nowhere = world.add("nowhere", Vec::from([ip(3)]), to(99));
    let dead = world.add("dead", Vec::from([ip(4)]), to(1));
    world.start(server);
    run(&mut world, ms(1));
    world.crash(server);
    for h in [refused, nowhere, dead] {
        world.start(h);
    }
    run(&mut world, ms(4_000));
    for (h, reason) in [(refused, Closed::Refused), (nowhere, Closed::Unreachable), (dead, Closed::TimedOut)] {
        assert_eq!(world.machine(h).unwrap().client().closed.first(), Some(&reason), "{}", world.name(h));
    }
    world.start(server);
    run(&mut world, ms(20_000));
    assert!(world.machine(dead).unwrap().client().back > 0);
}

#[test]
fn an_orderly_end_is_an_eof_and_a_restart_is_found_again() {
    let mut world = pair(Choices::seeded(2), NetConfig::default(), 10);
    run(&mut world, ms(50));
    world.stop(SERVER, Signal::Term);
    run(&mut world, ms(200));
    assert_eq!((world.is_up(SERVER), world.exit_code(SERVER)), (false, Some(0)));
    let closed = &world.machine(CLIENT).unwrap().client().closed;
    assert!(matches!(closed[0], Closed::Clean | Closed::Reset), "{closed:?}");
    assert_eq!(closed[1], Closed::Refused);
    let before = world.machine(CLIENT).unwrap().client().back;
    world.start(SERVER);
    run(&mut world, ms(400));
    assert!(world.machine(CLIENT).unwrap().client().back > before);
}

#[test]
fn a_call_goes_in_by_the_door() {
    let mut world = pair(Choices::seeded(3), NetConfig::default(), 10);
    let other = world.add("other", Vec::from([ip(9)]), Box::new(|_| echo()));
    world.start(other);
    run(&mut world, ms(20));
    world.call(CLIENT, address(9));
    run(&mut world, ms(30));
    world.kill(SERVER);
    run(&mut world, ms(300));
    assert!(world.machine(other).unwrap().heard.contains('R'));
}
