//! Clients that know nothing of Primacy: redis-cli, redis-benchmark, redis-py, and the Rust crate `redis`.

use libtest_mimic::Trial;
use primacy_tests::peers::{self, on_path};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, scaled};
use redis::{Commands, ConnectionLike};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("clients::redis_cli", LIMIT, || on_path("redis-cli"), |w, cli| redis_cli(w, &cli)),
        scenario("clients::redis_cli_snapshot", LIMIT, || on_path("redis-cli"), |w, cli| snapshot(w, &cli)),
        scenario("clients::redis_benchmark", LIMIT, || on_path("redis-benchmark"), |w, file| benchmark(w, &file)),
        scenario("clients::redis_py::resp2", LIMIT, peers::python, |w, python| redis_py(w, &python, "2")),
        scenario("clients::redis_py::resp3", LIMIT, peers::python, |w, python| redis_py(w, &python, "3")),
        scenario("clients::redis_rs::resp2", LIMIT, || Ok(()), |w, ()| redis_rs(w, "resp2")),
        scenario("clients::redis_rs::resp3", LIMIT, || Ok(()), |w, ()| redis_rs(w, "resp3")),
    ]
}

fn cli(file: &Path, s: &Server, args: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(file)
        .args(["-p", &s.port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or("no pipe")?;
    std::io::Write::write_all(&mut pipe, input.as_bytes())?;
    drop(pipe);
    let out = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    ensure!(out.status.success(), "redis-cli {args:?}: {text} {}", String::from_utf8_lossy(&out.stderr));
    Ok(text)
}

fn redis_cli(w: &World, file: &Path) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[])?;
    for proto in ["-2", "-3"] {
        let cases: &[(&[&str], &str)] = &[
            (&["FLUSHALL"], "OK"),
            (&["SET", "a", "hello world"], "OK"),
            (&["GET", "a"], "hello world"),
            (&["INCRBY", "n", "41"], "41"),
            (&["EXPIRE", "a", "1000"], "1"),
            (&["-n", "1", "SET", "b", "2"], "OK"),
            (&["-n", "1", "DBSIZE"], "1"),
            (&["GET", "nothing"], ""),
            (&["ECHO", "x y"], "x y"),
            (&["--scan", "--pattern", "a*"], "a"),
        ];
        for (args, want) in cases {
            let got = cli(file, &s, &[&[proto], *args].concat(), "")?;
            ensure!(got == *want, "redis-cli {proto} {args:?} says \"{got}\"");
        }
        let got = cli(file, &s, &[proto], "MULTI\nSET t 1\nINCR t\nEXEC\nOBJECT ENCODING t\n")?;
        ensure!(got == "OK\nQUEUED\nQUEUED\nOK\n2\nint", "redis-cli {proto}, a transaction: \"{got}\"");
        let got = cli(file, &s, &[proto, "INFO", "server"], "")?;
        ensure!(got.contains("redis_version:7."), "redis-cli {proto} INFO: \"{got}\"");
    }
    let mut frames = String::new();
    for i in 0..20_000 {
        let key = format!("pipe:{i}");
        let frame = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$1\r\n1\r\n", key.len());
        frames.push_str(&frame);
    }
    let got = cli(file, &s, &["--pipe"], &frames)?;
    ensure!(got.contains("errors: 0, replies: 20000"), "redis-cli --pipe: \"{got}\"");
    Ok(())
}

/// `redis-cli --rdb` is a replica that wants the snapshot alone.
fn snapshot(w: &World, file: &Path) -> Result<()> {
    let mut rng = w.rng();
    let program = w.primacy()?;
    let s = w.server("server", &program, &[])?;
    fill::keys(s.port, 5_000, &mut rng)?;
    let second = w.prepare("second", &program, &[])?;
    cli(file, &s, &["--rdb", &second.snapshot().to_string_lossy()], "")?;
    second.start()?;
    // Keys that expire at once may be gone from one of the two; those that stay must be equal.
    std::thread::sleep(Duration::from_secs(7));
    let text = primacy_tests::wait::differences(&s, &second)?;
    ensure!(text.contains(" differ in 0 of "), "{text}");
    Ok(())
}

