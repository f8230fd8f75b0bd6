//! Clients that count, so that no write that was acknowledged can be lost unseen.
//!
//! Each adds one to a key of its own at whichever server is the master. What the key holds in the end is at least what was
//! acknowledged, and at most that and what nobody answered.

use crate::resp::{Client, Value};
use crate::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a client rests before it asks the next server.
const REST: Duration = Duration::from_millis(1);

/// A thread with a client that counts.
pub struct Counter {
    key: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicI64>,
    thread: JoinHandle<Result<Counted>>,
}

/// What a client has counted.
pub struct Counted {
    /// The key.
    pub key: String,
    /// How many writes were acknowledged.
    pub acknowledged: i64,
    /// How many writes were not answered, or by fewer replicas than were asked for.
    pub unsure: i64,
}

impl Counter {
    /// Counts at the master among these ports. With `replicas` a write counts as acknowledged when `WAIT` says that so many
    /// replicas have it.
    #[must_use]
    pub fn start(key: String, ports: &[u16], replicas: usize) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (flag, sum, name, ports) = (Arc::clone(&stop), Arc::clone(&acknowledged), key.clone(), ports.to_vec());
        let thread = std::thread::spawn(move || {
            let unsure = count(&name, &ports, replicas, &flag, &sum)?;
            Ok(Counted { key: name, acknowledged: sum.load(Ordering::SeqCst), unsure })
        });
        Self { key, stop, acknowledged, thread }
    }

    /// The key, and how many writes were acknowledged so far.
    #[must_use]
    pub fn so_far(&self) -> (&str, i64) {
        (&self.key, self.acknowledged.load(Ordering::SeqCst))
    }

    /// Stops it.
    pub fn end(self) -> Result<Counted> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| "a counter panicked")?
    }
}

impl Counted {
    /// Holds what a server has against it; an error if an acknowledged write is lost or a write was made twice.
    pub fn check(&self, c: &mut Client) -> Result<()> {
        let value: i64 = c.text(&format!("GET {}", self.key))?.parse().unwrap_or_default();
        let Self { key, acknowledged, unsure } = self;
        let sound = (*acknowledged..=acknowledged + unsure).contains(&value);
        ensure!(sound, "{key} is {value}; {acknowledged} were acknowledged, {unsure} not answered");
        Ok(())
    }
}

/// Counts until `stop`; how many writes nobody answered.
fn count(key: &str, ports: &[u16], replicas: usize, stop: &AtomicBool, sum: &AtomicI64) -> Result<i64> {
    let (mut unsure, mut at) = (0, 0);
    let mut client: Option<Client> = None;
    while !stop.load(Ordering::SeqCst) {
        let Some(c) = &mut client else {
            client = Client::connect(ports[at % ports.len()]).ok();
            if client.is_none() {
                at += 1;
                std::thread::sleep(REST);
            }
            continue;
        };
        match add_one(c, key, replicas) {
            Ok(Answer::Acknowledged) => {
                sum.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Answer::Unsure) => unsure += 1,
            Ok(Answer::NoMaster) => {
                (client, at) = (None, at + 1);
                std::thread::sleep(REST);
            }
            Ok(Answer::Wrong(other)) => return Err(format!("INCR is answered {other:?}").into()),
            Err(_) => {
                unsure += 1;
                client = None;
            }
        }
    }
    Ok(unsure)
}

enum Answer {
    Acknowledged,
    Unsure,
    NoMaster,
    Wrong(Value),
}

fn add_one(c: &mut Client, key: &str, replicas: usize) -> Result<Answer> {
    c.push(&["INCR", key]);
    if replicas > 0 {
        c.push(&["WAIT", &replicas.to_string(), "200"]);
    }
    c.flush()?;
    let written = c.read()?;
    let had = if replicas > 0 { c.read()? } else { Value::Int(0) };
    Ok(match (written, had) {
        (Value::Int(_), Value::Int(n)) if n >= replicas as i64 => Answer::Acknowledged,
        (Value::Int(_), _) => Answer::Unsure,
        (Value::Error(e), _) if ["READONLY", "LOADING"].iter().any(|w| e.starts_with(w)) => Answer::NoMaster,
        (other, _) => Answer::Wrong(other),
    })
}
