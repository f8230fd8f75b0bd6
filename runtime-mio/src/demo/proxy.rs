//! A link to a node that can be cut: what a network does when it parts a node from all others.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How often a cut link is looked at again.
const STEP: Duration = Duration::from_millis(2);
/// What is passed on at once, bytes.
const PIECE: usize = 64 << 10;

/// A listener that passes each connection on to a node. Its threads end with the process.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) at: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn to(node: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (at, cut) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let shared = Arc::clone(&cut);
        thread::Builder::new().name("link".into()).spawn(move || {
            for near in listener.incoming().flatten() {
                // A node that is not there: the connection ends, as a refused one would.
                let _ = pass(near, node, &shared);
            }
        })?;
        Ok(Self { at, cut })
    }

    /// Passes nothing in either direction; connections stand, and new ones are taken, as by a network that is silent.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Passes everything again.
    pub(crate) fn heal(&self) {
        self.cut.store(false, Relaxed);
    }
}

fn pass(near: TcpStream, node: SocketAddr, cut: &Arc<AtomicBool>) -> io::Result<()> {
    let far = TcpStream::connect(node)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    for (mut from, mut to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        let cut = Arc::clone(cut);
        thread::Builder::new().name("link".into()).spawn(move || {
            let mut piece = vec![0; PIECE];
            while let Ok(n @ 1..) = from.read(&mut piece) {
                while cut.load(Relaxed) {
                    thread::sleep(STEP);
                }
                if to.write_all(&piece[..n]).is_err() {
                    break;
                }
            }
            // Half-closed stays half-closed: what the other direction still owes passes.
            let _ = to.shutdown(Shutdown::Write);
        })?;
    }
    Ok(())
}
