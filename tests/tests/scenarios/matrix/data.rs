//! What is in a master when a replica comes, and what is written meanwhile.

use super::Column;
use primacy_tests::program::{Kind, Program};
use primacy_tests::resp::{Client, Value};
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::{Result, ensure, fill, scaled};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What all of some servers know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Streams of any history. Redis 6.2 reads those only of which nothing was ever deleted, and keeps pending what was.
    pub any_streams: bool,
    pub functions: bool,
    /// Fields that expire, in snapshots too.
    pub fields: bool,
}

impl Known {
    /// What a master of this kind can hand on to replicas of these kinds.
    pub(super) fn by(master: &Program, replicas: &[&Program]) -> Self {
        let can = |column: Column| replicas.iter().all(|r| column.cannot(master.kind, r.kind).is_none());
        Self {
            any_streams: can(Column::Streams) && master.kind != Kind::Redis(6, 2),
            functions: can(Column::Functions),
            fields: can(Column::Fields),
        }
    }

    /// What is known on both ways.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            any_streams: self.any_streams && other.any_streams,
            functions: self.functions && other.functions,
            fields: self.fields && other.fields,
        }
    }
}

/// Fills a master with data of all types that are known.
pub(super) fn fill(m: &Server, known: Known, rng: &mut Rng) -> Result<()> {
    fill::keys(m.port, scaled(3_000, 20_000), rng)?;
    fill::writes(m.port, scaled(2_000, 10_000), rng)?;
    let mut c = m.client()?;
    large(&mut c, rng)?;
    if known.any_streams {
        fill::streams(m.port, scaled(1_000, 4_000), rng)?;
    } else {
        streams(&mut c, rng)?;
    }
    if known.functions {
        functions(&mut c)?;
    }
    apart(&mut c, known)
}

/// Sends a command; an error is a failure.
pub(super) fn say<A: AsRef<[u8]>>(c: &mut Client, args: &[A]) -> Result<Value> {
    let reply = c.ask(args)?;
    if let Value::Error(text) = &reply {
        let line: Vec<String> = args.iter().map(|a| a.as_ref().escape_ascii().to_string()).collect();
        return Err(format!("{:.200}: -{text}", line.join(" ")).into());
    }
    Ok(reply)
}

/// Each collection past what its small form holds, and strings of all forms.
fn large(c: &mut Client, rng: &mut Rng) -> Result<()> {
    let mut text = |len| -> Vec<u8> { rng.bytes(len) };
    say(c, &[b"SET".to_vec(), b"big:string".to_vec(), text(200_000)])?;
    say(c, &[b"RPUSH".to_vec(), b"big:list".to_vec(), text(30_000), text(10), text(9_000)])?;
    for i in 0..20 {
        let (mut hash, mut set, mut list, mut sorted, mut ints) =
            ([("HSET", "hash"), ("SADD", "set"), ("LPUSH", "list"), ("ZADD", "sorted"), ("SADD", "ints")])
                .map(|(name, key)| vec![name.as_bytes().to_vec(), format!("big:{key}").into_bytes()])
                .into();
        for j in 0..60 {
            let n = (i * 60 + j).to_string().into_bytes();
            hash.extend([n.clone(), text(20)]);
            set.push([b"m", &n[..]].concat());
            list.push(text(90));
            sorted.extend([n.clone(), [b"m", &n[..]].concat()]);
            ints.push((i * 60_000 + j * 7).to_string().into_bytes());
        }
        for args in [hash, set, list, sorted, ints] {
            say(c, &args)?;
        }
        say(c, &["PFADD", "big:hll", &format!("e{i}"), &format!("f{i}"), &format!("g{i}")])?;
    }
    for line in ["SETBIT big:bits 400000 1", "SETBIT small:bits 9 1", "GEOADD places 13.36 38.11 a 15.08 37.5 b"] {
        c.run(line)?;
    }
    Ok(())
}

/// Streams of which nothing was deleted, and groups that have read all or nothing: a loader derives their counters, so that
/// they are in snapshots that Redis 6.2 reads.
fn streams(c: &mut Client, rng: &mut Rng) -> Result<()> {
    for stream in 0..4 {
        let key = format!("y:{stream}");
        for id in 1..300 {
            say(
                c,
                &[
                    b"XADD".to_vec(),
                    key.clone().into_bytes(),
                    format!("{id}-1").into_bytes(),
                    b"f".to_vec(),
                    rng.bytes(30),
                ],
            )?;
        }
        c.run(&format!("XGROUP CREATE {key} g0 0"))?;
        c.run(&format!("XREADGROUP GROUP g0 w0 STREAMS {key} >"))?;
        c.run(&format!("XACK {key} g0 1-1 4-1"))?;
        c.run(&format!("XGROUP CREATE {key} g1 $"))?;
    }
    Ok(())
}

