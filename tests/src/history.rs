//! A recorded history of numbered writes, so that a dataset can be held against it: is it a prefix, and which?
//!
//! Operation `i` sets the counter `n` to `i` and changes something else in the same unit (one MSET, or one
//! MULTI/EXEC), so a server that keeps units whole always holds the state after some operation, and says which.

use crate::resp::Client;
use crate::rng::Rng;
use crate::{Result, ensure};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Keys per database.
const KEYS: u64 = 400;
/// Databases.
const DBS: u64 = 3;
/// The counter's key, in database 0.
const COUNTER: &str = "n";

/// What a key holds: its value, and whether it expires.
type Held = (Vec<u8>, bool);
/// A dataset: per database and key.
pub type Data = BTreeMap<(u64, Vec<u8>), Held>;

/// One change inside an operation.
enum Change {
    Set(u64, String, Vec<u8>),
    SetFar(u64, String, Vec<u8>),
    Append(u64, String, Vec<u8>),
    Del(u64, String),
    Persist(u64, String),
}

/// The record: which operations were sent and answered.
pub struct History {
    seed: u64,
    /// Where each era begins: a master that lost its newest writes goes on with other ones under the same numbers.
    eras: Vec<u64>,
    /// The last operation sent.
    pub sent: u64,
    /// The last operation whose answer came.
    pub answered: u64,
}

impl History {
    /// An empty record.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, eras: vec![1], sent: 0, answered: 0 }
    }

    /// The master lost what came after `last`: the next operation is `last + 1`, with another content.
    pub fn lose_after(&mut self, last: u64) {
        self.sent = last;
        self.answered = last;
        self.eras.push(last + 1);
    }

    fn changes(&self, i: u64) -> Vec<Change> {
        let era = self.eras.iter().rposition(|&from| from <= i).unwrap_or_default() as u64;
        let mut rng = Rng::new(self.seed ^ (i << 20) ^ (era << 52));
        let mut out = Vec::new();
        let count = if i.is_multiple_of(3) { 1 } else { 1 + rng.below(3) };
        for _ in 0..count {
            // Every third operation is one plain MSET in database 0.
            let (db, kind) = if i.is_multiple_of(3) { (0, 0) } else { (rng.below(DBS), rng.below(8)) };
            let key = format!("h:{}", rng.below(KEYS));
            let len = rng.below(200) as usize;
            let mut value = format!("{i}.{era}:").into_bytes();
            value.extend(rng.bytes(len));
            out.push(match kind {
                4 => Change::SetFar(db, key, value),
                5 => Change::Append(db, key, format!(" {i}.{era}").into_bytes()),
                6 => Change::Del(db, key),
                7 => Change::Persist(db, key),
                _ => Change::Set(db, key, value),
            });
        }
        out
    }

    /// Queues operation `i` and gives the number of replies.
    fn push(&self, c: &mut Client, i: u64) -> usize {
        let changes = self.changes(i);
        let n = i.to_string();
        if let ([Change::Set(0, key, value)], 0) = (&changes[..], i % 3) {
            c.push(&[b"MSET", COUNTER.as_bytes(), n.as_bytes(), key.as_bytes(), value]);
            return 1;
        }
        c.push(&["MULTI"]);
        let mut replies = 4;
        for change in &changes {
            let (Change::Set(db, ..)
            | Change::SetFar(db, ..)
            | Change::Append(db, ..)
            | Change::Del(db, ..)
            | Change::Persist(db, ..)) = change;
            c.push(&["SELECT", &db.to_string()]);
            match change {
                Change::Set(_, key, value) => c.push(&[b"SET", key.as_bytes(), value]),
                Change::SetFar(_, key, value) => c.push(&[b"SET", key.as_bytes(), value, b"EX", b"100000"]),
                Change::Append(_, key, value) => c.push(&[b"APPEND", key.as_bytes(), value]),
                Change::Del(_, key) => c.push(&["DEL", key]),
                Change::Persist(_, key) => c.push(&["PERSIST", key]),
            }
            replies += 2;
        }
        c.push(&["SELECT", "0"]);
        c.push(&["SET", COUNTER, &n]);
        c.push(&["EXEC"]);
        replies
    }

    fn apply(&self, data: &mut Data, i: u64) {
        for change in self.changes(i) {
            match change {
                Change::Set(db, key, value) => {
                    data.insert((db, key.into_bytes()), (value, false));
                }
                Change::SetFar(db, key, value) => {
                    data.insert((db, key.into_bytes()), (value, true));
                }
                Change::Append(db, key, value) => {
                    data.entry((db, key.into_bytes())).or_default().0.extend(value);
                }
                Change::Del(db, key) => {
                    data.remove(&(db, key.into_bytes()));
                }
                Change::Persist(db, key) => {
                    if let Some(held) = data.get_mut(&(db, key.into_bytes())) {
                        held.1 = false;
                    }
                }
            }
        }
        data.insert((0, COUNTER.into()), (i.to_string().into_bytes(), false));
    }

    /// The dataset after operation `last`.
    #[must_use]
    pub fn after(&self, last: u64) -> Data {
        let mut data = Data::new();
        for i in 1..=last {
            self.apply(&mut data, i);
        }
        data
    }

    /// Which prefix of the history a server holds. A failure if it holds none.
    pub fn prefix(&self, port: u16) -> Result<u64> {
        let held = dump(port)?;
        let last = match held.get(&(0, COUNTER.into())) {
            None => 0,
            Some((n, _)) => String::from_utf8_lossy(n).parse()?,
        };
        ensure!(last <= self.sent, "the dataset holds operation {last}, but only {} were sent", self.sent);
        let want = self.after(last);
        if want != held {
            let wrong = want.iter().find(|(k, v)| held.get(*k) != Some(v)).map(|(k, _)| k);
            let extra = held.keys().find(|k| !want.contains_key(*k));
            let show = |d: &Data, k: &(u64, Vec<u8>)| d.get(k).map(|(v, e)| format!("{} {e}", v.escape_ascii()));
            let key = wrong.or(extra).cloned().unwrap_or_default();
            return Err(format!(
                "the dataset is no prefix of the history: counter {last}, {} keys for {}; db {} key {}: expected {:?}, found {:?}",
                held.len(), want.len(), key.0, key.1.escape_ascii(), show(&want, &key), show(&held, &key)
            )
            .into());
        }
        Ok(last)
    }
}

