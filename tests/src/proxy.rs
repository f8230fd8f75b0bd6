//! A TCP link that can be cut, stalled and slowed down.

use crate::{Result, ports};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A listener on a loopback port that passes every connection on to another port.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    to: u16,
    cut: AtomicBool,
    stalled: AtomicBool,
    /// What comes from the port it leads to stands still.
    held: AtomicBool,
    ended: AtomicBool,
    /// Bytes a second in each direction of each connection; 0 is unlimited.
    rate: AtomicU64,
    /// How long each byte is on its way in each direction, us.
    delay: AtomicU64,
    passed: AtomicU64,
    begun: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// Pieces that are on their way under a delay, of 64 KB at most.
const PIECES_MAX: usize = 4096;
const STEP: Duration = Duration::from_millis(5);

impl Proxy {
    /// A link to a loopback port.
    pub fn to(to: u16) -> Result<Self> {
        let (listener, port) = ports::listen()?;
        listener.set_nonblocking(true)?;
        let state = Arc::new(State {
            to,
            cut: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            held: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            rate: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || shared.accept(&listener));
        Ok(Self { port, state })
    }

    /// Ends all connections and refuses new ones until [`Proxy::heal`].
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.state.close_all();
    }

    /// Ends all connections; new ones pass.
    pub fn blink(&self) {
        self.state.close_all();
    }

    /// Lets connections pass again.
    pub fn heal(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
        self.state.stalled.store(false, Ordering::SeqCst);
        self.state.held.store(false, Ordering::SeqCst);
    }

    /// Keeps the connections and passes no bytes until [`Proxy::heal`].
    pub fn stall(&self) {
        self.state.stalled.store(true, Ordering::SeqCst);
    }

    /// Passes no bytes that come from the port it leads to until [`Proxy::heal`]; what is said to that port still passes.
    pub fn hold_back(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    /// Passes at most so many bytes a second in each direction; 0 is unlimited.
    pub fn limit(&self, bytes_per_second: u64) {
        self.state.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// From now on each byte is so long on its way, in each direction, on connections that begin under a delay.
    pub fn delay(&self, delay: Duration) {
        self.state.delay.store(delay.as_micros() as u64, Ordering::SeqCst);
    }

    /// The bytes that passed so far, in both directions.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// The connections that were passed on so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.begun.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.state.close_all();
    }
}

impl State {
    fn close_all(&self) {
        if let Ok(mut open) = self.open.lock() {
            for s in open.drain(..) {
                s.shutdown(Shutdown::Both).ok();
            }
        }
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.ended.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((near, _)) => self.begin(near).unwrap_or_default(),
                Err(_) => thread::sleep(STEP),
            }
        }
    }

    fn begin(self: &Arc<Self>, near: TcpStream) -> Result<()> {
        if self.cut.load(Ordering::SeqCst) {
            return Ok(());
        }
        near.set_nonblocking(false)?;
        let far = TcpStream::connect(("127.0.0.1", self.to))?;
        self.begun.fetch_add(1, Ordering::SeqCst);
        for s in [&near, &far] {
            s.set_nodelay(true)?;
        }
        {
            let mut open = self.open.lock().map_err(|_| "lock")?;
            open.push(near.try_clone()?);
            open.push(far.try_clone()?);
            // A cut that came between the look above and here found nothing to close.
            if self.cut.load(Ordering::SeqCst) {
                near.shutdown(Shutdown::Both).ok();
                far.shutdown(Shutdown::Both).ok();
            }
        }
        let (near2, far2) = (near.try_clone()?, far.try_clone()?);
        let (one, two) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || one.pump(near, far, false));
        thread::spawn(move || two.pump(far2, near2, true));
        Ok(())
    }

    /// As [`State::pump`], each piece when its time has come.
    fn pump_late(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream) {
        let (send, receive) = mpsc::sync_channel::<(Instant, Vec<u8>)>(PIECES_MAX);
        let state = Arc::clone(self);
        thread::spawn(move || {
            for (due, piece) in receive {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&piece).is_err() {
                    break;
                }
                state.passed.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
            to.shutdown(Shutdown::Write).ok();
        });
        let mut chunk = vec![0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            let due = Instant::now() + Duration::from_micros(self.delay.load(Ordering::SeqCst));
            if send.send((due, chunk[..n].to_vec())).is_err() {
                break;
            }
        }
    }

    /// Waits while bytes of this direction stand still; `back` is from the port that the link leads to.
    fn wait(&self, back: bool) {
        let stands = || self.stalled.load(Ordering::SeqCst) || (back && self.held.load(Ordering::SeqCst));
        while stands() && !self.ended.load(Ordering::SeqCst) {
            thread::sleep(STEP);
        }
    }

    fn pump(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, back: bool) {
        if self.delay.load(Ordering::SeqCst) > 0 {
            return self.pump_late(from, to);
        }
        let mut chunk = vec![0; 65_536];
        loop {
            self.wait(back);
            let rate = self.rate.load(Ordering::SeqCst);
            let len = if rate == 0 { chunk.len() } else { (rate / 50).clamp(1, 65_536) as usize };
            let Ok(n @ 1..) = from.read(&mut chunk[..len]) else { break };
            // It may have been stopped while nothing came.
            self.wait(back);
            if to.write_all(&chunk[..n]).is_err() {
                break;
            }
            self.passed.fetch_add(n as u64, Ordering::SeqCst);
            if rate > 0 {
                let due = Duration::from_secs_f64(n as f64 / rate as f64);
                thread::sleep(due.min(Duration::from_millis(100)));
            }
        }
        // Half-closed stays half-closed: what the other direction still owes passes.
        to.shutdown(Shutdown::Write).ok();
    }
}
