//! A client as libraries are: asks a sentinel for the master, writes there, and follows `+switch-master`.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::situations::{Situation, Situations};
use crate::ids::{ConnId, Ids, OpId};
use crate::link::Link;
use crate::machine::{self, Action, Actions, Chunks, Endpoint, Input, Outcome, SocketOptions};
use crate::resp::{Command, ReplyLimits, Value};
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use crate::timers::Timers;

/// The channel on which sentinels tell of a new master.
const SWITCH: &str = "+switch-master";
/// After something went wrong it rests for so long.
const REST: Duration = Duration::from_millis(50);

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its number: its key is made of it.
    pub number: u32,
    /// The master's name.
    pub master: String,
    /// The sentinels that it may ask.
    pub sentinels: Vec<SocketAddr>,
    /// The longest time between two writes, ms.
    pub think_ms: u64,
    /// Per mille of writes that end with a `WAIT 1`.
    pub waits: u64,
    /// No answer for so long: it begins anew.
    pub patience: Duration,
}

/// What a client is told by the program of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCall {
    /// It writes no more, and reads its key once at the master.
    Finish,
    /// It asks this sentinel for a failover in which the master hands over.
    HandOver(SocketAddr),
}

/// What a connection of a client is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Job {
    /// Asking a sentinel for the master.
    Ask,
    /// Writing.
    Write,
    /// Listening for `+switch-master`.
    Listen,
    /// Asking a sentinel for a failover.
    HandOver,
}

const JOBS: [Job; 4] = [Job::Ask, Job::Write, Job::Listen, Job::HandOver];

/// What a command is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Address,
    Set(u64),
    Wait(u64),
    Get,
    /// What is left of its writes at a master that it has come to.
    Left,
    Subscribe,
    HandOver,
}

/// What a deadline of a client is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    Begin(Job),
    Patience(Job),
    Write,
}

/// A client. See the [module](self).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    ids: Ids,
    timers: Timers<Timer>,
    /// Connections by [`Job`].
    links: [Option<Link<Asked>>; 4],
    /// Where it takes the master to be: the address that it came to last by the host that it was told.
    master: Option<SocketAddr>,
    /// The host and port that it was told.
    told: Option<(String, u16)>,
    /// The master's name is being looked up.
    resolving: Option<OpId>,
    /// The sentinel that it asks for a failover.
    orders: Option<SocketAddr>,
    /// The number of its last write.
    last: u64,
    /// The highest number that was acknowledged, and that a WAIT saw on a replica.
    acknowledged: u64,
    waited: u64,
    /// How often less than that was there.
    lost: u64,
    writes: u64,
    finishing: bool,
    /// What it read at the end.
    read: Option<u64>,
    /// What occurred.
    pub situations: Situations,
}

impl ClientConfig {
    /// The key that it writes.
    pub fn key(&self) -> String {
        alloc::format!("c{}", self.number)
    }
}

impl Client {
    /// A client that begins to work at its first tick.
    pub fn new(config: ClientConfig, seed: Seed) -> Self {
        let mut timers = Timers::new();
        timers.set(Timer::Begin(Job::Ask), Instant::from_micros(1));
        timers.set(Timer::Begin(Job::Listen), Instant::from_micros(2));
        Self {
            config,
            rng: Rng::new(seed),
            ids: Ids::default(),
            timers,
            links: [const { None }; 4],
            master: None,
            orders: None,
            told: None,
            resolving: None,
            last: 0,
            acknowledged: 0,
            waited: 0,
            lost: 0,
            writes: 0,
            finishing: false,
            read: None,
            situations: Situations::default(),
        }
    }

