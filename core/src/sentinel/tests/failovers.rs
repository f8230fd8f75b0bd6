//! Elections and failovers, step by step.

use alloc::vec::Vec;

use super::rig::{MASTER, Refuses, Rig, ms, rig_with, run_id};
use crate::sentinel::{Files, Reconf, State};

fn with_votes(replicas: &[u16], peers: u16) -> Rig {
    with_votes_and(replicas, peers, Files::default())
}

fn with_votes_and(replicas: &[u16], peers: u16, files: Files) -> Rig {
    let mut r = rig_with(replicas, peers, u32::from(peers) / 2 + 1, 1000, files);
    r.pass(ms(3000));
    for port in (26380..).take(peers.into()) {
        r.fakes.get_mut(&port).unwrap().says_down = true;
    }
    r
}

#[test]
fn a_dead_master_is_replaced_by_the_best_replica_at_once() {
    let mut r = with_votes(&[6380, 6381, 6382], 2);
    r.fakes.get_mut(&6381).unwrap().offset = 200;
    r.fakes.get_mut(&6382).unwrap().offset = 300;
    r.fakes.get_mut(&6382).unwrap().priority = 101;
    r.pass(ms(12_000));
    r.kill(MASTER);
    r.pass(ms(2000));
    let events: Vec<_> = r.names().into_iter().skip_while(|n| *n != "+sdown").collect();
    assert_eq!(
        events,
        [
            "+sdown",
            "+odown",
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
            "+failover-state-send-slaveof-noone",
            "+failover-state-wait-promotion",
            "+role-change",
            "+promoted-slave",
            "+switch-master",
            "+slave",
            "+sdown",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+failover-end",
        ]
        .map(|e| if e == "+role-change" { "-role-change" } else { e })
    );
    assert_eq!(r.first("+switch-master").unwrap().1, "mymaster 127.0.0.1 6379 127.0.0.1 6381");
    let last = r.events.iter().rfind(|(_, e)| e.what.name() == Some("+sdown")).unwrap();
    assert_eq!(last.1.payload(), "slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6381");
    let (down, switch) = (r.first("+sdown").unwrap().0, r.first("+switch-master").unwrap().0);
    assert!(switch - down < ms(100), "{:?}", switch - down);
    assert_eq!((r.fakes[&6380].master, r.fakes[&6382].master, r.fakes[&6381].master), (Some(6381), Some(6381), None));
    let group = r.sentinel.group("mymaster").unwrap();
    assert_eq!((group.config_epoch, group.replicas.len(), group.failover.state), (1, 3, State::None));
    assert!(group.replicas.values().all(|r| r.reconf == Reconf::None), "the flags of a failover end with it");
}

#[test]
fn the_old_master_is_told_to_follow_when_it_comes_back() {
    let mut r = with_votes(&[6380], 2);
    r.kill(MASTER);
    r.pass(ms(3000));
    r.hello(26380, 1, 6380, 1);
    r.fakes.get_mut(&MASTER).unwrap().dead = false;
    r.pass(ms(1500));
    assert_eq!(r.count("+convert-to-slave"), 1);
    assert_eq!(r.fakes[&MASTER].master, Some(6380));
}

#[test]
fn without_the_others_agreement_it_is_told_only_after_a_while() {
    let mut r = with_votes(&[6380], 2);
    r.kill(MASTER);
    r.pass(ms(3000));
    r.fakes.get_mut(&MASTER).unwrap().dead = false;
    r.pass(ms(6000));
    assert_eq!(r.count("+convert-to-slave"), 0);
    r.pass(ms(5000));
    assert!(r.count("+convert-to-slave") > 0);
}

