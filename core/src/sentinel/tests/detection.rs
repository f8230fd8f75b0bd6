//! When an instance counts as down: exactly, and never earlier.

use super::rig::{MASTER, Rig, WAY, ms, rig};
use crate::time::Instant;

#[test]
fn finds_replicas_and_says_so() {
    let mut r = rig(&[6380, 6381], 2, 2, 1000);
    r.pass(ms(100));
    assert_eq!(r.names(), ["+monitor", "+slave", "+slave"]);
    assert_eq!(r.first("+slave").unwrap().1, "slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379");
    let hello = r.fakes[&6380].heard.iter().find(|h| h.starts_with("PUBLISH")).unwrap();
    assert!(
        hello.contains("127.0.0.1,26379,0000000000000000000000000000000000000001,0,mymaster,127.0.0.1,6379,0"),
        "{hello}"
    );
}

#[test]
fn a_frozen_master_is_down_exactly_down_after_behind_its_oldest_unanswered_ping() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(5000));
    r.fakes.get_mut(&MASTER).unwrap().frozen = true;
    // The first PING that it will not answer: it arrives WAY after it was sent.
    let arrived = r.pings(MASTER, 1);
    r.pass(ms(2000));
    let (at, _) = r.first("+sdown").unwrap();
    let since = at - arrived + WAY;
    assert!(since.abs_diff(ms(1000)).as_micros() <= 1, "{since:?}");
}

#[test]
fn the_oldest_ping_without_an_answer_counts_though_an_older_one_was_answered_behind_it() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(5000));
    r.fakes.get_mut(&MASTER).unwrap().frozen = true;
    r.pings(MASTER, 1);
    let second = r.pings(MASTER, 1);
    r.answer_one(MASTER);
    r.pass(ms(3000));
    let since = r.first("+sdown").unwrap().0 - second + WAY;
    assert!(since.abs_diff(ms(1000)).as_micros() <= 1, "{since:?}");
}

#[test]
fn a_ping_that_never_left_us_does_not_count() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(5000));
    r.fakes.get_mut(&MASTER).unwrap().frozen = true;
    r.pings(MASTER, 1);
    r.fakes.get_mut(&MASTER).unwrap().blocked = true;
    r.pass(ms(300));
    r.answer_one(MASTER);
    let good = r.now + WAY;
    r.pass(ms(2));
    r.kill(MASTER);
    r.pass(ms(2000));
    let since = r.first("+sdown").unwrap().0 - good;
    assert!(since.abs_diff(ms(1000)).as_micros() <= 1, "{since:?}");
}

#[test]
fn a_stop_of_our_own_is_not_the_silence_of_another() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(5000));
    r.fakes.get_mut(&MASTER).unwrap().blocked = true;
    r.now += ms(1500);
    r.pass(ms(1));
    r.kill(MASTER);
    r.pass(ms(990));
    assert_eq!(r.count("+sdown"), 0);
    r.pass(ms(10));
    assert_eq!((r.count("+sdown"), r.count("+tilt")), (1, 0));
}

#[test]
fn nine_tenths_of_down_after_are_not_down_after() {
    for at in 0..50 {
        let mut r = rig(&[], 0, 1, 1000);
        r.pass(ms(3000 + at * 7));
        r.fakes.get_mut(&MASTER).unwrap().frozen = true;
        r.pass(ms(900));
        r.thaw(MASTER);
        r.pass(ms(5000));
        assert_eq!(r.count("+sdown"), 0);
    }
}

#[test]
fn a_killed_master_is_down_after_its_last_good_answer() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(5000));
    let good = last_good(&r);
    let killed = r.now;
    r.kill(MASTER);
    r.pass(ms(1100));
    let (at, _) = r.first("+sdown").unwrap();
    assert_eq!(at, good + ms(1000));
    assert!(at > killed + ms(800), "an eighth of down-after passes between two pings");
    // It comes back.
    r.fakes.get_mut(&MASTER).unwrap().dead = false;
    r.pass(ms(200));
    assert_eq!((r.count("-sdown"), r.count("-odown")), (1, 1));
}

fn last_good(r: &super::rig::Rig) -> Instant {
    let s = &r.sentinel;
    s.links.get(s.group("mymaster").unwrap().master.link).unwrap().good
}

