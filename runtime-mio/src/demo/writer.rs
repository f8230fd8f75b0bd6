//! A client that writes all the time, each write acknowledged by a replica, and asks the sentinels where the master is.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Client, Reply};
use super::watch::{Seen, Sight};

/// Between two writes.
const PACE: Duration = Duration::from_millis(2);
/// How long a write may take, before the sentinels are asked where the master is now.
const PATIENCE: Duration = Duration::from_millis(200);
/// The same at a master that has not answered before: it may be frozen still.
const IMPATIENCE: Duration = Duration::from_millis(30);
/// What the sentinels call the master.
pub(crate) const NAME: &str = "mymaster";
/// Keys that are asked for in one go.
const BATCH: usize = 1000;

/// What became of the writes so far, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// A replica has them: they must survive.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// No replica said so, or nobody at all.
    pub(crate) unsure: BTreeSet<u64>,
}

/// The client's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<Mutex<Written>>,
    taken: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(sentinels: Vec<SocketAddr>, seen: Sender<Seen>) -> io::Result<Self> {
        let (stop, written, taken) = (Arc::default(), Arc::default(), Arc::default());
        let mut hand = Hand {
            sentinels,
            seen,
            stop: Arc::clone(&stop),
            written: Arc::clone(&written),
            taken: Arc::clone(&taken),
            silent: None,
        };
        let thread = thread::Builder::new().name("writer".into()).spawn(move || hand.write())?;
        Ok(Self { stop, written, taken, thread: Some(thread) })
    }

    /// How many writes were acknowledged.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    pub(crate) fn written(&self) -> Written {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // Every wait of it is bounded.
        }
    }
}

struct Hand {
    sentinels: Vec<SocketAddr>,
    seen: Sender<Seen>,
    stop: Arc<AtomicBool>,
    written: Arc<Mutex<Written>>,
    taken: Arc<AtomicU64>,
    /// Who did not answer last.
    silent: Option<SocketAddr>,
}

impl Hand {
    fn write(&mut self) {
        let (mut master, mut last) = (None, None);
        let mut number = 0;
        while !self.stop.load(Relaxed) {
            let Some((at, client)) = &mut master else {
                master = self.find();
                if master.is_none() {
                    thread::sleep(PACE);
                }
                continue;
            };
            let (at, took) = (*at, one(client, number));
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            match took {
                Ok(true) => {
                    written.acknowledged.insert(number);
                    self.taken.fetch_add(1, Relaxed);
                    self.silent = None;
                    if last != Some(at) {
                        last = Some(at);
                        // Nobody listens at the end of the demonstration.
                        let _ = self.seen.send(Seen { at: Instant::now(), sight: Sight::Took(at) });
                    }
                }
                Ok(false) => drop(written.unsure.insert(number)),
                Err(_) => {
                    written.unsure.insert(number);
                    (master, self.silent) = (None, Some(at));
                }
            }
            drop(written);
            number += 1;
            thread::sleep(PACE);
        }
    }

    /// The master that the first sentinel that answers names.
    fn find(&self) -> Option<(SocketAddr, Client)> {
        let at = self.sentinels.iter().find_map(|s| named(*s, PATIENCE).ok())?;
        let patience = if self.silent == Some(at) { IMPATIENCE } else { PATIENCE };
        Some((at, Client::patient(at, patience).ok()?))
    }
}

/// The master that a sentinel names.
pub(crate) fn named(sentinel: SocketAddr, patience: Duration) -> io::Result<SocketAddr> {
    let reply = Client::patient(sentinel, patience)?.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
    let port = match &reply {
        Reply::Array(pair) => pair.get(1).and_then(|p| if let Reply::Text(p) = p { p.parse().ok() } else { None }),
        _ => None,
    };
    let port: u16 = port.ok_or_else(|| io::Error::other(format!("a sentinel names {reply:?} as the master")))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

fn key(number: u64) -> String {
    format!("demo:{number}")
}

/// One write; whether a replica has it.
fn one(client: &mut Client, number: u64) -> io::Result<bool> {
    let (key, value) = (key(number), number.to_string());
    let wait = (PATIENCE.as_millis() / 2).to_string();
    let commands = [&["SET", &key, &value][..], &["WAIT", "1", &wait]];
    let commands = commands.map(|c| c.iter().map(|word| word.as_bytes().to_vec()).collect());
    match &client.pipeline(&commands)?[..] {
        [set, Reply::Integer(n)] if set.is("OK") => Ok(*n >= 1),
        other => Err(io::Error::other(format!("a write was answered {other:?}"))),
    }
}

/// Those of the writes that a server does not have.
pub(crate) fn missing(server: SocketAddr, numbers: &BTreeSet<u64>) -> io::Result<Vec<u64>> {
    let mut client = Client::connect(server)?;
    let numbers: Vec<u64> = numbers.iter().copied().collect();
    let mut missing = Vec::new();
    for batch in numbers.chunks(BATCH) {
        let commands: Vec<_> = batch.iter().map(|n| vec![b"GET".to_vec(), key(*n).into_bytes()]).collect();
        let replies = client.pipeline(&commands)?;
        missing.extend(batch.iter().zip(replies).filter(|(n, reply)| !reply.is(&n.to_string())).map(|(n, _)| *n));
    }
    Ok(missing)
}
