//! SENTINEL EXPLAIN: what would happen if the master died now.

use alloc::string::ToString;

use super::super::explain::{Candidate, Explanation, Voter};
use super::super::{Cx, Sentinel};
use crate::client::Session;
use crate::resp::{Args, Reply};

impl Sentinel {
    /// `SENTINEL EXPLAIN name`.
    pub(super) fn explain_command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let name = self.named(s, args).and_then(|id| self.groups.get(&id)).map(|group| group.name());
        let Some(explanation) = name.and_then(|name| self.explain(name, cx.now.mono)) else { return };
        write(&mut s.reply(), &explanation);
    }
}

fn write(r: &mut Reply<'_>, e: &Explanation) {
    r.map(9);
    text(r, "verdict", &e.verdict);
    text(r, "would-fail-over", yes_no(e.would_fail_over));
    optional(r, "promoted", e.promoted.as_deref());
    number(r, "lost-bytes", e.lost_bytes);
    number(r, "quorum", e.quorum.into());
    number(r, "votes-needed", e.votes_needed.into());
    optional(r, "blocked", e.blocked.as_deref());
    r.bulk(b"voters");
    r.array(e.voters.len());
    e.voters.iter().for_each(|v| voter(r, v));
    r.bulk(b"candidates");
    r.array(e.candidates.len());
    e.candidates.iter().for_each(|c| candidate(r, c));
}

fn voter(r: &mut Reply<'_>, v: &Voter) {
    r.map(5);
    text(r, "runid", &v.name);
    text(r, "address", &v.addr);
    text(r, "answers", yes_no(v.answers));
    number(r, "last-hello-message", v.hello_age_ms);
    text(r, "same-configuration", yes_no(v.agrees));
}

fn candidate(r: &mut Reply<'_>, c: &Candidate) {
    r.map(7);
    text(r, "name", &c.name);
    let why = c.unfit.map(|why| why.to_string());
    optional(r, "not-promoted-because", why.as_deref());
    number(r, "priority", c.priority.into());
    number(r, "offset", c.offset);
    number(r, "behind-bytes", c.behind);
    text(r, "same-history", yes_no(c.same_history));
    r.bulk(b"info-refresh");
    match c.info_age_ms {
        Some(ms) => r.int(i64::try_from(ms).unwrap_or(i64::MAX)),
        None => r.null(),
    }
}

fn text(r: &mut Reply<'_>, name: &str, value: &str) {
    optional(r, name, Some(value));
}

fn optional(r: &mut Reply<'_>, name: &str, value: Option<&str>) {
    r.bulk(name.as_bytes());
    match value {
        Some(value) => r.bulk(value.as_bytes()),
        None => r.null(),
    }
}

fn number(r: &mut Reply<'_>, name: &str, value: u64) {
    r.bulk(name.as_bytes());
    r.int(i64::try_from(value).unwrap_or(i64::MAX));
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
