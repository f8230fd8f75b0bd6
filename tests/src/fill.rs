//! Many keys and many writes, pipelined.

use crate::mix;
use crate::resp::Client;
use crate::rng::Rng;
use crate::{Result, ensure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many commands are under way at once.
const PIPELINE: usize = 500;
/// Databases that are filled.
pub const DBS: usize = 3;

/// The wall clock in ms since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Fills `keys` keys over [`DBS`] databases: a fifth with a far expiry, some that expire within seconds.
pub fn keys(port: u16, keys: usize, rng: &mut Rng) -> Result<()> {
    let mut c = Client::connect(port)?;
    c.set_patience(Duration::from_secs(60))?;
    for db in 0..DBS {
        c.run(&format!("SELECT {db}"))?;
        let mut left = keys / DBS + usize::from(db < keys % DBS);
        while left > 0 {
            let n = left.min(PIPELINE);
            for i in 0..n {
                let key = format!("key:{db}:{}", left - i).into_bytes();
                push_set(&mut c, rng, key);
            }
            settle(&mut c, n)?;
            left -= n;
        }
    }
    Ok(())
}

fn push_set(c: &mut Client, rng: &mut Rng, key: Vec<u8>) {
    let len = 10 + rng.below(110) as usize;
    let value = match rng.below(10) {
        0 => rng.below(1 << 40).to_string().into_bytes(),
        _ => rng.bytes(len),
    };
    let mut args = vec![b"SET".to_vec(), key, value];
    match rng.below(100) {
        0..20 => args.extend([b"EX".to_vec(), (100_000 + rng.below(100_000)).to_string().into_bytes()]),
        20..23 => args.extend([b"PX".to_vec(), (1_000 + rng.below(5_000)).to_string().into_bytes()]),
        _ => {}
    }
    c.push(&args);
}

/// Reads `n` replies; an error among them is a failure.
fn settle(c: &mut Client, n: usize) -> Result<()> {
    c.flush()?;
    for _ in 0..n {
        let reply = c.read()?;
        ensure!(!reply.is_error(), "a write was refused: {reply:?}");
    }
    Ok(())
}

/// Writes `count` random commands to streams, in the database of every new connection.
pub fn streams(port: u16, count: usize, rng: &mut Rng) -> Result<()> {
    let mut c = Client::connect(port)?;
    c.set_patience(Duration::from_secs(60))?;
    for begun in (0..count).step_by(PIPELINE) {
        let n = PIPELINE.min(count - begun);
        // A clock that goes faster, so that these many commands do not all have the same few ids.
        (0..n).for_each(|_| c.push(&mix::command(mix::STREAMS, rng, now_ms() * 100)));
        c.flush()?;
        for _ in 0..n {
            let reply = c.read()?;
            ensure!(!(reply.is_error() && reply.text().starts_with("ERR unknown")), "refused: {}", reply.text());
        }
    }
    Ok(())
}

/// Writes `count` random commands of every kind over the databases, now and then in MULTI/EXEC. Commands that the
/// data refuses (INCR of a text) are part of it.
pub fn writes(port: u16, count: usize, rng: &mut Rng) -> Result<()> {
    let mut c = Client::connect(port)?;
    c.set_patience(Duration::from_secs(60))?;
    let mut left = count;
    while left > 0 {
        let n = left.min(PIPELINE);
        let unit = rng.one_in(4);
        if unit {
            c.push(&["MULTI"]);
        }
        for _ in 0..n {
            if rng.one_in(3) {
                let key = format!("key:{}:{}", rng.below(DBS as u64), rng.below(100_000)).into_bytes();
                push_set(&mut c, rng, key);
            } else {
                let list = match rng.below(40) {
                    0 => mix::BY_CHANCE,
                    1..20 => mix::WRITES,
                    _ => mix::COLLECTIONS,
                };
                c.push(&mix::command(list, rng, now_ms()));
            }
        }
        if unit {
            c.push(&["EXEC"]);
        }
        c.flush()?;
        for _ in 0..n + if unit { 2 } else { 0 } {
            let reply = c.read()?;
            let text = reply.text();
            let fatal = ["READONLY", "LOADING", "MISCONF", "NOREPLICAS", "OOM", "EXECABORT", "ERR unknown command"];
            ensure!(!(reply.is_error() && fatal.iter().any(|f| text.starts_with(f))), "a write was refused: -{text}");
        }
        left -= n;
    }
    Ok(())
}
