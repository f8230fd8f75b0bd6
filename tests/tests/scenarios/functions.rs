//! Function libraries between Primacy and servers that run them: by full resync, by the stream, as payloads, over a restart.

use libtest_mimic::Trial;
use primacy_tests::peers::{Peer, on_path};
use primacy_tests::program::Program;
use primacy_tests::resp::Value;
use primacy_tests::server::Server;
use primacy_tests::wait;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for peer in [Peer::Redis70, Peer::Valkey90, Peer::Valkey91] {
        for (side, of_primacy) in [("replica", true), ("master", false)] {
            let name = format!("functions::{side}_of_primacy::{}", peer.name());
            all.push(scenario(
                &name,
                LIMIT,
                move || peer.find(),
                move |w, found| {
                    let primacy = w.primacy()?;
                    if of_primacy { pair(w, &primacy, &found) } else { pair(w, &found, &primacy) }
                },
            ));
        }
    }
    all.push(scenario("functions::payloads", LIMIT, || Peer::Redis70.find(), |w, redis| payloads(w, &redis)));
    all.push(scenario("functions::alone", LIMIT, || on_path("redis-cli"), |w, cli| alone(w, &cli)));
    all.push(scenario("functions::restart", LIMIT, || Ok(()), |w, ()| restart(w)));
    all
}

/// The code of a library with one function, which answers `answer`.
fn code(name: &str, function: &str, answer: &str) -> String {
    format!("#!lua name={name}\nredis.register_function('{function}', function(keys, args) return '{answer}' end)")
}

fn say(server: &Server, args: &[&[u8]]) -> Result<Value> {
    server.client()?.ask(args)
}

fn load(server: &Server, code: &str) -> Result<()> {
    let answer = say(server, &[b"FUNCTION", b"LOAD", b"REPLACE", code.as_bytes()])?;
    ensure!(!answer.is_error(), "{}: {answer:?}", server.name);
    Ok(())
}

/// All libraries with their code, in one order.
fn libraries(server: &Server) -> Result<Vec<String>> {
    let answer = say(server, &[b"FUNCTION", b"LIST", b"WITHCODE"])?;
    ensure!(!answer.is_error(), "{}: {answer:?}", server.name);
    let mut all: Vec<String> = answer.items().iter().map(|library| format!("{library:?}")).collect();
    all.sort();
    Ok(all)
}

fn same(a: &Server, b: &Server, count: usize) -> Result<()> {
    wait::same(&[a, b])?;
    let (x, y) = (libraries(a)?, libraries(b)?);
    ensure!(x == y, "{} has {x:?}\n{} has {y:?}", a.name, b.name);
    ensure!(x.len() == count, "{count} libraries were expected: {x:?}");
    Ok(())
}

/// What a function answers on a server that runs them; on Primacy, that none run.
fn called(server: &Server, function: &str, want: &str) -> Result<()> {
    let answer = say(server, &[b"FCALL_RO", function.as_bytes(), b"0"])?;
    match answer {
        Value::Error(text) if format!("{text:?}").contains("runs no functions") => Ok(()),
        // It was not said that it only reads.
        _ => {
            let answer = say(server, &[b"FCALL", function.as_bytes(), b"0"])?;
            let told = answer.text();
            ensure!(told == want || told.starts_with("READONLY"), "{}: {answer:?}", server.name);
            Ok(())
        }
    }
}