    /// How many writes were acknowledged.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.config.number
    }

    /// The number of its last write.
    pub fn wrote(&self) -> u64 {
        self.last
    }

    /// The highest number that a WAIT saw on a replica.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// How often it found less than that at a master that it came to.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Where it takes the master to be.
    pub fn master(&self) -> Option<SocketAddr> {
        self.master
    }

    /// What it read at the end, 0 for nothing; `None`: it did not get to that.
    pub fn read(&self) -> Option<u64> {
        self.read
    }

    /// Takes one thing that happened.
    #[allow(clippy::needless_pass_by_value, reason = "an input is given away, as by the door of a machine")]
    pub fn handle<E>(&mut self, now: Instant, input: Input<'_, ClientCall>, out: &mut Actions<E>) {
        match input {
            Input::Tick => {
                while let Some(timer) = self.timers.pop_due(now) {
                    self.due(now, timer, out);
                }
            }
            Input::Connected { conn, .. } => {
                if let Some(job) = self.job_of(conn) {
                    self.connected(job, out);
                }
            }
            Input::Received { conn, bytes } => {
                if let Some(job) = self.job_of(conn) {
                    self.received(now, job, bytes, out);
                }
            }
            Input::Sent { conn, len } => {
                if let Some(link) = self.job_of(conn).and_then(|job| self.links[job as usize].as_mut()) {
                    link.sent(len, out);
                }
            }
            Input::Eof { conn } | Input::Closed { conn, .. } => {
                if let Some(job) = self.job_of(conn) {
                    if matches!(input, Input::Eof { .. }) {
                        out.push(Action::Close { conn });
                    }
                    self.links[job as usize] = None;
                    self.anew(now, job, out);
                }
            }
            Input::Done { op, result } if self.resolving == Some(op) => {
                self.resolving = None;
                match (result, &self.told) {
                    (Outcome::Resolved(ips), Some((_, port))) => {
                        self.master = ips.first().map(|ip| SocketAddr::new(*ip, *port));
                        self.begin(now, Job::Write, out);
                    }
                    _ => self.anew(now, Job::Ask, out),
                }
            }
            Input::Call(ClientCall::Finish) => {
                self.finishing = true;
                self.timers.set(Timer::Write, now + Duration::from_micros(1));
            }
            Input::Call(ClientCall::HandOver(sentinel)) => {
                self.orders = Some(sentinel);
                self.begin(now, Job::HandOver, out);
            }
            _ => {}
        }
    }

    /// Its next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Shows unsent bytes.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(link) = self.job_of(conn).and_then(|job| self.links[job as usize].as_mut()) {
            link.transmit(budget, out);
        }
    }

    fn job_of(&self, conn: ConnId) -> Option<Job> {
        JOBS.into_iter().find(|job| self.links[*job as usize].as_ref().is_some_and(|l| l.conn() == conn))
    }

    fn hang_up<E>(&mut self, job: Job, out: &mut Actions<E>) {
        if let Some(link) = self.links[job as usize].take() {
            out.push(Action::Close { conn: link.conn() });
        }
        self.timers.clear(Timer::Patience(job));
    }

    /// Something went wrong with a connection.
    fn anew<E>(&mut self, now: Instant, job: Job, out: &mut Actions<E>) {
        self.hang_up(job, out);
        if job == Job::HandOver {
            return; // Whoever wants a failover asks once.
        }
        let job = if job == Job::Write { Job::Ask } else { job };
        let rest = REST + Duration::from_micros(self.rng.below(REST.as_micros() as u64));
        self.timers.set(Timer::Begin(job), now + rest);
    }

    fn due<E>(&mut self, now: Instant, timer: Timer, out: &mut Actions<E>) {
        match timer {
            Timer::Begin(job) => self.begin(now, job, out),
            Timer::Patience(job) => self.anew(now, job, out),
            Timer::Write => self.write(now, out),
        }
    }

    fn begin<E>(&mut self, now: Instant, job: Job, out: &mut Actions<E>) {
        self.hang_up(job, out);
        let to = match job {
            Job::Write => self.master,
            Job::HandOver => self.orders,
            _ => {
                let any = self.rng.below(self.config.sentinels.len() as u64) as usize;
                self.config.sentinels.get(any).copied()
            }
        };
        let Some(to) = to else { return };
        if job == Job::Ask {
            self.situations.count(Situation::AskedAgain);
        }
        let conn = self.ids.conn();
        self.links[job as usize] = Some(Link::new(conn, ReplyLimits::default()));
        let options = SocketOptions::default();
        out.push(Action::Connect { conn, to: Endpoint::Tcp(to), from: None, tls: false, options });
        self.timers.set(Timer::Patience(job), now + self.config.patience);
    }

    fn connected<E>(&mut self, job: Job, out: &mut Actions<E>) {
        let key = self.config.key();
        let Some(link) = &mut self.links[job as usize] else { return };
        link.connected(out);
        match job {
            Job::Ask => {
                let question = Command::new(&["SENTINEL", "get-master-addr-by-name", &self.config.master]);
                link.ask(&question, Asked::Address, out);
            }
            Job::HandOver => {
                let order = Command::new(&["SENTINEL", "FAILOVER", &self.config.master, "COORDINATED"]);
                link.ask(&order, Asked::HandOver, out);
            }
            Job::Listen => link.ask(&Command::new(&["SUBSCRIBE", SWITCH]), Asked::Subscribe, out),
            Job::Write => link.ask(&Command::new(&["GET", &key]), Asked::Left, out),
        }
    }

    fn write<E>(&mut self, now: Instant, out: &mut Actions<E>) {
        let waits = self.rng.below(1000) < self.config.waits;
        let key = self.config.key();
        let Some(link) = &mut self.links[Job::Write as usize] else { return };
        if link.asked().len() > 0 {
            return;
        }
        if self.finishing {
            if self.read.is_some() {
                return;
            }
            link.ask(&Command::new(&["GET", &key]), Asked::Get, out);
        } else {
            self.last += 1;
            let value = alloc::format!("{}", self.last);
            link.ask(&Command::new(&["SET", &key, &value]), Asked::Set(self.last), out);
            if waits {
                link.ask(&Command::new(&["WAIT", "1", "300"]), Asked::Wait(self.last), out);
            }
        }
        self.timers.set(Timer::Patience(Job::Write), now + self.config.patience);
    }

    fn received<E>(&mut self, now: Instant, job: Job, bytes: &[u8], out: &mut Actions<E>) {
        let mut input = bytes;
        while let Some(link) = &mut self.links[job as usize] {
            match link.next(&mut input) {
                Ok(Some((asked, value))) => self.answer(now, job, asked, &value, out),
                Ok(None) => return,
                Err(_) => return self.anew(now, job, out),
            }
        }
    }

    fn answer<E>(&mut self, now: Instant, job: Job, asked: Option<Asked>, value: &Value, out: &mut Actions<E>) {
        match asked {
            Some(Asked::Address) => {
                self.hang_up(Job::Ask, out);
                match value.as_array().and_then(|a| address(a.first()?, a.get(1)?)) {
                    Some(to) => self.go_to(now, to, out),
                    None => self.anew(now, Job::Ask, out),
                }
            }
            Some(Asked::HandOver) => self.hang_up(job, out),
            Some(Asked::Subscribe) => self.timers.clear(Timer::Patience(Job::Listen)),
            None => {
                let payload = value.as_array().and_then(|a| a.get(2)?.as_str());
                if let Some(to) = payload.and_then(|text| switched(text, &self.config.master)) {
                    self.situations.count(Situation::FollowedSwitch);
                    self.go_to(now, to, out);
                }
            }
            Some(Asked::Left) if value.as_error().is_none() => {
                let left = number(value);
                if left < self.acknowledged {
                    self.situations.count(Situation::AcknowledgedLost);
                }
                if left < self.waited {
                    self.lost += 1;
                }
                // Each is counted once.
                self.acknowledged = self.acknowledged.min(left);
                self.waited = self.waited.min(left);
                self.next(now);
            }
            Some(Asked::Set(n)) if value.is("OK") => {
                self.acknowledged = n;
                self.writes += 1;
                self.next(now);
            }
            Some(Asked::Wait(n)) if value.as_i64().is_some() => {
                let kept = value.as_i64().is_some_and(|r| r > 0) && self.acknowledged == n;
                if kept {
                    self.waited = n;
                }
                self.situations.count(if kept { Situation::WaitKept } else { Situation::WaitTimedOut });
                self.next(now);
            }
            Some(Asked::Get) if value.as_error().is_none() => {
                self.read = Some(number(value));
                self.hang_up(job, out);
            }
            Some(Asked::Set(_) | Asked::Wait(_) | Asked::Get | Asked::Left) => {
                if value.is_error("READONLY") {
                    self.situations.count(Situation::RefusedReadOnly);
                }
                self.anew(now, job, out);
            }
        }
    }

    /// The next write, once all was answered.
    fn next(&mut self, now: Instant) {
        if self.links[Job::Write as usize].as_ref().is_some_and(|l| l.asked().len() == 0) {
            self.timers.clear(Timer::Patience(Job::Write));
            let think = Duration::from_micros(1 + self.rng.below(self.config.think_ms * 1000));
            self.timers.set(Timer::Write, now + think);
        }
    }

    /// It was told where the master is: by its address, or by its name.
    fn go_to<E>(&mut self, now: Instant, to: (String, u16), out: &mut Actions<E>) {
        if self.told.as_ref() == Some(&to) && self.links[Job::Write as usize].is_some() {
            return;
        }
        self.resolving = None;
        match to.0.parse() {
            Ok(ip) => {
                self.master = Some(SocketAddr::new(ip, to.1));
                self.begin(now, Job::Write, out);
            }
            Err(_) => {
                let op = self.ids.op();
                self.resolving = Some(op);
                out.push(Action::Start { op, job: machine::Job::Resolve { host: to.0.as_str().into() } });
            }
        }
        self.told = Some(to);
    }
}

/// The number of a write; 0 for none.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn address(host: &Value, port: &Value) -> Option<(String, u16)> {
    Some((host.as_str()?.into(), port.as_str()?.parse().ok()?))
}

/// The new place of a master in a message on [`SWITCH`]: `name old-host old-port host port`.
fn switched(text: &str, name: &str) -> Option<(String, u16)> {
    let mut words = text.split(' ');
    if words.next()? != name {
        return None;
    }
    let (host, port) = (words.nth(2)?, words.next()?);
    Some((host.into(), port.parse().ok()?))
}
