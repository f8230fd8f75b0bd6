//! Waiting for what replication promises: links up, offsets equal, digests equal.

use crate::Result;
use crate::fill::DBS;
use crate::resp::{Client, Value, find_info};
use crate::server::Server;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a replica may take to converge, full resync included.
pub const CONVERGE: Duration = Duration::from_secs(90);

/// Waits until the check is true. A failure of the check counts as not yet; the last one is told on a timeout.
pub fn until(limit: Duration, what: &str, mut check: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let last = match check() {
            Ok(true) => return Ok(()),
            Ok(false) => "it is not so yet".to_owned(),
            Err(e) => e.to_string(),
        };
        if Instant::now() > end {
            return Err(format!("{what}: not within {limit:?} ({last})").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The digest of the whole dataset (`DEBUG DIGEST`).
pub fn digest(server: &Server) -> Result<String> {
    let mut c = server.client()?;
    c.set_patience(Duration::from_secs(60))?;
    let text = c.text("DEBUG DIGEST")?;
    let known = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if known { Ok(text) } else { Err(format!("{}: DEBUG DIGEST says \"{text}\"", server.name).into()) }
}

/// Where a server stands in the stream: what a replica applied, what a master wrote.
pub fn offset(server: &Server) -> Result<i64> {
    let all = server.client()?.text("INFO replication")?;
    let text = find_info(&all, "slave_repl_offset").or_else(|| find_info(&all, "master_repl_offset"));
    let text = text.ok_or_else(|| format!("{}: no offset in INFO replication", server.name))?;
    Ok(text.parse()?)
}

/// Waits until the replica's link is up.
pub fn link_up(replica: &Server) -> Result<()> {
    until(CONVERGE, &format!("{}: master_link_status:up", replica.name), || {
        Ok(replica.client()?.info("replication", "master_link_status")? == "up")
    })
}

/// Waits until all stand at the same offset.
pub fn offsets_equal(servers: &[&Server]) -> Result<()> {
    until(CONVERGE, "offsets equal", || {
        let all = servers.iter().map(|s| offset(s)).collect::<Result<Vec<_>>>()?;
        if all.windows(2).all(|w| w[0] == w[1]) {
            return Ok(true);
        }
        Err(format!("{:?}", servers.iter().map(|s| &s.name).zip(all).collect::<Vec<_>>()).into())
    })
}

/// Waits until all stand at the same offset and hold the same dataset; gives the digest. Meanwhile no key is deleted
/// for its age: the digest counts expired keys that are still there, and each deletion moves the stream on.
pub fn same(servers: &[&Server]) -> Result<String> {
    active_expire(servers, false)?;
    let found = compare(servers);
    active_expire(servers, true)?;
    found
}

fn active_expire(servers: &[&Server], on: bool) -> Result<()> {
    for s in servers {
        s.client()?.run(&format!("DEBUG SET-ACTIVE-EXPIRE {}", u8::from(on)))?;
    }
    Ok(())
}

fn compare(servers: &[&Server]) -> Result<String> {
    offsets_equal(servers)?;
    let mut found = String::new();
    // The master's own PING may move the stream between two looks; the data must be equal at once.
    let equal = until(Duration::from_secs(5), "digests equal", || {
        let all = servers.iter().map(|s| digest(s)).collect::<Result<Vec<_>>>()?;
        found.clone_from(&all[0]);
        Ok(all.windows(2).all(|w| w[0] == w[1]))
    });
    if let Err(e) = equal {
        let more = servers[1..].iter().map(|s| differences(servers[0], s)).collect::<Result<Vec<_>>>()?;
        return Err(format!("{e}\n{}", more.join("\n")).into());
    }
    offsets_equal(servers)?;
    Ok(found)
}

/// The keys in which two servers differ, the first few in full.
pub fn differences(a: &Server, b: &Server) -> Result<String> {
    let (left, right) = (marks(a)?, marks(b)?);
    let mut keys: Vec<_> = left.keys().chain(right.keys()).filter(|k| left.get(*k) != right.get(*k)).collect();
    keys.dedup();
    let mut text = format!("{} and {} differ in {} of {} keys", a.name, b.name, keys.len(), left.len());
    for key in keys.iter().take(8) {
        let show = |m: &Marks| m.get(*key).map_or("absent".to_owned(), |(d, expires)| format!("{d} expires={expires}"));
        text += "\n  ";
        text +=
            &[format!("db {} \"{}\":", key.0, key.1.escape_ascii()), show(&left), "|".into(), show(&right)].join(" ");
    }
    Ok(text)
}

/// Per database and key: the value's digest, and whether it expires.
type Marks = BTreeMap<(usize, Vec<u8>), (String, bool)>;

fn marks(server: &Server) -> Result<Marks> {
    let mut c = server.client()?;
    let mut out = Marks::new();
    for db in 0..DBS {
        c.run(&format!("SELECT {db}"))?;
        let keys = c.run("KEYS *")?;
        for part in keys.items().chunks(500) {
            for key in part {
                let Value::Bulk(key) = key else { continue };
                c.push(&[b"DEBUG".as_slice(), b"DIGEST-VALUE", key]);
                c.push(&[b"PTTL".as_slice(), key]);
            }
            c.flush()?;
            for key in part {
                let Value::Bulk(key) = key else { continue };
                let digest = c.read()?.items().first().map(Value::text).unwrap_or_default();
                out.insert((db, key.clone()), (digest, c.read()? != Value::Int(-1)));
            }
        }
    }
    Ok(out)
}

/// How many full and partial resyncs a master served since it started.
pub fn served(master: &Server) -> Result<(i64, i64)> {
    let mut c = master.client()?;
    Ok((c.info_num("stats", "sync_full")?, c.info_num("stats", "sync_partial_ok")?))
}

/// Saves a snapshot with BGSAVE and waits until it is on the disk.
pub fn saved(server: &Server) -> Result<()> {
    let mut c = server.client()?;
    let end = Instant::now() + CONVERGE;
    // One that was under way already (a resync's, a save rule's) began before now: wait for it, then ask again.
    while let Err(e) = c.run("BGSAVE") {
        if Instant::now() > end || !e.to_string().contains("in progress") {
            return Err(e);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    finished(&mut c)
}

fn finished(c: &mut Client) -> Result<()> {
    until(CONVERGE, "BGSAVE done", || Ok(c.info_num("persistence", "rdb_bgsave_in_progress")? == 0))?;
    let status = c.info("persistence", "rdb_last_bgsave_status")?;
    if status == "ok" { Ok(()) } else { Err(format!("rdb_last_bgsave_status:{status}").into()) }
}
