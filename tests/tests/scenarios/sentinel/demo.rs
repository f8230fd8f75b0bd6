//! The demonstration over real servers: what it asks of a sentinel, and what it tells of it.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::{self, Program};
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure};
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn all() -> Vec<Trial> {
    let limit = Duration::from_secs(90);
    vec![scenario("sentinel::demo::coordinated::over::redis-7.0", limit, needs, |w, (ours, redis)| {
        coordinated(w, &ours, &redis)
    })]
}

fn needs() -> Needs<(Program, Program)> {
    let ours = program::under_test().map_err(|e| e.to_string())?;
    if !ours.is_primacy() || !program::over_mio() {
        return Err("the demonstration belongs to `primacy`, the program over mio".into());
    }
    Ok((ours, Peer::Redis70.find()?))
}

/// A master that hands over is not down for anybody, and nothing that was acknowledged is lost.
fn coordinated(_: &World, ours: &Program, redis: &Program) -> Result<()> {
    let mut command = Command::new(&ours.words[0]);
    command.args(["demo", "--fault", "coordinated", "--rounds", "2", "--server-program", &redis.words[0]]);
    let out = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let all = || format!("{text}\n{}", String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.code() == Some(0), "it ended with {}: {}", out.status, all());
    for step in ["hand over", "promotion", "first write", "reconfigured", "old master back", "nothing was lost"] {
        ensure!(text.matches(step).count() >= 2, "{step:?} is not told in both rounds: {}", all());
    }
    ensure!(!text.contains("sdown  "), "somebody held it for down: {}", all());
    Ok(())
}