#[test]
fn no_epoch_is_spent_while_too_few_would_answer() {
    let mut r = with_votes(&[6380], 4);
    for port in [26381, 26382, 26383] {
        r.kill(port);
    }
    // Two see it down and the quorum is two: but three votes make a leader.
    let id = r.sentinel.names["mymaster"];
    r.sentinel.groups.get_mut(&id).unwrap().set.quorum = 2;
    r.kill(MASTER);
    r.pass(ms(20_000));
    assert_eq!((r.count("+odown"), r.count("+try-failover"), r.sentinel.epoch()), (1, 0, 0));
    r.fakes.get_mut(&26381).unwrap().dead = false;
    r.pass(ms(2000));
    assert_eq!(r.count("+switch-master"), 1);
}

#[test]
fn a_split_vote_that_nobody_won_is_tried_again_soon() {
    let mut r = with_votes(&[6380], 4);
    let other = run_id(26380);
    // Two of five for another, two for us is not to be had: one abstains for a third.
    for (port, vote) in [(26380, other), (26381, other), (26382, run_id(26382))] {
        r.fakes.get_mut(&port).unwrap().votes.insert(1, vote);
    }
    r.kill(MASTER);
    r.pass(ms(1400));
    assert_eq!((r.count("-failover-abort-not-elected"), r.count("+switch-master")), (1, 1));
    let (lost, won) = (r.first("-failover-abort-not-elected").unwrap().0, r.first("+elected-leader").unwrap().0);
    assert!(won - lost < ms(300), "{:?}", won - lost);
    assert_eq!(r.sentinel.group("mymaster").unwrap().config_epoch, 2);
}

#[test]
fn who_may_have_lost_to_a_winner_waits_for_it() {
    let mut r = with_votes(&[6380], 4);
    let other = run_id(26380);
    for port in [26380, 26381, 26382] {
        r.fakes.get_mut(&port).unwrap().votes.insert(1, other);
    }
    r.kill(MASTER);
    r.pass(ms(6_000));
    assert_eq!((r.count("-failover-abort-not-elected"), r.count("+try-failover")), (1, 1), "the winner has its time");
    // The winner dies: no reason to wait any longer.
    r.kill(26380);
    r.pass(ms(3_000));
    assert_eq!(r.count("+switch-master"), 1);
}

#[test]
fn a_missing_answer_may_hide_a_winner() {
    let mut r = with_votes(&[6380], 4);
    let other = run_id(26380);
    for port in [26380, 26381] {
        r.fakes.get_mut(&port).unwrap().votes.insert(1, other);
    }
    r.fakes.get_mut(&26382).unwrap().abstains = true;
    r.kill(MASTER);
    r.pass(ms(9_000));
    assert_eq!(r.count("+try-failover"), 1, "two and one unknown may be three");
    r.pass(ms(6_000));
    assert!(r.count("+try-failover") > 1, "failover-timeout has passed");
}

#[test]
fn a_configuration_of_another_leader_is_taken_over() {
    let mut r = with_votes(&[6380, 6381], 2);
    r.hello(26380, 5, 6381, 5);
    assert_eq!(r.first("+switch-master").unwrap().1, "mymaster 127.0.0.1 6379 127.0.0.1 6381");
    assert_eq!((r.sentinel.epoch(), r.sentinel.group("mymaster").unwrap().config_epoch), (5, 5));
    // An older one is not, nor one of an epoch that cannot be.
    r.hello(26380, 5, 6380, 4);
    r.hello(26380, u64::MAX / 2, 6380, u64::MAX / 2);
    assert_eq!((r.count("+switch-master"), r.sentinel.epoch()), (1, 5));
}

#[test]
fn of_two_configurations_of_one_epoch_the_lesser_address_wins() {
    let mut r = with_votes(&[], 2);
    r.hello(26380, 0, 6380, 0);
    assert_eq!(r.count("+switch-master"), 0, "ours is less");
    r.hello(26380, 0, 6378, 0);
    assert_eq!(r.count("+switch-master"), 1);
}

