//! A master that misbehaves: it answers a replica's handshake, then does what a script says.

use crate::resp::Client;
use crate::{Result, ports};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A replication id that no server has.
pub const ID: &str = "feedfacefeedfacefeedfacefeedfacefeedface";

/// What it does with each connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers so many commands, then closes.
    CloseAfter(usize),
    /// Answers the first command with these bytes, then waits.
    Greet(Vec<u8>),
    /// Answers PSYNC (and SYNC) with these bytes, then closes.
    Sync(Vec<u8>),
    /// Answers PSYNC (and SYNC) with these bytes, then keeps the connection open and silent.
    SyncAndHold(Vec<u8>),
    /// Like [`Act::SyncAndHold`] of a master before Redis 2.8, which knows SYNC only.
    OldSync(Vec<u8>),
    /// Like [`Act::SyncAndHold`] the first time; later ones are closed without an answer.
    SyncOnce(Vec<u8>),
}

/// The listener.
pub struct FakeMaster {
    /// Its port.
    pub port: u16,
    /// What it does now, and how many connections came to PSYNC under it: one that is late still counts for its own act.
    act: Arc<Mutex<(Act, Arc<AtomicUsize>)>>,
    seen: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl FakeMaster {
    /// Listens on a loopback port.
    pub fn start(act: Act) -> Result<Self> {
        let (listener, port) = ports::listen()?;
        listener.set_nonblocking(true)?;
        let master = Self {
            port,
            act: Arc::new(Mutex::new((act, Arc::default()))),
            seen: Arc::default(),
            ended: Arc::default(),
        };
        let (act, seen, ended) = (Arc::clone(&master.act), Arc::clone(&master.seen), Arc::clone(&master.ended));
        std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                seen.fetch_add(1, Ordering::SeqCst);
                let Ok((act, syncs)) = act.lock().map(|a| a.clone()) else { return };
                let ended = Arc::clone(&ended);
                std::thread::spawn(move || serve(stream, &act, &syncs, &ended).unwrap_or_default());
            }
        });
        Ok(master)
    }

    /// Does something else from the next connection on; the counts begin anew.
    pub fn act(&self, act: Act) -> Result<()> {
        *self.act.lock().map_err(|_| "lock")? = (act, Arc::default());
        self.seen.store(0, Ordering::SeqCst);
        Ok(())
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// How many of them came as far as PSYNC or SYNC.
    #[must_use]
    pub fn syncs(&self) -> usize {
        self.act.lock().map_or(0, |act| act.1.load(Ordering::SeqCst))
    }
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

fn serve(stream: TcpStream, act: &Act, syncs: &AtomicUsize, ended: &AtomicBool) -> Result<()> {
    stream.set_nonblocking(false)?;
    let mut c = Client::from_stream(stream)?;
    let mut answered = 0;
    loop {
        if matches!(act, Act::CloseAfter(n) if *n == answered) {
            return Ok(());
        }
        let command = c.read()?;
        let name = command.items().first().map(|n| n.text().to_ascii_uppercase()).unwrap_or_default();
        answered += 1;
        let sync = name == "PSYNC" || name == "SYNC";
        let first = !sync || syncs.fetch_add(1, Ordering::SeqCst) == 0;
        match act {
            Act::Greet(bytes) => {
                c.send_raw(bytes)?;
                return hold(&c, ended);
            }
            Act::Sync(bytes) if sync => {
                c.send_raw(bytes)?;
                return Ok(());
            }
            Act::OldSync(bytes) if sync => {
                c.send_raw(b"-ERR unknown command 'PSYNC'\r\n")?;
                // A replica says it as a plain line.
                let mut line = [0; 6];
                std::io::Read::read_exact(&mut c.stream(), &mut line)?;
                crate::ensure!(line == *b"SYNC\r\n", "{} in place of SYNC", line.escape_ascii());
                c.send_raw(bytes)?;
                return hold(&c, ended);
            }
            Act::SyncOnce(_) if !first => return Ok(()),
            Act::SyncAndHold(bytes) | Act::SyncOnce(bytes) if sync => {
                c.send_raw(bytes)?;
                return hold(&c, ended);
            }
            _ if name == "PING" => c.send_raw(b"+PONG\r\n")?,
            _ => c.send_raw(b"+OK\r\n")?,
        }
    }
}

/// Keeps a connection open until the peer closes it or the fake ends.
fn hold(c: &Client, ended: &AtomicBool) -> Result<()> {
    use std::io::Read;
    c.stream().set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut chunk = [0; 4096];
    while !ended.load(Ordering::SeqCst) {
        match c.stream().read(&mut chunk) {
            Ok(0) => return Ok(()),
            Err(e) if !matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}
