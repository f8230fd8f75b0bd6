//! Every metric has a row in `docs/metrics.md`, and the rows say what is served.

use alloc::string::String;
use core::fmt::Write as _;
use std::format;

use super::{Metric, SHARED};
use crate::node::{NODE, REPLICATION};
use crate::sentinel::SENTINEL;

const DOCS: &str = include_str!("../../../../docs/metrics.md");

/// The table below the heading, as it has to be.
fn table(metrics: &[&[&Metric]]) -> String {
    let mut text = String::from("| name | type | unit | meaning |\n|---|---|---|---|\n");
    for m in metrics.iter().copied().flatten() {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", m.name, m.kind.word(), m.unit, m.help);
    }
    text
}

#[test]
fn the_documentation_has_each_metric_as_it_is_served() {
    for (heading, metrics) in [
        ("## Of a server and a sentinel", &[SHARED][..]),
        ("## Of a server", &[NODE, REPLICATION][..]),
        ("## Of a sentinel", &[SENTINEL][..]),
    ] {
        let begin = DOCS.find(&format!("\n{heading}\n"));
        let section = begin.map_or("", |at| &DOCS[at + heading.len() + 2..]);
        let table = table(metrics);
        assert!(section.trim_start().starts_with(&table), "{heading} has to begin with this table:\n{table}");
    }
}

#[test]
fn names_are_well_formed_and_there_once() {
    let mut names = alloc::collections::BTreeSet::new();
    for m in [SHARED, NODE, REPLICATION, SENTINEL].into_iter().flatten() {
        assert!(names.insert(m.name), "{} is there twice", m.name);
        assert!(m.name.starts_with("redis_") || m.name.starts_with("primacy_"), "{}", m.name);
        assert!(m.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", m.name);
        assert!(m.help.ends_with('.') && !m.help.contains(['\\', '\n', '|']), "{}: {}", m.name, m.help);
    }
}
