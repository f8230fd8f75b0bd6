//! Short campaigns, and every invariant seen to fire on code that is wrong on purpose.

use alloc::string::ToString;
use alloc::vec::Vec;
use std::println;

use super::invariants::{NAMES, agreed, down, epochs, handover, leaders, votes};
use super::*;
use crate::mutations::{self, Mutation};
use crate::sim::campaign::{Amount, Campaign, ENOUGH, Figure, Report, Summary, shrink};

/// The first violation among some seeds of a scenario.
fn first_violation(scenario: &str, seeds: core::ops::Range<u64>) -> Option<(Setup, Report)> {
    let scenario = Scenario::find(scenario).unwrap();
    seeds
        .map(|seed| draw(seed, scenario, 3))
        .map(|setup| (run(&setup, None), setup))
        .find_map(|(report, setup)| report.violation.is_some().then_some((setup, report)))
}

#[test]
fn a_short_campaign_violates_nothing() {
    let scenario = Scenario::find("sentinels").unwrap();
    let mut summary = Summary::default();
    for seed in 1_000..1_024 {
        summary.add(run(&draw(seed, scenario, 3), None));
    }
    let violations: Vec<_> =
        summary.failed.iter().map(|r| (r.seed, r.violation.as_ref().unwrap().to_string())).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    let of = |what: &str| summary.figures.iter().find(|f| f.what == what).map_or(0, Figure::value);
    assert!(
        of("elections decided in the first epoch") > 20 && of("writes acknowledged") > 10_000,
        "{:?}",
        summary.figures
    );
}

#[test]
fn every_scenario_runs() {
    for scenario in Scenario::ALL.iter().filter(|s| !s.stand_ins && s.sentinels < 9) {
        let report = run(&draw(5, scenario, 3), None);
        assert_eq!(report.violation, None, "{}", scenario.name);
    }
    assert!(Scenario::find("nonsense").is_none());
}

#[test]
fn a_seed_is_one_run() {
    let setup = draw(3, Scenario::find("sentinels").unwrap(), 3);
    let (a, b) = (run(&setup, None), run(&setup, None));
    assert_eq!((a.hash, a.steps, a.checks, a.lasted), (b.hash, b.steps, b.checks, b.lasted));
    assert_ne!(a.hash, run(&draw(4, setup.scenario, 3), None).hash);
    assert_ne!(a.hash, run(&setup, Some(&[])).hash, "a part of the list is another run");
}

/// With the code wrong in this way, one of some seeds must be told so by this invariant.
/// The seeds begin shortly before one that is known: only so many are run as a changed draw may need.
fn fires(mutation: Mutation, scenario: &str, seeds: core::ops::Range<u64>, invariant: &str) {
    assert!(NAMES.contains(&invariant));
    let found = mutations::with(mutation, || first_violation(scenario, seeds.clone()));
    let Some((setup, report)) = found else { panic!("{mutation:?} goes unseen in seeds {seeds:?} of {scenario}") };
    let violation = report.violation.unwrap();
    println!("{mutation:?}, seed {}: {violation}", setup.seed);
    assert_eq!(violation.name, invariant, "{mutation:?}, seed {}: {violation}", setup.seed);
}

#[test]
fn a_sentinel_that_votes_again_breaks_one_vote() {
    fires(Mutation::VotesAgain, "sentinels", 5..60, votes::NAME);
}

#[test]
fn a_sentinel_that_leads_alone_breaks_one_leader() {
    fires(Mutation::LeadsAlone, "sentinels-5", 6..60, leaders::ONE_LEADER);
}

#[test]
fn a_sentinel_that_tries_beside_its_vote_breaks_one_promotion() {
    fires(Mutation::TriesBesideVote, "sentinels", 38..100, leaders::ONE_PROMOTION);
}

#[test]
fn a_sentinel_that_forgets_configurations_breaks_epochs_grow() {
    fires(Mutation::ForgetsConfigurations, "sentinels", 1..30, epochs::NAME);
}

#[test]
fn an_impatient_sentinel_breaks_down_after() {
    fires(Mutation::Impatient, "sentinels", 1..10, down::NAME);
}

#[test]
fn a_sentinel_that_promotes_the_worst_breaks_explained() {
    fires(Mutation::PromotesWorst, "sentinels", 21..60, losses::NAME);
}

#[test]
fn a_master_that_takes_writes_while_it_hands_over_breaks_handover() {
    fires(Mutation::WritesWhileHandingOver, "handover", 1..100, handover::NAME);
}

