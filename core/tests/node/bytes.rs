//! Whatever bytes come, and however they are split.

use quickcheck::QuickCheck;

use crate::support::host::{Make, World};
use crate::support::store::Store;
use primacy_core::keyspace::Keyspace;
use primacy_core::resp::Command;

/// Bytes that a client may send: noise, and commands with noise in them.
fn noise<D: Make>(w: &mut World<D>, raw: &[u8], n: u8) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "GET",
        "SET",
        "DEL",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH",
        "CLIENT",
        "LIST",
        "KILL",
        "REPLY",
        "ON",
        "OFF",
        "SKIP",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "PSUBSCRIBE",
        "PUBLISH",
        "HELLO",
        "3",
        "2",
        "RESET",
        "SELECT",
        "WAIT",
        "1",
        "0",
        "-1",
        "INFO",
        "CONFIG",
        "GET",
        "*",
        "COMMAND",
        "DOCS",
        "SLOWLOG",
        "LATENCY",
        "HISTOGRAM",
        "ROLE",
        "PSYNC",
        "?",
        "SYNC",
        "REPLCONF",
        "ACK",
        "GETACK",
        "listening-port",
        "MONITOR",
        "QUIT",
        "DEBUG",
        "OBJECT",
        "ID",
        "TYPE",
        "normal",
        "",
        "9223372036854775807",
        "EXPIRE",
        "PEXPIREAT",
        "key",
        "PING",
        "ECHO",
        "BGSAVE",
        "SAVE",
        "LASTSAVE",
        "TIME",
        "AUTH",
        "RELOAD",
        "DIGEST",
        "UNBLOCK",
        "SETNAME",
        "GETNAME",
        "TRACKING",
        "FLUSHALL",
        "SWAPDB",
        "DBSIZE",
        "PUBSUB",
        "HELP",
    ];
    let mut out = vec![];
    for i in 0..n % 40 {
        match w.pick(8) {
            0 => out.extend_from_slice(raw),
            1 => out.extend_from_slice(format!("*{}\r\n${}\r\n", w.pick(4), w.pick(5)).as_bytes()),
            2 => out.extend_from_slice(b"\r\n"),
            _ => {
                let words: Vec<&str> = (0..=w.pick(5)).map(|_| WORDS[w.pick(WORDS.len() as u64) as usize]).collect();
                if words.starts_with(&["CLIENT", "KILL"]) {
                    continue;
                }
                if i % 2 == 0 {
                    out.extend_from_slice(Command::new(&words).frame());
                } else {
                    out.extend_from_slice((words.join(" ") + "\r\n").as_bytes());
                }
            }
        }
    }
    out
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that quickcheck wants")]
fn no_bytes_disturb<D: Make>(seed: u64, raw: Vec<u8>, n: u8) -> bool {
    let mut w = World::<D>::new(seed);
    w.add("");
    w.run();
    w.chop = 1 + w.pick(200);
    let (bad, good) = (w.client(0), w.client(0));
    w.ask(good, "SELECT 7\nSET mine 1");
    let bytes = noise(&mut w, &raw, n);
    w.say(bad, &bytes);
    for i in 2..8 {
        w.send(good, "ECHO x\nPING");
        let steps = w.pick(30) as usize;
        w.steps(steps);
        w.advance(10 * i);
        assert_eq!(w.heard(good), "x | PONG", "after {}", bytes.escape_ascii());
    }
    w.hang_up(bad);
    w.advance(1000);
    w.ask(good, "PING") == "PONG" && w.hosts[0].exit.is_none()
}

#[test]
fn arbitrary_bytes_never_disturb_another_client() {
    QuickCheck::new().tests(1500).quickcheck(no_bytes_disturb::<Keyspace> as fn(u64, Vec<u8>, u8) -> bool);
    QuickCheck::new().tests(700).quickcheck(no_bytes_disturb::<Store> as fn(u64, Vec<u8>, u8) -> bool);
}

/// A stream of commands of all kinds.
fn conversation(seed: u64) -> Vec<u8> {
    let mut w = World::<Store>::new(seed);
    let mut out = vec![];
    for _ in 0..40 {
        let (k, n) = (w.pick(5), w.pick(100));
        let lines = match w.pick(12) {
            0 => format!("SET k{k} {}", "v".repeat(n as usize * 30)),
            1 => format!("INCR n{k}"),
            2 => format!("MULTI\nINCR n{k}\nGET k{k}\nNOSUCH\nEXEC"),
            3 => format!("WATCH n{k}\nMULTI\nINCR n{k}\nEXEC"),
            4 => "CLIENT REPLY SKIP\nPING\nPING".into(),
            5 => format!("CLIENT REPLY OFF\nINCR n{k}\nCLIENT REPLY ON"),
            6 => format!("SUBSCRIBE a b{k}\nGET k\nPING\nUNSUBSCRIBE"),
            7 => "HELLO 3\nSUBSCRIBE c\nPUBLISH c m\nUNSUBSCRIBE\nHELLO 2".into(),
            8 => "SAVE".into(),
            9 => format!("SELECT {k}\nDBSIZE"),
            10 => format!("WAIT 0 0\nGET k{k}"),
            _ => format!("DEL k{k} n{k}\nGET"),
        };
        for line in lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if n % 3 == 0 {
                out.extend_from_slice((line.to_string() + "\r\n").as_bytes());
            } else {
                out.extend_from_slice(Command::new(&words).frame());
            }
        }
    }
    out
}

fn replies<D: Make>(bytes: &[u8], seed: u64, chop: u64) -> Vec<u8> {
    let mut w = World::<D>::new(seed);
    w.add("");
    w.run();
    w.chop = chop;
    let c = w.client(0);
    w.say(c, bytes);
    w.run();
    w.raw(c)
}

fn any_split<D: Make>(seed: u64) -> bool {
    let bytes = conversation(seed);
    let whole = replies::<D>(&bytes, 1, 1 << 20);
    [1, 3, 50, 1000].into_iter().all(|chop| {
        let split = replies::<D>(&bytes, seed, chop);
        assert_eq!(split.escape_ascii().to_string(), whole.escape_ascii().to_string(), "seed {seed}, chop {chop}");
        true
    })
}

#[test]
fn any_split_of_the_commands_gives_the_same_replies() {
    QuickCheck::new().tests(25).quickcheck(any_split::<Keyspace> as fn(u64) -> bool);
    QuickCheck::new().tests(25).quickcheck(any_split::<Store> as fn(u64) -> bool);
}
