//! `maxmemory`: what is refused as redis-server 7.0 refuses it, and replicas that follow a master which evicts.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, find_info, words};
use primacy_tests::rng::Rng;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, scaled, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn all() -> Vec<Trial> {
    let needs = || Peer::Redis70.find();
    let policies = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"];
    let mut all = vec![
        scenario("memory::refusals", LIMIT, needs, |w, redis| refusals(w, &redis)),
        scenario("memory::hit_ratio", LIMIT, needs, |w, redis| hit_ratio(w, &redis)),
    ];
    for policy in policies {
        all.push(scenario(&format!("memory::replicas::{policy}"), LIMIT, needs, move |w, redis| {
            replicas(w, &redis, policy)
        }));
    }
    all
}

/// The errors, and how a transaction ends that meets one.
fn refusals(w: &World, redis: &Program) -> Result<()> {
    let (a, b) = (w.server("primacy", &w.primacy()?, &[])?, w.server("redis", redis, &[])?);
    let mut clients = [a.client()?, b.client()?];
    let mut others = [a.client()?, b.client()?];
    let both = |clients: &mut [Client; 2], line: &str| -> Result<()> {
        let got = [clients[0].ask(&words(line))?, clients[1].ask(&words(line))?];
        ensure!(got[0] == got[1], "{line}: {got:?}");
        Ok(())
    };
    for line in ["SET a 1", "MULTI", "SET q 1", "GET a"] {
        both(&mut clients, line)?;
    }
    both(&mut others, "CONFIG SET maxmemory 1")?;
    for line in [
        "EXEC",
        "SET b 1",
        "GET a",
        "DEL nothing",
        "EXPIRE a 100",
        "PERSIST a",
        "APPEND a 1",
        "MULTI",
        "GET a",
        "PING",
        "EXEC",
        "MULTI",
        "WATCH a",
        "DISCARD",
        "MULTI",
        "RESET",
        "MULTI",
        "MULTI",
        "DISCARD",
        "WATCH a",
        "UNWATCH",
        "LPUSH l 1",
        "RPOPLPUSH l l",
        "PFADD p 1",
        "SETBIT s 1 1",
        "GETSET a 2",
        "GETDEL nothing",
        "COPY a c",
        "RENAME a a2",
        "SORT nothing STORE x",
        "HINCRBY h f 1",
        "OBJECT FREQ a2",
        "OBJECT FREQ nothing",
        "CONFIG SET maxmemory-policy volatile-lru",
        "SET b 1",
        "CONFIG SET maxmemory-policy allkeys-lfu",
        "SET b 1",
        "EXISTS a2",
        "CONFIG SET maxmemory 0",
        "SET b 1",
        "OBJECT IDLETIME b",
        "CONFIG SET maxmemory-policy nothing",
        "CONFIG SET maxmemory-samples 0",
        "CONFIG SET maxmemory 1x",
        "CONFIG SET maxmemory 1gb",
        "CONFIG GET maxmemory",
        "CONFIG SET maxmemory-eviction-tenacity 101",
        "RESTORE r 0 x IDLETIME -1",
        "RESTORE r 0 x FREQ 256",
        "RESTORE r 0 x FREQ 1 IDLETIME 1",
    ] {
        both(&mut clients, line)?;
    }
    Ok(())
}

/// A key of `n`, the first ones much more often.
fn skewed(rng: &mut Rng, n: u64) -> u64 {
    let unit = rng.below(1 << 32) as f64 / (1u64 << 32) as f64;
    // The inverse of a distribution that is near to Zipf's with an exponent of 0.9.
    ((n as f64).powf(0.1).mul_add(unit, 1.0 - unit).powf(10.0) as u64).min(n) - 1
}

/// The bytes that count against `maxmemory`.
fn counted(client: &mut Client) -> Result<i64> {
    let info = client.text("INFO memory")?;
    let field = |name: &str| -> Result<i64> { Ok(find_info(&info, name).ok_or("no such field")?.parse()?) };
    Ok(field("used_memory")? - field("mem_not_counted_for_evict")?)
}

