//! How a sentinel begins, and ends before it has begun.

use alloc::boxed::Box;

use crate::client::About;
use crate::config::sentinel::{MasterSettings, SentinelConfig};
use crate::machine::{Action, Actions, Input, Job, JobError, JobErrorKind, Machine, NoMeter, Outcome, Signal};
use crate::sentinel::{Event, Files, Sentinel};
use crate::time::{Instant, Now};

#[test]
fn one_that_ends_before_it_has_read_its_state_leaves_its_file_alone() {
    let mut config = SentinelConfig::new();
    config.masters.push(MasterSettings::new("mymaster", "127.0.0.1", 6379, 2));
    let files = Files { config: Some("sentinel.conf".into()), state: Some("sentinel.conf.state".into()) };
    let mut sentinel = Sentinel::new(config, files, [7; 32], Box::new(NoMeter), About::default());
    let mut out = Actions::<Event>::new();
    let now = Now { mono: Instant::from_micros(1), unix_ms: 1 };
    sentinel.handle(now, Input::Tick, &mut out);
    assert!(out.iter().any(|a| matches!(a, Action::Start { job: Job::Read { .. }, .. })), "{out:?}");
    drop(out.drain());
    sentinel.handle(now, Input::Shutdown { signal: Signal::Term }, &mut out);
    assert!(out.iter().any(|a| matches!(a, Action::Exit { code: 0 })), "{out:?}");
    assert!(
        !out.iter().any(|a| matches!(a, Action::Start { .. })),
        "nothing of it is known that could be saved: {out:?}"
    );
}

#[test]
fn certificates_come_before_everything_else() {
    let start = |outcome: Outcome| {
        let mut config = SentinelConfig::new();
        config.masters.push(MasterSettings::new("mymaster", "127.0.0.1", 6379, 2));
        config.settings.tls_replication = true;
        config.settings.tls_port = 26380;
        let mut sentinel = Sentinel::new(config, Files::default(), [7; 32], Box::new(NoMeter), About::default());
        let mut out = Actions::<Event>::new();
        let now = Now { mono: Instant::from_micros(1), unix_ms: 1 };
        sentinel.handle(now, Input::Tick, &mut out);
        let op = out.iter().find_map(|a| match a {
            Action::Start { op, job: Job::LoadTls { tls } } if tls.links => Some(*op),
            _ => None,
        });
        assert!(
            !out.iter().any(|a| matches!(a, Action::Connect { .. } | Action::Start { job: Job::Listen { .. }, .. }))
        );
        drop(out.drain());
        sentinel.handle(now, Input::Done { op: op.unwrap(), result: outcome }, &mut out);
        let now = Now { mono: Instant::from_micros(1_000_000), unix_ms: 1_000 };
        sentinel.handle(now, Input::Tick, &mut out);
        out
    };
    let out = start(Outcome::Loaded);
    assert!(out.iter().any(|a| matches!(a, Action::Connect { tls: true, .. })), "{out:?}");
    assert!(out.iter().any(|a| matches!(a, Action::Start { job: Job::Listen { tls: true, .. }, .. })), "{out:?}");
    let error = JobError { kind: JobErrorKind::NotFound, message: "a.pem: no such file".into() };
    let out = start(Outcome::Failed(error));
    assert!(out.iter().any(|a| matches!(a, Action::Exit { code: 1 })), "{out:?}");
    assert!(!out.iter().any(|a| matches!(a, Action::Connect { .. })), "{out:?}");
}
