//! A turn of a host's loop, as the real drivers have it: what is ready first, then `Resume`, then `Tick`, then the writes.
//! One step of the world is one input of it.

use core::ops::Bound;
use core::time::Duration;

use super::laws;
use super::net::{At, State};
use super::process::Ready;
use super::step::Came;
use super::world::Last;
use super::{HostId, World};
use crate::ids::ConnId;
use crate::machine::{Input, Machine, Outcome};
use crate::time::Instant;

/// What one connection may bring in with one read, bytes.
const READ_MAX: usize = 128 << 10;
/// What a slow reader takes at a time, bytes.
const DROP_MAX: u64 = 256;
/// How long it rests after that.
const DROP_REST: Duration = Duration::from_millis(10);

/// Where a turn is. The counts are those of its beginning: what comes up meanwhile waits for the next one.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) host: u32,
    inputs: usize,
    pub(super) resume: bool,
    tick: bool,
    writes: Option<usize>,
}

impl<M: Machine> World<M> {
    pub(super) fn begin_turn(&mut self, h: u32) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        if host.runs(now) {
            let resume = core::mem::take(&mut host.resume);
            self.turn = Some(Turn { host: h, inputs: host.ready.len(), resume, tick: true, writes: None });
        }
    }

    /// Goes on with the turn until a machine has taken an input; false if the turn is over without.
    pub(super) fn go_on(&mut self) -> bool {
        while let Some(turn) = &mut self.turn {
            let h = turn.host;
            if let Some((host, conn, what)) = self.late.take() {
                self.feed_late(host, conn, what);
                return true;
            }
            let Some(turn) = &mut self.turn else { break };
            if turn.inputs > 0 {
                turn.inputs -= 1;
                let ready = self.hosts.get_mut(h as usize).and_then(|host| host.ready.pop_front());
                if ready.is_some_and(|ready| self.take(h, ready)) {
                    return true;
                }
            } else if core::mem::take(&mut turn.resume) {
                self.check(h, laws::SPIN, |w, _| w.watch.resumed(), "it yields for ever and does nothing else");
                self.feed(h, Input::Resume, Last::Resume);
                return true;
            } else if core::mem::take(&mut turn.tick) {
                if self.tick(h) {
                    return true;
                }
            } else {
                let left = *turn.writes.get_or_insert_with(|| self.hosts.get(h as usize).map_or(0, |x| x.writes.len()));
                if left == 0 {
                    self.turn = None;
                    self.look_for_silent(h);
                    self.rest(h, Duration::from_micros(self.net.turn_us.max(1)));
                    return false;
                }
                turn.writes = Some(left - 1);
                let next = self.hosts.get_mut(h as usize).and_then(|host| host.writes.pop_front());
                if next.is_some_and(|at| self.write(h, at)) {
                    return true;
                }
            }
        }
        false
    }

    /// The loop of a host is busy for so long.
    fn rest(&mut self, h: u32, time: Duration) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(h as usize) {
            host.free_at = host.free_at.max(now + time);
        }
        self.plan(h);
    }

    fn tick(&mut self, h: u32) -> bool {
        let now = self.now;
        let Some(host) = self.hosts.get(h as usize) else { return false };
        let local = host.clock.read(now).mono;
        if host.machine.as_ref().and_then(Machine::deadline).is_none_or(|at| at > local) {
            return false;
        }
        let turn_us = self.net.turn_us;
        self.check(h, laws::SPIN, |w, now| w.watch.ticked(now, turn_us), "it ticks for ever and gets nowhere");
        self.feed(h, Input::Tick, Last::Tick);
        let deadline = self.hosts.get(h as usize).and_then(|x| x.machine.as_ref()).and_then(Machine::deadline);
        self.stats.checks += 1;
        if let Some(deadline) = deadline.filter(|d| *d <= local) {
            let text =
                alloc::format!("after Tick at {local:?} the deadline is {deadline:?}: none or later was expected");
            self.violate(laws::DEADLINE, Some(HostId(h)), text);
        }
        true
    }

    /// One thing that was ready; whether the machine heard of it.
    fn take(&mut self, h: u32, ready: Ready<M::Call>) -> bool {
        match ready {
            Ready::Accept(at, listener) => self.accept(h, at, listener),
            Ready::Connected(at) => self.connected(h, at),
            Ready::News(at) => self.news(h, at),
            Ready::Failed(at, reason) => self.failed(h, at, reason),
            Ready::Began(op) => {
                self.feed(h, Input::Began { op, pid: self.stats.jobs as u32 | 1 }, Last::Began { op });
                true
            }
            Ready::Done(op, result) => {
                let came = Came::from(&result);
                self.hash_outcome(&result);
                if let Some(host) = self.hosts.get_mut(h as usize) {
                    host.jobs.remove(&op);
                }
                self.stats.jobs += 1;
                self.feed(h, Input::Done { op, result }, Last::Done { op, came });
                true
            }
            Ready::Call(call) => {
                self.feed(h, Input::Call(call), Last::Call);
                true
            }
            Ready::Shutdown(signal) => {
                self.feed(h, Input::Shutdown { signal }, Last::Shutdown { signal });
                true
            }
        }
    }

    fn hash_outcome(&mut self, result: &Outcome) {
        match result {
            Outcome::Read(bytes) => self.trace.bytes(bytes),
            Outcome::Stat(len) => self.trace.mix(len.map_or(0, |n| n + 1), 1),
            Outcome::Failed(error) => self.trace.mix(error.kind as u64, 2),
            _ => {}
        }
    }

    /// What a connection has to tell: bytes, the peer's end, or its own.
    fn news(&mut self, h: u32, at: At) -> bool {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(h as usize) else { return false };
        let Some(end) = self.conns.end_mut(at).filter(|e| e.host == h) else { return false };
        end.in_ready = false;
        let id = end.id;
        if !end.told || !end.has_news() || end.state != State::Open {
            return false;
        }
        if end.read && end.pipe.arrived > 0 {
            let slow = host.troubles.slow_reader > now;
            let n = self.how_much(at, slow);
            self.receive(h, at, id, n);
            return true;
        }
        if let Some(reason) = end.broken {
            self.lost(h, at, reason);
            return true;
        }
        end.eof_told = true;
        self.feed(h, Input::Eof { conn: id }, Last::Eof { conn: id });
        true
    }

    /// How many of the bytes that are there one read brings.
    fn how_much(&mut self, at: At, slow: bool) -> usize {
        let there = self.conns.end(at).map_or(0, |e| e.pipe.arrived).min(READ_MAX);
        if slow {
            return there.min(1 + self.choices.below(DROP_MAX) as usize);
        }
        if there > 1 && self.choices.chance(self.net.chop) {
            return there - 1 - self.choices.below(there as u64 - 1) as usize;
        }
        there
    }

    fn receive(&mut self, h: u32, at: At, id: ConnId, n: usize) {
        let Some(end) = self.conns.end_mut(at) else { return };
        let (buf, range) = end.pipe.lend(n);
        self.trace.bytes(&buf[range.clone()]);
        self.stats.bytes += n as u64;
        self.tell_read(at, n);
        self.acknowledge(at, n);
        // What is left has its turn after the others.
        let slow = self.host(h).is_some_and(|host| host.troubles.slow_reader > self.now);
        if slow {
            self.agenda.push(self.now + DROP_REST, super::agenda::Coming::Drop(at));
        } else {
            self.queue_news(at);
        }
        // Lent until the next step, so that whoever looks at this one can see the bytes.
        self.feed(h, Input::Received { conn: id, bytes: &buf[range.clone()] }, Last::Received { conn: id, range });
        self.lent = Some((at, buf));
    }

    /// Puts a connection with news into its host's list.
    pub(super) fn queue_news(&mut self, at: At) {
        let Some(end) = self.conns.end_mut(at) else { return };
        if end.told && !end.in_ready && end.has_news() {
            end.in_ready = true;
            let h = end.host;
            if let Some(host) = self.hosts.get_mut(h as usize) {
                host.ready.push_back(Ready::News(at));
            }
            self.wake(h);
        }
    }

    /// Puts a connection with bytes to send and room for them into its host's list.
    pub(super) fn queue_write(&mut self, at: At) {
        let window = self.net.window.max(1);
        let Some(conn) = self.conns.get_mut(at) else { return };
        let room = conn.ends[at.other().side()].pipe.unacked < window;
        let end = &mut conn.ends[at.side()];
        if room && end.write && end.told && !end.in_writes && end.broken.is_none() {
            end.in_writes = true;
            let h = end.host;
            if let Some(host) = self.hosts.get_mut(h as usize) {
                host.writes.push_back(at);
            }
            self.wake(h);
        }
    }

    /// Hands one input to the machine, watches what it wants, and carries it out.
    pub(super) fn feed(&mut self, h: u32, input: Input<'_, M::Call>, last: Last) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        let Some(machine) = host.machine.as_mut() else { return };
        let local = host.clock.read(now);
        if !matches!(last, Last::Tick | Last::Resume) {
            host.watch.moved();
        }
        drop(self.actions.drain());
        machine.handle(local, input, &mut self.actions);
        self.stats.steps += 1;
        self.trace.mix(now.as_micros(), u64::from(h) << 32 | last.tag());
        self.trace.mix(last.subject(), local.mono.as_micros() ^ local.unix_ms.rotate_left(32));
        (self.last_host, self.last_now, self.last) = (Some(HostId(h)), local, last);
        if self.telling.is_some() {
            self.tell_input(h);
        }
        if !self.actions.is_empty() {
            self.carry_out(h);
        }
    }

    /// Whether a host's loop sleeps at the end of what it does now.
    pub(super) fn sleep(&mut self, h: u32, time: Duration) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(h as usize) {
            host.free_at = host.free_at.max(now) + time;
        }
    }

    /// Tells the machine something about a connection that it knows to be closed.
    fn feed_late(&mut self, h: u32, conn: ConnId, what: u8) {
        let input = match what {
            0 => Input::Received { conn, bytes: b"late\r\n" },
            1 => Input::Sent { conn, len: 1 },
            _ => Input::Eof { conn },
        };
        self.feed(h, input, Last::Late { conn });
    }

    /// One connection of the host after another: what has bytes to send has said so.
    fn look_for_silent(&mut self, h: u32) {
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        let next = host.conns.range((Bound::Excluded(host.looked_at), Bound::Unbounded)).next();
        let Some((id, at)) = next.or_else(|| host.conns.first_key_value()).map(|(id, at)| (*id, *at)) else { return };
        host.looked_at = id;
        let quiet = self.conns.end(at).is_some_and(|e| e.told && !e.write && e.state == State::Open);
        if let Some(machine) = host.machine.as_mut().filter(|_| quiet) {
            self.chunks.clear();
            machine.transmit(id, 1, &mut self.chunks);
            self.stats.checks += 1;
            if self.chunks.bytes() > 0 {
                let text = alloc::format!("{id:?} has bytes to send and did not say so: it has no write interest");
                self.violate(laws::TRANSMIT, Some(HostId(h)), text);
            }
        }
    }

    /// Asks a watch of the host's, and says what is wrong if it does not hold.
    fn check(
        &mut self,
        h: u32,
        law: &'static str,
        holds: impl FnOnce(&mut super::process::Host<M>, Instant) -> bool,
        text: &str,
    ) {
        let now = self.now;
        self.stats.checks += 1;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        if !holds(host, now) {
            self.violate(law, Some(HostId(h)), text.into());
        }
    }
}