fn benchmark(w: &World, file: &Path) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[])?;
    let n = scaled(100_000, 1_000_000).to_string();
    for more in [&[][..], &["-r", "10000", "-d", "200", "-3"][..]] {
        let out = Command::new(file)
            .args(["-p", &s.port.to_string(), "-t", "set,get", "-P", "16", "-n", &n, "--csv"])
            .args(more)
            .output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "redis-benchmark {more:?}: {text}");
        ensure!(text.contains("\"SET\",") && text.contains("\"GET\","), "redis-benchmark {more:?}: {text}");
        ensure!(!text.to_ascii_lowercase().contains("err"), "redis-benchmark {more:?}: {text}");
    }
    let calls = s.client()?.info("commandstats", "cmdstat_set")?;
    ensure!(calls.starts_with("calls="), "cmdstat_set:{calls}");
    Ok(())
}

fn redis_py(w: &World, python: &Path, protocol: &str) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[])?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/redis_py.py");
    let out = Command::new(python).arg(script).args([&s.port.to_string(), protocol]).output()?;
    ensure!(
        out.status.success(),
        "redis-py in RESP{protocol}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}

fn redis_rs(w: &World, protocol: &str) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[])?;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/1?protocol={protocol}", s.port))?;
    let mut c = client.get_connection()?;
    ensure!(c.check_connection(), "PING fails");
    let _: () = c.set("key", "value")?;
    let got: String = c.get("key")?;
    ensure!(got == "value", "GET says {got}");
    let got: Option<String> = c.get("nothing")?;
    ensure!(got.is_none(), "GET of nothing says {got:?}");
    let n: i64 = c.incr("n", 5)?;
    ensure!(n == 5, "INCRBY says {n}");
    let _: bool = c.expire("key", 100)?;
    let ttl: i64 = c.ttl("key")?;
    ensure!((90..=100).contains(&ttl), "TTL says {ttl}");
    let (sum, bin): (i64, Vec<u8>) =
        redis::pipe().atomic().incr("n", 1).set("bin", &b"\x00\xff\r\n"[..]).ignore().get("bin").query(&mut c)?;
    ensure!(sum == 6 && bin == b"\x00\xff\r\n", "MULTI/EXEC says {sum} {bin:?}");
    let mut pipe = redis::pipe();
    for i in 0..1_000 {
        pipe.set(format!("many:{i}"), i).ignore();
    }
    let _: () = pipe.query(&mut c)?;
    let mut seen = c.scan_match::<_, String>("many:*")?.collect::<Result<Vec<_>, _>>()?;
    seen.sort();
    seen.dedup();
    ensure!(seen.len() == 1_000, "SCAN gave {} of 1000 keys", seen.len());
    let error = c.rename::<_, _, ()>("nothing", "other").err().ok_or("RENAME of nothing was taken")?;
    ensure!(error.to_string().contains("no such key"), "RENAME of nothing: {error}");
    let watched: Option<i64> = redis::transaction(&mut c, &["n"], |c, pipe| {
        let n: i64 = c.get("n")?;
        pipe.set("n", n * 2).ignore().get("n").query(c).map(|v: Option<Vec<i64>>| v.map(|v| v[0]))
    })
    .map(Some)?;
    ensure!(watched == Some(12), "WATCH says {watched:?}");
    publish(&client)
}

fn publish(client: &redis::Client) -> Result<()> {
    let mut c = client.get_connection()?;
    let mut listener = client.get_connection()?;
    let mut pubsub = listener.as_pubsub();
    pubsub.set_read_timeout(Some(Duration::from_secs(10)))?;
    pubsub.subscribe("news")?;
    pubsub.psubscribe("ne*")?;
    let heard: i64 = c.publish("news", "hello")?;
    ensure!(heard == 2, "PUBLISH reached {heard}");
    for from_pattern in [false, true] {
        let message = pubsub.get_message()?;
        let text: String = message.get_payload()?;
        ensure!(text == "hello" && message.from_pattern() == from_pattern, "a message: {message:?}");
    }
    Ok(())
}