/// The counter alone: the last operation that a server holds.
pub fn counter(port: u16) -> Result<u64> {
    let text = Client::connect(port)?.text(&format!("GET {COUNTER}"))?;
    Ok(text.parse().unwrap_or_default())
}

/// Everything a server holds, while nobody writes to it.
pub fn dump(port: u16) -> Result<Data> {
    let mut c = Client::connect(port)?;
    let mut data = Data::new();
    for db in 0..DBS {
        c.run(&format!("SELECT {db}"))?;
        let keys: Vec<Vec<u8>> = c.run("KEYS *")?.items().iter().map(|k| k.text().into_bytes()).collect();
        for key in &keys {
            c.push(&[b"GET".as_slice(), key]);
            c.push(&[b"PTTL".as_slice(), key]);
        }
        c.flush()?;
        for key in keys {
            let value = c.read()?;
            let ttl = c.read()?;
            if let crate::resp::Value::Bulk(value) = value {
                data.insert((db, key), (value, ttl != crate::resp::Value::Int(-1)));
            }
        }
    }
    Ok(data)
}

/// A thread that carries the history on until it is stopped or its server goes away.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Writer {
    /// Writes to a port, with a short rest between batches.
    #[must_use]
    pub fn start(port: u16, history: &Arc<Mutex<History>>, rest: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, history) = (Arc::clone(&stop), Arc::clone(history));
        let thread = std::thread::spawn(move || write(port, &history, &flag, rest));
        Self { stop, thread: Some(thread) }
    }

    /// Stops it; a failure if the server refused a write. A connection that ended is none.
    pub fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err("the writer panicked".into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn write(port: u16, history: &Mutex<History>, stop: &AtomicBool, rest: Duration) -> Result<()> {
    let Ok(mut c) = Client::connect(port) else { return Ok(()) };
    while !stop.load(Ordering::SeqCst) {
        let mut replies = Vec::new();
        {
            let mut h = history.lock().map_err(|_| "lock")?;
            for _ in 0..10 {
                h.sent += 1;
                let i = h.sent;
                replies.push((i, h.push(&mut c, i)));
            }
        }
        if c.flush().is_err() {
            return Ok(());
        }
        for (i, n) in replies {
            for _ in 0..n {
                let Ok(reply) = c.read() else { return Ok(()) };
                ensure!(!reply.is_error(), "operation {i} was refused: {reply:?}");
            }
            history.lock().map_err(|_| "lock")?.answered = i;
        }
        std::thread::sleep(rest);
    }
    Ok(())
}