fn pair(w: &World, master: &Program, replica: &Program) -> Result<()> {
    let m = w.server("master", master, &[])?;
    say(&m, &[b"SET", b"k", b"v"])?;
    load(&m, &code("one", "f1", "first"))?;
    let long = format!("{}\n-- {}", code("long", "f2", "second"), "x y z ".repeat(40_000));
    load(&m, &long)?;
    let r = w.server("replica", replica, &[])?;
    load(&r, &code("stale", "old", "gone"))?;
    r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
    wait::link_up(&r)?;
    same(&m, &r, 2)?;
    // By the stream, a payload too.
    let payload = say(&m, &[b"FUNCTION", b"DUMP"])?;
    let Value::Bulk(payload) = payload else { return Err(format!("no payload: {payload:?}").into()) };
    load(&m, &code("one", "f1", "changed"))?;
    load(&m, &code("three", "f3", "third"))?;
    same(&m, &r, 3)?;
    called(&m, "f1", "changed")?;
    called(&r, "f1", "changed")?;
    for args in [&[&b"FUNCTION"[..], b"DELETE", b"three"][..], &[b"FUNCTION", b"RESTORE", &payload, b"REPLACE"]] {
        let answer = say(&m, args)?;
        ensure!(answer.text() == "OK", "{answer:?}");
    }
    say(&m, &[b"FLUSHALL"])?;
    same(&m, &r, 2)?;
    called(&r, "f1", "first")?;
    let refused = say(&r, &[b"FUNCTION", b"FLUSH"])?;
    ensure!(refused.text().starts_with("READONLY"), "a replica took a write: {refused:?}");
    say(&m, &[b"FUNCTION", b"FLUSH", b"ASYNC"])?;
    same(&m, &r, 0)
}

/// What one gives as bytes the other takes, and both refuse the same.
fn payloads(w: &World, redis: &Program) -> Result<()> {
    let (a, b) = (w.server("primacy", &w.primacy()?, &[])?, w.server("redis", redis, &[])?);
    let named = "#!lua name=named\nredis.register_function{function_name='g1', callback=function() return 1 end,\n\
                 flags={'no-writes'}, description='a word'}";
    for (from, to) in [(&a, &b), (&b, &a)] {
        for server in [from, to] {
            say(server, &[b"FUNCTION", b"FLUSH"])?;
        }
        load(from, &code("one", "f1", "x"))?;
        load(from, named)?;
        let Value::Bulk(payload) = say(from, &[b"FUNCTION", b"DUMP"])? else { return Err("no payload".into()) };
        load(to, &code("other", "f9", "y"))?;
        for policy in [&b"APPEND"[..], b"APPEND", b"REPLACE", b"FLUSH", b"WHAT"] {
            let args = [&b"FUNCTION"[..], b"RESTORE", &payload, policy];
            let (x, y) = (say(to, &args)?, say(from, &args)?);
            let first = policy == b"APPEND" && x.text() == "OK";
            // Which of two that are there is named depends on the order of a table.
            let there = |answer: &Value| {
                answer.text().starts_with("ERR Library ") && answer.text().ends_with(" already exists")
            };
            ensure!(x == y || first || (there(&x) && there(&y)), "{}: {x:?}, {y:?}", policy.escape_ascii());
            if first {
                ensure!(libraries(to)?.len() == 3, "they come beside the other one");
            }
        }
        let (x, y) = (libraries(from)?, libraries(to)?);
        ensure!(x == y && x.len() == 2, "{x:?}\n{y:?}");
    }
    Ok(())
}

/// `redis-cli --functions-rdb` asks for a snapshot of nothing else.
fn alone(w: &World, cli: &Path) -> Result<()> {
    let a = w.server("primacy", &w.primacy()?, &[])?;
    say(&a, &[b"SET", b"key", b"value"])?;
    load(&a, &code("one", "f1", "x"))?;
    let file = a.snapshot().with_extension("functions");
    let asked = Command::new(cli).args(["-p", &a.port.to_string(), "--functions-rdb"]).arg(&file).output()?;
    ensure!(asked.status.success(), "redis-cli: {}", String::from_utf8_lossy(&asked.stderr));
    let bytes = std::fs::read(&file)?;
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    ensure!(has("name=one") && !has("value"), "{}", bytes.escape_ascii());
    Ok(())
}

/// They are saved with the keys, and are there again.
fn restart(w: &World) -> Result<()> {
    let a = w.server("primacy", &w.primacy()?, &[])?;
    load(&a, &code("one", "f1", "x"))?;
    say(&a, &[b"SET", b"k", b"v"])?;
    let before = libraries(&a)?;
    ensure!(say(&a, &[b"SAVE"])?.text() == "OK", "not saved");
    a.kill();
    a.start()?;
    ensure!(libraries(&a)? == before && before.len() == 1, "{before:?}");
    ensure!(say(&a, &[b"DEBUG", b"RELOAD"])?.text() == "OK", "not loaded anew");
    ensure!(libraries(&a)? == before, "lost by DEBUG RELOAD");
    Ok(())
}
