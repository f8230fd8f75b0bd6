//! Deadlines and limits: who is silent, who is behind, and what the log may forget.

use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::ConnId;
use crate::machine::{Action, Turn};
use crate::mutations::{Mutation, on};
use crate::replication::ReplId;
use crate::time::Instant;

use super::event::{Dropped, Event, Limit};
use super::peer::{Peer, State};
use super::{Emit, Key, PING, Role, Source, Timer};

/// Time between two newlines to a replica that waits.
const NEWLINE_PERIOD: Duration = Duration::from_secs(1);

impl Source {
    /// A deadline passed.
    pub fn tick<K: Key, E: Emit>(&mut self, timer: Timer, cx: &mut Turn<'_, K, E>) {
        match timer {
            Timer::Ping => {
                if self.role == Role::Master && !self.peers.is_empty() {
                    self.append(None, PING);
                }
                self.arm_ping(cx);
            }
            Timer::Newlines => self.newlines(),
            Timer::Silence => self.drop_silent(cx),
            Timer::SoftLimit => self.dirty = true,
            Timer::BacklogTtl => self.free_log(cx),
            // The host asks `snapshot_wanted` after every tick.
            Timer::Delay => {}
        }
    }

    /// Ends an input: tells the runtime which replicas have bytes, drops those too far behind, trims the log. Costs
    /// nothing when nothing changed.
    #[inline]
    pub fn settle<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if self.dirty || self.settled != self.log.visible() {
            self.settle_now(cx);
        }
    }

    fn settle_now<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.dirty = false;
        if self.log.visible() > self.settled {
            self.marks.grew(self.settled, self.log.start(), cx.now.mono);
        }
        self.settled = self.log.visible();
        self.check_limits(cx);
        if !self.snapshots.is_empty() {
            self.settle_snapshots(cx);
        }
        // Who joined a snapshot that began further back would be dropped at once: nobody needs the log for it.
        let limit = self.config.hard_limit().unwrap_or(u64::MAX);
        let joinable = |at: &u64| self.log.visible() - at <= limit;
        let mut slowest = self.snapshots.pin().filter(joinable).unwrap_or(u64::MAX);
        let mut arm_newlines = false;
        for (&conn, peer) in &mut self.peers {
            slowest = slowest.min(peer.pin().unwrap_or(u64::MAX));
            arm_newlines |= peer.wants_newlines();
            if !peer.writing && peer.unsent(&self.log, &self.snapshots) > 0 {
                peer.writing = true;
                peer.progress_at = cx.now.mono;
                cx.out.push(Action::Interest { conn, read: true, write: true });
            }
        }
        if arm_newlines && cx.timers.get(Timer::Newlines.into()).is_none() {
            cx.timers.set(Timer::Newlines.into(), cx.now.mono + NEWLINE_PERIOD);
        }
        if !on(Mutation::NeverTrims) {
            self.log.trim(self.config.backlog_size, slowest);
        }
        self.dirty = false;
    }

    fn check_limits<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let (hard, soft) = (self.config.hard_limit(), self.config.soft_limit());
        let least = hard.unwrap_or(u64::MAX).min(soft.unwrap_or(u64::MAX));
        let now = cx.now.mono;
        let visible = self.log.visible();
        let mut over: Vec<(ConnId, Limit, u64)> = Vec::new();
        for (&conn, peer) in &mut self.peers {
            let behind = peer.pin().map_or(0, |at| visible.saturating_sub(at));
            if behind <= least && peer.soft_since.is_none() {
                continue;
            }
            if soft.is_none_or(|s| behind <= s) {
                peer.soft_since = None;
            } else if peer.soft_since.is_none() {
                peer.soft_since = Some(now);
                cx.timers.set_sooner(Timer::SoftLimit.into(), later(now, self.config.output_soft_period));
            }
            if hard.is_some_and(|h| behind > h) {
                over.push((conn, Limit::Hard, behind));
            } else if let Some(since) = peer.soft_since {
                let end = since + self.config.output_soft_period;
                if now >= end {
                    over.push((conn, Limit::Soft, behind));
                } else {
                    cx.timers.set_sooner(Timer::SoftLimit.into(), end);
                }
            }
        }
        for (conn, limit, behind) in over {
            let Some(peer) = self.peers.get(&conn) else { continue };
            let event = Event::OutputLimit { replica: peer.name(), behind, limit };
            cx.out.event(crate::replication::Event::from(event));
            self.remove_and_close(conn, cx);
        }
    }

    fn newlines(&mut self) {
        for peer in self.peers.values_mut().filter(|p| p.wants_newlines()) {
            // One that does not take the first newline gets no second.
            if peer.out.is_empty() {
                peer.out.append(b"\n");
            }
            self.dirty = true;
        }
    }

    fn drop_silent<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let now = cx.now.mono;
        let silent: Vec<ConnId> = self
            .peers
            .iter()
            .filter(|(_, p)| self.silent_at(p).is_some_and(|at| at <= now))
            .map(|(&conn, _)| conn)
            .collect();
        for conn in silent {
            let Some(peer) = self.peers.get(&conn) else { continue };
            let late = peer.held_until.is_some_and(|at| at <= now);
            match peer.state {
                State::Parked { .. } => self.drop_peer(conn, Dropped::NoChannel, cx),
                _ if late => self.drop_peer(conn, Dropped::NoMain, cx),
                _ => {
                    let streaming = matches!(peer.state, State::Online | State::Held | State::Early);
                    let event = Event::TimedOut { replica: peer.name(), streaming };
                    cx.out.event(crate::replication::Event::from(event));
                    self.remove_and_close(conn, cx);
                }
            }
        }
        self.arm_silence(cx);
    }

    /// When a replica counts as silent if it is not heard before.
    fn silent_at(&self, peer: &Peer) -> Option<Instant> {
        let timeout = self.config.timeout;
        // One that takes nothing of its snapshot may be slow to load it, and says then that it lives.
        let alive_at = peer.progress_at.max(peer.acked_at);
        let stuck = (peer.unsent(&self.log, &self.snapshots) > 0).then(|| alive_at + timeout);
        match peer.state {
            State::Online | State::Held if !peer.pre_psync => Some(peer.acked_at + timeout),
            // One that came by SYNC never acknowledges; a stream it does not take is caught by the output limits.
            State::Online | State::Held => None,
            // It may read nothing while its snapshot comes by the other connection, which is watched.
            State::Early | State::Parked { .. } if peer.awaits_snapshot() => None,
            State::Parked { since } => Some(since + timeout),
            State::Early => Some(peer.acked_at + timeout),
            _ => stuck.into_iter().chain(peer.held_until).min(),
        }
    }

    /// A replica came or moved on: its silence is watched.
    pub(super) fn watch_peer<K: Key, E: Emit>(&self, conn: ConnId, cx: &mut Turn<'_, K, E>) {
        if self.peers.contains_key(&conn) {
            cx.timers.set_sooner(Timer::Silence.into(), later(cx.now.mono, self.config.timeout));
        }
    }

    /// Watches for the first that may be silent too long; while any are there, at least once per timeout.
    pub(super) fn arm_silence<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        if self.peers.is_empty() {
            return cx.timers.clear(Timer::Silence.into());
        }
        let next = self.peers.values().filter_map(|p| self.silent_at(p)).min();
        let latest = cx.now.mono + self.config.timeout;
        cx.timers
            .set(Timer::Silence.into(), next.unwrap_or(latest).min(latest).max(later(cx.now.mono, Duration::ZERO)));
    }

    pub(super) fn arm_ping<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        let wanted = self.role == Role::Master && !self.peers.is_empty() && !self.config.ping_period.is_zero();
        if wanted && cx.timers.get(Timer::Ping.into()).is_none() {
            cx.timers.set(Timer::Ping.into(), cx.now.mono + self.config.ping_period);
        }
    }

    /// A tick when the delay of a diskless snapshot ends; the end of one under production asks again.
    pub(super) fn arm_delay<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        if self.snapshot_under_way().is_some() {
            return;
        }
        if let Some((since, ..)) = self.oldest_waiting() {
            let at = (since + self.config.diskless_delay).max(later(cx.now.mono, Duration::ZERO));
            cx.timers.set(Timer::Delay.into(), at);
        }
    }

    pub(super) fn arm_backlog_ttl<K: Key, E: Emit>(&self, cx: &mut Turn<'_, K, E>) {
        let idle = self.active && self.peers.is_empty() && self.role == Role::Master;
        if idle && !self.config.backlog_ttl.is_zero() && cx.timers.get(Timer::BacklogTtl.into()).is_none() {
            cx.timers.set(Timer::BacklogTtl.into(), cx.now.mono + self.config.backlog_ttl);
        }
    }

    /// No replica came for the ttl: the history is freed. It gets a new name, since from now on writes are not
    /// counted, and an offset of the old one would name other bytes.
    fn free_log<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if !self.active || !self.peers.is_empty() || self.role != Role::Master {
            return;
        }
        self.active = false;
        self.id = ReplId::random(cx.rng);
        self.id2 = None;
        self.begin_log(self.log.visible());
        let seconds = self.config.backlog_ttl.as_secs();
        cx.out.event(crate::replication::Event::from(Event::BacklogFreed { seconds }));
    }
}

/// `after` from now, but in any case later than now.
fn later(now: Instant, after: Duration) -> Instant {
    now + after.max(Duration::from_micros(1))
}
