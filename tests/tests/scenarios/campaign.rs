//! The command fuzzer: every command that writes, with all its options, at a Primacy master with real replicas, and at
//! real masters with a Primacy replica. At every checkpoint all hold the same data at the same offset.
//!
//! `PRIMACY_FULL=1` makes it a million commands each way.

use crate::interop::same_groups;
use libtest_mimic::Trial;
use primacy_tests::grammar::Rules;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, grammar, scaled, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3600);
/// Commands that are under way at once.
const BATCH: usize = 250;
/// Commands behind which the data may begin anew.
const FRESH: usize = 200_000;
/// Commands between two checkpoints.
const CHECKPOINT: usize = 25_000;

pub(crate) fn all() -> Vec<Trial> {
    let peers = || Ok([Peer::Redis70.find()?, Peer::Valkey91.find()?]);
    vec![
        scenario("campaign::every_command_is_in_the_grammar", LIMIT, || Ok(()), |w, ()| complete(w)),
        scenario("campaign::primacy_and_its_replicas", LIMIT, peers, |w, peers| {
            let later = &[grammar::OF_VALKEY_9_1, grammar::OF_REDIS_8];
            campaign(w, &w.primacy()?, &[&peers[0], &peers[1]], later, scaled(25_000, 1_000_000))
        }),
        scenario("campaign::redis_7.0_and_primacy", LIMIT, peers, |w, peers| {
            campaign(w, &peers[0], &[&w.primacy()?], &[], scaled(25_000, 500_000))
        }),
        scenario("campaign::valkey_9.1_and_primacy", LIMIT, peers, |w, peers| {
            campaign(w, &peers[1], &[&w.primacy()?], &[grammar::OF_VALKEY_9_1], scaled(25_000, 500_000))
        }),
    ]
}

/// Commands that write and that no rule makes, each with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("pfdebug", "its effects are Redis's own"),
    ("restore-asking", "RESTORE by another name, of a cluster's"),
    ("restore", "the campaign makes its payloads by DUMP"),
    ("flushall", "the campaign says it between checkpoints"),
    ("flushdb", "the campaign says it between checkpoints"),
];

/// Whoever adds a command that writes has to add its rule.
fn complete(w: &World) -> Result<()> {
    let server = w.server("primacy", &w.primacy()?, &[])?;
    let names = grammar::names();
    let reply = server.client()?.run("COMMAND")?;
    let mut missing = Vec::new();
    for row in reply.items() {
        let name = row.items()[0].text();
        let writes = row.items()[2].items().iter().any(|flag| flag.text() == "write");
        let since_7_2 = ["hexpire", "hpexpire", "hexpireat", "hpexpireat", "hpersist"].contains(&name.as_str());
        if writes && !since_7_2 && !names.contains(&name) && LEFT_OUT.iter().all(|(left, _)| *left != name) {
            missing.push(name);
        }
    }
    ensure!(missing.is_empty(), "tests/src/grammar.rs has no rule for {missing:?}");
    Ok(())
}

/// `later` are rules for what the master knows beyond Redis 7.0.
fn campaign(w: &World, master: &Program, replicas: &[&Program], later: &[Rules], count: usize) -> Result<()> {
    let mut rng = w.rng();
    // Expired keys are deleted at a moment that chance decides: none is due within the run.
    let m = w.server("master", master, &["repl-backlog-size 64mb"])?;
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    let behind = replicas
        .iter()
        .enumerate()
        .map(|(i, program)| w.server(&format!("replica-{i}"), program, &[&follow]))
        .collect::<Result<Vec<_>>>()?;
    behind.iter().try_for_each(|r| wait::link_up(r))?;
    let mut all: Vec<&Server> = vec![&*m];
    all.extend(behind.iter().map(|r| &**r));
    let mut c = m.client()?;
    c.set_patience(Duration::from_secs(60))?;
    let (mut done, mut refused, mut pending) = (0, 0, 0);
    while done < count {
        let until = (done + CHECKPOINT).min(count);
        while done < until {
            refused += batch(&mut c, &mut rng, later)?;
            done += BATCH;
        }
        wait::same(&all)?;
        for r in &behind {
            pending += same_groups(&m, r)?;
        }
        for r in &behind {
            let words = ["MASTER <-> REPLICA sync started", "PRIMARY <-> REPLICA sync started"];
            ensure!(r.logged(&words) <= 1, "{} had to synchronize anew: the link broke", r.name);
        }
        if done.is_multiple_of(FRESH) {
            w.note(&format!("{done} of {count} commands, {refused} of them refused by the data; all agree"));
            let line: &&str = rng.pick(&["FLUSHALL", "FLUSHDB", "PING"]);
            c.run(line)?;
        }
    }
    w.note(&format!("{done} commands, {refused} of them refused by the data; {pending} pending entries compared"));
    ensure!(refused * 2 < done, "{refused} of {done} commands were refused: too few did anything");
    Ok(())
}

/// Sends a batch and reads its replies; how many were refused by the data.
fn batch(c: &mut Client, rng: &mut Rng, later: &[Rules]) -> Result<usize> {
    restore(c, rng)?;
    let now = fill::now_ms();
    let unit = rng.one_in(6);
    let mut expected = BATCH;
    let mut sent = Vec::new();
    if unit {
        c.push(&["MULTI"]);
    }
    for _ in 0..BATCH {
        // Mostly in one database, so that the commands meet each other's keys.
        let args = match rng.below(500) {
            0..8 => vec![b"SELECT".to_vec(), b"0".to_vec()],
            8 => grammar::command(&[grammar::WAITING], rng, now),
            9..30 => grammar::command(&[grammar::APART], rng, now),
            30..60 if !later.is_empty() => grammar::command(later, rng, now),
            _ => grammar::command(grammar::AT_ONCE, rng, now),
        };
        c.push(&args);
        sent.push(args);
    }
    if unit {
        c.push(&["EXEC"]);
        expected += 2;
    }
    c.flush()?;
    let mut refused = 0;
    for _ in 0..expected {
        let reply = c.read()?;
        for reply in std::iter::once(&reply).chain(reply.items().iter().filter(|_| unit)) {
            if reply.is_error() {
                refused += 1;
                let text = reply.text();
                let fatal =
                    ["ERR unknown", "ERR wrong number", "ERR syntax", "READONLY", "OOM", "EXECABORT", "MISCONF"];
                let show = || -> Vec<String> {
                    let line = |args: &Vec<Vec<u8>>| args.join(&b' ').escape_ascii().to_string();
                    sent.iter().map(line).filter(|l| l.len() < 300).collect()
                };
                ensure!(!fatal.iter().any(|f| text.starts_with(f)), "-{text}\n  one of {:#?}", show());
            }
        }
    }
    Ok(refused)
}

/// Gives a key the value of another by DUMP and RESTORE.
fn restore(c: &mut Client, rng: &mut Rng) -> Result<()> {
    let now = fill::now_ms();
    let Value::Bulk(payload) = c.ask(&grammar::expand("DUMP $any", rng, now))? else { return Ok(()) };
    let mut args = grammar::expand("RESTORE $any { 0 | $ms | $atms ABSTTL } { REPLACE | }", rng, now);
    args.insert(3, payload);
    let reply = c.ask(&args)?;
    let fine = ["OK", "BUSYKEY"].iter().any(|word| reply.text().starts_with(word));
    ensure!(fine, "RESTORE answers {reply:?} to {}", args.join(&b' ').escape_ascii());
    Ok(())
}