#[test]
fn a_promotion_that_does_not_come_about_is_given_up_in_time() {
    let mut r = with_votes(&[6380], 2);
    r.pass(ms(12_000));
    r.kill(MASTER);
    while r.count("+selected-slave") == 0 {
        r.pass(core::time::Duration::from_micros(100));
    }
    r.fakes.get_mut(&6380).unwrap().frozen = true;
    r.pass(ms(9_000));
    assert_eq!(r.count("-failover-abort-slave-timeout"), 0);
    r.pass(ms(2_000));
    assert_eq!((r.count("-failover-abort-slave-timeout"), r.count("+switch-master")), (1, 0));
}

#[test]
fn a_leader_that_was_away_does_not_undo_what_others_did_meanwhile() {
    let mut r = with_votes(&[6380], 2);
    r.pass(ms(12_000));
    r.kill(MASTER);
    while r.count("+selected-slave") == 0 {
        r.pass(core::time::Duration::from_micros(100));
    }
    r.fakes.get_mut(&6380).unwrap().frozen = true;
    r.pass(ms(500));
    // Others led to that replica and back again while the leader could not see it.
    r.hello(26380, 7, MASTER, 7);
    r.fakes.get_mut(&6380).unwrap().frozen = false;
    r.fakes.get_mut(&6380).unwrap().master = None;
    r.fakes.get_mut(&MASTER).unwrap().dead = false;
    for port in [26380, 26381] {
        r.fakes.get_mut(&port).unwrap().says_down = false;
    }
    r.pass(ms(3_000));
    let group = r.sentinel.group("mymaster").unwrap();
    assert_eq!((group.config_epoch, group.failover.state), (7, State::None));
    assert_eq!((r.count("-failover-abort-slave-timeout"), r.count("+switch-master")), (1, 0));
}

#[test]
fn a_promotion_seen_while_a_newer_configuration_is_being_written_is_none() {
    let mut r = with_votes_and(&[6380], 2, Files { config: None, state: Some("state".into()) });
    r.kill(MASTER);
    while r.count("+failover-state-wait-promotion") == 0 {
        r.pass(core::time::Duration::from_micros(100));
    }
    r.fakes.get_mut(&6380).unwrap().frozen = true;
    r.pass(ms(50));
    // The disk takes its time.
    r.disk_full = true;
    r.hello(26380, 7, MASTER, 7);
    r.thaw(6380);
    r.pass(ms(5));
    assert_eq!(r.sentinel.group("mymaster").unwrap().failover.state, State::None);
    assert_eq!((r.count("+promoted-slave"), r.count("+switch-master")), (0, 0));
    assert_eq!(r.count("-failover-abort-slave-timeout"), 1);
}

#[test]
fn a_leader_that_was_in_tilt_for_too_long_promotes_nobody() {
    let mut r = with_votes(&[6380, 6381], 2);
    r.pass(ms(12_000));
    // The choice waits for the word of a replica that says nothing.
    r.fakes.get_mut(&6381).unwrap().frozen = true;
    r.kill(MASTER);
    while r.count("+failover-state-select-slave") == 0 {
        r.pass(core::time::Duration::from_micros(100));
    }
    r.now += ms(5_000);
    r.pass(ms(1));
    assert_eq!((r.count("+tilt"), r.count("+selected-slave")), (1, 0));
    r.fakes.get_mut(&MASTER).unwrap().dead = false;
    for port in [26380, 26381] {
        r.fakes.get_mut(&port).unwrap().says_down = false;
    }
    r.pass(ms(32_000));
    assert_eq!((r.count("-tilt"), r.count("-failover-abort-slave-timeout")), (1, 1));
    assert_eq!((r.count("+selected-slave"), r.count("+switch-master")), (0, 0));
}

/// A leader whose disk is full as soon as it promotes.
fn promoting_on_a_full_disk() -> Rig {
    let mut r = with_votes_and(&[6380], 2, Files { config: None, state: Some("state".into()) });
    r.kill(MASTER);
    while r.count("+failover-state-wait-promotion") == 0 {
        r.pass(ms(1));
    }
    r.disk_full = true;
    r.pass(ms(500));
    assert_eq!((r.count("+promoted-slave"), r.count("+switch-master")), (1, 0));
    r
}

