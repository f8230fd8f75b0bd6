//! Short campaigns, and every invariant seen to fire on code that is wrong on purpose.

use alloc::string::ToString;
use alloc::vec::Vec;
use std::println;

use super::*;

#[test]
fn a_short_campaign_violates_nothing() {
    let scenario = Scenario::find("sentinels").unwrap();
    let mut failed: Vec<_> = Vec::new();
    for seed in 1..20 {
        let report = run(&draw(seed, scenario, 3), None);
        println!("{seed} {:?} {:?} {:?}", report.lasted, report.healing, report.violation);
        if let Some(v) = report.violation {
            failed.push((seed, v.to_string()));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
