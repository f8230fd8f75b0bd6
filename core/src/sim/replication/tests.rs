//! Short campaigns, and every invariant seen to fire on code that is wrong on purpose.

use alloc::string::ToString;
use alloc::vec::Vec;
use std::println;

use super::history;
use super::invariants::{NAMES, converged, log, stream, wait};
use super::*;
use crate::mutations::{self, Mutation};
use crate::sim::campaign::{ENOUGH, Summary, shrink};

/// The first violation among some seeds of a scenario.
fn first_violation(scenario: &str, seeds: core::ops::Range<u64>) -> Option<(Setup, Report)> {
    let scenario = Scenario::find(scenario).unwrap();
    seeds
        .map(|seed| draw(seed, scenario, 4))
        .map(|setup| (run(&setup, None), setup))
        .find_map(|(report, setup)| report.violation.is_some().then_some((setup, report)))
}

#[test]
fn a_short_campaign_violates_nothing() {
    let scenario = Scenario::find("all").unwrap();
    let (mut summary, mut answers) = (Summary::default(), 0);
    for seed in 1_000..1_040 {
        let report = run(&draw(seed, scenario, 4), None);
        answers += report.answers;
        summary.add(report.into());
    }
    let violations: Vec<_> =
        summary.failed.iter().map(|r| (r.seed, r.violation.as_ref().unwrap().to_string())).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(summary.steps > 100_000 && answers > 10_000, "{summary:?}");
}

#[test]
fn every_scenario_runs() {
    for scenario in Scenario::ALL {
        let report = run(&draw(5, scenario, 3), None);
        assert_eq!(report.violation, None, "{}", scenario.name);
        assert!(report.answers > 0, "{}", scenario.name);
    }
    assert!(Scenario::find("nonsense").is_none());
}

#[test]
fn a_seed_is_one_run() {
    let setup = draw(3, Scenario::find("all").unwrap(), 4);
    let (a, b) = (run(&setup, None), run(&setup, None));
    assert_eq!((a.hash, a.steps, a.checks, a.lasted), (b.hash, b.steps, b.checks, b.lasted));
    assert_ne!(a.hash, run(&draw(4, setup.scenario, 4), None).hash);
    assert_ne!(a.hash, run(&setup, Some(&[])).hash, "a part of the list is another run");
    let all: Vec<usize> = (0..setup.deeds.len()).collect();
    assert_eq!(a.hash, run(&setup, Some(&all)).hash, "all of the list is the same run");
}

/// With the code wrong in this way, one of some seeds must be told so by this invariant.
fn fires(mutation: Mutation, scenario: &str, seeds: core::ops::Range<u64>, invariant: &str) {
    assert!(NAMES.contains(&invariant));
    let found = mutations::with(mutation, || first_violation(scenario, seeds.clone()));
    let Some((setup, report)) = found else { panic!("{mutation:?} goes unseen in seeds {seeds:?} of {scenario}") };
    let violation = report.violation.unwrap();
    println!("{mutation:?}, seed {}: {violation}", setup.seed);
    assert_eq!(violation.name, invariant, "{mutation:?}, seed {}: {violation}", setup.seed);
}

#[test]
fn a_replica_that_alters_a_byte_breaks_stream_prefix() {
    fires(Mutation::AltersByte, "calm", 1..4, stream::PREFIX);
}

#[test]
fn a_replica_that_skips_a_command_is_seen_by_a_read_or_by_its_data() {
    // Whichever comes first: a client that reads there, or a look at all of its data.
    let found = mutations::with(Mutation::SkipsCommand, || first_violation("calm", 1..4)).unwrap();
    let violation = found.1.violation.unwrap();
    println!("{violation}");
    assert!([stream::ONE_HISTORY, history::NAME].contains(&violation.name), "{violation}");
}

#[test]
fn a_master_that_keeps_its_id_after_a_restart_breaks_one_history() {
    fires(Mutation::KeepsId, "crashes", 1..20, stream::ONE_HISTORY);
}

#[test]
fn a_second_id_without_an_end_breaks_one_history() {
    fires(Mutation::SecondIdEndless, "promotions", 8..40, stream::ONE_HISTORY);
}

#[test]
fn a_wait_that_answers_one_too_many_breaks_wait_kept() {
    fires(Mutation::WaitCountsOneMore, "calm", 1..8, wait::NAME);
}

#[test]
fn a_replica_that_acknowledges_what_it_read_breaks_wait_kept() {
    fires(Mutation::AcknowledgesRead, "calm", 1..20, wait::NAME);
}

#[test]
fn a_log_that_is_never_trimmed_breaks_log_bounded() {
    fires(Mutation::NeverTrims, "calm", 1..20, log::NAME);
}

#[test]
fn a_replica_that_never_reconnects_breaks_converged() {
    fires(Mutation::NeverReconnects, "partitions", 1..10, converged::NAME);
}

#[test]
fn a_read_of_another_key_breaks_explained() {
    fires(Mutation::ReadsOtherKey, "calm", 1..4, history::NAME);
}

#[test]
fn a_failing_list_is_shrunk_to_what_it_fails_by() {
    mutations::with(Mutation::KeepsId, || {
        let (setup, report) = first_violation("crashes", 1..20).unwrap();
        let times: Vec<_> = setup.deeds.iter().map(|d| d.at).collect();
        let shrunk = shrink(&times, &report, 60, |only| run(&setup, Some(only)));
        assert!(shrunk.deeds.len() < setup.deeds.len() && shrunk.deeds.len() <= 3, "{shrunk:?}");
        assert_eq!(shrunk.report.violation.unwrap().name, report.violation.unwrap().name);
        let again = run(&setup, Some(&shrunk.deeds));
        assert_eq!(again.hash, shrunk.report.hash, "the short list repeats");
    });
}

#[test]
fn a_campaign_that_never_saw_a_situation_says_so() {
    let all = Scenario::find("all").unwrap();
    let mut summary = Summary { runs: ENOUGH, ..Summary::default() };
    summary.situations.add(&Situations::default().counts());
    assert!(summary.proved_too_little(all));
    assert_eq!(summary.unseen().len(), Situation::ALL.len());
    let mut seen = Situations::default();
    Situation::ALL.iter().for_each(|s| seen.count(*s));
    summary.situations.add(&seen.counts());
    assert!(!summary.proved_too_little(all));
    assert!(!Summary { runs: ENOUGH, ..Summary::default() }.proved_too_little(Scenario::find("calm").unwrap()));
}