#[test]
fn a_promotion_that_could_not_be_written_is_told_once_it_can() {
    let mut r = promoting_on_a_full_disk();
    r.pass(ms(3000));
    assert_eq!(r.count("+switch-master"), 0);
    r.disk_full = false;
    r.pass(ms(1200));
    assert_eq!(r.count("+switch-master"), 1);
}

#[test]
fn a_promotion_that_cannot_be_written_is_given_up_in_time() {
    let mut r = promoting_on_a_full_disk();
    r.fakes.get_mut(&6380).unwrap().frozen = true;
    r.pass(ms(11_000));
    assert_eq!((r.count("+switch-master"), r.count("-failover-abort-slave-timeout")), (0, 1));
}

#[test]
fn who_refuses_to_be_promoted_is_passed_over_at_once() {
    for refuses in [Refuses::Queueing, Refuses::Running] {
        let mut r = with_votes(&[6380, 6381], 2);
        let best = r.fakes.get_mut(&6380).unwrap();
        (best.refuses, best.offset) = (Some(refuses), 900);
        r.pass(ms(12_000));
        r.kill(MASTER);
        r.pass(ms(1100));
        assert_eq!((r.count("+selected-slave"), r.count("+switch-master")), (2, 1), "{refuses:?}: {:?}", r.names());
        assert!(r.first("+switch-master").unwrap().1.ends_with(" 6381"));
        assert!(r.notes().iter().any(|n| n.contains("127.0.0.1:6380 answers")), "{:?}", r.notes());
        // Nobody else is left: the failover ends, and in its time the next one tries all anew.
        let mut r = with_votes(&[6380], 2);
        r.fakes.get_mut(&6380).unwrap().refuses = Some(refuses);
        r.pass(ms(12_000));
        r.kill(MASTER);
        r.pass(ms(1100));
        assert_eq!((r.count("-failover-abort-no-good-slave"), r.count("+switch-master")), (1, 0));
        r.fakes.get_mut(&6380).unwrap().refuses = None;
        r.pass(ms(17_000));
        assert_eq!((r.count("+try-failover"), r.count("+switch-master")), (1, 0), "an epoch for nothing");
        r.pass(ms(5000));
        assert_eq!(r.count("+switch-master"), 1, "{refuses:?}");
    }
}

#[test]
fn nobody_to_promote_is_said_once_and_somebody_is_enough() {
    let mut r = with_votes(&[6380], 2);
    r.fakes.get_mut(&6380).unwrap().priority = 0;
    r.pass(ms(12_000));
    r.kill(MASTER);
    r.pass(ms(8_000));
    assert_eq!((r.count("-failover-abort-no-good-slave"), r.count("+try-failover")), (1, 1));
    r.fakes.get_mut(&6380).unwrap().priority = 100;
    r.pass(ms(3_000));
    assert_eq!(r.count("+switch-master"), 1);
}

#[test]
fn parallel_syncs_is_kept() {
    let mut r = with_votes(&[6380, 6381, 6382, 6383], 2);
    let id = r.sentinel.names["mymaster"];
    r.sentinel.groups.get_mut(&id).unwrap().set.parallel_syncs = 2;
    for port in [6381, 6382, 6383] {
        r.fakes.get_mut(&port).unwrap().link_up = false;
    }
    r.fakes.get_mut(&6380).unwrap().offset = 1000;
    r.pass(ms(12_000));
    r.kill(MASTER);
    r.pass(ms(3000));
    assert_eq!((r.count("+slave-reconf-sent"), r.count("+slave-reconf-done")), (2, 0));
    for port in [6381, 6382, 6383] {
        r.fakes.get_mut(&port).unwrap().link_up = true;
    }
    r.pass(ms(1000));
    assert_eq!((r.count("+slave-reconf-done"), r.count("+failover-end")), (3, 1));
}
