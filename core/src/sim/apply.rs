//! Faults at work.

use super::agenda::Coming;
use super::world::Notice;
use super::{Fault, HostId, World};
use crate::machine::{Closed, Machine, Signal};
use crate::sim::process::Ready;
use crate::time::Instant;

impl<M: Machine> World<M> {
    /// What comes up in the agenda.
    pub(super) fn happen(&mut self, what: Coming) {
        match what {
            Coming::Arrive(at) => self.arrive(at),
            Coming::Room(at) => self.queue_write(at),
            Coming::Drop(at) => self.queue_news(at),
            Coming::Syn(at) => self.syn(at),
            Coming::SynAck(at) => self.syn_ack(at),
            Coming::Refused(at) => self.give_up_connect(at, Closed::Refused),
            Coming::ConnectTimeout(at) => self.give_up_connect(at, Closed::TimedOut),
            Coming::GiveUp(at) => self.give_up(at),
            Coming::Keepalive(at) => self.keepalive(at),
            Coming::Job { host, boot, op } => self.end_job(host, boot, op),
            Coming::Fault(index) => self.apply_known(index),
            Coming::Release { a, b } => self.release_between(a, b),
            Coming::Unpause(h) => self.unpause(h),
            Coming::Boot(h) => {
                if self.host(h).is_some_and(|host| host.boot_at == Some(self.now)) {
                    self.boot(h);
                }
            }
        }
    }

    /// Applies a fault of the list.
    pub(super) fn apply_known(&mut self, index: u32) {
        let Some(fault) = self.faults.get(index as usize).cloned() else { return };
        *self.stats.faults.entry(fault.kind()).or_default() += 1;
        self.trace.mix(self.now.as_micros(), 0xFA << 56 | fault.kind_index() as u64);
        self.notices.push_back(Notice::Fault(index));
        self.tell_fault(&fault);
        let until = fault.lasts().map_or(Instant::MAX, |lasts| self.now + lasts);
        match fault {
            Fault::Crash { host, .. } => self.take_down(host, until, Self::lose_power),
            Fault::Kill { host, .. } => self.take_down(host, until, Self::end_process),
            Fault::Stop { host, down_for } => {
                if let Some(x) = self.host_mut(host.0).filter(|x| x.machine.is_some()) {
                    x.again_after = Some(down_for);
                    x.ready.push_back(Ready::Shutdown(Signal::Term));
                    self.wake(host.0);
                }
            }
            Fault::Pause { host, .. } => self.pause(host.0, until),
            Fault::Partition { a, b, one_way, .. } => {
                self.links.cut(a.0, b.0, until);
                if !one_way {
                    self.links.cut(b.0, a.0, until);
                }
                self.agenda.push(until, Coming::Release { a: a.0, b: b.0 });
            }
            Fault::Stall { a, b, .. } => {
                self.links.stall(a.0, b.0, until);
                self.links.stall(b.0, a.0, until);
                self.agenda.push(until, Coming::Release { a: a.0, b: b.0 });
            }
            Fault::SlowLink { a, b, factor, .. } => {
                self.links.slow(a.0, b.0, factor, until);
                self.links.slow(b.0, a.0, factor, until);
            }
            Fault::Reset { a, b } => self.each_between(a, b, |w, at| {
                w.reset_end(at);
                w.reset_end(at.other());
            }),
            Fault::HalfOpen { a, b } => self.each_between(a, b, |w, at| {
                w.break_end(at, Closed::TimedOut);
                w.silence(at.other());
            }),
            Fault::BlackHole { a, b } => self.each_between(a, b, |w, at| {
                if let Some(conn) = w.conns.get_mut(at) {
                    conn.hole = true;
                }
                w.silence(at);
                w.silence(at.other());
            }),
            Fault::Name { name, trouble, .. } => self.names.trouble(&name, trouble, until),
            Fault::Heal => self.heal_all(),
            fault => self.trouble_host(&fault, until),
        }
    }

    /// The faults that only set something of one host.
    fn trouble_host(&mut self, fault: &Fault, until: Instant) {
        let now = self.now;
        let Some(h) = fault.host() else { return };
        let Some(host) = self.host_mut(h.0) else { return };
        let troubles = &mut host.troubles;
        match fault {
            Fault::SlowReader { .. } => troubles.slow_reader = troubles.slow_reader.max(until),
            Fault::RefuseConnects { .. } => troubles.refuses = troubles.refuses.max(until),
            Fault::DropConnects { .. } => troubles.drops = troubles.drops.max(until),
            Fault::Disk { trouble, .. } => troubles.disk = Some((*trouble, until)),
            Fault::WallJump { by_ms, .. } => host.clock.jump_wall(*by_ms),
            Fault::Drift { ppm, .. } => host.clock.drift_mono(now, *ppm),
            Fault::WallDrift { ppm, .. } => host.clock.drift_wall(now, *ppm),
            _ => {}
        }
        self.plan_unless_turning(h.0);
    }

    fn plan_unless_turning(&mut self, h: u32) {
        if self.turn.as_ref().is_none_or(|t| t.host != h) {
            self.plan(h);
        }
    }

    /// A host goes down until then; one that never ran stays as it is.
    fn take_down(&mut self, h: HostId, until: Instant, how: fn(&mut Self, u32)) {
        if self.host(h.0).is_some_and(|host| host.boots > 0) {
            how(self, h.0);
            self.boot_later(h.0, until);
        }
    }

    fn each_between(&mut self, a: HostId, b: HostId, act: impl Fn(&mut Self, super::net::At)) {
        for at in self.conns.between(a.0, b.0) {
            act(self, at);
        }
    }

    fn release_between(&mut self, a: u32, b: u32) {
        let now = self.now;
        for at in self.conns.between(a, b) {
            if !self.links.is_held(b, a, now) {
                self.release(at);
            }
            if !self.links.is_held(a, b, now) {
                self.release(at.other());
            }
        }
    }

    /// Everything that lasts ends.
    pub(super) fn heal_all(&mut self) {
        let now = self.now;
        self.links.heal(now);
        self.names.heal();
        for h in 0..self.hosts.len() as u32 {
            let Some(host) = self.host_mut(h) else { continue };
            host.troubles = super::process::Troubles::default();
            host.clock.heal(now);
            if host.machine.is_none() && host.boots > 0 {
                self.boot(h);
            }
            self.unpause(h);
            self.plan_unless_turning(h);
        }
        for at in self.conns.all() {
            for at in [at, at.other()] {
                self.release(at);
                self.hurry(at);
            }
        }
    }
}