/// Reads with a fill behind each miss, over memory for about half of the keys: the part of the second half that hits.
fn ratio(client: &mut Client, policy: &str, seed: u64, keys: u64, reads: u64) -> Result<f64> {
    let mut rng = Rng::new(seed);
    let value = "v".repeat(100);
    client.text("FLUSHALL")?;
    client.text(&format!("CONFIG SET maxmemory 0 maxmemory-policy {policy}"))?;
    let empty = counted(client)?;
    for i in 0..keys {
        client.push(&words(&format!("SET key:{i} {value}")));
    }
    client.flush()?;
    for _ in 0..keys {
        client.read()?;
    }
    let limit = empty + (counted(client)? - empty) / 2;
    client.text("FLUSHALL")?;
    client.text(&format!("CONFIG SET maxmemory {limit}"))?;
    let mut hits = 0;
    for i in 0..reads {
        let key = format!("key:{}", skewed(&mut rng, keys));
        if client.run(&format!("GET {key}"))? == Value::Nil {
            client.text(&format!("SET {key} {value}"))?;
        } else if i >= reads / 2 {
            hits += 1;
        }
    }
    Ok(f64::from(hits) / (reads / 2) as f64)
}

/// LRU and LFU keep what is worth it, not less than redis-server's; and more than chance does.
fn hit_ratio(w: &World, redis: &Program) -> Result<()> {
    let mut found = Vec::new();
    for (name, program) in [("primacy", w.primacy()?), ("redis", redis.clone())] {
        let server = w.server(name, &program, &[])?;
        let mut client = server.client()?;
        let mut row = Vec::new();
        for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
            row.push(ratio(&mut client, policy, w.seed, 10_000, scaled(60_000, 600_000) as u64)?);
        }
        found.push(row);
    }
    println!("    hit ratios by lru, lfu, random: Primacy {:.4?}, redis-server {:.4?}", found[0], found[1]);
    let (mine, redis) = (&found[0], &found[1]);
    ensure!(mine[0] > redis[0] - 0.01 && mine[1] > redis[1] - 0.015, "{found:?}");
    ensure!(mine[0] > mine[2] + 0.01 && mine[1] > mine[2] + 0.01, "{found:?}");
    Ok(())
}

/// A master of each kind evicts under writes; a replica of the other kind, with a lower limit that it leaves to its
/// master, ends with the same data.
fn replicas(w: &World, redis: &Program, policy: &str) -> Result<()> {
    let mine = w.primacy()?;
    for (name, master, replica) in [("primacy-master", &mine, redis), ("redis-master", redis, &mine)] {
        let m = w.server(name, master, &["repl-diskless-sync-delay 0", "repl-backlog-size 16kb"])?;
        let r =
            w.server(&format!("replica-of-{name}"), replica, &["maxmemory 1", &format!("maxmemory-policy {policy}")])?;
        r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", m.port))?;
        wait::link_up(&r)?;
        let (mut client, mut rng) = (m.client()?, w.rng());
        client.run(&format!("CONFIG SET maxmemory-policy {policy}"))?;
        let limit = counted(&mut client)? + 400_000;
        client.run(&format!("CONFIG SET maxmemory {limit}"))?;
        for _ in 0..scaled(8_000, 80_000) {
            let (key, n) = (rng.below(5_000), rng.below(300));
            let line = match rng.below(6) {
                0 => format!("GET key:{key}"),
                1 => format!("HSET h:{key} f{n} {n} g {n}"),
                2 => format!("RPUSH l:{} {n} {n} {n}", key % 50),
                3 => format!("EXPIRE h:{key} 10000"),
                _ => format!("SET key:{key} v{} EX {}", "v".repeat(n as usize), 1_000 + n),
            };
            let reply = client.ask(&words(&line))?;
            ensure!(policy == "volatile-ttl" || !reply.is_error(), "{line}: {reply:?}");
        }
        let evicted = client.info_num("stats", "evicted_keys")?;
        ensure!(evicted > 500, "{name}: hardly anything was evicted: {evicted}");
        wait::same(&[&m, &r])?;
        ensure!(r.client()?.info_num("stats", "evicted_keys")? == 0, "{name}: the replica evicted by itself");
    }
    Ok(())
}
