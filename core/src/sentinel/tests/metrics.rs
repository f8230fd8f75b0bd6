//! The metrics port of a sentinel: what it shows of failovers, and when it is ready.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::rig::{MASTER, Rig, ms, rig_that};
use crate::client::scrape::SHARED;
use crate::sentinel::metrics::SENTINEL;

#[path = "../../../tests/support/exposition.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod exposition;

use exposition::{Answer, Families};

/// One master with two replicas and two other sentinels that agree with us.
fn watched() -> Rig {
    let mut r = rig_that(&[6380, 6381], 2, 2, 1000, |config| config.settings.metrics_port = 9121);
    for port in [26380, 26381] {
        r.fakes.get_mut(&port).unwrap().says_down = true;
    }
    r
}

fn get(r: &mut Rig, path: &str) -> Answer {
    let raw = r.scrape(format_args!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    exposition::answer(&raw).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn page(r: &mut Rig) -> Families {
    exposition::families(&get(r, "/metrics").body).unwrap()
}

fn ready(r: &mut Rig) -> (u16, String) {
    let answer = get(r, "/readyz");
    (answer.status, answer.body)
}

#[test]
fn a_sentinel_is_ready_once_it_has_an_opinion_of_each_master_and_its_death_changes_nothing() {
    let mut r = watched();
    assert_eq!(ready(&mut r), (503, "the master mymaster has not answered yet\n".into()));
    r.pass(ms(3000));
    assert_eq!(ready(&mut r), (200, "ok\n".into()));
    r.kill(MASTER);
    r.pass(ms(1100));
    assert!(r.first("+sdown").is_some());
    assert_eq!(ready(&mut r).0, 200);
    // Time is lost, and nothing is decided for a while.
    r.now += ms(60_000);
    r.pass(ms(10));
    assert_eq!(ready(&mut r), (503, "in tilt mode nothing is decided\n".into()));
    assert_eq!(get(&mut r, "/healthz").status, 200);
}

#[test]
fn a_failover_is_shown_with_its_stages() {
    let mut r = watched();
    r.pass(ms(3000));
    let before = page(&mut r);
    let of = ("master_name", "mymaster");
    assert_eq!(before.value("redis_sentinel_master_status", &[of, ("master_status", "ok")]), Some(1.0));
    assert_eq!(before.value("redis_sentinel_master_sentinels", &[of]), Some(3.0));
    assert_eq!(before.value("redis_sentinel_master_slaves", &[of]), Some(2.0));
    assert_eq!(before.value("redis_sentinel_master_ckquorum_status", &[of]), Some(1.0));
    assert_eq!(before.value("primacy_sentinel_failovers_begun_total", &[of]), Some(0.0));
    assert_eq!(
        before.value("primacy_sentinel_instance_link_up", &[("kind", "replica"), ("name", "127.0.0.1:6380")]),
        Some(1.0)
    );
    assert!(before.value("redis_sentinel_master_last_ok_ping_reply_seconds", &[of]).unwrap() <= 1.0);
    r.kill(MASTER);
    r.pass(ms(5000));
    assert!(r.first("+failover-end").is_some(), "{:?}", r.names());
    let after = page(&mut r);
    assert_eq!(after.value("primacy_sentinel_failovers_begun_total", &[of]), Some(1.0));
    assert_eq!(after.value("primacy_sentinel_failovers_total", &[of, ("result", "promoted")]), Some(1.0));
    assert_eq!(after.value("primacy_sentinel_switches_total", &[of]), Some(1.0));
    for stage in [
        "agree",
        "turn",
        "wait_start",
        "select_slave",
        "send_slaveof_noone",
        "wait_promotion",
        "reconf_slaves",
        "whole",
    ] {
        let one = ("stage", stage);
        assert_eq!(after.value("primacy_sentinel_failover_stage_seconds_count", &[one]), Some(1.0), "{stage}");
        let sum = after.value("primacy_sentinel_failover_stage_seconds_sum", &[one]);
        assert_eq!(after.value("primacy_sentinel_last_failover_stage_seconds", &[of, one]), sum, "{stage}");
    }
    let down = [("kind", "replica"), ("name", "127.0.0.1:6379"), ("reason", "unreachable")];
    assert!(after.value("primacy_sentinel_instance_down_seconds", &down).is_some());
    // All that is documented is served, and nothing else.
    let served = &before.names() | &after.names();
    let without_rows = ["redis_commands_", "redis_errors_total"];
    let all: BTreeSet<String> = [SHARED, SENTINEL].into_iter().flatten().map(|m| m.name.into()).collect();
    let missing = all.difference(&served).filter(|n| !without_rows.iter().any(|w| n.starts_with(w)));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(served.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new());
}
