//! A master that stands still for less than `down-after-milliseconds` is left alone; one that stands still for longer is
//! not judged before.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::{self, Program};
use primacy_tests::sentinel::{DOWN_AFTER, Fault, Group, NAME};
use primacy_tests::wait::until;
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure, full};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn all() -> Vec<Trial> {
    let over = |server: Option<Peer>| {
        let name = format!("sentinel::patience::over::{}", server.map_or("primacy", Peer::name));
        scenario(&name, LIMIT, move || needs(server), |w, (ours, server)| run(w, &ours, &server))
    };
    vec![over(None), over(Some(Peer::Redis70))]
}

fn needs(server: Option<Peer>) -> Needs<(Program, Program)> {
    let ours = program::under_test().map_err(|e| e.to_string())?;
    Ok((ours.clone(), server.map_or(Ok(ours), Peer::find)?))
}

/// What all sentinels together have said of the master so far: `[+sdown, +odown, +try-failover]`.
fn said(group: &Group) -> [usize; 3] {
    ["+sdown master", "+odown master", "+try-failover"]
        .map(|event| group.sentinels.iter().map(|s| s.log().matches(event).count()).sum())
}

fn run(w: &World, ours: &Program, server: &Program) -> Result<()> {
    let (rounds, down_after) = if full() { (50, Duration::from_secs(1)) } else { (2, DOWN_AFTER) };
    let group = Group::start(w, server, &[ours.clone(), ours.clone(), ours.clone()], false)?;
    for s in &group.sentinels {
        s.client()?.run(&format!("SENTINEL SET {NAME} down-after-milliseconds {}", down_after.as_millis()))?;
    }
    let mut rng = w.rng();
    let (mut done, mut late) = (0, 0);
    while done < rounds {
        // Long enough for a PING of every sentinel, and some time more: a freeze may begin anywhere between two of them.
        std::thread::sleep(down_after / 4 + Duration::from_millis(rng.below(down_after.as_millis() as u64 / 8)));
        let (epoch, before, master) = (group.settled()?, said(&group), group.master()?);
        let begun = Instant::now();
        master.strike(Fault::Freeze)?;
        std::thread::sleep(down_after * 9 / 10);
        master.heal(Fault::Freeze)?;
        if begun.elapsed() > down_after * 19 / 20 {
            // It stood still for longer than was meant: this machine is too busy to tell.
            late += 1;
            ensure!(late < 10, "{late} of {} freezes came out longer than they were meant", done + late);
            continue;
        }
        std::thread::sleep(down_after / 4);
        let after = said(&group);
        ensure!(after == before, "freeze {done}: [+sdown, +odown, +try-failover] {before:?} became {after:?}");
        ensure!(group.settled()? == epoch, "freeze {done}: another configuration epoch than {epoch}");
        ensure!(group.master()?.port() == master.port(), "freeze {done}: another master");
        done += 1;
    }
    w.note(&format!("{done} freezes of 0.9 x {down_after:?}, nothing was said; {late} did not count"));
    not_before(&group, down_after)
}

/// One that lasts: how soon the first sentinel says so.
fn not_before(group: &Group, down_after: Duration) -> Result<()> {
    let ([before, ..], old) = (said(group), group.master()?);
    let begun = Instant::now();
    old.strike(Fault::Freeze)?;
    until(down_after * 10, "an sdown", || Ok(said(group)[0] > before))?;
    let took = begun.elapsed();
    // A PING that was on its way when the master stopped counts from its sending.
    ensure!(took > down_after * 19 / 20, "an sdown {took:?} after a freeze; down-after is {down_after:?}");
    group.succeeded(old)?;
    old.heal(Fault::Freeze)?;
    group.settled()?;
    Ok(())
}