#[test]
fn answers_that_count_and_answers_that_do_not() {
    for (answer, down) in
        [("-LOADING x", false), ("-MASTERDOWN x", false), ("-MISCONF x", true), ("-BUSY x", true), ("-NOAUTH x", true)]
    {
        let mut r = rig(&[], 0, 1, 1000);
        r.pass(ms(2000));
        r.fakes.get_mut(&MASTER).unwrap().ping = answer.into();
        r.pass(ms(3000));
        assert_eq!(r.count("+sdown") == 1, down, "{answer}");
        if down {
            let said = std::format!("{}", r.events.iter().find(|(_, e)| e.what.name() == Some("+sdown")).unwrap().1);
            assert!(said.contains(&answer[1..]), "{said}");
        }
        let kills = r.fakes[&MASTER].heard.iter().filter(|h| *h == "SCRIPT KILL").count();
        assert_eq!(kills, usize::from(answer.starts_with("-BUSY")));
    }
}

#[test]
fn odown_needs_a_quorum_that_says_so_now() {
    let mut r = rig(&[6380], 2, 2, 1000);
    r.pass(ms(3000));
    r.kill(MASTER);
    r.pass(ms(4000));
    assert_eq!((r.count("+sdown"), r.count("+odown")), (1, 0));
    r.fakes.get_mut(&26380).unwrap().says_down = true;
    r.pass(ms(200));
    assert_eq!(r.first("+odown").unwrap().1, "master mymaster 127.0.0.1 6379 #quorum 2/2");
}

#[test]
fn a_sleep_of_our_own_is_tilt_and_no_verdict() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    r.fakes.get_mut(&MASTER).unwrap().frozen = true;
    r.now += ms(10_000);
    r.pass(ms(1));
    assert_eq!((r.count("+tilt"), r.count("+sdown")), (1, 0));
    r.pass(ms(29_000));
    assert_eq!(r.count("+sdown"), 0);
    r.pass(ms(3_000));
    assert_eq!((r.count("-tilt"), r.count("+sdown")), (1, 1));
}

/// A rig whose replica was asked for INFO and, after that, for PONGs, and has not answered yet.
fn with_info_open() -> Rig {
    let mut r = rig(&[6380], 0, 1, 1000);
    let infos = |r: &Rig| r.fakes[&6380].heard.iter().filter(|h| *h == "INFO").count();
    let until_next = |r: &mut Rig| {
        let before = infos(r);
        while infos(r) == before {
            r.pass(ms(1));
        }
    };
    r.pass(ms(3000));
    until_next(&mut r);
    r.pass(ms(9900));
    r.fakes.get_mut(&6380).unwrap().frozen = true;
    until_next(&mut r);
    r.pass(ms(300));
    assert_eq!(r.count("+sdown"), 0);
    r
}

#[test]
fn nobody_is_judged_before_all_its_answers_are_read() {
    let mut r = with_info_open();
    // The news that it is a master now comes before the answers to the PINGs that were sent last.
    r.fakes.get_mut(&6380).unwrap().master = None;
    r.sleep_and_read(ms(1500), 6380);
    assert_eq!((r.count("-role-change"), r.count("+sdown"), r.count("+tilt")), (1, 0, 0));
}

#[test]
fn what_waited_while_we_slept_is_read_in_tilt() {
    let mut r = with_info_open();
    r.sleep_and_read(ms(9000), 6380);
    let names = r.names();
    assert_eq!(names.last(), Some(&"+tilt"), "{names:?}");
    let mut r = with_info_open();
    r.fakes.get_mut(&6380).unwrap().master = None;
    r.sleep_and_read(ms(9000), 6380);
    assert!(r.names().ends_with(&["+tilt", "-role-change"]), "{:?}", r.names());
}

#[test]
fn in_tilt_nobody_is_back_either() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    r.fakes.get_mut(&MASTER).unwrap().frozen = true;
    r.pass(ms(3000));
    assert_eq!(r.count("+sdown"), 1);
    r.now += ms(10_000);
    r.pass(ms(1));
    r.thaw(MASTER);
    r.pass(ms(10_000));
    assert_eq!((r.count("+tilt"), r.count("-sdown")), (1, 0));
    r.pass(ms(21_000));
    assert_eq!((r.count("-tilt"), r.count("-sdown")), (1, 1));
}