fn functions(c: &mut Client) -> Result<()> {
    for name in ["one", "two"] {
        let code =
            format!("#!lua name={name}\nredis.register_function('{name}_f', function(keys, args) return '{name}' end)");
        say(c, &["FUNCTION", "LOAD", "REPLACE", &code])?;
    }
    Ok(())
}

/// Keys of which digests tell different things. Valkey prints scores with fractions in another way than Redis, and tells
/// nothing of fields that expire.
const APART: [&str; 4] = ["fractions", "many:fractions", "timed", "many:timed"];

/// Sorted sets with fractions for scores, and where they are known hashes of which some fields expire.
pub(super) fn apart(c: &mut Client, known: Known) -> Result<()> {
    for (i, score) in ["0.1", "-1.5", "3.5e-20", "1e300", "-inf", "inf", "17.000000000000004"].iter().enumerate() {
        say(c, &["ZADD", APART[0], score, score])?;
        for j in 0..40 {
            say(c, &["ZADD", APART[1], score, &format!("{i}:{j}")])?;
        }
    }
    if known.fields {
        for (key, count) in [(APART[2], 8), (APART[3], 600)] {
            for i in 0..count {
                c.run(&format!("HSET {key} f{i} {i}"))?;
            }
            for i in [1, 5, count - 2] {
                c.run(&format!("HPEXPIRE {key} {}00000 FIELDS 1 f{i}", 900 + i))?;
            }
        }
    }
    Ok(())
}

/// Takes them away.
pub(super) fn without_apart(c: &mut Client) -> Result<()> {
    c.run(&format!("DEL {}", APART.join(" "))).map(drop)
}

/// What no digest tells, or not all in the same way: scores with fractions, when fields expire, which libraries there are.
pub(super) fn beside_the_digest(s: &Server, known: Known) -> Result<Vec<String>> {
    let mut c = s.client()?;
    let mut out = Vec::new();
    for key in &APART[..2] {
        let all = c.run(&format!("ZRANGE {key} 0 -1 WITHSCORES"))?;
        for pair in all.items().chunks(2) {
            let score: f64 = pair[1].text().parse()?;
            out.push(format!("{key} {} {:x}", pair[0].text(), score.to_bits()));
        }
    }
    for key in APART[2..].iter().filter(|_| known.fields) {
        let names = c.run(&format!("HKEYS {key}"))?;
        let mut names: Vec<String> = names.items().iter().map(Value::text).collect();
        names.sort();
        for name in names {
            let value = c.text(&format!("HGET {key} {name}"))?;
            out.push(format!("{key} {name} {value} {:?}", c.run(&format!("HPEXPIRETIME {key} FIELDS 1 {name}"))?));
        }
    }
    if known.functions {
        let all = c.run("FUNCTION LIST WITHCODE")?;
        let mut libraries: Vec<String> = all.items().iter().map(|l| format!("{l:?}")).collect();
        libraries.sort();
        ensure!(!libraries.is_empty(), "{} has no function library", s.name);
        out.append(&mut libraries);
    }
    Ok(out)
}

/// Puts data of one kind alone into a master.
pub(super) fn only(m: &Server, column: Column, rng: &mut Rng) -> Result<()> {
    let mut c = m.client()?;
    match column {
        Column::Streams => {
            streams(&mut c, rng)?;
            c.run("XDEL y:0 7-1 9-1")?;
            c.run("XTRIM y:1 MAXLEN 10")?;
            c.run("XGROUP SETID y:2 g0 200-1")?;
            c.run("XREADGROUP GROUP g0 w1 COUNT 7 STREAMS y:2 >")?;
        }
        Column::Functions => functions(&mut c)?,
        Column::Fields => apart(&mut c, Known { any_streams: false, functions: false, fields: true })?,
        _ => return Err(format!("{column:?} is no kind of data").into()),
    }
    Ok(())
}

/// A client that writes until it is told to stop.
pub(super) struct Writing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<usize>>,
}

impl Writing {
    pub(super) fn start(port: u16, mut rng: Rng) -> Self {
        const BATCH: usize = 50;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut written = 0;
            while !flag.load(Ordering::Relaxed) {
                fill::writes(port, BATCH, &mut rng)?;
                written += BATCH;
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Ok(written)
        });
        Self { stop, thread }
    }

    /// Stops it; how much it wrote.
    pub(super) fn end(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the writer panicked")?
    }
}