#[test]
fn masters_that_are_told_to_hand_over_do() {
    let scenario = Scenario::find("handover").unwrap();
    let mut summary = Summary::default();
    for seed in 1..13 {
        summary.add(run(&draw(seed, scenario, 3), None));
    }
    let violations: Vec<_> =
        summary.failed.iter().map(|r| (r.seed, r.violation.as_ref().unwrap().to_string())).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    let of = |what: &str| summary.figures.iter().find(|f| f.what == what).map_or(0, Figure::value);
    let (told, took) = (of("masters told to hand over"), of("of them replicas that took over"));
    assert!(told > 10 && took * 2 > told, "{:?}", summary.figures);
}

#[test]
fn where_nothing_else_happens_no_client_misses_a_write() {
    let scenario = Scenario::find("handover").unwrap();
    let (mut summary, mut asked) = (Summary::default(), 0);
    for seed in 1..13 {
        let setup = draw(seed, scenario, 3);
        let of_interest = |i: &usize| matches!(setup.deeds[*i].what, What::HandOver { .. });
        let only: Vec<usize> = (0..setup.deeds.len()).filter(of_interest).collect();
        asked += only.len() as u64;
        summary.add(run(&setup, Some(&only)));
    }
    assert!(summary.failed.is_empty());
    let of = |what: &str| summary.figures.iter().find(|f| f.what == what).map_or(0, Figure::value);
    let took = of("of them replicas that took over");
    assert!(took > 20 && took * 10 >= asked * 8, "{took} of {asked}: {:?}", summary.figures);
    let lost = [Situation::AcknowledgedLost, Situation::WaitedLost];
    let unseen = summary.unseen();
    assert!(lost.iter().all(|s| unseen.contains(&s.text())), "{unseen:?}");
}

#[test]
fn an_old_master_that_nobody_tells_breaks_agreed() {
    fires(Mutation::LeavesOldMaster, "sentinels", 1..30, agreed::NAME);
}

/// A small site of many masters, over the shipped sentinels or the model of Redis's.
static FEW: Scenario = Scenario { name: "few", sentinels: 5, masters: 12, ..scenario::MASTERS };
static FEW_CLASSIC: Scenario = Scenario { name: "few-classic", classic: true, lasts_ms: (10_000, 10_000), ..FEW };

#[test]
fn masters_that_die_at_once_have_leaders_in_the_first_epoch_and_soon() {
    let mut figures = [Summary::default(), Summary::default()];
    for seed in 0..2 {
        for (summary, scenario) in figures.iter_mut().zip([&FEW, &FEW_CLASSIC]) {
            let report = run(&draw(seed, scenario, 2), None);
            assert_eq!(report.violation, None, "{}, seed {seed}", scenario.name);
            summary.add(report);
        }
    }
    let [ours, classic] = figures.map(|summary| summary.figures);
    let part = |figures: &[Figure], what| figures.iter().find(|f| f.what == what).unwrap().amount;
    let (first, soon) = ("elections decided in the first epoch", "within a second of the quorum");
    assert_eq!(part(&ours, first), Amount::Part { part: 24, of: 24 });
    assert_eq!(part(&ours, soon), Amount::Part { part: 24, of: 24 });
    let Amount::Part { part: soon, of } = part(&classic, soon) else { panic!("{classic:?}") };
    assert!(of == 24 && soon < 12, "the model votes as Redis does, and is soon for {soon} of {of}");
}

#[test]
fn a_failing_list_is_shrunk_to_what_it_fails_by() {
    mutations::with(Mutation::ForgetsConfigurations, || {
        let (setup, report) = first_violation("sentinels", 1..30).unwrap();
        let times: Vec<_> = setup.deeds.iter().map(|d| d.at).collect();
        let shrunk = shrink(&times, &report, 60, |only| run(&setup, Some(only)));
        assert!(shrunk.deeds.len() <= 4, "{shrunk:?}");
        assert_eq!(shrunk.report.violation.unwrap().name, report.violation.unwrap().name);
        assert_eq!(run(&setup, Some(&shrunk.deeds)).hash, shrunk.report.hash, "the short list repeats");
    });
}

#[test]
fn a_campaign_that_never_saw_a_situation_says_so() {
    let scenario = Scenario::find("sentinels").unwrap();
    let mut summary = Summary { runs: ENOUGH, ..Summary::default() };
    summary.situations.add(&Situations::default().counts());
    assert!(summary.proved_too_little(scenario) && summary.unseen().len() == Situation::ALL.len());
    let mut all = Situations::default();
    Situation::ALL.iter().for_each(|s| all.count(*s));
    summary.situations.add(&all.counts());
    assert!(!summary.proved_too_little(scenario));
    assert!(scenario.complete() && !Scenario::find("site").unwrap().complete());
}
